/*
 * Can a reader with one JSON Schema read what was written with another? Every value that the writer's schema admits
 * must be one that the reader's admits, told by Confluent's names of the differences (its strict policy). "Original" is
 * the writer's, "update" the reader's.
 *
 * Only differences that break something are kept. A pair of subschemas is compared once; a pair that is met again while
 * it is being compared (a recursive schema) is taken for compatible, and if that turns out wrong for any pair, all is
 * compared again with what is known now, until nothing new comes up.
 */
#include "registry/json_schema.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define PAIRS_MAX 100000u /* over which two schemas are too entangled to be compared */
#define DEPTH_MAX 400u
#define SUBS_MAX 500u         /* of one allOf, anyOf or oneOf */
#define VALUES_MAX 400000000u /* of two enums, each with each */
#define DIFFERENCES_MAX 32u   /* of one pair */

/* The differences that break something: name, and how its sentence goes. */
enum wording {
    ADDED,
    INCREASED,
    DECREASED,
    CHANGED,
    FEWER,
    MORE,
    RETYPED,
    OPEN,
    UNOPEN,
    LOST,
    UNCOVERED_LOST,
    UNCOVERED_NEW
};

#define DIFFERENCES(X)                                                              \
    X(SCHEMA_ADDED, RETYPED)                                                        \
    X(TYPE_NARROWED, RETYPED)                                                       \
    X(TYPE_CHANGED, RETYPED)                                                        \
    X(MAX_LENGTH_ADDED, ADDED)                                                      \
    X(MAX_LENGTH_DECREASED, DECREASED)                                              \
    X(MIN_LENGTH_ADDED, ADDED)                                                      \
    X(MIN_LENGTH_INCREASED, INCREASED)                                              \
    X(PATTERN_ADDED, ADDED)                                                         \
    X(PATTERN_CHANGED, CHANGED)                                                     \
    X(MAXIMUM_ADDED, ADDED)                                                         \
    X(MAXIMUM_DECREASED, DECREASED)                                                 \
    X(MINIMUM_ADDED, ADDED)                                                         \
    X(MINIMUM_INCREASED, INCREASED)                                                 \
    X(EXCLUSIVE_MAXIMUM_ADDED, ADDED)                                               \
    X(EXCLUSIVE_MAXIMUM_DECREASED, DECREASED)                                       \
    X(EXCLUSIVE_MINIMUM_ADDED, ADDED)                                               \
    X(EXCLUSIVE_MINIMUM_INCREASED, INCREASED)                                       \
    X(MULTIPLE_OF_ADDED, ADDED)                                                     \
    X(MULTIPLE_OF_EXPANDED, INCREASED)                                              \
    X(MULTIPLE_OF_CHANGED, CHANGED)                                                 \
    X(REQUIRED_ATTRIBUTE_ADDED, ADDED)                                              \
    X(MAX_PROPERTIES_ADDED, ADDED)                                                  \
    X(MAX_PROPERTIES_DECREASED, DECREASED)                                          \
    X(MIN_PROPERTIES_ADDED, ADDED)                                                  \
    X(MIN_PROPERTIES_INCREASED, INCREASED)                                          \
    X(ADDITIONAL_PROPERTIES_REMOVED, ADDED)                                         \
    X(ADDITIONAL_PROPERTIES_NARROWED, FEWER)                                        \
    X(UNEVALUATED_PROPERTIES_REMOVED, ADDED)                                        \
    X(UNEVALUATED_PROPERTIES_NARROWED, FEWER)                                       \
    X(DEPENDENCY_ARRAY_ADDED, ADDED)                                                \
    X(DEPENDENCY_ARRAY_EXTENDED, MORE)                                              \
    X(DEPENDENCY_ARRAY_CHANGED, CHANGED)                                            \
    X(DEPENDENCY_SCHEMA_ADDED, ADDED)                                               \
    X(REQUIRED_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL, OPEN)                          \
    X(REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_OPEN_CONTENT_MODEL, OPEN)             \
    X(OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL, OPEN)                          \
    X(REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL, UNOPEN)                      \
    X(PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL, LOST)                             \
    X(PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL, UNCOVERED_LOST) \
    X(PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL, UNCOVERED_NEW)    \
    X(MAX_ITEMS_ADDED, ADDED)                                                       \
    X(MAX_ITEMS_DECREASED, DECREASED)                                               \
    X(MIN_ITEMS_ADDED, ADDED)                                                       \
    X(MIN_ITEMS_INCREASED, INCREASED)                                               \
    X(MAX_CONTAINS_ADDED, ADDED)                                                    \
    X(MAX_CONTAINS_DECREASED, DECREASED)                                            \
    X(MIN_CONTAINS_ADDED, ADDED)                                                    \
    X(MIN_CONTAINS_INCREASED, INCREASED)                                            \
    X(UNIQUE_ITEMS_ADDED, ADDED)                                                    \
    X(ADDITIONAL_ITEMS_REMOVED, ADDED)                                              \
    X(ADDITIONAL_ITEMS_NARROWED, FEWER)                                             \
    X(UNEVALUATED_ITEMS_REMOVED, ADDED)                                             \
    X(UNEVALUATED_ITEMS_NARROWED, FEWER)                                            \
    X(ITEM_ADDED_TO_OPEN_CONTENT_MODEL, OPEN)                                       \
    X(ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL, LOST)                                 \
    X(ITEM_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL, UNCOVERED_LOST)     \
    X(ITEM_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL, UNCOVERED_NEW)        \
    X(ENUM_ARRAY_NARROWED, FEWER)                                                   \
    X(ENUM_ARRAY_CHANGED, RETYPED)                                                  \
    X(COMBINED_TYPE_CHANGED, RETYPED)                                               \
    X(COMBINED_TYPE_SUBSCHEMAS_CHANGED, RETYPED)                                    \
    X(PRODUCT_TYPE_EXTENDED, MORE)                                                  \
    X(SUM_TYPE_NARROWED, FEWER)                                                     \
    X(NOT_TYPE_EXTENDED, MORE)                                                      \
    X(TOO_COMPLEX_TO_COMPARE, RETYPED)

