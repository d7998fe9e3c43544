/*
 * Values of a query as the table's type, as Spark stores them; where the engine's own cast would give another value
 * (a rounded number, a text in other words), and where it reads what is none.
 */
#include "lake/write/expression.h"

#include <stdio.h>

static bool is_whole(enum schema_kind kind)
{
    return kind == SCHEMA_BYTE || kind == SCHEMA_SHORT || kind == SCHEMA_INTEGER || kind == SCHEMA_LONG;
}

static bool is_fraction(enum schema_kind kind)
{
    return kind == SCHEMA_DOUBLE || kind == SCHEMA_FLOAT;
}

/* As Java writes them: 1.0E7, 1.5E-5, 0.001, NaN, Infinity. The engine's digits are as few, but it begins with
 * exponents later. */
#define DIGITS "ltrim(replace(ltrim(CAST(_v AS VARCHAR), '-'), '.', ''), '0')"
#define SIGN "CASE WHEN _v < 0 THEN '-' ELSE '' END"
#define WITH_EXPONENT                                                                                           \
    "regexp_replace(regexp_extract(CAST(_v AS VARCHAR), '^-?([0-9.]+)e', 1), '^([0-9]+)$', '\\1.0') || 'E' || " \
    "CAST(CAST(regexp_extract(CAST(_v AS VARCHAR), 'e(.*)$', 1) AS INTEGER) AS VARCHAR)"
#define WITHOUT_EXPONENT                                                                                       \
    "left(" DIGITS ", 1) || '.' || coalesce(nullif(rtrim(substring(" DIGITS ", 2), '0'), ''), '0') || 'E' || " \
    "CASE WHEN abs(_v) < 1 THEN '-4' ELSE CAST(instr(ltrim(CAST(_v AS VARCHAR), '-'), '.') - 2 AS VARCHAR) END"

void lake_add_fraction_text(struct buf *sql, const char *value)
{
    buf_printf(sql,
               "list_transform([%s\n], lambda _v: CASE WHEN isnan(_v) THEN 'NaN' WHEN isinf(_v) THEN " SIGN
               " || 'Infinity' WHEN _v = 0 OR (abs(_v) >= 0.001 AND abs(_v) < 10000000) THEN CAST(_v AS VARCHAR) "
               "WHEN contains(CAST(_v AS VARCHAR), 'e') THEN " SIGN " || " WITH_EXPONENT " ELSE " SIGN
               " || " WITHOUT_EXPONENT " END)[1]",
               value);
}

static bool add_from_text(struct buf *sql, enum schema_kind to, const char *value)
{
    const bool time = to == SCHEMA_DATE || to == SCHEMA_TIMESTAMP || to == SCHEMA_TIMESTAMP_NTZ;

    if (is_whole(to)) /* '12.7' is none, nor are '1e3' and '0b11' */
        buf_printf(sql, "regexp_replace(trim(%s\n), '^(.*[._bBeExX].*)$', 'no whole number: \\1')", value);
    else if (is_fraction(to) || to == SCHEMA_DECIMAL) /* '1_000' */
        buf_printf(sql, "regexp_replace(%s\n, '^(.*_.*)$', 'no number: \\1')", value);
    else if (to == SCHEMA_BINARY)
        buf_printf(sql, "encode(%s\n)", value);
    else if (time) /* 'infinity', 'epoch', '2024/02/03', '2024 02 03' */
        buf_printf(sql, "regexp_replace(trim(%s\n), '^(-?[a-zA-Z].*|[0-9]+[/\\\\ ].*)$', 'no time: \\1')", value);
    else
        return false;
    return true;
}

static bool add_as_text(struct buf *sql, enum schema_kind from, const char *value)
{
    if (from == SCHEMA_TIMESTAMP)
        buf_printf(sql, "(CAST(%s\n AS TIMESTAMPTZ) AT TIME ZONE 'UTC')", value);
    else if (from == SCHEMA_BINARY)
        buf_printf(sql, "decode(%s\n)", value);
    else if (is_fraction(from))
        lake_add_fraction_text(sql, value);
    else
        return false;
    return true;
}

