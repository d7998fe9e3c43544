/*
 * Actions applied to a snapshot in the order of the versions, and what they mean once all are there.
 */
#include "lake/lake_internal.h"
#include "lake/log/action.h"
#include "lake/read/mapping.h"
#include "lake/table/features.h"

#include <stdlib.h>

/* --- the table of files ------------------------------------------------------------------------------------ */

static void slots_rebuild(struct lake_snapshot *s, size_t n_slots)
{
    free(s->slots);
    s->slots = check_calloc(n_slots, sizeof(*s->slots));
    s->n_slots = n_slots;
    for (size_t i = 0; i < s->entries.n; i++) {
        size_t at = s->entries.p[i].hash & (n_slots - 1);

        while (s->slots[at])
            at = (at + 1) & (n_slots - 1);
        s->slots[at] = (uint32_t)i + 1;
    }
}

/* What the table has under a path. */
struct found {
    struct lake_entry *same;        /* with the same deletion vector */
    const struct lake_entry *other; /* live, with another one */
    size_t slot;                    /* free */
};

static struct found find(struct lake_snapshot *s, const struct lake_entry *like)
{
    struct found found = {0};
    size_t at;

    if (s->entries.n * 2 >= s->n_slots)
        slots_rebuild(s, s->n_slots ? s->n_slots * 2 : 64);
    for (at = like->hash & (s->n_slots - 1); s->slots[at]; at = (at + 1) & (s->n_slots - 1)) {
        struct lake_entry *e = &s->entries.p[s->slots[at] - 1];

        if (e->hash != like->hash || !str_eq(lake_entry_name(e), lake_entry_name(like)))
            continue;
        if (str_eq(lake_entry_dv_id(e), lake_entry_dv_id(like)))
            found.same = e;
        else if (e->live)
            found.other = e;
    }
    found.slot = at;
    return found;
}

const struct lake_entry *lake_snapshot_find(const struct lake_snapshot *s, struct str name, struct str dv_id)
{
    const uint32_t hash = hash_crc32c(0, name.p, name.n);

    if (!s->n_slots)
        return NULL;
    for (size_t at = hash & (s->n_slots - 1); s->slots[at]; at = (at + 1) & (s->n_slots - 1)) {
        const struct lake_entry *e = &s->entries.p[s->slots[at] - 1];

        if (e->hash == hash && str_eq(lake_entry_name(e), name) && str_eq(lake_entry_dv_id(e), dv_id))
            return e->live ? e : NULL;
    }
    return NULL;
}

/* --- one action -------------------------------------------------------------------------------------------- */

static enum ig_code twice(const struct lake_entry *e, const char *what, struct error *err)
{
    return error_set(err, IG_CORRUPT, "the file %s is %s", e->path, what);
}

static void put_entry(struct lake_snapshot *s, const struct found *found, const struct lake_entry *e)
{
    if (found->same) {
        *found->same = *e;
        return;
    }
    IG_ASSERT(s->entries.n < UINT32_MAX - 1);
    vec_push(&s->entries, *e);
    s->slots[found->slot] = (uint32_t)s->entries.n;
}

static enum ig_code apply_add(struct lake_replay *r, const struct lake_action *action, struct error *err)
{
    const struct found found = find(r->s, &action->u.file);
    struct lake_entry e = action->u.file;

    e.touched_in = r->version;
    e.live = e.added = true;
    if (found.same && found.same->touched_in == r->version && found.same->added)
        return twice(&e, "added twice", err);
    if (found.same && found.same->touched_in == r->version && found.same->removed)
        return twice(&e, "added and removed in one version", err);
    if (!found.same || !found.same->live)
        r->s->n_live++;
    if (found.other) /* it has to be removed by the same commit, maybe behind this line */
        vec_push(&r->replaced, (uint32_t)(found.other - r->s->entries.p));
    put_entry(r->s, &found, &e);
    return IG_OK;
}

static enum ig_code apply_remove(struct lake_replay *r, const struct lake_action *action, struct error *err)
{
    const struct found found = find(r->s, &action->u.file);
    struct lake_entry e = action->u.file;

    e.touched_in = r->version;
    e.removed = true;
    if (found.same && found.same->touched_in == r->version && found.same->removed)
        return twice(&e, "removed twice", err);
    if (found.same && found.same->touched_in == r->version && found.same->added)
        return twice(&e, "added and removed in one version", err);
    /* No engine removes what was never there: one of the two paths, here or where it was added, is damaged. A file that
     * came and went within a compacted range is another thing. */
    if (!found.same && r->version >= 0 && !r->compacted)
        return error_set(err, IG_CORRUPT, "the file %s is removed, but was never there", e.path);
    if (found.same && found.same->live)
        r->s->n_live--;
    if (found.same) { /* what a remove of an old engine does not say */
        e.values = e.values ? e.values : found.same->values;
        e.size_bytes = action->says_size ? e.size_bytes : found.same->size_bytes;
    }
    e.shape = NULL;
    e.stats = NULL;
    e.stats_n = 0;
    e.rows = -1;
    put_entry(r->s, &found, &e);
    return IG_OK;
}

