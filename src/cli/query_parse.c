#include "cli/query_parse.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

void query_advance(struct query_parser *p)
{
    p->t = sql_next(&p->s);
}

static void find_place(const struct query_parser *p, size_t *line, size_t *column)
{
    *line = *column = 1;
    for (size_t i = 0; i < p->t.from && i < p->q->text.n; i++) {
        *column = p->q->text.p[i] == '\n' ? 1 : *column + 1;
        *line += p->q->text.p[i] == '\n';
    }
}

enum ig_code query_advise(struct query_parser *p, struct error *err, const char *text)
{
    size_t line, column;

    find_place(p, &line, &column);
    return error_set(err, IG_INVALID, "line %zu, column %zu: %s", line, column, text);
}

enum ig_code query_refuse(struct query_parser *p, struct error *err, const char *fmt, ...)
{
    size_t line, column;
    char what[512];
    va_list args;

    va_start(args, fmt);
    vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    find_place(p, &line, &column);
    if (p->t.type == SQL_END)
        return error_set(err, IG_INVALID, "line %zu, column %zu: %s, but the statement ends here", line, column, what);
    return error_set(err, IG_INVALID, "line %zu, column %zu: %s, not " STR_FMT, line, column, what,
                     (int)(p->t.to - p->t.from > 60 ? 60 : p->t.to - p->t.from), p->q->text.p + p->t.from);
}

/* The phrase's words one after the other, from the current token on. */
static bool phrase_at(const struct query_parser *p, const char *phrase, struct query_parser *behind)
{
    *behind = *p;
    while (*phrase) {
        const size_t n = strcspn(phrase, " ");
        const struct sql_token *t = &behind->t;

        if (t->type != SQL_WORD || t->content.n != n || strncasecmp(t->content.p, phrase, n) != 0)
            return false;
        query_advance(behind);
        phrase += n + (phrase[n] == ' ');
    }
    return true;
}

bool query_is(const struct query_parser *p, const char *phrase)
{
    struct query_parser behind;

    return phrase_at(p, phrase, &behind);
}

bool query_take(struct query_parser *p, const char *phrase)
{
    struct query_parser behind;

    if (!phrase_at(p, phrase, &behind))
        return false;
    *p = behind;
    return true;
}

enum ig_code query_expect(struct query_parser *p, const char *phrase, struct error *err)
{
    return query_take(p, phrase) ? IG_OK : query_refuse(p, err, "here comes %s", phrase);
}

bool query_take_symbol(struct query_parser *p, char c)
{
    if (!sql_is_symbol(&p->t, c))
        return false;
    query_advance(p);
    return true;
}

enum ig_code query_expect_symbol(struct query_parser *p, char c, struct error *err)
{
    return query_take_symbol(p, c) ? IG_OK : query_refuse(p, err, "here comes '%c'", c);
}

/* A quoted content with its doubled quotes made single. */
static const char *unquote(struct arena *a, struct str s, char quote)
{
    char *out = arena_strndup(a, s.p, s.n), *to = out;

    for (const char *c = out; *c; c++) {
        *to++ = *c;
        if (*c == quote && c[1] == quote)
            c++;
    }
    *to = '\0';
    return out;
}

enum ig_code query_name(struct query_parser *p, const char *what, const char **out, struct error *err)
{
    if (p->t.type != SQL_WORD && p->t.type != SQL_NAME)
        return query_refuse(p, err, "here comes %s", what);
    *out = p->t.type == SQL_NAME ? unquote(p->arena, p->t.content, p->q->text.p[p->t.from])
                                 : arena_strndup(p->arena, p->t.content.p, p->t.content.n);
    query_advance(p);
    return IG_OK;
}

/* A part of a path as the lake reads it: in backticks if it needs them. */
static void add_part(struct buf *path, const char *part)
{
    if (!strpbrk(part, ".`\"")) {
        buf_puts(path, part);
        return;
    }
    buf_putc(path, '`');
    for (; *part; part++)
        buf_printf(path, *part == '`' ? "``" : "%c", *part);
    buf_putc(path, '`');
}

enum ig_code query_path(struct query_parser *p, const char *what, const char **out, struct error *err)
{
    enum ig_code rc = IG_OK;
    struct buf path;

    buf_init(&path, 0);
    do {
        const char *part = NULL;

        rc = query_name(p, what, &part, err);
        if (rc)
            break;
        buf_puts(&path, path.n ? "." : "");
        add_part(&path, part);
    } while (query_take_symbol(p, '.'));
    *out = arena_strdup(p->arena, buf_cstr(&path));
    buf_release(&path);
    return rc;
}

