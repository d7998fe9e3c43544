/*
 * Silver -> gold: each gold table's query over silver, merged into its Delta table by key; then the domain's checks.
 */
#include "stage/tables.h"

#include <stdio.h>
#include <stdlib.h>

/* Every row of the query for each date, with the date it was computed for; GOLD_FRESH is a view without that. */
#define ROWS "ingot_gold_rows"
#define COMPUTED_FOR "_ingot_date"

/* One run: what all functions here need. */
struct gold_run {
    const struct stage_context *x;
    const struct conf_domain *d;
    const int32_t *dates;
    size_t n_dates;
    struct engine_conn *c;
    struct tables_source silver; /* this domain's */
};

/* --- what queries may read ---------------------------------------------------------------------------- */

/* `silver`: this domain's rows, of one date or (DATE_NONE) of the whole table. */
static enum ig_code view_silver(struct gold_run *g, int32_t date, struct error *err)
{
    struct buf path;
    enum ig_code rc = IG_OK;

    if (!g->silver.snapshot) {
        buf_init(&path, 0);
        stage_silver_path(g->d, &path);
        rc = tables_source_open(g->x, g->c, buf_cstr(&path), &g->silver, err);
        buf_release(&path);
    }
    if (!rc)
        rc = tables_source_view(&g->silver, g->c, "silver", g->d->bronze.date_column, date, err);
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
        if (rc == IG_NOT_FOUND) /* it comes with the other domain's first records: to wait costs no retry */
            rc = error_set(err, IG_UNAVAILABLE,
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
    buf_puts(&sql, " || ' (' || count(*) || ' rows)' FROM " GOLD_FRESH " GROUP BY ");
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
    struct buf sql, found;
    enum ig_code rc;

    buf_init(&sql, 0);
    buf_init(&found, 0);
    buf_puts(&sql, "SELECT 'a row has ' || ");
    engine_add_literal(&sql, str_of(g->d->bronze.date_column));
    buf_puts(&sql, " || ' ' || coalesce(");
    engine_add_name(&sql, str_of(g->d->bronze.date_column));
    buf_puts(&sql, "::VARCHAR, 'NULL') || ' in the partition ' || " COMPUTED_FOR " FROM " ROWS " WHERE ");
    engine_add_name(&sql, str_of(g->d->bronze.date_column));
    buf_puts(&sql, " IS DISTINCT FROM " COMPUTED_FOR " LIMIT 1");
    rc = engine_query_str(g->c, buf_cstr(&sql), &found, err);
    if (rc == IG_NOT_FOUND)
        rc = IG_OK;
    else if (!rc)
        rc = error_set(err, IG_INVALID, "%s: a table over other dates needs scope: table", buf_cstr(&found));
    buf_release(&sql);
    buf_release(&found);
    return rc;
}

/* Runs the query over one date (DATE_NONE: over all) into ROWS. */
static enum ig_code compute_date(struct gold_run *g, const struct conf_gold *t, int32_t date, bool first,
                                 struct error *err)
{
    char text[16];
    struct buf sql;
    enum ig_code rc = view_silver(g, date, err);

    buf_init(&sql, 0);
    buf_puts(&sql, first ? "CREATE OR REPLACE TEMP TABLE " ROWS " AS " : "INSERT INTO " ROWS " ");
    buf_printf(&sql, "SELECT *, CAST(%s%s%s AS DATE) AS " COMPUTED_FOR " FROM (\n" STR_FMT "\n)",
               date == DATE_NONE ? "" : "'", date == DATE_NONE ? "NULL" : date_format(date, text),
               date == DATE_NONE ? "" : "'", STR_ARG(tables_trim_sql(t->sql)));
    if (!rc)
        rc = buf_check(&sql, err, "the query");
    if (!rc)
        rc = engine_exec(g->c, err, buf_cstr(&sql));
    buf_release(&sql);
    return rc;
}

/* Has the result the columns that a gold table needs, and one row a key? */
static enum ig_code check_result(const struct gold_run *g, const struct conf_gold *t, struct error *err)
{
    const char **needed = check_calloc(t->n_key + 1, sizeof(*needed));
    size_t n_needed = 0;
    enum ig_code rc;

    for (size_t i = 0; i < t->n_key; i++)
        needed[n_needed++] = t->key[i];
    if (!t->whole_table)
        needed[n_needed++] = g->d->bronze.date_column;
    rc = tables_need_columns(g->c, "SELECT * FROM " GOLD_FRESH, needed, n_needed, "the query",
                             t->whole_table ? "it is in the key"
                                            : "it is in the key, or the date column, which a table needs that is "
                                              "computed date by date (or say scope: table)",
                             err);
    if (!rc && !t->whole_table)
        rc = check_dates(g, err);
    if (!rc && t->n_key > 0)
        rc = check_key_is_unique(g, t, err);
    free(needed);
    return rc;
}

static enum ig_code compute(struct gold_run *g, const struct conf_gold *t, struct error *err)
{
    enum ig_code rc = view_others(g, t->sql, err);

