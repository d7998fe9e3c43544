/*
 * The rows that a change writes, as queries over the table of changes, the touched files and the source.
 */
#include "lake/change/dml.h"
#include "lake/table/row_ids.h"
#include "lake/write/rules.h"

#include <string.h>

static void add_column_list(const struct dml *d, const char *alias, struct buf *sql)
{
    const struct schema_type *schema = d->to->metadata.schema;

    for (size_t k = 0; k < schema->n_fields; k++) {
        const struct str name = str_of(schema->fields[k].name);

        buf_puts(sql, k ? ", " : "");
        if (schema_find(d->s->metadata.schema, name)) {
            engine_add_name(sql, str_of(alias));
            buf_putc(sql, '.');
            engine_add_name(sql, name);
        } else {
            buf_puts(sql, "NULL::");
            schema_add_sql(sql, schema->fields[k].type);
            buf_puts(sql, " AS ");
            engine_add_name(sql, name);
        }
    }
}

enum ig_code dml_add_target(const struct dml *d, const struct lake_entry *const *entries, size_t n, const char *where,
                            bool row_ids, struct buf *sql, struct error *err)
{
    const struct lake_scan scan = {.where = where, .file_column = true, .row_column = true, .row_ids = row_ids};

    IG_TRY(lake_add_scan_of(d->s, entries, n, &scan, sql, err));
    buf_puts(sql, " AS ");
    engine_add_name(sql, str_of(d->target));
    return IG_OK;
}

/* "target"._ingot_file = c._ingot_cf AND "target"._ingot_row = c._ingot_cr */
static void add_same_row(const struct dml *d, struct buf *sql)
{
    engine_add_name(sql, str_of(d->target));
    buf_puts(sql, "." LAKE_FILE_COLUMN " = _ingot_c." DML_FILE " AND ");
    engine_add_name(sql, str_of(d->target));
    buf_puts(sql, "." LAKE_ROW_COLUMN " = _ingot_c." DML_ROW);
}

/* _ingot_cf IN (1, 2); nothing if those are all of the touched files. */
static void add_file_filter(const struct dml *d, const struct lake_entry *const *entries, size_t n, struct buf *sql)
{
    if (n == d->touched.n)
        return;
    buf_puts(sql, " AND " DML_FILE " IN (");
    for (size_t i = 0; i < n; i++)
        buf_printf(sql, "%s%zu", i ? ", " : "", (size_t)(entries[i] - d->s->entries.p));
    buf_putc(sql, ')');
}

enum ig_code dml_add_unchanged(const struct dml *d, const struct lake_entry *const *entries, size_t n, struct buf *sql,
                               struct error *err)
{
    const struct lake_scan scan = {.row_ids = lake_keeps_row_ids(d->to)};
    enum ig_code rc;

    buf_puts(sql, "SELECT ");
    add_column_list(d, d->target, sql);
    buf_puts(sql, scan.row_ids ? LAKE_ROW_ID_LIST " FROM " : " FROM ");
    rc = lake_add_scan_of(d->s, entries, n, &scan, sql, err);
    buf_puts(sql, " AS ");
    engine_add_name(sql, str_of(d->target));
    return rc;
}

/* --- updated rows ------------------------------------------------------------------------------------------ */

static bool is_update_of(const struct dml_clause *c, enum lake_merge_when when)
{
    return c->action == LAKE_UPDATE && c->when == when && c->rows > 0;
}

/* What the column gets in a row that a clause updates. */
static void add_new_value(const struct dml *d, const struct dml_clause *c, size_t column, struct buf *sql)
{
    const struct schema_field *f = &d->to->metadata.schema->fields[column];

    if (c->values[column]) {
        buf_puts(sql, c->values[column]);
    } else if (!lake_is_generated(f) && schema_find(d->s->metadata.schema, str_of(f->name))) {
        engine_add_name(sql, str_of(d->target));
        buf_putc(sql, '.');
        engine_add_name(sql, str_of(f->name));
    } else {
        buf_puts(sql, "NULL::");
        schema_add_sql(sql, f->type);
    }
}

static void add_new_column(const struct dml *d, enum lake_merge_when when, size_t column, struct buf *sql)
{
    size_t n = 0;

    for (size_t i = 0; i < d->n_clauses; i++)
        n += is_update_of(&d->clauses[i], when);
    buf_puts(sql, n > 1 ? "CASE _ingot_c." DML_CLAUSE : "");
    for (size_t i = 0; i < d->n_clauses; i++) {
        if (!is_update_of(&d->clauses[i], when))
            continue;
        if (n > 1)
            buf_printf(sql, " WHEN %zu THEN ", i);
        add_new_value(d, &d->clauses[i], column, sql);
    }
    buf_puts(sql, n > 1 ? " END AS " : " AS ");
    engine_add_name(sql, str_of(d->to->metadata.schema->fields[column].name));
}

static enum ig_code add_updated_when(const struct dml *d, enum lake_merge_when when,
                                     const struct lake_entry *const *entries, size_t n, struct buf *sql,
                                     struct error *err)
{
    const struct schema_type *schema = d->to->metadata.schema;
    bool needs_row = lake_keeps_row_ids(d->to), first = true;

