/*
 * Many small objects in order: readers run ahead of the caller by a window of objects, so that the latencies of a
 * remote store overlap, while what is held in memory stays bounded.
 */
#include "store/store_internal.h"

#include <pthread.h>
#include <stdlib.h>

#define READERS 64u
#define WINDOW 256u                    /* objects read and not yet given */
#define AHEAD_BYTES ((size_t)64 << 20) /* their bytes; one object more may be on its way per reader */

struct slot {
    bool ready;
    enum ig_code rc;
    struct error error;
    struct buf body;
};

struct many {
    struct store *st;
    const char *const *names;
    size_t n, max_bytes;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    size_t next;  /* to be read */
    size_t given; /* to the caller */
    size_t held_bytes;
    bool stop;
    struct slot slots[WINDOW];
};

static enum ig_code read_one(struct store *st, const char *name, size_t max_bytes, struct buf *body, struct error *err)
{
    buf_init(body, max_bytes);
    return store_get(st, name, body, err);
}

static bool may_read(const struct many *m)
{
    return m->next < m->n && m->next < m->given + WINDOW && (m->held_bytes < AHEAD_BYTES || m->next == m->given);
}

static void read_ahead(void *arg)
{
    struct many *m = arg;

    pthread_mutex_lock(&m->lock);
    for (;;) {
        struct slot *slot;
        size_t i;

        while (!m->stop && m->next < m->n && !may_read(m))
            pthread_cond_wait(&m->changed, &m->lock);
        if (m->stop || m->next >= m->n)
            break;
        i = m->next++;
        slot = &m->slots[i % WINDOW];
        pthread_mutex_unlock(&m->lock);
        slot->error = (struct error){0};
        slot->rc = read_one(m->st, m->names[i], m->max_bytes, &slot->body, &slot->error);
        pthread_mutex_lock(&m->lock);
        slot->ready = true;
        m->held_bytes += slot->body.n;
        pthread_cond_broadcast(&m->changed);
    }
    pthread_mutex_unlock(&m->lock);
}

/* In the caller's thread: hands out what is ready, in order. */
static enum ig_code give_in_order(struct many *m, store_got_fn *each, void *ctx, struct error *err)
{
    enum ig_code rc = IG_OK;

    for (size_t i = 0; i < m->n && !rc; i++) {
        struct slot *slot = &m->slots[i % WINDOW];

        pthread_mutex_lock(&m->lock);
        while (!slot->ready)
            pthread_cond_wait(&m->changed, &m->lock);
        pthread_mutex_unlock(&m->lock);
        rc = slot->rc ? error_set(err, slot->rc, "%s", slot->error.msg) : each(ctx, i, buf_str(&slot->body), err);
        pthread_mutex_lock(&m->lock);
        m->held_bytes -= slot->body.n;
        buf_release(&slot->body);
        slot->ready = false;
        m->given = i + 1;
        pthread_cond_broadcast(&m->changed);
        pthread_mutex_unlock(&m->lock);
    }
    return rc;
}

static enum ig_code get_one_by_one(struct store *st, const char *const *names, size_t n, size_t max_bytes,
                                   store_got_fn *each, void *ctx, struct error *err)
{
    enum ig_code rc = IG_OK;

    for (size_t i = 0; i < n && !rc; i++) {
        struct buf body;

        rc = read_one(st, names[i], max_bytes, &body, err);
        if (!rc)
            rc = each(ctx, i, buf_str(&body), err);
        buf_release(&body);
    }
    return rc;
}

enum ig_code store_get_many(struct store *st, const char *const *names, size_t n, size_t max_bytes, store_got_fn *each,
                            void *ctx, struct error *err)
{
    struct env_thread *readers[READERS];
    unsigned started = 0;
    struct many *m;
    enum ig_code rc;

    if (store_is_local(st) || n < 2)
        return get_one_by_one(st, names, n, max_bytes, each, ctx, err);
    m = check_calloc(1, sizeof(*m));
    *m = (struct many){.st = st, .names = names, .n = n, .max_bytes = max_bytes};
    pthread_mutex_init(&m->lock, NULL);
    pthread_cond_init(&m->changed, NULL);
    while (started < READERS && started < n &&
           env_spawn(st->env, "store-read", read_ahead, m, &readers[started], NULL) == IG_OK)
        started++;
    if (started == 0)
        rc = get_one_by_one(st, names, n, max_bytes, each, ctx, err);
    else
        rc = give_in_order(m, each, ctx, err);
    pthread_mutex_lock(&m->lock);
    m->stop = true;
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->lock);
    for (unsigned i = 0; i < started; i++)
        env_join(st->env, readers[i]);
    for (size_t i = 0; i < WINDOW; i++)
        buf_release(&m->slots[i].body);
    pthread_cond_destroy(&m->changed);
    pthread_mutex_destroy(&m->lock);
    free(m);
    return rc;
}
