/* domains/NAME/domain.yml and the files beside it. */
#include "conf/keys.h"

#include "conf/problems.h"

#include <stdlib.h>

#define DAY_MS INT64_C(86400000)

const char *const conf_source_types[] = {"none", "generate", "file", NULL};
static const char *const generators[] = {"clickstream", "orders", "restaurants", "users", NULL};
static const char *const formats[] = {"auto", "csv", "parquet", "ndjson", NULL};
static const char *const scopes[] = {"partition", "table", NULL};

static const struct key domain_keys[] = {
    {.name = "description", .kind = KEY_TEXT, .at = offsetof(struct conf_domain, description), .default_text = ""},
    {.name = "source"},
    {.name = "topic"},
    {.name = "contract"},
    {.name = "bronze"},
    {.name = "silver"},
    {.name = "gold"},
    {.name = "depends_on",
     .kind = KEY_TEXTS,
     .at = offsetof(struct conf_domain, depends_on),
     .at_n = offsetof(struct conf_domain, n_depends_on)},
    {.name = "retries",
     .kind = KEY_INT32,
     .at = offsetof(struct conf_domain, max_retries),
     .default_text = "3",
     .max = 100},
};
const struct key_table conf_domain_table = {domain_keys, IG_COUNT(domain_keys)};

#define SOURCE(member) offsetof(struct conf_source, member)
static const struct key generate_keys[] = {
    {.name = "type"},
    {.name = "generator"},
    {.name = "rate", .kind = KEY_RATE, .at = SOURCE(rate_per_s), .default_text = "10/s"},
    {.name = "count", .kind = KEY_INT64, .at = SOURCE(count), .min = 1, .max = INT64_MAX},
    {.name = "seed", .kind = KEY_UINT64, .at = SOURCE(seed), .default_text = "42"},
    {.name = "users", .kind = KEY_INT64, .at = SOURCE(users), .default_text = "50", .min = 1, .max = 1000000},
    {.name = "start", .kind = KEY_TIME, .at = SOURCE(start)},
    {.name = "span", .kind = KEY_DURATION, .at = SOURCE(span_ms), .default_text = "0s", .max = 36500 * DAY_MS},
    {.name = "late", .kind = KEY_RATIO, .at = SOURCE(late_ratio), .default_text = "0"},
    {.name = "duplicates", .kind = KEY_RATIO, .at = SOURCE(duplicate_ratio), .default_text = "0"},
    {.name = "malformed", .kind = KEY_RATIO, .at = SOURCE(malformed_ratio), .default_text = "0"},
};
const struct key_table conf_generate_table = {generate_keys, IG_COUNT(generate_keys)};

static const struct key file_keys[] = {
    {.name = "type"},
    {.name = "path", .kind = KEY_TEXTS, .at = SOURCE(paths), .at_n = SOURCE(n_paths)},
    {.name = "format", .kind = KEY_WORD, .at = SOURCE(format), .default_text = "auto", .words = formats},
    {.name = "rate", .kind = KEY_RATE, .at = SOURCE(rate_per_s), .default_text = "max"},
    {.name = "null", .kind = KEY_TEXT, .at = SOURCE(null_text), .default_text = ""},
    {.name = "sql"},
    {.name = "reread", .kind = KEY_BOOL, .at = SOURCE(reread_on_change), .default_text = "false"},
};
const struct key_table conf_file_table = {file_keys, IG_COUNT(file_keys)};

#define DOMAIN(member) offsetof(struct conf_domain, member)
static const struct key topic_keys[] = {
    {.name = "name", .kind = KEY_TEXT, .at = DOMAIN(topic.name)},
    {.name = "partitions",
     .kind = KEY_INT32,
     .at = DOMAIN(topic.partitions),
     .default_text = "6",
     .min = 1,
     .max = 1000},
    {.name = "retention",
     .kind = KEY_DURATION,
     .at = DOMAIN(topic.retention_ms),
     .default_text = "7d",
     .min = 1000,
     .max = 36500 * DAY_MS},
    {.name = "dlq", .kind = KEY_TEXT, .at = DOMAIN(topic.dlq_name)},
    {.name = "dlq_retention",
     .kind = KEY_DURATION,
     .at = DOMAIN(topic.dlq_retention_ms),
     .default_text = "30d",
     .min = 1000,
     .max = 36500 * DAY_MS},
    {.name = "key", .kind = KEY_TEXT, .at = DOMAIN(topic.key)},
};
const struct key_table conf_topic_table = {topic_keys, IG_COUNT(topic_keys)};

