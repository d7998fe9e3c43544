#include "registry/protobuf_print.h"

#include <stdio.h>
#include <stdlib.h>

static void print_value(struct pb_printer *p, const struct pb_value *v);

/* --- lines -------------------------------------------------------------------------------------------------------- */

static void indent(struct pb_printer *p)
{
    for (unsigned i = 0; p->fresh && i < p->level; i++)
        buf_puts(p->out, "  ");
    p->fresh = false;
}

void pb_put(struct pb_printer *p, struct str s)
{
    indent(p);
    buf_add_str(p->out, s);
}

void pb_putf(struct pb_printer *p, const char *fmt, ...)
{
    char small[512];
    va_list args;

    va_start(args, fmt);
    vsnprintf(small, sizeof(small), fmt, args);
    va_end(args);
    pb_put(p, str_of(small));
}

void pb_newline(struct pb_printer *p)
{
    indent(p);
    buf_putc(p->out, '\n');
    p->fresh = true;
}

static void put_quoted(struct pb_printer *p, struct str s)
{
    static const char FROM[] = "\a\b\f\n\r\t\v\\'\"", TO[] = "abfnrtv\\'\"";

    pb_put(p, STR("\""));
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
static void put_number(struct pb_printer *p, struct str text)
{
    const bool hex = text.n > 2 && text.p[0] == '0' && (text.p[1] | 0x20) == 'x';
    char *end, digits[400];
    struct str shown = text;
    int64_t n;
    double d;

    if (p->mode != PB_NORMAL) {
        pb_put(p, text);
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
    pb_put(p, shown);
}

static void print_option(struct pb_printer *p, const struct pb_option *o)
{
    pb_put(p, o->custom ? STR("(") : STR(""));
    pb_put(p, o->name);
    pb_put(p, o->custom ? STR(")") : STR(""));
    if (o->value->kind == PB_OPTION) {
        pb_put(p, STR("."));
        print_option(p, o->value->sub);
        return;
    }
    pb_put(p, STR(" = "));
    if (o->value->kind == PB_LIST && o->value->entries && !o->value->entries->next) {
        pb_put(p, STR("["));
        print_value(p, o->value->entries->value);
        pb_put(p, STR("]"));
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
static struct str entry_key(struct pb_printer *p, const struct pb_entry *e)
{
    struct str full;

    if (e->key.n < 2 || e->key.p[0] != '[' || p->mode != PB_NORMAL)
        return e->key;
    if (!pb_find_extension(p->schema, p->scope, (struct str){e->key.p + 1, e->key.n - 2}, &full))
        return e->key;
    return str_of(arena_printf(&p->arena, "[" STR_FMT "]", STR_ARG(full)));
}

static void print_map(struct pb_printer *p, const struct pb_value *v)
{
    struct sorted_entry *list;
    size_t n = 0;

    for (const struct pb_entry *e = v->entries; e; e = e->next)
        n++;
    list = ARENA_ARRAY(&p->arena, struct sorted_entry, n + 1);
    n = 0;
    for (const struct pb_entry *e = v->entries; e; e = e->next)
        if (p->mode != PB_NORMAL || e->value->kind != PB_LIST || e->value->entries)
            list[n++] = (struct sorted_entry){entry_key(p, e), e};
    if (p->mode == PB_NORMAL)
        qsort(list, n, sizeof(*list), by_key);
    pb_put(p, STR("{"));
    pb_newline(p);
    p->level++;
    for (size_t i = 0; i < n; i++) {
        pb_put(p, list[i].key);
        pb_put(p, STR(": "));
        print_value(p, list[i].entry->value);
        pb_put(p, i + 1 < n ? STR(",") : STR(""));
        pb_newline(p);
    }
    p->level--;
    pb_put(p, STR("}"));
}

static void print_list(struct pb_printer *p, const struct pb_value *v)
{
    if (p->mode == PB_NORMAL && v->entries && !v->entries->next) {
        print_value(p, v->entries->value);
        return;
    }
    pb_put(p, STR("["));
    pb_newline(p);
    p->level++;
    for (const struct pb_entry *e = v->entries; e; e = e->next) {
        print_value(p, e->value);
        pb_put(p, e->next ? STR(",") : STR(""));
        pb_newline(p);
    }
    p->level--;
    pb_put(p, STR("]"));
}

static void print_value(struct pb_printer *p, const struct pb_value *v)
{
    switch (v->kind) {
    case PB_STRING:
        put_quoted(p, v->text);
        break;
    case PB_BOOLEAN:
    case PB_ENUM:
        pb_put(p, v->text);
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

const struct pb_option *pb_shown_options(struct pb_printer *p, const struct pb_option *options)
{
    struct pb_option *first = NULL, **tail = &first, *copy;

    if (p->mode == PB_NORMAL)
        return pb_normal_options(&p->arena, p->schema, p->scope, options);
    for (const struct pb_option *o = options; o; o = o->next) {
        if (p->mode == PB_WITHOUT_EXTENSIONS && o->custom && !str_has_prefix(o->name, "confluent."))
            continue;
        copy = ARENA_NEW(&p->arena, struct pb_option);
        *copy = *o;
        copy->next = NULL;
        pb_append(tail, copy);
    }
    return first;
}

void pb_print_inline_options(struct pb_printer *p, const struct pb_option *options)
{
    options = pb_shown_options(p, options);
    if (!options)
        return;
    pb_put(p, STR(" ["));
    if (!options->next) {
        print_option(p, options);
        pb_put(p, STR("]"));
        return;
    }
    pb_newline(p);
    p->level++;
    for (; options; options = options->next) {
        print_option(p, options);
        pb_put(p, options->next ? STR(",") : STR(""));
        pb_newline(p);
    }
    p->level--;
    pb_put(p, STR("]"));
}

void pb_print_option_lines(struct pb_printer *p, const struct pb_option *options)
{
    for (; options; options = options->next) {
        pb_put(p, STR("option "));
        print_option(p, options);
        pb_put(p, STR(";"));
        pb_newline(p);
    }
}
