/*
 * A JSON document as a tree in an arena, for schemas: members keep their order, numbers their text.
 */
#ifndef REGISTRY_JSON_TREE_H
#define REGISTRY_JSON_TREE_H

#include "base/base.h"

struct json_node {
    enum json_type type;
    struct str text;                       /* a string without its escapes; a number as it was written */
    bool integer;                          /* a number without fraction and exponent */
    struct str key;                        /* as a member of an object */
    struct json_node *first, *last, *next; /* items or members */
    size_t n;
    struct json_node **index; /* of an object with many members: by hash, index_mask + 1 places */
    size_t index_mask;
};

/* IG_INVALID with the byte offset. Of members with one name the last one stays. A tree nests at
 * most JSON_DEPTH_MAX deep, so recursion over it is safe. */
IG_MUST_CHECK enum ig_code json_tree_parse(struct arena *arena, struct str text, struct json_node **out,
                                           struct error *err);
/* NULL if it is no object or has no such member. */
const struct json_node *json_tree_member(const struct json_node *object, const char *name);
const struct json_node *json_tree_member_str(const struct json_node *object, struct str name);
/* The member's text, {NULL, 0} if there is no such member or it is no string. */
struct str json_tree_string(const struct json_node *object, const char *name);
bool json_tree_int64(const struct json_node *node, int64_t *out);
bool json_tree_double(const struct json_node *node, double *out);
static inline bool json_tree_is(const struct json_node *node, enum json_type type)
{
    return node && node->type == type;
}
static inline bool json_tree_is_bool(const struct json_node *node)
{
    return node && (node->type == JSON_TRUE || node->type == JSON_FALSE);
}
/* Equal as values: numbers by value, objects whatever their order. */
bool json_tree_equal(const struct json_node *a, const struct json_node *b);

/* Appends it without white space; `sorted`: members by name. */
void json_tree_print(const struct json_node *node, bool sorted, struct buf *out);

#define json_tree_each(child, parent) \
    for (const struct json_node *child = (parent) ? (parent)->first : NULL; child; child = child->next)

#endif
