/*
 * Protobuf: a file as text, as Confluent's registry prints it: that is what it hands out and compares. Normalized, what
 * has no order has one, and types have their full names. Messages keep their order: the indexes on the wire count them.
 */
#include "registry/protobuf_print.h"

#include <stdio.h>
#include <stdlib.h>

static void print_message(struct pb_printer *p, const struct pb_type *m);

/* --- types' names ---------------------------------------------------------------------------------------------------
 */

/* The full name with a dot before; as it is if it is not known (or not to be changed). */
static struct str resolved(struct pb_printer *p, struct str name)
{
    const struct pb_type *type = p->mode == PB_NORMAL ? pb_find_type(p->schema, p->scope, name) : NULL;

    return type ? str_of(arena_printf(&p->arena, "." STR_FMT, STR_ARG(type->full))) : name;
}

static const struct pb_field *field_of(const struct pb_type *type, const char *name)
{
    for (const struct pb_field *f = type->fields; f; f = f->next)
        if (str_is(f->name, name))
            return f;
    return NULL;
}

/* The type as it is printed; *map: it is one, and has no label. */
static struct str field_type(struct pb_printer *p, const struct pb_field *f, bool *map)
{
    struct str key = f->key_type, value = f->value_type;
    enum pb_kind kind;

    *map = key.p != NULL;
    if (p->mode != PB_NORMAL || f->is_group)
        return f->type;
    if (!key.p && !pb_scalar_of(f->type, &kind)) {
        const struct pb_type *type = pb_find_type(p->schema, p->scope, f->type);

        if (!type || !type->is_map_entry || !field_of(type, "key") || !field_of(type, "value"))
            return resolved(p, f->type);
        *map = true;
        key = field_of(type, "key")->type;
        value = field_of(type, "value")->type;
    }
    if (!*map)
        return f->type;
    if (!pb_scalar_of(value, &kind))
        value = resolved(p, value);
    return str_of(arena_printf(&p->arena, "map<" STR_FMT ", " STR_FMT ">", STR_ARG(key), STR_ARG(value)));
}

/* default and json_name, which are printed behind the options. */
static struct pb_option *add_special(struct pb_printer *p, const struct pb_field *f, struct str type)
{
    struct pb_option *first = NULL, **tail = &first, *o;
    enum pb_kind kind = PB_MESSAGE;

    for (const struct pb_option *from = f->options; from; from = from->next) {
        o = ARENA_NEW(&p->arena, struct pb_option);
        *o = *from;
        o->next = NULL;
        pb_append(tail, o);
    }
    (void)pb_scalar_of(type, &kind);
    for (int i = 0; i < 2; i++) {
        const struct str text = i ? f->json_name : f->default_value;

        if (!text.p)
            continue;
        o = ARENA_NEW(&p->arena, struct pb_option);
        o->name = i ? STR("json_name") : STR("default");
        o->value = ARENA_NEW(&p->arena, struct pb_value);
        o->value->text = text;
        o->value->kind = i || kind == PB_TEXT || kind == PB_BYTES ? PB_STRING
                         : kind == PB_MESSAGE || kind == PB_BOOL  ? PB_ENUM
                                                                  : PB_NUMBER;
        pb_append(tail, o);
    }
    return first;
}

static void print_field(struct pb_printer *p, const struct pb_field *f)
{
    static const char *const LABELS[] = {"", "optional ", "required ", "repeated "};
    bool map;
    const struct str type = field_type(p, f, &map);

    pb_put(p, map && p->mode == PB_NORMAL ? STR("") : str_of(LABELS[f->label]));
    pb_put(p, type);
    pb_putf(p, " %.*s = %d", (int)(f->name.n > 400 ? 400 : f->name.n), f->name.p, f->tag);
    pb_print_inline_options(p, add_special(p, f, type));
    pb_put(p, STR(";"));
    pb_newline(p);
}

/* --- lists that have an order when normalized
 * --------------------------------------------------------------------------- */

static int by_tag(const void *a, const void *b)
{
    const struct pb_field *const *x = a, *const *y = b;

    return (*x)->tag<(*y)->tag ? -1 : (*x)->tag>(*y)->tag;
}

