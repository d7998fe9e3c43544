/*
 * The event loop of a world that runs in one thread: one queue of events in the order of their time, which only goes on
 * when an event is due. How long things take is drawn from the world's seed.
 */
#include "base/env_sim_internal.h"

#include <stdlib.h>

#define PORT_FIRST 20000
#define POST_US_MAX 20
#define WORK_US_MAX 3000
#define WORK_SLOW_US_MAX 60000
#define NET_US_MAX 400
#define NET_SLOW_US_MAX 40000
#define SLOW_ONE_IN 16

/* An event, and what a timer is. */
struct env_timer {
    int64_t at_us;
    uint64_t number;       /* among those of one time, the one that was made first comes first */
    struct sim_loop *loop; /* NULL: the test's own */
    env_post_fn *fn;       /* NULL: taken back */
    void *arg;
};

struct piece {
    struct piece *next;
    char *data; /* malloc; NULL for a file */
    size_t n, sent;
    struct env_file *file;
    int64_t at;
    env_post_fn *done;
    void *arg;
};

struct sim_conn {
    struct env_conn base; /* the server's side */
    struct sim_conn *next;
    struct sim_loop *loop;
    struct env_server server;
    void *server_ctx;
    struct env_sim_client client;
    void *client_ctx;
    bool accepted, server_open, client_open, closing, paused;
    bool pumping_in, pumping_out;
    struct buf in; /* to the server; the first in_at bytes are delivered */
    size_t in_at;
    struct piece *first, **last; /* to the client */
    size_t queued_bytes;
};

struct env_listener {
    struct env_listener *next;
    struct sim_loop *loop; /* NULL: no longer */
    int port;
    struct env_server server;
};

struct sim_loop {
    struct env_loop base;
    struct sim_world *w;
    bool running;
    int64_t last_post_us;
};

struct sim_world {
    struct sim *s;
    VEC(struct env_timer *) heap;
    uint64_t number;
    struct env_listener *listeners;
    struct sim_conn *conns;
    int next_port;
    struct sim_loop **started; /* where run() leaves its loop while a "thread" is being started */
};

static const struct env_loop_ops sim_loop_ops;

static struct sim_loop *loop_of(struct env_loop *loop)
{
    return (struct sim_loop *)loop;
}

static int64_t below(struct sim_world *w, int64_t max)
{
    return (int64_t)sim_draw_below(w->s, (uint64_t)max);
}

/* Mostly short, now and then long. */
static int64_t duration_us(struct sim_world *w, int64_t max, int64_t slow_max)
{
    return 1 + (below(w, SLOW_ONE_IN) == 0 ? below(w, slow_max) : below(w, max));
}

/* --- the queue ---------------------------------------------------------------------------------------------- */

static bool before(const struct env_timer *a, const struct env_timer *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->number < b->number;
}

static void sift_up(struct sim_world *w, size_t i)
{
    for (; i > 0 && before(w->heap.p[i], w->heap.p[(i - 1) / 2]); i = (i - 1) / 2) {
        struct env_timer *e = w->heap.p[i];

        w->heap.p[i] = w->heap.p[(i - 1) / 2];
        w->heap.p[(i - 1) / 2] = e;
    }
}

static struct env_timer *pop(struct sim_world *w)
{
    struct env_timer *top;
    size_t i = 0;

    if (w->heap.n == 0)
        return NULL;
    top = w->heap.p[0];
    w->heap.p[0] = w->heap.p[--w->heap.n];
    for (;;) {
        size_t least = i;

        for (size_t k = 2 * i + 1; k <= 2 * i + 2 && k < w->heap.n; k++) {
            if (before(w->heap.p[k], w->heap.p[least]))
                least = k;
        }
        if (least == i)
            return top;
        {
            struct env_timer *e = w->heap.p[i];

            w->heap.p[i] = w->heap.p[least];
            w->heap.p[least] = e;
        }
        i = least;
    }
}

static struct env_timer *add(struct sim_world *w, struct sim_loop *loop, int64_t at_us, env_post_fn *fn, void *arg)
{
    struct env_timer *e = check_malloc(sizeof(*e));

