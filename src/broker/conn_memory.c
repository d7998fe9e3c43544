/*
 * A ceiling on the memory of requests over all connections: of frames that are coming in, and of requests that wait for
 * their answers. Who would go beyond it with a large request is not read from until there is room. One connection at a
 * time may go on all the same, or frames that are half there could keep each other out for ever. While there is no
 * room, whoever stops in the middle of a request is closed.
 */
#include "broker/conn.h"

#define STALL_MS 20000 /* without a byte, or for the one that is favoured at all */
#define SMALL_BYTES ((size_t)64 << 10)

/* There is room, or nobody is favoured: whoever waits may try again. */
static void wake(struct broker *b)
{
    for (struct conn *c = b->conns; c && b->n_starved > 0; c = c->next) {
        if (!c->starved)
            continue;
        c->starved = false;
        b->n_starved--;
        conn_resume(c);
    }
}

void memory_take(struct broker *b, size_t n)
{
    b->request_bytes += (int64_t)n;
}

void memory_give(struct broker *b, size_t n)
{
    const int64_t limit = b->options.memory_bytes;
    const bool was_full = b->request_bytes >= limit;

    b->request_bytes -= (int64_t)n;
    IG_ASSERT(b->request_bytes >= 0);
    if (was_full && b->request_bytes < limit && !b->stopping)
        wake(b);
}

bool conn_may_grow(struct conn *c)
{
    struct broker *b = c->b;
    const int64_t limit = b->options.memory_bytes;

    if (b->request_bytes < limit || b->favoured == c || c->size_have < 4)
        return true;
    if (c->frame_size <= SMALL_BYTES && b->request_bytes < 2 * limit)
        return true;
    if (!b->favoured && b->request_bytes < 2 * limit) {
        b->favoured = c;
        b->favoured_ms = env_monotonic_ms(b->env);
        return true;
    }
    if (!c->starved) {
        c->starved = true;
        b->n_starved++;
    }
    return false;
}

void conn_unfavour(struct conn *c)
{
    if (c->b->favoured != c)
        return;
    c->b->favoured = NULL;
    if (!c->b->stopping)
        wake(c->b);
}

void memory_tick(struct broker *b)
{
    const int64_t now_ms = env_monotonic_ms(b->env);
    const bool full = b->request_bytes >= b->options.memory_bytes;

    for (struct conn *c = full ? b->conns : NULL; c; c = c->next) {
        const bool slow = b->favoured == c && now_ms - b->favoured_ms >= STALL_MS;

        if (c->frame_cap == 0 || c->muted || c->starved || (now_ms - c->active_ms < STALL_MS && !slow))
            continue;
        conn_warn(c, "closed: the rest of its request does not come, and others wait for the memory");
        c->io->loop->ops->close(c->io);
    }
    if (b->favoured && b->favoured->muted) /* it is we who do not read */
        conn_unfavour(b->favoured);
}
