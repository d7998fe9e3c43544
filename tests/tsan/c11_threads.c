/*
 * glibc's C11 threads in terms of pthreads. ThreadSanitizer sees only those: threads that librdkafka starts with
 * thrd_create() crash in its runtime. Linked into the unit tests when they are built with -fsanitize=thread.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

_Static_assert(sizeof(mtx_t) == sizeof(pthread_mutex_t) && sizeof(cnd_t) >= sizeof(pthread_cond_t),
               "glibc's C11 types are its pthread types");

struct start {
    thrd_start_t run;
    void *arg;
};

static int result_of(int e)
{
    return e == 0           ? thrd_success
           : e == EBUSY     ? thrd_busy
           : e == ETIMEDOUT ? thrd_timedout
           : e == ENOMEM    ? thrd_nomem
                            : thrd_error;
}

static void *run(void *arg)
{
    const struct start s = *(struct start *)arg;

    free(arg);
    return (void *)(intptr_t)s.run(s.arg);
}

int thrd_create(thrd_t *out, thrd_start_t fn, void *arg)
{
    struct start *s = malloc(sizeof(*s));
    int e;

    if (!s)
        return thrd_nomem;
    *s = (struct start){fn, arg};
    e = pthread_create(out, NULL, run, s);
    if (e)
        free(s);
    return result_of(e);
}

int thrd_join(thrd_t thread, int *out)
{
    void *result = NULL;
    const int e = pthread_join(thread, &result);

    if (out)
        *out = (int)(intptr_t)result;
    return result_of(e);
}

int thrd_detach(thrd_t thread)
{
    return result_of(pthread_detach(thread));
}

int mtx_init(mtx_t *m, int type)
{
    pthread_mutexattr_t attr;
    int e;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, type & mtx_recursive ? PTHREAD_MUTEX_RECURSIVE : PTHREAD_MUTEX_NORMAL);
    e = pthread_mutex_init((pthread_mutex_t *)m, &attr);
    pthread_mutexattr_destroy(&attr);
    return result_of(e);
}

void mtx_destroy(mtx_t *m)
{
    pthread_mutex_destroy((pthread_mutex_t *)m);
}

int mtx_lock(mtx_t *m)
{
    return result_of(pthread_mutex_lock((pthread_mutex_t *)m));
}

int mtx_trylock(mtx_t *m)
{
    return result_of(pthread_mutex_trylock((pthread_mutex_t *)m));
}

int mtx_unlock(mtx_t *m)
{
    return result_of(pthread_mutex_unlock((pthread_mutex_t *)m));
}

int cnd_init(cnd_t *c)
{
    return result_of(pthread_cond_init((pthread_cond_t *)c, NULL));
}

void cnd_destroy(cnd_t *c)
{
    pthread_cond_destroy((pthread_cond_t *)c);
}

int cnd_signal(cnd_t *c)
{
    return result_of(pthread_cond_signal((pthread_cond_t *)c));
}

int cnd_broadcast(cnd_t *c)
{
    return result_of(pthread_cond_broadcast((pthread_cond_t *)c));
}

int cnd_wait(cnd_t *c, mtx_t *m)
{
    return result_of(pthread_cond_wait((pthread_cond_t *)c, (pthread_mutex_t *)m));
}

int cnd_timedwait(cnd_t *restrict c, mtx_t *restrict m, const struct timespec *restrict until)
{
    return result_of(pthread_cond_timedwait((pthread_cond_t *)c, (pthread_mutex_t *)m, until));
}
