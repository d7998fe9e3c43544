/*
 * Is a value what a JSON Schema says? Goes over the schema's text, a keyword at a time. `format` says nothing here.
 */
#include "registry/json_schema.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define STEPS_MAX 5000000u /* a schema that branches without end is refused, not followed */
#define DEPTH_MAX 600u
#define MEMORY_MAX_BYTES ((size_t)256 << 20)

/* Which members or items of one value have been spoken of: what unevaluatedProperties and unevaluatedItems ask. */
struct seen {
    bool *p;
    size_t n;
};

struct check {
    struct arena arena;
    const struct json_schema *schema; /* whose patterns are compiled */
    size_t steps;
    unsigned depth;
    bool gave_up;
    struct error *err; /* the first problem; NULL while trying alternatives */
    struct buf path;
};

static bool valid(struct check *c, const struct json_place *at, const struct json_node *v, struct seen *seen);

static bool fail(struct check *c, const char *fmt, ...) IG_PRINTF(2, 3);
static bool fail(struct check *c, const char *fmt, ...)
{
    char text[512];
    va_list args;

    if (c->err) {
        va_start(args, fmt);
        vsnprintf(text, sizeof(text), fmt, args);
        va_end(args);
        error_set(c->err, IG_INVALID, "#%.300s: %s", c->path.n ? buf_cstr(&c->path) : "/", text);
    }
    return false;
}

static struct json_place place_below(struct check *c, const struct json_place *at, const struct json_node *node)
{
    return json_schema_below(at, node, &c->arena);
}

static bool valid_below(struct check *c, const struct json_place *at, const struct json_node *schema,
                        const struct json_node *v, struct seen *seen)
{
    const struct json_place to = place_below(c, at, schema);

    return valid(c, &to, v, seen);
}

/* The same for a part of the value: `step` leads to it. */
static bool valid_part(struct check *c, const struct json_place *at, const struct json_node *schema,
                       const struct json_node *part, struct str step)
{
    const size_t n = c->path.n;
    bool ok;

    if (c->err) {
        buf_putc(&c->path, '/');
        buf_add_str(&c->path, step);
    }
    ok = valid_below(c, at, schema, part, NULL);
    if (c->err) {
        c->path.n = n;
        if (c->path.p)
            c->path.p[n] = '\0';
    }
    return ok;
}

/* Tries without telling why not. */
static bool would_be(struct check *c, const struct json_place *at, const struct json_node *schema,
                     const struct json_node *v, struct seen *seen)
{
    struct error *err = c->err;
    bool ok;

    c->err = NULL;
    ok = valid_below(c, at, schema, v, seen);
    c->err = err;
    return ok;
}

static struct seen seen_for(struct check *c, const struct json_node *v, bool wanted)
{
    const bool parts = v->type == JSON_OBJECT || v->type == JSON_ARRAY;

    return wanted && parts ? (struct seen){ARENA_ARRAY(&c->arena, bool, v->n + 1), v->n} : (struct seen){NULL, 0};
}

static void seen_join(struct seen *to, const struct seen *from)
{
    for (size_t i = 0; to && to->p && from->p && i < to->n; i++)
        to->p[i] = to->p[i] || from->p[i];
}

/* --- scalars ----------------------------------------------------------------------------------------- */

static bool type_is(const struct json_node *v, struct str name)
{
    static const struct {
        const char *name;
        enum json_type type;
    } NAMES[] = {{"string", JSON_STRING},
                 {"number", JSON_NUMBER},
                 {"object", JSON_OBJECT},
                 {"array", JSON_ARRAY},
                 {"null", JSON_NULL}};
    double d;

    if (str_is(name, "boolean"))
        return json_tree_is_bool(v);
    if (str_is(name, "integer"))
        return v->type == JSON_NUMBER && (v->integer || (json_tree_double(v, &d) && d == floor(d)));
    for (size_t i = 0; i < IG_COUNT(NAMES); i++)
        if (str_is(name, NAMES[i].name))
            return v->type == NAMES[i].type;
    return false;
}

