/*
 * Protobuf: a file as a FileDescriptorProto, which clients ask for with ?format=serialized.
 */
#include "registry/protobuf_wire.h"

#include <stdio.h>
#include <stdlib.h>

static void add_text(struct buf *out, int64_t tag, struct str text)
{
    if (text.p)
        pb_add_bytes(out, tag, text);
}

/* The full name with a dot before. */
static void add_type_name(struct buf *out, int64_t tag, const struct pb_type *type)
{
    struct buf name;

    buf_init(&name, 0);
    buf_putc(&name, '.');
    buf_add_str(&name, type->full);
    pb_add_bytes(out, tag, buf_str(&name));
    buf_release(&name);
}

/* --- options ---------------------------------------------------------------------------------------------------------
 */

static const struct pb_value *value_of(const struct pb_value *map, const char *key)
{
    for (const struct pb_entry *e = map->entries; e; e = e->next)
        if (str_is(e->key, key))
            return e->value;
    return NULL;
}

static void add_strings(struct buf *out, int64_t tag, const struct pb_value *map, const char *const *names, size_t n)
{
    struct buf inner;

    buf_init(&inner, 0);
    for (size_t i = 0; i < n; i++) {
        const struct pb_value *v = value_of(map, names[i]);

        if (v && v->kind == PB_STRING)
            pb_add_bytes(&inner, (int64_t)i + 1, v->text);
    }
    pb_add_bytes(out, tag, buf_str(&inner));
    buf_release(&inner);
}

/* One value, or a list of them. */
static void add_meta_values(struct buf *out, int64_t tag, const struct pb_value *v, const char *const *names, size_t n)
{
    if (v->kind == PB_LIST) {
        for (const struct pb_entry *e = v->entries; e; e = e->next)
            if (e->value->kind != PB_LIST)
                add_meta_values(out, tag, e->value, names, n);
    } else if (v->kind == PB_MAP && n) {
        add_strings(out, tag, v, names, n);
    } else if (v->kind == PB_STRING) {
        pb_add_bytes(out, tag, v->text);
    }
}

static void add_meta(struct buf *out, const struct pb_option *o)
{
    static const char *const PARAM[] = {"key", "value"}, *const RULE[] = {"name", "doc", "expr", "sql"};
    static const struct {
        const char *name;
        const char *const *names;
        size_t n;
    } MEMBERS[] = {{"doc", NULL, 0}, {"params", PARAM, 2}, {"tags", NULL, 0}, {"rules", RULE, 4}};
    struct buf meta;

    buf_init(&meta, 0);
    for (size_t i = 0; i < IG_COUNT(MEMBERS); i++) {
        const struct pb_value *v = NULL;

        if (o->value->kind == PB_MAP)
            v = value_of(o->value, MEMBERS[i].name);
        else if (o->value->kind == PB_OPTION && str_is(o->value->sub->name, MEMBERS[i].name))
            v = o->value->sub->value;
        if (v)
            add_meta_values(&meta, (int64_t)i + 1, v, MEMBERS[i].names, MEMBERS[i].n);
    }
    pb_add_bytes(out, PB_META_TAG, buf_str(&meta));
    buf_release(&meta);
}

static void add_standard(struct buf *out, const struct pb_standard_option *s, const struct pb_value *v)
{
    if (s->kind == PB_STRING && v->kind == PB_STRING)
        pb_add_bytes(out, s->tag, v->text);
    else if (s->kind == PB_BOOLEAN && v->kind == PB_BOOLEAN)
        pb_add_number(out, s->tag, str_is(v->text, "true"));
    for (uint64_t n = 0; s->kind == PB_ENUM && v->kind == PB_ENUM && s->names[n]; n++)
        if (str_is(v->text, s->names[n]))
            pb_add_number(out, s->tag, n);
}

