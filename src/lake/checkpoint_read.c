/*
 * Checkpoints: the engine reads the Parquet file. Files come as columns, since there may be very many of them; the
 * few other actions as the JSON that commits are made of. V2 checkpoints name sidecars, which hold the files.
 */
#include "lake/lake_internal.h"

#include <stdlib.h>

#define SIDECARS_MAX 100000

/* The members that we read of each action; the first one is there in every row that holds the action. */
static const struct {
    const char *name;
    const char *members[9];
} actions[] = {
    {"protocol", {"minReaderVersion", "minWriterVersion", "readerFeatures", "writerFeatures"}},
    {"metaData",
     {"id", "name", "description", "format", "schemaString", "partitionColumns", "configuration", "createdTime"}},
    {"txn", {"appId", "version", "lastUpdated"}},
    {"domainMetadata", {"domain", "configuration", "removed"}},
    {"sidecar", {"path", "sizeInBytes"}},
};

/* Of a file, in the order of struct lake_file_row's use below. */
enum file_member {
    FILE_PATH,
    FILE_VALUES,
    FILE_SIZE,
    FILE_TIME,
    FILE_STATS,
    FILE_TAGS,
    FILE_DV,
    FILE_ROW_ID,
    FILE_ROW_VERSION,
    FILE_CLUSTERING,
    FILE_MEMBERS
};

static const struct {
    const char *name, *time;
} file_actions[] = {{"add", "modificationTime"}, {"remove", "deletionTimestamp"}};

struct reader {
    struct lake_snapshot *s;
    struct engine_conn *c;
    struct lake_chunk *chunk;
    VEC(const char *) sidecars; /* their paths */
};

static bool has_child(duckdb_logical_type type, const char *name)
{
    bool found = false;

    if (duckdb_get_type_id(type) != DUCKDB_TYPE_STRUCT)
        return false;
    for (idx_t i = 0; i < duckdb_struct_type_child_count(type) && !found; i++) {
        char *child = duckdb_struct_type_child_name(type, i);

        found = strcmp(child, name) == 0;
        duckdb_free(child);
    }
    return found;
}

/* A file that has its statistics only as columns: we need the number of rows. */
static bool has_parsed_rows(duckdb_logical_type add)
{
    bool found = false;

    for (idx_t i = 0; i < duckdb_struct_type_child_count(add) && !found; i++) {
        char *name = duckdb_struct_type_child_name(add, i);
        duckdb_logical_type child = duckdb_struct_type_child_type(add, i);

        found = strcmp(name, "stats_parsed") == 0 && has_child(child, "numRecords");
        duckdb_destroy_logical_type(&child);
        duckdb_free(name);
    }
    return found;
}

/* SELECT to_json of one kind of action, from the rows that hold one. */
static void add_select(struct buf *sql, size_t action, duckdb_logical_type type, const char *files)
{
    bool first = true;

    if (!has_child(type, actions[action].members[0]))
        return;
    if (sql->n)
        buf_puts(sql, " UNION ALL ");
    buf_printf(sql, "SELECT to_json(struct_pack(\"%s\" := struct_pack(", actions[action].name);
    for (size_t i = 0; i < IG_COUNT(actions[0].members) && actions[action].members[i]; i++) {
        const char *member = actions[action].members[i];

        if (!has_child(type, member))
            continue;
        buf_printf(sql, "%s\"%s\" := \"%s\".\"%s\"", first ? "" : ", ", member, actions[action].name, member);
        first = false;
    }
    buf_printf(sql, ")))::VARCHAR AS action FROM read_parquet(%s) WHERE \"%s\".\"%s\" IS NOT NULL", files,
               actions[action].name, actions[action].members[0]);
}

static void add_column(struct buf *sql, const char *action, const char *member, duckdb_logical_type type,
                       const char *otherwise, const char *cast)
{
    const bool json = strcmp(cast, "JSON") == 0;

    buf_puts(sql, ", ");
    if (!has_child(type, member))
        buf_puts(sql, otherwise);
    else if (json)
        buf_printf(sql, "to_json(\"%s\".\"%s\")::VARCHAR", action, member);
    else
        buf_printf(sql, "\"%s\".\"%s\"::%s", action, member, cast);
}

