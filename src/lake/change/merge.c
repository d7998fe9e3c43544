/*
 * MERGE, by clauses or by key. A merge by key is one by clauses that the key makes:
 *
 *   ON t.k IS NOT DISTINCT FROM s.k
 *   WHEN MATCHED AND (t.a IS DISTINCT FROM s.a OR ...) THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *
 *   [WHEN NOT MATCHED BY SOURCE THEN DELETE]
 */
#include "lake/change/dml.h"

#include <strings.h>

/* --- by key ------------------------------------------------------------------------------------------------ */

struct by_key {
    struct dml *d;
    const struct lake_merge *m;
};

static bool is_key(const struct by_key *g, const char *column)
{
    for (size_t i = 0; i < g->m->n_key; i++)
        if (strcasecmp(g->m->key[i], column) == 0)
            return true;
    return false;
}

static enum ig_code check_names(const struct by_key *g, struct error *err)
{
    const struct dml *d = g->d;

    if (g->m->n_key == 0)
        return error_set(err, IG_INVALID, "a merge needs a key");
    for (size_t i = 0; i < g->m->n_key; i++) {
        if (!schema_find(d->s->metadata.schema, str_of(g->m->key[i])))
            return error_set(err, IG_INVALID, "the key column %s is none of the table", g->m->key[i]);
        if (!schema_find(d->have, str_of(g->m->key[i])))
            return error_set(err, IG_INVALID, "the key column %s is none of the query", g->m->key[i]);
    }
    for (size_t i = 0; i < g->m->n_partitions; i++)
        IG_TRY(lake_check_partitions(d->s, g->m->within + i * g->m->n_columns, g->m->n_columns, err));
    return lake_check_columns(d->s, d->have, err);
}

static enum ig_code check_source_keys(const struct by_key *g, struct error *err)
{
    int64_t repeated = 0;
    struct buf sql, keys;
    enum ig_code rc;

    buf_init(&sql, 0);
    buf_init(&keys, 0);
    for (size_t i = 0; i < g->m->n_key; i++) {
        buf_puts(&keys, i ? ", " : "");
        engine_add_name(&keys, str_of(g->m->key[i]));
    }
    buf_printf(&sql, "SELECT count(*) FROM (SELECT 1 FROM temp.%s GROUP BY %s HAVING count(*) > 1)", g->d->source_table,
               buf_cstr(&keys));
    rc = engine_query_int64(g->d->t->conn, buf_cstr(&sql), &repeated, err);
    if (!rc && repeated > 0)
        rc =
            error_set(err, IG_INVALID, "%lld keys (%s) are there more than once", (long long)repeated, buf_cstr(&keys));
    buf_release(&keys);
    buf_release(&sql);
    return rc;
}

/* (a IS NOT DISTINCT FROM 1 AND b IS NOT DISTINCT FROM 2) OR ... */
static void add_within(const struct by_key *g, struct buf *sql)
{
    for (size_t i = 0; i < g->m->n_partitions; i++) {
        buf_puts(sql, i ? " OR (" : "(");
        for (size_t k = 0; k < g->m->n_columns; k++) {
            const struct lake_partition *p = &g->m->within[i * g->m->n_columns + k];
            const struct schema_field *f = schema_find(g->d->s->metadata.schema, str_of(p->column));

            buf_puts(sql, k ? " AND " : "");
            engine_add_name(sql, str_of(p->column));
            buf_puts(sql, " IS NOT DISTINCT FROM ");
            lake_add_constant(sql, f->type, p->value);
        }
        buf_putc(sql, ')');
    }
}

static enum ig_code check_source_partitions(const struct by_key *g, struct error *err)
{
    const struct lake_partition *first = g->m->within;
    int64_t outside = 0;
    enum ig_code rc;
    struct buf sql;

    if (g->m->n_partitions == 0)
        return IG_OK;
    for (size_t k = 0; k < g->m->n_columns; k++)
        if (!schema_find(g->d->have, str_of(first[k].column)))
            return error_set(err, IG_INVALID, "the partition column %s is none of the query", first[k].column);
    buf_init(&sql, 0);
    buf_printf(&sql, "SELECT count(*) FROM temp.%s WHERE NOT (", g->d->source_table);
    add_within(g, &sql);
    buf_putc(&sql, ')');
    rc = buf_check(&sql, err, "the query of a merge");
    if (!rc)
        rc = engine_query_int64(g->d->t->conn, buf_cstr(&sql), &outside, err);
    if (!rc && outside > 0)
        rc = error_set(err, IG_INVALID, "%lld rows are outside of the partition%s %s=%s%s", (long long)outside,
                       g->m->n_partitions > 1 ? "s" : "", first->column, first->value ? first->value : "null",
                       g->m->n_partitions > 1 ? ", ..." : "");
    buf_release(&sql);
    return rc;
}

