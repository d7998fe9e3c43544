#include "lake/table/schema.h"

#include <stdlib.h>
#include <strings.h>

#define SCHEMA_DEPTH_MAX 64

static const struct {
    const char *name, *sql;
} primitives[] = {
#define X(kind, name, sql) {name, sql},
    SCHEMA_PRIMITIVES(X)
#undef X
};

const struct schema_field *schema_find(const struct schema_type *type, struct str name)
{
    for (size_t i = 0; i < type->n_fields; i++)
        if (str_eq(str_of(type->fields[i].name), name))
            return &type->fields[i];
    for (size_t i = 0; i < type->n_fields; i++)
        if (strlen(type->fields[i].name) == name.n && strncasecmp(type->fields[i].name, name.p, name.n) == 0)
            return &type->fields[i];
    return NULL;
}

/* --- from a schemaString ----------------------------------------------------------------------------------- */

static enum ig_code parse_type(struct arena *a, const struct json_value *v, int depth, const struct schema_type **out,
                               struct error *err);

/* "decimal(10,2)". */
static bool parse_decimal(struct str name, struct schema_type *type)
{
    const size_t prefix = strlen("decimal(");
    const char *comma = name.n ? memchr(name.p, ',', name.n) : NULL;
    int64_t precision, scale;

    if (!comma || !str_has_prefix(name, "decimal(") || !str_has_suffix(name, ")"))
        return false;
    if (!str_to_int64((struct str){name.p + prefix, (size_t)(comma - name.p) - prefix}, 1, 38, &precision) ||
        !str_to_int64((struct str){comma + 1, name.n - (size_t)(comma - name.p) - 2}, 0, precision, &scale))
        return false;
    *type = (struct schema_type){.kind = SCHEMA_DECIMAL, .precision = (int)precision, .scale = (int)scale};
    return true;
}

static enum ig_code parse_primitive(const struct json_value *v, struct schema_type *type, struct error *err)
{
    for (size_t i = 0; i < IG_COUNT(primitives); i++) {
        if (str_is(v->raw, primitives[i].name)) {
            type->kind = (enum schema_kind)i;
            return IG_OK;
        }
    }
    if (str_is(v->raw, "decimal")) {
        *type = (struct schema_type){.kind = SCHEMA_DECIMAL, .precision = 10};
        return IG_OK;
    }
    if (parse_decimal(v->raw, type))
        return IG_OK;
    return error_set(err, IG_UNSUPPORTED, "the column type \"" STR_FMT "\" is not known", STR_ARG(v->raw));
}

static bool member_is_true(struct str object, const char *name, bool otherwise)
{
    struct json_value v;

    return json_member(object, name, &v) ? v.type == JSON_TRUE : otherwise;
}

static enum ig_code parse_field(struct arena *a, struct str object, int depth, struct schema_field *field,
                                struct error *err)
{
    struct json_value v;
    const char *physical = NULL;

    field->name = json_member_text(a, object, "name");
    if (!field->name || !json_member(object, "type", &v))
        return error_set(err, IG_CORRUPT, "a column of the schema has no name or no type");
    IG_TRY(parse_type(a, &v, depth, &field->type, err));
    field->nullable = member_is_true(object, "nullable", true);
    field->metadata = "{}";
    if (json_member(object, "metadata", &v) && v.type == JSON_OBJECT) {
        field->metadata = arena_strndup(a, v.raw.p, v.raw.n);
        physical = json_member_text(a, v.raw, "delta.columnMapping.physicalName");
    }
    field->physical = physical ? physical : field->name;
    return IG_OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcasecmp(*(const char *const *)a, *(const char *const *)b);
}

/* Neither the engine nor Spark can tell columns apart by their case alone. */
static enum ig_code check_names(const struct schema_type *type, struct error *err)
{
    const char **names = check_calloc(type->n_fields + 1, sizeof(*names));
    enum ig_code rc = IG_OK;

    for (size_t i = 0; i < type->n_fields; i++)
        names[i] = type->fields[i].name;
    qsort(names, type->n_fields, sizeof(*names), compare_names);
    for (size_t i = 1; i < type->n_fields && !rc; i++)
        if (strcasecmp(names[i - 1], names[i]) == 0)
            rc = strcmp(names[i - 1], names[i]) == 0
                     ? error_set(err, IG_CORRUPT, "the column %s is in the schema twice", names[i])
                     : error_set(err, IG_UNSUPPORTED, "the columns %s and %s differ only in case", names[i - 1],
                                 names[i]);
    free(names);
    return rc;
}

