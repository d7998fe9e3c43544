/*
 * Bringing in what the sources have: pumps until their end, then the sink until it has everything.
 */
#include "base/names.h"
#include "platform/platform_internal.h"

#define POLL_MS 50
#define DRAIN_STEP_MS 500
#define DRAIN_IDLE_MS 60000 /* a sink that moves nothing for so long while it should, has failed */

enum ig_code platform_start_pump(struct platform *p, size_t domain, bool to_end, struct error *err)
{
    const struct source_options options = {
        .env = p->env,
        .conf = p->conf,
        .domain = &p->conf->domains[domain],
        .log = p->log,
        .to_end = to_end,
    };
    return source_start(&options, &p->pumps[domain], err);
}

enum ig_code platform_stop_pumps(struct platform *p, struct error *err)
{
    enum ig_code rc = IG_OK;
    for (size_t i = 0; i < p->conf->n_domains; i++) {
        if (!p->pumps[i])
            continue;
        const enum ig_code pump_rc = source_stop(p->pumps[i], rc == IG_OK ? err : NULL);
        rc = rc == IG_OK ? pump_rc : rc;
        p->pumps[i] = NULL;
    }
    return rc;
}

enum ig_code platform_start_sink(struct platform *p, struct error *err)
{
    p->sink_started_us = env_monotonic_us(p->env);
    return stage_sink_start(&p->context, &p->sink, err);
}

/* --- sources to their end -------------------------------------------------------------------------------- */

struct ingest {
    struct platform *p;
    platform_progress_fn *progress;
    void *ctx;
    const volatile bool *stop;
    struct platform_ingest *out;
    int64_t began_us;
};

static enum ig_code start_sources(struct ingest *in, const char *const *domains, size_t n, struct error *err)
{
    const struct conf *conf = in->p->conf;
    in->out->sources = check_calloc(conf->n_domains ? conf->n_domains : 1, sizeof(*in->out->sources));
    for (size_t i = 0; i < conf->n_domains; i++) {
        if (conf->domains[i].source.type == CONF_SOURCE_NONE || !names_choose(domains, n, conf->domains[i].name))
            continue;
        struct platform_source_hop *hop = &in->out->sources[in->out->n_sources++];
        hop->domain = conf->domains[i].name;
        const enum ig_code rc = platform_start_pump(in->p, i, true, &hop->error);
        if (rc == IG_CANCELLED)
            return error_set(err, rc, "%s", hop->error.msg);
        hop->failed = rc != IG_OK;
    }
    return IG_OK;
}

static struct platform_source_hop *hop_of(struct ingest *in, const char *domain)
{
    for (size_t i = 0; i < in->out->n_sources; i++) {
        if (strcmp(in->out->sources[i].domain, domain) == 0)
            return &in->out->sources[i];
    }
    return NULL;
}

/* Looks at one pump; stops it when it has come to its end. */
static void watch_pump(struct ingest *in, size_t domain)
{
    struct platform *p = in->p;
    struct source_progress s;
    struct platform_source_hop *hop = hop_of(in, p->conf->domains[domain].name);
    source_progress(p->pumps[domain], &s);
    hop->records = s.acknowledged;
    hop->refused = s.refused;
    hop->bytes = s.bytes;
    hop->elapsed_us = env_monotonic_us(p->env) - in->began_us;
    if (in->progress)
        in->progress(in->ctx, "log", hop->domain, s.acknowledged, s.total, hop->elapsed_us);
    if (!s.finished && !s.failed)
        return;
    hop->failed = s.failed;
    hop->error = s.error;
    struct error err = {0};
    if (source_stop(p->pumps[domain], &err) != IG_OK && !hop->failed) {
        hop->failed = true;
        hop->error = err;
    }
    p->pumps[domain] = NULL;
}

static bool is_stopped(const struct ingest *in)
{
    return in->stop && *in->stop;
}

static void watch_sources(struct ingest *in)
{
    struct platform *p = in->p;
    bool running = true;
    while (running && !is_stopped(in)) {
        running = false;
        for (size_t i = 0; i < p->conf->n_domains; i++) {
            if (p->pumps[i])
                watch_pump(in, i);
            running |= p->pumps[i] != NULL;
        }
        if (running)
            env_sleep_ms(p->env, POLL_MS);
    }
}

/* --- the sink until it has everything ------------------------------------------------------------------- */

static enum ig_code drain_sink(struct ingest *in, struct error *err)
{
    struct platform *p = in->p;
    int64_t moved_ms = env_monotonic_ms(p->env), last = -1;
    enum ig_code rc = IG_UNAVAILABLE;
    while (rc == IG_UNAVAILABLE && !is_stopped(in)) {
        struct stage_sink_progress *s = &in->out->sink;
        rc = stage_sink_drain(p->sink, DRAIN_STEP_MS, err);
        stage_sink_progress(p->sink, s);
        in->out->sink_us = env_monotonic_us(p->env) - in->began_us;
        if (s->failed)
            return error_set(err, s->error.code, "%s", s->error.msg);
        if (in->progress)
            in->progress(in->ctx, "bronze", NULL, s->records, -1, in->out->sink_us);
        if (s->records != last)
            moved_ms = env_monotonic_ms(p->env);
        last = s->records;
        if (rc == IG_UNAVAILABLE && env_monotonic_ms(p->env) - moved_ms > DRAIN_IDLE_MS)
            return error_context(err, rc, "the sink has moved nothing for %d s", DRAIN_IDLE_MS / 1000);
    }
    return rc;
}

enum ig_code platform_ingest(struct platform *p, const char *const *domains, size_t n_domains,
                             platform_progress_fn *progress, void *ctx, const volatile bool *stop,
                             struct platform_ingest *out, struct error *err)
{
    struct ingest in = {p, progress, ctx, stop, out, env_monotonic_us(p->env)};
    *out = (struct platform_ingest){0};
    if (!p->sink)
        return IG_OK;
    IG_TRY(start_sources(&in, domains, n_domains, err));
    watch_sources(&in);
    IG_TRY(platform_stop_pumps(p, err));
    if (!is_stopped(&in))
        IG_TRY(drain_sink(&in, err));
    if (is_stopped(&in))
        return error_set(err, IG_CANCELLED,
                         "stopped; what has come so far is kept, and the next run goes on from there");
    return IG_OK;
}

void platform_ingest_free(struct platform_ingest *in)
{
    free(in->sources);
    *in = (struct platform_ingest){0};
}
