/*
 * Comparing JSON Schemas: objects with their properties, arrays with their items.
 */
#include "registry/json_diff.h"

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
        diff_add(f, path, D_PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL);
    if (covers && !diff_is_compatible(f, was, covers)) {
        diff_compare(f, path, was, covers);
        diff_add(f, path, D_PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL);
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
        diff_add(f, path,
                 !required          ? D_OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL
                 : has_default(now) ? D_REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_OPEN_CONTENT_MODEL
                                    : D_REQUIRED_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL);
        return;
    }
    covers = says_of_others(original, name);
    if (covers && !diff_is_compatible(f, covers, now)) {
        diff_compare(f, path, covers, now);
        diff_add(f, path, D_PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL);
    }
    if (required && !has_default(now))
        diff_add(f, path, D_REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL);
}

static void compare_properties(struct found *f, const char *path, const struct shape *a, const struct shape *b)
{
    const char *in = diff_below_word(f, path, "properties"), *required = diff_below_word(f, path, "required");

    for (size_t i = 0; i < a->n_properties; i++) {
        const struct shape_named *was = &a->properties[i];
        const struct shape *now = json_shape_property(b, was->name);

        if (!now)
            property_removed(f, diff_below(f, in, was->name), was->name, was->shape, b);
        else if (!is_required(a, was->name) && is_required(b, was->name) && !has_default(now))
            diff_add(f, diff_below(f, required, was->name), D_REQUIRED_ATTRIBUTE_ADDED);
        if (now)
            diff_compare(f, diff_below(f, in, was->name), was->shape, now);
    }
    for (size_t i = 0; i < b->n_properties; i++) {
        const struct shape_named *now = &b->properties[i];

        if (!json_shape_property(a, now->name))
            property_added(f, diff_below(f, in, now->name), now->name, a, b, now->shape);
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
        const char *at = diff_below(f, path, now->key);

        if (now->type != JSON_ARRAY)
            continue;
        if (!was)
            diff_add(f, at, D_DEPENDENCY_ARRAY_ADDED);
        else if (!diff_list_has_all(was, now))
            diff_add(f, at, diff_list_has_all(now, was) ? D_DEPENDENCY_ARRAY_EXTENDED : D_DEPENDENCY_ARRAY_CHANGED);
    }
}

static void compare_dependencies(struct found *f, const char *path, const struct shape *a, const struct shape *b)
{
    path = diff_below_word(f, path, "dependencies");
    compare_depending_names(f, path, a, b, "dependencies");
    compare_depending_names(f, path, a, b, "dependentRequired");
    for (size_t i = 0; i < b->n_dependencies; i++) {
        const struct shape *was = NULL;

        for (size_t k = 0; k < a->n_dependencies && !was; k++)
            if (str_eq(a->dependencies[k].name, b->dependencies[i].name))
                was = a->dependencies[k].shape;
        if (was)
            diff_compare(f, diff_below(f, path, b->dependencies[i].name), was, b->dependencies[i].shape);
        else
            diff_add(f, diff_below(f, path, b->dependencies[i].name), D_DEPENDENCY_SCHEMA_ADDED);
    }
}

/* What is not listed: additionalProperties, additionalItems. */
static void compare_additional(struct found *f, const char *path, const struct shape *a, const struct shape *b,
                               enum difference_type removed, enum difference_type narrowed)
{
    if (a->closed != b->closed) {
        if (b->closed)
            diff_add(f, path, removed);
    } else if (!a->additional && b->additional && !a->closed) {
        diff_add(f, path, narrowed);
    } else if (a->additional && b->additional) {
        diff_compare(f, path, a->additional, b->additional);
    }
}

static void compare_unevaluated(struct found *f, const char *path, const struct shape *a, const struct shape *b,
                                enum difference_type removed, enum difference_type narrowed)
{
    const struct shape *was = a->unevaluated, *now = b->unevaluated;

    if (!now || now->kind == SHAPE_ANY || (was && was->kind == SHAPE_NEVER))
        return;
    if (now->kind == SHAPE_NEVER)
        diff_add(f, path, removed);
    else if (!was || was->kind == SHAPE_ANY)
        diff_add(f, path, narrowed);
    else
        diff_compare(f, path, was, now);
}

