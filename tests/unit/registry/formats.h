/*
 * What the tests of the schema formats share: tables of cases, and what is checked of each.
 */
#ifndef UNIT_REGISTRY_FORMATS_H
#define UNIT_REGISTRY_FORMATS_H

#include "registry/schema.h"
#include "test.h"

/* A text, its canonical form, and the normalized one (NULL: the same). */
struct text_case {
    const char *text, *canonical, *normal;
};
/* The problems with a | behind each, "%s" for the names of the schemas; NULL: the reader can read it. */
struct pair_case {
    const char *reader, *writer, *problems;
};
struct wrong_case {
    const char *text, *words;
};
struct value_case {
    const char *schema, *hex, *json;
};

struct schema *parse_ok(enum schema_type type, const char *text, const struct schema_reference *refs, size_t n);
void from_hex(const char *hex, struct buf *out);

void check_texts(enum schema_type type, const struct text_case *cases, size_t n);
void check_pairs(enum schema_type type, const struct pair_case *cases, size_t n);
void check_wrong(enum schema_type type, const struct wrong_case *cases, size_t n);
/* json NULL: the bytes are refused. */
void check_decoded(enum schema_type type, const struct value_case *cases, size_t n);
/* hex NULL: the JSON is refused. */
void check_encoded(enum schema_type type, const struct value_case *cases, size_t n);

#endif
