#include "lake/read/mapping.h"

#include "lake/read/dv.h"
#include "lake/table/features.h"
#include "lake/table/row_ids.h"

#include <strings.h>

enum lake_mapping lake_mapping_of(const struct lake_snapshot *s)
{
    const char *mode = lake_property(s, "delta.columnMapping.mode", "none");

    if (!lake_has(&s->protocol, lake_feature_find(STR("columnMapping"))))
        return LAKE_MAPPING_NONE;
    if (strcasecmp(mode, "name") == 0)
        return LAKE_MAPPING_NAME;
    return strcasecmp(mode, "id") == 0 ? LAKE_MAPPING_ID : LAKE_MAPPING_NONE;
}

/* --- physical names ---------------------------------------------------------------------------------------- */

/* Fields are made by schema.c in the snapshot's own arena: they are only const to those who look at them later. */
static struct schema_field *fields_of(const struct schema_type *type)
{
    return type->fields;
}

static void forget_physical_names(const struct schema_type *type)
{
    if (!type)
        return;
    for (size_t i = 0; i < type->n_fields; i++) {
        fields_of(type)[i].physical = type->fields[i].name;
        forget_physical_names(type->fields[i].type);
    }
    forget_physical_names(type->key);
    forget_physical_names(type->element);
}

static bool field_id(const struct schema_field *f, int64_t *id)
{
    return json_member_int64(str_of(f->metadata), "delta.columnMapping.id", id);
}

static enum ig_code check_mapped(const struct schema_type *type, struct error *err)
{
    if (!type)
        return IG_OK;
    for (size_t i = 0; i < type->n_fields; i++) {
        const struct schema_field *f = &type->fields[i];
        struct json_value v;
        int64_t id, other;

        if (!json_member(str_of(f->metadata), "delta.columnMapping.physicalName", &v) || v.type != JSON_STRING ||
            v.raw.n == 0)
            return error_set(err, IG_CORRUPT, "columnMapping: the column %s has no physical name", f->name);
        if (!field_id(f, &id))
            return error_set(err, IG_CORRUPT, "columnMapping: the column %s has no id", f->name);
        for (size_t k = 0; k < i; k++) {
            if (strcasecmp(type->fields[k].physical, f->physical) == 0)
                return error_set(err, IG_CORRUPT, "columnMapping: the columns %s and %s have the same physical name",
                                 type->fields[k].name, f->name);
            if (field_id(&type->fields[k], &other) && other == id)
                return error_set(err, IG_CORRUPT, "columnMapping: the columns %s and %s have the same id",
                                 type->fields[k].name, f->name);
        }
        IG_TRY(check_mapped(f->type, err));
    }
    IG_TRY(check_mapped(type->key, err));
    return check_mapped(type->element, err);
}

enum ig_code lake_mapping_apply(struct lake_snapshot *s, struct error *err)
{
    const char *mode = lake_property(s, "delta.columnMapping.mode", "none");

    if (lake_mapping_of(s) != LAKE_MAPPING_NONE)
        return check_mapped(s->metadata.schema, err);
    if (strcasecmp(mode, "none") != 0 && strcasecmp(mode, "name") != 0 && strcasecmp(mode, "id") != 0)
        return error_set(err, IG_UNSUPPORTED, "the table uses the feature columnMapping in the mode \"%s\"", mode);
    forget_physical_names(s->metadata.schema);
    return IG_OK;
}

/* --- how a column is read ---------------------------------------------------------------------------------- */

static bool any_field(const struct schema_type *type, bool (*is)(const struct schema_type *type))
{
    if (!type)
        return false;
    if (is(type))
        return true;
    for (size_t i = 0; i < type->n_fields; i++)
        if (any_field(type->fields[i].type, is))
            return true;
    return any_field(type->key, is) || any_field(type->element, is);
}

static bool is_variant(const struct schema_type *type)
{
    return type->kind == SCHEMA_VARIANT;
}

static bool is_bytes(const struct schema_type *type)
{
    return type->kind == SCHEMA_BINARY || type->kind == SCHEMA_VARIANT;
}

bool lake_has_binary(const struct schema_type *type)
{
    return any_field(type, is_bytes);
}

static bool is_odd(const struct schema_type *type)
{
    return type->stored != SCHEMA_AS_IS;
}

static bool is_renamed(const struct schema_type *type)
{
    for (size_t i = 0; i < type->n_fields; i++)
        if (strcmp(type->fields[i].name, type->fields[i].physical) != 0)
            return true;
    return false;
}