enum ig_code query_string(struct query_parser *p, const char *what, const char **out, struct error *err)
{
    if (p->t.type != SQL_STRING)
        return query_refuse(p, err, "here comes %s in quotes", what);
    *out = unquote(p->arena, p->t.content, '\'');
    query_advance(p);
    return IG_OK;
}

/* --- pieces ---------------------------------------------------------------------------------------------------- */

struct nesting {
    unsigned brackets, cases;
    bool distinct; /* the last word: FROM belongs to it, as in a IS DISTINCT FROM b */
};

static void nest(struct nesting *n, const struct sql_token *t)
{
    if (sql_is_symbol(t, '(') || sql_is_symbol(t, '[') || sql_is_symbol(t, '{'))
        n->brackets++;
    else if (n->brackets && (sql_is_symbol(t, ')') || sql_is_symbol(t, ']') || sql_is_symbol(t, '}')))
        n->brackets--;
    else if (sql_is_word(t, "case"))
        n->cases++;
    else if (n->cases && sql_is_word(t, "end"))
        n->cases--;
    n->distinct = sql_is_word(t, "distinct");
}

static bool ends(const struct query_parser *p, const struct nesting *n, const char *const *until, bool comma)
{
    if (p->t.type == SQL_END)
        return true;
    if (n->brackets)
        return false;
    if (sql_is_symbol(&p->t, ')') || sql_is_symbol(&p->t, ']') || (comma && sql_is_symbol(&p->t, ',')))
        return true;
    for (size_t i = 0; until && until[i] && !n->cases; i++)
        if (query_is(p, until[i]) && !(n->distinct && query_is(p, "FROM")))
            return true;
    return false;
}

/* Spark's spelling in DuckDB's: `name` and a <=> b. */
static void add_sql(const struct query_parser *p, struct str text, size_t from, size_t to, struct buf *out)
{
    struct sql_scanner s = {{text.p, to}, from};
    size_t done = from;

    for (;;) {
        const struct sql_token t = sql_next(&s);

        if (t.type == SQL_END)
            break;
        if (t.type == SQL_NAME && text.p[t.from] == '`') {
            buf_add(out, text.p + done, t.from - done);
            engine_add_name(out, str_of(unquote(p->arena, t.content, '`')));
            done = t.to;
        } else if (sql_is_symbol(&t, '<') && t.from + 3 <= to && memcmp(text.p + t.from, "<=>", 3) == 0) {
            buf_add(out, text.p + done, t.from - done);
            buf_puts(out, " IS NOT DISTINCT FROM ");
            done = s.at = t.from + 3;
        }
    }
    buf_add(out, text.p + done, to - done);
}

enum ig_code query_piece(struct query_parser *p, const char *const *until, bool comma, const char *what,
                         const char **out, struct error *err)
{
    const size_t from = p->t.from;
    struct nesting n = {0};
    size_t to = from;
    struct buf sql;

    while (!ends(p, &n, until, comma)) {
        nest(&n, &p->t);
        to = p->t.to;
        query_advance(p);
    }
    if (n.brackets)
        return query_refuse(p, err, "a bracket is open in %s", what);
    if (to == from)
        return query_refuse(p, err, "here comes %s", what);
    buf_init(&sql, 0);
    add_sql(p, p->s.text, from, to, &sql);
    *out = arena_strdup(p->arena, buf_cstr(&sql));
    buf_release(&sql);
    vec_push(&p->out->pieces, ((struct query_piece){*out, from}));
    return IG_OK;
}

enum ig_code query_target(struct query_parser *p, struct error *err)
{
    (void)query_take(p, "TABLE");
    IG_TRY(query_expect(p, "delta", err));
    IG_TRY(query_expect_symbol(p, '(', err));
    IG_TRY(query_string(p, "the table's folder or URL", &p->out->place, err));
    if (!*p->out->place)
        return query_refuse(p, err, "delta() needs the table's folder in quotes");
    return query_expect_symbol(p, ')', err);
}

enum ig_code query_name_list(struct query_parser *p, const char *what, bool paths, struct query_names *out,
                             struct error *err)
{
    IG_TRY(query_expect_symbol(p, '(', err));
    do {
        const char *name = NULL;

        IG_TRY(paths ? query_path(p, what, &name, err) : query_name(p, what, &name, err));
        vec_push(&out->list, name);
    } while (query_take_symbol(p, ','));
    return query_expect_symbol(p, ')', err);
}

enum ig_code query_end(struct query_parser *p, struct error *err)
{
    return p->t.type == SQL_END ? IG_OK : query_refuse(p, err, "the statement ends here");
}
