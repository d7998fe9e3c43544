#include "lake/script_schema.h"

#include <stdlib.h>

#define LIST_MAX 64

struct json_args {
    struct arena arena;
    struct str object;
};

static const char *text_of(struct json_args *j, struct str object, const char *name)
{
    const char *out = NULL;
    struct buf text;

    buf_init(&text, 0);
    if (json_member_string(object, name, &text))
        out = arena_strndup(&j->arena, buf_cstr(&text), text.n);
    buf_release(&text);
    return out;
}

static bool is_true(struct str object, const char *name)
{
    struct json_value v;

    return json_member(object, name, &v) && v.type == JSON_TRUE;
}

static int64_t number_of(struct str object, const char *name)
{
    int64_t n = 0;

    return json_member_int64(object, name, &n) ? n : 0;
}

static size_t list_of(struct json_args *j, const char *name, const char **out)
{
    struct json_value list, v;
    struct json_reader r;
    struct buf text;
    size_t n = 0;

    if (!json_member(j->object, name, &list) || list.type != JSON_ARRAY)
        return 0;
    buf_init(&text, 0);
    json_reader_init(&r, list.raw);
    json_begin(&r, &v);
    while (json_next_item(&r) && json_read(&r, &v) && n < LIST_MAX) {
        buf_clear(&text);
        json_unescape(&v, &text);
        out[n++] = arena_strndup(&j->arena, buf_cstr(&text), text.n);
    }
    buf_release(&text);
    return n;
}

static size_t columns_of(struct json_args *j, struct lake_column *out)
{
    struct json_value list, v;
    struct json_reader r;
    size_t n = 0;

    if (!json_member(j->object, "columns", &list) || list.type != JSON_ARRAY)
        return 0;
    json_reader_init(&r, list.raw);
    json_begin(&r, &v);
    while (json_next_item(&r) && json_read(&r, &v) && n < LIST_MAX) {
        out[n++] = (struct lake_column){
            .name = text_of(j, v.raw, "name"),
            .type = text_of(j, v.raw, "type"),
            .not_null = is_true(v.raw, "not_null"),
            .comment = text_of(j, v.raw, "comment"),
            .generated = text_of(j, v.raw, "generated"),
            .initial = text_of(j, v.raw, "default"),
            .identity = is_true(v.raw, "identity"),
            .by_default = is_true(v.raw, "by_default"),
            .start = number_of(v.raw, "start"),
            .step = number_of(v.raw, "step"),
            .after = text_of(j, v.raw, "after"),
        };
    }
    return n;
}

static size_t properties_of(struct json_args *j, struct lake_property *out)
{
    struct json_value list, key, v;
    struct json_reader r;
    struct buf text;
    size_t n = 0;

    if (!json_member(j->object, "properties", &list) || list.type != JSON_OBJECT)
        return 0;
    buf_init(&text, 0);
    json_reader_init(&r, list.raw);
    json_begin(&r, &v);
    while (json_next_key(&r, &key) && json_read(&r, &v) && n < LIST_MAX) {
        buf_clear(&text);
        json_unescape(&key, &text);
        out[n].key = arena_strndup(&j->arena, buf_cstr(&text), text.n);
        buf_clear(&text);
        json_unescape(&v, &text);
        out[n++].value = arena_strndup(&j->arena, buf_cstr(&text), text.n);
    }
    buf_release(&text);
    return n;
}

enum ig_code script_make(struct lake_table *t, const char *select, const char *json, struct error *err)
{
    struct json_args j = {.object = str_of(*json ? json : "{}")};
    const char *partition_by[LIST_MAX], *cluster_by[LIST_MAX];
    struct lake_property properties[LIST_MAX];
    struct lake_column columns[LIST_MAX];
    struct lake_create_options o = {
        .columns = columns, .partition_by = partition_by, .cluster_by = cluster_by, .properties = properties};
    enum ig_code rc;

    arena_init(&j.arena);
    o.n_columns = columns_of(&j, columns);
    o.n_partition_by = list_of(&j, "partition_by", partition_by);
    o.n_cluster_by = list_of(&j, "cluster_by", cluster_by);
    o.n_properties = properties_of(&j, properties);
    o.comment = text_of(&j, j.object, "comment");
    rc = lake_create_table(t, *select ? select : NULL, &o, err);
    arena_release(&j.arena);
    return rc;
}

static const char *const kinds[] = {
    [LAKE_SET_PROPERTIES] = "set",      [LAKE_UNSET_PROPERTIES] = "unset",   [LAKE_ADD_COLUMNS] = "add",
    [LAKE_RENAME_COLUMN] = "rename",    [LAKE_DROP_COLUMNS] = "drop",        [LAKE_CHANGE_TYPE] = "type",
    [LAKE_MOVE_COLUMN] = "move",        [LAKE_SET_NOT_NULL] = "not null",    [LAKE_DROP_NOT_NULL] = "null",
    [LAKE_SET_DEFAULT] = "default",     [LAKE_DROP_DEFAULT] = "no default",  [LAKE_SET_COMMENT] = "comment",
    [LAKE_ADD_CONSTRAINT] = "check",    [LAKE_DROP_CONSTRAINT] = "no check", [LAKE_CLUSTER_BY] = "cluster",
    [LAKE_DROP_FEATURE] = "no feature", [LAKE_ADD_FEATURE] = "feature",      [LAKE_UPGRADE_PROTOCOL] = "protocol",
    [LAKE_SYNC_IDENTITY] = "sync",
};

enum ig_code script_alter(struct lake_table *t, const char *json, struct buf *out, struct error *err)
{
    struct json_args j = {.object = str_of(json)};
    struct lake_property properties[LIST_MAX];
    struct lake_column columns[LIST_MAX];
    struct lake_alteration a = {.columns = columns, .properties = properties};
    int64_t version = -1;
    const char *kind;
    bool found = false;
    enum ig_code rc;

    arena_init(&j.arena);
    kind = text_of(&j, j.object, "alter");
    for (size_t i = 0; kind && i < IG_COUNT(kinds); i++) {
        if (kinds[i] && strcmp(kinds[i], kind) == 0) {
            a.kind = (enum lake_alter_kind)i;
            found = true;
        }
    }
    a.n_columns = columns_of(&j, columns);
    a.n_properties = properties_of(&j, properties);
    a.column = text_of(&j, j.object, "column");
    a.name = text_of(&j, j.object, "name");
    a.text = text_of(&j, j.object, "text");
    a.if_exists = is_true(j.object, "if_exists");
    a.reader = (int)number_of(j.object, "reader");
    a.writer = (int)number_of(j.object, "writer");
    rc = found ? lake_alter(t, &a, &version, err) : error_set(err, IG_INVALID, "alter %s?", kind ? kind : "");
    if (!rc)
        buf_printf(out, "{\"version\":%lld}\n", (long long)version);
    arena_release(&j.arena);
    return rc;
}
