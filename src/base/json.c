#include "base/json.h"

#include <stdio.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

static bool fail(struct json_reader *r, const char *problem)
{
    if (!r->problem) {
        r->problem = problem;
        r->at = (size_t)(r->p - r->start);
    }
    return false;
}

void json_reader_init(struct json_reader *r, struct str text)
{
    if (!text.p)
        text = STR("");
    *r = (struct json_reader){.start = text.p, .p = text.p, .end = text.p + text.n};
}

static void skip_space(struct json_reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\r' || *r->p == '\t'))
        r->p++;
}

static bool word(struct json_reader *r, const char *text, size_t n)
{
    if ((size_t)(r->end - r->p) < n || memcmp(r->p, text, n) != 0)
        return fail(r, "not a value");
    r->p += n;
    return true;
}

static bool is_digit(const char *p, const char *end)
{
    return p < end && *p >= '0' && *p <= '9';
}

static bool number(struct json_reader *r, struct json_value *v)
{
    const char *p = r->p;

    v->integer = true;
    if (*p == '-')
        p++;
    if (!is_digit(p, r->end))
        return fail(r, "a number without digits");
    if (*p == '0')
        p++;
    else
        while (is_digit(p, r->end))
            p++;
    if (p < r->end && *p == '.') {
        v->integer = false;
        if (!is_digit(++p, r->end))
            return fail(r, "a number that ends in a point");
        while (is_digit(p, r->end))
            p++;
    }
    if (p < r->end && (*p == 'e' || *p == 'E')) {
        v->integer = false;
        p++;
        if (p < r->end && (*p == '+' || *p == '-'))
            p++;
        if (!is_digit(p, r->end))
            return fail(r, "an exponent without digits");
        while (is_digit(p, r->end))
            p++;
    }
    v->type = JSON_NUMBER;
    v->raw = (struct str){r->p, (size_t)(p - r->p)};
    r->p = p;
    return true;
}

static int hex4(const char *p, const char *end)
{
    int v = 0;

    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        const char c = p[i];

        v <<= 4;
        if (c >= '0' && c <= '9')
            v |= c - '0';
        else if (c >= 'a' && c <= 'f')
            v |= c - 'a' + 10;
        else if (c >= 'A' && c <= 'F')
            v |= c - 'A' + 10;
        else
            return -1;
    }
    return v;
}

/* At a backslash: checks the escape and returns its length, 0 if it is none. */
static size_t escape_length(const char *p, const char *end)
{
    int unit;

    if (end - p < 2)
        return 0;
    if (p[1] != 'u')
        return strchr("\"\\/bfnrt", p[1]) && p[1] ? 2 : 0;
    unit = hex4(p + 2, end);
    if (unit < 0 || (unit >= 0xdc00 && unit < 0xe000))
        return 0;
    if (unit < 0xd800 || unit >= 0xe000)
        return 6;
    if (end - p < 12 || p[6] != '\\' || p[7] != 'u')
        return 0;
    unit = hex4(p + 8, end);
    return unit >= 0xdc00 && unit < 0xe000 ? 12 : 0;
}

/* Goes to the next byte of a string that needs a closer look: a quote, a backslash, a control character; bytes that are
 * not ASCII set *ascii to false and are passed. Returns `end` if there is none. */
#if defined(__SSE2__)
static const char *to_special(const char *p, const char *end, bool *ascii)
{
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), last_control = _mm_set1_epi8(0x1f);

    for (; end - p >= 16; p += 16) {
        const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
        const __m128i found = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash)),
                                           _mm_cmpeq_epi8(_mm_min_epu8(bytes, last_control), bytes));
        const unsigned at = (unsigned)_mm_movemask_epi8(found), high = (unsigned)_mm_movemask_epi8(bytes);

        if (at != 0) {
            const unsigned n = (unsigned)__builtin_ctz(at);

            if (high & ((1u << n) - 1))
                *ascii = false;
            return p + n;
        }
        if (high)
            *ascii = false;
    }
    for (; p < end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20; p++)
        if ((unsigned char)*p >= 0x80)
            *ascii = false;
    return p;
}
#else
/* Eight bytes at once: does any of them need a closer look, or is it not ASCII? */
static bool word_is_plain(const char *p)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = UINT64_C(0x8080808080808080);
    uint64_t w, quote, backslash;

    memcpy(&w, p, 8);
    quote = w ^ (ones * '"');
    backslash = w ^ (ones * '\\');
    return ((w | (w - ones * 0x20) | ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash)) & high) == 0;
}

