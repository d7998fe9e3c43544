/*
 * Spark's functions and casts in the engine's SQL.
 */
#include "lake/write/expression.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* --- texts ------------------------------------------------------------------------------------------------- */

const char *lake_literal_text(struct arena *a, const char *sql)
{
    const size_t n = strlen(sql);
    char *out = arena_strdup(a, sql), *to = out;

    if (n < 2 || sql[0] != '\'' || sql[n - 1] != '\'')
        return NULL;
    for (const char *p = sql + 1; p < sql + n - 1; p++) {
        if (*p == '\'') {
            if (p[1] != '\'' || p + 1 == sql + n - 1)
                return NULL; /* more than one literal */
            p++;
        }
        *to++ = *p;
    }
    *to = '\0';
    return out;
}

static const char *add_quotes(struct translation *x, const struct buf *text)
{
    struct buf out;
    const char *sql;

    buf_init(&out, 0);
    engine_add_literal(&out, buf_str(text));
    sql = arena_strndup(&x->arena, buf_cstr(&out), out.n);
    buf_release(&out);
    return sql;
}

/* Java's letters for dates and times as strftime's. */
static const struct {
    const char *java, *strftime;
} date_letters[] = {
    {"yyyy", "%Y"}, {"uuuu", "%Y"}, {"yy", "%y"},  {"MMMM", "%B"},   {"MMM", "%b"}, {"MM", "%m"}, {"M", "%-m"},
    {"dd", "%d"},   {"d", "%-d"},   {"HH", "%H"},  {"H", "%-H"},     {"hh", "%I"},  {"h", "%-I"}, {"mm", "%M"},
    {"m", "%-M"},   {"ss", "%S"},   {"s", "%-S"},  {"SSSSSS", "%f"}, {"SSS", "%g"}, {"a", "%p"},  {"EEEE", "%A"},
    {"EEE", "%a"},  {"E", "%a"},    {"DDD", "%j"}, {"D", "%-j"},
};

/* A pattern of date_format as strftime's, in quotes. */
static const char *date_pattern(struct translation *x, const char *sql)
{
    const char *java = lake_literal_text(&x->arena, sql), *p = java;
    struct buf out;
    const char *text = "NULL";

    if (!java)
        return lake_cannot_translate(x, "a date's pattern that is no text constant is not supported");
    buf_init(&out, 0);
    while (*p && !x->rc) {
        size_t n = 1;
        bool known = false;

        if (*p == '\'') {
            if (p[1] == '\'') { /* two are one */
                buf_putc(&out, *p);
                p += 2;
                continue;
            }
            for (p++; *p && (*p != '\'' || p[1] == '\''); p += 1 + (*p == '\''))
                buf_printf(&out, "%s%c", *p == '%' ? "%" : "", *p);
            p += *p != '\0';
            continue;
        }
        if (!isalpha((unsigned char)*p)) {
            buf_printf(&out, "%s%c", *p == '%' ? "%" : "", *p);
            p++;
            continue;
        }
        while (p[n] == *p)
            n++;
        for (size_t i = 0; i < IG_COUNT(date_letters) && !known; i++)
            if (strlen(date_letters[i].java) == n && strncmp(date_letters[i].java, p, n) == 0) {
                buf_puts(&out, date_letters[i].strftime);
                known = true;
            }
        if (!known)
            lake_cannot_translate(x, "the letters %.*s in a date's pattern are not supported", (int)n, p);
        p += n;
    }
    if (!x->rc)
        text = add_quotes(x, &out);
    buf_release(&out);
    return text;
}

/* --- casts ------------------------------------------------------------------------------------------------- */

static bool is_integer(const struct schema_type *type)
{
    return type->kind == SCHEMA_BYTE || type->kind == SCHEMA_SHORT || type->kind == SCHEMA_INTEGER ||
           type->kind == SCHEMA_LONG;
}

