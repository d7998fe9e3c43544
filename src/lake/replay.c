/*
 * Actions, one JSON object a line, applied to a snapshot in the order of the log.
 */
#include "lake/features.h"
#include "lake/mapping.h"

#include <stdlib.h>

/* What one commit, or one checkpoint, may say only once. */
struct replay {
    struct lake_snapshot *s;
    struct lake_chunk *chunk;
    int64_t version;
    bool has_metadata, has_protocol;
    struct buf scratch;
};

/* --- the table of files ------------------------------------------------------------------------------------ */

static uint64_t key_hash(struct str path, struct str dv_id)
{
    return hash_fnv1a(path.p, path.n) ^ (dv_id.n ? hash_fnv1a(dv_id.p, dv_id.n) * 31 : 0);
}

static void slots_rebuild(struct lake_snapshot *s, size_t n_slots)
{
    free(s->slots);
    s->slots = check_calloc(n_slots, sizeof(*s->slots));
    s->n_slots = n_slots;
    for (size_t i = 0; i < s->entries.n; i++) {
        size_t at = key_hash(s->entries.p[i].path, s->entries.p[i].dv_id) & (n_slots - 1);

        while (s->slots[at])
            at = (at + 1) & (n_slots - 1);
        s->slots[at] = (uint32_t)i + 1;
    }
}

/* The entry of a key, made if it is not there. */
static struct lake_entry *entry_of(struct lake_snapshot *s, struct str path, struct str dv_id)
{
    struct lake_entry fresh = {
        .path = path, .dv_id = dv_id, .added_in = -1, .removed_in = -1, .base_row_id = -1, .row_commit_version = -1};
    size_t at;

    if (s->entries.n * 2 >= s->n_slots)
        slots_rebuild(s, s->n_slots ? s->n_slots * 2 : 64);
    at = key_hash(path, dv_id) & (s->n_slots - 1);
    for (; s->slots[at]; at = (at + 1) & (s->n_slots - 1)) {
        struct lake_entry *e = &s->entries.p[s->slots[at] - 1];

        if (str_eq(e->path, path) && str_eq(e->dv_id, dv_id))
            return e;
    }
    vec_push(&s->entries, fresh);
    s->slots[at] = (uint32_t)s->entries.n;
    return &s->entries.p[s->entries.n - 1];
}

const struct lake_entry *lake_snapshot_find(const struct lake_snapshot *s, struct str name, struct str dv_id)
{
    size_t at = s->n_slots ? key_hash(name, dv_id) & (s->n_slots - 1) : 0;

    for (; s->n_slots && s->slots[at]; at = (at + 1) & (s->n_slots - 1)) {
        const struct lake_entry *e = &s->entries.p[s->slots[at] - 1];

        if (str_eq(e->path, name) && str_eq(e->dv_id, dv_id))
            return e->live ? e : NULL;
    }
    return NULL;
}

/* --- one action -------------------------------------------------------------------------------------------- */

static struct str text_of(struct replay *r, const struct json_value *v)
{
    if (!v->escaped)
        return v->raw;
    buf_clear(&r->scratch);
    json_unescape(v, &r->scratch);
    return arena_str(&r->chunk->arena, buf_str(&r->scratch));
}

static bool integer_of(const struct json_value *v, int64_t *out)
{
    return v->type == JSON_NUMBER && str_to_int64(v->raw, INT64_MIN, INT64_MAX, out);
}

/* storageType + pathOrInlineDv + "@" + offset, as the protocol says. */
static struct str dv_id_of(struct replay *r, struct str raw)
{
    int64_t offset;

    if (!raw.n)
        return (struct str){0};
    buf_clear(&r->scratch);
    json_member_string(raw, "storageType", &r->scratch);
    json_member_string(raw, "pathOrInlineDv", &r->scratch);
    if (json_member_int64(raw, "offset", &offset))
        buf_printf(&r->scratch, "@%lld", (long long)offset);
    return arena_str(&r->chunk->arena, buf_str(&r->scratch));
}

/* e->path as the log has it -> as the store has it, with a NUL. */
static enum ig_code decode_path(struct replay *r, struct lake_entry *e, struct error *err)
{
    if (!memchr(e->path.p, '%', e->path.n)) {
        e->path = arena_str(&r->chunk->arena, e->path);
        return IG_OK;
    }
    buf_clear(&r->scratch);
    if (!lake_decode_uri(e->path, &r->scratch))
        return error_set(err, IG_CORRUPT, "the path \"" STR_FMT "\" is not well encoded", STR_ARG(e->path));
    e->path = arena_str(&r->chunk->arena, buf_str(&r->scratch));
    return IG_OK;
}

