/*
 * Avro: the binary encoding as JSON, in Avro's own JSON encoding (a union's value carries its branch's name, bytes are
 * a string of the code points 0 to 255, logical types are the numbers below them), as kafka-avro-console-consumer
 * prints it. Every length is checked against the bytes that are there.
 */
#include "registry/avro.h"
#include "registry/number.h"

#include <stdlib.h>

#define EMPTY_ITEMS_MAX 1000000            /* items of an array that take no bytes */
#define JSON_MAX_BYTES ((size_t)256 << 20) /* of one value as JSON */

struct decoder {
    const unsigned char *p, *end;
    const unsigned char *start;
    struct buf *out;
    size_t begin; /* where our text begins in `out` */
    size_t empty_items;
    unsigned depth;
    struct error *err;
};

static enum ig_code decode_value(struct decoder *d, const struct avro_type *type);

static enum ig_code corrupt(struct decoder *d, const char *what)
{
    return error_set(d->err, IG_INVALID, "byte %zu: %s", (size_t)(d->p - d->start), what);
}

static enum ig_code read_long(struct decoder *d, int64_t *out)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (d->p == d->end)
            return corrupt(d, "the value ends within a number");
        v |= (uint64_t)(*d->p & 0x7f) << shift;
        if (*d->p++ < 0x80) {
            *out = (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
            return IG_OK;
        }
    }
    return corrupt(d, "a number has more than 64 bits");
}

static enum ig_code read_bytes(struct decoder *d, size_t n, struct str *out)
{
    if (n > (size_t)(d->end - d->p))
        return corrupt(d, "the value ends within bytes or a string");
    *out = (struct str){(const char *)d->p, n};
    d->p += n;
    return IG_OK;
}

static enum ig_code read_sized(struct decoder *d, struct str *out)
{
    int64_t n = 0;

    IG_TRY(read_long(d, &n));
    if (n < 0)
        return corrupt(d, "a length is negative");
    return (uint64_t)n > SIZE_MAX ? corrupt(d, "a length is huge") : read_bytes(d, (size_t)n, out);
}

static enum ig_code read_string(struct decoder *d, struct str *out)
{
    IG_TRY(read_sized(d, out));
    return str_is_utf8(*out) ? IG_OK : corrupt(d, "a string is not UTF-8");
}

/* Bytes as code points: 0x80 to 0xff take two bytes of UTF-8. */
static void add_bytes(struct buf *out, struct str bytes)
{
    struct buf text;

    buf_init(&text, 0);
    for (size_t i = 0; i < bytes.n; i++) {
        const unsigned char c = (unsigned char)bytes.p[i];

        if (c >= 0x80)
            buf_putc(&text, (char)(0xc0 | c >> 6));
        buf_putc(&text, c >= 0x80 ? (char)(0x80 | (c & 0x3f)) : (char)c);
    }
    json_add_string(out, buf_str(&text));
    buf_release(&text);
}

/* A float or double, little-endian. */
static enum ig_code decode_floating(struct decoder *d, bool is_double)
{
    struct str raw = {NULL, 0};
    uint64_t bits = 0;
    uint32_t half;
    double number;
    float single;

    IG_TRY(read_bytes(d, is_double ? 8 : 4, &raw));
    for (size_t i = raw.n; i-- > 0;)
        bits = bits << 8 | (unsigned char)raw.p[i];
    if (is_double) {
        memcpy(&number, &bits, 8);
        number_add_json_double(d->out, number);
    } else {
        half = (uint32_t)bits;
        memcpy(&single, &half, 4);
        number_add_json_float(d->out, single);
    }
    return IG_OK;
}

static enum ig_code decode_integer(struct decoder *d, bool is_int)
{
    int64_t n = 0;

    IG_TRY(read_long(d, &n));
    if (is_int && (n < INT32_MIN || n > INT32_MAX))
        return corrupt(d, "an int has more than 32 bits");
    buf_printf(d->out, "%lld", (long long)n);
    return IG_OK;
}

/* The count of the next block, 0 at the end. A negative one is followed by the block's size in bytes. */
static enum ig_code read_block(struct decoder *d, int64_t *count)
{
    int64_t size = 0;

    IG_TRY(read_long(d, count));
    if (*count >= 0)
        return IG_OK;
    if (*count == INT64_MIN)
        return corrupt(d, "a block has an impossible count");
    *count = -*count;
    IG_TRY(read_long(d, &size));
    return size < 0 || (uint64_t)size > (uint64_t)(d->end - d->p) ? corrupt(d, "a block is longer than the value")
                                                                  : IG_OK;
}

static enum ig_code decode_item(struct decoder *d, const struct avro_type *type)
{
    const unsigned char *from = d->p;
    struct str key = {NULL, 0};

