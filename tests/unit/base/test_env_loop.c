#include "base/env_loop.h"

#include "base/base.h"
#include "base/env_sim.h"
#include "test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

/* A server that answers each byte by a command: 'e' echo, 'f' a part of a file, 'q' close. */
struct server {
    struct env *env;
    struct env_loop *loop;
    struct env_listener *listener;
    struct env_thread *thread;
    struct env_file *file;
    int port, opened, closed, files_sent, timers, posts;
    bool refuse;
};

struct client {
    struct server *s;
    struct env_conn *io;
    struct env_timer *timer; /* its own: `closed` cancels it */
};

#define FILE_BYTES (3u << 20)

static void file_sent(void *arg)
{
    ((struct server *)arg)->files_sent++;
}

static void *opened(void *ctx, struct env_conn *conn, const char *peer)
{
    struct server *s = ctx;
    struct client *c;

    assert_true(str_has_prefix(str_of(peer), "127.0.0.1:"));
    if (s->refuse)
        return NULL;
    s->opened++;
    c = check_calloc(1, sizeof(*c));
    c->s = s;
    c->io = conn;
    assert_int_equal(conn->loop->ops->timer(conn->loop, 3600000, file_sent, s, &c->timer), IG_OK);
    return c;
}

static bool received(void *ctx, const void *p, size_t n)
{
    struct client *c = ctx;
    const char *bytes = p;

    for (size_t i = 0; i < n; i++) {
        if (bytes[i] == 'q')
            return false;
        if (bytes[i] == 'f') {
            c->io->loop->ops->send(c->io, check_strdup("<"), 1);
            c->io->loop->ops->send_file(c->io, c->s->file, 1, FILE_BYTES - 1, file_sent, c->s);
            c->io->loop->ops->send(c->io, check_strdup(">"), 1);
            assert_true(c->io->loop->ops->queued_bytes(c->io) > FILE_BYTES);
        } else {
            char *copy = check_strdup("?");

            copy[0] = bytes[i];
            c->io->loop->ops->send(c->io, copy, 1);
        }
    }
    return true;
}

static void closed(void *ctx)
{
    struct client *c = ctx;

    c->io->loop->ops->cancel(c->io->loop, c->timer);
    c->s->closed++;
    free(c);
}

static void run(void *arg)
{
    struct server *s = arg;

    s->loop->ops->run(s->loop);
}

static void start(struct server *s, struct env *env)
{
    struct env_server callbacks = {s, opened, received, closed};
    char *bytes = check_malloc(FILE_BYTES);
    struct error err;

    s->env = env;
    for (size_t i = 0; i < FILE_BYTES; i++)
        bytes[i] = (char)(i * 7 + i / 1000);
    assert_int_equal(
        env_open(env, "/tmp/ingot-unit-loop", ENV_OPEN_READ | ENV_OPEN_WRITE | ENV_OPEN_CREATE, &s->file, &err), IG_OK);
    assert_int_equal(env_write(env, s->file, 0, bytes, FILE_BYTES, &err), IG_OK);
    free(bytes);
    assert_int_equal(env_loop_new(env, &s->loop, &err), IG_OK);
    assert_int_equal(s->loop->ops->listen(s->loop, "127.0.0.1", 0, &callbacks, &s->listener, &s->port, &err), IG_OK);
    assert_in_range(s->port, 1, 65535);
    assert_int_equal(env_spawn(env, "loop", run, s, &s->thread, &err), IG_OK);
}

static void finish(struct server *s)
{
    s->loop->ops->stop(s->loop);
    env_join(s->env, s->thread);
    s->loop->ops->free(s->loop);
    env_close(s->env, s->file);
    assert_int_equal(env_unlink(s->env, "/tmp/ingot-unit-loop", NULL), IG_OK);
}

static int dial(int port)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    const struct timeval limit = {5, 0};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    return fd;
}

static void read_all(int fd, char *into, size_t n)
{
    assert_int_equal(recv(fd, into, n, MSG_WAITALL), n);
}

static void bytes_and_files_arrive_in_order_from(struct env *env)
{
    struct server s = {0};
    char *got = check_malloc(FILE_BYTES + 16);
    int fd;

    start(&s, env);
    fd = dial(s.port);
    assert_int_equal(send(fd, "afb", 3, 0), 3);
    read_all(fd, got, FILE_BYTES + 3);
    assert_memory_equal(got, "a<", 2);
    for (size_t i = 1; i < FILE_BYTES; i++)
        assert_int_equal(got[1 + i], (char)(i * 7 + i / 1000));
    assert_memory_equal(got + FILE_BYTES + 1, ">b", 2);
    assert_int_equal(send(fd, "q", 1, 0), 1);
    assert_int_equal(recv(fd, got, 1, 0), 0);
    close(fd);
    finish(&s);
    assert_int_equal(s.files_sent, 1);
    assert_int_equal(s.opened, 1);
    assert_int_equal(s.closed, 1);
    free(got);
}

