/* `ingot broker`: the log alone, for any Kafka client. */
#include "broker/broker.h"
#include "cli/cli.h"
#include "log/log.h"
#include "serve/serve.h"

#include <stdlib.h>
#include <string.h>

#define POLL_MS 50
#define PORT_DEFAULT 9092
#define PARTITIONS_DEFAULT 1
#define GROUP_DELAY_DEFAULT_MS 100 /* as limits.group_initial_rebalance_delay */

struct broker_verb_options {
    const char *dir, *listen, *config, *registry;
    int64_t partitions;
};

#define REGISTRY_PORT_DEFAULT 8081
#define REGISTRY_LIMIT_MS 30000

static const struct cli_option options[] = {
    {"data", 0, "DIR", "the folder that keeps the records; made if it is missing", CLI_TEXT,
     offsetof(struct broker_verb_options, dir)},
    {"listen", 0, "HOST:PORT", "where clients connect (127.0.0.1:9092; port 0: any free one)", CLI_TEXT,
     offsetof(struct broker_verb_options, listen)},
    {"config", 0, "FILE", "listeners with TLS and SASL, users, ACLs, quotas, limits (docs/security.md)", CLI_TEXT,
     offsetof(struct broker_verb_options, config)},
    {"partitions", 0, "N", "partitions of topics that are created by use (1; 0: they are refused)", CLI_NUMBER,
     offsetof(struct broker_verb_options, partitions)},
    {"registry", 0, "HOST:PORT", "serve the schema registry here, too (port 0: any free one)", CLI_TEXT,
     offsetof(struct broker_verb_options, registry)},
};

/* "host:port", "[::1]:port", "host" or ":port". */
static bool split_listen(struct arena *a, const char *listen, const char **host, int *port)
{
    const char *colon = strrchr(listen, ':');
    size_t n = colon ? (size_t)(colon - listen) : strlen(listen);
    int64_t number = PORT_DEFAULT;

    if (colon && !str_to_int64(str_of(colon + 1), 0, 65535, &number))
        return false;
    if (n >= 2 && listen[0] == '[' && listen[n - 1] == ']') {
        listen++;
        n -= 2;
    }
    if (n > 0)
        *host = arena_strndup(a, listen, n);
    *port = (int)number;
    return true;
}

/* The schema registry beside the broker: a client of it like any other. */
struct beside {
    struct log_client *log;
    struct registry *registry;
    struct serve *serve;
    const char *host;
    int port;
    struct broker_door *door; /* NULL: the broker is not protected */
};

static void add_url(const char *broker_host, int port, struct buf *out)
{
    const bool v6 = strchr(broker_host, ':') != NULL;
    const char *host =
        strcmp(broker_host, "0.0.0.0") == 0 || strcmp(broker_host, "::") == 0 ? "127.0.0.1" : broker_host;

    buf_printf(out, v6 ? "kafka://[%s]:%d" : "kafka://%s:%d", host, port);
}

static enum ig_code beside_start(struct cli_context *c, const struct broker *broker, const char *broker_host,
                                 struct beside *b, struct error *err)
{
    const struct serve_options at = {.host = b->host, .port = b->port};
    struct buf url;
    enum ig_code rc;

    buf_init(&url, 0);
    if (b->door)
        broker_door_url(b->door, broker, &url);
    else
        add_url(broker_host, broker_port(broker), &url);
    rc = log_client_new(c->env, buf_cstr(&url), &b->log, err);
    buf_release(&url);
    if (rc)
        return rc;
    IG_TRY(registry_open(c->env, b->log, REGISTRY_LIMIT_MS, &b->registry, err));
    return serve_start(c->env, &at, b->registry, &b->serve, err);
}

static void beside_stop(struct beside *b)
{
    serve_stop(b->serve);
    registry_close(b->registry);
    log_client_free(b->log);
}

/* --- options: the file's, and those of the command line on top ------------------------------------------------------
 */

static int load_config(struct cli_context *c, const struct broker_verb_options *o, struct broker_options *start,
                       struct beside *beside, struct conf **out)
{
    struct conf_problems problems = {0};
    struct error err = {0};
    int status = CLI_OK;
    enum ig_code rc = conf_load_broker(c->env, o->config, out, &problems, &err);

    if (problems.n > 0) {
        status = cli_problems(c, &problems);
    } else if (rc != IG_OK || broker_check(c->env, &(*out)->broker, &err) != IG_OK) {
        cli_error(c, &err);
        status = CLI_CONFIG;
    } else if (o->listen && (*out)->broker.n_listeners > 0) {
        status = cli_usage(c, "--listen: the file has listeners of its own");
    } else {
        if (o->registry)
            beside->door = broker_door_new(c->env, &(*out)->broker, start->host, start->port);
        broker_options_from(start, beside->door ? broker_door_conf(beside->door) : &(*out)->broker);
        if (!start->dir)
            start->dir = (*out)->broker.data_dir;
    }
    conf_problems_free(&problems);
    return status;
}

