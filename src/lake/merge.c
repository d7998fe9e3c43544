/*
 * MERGE by key, copy on write.
 *
 * The source is evaluated once, into a temporary table. It is joined with the files that may hold its keys; per file
 * the join says how many rows would change or go. Files with none are left alone. The others are written anew, with
 * what is inserted, and one commit takes the new for the old.
 */
#include "lake/features.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

struct merge {
    struct lake_table *t;
    const struct lake_snapshot *s;
    const struct lake_merge *m;
    const struct lake_commit_options *options;
    struct arena arena;
    const struct schema_type *have;         /* the source's columns */
    char source[48], matches[48];           /* temporary tables */
    VEC(const struct lake_entry *) files;   /* that may hold a match */
    VEC(const struct lake_entry *) touched; /* that are written anew */
    int64_t source_rows, inserted, updated, deleted, copied;
};

/* --- the source -------------------------------------------------------------------------------------------- */

static bool is_key(const struct merge *g, const char *column)
{
    for (size_t i = 0; i < g->m->n_key; i++)
        if (strcasecmp(g->m->key[i], column) == 0)
            return true;
    return false;
}

static enum ig_code check_names(const struct merge *g, struct error *err)
{
    if (g->m->n_key == 0)
        return error_set(err, IG_INVALID, "a merge needs a key");
    for (size_t i = 0; i < g->m->n_key; i++) {
        if (!schema_find(g->s->metadata.schema, str_of(g->m->key[i])))
            return error_set(err, IG_INVALID, "the key column %s is none of the table", g->m->key[i]);
        if (!schema_find(g->have, str_of(g->m->key[i])))
            return error_set(err, IG_INVALID, "the key column %s is none of the query", g->m->key[i]);
    }
    for (size_t i = 0; i < g->m->n_partitions; i++)
        IG_TRY(lake_check_partitions(g->s, g->m->within + i * g->m->n_columns, g->m->n_columns, err));
    return lake_check_columns(g->s, g->have, err);
}

static enum ig_code load_source(struct merge *g, struct error *err)
{
    enum ig_code rc;
    struct buf sql;

    buf_init(&sql, 0);
    buf_printf(&sql, "CREATE TEMP TABLE %s AS SELECT ", g->source);
    for (size_t i = 0; i < g->have->n_fields; i++) {
        const struct schema_field *f = schema_find(g->s->metadata.schema, str_of(g->have->fields[i].name));

        buf_puts(&sql, i ? ", CAST(" : "CAST(");
        engine_add_name(&sql, str_of(g->have->fields[i].name));
        buf_puts(&sql, " AS ");
        schema_add_sql(&sql, f->type);
        buf_puts(&sql, ") AS ");
        engine_add_name(&sql, str_of(f->name));
    }
    buf_printf(&sql, ", row_number() OVER () AS _ingot_id FROM (%s) AS _ingot_rows", g->m->select);
    rc = engine_exec(g->t->conn, err, buf_cstr(&sql));
    buf_release(&sql);
    return rc;
}

static void add_key_list(const struct merge *g, struct buf *sql)
{
    for (size_t i = 0; i < g->m->n_key; i++) {
        buf_puts(sql, i ? ", " : "");
        engine_add_name(sql, str_of(g->m->key[i]));
    }
}

static enum ig_code check_source_keys(struct merge *g, struct error *err)
{
    int64_t repeated = 0;
    enum ig_code rc;
    struct buf sql;

    buf_init(&sql, 0);
    buf_printf(&sql, "SELECT count(*) FROM (SELECT 1 FROM %s GROUP BY ", g->source);
    add_key_list(g, &sql);
    buf_puts(&sql, " HAVING count(*) > 1)");
    rc = engine_query_int64(g->t->conn, buf_cstr(&sql), &repeated, err);
    if (!rc && repeated > 0) {
        buf_clear(&sql);
        add_key_list(g, &sql);
        rc = error_set(err, IG_INVALID, "%lld keys (%s) are there more than once", (long long)repeated, buf_cstr(&sql));
    }
    buf_release(&sql);
    return rc;
}

