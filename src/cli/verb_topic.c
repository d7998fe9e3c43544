/*
 * ingot topic: what topics there are, and changes to them. What it shows is in topic_show.c.
 */
#include "cli/cli_log.h"
#include "cli/topic_show.h"

#include <unistd.h>

struct topic_options {
    struct cli_log_options log;
    struct cli_list config, remove;
    int64_t partitions, replicas;
    const char *which, *before_offset, *before_time;
    bool if_not_exists, yes, all;
};
#define OPTION(member) offsetof(struct topic_options, member)
#define LOG_OPTIONS CLI_LOG_OPTIONS(struct topic_options)

/* Opens the log, does the one thing, closes it. */
static int with_log(struct cli_context *c, const struct topic_options *o,
                    int (*act)(struct cli_context *c, struct cli_log *log, const struct topic_options *o))
{
    struct cli_log log;
    int status = cli_log_open(c, &o->log, &log);

    return status ? status : cli_log_close(c, &log, act(c, &log, o));
}

/* Splits NAME=VALUE words; 0, or CLI_USAGE. */
static int read_settings(struct cli_context *c, const char *const *words, size_t n, struct log_setting *out)
{
    for (size_t i = 0; i < n; i++) {
        const char *equals = strchr(words[i], '=');

        if (!equals || equals == words[i])
            return cli_usage(c, "a configuration is NAME=VALUE, not '%s'", words[i]);
        out[i] = (struct log_setting){arena_strndup(&c->arena, words[i], (size_t)(equals - words[i])), equals + 1};
    }
    return CLI_OK;
}

/* The topic's partitions, or an error that says that there is none. */
static int find_topic(struct cli_context *c, struct cli_log *log, const char *name, int32_t *partitions)
{
    struct error err = {0};

    return log_topic_partitions(log->client, name, partitions, &err) == IG_OK ? CLI_OK : cli_error(c, &err);
}

/* --- ls, describe -------------------------------------------------------------------------------------------- */

static int list(struct cli_context *c, struct cli_log *log, const struct topic_options *o)
{
    return topic_show_list(c, log->client, o->all);
}

static int run_ls(struct cli_context *c, const void *options)
{
    return with_log(c, options, list);
}

static int describe(struct cli_context *c, struct cli_log *log, const struct topic_options *o)
{
    int status = CLI_OK;

    (void)o;
    for (size_t i = 0; i < c->n_args; i++) {
        const int one = topic_show_one(c, log->client, c->args[i]);

        status = status ? status : one;
    }
    return status;
}

static int run_describe(struct cli_context *c, const void *options)
{
    return with_log(c, options, describe);
}

/* --- create, delete, add-partitions ---------------------------------------------------------------------------- */

/* The controller knows of a change; so long until the broker that we ask does. */
static bool await_topic(struct cli_context *c, struct cli_log *log, const char *name, bool there)
{
    const int64_t until = env_monotonic_ms(c->env) + 15000;
    enum ig_code rc;
    int32_t n;

    for (;;) {
        rc = log_topic_partitions(log->client, name, &n, NULL);
        if ((rc == IG_OK) == there || env_monotonic_ms(c->env) > until)
            return (rc == IG_OK) == there;
        env_sleep_ms(c->env, 20);
    }
}

static int create(struct cli_context *c, struct cli_log *log, const struct topic_options *o)
{
    struct log_setting *settings = ARENA_ARRAY(&c->arena, struct log_setting, o->config.n + 1);
    const int32_t partitions = o->partitions == CLI_NUMBER_NONE ? -1 : (int32_t)o->partitions;
    const int32_t replicas = o->replicas == CLI_NUMBER_NONE ? -1 : (int32_t)o->replicas;
    struct error err = {0};
    int status = read_settings(c, o->config.p, o->config.n, settings);

    for (size_t i = 0; status == CLI_OK && i < c->n_args; i++) {
        const enum ig_code rc =
            log_topic_create(log->client, c->args[i], partitions, replicas, settings, o->config.n, &err);

        if (rc == IG_EXISTS && o->if_not_exists)
            cli_note(c, "%s is there already", c->args[i]);
        else if (rc != IG_OK)
            status = cli_error(c, &err);
        else if (!await_topic(c, log, c->args[i], true))
            status = cli_errorf(c, "%s was created, but the cluster does not show it yet", c->args[i]);
        else if (!c->global.json)
            cli_note(c, "created %s", c->args[i]);
    }
    return status;
}

