#include "lake/script.h"

#include "lake/read/prune.h"
#include "lake/script_schema.h"
#include "lake/write/expression.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define PARTS_MAX 4
#define ITEMS_MAX 64

enum ig_code script_open(struct script *s, struct env *env, const char *folder, struct error *err)
{
    const struct engine_options options = {.threads = 2};

    *s = (struct script){.env = env};
    IG_TRY(store_open(env, folder, &s->store, err));
    IG_TRY(engine_open(&options, &s->engine, err));
    return engine_connect(s->engine, &s->conn, err);
}

void script_close(struct script *s)
{
    engine_disconnect(s->conn);
    engine_close(s->engine);
    store_free(s->store);
}

struct line {
    char *copy;
    const char *verb;
    char *parts[PARTS_MAX];
    int64_t version;
};

static char *trim(char *p)
{
    size_t n;

    while (isspace((unsigned char)*p))
        p++;
    n = strlen(p);
    while (n > 0 && isspace((unsigned char)p[n - 1]))
        p[--n] = '\0';
    return p;
}

/* The last part may hold anything. */
static void split(struct line *l, const char *text, size_t n_parts)
{
    char *p = l->copy = check_strdup(text), *at;

    p = trim(p);
    l->verb = strsep(&p, " ");
    for (size_t i = 0; i < PARTS_MAX; i++) {
        l->parts[i] = p ? p : l->copy + strlen(l->copy);
        p = p && i + 1 < n_parts ? strchr(p, '|') : NULL;
        if (p)
            *p++ = '\0';
        l->parts[i] = trim(l->parts[i]);
    }
    l->version = LAKE_LATEST;
    at = strrchr(l->parts[0], '@');
    if (at) {
        *at = '\0';
        l->version = strtoll(at + 1, NULL, 10);
    }
}

static size_t split_list(char *text, const char **items)
{
    size_t n = 0;

    for (char *item; (item = strsep(&text, ",")) != NULL && n < ITEMS_MAX;)
        if (*item)
            items[n++] = item;
    return n;
}

/* "a=1,b=2;a=3,b=4": *n_columns each. "\N" is null. */
static size_t split_partitions(char *text, struct lake_partition *out, size_t *n_columns)
{
    size_t n = 0, groups = 0;

    *n_columns = 0;
    for (char *group; *trim(text) && (group = strsep(&text, ";")) != NULL;) {
        const char *items[ITEMS_MAX];

        *n_columns = split_list(group, items);
        groups++;
        for (size_t i = 0; i < *n_columns; i++, n++) {
            char *copy = group + (items[i] - group), *value = strchr(copy, '=');

            if (value)
                *value++ = '\0';
            out[n] = (struct lake_partition){copy, value && strcmp(value, "\\N") != 0 ? value : NULL};
        }
        if (!text)
            break;
    }
    return groups;
}

static void add_result(const struct lake_result *r, struct buf *out)
{
    buf_printf(out,
               "{\"version\":%lld,\"written\":%lld,\"inserted\":%lld,\"updated\":%lld,\"deleted\":%lld,\"copied\":%lld,"
               "\"added\":%lld,\"removed\":%lld}\n",
               (long long)r->version, (long long)r->rows_written, (long long)r->rows_inserted,
               (long long)r->rows_updated, (long long)r->rows_deleted, (long long)r->rows_copied,
               (long long)r->files_added, (long long)r->files_removed);
}

static enum ig_code run_scan(struct script *s, struct lake_table *t, struct line *l, struct buf *out, struct error *err)
{
    struct lake_partition only[ITEMS_MAX];
    struct lake_snapshot *snapshot = NULL;
    size_t n;
    struct buf sql;
    enum ig_code rc;

    split_partitions(l->parts[1], only, &n);
    buf_init(&sql, 0);
    rc = lake_snapshot_open(t, l->version, &snapshot, err);
    buf_puts(&sql, "WITH t AS (SELECT * FROM ");
    if (!rc)
        rc = lake_add_scan(snapshot,
                           &(struct lake_scan){.only = only, .n_only = n, .row_ids = strcmp(l->verb, "rows") == 0},
                           &sql, err);
    buf_printf(&sql, ") %s", *l->parts[2] ? l->parts[2] : "SELECT * FROM t ORDER BY ALL");
    if (!rc)
        rc = engine_print(s->conn, buf_cstr(&sql), ENGINE_PRINT_JSON, 0, out, err);
    lake_snapshot_free(snapshot);
    buf_release(&sql);
    return rc;
}

/* "where NAME | PREDICATE | QUERY of t": the rows that it is true for. Without a query: how many files and rows there
 * are, how many files are read for it, and how many rows are got. */
