/*
 * Protobuf: a FileDescriptorProto, which is what clients in Python, Go and C# send as a schema, as a file. Custom
 * options are dropped but Confluent's own, as the registry does: their definitions are not known here.
 */
#include "registry/protobuf_wire.h"

#include <stdlib.h>

struct parser {
    struct arena *arena;
    struct pb_file *file;
    bool bad;
    unsigned depth;
    size_t walked; /* lists that were run through to add to them */
};

#define WALKS_MAX 20000

#define NEW(p, type) ARENA_NEW((p)->arena, type)

/* The next field of a message in the descriptor; false at its end, and when something was wrong. */
static bool next(struct parser *p, struct pb_reader *r, struct pb_item *item)
{
    bool bad;

    if (p->bad)
        return false;
    if (pb_read_item(r, item, &bad))
        return true;
    p->bad = bad;
    return false;
}

static struct str text_of(struct parser *p, const struct pb_item *item)
{
    if (item->wire != PB_WIRE_BYTES || !str_is_utf8(item->bytes))
        p->bad = true;
    return arena_str(p->arena, item->bytes);
}

/* The bytes of a message in the descriptor. */
static struct str body_of(struct parser *p, const struct pb_item *item)
{
    if (item->wire != PB_WIRE_BYTES)
        p->bad = true;
    return item->bytes;
}

/* A name that will be printed where names are; anything else would make another text of it. */
static struct str name_of(struct parser *p, const struct pb_item *item)
{
    const struct str name = text_of(p, item);

    if (!pb_is_word(name))
        p->bad = true;
    return name;
}

static struct str type_of(struct parser *p, const struct pb_item *item)
{
    const struct str name = text_of(p, item);
    size_t from = name.n && name.p[0] == '.' ? 1 : 0;

    for (size_t i = from; i <= name.n; i++) {
        if (i < name.n && name.p[i] != '.')
            continue;
        if (!pb_is_word((struct str){name.p + from, i - from}))
            p->bad = true;
        from = i + 1;
    }
    return name;
}

static int32_t int_of(struct parser *p, const struct pb_item *item)
{
    if (item->wire != PB_WIRE_VARINT)
        p->bad = true;
    return (int32_t)(uint32_t)item->number;
}

/* --- options ---------------------------------------------------------------------------------------------------------
 */

static struct pb_option *new_option(struct parser *p, const char *name, enum pb_value_kind kind, struct str text)
{
    struct pb_option *o = NEW(p, struct pb_option);

    o->name = str_of(name);
    o->value = NEW(p, struct pb_value);
    o->value->kind = kind;
    o->value->text = text;
    return o;
}

static struct pb_value *add_value(struct parser *p, struct pb_value *to, const char *key, enum pb_value_kind kind,
                                  struct str text)
{
    struct pb_entry *e = NEW(p, struct pb_entry);

    e->key = str_of(key);
    e->value = NEW(p, struct pb_value);
    e->value->kind = kind;
    e->value->text = text;
    if (to->last)
        to->last->next = e;
    else
        to->entries = e;
    to->last = e;
    return e->value;
}

/* The list under the key, which is made when it is not there. */
static struct pb_value *list_of(struct parser *p, struct pb_value *map, const char *key)
{
    for (struct pb_entry *e = map->entries; e; e = e->next)
        if (str_is(e->key, key))
            return e->value;
    return add_value(p, map, key, PB_LIST, (struct str){NULL, 0});
}

static void read_strings(struct parser *p, struct str bytes, struct pb_value *map, const char *const *names, size_t n)
{
    struct pb_reader r = pb_reader_of(bytes);
    struct pb_item item;

    while (next(p, &r, &item))
        if (item.tag >= 1 && (uint64_t)item.tag <= n)
            (void)add_value(p, map, names[item.tag - 1], PB_STRING, text_of(p, &item));
}

/* Confluent's options: documentation, parameters, tags and rules. */
static struct pb_option *read_meta(struct parser *p, const char *name, struct str bytes)
{
    static const char *const PARAM[] = {"key", "value"}, *const RULE[] = {"name", "doc", "expr", "sql"};
    struct pb_option *o = new_option(p, name, PB_MAP, (struct str){NULL, 0});
    const struct str none = {NULL, 0};
    struct pb_reader r = pb_reader_of(bytes);
    struct pb_item item;

