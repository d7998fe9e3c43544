/* A client that speaks the protocol by the broker's own tables, one request at a time. */
#ifndef UNIT_BROKER_CLIENT_H
#define UNIT_BROKER_CLIENT_H

#include "broker/broker_internal.h"

struct client {
    int fd;
    int32_t correlation_id;
    struct arena arena; /* answers live in it until client_close */
};

bool client_open(struct client *c, int port);
void client_close(struct client *c);
bool client_send(struct client *c, int16_t key, int16_t version, const void *request);
/* The answer to the oldest request that is not answered yet; NULL if the connection is gone. */
const void *client_receive(struct client *c, int16_t key, int16_t version);
const void *client_call(struct client *c, int16_t key, int16_t version, const void *request);

/* Makes a topic with n partitions; gives the error code. */
int16_t client_create_topic(struct client *c, const char *name, int32_t partitions);
/* Produces one batch to a partition; the error code, or -100 if the connection is gone. */
int16_t client_produce(struct client *c, const char *topic, int32_t partition, const char *batch, size_t n,
                       int64_t *base_offset);

#endif
