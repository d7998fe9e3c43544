/*
 * What writers do: registering, and taking away. A writer first sees all that is in the log, decides, writes a record,
 * and looks at what came of it: another registry may have been faster.
 */
#include "registry/store.h"

#include <stdio.h>
#include <stdlib.h>

#define TRIES_MAX 20
#define SUBJECT_MAX_BYTES 1024

int refuse(struct refusal *why, int code, const char *fmt, ...)
{
    char small[1024];
    va_list args;

    va_start(args, fmt);
    vsnprintf(small, sizeof(small), fmt, args);
    va_end(args);
    why->code = code;
    buf_clear(&why->text);
    buf_puts(&why->text, small);
    return code;
}

static int store_failed(struct refusal *why, const struct error *err)
{
    return refuse(why, err->code == IG_UNAVAILABLE ? 50002 : 50001, "%s", err->msg);
}

/* --- candidates -------------------------------------------------------------------------------------- */

static int by_reference(const void *a, const void *b)
{
    const struct reference *x = a, *y = b;
    int order = str_cmp(x->name, y->name);

    order = order ? order : str_cmp(x->subject, y->subject);
    return order ? order : (x->version > y->version) - (x->version < y->version);
}

static bool wants_normal(struct registry *r, const struct registration *x)
{
    const struct subject *s = store_subject(r, x->subject);

    return x->normalize || (s && s->settings.config ? s->settings.normalize : r->global.normalize);
}

int register_parse(struct registry *r, struct registration *x, struct arena *arena, struct schema **out,
                   struct refusal *why)
{
    struct content *c = &x->content;
    struct schema_reference *refs = NULL;
    struct error err = {0};
    enum ig_code rc;
    struct buf text;
    bool normal;

    *out = NULL;
    pthread_mutex_lock(&r->lock);
    normal = wants_normal(r, x);
    for (size_t i = 0; i < c->n_refs; i++) {
        const struct version *v =
            c->refs[i].version == -1 ? store_latest(store_subject(r, c->refs[i].subject), false) : NULL;

        if (v)
            c->refs[i].version = v->number;
    }
    rc = store_resolve(r, c, arena, &refs, &err);
    pthread_mutex_unlock(&r->lock);
    if (rc == IG_OK)
        rc = schema_parse(c->type, c->text, refs, c->n_refs, out, &err);
    if (rc != IG_OK)
        return refuse(why, 42201, "Invalid schema of type %s, details: %s", schema_type_name(c->type), err.msg);
    buf_init(&text, 0);
    if (normal)
        schema_normalize(*out, &text);
    else
        schema_canonical(*out, &text);
    c->text = arena_str(arena, buf_str(&text));
    buf_release(&text);
    if (normal && c->n_refs)
        qsort(c->refs, c->n_refs, sizeof(*c->refs), by_reference);
    return 0;
}

/* The value of a property of the metadata, for compatibility groups; p NULL if there is none. */
static struct str group_of(const struct content *c, const char *group, struct arena *arena)
{
    struct json_node *metadata;

    if (!c->metadata.p || json_tree_parse(arena, c->metadata, &metadata, NULL) != IG_OK)
        return (struct str){NULL, 0};
    return json_tree_string(json_tree_member(metadata, "properties"), group);
}

static const char *group_name(const struct registry *r, const struct subject *s, struct arena *arena)
{
    const char *config = s && s->settings.config ? s->settings.config : r->global.config;
    struct json_node *node;
    struct str name = {NULL, 0};

    if (config && json_tree_parse(arena, str_of(config), &node, NULL) == IG_OK)
        name = json_tree_string(node, "compatibilityGroup");
    return name.n ? arena_strndup(arena, name.p, name.n) : NULL;
}

typedef VEC(struct earlier) earlier_list;