static const char *cast_as(struct translation *x, const char *sql, const struct schema_type *to)
{
    struct buf out;
    const char *text;

    buf_init(&out, 0);
    buf_printf(&out, "CAST(%s AS ", sql);
    schema_add_sql(&out, to);
    buf_putc(&out, ')');
    text = arena_strndup(&x->arena, buf_cstr(&out), out.n);
    buf_release(&out);
    return text;
}

static const char *cast_to_text(struct translation *x, const char *sql, const struct schema_type *from)
{
    switch (from->kind) {
    case SCHEMA_STRING:
        return sql;
    case SCHEMA_TIMESTAMP:
        return arena_printf(&x->arena, "CAST(CAST(%s AS TIMESTAMPTZ) AT TIME ZONE 'UTC' AS VARCHAR)", sql);
    case SCHEMA_BINARY:
        return arena_printf(&x->arena, "decode(%s)", sql);
    case SCHEMA_BYTE:
    case SCHEMA_SHORT:
    case SCHEMA_INTEGER:
    case SCHEMA_LONG:
    case SCHEMA_BOOLEAN:
    case SCHEMA_DATE:
    case SCHEMA_TIMESTAMP_NTZ:
        return arena_printf(&x->arena, "CAST(%s AS VARCHAR)", sql);
    case SCHEMA_DECIMAL:
        if (from->scale > 6) /* 0E-10 in some versions of Spark */
            return lake_cannot_translate(x, "a cast of a decimal of more than 6 decimals to string is not supported");
        return arena_printf(&x->arena, "CAST(%s AS VARCHAR)", sql);
    case SCHEMA_DOUBLE:
    case SCHEMA_FLOAT: {
        struct buf out;
        const char *text;

        buf_init(&out, 0);
        lake_add_fraction_text(&out, sql);
        text = arena_strndup(&x->arena, buf_cstr(&out), out.n);
        buf_release(&out);
        return text;
    }
    default: /* a struct's brackets are Spark's own */
        return lake_cannot_translate(x, "a cast of this type to string is not supported: %s", sql);
    }
}

static const char *cast_to_integer(struct translation *x, const char *sql, const struct schema_type *from,
                                   const struct schema_type *to)
{
    if (from->kind == SCHEMA_DOUBLE || from->kind == SCHEMA_FLOAT || from->kind == SCHEMA_DECIMAL)
        return cast_as(x, arena_printf(&x->arena, "trunc(%s)", sql), to);
    if (from->kind == SCHEMA_TIMESTAMP)
        return cast_as(x, arena_printf(&x->arena, "floor(epoch(%s))", sql), to);
    if (from->kind == SCHEMA_STRING) /* '12', ' 12 ', '12.7'; anything else is null */
        return cast_as(
            x, arena_printf(&x->arena, "nullif(regexp_extract(trim(%s), '^([+-]?[0-9]+)([.][0-9]*)?$', 1), '')", sql),
            to);
    if (is_integer(from) || from->kind == SCHEMA_BOOLEAN)
        return cast_as(x, sql, to);
    return lake_cannot_translate(x, "this cast to an integer is not supported: %s", sql);
}

/* '2024', '2024-3', '2024-03-04 and anything'; what the engine would read besides ('infinity', '2024/03/04') is null.
 */
static const char *cast_text_to_date(struct translation *x, const char *sql)
{
    const char *text = arena_printf(&x->arena, "trim(%s)", sql);

    return arena_printf(&x->arena,
                        "CAST(CASE WHEN regexp_matches(%s, '^[0-9]{4}$') THEN %s || '-01-01' WHEN regexp_matches(%s, "
                        "'^[0-9]{4}-[0-9]{1,2}$') THEN %s || '-01' ELSE nullif(regexp_extract(%s, "
                        "'^([0-9]{4}-[0-9]{1,2}-[0-9]{1,2})([ T].*)?$', 1), '') END AS DATE)",
                        text, text, text, text, text);
}

