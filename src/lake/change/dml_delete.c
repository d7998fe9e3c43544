/*
 * DELETE and UPDATE.
 */
#include "lake/change/dml.h"

static void add_predicate_list(const char *where, struct buf *out)
{
    struct buf list;

    buf_init(&list, 0);
    buf_putc(&list, '[');
    if (where)
        json_add_string(&list, str_of(where));
    buf_putc(&list, ']');
    json_add_string(out, buf_str(&list));
    buf_release(&list);
}

static void add_file_metrics(const struct dml *d, const struct lake_new_files *files, struct buf *out)
{
    const int64_t now_ms = env_monotonic_ms(d->t->store->env);

    /* As Delta counts: a file that only gets another vector is neither added nor removed. */
    buf_printf(out,
               "\"numRemovedFiles\":\"%lld\",\"numRemovedBytes\":\"%lld\",\"numAddedFiles\":\"%zu\","
               "\"numAddedBytes\":\"%lld\",\"numCopiedRows\":\"%lld\",\"numAddedChangeFiles\":\"%lld\","
               "\"numDeletionVectorsAdded\":\"%lld\",\"numDeletionVectorsRemoved\":\"%lld\","
               "\"numDeletionVectorsUpdated\":\"0\",\"scanTimeMs\":\"%lld\",\"rewriteTimeMs\":\"%lld\","
               "\"executionTimeMs\":\"%lld\"",
               (long long)d->files_removed, (long long)d->bytes_removed, files->list.n, (long long)files->bytes,
               (long long)d->copied_rows, (long long)d->change_files, (long long)d->vectors_added,
               (long long)d->vectors_removed, (long long)d->scan_ms, (long long)d->rewrite_ms,
               (long long)(now_ms - d->started_ms));
}

static void add_delete_metrics(const struct dml *d, const struct lake_new_files *files, struct buf *out)
{
    buf_putc(out, '{');
    if (d->deleted_rows >= 0)
        buf_printf(out, "\"numDeletedRows\":\"%lld\",", (long long)d->deleted_rows);
    add_file_metrics(d, files, out);
    buf_putc(out, '}');
}

static void add_update_metrics(const struct dml *d, const struct lake_new_files *files, struct buf *out)
{
    buf_printf(out, "{\"numUpdatedRows\":\"%lld\",", (long long)d->updated_rows);
    add_file_metrics(d, files, out);
    buf_putc(out, '}');
}

/* All that is left of d->files goes, unread. */
static void take_whole_files(struct dml *d)
{
    d->whole_files = true;
    for (size_t i = 0; i < d->files.n; i++) {
        const struct lake_entry *e = d->files.p[i];
        const int64_t rows = lake_entry_rows(e) < 0 ? -1 : lake_entry_rows(e) - lake_entry_deleted_rows(e);

        vec_push(&d->touched, ((struct dml_touched){.entry = e, .affected = rows}));
        d->deleted_rows = rows < 0 || d->deleted_rows < 0 ? -1 : d->deleted_rows + rows;
        d->vectors_removed += lake_entry_dv(e).n > 0;
    }
}

static enum ig_code find(struct dml *d, const char *where, struct error *err)
{
    bool partitions_only = false;

    dml_all_files(d);
    if (where)
        IG_TRY(dml_check_where(d, where, &partitions_only, err));
    if (partitions_only && d->where)
        IG_TRY(dml_prune_by_partitions(d, d->where, err));
    if (d->clauses[0].action == LAKE_DELETE && (!where || (partitions_only && d->where))) {
        take_whole_files(d);
        return IG_OK;
    }
    IG_TRY(dml_find_rows(d, where, err));
    return dml_count_changes(d, err);
}

static enum ig_code change(struct dml *d, const char *alias, const struct lake_merge_clause *clause, const char *where,
                           struct lake_result *out, struct error *err)
{
    const bool is_delete = clause->action == LAKE_DELETE;
    struct dml_clause *plan = ARENA_NEW(&d->arena, struct dml_clause);
    struct dml_texts texts = {
        .operation = is_delete ? "DELETE" : "UPDATE",
        .add_metrics = is_delete ? add_delete_metrics : add_update_metrics,
    };
    struct buf parameters;
    enum ig_code rc;

    if (alias)
        d->target = alias;
    IG_TRY(lake_check_writable(d->s, true, err)); /* whether a row is affected or not */
    IG_TRY(dml_plan_clause(d, clause, false, plan, err));
    d->clauses = plan;
    d->n_clauses = 1;
    IG_TRY(find(d, where, err));
    buf_init(&parameters, 0);
    buf_puts(&parameters, "{\"predicate\":");
    add_predicate_list(where, &parameters);
    buf_putc(&parameters, '}');
    texts.parameters = buf_cstr(&parameters);
    rc = dml_apply(d, &texts, out, err);
    buf_release(&parameters);
    return rc;
}

static enum ig_code run(struct lake_table *t, const char *alias, const struct lake_merge_clause *clause,
                        const char *where, const struct lake_commit_options *o, struct lake_result *out,
                        struct error *err)
{
    struct dml d;
    enum ig_code rc = dml_open(&d, t, o, err);

    if (!rc)
        rc = change(&d, alias, clause, where, out, err);
    if (rc)
        error_context(err, rc, "%s %s", clause->action == LAKE_DELETE ? "delete from" : "update",
                      *t->path ? t->path : t->store->url);
    dml_close(&d);
    return rc;
}

enum ig_code lake_delete(struct lake_table *t, const char *alias, const char *where,
                         const struct lake_commit_options *o, struct lake_result *out, struct error *err)
{
    const struct lake_merge_clause clause = {.when = LAKE_NOT_MATCHED_BY_SOURCE, .action = LAKE_DELETE};

    return run(t, alias, &clause, where, o, out, err);
}

enum ig_code lake_update(struct lake_table *t, const char *alias, const struct lake_set *sets, size_t n_sets,
                         const char *where, const struct lake_commit_options *o, struct lake_result *out,
                         struct error *err)
{
    const struct lake_merge_clause clause = {
        .when = LAKE_NOT_MATCHED_BY_SOURCE, .action = LAKE_UPDATE, .sets = sets, .n_sets = n_sets};

    if (n_sets == 0)
        return error_set(err, IG_INVALID, "update %s: nothing is assigned", *t->path ? t->path : t->store->url);
    return run(t, alias, &clause, where, o, out, err);
}