/* The earlier versions that a new schema is compared with. Under `lock`. */
static int collect_earlier(struct registry *r, const struct registration *x, int32_t number, struct arena *arena,
                           earlier_list *out, struct refusal *why)
{
    const struct subject *s = store_subject(r, x->subject);
    const char *group = group_name(r, s, arena);
    const struct str mine = group ? group_of(&x->content, group, arena) : (struct str){NULL, 0};
    struct error err;

    for (size_t i = 0; s && i < s->versions.n; i++) {
        const struct version *v = &s->versions.p[i];
        struct earlier e = {NULL, v->number};

        if (v->deleted || (number > 0 && v->number != number))
            continue;
        if (group && !str_eq(mine, group_of(&v->entry->content, group, arena)))
            continue;
        if (store_parse_entry(r, v->entry, &e.schema, &err) != IG_OK)
            return refuse(why, 42201, "version %d of subject " STR_FMT ": %s", v->number, STR_ARG(x->subject), err.msg);
        vec_push(out, e);
    }
    return 0;
}

static bool is_lenient(const struct registry *r, const struct subject *s)
{
    return s && s->settings.config ? s->settings.lenient : r->global.lenient;
}

int register_compatible(struct registry *r, const struct registration *x, const struct schema *schema, int32_t number,
                        struct schema_problems *problems, struct refusal *why)
{
    earlier_list earlier = {0};
    struct arena arena;
    enum level level;
    int code;

    arena_init(&arena);
    pthread_mutex_lock(&r->lock);
    level = store_level(r, store_subject(r, x->subject));
    problems->lenient = is_lenient(r, store_subject(r, x->subject));
    code = level == LEVEL_NONE ? 0 : collect_earlier(r, x, number, &arena, &earlier, why);
    pthread_mutex_unlock(&r->lock);
    if (code == 0)
        compatible(level, schema, earlier.p, earlier.n, problems);
    vec_free(&earlier);
    arena_release(&arena);
    return code;
}

/* --- registering
 * ------------------------------------------------------------------------------------------------------ */

static int check_mode(struct registry *r, const struct registration *x, bool *import, struct refusal *why)
{
    enum mode mode;

    pthread_mutex_lock(&r->lock);
    mode = store_mode(r, store_subject(r, x->subject));
    pthread_mutex_unlock(&r->lock);
    *import = mode == MODE_IMPORT;
    if (mode == MODE_READONLY || mode == MODE_READONLY_OVERRIDE)
        return refuse(why, 42205, "Subject " STR_FMT " in context . is in read-only mode", STR_ARG(x->subject));
    if (x->id >= 0 && mode != MODE_IMPORT)
        return refuse(why, 42205, "Subject " STR_FMT " in context . is not in import mode", STR_ARG(x->subject));
    if (x->id < 0 && mode != MODE_READWRITE)
        return refuse(why, 42205, "Subject " STR_FMT " in context . is not in read-write mode", STR_ARG(x->subject));
    return 0;
}

/* Is it there already? Under `lock`. */
static bool find_registered(struct registry *r, struct registration *x)
{
    const struct subject *s = store_subject(r, x->subject);

    for (size_t i = s ? s->versions.n : 0; i > 0; i--) {
        const struct version *v = &s->versions.p[i - 1];

        if (v->deleted || !content_eq(&v->entry->content, &x->content) || (x->id >= 0 && x->id != v->entry->id) ||
            (x->version > 0 && x->version != v->number))
            continue;
        x->id = v->entry->id;
        x->version = v->number;
        memcpy(x->guid, v->entry->guid, sizeof(x->guid));
        return true;
    }
    return false;
}

static bool is_registered(struct registry *r, struct registration *x)
{
    bool found;

    pthread_mutex_lock(&r->lock);
    found = find_registered(r, x);
    pthread_mutex_unlock(&r->lock);
    return found;
}

/* Chooses id and version. */
static int choose(struct registry *r, const struct registration *x, bool import, int32_t *id, int32_t *number,
                  struct refusal *why)
{
    const struct subject *s;
    const struct entry *same, *other;
    const struct version *last;
    int code = 0;

    pthread_mutex_lock(&r->lock);
    s = store_subject(r, x->subject);
    same = store_entry_of(r, &x->content);
    last = store_latest(s, true);
    *number = last ? last->number + 1 : 1;
    if (x->version > 0 && x->version != *number && !import)
        code = refuse(why, 42201, "Version is not one more than previous version");
    if (x->version > 0 && import)
        *number = x->version;
    *id = x->id >= 0 ? x->id : same ? same->id : r->max_id + 1;
    other = store_entry(r, *id);
    if (!code && other && !content_eq(&other->content, &x->content))
        code = refuse(why, 42205, "Overwrite new schema with id %d in context . is not permitted.", *id);
    pthread_mutex_unlock(&r->lock);
    return code;
}

