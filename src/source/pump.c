/*
 * The pump: one thread that takes a reader's items to the log.
 *
 * Every item is a flight: it starts when it is produced and has landed when the log has acknowledged it (or when it
 * was in the log before). Flights are kept in the order of the items; the stored position and bounds only follow the
 * landed ones at the front, so a crash at any moment leaves a position behind which nothing is missing, and tail.h
 * finds what is beyond it.
 */
#include "source/reader.h"
#include "source/tail.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define BATCH 512
#define FLIGHTS 32768 /* a power of two */
#define STORE_EVERY_MS 1000
#define LOOK_EVERY_MS 2000             /* for new files */
#define LANDING_LIMIT_MS 60000         /* at the end, for what is in flight */
#define TRIES_TO_END 5                 /* of a `run`, when the log does not answer */
#define PAUSE_MAX_MS 30000             /* between tries */
#define CATCH_UP_MAX_US 60000000       /* behind the rate by more than this: do not try to make it up */
#define COPY_FROM_BYTES (64 << 10)     /* bigger ones may be refused: keep them until they have landed */
#define REFUSED_KEPT_BYTES (256 << 10) /* what the DLQ gets of a record that is too big; any broker takes that */

enum flight_state { FLYING, LANDED, REFUSED };

struct flight {
    struct source_part *part;
    int64_t ordinal;            /* -1: not an item but the part's end */
    struct source_bound *bound; /* NULL: nothing was produced */
    int64_t offset;
    enum flight_state state;
    bool is_record; /* counts as acknowledged */
    char *copy;
    size_t copy_n;
};

struct source_pump {
    struct source_options options;
    const struct conf_domain *domain;
    struct env_thread *thread;
    _Atomic bool stop;
    pthread_mutex_t lock; /* guards progress */
    struct source_progress progress;
    struct source_state *state;

    /* one session with the log; the pump's thread alone */
    struct source_reader *reader;
    struct log_producer *producer;
    struct tail tail;
    int32_t partitions, dlq_partitions;
    struct source_bound **bounds, **dlq_bounds; /* by partition */
    struct flight *flights;                     /* ring: [first, next) */
    uint64_t first, next;
    struct error lost; /* a delivery that failed: the session is over */
    uint64_t part_hash;
    const struct source_part *hashed;
    struct buf key_path, key, position;
    int64_t rate_start_us, rate_n; /* since when, how many */
    int64_t stored_ms;
    int64_t landed, bytes, refused, produced; /* since the start of the pump, given out with progress */
};

static struct flight *flight_at(struct source_pump *p, uint64_t i)
{
    return &p->flights[i & (FLIGHTS - 1)];
}

/* --- landing -------------------------------------------------------------------------------------------------- */

static struct source_bound *bound_of(struct source_pump *p, const struct flight *f, int32_t partition)
{
    const bool dead = f->bound == p->dlq_bounds[0];

    if (dead)
        return partition < p->dlq_partitions ? p->dlq_bounds[partition] : NULL;
    return partition < p->partitions ? p->bounds[partition] : NULL;
}

static void on_delivered(void *ctx, void *tag, int32_t partition, int64_t offset, const struct error *err)
{
    struct source_pump *p = ctx;
    struct flight *f = flight_at(p, (uint64_t)(uintptr_t)tag);

    if (!err) {
        f->bound = bound_of(p, f, partition);
        f->offset = offset;
        f->state = LANDED;
    } else if (err->code == IG_LIMIT) {
        f->state = REFUSED;
    } else if (p->lost.code == IG_OK) {
        p->lost = *err;
    }
}

static void add_header(struct log_header *headers, size_t *n, const char *name, struct str value)
{
    headers[(*n)++] = (struct log_header){name, value};
}

static void set_position(struct source_pump *p, const struct source_part *part, int64_t ordinal)
{
    buf_clear(&p->position);
    buf_printf(&p->position, "%s@%s:%lld", p->domain->name, part->name, (long long)ordinal);
}

/* Produces to the DLQ what is no record, as flight number `i`. */
static enum ig_code bury(struct source_pump *p, uint64_t i, struct str value, const char *reason, struct str detail,
                         struct error *err)
{
    struct flight *f = flight_at(p, i);
    struct log_header headers[8];
    char now[32];
    size_t n = 0;
    struct log_record r = {.topic = p->domain->topic.dlq_name, .partition = -1, .value = value, .headers = headers};

