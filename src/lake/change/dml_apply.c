/*
 * From the table of changes to a commit.
 *
 * Copy on write: each touched file is written anew without its affected rows, with its updated rows as they are then,
 * so that a table that is ordered stays so; small files of one partition are put together. With deletion vectors the
 * files stay. What is inserted, and what moves to another partition, goes to files of its own.
 */
#include "lake/change/dml.h"

#include <stdlib.h>
#include <string.h>

/* Touched files of one partition share a new file until they are as large, and until no thread is left without a file
 * of its own to read, unless that makes too large a one. */
#define BIN_BYTES (INT64_C(64) << 20)
#define BIN_MAX_BYTES (INT64_C(128) << 20)

struct apply {
    struct dml *d;
    const struct dml_texts *texts;
    bool vectors;          /* write deletion vectors */
    bool change_data;      /* write change data */
    bool stay;             /* updated rows are written with the rest of their file */
    struct lake_dv **gone; /* of the touched files: rows that are deleted already, or that change */
    struct lake_new_files files, changes;
    size_t updated_from, inserted_from; /* where in `files` those begin, if they are by themselves */
    VEC(const struct lake_entry *) removed;
    VEC(struct lake_readd) readds;
    const char *vector_file;
};

static bool rows_may_move(const struct dml *d)
{
    for (size_t i = 0; i < d->n_clauses; i++)
        if (d->clauses[i].action == LAKE_UPDATE && d->clauses[i].rows > 0 && d->clauses[i].may_move)
            return true;
    return false;
}

/* --- data files -------------------------------------------------------- */

static enum ig_code all_entries(struct dml *d, const struct lake_entry ***out)
{

    *out = ARENA_ARRAY(&d->arena, const struct lake_entry *, d->touched.n + 1);
    for (size_t i = 0; i < d->touched.n; i++)
        (*out)[i] = d->touched.p[i].entry;
    return IG_OK;
}

/* Which rows of the touched files are no more, or will be otherwise: one vector a file. */
static enum ig_code read_gone(struct apply *a, struct error *err)
{
    struct dml *d = a->d;
    struct engine_rows rows;
    size_t *at = check_calloc(d->s->entries.n + 1, sizeof(*at));
    struct buf sql;
    enum ig_code rc = IG_OK;

    a->gone = check_calloc(d->touched.n + 1, sizeof(struct lake_dv *));
    for (size_t i = 0; i < d->touched.n && !rc; i++) {
        const struct lake_entry *e = d->touched.p[i].entry;

        at[e - d->s->entries.p] = i;
        if (lake_entry_dv(e).n)
            rc = lake_dv_read(d->t->store, d->s->table_path, lake_entry_dv(e), &a->gone[i], err);
        else
            a->gone[i] = lake_dv_new();
    }
    buf_init(&sql, 0);
    buf_printf(&sql, "SELECT " DML_FILE ", " DML_ROW " FROM temp.%s WHERE " DML_CLAUSE " IS NOT NULL", d->changes);
    if (!rc) {
        rc = engine_query_streaming(d->t->conn, buf_cstr(&sql), &rows, err);
        while (!rc && engine_next(&rows))
            lake_dv_add(a->gone[at[engine_int64(&rows, 0)]], (uint64_t)engine_int64(&rows, 1));
        if (!rc)
            rc = engine_rows_check(&rows, err);
        engine_rows_free(&rows);
    }
    buf_release(&sql);
    free(at);
    return rc;
}

/* The rows of these files that stay as they are: a scan of the files as if `gone` was their deletion vectors. */
static enum ig_code add_unchanged(struct apply *a, size_t from, size_t to, struct buf *sql, struct error *err)
{
    struct dml *d = a->d;
    struct lake_entry *list = ARENA_ARRAY(&d->arena, struct lake_entry, to - from);
    struct lake_entry_more *more = ARENA_ARRAY(&d->arena, struct lake_entry_more, to - from);
    const struct lake_entry **entries = ARENA_ARRAY(&d->arena, const struct lake_entry *, to - from);
    struct buf descriptor;

