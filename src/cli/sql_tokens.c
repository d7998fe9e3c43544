#include "cli/sql_tokens.h"

#include <ctype.h>
#include <strings.h>

static bool word_start(char c)
{
    return isalpha((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

bool sql_word_part(char c)
{
    return word_start(c) || isdigit((unsigned char)c) || c == '$';
}

static char char_at(const struct sql_scanner *s, size_t at)
{
    return at < s->text.n ? s->text.p[at] : '\0';
}

static void skip_block_comment(struct sql_scanner *s)
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

static void skip_blanks(struct sql_scanner *s)
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
static void scan_quoted(struct sql_scanner *s, struct sql_token *t, bool backslash_escapes)
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
static bool scan_dollar_quoted(struct sql_scanner *s, struct sql_token *t)
{
    size_t end = s->at + 1, tag;

    while (sql_word_part(char_at(s, end)) && char_at(s, end) != '$')
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

static void scan_number(struct sql_scanner *s)
{
    while (isalnum((unsigned char)char_at(s, s->at)) || char_at(s, s->at) == '.' || char_at(s, s->at) == '_')
        s->at++;
}

struct sql_token sql_next(struct sql_scanner *s)
{
    struct sql_token t = {.type = SQL_SYMBOL};
    char c;

    skip_blanks(s);
    t.from = s->at;
    c = char_at(s, s->at);
    if (s->at >= s->text.n) {
        t.type = SQL_END;
    } else if ((c == 'e' || c == 'E') && char_at(s, s->at + 1) == '\'') {
        s->at++;
        t.type = SQL_STRING;
        scan_quoted(s, &t, true);
    } else if (c == '\'' || c == '"' || c == '`') {
        t.type = c == '\'' ? SQL_STRING : SQL_NAME;
        scan_quoted(s, &t, false);
    } else if (c == '$' && scan_dollar_quoted(s, &t)) {
        t.type = SQL_STRING;
    } else if (word_start(c)) {
        t.type = SQL_WORD;
        while (sql_word_part(char_at(s, s->at)))
            s->at++;
    } else if (isdigit((unsigned char)c)) {
        t.type = SQL_NUMBER;
        scan_number(s);
    } else {
        s->at++;
    }
    t.to = s->at;
    if (!t.content.p)
        t.content = (struct str){s->text.p + t.from, t.to - t.from};
    return t;
}

bool sql_is_word(const struct sql_token *t, const char *word)
{
    return t->type == SQL_WORD && t->content.n == strlen(word) && strncasecmp(t->content.p, word, t->content.n) == 0;
}

bool sql_is_symbol(const struct sql_token *t, char c)
{
    return t->type == SQL_SYMBOL && t->content.p[0] == c;
}

struct sql_token sql_peek(const struct sql_scanner *s)
{
    struct sql_scanner ahead = *s;

    return sql_next(&ahead);
}
