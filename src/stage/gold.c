/*
 * Silver -> gold: each gold table's query over silver, merged into its Delta table by key; then the domain's checks.
 */
#include "stage/tables.h"

#include <stdio.h>
#include <stdlib.h>

#define RESULT GOLD_FRESH

/* One run: what all functions here need. */
struct gold_run {
    const struct stage_context *x;
    const struct conf_domain *d;
    int32_t date;
    struct engine_conn *c;
};

/* --- what queries may read ---------------------------------------------------------------------------- */

/* `silver`: this domain's rows, of the partition or of the whole table. */
static enum ig_code view_silver(const struct gold_run *g, bool whole_table, struct error *err)
{
    struct buf path;
    enum ig_code rc;

    buf_init(&path, 0);
    stage_silver_path(g->d, &path);
    rc = tables_view(g->x, g->c, buf_cstr(&path), "silver", g->d->bronze.date_column, whole_table ? DATE_NONE : g->date,
                     NULL, err);
    buf_release(&path);
    return rc;
}

/* `silver_DOMAIN`: all rows of each domain that the query names. */
static enum ig_code view_others(const struct gold_run *g, const char *sql, struct error *err)
{
    struct buf path, name;
    enum ig_code rc = IG_OK;

    buf_init(&path, 0);
    buf_init(&name, 0);
    for (size_t i = 0; i < g->x->conf->n_domains && !rc; i++) {
        const struct conf_domain *other = &g->x->conf->domains[i];

        buf_clear(&path);
        buf_clear(&name);
        buf_printf(&name, "silver_%s", other->name);
        if (!tables_mentions(sql, buf_cstr(&name)))
            continue;
        stage_silver_path(other, &path);
        rc = tables_view(g->x, g->c, buf_cstr(&path), buf_cstr(&name), other->bronze.date_column, DATE_NONE, NULL, err);
        if (rc == IG_NOT_FOUND)
            rc = error_set(err, IG_NOT_FOUND,
                           "%s has no silver table yet: process %s first (name it in depends_on of %s)",
                           buf_cstr(&name), other->name, g->d->name);
    }
    buf_release(&path);
    buf_release(&name);
    return rc;
}

/* --- one gold table ----------------------------------------------------------------------------------- */

/* Names a key that two rows have. */
static enum ig_code check_key_is_unique(const struct gold_run *g, const struct conf_gold *t, struct error *err)
{
    struct buf sql, found;
    enum ig_code rc;

    buf_init(&sql, 0);
    buf_init(&found, 0);
    buf_puts(&sql, "SELECT ");
    for (size_t i = 0; i < t->n_key; i++) {
        buf_puts(&sql, i ? " || ', ' || " : "");
        engine_add_literal(&sql, str_of(t->key[i]));
        buf_puts(&sql, " || ' = ' || coalesce(");
        engine_add_name(&sql, str_of(t->key[i]));
        buf_puts(&sql, "::VARCHAR, 'NULL')");
    }
    buf_puts(&sql, " || ' (' || count(*) || ' rows)' FROM " RESULT " GROUP BY ");
    for (size_t i = 0; i < t->n_key; i++) {
        buf_puts(&sql, i ? ", " : "");
        engine_add_name(&sql, str_of(t->key[i]));
    }
    buf_puts(&sql, " HAVING count(*) > 1 ORDER BY ALL LIMIT 1");
    rc = engine_query_str(g->c, buf_cstr(&sql), &found, err);
    if (rc == IG_NOT_FOUND)
        rc = IG_OK;
    else if (!rc)
        rc = error_set(err, IG_INVALID, "the key is not unique: %s", buf_cstr(&found));
    buf_release(&sql);
    buf_release(&found);
    return rc;
}

static enum ig_code check_dates(const struct gold_run *g, struct error *err)
{
    char date[16];
    struct buf sql, found;
    enum ig_code rc;

