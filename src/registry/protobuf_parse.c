/*
 * Protobuf: the text of a .proto file, proto2 or proto3, in the language that the registry takes.
 */
#include "registry/protobuf_lex.h"

/* The tails of a message's lists while it is read. */
struct tails {
    struct pb_type **types;
    struct pb_field **fields, **groups;
    struct pb_oneof **oneofs;
    struct pb_ranges **reserved, **extensions;
    struct pb_extend **extends;
    struct pb_option **options;
};

#define EXTENDS_MAX 5000 /* in a file: those of one message are looked for one by one */

struct parser {
    struct pb_lexer x;
    struct pb_file *file;
    size_t extends;
};

#define NEW(p, type) ARENA_NEW((p)->x.arena, type)

static bool nest(struct parser *p)
{
    return ++p->x.depth <= PROTOBUF_NEST_MAX || pb_fail(&p->x, "this nests too deep");
}

/* "foo.Bar", ".foo.Bar", and "map" alone. */
static bool is_type_name(struct str s)
{
    size_t from = s.n && s.p[0] == '.' ? 1 : 0;

    for (size_t i = from; i <= s.n; i++) {
        if (i < s.n && s.p[i] != '.')
            continue;
        if (!pb_is_word((struct str){s.p + from, i - from}))
            return false;
        from = i + 1;
    }
    return true;
}

/* A type's name, `word` being its first word; dots may have space around them. */
static bool read_type_name(struct parser *p, struct str word, struct str *out)
{
    struct str more;
    struct buf text;

    *out = word;
    if (pb_peek(&p->x) == '.') {
        buf_init(&text, 0);
        buf_add_str(&text, word);
        while (pb_accept(&p->x, '.')) {
            if (!pb_word(&p->x, true, &more))
                break;
            buf_printf(&text, "." STR_FMT, STR_ARG(more));
        }
        *out = arena_str(p->x.arena, buf_str(&text));
        buf_release(&text);
    }
    if (p->x.failed)
        return false;
    return is_type_name(*out) ||
           pb_fail(&p->x, "\"%.*s\" is no name of a type", (int)(out->n > 100 ? 100 : out->n), out->p);
}

static bool read_map_type(struct parser *p, struct pb_field *f)
{
    static const char *const NO_KEYS[] = {"bytes", "double", "float"};
    struct str word;
    enum pb_kind kind;

    if (!pb_expect(&p->x, '<') || !pb_word(&p->x, true, &f->key_type) || !pb_expect(&p->x, ',') ||
        !pb_word(&p->x, true, &word) || !read_type_name(p, word, &f->value_type) || !pb_expect(&p->x, '>'))
        return false;
    for (size_t i = 0; i < IG_COUNT(NO_KEYS); i++)
        if (str_is(f->key_type, NO_KEYS[i]))
            return pb_fail(&p->x, "%s cannot be the key of a map", NO_KEYS[i]);
    if (!pb_scalar_of(f->key_type, &kind))
        return pb_fail(&p->x, "the key of a map is an integer, a bool or a string");
    f->type =
        str_of(arena_printf(p->x.arena, "map<" STR_FMT ", " STR_FMT ">", STR_ARG(f->key_type), STR_ARG(f->value_type)));
    return true;
}

static bool read_type(struct parser *p, struct str word, struct pb_field *f)
{
    if (str_is(word, "map") && pb_peek(&p->x) == '<')
        return read_map_type(p, f);
    return read_type_name(p, word, &f->type);
}

/* default and json_name are written like options and are none. */
static struct str take_option(struct pb_option **options, const char *name)
{
    struct str value = {NULL, 0};

    while (*options) {
        if (str_is((*options)->name, name) && !(*options)->custom && (*options)->value->kind < PB_MAP) {
            value = (*options)->value->text;
            *options = (*options)->next;
        } else {
            options = &(*options)->next;
        }
    }
    return value;
}

