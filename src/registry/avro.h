/*
 * An Avro schema in memory: a graph of types, in the arena of the schema that defines them. Types of references are
 * pointed to, not copied.
 */
#ifndef REGISTRY_AVRO_H
#define REGISTRY_AVRO_H

#include "registry/json_tree.h"
#include "registry/schema_internal.h"

#define AVRO_DEPTH_MAX 1000 /* of a value, or of two schemas that are compared: named types may refer to each other */

enum avro_kind {
    AVRO_NULL,
    AVRO_BOOLEAN,
    AVRO_INT,
    AVRO_LONG,
    AVRO_FLOAT,
    AVRO_DOUBLE,
    AVRO_BYTES,
    AVRO_STRING, /* up to here: primitive */
    AVRO_ARRAY,
    AVRO_MAP,
    AVRO_UNION,
    AVRO_FIXED, /* from here on: with a name */
    AVRO_ENUM,
    AVRO_RECORD,
};

struct avro_name {
    struct str name, space, full; /* space {NULL, 0}: none; full "space.name" */
};

/* Names in order, to find the place that each has in its schema. */
struct avro_key {
    struct str name;
    size_t at;
};
struct avro_index {
    struct avro_key *keys;
    size_t n;
};

struct avro_type;

struct avro_field {
    struct str name;
    const struct avro_type *type;
    const struct json_node *node;         /* the field's object: its members that are not reserved are properties */
    const struct json_node *default_node; /* NULL: no default */
    struct str *aliases;
    size_t n_aliases;
};

struct avro_type {
    enum avro_kind kind;
    bool is_error;                /* a record that was called "error" */
    bool logical;                 /* has a logical type that fits */
    const struct json_node *node; /* its object; NULL: a primitive by its name, or a union */
    const struct avro_schema *owner;
    size_t id; /* of a named type: its place in owner->named */
    struct avro_name name;
    struct avro_name *aliases;
    size_t n_aliases;
    size_t n;                   /* fields, symbols, branches */
    struct avro_index index;    /* of the same, by name */
    struct avro_field *fields;  /* record */
    struct str *symbols;        /* enum */
    struct str default_symbol;  /* enum; {NULL, 0}: none */
    size_t size;                /* fixed */
    const struct avro_type *of; /* array, map */
    const struct avro_type **branches;
};

struct avro_schema {
    struct schema schema;
    struct arena arena;
    const struct avro_type *root;
    VEC(const struct avro_type *) named;
    VEC(const struct avro_schema *) references;
};

static inline const struct avro_schema *avro_of(const struct schema *s)
{
    return (const struct avro_schema *)s;
}

/* "int", "record" ... */
const char *avro_kind_name(enum avro_kind kind);
bool avro_kind_of(struct str name, enum avro_kind *out);
/* What a union calls the branch: the full name, or the kind's. */
struct str avro_branch_name(const struct avro_type *type);

void avro_index_sort(struct avro_index *index);
/* A name that is there twice; false if there is none. For a sorted index. */
bool avro_index_twice(const struct avro_index *index, struct str *name);
bool avro_index_find(const struct avro_index *index, struct str name, size_t *at);

enum ig_code avro_parse(struct str text, const struct schema_reference *refs, size_t n_refs, struct schema **out,
                        struct error *err);
void avro_free(struct schema *s);

/* Is the JSON value what a field of this type may have as its default? `steps` bounds the work: at 0 the answer is no.
 */
bool avro_default_fits(const struct avro_type *type, const struct json_node *value, size_t *steps);
#define AVRO_DEFAULT_STEPS 100000
/* The branch of a union that a default belongs to; NULL if none. */
const struct avro_type *avro_default_branch(const struct avro_type *type, const struct json_node *value, size_t *at);
/* The number that the default of a float or double is ("NaN" as a string is taken, too). */
bool avro_default_double(const struct json_node *value, double *out);

void avro_canonical(const struct schema *s, struct buf *out);
enum ig_code avro_formatted(const struct schema *s, struct str format, struct buf *out, struct error *err);
void avro_normalize(const struct schema *s, struct buf *out);
bool avro_can_read(const struct schema *reader, const struct schema *writer, struct schema_problems *problems);
enum ig_code avro_decode(const struct schema *s, struct str bytes, struct buf *json, struct error *err);
enum ig_code avro_encode(const struct schema *s, struct str json, struct buf *bytes, struct error *err);

#endif