enum difference_type {
#define X(name, wording) D_##name,
    DIFFERENCES(X)
#undef X
        D_NONE
};

static const struct {
    const char *name;
    enum wording wording;
} TYPES[] = {
#define X(name, wording) {#name, wording},
    DIFFERENCES(X)
#undef X
};

/* The sentence, with what the update (%1) and the original (%2) are called, and the path (%3). */
static const char *const SENTENCES[] = {
    [ADDED] = "The keyword at path '%3' in the %1 schema is not present in the %2 schema",
    [INCREASED] = "The value at path '%3' in the %1 schema is more than its value in the %2 schema",
    [DECREASED] = "The value at path '%3' in the %1 schema is less than its value in the %2 schema",
    [CHANGED] = "The value at path '%3' is different between the %1 and %2 schema",
    [FEWER] = "An array or combined type at path '%3' has fewer elements in the %1 schema than the %2 schema",
    [MORE] = "An array or combined type at path '%3' has more elements in the %1 schema than the %2 schema",
    [RETYPED] = "A type at path '%3' is different between the %1 schema and the %2 schema",
    [OPEN] = "The %1 schema has an open content model and has a property or item at path '%3' which is missing in "
             "the %2 schema",
    [UNOPEN] = "The %1 schema has an unopen content model and has a required property at path '%3' which is missing "
               "in the %2 schema",
    [LOST] = "The %1 has a closed content model and is missing a property or item present at path '%3' in the %2 "
             "schema",
    [UNCOVERED_LOST] = "A property or item is missing in the %1 schema but present at path '%3' in the %2 schema "
                       "and is not covered by its partially open content model",
    [UNCOVERED_NEW] = "The %1 schema has a property or item at path '%3' which is missing in the %2 schema and is "
                      "not covered by its partially open content model",
};

struct difference {
    enum difference_type type;
    const char *path; /* from the pair on: "" or "/a/b" */
};

struct pair {
    const struct shape *original, *update;
    struct difference *p;
    size_t n;
    bool used, busy, done;
};

struct diff {
    struct arena arena;
    struct pair *pairs; /* open addressing */
    size_t n_pairs, cap;
    unsigned depth;
    bool guessed; /* a pair that was being compared was taken for compatible */
    bool gave_up;
};

/* The differences of the pair at hand are collected here, under a path. */
struct found {
    struct diff *diff;
    VEC(struct difference) list;
};

static void compare(struct found *f, const char *path, const struct shape *original, const struct shape *update);

static void add(struct found *f, const char *path, enum difference_type type)
{
    const struct difference d = {type, path};

    if (f->list.n < DIFFERENCES_MAX)
        vec_push(&f->list, d);
}

static const char *below(struct found *f, const char *path, struct str step)
{
    return arena_printf(&f->diff->arena, "%s/" STR_FMT, path, STR_ARG(step));
}

static const char *below_word(struct found *f, const char *path, const char *word)
{
    return below(f, path, str_of(word));
}

/* --- pairs ------------------------------------------------------------------------------------------- */

static struct pair *pair_place(struct diff *d, const struct shape *original, const struct shape *update)
{
    const uint64_t key =
        ((uint64_t)(uintptr_t)original >> 4) * 0x9e3779b97f4a7c15u ^ ((uint64_t)(uintptr_t)update >> 4);
    size_t at = (size_t)(key * 0x9e3779b97f4a7c15u >> 20) & (d->cap - 1);

