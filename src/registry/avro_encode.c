/*
 * Avro: JSON to the binary encoding. It takes Avro's JSON encoding, and what people write by hand: a union's value
 * without its branch's name if its JSON type says which branch it is, and a field left out that has a default.
 */
#include "registry/avro.h"

#include <math.h>

struct encoder {
    struct buf *out;
    struct buf path;
    unsigned depth;
    size_t defaults; /* values of defaults so far: defaults of defaults grow fast */
    struct error *err;
};

#define DEFAULTS_MAX 1000000

static enum ig_code encode_value(struct encoder *e, const struct avro_type *type, const struct json_node *v,
                                 bool is_default);

static enum ig_code refuse(struct encoder *e, const struct avro_type *type)
{
    return error_set(e->err, IG_INVALID, "$%.200s: not a value of type %s", buf_cstr(&e->path),
                     avro_kind_name(type->kind));
}

static void leave(struct encoder *e, size_t was)
{
    e->path.n = was;
    if (e->path.p)
        e->path.p[was] = 0;
}

static void add_long(struct buf *out, int64_t n)
{
    uint64_t v = (uint64_t)n << 1 ^ (uint64_t)(n >> 63);

    for (; v >= 0x80; v >>= 7)
        buf_putc(out, (char)(0x80 | (v & 0x7f)));
    buf_putc(out, (char)v);
}

static void add_floating(struct buf *out, double d, bool is_double)
{
    const float f = (float)d;
    uint64_t bits = 0;
    uint32_t half;

    if (is_double) {
        memcpy(&bits, &d, 8);
    } else {
        memcpy(&half, &f, 4);
        bits = half;
    }
    for (int i = 0; i < (is_double ? 8 : 4); i++)
        buf_putc(out, (char)(bits >> (8 * i) & 0xff));
}

/* Code points 0 to 255 back to bytes; false if there is another one. */
static bool bytes_of(struct str text, struct buf *out)
{
    for (size_t i = 0; i < text.n; i++) {
        const unsigned char c = (unsigned char)text.p[i];

        if (c < 0x80)
            buf_putc(out, (char)c);
        else if ((c == 0xc2 || c == 0xc3) && i + 1 < text.n)
            buf_putc(out, (char)((c & 3) << 6 | ((unsigned char)text.p[++i] & 0x3f)));
        else
            return false;
    }
    return true;
}

static enum ig_code encode_bytes(struct encoder *e, const struct avro_type *type, const struct json_node *v)
{
    struct buf bytes;
    enum ig_code rc = IG_OK;

    buf_init(&bytes, 0);
    if (v->type != JSON_STRING || !bytes_of(v->text, &bytes)) {
        rc = refuse(e, type);
    } else if (type->kind == AVRO_FIXED && bytes.n != type->size) {
        rc = error_set(e->err, IG_INVALID, "$%.200s: a fixed of %zu bytes has %zu", buf_cstr(&e->path), type->size,
                       bytes.n);
    } else {
        if (type->kind == AVRO_BYTES)
            add_long(e->out, (int64_t)bytes.n);
        buf_add_str(e->out, buf_str(&bytes));
    }
    buf_release(&bytes);
    return rc;
}

static enum ig_code encode_items(struct encoder *e, const struct avro_type *type, const struct json_node *v,
                                 bool is_default)
{
    const bool map = type->kind == AVRO_MAP;
    const size_t was = e->path.n;
    size_t i = 0;

    if (v->type != (map ? JSON_OBJECT : JSON_ARRAY))
        return refuse(e, type);
    if (v->n)
        add_long(e->out, (int64_t)v->n);
    json_tree_each(item, v)
    {
        if (map) {
            add_long(e->out, (int64_t)item->key.n);
            buf_add_str(e->out, item->key);
            buf_printf(&e->path, "." STR_FMT, STR_ARG(item->key));
        } else {
            buf_printf(&e->path, "[%zu]", i++);
        }
        IG_TRY(encode_value(e, type->of, item, is_default));
        leave(e, was);
    }
    add_long(e->out, 0);
    return IG_OK;
}

static enum ig_code encode_field(struct encoder *e, const struct avro_field *field, const struct json_node *record,
                                 bool is_default)
{
    const struct json_node *v = json_tree_member_str(record, field->name);
    const size_t was = e->path.n;

    if (!v && !field->default_node)
        return error_set(e->err, IG_INVALID, "$%.200s: the field \"" STR_FMT "\" is missing and has no default",
                         buf_cstr(&e->path), STR_ARG(field->name));
    buf_printf(&e->path, "." STR_FMT, STR_ARG(field->name));
    IG_TRY(encode_value(e, field->type, v ? v : field->default_node, is_default || !v));
    leave(e, was);
    return IG_OK;
}

static enum ig_code encode_record(struct encoder *e, const struct avro_type *type, const struct json_node *v,
                                  bool is_default)
{
    size_t at;

    if (v->type != JSON_OBJECT)
        return refuse(e, type);
    json_tree_each(m, v)
    {
        if (!avro_index_find(&type->index, m->key, &at))
            return error_set(e->err, IG_INVALID, "$%.200s: the record has no field \"%.*s\"", buf_cstr(&e->path),
                             (int)(m->key.n > 200 ? 200 : m->key.n), m->key.p);
    }
    for (size_t i = 0; i < type->n; i++)
        IG_TRY(encode_field(e, &type->fields[i], v, is_default));
    return IG_OK;
}

/* Could a value of this JSON type, and no other branch's, be of this type? `round`: in the second, wider kinds count.
 */
