/*
 * What a format provides. Its own struct begins with a struct schema; adding a format is a file and a line in schema.c.
 */
#ifndef REGISTRY_SCHEMA_INTERNAL_H
#define REGISTRY_SCHEMA_INTERNAL_H

#include "registry/schema.h"

#define SCHEMA_TEXT_MAX_BYTES \
    ((size_t)1 << 20) /* a longer text is refused before it is parsed; a record of it fits into a topic */

struct schema_ops {
    const char *name;
    enum ig_code (*parse)(struct str text, const struct schema_reference *refs, size_t n_refs, struct schema **out,
                          struct error *err);
    void (*free)(struct schema *s);
    void (*canonical)(const struct schema *s, struct buf *out);
    void (*normalize)(const struct schema *s, struct buf *out);
    /* NULL: the canonical text for every format. IG_NOT_FOUND: a format that this type does not know. */
    enum ig_code (*formatted)(const struct schema *s, struct str format, struct buf *out, struct error *err);
    bool (*can_read)(const struct schema *reader, const struct schema *writer, struct schema_problems *problems);
    enum ig_code (*decode)(const struct schema *s, struct str bytes, struct buf *json, struct error *err);
    enum ig_code (*encode)(const struct schema *s, struct str json, struct buf *bytes, struct error *err);
};

/* The first member of each format's struct. schema_parse sets it. */
struct schema {
    enum schema_type type;
};

extern const struct schema_ops schema_avro_ops, schema_json_ops, schema_protobuf_ops;

/* One more problem. `p` NULL: nobody wants to know. */
void schema_problem(struct schema_problems *p, const char *fmt, ...) IG_PRINTF(2, 3);
/* What a message calls the two. */
const char *schema_reader_name(const struct schema_problems *p);
const char *schema_writer_name(const struct schema_problems *p);

#endif