static int put(struct registry *r, const struct buf *key, const struct buf *value, struct refusal *why)
{
    struct error err;
    const struct str v = value ? buf_str(value) : (struct str){NULL, 0};

    return registry_put(r, buf_str(key), v, &err) == IG_OK ? 0 : store_failed(why, &err);
}

/* Versions of this subject that were deleted and have the same schema make room for the new one. */
static int drop_deleted_twins(struct registry *r, const struct registration *x, int32_t id, struct refusal *why)
{
    VEC(int32_t) numbers = {0};
    const struct subject *s;
    struct buf key;
    int code = 0;

    pthread_mutex_lock(&r->lock);
    s = store_subject(r, x->subject);
    for (size_t i = 0; s && i < s->versions.n; i++) {
        const struct version *v = &s->versions.p[i];

        if (v->deleted && v->entry->id == id && !store_referrers(r, x->subject, v->number, true, STR(""), NULL, NULL))
            vec_push(&numbers, v->number);
    }
    pthread_mutex_unlock(&r->lock);
    buf_init(&key, 0);
    for (size_t i = 0; i < numbers.n && code == 0; i++) {
        buf_clear(&key);
        record_schema_key(&key, x->subject, numbers.p[i]);
        code = put(r, &key, NULL, why);
    }
    buf_release(&key);
    vec_free(&numbers);
    return code;
}

static int put_version(struct registry *r, struct str subject, int32_t number, int32_t id, const struct content *c,
                       bool deleted, const char *origin, struct refusal *why)
{
    struct buf key, value;
    int code;

    buf_init(&key, 0);
    buf_init(&value, 0);
    record_schema_key(&key, subject, number);
    record_schema_value(&value, subject, number, id, c, deleted, origin);
    code = put(r, &key, &value, why);
    buf_release(&key);
    buf_release(&value);
    return code;
}

/* Where our record came second, what counts is written once more behind it: compaction keeps the last one of a key. */
static int settle(struct registry *r, struct str subject, int32_t number, struct refusal *why)
{
    struct version v = {0};
    const struct version *there;

    pthread_mutex_lock(&r->lock);
    there = store_version(store_subject(r, subject), number);
    if (there)
        v = *there;
    pthread_mutex_unlock(&r->lock);
    return v.contested ? put_version(r, subject, number, v.entry->id, &v.entry->content, v.deleted, NULL, why) : 0;
}

static int incompatible(struct registry *r, const struct registration *x, const struct schema *schema,
                        struct refusal *why)
{
    struct schema_problems problems = {0};
    int code = register_compatible(r, x, schema, 0, &problems, why);

    if (code == 0 && problems.list.n > 0) {
        code = refuse(why, 409,
                      "Schema being registered is incompatible with an earlier schema for subject \"" STR_FMT
                      "\", details: [",
                      STR_ARG(x->subject));
        for (size_t i = 0; i < problems.list.n; i++) {
            buf_puts(&why->text, i ? ", " : "");
            buf_puts(&why->text, problems.list.p[i]);
        }
        buf_putc(&why->text, ']');
    }
    schema_problems_free(&problems);
    return code;
}

static int write_registration(struct registry *r, struct registration *x, const struct schema *schema,
                              struct refusal *why)
{
    struct error err;
    bool import, sent = false;
    int32_t id, number;
    int code;

    for (int i = 0; i < TRIES_MAX; i++) {
        if (registry_sync(r, &err) != IG_OK)
            return store_failed(why, &err);
        if (is_registered(r, x)) { /* before, by somebody else, or by us just now */
            if (sent)
                registry_announce(r, "registered", x->subject, x->version, x->id, x->content.type);
            return 0;
        }
        code = check_mode(r, x, &import, why);
        if (code == 0 && !import)
            code = incompatible(r, x, schema, why);
        if (code == 0)
            code = choose(r, x, import, &id, &number, why);
        if (code == 0)
            code = drop_deleted_twins(r, x, id, why);
        if (code == 0)
            code = put_version(r, x->subject, number, id, &x->content, false, import ? NULL : r->origin, why);
        if (code == 0)
            code = settle(r, x->subject, number, why);
        if (code != 0)
            return code;
        sent = true;
    }
    return refuse(why, 50001, "others were faster, %d times", TRIES_MAX);
}

