#include "cli/topic_show.h"

#include "cli/cli_log.h"

#define LOOK_MS 3000 /* so long for the first and last records of a topic's partitions */
#define LOOK_BACK 20 /* offsets before the end, among which the last record is looked for */

/* First and end offsets of all partitions of all topics that are shown. */
struct bounds {
    struct log_position *first, *end;
    size_t n;
};

static enum ig_code read_bounds(struct cli_context *c, struct log_client *client, const struct log_topic *const *topics,
                                size_t n_topics, struct bounds *out, struct error *err)
{
    size_t n = 0;

    for (size_t i = 0; i < n_topics; i++)
        n += topics[i]->n;
    out->n = 0;
    out->first = ARENA_ARRAY(&c->arena, struct log_position, n + 1);
    out->end = ARENA_ARRAY(&c->arena, struct log_position, n + 1);
    for (size_t i = 0; i < n_topics; i++) {
        for (size_t k = 0; k < topics[i]->n; k++) {
            const struct log_position p = {topics[i]->name, topics[i]->partitions[k].id, LOG_FIND_FIRST};

            out->first[out->n] = out->end[out->n] = p;
            out->end[out->n++].offset = LOG_FIND_END;
        }
    }
    IG_TRY(log_offsets_find(client, out->first, n, err));
    return log_offsets_find(client, out->end, n, err);
}

static const char *config_value(const struct log_configs *configs, const char *name)
{
    for (size_t i = 0; i < configs->n; i++)
        if (strcmp(configs->p[i].name, name) == 0)
            return configs->p[i].value;
    return NULL;
}

/* "7d", "36h", "for ever", or the number of ms. */
static const char *retention_text(struct cli_context *c, const char *ms)
{
    static const struct {
        int64_t ms;
        char letter;
    } units[] = {{86400000, 'd'}, {3600000, 'h'}, {60000, 'm'}, {1000, 's'}};
    int64_t n;

    if (!ms || !str_to_int64(str_of(ms), INT64_MIN, INT64_MAX, &n))
        return "";
    if (n < 0)
        return "for ever";
    for (size_t i = 0; i < IG_COUNT(units); i++)
        if (n > 0 && n % units[i].ms == 0)
            return arena_printf(&c->arena, "%lld%c", (long long)(n / units[i].ms), units[i].letter);
    return arena_printf(&c->arena, "%lldms", (long long)n);
}

/* --- ls -------------------------------------------------------------------------------------------------------- */

static const struct log_topic **shown_topics(struct cli_context *c, const struct log_cluster *cluster, bool internal,
                                             size_t *n)
{
    const struct log_topic **shown = ARENA_ARRAY(&c->arena, const struct log_topic *, cluster->n_topics + 1);

    *n = 0;
    for (size_t i = 0; i < cluster->n_topics; i++)
        if (internal || !cluster->topics[i].internal)
            shown[(*n)++] = &cluster->topics[i];
    return shown;
}

static void size_cell(struct cli_context *c, struct cli_table *t, int64_t bytes)
{
    char text[32];

    if (bytes < 0)
        cli_table_cell(t, "%s", "");
    else if (c->global.json)
        cli_table_cell(t, "%lld", (long long)bytes);
    else
        cli_table_cell(t, "%s", cli_format_bytes(bytes, text));
}

static int64_t topic_bytes(const struct log_sizes *sizes, const struct log_topic *t)
{
    int64_t sum = 0;

    if (!sizes->known)
        return -1;
    for (size_t i = 0; i < t->n; i++) {
        const int64_t bytes = log_sizes_of(sizes, t->name, t->partitions[i].id);

        sum += bytes > 0 ? bytes : 0;
    }
    return sum;
}

