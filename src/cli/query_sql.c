#include "cli/query_sql.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* --- tokens ---------------------------------------------------------------------------------------------------- */

enum token_type { TOKEN_END, TOKEN_WORD, TOKEN_NAME /* "quoted" */, TOKEN_STRING, TOKEN_NUMBER, TOKEN_SYMBOL };

struct token {
    enum token_type type;
    size_t from, to;    /* all of it */
    struct str content; /* without quotes, doubled ones as they are */
};

struct scanner {
    struct str text;
    size_t at;
};

static bool word_start(char c)
{
    return isalpha((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static bool word_part(char c)
{
    return word_start(c) || isdigit((unsigned char)c) || c == '$';
}

static char char_at(const struct scanner *s, size_t at)
{
    return at < s->text.n ? s->text.p[at] : '\0';
}

static void skip_block_comment(struct scanner *s)
{
    unsigned depth = 0;

    do {
        if (char_at(s, s->at) == '/' && char_at(s, s->at + 1) == '*') {
            depth++;
            s->at += 2;
        } else if (char_at(s, s->at) == '*' && char_at(s, s->at + 1) == '/') {
            depth--;
            s->at += 2;
        } else {
            s->at++;
        }
    } while (depth > 0 && s->at < s->text.n);
}

static void skip_blanks(struct scanner *s)
{
    while (s->at < s->text.n) {
        if (isspace((unsigned char)char_at(s, s->at))) {
            s->at++;
        } else if (char_at(s, s->at) == '-' && char_at(s, s->at + 1) == '-') {
            while (s->at < s->text.n && char_at(s, s->at) != '\n')
                s->at++;
        } else if (char_at(s, s->at) == '/' && char_at(s, s->at + 1) == '*') {
            skip_block_comment(s);
        } else {
            break;
        }
    }
}

/* Text between quotes, a doubled quote being one; an open end is DuckDB's to complain about. */
static void scan_quoted(struct scanner *s, struct token *t, bool backslash_escapes)
{
    const char quote = char_at(s, s->at++);
    const size_t start = s->at;

    while (s->at < s->text.n) {
        const char c = char_at(s, s->at);

        const bool escape = backslash_escapes && c == '\\' && s->at + 1 < s->text.n;

        if (c == quote && char_at(s, s->at + 1) != quote)
            break;
        s->at += escape || c == quote ? 2 : 1;
    }
    t->content = (struct str){s->text.p + start, s->at - start};
    s->at += s->at < s->text.n;
}

/* $$text$$ or $tag$text$tag$; false if a $ is not the start of one. */
static bool scan_dollar_quoted(struct scanner *s, struct token *t)
{
    size_t end = s->at + 1, tag;

    while (word_part(char_at(s, end)) && char_at(s, end) != '$')
        end++;
    if (char_at(s, end) != '$' || isdigit((unsigned char)char_at(s, s->at + 1)))
        return false;
    tag = ++end - s->at;
    for (size_t i = end; i + tag <= s->text.n; i++) {
        if (memcmp(s->text.p + i, s->text.p + s->at, tag) != 0)
            continue;
        t->content = (struct str){s->text.p + end, i - end};
        s->at = i + tag;
        return true;
    }
    s->at = s->text.n;
    t->content = (struct str){s->text.p + end, s->text.n - end};
    return true;
}

static void scan_number(struct scanner *s)
{
    while (isalnum((unsigned char)char_at(s, s->at)) || char_at(s, s->at) == '.' || char_at(s, s->at) == '_')
        s->at++;
}

static struct token next_token(struct scanner *s)
{
    struct token t = {.type = TOKEN_SYMBOL};
    char c;

    skip_blanks(s);
    t.from = s->at;
    c = char_at(s, s->at);
    if (s->at >= s->text.n) {
        t.type = TOKEN_END;
    } else if ((c == 'e' || c == 'E') && char_at(s, s->at + 1) == '\'') {
        s->at++;
        t.type = TOKEN_STRING;
        scan_quoted(s, &t, true);
    } else if (c == '\'' || c == '"') {
        t.type = c == '"' ? TOKEN_NAME : TOKEN_STRING;
        scan_quoted(s, &t, false);
    } else if (c == '$' && scan_dollar_quoted(s, &t)) {
        t.type = TOKEN_STRING;
    } else if (word_start(c)) {
        t.type = TOKEN_WORD;
        while (word_part(char_at(s, s->at)))
            s->at++;
    } else if (isdigit((unsigned char)c)) {
        t.type = TOKEN_NUMBER;
        scan_number(s);
    } else {
        s->at++;
    }
    t.to = s->at;
    if (!t.content.p)
        t.content = (struct str){s->text.p + t.from, t.to - t.from};
    return t;
}

static bool is_word(const struct token *t, const char *word)
{
    return t->type == TOKEN_WORD && t->content.n == strlen(word) && strncasecmp(t->content.p, word, t->content.n) == 0;
}

static bool is_symbol(const struct token *t, char c)
{
    return t->type == TOKEN_SYMBOL && t->content.p[0] == c;
}

/* --- delta(...) ------------------------------------------------------------------------------------------------ */

static enum ig_code refuse(const struct query_text *q, size_t at, struct error *err, const char *what)
{
    size_t line = 1, column = 1;

    for (size_t i = 0; i < at && i < q->text.n; i++) {
        column = q->text.p[i] == '\n' ? 1 : column + 1;
        line += q->text.p[i] == '\n';
    }
    return error_set(err, IG_INVALID, "line %zu, column %zu: %s; it is written delta('PATH_OR_URL', version => N)",
                     line, column, what);
}

/* A string's content with its doubled quotes made single. */
static char *unquote(struct arena *a, struct str s)
{
    char *out = arena_strndup(a, s.p, s.n), *to = out;

    for (const char *p = out; *p; p++) {
        *to++ = *p;
        if (*p == '\'' && p[1] == '\'')
            p++;
    }
    *to = '\0';
    return out;
}

static enum ig_code read_version(const struct query_text *q, struct scanner *s, int64_t *version, struct error *err)
{
    struct token t = next_token(s);

    if (is_word(&t, "version")) {
        t = next_token(s);
        if (is_symbol(&t, ':') || is_symbol(&t, '=')) {
            const struct token second = next_token(s);

            t = second;
            if (is_symbol(&second, '>') || is_symbol(&second, '='))
                t = next_token(s);
        } else {
            return refuse(q, t.from, err, "behind 'version' comes => and the number");
        }
    } else if (t.type == TOKEN_WORD) {
        return refuse(q, t.from, err, "the only option of delta() is version");
    }
    if (t.type != TOKEN_NUMBER || !str_to_int64(t.content, 0, INT64_MAX, version))
        return refuse(q, t.from, err, "a version is a whole number, 0 or more");
    return IG_OK;
}

/* Behind "delta": its arguments. */
static enum ig_code read_delta(struct query_text *q, struct scanner *s, size_t from, struct error *err)
{
    struct query_delta d = {.from = from, .version = -1};
    struct token t = next_token(s); /* the bracket */

    t = next_token(s);
    if (t.type != TOKEN_STRING || t.content.n == 0)
        return refuse(q, t.from, err, "delta() needs the table's folder in quotes");
    d.place = unquote(q->arena, t.content);
    t = next_token(s);
    if (is_symbol(&t, ',')) {
        IG_TRY(read_version(q, s, &d.version, err));
        t = next_token(s);
    }
    if (!is_symbol(&t, ')'))
        return refuse(q, t.from, err, "delta() ends here with ')'");
    d.to = t.to;
    vec_push(&q->deltas, d);
    return IG_OK;
}

/* --- the whole text -------------------------------------------------------------------------------------------- */

static void add_name(struct query_text *q, struct str s)
{
    char *name;

    if (s.n == 0 || s.n > 128)
        return;
    name = arena_strndup(q->arena, s.p, s.n);
    for (char *p = name; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    vec_push(&q->names, name);
}

/* Names hide in strings too: query_table('silver.orders'). */
static void add_names_of_string(struct query_text *q, struct str s)
{
    size_t from = 0;

    if (s.n > 512)
        return;
    for (size_t i = 0; i <= s.n; i++) {
        if (i < s.n && word_part(s.p[i]))
            continue;
        add_name(q, (struct str){s.p + from, i - from});
        from = i + 1;
    }
}

static bool shows_catalog(const struct token *t)
{
    static const char *const words[] = {"show",           "describe",           "desc",          "summarize",
                                        "pragma",         "duckdb_tables",      "duckdb_views",  "duckdb_columns",
                                        "duckdb_schemas", "information_schema", "sqlite_master", "pg_catalog"};

    for (size_t i = 0; i < IG_COUNT(words); i++)
        if (is_word(t, words[i]))
            return true;
    return false;
}

/* Is this word the function delta, where a table stands? It may also be anybody's column or WITH name. */
static bool is_delta(const struct scanner *behind, const struct token *t, const struct token *before)
{
    struct scanner ahead = *behind;
    struct token next;

    if (!is_word(t, "delta"))
        return false;
    next = next_token(&ahead);
    if (!is_symbol(&next, '('))
        return false;
    if (is_word(before, "from") || is_word(before, "join") || is_word(before, "using"))
        return true;
    next = next_token(&ahead);
    return (is_symbol(before, ',') || is_symbol(before, '(')) && next.type == TOKEN_STRING;
}

enum ig_code query_text_read(struct arena *arena, struct str text, struct query_text *out, struct error *err)
{
    struct scanner s = {text, 0};
    struct query_statement statement = {0, 0};
    struct token before = {.type = TOKEN_END};
    bool empty = true;

    *out = (struct query_text){.arena = arena, .text = text};
    for (;;) {
        const struct token t = next_token(&s);

        if (t.type == TOKEN_END || is_symbol(&t, ';')) {
            statement.to = t.from;
            if (!empty)
                vec_push(&out->statements, statement);
            statement.from = t.to;
            empty = true;
            if (t.type == TOKEN_END)
                return IG_OK;
        } else {
            empty = false;
        }
        if (is_delta(&s, &t, &before))
            IG_TRY(read_delta(out, &s, t.from, err));
        if (t.type == TOKEN_WORD || t.type == TOKEN_NAME)
            add_name(out, t.content);
        else if (t.type == TOKEN_STRING)
            add_names_of_string(out, t.content);
        out->asks_catalog = out->asks_catalog || shows_catalog(&t);
        before = t;
    }
}

void query_text_free(struct query_text *q)
{
    vec_free(&q->statements);
    vec_free(&q->deltas);
    vec_free(&q->names);
}

bool query_text_names(const struct query_text *q, const char *name)
{
    for (size_t i = 0; i < q->names.n; i++)
        if (strcasecmp(q->names.p[i], name) == 0)
            return true;
    return false;
}

bool query_text_qualifies(const struct query_text *q, const char *name)
{
    struct scanner s = {q->text, 0};
    struct token t = next_token(&s);

    while (t.type != TOKEN_END) {
        const struct token next = next_token(&s);

        if ((t.type == TOKEN_WORD || t.type == TOKEN_NAME) && t.content.n == strlen(name) &&
            strncasecmp(t.content.p, name, t.content.n) == 0 && is_symbol(&next, '.'))
            return true;
        t = next;
    }
    return false;
}

/* --- for DuckDB, and back -------------------------------------------------------------------------------------- */

void query_delta_view(size_t i, char out[16])
{
    snprintf(out, 16, "_delta%zu", i % 1000000);
}

/* The view's name in place of the call: as long, and with as many line breaks. */
static void add_replaced(const struct query_text *q, size_t i, struct buf *out)
{
    const struct query_delta *d = &q->deltas.p[i];
    char name[16];
    size_t at;

    query_delta_view(i, name);
    at = d->from + strlen(name);
    buf_puts(out, name);
    for (size_t k = d->from; k < at && k < d->to; k++) {
        if (q->text.p[k] == '\n') { /* covered by the name: it comes behind it, in place of the next byte */
            buf_putc(out, '\n');
            at++;
        }
    }
    for (; at < d->to; at++)
        buf_putc(out, q->text.p[at] == '\n' ? '\n' : ' ');
}

void query_text_add_statement(const struct query_text *q, size_t i, struct buf *out)
{
    const struct query_statement *statement = &q->statements.p[i];
    size_t line_start = 0, at = statement->from;

    for (size_t k = 0; k < statement->from; k++) {
        if (q->text.p[k] == '\n') {
            buf_putc(out, '\n');
            line_start = k + 1;
        }
    }
    for (size_t k = line_start; k < statement->from; k++)
        buf_putc(out, ' ');
    for (size_t k = 0; k < q->deltas.n; k++) {
        const struct query_delta *d = &q->deltas.p[k];

        if (d->from < statement->from || d->to > statement->to)
            continue;
        buf_add(out, q->text.p + at, d->from - at);
        add_replaced(q, k, out);
        at = d->to;
    }
    buf_add(out, q->text.p + at, statement->to - at);
}

/* How much of `replaced` the message begins with: messages cut long lines. */
static size_t common_length(const char *message, struct str replaced)
{
    size_t n = 0;

    while (n < replaced.n && message[n] && message[n] == replaced.p[n])
        n++;
    return n;
}

void query_text_restore(const struct query_text *q, const char *message, struct buf *out)
{
    struct buf replaced;
    char name[16];

    buf_init(&replaced, 0);
    while (*message) {
        size_t used = 0;

        for (size_t i = 0; i < q->deltas.n && !used; i++) {
            const struct query_delta *d = &q->deltas.p[i];
            size_t n;

            buf_clear(&replaced);
            add_replaced(q, i, &replaced);
            query_delta_view(i, name);
            n = common_length(message, buf_str(&replaced));
            if (n < strlen(name) || isdigit((unsigned char)message[n]))
                continue;
            buf_add(out, q->text.p + d->from, n);
            used = n;
        }
        if (!used)
            buf_putc(out, *message);
        message += used ? used : 1;
    }
    buf_release(&replaced);
}
