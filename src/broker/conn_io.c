/*
 * The bytes of a connection: straight to the socket (files by sendfile), or through TLS, a chunk at a time so that what
 * is encrypted and not yet sent stays little.
 */
#include "broker/conn.h"

#include <stdlib.h>

#define ENCRYPTED_BYTES_MAX ((size_t)256 << 10)

static void sink_encrypted(void *ctx, char *bytes, size_t n)
{
    struct conn *c = ctx;

    c->io->loop->ops->send(c->io, bytes, n);
}

static bool sink_plain(void *ctx, const char *bytes, size_t n)
{
    struct conn *c = ctx;

    if (c->state == CONN_TLS && !conn_shook_hands(c))
        return false;
    return conn_take(c, bytes, n);
}

void conn_io_begin(struct conn *c)
{
    const struct tls_sink sink = {c, sink_encrypted, sink_plain};

    c->last_piece = &c->pieces;
    if (c->listener->tls)
        c->tls = tls_new(c->listener->tls, &sink);
}

static void piece_drop(struct conn *c)
{
    struct conn_piece *p = c->pieces;

    c->pieces = p->next;
    if (!c->pieces)
        c->last_piece = &c->pieces;
    c->piece_bytes -= p->n - p->done_n;
    free(p->data);
    if (p->done)
        p->done(p->arg);
    free(p);
}

void conn_io_release(struct conn *c)
{
    while (c->pieces)
        piece_drop(c);
    tls_free(c->tls);
}

bool conn_io_received(struct conn *c, const void *bytes, size_t n)
{
    struct error err;
    enum ig_code rc;

    if (!c->tls)
        return conn_take(c, bytes, n);
    rc = tls_received(c->tls, bytes, n, &err);
    if (!rc && c->state == CONN_TLS && tls_is_ready(c->tls))
        return conn_shook_hands(c);
    if (rc == IG_INVALID) {
        conn_warn(c, "%s", err.msg);
        conn_end(c); /* the alert that says so is to arrive */
        return true;
    }
    return rc == IG_OK;
}

/* --- encrypting ----------------------------------------------------------------------------------------------------
 */

static bool pump_chunk(struct conn *c, struct conn_piece *p, struct error *err)
{
    const size_t left = p->n - p->done_n, n = left < TLS_CHUNK_BYTES ? left : TLS_CHUNK_BYTES;
    enum ig_code rc = IG_OK;

    if (p->data) {
        rc = tls_write(c->tls, p->data + p->done_n, n, err);
    } else if (n > 0) {
        char *chunk = check_malloc(n);

        rc = env_read_full(c->b->env, p->file, p->file_at + (int64_t)p->done_n, chunk, n, err);
        if (!rc)
            rc = tls_write(c->tls, chunk, n, err);
        free(chunk);
    }
    p->done_n += n;
    c->piece_bytes -= n;
    return rc == IG_OK;
}

static void pump(void *arg);

static void pump_again(struct conn *c)
{
    c->pumping = true;
    conn_mark(c, pump);
}

static void pump(void *arg)
{
    struct conn *c = arg;
    size_t queued;
    struct error err;

    if (conn_is_marking(c))
        return;
    c->pumping = false;
    while (c->pieces) {
        queued = c->io->loop->ops->queued_bytes(c->io);
        if (queued >= ENCRYPTED_BYTES_MAX) {
            pump_again(c);
            return;
        }
        if (!pump_chunk(c, c->pieces, &err)) {
            conn_warn(c, "%s", err.msg);
            c->io->loop->ops->close(c->io);
            return;
        }
        if (c->io->loop->ops->queued_bytes(c->io) <= queued && c->pieces->n > 0)
            return; /* the socket is gone, and takes nothing */
        if (c->pieces->done_n == c->pieces->n)
            piece_drop(c);
    }
}

static void add_piece(struct conn *c, const struct conn_piece *piece)
{
    struct conn_piece *p = check_malloc(sizeof(*p));

    *p = *piece;
    *c->last_piece = p;
    c->last_piece = &p->next;
    c->piece_bytes += p->n;
    if (!c->pumping) /* not from here: whoever sends may be deep in a handler */
        pump_again(c);
}

void conn_io_send(struct conn *c, char *data, size_t n)
{
    if (!c->tls)
        c->io->loop->ops->send(c->io, data, n);
    else
        add_piece(c, &(struct conn_piece){.data = data, .n = n});
}

void conn_io_send_file(struct conn *c, struct env_file *f, int64_t at, size_t n, env_post_fn *done, void *arg)
{
    if (!c->tls)
        c->io->loop->ops->send_file(c->io, f, at, n, done, arg);
    else
        add_piece(c, &(struct conn_piece){.file = f, .file_at = at, .n = n, .done = done, .arg = arg});
}

size_t conn_io_queued(struct conn *c)
{
    return c->io->loop->ops->queued_bytes(c->io) + c->piece_bytes;
}