static const char *cast_text_to_time(struct translation *x, const char *sql, const struct schema_type *to)
{
    const char *text = arena_printf(&x->arena, "trim(%s)", sql);

    return cast_as(x,
                   arena_printf(&x->arena,
                                "CASE WHEN regexp_matches(%s, '^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([ T].*)?$') THEN %s "
                                "WHEN regexp_matches(%s, '^[0-9]{4}-[0-9]{1,2}$') THEN %s || '-01' WHEN "
                                "regexp_matches(%s, '^[0-9]{4}$') THEN %s || '-01-01' END",
                                text, text, text, text, text, text),
                   to);
}

const char *lake_translate_cast(struct translation *x, const char *sql, const struct schema_type *to)
{
    const struct schema_type *from = lake_type_of(x, sql);

    if (!from)
        return "NULL";
    if (strcmp(sql, "NULL") == 0)
        return cast_as(x, sql, to);
    if (to->kind == SCHEMA_STRING)
        return cast_to_text(x, sql, from);
    if (is_integer(to))
        return cast_to_integer(x, sql, from, to);
    if (to->kind == SCHEMA_DATE && from->kind == SCHEMA_STRING)
        return cast_text_to_date(x, sql);
    if ((to->kind == SCHEMA_TIMESTAMP || to->kind == SCHEMA_TIMESTAMP_NTZ) && from->kind == SCHEMA_STRING)
        return cast_text_to_time(x, sql, to);
    if (to->kind == SCHEMA_TIMESTAMP && is_integer(from))
        return arena_printf(&x->arena, "to_timestamp(%s)", sql);
    if (to->kind == SCHEMA_TIMESTAMP && (from->kind == SCHEMA_DOUBLE || from->kind == SCHEMA_FLOAT))
        return lake_cannot_translate(x, "a cast of a fraction to timestamp is not supported");
    if ((to->kind == SCHEMA_DOUBLE || to->kind == SCHEMA_FLOAT || to->kind == SCHEMA_DECIMAL) &&
        from->kind == SCHEMA_TIMESTAMP)
        return lake_cannot_translate(x, "a cast of a timestamp to a fraction is not supported");
    if (to->kind == SCHEMA_DECIMAL && (from->kind == SCHEMA_DOUBLE || from->kind == SCHEMA_FLOAT)) /* by its digits */
        return cast_as(x, arena_printf(&x->arena, "CAST(CAST(%s AS DOUBLE) AS VARCHAR)", sql), to);
    if (to->kind == SCHEMA_BINARY && from->kind == SCHEMA_STRING)
        return arena_printf(&x->arena, "encode(%s)", sql);
    if (to->kind == SCHEMA_STRUCT || to->kind == SCHEMA_ARRAY || to->kind == SCHEMA_MAP || to->kind == SCHEMA_BINARY)
        return lake_cannot_translate(x, "this cast to a nested type or binary is not supported: %s", sql);
    return cast_as(x, sql, to);
}

static const char *to_text(struct translation *x, const char *sql)
{
    static const struct schema_type text = {.kind = SCHEMA_STRING};

    return lake_translate_cast(x, sql, &text);
}

/* --- functions that a template cannot say ------------------------------------------------------------------ */

typedef const char *call_fn(struct translation *x, const char **args, size_t n);

static const char *join_text(struct translation *x, const char **args, size_t n, const char *between)
{
    const char *sql = "";

    for (size_t i = 0; i < n; i++)
        sql = arena_printf(&x->arena, "%s%s%s", sql, i ? between : "", to_text(x, args[i]));
    return sql;
}

static const char *call_concat(struct translation *x, const char **args, size_t n)
{
    const char *sql = "";
    size_t binary = 0;

    for (size_t i = 0; i < n; i++) {
        const struct schema_type *type = lake_type_of(x, args[i]);

        binary += type && type->kind == SCHEMA_BINARY;
        sql = arena_printf(&x->arena, "%s%s%s", sql, i ? " || " : "", args[i]);
    }
    if (binary == n)
        return arena_printf(&x->arena, "(%s)", sql);
    return arena_printf(&x->arena, "(%s)", join_text(x, args, n, " || "));
}