static const struct pb_field **sorted_fields(struct pb_printer *p, const struct pb_field *fields, size_t *n)
{
    const struct pb_field **list;

    *n = 0;
    for (const struct pb_field *f = fields; f; f = f->next)
        (*n)++;
    list = ARENA_ARRAY(&p->arena, const struct pb_field *, *n + 1);
    *n = 0;
    for (const struct pb_field *f = fields; f; f = f->next)
        list[(*n)++] = f;
    if (p->mode == PB_NORMAL)
        qsort(list, *n, sizeof(struct pb_field *), by_tag);
    return list;
}

static void print_fields(struct pb_printer *p, const struct pb_field *fields)
{
    size_t n;
    const struct pb_field **list = sorted_fields(p, fields, &n);

    for (size_t i = 0; i < n; i++)
        print_field(p, list[i]);
}

/* Opens a block: the brace, and what is in it is one level further in. */
static void open_block(struct pb_printer *p)
{
    pb_put(p, STR(" {"));
}

/* A part of a block that has something in it; a blank line is between two. */
static void begin_part(struct pb_printer *p)
{
    pb_newline(p);
    p->level++;
}

static void end_part(struct pb_printer *p)
{
    p->level--;
}

static void close_block(struct pb_printer *p)
{
    pb_put(p, STR("}"));
    pb_newline(p);
}

static void print_groups(struct pb_printer *p, const struct pb_field *groups)
{
    static const char *const LABELS[] = {"", "optional ", "required ", "repeated "};
    size_t n;
    const struct pb_field **list = sorted_fields(p, groups, &n);

    for (size_t i = 0; i < n; i++) {
        pb_putf(p, "%sgroup %.*s = %d", LABELS[list[i]->label], (int)(list[i]->name.n > 400 ? 400 : list[i]->name.n),
                list[i]->name.p, list[i]->tag);
        open_block(p);
        if (list[i]->group) {
            begin_part(p);
            print_fields(p, list[i]->group);
            end_part(p);
        }
        close_block(p);
    }
}

struct one_range {
    const struct pb_range *range;
    const struct pb_option *options;
    char text[32];
};

static int by_start(const void *a, const void *b)
{
    const struct one_range *x = a, *y = b;
    const int32_t i = x->range->name.p ? INT32_MAX : x->range->first,
                  j = y->range->name.p ? INT32_MAX : y->range->first;

    if (i != j)
        return i < j ? -1 : 1;
    return str_cmp(x->range->name.p ? x->range->name : str_of(x->text),
                   y->range->name.p ? y->range->name : str_of(y->text));
}

static void print_range(struct pb_printer *p, const struct pb_range *r)
{
    if (r->name.p) {
        pb_put(p, STR("\""));
        pb_put(p, r->name);
        pb_put(p, STR("\""));
    } else if (!r->is_range || (p->mode == PB_NORMAL && r->first == r->last)) {
        pb_putf(p, "%d", r->first);
    } else if (r->last < PROTOBUF_TAG_MAX) {
        pb_putf(p, "%d to %d", r->first, r->last);
    } else {
        pb_putf(p, "%d to max", r->first);
    }
}

static void print_ranges_sorted(struct pb_printer *p, const char *word, const struct pb_ranges *ranges)
{
    struct one_range *list;
    size_t n = 0;

    for (const struct pb_ranges *r = ranges; r; r = r->next)
        for (const struct pb_range *one = r->list; one; one = one->next)
            n++;
    list = ARENA_ARRAY(&p->arena, struct one_range, n + 1);
    n = 0;
    for (const struct pb_ranges *r = ranges; r; r = r->next) {
        for (const struct pb_range *one = r->list; one; one = one->next, n++) {
            list[n].range = one;
            list[n].options = r->options;
            snprintf(list[n].text, sizeof(list[n].text), one->is_range ? "%d..%d" : "%d", one->first, one->last);
        }
    }
    qsort(list, n, sizeof(*list), by_start);
    for (size_t i = 0; i < n; i++) {
        pb_putf(p, "%s ", word);
        print_range(p, list[i].range);
        pb_print_inline_options(p, list[i].options);
        pb_put(p, STR(";"));
        pb_newline(p);
    }
}