static const struct key bronze_keys[] = {
    {.name = "partition_by", .kind = KEY_TEXT, .at = DOMAIN(bronze.date_column), .default_text = "event_date"},
    {.name = "flush_records",
     .kind = KEY_INT64,
     .at = DOMAIN(bronze.flush_records),
     .default_text = "1000",
     .min = 1,
     .max = 100000000},
    {.name = "flush_interval",
     .kind = KEY_DURATION,
     .at = DOMAIN(bronze.flush_ms),
     .default_text = "60s",
     .min = 10,
     .max = DAY_MS},
};
const struct key_table conf_bronze_table = {bronze_keys, IG_COUNT(bronze_keys)};

static const struct key silver_keys[] = {{.name = "sql"}};
const struct key_table conf_silver_table = {silver_keys, IG_COUNT(silver_keys)};

static const struct key gold_keys[] = {
    {.name = "sql"},
    {.name = "key",
     .kind = KEY_TEXTS,
     .at = offsetof(struct conf_gold, key),
     .at_n = offsetof(struct conf_gold, n_key)},
    {.name = "scope"},
};
const struct key_table conf_gold_table = {gold_keys, IG_COUNT(gold_keys)};

/* --- files beside domain.yml ---------------------------------------------------------------------------------- */

struct names {
    struct arena *arena;
    VEC(const char *) list;
};

static enum ig_code add_sql_name(void *ctx, const char *name, const struct env_stat *st, struct error *err)
{
    struct names *names = ctx;

