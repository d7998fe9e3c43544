/*
 * The real event loop. libuv waits, keeps the timers and wakes the loop from other threads; reading, writing and
 * sendfile on the sockets are done here, because libuv's streams cannot send from a file.
 */
#include "base/env_internal.h"
#include "base/env_loop.h"
#include "base/vec.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#define READ_BYTES (256u << 10)
#define WRITE_PIECES 64
#define SENDFILE_BYTES (1u << 20) /* at a time, so that one connection cannot hold the loop */
#define BACKLOG 512

struct post {
    env_post_fn *fn;
    void *arg;
};

/* What is to be sent: memory of our own, or a part of a file. */
struct piece {
    struct piece *next;
    char *data; /* malloc; NULL for a file */
    size_t n, sent;
    struct env_file *file;
    int64_t at;
    env_post_fn *done;
    void *arg;
};

struct uv_env_conn {
    struct env_conn base;
    struct uv_env_loop *loop;
    uv_poll_t poll;
    int fd, events; /* the events that poll is asked for now */
    struct env_server server;
    void *ctx;
    struct piece *first, **last;
    size_t queued_bytes;
    bool paused, closing, dirty;
    struct uv_env_conn *next_dirty, *next, **pprev; /* `next` and `pprev`: every connection of the loop */
};

struct env_listener {
    struct uv_env_loop *loop;
    uv_poll_t poll;
    int fd;
    struct env_server server;
    struct env_listener *next, **pprev;
};

struct env_timer {
    struct uv_env_loop *loop;
    uv_timer_t timer;
    env_post_fn *fn;
    void *arg;
    struct env_timer *next, **pprev;
};

struct uv_env_loop {
    struct env_loop base;
    struct env *env;
    uv_loop_t uv;
    uv_async_t wake;
    uv_prepare_t prepare;
    uv_check_t check;
    struct uv_env_conn *conns, *dirty;
    struct env_listener *listeners;
    struct env_timer *timers;
    int spare_fd; /* given up for a moment to refuse a client when descriptors have run out */
    char *read_buffer;
    pthread_mutex_t lock; /* guards posts, stopping */
    VEC(struct post) posts;
    bool stopping;
};

#define LIST_ADD(head, x)                  \
    do {                                   \
        (x)->next = *(head);               \
        (x)->pprev = (head);               \
        if ((x)->next)                     \
            (x)->next->pprev = &(x)->next; \
        *(head) = (x);                     \
    } while (0)
#define LIST_REMOVE(x)                     \
    do {                                   \
        if ((x)->next)                     \
            (x)->next->pprev = (x)->pprev; \
        *(x)->pprev = (x)->next;           \
    } while (0)

/* --- connections --------------------------------------------------------------------------------------- */

static void conn_poll_event(uv_poll_t *poll, int status, int events);

static void conn_update(struct uv_env_conn *c)
{
    const int want = (c->paused ? 0 : UV_READABLE) | (c->first ? UV_WRITABLE : 0);

    if (c->closing || want == c->events)
        return;
    c->events = want;
    if (want)
        uv_poll_start(&c->poll, want, conn_poll_event);
    else
        uv_poll_stop(&c->poll);
}

static void piece_drop(struct uv_env_conn *c, struct piece *p)
{
    c->first = p->next;
    if (!c->first)
        c->last = &c->first;
    c->queued_bytes -= p->n - p->sent;
    free(p->data);
    if (p->done)
        p->done(p->arg);
    free(p);
}

static void conn_closed(uv_handle_t *handle)
{
    struct uv_env_conn *c = handle->data;

    while (c->first)
        piece_drop(c, c->first);
    close(c->fd);
    LIST_REMOVE(c);
    c->server.closed(c->ctx);
    free(c);
}

static void conn_close(struct env_conn *conn)
{
    struct uv_env_conn *c = (struct uv_env_conn *)conn;

    if (c->closing)
        return;
    c->closing = true;
    uv_close((uv_handle_t *)&c->poll, conn_closed);
}