static enum ig_code parse_fields(struct arena *a, struct str list, int depth, struct schema_type *type,
                                 struct error *err)
{
    VEC(struct schema_field) fields = {0};
    struct json_reader r;
    struct json_value v;
    enum ig_code rc = IG_OK;

    json_reader_init(&r, list);
    if (!json_begin(&r, &v) || v.type != JSON_ARRAY)
        return error_set(err, IG_CORRUPT, "the fields of a schema are no list");
    while (!rc && json_next_item(&r) && json_read(&r, &v)) {
        struct schema_field field = {0};

        rc = parse_field(a, v.raw, depth, &field, err);
        vec_push(&fields, field);
    }
    if (!rc) {
        type->n_fields = fields.n;
        type->fields = ARENA_ARRAY(a, struct schema_field, fields.n ? fields.n : 1);
        if (fields.n)
            memcpy(type->fields, fields.p, fields.n * sizeof(*fields.p));
        rc = check_names(type, err);
    }
    vec_free(&fields);
    return rc;
}

static enum ig_code parse_nested(struct arena *a, struct str object, int depth, struct schema_type *type,
                                 struct error *err)
{
    struct json_value kind, v;

    if (!json_member(object, "type", &kind))
        return error_set(err, IG_CORRUPT, "a type of the schema has no name");
    if (str_is(kind.raw, "struct") && json_member(object, "fields", &v)) {
        type->kind = SCHEMA_STRUCT;
        return parse_fields(a, v.raw, depth, type, err);
    }
    if (str_is(kind.raw, "array") && json_member(object, "elementType", &v)) {
        type->kind = SCHEMA_ARRAY;
        type->element_nullable = member_is_true(object, "containsNull", true);
        return parse_type(a, &v, depth, &type->element, err);
    }
    if (str_is(kind.raw, "map") && json_member(object, "keyType", &v)) {
        type->kind = SCHEMA_MAP;
        type->element_nullable = member_is_true(object, "valueContainsNull", true);
        IG_TRY(parse_type(a, &v, depth, &type->key, err));
        if (json_member(object, "valueType", &v))
            return parse_type(a, &v, depth, &type->element, err);
    }
    return error_set(err, IG_UNSUPPORTED, "the column type \"" STR_FMT "\" is not known", STR_ARG(kind.raw));
}

static enum ig_code parse_type(struct arena *a, const struct json_value *v, int depth, const struct schema_type **out,
                               struct error *err)
{
    struct schema_type *type = ARENA_NEW(a, struct schema_type);

    *out = type;
    if (depth > SCHEMA_DEPTH_MAX)
        return error_set(err, IG_UNSUPPORTED, "the schema is nested more than %d deep", SCHEMA_DEPTH_MAX);
    if (v->type == JSON_STRING)
        return parse_primitive(v, type, err);
    if (v->type == JSON_OBJECT)
        return parse_nested(a, v->raw, depth + 1, type, err);
    return error_set(err, IG_CORRUPT, "a type of the schema is neither a name nor an object");
}

enum ig_code schema_of_json(struct arena *a, struct str json, const struct schema_type **out, struct error *err)
{
    struct json_reader r;
    struct json_value v;

    json_reader_init(&r, json);
    if (!json_read(&r, &v) || !json_end(&r))
        return error_set(err, IG_CORRUPT, "the schema is no JSON: %s at byte %zu", r.problem ? r.problem : "text",
                         r.at);
    IG_TRY(parse_type(a, &v, 0, out, err));
    if ((*out)->kind != SCHEMA_STRUCT)
        return error_set(err, IG_CORRUPT, "the schema is no struct");
    return IG_OK;
}

/* --- as JSON and SQL --------------------------------------------------------------------------------------- */

static void add_field_json(struct buf *out, const struct schema_field *f)
{
    buf_puts(out, "{\"name\":");
    json_add_string(out, str_of(f->name));
    buf_puts(out, ",\"type\":");
    schema_add_json(out, f->type);
    buf_printf(out, ",\"nullable\":%s,\"metadata\":%s}", f->nullable ? "true" : "false", f->metadata);
}