static bool read_field_rest(struct parser *p, struct pb_field *f)
{
    if (!pb_identifier(&p->x, &f->name) || !pb_expect(&p->x, '=') || !pb_integer(&p->x, &f->tag) ||
        !pb_read_options(&p->x, &f->options))
        return false;
    f->default_value = take_option(&f->options, "default");
    f->json_name = take_option(&f->options, "json_name");
    return pb_expect(&p->x, ';');
}

static bool read_field(struct parser *p, struct str word, struct pb_field *f);

static bool read_group(struct parser *p, struct pb_field *f)
{
    struct pb_field **tail = &f->group;
    struct str word;

    f->is_group = true;
    if (!nest(p) || !pb_identifier(&p->x, &f->name) || !pb_expect(&p->x, '=') || !pb_integer(&p->x, &f->tag) ||
        !pb_read_options(&p->x, &f->options) || !pb_expect(&p->x, '{'))
        return false;
    while (!pb_accept(&p->x, '}')) {
        struct pb_field *inner = NEW(p, struct pb_field);

        if (pb_accept(&p->x, ';'))
            continue;
        if (!pb_word(&p->x, true, &word) || !read_field(p, word, inner))
            return false;
        if (inner->is_group)
            return pb_fail(&p->x, "a group cannot be in a group");
        pb_append(tail, inner);
    }
    p->x.depth--;
    return true;
}

/* `word` is the first of the field: its label or its type. */
static bool read_field(struct parser *p, struct str word, struct pb_field *f)
{
    static const char *const LABELS[] = {"", "optional", "required", "repeated"};

    for (int i = PB_OPTIONAL; i <= PB_REPEATED; i++)
        if (str_is(word, LABELS[i]))
            f->label = (enum pb_label)i;
    if (f->label == PB_REQUIRED && p->file->syntax == PB_PROTO3)
        return pb_fail(&p->x, "proto3 has no required fields");
    if (f->label != PB_NO_LABEL && !pb_word(&p->x, true, &word))
        return false;
    if (f->label == PB_NO_LABEL && p->file->syntax != PB_PROTO3 && !(str_is(word, "map") && pb_peek(&p->x) == '<'))
        return pb_fail(&p->x,
                       "\"%.*s\" is not expected here: a field of proto2 begins with optional, required or repeated",
                       (int)(word.n > 100 ? 100 : word.n), word.p);
    if (!read_type(p, word, f))
        return false;
    if (f->key_type.p && f->label != PB_NO_LABEL)
        return pb_fail(&p->x, "a map cannot be optional, required or repeated");
    return str_is(f->type, "group") ? read_group(p, f) : read_field_rest(p, f);
}

static bool read_oneof(struct parser *p, struct pb_oneof *o)
{
    struct pb_field **fields = &o->fields, **groups = &o->groups;
    struct pb_option **options = &o->options;
    struct str word;

    if (!pb_identifier(&p->x, &o->name) || !pb_expect(&p->x, '{'))
        return false;
    while (!pb_accept(&p->x, '}')) {
        struct pb_field *f;

        if (pb_accept(&p->x, ';'))
            continue;
        if (!pb_word(&p->x, true, &word))
            return false;
        if (str_is(word, "option")) {
            struct pb_option *option = pb_read_option(&p->x, '=');

            if (!option || !pb_expect(&p->x, ';'))
                return false;
            pb_append(options, option);
            continue;
        }
        f = NEW(p, struct pb_field);
        if (!read_type(p, word, f))
            return false;
        if (f->key_type.p)
            return pb_fail(&p->x, "a map cannot be in a oneof");
        if (!(str_is(f->type, "group") ? read_group(p, f) : read_field_rest(p, f)))
            return false;
        if (f->is_group)
            pb_append(groups, f);
        else
            pb_append(fields, f);
    }
    return true;
}

