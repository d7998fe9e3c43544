#include "lake/write/physical.h"

#include "lake/table/features.h"

#include <stdio.h>

bool lake_has_physical_names(const struct schema_type *type)
{
    for (size_t i = 0; i < type->n_fields; i++)
        if (strcmp(type->fields[i].name, type->fields[i].physical) != 0 ||
            lake_has_physical_names(type->fields[i].type))
            return true;
    return (type->key && lake_has_physical_names(type->key)) ||
           (type->element && lake_has_physical_names(type->element));
}

static void add_renamed(struct buf *sql, const char *value, const struct schema_type *type, int depth);

static void add_struct(struct buf *sql, const char *value, const struct schema_type *type, int depth)
{
    buf_printf(sql, "CASE WHEN %s IS NULL THEN NULL ELSE struct_pack(", value);
    for (size_t i = 0; i < type->n_fields; i++) {
        const struct schema_field *f = &type->fields[i];
        struct buf member;

        buf_init(&member, 0);
        buf_printf(&member, "struct_extract(%s, ", value);
        engine_add_literal(&member, str_of(f->name));
        buf_putc(&member, ')');
        buf_puts(sql, i ? ", " : "");
        engine_add_name(sql, str_of(f->physical));
        buf_puts(sql, " := ");
        add_renamed(sql, buf_cstr(&member), f->type, depth);
        buf_release(&member);
    }
    buf_puts(sql, ") END");
}

static void add_renamed(struct buf *sql, const char *value, const struct schema_type *type, int depth)
{
    char item[24], part[40];

    if (!lake_has_physical_names(type)) {
        buf_puts(sql, value);
        return;
    }
    if (type->kind == SCHEMA_STRUCT) {
        add_struct(sql, value, type, depth);
        return;
    }
    snprintf(item, sizeof(item), "_ingot_y%d", depth);
    if (type->kind == SCHEMA_ARRAY) {
        buf_printf(sql, "list_transform(%s, lambda %s: ", value, item);
        add_renamed(sql, item, type->element, depth + 1);
        buf_putc(sql, ')');
        return;
    }
    buf_printf(sql,
               "CASE WHEN %s IS NULL THEN NULL ELSE map_from_entries(list_transform(map_entries(%s), lambda %s: "
               "struct_pack(\"key\" := ",
               value, value, item);
    snprintf(part, sizeof(part), "%s.key", item);
    add_renamed(sql, part, type->key, depth + 1);
    buf_puts(sql, ", \"value\" := ");
    snprintf(part, sizeof(part), "%s.value", item);
    add_renamed(sql, part, type->element, depth + 1);
    buf_puts(sql, "))) END");
}

void lake_add_physical_rows(struct buf *sql, const struct schema_type *schema, const char *rows, const char *extra)
{
    buf_puts(sql, "SELECT ");
    for (size_t i = 0; i < schema->n_fields; i++) {
        const struct schema_field *f = &schema->fields[i];
        struct buf name;

        buf_init(&name, 0);
        engine_add_name(&name, str_of(f->name));
        buf_puts(sql, i ? ", " : "");
        add_renamed(sql, buf_cstr(&name), f->type, 0);
        buf_puts(sql, " AS ");
        engine_add_name(sql, str_of(f->physical));
        buf_release(&name);
    }
    buf_printf(sql, "%s FROM (%s) AS _ingot_logical", extra ? extra : "", rows);
}

/* --- ids --------------------------------------------------------------------------------------------------- */

static bool add_ids_within(struct buf *sql, const struct schema_type *type, bool first);

/* name: id, or name: {__duckdb_field_id: id, members}. */
static bool add_id(struct buf *sql, const char *name, int64_t id, const struct schema_type *type, bool first)
{
    const size_t before = sql->n;
    bool any = id >= 0;

    buf_puts(sql, first ? "" : ", ");
    engine_add_name(sql, str_of(name));
    if (type->kind <= SCHEMA_DECIMAL) {
        buf_printf(sql, ": %lld", (long long)id);
    } else {
        buf_puts(sql, ": {");
        if (id >= 0)
            buf_printf(sql, "__duckdb_field_id: %lld", (long long)id);
        any = add_ids_within(sql, type, id < 0) || any;
        buf_putc(sql, '}');
    }
    if (!any) {
        sql->n = before;
        sql->p[before] = '\0';
    }
    return any;
}

static bool add_ids_within(struct buf *sql, const struct schema_type *type, bool first)
{
    bool any = false;

    for (size_t i = 0; i < type->n_fields; i++) {
        const struct schema_field *f = &type->fields[i];
        int64_t id = -1;

        if (!json_member_int64(str_of(f->metadata), "delta.columnMapping.id", &id))
            id = -1;
        any = add_id(sql, f->physical, id, f->type, first && !any) || any;
    }
    if (type->kind == SCHEMA_ARRAY && type->element->kind > SCHEMA_DECIMAL)
        any = add_id(sql, "element", -1, type->element, first);
    if (type->kind == SCHEMA_MAP) {
        if (type->key->kind > SCHEMA_DECIMAL)
            any = add_id(sql, "key", -1, type->key, first);
        if (type->element->kind > SCHEMA_DECIMAL)
            any = add_id(sql, "value", -1, type->element, first && !any) || any;
    }
    return any;
}

bool lake_add_field_ids(struct buf *sql, const struct lake_snapshot *s)
{
    const struct schema_type *schema = s->metadata.schema;
    const bool with_partitions = lake_uses(s, "materializePartitionColumns");
    struct schema_type in_files = *schema;
    VEC(struct schema_field) fields = {0};
    struct buf ids;
    bool any;

    for (size_t i = 0; i < schema->n_fields; i++) {
        bool in_path = false;

        for (size_t k = 0; k < s->metadata.n_partition_columns; k++)
            in_path = in_path || s->metadata.partition_fields[k] == &schema->fields[i];
        if (!in_path || with_partitions)
            vec_push(&fields, schema->fields[i]);
    }
    in_files.fields = fields.p;
    in_files.n_fields = fields.n;
    buf_init(&ids, 0);
    any = add_ids_within(&ids, &in_files, true);
    if (any)
        buf_printf(sql, "{%s}", buf_cstr(&ids));
    buf_release(&ids);
    vec_free(&fields);
    return any;
}