/* (a IS NOT DISTINCT FROM 1 AND b IS NOT DISTINCT FROM 2) OR ... */
static void add_within(const struct merge *g, struct buf *sql)
{
    for (size_t i = 0; i < g->m->n_partitions; i++) {
        buf_puts(sql, i ? " OR (" : "(");
        for (size_t k = 0; k < g->m->n_columns; k++) {
            const struct lake_partition *p = &g->m->within[i * g->m->n_columns + k];
            const struct schema_field *f = schema_find(g->s->metadata.schema, str_of(p->column));

            buf_puts(sql, k ? " AND " : "");
            engine_add_name(sql, str_of(p->column));
            buf_puts(sql, " IS NOT DISTINCT FROM ");
            lake_add_constant(sql, f->type, p->value);
        }
        buf_putc(sql, ')');
    }
}

static enum ig_code check_source_partitions(struct merge *g, struct error *err)
{
    const struct lake_partition *first = g->m->within;
    int64_t outside = 0;
    enum ig_code rc;
    struct buf sql;

    if (g->m->n_partitions == 0)
        return IG_OK;
    buf_init(&sql, 0);
    buf_printf(&sql, "SELECT count(*) FROM %s WHERE NOT (", g->source);
    add_within(g, &sql);
    buf_putc(&sql, ')');
    rc = buf_check(&sql, err, "the query of a merge");
    if (!rc)
        rc = engine_query_int64(g->t->conn, buf_cstr(&sql), &outside, err);
    if (!rc && outside > 0)
        rc = error_set(err, IG_INVALID, "%lld rows are outside of the partition%s %s=%s%s", (long long)outside,
                       g->m->n_partitions > 1 ? "s" : "", first->column, first->value ? first->value : "null",
                       g->m->n_partitions > 1 ? ", ..." : "");
    buf_release(&sql);
    return rc;
}

/* One row a key, all within the partitions. */
static enum ig_code check_source(struct merge *g, struct error *err)
{
    char sql[96];

    snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", g->source);
    IG_TRY(engine_query_int64(g->t->conn, sql, &g->source_rows, err));
    IG_TRY(check_source_keys(g, err));
    return check_source_partitions(g, err);
}

/* --- files that may match ---------------------------------------------------------------------------------- */

/* If a partition column is part of the key, only the source's own partitions can match. */
static enum ig_code prune_by_partition(struct merge *g, size_t column, struct error *err)
{
    const struct schema_field *f = g->s->metadata.partition_fields[column];
    VEC(char *) values = {0};
    struct engine_rows rows;
    size_t kept = 0;
    enum ig_code rc;
    struct buf sql;

    buf_init(&sql, 0);
    buf_puts(&sql, "SELECT DISTINCT CAST(");
    engine_add_name(&sql, str_of(f->name));
    buf_printf(&sql, " AS VARCHAR) FROM %s", g->source);
    rc = engine_query(g->t->conn, buf_cstr(&sql), &rows, err);
    while (!rc && engine_next(&rows)) {
        const struct str text = engine_str(&rows, 0);

        vec_push(&values, text.p ? lake_log_value(f->type, arena_strndup(&g->arena, text.p, text.n)) : NULL);
    }
    engine_rows_free(&rows);
    for (size_t i = 0; i < g->files.n && !rc; i++) {
        bool found = false;

        for (size_t k = 0; k < values.n && !found; k++)
            found = lake_value_eq(f->type, g->files.p[i]->values[column], values.p[k]);
        if (found)
            g->files.p[kept++] = g->files.p[i];
    }
    g->files.n = kept;
    for (size_t i = 0; i < values.n; i++)
        free(values.p[i]);
    vec_free(&values);
    buf_release(&sql);
    return rc;
}

static bool is_within(const struct merge *g, const struct lake_entry *e)
{
    for (size_t i = 0; i < g->m->n_partitions; i++)
        if (lake_entry_matches(g->s, e, g->m->within + i * g->m->n_columns, g->m->n_columns))
            return true;
    return g->m->n_partitions == 0;
}

static enum ig_code find_files(struct merge *g, struct error *err)
{
    const struct lake_snapshot *s = g->s;

    for (size_t i = 0; i < s->entries.n; i++)
        if (s->entries.p[i].live && is_within(g, &s->entries.p[i]))
            vec_push(&g->files, &s->entries.p[i]);
    for (size_t i = 0; i < s->metadata.n_partition_columns && !g->m->delete_unmatched; i++)
        if (is_key(g, s->metadata.partition_columns[i]) && s->metadata.partition_fields[i]->type->kind != SCHEMA_BINARY)
            IG_TRY(prune_by_partition(g, i, err));
    return IG_OK;
}