/* 5, 7 to 9, 100 to max, "name": up to and with the semicolon. */
static bool read_ranges(struct parser *p, bool names, struct pb_ranges *out)
{
    struct pb_range **tail = &out->list;
    struct str word;

    for (;;) {
        struct pb_range *r = NEW(p, struct pb_range);
        const char c = pb_peek(&p->x);

        if (names && (c == '"' || c == '\'')) {
            if (!pb_quoted(&p->x, &r->name))
                return false;
            if (!pb_is_plain(r->name))
                return pb_fail(&p->x, "what is reserved is a number or a name");
        } else if (!pb_integer(&p->x, &r->first)) {
            return false;
        } else if (pb_peek(&p->x) != ',' && pb_peek(&p->x) != ';' && pb_peek(&p->x) != '[') {
            r->is_range = true;
            if (!pb_word(&p->x, true, &word))
                return false;
            if (!str_is(word, "to"))
                return pb_fail(&p->x, "\"to\", \",\" or \";\" is expected here");
            if (pb_peek(&p->x) == 'm') {
                if (!pb_word(&p->x, true, &word) || !str_is(word, "max"))
                    return pb_fail(&p->x, "a number or \"max\" is expected here");
                r->last = PROTOBUF_TAG_MAX;
            } else if (!pb_integer(&p->x, &r->last)) {
                return false;
            }
        }
        if (!r->is_range)
            r->last = r->first;
        pb_append(tail, r);
        if (!names && pb_peek(&p->x) == '[')
            return pb_read_options(&p->x, &out->options) && pb_expect(&p->x, ';');
        if (pb_accept(&p->x, ';'))
            return true;
        if (!pb_expect(&p->x, ','))
            return false;
    }
}

static bool read_enum(struct parser *p, struct pb_type *e)
{
    struct pb_constant **constants = &e->constants;
    struct pb_ranges **reserved = &e->reserved;
    struct pb_option **options = &e->options;
    struct str word;

    e->is_enum = true;
    if (!pb_identifier(&p->x, &e->name) || !pb_expect(&p->x, '{'))
        return false;
    while (!pb_accept(&p->x, '}')) {
        if (pb_accept(&p->x, ';'))
            continue;
        if (!pb_word(&p->x, true, &word))
            return false;
        if (str_is(word, "option")) {
            struct pb_option *option = pb_read_option(&p->x, '=');

            if (!option || !pb_expect(&p->x, ';'))
                return false;
            pb_append(options, option);
        } else if (str_is(word, "reserved")) {
            struct pb_ranges *r = NEW(p, struct pb_ranges);

            if (!read_ranges(p, true, r))
                return false;
            pb_append(reserved, r);
        } else {
            struct pb_constant *c = NEW(p, struct pb_constant);

            c->name = word;
            if (!pb_is_word(word))
                return pb_fail(&p->x, "\"%.*s\" cannot be the name of a constant", (int)(word.n > 100 ? 100 : word.n),
                               word.p);
            if (!pb_expect(&p->x, '=') || !pb_integer(&p->x, &c->number) || !pb_read_options(&p->x, &c->options) ||
                !pb_expect(&p->x, ';'))
                return false;
            pb_append(constants, c);
        }
    }
    return true;
}

static bool read_extend(struct parser *p, struct pb_extend *e)
{
    struct pb_field **tail = &e->fields;
    struct str word;

    if (++p->extends > EXTENDS_MAX)
        return pb_fail(&p->x, "a file may extend %d times", EXTENDS_MAX);
    if (!pb_word(&p->x, true, &word) || !read_type_name(p, word, &e->name) || !pb_expect(&p->x, '{'))
        return false;
    while (!pb_accept(&p->x, '}')) {
        struct pb_field *f = NEW(p, struct pb_field);

        if (pb_accept(&p->x, ';'))
            continue;
        if (!pb_word(&p->x, true, &word) || !read_field(p, word, f))
            return false;
        if (!f->is_group)
            pb_append(tail, f);
    }
    return true;
}

static bool read_message(struct parser *p, struct pb_type *m);

