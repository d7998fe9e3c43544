/*
 * Threads that sync files, because that waits for the disk. A job is given by the loop's thread, run on one of these,
 * and `done` is called on the loop again.
 */
#ifndef BROKER_SYNC_H
#define BROKER_SYNC_H

#include "base/env_loop.h"

struct sync_job {
    struct sync_job *next;
    void (*run)(struct sync_job *job);
    env_post_fn *done;
    void *arg; /* of done */
};

struct sync_pool;
IG_MUST_CHECK enum ig_code sync_pool_new(struct env *env, struct env_loop *loop, unsigned threads,
                                         struct sync_pool **out, struct error *err);
void sync_pool_add(struct sync_pool *pool, struct sync_job *job);
/* Runs what is queued, then ends the threads. */
void sync_pool_free(struct sync_pool *pool);

#endif
