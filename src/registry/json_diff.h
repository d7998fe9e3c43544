/*
 * Inside the comparison of JSON Schemas: the differences that break something, and how they are collected.
 */
#ifndef REGISTRY_JSON_DIFF_H
#define REGISTRY_JSON_DIFF_H

#include "registry/json_schema.h"

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
    bool lenient;
};

/* The differences of the pair at hand are collected here, under a path. */
struct found {
    struct diff *diff;
    VEC(struct difference) list;
};

/* Two subschemas, and what breaks between them, under `path`. */
void diff_compare(struct found *f, const char *path, const struct shape *original, const struct shape *update);
bool diff_is_compatible(struct found *f, const struct shape *original, const struct shape *update);
void diff_add(struct found *f, const char *path, enum difference_type type);
const char *diff_below(struct found *f, const char *path, struct str step);
const char *diff_below_word(struct found *f, const char *path, const char *word);

/* json_diff_values.c */
struct bound {
    const char *keyword;
    bool upper;
    enum difference_type added, narrowed;
};
void diff_bounds(struct found *f, const char *path, const struct shape *a, const struct shape *b,
                 const struct bound *bounds, size_t n);
void diff_strings(struct found *f, const char *path, const struct shape *a, const struct shape *b);
void diff_numbers(struct found *f, const char *path, const struct shape *a, const struct shape *b);
void diff_enums(struct found *f, const char *path, const struct shape *a, const struct shape *b);
bool diff_list_has_all(const struct json_node *list, const struct json_node *values);

/* json_diff_parts.c */
void diff_objects(struct found *f, const char *path, const struct shape *a, const struct shape *b);
void diff_arrays(struct found *f, const char *path, const struct shape *a, const struct shape *b);

#endif
