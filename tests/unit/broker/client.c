#include "client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

bool client_open(struct client *c, int port)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    const struct timeval limit = {10, 0};
    const int one = 1;

    *c = (struct client){.fd = socket(AF_INET, SOCK_STREAM, 0)};
    arena_init(&c->arena);
    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return connect(c->fd, (struct sockaddr *)&sa, sizeof(sa)) == 0;
}

void client_close(struct client *c)
{
    close(c->fd);
    arena_release(&c->arena);
}

bool client_send(struct client *c, int16_t key, int16_t version, const void *request)
{
    const struct api *api = api_find(key);
    struct wire_out out = {0};
    bool ok;

    wire_put_int(&out.buf, 0, 4);
    wire_put_int(&out.buf, key, 2);
    wire_put_int(&out.buf, version, 2);
    wire_put_int(&out.buf, ++c->correlation_id, 4);
    wire_put_int(&out.buf, 4, 2);
    buf_puts(&out.buf, "unit");
    if (version >= api->flexible)
        wire_put_uvarint(&out.buf, 0);
    wire_encode(api->request, version, version >= api->flexible, request, &out);
    wire_store(out.buf.p, (int64_t)out.buf.n - 4, 4);
    ok = send(c->fd, out.buf.p, out.buf.n, MSG_NOSIGNAL) == (ssize_t)out.buf.n;
    buf_release(&out.buf);
    return ok;
}

const void *client_receive(struct client *c, int16_t key, int16_t version)
{
    const struct api *api = api_find(key);
    const bool flexible = version >= api->flexible;
    const size_t header = flexible && key != 18 ? 5 : 4;
    uint8_t size[4];
    void *out = NULL;
    struct error err;
    size_t n;
    char *p;

    if (recv(c->fd, size, 4, MSG_WAITALL) != 4)
        return NULL;
    n = (size_t)wire_load(size, 4);
    p = arena_alloc(&c->arena, n + 1, 1);
    if (recv(c->fd, p, n, MSG_WAITALL) != (ssize_t)n || n < header)
        return NULL;
    if (wire_decode(api->response, version, flexible, (struct str){p + header, n - header}, &c->arena, &out, &err))
        return NULL;
    return out;
}

const void *client_call(struct client *c, int16_t key, int16_t version, const void *request)
{
    return client_send(c, key, version, request) ? client_receive(c, key, version) : NULL;
}

int16_t client_create_topic(struct client *c, const char *name, int32_t partitions)
{
    struct wire_create_topic topic = {
        .name = str_of(name), .num_partitions = partitions, .replication_factor = 1, .configs = {NULL, 0}};
    struct wire_create_topics_request request = {.topics = {&topic, 1}, .timeout_ms = 1000};
    const struct wire_create_topics_response *r = client_call(c, 19, 5, &request);

    return r && r->topics.n == 1 ? r->topics.p[0].error_code : -100;
}

int16_t client_produce(struct client *c, const char *topic, int32_t partition, const char *batch, size_t n,
                       int64_t *base_offset)
{
    struct wire_produce_partition p = {.index = partition, .records = {.p = batch, .n = (int64_t)n}};
    struct wire_produce_topic t = {.name = str_of(topic), .partitions = {&p, 1}};
    struct wire_produce_request request = {.acks = -1, .timeout_ms = 1000, .topics = {&t, 1}};
    const struct wire_produce_response *r = client_call(c, 0, 8, &request);

    if (!r || r->topics.n != 1 || r->topics.p[0].partitions.n != 1)
        return -100;
    *base_offset = r->topics.p[0].partitions.p[0].base_offset;
    return r->topics.p[0].partitions.p[0].error_code;
}