    while (d->pairs[at].used && (d->pairs[at].original != original || d->pairs[at].update != update))
        at = (at + 1) & (d->cap - 1);
    return &d->pairs[at];
}

static void grow(struct diff *d)
{
    struct pair *old = d->pairs;
    const size_t n = d->cap;

    d->cap = n ? n * 2 : 256;
    d->pairs = check_calloc(d->cap, sizeof(*d->pairs));
    for (size_t i = 0; i < n; i++)
        if (old[i].used)
            *pair_place(d, old[i].original, old[i].update) = old[i];
    free(old);
}

static struct pair *pair_of(struct diff *d, const struct shape *original, const struct shape *update)
{
    struct pair *p;

    if (d->n_pairs * 2 >= d->cap)
        grow(d);
    p = pair_place(d, original, update);
    if (!p->used) {
        *p = (struct pair){.original = original, .update = update, .used = true};
        d->n_pairs++;
    }
    return p;
}

static bool is_compatible(struct found *f, const struct shape *original, const struct shape *update)
{
    struct found inner = {.diff = f->diff};
    bool ok;

    compare(&inner, "", original, update);
    ok = inner.list.n == 0;
    vec_free(&inner.list);
    return ok;
}

/* --- values ------------------------------------------------------------------------------------------ */

static bool number_of(const struct shape *x, const char *keyword, double *out)
{
    return json_tree_double(json_tree_member(x->node, keyword), out);
}

/* A bound that gets narrower breaks something: an upper one (`upper`) by falling, a lower one by rising. */
static void compare_bound(struct found *f, const char *path, const char *keyword, bool upper, bool has_a, double a,
                          bool has_b, double b, enum difference_type added, enum difference_type narrowed)
{
    if (!has_b)
        return;
    if (!has_a)
        add(f, below_word(f, path, keyword), added);
    else if (upper ? b < a : b > a)
        add(f, below_word(f, path, keyword), narrowed);
}

struct bound {
    const char *keyword;
    bool upper;
    enum difference_type added, narrowed;
};

static void compare_bounds(struct found *f, const char *path, const struct shape *a, const struct shape *b,
                           const struct bound *bounds, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double x = 0, y = 0;
        const bool has_x = number_of(a, bounds[i].keyword, &x), has_y = number_of(b, bounds[i].keyword, &y);

        compare_bound(f, path, bounds[i].keyword, bounds[i].upper, has_x, x, has_y, y, bounds[i].added,
                      bounds[i].narrowed);
    }
}

static void compare_strings(struct found *f, const char *path, const struct shape *a, const struct shape *b)
{
    static const struct bound BOUNDS[] = {
        {"maxLength", true, D_MAX_LENGTH_ADDED, D_MAX_LENGTH_DECREASED},
        {"minLength", false, D_MIN_LENGTH_ADDED, D_MIN_LENGTH_INCREASED},
    };
    const struct str p = json_tree_string(a->node, "pattern"), q = json_tree_string(b->node, "pattern");

    compare_bounds(f, path, a, b, BOUNDS, IG_COUNT(BOUNDS));
    if (!p.p && q.p)
        add(f, below_word(f, path, "pattern"), D_PATTERN_ADDED);
    else if (p.p && q.p && !str_eq(p, q))
        add(f, below_word(f, path, "pattern"), D_PATTERN_CHANGED);
}

/* The bound that a number has: in draft 4 an exclusive one is the other keyword with a flag. */
static bool limit_of(const struct shape *x, const char *keyword, const char *exclusive, bool is_exclusive, double *out)
{
    const bool flagged = json_tree_is(json_tree_member(x->node, exclusive), JSON_TRUE);

    if (is_exclusive && !flagged)
        return number_of(x, exclusive, out);
    return flagged == is_exclusive && number_of(x, keyword, out);
}

static bool divides(double small, double big)
{
    const double n = big / small;

    return small != 0 && fabs(n - round(n)) < 1e-9 * fabs(n);
}

static void compare_multiples(struct found *f, const char *path, const struct shape *a, const struct shape *b)
{
    double x = 0, y = 0;
    const bool has_x = number_of(a, "multipleOf", &x), has_y = number_of(b, "multipleOf", &y);

    if (!has_y || (has_x && x == y))
        return;
    path = below_word(f, path, "multipleOf");
    if (!has_x)
        add(f, path, D_MULTIPLE_OF_ADDED);
    else if (divides(x, y))
        add(f, path, D_MULTIPLE_OF_EXPANDED);
    else if (!divides(y, x))
        add(f, path, D_MULTIPLE_OF_CHANGED);
}