/* Sends the memory pieces at the front of the queue by one call. False when the socket takes no more. */
static bool send_memory(struct uv_env_conn *c)
{
    struct iovec iov[WRITE_PIECES];
    struct msghdr msg = {.msg_iov = iov};
    struct piece *p = c->first;
    ssize_t got;

    for (; p && p->data && msg.msg_iovlen < WRITE_PIECES; p = p->next)
        iov[msg.msg_iovlen++] = (struct iovec){p->data + p->sent, p->n - p->sent};
    do
        got = sendmsg(c->fd, &msg, MSG_NOSIGNAL | (p ? MSG_MORE : 0));
    while (got < 0 && errno == EINTR);
    if (got < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK)
            conn_close(&c->base);
        return false;
    }
    for (size_t left = (size_t)got; c->first && c->first->data;) {
        const size_t n = c->first->n - c->first->sent < left ? c->first->n - c->first->sent : left;

        c->first->sent += n;
        c->queued_bytes -= n;
        left -= n;
        if (c->first->sent < c->first->n)
            return false;
        piece_drop(c, c->first);
    }
    return true;
}

/* A file without a descriptor (a simulated one) goes through memory, piece by piece. */
static ssize_t send_by_reading(struct uv_env_conn *c, struct piece *p, size_t n)
{
    size_t done = 0;

    if (n > READ_BYTES)
        n = READ_BYTES;
    if (env_read(c->loop->env, p->file, p->at + (int64_t)p->sent, c->loop->read_buffer, n, &done, NULL) || done == 0)
        return 0;
    return send(c->fd, c->loop->read_buffer, done, MSG_NOSIGNAL);
}

static bool send_file_piece(struct uv_env_conn *c)
{
    struct piece *p = c->first;
    const size_t left = p->n - p->sent, n = left < SENDFILE_BYTES ? left : SENDFILE_BYTES;
    off_t at = p->at + (off_t)p->sent;
    ssize_t got = 0;

    if (n > 0) {
        const int fd = env_descriptor(c->loop->env, p->file);

        do
            got = fd < 0 ? send_by_reading(c, p, n) : sendfile(c->fd, fd, &at, n);
        while (got < 0 && errno == EINTR);
        if (got <= 0) { /* 0: the file is shorter than promised, and the stream cannot be mended */
            if (got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK))
                conn_close(&c->base);
            return false;
        }
        p->sent += (size_t)got;
        c->queued_bytes -= (size_t)got;
    }
    if (p->sent == p->n)
        piece_drop(c, p);
    return (size_t)got == left; /* a part only: let the others have a turn */
}

static void conn_flush(struct uv_env_conn *c)
{
    while (!c->closing && c->first) {
        if (!(c->first->data ? send_memory(c) : send_file_piece(c)))
            break;
    }
    conn_update(c);
}

static void conn_read(struct uv_env_conn *c)
{
    ssize_t got;

    do
        got = recv(c->fd, c->loop->read_buffer, READ_BYTES, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK)
            conn_close(&c->base);
        return;
    }
    if (got == 0 || !c->server.received(c->ctx, c->loop->read_buffer, (size_t)got))
        conn_close(&c->base);
}

static void conn_poll_event(uv_poll_t *poll, int status, int events)
{
    struct uv_env_conn *c = poll->data;

    if (status < 0) {
        conn_close(&c->base);
        return;
    }
    if ((events & UV_READABLE) && !c->paused)
        conn_read(c);
    if ((events & UV_WRITABLE) && !c->closing)
        conn_flush(c);
}

static void conn_queue(struct uv_env_conn *c, struct piece *p)
{
    p->next = NULL;
    *c->last = p;
    c->last = &p->next;
    c->queued_bytes += p->n;
    if (!c->dirty) {
        c->dirty = true;
        c->next_dirty = c->loop->dirty;
        c->loop->dirty = c;
    }
}

