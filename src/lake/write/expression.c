#include "lake/write/expression.h"

#include "lake/table/schema_text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define DEPTH_MAX 100
#define ARGUMENTS_MAX 64

enum token_kind { TOKEN_END, TOKEN_WORD, TOKEN_NAME, TOKEN_TEXT, TOKEN_NUMBER, TOKEN_SIGN };

struct token {
    enum token_kind kind;
    const char *text; /* resolved: a name without its backticks, a text without its quotes */
    const char *start, *end;
};

struct parser {
    struct translation *x;
    const char *p; /* behind the token */
    struct token t;
    int depth;
};

const char *lake_cannot_translate(struct translation *x, const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (!x->rc)
        x->rc = error_set(x->err, IG_UNSUPPORTED, "%s", text);
    return "NULL";
}

static const char *invalid(struct translation *x, const char *what, const char *name)
{
    if (!x->rc)
        x->rc = error_set(x->err, IG_INVALID, "%s%s", what, name);
    return "NULL";
}

/* --- tokens ------------------------------------------------------------------------------------------------ */

/* 'it''s', "x", with backslashes as Spark reads them; `a``b`. */
static const char *read_quoted(struct parser *p, const char *at, struct token *t)
{
    const char quote = *at++;
    struct buf text;

    buf_init(&text, 0);
    for (; *at; at++) {
        if (*at == quote) {
            if (at[1] != quote)
                break;
            if (quote != '`')
                lake_cannot_translate(p->x,
                                      "two quotes within a text mean one to some versions of Spark and none to others: "
                                      "a backslash before the quote means the same to all");
            at++;
        } else if (*at == '\\' && quote != '`' && at[1]) {
            static const char from[] = "ntrb0Z", to[] = "\n\t\r\b\0\x1a";
            const char *known = strchr(from, *++at);

            if (*at == '%' || *at == '_')
                buf_putc(&text, '\\');
            if (*at == 'u' || *at == '0')
                lake_cannot_translate(p->x, "the escape \\%c in a text is not supported", *at);
            buf_putc(&text, known ? to[known - from] : *at);
            continue;
        }
        buf_putc(&text, *at);
    }
    t->kind = quote == '`' ? TOKEN_NAME : TOKEN_TEXT;
    t->text = arena_strndup(&p->x->arena, buf_cstr(&text), text.n);
    buf_release(&text);
    if (*at != quote)
        invalid(p->x, "a quote is not closed in the expression: ", t->start);
    return *at ? at + 1 : at;
}

static const char *read_number(const char *at)
{
    const char *exponent;

    while (isdigit((unsigned char)*at))
        at++;
    if (*at == '.')
        at++;
    while (isdigit((unsigned char)*at))
        at++;
    exponent = at;
    if (*exponent == 'e' || *exponent == 'E') {
        exponent++;
        exponent += *exponent == '+' || *exponent == '-';
        if (isdigit((unsigned char)*exponent)) {
            at = exponent;
            while (isdigit((unsigned char)*at))
                at++;
        }
    }
    while (isalpha((unsigned char)*at)) /* 1L, 1.0BD */
        at++;
    return at;
}

static void next(struct parser *p)
{
    static const char *const signs[] = {"<=>", "<=", ">=", "<>", "!=", "==", "||", "->", "::"};
    const char *at = p->p;

    while (isspace((unsigned char)*at))
        at++;
    p->t = (struct token){.kind = TOKEN_END, .text = "", .start = at};
    if (*at == '\'' || *at == '"' || *at == '`') {
        p->p = read_quoted(p, at, &p->t);
        p->t.end = p->p;
        return;
    }
    if (isdigit((unsigned char)*at) || (*at == '.' && isdigit((unsigned char)at[1]))) {
        p->t.kind = TOKEN_NUMBER;
        p->p = read_number(at);
    } else if (isalpha((unsigned char)*at) || *at == '_' || (unsigned char)*at >= 0x80) {
        p->t.kind = TOKEN_WORD;
        while (isalnum((unsigned char)*at) || *at == '_' || (unsigned char)*at >= 0x80)
            at++;
        p->p = at;
    } else if (*at) {
        p->t.kind = TOKEN_SIGN;
        p->p = at + 1;
        for (size_t i = 0; i < IG_COUNT(signs); i++)
            if (strncmp(at, signs[i], strlen(signs[i])) == 0) {
                p->p = at + strlen(signs[i]);
                break;
            }
    } else {
        p->p = at;
    }
    p->t.end = p->p;
    p->t.text = arena_strndup(&p->x->arena, p->t.start, (size_t)(p->t.end - p->t.start));
}