/* What the engine reads for a column without members. */
static void add_physical_leaf(struct buf *sql, const struct schema_type *type)
{
    if (type->stored == SCHEMA_OTHER_TIME)
        buf_puts(sql, type->kind == SCHEMA_TIMESTAMP ? "TIMESTAMP" : "TIMESTAMPTZ");
    else if (type->stored == SCHEMA_OTHER_TEXT)
        buf_puts(sql, type->kind == SCHEMA_STRING ? "BLOB" : "VARCHAR");
    else
        schema_add_sql(sql, type);
}

/* The type with a file's names in it. */
static void add_physical_type(struct buf *sql, const struct schema_type *type, bool native_variants)
{
    switch (type->kind) {
    case SCHEMA_STRUCT:
        buf_puts(sql, "STRUCT(");
        for (size_t i = 0; i < type->n_fields; i++) {
            buf_puts(sql, i ? ", " : "");
            engine_add_name(sql, str_of(type->fields[i].physical));
            buf_putc(sql, ' ');
            add_physical_type(sql, type->fields[i].type, native_variants);
        }
        buf_putc(sql, ')');
        break;
    case SCHEMA_ARRAY:
        add_physical_type(sql, type->element, native_variants);
        buf_puts(sql, "[]");
        break;
    case SCHEMA_MAP:
        buf_puts(sql, "MAP(");
        add_physical_type(sql, type->key, native_variants);
        buf_puts(sql, ", ");
        add_physical_type(sql, type->element, native_variants);
        buf_putc(sql, ')');
        break;
    case SCHEMA_VARIANT:
        buf_puts(sql, native_variants ? "VARIANT" : "STRUCT(metadata BLOB, \"value\" BLOB)");
        break;
    default:
        add_physical_leaf(sql, type);
        break;
    }
}

/* Columns of the engine's own in a scan; a table's column of such a name is read under another one. */
static void add_read_name(struct buf *sql, const struct schema_field *f, size_t i)
{
    static const char *const own[] = {"file_index", "file_row_number", "filename", "rowid"};

    for (size_t k = 0; k < IG_COUNT(own); k++) {
        if (strcasecmp(f->name, own[k]) == 0) {
            buf_printf(sql, LAKE_OWN_PREFIX "c%zu", i);
            return;
        }
    }
    buf_puts(sql, f->name);
}

static bool is_partition_column(const struct lake_snapshot *s, const char *name)
{
    for (size_t i = 0; i < s->metadata.n_partition_columns; i++)
        if (strcmp(s->metadata.partition_fields[i]->name, name) == 0)
            return true;
    return false;
}

void lake_add_read_schema(const struct lake_snapshot *s, const struct lake_layout *layout, bool row_ids,
                          struct buf *sql)
{
    bool first = true;
    struct buf text;

    buf_init(&text, 0);
    buf_puts(sql, "schema = MAP {");
    for (size_t i = 0; i < layout->schema->n_fields; i++) {
        const struct schema_field *f = &layout->schema->fields[i];

        if (is_partition_column(s, f->name) || f->type->kind == SCHEMA_VOID)
            continue;
        buf_puts(sql, first ? "" : ", ");
        engine_add_literal(sql, str_of(f->physical));
        buf_puts(sql, ": {name: ");
        buf_clear(&text);
        add_read_name(&text, f, i);
        engine_add_literal(sql, buf_str(&text));
        buf_puts(sql, ", type: ");
        buf_clear(&text);
        add_physical_type(&text, f->type, layout->native_variants);
        engine_add_literal(sql, buf_str(&text));
        buf_puts(sql, ", default_value: NULL}");
        first = false;
    }
    /* A table may have nothing but partition columns. */
    if (first)
        buf_puts(sql,
                 "'" LAKE_OWN_PREFIX "none': {name: '" LAKE_OWN_PREFIX "none', type: 'INTEGER', default_value: NULL}");
    if (row_ids)
        lake_add_row_id_schema(sql, s);
    buf_putc(sql, '}');
    buf_release(&text);
}

/* remap_struct's description of where members come from: {'new': 'old', 'new': ('old', {...})}. */
static void add_members(struct buf *sql, const struct schema_type *type);

static void add_member(struct buf *sql, struct str to, struct str from, const struct schema_type *type, bool first)
{
    buf_puts(sql, first ? "" : ", ");
    engine_add_literal(sql, to);
    buf_puts(sql, ": ");
    if (!any_field(type, is_renamed)) {
        engine_add_literal(sql, from);
        return;
    }
    buf_putc(sql, '(');
    engine_add_literal(sql, from);
    buf_puts(sql, ", ");
    add_members(sql, type);
    buf_putc(sql, ')');
}

static void add_members(struct buf *sql, const struct schema_type *type)
{
    buf_putc(sql, '{');
    if (type->kind == SCHEMA_ARRAY) {
        add_member(sql, STR("list"), STR("list"), type->element, true);
    } else if (type->kind == SCHEMA_MAP) {
        add_member(sql, STR("key"), STR("key"), type->key, true);
        add_member(sql, STR("value"), STR("value"), type->element, false);
    } else {
        for (size_t i = 0; i < type->n_fields; i++)
            add_member(sql, str_of(type->fields[i].name), str_of(type->fields[i].physical), type->fields[i].type,
                       i == 0);
    }
    buf_putc(sql, '}');
}

