/* A partition at work: appends, and who waits for them to become durable. */
#include "broker/broker_internal.h"

#include <stdlib.h>

static void begin_sync(struct partition *p);

enum ig_code partition_open(struct broker *b, struct topic *topic, const struct wire_uuid *id, int32_t index,
                            const char *dir, int64_t segment_bytes, struct partition **out, struct error *err)
{
    struct partition *p = check_calloc(1, sizeof(*p));
    const struct plog_mark mark = marks_claim(b->marks, id, index, &p->slot);
    const enum ig_code rc = plog_open(b->env, b->files, dir, segment_bytes, mark, &p->log, err);

    if (rc) {
        free(p);
        return rc;
    }
    p->b = b;
    p->topic = topic;
    p->index = index;
    p->last = &p->first;
    /* A failed log keeps its old mark: the damage must be found again at the next start. */
    if (!p->log->failed)
        marks_set(b->marks, p->slot, &p->log->synced);
    *out = p;
    return IG_OK;
}

static void wake(struct partition *p)
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

static void sync_run(struct sync_job *job)
{
    struct partition *p = (struct partition *)job->arg;

    p->sync_rc = plog_sync_run(p->b->env, p->log->dir, &p->sync, &p->sync_err);
}

static void partition_free(struct partition *p)
{
    if (p->removed)
        plog_abandon(p->log);
    else
        plog_close(p->log);
    free(p);
}

static void sync_done(void *arg)
{
    struct partition *p = arg;

    /* A partition that was removed meanwhile has lost its folder: no reason to complain. */
    plog_sync_end(p->log, &p->sync, p->removed ? IG_OK : p->sync_rc, &p->sync_err);
    p->syncing = false;
    p->b->syncs_running--;
    if (p->removed) {
        partition_free(p);
        return;
    }
    if (!p->log->failed)
        marks_set(p->b->marks, p->slot, &p->log->synced);
    wake(p);
    begin_sync(p);
}

static void begin_sync(struct partition *p)
{
    if (p->syncing || !plog_is_dirty(p->log))
        return;
    p->syncing = true;
    p->b->syncs_running++;
    plog_sync_begin(p->log, &p->sync);
    p->job = (struct sync_job){.run = sync_run, .done = sync_done, .arg = p};
    sync_pool_add(p->b->syncs, &p->job);
}

enum ig_code partition_append(struct partition *p, struct batch *batch, const void *bytes, struct error *err)
{
    const enum ig_code rc = plog_append(p->log, batch, bytes, err);

    if (rc && p->log->failed)
        wake(p);
    begin_sync(p);
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

void partition_close(struct partition *p, bool remove)
{
    p->removed = remove;
    if (remove) {
        marks_drop(p->b->marks, p->slot);
        wake(p);
        IG_ASSERT(!p->watches);
        if (p->syncing) /* sync_done frees it */
            return;
    }
    IG_ASSERT(!p->syncing);
    partition_free(p);
}