static bool is_sign(const struct parser *p, const char *sign)
{
    return p->t.kind == TOKEN_SIGN && strcmp(p->t.text, sign) == 0;
}

static bool is_word(const struct parser *p, const char *word)
{
    return p->t.kind == TOKEN_WORD && strcasecmp(p->t.text, word) == 0;
}

static bool take_sign(struct parser *p, const char *sign)
{
    if (!is_sign(p, sign))
        return false;
    next(p);
    return true;
}

static bool take_word(struct parser *p, const char *word)
{
    if (!is_word(p, word))
        return false;
    next(p);
    return true;
}

static void expect_sign(struct parser *p, const char *sign)
{
    if (!take_sign(p, sign) && !p->x->rc)
        p->x->rc =
            error_set(p->x->err, IG_INVALID, "the expression has \"%s\" where \"%s\" is expected", p->t.start, sign);
}

static void expect_word(struct parser *p, const char *word)
{
    if (!take_word(p, word) && !p->x->rc)
        p->x->rc = error_set(p->x->err, IG_INVALID, "the expression has \"%s\" where %s is expected", p->t.start, word);
}

/* --- primaries --------------------------------------------------------------------------------------------- */

static const char *parse_or(struct parser *p);

const struct schema_type *lake_type_of(struct translation *x, const char *sql)
{
    const struct schema_type *type = NULL;
    struct error why = {0};
    struct buf query;

    if (x->rc)
        return NULL;
    buf_init(&query, 0);
    buf_printf(&query, "SELECT %s AS v FROM (SELECT 1 AS _ingot_one", sql);
    for (size_t i = 0; x->columns && i < x->columns->n_fields; i++) {
        buf_puts(&query, ", NULL::");
        schema_add_sql(&query, x->columns->fields[i].type);
        buf_puts(&query, " AS ");
        engine_add_name(&query, str_of(x->columns->fields[i].name));
    }
    buf_puts(&query, ") AS _ingot_rows");
    if (schema_of_query(&x->arena, x->conn, buf_cstr(&query), &type, &why)) {
        lake_cannot_translate(x, "it cannot be evaluated here: %.300s", why.msg);
        type = NULL;
    } else {
        type = type->fields[0].type;
    }
    buf_release(&query);
    return type;
}

static const char *quoted_name(struct parser *p, const char *name)
{
    struct buf out;
    const char *text;

    buf_init(&out, 0);
    engine_add_name(&out, str_of(name));
    text = arena_strndup(&p->x->arena, buf_cstr(&out), out.n);
    buf_release(&out);
    return text;
}

static const char *literal(struct parser *p, const char *value)
{
    struct buf out;
    const char *text;

    buf_init(&out, 0);
    engine_add_literal(&out, str_of(value));
    text = arena_strndup(&p->x->arena, buf_cstr(&out), out.n);
    buf_release(&out);
    return text;
}

/* a.b.c: members of structs, each with the name that the schema has. */
static const char *parse_column(struct parser *p, const char *first)
{
    const struct schema_field *f = p->x->columns ? schema_find(p->x->columns, str_of(first)) : NULL;
    const char *sql;

    if (!f)
        return invalid(p->x, "there is no column ", first);
    sql = quoted_name(p, f->name);
    while (is_sign(p, ".") && f->type->kind == SCHEMA_STRUCT) {
        next(p);
        f = p->t.kind == TOKEN_WORD || p->t.kind == TOKEN_NAME ? schema_find(f->type, str_of(p->t.text)) : NULL;
        if (!f)
            return invalid(p->x, "there is no member ", p->t.text);
        sql = arena_printf(&p->x->arena, "struct_extract(%s, %s)", sql, literal(p, f->name));
        next(p);
    }
    return sql;
}