static enum ig_code read_file_action(struct replay *r, struct json_reader *in, struct lake_entry *e, struct error *err)
{
    struct json_value key, v, path = {0};

    while (json_next_key(in, &key) && json_read(in, &v)) {
        if (v.type == JSON_NULL)
            continue;
        if (str_is(key.raw, "path") && v.type == JSON_STRING)
            path = v;
        else if (str_is(key.raw, "partitionValues") && v.type == JSON_OBJECT)
            e->raw_values = v.raw;
        else if (str_is(key.raw, "size"))
            integer_of(&v, &e->size_bytes);
        else if (str_is(key.raw, "modificationTime"))
            integer_of(&v, &e->modified_ms);
        else if (str_is(key.raw, "deletionTimestamp"))
            integer_of(&v, &e->deleted_ms);
        else if (str_is(key.raw, "stats") && v.type == JSON_STRING)
            e->raw_stats = v.raw;
        else if (str_is(key.raw, "tags") && v.type == JSON_OBJECT)
            e->raw_tags = v.raw;
        else if (str_is(key.raw, "deletionVector") && v.type == JSON_OBJECT)
            e->raw_dv = v.raw;
        else if (str_is(key.raw, "baseRowId"))
            integer_of(&v, &e->base_row_id);
        else if (str_is(key.raw, "defaultRowCommitVersion"))
            integer_of(&v, &e->row_commit_version);
        else if (str_is(key.raw, "clusteringProvider") && v.type == JSON_STRING)
            e->clustering_provider = v.raw;
    }
    if (in->problem)
        return IG_OK; /* told by the caller, with its place */
    if (path.type != JSON_STRING || path.raw.n == 0)
        return error_set(err, IG_CORRUPT, "a file without a path");
    e->raw_path = path.raw;
    e->path = text_of(r, &path);
    e->dv_id = dv_id_of(r, e->raw_dv);
    return decode_path(r, e, err);
}

static enum ig_code add_entry(struct replay *r, struct lake_entry *read, struct error *err)
{
    struct lake_entry *e = entry_of(r->s, read->path, read->dv_id);

    if (r->version >= 0 && e->added_in == r->version)
        return error_set(err, IG_CORRUPT, "the file " STR_FMT " is added twice", STR_ARG(read->path));
    if (!e->live)
        r->s->n_live++;
    read->live = true;
    read->added_in = r->version;
    read->removed_in = e->removed_in;
    *e = *read;
    return IG_OK;
}

static enum ig_code remove_entry(struct replay *r, struct lake_entry *read, struct error *err)
{
    struct lake_entry *e = entry_of(r->s, read->path, read->dv_id);

    if (r->version >= 0 && e->removed_in == r->version)
        return error_set(err, IG_CORRUPT, "the file " STR_FMT " is removed twice", STR_ARG(read->path));
    /* A commit's actions have no order: what it adds is live, even if it says "remove" of the same file behind. */
    if (r->version >= 0 && e->added_in == r->version) {
        e->removed_in = r->version;
        return IG_OK;
    }
    if (e->live)
        r->s->n_live--;
    read->added_in = e->added_in;
    read->removed_in = r->version;
    read->live = false;
    if (!read->raw_values.n)
        read->raw_values = e->raw_values;
    *e = *read;
    return IG_OK;
}

static enum ig_code apply_add(struct replay *r, struct json_reader *in, struct error *err)
{
    struct lake_entry read = {.base_row_id = -1, .row_commit_version = -1};

    IG_TRY(read_file_action(r, in, &read, err));
    return in->problem ? IG_OK : add_entry(r, &read, err);
}

static enum ig_code apply_remove(struct replay *r, struct json_reader *in, struct error *err)
{
    struct lake_entry read = {.base_row_id = -1, .row_commit_version = -1};

    IG_TRY(read_file_action(r, in, &read, err));
    return in->problem ? IG_OK : remove_entry(r, &read, err);
}

/* A text as JSON spells it within quotes. */
static struct str escaped(struct replay *r, struct str text)
{
    if (!text.p)
        return text;
    buf_clear(&r->scratch);
    json_add_string(&r->scratch, text);
    return arena_str(&r->chunk->arena, (struct str){r->scratch.p + 1, r->scratch.n - 2});
}

static struct str object_copy(struct replay *r, struct str object)
{
    return object.n && object.p[0] == '{' ? arena_str(&r->chunk->arena, object) : (struct str){0};
}

