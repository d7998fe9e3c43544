/*
 * Writing checkpoints: the state as one Parquet file, made by the engine from the actions' JSON, and a hint where it
 * is.
 */
#include "lake/lake_internal.h"

#include <stdlib.h>

/* The columns and types that other engines read. */
static const char columns[] =
    "{txn: 'STRUCT(\"appId\" VARCHAR, \"version\" BIGINT, \"lastUpdated\" BIGINT)', "
    "\"add\": 'STRUCT(\"path\" VARCHAR, \"partitionValues\" MAP(VARCHAR, VARCHAR), \"size\" BIGINT, "
    "\"modificationTime\" BIGINT, \"dataChange\" BOOLEAN, \"tags\" MAP(VARCHAR, VARCHAR), \"stats\" VARCHAR)', "
    "\"remove\": 'STRUCT(\"path\" VARCHAR, \"deletionTimestamp\" BIGINT, \"dataChange\" BOOLEAN, "
    "\"extendedFileMetadata\" BOOLEAN, \"partitionValues\" MAP(VARCHAR, VARCHAR), \"size\" BIGINT)', "
    "\"metaData\": 'STRUCT(\"id\" VARCHAR, \"name\" VARCHAR, \"description\" VARCHAR, \"format\" STRUCT(\"provider\" "
    "VARCHAR, \"options\" MAP(VARCHAR, VARCHAR)), \"schemaString\" VARCHAR, \"partitionColumns\" VARCHAR[], "
    "\"configuration\" MAP(VARCHAR, VARCHAR), \"createdTime\" BIGINT)', "
    "\"protocol\": 'STRUCT(\"minReaderVersion\" INTEGER, \"minWriterVersion\" INTEGER%s)', "
    "\"domainMetadata\": 'STRUCT(\"domain\" VARCHAR, \"configuration\" VARCHAR, \"removed\" BOOLEAN)'}";

struct counts {
    int64_t actions, adds;
    size_t longest; /* line */
};

static void end_line(struct buf *out, size_t from, struct counts *n)
{
    buf_puts(out, "}}\n");
    n->actions++;
    if (out->n - from > n->longest)
        n->longest = out->n - from;
}

static void add_file_action(struct buf *out, const struct lake_entry *e, struct counts *n)
{
    const size_t from = out->n;

    buf_printf(out, "{\"%s\":{\"path\":\"" STR_FMT "\",\"partitionValues\":" STR_FMT ",\"size\":%lld",
               e->live ? "add" : "remove", STR_ARG(e->raw_path), STR_ARG(e->raw_values.n ? e->raw_values : STR("{}")),
               (long long)e->size_bytes);
    buf_puts(out, ",\"dataChange\":false");
    if (e->live) {
        buf_printf(out, ",\"modificationTime\":%lld", (long long)e->modified_ms);
        if (e->raw_tags.n)
            buf_printf(out, ",\"tags\":" STR_FMT, STR_ARG(e->raw_tags));
        if (e->raw_stats.n)
            buf_printf(out, ",\"stats\":\"" STR_FMT "\"", STR_ARG(e->raw_stats));
        n->adds++;
    } else {
        buf_printf(out, ",\"extendedFileMetadata\":true,\"deletionTimestamp\":%lld", (long long)e->deleted_ms);
    }
    end_line(out, from, n);
}

static void add_object(struct buf *out, const char *name, struct str raw, struct counts *n)
{
    const size_t from = out->n;

    buf_printf(out, "{\"%s\":" STR_FMT "}\n", name, STR_ARG(raw));
    n->actions++;
    if (out->n - from > n->longest)
        n->longest = out->n - from;
}

static void add_txn(struct buf *out, const struct lake_txn *txn, struct counts *n)
{
    const size_t from = out->n;

    buf_puts(out, "{\"txn\":{\"appId\":");
    json_add_string(out, txn->app_id);
    buf_printf(out, ",\"version\":%lld", (long long)txn->version);
    if (txn->last_updated >= 0)
        buf_printf(out, ",\"lastUpdated\":%lld", (long long)txn->last_updated);
    end_line(out, from, n);
}

static void add_actions(const struct lake_snapshot *s, int64_t now_ms, struct buf *out, struct counts *n)
{
    const int64_t keep_after =
        now_ms - lake_interval_ms(s, "delta.deletedFileRetentionDuration", LAKE_TOMBSTONE_KEEP_MS);

    add_object(out, "protocol", s->protocol.raw, n);
    add_object(out, "metaData", s->metadata.raw, n);
    for (size_t i = 0; i < s->txns.n; i++)
        add_txn(out, &s->txns.p[i], n);
    for (size_t i = 0; i < s->domains.n; i++)
        if (!s->domains.p[i].removed)
            add_object(out, "domainMetadata", s->domains.p[i].raw, n);
    for (size_t i = 0; i < s->entries.n; i++)
        if (s->entries.p[i].live || s->entries.p[i].deleted_ms > keep_after)
            add_file_action(out, &s->entries.p[i], n);
}