    *e = (struct env_timer){at_us, w->number++, loop, fn, arg};
    vec_push(&w->heap, e);
    sift_up(w, w->heap.n - 1);
    return e;
}

bool env_sim_step(struct env *env)
{
    struct sim *s = (struct sim *)env;
    struct env_timer *e = pop(s->world);

    if (!e)
        return false;
    if (e->at_us > s->now_us)
        s->now_us = e->at_us;
    if (e->fn && (!e->loop || e->loop->running))
        e->fn(e->arg);
    free(e);
    return true;
}

void env_sim_after(struct env *env, int64_t us, env_post_fn *fn, void *arg)
{
    struct sim *s = (struct sim *)env;

    add(s->world, NULL, s->now_us + us, fn, arg);
}

/* --- connections -------------------------------------------------------------------------------------------- */

static void drop_piece(struct sim_conn *c)
{
    struct piece *p = c->first;

    c->first = p->next;
    if (!c->first)
        c->last = &c->first;
    c->queued_bytes -= p->n - p->sent;
    free(p->data);
    if (p->done)
        p->done(p->arg);
    free(p);
}

/* The server's side is gone, and hears so; then the client does. */
static void end_conn(void *arg)
{
    struct sim_conn *c = arg;

    if (c->server_open) {
        c->server_open = false;
        if (c->accepted)
            c->server.closed(c->server_ctx);
        while (c->first)
            drop_piece(c);
    }
    if (c->client_open) {
        c->client_open = false;
        c->client.closed(c->client_ctx);
    }
    buf_release(&c->in);
}

static void begin_close(struct sim_conn *c)
{
    if (c->closing || !c->server_open)
        return;
    c->closing = true;
    add(c->loop->w, c->loop, c->loop->w->s->now_us + 1, end_conn, c);
}

static void pump_in(void *arg);
static void pump_out(void *arg);

static void begin_in(struct sim_conn *c)
{
    struct sim_world *w = c->loop->w;

    if (c->pumping_in || c->paused || c->closing || !c->server_open || c->in.n == c->in_at)
        return;
    c->pumping_in = true;
    add(w, c->loop, w->s->now_us + duration_us(w, NET_US_MAX, NET_SLOW_US_MAX), pump_in, c);
}

static void pump_in(void *arg)
{
    struct sim_conn *c = arg;
    const size_t have = c->in.n - c->in_at;
    size_t n;

    c->pumping_in = false;
    if (c->paused || c->closing || !c->server_open || have == 0)
        return;
    n = below(c->loop->w, 2) ? have : 1 + (size_t)below(c->loop->w, (int64_t)have);
    c->in_at += n;
    if (!c->server.received(c->server_ctx, c->in.p + c->in_at - n, n))
        begin_close(c);
    if (c->in_at == c->in.n) {
        buf_clear(&c->in);
        c->in_at = 0;
    }
    begin_in(c);
}

static void begin_out(struct sim_conn *c)
{
    struct sim_world *w = c->loop->w;

    if (c->pumping_out || !c->server_open || !c->first)
        return;
    c->pumping_out = true;
    add(w, c->loop, w->s->now_us + duration_us(w, NET_US_MAX, NET_SLOW_US_MAX), pump_out, c);
}

/* What is read from the file now, as sendfile would. */
static bool send_from_file(struct sim_conn *c, struct piece *p, size_t n)
{
    struct sim *s = c->loop->w->s;
    char *bytes = check_malloc(n);
    const bool ok = env_read_full(&s->base, p->file, p->at + (int64_t)p->sent, bytes, n, NULL) == IG_OK;

    if (ok && c->client_open)
        c->client.received(c->client_ctx, bytes, n);
    free(bytes);
    return ok;
}

static void pump_out(void *arg)
{
    struct sim_conn *c = arg;
    struct piece *p = c->first;
    size_t have, n;

    c->pumping_out = false;
    if (!p || !c->server_open)
        return;
    have = p->n - p->sent;
    n = have == 0 || below(c->loop->w, 2) ? have : 1 + (size_t)below(c->loop->w, (int64_t)have);
    if (n > 0 && p->data && c->client_open)
        c->client.received(c->client_ctx, p->data + p->sent, n);
    if (n > 0 && !p->data && !send_from_file(c, p, n)) {
        begin_close(c);
        return;
    }
    p->sent += n;
    c->queued_bytes -= n;
    if (p->sent == p->n)
        drop_piece(c);
    begin_out(c);
}

