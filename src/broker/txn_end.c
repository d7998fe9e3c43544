/* Ending a transaction: the decision is durable, now its partitions and groups hear of it. */
#include "broker/groups.h"
#include "broker/txns.h"

#include <stdlib.h>

#define RETRY_AFTER_MS 5000

/* One under way. It belongs to its transaction, which stays where it is until this has ended. */
struct marker {
    struct partition_wait wait;
    struct completion *completion;
};
struct completion {
    struct completion *next, **pprev;
    struct txn *t;
    struct partition_wait decided;
    struct marker *markers;
    size_t waiting;
    bool is_decided, failed;
};

static void completion_free(struct completion *c)
{
    if (c->next)
        c->next->pprev = c->pprev;
    *c->pprev = c->next;
    free(c->markers);
    free(c);
}

void txns_free_completions(struct txns *ts)
{
    while (ts->completions)
        completion_free(ts->completions);
}

static void wake_waiters(struct txn *t, bool is_decided)
{
    struct txn_waiter *w = t->waiters;

    t->waiters = NULL;
    while (w) {
        struct txn_waiter *next = w->next;

        w->done(w, is_decided);
        w = next;
    }
}

void txn_wait_end(struct txn *t, struct txn_waiter *w)
{
    w->next = t->waiters;
    t->waiters = w;
}

/* A marker that could not be written is tried again later: txns_tick. */
static void part_done(struct completion *c, bool ok)
{
    const bool is_decided = c->is_decided;
    struct txn *t = c->t;

    c->failed |= !ok;
    if (--c->waiting > 0)
        return;
    t->completing = false;
    if (!c->failed) {
        struct txn_meta m = t->m;

        txn_marked(&m);
        (void)txn_write(t, &m); /* if not, it is completed once more: nothing changes by that */
    }
    t->again = c->failed;
    t->retry_ms = env_monotonic_ms(t->ts->b->env) + RETRY_AFTER_MS;
    completion_free(c);
    wake_waiters(t, is_decided);
}

static void marker_durable(void *ctx, bool ok)
{
    struct marker *marker = ctx;

    part_done(marker->completion, ok);
}

static void group_ended(void *ctx, bool ok)
{
    part_done(ctx, ok);
}

enum ig_code txn_append_marker(struct partition *p, int64_t producer_id, int16_t epoch, enum batch_marker marker,
                               int32_t coordinator_epoch, int64_t *end, struct error *err)
{
    struct batch_builder builder;
    struct batch b;
    struct str bytes;
    enum ig_code rc;

    batch_builder_init(&builder, env_now_ms(p->b->env));
    bytes = batch_builder_marker(&builder, producer_id, epoch, marker, coordinator_epoch);
    IG_ASSERT(batch_parse(bytes.p, bytes.n, &b));
    rc = partition_append(p, &b, bytes.p, err);
    *end = b.base_offset + 1;
    batch_builder_release(&builder);
    return rc;
}

static bool has_marker(const struct txn *t, const struct partition *p)
{
    const struct producer *s = producers_find(&p->log->producers, t->m.producer_id);

    return t->again && !p->log->failed && (!s || s->txn_first < 0);
}

static void write_marker(struct completion *c, size_t i)
{
    const struct txn *t = c->t;
    const struct txn_partition *tp = &t->partitions.p[i];
    struct partition *p = topics_partition(t->ts->b->topics, str_of(tp->topic), tp->index);
    struct marker *marker = &c->markers[i];
    struct error err;

    if (!p || has_marker(t, p))
        return; /* removed meanwhile; or done */
    c->waiting++;
    marker->completion = c;
    marker->wait.done = marker_durable;
    marker->wait.ctx = marker;
    if (txn_append_marker(p, t->m.producer_id, t->m.epoch,
                          t->m.state == TXN_PREPARE_COMMIT ? BATCH_MARKER_COMMIT : BATCH_MARKER_ABORT,
                          TXN_COORDINATOR_EPOCH, &marker->wait.offset, &err)) {
        log_warn(t->ts->b->env, "broker", "end transaction %s in %s/%d: %s", t->id, tp->topic, tp->index, err.msg);
        part_done(c, false);
        return;
    }
    partition_wait(p, &marker->wait);
}

static void decided(void *ctx, bool ok)
{
    struct completion *c = ctx;
    struct txn *t = c->t;
    const size_t n = t->partitions.n;

    c->waiting = 1;
    c->is_decided = ok;
    if (ok) {
        c->markers = check_calloc(n + 1, sizeof(*c->markers));
        for (size_t i = 0; i < n; i++)
            write_marker(c, i);
        for (size_t i = 0; i < t->groups.n; i++) {
            c->waiting++;
            group_end_txn(t->ts->b->groups, str_of(t->groups.p[i]), t->m.producer_id, t->m.state == TXN_PREPARE_COMMIT,
                          group_ended, c);
        }
    }
    part_done(c, ok);
}

void txn_complete(struct txn *t)
{
    struct txns *ts = t->ts;
    struct completion *c;

    IG_ASSERT(!t->completing);
    c = check_calloc(1, sizeof(*c));
    t->completing = true;
    c->t = t;
    c->next = ts->completions;
    c->pprev = &ts->completions;
    if (c->next)
        c->next->pprev = &c->next;
    ts->completions = c;
    c->decided.done = decided;
    c->decided.ctx = c;
    txn_wait(t, &c->decided);
}

/* --- what nobody would end ------------------------------------------------------------------------------------------
 */

static void sweep_partition(struct txns *ts, struct partition *p)
{
    const struct spans *spans = &p->log->producers.spans;
    VEC(struct span) lost = {0};

    for (size_t i = 0; i < spans->open.n; i++) {
        const struct txn *t = txns_find_producer(ts, spans->open.p[i].producer_id);

        if (spans->open.p[i].last < 0 && !(t && txn_has(t, str_of(p->topic->name), p->index)))
            vec_push(&lost, spans->open.p[i]);
    }
    for (size_t i = 0; i < lost.n; i++) {
        const struct producer *s = producers_find(&p->log->producers, lost.p[i].producer_id);
        struct error err;
        int64_t end;

        log_warn(ts->b->env, "broker",
                 "%s/%d: aborting what producer %lld has open since offset %lld: no transaction knows of it",
                 p->topic->name, p->index, (long long)lost.p[i].producer_id, (long long)lost.p[i].first);
        if (txn_append_marker(p, lost.p[i].producer_id, s ? s->epoch : 0, BATCH_MARKER_ABORT, TXN_COORDINATOR_EPOCH,
                              &end, &err))
            log_warn(ts->b->env, "broker", "%s/%d: %s", p->topic->name, p->index, err.msg);
    }
    vec_free(&lost);
}

static bool knows_group(void *ctx, struct str group, int64_t producer_id)
{
    const struct txn *t = txns_find_producer(ctx, producer_id);

    return t && txn_has_group(t, group);
}

void txns_sweep(struct txns *ts)
{
    size_t n;
    struct topic **all = topics_sorted(ts->b->topics, &n);

    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < all[i]->partitions.n; k++) {
            if (!all[i]->partitions.p[k]->log->failed)
                sweep_partition(ts, all[i]->partitions.p[k]);
        }
    }
    free(all);
    groups_sweep_txns(ts->b->groups, knows_group, ts);
}