    buf_init(&descriptor, 0);
    for (size_t i = from; i < to; i++) {
        const struct lake_entry *e = d->touched.p[i].entry;

        list[i - from] = *e;
        if (e->more)
            more[i - from] = *e->more;
        buf_clear(&descriptor);
        lake_dv_add_inline(a->gone[i], &descriptor);
        more[i - from].raw_dv = arena_str(&d->arena, buf_str(&descriptor));
        list[i - from].more = &more[i - from];
        entries[i - from] = &list[i - from];
    }
    buf_release(&descriptor);
    return dml_add_unchanged(d, entries, to - from, sql, err);
}

/* `kept`: rows that were in the table before, or were made of such. */
static enum ig_code write_rows(struct apply *a, const struct buf *sql, bool kept, const char *const *single,
                               struct error *err)
{
    IG_TRY(buf_check(sql, err, "the query of a change"));
    if (kept)
        IG_TRY(lake_rewrite_files(a->d->t, a->d->to, buf_cstr(sql), single, &a->files, err));
    else
        IG_TRY(lake_write_files(a->d->t, a->d->to, buf_cstr(sql), single, &a->files, err));
    /* While the next file is computed, the disk writes the last one. */
    return lake_new_files_put(a->d->t, &a->files, 1, err);
}

/* The partition that the rows of a file are in, where the writer can check it by its own statistics; else NULL, and it
 * looks at each row. */
static const char *const *partition_of(const struct dml *d, const struct lake_entry *e)
{
    const struct lake_metadata *m = &d->to->metadata;

    for (size_t k = 0; k < m->n_partition_columns; k++) {
        const enum schema_kind kind = m->partition_fields[k]->type->kind;
        const char *value = lake_entry_values(e)[k];

        if (kind == SCHEMA_FLOAT || kind == SCHEMA_DOUBLE || kind == SCHEMA_BINARY || (value && strlen(value) > 64))
            return NULL;
    }
    return m->n_partition_columns ? lake_entry_values(e) : NULL;
}

/* A file that its updated rows make a little larger than the table wants them is still one, not one and a crumb. */
static enum ig_code write_one_file(struct apply *a, const struct buf *sql, int64_t bytes, const char *const *single,
                                   struct error *err)
{
    int64_t target = 0;
    enum ig_code rc;

    if (lake_parse_size(lake_property(a->d->to, "delta.targetFileSize", "0"), &target) && bytes <= target + target / 2)
        a->files.target_bytes = -1;
    rc = write_rows(a, sql, true, single, err);
    a->files.target_bytes = 0;
    return rc;
}

/* Touched files that become one. */
static enum ig_code rewrite(struct apply *a, size_t from, size_t to, struct error *err)
{
    struct dml *d = a->d;
    VEC(const struct lake_entry *) entries = {0};
    int64_t live = 0, affected = 0, updated = 0, bytes = 0, before = a->files.rows;
    struct buf sql;
    enum ig_code rc = IG_OK;

    buf_init(&sql, 0);
    for (size_t i = from; i < to; i++) {
        const struct lake_entry *e = d->touched.p[i].entry;
        const int64_t rows = lake_entry_rows(e);

        vec_push(&entries, e);
        live = rows < 0 || live < 0 ? -1 : live + rows - lake_entry_deleted_rows(e);
        affected += d->touched.p[i].affected;
        updated += d->touched.p[i].updated;
        bytes += lake_entry_size(e);
    }
    if (live != affected)
        rc = add_unchanged(a, from, to, &sql, err);
    if (!rc && a->stay && updated) {
        buf_puts(&sql, sql.n ? " UNION ALL " : "");
        rc = dml_add_updated(d, entries.p, entries.n, &sql, err);
    }
    if (!rc && sql.n)
        rc = write_one_file(a, &sql, bytes, partition_of(d, entries.p[0]), err);
    if (!rc)
        d->copied_rows += a->files.rows - before - (a->stay ? updated : 0);
    buf_release(&sql);
    vec_free(&entries);
    return rc;
}

static bool same_partition(const struct dml *d, const struct lake_entry *a, const struct lake_entry *b)
{
    for (size_t k = 0; k < d->s->metadata.n_partition_columns; k++) {
        const char *x = lake_entry_values(a)[k], *y = lake_entry_values(b)[k];

        if ((!x || !y) ? x != y : strcmp(x, y) != 0)
            return false;
    }
    return true;
}