static enum ig_code run_where(struct script *s, struct lake_table *t, struct line *l, struct buf *out,
                              struct error *err)
{
    const struct lake_scan scan = {.where = l->parts[1], .file_column = true};
    const struct lake_entry **entries = NULL;
    struct lake_snapshot *snapshot = NULL;
    size_t n = 0, kept;
    struct buf sql;
    enum ig_code rc;

    IG_TRY(lake_snapshot_open(t, l->version, &snapshot, err));
    entries = check_calloc(snapshot->entries.n + 1, 2 * sizeof(struct lake_entry *));
    for (size_t i = 0; i < snapshot->entries.n; i++)
        if (snapshot->entries.p[i].live)
            entries[n++] = &snapshot->entries.p[i];
    kept = lake_prune(snapshot, l->parts[1], entries, n, entries + n);
    buf_init(&sql, 0);
    buf_puts(&sql, "WITH t AS (SELECT * FROM ");
    rc = lake_add_scan(snapshot, &scan, &sql, err);
    if (*l->parts[2])
        buf_printf(&sql, ") %s", l->parts[2]);
    else
        buf_printf(&sql, ") SELECT %zu AS files, %zu AS kept, count(*) AS n FROM t", n, kept);
    if (!rc)
        rc = engine_print(s->conn, buf_cstr(&sql), ENGINE_PRINT_JSON, 0, out, err);
    lake_snapshot_free(snapshot);
    buf_release(&sql);
    free(entries);
    return rc;
}

/* changes TABLE | FROM,TO | SQL over t */
static enum ig_code run_changes(struct script *s, struct lake_table *t, struct line *l, struct buf *out,
                                struct error *err)
{
    const char *items[ITEMS_MAX];
    const size_t n = split_list(l->parts[1], items);
    struct buf sql;
    enum ig_code rc;

    buf_init(&sql, 0);
    buf_puts(&sql, "WITH t AS (SELECT * FROM ");
    rc = lake_add_changes(t, n > 0 ? strtoll(items[0], NULL, 10) : 0, n > 1 ? strtoll(items[1], NULL, 10) : LAKE_LATEST,
                          &sql, err);
    buf_printf(&sql, ") %s", *l->parts[2] ? l->parts[2] : "SELECT * FROM t ORDER BY ALL");
    if (!rc)
        rc = engine_print(s->conn, buf_cstr(&sql), ENGINE_PRINT_JSON, 0, out, err);
    buf_release(&sql);
    return rc;
}

static enum ig_code run_at(struct lake_table *t, struct line *l, struct buf *out, struct error *err)
{
    int64_t version;

    IG_TRY(lake_version_at(t, strtoll(l->parts[1], NULL, 10), &version, err));
    buf_printf(out, "{\"version\":%lld}\n", (long long)version);
    return IG_OK;
}

static enum ig_code print_commit(void *ctx, const struct lake_history_entry *e, struct error *err)
{
    struct buf *out = ctx;

    (void)err;
    buf_printf(out, "{\"version\":%lld,\"time\":%lld,\"operation\":", (long long)e->version, (long long)e->time_ms);
    json_add_string(out, str_of(e->operation ? e->operation : ""));
    buf_printf(out, ",\"parameters\":" STR_FMT "}\n", STR_ARG(e->parameters.n ? e->parameters : STR("{}")));
    return IG_OK;
}

static enum ig_code print_file(void *ctx, const struct lake_file *f, struct error *err)
{
    struct buf *out = ctx;

    (void)err;
    buf_puts(out, "{\"name\":");
    json_add_string(out, str_of(f->name));
    buf_printf(out, ",\"rows\":%lld,\"size\":%lld}\n", (long long)f->rows, (long long)f->size_bytes);
    return IG_OK;
}

/* translate TABLE | | EXPRESSION: Spark's SQL over the table's columns as the engine's */
static enum ig_code run_translate(struct script *s, struct lake_table *t, struct line *l, struct buf *out,
                                  struct error *err)
{
    struct lake_snapshot *snapshot = NULL;
    enum ig_code rc = lake_snapshot_open(t, l->version, &snapshot, err);
    struct buf sql;

    buf_init(&sql, 0);
    if (!rc)
        rc = lake_translate(s->conn, snapshot->metadata.schema, l->parts[2], &sql, err);
    if (!rc) {
        buf_puts(out, "{\"sql\":");
        json_add_string(out, buf_str(&sql));
        buf_puts(out, "}\n");
    }
    lake_snapshot_free(snapshot);
    buf_release(&sql);
    return rc;
}