enum ig_code lake_replay_file(struct lake_snapshot *s, struct lake_chunk *chunk, const struct lake_file_row *row,
                              struct error *err)
{
    struct replay r = {.s = s, .chunk = chunk, .version = LAKE_REPLAY_CHECKPOINT};
    struct lake_entry read = {
        .size_bytes = row->size_bytes, .base_row_id = row->base_row_id, .row_commit_version = row->row_commit_version};
    enum ig_code rc;

    buf_init(&r.scratch, 0);
    read.modified_ms = row->live ? row->time_ms : 0;
    read.deleted_ms = row->live ? 0 : row->time_ms;
    read.raw_values = object_copy(&r, row->values);
    read.raw_tags = object_copy(&r, row->tags);
    read.raw_dv = object_copy(&r, row->dv);
    read.raw_stats = escaped(&r, row->stats);
    read.clustering_provider = escaped(&r, row->clustering_provider);
    read.raw_path = escaped(&r, row->path);
    read.path = row->path;
    read.dv_id = dv_id_of(&r, read.raw_dv);
    if (row->path.n == 0)
        rc = error_set(err, IG_CORRUPT, "a file without a path");
    else
        rc = decode_path(&r, &read, err);
    if (!rc)
        rc = row->live ? add_entry(&r, &read, err) : remove_entry(&r, &read, err);
    buf_release(&r.scratch);
    return rc;
}

static enum ig_code apply_txn(struct replay *r, struct json_reader *in, struct error *err)
{
    struct lake_txn txn = {.last_updated = -1};
    struct json_value key, v;
    bool has_version = false;

    while (json_next_key(in, &key) && json_read(in, &v)) {
        if (str_is(key.raw, "appId") && v.type == JSON_STRING)
            txn.app_id = text_of(r, &v);
        else if (str_is(key.raw, "version"))
            has_version = integer_of(&v, &txn.version);
        else if (str_is(key.raw, "lastUpdated"))
            integer_of(&v, &txn.last_updated);
    }
    if (!in->problem && (!txn.app_id.p || !has_version))
        return error_set(err, IG_CORRUPT, "a txn without appId or version");
    for (size_t i = 0; i < r->s->txns.n; i++) {
        if (str_eq(r->s->txns.p[i].app_id, txn.app_id)) {
            r->s->txns.p[i] = txn;
            return IG_OK;
        }
    }
    vec_push(&r->s->txns, txn);
    return IG_OK;
}

/* Keeps the object's text, to be read when all is there. */
static enum ig_code apply_metadata(struct replay *r, struct str raw, struct error *err)
{
    if (r->has_metadata)
        return error_set(err, IG_CORRUPT, "two metaData actions");
    r->has_metadata = true;
    r->s->metadata = (struct lake_metadata){.raw = raw};
    return IG_OK;
}

static enum ig_code apply_protocol(struct replay *r, struct str raw, struct error *err)
{
    if (r->has_protocol)
        return error_set(err, IG_CORRUPT, "two protocol actions");
    r->has_protocol = true;
    r->s->protocol = (struct lake_protocol){.raw = raw};
    return IG_OK;
}

static enum ig_code apply_domain(struct replay *r, struct str raw, struct error *err)
{
    struct lake_domain domain = {.raw = raw};
    struct json_value v;

    if (!json_member(raw, "domain", &v) || v.type != JSON_STRING)
        return error_set(err, IG_CORRUPT, "a domainMetadata without a domain");
    domain.name = text_of(r, &v);
    domain.removed = json_member(raw, "removed", &v) && v.type == JSON_TRUE;
    for (size_t i = 0; i < r->s->domains.n; i++) {
        if (str_eq(r->s->domains.p[i].name, domain.name)) {
            r->s->domains.p[i] = domain;
            return IG_OK;
        }
    }
    vec_push(&r->s->domains, domain);
    return IG_OK;
}

static enum ig_code apply_commit_info(struct replay *r, struct str raw, struct error *err)
{
    int64_t ms;

    (void)err;
    r->s->in_commit_ms = json_member_int64(raw, "inCommitTimestamp", &ms) ? ms : -1;
    if (r->s->in_commit_ms >= 0 || json_member_int64(raw, "timestamp", &ms))
        r->s->commit_time_ms = ms;
    return IG_OK;
}

/* Files are read member by member, the rest as a whole; what is not named here has no effect on a reader. */
static const struct {
    const char *name;
    enum ig_code (*stream)(struct replay *r, struct json_reader *in, struct error *err);
    enum ig_code (*whole)(struct replay *r, struct str raw, struct error *err);
} actions[] = {
    {"add", apply_add, NULL},
    {"remove", apply_remove, NULL},
    {"txn", apply_txn, NULL},
    {"metaData", NULL, apply_metadata},
    {"protocol", NULL, apply_protocol},
    {"domainMetadata", NULL, apply_domain},
    {"commitInfo", NULL, apply_commit_info},
};