    o->custom = true;
    while (next(p, &r, &item)) {
        if (item.tag == 1)
            (void)add_value(p, o->value, "doc", PB_STRING, text_of(p, &item));
        else if (item.tag == 2)
            read_strings(p, body_of(p, &item), add_value(p, list_of(p, o->value, "params"), "", PB_MAP, none), PARAM,
                         2);
        else if (item.tag == 3)
            (void)add_value(p, list_of(p, o->value, "tags"), "", PB_STRING, text_of(p, &item));
        else if (item.tag == 4)
            read_strings(p, body_of(p, &item), add_value(p, list_of(p, o->value, "rules"), "", PB_MAP, none), RULE, 4);
    }
    return o->value->entries ? o : NULL;
}

static struct pb_option *read_standard(struct parser *p, const struct pb_standard_option *s, const struct pb_item *item)
{
    uint64_t n = 0;

    if (s->kind == PB_STRING)
        return new_option(p, s->name, PB_STRING, text_of(p, item));
    if (s->kind == PB_BOOLEAN)
        return new_option(p, s->name, PB_BOOLEAN, item->number ? STR("true") : STR("false"));
    while (s->names[n] && n < item->number)
        n++;
    return s->names[n] ? new_option(p, s->name, PB_ENUM, str_of(s->names[n])) : NULL;
}

static struct pb_option *read_options(struct parser *p, enum pb_option_owner owner, struct str bytes)
{
    struct pb_option *first = NULL, **tail = &first, *o;
    struct pb_item item, last;
    bool found;

    for (size_t i = 0; i < PB_N_STANDARD_OPTIONS; i++) {
        const struct pb_standard_option *s = &PB_STANDARD_OPTIONS[i];
        struct pb_reader r = pb_reader_of(bytes);

        found = false;
        while (s->owner == owner && next(p, &r, &item)) {
            if (item.tag == s->tag) {
                last = item;
                found = true;
            }
        }
        o = found ? read_standard(p, s, &last) : NULL;
        if (o)
            pb_append(tail, o);
    }
    for (struct pb_reader r = pb_reader_of(bytes); pb_meta_name(owner) && next(p, &r, &item);) {
        o = item.tag == PB_META_TAG ? read_meta(p, pb_meta_name(owner), item.bytes) : NULL;
        if (o)
            pb_append(tail, o);
    }
    return first;
}

/* --- fields ----------------------------------------------------------------------------------------------------------
 */

struct field {
    struct pb_field *f;
    struct str extendee;
    int64_t oneof; /* -1: none */
};

static struct field read_field(struct parser *p, struct str bytes)
{
    struct field out = {NEW(p, struct pb_field), {NULL, 0}, -1};
    struct pb_reader r = pb_reader_of(bytes);
    int32_t label = 1, type = 0;
    bool proto3_optional = false;
    struct pb_item item;

    while (next(p, &r, &item)) {
        switch (item.tag) {
        case 1:
            out.f->name = name_of(p, &item);
            break;
        case 2:
            out.extendee = type_of(p, &item);
            break;
        case 3:
            out.f->tag = int_of(p, &item);
            break;
        case 4:
            label = int_of(p, &item);
            break;
        case 5:
            type = int_of(p, &item);
            break;
        case 6:
            out.f->type = type_of(p, &item);
            break;
        case 7:
            out.f->default_value = text_of(p, &item);
            break;
        case 8:
            out.f->options = read_options(p, PB_OF_FIELD, body_of(p, &item));
            break;
        case 9:
            out.oneof = int_of(p, &item);
            break;
        case 10:
            out.f->json_name = text_of(p, &item);
            break;
        case 17:
            proto3_optional = item.number != 0;
            break;
        default:
            break;
        }
    }
    if (!out.f->type.p && type >= PB_DOUBLE && type <= PB_SINT64 && pb_scalar_name((enum pb_kind)type))
        out.f->type = str_of(pb_scalar_name((enum pb_kind)type));
    if (!out.f->type.n || !out.f->name.n || type == PB_GROUP)
        p->bad = true; /* groups are not put together again from descriptors, as in the registry */
    if (p->file->syntax == PB_PROTO3)
        out.f->default_value = (struct str){NULL, 0};
    if (proto3_optional)
        out.oneof = -1;
    if (proto3_optional || label == 3 || p->file->syntax != PB_PROTO3)
        out.f->label = proto3_optional ? PB_OPTIONAL
                       : label == 3    ? PB_REPEATED
                       : label == 2    ? PB_REQUIRED
                                       : PB_OPTIONAL;
    return out;
}