static int run_create(struct cli_context *c, const void *options)
{
    const struct topic_options *o = options;

    if (o->partitions == 0 || o->partitions > INT32_MAX || o->replicas == 0 || o->replicas > INT16_MAX)
        return cli_usage(c, "--partitions and --replication-factor begin at 1");
    return with_log(c, options, create);
}

static void warn_of_domains(struct cli_context *c, const struct cli_log *log, const char *topic)
{
    for (size_t i = 0; log->conf && i < log->conf->n_domains; i++) {
        const struct conf_domain *d = &log->conf->domains[i];

        if (strcmp(d->topic.name, topic) == 0 || strcmp(d->topic.dlq_name, topic) == 0)
            cli_note(c, "%s belongs to domain %s: what is not in bronze yet goes with it", topic, d->name);
    }
}

static int delete_one(struct cli_context *c, struct cli_log *log, const char *name, bool yes)
{
    struct error err = {0};
    int32_t partitions;
    int status = find_topic(c, log, name, &partitions);

    if (status)
        return status;
    warn_of_domains(c, log, name);
    if (!yes && !isatty(STDIN_FILENO))
        return cli_errorf(c, "%s is not deleted: --yes says that you mean it", name);
    if (!yes && !cli_ask(c, "Delete topic %s, %d partitions, with all records?", name, partitions))
        return cli_errorf(c, "%s is not deleted", name);
    if (log_topic_delete(log->client, name, &err) != IG_OK)
        return cli_error(c, &err);
    if (!await_topic(c, log, name, false))
        return cli_errorf(c, "%s is marked for deletion, but the cluster still shows it", name);
    cli_note(c, "deleted %s", name);
    return CLI_OK;
}

static int delete_all(struct cli_context *c, struct cli_log *log, const struct topic_options *o)
{
    int status = CLI_OK;

    for (size_t i = 0; i < c->n_args; i++) {
        const int one = delete_one(c, log, c->args[i], o->yes);

        status = status ? status : one;
    }
    return status;
}

static int run_delete(struct cli_context *c, const void *options)
{
    return with_log(c, options, delete_all);
}

static int add_partitions(struct cli_context *c, struct cli_log *log, const struct topic_options *o)
{
    struct error err = {0};
    int32_t now;
    int64_t total;
    int status;

    (void)o;
    if (!str_to_int64(str_of(c->args[1]), 1, INT32_MAX, &total))
        return cli_usage(c, "the number of partitions is a whole number, not '%s'", c->args[1]);
    status = find_topic(c, log, c->args[0], &now);
    if (status)
        return status;
    if (log_topic_add_partitions(log->client, c->args[0], (int32_t)total, &err) != IG_OK)
        return cli_error(c, &err);
    cli_note(c, "%s had %d partitions and has %lld; keys may be in other partitions from now on", c->args[0], now,
             (long long)total);
    return CLI_OK;
}

static int run_add_partitions(struct cli_context *c, const void *options)
{
    return with_log(c, options, add_partitions);
}

/* --- config -------------------------------------------------------------------------------------------------- */

static int config(struct cli_context *c, struct cli_log *log, const struct topic_options *o)
{
    const size_t n_set = c->n_args - 1, n = n_set + o->remove.n;
    struct log_setting *settings = ARENA_ARRAY(&c->arena, struct log_setting, n + 1);
    struct error err = {0};
    int32_t partitions;
    int status = read_settings(c, c->args + 1, n_set, settings);

    for (size_t i = 0; i < o->remove.n; i++)
        settings[n_set + i] = (struct log_setting){o->remove.p[i], NULL};
    if (status == CLI_OK)
        status = find_topic(c, log, c->args[0], &partitions);
    if (status == CLI_OK && n > 0 && log_configs_alter(log->client, c->args[0], settings, n, &err) != IG_OK)
        status = cli_error(c, &err);
    if (status == CLI_OK)
        status = topic_show_config(c, log->client, c->args[0], o->all || n == 0);
    return status;
}

static int run_config(struct cli_context *c, const void *options)
{
    return with_log(c, options, config);
}

/* --- trim ---------------------------------------------------------------------------------------------------- */

static int choose_partitions(struct cli_context *c, const struct topic_options *o, int32_t total, int32_t **out,
                             size_t *n)
{
    if (o->which && !cli_parse_partitions(&c->arena, o->which, out, n))
        return cli_usage(c, "--partition is like 0,2-4, not '%s'", o->which);
    if (!o->which) {
        *n = (size_t)total;
        *out = ARENA_ARRAY(&c->arena, int32_t, *n);
        for (int32_t i = 0; i < total; i++)
            (*out)[i] = i;
    }
    for (size_t i = 0; i < *n; i++)
        if ((*out)[i] >= total)
            return cli_errorf(c, "%s has %d partitions, there is no partition %d", c->args[0], total, (*out)[i]);
    return CLI_OK;
}

