/*
 * Making a table, and giving an existing one the columns that a query has more.
 */
#include "lake/features.h"

#include <stdlib.h>
#include <strings.h>

#define CREATE_TRIES 10

/* Spark and others refuse these in a table without column mapping. */
static enum ig_code check_names(const struct schema_type *type, struct error *err)
{
    for (size_t i = 0; i < type->n_fields; i++) {
        const char *name = type->fields[i].name;

        if (!*name || strpbrk(name, " ,;{}()\n\t="))
            return error_set(err, IG_INVALID, "\"%s\" cannot be a column's name: no blanks and none of ,;{}()=", name);
        if (strncasecmp(name, LAKE_OWN_PREFIX, strlen(LAKE_OWN_PREFIX)) == 0)
            return error_set(err, IG_INVALID, "column %s: names that begin with " LAKE_OWN_PREFIX " are taken", name);
        for (size_t k = 0; k < i; k++)
            if (strcasecmp(type->fields[k].name, name) == 0)
                return error_set(err, IG_INVALID, "two columns are named %s", name);
        if (type->fields[i].type->kind == SCHEMA_STRUCT)
            IG_TRY(check_names(type->fields[i].type, err));
    }
    return IG_OK;
}

static enum ig_code check_partition_columns(const struct schema_type *schema, const char *const *partition_by, size_t n,
                                            struct error *err)
{
    for (size_t i = 0; i < n; i++) {
        const struct schema_field *f = schema_find(schema, str_of(partition_by[i]));

        if (!f)
            return error_set(err, IG_INVALID, "the partition column %s is no column of the query", partition_by[i]);
        if (f->type->kind == SCHEMA_STRUCT || f->type->kind == SCHEMA_ARRAY || f->type->kind == SCHEMA_MAP)
            return error_set(err, IG_INVALID, "column %s is nested, a table cannot be partitioned by it", f->name);
    }
    if (n > 0 && n == schema->n_fields)
        return error_set(err, IG_INVALID, "a table needs a column besides those that it is partitioned by");
    return IG_OK;
}

static void add_metadata(struct env *env, const struct schema_type *schema, const char *const *partition_by, size_t n,
                         struct buf *out)
{
    struct buf text;
    char id[37];

    buf_init(&text, 0);
    env_uuid(env, id);
    schema_add_json(&text, schema);
    buf_printf(out, "{\"id\":\"%s\",\"format\":{\"provider\":\"parquet\",\"options\":{}},\"schemaString\":", id);
    json_add_string(out, buf_str(&text));
    buf_puts(out, ",\"partitionColumns\":[");
    for (size_t i = 0; i < n; i++) {
        buf_puts(out, i ? "," : "");
        json_add_string(out, str_of(schema_find(schema, str_of(partition_by[i]))->name));
    }
    buf_printf(out, "],\"configuration\":{},\"createdTime\":%lld}", (long long)env_now_ms(env));
    buf_release(&text);
}

static enum ig_code create_new(struct lake_table *t, const struct schema_type *schema, const char *const *partition_by,
                               size_t n, struct error *err)
{
    struct lake_change change = {
        .protocol = "{\"minReaderVersion\":1,\"minWriterVersion\":2}",
        .operation = "CREATE TABLE",
    };
    struct buf metadata, parameters, list;
    int64_t version;
    enum ig_code rc;

    IG_TRY(check_names(schema, err));
    IG_TRY(check_partition_columns(schema, partition_by, n, err));
    buf_init(&metadata, 0);
    buf_init(&parameters, 0);
    buf_init(&list, 0);
    add_metadata(t->store->env, schema, partition_by, n, &metadata);
    lake_add_name_list(&list, partition_by, n);
    buf_puts(&parameters, "{\"isManaged\":\"false\",\"description\":null,\"partitionBy\":");
    json_add_string(&parameters, buf_str(&list));
    buf_puts(&parameters, ",\"properties\":\"{}\"}");
    change.metadata = buf_cstr(&metadata);
    change.parameters = buf_cstr(&parameters);
    rc = lake_commit(t, &change, &version, err);
    buf_release(&list);
    buf_release(&parameters);
    buf_release(&metadata);
    return rc;
}