/* One declaration in a message; `word` is its first word. */
static bool read_member(struct parser *p, struct str word, struct tails *t)
{
    if (str_is(word, "option")) {
        struct pb_option *o = pb_read_option(&p->x, '=');

        if (o)
            pb_append(t->options, o);
        return o && pb_expect(&p->x, ';');
    }
    if (str_is(word, "reserved") || str_is(word, "extensions")) {
        struct pb_ranges *r = NEW(p, struct pb_ranges);
        const bool reserved = str_is(word, "reserved");

        if (reserved)
            pb_append(t->reserved, r);
        else
            pb_append(t->extensions, r);
        return read_ranges(p, reserved, r);
    }
    if (str_is(word, "message") || str_is(word, "enum")) {
        struct pb_type *type = NEW(p, struct pb_type);

        pb_append(t->types, type);
        return str_is(word, "enum") ? read_enum(p, type) : read_message(p, type);
    }
    if (str_is(word, "oneof")) {
        struct pb_oneof *o = NEW(p, struct pb_oneof);

        pb_append(t->oneofs, o);
        return read_oneof(p, o);
    }
    if (str_is(word, "extend")) {
        struct pb_extend *e = NEW(p, struct pb_extend);

        pb_append(t->extends, e);
        return read_extend(p, e);
    }
    struct pb_field *f = NEW(p, struct pb_field);

    if (!read_field(p, word, f))
        return false;
    if (f->is_group)
        pb_append(t->groups, f);
    else
        pb_append(t->fields, f);
    return true;
}

static bool read_message(struct parser *p, struct pb_type *m)
{
    struct tails t = {&m->types,    &m->fields,     &m->groups,  &m->oneofs,
                      &m->reserved, &m->extensions, &m->extends, &m->options};
    struct str word;

    if (!nest(p) || !pb_identifier(&p->x, &m->name) || !pb_expect(&p->x, '{'))
        return false;
    while (!pb_accept(&p->x, '}')) {
        if (pb_accept(&p->x, ';'))
            continue;
        if (!pb_word(&p->x, true, &word) || !read_member(p, word, &t))
            return false;
    }
    p->x.depth--;
    return true;
}

static bool read_rpc_type(struct parser *p, bool *stream, struct str *type)
{
    struct str word;

    if (!pb_expect(&p->x, '(') || !pb_word(&p->x, true, &word))
        return false;
    if (str_is(word, "stream") && pb_peek(&p->x) != ')') {
        *stream = true;
        if (!pb_word(&p->x, true, &word))
            return false;
    }
    return read_type_name(p, word, type) && pb_expect(&p->x, ')');
}

static bool read_rpc(struct parser *p, struct pb_rpc *r)
{
    struct pb_option **options = &r->options;
    struct str word;

    if (!pb_identifier(&p->x, &r->name) || !read_rpc_type(p, &r->request_stream, &r->request) ||
        !pb_word(&p->x, true, &word))
        return false;
    if (!str_is(word, "returns"))
        return pb_fail(&p->x, "\"returns\" is expected here");
    if (!read_rpc_type(p, &r->response_stream, &r->response))
        return false;
    if (!pb_accept(&p->x, '{'))
        return pb_expect(&p->x, ';');
    while (!pb_accept(&p->x, '}')) {
        struct pb_option *o;

        if (pb_accept(&p->x, ';'))
            continue;
        if (!pb_word(&p->x, true, &word) || !str_is(word, "option"))
            return pb_fail(&p->x, "\"option\" is expected here");
        o = pb_read_option(&p->x, '=');
        if (!o || !pb_expect(&p->x, ';'))
            return false;
        pb_append(options, o);
    }
    return true;
}

static bool read_service(struct parser *p, struct pb_service *s)
{
    struct pb_option **options = &s->options;
    struct pb_rpc **rpcs = &s->rpcs;
    struct str word;

    if (!pb_identifier(&p->x, &s->name) || !pb_expect(&p->x, '{'))
        return false;
    while (!pb_accept(&p->x, '}')) {
        if (pb_accept(&p->x, ';'))
            continue;
        if (!pb_word(&p->x, true, &word))
            return false;
        if (str_is(word, "rpc")) {
            struct pb_rpc *r = NEW(p, struct pb_rpc);

            if (!read_rpc(p, r))
                return false;
            pb_append(rpcs, r);
        } else if (str_is(word, "option")) {
            struct pb_option *o = pb_read_option(&p->x, '=');

            if (!o || !pb_expect(&p->x, ';'))
                return false;
            pb_append(options, o);
        } else {
            return pb_fail(&p->x, "\"rpc\" or \"option\" is expected here");
        }
    }
    return true;
}

