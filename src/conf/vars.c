#include "conf/vars.h"

#include "conf/problems.h"

#include <stdio.h>
#include <stdlib.h>

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static size_t name_length(struct str s)
{
    size_t n = 0;

    if (s.n == 0 || !is_name_start(s.p[0]))
        return 0;
    while (n < s.n && (is_name_start(s.p[n]) || (s.p[n] >= '0' && s.p[n] <= '9')))
        n++;
    return n;
}

const char *vars_find(const struct vars *vars, const char *name)
{
    const char *value = getenv(name);

    for (size_t i = vars->from_file.n; !value && i-- > 0;) /* the last line of a name counts */
        if (strcmp(vars->from_file.p[i].name, name) == 0)
            value = vars->from_file.p[i].value;
    return value;
}

void vars_free(struct vars *vars)
{
    vec_free(&vars->from_file);
}

/* --- .env ------------------------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct str trim(struct str s)
{
    while (s.n && is_blank(s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n && is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

static char unescape(char c)
{
    switch (c) {
    case 'n':
        return '\n';
    case 't':
        return '\t';
    case 'r':
        return '\r';
    default:
        return c;
    }
}

/* "..." with escapes or '...' as it is. Gives the length with both quotes, 0 if the closing one is missing. */
static size_t read_quoted(struct str s, struct buf *out)
{
    const char quote = s.p[0];

    for (size_t i = 1; i < s.n; i++) {
        if (s.p[i] == quote)
            return i + 1;
        if (quote == '"' && s.p[i] == '\\' && i + 1 < s.n)
            buf_putc(out, unescape(s.p[++i]));
        else
            buf_putc(out, s.p[i]);
    }
    return 0;
}

static struct str cut_comment(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '#' && (i == 0 || is_blank(s.p[i - 1])))
            return trim((struct str){s.p, i});
    return s;
}

/* NULL, or what is wrong with the value; *at is then where, from the value's start. */
static const char *read_value(struct str raw, struct buf *out, size_t *at)
{
    const struct str s = trim(raw);
    size_t length;

    *at = (size_t)(s.p - raw.p);
    if (s.n == 0 || (s.p[0] != '"' && s.p[0] != '\'')) {
        buf_add_str(out, cut_comment(s));
        return NULL;
    }
    length = read_quoted(s, out);
    if (length == 0)
        return "the closing quote is missing";
    *at += length;
    if (cut_comment(trim((struct str){s.p + length, s.n - length})).n > 0)
        return "nothing may follow the closing quote";
    return NULL;
}

static void read_line(struct vars *vars, const char *file, int line, struct str text, struct conf_problems *problems)
{
    struct str s = trim(text);
    struct buf value;
    const char *problem;
    size_t n, at;

    if (s.n == 0 || s.p[0] == '#')
        return;
    if (str_has_prefix(s, "export "))
        s = trim((struct str){s.p + 7, s.n - 7});
    n = name_length(s);
    if (n == 0 || n == s.n || s.p[n] != '=') {
        problems_add(problems, file, line, (int)(s.p - text.p) + 1,
                     "not a line of the form NAME=VALUE, where a name is letters, digits and _");
        return;
    }
    buf_init(&value, 0);
    problem = read_value((struct str){s.p + n + 1, s.n - n - 1}, &value, &at);
    if (problem || memchr(buf_cstr(&value), 0, value.n))
        problems_add(problems, file, line, (int)(s.p - text.p) + (int)(n + 1 + at) + 1, "%s",
                     problem ? problem : "a value can not hold a NUL byte");
    else
        vec_push(&vars->from_file, ((struct var){arena_strndup(vars->arena, s.p, n),
                                                 arena_strndup(vars->arena, buf_cstr(&value), value.n)}));
    buf_release(&value);
}

void vars_read(struct vars *vars, const char *file, struct str text, struct conf_problems *problems)
{
    int line = 1;

    while (text.n > 0) {
        const char *end = memchr(text.p, '\n', text.n);
        const size_t n = end ? (size_t)(end - text.p) : text.n;

        read_line(vars, file, line++, (struct str){text.p, n}, problems);
        text.p += n + (end ? 1 : 0);
        text.n -= n + (end ? 1 : 0);
    }
}

/* --- ${NAME} ------------------------------------------------------------------------------------------------ */

static bool expand_one(const struct vars *vars, struct str inside, struct buf *out, char why[256])
{
    const size_t n = name_length(inside);
    const bool has_default = n > 0 && inside.n >= n + 2 && memcmp(inside.p + n, ":-", 2) == 0;
    char name[256];
    const char *value;

    if (n == 0 || n >= sizeof(name) || (n < inside.n && !has_default)) {
        snprintf(why, 256, "a variable is written ${NAME} or ${NAME:-default}; a $ sign itself is written $$");
        return false;
    }
    memcpy(name, inside.p, n);
    name[n] = 0;
    value = vars_find(vars, name);
    if (has_default && (!value || !*value)) {
        buf_add(out, inside.p + n + 2, inside.n - n - 2);
        return true;
    }
    if (!value) {
        snprintf(why, 256,
                 "the variable %.100s is not set; set it in the environment or in .env, or write ${%.100s:-default}",
                 name, name);
        return false;
    }
    buf_puts(out, value);
    return true;
}

bool vars_expand(const struct vars *vars, struct str text, struct buf *out, bool *replaced, struct vars_problem *why)
{
    *replaced = false;
    for (size_t i = 0; i < text.n; i++) {
        const char next = i + 1 < text.n ? text.p[i + 1] : 0;
        const char *end;

        if (text.p[i] != '$' || (next != '$' && next != '{')) {
            buf_putc(out, text.p[i]);
            continue;
        }
        if (next == '$') {
            buf_putc(out, '$');
            i++;
            continue;
        }
        why->at = i;
        end = memchr(text.p + i, '}', text.n - i);
        if (!end) {
            snprintf(why->text, sizeof(why->text), "'${' has no closing '}'; a $ sign itself is written $$");
            return false;
        }
        if (!expand_one(vars, (struct str){text.p + i + 2, (size_t)(end - text.p) - i - 2}, out, why->text))
            return false;
        *replaced = true;
        i = (size_t)(end - text.p);
    }
    return true;
}