static void conn_send(struct env_conn *conn, void *data, size_t n)
{
    struct uv_env_conn *c = (struct uv_env_conn *)conn;
    struct piece *p;

    if (c->closing || n == 0) {
        free(data);
        return;
    }
    p = check_calloc(1, sizeof(*p));
    p->data = data;
    p->n = n;
    conn_queue(c, p);
}

static void conn_send_file(struct env_conn *conn, struct env_file *f, int64_t at, size_t n, env_post_fn *done,
                           void *arg)
{
    struct uv_env_conn *c = (struct uv_env_conn *)conn;
    struct piece *p;

    if (c->closing) {
        if (done)
            done(arg);
        return;
    }
    p = check_calloc(1, sizeof(*p));
    p->file = f;
    p->at = at;
    p->n = n;
    p->done = done;
    p->arg = arg;
    conn_queue(c, p);
}

static size_t conn_queued_bytes(struct env_conn *conn)
{
    return ((struct uv_env_conn *)conn)->queued_bytes;
}

static bool conn_local_host(struct env_conn *conn, char *host, size_t n)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof(sa);

    return getsockname(((struct uv_env_conn *)conn)->fd, (struct sockaddr *)&sa, &len) == 0 &&
           getnameinfo((struct sockaddr *)&sa, len, host, (socklen_t)n, NULL, 0, NI_NUMERICHOST) == 0;
}

static void conn_pause(struct env_conn *conn, bool paused)
{
    struct uv_env_conn *c = (struct uv_env_conn *)conn;

    c->paused = paused;
    conn_update(c);
}

/* What callbacks queued is sent once, when they are through: many answers, one system call. */
static void loop_flush(struct uv_env_loop *loop)
{
    while (loop->dirty) {
        struct uv_env_conn *c = loop->dirty;

        loop->dirty = c->next_dirty;
        c->dirty = false;
        conn_flush(c);
    }
}

static void on_prepare(uv_prepare_t *h)
{
    loop_flush(h->data);
}

static void on_check(uv_check_t *h)
{
    loop_flush(h->data);
}

/* --- listening ------------------------------------------------------------------------------------------ */

static void peer_name(int fd, char *out, size_t n)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof(sa);
    char host[64] = "?", port[16] = "?";

    if (getpeername(fd, (struct sockaddr *)&sa, &len) == 0)
        (void)!getnameinfo((struct sockaddr *)&sa, len, host, sizeof(host), port, sizeof(port),
                           NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(out, n, "%s:%s", host, port);
}

static void conn_open(struct env_listener *l, int fd)
{
    struct uv_env_conn *c = check_calloc(1, sizeof(*c));
    const int one = 1;
    char peer[96];

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    c->base.loop = &l->loop->base;
    c->loop = l->loop;
    c->fd = fd;
    c->server = l->server;
    c->last = &c->first;
    if (uv_poll_init(&l->loop->uv, &c->poll, fd)) {
        close(fd);
        free(c);
        return;
    }
    c->poll.data = c;
    LIST_ADD(&l->loop->conns, c);
    peer_name(fd, peer, sizeof(peer));
    c->ctx = c->server.opened(c->server.ctx, &c->base, peer);
    if (!c->ctx) {
        c->server.closed = free; /* refused: the server knows nothing of it, and free(NULL) does nothing */
        conn_close(&c->base);
        return;
    }
    conn_update(c);
}

static void listener_event(uv_poll_t *poll, int status, int events)
{
    struct env_listener *l = poll->data;

    (void)events;
    if (status < 0)
        return;
    for (int i = 0; i < 64; i++) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            conn_open(l, fd);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE) {
            close(l->loop->spare_fd);
            fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
            if (fd >= 0)
                close(fd);
            l->loop->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        }
        if (errno != EINTR && errno != ECONNABORTED)
            return;
    }
}

static int bound_socket(const struct addrinfo *ai, int *saved_errno)
{
    const int one = 1;
    int fd = socket(ai->ai_family, ai->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, ai->ai_protocol);

    if (fd < 0) {
        *saved_errno = errno;
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) || listen(fd, BACKLOG)) {
        *saved_errno = errno;
        close(fd);
        return -1;
    }
    return fd;
}

