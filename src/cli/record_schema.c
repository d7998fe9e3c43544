#include "cli/record_schema.h"

#include "registry/registry.h"

#include <stdlib.h>

#define SCHEMAS_TOPIC "_schemas"
#define SILENCE_MS 30000
#define RELOAD_MS 2000 /* how often an id that is not known makes us look again */
#define MAGIC_BYTES 5
#define REFERENCE_DEPTH 32

struct reference {
    const char *name, *subject;
    int64_t version;
};

/* One version of a subject. */
struct entry {
    const char *subject, *text;
    int64_t version, id;
    enum schema_type type;
    struct reference *references;
    size_t n_references;
    bool deleted;
    struct schema *schema;       /* parsed when first needed */
    const struct schema *theirs; /* or the registry's */
};

struct record_schema {
    struct cli_context *c;
    struct log_client *client;
    struct registry *registry; /* NULL: the topic */
    struct arena arena;
    VEC(struct entry) entries;
    int64_t loaded_ms;  /* monotonic; 0: never */
    int64_t missing_id; /* asked for then, and not there */
    const struct entry *key, *value;
    struct buf key_bytes, value_bytes;
};

/* --- the topic ----------------------------------------------------------------------------------------------- */

static const char *copy_member(struct record_schema *s, struct str object, const char *name)
{
    struct buf text;
    const char *copy = NULL;

    buf_init(&text, 0);
    if (json_member_string(object, name, &text))
        copy = arena_strndup(&s->arena, buf_cstr(&text), text.n);
    buf_release(&text);
    return copy;
}

static void read_references(struct record_schema *s, struct str value, struct entry *e)
{
    struct json_value list, item;
    struct json_reader r;

    if (!json_member(value, "references", &list) || list.type != JSON_ARRAY)
        return;
    json_reader_init(&r, list.raw);
    if (!json_begin(&r, &list))
        return;
    while (json_next_item(&r) && json_read(&r, &item)) {
        struct reference *grown = ARENA_ARRAY(&s->arena, struct reference, e->n_references + 1);
        struct reference ref = {copy_member(s, item.raw, "name"), copy_member(s, item.raw, "subject"), -1};

        if (!ref.name || !ref.subject || !json_member_int64(item.raw, "version", &ref.version))
            continue;
        if (e->n_references)
            memcpy(grown, e->references, e->n_references * sizeof(*grown));
        grown[e->n_references++] = ref;
        e->references = grown;
    }
}

static struct entry *entry_of(struct record_schema *s, const char *subject, int64_t version)
{
    for (size_t i = 0; i < s->entries.n; i++)
        if (s->entries.p[i].version == version && strcmp(s->entries.p[i].subject, subject) == 0)
            return &s->entries.p[i];
    return NULL;
}

static void take_record(struct record_schema *s, const struct log_record *r)
{
    struct buf word;
    struct entry e = {.type = SCHEMA_AVRO}, *known;
    struct json_value deleted;
    bool is_schema;

    buf_init(&word, 0);
    is_schema = json_member_string(r->key, "keytype", &word) && str_is(buf_str(&word), "SCHEMA");
    buf_clear(&word);
    e.subject = is_schema ? copy_member(s, r->key, "subject") : NULL;
    if (!e.subject || !json_member_int64(r->key, "version", &e.version)) {
        buf_release(&word);
        return;
    }
    known = entry_of(s, e.subject, e.version);
    if (!r->value.p) { /* a tombstone: deleted for good; its id may still be in records */
        if (known)
            known->deleted = true;
    } else if (json_member_int64(r->value, "id", &e.id)) {
        e.text = copy_member(s, r->value, "schema");
        if (json_member_string(r->value, "schemaType", &word) && !schema_type_of(buf_str(&word), &e.type))
            e.text = NULL;
        e.deleted = json_member(r->value, "deleted", &deleted) && deleted.type == JSON_TRUE;
        read_references(s, r->value, &e);
        if (known)
            known->deleted = e.deleted;
        else if (e.text)
            vec_push(&s->entries, e);
    }
    buf_release(&word);
}

static enum ig_code read_topic(struct record_schema *s, struct log_consumer *k, int64_t end, struct error *err)
{
    int64_t heard_ms = env_monotonic_ms(s->c->env), at = 0;

