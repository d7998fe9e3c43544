#include "broker/partition_jobs.h"

#include <stdlib.h>

#define REPAIR_FIRST_MS 500
#define REPAIR_MAX_MS 30000

/* --- files that are not needed any more --------------------------------------------------------------------------- */

struct removal {
    struct sync_job job;
    struct broker *b;
    struct plog_gone gone;
};

static void removal_run(struct sync_job *job)
{
    struct removal *r = job->arg;

    plog_gone_remove(r->b->env, &r->gone);
}

static void removal_done(void *arg)
{
    struct removal *r = arg;

    r->b->syncs_running--;
    free(r);
}

void broker_remove_files(struct broker *b, struct plog_gone *gone)
{
    struct removal *r;

    if (gone->paths.n == 0)
        return;
    r = check_calloc(1, sizeof(*r));
    *r = (struct removal){.job = {.run = removal_run, .done = removal_done, .arg = r}, .b = b, .gone = *gone};
    b->syncs_running++;
    sync_pool_add(b->slow, &r->job);
}

/* --- trimming ------------------------------------------------------------------------------------------------------
 */

struct trim_work {
    struct sync_job job;
    struct partition *p;
    int64_t offset;
    enum ig_code rc;
    struct error err;
};

static void trim_begin(struct partition *p);

static void trim_run(struct sync_job *job)
{
    struct trim_work *w = job->arg;

    w->rc = plog_trim_write(w->p->b->env, w->p->log->dir, w->offset, &w->err);
}

/* Those that have what they want hear of it, and all if there is an error. */
static void answer_trims(struct partition *p, enum ig_code rc, const struct error *err)
{
    struct partition_trim **at = &p->trims;

    while (*at) {
        struct partition_trim *t = *at;

        if (!rc && t->offset > p->log->start) {
            at = &t->next;
            continue;
        }
        *at = t->next;
        if (t->done)
            t->done(t->ctx, rc, err);
        else if (rc && rc != IG_NOT_FOUND)
            log_warn(p->b->env, "broker", "remove old records of %s: %s", p->log->dir, err->msg);
        free(t);
    }
}

static void trim_done(void *arg)
{
    struct trim_work *w = arg;
    struct partition *p = w->p;
    struct plog_gone gone = {0};

    p->trimming = false;
    if (!w->rc && !p->removed) {
        plog_trim_apply(p->log, w->offset, &gone);
        broker_remove_files(p->b, &gone);
    }
    if (partition_ready(p)) {
        answer_trims(p, w->rc, &w->err);
        trim_begin(p);
    }
    free(w);
}

static void trim_begin(struct partition *p)
{
    struct trim_work *w;

    if (!p->trims || p->trimming || p->repairing)
        return;
    w = check_calloc(1, sizeof(*w));
    w->p = p;
    for (const struct partition_trim *t = p->trims; t; t = t->next) {
        if (t->offset > w->offset)
            w->offset = t->offset;
    }
    w->job = (struct sync_job){.run = trim_run, .done = trim_done, .arg = w};
    p->trimming = true;
    partition_busy(p);
    sync_pool_add(p->b->syncs, &w->job);
}

enum ig_code partition_trim(struct partition *p, int64_t offset, partition_trimmed_fn *done, void *ctx,
                            struct error *err)
{
    struct partition_trim *t;

    IG_TRY(plog_trim_check(p->log, offset, err));
    t = check_calloc(1, sizeof(*t));
    *t = (struct partition_trim){.next = p->trims, .offset = offset, .done = done, .ctx = ctx};
    p->trims = t;
    if (offset <= p->log->start)
        answer_trims(p, IG_OK, NULL);
    trim_begin(p);
    return IG_OK;
}

/* --- repair: the log is opened again from what is on the disk -------------------------------------------------------
 */

struct repair_work {
    struct sync_job job;
    struct partition *p;
    struct plog_mark synced;
    int64_t segment_bytes;
    struct plog *fresh;
    enum ig_code rc;
    struct error err;
};

void partition_failed(struct partition *p)
{
    if (p->log->write_back) /* nobody may read what may have to be read again */
        p->log->durable = p->log->synced;
    if (p->failed || p->log->damaged || p->removed)
        return;
    p->failed = true;
    p->b->n_failed++;
    p->repair_wait_ms = REPAIR_FIRST_MS;
    p->repair_at_ms = env_monotonic_ms(p->b->env) + p->repair_wait_ms;
}

static void repair_run(struct sync_job *job)
{
    struct repair_work *w = job->arg;
    struct broker *b = w->p->b;

    w->rc = plog_repair(b->env, b->files, w->p->log->dir, w->segment_bytes, w->synced, &w->fresh, &w->err);
}

static void repair_done(void *arg)
{
    struct repair_work *w = arg;
    struct partition *p = w->p;

    p->repairing = false;
    if (p->removed || w->rc) {
        plog_abandon(w->fresh);
        p->repair_wait_ms = p->repair_wait_ms * 2 < REPAIR_MAX_MS ? p->repair_wait_ms * 2 : REPAIR_MAX_MS;
        p->repair_at_ms = env_monotonic_ms(p->b->env) + p->repair_wait_ms;
    } else {
        partition_replace_log(p, w->fresh);
        p->failed = false;
        p->b->n_failed--;
    }
    if (partition_ready(p)) {
        if (w->rc)
            log_warn(p->b->env, "broker", "%s cannot be repaired yet: %s", p->log->dir, w->err.msg);
        else if (!p->log->failed)
            log_info(p->b->env, "broker", "%s goes on from offset %lld", p->log->dir, (long long)p->log->end);
        partition_wake(p);
        trim_begin(p);
    }
    free(w);
}

static void repair_begin(struct partition *p)
{
    struct repair_work *w = check_calloc(1, sizeof(*w));

    w->p = p;
    w->synced = p->log->synced;
    w->segment_bytes = p->log->segment_bytes;
    w->job = (struct sync_job){.run = repair_run, .done = repair_done, .arg = w};
    p->repairing = true;
    partition_busy(p);
    sync_pool_add(p->b->slow, &w->job);
}

/* --- now and then ---------------------------------------------------------------------------------------------------
 */

void partitions_tick(struct broker *b)
{
    const int64_t now_ms = env_monotonic_ms(b->env);
    const bool sync =
        b->options.fsync == BROKER_FSYNC_INTERVAL && now_ms - b->last_interval_ms >= b->options.fsync_interval_ms;

    if (sync)
        b->last_interval_ms = now_ms;
    for (struct partition *p = b->partitions; p && (sync || b->n_failed > 0); p = p->next) {
        if (p->failed && p->jobs == 0 && now_ms >= p->repair_at_ms)
            repair_begin(p);
        if (sync && !p->failed) {
            p->sync_now = true;
            partition_sync(p);
        }
    }
}

void partition_jobs_end(struct partition *p)
{
    struct error err;

    error_set(&err, IG_NOT_FOUND, "the partition is removed");
    answer_trims(p, IG_NOT_FOUND, &err);
    cleaner_cancel(p->b->cleaner, p);
}
