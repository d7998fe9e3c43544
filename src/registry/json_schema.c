/*
 * JSON Schema: drafts 4, 6, 7, 2019-09 and 2020-12.
 */
#include "registry/json_schema.h"

#include <stdlib.h>

static void json_schema_free(struct schema *base)
{
    struct json_schema *s = (struct json_schema *)base;

    for (size_t i = 0; i < s->patterns.n; i++)
        pcre2_code_free(s->patterns.p[i].code);
    vec_free(&s->patterns);
    vec_free(&s->resources);
    arena_release(&s->arena);
    free(s);
}

/* What is said nowhere is draft 7, as Confluent has it. */
static enum json_draft draft_of(const struct json_node *root)
{
    static const struct {
        const char *mark;
        enum json_draft draft;
    } DRAFTS[] = {
        {"draft-04", DRAFT_4},   {"draft-06", DRAFT_6},   {"draft-07", DRAFT_7},
        {"2019-09", DRAFT_2019}, {"2020-12", DRAFT_2020},
    };
    const struct str text = json_tree_string(root, "$schema");

    for (size_t i = 0; i < IG_COUNT(DRAFTS); i++)
        if (text.n > 0 && memmem(text.p, text.n, DRAFTS[i].mark, strlen(DRAFTS[i].mark)))
            return DRAFTS[i].draft;
    return DRAFT_7;
}

static void copy_references(struct json_schema *s, const struct schema_reference *refs, size_t n)
{
    s->refs = ARENA_ARRAY(&s->arena, struct schema_reference, n + 1);
    for (size_t i = 0; i < n; i++)
        if (refs[i].schema->type == SCHEMA_JSON)
            s->refs[s->n_refs++] = (struct schema_reference){arena_strdup(&s->arena, refs[i].name), refs[i].schema};
}

static enum ig_code json_schema_parse(struct str text, const struct schema_reference *refs, size_t n_refs,
                                      struct schema **out, struct error *err)
{
    struct json_schema *s = check_calloc(1, sizeof(*s));
    struct json_node *root;
    enum ig_code rc;

    arena_init(&s->arena);
    copy_references(s, refs, n_refs);
    rc = json_tree_parse(&s->arena, text, &root, err);
    if (rc == IG_OK && root->type != JSON_OBJECT && !json_tree_is_bool(root))
        rc = error_set(err, IG_INVALID, "a schema is an object, true or false");
    if (rc == IG_OK) {
        s->root = root;
        s->draft = draft_of(root);
        json_schema_collect(s);
        rc = json_shape_build(s, err);
    }
    if (rc != IG_OK) {
        json_schema_free(&s->base);
        return rc;
    }
    *out = &s->base;
    return IG_OK;
}

static void json_schema_canonical(const struct schema *base, struct buf *out)
{
    json_tree_print(((const struct json_schema *)base)->root, false, out);
}

static void json_schema_normalize(const struct schema *base, struct buf *out)
{
    json_tree_print(((const struct json_schema *)base)->root, true, out);
}

static enum ig_code json_schema_decode(const struct schema *base, struct str bytes, struct buf *json, struct error *err)
{
    struct json_reader r;
    struct json_value v;

    (void)base;
    json_reader_init(&r, bytes);
    if (!json_read(&r, &v) || !json_end(&r))
        return error_set(err, IG_INVALID, "not JSON: byte %zu: %s", r.at, r.problem ? r.problem : "more behind it");
    buf_add_str(json, bytes);
    return IG_OK;
}

static enum ig_code json_schema_encode(const struct schema *base, struct str json, struct buf *bytes, struct error *err)
{
    struct arena arena;
    struct json_node *value;
    enum ig_code rc;

    arena_init(&arena);
    rc = json_tree_parse(&arena, json, &value, err);
    if (rc == IG_OK)
        rc = json_schema_validate((const struct json_schema *)base, value, err);
    arena_release(&arena);
    if (rc == IG_OK)
        buf_add_str(bytes, json);
    return rc;
}

const struct schema_ops schema_json_ops = {
    .name = "JSON",
    .parse = json_schema_parse,
    .free = json_schema_free,
    .canonical = json_schema_canonical,
    .normalize = json_schema_normalize,
    .can_read = json_schema_can_read,
    .decode = json_schema_decode,
    .encode = json_schema_encode,
};

/* --- identifiers ------------------------------------------------------------------------------------- */

static bool has_scheme(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        const char c = s.p[i];

        if (c == ':')
            return i > 0;
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
              (i > 0 && ((c >= '0' && c <= '9') || strchr("+.-", c)))))
            return false;
    }
    return false;
}