/* The metaData as it is, with another schema. */
static void add_changed_metadata(const struct lake_snapshot *s, const struct schema_type *schema, struct buf *out)
{
    struct json_value key, v;
    struct json_reader r;
    struct buf text;
    bool first = true;

    buf_init(&text, 0);
    schema_add_json(&text, schema);
    json_reader_init(&r, s->metadata.raw);
    json_begin(&r, &v);
    buf_putc(out, '{');
    while (json_next_key(&r, &key) && json_read(&r, &v)) {
        buf_printf(out, "%s\"" STR_FMT "\":", first ? "" : ",", STR_ARG(key.raw));
        if (str_is(key.raw, "schemaString"))
            json_add_string(out, buf_str(&text));
        else if (v.type == JSON_STRING)
            buf_printf(out, "\"" STR_FMT "\"", STR_ARG(v.raw));
        else
            buf_add_str(out, v.raw);
        first = false;
    }
    buf_putc(out, '}');
    buf_release(&text);
}

static enum ig_code add_columns(struct lake_table *t, const struct lake_snapshot *s, struct arena *a,
                                const struct schema_type *have, struct error *err)
{
    struct lake_change change = {.base = s, .scope = LAKE_READ_NOTHING, .operation = "ADD COLUMNS"};
    const struct schema_type *merged = schema_merge(a, s->metadata.schema, have, err);
    struct buf metadata;
    int64_t version;
    enum ig_code rc;

    if (!merged)
        return IG_INVALID;
    if (merged == s->metadata.schema)
        return IG_OK;
    IG_TRY(check_names(merged, err));
    IG_TRY(lake_check_writable(s, false, err));
    buf_init(&metadata, 0);
    add_changed_metadata(s, merged, &metadata);
    change.metadata = buf_cstr(&metadata);
    rc = lake_commit(t, &change, &version, err);
    buf_release(&metadata);
    return rc;
}

static enum ig_code check_same_partitioning(const struct lake_snapshot *s, const char *const *partition_by, size_t n,
                                            struct error *err)
{
    bool same = n == s->metadata.n_partition_columns;

    for (size_t i = 0; i < n && same; i++)
        same = strcasecmp(partition_by[i], s->metadata.partition_columns[i]) == 0;
    if (!same)
        return error_set(err, IG_INVALID, "table %s is partitioned by other columns", s->table_path);
    return IG_OK;
}

enum ig_code lake_create(struct lake_table *t, const char *select, const char *const *partition_by,
                         size_t n_partition_by, struct error *err)
{
    const struct schema_type *have = NULL;
    struct arena arena;
    enum ig_code rc;

    arena_init(&arena);
    rc = schema_of_query(&arena, t->conn, select, &have, err);
    for (int tries = 0; !rc && tries < CREATE_TRIES; tries++) {
        struct lake_snapshot *s = NULL;

        rc = lake_snapshot_latest(t, &s, err);
        IG_ASSERT(rc || s);
        if (rc == IG_NOT_FOUND) {
            schema_find_nulls(&arena, t->conn, select, have, NULL);
            rc = create_new(t, have, partition_by, n_partition_by, err);
        } else if (!rc) {
            schema_find_nulls(&arena, t->conn, select, have, s->metadata.schema);
            rc = check_same_partitioning(s, partition_by, n_partition_by, err);
            if (!rc)
                rc = add_columns(t, s, &arena, have, err);
        }
        lake_snapshot_free(s);
        if (rc != IG_CONFLICT)
            break;
        rc = IG_OK; /* somebody else has made or changed it: look again */
    }
    if (rc)
        error_context(err, rc, "table %s", t->path);
    arena_release(&arena);
    return rc;
}
