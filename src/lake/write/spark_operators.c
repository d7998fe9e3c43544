/*
 * Spark's operators in the engine's SQL: what types they work in, and what division by zero, texts beside numbers and
 * regular expressions mean.
 */
#include "lake/write/expression.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static bool is_fraction(const struct schema_type *type)
{
    return type->kind == SCHEMA_DOUBLE || type->kind == SCHEMA_FLOAT;
}

static bool is_number(const struct schema_type *type)
{
    return is_fraction(type) || type->kind == SCHEMA_DECIMAL || type->kind == SCHEMA_BYTE ||
           type->kind == SCHEMA_SHORT || type->kind == SCHEMA_INTEGER || type->kind == SCHEMA_LONG;
}

static const char *as_double(struct translation *x, const char *sql)
{
    return arena_printf(&x->arena, "CAST(%s AS DOUBLE)", sql);
}

/* A float beside a decimal is a double to Spark, a float to the engine. */
static bool meet_as_double(const struct schema_type *a, const struct schema_type *b)
{
    return (a->kind == SCHEMA_FLOAT && b->kind == SCHEMA_DECIMAL) ||
           (a->kind == SCHEMA_DECIMAL && b->kind == SCHEMA_FLOAT);
}

/* --- arithmetic -------------------------------------------------------------------------------------------- */

static const char *divide(struct translation *x, const char *left, const char *right, const struct schema_type *a,
                          const struct schema_type *b)
{
    if ((a->kind == SCHEMA_DECIMAL || b->kind == SCHEMA_DECIMAL) && !is_fraction(a) && !is_fraction(b))
        return lake_cannot_translate(x, "the division of decimals, which is exact in Spark, is not supported: %s / %s",
                                     left, right);
    return arena_printf(&x->arena, "(%s / nullif(%s, 0))", as_double(x, left), as_double(x, right));
}

const char *lake_translate_arithmetic(struct translation *x, const char *sign, const char *left, const char *right)
{
    const struct schema_type *a = lake_type_of(x, left), *b = a ? lake_type_of(x, right) : NULL;

    if (!a || !b)
        return "NULL";
    if (!is_number(a) || !is_number(b)) /* dates and intervals */
        return arena_printf(&x->arena, "(%s %s %s)", left, sign, right);
    if (strcmp(sign, "/") == 0)
        return divide(x, left, right, a, b);
    if (strcmp(sign, "//") == 0 && (a->kind == SCHEMA_DECIMAL || b->kind == SCHEMA_DECIMAL))
        return lake_cannot_translate(x, "DIV of decimals is not supported: %s DIV %s", left, right);
    if (meet_as_double(a, b)) {
        left = as_double(x, left);
        right = as_double(x, right);
    }
    if (strcmp(sign, "%") == 0)
        return arena_printf(&x->arena, "(%s %% nullif(%s, 0))", left, right);
    return arena_printf(&x->arena, "(%s %s %s)", left, sign, right);
}

/* --- comparisons ------------------------------------------------------------------------------------------- */

/* A text beside something else becomes that in Spark, not the other way round. */
static const char *text_as(struct translation *x, const char *sql, const struct schema_type *other)
{
    static const struct schema_type real = {.kind = SCHEMA_DOUBLE};

    return lake_translate_cast(x, sql, is_fraction(other) || other->kind == SCHEMA_DECIMAL ? &real : other);
}

static bool has_text(const struct schema_type *a, const struct schema_type *b)
{
    return a->kind == SCHEMA_STRING && b->kind != SCHEMA_STRING && b->kind != SCHEMA_BINARY;
}