/* --- what the merge would do ------------------------------------------------------------------------------- */

static void add_join_condition(const struct merge *g, struct buf *sql)
{
    for (size_t i = 0; i < g->m->n_key; i++) {
        buf_puts(sql, i ? " AND t." : "t.");
        engine_add_name(sql, str_of(g->m->key[i]));
        buf_puts(sql, " IS NOT DISTINCT FROM s.");
        engine_add_name(sql, str_of(g->m->key[i]));
    }
}

/* Is a row of the file another one than the source's? */
static void add_difference(const struct merge *g, struct buf *sql)
{
    bool any = false;

    for (size_t i = 0; i < g->have->n_fields; i++) {
        const char *name = g->have->fields[i].name;

        if (is_key(g, name))
            continue;
        buf_puts(sql, any ? " OR t." : "t.");
        engine_add_name(sql, str_of(name));
        buf_puts(sql, " IS DISTINCT FROM s.");
        engine_add_name(sql, str_of(name));
        any = true;
    }
    if (!any)
        buf_puts(sql, "false");
}

/* A row for each row of the files (or, if what is not matched stays, for each matched one): the file, the matching
 * source row, and whether the two differ. */
static enum ig_code match(struct merge *g, struct error *err)
{
    struct buf sql;
    enum ig_code rc;

    buf_init(&sql, 0);
    buf_printf(&sql,
               "CREATE TEMP TABLE %s AS SELECT t._ingot_file AS file, s._ingot_id AS id, s._ingot_id IS NOT NULL AND (",
               g->matches);
    add_difference(g, &sql);
    buf_puts(&sql, ") AS differs FROM ");
    rc = lake_add_scan_of(g->s, g->files.p, g->files.n, &(struct lake_scan){.file_column = true}, &sql, err);
    buf_printf(&sql, " AS t %s JOIN %s AS s ON ", g->m->delete_unmatched ? "LEFT" : "INNER", g->source);
    add_join_condition(g, &sql);
    if (!rc)
        rc = engine_exec(g->t->conn, err, buf_cstr(&sql));
    buf_release(&sql);
    return rc;
}

static void count_file(struct merge *g, const struct lake_entry *e, int64_t rows, int64_t matched, int64_t different)
{
    const int64_t unmatched = g->m->delete_unmatched ? rows - matched : 0;

    if (different == 0 && unmatched == 0)
        return;
    vec_push(&g->touched, e);
    g->updated += different;
    g->deleted += unmatched;
}

static enum ig_code count_changes(struct merge *g, struct error *err)
{
    struct engine_rows rows;
    int64_t matched = 0;
    struct buf sql;
    enum ig_code rc;

    buf_init(&sql, 0);
    buf_printf(&sql, "SELECT file, count(*), count(id), count(*) FILTER (differs) FROM %s GROUP BY file ORDER BY file",
               g->matches);
    rc = engine_query(g->t->conn, buf_cstr(&sql), &rows, err);
    while (!rc && engine_next(&rows)) {
        const size_t file = (size_t)engine_int64(&rows, 0);

        IG_ASSERT(file < g->s->entries.n);
        count_file(g, &g->s->entries.p[file], engine_int64(&rows, 1), engine_int64(&rows, 2), engine_int64(&rows, 3));
    }
    engine_rows_free(&rows);
    buf_clear(&sql);
    buf_printf(&sql, "SELECT count(DISTINCT id) FROM %s", g->matches);
    if (!rc)
        rc = engine_query_int64(g->t->conn, buf_cstr(&sql), &matched, err);
    g->inserted = g->source_rows - matched;
    buf_release(&sql);
    return rc;
}

/* --- the new rows ------------------------------------------------------------------------------------------ */

/* The source's rows but those that a file which stays has already. */
static void add_needed_source(const struct merge *g, struct buf *sql)
{
    buf_printf(sql, "(SELECT * FROM %s", g->source);
    if (g->files.n) {
        buf_printf(sql, " WHERE _ingot_id NOT IN (SELECT id FROM %s WHERE id IS NOT NULL", g->matches);
        for (size_t i = 0; i < g->touched.n; i++)
            buf_printf(sql, "%s%lld", i ? ", " : " AND file NOT IN (", (long long)(g->touched.p[i] - g->s->entries.p));
        buf_puts(sql, g->touched.n ? "))" : ")");
    }
    buf_putc(sql, ')');
}