static bool read_syntax(struct parser *p, bool first)
{
    struct str text;

    if (!first)
        return pb_fail(&p->x, "\"syntax\" must be the first declaration");
    if (!pb_expect(&p->x, '=') || !pb_quoted(&p->x, &text))
        return false;
    if (!str_is(text, "proto2") && !str_is(text, "proto3"))
        return pb_fail(&p->x, "unexpected syntax: \"%.*s\"", (int)(text.n > 100 ? 100 : text.n), text.p);
    p->file->syntax = str_is(text, "proto3") ? PB_PROTO3 : PB_PROTO2;
    return pb_expect(&p->x, ';');
}

static bool read_import(struct parser *p, struct pb_import ***imports)
{
    struct pb_import *i = NEW(p, struct pb_import);
    struct str word;
    int which = 0;

    if (pb_peek(&p->x) != '"' && pb_peek(&p->x) != '\'') {
        if (!pb_word(&p->x, true, &word))
            return false;
        which = str_is(word, "public") ? 1 : str_is(word, "weak") ? 2 : 3;
        if (which == 3)
            return pb_fail(&p->x, "a string in quotes is expected here");
    }
    if (!pb_quoted(&p->x, &i->name))
        return false;
    if (!pb_is_plain(i->name))
        return pb_fail(&p->x, "an import is the name of a file");
    pb_append(imports[which], i);
    return pb_expect(&p->x, ';');
}

/* One declaration of the file. */
static bool read_declaration(struct parser *p, struct str word, bool first, struct tails *t,
                             struct pb_import **imports[3], struct pb_service ***services)
{
    if (str_is(word, "syntax"))
        return read_syntax(p, first);
    if (str_is(word, "edition"))
        return pb_fail(&p->x, "edition is not currently supported");
    if (str_is(word, "package")) {
        if (!pb_word(&p->x, true, &word) || !read_type_name(p, word, &p->file->package))
            return false;
        return pb_expect(&p->x, ';');
    }
    if (str_is(word, "import"))
        return read_import(p, imports);
    if (str_is(word, "service")) {
        struct pb_service *s = NEW(p, struct pb_service);

        pb_append(*services, s);
        return read_service(p, s);
    }
    if (str_is(word, "option") || str_is(word, "message") || str_is(word, "enum") || str_is(word, "extend"))
        return read_member(p, word, t);
    return pb_fail(&p->x, "unexpected \"%.*s\"", (int)(word.n > 100 ? 100 : word.n), word.p);
}

enum ig_code pb_parse_text(struct arena *arena, struct str text, struct pb_file **out, struct error *err)
{
    struct parser p = {.x = {.arena = arena, .start = text.p, .p = text.p, .end = text.p + text.n, .err = err}};
    struct pb_type unused = {0};
    struct pb_import **imports[3];
    struct pb_service **services;
    struct tails t = {.types = &unused.types,
                      .fields = &unused.fields,
                      .groups = &unused.groups,
                      .oneofs = &unused.oneofs,
                      .reserved = &unused.reserved,
                      .extensions = &unused.extensions};
    bool first = true;
    struct str word;

    p.file = ARENA_NEW(arena, struct pb_file);
    t.types = &p.file->types;
    t.extends = &p.file->extends;
    t.options = &p.file->options;
    imports[0] = &p.file->imports;
    imports[1] = &p.file->public_imports;
    imports[2] = &p.file->weak_imports;
    services = &p.file->services;
    while (!p.x.failed && pb_peek(&p.x)) {
        if (pb_accept(&p.x, ';'))
            continue;
        if (!pb_word(&p.x, true, &word) || !read_declaration(&p, word, first, &t, imports, &services))
            break;
        first = false;
    }
    *out = p.file;
    return p.x.failed ? IG_INVALID : IG_OK;
}