static enum ig_code run_files(struct lake_table *t, struct line *l, struct buf *out, struct error *err)
{
    struct lake_snapshot *snapshot = NULL;
    enum ig_code rc = lake_snapshot_open(t, l->version, &snapshot, err);

    if (!rc)
        rc = lake_files(snapshot, print_file, out, err);
    lake_snapshot_free(snapshot);
    return rc;
}

static enum ig_code run_merge(struct lake_table *t, struct line *l, struct lake_result *result, struct error *err)
{
    struct lake_partition within[ITEMS_MAX];
    const char *key[ITEMS_MAX];
    char *delete = strstr(l->parts[2], "delete");
    struct lake_merge m = {.select = l->parts[3], .key = key, .delete_unmatched = delete != NULL};

    if (delete)
        *delete = '\0';
    l->parts[2] = trim(l->parts[2]);
    m.n_key = split_list(l->parts[1], key);
    m.n_partitions = split_partitions(l->parts[2], within, &m.n_columns);
    m.within = within;
    return lake_merge(t, &m, NULL, result, err);
}

static enum ig_code run_table(struct script *s, struct lake_table *t, struct line *l, struct buf *out,
                              struct error *err)
{
    struct lake_commit_options options = {.only_on_version = LAKE_LATEST};
    struct lake_partition where[ITEMS_MAX];
    const char *items[ITEMS_MAX];
    struct lake_result result;
    size_t n, n_columns;
    enum ig_code rc;

    if (strcmp(l->verb, "create") == 0) {
        n = split_list(l->parts[1], items);
        return lake_create(t, l->parts[2], items, n, err);
    }
    if (strcmp(l->verb, "make") == 0)
        return script_make(t, l->parts[1], l->parts[2], err);
    if (strcmp(l->verb, "alter") == 0)
        return script_alter(t, l->parts[1], out, err);
    if (strcmp(l->verb, "scan") == 0 || strcmp(l->verb, "rows") == 0)
        return run_scan(s, t, l, out, err);
    if (strcmp(l->verb, "where") == 0)
        return run_where(s, t, l, out, err);
    if (strcmp(l->verb, "files") == 0)
        return run_files(t, l, out, err);
    if (strcmp(l->verb, "changes") == 0)
        return run_changes(s, t, l, out, err);
    if (strcmp(l->verb, "translate") == 0)
        return run_translate(s, t, l, out, err);
    if (strcmp(l->verb, "at") == 0)
        return run_at(t, l, out, err);
    if (strcmp(l->verb, "history") == 0)
        return lake_history(t, strtoll(l->parts[1], NULL, 10), print_commit, out, err);
    if (strcmp(l->verb, "checkpoint") == 0)
        return lake_checkpoint(t, l->version, err);
    if (strcmp(l->verb, "append") == 0) {
        n = split_list(l->parts[1], items);
        for (size_t i = 0; i < n; i++)
            if (strncmp(items[i], "app=", 4) == 0)
                options.app_id = items[i] + 4;
            else if (strncmp(items[i], "version=", 8) == 0)
                options.app_version = strtoll(items[i] + 8, NULL, 10);
            else if (strcmp(items[i], "merge") == 0)
                options.merge_schema = true;
            else if (strncmp(items[i], "only=", 5) == 0)
                options.only_on_version = strtoll(items[i] + 5, NULL, 10);
        rc = lake_append(t, l->parts[2], &options, &result, err);
    } else if (strcmp(l->verb, "replace") == 0) {
        n = split_partitions(l->parts[1], where, &n_columns);
        rc = lake_replace(t, l->parts[2], where, n, n_columns, NULL, &result, err);
    } else if (strcmp(l->verb, "merge") == 0) {
        rc = run_merge(t, l, &result, err);
    } else {
        return error_set(err, IG_INVALID, "%s?", l->verb);
    }
    if (!rc)
        add_result(&result, out);
    return rc;
}

enum ig_code script_run(struct script *s, const char *text, struct buf *out, struct error *err)
{
    struct line l = {0};
    struct lake_table *t = NULL;
    enum ig_code rc;

    split(&l, text,
          strncmp(text, "merge", 5) == 0   ? 4
          : strncmp(text, "sql", 3) == 0   ? 1
          : strncmp(text, "alter", 5) == 0 ? 2
                                           : 3);
    if (strcmp(l.verb, "sql") == 0) {
        rc = engine_print(s->conn, strstr(text, "sql") + 3, ENGINE_PRINT_JSON, 0, out, err);
    } else {
        rc = lake_open(s->store, s->conn, l.parts[0], &t, err);
        if (!rc)
            rc = run_table(s, t, &l, out, err);
    }
    lake_close(t);
    free(l.copy);
    return rc;
}