static bool check_type(struct check *c, const struct json_node *schema, const struct json_node *v)
{
    const struct json_node *type = json_tree_member(schema, "type");
    struct buf want;
    bool ok = false;

    if (!type)
        return true;
    if (type->type == JSON_STRING) {
        ok = type_is(v, type->text);
    } else {
        json_tree_each(name, type) ok = ok || type_is(v, name->text);
    }
    if (!ok && c->err) {
        buf_init(&want, 0);
        json_tree_print(type, false, &want);
        fail(c, "want %s", buf_cstr(&want));
        buf_release(&want);
    }
    return ok;
}

static bool check_values(struct check *c, const struct json_place *at, const struct json_node *v)
{
    const struct json_node *values = json_tree_member(at->node, "enum"), *value = json_tree_member(at->node, "const");

    if (values) {
        bool found = false;

        json_tree_each(item, values) found = found || json_tree_equal(item, v);
        if (!found)
            return fail(c, "it is none of the enum's values");
    }
    if (value && at->doc->draft > DRAFT_4 && !json_tree_equal(value, v))
        return fail(c, "it is not the const");
    return true;
}

static bool check_number(struct check *c, const struct json_node *schema, const struct json_node *v)
{
    double d, bound;
    const bool low_excluded = json_tree_is(json_tree_member(schema, "exclusiveMinimum"), JSON_TRUE);
    const bool high_excluded = json_tree_is(json_tree_member(schema, "exclusiveMaximum"), JSON_TRUE);

    if (!json_tree_double(v, &d))
        return fail(c, "the number is too big");
    if (json_tree_double(json_tree_member(schema, "minimum"), &bound) && (low_excluded ? d <= bound : d < bound))
        return fail(c, "it is under the minimum");
    if (json_tree_double(json_tree_member(schema, "maximum"), &bound) && (high_excluded ? d >= bound : d > bound))
        return fail(c, "it is over the maximum");
    if (json_tree_double(json_tree_member(schema, "exclusiveMinimum"), &bound) && d <= bound)
        return fail(c, "it is not over exclusiveMinimum");
    if (json_tree_double(json_tree_member(schema, "exclusiveMaximum"), &bound) && d >= bound)
        return fail(c, "it is not under exclusiveMaximum");
    if (json_tree_double(json_tree_member(schema, "multipleOf"), &bound) && bound > 0) {
        const double n = d / bound;

        if (!isfinite(n) || fabs(n - round(n)) > 1e-9 * fmax(1.0, fabs(n)))
            return fail(c, "it is no multiple of multipleOf");
    }
    return true;
}

