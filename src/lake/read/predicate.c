#include "lake/read/predicate.h"

#include <ctype.h>
#include <strings.h>

#define DEPTH_MAX 100
#define PATH_MAX_PARTS 32

enum token_kind { TOKEN_END, TOKEN_WORD, TOKEN_NAME, TOKEN_TEXT, TOKEN_NUMBER, TOKEN_SIGN, TOKEN_BAD };

struct token {
    enum token_kind kind;
    struct str text; /* of names and texts: without quotes, doubled ones undone */
};

struct parser {
    struct arena *arena;
    const struct lake_snapshot *s;
    const char *p;
    struct token t;
    bool lost; /* AND and OR can not be told apart from others any more: nothing is known */
    int depth;
};

static const struct predicate unknown = {.kind = PREDICATE_UNKNOWN};

/* --- tokens ------------------------------------------------------------------------------------------------ */

/* A quoted text; the parser is at the quote. */
static void read_quoted(struct parser *ps, enum token_kind kind)
{
    const char quote = *ps->p++;
    struct buf text;

    buf_init(&text, 0);
    ps->t.kind = TOKEN_BAD;
    for (; *ps->p; ps->p++) {
        if (*ps->p == quote && ps->p[1] != quote) {
            ps->p++;
            ps->t.kind = kind;
            break;
        }
        ps->p += *ps->p == quote;
        buf_putc(&text, *ps->p);
    }
    ps->t.text = (struct str){arena_strndup(ps->arena, buf_cstr(&text), text.n), text.n};
    buf_release(&text);
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

static void read_number(struct parser *ps)
{
    const char *start = ps->p;

    while (isdigit((unsigned char)*ps->p))
        ps->p++;
    if (*ps->p == '.')
        for (ps->p++; isdigit((unsigned char)*ps->p);)
            ps->p++;
    if ((*ps->p == 'e' || *ps->p == 'E') &&
        (isdigit((unsigned char)ps->p[1]) ||
         ((ps->p[1] == '-' || ps->p[1] == '+') && isdigit((unsigned char)ps->p[2]))))
        for (ps->p += 2; isdigit((unsigned char)*ps->p);)
            ps->p++;
    ps->t = (struct token){is_word(*ps->p) ? TOKEN_BAD : TOKEN_NUMBER, {start, (size_t)(ps->p - start)}};
}

static void read_sign(struct parser *ps)
{
    static const char *const longer[] = {"<=", ">=", "<>", "!=", "==", "::", "~~", "!~", "||", "->", "<<", ">>"};
    size_t n = 1;

    for (size_t i = 0; i < IG_COUNT(longer); i++)
        if (strncmp(ps->p, longer[i], 2) == 0)
            n = 2;
    ps->t = (struct token){TOKEN_SIGN, {ps->p, n}};
    ps->p += n;
}

static void next(struct parser *ps)
{
    const char *start;

    while (isspace((unsigned char)*ps->p))
        ps->p++;
    start = ps->p;
    if (!*start)
        ps->t = (struct token){.kind = TOKEN_END};
    else if (strncmp(start, "--", 2) == 0 || strncmp(start, "/*", 2) == 0)
        ps->t = (struct token){.kind = TOKEN_BAD};
    else if (*start == '\'')
        read_quoted(ps, TOKEN_TEXT);
    else if (*start == '"')
        read_quoted(ps, TOKEN_NAME);
    else if (isdigit((unsigned char)*start) || (*start == '.' && isdigit((unsigned char)start[1])))
        read_number(ps);
    else if (is_word(*start)) {
        while (is_word(*ps->p))
            ps->p++;
        /* E'...', X'...' and their like have rules of their own, $$...$$ as well. */
        ps->t =
            (struct token){*ps->p == '\'' || *start == '$' ? TOKEN_BAD : TOKEN_WORD, {start, (size_t)(ps->p - start)}};
    } else {
        read_sign(ps);
    }
    ps->lost = ps->lost || ps->t.kind == TOKEN_BAD;
}

static bool at_word(const struct parser *ps, const char *word)
{
    return ps->t.kind == TOKEN_WORD && ps->t.text.n == strlen(word) &&
           strncasecmp(ps->t.text.p, word, ps->t.text.n) == 0;
}

static bool at_sign(const struct parser *ps, const char *sign)
{
    return ps->t.kind == TOKEN_SIGN && str_is(ps->t.text, sign);
}

static bool take_word(struct parser *ps, const char *word)
{
    if (!at_word(ps, word))
        return false;
    next(ps);
    return true;
}

static bool take_sign(struct parser *ps, const char *sign)
{
    if (!at_sign(ps, sign))
        return false;
    next(ps);
    return true;
}

/* Where a part of a conjunction may end. */
static bool at_boundary(const struct parser *ps)
{
    return ps->t.kind == TOKEN_END || ps->t.kind == TOKEN_BAD || at_word(ps, "AND") || at_word(ps, "OR") ||
           at_sign(ps, ")");
}

/* Over what is not understood, up to the next AND or OR of this level. */
static const struct predicate *skip(struct parser *ps)
{
    int depth = 0;

    while (ps->t.kind != TOKEN_END && !ps->lost && !(depth == 0 && at_boundary(ps))) {
        if (at_sign(ps, "(") || at_sign(ps, "[") || at_sign(ps, "{"))
            depth++;
        else if (at_sign(ps, ")") || at_sign(ps, "]") || at_sign(ps, "}"))
            depth--;
        /* Their AND and OR are not ours. */
        ps->lost = ps->lost || depth < 0 || at_word(ps, "BETWEEN") || at_word(ps, "CASE") || at_word(ps, "SELECT");
        next(ps);
    }
    return &unknown;
}

/* --- columns ----------------------------------------------------------------------------------------------- */

static bool resolve(const struct parser *ps, const struct str *parts, size_t n, const struct schema_field **path)
{
    const struct schema_type *type = ps->s->metadata.schema;

    for (size_t i = 0; i < n; i++) {
        const struct schema_field *f = type->kind == SCHEMA_STRUCT ? schema_find(type, parts[i]) : NULL;

        if (!f)
            return false;
        path[i] = f;
        type = f->type;
    }
    return n > 0;
}

/* A column's name, perhaps with an alias of the table before it and members behind it. The parser stands at its first
 * part and is behind it afterwards. False if it is none, or may be two. */
static bool read_column(struct parser *ps, struct predicate *out)
{
    const struct schema_field **path = ARENA_ARRAY(ps->arena, const struct schema_field *, PATH_MAX_PARTS);
    struct str parts[PATH_MAX_PARTS];
    size_t n = 0;
    bool whole, without_alias;

    do {
        if (n == PATH_MAX_PARTS || (ps->t.kind != TOKEN_WORD && ps->t.kind != TOKEN_NAME))
            return false;
        parts[n++] = ps->t.text;
        next(ps);
    } while (take_sign(ps, "."));
    if (at_sign(ps, "("))
        return false;
    whole = resolve(ps, parts, n, path);
    without_alias = n > 1 && resolve(ps, parts + 1, n - 1, path);
    if (whole == without_alias)
        return false;
    if (whole)
        (void)!resolve(ps, parts, n, path);
    out->path = path;
    out->n_path = whole ? n : n - 1;
    out->partition = SIZE_MAX;
    for (size_t i = 0; i < ps->s->metadata.n_partition_columns && out->n_path == 1; i++)
        if (ps->s->metadata.partition_fields[i] == path[0])
            out->partition = i;
    return true;
}

/* --- constants --------------------------------------------------------------------------------------------- */

static bool set_number(struct predicate_constant *c, struct str text, bool negative)
{
    if (str_to_int64(text, INT64_MIN, INT64_MAX, &c->integer)) {
        c->kind = PREDICATE_INTEGER;
        c->integer = negative ? -c->integer : c->integer;
        c->number = (double)c->integer;
        return true;
    }
    c->kind = PREDICATE_NUMBER;
    if (!str_to_double(text, &c->number))
        return false;
    c->number = negative ? -c->number : c->number;
    return true;
}

/* TYPE, of those that a text is cast to. */
static bool read_type(struct parser *ps, enum predicate_constant_kind *kind)
{
    static const struct {
        const char *name;
        enum predicate_constant_kind kind;
    } types[] = {
        {"DATE", PREDICATE_DATE},          {"TIMESTAMPTZ", PREDICATE_TIMESTAMPTZ}, {"TIMESTAMP", PREDICATE_TIMESTAMP},
        {"DATETIME", PREDICATE_TIMESTAMP}, {"VARCHAR", PREDICATE_VARCHAR},         {"TEXT", PREDICATE_VARCHAR},
        {"STRING", PREDICATE_VARCHAR},     {"BOOLEAN", PREDICATE_BOOLEAN},         {"TINYINT", PREDICATE_INTEGER},
        {"SMALLINT", PREDICATE_INTEGER},   {"INTEGER", PREDICATE_INTEGER},         {"INT", PREDICATE_INTEGER},
        {"BIGINT", PREDICATE_INTEGER},
    };

    for (size_t i = 0; i < IG_COUNT(types); i++) {
        if (!take_word(ps, types[i].name))
            continue;
        *kind = types[i].kind;
        if (*kind == PREDICATE_TIMESTAMP && take_word(ps, "WITH")) {
            *kind = PREDICATE_TIMESTAMPTZ;
            return take_word(ps, "TIME") && take_word(ps, "ZONE");
        }
        return !at_sign(ps, "(");
    }
    return false;
}

/* A literal that was cast; false where the cast may change the value. */
static bool cast(struct predicate_constant *c, enum predicate_constant_kind to)
{
    if (c->kind == PREDICATE_NULL || c->kind == to)
        return true;
    if (c->kind != PREDICATE_TEXT)
        return false;
    if (to == PREDICATE_INTEGER)
        return set_number(c, c->text, false) && c->kind == PREDICATE_INTEGER;
    if (to == PREDICATE_BOOLEAN) {
        static const char *const texts[] = {"f", "false", "t", "true"};

        for (size_t i = 0; i < IG_COUNT(texts); i++) {
            if (strcasecmp(c->text.p, texts[i]) == 0) {
                *c = (struct predicate_constant){.kind = to, .integer = i >= 2};
                return true;
            }
        }
        return false;
    }
    c->kind = to;
    return true;
}

static bool read_plain_constant(struct parser *ps, struct predicate_constant *c)
{
    enum predicate_constant_kind kind;
    bool negative = false;

    *c = (struct predicate_constant){.kind = PREDICATE_NULL};
    if (ps->t.kind == TOKEN_TEXT) {
        *c = (struct predicate_constant){.kind = PREDICATE_TEXT, .text = ps->t.text};
        next(ps);
        return true;
    }
    if (take_word(ps, "NULL"))
        return true;
    if (at_word(ps, "TRUE") || at_word(ps, "FALSE")) {
        *c = (struct predicate_constant){.kind = PREDICATE_BOOLEAN, .integer = at_word(ps, "TRUE")};
        next(ps);
        return true;
    }
    if (take_word(ps, "CAST")) {
        if (!take_sign(ps, "(") || ++ps->depth > DEPTH_MAX || !read_plain_constant(ps, c) || !take_word(ps, "AS") ||
            !read_type(ps, &kind) || !take_sign(ps, ")"))
            return false;
        ps->depth--;
        return cast(c, kind);
    }
    if (ps->t.kind == TOKEN_WORD) { /* DATE '...' */
        if (!read_type(ps, &kind) || kind < PREDICATE_DATE || ps->t.kind != TOKEN_TEXT)
            return false;
        *c = (struct predicate_constant){.kind = kind, .text = ps->t.text};
        next(ps);
        return true;
    }
    if (at_sign(ps, "-") || at_sign(ps, "+")) {
        negative = at_sign(ps, "-");
        next(ps);
    }
    if (ps->t.kind != TOKEN_NUMBER || !set_number(c, ps->t.text, negative))
        return false;
    next(ps);
    return true;
}

static bool read_constant(struct parser *ps, struct predicate_constant *c)
{
    enum predicate_constant_kind kind;
    bool in_parentheses = take_sign(ps, "(");

    if (!read_plain_constant(ps, c) || (in_parentheses && !take_sign(ps, ")")))
        return false;
    while (take_sign(ps, "::"))
        if (!read_type(ps, &kind) || !cast(c, kind))
            return false;
    return true;
}

/* --- comparisons ------------------------------------------------------------------------------------------- */

static const struct predicate *node(struct parser *ps, enum predicate_kind kind, const struct predicate *left,
                                    const struct predicate *right)
{
    struct predicate *p = ARENA_NEW(ps->arena, struct predicate);

    *p = (struct predicate){.kind = kind, .left = left, .right = right};
    return p;
}

struct operands {
    VEC(const struct predicate *) list;
};

/* A tree as low as can be: it is walked by recursion, and a list may have very many values. */
static const struct predicate *tree(struct parser *ps, enum predicate_kind kind, const struct predicate *const *all,
                                    size_t n)
{
    return n == 1 ? all[0] : node(ps, kind, tree(ps, kind, all, n / 2), tree(ps, kind, all + n / 2, n - n / 2));
}

static const struct predicate *leaf(struct parser *ps, const struct predicate *column, enum predicate_kind kind,
                                    const struct predicate_constant *constant)
{
    struct predicate *p = ARENA_NEW(ps->arena, struct predicate);

    *p = *column;
    p->kind = kind;
    if (constant)
        p->constant = *constant;
    return p;
}

static const struct predicate *negate(struct parser *ps, bool negated, const struct predicate *p)
{
    return negated ? node(ps, PREDICATE_NOT, p, NULL) : p;
}

/* An operator of comparison; `negated` for <>. */
static bool take_operator(struct parser *ps, enum predicate_kind *kind, bool *negated)
{
    static const struct {
        const char *sign;
        enum predicate_kind kind;
        bool negated;
    } signs[] = {
        {"=", PREDICATE_EQ, false},      {"==", PREDICATE_EQ, false},         {"<>", PREDICATE_EQ, true},
        {"!=", PREDICATE_EQ, true},      {"<", PREDICATE_LESS, false},        {"<=", PREDICATE_LESS_EQ, false},
        {">", PREDICATE_GREATER, false}, {">=", PREDICATE_GREATER_EQ, false},
    };

    for (size_t i = 0; i < IG_COUNT(signs); i++) {
        if (take_sign(ps, signs[i].sign)) {
            *kind = signs[i].kind;
            *negated = signs[i].negated;
            return true;
        }
    }
    return false;
}

static enum predicate_kind turned(enum predicate_kind kind)
{
    switch (kind) {
    case PREDICATE_LESS:
        return PREDICATE_GREATER;
    case PREDICATE_LESS_EQ:
        return PREDICATE_GREATER_EQ;
    case PREDICATE_GREATER:
        return PREDICATE_LESS;
    case PREDICATE_GREATER_EQ:
        return PREDICATE_LESS_EQ;
    default:
        return kind;
    }
}

static const struct predicate *read_in(struct parser *ps, const struct predicate *column)
{
    VEC(struct predicate_constant) list = {0};
    struct predicate *any = NULL;

    if (!take_sign(ps, "("))
        return NULL;
    do {
        struct predicate_constant c;

        if (!read_constant(ps, &c) || (!at_sign(ps, ",") && !at_sign(ps, ")")))
            goto out;
        vec_push(&list, c);
    } while (take_sign(ps, ","));
    if (take_sign(ps, ")")) {
        any = ARENA_NEW(ps->arena, struct predicate);
        *any = *column;
        any->kind = PREDICATE_IN;
        any->values = predicate_sort_values(ps->arena, column->path[column->n_path - 1]->type, list.p, list.n);
    }
out:
    vec_free(&list);
    return any;
}

static const struct predicate *read_between(struct parser *ps, const struct predicate *column)
{
    struct predicate_constant low, high;

    /* Its AND is not to be taken for another one, whatever follows. */
    if (!read_constant(ps, &low) || !take_word(ps, "AND") || !read_constant(ps, &high)) {
        ps->lost = true;
        return NULL;
    }
    return node(ps, PREDICATE_AND, leaf(ps, column, PREDICATE_GREATER_EQ, &low),
                leaf(ps, column, PREDICATE_LESS_EQ, &high));
}

/* LIKE 'abc%...': what begins otherwise does not match. An exact match is not told from it, which excludes less. */
static const struct predicate *read_like(struct parser *ps, const struct predicate *column, bool negated)
{
    struct predicate_constant c;
    size_t n;

    if (!read_constant(ps, &c) || (c.kind != PREDICATE_TEXT && c.kind != PREDICATE_VARCHAR) || !at_boundary(ps))
        return NULL;
    n = strcspn(c.text.p, "%_\\");
    if (negated || n == 0 || n > c.text.n)
        return &unknown;
    c.text = (struct str){arena_strndup(ps->arena, c.text.p, n), n};
    /* What begins so may still not match: never surely true. */
    return node(ps, PREDICATE_AND, leaf(ps, column, PREDICATE_PREFIX, &c), &unknown);
}

static const struct predicate *read_is(struct parser *ps, const struct predicate *column)
{
    const bool negated = take_word(ps, "NOT");
    struct predicate_constant c;

    if (take_word(ps, "NULL"))
        return negate(ps, negated, leaf(ps, column, PREDICATE_IS_NULL, NULL));
    if (take_word(ps, "DISTINCT") && take_word(ps, "FROM") && read_constant(ps, &c)) {
        if (c.kind == PREDICATE_NULL)
            return negate(ps, !negated, leaf(ps, column, PREDICATE_IS_NULL, NULL));
        return negate(ps, !negated, leaf(ps, column, PREDICATE_SAME, &c));
    }
    return NULL;
}

/* What follows a column. NULL: nothing that is known. */
static const struct predicate *read_behind_column(struct parser *ps, const struct predicate *column)
{
    static const struct predicate_constant is_true = {.kind = PREDICATE_BOOLEAN, .integer = 1};
    enum predicate_kind kind;
    struct predicate_constant c;
    bool negated;

    if (at_boundary(ps))
        return column->path[column->n_path - 1]->type->kind == SCHEMA_BOOLEAN ? leaf(ps, column, PREDICATE_EQ, &is_true)
                                                                              : NULL;
    if (take_operator(ps, &kind, &negated))
        return read_constant(ps, &c) ? negate(ps, negated, leaf(ps, column, kind, &c)) : NULL;
    if (take_word(ps, "IS"))
        return read_is(ps, column);
    if (take_word(ps, "ISNULL"))
        return leaf(ps, column, PREDICATE_IS_NULL, NULL);
    if (take_word(ps, "NOTNULL"))
        return negate(ps, true, leaf(ps, column, PREDICATE_IS_NULL, NULL));
    negated = take_word(ps, "NOT");
    if (take_word(ps, "IN")) {
        const struct predicate *in = read_in(ps, column);

        return in ? negate(ps, negated, in) : NULL;
    }
    if (take_word(ps, "BETWEEN")) {
        const struct predicate *between = read_between(ps, column);

        return between ? negate(ps, negated, between) : NULL;
    }
    if (take_word(ps, "LIKE") || take_sign(ps, "~~"))
        return read_like(ps, column, negated);
    return NULL;
}

static const struct predicate *read_comparison(struct parser *ps)
{
    const struct parser start = *ps;
    struct predicate column = {0};
    const struct predicate *p = NULL;
    struct predicate_constant c;
    enum predicate_kind kind;
    bool negated;

    if (read_constant(ps, &c)) {
        if (take_operator(ps, &kind, &negated) && read_column(ps, &column))
            p = negate(ps, negated, leaf(ps, &column, turned(kind), &c));
    } else if (!ps->lost) {
        *ps = start;
        if (read_column(ps, &column))
            p = read_behind_column(ps, &column);
    }
    if (p && at_boundary(ps) && !ps->lost)
        return p;
    /* Something else: over it, from its beginning, to see what it has in it. */
    if (!ps->lost)
        *ps = start;
    return skip(ps);
}

/* --- AND, OR, NOT ------------------------------------------------------------------------------------------ */

static const struct predicate *read_or(struct parser *ps);

static const struct predicate *read_not(struct parser *ps)
{
    const struct parser start = *ps;
    const struct predicate *p;

    if (++ps->depth > DEPTH_MAX)
        ps->lost = true;
    if (ps->lost)
        return &unknown;
    if (take_word(ps, "NOT")) {
        p = node(ps, PREDICATE_NOT, read_not(ps), NULL);
    } else if (take_sign(ps, "(")) {
        p = read_or(ps);
        if (!take_sign(ps, ")"))
            ps->lost = true;
        /* (a) + 1, (a, b) = ..., (1) < a */
        if (!ps->lost && !at_boundary(ps)) {
            *ps = start;
            ps->depth++;
            p = read_comparison(ps);
        }
    } else {
        p = read_comparison(ps);
    }
    ps->depth--;
    return p;
}

static const struct predicate *read_chain(struct parser *ps, enum predicate_kind kind, const char *word,
                                          const struct predicate *(*read)(struct parser *ps))
{
    const struct predicate *p = read(ps);
    struct operands each = {0};

    vec_push(&each.list, p);
    while (!ps->lost && take_word(ps, word)) {
        p = read(ps);
        vec_push(&each.list, p);
    }
    p = tree(ps, kind, each.list.p, each.list.n);
    vec_free(&each.list);
    return p;
}

static const struct predicate *read_and(struct parser *ps)
{
    return read_chain(ps, PREDICATE_AND, "AND", read_not);
}

static const struct predicate *read_or(struct parser *ps)
{
    return read_chain(ps, PREDICATE_OR, "OR", read_and);
}

const struct predicate *predicate_parse(struct arena *a, const struct lake_snapshot *s, const char *sql)
{
    struct parser ps = {.arena = a, .s = s, .p = sql};
    const struct predicate *p;

    next(&ps);
    p = read_or(&ps);
    return ps.lost || ps.t.kind != TOKEN_END ? &unknown : p;
}
