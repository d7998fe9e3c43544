#include "broker/spans.h"

#include <stdlib.h>

static int by_first(const void *a, const void *b)
{
    const struct span *x = a, *y = b;

    return (x->first > y->first) - (x->first < y->first);
}

void spans_begin(struct spans *s, int64_t producer_id, int64_t first)
{
    const struct span span = {producer_id, first, -1};
    const bool in_order = s->open.n == 0 || s->open.p[s->open.n - 1].first < first;

    vec_push(&s->open, span);
    if (!in_order) /* as they come from a state */
        qsort(s->open.p, s->open.n, sizeof(*s->open.p), by_first);
}

/* Where the first transaction begins that has no marker yet. */
static int64_t first_open(const struct spans *s, int64_t otherwise)
{
    for (size_t i = 0; i < s->open.n; i++) {
        if (s->open.p[i].last < 0)
            return s->open.p[i].first;
    }
    return otherwise;
}

void spans_end(struct spans *s, int64_t first, int64_t last, bool aborted)
{
    struct span key = {.first = first};
    struct span *span = s->open.n ? bsearch(&key, s->open.p, s->open.n, sizeof(key), by_first) : NULL;

    if (!span)
        return;
    span->last = last;
    if (aborted) {
        const struct span_aborted a = {span->producer_id, first, last, first_open(s, last + 1)};

        vec_push(&s->aborted, a);
    }
}

void spans_settle(struct spans *s, int64_t durable)
{
    size_t n = 0;

    for (size_t i = 0; i < s->open.n; i++) {
        if (s->open.p[i].last < 0 || s->open.p[i].last >= durable)
            s->open.p[n++] = s->open.p[i];
    }
    s->open.n = n;
}

int64_t spans_stable(const struct spans *s, int64_t durable)
{
    return s->open.n > 0 && s->open.p[0].first < durable ? s->open.p[0].first : durable;
}

/* The first aborted one that ends at `offset` or behind it. */
static size_t ends_from(const struct spans *s, int64_t offset)
{
    size_t low = 0, high = s->aborted.n;

    while (low < high) {
        const size_t mid = (low + high) / 2;

        if (s->aborted.p[mid].last < offset)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

void spans_trim(struct spans *s, int64_t start)
{
    const size_t gone = ends_from(s, start);

    if (gone == 0)
        return;
    memmove(s->aborted.p, s->aborted.p + gone, (s->aborted.n - gone) * sizeof(*s->aborted.p));
    s->aborted.n -= gone;
}

void spans_each_aborted(const struct spans *s, int64_t from, int64_t to, spans_each_fn *each, void *ctx)
{
    for (size_t i = ends_from(s, from); i < s->aborted.n; i++) {
        if (s->aborted.p[i].first < to)
            each(ctx, &s->aborted.p[i]);
        if (s->aborted.p[i].stable >= to)
            break;
    }
}

struct search {
    int64_t producer_id;
    bool found;
};

static void look(void *ctx, const struct span_aborted *a)
{
    struct search *search = ctx;

    search->found |= a->producer_id == search->producer_id;
}

bool spans_is_aborted(const struct spans *s, int64_t producer_id, int64_t offset)
{
    struct search search = {producer_id, false};

    spans_each_aborted(s, offset, offset + 1, look, &search);
    return search.found;
}

void spans_encode(const struct spans *s, struct buf *out)
{
    wire_put_int(out, (int64_t)s->aborted.n, 4);
    for (size_t i = 0; i < s->aborted.n; i++) {
        wire_put_int(out, s->aborted.p[i].producer_id, 8);
        wire_put_int(out, s->aborted.p[i].first, 8);
        wire_put_int(out, s->aborted.p[i].last, 8);
        wire_put_int(out, s->aborted.p[i].stable, 8);
    }
}

void spans_decode(struct spans *s, struct wire_in *in)
{
    int64_t n = wire_get_int(in, 4);

    s->aborted.n = 0;
    while (n-- > 0 && !in->bad) {
        struct span_aborted a;

        a.producer_id = wire_get_int(in, 8);
        a.first = wire_get_int(in, 8);
        a.last = wire_get_int(in, 8);
        a.stable = wire_get_int(in, 8);
        if (!in->bad)
            vec_push(&s->aborted, a);
    }
}

void spans_clear(struct spans *s)
{
    vec_free(&s->open);
    vec_free(&s->aborted);
}
