/*
 * The messages of the protocol that the broker speaks, each written down once: from a list come both the C struct
 * (struct wire_X) and the table that the codec reads (wire_type_X).
 *
 *   F(kind, name, from, to, missing)       a field, the versions that have it, an integer's value where it is lacking
 *   A(item, name, from, to)                an array of struct wire_item
 *   T(tag, kind, name, from, to, missing)  a tagged field
 *
 * A kind is one of wire.h's; array_of(item), struct_of(item) and nstruct_of(item) are for tagged arrays and for structs
 * that are not in an array.
 *
 * S is the struct's name, handed through. The lists are in messages_AREA.h, a header for each subject. A new API is its
 * lists there and a line in the table of apis.c.
 */
#ifndef BROKER_MESSAGES_H
#define BROKER_MESSAGES_H

#include "broker/acl.h"
#include "broker/messages_admin.h"
#include "broker/messages_groups.h"
#include "broker/messages_log.h"
#include "broker/messages_security.h"
#include "broker/messages_txn.h"
#include "broker/wire.h"

#define V_MAX 99

#define WIRE_TYPES(X)    \
    WIRE_TYPES_LOG(X)    \
    WIRE_TYPES_GROUPS(X) \
    WIRE_TYPES_ADMIN(X)  \
    WIRE_TYPES_TXN(X)    \
    WIRE_TYPES_SECURITY(X)

/* The C type of each kind. */
#define WIRE_C_bool bool
#define WIRE_C_int8 int8_t
#define WIRE_C_int16 int16_t
#define WIRE_C_int32 int32_t
#define WIRE_C_int64 int64_t
#define WIRE_C_uuid struct wire_uuid
#define WIRE_C_string struct str
#define WIRE_C_nstring struct str
#define WIRE_C_bytes struct str
#define WIRE_C_records struct wire_records
#define WIRE_C_int8s struct wire_int8s
#define WIRE_C_int32s struct wire_int32s
#define WIRE_C_int64s struct wire_int64s
#define WIRE_C_strings struct wire_strings

#define WIRE_C_array_of(item)  \
    struct {                   \
        struct wire_##item *p; \
        int32_t n;             \
    }
#define WIRE_C_struct_of(item) struct wire_##item *
#define WIRE_C_nstruct_of(item) struct wire_##item *

#define WIRE_MEMBER(S, kind, name, from, to, missing) WIRE_C_##kind name;
#define WIRE_ARRAY_MEMBER(S, item, name, from, to) \
    struct {                                       \
        struct wire_##item *p;                     \
        int32_t n;                                 \
    } name;
#define WIRE_TAGGED_MEMBER(S, tag, kind, name, from, to, missing) WIRE_C_##kind name;
#define WIRE_DECLARE(type)                                                         \
    struct wire_##type {                                                           \
        WIRE_LIST_##type(type, WIRE_MEMBER, WIRE_ARRAY_MEMBER, WIRE_TAGGED_MEMBER) \
    };                                                                             \
    extern const struct wire_type wire_type_##type;
/* clang-format off */
WIRE_TYPES(WIRE_DECLARE)
/* clang-format on */

#endif
