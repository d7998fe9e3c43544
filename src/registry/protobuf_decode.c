/*
 * Protobuf: the binary encoding as JSON, by the rules of proto3's JSON mapping (64-bit numbers and bytes are strings,
 * the well-known types have forms of their own), fields that are not set and have no presence with their defaults, as
 * Confluent's console consumer prints it. In front of the message are its indexes in the file.
 */
#include "registry/number.h"
#include "registry/protobuf_json.h"

#include <stdlib.h>

#define JSON_MAX_BYTES ((size_t)256 << 20)

/* One occurrence of a field on the wire. */
struct occurrence {
    struct occurrence *next;
    struct pb_item item;
};
struct occurrences {
    struct occurrence *first, *last;
};

static enum ig_code corrupt(const struct pb_decoder *d, const struct pb_type *m, const char *what)
{
    return error_set(d->err, IG_INVALID, "%.*s: %s", (int)(m->full.n > 300 ? 300 : m->full.n), m->full.p, what);
}

/* --- scalars ---------------------------------------------------------------------------------------------------------
 */

void pb_decode_scalar(struct pb_decoder *d, enum pb_kind kind, uint64_t n)
{
    double number;
    float single;
    uint32_t half;

    switch (kind) {
    case PB_DOUBLE:
        memcpy(&number, &n, 8);
        number_add_json_double(d->out, number);
        break;
    case PB_FLOAT:
        half = (uint32_t)n;
        memcpy(&single, &half, 4);
        number_add_json_float(d->out, single);
        break;
    case PB_BOOL:
        buf_puts(d->out, n ? "true" : "false");
        break;
    case PB_INT32:
    case PB_SFIXED32:
        buf_printf(d->out, "%d", (int32_t)(uint32_t)n);
        break;
    case PB_SINT32:
        buf_printf(d->out, "%d", (int32_t)pb_unzigzag((uint32_t)n));
        break;
    case PB_UINT32:
    case PB_FIXED32:
        buf_printf(d->out, "%u", (uint32_t)n);
        break;
    case PB_INT64:
    case PB_SFIXED64:
        buf_printf(d->out, "\"%lld\"", (long long)n);
        break;
    case PB_SINT64:
        buf_printf(d->out, "\"%lld\"", (long long)pb_unzigzag(n));
        break;
    default: /* PB_UINT64, PB_FIXED64 */
        buf_printf(d->out, "\"%llu\"", (unsigned long long)n);
        break;
    }
}

static void decode_enum(struct pb_decoder *d, const struct pb_type *e, uint64_t n)
{
    const int32_t number = (int32_t)(uint32_t)n;

    if (str_is(e->full, "google.protobuf.NullValue")) {
        buf_puts(d->out, "null");
        return;
    }
    for (const struct pb_constant *c = e->constants; c; c = c->next) {
        if (c->number == number) {
            json_add_string(d->out, c->name);
            return;
        }
    }
    buf_printf(d->out, "%d", number);
}

static void decode_bytes(struct pb_decoder *d, struct str bytes)
{
    buf_putc(d->out, '"');
    pb_to_base64(bytes, d->out);
    buf_putc(d->out, '"');
}

/* A value of the kind out of an item of the right wire type. */
static enum ig_code decode_value(struct pb_decoder *d, const struct pb_type *in, enum pb_kind kind,
                                 const struct pb_type *of, const struct pb_item *item)
{
    switch (kind) {
    case PB_TEXT:
        if (!str_is_utf8(item->bytes))
            return corrupt(d, in, "a string is not UTF-8");
        json_add_string(d->out, item->bytes);
        return IG_OK;
    case PB_BYTES:
        decode_bytes(d, item->bytes);
        return IG_OK;
    case PB_MESSAGE:
    case PB_GROUP:
        return pb_decode_message(d, of, item->bytes);
    case PB_ENUM_TYPE:
        decode_enum(d, of, item->number);
        return IG_OK;
    default:
        pb_decode_scalar(d, kind, item->number);
        return IG_OK;
    }
}

/* --- fields ----------------------------------------------------------------------------------------------------------
 */

/* The message that several occurrences of a field make together: their bytes one after the other. */
static enum ig_code decode_merged(struct pb_decoder *d, const struct pb_field *f, const struct occurrences *o)
{
    struct buf all;
    enum ig_code rc;

