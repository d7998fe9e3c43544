/*
 * Connections: frames in, requests to their handlers, answers out in the order in which the requests came.
 */
#include "broker/broker_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define CONNS_MAX 4096
#define REQUESTS_MAX 64                     /* in flight on one connection; then it is not read from */
#define QUEUED_BYTES_MAX ((size_t)64 << 20) /* the same for answers that the client does not take */
#define IDLE_MS 600000
#define OTHER_BYTES_MAX ((size_t)16 << 20) /* a request that is not Produce */
#define FRAME_MIN 8                        /* key, version, correlation id */

struct conn {
    struct conn *next, **pprev;
    struct broker *b;
    struct env_conn *io;
    char peer[96];
    int64_t active_ms;
    /* the frame that is coming in */
    uint8_t size_bytes[4];
    size_t size_have;
    char *frame;
    size_t frame_size, frame_have, frame_cap;
    /* requests, the oldest first */
    struct request *first, **last;
    size_t n_requests;
    bool paused, marked, resuming;
    struct buf stash; /* what had been read when there were too many requests */
};

/* --- answers ------------------------------------------------------------------------------------------------ */

static void unpin(void *file)
{
    file_unpin(file);
}

static void request_free(struct request *r)
{
    for (size_t i = 0; i < r->out.slices.n; i++)
        file_unpin(((struct plog_span *)r->out.slices.p[i].file)->file);
    vec_free(&r->out.slices);
    buf_release(&r->out.buf);
    arena_release(&r->arena);
    free(r->frame);
    free(r);
}

void request_free_frame(struct request *r)
{
    free(r->frame);
    r->frame = NULL;
    r->body = NULL;
}

const char *request_peer(const struct request *r)
{
    return r->conn ? r->conn->peer : "";
}

void *request_new(struct request *r, const struct wire_type *type, size_t n)
{
    char *items = arena_alloc(&r->arena, type->size * n + 1, alignof(max_align_t));

    for (size_t i = 0; i < n; i++)
        wire_reset(type, items + i * type->size);
    return items;
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

static void send_ready(struct conn *c)
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

static void request_done(struct request *r)
{
    IG_ASSERT(!r->ready);
    r->ready = true;
    r->gone = NULL;
    if (!r->conn)
        request_free(r);
    else if (r->conn->first == r)
        send_ready(r->conn);
}

void request_answer(struct request *r, const void *response)
{
    const bool flexible = r->version >= r->api->flexible;
    struct buf *b = &r->out.buf;

    buf_init(b, 0);
    wire_put_int(b, 0, 4);
    wire_put_int(b, r->correlation_id, 4);
    if (flexible && r->api->response != &wire_type_api_versions_response) /* read before versions are known */
        wire_put_uvarint(b, 0);
    wire_encode(r->api->response, r->version, flexible, response, &r->out);
    IG_ASSERT(!b->overflow && b->n + r->out.slice_bytes - 4 <= INT32_MAX);
    wire_store(b->p, (int64_t)(b->n + r->out.slice_bytes - 4), 4);
    request_done(r);
}

void request_drop(struct request *r)
{
    r->silent = true;
    request_done(r);
}

/* --- requests ------------------------------------------------------------------------------------------------ */

/* An unknown version of ApiVersions is answered in version 0, with what there is. */
static bool answer_unknown_version(struct request *r)
{
    struct wire_api_versions_response *response;

    if (r->api->key != 18)
        return false;
    r->version = 0;
    response = RESPONSE_NEW(r, api_versions_response);
    response->error_code = KAFKA_UNSUPPORTED_VERSION;
    RESPONSE_ITEMS(r, response->keys, api_versions_key, apis_n);
    for (size_t i = 0; i < apis_n; i++)
        response->keys.p[i] = (struct wire_api_versions_key){apis[i].key, apis[i].min, apis[i].max};
    request_answer(r, response);
    return true;
}

static bool parse_request(struct request *r, struct str frame, struct error *err)
{
    struct wire_in in = {(const uint8_t *)frame.p, (const uint8_t *)frame.p + frame.n, false};
    const int16_t key = (int16_t)wire_get_int(&in, 2);
    bool flexible;

    r->version = (int16_t)wire_get_int(&in, 2);
    r->correlation_id = (int32_t)wire_get_int(&in, 4);
    r->api = api_find(key);
    if (!r->api) {
        error_set(err, IG_UNSUPPORTED, "unknown request %d", key);
        return false;
    }
    if (r->version < r->api->min || r->version > r->api->max) {
        error_set(err, IG_UNSUPPORTED, "%s version %d", r->api->name, r->version);
        return r->api->key == 18;
    }
    r->client_id = wire_get_string(&in, false);
    flexible = r->version >= r->api->flexible;
    if (flexible)
        wire_skip_tags(&in);
    if (in.bad) {
        error_set(err, IG_INVALID, "%s: the header is cut off", r->api->name);
        return false;
    }
    return wire_decode(r->api->request, r->version, flexible, (struct str){(const char *)in.p, (size_t)(in.end - in.p)},
                       &r->arena, &r->body, err) == IG_OK;
}

/* Takes over the frame. False: this client talks nonsense. */
static bool take_frame(struct conn *c, char *frame, size_t n)
{
    struct request *r = check_calloc(1, sizeof(*r));
    struct error err;

    r->b = c->b;
    r->conn = c;
    r->frame = frame;
    arena_init(&r->arena);
    if (!parse_request(r, (struct str){frame, n}, &err)) {
        log_warn(c->b->env, "broker", "closing the connection of %s: %s", c->peer, err.msg);
        request_free(r);
        return false;
    }
    *c->last = r;
    c->last = &r->next;
    c->n_requests++;
    update_pause(c);
    if (r->body)
        r->api->handle(r);
    else
        IG_ASSERT(answer_unknown_version(r));
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