static void compare_numbers(struct found *f, const char *path, const struct shape *a, const struct shape *b)
{
    static const struct {
        const char *keyword, *exclusive;
        bool upper;
        enum difference_type added[2], narrowed[2];
    } LIMITS[] = {
        {"maximum",
         "exclusiveMaximum",
         true,
         {D_MAXIMUM_ADDED, D_EXCLUSIVE_MAXIMUM_ADDED},
         {D_MAXIMUM_DECREASED, D_EXCLUSIVE_MAXIMUM_DECREASED}},
        {"minimum",
         "exclusiveMinimum",
         false,
         {D_MINIMUM_ADDED, D_EXCLUSIVE_MINIMUM_ADDED},
         {D_MINIMUM_INCREASED, D_EXCLUSIVE_MINIMUM_INCREASED}},
    };

    for (size_t i = 0; i < IG_COUNT(LIMITS); i++)
        for (int e = 0; e < 2; e++) {
            double x = 0, y = 0;
            const bool has_x = limit_of(a, LIMITS[i].keyword, LIMITS[i].exclusive, e, &x);
            const bool has_y = limit_of(b, LIMITS[i].keyword, LIMITS[i].exclusive, e, &y);

            compare_bound(f, path, e ? LIMITS[i].exclusive : LIMITS[i].keyword, LIMITS[i].upper, has_x, x, has_y, y,
                          LIMITS[i].added[e], LIMITS[i].narrowed[e]);
        }
    compare_multiples(f, path, a, b);
    if (b->integer && !a->integer)
        add(f, path, D_TYPE_NARROWED);
}

static bool list_has(const struct json_node *list, const struct json_node *value)
{
    json_tree_each(item, list) if (json_tree_equal(item, value)) return true;
    return false;
}

static bool list_has_all(const struct json_node *list, const struct json_node *values)
{
    json_tree_each(value, values) if (!list_has(list, value)) return false;
    return true;
}

static void compare_enums(struct found *f, const char *path, const struct shape *a, const struct shape *b)
{
    const struct json_node *x = json_tree_member(a->node, "enum"), *y = json_tree_member(b->node, "enum");

    if (x->n > VALUES_MAX / (y->n + 1)) {
        add(f, path, D_TOO_COMPLEX_TO_COMPARE);
        return;
    }
    if (list_has_all(y, x))
        return;
    add(f, below_word(f, path, "enum"), list_has_all(x, y) ? D_ENUM_ARRAY_NARROWED : D_ENUM_ARRAY_CHANGED);
}

/* --- objects ----------------------------------------------------------------------------------------- */

static bool is_required(const struct shape *x, struct str name)
{
    json_tree_each(item, json_tree_member(x->node, "required")) if (str_eq(item->text, name)) return true;
    return false;
}

static bool has_default(const struct shape *property)
{
    return json_tree_member(property->node, "default") != NULL;
}

/* What of a property that is not listed? Everything, nothing, or what a pattern, the additional or the unevaluated
 * ones say. */
static bool is_open(const struct shape *x)
{
    return !x->closed && !x->additional && x->n_patterns == 0 && (!x->unevaluated || x->unevaluated->kind == SHAPE_ANY);
}

static const struct shape *says_of_others(const struct shape *x, struct str name)
{
    for (size_t i = 0; i < x->n_patterns; i++)
        if (json_pattern_find(x->patterns[i].pattern, name))
            return x->patterns[i].shape;
    if (x->additional)
        return x->additional;
    if (!x->closed && x->unevaluated && x->unevaluated->kind != SHAPE_NEVER && x->unevaluated->kind != SHAPE_ANY)
        return x->unevaluated;
    return NULL;
}

static void property_removed(struct found *f, const char *path, struct str name, const struct shape *was,
                             const struct shape *update)
{
    const struct shape *covers;

    if (is_open(update))
        return;
    covers = says_of_others(update, name);
    if (!covers && was->kind != SHAPE_NEVER)
        add(f, path, D_PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL);
    if (covers && !is_compatible(f, was, covers)) {
        compare(f, path, was, covers);
        add(f, path, D_PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL);
    }
}

static void property_added(struct found *f, const char *path, struct str name, const struct shape *original,
                           const struct shape *update, const struct shape *now)
{
    const bool required = is_required(update, name);
    const struct shape *covers;

    if (is_open(original)) {
        if (now->kind == SHAPE_ANY)
            return;
        add(f, path,
            !required          ? D_OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL
            : has_default(now) ? D_REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_OPEN_CONTENT_MODEL
                               : D_REQUIRED_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL);
        return;
    }
    covers = says_of_others(original, name);
    if (covers && !is_compatible(f, covers, now)) {
        compare(f, path, covers, now);
        add(f, path, D_PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL);
    }
    if (required && !has_default(now))
        add(f, path, D_REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL);
}

