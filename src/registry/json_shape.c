/*
 * The shapes of a JSON Schema: its keywords checked for what they must be, sorted by what they say, references
 * resolved.
 */
#include "registry/json_schema.h"

#include <stdlib.h>

/* A REF whose target is looked for once all that lies around it is there. */
struct pending {
    struct shape *ref;
    struct json_place place;
};

struct memo {
    const struct json_node *node;
    const struct shape *shape;
};

struct builder {
    struct json_schema *s;
    VEC(struct pending) pending;
    struct memo *memo; /* open addressing by the node's address */
    size_t n_memo, memo_cap;
    struct error *err;
};

typedef VEC(const struct shape *) shape_list;

static enum ig_code build(struct builder *b, const struct json_place *at, const struct shape **out);

/* --- what was built already -------------------------------------------------------------------------- */

static struct memo *memo_place(struct builder *b, const struct json_node *node)
{
    size_t at = (size_t)(((uintptr_t)node >> 4) * 0x9e3779b97f4a7c15u) & (b->memo_cap - 1);

    while (b->memo[at].node && b->memo[at].node != node)
        at = (at + 1) & (b->memo_cap - 1);
    return &b->memo[at];
}

static void memo_add(struct builder *b, const struct json_node *node, const struct shape *shape)
{
    if (b->n_memo * 2 >= b->memo_cap) {
        struct memo *old = b->memo;
        const size_t n = b->memo_cap;

        b->memo_cap = n ? n * 2 : 64;
        b->memo = check_calloc(b->memo_cap, sizeof(*b->memo));
        for (size_t i = 0; i < n; i++)
            if (old[i].node)
                *memo_place(b, old[i].node) = old[i];
        free(old);
    }
    *memo_place(b, node) = (struct memo){node, shape};
    b->n_memo++;
}

static struct shape *new_shape(struct builder *b, const struct json_place *at, enum shape_kind kind)
{
    struct shape *x = ARENA_NEW(&b->s->arena, struct shape);

    x->kind = kind;
    x->node = at->node;
    x->doc = at->doc;
    return x;
}

static enum ig_code wrong(struct builder *b, const char *keyword, const char *want)
{
    return error_set(b->err, IG_INVALID, "keyword %s: want %s", keyword, want);
}

static enum ig_code build_member(struct builder *b, const struct json_place *at, const struct json_node *node,
                                 const char *keyword, const struct shape **out)
{
    const struct json_place below = json_schema_below(at, node, &b->s->arena);

    if (node->type != JSON_OBJECT && !json_tree_is_bool(node))
        return wrong(b, keyword, "a schema (an object, true or false)");
    return build(b, &below, out);
}

/* The schema of a keyword, NULL if it is not there. */
static enum ig_code build_keyword(struct builder *b, const struct json_place *at, const char *keyword,
                                  const struct shape **out)
{
    const struct json_node *node = json_tree_member(at->node, keyword);

    *out = NULL;
    return node ? build_member(b, at, node, keyword, out) : IG_OK;
}

static enum ig_code build_list(struct builder *b, const struct json_place *at, const struct json_node *list,
                               const char *keyword, const struct shape ***out, size_t *n)
{
    size_t i = 0;

    *out = ARENA_ARRAY(&b->s->arena, const struct shape *, list->n + 1);
    json_tree_each(item, list)
    {
        IG_TRY(build_member(b, at, item, keyword, &(*out)[i]));
        i++;
    }
    *n = i;
    return IG_OK;
}

/* --- plain keywords ---------------------------------------------------------------------------------- */

enum want { WANT_COUNT, WANT_NUMBER, WANT_BOOL, WANT_STRING, WANT_STRINGS, WANT_ARRAY, WANT_OBJECT, WANT_LIMIT };

