/*
 * How big partitions are: DescribeLogDirs, which librdkafka does not have, over a connection of our own to each broker.
 */
#include "log/client.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define ANSWER_MAX (64 << 20)
#define PATIENCE_S 5

enum { API_SASL_HANDSHAKE = 17, API_DESCRIBE_LOG_DIRS = 35, API_SASL_AUTHENTICATE = 36 };

/* --- big-endian bytes ---------------------------------------------------------------------------------------- */

static void put16(struct buf *b, int v)
{
    buf_putc(b, (char)(v >> 8));
    buf_putc(b, (char)v);
}

static void put32(struct buf *b, int64_t v)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        buf_putc(b, (char)(v >> shift));
}

static void put_string(struct buf *b, const char *s)
{
    put16(b, (int)strlen(s));
    buf_puts(b, s);
}

/* What is left of an answer; `bad` once something does not fit. */
struct answer {
    const unsigned char *p;
    size_t n;
    bool bad;
};

static int64_t take_int(struct answer *a, size_t size)
{
    uint64_t v = 0;

    if (a->bad || a->n < size) {
        a->bad = true;
        return 0;
    }
    for (size_t i = 0; i < size; i++)
        v = v << 8 | a->p[i];
    a->p += size;
    a->n -= size;
    return size == 2 ? (int16_t)v : size == 4 ? (int32_t)v : (int64_t)v;
}

/* How many items follow, each of at least `least` bytes. */
static size_t take_count(struct answer *a, size_t least)
{
    const int64_t n = take_int(a, 4);

    if (n < 0 || (uint64_t)n > a->n / least) {
        a->bad = a->bad || n != -1;
        return 0;
    }
    return (size_t)n;
}

static struct str take_string(struct answer *a)
{
    const int64_t n = take_int(a, 2);
    const struct str s = {(const char *)a->p, (size_t)(n > 0 ? n : 0)};

    if (a->bad || s.n > a->n) {
        a->bad = true;
        return (struct str){NULL, 0};
    }
    a->p += s.n;
    a->n -= s.n;
    return s;
}

/* --- one connection ------------------------------------------------------------------------------------------ */

static int dial(const char *host, int port)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    struct addrinfo *found = NULL;
    char service[16];
    int fd = -1;

    snprintf(service, sizeof(service), "%d", port);
    if (getaddrinfo(host, service, &hints, &found) != 0)
        return -1;
    for (const struct addrinfo *a = found; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (fd < 0)
            continue;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
        if (connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    return fd;
}

static bool send_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        const ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

        if (sent <= 0)
            return false;
        p += sent;
        n -= (size_t)sent;
    }
    return true;
}

static bool receive_all(int fd, char *p, size_t n)
{
    while (n > 0) {
        const ssize_t got = recv(fd, p, n, 0);

        if (got <= 0)
            return false;
        p += got;
        n -= (size_t)got;
    }
    return true;
}

/* Sends a request and gives the answer's body, behind the correlation id; its bytes are in `in`. */
static bool ask(int fd, int api, int version, struct str body, struct buf *in, struct answer *out)
{
    struct buf head;
    char size[4];
    bool ok;

    buf_init(&head, 0);
    put32(&head, (int64_t)(2 + 2 + 4 + 2 + strlen("ingot") + body.n));
    put16(&head, api);
    put16(&head, version);
    put32(&head, 1);
    put_string(&head, "ingot");
    buf_add_str(&head, body);
    ok = send_all(fd, head.p, head.n) && receive_all(fd, size, sizeof(size));
    buf_release(&head);
    if (ok) {
        struct answer a = {(const unsigned char *)size, 4, false};
        const int64_t n = take_int(&a, 4);
        char *room = n >= 4 && n <= ANSWER_MAX ? buf_reserve(in, (size_t)n) : NULL;

        ok = room && receive_all(fd, room, (size_t)n);
        if (ok)
            *out = (struct answer){(const unsigned char *)room + 4, (size_t)n - 4, false};
    }
    return ok;
}

static const char *property(const struct log_client *c, const char *name)
{
    for (size_t i = c->properties.n; i > 0; i--)
        if (strcmp(c->properties.p[i - 1].name, name) == 0)
            return c->properties.p[i - 1].value;
    return NULL;
}

static bool is_protocol(const struct log_client *c, const char *name)
{
    const char *protocol = property(c, "security.protocol");

    return strcasecmp(protocol ? protocol : "plaintext", name) == 0;
}