    while (at < end) {
        struct log_batch batch;

        IG_TRY(log_consume(k, 1000, 100, &batch, err));
        for (size_t i = 0; i < batch.n; i++) {
            take_record(s, &batch.records[i]);
            at = batch.records[i].offset + 1;
        }
        for (size_t i = 0; i < batch.n_ends; i++)
            at = batch.ends[i].offset > at ? batch.ends[i].offset : at;
        if (batch.n || batch.n_ends)
            heard_ms = env_monotonic_ms(s->c->env);
        log_batch_free(&batch);
        if (env_monotonic_ms(s->c->env) - heard_ms > SILENCE_MS)
            return error_set(err, IG_UNAVAILABLE, SCHEMAS_TOPIC ": the log gives nothing");
    }
    return IG_OK;
}

static enum ig_code load(struct record_schema *s, struct error *err)
{
    struct log_consumer *k = NULL;
    int64_t low, high;
    int32_t partitions;
    enum ig_code rc = log_topic_partitions(s->client, SCHEMAS_TOPIC, &partitions, err);

    s->loaded_ms = env_monotonic_ms(s->c->env);
    if (rc == IG_NOT_FOUND)
        return IG_OK;
    if (rc == IG_OK)
        rc = log_watermarks(s->client, SCHEMAS_TOPIC, 0, &low, &high, err);
    if (rc != IG_OK || low == high)
        return rc;
    rc = log_consumer_new(s->client, NULL, &k, err);
    if (rc == IG_OK)
        rc = log_consumer_assign(k, SCHEMAS_TOPIC, 0, low, err);
    if (rc == IG_OK)
        rc = read_topic(s, k, high, err);
    log_consumer_free(k);
    return rc;
}

/* --- schemas ------------------------------------------------------------------------------------------------- */

static const struct schema *schema_of(const struct entry *e)
{
    return e->theirs ? e->theirs : e->schema;
}

static enum ig_code parse(struct record_schema *s, struct entry *e, int depth, struct error *err)
{
    struct schema_reference *refs;

    if (schema_of(e))
        return IG_OK;
    if (depth > REFERENCE_DEPTH)
        return error_set(err, IG_INVALID, "schema %lld: its references go too deep", (long long)e->id);
    refs = ARENA_ARRAY(&s->arena, struct schema_reference, e->n_references + 1);
    for (size_t i = 0; i < e->n_references; i++) {
        struct entry *other = entry_of(s, e->references[i].subject, e->references[i].version);

        if (!other)
            return error_set(err, IG_NOT_FOUND, "schema %lld refers to %s, version %lld, which is not in the registry",
                             (long long)e->id, e->references[i].subject, (long long)e->references[i].version);
        IG_TRY(parse(s, other, depth + 1, err));
        refs[i] = (struct schema_reference){e->references[i].name, schema_of(other)};
    }
    return schema_parse(e->type, str_of(e->text), refs, e->n_references, &e->schema, err);
}

static struct entry *find_id(struct record_schema *s, int64_t id)
{
    for (size_t i = 0; i < s->entries.n; i++)
        if (s->entries.p[i].id == id)
            return &s->entries.p[i];
    return NULL;
}

static void keep_theirs(struct record_schema *s, int32_t id, const struct schema *schema)
{
    const struct entry e = {.subject = "", .id = id, .type = schema_type(schema), .theirs = schema};

    vec_push(&s->entries, e);
}

/* What is not known yet: asked for, or read. An id that is not there is not looked for with every record. */
static enum ig_code look_for(struct record_schema *s, int64_t id, struct error *err)
{
    const int64_t now_ms = env_monotonic_ms(s->c->env);
    const struct schema *schema;

    if (s->loaded_ms != 0 && now_ms - s->loaded_ms < RELOAD_MS && (!s->registry || id == s->missing_id))
        return IG_OK;
    if (!s->registry)
        return load(s, err);
    s->loaded_ms = now_ms;
    s->missing_id = id;
    IG_TRY(registry_schema_by_id(s->registry, (int32_t)id, &schema, err));
    keep_theirs(s, (int32_t)id, schema);
    return IG_OK;
}

static struct entry *by_id(struct record_schema *s, int64_t id, struct error *err)
{
    struct entry *e = find_id(s, id);

