/*
 * The columns of a folder of Parquet files: of each different shape one file is asked; what they have is put together.
 * A column must have one type in all of them, because no reader converts what the log does not tell of.
 */
#include "lake/maintain/convert.h"

#include <stdlib.h>
#include <strings.h>

/* --- from the engine's types ----------------------------------------------------------------------------------- */

static bool is_taken(duckdb_type id)
{
    switch (id) {
    case DUCKDB_TYPE_BOOLEAN:
    case DUCKDB_TYPE_TINYINT:
    case DUCKDB_TYPE_SMALLINT:
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_BIGINT:
    case DUCKDB_TYPE_UTINYINT:
    case DUCKDB_TYPE_USMALLINT:
    case DUCKDB_TYPE_UINTEGER:
    case DUCKDB_TYPE_UBIGINT:
    case DUCKDB_TYPE_FLOAT:
    case DUCKDB_TYPE_DOUBLE:
    case DUCKDB_TYPE_VARCHAR:
    case DUCKDB_TYPE_BLOB:
    case DUCKDB_TYPE_DATE:
    case DUCKDB_TYPE_TIMESTAMP:
    case DUCKDB_TYPE_TIMESTAMP_TZ:
    case DUCKDB_TYPE_DECIMAL:
    case DUCKDB_TYPE_LIST:
    case DUCKDB_TYPE_STRUCT:
    case DUCKDB_TYPE_MAP:
        return true;
    default:
        return false;
    }
}

/* The type with times as they are in the file: those without a zone timestamp_ntz. NULL if Delta has no such type. */
static const struct schema_type *exact_type(struct arena *a, duckdb_logical_type from, const struct schema_type *type,
                                            bool ntz)
{
    const duckdb_type id = duckdb_get_type_id(from);
    struct schema_type *out = ARENA_NEW(a, struct schema_type);
    duckdb_logical_type child;

    if (!is_taken(id))
        return NULL;
    *out = *type;
    if (id == DUCKDB_TYPE_TIMESTAMP && ntz)
        out->kind = SCHEMA_TIMESTAMP_NTZ;
    if (id == DUCKDB_TYPE_LIST || id == DUCKDB_TYPE_MAP) {
        child = id == DUCKDB_TYPE_LIST ? duckdb_list_type_child_type(from) : duckdb_map_type_value_type(from);
        out->element = exact_type(a, child, type->element, ntz);
        duckdb_destroy_logical_type(&child);
        if (!out->element)
            return NULL;
    }
    if (id == DUCKDB_TYPE_MAP) {
        child = duckdb_map_type_key_type(from);
        out->key = exact_type(a, child, type->key, ntz);
        duckdb_destroy_logical_type(&child);
        return out->key ? out : NULL;
    }
    if (id != DUCKDB_TYPE_STRUCT)
        return out;
    out->fields = ARENA_ARRAY(a, struct schema_field, type->n_fields + 1);
    for (size_t i = 0; i < type->n_fields; i++) {
        out->fields[i] = type->fields[i];
        child = duckdb_struct_type_child_type(from, i);
        out->fields[i].type = exact_type(a, child, type->fields[i].type, ntz);
        duckdb_destroy_logical_type(&child);
        if (!out->fields[i].type)
            return NULL;
    }
    return out;
}

static bool mentions_ntz(const struct schema_type *type)
{
    if (type->kind == SCHEMA_TIMESTAMP_NTZ)
        return true;
    for (size_t i = 0; i < type->n_fields; i++)
        if (mentions_ntz(type->fields[i].type))
            return true;
    return (type->element && mentions_ntz(type->element)) || (type->key && mentions_ntz(type->key));
}

static enum ig_code refuse_type(duckdb_logical_type type, const struct convert_file *f, const char *column,
                                struct error *err)
{
    (void)type;
    return error_set(err, IG_INVALID,
                     "%s: column %s has a type that Delta does not have (a time of day, nanoseconds, an interval, ...)",
                     f->name, column);
}

