/*
 * Protobuf: options. They are kept as written, and printed as the registry prints them; normalized, their names are
 * full, those of one custom option are one, and they are in the order of their names.
 */
#include "registry/protobuf_lex.h"

#include <stdlib.h>

static struct pb_value *read_value(struct pb_lexer *x);
static struct pb_value *as_map(struct arena *arena, const struct pb_value *v);

/* A part of an option's name: bar, (foo.bar) or [foo.bar]. */
static bool read_name(struct pb_lexer *x, bool dots, struct str *name, char *wrap)
{
    *wrap = pb_peek(x) == '(' || pb_peek(x) == '[' ? pb_peek(x) : 0;
    if (*wrap) {
        x->p++;
        return pb_word(x, true, name) && pb_expect(x, *wrap == '(' ? ')' : ']');
    }
    return pb_word(x, dots, name);
}

static struct pb_value *new_value(struct pb_lexer *x, enum pb_value_kind kind, struct str text)
{
    struct pb_value *v = ARENA_NEW(x->arena, struct pb_value);

    v->kind = kind;
    v->text = text;
    return v;
}

struct pb_option *pb_read_option(struct pb_lexer *x, char separator)
{
    struct pb_option *first = ARENA_NEW(x->arena, struct pb_option), *last = first, *sub;
    unsigned n = 0;
    char wrap;

    if (!read_name(x, false, &first->name, &wrap))
        return NULL;
    first->custom = wrap == '(';
    if (wrap == '[')
        first->name = str_of(arena_printf(x->arena, "[" STR_FMT "]", STR_ARG(first->name)));
    while (pb_accept(x, '.')) {
        sub = ARENA_NEW(x->arena, struct pb_option);
        if (++n > PROTOBUF_NEST_MAX || !read_name(x, false, &sub->name, &wrap)) {
            (void)pb_fail(x, "the name of an option is too long");
            return NULL;
        }
        sub->custom = wrap == '(';
        last->value = new_value(x, PB_OPTION, (struct str){NULL, 0});
        last->value->sub = sub;
        last = sub;
    }
    if (!(separator == ':' && pb_peek(x) == '{') && !pb_expect(x, separator))
        return NULL;
    last->value = read_value(x);
    return last->value ? first : NULL;
}

bool pb_read_options(struct pb_lexer *x, struct pb_option **out)
{
    struct pb_option **tail = out;

    if (!pb_accept(x, '['))
        return true;
    for (;;) {
        struct pb_option *o = pb_read_option(x, '=');

        if (!o)
            return false;
        pb_append(tail, o);
        if (pb_accept(x, ']'))
            return true;
        if (!pb_expect(x, ','))
            return false;
    }
}

static struct pb_entry *find_entry(struct pb_value *map, struct str key)
{
    for (struct pb_entry *e = map->entries; e; e = e->next)
        if (str_eq(e->key, key))
            return e;
    return NULL;
}

static void add_entry(struct arena *arena, struct pb_value *map, struct str key, struct pb_value *value)
{
    struct pb_entry *e = ARENA_NEW(arena, struct pb_entry);

    *e = (struct pb_entry){NULL, key, value};
    if (map->last)
        map->last->next = e;
    else
        map->entries = e;
    map->last = e;
}

/* A key that comes again makes a list of its values. */
static void add_again(struct arena *arena, struct pb_entry *e, struct pb_value *value)
{
    const struct str none = {NULL, 0};

    if (e->value->kind != PB_LIST) {
        struct pb_value *list = ARENA_NEW(arena, struct pb_value);

        list->kind = PB_LIST;
        add_entry(arena, list, none, e->value);
        e->value = list;
    }
    if (value->kind != PB_LIST) {
        add_entry(arena, e->value, none, value);
        return;
    }
    for (const struct pb_entry *item = value->entries; item; item = item->next)
        add_entry(arena, e->value, none, item->value);
}

#define MAP_ENTRIES_MAX 10000 /* of one map: they are looked through one by one */