/* Behind the last of the touched files that become one with the one at `from`. */
static size_t end_of_bin(const struct dml *d, size_t from, size_t threads)
{
    int64_t bytes = lake_entry_size(d->touched.p[from].entry);
    size_t to = from + 1;

    for (; to < d->touched.n; to++) {
        const struct lake_entry *e = d->touched.p[to].entry;
        const int64_t with = bytes + lake_entry_size(e);

        if (!same_partition(d, d->touched.p[from].entry, e) || with > BIN_MAX_BYTES ||
            (with > BIN_BYTES && (to - from) % threads == 0))
            break;
        bytes = with;
    }
    return to;
}

static enum ig_code rewrite_all(struct apply *a, struct error *err)
{
    struct dml *d = a->d;
    int64_t threads = 1;

    IG_TRY(engine_query_int64(d->t->conn, "SELECT current_setting('threads')::BIGINT", &threads, err));
    for (size_t from = 0; from < d->touched.n;) {
        const size_t to = end_of_bin(d, from, threads > 1 ? (size_t)threads : 1);

        IG_TRY(rewrite(a, from, to, err));
        from = to;
    }
    for (size_t i = 0; i < d->touched.n; i++)
        vec_push(&a->removed, d->touched.p[i].entry);
    return IG_OK;
}

static enum ig_code write_updated(struct apply *a, struct error *err)
{
    const struct lake_entry **entries;
    struct buf sql;
    enum ig_code rc;

    a->updated_from = a->files.list.n;
    if (a->stay || a->d->updated_rows == 0)
        return IG_OK;
    IG_TRY(all_entries(a->d, &entries));
    buf_init(&sql, 0);
    rc = dml_add_updated(a->d, entries, a->d->touched.n, &sql, err);
    if (!rc)
        rc = write_rows(a, &sql, true, a->d->single, err);
    buf_release(&sql);
    return rc;
}

static enum ig_code write_inserted(struct apply *a, struct error *err)
{
    struct dml *d = a->d;
    enum ig_code rc = IG_OK;
    struct buf sql;
    size_t n = 0;

    a->inserted_from = a->files.list.n;
    buf_init(&sql, 0);
    for (size_t i = 0; i < d->n_clauses && !rc; i++) {
        if (d->clauses[i].action != LAKE_INSERT || d->clauses[i].rows == 0)
            continue;
        /* Each would begin with the same number. */
        if (n++ > 0 && lake_uses(d->s, "identityColumns"))
            rc = error_set(err, IG_UNSUPPORTED,
                           "the feature identityColumns: only one clause of a merge can insert rows");
        buf_clear(&sql);
        if (!rc)
            rc = dml_add_inserted(d, i, &sql, err);
        if (!rc)
            rc = write_rows(a, &sql, false, d->single, err);
    }
    buf_release(&sql);
    return rc;
}

/* --- deletion vectors -------------------------------------------------------------------------------------- */

static enum ig_code count_rows_of(struct dml *d, const struct lake_entry *e, int64_t *rows, struct error *err)
{
    struct buf sql, path;
    enum ig_code rc;

    *rows = lake_entry_rows(e);
    if (*rows >= 0)
        return IG_OK;
    buf_init(&sql, 0);
    buf_init(&path, 0);
    rc = lake_entry_path(d->s, e, &path, err);
    buf_puts(&sql, "SELECT count(*) FROM read_parquet(");
    lake_add_path_literal(&sql, buf_str(&path));
    buf_puts(&sql, ", hive_partitioning = false)");
    if (!rc)
        rc = engine_query_int64(d->t->conn, buf_cstr(&sql), rows, err);
    buf_release(&path);
    buf_release(&sql);
    return rc;
}

/* A file without a live row goes; the others are added again. */
static enum ig_code write_vectors(struct apply *a, struct error *err)
{
    struct dml *d = a->d;
    const struct lake_dv **dvs = ARENA_ARRAY(&d->arena, const struct lake_dv *, d->touched.n + 1);
    const char **descriptors = ARENA_ARRAY(&d->arena, const char *, d->touched.n + 1);
    size_t n = 0;