static void compare_properties(struct found *f, const char *path, const struct shape *a, const struct shape *b)
{
    const char *in = below_word(f, path, "properties"), *required = below_word(f, path, "required");

    for (size_t i = 0; i < a->n_properties; i++) {
        const struct shape_named *was = &a->properties[i];
        const struct shape *now = json_shape_property(b, was->name);

        if (!now)
            property_removed(f, below(f, in, was->name), was->name, was->shape, b);
        else if (!is_required(a, was->name) && is_required(b, was->name) && !has_default(now))
            add(f, below(f, required, was->name), D_REQUIRED_ATTRIBUTE_ADDED);
        if (now)
            compare(f, below(f, in, was->name), was->shape, now);
    }
    for (size_t i = 0; i < b->n_properties; i++) {
        const struct shape_named *now = &b->properties[i];

        if (!json_shape_property(a, now->name))
            property_added(f, below(f, in, now->name), now->name, a, b, now->shape);
    }
}

static const struct json_node *names_depending(const struct shape *x, struct str name)
{
    static const char *const KEYWORDS[] = {"dependentRequired", "dependencies"};

    for (size_t i = 0; i < IG_COUNT(KEYWORDS); i++) {
        const struct json_node *names = json_tree_member_str(json_tree_member(x->node, KEYWORDS[i]), name);

        if (json_tree_is(names, JSON_ARRAY))
            return names;
    }
    return NULL;
}

static void compare_depending_names(struct found *f, const char *path, const struct shape *a, const struct shape *b,
                                    const char *keyword)
{
    json_tree_each(now, json_tree_member(b->node, keyword))
    {
        const struct json_node *was = names_depending(a, now->key);
        const char *at = below(f, path, now->key);

        if (now->type != JSON_ARRAY)
            continue;
        if (!was)
            add(f, at, D_DEPENDENCY_ARRAY_ADDED);
        else if (!list_has_all(was, now))
            add(f, at, list_has_all(now, was) ? D_DEPENDENCY_ARRAY_EXTENDED : D_DEPENDENCY_ARRAY_CHANGED);
    }
}

static void compare_dependencies(struct found *f, const char *path, const struct shape *a, const struct shape *b)
{
    path = below_word(f, path, "dependencies");
    compare_depending_names(f, path, a, b, "dependencies");
    compare_depending_names(f, path, a, b, "dependentRequired");
    for (size_t i = 0; i < b->n_dependencies; i++) {
        const struct shape *was = NULL;

        for (size_t k = 0; k < a->n_dependencies && !was; k++)
            if (str_eq(a->dependencies[k].name, b->dependencies[i].name))
                was = a->dependencies[k].shape;
        if (was)
            compare(f, below(f, path, b->dependencies[i].name), was, b->dependencies[i].shape);
        else
            add(f, below(f, path, b->dependencies[i].name), D_DEPENDENCY_SCHEMA_ADDED);
    }
}

/* What is not listed: additionalProperties, additionalItems. */
static void compare_additional(struct found *f, const char *path, const struct shape *a, const struct shape *b,
                               enum difference_type removed, enum difference_type narrowed)
{
    if (a->closed != b->closed) {
        if (b->closed)
            add(f, path, removed);
    } else if (!a->additional && b->additional && !a->closed) {
        add(f, path, narrowed);
    } else if (a->additional && b->additional) {
        compare(f, path, a->additional, b->additional);
    }
}

static void compare_unevaluated(struct found *f, const char *path, const struct shape *a, const struct shape *b,
                                enum difference_type removed, enum difference_type narrowed)
{
    const struct shape *was = a->unevaluated, *now = b->unevaluated;

    if (!now || now->kind == SHAPE_ANY || (was && was->kind == SHAPE_NEVER))
        return;
    if (now->kind == SHAPE_NEVER)
        add(f, path, removed);
    else if (!was || was->kind == SHAPE_ANY)
        add(f, path, narrowed);
    else
        compare(f, path, was, now);
}

static void compare_objects(struct found *f, const char *path, const struct shape *a, const struct shape *b)
{
    static const struct bound BOUNDS[] = {
        {"maxProperties", true, D_MAX_PROPERTIES_ADDED, D_MAX_PROPERTIES_DECREASED},
        {"minProperties", false, D_MIN_PROPERTIES_ADDED, D_MIN_PROPERTIES_INCREASED},
    };

    compare_properties(f, path, a, b);
    compare_dependencies(f, path, a, b);
    compare_additional(f, below_word(f, path, "additionalProperties"), a, b, D_ADDITIONAL_PROPERTIES_REMOVED,
                       D_ADDITIONAL_PROPERTIES_NARROWED);
    compare_unevaluated(f, below_word(f, path, "unevaluatedProperties"), a, b, D_UNEVALUATED_PROPERTIES_REMOVED,
                        D_UNEVALUATED_PROPERTIES_NARROWED);
    compare_bounds(f, path, a, b, BOUNDS, IG_COUNT(BOUNDS));
}

