#include "base/str.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

bool str_has_prefix(struct str s, const char *prefix)
{
    const size_t n = strlen(prefix);

    return n == 0 || (s.n >= n && memcmp(s.p, prefix, n) == 0);
}

bool str_has_suffix(struct str s, const char *suffix)
{
    const size_t n = strlen(suffix);

    return n == 0 || (s.n >= n && memcmp(s.p + s.n - n, suffix, n) == 0);
}

int str_cmp(struct str a, struct str b)
{
    const size_t n = a.n < b.n ? a.n : b.n;
    const int c = n ? memcmp(a.p, b.p, n) : 0;

    return c ? c : (a.n > b.n) - (a.n < b.n);
}

bool str_to_int64(struct str s, int64_t min, int64_t max, int64_t *out)
{
    char text[24], *end;
    long long v;

    if (s.n == 0 || s.n >= sizeof(text))
        return false;
    if (!((s.p[0] >= '0' && s.p[0] <= '9') || (s.p[0] == '-' && s.n > 1)))
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = 0;
    errno = 0;
    v = strtoll(text, &end, 10);
    if (errno || end != text + s.n || v < min || v > max)
        return false;
    *out = v;
    return true;
}

bool str_to_double(struct str s, double *out)
{
    char text[512], *end;
    double v;

    if (s.n == 0 || s.n >= sizeof(text))
        return false;
    for (size_t i = 0; i < s.n; i++) /* strtod also takes white space, hexadecimal, "nan" and "infinity" */
        if (!strchr("0123456789+-.eE", s.p[i]) || s.p[i] == 0)
            return false;
    memcpy(text, s.p, s.n);
    text[s.n] = 0;
    v = strtod(text, &end);
    if (end != text + s.n || !isfinite(v))
        return false;
    *out = v;
    return true;
}

struct unit {
    const char *name;
    int64_t factor;
};

static bool number_with_unit(struct str s, const struct unit *units, size_t n_units, int64_t *out)
{
    size_t digits = 0;
    struct str unit;
    int64_t v;

    while (digits < s.n && s.p[digits] >= '0' && s.p[digits] <= '9')
        digits++;
    if (!str_to_int64((struct str){s.p, digits}, 0, INT64_MAX, &v))
        return false;
    while (digits < s.n && s.p[digits] == ' ')
        digits++;
    unit = (struct str){s.p + digits, s.n - digits};
    for (size_t i = 0; i < n_units; i++) {
        if (!str_is(unit, units[i].name))
            continue;
        if (v > INT64_MAX / units[i].factor)
            return false;
        *out = v * units[i].factor;
        return true;
    }
    return false;
}

bool str_to_bytes(struct str s, int64_t *bytes)
{
    static const struct unit units[] = {{"", 1},           {"B", 1},          {"k", 1 << 10},    {"K", 1 << 10},
                                        {"KB", 1 << 10},   {"KiB", 1 << 10},  {"M", 1 << 20},    {"MB", 1 << 20},
                                        {"MiB", 1 << 20},  {"G", 1LL << 30},  {"GB", 1LL << 30}, {"GiB", 1LL << 30},
                                        {"TB", 1LL << 40}, {"TiB", 1LL << 40}};

    return number_with_unit(s, units, IG_COUNT(units), bytes);
}

bool str_to_duration_ms(struct str s, int64_t *ms)
{
    static const struct unit units[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
                                        {"h", 3600000}, {"d", 86400000}, {"w", 604800000}};

    return number_with_unit(s, units, IG_COUNT(units), ms);
}

/* Length of the well-formed sequence at p, 0 if there is none. */
static size_t utf8_length(const unsigned char *p, size_t n)
{
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2)
        return 0;
    if (p[0] < 0xe0)
        return n >= 2 && (p[1] & 0xc0) == 0x80 ? 2 : 0;
    if (p[0] < 0xf0) {
        const unsigned char low = p[0] == 0xe0 ? 0xa0 : 0x80, high = p[0] == 0xed ? 0x9f : 0xbf;

        return n >= 3 && p[1] >= low && p[1] <= high && (p[2] & 0xc0) == 0x80 ? 3 : 0;
    }
    if (p[0] < 0xf5) {
        const unsigned char low = p[0] == 0xf0 ? 0x90 : 0x80, high = p[0] == 0xf4 ? 0x8f : 0xbf;

        return n >= 4 && p[1] >= low && p[1] <= high && (p[2] & 0xc0) == 0x80 && (p[3] & 0xc0) == 0x80 ? 4 : 0;
    }
    return 0;
}

bool str_is_utf8(struct str s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    size_t i = 0;

    while (i < s.n) {
        uint64_t word;
        size_t len;

        if (s.n - i >= 8) {
            memcpy(&word, p + i, 8);
            if ((word & UINT64_C(0x8080808080808080)) == 0) {
                i += 8;
                continue;
            }
        }
        len = utf8_length(p + i, s.n - i);
        if (len == 0)
            return false;
        i += len;
    }
    return true;
}

size_t str_distance(struct str a, struct str b)
{
    size_t row[65];

    if (a.n > 64 || b.n > 64)
        return 64;
    for (size_t j = 0; j <= b.n; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            const size_t above = row[j];
            size_t best = diagonal + (a.p[i - 1] == b.p[j - 1] ? 0 : 1);

            if (above + 1 < best)
                best = above + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
            diagonal = above;
        }
    }
    return row[b.n];
}

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max ? max : BUF_MAX_DEFAULT};
}

void buf_release(struct buf *b)
{
    free(b->p);
    b->p = NULL;
    b->n = b->cap = 0;
    b->overflow = false;
}

void buf_clear(struct buf *b)
{
    b->n = 0;
    b->overflow = false;
    if (b->p)
        b->p[0] = 0;
}

void *buf_reserve(struct buf *b, size_t n)
{
    if (b->max == 0)
        b->max = BUF_MAX_DEFAULT;
    if (b->overflow || n > b->max - b->n) {
        b->overflow = true;
        return NULL;
    }
    if (!b->p || b->n + n + 1 > b->cap) {
        size_t cap = b->cap ? b->cap : 64;

        while (cap < b->n + n + 1)
            cap *= 2;
        b->p = check_realloc(b->p, cap);
        b->cap = cap;
    }
    return b->p + b->n;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
    char *at = buf_reserve(b, n);

    if (!at)
        return;
    if (n)
        memcpy(at, p, n);
    b->n += n;
    b->p[b->n] = 0;
}

void buf_add_str(struct buf *b, struct str s)
{
    buf_add(b, s.p, s.n);
}

void buf_puts(struct buf *b, const char *cstr)
{
    buf_add(b, cstr, strlen(cstr));
}

void buf_putc(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap, again;
    char *at;
    int n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    IG_ASSERT(n >= 0);
    at = buf_reserve(b, (size_t)n);
    if (at) {
        vsnprintf(at, (size_t)n + 1, fmt, again);
        b->n += (size_t)n;
    }
    va_end(again);
}

char *buf_take(struct buf *b)
{
    char *p;

    if (!b->p)
        buf_add(b, "", 0);
    p = b->p;
    b->p = NULL;
    b->n = b->cap = 0;
    b->overflow = false;
    return p ? p : check_calloc(1, 1);
}

enum ig_code buf_check(const struct buf *b, struct error *err, const char *what)
{
    if (b->overflow)
        return error_set(err, IG_LIMIT, "%s is longer than %zu bytes", what, b->max);
    return IG_OK;
}
