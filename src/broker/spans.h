/*
 * Where the transactions of a partition lie in its log: those that are open, which nobody who reads only what is
 * committed may pass, and those that were aborted, which he must skip.
 *
 * A transaction reaches from the first batch that its producer wrote to the marker that ends it.
 */
#ifndef BROKER_SPANS_H
#define BROKER_SPANS_H

#include "broker/wire.h"

struct span {
    int64_t producer_id;
    int64_t first, last; /* last: of the marker, -1 while there is none */
};
struct span_aborted {
    int64_t producer_id;
    int64_t first, last;
    int64_t stable; /* where the first transaction began that was open when this one ended: later ones begin there */
};
struct spans {
    VEC(struct span) open;            /* by first; also those whose marker is not known to be durable */
    VEC(struct span_aborted) aborted; /* by last */
};

void spans_begin(struct spans *s, int64_t producer_id, int64_t first);
/* The transaction that began at `first` ends with the marker at `last`. */
void spans_end(struct spans *s, int64_t first, int64_t last, bool aborted);
/* Everything below `durable` is. */
void spans_settle(struct spans *s, int64_t durable);
/* The last stable offset: below it, every transaction has ended. */
int64_t spans_stable(const struct spans *s, int64_t durable);
/* What lies in front of `start` is not read any more. */
void spans_trim(struct spans *s, int64_t start);

/* Calls `each` for the aborted transactions that overlap [from, to). */
typedef void spans_each_fn(void *ctx, const struct span_aborted *a);
void spans_each_aborted(const struct spans *s, int64_t from, int64_t to, spans_each_fn *each, void *ctx);
/* Was what this producer wrote at this offset, as part of a transaction, aborted? */
bool spans_is_aborted(const struct spans *s, int64_t producer_id, int64_t offset);

/* The aborted ones; the open ones are known with the producers. */
void spans_encode(const struct spans *s, struct buf *out);
void spans_decode(struct spans *s, struct wire_in *in);
void spans_clear(struct spans *s);

#endif
