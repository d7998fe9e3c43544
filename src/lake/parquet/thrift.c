#include "lake/parquet/thrift.h"

#define DEPTH_MAX 32

void thrift_init(struct thrift *t, struct str bytes)
{
    *t = (struct thrift){.p = (const uint8_t *)bytes.p, .end = (const uint8_t *)bytes.p + bytes.n};
}

static void fail(struct thrift *t, bool ended)
{
    if (!t->bad)
        t->ended = ended;
    t->bad = true;
    t->p = t->end;
}

static uint64_t varint(struct thrift *t)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte;

        if (t->p == t->end) {
            fail(t, true);
            return 0;
        }
        byte = *t->p++;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return v;
    }
    fail(t, false);
    return 0;
}

static int64_t zigzag(struct thrift *t)
{
    const uint64_t v = varint(t);

    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

bool thrift_next(struct thrift *t, struct thrift_field *f)
{
    uint8_t head;

    if (t->p == t->end) {
        fail(t, true);
        return false;
    }
    head = *t->p++;
    f->type = head & 0x0f;
    if (f->type == THRIFT_STOP)
        return false;
    if (head >> 4) {
        f->number += head >> 4;
    } else {
        const int64_t number = zigzag(t);

        if (number < 0 || number > INT16_MAX)
            fail(t, false);
        f->number = t->bad ? 0 : (int)number;
    }
    if (f->number > INT16_MAX)
        fail(t, false);
    return !t->bad;
}

int64_t thrift_integer(struct thrift *t, int type)
{
    if (type == THRIFT_I16 || type == THRIFT_I32 || type == THRIFT_I64)
        return zigzag(t);
    if (type == THRIFT_BYTE && t->p < t->end)
        return (int8_t)*t->p++;
    fail(t, type == THRIFT_BYTE);
    return 0;
}

bool thrift_bool(struct thrift *t, int type)
{
    if (type != THRIFT_TRUE && type != THRIFT_FALSE)
        fail(t, false);
    return type == THRIFT_TRUE;
}

struct str thrift_binary(struct thrift *t, int type)
{
    struct str s = {NULL, 0};
    uint64_t n;

    if (type != THRIFT_BINARY) {
        fail(t, false);
        return s;
    }
    n = varint(t);
    if (t->bad || n > (uint64_t)(t->end - t->p)) {
        fail(t, true);
        return s;
    }
    s = (struct str){(const char *)t->p, (size_t)n};
    t->p += n;
    return s;
}

size_t thrift_list(struct thrift *t, int type, int *item_type)
{
    uint64_t n;

    *item_type = THRIFT_STOP;
    if ((type != THRIFT_LIST && type != THRIFT_SET) || t->p == t->end) {
        fail(t, t->p == t->end);
        return 0;
    }
    *item_type = *t->p & 0x0f;
    n = *t->p++ >> 4;
    if (n == 15)
        n = varint(t);
    if (n > (uint64_t)(t->end - t->p)) /* an item has at least a byte */
        fail(t, true);
    return t->bad ? 0 : (size_t)n;
}

bool thrift_enter(struct thrift *t, int type)
{
    if (type != THRIFT_STRUCT || t->depth >= DEPTH_MAX)
        fail(t, false);
    t->depth++;
    return !t->bad;
}

void thrift_leave(struct thrift *t)
{
    t->depth--;
}

static void skip_bytes(struct thrift *t, size_t n)
{
    if ((size_t)(t->end - t->p) < n)
        fail(t, true);
    else
        t->p += n;
}

static void skip_item(struct thrift *t, int type)
{
    if (type == THRIFT_TRUE || type == THRIFT_FALSE)
        skip_bytes(t, 1);
    else
        thrift_skip(t, type);
}

static void skip_list(struct thrift *t, int type)
{
    int item;

    if (++t->depth > DEPTH_MAX)
        fail(t, false);
    for (size_t n = thrift_list(t, type, &item); n > 0 && !t->bad; n--)
        skip_item(t, item);
    t->depth--;
}

static void skip_map(struct thrift *t)
{
    uint64_t n = varint(t);
    uint8_t types;

    if (n == 0 || t->bad)
        return;
    if (t->p == t->end || n > (uint64_t)(t->end - t->p)) {
        fail(t, true);
        return;
    }
    types = *t->p++;
    if (++t->depth > DEPTH_MAX)
        fail(t, false);
    for (; n > 0 && !t->bad; n--) {
        skip_item(t, types >> 4);
        skip_item(t, types & 0x0f);
    }
    t->depth--;
}

void thrift_skip(struct thrift *t, int type)
{
    struct thrift_field f = {0};

    switch (type) {
    case THRIFT_TRUE:
    case THRIFT_FALSE:
        break;
    case THRIFT_BYTE:
    case THRIFT_I16:
    case THRIFT_I32:
    case THRIFT_I64:
        (void)thrift_integer(t, type);
        break;
    case THRIFT_DOUBLE:
        skip_bytes(t, 8);
        break;
    case THRIFT_BINARY:
        (void)thrift_binary(t, type);
        break;
    case THRIFT_LIST:
    case THRIFT_SET:
        skip_list(t, type);
        break;
    case THRIFT_MAP:
        skip_map(t);
        break;
    case THRIFT_STRUCT:
        if (thrift_enter(t, type))
            while (thrift_next(t, &f))
                thrift_skip(t, f.type);
        thrift_leave(t);
        break;
    default:
        fail(t, false);
    }
}