static void add_options(struct buf *out, int64_t tag, enum pb_option_owner owner, const struct pb_option *options)
{
    const char *meta = pb_meta_name(owner);
    struct buf inner;

    buf_init(&inner, 0);
    for (const struct pb_option *o = options; o; o = o->next) {
        const struct str name = o->name.n && o->name.p[0] == '.' ? (struct str){o->name.p + 1, o->name.n - 1} : o->name;

        if (o->custom && meta && str_is(name, meta))
            add_meta(&inner, o);
        for (size_t i = 0; !o->custom && i < PB_N_STANDARD_OPTIONS; i++)
            if (PB_STANDARD_OPTIONS[i].owner == owner && str_is(o->name, PB_STANDARD_OPTIONS[i].name))
                add_standard(&inner, &PB_STANDARD_OPTIONS[i], o->value);
    }
    if (inner.n)
        pb_add_bytes(out, tag, buf_str(&inner));
    buf_release(&inner);
}

/* --- fields ----------------------------------------------------------------------------------------------------------
 */

/* foo_bar of Msg: "FooBarEntry", as protoc calls the messages that maps are made of. */
static void add_entry_name(struct buf *out, const struct pb_field *f)
{
    bool up = true;

    for (size_t i = 0; i < f->name.n; i++) {
        const char c = f->name.p[i];

        if (c != '_')
            buf_putc(out, up && c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c);
        up = c == '_';
    }
    buf_puts(out, "Entry");
}

struct where {
    const struct pb_type *message; /* NULL: an extension of the file */
    const struct pb_type *extendee;
    int64_t oneof; /* -1: none */
    bool proto3_optional;
};

static void add_entry_type(struct buf *out, const struct pb_field *f, const struct where *w)
{
    struct buf name;

    buf_init(&name, 0);
    buf_printf(&name, "." STR_FMT ".", STR_ARG(w->message->full));
    add_entry_name(&name, f);
    pb_add_bytes(out, 6, buf_str(&name));
    buf_release(&name);
}

static void add_field(struct buf *out, int64_t tag, const struct pb_field *f, const struct where *w)
{
    const bool map = f->kind == PB_KIND_MAP && f->key_type.p, entry = f->kind == PB_KIND_MAP && !map;
    struct buf field;

    buf_init(&field, 0);
    add_text(&field, 1, f->name);
    if (w->extendee)
        add_type_name(&field, 2, w->extendee);
    pb_add_number(&field, 3, (uint64_t)f->tag);
    pb_add_number(&field, 4, map || f->label == PB_REPEATED ? 3 : f->label == PB_REQUIRED ? 2 : 1);
    pb_add_number(&field, 5, (uint64_t)(f->kind == PB_KIND_MAP ? PB_MESSAGE : f->kind));
    if (map && w->message)
        add_entry_type(&field, f, w);
    else if (entry)
        pb_add_bytes(&field, 6, f->type); /* as written: it is looked up the same way */
    else if (f->of && f->kind != PB_GROUP)
        add_type_name(&field, 6, f->of);
    else if (f->kind == PB_GROUP)
        pb_add_bytes(&field, 6, f->name);
    add_text(&field, 7, f->default_value);
    add_options(&field, 8, PB_OF_FIELD, f->options);
    if (w->oneof >= 0)
        pb_add_number(&field, 9, (uint64_t)w->oneof);
    add_text(&field, 10, f->json);
    if (w->proto3_optional)
        pb_add_number(&field, 17, 1);
    pb_add_bytes(out, tag, buf_str(&field));
    buf_release(&field);
}

static void add_map_entry(struct buf *out, const struct pb_field *f)
{
    const struct pb_field key = {.name = STR("key"), .tag = 1, .kind = f->key_kind, .json = STR("key")};
    const struct pb_field value = {
        .name = STR("value"), .tag = 2, .kind = f->value_kind, .of = f->of, .json = STR("value")};
    const struct where w = {.oneof = -1};
    struct buf entry;

    buf_init(&entry, 0);
    pb_add_tag(&entry, 1, PB_WIRE_BYTES);
    {
        struct buf name;

        buf_init(&name, 0);
        add_entry_name(&name, f);
        pb_add_varint(&entry, name.n);
        buf_add_str(&entry, buf_str(&name));
        buf_release(&name);
    }
    add_field(&entry, 2, &key, &w);
    add_field(&entry, 2, &value, &w);
    pb_add_bytes(&entry, 7, STR("\x38\x01")); /* map_entry = true */
    pb_add_bytes(out, 3, buf_str(&entry));
    buf_release(&entry);
}