/* SELECT the columns of struct lake_file_row. */
static void add_file_select(struct buf *sql, size_t kind, duckdb_logical_type type, const char *files)
{
    const char *action = file_actions[kind].name;
    const char *rows = "NULL::VARCHAR";

    if (!has_child(type, "path"))
        return;
    if (kind == 0 && has_parsed_rows(type))
        rows = "'{\"numRecords\":' || \"add\".stats_parsed.\"numRecords\" || '}'";
    buf_printf(sql, "SELECT \"%s\".\"path\"::VARCHAR", action);
    add_column(sql, action, "partitionValues", type, "NULL::VARCHAR", "JSON");
    add_column(sql, action, "size", type, "0::BIGINT", "BIGINT");
    add_column(sql, action, file_actions[kind].time, type, "0::BIGINT", "BIGINT");
    if (kind == 0 && has_child(type, "stats"))
        buf_printf(sql, ", coalesce(\"add\".\"stats\"::VARCHAR, %s)", rows);
    else
        buf_printf(sql, ", %s", rows);
    add_column(sql, action, "tags", type, "NULL::VARCHAR", "JSON");
    add_column(sql, action, "deletionVector", type, "NULL::VARCHAR", "JSON");
    add_column(sql, action, "baseRowId", type, "NULL::BIGINT", "BIGINT");
    add_column(sql, action, "defaultRowCommitVersion", type, "NULL::BIGINT", "BIGINT");
    add_column(sql, action, "clusteringProvider", type, "NULL::VARCHAR", "VARCHAR");
    buf_printf(sql, " FROM read_parquet(%s) WHERE \"%s\".\"path\" IS NOT NULL", files, action);
}

/* One query for each kind of file, one for all other actions; empty where the checkpoint has no such columns. */
struct queries {
    struct buf others, files[IG_COUNT(file_actions)];
};

static void queries_init(struct queries *q)
{
    buf_init(&q->others, 0);
    for (size_t i = 0; i < IG_COUNT(q->files); i++)
        buf_init(&q->files[i], 0);
}

static void queries_release(struct queries *q)
{
    buf_release(&q->others);
    for (size_t i = 0; i < IG_COUNT(q->files); i++)
        buf_release(&q->files[i]);
}

static enum ig_code build_queries(struct reader *r, const char *files, struct queries *q, struct error *err)
{
    struct engine_shape shape;
    struct buf text;
    enum ig_code rc;

    buf_init(&text, 0);
    buf_printf(&text, "SELECT * FROM read_parquet(%s)", files);
    rc = engine_describe(r->c, buf_cstr(&text), &shape, err);
    for (size_t column = 0; !rc && column < shape.n_columns; column++) {
        duckdb_logical_type type = engine_shape_type(&shape, column);

        buf_clear(&text);
        engine_shape_name(&shape, column, &text);
        for (size_t i = 0; i < IG_COUNT(actions); i++)
            if (strcmp(buf_cstr(&text), actions[i].name) == 0)
                add_select(&q->others, i, type, files);
        for (size_t i = 0; i < IG_COUNT(file_actions); i++)
            if (strcmp(buf_cstr(&text), file_actions[i].name) == 0)
                add_file_select(&q->files[i], i, type, files);
        duckdb_destroy_logical_type(&type);
    }
    engine_shape_free(&shape);
    if (!rc && !q->others.n && !q->files[0].n)
        rc = error_set(err, IG_CORRUPT, "no column of a checkpoint");
    buf_release(&text);
    return rc;
}

static enum ig_code keep_sidecar(struct reader *r, struct str action, struct error *err)
{
    struct json_value v;
    struct buf path;

    if (!json_member(action, "sidecar", &v) || v.type != JSON_OBJECT)
        return IG_OK;
    if (r->sidecars.n >= SIDECARS_MAX)
        return error_set(err, IG_CORRUPT, "more than %d sidecars", SIDECARS_MAX);
    buf_init(&path, 0);
    if (json_member_string(v.raw, "path", &path))
        vec_push(&r->sidecars, arena_strndup(&r->chunk->arena, buf_cstr(&path), path.n));
    buf_release(&path);
    return IG_OK;
}

static enum ig_code read_others(struct reader *r, const char *sql, struct error *err)
{
    struct engine_rows rows = {0};
    enum ig_code rc = engine_query(r->c, sql, &rows, err);

    while (!rc && engine_next(&rows)) {
        const struct str action = arena_str(&r->chunk->arena, engine_str(&rows, 0));

        if (str_has_prefix(action, "{\"sidecar\""))
            rc = keep_sidecar(r, action, err);
        else
            rc = lake_replay_text(r->s, r->chunk, action, LAKE_REPLAY_CHECKPOINT, err);
    }
    engine_rows_free(&rows);
    return rc;
}

static enum ig_code read_files(struct reader *r, const char *sql, bool live, struct error *err)
{
    struct engine_rows rows = {0};
    enum ig_code rc = engine_query(r->c, sql, &rows, err);