void diff_objects(struct found *f, const char *path, const struct shape *a, const struct shape *b)
{
    static const struct bound BOUNDS[] = {
        {"maxProperties", true, D_MAX_PROPERTIES_ADDED, D_MAX_PROPERTIES_DECREASED},
        {"minProperties", false, D_MIN_PROPERTIES_ADDED, D_MIN_PROPERTIES_INCREASED},
    };

    compare_properties(f, path, a, b);
    compare_dependencies(f, path, a, b);
    compare_additional(f, diff_below_word(f, path, "additionalProperties"), a, b, D_ADDITIONAL_PROPERTIES_REMOVED,
                       D_ADDITIONAL_PROPERTIES_NARROWED);
    compare_unevaluated(f, diff_below_word(f, path, "unevaluatedProperties"), a, b, D_UNEVALUATED_PROPERTIES_REMOVED,
                        D_UNEVALUATED_PROPERTIES_NARROWED);
    diff_bounds(f, path, a, b, BOUNDS, IG_COUNT(BOUNDS));
}

/* --- arrays ------------------------------------------------------------------------------------------ */

static void item_removed(struct found *f, const char *path, const struct shape *was, const struct shape *update)
{
    const struct shape *covers;

    if (is_open(update))
        return;
    covers = says_of_others(update, STR(""));
    if (!covers && was->kind != SHAPE_NEVER)
        diff_add(f, path, D_ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL);
    if (covers && !diff_is_compatible(f, was, covers)) {
        diff_compare(f, path, was, covers);
        diff_add(f, path, D_ITEM_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL);
    }
}

static void item_added(struct found *f, const char *path, const struct shape *original, const struct shape *now)
{
    const struct shape *covers;

    if (is_open(original)) {
        if (now->kind != SHAPE_ANY)
            diff_add(f, path, D_ITEM_ADDED_TO_OPEN_CONTENT_MODEL);
        return;
    }
    covers = says_of_others(original, STR(""));
    if (covers && !diff_is_compatible(f, covers, now)) {
        diff_compare(f, path, covers, now);
        diff_add(f, path, D_ITEM_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL);
    }
}

void diff_arrays(struct found *f, const char *path, const struct shape *a, const struct shape *b)
{
    static const struct bound BOUNDS[] = {
        {"maxItems", true, D_MAX_ITEMS_ADDED, D_MAX_ITEMS_DECREASED},
        {"minItems", false, D_MIN_ITEMS_ADDED, D_MIN_ITEMS_INCREASED},
        {"maxContains", true, D_MAX_CONTAINS_ADDED, D_MAX_CONTAINS_DECREASED},
        {"minContains", false, D_MIN_CONTAINS_ADDED, D_MIN_CONTAINS_INCREASED},
    };

    if (b->items)
        diff_compare(f, diff_below_word(f, path, "items"), a->items, b->items);
    for (size_t i = 0; i < a->n_subs || i < b->n_subs; i++) {
        const char *at = arena_printf(&f->diff->arena, "%s/items/%zu", path, i);

        if (i >= b->n_subs)
            item_removed(f, at, a->subs[i], b);
        else if (i >= a->n_subs)
            item_added(f, at, a, b->subs[i]);
        else
            diff_compare(f, at, a->subs[i], b->subs[i]);
    }
    compare_additional(f, diff_below_word(f, path, "additionalItems"), a, b, D_ADDITIONAL_ITEMS_REMOVED,
                       D_ADDITIONAL_ITEMS_NARROWED);
    compare_unevaluated(f, diff_below_word(f, path, "unevaluatedItems"), a, b, D_UNEVALUATED_ITEMS_REMOVED,
                        D_UNEVALUATED_ITEMS_NARROWED);
    diff_bounds(f, path, a, b, BOUNDS, IG_COUNT(BOUNDS));
    if (json_tree_is(json_tree_member(b->node, "uniqueItems"), JSON_TRUE) &&
        !json_tree_is(json_tree_member(a->node, "uniqueItems"), JSON_TRUE))
        diff_add(f, diff_below_word(f, path, "uniqueItems"), D_UNIQUE_ITEMS_ADDED);
}
