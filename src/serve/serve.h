/*
 * The HTTP server: the schema registry's REST API. A connection has a thread of its own, since an answer may wait for
 * the disk; how many there may be, how long one may be silent and how big a body may be is limited.
 */
#ifndef SERVE_SERVE_H
#define SERVE_SERVE_H

#include "base/base.h"
#include "registry/registry.h"

struct serve;

struct serve_options {
    const char *host;              /* an address or a name of this machine */
    int port;                      /* 0: any free one */
    size_t body_max_bytes;         /* 0: 4 MiB */
    unsigned connections_max;      /* 0: 1024 */
    unsigned idle_s;               /* 0: 60 */
    const char *user, *password;   /* basic authentication; NULL: none */
    const char *certificate, *key; /* PEM files; NULL: plain HTTP */
};

/* Serves until serve_stop. The registry must outlive it. */
IG_MUST_CHECK enum ig_code serve_start(struct env *env, const struct serve_options *options, struct registry *registry,
                                       struct serve **out, struct error *err);
int serve_port(const struct serve *s);
void serve_stop(struct serve *s); /* requests on their way are answered; NULL is fine */

#endif