/* The columns of one file. `int96`: its times are the old ones, which are in UTC. */
static enum ig_code read_shape(struct converter *c, const struct convert_file *f, bool int96,
                               const struct schema_type **out, struct error *err)
{
    struct schema_type *type = ARENA_NEW(&c->arena, struct schema_type);
    const struct schema_type *rough = NULL;
    struct engine_shape shape = {0};
    struct buf sql;
    enum ig_code rc;

    buf_init(&sql, 0);
    buf_puts(&sql, "SELECT * FROM read_parquet(");
    lake_add_path_literal(&sql, str_of(f->path));
    buf_puts(&sql, ", hive_partitioning = false)");
    rc = engine_describe(c->t->conn, buf_cstr(&sql), &shape, err);
    if (!rc)
        rc = schema_of_query(&c->arena, c->t->conn, buf_cstr(&sql), &rough, err);
    if (rc)
        error_context(err, rc, "%s", f->name);
    *type = (struct schema_type){.kind = SCHEMA_STRUCT};
    type->fields = ARENA_ARRAY(&c->arena, struct schema_field, rc ? 1 : rough->n_fields + 1);
    for (size_t i = 0; !rc && i < rough->n_fields; i++) {
        duckdb_logical_type logical = engine_shape_type(&shape, i);
        struct schema_field field = rough->fields[i];

        field.type = exact_type(&c->arena, logical, field.type, !int96 && !c->o->naive_is_utc);
        if (!field.type)
            rc = refuse_type(logical, f, field.name, err);
        duckdb_destroy_logical_type(&logical);
        type->fields[type->n_fields++] = field;
    }
    engine_shape_free(&shape);
    buf_release(&sql);
    *out = type;
    return rc;
}

/* --- putting them together ------------------------------------------------------------------------------------- */

/* Are the types of what both have the same? */
static bool agrees(const struct schema_type *a, const struct schema_type *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case SCHEMA_DECIMAL:
        return a->precision == b->precision && a->scale == b->scale;
    case SCHEMA_ARRAY:
        return agrees(a->element, b->element);
    case SCHEMA_MAP:
        return agrees(a->key, b->key) && agrees(a->element, b->element);
    case SCHEMA_STRUCT:
        for (size_t i = 0; i < b->n_fields; i++) {
            const struct schema_field *f = schema_find(a, str_of(b->fields[i].name));

            if (f && !agrees(f->type, b->fields[i].type))
                return false;
        }
        return true;
    default:
        return true;
    }
}

static enum ig_code merge_shape(struct converter *c, const struct schema_type *shape, const struct convert_file *f,
                                struct error *err)
{
    if (!c->schema) {
        c->schema = shape;
        return IG_OK;
    }
    for (size_t i = 0; i < shape->n_fields; i++) {
        const struct schema_field *have = schema_find(c->schema, str_of(shape->fields[i].name));
        struct buf is, was;

        if (!have || agrees(have->type, shape->fields[i].type))
            continue;
        buf_init(&is, 0);
        buf_init(&was, 0);
        schema_add_sql(&is, shape->fields[i].type);
        schema_add_sql(&was, have->type);
        error_set(err, IG_INVALID, "%s: column %s is %s, in other files it is %s", f->name, have->name, buf_cstr(&is),
                  buf_cstr(&was));
        buf_release(&was);
        buf_release(&is);
        return IG_INVALID;
    }
    c->schema = schema_merge(&c->arena, c->schema, shape, err);
    return c->schema ? IG_OK : error_context(err, IG_INVALID, "%s", f->name);
}

static enum ig_code read_shapes(struct converter *c, struct error *err)
{
    struct engine_rows rows = {0};
    struct buf sql;
    enum ig_code rc;

    buf_init(&sql, 0);
    buf_puts(
        &sql,
        "SELECT min(file_name), any_value(int96) FROM (SELECT file_name, bool_or(type = 'INT96') AS int96, "
        "string_agg(concat_ws('|', name, type, duckdb_type, num_children, repetition_type, logical_type), ';' ORDER "
        "BY column_id) AS shape FROM parquet_schema(");
    convert_add_paths(c, &sql);
    buf_puts(&sql, ") GROUP BY file_name) GROUP BY shape ORDER BY 1");
    rc = engine_query(c->t->conn, buf_cstr(&sql), &rows, err);
    while (!rc && engine_next(&rows)) {
        const struct convert_file *f = convert_find(c, engine_str(&rows, 0));
        const struct schema_type *shape = NULL;

        if (!f)
            rc = error_set(err, IG_CORRUPT, "the engine calls a file " STR_FMT, STR_ARG(engine_str(&rows, 0)));
        else
            rc = read_shape(c, f, engine_int64(&rows, 1) != 0, &shape, err);
        if (!rc)
            rc = merge_shape(c, shape, f, err);
    }
    engine_rows_free(&rows);
    buf_release(&sql);
    return rc;
}

/* --- partition columns ----------------------------------------------------------------------------------------- */

/* "7", "-12", "0"; not "07" or "1e3", whose text would be lost. */
static bool is_plain_integer(const char *text)
{
    int64_t n;

    if (!str_to_int64(str_of(text), INT64_MIN, INT64_MAX, &n))
        return false;
    text += *text == '-';
    return *text != '+' && (*text != '0' || !text[1]);
}