    set_position(p, f->part, f->ordinal);
    snprintf(now, sizeof(now), "%lld", (long long)env_now_ms(p->options.env));
    r.partition = (int32_t)((p->part_hash + (uint64_t)f->ordinal) % (uint64_t)p->dlq_partitions);
    add_header(headers, &n, TAIL_HEADER, buf_str(&p->position));
    add_header(headers, &n, "ingot-reason", str_of(reason));
    add_header(headers, &n, "ingot-detail", detail);
    add_header(headers, &n, "ingot-topic", str_of(p->domain->topic.name));
    add_header(headers, &n, "ingot-timestamp", str_of(now));
    add_header(headers, &n, "ingot-stage", STR("source"));
    r.n_headers = n;
    f->bound = p->dlq_bounds[0];
    f->state = FLYING;
    p->refused++;
    log_warn(p->options.env, "source", "%s: %s at %s: " STR_FMT, p->domain->name, reason, buf_cstr(&p->position),
             STR_ARG(detail));
    return log_produce(p->producer, &r, (void *)(uintptr_t)i, err);
}

/* The log would not take it: its beginning goes to the DLQ. */
static enum ig_code bury_refused(struct source_pump *p, uint64_t i, struct str value, struct error *err)
{
    const size_t kept = value.n < REFUSED_KEPT_BYTES ? value.n : REFUSED_KEPT_BYTES;
    char detail[128];

    snprintf(detail, sizeof(detail), "%zu bytes are more than the log takes; the first %zu are here", value.n, kept);
    return bury(p, i, (struct str){value.p, kept}, "record_too_large", str_of(detail), err);
}

static void land_front(struct source_pump *p)
{
    struct flight *f = flight_at(p, p->first);

    if (f->ordinal < 0)
        f->part->finished = true;
    else
        f->part->next = f->ordinal + 1;
    f->part->dirty = true;
    if (f->bound && f->bound->offset < f->offset + 1) {
        f->bound->offset = f->offset + 1;
        f->bound->dirty = true;
    }
    if (f->is_record)
        p->landed++;
    free(f->copy);
    f->copy = NULL;
    p->first++;
}

/* Moves the front as far as flights have landed. */
static enum ig_code settle(struct source_pump *p, struct error *err)
{
    if (p->lost.code)
        return error_set(err, p->lost.code, "%s", p->lost.msg);
    while (p->first < p->next && flight_at(p, p->first)->state != FLYING) {
        struct flight *f = flight_at(p, p->first);

        if (f->state == REFUSED) {
            if (f->bound == p->dlq_bounds[0])
                return error_set(err, IG_LIMIT, "topic %s does not take %s:%lld", p->domain->topic.dlq_name,
                                 f->part->name, (long long)f->ordinal);
            f->is_record = false;
            IG_TRY(bury_refused(p, p->first, (struct str){f->copy, f->copy_n}, err));
            break;
        }
        land_front(p);
    }
    return IG_OK;
}

static void publish(struct source_pump *p)
{
    pthread_mutex_lock(&p->lock);
    p->progress.produced = p->produced;
    p->progress.acknowledged = p->landed;
    p->progress.bytes = p->bytes;
    p->progress.refused = p->refused;
    if (p->reader) {
        p->progress.total = p->reader->total;
        p->progress.failures = p->reader->failures;
        if (p->reader->failures > 0)
            p->progress.error = p->reader->failure;
    }
    pthread_mutex_unlock(&p->lock);
}

/* Everything that goes on beside producing; waits at most `wait_ms` for acknowledgements. */
static enum ig_code tick(struct source_pump *p, int64_t wait_ms, struct error *err)
{
    const int64_t now_ms = env_monotonic_ms(p->options.env);

    log_producer_poll(p->producer, wait_ms);
    IG_TRY(settle(p, err));
    publish(p);
    if (now_ms - p->stored_ms >= STORE_EVERY_MS) {
        p->stored_ms = now_ms;
        IG_TRY(state_store(p->state, err));
    }
    return IG_OK;
}

/* --- one item ----------------------------------------------------------------------------------------------- */

/* The text at the path of the topic's key; {NULL, 0} if there is none. */
static struct str key_of(struct source_pump *p, struct str record)
{
    const char *path = buf_cstr(&p->key_path);
    struct json_value v = {.type = JSON_OBJECT, .raw = record};
    char name[256];