static bool source_has_all_columns(const struct merge *g)
{
    for (size_t i = 0; i < g->s->metadata.schema->n_fields; i++)
        if (!schema_find(g->have, str_of(g->s->metadata.schema->fields[i].name)))
            return false;
    return true;
}

/* Does no row of the old files stay as it was there? Then they need not be read again. */
static bool old_rows_are_needed(const struct merge *g)
{
    return g->touched.n > 0 && !(g->m->delete_unmatched && source_has_all_columns(g));
}

static enum ig_code add_new_rows(const struct merge *g, struct buf *sql, struct error *err)
{
    const struct schema_type *schema = g->s->metadata.schema;
    const bool joined = old_rows_are_needed(g);

    buf_puts(sql, "SELECT ");
    for (size_t i = 0; i < schema->n_fields; i++) {
        const struct str name = str_of(schema->fields[i].name);
        const bool in_source = schema_find(g->have, name) != NULL;

        buf_puts(sql, i ? ", " : "");
        if (joined && in_source)
            buf_puts(sql, "CASE WHEN s._ingot_id IS NOT NULL THEN s.");
        else if (in_source)
            buf_puts(sql, "s.");
        if (in_source)
            engine_add_name(sql, name);
        if (joined) {
            buf_puts(sql, in_source ? " ELSE t." : "t.");
            engine_add_name(sql, name);
            buf_puts(sql, in_source ? " END" : "");
        } else if (!in_source) {
            buf_puts(sql, "NULL::");
            schema_add_sql(sql, schema->fields[i].type);
        }
        buf_puts(sql, " AS ");
        engine_add_name(sql, name);
    }
    buf_puts(sql, " FROM ");
    if (joined) {
        IG_TRY(lake_add_scan_of(g->s, g->touched.p, g->touched.n, NULL, sql, err));
        buf_puts(sql, " AS t FULL JOIN ");
    }
    add_needed_source(g, sql);
    buf_puts(sql, " AS s");
    if (joined) {
        buf_puts(sql, " ON ");
        add_join_condition(g, sql);
        if (g->m->delete_unmatched)
            buf_puts(sql, " WHERE s._ingot_id IS NOT NULL");
    }
    return buf_check(sql, err, "the query of a merge");
}

/* --- the commit -------------------------------------------------------------------------------------------- */

static void add_texts(const struct merge *g, const struct lake_new_files *files, struct buf *parameters,
                      struct buf *metrics)
{
    struct buf predicate;

    buf_init(&predicate, 0);
    for (size_t i = 0; i < g->m->n_key; i++)
        buf_printf(&predicate, "%starget.%s <=> source.%s", i ? " AND " : "", g->m->key[i], g->m->key[i]);
    buf_puts(parameters, "{\"predicate\":");
    json_add_string(parameters, buf_str(&predicate));
    buf_printf(parameters,
               ",\"matchedPredicates\":\"[{\\\"actionType\\\":\\\"update\\\"}]\""
               ",\"notMatchedPredicates\":\"[{\\\"actionType\\\":\\\"insert\\\"}]\""
               ",\"notMatchedBySourcePredicates\":\"[%s]\"}",
               g->m->delete_unmatched ? "{\\\"actionType\\\":\\\"delete\\\"}" : "");
    buf_printf(metrics,
               "{\"numSourceRows\":\"%lld\",\"numTargetRowsInserted\":\"%lld\",\"numTargetRowsUpdated\":\"%lld\","
               "\"numTargetRowsDeleted\":\"%lld\",\"numTargetRowsCopied\":\"%lld\",\"numOutputRows\":\"%lld\","
               "\"numTargetFilesAdded\":\"%zu\",\"numTargetFilesRemoved\":\"%zu\"}",
               (long long)g->source_rows, (long long)g->inserted, (long long)g->updated, (long long)g->deleted,
               (long long)g->copied, (long long)files->rows, files->list.n, g->touched.n);
    buf_release(&predicate);
}