static bool branch_takes(const struct avro_type *type, const struct json_node *v, int round)
{
    int64_t n;
    size_t at;

    switch (v->type) {
    case JSON_NULL:
        return type->kind == AVRO_NULL;
    case JSON_TRUE:
    case JSON_FALSE:
        return type->kind == AVRO_BOOLEAN;
    case JSON_NUMBER:
        if (type->kind == AVRO_INT)
            return json_tree_int64(v, &n) && n >= INT32_MIN && n <= INT32_MAX;
        if (type->kind == AVRO_LONG)
            return json_tree_int64(v, &n);
        return round > 0 && (type->kind == AVRO_DOUBLE || type->kind == AVRO_FLOAT);
    case JSON_STRING:
        if (type->kind == AVRO_ENUM)
            return avro_index_find(&type->index, v->text, &at);
        return type->kind == AVRO_STRING || (round > 0 && (type->kind == AVRO_BYTES || type->kind == AVRO_FIXED));
    case JSON_ARRAY:
        return type->kind == AVRO_ARRAY;
    case JSON_OBJECT:
        return type->kind == AVRO_RECORD || (round > 0 && type->kind == AVRO_MAP);
    case JSON_NONE:
        break;
    }
    return false;
}

/* {"branch": value}, or a bare value; false if no branch fits, or (a bare object) more than one record. */
static bool find_branch(const struct avro_type *type, const struct json_node **v, size_t *at)
{
    if ((*v)->type == JSON_OBJECT && (*v)->n == 1 && avro_index_find(&type->index, (*v)->first->key, at)) {
        *v = (*v)->first;
        return true;
    }
    for (int round = 0; round < 2; round++) {
        size_t fitting = 0;

        for (size_t i = type->n; i-- > 0;) {
            if (branch_takes(type->branches[i], *v, round)) {
                *at = i;
                fitting++;
            }
        }
        if (fitting)
            return fitting == 1 || (*v)->type != JSON_OBJECT;
    }
    return false;
}

static enum ig_code encode_union(struct encoder *e, const struct avro_type *type, const struct json_node *v,
                                 bool is_default)
{
    size_t at = 0;

    if (is_default ? !avro_default_branch(type, v, &at) : !find_branch(type, &v, &at))
        return error_set(e->err, IG_INVALID,
                         "$%.200s: no branch of the union takes this value (write {\"BRANCH\": VALUE})",
                         buf_cstr(&e->path));
    add_long(e->out, (int64_t)at);
    return encode_value(e, type->branches[at], v, is_default);
}

static enum ig_code encode_scalar(struct encoder *e, const struct avro_type *type, const struct json_node *v)
{
    int64_t n;
    double d;
    size_t at;

    switch (type->kind) {
    case AVRO_NULL:
        return v->type == JSON_NULL ? IG_OK : refuse(e, type);
    case AVRO_BOOLEAN:
        if (!json_tree_is_bool(v))
            return refuse(e, type);
        buf_putc(e->out, v->type == JSON_TRUE);
        return IG_OK;
    case AVRO_INT:
    case AVRO_LONG:
        if (!json_tree_int64(v, &n) || (type->kind == AVRO_INT && (n < INT32_MIN || n > INT32_MAX)))
            return refuse(e, type);
        add_long(e->out, n);
        return IG_OK;
    case AVRO_FLOAT:
    case AVRO_DOUBLE:
        if (!avro_default_double(v, &d))
            return refuse(e, type);
        add_floating(e->out, d, type->kind == AVRO_DOUBLE);
        return IG_OK;
    case AVRO_ENUM:
        if (v->type != JSON_STRING || !avro_index_find(&type->index, v->text, &at))
            return refuse(e, type);
        add_long(e->out, (int64_t)at);
        return IG_OK;
    default: /* string */
        if (v->type != JSON_STRING)
            return refuse(e, type);
        add_long(e->out, (int64_t)v->text.n);
        buf_add_str(e->out, v->text);
        return IG_OK;
    }
}

static enum ig_code encode_kind(struct encoder *e, const struct avro_type *type, const struct json_node *v,
                                bool is_default)
{
    switch (type->kind) {
    case AVRO_BYTES:
    case AVRO_FIXED:
        return encode_bytes(e, type, v);
    case AVRO_ARRAY:
    case AVRO_MAP:
        return encode_items(e, type, v, is_default);
    case AVRO_UNION:
        return encode_union(e, type, v, is_default);
    case AVRO_RECORD:
        return encode_record(e, type, v, is_default);
    default:
        return encode_scalar(e, type, v);
    }
}

/* `is_default`: the value is a field's default, or within one, and written as those are. */
static enum ig_code encode_value(struct encoder *e, const struct avro_type *type, const struct json_node *v,
                                 bool is_default)
{
    enum ig_code rc;

    if (is_default)
        e->defaults++;
    if (e->depth == AVRO_DEPTH_MAX || e->defaults > DEFAULTS_MAX || e->out->overflow)
        return error_set(e->err, IG_INVALID, "$%.200s: the value nests too deep, or is too large", buf_cstr(&e->path));
    e->depth++;
    rc = encode_kind(e, type, v, is_default);
    e->depth--;
    return rc;
}

enum ig_code avro_encode(const struct schema *s, struct str json, struct buf *bytes, struct error *err)
{
    struct encoder e = {.out = bytes, .err = err};
    struct json_node *root;
    struct arena arena;
    enum ig_code rc;

    arena_init(&arena);
    buf_init(&e.path, 0);
    rc = json_tree_parse(&arena, json, &root, err);
    if (rc == IG_OK)
        rc = encode_value(&e, avro_of(s)->root, root, false);
    if (rc == IG_OK)
        rc = buf_check(bytes, err, "the encoded value");
    buf_release(&e.path);
    arena_release(&arena);
    return rc;
}
