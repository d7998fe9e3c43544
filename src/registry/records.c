/*
 * The records of the topic _schemas, as Confluent's registry writes and reads them: keys
 *   {"keytype":"SCHEMA","subject":S,"version":N,"magic":1}     a version, with its schema; a tombstone takes it away
 *   {"keytype":"CONFIG"|"MODE","subject":S,"magic":0}          settings; without a subject the global ones
 *   {"keytype":"DELETE_SUBJECT","subject":S,"magic":0}         all versions up to one are softly deleted
 *   {"keytype":"CLEAR_SUBJECT","subject":S,"magic":0}          softly deleted versions are gone
 *   {"keytype":"NOOP","magic":0}                               nothing; ours carry the highest id that was ever given
 *
 * Registrations of ours have a member "origin". Two registries can choose the same version, or the same id, at the same
 * time; of records with an origin the first one in the log counts then. Others (Confluent's own registry has one
 * leader; imports mean what they say) replace what was there.
 */
#include "registry/store.h"

#include <stdlib.h>

/* --- writing ----------------------------------------------------------------------------------------- */

static void add_name(struct buf *out, const char *name, struct str value)
{
    buf_printf(out, "\"%s\":", name);
    json_add_string(out, value);
}

void record_schema_key(struct buf *out, struct str subject, int32_t version)
{
    buf_puts(out, "{\"keytype\":\"SCHEMA\",");
    add_name(out, "subject", subject);
    buf_printf(out, ",\"version\":%d,\"magic\":1}", version);
}

void record_key(struct buf *out, const char *keytype, struct str subject)
{
    buf_printf(out, "{\"keytype\":\"%s\",\"subject\":", keytype);
    if (subject.p)
        json_add_string(out, subject);
    else
        buf_puts(out, "null");
    buf_puts(out, ",\"magic\":0}");
}

void record_add_content(struct buf *out, const struct content *c)
{
    if (c->type != SCHEMA_AVRO) /* which is what is meant where nothing is said */
        buf_printf(out, ",\"schemaType\":\"%s\"", schema_type_name(c->type));
    for (size_t i = 0; i < c->n_refs; i++) {
        buf_puts(out, i ? ",{" : ",\"references\":[{");
        add_name(out, "name", c->refs[i].name);
        buf_putc(out, ',');
        add_name(out, "subject", c->refs[i].subject);
        buf_printf(out, ",\"version\":%d}", c->refs[i].version);
    }
    if (c->n_refs)
        buf_putc(out, ']');
    if (c->metadata.p)
        buf_printf(out, ",\"metadata\":" STR_FMT, STR_ARG(c->metadata));
    if (c->rule_set.p)
        buf_printf(out, ",\"ruleSet\":" STR_FMT, STR_ARG(c->rule_set));
    buf_putc(out, ',');
    add_name(out, "schema", c->text);
}

void record_schema_value(struct buf *out, struct str subject, int32_t version, int32_t id, const struct content *c,
                         bool deleted, const char *origin)
{
    buf_putc(out, '{');
    add_name(out, "subject", subject);
    buf_printf(out, ",\"version\":%d,\"id\":%d", version, id);
    record_add_content(out, c);
    buf_printf(out, ",\"deleted\":%s", deleted ? "true" : "false");
    if (origin) {
        buf_putc(out, ',');
        add_name(out, "origin", str_of(origin));
    }
    buf_putc(out, '}');
}

/* --- reading ----------------------------------------------------------------------------------------- */

static enum ig_code read_references(const struct json_node *list, struct arena *arena, struct content *out,
                                    struct error *err)
{
    out->refs = ARENA_ARRAY(arena, struct reference, (list ? list->n : 0) + 1);
    if (list && list->type != JSON_ARRAY && list->type != JSON_NULL)
        return error_set(err, IG_INVALID, "references must be an array");
    json_tree_each(item, list)
    {
        struct reference *ref = &out->refs[out->n_refs++];
        int64_t version = 0;

        ref->name = json_tree_string(item, "name");
        ref->subject = json_tree_string(item, "subject");
        if (!ref->name.p || !ref->subject.p || !json_tree_int64(json_tree_member(item, "version"), &version) ||
            version < -1 || version == 0 || version > INT32_MAX)
            return error_set(err, IG_INVALID, "a reference has a name, a subject and a version");
        ref->version = (int32_t)version;
    }
    return IG_OK;
}

/* An object as text again; none where it is null or empty. */
static struct str read_object(const struct json_node *object, const char *name, struct arena *arena)
{
    const struct json_node *m = json_tree_member(object, name);
    struct str text = {NULL, 0};
    struct buf b;

    if (!json_tree_is(m, JSON_OBJECT) || m->n == 0)
        return text;
    buf_init(&b, 0);
    json_tree_print(m, false, &b);
    text = arena_str(arena, buf_str(&b));
    buf_release(&b);
    return text;
}

enum ig_code record_read_content(const struct json_node *object, struct arena *arena, struct content *out,
                                 struct error *err)
{
    const struct json_node *type = json_tree_member(object, "schemaType");

