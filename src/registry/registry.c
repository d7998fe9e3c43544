/*
 * A registry over the log: the thread that reads its topic, and how a record is written.
 */
#include "registry/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define WRITE_LIMIT_MS 15000
#define CHANGES_PARTITIONS 3

/* --- reading ----------------------------------------------------------------------------------------- */

static bool is_stopping(struct registry *r)
{
    bool stopping;

    pthread_mutex_lock(&r->lock);
    stopping = r->stopping;
    pthread_mutex_unlock(&r->lock);
    return stopping;
}

static void apply_batch(struct registry *r, const struct log_batch *batch)
{
    pthread_mutex_lock(&r->lock);
    r->failure.code = IG_OK;
    for (size_t i = 0; i < batch->n; i++) {
        if (batch->records[i].offset < r->read_to)
            continue; /* read again after a failure */
        records_apply(r, &batch->records[i]);
        r->read_to = batch->records[i].offset + 1;
    }
    for (size_t i = 0; i < batch->n_ends; i++)
        if (batch->ends[i].offset > r->read_to)
            r->read_to = batch->ends[i].offset;
    pthread_cond_broadcast(&r->applied);
    pthread_mutex_unlock(&r->lock);
}

/* Reads until it is told to stop, or something fails that does not pass by itself. */
static enum ig_code read_on(struct registry *r, struct error *err)
{
    const struct log_consumer_options options = {.prompt = true}; /* a writer waits for its record */
    struct log_consumer *consumer = NULL;
    struct log_batch batch;
    enum ig_code rc = log_consumer_open(r->log, &options, &consumer, err);

    if (rc == IG_OK)
        rc = log_consumer_assign(consumer, REGISTRY_TOPIC, 0, r->read_to, err);
    while (rc == IG_OK && !is_stopping(r)) {
        rc = log_consume(consumer, 1000, 200, &batch, err);
        if (rc != IG_OK)
            break;
        if (batch.n || batch.n_ends)
            apply_batch(r, &batch);
        log_batch_free(&batch);
    }
    log_consumer_free(consumer);
    return rc;
}

static void reader(void *arg)
{
    struct registry *r = arg;
    struct error err;

    while (!is_stopping(r)) {
        err.code = IG_OK;
        if (read_on(r, &err) == IG_OK)
            break;
        log_warn(r->env, "registry", "%s; trying again", err.msg);
        pthread_mutex_lock(&r->lock);
        r->failure = err;
        pthread_mutex_unlock(&r->lock);
        env_sleep_ms(r->env, 500);
    }
}

/* Waits until all below `offset` is applied. */
static enum ig_code wait_applied(struct registry *r, int64_t offset, int64_t limit_ms, struct error *err)
{
    const int64_t until_ms = env_monotonic_ms(r->env) + limit_ms;
    enum ig_code rc = IG_OK;

    pthread_mutex_lock(&r->lock);
    while (r->read_to < offset && rc == IG_OK) {
        struct timespec at;

        clock_gettime(CLOCK_REALTIME, &at);
        at.tv_nsec += 100 * 1000 * 1000;
        at.tv_sec += at.tv_nsec / 1000000000;
        at.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&r->applied, &r->lock, &at);
        if (r->read_to < offset && env_monotonic_ms(r->env) > until_ms)
            rc = error_set(err, IG_UNAVAILABLE, "topic " REGISTRY_TOPIC " is not read up to %lld yet%s%s",
                           (long long)offset, r->failure.code ? ": " : "", r->failure.code ? r->failure.msg : "");
    }
    pthread_mutex_unlock(&r->lock);
    return rc;
}

enum ig_code registry_sync(struct registry *r, struct error *err)
{
    int64_t low, high;

    IG_TRY(log_watermarks(r->log, REGISTRY_TOPIC, 0, &low, &high, err));
    return wait_applied(r, high, WRITE_LIMIT_MS, err);
}

/* --- writing ----------------------------------------------------------------------------------------- */

/* Tags tell the records that are waited for from announcements. */
static void on_delivered(void *ctx, void *tag, int32_t partition, int64_t offset, const struct error *err)
{
    struct registry *r = ctx;

    (void)partition;
    if (!tag) {
        if (err)
            log_warn(r->env, "registry", "announcement: %s", err->msg);
        return;
    }
    r->delivered_offset = err ? -1 : offset;
    if (err)
        r->delivery = *err;
}

enum ig_code registry_put(struct registry *r, struct str key, struct str value, struct error *err)
{
    const struct log_record record = {.topic = REGISTRY_TOPIC, .partition = 0, .key = key, .value = value};
    enum ig_code rc;

    r->delivered_offset = -1;
    r->delivery = (struct error){IG_UNKNOWN_OUTCOME, "no answer"};
    IG_TRY(log_produce(r->producer, &record, r, err));
    rc = log_producer_flush(r->producer, WRITE_LIMIT_MS, err);
    if (r->delivered_offset < 0)
        return rc ? rc : error_set(err, r->delivery.code, "%s", r->delivery.msg);
    return wait_applied(r, r->delivered_offset + 1, WRITE_LIMIT_MS, err);
}