void schema_add_json(struct buf *out, const struct schema_type *type)
{
    const char *with_null = type->element_nullable ? "true" : "false";

    switch (type->kind) {
    case SCHEMA_DECIMAL:
        buf_printf(out, "\"decimal(%d,%d)\"", type->precision, type->scale);
        break;
    case SCHEMA_STRUCT:
        buf_puts(out, "{\"type\":\"struct\",\"fields\":[");
        for (size_t i = 0; i < type->n_fields; i++) {
            buf_puts(out, i ? "," : "");
            add_field_json(out, &type->fields[i]);
        }
        buf_puts(out, "]}");
        break;
    case SCHEMA_ARRAY:
        buf_puts(out, "{\"type\":\"array\",\"elementType\":");
        schema_add_json(out, type->element);
        buf_printf(out, ",\"containsNull\":%s}", with_null);
        break;
    case SCHEMA_MAP:
        buf_puts(out, "{\"type\":\"map\",\"keyType\":");
        schema_add_json(out, type->key);
        buf_puts(out, ",\"valueType\":");
        schema_add_json(out, type->element);
        buf_printf(out, ",\"valueContainsNull\":%s}", with_null);
        break;
    default:
        buf_printf(out, "\"%s\"", primitives[type->kind].name);
        break;
    }
}

void schema_add_sql(struct buf *out, const struct schema_type *type)
{
    switch (type->kind) {
    case SCHEMA_DECIMAL:
        buf_printf(out, "DECIMAL(%d,%d)", type->precision, type->scale);
        break;
    case SCHEMA_STRUCT:
        buf_puts(out, "STRUCT(");
        for (size_t i = 0; i < type->n_fields; i++) {
            buf_puts(out, i ? ", " : "");
            engine_add_name(out, str_of(type->fields[i].name));
            buf_putc(out, ' ');
            schema_add_sql(out, type->fields[i].type);
        }
        buf_putc(out, ')');
        break;
    case SCHEMA_ARRAY:
        schema_add_sql(out, type->element);
        buf_puts(out, "[]");
        break;
    case SCHEMA_MAP:
        buf_puts(out, "MAP(");
        schema_add_sql(out, type->key);
        buf_puts(out, ", ");
        schema_add_sql(out, type->element);
        buf_putc(out, ')');
        break;
    default:
        buf_puts(out, primitives[type->kind].sql);
        break;
    }
}

/* --- from a query ------------------------------------------------------------------------------------------ */

static const struct {
    duckdb_type from;
    struct schema_type to;
} of_engine[] = {
    {DUCKDB_TYPE_BOOLEAN, {.kind = SCHEMA_BOOLEAN}},
    {DUCKDB_TYPE_TINYINT, {.kind = SCHEMA_BYTE}},
    {DUCKDB_TYPE_SMALLINT, {.kind = SCHEMA_SHORT}},
    {DUCKDB_TYPE_INTEGER, {.kind = SCHEMA_INTEGER}},
    {DUCKDB_TYPE_BIGINT, {.kind = SCHEMA_LONG}},
    {DUCKDB_TYPE_UTINYINT, {.kind = SCHEMA_SHORT}},
    {DUCKDB_TYPE_USMALLINT, {.kind = SCHEMA_INTEGER}},
    {DUCKDB_TYPE_UINTEGER, {.kind = SCHEMA_LONG}},
    {DUCKDB_TYPE_UBIGINT, {.kind = SCHEMA_DECIMAL, .precision = 20}},
    {DUCKDB_TYPE_HUGEINT, {.kind = SCHEMA_LONG}},
    {DUCKDB_TYPE_UHUGEINT, {.kind = SCHEMA_DECIMAL, .precision = 38}},
    {DUCKDB_TYPE_FLOAT, {.kind = SCHEMA_FLOAT}},
    {DUCKDB_TYPE_DOUBLE, {.kind = SCHEMA_DOUBLE}},
    {DUCKDB_TYPE_VARCHAR, {.kind = SCHEMA_STRING}},
    {DUCKDB_TYPE_SQLNULL, {.kind = SCHEMA_STRING, .untyped = true}},
    {DUCKDB_TYPE_ENUM, {.kind = SCHEMA_STRING}},
    {DUCKDB_TYPE_UUID, {.kind = SCHEMA_STRING}},
    {DUCKDB_TYPE_TIME, {.kind = SCHEMA_STRING}},
    {DUCKDB_TYPE_TIME_TZ, {.kind = SCHEMA_STRING}},
    {DUCKDB_TYPE_TIME_NS, {.kind = SCHEMA_STRING}},
    {DUCKDB_TYPE_INTERVAL, {.kind = SCHEMA_STRING}},
    {DUCKDB_TYPE_BIT, {.kind = SCHEMA_STRING}},
    {DUCKDB_TYPE_BIGNUM, {.kind = SCHEMA_STRING}},
    {DUCKDB_TYPE_BLOB, {.kind = SCHEMA_BINARY}},
    {DUCKDB_TYPE_DATE, {.kind = SCHEMA_DATE}},
    {DUCKDB_TYPE_TIMESTAMP, {.kind = SCHEMA_TIMESTAMP}},
    {DUCKDB_TYPE_TIMESTAMP_S, {.kind = SCHEMA_TIMESTAMP}},
    {DUCKDB_TYPE_TIMESTAMP_MS, {.kind = SCHEMA_TIMESTAMP}},
    {DUCKDB_TYPE_TIMESTAMP_NS, {.kind = SCHEMA_TIMESTAMP}},
    {DUCKDB_TYPE_TIMESTAMP_TZ, {.kind = SCHEMA_TIMESTAMP}},
};

