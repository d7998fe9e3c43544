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

struct broker_verb_options {
    const char *dir, *listen, *registry;
    int64_t partitions;
};

#define REGISTRY_PORT_DEFAULT 8081
#define REGISTRY_LIMIT_MS 30000

static const struct cli_option options[] = {
    {"data", 0, "DIR", "the folder that keeps the records; made if it is missing", CLI_TEXT,
     offsetof(struct broker_verb_options, dir)},
    {"listen", 0, "HOST:PORT", "where clients connect (127.0.0.1:9092; port 0: any free one)", CLI_TEXT,
     offsetof(struct broker_verb_options, listen)},
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
};

static enum ig_code beside_start(struct cli_context *c, const struct broker *broker, const char *broker_host, int port,
                                 struct beside *b, struct error *err)
{
    const struct serve_options at = {.host = b->host, .port = port};
    const bool v6 = strchr(broker_host, ':') != NULL;
    const char *host =
        strcmp(broker_host, "0.0.0.0") == 0 || strcmp(broker_host, "::") == 0 ? "127.0.0.1" : broker_host;
    char url[320];

    snprintf(url, sizeof(url), v6 ? "kafka://[%s]:%d" : "kafka://%s:%d", host, broker_port(broker));
    IG_TRY(log_client_new(c->env, url, &b->log, err));
    IG_TRY(registry_open(c->env, b->log, REGISTRY_LIMIT_MS, &b->registry, err));
    return serve_start(c->env, &at, b->registry, &b->serve, err);
}

static void beside_stop(struct beside *b)
{
    serve_stop(b->serve);
    registry_close(b->registry);
    log_client_free(b->log);
}

static void say_ready(struct cli_context *c, const char *host, const struct broker *broker, const struct beside *b)
{
    if (c->global.json) {
        fprintf(c->out, "{\"host\": \"%s\", \"port\": %d", host, broker_port(broker));
        if (b->serve)
            fprintf(c->out, ", \"registry_host\": \"%s\", \"registry_port\": %d", b->host, serve_port(b->serve));
        fprintf(c->out, "}\n");
    } else {
        if (b->serve)
            fprintf(c->out, "registry: http://%s:%d\n", b->host, serve_port(b->serve));
        fprintf(c->out, "ready: %s:%d\n", host, broker_port(broker));
    }
    fflush(c->out);
}

static int run(struct cli_context *c, const void *parsed)
{
    const struct broker_verb_options *o = parsed;
    struct broker_options start = {.dir = o->dir, .host = "127.0.0.1", .port = PORT_DEFAULT};
    struct beside beside = {.host = "127.0.0.1"};
    int registry_port = REGISTRY_PORT_DEFAULT;
    struct broker *broker;
    struct error err;

    if (!o->dir)
        return cli_usage(c, "--data says where the records are kept");
    if (o->listen && !split_listen(&c->arena, o->listen, &start.host, &start.port))
        return cli_usage(c, "--listen takes HOST:PORT, not %s", o->listen);
    if (o->registry && !split_listen(&c->arena, o->registry, &beside.host, &registry_port))
        return cli_usage(c, "--registry takes HOST:PORT, not %s", o->registry);
    if (o->partitions > INT32_MAX)
        return cli_usage(c, "--partitions %lld is too many", (long long)o->partitions);
    start.default_partitions = o->partitions == CLI_NUMBER_NONE ? PARTITIONS_DEFAULT : (int32_t)o->partitions;
    cli_catch_signals(c);
    if (broker_start(c->env, &start, &broker, &err))
        return cli_error(c, &err);
    if (o->registry && beside_start(c, broker, start.host, registry_port, &beside, &err)) {
        beside_stop(&beside);
        broker_stop(broker);
        return cli_error(c, &err);
    }
    say_ready(c, start.host, broker, &beside);
    while (!*c->stop)
        env_sleep_ms(c->env, POLL_MS);
    beside_stop(&beside);
    broker_stop(broker);
    return CLI_OK;
}

const struct cli_verb cli_verb_broker = {
    .name = "broker",
    .summary = "Run the log alone, for any Kafka client",
    .details = "Keeps topics in DIR and speaks the Kafka protocol until it is told to stop (Ctrl-C, SIGTERM).\n\n"
               "  ingot broker --data ./log --listen 127.0.0.1:9092\n"
               "  kcat -b 127.0.0.1:9092 -L\n\n"
               "With --registry it serves Confluent's Schema Registry API, too; schemas are in the topic _schemas.",
    .options = options,
    .n_options = IG_COUNT(options),
    .options_size = sizeof(struct broker_verb_options),
    .serves = true,
    .run = run,
};