static void add_pair(const struct by_key *g, const char *column, const char *how, struct buf *sql)
{
    engine_add_name(sql, str_of(g->d->target));
    buf_putc(sql, '.');
    engine_add_name(sql, str_of(column));
    buf_puts(sql, how);
    engine_add_name(sql, str_of(g->d->source));
    buf_putc(sql, '.');
    engine_add_name(sql, str_of(column));
}

static const char *taken(struct dml *d, struct buf *sql)
{
    const char *out = arena_strdup(&d->arena, buf_cstr(sql));

    buf_release(sql);
    return out;
}

static const char *condition_of_key(const struct by_key *g)
{
    struct buf sql;

    buf_init(&sql, 0);
    for (size_t i = 0; i < g->m->n_key; i++) {
        buf_puts(&sql, i ? " AND " : "");
        add_pair(g, g->m->key[i], " IS NOT DISTINCT FROM ", &sql);
    }
    return taken(g->d, &sql);
}

static const char *difference(const struct by_key *g)
{
    struct buf sql;

    buf_init(&sql, 0);
    for (size_t i = 0; i < g->d->have->n_fields; i++) {
        const char *name = g->d->have->fields[i].name;

        if (is_key(g, name))
            continue;
        buf_puts(&sql, sql.n ? " OR " : "");
        add_pair(g, name, " IS DISTINCT FROM ", &sql);
    }
    if (!sql.n)
        buf_puts(&sql, "false");
    return taken(g->d, &sql);
}

/* --- by clauses -------------------------------------------------------------------------------------------- */

static void add_clause_text(const struct dml_clause *c, const struct dml *d, struct buf *out)
{
    static const char *const names[] = {[LAKE_UPDATE] = "update", [LAKE_DELETE] = "delete", [LAKE_INSERT] = "insert"};

    (void)d;
    buf_putc(out, '{');
    if (c->said) {
        buf_puts(out, "\"predicate\":");
        json_add_string(out, str_of(c->said));
        buf_putc(out, ',');
    }
    buf_printf(out, "\"actionType\":\"%s\"}", names[c->action]);
}

static void add_clause_list(const struct dml *d, enum lake_merge_when when, struct buf *out)
{
    struct buf list;

    buf_init(&list, 0);
    buf_putc(&list, '[');
    for (size_t i = 0; i < d->n_clauses; i++) {
        if (d->clauses[i].when != when)
            continue;
        buf_puts(&list, list.n > 1 ? "," : "");
        add_clause_text(&d->clauses[i], d, &list);
    }
    buf_putc(&list, ']');
    json_add_string(out, buf_str(&list));
    buf_release(&list);
}

static void add_parameters(const struct dml *d, const char *on, struct buf *out)
{
    buf_puts(out, "{\"predicate\":");
    json_add_string(out, str_of(on));
    buf_puts(out, ",\"matchedPredicates\":");
    add_clause_list(d, LAKE_MATCHED, out);
    buf_puts(out, ",\"notMatchedPredicates\":");
    add_clause_list(d, LAKE_NOT_MATCHED, out);
    buf_puts(out, ",\"notMatchedBySourcePredicates\":");
    add_clause_list(d, LAKE_NOT_MATCHED_BY_SOURCE, out);
    buf_putc(out, '}');
}

static int64_t rows_of(const struct dml *d, enum lake_merge_when when, enum lake_merge_action action)
{
    int64_t rows = 0;

    for (size_t i = 0; i < d->n_clauses; i++)
        if (d->clauses[i].when == when && d->clauses[i].action == action)
            rows += d->clauses[i].rows;
    return rows;
}

static void add_metrics(const struct dml *d, const struct lake_new_files *files, struct buf *out)
{
    const struct {
        const char *name;
        int64_t value;
    } metrics[] = {
        {"numSourceRows", d->source_rows},
        {"numTargetRowsInserted", d->inserted_rows},
        {"numTargetRowsUpdated", d->updated_rows},
        {"numTargetRowsMatchedUpdated", rows_of(d, LAKE_MATCHED, LAKE_UPDATE)},
        {"numTargetRowsNotMatchedBySourceUpdated", rows_of(d, LAKE_NOT_MATCHED_BY_SOURCE, LAKE_UPDATE)},
        {"numTargetRowsDeleted", d->deleted_rows},
        {"numTargetRowsMatchedDeleted", rows_of(d, LAKE_MATCHED, LAKE_DELETE)},
        {"numTargetRowsNotMatchedBySourceDeleted", rows_of(d, LAKE_NOT_MATCHED_BY_SOURCE, LAKE_DELETE)},
        {"numTargetRowsCopied", d->copied_rows},
        {"numOutputRows", files->rows},
        {"numTargetFilesAdded", (int64_t)files->list.n},
        {"numTargetFilesRemoved", d->files_removed},
        {"numTargetBytesAdded", files->bytes},
        {"numTargetBytesRemoved", d->bytes_removed},
        {"numTargetChangeFilesAdded", d->change_files},
        {"numTargetDeletionVectorsAdded", d->vectors_added},
        {"numTargetDeletionVectorsRemoved", d->vectors_removed},
        {"numTargetDeletionVectorsUpdated", 0},
        {"scanTimeMs", d->scan_ms},
        {"rewriteTimeMs", d->rewrite_ms},
        {"executionTimeMs", env_monotonic_ms(d->t->store->env) - d->started_ms},
    };

    buf_putc(out, '{');
    for (size_t i = 0; i < IG_COUNT(metrics); i++)
        buf_printf(out, "%s\"%s\":\"%lld\"", i ? "," : "", metrics[i].name, (long long)metrics[i].value);
    buf_putc(out, '}');
}