    buf_init(&sql, 0);
    buf_init(&found, 0);
    buf_puts(&sql, "SELECT coalesce(");
    engine_add_name(&sql, str_of(g->d->bronze.date_column));
    buf_puts(&sql, "::VARCHAR, 'NULL') FROM " RESULT " WHERE ");
    engine_add_name(&sql, str_of(g->d->bronze.date_column));
    buf_printf(&sql, " IS DISTINCT FROM DATE '%s' LIMIT 1", date_format(g->date, date));
    rc = engine_query_str(g->c, buf_cstr(&sql), &found, err);
    if (rc == IG_NOT_FOUND)
        rc = IG_OK;
    else if (!rc)
        rc = error_set(err, IG_INVALID,
                       "a row has %s %s in the partition %s: a table over other dates needs scope: table",
                       g->d->bronze.date_column, buf_cstr(&found), date);
    buf_release(&sql);
    buf_release(&found);
    return rc;
}

/* Runs the query once, into a temporary table, and looks whether it is what a gold table can be. */
static enum ig_code compute(const struct gold_run *g, const struct conf_gold *t, struct error *err)
{
    const struct str text = tables_trim_sql(t->sql);
    const char **needed = check_calloc(t->n_key + 1, sizeof(*needed));
    size_t n_needed = 0;
    struct buf sql;
    enum ig_code rc;

    for (size_t i = 0; i < t->n_key; i++)
        needed[n_needed++] = t->key[i];
    if (!t->whole_table)
        needed[n_needed++] = g->d->bronze.date_column;
    buf_init(&sql, 0);
    buf_printf(&sql, "CREATE OR REPLACE TEMP TABLE " RESULT " AS SELECT * FROM (\n" STR_FMT "\n)", STR_ARG(text));
    rc = buf_check(&sql, err, "the query");
    if (!rc)
        rc = engine_exec(g->c, err, buf_cstr(&sql));
    if (!rc)
        rc = tables_need_columns(g->c, "SELECT * FROM " RESULT, needed, n_needed, "the query",
                                 t->whole_table ? "it is in the key"
                                                : "it is in the key, or the date column, which a table needs that is "
                                                  "computed date by date (or say scope: table)",
                                 err);
    if (!rc && t->n_key > 0)
        rc = check_key_is_unique(g, t, err);
    if (!rc && !t->whole_table)
        rc = check_dates(g, err);
    buf_release(&sql);
    free(needed);
    return rc;
}

static enum ig_code merge(const struct gold_run *g, const struct conf_gold *t, struct error *err)
{
    char date[16];
    const char *partition_by[] = {g->d->bronze.date_column};
    const struct lake_partition within = {partition_by[0], date_format(g->date, date)};
    const struct lake_merge m = {.select = "SELECT * FROM " RESULT,
                                 .key = t->key,
                                 .n_key = t->n_key,
                                 .within = &within,
                                 .n_partitions = t->whole_table ? 0 : 1,
                                 .n_columns = 1,
                                 .delete_unmatched = true};
    struct lake_result result = {0};
    struct lake_table *table = NULL;
    struct buf path;
    enum ig_code rc;

    buf_init(&path, 0);
    stage_gold_path(g->d, t, &path);
    rc = lake_open(g->x->store, g->c, buf_cstr(&path), &table, err);
    if (!rc)
        rc = lake_create(table, m.select, partition_by, t->whole_table ? 0 : 1, err);
    if (!rc)
        rc = lake_merge(table, &m, NULL, &result, err);
    if (!rc)
        log_debug(g->x->env, "gold", "%s %s: version %lld, %lld inserted, %lld updated, %lld deleted", buf_cstr(&path),
                  t->whole_table ? "whole" : date, (long long)result.version, (long long)result.rows_inserted,
                  (long long)result.rows_updated, (long long)result.rows_deleted);
    lake_close(table);
    buf_release(&path);
    return rc;
}

enum ig_code gold_fresh(const struct stage_context *x, struct engine_conn *c, const struct conf_domain *d,
                        const struct conf_gold *t, int32_t date, struct error *err)
{
    const struct gold_run g = {.x = x, .d = d, .date = date, .c = c};

    IG_TRY(view_silver(&g, t->whole_table, err));
    IG_TRY(view_others(&g, t->sql, err));
    return compute(&g, t, err);
}

