#include "broker/sync.h"

#include <pthread.h>
#include <stdlib.h>

#define THREADS_MAX 8

struct sync_pool {
    struct env *env;
    struct env_loop *loop;
    pthread_mutex_t lock; /* guards first, last, stopping */
    pthread_cond_t more;
    struct sync_job *first, **last;
    bool stopping;
    unsigned n_threads;
    struct env_thread *threads[THREADS_MAX];
};

static struct sync_job *take(struct sync_pool *pool)
{
    struct sync_job *job;

    pthread_mutex_lock(&pool->lock);
    while (!pool->first && !pool->stopping)
        pthread_cond_wait(&pool->more, &pool->lock);
    job = pool->first;
    if (job) {
        pool->first = job->next;
        if (!pool->first)
            pool->last = &pool->first;
    }
    pthread_mutex_unlock(&pool->lock);
    return job;
}

/* Where the loop brings threads of its own: one job. */
static void work_one(void *arg)
{
    struct sync_pool *pool = arg;
    struct sync_job *job = take(pool);

    job->run(job);
    pool->loop->ops->post(pool->loop, job->done, job->arg);
}

static void work(void *arg)
{
    struct sync_pool *pool = arg;
    struct sync_job *job;

    while ((job = take(pool)) != NULL) {
        job->run(job);
        pool->loop->ops->post(pool->loop, job->done, job->arg);
    }
}

enum ig_code sync_pool_new(struct env *env, struct env_loop *loop, unsigned threads, struct sync_pool **out,
                           struct error *err)
{
    struct sync_pool *pool = check_calloc(1, sizeof(*pool));

    IG_ASSERT(threads > 0 && threads <= THREADS_MAX);
    pool->env = env;
    pool->loop = loop;
    pool->last = &pool->first;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->more, NULL);
    for (unsigned i = 0; i < threads && !loop->ops->work; i++) {
        const enum ig_code rc = env_spawn(env, "log-sync", work, pool, &pool->threads[i], err);

        if (rc) {
            sync_pool_free(pool);
            return rc;
        }
        pool->n_threads++;
    }
    *out = pool;
    return IG_OK;
}

void sync_pool_add(struct sync_pool *pool, struct sync_job *job)
{
    job->next = NULL;
    pthread_mutex_lock(&pool->lock);
    *pool->last = job;
    pool->last = &job->next;
    pthread_cond_signal(&pool->more);
    pthread_mutex_unlock(&pool->lock);
    if (pool->loop->ops->work)
        pool->loop->ops->work(pool->loop, work_one, pool);
}

void sync_pool_free(struct sync_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->more);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->n_threads; i++)
        env_join(pool->env, pool->threads[i]);
    while (pool->first)
        work_one(pool);
    pthread_cond_destroy(&pool->more);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}