static const char *to_special(const char *p, const char *end, bool *ascii)
{
    for (;;) {
        while (end - p >= 8 && word_is_plain(p))
            p += 8;
        if (p >= end || *p == '"' || *p == '\\' || (unsigned char)*p < 0x20)
            return p;
        if ((unsigned char)*p >= 0x80)
            *ascii = false;
        p++;
    }
}
#endif

static bool string(struct json_reader *r, struct json_value *v)
{
    const char *from = ++r->p;
    bool ascii = true;

    v->escaped = false;
    for (;;) {
        size_t n;

        r->p = to_special(r->p, r->end, &ascii);
        if (r->p >= r->end)
            return fail(r, "a string without end");
        if (*r->p == '"')
            break;
        if (*r->p != '\\')
            return fail(r, "a control character in a string");
        n = escape_length(r->p, r->end);
        if (n == 0)
            return fail(r, "an invalid escape");
        v->escaped = true;
        r->p += n;
    }
    v->type = JSON_STRING;
    v->raw = (struct str){from, (size_t)(r->p - from)};
    if (!ascii && !str_is_utf8(v->raw)) {
        r->p = from;
        return fail(r, "invalid UTF-8");
    }
    r->p++;
    return true;
}

static bool scalar(struct json_reader *r, struct json_value *v)
{
    const char *from = r->p;

    switch (*r->p) {
    case '"':
        return string(r, v);
    case 't':
        v->type = JSON_TRUE;
        if (!word(r, "true", 4))
            return false;
        break;
    case 'f':
        v->type = JSON_FALSE;
        if (!word(r, "false", 5))
            return false;
        break;
    case 'n':
        v->type = JSON_NULL;
        if (!word(r, "null", 4))
            return false;
        break;
    default:
        if (*r->p != '-' && !is_digit(r->p, r->end))
            return fail(r, "not a value");
        return number(r, v);
    }
    v->raw = (struct str){from, (size_t)(r->p - from)};
    return true;
}

bool json_begin(struct json_reader *r, struct json_value *v)
{
    *v = (struct json_value){0};
    if (r->problem)
        return false;
    skip_space(r);
    if (r->p >= r->end)
        return fail(r, "the text ends where a value should be");
    r->fresh = false;
    if (*r->p != '{' && *r->p != '[')
        return scalar(r, v);
    if (r->depth == JSON_DEPTH_MAX)
        return fail(r, "nested too deeply");
    r->depth++;
    r->fresh = true;
    v->type = *r->p == '{' ? JSON_OBJECT : JSON_ARRAY;
    v->raw = (struct str){r->p, 0};
    r->p++;
    return true;
}

/* In front of the next member: takes the comma, or the closing bracket. */
static bool next_member(struct json_reader *r, char close)
{
    const bool fresh = r->fresh;

    if (r->problem)
        return false;
    IG_ASSERT(r->depth > 0);
    skip_space(r);
    if (r->p >= r->end)
        return fail(r, close == '}' ? "an object without end" : "an array without end");
    r->fresh = false;
    if (*r->p == close) {
        r->p++;
        r->depth--;
        return false;
    }
    if (fresh)
        return true;
    if (*r->p != ',')
        return fail(r, "a comma is missing");
    r->p++;
    return true;
}

bool json_next_key(struct json_reader *r, struct json_value *key)
{
    *key = (struct json_value){0};
    if (!next_member(r, '}'))
        return false;
    skip_space(r);
    if (r->p >= r->end || *r->p != '"')
        return fail(r, "a key is missing");
    if (!string(r, key))
        return false;
    skip_space(r);
    if (r->p >= r->end || *r->p != ':')
        return fail(r, "a colon is missing");
    r->p++;
    return true;
}

bool json_next_item(struct json_reader *r)
{
    return next_member(r, ']');
}

bool json_read(struct json_reader *r, struct json_value *v)
{
    bool in_object[JSON_DEPTH_MAX + 1];
    const unsigned outer = r->depth;
    struct json_value inner, key;

    if (!json_begin(r, v))
        return false;
    if (v->type != JSON_OBJECT && v->type != JSON_ARRAY)
        return true;
    in_object[r->depth] = v->type == JSON_OBJECT;
    while (r->depth > outer) {
        if (in_object[r->depth] ? !json_next_key(r, &key) : !json_next_item(r)) {
            if (r->problem)
                return false;
            continue; /* one level is closed */
        }
        if (!json_begin(r, &inner))
            return false;
        if (inner.type == JSON_OBJECT || inner.type == JSON_ARRAY)
            in_object[r->depth] = inner.type == JSON_OBJECT;
    }
    v->raw.n = (size_t)(r->p - v->raw.p);
    return true;
}

