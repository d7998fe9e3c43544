/*
 * Append and replace: new files for a query's rows, and one commit.
 */
#include "lake/maintain/alter.h"
#include "lake/table/features.h"

#include <stdlib.h>
#include <strings.h>

/* ["a","b"] */
void lake_add_name_list(struct buf *out, const char *const *names, size_t n)
{
    buf_putc(out, '[');
    for (size_t i = 0; i < n; i++) {
        buf_puts(out, i ? "," : "");
        json_add_string(out, str_of(names[i]));
    }
    buf_putc(out, ']');
}

const char *const *lake_whole_partition(const struct lake_snapshot *s, struct arena *a,
                                        const struct lake_partition *where, size_t n)
{
    const size_t n_columns = s->metadata.n_partition_columns;
    const char **values;
    size_t found = 0;

    if (n_columns == 0)
        return NULL;
    values = ARENA_ARRAY(a, const char *, n_columns);
    for (size_t i = 0; i < n_columns; i++) {
        for (size_t k = 0; k < n; k++) {
            if (strcasecmp(where[k].column, s->metadata.partition_columns[i]) != 0)
                continue;
            values[i] = where[k].value && *where[k].value ? where[k].value : NULL;
            found++;
            break;
        }
    }
    return found == n_columns ? values : NULL;
}

static void add_write_texts(const struct lake_snapshot *s, const char *mode, const char *predicate,
                            const struct lake_new_files *files, size_t n_removed, struct buf *parameters,
                            struct buf *metrics)
{
    struct buf list;

    buf_init(&list, 0);
    lake_add_name_list(&list, s->metadata.partition_columns, s->metadata.n_partition_columns);
    buf_printf(parameters, "{\"mode\":\"%s\",\"partitionBy\":", mode);
    json_add_string(parameters, buf_str(&list));
    if (predicate && *predicate) {
        buf_puts(parameters, ",\"predicate\":");
        json_add_string(parameters, str_of(predicate));
    }
    buf_putc(parameters, '}');
    buf_printf(
        metrics,
        "{\"numFiles\":\"%zu\",\"numOutputRows\":\"%lld\",\"numOutputBytes\":\"%lld\",\"numRemovedFiles\":\"%zu\"}",
        files->list.n, (long long)files->rows, (long long)files->bytes, n_removed);
    buf_release(&list);
}

static void fill_result(const struct lake_new_files *files, size_t n_removed, int64_t version, struct lake_result *out)
{
    if (!out)
        return;
    *out = (struct lake_result){
        .version = version,
        .rows_written = files->rows,
        .rows_inserted = files->rows,
        .files_added = (int64_t)files->list.n,
        .files_removed = (int64_t)n_removed,
        .bytes_added = files->bytes,
    };
}

static bool changes_something(const struct lake_change *c)
{
    return (c->added && c->added->list.n) || c->n_removed || c->n_readds || c->n_restored || c->n_domains ||
           c->metadata || c->protocol || (c->options && c->options->app_id);
}

enum ig_code lake_finish_change(struct lake_table *t, struct lake_change *change, struct lake_new_files *files,
                                enum ig_code rc, int64_t *version, struct error *err)
{
    *version = change->base->version;
    change->added = files;
    if (files->metadata)
        change->metadata = files->metadata;
    if (!rc && changes_something(change))
        rc = lake_commit(t, change, version, err);
    /* With an unknown outcome a commit may name the files. */
    if (rc && rc != IG_UNKNOWN_OUTCOME) {
        lake_new_files_discard(t, files);
        if (change->change_data)
            lake_new_files_discard(t, change->change_data);
    }
    return rc;
}

/* What the rows are written to: the table, or with merge_schema what it becomes by the query's columns. */
static enum ig_code evolve(struct lake_table *t, const char *select, struct arena *a, struct lake_change *change,
                           struct lake_evolution *e, struct error *err)
{
    const struct lake_snapshot *s = change->base;
    const struct schema_type *have;

    if (!change->options || !change->options->merge_schema) {
        *e = (struct lake_evolution){.to = lake_snapshot_ref((struct lake_snapshot *)(uintptr_t)s)};
        return IG_OK;
    }
    IG_TRY(schema_of_query(a, t->conn, select, &have, err));
    schema_find_nulls(a, t->conn, select, have, s->metadata.schema);
    IG_TRY(lake_evolve(a, t->store->env, s, have, false, e, err));
    change->shape = e->to;
    change->metadata = e->metadata;
    change->protocol = e->protocol;
    return IG_OK;
}

static enum ig_code append_to(struct lake_table *t, const struct lake_snapshot *s, const char *select,
                              const struct lake_commit_options *o, struct lake_result *out, struct error *err)
{
    struct lake_change change = {.base = s, .scope = LAKE_READ_NOTHING, .operation = "WRITE", .options = o};
    struct lake_new_files files = {0};
    struct lake_evolution e = {0};
    struct buf parameters, metrics;
    struct arena arena;
    int64_t version;
    enum ig_code rc;

    IG_TRY(lake_check_writable(s, false, err));
    IG_TRY(lake_check_options(s, o, err));
    arena_init(&arena);
    buf_init(&parameters, 0);
    buf_init(&metrics, 0);
    rc = evolve(t, select, &arena, &change, &e, err);
    if (!rc)
        rc = lake_write_files(t, e.to, select, NULL, &files, err);
    add_write_texts(s, "Append", NULL, &files, 0, &parameters, &metrics);
    change.parameters = buf_cstr(&parameters);
    change.metrics = buf_cstr(&metrics);
    rc = lake_finish_change(t, &change, &files, rc, &version, err);
    fill_result(&files, 0, version, out);
    buf_release(&metrics);
    buf_release(&parameters);
    lake_new_files_free(&files);
    lake_snapshot_free(e.to);
    arena_release(&arena);
    return rc;
}

