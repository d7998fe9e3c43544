/*
 * Connections: frames in, answers out in the order in which the requests came.
 */
#include "broker/conn.h"

#include <stdio.h>
#include <stdlib.h>

#define REQUESTS_MAX 64                        /* in flight on one connection; then it is not read from */
#define OTHER_BYTES_MAX ((size_t)16 << 20)     /* a request that is not Produce */
#define STRANGER_BYTES_MAX ((int64_t)64 << 10) /* a request of one who has not authenticated yet */
#define FRAME_MIN 8                            /* key, version, correlation id */
#define WARNINGS_PER_S 10

/* --- answers ------------------------------------------------------------------------------------------------ */

static void unpin(void *file)
{
    file_unpin(file);
}

static void send_request(struct conn *c, struct request *r)
{
    size_t at = 0;

    if (r->out.slices.n == 0) {
        const size_t n = r->out.buf.n;

        conn_io_send(c, buf_take(&r->out.buf), n);
        return;
    }
    for (size_t i = 0; i <= r->out.slices.n; i++) {
        const struct wire_slice *s = i < r->out.slices.n ? &r->out.slices.p[i] : NULL;
        const size_t end = s ? s->at : r->out.buf.n;
        struct plog_span *span = s ? s->file : NULL;

        if (end > at) {
            char *part = check_malloc(end - at);

            memcpy(part, r->out.buf.p + at, end - at);
            conn_io_send(c, part, end - at);
            at = end;
        }
        if (s)
            conn_io_send_file(c, span->open, s->file_at, s->n, unpin, span->file);
    }
    r->out.slices.n = 0; /* the pins are the connection's now */
}

static void update_pause(struct conn *c);

void conn_mark(struct conn *c, env_post_fn *fn)
{
    if (c->dead)
        return;
    c->marking = true;
    c->io->loop->ops->send_file(c->io, NULL, 0, 0, fn, c);
    c->marking = false;
}

bool conn_is_marking(struct conn *c)
{
    c->dead |= c->marking;
    return c->marking;
}

static void queue_drained(void *arg)
{
    struct conn *c = arg;

    if (conn_is_marking(c))
        return;
    c->marked = false;
    update_pause(c);
}

static void update_pause(struct conn *c)
{
    const bool full = conn_io_queued(c) > (size_t)c->b->options.queued_bytes;
    const bool pause = full || c->n_requests >= REQUESTS_MAX || c->stash.n > 0 || c->muted || c->starved ||
                       c->state == CONN_ENDING || c->b->stopping;

    if (full && !c->marked) {
        c->marked = true;
        conn_mark(c, queue_drained);
    }
    if (pause != c->paused) {
        c->paused = pause;
        c->io->loop->ops->pause(c->io, pause);
    }
}

static bool is_full(const struct conn *c)
{
    return c->n_requests >= REQUESTS_MAX || c->muted || c->starved;
}

/* There is room for requests again. */
static void resume(void *arg)
{
    struct conn *c = arg;
    struct buf stash;

    if (conn_is_marking(c))
        return;
    stash = c->stash;
    c->resuming = false;
    buf_init(&c->stash, 0);
    if (!conn_take(c, buf_cstr(&stash), stash.n))
        c->io->loop->ops->close(c->io);
    buf_release(&stash);
}

static void resume_later(struct conn *c)
{
    if (c->stash.n == 0 || c->resuming || c->muted || c->starved || c->n_requests >= REQUESTS_MAX / 2)
        return;
    c->resuming = true; /* not from here: this may be deep in a handler */
    conn_mark(c, resume);
}

void conn_resume(struct conn *c)
{
    update_pause(c);
    resume_later(c);
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
    resume_later(c);
}

/* --- silence, and the end ------------------------------------------------------------------------------------ */

void conn_stop_timer(struct conn *c)
{
    if (c->timer)
        c->b->loop->ops->cancel(c->b->loop, c->timer);
    c->timer = NULL;
}

