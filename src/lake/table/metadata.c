#include "lake/table/metadata.h"

#include "lake/write/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* --- JSON objects ------------------------------------------------------------------------------------------ */

static void add_raw(struct buf *out, const struct json_value *v)
{
    if (v->type == JSON_STRING)
        buf_printf(out, "\"" STR_FMT "\"", STR_ARG(v->raw));
    else
        buf_add_str(out, v->raw);
}

const char *lake_object_set(struct arena *a, const char *object, const char *key, const char *raw)
{
    struct json_value name, v;
    struct json_reader r;
    struct buf out;
    const char *text;
    bool first = true, done = false, is_object;

    buf_init(&out, 0);
    json_reader_init(&r, str_of(object));
    is_object = json_begin(&r, &v) && v.type == JSON_OBJECT;
    buf_putc(&out, '{');
    while (is_object && json_next_key(&r, &name) && json_read(&r, &v)) {
        const bool same = json_key_is(&name, str_of(key));

        if (same && (!raw || done))
            continue;
        buf_printf(&out, "%s\"" STR_FMT "\":", first ? "" : ",", STR_ARG(name.raw));
        if (same)
            buf_puts(&out, raw);
        else
            add_raw(&out, &v);
        done = done || same;
        first = false;
    }
    if (raw && !done) {
        buf_puts(&out, first ? "" : ",");
        json_add_string(&out, str_of(key));
        buf_printf(&out, ":%s", raw);
    }
    buf_putc(&out, '}');
    text = arena_strndup(a, buf_cstr(&out), out.n);
    buf_release(&out);
    return text;
}

const char *lake_object_set_text(struct arena *a, const char *object, const char *key, const char *text)
{
    struct buf raw;
    const char *out;

    buf_init(&raw, 0);
    json_add_string(&raw, str_of(text));
    out = lake_object_set(a, object, key, buf_cstr(&raw));
    buf_release(&raw);
    return out;
}

const char *lake_object_set_int64(struct arena *a, const char *object, const char *key, int64_t value)
{
    char raw[24];

    snprintf(raw, sizeof(raw), "%lld", (long long)value);
    return lake_object_set(a, object, key, raw);
}

/* --- a draft ----------------------------------------------------------------------------------------------- */

void lake_draft_init(struct lake_draft *d, struct arena *a, const struct lake_snapshot *base)
{
    *d = (struct lake_draft){.arena = a, .base = base};
    if (!base)
        return;
    d->schema = base->metadata.schema;
    for (size_t i = 0; i < base->metadata.n_properties; i++)
        vec_push(&d->properties, base->metadata.properties[i]);
    d->n_partition_columns = base->metadata.n_partition_columns;
    d->partition_columns = ARENA_ARRAY(a, const char *, d->n_partition_columns ? d->n_partition_columns : 1);
    for (size_t i = 0; i < d->n_partition_columns; i++)
        d->partition_columns[i] = base->metadata.partition_columns[i];
    {
        struct buf text;

        buf_init(&text, 0);
        if (json_member_string(base->metadata.raw, "description", &text))
            d->description = arena_strndup(a, buf_cstr(&text), text.n);
        buf_release(&text);
    }
}

void lake_draft_release(struct lake_draft *d)
{
    vec_free(&d->properties);
    vec_free(&d->features);
    vec_free(&d->domains);
}

const char *lake_draft_property(const struct lake_draft *d, const char *key)
{
    for (size_t i = 0; i < d->properties.n; i++)
        if (strcmp(d->properties.p[i].key, key) == 0)
            return d->properties.p[i].value;
    return NULL;
}

bool lake_draft_is_on(const struct lake_draft *d, const char *key)
{
    const char *value = lake_draft_property(d, key);

    return value && strcasecmp(value, "true") == 0;
}

void lake_draft_set(struct lake_draft *d, const char *key, const char *value)
{
    for (size_t i = 0; i < d->properties.n; i++) {
        if (strcmp(d->properties.p[i].key, key) != 0)
            continue;
        if (value)
            d->properties.p[i].value = arena_strdup(d->arena, value);
        else
            d->properties.p[i] = d->properties.p[--d->properties.n];
        return;
    }
    if (value) {
        const struct lake_property p = {arena_strdup(d->arena, key), arena_strdup(d->arena, value)};

        vec_push(&d->properties, p);
    }
}

void lake_draft_need(struct lake_draft *d, const char *feature)
{
    for (size_t i = 0; i < d->features.n; i++)
        if (strcmp(d->features.p[i], feature) == 0)
            return;
    vec_push(&d->features, arena_strdup(d->arena, feature));
}

bool lake_draft_is_mapped(const struct lake_draft *d)
{
    const char *mode = lake_draft_property(d, "delta.columnMapping.mode");

    return mode && strcasecmp(mode, "none") != 0;
}