void registry_announce(struct registry *r, const char *change, struct str subject, int32_t version, int32_t id,
                       enum schema_type type)
{
    struct log_record record = {.topic = REGISTRY_CHANGES_TOPIC, .partition = -1, .key = subject};
    struct error err;
    struct buf b;

    buf_init(&b, 0);
    buf_printf(&b, "{\"change\":\"%s\",\"subject\":", change);
    json_add_string(&b, subject);
    if (version > 0)
        buf_printf(&b, ",\"version\":%d", version);
    if (id >= 0)
        buf_printf(&b, ",\"id\":%d,\"schemaType\":\"%s\"", id, schema_type_name(type));
    buf_printf(&b, ",\"at\":%lld}", (long long)env_now_ms(r->env));
    record.value = buf_str(&b);
    if (log_produce(r->producer, &record, NULL, &err) != IG_OK)
        log_warn(r->env, "registry", "announcement: %s", err.msg);
    buf_release(&b);
}

/* --- opening ----------------------------------------------------------------------------------------- */

static struct registry *new_registry(struct env *env)
{
    struct registry *r = check_calloc(1, sizeof(*r));

    r->env = env;
    r->global.level = LEVEL_UNSET;
    r->global.mode = MODE_UNSET;
    pthread_mutex_init(&r->lock, NULL);
    pthread_mutex_init(&r->write_lock, NULL);
    pthread_cond_init(&r->applied, NULL);
    env_uuid(env, r->origin);
    return r;
}

static enum ig_code make_topics(struct registry *r, int64_t limit_ms, struct error *err)
{
    const struct log_topic_spec specs[] = {
        {.name = REGISTRY_TOPIC, .partitions = 1, .retention_ms = -1, .compact = true},
        {.name = REGISTRY_CHANGES_TOPIC, .partitions = CHANGES_PARTITIONS, .retention_ms = -1, .compact = true},
    };
    const int64_t until_ms = env_monotonic_ms(r->env) + limit_ms;
    int32_t partitions;
    enum ig_code rc;

    for (size_t i = 0; i < IG_COUNT(specs); i++) {
        do {
            rc = log_topic_ensure(r->log, &specs[i], err);
        } while (rc == IG_UNAVAILABLE && env_monotonic_ms(r->env) < until_ms);
        if (rc != IG_OK)
            return rc;
    }
    IG_TRY(log_topic_partitions(r->log, REGISTRY_TOPIC, &partitions, err));
    if (partitions != 1)
        return error_set(err, IG_INVALID,
                         "topic " REGISTRY_TOPIC " has %d partitions, and must have one, for its order", partitions);
    return IG_OK;
}

enum ig_code registry_open(struct env *env, struct log_client *log, int64_t limit_ms, struct registry **out,
                           struct error *err)
{
    struct registry *r = new_registry(env);
    int64_t low, high = 0;
    enum ig_code rc;

    r->log = log;
    rc = make_topics(r, limit_ms, err);
    if (rc == IG_OK)
        rc = log_producer_new(log, on_delivered, r, &r->producer, err);
    if (rc == IG_OK)
        rc = env_spawn(env, "registry", reader, r, &r->reader, err);
    if (rc == IG_OK)
        rc = log_watermarks(log, REGISTRY_TOPIC, 0, &low, &high, err);
    if (rc == IG_OK)
        rc = wait_applied(r, high, limit_ms, err);
    if (rc != IG_OK) {
        rc = error_context(err, rc, "schema registry");
        registry_close(r);
        return rc;
    }
    *out = r;
    return IG_OK;
}

enum ig_code registry_open_url(struct env *env, const char *url, struct registry **out, struct error *err)
{
    struct registry *r = new_registry(env);
    const enum ig_code rc = remote_open(env, url, &r->remote, err);

    if (rc != IG_OK) {
        registry_close(r);
        return rc;
    }
    *out = r;
    return IG_OK;
}

void registry_close(struct registry *r)
{
    struct error err;

    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    r->stopping = true;
    pthread_mutex_unlock(&r->lock);
    env_join(r->env, r->reader);
    if (r->producer && log_producer_flush(r->producer, 2000, &err) != IG_OK)
        log_warn(r->env, "registry", "closing: %s", err.msg);
    log_producer_free(r->producer);
    for (size_t i = r->parsed.n; i > 0; i--) /* what refers goes before what is referred to */
        schema_free(r->parsed.p[i - 1].schema);
    vec_free(&r->parsed);
    store_release(r);
    remote_close(r->remote);
    pthread_cond_destroy(&r->applied);
    pthread_mutex_destroy(&r->write_lock);
    pthread_mutex_destroy(&r->lock);
    free(r);
}