static const char *text_copy(struct lake_snapshot *s, struct str object, const char *name, struct str *out)
{
    struct buf text;

    buf_init(&text, 0);
    *out = (struct str){NULL, 0};
    if (json_member_string(object, name, &text))
        *out = arena_str(s->arena, buf_str(&text));
    buf_release(&text);
    return out->p;
}

static enum ig_code apply_txn(struct lake_replay *r, struct str raw, struct error *err)
{
    struct lake_txn txn = {.last_updated = -1, .touched_in = r->version};

    if (!text_copy(r->s, raw, "appId", &txn.app_id) || !json_member_int64(raw, "version", &txn.version))
        return error_set(err, IG_CORRUPT, "a txn without appId or version");
    (void)!json_member_int64(raw, "lastUpdated", &txn.last_updated);
    for (size_t i = 0; i < r->s->txns.n; i++) {
        struct lake_txn *have = &r->s->txns.p[i];

        if (!str_eq(have->app_id, txn.app_id))
            continue;
        if (have->touched_in == r->version)
            return error_set(err, IG_CORRUPT, "two txn of the application " STR_FMT, STR_ARG(txn.app_id));
        *have = txn;
        return IG_OK;
    }
    vec_push(&r->s->txns, txn);
    return IG_OK;
}

static enum ig_code apply_domain(struct lake_replay *r, struct str raw, struct error *err)
{
    struct lake_domain domain = {.raw = raw, .touched_in = r->version};
    struct json_value v;

    if (!text_copy(r->s, raw, "domain", &domain.name))
        return error_set(err, IG_CORRUPT, "a domainMetadata without a domain");
    domain.removed = json_member(raw, "removed", &v) && v.type == JSON_TRUE;
    for (size_t i = 0; i < r->s->domains.n; i++) {
        struct lake_domain *have = &r->s->domains.p[i];

        if (!str_eq(have->name, domain.name))
            continue;
        if (have->touched_in == r->version)
            return error_set(err, IG_CORRUPT, "two domainMetadata of " STR_FMT, STR_ARG(domain.name));
        *have = domain;
        return IG_OK;
    }
    vec_push(&r->s->domains, domain);
    return IG_OK;
}

/* Metadata and protocol: the object's text is kept, to be read when all is there. */
static enum ig_code apply_once(bool *seen, const char *name, struct error *err)
{
    if (*seen)
        return error_set(err, IG_CORRUPT, "two %s actions", name);
    *seen = true;
    return IG_OK;
}

static enum ig_code apply(struct lake_replay *r, const struct lake_action *action, struct error *err)
{
    switch (action->kind) {
    case LAKE_ADD:
        return apply_add(r, action, err);
    case LAKE_REMOVE:
        return apply_remove(r, action, err);
    case LAKE_TXN:
        return apply_txn(r, action->u.raw, err);
    case LAKE_DOMAIN:
        return apply_domain(r, action->u.raw, err);
    case LAKE_METADATA:
        IG_TRY(apply_once(&r->has_metadata, "metaData", err));
        r->s->metadata = (struct lake_metadata){.raw = action->u.raw, .from_version = r->version};
        return lake_check_members(LAKE_METADATA, action->u.raw, err);
    case LAKE_PROTOCOL:
        IG_TRY(apply_once(&r->has_protocol, "protocol", err));
        r->s->protocol = (struct lake_protocol){.raw = action->u.raw};
        return lake_check_members(LAKE_PROTOCOL, action->u.raw, err);
    case LAKE_CDC:
    case LAKE_COMMIT_INFO:
    case LAKE_CHECKPOINT_METADATA:
    case LAKE_SIDECAR:
    case LAKE_ACTION_KINDS:
        break;
    }
    return IG_OK;
}

void lake_replay_expect(struct lake_replay *r, size_t n)
{
    struct lake_snapshot *s = r->s;
    size_t n_slots = s->n_slots ? s->n_slots : 64;

    if (s->entries.cap < s->entries.n + n) {
        s->entries.cap = s->entries.n + n;
        s->entries.p = check_realloc(s->entries.p, s->entries.cap * sizeof(*s->entries.p));
    }
    while (n_slots < (s->entries.n + n) * 2)
        n_slots *= 2;
    if (n_slots > s->n_slots)
        slots_rebuild(s, n_slots);
}

void lake_replay_begin(struct lake_replay *r, struct lake_snapshot *s, int64_t version)
{
    *r = (struct lake_replay){.s = s, .version = version};
    if (!s->arena)
        s->arena = &lake_chunk_new(s)->arena;
}

