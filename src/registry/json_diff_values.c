/*
 * Comparing JSON Schemas: strings, numbers, enums.
 */
#include "registry/json_diff.h"

#include <math.h>

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
        diff_add(f, diff_below_word(f, path, keyword), added);
    else if (upper ? b < a : b > a)
        diff_add(f, diff_below_word(f, path, keyword), narrowed);
}

void diff_bounds(struct found *f, const char *path, const struct shape *a, const struct shape *b,
                 const struct bound *bounds, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double x = 0, y = 0;
        const bool has_x = number_of(a, bounds[i].keyword, &x), has_y = number_of(b, bounds[i].keyword, &y);

        compare_bound(f, path, bounds[i].keyword, bounds[i].upper, has_x, x, has_y, y, bounds[i].added,
                      bounds[i].narrowed);
    }
}

void diff_strings(struct found *f, const char *path, const struct shape *a, const struct shape *b)
{
    static const struct bound BOUNDS[] = {
        {"maxLength", true, D_MAX_LENGTH_ADDED, D_MAX_LENGTH_DECREASED},
        {"minLength", false, D_MIN_LENGTH_ADDED, D_MIN_LENGTH_INCREASED},
    };
    const struct str p = json_tree_string(a->node, "pattern"), q = json_tree_string(b->node, "pattern");

    diff_bounds(f, path, a, b, BOUNDS, IG_COUNT(BOUNDS));
    if (!p.p && q.p)
        diff_add(f, diff_below_word(f, path, "pattern"), D_PATTERN_ADDED);
    else if (p.p && q.p && !str_eq(p, q))
        diff_add(f, diff_below_word(f, path, "pattern"), D_PATTERN_CHANGED);
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
    path = diff_below_word(f, path, "multipleOf");
    if (!has_x)
        diff_add(f, path, D_MULTIPLE_OF_ADDED);
    else if (divides(x, y))
        diff_add(f, path, D_MULTIPLE_OF_EXPANDED);
    else if (!divides(y, x))
        diff_add(f, path, D_MULTIPLE_OF_CHANGED);
}

void diff_numbers(struct found *f, const char *path, const struct shape *a, const struct shape *b)
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
        diff_add(f, path, D_TYPE_NARROWED);
}

static bool list_has(const struct json_node *list, const struct json_node *value)
{
    json_tree_each(item, list) if (json_tree_equal(item, value)) return true;
    return false;
}

bool diff_list_has_all(const struct json_node *list, const struct json_node *values)
{
    json_tree_each(value, values) if (!list_has(list, value)) return false;
    return true;
}

void diff_enums(struct found *f, const char *path, const struct shape *a, const struct shape *b)
{
    const struct json_node *x = json_tree_member(a->node, "enum"), *y = json_tree_member(b->node, "enum");

    if (x->n > VALUES_MAX / (y->n + 1)) {
        diff_add(f, path, D_TOO_COMPLEX_TO_COMPARE);
        return;
    }
    if (diff_list_has_all(y, x))
        return;
    diff_add(f, diff_below_word(f, path, "enum"),
             diff_list_has_all(x, y) ? D_ENUM_ARRAY_NARROWED : D_ENUM_ARRAY_CHANGED);
}