    if (o->first == o->last)
        return pb_decode_message(d, f->of, o->first->item.bytes);
    buf_init(&all, 0);
    for (const struct occurrence *one = o->first; one; one = one->next)
        buf_add_str(&all, one->item.bytes);
    rc = pb_decode_message(d, f->of, buf_str(&all));
    buf_release(&all);
    return rc;
}

static enum ig_code decode_repeated(struct pb_decoder *d, const struct pb_type *m, const struct pb_field *f,
                                    const struct occurrences *o)
{
    const enum pb_wire wire = pb_wire_of(f->kind);
    bool any = false;

    buf_putc(d->out, '[');
    for (const struct occurrence *one = o->first; one; one = one->next) {
        struct pb_reader r = pb_reader_of(one->item.bytes);
        struct pb_item item = one->item;
        const bool packed = wire != one->item.wire;

        while (!packed || r.p < r.end) {
            if (packed && !pb_read_packed(&r, wire, &item.number))
                return corrupt(d, m, "a packed field ends within a number");
            buf_puts(d->out, any ? "," : "");
            any = true;
            IG_TRY(decode_value(d, m, f->kind, f->of, &item));
            if (d->out->overflow || d->out->n - d->begin > JSON_MAX_BYTES)
                return error_set(d->err, IG_LIMIT, "the message is too large as JSON");
            if (!packed)
                break;
        }
    }
    buf_putc(d->out, ']');
    return IG_OK;
}

struct entry {
    struct str key; /* as JSON, with quotes */
    struct pb_item value;
    bool has_value;
    size_t at;
};

static int by_key(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    const int order = str_cmp(x->key, y->key);

    return order ? order : x->at < y->at ? -1 : 1;
}

/* The key as the name of a member. */
static enum ig_code entry_key(struct pb_decoder *d, const struct pb_type *m, const struct pb_field *f,
                              const struct pb_item *key, struct arena *arena, struct str *out)
{
    struct pb_decoder text = *d;
    struct buf buf;
    enum ig_code rc;

    buf_init(&buf, 0);
    text.out = &buf;
    rc = decode_value(&text, m, f->key_kind, NULL, key);
    if (rc == IG_OK && (buf.n == 0 || buf.p[0] != '"'))
        *out = str_of(arena_printf(arena, "\"%s\"", buf_cstr(&buf)));
    else if (rc == IG_OK)
        *out = arena_str(arena, buf_str(&buf));
    buf_release(&buf);
    return rc;
}

static enum ig_code read_entry(struct pb_decoder *d, const struct pb_type *m, const struct pb_field *f,
                               struct str bytes, struct arena *arena, struct entry *e)
{
    struct pb_item item, key = {.wire = pb_wire_of(f->key_kind), .bytes = {"", 0}};
    struct pb_reader r = pb_reader_of(bytes);
    bool bad;

    e->value = (struct pb_item){.wire = pb_wire_of(f->value_kind), .bytes = {"", 0}};
    while (pb_read_item(&r, &item, &bad)) {
        if (item.tag == 1 && item.wire == key.wire)
            key = item;
        else if (item.tag == 2 && item.wire == e->value.wire)
            e->value = item;
    }
    if (bad)
        return corrupt(d, m, "the entry of a map is damaged");
    return entry_key(d, m, f, &key, arena, &e->key);
}

static enum ig_code print_entries(struct pb_decoder *d, const struct pb_type *m, const struct pb_field *f,
                                  struct entry *list, size_t n)
{
    bool any = false;

    qsort(list, n, sizeof(*list), by_key);
    buf_putc(d->out, '{');
    for (size_t i = 0; i < n; i++) {
        if (i + 1 < n && str_eq(list[i].key, list[i + 1].key))
            continue; /* of entries with one key the last one counts */
        buf_puts(d->out, any ? "," : "");
        any = true;
        buf_add_str(d->out, list[i].key);
        buf_putc(d->out, ':');
        IG_TRY(decode_value(d, m, f->value_kind, f->of, &list[i].value));
    }
    buf_putc(d->out, '}');
    return IG_OK;
}