/* Extensions of one message are together. */
static void add_extension(struct parser *p, struct pb_extend **extends, struct str bytes)
{
    const struct field field = read_field(p, bytes);
    struct pb_field **tail;

    while (*extends && !str_eq((*extends)->name, field.extendee))
        extends = &(*extends)->next;
    if (!*extends) {
        *extends = NEW(p, struct pb_extend);
        (*extends)->name = field.extendee;
    }
    for (tail = &(*extends)->fields; *tail; tail = &(*tail)->next)
        ;
    *tail = field.f;
    if (!field.extendee.n || ++p->walked > WALKS_MAX)
        p->bad = true;
}

/* `past`: the end is the first number behind the range. */
static struct pb_ranges *read_range(struct parser *p, struct str bytes, int32_t past)
{
    struct pb_ranges *out = NEW(p, struct pb_ranges);
    struct pb_reader r = pb_reader_of(bytes);
    struct pb_item item;

    out->list = NEW(p, struct pb_range);
    while (next(p, &r, &item)) {
        if (item.tag == 1)
            out->list->first = int_of(p, &item);
        else if (item.tag == 2)
            out->list->last = (int32_t)((uint32_t)int_of(p, &item) - (uint32_t)past);
        else if (item.tag == 3)
            out->options = read_options(p, PB_OF_RANGE, body_of(p, &item));
    }
    out->list->is_range = out->list->first != out->list->last;
    return out;
}

static struct pb_ranges *read_reserved_name(struct parser *p, const struct pb_item *item)
{
    struct pb_ranges *out = NEW(p, struct pb_ranges);

    out->list = NEW(p, struct pb_range);
    out->list->name = name_of(p, item);
    return out;
}

/* --- types -----------------------------------------------------------------------------------------------------------
 */

static struct pb_constant *read_constant(struct parser *p, struct str bytes)
{
    struct pb_constant *c = NEW(p, struct pb_constant);
    struct pb_reader r = pb_reader_of(bytes);
    struct pb_item item;

    while (next(p, &r, &item)) {
        if (item.tag == 1)
            c->name = name_of(p, &item);
        else if (item.tag == 2)
            c->number = int_of(p, &item);
        else if (item.tag == 3)
            c->options = read_options(p, PB_OF_CONSTANT, body_of(p, &item));
    }
    if (!c->name.n)
        p->bad = true;
    return c;
}

static struct pb_type *read_enum(struct parser *p, struct str bytes)
{
    struct pb_type *e = NEW(p, struct pb_type);
    struct pb_constant **constants = &e->constants, *c;
    struct pb_ranges *names = NULL, **ranges = &e->reserved, **names_tail = &names, *one;
    struct pb_reader r = pb_reader_of(bytes);
    struct pb_item item;

    e->is_enum = true;
    while (next(p, &r, &item)) {
        if (item.tag == 1) {
            e->name = name_of(p, &item);
        } else if (item.tag == 2) {
            c = read_constant(p, body_of(p, &item));
            pb_append(constants, c);
        } else if (item.tag == 3) {
            e->options = read_options(p, PB_OF_ENUM, body_of(p, &item));
        } else if (item.tag == 4) {
            one = read_range(p, body_of(p, &item), 0);
            pb_append(ranges, one);
        } else if (item.tag == 5) {
            one = read_reserved_name(p, &item);
            pb_append(names_tail, one);
        }
    }
    *ranges = names;
    if (!e->name.n)
        p->bad = true;
    return e;
}

static struct pb_oneof *read_oneof(struct parser *p, struct str bytes)
{
    struct pb_oneof *o = NEW(p, struct pb_oneof);
    struct pb_reader r = pb_reader_of(bytes);
    struct pb_item item;

    while (next(p, &r, &item))
        if (item.tag == 1)
            o->name = name_of(p, &item);
    return o;
}

/* The tails of the lists of the message that is read. */
struct tails {
    struct pb_field **fields;
    struct pb_type *enums, **messages, **enums_tail;
    struct pb_ranges **reserved, *names, **names_tail, **extensions;
    VEC(struct pb_oneof *) oneofs;
    VEC(struct str) fields_bytes;
};

static struct pb_type *read_message(struct parser *p, struct str bytes);