static void add_extends(struct buf *out, int64_t tag, const struct pb_schema *s, struct str scope,
                        const struct pb_extend *extends)
{
    for (const struct pb_extend *e = extends; e; e = e->next) {
        const struct where w = {.extendee = pb_find_type(s, scope, e->name), .oneof = -1};

        for (const struct pb_field *f = e->fields; f; f = f->next)
            if (f->kind != PB_GROUP && f->kind != PB_KIND_MAP)
                add_field(out, tag, f, &w);
    }
}

/* --- types -----------------------------------------------------------------------------------------------------------
 */

/* A range of an enum ends with its last number, one of a message behind it. */
static void add_ranges(struct buf *out, int64_t tag, int64_t name_tag, const struct pb_ranges *ranges, int past,
                       bool options)
{
    struct buf range;

    buf_init(&range, 0);
    for (const struct pb_ranges *r = ranges; r; r = r->next) {
        for (const struct pb_range *one = r->list; one; one = one->next) {
            if (one->name.p) {
                pb_add_bytes(out, name_tag, one->name);
                continue;
            }
            buf_clear(&range);
            pb_add_number(&range, 1, (uint64_t)(int64_t)one->first);
            pb_add_number(&range, 2, (uint64_t)((int64_t)one->last + past));
            if (options)
                add_options(&range, 3, PB_OF_RANGE, r->options);
            pb_add_bytes(out, tag, buf_str(&range));
        }
    }
    buf_release(&range);
}

static void add_enum(struct buf *out, int64_t tag, const struct pb_type *e)
{
    struct buf body, constant;

    buf_init(&body, 0);
    buf_init(&constant, 0);
    add_text(&body, 1, e->name);
    for (const struct pb_constant *c = e->constants; c; c = c->next) {
        buf_clear(&constant);
        add_text(&constant, 1, c->name);
        pb_add_number(&constant, 2, (uint64_t)(int64_t)c->number);
        add_options(&constant, 3, PB_OF_CONSTANT, c->options);
        pb_add_bytes(&body, 2, buf_str(&constant));
    }
    add_options(&body, 3, PB_OF_ENUM, e->options);
    add_ranges(&body, 4, 5, e->reserved, 0, false);
    pb_add_bytes(out, tag, buf_str(&body));
    buf_release(&constant);
    buf_release(&body);
}

static void add_oneof(struct buf *out, struct str prefix, struct str name)
{
    struct buf text, body;

    buf_init(&text, 0);
    buf_init(&body, 0);
    buf_add_str(&text, prefix);
    buf_add_str(&text, name);
    pb_add_bytes(&body, 1, buf_str(&text));
    pb_add_bytes(out, 8, buf_str(&body));
    buf_release(&body);
    buf_release(&text);
}

static bool is_proto3_optional(const struct pb_type *m, const struct pb_field *f)
{
    return m->file->syntax == PB_PROTO3 && f->label == PB_OPTIONAL && !f->oneof;
}

/* The fields as they were written; an optional one of proto3 gets a oneof of its own, behind the others. */
static void add_fields(struct buf *body, const struct pb_type *m)
{
    int64_t next = (int64_t)m->n_oneofs;

    for (size_t i = 0; i < m->n; i++) {
        const struct pb_field *f = m->in_order[i];
        struct where w = {.message = m, .oneof = f->oneof ? (int64_t)f->oneof->index : -1};

        w.proto3_optional = is_proto3_optional(m, f);
        if (w.proto3_optional)
            w.oneof = next++;
        add_field(body, 2, f, &w);
    }
    for (const struct pb_oneof *o = m->oneofs; o; o = o->next)
        add_oneof(body, STR(""), o->name);
    for (size_t i = 0; i < m->n; i++)
        if (is_proto3_optional(m, m->in_order[i]))
            add_oneof(body, STR("_"), m->in_order[i]->name);
}