/* Only the last clause of a kind may be without a condition: those behind it would never be used. */
static enum ig_code check_order(const struct lake_merge_clause *clauses, size_t n, struct error *err)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = i + 1; k < n; k++)
            if (clauses[i].when == clauses[k].when && !clauses[i].condition)
                return error_set(err, IG_INVALID, "only the last clause of a kind may have no condition");
    return IG_OK;
}

static enum ig_code plan(struct dml *d, const char *on, const struct lake_merge_clause *clauses, size_t n, bool lenient,
                         struct error *err)
{
    struct dml_clause *plans = ARENA_ARRAY(&d->arena, struct dml_clause, n + 1);

    if (n == 0)
        return error_set(err, IG_INVALID, "a merge needs a WHEN clause");
    IG_TRY(check_order(clauses, n, err));
    IG_TRY(dml_plan_condition(d, on, err));
    for (size_t i = 0; i < n; i++)
        IG_TRY(dml_plan_clause(d, &clauses[i], lenient, &plans[i], err));
    d->clauses = plans;
    d->n_clauses = n;
    return IG_OK;
}

static enum ig_code merge_clauses(struct dml *d, const char *on, const struct lake_merge_clause *clauses, size_t n,
                                  bool lenient, struct lake_result *out, struct error *err)
{
    struct dml_texts texts = {.operation = "MERGE", .add_metrics = add_metrics};
    struct buf parameters;
    enum ig_code rc;

    IG_TRY(plan(d, on, clauses, n, lenient, err));
    dml_all_files(d);
    IG_TRY(dml_find_matches(d, err));
    buf_init(&parameters, 0);
    add_parameters(d, on, &parameters);
    texts.parameters = buf_cstr(&parameters);
    rc = dml_apply(d, &texts, out, err);
    buf_release(&parameters);
    return rc;
}

static enum ig_code merge_by_key(struct dml *d, const struct lake_merge *m, struct lake_result *out, struct error *err)
{
    const struct by_key g = {d, m};
    struct lake_merge_clause clauses[] = {
        {.when = LAKE_MATCHED, .action = LAKE_UPDATE_ALL},
        {.when = LAKE_NOT_MATCHED, .action = LAKE_INSERT_ALL},
        {.when = LAKE_NOT_MATCHED_BY_SOURCE, .action = LAKE_DELETE},
    };

    d->within = m->within;
    d->n_partitions = m->n_partitions;
    d->n_columns = m->n_columns;
    if (m->n_partitions == 1)
        d->single = lake_whole_partition(d->s, &d->arena, m->within, m->n_columns);
    IG_TRY(check_names(&g, err));
    IG_TRY(check_source_keys(&g, err));
    IG_TRY(check_source_partitions(&g, err));
    clauses[0].condition = difference(&g);
    return merge_clauses(d, condition_of_key(&g), clauses, m->delete_unmatched ? 3 : 2, true, out, err);
}

static bool inserts_only(const struct lake_merge *m)
{
    for (size_t i = 0; i < m->n_clauses; i++)
        if (m->clauses[i].when != LAKE_NOT_MATCHED)
            return false;
    return true;
}

static enum ig_code run(struct dml *d, const struct lake_merge *m, struct lake_result *out, struct error *err)
{
    if (m->target_alias)
        d->target = m->target_alias;
    if (m->source_alias)
        d->source = m->source_alias;
    if (strcasecmp(d->target, d->source) == 0)
        return error_set(err, IG_INVALID, "the table and the source need different names, both are %s", d->target);
    IG_TRY(dml_load_source(d, m->select, err));
    if (!m->on)
        return merge_by_key(d, m, out, err);
    IG_TRY(lake_check_writable(d->s, !inserts_only(m), err));
    if (m->evolve_schema)
        IG_TRY(dml_evolve(d, m->clauses, m->n_clauses, err));
    return merge_clauses(d, m->on, m->clauses, m->n_clauses, m->evolve_schema, out, err);
}

enum ig_code lake_merge(struct lake_table *t, const struct lake_merge *m, const struct lake_commit_options *o,
                        struct lake_result *out, struct error *err)
{
    struct dml d;
    enum ig_code rc = dml_open(&d, t, o, err);

    if (!rc)
        rc = run(&d, m, out, err);
    if (rc)
        error_context(err, rc, "merge into %s", *t->path ? t->path : t->store->url);
    dml_close(&d);
    return rc;
}
