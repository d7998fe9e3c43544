/*
 * INSERT, with everything that it can replace: nothing, the whole table, the rows of a predicate, or the partitions
 * that the new rows are in.
 */
#include "lake/change/dml.h"
#include "lake/write/expression.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* --- the rows ---------------------------------------------------------------------------------------------- */

/* Which column of the table the select's column k is for; NULL with an error, or for one that is new. */
static enum ig_code column_for(const struct lake_snapshot *s, const struct lake_insert *i,
                               const struct schema_type *have, size_t k, const struct schema_field **out,
                               struct error *err)
{
    const struct schema_type *schema = s->metadata.schema;
    const char *name = i->by_name ? have->fields[k].name : i->columns ? i->columns[k] : NULL;

    *out = name ? schema_find(schema, str_of(name)) : &schema->fields[k];
    if (!*out && !(i->by_name && i->evolve_schema))
        return error_set(err, IG_INVALID, "the table has no column %s", name);
    return IG_OK;
}

static enum ig_code check_count(const struct lake_snapshot *s, const struct lake_insert *i,
                                const struct schema_type *have, struct error *err)
{
    const size_t n = i->columns ? i->n_columns : s->metadata.schema->n_fields;

    if (!i->by_name && have->n_fields != n)
        return error_set(err, IG_INVALID, "%zu columns are inserted, %s has %zu", have->n_fields,
                         i->columns ? "the list" : "the table", n);
    return IG_OK;
}

enum ig_code lake_add_assigned_rows(struct arena *a, struct engine_conn *c, const struct lake_snapshot *s,
                                    const struct lake_insert *i, struct buf *sql, struct error *err)
{
    const struct schema_type *have;

    IG_TRY(schema_of_query(a, c, i->select, &have, err));
    schema_find_nulls(a, c, i->select, have, i->by_name ? s->metadata.schema : NULL);
    IG_TRY(check_count(s, i, have, err));
    buf_puts(sql, "SELECT ");
    for (size_t k = 0; k < have->n_fields; k++) {
        const struct schema_field *f = NULL;
        char name[32];

        IG_TRY(column_for(s, i, have, k, &f, err));
        for (size_t m = 0; m < k; m++) {
            const struct schema_field *other = NULL;

            IG_TRY(column_for(s, i, have, m, &other, err));
            if (f && f == other)
                return error_set(err, IG_INVALID, "column %s is given more than once", f->name);
        }
        if (f && !dml_can_assign(f->type, have->fields[k].type))
            return dml_refuse_type(f, have->fields[k].type, err);
        snprintf(name, sizeof(name), "_ingot_%zu", k);
        buf_puts(sql, k ? ", " : "");
        if (f)
            lake_add_stored_value(sql, f->type, have->fields[k].type, name);
        else
            buf_puts(sql, name);
        buf_puts(sql, " AS ");
        engine_add_name(sql, str_of(f ? f->name : have->fields[k].name));
    }
    buf_printf(sql, " FROM (\n%s\n) AS _ingot_rows(", i->select);
    for (size_t k = 0; k < have->n_fields; k++)
        buf_printf(sql, "%s_ingot_%zu", k ? ", " : "", k);
    buf_putc(sql, ')');
    return buf_check(sql, err, "the query of an insert");
}

/* --- appending --------------------------------------------------------------------------------------------- */

static enum ig_code append(struct lake_table *t, const struct lake_insert *i, const struct lake_commit_options *o,
                           struct lake_result *out, struct error *err)
{
    struct lake_commit_options options = o ? *o : (struct lake_commit_options){.only_on_version = LAKE_LATEST};
    struct lake_snapshot *s = NULL;
    struct arena arena;
    struct buf sql;
    enum ig_code rc;

    options.merge_schema = options.merge_schema || i->evolve_schema;
    arena_init(&arena);
    buf_init(&sql, 0);
    rc = lake_snapshot_latest(t, &s, err);
    if (!rc)
        rc = lake_add_assigned_rows(&arena, t->conn, s, i, &sql, err);
    if (!rc)
        rc = lake_append(t, buf_cstr(&sql), &options, out, err);
    lake_snapshot_free(s);
    buf_release(&sql);
    arena_release(&arena);
    return rc;
}

/* --- overwriting ------------------------------------------------------------------------------------------- */

struct overwrite {
    struct dml d;
    const struct lake_insert *i;
};

