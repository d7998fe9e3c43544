/* Record batches as a producer would send them. */
#ifndef UNIT_BROKER_BATCHES_H
#define UNIT_BROKER_BATCHES_H

#include "broker/batch.h"

struct batch_wish {
    int32_t records;
    size_t value_bytes;   /* of each record */
    char fill;            /* what values are made of */
    int64_t timestamp_ms; /* all records' time */
    int64_t producer_id;  /* 0: not idempotent */
    int16_t epoch;
    int32_t sequence;
    int codec;
};
/* free() it. */
char *make_batch(const struct batch_wish *w, size_t *n);

#endif