static enum ig_code apply_member(struct replay *r, struct json_reader *in, struct str name, struct error *err)
{
    struct json_value v;

    for (size_t i = 0; i < IG_COUNT(actions); i++) {
        if (!str_is(name, actions[i].name))
            continue;
        if (actions[i].whole) {
            if (!json_read(in, &v) || v.type == JSON_NULL)
                return IG_OK;
            return actions[i].whole(r, v.raw, err);
        }
        if (!json_begin(in, &v) || v.type == JSON_NULL)
            return IG_OK;
        if (v.type != JSON_OBJECT)
            return error_set(err, IG_CORRUPT, "\"%s\" is no object", actions[i].name);
        return actions[i].stream(r, in, err);
    }
    (void)!json_read(in, &v);
    return IG_OK;
}

static enum ig_code apply_line(struct replay *r, struct str line, struct error *err)
{
    struct json_reader in;
    struct json_value v, key;

    json_reader_init(&in, line);
    if (json_begin(&in, &v) && v.type != JSON_OBJECT)
        return error_set(err, IG_CORRUPT, "no JSON object");
    while (json_next_key(&in, &key))
        IG_TRY(apply_member(r, &in, key.raw, err));
    if (!json_end(&in))
        return error_set(err, IG_CORRUPT, "no JSON: %s at byte %zu", in.problem ? in.problem : "something follows",
                         in.at);
    return IG_OK;
}

enum ig_code lake_replay_text(struct lake_snapshot *s, struct lake_chunk *chunk, struct str text, int64_t version,
                              struct error *err)
{
    struct replay r = {.s = s, .chunk = chunk, .version = version};
    const char *p = text.p, *end = text.p + text.n;
    enum ig_code rc = IG_OK;
    size_t line = 0;

    buf_init(&r.scratch, 0);
    while (p < end && !rc) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        const char *stop = newline ? newline : end;

        line++;
        while (p < stop && (*p == ' ' || *p == '\r' || *p == '\t'))
            p++;
        if (p < stop) {
            rc = apply_line(&r, (struct str){p, (size_t)(stop - p)}, err);
            if (rc)
                error_context(err, rc, "line %zu", line);
        }
        p = stop + 1;
    }
    buf_release(&r.scratch);
    return rc;
}

/* --- what the actions mean --------------------------------------------------------------------------------- */

static const char *string_member(struct arena *a, struct str object, const char *name)
{
    const char *text = NULL;
    struct buf out;

    buf_init(&out, 0);
    if (json_member_string(object, name, &out))
        text = arena_strndup(a, buf_cstr(&out), out.n);
    buf_release(&out);
    return text;
}

static const char **string_list(struct arena *a, struct str object, const char *name, size_t *n)
{
    VEC(const char *) items = {0};
    struct json_value list, v;
    struct json_reader r;
    const char **out = NULL;
    struct buf text;

    *n = 0;
    if (!json_member(object, name, &list) || list.type != JSON_ARRAY)
        return NULL;
    buf_init(&text, 0);
    json_reader_init(&r, list.raw);
    json_begin(&r, &v);
    while (json_next_item(&r) && json_read(&r, &v)) {
        buf_clear(&text);
        json_unescape(&v, &text);
        vec_push(&items, arena_strndup(a, buf_cstr(&text), text.n));
    }
    out = ARENA_ARRAY(a, const char *, items.n ? items.n : 1);
    if (items.n)
        memcpy(out, items.p, items.n * sizeof(*out));
    *n = items.n;
    vec_free(&items);
    buf_release(&text);
    return out;
}

bool lake_has_feature(const char *const *features, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(features[i], name) == 0)
            return true;
    return false;
}

static enum ig_code finish_protocol(struct lake_snapshot *s, struct error *err)
{
    struct lake_protocol *p = &s->protocol;

    if (!p->raw.p)
        return error_set(err, IG_CORRUPT, "the log has no protocol action");
    if (!json_member_int64(p->raw, "minReaderVersion", &p->reader) ||
        !json_member_int64(p->raw, "minWriterVersion", &p->writer))
        return error_set(err, IG_CORRUPT, "the protocol names no version");
    p->reader_features = string_list(s->arena, p->raw, "readerFeatures", &p->n_reader_features);
    p->writer_features = string_list(s->arena, p->raw, "writerFeatures", &p->n_writer_features);
    return lake_check_protocol(p, err);
}

