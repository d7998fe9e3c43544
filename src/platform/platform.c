/*
 * Opening and closing, in one order and its reverse.
 */
#include "platform/platform_internal.h"

static enum ig_code open_engine(struct platform *p, struct error *err)
{
    struct buf temp;
    buf_init(&temp, 0);
    enum ig_code rc = platform_scratch(p->env, p->conf, "engine", &temp, err);
    if (rc == IG_OK) {
        const struct engine_options options = {
            .memory_bytes = p->conf->memory_bytes,
            .threads = p->conf->threads,
            .temp_dir = buf_cstr(&temp),
            .unordered = true, /* tables have no order, and writing them needs less memory */
        };
        rc = engine_open(&options, &p->engine, err);
    }
    buf_release(&temp);
    return rc;
}

enum ig_code platform_open_store(struct env *env, const struct conf *conf, struct store **out, struct error *err)
{
    struct buf cache;
    enum ig_code rc;

    buf_init(&cache, 0);
    buf_printf(&cache, "%s/cache", conf->data_dir);
    rc = store_open_in(env, conf->store_url, buf_cstr(&cache), out, err);
    buf_release(&cache);
    return rc;
}

static enum ig_code open_lake(struct platform *p, struct error *err)
{
    IG_TRY(platform_open_store(p->env, p->conf, &p->store, err));
    IG_TRY(open_engine(p, err));
    if (p->conf->warehouse_url && *p->conf->warehouse_url)
        IG_TRY(warehouse_open(p->env, p->conf->warehouse_url, &p->warehouse, err));
    return IG_OK;
}

static enum ig_code ensure_topics(struct platform *p, struct error *err)
{
    for (size_t i = 0; i < p->conf->n_domains; i++) {
        const struct conf_domain *d = &p->conf->domains[i];
        const struct log_topic_spec raw = {
            .name = d->topic.name, .partitions = d->topic.partitions, .retention_ms = d->topic.retention_ms};
        const struct log_topic_spec dlq = {
            .name = d->topic.dlq_name, .partitions = 1, .retention_ms = d->topic.dlq_retention_ms};
        IG_TRY(log_topic_ensure(p->log, &raw, err));
        IG_TRY(log_topic_ensure(p->log, &dlq, err));
    }
    for (size_t i = 0; i < p->conf->n_topics; i++) {
        const struct conf_topic *t = &p->conf->topics[i];
        const struct log_topic_spec spec = {.name = t->name,
                                            .partitions = t->partitions,
                                            .retention_ms = t->retention_ms,
                                            .compact = t->cleanup != CONF_CLEANUP_DELETE,
                                            .and_delete = t->cleanup == CONF_CLEANUP_BOTH};

        IG_TRY(log_topic_ensure(p->log, &spec, err));
    }
    return IG_OK;
}

static enum ig_code open_parts(struct platform *p, struct error *err)
{
    if (!(p->parts & PLATFORM_BARE))
        IG_TRY(open_lake(p, err));
    if (p->parts & (PLATFORM_LOG | PLATFORM_SINK | PLATFORM_SERVING))
        IG_TRY(platform_open_log(p, err));
    p->context = (struct stage_context){
        .env = p->env,
        .conf = p->conf,
        .store = p->store,
        .engine = p->engine,
        .log = p->log,
        .warehouse = p->warehouse,
    };
    if (p->owner_lock) {
        /* In this order: who reads the endpoint may write to a topic at once, and a log that makes topics by use would
         * make it with other partitions and settings than the domain says. */
        IG_TRY(ensure_topics(p, err));
        if (p->parts & (PLATFORM_SINK | PLATFORM_SERVING))
            IG_TRY(platform_open_registry(p, err));
        IG_TRY(platform_announce(p, err));
    }
    if ((p->parts & PLATFORM_SINK) && p->owner_lock)
        IG_TRY(platform_start_sink(p, err));
    return IG_OK;
}

enum ig_code platform_open(struct env *env, const struct conf *conf, unsigned parts, struct platform **out,
                           struct error *err)
{
    struct platform *p = check_calloc(1, sizeof(*p));
    p->env = env;
    p->conf = conf;
    p->parts = parts;
    p->pumps = check_calloc(conf->n_domains ? conf->n_domains : 1, sizeof(struct source_pump *));
    enum ig_code rc = open_parts(p, err);
    *out = p;
    if (rc != IG_OK) {
        *out = NULL;
        if (platform_close(p, NULL) != IG_OK)
            log_warn(env, "platform", "what had been opened did not close cleanly");
    }
    return rc;
}

/* What is in the log when `ingot up` is told to stop goes to bronze before it does, if that is not too long: whoever
 * had an acknowledgement finds the record there. What is left is safe in the log. */
#define DRAIN_LIMIT_MS 5000

static void drain_sink(struct platform *p)
{
    struct error err = {0};
    if ((p->parts & PLATFORM_SERVING) && p->sink && stage_sink_drain(p->sink, DRAIN_LIMIT_MS, &err) != IG_OK)
        log_warn(p->env, "platform", "not everything in the log is in bronze yet, the next start goes on: %s", err.msg);
}

enum ig_code platform_close(struct platform *p, struct error *err)
{
    if (!p)
        return IG_OK;
    enum ig_code rc = platform_stop_pumps(p, err);
    drain_sink(p);
    if (p->sink) {
        const enum ig_code sink_rc = stage_sink_stop(p->sink, rc == IG_OK ? err : NULL);
        rc = rc == IG_OK ? sink_rc : rc;
    }
    platform_close_registry(p);
    platform_close_log(p);
    warehouse_free(p->warehouse);
    engine_close(p->engine);
    store_free(p->store);
    free(p->pumps);
    free(p);
    return rc;
}

const struct stage_context *platform_context(struct platform *p)
{
    return &p->context;
}

bool platform_owns_log(const struct platform *p)
{
    return p->owner_lock != NULL;
}

const char *platform_bootstrap(const struct platform *p)
{
    return p->endpoint.bootstrap[0] ? p->endpoint.bootstrap : NULL;
}

int platform_http_port(const struct platform *p)
{
    return p->serve ? serve_port(p->serve) : 0;
}
