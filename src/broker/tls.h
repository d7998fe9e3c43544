/*
 * TLS over memory: bytes of the socket in, bytes of the client out, and back. It never reads or writes a socket and
 * never waits.
 *
 * A context has the certificates of one listener. They are read again when their files change; connections that are
 * open keep what they began with.
 */
#ifndef BROKER_TLS_H
#define BROKER_TLS_H

#include "base/base.h"
#include "conf/conf.h"

#define TLS_CHUNK_BYTES ((size_t)64 << 10) /* plain text that is encrypted at a time */

struct tls_context;
/* IG_INVALID, naming the file, for what is no certificate or key, or does not belong together. */
IG_MUST_CHECK enum ig_code tls_context_new(struct env *env, const struct conf_tls *conf, struct tls_context **out,
                                           struct error *err);
void tls_context_free(struct tls_context *c);
/* Looks whether the files have changed. What can not be used is logged, and the old ones stay. */
void tls_context_refresh(struct tls_context *c);
/* When the certificate ends, in milliseconds since 1970. */
int64_t tls_context_ends_ms(const struct tls_context *c);

/* What comes out of a session. `encrypted` owns its bytes (malloc); `plain` returns false to end the connection. */
struct tls_sink {
    void *ctx;
    void (*encrypted)(void *ctx, char *bytes, size_t n);
    bool (*plain)(void *ctx, const char *bytes, size_t n);
};

struct tls;
struct tls *tls_new(struct tls_context *c, const struct tls_sink *sink);
void tls_free(struct tls *t);
/* Bytes have come from the socket. IG_INVALID: the session is broken (what the client is told has gone to
 * `encrypted`); IG_CANCELLED: `plain` wanted no more, or the client says goodbye. */
IG_MUST_CHECK enum ig_code tls_received(struct tls *t, const void *bytes, size_t n, struct error *err);
IG_MUST_CHECK enum ig_code tls_write(struct tls *t, const void *bytes, size_t n, struct error *err);
bool tls_is_ready(const struct tls *t); /* hands are shaken */
/* The subject of the client's certificate, as RFC 2253 writes it; false if it showed none. */
bool tls_subject(const struct tls *t, struct buf *out);
/* The principal that the listener's rules make of a subject ("CN=a,O=b" without rules). False if no rule fits. */
bool tls_principal(const struct conf_tls *conf, const char *subject, struct buf *out);

#endif
