#include "broker/producers.h"

#include <stdlib.h>

static struct producer *slot_of(const struct producers *p, int64_t id)
{
    size_t i;

    if (p->cap == 0)
        return NULL;
    i = (size_t)hash_fnv1a(&id, sizeof(id)) & (p->cap - 1);
    while (p->slots[i].id != -1 && p->slots[i].id != id)
        i = (i + 1) & (p->cap - 1);
    return &p->slots[i];
}

static bool is_expired(const struct producer *s, int64_t now_ms)
{
    return s->txn_first < 0 && now_ms - s->seen_ms > PRODUCER_EXPIRY_MS;
}

/* Makes room: each client that ever came has an id of its own, so those of long ago go first. */
static void grow(struct producers *p, int64_t now_ms)
{
    struct producers bigger = {.cap = 4};

    for (size_t i = 0; i < p->cap; i++)
        bigger.n += p->slots[i].id != -1 && !is_expired(&p->slots[i], now_ms);
    while ((bigger.n + 1) * 2 > bigger.cap)
        bigger.cap *= 2;
    bigger.slots = check_malloc(bigger.cap * sizeof(*bigger.slots));
    for (size_t i = 0; i < bigger.cap; i++)
        bigger.slots[i].id = -1;
    for (size_t i = 0; i < p->cap; i++) {
        if (p->slots[i].id != -1 && !is_expired(&p->slots[i], now_ms))
            *slot_of(&bigger, p->slots[i].id) = p->slots[i];
    }
    free(p->slots);
    p->slots = bigger.slots;
    p->cap = bigger.cap;
    p->n = bigger.n;
}

static struct producer *slot_for(struct producers *p, int64_t id, int64_t now_ms)
{
    struct producer *s;

    if ((p->n + 1) * 4 > p->cap * 3)
        grow(p, now_ms);
    s = slot_of(p, id);
    if (s->id == -1) {
        *s = (struct producer){.id = id, .epoch = -1, .awaited = -1, .txn_first = -1, .coordinator_epoch = -1};
        p->n++;
    }
    return s;
}

static int32_t sequence_after(int32_t sequence, int32_t n)
{
    return (int32_t)(((int64_t)sequence + n) & INT32_MAX);
}

enum producer_verdict producers_check(const struct producers *p, const struct batch *b, int64_t *duplicate_of)
{
    const int32_t last = sequence_after(b->base_sequence, b->last_offset_delta);
    const struct producer *s = slot_of(p, b->producer_id);

    if (!s || s->id == -1)
        return PRODUCER_NEXT; /* new, or forgotten: any sequence may begin */
    if (b->producer_epoch < s->epoch)
        return PRODUCER_FENCED;
    if (s->txn_first >= 0 && (!(b->attributes & BATCH_TRANSACTIONAL) || b->producer_epoch > s->epoch))
        return PRODUCER_IN_TRANSACTION;
    if (b->producer_epoch > s->epoch || s->restart)
        return b->base_sequence == 0 ? PRODUCER_NEXT : PRODUCER_OUT_OF_ORDER;
    if (s->n == 0)
        return s->awaited < 0 || s->awaited == b->base_sequence ? PRODUCER_NEXT : PRODUCER_OUT_OF_ORDER;
    for (unsigned i = 0; i < s->n; i++) {
        if (s->batches[i].first == b->base_sequence && s->batches[i].last == last) {
            *duplicate_of = s->batches[i].base_offset;
            return PRODUCER_DUPLICATE;
        }
    }
    return b->base_sequence == sequence_after(s->batches[s->n - 1].last, 1) ? PRODUCER_NEXT : PRODUCER_OUT_OF_ORDER;
}

static void note_marker(struct producers *p, struct producer *s, const struct batch *b)
{
    if (b->producer_epoch > s->epoch) {
        s->restart = s->epoch >= 0;
        s->epoch = b->producer_epoch;
        s->n = 0;
    }
    if (s->txn_first >= 0)
        spans_end(&p->spans, s->txn_first, b->base_offset, b->marker == BATCH_MARKER_ABORT);
    s->txn_first = -1;
    s->coordinator_epoch = b->coordinator_epoch;
}

void producers_note(struct producers *p, const struct batch *b, int64_t now_ms)
{
    struct producer *s;

    if (b->producer_id < 0 || ((b->attributes & BATCH_CONTROL) && b->marker == BATCH_MARKER_NONE))
        return;
    s = slot_for(p, b->producer_id, now_ms);
    s->seen_ms = now_ms;
    if (b->attributes & BATCH_CONTROL) {
        note_marker(p, s, b);
        return;
    }
    s->restart = false;
    s->awaited = -1;
    if (s->epoch != b->producer_epoch) {
        s->epoch = b->producer_epoch;
        s->n = 0;
    }
    if (s->n == PRODUCER_BATCHES) {
        memmove(s->batches, s->batches + 1, sizeof(s->batches) - sizeof(s->batches[0]));
        s->n--;
    }
    s->batches[s->n++] = (struct producer_batch){
        .first = b->base_sequence,
        .last = sequence_after(b->base_sequence, b->last_offset_delta),
        .base_offset = b->base_offset,
        .last_delta = b->last_offset_delta,
    };
    if ((b->attributes & BATCH_TRANSACTIONAL) && s->txn_first < 0) {
        s->txn_first = b->base_offset;
        spans_begin(&p->spans, s->id, s->txn_first);
    }
}