static enum ig_code of_child(struct arena *a, duckdb_logical_type child, const struct schema_type **out,
                             struct error *err)
{
    const enum ig_code rc = schema_of_engine(a, child, out, err);

    duckdb_destroy_logical_type(&child);
    return rc;
}

static enum ig_code of_struct(struct arena *a, duckdb_logical_type from, struct schema_type *type, struct error *err)
{
    type->kind = SCHEMA_STRUCT;
    type->n_fields = (size_t)duckdb_struct_type_child_count(from);
    type->fields = ARENA_ARRAY(a, struct schema_field, type->n_fields);
    for (size_t i = 0; i < type->n_fields; i++) {
        struct schema_field *f = &type->fields[i];
        char *name = duckdb_struct_type_child_name(from, i);

        *f = (struct schema_field){.name = arena_strdup(a, name), .nullable = true, .metadata = "{}"};
        f->physical = f->name;
        duckdb_free(name);
        IG_TRY(of_child(a, duckdb_struct_type_child_type(from, i), &f->type, err));
    }
    return IG_OK;
}

enum ig_code schema_of_engine(struct arena *a, duckdb_logical_type from, const struct schema_type **out,
                              struct error *err)
{
    struct schema_type *type = ARENA_NEW(a, struct schema_type);
    const duckdb_type id = duckdb_get_type_id(from);

    *out = type;
    type->element_nullable = true;
    switch (id) {
    case DUCKDB_TYPE_DECIMAL:
        type->kind = SCHEMA_DECIMAL;
        type->precision = duckdb_decimal_width(from);
        type->scale = duckdb_decimal_scale(from);
        return IG_OK;
    case DUCKDB_TYPE_STRUCT:
        return of_struct(a, from, type, err);
    case DUCKDB_TYPE_LIST:
        type->kind = SCHEMA_ARRAY;
        return of_child(a, duckdb_list_type_child_type(from), &type->element, err);
    case DUCKDB_TYPE_ARRAY:
        type->kind = SCHEMA_ARRAY;
        return of_child(a, duckdb_array_type_child_type(from), &type->element, err);
    case DUCKDB_TYPE_MAP:
        type->kind = SCHEMA_MAP;
        IG_TRY(of_child(a, duckdb_map_type_key_type(from), &type->key, err));
        return of_child(a, duckdb_map_type_value_type(from), &type->element, err);
    default:
        break;
    }
    for (size_t i = 0; i < IG_COUNT(of_engine); i++) {
        if (of_engine[i].from == id) {
            *type = of_engine[i].to;
            return IG_OK;
        }
    }
    return error_set(err, IG_UNSUPPORTED, "a column's type (DuckDB's number %d) has no counterpart in a table",
                     (int)id);
}

enum ig_code schema_of_query(struct arena *a, struct engine_conn *c, const char *select, const struct schema_type **out,
                             struct error *err)
{
    struct schema_type *type = ARENA_NEW(a, struct schema_type);
    struct engine_shape shape;
    struct buf name;
    enum ig_code rc = IG_OK;