static int port_of(int fd)
{
    struct sockaddr_storage sa = {0};
    socklen_t len = sizeof(sa);

    if (getsockname(fd, (struct sockaddr *)&sa, &len))
        return 0;
    return ntohs(sa.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&sa)->sin6_port
                                          : ((struct sockaddr_in *)&sa)->sin_port);
}

static enum ig_code loop_listen(struct env_loop *base, const char *host, int port, const struct env_server *server,
                                struct env_listener **out, int *bound_port, struct error *err)
{
    struct uv_env_loop *loop = (struct uv_env_loop *)base;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
    struct env_listener *l;
    char service[16];
    int fd = -1, e = EADDRNOTAVAIL;

    snprintf(service, sizeof(service), "%d", port);
    if (port < 0 || port > 65535 || getaddrinfo(host && *host ? host : NULL, service, &hints, &found))
        return error_set(err, IG_INVALID, "listen on %s:%d: there is no such address", host ? host : "", port);
    for (const struct addrinfo *ai = found; ai && fd < 0; ai = ai->ai_next)
        fd = bound_socket(ai, &e);
    freeaddrinfo(found);
    if (fd < 0)
        return error_errno(err, e, "listen on %s:%d", host ? host : "", port);
    l = check_calloc(1, sizeof(*l));
    l->loop = loop;
    l->fd = fd;
    l->server = *server;
    if (uv_poll_init(&loop->uv, &l->poll, fd)) {
        close(fd);
        free(l);
        return error_set(err, IG_IO, "listen on %s:%d: the event loop refuses it", host ? host : "", port);
    }
    l->poll.data = l;
    LIST_ADD(&loop->listeners, l);
    uv_poll_start(&l->poll, UV_READABLE, listener_event);
    if (bound_port)
        *bound_port = port_of(fd);
    *out = l;
    return IG_OK;
}

static void listener_closed(uv_handle_t *handle)
{
    struct env_listener *l = handle->data;

    close(l->fd);
    free(l);
}

static void loop_unlisten(struct env_loop *loop, struct env_listener *l)
{
    (void)loop;
    LIST_REMOVE(l);
    uv_close((uv_handle_t *)&l->poll, listener_closed);
}

/* --- timers, posts --------------------------------------------------------------------------------------- */

static void timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void loop_cancel(struct env_loop *loop, struct env_timer *t)
{
    (void)loop;
    LIST_REMOVE(t);
    uv_close((uv_handle_t *)&t->timer, timer_closed);
}

static void timer_fired(uv_timer_t *timer)
{
    struct env_timer *t = timer->data;
    env_post_fn *fn = t->fn;
    void *arg = t->arg;

    loop_cancel(&t->loop->base, t);
    fn(arg);
}

static enum ig_code loop_timer(struct env_loop *base, int64_t after_ms, env_post_fn *fn, void *arg,
                               struct env_timer **out)
{
    struct uv_env_loop *loop = (struct uv_env_loop *)base;
    struct env_timer *t = check_calloc(1, sizeof(*t));

    t->loop = loop;
    t->fn = fn;
    t->arg = arg;
    uv_timer_init(&loop->uv, &t->timer);
    t->timer.data = t;
    LIST_ADD(&loop->timers, t);
    uv_update_time(&loop->uv); /* else "after" would count from when this turn of the loop began */
    uv_timer_start(&t->timer, timer_fired, after_ms > 0 ? (uint64_t)after_ms : 0, 0);
    if (out)
        *out = t;
    return IG_OK;
}

static void loop_post(struct env_loop *base, env_post_fn *fn, void *arg)
{
    struct uv_env_loop *loop = (struct uv_env_loop *)base;
    const struct post post = {fn, arg};

    pthread_mutex_lock(&loop->lock);
    vec_push(&loop->posts, post);
    pthread_mutex_unlock(&loop->lock);
    uv_async_send(&loop->wake);
}

