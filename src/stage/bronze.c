/*
 * The bronze sink as others see it: start, progress, drain, stop.
 */
#include "stage/bronze_sink.h"

#include <stdlib.h>
#include <time.h>

/* --- shared by the threads --------------------------------------------------------------------------------------- */

void sink_lock(struct stage_sink *s)
{
    pthread_mutex_lock(&s->lock);
}

void sink_unlock(struct stage_sink *s)
{
    pthread_mutex_unlock(&s->lock);
}

bool sink_wait(struct stage_sink *s, int64_t until_ms)
{
    const int64_t left = until_ms - env_monotonic_ms(s->env);
    struct timespec to;

    if (left <= 0)
        return false;
    clock_gettime(CLOCK_MONOTONIC, &to);
    to.tv_sec += (time_t)(left / 1000);
    to.tv_nsec += (long)(left % 1000) * 1000000;
    if (to.tv_nsec >= 1000000000) {
        to.tv_sec++;
        to.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(&s->changed, &s->lock, &to);
    return true;
}

void sink_trouble(struct stage_sink *s, bool begun, const struct error *why)
{
    sink_lock(s);
    if (begun)
        s->n_failing++;
    s->progress.error = *why;
    sink_unlock(s);
}

void sink_trouble_over(struct stage_sink *s)
{
    sink_lock(s);
    s->n_failing--;
    sink_unlock(s);
}

struct sink_partition *sink_partition(struct stage_sink *s, struct sink_domain *d, int32_t partition)
{
    const struct sink_partition fresh = {.next = -1, .committed = -1};

    if ((size_t)partition >= d->partitions.n) {
        sink_lock(s);
        while (d->partitions.n <= (size_t)partition)
            vec_push(&d->partitions, fresh);
        sink_unlock(s);
    }
    return &d->partitions.p[partition];
}

/* --- start ------------------------------------------------------------------------------------------------------- */

static enum ig_code open_domain(struct stage_sink *s, struct sink_domain *d, const struct conf_domain *conf,
                                struct error *err)
{
    const struct log_topic_spec topic = {
        .name = conf->topic.name, .partitions = conf->topic.partitions, .retention_ms = conf->topic.retention_ms};
    /* One partition: letters stay in the order in which they were refused. */
    const struct log_topic_spec dlq = {
        .name = conf->topic.dlq_name, .partitions = 1, .retention_ms = conf->topic.dlq_retention_ms};
    int32_t n;

    d->conf = conf;
    IG_TRY(contract_new(conf, &d->contract, err));
    IG_TRY(log_topic_ensure(s->x->log, &topic, err));
    IG_TRY(log_topic_ensure(s->x->log, &dlq, err));
    IG_TRY(log_topic_partitions(s->x->log, conf->topic.name, &n, err));
    (void)sink_partition(s, d, n - 1);
    return IG_OK;
}

static enum ig_code open_log(struct stage_sink *s, struct error *err)
{
    const char **topics = check_calloc(s->n_domains + 1, sizeof(*topics));
    enum ig_code rc;

    for (size_t i = 0; i < s->n_domains; i++)
        topics[i] = s->domains[i].conf->topic.name;
    rc = log_producer_new(s->x->log, sink_letter_delivered, s, &s->letters, err);
    if (rc == IG_OK)
        rc = log_consumer_new(s->x->log, STAGE_SINK_GROUP, &s->consumer, err);
    if (rc == IG_OK) {
        log_consumer_on_rebalance(s->consumer, sink_rebalanced, s);
        if (s->n_domains > 0)
            rc = log_consumer_subscribe(s->consumer, topics, s->n_domains, err);
    }
    free(topics);
    return rc;
}

static enum ig_code start_threads(struct stage_sink *s, struct error *err)
{
    for (size_t i = 0; i < BRONZE_WRITERS; i++)
        IG_TRY(env_spawn(s->env, "bronze-write", sink_writer_run, s, &s->writer_threads[i], err));
    IG_TRY(env_spawn(s->env, "bronze-commit", sink_committer_run, s, &s->committer_thread, err));
    return env_spawn(s->env, "bronze-read", sink_consumer_run, s, &s->consumer_thread, err);
}

/* Ends the threads that run and frees everything. The consumer first: it flushes while the others still work. */
static void sink_free(struct stage_sink *s)
{
    s->stopping = true;
    env_join(s->env, s->consumer_thread);
    s->abandoning = true;
    store_hurry(s->x->store, true);
    sink_lock(s);
    s->writers_end = true;
    pthread_cond_broadcast(&s->changed);
    sink_unlock(s);
    for (size_t i = 0; i < BRONZE_WRITERS; i++)
        env_join(s->env, s->writer_threads[i]);
    store_hurry(s->x->store, false);
    env_join(s->env, s->committer_thread);
    sink_drop_all(s);
    if (s->consumer) {
        log_consumer_on_rebalance(s->consumer, NULL, NULL);
        log_consumer_free(s->consumer);
    }
    log_producer_free(s->letters); /* reports what is left of the letters, which frees their flushes */
    for (size_t i = 0; i < s->n_domains; i++) {
        contract_free(s->domains[i].contract);
        vec_free(&s->domains[i].files);
        vec_free(&s->domains[i].partitions);
        vec_free(&s->domains[i].targets);
        vec_free(&s->domains[i].letters.list);
    }
    free(s->domains);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

enum ig_code stage_sink_start(const struct stage_context *x, struct stage_sink **out, struct error *err)
{
    struct stage_sink *s = check_calloc(1, sizeof(*s));
    const int64_t share = x->conf->memory_bytes / 8;
    pthread_condattr_t attr;
    enum ig_code rc = IG_OK;

    *out = NULL;
    s->x = x;
    s->env = x->env;
    s->settle_ms = BRONZE_SETTLE_MS;
    s->memory_bytes = share < INT64_C(16777216) ? INT64_C(16777216) : share;
    if (s->memory_bytes > (int64_t)BRONZE_ROWS_MAX_BYTES)
        s->memory_bytes = (int64_t)BRONZE_ROWS_MAX_BYTES;
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &attr);
    pthread_condattr_destroy(&attr);
    s->domains = check_calloc(x->conf->n_domains + 1, sizeof(*s->domains));
    s->n_domains = x->conf->n_domains;
    for (size_t i = 0; i < s->n_domains && rc == IG_OK; i++)
        rc = open_domain(s, &s->domains[i], &x->conf->domains[i], err);
    if (rc == IG_OK)
        rc = open_log(s, err);
    if (rc == IG_OK)
        rc = start_threads(s, err);
    if (rc != IG_OK) {
        sink_free(s);
        return error_context(err, rc, "start the bronze sink");
    }
    *out = s;
    return IG_OK;
}

/* --- progress, drain, stop --------------------------------------------------------------------------------------- */

void stage_sink_progress(struct stage_sink *s, struct stage_sink_progress *out)
{
    sink_lock(s);
    *out = s->progress;
    out->failed = s->n_failing > 0;
    if (!out->failed)
        out->error = (struct error){0};
    sink_unlock(s);
}

/* Notes where every partition ends now. */
static enum ig_code set_targets(struct stage_sink *s, struct error *err)
{
    for (size_t i = 0; i < s->n_domains; i++) {
        struct sink_domain *d = &s->domains[i];
        int32_t n;

        IG_TRY(log_topic_partitions(s->x->log, d->conf->topic.name, &n, err));
        for (int32_t p = 0; p < n; p++) {
            int64_t low, high;

            IG_TRY(log_watermarks(s->x->log, d->conf->topic.name, p, &low, &high, err));
            sink_lock(s);
            while (d->targets.n <= (size_t)p)
                vec_push(&d->targets, 0);
            if (high > d->targets.p[p])
                d->targets.p[p] = high;
            sink_unlock(s);
        }
    }
    return IG_OK;
}

/* A partition that is short of its target, or false. What the group has committed counts, too: another member of it may
 * have the partition. */
static bool find_short(struct stage_sink *s, bool ask_group, const char **topic, int32_t *partition, int64_t *missing)
{
    bool found = false;

    sink_lock(s);
    for (size_t i = 0; i < s->n_domains && !found; i++) {
        struct sink_domain *d = &s->domains[i];

        for (size_t p = 0; p < d->targets.n && !found; p++) {
            const int64_t target = d->targets.p[p];
            int64_t committed = p < d->partitions.n ? d->partitions.p[p].committed : -1;

            if (target == 0 || committed >= target)
                continue;
            if (ask_group) {
                sink_unlock(s);
                if (log_committed(s->x->log, STAGE_SINK_GROUP, d->conf->topic.name, (int32_t)p, &committed, NULL) !=
                    IG_OK)
                    committed = -1;
                sink_lock(s);
                if (committed >= target)
                    continue;
            }
            found = true;
            *topic = d->conf->topic.name;
            *partition = (int32_t)p;
            *missing = target - (committed < 0 ? 0 : committed);
        }
    }
    sink_unlock(s);
    return found;
}

enum ig_code stage_sink_drain(struct stage_sink *s, int64_t limit_ms, struct error *err)
{
    const int64_t until = env_monotonic_ms(s->env) + limit_ms;
    int64_t ask_at = env_monotonic_ms(s->env) + 2000, missing = 0;
    const char *topic = NULL;
    int32_t partition = 0;

    IG_TRY(set_targets(s, err));
    for (;;) {
        const int64_t now = env_monotonic_ms(s->env);
        const bool ask = now >= ask_at;

        if (ask)
            ask_at = now + 2000;
        if (!find_short(s, ask, &topic, &partition, &missing))
            return IG_OK;
        if (now >= until) {
            struct stage_sink_progress p;

            stage_sink_progress(s, &p);
            return error_set(err, IG_UNAVAILABLE, "drain the bronze sink: %s/%d has %lld records left%s%s", topic,
                             partition, (long long)missing, p.failed ? ": " : "", p.failed ? p.error.msg : "");
        }
        sink_lock(s);
        (void)sink_wait(s, now + 50);
        sink_unlock(s);
    }
}

enum ig_code stage_sink_stop(struct stage_sink *s, struct error *err)
{
    struct error unfinished;

    if (!s)
        return IG_OK;
    s->stopping = true;
    env_join(s->env, s->consumer_thread);
    s->consumer_thread = NULL;
    unfinished = s->unfinished;
    sink_free(s);
    return unfinished.code ? error_set(err, unfinished.code, "%s", unfinished.msg) : IG_OK;
}