void producers_note_refused(struct producers *p, const struct batch *b, int64_t now_ms)
{
    struct producer *s;

    if (b->producer_id < 0 || (b->attributes & BATCH_CONTROL))
        return;
    s = slot_for(p, b->producer_id, now_ms);
    s->seen_ms = now_ms;
    if (s->n > 0 || s->restart || s->awaited >= 0)
        return; /* what must come next is known */
    s->epoch = b->producer_epoch;
    s->awaited = b->base_sequence;
}

/* What the new log has read of a producer holds. Of its batches in front of `end` it may have read none, if only a
 * marker is left of them; those behind are lost, and come again. */
static void carry(struct producers *p, const struct producer *s, int64_t end, int64_t now_ms)
{
    const struct producer *found = producers_find(p, s->id);
    struct batch lost = {.producer_id = s->id, .producer_epoch = s->epoch, .base_sequence = s->awaited};
    struct producer *to;
    unsigned kept = 0;

    if (found && (found->n > 0 || found->epoch != s->epoch))
        return;
    while (kept < s->n && s->batches[kept].base_offset < end)
        kept++;
    if (kept == 0) {
        if (s->n > 0)
            lost.base_sequence = s->batches[0].first;
        if (lost.base_sequence >= 0)
            producers_note_refused(p, &lost, now_ms);
        return;
    }
    to = slot_for(p, s->id, now_ms);
    to->seen_ms = s->seen_ms;
    to->epoch = s->epoch;
    to->n = (uint8_t)kept;
    memcpy(to->batches, s->batches, kept * sizeof(s->batches[0]));
}

void producers_carry(struct producers *p, const struct producers *old, int64_t end, int64_t now_ms)
{
    for (size_t i = 0; i < old->cap; i++) {
        if (old->slots[i].id != -1 && !is_expired(&old->slots[i], now_ms))
            carry(p, &old->slots[i], end, now_ms);
    }
}

const struct producer *producers_find(const struct producers *p, int64_t id)
{
    const struct producer *s = slot_of(p, id);

    return s && s->id == id ? s : NULL;
}

void producers_encode(const struct producers *p, int64_t now_ms, struct buf *out)
{
    const size_t at = out->n;
    int64_t n = 0;

    wire_put_int(out, 0, 4);
    for (size_t i = 0; i < p->cap; i++) {
        const struct producer *s = &p->slots[i];

        if (s->id == -1 || is_expired(s, now_ms))
            continue;
        n++;
        wire_put_int(out, s->id, 8);
        wire_put_int(out, s->seen_ms, 8);
        wire_put_int(out, s->txn_first, 8);
        wire_put_int(out, s->coordinator_epoch, 4);
        wire_put_int(out, s->epoch, 2);
        wire_put_int(out, s->restart, 1);
        wire_put_int(out, s->n, 1);
        for (unsigned k = 0; k < s->n; k++) {
            wire_put_int(out, s->batches[k].first, 4);
            wire_put_int(out, s->batches[k].last, 4);
            wire_put_int(out, s->batches[k].base_offset, 8);
            wire_put_int(out, s->batches[k].last_delta, 4);
        }
    }
    if (out->p)
        wire_store(out->p + at, n, 4);
    spans_encode(&p->spans, out);
}

void producers_decode(struct producers *p, struct wire_in *in)
{
    int64_t n = wire_get_int(in, 4);

    producers_clear(p);
    while (n-- > 0 && !in->bad) {
        const int64_t id = wire_get_int(in, 8), seen_ms = wire_get_int(in, 8), txn_first = wire_get_int(in, 8);
        const int32_t coordinator_epoch = (int32_t)wire_get_int(in, 4);
        const int16_t epoch = (int16_t)wire_get_int(in, 2);
        const bool restart = wire_get_int(in, 1) != 0;
        const int64_t batches = wire_get_int(in, 1);
        struct producer *s;

        if (in->bad || id < 0 || batches < 0 || batches > PRODUCER_BATCHES) {
            in->bad = true;
            break;
        }
        s = slot_for(p, id, 0); /* who is expired was not written */
        s->seen_ms = seen_ms;
        s->coordinator_epoch = coordinator_epoch;
        s->epoch = epoch;
        s->restart = restart;
        if (txn_first >= 0) {
            s->txn_first = txn_first;
            spans_begin(&p->spans, id, txn_first);
        }
        s->n = (uint8_t)batches;
        for (int64_t k = 0; k < batches; k++) {
            s->batches[k].first = (int32_t)wire_get_int(in, 4);
            s->batches[k].last = (int32_t)wire_get_int(in, 4);
            s->batches[k].base_offset = wire_get_int(in, 8);
            s->batches[k].last_delta = (int32_t)wire_get_int(in, 4);
        }
    }
    spans_decode(&p->spans, in);
}

void producers_clear(struct producers *p)
{
    free(p->slots);
    spans_clear(&p->spans);
    *p = (struct producers){0};
}
