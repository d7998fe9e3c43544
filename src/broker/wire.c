#include "broker/wire.h"

#include <stdlib.h>

/* --- pieces ----------------------------------------------------------------------------------------------- */

int64_t wire_get_int(struct wire_in *in, size_t bytes)
{
    int64_t v;

    if (in->bad || (size_t)(in->end - in->p) < bytes) {
        in->bad = true;
        return 0;
    }
    v = wire_load(in->p, bytes);
    in->p += bytes;
    return v;
}

static uint64_t get_varint_bits(struct wire_in *in, unsigned max_bytes)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < max_bytes && !in->bad && in->p < in->end; i++) {
        const uint8_t byte = *in->p++;

        v |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (!(byte & 0x80))
            return v;
    }
    in->bad = true;
    return 0;
}

uint32_t wire_get_uvarint(struct wire_in *in)
{
    const uint64_t v = get_varint_bits(in, 5);

    if (v > UINT32_MAX)
        in->bad = true;
    return (uint32_t)v;
}

int64_t wire_get_varint(struct wire_in *in)
{
    const uint64_t v = get_varint_bits(in, 10);

    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

struct str wire_get_bytes(struct wire_in *in, size_t n)
{
    struct str s;

    if (in->bad || (size_t)(in->end - in->p) < n) {
        in->bad = true;
        return (struct str){"", 0};
    }
    s = (struct str){(const char *)in->p, n};
    in->p += n;
    return s;
}

/* A length of bytes or items; -1 for null. */
static int64_t get_length(struct wire_in *in, bool flexible, size_t plain_bytes)
{
    const int64_t n = flexible ? (int64_t)wire_get_uvarint(in) - 1 : wire_get_int(in, plain_bytes);

    if (n < -1 || n > in->end - in->p)
        in->bad = true;
    return in->bad ? 0 : n;
}

static struct str get_sized(struct wire_in *in, bool flexible, size_t plain_bytes)
{
    const int64_t n = get_length(in, flexible, plain_bytes);

    return n < 0 ? (struct str){NULL, 0} : wire_get_bytes(in, (size_t)n);
}

struct str wire_get_string(struct wire_in *in, bool flexible)
{
    return get_sized(in, flexible, 2);
}

void wire_skip_tags(struct wire_in *in)
{
    uint32_t n = wire_get_uvarint(in);

    while (n-- > 0 && !in->bad) {
        (void)wire_get_uvarint(in);
        (void)wire_get_bytes(in, wire_get_uvarint(in));
    }
}

void wire_put_int(struct buf *b, int64_t v, size_t bytes)
{
    uint8_t raw[8];

    wire_store(raw, v, bytes);
    buf_add(b, raw, bytes);
}

static void put_varint_bits(struct buf *b, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        buf_putc(b, (char)(v | 0x80));
    buf_putc(b, (char)v);
}

void wire_put_uvarint(struct buf *b, uint32_t v)
{
    put_varint_bits(b, v);
}

void wire_put_varint(struct buf *b, int64_t v)
{
    put_varint_bits(b, ((uint64_t)v << 1) ^ (uint64_t)(v >> 63));
}

/* --- decoding --------------------------------------------------------------------------------------------- */

struct decoder {
    struct wire_in in;
    int16_t version;
    bool flexible;
    struct arena *arena;
    size_t memory_left;
    const char *where; /* the field that went wrong first */
};

static const size_t int_bytes[] = {
    [WIRE_bool] = 1, [WIRE_int8] = 1, [WIRE_int16] = 2, [WIRE_int32] = 4, [WIRE_int64] = 8,
};

static bool has_version(const struct wire_field *f, int16_t version)
{
    return version >= f->from && version <= f->to;
}

static void set_int(const struct wire_field *f, void *message, int64_t v)
{
    char *at = (char *)message + f->offset;

    switch (f->kind) {
    case WIRE_bool:
        *(bool *)at = v != 0;
        break;
    case WIRE_int8:
        *(int8_t *)at = (int8_t)v;
        break;
    case WIRE_int16:
        memcpy(at, &(int16_t){(int16_t)v}, 2);
        break;
    case WIRE_int32:
        memcpy(at, &(int32_t){(int32_t)v}, 4);
        break;
    default:
        memcpy(at, &v, 8);
    }
}

void wire_reset(const struct wire_type *type, void *message)
{
    memset(message, 0, type->size);
    for (size_t i = 0; i < type->n_fields; i++) {
        const struct wire_field *f = &type->fields[i];

        if (f->missing != 0)
            set_int(f, message, f->missing);
        else if (f->kind == WIRE_records)
            ((struct wire_records *)(void *)((char *)message + f->offset))->n = -1;
    }
}

size_t wire_item_bytes(const struct wire_field *f)
{
    return f->kind == WIRE_int8s     ? 1
           : f->kind == WIRE_int32s  ? 4
           : f->kind == WIRE_int64s  ? 8
           : f->kind == WIRE_strings ? sizeof(struct str)
                                     : f->item->size;
}

static void *take_memory(struct decoder *d, size_t items, size_t size)
{
    if (items > WIRE_ITEMS_MAX || items * size > d->memory_left) {
        d->in.bad = true;
        return NULL;
    }
    d->memory_left -= items * size;
    return arena_alloc(d->arena, items * size + 1, alignof(max_align_t));
}

static void decode_struct(struct decoder *d, const struct wire_type *type, void *message);

static void decode_array(struct decoder *d, const struct wire_field *f, char *at)
{
    const size_t size = wire_item_bytes(f);
    struct wire_array a = {NULL, (int32_t)get_length(&d->in, d->flexible, 4)};
    char *p;

    if (a.n > 0 && !d->in.bad)
        a.p = take_memory(d, (size_t)a.n, size);
    p = a.p;
    for (int32_t i = 0; i < a.n && !d->in.bad; i++, p += size) {
        if (f->kind == WIRE_int8s)
            *(int8_t *)(void *)p = (int8_t)wire_get_int(&d->in, 1);
        else if (f->kind == WIRE_int32s)
            *(int32_t *)(void *)p = (int32_t)wire_get_int(&d->in, 4);
        else if (f->kind == WIRE_int64s)
            *(int64_t *)(void *)p = wire_get_int(&d->in, 8);
        else if (f->kind == WIRE_strings)
            *(struct str *)(void *)p = wire_get_string(&d->in, d->flexible);
        else
            decode_struct(d, f->item, p);
    }
    if (d->in.bad)
        a = (struct wire_array){NULL, 0};
    memcpy(at, &a, sizeof(a));
}

static void decode_nested(struct decoder *d, const struct wire_field *f, char *at)
{
    void *item = NULL;

    if (f->kind == WIRE_struct || wire_get_int(&d->in, 1) >= 0)
        item = take_memory(d, 1, f->item->size);
    if (item && !d->in.bad)
        decode_struct(d, f->item, item);
    memcpy(at, &item, sizeof(item));
}

static void decode_field(struct decoder *d, const struct wire_field *f, void *message)
{
    char *at = (char *)message + f->offset;
    struct str s;

    switch (f->kind) {
    case WIRE_bool:
    case WIRE_int8:
    case WIRE_int16:
    case WIRE_int32:
    case WIRE_int64:
        set_int(f, message, wire_get_int(&d->in, int_bytes[f->kind]));
        break;
    case WIRE_uuid:
        s = wire_get_bytes(&d->in, 16);
        if (s.n == 16)
            memcpy(at, s.p, 16);
        break;
    case WIRE_string:
    case WIRE_nstring:
    case WIRE_bytes:
        s = get_sized(&d->in, d->flexible, f->kind == WIRE_bytes ? 4 : 2);
        if (f->kind == WIRE_string && (!s.p || memchr(s.p, 0, s.n)))
            d->in.bad = true;
        memcpy(at, &s, sizeof(s));
        break;
    case WIRE_records:
        s = get_sized(&d->in, d->flexible, 4);
        *(struct wire_records *)(void *)at = (struct wire_records){.p = s.p, .n = s.p ? (int64_t)s.n : -1};
        break;
    case WIRE_int8s:
    case WIRE_int32s:
    case WIRE_int64s:
    case WIRE_strings:
    case WIRE_array:
        decode_array(d, f, at);
        break;
    case WIRE_struct:
    case WIRE_nstruct:
        decode_nested(d, f, at);
        break;
    }
    if (d->in.bad && !d->where)
        d->where = f->name;
}

static void decode_tags(struct decoder *d, const struct wire_type *type, void *message)
{
    uint32_t n = wire_get_uvarint(&d->in);

    while (n-- > 0 && !d->in.bad) {
        const uint32_t tag = wire_get_uvarint(&d->in);
        const struct str text = wire_get_bytes(&d->in, wire_get_uvarint(&d->in));

        for (size_t i = 0; i < type->n_fields && !d->in.bad; i++) {
            const struct wire_field *f = &type->fields[i];
            const struct wire_in outer = d->in;

            if (f->tag < 0 || (uint32_t)f->tag != tag || !has_version(f, d->version))
                continue;
            d->in = (struct wire_in){(const uint8_t *)text.p, (const uint8_t *)text.p + text.n, false};
            decode_field(d, f, message);
            d->in = (struct wire_in){outer.p, outer.end, d->in.bad};
        }
    }
}

static void decode_struct(struct decoder *d, const struct wire_type *type, void *message)
{
    wire_reset(type, message);
    for (size_t i = 0; i < type->n_fields && !d->in.bad; i++) {
        if (type->fields[i].tag < 0 && has_version(&type->fields[i], d->version))
            decode_field(d, &type->fields[i], message);
    }
    if (d->flexible && !d->in.bad)
        decode_tags(d, type, message);
}

enum ig_code wire_decode(const struct wire_type *type, int16_t version, bool flexible, struct str text, struct arena *a,
                         void **out, struct error *err)
{
    struct decoder d = {
        .in = {(const uint8_t *)text.p, (const uint8_t *)text.p + text.n, false},
        .version = version,
        .flexible = flexible,
        .arena = a,
        .memory_left = WIRE_MEMORY_MAX,
    };

    *out = arena_alloc(a, type->size, alignof(max_align_t));
    decode_struct(&d, type, *out);
    if (d.in.bad)
        return error_set(err, IG_INVALID, "%s version %d: field %s does not fit the message", type->name, version,
                         d.where ? d.where : "(tags)");
    /* Bytes behind the last field are ignored, as Kafka's own broker does: librdkafka 2.16 sends three of them when it
     * asks for the metadata of all topics. */
    return IG_OK;
}

/* --- encoding --------------------------------------------------------------------------------------------- */

static int64_t load_int(const struct wire_field *f, const char *at)
{
    int16_t i16;
    int32_t i32;
    int64_t i64;

    switch (f->kind) {
    case WIRE_bool:
        return *(const bool *)at;
    case WIRE_int8:
        return *(const int8_t *)at;
    case WIRE_int16:
        memcpy(&i16, at, 2);
        return i16;
    case WIRE_int32:
        memcpy(&i32, at, 4);
        return i32;
    default:
        memcpy(&i64, at, 8);
        return i64;
    }
}

static void put_length(struct wire_out *out, bool flexible, int64_t n, size_t plain_bytes)
{
    if (flexible)
        wire_put_uvarint(&out->buf, (uint32_t)(n + 1));
    else
        wire_put_int(&out->buf, n, plain_bytes);
}

static void put_sized(struct wire_out *out, bool flexible, struct str s, bool nullable, size_t plain_bytes)
{
    put_length(out, flexible, s.p || !nullable ? (int64_t)s.n : -1, plain_bytes);
    buf_add_str(&out->buf, s);
}

static void encode_struct(const struct wire_type *type, int16_t version, bool flexible, const void *message,
                          struct wire_out *out);

static void encode_array(const struct wire_field *f, int16_t version, bool flexible, const char *at,
                         struct wire_out *out)
{
    struct wire_array a;
    const char *p;

    memcpy(&a, at, sizeof(a));
    put_length(out, flexible, a.n, 4);
    p = a.p;
    for (int32_t i = 0; i < a.n; i++) {
        if (f->kind == WIRE_int8s)
            wire_put_int(&out->buf, ((const int8_t *)a.p)[i], 1);
        else if (f->kind == WIRE_int32s)
            wire_put_int(&out->buf, ((const int32_t *)a.p)[i], 4);
        else if (f->kind == WIRE_int64s)
            wire_put_int(&out->buf, ((const int64_t *)a.p)[i], 8);
        else if (f->kind == WIRE_strings)
            put_sized(out, flexible, ((const struct str *)a.p)[i], false, 2);
        else
            encode_struct(f->item, version, flexible, p + (size_t)i * f->item->size, out);
    }
}

static void encode_records(bool flexible, const struct wire_records *r, struct wire_out *out)
{
    struct wire_slice slice = {0, r->file, r->at, (size_t)(r->n > 0 ? r->n : 0)};

    put_length(out, flexible, r->n, 4);
    if (r->n <= 0)
        return;
    if (!r->file) {
        buf_add(&out->buf, r->p, (size_t)r->n);
        return;
    }
    slice.at = out->buf.n;
    out->slice_bytes += slice.n;
    vec_push(&out->slices, slice);
}

static void encode_nested(const struct wire_field *f, int16_t version, bool flexible, const char *at,
                          struct wire_out *out)
{
    const void *item;

    memcpy(&item, at, sizeof(item));
    IG_ASSERT(item || f->kind == WIRE_nstruct);
    if (f->kind == WIRE_nstruct)
        wire_put_int(&out->buf, item ? 1 : -1, 1);
    if (item)
        encode_struct(f->item, version, flexible, item, out);
}

static void encode_field(const struct wire_field *f, int16_t version, bool flexible, const void *message,
                         struct wire_out *out)
{
    const char *at = (const char *)message + f->offset;
    struct str s;

    switch (f->kind) {
    case WIRE_bool:
    case WIRE_int8:
    case WIRE_int16:
    case WIRE_int32:
    case WIRE_int64:
        wire_put_int(&out->buf, load_int(f, at), int_bytes[f->kind]);
        break;
    case WIRE_uuid:
        buf_add(&out->buf, at, 16);
        break;
    case WIRE_string:
    case WIRE_nstring:
    case WIRE_bytes:
        memcpy(&s, at, sizeof(s));
        put_sized(out, flexible, s, f->kind == WIRE_nstring, f->kind == WIRE_bytes ? 4 : 2);
        break;
    case WIRE_records:
        encode_records(flexible, (const struct wire_records *)(const void *)at, out);
        break;
    case WIRE_int8s:
    case WIRE_int32s:
    case WIRE_int64s:
    case WIRE_strings:
    case WIRE_array:
        encode_array(f, version, flexible, at, out);
        break;
    case WIRE_struct:
    case WIRE_nstruct:
        encode_nested(f, version, flexible, at, out);
        break;
    }
}

/* A tagged field at its default is left out. */
static bool is_default(const struct wire_field *f, const void *message)
{
    const char *at = (const char *)message + f->offset;
    static const struct wire_uuid nothing;
    struct wire_array a;
    const void *p;

    switch (f->kind) {
    case WIRE_uuid:
        return memcmp(at, &nothing, sizeof(nothing)) == 0;
    case WIRE_int8s:
    case WIRE_int32s:
    case WIRE_int64s:
    case WIRE_strings:
    case WIRE_array:
        memcpy(&a, at, sizeof(a));
        return a.n <= 0;
    case WIRE_string:
    case WIRE_nstring:
    case WIRE_bytes:
    case WIRE_records:
    case WIRE_struct:
    case WIRE_nstruct:
        memcpy(&p, at, sizeof(p)); /* all begin with a pointer */
        return !p;
    default:
        return load_int(f, at) == f->missing;
    }
}

static void encode_tags(const struct wire_type *type, int16_t version, const void *message, struct wire_out *out)
{
    uint32_t n = 0;

    for (size_t i = 0; i < type->n_fields; i++)
        n += type->fields[i].tag >= 0 && has_version(&type->fields[i], version) &&
             !is_default(&type->fields[i], message);
    wire_put_uvarint(&out->buf, n);
    for (size_t i = 0; i < type->n_fields && n > 0; i++) {
        const struct wire_field *f = &type->fields[i];
        struct wire_out one = {0};

        if (f->tag < 0 || !has_version(f, version) || is_default(f, message))
            continue;
        encode_field(f, version, true, message, &one);
        wire_put_uvarint(&out->buf, (uint32_t)f->tag);
        wire_put_uvarint(&out->buf, (uint32_t)one.buf.n);
        buf_add_str(&out->buf, buf_str(&one.buf));
        buf_release(&one.buf);
    }
}

static void encode_struct(const struct wire_type *type, int16_t version, bool flexible, const void *message,
                          struct wire_out *out)
{
    for (size_t i = 0; i < type->n_fields; i++) {
        if (type->fields[i].tag < 0 && has_version(&type->fields[i], version))
            encode_field(&type->fields[i], version, flexible, message, out);
    }
    if (flexible)
        encode_tags(type, version, message, out);
}

void wire_encode(const struct wire_type *type, int16_t version, bool flexible, const void *message,
                 struct wire_out *out)
{
    encode_struct(type, version, flexible, message, out);
}