/* A value without members, stored in another way; of NULL it is NULL. */
static bool add_converted(struct buf *sql, const struct schema_type *type, const char *from, bool native_variants)
{
    if (type->kind == SCHEMA_VARIANT && !native_variants)
        buf_printf(sql, "variant_bytes_to_variant(%s.metadata || %s.\"value\")", from, from);
    else if (type->stored == SCHEMA_OTHER_TIME) /* whatever the session's time zone is */
        buf_printf(sql, "timezone('UTC', %s)", from);
    else if (type->stored == SCHEMA_OTHER_TEXT)
        buf_printf(sql, "%s(%s)", type->kind == SCHEMA_STRING ? "decode" : "encode", from);
    else if (type->stored == SCHEMA_LOOSE_NAN) /* the engine cannot see that nothing happens to the value */
        buf_printf(sql, LAKE_OPAQUE "(%s)", from);
    else
        return false;
    return true;
}

/* Each value is taken apart and put together anew. `depth` makes the names unique. */
static void add_rebuilt(struct buf *sql, const struct schema_type *type, const char *from, int depth, bool native)
{
    struct buf inner;

    if (add_converted(sql, type, from, native))
        return;
    if ((native || !any_field(type, is_variant)) && !any_field(type, is_renamed) && !any_field(type, is_odd)) {
        buf_puts(sql, from);
        return;
    }
    buf_init(&inner, 0);
    buf_printf(sql, "CASE WHEN %s IS NOT NULL THEN ", from);
    switch (type->kind) {
    case SCHEMA_STRUCT:
        buf_puts(sql, "struct_pack(");
        for (size_t i = 0; i < type->n_fields; i++) {
            buf_clear(&inner);
            buf_printf(&inner, "%s.", from);
            engine_add_name(&inner, str_of(type->fields[i].physical));
            buf_puts(sql, i ? ", " : "");
            engine_add_name(sql, str_of(type->fields[i].name));
            buf_puts(sql, " := ");
            add_rebuilt(sql, type->fields[i].type, buf_cstr(&inner), depth, native);
        }
        buf_putc(sql, ')');
        break;
    case SCHEMA_ARRAY:
        buf_printf(&inner, LAKE_OWN_PREFIX "e%d", depth);
        buf_printf(sql, "list_transform(%s, lambda %s: ", from, buf_cstr(&inner));
        add_rebuilt(sql, type->element, buf_cstr(&inner), depth + 1, native);
        buf_putc(sql, ')');
        break;
    default: /* a map */
        buf_printf(
            sql,
            "map_from_entries(list_transform(map_entries(%s), lambda " LAKE_OWN_PREFIX "e%d: struct_pack(key := ", from,
            depth);
        buf_printf(&inner, LAKE_OWN_PREFIX "e%d.\"key\"", depth);
        add_rebuilt(sql, type->key, buf_cstr(&inner), depth + 1, native);
        buf_clear(&inner);
        buf_printf(&inner, LAKE_OWN_PREFIX "e%d.\"value\"", depth);
        buf_puts(sql, ", \"value\" := ");
        add_rebuilt(sql, type->element, buf_cstr(&inner), depth + 1, native);
        buf_puts(sql, ")))");
        break;
    }
    buf_puts(sql, " END");
    buf_release(&inner);
}

void lake_add_read_column(const struct lake_layout *layout, size_t i, struct buf *sql)
{
    const struct schema_field *f = &layout->schema->fields[i];
    struct buf text, name;

    if (f->type->kind == SCHEMA_VOID) {
        buf_puts(sql, "NULL::");
        schema_add_sql(sql, f->type);
        return;
    }
    buf_init(&text, 0);
    buf_init(&name, 0);
    buf_puts(&name, "f.");
    add_read_name(&text, f, i);
    engine_add_name(&name, buf_str(&text));
    if ((any_field(f->type, is_variant) && !layout->native_variants) || any_field(f->type, is_odd)) {
        add_rebuilt(sql, f->type, buf_cstr(&name), 0, layout->native_variants);
    } else if (any_field(f->type, is_renamed)) {
        buf_printf(sql, "remap_struct(%s, NULL::", buf_cstr(&name));
        schema_add_sql(sql, f->type);
        buf_puts(sql, ", ");
        add_members(sql, f->type);
        buf_puts(sql, ", NULL)");
    } else {
        buf_puts(sql, buf_cstr(&name));
    }
    buf_release(&name);
    buf_release(&text);
}