    buf_puts(sql, "SELECT ");
    for (size_t k = 0; k < schema->n_fields; k++) {
        buf_puts(sql, k ? ", " : "");
        add_new_column(d, when, k, sql);
    }
    /* It stays the same row, and this is the commit that changes it. */
    if (lake_keeps_row_ids(d->to)) {
        buf_puts(sql, ", ");
        engine_add_name(sql, str_of(d->target));
        buf_puts(sql, "." LAKE_ROW_ID_COLUMN ", NULL::BIGINT AS " LAKE_ROW_VERSION_COLUMN);
    }
    buf_printf(sql, " FROM (SELECT * FROM temp.%s WHERE " DML_CLAUSE " IN (", d->changes);
    for (size_t i = 0; i < d->n_clauses; i++) {
        if (!is_update_of(&d->clauses[i], when))
            continue;
        needs_row = needs_row || d->clauses[i].needs_row;
        buf_printf(sql, "%s%zu", first ? "" : ", ", i);
        first = false;
    }
    buf_putc(sql, ')');
    add_file_filter(d, entries, n, sql);
    buf_puts(sql, ") AS _ingot_c");
    if (d->have && when == LAKE_MATCHED) {
        buf_printf(sql, " JOIN temp.%s AS ", d->source_table);
        engine_add_name(sql, str_of(d->source));
        buf_puts(sql, " ON _ingot_c." DML_ID " = ");
        engine_add_name(sql, str_of(d->source));
        buf_printf(sql, ".%s", d->source_id);
    }
    if (needs_row || !d->have || when != LAKE_MATCHED) {
        buf_puts(sql, " JOIN ");
        IG_TRY(dml_add_target(d, entries, n, NULL, lake_keeps_row_ids(d->to), sql, err));
        buf_puts(sql, " ON ");
        add_same_row(d, sql);
    }
    return IG_OK;
}

enum ig_code dml_add_updated(const struct dml *d, const struct lake_entry *const *entries, size_t n, struct buf *sql,
                             struct error *err)
{
    static const enum lake_merge_when kinds[] = {LAKE_MATCHED, LAKE_NOT_MATCHED_BY_SOURCE};
    bool any = false;

    for (size_t k = 0; k < IG_COUNT(kinds); k++) {
        bool has = false;

        for (size_t i = 0; i < d->n_clauses; i++)
            has = has || is_update_of(&d->clauses[i], kinds[k]);
        if (!has)
            continue;
        buf_puts(sql, any ? " UNION ALL " : "");
        IG_TRY(add_updated_when(d, kinds[k], entries, n, sql, err));
        any = true;
    }
    IG_ASSERT(any);
    return IG_OK;
}

/* --- inserted rows, and rows as they were ------------------------------------------------------------------ */

/* A row of nothing but defaults: one column has to be there, the writer adds the others. */
static enum ig_code add_nothing(const struct dml *d, struct buf *sql, struct error *err)
{
    const struct schema_type *schema = d->to->metadata.schema;

    for (size_t k = 0; k < schema->n_fields; k++) {
        const struct schema_field *f = &schema->fields[k];

        if (lake_is_generated(f) || lake_is_identity(f))
            continue;
        IG_TRY(lake_add_absent_value(d->t->conn, f, sql, err));
        buf_puts(sql, " AS ");
        engine_add_name(sql, str_of(f->name));
        return IG_OK;
    }
    return error_set(err, IG_UNSUPPORTED, "a row without any value: all columns of the table are generated");
}

enum ig_code dml_add_inserted(const struct dml *d, size_t clause, struct buf *sql, struct error *err)
{
    const struct schema_type *schema = d->to->metadata.schema;
    const struct dml_clause *c = &d->clauses[clause];
    bool first = true;

    buf_puts(sql, "SELECT ");
    for (size_t k = 0; k < schema->n_fields; k++) {
        if (!c->values[k])
            continue;
        buf_printf(sql, "%s%s AS ", first ? "" : ", ", c->values[k]);
        engine_add_name(sql, str_of(schema->fields[k].name));
        first = false;
    }
    if (first)
        IG_TRY(add_nothing(d, sql, err));
    buf_printf(sql, " FROM temp.%s AS ", d->source_table);
    engine_add_name(sql, str_of(d->source));
    buf_printf(sql, " WHERE %s AND (", d->insert_where);
    dml_add_clause_case(d, LAKE_NOT_MATCHED, sql);
    buf_printf(sql, ") = %zu", clause);
    return IG_OK;
}

enum ig_code dml_add_before(const struct dml *d, struct buf *sql, struct error *err)
{
    VEC(const struct lake_entry *) entries = {0};
    enum ig_code rc;

    for (size_t i = 0; i < d->touched.n; i++)
        vec_push(&entries, d->touched.p[i].entry);
    buf_puts(sql, "SELECT ");
    add_column_list(d, d->target, sql);
    buf_puts(sql, ", CASE _ingot_c." DML_CLAUSE);
    for (size_t i = 0; i < d->n_clauses; i++)
        buf_printf(sql, " WHEN %zu THEN '%s'", i, d->clauses[i].action == LAKE_DELETE ? "delete" : "update_preimage");
    buf_puts(sql, " END AS _change_type FROM ");
    rc = dml_add_target(d, entries.p, entries.n, NULL, lake_keeps_row_ids(d->to), sql, err);
    buf_printf(sql,
               " JOIN (SELECT DISTINCT " DML_FILE ", " DML_ROW ", " DML_CLAUSE " FROM temp.%s WHERE " DML_CLAUSE
               " IS NOT NULL) AS _ingot_c ON ",
               d->changes);
    add_same_row(d, sql);
    vec_free(&entries);
    return rc;
}