    if (!*path)
        return (struct str){NULL, 0};
    for (const char *dot; path; path = dot ? dot + 1 : NULL) {
        size_t n;

        dot = strchr(path, '.');
        n = dot ? (size_t)(dot - path) : strlen(path);
        if (n >= sizeof(name))
            return (struct str){NULL, 0};
        memcpy(name, path, n);
        name[n] = 0;
        if (v.type != JSON_OBJECT || !json_member(v.raw, name, &v))
            return (struct str){NULL, 0};
    }
    switch (v.type) {
    case JSON_STRING:
        if (!v.escaped)
            return v.raw;
        buf_clear(&p->key);
        json_unescape(&v, &p->key);
        return buf_str(&p->key);
    case JSON_NUMBER:
    case JSON_TRUE:
    case JSON_FALSE:
        return v.raw;
    default:
        return (struct str){NULL, 0};
    }
}

static int64_t turn_us(const struct source_pump *p)
{
    return p->rate_start_us + (int64_t)((double)p->rate_n * 1e6 / p->domain->source.rate_per_s);
}

/* Waits until the rate and the item's own time allow it. */
static enum ig_code wait_for_turn(struct source_pump *p, const struct source_item *item, struct error *err)
{
    struct env *env = p->options.env;

    if (p->options.to_end)
        return IG_OK;
    while (!p->stop) {
        int64_t wait_us = item->due_us > 0 ? item->due_us - env_now_us(env) : 0;

        if (p->domain->source.rate_per_s > 0 && item->due_us == 0) {
            const int64_t now = env_monotonic_us(env);

            if (p->rate_n == 0 || now - turn_us(p) > CATCH_UP_MAX_US) {
                p->rate_start_us = now;
                p->rate_n = 0;
            }
            wait_us = turn_us(p) - now;
        }
        if (wait_us <= 0)
            break;
        IG_TRY(tick(p, wait_us < 50000 ? (wait_us + 999) / 1000 : 50, err));
    }
    p->rate_n++;
    return IG_OK;
}

static enum ig_code take_off(struct source_pump *p, struct source_part *part, int64_t ordinal, uint64_t *out,
                             struct error *err)
{
    while (p->next - p->first == FLIGHTS)
        IG_TRY(tick(p, 10, err));
    *flight_at(p, p->next) = (struct flight){.part = part, .ordinal = ordinal};
    *out = p->next++;
    return IG_OK;
}

static enum ig_code send_record(struct source_pump *p, uint64_t i, const struct source_item *item, struct error *err)
{
    struct flight *f = flight_at(p, i);
    struct log_header header = {TAIL_HEADER, {NULL, 0}};
    struct log_record r = {.topic = p->domain->topic.name, .headers = &header, .n_headers = 1, .value = item->value};
    enum ig_code rc;

    set_position(p, f->part, f->ordinal);
    header.value = buf_str(&p->position);
    r.key = key_of(p, item->value);
    r.partition = r.key.p ? hash_partition_of_key(r.key, p->partitions)
                          : (int32_t)((p->part_hash + (uint64_t)f->ordinal) % (uint64_t)p->partitions);
    f->is_record = true;
    if (item->value.n >= COPY_FROM_BYTES) {
        f->copy = check_malloc(item->value.n);
        memcpy(f->copy, item->value.p, item->value.n);
        f->copy_n = item->value.n;
    }
    rc = log_produce(p->producer, &r, (void *)(uintptr_t)i, err);
    if (rc == IG_LIMIT) {
        f->is_record = false;
        return bury_refused(p, i, item->value, err);
    }
    p->produced++;
    p->bytes += (int64_t)item->value.n;
    return rc;
}

static enum ig_code pump_item(struct source_pump *p, struct source_part *part, const struct source_item *item,
                              struct error *err)
{
    uint64_t i;

    if (p->hashed != part) {
        p->part_hash = tail_part_hash(str_of(part->name));
        p->hashed = part;
    }
    if (tail_has(&p->tail, p->part_hash, item->ordinal)) {
        IG_TRY(take_off(p, part, item->ordinal, &i, err));
        flight_at(p, i)->state = LANDED;
        return IG_OK;
    }
    IG_TRY(wait_for_turn(p, item, err));
    if (p->stop)
        return IG_OK;
    IG_TRY(take_off(p, part, item->ordinal, &i, err));
    if (item->reason)
        return bury(p, i, item->value, item->reason, item->detail, err);
    return send_record(p, i, item, err);
}

/* --- a session ------------------------------------------------------------------------------------------------- */

