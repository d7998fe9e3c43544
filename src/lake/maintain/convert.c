/*
 * CONVERT: the first commit of a table over Parquet files that are there. What is needed is in their footers, which the
 * engine reads: columns and types (convert_schema.c), rows, and bounds.
 */
#include "lake/maintain/convert.h"

#include "lake/table/features.h"

#include <stdlib.h>
#include <strings.h>

#define FOOTERS "_ingot_footers"

/* --- the files --------------------------------------------------------------------------------------------------- */

/* "a=1/b=x%20y/f.parquet" -> its column=value parts. */
static enum ig_code take_partition(struct converter *c, struct convert_file *f, struct error *err)
{
    const char *p = f->name;
    size_t n = 0;

    for (const char *slash; (slash = strchr(p, '/')); p = slash + 1) {
        const char *equals = memchr(p, '=', (size_t)(slash - p));
        struct buf text;

        if (!equals)
            continue;
        buf_init(&text, 0);
        if (!lake_decode_uri((struct str){equals + 1, (size_t)(slash - equals - 1)}, &text)) {
            buf_clear(&text);
            buf_add(&text, equals + 1, (size_t)(slash - equals - 1));
        }
        if (c->files.n == 0) {
            const char *column = arena_strndup(&c->arena, p, (size_t)(equals - p));

            vec_push(&c->partition_by, column);
        } else if (n >= c->partition_by.n || strlen(c->partition_by.p[n]) != (size_t)(equals - p) ||
                   strncmp(c->partition_by.p[n], p, (size_t)(equals - p)) != 0) {
            buf_release(&text);
            return error_set(err, IG_INVALID, "%s is not in the same partitions as %s", f->name, c->files.p[0].name);
        }
        if (n < CONVERT_PARTITIONS_MAX && strcmp(buf_cstr(&text), "__HIVE_DEFAULT_PARTITION__") != 0 && text.n)
            f->values[n] = arena_strndup(&c->arena, buf_cstr(&text), text.n);
        n++;
        buf_release(&text);
    }
    if (n > CONVERT_PARTITIONS_MAX)
        return error_set(err, IG_INVALID, "%s is in more than %d partitions", f->name, CONVERT_PARTITIONS_MAX);
    if (n != c->partition_by.n)
        return error_set(err, IG_INVALID, "%s is not in the same partitions as %s", f->name,
                         c->files.n ? c->files.p[0].name : f->name);
    return IG_OK;
}

static bool is_hidden(struct str name)
{
    for (size_t i = 0; i < name.n; i++) {
        const size_t from = i;

        while (i < name.n && name.p[i] != '/')
            i++;
        if ((name.p[from] == '_' || name.p[from] == '.') && !(i < name.n && memchr(name.p + from, '=', i - from)))
            return true;
    }
    return false;
}

static enum ig_code see_object(void *ctx, const struct store_object *object, struct error *err)
{
    struct converter *c = ctx;
    const struct str name = {object->name.p + c->skip, object->name.n - c->skip};
    struct convert_file f = {.size_bytes = object->size_bytes, .modified_ms = object->mtime_ms};

    if (is_hidden(name) || !(str_has_suffix(name, ".parquet") || str_has_suffix(name, ".parq")))
        return IG_OK;
    f.name = arena_strndup(&c->arena, name.p, name.n);
    IG_TRY(take_partition(c, &f, err));
    vec_push(&c->files, f);
    return IG_OK;
}

static enum ig_code find_files(struct converter *c, struct error *err)
{
    struct buf prefix;
    enum ig_code rc;

    buf_init(&prefix, 0);
    lake_add_object_name(&prefix, c->t->path, (struct str){"", 0});
    c->skip = prefix.n;
    rc = store_list(c->t->store, buf_cstr(&prefix), see_object, c, err);
    if (!rc && c->files.n == 0)
        rc = error_set(err, IG_NOT_FOUND, "there are no Parquet files");
    buf_release(&prefix);
    return rc;
}

/* Where the engine looks for their footers. */
static enum ig_code place_files(struct converter *c, struct error *err)
{
    struct buf name, path;
    enum ig_code rc = IG_OK;

    if (!store_is_local(c->t->store))
        return convert_fetch_footers(c, err);
    buf_init(&name, 0);
    buf_init(&path, 0);
    for (size_t i = 0; i < c->files.n && !rc; i++) {
        buf_clear(&name);
        buf_clear(&path);
        lake_add_object_name(&name, c->t->path, str_of(c->files.p[i].name));
        rc = store_local_path(c->t->store, buf_cstr(&name), &path, err);
        c->files.p[i].path = arena_strndup(&c->arena, buf_cstr(&path), path.n);
    }
    buf_release(&path);
    buf_release(&name);
    return rc;
}

