/*
 * A record in the tables: quarantine, silver, the partition's state, gold, warehouse.
 */
#include "stage/trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define META_PATH "metadata/partition_meta"
#define COMMITS_MAX 1000 /* how far back we look for the commit that added a file */
#define WAREHOUSE_WAIT_MS 3000
#define WAREHOUSE_PAUSE_MS 50

/* --- Delta tables ---------------------------------------------------------------------------------------------- */

/* A table's latest snapshot; *out NULL if there is none. */
static enum ig_code open_snapshot(struct trace_looking *k, const char *path, struct lake_table **table,
                                  struct lake_snapshot **out, struct error *err)
{
    enum ig_code rc = lake_open(k->t->x->store, k->t->c, path, table, err);

    *out = NULL;
    if (!rc)
        rc = lake_snapshot_open(*table, LAKE_LATEST, out, err);
    return rc == IG_NOT_FOUND ? IG_OK : rc;
}

static enum ig_code add_scan(struct trace_looking *k, const struct lake_snapshot *s, bool of_date, struct error *err)
{
    char date[16];
    const struct lake_partition only = {k->p->domain->bronze.date_column,
                                        date_format(k->date == DATE_NONE ? 0 : k->date, date)};

    return lake_add_scan(s, &(struct lake_scan){.only = &only, .n_only = of_date && k->date != DATE_NONE ? 1 : 0},
                         &k->sql, err);
}

static void add_version(struct trace_looking *k, struct trace_hop *hop, const char *path, const struct lake_snapshot *s)
{
    trace_text(k, hop, "table", str_of(path));
    trace_number(k, hop, "version", lake_version(s));
    trace_time_us(k, hop, "committed", lake_commit_time_ms(s) * 1000);
}

/* --- quarantine ------------------------------------------------------------------------------------------------ */

enum ig_code trace_look_quarantine(struct trace_looking *k, struct error *err)
{
    struct lake_table *table = NULL;
    struct lake_snapshot *s = NULL;
    struct engine_rows rows = {0};
    struct buf path;
    enum ig_code rc;

    buf_init(&path, 0);
    stage_quarantine_path(k->p->domain, &path);
    rc = open_snapshot(k, buf_cstr(&path), &table, &s, err);
    if (rc || !s)
        goto out;
    buf_clear(&k->sql);
    buf_puts(&k->sql, "SELECT reason, field, detail FROM ");
    rc = add_scan(k, s, true, err);
    trace_add_where(k->p, &k->sql);
    if (!rc)
        rc = engine_query(k->t->c, buf_cstr(&k->sql), &rows, err);
    while (!rc && engine_next(&rows)) {
        struct trace_hop *hop = trace_hop_add(k, "quarantine");

        add_version(k, hop, buf_cstr(&path), s);
        trace_text(k, hop, "reason", engine_str(&rows, 0));
        trace_text(k, hop, "field", engine_str(&rows, 1));
        trace_text(k, hop, "detail", engine_str(&rows, 2));
        k->rejected = true;
    }
    engine_rows_free(&rows);
out:
    lake_snapshot_free(s);
    lake_close(table);
    buf_release(&path);
    return rc;
}

/* --- silver ---------------------------------------------------------------------------------------------------- */

struct file_search {
    struct trace_looking *k;
    const char *table;
    const char *date;
    VEC(const char *) names, objects; /* relative to the table, and to the store */
};

static enum ig_code add_data_file(void *ctx, const struct lake_file *f, struct error *err)
{
    struct file_search *s = ctx;
    struct arena *a = &s->k->t->arena;

    (void)err;
    if (s->date && (!f->partition_values || !f->partition_values[0] || strcmp(f->partition_values[0], s->date) != 0))
        return IG_OK;
    vec_push(&s->names, arena_strdup(a, f->name));
    vec_push(&s->objects, arena_printf(a, "%s/%s", s->table, f->name));
    return IG_OK;
}

/* The engine says which path has the record: its name. */
static enum ig_code ask_engine(struct file_search *s, struct buf *out, struct error *err)
{
    struct trace_looking *k = s->k;
    struct store *st = k->t->x->store;
    struct buf found, *paths = check_calloc(s->names.n, sizeof(*paths));
    enum ig_code rc = store_fetch(st, s->objects.p, s->objects.n, err);