static int64_t length_of(struct str s)
{
    int64_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

static bool check_count(struct check *c, const struct json_node *schema, int64_t n, const char *least, const char *most)
{
    int64_t bound;

    if (json_tree_int64(json_tree_member(schema, least), &bound) && n < bound)
        return fail(c, "%s is %lld, it has %lld", least, (long long)bound, (long long)n);
    if (json_tree_int64(json_tree_member(schema, most), &bound) && n > bound)
        return fail(c, "%s is %lld, it has %lld", most, (long long)bound, (long long)n);
    return true;
}

static bool check_string(struct check *c, const struct json_node *schema, const struct json_node *v)
{
    const struct json_node *pattern = json_tree_member(schema, "pattern");
    const pcre2_code *code = pattern ? json_schema_pattern(c->schema, pattern) : NULL;

    if (!check_count(c, schema, length_of(v->text), "minLength", "maxLength"))
        return false;
    if (code && !json_pattern_find(code, v->text))
        return fail(c, "it does not match the pattern '" STR_FMT "'", STR_ARG(pattern->text));
    return true;
}

/* --- objects ----------------------------------------------------------------------------------------- */

static bool check_required(struct check *c, const struct json_node *names, const struct json_node *v)
{
    if (json_tree_is(names, JSON_ARRAY))
        json_tree_each(name, names) if (!json_tree_member_str(v, name->text)) return fail(
            c, "the required property '" STR_FMT "' is missing", STR_ARG(name->text));
    return true;
}

/* One member against properties, patternProperties and additionalProperties. */
static bool check_member(struct check *c, const struct json_place *at, const struct json_node *m, bool *spoken_of)
{
    const struct json_node *own = json_tree_member_str(json_tree_member(at->node, "properties"), m->key);
    const struct json_node *others = json_tree_member(at->node, "additionalProperties");
    const struct json_node *names = json_tree_member(at->node, "propertyNames");

    if (names && at->doc->draft > DRAFT_4) {
        const struct json_node name = {.type = JSON_STRING, .text = m->key};

        if (!would_be(c, at, names, &name, NULL))
            return fail(c, "'" STR_FMT "' is no name that propertyNames allows", STR_ARG(m->key));
    }
    if (own && !valid_part(c, at, own, m, m->key))
        return false;
    *spoken_of = own != NULL;
    json_tree_each(pattern, json_tree_member(at->node, "patternProperties"))
    {
        const pcre2_code *code = json_schema_pattern(c->schema, pattern);

        if (!code || !json_pattern_find(code, m->key))
            continue;
        *spoken_of = true;
        if (!valid_part(c, at, pattern, m, m->key))
            return false;
    }
    if (*spoken_of || !others)
        return true;
    *spoken_of = true;
    if (others->type == JSON_FALSE)
        return fail(c, "the property '" STR_FMT "' is not allowed", STR_ARG(m->key));
    return valid_part(c, at, others, m, m->key);
}

static bool check_dependent(struct check *c, const struct json_place *at, const struct json_node *v, struct seen *seen)
{
    static const char *const KEYWORDS[] = {"dependencies", "dependentRequired", "dependentSchemas"};

    for (size_t i = 0; i < IG_COUNT(KEYWORDS); i++) {
        json_tree_each(d, json_tree_member(at->node, KEYWORDS[i]))
        {
            if (!json_tree_member_str(v, d->key))
                continue;
            if (d->type == JSON_ARRAY ? !check_required(c, d, v) : !valid_below(c, at, d, v, seen))
                return false;
        }
    }
    return true;
}

static bool check_object(struct check *c, const struct json_place *at, const struct json_node *v, struct seen *seen)
{
    size_t i = 0;

    if (!check_required(c, json_tree_member(at->node, "required"), v) ||
        !check_count(c, at->node, (int64_t)v->n, "minProperties", "maxProperties"))
        return false;
    json_tree_each(m, v)
    {
        bool spoken_of = false;

        if (!check_member(c, at, m, &spoken_of))
            return false;
        if (seen && seen->p && spoken_of)
            seen->p[i] = true;
        i++;
    }
    return check_dependent(c, at, v, seen);
}

/* --- arrays ------------------------------------------------------------------------------------------ */

static bool check_unique(struct check *c, const struct json_node *v)
{
    json_tree_each(a, v) for (const struct json_node *b = a->next; b; b = b->next)
    {
        if (++c->steps > STEPS_MAX) {
            c->gave_up = true;
            return fail(c, "uniqueItems: too many items to compare");
        }
        if (json_tree_equal(a, b))
            return fail(c, "uniqueItems: an item is there twice");
    }
    return true;
}

static bool check_contains(struct check *c, const struct json_place *at, const struct json_node *v, struct seen *seen)
{
    const struct json_node *contains = json_tree_member(at->node, "contains");
    int64_t least = 1, most = INT64_MAX, n = 0;
    size_t i = 0;

    if (!contains || at->doc->draft < DRAFT_6)
        return true;
    if (at->doc->draft >= DRAFT_2019) {
        json_tree_int64(json_tree_member(at->node, "minContains"), &least);
        json_tree_int64(json_tree_member(at->node, "maxContains"), &most);
    }
    json_tree_each(item, v)
    {
        if (would_be(c, at, contains, item, NULL)) {
            n++;
            if (seen && seen->p && at->doc->draft >= DRAFT_2020)
                seen->p[i] = true;
        }
        i++;
    }
    return (n >= least && n <= most) || fail(c, "%lld of its items are what contains asks for", (long long)n);
}

static bool check_items(struct check *c, const struct json_place *at, const struct json_node *v, struct seen *seen)
{
    const bool modern = at->doc->draft >= DRAFT_2020;
    const struct json_node *items = json_tree_member(at->node, "items"), *list, *rest;
    const struct json_node *first;
    size_t i = 0;
    char step[24];

    list = modern ? json_tree_member(at->node, "prefixItems") : items;
    if (!json_tree_is(list, JSON_ARRAY))
        list = NULL;
    rest = modern || !list ? items : json_tree_member(at->node, "additionalItems");
    if (json_tree_is(rest, JSON_ARRAY)) /* an old array of items in a new draft: taken as it was meant */
        list = rest, rest = json_tree_member(at->node, "additionalItems");
    first = list ? list->first : NULL;
    json_tree_each(item, v)
    {
        const struct json_node *schema = first ? first : rest;

        snprintf(step, sizeof(step), "%zu", i);
        if (schema && !valid_part(c, at, schema, item, str_of(step)))
            return false;
        if (schema && seen && seen->p)
            seen->p[i] = true;
        first = first ? first->next : NULL;
        i++;
    }
    return true;
}

static bool check_array(struct check *c, const struct json_place *at, const struct json_node *v, struct seen *seen)
{
    if (!check_count(c, at->node, (int64_t)v->n, "minItems", "maxItems") || !check_items(c, at, v, seen) ||
        !check_contains(c, at, v, seen))
        return false;
    return !json_tree_is(json_tree_member(at->node, "uniqueItems"), JSON_TRUE) || check_unique(c, v);
}

/* --- combined ---------------------------------------------------------------------------------------- */

static bool check_choices(struct check *c, const struct json_place *at, const struct json_node *v, const char *keyword,
                          bool just_one, struct seen *seen)
{
    const struct json_node *subs = json_tree_member(at->node, keyword);
    int n = 0;

    if (!subs)
        return true;
    json_tree_each(sub, subs)
    {
        struct seen own = seen_for(c, v, seen != NULL);

        if (!would_be(c, at, sub, v, &own))
            continue;
        n++;
        seen_join(seen, &own);
        if (!just_one && !seen)
            break;
    }
    if (n == 0)
        return fail(c, "it is nothing of %s", keyword);
    return n == 1 || !just_one || fail(c, "it is more than one of oneOf");
}

static bool check_condition(struct check *c, const struct json_place *at, const struct json_node *v, struct seen *seen)
{
    const struct json_node *condition = json_tree_member(at->node, "if"), *then;
    struct seen own = seen_for(c, v, seen != NULL);

    if (!condition || at->doc->draft < DRAFT_7)
        return true;
    if (would_be(c, at, condition, v, &own)) {
        seen_join(seen, &own);
        then = json_tree_member(at->node, "then");
    } else {
        then = json_tree_member(at->node, "else");
    }
    return !then || valid_below(c, at, then, v, seen);
}

static bool check_combined(struct check *c, const struct json_place *at, const struct json_node *v, struct seen *seen)
{
    const struct json_node *not = json_tree_member(at->node, "not");

    json_tree_each(sub, json_tree_member(at->node, "allOf")) if (!valid_below(c, at, sub, v, seen)) return false;
    if (!check_choices(c, at, v, "anyOf", false, seen) || !check_choices(c, at, v, "oneOf", true, seen))
        return false;
    if (not&&would_be(c, at, not, v, NULL))
        return fail(c, "it is what it must not be");
    return check_condition(c, at, v, seen);
}

static bool check_reference(struct check *c, const struct json_place *at, const struct json_node *v, struct seen *seen,
                            bool *alone)
{
    static const char *const KEYWORDS[] = {"$ref", "$dynamicRef", "$recursiveRef"};

    *alone = false;
    for (size_t i = 0; i < IG_COUNT(KEYWORDS); i++) {
        const struct str text = json_tree_string(at->node, KEYWORDS[i]);
        struct json_place to;
        bool any;

        if (!text.p || (i > 0 && at->doc->draft < DRAFT_2019))
            continue;
        *alone = at->doc->draft < DRAFT_2019;
        if (json_schema_resolve(at, text, &c->arena, &to, &any, c->err) != IG_OK)
            return false;
        if (!any && !valid(c, &to, v, seen))
            return false;
    }
    return true;
}

/* unevaluatedProperties, unevaluatedItems: what nothing spoke of. */
static bool check_unevaluated(struct check *c, const struct json_place *at, const struct json_node *v,
                              const struct seen *seen)
{
    const struct json_node *rest =
        json_tree_member(at->node, v->type == JSON_OBJECT ? "unevaluatedProperties" : "unevaluatedItems");
    size_t i = 0;

    if (!rest)
        return true;
    json_tree_each(part, v)
    {
        if (!seen->p[i] && !valid_part(c, at, rest, part, part->key))
            return fail(c, "'" STR_FMT "' is not spoken of, and not allowed", STR_ARG(part->key));
        seen->p[i++] = true;
    }
    return true;
}

static bool valid_all(struct check *c, const struct json_place *at, const struct json_node *v, struct seen *seen)
{
    bool alone;

    if (!check_reference(c, at, v, seen, &alone))
        return false;
    if (alone)
        return true;
    if (!check_type(c, at->node, v) || !check_values(c, at, v))
        return false;
    if (v->type == JSON_NUMBER && !check_number(c, at->node, v))
        return false;
    if (v->type == JSON_STRING && !check_string(c, at->node, v))
        return false;
    if (v->type == JSON_OBJECT && !check_object(c, at, v, seen))
        return false;
    if (v->type == JSON_ARRAY && !check_array(c, at, v, seen))
        return false;
    return check_combined(c, at, v, seen);
}

static bool valid(struct check *c, const struct json_place *at, const struct json_node *v, struct seen *seen)
{
    const bool asks = at->doc->draft >= DRAFT_2019 && (json_tree_member(at->node, "unevaluatedProperties") ||
                                                       json_tree_member(at->node, "unevaluatedItems"));
    struct seen own = seen_for(c, v, asks || seen != NULL);
    bool ok;

    if (json_tree_is_bool(at->node))
        return at->node->type == JSON_TRUE || fail(c, "nothing is allowed here");
    if (c->gave_up || ++c->steps > STEPS_MAX || c->depth >= DEPTH_MAX || c->arena.used_bytes > MEMORY_MAX_BYTES) {
        c->gave_up = true;
        return fail(c, "the schema is too entangled, or refers to itself without end");
    }
    c->depth++;
    ok = valid_all(c, at, v, own.p ? &own : NULL) && (!own.p || !asks || check_unevaluated(c, at, v, &own));
    c->depth--;
    if (ok)
        seen_join(seen, &own);
    return ok;
}

enum ig_code json_schema_validate(const struct json_schema *s, const struct json_node *value, struct error *err)
{
    const struct json_place top = {s, s->root, STR("")};
    struct error own = {0};
    struct check c = {.schema = s, .err = &own};
    struct json_place root;
    bool ok;

    arena_init(&c.arena);
    buf_init(&c.path, 0);
    root = json_schema_below(&top, s->root, &c.arena);
    ok = valid(&c, &root, value, NULL) && !c.gave_up;
    buf_release(&c.path);
    arena_release(&c.arena);
    if (ok)
        return IG_OK;
    return error_set(err, IG_INVALID, "%s", own.code ? own.msg : "the schema is too entangled to be checked");
}