static const struct plain {
    const char *keyword;
    enum want want;
    const char *text;
} PLAIN[] = {
    {"minLength", WANT_COUNT, "a whole number from 0"},
    {"maxLength", WANT_COUNT, "a whole number from 0"},
    {"minItems", WANT_COUNT, "a whole number from 0"},
    {"maxItems", WANT_COUNT, "a whole number from 0"},
    {"minContains", WANT_COUNT, "a whole number from 0"},
    {"maxContains", WANT_COUNT, "a whole number from 0"},
    {"minProperties", WANT_COUNT, "a whole number from 0"},
    {"maxProperties", WANT_COUNT, "a whole number from 0"},
    {"minimum", WANT_NUMBER, "a number"},
    {"maximum", WANT_NUMBER, "a number"},
    {"multipleOf", WANT_NUMBER, "a number"},
    {"exclusiveMinimum", WANT_LIMIT, "a number (in draft 4: true or false)"},
    {"exclusiveMaximum", WANT_LIMIT, "a number (in draft 4: true or false)"},
    {"uniqueItems", WANT_BOOL, "true or false"},
    {"pattern", WANT_STRING, "a string"},
    {"required", WANT_STRINGS, "an array of strings"},
    {"enum", WANT_ARRAY, "an array"},
    {"properties", WANT_OBJECT, "an object"},
    {"patternProperties", WANT_OBJECT, "an object"},
    {"dependencies", WANT_OBJECT, "an object"},
    {"dependentRequired", WANT_OBJECT, "an object"},
    {"dependentSchemas", WANT_OBJECT, "an object"},
};

static bool is_what_is_wanted(const struct json_node *v, enum want want)
{
    int64_t count;

    switch (want) {
    case WANT_COUNT:
        return json_tree_int64(v, &count) && count >= 0;
    case WANT_NUMBER:
        return v->type == JSON_NUMBER;
    case WANT_LIMIT:
        return v->type == JSON_NUMBER || json_tree_is_bool(v);
    case WANT_BOOL:
        return json_tree_is_bool(v);
    case WANT_STRING:
        return v->type == JSON_STRING;
    case WANT_ARRAY:
        return v->type == JSON_ARRAY;
    case WANT_OBJECT:
        return v->type == JSON_OBJECT;
    case WANT_STRINGS:
        break;
    }
    if (v->type != JSON_ARRAY)
        return false;
    json_tree_each(item, v) if (item->type != JSON_STRING) return false;
    return true;
}

static enum ig_code check_plain(struct builder *b, const struct json_node *node)
{
    for (size_t i = 0; i < IG_COUNT(PLAIN); i++) {
        const struct json_node *v = json_tree_member(node, PLAIN[i].keyword);

        if (v && !is_what_is_wanted(v, PLAIN[i].want))
            return wrong(b, PLAIN[i].keyword, PLAIN[i].text);
    }
    return IG_OK;
}

static enum ig_code add_pattern(struct builder *b, const struct json_node *node, struct str text, pcre2_code **out)
{
    int code;
    size_t at;
    PCRE2_UCHAR why[160];
    struct json_pattern p = {node, NULL};

    p.code = pcre2_compile((PCRE2_SPTR)text.p, text.n, PCRE2_UTF, &code, &at, NULL);
    if (!p.code) {
        pcre2_get_error_message(code, why, sizeof(why));
        return error_set(b->err, IG_INVALID, "pattern '" STR_FMT "': character %zu: %s", STR_ARG(text), at,
                         (const char *)why);
    }
    vec_push(&b->s->patterns, p);
    *out = p.code;
    return IG_OK;
}

/* --- objects and arrays ------------------------------------------------------------------------------ */

static int by_name(const void *a, const void *b)
{
    return str_cmp(((const struct shape_named *)a)->name, ((const struct shape_named *)b)->name);
}

static enum ig_code build_named(struct builder *b, const struct json_place *at, const struct json_node *members,
                                const char *keyword, struct shape_named **out, size_t *n)
{
    size_t i = 0;

    *out = ARENA_ARRAY(&b->s->arena, struct shape_named, (members ? members->n : 0) + 1);
    json_tree_each(m, members)
    {
        if (m->type == JSON_ARRAY && strncmp(keyword, "depend", 6) == 0)
            continue; /* names, not a schema */
        (*out)[i].name = m->key;
        IG_TRY(build_member(b, at, m, keyword, &(*out)[i].shape));
        i++;
    }
    *n = i;
    qsort(*out, i, sizeof(**out), by_name);
    return IG_OK;
}

const struct shape *json_shape_property(const struct shape *object, struct str name)
{
    const struct shape_named wanted = {name, NULL};
    const struct shape_named *found =
        object->n_properties ? bsearch(&wanted, object->properties, object->n_properties, sizeof(wanted), by_name)
                             : NULL;

    return found ? found->shape : NULL;
}

/* additionalProperties and the like: false closes, true and {} say nothing. */
static enum ig_code build_additional(struct builder *b, const struct json_place *at, const char *keyword,
                                     struct shape *x)
{
    const struct json_node *node = json_tree_member(at->node, keyword);