/* Is the engine's own cast another one, here or within? */
static bool differs(const struct schema_type *to, const struct schema_type *from)
{
    if (from->untyped || (from->kind == to->kind && from->kind <= SCHEMA_DECIMAL))
        return false;
    if (from->kind == SCHEMA_ARRAY)
        return to->kind == SCHEMA_ARRAY && differs(to->element, from->element);
    if (from->kind != SCHEMA_STRUCT)
        return true;
    for (size_t i = 0; to->kind == SCHEMA_STRUCT && i < from->n_fields; i++) {
        const struct schema_field *f = schema_find(to, str_of(from->fields[i].name));

        if (f && differs(f->type, from->fields[i].type))
            return true;
    }
    return false;
}

static void add_value(struct buf *sql, const struct schema_type *to, const struct schema_type *from, const char *value,
                      int depth);

static void add_members(struct buf *sql, const struct schema_type *to, const struct schema_type *from, int depth)
{
    struct buf member;

    buf_init(&member, 0);
    for (size_t i = 0; i < from->n_fields; i++) {
        const struct schema_field *f = schema_find(to, str_of(from->fields[i].name));

        buf_clear(&member);
        buf_printf(&member, "_v%d.", depth);
        engine_add_name(&member, str_of(from->fields[i].name));
        buf_puts(sql, i ? ", " : "");
        engine_add_literal(sql, str_of(from->fields[i].name));
        buf_puts(sql, ": ");
        if (f)
            add_value(sql, f->type, from->fields[i].type, buf_cstr(&member), depth + 1);
        else
            buf_puts(sql, buf_cstr(&member));
    }
    buf_release(&member);
}

/* A list or struct with values that need more than a cast. */
static void add_nested(struct buf *sql, const struct schema_type *to, const struct schema_type *from, const char *value,
                       int depth)
{
    char name[16];

    snprintf(name, sizeof(name), "_v%d", depth);
    if (to->kind == SCHEMA_ARRAY) {
        buf_printf(sql, "list_transform(%s\n, lambda %s: ", value, name);
        add_value(sql, to->element, from->element, name, depth + 1);
        buf_putc(sql, ')');
        return;
    }
    buf_printf(sql, "list_transform([%s\n], lambda %s: CASE WHEN %s IS NOT NULL THEN {", value, name, name);
    add_members(sql, to, from, depth);
    buf_puts(sql, "} END)[1]");
}

static bool add_converted(struct buf *sql, const struct schema_type *to, const struct schema_type *from,
                          const char *value, int depth)
{
    if (!from || !differs(to, from))
        return false;
    if (from->kind == SCHEMA_ARRAY || from->kind == SCHEMA_STRUCT)
        add_nested(sql, to, from, value, depth);
    else if (is_whole(to->kind) && (is_fraction(from->kind) || from->kind == SCHEMA_DECIMAL))
        buf_printf(sql, "trunc(%s\n)", value); /* Delta's engines cut a fraction off where a cast would round */
    else if (to->kind == SCHEMA_DECIMAL && is_fraction(from->kind))
        buf_printf(sql, "CAST(CAST(%s\n AS DOUBLE) AS VARCHAR)", value); /* 1.005 is 1.01, by its digits */
    else if (from->kind == SCHEMA_STRING)
        return add_from_text(sql, to->kind, value);
    else if (to->kind == SCHEMA_STRING)
        return add_as_text(sql, from->kind, value);
    else
        return false;
    return true;
}

static void add_value(struct buf *sql, const struct schema_type *to, const struct schema_type *from, const char *value,
                      int depth)
{
    buf_puts(sql, "CAST(");
    if (!add_converted(sql, to, from, value, depth))
        buf_printf(sql, "(%s\n)", value);
    buf_puts(sql, " AS ");
    schema_add_sql(sql, to);
    buf_putc(sql, ')');
}

void lake_add_stored_value(struct buf *sql, const struct schema_type *to, const struct schema_type *from,
                           const char *value)
{
    add_value(sql, to, from, value, 0);
}