static const char *call_string(struct translation *x, const char **args, size_t n)
{
    (void)n;
    return to_text(x, args[0]);
}

static const char *call_concat_ws(struct translation *x, const char **args, size_t n)
{
    return arena_printf(&x->arena, "concat_ws(%s)", join_text(x, args, n, ", "));
}

static const char *call_substring(struct translation *x, const char **args, size_t n)
{
    int64_t from;

    if (!str_to_int64(str_of(args[1]), 0, INT32_MAX, &from))
        return lake_cannot_translate(x, "substring from a place that is no positive constant is not supported");
    if (n == 2)
        return arena_printf(&x->arena, "substring(%s, %lld)", to_text(x, args[0]), (long long)(from ? from : 1));
    return arena_printf(&x->arena, "substring(%s, %lld, greatest(%s, 0))", to_text(x, args[0]),
                        (long long)(from ? from : 1), args[2]);
}

static const char *call_date_format(struct translation *x, const char **args, size_t n)
{
    const struct schema_type *from = lake_type_of(x, args[0]);
    const char *value = args[0];

    (void)n;
    if (from && from->kind == SCHEMA_STRING)
        value = arena_printf(&x->arena, "CAST(%s AS TIMESTAMPTZ)", args[0]);
    return arena_printf(&x->arena, "strftime(%s, %s)", value, date_pattern(x, args[1]));
}

static const char *call_from_unixtime(struct translation *x, const char **args, size_t n)
{
    return arena_printf(&x->arena, "strftime(to_timestamp(%s), %s)", args[0],
                        n == 2 ? date_pattern(x, args[1]) : "'%Y-%m-%d %H:%M:%S'");
}

static const char *call_to_date(struct translation *x, const char **args, size_t n)
{
    if (n == 1)
        return arena_printf(&x->arena, "CAST(%s AS DATE)", args[0]);
    return arena_printf(&x->arena, "CAST(try_strptime(%s, %s) AS DATE)", args[0], date_pattern(x, args[1]));
}

static const char *call_to_timestamp(struct translation *x, const char **args, size_t n)
{
    const struct schema_type *from = lake_type_of(x, args[0]);

    if (from && is_integer(from))
        return arena_printf(&x->arena, "to_timestamp(%s)", args[0]);
    if (n == 1)
        return arena_printf(&x->arena, "CAST(%s AS TIMESTAMPTZ)", args[0]);
    return arena_printf(&x->arena, "CAST(try_strptime(%s, %s) AS TIMESTAMPTZ)", args[0], date_pattern(x, args[1]));
}

static const char *trunc_unit(struct translation *x, const char *sql, bool of_time)
{
    static const struct {
        const char *spark, *unit;
        bool of_time;
    } units[] = {{"year", "year", false},
                 {"yyyy", "year", false},
                 {"yy", "year", false},
                 {"quarter", "quarter", false},
                 {"month", "month", false},
                 {"mon", "month", false},
                 {"mm", "month", false},
                 {"week", "week", false},
                 {"day", "day", true},
                 {"dd", "day", true},
                 {"hour", "hour", true},
                 {"minute", "minute", true},
                 {"second", "second", true},
                 {"millisecond", "milliseconds", true},
                 {"microsecond", "microseconds", true}};
    const char *text = lake_literal_text(&x->arena, sql);

    for (size_t i = 0; text && i < IG_COUNT(units); i++)
        if (strcasecmp(units[i].spark, text) == 0 && (of_time || !units[i].of_time))
            return units[i].unit;
    return lake_cannot_translate(x, "cutting a date at the unit %s is not supported", sql);
}

static const char *call_unix_timestamp(struct translation *x, const char **args, size_t n)
{
    const struct schema_type *type = lake_type_of(x, args[0]);

    (void)n;
    if (type && type->kind == SCHEMA_STRING)
        return lake_cannot_translate(x, "unix_timestamp() of a text is not supported");
    return arena_printf(&x->arena, "CAST(trunc(epoch(CAST(%s AS TIMESTAMPTZ))) AS BIGINT)", args[0]);
}