/* --- arrays ------------------------------------------------------------------------------------------ */

static void item_removed(struct found *f, const char *path, const struct shape *was, const struct shape *update)
{
    const struct shape *covers;

    if (is_open(update))
        return;
    covers = says_of_others(update, STR(""));
    if (!covers && was->kind != SHAPE_NEVER)
        add(f, path, D_ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL);
    if (covers && !is_compatible(f, was, covers)) {
        compare(f, path, was, covers);
        add(f, path, D_ITEM_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL);
    }
}

static void item_added(struct found *f, const char *path, const struct shape *original, const struct shape *now)
{
    const struct shape *covers;

    if (is_open(original)) {
        if (now->kind != SHAPE_ANY)
            add(f, path, D_ITEM_ADDED_TO_OPEN_CONTENT_MODEL);
        return;
    }
    covers = says_of_others(original, STR(""));
    if (covers && !is_compatible(f, covers, now)) {
        compare(f, path, covers, now);
        add(f, path, D_ITEM_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL);
    }
}

static void compare_arrays(struct found *f, const char *path, const struct shape *a, const struct shape *b)
{
    static const struct bound BOUNDS[] = {
        {"maxItems", true, D_MAX_ITEMS_ADDED, D_MAX_ITEMS_DECREASED},
        {"minItems", false, D_MIN_ITEMS_ADDED, D_MIN_ITEMS_INCREASED},
        {"maxContains", true, D_MAX_CONTAINS_ADDED, D_MAX_CONTAINS_DECREASED},
        {"minContains", false, D_MIN_CONTAINS_ADDED, D_MIN_CONTAINS_INCREASED},
    };

    if (b->items)
        compare(f, below_word(f, path, "items"), a->items, b->items);
    for (size_t i = 0; i < a->n_subs || i < b->n_subs; i++) {
        const char *at = arena_printf(&f->diff->arena, "%s/items/%zu", path, i);

        if (i >= b->n_subs)
            item_removed(f, at, a->subs[i], b);
        else if (i >= a->n_subs)
            item_added(f, at, a, b->subs[i]);
        else
            compare(f, at, a->subs[i], b->subs[i]);
    }
    compare_additional(f, below_word(f, path, "additionalItems"), a, b, D_ADDITIONAL_ITEMS_REMOVED,
                       D_ADDITIONAL_ITEMS_NARROWED);
    compare_unevaluated(f, below_word(f, path, "unevaluatedItems"), a, b, D_UNEVALUATED_ITEMS_REMOVED,
                        D_UNEVALUATED_ITEMS_NARROWED);
    compare_bounds(f, path, a, b, BOUNDS, IG_COUNT(BOUNDS));
    if (json_tree_is(json_tree_member(b->node, "uniqueItems"), JSON_TRUE) &&
        !json_tree_is(json_tree_member(a->node, "uniqueItems"), JSON_TRUE))
        add(f, below_word(f, path, "uniqueItems"), D_UNIQUE_ITEMS_ADDED);
}

/* --- allOf, anyOf, oneOf
 * ---------------------------------------------------------------------------------------------- */

static bool same_shape(const struct shape *a, const struct shape *b)
{
    if (a == b)
        return true;
    return a->kind == b->kind && a->integer == b->integer && a->criterion == b->criterion && a->doc == b->doc &&
           json_tree_equal(a->node, b->node);
}

typedef VEC(const struct shape *) sub_list;

static void distinct_subs(const struct shape *x, sub_list *out)
{
    for (size_t i = 0; i < x->n_subs; i++) {
        bool seen = false;

        for (size_t k = 0; k < out->n && !seen; k++)
            seen = same_shape(out->p[k], x->subs[i]);
        if (!seen)
            vec_push(out, x->subs[i]);
    }
}

/* Which of the update's could each of the original's become? A maximum matching, by augmenting paths. */
struct matching {
    const bool *fits; /* n_a rows of n_b */
    size_t n_a, n_b;
    size_t *partner_of_b; /* 1 + index in a, 0: none */
    bool *seen;
};

static bool augment(struct matching *m, size_t a)
{
    for (size_t b = 0; b < m->n_b; b++) {
        if (!m->fits[a * m->n_b + b] || m->seen[b])
            continue;
        m->seen[b] = true;
        if (m->partner_of_b[b] == 0 || augment(m, m->partner_of_b[b] - 1)) {
            m->partner_of_b[b] = a + 1;
            return true;
        }
    }
    return false;
}

