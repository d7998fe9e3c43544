/*
 * What the files of platform/ share.
 */
#ifndef PLATFORM_PLATFORM_INTERNAL_H
#define PLATFORM_PLATFORM_INTERNAL_H

#include "platform/platform.h"
#include "serve/serve.h"

struct platform {
    struct env *env;
    const struct conf *conf;
    unsigned parts;
    struct store *store;
    struct engine *engine;
    struct warehouse *warehouse;
    struct env_file *owner_lock; /* NULL: another process owns the log */
    struct broker *broker;       /* NULL: not ours, or not inside */
    struct broker_door *door;    /* NULL: the broker is not protected, or not ours */
    struct platform_endpoint endpoint;
    struct log_client *log;
    struct registry *registry; /* NULL: not opened */
    struct serve *serve;
    struct stage_sink *sink;
    int64_t sink_started_us;
    struct source_pump **pumps; /* one a domain, NULL: not running */
    struct stage_context context;
};

/* --- owner.c: who owns the log, and where it is --- */

/* Takes data/NAME.lock; IG_EXISTS if another process has it. */
IG_MUST_CHECK enum ig_code platform_lock(struct env *env, const struct conf *conf, const char *name,
                                         struct env_file **out, struct error *err);
/* Becomes the owner of the log and starts it, or finds out who is. */
IG_MUST_CHECK enum ig_code platform_open_log(struct platform *p, struct error *err);
/* Says in data/endpoint.json where the log is: others work with it from now on. */
IG_MUST_CHECK enum ig_code platform_announce(struct platform *p, struct error *err);
void platform_close_log(struct platform *p);

/* --- inside.c --- */

IG_MUST_CHECK enum ig_code platform_start_inside(struct platform *p, struct error *err);

/* --- contracts.c --- */

/* Opens the registry, registers the contracts, and with SERVING serves HTTP. */
IG_MUST_CHECK enum ig_code platform_open_registry(struct platform *p, struct error *err);
void platform_close_registry(struct platform *p);

/* --- ingest.c --- */

IG_MUST_CHECK enum ig_code platform_start_pump(struct platform *p, size_t domain, bool to_end, struct error *err);
/* Stops all pumps; returns the first failure. */
IG_MUST_CHECK enum ig_code platform_stop_pumps(struct platform *p, struct error *err);
IG_MUST_CHECK enum ig_code platform_start_sink(struct platform *p, struct error *err);

#endif
