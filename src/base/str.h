/*
 * Strings: a view by value, and a growing buffer with a ceiling.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Somebody else's bytes, not NUL-terminated. {NULL, 0} is "none". */
struct str {
    const char *p;
    size_t n;
};

#define STR(literal) ((struct str){("" literal), sizeof(literal) - 1})
#define STR_FMT "%.*s"
#define STR_ARG(s) (int)(s).n, (s).p ? (s).p : ""

static inline struct str str_of(const char *cstr)
{
    return (struct str){cstr, cstr ? strlen(cstr) : 0};
}
static inline bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
static inline bool str_is(struct str a, const char *cstr)
{
    return str_eq(a, str_of(cstr));
}
bool str_has_prefix(struct str s, const char *prefix);
bool str_has_suffix(struct str s, const char *suffix);
int str_cmp(struct str a, struct str b); /* bytewise */

/* Whole decimal integer within [min, max]; false if it is anything else. */
bool str_to_int64(struct str s, int64_t min, int64_t max, int64_t *out);
/* Whole decimal number with or without fraction and exponent, finite. */
bool str_to_double(struct str s, double *out);

/* "512MB", "64 MiB", "1k" (1024 based) to bytes; "60s", "5m", "250ms", "7d", "1h" to milliseconds. */
bool str_to_bytes(struct str s, int64_t *bytes);
bool str_to_duration_ms(struct str s, int64_t *ms);

/* Is this well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms)? */
bool str_is_utf8(struct str s);

/* Levenshtein distance, for "did you mean"; strings over 64 bytes count as far. */
size_t str_distance(struct str a, struct str b);

/*
 * A growing byte buffer. `p` is NUL-terminated whenever it is not NULL. It never grows over `max`: an add that
 * would, leaves the buffer as it was and sets `overflow`, which sticks until buf_clear(); so a writer can add
 * straight down and ask once, with buf_check().
 */
struct buf {
    char *p;
    size_t n, cap, max;
    bool overflow;
};

#define BUF_MAX_DEFAULT ((size_t)1 << 30)

void buf_init(struct buf *b, size_t max); /* max 0: BUF_MAX_DEFAULT */
void buf_release(struct buf *b);
void buf_clear(struct buf *b); /* keeps the memory */
void buf_add(struct buf *b, const void *p, size_t n);
void buf_add_str(struct buf *b, struct str s);
void buf_puts(struct buf *b, const char *cstr);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) IG_PRINTF(2, 3);
/* Room for n more bytes at p + n, or NULL and overflow; the caller then raises n itself. */
void *buf_reserve(struct buf *b, size_t n);
/* Hands the bytes to the caller, who free()s them; the buffer is empty. Never NULL. */
char *buf_take(struct buf *b);
static inline struct str buf_str(const struct buf *b)
{
    return (struct str){b->p ? b->p : "", b->n};
}
static inline const char *buf_cstr(const struct buf *b)
{
    return b->p ? b->p : "";
}
/* IG_LIMIT, naming `what`, if an add did not fit. */
IG_MUST_CHECK enum ig_code buf_check(const struct buf *b, struct error *err, const char *what);

#endif