    for (size_t i = 0; i < d->touched.n; i++) {
        const struct lake_entry *e = d->touched.p[i].entry;
        int64_t rows;

        IG_TRY(count_rows_of(d, e, &rows, err));
        d->vectors_removed += lake_entry_dv(e).n > 0;
        if (lake_dv_count(a->gone[i]) >= (uint64_t)rows) {
            vec_push(&a->removed, e);
            continue;
        }
        vec_push(&a->readds, ((struct lake_readd){.entry = e, .rows = rows, .tight = false}));
        dvs[n++] = a->gone[i];
    }
    if (n == 0)
        return IG_OK;
    d->vectors_added = (int64_t)n;
    IG_TRY(lake_dv_write(d->t, dvs, n, &d->arena, descriptors, &a->vector_file, err));
    for (size_t i = 0; i < n; i++)
        a->readds.p[i].dv = descriptors[i];
    return IG_OK;
}

/* --- change data ------------------------------------------------------------------------------------------- */

/* The rows of new files as they are stored: what was generated is in them. */
static enum ig_code add_stored(struct apply *a, size_t from, size_t to, const char *type, struct buf *sql,
                               struct error *err)
{
    struct lake_entry *list = ARENA_ARRAY(&a->d->arena, struct lake_entry, to - from + 1);
    const struct lake_entry **entries = ARENA_ARRAY(&a->d->arena, const struct lake_entry *, to - from + 1);
    enum ig_code rc;

    if (from == to)
        return IG_OK;
    for (size_t i = from; i < to; i++) {
        const struct lake_new_file *f = &a->files.list.p[i];

        struct lake_values *values = ARENA_NEW(&a->d->arena, struct lake_values);

        values->list = (const char *const *)f->values;
        list[i - from] = (struct lake_entry){
            .path = f->name,
            .path_n = (uint32_t)strlen(f->name),
            .values = values,
            .size_bytes = f->size_bytes,
            .rows = f->rows,
            .live = true,
        };
        entries[i - from] = &list[i - from];
    }
    buf_printf(sql, " UNION ALL BY NAME (SELECT *, '%s' AS _change_type FROM ", type);
    rc = lake_add_scan_of(a->d->to, entries, to - from, NULL, sql, err);
    buf_putc(sql, ')');
    return rc;
}

static enum ig_code write_changes(struct apply *a, struct error *err)
{
    struct dml *d = a->d;
    struct buf sql;
    enum ig_code rc;

    if (!a->change_data)
        return IG_OK;
    buf_init(&sql, 0);
    buf_puts(&sql, "(");
    rc = dml_add_before(d, &sql, err);
    buf_puts(&sql, ")");
    if (!rc)
        rc = add_stored(a, a->updated_from, a->inserted_from, "update_postimage", &sql, err);
    if (!rc)
        rc = add_stored(a, a->inserted_from, a->files.list.n, "insert", &sql, err);
    if (!rc)
        rc = buf_check(&sql, err, "the query of change data");
    if (!rc)
        rc = lake_write_change_data(d->t, d->to, buf_cstr(&sql), &a->changes, err);
    d->change_files = (int64_t)a->changes.list.n;
    buf_release(&sql);
    return rc;
}

/* Rows that are only added, or files that only go, speak for themselves. */
static bool needs_change_data(const struct apply *a)
{
    const struct dml *d = a->d;
    bool whole = true;

    if (!lake_is_on(d->s, "delta.enableChangeDataFeed") || d->touched.n == 0 || d->whole_files)
        return false;
    for (size_t i = 0; i < d->touched.n; i++) {
        const struct lake_entry *e = d->touched.p[i].entry;

        whole = whole && lake_entry_rows(e) >= 0 &&
                lake_entry_rows(e) - lake_entry_deleted_rows(e) == d->touched.p[i].affected;
    }
    return !whole || d->updated_rows > 0;
}

/* --- the commit -------------------------------------------------------------------------------------------- */

static void discard(struct apply *a)
{
    struct dml *d = a->d;
    struct buf name;

    lake_new_files_discard(d->t, &a->files);
    lake_new_files_discard(d->t, &a->changes);
    if (!a->vector_file)
        return;
    buf_init(&name, 0);
    lake_add_object_name(&name, d->t->path, str_of(a->vector_file));
    (void)!store_remove(d->t->store, buf_cstr(&name), NULL);
    buf_release(&name);
}