static enum ig_code pump_batch(struct source_pump *p, const struct source_batch *batch, struct error *err)
{
    for (size_t k = 0; k < batch->n && !p->stop; k++)
        IG_TRY(pump_item(p, batch->part, &batch->items[k], err));
    if (batch->part_done && !p->stop) {
        uint64_t i;

        IG_TRY(take_off(p, batch->part, -1, &i, err));
        flight_at(p, i)->state = LANDED;
    }
    return tick(p, 0, err);
}

static enum ig_code rest(struct source_pump *p, int64_t ms, struct error *err)
{
    const int64_t until = env_monotonic_ms(p->options.env) + ms;

    for (int64_t left; !p->stop && (left = until - env_monotonic_ms(p->options.env)) > 0;)
        IG_TRY(tick(p, left < 50 ? left : 50, err));
    return IG_OK;
}

static enum ig_code run(struct source_pump *p, bool *at_end, struct error *err)
{
    const bool endless = !p->options.to_end && p->domain->source.type == CONF_SOURCE_FILE;

    *at_end = false;
    while (!p->stop) {
        struct source_batch batch;

        IG_TRY(p->reader->ops->next(p->reader, BATCH, &batch, err));
        if (!batch.end) {
            IG_TRY(pump_batch(p, &batch, err));
        } else if (endless) {
            IG_TRY(rest(p, LOOK_EVERY_MS, err));
        } else {
            *at_end = true;
            return IG_OK;
        }
    }
    return IG_OK;
}

/* Waits for what is in flight, and stores. */
static enum ig_code land(struct source_pump *p, struct error *err)
{
    const int64_t until = env_monotonic_ms(p->options.env) + LANDING_LIMIT_MS;

    while (p->first < p->next) {
        struct error e;

        if (env_monotonic_ms(p->options.env) > until)
            return error_set(err, IG_UNAVAILABLE, "%llu records are not acknowledged after %d s",
                             (unsigned long long)(p->next - p->first), LANDING_LIMIT_MS / 1000);
        if (log_producer_flush(p->producer, 100, &e) && error_code_retry(e.code) == IG_RETRY_NEVER &&
            p->lost.code == IG_OK && e.code != IG_LIMIT)
            return error_set(err, e.code, "%s", e.msg);
        IG_TRY(tick(p, 0, err));
    }
    IG_TRY(state_store(p->state, err));
    publish(p);
    return IG_OK;
}

static struct source_bound **bounds_of(struct source_pump *p, const char *topic, int32_t partitions)
{
    struct source_bound **bounds = check_calloc((size_t)partitions, sizeof(struct source_bound *));

    for (int32_t i = 0; i < partitions; i++)
        bounds[i] = state_bound(p->state, topic, i);
    return bounds;
}

static enum ig_code ensure_topics(struct source_pump *p, struct error *err)
{
    const struct conf_domain *d = p->domain;
    const struct log_topic_spec topics[] = {
        {d->topic.name, d->topic.partitions, d->topic.retention_ms, false},
        {d->topic.dlq_name, 1, d->topic.dlq_retention_ms, false},
    };

    for (size_t i = 0; i < IG_COUNT(topics); i++)
        IG_TRY(log_topic_ensure(p->options.log, &topics[i], err));
    IG_TRY(log_topic_partitions(p->options.log, d->topic.name, &p->partitions, err));
    IG_TRY(log_topic_partitions(p->options.log, d->topic.dlq_name, &p->dlq_partitions, err));
    if (p->partitions <= 0 || p->dlq_partitions <= 0)
        return error_set(err, IG_UNAVAILABLE, "topic %s has no partitions yet", d->topic.name);
    p->bounds = bounds_of(p, d->topic.name, p->partitions);
    p->dlq_bounds = bounds_of(p, d->topic.dlq_name, p->dlq_partitions);
    return IG_OK;
}

static enum ig_code open_session(struct source_pump *p, struct error *err)
{
    const struct conf_domain *d = p->domain;
    const char *const topics[] = {d->topic.name, d->topic.dlq_name};

    IG_TRY(ensure_topics(p, err));
    IG_TRY(tail_load(p->options.env, p->options.log, p->state, d->name, topics, IG_COUNT(topics), &p->stop, &p->tail,
                     err));
    if (d->source.type == CONF_SOURCE_GENERATE)
        IG_TRY(generate_reader_new(&p->options, p->state, &p->reader, err));
    else
        IG_TRY(file_reader_new(&p->options, p->state, &p->reader, err));
    p->flights = check_calloc(FLIGHTS, sizeof(*p->flights));
    return log_producer_new(p->options.log, on_delivered, p, &p->producer, err);
}