static bool log_in(const struct log_client *c, int fd)
{
    const char *mechanism = property(c, "sasl.mechanism"), *user = property(c, "sasl.username"),
               *password = property(c, "sasl.password");
    struct answer a = {0};
    struct buf body, in;
    bool ok = false;

    mechanism = mechanism ? mechanism : property(c, "sasl.mechanisms");
    if (!mechanism || strcasecmp(mechanism, "PLAIN") != 0 || !user || !password)
        return false;
    buf_init(&body, 0);
    buf_init(&in, 0);
    put_string(&body, "PLAIN");
    ok = ask(fd, API_SASL_HANDSHAKE, 1, buf_str(&body), &in, &a) && take_int(&a, 2) == 0 && !a.bad;
    buf_clear(&body);
    buf_clear(&in);
    put32(&body, (int64_t)(2 + strlen(user) + strlen(password)));
    buf_putc(&body, '\0');
    buf_puts(&body, user);
    buf_putc(&body, '\0');
    buf_puts(&body, password);
    ok = ok && ask(fd, API_SASL_AUTHENTICATE, 0, buf_str(&body), &in, &a) && take_int(&a, 2) == 0 && !a.bad;
    buf_release(&body);
    buf_release(&in);
    return ok;
}

/* --- the answer ---------------------------------------------------------------------------------------------- */

struct reading {
    struct log_sizes *out;
    const struct log_cluster *cluster;
    int32_t broker;
    VEC(struct log_size) found;
};

static bool leads(const struct reading *r, const char *topic, int64_t partition)
{
    const struct log_topic *t = log_cluster_topic(r->cluster, topic);

    for (size_t i = 0; t && i < t->n; i++)
        if (t->partitions[i].id == partition)
            return t->partitions[i].leader == r->broker;
    return false;
}

/* DescribeLogDirs v1, and v0, which looks the same. */
static bool take_log_dirs(struct reading *r, struct answer *a)
{
    take_int(a, 4);
    for (size_t dirs = take_count(a, 8); dirs > 0 && !a->bad; dirs--) {
        take_int(a, 2);
        take_string(a);
        for (size_t topics = take_count(a, 6); topics > 0 && !a->bad; topics--) {
            const struct str name = take_string(a);
            const char *topic = arena_strndup(&r->out->arena, name.p ? name.p : "", name.n);

            for (size_t partitions = take_count(a, 21); partitions > 0 && !a->bad; partitions--) {
                const int64_t partition = take_int(a, 4), bytes = take_int(a, 8);

                take_int(a, 8);
                const bool future = take_int(a, 1) != 0;
                if (!a->bad && !future && leads(r, topic, partition))
                    vec_push(&r->found, ((struct log_size){topic, (int32_t)partition, bytes}));
            }
        }
    }
    return !a->bad;
}

static bool read_broker(const struct log_client *c, const struct log_broker *b, struct reading *r)
{
    const int fd = dial(b->host, b->port);
    struct answer a;
    struct buf body, in;
    bool ok = fd >= 0;

    r->broker = b->id;
    buf_init(&body, 0);
    buf_init(&in, ANSWER_MAX);
    if (ok && is_protocol(c, "sasl_plaintext"))
        ok = log_in(c, fd);
    put32(&body, -1); /* all topics */
    ok = ok && ask(fd, API_DESCRIBE_LOG_DIRS, 1, buf_str(&body), &in, &a) && take_log_dirs(r, &a);
    buf_release(&in);
    buf_release(&body);
    if (fd >= 0)
        close(fd);
    return ok;
}

static int by_place(const void *a, const void *b)
{
    const struct log_size *x = a, *y = b;
    const int order = strcmp(x->topic, y->topic);

    return order ? order : (x->partition > y->partition) - (x->partition < y->partition);
}

void log_sizes_read(struct log_client *c, struct log_sizes *out)
{
    struct log_cluster cluster = {0};
    struct reading r = {.out = out, .cluster = &cluster};

    *out = (struct log_sizes){0};
    arena_init(&out->arena);
    if (!is_protocol(c, "plaintext") && !is_protocol(c, "sasl_plaintext"))
        return;
    out->known = log_cluster_read(c, &cluster, NULL) == IG_OK;
    for (size_t i = 0; i < cluster.n_brokers && out->known; i++)
        out->known = read_broker(c, &cluster.brokers[i], &r);
    out->n = out->known ? r.found.n : 0;
    out->p = ARENA_ARRAY(&out->arena, struct log_size, out->n + 1);
    if (out->n > 0) {
        memcpy(out->p, r.found.p, out->n * sizeof(*out->p));
        qsort(out->p, out->n, sizeof(*out->p), by_place);
    }
    vec_free(&r.found);
    log_cluster_free(&cluster);
}

int64_t log_sizes_of(const struct log_sizes *sizes, const char *topic, int32_t partition)
{
    const struct log_size wanted = {topic, partition, 0};
    const struct log_size *found = sizes->n > 0 ? bsearch(&wanted, sizes->p, sizes->n, sizeof(wanted), by_place) : NULL;

    return found ? found->bytes : -1;
}

void log_sizes_free(struct log_sizes *sizes)
{
    arena_release(&sizes->arena);
    *sizes = (struct log_sizes){0};
}