    (void)err;
    if (!st->is_dir && name[0] != '.' && str_has_suffix(str_of(name), ".sql"))
        vec_push(&names->list, arena_strdup(names->arena, name));
    return IG_OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The .sql files of a folder of the domain, sorted; none if it is not there. */
static void list_sql(struct load *l, const struct conf_domain *d, const char *folder, struct names *names)
{
    const char *path = arena_printf(l->arena, "%s/%s", d->folder, folder);
    struct error err;
    enum ig_code rc;

    names->arena = l->arena;
    rc = env_list(l->env, path, add_sql_name, names, &err);
    if (rc != IG_OK && rc != IG_NOT_FOUND)
        problems_add(l->problems, arena_printf(l->arena, "domains/%s/%s", d->name, folder), 1, 1,
                     "the folder can not be read: %s", err.msg);
    if (names->list.n)
        qsort(names->list.p, names->list.n, sizeof(*names->list.p), compare_names);
}

static bool is_file(struct load *l, const struct conf_domain *d, const char *rel)
{
    struct env_stat st;

    return env_stat(l->env, arena_printf(l->arena, "%s/%s", d->folder, rel), &st, NULL) == IG_OK && !st.is_dir;
}

/* The `sql:` key of a mapping, or the default file. NULL (reported if it is a mistake): there is none. */
static const char *read_sql_key(struct load *l, const struct conf_domain *d, const struct node *map,
                                const struct node *at, const char *default_file, const char **path)
{
    const struct node *node = node_get(map, "sql");
    const char *rel = default_file;

    if (node && !keys_text(l, "sql", node, &rel))
        return NULL;
    if (node && node->written)
        load_origin(l, path, node->written);
    return load_sql(l, d, node ? node : at, rel, path);
}

/* --- parts ------------------------------------------------------------------------------------------------------ */

static void read_file_source(struct load *l, const struct node *map, struct conf_domain *d)
{
    struct conf_source *s = &d->source;
    const struct node *path = node_get(map, "path"), *sql = node_get(map, "sql");
    const char *rel;

    keys_read(l, map, "a file source", file_keys, IG_COUNT(file_keys), s);
    if (!path || (path->kind == NODE_LIST && path->n == 0))
        load_problem(l, path ? path : map, "a file source names its files: add 'path: data/*.csv' or a list of paths");
    for (size_t i = 0; i < s->n_paths; i++) {
        if (!s->paths[i][0])
            load_problem(l, path, "path: an empty path names no file");
        else if (s->paths[i][0] != '/')
            s->paths[i] = arena_printf(l->arena, "%s/%s", l->conf->root, s->paths[i]);
    }
    if (sql && keys_text(l, "sql", sql, &rel)) {
        s->sql = load_sql(l, d, sql, rel, &s->sql_path);
        load_origin(l, &s->sql, sql->written ? sql->written : rel);
    }
}

static void read_generate_source(struct load *l, const struct node *map, struct conf_domain *d)
{
    const struct node *generator = node_get(map, "generator");
    int word;

    keys_read(l, map, "a generate source", generate_keys, IG_COUNT(generate_keys), &d->source);
    if (d->source.span_ms > 0 && (!d->source.start || d->source.count == 0))
        load_problem(l, node_get(map, "span"),
                     "span: it spreads `count` records over a time from `start` on; add both, or leave it out");
    if (!generator)
        load_problem(l, map,
                     "a generate source says what to make: add 'generator:' with clickstream, orders, "
                     "restaurants or users");
    else if (keys_word(l, "generator", generator, generators, &word)) {
        d->source.generator = generators[word];
        if (generator->written)
            load_origin(l, &d->source.generator, generator->written);
    }
}

static void read_source(struct load *l, const struct node *map, struct conf_domain *d)
{
    const struct node *type = node_get(map, "type");
    int word = CONF_SOURCE_NONE;

    if (!map || map->kind == NODE_NULL)
        return;
    if (map->kind != NODE_MAP) {
        load_problem(l, map, "source: %s is not a mapping, like {type: file, path: data/*.csv}",
                     node_shown(l->arena, map));
        return;
    }
    if (!type) {
        load_problem(l, map, "source: its type is missing; add 'type: file' or 'type: generate'");
        return;
    }
    if (!keys_word(l, "type", type, conf_source_types, &word))
        return;
    d->source.type = (enum conf_source_type)word;
    if (word == CONF_SOURCE_FILE)
        read_file_source(l, map, d);
    else if (word == CONF_SOURCE_GENERATE)
        read_generate_source(l, map, d);
    else
        keys_check_names(l, map, "a source of type none", file_keys, 1);
}

static void read_topic(struct load *l, const struct node *map, struct conf_domain *d)
{
    const struct node *name = node_get(map, "name"), *dlq = node_get(map, "dlq");

    keys_read(l, map, "topic", topic_keys, IG_COUNT(topic_keys), d);
    if (!d->topic.name)
        d->topic.name = arena_printf(l->arena, "raw-%s", d->name);
    else if (!load_topic_name(d->topic.name))
        load_problem(l, name, "name: %s is not a topic's name: up to 249 letters, digits, '.', '_' and '-'",
                     node_shown(l->arena, name));
    if (!d->topic.dlq_name) {
        d->topic.dlq_name = arena_printf(l->arena, "dlq-%s", d->topic.name);
        if (name && name->written)
            load_origin(l, &d->topic.dlq_name, arena_printf(l->arena, "dlq-%s", name->written));
    } else if (!load_topic_name(d->topic.dlq_name)) {
        load_problem(l, dlq, "dlq: %s is not a topic's name: up to 249 letters, digits, '.', '_' and '-'",
                     node_shown(l->arena, dlq));
    }
}

static void read_silver(struct load *l, const struct node *map, struct conf_domain *d)
{
    if (map && !keys_check_names(l, map, "silver", silver_keys, IG_COUNT(silver_keys)))
        return;
    if (!node_get(map, "sql") && !is_file(l, d, "silver.sql"))
        return;
    d->silver.sql = read_sql_key(l, d, map, map, "silver.sql", &d->silver.sql_path);
}

/* --- gold --------------------------------------------------------------------------------------------------------- */

static bool is_table_name(const char *s)
{
    const size_t n = strlen(s);

    for (size_t i = 0; i < n; i++)
        if (!((s[i] >= 'a' && s[i] <= 'z') || (i > 0 && ((s[i] >= '0' && s[i] <= '9') || s[i] == '_'))))
            return false;
    return n > 0 && n <= 63;
}

static void read_gold_table(struct load *l, const struct node *name, const struct node *map,
                            const struct conf_domain *d, struct conf_gold *g)
{
    const struct node *scope = node_get(map, "scope"), *key = node_get(map, "key");
    int word = 0;

    g->name = name->text;
    if (!is_table_name(g->name))
        load_problem(l, name, "%s is not a table's name: lower-case letters, digits and _, a letter first, at most 63",
                     node_shown(l->arena, name));
    else if (strcmp(g->name, "silver") == 0 || strcmp(g->name, "input") == 0 ||
             str_has_prefix(str_of(g->name), "silver_"))
        load_problem(l, name, "'%s' is the name of a view that SQL of a domain sees; give the table another name",
                     g->name);
    keys_read(l, map, "a gold table", gold_keys, IG_COUNT(gold_keys), g);
    if (scope && keys_word(l, "scope", scope, scopes, &word))
        g->whole_table = word == 1;
    if (scope && scope->written)
        load_origin(l, &g->whole_table, scope->written);
    if (!key || (key->kind == NODE_LIST && key->n == 0))
        load_problem(l, key ? key : name,
                     "the gold table '%s' needs the columns that identify a row: add 'key:', like [event_date, hour]",
                     g->name);
    if (is_table_name(g->name) || node_get(map, "sql"))
        g->sql = read_sql_key(l, d, map, name, arena_printf(l->arena, "gold/%s.sql", g->name), &g->sql_path);
}

static void check_unused_sql(struct load *l, const struct conf_domain *d)
{
    struct names names = {0};

    list_sql(l, d, "gold", &names);
    for (size_t i = 0; i < names.list.n; i++) {
        const char *path = arena_printf(l->arena, "domains/%s/gold/%s", d->name, names.list.p[i]);
        size_t k = 0;

        while (k < d->n_gold && !(d->gold[k].sql_path && strcmp(d->gold[k].sql_path, path) == 0))
            k++;
        if (k == d->n_gold)
            problems_add(l->problems, path, 1, 1,
                         "this file is not used; add it under 'gold:' in domains/%s/domain.yml", d->name);
    }
    vec_free(&names.list);
}

static void read_gold(struct load *l, const struct node *map, struct conf_domain *d)
{
    struct conf_gold *gold;

    if (map && map->kind != NODE_MAP && map->kind != NODE_NULL) {
        load_problem(l, map, "gold: %s is not a mapping of table names, like {daily_revenue: {key: [day, city]}}",
                     node_shown(l->arena, map));
        return;
    }
    if (map && map->kind == NODE_MAP) {
        gold = ARENA_ARRAY(l->arena, struct conf_gold, map->n + 1);
        for (size_t i = 0; i < map->n; i++)
            read_gold_table(l, map->items[i].key, map->items[i].value, d, &gold[i]);
        d->gold = gold;
        d->n_gold = map->n;
    }
    check_unused_sql(l, d);
}

static void read_checks(struct load *l, struct conf_domain *d)
{
    struct names names = {0};
    struct conf_check *checks;

    list_sql(l, d, "tests", &names);
    checks = ARENA_ARRAY(l->arena, struct conf_check, names.list.n + 1);
    for (size_t i = 0; i < names.list.n; i++) {
        const char *name = names.list.p[i], *rel = arena_printf(l->arena, "tests/%s", name);
        const struct node at = {.kind = NODE_SCALAR,
                                .file = arena_printf(l->arena, "domains/%s/%s", d->name, rel),
                                .line = 1,
                                .column = 1,
                                .text = rel};

        checks[i].name = arena_strndup(l->arena, name, strlen(name) - strlen(".sql"));
        checks[i].sql = load_sql(l, d, &at, rel, &checks[i].path);
    }
    d->checks = checks;
    d->n_checks = names.list.n;
    vec_free(&names.list);
}

void load_domain(struct load *l, struct conf_domain *d, struct domain_nodes *nodes)
{
    const struct node *root;

    nodes->file = arena_printf(l->arena, "domains/%s/domain.yml", d->name);
    root = load_yaml(l, nodes->file, "there is no domain.yml in this folder; every folder in domains/ is a domain");
    nodes->root = root;
    if (!root || !keys_read(l, root, "a domain", domain_keys, IG_COUNT(domain_keys), d))
        return;
    nodes->contract = node_get(root, "contract");
    nodes->gold = node_get(root, "gold");
    read_source(l, node_get(root, "source"), d);
    read_topic(l, node_get(root, "topic"), d);
    keys_read(l, node_get(root, "bronze"), "bronze", bronze_keys, IG_COUNT(bronze_keys), d);
    load_contract(l, nodes->contract, root, d);
    read_silver(l, node_get(root, "silver"), d);
    read_gold(l, nodes->gold, d);
    read_checks(l, d);
}
