/*
 * Thrift's compact protocol, read: Parquet's footers and page headers are written in it. The bytes are foreign: what
 * goes over their end, or nests without one, sets `bad`, which sticks; all that is read then is 0.
 */
#ifndef LAKE_THRIFT_H
#define LAKE_THRIFT_H

#include "base/base.h"

enum thrift_type {
    THRIFT_STOP = 0,
    THRIFT_TRUE = 1,
    THRIFT_FALSE = 2,
    THRIFT_BYTE = 3,
    THRIFT_I16 = 4,
    THRIFT_I32 = 5,
    THRIFT_I64 = 6,
    THRIFT_DOUBLE = 7,
    THRIFT_BINARY = 8,
    THRIFT_LIST = 9,
    THRIFT_SET = 10,
    THRIFT_MAP = 11,
    THRIFT_STRUCT = 12
};

struct thrift {
    const uint8_t *p, *end;
    bool bad;
    bool ended; /* bad because the bytes end: with more of them it may be good */
    unsigned depth;
};

/* A field of a struct: `struct thrift_field f = {0}; while (thrift_next(t, &f)) ...` Each field's value has to be read,
 * or skipped with thrift_skip. */
struct thrift_field {
    int number, type;
};

void thrift_init(struct thrift *t, struct str bytes);
bool thrift_next(struct thrift *t, struct thrift_field *f);
void thrift_skip(struct thrift *t, int type);
/* The value of a field (or of a list's item) of this type; another type than asked for is bad. */
int64_t thrift_integer(struct thrift *t, int type);
bool thrift_bool(struct thrift *t, int type);
struct str thrift_binary(struct thrift *t, int type);
/* How many items follow; their type. */
size_t thrift_list(struct thrift *t, int type, int *item_type);
/* Around the fields of a struct: false if there is none, or it is too deep. */
bool thrift_enter(struct thrift *t, int type);
void thrift_leave(struct thrift *t);

#endif