static void read_member(struct parser *p, struct pb_type *m, const struct pb_item *item, struct tails *t)
{
    struct pb_ranges *one;
    struct pb_type *type;

    switch (item->tag) {
    case 1:
        m->name = name_of(p, item);
        break;
    case 2:
        vec_push(&t->fields_bytes, body_of(p, item));
        break;
    case 3:
        type = read_message(p, body_of(p, item));
        pb_append(t->messages, type);
        break;
    case 4:
        type = read_enum(p, body_of(p, item));
        pb_append(t->enums_tail, type);
        break;
    case 5:
        one = read_range(p, body_of(p, item), 1);
        pb_append(t->extensions, one);
        break;
    case 6:
        add_extension(p, &m->extends, body_of(p, item));
        break;
    case 7:
        m->options = read_options(p, PB_OF_MESSAGE, body_of(p, item));
        break;
    case 8:
        vec_push(&t->oneofs, read_oneof(p, body_of(p, item)));
        break;
    case 9:
        one = read_range(p, body_of(p, item), 1);
        pb_append(t->reserved, one);
        break;
    case 10:
        one = read_reserved_name(p, item);
        pb_append(t->names_tail, one);
        break;
    default:
        break;
    }
}

/* The fields, when the oneofs that they are in are known. Oneofs without any were made for optional fields of proto3.
 */
static void place_fields(struct parser *p, struct pb_type *m, struct tails *t)
{
    struct pb_oneof **oneofs = &m->oneofs;

    for (size_t i = 0; i < t->fields_bytes.n; i++) {
        const struct field field = read_field(p, t->fields_bytes.p[i]);
        struct pb_field **tail;

        if (field.oneof < 0) {
            pb_append(t->fields, field.f);
            continue;
        }
        if ((uint64_t)field.oneof >= t->oneofs.n || ++p->walked > WALKS_MAX) {
            p->bad = true;
            break;
        }
        field.f->label = PB_NO_LABEL;
        for (tail = &t->oneofs.p[field.oneof]->fields; *tail; tail = &(*tail)->next)
            ;
        *tail = field.f;
    }
    for (size_t i = 0; i < t->oneofs.n; i++) {
        if (!t->oneofs.p[i]->fields)
            continue;
        if (!t->oneofs.p[i]->name.n)
            p->bad = true;
        pb_append(oneofs, t->oneofs.p[i]);
    }
}

static struct pb_type *read_message(struct parser *p, struct str bytes)
{
    struct pb_type *m = NEW(p, struct pb_type);
    struct tails t = {
        .fields = &m->fields, .messages = &m->types, .reserved = &m->reserved, .extensions = &m->extensions};
    struct pb_reader r = pb_reader_of(bytes);
    struct pb_item item;

    t.enums_tail = &t.enums;
    t.names_tail = &t.names;
    if (++p->depth > PROTOBUF_NEST_MAX)
        p->bad = true;
    while (next(p, &r, &item))
        read_member(p, m, &item, &t);
    *t.messages = t.enums;
    *t.reserved = t.names;
    place_fields(p, m, &t);
    p->depth--;
    vec_free(&t.oneofs);
    vec_free(&t.fields_bytes);
    if (!m->name.n)
        p->bad = true;
    return m;
}

static struct pb_rpc *read_rpc(struct parser *p, struct str bytes)
{
    struct pb_rpc *rpc = NEW(p, struct pb_rpc);
    struct pb_reader r = pb_reader_of(bytes);
    struct pb_item item;

    while (next(p, &r, &item)) {
        if (item.tag == 1)
            rpc->name = name_of(p, &item);
        else if (item.tag == 2)
            rpc->request = type_of(p, &item);
        else if (item.tag == 3)
            rpc->response = type_of(p, &item);
        else if (item.tag == 4)
            rpc->options = read_options(p, PB_OF_METHOD, body_of(p, &item));
        else if (item.tag == 5)
            rpc->request_stream = item.number != 0;
        else if (item.tag == 6)
            rpc->response_stream = item.number != 0;
    }
    if (!rpc->name.n || !rpc->request.n || !rpc->response.n)
        p->bad = true;
    return rpc;
}

static struct pb_service *read_service(struct parser *p, struct str bytes)
{
    struct pb_service *s = NEW(p, struct pb_service);
    struct pb_rpc **rpcs = &s->rpcs, *rpc;
    struct pb_reader r = pb_reader_of(bytes);
    struct pb_item item;