/* --- column mapping ---------------------------------------------------------------------------------------- */

struct mapper {
    struct lake_draft *d;
    struct env *env;
    int64_t next;
    bool fresh; /* a new table: physical names are made up; otherwise what is there keeps its name */
};

static void find_max_id(const struct schema_type *type, int64_t *max)
{
    int64_t id;

    for (size_t i = 0; i < type->n_fields; i++) {
        if (json_member_int64(str_of(type->fields[i].metadata), "delta.columnMapping.id", &id) && id > *max)
            *max = id;
        find_max_id(type->fields[i].type, max);
    }
    if (type->key)
        find_max_id(type->key, max);
    if (type->element)
        find_max_id(type->element, max);
}

static const struct schema_type *map_type(struct mapper *m, const struct schema_type *type, bool known);

/* `known`: the column is in the table's files under its own name. */
static void map_field(struct mapper *m, struct schema_field *f, bool known)
{
    struct arena *a = m->d->arena;
    char uuid[37];
    int64_t id;

    if (!json_member_int64(str_of(f->metadata), "delta.columnMapping.id", &id)) {
        const char *physical = f->name;

        if (!known) {
            env_uuid(m->env, uuid);
            physical = arena_printf(a, "col-%s", uuid);
        }
        f->metadata = lake_object_set_int64(a, f->metadata, "delta.columnMapping.id", ++m->next);
        f->metadata = lake_object_set_text(a, f->metadata, "delta.columnMapping.physicalName", physical);
        f->physical = physical;
    }
    f->type = map_type(m, f->type, known);
}

static const struct schema_type *map_type(struct mapper *m, const struct schema_type *type, bool known)
{
    struct schema_type *out;

    if (type->kind <= SCHEMA_DECIMAL)
        return type;
    out = ARENA_NEW(m->d->arena, struct schema_type);
    *out = *type;
    out->fields = ARENA_ARRAY(m->d->arena, struct schema_field, type->n_fields ? type->n_fields : 1);
    for (size_t i = 0; i < type->n_fields; i++) {
        out->fields[i] = type->fields[i];
        map_field(m, &out->fields[i], known);
    }
    if (type->key)
        out->key = map_type(m, type->key, known);
    if (type->element)
        out->element = map_type(m, type->element, known);
    return out;
}

static bool base_is_mapped(const struct lake_draft *d)
{
    return d->base && strcasecmp(lake_property(d->base, "delta.columnMapping.mode", "none"), "none") != 0;
}

/* Every column has an id and a physical name. */
static void map_columns(struct lake_draft *d, struct env *env)
{
    struct mapper m = {.d = d, .env = env, .fresh = !d->base};
    const char *max = lake_draft_property(d, "delta.columnMapping.maxColumnId");
    char text[24];

    if (max)
        (void)!str_to_int64(str_of(max), 0, INT32_MAX, &m.next);
    find_max_id(d->schema, &m.next);
    d->schema = map_type(&m, d->schema, d->base && !base_is_mapped(d));
    snprintf(text, sizeof(text), "%lld", (long long)m.next);
    lake_draft_set(d, "delta.columnMapping.maxColumnId", text);
    lake_draft_need(d, "columnMapping");
}

/* --- features ---------------------------------------------------------------------------------------------- */

static void need_by_type(struct lake_draft *d, const struct schema_type *type)
{
    struct json_value v;

    if (type->kind == SCHEMA_TIMESTAMP_NTZ)
        lake_draft_need(d, "timestampNtz");
    if (type->kind == SCHEMA_VARIANT)
        lake_draft_need(d, "variantType");
    for (size_t i = 0; i < type->n_fields; i++) {
        const struct str metadata = str_of(type->fields[i].metadata);

        if (json_member(metadata, "delta.invariants", &v))
            lake_draft_need(d, "invariants");
        if (json_member(metadata, "delta.generationExpression", &v))
            lake_draft_need(d, "generatedColumns");
        if (json_member(metadata, "delta.identity.start", &v))
            lake_draft_need(d, "identityColumns");
        if (json_member(metadata, "CURRENT_DEFAULT", &v))
            lake_draft_need(d, "allowColumnDefaults");
        need_by_type(d, type->fields[i].type);
    }
    if (type->key)
        need_by_type(d, type->key);
    if (type->element)
        need_by_type(d, type->element);
}

static void need_by_properties(struct lake_draft *d)
{
    size_t n;
    const struct lake_feature *all = lake_features(&n);

    for (size_t i = 0; i < n; i++)
        if (all[i].property && lake_draft_is_on(d, all[i].property) && all[i].writer > 2)
            lake_draft_need(d, all[i].name);
    for (size_t i = 0; i < d->properties.n; i++)
        if (lake_constraint_name(&d->properties.p[i]))
            lake_draft_need(d, "checkConstraints");
    if (lake_draft_is_mapped(d))
        lake_draft_need(d, "columnMapping");
    if (strcasecmp(lake_draft_property(d, "delta.checkpointPolicy") ? lake_draft_property(d, "delta.checkpointPolicy")
                                                                    : "classic",
                   "v2") == 0)
        lake_draft_need(d, "v2Checkpoint");
}