static void add_message(struct buf *out, int64_t tag, const struct pb_schema *s, const struct pb_type *m)
{
    struct buf body;

    buf_init(&body, 0);
    add_text(&body, 1, m->name);
    add_fields(&body, m);
    for (const struct pb_type *t = m->types; t; t = t->next)
        if (!t->is_enum)
            add_message(&body, 3, s, t);
    for (size_t i = 0; i < m->n; i++) {
        const struct pb_field *f = m->in_order[i];

        if (f->kind == PB_KIND_MAP && f->key_type.p)
            add_map_entry(&body, f);
        else if (f->kind == PB_GROUP)
            add_message(&body, 3, s, f->of);
    }
    for (const struct pb_type *t = m->types; t; t = t->next)
        if (t->is_enum)
            add_enum(&body, 4, t);
    add_ranges(&body, 5, 0, m->extensions, 1, true);
    add_extends(&body, 6, s, m->full, m->extends);
    add_options(&body, 7, PB_OF_MESSAGE, m->options);
    add_ranges(&body, 9, 10, m->reserved, 1, false);
    pb_add_bytes(out, tag, buf_str(&body));
    buf_release(&body);
}

static void add_service(struct buf *out, const struct pb_schema *s, const struct pb_service *service)
{
    struct buf body, rpc;

    buf_init(&body, 0);
    buf_init(&rpc, 0);
    add_text(&body, 1, service->name);
    for (const struct pb_rpc *r = service->rpcs; r; r = r->next) {
        buf_clear(&rpc);
        add_text(&rpc, 1, r->name);
        add_type_name(&rpc, 2, pb_find_type(s, s->file->package, r->request));
        add_type_name(&rpc, 3, pb_find_type(s, s->file->package, r->response));
        add_options(&rpc, 4, PB_OF_METHOD, r->options);
        if (r->request_stream)
            pb_add_number(&rpc, 5, 1);
        if (r->response_stream)
            pb_add_number(&rpc, 6, 1);
        pb_add_bytes(&body, 2, buf_str(&rpc));
    }
    add_options(&body, 3, PB_OF_SERVICE, service->options);
    pb_add_bytes(out, 6, buf_str(&body));
    buf_release(&rpc);
    buf_release(&body);
}

void pb_serialize(const struct pb_schema *s, struct buf *out)
{
    const struct pb_file *f = s->file;
    uint64_t n = 0;

    pb_add_bytes(out, 1, STR("default"));
    add_text(out, 2, f->package);
    for (const struct pb_import *i = f->imports; i; i = i->next, n++)
        pb_add_bytes(out, 3, i->name);
    for (const struct pb_import *i = f->public_imports; i; i = i->next, n++) {
        pb_add_bytes(out, 3, i->name);
        pb_add_number(out, 10, n);
    }
    for (const struct pb_import *i = f->weak_imports; i; i = i->next, n++) {
        pb_add_bytes(out, 3, i->name);
        pb_add_number(out, 11, n);
    }
    for (const struct pb_type *t = f->types; t; t = t->next)
        if (!t->is_enum)
            add_message(out, 4, s, t);
    for (const struct pb_type *t = f->types; t; t = t->next)
        if (t->is_enum)
            add_enum(out, 5, t);
    for (const struct pb_service *service = f->services; service; service = service->next)
        add_service(out, s, service);
    add_extends(out, 7, s, f->package, f->extends);
    add_options(out, 8, PB_OF_FILE, f->options);
    if (f->syntax != PB_NO_SYNTAX)
        add_text(out, 12, f->syntax == PB_PROTO3 ? STR("proto3") : STR("proto2"));
}
