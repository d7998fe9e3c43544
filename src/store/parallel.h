/*
 * The same work on many things by a few threads: what makes a store with latency quick.
 */
#ifndef STORE_PARALLEL_H
#define STORE_PARALLEL_H

#include "base/base.h"

/* One piece of work; called from several threads at once. */
typedef enum ig_code parallel_fn(void *ctx, size_t i, struct error *err);

/* Calls work(ctx, i) once for each i in 0..n-1, by at most `threads` threads (this one among them). After the first
 * error no further piece is begun; it is returned when all are back. */
IG_MUST_CHECK enum ig_code parallel_for(struct env *env, size_t n, unsigned threads, parallel_fn *work, void *ctx,
                                        struct error *err);

#endif
