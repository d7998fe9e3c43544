/*
 * Protobuf: values as JSON and back, shared by what reads, what writes, and the well-known types.
 */
#ifndef REGISTRY_PROTOBUF_JSON_H
#define REGISTRY_PROTOBUF_JSON_H

#include "registry/protobuf_wire.h"

struct pb_decoder {
    const struct pb_schema *schema;
    struct buf *out;
    size_t begin;
    unsigned depth;
    struct error *err;
};

/* The message that is meant when nothing says which: the first one of the file. NULL: there is none. */
const struct pb_type *pb_first_message(const struct pb_schema *s);

void pb_decode_scalar(struct pb_decoder *d, enum pb_kind kind, uint64_t n);
enum ig_code pb_decode_message(struct pb_decoder *d, const struct pb_type *m, struct str bytes);
/* The members without the braces; `any`: some are there already. */
enum ig_code pb_decode_fields(struct pb_decoder *d, const struct pb_type *m, struct str bytes, bool any);
/* A well-known type in its own form; IG_NOT_FOUND: it is none. */
enum ig_code pb_decode_known(struct pb_decoder *d, const struct pb_type *m, struct str bytes);
/* A default as it was written in the schema. */
void pb_default_number(struct buf *out, enum pb_kind kind, struct str text);

struct pb_encoder {
    const struct pb_schema *schema;
    unsigned depth;
    struct error *err;
    struct buf path;
};

enum ig_code pb_encode_message(struct pb_encoder *e, const struct pb_type *m, const struct json_node *v,
                               struct buf *out);
/* The members but "@type". */
enum ig_code pb_encode_fields(struct pb_encoder *e, const struct pb_type *m, const struct json_node *v,
                              struct buf *out);
enum ig_code pb_encode_known(struct pb_encoder *e, const struct pb_type *m, const struct json_node *v, struct buf *out);
enum ig_code pb_refuse(struct pb_encoder *e, const char *what);
/* Is the type one whose JSON null is a value? */
bool pb_takes_null(enum pb_kind kind, const struct pb_type *of);
/* A well-known type that is not written as its members. */
bool pb_is_known(const struct pb_type *m);

#endif