static int trim_to(struct cli_context *c, struct cli_log *log, const struct topic_options *o,
                   const struct cli_when *when)
{
    struct log_position *positions;
    int64_t *first, *end, removed = 0;
    int32_t partitions, *which;
    size_t n;
    struct error err = {0};
    char count[32];
    int status = find_topic(c, log, c->args[0], &partitions);

    if (status == CLI_OK)
        status = choose_partitions(c, o, partitions, &which, &n);
    if (status)
        return status;
    positions = ARENA_ARRAY(&c->arena, struct log_position, n);
    first = ARENA_ARRAY(&c->arena, int64_t, n);
    end = ARENA_ARRAY(&c->arena, int64_t, n);
    for (size_t i = 0; i < n; i++)
        positions[i] = (struct log_position){c->args[0], which[i], 0};
    if (cli_find_offsets(log->client, when, positions, n, first, end, &err) != IG_OK)
        return cli_error(c, &err);
    for (size_t i = 0; i < n; i++)
        removed += positions[i].offset - first[i];
    cli_format_count(removed, count);
    warn_of_domains(c, log, c->args[0]);
    if (removed > 0 && !o->yes && !cli_ask(c, "Remove %s records of %s?", count, c->args[0]))
        return cli_errorf(c, "%s is not trimmed: --yes says that you mean it; it would remove %s records", c->args[0],
                          count);
    if (removed > 0 && log_topic_trim(log->client, positions, n, &err) != IG_OK)
        return cli_error(c, &err);
    return topic_show_trimmed(c, positions, first, n);
}

static int trim(struct cli_context *c, struct cli_log *log, const struct topic_options *o)
{
    const char *text = o->before_offset ? o->before_offset : o->before_time;
    struct cli_when when;

    if (!text || (o->before_offset && o->before_time))
        return cli_usage(c, "'topic trim' needs --before-offset or --before-time");
    if (!cli_parse_when(text, env_now_ms(c->env), &when))
        return cli_usage(c, "'%s' is not: " CLI_WHEN_WORDS, text);
    if ((when.kind == CLI_WHEN_TIME) != (text == o->before_time))
        return cli_usage(c, "'%s' is %s", text, text == o->before_time ? "no time" : "a time: --before-time takes it");
    return trim_to(c, log, o, &when);
}

static int run_trim(struct cli_context *c, const void *options)
{
    return with_log(c, options, trim);
}

/* --- the verb ------------------------------------------------------------------------------------------------ */

static const struct cli_option ls_options[] = {
    {"all", 'a', NULL, "also topics of Kafka's own (__...)", CLI_FLAG, OPTION(all)},
    LOG_OPTIONS,
};
static const struct cli_verb ls = {
    .name = "topic ls",
    .summary = "List topics: partitions, records, bytes, retention, cleanup",
    .details = "Records are offsets between the first and the end: compaction and transactions leave gaps in them.\n\n"
               "  ingot topic ls\n"
               "  ingot topic ls --broker kafka:9092 -F client.properties --json | jq -r .topic",
    .options = ls_options,
    .n_options = IG_COUNT(ls_options),
    .options_size = sizeof(struct topic_options),
    .run = run_ls,
};

static const struct cli_option plain_options[] = {LOG_OPTIONS};
static const struct cli_verb describe_verb = {
    .name = "topic describe",
    .summary = "Show a topic's partitions and what is configured",
    .args = "NAME...",
    .min_args = 1,
    .max_args = SIZE_MAX,
    .details = "Of each partition: leader, replicas, first and end offset, bytes, and the times of the first and the\n"
               "last record.\n\n"
               "  ingot topic describe raw-orders",
    .options = plain_options,
    .n_options = IG_COUNT(plain_options),
    .options_size = sizeof(struct topic_options),
    .run = run_describe,
};

