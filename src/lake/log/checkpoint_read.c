/*
 * Checkpoints: the engine reads the Parquet file. Files come as columns, a few at a time, since there may be very many
 * of them; the few other actions as the JSON that commits are made of. V2 checkpoints name sidecars, which hold the
 * files.
 */
#include "lake/lake_internal.h"
#include "lake/log/action.h"
#include "lake/log/seal.h"

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
    {"checkpointMetadata", {"version"}},
};

/* Of a file, in the order of the query's columns. */
enum file_member {
    FILE_PATH,
    FILE_SIZE,
    FILE_TIME,
    FILE_STATS,
    FILE_DV,
    FILE_ROW_ID,
    FILE_ROW_VERSION,
    FILE_CLUSTERING,
    FILE_VALUES,
    FILE_TAGS,
    FILE_MEMBERS
};

static const struct {
    enum lake_action_kind kind;
    const char *name, *time;
} file_actions[] = {{LAKE_ADD, "add", "modificationTime"}, {LAKE_REMOVE, "remove", "deletionTimestamp"}};

struct sidecar {
    const char *path;
    int64_t size_bytes; /* -1: not said */
};

struct reader {
    struct lake_snapshot *s;
    struct engine_conn *c;
    struct lake_replay replay;
    struct lake_parser parser;
    struct lake_actions actions;
    struct buf values, tags;
    VEC(struct sidecar) sidecars;
    int64_t says_version; /* of a V2 checkpoint, -1: it does not say */
};

/* --- the queries ------------------------------------------------------------------------------------------- */

/* The type of a struct's member, NULL if it has none; to be destroyed. */
static duckdb_logical_type child_type(duckdb_logical_type type, const char *name)
{
    if (duckdb_get_type_id(type) != DUCKDB_TYPE_STRUCT)
        return NULL;
    for (idx_t i = 0; i < duckdb_struct_type_child_count(type); i++) {
        char *child = duckdb_struct_type_child_name(type, i);
        const bool found = strcmp(child, name) == 0;

        duckdb_free(child);
        if (found)
            return duckdb_struct_type_child_type(type, i);
    }
    return NULL;
}

static bool has_child(duckdb_logical_type type, const char *name)
{
    duckdb_logical_type child = child_type(type, name);
    const bool found = child != NULL;

    if (child)
        duckdb_destroy_logical_type(&child);
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
                       const char *cast)
{
    if (has_child(type, member))
        buf_printf(sql, ", \"%s\".\"%s\"::%s", action, member, cast);
    else
        buf_printf(sql, ", NULL::%s", cast);
}

static void add_stats(struct buf *sql, duckdb_logical_type type)
{
    static const char parsed[] = "CASE WHEN \"add\".stats_parsed IS NOT NULL THEN "
                                 "to_json(\"add\".stats_parsed)::VARCHAR END";
    const bool has_text = has_child(type, "stats"), has_parsed = has_child(type, "stats_parsed");

    if (has_text && has_parsed)
        buf_printf(sql, ", coalesce(\"add\".\"stats\"::VARCHAR, %s)", parsed);
    else
        buf_printf(sql, ", %s", has_text ? "\"add\".\"stats\"::VARCHAR" : has_parsed ? parsed : "NULL::VARCHAR");
}

