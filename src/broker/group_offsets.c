/* Committed offsets: in memory by group, and on the disk as records. */
#include "broker/groups.h"
#include "broker/replay.h"

#include <stdlib.h>

#define RECORD_COMMITTED 1 /* the versions of keys */
#define RECORD_PENDING 2   /* committed in a transaction that has not ended */
#define SNAPSHOT_BATCH_BYTES ((size_t)1 << 20)
#define COMPACT_MIN_BYTES ((int64_t)8 << 20)

/* --- in memory ---------------------------------------------------------------------------------------------- */

static size_t hash_of(struct str topic, int32_t partition)
{
    return (size_t)(hash_fnv1a(topic.p, topic.n) + (uint64_t)(uint32_t)partition * UINT64_C(0x9e3779b97f4a7c15));
}

static uint32_t *index_slot(const struct group *g, struct str topic, int32_t partition)
{
    size_t i = hash_of(topic, partition) & (g->index_cap - 1);

    IG_ASSERT(g->index);
    while (g->index[i] != 0) {
        const struct committed *c = &g->offsets.p[g->index[i] - 1];

        if (c->partition == partition && str_eq(c->topic, topic))
            break;
        i = (i + 1) & (g->index_cap - 1);
    }
    return &g->index[i];
}

struct committed *group_committed(struct group *g, struct str topic, int32_t partition)
{
    const uint32_t i = g->index_cap ? *index_slot(g, topic, partition) : 0;

    return i ? &g->offsets.p[i - 1] : NULL;
}

static void grow_index(struct group *g)
{
    g->index_cap = g->index_cap ? g->index_cap * 2 : 16;
    free(g->index);
    g->index = check_calloc(g->index_cap, sizeof(*g->index));
    for (size_t i = 0; i < g->offsets.n; i++) {
        const struct committed *c = &g->offsets.p[i];

        IG_ASSERT(g->offsets.p);
        *index_slot(g, c->topic, c->partition) = (uint32_t)i + 1;
    }
}

static void free_text(struct str s)
{
    free((void *)(uintptr_t)s.p);
}

static int64_t record_bytes(const struct group *g, const struct committed *c)
{
    return c->offset < 0 ? 0 : (int64_t)(strlen(g->id) + c->topic.n + c->metadata.n) + 60;
}

void group_set_committed(struct group *g, const struct committed *c)
{
    struct committed *old = group_committed(g, c->topic, c->partition);

    g->gs->live_bytes += record_bytes(g, c) - (old ? record_bytes(g, old) : 0);
    if (old) {
        free_text(c->topic);
        free_text(old->metadata);
        old->metadata = c->metadata;
        old->offset = c->offset;
        old->leader_epoch = c->leader_epoch;
        old->time_ms = c->time_ms;
        return;
    }
    if ((g->offsets.n + 1) * 4 > g->index_cap * 3)
        grow_index(g);
    IG_ASSERT(g->offsets.p || g->offsets.cap == 0);
    vec_push(&g->offsets, *c);
    *index_slot(g, c->topic, c->partition) = (uint32_t)g->offsets.n;
}

void group_clear_offsets(struct group *g)
{
    for (size_t i = 0; i < g->offsets.n; i++) {
        g->gs->live_bytes -= record_bytes(g, &g->offsets.p[i]);
        free_text(g->offsets.p[i].topic);
        free_text(g->offsets.p[i].metadata);
    }
    group_clear_pending(g);
    vec_free(&g->offsets);
    free(g->index);
    g->index = NULL;
    g->index_cap = 0;
}

/* --- as records ----------------------------------------------------------------------------------------------- */

static void put_text(struct buf *b, struct str s)
{
    wire_put_int(b, s.p ? (int64_t)s.n : -1, 4);
    buf_add_str(b, s);
}

static struct str get_text(struct wire_in *in)
{
    const int64_t n = wire_get_int(in, 4);

    if (n < 0)
        return (struct str){NULL, 0};
    return wire_get_bytes(in, (size_t)n);
}

