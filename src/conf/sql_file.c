/* SQL files of a domain: where they may be, and how their text is made fit to stand inside of another statement. */
#include "conf/load.h"
#include "conf/problems.h"

#include <stdlib.h>

#define SQL_MAX ((size_t)1 << 20)

/* --- one statement ------------------------------------------------------------------------------------------ */

/* Behind a quoted text or name that begins at i; doubled quotes stay inside. */
static size_t skip_quoted(struct str s, size_t i)
{
    const char quote = s.p[i++];

    while (i < s.n && s.p[i] != quote)
        i++;
    return i < s.n ? i + 1 : i; /* a doubled quote begins the next piece, which has the same effect */
}

static size_t skip_line(struct str s, size_t i)
{
    while (i < s.n && s.p[i] != '\n')
        i++;
    return i;
}

static size_t skip_comment(struct str s, size_t i)
{
    size_t depth = 0;

    do {
        if (i + 1 < s.n && s.p[i] == '/' && s.p[i + 1] == '*') {
            depth++;
            i += 2;
        } else if (i + 1 < s.n && s.p[i] == '*' && s.p[i + 1] == '/') {
            depth--;
            i += 2;
        } else {
            i++;
        }
    } while (depth > 0 && i < s.n);
    return i;
}

/* $tag$ ... $tag$ */
static size_t skip_dollar(struct str s, size_t i)
{
    size_t tag = i + 1;

    while (tag < s.n && (s.p[tag] == '_' || (s.p[tag] >= '0' && s.p[tag] <= '9') ||
                         ((s.p[tag] | 32) >= 'a' && (s.p[tag] | 32) <= 'z')))
        tag++;
    if (tag == s.n || s.p[tag] != '$' || (i + 1 < s.n && s.p[i + 1] >= '0' && s.p[i + 1] <= '9'))
        return i + 1;
    tag++;
    for (size_t at = tag; at + (tag - i) <= s.n; at++)
        if (memcmp(s.p + at, s.p + i, tag - i) == 0)
            return at + (tag - i);
    return s.n;
}

/* Behind the piece at i; *code says whether it is anything else than white space and comments. */
static size_t skip_piece(struct str s, size_t i, bool *code)
{
    const char c = s.p[i], next = i + 1 < s.n ? s.p[i + 1] : 0;

    *code = false;
    if (c == '-' && next == '-')
        return skip_line(s, i);
    if (c == '/' && next == '*')
        return skip_comment(s, i);
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
        return i + 1;
    *code = true;
    if (c == '\'' || c == '"')
        return skip_quoted(s, i);
    return c == '$' ? skip_dollar(s, i) : i + 1;
}

bool load_one_statement(struct str sql, struct str *out, size_t *at)
{
    size_t end = sql.n;
    bool ended = false, any = false, code;

    *at = 0;
    for (size_t i = 0, next; i < sql.n; i = next) {
        next = skip_piece(sql, i, &code);
        if (!code)
            continue;
        if (sql.p[i] == ';') {
            end = ended ? end : i;
            ended = true;
        } else if (ended) {
            *at = i;
            return false;
        } else {
            any = true;
        }
    }
    *out = (struct str){sql.p, end};
    return any;
}

/* --- files -------------------------------------------------------------------------------------------------- */

/* Does a path stay below the folder it is relative to, by its words? */
static bool stays_below(const char *rel)
{
    const char *p = rel;

    if (*p == '/' || !*p)
        return false;
    while (*p) {
        const size_t n = strcspn(p, "/");

        if (n == 2 && p[0] == '.' && p[1] == '.')
            return false;
        p += n + (p[n] == '/');
    }
    return true;
}

/* Does it stay in the project's folder when links are followed? Yes if that can not be told: reading will say. */
static bool stays_below_root(const struct load *l, const char *path)
{
    char *root = realpath(l->conf->root, NULL), *real = realpath(path, NULL);
    const bool below = !root || !real || (str_has_prefix(str_of(real), root) && real[strlen(root)] == '/');

    free(root);
    free(real);
    return below;
}

static void statement_problem(struct load *l, const char *file, struct str text, size_t at)
{
    int line = 1, column = 1;

    for (size_t i = 0; i < at; i++) {
        column = text.p[i] == '\n' ? 1 : column + (((unsigned char)text.p[i] & 0xc0) != 0x80);
        line += text.p[i] == '\n';
    }
    problems_add(l->problems, file, line, column,
                 at ? "a second statement begins here; a file holds one SELECT" : "there is no statement in this file");
}

static const char *read_sql(struct load *l, const struct node *at, const char *path, const char *shown)
{
    const char *sql = NULL;
    struct error err;
    struct str one;
    struct buf text;
    size_t where;

    buf_init(&text, SQL_MAX);
    if (env_read_file(l->env, path, &text, &err) != IG_OK)
        load_problem(l, at, err.code == IG_NOT_FOUND ? "there is no file %s%.0s" : "%s can not be read: %s",
                     at->written ? node_shown(l->arena, at) : shown, at->written ? "" : err.msg);
    else if (!str_is_utf8(buf_str(&text)) || memchr(buf_cstr(&text), 0, text.n))
        problems_add(l->problems, shown, 1, 1, "not a text file in UTF-8");
    else if (!load_one_statement(load_without_bom(buf_str(&text)), &one, &where))
        statement_problem(l, shown, load_without_bom(buf_str(&text)), where);
    else
        sql = arena_printf(l->arena, STR_FMT "\n", STR_ARG(one));
    buf_release(&text);
    return sql;
}

const char *load_sql(struct load *l, const struct conf_domain *d, const struct node *at, const char *rel,
                     const char **path)
{
    const char *full = arena_printf(l->arena, "%s/%s", d->folder, rel);
    const char *shown = arena_printf(l->arena, "domains/%s/%s", d->name, rel);

    if (!stays_below(rel)) {
        load_problem(l, at, "%s leaves the domain's folder; name a file in domains/%s, like gold/name.sql",
                     node_shown(l->arena, at), d->name);
        return NULL;
    }
    if (!stays_below_root(l, full)) {
        load_problem(l, at, "%s is a link that leaves the project's folder", shown);
        return NULL;
    }
    *path = shown;
    return read_sql(l, at, full, shown);
}
