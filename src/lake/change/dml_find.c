/*
 * Which rows a change affects: the table of changes.
 */
#include "lake/change/dml.h"

static bool is_within(const struct dml *d, const struct lake_entry *e)
{
    for (size_t i = 0; i < d->n_partitions; i++)
        if (lake_entry_matches(d->s, e, d->within + i * d->n_columns, d->n_columns))
            return true;
    return d->n_partitions == 0;
}

void dml_all_files(struct dml *d)
{
    d->files.n = 0;
    for (size_t i = 0; i < d->s->entries.n; i++)
        if (lake_entry_is_live(&d->s->entries.p[i]) && is_within(d, &d->s->entries.p[i]))
            vec_push(&d->files, &d->s->entries.p[i]);
}

bool dml_add_clause_case(const struct dml *d, enum lake_merge_when when, struct buf *sql)
{
    bool any = false;

    for (size_t i = 0; i < d->n_clauses; i++) {
        if (d->clauses[i].when != when)
            continue;
        buf_puts(sql, any ? "" : "CAST(CASE");
        buf_printf(sql, " WHEN %s THEN %zu", d->clauses[i].condition ? d->clauses[i].condition : "true", i);
        any = true;
    }
    buf_puts(sql, any ? " END AS INTEGER)" : "CAST(NULL AS INTEGER)");
    return any;
}

static void add_place(const struct dml *d, struct buf *sql)
{
    engine_add_name(sql, str_of(d->target));
    buf_puts(sql, "." LAKE_FILE_COLUMN " AS " DML_FILE ", ");
    engine_add_name(sql, str_of(d->target));
    buf_puts(sql, "." LAKE_ROW_COLUMN " AS " DML_ROW);
}

static enum ig_code run(struct dml *d, struct buf *sql, enum ig_code rc, struct error *err)
{
    if (!rc)
        rc = buf_check(sql, err, "the query of a change");
    if (!rc)
        rc = engine_exec(d->t->conn, err, buf_cstr(sql));
    buf_release(sql);
    return rc;
}

enum ig_code dml_find_rows(struct dml *d, const char *where, struct error *err)
{
    struct buf sql;
    enum ig_code rc;

    buf_init(&sql, 0);
    buf_printf(&sql, "CREATE TEMP TABLE %s AS SELECT ", d->changes);
    add_place(d, &sql);
    buf_puts(&sql, ", CAST(NULL AS BIGINT) AS " DML_ID ", CAST(0 AS INTEGER) AS " DML_CLAUSE " FROM ");
    rc = dml_add_target(d, d->files.p, d->files.n, d->where, false, &sql, err);
    if (where && !d->where)
        buf_printf(&sql, " WHERE (%s\n)", where);
    return run(d, &sql, rc, err);
}

/* --- a merge ----------------------------------------------------------------------------------------------- */

static void add_source(const struct dml *d, struct buf *sql)
{
    buf_printf(sql, "temp.%s AS ", d->source_table);
    engine_add_name(sql, str_of(d->source));
}

static enum ig_code find_matched(struct dml *d, struct error *err)
{
    struct buf sql;
    enum ig_code rc;

    buf_init(&sql, 0);
    buf_printf(&sql, "CREATE TEMP TABLE %s AS SELECT ", d->changes);
    add_place(d, &sql);
    buf_puts(&sql, ", CAST(");
    engine_add_name(&sql, str_of(d->source));
    buf_printf(&sql, ".%s AS BIGINT) AS " DML_ID ", ", d->source_id);
    dml_add_clause_case(d, LAKE_MATCHED, &sql);
    buf_puts(&sql, " AS " DML_CLAUSE " FROM ");
    rc = dml_add_target(d, d->files.p, d->files.n, d->where, false, &sql, err);
    buf_puts(&sql, " JOIN ");
    add_source(d, &sql);
    buf_printf(&sql, " ON %s", d->on);
    return run(d, &sql, rc, err);
}

/* Only one clause, and it deletes whatever matches: then it does not matter how often a row does. */
static bool deletes_all_matches(const struct dml *d)
{
    const struct dml_clause *only = NULL;
    size_t n = 0;

    for (size_t i = 0; i < d->n_clauses; i++)
        if (d->clauses[i].when == LAKE_MATCHED) {
            only = &d->clauses[i];
            n++;
        }
    return n == 1 && only->action == LAKE_DELETE && !only->condition;
}

static bool has_clause(const struct dml *d, enum lake_merge_when when)
{
    for (size_t i = 0; i < d->n_clauses; i++)
        if (d->clauses[i].when == when)
            return true;
    return false;
}

static enum ig_code check_repeats(struct dml *d, struct error *err)
{
    int64_t repeated = 0;
    struct buf sql;
    enum ig_code rc;

    if (!has_clause(d, LAKE_MATCHED) && !has_clause(d, LAKE_NOT_MATCHED_BY_SOURCE))
        return IG_OK;
    buf_init(&sql, 0);
    buf_printf(&sql,
               "SELECT count(*) FROM (SELECT 1 FROM temp.%s GROUP BY " DML_FILE ", " DML_ROW " HAVING count(*) > 1)",
               d->changes);
    rc = engine_query_int64(d->t->conn, buf_cstr(&sql), &repeated, err);
    buf_release(&sql);
    if (rc || repeated == 0)
        return rc;
    d->repeats = true;
    if (deletes_all_matches(d))
        return IG_OK;
    return error_set(
        err, IG_INVALID,
        "%lld rows of the table match more than one row of the source, so it is not clear which one counts",
        (long long)repeated);
}

