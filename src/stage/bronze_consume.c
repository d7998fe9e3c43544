/*
 * The sink's consumer: reads the log, finds each record's date, buffers it, and says when to flush.
 */
#include "stage/bronze_sink.h"

#include <stdio.h>
#include <stdlib.h>

#define STUCK_MS 2000 /* without room for so long, the group must hear from us */

/* --- buffers ------------------------------------------------------------------------------------------------------ */

/* Where the date's file is among the domain's, or belongs. */
static size_t file_index(const struct sink_domain *d, int32_t date)
{
    size_t low = 0, high = d->files.n;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (d->files.p[middle]->date < date)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct bronze_file *file_of_date(struct sink_domain *d, int32_t date)
{
    struct bronze_file *f;
    size_t at;

    if (d->hot < d->files.n && d->files.p[d->hot]->date == date)
        return d->files.p[d->hot];
    at = file_index(d, date);
    if (at == d->files.n || d->files.p[at]->date != date) {
        f = check_calloc(1, sizeof(*f));
        f->date = date;
        bronze_rows_init(&f->rows, d->conf->topic.name);
        vec_push(&d->files, f);
        memmove(&d->files.p[at + 1], &d->files.p[at], (d->files.n - 1 - at) * sizeof(d->files.p[0]));
        d->files.p[at] = f;
    }
    d->hot = at;
    return d->files.p[at];
}

static struct sink_domain *domain_of_topic(struct stage_sink *s, const char *topic)
{
    if (topic == s->hot_topic)
        return s->hot;
    for (size_t i = 0; i < s->n_domains; i++)
        if (strcmp(s->domains[i].conf->topic.name, topic) == 0) {
            s->hot = &s->domains[i];
            s->hot_topic = topic;
            return s->hot;
        }
    return NULL;
}

/* The date that a record belongs to, or why it has none. */
static bool find_date(struct sink_domain *d, const struct log_record *r, int64_t now_ms, int32_t *date,
                      struct contract_reject *why)
{
    int64_t event_us = 0;

    *why = (struct contract_reject){.reason = "tombstone"};
    if (!r->value.p) {
        snprintf(why->detail, sizeof(why->detail), "the record has no value");
        return false;
    }
    if (!contract_event_time(d->contract, r->value, r->timestamp_ms, now_ms, &event_us, why))
        return false;
    *date = timestamp_date(event_us);
    if (*date < date_of_civil(1, 1, 1) || *date > date_of_civil(9999, 12, 31)) {
        why->reason = "bad_timestamp";
        snprintf(why->detail, sizeof(why->detail), "a date outside the years 0001 to 9999");
        return false;
    }
    return true;
}

static void take_record(struct stage_sink *s, struct sink_domain *d, const struct log_record *r, int64_t now_ms)
{
    struct contract_reject why;
    int32_t date = 0;

    (void)sink_open_flush(s, d);
    if (find_date(d, r, now_ms, &date, &why)) {
        struct bronze_file *f = file_of_date(d, date);
        const size_t before = f->rows.n_bytes;

        bronze_rows_add(&f->rows, r);
        const int64_t added = (int64_t)(f->rows.n_bytes - before);
        d->n_bytes += added;
        d->wide_bytes += added > BRONZE_WIDE_RECORD ? added : 0;
        s->open_bytes += added;
        d->n_rows++;
    } else {
        sink_send_letter(s, d, r, &why);
    }
}

/* --- groups ------------------------------------------------------------------------------------------------------- */

void sink_rebalanced(void *sink, bool assigned, const struct log_position *partitions, size_t n)
{
    struct stage_sink *s = sink;

    if (!assigned) {
        sink_flush_all(s);
        if (!sink_settle(s, s->settle_ms))
            log_warn(s->env, "bronze",
                     "partitions were taken away before all of them was stored: their rest is read again");
    } else {
        log_debug(s->env, "bronze", "%zu partitions assigned", n);
    }
    sink_drop_all(s);
    if (assigned)
        sink_load_letters(s);
    for (size_t i = 0; i < n; i++) {
        struct sink_domain *d = domain_of_topic(s, partitions[i].topic);

        if (d && partitions[i].partition >= 0)
            sink_partition(s, d, partitions[i].partition)->mine = assigned;
    }
    s->hot_topic = NULL; /* the name may be freed with the assignment */
}

/* Back to the committed offsets, after a letter was refused. */
static void start_again(struct stage_sink *s)
{
    struct error err;

    sink_lock(s);
    err = s->progress.error;
    sink_unlock(s);
    log_error(s->env, "bronze", "%s: reading again from the committed offsets", err.msg);
    sink_trouble(s, true, &err);
    sink_drop_all(s);
    for (int i = 0; i < 20 && !s->stopping; i++)
        env_sleep_ms(s->env, 50);
    s->letters_lost = false;
    sink_load_letters(s);
    if (log_consumer_rewind(s->consumer, &err) != IG_OK)
        log_error(s->env, "bronze", "%s", err.msg);
    sink_trouble_over(s);
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

static struct sink_domain *biggest(struct stage_sink *s)
{
    struct sink_domain *found = &s->domains[0];

    for (size_t i = 1; i < s->n_domains; i++)
        if (s->domains[i].n_bytes > found->n_bytes)
            found = &s->domains[i];
    return found;
}

/* The writers do not get on. Without records, stay a member of the group while they try. */
static void wait_as_member(struct stage_sink *s)
{
    struct log_batch batch;
    struct error err;

    if (log_consumer_pause(s->consumer, true, &err) != IG_OK ||
        log_consume(s->consumer, 1, 200, &batch, &err) != IG_OK) {
        log_warn(s->env, "bronze", "%s", err.msg);
        env_sleep_ms(s->env, 200);
        return;
    }
    if (batch.n > 0) { /* it should not give any; have it again */
        log_batch_free(&batch);
        sink_drop_all(s);
        if (log_consumer_rewind(s->consumer, &err) != IG_OK)
            log_warn(s->env, "bronze", "%s", err.msg);
        return;
    }
    log_batch_free(&batch);
}

/* Waits until the buffers are below the ceiling. Flushes early only if nothing else can make room. */
static void make_room(struct stage_sink *s)
{
    const int64_t stuck_at = env_monotonic_ms(s->env) + STUCK_MS;
    const uint64_t epoch = s->epoch;
    bool paused = false;
    struct error err;

    sink_lock(s);
    while (s->open_bytes + s->in_flight_bytes > s->memory_bytes && !s->stopping && s->epoch == epoch) {
        if (s->in_flight_bytes == 0) {
            sink_unlock(s);
            sink_flush(s, biggest(s));
            sink_lock(s);
        } else if (!sink_wait(s, stuck_at)) {
            sink_unlock(s);
            paused = true;
            wait_as_member(s);
            sink_lock(s);
        }
    }
    s->room_bytes = s->memory_bytes - s->in_flight_bytes;
    sink_unlock(s);
    if (paused && log_consumer_pause(s->consumer, false, &err) != IG_OK)
        log_warn(s->env, "bronze", "%s", err.msg);
}

/* --- the loop ----------------------------------------------------------------------------------------------------- */

static bool is_full(const struct sink_domain *d)
{
    return d->n_rows >= d->conf->bronze.flush_records || d->wide_bytes >= BRONZE_WIDE_FLUSH;
}

static void take_batch(struct stage_sink *s, const struct log_batch *batch)
{
    const int64_t now_ms = env_now_ms(s->env);
    const uint64_t epoch = s->epoch;

    for (size_t i = 0; i < batch->n; i++) {
        const struct log_record *r = &batch->records[i];
        struct sink_domain *d = domain_of_topic(s, r->topic);
        struct sink_partition *p;

        if (!d || r->partition < 0)
            continue;
        p = sink_partition(s, d, r->partition);
        if (r->offset < p->next)
            continue; /* taken already */
        take_record(s, d, r, now_ms);
        p->next = r->offset + 1;
        if (is_full(d))
            sink_flush(s, d);
        if (s->open_bytes > s->room_bytes) {
            make_room(s);
            if (s->epoch != epoch)
                return; /* a rebalance meanwhile: the rest is stale */
        }
    }
    for (size_t i = 0; i < batch->n_ends; i++) {
        const struct log_position *end = &batch->ends[i];
        struct sink_domain *d = domain_of_topic(s, end->topic);
        struct sink_partition *p;

        if (!d || end->partition < 0)
            continue;
        p = sink_partition(s, d, end->partition);
        if (end->offset > p->next) { /* only markers, or nothing, up to there: that is a position to commit */
            (void)sink_open_flush(s, d);
            p->next = end->offset;
        }
    }
}

/* Has somebody who waits in stage_sink_drain() all that he waits for in this domain's buffers? */
static bool drain_due(const struct sink_domain *d)
{
    bool wanted = false;

    for (size_t i = 0; i < d->partitions.n && i < d->targets.n; i++) {
        const struct sink_partition *p = &d->partitions.p[i];

        if (!p->mine || d->targets.p[i] <= p->committed)
            continue;
        wanted = true;
        if (p->next < d->targets.p[i])
            return false;
    }
    return wanted;
}

static void flush_due(struct stage_sink *s)
{
    const int64_t now = env_monotonic_ms(s->env);

    for (size_t i = 0; i < s->n_domains; i++) {
        struct sink_domain *d = &s->domains[i];
        bool due;

        if (!d->open)
            continue;
        due = is_full(d) || now - d->oldest_ms >= d->conf->bronze.flush_ms;
        if (!due) {
            sink_lock(s);
            due = drain_due(d);
            sink_unlock(s);
        }
        if (due)
            sink_flush(s, d);
    }
}

static void finish(struct stage_sink *s)
{
    struct stage_sink_progress p;

    sink_flush_all(s);
    if (sink_settle(s, s->settle_ms))
        return;
    stage_sink_progress(s, &p);
    error_set(&s->unfinished, IG_UNAVAILABLE,
              "stop the bronze sink: what was read last is not stored yet and will be read again%s%s",
              p.failed ? ": " : "", p.failed ? p.error.msg : "");
}

void sink_consumer_run(void *sink)
{
    struct stage_sink *s = sink;
    struct log_batch batch;
    struct error err;

    while (!s->stopping) {
        if (s->letters_lost)
            start_again(s);
        make_room(s);
        if (log_consume(s->consumer, BRONZE_BATCH, 50, &batch, &err) == IG_OK) {
            take_batch(s, &batch);
            log_batch_free(&batch);
        } else {
            log_error(s->env, "bronze", "%s", err.msg);
            sink_trouble(s, true, &err);
            env_sleep_ms(s->env, 1000);
            sink_trouble_over(s);
        }
        flush_due(s);
    }
    finish(s);
}