static const char *call_date_trunc(struct translation *x, const char **args, size_t n)
{
    (void)n;
    return arena_printf(&x->arena, "date_trunc('%s', CAST(%s AS TIMESTAMPTZ))", trunc_unit(x, args[0], true), args[1]);
}

static const char *call_trunc(struct translation *x, const char **args, size_t n)
{
    (void)n;
    return arena_printf(&x->arena, "CAST(date_trunc('%s', CAST(%s AS DATE)) AS DATE)", trunc_unit(x, args[1], false),
                        args[0]);
}

static const char *call_length(struct translation *x, const char **args, size_t n)
{
    const struct schema_type *type = lake_type_of(x, args[0]);

    (void)n;
    if (type && type->kind == SCHEMA_BINARY)
        return arena_printf(&x->arena, "octet_length(%s)", args[0]);
    return arena_printf(&x->arena, "length(%s)", to_text(x, args[0]));
}

static const char *call_size(struct translation *x, const char **args, size_t n)
{
    const struct schema_type *type = lake_type_of(x, args[0]);

    (void)n;
    if (!type || (type->kind != SCHEMA_ARRAY && type->kind != SCHEMA_MAP))
        return lake_cannot_translate(x, "size() of what is no list is not supported");
    return arena_printf(&x->arena, "coalesce(%s(%s), -1)", type->kind == SCHEMA_MAP ? "cardinality" : "len", args[0]);
}

static const char *call_sha2(struct translation *x, const char **args, size_t n)
{
    (void)n;
    if (strcmp(args[1], "256") != 0 && strcmp(args[1], "0") != 0)
        return lake_cannot_translate(x, "sha2() of other than 256 bits is not supported");
    return arena_printf(&x->arena, "sha256(%s)", args[0]);
}

static const char *call_round(struct translation *x, const char **args, size_t n)
{
    const struct schema_type *type = lake_type_of(x, args[0]);

    if (type && (type->kind == SCHEMA_DOUBLE || type->kind == SCHEMA_FLOAT) && n == 2)
        return lake_cannot_translate(x, "round() of a fraction that is no decimal, to digits, is not supported");
    return n == 2 ? arena_printf(&x->arena, "round(%s, %s)", args[0], args[1])
                  : arena_printf(&x->arena, "round(%s)", args[0]);
}

/* --- the table --------------------------------------------------------------------------------------------- */

/* Whole numbers, but of decimals. */
static const char *call_whole(struct translation *x, const char *name, const char *arg)
{
    const struct schema_type *type = lake_type_of(x, arg);

    if (type && (type->kind == SCHEMA_DOUBLE || type->kind == SCHEMA_FLOAT))
        return arena_printf(&x->arena, "CAST(%s(%s) AS BIGINT)", name, arg);
    return arena_printf(&x->arena, "%s(%s)", name, arg);
}

static const char *call_ceil(struct translation *x, const char **args, size_t n)
{
    (void)n;
    return call_whole(x, "ceil", args[0]);
}

static const char *call_floor(struct translation *x, const char **args, size_t n)
{
    (void)n;
    return call_whole(x, "floor", args[0]);
}

static const char *call_sign(struct translation *x, const char **args, size_t n)
{
    (void)n;
    return arena_printf(&x->arena, "(CASE WHEN isnan(CAST(%s AS DOUBLE)) THEN CAST('NaN' AS DOUBLE) ELSE sign(%s) END)",
                        args[0], args[0]);
}

static const char *call_mod(struct translation *x, const char **args, size_t n)
{
    (void)n;
    return lake_translate_arithmetic(x, "%", args[0], args[1]);
}

static const char *call_pmod(struct translation *x, const char **args, size_t n)
{
    const char *rest = call_mod(x, args, n);

    return arena_printf(&x->arena, "(CASE WHEN %s < 0 THEN (%s + %s) %% nullif(%s, 0) ELSE %s END)", rest, rest,
                        args[1], args[1], rest);
}

