/* Finds what is to be compacted, and has it done: one partition at a time, so that the memory for keys is bounded. */
#include "broker/partition_jobs.h"

#include <stdlib.h>

#define AFTER_ERROR_MS 60000

struct cleaner {
    struct broker *b;
    int64_t looked_ms;
    struct partition *p; /* under way */
    struct plog_clean *clean;
    struct sync_job job;
    enum ig_code rc;
    struct error err;
};

struct cleaner *cleaner_new(struct broker *b)
{
    struct cleaner *c = check_calloc(1, sizeof(*c));

    c->b = b;
    c->looked_ms = env_monotonic_ms(b->env);
    return c;
}

void cleaner_free(struct cleaner *c)
{
    IG_ASSERT(!c || !c->p);
    free(c);
}

void cleaner_cancel(struct cleaner *c, const struct partition *p)
{
    if (c && c->clean && (!p || p == c->p))
        plog_clean_cancel(c->clean);
}

static enum ig_code before_swap(void *ctx, struct error *err)
{
    struct broker *b = ctx;

    return marks_sync(b->marks, err);
}

static struct plog_clean_rules rules_of(struct broker *b, const struct topic *t)
{
    return (struct plog_clean_rules){.delete_retention_ms = t->delete_retention_ms,
                                     .min_lag_ms = t->min_compaction_lag_ms,
                                     .max_lag_ms = t->max_compaction_lag_ms,
                                     .min_dirty = t->min_dirty,
                                     .segment_bytes = t->segment_bytes,
                                     .map_bytes = (size_t)b->options.cleaner_bytes,
                                     .bytes_per_s = b->options.cleaner_bytes_per_s,
                                     .before_swap = before_swap,
                                     .ctx = b};
}

static void step(struct cleaner *c);

static void run(struct sync_job *job)
{
    struct cleaner *c = job->arg;

    c->rc = plog_clean_run(c->clean, &c->err);
}

static void ended(struct cleaner *c)
{
    struct partition *p = c->p;
    struct plog_gone gone = {0};

    plog_clean_end(p->log, c->clean, &gone);
    broker_remove_files(c->b, &gone);
    c->clean = NULL;
    c->p = NULL;
    if (c->rc && c->rc != IG_CANCELLED && !p->removed) {
        log_warn(c->b->env, "broker", "compact %s: %s", p->log->dir, c->err.msg);
        p->clean_at_ms = env_monotonic_ms(c->b->env) + AFTER_ERROR_MS;
    } else if (!c->rc) {
        c->looked_ms = 0; /* there may be more */
    }
    if (partition_ready(p) && p->log->failed)
        partition_failed(p);
}

static void done(void *arg)
{
    struct cleaner *c = arg;

    if (!c->rc && !plog_clean_apply(c->p->log, c->clean))
        step(c);
    else
        ended(c);
}

static void step(struct cleaner *c)
{
    c->job = (struct sync_job){.run = run, .done = done, .arg = c};
    sync_pool_add(c->b->slow, &c->job);
}

/* Segments are closed by age, too, so that what is in them can be compacted; the neediest partition is taken. */
static struct partition *neediest(struct broker *b, int64_t now_ms)
{
    struct partition *best = NULL;
    double most = 0;

    for (struct partition *p = b->partitions; p; p = p->next) {
        const struct topic *t = p->topic;
        struct plog_clean_rules rules;
        double need;

        if (!t || !t->compact || p->failed || p->removed)
            continue;
        plog_roll_if_old(p->log, now_ms,
                         t->segment_ms < t->max_compaction_lag_ms ? t->segment_ms : t->max_compaction_lag_ms);
        partition_sync(p);
        rules = rules_of(b, t);
        need = plog_clean_need(p->log, &rules, now_ms);
        if (need <= most || env_monotonic_ms(b->env) < p->clean_at_ms)
            continue;
        most = need;
        best = p;
    }
    return best;
}

void cleaner_tick(struct cleaner *c)
{
    struct broker *b = c->b;
    const int64_t now_ms = env_now_ms(b->env);
    struct plog_clean_rules rules;

    if (c->p || b->stopping || env_monotonic_ms(b->env) - c->looked_ms < b->options.cleaner_backoff_ms)
        return;
    c->looked_ms = env_monotonic_ms(b->env);
    c->p = neediest(b, now_ms);
    if (!c->p)
        return;
    rules = rules_of(b, c->p->topic);
    partition_busy(c->p);
    c->clean = plog_clean_begin(c->p->log, &rules, now_ms);
    step(c);
}