const char *lake_translate_comparison(struct translation *x, const char *sign, const char *left, const char *right)
{
    const struct schema_type *a, *b;

    if (strcmp(left, "NULL") == 0 || strcmp(right, "NULL") == 0)
        return arena_printf(&x->arena, "(%s %s %s)", left, sign, right);
    a = lake_type_of(x, left);
    b = a ? lake_type_of(x, right) : NULL;
    if (!a || !b)
        return "NULL";
    if (has_text(a, b)) {
        left = text_as(x, left, b);
        right = b->kind == SCHEMA_DECIMAL ? as_double(x, right) : right;
    } else if (has_text(b, a)) {
        right = text_as(x, right, a);
        left = a->kind == SCHEMA_DECIMAL ? as_double(x, left) : left;
    } else if (meet_as_double(a, b)) {
        left = as_double(x, left);
        right = as_double(x, right);
    }
    return arena_printf(&x->arena, "(%s %s %s)", left, sign, right);
}

const char *lake_translate_member(struct translation *x, const char *left, const char *item)
{
    const struct schema_type *a, *b;

    if (strcmp(left, "NULL") == 0 || strcmp(item, "NULL") == 0)
        return item;
    a = lake_type_of(x, left);
    b = a ? lake_type_of(x, item) : NULL;
    if (a && b && ((has_text(a, b) && is_number(b)) || (has_text(b, a) && is_number(a))))
        return lake_cannot_translate(x, "IN or BETWEEN of texts and numbers is not supported: %s, %s", left, item);
    if (a && b && meet_as_double(a, b))
        return lake_cannot_translate(x, "IN or BETWEEN of a float and decimals is not supported: %s, %s", left, item);
    return item;
}

/* --- regular expressions ----------------------------------------------------------------------------------- */

/* What Java's $ stands before, and what its . does not match. */
#define LINE_ENDS "\\n\\r\\x{85}\\x{2028}\\x{2029}"

/* A class, from its [ on: copied, unless it is one that Java reads otherwise. */
static const char *copy_class(struct translation *x, const char *p, struct buf *out)
{
    buf_putc(out, *p++);
    if (*p == '^')
        buf_putc(out, *p++);
    if (*p == ']')
        lake_cannot_translate(x, "a regular expression with an empty class is not supported");
    for (; *p && *p != ']'; p++) {
        if (*p == '[' || (*p == '&' && p[1] == '&'))
            lake_cannot_translate(x, "a class within a class of a regular expression is not supported");
        if (*p == '\\' && p[1])
            buf_putc(out, *p++);
        buf_putc(out, *p);
    }
    return p;
}

const char *lake_translate_pattern(struct translation *x, const char *sql)
{
    const char *java = lake_literal_text(&x->arena, sql);
    const char *text = "NULL";
    struct buf out, quoted;

    if (!java)
        return lake_cannot_translate(x, "a regular expression that is no text constant is not supported");
    buf_init(&out, 0);
    buf_init(&quoted, 0);
    for (const char *p = java; *p && !x->rc; p++) {
        if (*p == '\\' && p[1]) {
            if (!strchr("dDwWsSbBAznrtf", p[1]) && isalnum((unsigned char)p[1]))
                lake_cannot_translate(x, "\\%c in a regular expression is not supported", p[1]);
            buf_putc(&out, *p++);
            buf_putc(&out, *p);
        } else if (*p == '[') {
            p = copy_class(x, p, &out);
            if (*p)
                buf_putc(&out, *p);
            else
                break;
        } else if (*p == '$') {
            buf_puts(&out, "(?:\\r\\n|[" LINE_ENDS "])?\\z");
        } else if (*p == '.') {
            buf_puts(&out, "[^" LINE_ENDS "]");
        } else if (*p == '(' && p[1] == '?' && p[2] != ':') {
            lake_cannot_translate(x, "(?%c in a regular expression is not supported", p[2]);
        } else {
            buf_putc(&out, *p);
        }
    }
    if (!x->rc) {
        engine_add_literal(&quoted, buf_str(&out));
        text = arena_strndup(&x->arena, buf_cstr(&quoted), quoted.n);
    }
    buf_release(&quoted);
    buf_release(&out);
    return text;
}
