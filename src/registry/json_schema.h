/*
 * Inside the JSON Schema format. A schema's text is a tree (json_tree.h); over it lies a graph of shapes, one a
 * subschema that can be reached, in which keywords are sorted by what they say: {"type": "string", "enum": [...]} is
 * "all of" a string and an enum. Compatibility is decided over shapes, validation over the tree.
 */
#ifndef REGISTRY_JSON_SCHEMA_H
#define REGISTRY_JSON_SCHEMA_H

#include "registry/json_tree.h"
#include "registry/schema_internal.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum json_draft { DRAFT_4, DRAFT_6, DRAFT_7, DRAFT_2019, DRAFT_2020 };

enum shape_kind {
    SHAPE_ANY, /* {} and true */
    SHAPE_NEVER,
    SHAPE_STRING,
    SHAPE_NUMBER,
    SHAPE_BOOLEAN,
    SHAPE_NULL,
    SHAPE_OBJECT,
    SHAPE_ARRAY,
    SHAPE_ENUM,
    SHAPE_CONST,
    SHAPE_NOT,
    SHAPE_CONDITION, /* if, then, else */
    SHAPE_COMBINED,
    SHAPE_REF,
};
enum shape_criterion { SHAPE_ALL_OF, SHAPE_ANY_OF, SHAPE_ONE_OF };

struct shape;
struct shape_named {
    struct str name;
    const struct shape *shape;
};
struct shape_pattern {
    const pcre2_code *pattern;
    const struct shape *shape;
};

/* Keywords that hold a plain value (minLength, required ...) are read from `node`. */
struct shape {
    enum shape_kind kind;
    enum shape_criterion criterion; /* COMBINED */
    bool integer;                   /* NUMBER: whole ones only */
    bool closed;                    /* OBJECT, ARRAY: nothing but what is listed */
    const struct json_node *node;
    const struct json_schema *doc;
    const struct shape *target; /* NOT: what it must not be; REF: what it refers to, never a REF itself */
    const struct shape **subs;  /* COMBINED; ARRAY: the first items */
    size_t n_subs;
    const struct shape *items;       /* ARRAY: what each item is */
    const struct shape *additional;  /* OBJECT, ARRAY: what others are, NULL if anything */
    const struct shape *unevaluated; /* the same, of unevaluatedProperties and unevaluatedItems; NULL: not said */
    struct shape_named *properties;  /* OBJECT, by name */
    size_t n_properties;
    struct shape_pattern *patterns;
    size_t n_patterns;
    struct shape_named *dependencies; /* OBJECT: those that are schemas */
    size_t n_dependencies;
};

/* A subschema with an identifier of its own ($id, $anchor), and the document's root. */
struct json_resource {
    struct str uri;    /* what relative references below it are relative to */
    struct str anchor; /* p NULL: none */
    const struct json_node *node;
};

/* A regular expression of the schema, by its text's place in the tree. */
struct json_pattern {
    const struct json_node *node; /* of the pattern, or of the member whose key it is */
    pcre2_code *code;
};

struct json_schema {
    struct schema base; /* first */
    struct arena arena;
    enum json_draft draft;
    const struct json_node *root;
    const struct shape *shape;
    VEC(struct json_resource) resources;
    VEC(struct json_pattern) patterns;
    struct schema_reference *refs;
    size_t n_refs;
};

/* A place in a document: where relative references are relative to. */
struct json_place {
    const struct json_schema *doc;
    const struct json_node *node;
    struct str base;
};

/* What `text` refers to from a place. IG_INVALID if it is not in the schema nor in what it refers to. Nothing is ever
 * fetched. `any`: a well-known schema (the drafts' own), which is taken for "anything". */
enum ig_code json_schema_resolve(const struct json_place *from, struct str text, struct arena *scratch,
                                 struct json_place *out, bool *any, struct error *err);
void json_schema_collect(struct json_schema *s);
/* The place of a member below another place: an $id in it counts. */
struct json_place json_schema_below(const struct json_place *from, const struct json_node *node, struct arena *scratch);

/* json_shape.c */
enum ig_code json_shape_build(struct json_schema *s, struct error *err);
const struct shape *json_shape_property(const struct shape *object, struct str name);

/* Does the pattern occur in the text? */
bool json_pattern_find(const pcre2_code *pattern, struct str text);
const pcre2_code *json_schema_pattern(const struct json_schema *s, const struct json_node *node);

/* json_schema_diff.c, json_schema_validate.c */
bool json_schema_can_read(const struct schema *reader, const struct schema *writer, struct schema_problems *problems);
enum ig_code json_schema_validate(const struct json_schema *s, const struct json_node *value, struct error *err);

#endif
