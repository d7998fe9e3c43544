/*
 * The Delta table metadata/partition_meta: rows out of it, and rows merged into it. Other programs may change it too
 * (the documents' backfill is an UPDATE of it), so nothing about its content is taken for granted.
 */
#include "lifecycle/lifecycle_internal.h"

/* Column, SQL type: the sixteen of the platform's specification, in its order. */
#define META_COLUMNS(X)          \
    X(domain, VARCHAR)           \
    X(partition_date, DATE)      \
    X(status, VARCHAR)           \
    X(run_id, VARCHAR)           \
    X(record_count, BIGINT)      \
    X(source_files, VARCHAR[])   \
    X(file_hash, VARCHAR)        \
    X(silver_records, BIGINT)    \
    X(gold_records, BIGINT)      \
    X(retry_count, INTEGER)      \
    X(error_message, VARCHAR)    \
    X(created_at, TIMESTAMPTZ)   \
    X(updated_at, TIMESTAMPTZ)   \
    X(processed_at, TIMESTAMPTZ) \
    X(silver_path, VARCHAR)      \
    X(gold_path, VARCHAR)

static const char *const meta_key[] = {"domain", "partition_date"};

enum ig_code meta_open(struct meta *m, const struct stage_context *x, struct error *err)
{
    *m = (struct meta){.store = x->store};
    enum ig_code rc = engine_connect(x->engine, &m->conn, err);
    if (rc == IG_OK)
        rc = lake_open(x->store, m->conn, LIFECYCLE_META_PATH, &m->table, err);
    if (rc != IG_OK)
        meta_close(m);
    return rc;
}

void meta_close(struct meta *m)
{
    lake_close(m->table);
    engine_disconnect(m->conn);
    *m = (struct meta){0};
}

/* --- reading ------------------------------------------------------------------------------------------- */

enum meta_column {
#define X(name, type) META_##name,
    META_COLUMNS(X)
#undef X
};

static const char *text_at(struct engine_rows *rows, struct arena *a, enum meta_column column)
{
    const struct str s = engine_str(rows, column);
    return s.p ? arena_strndup(a, s.p, s.n) : NULL;
}

/* Names joined by newlines, as the query gives them. */
static void split_files(struct arena *a, struct str joined, struct lifecycle_row *row)
{
    size_t n = joined.n > 0;
    for (size_t i = 0; i < joined.n; i++)
        n += joined.p[i] == '\n';
    const char **files = ARENA_ARRAY(a, const char *, n ? n : 1);
    size_t from = 0, k = 0;
    for (size_t i = 0; i <= joined.n && k < n; i++) {
        if (i == joined.n || joined.p[i] == '\n') {
            files[k++] = arena_strndup(a, joined.p + from, i - from);
            from = i + 1;
        }
    }
    row->source_files = files;
    row->n_source_files = k;
}

static struct lifecycle_row read_row(struct engine_rows *rows, struct arena *a)
{
    const struct str status = engine_str(rows, META_status);
    struct lifecycle_row r = {
        .domain = text_at(rows, a, META_domain),
        .date = (int32_t)engine_int64(rows, META_partition_date),
        .state = lifecycle_state_of(status),
        .run_id = text_at(rows, a, META_run_id),
        .record_count = engine_int64(rows, META_record_count),
        .silver_records = engine_int64(rows, META_silver_records),
        .gold_records = engine_int64(rows, META_gold_records),
        .file_hash = text_at(rows, a, META_file_hash),
        .retry_count = (int32_t)engine_int64(rows, META_retry_count),
        .error_message = text_at(rows, a, META_error_message),
        .created_us = engine_int64(rows, META_created_at),
        .updated_us = engine_int64(rows, META_updated_at),
        .processed_us = engine_int64(rows, META_processed_at),
        .silver_path = text_at(rows, a, META_silver_path),
        .gold_path = text_at(rows, a, META_gold_path),
    };
    split_files(a, engine_str(rows, META_source_files), &r);
    return r;
}

static enum ig_code read_rows(struct meta *m, const char *sql, struct lifecycle_rows *out, struct error *err)
{
    VEC(struct lifecycle_row) list = {0};
    struct engine_rows rows = {0};
    enum ig_code rc = engine_query(m->conn, sql, &rows, err);
    while (rc == IG_OK && engine_next(&rows)) {
        struct lifecycle_row r = read_row(&rows, &out->arena);
        char date[16];
        if (r.state == LIFECYCLE_NONE)
            rc = error_set(err, IG_CORRUPT, "%s: the partition %s %s has a status that is none of the nine states",
                           LIFECYCLE_META_PATH, r.domain, date_format(r.date, date));
        else
            vec_push(&list, r);
    }
    engine_rows_free(&rows);
    if (rc == IG_OK && list.n > 0) {
        out->p = ARENA_ARRAY(&out->arena, struct lifecycle_row, list.n);
        memcpy(out->p, list.p, list.n * sizeof(*list.p));
        out->n = list.n;
    }
    vec_free(&list);
    return rc;
}