static const char *guess_type(const struct converter *c, size_t k)
{
    bool dates = true, integers = true, any = false;
    int32_t days;

    for (size_t i = 0; i < c->files.n; i++) {
        const char *value = c->files.p[i].values[k];

        if (!value)
            continue;
        any = true;
        dates = dates && strlen(value) == 10 && date_parse(str_of(value), &days);
        integers = integers && is_plain_integer(value);
    }
    return any && dates ? "DATE" : any && integers ? "BIGINT" : "VARCHAR";
}

static enum ig_code check_values(struct converter *c, size_t k, const char *type, struct error *err)
{
    enum ig_code rc = IG_OK;
    struct buf sql;

    for (size_t i = 0; i < c->files.n && !rc; i++) {
        int64_t fits = 1;

        if (!c->files.p[i].values[k] ||
            (i && c->files.p[i - 1].values[k] && strcmp(c->files.p[i].values[k], c->files.p[i - 1].values[k]) == 0))
            continue;
        buf_init(&sql, 0);
        buf_puts(&sql, "SELECT (TRY_CAST(");
        engine_add_literal(&sql, str_of(c->files.p[i].values[k]));
        buf_printf(&sql, " AS %s) IS NOT NULL)::INTEGER", type);
        rc = engine_query_int64(c->t->conn, buf_cstr(&sql), &fits, err);
        if (!rc && !fits)
            rc = error_set(err, IG_INVALID, "%s: %s is no %s", c->files.p[i].name, c->files.p[i].values[k], type);
        buf_release(&sql);
    }
    return rc;
}

static enum ig_code partition_type(struct converter *c, size_t k, const struct schema_type **out, struct error *err)
{
    const struct schema_type *row = NULL;
    const char *type = NULL;
    struct buf sql;
    enum ig_code rc;

    for (size_t i = 0; i < c->o->n_partition_types; i++)
        if (strcasecmp(c->o->partition_types[i].key, c->partition_by.p[k]) == 0)
            type = c->o->partition_types[i].value;
    if (type)
        IG_TRY(check_values(c, k, type, err));
    else
        type = guess_type(c, k);
    buf_init(&sql, 0);
    buf_printf(&sql, "SELECT CAST(NULL AS %s) AS c", type);
    rc = schema_of_query(&c->arena, c->t->conn, buf_cstr(&sql), &row, err);
    if (!rc)
        *out = row->fields[0].type;
    buf_release(&sql);
    return rc ? error_context(err, rc, "partition column %s", c->partition_by.p[k]) : IG_OK;
}

/* Behind the columns of the files; one that is in the files, too, is the folder's. */
static enum ig_code add_partition_columns(struct converter *c, struct error *err)
{
    struct schema_type *all = ARENA_NEW(&c->arena, struct schema_type);

    *all = *c->schema;
    all->fields = ARENA_ARRAY(&c->arena, struct schema_field, c->schema->n_fields + c->partition_by.n + 1);
    all->n_fields = 0;
    for (size_t i = 0; i < c->schema->n_fields; i++) {
        bool partition = false;

        for (size_t k = 0; k < c->partition_by.n; k++)
            partition = partition || strcasecmp(c->partition_by.p[k], c->schema->fields[i].name) == 0;
        if (!partition)
            all->fields[all->n_fields++] = c->schema->fields[i];
    }
    if (all->n_fields == 0)
        return error_set(err, IG_INVALID, "a table needs a column besides those that it is partitioned by");
    for (size_t k = 0; k < c->partition_by.n; k++) {
        struct schema_field f = {
            .name = c->partition_by.p[k], .physical = c->partition_by.p[k], .nullable = true, .metadata = "{}"};

        IG_TRY(partition_type(c, k, &f.type, err));
        all->fields[all->n_fields++] = f;
    }
    c->schema = all;
    return IG_OK;
}

static enum ig_code check_names(const struct schema_type *type, struct error *err)
{
    for (size_t i = 0; i < type->n_fields; i++) {
        const char *name = type->fields[i].name;

        if (!*name || strpbrk(name, " ,;{}()\n\t="))
            return error_set(err, IG_INVALID, "\"%s\" cannot be a column's name: no blanks and none of ,;{}()=", name);
        for (size_t k = 0; k < i; k++)
            if (strcasecmp(type->fields[k].name, name) == 0)
                return error_set(err, IG_INVALID, "two columns are named %s", name);
        if (type->fields[i].type->kind == SCHEMA_STRUCT)
            IG_TRY(check_names(type->fields[i].type, err));
    }
    return IG_OK;
}

enum ig_code convert_schema_make(struct converter *c, struct error *err)
{
    IG_TRY(read_shapes(c, err));
    IG_TRY(add_partition_columns(c, err));
    c->uses_ntz = mentions_ntz(c->schema);
    return check_names(c->schema, err);
}