    IG_TRY(build_keyword(b, at, keyword, &x->additional));
    if (json_tree_is(node, JSON_FALSE))
        x->closed = true;
    if (json_tree_is_bool(node))
        x->additional = NULL;
    return IG_OK;
}

static enum ig_code build_object(struct builder *b, const struct json_place *at, struct shape *x)
{
    const struct json_node *patterns = json_tree_member(at->node, "patternProperties");
    const char *const depend = json_tree_member(at->node, "dependentSchemas") ? "dependentSchemas" : "dependencies";
    const struct shape *names; /* are for validation only */

    IG_TRY(
        build_named(b, at, json_tree_member(at->node, "properties"), "properties", &x->properties, &x->n_properties));
    IG_TRY(build_named(b, at, json_tree_member(at->node, depend), depend, &x->dependencies, &x->n_dependencies));
    x->patterns = ARENA_ARRAY(&b->s->arena, struct shape_pattern, (patterns ? patterns->n : 0) + 1);
    json_tree_each(m, patterns)
    {
        struct shape_pattern *p = &x->patterns[x->n_patterns++];
        pcre2_code *code = NULL;

        IG_TRY(add_pattern(b, m, m->key, &code));
        p->pattern = code;
        IG_TRY(build_member(b, at, m, "patternProperties", &p->shape));
    }
    IG_TRY(build_keyword(b, at, "propertyNames", &names));
    IG_TRY(build_additional(b, at, "additionalProperties", x));
    return build_keyword(b, at, "unevaluatedProperties", &x->unevaluated);
}

static enum ig_code build_array(struct builder *b, const struct json_place *at, struct shape *x)
{
    const struct json_node *items = json_tree_member(at->node, "items");
    const struct json_node *first = json_tree_member(at->node, "prefixItems");
    const char *rest = "additionalItems";
    const struct shape *contained; /* is for validation only */

    IG_TRY(build_keyword(b, at, "contains", &contained));
    if (json_tree_is(items, JSON_ARRAY)) {
        IG_TRY(build_list(b, at, items, "items", &x->subs, &x->n_subs));
    } else if (json_tree_is(first, JSON_ARRAY) && at->doc->draft >= DRAFT_2020) {
        IG_TRY(build_list(b, at, first, "prefixItems", &x->subs, &x->n_subs));
        rest = "items"; /* what was additionalItems until 2019-09 */
    } else if (items) {
        IG_TRY(build_member(b, at, items, "items", &x->items));
    }
    IG_TRY(build_additional(b, at, rest, x));
    return build_keyword(b, at, "unevaluatedItems", &x->unevaluated);
}

/* --- types ------------------------------------------------------------------------------------------- */

static const struct type_of {
    const char *name;
    enum shape_kind kind;
    const char *keywords[12]; /* that speak of it where no type is said */
} TYPES[] = {
    {"array",
     SHAPE_ARRAY,
     {"items", "prefixItems", "additionalItems", "minItems", "maxItems", "uniqueItems", "contains",
      "unevaluatedItems"}},
    {"object",
     SHAPE_OBJECT,
     {"properties", "required", "minProperties", "maxProperties", "dependencies", "patternProperties",
      "additionalProperties", "propertyNames", "dependentRequired", "dependentSchemas", "unevaluatedProperties"}},
    {"number", SHAPE_NUMBER, {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}},
    {"string", SHAPE_STRING, {"minLength", "maxLength", "pattern", "format"}},
    {"integer", SHAPE_NUMBER, {NULL}},
    {"boolean", SHAPE_BOOLEAN, {NULL}},
    {"null", SHAPE_NULL, {NULL}},
};

static enum ig_code build_type(struct builder *b, const struct json_place *at, const struct type_of *t,
                               const struct shape **out)
{
    struct shape *x = new_shape(b, at, t->kind);

    x->integer = str_is(str_of(t->name), "integer");
    *out = x;
    if (t->kind == SHAPE_OBJECT)
        return build_object(b, at, x);
    if (t->kind == SHAPE_ARRAY)
        return build_array(b, at, x);
    return IG_OK;
}

static const struct type_of *type_named(struct str name)
{
    for (size_t i = 0; i < IG_COUNT(TYPES); i++)
        if (str_is(name, TYPES[i].name))
            return &TYPES[i];
    return NULL;
}