static size_t match(const bool *fits, size_t n_a, size_t n_b)
{
    struct matching m = {fits, n_a, n_b, check_calloc(n_b + 1, sizeof(size_t)), check_calloc(n_b + 1, sizeof(bool))};
    size_t n = 0;

    for (size_t a = 0; a < n_a; a++) {
        memset(m.seen, 0, n_b);
        n += augment(&m, a) ? 1 : 0;
    }
    free(m.partner_of_b);
    free(m.seen);
    return n;
}

static bool criteria_changed(const struct shape *a, const struct shape *b)
{
    if (a->criterion == b->criterion || b->criterion == SHAPE_ANY_OF)
        return false;
    if (a->n_subs == 1 && (b->n_subs == 1 || b->criterion == SHAPE_ONE_OF))
        return false;
    return !(b->n_subs == 1 && a->criterion == SHAPE_ALL_OF);
}

static void compare_combined(struct found *f, const char *path, const struct shape *a, const struct shape *b)
{
    sub_list was = {0}, now = {0};
    bool *fits;

    if (criteria_changed(a, b)) {
        add(f, path, D_COMBINED_TYPE_CHANGED);
        return;
    }
    if (a->n_subs > SUBS_MAX || b->n_subs > SUBS_MAX) {
        f->diff->gave_up = true;
        add(f, path, D_TOO_COMPLEX_TO_COMPARE);
        return;
    }
    distinct_subs(a, &was);
    distinct_subs(b, &now);
    if (was.n < now.n && b->criterion == SHAPE_ALL_OF)
        add(f, path, D_PRODUCT_TYPE_EXTENDED);
    if (was.n > now.n && a->criterion != SHAPE_ALL_OF)
        add(f, path, D_SUM_TYPE_NARROWED);
    fits = check_calloc(was.n * now.n + 1, sizeof(bool));
    for (size_t i = 0; i < was.n; i++)
        for (size_t k = 0; k < now.n; k++)
            fits[i * now.n + k] = is_compatible(f, was.p[i], now.p[k]);
    if (match(fits, was.n, now.n) < (was.n < now.n ? was.n : now.n))
        add(f, path, D_COMBINED_TYPE_SUBSCHEMAS_CHANGED);
    free(fits);
    vec_free(&was);
    vec_free(&now);
}

/* One of two is combined: is the other one of its choices, or one of its conditions? */
static bool fits_one_of(struct found *f, const struct shape *a, const struct shape *b)
{
    if (b->kind == SHAPE_COMBINED && a->kind != SHAPE_COMBINED && (b->n_subs == 1 || b->criterion != SHAPE_ALL_OF)) {
        for (size_t i = 0; i < b->n_subs; i++)
            if (is_compatible(f, a, b->subs[i]))
                return true;
    }
    if (a->kind == SHAPE_COMBINED && b->kind != SHAPE_COMBINED && (a->n_subs == 1 || a->criterion == SHAPE_ALL_OF)) {
        for (size_t i = 0; i < a->n_subs; i++)
            if (is_compatible(f, a->subs[i], b))
                return true;
    }
    return false;
}

/* --- any two
 * ------------------------------------------------------------------------------------------------------------ */

/* Connect writes decimals as "connect.type": "bytes" over different types. */
static bool both_connect_bytes(const struct shape *a, const struct shape *b)
{
    return str_is(json_tree_string(a->node, "connect.type"), "bytes") &&
           str_is(json_tree_string(b->node, "connect.type"), "bytes");
}

static bool conditions_equal(const struct shape *a, const struct shape *b)
{
    static const char *const KEYWORDS[] = {"if", "then", "else"};

    for (size_t i = 0; i < IG_COUNT(KEYWORDS); i++) {
        const struct json_node *x = json_tree_member(a->node, KEYWORDS[i]), *y = json_tree_member(b->node, KEYWORDS[i]);

        if ((x == NULL) != (y == NULL) || (x && !json_tree_equal(x, y)))
            return false;
    }
    return true;
}