static void accept_conn(void *arg)
{
    struct sim_conn *c = arg;

    if (!c->client_open) {
        c->server_open = false;
        return;
    }
    c->server_ctx = c->server.opened(c->server.ctx, &c->base, "127.0.0.1:40000");
    c->accepted = c->server_ctx != NULL;
    if (!c->accepted)
        end_conn(c);
    else
        begin_in(c);
}

enum ig_code env_sim_connect(struct env *env, int port, const struct env_sim_client *client, void *ctx,
                             struct sim_conn **out, struct error *err)
{
    struct sim_world *w = ((struct sim *)env)->world;
    struct env_listener *l = w->listeners;
    struct sim_conn *c;

    while (l && !(l->loop && l->port == port))
        l = l->next;
    if (!l)
        return error_set(err, IG_UNAVAILABLE, "nobody listens on port %d", port);
    c = check_calloc(1, sizeof(*c));
    c->base.loop = &l->loop->base;
    c->loop = l->loop;
    c->server = l->server;
    c->client = *client;
    c->client_ctx = ctx;
    c->server_open = c->client_open = true;
    c->last = &c->first;
    c->next = w->conns;
    w->conns = c;
    buf_init(&c->in, 0);
    add(w, c->loop, w->s->now_us + duration_us(w, NET_US_MAX, NET_SLOW_US_MAX), accept_conn, c);
    *out = c;
    return IG_OK;
}

void env_sim_conn_send(struct sim_conn *c, const void *p, size_t n)
{
    if (!c->client_open || !c->server_open)
        return;
    buf_add(&c->in, p, n);
    if (c->accepted)
        begin_in(c);
}

void env_sim_conn_close(struct sim_conn *c)
{
    struct sim_world *w = c->loop->w;

    if (!c->client_open)
        return;
    c->client_open = false;
    if (c->server_open)
        add(w, c->loop, w->s->now_us + duration_us(w, NET_US_MAX, NET_SLOW_US_MAX), end_conn, c);
}

/* --- the operations of a loop -------------------------------------------------------------------------------- */

static enum ig_code loop_listen(struct env_loop *loop, const char *host, int port, const struct env_server *server,
                                struct env_listener **out, int *bound_port, struct error *err)
{
    struct sim_loop *sl = loop_of(loop);
    struct env_listener *l;

    (void)host;
    for (l = sl->w->listeners; l; l = l->next) {
        if (l->loop && l->port == port)
            return error_set(err, IG_EXISTS, "port %d is taken", port);
    }
    l = check_calloc(1, sizeof(*l));
    *l = (struct env_listener){sl->w->listeners, sl, port ? port : sl->w->next_port++, *server};
    sl->w->listeners = l;
    *out = l;
    *bound_port = l->port;
    return IG_OK;
}

static void loop_unlisten(struct env_loop *loop, struct env_listener *l)
{
    (void)loop;
    l->loop = NULL;
}

static void queue(struct env_conn *conn, struct piece piece)
{
    struct sim_conn *c = (struct sim_conn *)conn;
    struct piece *p = check_malloc(sizeof(*p));

    *p = piece;
    *c->last = p;
    c->last = &p->next;
    c->queued_bytes += p->n;
    begin_out(c);
}

static void loop_send(struct env_conn *conn, void *data, size_t n)
{
    struct sim_conn *c = (struct sim_conn *)conn;

    if (c->closing)
        free(data);
    else
        queue(conn, (struct piece){.data = data, .n = n});
}

static void loop_send_file(struct env_conn *conn, struct env_file *f, int64_t at, size_t n, env_post_fn *done,
                           void *arg)
{
    queue(conn, (struct piece){.file = f, .at = at, .n = n, .done = done, .arg = arg});
}

static size_t loop_queued_bytes(struct env_conn *conn)
{
    return ((struct sim_conn *)conn)->queued_bytes;
}

static void loop_pause(struct env_conn *conn, bool paused)
{
    struct sim_conn *c = (struct sim_conn *)conn;

    c->paused = paused;
    begin_in(c);
}