static void unmute(void *arg)
{
    struct conn *c = arg;

    c->timer = NULL;
    c->muted = false;
    update_pause(c);
    resume_later(c);
}

void conn_mute(struct conn *c, int64_t ms)
{
    const int64_t until_ms = env_monotonic_ms(c->b->env) + ms;

    if (ms <= 0 || c->state == CONN_ENDING || (c->muted && until_ms <= c->muted_until_ms))
        return;
    c->muted_until_ms = until_ms;
    conn_stop_timer(c);
    c->muted = c->b->loop->ops->timer(c->b->loop, ms, unmute, c, &c->timer) == IG_OK;
    update_pause(c);
}

static void end_now(void *arg)
{
    struct conn *c = arg;

    if (!conn_is_marking(c))
        c->io->loop->ops->close(c->io);
}

static void end_when_sent(void *arg)
{
    struct conn *c = arg;

    if (conn_is_marking(c))
        return;
    if (c->pieces)
        conn_mark(c, end_when_sent);
    else
        conn_mark(c, end_now);
}

void conn_end(struct conn *c)
{
    if (c->state == CONN_ENDING)
        return;
    c->state = CONN_ENDING;
    c->active_ms = env_monotonic_ms(c->b->env);
    update_pause(c);
    conn_mark(c, end_when_sent);
}

void conn_warn(struct conn *c, const char *fmt, ...)
{
    struct broker *b = c->b;
    const int64_t second = env_monotonic_ms(b->env) / 1000;
    char text[1024];
    va_list ap;

    if (second != b->warnings_second) {
        if (b->warnings > WARNINGS_PER_S)
            log_warn(b->env, "broker", "%d more clients were refused or closed", b->warnings - WARNINGS_PER_S);
        b->warnings_second = second;
        b->warnings = 0;
    }
    if (++b->warnings > WARNINGS_PER_S)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    log_warn(b->env, "broker", "client %s: %s", c->peer, text);
}

/* --- frames --------------------------------------------------------------------------------------------------- */

/* Takes over the frame. False: this client talks nonsense. */
static bool take_frame(struct conn *c, char *frame, size_t n)
{
    struct error err;
    struct request *r;

    if (c->state == CONN_SASL_RAW) {
        const bool ok = conn_raw_sasl(c, (struct str){frame, n});

        free(frame);
        return ok;
    }
    if (!conn_may_ask(c, (int16_t)wire_load(frame, 2))) {
        free(frame);
        return false;
    }
    r = request_parse(c, frame, n, &err);
    if (!r) {
        conn_warn(c, "closed: %s", err.msg);
        return false;
    }
    *c->last = r;
    c->last = &r->next;
    c->n_requests++;
    update_pause(c);
    request_begin(r);
    return true;
}

