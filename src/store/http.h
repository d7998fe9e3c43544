/*
 * HTTP for stores, over libcurl: one client per store, used from any thread.
 *
 * Connections are pooled and reused; at most `connections` requests run at once, the others wait their turn. TLS is
 * always verified. http_send() is one try. http_run() repeats with exponential backoff and jitter, within the client's
 * budget, and remembers whether a try may have been applied though its answer was lost or a 5xx.
 *
 * Bodies are sent from memory: signing and checksums need them whole before the first byte goes. A big object is sent
 * in parts.
 */
#ifndef STORE_HTTP_H
#define STORE_HTTP_H

#include "base/base.h"

struct http_client;

struct http_options {
    const char *ca_file;    /* certificates to trust, PEM; NULL: the system's */
    const char *user_agent; /* NULL: ingot/VERSION */
    bool direct;            /* never through a proxy, whatever the environment says: link-local addresses */
    unsigned connections;   /* at once; 0: 64 */
    int64_t connect_ms;     /* 0: 10 s */
    int64_t idle_ms;        /* no byte either way for that long ends a try, and 20 times that any try; 0: 30 s */
    unsigned tries;         /* of one request; 0: 10 */
    int64_t retry_ms;       /* no further try is begun after that long; 0: 90 s */
    int64_t backoff_ms;     /* first pause, doubled at each try, up to 10 s, jittered; 0: 100 ms */
};

struct http_request {
    const char *method, *url;   /* the URL is percent-encoded already and sent as it is */
    const char *const *headers; /* "Name: value" */
    size_t n_headers;
    struct str body; /* sent with a Content-Length, also of 0, if the method is PUT or POST */
    /* Must not reach the server twice unseen: curl repeats a request by itself when a reused connection turns out to be
     * dead, and the second answer to a conditional put would then be "taken" by our own. */
    bool once;
    /* Where a 2xx body goes: appended to `out` (whose max is the limit), or written to `file` from `file_at`, at most
     * `file_max` bytes. With neither, it goes to the response's body. */
    struct buf *out;
    struct env_file *file;
    int64_t file_at, file_max;
};

enum http_sent {
    HTTP_NOT_SENT, /* the server cannot have had the whole request: nothing happened */
    HTTP_LOST,     /* the request went out and no whole answer came: it may be applied */
    HTTP_ANSWERED,
};

struct http_response {
    enum http_sent sent;
    bool no_such_host;  /* the name is not known: a slip of the pen rather than an outage */
    int status;         /* if answered */
    struct buf headers; /* the lines of the last answer; see http_header() */
    struct buf body;    /* of what is not 2xx, or has no other place: cut at 1 MiB (16 MiB for 2xx: else IG_LIMIT) */
    int64_t n_bytes;    /* of the 2xx body */
    bool maybe_applied; /* http_run: a try before the last one was lost, or answered with a 5xx */
    unsigned tries;     /* http_run: how many were made */
    int64_t request_ms; /* our clock when the last try began: to compare with its Date */
};

IG_MUST_CHECK enum ig_code http_client_new(struct env *env, const struct http_options *options,
                                           struct http_client **out, struct error *err);
void http_client_free(struct http_client *c); /* NULL is fine; no request may be running */

/* From now on nothing is repeated, and who waits to repeat gives up: somebody is waiting for us to end. Or again as
 * usual. From any thread. */
void http_client_hurry(struct http_client *c, bool hurry);

void http_response_init(struct http_response *r);
void http_response_release(struct http_response *r);
/* The value of a header, name in any case; {NULL, 0} if it is not there. Valid until the next send. */
struct str http_header(const struct http_response *r, const char *name);

/* One try. IG_OK: an answer of any status is in `response`. Else response->sent says whether it may have been applied:
 * IG_UNAVAILABLE (may be repeated), IG_INVALID (certificate not trusted, URL unusable: repeating does not help),
 * IG_LIMIT (the answer is longer than there is place for), IG_IO, IG_NO_SPACE (writing the file). The message holds no
 * header and no query of the request. */
IG_MUST_CHECK enum ig_code http_send(struct http_client *c, const struct http_request *request,
                                     struct http_response *response, struct error *err);

/* What a client did so far: far fewer connects than requests, or connections are not reused. */
struct http_counts {
    uint64_t requests, connects;
};
struct http_counts http_client_counts(struct http_client *c);

enum http_verdict {
    HTTP_DONE,      /* the caller takes it from here */
    HTTP_AGAIN,     /* after a pause (Retry-After, else backoff) */
    HTTP_AGAIN_NOW, /* something was put right (clock, region, token): at once; counts as a try */
};

/* A request that may have to be repeated. */
struct http_job {
    /* Fills in the request for try number `try` (from 0): signatures hold a time. */
    enum ig_code (*prepare)(void *ctx, unsigned try, struct http_request *request, struct error *err);
    /* Looks at an answer; NULL: http_judge_status(). */
    enum http_verdict (*judge)(void *ctx, const struct http_response *response);
    void *ctx;
};

/* 408, 429, 500, 502, 503, 504: again. Everything else is done. */
enum http_verdict http_judge_status(const struct http_response *response);

/* IG_OK: the last answer is in `response`, also where tries ran out on statuses worth repeating. Else as http_send().
 * A body that went to `out` or `file` in a try that failed is taken back (out->n; the file is written over). */
IG_MUST_CHECK enum ig_code http_run(struct http_client *c, const struct http_job *job, struct http_response *response,
                                    struct error *err);

/* --- URLs ---------------------------------------------------------------------------------------------------- */

/* Percent-encodes all but A-Z a-z 0-9 - . _ ~ (and '/' if keep_slash), as SigV4 and every object store want it. */
void http_add_encoded(struct buf *out, struct str s, bool keep_slash);

#endif