static enum ig_code build_type_named(struct builder *b, const struct json_place *at, const struct json_node *name,
                                     const struct shape **out)
{
    const struct type_of *t = name->type == JSON_STRING ? type_named(name->text) : NULL;

    if (!t)
        return wrong(b, "type", "string, number, integer, boolean, object, array, null, or an array of these");
    return build_type(b, at, t, out);
}

/* A type that no "type" names, but the keywords speak of. */
static const struct type_of *sniff(const struct json_node *node)
{
    for (size_t i = 0; i < IG_COUNT(TYPES); i++)
        for (size_t k = 0; k < IG_COUNT(TYPES[i].keywords) && TYPES[i].keywords[k]; k++)
            if (json_tree_member(node, TYPES[i].keywords[k]))
                return &TYPES[i];
    return NULL;
}

static enum ig_code build_types(struct builder *b, const struct json_place *at, shape_list *list)
{
    const struct json_node *type = json_tree_member(at->node, "type");
    const struct shape *one = NULL;

    if (json_tree_is(type, JSON_ARRAY)) {
        struct shape *any = new_shape(b, at, SHAPE_COMBINED);

        any->criterion = SHAPE_ANY_OF;
        any->subs = ARENA_ARRAY(&b->s->arena, const struct shape *, type->n + 1);
        json_tree_each(name, type)
        {
            IG_TRY(build_type_named(b, at, name, &any->subs[any->n_subs]));
            any->n_subs++;
        }
        one = any;
    } else if (type) {
        IG_TRY(build_type_named(b, at, type, &one));
    } else if (sniff(at->node)) {
        IG_TRY(build_type(b, at, sniff(at->node), &one));
    }
    if (one)
        vec_push(list, one);
    return IG_OK;
}

/* --- all that a subschema says ----------------------------------------------------------------------- */

static enum ig_code build_combined(struct builder *b, const struct json_place *at, shape_list *list)
{
    static const char *const KEYWORDS[] = {"allOf", "anyOf", "oneOf"};

    for (size_t i = 0; i < IG_COUNT(KEYWORDS); i++) {
        const struct json_node *subs = json_tree_member(at->node, KEYWORDS[i]);
        struct shape *x;

        if (!subs)
            continue;
        if (subs->type != JSON_ARRAY)
            return wrong(b, KEYWORDS[i], "an array of schemas");
        x = new_shape(b, at, SHAPE_COMBINED);
        x->criterion = (enum shape_criterion)i;
        IG_TRY(build_list(b, at, subs, KEYWORDS[i], &x->subs, &x->n_subs));
        vec_push(list, x);
    }
    return IG_OK;
}

static enum ig_code build_single(struct builder *b, const struct json_place *at, shape_list *list)
{
    static const char *const CONDITION[] = {"if", "then", "else"};
    const struct json_node *pattern = json_tree_member(at->node, "pattern");
    const struct shape *target;
    pcre2_code *code;

    if (pattern)
        IG_TRY(add_pattern(b, pattern, pattern->text, &code));
    if (json_tree_member(at->node, "enum"))
        vec_push(list, new_shape(b, at, SHAPE_ENUM));
    IG_TRY(build_combined(b, at, list));
    IG_TRY(build_keyword(b, at, "not", &target));
    if (target) {
        struct shape *x = new_shape(b, at, SHAPE_NOT);

        x->target = target;
        vec_push(list, x);
    }
    if (json_tree_member(at->node, "const") && at->doc->draft > DRAFT_4)
        vec_push(list, new_shape(b, at, SHAPE_CONST));
    if (json_tree_member(at->node, "if") && at->doc->draft >= DRAFT_7) {
        for (size_t i = 0; i < IG_COUNT(CONDITION); i++)
            IG_TRY(build_keyword(b, at, CONDITION[i], &target));
        vec_push(list, new_shape(b, at, SHAPE_CONDITION));
    }
    return build_types(b, at, list);
}

static enum ig_code build_reference(struct builder *b, const struct json_place *at, shape_list *list, bool *alone)
{
    static const char *const KEYWORDS[] = {"$ref", "$dynamicRef", "$recursiveRef"};

    *alone = false;
    for (size_t i = 0; i < IG_COUNT(KEYWORDS); i++) {
        const struct json_node *text = json_tree_member(at->node, KEYWORDS[i]);
        struct pending p = {NULL, *at};

        if (!text || (i > 0 && at->doc->draft < DRAFT_2019))
            continue;
        if (text->type != JSON_STRING)
            return wrong(b, KEYWORDS[i], "a string");
        p.ref = new_shape(b, at, SHAPE_REF);
        vec_push(&b->pending, p);
        vec_push(list, p.ref);
        *alone = at->doc->draft < DRAFT_2019; /* before, a $ref hides what is beside it */
        if (*alone)
            return IG_OK;
    }
    return IG_OK;
}