static enum ig_code write_file(struct env *env, const char *path, struct str text, struct error *err)
{
    struct env_file *f = NULL;
    enum ig_code rc;

    IG_TRY(env_open(env, path, ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_EXCLUSIVE, &f, err));
    rc = env_write(env, f, 0, text.p, text.n, err);
    env_close(env, f);
    return rc;
}

/* The JSON lines at `from` as Parquet at `to`. */
static enum ig_code convert(struct lake_table *t, const struct lake_snapshot *s, const char *from, const char *to,
                            size_t longest, struct error *err)
{
    struct buf sql;
    enum ig_code rc;

    buf_init(&sql, 0);
    buf_puts(&sql, "COPY (SELECT * FROM read_json(");
    engine_add_literal(&sql, str_of(from));
    buf_puts(&sql, ", format = 'newline_delimited', compression = 'uncompressed', auto_detect = false, columns = ");
    buf_printf(&sql, columns,
               s->protocol.writer == 7 ? ", \"readerFeatures\" VARCHAR[], \"writerFeatures\" VARCHAR[]" : "");
    buf_printf(&sql, ", maximum_object_size = %zu)) TO ", longest < (1 << 24) ? (size_t)1 << 24 : longest * 2);
    engine_add_literal(&sql, str_of(to));
    buf_puts(&sql, " (FORMAT parquet, COMPRESSION snappy)");
    rc = engine_exec(t->conn, err, buf_cstr(&sql));
    buf_release(&sql);
    return rc;
}

static enum ig_code put_hint(struct lake_table *t, const struct lake_snapshot *s, const struct counts *n, int64_t size,
                             struct error *err)
{
    struct buf name, text;
    enum ig_code rc;

    buf_init(&name, 0);
    buf_init(&text, 0);
    lake_add_log_name(&name, t->path, -1, "_last_checkpoint");
    buf_printf(&text, "{\"version\":%lld,\"size\":%lld,\"sizeInBytes\":%lld,\"numOfAddFiles\":%lld}",
               (long long)s->version, (long long)n->actions, (long long)size, (long long)n->adds);
    rc = store_put(t->store, buf_cstr(&name), buf_str(&text), STORE_REPLACE, err);
    buf_release(&text);
    buf_release(&name);
    return rc;
}

static enum ig_code write_checkpoint(struct lake_table *t, const struct lake_snapshot *s, struct error *err)
{
    struct env *env = t->store->env;
    struct buf actions, json, parquet, name;
    struct env_stat written = {0};
    struct counts n = {0};
    enum ig_code rc;

    buf_init(&actions, LAKE_COMMIT_MAX_BYTES * 2);
    buf_init(&json, 0);
    buf_init(&parquet, 0);
    buf_init(&name, 0);
    add_actions(s, env_now_ms(env), &actions, &n);
    rc = buf_check(&actions, err, "a checkpoint");
    if (!rc)
        rc = store_scratch_path(t->store, ".json", &json, err);
    if (!rc)
        rc = store_scratch_path(t->store, ".parquet", &parquet, err);
    if (!rc)
        rc = write_file(env, buf_cstr(&json), buf_str(&actions), err);
    if (!rc)
        rc = convert(t, s, buf_cstr(&json), buf_cstr(&parquet), n.longest, err);
    if (!rc)
        rc = env_stat(env, buf_cstr(&parquet), &written, err);
    lake_add_log_name(&name, t->path, s->version, ".checkpoint.parquet");
    if (!rc) /* two writers may make the same one; either is right */
        rc = store_put_file(t->store, buf_cstr(&name), buf_cstr(&parquet), STORE_REPLACE, err);
    if (!rc)
        rc = put_hint(t, s, &n, written.size_bytes, err);
    (void)!env_unlink(env, buf_cstr(&json), NULL);
    (void)!env_unlink(env, buf_cstr(&parquet), NULL);
    buf_release(&name);
    buf_release(&parquet);
    buf_release(&json);
    buf_release(&actions);
    return rc;
}

enum ig_code lake_checkpoint(struct lake_table *t, int64_t version, struct error *err)
{
    struct lake_snapshot *s = NULL;
    enum ig_code rc = lake_snapshot_open(t, version, &s, err);

    if (!rc)
        rc = write_checkpoint(t, s, err);
    lake_snapshot_free(s);
    return rc;
}
