/*
 * Sockets of our own and timers: an event loop. Part of struct env, so that the simulator can own every delivery.
 *
 * A loop belongs to the thread that runs it; only post and stop may be called from another one. Everything handed to a
 * callback is valid until it returns.
 *
 * Nothing calls back from inside a call: close() only begins, and `closed` comes later from the loop; until then the
 * connection may be used, and what is sent to it is dropped. What a callback sends leaves when the callback is through.
 * A timer fires once and is gone then; cancel() is for one that has not fired. free() closes what is open (with its
 * callbacks) and drops posts that have not run.
 */
#ifndef BASE_ENV_LOOP_H
#define BASE_ENV_LOOP_H

#include "base/env.h"

struct env_conn;
struct env_listener;
struct env_timer;

typedef void env_post_fn(void *arg);

/* What a server wants to know. `conn_ctx` is what `opened` returned. */
struct env_server {
    void *ctx;
    /* A client has connected from `peer` ("127.0.0.1:40000"); NULL refuses it. */
    void *(*opened)(void *ctx, struct env_conn *conn, const char *peer);
    /* Bytes have come. Return false to close the connection. */
    bool (*received)(void *conn_ctx, const void *p, size_t n);
    /* The connection is gone, for whatever reason; the last call for it. */
    void (*closed)(void *conn_ctx);
};

struct env_loop_ops {
    enum ig_code (*listen)(struct env_loop *loop, const char *host, int port, const struct env_server *server,
                           struct env_listener **out, int *bound_port, struct error *err);
    void (*unlisten)(struct env_loop *loop, struct env_listener *l);
    /* Queues bytes for sending; takes ownership of `data` (malloc). */
    void (*send)(struct env_conn *conn, void *data, size_t n);
    /* Queues n bytes of a file behind what is queued, without a copy through user space where that is possible. `done`
     * is called when they are gone or the connection is. With n 0 the file may be NULL: a mark in the queue. */
    void (*send_file)(struct env_conn *conn, struct env_file *f, int64_t at, size_t n, env_post_fn *done, void *arg);
    size_t (*queued_bytes)(struct env_conn *conn); /* not yet taken by the kernel */
    /* The address on which the client reached us, without the port. NULL, or false: nobody knows. */
    bool (*local_host)(struct env_conn *conn, char *host, size_t n);
    void (*pause)(struct env_conn *conn, bool paused); /* stops and starts reading: back-pressure */
    void (*close)(struct env_conn *conn);
    enum ig_code (*timer)(struct env_loop *loop, int64_t after_ms, env_post_fn *fn, void *arg, struct env_timer **out);
    void (*cancel)(struct env_loop *loop, struct env_timer *t);
    void (*post)(struct env_loop *loop, env_post_fn *fn, void *arg); /* any thread */
    /* Runs fn on another thread. NULL: whoever wants that starts threads of its own. */
    void (*work)(struct env_loop *loop, env_post_fn *fn, void *arg);
    void (*run)(struct env_loop *loop);  /* until stop */
    void (*stop)(struct env_loop *loop); /* any thread */
    void (*free)(struct env_loop *loop); /* closes what is open */
};

/* The first member of every implementation's own loop and connection. */
struct env_loop {
    const struct env_loop_ops *ops;
};
struct env_conn {
    struct env_loop *loop;
};

#endif