static void print_ranges(struct pb_printer *p, const char *word, const struct pb_ranges *ranges)
{
    if (p->mode == PB_NORMAL) {
        print_ranges_sorted(p, word, ranges);
        return;
    }
    for (const struct pb_ranges *r = ranges; r; r = r->next) {
        pb_putf(p, "%s ", word);
        for (const struct pb_range *one = r->list; one; one = one->next) {
            print_range(p, one);
            pb_put(p, one->next ? STR(", ") : STR(""));
        }
        pb_print_inline_options(p, r->options);
        pb_put(p, STR(";"));
        pb_newline(p);
    }
}

/* --- declarations
 * ---------------------------------------------------------------------------------------------------------- */

static void print_extend(struct pb_printer *p, struct str name, const struct pb_field *fields)
{
    pb_put(p, STR("extend "));
    pb_put(p, name);
    open_block(p);
    if (fields) {
        begin_part(p);
        print_fields(p, fields);
        end_part(p);
    }
    close_block(p);
}

/* Normalized, all extensions of a message are together. */
static void print_extends(struct pb_printer *p, const struct pb_extend *extends)
{
    struct pb_extend *first = NULL, **tail = &first, *there;

    for (const struct pb_extend *e = extends; e; e = e->next) {
        const struct str name = resolved(p, e->name);
        struct pb_field **fields;

        if (p->mode != PB_NORMAL) {
            print_extend(p, name, e->fields);
            continue;
        }
        for (there = first; there && !str_eq(there->name, name); there = there->next)
            ;
        if (!there && !e->fields)
            continue;
        if (!there) {
            there = ARENA_NEW(&p->arena, struct pb_extend);
            there->name = name;
            pb_append(tail, there);
        }
        for (fields = &there->fields; *fields; fields = &(*fields)->next)
            ;
        for (const struct pb_field *f = e->fields; f; f = f->next) {
            struct pb_field *copy = ARENA_NEW(&p->arena, struct pb_field);

            *copy = *f;
            copy->next = NULL;
            pb_append(fields, copy);
        }
    }
    for (there = first; there; there = there->next)
        print_extend(p, there->name, there->fields);
}

static int by_number(const void *a, const void *b)
{
    const struct pb_constant *const *x = a, *const *y = b;

    if ((*x)->number != (*y)->number)
        return (*x)->number < (*y)->number ? -1 : 1;
    return str_cmp((*x)->name, (*y)->name);
}

static void print_constants(struct pb_printer *p, const struct pb_type *e)
{
    const struct pb_constant **list;
    size_t n = 0;

    for (const struct pb_constant *c = e->constants; c; c = c->next)
        n++;
    list = ARENA_ARRAY(&p->arena, const struct pb_constant *, n + 1);
    n = 0;
    for (const struct pb_constant *c = e->constants; c; c = c->next)
        list[n++] = c;
    if (p->mode == PB_NORMAL)
        qsort(list, n, sizeof(struct pb_constant *), by_number);
    for (size_t i = 0; i < n; i++) {
        pb_put(p, list[i]->name);
        pb_putf(p, " = %d", list[i]->number);
        pb_print_inline_options(p, list[i]->options);
        pb_put(p, STR(";"));
        pb_newline(p);
    }
}

static void print_enum(struct pb_printer *p, const struct pb_type *e)
{
    pb_put(p, STR("enum "));
    pb_put(p, e->name);
    open_block(p);
    if (e->reserved || e->options || e->constants) {
        begin_part(p);
        print_ranges(p, "reserved", e->reserved);
        pb_print_option_lines(p, pb_shown_options(p, e->options));
        print_constants(p, e);
        end_part(p);
    }
    close_block(p);
}

struct sorted_oneof {
    const struct pb_oneof *oneof;
    int32_t first;
};

static int by_first(const void *a, const void *b)
{
    const struct sorted_oneof *x = a, *y = b;

    return x->first < y->first ? -1 : x->first > y->first;
}