/* Without its fragment. */
static struct str bare(struct str uri)
{
    const char *hash = uri.n ? memchr(uri.p, '#', uri.n) : NULL;

    return hash ? (struct str){uri.p, (size_t)(hash - uri.p)} : uri;
}

static struct str fragment_of(struct str uri)
{
    const char *hash = uri.n ? memchr(uri.p, '#', uri.n) : NULL;

    return hash ? (struct str){hash + 1, uri.n - (size_t)(hash - uri.p) - 1} : (struct str){"", 0};
}

/* `ref`, which has no fragment, as seen from `base`. */
static struct str uri_join(struct arena *arena, struct str base, struct str ref)
{
    size_t keep = 0;

    if (ref.n == 0)
        return base;
    while (str_has_prefix(ref, "./"))
        ref = (struct str){ref.p + 2, ref.n - 2};
    if (has_scheme(ref) || base.n == 0)
        return ref;
    if (ref.p[0] == '/') { /* scheme://authority stays */
        const char *slashes = memmem(base.p, base.n, "://", 3);

        if (slashes) {
            for (keep = (size_t)(slashes - base.p) + 3; keep < base.n && base.p[keep] != '/';)
                keep++;
        }
    } else {
        for (keep = base.n; keep > 0 && base.p[keep - 1] != '/';)
            keep--;
        if (keep == 0 && has_scheme(base)) /* urn:name has no folders */
            return ref;
    }
    return str_of(arena_printf(arena, STR_FMT STR_FMT, (int)keep, base.p, STR_ARG(ref)));
}

static struct str own_id(const struct json_schema *doc, const struct json_node *node)
{
    const struct str id = json_tree_string(node, "$id");

    if (doc->draft < DRAFT_2019 && json_tree_string(node, "$ref").p)
        return (struct str){NULL, 0};                /* a $ref hides what is beside it */
    return id.p ? id : json_tree_string(node, "id"); /* draft 4 */
}

struct json_place json_schema_below(const struct json_place *from, const struct json_node *node, struct arena *scratch)
{
    struct json_place to = {from->doc, node, from->base};
    const struct str id = own_id(from->doc, node);

    if (id.n > 0)
        to.base = uri_join(scratch, from->base, bare(id));
    return to;
}

static void add_resource(struct json_schema *s, struct str uri, struct str anchor, const struct json_node *node)
{
    const struct json_resource r = {uri, anchor, node};

    vec_push(&s->resources, r);
}

static bool holds_plain_values(struct str key)
{
    return str_is(key, "enum") || str_is(key, "const") || str_is(key, "default") || str_is(key, "examples");
}

static void collect(struct json_schema *s, const struct json_node *node, struct str base)
{
    static const char *const ANCHORS[] = {"$anchor", "$dynamicAnchor"};
    const struct str id = own_id(s, node);

    if (id.n > 0) {
        const struct str anchor = fragment_of(id);

        base = uri_join(&s->arena, base, bare(id));
        add_resource(s, base, anchor.n ? anchor : (struct str){NULL, 0}, node);
    }
    for (size_t i = 0; i < IG_COUNT(ANCHORS); i++) {
        const struct str anchor = json_tree_string(node, ANCHORS[i]);

        if (anchor.n > 0)
            add_resource(s, base, anchor, node);
    }
    json_tree_each(child, node) if ((child->type == JSON_OBJECT || child->type == JSON_ARRAY) &&
                                    !holds_plain_values(child->key)) collect(s, child, base);
}

void json_schema_collect(struct json_schema *s)
{
    add_resource(s, STR(""), (struct str){NULL, 0}, s->root);
    collect(s, s->root, STR(""));
}

/* --- references -------------------------------------------------------------------------------------- */

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* One step of a JSON pointer without its escapes: %XX, then ~1 and ~0. */
static struct str unescape_step(struct arena *arena, struct str step)
{
    char *out = arena_alloc(arena, step.n + 1, 1);
    size_t n = 0, m = 0;

    for (size_t i = 0; i < step.n; i++) {
        int high = -1, low = -1;

        if (step.p[i] == '%' && i + 2 < step.n) {
            high = hex_value(step.p[i + 1]);
            low = hex_value(step.p[i + 2]);
        }
        out[n++] = high >= 0 && low >= 0 ? (char)(high * 16 + low) : step.p[i];
        i += high >= 0 && low >= 0 ? 2 : 0;
    }
    for (size_t i = 0; i < n; i++) {
        char c = out[i];

        if (c == '~' && i + 1 < n && (out[i + 1] == '0' || out[i + 1] == '1'))
            c = out[++i] == '1' ? '/' : '~';
        out[m++] = c;
    }
    return (struct str){out, m};
}