void group_add_record(struct batch_builder *builder, struct str group, int64_t producer_id, const struct committed *c)
{
    struct buf key, value;

    buf_init(&key, 0);
    buf_init(&value, 0);
    wire_put_int(&key, producer_id < 0 ? RECORD_COMMITTED : RECORD_PENDING, 2);
    put_text(&key, group);
    put_text(&key, c->topic);
    wire_put_int(&key, c->partition, 4);
    if (producer_id >= 0)
        wire_put_int(&key, producer_id, 8);
    wire_put_int(&value, c->offset, 8);
    wire_put_int(&value, c->leader_epoch, 4);
    wire_put_int(&value, c->time_ms, 8);
    put_text(&value, c->metadata);
    batch_builder_add(builder, buf_str(&key), c->offset < 0 ? (struct str){NULL, 0} : buf_str(&value));
    buf_release(&key);
    buf_release(&value);
}

static void apply_committed(struct groups *gs, struct str group, const struct committed *c, int64_t at)
{
    struct committed copy = *c;
    struct group *g = group_make(gs, group);

    group_overtake_pending(g, c, at);
    copy.topic = str_copy(c->topic);
    copy.metadata = str_copy(c->metadata);
    group_set_committed(g, &copy);
}

static enum ig_code apply_record(void *ctx, const struct batch_record *r, struct error *err)
{
    struct wire_in key = {(const uint8_t *)r->key.p, (const uint8_t *)r->key.p + r->key.n, r->key.p == NULL};
    struct wire_in value = {(const uint8_t *)r->value.p, (const uint8_t *)r->value.p + r->value.n, false};
    const int64_t version = wire_get_int(&key, 2);
    struct committed c = {.offset = -1};
    struct groups *gs = ctx;
    int64_t producer_id = -1;
    struct str group;

    (void)err;
    if (version == GROUP_RECORD_MEMBERS)
        group_store_apply(gs, &key, r);
    if (version != RECORD_COMMITTED && version != RECORD_PENDING)
        return IG_OK; /* of a later version */
    group = get_text(&key);
    c.topic = get_text(&key);
    c.partition = (int32_t)wire_get_int(&key, 4);
    if (version == RECORD_PENDING)
        producer_id = wire_get_int(&key, 8);
    if (r->value.p) {
        c.offset = wire_get_int(&value, 8);
        c.leader_epoch = (int32_t)wire_get_int(&value, 4);
        c.time_ms = wire_get_int(&value, 8);
        c.metadata = get_text(&value);
    }
    if (key.bad || value.bad || !group.p || !c.topic.p)
        return IG_OK;
    if (version == RECORD_COMMITTED)
        apply_committed(gs, group, &c, r->offset);
    else
        group_set_pending(group_make(gs, group), producer_id, &c, r->offset);
    return IG_OK;
}

enum ig_code groups_load(struct groups *gs, struct error *err)
{
    return log_replay(gs->log->log, apply_record, gs, err);
}

/* --- changing --------------------------------------------------------------------------------------------------- */

static void change_durable(void *ctx, bool ok)
{
    struct offsets_change *c = ctx;

    for (size_t i = 0; ok && i < c->n; i++)
        apply_committed(c->gs, c->group_id, &c->items[i], c->wait.offset - 1);
    c->done(c->ctx, ok);
}

enum ig_code groups_append(struct groups *gs, struct batch_builder *builder, int64_t *end, struct error *err)
{
    const struct str bytes = batch_builder_finish(builder);
    struct batch b;

    IG_ASSERT(batch_parse(bytes.p, bytes.n, &b));
    IG_TRY(partition_append(gs->log, &b, bytes.p, err));
    *end = b.base_offset + b.last_offset_delta + 1;
    return IG_OK;
}

