/*
 * What a registry knows: subjects by name, schemas by id and by what they are.
 */
#include "registry/store.h"

#include <stdio.h>
#include <stdlib.h>

#define REFERENCE_DEPTH_MAX 32

static const char *const LEVELS[] = {"NONE", "BACKWARD",       "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE",
                                     "FULL", "FULL_TRANSITIVE"};
static const char *const MODES[] = {"READWRITE", "READONLY", "READONLY_OVERRIDE", "IMPORT"};

const char *level_name(enum level level)
{
    return LEVELS[level];
}

static bool same_word(struct str s, const char *word)
{
    return s.n == strlen(word) && strncasecmp(s.p, word, s.n) == 0;
}

enum level level_of(struct str name)
{
    for (size_t i = 0; i < IG_COUNT(LEVELS); i++)
        if (same_word(name, LEVELS[i]))
            return (enum level)i;
    return LEVEL_UNSET;
}

const char *mode_name(enum mode mode)
{
    return MODES[mode];
}

enum mode mode_of(struct str name)
{
    for (size_t i = 0; i < IG_COUNT(MODES); i++)
        if (same_word(name, MODES[i]))
            return (enum mode)i;
    return MODE_UNSET;
}

/* --- contents ---------------------------------------------------------------------------------------- */

/* The identifier that Confluent's registry has for a schema: MD5 over the text and the references, as a UUID. */
void content_guid(const struct content *c, char out[37])
{
    struct buf b;
    char hex[33];

    buf_init(&b, 0);
    buf_add_str(&b, c->text);
    for (size_t i = 0; i < c->n_refs; i++) {
        const uint32_t v = (uint32_t)c->refs[i].version;

        buf_add_str(&b, c->refs[i].name);
        buf_add_str(&b, c->refs[i].subject);
        for (int shift = 24; shift >= 0; shift -= 8)
            buf_putc(&b, (char)(v >> shift & 0xff));
    }
    if (c->metadata.p) {
        buf_putc(&b, 1);
        buf_add_str(&b, c->metadata);
    }
    if (c->rule_set.p) {
        buf_putc(&b, 1);
        buf_add_str(&b, c->rule_set);
    }
    hash_md5_hex(b.p ? b.p : "", b.n, hex);
    buf_release(&b);
    snprintf(out, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

bool content_eq(const struct content *a, const struct content *b)
{
    if (a->type != b->type || !str_eq(a->text, b->text) || a->n_refs != b->n_refs ||
        !str_eq(a->metadata, b->metadata) || !str_eq(a->rule_set, b->rule_set))
        return false;
    for (size_t i = 0; i < a->n_refs; i++)
        if (!str_eq(a->refs[i].name, b->refs[i].name) || !str_eq(a->refs[i].subject, b->refs[i].subject) ||
            a->refs[i].version != b->refs[i].version)
            return false;
    return true;
}

static void copy_content(struct arena *arena, const struct content *from, struct content *to)
{
    *to = *from;
    to->text = arena_str(arena, from->text);
    to->metadata = from->metadata.p ? arena_str(arena, from->metadata) : (struct str){NULL, 0};
    to->rule_set = from->rule_set.p ? arena_str(arena, from->rule_set) : (struct str){NULL, 0};
    to->refs = ARENA_ARRAY(arena, struct reference, from->n_refs + 1);
    for (size_t i = 0; i < from->n_refs; i++)
        to->refs[i] = (struct reference){arena_str(arena, from->refs[i].name), arena_str(arena, from->refs[i].subject),
                                         from->refs[i].version};
}

/* --- subjects and versions --------------------------------------------------------------------------- */

static size_t subject_at(const struct registry *r, struct str name, bool *found)
{
    size_t low = 0, high = r->subjects.n;

    *found = false;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = str_cmp(str_of(r->subjects.p[middle]->name), name);

        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct subject *store_subject(const struct registry *r, struct str name)
{
    bool found;
    const size_t at = subject_at(r, name, &found);

    return found ? r->subjects.p[at] : NULL;
}

struct subject *store_subject_make(struct registry *r, struct str name)
{
    bool found;
    const size_t at = subject_at(r, name, &found);
    struct subject *s;

    if (found)
        return r->subjects.p[at];
    s = check_calloc(1, sizeof(*s));
    s->name = check_calloc(1, name.n + 1);
    memcpy(s->name, name.p, name.n);
    s->settings.level = LEVEL_UNSET;
    s->settings.mode = MODE_UNSET;
    vec_push(&r->subjects, s);
    memmove(r->subjects.p + at + 1, r->subjects.p + at, (r->subjects.n - 1 - at) * sizeof(struct subject *));
    r->subjects.p[at] = s;
    return s;
}

static size_t version_at(const struct subject *s, int32_t number)
{
    size_t at = s->versions.n;

    while (at > 0 && s->versions.p[at - 1].number >= number) /* nearly always asked near the end */
        at--;
    return at;
}

struct version *store_version(const struct subject *s, int32_t number)
{
    const size_t at = s ? version_at(s, number) : 0;

    return s && at < s->versions.n && s->versions.p[at].number == number ? &s->versions.p[at] : NULL;
}

struct version *store_latest(const struct subject *s, bool deleted)
{
    for (size_t i = s ? s->versions.n : 0; i > 0; i--)
        if (deleted || !s->versions.p[i - 1].deleted)
            return &s->versions.p[i - 1];
    return NULL;
}

bool store_has_versions(const struct subject *s, bool deleted)
{
    return store_latest(s, deleted) != NULL;
}

void store_version_set(struct registry *r, struct subject *s, int32_t number, struct entry *entry, bool deleted,
                       int64_t timestamp_ms)
{
    const struct version v = {.number = number, .deleted = deleted, .entry = entry, .timestamp_ms = timestamp_ms};
    struct version *old = store_version(s, number);
    const size_t at = version_at(s, number);

    (void)r;
    entry->uses++;
    if (old) {
        old->entry->uses--;
        *old = v;
        return;
    }
    vec_push(&s->versions, v);
    memmove(s->versions.p + at + 1, s->versions.p + at, (s->versions.n - 1 - at) * sizeof(v));
    s->versions.p[at] = v;
}

void store_version_remove(struct registry *r, struct subject *s, int32_t number)
{
    struct version *v = store_version(s, number);

    (void)r;
    if (!v)
        return;
    v->entry->uses--;
    memmove(v, v + 1, (size_t)(s->versions.p + s->versions.n - (v + 1)) * sizeof(*v));
    s->versions.n--;
}

/* --- schemas by id, by content ----------------------------------------------------------------------- */

static size_t entry_at(const struct registry *r, int32_t id)
{
    size_t low = 0, high = r->entries.n;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (r->entries.p[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct entry *store_entry(const struct registry *r, int32_t id)
{
    const size_t at = entry_at(r, id);

    return at < r->entries.n && r->entries.p[at]->id == id && r->entries.p[at]->uses > 0 ? r->entries.p[at] : NULL;
}

static size_t guid_at(const struct registry *r, const char *guid)
{
    return (size_t)hash_fnv1a(guid, 36) & (r->by_guid_cap - 1);
}

static void index_guid(struct registry *r, struct entry *e)
{
    struct entry **old = r->by_guid;
    const size_t n = r->by_guid_cap;
    size_t at;

    if (r->n_by_guid * 2 >= n) {
        r->by_guid_cap = n ? n * 2 : 256;
        r->by_guid = check_calloc(r->by_guid_cap, sizeof(struct entry *));
        r->n_by_guid = 0;
        for (size_t i = 0; i < n; i++)
            if (old[i])
                index_guid(r, old[i]);
        free(old);
    }
    for (at = guid_at(r, e->guid); r->by_guid[at]; at = (at + 1) & (r->by_guid_cap - 1))
        ;
    r->by_guid[at] = e;
    r->n_by_guid++;
}

struct entry *store_entry_of(const struct registry *r, const struct content *c)
{
    char guid[37];
    struct entry *found = NULL;

    if (r->by_guid_cap == 0)
        return NULL;
    content_guid(c, guid);
    for (size_t at = guid_at(r, guid); r->by_guid[at]; at = (at + 1) & (r->by_guid_cap - 1)) {
        struct entry *e = r->by_guid[at];

        if (e->uses > 0 && content_eq(&e->content, c) && store_entry(r, e->id) == e && (!found || e->id < found->id))
            found = e;
    }
    return found;
}

struct entry *store_entry_by_guid(const struct registry *r, struct str guid)
{
    if (r->by_guid_cap == 0 || guid.n != 36)
        return NULL;
    for (size_t at = guid_at(r, guid.p); r->by_guid[at]; at = (at + 1) & (r->by_guid_cap - 1))
        if (r->by_guid[at]->uses > 0 && str_is(guid, r->by_guid[at]->guid))
            return r->by_guid[at];
    return NULL;
}

struct entry *store_entry_add(struct registry *r, int32_t id, const struct content *c)
{
    struct entry *e = check_calloc(1, sizeof(*e));
    const size_t at = entry_at(r, id);

    arena_init(&e->arena);
    e->id = id;
    copy_content(&e->arena, c, &e->content);
    content_guid(&e->content, e->guid);
    if (at < r->entries.n && r->entries.p[at]->id == id) {
        vec_push(&r->past, r->entries.p[at]);
    } else {
        vec_push(&r->entries, e);
        memmove(r->entries.p + at + 1, r->entries.p + at, (r->entries.n - 1 - at) * sizeof(struct entry *));
    }
    r->entries.p[at] = e;
    index_guid(r, e);
    if (id > r->max_id)
        r->max_id = id;
    return e;
}

static void entry_free(struct entry *e)
{
    schema_free(e->parsed);
    arena_release(&e->arena);
    free(e);
}

void store_release(struct registry *r)
{
    for (size_t i = 0; i < r->subjects.n; i++) {
        vec_free(&r->subjects.p[i]->versions);
        free(r->subjects.p[i]->settings.config);
        free(r->subjects.p[i]->name);
        free(r->subjects.p[i]);
    }
    for (size_t i = 0; i < r->entries.n; i++)
        entry_free(r->entries.p[i]);
    for (size_t i = 0; i < r->past.n; i++)
        entry_free(r->past.p[i]);
    vec_free(&r->subjects);
    vec_free(&r->entries);
    vec_free(&r->past);
    free(r->by_guid);
    free(r->global.config);
}

/* --- settings ---------------------------------------------------------------------------------------- */

enum level store_level(const struct registry *r, const struct subject *s)
{
    if (s && s->settings.level != LEVEL_UNSET)
        return s->settings.level;
    return r->global.level != LEVEL_UNSET ? r->global.level : LEVEL_FULL_TRANSITIVE;
}

enum mode store_mode(const struct registry *r, const struct subject *s)
{
    if (r->global.mode == MODE_READONLY_OVERRIDE)
        return r->global.mode;
    if (s && s->settings.mode != MODE_UNSET)
        return s->settings.mode;
    return r->global.mode != MODE_UNSET ? r->global.mode : MODE_READWRITE;
}

void settings_set_config(struct settings *s, struct str value)
{
    struct arena arena;
    struct json_node *config;

    free(s->config);
    s->config = NULL;
    s->level = LEVEL_UNSET;
    s->normalize = s->lenient = false;
    if (!value.p)
        return;
    arena_init(&arena);
    if (json_tree_parse(&arena, value, &config, NULL) == IG_OK) {
        s->config = check_calloc(1, value.n + 1);
        memcpy(s->config, value.p, value.n);
        s->level = level_of(json_tree_string(config, "compatibilityLevel"));
        s->normalize = json_tree_is(json_tree_member(config, "normalize"), JSON_TRUE);
        s->lenient = same_word(json_tree_string(config, "compatibilityPolicy"), "LENIENT");
    }
    arena_release(&arena);
}

/* --- references -------------------------------------------------------------------------------------- */

static bool refers_to(const struct content *c, struct str subject, int32_t number)
{
    for (size_t i = 0; i < c->n_refs; i++)
        if (c->refs[i].version == number && str_eq(c->refs[i].subject, subject))
            return true;
    return false;
}

size_t store_referrers(const struct registry *r, struct str subject, int32_t number, bool deleted, struct str except,
                       store_each_fn *each, void *ctx)
{
    size_t n = 0;

    for (size_t i = 0; i < r->subjects.n; i++) {
        const struct subject *s = r->subjects.p[i];

        for (size_t k = 0; k < s->versions.n; k++) {
            const struct version *v = &s->versions.p[k];

            if (v->entry->content.n_refs == 0 || (v->deleted && !deleted) || str_eq(str_of(s->name), except) ||
                !refers_to(&v->entry->content, subject, number))
                continue;
            n++;
            if (each)
                each(ctx, s, v);
        }
    }
    return n;
}

static enum ig_code parse_entry(struct registry *r, struct entry *e, int depth, const struct schema **out,
                                struct error *err);

static enum ig_code resolve(struct registry *r, const struct content *c, struct arena *arena, int depth,
                            struct schema_reference **refs, struct error *err)
{
    *refs = ARENA_ARRAY(arena, struct schema_reference, c->n_refs + 1);
    for (size_t i = 0; i < c->n_refs; i++) {
        const struct reference *ref = &c->refs[i];
        const struct subject *s = store_subject(r, ref->subject);
        const struct version *v = ref->version == -1 ? store_latest(s, false) : store_version(s, ref->version);

        if (!v)
            return error_set(err, IG_INVALID, "No schema reference found for subject \"" STR_FMT "\" and version %d",
                             STR_ARG(ref->subject), ref->version);
        (*refs)[i].name = arena_strndup(arena, ref->name.p, ref->name.n);
        IG_TRY(parse_entry(r, v->entry, depth + 1, &(*refs)[i].schema, err));
    }
    return IG_OK;
}

static enum ig_code parse_entry(struct registry *r, struct entry *e, int depth, const struct schema **out,
                                struct error *err)
{
    struct schema_reference *refs;
    enum ig_code rc;

    if (depth > REFERENCE_DEPTH_MAX)
        return error_set(err, IG_INVALID, "references go over more than %d schemas", REFERENCE_DEPTH_MAX);
    if (!e->parsed && !e->broken.code) {
        rc = resolve(r, &e->content, &e->arena, depth, &refs, err);
        if (rc != IG_OK) /* which may pass: what is missing can be registered yet */
            return rc;
        rc = schema_parse(e->content.type, e->content.text, refs, e->content.n_refs, &e->parsed, &e->broken);
        IG_ASSERT((rc == IG_OK) == (e->parsed != NULL));
    }
    *out = e->parsed;
    return e->parsed ? IG_OK : error_set(err, IG_INVALID, "schema %d: %s", e->id, e->broken.msg);
}

enum ig_code store_parse_entry(struct registry *r, struct entry *e, const struct schema **out, struct error *err)
{
    return parse_entry(r, e, 0, out, err);
}

enum ig_code store_resolve(struct registry *r, const struct content *c, struct arena *arena,
                           struct schema_reference **refs, struct error *err)
{
    return resolve(r, c, arena, 0, refs, err);
}
