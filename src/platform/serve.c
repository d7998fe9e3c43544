/*
 * `ingot up`: everything kept going in one process until it is told to stop.
 */
#include "platform/platform_internal.h"

#define POLL_MS 100
#define RESTART_MS 5000
#define RESTART_MAX_MS 60000
#define RUN_LOCK_WAIT_MS 600000
#define BUSY_MS 1000

/* --- one run at a time --------------------------------------------------------------------------------------- */

/* IG_EXISTS: another process is at it, and was all of `wait_ms`. */
static enum ig_code lock_run(struct platform *p, int64_t wait_ms, const volatile bool *stop, struct env_file **out,
                             struct error *err)
{
    const int64_t until_ms = env_monotonic_ms(p->env) + wait_ms;
    for (;;) {
        const enum ig_code rc = platform_lock(p->env, p->conf, "run", out, err);
        if (rc != IG_EXISTS || wait_ms == 0)
            return rc;
        if (stop && *stop)
            return error_set(err, IG_CANCELLED, "stopped while another run was at work");
        if (env_monotonic_ms(p->env) > until_ms)
            return error_set(err, IG_UNAVAILABLE, "another run works on %s and does not end", p->conf->root);
        env_sleep_ms(p->env, POLL_MS);
    }
}

static enum ig_code process(struct platform *p, int64_t wait_ms, const struct lifecycle_selection *sel,
                            lifecycle_progress_fn *progress, void *ctx, const volatile bool *stop,
                            struct lifecycle_outcome *out, struct error *err)
{
    struct env_file *lock;
    *out = (struct lifecycle_outcome){0};
    IG_TRY(lock_run(p, wait_ms, stop, &lock, err));
    enum ig_code rc = lifecycle_run(&p->context, sel, progress, ctx, stop, out, err);
    env_close(p->env, lock);
    return rc;
}

enum ig_code platform_process(struct platform *p, const struct lifecycle_selection *sel,
                              lifecycle_progress_fn *progress, void *ctx, const volatile bool *stop,
                              struct lifecycle_outcome *out, struct error *err)
{
    return process(p, RUN_LOCK_WAIT_MS, sel, progress, ctx, stop, out, err);
}

/* --- what `up` does at its intervals ------------------------------------------------------------------------- */

struct server {
    struct platform *p;
    const volatile bool *stop;
    int64_t next_run_ms;
    int64_t *pump_again_ms, *pump_pause_ms; /* one a domain: when to start it again, and how long it waited last */
    int64_t sink_again_ms;
};

static void log_step(void *ctx, const struct lifecycle_row *row, const char *step, size_t index, size_t total,
                     const char *note)
{
    const struct server *s = ctx;
    char date[16];
    (void)note;
    date_format(row->date, date);
    if (strcmp(step, "done") == 0)
        log_info(s->p->env, "lifecycle", "%s %s done: %lld silver rows, %lld gold rows (%zu of %zu)", row->domain, date,
                 (long long)row->silver_records, (long long)row->gold_records, index, total);
    else if (strcmp(step, "failed") == 0 || strcmp(step, "dead") == 0)
        log_error(s->p->env, "lifecycle", "%s %s %s: %s", row->domain, date, step,
                  row->error_message ? row->error_message : "");
}

static void process_when_due(struct server *s)
{
    struct platform *p = s->p;
    static const struct lifecycle_selection everything = {.first_date = DATE_NONE, .last_date = DATE_NONE};
    struct lifecycle_outcome outcome;
    struct error err = {0};
    if (p->conf->process_interval_ms == 0 || env_monotonic_ms(p->env) < s->next_run_ms)
        return;
    const enum ig_code rc = process(p, 0, &everything, log_step, s, s->stop, &outcome, &err);
    lifecycle_outcome_free(&outcome);
    if (rc == IG_EXISTS) { /* an `ingot run` is at it: pumps and sink are not to wait for that */
        s->next_run_ms = env_monotonic_ms(p->env) + BUSY_MS;
        return;
    }
    if (rc != IG_OK && rc != IG_CANCELLED)
        log_error(p->env, "lifecycle", "%s", err.msg);
    s->next_run_ms = env_monotonic_ms(p->env) + p->conf->process_interval_ms;
}

static void pump_failed(struct server *s, size_t i, const struct error *err)
{
    struct platform *p = s->p;
    int64_t *pause_ms = &s->pump_pause_ms[i];
    *pause_ms = *pause_ms ? *pause_ms * 2 : RESTART_MS;
    if (*pause_ms > RESTART_MAX_MS)
        *pause_ms = RESTART_MAX_MS;
    s->pump_again_ms[i] = env_monotonic_ms(p->env) + *pause_ms;
    log_error(p->env, "source", "%s: %s; tried again in %lld s", p->conf->domains[i].name, err->msg,
              (long long)*pause_ms / 1000);
}

static void watch_pump(struct server *s, size_t i)
{
    struct platform *p = s->p;
    struct source_progress progress;
    struct error err = {0};
    if (p->conf->domains[i].source.type == CONF_SOURCE_NONE)
        return;
    if (!p->pumps[i]) {
        if (env_monotonic_ms(p->env) >= s->pump_again_ms[i] && platform_start_pump(p, i, false, &err) != IG_OK)
            pump_failed(s, i, &err);
        return;
    }
    source_progress(p->pumps[i], &progress);
    if (!progress.failed) {
        s->pump_pause_ms[i] = progress.acknowledged > 0 ? 0 : s->pump_pause_ms[i];
        return;
    }
    if (source_stop(p->pumps[i], &err) != IG_OK)
        log_warn(p->env, "source", "%s: %s", p->conf->domains[i].name, err.msg);
    p->pumps[i] = NULL;
    pump_failed(s, i, &progress.error);
}

static void watch_sink(struct server *s)
{
    struct platform *p = s->p;
    struct stage_sink_progress progress;
    struct error err = {0};
    if (p->sink) {
        stage_sink_progress(p->sink, &progress);
        if (!progress.failed)
            return;
        log_error(p->env, "sink", "%s; started again in %d s", progress.error.msg, RESTART_MS / 1000);
        if (stage_sink_stop(p->sink, &err) != IG_OK)
            log_warn(p->env, "sink", "%s", err.msg);
        p->sink = NULL;
        s->sink_again_ms = env_monotonic_ms(p->env) + RESTART_MS;
    } else if (env_monotonic_ms(p->env) >= s->sink_again_ms && platform_start_sink(p, &err) != IG_OK) {
        log_error(p->env, "sink", "%s", err.msg);
        s->sink_again_ms = env_monotonic_ms(p->env) + RESTART_MS;
    }
}

enum ig_code platform_serve(struct platform *p, const volatile bool *stop, struct error *err)
{
    const size_t n = p->conf->n_domains ? p->conf->n_domains : 1;
    struct server s = {
        .p = p,
        .stop = stop,
        .pump_again_ms = check_calloc(n, sizeof(int64_t)),
        .pump_pause_ms = check_calloc(n, sizeof(int64_t)),
    };
    while (!*stop) {
        watch_sink(&s);
        for (size_t i = 0; i < p->conf->n_domains; i++)
            watch_pump(&s, i);
        process_when_due(&s);
        env_sleep_ms(p->env, POLL_MS);
    }
    free(s.pump_again_ms);
    free(s.pump_pause_ms);
    log_info(p->env, "platform", "stopping: sources first, then the sink flushes what it holds");
    return platform_stop_pumps(p, err);
}