static const struct cli_option create_options[] = {
    {"partitions", 'p', "N", "how many (default: as the cluster is configured)", CLI_NUMBER, OPTION(partitions)},
    {"replication-factor", 'r', "N", "on how many brokers (default: as the cluster is configured)", CLI_NUMBER,
     OPTION(replicas)},
    {"config", 'c', "NAME=VALUE", "as retention.ms=86400000; may be repeated", CLI_WORDS, OPTION(config)},
    {"if-not-exists", 0, NULL, "succeed if it is there", CLI_FLAG, OPTION(if_not_exists)},
    LOG_OPTIONS,
};
static const struct cli_verb create_verb = {
    .name = "topic create",
    .summary = "Create topics",
    .args = "NAME...",
    .min_args = 1,
    .max_args = SIZE_MAX,
    .details = "  ingot topic create clicks --partitions 6 --config retention.ms=86400000\n"
               "  ingot topic create state -c cleanup.policy=compact",
    .options = create_options,
    .n_options = IG_COUNT(create_options),
    .options_size = sizeof(struct topic_options),
    .run = run_create,
};

static const struct cli_option delete_options[] = {
    {"yes", 'y', NULL, "do not ask", CLI_FLAG, OPTION(yes)},
    LOG_OPTIONS,
};
static const struct cli_verb delete_verb = {
    .name = "topic delete",
    .summary = "Delete topics with all their records",
    .args = "NAME...",
    .min_args = 1,
    .max_args = SIZE_MAX,
    .details = "Asks first; without a terminal nothing is deleted unless --yes is there.\n\n"
               "  ingot topic delete clicks --yes",
    .options = delete_options,
    .n_options = IG_COUNT(delete_options),
    .options_size = sizeof(struct topic_options),
    .run = run_delete,
};

static const struct cli_option config_options[] = {
    {"delete", 'd', "NAME", "back to the default; may be repeated", CLI_WORDS, OPTION(remove)},
    {"all", 'a', NULL, "after a change: show everything, not only what is set", CLI_FLAG, OPTION(all)},
    LOG_OPTIONS,
};
static const struct cli_verb config_verb = {
    .name = "topic config",
    .summary = "Show or change a topic's configuration",
    .args = "NAME [NAME=VALUE...]",
    .min_args = 1,
    .max_args = SIZE_MAX,
    .details = "Changes what is named and leaves the rest. Then shows what is set on the topic; without a change\n"
               "everything that is in effect, and where it comes from.\n\n"
               "  ingot topic config clicks\n"
               "  ingot topic config clicks retention.ms=604800000 cleanup.policy=compact,delete\n"
               "  ingot topic config clicks --delete retention.ms",
    .options = config_options,
    .n_options = IG_COUNT(config_options),
    .options_size = sizeof(struct topic_options),
    .run = run_config,
};

static const struct cli_verb add_partitions_verb = {
    .name = "topic add-partitions",
    .summary = "Give a topic more partitions",
    .args = "NAME TOTAL",
    .min_args = 2,
    .max_args = 2,
    .details = "TOTAL is how many there are to be then.\n\n"
               "  ingot topic add-partitions clicks 12",
    .options = plain_options,
    .n_options = IG_COUNT(plain_options),
    .options_size = sizeof(struct topic_options),
    .run = run_add_partitions,
};

static const struct cli_option trim_options[] = {
    {"before-offset", 0, "OFFSET", "remove what is below: a number, -N (all but the last N), or end (all)", CLI_TEXT,
     OPTION(before_offset)},
    {"before-time", 0, "TIME", "remove what is older: 2024-01-15T06:00:00Z, or -7d", CLI_TEXT, OPTION(before_time)},
    {"partition", 'p', "N[,N...]", "only these (default: all)", CLI_TEXT, OPTION(which)},
    {"yes", 'y', NULL, "do not ask", CLI_FLAG, OPTION(yes)},
    LOG_OPTIONS,
};
static const struct cli_verb trim_verb = {
    .name = "topic trim",
    .summary = "Remove a topic's oldest records",
    .args = "NAME",
    .min_args = 1,
    .max_args = 1,
    .details = "  ingot topic trim clicks --before-time -7d\n"
               "  ingot topic trim clicks --partition 0 --before-offset 1000000 --yes",
    .options = trim_options,
    .n_options = IG_COUNT(trim_options),
    .options_size = sizeof(struct topic_options),
    .run = run_trim,
};

static const struct cli_verb *const actions[] = {&ls,          &describe_verb,       &create_verb, &delete_verb,
                                                 &config_verb, &add_partitions_verb, &trim_verb};

const struct cli_verb cli_verb_topic = {
    .name = "topic",
    .summary = "List, create, change and delete the log's topics",
    .details = "They work with the project's log, also while nothing is up, or with any cluster by --broker HOST:PORT.",
    .actions = actions,
    .n_actions = IG_COUNT(actions),
};
