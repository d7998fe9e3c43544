/* A partition at work: appends, and who waits for them to become durable. */
#include "broker/partition_jobs.h"

#include <stdlib.h>

struct sync_work {
    struct sync_job job;
    struct partition *p;
    struct plog_sync sync;
    enum ig_code rc;
    struct error err;
};

static void link_partition(struct broker *b, struct partition *p)
{
    p->next = b->partitions;
    p->pprev = &b->partitions;
    if (p->next)
        p->next->pprev = &p->next;
    b->partitions = p;
}

struct partition *partition_new(struct broker *b, struct topic *topic, const struct wire_uuid *id, int32_t index,
                                struct plog_mark *mark)
{
    struct partition *p = check_calloc(1, sizeof(*p));

    *mark = marks_claim(b->marks, id, index, &p->slot);
    p->b = b;
    p->topic = topic;
    p->index = index;
    p->last = &p->first;
    return p;
}

/* Acknowledging before the disk has it is for records of topics: what coordinators know is always synced. */
static void set_log(struct partition *p, struct plog *log)
{
    p->log = log;
    log->write_back = p->topic && p->b->options.fsync != BROKER_FSYNC_GROUP;
    if (p->topic)
        topic_configs_apply_partition(p->topic, p);
}

void partition_use(struct partition *p, struct plog *log)
{
    set_log(p, log);
    /* A failed log keeps its old mark: the damage must be found again at the next start. */
    if (!log->failed)
        marks_set(p->b->marks, p->slot, &log->synced);
    link_partition(p->b, p);
}

enum ig_code partition_open(struct broker *b, struct topic *topic, const struct wire_uuid *id, int32_t index,
                            const char *dir, int64_t segment_bytes, struct partition **out, struct error *err)
{
    struct plog_mark mark;
    struct partition *p = partition_new(b, topic, id, index, &mark);
    struct plog *log;
    const enum ig_code rc = plog_open(b->env, b->files, dir, segment_bytes, mark, &log, err);

    if (rc) {
        free(p);
        return rc;
    }
    partition_use(p, log);
    *out = p;
    return IG_OK;
}

void partition_wake(struct partition *p)
{
    const bool dead = p->removed || p->log->failed;
    struct partition_watch *next;

    while (p->first && (dead || p->first->offset <= p->log->durable.offset)) {
        struct partition_wait *w = p->first;
        const bool ok = w->offset <= p->log->durable.offset;

        p->first = w->next;
        if (!p->first)
            p->last = &p->first;
        w->done(w->ctx, ok);
    }
    for (struct partition_watch *w = p->watches; w; w = next) {
        next = w->next;
        w->changed(w->ctx);
    }
}

static void partition_free(struct partition *p)
{
    if (p->failed)
        p->b->n_failed--;
    if (p->removed)
        plog_abandon(p->log);
    else
        plog_close(p->log);
    if (p->pprev)
        *p->pprev = p->next;
    if (p->next)
        p->next->pprev = p->pprev;
    if (p->freed)
        p->freed(p->freed_ctx);
    free(p);
}

void partition_busy(struct partition *p)
{
    p->jobs++;
    p->b->syncs_running++;
}

bool partition_ready(struct partition *p)
{
    p->jobs--;
    p->b->syncs_running--;
    if (!p->removed)
        return true;
    if (p->jobs == 0)
        partition_free(p);
    return false;
}

void partition_replace_log(struct partition *p, struct plog *log)
{
    producers_carry(&log->producers, &p->log->producers, log->end, env_now_ms(p->b->env));
    plog_abandon(p->log);
    set_log(p, log);
    if (!log->failed)
        marks_set(p->b->marks, p->slot, &log->synced);
}

/* --- making durable ----------------------------------------------------------------------------------------------- */

static void sync_run(struct sync_job *job)
{
    struct sync_work *w = job->arg;

    w->rc = plog_sync_run(w->p->b->env, w->p->log->dir, &w->sync, &w->err);
}

static void sync_done(void *arg)
{
    struct sync_work *w = arg;
    struct partition *p = w->p;

    /* A partition that was removed meanwhile has lost its folder: no reason to complain. */
    plog_sync_end(p->log, &w->sync, p->removed ? IG_OK : w->rc, &w->err);
    free(w);
    p->syncing = false;
    if (!partition_ready(p))
        return;
    if (p->log->failed)
        partition_failed(p);
    else
        marks_set(p->b->marks, p->slot, &p->log->synced);
    partition_wake(p);
    partition_sync(p);
}

void partition_sync(struct partition *p)
{
    struct sync_work *w;

    if (p->syncing || p->removed || !plog_is_dirty(p->log))
        return;
    if (p->log->write_back && !p->sync_now && !plog_has_rolled(p->log))
        return;
    p->syncing = true;
    p->sync_now = false;
    partition_busy(p);
    w = check_calloc(1, sizeof(*w));
    w->p = p;
    w->job = (struct sync_job){.run = sync_run, .done = sync_done, .arg = w};
    plog_sync_begin(p->log, &w->sync);
    sync_pool_add(p->b->syncs, &w->job);
}

enum ig_code partition_append(struct partition *p, struct batch *batch, const void *bytes, struct error *err)
{
    const enum ig_code rc = plog_append(p->log, batch, bytes, err);

    if (rc && p->log->failed) {
        partition_failed(p);
        partition_wake(p);
    } else if (!rc && p->log->write_back) {
        partition_wake(p);
    }
    partition_sync(p);
    return rc;
}

void partition_wait(struct partition *p, struct partition_wait *w)
{
    w->next = NULL;
    if (w->offset <= p->log->durable.offset || p->removed || p->log->failed) {
        w->done(w->ctx, w->offset <= p->log->durable.offset);
        return;
    }
    *p->last = w;
    p->last = &w->next;
}

void partition_watch(struct partition *p, struct partition_watch *w)
{
    w->next = p->watches;
    w->pprev = &p->watches;
    if (w->next)
        w->next->pprev = &w->next;
    p->watches = w;
}

void partition_unwatch(struct partition_watch *w)
{
    if (!w->pprev)
        return;
    if (w->next)
        w->next->pprev = w->pprev;
    *w->pprev = w->next;
    w->pprev = NULL;
}

/* --- the end of it ------------------------------------------------------------------------------------------------ */

/* What was acknowledged without being synced is not lost by an orderly stop. */
static void sync_at_last(struct partition *p)
{
    struct plog_sync sync;
    struct error err;
    enum ig_code rc;

    if (!plog_is_dirty(p->log))
        return;
    plog_sync_begin(p->log, &sync);
    rc = plog_sync_run(p->b->env, p->log->dir, &sync, &err);
    plog_sync_end(p->log, &sync, rc, &err);
    if (!rc)
        marks_set(p->b->marks, p->slot, &p->log->synced);
}

void partition_close(struct partition *p, bool remove)
{
    p->removed = remove;
    if (remove) {
        p->topic = NULL;
        marks_drop(p->b->marks, p->slot);
        partition_wake(p);
        IG_ASSERT(!p->watches);
        partition_jobs_end(p);
        if (p->jobs > 0) /* the last one frees it */
            return;
    } else {
        sync_at_last(p);
    }
    IG_ASSERT(p->jobs == 0);
    partition_free(p);
}