enum ig_code lake_replay_actions(struct lake_replay *r, const struct lake_actions *actions, struct error *err)
{
    for (size_t i = 0; i < actions->list.n; i++) {
        const struct lake_action *action = &actions->list.p[i];
        const enum ig_code rc = apply(r, action, err);

        if (rc)
            return action->line ? error_context(err, rc, "line %u", (unsigned)action->line) : rc;
    }
    return IG_OK;
}

/* A file is live with one deletion vector: who gives it another one removes it with the old one. */
enum ig_code lake_replay_end(struct lake_replay *r, struct error *err)
{
    enum ig_code rc = IG_OK;

    for (size_t i = 0; i < r->replaced.n && !rc; i++) {
        const struct lake_entry *e = &r->s->entries.p[r->replaced.p[i]];

        if (e->live)
            rc = error_set(err, IG_CORRUPT, "the file %s is there twice, with two deletion vectors", e->path);
    }
    vec_free(&r->replaced);
    return rc;
}

enum ig_code lake_replay_text(struct lake_snapshot *s, struct lake_chunk *chunk, struct str text, int64_t version,
                              struct error *err)
{
    struct lake_actions actions = {0};
    struct lake_parser parser;
    struct lake_replay r;
    enum ig_code rc, end;

    lake_parser_init(&parser, &chunk->arena);
    lake_replay_begin(&r, s, version);
    rc = lake_seal_check(text, err);
    if (!rc)
        rc = lake_parse_actions(&parser, text, &actions, err);
    if (!rc)
        rc = lake_replay_actions(&r, &actions, err);
    end = lake_replay_end(&r, rc ? NULL : err);
    if (parser.in_commit_ms >= 0)
        s->in_commit_ms = parser.in_commit_ms;
    vec_free(&actions.list);
    lake_parser_release(&parser);
    return rc ? rc : end;
}

/* --- what the actions mean --------------------------------------------------------------------------------- */

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
    struct json_value list;

    if (!p->raw.p)
        return error_set(err, IG_CORRUPT, "the log has no protocol action");
    if (!json_member_int64(p->raw, "minReaderVersion", &p->reader) ||
        !json_member_int64(p->raw, "minWriterVersion", &p->writer))
        return error_set(err, IG_CORRUPT, "the protocol names no version");
    if (p->reader == 3 && !(json_member(p->raw, "readerFeatures", &list) && list.type == JSON_ARRAY))
        return error_set(err, IG_CORRUPT, "the protocol is of reader version 3 and lists no readerFeatures");
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

static enum ig_code check_format(struct str metadata, struct error *err)
{
    struct json_value format, provider;

    if (!json_member(metadata, "format", &format) || !json_member(format.raw, "provider", &provider))
        return IG_OK;
    if (provider.type == JSON_STRING && str_is(provider.raw, "parquet"))
        return IG_OK;
    return error_set(err, IG_UNSUPPORTED, "the table's format is " STR_FMT ", not parquet", STR_ARG(provider.raw));
}

static enum ig_code finish_metadata(struct lake_snapshot *s, struct error *err)
{
    struct lake_metadata *m = &s->metadata;

    if (!m->raw.p)
        return error_set(err, IG_CORRUPT, "the log has no metaData action");
    m->id = json_member_text(s->arena, m->raw, "id");
    m->schema_string = json_member_text(s->arena, m->raw, "schemaString");
    if (!m->schema_string)
        return error_set(err, IG_CORRUPT, "the metaData has no schema");
    IG_TRY(check_format(m->raw, err));
    finish_properties(s);
    IG_TRY(schema_of_json(s->arena, str_of(m->schema_string), &m->schema, err));
    m->partition_columns = string_list(s->arena, m->raw, "partitionColumns", &m->n_partition_columns);
    if (!m->partition_columns)
        return error_set(err, IG_CORRUPT, "the metaData has no partitionColumns");
    m->partition_fields =
        ARENA_ARRAY(s->arena, const struct schema_field *, m->n_partition_columns ? m->n_partition_columns : 1);
    for (size_t i = 0; i < m->n_partition_columns; i++) {
        m->partition_fields[i] = schema_find(m->schema, str_of(m->partition_columns[i]));
        if (!m->partition_fields[i])
            return error_set(err, IG_CORRUPT, "the partition column %s is not in the schema", m->partition_columns[i]);
    }
    return IG_OK;
}

/* --- partition values -------------------------------------------------------------------------------------- */

/* Values that an older snapshot has resolved for other partition columns -> our own copies. */
struct copies {
    VEC(struct lake_values *) from, to; /* a hash table by address */
    size_t n;
};