static void list_topics(struct cli_context *c, const struct log_topic *const *topics, size_t n,
                        const struct bounds *bounds, const struct log_configs *configs, const struct log_sizes *sizes)
{
    const struct cli_column columns[] = {
        {"topic", CLI_LEFT},
        {"partitions", CLI_NUMERIC},
        {"replicas", CLI_NUMERIC},
        {"records", CLI_NUMERIC},
        {"bytes", c->global.json ? CLI_NUMERIC : CLI_RIGHT},
        {"retention", CLI_LEFT},
        {"cleanup", CLI_LEFT},
    };
    struct cli_table t;
    size_t at = 0;

    cli_table_init(&t, columns, IG_COUNT(columns));
    for (size_t i = 0; i < n; i++) {
        const char *retention = config_value(&configs[i], "retention.ms");
        const char *cleanup = config_value(&configs[i], "cleanup.policy");
        int64_t records = 0;
        char count[32];

        for (size_t k = 0; k < topics[i]->n; k++, at++)
            records += bounds->end[at].offset - bounds->first[at].offset;
        cli_table_cell(&t, "%s", topics[i]->name);
        cli_table_cell(&t, "%zu", topics[i]->n);
        cli_table_cell(&t, "%zu", topics[i]->n ? topics[i]->partitions[0].n_replicas : 0);
        cli_table_cell(&t, "%s", cli_format_count(records, count));
        size_cell(c, &t, topic_bytes(sizes, topics[i]));
        cli_table_cell(&t, "%s",
                       cleanup && strcmp(cleanup, "compact") == 0 ? "for ever" : retention_text(c, retention));
        cli_table_cell(&t, "%s", cleanup ? cleanup : "");
    }
    cli_table_print(c, &t);
}

int topic_show_list(struct cli_context *c, struct log_client *client, bool internal)
{
    const struct log_topic **topics;
    const char **names;
    struct log_configs *configs;
    struct log_sizes sizes = {0};
    struct log_cluster cluster;
    struct bounds bounds;
    struct error err = {0};
    size_t n;
    enum ig_code rc = log_cluster_read(client, &cluster, &err);

    if (rc == IG_OK) {
        topics = shown_topics(c, &cluster, internal, &n);
        configs = ARENA_ARRAY(&c->arena, struct log_configs, n + 1);
        names = ARENA_ARRAY(&c->arena, const char *, n + 1);
        for (size_t i = 0; i < n; i++)
            names[i] = topics[i]->name;
        rc = read_bounds(c, client, topics, n, &bounds, &err);
        if (rc == IG_OK)
            rc = log_configs_read(client, &c->arena, names, n, configs, &err);
        if (rc == IG_OK)
            log_sizes_read(client, &sizes);
        if (rc == IG_OK && n == 0)
            cli_note(c, "there are no topics at %s", log_client_bootstrap(client));
        if (rc == IG_OK && (n > 0 || c->global.json))
            list_topics(c, topics, n, &bounds, configs, &sizes);
    }
    log_sizes_free(&sizes);
    log_cluster_free(&cluster);
    return rc == IG_OK ? CLI_OK : cli_error(c, &err);
}

/* --- describe: the times of the first and last records ---------------------------------------------------------- */

struct times {
    int64_t *first_ms, *last_ms; /* -1: not known */
};

static void take_times(struct times *t, const struct log_batch *batch, const struct bounds *bounds, bool last)
{
    for (size_t i = 0; i < batch->n; i++) {
        const struct log_record *r = &batch->records[i];

        for (size_t k = 0; k < bounds->n; k++) {
            if (bounds->first[k].partition != r->partition)
                continue;
            if (last)
                t->last_ms[k] = r->timestamp_ms;
            else if (t->first_ms[k] < 0)
                t->first_ms[k] = r->timestamp_ms;
        }
    }
}

/* Reads one record at the beginning of each partition, or all from shortly before its end. */
static enum ig_code look_at_times(struct cli_context *c, struct log_client *client, const struct bounds *bounds,
                                  bool last, struct times *t, struct error *err)
{
    const struct log_consumer_options o = {.uncommitted = true};
    const int64_t until = env_monotonic_ms(c->env) + LOOK_MS;
    bool *open = ARENA_ARRAY(&c->arena, bool, bounds->n + 1);
    struct log_consumer *k = NULL;
    size_t n_open = 0;
    enum ig_code rc = log_consumer_open(client, &o, &k, err);

    for (size_t i = 0; i < bounds->n && rc == IG_OK; i++) {
        const int64_t low = bounds->first[i].offset, high = bounds->end[i].offset;
        const int64_t from = last && high - low > LOOK_BACK ? high - LOOK_BACK : low;

        if (low >= high)
            continue;
        open[i] = true;
        n_open++;
        rc = log_consumer_assign(k, bounds->first[i].topic, bounds->first[i].partition, from, err);
    }
    while (rc == IG_OK && n_open > 0 && env_monotonic_ms(c->env) < until) {
        struct log_batch batch;

        rc = log_consume(k, 1000, 50, &batch, err);
        if (rc != IG_OK)
            break;
        take_times(t, &batch, bounds, last);
        for (size_t i = 0; i < bounds->n; i++) {
            bool ended = !last && t->first_ms[i] >= 0;

            for (size_t e = 0; e < batch.n_ends; e++)
                ended |= batch.ends[e].partition == bounds->first[i].partition;
            n_open -= open[i] && ended;
            open[i] &= !ended;
        }
        log_batch_free(&batch);
    }
    log_consumer_free(k);
    return rc;
}