static const char *call_rlike(struct translation *x, const char **args, size_t n)
{
    (void)n;
    return arena_printf(&x->arena, "regexp_matches(%s, %s)", args[0], lake_translate_pattern(x, args[1]));
}

/* Sharp s, ligatures, Greek with iota below, ...; the dotted I and the sigma. */
#define UPPER_DIFFERS                                                    \
    "[\\x{df}\\x{149}\\x{1f0}\\x{390}\\x{3b0}\\x{587}\\x{1e96}-\\x{1e9a" \
    "}\\x{1f50}\\x{1f52}\\x{1f54}\\x{1f56}\\x{1f80}-\\x{1fff}\\x{fb00}-\\x{fb17}]"
#define LOWER_DIFFERS "[\\x{130}\\x{3a3}]"

/* Letters that Java makes several of, or takes for others at the end of a word, are an error rather than another text.
 */
static const char *change_case(struct translation *x, const char *name, const char *letters, const char *arg)
{
    return arena_printf(&x->arena,
                        "(CASE WHEN regexp_matches(%s, '%s') THEN error('%s() of a text with such letters is not "
                        "supported: ' || %s) ELSE %s(%s) END)",
                        arg, letters, name, arg, name, arg);
}

static const char *call_upper(struct translation *x, const char **args, size_t n)
{
    (void)n;
    return change_case(x, "upper", UPPER_DIFFERS, to_text(x, args[0]));
}

static const char *call_lower(struct translation *x, const char **args, size_t n)
{
    (void)n;
    return change_case(x, "lower", LOWER_DIFFERS, to_text(x, args[0]));
}

#define ANY 64