    if (!rc && t->whole_table)
        rc = compute_date(g, t, DATE_NONE, true, err);
    for (size_t i = 0; i < g->n_dates && !t->whole_table && !rc; i++)
        rc = compute_date(g, t, g->dates[i], i == 0, err);
    if (!rc)
        rc = engine_exec(
            g->c, err, "CREATE OR REPLACE TEMP VIEW " GOLD_FRESH " AS SELECT * EXCLUDE (" COMPUTED_FOR ") FROM " ROWS);
    return rc ? rc : check_result(g, t, err);
}

static enum ig_code merge_rows(const struct gold_run *g, const struct conf_gold *t, const struct lake_partition *within,
                               struct error *err)
{
    const char *partition_by[] = {g->d->bronze.date_column};
    const struct lake_merge m = {.select = "SELECT * FROM " GOLD_FRESH,
                                 .key = t->key,
                                 .n_key = t->n_key,
                                 .within = within,
                                 .n_partitions = t->whole_table ? 0 : g->n_dates,
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
        log_debug(g->x->env, "gold", "%s: version %lld, %lld inserted, %lld updated, %lld deleted", buf_cstr(&path),
                  (long long)result.version, (long long)result.rows_inserted, (long long)result.rows_updated,
                  (long long)result.rows_deleted);
    lake_close(table);
    buf_release(&path);
    return rc;
}

static enum ig_code merge(const struct gold_run *g, const struct conf_gold *t, struct error *err)
{
    struct lake_partition *within = check_calloc(g->n_dates, sizeof(*within));
    char(*text)[16] = check_calloc(g->n_dates, sizeof(*text));
    enum ig_code rc;

    for (size_t i = 0; i < g->n_dates; i++)
        within[i] = (struct lake_partition){g->d->bronze.date_column, date_format(g->dates[i], text[i])};
    rc = merge_rows(g, t, within, err);
    free(within);
    free(text);
    return rc;
}

enum ig_code gold_fresh(const struct stage_context *x, struct engine_conn *c, const struct conf_domain *d,
                        const struct conf_gold *t, int32_t date, struct error *err)
{
    struct gold_run g = {.x = x, .d = d, .dates = &date, .n_dates = 1, .c = c};
    const enum ig_code rc = compute(&g, t, err);

    tables_source_close(&g.silver);
    return rc;
}

/* Adds a table's rows to the counts of the dates; a table over all dates counts for each. */
static enum ig_code count_rows(const struct gold_run *g, int64_t *rows, struct error *err)
{
    struct engine_rows found = {0};
    enum ig_code rc =
        engine_query(g->c, "SELECT " COMPUTED_FOR ", count(*) FROM " ROWS " GROUP BY " COMPUTED_FOR, &found, err);

    while (!rc && engine_next(&found))
        for (size_t i = 0; i < g->n_dates; i++)
            if (engine_is_null(&found, 0) || engine_int64(&found, 0) == g->dates[i])
                rows[i] += engine_int64(&found, 1);
    engine_rows_free(&found);
    return rc;
}

static enum ig_code build_table(struct gold_run *g, const struct conf_gold *t, int64_t *rows, struct error *err)
{
    enum ig_code rc = compute(g, t, err);

    if (!rc)
        rc = count_rows(g, rows, err);
    if (!rc)
        rc = merge(g, t, err);
    if (rc)
        return error_context(err, rc, "gold table %s (%s)", t->name, t->sql_path ? t->sql_path : "its query");
    return IG_OK;
}

/* --- checks ------------------------------------------------------------------------------------------- */

/* Gold tables under their names, of one date where they have it. */
static enum ig_code view_gold(const struct gold_run *g, struct tables_source *gold, int32_t date, struct error *err)
{
    struct buf path;
    enum ig_code rc = IG_OK;

    buf_init(&path, 0);
    for (size_t i = 0; i < g->d->n_gold && !rc; i++) {
        const struct conf_gold *t = &g->d->gold[i];

        buf_clear(&path);
        stage_gold_path(g->d, t, &path);
        if (!gold[i].snapshot)
            rc = tables_source_open(g->x, g->c, buf_cstr(&path), &gold[i], err);
        if (!rc)
            rc = tables_source_view(&gold[i], g->c, t->name, g->d->bronze.date_column,
                                    t->whole_table ? DATE_NONE : date, err);
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

static enum ig_code run_checks_of_date(struct gold_run *g, struct tables_source *gold, int32_t date, int64_t *n,
                                       struct error *err)
{
    IG_TRY(view_silver(g, date, err));
    IG_TRY(view_gold(g, gold, date, err));
    for (size_t i = 0; i < g->d->n_checks; i++) {
        IG_TRY(run_check(g, &g->d->checks[i], err));
        ++*n;
    }
    return IG_OK;
}

static enum ig_code run_checks(struct gold_run *g, int64_t *n, struct error *err)
{
    struct tables_source *gold = check_calloc(g->d->n_gold + 1, sizeof(*gold));
    enum ig_code rc = IG_OK;

    for (size_t i = 0; i < g->n_dates && g->d->n_checks > 0 && !rc; i++)
        rc = run_checks_of_date(g, gold, g->dates[i], n, err);
    for (size_t i = 0; i < g->d->n_gold; i++)
        tables_source_close(&gold[i]);
    free(gold);
    return rc;
}

enum ig_code stage_gold(const struct stage_context *x, const struct conf_domain *d, const int32_t *dates, size_t n,
                        int64_t *rows, int64_t *checks_run, struct error *err)
{
    struct gold_run g = {.x = x, .d = d, .dates = dates, .n_dates = n};
    enum ig_code rc;
    uint64_t hold;

    memset(rows, 0, n * sizeof(*rows));
    *checks_run = 0;
    if (n == 0 || (d->n_gold == 0 && d->n_checks == 0))
        return IG_OK;
    hold = store_hold_begin(x->store);
    rc = engine_connect(x->engine, &g.c, err);
    for (size_t i = 0; i < d->n_gold && !rc; i++)
        rc = build_table(&g, &d->gold[i], rows, err);
    if (!rc)
        rc = run_checks(&g, checks_run, err);
    tables_source_close(&g.silver);
    engine_disconnect(g.c);
    store_hold_end(x->store, hold);
    return rc;
}