    IG_ASSERT(rc || engine_columns(&rows) == FILE_MEMBERS);
    while (!rc && engine_next(&rows)) {
        const struct lake_file_row row = {
            .live = live,
            .path = engine_str(&rows, FILE_PATH),
            .values = engine_str(&rows, FILE_VALUES),
            .size_bytes = engine_int64(&rows, FILE_SIZE),
            .time_ms = engine_int64(&rows, FILE_TIME),
            .stats = engine_str(&rows, FILE_STATS),
            .tags = engine_str(&rows, FILE_TAGS),
            .dv = engine_str(&rows, FILE_DV),
            .base_row_id = engine_is_null(&rows, FILE_ROW_ID) ? -1 : engine_int64(&rows, FILE_ROW_ID),
            .row_commit_version = engine_is_null(&rows, FILE_ROW_VERSION) ? -1 : engine_int64(&rows, FILE_ROW_VERSION),
            .clustering_provider = engine_str(&rows, FILE_CLUSTERING),
        };

        rc = lake_replay_file(r->s, r->chunk, &row, err);
    }
    engine_rows_free(&rows);
    return rc;
}

/* `files` is an SQL list of paths. */
static enum ig_code read_parquet(struct reader *r, const char *files, struct error *err)
{
    struct queries q;
    enum ig_code rc;

    queries_init(&q);
    rc = build_queries(r, files, &q, err);
    if (!rc && q.others.n)
        rc = read_others(r, buf_cstr(&q.others), err);
    for (size_t i = 0; i < IG_COUNT(q.files) && !rc; i++)
        if (q.files[i].n)
            rc = read_files(r, buf_cstr(&q.files[i]), i == 0, err);
    queries_release(&q);
    /* What the engine refuses to read is a broken file; what stops the engine is not. */
    return rc == IG_INVALID || rc == IG_IO ? IG_CORRUPT : rc;
}

static enum ig_code add_file(struct reader *r, const char *object, struct buf *files, struct error *err)
{
    struct buf path;
    enum ig_code rc;

    buf_init(&path, 0);
    rc = store_local_path(r->s->store, object, &path, err);
    if (!rc) {
        buf_puts(files, files->n ? ", " : "[");
        lake_add_path_literal(files, buf_str(&path));
    }
    buf_release(&path);
    return rc;
}

static enum ig_code read_sidecars(struct reader *r, struct error *err)
{
    struct buf files, object;
    enum ig_code rc = IG_OK;

    if (!r->sidecars.n)
        return IG_OK;
    buf_init(&files, 0);
    buf_init(&object, 0);
    for (size_t i = 0; i < r->sidecars.n && !rc; i++) {
        buf_clear(&object);
        lake_add_log_name(&object, r->s->table_path, -1, "_sidecars/");
        if (!lake_decode_uri(str_of(r->sidecars.p[i]), &object))
            rc = error_set(err, IG_CORRUPT, "a sidecar's path is not well encoded");
        else
            rc = add_file(r, buf_cstr(&object), &files, err);
    }
    buf_putc(&files, ']');
    r->sidecars.n = 0;
    if (!rc)
        rc = read_parquet(r, buf_cstr(&files), err);
    buf_release(&object);
    buf_release(&files);
    return rc;
}

static enum ig_code read_json(struct reader *r, const char *object, struct error *err)
{
    struct buf text;
    enum ig_code rc;
    struct str copy;

    buf_init(&text, LAKE_COMMIT_MAX_BYTES);
    rc = store_get(r->s->store, object, &text, err);
    if (!rc) {
        copy = arena_str(&r->chunk->arena, buf_str(&text));
        rc = lake_replay_text(r->s, r->chunk, copy, LAKE_REPLAY_CHECKPOINT, err);
        for (const char *p = copy.p, *end = copy.p + copy.n; p < end && !rc;) {
            const char *newline = memchr(p, '\n', (size_t)(end - p));
            const char *stop = newline ? newline : end;

            rc = keep_sidecar(r, (struct str){p, (size_t)(stop - p)}, err);
            p = stop + 1;
        }
    }
    buf_release(&text);
    return rc;
}

enum ig_code lake_checkpoint_read(struct lake_snapshot *s, struct engine_conn *c, const struct lake_log *log,
                                  size_t first, struct error *err)
{
    const struct lake_log_checkpoint *checkpoint = &log->checkpoints.p[first];
    struct reader r = {.s = s, .c = c, .chunk = lake_chunk_new(s)};
    enum ig_code rc = IG_OK;
    struct buf files;

    buf_init(&files, 0);
    if (str_has_suffix(str_of(checkpoint->name), ".json")) {
        rc = read_json(&r, checkpoint->name, err);
    } else {
        for (int64_t i = 0; i < checkpoint->n_parts && !rc; i++)
            rc = add_file(&r, checkpoint[i].name, &files, err);
        buf_putc(&files, ']');
        if (!rc)
            rc = read_parquet(&r, buf_cstr(&files), err);
    }
    if (!rc)
        rc = read_sidecars(&r, err);
    vec_free(&r.sidecars);
    buf_release(&files);
    if (rc)
        error_context(err, rc, "checkpoint %s", checkpoint->name);
    return rc;
}