static const char *id_list(struct cli_context *c, const int32_t *ids, size_t n)
{
    const char *text = "";

    for (size_t i = 0; i < n; i++)
        text = arena_printf(&c->arena, "%s%s%d", text, i ? "," : "", ids[i]);
    return text;
}

static void describe_text(struct cli_context *c, const struct log_topic *topic, const struct bounds *bounds,
                          const struct times *times, const struct log_configs *configs, const struct log_sizes *sizes)
{
    static const struct cli_column columns[] = {
        {"partition", CLI_NUMERIC}, {"leader", CLI_NUMERIC},   {"replicas", CLI_LEFT},   {"in sync", CLI_LEFT},
        {"first", CLI_NUMERIC},     {"end", CLI_NUMERIC},      {"records", CLI_NUMERIC}, {"bytes", CLI_RIGHT},
        {"first record", CLI_LEFT}, {"last record", CLI_LEFT},
    };
    struct cli_table t;
    bool any = false;

    fprintf(c->out, "%s\n", topic->name);
    for (size_t i = 0; i < configs->n; i++) {
        if (!configs->p[i].set)
            continue;
        fprintf(c->out, "%s%s=%s\n", any ? "          " : "  config  ", configs->p[i].name,
                configs->p[i].value ? configs->p[i].value : "***");
        any = true;
    }
    fputs(any ? "\n" : "  no configuration of its own\n\n", c->out);
    cli_table_init(&t, columns, IG_COUNT(columns));
    for (size_t i = 0; i < topic->n; i++) {
        const struct log_partition *p = &topic->partitions[i];
        char time[40];

        cli_table_cell(&t, "%d", p->id);
        cli_table_cell(&t, "%d", p->leader);
        cli_table_cell(&t, "%s", id_list(c, p->replicas, p->n_replicas));
        cli_table_cell(&t, "%s", id_list(c, p->in_sync, p->n_in_sync));
        cli_table_cell(&t, "%lld", (long long)bounds->first[i].offset);
        cli_table_cell(&t, "%lld", (long long)bounds->end[i].offset);
        cli_table_cell(&t, "%lld", (long long)(bounds->end[i].offset - bounds->first[i].offset));
        size_cell(c, &t, sizes->known ? log_sizes_of(sizes, topic->name, p->id) : -1);
        cli_table_cell(&t, "%s", cli_format_ms(times->first_ms[i], time));
        cli_table_cell(&t, "%s", cli_format_ms(times->last_ms[i], time));
    }
    cli_table_print(c, &t);
}

static void add_ids(struct buf *b, const char *name, const int32_t *ids, size_t n)
{
    buf_printf(b, ",\"%s\":[", name);
    for (size_t i = 0; i < n; i++)
        buf_printf(b, "%s%d", i ? "," : "", ids[i]);
    buf_putc(b, ']');
}

static void add_time(struct buf *b, const char *name, int64_t ms)
{
    char text[40];

    if (ms < 0)
        buf_printf(b, ",\"%s\":null", name);
    else
        buf_printf(b, ",\"%s\":\"%s\"", name, cli_format_ms(ms, text));
}

static void describe_json(struct cli_context *c, const struct log_topic *topic, const struct bounds *bounds,
                          const struct times *times, const struct log_configs *configs, const struct log_sizes *sizes)
{
    struct buf b;
    bool any = false;

    buf_init(&b, 0);
    buf_puts(&b, "{\"topic\":");
    json_add_string(&b, str_of(topic->name));
    buf_puts(&b, ",\"config\":{");
    for (size_t i = 0; i < configs->n; i++) {
        if (!configs->p[i].set)
            continue;
        buf_puts(&b, any ? "," : "");
        json_add_string(&b, str_of(configs->p[i].name));
        buf_putc(&b, ':');
        if (configs->p[i].value)
            json_add_string(&b, str_of(configs->p[i].value));
        else
            buf_puts(&b, "null");
        any = true;
    }
    buf_puts(&b, "},\"partitions\":[");
    for (size_t i = 0; i < topic->n; i++) {
        const struct log_partition *p = &topic->partitions[i];
        const int64_t bytes = sizes->known ? log_sizes_of(sizes, topic->name, p->id) : -1;

        buf_printf(&b, "%s{\"partition\":%d,\"leader\":%d", i ? "," : "", p->id, p->leader);
        add_ids(&b, "replicas", p->replicas, p->n_replicas);
        add_ids(&b, "in_sync", p->in_sync, p->n_in_sync);
        buf_printf(&b, ",\"first\":%lld,\"end\":%lld", (long long)bounds->first[i].offset,
                   (long long)bounds->end[i].offset);
        if (bytes < 0)
            buf_puts(&b, ",\"bytes\":null");
        else
            buf_printf(&b, ",\"bytes\":%lld", (long long)bytes);
        add_time(&b, "first_record", times->first_ms[i]);
        add_time(&b, "last_record", times->last_ms[i]);
        buf_putc(&b, '}');
    }
    buf_puts(&b, "]}\n");
    fputs(buf_cstr(&b), c->out);
    buf_release(&b);
}