static enum ig_code commit(struct apply *a, int64_t *version, struct error *err)
{
    struct dml *d = a->d;
    const bool has_app = d->options && d->options->app_id;
    struct lake_change change = {
        .base = d->s,
        .shape = d->to,
        .added = &a->files,
        .removed = a->removed.p,
        .n_removed = a->removed.n,
        .readds = a->readds.p,
        .n_readds = a->readds.n,
        .change_data = a->changes.list.n ? &a->changes : NULL,
        .metadata = a->files.metadata ? a->files.metadata : d->metadata,
        .protocol = d->protocol,
        .domains = d->domains,
        .n_domains = d->n_domains,
        .scope = d->n_partitions             ? LAKE_READ_PARTITIONS
                 : d->where && !d->reads_all ? LAKE_READ_WHERE
                                             : LAKE_READ_ALL,
        .partitions = d->within,
        .n_partitions = d->n_partitions,
        .n_columns = d->n_columns,
        .read_where = d->where,
        .read = d->files.p,
        .n_read = d->files.n,
        .operation = a->texts->operation,
        .parameters = a->texts->parameters,
        .options = d->options,
    };
    struct buf metrics;
    enum ig_code rc = IG_OK;

    *version = d->s->version;
    if (a->files.list.n == 0 && a->removed.n == 0 && a->readds.n == 0 && !d->metadata && !has_app)
        return IG_OK;
    buf_init(&metrics, 0);
    a->texts->add_metrics(d, &a->files, &metrics);
    change.metrics = buf_cstr(&metrics);
    rc = lake_commit(d->t, &change, version, err);
    buf_release(&metrics);
    return rc;
}

static enum ig_code write_all(struct apply *a, struct error *err)
{
    struct dml *d = a->d;

    if (d->whole_files) {
        for (size_t i = 0; i < d->touched.n; i++)
            vec_push(&a->removed, d->touched.p[i].entry);
        IG_TRY(write_inserted(a, err));
        return lake_new_files_put(d->t, &a->files, 0, err);
    }
    a->vectors = lake_is_on(d->s, "delta.enableDeletionVectors");
    a->change_data = needs_change_data(a);
    /* Change data name the updated rows one by one, so those are by themselves then. */
    a->stay = !a->vectors && !a->change_data && !rows_may_move(d);
    if (d->touched.n)
        IG_TRY(read_gone(a, err));
    if (a->vectors)
        IG_TRY(write_vectors(a, err));
    else
        IG_TRY(rewrite_all(a, err));
    IG_TRY(write_updated(a, err));
    IG_TRY(write_inserted(a, err));
    IG_TRY(lake_new_files_put(d->t, &a->files, 0, err));
    return write_changes(a, err);
}

enum ig_code dml_apply(struct dml *d, const struct dml_texts *texts, struct lake_result *out, struct error *err)
{
    struct apply a = {.d = d, .texts = texts, .files.later = true};
    const int64_t started_ms = env_monotonic_ms(d->t->store->env);
    int64_t version = d->s->version;
    enum ig_code rc = IG_OK;

    d->scan_ms = started_ms - d->started_ms;
    if (d->touched.n || d->inserted_rows || d->metadata) {
        rc = lake_check_writable(d->s, d->touched.n > 0, err);
        if (!rc)
            rc = write_all(&a, err);
    }
    d->rewrite_ms = env_monotonic_ms(d->t->store->env) - started_ms;
    d->files_removed = (int64_t)a.removed.n;
    for (size_t i = 0; i < a.removed.n; i++)
        d->bytes_removed += lake_entry_size(a.removed.p[i]);
    if (!rc)
        rc = commit(&a, &version, err);
    /* With an unknown outcome a commit may name the files. */
    if (rc && rc != IG_UNKNOWN_OUTCOME)
        discard(&a);
    if (out)
        *out = (struct lake_result){
            .version = version,
            .rows_written = a.files.rows,
            .rows_inserted = d->inserted_rows,
            .rows_updated = d->updated_rows,
            .rows_deleted = d->deleted_rows,
            .rows_copied = d->copied_rows,
            .files_added = (int64_t)(a.files.list.n + a.readds.n),
            .files_removed = (int64_t)(a.removed.n + a.readds.n),
            .bytes_added = a.files.bytes,
        };
    for (size_t i = 0; a.gone && i < d->touched.n; i++)
        lake_dv_free(a.gone[i]);
    free(a.gone);
    lake_new_files_free(&a.files);
    lake_new_files_free(&a.changes);
    vec_free(&a.removed);
    vec_free(&a.readds);
    return rc;
}