    IG_TRY(engine_describe(c, select, &shape, err));
    buf_init(&name, 0);
    type->kind = SCHEMA_STRUCT;
    type->n_fields = shape.n_columns;
    type->fields = ARENA_ARRAY(a, struct schema_field, shape.n_columns ? shape.n_columns : 1);
    for (size_t i = 0; i < shape.n_columns && !rc; i++) {
        struct schema_field *f = &type->fields[i];

        buf_clear(&name);
        engine_shape_name(&shape, i, &name);
        *f = (struct schema_field){.name = arena_strdup(a, buf_cstr(&name)), .nullable = true, .metadata = "{}"};
        f->physical = f->name;
        rc = of_child(a, engine_shape_type(&shape, i), &f->type, err);
        if (rc)
            error_context(err, rc, "column %s", f->name);
    }
    buf_release(&name);
    engine_shape_free(&shape);
    *out = type;
    return rc;
}

/* map_keys takes a map or a NULL without a type, and nothing else. */
static bool is_bare_null(struct engine_conn *c, const char *select, const char *column)
{
    struct engine_shape shape;
    enum ig_code rc;
    struct buf sql;

    buf_init(&sql, 0);
    buf_puts(&sql, "SELECT map_keys(");
    engine_add_name(&sql, str_of(column));
    buf_printf(&sql, ") FROM (%s) AS _ingot_rows", select);
    rc = engine_describe(c, buf_cstr(&sql), &shape, NULL);
    engine_shape_free(&shape);
    buf_release(&sql);
    return rc == IG_OK;
}

void schema_find_nulls(struct arena *a, struct engine_conn *c, const char *select, const struct schema_type *have,
                       const struct schema_type *table)
{
    for (size_t i = 0; i < have->n_fields; i++) {
        struct schema_field *f = &have->fields[i];
        const struct schema_field *known = table ? schema_find(table, str_of(f->name)) : NULL;
        struct schema_type *type;

        if (f->type->kind != SCHEMA_INTEGER || (known && schema_can_hold(known->type, f->type)) ||
            !is_bare_null(c, select, f->name))
            continue;
        type = ARENA_NEW(a, struct schema_type);
        *type = (struct schema_type){.kind = SCHEMA_STRING, .untyped = true};
        f->type = type;
    }
}

/* --- which fits into which --------------------------------------------------------------------------------- */

static int integer_digits(enum schema_kind kind)
{
    switch (kind) {
    case SCHEMA_BYTE:
        return 3;
    case SCHEMA_SHORT:
        return 5;
    case SCHEMA_INTEGER:
        return 10;
    case SCHEMA_LONG:
        return 19;
    default:
        return 0;
    }
}

static bool can_hold_integer(const struct schema_type *to, int digits)
{
    if (to->kind == SCHEMA_DECIMAL)
        return to->precision - to->scale >= digits;
    if (to->kind == SCHEMA_DOUBLE)
        return digits <= 10;
    if (to->kind == SCHEMA_FLOAT)
        return digits <= 5;
    return integer_digits(to->kind) >= digits;
}

bool schema_can_hold(const struct schema_type *to, const struct schema_type *from)
{
    const int digits = integer_digits(from->kind);

    if (from->untyped)
        return true;
    if (digits > 0)
        return can_hold_integer(to, digits);
    if (from->kind == SCHEMA_FLOAT && to->kind == SCHEMA_DOUBLE)
        return true;
    if (from->kind == SCHEMA_TIMESTAMP && to->kind == SCHEMA_TIMESTAMP_NTZ)
        return true;
    if (from->kind != to->kind)
        return false;
    switch (from->kind) {
    case SCHEMA_DECIMAL:
        return to->scale >= from->scale && to->precision - to->scale >= from->precision - from->scale;
    case SCHEMA_ARRAY:
        return schema_can_hold(to->element, from->element);
    case SCHEMA_MAP:
        return schema_can_hold(to->key, from->key) && schema_can_hold(to->element, from->element);
    case SCHEMA_STRUCT:
        for (size_t i = 0; i < from->n_fields; i++) {
            const struct schema_field *f = schema_find(to, str_of(from->fields[i].name));

            if (!f || !schema_can_hold(f->type, from->fields[i].type))
                return false;
        }
        return true;
    default:
        return true;
    }
}
