/*
 * A connection: bytes in and out, frames, and the requests that are under way on it.
 */
#ifndef BROKER_CONN_H
#define BROKER_CONN_H

#include "broker/broker_internal.h"

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

/* --- what conn.c and request.c call of each other ------------------------------------------------------------ */

/* Reads a request from a whole frame, which it takes over. NULL, with a sentence, if this client talks nonsense. */
struct request *request_parse(struct conn *c, char *frame, size_t n, struct error *err);
/* Hands it to who answers it. */
void request_begin(struct request *r);
void request_free(struct request *r);
/* Answers at the front of the queue that are ready leave. */
void conn_send_ready(struct conn *c);

#endif