static void a_real_file_goes_out_between_bytes(void **state)
{
    struct env *env = env_real_new();

    (void)state;
    bytes_and_files_arrive_in_order_from(env);
    env_real_free(env);
}

static void a_simulated_file_goes_out_between_bytes(void **state)
{
    struct env *env = env_sim_new(1);

    (void)state;
    assert_int_equal(env_make_dirs(env, "/tmp", NULL), IG_OK);
    bytes_and_files_arrive_in_order_from(env);
    env_sim_free(env);
}

static void clients_that_vanish_or_hang_are_closed_with_the_loop(void **state)
{
    struct env *env = env_real_new();
    struct server s = {0};
    int fds[20];
    char got[1];

    (void)state;
    start(&s, env);
    for (size_t i = 0; i < IG_COUNT(fds); i++) {
        fds[i] = dial(s.port);
        assert_int_equal(send(fds[i], "x", 1, 0), 1);
        read_all(fds[i], got, 1);
        if (i % 3 == 0)
            assert_int_equal(send(fds[i], "f", 1, 0), 1); /* and never reads it */
        if (i % 2)
            close(fds[i]);
    }
    finish(&s);
    assert_int_equal(s.opened, 20);
    assert_int_equal(s.closed, 20);
    assert_int_equal(s.files_sent, 7);
    for (size_t i = 0; i < IG_COUNT(fds); i += 2)
        close(fds[i]);
    env_real_free(env);
}

static void refused_clients_see_the_end(void **state)
{
    struct env *env = env_real_new();
    struct server s = {.refuse = true};
    char got[1];
    int fd;

    (void)state;
    start(&s, env);
    fd = dial(s.port);
    assert_int_equal(recv(fd, got, 1, 0), 0);
    close(fd);
    finish(&s);
    assert_int_equal(s.closed, 0);
    env_real_free(env);
}

struct order {
    struct env_loop *loop;
    char text[8];
};
static void add_a(void *arg)
{
    strcat(((struct order *)arg)->text, "a");
}
static void add_b(void *arg)
{
    strcat(((struct order *)arg)->text, "b");
}
static void stop_loop(void *arg)
{
    struct order *o = arg;

    o->loop->ops->stop(o->loop);
}

static void timers_fire_in_order_and_can_be_cancelled(void **state)
{
    struct env *env = env_real_new();
    struct order o = {0};
    struct env_timer *t;
    struct error err;

    (void)state;
    assert_int_equal(env_loop_new(env, &o.loop, &err), IG_OK);
    assert_int_equal(o.loop->ops->timer(o.loop, 20, add_b, &o, &t), IG_OK);
    assert_int_equal(o.loop->ops->timer(o.loop, 5, add_a, &o, &t), IG_OK);
    assert_int_equal(o.loop->ops->timer(o.loop, 10, add_a, &o, &t), IG_OK);
    o.loop->ops->cancel(o.loop, t);
    o.loop->ops->post(o.loop, add_b, &o);
    assert_int_equal(o.loop->ops->timer(o.loop, 40, stop_loop, &o, &t), IG_OK);
    assert_int_equal(o.loop->ops->timer(o.loop, 100000, add_b, &o, &t), IG_OK);
    o.loop->ops->run(o.loop);
    assert_string_equal(o.text, "bab");
    o.loop->ops->free(o.loop);
    env_real_free(env);
}

static void a_port_that_is_taken_is_an_error_that_names_it(void **state)
{
    struct env *env = env_real_new();
    struct server s = {0};
    struct env_server callbacks = {&s, opened, received, closed};
    struct env_listener *l;
    struct env_loop *loop;
    struct error err;
    char port[16];

    (void)state;
    start(&s, env);
    assert_int_equal(env_loop_new(env, &loop, &err), IG_OK);
    assert_int_not_equal(loop->ops->listen(loop, "127.0.0.1", s.port, &callbacks, &l, NULL, &err), IG_OK);
    snprintf(port, sizeof(port), "%d", s.port);
    assert_non_null(strstr(err.msg, port));
    assert_int_equal(loop->ops->listen(loop, "no.such.host.invalid", 0, &callbacks, &l, NULL, &err), IG_INVALID);
    loop->ops->free(loop);
    finish(&s);
    env_real_free(env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_real_file_goes_out_between_bytes),
        cmocka_unit_test(a_simulated_file_goes_out_between_bytes),
        cmocka_unit_test(clients_that_vanish_or_hang_are_closed_with_the_loop),
        cmocka_unit_test(refused_clients_see_the_end),
        cmocka_unit_test(timers_fire_in_order_and_can_be_cancelled),
        cmocka_unit_test(a_port_that_is_taken_is_an_error_that_names_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