static int read_options(struct cli_context *c, const struct broker_verb_options *o, struct broker_options *start,
                        struct beside *beside, struct conf **conf)
{
    int status = CLI_OK;

    if (o->listen && !split_listen(&c->arena, o->listen, &start->host, &start->port))
        return cli_usage(c, "--listen takes HOST:PORT, not %s", o->listen);
    if (o->registry && !split_listen(&c->arena, o->registry, &beside->host, &beside->port))
        return cli_usage(c, "--registry takes HOST:PORT, not %s", o->registry);
    if (o->partitions > INT32_MAX)
        return cli_usage(c, "--partitions %lld is too many", (long long)o->partitions);
    if (o->config)
        status = load_config(c, o, start, beside, conf);
    if (status == CLI_OK && !start->dir)
        return cli_usage(c, "--data says where the records are kept");
    if (o->partitions != CLI_NUMBER_NONE)
        start->default_partitions = (int32_t)o->partitions;
    return status;
}

/* The listeners that the user asked for: all but our own door. */
static void say_ready(struct cli_context *c, const struct broker *broker, const struct broker_options *start,
                      const struct beside *b)
{
    const struct conf_broker *conf = start->conf;
    const size_t all = conf ? conf->n_listeners : 0, n = b->door ? all - 1 : all;
    const char *first = n > 0 ? conf->listeners[0].host : start->host;

    if (c->global.json) {
        fprintf(c->out, "{\"host\": \"%s\", \"port\": %d", first, broker_port(broker));
        for (size_t i = 0; i < n; i++) {
            fprintf(c->out, "%s{\"name\": \"%s\", \"host\": \"%s\", \"port\": %d}", i ? ", " : ", \"listeners\": [",
                    conf->listeners[i].name, conf->listeners[i].host, broker_listener_port(broker, i));
        }
        if (n > 0)
            fprintf(c->out, "]");
        if (b->serve)
            fprintf(c->out, ", \"registry_host\": \"%s\", \"registry_port\": %d", b->host, serve_port(b->serve));
        fprintf(c->out, "}\n");
    } else {
        if (b->serve)
            fprintf(c->out, "registry: http://%s:%d\n", b->host, serve_port(b->serve));
        for (size_t i = 1; i < n; i++)
            fprintf(c->out, "listens: %s:%d\n", conf->listeners[i].host, broker_listener_port(broker, i));
        fprintf(c->out, "ready: %s:%d\n", first, broker_port(broker));
    }
    fflush(c->out);
}

static int serve_until_stopped(struct cli_context *c, const struct broker_options *start, struct beside *beside,
                               bool registry)
{
    struct broker *broker = NULL;
    int status = CLI_OK;
    struct error err;

    cli_catch_signals(c);
    if (broker_start(c->env, start, &broker, &err))
        return cli_error(c, &err);
    if (registry && beside_start(c, broker, start->host, beside, &err)) {
        status = cli_error(c, &err);
    } else {
        say_ready(c, broker, start, beside);
        while (!*c->stop)
            env_sleep_ms(c->env, POLL_MS);
    }
    beside_stop(beside);
    broker_stop(broker);
    return status;
}

static int run(struct cli_context *c, const void *parsed)
{
    const struct broker_verb_options *o = parsed;
    struct broker_options start = {.dir = o->dir,
                                   .host = "127.0.0.1",
                                   .port = PORT_DEFAULT,
                                   .default_partitions = PARTITIONS_DEFAULT,
                                   .group_initial_delay_ms = GROUP_DELAY_DEFAULT_MS};
    struct beside beside = {.host = "127.0.0.1", .port = REGISTRY_PORT_DEFAULT};
    struct conf *conf = NULL;
    int status = read_options(c, o, &start, &beside, &conf);

    if (status == CLI_OK)
        status = serve_until_stopped(c, &start, &beside, o->registry != NULL);
    broker_door_free(beside.door);
    conf_free(conf);
    return status;
}

const struct cli_verb cli_verb_broker = {
    .name = "broker",
    .summary = "Run the log alone, for any Kafka client",
    .details =
        "Keeps topics in DIR and speaks the Kafka protocol until it is told to stop (Ctrl-C, SIGTERM).\n\n"
        "  ingot broker --data ./log --listen 127.0.0.1:9092\n"
        "  kcat -b 127.0.0.1:9092 -L\n\n"
        "FILE of --config holds what stands under `broker:` in an ingot.yml, and may name its `data:` folder.\n\n"
        "With --registry it serves Confluent's Schema Registry API, too; schemas are in the topic _schemas.",
    .options = options,
    .n_options = IG_COUNT(options),
    .options_size = sizeof(struct broker_verb_options),
    .serves = true,
    .run = run,
};