static void print_oneof(struct pb_printer *p, const struct pb_oneof *o)
{
    const struct pb_option *options = pb_shown_options(p, o->options);

    pb_put(p, STR("oneof "));
    pb_put(p, o->name);
    open_block(p);
    if (options) {
        begin_part(p);
        pb_print_option_lines(p, options);
        end_part(p);
    }
    if (o->fields) {
        begin_part(p);
        print_fields(p, o->fields);
        end_part(p);
    }
    if (o->groups) {
        begin_part(p);
        print_groups(p, o->groups);
        end_part(p);
    }
    close_block(p);
}

static void print_oneofs(struct pb_printer *p, const struct pb_type *m)
{
    struct sorted_oneof *list;
    size_t n = 0;

    for (const struct pb_oneof *o = m->oneofs; o; o = o->next)
        n++;
    list = ARENA_ARRAY(&p->arena, struct sorted_oneof, n + 1);
    n = 0;
    for (const struct pb_oneof *o = m->oneofs; o; o = o->next) {
        list[n].oneof = o;
        list[n].first = INT32_MAX;
        for (const struct pb_field *f = o->fields; f; f = f->next)
            list[n].first = f->tag < list[n].first ? f->tag : list[n].first;
        if (p->mode != PB_NORMAL || o->fields)
            n++;
    }
    if (p->mode == PB_NORMAL)
        qsort(list, n, sizeof(*list), by_first);
    for (size_t i = 0; i < n; i++)
        print_oneof(p, list[i].oneof);
}

/* The messages, then the enums. Entries of maps that were written out are no messages when normalized. */
static void print_types(struct pb_printer *p, const struct pb_type *types)
{
    const struct str scope = p->scope;

    for (int enums = 0; enums < 2; enums++) {
        for (const struct pb_type *t = types; t; t = t->next) {
            if (t->is_enum != (enums == 1) || (p->mode == PB_NORMAL && t->is_map_entry))
                continue;
            p->scope = t->full;
            if (t->is_enum)
                print_enum(p, t);
            else
                print_message(p, t);
            p->scope = scope;
        }
    }
}

static bool has_types(const struct pb_printer *p, const struct pb_type *types)
{
    for (; types; types = types->next)
        if (!(p->mode == PB_NORMAL && types->is_map_entry))
            return true;
    return false;
}

/* Normalized, what has no fields is left off. */
static bool has_extends(const struct pb_printer *p, const struct pb_extend *extends)
{
    while (extends && p->mode == PB_NORMAL && !extends->fields)
        extends = extends->next;
    return extends && p->mode != PB_WITHOUT_EXTENSIONS;
}

static bool has_oneofs(const struct pb_printer *p, const struct pb_oneof *oneofs)
{
    while (oneofs && p->mode == PB_NORMAL && !oneofs->fields)
        oneofs = oneofs->next;
    return oneofs != NULL;
}

#define PART(condition, what) \
    if (condition) {          \
        begin_part(p);        \
        what;                 \
        end_part(p);          \
    }

static void print_message(struct pb_printer *p, const struct pb_type *m)
{
    const struct pb_option *options = pb_shown_options(p, m->options);
    const bool extensions = p->mode != PB_WITHOUT_EXTENSIONS;

    pb_put(p, STR("message "));
    pb_put(p, m->name);
    open_block(p);
    PART(m->reserved, print_ranges(p, "reserved", m->reserved))
    PART(options, pb_print_option_lines(p, options))
    PART(m->fields, print_fields(p, m->fields))
    PART(has_oneofs(p, m->oneofs), print_oneofs(p, m))
    PART(m->groups, print_groups(p, m->groups))
    PART(extensions && m->extensions, print_ranges(p, "extensions", m->extensions))
    PART(has_extends(p, m->extends), print_extends(p, m->extends))
    PART(has_types(p, m->types), print_types(p, m->types))
    close_block(p);
}

static void print_rpc(struct pb_printer *p, const struct pb_rpc *r)
{
    const struct pb_option *options = pb_shown_options(p, r->options);

    pb_put(p, STR("rpc "));
    pb_put(p, r->name);
    pb_put(p, r->request_stream ? STR(" (stream ") : STR(" ("));
    pb_put(p, resolved(p, r->request));
    pb_put(p, r->response_stream ? STR(") returns (stream ") : STR(") returns ("));
    pb_put(p, resolved(p, r->response));
    pb_put(p, STR(")"));
    if (options) {
        open_block(p);
        begin_part(p);
        pb_print_option_lines(p, options);
        end_part(p);
        pb_put(p, STR("}"));
    }
    pb_put(p, STR(";"));
    pb_newline(p);
}