enum ig_code meta_read(struct meta *m, struct lifecycle_rows *out, struct error *err)
{
    const uint64_t hold = store_hold_begin(m->store);
    struct lake_snapshot *snapshot = NULL;
    struct buf sql;
    buf_init(&sql, 0);
    enum ig_code rc = lake_snapshot_open(m->table, LAKE_LATEST, &snapshot, err);
    if (rc == IG_NOT_FOUND) {
        rc = IG_OK;
        goto out;
    }
    if (rc != IG_OK)
        goto out;
    buf_puts(&sql, "SELECT domain, partition_date, status, run_id, record_count, "
                   "array_to_string(source_files, chr(10)) AS source_files, file_hash, silver_records, gold_records, "
                   "retry_count, error_message, created_at, updated_at, processed_at, silver_path, gold_path FROM ");
    rc = lake_add_scan(snapshot, NULL, &sql, err);
    if (rc != IG_OK)
        goto out;
    buf_puts(&sql, " WHERE domain IS NOT NULL AND partition_date IS NOT NULL ORDER BY domain, partition_date");
    rc = buf_check(&sql, err, "the query over partition_meta");
    if (rc == IG_OK)
        rc = read_rows(m, buf_cstr(&sql), out, err);
out:
    lake_snapshot_free(snapshot);
    store_hold_end(m->store, hold);
    buf_release(&sql);
    return rc == IG_OK ? IG_OK : error_context(err, rc, "read %s", LIFECYCLE_META_PATH);
}

enum ig_code lifecycle_read(const struct stage_context *x, struct lifecycle_rows *out, struct error *err)
{
    struct meta m;
    *out = (struct lifecycle_rows){0};
    arena_init(&out->arena);
    IG_TRY(meta_open(&m, x, err));
    enum ig_code rc = meta_read(&m, out, err);
    meta_close(&m);
    if (rc != IG_OK)
        lifecycle_rows_free(out);
    return rc;
}

void lifecycle_rows_free(struct lifecycle_rows *rows)
{
    arena_release(&rows->arena);
    rows->p = NULL;
    rows->n = 0;
}

/* --- writing ------------------------------------------------------------------------------------------- */

static void add_text(struct buf *sql, const char *s)
{
    if (s)
        engine_add_literal(sql, str_of(s));
    else
        buf_puts(sql, "NULL");
}

static void add_time(struct buf *sql, int64_t us)
{
    if (us)
        buf_printf(sql, "make_timestamptz(%lld)", (long long)us);
    else
        buf_puts(sql, "NULL");
}

static void add_row(struct buf *sql, const struct lifecycle_row *r)
{
    buf_putc(sql, '(');
    add_text(sql, r->domain);
    buf_printf(sql, ", DATE '1970-01-01' + %d, ", r->date);
    add_text(sql, lifecycle_state_name(r->state));
    buf_puts(sql, ", ");
    add_text(sql, r->run_id);
    buf_printf(sql, ", %lld, [", (long long)r->record_count);
    for (size_t i = 0; i < r->n_source_files; i++) {
        buf_puts(sql, i ? ", " : "");
        add_text(sql, r->source_files[i]);
    }
    buf_puts(sql, "], ");
    add_text(sql, r->file_hash);
    buf_printf(sql, ", %lld, %lld, %d, ", (long long)r->silver_records, (long long)r->gold_records, r->retry_count);
    add_text(sql, r->error_message);
    buf_puts(sql, ", ");
    add_time(sql, r->created_us);
    buf_puts(sql, ", ");
    add_time(sql, r->updated_us);
    buf_puts(sql, ", ");
    add_time(sql, r->processed_us);
    buf_puts(sql, ", ");
    add_text(sql, r->silver_path);
    buf_puts(sql, ", ");
    add_text(sql, r->gold_path);
    buf_putc(sql, ')');
}

enum ig_code meta_write(struct meta *m, struct lifecycle_row *const *rows, size_t n, struct error *err)
{
    static const struct lake_commit_options anywhere = {.only_on_version = LAKE_LATEST};
    struct lake_result done;
    struct buf sql;
    if (n == 0)
        return IG_OK;
    buf_init(&sql, 0);
    buf_puts(&sql, "SELECT ");
#define X(name, type) buf_puts(&sql, META_##name ? ", " : ""), buf_puts(&sql, "CAST(" #name " AS " #type ") AS " #name);
    META_COLUMNS(X)
#undef X
    buf_puts(&sql, " FROM (VALUES ");
    for (size_t i = 0; i < n; i++) {
        buf_puts(&sql, i ? ", " : "");
        add_row(&sql, rows[i]);
    }
    buf_puts(&sql, ") AS v(");
#define X(name, type) buf_puts(&sql, META_##name ? ", " #name : #name);
    META_COLUMNS(X)
#undef X
    buf_puts(&sql, ")");
    const uint64_t hold = store_hold_begin(m->store);
    const struct lake_merge merge = {.select = buf_cstr(&sql), .key = meta_key, .n_key = IG_COUNT(meta_key)};
    enum ig_code rc = buf_check(&sql, err, "the rows of partition_meta");
    if (rc == IG_OK && !m->exists)
        rc = lake_create(m->table, merge.select, NULL, 0, err);
    m->exists = rc == IG_OK;
    if (rc == IG_OK)
        rc = lake_merge(m->table, &merge, &anywhere, &done, err);
    store_hold_end(m->store, hold);
    buf_release(&sql);
    return rc == IG_OK ? IG_OK : error_context(err, rc, "write %s", LIFECYCLE_META_PATH);
}