static enum ig_code build_table(const struct gold_run *g, const struct conf_gold *t, int64_t *rows, struct error *err)
{
    int64_t n = 0;
    enum ig_code rc = gold_fresh(g->x, g->c, g->d, t, g->date, err);

    if (!rc)
        rc = engine_query_int64(g->c, "SELECT count(*) FROM " RESULT, &n, err);
    if (!rc)
        rc = merge(g, t, err);
    *rows += n;
    if (rc)
        return error_context(err, rc, "gold table %s (%s)", t->name, t->sql_path ? t->sql_path : "its query");
    return IG_OK;
}

/* --- checks ------------------------------------------------------------------------------------------- */

/* Gold tables under their names, of the partition where they have it. */
static enum ig_code view_gold(const struct gold_run *g, struct error *err)
{
    struct buf path;
    enum ig_code rc = IG_OK;

    buf_init(&path, 0);
    for (size_t i = 0; i < g->d->n_gold && !rc; i++) {
        const struct conf_gold *t = &g->d->gold[i];

        buf_clear(&path);
        stage_gold_path(g->d, t, &path);
        rc = tables_view(g->x, g->c, buf_cstr(&path), t->name, g->d->bronze.date_column,
                         t->whole_table ? DATE_NONE : g->date, NULL, err);
    }
    buf_release(&path);
    return rc;
}

static enum ig_code run_check(const struct gold_run *g, const struct conf_check *check, struct error *err)
{
    const struct str text = tables_trim_sql(check->sql);
    struct buf sql, rows;
    int64_t n = 0;
    enum ig_code rc;

    buf_init(&sql, 0);
    buf_init(&rows, 0);
    rc = view_others(g, check->sql, err);
    buf_printf(&sql, "CREATE OR REPLACE TEMP TABLE ingot_check AS SELECT * FROM (\n" STR_FMT "\n)", STR_ARG(text));
    if (!rc)
        rc = engine_exec(g->c, err, buf_cstr(&sql));
    if (!rc)
        rc = engine_query_int64(g->c, "SELECT count(*) FROM ingot_check", &n, err);
    if (!rc && n > 0) {
        rc = engine_print(g->c, "SELECT * FROM ingot_check LIMIT 1", ENGINE_PRINT_JSON, 1, &rows, err);
        if (!rc)
            rc = error_set(err, IG_INVALID, "%lld rows where there should be none, the first is " STR_FMT, (long long)n,
                           STR_ARG(tables_trim_sql(buf_cstr(&rows))));
    }
    buf_release(&sql);
    buf_release(&rows);
    if (rc)
        return error_context(err, rc, "check %s (%s)", check->name, check->path ? check->path : "its query");
    return IG_OK;
}

static enum ig_code run_checks(const struct gold_run *g, int64_t *n, struct error *err)
{
    if (g->d->n_checks == 0)
        return IG_OK;
    IG_TRY(view_silver(g, false, err));
    IG_TRY(view_gold(g, err));
    for (size_t i = 0; i < g->d->n_checks; i++) {
        IG_TRY(run_check(g, &g->d->checks[i], err));
        ++*n;
    }
    return IG_OK;
}

enum ig_code stage_gold(const struct stage_context *x, const struct conf_domain *d, int32_t date,
                        struct stage_gold_result *out, struct error *err)
{
    struct gold_run g = {.x = x, .d = d, .date = date};
    enum ig_code rc;

    *out = (struct stage_gold_result){0};
    if (d->n_gold == 0 && d->n_checks == 0)
        return IG_OK;
    rc = engine_connect(x->engine, &g.c, err);
    for (size_t i = 0; i < d->n_gold && !rc; i++)
        rc = build_table(&g, &d->gold[i], &out->gold_rows, err);
    if (!rc)
        rc = run_checks(&g, &out->checks_run, err);
    engine_disconnect(g.c);
    return rc;
}