static void add_file_select(struct buf *sql, size_t kind, duckdb_logical_type type, const char *files)
{
    const char *action = file_actions[kind].name;

    if (!has_child(type, "path"))
        return;
    buf_printf(sql, "SELECT \"%s\".\"path\"::VARCHAR", action);
    add_column(sql, action, "size", type, "BIGINT");
    add_column(sql, action, file_actions[kind].time, type, "BIGINT");
    if (kind == 0)
        add_stats(sql, type);
    else
        buf_puts(sql, ", NULL::VARCHAR");
    if (has_child(type, "deletionVector"))
        buf_printf(sql,
                   ", CASE WHEN \"%s\".\"deletionVector\".\"storageType\" IS NOT NULL THEN "
                   "to_json(\"%s\".\"deletionVector\")::VARCHAR END",
                   action, action);
    else
        buf_puts(sql, ", NULL::VARCHAR");
    add_column(sql, action, "baseRowId", type, "BIGINT");
    add_column(sql, action, "defaultRowCommitVersion", type, "BIGINT");
    add_column(sql, action, "clusteringProvider", type, "VARCHAR");
    add_column(sql, action, "partitionValues", type, "MAP(VARCHAR, VARCHAR)");
    add_column(sql, action, "tags", type, "MAP(VARCHAR, VARCHAR)");
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

/* `files` is what read_parquet is given. */
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

/* --- their answers ----------------------------------------------------------------------------------------- */

static enum ig_code take_sidecar(struct reader *r, struct str raw, struct error *err)
{
    struct sidecar sidecar = {.size_bytes = -1};
    struct buf path;

    if (r->sidecars.n >= SIDECARS_MAX)
        return error_set(err, IG_CORRUPT, "more than %d sidecars", SIDECARS_MAX);
    buf_init(&path, 0);
    if (json_member_string(raw, "path", &path))
        sidecar.path = arena_strndup(r->parser.intern.arena, buf_cstr(&path), path.n);
    buf_release(&path);
    (void)!json_member_int64(raw, "sizeInBytes", &sidecar.size_bytes);
    if (!sidecar.path)
        return error_set(err, IG_CORRUPT, "a sidecar without a path");
    vec_push(&r->sidecars, sidecar);
    return IG_OK;
}

/* Applies a text's actions, and keeps what is about the checkpoint itself. */
static enum ig_code take_text(struct reader *r, struct str text, struct error *err)
{
    enum ig_code rc;

    r->actions.list.n = 0;
    rc = lake_parse_actions(&r->parser, text, &r->actions, err);
    if (!rc)
        rc = lake_replay_actions(&r->replay, &r->actions, err);
    for (size_t i = 0; i < r->actions.list.n && !rc; i++) {
        const struct lake_action *action = &r->actions.list.p[i];

        if (action->kind == LAKE_SIDECAR)
            rc = take_sidecar(r, action->u.raw, err);
        else if (action->kind == LAKE_CHECKPOINT_METADATA &&
                 !json_member_int64(action->u.raw, "version", &r->says_version))
            rc = error_set(err, IG_CORRUPT, "a checkpointMetadata without a version");
    }
    return rc;
}

static enum ig_code read_others(struct reader *r, const char *sql, struct error *err)
{
    struct engine_rows rows = {0};
    enum ig_code rc = engine_query(r->c, sql, &rows, err);

    while (!rc && engine_next(&rows))
        rc = take_text(r, engine_str(&rows, 0), err);
    engine_rows_free(&rows);
    return rc;
}

static struct str string_at(duckdb_vector v, idx_t i)
{
    duckdb_string_t *text = (duckdb_string_t *)duckdb_vector_get_data(v) + i;
    uint64_t *validity = duckdb_vector_get_validity(v);

    if (validity && !duckdb_validity_row_is_valid(validity, i))
        return (struct str){NULL, 0};
    return (struct str){duckdb_string_t_data(text), duckdb_string_t_length(*text)};
}

/* A MAP(VARCHAR, VARCHAR) as a JSON object; none for NULL. */
static struct str map_text(struct engine_rows *rows, size_t column, struct buf *out)
{
    const duckdb_vector v = duckdb_data_chunk_get_vector(rows->chunk, column);
    duckdb_vector pairs, keys, values;
    duckdb_list_entry entry;

    if (engine_is_null(rows, column))
        return (struct str){NULL, 0};
    entry = ((const duckdb_list_entry *)duckdb_vector_get_data(v))[rows->row];
    pairs = duckdb_list_vector_get_child(v);
    keys = duckdb_struct_vector_get_child(pairs, 0);
    values = duckdb_struct_vector_get_child(pairs, 1);
    buf_clear(out);
    buf_putc(out, '{');
    for (idx_t i = entry.offset; i < entry.offset + entry.length; i++) {
        const struct str value = string_at(values, i);

        buf_puts(out, i > entry.offset ? "," : "");
        json_add_string(out, string_at(keys, i));
        buf_putc(out, ':');
        if (value.p)
            json_add_string(out, value);
        else
            buf_puts(out, "null");
    }
    buf_putc(out, '}');
    return buf_str(out);
}

static enum ig_code take_file(struct reader *r, struct engine_rows *rows, enum lake_action_kind kind, struct error *err)
{
    const struct lake_file_row row = {
        .path = engine_str(rows, FILE_PATH),
        .stats = engine_str(rows, FILE_STATS),
        .values = map_text(rows, FILE_VALUES, &r->values),
        .tags = map_text(rows, FILE_TAGS, &r->tags),
        .dv = engine_str(rows, FILE_DV),
        .clustering = engine_str(rows, FILE_CLUSTERING),
        .size_bytes = engine_int64(rows, FILE_SIZE),
        .time_ms = engine_int64(rows, FILE_TIME),
        .base_row_id = engine_is_null(rows, FILE_ROW_ID) ? -1 : engine_int64(rows, FILE_ROW_ID),
        .row_commit_version = engine_is_null(rows, FILE_ROW_VERSION) ? -1 : engine_int64(rows, FILE_ROW_VERSION),
    };
    struct lake_action action = {.kind = kind, .says_size = true};
    const struct lake_actions one = {.list = {&action, 1, 1}};

    if (row.size_bytes < 0)
        return error_set(err, IG_CORRUPT, "a file of %lld bytes: " STR_FMT, (long long)row.size_bytes,
                         STR_ARG(row.path));
    IG_TRY(lake_entry_make(&r->parser.intern, &row, &action.u.file, err));
    return lake_replay_actions(&r->replay, &one, err);
}

static enum ig_code read_files(struct reader *r, const char *sql, enum lake_action_kind kind, struct error *err)
{
    struct engine_rows rows = {0};
    enum ig_code rc = engine_query_streaming(r->c, sql, &rows, err);

    IG_ASSERT(rc || engine_columns(&rows) == FILE_MEMBERS);
    while (!rc && engine_next(&rows))
        rc = take_file(r, &rows, kind, err);
    if (!rc)
        rc = engine_rows_check(&rows, err);
    engine_rows_free(&rows);
    return rc;
}

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
            rc = read_files(r, buf_cstr(&q.files[i]), file_actions[i].kind, err);
    queries_release(&q);
    /* What the engine refuses to read is a broken file; what stops the engine is not. */
    return rc == IG_INVALID || rc == IG_IO || rc == IG_NOT_FOUND ? IG_CORRUPT : rc;
}