static const struct shape *all_of(struct builder *b, const struct json_place *at, const shape_list *list)
{
    struct shape *x;

    if (list->n == 0)
        return new_shape(b, at, SHAPE_ANY);
    if (list->n == 1)
        return list->p[0];
    x = new_shape(b, at, SHAPE_COMBINED);
    x->criterion = SHAPE_ALL_OF;
    x->subs = ARENA_ARRAY(&b->s->arena, const struct shape *, list->n);
    memcpy(x->subs, list->p, list->n * sizeof(*list->p));
    x->n_subs = list->n;
    return x;
}

/* Goes as deep as the text is nested: references are followed later. */
static enum ig_code build(struct builder *b, const struct json_place *at, const struct shape **out)
{
    shape_list list = {0};
    enum ig_code rc;
    bool alone;

    if (b->memo_cap && memo_place(b, at->node)->node) {
        *out = memo_place(b, at->node)->shape;
        return IG_OK;
    }
    if (json_tree_is_bool(at->node)) {
        *out = new_shape(b, at, at->node->type == JSON_TRUE ? SHAPE_ANY : SHAPE_NEVER);
        return IG_OK;
    }
    rc = check_plain(b, at->node);
    if (rc == IG_OK)
        rc = build_reference(b, at, &list, &alone);
    if (rc == IG_OK && !alone)
        rc = build_single(b, at, &list);
    if (rc == IG_OK) {
        *out = all_of(b, at, &list);
        memo_add(b, at->node, *out);
    }
    vec_free(&list);
    return rc;
}

static enum ig_code resolve_pending(struct builder *b, struct pending p)
{
    struct json_place to;
    struct str text = {NULL, 0};
    bool any;

    text = json_tree_string(p.place.node, "$ref");
    if (!text.p)
        text = json_tree_string(p.place.node, "$dynamicRef");
    if (!text.p)
        text = json_tree_string(p.place.node, "$recursiveRef");
    IG_TRY(json_schema_resolve(&p.place, text, &b->s->arena, &to, &any, b->err));
    if (any) {
        p.ref->target = new_shape(b, &p.place, SHAPE_ANY);
        return IG_OK;
    }
    if (to.node->type != JSON_OBJECT && !json_tree_is_bool(to.node))
        return error_set(b->err, IG_INVALID, "$ref '" STR_FMT "': what is there is no schema", STR_ARG(text));
    return build(b, &to, &p.ref->target);
}

/* A REF to a REF refers to what that one does; one that comes back to itself to nothing. */
static enum ig_code shorten(struct builder *b)
{
    for (size_t i = 0; i < b->pending.n; i++) {
        const struct shape *slow = b->pending.p[i].ref, *fast = slow;

        while (fast->kind == SHAPE_REF) {
            fast = fast->target;
            if (fast->kind != SHAPE_REF)
                break;
            fast = fast->target;
            slow = slow->target;
            if (fast == slow)
                return error_set(b->err, IG_INVALID, "a $ref refers to itself and to nothing else");
        }
        b->pending.p[i].ref->target = fast;
    }
    return IG_OK;
}

static int by_node(const void *a, const void *b)
{
    const uintptr_t x = (uintptr_t)((const struct json_pattern *)a)->node;
    const uintptr_t y = (uintptr_t)((const struct json_pattern *)b)->node;

    return (x > y) - (x < y);
}

enum ig_code json_shape_build(struct json_schema *s, struct error *err)
{
    struct builder b = {.s = s, .err = err};
    const struct json_place top = {s, s->root, STR("")};
    const struct json_place root = json_schema_below(&top, s->root, &s->arena);
    enum ig_code rc = build(&b, &root, &s->shape);

    for (size_t i = 0; rc == IG_OK && i < b.pending.n; i++)
        rc = resolve_pending(&b, b.pending.p[i]);
    if (rc == IG_OK)
        rc = shorten(&b);
    if (s->patterns.n)
        qsort(s->patterns.p, s->patterns.n, sizeof(*s->patterns.p), by_node);
    vec_free(&b.pending);
    free(b.memo);
    return rc;
}