bool json_end(struct json_reader *r)
{
    if (r->problem)
        return false;
    skip_space(r);
    if (r->p < r->end)
        return fail(r, "text behind the value");
    return true;
}

static char *put_code_point(char *to, unsigned c)
{
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
        *to++ = (char)(0x80 | (c & 63));
    } else if (c < 0x10000) {
        *to++ = (char)(0xe0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 63));
        *to++ = (char)(0x80 | (c & 63));
    } else {
        *to++ = (char)(0xf0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 63));
        *to++ = (char)(0x80 | (c >> 6 & 63));
        *to++ = (char)(0x80 | (c & 63));
    }
    return to;
}

/* At a \u escape. */
static const char *take_code_point(const char *p, const char *end, unsigned *c)
{
    *c = (unsigned)hex4(p + 2, end);
    p += 6;
    if (*c < 0xd800 || *c >= 0xdc00)
        return p;
    *c = 0x10000 + ((*c - 0xd800) << 10) + ((unsigned)hex4(p + 2, end) - 0xdc00);
    return p + 6;
}

/* The text was validated when it was read. Nothing gets longer. */
void json_unescape(const struct json_value *v, struct buf *out)
{
    static const char from[] = "\"\\/bfnrt", plain[] = "\"\\/\b\f\n\r\t";
    const char *p = v->raw.p, *end = p + v->raw.n;
    unsigned c;
    char *to;

    if (!v->escaped) {
        buf_add_str(out, v->raw);
        return;
    }
    to = buf_reserve(out, v->raw.n);
    if (!to)
        return;
    while (p < end) {
        if (*p != '\\') {
            *to++ = *p++;
        } else if (p[1] == '"') {
            *to++ = '"';
            p += 2;
        } else if (p[1] != 'u') {
            *to++ = plain[strchr(from, p[1]) - from];
            p += 2;
        } else {
            p = take_code_point(p, end, &c);
            to = put_code_point(to, c);
        }
    }
    out->n = (size_t)(to - out->p);
    *to = '\0';
}

bool json_key_is(const struct json_value *key, struct str name)
{
    struct buf text;
    bool same;

    if (!key->escaped)
        return str_eq(key->raw, name);
    buf_init(&text, 0);
    json_unescape(key, &text);
    same = str_eq(buf_str(&text), name);
    buf_release(&text);
    return same;
}

bool json_member(struct str object, const char *name, struct json_value *out)
{
    const struct str wanted = str_of(name);
    struct json_reader r;
    struct json_value key, v;
    bool found = false;

    json_reader_init(&r, object);
    if (!json_begin(&r, &v) || v.type != JSON_OBJECT)
        return false;
    while (json_next_key(&r, &key)) {
        if (!json_read(&r, &v))
            return false;
        if (json_key_is(&key, wanted)) {
            *out = v;
            found = true;
        }
    }
    return found && !r.problem;
}

bool json_member_int64(struct str object, const char *name, int64_t *out)
{
    struct json_value v;

    return json_member(object, name, &v) && v.type == JSON_NUMBER && v.integer &&
           str_to_int64(v.raw, INT64_MIN, INT64_MAX, out);
}

bool json_member_string(struct str object, const char *name, struct buf *out)
{
    struct json_value v;

    if (!json_member(object, name, &v) || v.type != JSON_STRING)
        return false;
    json_unescape(&v, out);
    return true;
}

const char *json_member_text(struct arena *a, struct str object, const char *name)
{
    const char *text = NULL;
    struct buf out;

    buf_init(&out, 0);
    if (json_member_string(object, name, &out))
        text = arena_strndup(a, buf_cstr(&out), out.n);
    buf_release(&out);
    return text;
}

void json_add_string(struct buf *b, struct str s)
{
    size_t from = 0;
    const bool clean = str_is_utf8(s);

    if (!s.p)
        s = STR("");
    buf_putc(b, '"');
    for (size_t i = 0; i < s.n; i++) {
        const unsigned char c = (unsigned char)s.p[i];

        if (c >= 0x20 && c != '"' && c != '\\' && (c < 0x80 || clean))
            continue;
        buf_add(b, s.p + from, i - from);
        from = i + 1;
        if (c == '"' || c == '\\')
            buf_printf(b, "\\%c", c);
        else if (c == '\n')
            buf_puts(b, "\\n");
        else if (c == '\t')
            buf_puts(b, "\\t");
        else if (c == '\r')
            buf_puts(b, "\\r");
        else if (c < 0x20)
            buf_printf(b, "\\u%04x", c);
        else
            buf_puts(b, "\xef\xbf\xbd");
    }
    buf_add(b, s.p + from, s.n - from);
    buf_putc(b, '"');
}