static void on_wake(uv_async_t *h)
{
    struct uv_env_loop *loop = h->data;
    VEC(struct post) posts;
    bool stopping;

    pthread_mutex_lock(&loop->lock);
    posts.p = loop->posts.p;
    posts.n = loop->posts.n;
    posts.cap = loop->posts.cap;
    loop->posts.p = NULL;
    loop->posts.n = loop->posts.cap = 0;
    stopping = loop->stopping;
    pthread_mutex_unlock(&loop->lock);
    for (size_t i = 0; i < posts.n; i++)
        posts.p[i].fn(posts.p[i].arg);
    vec_free(&posts);
    if (stopping)
        uv_stop(&loop->uv);
}

/* sendfile has no MSG_NOSIGNAL: while the loop runs, its thread blocks the signal of a client that is gone. */
static void loop_run(struct env_loop *base)
{
    const struct timespec at_once = {0, 0};
    sigset_t pipe, before;

    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, &before);
    uv_run(&((struct uv_env_loop *)base)->uv, UV_RUN_DEFAULT);
    while (sigtimedwait(&pipe, NULL, &at_once) > 0)
        ;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void loop_stop(struct env_loop *base)
{
    struct uv_env_loop *loop = (struct uv_env_loop *)base;

    pthread_mutex_lock(&loop->lock);
    loop->stopping = true;
    pthread_mutex_unlock(&loop->lock);
    uv_async_send(&loop->wake);
}

static void loop_free(struct env_loop *base)
{
    struct uv_env_loop *loop = (struct uv_env_loop *)base;

    while (loop->listeners)
        loop_unlisten(base, loop->listeners);
    for (struct uv_env_conn *c = loop->conns; c; c = c->next)
        conn_close(&c->base);
    for (struct env_timer *t = loop->timers; t; t = t->next)
        uv_timer_stop(&t->timer);
    uv_run(&loop->uv, UV_RUN_NOWAIT); /* who is told that his connection is gone may cancel his timer */
    while (loop->timers)
        loop_cancel(base, loop->timers);
    uv_close((uv_handle_t *)&loop->wake, NULL);
    uv_close((uv_handle_t *)&loop->prepare, NULL);
    uv_close((uv_handle_t *)&loop->check, NULL);
    while (uv_loop_close(&loop->uv) == UV_EBUSY)
        uv_run(&loop->uv, UV_RUN_DEFAULT);
    close(loop->spare_fd);
    vec_free(&loop->posts);
    pthread_mutex_destroy(&loop->lock);
    free(loop->read_buffer);
    free(loop);
}

static const struct env_loop_ops uv_loop_ops = {
    .listen = loop_listen,
    .unlisten = loop_unlisten,
    .send = conn_send,
    .send_file = conn_send_file,
    .queued_bytes = conn_queued_bytes,
    .local_host = conn_local_host,
    .pause = conn_pause,
    .close = conn_close,
    .timer = loop_timer,
    .cancel = loop_cancel,
    .post = loop_post,
    .run = loop_run,
    .stop = loop_stop,
    .free = loop_free,
};

enum ig_code env_loop_uv_new(struct env *env, struct env_loop **out, struct error *err)
{
    struct uv_env_loop *loop = check_calloc(1, sizeof(*loop));
    const int e = uv_loop_init(&loop->uv);

    if (e) {
        free(loop);
        return error_set(err, IG_IO, "start an event loop: %s", uv_strerror(e));
    }
    loop->base.ops = &uv_loop_ops;
    loop->env = env;
    loop->read_buffer = check_malloc(READ_BYTES);
    loop->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    pthread_mutex_init(&loop->lock, NULL);
    IG_ASSERT(uv_async_init(&loop->uv, &loop->wake, on_wake) == 0);
    uv_prepare_init(&loop->uv, &loop->prepare);
    uv_check_init(&loop->uv, &loop->check);
    loop->wake.data = loop->prepare.data = loop->check.data = loop;
    uv_prepare_start(&loop->prepare, on_prepare);
    uv_check_start(&loop->check, on_check);
    *out = &loop->base;
    return IG_OK;
}
