#include "source/pump.h"

#include <stdlib.h>

#define BATCH 512
#define LOOK_EVERY_MS 2000 /* for new files */
#define TRIES_TO_END 5     /* of a `run`, when the log does not answer */
#define PAUSE_MAX_MS 30000 /* between tries */

/* --- a session ------------------------------------------------------------------------------------------------- */

static enum ig_code pump_batch(struct source_pump *p, const struct source_batch *batch, struct error *err)
{
    for (size_t k = 0; k < batch->n && !p->stop; k++)
        IG_TRY(pump_item(p, batch->part, &batch->items[k], err));
    if (batch->part_done && !p->stop) {
        uint64_t i;

        IG_TRY(pump_take_off(p, batch->part, -1, &i, err));
        pump_flight(p, i)->state = LANDED;
    }
    return pump_tick(p, 0, err);
}

static enum ig_code rest(struct source_pump *p, int64_t ms, struct error *err)
{
    const int64_t until = env_monotonic_ms(p->options.env) + ms;

    for (int64_t left; !p->stop && (left = until - env_monotonic_ms(p->options.env)) > 0;)
        IG_TRY(pump_tick(p, left < 50 ? left : 50, err));
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
        {.name = d->topic.name, .partitions = d->topic.partitions, .retention_ms = d->topic.retention_ms},
        {.name = d->topic.dlq_name, .partitions = 1, .retention_ms = d->topic.dlq_retention_ms},
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
    p->flights = check_calloc(PUMP_FLIGHTS, sizeof(*p->flights));
    return log_producer_new(p->options.log, pump_on_delivered, p, &p->producer, err);
}

static void close_session(struct source_pump *p)
{
    pump_publish(p);
    log_producer_free(p->producer); /* reports to flights, so before them */
    p->producer = NULL;
    for (; p->first < p->next; p->first++)
        free(pump_flight(p, p->first)->copy);
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
        rc = pump_land(p, err);
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