    *out = (struct content){.type = SCHEMA_AVRO, .text = json_tree_string(object, "schema")};
    if (type && type->type != JSON_NULL && (type->type != JSON_STRING || !schema_type_of(type->text, &out->type)))
        return error_set(err, IG_INVALID, "Invalid schema type " STR_FMT, STR_ARG(type->text));
    out->metadata = read_object(object, "metadata", arena);
    out->rule_set = read_object(object, "ruleSet", arena);
    return read_references(json_tree_member(object, "references"), arena, out, err);
}

/* --- applying ---------------------------------------------------------------------------------------- */

/* A registration: false if another one came first. */
static bool counts(const struct registry *r, const struct version *there, int32_t id, const struct content *c)
{
    const struct entry *same_id = store_entry(r, id), *same = store_entry_of(r, c);

    if (there && !(there->entry->id == id && content_eq(&there->entry->content, c)))
        return false;
    if (same_id && !content_eq(&same_id->content, c))
        return false;
    return !same || same->id == id;
}

static void apply_schema(struct registry *r, struct str name, int32_t number, const struct json_node *value,
                         struct arena *arena, int64_t timestamp_ms)
{
    const bool ours = json_tree_string(value, "origin").p != NULL;
    struct subject *s = store_subject_make(r, name);
    struct version *there = store_version(s, number);
    struct entry *entry;
    struct content c;
    int64_t id;

    if (!value) {
        store_version_remove(r, s, number);
        return;
    }
    if (!json_tree_int64(json_tree_member(value, "id"), &id) || id < 0 || id > INT32_MAX ||
        record_read_content(value, arena, &c, NULL) != IG_OK || !c.text.p)
        return;
    if (ours && !counts(r, there, (int32_t)id, &c)) {
        if (there)
            there->contested = true;
        return;
    }
    entry = store_entry(r, (int32_t)id);
    if (!entry || !content_eq(&entry->content, &c))
        entry = store_entry_add(r, (int32_t)id, &c);
    store_version_set(r, s, number, entry, json_tree_is(json_tree_member(value, "deleted"), JSON_TRUE), timestamp_ms);
}

static void apply_delete_subject(struct registry *r, struct str name, const struct json_node *value)
{
    struct subject *s = store_subject(r, name);
    int64_t up_to;

    if (!s || !json_tree_int64(json_tree_member(value, "version"), &up_to))
        return;
    for (size_t i = 0; i < s->versions.n; i++)
        if (s->versions.p[i].number <= up_to)
            s->versions.p[i].deleted = true;
}

static void apply_clear_subject(struct registry *r, struct str name)
{
    for (size_t k = 0; k < r->subjects.n; k++) {
        struct subject *s = r->subjects.p[k];

        if (name.p && !str_is(name, s->name))
            continue;
        for (size_t i = s->versions.n; i > 0; i--)
            if (s->versions.p[i - 1].deleted)
                store_version_remove(r, s, s->versions.p[i - 1].number);
    }
}

static void apply_noop(struct registry *r, const struct json_node *value)
{
    int64_t id;

    if (json_tree_int64(json_tree_member(value, "maxId"), &id) && id > r->max_id && id < INT32_MAX)
        r->max_id = (int32_t)id;
}

static struct settings *settings_for(struct registry *r, struct str name)
{
    return name.p ? &store_subject_make(r, name)->settings : &r->global;
}

static void apply(struct registry *r, const struct json_node *key, const struct json_node *value, struct str raw,
                  struct arena *arena, int64_t timestamp_ms)
{
    const struct str type = json_tree_string(key, "keytype"), name = json_tree_string(key, "subject");
    int64_t number;

    if (str_is(type, "SCHEMA")) {
        if (name.p && json_tree_int64(json_tree_member(key, "version"), &number) && number > 0 && number <= INT32_MAX)
            apply_schema(r, name, (int32_t)number, value, arena, timestamp_ms);
    } else if (str_is(type, "CONFIG")) {
        settings_set_config(settings_for(r, name), raw);
    } else if (str_is(type, "MODE")) {
        settings_for(r, name)->mode = mode_of(json_tree_string(value, "mode"));
    } else if (str_is(type, "DELETE_SUBJECT") && name.p) {
        apply_delete_subject(r, name, value);
    } else if (str_is(type, "CLEAR_SUBJECT")) {
        apply_clear_subject(r, name);
    } else if (str_is(type, "NOOP")) {
        apply_noop(r, value);
    }
}

/* A record that is none of these is somebody else's matter. */
void records_apply(struct registry *r, const struct log_record *record)
{
    struct json_node *key, *value = NULL;
    struct arena arena;

    arena_init(&arena);
    if (record->key.p && json_tree_parse(&arena, record->key, &key, NULL) == IG_OK &&
        (!record->value.p || json_tree_parse(&arena, record->value, &value, NULL) == IG_OK))
        apply(r, key, value, record->value, &arena, record->timestamp_ms);
    else
        log_warn(r->env, "registry", "record %lld of " REGISTRY_TOPIC " is not JSON, and is passed over",
                 (long long)record->offset);
    arena_release(&arena);
}