static void add_metrics(const struct dml *d, const struct lake_new_files *files, struct buf *out)
{
    buf_printf(out,
               "{\"numFiles\":\"%zu\",\"numOutputRows\":\"%lld\",\"numOutputBytes\":\"%lld\","
               "\"numRemovedFiles\":\"%lld\",\"numRemovedBytes\":\"%lld\"",
               files->list.n, (long long)files->rows, (long long)files->bytes, (long long)d->files_removed,
               (long long)d->bytes_removed);
    if (d->deleted_rows >= 0)
        buf_printf(out, ",\"numDeletedRows\":\"%lld\"", (long long)d->deleted_rows);
    buf_printf(out, ",\"numCopiedRows\":\"%lld\",\"numAddedChangeFiles\":\"%lld\"}", (long long)d->copied_rows,
               (long long)d->change_files);
}

static void add_parameters(const struct overwrite *w, struct buf *out)
{
    const struct lake_metadata *m = &w->d.to->metadata;
    struct buf list;

    buf_init(&list, 0);
    lake_add_name_list(&list, m->partition_columns, m->n_partition_columns);
    buf_puts(out, "{\"mode\":\"Overwrite\",\"partitionBy\":");
    json_add_string(out, buf_str(&list));
    if (w->i->overwrite == LAKE_OVERWRITE_WHERE) {
        buf_puts(out, ",\"predicate\":");
        json_add_string(out, str_of(w->i->where));
    }
    if (w->i->overwrite == LAKE_OVERWRITE_PARTITIONS)
        buf_puts(out, ",\"dynamicPartitionOverwrite\":\"true\"");
    buf_putc(out, '}');
    buf_release(&list);
}

/* The files that go, if they go whole. */
static void take_files(struct dml *d)
{
    d->whole_files = true;
    dml_all_files(d);
    for (size_t i = 0; i < d->files.n; i++) {
        const struct lake_entry *e = d->files.p[i];
        const int64_t rows = lake_entry_rows(e) < 0 ? -1 : lake_entry_rows(e) - lake_entry_deleted_rows(e);

        vec_push(&d->touched, ((struct dml_touched){.entry = e, .affected = rows}));
        d->deleted_rows = rows < 0 || d->deleted_rows < 0 ? -1 : d->deleted_rows + rows;
    }
}

/* The partitions that the new rows are in, as d->within. */
static enum ig_code find_partitions(struct dml *d, struct error *err)
{
    const struct lake_metadata *m = &d->s->metadata;
    VEC(struct lake_partition) list = {0};
    struct lake_partition *within;
    struct engine_rows rows;
    struct buf sql;
    enum ig_code rc;

    buf_init(&sql, 0);
    buf_puts(&sql, "SELECT DISTINCT ");
    for (size_t k = 0; k < m->n_partition_columns; k++) {
        buf_puts(&sql, k ? ", CAST(" : "CAST(");
        if (schema_find(d->have, str_of(m->partition_columns[k])))
            engine_add_name(&sql, str_of(m->partition_columns[k]));
        else
            buf_puts(&sql, "NULL");
        buf_puts(&sql, " AS VARCHAR)");
    }
    buf_printf(&sql, " FROM temp.%s", d->source_table);
    rc = engine_query(d->t->conn, buf_cstr(&sql), &rows, err);
    while (!rc && engine_next(&rows))
        for (size_t k = 0; k < m->n_partition_columns; k++) {
            const struct str text = engine_str(&rows, k);
            char *value =
                text.p ? lake_log_value(m->partition_fields[k]->type, arena_strndup(&d->arena, text.p, text.n)) : NULL;

            vec_push(&list,
                     ((struct lake_partition){m->partition_columns[k], value ? arena_strdup(&d->arena, value) : NULL}));
            free(value);
        }
    engine_rows_free(&rows);
    within = ARENA_ARRAY(&d->arena, struct lake_partition, list.n + 1);
    if (list.n)
        memcpy(within, list.p, list.n * sizeof(*within));
    d->within = within;
    d->n_columns = m->n_partition_columns;
    d->n_partitions = list.n / m->n_partition_columns;
    vec_free(&list);
    buf_release(&sql);
    return rc;
}

/* The new rows must be such as the predicate replaces, or the next overwriting would not find them. */
static enum ig_code check_rows(struct overwrite *w, struct error *err)
{
    int64_t outside = 0;
    struct buf sql;
    enum ig_code rc;

    buf_init(&sql, 0);
    buf_printf(&sql, "SELECT count(*) FROM temp.%s AS ", w->d.source_table);
    engine_add_name(&sql, str_of(w->d.target));
    buf_printf(&sql, " WHERE (%s\n) IS NOT TRUE", w->i->where);
    rc = engine_query_int64(w->d.t->conn, buf_cstr(&sql), &outside, err);
    if (!rc && outside > 0)
        rc = error_set(err, IG_INVALID, "%lld of the new rows are not such as are replaced: %s", (long long)outside,
                       w->i->where);
    buf_release(&sql);
    return rc;
}