static bool begin_frame(struct conn *c)
{
    const int64_t n = wire_load(c->size_bytes, 4);
    const int64_t min = c->state == CONN_SASL_RAW ? 1 : FRAME_MIN;
    int64_t max = c->b->options.max_request_bytes;

    if (c->state != CONN_READY && !c->again && max > STRANGER_BYTES_MAX)
        max = STRANGER_BYTES_MAX;
    if (n < min || n > max) {
        conn_warn(c, "closed: a request of %lld bytes (%lld to %lld are taken)", (long long)n, (long long)min,
                  (long long)max);
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
    memory_take(c->b, cap - c->frame_cap);
    c->frame_cap = cap;
}

/* A part of the frame that is coming in; false if the frame is one that is not taken. */
static bool add_to_frame(struct conn *c, const char *p, size_t n)
{
    grow_frame(c, n);
    memcpy(c->frame + c->frame_have, p, n);
    c->frame_have += n;
    if (c->frame_size > OTHER_BYTES_MAX && c->frame_have >= 2 && wire_load(c->frame, 2) != 0) {
        conn_warn(c, "closed: request %d of %zu bytes", (int)wire_load(c->frame, 2), c->frame_size);
        return false;
    }
    if (c->frame_have == c->frame_size) {
        char *frame = c->frame;

        c->frame = NULL;
        c->size_have = 0;
        memory_give(c->b, c->frame_cap); /* the request counts it now */
        c->frame_cap = 0;
        conn_unfavour(c);
        return take_frame(c, frame, c->frame_size);
    }
    return true;
}

bool conn_take(struct conn *c, const char *p, size_t n)
{
    if (c->stash.n > 0) { /* read before the pause took hold */
        buf_add(&c->stash, p, n);
        return true;
    }
    while (n > 0 && c->state != CONN_ENDING) {
        size_t part = 1;

        if (is_full(c) || !conn_may_grow(c)) {
            buf_add(&c->stash, p, n);
            break;
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

/* --- connections ---------------------------------------------------------------------------------------------- */

static struct conn *conn_new(struct listener *l, struct env_conn *io, const char *peer, const char *address)
{
    struct broker *b = l->b;
    struct conn *c = check_calloc(1, sizeof(*c));

    c->b = b;
    c->listener = l;
    c->io = io;
    c->last = &c->first;
    c->opened_ms = c->active_ms = env_monotonic_ms(b->env);
    c->state = conn_first_state(l);
    snprintf(c->peer, sizeof(c->peer), "%s", peer);
    snprintf(c->address, sizeof(c->address), "%s", address);
    if (!io->loop->ops->local_host || !io->loop->ops->local_host(io, c->local_host, sizeof(c->local_host)))
        c->local_host[0] = '\0';
    c->next = b->conns;
    c->pprev = &b->conns;
    if (c->next)
        c->next->pprev = &c->next;
    b->conns = c;
    b->n_conns++;
    l->n_conns++;
    conn_io_begin(c);
    return c;
}

static void *conn_opened(void *ctx, struct env_conn *io, const char *peer)
{
    struct listener *l = ctx;
    const char *colon = strrchr(peer, ':'), *why;
    struct conn refused = {.b = l->b};
    char address[80];

    if (l->b->stopping)
        return NULL;
    snprintf(address, sizeof(address), "%.*s", colon ? (int)(colon - peer) : (int)strlen(peer), peer);
    why = listener_refuses(l, address);
    if (!why)
        return conn_new(l, io, peer, address);
    snprintf(refused.peer, sizeof(refused.peer), "%s", peer);
    conn_warn(&refused, "refused: %s", why);
    return NULL;
}

static bool conn_received(void *ctx, const void *bytes, size_t n)
{
    struct conn *c = ctx;

    c->active_ms = env_monotonic_ms(c->b->env);
    if (c->state == CONN_ENDING)
        return true;
    return conn_io_received(c, bytes, n);
}

static void conn_closed(void *ctx)
{
    struct conn *c = ctx;

    conn_stop_timer(c);
    c->b->n_starved -= c->starved;
    c->starved = false;
    memory_give(c->b, c->frame_cap);
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
    conn_unfavour(c);
    c->listener->n_conns--;
    conn_io_release(c);
    conn_login_release(c);
    free(c->frame);
    buf_release(&c->stash);
    free(c);
}

const struct env_server broker_server = {NULL, conn_opened, conn_received, conn_closed};

void conns_tick(struct broker *b)
{
    const int64_t now_ms = env_monotonic_ms(b->env);

    memory_tick(b);
    for (struct conn *c = b->conns; c; c = c->next) {
        const bool ending = c->state == CONN_ENDING, stranger = !ending && c->state != CONN_READY && !c->again;

        if ((stranger && now_ms - c->opened_ms > b->options.authentication_ms) ||
            (ending && now_ms - c->active_ms > b->options.authentication_ms)) {
            if (stranger)
                conn_warn(c, "closed: it did not authenticate in %lld ms", (long long)b->options.authentication_ms);
            c->io->loop->ops->close(c->io);
        } else if (!c->first && now_ms - c->active_ms > b->options.idle_ms) {
            c->io->loop->ops->close(c->io);
        }
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
    for (struct conn *c = b->conns; c; c = c->next) {
        if (conn_io_queued(c) > 0)
            return false;
    }
    return true;
}
