#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

int model_add(struct world *w, int producer, int32_t part, int number, int txn, bool idempotent)
{
    const struct record r = {.producer = producer,
                             .part = part,
                             .number = number,
                             .txn = txn,
                             .fate = FATE_UNKNOWN,
                             .offset = -1,
                             .idempotent = idempotent};

    vec_push(&w->model.records, r);
    return (int)w->model.records.n - 1;
}

int model_begin_txn(struct world *w, int owner, int16_t epoch)
{
    vec_push(&w->model.owners, owner);
    vec_push(&w->model.epochs, epoch);
    vec_push(&w->model.with_offsets, false);
    vec_push(&w->model.txns, TXN_OPEN);
    return (int)w->model.txns.n - 1;
}

void record_value(struct world *w, int id, struct buf *out)
{
    buf_printf(out, "r%d:", id);
    for (uint64_t n = chance(w, 10) ? draw(w, 900) : draw(w, 40); n > 0; n--)
        buf_puts(out, "x");
}

int record_of_value(struct str value)
{
    const char *colon = value.n > 2 && value.p[0] == 'r' ? memchr(value.p, ':', value.n) : NULL;
    int64_t id;

    if (!colon || !str_to_int64((struct str){value.p + 1, (size_t)(colon - value.p) - 1}, 0, INT32_MAX, &id))
        return -1;
    return (int)id;
}

void model_acked(struct world *w, int id, int64_t offset)
{
    struct record *r = &w->model.records.p[id];

    /* One that was never acknowledged, and deleted, may come once more: with the records goes what is known of their
     * producers, if the broker is started anew. */
    if (r->offset >= w->model.start_asked[r->part] && r->offset != offset)
        violation(w, "record %d of partition %d was at %lld, and is acknowledged at %lld", id, r->part,
                  (long long)r->offset, (long long)offset);
    r->fate = FATE_ACKED;
    r->offset = offset;
}

void model_saw(struct world *w, int32_t part, int64_t offset, int id, bool committed_only, bool last)
{
    struct model *m = &w->model;
    struct record *r;

    if (id < 0 || (size_t)id >= m->records.n) {
        violation(w, "partition %d offset %lld holds what nobody sent", part, (long long)offset);
        return;
    }
    r = &m->records.p[id];
    if (r->part != part)
        violation(w, "record %d of partition %d was read from %d", id, r->part, part);
    if (r->offset >= w->model.start_asked[part] && r->offset != offset)
        violation(w, "record %d of partition %d is at %lld and at %lld", id, part, (long long)r->offset,
                  (long long)offset);
    r->offset = offset;
    while (m->seen[part].n <= (size_t)offset)
        vec_push(&m->seen[part], -1);
    if (m->seen[part].p[offset] >= 0 && m->seen[part].p[offset] != id)
        violation(w, "partition %d offset %lld was record %lld, and is now %d", part, (long long)offset,
                  (long long)m->seen[part].p[offset], id);
    m->seen[part].p[offset] = id;
    if (committed_only && r->txn >= 0 && m->txns.p[r->txn] == TXN_ABORTED)
        violation(w, "record %d at %d/%lld of the aborted transaction %d was read", id, part, (long long)offset,
                  r->txn);
    if (committed_only && r->txn >= 0 && m->txns.p[r->txn] == TXN_OPEN)
        violation(w, "record %d at %d/%lld of the open transaction %d was read", id, part, (long long)offset, r->txn);
    if (last && (committed_only || r->txn < 0))
        r->there = true;
}

void model_watermarks(struct world *w, int32_t part, struct watermarks now, struct watermarks asked)
{
    struct watermarks *m = &w->model.marks[part];

    if (now.high < asked.high)
        violation(w, "the high watermark of %d went from %lld back to %lld", part, (long long)asked.high,
                  (long long)now.high);
    if (now.stable < asked.stable)
        violation(w, "the last stable offset of %d went from %lld back to %lld", part, (long long)asked.stable,
                  (long long)now.stable);
    if (now.stable > now.high)
        violation(w, "the last stable offset of %d is %lld, the high watermark %lld", part, (long long)now.stable,
                  (long long)now.high);
    m->high = m->high > now.high ? m->high : now.high;
    m->stable = m->stable > now.stable ? m->stable : now.stable;
}

/* Of one producer and partition: in order, and (idempotent) without a gap. */
static void check_order(struct world *w, const struct record *r, size_t id)
{
    const struct model *m = &w->model;

    for (size_t i = 0; i < id; i++) {
        const struct record *other = &m->records.p[i];

        if (other->producer != r->producer || other->part != r->part || r->offset < w->model.start_asked[r->part])
            continue;
        if (other->there && other->offset >= r->offset)
            violation(w, "records %zu and %zu of one producer are at %lld and %lld of partition %d", i, id,
                      (long long)other->offset, (long long)r->offset, r->part);
        if (!other->there && r->idempotent && r->txn < 0 &&
            (other->offset >= w->model.start_asked[r->part] || other->offset < 0) && m->start_asked[r->part] == 0)
            violation(w, "record %zu is in partition %d, but %zu of the same producer before it is not", id, r->part,
                      i);
    }
}

static void check_txns(struct world *w)
{
    const struct model *m = &w->model;

    for (size_t t = 0; t < m->txns.n; t++) {
        int there = 0, missing = 0;

        for (size_t i = 0; i < m->records.n; i++) {
            const struct record *r = &m->records.p[i];

            if (r->txn != (int)t || (r->offset >= 0 && r->offset < m->start_asked[r->part]))
                continue;
            if (r->there)
                there++;
            else if (m->start_asked[r->part] == 0 || r->fate == FATE_ACKED)
                missing++;
        }
        if (m->txns.p[t] == TXN_COMMITTED && missing > 0)
            violation(w, "transaction %zu is committed, but %d of its records are not there", t, missing);
        if (m->txns.p[t] == TXN_ABORTED && there > 0)
            violation(w, "transaction %zu is aborted, but %d of its records are there", t, there);
        if (there > 0 && missing > 0)
            violation(w, "transaction %zu is there by half: %d records are, %d are not", t, there, missing);
    }
}

void model_check(struct world *w)
{
    struct model *m = &w->model;

    for (size_t i = 0; i < m->records.n && !w->failed; i++) {
        const struct record *r = &m->records.p[i];
        const bool kept = r->txn < 0 && r->offset >= m->start_asked[r->part];

        if (kept && r->fate == FATE_ACKED && !r->there)
            violation(w, "record %zu was acknowledged at %d/%lld and is not there", i, r->part, (long long)r->offset);
        else if (kept && r->offset >= 0 && !r->there)
            violation(w, "record %zu was read at %d/%lld once and is not there", i, r->part, (long long)r->offset);
        if (r->there && r->offset < m->start_told[r->part])
            violation(w, "record %zu at %d/%lld is there, though all below %lld were deleted", i, r->part,
                      (long long)r->offset, (long long)m->start_told[r->part]);
        if (r->there)
            check_order(w, r, i);
    }
    if (!w->failed)
        check_txns(w);
}

void model_free(struct model *m)
{
    vec_free(&m->records);
    vec_free(&m->txns);
    vec_free(&m->commits);
    vec_free(&m->owners);
    vec_free(&m->epochs);
    vec_free(&m->with_offsets);
    for (size_t i = 0; i < PARTS_MAX; i++)
        vec_free(&m->seen[i]);
}
