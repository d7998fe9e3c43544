/*
 * The platform: opens what the configuration names, starts it in order, stops it in reverse. The only place that knows
 * every part.
 *
 * One process at a time owns a project's log (data/ingot.lock): `up`, or a `run` when nothing is up. A second process
 * finds the owner's broker through data/endpoint.json and works with it.
 */
#ifndef PLATFORM_PLATFORM_H
#define PLATFORM_PLATFORM_H

#include "base/base.h"
#include "broker/broker.h"
#include "conf/conf.h"
#include "lifecycle/lifecycle.h"
#include "source/source.h"
#include "stage/stage.h"

struct platform;

enum platform_parts {
    PLATFORM_LAKE = 0,         /* store, engine, warehouse: enough to query and process */
    PLATFORM_LOG = 1 << 0,     /* the log: started here, or found at the owner's */
    PLATFORM_SINK = 1 << 1,    /* log -> bronze; only if we own the log */
    PLATFORM_SOURCES = 1 << 2, /* sources -> log; only if we own the log */
};

IG_MUST_CHECK enum ig_code platform_open(struct env *env, const struct conf *conf, unsigned parts,
                                         struct platform **out, struct error *err);
/* Stops sources, drains and stops the sink, stops the broker, closes the rest. NULL is fine. */
IG_MUST_CHECK enum ig_code platform_close(struct platform *p, struct error *err);

const struct stage_context *platform_context(struct platform *p);
bool platform_owns_log(const struct platform *p);
const char *platform_bootstrap(const struct platform *p); /* host:port of the log, NULL without one */

/* `run`: pumps every (selected) source to its end, drains the sink, processes partitions. */
struct platform_hop {
    const char *domain;
    int64_t records;
    int64_t elapsed_us;
};
typedef void platform_progress_fn(void *ctx, const char *hop, const char *domain, int64_t done, int64_t total,
                                  int64_t elapsed_us);
IG_MUST_CHECK enum ig_code platform_ingest(struct platform *p, const char *const *domains, size_t n_domains,
                                           platform_progress_fn *progress, void *ctx, const volatile bool *stop,
                                           struct error *err);
/* `up`: runs until *stop; partitions are processed at conf->process_interval_ms. */
IG_MUST_CHECK enum ig_code platform_serve(struct platform *p, const volatile bool *stop, struct error *err);

#endif