/* The values of the one partition that all new rows are in, NULL if there may be several. */
static const char *const *one_partition(struct merge *g)
{
    if (g->m->n_partitions != 1)
        return NULL;
    return lake_whole_partition(g->s, &g->arena, g->m->within, g->m->n_columns);
}

static enum ig_code write_and_commit(struct merge *g, struct lake_result *out, struct error *err)
{
    struct lake_change change = {
        .base = g->s,
        .removed = g->touched.p,
        .n_removed = g->touched.n,
        .scope = g->m->n_partitions ? LAKE_READ_PARTITIONS : LAKE_READ_ALL,
        .partitions = g->m->within,
        .n_partitions = g->m->n_partitions,
        .n_columns = g->m->n_columns,
        .operation = "MERGE",
        .options = g->options,
    };
    struct lake_new_files files = {0};
    struct buf sql, parameters, metrics;
    enum ig_code rc = IG_OK;

    buf_init(&sql, 0);
    buf_init(&parameters, 0);
    buf_init(&metrics, 0);
    if (g->inserted || g->touched.n) {
        rc = lake_check_writable(g->s, g->touched.n > 0, err);
        if (!rc && g->touched.n)
            rc = lake_refuse_use(g->s, "changeDataFeed", "a merge", err);
        if (!rc)
            rc = add_new_rows(g, &sql, err);
        if (!rc)
            rc = lake_write_files(g->t, g->s, buf_cstr(&sql), one_partition(g), &files, err);
    }
    g->copied = files.rows - g->inserted - g->updated;
    add_texts(g, &files, &parameters, &metrics);
    change.parameters = buf_cstr(&parameters);
    change.metrics = buf_cstr(&metrics);
    *out = (struct lake_result){
        .rows_written = files.rows,
        .rows_inserted = g->inserted,
        .rows_updated = g->updated,
        .rows_deleted = g->deleted,
        .rows_copied = g->copied,
        .files_added = (int64_t)files.list.n,
        .files_removed = (int64_t)g->touched.n,
        .bytes_added = files.bytes,
    };
    rc = lake_finish_change(g->t, &change, &files, rc, &out->version, err);
    buf_release(&metrics);
    buf_release(&parameters);
    buf_release(&sql);
    lake_new_files_free(&files);
    return rc;
}

static enum ig_code run(struct merge *g, struct lake_result *out, struct error *err)
{
    IG_TRY(lake_check_options(g->s, g->options, err));
    IG_TRY(schema_of_query(&g->arena, g->t->conn, g->m->select, &g->have, err));
    schema_find_nulls(&g->arena, g->t->conn, g->m->select, g->have, g->s->metadata.schema);
    IG_TRY(check_names(g, err));
    IG_TRY(load_source(g, err));
    IG_TRY(check_source(g, err));
    IG_TRY(find_files(g, err));
    if (g->files.n) {
        IG_TRY(match(g, err));
        IG_TRY(count_changes(g, err));
    } else {
        g->inserted = g->source_rows;
    }
    return write_and_commit(g, out, err);
}

static void name_tables(struct merge *g)
{
    char uuid[37];

    env_uuid(g->t->store->env, uuid);
    uuid[8] = '\0';
    snprintf(g->source, sizeof(g->source), "_ingot_source_%s", uuid);
    snprintf(g->matches, sizeof(g->matches), "_ingot_matches_%s", uuid);
}

enum ig_code lake_merge(struct lake_table *t, const struct lake_merge *m, const struct lake_commit_options *o,
                        struct lake_result *out, struct error *err)
{
    struct merge g = {.t = t, .m = m, .options = o};
    struct lake_snapshot *s = NULL;
    struct lake_result ignored;
    enum ig_code rc = lake_snapshot_latest(t, &s, err);

    if (rc)
        return rc;
    g.s = s;
    arena_init(&g.arena);
    name_tables(&g);
    rc = run(&g, out ? out : &ignored, err);
    (void)!engine_execf(t->conn, NULL, "DROP TABLE IF EXISTS temp.%s; DROP TABLE IF EXISTS temp.%s", g.source,
                        g.matches);
    if (rc)
        error_context(err, rc, "merge into %s", t->path);
    vec_free(&g.files);
    vec_free(&g.touched);
    arena_release(&g.arena);
    lake_snapshot_free(s);
    return rc;
}