int topic_show_one(struct cli_context *c, struct log_client *client, const char *name)
{
    struct log_cluster cluster;
    const struct log_topic *topic = NULL;
    struct log_configs configs;
    struct log_sizes sizes = {0};
    struct bounds bounds;
    struct times times;
    struct error err = {0};
    enum ig_code rc = log_cluster_read(client, &cluster, &err);

    if (rc == IG_OK) {
        topic = log_cluster_topic(&cluster, name);
        if (!topic)
            rc = error_set(&err, IG_NOT_FOUND, "topic %s: not in the log at %s", name, log_client_bootstrap(client));
    }
    if (rc == IG_OK)
        rc = read_bounds(c, client, &topic, 1, &bounds, &err);
    if (rc == IG_OK)
        rc = log_configs_read(client, &c->arena, &name, 1, &configs, &err);
    if (rc == IG_OK) {
        times.first_ms = ARENA_ARRAY(&c->arena, int64_t, bounds.n + 1);
        times.last_ms = ARENA_ARRAY(&c->arena, int64_t, bounds.n + 1);
        for (size_t i = 0; i < bounds.n; i++)
            times.first_ms[i] = times.last_ms[i] = -1;
        rc = look_at_times(c, client, &bounds, false, &times, &err);
    }
    if (rc == IG_OK)
        rc = look_at_times(c, client, &bounds, true, &times, &err);
    if (rc == IG_OK) {
        log_sizes_read(client, &sizes);
        (c->global.json ? describe_json : describe_text)(c, topic, &bounds, &times, &configs, &sizes);
    }
    log_sizes_free(&sizes);
    log_cluster_free(&cluster);
    return rc == IG_OK ? CLI_OK : cli_error(c, &err);
}

/* --- config, trim ------------------------------------------------------------------------------------------------ */

int topic_show_config(struct cli_context *c, struct log_client *client, const char *name, bool all)
{
    static const struct cli_column columns[] = {{"name", CLI_LEFT}, {"value", CLI_LEFT}, {"source", CLI_LEFT}};
    struct log_configs configs;
    struct error err = {0};
    struct cli_table t;

    if (log_configs_read(client, &c->arena, &name, 1, &configs, &err) != IG_OK)
        return cli_error(c, &err);
    if (configs.error.code)
        return cli_error(c, &configs.error);
    cli_table_init(&t, columns, IG_COUNT(columns));
    for (size_t i = 0; i < configs.n; i++) {
        if (!all && !configs.p[i].set)
            continue;
        cli_table_cell(&t, "%s", configs.p[i].name);
        cli_table_cell(&t, "%s", configs.p[i].value ? configs.p[i].value : configs.p[i].secret ? "***" : "");
        cli_table_cell(&t, "%s", configs.p[i].source);
    }
    cli_table_print(c, &t);
    return CLI_OK;
}

int topic_show_trimmed(struct cli_context *c, const struct log_position *positions, const int64_t *first, size_t n)
{
    static const struct cli_column columns[] = {
        {"partition", CLI_NUMERIC}, {"first before", CLI_NUMERIC}, {"first", CLI_NUMERIC}, {"removed", CLI_NUMERIC}};
    struct cli_table t;

    cli_table_init(&t, columns, IG_COUNT(columns));
    for (size_t i = 0; i < n; i++) {
        cli_table_cell(&t, "%d", positions[i].partition);
        cli_table_cell(&t, "%lld", (long long)first[i]);
        cli_table_cell(&t, "%lld", (long long)positions[i].offset);
        cli_table_cell(&t, "%lld", (long long)(positions[i].offset - first[i]));
    }
    cli_table_print(c, &t);
    return CLI_OK;
}