static void compare_kinds(struct found *f, const char *path, const struct shape *a, const struct shape *b)
{
    const struct json_node *x, *y;

    switch (a->kind) {
    case SHAPE_STRING:
        compare_strings(f, path, a, b);
        break;
    case SHAPE_NUMBER:
        compare_numbers(f, path, a, b);
        break;
    case SHAPE_OBJECT:
        compare_objects(f, path, a, b);
        break;
    case SHAPE_ARRAY:
        compare_arrays(f, path, a, b);
        break;
    case SHAPE_ENUM:
        compare_enums(f, path, a, b);
        break;
    case SHAPE_CONST:
        x = json_tree_member(a->node, "const");
        y = json_tree_member(b->node, "const");
        if (!json_tree_equal(x, y))
            add(f, below_word(f, path, "const"), D_ENUM_ARRAY_CHANGED);
        break;
    case SHAPE_NOT: /* what must not be may only become less */
        if (!is_compatible(f, b->target, a->target))
            add(f, below_word(f, path, "not"), D_NOT_TYPE_EXTENDED);
        break;
    case SHAPE_CONDITION:
        if (!conditions_equal(a, b))
            add(f, path, D_COMBINED_TYPE_SUBSCHEMAS_CHANGED);
        break;
    case SHAPE_COMBINED:
        compare_combined(f, path, a, b);
        break;
    case SHAPE_ANY:
    case SHAPE_NEVER:
    case SHAPE_BOOLEAN:
    case SHAPE_NULL:
    case SHAPE_REF:
        break;
    }
}

static void compare_pair(struct found *f, const struct shape *a, const struct shape *b)
{
    if (fits_one_of(f, a, b))
        return;
    if (a->kind == b->kind)
        compare_kinds(f, "", a, b);
    else if (a->kind != SHAPE_NEVER && b->kind != SHAPE_ANY && !both_connect_bytes(a, b))
        add(f, "", D_TYPE_CHANGED);
}

static const struct shape *follow(const struct shape *x)
{
    return x && x->kind == SHAPE_REF ? x->target : x;
}

static void compare(struct found *f, const char *path, const struct shape *original, const struct shape *update)
{
    struct diff *d = f->diff;
    struct found inner = {.diff = d};
    struct pair *p;

    if (!update)
        return;
    if (!original) {
        add(f, path, D_SCHEMA_ADDED);
        return;
    }
    original = follow(original);
    update = follow(update);
    p = pair_of(d, original, update);
    if (p->busy)
        d->guessed = true;
    if (!p->busy && !p->done) {
        if (d->n_pairs > PAIRS_MAX || d->depth >= DEPTH_MAX) {
            d->gave_up = true;
            add(f, path, D_TOO_COMPLEX_TO_COMPARE);
            return;
        }
        p->busy = true;
        d->depth++;
        compare_pair(&inner, original, update);
        d->depth--;
        p = pair_of(d, original, update); /* the table may have moved */
        p->busy = false;
        p->done = true;
        p->n = inner.list.n;
        p->p = ARENA_ARRAY(&d->arena, struct difference, inner.list.n + 1);
        if (inner.list.n)
            memcpy(p->p, inner.list.p, inner.list.n * sizeof(*p->p));
        vec_free(&inner.list);
    }
    for (size_t i = 0; i < p->n; i++)
        add(f, *path ? arena_printf(&d->arena, "%s%s", path, p->p[i].path) : p->p[i].path, p->p[i].type);
}

/* Before all is compared again: what was found broken is known of pairs that are met while they are compared, too. */
static size_t forget_good(struct diff *d)
{
    size_t broken = 0;

    for (size_t i = 0; i < d->cap; i++) {
        d->pairs[i].done = false;
        broken += d->pairs[i].used && d->pairs[i].n > 0;
    }
    return broken;
}

static void tell(struct schema_problems *problems, enum difference_type type, const char *path)
{
    const char *const words[] = {schema_reader_name(problems), schema_writer_name(problems), path};
    struct buf text;

    buf_init(&text, 0);
    for (const char *p = SENTENCES[TYPES[type].wording]; *p; p++) {
        if (*p == '%' && p[1] >= '1' && p[1] <= '3')
            buf_puts(&text, words[*++p - '1']);
        else
            buf_putc(&text, *p);
    }
    schema_problem(problems, "{errorType:\"%s\", description:\"%s'}", TYPES[type].name, buf_cstr(&text));
    buf_release(&text);
}

bool json_schema_can_read(const struct schema *reader, const struct schema *writer, struct schema_problems *problems)
{
    const struct json_schema *update = (const struct json_schema *)reader;
    const struct json_schema *original = (const struct json_schema *)writer;
    struct diff d = {0};
    struct found f = {.diff = &d};
    size_t broken = SIZE_MAX, before;
    bool ok;

    arena_init(&d.arena);
    do {
        before = broken;
        d.guessed = false;
        f.list.n = 0;
        compare(&f, "", original->shape, update->shape);
        broken = d.guessed && !d.gave_up ? forget_good(&d) : before;
    } while (broken != before);
    ok = f.list.n == 0;
    for (size_t i = 0; i < f.list.n; i++)
        tell(problems, f.list.p[i].type, arena_printf(&d.arena, "#%s", *f.list.p[i].path ? f.list.p[i].path : "/"));
    vec_free(&f.list);
    free(d.pairs);
    arena_release(&d.arena);
    return ok;
}
