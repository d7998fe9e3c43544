/*
 * What the log holds already of a source beyond the stored position: read once, before the pump begins, from the end
 * of each partition back to its bound. Records in it are not produced again.
 */
#ifndef SOURCE_TAIL_H
#define SOURCE_TAIL_H

#include "log/log.h"
#include "source/state.h"

#define TAIL_HEADER "ingot-source" /* NAME@PART:ORDINAL */

struct tail_mark {
    uint64_t part; /* hash of its name */
    int64_t ordinal;
};
struct tail {
    struct tail_mark *p;
    size_t n, cap;
};

/* Reads both topics (one that is not there has no records) and raises the bounds of partitions without any.
 * IG_CORRUPT: a partition ends before what it has acknowledged. IG_CANCELLED: *stop. */
IG_MUST_CHECK enum ig_code tail_load(struct env *env, struct log_client *log, struct source_state *state,
                                     const char *source, const char *const *topics, size_t n_topics,
                                     const _Atomic bool *stop, struct tail *out, struct error *err);
bool tail_has(const struct tail *t, uint64_t part, int64_t ordinal);
void tail_free(struct tail *t);

uint64_t tail_part_hash(struct str name);

#endif