enum ig_code lake_append(struct lake_table *t, const char *select, const struct lake_commit_options *o,
                         struct lake_result *out, struct error *err)
{
    struct lake_snapshot *s = NULL;
    enum ig_code rc = lake_snapshot_latest(t, &s, err);

    if (!rc) {
        rc = append_to(t, s, select, o, out, err);
        if (rc)
            error_context(err, rc, "append to %s", *t->path ? t->path : t->store->url);
    }
    lake_snapshot_free(s);
    return rc;
}

/* --- replace ----------------------------------------------------------------------------------------------- */

struct replacement {
    const struct lake_partition *where;
    size_t n_partitions, n_columns;
};

static bool is_replaced(const struct lake_snapshot *s, const struct replacement *r, const struct lake_entry *e)
{
    if (r->n_partitions == 0)
        return true;
    for (size_t i = 0; i < r->n_partitions; i++)
        if (lake_entry_matches(s, e, r->where + i * r->n_columns, r->n_columns))
            return true;
    return false;
}

/* Are all files that were written within the partitions that are replaced? */
static enum ig_code check_written(const struct lake_snapshot *s, const struct replacement *r,
                                  const struct lake_new_files *files, struct error *err)
{
    for (size_t i = 0; i < files->list.n; i++) {
        const struct lake_new_file *f = &files->list.p[i];
        struct lake_values values = {.list = (const char *const *)f->values};
        const struct lake_entry as_entry = {.values = &values};

        if (!is_replaced(s, r, &as_entry))
            return error_set(err, IG_INVALID, "there are rows outside of the partitions to be replaced: %lld of %s",
                             (long long)f->rows, f->name);
    }
    return IG_OK;
}

static void add_predicate(const struct replacement *r, struct buf *out)
{
    for (size_t i = 0; i < r->n_partitions; i++) {
        buf_puts(out, i ? " OR (" : "(");
        for (size_t k = 0; k < r->n_columns; k++) {
            const struct lake_partition *p = &r->where[i * r->n_columns + k];

            buf_printf(out, "%s%s ", k ? " AND " : "", p->column);
            if (p->value) {
                buf_puts(out, "= ");
                engine_add_literal(out, str_of(p->value));
            } else {
                buf_puts(out, "IS NULL");
            }
        }
        buf_putc(out, ')');
    }
}

static enum ig_code replace_in(struct lake_table *t, const struct lake_snapshot *s, const char *select,
                               const struct replacement *r, const struct lake_commit_options *o,
                               struct lake_result *out, struct error *err)
{
    struct lake_change change = {
        .base = s,
        .scope = r->n_partitions ? LAKE_READ_PARTITIONS : LAKE_READ_ALL,
        .partitions = r->where,
        .n_partitions = r->n_partitions,
        .n_columns = r->n_columns,
        .operation = "WRITE",
        .options = o,
    };
    VEC(const struct lake_entry *) removed = {0};
    struct lake_new_files files = {0};
    struct lake_evolution e = {0};
    struct buf parameters, metrics, predicate;
    struct arena arena;
    int64_t version;
    enum ig_code rc;

    IG_TRY(lake_check_options(s, o, err));
    IG_TRY(lake_check_partitions(s, r->where, r->n_partitions * r->n_columns, err));
    for (size_t i = 0; i < s->entries.n; i++)
        if (s->entries.p[i].live && is_replaced(s, r, &s->entries.p[i]))
            vec_push(&removed, &s->entries.p[i]);
    arena_init(&arena);
    buf_init(&parameters, 0);
    buf_init(&metrics, 0);
    buf_init(&predicate, 0);
    rc = lake_check_writable(s, removed.n > 0, err);
    if (!rc)
        rc = evolve(t, select, &arena, &change, &e, err);
    if (!rc)
        rc = lake_write_files(t, e.to, select,
                              r->n_partitions == 1 ? lake_whole_partition(s, &arena, r->where, r->n_columns) : NULL,
                              &files, err);
    if (!rc)
        rc = check_written(s, r, &files, err);
    change.removed = removed.p;
    change.n_removed = removed.n;
    add_predicate(r, &predicate);
    add_write_texts(s, "Overwrite", buf_cstr(&predicate), &files, removed.n, &parameters, &metrics);
    change.parameters = buf_cstr(&parameters);
    change.metrics = buf_cstr(&metrics);
    rc = lake_finish_change(t, &change, &files, rc, &version, err);
    fill_result(&files, removed.n, version, out);
    buf_release(&predicate);
    buf_release(&metrics);
    buf_release(&parameters);
    lake_snapshot_free(e.to);
    arena_release(&arena);
    lake_new_files_free(&files);
    vec_free(&removed);
    return rc;
}

enum ig_code lake_replace(struct lake_table *t, const char *select, const struct lake_partition *where,
                          size_t n_partitions, size_t n_columns, const struct lake_commit_options *o,
                          struct lake_result *out, struct error *err)
{
    const struct replacement r = {where, n_partitions, n_columns};
    struct lake_snapshot *s = NULL;
    enum ig_code rc = lake_snapshot_latest(t, &s, err);

    if (!rc) {
        rc = replace_in(t, s, select, &r, o, out, err);
        if (rc)
            error_context(err, rc, "replace in %s", *t->path ? t->path : t->store->url);
    }
    lake_snapshot_free(s);
    return rc;
}