static const char *parse_number(struct parser *p)
{
    static const struct {
        const char *suffix, *type;
    } suffixes[] = {{"BD", NULL},     {"L", "BIGINT"}, {"S", "SMALLINT"},
                    {"Y", "TINYINT"}, {"D", "DOUBLE"}, {"F", "FLOAT"}};
    char *text = arena_strdup(&p->x->arena, p->t.text);
    size_t n = strlen(text);

    next(p);
    for (size_t i = 0; i < IG_COUNT(suffixes); i++) {
        const size_t k = strlen(suffixes[i].suffix);

        if (n <= k || strcasecmp(text + n - k, suffixes[i].suffix) != 0)
            continue;
        text[n - k] = '\0';
        if (!suffixes[i].type)
            return text;
        return arena_printf(&p->x->arena, "CAST(%s AS %s)", text, suffixes[i].type);
    }
    if (n && isalpha((unsigned char)text[n - 1]))
        return invalid(p->x, "this is no number: ", text);
    return text;
}

static const char *parse_case(struct parser *p)
{
    const char *sql = "CASE";

    if (!is_word(p, "WHEN"))
        sql = arena_printf(&p->x->arena, "CASE %s", parse_or(p));
    while (take_word(p, "WHEN") && !p->x->rc) {
        const char *when = parse_or(p), *then;

        expect_word(p, "THEN");
        then = parse_or(p);
        sql = arena_printf(&p->x->arena, "%s WHEN %s THEN %s", sql, when, then);
    }
    if (take_word(p, "ELSE"))
        sql = arena_printf(&p->x->arena, "%s ELSE %s", sql, parse_or(p));
    expect_word(p, "END");
    return arena_printf(&p->x->arena, "(%s END)", sql);
}

/* The text of a type up to the bracket that closes the cast. */
static const char *parse_cast(struct parser *p)
{
    const struct schema_type *to = NULL;
    const char *value, *start, *type;
    int open = 0;

    expect_sign(p, "(");
    value = parse_or(p);
    if (!is_word(p, "AS"))
        expect_word(p, "AS");
    start = p->p;
    next(p);
    while (p->t.kind != TOKEN_END && !p->x->rc && (open || !is_sign(p, ")"))) {
        open += is_sign(p, "(") - is_sign(p, ")");
        next(p);
    }
    type = arena_strndup(&p->x->arena, start, (size_t)(p->t.start - start));
    expect_sign(p, ")");
    if (p->x->rc)
        return "NULL";
    if (schema_of_text(&p->x->arena, NULL, type, &to, NULL))
        return lake_cannot_translate(p->x, "a cast to %s is not supported", type);
    return lake_translate_cast(p->x, value, to);
}

