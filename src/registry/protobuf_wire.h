/*
 * Protobuf's wire format: fields out of bytes, with every length checked, and into them.
 */
#ifndef REGISTRY_PROTOBUF_WIRE_H
#define REGISTRY_PROTOBUF_WIRE_H

#include "registry/protobuf.h"

enum pb_wire { PB_WIRE_VARINT, PB_WIRE_FIXED64, PB_WIRE_BYTES, PB_WIRE_GROUP, PB_WIRE_END, PB_WIRE_FIXED32 };

struct pb_reader {
    const unsigned char *p, *end;
};
static inline struct pb_reader pb_reader_of(struct str s)
{
    const unsigned char *p = (const unsigned char *)s.p;

    return (struct pb_reader){p, p ? p + s.n : p};
}

/* One field: a number, or the bytes of a string, a message or a group. */
struct pb_item {
    int64_t tag;
    enum pb_wire wire;
    uint64_t number;
    struct str bytes;
};

bool pb_read_varint(struct pb_reader *r, uint64_t *out);
/* The next field, whole. False at the end, and if the bytes are none: then *bad. */
bool pb_read_item(struct pb_reader *r, struct pb_item *out, bool *bad);
/* The next number of a packed field of this wire type. */
bool pb_read_packed(struct pb_reader *r, enum pb_wire wire, uint64_t *out);

static inline int64_t pb_unzigzag(uint64_t n)
{
    return (int64_t)(n >> 1) ^ -(int64_t)(n & 1);
}
static inline uint64_t pb_zigzag(int64_t n)
{
    return (uint64_t)n << 1 ^ (uint64_t)(n >> 63);
}

void pb_add_varint(struct buf *out, uint64_t n);
void pb_add_fixed(struct buf *out, uint64_t n, unsigned bytes);
void pb_add_tag(struct buf *out, int64_t tag, enum pb_wire wire);
void pb_add_bytes(struct buf *out, int64_t tag, struct str bytes);
void pb_add_number(struct buf *out, int64_t tag, uint64_t n);

enum pb_wire pb_wire_of(enum pb_kind kind);

/* The options of descriptor.proto that are kept when a schema is a descriptor, in the order in which they are printed.
 */
enum pb_option_owner {
    PB_OF_FILE,
    PB_OF_MESSAGE,
    PB_OF_FIELD,
    PB_OF_ENUM,
    PB_OF_CONSTANT,
    PB_OF_SERVICE,
    PB_OF_METHOD,
    PB_OF_RANGE
};
struct pb_standard_option {
    enum pb_option_owner owner;
    int32_t tag;
    const char *name;
    enum pb_value_kind kind;  /* string, boolean, enum */
    const char *const *names; /* of an enum, NULL at the end */
};
extern const struct pb_standard_option PB_STANDARD_OPTIONS[];
extern const size_t PB_N_STANDARD_OPTIONS;
#define PB_META_TAG 1088 /* of Confluent's options with documentation, parameters and tags */
/* "confluent.file_meta" ...; NULL: the owner has none. */
const char *pb_meta_name(enum pb_option_owner owner);

#endif