static struct pb_value *read_map(struct pb_lexer *x)
{
    struct pb_value *map = new_value(x, PB_MAP, (struct str){NULL, 0});
    size_t n = 0;

    while (!pb_accept(x, '}')) {
        struct pb_option *o = pb_read_option(x, ':');
        struct pb_value *value;
        struct pb_entry *e;

        if (!o || ++n > MAP_ENTRIES_MAX) {
            (void)pb_fail(x, "an option has too many entries");
            return NULL;
        }
        value = o->value;
        e = find_entry(map, o->name);
        if (value->kind == PB_OPTION) { /* a.b: 1 is a: {b: 1} */
            struct pb_value *nested = e && e->value->kind == PB_MAP ? e->value : new_value(x, PB_MAP, value->text);

            struct pb_value *inner = value->sub->value;

            if (inner->kind == PB_OPTION)
                inner = as_map(x->arena, inner);
            add_entry(x->arena, nested, value->sub->name, inner);
            if (!e)
                add_entry(x->arena, map, o->name, nested);
        } else if (e) {
            add_again(x->arena, e, value);
        } else {
            add_entry(x->arena, map, o->name, value);
        }
        if (!pb_accept(x, ','))
            (void)pb_accept(x, ';');
    }
    return map;
}

static struct pb_value *read_list(struct pb_lexer *x)
{
    struct pb_value *list = new_value(x, PB_LIST, (struct str){NULL, 0}), *item;

    while (!pb_accept(x, ']')) {
        item = read_value(x);
        if (!item)
            return NULL;
        add_entry(x->arena, list, (struct str){NULL, 0}, item);
        if (!pb_accept(x, ',') && pb_peek(x) != ']') {
            (void)pb_expect(x, ']');
            return NULL;
        }
    }
    return list;
}

static struct pb_value *read_value(struct pb_lexer *x)
{
    struct pb_value *v = NULL;
    const char c = pb_peek(x);
    struct str word;

    if (++x->depth > PROTOBUF_NEST_MAX * 2) {
        (void)pb_fail(x, "the option nests too deep");
        return NULL;
    }
    if (pb_accept(x, '{')) {
        v = read_map(x);
    } else if (pb_accept(x, '[')) {
        v = read_list(x);
    } else if (c == '"' || c == '\'') {
        if (pb_quoted(x, &word))
            v = new_value(x, PB_STRING, word);
    } else if (pb_word(x, true, &word)) {
        const bool number = (c >= '0' && c <= '9') || c == '-';
        const bool boolean = str_is(word, "true") || str_is(word, "false");

        v = new_value(x, number ? PB_NUMBER : boolean ? PB_BOOLEAN : PB_ENUM, word);
    }
    x->depth--;
    return x->failed ? NULL : v;
}

/* --- normalized ------------------------------------------------------------------------------------------------- */

#define MERGED_MAX 5000 /* entries of options that are made one: what is larger stays as it is */

/* (a).b.c = 1 as (a) = {b: {c: 1}} */
static struct pb_value *as_map(struct arena *arena, const struct pb_value *v)
{
    struct pb_value *map = ARENA_NEW(arena, struct pb_value), *inner = v->sub->value;

    map->kind = PB_MAP;
    add_entry(arena, map, v->sub->name, inner->kind == PB_OPTION ? as_map(arena, inner) : inner);
    return map;
}

static bool values_equal(const struct pb_value *a, const struct pb_value *b)
{
    const struct pb_entry *x = a->entries, *y = b->entries;

    if (a->kind != b->kind || !str_eq(a->text, b->text))
        return false;
    for (; x && y; x = x->next, y = y->next)
        if (!str_eq(x->key, y->key) || !values_equal(x->value, y->value))
            return false;
    return !x && !y;
}

static const struct pb_field *field_named(const struct pb_type *type, struct str name)
{
    for (size_t i = 0; type && i < type->n; i++)
        if (str_eq(type->in_order[i]->name, name))
            return type->in_order[i];
    return NULL;
}