static void finish_properties(struct lake_snapshot *s)
{
    VEC(struct lake_property) list = {0};
    struct json_value object, key, v;
    struct json_reader r;
    struct buf text;

    buf_init(&text, 0);
    if (json_member(s->metadata.raw, "configuration", &object) && object.type == JSON_OBJECT) {
        json_reader_init(&r, object.raw);
        json_begin(&r, &v);
        while (json_next_key(&r, &key) && json_read(&r, &v)) {
            struct lake_property p = {0};

            if (v.type != JSON_STRING)
                continue;
            buf_clear(&text);
            json_unescape(&key, &text);
            p.key = arena_strndup(s->arena, buf_cstr(&text), text.n);
            buf_clear(&text);
            json_unescape(&v, &text);
            p.value = arena_strndup(s->arena, buf_cstr(&text), text.n);
            vec_push(&list, p);
        }
    }
    s->metadata.n_properties = list.n;
    s->metadata.properties = ARENA_ARRAY(s->arena, struct lake_property, list.n ? list.n : 1);
    if (list.n)
        memcpy(s->metadata.properties, list.p, list.n * sizeof(*list.p));
    vec_free(&list);
    buf_release(&text);
}

static enum ig_code finish_metadata(struct lake_snapshot *s, struct error *err)
{
    struct lake_metadata *m = &s->metadata;

    if (!m->raw.p)
        return error_set(err, IG_CORRUPT, "the log has no metaData action");
    m->id = string_member(s->arena, m->raw, "id");
    m->schema_string = string_member(s->arena, m->raw, "schemaString");
    if (!m->schema_string)
        return error_set(err, IG_CORRUPT, "the metaData has no schema");
    finish_properties(s);
    IG_TRY(schema_of_json(s->arena, str_of(m->schema_string), &m->schema, err));
    m->partition_columns = string_list(s->arena, m->raw, "partitionColumns", &m->n_partition_columns);
    m->partition_fields =
        ARENA_ARRAY(s->arena, const struct schema_field *, m->n_partition_columns ? m->n_partition_columns : 1);
    for (size_t i = 0; i < m->n_partition_columns; i++) {
        m->partition_fields[i] = schema_find(m->schema, str_of(m->partition_columns[i]));
        if (!m->partition_fields[i])
            return error_set(err, IG_CORRUPT, "the partition column %s is not in the schema", m->partition_columns[i]);
    }
    return IG_OK;
}

/* partitionValues as an array in the order of the partition columns. The empty string is null. */
static enum ig_code resolve_values(struct lake_snapshot *s, struct lake_entry *e, struct buf *text, struct error *err)
{
    const struct lake_metadata *m = &s->metadata;
    const char **values = ARENA_ARRAY(s->arena, const char *, m->n_partition_columns);
    size_t found = 0;
    struct json_value key, v;
    struct json_reader r;

    json_reader_init(&r, e->raw_values.n ? e->raw_values : STR("{}"));
    json_begin(&r, &v);
    while (json_next_key(&r, &key) && json_read(&r, &v)) {
        for (size_t i = 0; i < m->n_partition_columns; i++) {
            if (!json_key_is(&key, str_of(m->partition_fields[i]->physical)))
                continue;
            found++;
            buf_clear(text);
            if (v.type == JSON_STRING)
                json_unescape(&v, text);
            values[i] = text->n ? arena_strndup(s->arena, buf_cstr(text), text->n) : NULL;
        }
    }
    if (found < m->n_partition_columns)
        return error_set(err, IG_CORRUPT, "the file " STR_FMT " lacks a partition value", STR_ARG(e->path));
    e->values = values;
    return IG_OK;
}

enum ig_code lake_replay_finish(struct lake_snapshot *s, struct error *err)
{
    enum ig_code rc = IG_OK;
    struct buf text;

    s->arena = &lake_chunk_new(s)->arena;
    if (!s->protocol.reader) {
        IG_TRY(finish_protocol(s, err));
        s->metadata.schema = NULL; /* the protocol says whether physical names count */
    }
    if (!s->metadata.schema) {
        IG_TRY(finish_metadata(s, err));
        for (size_t i = 0; i < s->entries.n; i++)
            s->entries.p[i].values = NULL; /* of other partition columns */
        IG_TRY(lake_check_readable(s, err));
        IG_TRY(lake_mapping_apply(s, err));
    }
    IG_TRY(lake_check_readable(s, err));
    if (s->metadata.n_partition_columns == 0)
        return IG_OK;
    buf_init(&text, 0);
    for (size_t i = 0; i < s->entries.n && !rc; i++)
        if (s->entries.p[i].live && !s->entries.p[i].values)
            rc = resolve_values(s, &s->entries.p[i], &text, err);
    buf_release(&text);
    return rc;
}