static enum ig_code decode_map(struct pb_decoder *d, const struct pb_type *m, const struct pb_field *f,
                               const struct occurrences *o)
{
    struct entry *list = NULL;
    struct arena arena;
    enum ig_code rc = IG_OK;
    size_t n = 0;

    for (const struct occurrence *one = o->first; one; one = one->next)
        n++;
    arena_init(&arena);
    list = check_calloc(n + 1, sizeof(*list));
    n = 0;
    for (const struct occurrence *one = o->first; one && rc == IG_OK; one = one->next, n++) {
        list[n].at = n;
        rc = read_entry(d, m, f, one->item.bytes, &arena, &list[n]);
    }
    if (rc == IG_OK)
        rc = print_entries(d, m, f, list, n);
    free(list);
    arena_release(&arena);
    return rc;
}

/* What a field without presence is when it is not set; also optional ones of proto2, with their defaults. */
static bool decode_default(struct pb_decoder *d, const struct pb_field *f)
{
    const struct str v = f->default_value;

    if (f->label == PB_REPEATED || f->kind == PB_KIND_MAP) {
        buf_puts(d->out, f->kind == PB_KIND_MAP ? "{}" : "[]");
    } else if (f->kind == PB_TEXT) {
        json_add_string(d->out, v.p ? v : STR(""));
    } else if (f->kind == PB_BYTES) {
        buf_puts(d->out, "\"\"");
    } else if (f->kind == PB_ENUM_TYPE && v.p) {
        json_add_string(d->out, v);
    } else if (f->kind == PB_ENUM_TYPE) {
        decode_enum(d, f->of,
                    f->of->constants && f->of->file->syntax != PB_PROTO3 ? (uint64_t)(int64_t)f->of->constants->number
                                                                         : 0);
    } else if (v.p && f->kind == PB_BOOL) {
        buf_puts(d->out, str_is(v, "true") ? "true" : "false");
    } else if (v.p) {
        pb_default_number(d->out, f->kind, v);
    } else {
        pb_decode_scalar(d, f->kind, 0);
    }
    return true;
}

static bool shows_default(const struct pb_field *f)
{
    if (!f->presence)
        return true;
    return f->label == PB_OPTIONAL && !f->oneof && f->default_value.p && f->kind != PB_MESSAGE && f->kind != PB_GROUP;
}

static enum ig_code decode_field(struct pb_decoder *d, const struct pb_type *m, const struct pb_field *f,
                                 const struct occurrences *o, bool *any)
{
    if (!o->first && !shows_default(f))
        return IG_OK;
    buf_puts(d->out, *any ? "," : "");
    *any = true;
    json_add_string(d->out, f->json);
    buf_putc(d->out, ':');
    if (!o->first)
        (void)decode_default(d, f);
    else if (f->kind == PB_KIND_MAP)
        return decode_map(d, m, f, o);
    else if (f->label == PB_REPEATED)
        return decode_repeated(d, m, f, o);
    else if (f->kind == PB_MESSAGE || f->kind == PB_GROUP)
        return decode_merged(d, f, o);
    else
        return decode_value(d, m, f->kind, f->of, &o->last->item);
    return IG_OK;
}

/* --- messages --------------------------------------------------------------------------------------------------------
 */

static bool wire_fits(const struct pb_field *f, enum pb_wire wire)
{
    const enum pb_wire own = pb_wire_of(f->kind);

    return wire == own || (f->label == PB_REPEATED && wire == PB_WIRE_BYTES && own != PB_WIRE_GROUP);
}

