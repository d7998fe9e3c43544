/*
 * The sink's writers: a sealed buffer becomes a Parquet file in the store.
 */
#include "stage/bronze_sink.h"

#include <stdio.h>
#include <stdlib.h>

#define BACKOFF_FIRST_MS 100
#define BACKOFF_MOST_MS 2000

/* bronze/orders/order_date=2024-01-15/part-20240115T060001123Z-1a2b3c4d.parquet */
static void make_name(struct stage_sink *s, const struct bronze_file *f, struct buf *out)
{
    const int64_t now_us = env_now_us(s->env);
    const int64_t ms_of_day = (now_us - (int64_t)timestamp_date(now_us) * US_PER_DAY) / 1000;
    char uuid[37];
    unsigned month, day;
    int year;

    date_to_civil(timestamp_date(now_us), &year, &month, &day);
    env_uuid(s->env, uuid);
    buf_clear(out);
    stage_bronze_prefix(f->flush->domain->conf, f->date, out);
    buf_printf(out, "part-%04d%02u%02uT%02d%02d%02d%03dZ-%.8s.parquet", year, month, day, (int)(ms_of_day / 3600000),
               (int)(ms_of_day / 60000 % 60), (int)(ms_of_day / 1000 % 60), (int)(ms_of_day % 1000), uuid);
}

/*
 * One try. If an earlier one may have put the object, it is put again over itself: nobody else has its name, and only
 * an IG_OK says that it is durable. Otherwise a name that is taken is somebody else's, and we want another one.
 */
static enum ig_code put_once(struct stage_sink *s, const struct bronze_file *f, struct buf *name, struct str body,
                             bool *unsure, struct error *err)
{
    const enum store_put_mode mode = *unsure ? STORE_REPLACE : STORE_IF_ABSENT;
    const enum ig_code rc = store_put(s->x->store, buf_cstr(name), body, mode, err);

    if (rc == IG_EXISTS)
        make_name(s, f, name);
    else if (rc != IG_OK && error_code_retry(rc) != IG_RETRY_SAFE)
        *unsure = true;
    return rc;
}

/* Again until it is durable; false if the sink gives up first. */
static bool put_until_done(struct stage_sink *s, const struct bronze_file *f, struct str body)
{
    int64_t backoff_ms = BACKOFF_FIRST_MS;
    bool unsure = false, failing = false, done;
    struct error err = {0};
    struct buf name;

    buf_init(&name, 0);
    make_name(s, f, &name);
    while (!(done = put_once(s, f, &name, body, &unsure, &err) == IG_OK) && !s->abandoning) {
        if (!failing)
            log_error(s->env, "bronze", "%s: trying again until it works; nothing is lost", err.msg);
        sink_trouble(s, !failing, &err);
        failing = true;
        for (int64_t slept = 0; slept < backoff_ms && !s->abandoning; slept += BACKOFF_FIRST_MS)
            env_sleep_ms(s->env, BACKOFF_FIRST_MS);
        backoff_ms = backoff_ms * 2 > BACKOFF_MOST_MS ? BACKOFF_MOST_MS : backoff_ms * 2;
    }
    if (failing)
        sink_trouble_over(s);
    if (failing && done)
        log_info(s->env, "bronze", "the store takes files again");
    buf_release(&name);
    return done;
}

static struct bronze_file *next_file(struct stage_sink *s)
{
    struct bronze_file *f;

    sink_lock(s);
    while (!s->first_file && !s->writers_end)
        (void)sink_wait(s, env_monotonic_ms(s->env) + 60000);
    f = s->first_file;
    if (f) {
        s->first_file = f->next;
        if (!s->first_file)
            s->last_file = NULL;
    }
    sink_unlock(s);
    return f;
}

static void write_file(struct stage_sink *s, struct bronze_file *f)
{
    const int64_t n_bytes = (int64_t)f->rows.n_bytes, n_rows = (int64_t)f->rows.n;
    struct error err;
    struct buf body;
    bool done;

    buf_init(&body, 2 * BRONZE_ROWS_MAX_BYTES);
    if (bronze_parquet_write(&f->rows, env_now_us(s->env), &body, &err) != IG_OK)
        IG_UNREACHABLE("rows are bounded so that a file can hold them");
    done = put_until_done(s, f, buf_str(&body));
    sink_lock(s);
    s->in_flight_bytes -= n_bytes;
    if (done) {
        s->progress.files++;
        s->progress.records += n_rows;
        s->progress.bytes += (int64_t)body.n;
    } else {
        f->flush->failed = true;
    }
    sink_done_one(s, f->flush);
    pthread_cond_broadcast(&s->changed);
    sink_unlock(s);
    buf_release(&body);
    bronze_file_free(f);
}

void sink_writer_run(void *sink)
{
    struct stage_sink *s = sink;
    struct bronze_file *f;

    while ((f = next_file(s)) != NULL)
        write_file(s, f);
}
