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
    return now_ms - s->seen_ms > PRODUCER_EXPIRY_MS;
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
    *p = bigger;
}

static struct producer *slot_for(struct producers *p, int64_t id, int64_t now_ms)
{
    struct producer *s;

    if ((p->n + 1) * 4 > p->cap * 3)
        grow(p, now_ms);
    s = slot_of(p, id);
    if (s->id == -1) {
        *s = (struct producer){.id = id, .epoch = -1};
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

    if (!s || s->id == -1 || s->n == 0)
        return PRODUCER_NEXT; /* new, or forgotten: any sequence may begin */
    if (b->producer_epoch < s->epoch)
        return PRODUCER_FENCED;
    if (b->producer_epoch > s->epoch)
        return b->base_sequence == 0 ? PRODUCER_NEXT : PRODUCER_OUT_OF_ORDER;
    for (unsigned i = 0; i < s->n; i++) {
        if (s->batches[i].first == b->base_sequence && s->batches[i].last == last) {
            *duplicate_of = s->batches[i].base_offset;
            return PRODUCER_DUPLICATE;
        }
    }
    return b->base_sequence == sequence_after(s->batches[s->n - 1].last, 1) ? PRODUCER_NEXT : PRODUCER_OUT_OF_ORDER;
}

void producers_note(struct producers *p, const struct batch *b, int64_t now_ms)
{
    struct producer *s;

    if (b->producer_id < 0 || (b->attributes & BATCH_CONTROL))
        return;
    s = slot_for(p, b->producer_id, now_ms);
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
    s->seen_ms = now_ms;
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
        wire_put_int(out, s->epoch, 2);
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
}

void producers_decode(struct producers *p, struct wire_in *in)
{
    int64_t n = wire_get_int(in, 4);

    producers_clear(p);
    while (n-- > 0 && !in->bad) {
        const int64_t id = wire_get_int(in, 8), seen_ms = wire_get_int(in, 8);
        const int16_t epoch = (int16_t)wire_get_int(in, 2);
        const int64_t batches = wire_get_int(in, 1);
        struct producer *s;

        if (in->bad || id < 0 || batches < 0 || batches > PRODUCER_BATCHES) {
            in->bad = true;
            break;
        }
        s = slot_for(p, id, 0); /* who is expired was not written */
        s->seen_ms = seen_ms;
        s->epoch = epoch;
        s->n = (uint8_t)batches;
        for (int64_t k = 0; k < batches; k++) {
            s->batches[k].first = (int32_t)wire_get_int(in, 4);
            s->batches[k].last = (int32_t)wire_get_int(in, 4);
            s->batches[k].base_offset = wire_get_int(in, 8);
            s->batches[k].last_delta = (int32_t)wire_get_int(in, 4);
        }
    }
}

void producers_clear(struct producers *p)
{
    free(p->slots);
    *p = (struct producers){0};
}