/* --- the files --------------------------------------------------------------------------------------------- */

static enum ig_code add_file(struct reader *r, const char *object, struct buf *files, struct error *err)
{
    int64_t read_bytes = 0;
    struct buf path;
    enum ig_code rc;

    buf_init(&path, 0);
    rc = store_local_path(r->s->store, object, &path, err);
    if (!rc)
        rc = lake_seal_check_file(r->s->store->env, buf_cstr(&path), -1, INT64_MAX, &read_bytes, err);
    if (!rc) {
        buf_puts(files, files->n ? ", " : "[");
        lake_add_path_literal(files, buf_str(&path));
    }
    buf_release(&path);
    return rc;
}

/* The list of paths, closed: parts need not have the same columns. */
static void end_files(struct buf *files, size_t n)
{
    buf_puts(files, n > 1 ? "], union_by_name = true" : "]");
}

static enum ig_code add_sidecar(struct reader *r, const struct sidecar *sidecar, struct buf *files, struct error *err)
{
    struct store_object object = {0};
    enum ig_code rc = IG_OK;
    struct buf name;

    buf_init(&name, 0);
    lake_add_log_name(&name, r->s->table_path, -1, "_sidecars/");
    if (!lake_decode_uri(str_of(sidecar->path), &name) || !store_name_ok(buf_cstr(&name)))
        rc = error_set(err, IG_CORRUPT, "a sidecar's path is none: %s", sidecar->path);
    if (!rc)
        rc = store_stat(r->s->store, buf_cstr(&name), &object, err);
    if (rc == IG_NOT_FOUND)
        rc = error_set(err, IG_CORRUPT, "the sidecar %s is not there", sidecar->path);
    if (!rc && sidecar->size_bytes >= 0 && object.size_bytes != sidecar->size_bytes)
        rc = error_set(err, IG_CORRUPT, "the sidecar %s has %lld bytes, not %lld", sidecar->path,
                       (long long)object.size_bytes, (long long)sidecar->size_bytes);
    if (!rc)
        rc = add_file(r, buf_cstr(&name), files, err);
    buf_release(&name);
    return rc;
}