/* NOT MATCHED BY SOURCE: any file may hold such rows. */
static enum ig_code find_unmatched(struct dml *d, struct error *err)
{
    struct buf sql;
    enum ig_code rc;

    dml_all_files(d);
    d->reads_all = true;
    buf_init(&sql, 0);
    buf_printf(&sql, "INSERT INTO temp.%s SELECT * FROM (SELECT ", d->changes);
    add_place(d, &sql);
    buf_puts(&sql, ", CAST(NULL AS BIGINT) AS " DML_ID ", ");
    dml_add_clause_case(d, LAKE_NOT_MATCHED_BY_SOURCE, &sql);
    buf_puts(&sql, " AS " DML_CLAUSE " FROM ");
    rc = dml_add_target(d, d->files.p, d->files.n, NULL, false, &sql, err);
    buf_printf(&sql,
               ") AS _ingot_u WHERE " DML_CLAUSE " IS NOT NULL AND NOT EXISTS (SELECT 1 FROM temp.%s AS _ingot_c ",
               d->changes);
    buf_puts(&sql,
             "WHERE _ingot_c." DML_FILE " = _ingot_u." DML_FILE " AND _ingot_c." DML_ROW " = _ingot_u." DML_ROW ")");
    return run(d, &sql, rc, err);
}

/* Source rows that match nothing, by the clause that inserts them. */
static enum ig_code count_inserts(struct dml *d, struct error *err)
{
    struct engine_rows rows;
    struct buf sql, where;
    enum ig_code rc;

    buf_init(&where, 0);
    buf_printf(&where, "NOT EXISTS (SELECT 1 FROM temp.%s AS _ingot_c WHERE _ingot_c." DML_ID " = ", d->changes);
    engine_add_name(&where, str_of(d->source));
    buf_printf(&where, ".%s)", d->source_id);
    d->insert_where = arena_strdup(&d->arena, buf_cstr(&where));
    buf_release(&where);
    buf_init(&sql, 0);
    buf_puts(&sql, "SELECT clause, count(*) FROM (SELECT ");
    dml_add_clause_case(d, LAKE_NOT_MATCHED, &sql);
    buf_puts(&sql, " AS clause FROM ");
    add_source(d, &sql);
    buf_printf(&sql, " WHERE %s) WHERE clause IS NOT NULL GROUP BY clause", d->insert_where);
    rc = engine_query(d->t->conn, buf_cstr(&sql), &rows, err);
    while (!rc && engine_next(&rows)) {
        const int64_t clause = engine_int64(&rows, 0);

        IG_ASSERT(clause >= 0 && (size_t)clause < d->n_clauses);
        d->clauses[clause].rows = engine_int64(&rows, 1);
        d->inserted_rows += engine_int64(&rows, 1);
    }
    engine_rows_free(&rows);
    buf_release(&sql);
    return rc;
}

enum ig_code dml_find_matches(struct dml *d, struct error *err)
{
    IG_TRY(dml_prune_by_keys(d, err));
    IG_TRY(find_matched(d, err));
    IG_TRY(check_repeats(d, err));
    if (has_clause(d, LAKE_NOT_MATCHED))
        IG_TRY(count_inserts(d, err));
    if (has_clause(d, LAKE_NOT_MATCHED_BY_SOURCE))
        IG_TRY(find_unmatched(d, err));
    return dml_count_changes(d, err);
}

/* --- counting ---------------------------------------------------------------------------------------------- */

static void count(struct dml *d, size_t file, size_t clause, int64_t rows)
{
    const struct lake_entry *e = &d->s->entries.p[file];
    struct dml_clause *c = &d->clauses[clause];

    if (d->touched.n == 0 || d->touched.p[d->touched.n - 1].entry != e)
        vec_push(&d->touched, ((struct dml_touched){.entry = e}));
    d->touched.p[d->touched.n - 1].affected += rows;
    c->rows += rows;
    if (c->action == LAKE_UPDATE) {
        d->touched.p[d->touched.n - 1].updated += rows;
        d->updated_rows += rows;
    } else {
        d->deleted_rows += rows;
    }
}

enum ig_code dml_count_changes(struct dml *d, struct error *err)
{
    struct engine_rows rows;
    struct buf sql;
    enum ig_code rc;

    buf_init(&sql, 0);
    buf_printf(&sql,
               "SELECT " DML_FILE ", " DML_CLAUSE ", count(%s) FROM temp.%s WHERE " DML_CLAUSE
               " IS NOT NULL GROUP BY ALL ORDER BY ALL",
               d->repeats ? "DISTINCT " DML_ROW : "*", d->changes);
    rc = engine_query(d->t->conn, buf_cstr(&sql), &rows, err);
    while (!rc && engine_next(&rows)) {
        const size_t file = (size_t)engine_int64(&rows, 0), clause = (size_t)engine_int64(&rows, 1);

        IG_ASSERT(file < d->s->entries.n && clause < d->n_clauses);
        count(d, file, clause, engine_int64(&rows, 2));
    }
    engine_rows_free(&rows);
    buf_release(&sql);
    return rc;
}
