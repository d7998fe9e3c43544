/* Offsets that are committed as part of a transaction. */
#include "broker/groups.h"

#include <stdlib.h>

static void free_text(struct str s)
{
    free((void *)(uintptr_t)s.p);
}

static void drop(struct group *g, size_t i)
{
    free_text(g->txn_offsets.p[i].c.topic);
    free_text(g->txn_offsets.p[i].c.metadata);
    g->txn_offsets.p[i] = g->txn_offsets.p[--g->txn_offsets.n];
}

void group_set_pending(struct group *g, int64_t producer_id, const struct committed *c, int64_t at)
{
    struct pending_offset p = {producer_id, at, *c};

    for (size_t i = 0; i < g->txn_offsets.n; i++) {
        const struct pending_offset *old = &g->txn_offsets.p[i];

        if (old->producer_id == producer_id && old->c.partition == c->partition && str_eq(old->c.topic, c->topic)) {
            drop(g, i);
            break;
        }
    }
    if (c->offset < 0)
        return;
    p.c.topic = str_copy(c->topic);
    p.c.metadata = str_copy(c->metadata);
    vec_push(&g->txn_offsets, p);
}

void group_overtake_pending(struct group *g, const struct committed *c, int64_t at)
{
    for (size_t i = g->txn_offsets.n; i-- > 0;) {
        const struct pending_offset *p = &g->txn_offsets.p[i];

        if (p->at < at && p->c.partition == c->partition && str_eq(p->c.topic, c->topic))
            drop(g, i);
    }
}

bool group_is_pending(const struct group *g, struct str topic, int32_t partition)
{
    for (size_t i = 0; i < g->txn_offsets.n; i++) {
        if (g->txn_offsets.p[i].c.partition == partition && str_eq(g->txn_offsets.p[i].c.topic, topic))
            return true;
    }
    return false;
}

void group_clear_pending(struct group *g)
{
    while (g->txn_offsets.n > 0)
        drop(g, 0);
    vec_free(&g->txn_offsets);
}

static bool append(struct groups *gs, struct batch_builder *builder, int64_t *end)
{
    struct error err;

    if (groups_append(gs, builder, end, &err) == IG_OK)
        return true;
    log_error(gs->b->env, "broker", "store a transaction's offsets: %s", err.msg);
    return false;
}

bool group_commit_in_txn(struct groups *gs, struct str group, int64_t producer_id, const struct committed *items,
                         size_t n, int64_t *end)
{
    struct batch_builder builder;
    bool ok;

    batch_builder_init(&builder, env_now_ms(gs->b->env));
    for (size_t i = 0; i < n; i++)
        group_add_record(&builder, group, producer_id, &items[i]);
    ok = append(gs, &builder, end);
    batch_builder_release(&builder);
    for (size_t i = 0; ok && i < n; i++)
        group_set_pending(group_make(gs, group), producer_id, &items[i], *end - 1);
    return ok;
}

/* --- the end ----------------------------------------------------------------------------------------------------- */

struct ending {
    struct groups *gs;
    struct str group;
    int64_t producer_id;
    bool commit;
    struct partition_wait wait;
    partition_durable_fn *done;
    void *ctx;
};

static void apply(const struct ending *e)
{
    struct group *g = group_find(e->gs, e->group);

    for (size_t i = g ? g->txn_offsets.n : 0; i-- > 0;) {
        struct committed c = g->txn_offsets.p[i].c;

        if (g->txn_offsets.p[i].producer_id != e->producer_id)
            continue;
        c.topic = str_copy(c.topic);
        c.metadata = str_copy(c.metadata);
        drop(g, i);
        if (e->commit) {
            group_set_committed(g, &c);
        } else {
            free_text(c.topic);
            free_text(c.metadata);
        }
    }
    if (g)
        group_drop_if_idle(g);
}

static void end_durable(void *ctx, bool ok)
{
    struct ending *e = ctx;

    if (ok)
        apply(e);
    e->done(e->ctx, ok);
    free_text(e->group);
    free(e);
}

static size_t add_end_records(struct batch_builder *builder, const struct group *g, int64_t producer_id, bool commit)
{
    size_t n = 0;

    for (size_t i = 0; i < g->txn_offsets.n; i++) {
        struct committed c = g->txn_offsets.p[i].c;

        if (g->txn_offsets.p[i].producer_id != producer_id)
            continue;
        n++;
        if (commit)
            group_add_record(builder, str_of(g->id), -1, &c);
        c.offset = -1;
        group_add_record(builder, str_of(g->id), producer_id, &c);
    }
    return n;
}

void group_end_txn(struct groups *gs, struct str group, int64_t producer_id, bool commit, partition_durable_fn *done,
                   void *ctx)
{
    const struct group *g = group_find(gs, group);
    struct batch_builder builder;
    struct ending *e;
    int64_t end = 0;
    size_t n;
    bool ok;

    batch_builder_init(&builder, env_now_ms(gs->b->env));
    n = g ? add_end_records(&builder, g, producer_id, commit) : 0;
    ok = n == 0 || append(gs, &builder, &end);
    batch_builder_release(&builder);
    if (n == 0 || !ok) {
        done(ctx, ok);
        return;
    }
    e = check_calloc(1, sizeof(*e));
    *e = (struct ending){.gs = gs,
                         .group = str_copy(group),
                         .producer_id = producer_id,
                         .commit = commit,
                         .wait = {.offset = end, .done = end_durable, .ctx = e},
                         .done = done,
                         .ctx = ctx};
    partition_wait(gs->log, &e->wait);
}

static void swept(void *ctx, bool ok)
{
    (void)ctx;
    (void)ok; /* if not: at the next start */
}

void groups_sweep_txns(struct groups *gs, groups_known_fn *known, void *ctx)
{
    for (size_t i = 0; i < GROUP_BUCKETS; i++) {
        struct group *next;

        for (struct group *g = gs->buckets[i]; g; g = next) {
            VEC(int64_t) lost = {0};

            next = g->next;
            for (size_t k = 0; k < g->txn_offsets.n; k++) {
                if (!known(ctx, str_of(g->id), g->txn_offsets.p[k].producer_id))
                    vec_push(&lost, g->txn_offsets.p[k].producer_id);
            }
            for (size_t k = 0; k < lost.n; k++)
                group_end_txn(gs, str_of(g->id), lost.p[k], false, swept, NULL);
            vec_free(&lost);
        }
    }
}