    if (!e) {
        if (look_for(s, id, err) != IG_OK)
            return NULL;
        e = find_id(s, id);
    }
    if (!e)
        error_set(err, IG_NOT_FOUND, "there is no schema %lld in the registry", (long long)id);
    return e && parse(s, e, 0, err) == IG_OK ? e : NULL;
}

/* SUBJECT, or SUBJECT:VERSION, at a registry. */
static enum ig_code ask_by_name(struct record_schema *s, const char *name, const struct entry **out, struct error *err)
{
    const char *colon = strrchr(name, ':');
    const struct schema *schema;
    int64_t version;
    int32_t id;
    enum ig_code rc = registry_schema_by_version(s->registry, name, -1, &id, &schema, err);

    if (rc == IG_NOT_FOUND && colon && str_to_int64(str_of(colon + 1), 1, INT32_MAX, &version))
        rc = registry_schema_by_version(s->registry, arena_strndup(&s->arena, name, (size_t)(colon - name)),
                                        (int32_t)version, &id, &schema, err);
    if (rc == IG_OK) {
        keep_theirs(s, id, schema);
        *out = find_id(s, id);
    }
    return rc;
}

/* An id, SUBJECT (its latest version) or SUBJECT:VERSION. */
static enum ig_code by_name(struct record_schema *s, const char *name, const struct entry **out, struct error *err)
{
    struct entry *found = NULL;
    const char *colon = strrchr(name, ':');
    int64_t n;

    if (str_to_int64(str_of(name), 0, INT32_MAX, &n)) {
        found = by_id(s, n, err);
        *out = found;
        return found ? IG_OK : err->code;
    }
    if (s->registry)
        return ask_by_name(s, name, out, err);
    if (s->loaded_ms == 0)
        IG_TRY(load(s, err));
    for (size_t i = 0; i < s->entries.n; i++) {
        struct entry *e = &s->entries.p[i];

        if (!e->deleted && strcmp(e->subject, name) == 0 && (!found || e->version > found->version))
            found = e;
    }
    if (!found && colon && str_to_int64(str_of(colon + 1), 1, INT32_MAX, &n))
        found = entry_of(s, arena_strndup(&s->arena, name, (size_t)(colon - name)), n);
    if (!found)
        return error_set(err, IG_NOT_FOUND, "there is no subject %s in the registry (topic " SCHEMAS_TOPIC ")", name);
    IG_TRY(parse(s, found, 0, err));
    *out = found;
    return IG_OK;
}

/* --- opening ------------------------------------------------------------------------------------------------- */

int record_schema_new(struct cli_context *c, struct cli_log *log, const char *registry, struct record_schema **out)
{
    struct record_schema *s = check_calloc(1, sizeof(*s));
    struct error err = {0};

    s->c = c;
    s->client = log->client;
    arena_init(&s->arena);
    buf_init(&s->key_bytes, 0);
    buf_init(&s->value_bytes, 0);
    *out = s;
    if (!registry && log->conf && strncmp(log->conf->registry_url, "http", 4) == 0)
        registry = log->conf->registry_url;
    return registry && registry_open_url(c->env, registry, &s->registry, &err) != IG_OK ? cli_usage(c, "%s", err.msg)
                                                                                        : CLI_OK;
}

int record_schema_open(struct cli_context *c, struct cli_log *log, const struct record_schema_options *o,
                       struct record_schema **out)
{
    struct record_schema *s;
    const struct entry *key = NULL;
    struct error err = {0};
    enum ig_code rc = IG_OK;
    const int status = record_schema_new(c, log, o->registry, out);

    if (status)
        return status;
    s = *out;
    if (o->key)
        rc = by_name(s, o->key, &key, &err);
    if (rc == IG_OK && o->value)
        rc = by_name(s, o->value, &s->value, &err);
    if (rc == IG_OK && key) /* finding the second one may have moved it */
        rc = by_name(s, o->key, &s->key, &err);
    return rc == IG_OK ? CLI_OK : cli_error(c, &err);
}

void record_schema_close(struct record_schema *s)
{
    if (!s)
        return;
    for (size_t i = s->entries.n; i > 0; i--) /* those that refer come after those that they refer to */
        schema_free(s->entries.p[i - 1].schema);
    vec_free(&s->entries);
    registry_close(s->registry);
    buf_release(&s->key_bytes);
    buf_release(&s->value_bytes);
    arena_release(&s->arena);
    free(s);
}

