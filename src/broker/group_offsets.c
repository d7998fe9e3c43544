/* Committed offsets: in memory by group, and on the disk as records. */
#include "broker/groups.h"

#include <stdlib.h>

#define RECORD_VERSION 1
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

static void add_record(struct batch_builder *builder, struct str group, const struct committed *c)
{
    struct buf key, value;

    buf_init(&key, 0);
    buf_init(&value, 0);
    wire_put_int(&key, RECORD_VERSION, 2);
    put_text(&key, group);
    put_text(&key, c->topic);
    wire_put_int(&key, c->partition, 4);
    wire_put_int(&value, c->offset, 8);
    wire_put_int(&value, c->leader_epoch, 4);
    wire_put_int(&value, c->time_ms, 8);
    put_text(&value, c->metadata);
    batch_builder_add(builder, buf_str(&key), c->offset < 0 ? (struct str){NULL, 0} : buf_str(&value));
    buf_release(&key);
    buf_release(&value);
}

static void apply_record(struct groups *gs, const struct batch_record *r)
{
    struct wire_in key = {(const uint8_t *)r->key.p, (const uint8_t *)r->key.p + r->key.n, r->key.p == NULL};
    struct wire_in value = {(const uint8_t *)r->value.p, (const uint8_t *)r->value.p + r->value.n, false};
    struct committed c = {.offset = -1};
    struct str group;

    switch (wire_get_int(&key, 2)) {
    case RECORD_VERSION:
        break;
    case GROUP_RECORD_MEMBERS:
        group_store_apply(gs, &key, r);
        return;
    default:
        return; /* of a later version */
    }
    group = get_text(&key);
    c.topic = get_text(&key);
    c.partition = (int32_t)wire_get_int(&key, 4);
    if (r->value.p) {
        c.offset = wire_get_int(&value, 8);
        c.leader_epoch = (int32_t)wire_get_int(&value, 4);
        c.time_ms = wire_get_int(&value, 8);
        c.metadata = get_text(&value);
    }
    if (key.bad || value.bad || !group.p || !c.topic.p)
        return; /* of a later version */
    c.topic = str_copy(c.topic);
    c.metadata = str_copy(c.metadata);
    group_set_committed(group_make(gs, group), &c);
}

static enum ig_code apply_batches(struct groups *gs, const char *p, size_t n, int64_t *next, struct error *err)
{
    for (size_t at = 0; at < n;) {
        struct batch_reader r;
        struct batch_record record;

        IG_TRY(batch_reader_open(&r, p + at, n - at, err));
        while (batch_reader_next(&r, &record))
            apply_record(gs, &record);
        at += (size_t)r.batch.bytes;
        *next = r.batch.base_offset + r.batch.last_offset_delta + 1;
        batch_reader_close(&r);
    }
    return IG_OK;
}

enum ig_code groups_load(struct groups *gs, struct error *err)
{
    struct plog *log = gs->log->log;
    int64_t next = log->start;

    while (next < log->durable.offset) {
        struct plog_span span;
        enum ig_code rc;
        char *p;

        IG_TRY(plog_read(log, next, SNAPSHOT_BATCH_BYTES * 4, true, &span, err));
        if (span.n == 0)
            return error_set(err, IG_CORRUPT, "%s: offset %lld cannot be read", log->dir, (long long)next);
        p = check_malloc(span.n);
        rc = env_read_full(gs->b->env, span.open, span.at, p, span.n, err);
        if (!rc)
            rc = apply_batches(gs, p, span.n, &next, err);
        free(p);
        file_unpin(span.file);
        if (rc)
            return rc;
    }
    return IG_OK;
}

/* --- changing --------------------------------------------------------------------------------------------------- */

static void change_durable(void *ctx, bool ok)
{
    struct offsets_change *c = ctx;

    for (size_t i = 0; ok && i < c->n; i++) {
        struct committed item = c->items[i];

        item.topic = str_copy(item.topic);
        item.metadata = str_copy(item.metadata);
        group_set_committed(group_make(c->gs, c->group_id), &item);
    }
    c->done(c->ctx, ok);
}

static enum ig_code append(struct groups *gs, struct batch_builder *builder, int64_t *end, struct error *err)
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
        add_record(&builder, c->group_id, &c->items[i]);
    rc = append(gs, &builder, &c->wait.offset, &err);
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

    if (ok && plog_trim(c->gs->log->log, c->start, &err))
        log_warn(c->gs->b->env, "broker", "trim the groups' offsets: %s", err.msg);
    c->gs->compacting = false;
    free(c);
}

static enum ig_code write_snapshot(struct groups *gs, int64_t *end, struct error *err)
{
    struct batch_builder builder;
    enum ig_code rc = IG_OK;

    batch_builder_init(&builder, env_now_ms(gs->b->env));
    for (size_t i = 0; i < GROUP_BUCKETS && !rc; i++) {
        for (const struct group *g = gs->buckets[i]; g && !rc; g = g->next) {
            if (g->stored_bytes > 0)
                group_store_add(&builder, g);
            for (size_t k = 0; k < g->offsets.n && !rc; k++) {
                if (g->offsets.p[k].offset < 0)
                    continue;
                add_record(&builder, str_of(g->id), &g->offsets.p[k]);
                if (builder.buf.n < SNAPSHOT_BATCH_BYTES)
                    continue;
                rc = append(gs, &builder, end, err);
                batch_builder_release(&builder);
                batch_builder_init(&builder, env_now_ms(gs->b->env));
            }
        }
    }
    if (!rc && builder.records > 0)
        rc = append(gs, &builder, end, err);
    batch_builder_release(&builder);
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
