#include "registry/protobuf_lex.h"

#include <stdio.h>

bool pb_fail(struct pb_lexer *x, const char *fmt, ...)
{
    size_t line = 1, column = 1;
    char text[500];
    va_list args;

    if (x->failed)
        return false;
    x->failed = true;
    for (const char *p = x->start; p < x->p; p++) {
        column = *p == '\n' ? 1 : column + 1;
        line += *p == '\n';
    }
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    (void)error_set(x->err, IG_INVALID, "line %zu, column %zu: %s", line, column, text);
    x->p = x->end;
    return false;
}

static void skip_comment(struct pb_lexer *x)
{
    if (x->end - x->p >= 2 && x->p[1] == '/') {
        while (x->p < x->end && *x->p != '\n')
            x->p++;
    } else if (x->end - x->p >= 2 && x->p[1] == '*') {
        const char *p = x->p + 2;

        while (x->end - p >= 2 && !(p[0] == '*' && p[1] == '/'))
            p++;
        if (x->end - p < 2)
            (void)pb_fail(x, "a comment does not end");
        else
            x->p = p + 2;
    } else {
        (void)pb_fail(x, "unexpected \"/\"");
    }
}

char pb_peek(struct pb_lexer *x)
{
    while (x->p < x->end) {
        const char c = *x->p;

        if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
            x->p++;
        else if (c == '/')
            skip_comment(x);
        else
            return c ? c : '\x01'; /* a NUL is not the end */
    }
    return 0;
}

bool pb_accept(struct pb_lexer *x, char c)
{
    if (pb_peek(x) != c)
        return false;
    x->p++;
    return true;
}

bool pb_expect(struct pb_lexer *x, char c)
{
    if (pb_accept(x, c))
        return true;
    return pb_peek(x) ? pb_fail(x, "\"%c\" is expected here", c)
                      : pb_fail(x, "the text ends where \"%c\" is expected", c);
}

static bool is_word_char(char c, bool dots)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           (dots && c == '.');
}

bool pb_word(struct pb_lexer *x, bool dots, struct str *out)
{
    const char *from;

    *out = (struct str){"", 0};
    if (pb_peek(x) == 0 && !x->failed)
        return pb_fail(x, "the text ends where a word is expected");
    from = x->p;
    while (x->p < x->end &&
           (is_word_char(*x->p, dots) || (*x->p == '+' && x->p > from && (x->p[-1] == 'e' || x->p[-1] == 'E'))))
        x->p++;
    if (x->p == from)
        return pb_fail(x, "a word is expected here");
    *out = arena_str(x->arena, (struct str){from, (size_t)(x->p - from)});
    return true;
}

bool pb_is_word(struct str s)
{
    if (s.n == 0 || (s.p[0] >= '0' && s.p[0] <= '9'))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!is_word_char(s.p[i], false) || s.p[i] == '-')
            return false;
    return true;
}

bool pb_identifier(struct pb_lexer *x, struct str *out)
{
    if (!pb_word(x, true, out))
        return false;
    return pb_is_word(*out) || pb_fail(x, "\"" STR_FMT "\" cannot be a name", STR_ARG(*out));
}

bool pb_is_plain(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < ' ' || s.p[i] == '"' || s.p[i] == '\\')
            return false;
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
}

/* \xff and \377 are a code point, as the registry reads them. */
static void read_number_escape(struct pb_lexer *x, int radix, int digits, struct buf *out)
{
    int value = 0, n = 0;

    for (; n < digits && x->p < x->end && hex_digit(*x->p) < radix; n++)
        value = value * radix + hex_digit(*x->p++);
    value &= 0xff;
    if (n == 0)
        (void)pb_fail(x, "an escape needs digits");
    else if (value < 0x80)
        buf_putc(out, (char)value);
    else
        buf_printf(out, "%c%c", 0xc0 | value >> 6, 0x80 | (value & 0x3f));
}

static void read_escape(struct pb_lexer *x, struct buf *out)
{
    static const char FROM[] = "abfnrtv", TO[] = "\a\b\f\n\r\t\v";
    const char c = *x->p;
    const char *at = c ? strchr(FROM, c) : NULL;

    if (c == 'x' || c == 'X') {
        x->p++;
        read_number_escape(x, 16, 2, out);
    } else if (c >= '0' && c <= '7') {
        read_number_escape(x, 8, 3, out);
    } else {
        x->p++;
        buf_putc(out, at ? TO[at - FROM] : c);
    }
}

static bool read_one_quoted(struct pb_lexer *x, struct buf *out)
{
    const char quote = *x->p++;

    while (x->p < x->end && *x->p != quote) {
        if (*x->p != '\\') {
            buf_putc(out, *x->p++);
        } else if (++x->p < x->end) {
            read_escape(x, out);
        }
    }
    if (x->p >= x->end)
        return pb_fail(x, "a string does not end");
    x->p++;
    return true;
}

bool pb_quoted(struct pb_lexer *x, struct str *out)
{
    struct buf text;
    bool ok = true;

    *out = (struct str){"", 0};
    if (pb_peek(x) != '"' && pb_peek(x) != '\'')
        return pb_fail(x, "a string in quotes is expected here");
    buf_init(&text, 0);
    while (ok && (pb_peek(x) == '"' || pb_peek(x) == '\''))
        ok = read_one_quoted(x, &text);
    if (ok && !str_is_utf8(buf_str(&text)))
        ok = pb_fail(x, "a string is not UTF-8");
    if (ok)
        *out = arena_str(x->arena, buf_str(&text));
    buf_release(&text);
    return ok;
}

bool pb_integer(struct pb_lexer *x, int32_t *out)
{
    struct str word, digits;
    int64_t value = 0;
    bool ok;

    *out = 0;
    if (!pb_word(x, true, &word))
        return false;
    if (word.n > 2 && word.n <= 10 && word.p[0] == '0' && (word.p[1] | 0x20) == 'x') {
        ok = true;
        digits = (struct str){word.p + 2, word.n - 2};
        for (size_t i = 0; i < digits.n; i++) {
            ok = ok && hex_digit(digits.p[i]) < 16;
            value = value * 16 + hex_digit(digits.p[i]);
        }
        ok = ok && value <= INT32_MAX;
    } else {
        ok = str_to_int64(word, INT32_MIN, INT32_MAX, &value);
    }
    *out = ok ? (int32_t)value : 0;
    return ok || pb_fail(x, "\"%.*s\" is no number of 32 bits", (int)(word.n > 100 ? 100 : word.n), word.p);
}
