/*
 * Connections: frames in, answers out in the order in which the requests came.
 */
#include "broker/conn.h"

#include <stdio.h>
#include <stdlib.h>

#define CONNS_MAX 4096
#define REQUESTS_MAX 64                     /* in flight on one connection; then it is not read from */
#define QUEUED_BYTES_MAX ((size_t)64 << 20) /* the same for answers that the client does not take */
#define IDLE_MS 600000
#define OTHER_BYTES_MAX ((size_t)16 << 20) /* a request that is not Produce */
#define FRAME_MIN 8                        /* key, version, correlation id */

/* --- answers ------------------------------------------------------------------------------------------------ */

static void unpin(void *file)
{
    file_unpin(file);
}

static void send_request(struct conn *c, struct request *r)
{
    const struct env_loop_ops *io = c->io->loop->ops;
    size_t at = 0;

    if (r->out.slices.n == 0) {
        const size_t n = r->out.buf.n;

        io->send(c->io, buf_take(&r->out.buf), n);
        return;
    }
    for (size_t i = 0; i <= r->out.slices.n; i++) {
        const struct wire_slice *s = i < r->out.slices.n ? &r->out.slices.p[i] : NULL;
        const size_t end = s ? s->at : r->out.buf.n;
        struct plog_span *span = s ? s->file : NULL;

        if (end > at) {
            char *part = check_malloc(end - at);

            memcpy(part, r->out.buf.p + at, end - at);
            io->send(c->io, part, end - at);
            at = end;
        }
        if (s)
            io->send_file(c->io, span->open, s->file_at, s->n, unpin, span->file);
    }
    r->out.slices.n = 0; /* the pins are the connection's now */
}

static void update_pause(struct conn *c);

static void queue_drained(void *arg)
{
    struct conn *c = arg;

    c->marked = false;
    update_pause(c);
}

static void update_pause(struct conn *c)
{
    const struct env_loop_ops *io = c->io->loop->ops;
    const bool full = io->queued_bytes(c->io) > QUEUED_BYTES_MAX;
    const bool pause = full || c->n_requests >= REQUESTS_MAX || c->stash.n > 0 || c->b->stopping;

    if (full && !c->marked) {
        c->marked = true;
        io->send_file(c->io, NULL, 0, 0, queue_drained, c);
    }
    if (pause != c->paused) {
        c->paused = pause;
        io->pause(c->io, pause);
    }
}

static bool consume(struct conn *c, const char *p, size_t n);

/* There is room for requests again. */
static void resume(void *arg)
{
    struct conn *c = arg;
    struct buf stash = c->stash;

    c->resuming = false;
    buf_init(&c->stash, 0);
    if (!consume(c, buf_cstr(&stash), stash.n))
        c->io->loop->ops->close(c->io);
    buf_release(&stash);
}

void conn_send_ready(struct conn *c)
{
    while (c->first && c->first->ready) {
        struct request *r = c->first;

        c->first = r->next;
        if (!c->first)
            c->last = &c->first;
        c->n_requests--;
        if (!r->silent)
            send_request(c, r);
        request_free(r);
    }
    update_pause(c);
    if (c->stash.n > 0 && !c->resuming && c->n_requests < REQUESTS_MAX / 2) {
        c->resuming = true; /* not from here: this may be deep in a handler */
        c->io->loop->ops->send_file(c->io, NULL, 0, 0, resume, c);
    }
}

/* Takes over the frame. False: this client talks nonsense. */
static bool take_frame(struct conn *c, char *frame, size_t n)
{
    struct error err;
    struct request *r = request_parse(c, frame, n, &err);

    if (!r) {
        log_warn(c->b->env, "broker", "closing the connection of %s: %s", c->peer, err.msg);
        return false;
    }
    *c->last = r;
    c->last = &r->next;
    c->n_requests++;
    update_pause(c);
    request_begin(r);
    return true;
}

/* --- connections ---------------------------------------------------------------------------------------------- */

static void *conn_opened(void *ctx, struct env_conn *io, const char *peer)
{
    struct broker *b = ctx;
    struct conn *c;

    if (b->n_conns >= CONNS_MAX || b->stopping)
        return NULL;
    c = check_calloc(1, sizeof(*c));
    c->b = b;
    c->io = io;
    c->last = &c->first;
    c->active_ms = env_monotonic_ms(b->env);
    snprintf(c->peer, sizeof(c->peer), "%s", peer);
    c->next = b->conns;
    c->pprev = &b->conns;
    if (c->next)
        c->next->pprev = &c->next;
    b->conns = c;
    b->n_conns++;
    return c;
}