    buf_init(&found, 0);
    buf_clear(&k->sql);
    buf_puts(&k->sql, "SELECT filename FROM read_parquet([");
    for (size_t i = 0; i < s->names.n && !rc; i++) {
        buf_init(&paths[i], 0);
        rc = store_local_path(st, s->objects.p[i], &paths[i], err);
        buf_puts(&k->sql, i ? ", " : "");
        engine_add_literal(&k->sql, buf_str(&paths[i]));
    }
    buf_puts(&k->sql, "], filename = true, union_by_name = true)");
    trace_add_where(k->p, &k->sql);
    if (!rc)
        rc = engine_query_str(k->t->c, buf_cstr(&k->sql), &found, err);
    for (size_t i = 0; i < s->names.n; i++) {
        if (!rc && str_eq(buf_str(&paths[i]), buf_str(&found)))
            buf_puts(out, s->names.p[i]);
        buf_release(&paths[i]);
    }
    buf_release(&found);
    free(paths);
    return rc;
}

/* The data file of the table that has the record, "" if it can not be told. */
static enum ig_code find_data_file(struct trace_looking *k, const char *table, const struct lake_snapshot *s,
                                   struct buf *out, struct error *err)
{
    char date[16];
    struct file_search search = {
        .k = k, .table = table, .date = k->date == DATE_NONE ? NULL : date_format(k->date, date)};
    enum ig_code rc = lake_files(s, add_data_file, &search, err);

    if (!rc && search.names.n)
        rc = ask_engine(&search, out, err);
    vec_free(&search.objects);
    vec_free(&search.names);
    return rc == IG_NOT_FOUND ? IG_OK : rc;
}

/* The version whose commit added the file, -1 if that commit is not there any more. */
static enum ig_code find_adding_version(struct trace_looking *k, const char *table, const char *file, int64_t latest,
                                        int64_t *out, struct error *err)
{
    const char *base = strrchr(file, '/');
    const char *needle = arena_printf(&k->t->arena, "%s\"", base ? base + 1 : file);
    struct buf commit;
    enum ig_code rc = IG_OK;

    *out = -1;
    buf_init(&commit, 0);
    for (int64_t v = latest; v >= 0 && v > latest - COMMITS_MAX && *out < 0 && !rc; v--) {
        buf_clear(&commit);
        rc = store_get(k->t->x->store, arena_printf(&k->t->arena, "%s/_delta_log/%020" PRId64 ".json", table, v),
                       &commit, err);
        if (!rc && strstr(buf_cstr(&commit), needle))
            *out = v;
    }
    buf_release(&commit);
    return rc == IG_NOT_FOUND ? IG_OK : rc;
}

/* Other records with the same key: the row in silver stands for them. */
static enum ig_code add_stands_for(struct trace_looking *k, struct trace_hop *hop, struct error *err)
{
    struct trace other = {.x = k->t->x, .c = k->t->c};
    struct buf list;
    enum ig_code rc = IG_OK;

    arena_init(&other.arena);
    buf_init(&other.looked, 0);
    buf_init(&list, 0);
    if (k->key)
        rc = trace_find_key(&other, k->p->domain, str_of(k->key), err);
    for (size_t i = 0; i < other.places.n && !rc; i++) {
        const struct trace_place *q = &other.places.p[i];

        if (q->partition == k->p->partition && q->offset == k->p->offset && strcmp(q->topic, k->p->topic) == 0)
            continue;
        buf_printf(&list, "%s%s/%" PRId64 "/%" PRId64, list.n ? ", " : "", q->topic, q->partition, q->offset);
    }
    if (list.n)
        trace_text(k, hop, "stands_for", buf_str(&list));
    buf_release(&list);
    buf_release(&other.looked);
    vec_free(&other.places);
    arena_release(&other.arena);
    return rc;
}

static enum ig_code add_silver_row(struct trace_looking *k, const char *path, const struct lake_snapshot *s,
                                   struct str row, struct error *err)
{
    struct trace_hop hop = {.name = "silver"};
    struct buf file;
    int64_t added = -1;
    enum ig_code rc;

    k->in_silver = true;
    buf_init(&file, 0);
    add_version(k, &hop, path, s);
    trace_raw(k, &hop, "row", row);
    rc = find_data_file(k, path, s, &file, err);
    if (!rc && file.n)
        rc = find_adding_version(k, path, buf_cstr(&file), lake_version(s), &added, err);
    if (!rc && file.n)
        trace_text(k, &hop, "file", buf_str(&file));
    if (!rc && added >= 0)
        trace_number(k, &hop, "file_added_in_version", added);
    if (!rc)
        rc = add_stands_for(k, &hop, err);
    vec_push(&k->t->hops, hop);
    buf_release(&file);
    return rc;
}

