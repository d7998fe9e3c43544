/*
 * The platform: opens what the configuration names, starts it in order, stops it in reverse. The only place that knows
 * every part.
 *
 * One process at a time owns a project's log (data/ingot.lock): `ingot up`, or another verb that needs the log while
 * nothing is up. data/endpoint.json says where the owner's broker listens; a second process works with that. One
 * process at a time works on the partitions (data/run.lock).
 */
#ifndef PLATFORM_PLATFORM_H
#define PLATFORM_PLATFORM_H

#include "base/base.h"
#include "broker/broker.h"
#include "conf/conf.h"
#include "lifecycle/lifecycle.h"
#include "registry/registry.h"
#include "source/source.h"
#include "stage/stage.h"

struct platform;

enum platform_parts {
    PLATFORM_LAKE = 0,         /* store, engine, warehouse: enough to query */
    PLATFORM_LOG = 1 << 0,     /* the log: the one of `ingot up`, or started here on any free port */
    PLATFORM_SINK = 1 << 1,    /* log -> bronze; only if we own the log */
    PLATFORM_SERVING = 1 << 2, /* `ingot up`: on the configured address; IG_EXISTS if it is up already */
    PLATFORM_BARE = 1 << 3,    /* with LOG: the log alone, no store, engine and warehouse */
};

IG_MUST_CHECK enum ig_code platform_open(struct env *env, const struct conf *conf, unsigned parts,
                                         struct platform **out, struct error *err);
/* Stops sources, then the sink (which flushes; when serving, after it has read what is in the log), then the broker,
 * and closes the rest. Returns the first failure, after everything is closed. NULL is fine. */
IG_MUST_CHECK enum ig_code platform_close(struct platform *p, struct error *err);

const struct stage_context *platform_context(struct platform *p);
bool platform_owns_log(const struct platform *p);
/* Of `ingot up`: the port on which it serves HTTP, 0: it does not. */
int platform_http_port(const struct platform *p);

/*
 * Contracts and the schema registry. Each domain's contract is the subject TOPIC-value; `up` and `run` register it
 * before anything flows, and stop with IG_CONFLICT if it is not compatible with what was registered, as the contract's
 * `compatibility` says. What was registered is kept in data/contracts/, too, for platform_check_contracts.
 */
struct platform_contract {
    const struct conf_domain *domain;
    enum ig_code code;  /* IG_OK; IG_CONFLICT: incompatible; others: it could not be checked */
    const char *level;  /* of compatibility */
    const char *source; /* with what it was compared: the registry, or data/contracts; NULL: nothing is there yet */
    struct buf reasons; /* a line each */
    struct error error;
};
/* Starts and writes nothing. One call for each domain. */
typedef void platform_contract_fn(void *ctx, const struct platform_contract *result);
void platform_check_contracts(struct env *env, const struct conf *conf, platform_contract_fn *each, void *ctx);

const char *platform_bootstrap(const struct platform *p); /* host:port of the log, NULL without one */

/* Where the `ingot up` of a project listens; IG_NOT_FOUND if it is not up. Needs nothing but the folder. */
struct platform_endpoint {
    char bootstrap[300];
    char client[300]; /* how our own clients come in, where that is another way; it holds a password */
    int64_t pid;
    bool serving; /* by `ingot up`; otherwise by a command that will end soon */
};
IG_MUST_CHECK enum ig_code platform_endpoint(struct env *env, const struct conf *conf, struct platform_endpoint *out,
                                             struct error *err);

/* Opens the configured store; copies of remote objects are kept in data/cache if the URL does not say where. */
IG_MUST_CHECK enum ig_code platform_open_store(struct env *env, const struct conf *conf, struct store **out,
                                               struct error *err);

/* Appends the path of a scratch folder of this process alone, data/tmp/WHAT-PID, for an engine to spill to (which makes
 * and removes it); removes those of processes that are dead. */
IG_MUST_CHECK enum ig_code platform_scratch(struct env *env, const struct conf *conf, const char *what, struct buf *out,
                                            struct error *err);

/* Called again and again while something goes on: `hop` is log or bronze; total -1: unknown. */
typedef void platform_progress_fn(void *ctx, const char *hop, const char *domain, int64_t done, int64_t total,
                                  int64_t elapsed_us);

/* What `platform_ingest` brought in. */
struct platform_source_hop {
    const char *domain;
    int64_t records, refused, bytes, elapsed_us;
    bool failed;
    struct error error;
};
struct platform_ingest {
    struct platform_source_hop *sources; /* of the domains that have one and were asked for */
    size_t n_sources;
    struct stage_sink_progress sink; /* since the platform was opened */
    int64_t sink_us;
};
void platform_ingest_free(struct platform_ingest *in);

/* `run`: pumps every source (of the named domains; n 0: all) to its end and waits until everything is in bronze. A
 * source that fails stops nothing else; its hop says why. Does nothing if another process owns the log. */
IG_MUST_CHECK enum ig_code platform_ingest(struct platform *p, const char *const *domains, size_t n_domains,
                                           platform_progress_fn *progress, void *ctx, const volatile bool *stop,
                                           struct platform_ingest *out, struct error *err);

/* lifecycle_run, when no other process is at it. */
IG_MUST_CHECK enum ig_code platform_process(struct platform *p, const struct lifecycle_selection *sel,
                                            lifecycle_progress_fn *progress, void *ctx, const volatile bool *stop,
                                            struct lifecycle_outcome *out, struct error *err);

/* `up`: keeps sources and sink going until *stop, and processes partitions at conf->process_interval_ms. What fails is
 * logged and tried again. */
IG_MUST_CHECK enum ig_code platform_serve(struct platform *p, const volatile bool *stop, struct error *err);

#endif
