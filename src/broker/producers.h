/*
 * What a partition remembers of its idempotent producers: of each the epoch and the last five batches, so that a batch
 * sent again is known and one that skips another is refused; and where its transaction began, if it has one open.
 */
#ifndef BROKER_PRODUCERS_H
#define BROKER_PRODUCERS_H

#include "broker/batch.h"
#include "broker/spans.h"

#define PRODUCER_BATCHES 5
#define PRODUCER_EXPIRY_MS INT64_C(604800000) /* seven days without a batch */

struct producer_batch {
    int32_t first, last; /* sequence numbers */
    int64_t base_offset;
    int32_t last_delta;
};
struct producer {
    int64_t id; /* -1: an empty slot */
    int64_t seen_ms;
    int64_t txn_first;         /* where its open transaction began; -1: there is none */
    int32_t coordinator_epoch; /* of the last marker; -1: there was none */
    int16_t epoch;
    bool restart;    /* a marker gave it this epoch: it begins with sequence 0 */
    int32_t awaited; /* its first batch could not be written: it comes again with this sequence; -1: there is none */
    uint8_t n;
    struct producer_batch batches[PRODUCER_BATCHES]; /* the newest last */
};
struct producers {
    struct producer *slots;
    size_t cap, n;
    struct spans spans; /* of all of them */
};

enum producer_verdict {
    PRODUCER_NEXT,
    PRODUCER_DUPLICATE,
    PRODUCER_OUT_OF_ORDER,
    PRODUCER_FENCED,
    PRODUCER_IN_TRANSACTION, /* the batch is none of the transaction that its producer has open */
};

/* `duplicate_of` is set with PRODUCER_DUPLICATE: where the batch already is. */
enum producer_verdict producers_check(const struct producers *p, const struct batch *b, int64_t *duplicate_of);
/* The batch is in the log at b->base_offset. */
void producers_note(struct producers *p, const struct batch *b, int64_t now_ms);

/* The batch could not be written. Those behind it must not be taken before it comes again. */
void producers_note_refused(struct producers *p, const struct batch *b, int64_t now_ms);

/* After a repair of the log, which ends at `end` now: what `old` knew and this one does not. What was in front of the
 * end stays known, also where its records are deleted; what was lost must come again first. */
void producers_carry(struct producers *p, const struct producers *old, int64_t end, int64_t now_ms);

/* NULL: nothing is known of it. */
const struct producer *producers_find(const struct producers *p, int64_t id);

void producers_encode(const struct producers *p, int64_t now_ms, struct buf *out); /* without the expired */
void producers_decode(struct producers *p, struct wire_in *in);
void producers_clear(struct producers *p);

#endif
