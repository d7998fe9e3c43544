/*
 * A checkpoint's Parquet files, read by the engine: for what checkpoint_parquet.c does not know. Files come as columns,
 * a few at a time, since there may be very many of them; the few other actions as the JSON that commits are made of.
 */
#include "lake/log/checkpoint_reader.h"

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

    if (!has_child(type, checkpoint_actions[action].members[0]))
        return;
    if (sql->n)
        buf_puts(sql, " UNION ALL ");
    buf_printf(sql, "SELECT to_json(struct_pack(\"%s\" := struct_pack(", checkpoint_actions[action].name);
    for (size_t i = 0; i < CHECKPOINT_MEMBERS && checkpoint_actions[action].members[i]; i++) {
        const char *member = checkpoint_actions[action].members[i];

        if (!has_child(type, member))
            continue;
        buf_printf(sql, "%s\"%s\" := \"%s\".\"%s\"", first ? "" : ", ", member, checkpoint_actions[action].name,
                   member);
        first = false;
    }
    buf_printf(sql, ")))::VARCHAR AS action FROM read_parquet(%s) WHERE \"%s\".\"%s\" IS NOT NULL", files,
               checkpoint_actions[action].name, checkpoint_actions[action].members[0]);
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
    const char *action = checkpoint_file_actions[kind].name;

    if (!has_child(type, "path"))
        return;
    buf_printf(sql, "SELECT \"%s\".\"path\"::VARCHAR", action);
    add_column(sql, action, "size", type, "BIGINT");
    add_column(sql, action, checkpoint_file_actions[kind].time, type, "BIGINT");
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
    struct buf others, files[CHECKPOINT_FILE_ACTIONS];
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
static enum ig_code build_queries(struct checkpoint_reader *r, const char *files, struct queries *q, struct error *err)
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
        for (size_t i = 0; i < CHECKPOINT_ACTIONS; i++)
            if (strcmp(buf_cstr(&text), checkpoint_actions[i].name) == 0)
                add_select(&q->others, i, type, files);
        for (size_t i = 0; i < CHECKPOINT_FILE_ACTIONS; i++)
            if (strcmp(buf_cstr(&text), checkpoint_file_actions[i].name) == 0)
                add_file_select(&q->files[i], i, type, files);
        duckdb_destroy_logical_type(&type);
    }
    engine_shape_free(&shape);
    if (!rc && !q->others.n && !q->files[0].n && !q->files[1].n)
        rc = error_set(err, IG_CORRUPT, "no column of a checkpoint");
    buf_release(&text);
    return rc;
}

/* --- their answers ----------------------------------------------------------------------------------------- */

static enum ig_code read_others(struct checkpoint_reader *r, const char *sql, struct error *err)
{
    struct engine_rows rows = {0};
    enum ig_code rc = engine_query(r->c, sql, &rows, err);

    while (!rc && engine_next(&rows))
        rc = checkpoint_take_text(r, engine_str(&rows, 0), err);
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

/* Room for the maps of a row. */
struct maps {
    struct buf values, tags;
};

static enum ig_code take_file(struct checkpoint_reader *r, struct engine_rows *rows, enum lake_action_kind kind,
                              struct maps *maps, struct error *err)
{
    const struct lake_file_row row = {
        .path = engine_str(rows, FILE_PATH),
        .stats = engine_str(rows, FILE_STATS),
        .values = map_text(rows, FILE_VALUES, &maps->values),
        .tags = map_text(rows, FILE_TAGS, &maps->tags),
        .dv = engine_str(rows, FILE_DV),
        .clustering = engine_str(rows, FILE_CLUSTERING),
        .size_bytes = engine_int64(rows, FILE_SIZE),
        .time_ms = engine_int64(rows, FILE_TIME),
        .base_row_id = engine_is_null(rows, FILE_ROW_ID) ? -1 : engine_int64(rows, FILE_ROW_ID),
        .row_commit_version = engine_is_null(rows, FILE_ROW_VERSION) ? -1 : engine_int64(rows, FILE_ROW_VERSION),
    };

    return checkpoint_take_file(r, &row, kind, err);
}

static enum ig_code read_files(struct checkpoint_reader *r, const char *sql, enum lake_action_kind kind,
                               struct error *err)
{
    struct engine_rows rows = {0};
    enum ig_code rc = engine_query_streaming(r->c, sql, &rows, err);
    struct maps maps;

    buf_init(&maps.values, 0);
    buf_init(&maps.tags, 0);
    IG_ASSERT(rc || engine_columns(&rows) == FILE_MEMBERS);
    while (!rc && engine_next(&rows))
        rc = take_file(r, &rows, kind, &maps, err);
    if (!rc)
        rc = engine_rows_check(&rows, err);
    engine_rows_free(&rows);
    buf_release(&maps.values);
    buf_release(&maps.tags);
    return rc;
}

static enum ig_code read_files_of(struct checkpoint_reader *r, const char *files, struct error *err)
{
    struct queries q;
    enum ig_code rc;

    queries_init(&q);
    rc = build_queries(r, files, &q, err);
    if (!rc && q.others.n)
        rc = read_others(r, buf_cstr(&q.others), err);
    for (size_t i = 0; i < IG_COUNT(q.files) && !rc; i++)
        if (q.files[i].n)
            rc = read_files(r, buf_cstr(&q.files[i]), checkpoint_file_actions[i].kind, err);
    queries_release(&q);
    /* What the engine refuses to read is a broken file; what stops the engine is not. */
    return rc == IG_INVALID || rc == IG_IO || rc == IG_NOT_FOUND ? IG_CORRUPT : rc;
}

enum ig_code checkpoint_read_by_engine(struct checkpoint_reader *r, const char *const *paths, size_t n,
                                       struct error *err)
{
    struct buf files;
    enum ig_code rc;

    buf_init(&files, 0);
    for (size_t i = 0; i < n; i++) {
        buf_puts(&files, i ? ", " : "[");
        lake_add_path_literal(&files, str_of(paths[i]));
    }
    buf_puts(&files, n > 1 ? "], union_by_name = true" : "]"); /* parts need not have the same columns */
    rc = read_files_of(r, buf_cstr(&files), err);
    buf_release(&files);
    return rc;
}
