/*
 * A schema of one of the three formats, parsed. Immutable, so that many threads may read it.
 */
#ifndef REGISTRY_SCHEMA_H
#define REGISTRY_SCHEMA_H

#include "base/base.h"

enum schema_type { SCHEMA_AVRO, SCHEMA_JSON, SCHEMA_PROTOBUF, SCHEMA_TYPES };

/* "AVRO", "JSON", "PROTOBUF": as the REST API calls them. */
const char *schema_type_name(enum schema_type type);
bool schema_type_of(struct str name, enum schema_type *out);

struct schema;

/* Another schema that the text refers to, and the name by which it does. */
struct schema_reference {
    const char *name;
    const struct schema *schema;
};

/* IG_INVALID, with a sentence that names the place, if the text is no schema of its type. The schemas that it refers to
 * (and those that they refer to) must outlive it; the array and the names are copied where they are needed. */
IG_MUST_CHECK enum ig_code schema_parse(enum schema_type type, struct str text, const struct schema_reference *refs,
                                        size_t n_refs, struct schema **out, struct error *err);
void schema_free(struct schema *s); /* NULL is fine */
enum schema_type schema_type(const struct schema *s);

/* What the registry stores and compares (Confluent's canonicalString). */
void schema_canonical(const struct schema *s, struct buf *out);
/* The text as ?format=FORMAT asks for: "" or "default" (canonical), "resolved" (Avro: with the types of references
 * written out), "ignore_extensions" and "serialized" (Protobuf: without custom options; a FileDescriptorProto in
 * base64). A format that the type does not know gives the canonical text, as in Confluent's registry. */
IG_MUST_CHECK enum ig_code schema_formatted(const struct schema *s, struct str format, struct buf *out,
                                            struct error *err);
/* The same text for all schemas that mean the same (?normalize=true). */
void schema_normalize(const struct schema *s, struct buf *out);

/* Why a reader can not read what a writer wrote. `reader` and `writer` are what a message calls them ("new" and "old",
 * or the other way round); NULL: "reader" and "writer". */
struct schema_problems {
    VEC(char *) list;
    const char *reader, *writer;
    bool lenient; /* asked for: in JSON Schema, a property that comes to or goes from an open object breaks nothing,
                     unless it is required (Confluent's compatibilityPolicy LENIENT) */
};
void schema_problems_free(struct schema_problems *p);

/* Can `reader` read all that `writer` wrote? If not, a message for each reason is appended to `problems` (which may be
 * NULL), in the words that Confluent's clients know: the kind (READER_FIELD_MISSING_DEFAULT_VALUE ...), the path. Both
 * must be of one type. */
bool schema_can_read(const struct schema *reader, const struct schema *writer, struct schema_problems *problems);

/* A value in the format's binary encoding, behind the magic byte and the id (for Protobuf: from the message indexes
 * on), as JSON, and back. JSON Schema: the text itself, validated when it is encoded. Both append. */
IG_MUST_CHECK enum ig_code schema_decode(const struct schema *s, struct str bytes, struct buf *json, struct error *err);
IG_MUST_CHECK enum ig_code schema_encode(const struct schema *s, struct str json, struct buf *bytes, struct error *err);

#endif
