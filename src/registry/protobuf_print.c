/*
 * Protobuf: a file as text, as Confluent's registry prints it: that is what it hands out and compares. Normalized, what
 * has no order has one, and types have their full names. Messages keep their order: the indexes on the wire count them.
 */
#include "registry/protobuf.h"

#include <stdio.h>
#include <stdlib.h>

enum mode { AS_WRITTEN, NORMAL, WITHOUT_EXTENSIONS };

struct printer {
    const struct pb_schema *schema;
    struct arena arena; /* of what is sorted */
    struct buf *out;
    enum mode mode;
    unsigned level;
    bool fresh;       /* at the beginning of a line */
    struct str scope; /* the package and the names of the messages that we are in */
};

static void print_message(struct printer *p, const struct pb_type *m);
static void print_value(struct printer *p, const struct pb_value *v);

/* --- lines -------------------------------------------------------------------------------------------------------- */

static void indent(struct printer *p)
{
    for (unsigned i = 0; p->fresh && i < p->level; i++)
        buf_puts(p->out, "  ");
    p->fresh = false;
}

static void put(struct printer *p, struct str s)
{
    indent(p);
    buf_add_str(p->out, s);
}

IG_PRINTF(2, 3) static void putf(struct printer *p, const char *fmt, ...)
{
    char small[512];
    va_list args;

    va_start(args, fmt);
    vsnprintf(small, sizeof(small), fmt, args);
    va_end(args);
    put(p, str_of(small));
}

/* Ends the line; an empty one has its indentation, too. */
static void newline(struct printer *p)
{
    indent(p);
    buf_putc(p->out, '\n');
    p->fresh = true;
}

static void put_quoted(struct printer *p, struct str s)
{
    static const char FROM[] = "\a\b\f\n\r\t\v\\'\"", TO[] = "abfnrtv\\'\"";

    put(p, STR("\""));
    for (size_t i = 0; i < s.n; i++) {
        const char *at = s.p[i] ? strchr(FROM, s.p[i]) : NULL;

        if (at)
            buf_printf(p->out, "\\%c", TO[at - FROM]);
        else
            buf_putc(p->out, s.p[i]);
    }
    buf_putc(p->out, '"');
}

/* --- options ------------------------------------------------------------------------------------------------------ */

/* Normalized: hexadecimal and exponents resolved, at most three digits behind the point. */
static void put_number(struct printer *p, struct str text)
{
    const bool hex = text.n > 2 && text.p[0] == '0' && (text.p[1] | 0x20) == 'x';
    char *end, digits[400];
    struct str shown = text;
    int64_t n;
    double d;

    if (p->mode != NORMAL) {
        put(p, text);
        return;
    }
    if (str_to_int64(text, INT64_MIN, INT64_MAX, &n) || (hex && (n = strtoll(text.p, &end, 16)) != INT64_MAX)) {
        snprintf(digits, sizeof(digits), "%lld", (long long)n);
        shown = str_of(digits);
    } else if (str_to_double(text, &d)) {
        snprintf(digits, sizeof(digits), "%.3f", d);
        shown = str_of(digits);
        while (shown.p[shown.n - 1] == '0')
            shown.n--;
        if (shown.p[shown.n - 1] == '.')
            shown.n--;
    }
    put(p, shown);
}

static void print_option(struct printer *p, const struct pb_option *o)
{
    put(p, o->custom ? STR("(") : STR(""));
    put(p, o->name);
    put(p, o->custom ? STR(")") : STR(""));
    if (o->value->kind == PB_OPTION) {
        put(p, STR("."));
        print_option(p, o->value->sub);
        return;
    }
    put(p, STR(" = "));
    if (o->value->kind == PB_LIST && o->value->entries && !o->value->entries->next) {
        put(p, STR("["));
        print_value(p, o->value->entries->value);
        put(p, STR("]"));
    } else {
        print_value(p, o->value);
    }
}

struct sorted_entry {
    struct str key;
    const struct pb_entry *entry;
};

static int by_key(const void *a, const void *b)
{
    const struct sorted_entry *x = a, *y = b;

    return str_cmp(x->key, y->key);
}