    if (type->kind == AVRO_MAP) {
        IG_TRY(read_string(d, &key));
        json_add_string(d->out, key);
        buf_putc(d->out, ':');
    }
    IG_TRY(decode_value(d, type->of));
    if (d->p == from && ++d->empty_items > EMPTY_ITEMS_MAX)
        return corrupt(d, "an array has too many items that take no bytes");
    return IG_OK;
}

static enum ig_code decode_items(struct decoder *d, const struct avro_type *type)
{
    int64_t count = 0;
    bool first = true;

    buf_putc(d->out, type->kind == AVRO_MAP ? '{' : '[');
    for (;;) {
        IG_TRY(read_block(d, &count));
        if (count == 0)
            break;
        while (count-- > 0) {
            if (!first)
                buf_putc(d->out, ',');
            first = false;
            IG_TRY(decode_item(d, type));
        }
    }
    buf_putc(d->out, type->kind == AVRO_MAP ? '}' : ']');
    return IG_OK;
}

static enum ig_code decode_record(struct decoder *d, const struct avro_type *type)
{
    buf_putc(d->out, '{');
    for (size_t i = 0; i < type->n; i++) {
        if (i)
            buf_putc(d->out, ',');
        json_add_string(d->out, type->fields[i].name);
        buf_putc(d->out, ':');
        IG_TRY(decode_value(d, type->fields[i].type));
    }
    buf_putc(d->out, '}');
    return IG_OK;
}

static enum ig_code decode_union(struct decoder *d, const struct avro_type *type)
{
    const struct avro_type *branch;
    int64_t n = 0;

    IG_TRY(read_long(d, &n));
    if (n < 0 || (uint64_t)n >= type->n)
        return corrupt(d, "a union has no branch of that number");
    branch = type->branches[n];
    if (branch->kind == AVRO_NULL)
        return decode_value(d, branch);
    buf_putc(d->out, '{');
    json_add_string(d->out, avro_branch_name(branch));
    buf_putc(d->out, ':');
    IG_TRY(decode_value(d, branch));
    buf_putc(d->out, '}');
    return IG_OK;
}

static enum ig_code decode_boolean(struct decoder *d)
{
    if (d->p == d->end)
        return corrupt(d, "the value ends where a boolean should be");
    if (*d->p > 1)
        return corrupt(d, "a boolean is neither 0 nor 1");
    buf_puts(d->out, *d->p++ ? "true" : "false");
    return IG_OK;
}

static enum ig_code decode_enum(struct decoder *d, const struct avro_type *type)
{
    int64_t n = 0;

    IG_TRY(read_long(d, &n));
    if (n < 0 || (uint64_t)n >= type->n)
        return corrupt(d, "an enum has no symbol of that number");
    json_add_string(d->out, type->symbols[n]);
    return IG_OK;
}

static enum ig_code decode_kind(struct decoder *d, const struct avro_type *type)
{
    struct str text = {NULL, 0};

    switch (type->kind) {
    case AVRO_NULL:
        buf_puts(d->out, "null");
        return IG_OK;
    case AVRO_BOOLEAN:
        return decode_boolean(d);
    case AVRO_INT:
    case AVRO_LONG:
        return decode_integer(d, type->kind == AVRO_INT);
    case AVRO_FLOAT:
    case AVRO_DOUBLE:
        return decode_floating(d, type->kind == AVRO_DOUBLE);
    case AVRO_BYTES:
    case AVRO_FIXED:
        IG_TRY(type->kind == AVRO_BYTES ? read_sized(d, &text) : read_bytes(d, type->size, &text));
        add_bytes(d->out, text);
        return IG_OK;
    case AVRO_STRING:
        IG_TRY(read_string(d, &text));
        json_add_string(d->out, text);
        return IG_OK;
    case AVRO_ARRAY:
    case AVRO_MAP:
        return decode_items(d, type);
    case AVRO_UNION:
        return decode_union(d, type);
    case AVRO_ENUM:
        return decode_enum(d, type);
    case AVRO_RECORD:
        return decode_record(d, type);
    }
    IG_UNREACHABLE("a kind of Avro type");
}

static enum ig_code decode_value(struct decoder *d, const struct avro_type *type)
{
    enum ig_code rc;

    if (d->depth == AVRO_DEPTH_MAX)
        return corrupt(d, "the value nests too deep");
    if (d->out->overflow || d->out->n - d->begin > JSON_MAX_BYTES)
        return error_set(d->err, IG_LIMIT, "the value is too large as JSON");
    d->depth++;
    rc = decode_kind(d, type);
    d->depth--;
    return rc;
}

enum ig_code avro_decode(const struct schema *s, struct str bytes, struct buf *json, struct error *err)
{
    struct decoder d = {.p = (const unsigned char *)bytes.p, .out = json, .begin = json->n, .err = err};

    d.start = d.p;
    d.end = d.p + bytes.n;
    IG_TRY(decode_value(&d, avro_of(s)->root));
    if (d.p != d.end)
        return corrupt(&d, "bytes follow the value");
    return buf_check(json, err, "the value as JSON");
}