/* $1 ... are the arguments, $* all of them with commas. */
static const struct {
    const char *name;
    size_t least, most;
    const char *sql;
    call_fn *call;
} functions[] = {
    {"year", 1, 1, "year($1)", NULL},
    {"quarter", 1, 1, "quarter($1)", NULL},
    {"month", 1, 1, "month($1)", NULL},
    {"day", 1, 1, "day($1)", NULL},
    {"dayofmonth", 1, 1, "day($1)", NULL},
    {"dayofyear", 1, 1, "dayofyear($1)", NULL},
    {"dayofweek", 1, 1, "(dayofweek($1) + 1)", NULL},
    {"weekday", 1, 1, "(isodow($1) - 1)", NULL},
    {"weekofyear", 1, 1, "week($1)", NULL},
    {"week", 1, 1, "week($1)", NULL},
    {"hour", 1, 1, "hour($1)", NULL},
    {"minute", 1, 1, "minute($1)", NULL},
    {"second", 1, 1, "second($1)", NULL},
    {"date", 1, 1, NULL, call_to_date},
    {"to_date", 1, 2, NULL, call_to_date},
    {"timestamp", 1, 1, NULL, call_to_timestamp},
    {"to_timestamp", 1, 2, NULL, call_to_timestamp},
    {"date_format", 2, 2, NULL, call_date_format},
    {"from_unixtime", 1, 2, NULL, call_from_unixtime},
    {"date_trunc", 2, 2, NULL, call_date_trunc},
    {"trunc", 2, 2, NULL, call_trunc},
    {"date_add", 2, 2, "CAST(CAST($1 AS DATE) + CAST($2 AS INTEGER) AS DATE)", NULL},
    {"date_sub", 2, 2, "CAST(CAST($1 AS DATE) - CAST($2 AS INTEGER) AS DATE)", NULL},
    {"datediff", 2, 2, "date_diff('day', CAST($2 AS DATE), CAST($1 AS DATE))", NULL},
    {"date_diff", 2, 2, "date_diff('day', CAST($2 AS DATE), CAST($1 AS DATE))", NULL},
    {"add_months", 2, 2, "CAST(CAST($1 AS DATE) + to_months(CAST($2 AS INTEGER)) AS DATE)", NULL},
    {"last_day", 1, 1, "last_day($1)", NULL},
    {"make_date", 3, 3, "make_date($1, $2, $3)", NULL},
    {"unix_date", 1, 1, "date_diff('day', DATE '1970-01-01', $1)", NULL},
    {"date_from_unix_date", 1, 1, "(DATE '1970-01-01' + CAST($1 AS INTEGER))", NULL},
    {"unix_timestamp", 1, 1, NULL, call_unix_timestamp},
    {"unix_seconds", 1, 1, "CAST(floor(epoch($1)) AS BIGINT)", NULL},
    {"unix_millis", 1, 1, "epoch_ms($1)", NULL},
    {"unix_micros", 1, 1, "epoch_us($1)", NULL},
    {"timestamp_seconds", 1, 1, "to_timestamp($1)", NULL},
    {"timestamp_millis", 1, 1, "make_timestamptz($1 * 1000)", NULL},
    {"timestamp_micros", 1, 1, "make_timestamptz($1)", NULL},
    {"current_date", 0, 0, "current_date", NULL},
    {"curdate", 0, 0, "current_date", NULL},
    {"current_timestamp", 0, 0, "now()", NULL},
    {"now", 0, 0, "now()", NULL},
    {"concat", 1, ANY, NULL, call_concat},
    {"concat_ws", 2, ANY, NULL, call_concat_ws},
    {"substring", 2, 3, NULL, call_substring},
    {"substr", 2, 3, NULL, call_substring},
    {"left", 2, 2, "left($1, greatest($2, 0))", NULL},
    {"upper", 1, 1, NULL, call_upper},
    {"ucase", 1, 1, NULL, call_upper},
    {"lower", 1, 1, NULL, call_lower},
    {"lcase", 1, 1, NULL, call_lower},
    {"length", 1, 1, NULL, call_length},
    {"char_length", 1, 1, NULL, call_length},
    {"character_length", 1, 1, NULL, call_length},
    {"len", 1, 1, NULL, call_length},
    {"trim", 1, 1, "trim($1, ' ')", NULL},
    {"ltrim", 1, 1, "ltrim($1, ' ')", NULL},
    {"rtrim", 1, 1, "rtrim($1, ' ')", NULL},
    {"replace", 3, 3, "replace($1, $2, $3)", NULL},
    {"reverse", 1, 1, "array_to_string(list_reverse(regexp_extract_all($1, '(?s).')), '')", NULL},
    {"repeat", 2, 2, "repeat($1, $2)", NULL},
    {"lpad", 3, 3, "lpad($1, $2, $3)", NULL},
    {"rpad", 3, 3, "rpad($1, $2, $3)", NULL},
    {"instr", 2, 2, "instr($1, $2)", NULL},
    {"locate", 2, 2, "instr($2, $1)", NULL},
    {"position", 2, 2, "instr($2, $1)", NULL},
    {"startswith", 2, 2, "starts_with($1, $2)", NULL},
    {"endswith", 2, 2, "ends_with($1, $2)", NULL},
    {"contains", 2, 2, "contains($1, $2)", NULL},
    {"rlike", 2, 2, NULL, call_rlike},
    {"regexp_like", 2, 2, NULL, call_rlike},
    {"regexp", 2, 2, NULL, call_rlike},
    {"like", 2, 2, "($1 LIKE $2 ESCAPE '\\')", NULL},
    {"md5", 1, 1, "md5($1)", NULL},
    {"sha2", 2, 2, NULL, call_sha2},
    {"ascii", 1, 1, "ascii($1)", NULL},
    {"string", 1, 1, NULL, call_string},
    {"int", 1, 1, "\1integer", NULL},
    {"bigint", 1, 1, "\1long", NULL},
    {"smallint", 1, 1, "\1short", NULL},
    {"tinyint", 1, 1, "\1byte", NULL},
    {"double", 1, 1, "\1double", NULL},
    {"float", 1, 1, "\1float", NULL},
    {"boolean", 1, 1, "\1boolean", NULL},
    {"abs", 1, 1, "abs($1)", NULL},
    {"sign", 1, 1, NULL, call_sign},
    {"signum", 1, 1, NULL, call_sign},
    {"ceil", 1, 1, NULL, call_ceil},
    {"ceiling", 1, 1, NULL, call_ceil},
    {"floor", 1, 1, NULL, call_floor},
    {"round", 1, 2, NULL, call_round},
    {"sqrt", 1, 1, "sqrt($1)", NULL},
    {"pow", 2, 2, "pow($1, $2)", NULL},
    {"power", 2, 2, "pow($1, $2)", NULL},
    {"mod", 2, 2, NULL, call_mod},
    {"pmod", 2, 2, NULL, call_pmod},
    {"isnan", 1, 1, "coalesce(isnan($1), false)", NULL},
    {"isnull", 1, 1, "($1 IS NULL)", NULL},
    {"isnotnull", 1, 1, "($1 IS NOT NULL)", NULL},
    {"coalesce", 1, ANY, "coalesce($*)", NULL},
    {"nvl", 2, 2, "coalesce($*)", NULL},
    {"ifnull", 2, 2, "coalesce($*)", NULL},
    {"nullif", 2, 2, "nullif($1, $2)", NULL},
    {"nvl2", 3, 3, "(CASE WHEN $1 IS NOT NULL THEN $2 ELSE $3 END)", NULL},
    {"if", 3, 3, "(CASE WHEN $1 THEN $2 ELSE $3 END)", NULL},
    {"iff", 3, 3, "(CASE WHEN $1 THEN $2 ELSE $3 END)", NULL},
    {"greatest", 2, ANY, "greatest($*)", NULL},
    {"least", 2, ANY, "least($*)", NULL},
    {"array_contains", 2, 2,
     "(CASE WHEN list_contains($1, $2) OR len($1) = list_count($1) THEN list_contains($1, $2) END)", NULL},
    {"size", 1, 1, NULL, call_size},
    {"cardinality", 1, 1, NULL, call_size},
    {"array_size", 1, 1, "len($1)", NULL},
};

