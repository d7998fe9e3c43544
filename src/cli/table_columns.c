#include "cli/table_columns.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

struct reader {
    struct arena *a;
    const char *p, *end;
};

/* --- words ------------------------------------------------------------------------------------------------------ */

static void skip_blanks(struct reader *r)
{
    while (r->p < r->end && isspace((unsigned char)*r->p))
        r->p++;
}

/* Behind a quoted text: 'it''s', "a", `b`. */
static const char *behind_quotes(const char *p, const char *end)
{
    const char quote = *p++;

    while (p < end && (*p != quote || (p + 1 < end && p[1] == quote)))
        p += *p == quote ? 2 : 1;
    return p < end ? p + 1 : end;
}

/* Behind what belongs together: quotes and brackets are one. */
static const char *behind_piece(const char *p, const char *end)
{
    int depth = 0;

    do {
        if (*p == '\'' || *p == '"' || *p == '`') {
            p = behind_quotes(p, end);
            continue;
        }
        depth += strchr("([{", *p) != NULL;
        depth -= strchr(")]}", *p) != NULL;
        p++;
    } while (p < end && depth > 0);
    return p;
}

static bool is_word(const struct reader *r, const char *word)
{
    const size_t n = strlen(word);

    return (size_t)(r->end - r->p) >= n && strncasecmp(r->p, word, n) == 0 &&
           (r->p + n == r->end || !(isalnum((unsigned char)r->p[n]) || r->p[n] == '_'));
}

static bool take_word(struct reader *r, const char *word)
{
    skip_blanks(r);
    if (!is_word(r, word))
        return false;
    r->p += strlen(word);
    skip_blanks(r);
    return true;
}

static bool at_clause(const struct reader *r)
{
    return is_word(r, "NOT") || is_word(r, "NULL") || is_word(r, "DEFAULT") || is_word(r, "GENERATED") ||
           is_word(r, "COMMENT");
}

/* The text up to the next clause. Angle brackets are those of types: array<struct<a: int>>. */
static const char *take_text(struct reader *r)
{
    const char *from, *to;
    int angles = 0;

    skip_blanks(r);
    from = to = r->p;
    while (r->p < r->end && (angles > 0 || !at_clause(r) || r->p == from)) {
        const char c = *r->p;

        angles += c == '<';
        angles -= c == '>' && angles > 0;
        if (isalnum((unsigned char)c) || c == '_')
            while (r->p < r->end && (isalnum((unsigned char)*r->p) || *r->p == '_'))
                r->p++;
        else
            r->p = behind_piece(r->p, r->end);
        if (!isspace((unsigned char)c))
            to = r->p;
    }
    return arena_strndup(r->a, from, (size_t)(to - from));
}

static const char *take_name(struct reader *r)
{
    const char *from;
    struct buf name;

    skip_blanks(r);
    if (r->p < r->end && (*r->p == '"' || *r->p == '`')) {
        const char quote = *r->p, *to = behind_quotes(r->p, r->end);
        const char *text;

        buf_init(&name, 0);
        for (const char *p = r->p + 1; p < to - 1; p++) {
            buf_putc(&name, *p);
            p += *p == quote;
        }
        r->p = to;
        text = arena_strndup(r->a, buf_cstr(&name), name.n);
        buf_release(&name);
        return text;
    }
    from = r->p;
    while (r->p < r->end && !isspace((unsigned char)*r->p))
        r->p++;
    return arena_strndup(r->a, from, (size_t)(r->p - from));
}

/* --- one column ------------------------------------------------------------------------------------------------- */

static bool take_number(struct reader *r, int64_t *out)
{
    const char *from;

    skip_blanks(r);
    from = r->p;
    while (r->p < r->end && (isdigit((unsigned char)*r->p) || (*r->p == '-' && r->p == from)))
        r->p++;
    return str_to_int64((struct str){from, (size_t)(r->p - from)}, INT64_MIN, INT64_MAX, out);
}

