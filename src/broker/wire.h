/*
 * Kafka's wire format. A message is a table of fields (messages.h), read by one decoder and written by one encoder
 * from and into plain C structs: the table says for each field its type, the versions that have it, and where it is in
 * the struct. Flexible versions (compact lengths, tagged fields) follow from the version alone.
 */
#ifndef BROKER_WIRE_H
#define BROKER_WIRE_H

#include "base/base.h"

enum wire_kind {
    WIRE_bool,
    WIRE_int8,
    WIRE_int16,
    WIRE_int32,
    WIRE_int64,
    WIRE_uuid,
    WIRE_string,  /* a name: without a NUL, so that it can be kept as a C string */
    WIRE_nstring, /* p NULL is null */
    WIRE_bytes,
    WIRE_records, /* nullable; may be a part of a file when written */
    WIRE_int8s,
    WIRE_int32s,
    WIRE_int64s,
    WIRE_strings,
    WIRE_array,   /* of structs */
    WIRE_struct,  /* a pointer to one; NULL only in a tagged field, which is then left out */
    WIRE_nstruct, /* the same behind a byte that says whether there is one; NULL is null */
};

struct wire_uuid {
    uint8_t b[16];
};

/* Record batches: decoded, memory; to be encoded, memory or a part of a file. n -1 is null. */
struct wire_records {
    const char *p;
    int64_t n;
    void *file; /* whatever the one who sends it needs */
    int64_t at;
};

/* What every array field looks like to the codec. n -1 is null. */
struct wire_array {
    void *p;
    int32_t n;
};
struct wire_int8s {
    int8_t *p;
    int32_t n;
};
struct wire_int32s {
    int32_t *p;
    int32_t n;
};
struct wire_int64s {
    int64_t *p;
    int32_t n;
};
struct wire_strings {
    struct str *p;
    int32_t n;
};

struct wire_type;

struct wire_field {
    const char *name;
    enum wire_kind kind;
    int16_t from, to; /* versions that have it */
    int16_t tag;      /* of a tagged field, else -1 */
    int64_t missing;  /* an integer's value where the version lacks it */
    size_t offset;
    const struct wire_type *item; /* of an array, of a struct */
};

struct wire_type {
    const char *name;
    size_t size;
    const struct wire_field *fields;
    size_t n_fields;
};

/* A part of a file that belongs at byte `at` of the encoded text. */
struct wire_slice {
    size_t at;
    void *file;
    int64_t file_at;
    size_t n;
};

struct wire_out {
    struct buf buf;
    VEC(struct wire_slice) slices;
    size_t slice_bytes;
};

/* Bounds of one decoding: what a hostile length may cost. */
#define WIRE_ITEMS_MAX 1000000
#define WIRE_MEMORY_MAX ((size_t)64 << 20)

/* Reads `text` into a struct in the arena; strings point into `text`. IG_INVALID if it does not begin with one. */
IG_MUST_CHECK enum ig_code wire_decode(const struct wire_type *type, int16_t version, bool flexible, struct str text,
                                       struct arena *a, void **out, struct error *err);
void wire_encode(const struct wire_type *type, int16_t version, bool flexible, const void *message,
                 struct wire_out *out);

/* What one item of an array field takes in memory. */
size_t wire_item_bytes(const struct wire_field *f);
/* Sets integers to what the table says for versions without them, all else to nothing. */
void wire_reset(const struct wire_type *type, void *message);

/* --- the pieces, for headers and for formats inside of messages ------------------------------------------ */

struct wire_in {
    const uint8_t *p, *end;
    bool bad; /* sticks */
};

int64_t wire_get_int(struct wire_in *in, size_t bytes); /* big-endian, signed */
uint32_t wire_get_uvarint(struct wire_in *in);
int64_t wire_get_varint(struct wire_in *in); /* zigzag, up to 64 bits */
struct str wire_get_bytes(struct wire_in *in, size_t n);
struct str wire_get_string(struct wire_in *in, bool flexible); /* nullable */
void wire_skip_tags(struct wire_in *in);

void wire_put_int(struct buf *b, int64_t v, size_t bytes);
void wire_put_uvarint(struct buf *b, uint32_t v);
void wire_put_varint(struct buf *b, int64_t v);

static inline int64_t wire_load(const void *from, size_t bytes)
{
    const uint8_t *p = from;
    uint64_t v = 0;

    for (size_t i = 0; i < bytes; i++)
        v = v << 8 | p[i];
    return bytes == 8 ? (int64_t)v : (int64_t)(v << (64 - 8 * bytes)) >> (64 - 8 * bytes);
}
static inline void wire_store(void *to, int64_t v, size_t bytes)
{
    uint8_t *p = to;

    for (size_t i = bytes; i-- > 0; v >>= 8)
        p[i] = (uint8_t)v;
}

#endif