void convert_add_paths(const struct converter *c, struct buf *sql)
{
    buf_putc(sql, '[');
    for (size_t i = 0; i < c->files.n; i++) {
        buf_puts(sql, i ? ", " : "");
        lake_add_path_literal(sql, str_of(c->files.p[i].path));
    }
    buf_putc(sql, ']');
}

static int by_path(const void *x, const void *y)
{
    const struct convert_file *const *a = x, *const *b = y;

    return strcmp((*a)->path, (*b)->path);
}

struct convert_file *convert_find(struct converter *c, struct str path)
{
    if (!c->by_path) {
        c->by_path = check_calloc(c->files.n + 1, sizeof(struct convert_file *));
        for (size_t i = 0; i < c->files.n; i++)
            c->by_path[i] = &c->files.p[i];
        qsort(c->by_path, c->files.n, sizeof(struct convert_file *), by_path);
    }
    for (size_t low = 0, high = c->files.n; low < high;) {
        const size_t middle = low + (high - low) / 2;
        const int order = str_cmp(str_of(c->by_path[middle]->path), path);

        if (order == 0)
            return c->by_path[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* --- rows and bounds --------------------------------------------------------------------------------------------- */

static enum ig_code read_rows(struct converter *c, struct error *err)
{
    struct engine_rows rows = {0};
    struct buf sql;
    enum ig_code rc;

    buf_init(&sql, 0);
    buf_puts(&sql, "SELECT file_name, num_rows FROM parquet_file_metadata(");
    convert_add_paths(c, &sql);
    buf_putc(&sql, ')');
    rc = engine_query(c->t->conn, buf_cstr(&sql), &rows, err);
    while (!rc && engine_next(&rows)) {
        struct convert_file *f = convert_find(c, engine_str(&rows, 0));

        if (f) {
            f->rows = engine_int64(&rows, 1);
            c->out->rows += f->rows;
        }
    }
    engine_rows_free(&rows);
    buf_release(&sql);
    return rc;
}

static enum ig_code load_footers(struct converter *c, struct error *err)
{
    struct buf sql;
    enum ig_code rc;

    buf_init(&sql, 0);
    buf_puts(&sql, "CREATE OR REPLACE TEMP TABLE " FOOTERS " AS SELECT file_name, path_in_schema, num_values, "
                   "stats_null_count, stats_min_value, stats_max_value FROM parquet_metadata(");
    convert_add_paths(c, &sql);
    buf_putc(&sql, ')');
    rc = engine_exec(c->t->conn, err, buf_cstr(&sql));
    buf_release(&sql);
    return rc;
}

/* What bounds mean for other engines, the footer gives for these: not for floats, whose NaN it hides. */
static bool has_bounds(const struct schema_type *type)
{
    switch (type->kind) {
    case SCHEMA_BYTE:
    case SCHEMA_SHORT:
    case SCHEMA_INTEGER:
    case SCHEMA_LONG:
    case SCHEMA_DECIMAL:
    case SCHEMA_STRING:
    case SCHEMA_DATE:
    case SCHEMA_TIMESTAMP:
    case SCHEMA_TIMESTAMP_NTZ:
        return true;
    default:
        return false;
    }
}

static void add_leaf_query(const struct schema_type *type, const char *path, struct buf *sql)
{
    buf_puts(sql, "SELECT file_name, sum(stats_null_count)::BIGINT, count(stats_null_count) = count(*), ");
    if (has_bounds(type)) {
        struct buf cast;

        buf_init(&cast, 0);
        schema_add_sql(&cast, type);
        buf_printf(sql,
                   "min(TRY_CAST(stats_min_value AS %s))::VARCHAR, max(TRY_CAST(stats_max_value AS %s))::VARCHAR, "
                   "count(*) FILTER (WHERE (TRY_CAST(stats_min_value AS %s) IS NULL OR TRY_CAST(stats_max_value AS %s) "
                   "IS NULL) AND stats_null_count IS DISTINCT FROM num_values) = 0",
                   buf_cstr(&cast), buf_cstr(&cast), buf_cstr(&cast), buf_cstr(&cast));
        buf_release(&cast);
    } else {
        buf_puts(sql, "NULL, NULL, false");
    }
    buf_puts(sql, " FROM " FOOTERS " WHERE path_in_schema = ");
    engine_add_literal(sql, str_of(path));
    buf_puts(sql, " GROUP BY file_name");
}

static void add_member(struct buf *out, const char *name, struct str value)
{
    buf_printf(out, ",\"%s\":", name);
    json_add_string(out, value);
}

/* One column, of all files: {"\"a\".\"b\"": {"min": ..., "max": ..., "null_count": ...}}, as COPY gives it. */
static enum ig_code read_leaf(struct converter *c, const struct schema_type *type, const char *path, const char *key,
                              struct error *err)
{
    struct engine_rows rows = {0};
    struct buf sql;
    enum ig_code rc;

    buf_init(&sql, 0);
    add_leaf_query(type, path, &sql);
    rc = engine_query(c->t->conn, buf_cstr(&sql), &rows, err);
    while (!rc && engine_next(&rows)) {
        struct convert_file *f = convert_find(c, engine_str(&rows, 0));

        if (!f)
            continue;
        buf_puts(&f->statistics, f->statistics.n ? "," : "{");
        json_add_string(&f->statistics, str_of(key));
        buf_puts(&f->statistics, ":{\"has_nan\":\"false\"");
        if (engine_int64(&rows, 2))
            buf_printf(&f->statistics, ",\"null_count\":\"%lld\"", (long long)engine_int64(&rows, 1));
        if (engine_int64(&rows, 5) && !engine_is_null(&rows, 3) && !engine_is_null(&rows, 4)) {
            add_member(&f->statistics, "min", engine_str(&rows, 3));
            add_member(&f->statistics, "max", engine_str(&rows, 4));
        }
        buf_putc(&f->statistics, '}');
    }
    engine_rows_free(&rows);
    buf_release(&sql);
    return rc;
}

static enum ig_code read_struct(struct converter *c, const struct schema_type *type, struct str path, struct str key,
                                int64_t *left, struct error *err)
{
    enum ig_code rc = IG_OK;

    for (size_t i = 0; i < type->n_fields && *left && !rc; i++) {
        const struct schema_field *f = &type->fields[i];
        struct buf p, k;

        buf_init(&p, 0);
        buf_init(&k, 0);
        buf_printf(&p, STR_FMT "%s%s", STR_ARG(path), path.n ? ", " : "", f->name);
        buf_printf(&k, STR_FMT "%s", STR_ARG(key), key.n ? "." : "");
        engine_add_name(&k, str_of(f->name));
        if (f->type->kind == SCHEMA_STRUCT) {
            rc = read_struct(c, f->type, buf_str(&p), buf_str(&k), left, err);
        } else {
            *left -= *left > 0;
            if (f->type->kind != SCHEMA_ARRAY && f->type->kind != SCHEMA_MAP)
                rc = read_leaf(c, f->type, buf_cstr(&p), buf_cstr(&k), err);
        }
        buf_release(&k);
        buf_release(&p);
    }
    return rc;
}

static enum ig_code read_bounds(struct converter *c, struct error *err)
{
    int64_t left = 32;
    enum ig_code rc;

    for (size_t i = 0; i < c->files.n; i++)
        buf_init(&c->files.p[i].statistics, 0);
    if (c->o->without_stats)
        return IG_OK;
    rc = load_footers(c, err);
    if (!rc)
        rc = read_struct(c, c->schema, (struct str){0}, (struct str){0}, &left, err);
    if (!rc)
        rc = engine_exec(c->t->conn, err, "DROP TABLE IF EXISTS " FOOTERS);
    for (size_t i = 0; i < c->files.n; i++)
        buf_puts(&c->files.p[i].statistics, c->files.p[i].statistics.n ? "}" : "{}");
    return rc;
}

/* --- the commit -------------------------------------------------------------------------------------------------- */

static const char *protocol_of(const struct converter *c)
{
    return c->uses_ntz ? "{\"minReaderVersion\":3,\"minWriterVersion\":7,\"readerFeatures\":[\"timestampNtz\"],"
                         "\"writerFeatures\":[\"timestampNtz\",\"appendOnly\",\"invariants\"]}"
                       : "{\"minReaderVersion\":1,\"minWriterVersion\":2}";
}

static void add_metadata(const struct converter *c, struct buf *out)
{
    struct buf text;
    char id[37];

    buf_init(&text, 0);
    env_uuid(c->t->store->env, id);
    schema_add_json(&text, c->schema);
    buf_printf(out, "{\"id\":\"%s\",\"format\":{\"provider\":\"parquet\",\"options\":{}},\"schemaString\":", id);
    json_add_string(out, buf_str(&text));
    buf_puts(out, ",\"partitionColumns\":");
    lake_add_name_list(out, c->partition_by.p, c->partition_by.n);
    buf_printf(out, ",\"configuration\":{},\"createdTime\":%lld}", (long long)env_now_ms(c->t->store->env));
    buf_release(&text);
}

/* The table as it will be, to make values and statistics for. */
static enum ig_code make_shape(struct converter *c, const char *metadata, struct error *err)
{
    struct lake_chunk *chunk;
    struct buf text;
    enum ig_code rc;

    c->shape = lake_snapshot_new(c->t->store, c->t->path);
    chunk = lake_chunk_new(c->shape);
    buf_init(&text, 0);
    buf_printf(&text, "{\"protocol\":%s}\n{\"metaData\":%s}\n", protocol_of(c), metadata);
    rc = lake_replay_text(c->shape, chunk, arena_str(&chunk->arena, buf_str(&text)), 0, err);
    if (!rc)
        rc = lake_replay_finish(c->shape, err);
    buf_release(&text);
    return rc;
}

static void take_file(const struct converter *c, const struct convert_file *f, struct lake_new_files *out)
{
    struct lake_new_file file = {
        .name = check_strdup(f->name),
        .n_values = c->partition_by.n,
        .size_bytes = f->size_bytes,
        .modified_ms = f->modified_ms,
        .rows = f->rows,
    };
    struct buf stats;

    file.values = check_calloc(c->partition_by.n ? c->partition_by.n : 1, sizeof(*file.values));
    for (size_t i = 0; i < c->partition_by.n; i++)
        file.values[i] = f->values[i] ? check_strdup(f->values[i]) : NULL;
    buf_init(&stats, 0);
    if (c->o->without_stats)
        buf_printf(&stats, "{\"numRecords\":%lld}", (long long)f->rows);
    else
        lake_add_stats(&stats, c->shape, f->rows, buf_str(&f->statistics));
    file.stats = buf_take(&stats);
    vec_push(&out->list, file);
    out->rows += f->rows;
    out->bytes += f->size_bytes;
}

static enum ig_code commit(struct converter *c, struct error *err)
{
    struct lake_change change = {.protocol = protocol_of(c), .operation = "CONVERT"};
    struct lake_new_files files = {0};
    struct buf metadata, parameters, metrics, list;
    enum ig_code rc;

    buf_init(&metadata, 0);
    buf_init(&parameters, 0);
    buf_init(&metrics, 0);
    buf_init(&list, 0);
    add_metadata(c, &metadata);
    rc = make_shape(c, buf_cstr(&metadata), err);
    for (size_t i = 0; i < c->files.n && !rc; i++)
        take_file(c, &c->files.p[i], &files);
    c->out->files = (int64_t)files.list.n;
    c->out->bytes = files.bytes;
    lake_add_name_list(&list, c->partition_by.p, c->partition_by.n);
    buf_printf(&parameters, "{\"numFiles\":\"%zu\",\"partitionedBy\":", c->files.n);
    json_add_string(&parameters, buf_str(&list));
    buf_printf(&parameters, ",\"collectStats\":\"%s\",\"sourceFormat\":\"parquet\"}",
               c->o->without_stats ? "false" : "true");
    buf_printf(&metrics, "{\"numConvertedFiles\":\"%zu\"}", c->files.n);
    change.metadata = buf_cstr(&metadata);
    change.shape = c->shape;
    change.added = &files;
    change.parameters = buf_cstr(&parameters);
    change.metrics = buf_cstr(&metrics);
    if (!rc && !c->o->dry_run)
        rc = lake_commit_first(c->t, &change, &c->out->version, err);
    lake_new_files_free(&files);
    buf_release(&list);
    buf_release(&metrics);
    buf_release(&parameters);
    buf_release(&metadata);
    return rc;
}

static enum ig_code convert(struct converter *c, struct error *err)
{
    IG_TRY(lake_check_free(c->t, err));
    IG_TRY(find_files(c, err));
    IG_TRY(place_files(c, err));
    IG_TRY(convert_schema_make(c, err));
    IG_TRY(read_rows(c, err));
    IG_TRY(read_bounds(c, err));
    return commit(c, err);
}

enum ig_code lake_convert(struct lake_table *t, const struct lake_convert *o, struct lake_converted *out,
                          struct error *err)
{
    struct converter c = {.t = t, .o = o, .out = out};
    enum ig_code rc;

    *out = (struct lake_converted){0};
    arena_init(&c.arena);
    rc = convert(&c, err);
    for (size_t i = 0; i < c.files.n; i++)
        buf_release(&c.files.p[i].statistics);
    lake_snapshot_free(c.shape);
    convert_drop_footers(&c);
    free(c.by_path);
    vec_free(&c.files);
    vec_free(&c.partition_by);
    arena_release(&c.arena);
    return rc ? error_context(err, rc, "convert %s", *t->path ? t->path : t->store->url) : IG_OK;
}