static struct pb_value *merge_maps(struct arena *arena, const struct pb_field *of, const struct pb_value *a,
                                   const struct pb_value *b);

static void add_distinct(struct arena *arena, struct pb_value *list, struct pb_value *v)
{
    size_t n = 0;

    for (const struct pb_entry *e = list->entries; e && n++ < MERGED_MAX; e = e->next)
        if (values_equal(e->value, v))
            return;
    add_entry(arena, list, (struct str){NULL, 0}, v);
}

static struct pb_value *merge_values(struct arena *arena, const struct pb_field *field, struct pb_value *a,
                                     struct pb_value *b)
{
    struct pb_value *const both[2] = {a, b};
    struct pb_value *list;

    if (field && field->label != PB_REPEATED) {
        const bool message = field->of && !field->of->is_enum;

        return message && a->kind == PB_MAP && b->kind == PB_MAP ? merge_maps(arena, field, a, b) : b;
    }
    list = ARENA_NEW(arena, struct pb_value);
    list->kind = PB_LIST;
    for (int i = 0; i < 2; i++) {
        if (both[i]->kind == PB_LIST)
            for (const struct pb_entry *e = both[i]->entries; e; e = e->next)
                add_distinct(arena, list, e->value);
        else
            add_distinct(arena, list, both[i]);
    }
    return list;
}

/* What two settings of one custom option make together; `of` is the field whose values they are. */
static struct pb_value *merge_maps(struct arena *arena, const struct pb_field *of, const struct pb_value *a,
                                   const struct pb_value *b)
{
    struct pb_value *map = ARENA_NEW(arena, struct pb_value);

    map->kind = PB_MAP;
    for (const struct pb_entry *e = a->entries; e; e = e->next)
        add_entry(arena, map, e->key, e->value);
    for (const struct pb_entry *e = b->entries; e; e = e->next) {
        struct pb_entry *there = find_entry(map, e->key);

        if (there)
            there->value = merge_values(arena, field_named(of->of, e->key), there->value, e->value);
        else
            add_entry(arena, map, e->key, e->value);
    }
    return map;
}

struct named {
    struct pb_option option;
    const struct pb_field *extension;
    size_t at;
};

static int by_name(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    const int order = str_cmp(x->option.name, y->option.name);

    return order ? order : x->at < y->at ? -1 : 1;
}

struct pb_option *pb_normal_options(struct arena *arena, const struct pb_schema *s, struct str scope,
                                    const struct pb_option *options)
{
    struct pb_option *first = NULL, **tail = &first, *last = NULL;
    struct named *list;
    size_t n = 0, entries = 0;

    for (const struct pb_option *o = options; o; o = o->next, n++)
        for (const struct pb_entry *e = o->value->entries; e; e = e->next)
            entries++;
    entries += n;
    list = ARENA_ARRAY(arena, struct named, n + 1);
    n = 0;
    for (const struct pb_option *o = options; o; o = o->next, n++) {
        struct str full;

        list[n] = (struct named){*o, NULL, n};
        if (!o->custom)
            continue;
        list[n].extension = pb_find_extension(s, scope, o->name, &full);
        if (!list[n].extension)
            continue;
        list[n].option.name = arena_str(arena, full);
        if (o->value->kind == PB_OPTION)
            list[n].option.value = as_map(arena, o->value);
    }
    qsort(list, n, sizeof(*list), by_name);
    for (size_t i = 0; i < n; i++) {
        struct pb_option *o = &list[i].option;

        if (last && entries <= MERGED_MAX && list[i].extension && list[i].extension->label != PB_REPEATED &&
            str_eq(last->name, o->name)) {
            last->value = last->value->kind == PB_MAP && o->value->kind == PB_MAP
                              ? merge_maps(arena, list[i].extension, last->value, o->value)
                              : o->value;
            continue;
        }
        o->next = NULL;
        pb_append(tail, o);
        last = o;
    }
    return first;
}