void groups_change(struct groups *gs, struct offsets_change *c)
{
    struct batch_builder builder;
    struct error err;
    enum ig_code rc;

    c->gs = gs;
    batch_builder_init(&builder, env_now_ms(gs->b->env));
    for (size_t i = 0; i < c->n; i++)
        group_add_record(&builder, c->group_id, -1, &c->items[i]);
    rc = groups_append(gs, &builder, &c->wait.offset, &err);
    batch_builder_release(&builder);
    if (rc) {
        log_error(gs->b->env, "broker", "store committed offsets: %s", err.msg);
        c->done(c->ctx, false);
        return;
    }
    c->wait.done = change_durable;
    c->wait.ctx = c;
    partition_wait(gs->log, &c->wait);
}

/* --- compaction: what holds is written again behind a new segment, then all in front of it is trimmed ------------- */

struct compaction {
    struct groups *gs;
    struct partition_wait wait;
    int64_t start;
};

static void compacted(void *ctx, bool ok)
{
    struct compaction *c = ctx;
    struct error err;

    if (ok && partition_trim(c->gs->log, c->start, NULL, NULL, &err))
        log_warn(c->gs->b->env, "broker", "trim the groups' offsets: %s", err.msg);
    c->gs->compacting = false;
    free(c);
}

struct snapshot {
    struct groups *gs;
    struct batch_builder builder;
    int64_t *end;
};

static enum ig_code snapshot_record(struct snapshot *s, const struct group *g, int64_t producer_id,
                                    const struct committed *c, struct error *err)
{
    enum ig_code rc = IG_OK;

    if (c->offset < 0)
        return IG_OK;
    group_add_record(&s->builder, str_of(g->id), producer_id, c);
    if (s->builder.buf.n >= SNAPSHOT_BATCH_BYTES) {
        rc = groups_append(s->gs, &s->builder, s->end, err);
        batch_builder_release(&s->builder);
        batch_builder_init(&s->builder, env_now_ms(s->gs->b->env));
    }
    return rc;
}

/* What is pending comes behind what is committed: it is what came later. */
static enum ig_code snapshot_group(struct snapshot *s, const struct group *g, struct error *err)
{
    if (g->stored_bytes > 0)
        group_store_add(&s->builder, g);
    for (size_t i = 0; i < g->offsets.n; i++)
        IG_TRY(snapshot_record(s, g, -1, &g->offsets.p[i], err));
    for (size_t i = 0; i < g->txn_offsets.n; i++)
        IG_TRY(snapshot_record(s, g, g->txn_offsets.p[i].producer_id, &g->txn_offsets.p[i].c, err));
    return IG_OK;
}

static enum ig_code write_snapshot(struct groups *gs, int64_t *end, struct error *err)
{
    struct snapshot s = {.gs = gs, .end = end};
    enum ig_code rc = IG_OK;

    batch_builder_init(&s.builder, env_now_ms(gs->b->env));
    for (size_t i = 0; i < GROUP_BUCKETS && !rc; i++) {
        for (const struct group *g = gs->buckets[i]; g && !rc; g = g->next)
            rc = snapshot_group(&s, g, err);
    }
    if (!rc && s.builder.records > 0)
        rc = groups_append(gs, &s.builder, end, err);
    batch_builder_release(&s.builder);
    return rc;
}

/* Changes on their way are in front of the snapshot and not in it: the caller waits until there are none. */
void groups_compact(struct groups *gs)
{
    struct plog *log = gs->log->log;
    struct compaction *c;
    struct error err;
    enum ig_code rc;

    if (gs->compacting || log->failed || gs->log->first || plog_size(log) < COMPACT_MIN_BYTES + 4 * gs->live_bytes)
        return;
    c = check_calloc(1, sizeof(*c));
    c->gs = gs;
    rc = plog_roll(log, &err);
    c->start = c->wait.offset = log->end;
    if (!rc)
        rc = write_snapshot(gs, &c->wait.offset, &err);
    if (rc) {
        log_warn(gs->b->env, "broker", "rewrite the groups' offsets: %s", err.msg);
        free(c);
        return;
    }
    gs->compacting = true;
    c->wait.done = compacted;
    c->wait.ctx = c;
    partition_wait(gs->log, &c->wait);
}
