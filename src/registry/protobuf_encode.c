/*
 * Protobuf: JSON to the binary encoding, by the rules of proto3's JSON mapping, in the order of the fields' numbers.
 * The message is the first one of the file.
 */
#include "registry/protobuf_json.h"

#include <math.h>
#include <stdlib.h>

static enum ig_code encode_value(struct pb_encoder *e, enum pb_kind kind, const struct pb_type *of, int64_t tag,
                                 const struct json_node *v, struct buf *out);

enum ig_code pb_refuse(struct pb_encoder *e, const char *what)
{
    return error_set(e->err, IG_INVALID, "$%.300s: %s", buf_cstr(&e->path), what);
}

static void leave(struct pb_encoder *e, size_t was)
{
    e->path.n = was;
    if (e->path.p)
        e->path.p[was] = 0;
}

/* --- scalars ---------------------------------------------------------------------------------------------------------
 */

static bool unsigned_of(struct str text, uint64_t max, uint64_t *out)
{
    uint64_t n = 0;

    if (text.n == 0)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        const unsigned digit = (unsigned)text.p[i] - '0';

        if (digit > 9 || n > (max - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    *out = n;
    return true;
}

/* A number, or a string that is one; 1.0 and 1e3 are integers, too. */
static bool integer_of(struct str text, int64_t min, uint64_t max, uint64_t *out)
{
    int64_t n;
    double d;

    if (text.n && text.p[0] != '-' && unsigned_of(text, max, out))
        return true;
    if (str_to_int64(text, INT64_MIN, INT64_MAX, &n)) {
        *out = (uint64_t)n;
        return n >= min && (n < 0 || (uint64_t)n <= max);
    }
    if (!str_to_double(text, &d) || d != floor(d) || fabs(d) > 9007199254740992.0)
        return false;
    *out = (uint64_t)(int64_t)d;
    return d >= (double)min && (d < 0 || d <= (double)max);
}

static bool floating_of(struct str text, double *out)
{
    if (str_is(text, "NaN"))
        *out = (double)NAN;
    else if (str_is(text, "Infinity"))
        *out = (double)INFINITY;
    else if (str_is(text, "-Infinity"))
        *out = -(double)INFINITY;
    else
        return str_to_double(text, out);
    return true;
}

/* What is on the wire for the number; false if it is none of that kind. */
static bool number_of(enum pb_kind kind, const struct json_node *v, uint64_t *out)
{
    uint32_t half;
    float single;
    double d;

    if (kind == PB_BOOL) {
        *out = v->type == JSON_TRUE || str_is(v->text, "true");
        return json_tree_is_bool(v) ||
               (v->type == JSON_STRING && (str_is(v->text, "true") || str_is(v->text, "false")));
    }
    if (v->type != JSON_NUMBER && v->type != JSON_STRING)
        return false;
    switch (kind) {
    case PB_DOUBLE:
    case PB_FLOAT:
        if (!floating_of(v->text, &d) || (kind == PB_FLOAT && isfinite(d) && fabs(d) > 3.4028235677973366e38))
            return false;
        single = (float)d;
        memcpy(&half, &single, 4);
        *out = half;
        if (kind == PB_DOUBLE)
            memcpy(out, &d, 8);
        return true;
    case PB_UINT32:
    case PB_FIXED32:
        return integer_of(v->text, 0, UINT32_MAX, out);
    case PB_UINT64:
    case PB_FIXED64:
        return integer_of(v->text, 0, UINT64_MAX, out);
    case PB_INT32:
    case PB_SFIXED32:
    case PB_SINT32:
        if (!integer_of(v->text, INT32_MIN, INT32_MAX, out))
            return false;
        if (kind == PB_SINT32)
            *out = (uint32_t)pb_zigzag((int64_t)*out);
        return true;
    default: /* PB_INT64, PB_SFIXED64, PB_SINT64 */
        if (!integer_of(v->text, INT64_MIN, INT64_MAX, out))
            return false;
        if (kind == PB_SINT64)
            *out = pb_zigzag((int64_t)*out);
        return true;
    }
}

static bool constant_of(const struct pb_type *e, const struct json_node *v, uint64_t *out)
{
    if (v->type == JSON_NULL) {
        *out = 0;
        return str_is(e->full, "google.protobuf.NullValue");
    }
    if (v->type == JSON_NUMBER)
        return integer_of(v->text, INT32_MIN, INT32_MAX, out);
    for (const struct pb_constant *c = e->constants; v->type == JSON_STRING && c; c = c->next) {
        if (str_eq(c->name, v->text)) {
            *out = (uint64_t)(int64_t)c->number;
            return true;
        }
    }
    return false;
}

/* The number without its tag, as in a packed field. */
static void add_number(enum pb_kind kind, uint64_t n, struct buf *out)
{
    const enum pb_wire wire = pb_wire_of(kind);

    if (wire == PB_WIRE_VARINT)
        pb_add_varint(out, n);
    else
        pb_add_fixed(out, n, wire == PB_WIRE_FIXED64 ? 8 : 4);
}

static enum ig_code encode_number(struct pb_encoder *e, enum pb_kind kind, const struct pb_type *of,
                                  const struct json_node *v, uint64_t *n)
{
    if (kind == PB_ENUM_TYPE)
        return constant_of(of, v, n) ? IG_OK : pb_refuse(e, "not a constant of the enum");
    if (number_of(kind, v, n))
        return IG_OK;
    return error_set(e->err, IG_INVALID, "$%.300s: not a value of type %s", buf_cstr(&e->path), pb_scalar_name(kind));
}

static enum ig_code encode_bytes(struct pb_encoder *e, int64_t tag, const struct json_node *v, struct buf *out)
{
    struct buf bytes;
    enum ig_code rc = IG_OK;

    buf_init(&bytes, 0);
    if (v->type != JSON_STRING || pb_from_base64(v->text, &bytes))
        rc = pb_refuse(e, "bytes are a string in base64");
    else
        pb_add_bytes(out, tag, buf_str(&bytes));
    buf_release(&bytes);
    return rc;
}

static enum ig_code encode_inner(struct pb_encoder *e, enum pb_kind kind, const struct pb_type *of, int64_t tag,
                                 const struct json_node *v, struct buf *out)
{
    struct buf inner;
    enum ig_code rc;

    buf_init(&inner, 0);
    rc = pb_encode_message(e, of, v, &inner);
    if (rc == IG_OK && kind == PB_GROUP) {
        pb_add_tag(out, tag, PB_WIRE_GROUP);
        buf_add_str(out, buf_str(&inner));
        pb_add_tag(out, tag, PB_WIRE_END);
    } else if (rc == IG_OK) {
        pb_add_bytes(out, tag, buf_str(&inner));
    }
    buf_release(&inner);
    return rc;
}

static enum ig_code encode_value(struct pb_encoder *e, enum pb_kind kind, const struct pb_type *of, int64_t tag,
                                 const struct json_node *v, struct buf *out)
{
    uint64_t n = 0;

    switch (kind) {
    case PB_TEXT:
        if (v->type != JSON_STRING)
            return pb_refuse(e, "not a string");
        pb_add_bytes(out, tag, v->text);
        return IG_OK;
    case PB_BYTES:
        return encode_bytes(e, tag, v, out);
    case PB_MESSAGE:
    case PB_GROUP:
        return encode_inner(e, kind, of, tag, v, out);
    default:
        IG_TRY(encode_number(e, kind, of, v, &n));
        pb_add_tag(out, tag, pb_wire_of(kind));
        add_number(kind, n, out);
        return IG_OK;
    }
}

/* --- fields ----------------------------------------------------------------------------------------------------------
 */

static enum ig_code encode_packed(struct pb_encoder *e, const struct pb_field *f, const struct json_node *v,
                                  struct buf *out)
{
    struct buf packed;
    enum ig_code rc = IG_OK;
    uint64_t n = 0;

    buf_init(&packed, 0);
    for (const struct json_node *item = v->first; item && rc == IG_OK; item = item->next) {
        rc = encode_number(e, f->kind, f->of, item, &n);
        if (rc == IG_OK)
            add_number(f->kind, n, &packed);
    }
    if (rc == IG_OK && packed.n)
        pb_add_bytes(out, f->tag, buf_str(&packed));
    buf_release(&packed);
    return rc;
}

static enum ig_code encode_entry(struct pb_encoder *e, const struct pb_field *f, const struct json_node *v,
                                 struct buf *out)
{
    const struct json_node key = {.type = JSON_STRING, .text = v->key};
    struct buf entry;
    enum ig_code rc;

    buf_init(&entry, 0);
    rc = encode_value(e, f->key_kind, NULL, 1, &key, &entry);
    if (rc == IG_OK)
        rc = encode_value(e, f->value_kind, f->of, 2, v, &entry);
    if (rc == IG_OK)
        pb_add_bytes(out, f->tag, buf_str(&entry));
    buf_release(&entry);
    return rc;
}

static enum ig_code encode_items(struct pb_encoder *e, const struct pb_field *f, const struct json_node *v,
                                 struct buf *out)
{
    const bool map = f->kind == PB_KIND_MAP;
    const size_t was = e->path.n;
    size_t i = 0;

    if (v->type != (map ? JSON_OBJECT : JSON_ARRAY))
        return pb_refuse(e, map ? "a map is an object" : "a repeated field is an array");
    if (f->packed)
        return encode_packed(e, f, v, out);
    json_tree_each(item, v)
    {
        if (map)
            buf_printf(&e->path, "." STR_FMT, STR_ARG(item->key));
        else
            buf_printf(&e->path, "[%zu]", i++);
        if (item->type == JSON_NULL && !pb_takes_null(map ? f->value_kind : f->kind, f->of))
            return pb_refuse(e, "null cannot be an item");
        IG_TRY(map ? encode_entry(e, f, item, out) : encode_value(e, f->kind, f->of, f->tag, item, out));
        leave(e, was);
    }
    return IG_OK;
}

bool pb_takes_null(enum pb_kind kind, const struct pb_type *of)
{
    return of && ((kind == PB_MESSAGE && str_is(of->full, "google.protobuf.Value")) ||
                  (kind == PB_ENUM_TYPE && str_is(of->full, "google.protobuf.NullValue")));
}

/* A field without presence is not written when it has its default. */
static bool is_default(const struct pb_field *f, const struct json_node *v)
{
    uint64_t n = 0;

    if (f->presence || f->label == PB_REPEATED || f->kind == PB_KIND_MAP)
        return false;
    if (f->kind == PB_TEXT || f->kind == PB_BYTES)
        return v->type == JSON_STRING && v->text.n == 0;
    if (f->kind == PB_ENUM_TYPE)
        return constant_of(f->of, v, &n) && n == 0;
    return number_of(f->kind, v, &n) && n == 0;
}

static enum ig_code encode_field(struct pb_encoder *e, const struct pb_field *f, const struct json_node *v,
                                 struct buf *out)
{
    const size_t was = e->path.n;

    if (v->type == JSON_NULL && !pb_takes_null(f->kind, f->of))
        return IG_OK;
    buf_printf(&e->path, "." STR_FMT, STR_ARG(f->name));
    if (f->label == PB_REPEATED || f->kind == PB_KIND_MAP)
        IG_TRY(encode_items(e, f, v, out));
    else if (!is_default(f, v))
        IG_TRY(encode_value(e, f->kind, f->of, f->tag, v, out));
    leave(e, was);
    return IG_OK;
}

/* --- messages --------------------------------------------------------------------------------------------------------
 */

/* The member by the field's JSON name or its own; *twice: by both. */
static const struct json_node *member_of(const struct json_node *object, const struct pb_field *f, bool *twice)
{
    const struct json_node *a = json_tree_member_str(object, f->json), *b = NULL;

    if (!str_eq(f->json, f->name))
        b = json_tree_member_str(object, f->name);
    *twice = a && b;
    return a ? a : b;
}

static enum ig_code encode_members(struct pb_encoder *e, const struct pb_type *m, const struct json_node *v,
                                   struct buf *out, size_t *used)
{
    bool *set = check_calloc(m->n_oneofs + 1, sizeof(*set));
    enum ig_code rc = IG_OK;
    bool twice;

    for (size_t i = 0; i < m->n && rc == IG_OK; i++) {
        const struct pb_field *f = m->by_tag[i];
        const struct json_node *member = member_of(v, f, &twice);

        if (twice)
            rc = pb_refuse(e, "a field is there twice, by both its names");
        else if (!member && f->label == PB_REQUIRED)
            rc = error_set(e->err, IG_INVALID, "$%.300s: the required field \"%.200s\" is missing", buf_cstr(&e->path),
                           f->name.p);
        if (!member || rc != IG_OK)
            continue;
        (*used)++;
        if (f->oneof && member->type != JSON_NULL) {
            if (set[f->oneof->index])
                rc = pb_refuse(e, "two fields of a oneof are set");
            set[f->oneof->index] = true;
        }
        if (rc == IG_OK)
            rc = encode_field(e, f, member, out);
    }
    free(set);
    return rc;
}

static enum ig_code unknown_member(struct pb_encoder *e, const struct pb_type *m, const struct json_node *v)
{
    json_tree_each(member, v)
    {
        bool known = str_is(member->key, "@type");

        for (size_t i = 0; i < m->n && !known; i++)
            known = str_eq(member->key, m->in_order[i]->json) || str_eq(member->key, m->in_order[i]->name);
        if (!known)
            return error_set(e->err, IG_INVALID, "$%.300s: %.*s has no field \"%.*s\"", buf_cstr(&e->path),
                             (int)(m->full.n > 200 ? 200 : m->full.n), m->full.p,
                             (int)(member->key.n > 200 ? 200 : member->key.n), member->key.p);
    }
    return IG_OK;
}

enum ig_code pb_encode_fields(struct pb_encoder *e, const struct pb_type *m, const struct json_node *v, struct buf *out)
{
    size_t used = 0;

    if (v->type != JSON_OBJECT)
        return pb_refuse(e, "a message is an object");
    IG_TRY(encode_members(e, m, v, out, &used));
    return used < v->n ? unknown_member(e, m, v) : IG_OK;
}

enum ig_code pb_encode_message(struct pb_encoder *e, const struct pb_type *m, const struct json_node *v,
                               struct buf *out)
{
    enum ig_code rc;

    if (e->depth == PROTOBUF_DEPTH_MAX)
        return pb_refuse(e, "the message nests too deep");
    e->depth++;
    rc = pb_encode_known(e, m, v, out);
    if (rc == IG_NOT_FOUND)
        rc = pb_encode_fields(e, m, v, out);
    e->depth--;
    return rc;
}

enum ig_code protobuf_encode(const struct schema *s, struct str json, struct buf *bytes, struct error *err)
{
    struct pb_encoder e = {.schema = pb_of(s), .err = err};
    const struct pb_type *m = pb_first_message(e.schema);
    struct json_node *root;
    struct arena arena;
    enum ig_code rc;

    if (!m)
        return error_set(err, IG_INVALID, "the schema has no message");
    arena_init(&arena);
    buf_init(&e.path, 0);
    rc = json_tree_parse(&arena, json, &root, err);
    if (rc == IG_OK) {
        pb_add_varint(bytes, 0); /* no indexes: the first message */
        rc = pb_encode_message(&e, m, root, bytes);
    }
    if (rc == IG_OK)
        rc = buf_check(bytes, err, "the encoded message");
    buf_release(&e.path);
    arena_release(&arena);
    return rc;
}