static const struct json_node *step_down(const struct json_node *node, struct str step)
{
    const struct json_node *item = node->first;
    int64_t at;

    if (node->type == JSON_OBJECT)
        return json_tree_member_str(node, step);
    if (node->type != JSON_ARRAY || !str_to_int64(step, 0, INT32_MAX, &at))
        return NULL;
    while (item && at-- > 0)
        item = item->next;
    return item;
}

/* Follows a JSON pointer ("/definitions/a") from a place. */
static bool follow_pointer(struct json_place *at, struct str pointer, struct arena *scratch)
{
    while (pointer.n > 0) {
        const char *end = memchr(pointer.p + 1, '/', pointer.n - 1);
        const size_t n = end ? (size_t)(end - pointer.p) : pointer.n;
        const struct json_node *next = step_down(at->node, unescape_step(scratch, (struct str){pointer.p + 1, n - 1}));

        if (!next)
            return false;
        *at = json_schema_below(at, next, scratch);
        pointer = (struct str){pointer.p + n, pointer.n - n};
    }
    return true;
}

static bool find_resource(const struct json_schema *doc, struct str uri, struct str anchor, struct json_place *out)
{
    for (size_t i = 0; i < doc->resources.n; i++) {
        const struct json_resource *r = &doc->resources.p[i];

        if (str_eq(r->uri, uri) && str_eq(r->anchor, anchor) && (r->anchor.p != NULL) == (anchor.p != NULL)) {
            *out = (struct json_place){doc, r->node, r->uri};
            return true;
        }
    }
    return false;
}

/* The document that a URI names: of this schema, or one that it refers to, by its name or by its own $id. */
static bool find_document(const struct json_schema *doc, struct str uri, struct str written, struct json_place *out,
                          int depth)
{
    if (find_resource(doc, uri, (struct str){NULL, 0}, out))
        return true;
    for (size_t i = 0; i < doc->n_refs; i++) {
        const struct schema_reference *r = &doc->refs[i];
        const struct json_schema *other = (const struct json_schema *)r->schema;
        const struct str name = bare(str_of(r->name));

        if (str_eq(name, uri) || str_eq(name, written)) {
            const struct str id = own_id(other, other->root);

            *out = (struct json_place){other, other->root, id.n ? bare(id) : STR("")};
            return true;
        }
    }
    for (size_t i = 0; i < doc->n_refs && depth < 8; i++)
        if (find_document((const struct json_schema *)doc->refs[i].schema, uri, uri, out, depth + 1))
            return true;
    return false;
}

static bool is_well_known(struct str uri)
{
    return str_has_prefix(uri, "http://json-schema.org/") || str_has_prefix(uri, "https://json-schema.org/");
}

enum ig_code json_schema_resolve(const struct json_place *from, struct str text, struct arena *scratch,
                                 struct json_place *out, bool *any, struct error *err)
{
    const struct str written = bare(text), fragment = fragment_of(text);
    const struct str uri = uri_join(scratch, from->base, written);

    *any = false;
    if (!find_document(from->doc, uri, written, out, 0)) {
        *any = is_well_known(uri);
        if (*any)
            return IG_OK;
        return error_set(err, IG_INVALID,
                         "$ref '" STR_FMT "': neither in the schema nor among its references (nothing is fetched)",
                         STR_ARG(text));
    }
    if (fragment.n == 0)
        return IG_OK;
    if (fragment.p[0] == '/' ? follow_pointer(out, fragment, scratch)
                             : find_resource(out->doc, out->base, fragment, out))
        return IG_OK;
    return error_set(err, IG_INVALID, "$ref '" STR_FMT "': there is nothing at that place", STR_ARG(text));
}

/* --- patterns ---------------------------------------------------------------------------------------- */

bool json_pattern_find(const pcre2_code *pattern, struct str text)
{
    pcre2_match_data *match = pcre2_match_data_create(1, NULL);
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    int rc;

    pcre2_set_match_limit(limits, 200000); /* a pattern that tries for ever has not matched */
    rc = pcre2_match(pattern, (PCRE2_SPTR)(text.p ? text.p : ""), text.n, 0, 0, match, limits);
    pcre2_match_context_free(limits);
    pcre2_match_data_free(match);
    return rc >= 0;
}

const pcre2_code *json_schema_pattern(const struct json_schema *s, const struct json_node *node)
{
    size_t low = 0, high = s->patterns.n;

    while (low < high) { /* sorted by the node's address */
        const size_t middle = low + (high - low) / 2;

        if (s->patterns.p[middle].node == node)
            return s->patterns.p[middle].code;
        if ((uintptr_t)s->patterns.p[middle].node < (uintptr_t)node)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}