static int check_subject(struct str subject, struct refusal *why)
{
    if (subject.n == 0 || subject.n > SUBJECT_MAX_BYTES || !str_is_utf8(subject))
        return refuse(why, 42208, "The specified subject '" STR_FMT "' is not a valid.", STR_ARG(subject));
    for (size_t i = 0; i < subject.n; i++)
        if ((unsigned char)subject.p[i] < 0x20 || subject.p[i] == 0x7f)
            return refuse(why, 42208, "The specified subject '" STR_FMT "' is not a valid.", STR_ARG(subject));
    if (subject.p[0] == ':' || str_is(subject, "__GLOBAL") || str_is(subject, "__EMPTY"))
        return refuse(why, 42208,
                      "The specified subject '" STR_FMT
                      "' is not a valid. (Contexts other than the default one are not "
                      "supported.)",
                      STR_ARG(subject));
    return 0;
}

int register_schema(struct registry *r, struct registration *x, struct arena *arena, struct refusal *why)
{
    struct schema *schema = NULL;
    int code = check_subject(x->subject, why);

    if (code == 0)
        code = register_parse(r, x, arena, &schema, why);
    if (code == 0 && !is_registered(r, x)) {
        pthread_mutex_lock(&r->write_lock);
        code = write_registration(r, x, schema, why);
        pthread_mutex_unlock(&r->write_lock);
    }
    schema_free(schema);
    return code;
}

/* --- taking away
 * --------------------------------------------------------------------------------------------------------- */

static bool is_read_only(struct registry *r, struct str subject)
{
    enum mode mode;

    pthread_mutex_lock(&r->lock);
    mode = store_mode(r, store_subject(r, subject));
    pthread_mutex_unlock(&r->lock);
    return mode == MODE_READONLY || mode == MODE_READONLY_OVERRIDE;
}

static int referred_to(struct refusal *why, struct str subject, int32_t number)
{
    return refuse(why, 42206,
                  "One or more references exist to the schema {magic=1,keytype=SCHEMA,subject=" STR_FMT ",version=%d}.",
                  STR_ARG(subject), number);
}

/* Before the last trace of the highest id goes: it is never given again. */
static int keep_max_id(struct registry *r, struct refusal *why)
{
    struct buf key, value;
    int code;

    buf_init(&key, 0);
    buf_init(&value, 0);
    buf_puts(&key, "{\"keytype\":\"NOOP\",\"magic\":0}");
    pthread_mutex_lock(&r->lock);
    buf_printf(&value, "{\"maxId\":%d}", r->max_id);
    pthread_mutex_unlock(&r->lock);
    code = put(r, &key, &value, why);
    buf_release(&key);
    buf_release(&value);
    return code;
}

static int drop_settings(struct registry *r, struct str subject, struct refusal *why)
{
    static const char *const KEYTYPES[] = {"MODE", "CONFIG"};
    struct buf key;
    const struct subject *s;
    bool there[2] = {false, false};
    int code = 0;

    pthread_mutex_lock(&r->lock);
    s = store_subject(r, subject);
    if (s && !store_has_versions(s, true)) {
        there[0] = s->settings.mode != MODE_UNSET;
        there[1] = s->settings.config != NULL;
    }
    pthread_mutex_unlock(&r->lock);
    buf_init(&key, 0);
    for (size_t i = 0; i < IG_COUNT(KEYTYPES) && code == 0; i++) {
        buf_clear(&key);
        record_key(&key, KEYTYPES[i], subject);
        code = there[i] ? put(r, &key, NULL, why) : 0;
    }
    buf_release(&key);
    return code;
}

/* Looks whether the version can go. On 0 *found is a copy of it. */
static int may_delete(struct registry *r, struct str subject, int32_t number, bool permanent, struct version *found,
                      struct refusal *why)
{
    const struct subject *s;
    const struct version *v;
    int code = 0;

