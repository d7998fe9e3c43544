#include "store/parallel.h"

#include <pthread.h>
#include <stdlib.h>

#define THREADS_MAX 256u

struct job {
    parallel_fn *work;
    void *ctx;
    size_t n;
    pthread_mutex_t lock; /* guards what follows */
    size_t next;
    enum ig_code rc;
    struct error error;
};

static void work_on(void *arg)
{
    struct job *j = arg;

    for (;;) {
        struct error err = {0};
        enum ig_code rc;
        size_t i;

        pthread_mutex_lock(&j->lock);
        i = j->rc ? j->n : j->next;
        if (i < j->n)
            j->next++;
        pthread_mutex_unlock(&j->lock);
        if (i >= j->n)
            return;
        rc = j->work(j->ctx, i, &err);
        if (rc) {
            pthread_mutex_lock(&j->lock);
            if (!j->rc) {
                j->rc = rc;
                j->error = err;
            }
            pthread_mutex_unlock(&j->lock);
        }
    }
}

enum ig_code parallel_for(struct env *env, size_t n, unsigned threads, parallel_fn *work, void *ctx, struct error *err)
{
    struct env_thread *others[THREADS_MAX];
    struct job j = {.work = work, .ctx = ctx, .n = n};
    unsigned started = 0;

    if (threads > n)
        threads = (unsigned)n;
    if (threads > THREADS_MAX)
        threads = THREADS_MAX;
    pthread_mutex_init(&j.lock, NULL);
    /* A thread that the system does not give is done without. */
    while (started + 1 < threads && env_spawn(env, "store", work_on, &j, &others[started], NULL) == IG_OK)
        started++;
    work_on(&j);
    for (unsigned i = 0; i < started; i++)
        env_join(env, others[i]);
    pthread_mutex_destroy(&j.lock);
    return j.rc ? error_set(err, j.rc, "%s", j.error.msg) : IG_OK;
}