    while (next(p, &r, &item)) {
        if (item.tag == 1) {
            s->name = name_of(p, &item);
        } else if (item.tag == 2) {
            rpc = read_rpc(p, body_of(p, &item));
            pb_append(rpcs, rpc);
        } else if (item.tag == 3) {
            s->options = read_options(p, PB_OF_SERVICE, body_of(p, &item));
        }
    }
    if (!s->name.n)
        p->bad = true;
    return s;
}

/* --- the file
 * --------------------------------------------------------------------------------------------------------- */

/* The syntax first: what a field's label means depends on it. */
static void read_syntax(struct parser *p, struct str bytes)
{
    struct pb_reader r = pb_reader_of(bytes);
    struct pb_item item;

    while (next(p, &r, &item)) {
        if (item.tag == 12 && str_is(item.bytes, "proto3"))
            p->file->syntax = PB_PROTO3;
        else if (item.tag == 12 && str_is(item.bytes, "proto2"))
            p->file->syntax = PB_PROTO2;
        else if (item.tag == 12 || item.tag == 14)
            p->bad = true; /* editions */
    }
}

static void read_imports(struct parser *p, struct str bytes)
{
    VEC(struct pb_import *) all = {0};
    struct pb_import **imports = &p->file->imports, **other;
    struct pb_reader r = pb_reader_of(bytes);
    struct pb_item item;

    while (next(p, &r, &item)) {
        if (item.tag == 3) {
            struct pb_import *i = NEW(p, struct pb_import);

            i->name = text_of(p, &item);
            p->bad = p->bad || !pb_is_plain(i->name);
            vec_push(&all, i);
        }
    }
    for (r = pb_reader_of(bytes); next(p, &r, &item);) { /* public and weak ones are named by their index */
        if ((item.tag != 10 && item.tag != 11) || item.wire != PB_WIRE_VARINT)
            continue;
        if (item.number >= all.n || !all.p[item.number])
            continue;
        for (other = item.tag == 10 ? &p->file->public_imports : &p->file->weak_imports; *other;
             other = &(*other)->next)
            ;
        *other = all.p[item.number];
        all.p[item.number] = NULL;
    }
    for (size_t i = 0; i < all.n; i++)
        if (all.p[i])
            pb_append(imports, all.p[i]);
    vec_free(&all);
}

static void read_file(struct parser *p, struct str bytes)
{
    struct pb_type *enums = NULL, **messages = &p->file->types, **enums_tail = &enums, *type;
    struct pb_service **services = &p->file->services, *service;
    struct pb_reader r = pb_reader_of(bytes);
    struct pb_item item;

    while (next(p, &r, &item)) {
        if (item.tag == 2 && item.bytes.n) {
            p->file->package = type_of(p, &item);
        } else if (item.tag == 4) {
            type = read_message(p, body_of(p, &item));
            pb_append(messages, type);
        } else if (item.tag == 5) {
            type = read_enum(p, body_of(p, &item));
            pb_append(enums_tail, type);
        } else if (item.tag == 6) {
            service = read_service(p, body_of(p, &item));
            pb_append(services, service);
        } else if (item.tag == 7) {
            add_extension(p, &p->file->extends, body_of(p, &item));
        } else if (item.tag == 8) {
            p->file->options = read_options(p, PB_OF_FILE, body_of(p, &item));
        }
    }
    *messages = enums;
}

/* Are the bytes fields throughout? */
static bool is_well_formed(struct str bytes)
{
    struct pb_reader r = pb_reader_of(bytes);
    struct pb_item item;
    bool bad;

    while (pb_read_item(&r, &item, &bad))
        ;
    return !bad;
}

enum ig_code pb_parse_descriptor(struct arena *arena, struct str bytes, struct pb_file **out, struct error *err)
{
    struct parser p = {.arena = arena};

    p.file = ARENA_NEW(arena, struct pb_file);
    *out = p.file;
    if (!is_well_formed(bytes))
        return error_set(err, IG_NOT_FOUND, "no FileDescriptorProto");
    read_syntax(&p, bytes);
    read_imports(&p, bytes);
    read_file(&p, bytes);
    if (p.bad ||
        (!p.file->types && !p.file->services && !p.file->extends && !p.file->imports && !p.file->public_imports))
        return error_set(err, IG_INVALID, "the FileDescriptorProto is none that can be written as a .proto text");
    return IG_OK;
}