static bool begin_frame(struct conn *c)
{
    const int64_t n = wire_load(c->size_bytes, 4);

    if (n < FRAME_MIN || n > c->b->options.max_request_bytes) {
        log_warn(c->b->env, "broker", "closing the connection of %s: a request of %lld bytes (%d to %lld are taken)",
                 c->peer, (long long)n, FRAME_MIN, (long long)c->b->options.max_request_bytes);
        return false;
    }
    c->frame_size = (size_t)n;
    c->frame_have = 0;
    c->frame_cap = 0;
    return true;
}

/* Room grows with what has really come: a length alone costs nothing. */
static void grow_frame(struct conn *c, size_t n)
{
    size_t cap = c->frame_cap ? c->frame_cap * 2 : (size_t)256 << 10;

    if (c->frame_have + n <= c->frame_cap)
        return;
    if (cap < c->frame_have + n)
        cap = c->frame_have + n;
    if (cap > c->frame_size || c->frame_size <= (size_t)4 << 20)
        cap = c->frame_size;
    c->frame = check_realloc(c->frame, cap);
    c->frame_cap = cap;
}

/* A part of the frame that is coming in; false if the frame is one that is not taken. */
static bool add_to_frame(struct conn *c, const char *p, size_t n)
{
    grow_frame(c, n);
    memcpy(c->frame + c->frame_have, p, n);
    c->frame_have += n;
    if (c->frame_size > OTHER_BYTES_MAX && c->frame_have >= 2 && wire_load(c->frame, 2) != 0) {
        log_warn(c->b->env, "broker", "closing the connection of %s: request %d of %zu bytes", c->peer,
                 (int)wire_load(c->frame, 2), c->frame_size);
        return false;
    }
    if (c->frame_have == c->frame_size) {
        char *frame = c->frame;

        c->frame = NULL;
        c->size_have = 0;
        return take_frame(c, frame, c->frame_size);
    }
    return true;
}

static bool consume(struct conn *c, const char *p, size_t n)
{
    while (n > 0) {
        size_t part = 1;

        if (c->n_requests >= REQUESTS_MAX) {
            buf_add(&c->stash, p, n);
            update_pause(c);
            return true;
        }
        if (c->size_have < 4) {
            c->size_bytes[c->size_have++] = (uint8_t)*p;
            if (c->size_have == 4 && !begin_frame(c))
                return false;
        } else {
            part = c->frame_size - c->frame_have < n ? c->frame_size - c->frame_have : n;
            if (!add_to_frame(c, p, part))
                return false;
        }
        p += part;
        n -= part;
    }
    update_pause(c);
    return true;
}

static bool conn_received(void *ctx, const void *bytes, size_t n)
{
    struct conn *c = ctx;

    c->active_ms = env_monotonic_ms(c->b->env);
    if (c->stash.n > 0) { /* read before the pause took hold */
        buf_add(&c->stash, bytes, n);
        return true;
    }
    return consume(c, bytes, n);
}

static void conn_closed(void *ctx)
{
    struct conn *c = ctx;

    while (c->first) {
        struct request *r = c->first;

        c->first = r->next;
        r->conn = NULL;
        if (r->ready)
            request_free(r);
        else if (r->gone)
            r->gone(r);
    }
    if (c->next)
        c->next->pprev = c->pprev;
    *c->pprev = c->next;
    c->b->n_conns--;
    free(c->frame);
    buf_release(&c->stash);
    free(c);
}

const struct env_server broker_server = {NULL, conn_opened, conn_received, conn_closed};

void conns_close_idle(struct broker *b)
{
    const int64_t now_ms = env_monotonic_ms(b->env);

    for (struct conn *c = b->conns; c; c = c->next) {
        if (!c->first && now_ms - c->active_ms > IDLE_MS)
            c->io->loop->ops->close(c->io);
    }
}

static struct request *first_waiting(const struct broker *b)
{
    for (const struct conn *c = b->conns; c; c = c->next) {
        for (struct request *r = c->first; r; r = r->next) {
            if (r->gone)
                return r;
        }
    }
    return NULL;
}

void conns_stop(struct broker *b)
{
    struct request *r;

    for (struct conn *c = b->conns; c; c = c->next) {
        c->paused = true;
        c->io->loop->ops->pause(c->io, true);
    }
    while ((r = first_waiting(b)) != NULL)
        r->gone(r);
}

bool conns_are_quiet(const struct broker *b)
{
    for (const struct conn *c = b->conns; c; c = c->next) {
        if (c->io->loop->ops->queued_bytes(c->io) > 0)
            return false;
    }
    return true;
}