/* The key of a map in an option; [foo] is the extension foo, by its full name when normalized. */
static struct str entry_key(struct printer *p, const struct pb_entry *e)
{
    struct str full;

    if (e->key.n < 2 || e->key.p[0] != '[' || p->mode != NORMAL)
        return e->key;
    if (!pb_find_extension(p->schema, p->scope, (struct str){e->key.p + 1, e->key.n - 2}, &full))
        return e->key;
    return str_of(arena_printf(&p->arena, "[" STR_FMT "]", STR_ARG(full)));
}

static void print_map(struct printer *p, const struct pb_value *v)
{
    struct sorted_entry *list;
    size_t n = 0;

    for (const struct pb_entry *e = v->entries; e; e = e->next)
        n++;
    list = ARENA_ARRAY(&p->arena, struct sorted_entry, n + 1);
    n = 0;
    for (const struct pb_entry *e = v->entries; e; e = e->next)
        if (p->mode != NORMAL || e->value->kind != PB_LIST || e->value->entries)
            list[n++] = (struct sorted_entry){entry_key(p, e), e};
    if (p->mode == NORMAL)
        qsort(list, n, sizeof(*list), by_key);
    put(p, STR("{"));
    newline(p);
    p->level++;
    for (size_t i = 0; i < n; i++) {
        put(p, list[i].key);
        put(p, STR(": "));
        print_value(p, list[i].entry->value);
        put(p, i + 1 < n ? STR(",") : STR(""));
        newline(p);
    }
    p->level--;
    put(p, STR("}"));
}

static void print_list(struct printer *p, const struct pb_value *v)
{
    if (p->mode == NORMAL && v->entries && !v->entries->next) {
        print_value(p, v->entries->value);
        return;
    }
    put(p, STR("["));
    newline(p);
    p->level++;
    for (const struct pb_entry *e = v->entries; e; e = e->next) {
        print_value(p, e->value);
        put(p, e->next ? STR(",") : STR(""));
        newline(p);
    }
    p->level--;
    put(p, STR("]"));
}

static void print_value(struct printer *p, const struct pb_value *v)
{
    switch (v->kind) {
    case PB_STRING:
        put_quoted(p, v->text);
        break;
    case PB_BOOLEAN:
    case PB_ENUM:
        put(p, v->text);
        break;
    case PB_NUMBER:
        put_number(p, v->text);
        break;
    case PB_MAP:
        print_map(p, v);
        break;
    case PB_LIST:
        print_list(p, v);
        break;
    case PB_OPTION:
        print_option(p, v->sub);
        break;
    }
}

/* Those that are printed, in the order in which they are. */
static const struct pb_option *shown(struct printer *p, const struct pb_option *options)
{
    struct pb_option *first = NULL, **tail = &first, *copy;

    if (p->mode == NORMAL)
        return pb_normal_options(&p->arena, p->schema, p->scope, options);
    for (const struct pb_option *o = options; o; o = o->next) {
        if (p->mode == WITHOUT_EXTENSIONS && o->custom && !str_has_prefix(o->name, "confluent."))
            continue;
        copy = ARENA_NEW(&p->arena, struct pb_option);
        *copy = *o;
        copy->next = NULL;
        pb_append(tail, copy);
    }
    return first;
}

/* " [a = 1]", or one a line if there are more. */
static void print_inline_options(struct printer *p, const struct pb_option *options)
{
    options = shown(p, options);
    if (!options)
        return;
    put(p, STR(" ["));
    if (!options->next) {
        print_option(p, options);
        put(p, STR("]"));
        return;
    }
    newline(p);
    p->level++;
    for (; options; options = options->next) {
        print_option(p, options);
        put(p, options->next ? STR(",") : STR(""));
        newline(p);
    }
    p->level--;
    put(p, STR("]"));
}

static void print_option_lines(struct printer *p, const struct pb_option *options)
{
    for (; options; options = options->next) {
        put(p, STR("option "));
        print_option(p, options);
        put(p, STR(";"));
        newline(p);
    }
}