static enum ig_code read_sidecars(struct reader *r, struct error *err)
{
    const size_t n = r->sidecars.n;
    enum ig_code rc = IG_OK;
    struct buf files;

    if (!n)
        return IG_OK;
    buf_init(&files, 0);
    for (size_t i = 0; i < n && !rc; i++)
        rc = add_sidecar(r, &r->sidecars.p[i], &files, err);
    end_files(&files, n);
    if (!rc)
        rc = read_parquet(r, buf_cstr(&files), err);
    if (!rc && r->sidecars.n > n)
        rc = error_set(err, IG_CORRUPT, "a sidecar names sidecars");
    buf_release(&files);
    return rc;
}

static enum ig_code read_json(struct reader *r, const char *object, struct error *err)
{
    struct buf text;
    enum ig_code rc;

    buf_init(&text, LAKE_COMMIT_MAX_BYTES);
    rc = store_get(r->s->store, object, &text, err);
    if (rc == IG_NOT_FOUND) /* it was in the list a moment ago */
        rc = error_context(err, IG_CORRUPT, "the file is gone");
    if (!rc && text.n == 0)
        rc = error_set(err, IG_CORRUPT, "the file is empty");
    if (!rc)
        rc = lake_seal_check(buf_str(&text), err);
    if (!rc)
        rc = take_text(r, buf_str(&text), err);
    buf_release(&text);
    return rc;
}

static enum ig_code read_top(struct reader *r, const struct lake_log_checkpoint *parts, struct error *err)
{
    enum ig_code rc = IG_OK;
    struct buf files;

    if (str_has_suffix(str_of(parts->name), ".json"))
        return read_json(r, parts->name, err);
    buf_init(&files, 0);
    for (int64_t i = 0; i < parts->n_parts && !rc; i++)
        rc = add_file(r, parts[i].name, &files, err);
    end_files(&files, (size_t)parts->n_parts);
    if (!rc)
        rc = read_parquet(r, buf_cstr(&files), err);
    buf_release(&files);
    return rc;
}

static enum ig_code check_version(const struct reader *r, const struct lake_log_checkpoint *checkpoint,
                                  struct error *err)
{
    if (checkpoint->kind == LAKE_CHECKPOINT_V2 && r->says_version < 0)
        return error_set(err, IG_CORRUPT, "it has no checkpointMetadata");
    if (r->says_version >= 0 && r->says_version != checkpoint->version)
        return error_set(err, IG_CORRUPT, "it is of version %lld", (long long)r->says_version);
    return IG_OK;
}

enum ig_code lake_checkpoint_read(struct lake_snapshot *s, struct engine_conn *c, const struct lake_log *log,
                                  size_t first, struct error *err)
{
    const struct lake_log_checkpoint *checkpoint = &log->checkpoints.p[first];
    struct reader r = {.s = s, .c = c, .says_version = -1};
    enum ig_code rc, end;

    lake_parser_init(&r.parser, &lake_chunk_new(s)->arena);
    lake_replay_begin(&r.replay, s, LAKE_REPLAY_CHECKPOINT);
    buf_init(&r.values, 0);
    buf_init(&r.tags, 0);
    rc = read_top(&r, checkpoint, err);
    if (!rc)
        rc = check_version(&r, checkpoint, err);
    if (!rc)
        rc = read_sidecars(&r, err);
    if (!rc && (!r.replay.has_protocol || !r.replay.has_metadata))
        rc = error_set(err, IG_CORRUPT, "it has no %s", r.replay.has_protocol ? "metaData" : "protocol");
    end = lake_replay_end(&r.replay, rc ? NULL : err);
    rc = rc ? rc : end;
    vec_free(&r.sidecars);
    vec_free(&r.actions.list);
    buf_release(&r.values);
    buf_release(&r.tags);
    lake_parser_release(&r.parser);
    if (rc)
        error_context(err, rc, "checkpoint %s", checkpoint->name);
    return rc;
}