static bool take_identity(struct reader *r, struct lake_column *c)
{
    struct reader in = *r;

    c->identity = true;
    c->start = c->step = 1;
    skip_blanks(r);
    if (r->p == r->end || *r->p != '(')
        return true;
    in.p = r->p + 1;
    r->p = behind_piece(r->p, r->end);
    in.end = r->p - 1;
    if (in.end < in.p || *in.end != ')')
        return false;
    for (skip_blanks(&in); in.p < in.end; skip_blanks(&in)) {
        int64_t *number = take_word(&in, "START") ? &c->start : take_word(&in, "INCREMENT") ? &c->step : NULL;

        (void)(take_word(&in, "WITH") || take_word(&in, "BY"));
        if (!number || !take_number(&in, number))
            return false;
        while (in.p < in.end && (*in.p == ',' || isspace((unsigned char)*in.p)))
            in.p++;
    }
    return c->step != 0;
}

static bool take_generated(struct reader *r, struct lake_column *c)
{
    const char *from;

    if (take_word(r, "BY")) {
        c->by_default = true;
        if (!take_word(r, "DEFAULT"))
            return false;
    } else if (!take_word(r, "ALWAYS")) {
        return false;
    }
    if (!take_word(r, "AS"))
        return false;
    if (take_word(r, "IDENTITY"))
        return take_identity(r, c);
    if (r->p == r->end || *r->p != '(' || c->by_default)
        return false;
    from = r->p;
    r->p = behind_piece(r->p, r->end);
    if (r->p - from < 2 || r->p[-1] != ')')
        return false;
    c->generated = arena_strndup(r->a, from + 1, (size_t)(r->p - from) - 2);
    return true;
}

static bool take_comment(struct reader *r, struct lake_column *c)
{
    const char *from = r->p;
    struct buf text;

    if (from == r->end || *from != '\'')
        return false;
    r->p = behind_quotes(r->p, r->end);
    buf_init(&text, 0);
    for (const char *p = from + 1; p < r->p - 1; p++) {
        buf_putc(&text, *p);
        p += *p == '\'';
    }
    c->comment = arena_strndup(r->a, buf_cstr(&text), text.n);
    buf_release(&text);
    return true;
}

static bool take_clause(struct reader *r, struct lake_column *c)
{
    if (take_word(r, "NOT")) {
        c->not_null = true;
        return take_word(r, "NULL");
    }
    if (take_word(r, "NULL"))
        return true;
    if (take_word(r, "COMMENT"))
        return take_comment(r, c);
    if (take_word(r, "DEFAULT")) {
        c->initial = take_text(r);
        return *c->initial != '\0';
    }
    return take_word(r, "GENERATED") && take_generated(r, c);
}

static enum ig_code read_column(struct arena *a, struct str text, struct lake_column *c, struct error *err)
{
    struct reader r = {a, text.p, text.p + text.n};

    *c = (struct lake_column){0};
    c->name = take_name(&r);
    if (!*c->name)
        return error_set(err, IG_INVALID, "a column without a name in '" STR_FMT "'", STR_ARG(text));
    skip_blanks(&r);
    if (r.p < r.end && !at_clause(&r))
        c->type = take_text(&r);
    for (skip_blanks(&r); r.p < r.end; skip_blanks(&r)) {
        const char *at = r.p;

        if (!take_clause(&r, c))
            return error_set(
                err, IG_INVALID,
                "column %s: '%s' is none of NOT NULL, DEFAULT x, GENERATED ALWAYS AS (x), GENERATED ... AS "
                "IDENTITY, COMMENT 'x'",
                c->name, arena_strndup(a, at, (size_t)(r.end - at)));
    }
    return IG_OK;
}

enum ig_code table_columns_read(struct arena *a, const char *text, const struct lake_column **out, size_t *n,
                                struct error *err)
{
    const char *end = text + strlen(text);
    VEC(struct lake_column) list = {0};
    struct lake_column *columns;
    enum ig_code rc = IG_OK;

    for (const char *p = text; p < end && !rc;) {
        struct lake_column c;
        const char *from = p;
        int angles = 0;

        while (p < end && (*p != ',' || angles > 0)) {
            angles += *p == '<';
            angles -= *p == '>' && angles > 0;
            p = behind_piece(p, end);
        }
        rc = read_column(a, (struct str){from, (size_t)(p - from)}, &c, err);
        if (!rc)
            vec_push(&list, c);
        p += p < end;
    }
    columns = ARENA_ARRAY(a, struct lake_column, list.n + 1);
    if (list.n)
        memcpy(columns, list.p, list.n * sizeof(*columns));
    *out = columns;
    *n = list.n;
    vec_free(&list);
    return rc;
}