/* --- types' names ---------------------------------------------------------------------------------------------------
 */

/* The full name with a dot before; as it is if it is not known (or not to be changed). */
static struct str resolved(struct printer *p, struct str name)
{
    const struct pb_type *type = p->mode == NORMAL ? pb_find_type(p->schema, p->scope, name) : NULL;

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
static struct str field_type(struct printer *p, const struct pb_field *f, bool *map)
{
    struct str key = f->key_type, value = f->value_type;
    enum pb_kind kind;

    *map = key.p != NULL;
    if (p->mode != NORMAL || f->is_group)
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
static struct pb_option *add_special(struct printer *p, const struct pb_field *f, struct str type)
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

static void print_field(struct printer *p, const struct pb_field *f)
{
    static const char *const LABELS[] = {"", "optional ", "required ", "repeated "};
    bool map;
    const struct str type = field_type(p, f, &map);

    put(p, map && p->mode == NORMAL ? STR("") : str_of(LABELS[f->label]));
    put(p, type);
    putf(p, " %.*s = %d", (int)(f->name.n > 400 ? 400 : f->name.n), f->name.p, f->tag);
    print_inline_options(p, add_special(p, f, type));
    put(p, STR(";"));
    newline(p);
}

/* --- lists that have an order when normalized
 * --------------------------------------------------------------------------- */

static int by_tag(const void *a, const void *b)
{
    const struct pb_field *const *x = a, *const *y = b;

    return (*x)->tag<(*y)->tag ? -1 : (*x)->tag>(*y)->tag;
}

static const struct pb_field **sorted_fields(struct printer *p, const struct pb_field *fields, size_t *n)
{
    const struct pb_field **list;

    *n = 0;
    for (const struct pb_field *f = fields; f; f = f->next)
        (*n)++;
    list = ARENA_ARRAY(&p->arena, const struct pb_field *, *n + 1);
    *n = 0;
    for (const struct pb_field *f = fields; f; f = f->next)
        list[(*n)++] = f;
    if (p->mode == NORMAL)
        qsort(list, *n, sizeof(struct pb_field *), by_tag);
    return list;
}

static void print_fields(struct printer *p, const struct pb_field *fields)
{
    size_t n;
    const struct pb_field **list = sorted_fields(p, fields, &n);

    for (size_t i = 0; i < n; i++)
        print_field(p, list[i]);
}

/* Opens a block: the brace, and what is in it is one level further in. */
static void open_block(struct printer *p)
{
    put(p, STR(" {"));
}

/* A part of a block that has something in it; a blank line is between two. */
static void begin_part(struct printer *p)
{
    newline(p);
    p->level++;
}

static void end_part(struct printer *p)
{
    p->level--;
}

static void close_block(struct printer *p)
{
    put(p, STR("}"));
    newline(p);
}

static void print_groups(struct printer *p, const struct pb_field *groups)
{
    static const char *const LABELS[] = {"", "optional ", "required ", "repeated "};
    size_t n;
    const struct pb_field **list = sorted_fields(p, groups, &n);

    for (size_t i = 0; i < n; i++) {
        putf(p, "%sgroup %.*s = %d", LABELS[list[i]->label], (int)(list[i]->name.n > 400 ? 400 : list[i]->name.n),
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

static void print_range(struct printer *p, const struct pb_range *r)
{
    if (r->name.p) {
        put(p, STR("\""));
        put(p, r->name);
        put(p, STR("\""));
    } else if (!r->is_range || (p->mode == NORMAL && r->first == r->last)) {
        putf(p, "%d", r->first);
    } else if (r->last < PROTOBUF_TAG_MAX) {
        putf(p, "%d to %d", r->first, r->last);
    } else {
        putf(p, "%d to max", r->first);
    }
}

static void print_ranges_sorted(struct printer *p, const char *word, const struct pb_ranges *ranges)
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
        putf(p, "%s ", word);
        print_range(p, list[i].range);
        print_inline_options(p, list[i].options);
        put(p, STR(";"));
        newline(p);
    }
}

static void print_ranges(struct printer *p, const char *word, const struct pb_ranges *ranges)
{
    if (p->mode == NORMAL) {
        print_ranges_sorted(p, word, ranges);
        return;
    }
    for (const struct pb_ranges *r = ranges; r; r = r->next) {
        putf(p, "%s ", word);
        for (const struct pb_range *one = r->list; one; one = one->next) {
            print_range(p, one);
            put(p, one->next ? STR(", ") : STR(""));
        }
        print_inline_options(p, r->options);
        put(p, STR(";"));
        newline(p);
    }
}

/* --- declarations
 * ---------------------------------------------------------------------------------------------------------- */

static void print_extend(struct printer *p, struct str name, const struct pb_field *fields)
{
    put(p, STR("extend "));
    put(p, name);
    open_block(p);
    if (fields) {
        begin_part(p);
        print_fields(p, fields);
        end_part(p);
    }
    close_block(p);
}

/* Normalized, all extensions of a message are together. */
static void print_extends(struct printer *p, const struct pb_extend *extends)
{
    struct pb_extend *first = NULL, **tail = &first, *there;

    for (const struct pb_extend *e = extends; e; e = e->next) {
        const struct str name = resolved(p, e->name);
        struct pb_field **fields;

        if (p->mode != NORMAL) {
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

static void print_constants(struct printer *p, const struct pb_type *e)
{
    const struct pb_constant **list;
    size_t n = 0;

    for (const struct pb_constant *c = e->constants; c; c = c->next)
        n++;
    list = ARENA_ARRAY(&p->arena, const struct pb_constant *, n + 1);
    n = 0;
    for (const struct pb_constant *c = e->constants; c; c = c->next)
        list[n++] = c;
    if (p->mode == NORMAL)
        qsort(list, n, sizeof(struct pb_constant *), by_number);
    for (size_t i = 0; i < n; i++) {
        put(p, list[i]->name);
        putf(p, " = %d", list[i]->number);
        print_inline_options(p, list[i]->options);
        put(p, STR(";"));
        newline(p);
    }
}

static void print_enum(struct printer *p, const struct pb_type *e)
{
    put(p, STR("enum "));
    put(p, e->name);
    open_block(p);
    if (e->reserved || e->options || e->constants) {
        begin_part(p);
        print_ranges(p, "reserved", e->reserved);
        print_option_lines(p, shown(p, e->options));
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

static void print_oneof(struct printer *p, const struct pb_oneof *o)
{
    const struct pb_option *options = shown(p, o->options);

    put(p, STR("oneof "));
    put(p, o->name);
    open_block(p);
    if (options) {
        begin_part(p);
        print_option_lines(p, options);
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

static void print_oneofs(struct printer *p, const struct pb_type *m)
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
        if (p->mode != NORMAL || o->fields)
            n++;
    }
    if (p->mode == NORMAL)
        qsort(list, n, sizeof(*list), by_first);
    for (size_t i = 0; i < n; i++)
        print_oneof(p, list[i].oneof);
}

/* The messages, then the enums. Entries of maps that were written out are no messages when normalized. */
static void print_types(struct printer *p, const struct pb_type *types)
{
    const struct str scope = p->scope;

    for (int enums = 0; enums < 2; enums++) {
        for (const struct pb_type *t = types; t; t = t->next) {
            if (t->is_enum != (enums == 1) || (p->mode == NORMAL && t->is_map_entry))
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

static bool has_types(const struct printer *p, const struct pb_type *types)
{
    for (; types; types = types->next)
        if (!(p->mode == NORMAL && types->is_map_entry))
            return true;
    return false;
}

#define PART(condition, what) \
    if (condition) {          \
        begin_part(p);        \
        what;                 \
        end_part(p);          \
    }

static void print_message(struct printer *p, const struct pb_type *m)
{
    const struct pb_option *options = shown(p, m->options);
    const bool extensions = p->mode != WITHOUT_EXTENSIONS;

    put(p, STR("message "));
    put(p, m->name);
    open_block(p);
    PART(m->reserved, print_ranges(p, "reserved", m->reserved))
    PART(options, print_option_lines(p, options))
    PART(m->fields, print_fields(p, m->fields))
    PART(m->oneofs, print_oneofs(p, m))
    PART(m->groups, print_groups(p, m->groups))
    PART(extensions && m->extensions, print_ranges(p, "extensions", m->extensions))
    PART(extensions && m->extends, print_extends(p, m->extends))
    PART(has_types(p, m->types), print_types(p, m->types))
    close_block(p);
}

static void print_rpc(struct printer *p, const struct pb_rpc *r)
{
    const struct pb_option *options = shown(p, r->options);

    put(p, STR("rpc "));
    put(p, r->name);
    put(p, r->request_stream ? STR(" (stream ") : STR(" ("));
    put(p, resolved(p, r->request));
    put(p, r->response_stream ? STR(") returns (stream ") : STR(") returns ("));
    put(p, resolved(p, r->response));
    put(p, STR(")"));
    if (options) {
        open_block(p);
        begin_part(p);
        print_option_lines(p, options);
        end_part(p);
        put(p, STR("}"));
    }
    put(p, STR(";"));
    newline(p);
}

static void print_service(struct printer *p, const struct pb_service *s)
{
    const struct pb_option *options = shown(p, s->options);

    put(p, STR("service "));
    put(p, s->name);
    open_block(p);
    PART(options, print_option_lines(p, options))
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

static void print_imports(struct printer *p, const char *word, const struct pb_import *imports)
{
    struct str *list;
    size_t n = 0;

    for (const struct pb_import *i = imports; i; i = i->next)
        n++;
    list = ARENA_ARRAY(&p->arena, struct str, n + 1);
    n = 0;
    for (const struct pb_import *i = imports; i; i = i->next)
        list[n++] = i->name;
    if (p->mode == NORMAL)
        qsort(list, n, sizeof(*list), by_import);
    for (size_t i = 0; i < n; i++) {
        if (p->mode == NORMAL && i && str_eq(list[i], list[i - 1]))
            continue;
        putf(p, "%s\"", word);
        put(p, list[i]);
        put(p, STR("\";"));
        newline(p);
    }
}

static void print_file(struct printer *p, const struct pb_file *f)
{
    const struct pb_option *options = shown(p, f->options);

    if (f->syntax == PB_PROTO3 || (f->syntax == PB_PROTO2 && p->mode != NORMAL)) {
        putf(p, "syntax = \"%s\";", f->syntax == PB_PROTO3 ? "proto3" : "proto2");
        newline(p);
    }
    if (f->package.p) {
        put(p, STR("package "));
        put(p, f->package);
        put(p, STR(";"));
        newline(p);
    }
    if (f->imports || f->public_imports) {
        newline(p);
        print_imports(p, "import ", f->imports);
        print_imports(p, "import public ", f->public_imports);
    }
    if (options) {
        newline(p);
        print_option_lines(p, options);
    }
    if (has_types(p, f->types)) {
        newline(p);
        print_types(p, f->types);
    }
    if (f->extends && p->mode != WITHOUT_EXTENSIONS) {
        newline(p);
        print_extends(p, f->extends);
    }
    if (f->services)
        newline(p);
    for (const struct pb_service *s = f->services; s; s = s->next)
        print_service(p, s);
}

static void print_schema(const struct schema *schema, enum mode mode, struct buf *out)
{
    struct printer p = {.schema = pb_of(schema), .out = out, .mode = mode, .fresh = true};

    arena_init(&p.arena);
    p.scope = p.schema->file->package;
    print_file(&p, p.schema->file);
    arena_release(&p.arena);
}

void protobuf_canonical(const struct schema *s, struct buf *out)
{
    print_schema(s, AS_WRITTEN, out);
}

void protobuf_normalize(const struct schema *s, struct buf *out)
{
    print_schema(s, NORMAL, out);
}

enum ig_code protobuf_formatted(const struct schema *s, struct str format, struct buf *out, struct error *err)
{
    struct buf bytes;

    if (str_is(format, "ignore_extensions")) {
        print_schema(s, WITHOUT_EXTENSIONS, out);
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