/* The names of the columns that hold row ids once files are written anew. */
static void name_row_columns(struct lake_draft *d, struct env *env)
{
    static const struct {
        const char *key, *prefix;
    } names[] = {{"delta.rowTracking.materializedRowIdColumnName", "_row-id-col-"},
                 {"delta.rowTracking.materializedRowCommitVersionColumnName", "_row-commit-version-col-"}};
    char uuid[37];

    if (!lake_draft_is_on(d, "delta.enableRowTracking"))
        return;
    for (size_t i = 0; i < IG_COUNT(names); i++) {
        if (lake_draft_property(d, names[i].key))
            continue;
        env_uuid(env, uuid);
        lake_draft_set(d, names[i].key, arena_printf(d->arena, "%s%s", names[i].prefix, uuid));
    }
}

/* --- the texts --------------------------------------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct lake_property *)a)->key, ((const struct lake_property *)b)->key);
}

static const char *take(struct arena *a, struct buf *out)
{
    const char *text = arena_strndup(a, buf_cstr(out), out->n);

    buf_release(out);
    return text;
}

static const char *configuration_text(struct lake_draft *d)
{
    struct buf out;

    buf_init(&out, 0);
    buf_putc(&out, '{');
    if (d->properties.n)
        qsort(d->properties.p, d->properties.n, sizeof(*d->properties.p), by_key);
    for (size_t i = 0; i < d->properties.n; i++) {
        buf_puts(&out, i ? "," : "");
        json_add_string(&out, str_of(d->properties.p[i].key));
        buf_putc(&out, ':');
        json_add_string(&out, str_of(d->properties.p[i].value));
    }
    buf_putc(&out, '}');
    return take(d->arena, &out);
}

static const char *new_metadata(struct lake_draft *d, struct env *env)
{
    char id[37];

    env_uuid(env, id);
    return arena_printf(d->arena,
                        "{\"id\":\"%s\",\"format\":{\"provider\":\"parquet\",\"options\":{}},\"schemaString\":\"\","
                        "\"partitionColumns\":[],\"configuration\":{},\"createdTime\":%lld}",
                        id, (long long)env_now_ms(env));
}

static const char *metadata_text(struct lake_draft *d, struct env *env)
{
    struct arena *a = d->arena;
    const char *out =
        d->base ? arena_strndup(a, d->base->metadata.raw.p, d->base->metadata.raw.n) : new_metadata(d, env);
    struct buf text;

    buf_init(&text, 0);
    schema_add_json(&text, d->schema);
    out = lake_object_set_text(a, out, "schemaString", take(a, &text));
    buf_init(&text, 0);
    lake_add_name_list(&text, d->partition_columns, d->n_partition_columns);
    out = lake_object_set(a, out, "partitionColumns", take(a, &text));
    out = lake_object_set(a, out, "configuration", configuration_text(d));
    if (d->description)
        return lake_object_set_text(a, out, "description", d->description);
    return lake_object_set(a, out, "description", NULL);
}

const char *lake_draft_metadata(struct lake_draft *d)
{
    IG_ASSERT(d->base);
    return metadata_text(d, NULL);
}

/* Is the text what the base has, spelling aside? */
static bool says_the_same(struct lake_draft *d)
{
    struct lake_draft same;
    const char *text;

    lake_draft_init(&same, d->arena, d->base);
    text = metadata_text(&same, NULL);
    lake_draft_release(&same);
    return strcmp(text, d->metadata) == 0;
}

enum ig_code lake_draft_finish(struct lake_draft *d, struct env *env, struct error *err)
{
    static const struct lake_protocol first = {.reader = 1, .writer = 2};

    need_by_type(d, d->schema);
    need_by_properties(d);
    if (lake_draft_is_mapped(d))
        map_columns(d, env);
    name_row_columns(d, env);
    d->metadata = metadata_text(d, env);
    if (d->base && says_the_same(d))
        d->metadata = NULL;
    IG_TRY(lake_raise_protocol(d->arena, d->base ? &d->base->protocol : &first, d->features.p, d->features.n, d->reader,
                               d->writer, &d->protocol, err));
    if (!d->base && !d->protocol)
        d->protocol = "{\"minReaderVersion\":1,\"minWriterVersion\":2}";
    return IG_OK;
}

enum ig_code lake_draft_snapshot(const struct lake_draft *d, struct lake_snapshot **out, struct error *err)
{
    struct lake_snapshot *s = d->base ? lake_snapshot_copy(d->base) : NULL;
    struct lake_chunk *chunk;