    pthread_mutex_lock(&r->lock);
    s = store_subject(r, subject);
    v = number == -1 ? store_latest(s, false) : store_version(s, number);
    if (!store_has_versions(s, true))
        code = refuse(why, 40401, "Subject '" STR_FMT "' not found.", STR_ARG(subject));
    else if (!v)
        code = refuse(why, 40402, "Version %d not found.", number);
    else if (v->deleted && !permanent)
        code = refuse(why, 40406,
                      "Subject '" STR_FMT "' Version %d was soft deleted.Set permanent=true to delete permanently",
                      STR_ARG(subject), v->number);
    else if (store_referrers(r, subject, v->number, permanent, STR(""), NULL, NULL))
        code = referred_to(why, subject, v->number);
    else if (!v->deleted && permanent)
        code = refuse(why, 40407,
                      "Subject '" STR_FMT "' Version %d was not deleted first before being permanently deleted",
                      STR_ARG(subject), v->number);
    else
        *found = *v;
    pthread_mutex_unlock(&r->lock);
    return code;
}

static int write_deletion(struct registry *r, struct str subject, int32_t *number, bool permanent, struct refusal *why)
{
    struct error err;
    struct version v = {0};
    struct buf key;
    int code;

    if (registry_sync(r, &err) != IG_OK)
        return store_failed(why, &err);
    code = may_delete(r, subject, *number, permanent, &v, why);
    if (code != 0)
        return code;
    *number = v.number;
    if (!permanent) {
        code = put_version(r, subject, v.number, v.entry->id, &v.entry->content, true, NULL, why);
    } else {
        buf_init(&key, 0);
        record_schema_key(&key, subject, v.number);
        code = keep_max_id(r, why);
        code = code ? code : put(r, &key, NULL, why);
        code = code ? code : drop_settings(r, subject, why);
        buf_release(&key);
    }
    if (code == 0)
        registry_announce(r, permanent ? "removed" : "deleted", subject, v.number, v.entry->id, v.entry->content.type);
    return code;
}

int delete_version(struct registry *r, struct str subject, int32_t *number, bool permanent, struct refusal *why)
{
    int code;

    if (is_read_only(r, subject))
        return refuse(why, 42205, "Subject " STR_FMT " in context . is in read-only mode", STR_ARG(subject));
    pthread_mutex_lock(&r->write_lock);
    code = write_deletion(r, subject, number, permanent, why);
    pthread_mutex_unlock(&r->write_lock);
    return code;
}

typedef VEC(int32_t) number_list;

static int may_delete_subject(struct registry *r, struct str subject, bool permanent, number_list *numbers,
                              struct refusal *why)
{
    const struct subject *s;
    int code = 0;

    pthread_mutex_lock(&r->lock);
    s = store_subject(r, subject);
    if (!store_has_versions(s, true))
        code = refuse(why, 40401, "Subject '" STR_FMT "' not found.", STR_ARG(subject));
    else if (!permanent && !store_has_versions(s, false))
        code = refuse(why, 40404, "Subject '" STR_FMT "' was soft deleted.Set permanent=true to delete permanently",
                      STR_ARG(subject));
    for (size_t i = 0; code == 0 && i < s->versions.n; i++) {
        const struct version *v = &s->versions.p[i];

        if (!permanent && v->deleted)
            continue;
        if (store_referrers(r, subject, v->number, permanent, subject, NULL, NULL))
            code = referred_to(why, subject, v->number);
        else if (permanent && !v->deleted)
            code = refuse(why, 40405, "Subject '" STR_FMT "' was not deleted first before being permanently deleted",
                          STR_ARG(subject));
        vec_push(numbers, v->number);
    }
    pthread_mutex_unlock(&r->lock);
    return code;
}

static int write_subject_deletion(struct registry *r, struct str subject, bool permanent, number_list *numbers,
                                  struct refusal *why)
{
    struct buf key, value;
    struct error err;
    int code;

    if (registry_sync(r, &err) != IG_OK)
        return store_failed(why, &err);
    code = may_delete_subject(r, subject, permanent, numbers, why);
    if (code != 0)
        return code;
    buf_init(&key, 0);
    buf_init(&value, 0);
    if (!permanent) {
        record_key(&key, "DELETE_SUBJECT", subject);
        buf_puts(&value, "{\"subject\":");
        json_add_string(&value, subject);
        buf_printf(&value, ",\"version\":%d}", numbers->p[numbers->n - 1]);
        code = put(r, &key, &value, why);
    } else {
        code = keep_max_id(r, why);
        for (size_t i = numbers->n; i > 0 && code == 0; i--) {
            buf_clear(&key);
            record_schema_key(&key, subject, numbers->p[i - 1]);
            code = put(r, &key, NULL, why);
        }
        code = code ? code : drop_settings(r, subject, why);
    }
    buf_release(&key);
    buf_release(&value);
    if (code == 0)
        registry_announce(r, permanent ? "removed" : "deleted", subject, 0, -1, SCHEMA_AVRO);
    return code;
}