static const char *fill_in(struct translation *x, const char *sql, const char **args, size_t n)
{
    struct buf out;
    const char *text;

    buf_init(&out, 0);
    for (; *sql; sql++) {
        if (*sql != '$') {
            buf_putc(&out, *sql);
        } else if (*++sql == '*') {
            for (size_t i = 0; i < n; i++)
                buf_printf(&out, "%s%s", i ? ", " : "", args[i]);
        } else {
            buf_puts(&out, args[*sql - '1']);
        }
    }
    text = arena_strndup(&x->arena, buf_cstr(&out), out.n);
    buf_release(&out);
    return text;
}

/* int(x) and the like. */
static const char *call_cast(struct translation *x, const char *arg, const char *type)
{
    const struct schema_type *to = NULL;
    struct buf json;

    buf_init(&json, 0);
    buf_printf(&json, "{\"type\":\"struct\",\"fields\":[{\"name\":\"v\",\"type\":\"%s\"}]}", type);
    if (schema_of_json(&x->arena, buf_str(&json), &to, NULL))
        to = NULL;
    buf_release(&json);
    return to ? lake_translate_cast(x, arg, to->fields[0].type) : "NULL";
}

const char *lake_translate_call(struct translation *x, const char *name, const char **args, size_t n)
{
    for (size_t i = 0; i < IG_COUNT(functions); i++) {
        if (strcasecmp(functions[i].name, name) != 0)
            continue;
        if (n < functions[i].least || n > functions[i].most)
            return lake_cannot_translate(x, "the function %s of %zu arguments is not supported", name, n);
        if (functions[i].call)
            return functions[i].call(x, args, n);
        if (functions[i].sql[0] == '\1')
            return call_cast(x, args[0], functions[i].sql + 1);
        return fill_in(x, functions[i].sql, args, n);
    }
    return lake_cannot_translate(x, "the function %s is not supported", name);
}