static void print_service(struct pb_printer *p, const struct pb_service *s)
{
    const struct pb_option *options = pb_shown_options(p, s->options);

    pb_put(p, STR("service "));
    pb_put(p, s->name);
    open_block(p);
    PART(options, pb_print_option_lines(p, options))
    if (s->rpcs) {
        begin_part(p);
        for (const struct pb_rpc *r = s->rpcs; r; r = r->next)
            print_rpc(p, r);
        end_part(p);
    }
    close_block(p);
}

static int by_import(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static void print_imports(struct pb_printer *p, const char *word, const struct pb_import *imports)
{
    struct str *list;
    size_t n = 0;

    for (const struct pb_import *i = imports; i; i = i->next)
        n++;
    list = ARENA_ARRAY(&p->arena, struct str, n + 1);
    n = 0;
    for (const struct pb_import *i = imports; i; i = i->next)
        list[n++] = i->name;
    if (p->mode == PB_NORMAL)
        qsort(list, n, sizeof(*list), by_import);
    for (size_t i = 0; i < n; i++) {
        if (p->mode == PB_NORMAL && i && str_eq(list[i], list[i - 1]))
            continue;
        pb_putf(p, "%s\"", word);
        pb_put(p, list[i]);
        pb_put(p, STR("\";"));
        pb_newline(p);
    }
}

static void print_file(struct pb_printer *p, const struct pb_file *f)
{
    const struct pb_option *options = pb_shown_options(p, f->options);

    if (f->syntax == PB_PROTO3 || (f->syntax == PB_PROTO2 && p->mode != PB_NORMAL)) {
        pb_putf(p, "syntax = \"%s\";", f->syntax == PB_PROTO3 ? "proto3" : "proto2");
        pb_newline(p);
    }
    if (f->package.p) {
        pb_put(p, STR("package "));
        pb_put(p, f->package);
        pb_put(p, STR(";"));
        pb_newline(p);
    }
    if (f->imports || f->public_imports) {
        pb_newline(p);
        print_imports(p, "import ", f->imports);
        print_imports(p, "import public ", f->public_imports);
    }
    if (options) {
        pb_newline(p);
        pb_print_option_lines(p, options);
    }
    if (has_types(p, f->types)) {
        pb_newline(p);
        print_types(p, f->types);
    }
    if (has_extends(p, f->extends)) {
        pb_newline(p);
        print_extends(p, f->extends);
    }
    if (f->services)
        pb_newline(p);
    for (const struct pb_service *s = f->services; s; s = s->next)
        print_service(p, s);
}

static void print_schema(const struct schema *schema, enum pb_mode mode, struct buf *out)
{
    struct pb_printer p = {.schema = pb_of(schema), .out = out, .mode = mode, .fresh = true};

    arena_init(&p.arena);
    p.scope = p.schema->file->package;
    print_file(&p, p.schema->file);
    arena_release(&p.arena);
}

void protobuf_canonical(const struct schema *s, struct buf *out)
{
    print_schema(s, PB_AS_WRITTEN, out);
}

void protobuf_normalize(const struct schema *s, struct buf *out)
{
    print_schema(s, PB_NORMAL, out);
}

enum ig_code protobuf_formatted(const struct schema *s, struct str format, struct buf *out, struct error *err)
{
    struct buf bytes;

    if (str_is(format, "ignore_extensions")) {
        print_schema(s, PB_WITHOUT_EXTENSIONS, out);
        return IG_OK;
    }
    if (!str_is(format, "serialized"))
        return error_set(err, IG_NOT_FOUND, "Protobuf schemas have no such format");
    buf_init(&bytes, 0);
    pb_serialize(pb_of(s), &bytes);
    pb_to_base64(buf_str(&bytes), out);
    buf_release(&bytes);
    return IG_OK;
}