static void loop_close(struct env_conn *conn)
{
    begin_close((struct sim_conn *)conn);
}

static enum ig_code loop_timer(struct env_loop *loop, int64_t after_ms, env_post_fn *fn, void *arg,
                               struct env_timer **out)
{
    struct sim_loop *l = loop_of(loop);
    struct env_timer *t = add(l->w, l, l->w->s->now_us + after_ms * 1000, fn, arg);

    if (out)
        *out = t;
    return IG_OK;
}

static void loop_cancel(struct env_loop *loop, struct env_timer *t)
{
    (void)loop;
    t->fn = NULL;
}

static void loop_post(struct env_loop *loop, env_post_fn *fn, void *arg)
{
    struct sim_loop *l = loop_of(loop);
    int64_t at_us = l->w->s->now_us + below(l->w, POST_US_MAX);

    if (at_us < l->last_post_us)
        at_us = l->last_post_us;
    l->last_post_us = at_us;
    add(l->w, l, at_us, fn, arg);
}

static void loop_work(struct env_loop *loop, env_post_fn *fn, void *arg)
{
    struct sim_loop *l = loop_of(loop);

    add(l->w, l, l->w->s->now_us + duration_us(l->w, WORK_US_MAX, WORK_SLOW_US_MAX), fn, arg);
}

static void loop_run(struct env_loop *loop)
{
    struct sim_loop *l = loop_of(loop);

    IG_ASSERT(l->w->started);
    *l->w->started = l;
    l->running = true;
}

static void loop_stop(struct env_loop *loop)
{
    loop_of(loop)->running = false;
}

static void loop_free(struct env_loop *loop)
{
    struct sim_loop *l = loop_of(loop);
    struct sim_world *w = l->w;

    for (struct env_listener *x = w->listeners; x; x = x->next) {
        if (x->loop == l)
            x->loop = NULL;
    }
    for (struct sim_conn *c = w->conns; c; c = c->next) {
        if (c->loop == l && c->server_open)
            end_conn(c);
    }
    for (size_t i = 0; i < w->heap.n; i++) {
        if (w->heap.p[i]->loop == l) {
            w->heap.p[i]->loop = NULL;
            w->heap.p[i]->fn = NULL;
        }
    }
    free(l);
}

static const struct env_loop_ops sim_loop_ops = {
    .listen = loop_listen,
    .unlisten = loop_unlisten,
    .send = loop_send,
    .send_file = loop_send_file,
    .queued_bytes = loop_queued_bytes,
    .pause = loop_pause,
    .close = loop_close,
    .timer = loop_timer,
    .cancel = loop_cancel,
    .post = loop_post,
    .work = loop_work,
    .run = loop_run,
    .stop = loop_stop,
    .free = loop_free,
};

/* --- the world ------------------------------------------------------------------------------------------------ */

enum ig_code sim_world_loop(struct sim_world *w, struct env_loop **out)
{
    struct sim_loop *l = check_calloc(1, sizeof(*l));

    l->base.ops = &sim_loop_ops;
    l->w = w;
    *out = &l->base;
    return IG_OK;
}

void sim_world_start(struct sim_world *w, env_thread_fn *fn, void *arg, struct sim_loop **loop)
{
    *loop = NULL;
    w->started = loop;
    fn(arg);
    w->started = NULL;
}

void sim_world_join(struct sim_world *w, struct sim_loop *loop)
{
    while (loop && loop->running && env_sim_step(&w->s->base))
        ;
}

void env_sim_one_thread(struct env *env)
{
    struct sim *s = (struct sim *)env;

    s->world = check_calloc(1, sizeof(*s->world));
    s->world->s = s;
    s->world->next_port = PORT_FIRST;
}

void sim_world_free(struct sim_world *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->heap.n; i++)
        free(w->heap.p[i]);
    vec_free(&w->heap);
    while (w->listeners) {
        struct env_listener *l = w->listeners;

        w->listeners = l->next;
        free(l);
    }
    while (w->conns) {
        struct sim_conn *c = w->conns;

        w->conns = c->next;
        buf_release(&c->in);
        free(c);
    }
    free(w);
}
