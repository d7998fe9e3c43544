/*
 * ingot up: the whole platform in one process, until it is told to stop.
 */
#include "cli/check_sql.h"
#include "cli/cli.h"
#include "platform/platform.h"

static void say_ready(struct cli_context *c, struct platform *p, const struct conf *conf, int64_t began_us)
{
    char took[32];
    cli_format_duration(env_monotonic_us(c->env) - began_us, took);
    if (platform_http_port(p))
        log_info(c->env, "platform", "the schema registry is at http%s://%s:%d", conf->http.certificate ? "s" : "",
                 conf->http_host, platform_http_port(p));
    log_info(c->env, "platform", "%s is up in %s: the log is at %s (Kafka protocol), %zu domains; Ctrl-C stops",
             conf->name, took, platform_bootstrap(p), conf->n_domains);
}

static int run(struct cli_context *c, const void *options)
{
    struct conf *conf = NULL;
    struct platform *p = NULL;
    struct error err = {0};
    const int64_t began_us = env_monotonic_us(c->env);
    (void)options;
    int status = cli_load_project(c, &conf);
    if (status == CLI_OK)
        status = check_sql_or_say(c, conf);
    if (status) {
        conf_free(conf);
        return status;
    }
    cli_catch_signals(c);
    enum ig_code rc = platform_open(c->env, conf, PLATFORM_LOG | PLATFORM_SINK | PLATFORM_SERVING, &p, &err);
    if (rc == IG_OK) {
        say_ready(c, p, conf, began_us);
        rc = platform_serve(p, c->stop, &err);
        const enum ig_code close_rc = platform_close(p, rc == IG_OK ? &err : NULL);
        rc = rc == IG_OK ? close_rc : rc;
    }
    if (rc == IG_OK)
        log_info(c->env, "platform", "%s is down", conf->name);
    conf_free(conf);
    return rc == IG_OK ? CLI_OK : cli_error(c, &err);
}

const struct cli_verb cli_verb_up = {
    .name = "up",
    .summary = "Run everything in one process until Ctrl-C",
    .details = "Starts the log, the sources, the sink to bronze, and processes partitions every `process.every`.\n"
               "On SIGINT or SIGTERM the sources stop, what is in the log goes to bronze, and offsets are committed;\n"
               "a second signal ends the process at once (nothing is lost by that either).",
    .serves = true,
    .run = run,
};