/* Not in silver, and not rejected: which row has its key? */
static enum ig_code look_for_winner(struct trace_looking *k, const char *path, const struct lake_snapshot *s,
                                    struct error *err)
{
    const bool table_wide = k->p->domain->contract.unique == CONF_UNIQUE_TABLE;
    struct engine_rows rows = {0};
    struct trace_hop *hop;

    buf_clear(&k->sql);
    buf_puts(&k->sql, "SELECT concat(_topic, '/', _partition, '/', _offset) FROM ");
    IG_TRY(add_scan(k, s, !table_wide, err));
    buf_puts(&k->sql, " WHERE ");
    trace_add_key(&k->p->domain->contract, "", &k->sql);
    buf_puts(&k->sql, " = ");
    engine_add_literal(&k->sql, str_of(k->key));
    /* a silver.sql may have renamed the key: then there is nothing to say */
    if (engine_query(k->t->c, buf_cstr(&k->sql), &rows, NULL) != IG_OK)
        return IG_OK;
    while (engine_next(&rows)) {
        hop = trace_hop_add(k, "silver");
        add_version(k, hop, path, s);
        trace_text(k, hop, "duplicate_of", engine_str(&rows, 0));
    }
    engine_rows_free(&rows);
    return IG_OK;
}

enum ig_code trace_look_silver(struct trace_looking *k, struct error *err)
{
    struct lake_table *table = NULL;
    struct lake_snapshot *s = NULL;
    struct engine_rows rows = {0};
    struct buf path, row;
    enum ig_code rc;

    buf_init(&path, 0);
    buf_init(&row, 0);
    stage_silver_path(k->p->domain, &path);
    rc = open_snapshot(k, buf_cstr(&path), &table, &s, err);
    if (rc || !s)
        goto out;
    buf_clear(&k->sql);
    buf_puts(&k->sql, "SELECT to_json(\"the row\")::VARCHAR FROM (SELECT * FROM ");
    rc = add_scan(k, s, true, err);
    trace_add_where(k->p, &k->sql);
    buf_puts(&k->sql, ") AS \"the row\"");
    if (!rc)
        rc = engine_query(k->t->c, buf_cstr(&k->sql), &rows, err);
    while (!rc && engine_next(&rows)) {
        buf_clear(&row);
        buf_add_str(&row, engine_str(&rows, 0));
        rc = add_silver_row(k, buf_cstr(&path), s, buf_str(&row), err);
    }
    engine_rows_free(&rows);
    if (!rc && !k->in_silver && !k->rejected && k->key)
        rc = look_for_winner(k, buf_cstr(&path), s, err);
out:
    lake_snapshot_free(s);
    lake_close(table);
    buf_release(&row);
    buf_release(&path);
    return rc;
}

/* --- partition, gold, warehouse -------------------------------------------------------------------------------- */

enum ig_code trace_look_partition(struct trace_looking *k, struct error *err)
{
    struct lake_table *table = NULL;
    struct lake_snapshot *s = NULL;
    struct engine_rows rows = {0};
    struct trace_hop *hop;
    char date[16];
    enum ig_code rc = open_snapshot(k, META_PATH, &table, &s, err);

    if (rc)
        goto out;
    hop = trace_hop_add(k, "partition");
    trace_text(k, hop, "date", str_of(date_format(k->date, date)));
    if (!s) {
        trace_text(k, hop, "status", STR("UNDISCOVERED"));
        goto out;
    }
    buf_clear(&k->sql);
    buf_puts(&k->sql, "SELECT status, run_id, updated_at, processed_at, error_message FROM ");
    rc = lake_add_scan(s, NULL, &k->sql, err);
    buf_puts(&k->sql, " WHERE domain = ");
    engine_add_literal(&k->sql, str_of(k->p->domain->name));
    buf_printf(&k->sql, " AND partition_date = DATE '%s'", date);
    if (!rc)
        rc = engine_query(k->t->c, buf_cstr(&k->sql), &rows, err);
    if (!rc && engine_next(&rows)) {
        snprintf(k->status, sizeof(k->status), STR_FMT, STR_ARG(engine_str(&rows, 0)));
        trace_text(k, hop, "status", engine_str(&rows, 0));
        trace_text(k, hop, "run_id", engine_str(&rows, 1));
        if (!engine_is_null(&rows, 2))
            trace_time_us(k, hop, "updated", engine_int64(&rows, 2));
        if (!engine_is_null(&rows, 3))
            trace_time_us(k, hop, "processed", engine_int64(&rows, 3));
        trace_text(k, hop, "error", engine_str(&rows, 4));
    } else if (!rc) {
        trace_text(k, hop, "status", STR("UNDISCOVERED"));
    }
    engine_rows_free(&rows);
out:
    lake_snapshot_free(s);
    lake_close(table);
    return rc;
}