static void close_session(struct source_pump *p)
{
    publish(p);
    log_producer_free(p->producer); /* reports to flights, so before them */
    p->producer = NULL;
    for (; p->first < p->next; p->first++)
        free(flight_at(p, p->first)->copy);
    free(p->flights);
    p->flights = NULL;
    p->first = p->next = 0;
    p->lost.code = IG_OK;
    p->hashed = NULL;
    if (p->reader)
        p->reader->ops->free(p->reader);
    p->reader = NULL;
    tail_free(&p->tail);
    free(p->bounds);
    free(p->dlq_bounds);
    p->bounds = p->dlq_bounds = NULL;
}

static enum ig_code session(struct source_pump *p, bool *at_end, struct error *err)
{
    enum ig_code rc = open_session(p, err);

    *at_end = false;
    if (!rc)
        rc = run(p, at_end, err);
    if (!rc)
        rc = land(p, err);
    close_session(p);
    return rc;
}

/* --- the thread ------------------------------------------------------------------------------------------------ */

static void pump_thread(void *arg)
{
    struct source_pump *p = arg;
    int64_t pause_ms = 500;
    struct error e = {0};
    bool at_end = false;
    enum ig_code rc;

    for (int try = 1;; try++) {
        const int64_t before = p->landed;

        rc = session(p, &at_end, &e);
        if (!rc || p->stop)
            break;
        if (error_code_retry(rc) == IG_RETRY_NEVER || (p->options.to_end && try >= TRIES_TO_END))
            break;
        if (p->landed > before) {
            pause_ms = 500;
            try = 1;
        }
        log_warn(p->options.env, "source", "%s: %s; again in %lld ms", p->domain->name, e.msg, (long long)pause_ms);
        for (int64_t slept = 0; slept < pause_ms && !p->stop; slept += 50)
            env_sleep_ms(p->options.env, 50);
        pause_ms = pause_ms * 2 < PAUSE_MAX_MS ? pause_ms * 2 : PAUSE_MAX_MS;
    }
    if (rc == IG_CANCELLED && p->stop)
        rc = IG_OK;
    if (rc)
        log_error(p->options.env, "source", "%s: %s", p->domain->name, e.msg);
    pthread_mutex_lock(&p->lock);
    p->progress.finished = !rc && at_end;
    /* Without an end, files that could not be read are logged, and may be put right yet. */
    p->progress.failed = rc || (p->progress.failures > 0 && p->options.to_end);
    if (rc)
        p->progress.error = e;
    pthread_mutex_unlock(&p->lock);
}

/* --- public ---------------------------------------------------------------------------------------------------- */

static void pump_free(struct source_pump *p)
{
    state_close(p->state);
    buf_release(&p->key_path);
    buf_release(&p->key);
    buf_release(&p->position);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

enum ig_code source_start(const struct source_options *options, struct source_pump **out, struct error *err)
{
    const struct conf_domain *d = options->domain;
    struct source_pump *p;
    enum ig_code rc;

    if (d->source.type == CONF_SOURCE_NONE)
        return error_set(err, IG_INVALID, "domain %s has no source", d->name);
    p = check_calloc(1, sizeof(*p));
    pthread_mutex_init(&p->lock, NULL);
    p->options = *options;
    p->domain = d;
    p->progress.total = -1;
    buf_init(&p->key_path, 0);
    buf_init(&p->key, 0);
    buf_init(&p->position, 0);
    if (d->topic.key) {
        const int column = conf_column(&d->contract, str_of(d->topic.key));

        buf_puts(&p->key_path, column >= 0 ? d->contract.fields[column].path : d->topic.key);
    }
    rc = state_open(options->env, options->conf->data_dir, d->name, &p->state, err);
    if (!rc)
        rc = env_spawn(options->env, "source", pump_thread, p, &p->thread, err);
    if (rc)
        pump_free(p);
    else
        *out = p;
    return rc ? error_context(err, rc, "source of %s", d->name) : IG_OK;
}

void source_progress(struct source_pump *p, struct source_progress *out)
{
    pthread_mutex_lock(&p->lock);
    *out = p->progress;
    pthread_mutex_unlock(&p->lock);
}

enum ig_code source_stop(struct source_pump *p, struct error *err)
{
    struct source_progress progress;

    p->stop = true;
    env_join(p->options.env, p->thread);
    source_progress(p, &progress);
    pump_free(p);
    if (!progress.failed)
        return IG_OK;
    return error_set(err, progress.error.code, "%s", progress.error.msg);
}