    IG_ASSERT(s);
    *out = s;
    chunk = lake_chunk_new(s);
    if (d->metadata)
        s->metadata = (struct lake_metadata){.raw = arena_str(&chunk->arena, str_of(d->metadata))};
    if (d->protocol)
        s->protocol = (struct lake_protocol){.raw = arena_str(&chunk->arena, str_of(d->protocol))};
    return lake_replay_finish(s, err);
}

/* --- the protocol ------------------------------------------------------------------------------------------ */

struct wanted {
    VEC(const struct lake_feature *) list;
};

static bool has(const struct wanted *w, const struct lake_feature *f)
{
    for (size_t i = 0; i < w->list.n; i++)
        if (w->list.p[i] == f)
            return true;
    return false;
}

/* The feature and what it needs. */
static enum ig_code want(struct wanted *w, const char *name, struct error *err)
{
    const struct lake_feature *f = lake_feature_find(str_of(name));

    if (!f)
        return error_set(err, IG_UNSUPPORTED, "the table feature %s is not known", name);
    if (has(w, f))
        return IG_OK;
    vec_push(&w->list, f);
    return f->needs ? want(w, f->needs, err) : IG_OK;
}

static void add_feature_list(struct buf *out, const char *name, const struct wanted *w, bool readers,
                             const char *const *unknown, size_t n_unknown)
{
    bool first = true;

    buf_printf(out, ",\"%s\":[", name);
    for (size_t i = 0; i < w->list.n; i++) {
        if (readers && !w->list.p[i]->reader)
            continue;
        buf_printf(out, "%s\"%s\"", first ? "" : ",", w->list.p[i]->name);
        first = false;
    }
    for (size_t i = 0; i < n_unknown; i++)
        if (!lake_feature_find(str_of(unknown[i]))) {
            buf_puts(out, first ? "" : ",");
            json_add_string(out, str_of(unknown[i]));
            first = false;
        }
    buf_putc(out, ']');
}

/* Reader 3 or writer 7: lists of all features, also of those that the version before came with. */
static const char *listed_protocol(struct arena *a, const struct lake_protocol *now, struct wanted *w, int reader)
{
    size_t n;
    const struct lake_feature *all = lake_features(&n);
    struct wanted both = {0};
    struct buf out;

    for (size_t i = 0; i < n; i++) {
        const bool unlisted_mapping = all[i].reader == 2 && now->writer < 7 && now->reader < 2;

        if (has(w, &all[i]) || (lake_has(now, &all[i]) && !unlisted_mapping))
            vec_push(&both.list, &all[i]);
    }
    for (size_t i = 0; i < both.list.n; i++)
        if (both.list.p[i]->reader > reader)
            reader = both.list.p[i]->reader;
    buf_init(&out, 0);
    buf_printf(&out, "{\"minReaderVersion\":%d,\"minWriterVersion\":7", reader);
    if (reader == 3)
        add_feature_list(&out, "readerFeatures", &both, true, now->reader_features, now->n_reader_features);
    add_feature_list(&out, "writerFeatures", &both, false, now->writer_features, now->n_writer_features);
    buf_putc(&out, '}');
    vec_free(&both.list);
    return take(a, &out);
}

enum ig_code lake_raise_protocol(struct arena *a, const struct lake_protocol *now, const char *const *features,
                                 size_t n, int reader, int writer, const char **out, struct error *err)
{
    struct wanted all = {0}, missing = {0};
    bool listed = now->writer >= 7 || writer >= 7 || reader >= 3;
    int to_reader = (int)now->reader, to_writer = (int)now->writer;
    enum ig_code rc = IG_OK;

    *out = NULL;
    for (size_t i = 0; i < n && !rc; i++)
        rc = want(&all, features[i], err);
    for (size_t i = 0; i < all.list.n && !rc; i++) {
        const struct lake_feature *f = all.list.p[i];
        const bool readable = f->reader == 0 || now->reader >= 3 || now->reader >= f->reader;

        if (lake_has(now, f) && readable)
            continue;
        vec_push(&missing.list, f);
        listed = listed || f->writer >= 7;
        to_reader = f->reader > to_reader ? f->reader : to_reader;
        to_writer = f->writer > to_writer ? f->writer : to_writer;
    }
    to_reader = reader > to_reader ? reader : to_reader;
    to_writer = writer > to_writer ? writer : to_writer;
    if (!rc && (missing.list.n || to_reader > now->reader || to_writer > now->writer)) {
        if (listed)
            *out = listed_protocol(a, now, &missing, to_reader);
        else
            *out = arena_printf(a, "{\"minReaderVersion\":%d,\"minWriterVersion\":%d}", to_reader, to_writer);
    }
    vec_free(&all.list);
    vec_free(&missing.list);
    return rc;
}