int delete_subject(struct registry *r, struct str subject, bool permanent, struct buf *versions, struct refusal *why)
{
    number_list numbers = {0};
    int code;

    if (is_read_only(r, subject))
        return refuse(why, 42205, "Subject " STR_FMT " in context . is in read-only mode", STR_ARG(subject));
    pthread_mutex_lock(&r->write_lock);
    code = write_subject_deletion(r, subject, permanent, &numbers, why);
    pthread_mutex_unlock(&r->write_lock);
    buf_putc(versions, '[');
    for (size_t i = 0; i < numbers.n; i++)
        buf_printf(versions, "%s%d", i ? "," : "", numbers.p[i]);
    buf_putc(versions, ']');
    vec_free(&numbers);
    return code;
}

/* --- settings
 * -------------------------------------------------------------------------------------------------------------- */

static int write_setting(struct registry *r, const char *keytype, struct str subject, struct str value,
                         struct refusal *why)
{
    struct error err;
    struct buf key;
    enum ig_code rc;

    buf_init(&key, 0);
    record_key(&key, keytype, subject);
    rc = registry_put(r, buf_str(&key), value, &err);
    buf_release(&key);
    if (rc != IG_OK)
        return store_failed(why, &err);
    registry_announce(r, str_is(str_of(keytype), "MODE") ? "mode" : "config", subject.p ? subject : STR(""), 0, -1,
                      SCHEMA_AVRO);
    return 0;
}

int put_setting(struct registry *r, const char *keytype, struct str subject, struct str value, struct refusal *why)
{
    struct error err;
    int code;

    if (str_is(str_of(keytype), "CONFIG") && is_read_only(r, subject.p ? subject : STR("")))
        return refuse(why, 42205, "Subject " STR_FMT " in context . is in read-only mode",
                      STR_ARG(subject.p ? subject : STR("null")));
    pthread_mutex_lock(&r->write_lock);
    code = registry_sync(r, &err) == IG_OK ? write_setting(r, keytype, subject, value, why) : store_failed(why, &err);
    pthread_mutex_unlock(&r->write_lock);
    return code;
}

/* Before an import starts, nothing may be there but softly deleted versions, which go. */
static int clear_for_import(struct registry *r, struct str subject, struct refusal *why)
{
    struct buf key;
    bool found = false;
    int code = 0;

    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < r->subjects.n && !found; i++)
        if (!subject.p || str_is(subject, r->subjects.p[i]->name))
            found = store_has_versions(r->subjects.p[i], false);
    pthread_mutex_unlock(&r->lock);
    if (found)
        return refuse(why, 42205, "Cannot import since found existing subjects");
    buf_init(&key, 0);
    record_key(&key, "CLEAR_SUBJECT", subject);
    {
        struct buf value;

        buf_init(&value, 0);
        buf_puts(&value, "{\"subject\":");
        if (subject.p)
            json_add_string(&value, subject);
        else
            buf_puts(&value, "null");
        buf_putc(&value, '}');
        code = put(r, &key, &value, why);
        buf_release(&value);
    }
    buf_release(&key);
    return code;
}

int set_mode(struct registry *r, struct str subject, enum mode mode, bool force, struct refusal *why)
{
    struct error err;
    struct buf value;
    int code = 0;

    buf_init(&value, 0);
    buf_printf(&value, "{\"mode\":\"%s\"}", mode_name(mode));
    pthread_mutex_lock(&r->write_lock);
    if (registry_sync(r, &err) != IG_OK)
        code = store_failed(why, &err);
    if (code == 0 && mode == MODE_IMPORT && !force)
        code = clear_for_import(r, subject, why);
    if (code == 0)
        code = write_setting(r, "MODE", subject, buf_str(&value), why);
    pthread_mutex_unlock(&r->write_lock);
    buf_release(&value);
    return code;
}