/* --- encoding ------------------------------------------------------------------------------------------------ */

static bool is_json(struct str text)
{
    struct json_reader r;
    struct json_value v;

    json_reader_init(&r, text);
    return json_read(&r, &v) && json_end(&r);
}

/* `text` is JSON, or a string that is not quoted. */
static enum ig_code encode(const struct entry *e, struct str text, bool is_string, struct buf *out, struct error *err)
{
    struct buf quoted;
    enum ig_code rc;

    buf_init(&quoted, 0);
    if (is_string || !is_json(text)) {
        json_add_string(&quoted, text);
        text = buf_str(&quoted);
    }
    buf_clear(out);
    buf_putc(out, 0);
    for (int shift = 24; shift >= 0; shift -= 8)
        buf_putc(out, (char)(e->id >> shift));
    rc = schema_encode(schema_of(e), text, out, err);
    buf_release(&quoted);
    return rc;
}

enum ig_code record_schema_encode(struct record_schema *s, struct log_record *r, const struct record_parsed *parsed,
                                  struct error *err)
{
    if (s->key && r->key.p) {
        const enum ig_code rc = encode(s->key, r->key, parsed && !parsed->key_is_json, &s->key_bytes, err);

        if (rc != IG_OK)
            return error_context(err, rc, "the key");
        r->key = buf_str(&s->key_bytes);
    }
    if (s->value && r->value.p) {
        IG_TRY(encode(s->value, r->value, parsed && !parsed->value_is_json, &s->value_bytes, err));
        r->value = buf_str(&s->value_bytes);
    }
    return IG_OK;
}

/* --- decoding ------------------------------------------------------------------------------------------------ */

bool record_decoding_of(const char *word, enum record_decoding *out)
{
    static const char *const words[] = {"none", "auto", "avro", "json", "protobuf"};

    for (size_t i = 0; i < IG_COUNT(words); i++) {
        if (strcmp(words[i], word) == 0) {
            *out = (enum record_decoding)i;
            return true;
        }
    }
    return false;
}

static bool is_asked_for(enum record_decoding how, enum schema_type type)
{
    return how == RECORD_AUTO || (how == RECORD_AVRO && type == SCHEMA_AVRO) ||
           (how == RECORD_JSON && type == SCHEMA_JSON) || (how == RECORD_PROTOBUF && type == SCHEMA_PROTOBUF);
}

static enum ig_code decode(struct record_schema *s, enum record_decoding how, struct str bytes, struct buf *text,
                           struct str *out, struct error *err)
{
    const unsigned char *p = (const unsigned char *)bytes.p;
    const struct entry *e;

    if (!p)
        return IG_OK;
    if (bytes.n < MAGIC_BYTES || p[0] != 0) {
        if (how == RECORD_JSON && is_json(bytes))
            *out = bytes;
        else if (how != RECORD_AUTO)
            return error_set(err, IG_INVALID, "no schema's id in front of it");
        return IG_OK;
    }
    e = by_id(s, (int64_t)p[1] << 24 | p[2] << 16 | p[3] << 8 | p[4], err);
    if (!e)
        return err->code;
    if (!is_asked_for(how, e->type))
        return error_set(err, IG_INVALID, "schema %lld is %s", (long long)e->id, schema_type_name(e->type));
    buf_clear(text);
    IG_TRY(schema_decode(schema_of(e), (struct str){bytes.p + MAGIC_BYTES, bytes.n - MAGIC_BYTES}, text, err));
    *out = buf_str(text);
    return IG_OK;
}

enum ig_code record_schema_decode(struct record_schema *s, enum record_decoding how, const struct log_record *r,
                                  struct record_decoded *out, struct error *err)
{
    struct error ignored = {0};

    *out = (struct record_decoded){0};
    if (how == RECORD_RAW)
        return IG_OK;
    /* keys often are plain text beside encoded values */
    if (decode(s, how, r->key, &s->key_bytes, &out->key, &ignored) != IG_OK)
        out->key.p = NULL;
    if (how == RECORD_AUTO) {
        if (decode(s, how, r->value, &s->value_bytes, &out->value, &ignored) != IG_OK)
            out->value.p = NULL;
        return IG_OK;
    }
    return decode(s, how, r->value, &s->value_bytes, &out->value, err);
}