static size_t place_of(const struct pb_type *m, const struct pb_field *f)
{
    size_t low = 0, high = m->n;

    while (low < high) {
        const size_t mid = low + (high - low) / 2;

        if (m->by_tag[mid]->tag < f->tag)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static enum ig_code collect(struct pb_decoder *d, const struct pb_type *m, struct str bytes, struct arena *arena,
                            struct occurrences *found)
{
    const struct pb_field **set = ARENA_ARRAY(arena, const struct pb_field *, m->n_oneofs + 1); /* of each oneof */
    struct pb_reader r = pb_reader_of(bytes);
    struct pb_item item;
    bool bad;

    while (pb_read_item(&r, &item, &bad)) {
        const struct pb_field *f = pb_field_by_tag(m, item.tag);
        struct occurrence *one;
        struct occurrences *list;

        if (!f || !wire_fits(f, item.wire))
            continue;   /* unknown fields are allowed anywhere */
        if (f->oneof) { /* the last member on the wire is the one that is set */
            const struct pb_field *was = set[f->oneof->index];

            if (was && was != f)
                found[place_of(m, was)] = (struct occurrences){NULL, NULL};
            set[f->oneof->index] = f;
        }
        one = ARENA_NEW(arena, struct occurrence);
        one->item = item;
        list = &found[place_of(m, f)];
        if (list->last)
            list->last->next = one;
        else
            list->first = one;
        list->last = one;
    }
    return bad ? corrupt(d, m, "the bytes are no message") : IG_OK;
}

enum ig_code pb_decode_fields(struct pb_decoder *d, const struct pb_type *m, struct str bytes, bool any)
{
    struct occurrences *found = check_calloc(m->n + 1, sizeof(*found));
    struct arena arena;
    enum ig_code rc;

    arena_init(&arena);
    rc = collect(d, m, bytes, &arena, found);
    for (size_t i = 0; i < m->n && rc == IG_OK; i++)
        rc = decode_field(d, m, m->in_order[i], &found[place_of(m, m->in_order[i])], &any);
    arena_release(&arena);
    free(found);
    return rc;
}

enum ig_code pb_decode_message(struct pb_decoder *d, const struct pb_type *m, struct str bytes)
{
    enum ig_code rc;

    IG_ASSERT(m);
    if (d->depth == PROTOBUF_DEPTH_MAX)
        return corrupt(d, m, "the message nests too deep");
    if (d->out->overflow || d->out->n - d->begin > JSON_MAX_BYTES)
        return error_set(d->err, IG_LIMIT, "the message is too large as JSON");
    d->depth++;
    rc = pb_decode_known(d, m, bytes);
    if (rc == IG_NOT_FOUND) {
        buf_putc(d->out, '{');
        rc = pb_decode_fields(d, m, bytes, false);
        buf_putc(d->out, '}');
    }
    d->depth--;
    return rc;
}

/* --- the whole -------------------------------------------------------------------------------------------------------
 */

static const struct pb_type *message_at(const struct pb_type *types, int64_t index)
{
    for (; types; types = types->next)
        if (!types->is_enum && index-- == 0)
            return types;
    return NULL;
}

/* A file that has nothing but a public import stands for the file that it imports. */
static const struct pb_type *first_types(const struct pb_schema *s)
{
    const struct pb_file *f = s->file;

    if (!f->types && f->public_imports && !f->public_imports->next && !f->imports)
        for (size_t i = 0; i < s->references.n; i++)
            if (str_is(f->public_imports->name, s->reference_names.p[i]))
                return s->references.p[i]->file->types;
    return f->types;
}

/* The indexes: how many, then one for each level; none is the first message of the file. */
static const struct pb_type *read_indexes(const struct pb_schema *s, struct pb_reader *r)
{
    const struct pb_type *types = first_types(s), *m = NULL;
    uint64_t n, index;
    int64_t count;

    if (!pb_read_varint(r, &n))
        return NULL;
    count = pb_unzigzag(n);
    if (count == 0)
        return message_at(types, 0);
    if (count < 0 || count > PROTOBUF_NEST_MAX)
        return NULL;
    for (; count > 0; count--) {
        if (!pb_read_varint(r, &index))
            return NULL;
        m = message_at(types, pb_unzigzag(index));
        if (!m)
            return NULL;
        types = m->types;
    }
    return m;
}

const struct pb_type *pb_first_message(const struct pb_schema *s)
{
    return message_at(first_types(s), 0);
}

enum ig_code protobuf_decode(const struct schema *s, struct str bytes, struct buf *json, struct error *err)
{
    struct pb_decoder d = {.schema = pb_of(s), .out = json, .begin = json->n, .err = err};
    struct pb_reader r = pb_reader_of(bytes);
    const struct pb_type *m = read_indexes(d.schema, &r);

    if (!m)
        return error_set(err, IG_INVALID, "the indexes in front of the message name no message of the schema");
    IG_TRY(pb_decode_message(&d, m, (struct str){(const char *)r.p, (size_t)(r.end - r.p)}));
    return buf_check(json, err, "the message as JSON");
}