static enum ig_code look_at_gold_table(struct trace_looking *k, const struct conf_gold *g, struct error *err)
{
    struct lake_table *table = NULL;
    struct lake_snapshot *s = NULL;
    struct trace_hop *hop;
    struct buf path;
    char date[16];
    int64_t n = 0;
    enum ig_code rc;

    buf_init(&path, 0);
    stage_gold_path(k->p->domain, g, &path);
    rc = open_snapshot(k, buf_cstr(&path), &table, &s, err);
    if (rc || !s)
        goto out;
    buf_clear(&k->sql);
    buf_puts(&k->sql, "SELECT count(*) FROM ");
    rc = add_scan(k, s, !g->whole_table, err);
    if (!rc)
        rc = engine_query_int64(k->t->c, buf_cstr(&k->sql), &n, err);
    if (rc)
        goto out;
    hop = trace_hop_add(k, "gold");
    add_version(k, hop, buf_cstr(&path), s);
    trace_text(k, hop, "computed_over", g->whole_table ? STR("all dates") : str_of(date_format(k->date, date)));
    trace_number(k, hop, "rows", n);
out:
    lake_snapshot_free(s);
    lake_close(table);
    buf_release(&path);
    return rc;
}

enum ig_code trace_look_gold(struct trace_looking *k, struct error *err)
{
    for (size_t i = 0; i < k->p->domain->n_gold; i++)
        IG_TRY(look_at_gold_table(k, &k->p->domain->gold[i], err));
    return IG_OK;
}

static enum ig_code read_loads(struct trace_looking *k, struct error *err)
{
    struct engine_rows rows = {0};
    enum ig_code rc;

    buf_clear(&k->sql);
    buf_puts(&k->sql,
             "SELECT table_name, delta_version, rows, loaded_at FROM ingot_traced.gold._ingot_loads WHERE domain "
             "= ");
    engine_add_literal(&k->sql, str_of(k->p->domain->name));
    buf_puts(&k->sql, " ORDER BY table_name");
    rc = engine_query(k->t->c, buf_cstr(&k->sql), &rows, err);
    while (!rc && engine_next(&rows)) {
        struct trace_hop *hop = trace_hop_add(k, "warehouse");

        trace_text(k, hop, "table", str_of(arena_printf(&k->t->arena, "gold." STR_FMT, STR_ARG(engine_str(&rows, 0)))));
        trace_number(k, hop, "version", engine_int64(&rows, 1));
        trace_number(k, hop, "rows", engine_int64(&rows, 2));
        trace_time_us(k, hop, "loaded", engine_int64(&rows, 3));
    }
    engine_rows_free(&rows);
    return rc;
}

/* What is wrong with the warehouse is said, and does not end the trace. */
void trace_look_warehouse(struct trace_looking *k)
{
    const char *url = k->t->x->conf->warehouse_url ? k->t->x->conf->warehouse_url : "";
    const int64_t until_ms = env_monotonic_ms(k->t->x->env) + WAREHOUSE_WAIT_MS;
    struct error err = {0};
    struct env_stat st;
    enum ig_code rc;

    if (!str_has_prefix(str_of(url), "duckdb:") || k->p->domain->n_gold == 0)
        return;
    rc = env_stat(k->t->x->env, url + strlen("duckdb:"), &st, &err);
    if (rc == IG_NOT_FOUND)
        return;
    buf_clear(&k->sql);
    buf_puts(&k->sql, "ATTACH ");
    engine_add_literal(&k->sql, str_of(url + strlen("duckdb:")));
    buf_puts(&k->sql, " AS ingot_traced (READ_ONLY)");
    while (!rc && (rc = engine_exec(k->t->c, &err, buf_cstr(&k->sql))) == IG_UNAVAILABLE &&
           env_monotonic_ms(k->t->x->env) < until_ms) {
        env_sleep_ms(k->t->x->env, WAREHOUSE_PAUSE_MS);
        rc = IG_OK;
    }
    if (!rc) {
        rc = read_loads(k, &err);
        (void)!engine_exec(k->t->c, NULL, "DETACH ingot_traced");
    }
    if (rc)
        trace_text(k, trace_hop_add(k, "warehouse"), "problem", str_of(err.msg));
}