static const char *parse_interval(struct parser *p)
{
    static const char *const units[] = {"YEAR", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND"};
    const char *number = p->t.text;

    if (p->t.kind != TOKEN_TEXT && p->t.kind != TOKEN_NUMBER)
        return lake_cannot_translate(p->x, "this interval is not supported: %s", p->t.start);
    next(p);
    for (size_t i = 0; i < IG_COUNT(units); i++) {
        const size_t n = strlen(units[i]);

        if (strncasecmp(p->t.text, units[i], n) == 0 && (!p->t.text[n] || strcasecmp(p->t.text + n, "S") == 0)) {
            next(p);
            return arena_printf(&p->x->arena, "INTERVAL (%s) %s", literal(p, number), units[i]);
        }
    }
    return lake_cannot_translate(p->x, "this interval is not supported: %s", p->t.start);
}

static const char *parse_extract(struct parser *p)
{
    const char *field, *args[1];

    expect_sign(p, "(");
    field = p->t.text;
    next(p);
    expect_word(p, "FROM");
    args[0] = parse_or(p);
    expect_sign(p, ")");
    if (strcasecmp(field, "SECOND") == 0 || strcasecmp(field, "SECONDS") == 0) /* with its fraction */
        return arena_printf(&p->x->arena,
                            "CAST(CAST(date_part('microseconds', %s) AS DECIMAL(18,0)) * 0.000001 AS DECIMAL(8,6))",
                            args[0]);
    return lake_translate_call(p->x, field, args, 1);
}

static const char *parse_call(struct parser *p, const char *name)
{
    const char *args[ARGUMENTS_MAX];
    size_t n = 0;

    expect_sign(p, "(");
    if (!is_sign(p, ")")) {
        do {
            const char *arg = parse_or(p);

            if (n == ARGUMENTS_MAX)
                return lake_cannot_translate(p->x, "a function of more than %d arguments is not supported",
                                             ARGUMENTS_MAX);
            args[n++] = arg;
        } while (!p->x->rc && (take_sign(p, ",") || take_word(p, "FROM") || take_word(p, "FOR")));
    }
    expect_sign(p, ")");
    return p->x->rc ? "NULL" : lake_translate_call(p->x, name, args, n);
}

/* A word that is not always a name. */
static const char *parse_word(struct parser *p)
{
    static const char *const constants[] = {"TRUE", "FALSE", "NULL"};
    const char *word = p->t.text;

    next(p);
    if (is_sign(p, "(") && (strcasecmp(word, "CAST") == 0))
        return parse_cast(p);
    if (is_sign(p, "(") && strcasecmp(word, "EXTRACT") == 0)
        return parse_extract(p);
    if (is_sign(p, "(") && strcasecmp(word, "IN") != 0)
        return parse_call(p, word);
    if (p->t.kind == TOKEN_TEXT && (strcasecmp(word, "DATE") == 0 || strncasecmp(word, "TIMESTAMP", 9) == 0)) {
        const char *text = literal(p, p->t.text), *type = NULL;

        if (strcasecmp(word, "DATE") == 0)
            type = "DATE";
        else if (strcasecmp(word, "TIMESTAMP") == 0 || strcasecmp(word, "TIMESTAMP_LTZ") == 0)
            type = "TIMESTAMPTZ";
        else if (strcasecmp(word, "TIMESTAMP_NTZ") == 0)
            type = "TIMESTAMP";
        next(p);
        if (type)
            return arena_printf(&p->x->arena, "CAST(%s AS %s)", text, type);
    }
    if (strcasecmp(word, "INTERVAL") == 0 && p->t.kind != TOKEN_END && p->t.kind != TOKEN_SIGN)
        return parse_interval(p);
    if (strcasecmp(word, "CASE") == 0 && !is_sign(p, "."))
        return parse_case(p);
    for (size_t i = 0; i < IG_COUNT(constants); i++)
        if (strcasecmp(word, constants[i]) == 0)
            return constants[i];
    if (!p->x->columns || !schema_find(p->x->columns, str_of(word)))
        if (strcasecmp(word, "CURRENT_DATE") == 0 || strcasecmp(word, "CURRENT_TIMESTAMP") == 0)
            return lake_translate_call(p->x, word, NULL, 0);
    return parse_column(p, word);
}

static const char *parse_primary(struct parser *p)
{
    const char *text = p->t.text;

    switch (p->t.kind) {
    case TOKEN_NUMBER:
        return parse_number(p);
    case TOKEN_TEXT:
        next(p);
        return literal(p, text);
    case TOKEN_NAME:
        next(p);
        return parse_column(p, text);
    case TOKEN_WORD:
        return parse_word(p);
    case TOKEN_SIGN:
        if (take_sign(p, "(")) {
            const char *sql = parse_or(p);

            if (is_sign(p, ","))
                return lake_cannot_translate(p->x, "a struct in brackets is not supported");
            expect_sign(p, ")");
            return arena_printf(&p->x->arena, "(%s)", sql);
        }
        break;
    case TOKEN_END:
        break;
    }
    return invalid(p->x, "the expression ends, or goes on without sense, at: ", p->t.start);
}

/* x[i] and x.member behind anything. */
static const char *parse_postfix(struct parser *p)
{
    const char *sql = parse_primary(p);

    while (!p->x->rc && (is_sign(p, "[") || is_sign(p, "."))) {
        const struct schema_type *type = lake_type_of(p->x, sql);

        if (take_sign(p, ".")) {
            const struct schema_field *f =
                type && type->kind == SCHEMA_STRUCT ? schema_find(type, str_of(p->t.text)) : NULL;

            if (!f)
                return invalid(p->x, "there is no member ", p->t.text);
            sql = arena_printf(&p->x->arena, "struct_extract(%s, %s)", sql, literal(p, f->name));
            next(p);
            continue;
        }
        next(p);
        if (type && type->kind == SCHEMA_ARRAY && p->t.kind == TOKEN_NUMBER)
            sql = arena_printf(&p->x->arena, "(%s)[%s + 1]", sql, parse_or(p));
        else if (type && type->kind == SCHEMA_MAP)
            sql = arena_printf(&p->x->arena, "(%s)[%s]", sql, parse_or(p));
        else
            return lake_cannot_translate(p->x, "this index is not supported: [%s", p->t.start);
        expect_sign(p, "]");
    }
    return sql;
}

/* --- operators --------------------------------------------------------------------------------------------- */

static const char *parse_unary(struct parser *p)
{
    const char *sql;

    if (++p->depth > DEPTH_MAX)
        return lake_cannot_translate(p->x, "an expression nested more than %d deep is not supported", DEPTH_MAX);
    if (take_sign(p, "-"))
        sql = arena_printf(&p->x->arena, "(-%s)", parse_unary(p));
    else if (take_sign(p, "+"))
        sql = parse_unary(p);
    else if (take_sign(p, "~"))
        sql = arena_printf(&p->x->arena, "(~%s)", parse_unary(p));
    else
        sql = parse_postfix(p);
    p->depth--;
    return sql;
}

static const char *parse_product(struct parser *p)
{
    static const char *const signs[] = {"*", "/", "%"};
    const char *left = parse_unary(p);

    for (bool found = true; found && !p->x->rc;) {
        found = false;
        for (size_t i = 0; i < IG_COUNT(signs) && !found; i++)
            if (take_sign(p, signs[i])) {
                left = lake_translate_arithmetic(p->x, signs[i], left, parse_unary(p));
                found = true;
            }
        if (!found && take_word(p, "DIV")) {
            left = lake_translate_arithmetic(p->x, "//", left, parse_unary(p));
            found = true;
        }
    }
    return left;
}

static const char *as_text(struct parser *p, const char *sql)
{
    static const struct schema_type text = {.kind = SCHEMA_STRING};

    return lake_translate_cast(p->x, sql, &text);
}

static bool is_binary(struct parser *p, const char *sql)
{
    const struct schema_type *type = lake_type_of(p->x, sql);

    return type && type->kind == SCHEMA_BINARY;
}

static const char *parse_sum(struct parser *p)
{
    const char *left = parse_product(p);

    while (!p->x->rc) {
        if (take_sign(p, "+")) {
            left = lake_translate_arithmetic(p->x, "+", left, parse_product(p));
        } else if (take_sign(p, "-")) {
            left = lake_translate_arithmetic(p->x, "-", left, parse_product(p));
        } else if (take_sign(p, "||")) {
            const char *right = parse_product(p);

            if (!is_binary(p, left) || !is_binary(p, right)) {
                left = as_text(p, left);
                right = as_text(p, right);
            }
            left = arena_printf(&p->x->arena, "(%s || %s)", left, right);
        } else {
            break;
        }
    }
    return left;
}

static const char *parse_bit_and(struct parser *p)
{
    const char *left = parse_sum(p);

    while (!p->x->rc && take_sign(p, "&"))
        left = arena_printf(&p->x->arena, "(%s & %s)", left, parse_sum(p));
    return left;
}

static const char *parse_bit_xor(struct parser *p)
{
    const char *left = parse_bit_and(p);

    while (!p->x->rc && take_sign(p, "^"))
        left = arena_printf(&p->x->arena, "xor(%s, %s)", left, parse_bit_and(p));
    return left;
}

/* & binds closer than ^, that closer than |. */
static const char *parse_bits(struct parser *p)
{
    const char *left = parse_bit_xor(p);

    while (!p->x->rc && take_sign(p, "|"))
        left = arena_printf(&p->x->arena, "(%s | %s)", left, parse_bit_xor(p));
    return left;
}

static const char *parse_in(struct parser *p, const char *left, const char *not_)
{
    const char *sql = "";

    expect_sign(p, "(");
    if (is_word(p, "SELECT"))
        return lake_cannot_translate(p->x, "a subquery is not supported");
    do {
        sql =
            arena_printf(&p->x->arena, "%s%s%s", sql, *sql ? ", " : "", lake_translate_member(p->x, left, parse_or(p)));
    } while (!p->x->rc && take_sign(p, ","));
    expect_sign(p, ")");
    return arena_printf(&p->x->arena, "(%s %sIN (%s))", left, not_, sql);
}

/* [NOT] IN, BETWEEN, LIKE, ILIKE, RLIKE */
static const char *parse_predicate(struct parser *p, const char *left)
{
    const char *not_ = take_word(p, "NOT") ? "NOT " : "";
    struct arena *a = &p->x->arena;

    if (take_word(p, "IN"))
        return parse_in(p, left, not_);
    if (take_word(p, "BETWEEN")) {
        const char *low = lake_translate_member(p->x, left, parse_bits(p)), *high;

        expect_word(p, "AND");
        high = lake_translate_member(p->x, left, parse_bits(p));
        return arena_printf(a, "(%s %sBETWEEN %s AND %s)", left, not_, low, high);
    }
    if (is_word(p, "LIKE") || is_word(p, "ILIKE")) {
        const char *like = is_word(p, "LIKE") ? "LIKE" : "ILIKE", *pattern;

        next(p);
        if (is_word(p, "ANY") || is_word(p, "ALL") || is_word(p, "SOME"))
            return lake_cannot_translate(p->x, "LIKE %s is not supported", p->t.text);
        pattern = parse_bits(p);
        if (is_word(p, "ESCAPE"))
            return lake_cannot_translate(p->x, "LIKE with ESCAPE is not supported");
        return arena_printf(a, "(%s %s%s %s ESCAPE '\\')", left, not_, like, pattern);
    }
    if (take_word(p, "RLIKE") || take_word(p, "REGEXP"))
        return arena_printf(a, "(%sregexp_matches(%s, %s))", not_, left, lake_translate_pattern(p->x, parse_bits(p)));
    return invalid(p->x, "the expression ends, or goes on without sense, at: ", p->t.start);
}

static const char *parse_is(struct parser *p, const char *left)
{
    const char *not_ = take_word(p, "NOT") ? "NOT " : "";
    static const char *const words[] = {"NULL", "TRUE", "FALSE", "UNKNOWN"};

    if (take_word(p, "DISTINCT")) {
        expect_word(p, "FROM");
        return lake_translate_comparison(p->x, *not_ ? "IS NOT DISTINCT FROM" : "IS DISTINCT FROM", left,
                                         parse_bits(p));
    }
    for (size_t i = 0; i < IG_COUNT(words); i++)
        if (take_word(p, words[i]))
            return arena_printf(&p->x->arena, "(%s IS %s%s)", left, not_, i == 3 ? "NULL" : words[i]);
    return invalid(p->x, "the expression ends, or goes on without sense, at: ", p->t.start);
}

static const char *parse_comparison(struct parser *p)
{
    static const struct {
        const char *spark, *sql;
    } signs[] = {{"=", "="},   {"==", "="},  {"<=>", "IS NOT DISTINCT FROM"},
                 {"<>", "<>"}, {"!=", "<>"}, {"<", "<"},
                 {"<=", "<="}, {">", ">"},   {">=", ">="}};
    const char *left = parse_bits(p);
    bool found = true;

    while (!p->x->rc && found) {
        found = false;
        for (size_t i = 0; i < IG_COUNT(signs) && !found; i++)
            if (take_sign(p, signs[i].spark)) {
                left = lake_translate_comparison(p->x, signs[i].sql, left, parse_bits(p));
                found = true;
            }
        if (found)
            continue;
        if (take_word(p, "IS")) {
            left = parse_is(p, left);
            found = true;
        } else if (is_word(p, "NOT") || is_word(p, "IN") || is_word(p, "BETWEEN") || is_word(p, "LIKE") ||
                   is_word(p, "ILIKE") || is_word(p, "RLIKE") || is_word(p, "REGEXP")) {
            left = parse_predicate(p, left);
            found = true;
        }
    }
    return left;
}

static const char *parse_not(struct parser *p)
{
    const char *sql;

    if (++p->depth > DEPTH_MAX)
        return lake_cannot_translate(p->x, "an expression nested more than %d deep is not supported", DEPTH_MAX);
    if (take_word(p, "NOT") || take_sign(p, "!"))
        sql = arena_printf(&p->x->arena, "(NOT %s)", parse_not(p));
    else
        sql = parse_comparison(p);
    p->depth--;
    return sql;
}

static const char *parse_and(struct parser *p)
{
    const char *left = parse_not(p);

    while (!p->x->rc && take_word(p, "AND"))
        left = arena_printf(&p->x->arena, "(%s AND %s)", left, parse_not(p));
    return left;
}

static const char *parse_or(struct parser *p)
{
    const char *left = parse_and(p);

    while (!p->x->rc && take_word(p, "OR"))
        left = arena_printf(&p->x->arena, "(%s OR %s)", left, parse_and(p));
    return p->x->rc ? "NULL" : left;
}

/* --- the whole --------------------------------------------------------------------------------------------- */

static enum ig_code translate(struct engine_conn *c, const struct schema_type *columns, const char *expression,
                              bool condition, struct buf *sql, struct error *err)
{
    const struct schema_type *type = NULL;
    struct translation x = {.conn = c, .columns = columns, .err = err};
    struct parser p = {.x = &x, .p = expression};
    const char *text;

    arena_init(&x.arena);
    next(&p);
    text = parse_or(&p);
    if (!x.rc && p.t.kind != TOKEN_END)
        invalid(&x, "the expression goes on without sense at: ", p.t.start);
    if (!x.rc)
        type = lake_type_of(&x, text);
    if (!x.rc && condition && type && type->kind != SCHEMA_BOOLEAN)
        invalid(&x, "this is no condition: ", expression);
    if (!x.rc)
        buf_printf(sql, "(%s)", text);
    arena_release(&x.arena);
    return x.rc;
}

enum ig_code lake_translate(struct engine_conn *c, const struct schema_type *columns, const char *expression,
                            struct buf *sql, struct error *err)
{
    return translate(c, columns, expression, false, sql, err);
}

enum ig_code lake_translate_condition(struct engine_conn *c, const struct schema_type *columns, const char *expression,
                                      struct buf *sql, struct error *err)
{
    return translate(c, columns, expression, true, sql, err);
}

bool lake_mentions(const char *expression, const char *name)
{
    struct translation x = {0};
    struct parser p = {.x = &x, .p = expression};
    bool found = false;

    arena_init(&x.arena);
    for (next(&p); p.t.kind != TOKEN_END && !found; next(&p))
        found = (p.t.kind == TOKEN_WORD || p.t.kind == TOKEN_NAME) && strcasecmp(p.t.text, name) == 0;
    arena_release(&x.arena);
    return found;
}