static void copies_put(struct copies *c, struct lake_values *from, struct lake_values *to)
{
    size_t at = (size_t)hash_fnv1a(&from, sizeof(from)) & (c->from.n - 1);

    while (c->from.p[at])
        at = (at + 1) & (c->from.n - 1);
    c->from.p[at] = from;
    c->to.p[at] = to;
    c->n++;
}

static struct lake_values *copy_of(struct lake_snapshot *s, struct copies *c, struct lake_values *from)
{
    struct lake_values *to;

    if (c->n * 2 >= c->from.n) {
        const size_t cap = c->from.n ? c->from.n * 2 : 64;
        struct copies grown = {0};

        grown.from.p = check_calloc(cap, sizeof(*grown.from.p));
        grown.to.p = check_calloc(cap, sizeof(*grown.to.p));
        grown.from.n = grown.to.n = cap;
        for (size_t i = 0; i < c->from.n; i++)
            if (c->from.p[i])
                copies_put(&grown, c->from.p[i], c->to.p[i]);
        vec_free(&c->from);
        vec_free(&c->to);
        *c = grown;
    }
    for (size_t at = (size_t)hash_fnv1a(&from, sizeof(from)) & (c->from.n - 1); c->from.p[at];
         at = (at + 1) & (c->from.n - 1))
        if (c->from.p[at] == from)
            return c->to.p[at];
    to = ARENA_NEW(s->arena, struct lake_values);
    to->raw = from->raw;
    copies_put(c, from, to);
    return to;
}

/* partitionValues as an array in the order of the partition columns. The empty string is null. */
static enum ig_code resolve(struct lake_snapshot *s, struct lake_values *values, struct buf *text, struct error *err)
{
    const struct lake_metadata *m = &s->metadata;
    const char **list = ARENA_ARRAY(s->arena, const char *, m->n_partition_columns);
    size_t found = 0;
    struct json_value key, v;
    struct json_reader r;

    json_reader_init(&r, values->raw);
    json_begin(&r, &v);
    while (json_next_key(&r, &key) && json_read(&r, &v)) {
        for (size_t i = 0; i < m->n_partition_columns; i++) {
            if (!json_key_is(&key, str_of(m->partition_fields[i]->physical)))
                continue;
            if (v.type != JSON_STRING && v.type != JSON_NULL)
                return error_set(err, IG_CORRUPT, "a partition value is no text: " STR_FMT, STR_ARG(values->raw));
            found++;
            buf_clear(text);
            if (v.type == JSON_STRING)
                json_unescape(&v, text);
            list[i] = text->n ? arena_strndup(s->arena, buf_cstr(text), text->n) : NULL;
        }
    }
    if (found != m->n_partition_columns)
        return error_set(err, IG_CORRUPT, "%s: " STR_FMT,
                         found < m->n_partition_columns ? "a partition value is missing" : "a partition value is twice",
                         STR_ARG(values->raw));
    values->list = list;
    values->resolved_for = m->partition_fields;
    return IG_OK;
}

static enum ig_code resolve_all(struct lake_snapshot *s, struct error *err)
{
    struct copies copies = {0};
    enum ig_code rc = IG_OK;
    struct buf text;

    buf_init(&text, 0);
    for (size_t i = 0; i < s->entries.n && !rc; i++) {
        struct lake_entry *e = &s->entries.p[i];

        if (!e->live || (e->values && e->values->resolved_for == s->metadata.partition_fields))
            continue;
        if (!e->values)
            rc = error_set(err, IG_CORRUPT, "a partition value is missing");
        else if (e->values->list) /* of other partition columns, in a snapshot that others may be reading */
            e->values = copy_of(s, &copies, e->values);
        if (!rc && e->values->resolved_for != s->metadata.partition_fields)
            rc = resolve(s, e->values, &text, err);
        if (rc)
            error_context(err, rc, "the file %s", e->path);
    }
    vec_free(&copies.from);
    vec_free(&copies.to);
    buf_release(&text);
    return rc;
}

enum ig_code lake_replay_finish(struct lake_snapshot *s, struct error *err)
{
    s->arena = &lake_chunk_new(s)->arena;
    if (!s->protocol.reader) {
        IG_TRY(finish_protocol(s, err));
        s->metadata.schema = NULL; /* the protocol says whether physical names count */
    }
    if (!s->metadata.schema) {
        const int64_t version = s->metadata.from_version;
        const enum ig_code rc = finish_metadata(s, err);

        if (rc && s->metadata.raw.p && version >= 0)
            return error_context(err, rc, "the metaData of version %lld", (long long)version);
        IG_TRY(rc);
        IG_TRY(lake_check_readable(s, err));
        IG_TRY(lake_mapping_apply(s, err));
    }
    IG_TRY(lake_check_readable(s, err));
    return s->metadata.n_partition_columns ? resolve_all(s, err) : IG_OK;
}