static enum ig_code find(struct overwrite *w, struct error *err)
{
    struct dml *d = &w->d;
    bool partitions_only = false;

    if (w->i->overwrite == LAKE_OVERWRITE_WHERE) {
        IG_TRY(dml_check_where(d, w->i->where, &partitions_only, err));
        IG_TRY(check_rows(w, err));
        dml_all_files(d);
        if (partitions_only && d->where)
            IG_TRY(dml_prune_by_partitions(d, d->where, err));
        IG_TRY(dml_find_rows(d, w->i->where, err));
        return dml_count_changes(d, err);
    }
    if (w->i->overwrite == LAKE_OVERWRITE_PARTITIONS && d->s->metadata.n_partition_columns) {
        IG_TRY(find_partitions(d, err));
        if (d->n_partitions == 0)
            return IG_OK;
    }
    take_files(d);
    return IG_OK;
}

/* The table becomes one of the select's columns. */
static enum ig_code new_schema(struct overwrite *w, struct error *err)
{
    struct dml *d = &w->d;
    const struct schema_type *have;
    struct lake_draft draft;
    enum ig_code rc;

    IG_TRY(schema_of_query(&d->arena, d->t->conn, w->i->select, &have, err));
    schema_find_nulls(&d->arena, d->t->conn, w->i->select, have, NULL);
    for (size_t k = 0; k < w->i->n_partition_by; k++)
        if (!schema_find(have, str_of(w->i->partition_by[k])))
            return error_set(err, IG_INVALID, "the partition column %s is no column of the query",
                             w->i->partition_by[k]);
    lake_draft_init(&draft, &d->arena, d->s);
    draft.schema = have;
    draft.n_partition_columns = w->i->n_partition_by;
    draft.partition_columns = ARENA_ARRAY(&d->arena, const char *, w->i->n_partition_by + 1);
    for (size_t k = 0; k < w->i->n_partition_by; k++)
        draft.partition_columns[k] = schema_find(have, str_of(w->i->partition_by[k]))->name;
    rc = lake_draft_finish(&draft, d->t->store->env, err);
    if (!rc)
        rc = dml_become(d, &draft, err);
    lake_draft_release(&draft);
    return rc;
}

static enum ig_code overwrite(struct overwrite *w, struct lake_result *out, struct error *err)
{
    const struct lake_merge_clause clauses[] = {
        {.when = LAKE_NOT_MATCHED_BY_SOURCE, .action = LAKE_DELETE},
        {.when = LAKE_NOT_MATCHED, .action = LAKE_INSERT_ALL},
    };
    struct dml_texts texts = {.operation = "WRITE", .add_metrics = add_metrics};
    struct dml *d = &w->d;
    struct buf sql;
    enum ig_code rc;

    if (w->i->overwrite_schema)
        IG_TRY(new_schema(w, err));
    buf_init(&sql, 0);
    rc = lake_add_assigned_rows(&d->arena, d->t->conn, d->to, w->i, &sql, err);
    if (!rc)
        rc = dml_load_source(d, buf_cstr(&sql), err);
    buf_release(&sql);
    if (rc)
        return rc;
    d->clauses = ARENA_ARRAY(&d->arena, struct dml_clause, IG_COUNT(clauses));
    for (size_t i = 0; i < IG_COUNT(clauses); i++)
        IG_TRY(dml_plan_clause(d, &clauses[i], true, &d->clauses[i], err));
    d->n_clauses = IG_COUNT(clauses);
    IG_TRY(find(w, err));
    d->insert_where = "true";
    d->clauses[1].rows = d->inserted_rows = d->source_rows;
    buf_init(&sql, 0);
    add_parameters(w, &sql);
    texts.parameters = buf_cstr(&sql);
    rc = dml_apply(d, &texts, out, err);
    buf_release(&sql);
    return rc;
}

enum ig_code lake_insert(struct lake_table *t, const struct lake_insert *i, const struct lake_commit_options *o,
                         struct lake_result *out, struct error *err)
{
    struct overwrite w = {.i = i};
    enum ig_code rc;

    if (i->overwrite == LAKE_APPEND) {
        rc = append(t, i, o, out, err);
    } else {
        rc = dml_open(&w.d, t, o, err);
        if (!rc)
            rc = overwrite(&w, out, err);
        dml_close(&w.d);
    }
    return rc ? error_context(err, rc, "insert into %s", *t->path ? t->path : t->store->url) : IG_OK;
}
