/*
 * A connection: bytes in and out, frames, who is at its other end, and the requests that are under way on it.
 */
#ifndef BROKER_CONN_H
#define BROKER_CONN_H

#include "broker/broker_internal.h"
#include "broker/sasl.h"
#include "broker/security.h"
#include "broker/tls.h"

/* Where clients come in. */
struct listener {
    struct broker *b;
    const struct conf_listener *conf;
    struct env_listener *io;
    struct tls_context *tls; /* NULL: plain */
    int port;
    size_t n_conns;
    double tokens; /* connections that may come at once */
    int64_t tokens_at_us;
};

enum conn_state {
    CONN_TLS,       /* hands are being shaken */
    CONN_HANDSHAKE, /* is to say how it will authenticate */
    CONN_SASL,      /* authenticates, in SaslAuthenticate requests */
    CONN_SASL_RAW,  /* the same, in bare frames */
    CONN_READY,
    CONN_ENDING, /* is sent what it still gets, and heard no more */
};

/* What is to be encrypted and sent: memory of our own, or a part of a file. */
struct conn_piece {
    struct conn_piece *next;
    char *data; /* malloc; NULL for a file */
    struct env_file *file;
    int64_t file_at;
    size_t n, done_n;
    env_post_fn *done;
    void *arg;
};

struct conn {
    struct conn *next, **pprev;
    struct broker *b;
    struct listener *listener;
    struct env_conn *io;
    char peer[96], address[80], local_host[64];
    int64_t opened_ms, active_ms;
    enum conn_state state;
    /* who it is */
    char *principal; /* "User:alice" */
    struct sasl *sasl;
    bool again;               /* it authenticates once more; its old principal holds meanwhile */
    int64_t session_until_ms; /* by when it has to; 0: never */
    struct env_timer *timer;  /* of a refusal that waits, or of silence by quota */
    int64_t muted_until_ms;
    /* the frame that is coming in */
    uint8_t size_bytes[4];
    size_t size_have;
    char *frame;
    size_t frame_size, frame_have, frame_cap;
    /* requests, the oldest first */
    struct request *first, **last;
    size_t n_requests;
    bool paused, marked, resuming, muted, starved;
    bool marking, dead; /* a mark is being queued; none will be any more, the socket is gone */
    struct buf stash;   /* what had been read when there were too many requests */
    /* TLS: what waits to be encrypted */
    struct tls *tls;
    struct conn_piece *pieces, **last_piece;
    size_t piece_bytes;
    bool pumping;
};

/* --- conn.c, request.c ------------------------------------------------------------------------------------------ */

/* Reads a request from a whole frame, which it takes over. NULL, with a sentence, if this client talks nonsense. */
struct request *request_parse(struct conn *c, char *frame, size_t n, struct error *err);
/* Hands it to who answers it. */
void request_begin(struct request *r);
void request_free(struct request *r);
/* Answers at the front of the queue that are ready leave. */
void conn_send_ready(struct conn *c);
/* Plain text of the client. False: the connection is to be closed. */
bool conn_take(struct conn *c, const char *p, size_t n);
/* What keeps it from being read may be over. */
void conn_resume(struct conn *c);
/* Sends what is queued and closes; nothing more is read. */
void conn_end(struct conn *c);
/* Nothing is read for so long. */
void conn_mute(struct conn *c, int64_t ms);
/* Calls fn(c) from the loop when what is queued now is sent, or the socket is gone; fn begins with conn_is_marking. */
void conn_mark(struct conn *c, env_post_fn *fn);
/* True: the socket is gone, and fn is called from inside of conn_mark. It does nothing then. */
bool conn_is_marking(struct conn *c);
/* A warning about a client; many of them are cut short. */
void conn_warn(struct conn *c, const char *fmt, ...) IG_PRINTF(2, 3);
/* Frees whatever waits for the timer. */
void conn_stop_timer(struct conn *c);

/* --- conn_memory.c: what requests of all connections take together ---------------------------------------------------
 */

void memory_take(struct broker *b, size_t n);
void memory_give(struct broker *b, size_t n);
/* May more of a frame be read? If not, conn_resume is called when it may. */
bool conn_may_grow(struct conn *c);
/* Its frame is whole, or it is gone: another one's turn. */
void conn_unfavour(struct conn *c);
void memory_tick(struct broker *b);

/* --- conn_io.c: plain, or through TLS ------------------------------------------------------------------------------
 */

void conn_io_begin(struct conn *c);
void conn_io_release(struct conn *c);
bool conn_io_received(struct conn *c, const void *bytes, size_t n);
void conn_io_send(struct conn *c, char *data, size_t n); /* owns data */
void conn_io_send_file(struct conn *c, struct env_file *f, int64_t at, size_t n, env_post_fn *done, void *arg);
size_t conn_io_queued(struct conn *c);

/* --- login.c: authentication ----------------------------------------------------------------------------------------
 */

/* The first thing that a new connection has to do. */
enum conn_state conn_first_state(const struct listener *l);
/* TLS is up: who is it? False if no one that is let in. */
bool conn_shook_hands(struct conn *c);
/* May this request be read in this state? False: close, after a warning. */
bool conn_may_ask(struct conn *c, int16_t api_key);
/* A frame that is a bare message of SASL. */
bool conn_raw_sasl(struct conn *c, struct str message);
void conn_login_release(struct conn *c);

/* --- listeners.c
 * ------------------------------------------------------------------------------------------------------ */

IG_MUST_CHECK enum ig_code listeners_open(struct broker *b, struct error *err);
void listeners_close(struct broker *b);
void listeners_free(struct broker *b);
/* Certificates that have changed. */
void listeners_refresh(struct broker *b);
/* NULL if the connection may come in, otherwise why not. */
const char *listener_refuses(struct listener *l, const char *address);

#endif
