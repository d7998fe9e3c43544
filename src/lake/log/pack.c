/*
 * Statistics in less memory. The files of a table have the same columns, so their statistics are the same text but for
 * the values: that text, the shape, is kept once, with a hole where a value was; a file keeps its values, one behind
 * the other. Put together they are the text as it was, byte for byte.
 */
#include "lake/log/entry.h"

#define HOLE '\x01' /* in no JSON: control characters are escaped there */

struct lake_shape {
    struct str text;
    uint32_t hash;
    size_t rows_hole; /* which of the holes is numRecords, SIZE_MAX: none */
};

/* What the scan of a text found out. */
struct scan {
    struct buf *shape, *values;
    unsigned depth;
    bool wants_rows; /* the next value is numRecords */
    int64_t rows;
    size_t n_values, rows_hole;
};

/* The characters that end a bare word: what is between values, and all up to the space. */
static bool ends_word(char c)
{
    return (unsigned char)c <= 0x20 || c == ',' || c == ']' || c == '}' || c == ':' || c == '[' || c == '{' || c == '"';
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* Behind the string that begins at p; NULL if it has no end. */
static const char *string_end(const char *p, const char *end)
{
    for (const char *from = ++p;;) {
        const char *quote = memchr(p, '"', (size_t)(end - p)), *q = quote;

        if (!quote)
            return NULL;
        while (q > from && q[-1] == '\\')
            q--;
        if ((quote - q) % 2 == 0)
            return quote + 1;
        p = quote + 1;
    }
}

static bool is_key(const char *p, const char *end)
{
    while (p < end && is_space(*p))
        p++;
    return p < end && *p == ':';
}

static void put_value(struct scan *s, struct str value)
{
    if (s->wants_rows && !str_to_int64(value, 0, INT64_MAX, &s->rows))
        s->rows = -1;
    if (s->wants_rows)
        s->rows_hole = s->n_values;
    s->wants_rows = false;
    s->n_values++;
    buf_putc(s->shape, HOLE);
    buf_add_str(s->values, value);
    buf_putc(s->values, HOLE);
}

/* A string or a bare word; behind it, NULL if it is none. */
static const char *take(struct scan *s, const char *p, const char *end)
{
    const char *from = p;
    struct str text;

    if (*p == '"') {
        p = string_end(p, end);
        if (!p)
            return NULL;
        text = (struct str){from, (size_t)(p - from)};
        if (is_key(p, end)) {
            s->wants_rows = s->depth == 1 && str_is(text, "\"numRecords\"");
            buf_add_str(s->shape, text);
            return p;
        }
    } else {
        while (p < end && !ends_word(*p))
            p++;
        if (p == from)
            return NULL;
        text = (struct str){from, (size_t)(p - from)};
    }
    put_value(s, text);
    return p;
}

/* False: this is nothing to be taken apart. */
static bool scan(struct scan *s, struct str json)
{
    const char *p = json.p, *end = json.p + json.n;

    while (p < end) {
        switch (*p) {
        case '{':
        case '[':
            s->depth++;
            s->wants_rows = false;
            buf_putc(s->shape, *p++);
            break;
        case '}':
        case ']':
            if (s->depth-- == 0)
                return false;
            buf_putc(s->shape, *p++);
            break;
        case ',':
        case ':':
        case ' ':
        case '\n':
        case '\r':
        case '\t':
            buf_putc(s->shape, *p++);
            break;
        default:
            p = take(s, p, end);
            if (!p)
                return false;
        }
    }
    return s->depth == 0;
}

static void grow(struct lake_intern *in)
{
    const size_t cap = in->shapes.n ? in->shapes.n * 2 : 64;
    struct lake_shape **slots = check_calloc(cap, sizeof(struct lake_shape *));

    for (size_t i = 0; i < in->shapes.n; i++) {
        struct lake_shape *shape = in->shapes.p[i];
        size_t at;

        if (!shape)
            continue;
        for (at = shape->hash & (cap - 1); slots[at]; at = (at + 1) & (cap - 1))
            ;
        slots[at] = shape;
    }
    free(in->shapes.p);
    in->shapes.p = slots;
    in->shapes.n = in->shapes.cap = cap;
}

static struct lake_shape *shape_of(struct lake_intern *in, struct str text, size_t rows_hole)
{
    struct lake_shape *shape;
    uint32_t hash;
    size_t at;

    if (in->last_shape && str_eq(in->last_shape->text, text))
        return in->last_shape;
    if (in->n_shapes * 2 >= in->shapes.n)
        grow(in);
    hash = hash_crc32c(0, text.p, text.n);
    for (at = hash & (in->shapes.n - 1); (shape = in->shapes.p[at]) != NULL; at = (at + 1) & (in->shapes.n - 1))
        if (shape->hash == hash && str_eq(shape->text, text))
            break;
    if (!shape) {
        shape = ARENA_NEW(in->arena, struct lake_shape);
        shape->text = arena_str(in->arena, text);
        shape->hash = hash;
        shape->rows_hole = rows_hole;
        in->shapes.p[at] = shape;
        in->n_shapes++;
    }
    in->last_shape = shape;
    return shape;
}

/* Most texts have the shape of the one before: then only the values are picked, into `to` (room for the text and its
 * holes). Returns how much that is, 0 if the shape is another one. */
static size_t pick(const struct lake_shape *shape, struct str json, char *to, int64_t *rows)
{
    const char *p = json.p, *end = json.p + json.n, *s = shape->text.p, *shape_end = s + shape->text.n;
    char *const start = to;

    for (size_t hole = 0;; hole++) {
        const char *stop = memchr(s, HOLE, (size_t)(shape_end - s)), *from;
        const size_t n = (size_t)((stop ? stop : shape_end) - s);

        if ((size_t)(end - p) < n || memcmp(p, s, n) != 0)
            return 0;
        p += n;
        if (!stop)
            return p == end ? (size_t)(to - start) : 0;
        s = stop + 1;
        from = p;
        if (p < end && *p == '"') {
            p = string_end(p, end);
            if (!p || is_key(p, end))
                return 0;
        } else {
            while (p < end && !ends_word(*p))
                p++;
            if (p == from)
                return 0;
        }
        if (hole == shape->rows_hole && !str_to_int64((struct str){from, (size_t)(p - from)}, 0, INT64_MAX, rows))
            *rows = -1;
        memcpy(to, from, (size_t)(p - from));
        to += p - from;
        *to++ = HOLE;
    }
}

void lake_stats_pack(struct lake_intern *in, struct str json, struct lake_packed_stats *out)
{
    struct scan s = {.shape = &in->text, .values = &in->other, .rows = -1, .rows_hole = SIZE_MAX};
    struct str kept = json;

    out->rows = -1;
    out->shape = NULL;
    out->stats = NULL;
    out->stats_n = 0;
    if (json.n == 0 || json.n > UINT32_MAX)
        return;
    if (memchr(json.p, HOLE, json.n)) { /* no JSON */
        out->stats = arena_strndup(in->arena, json.p, json.n);
        out->stats_n = (uint32_t)json.n;
        return;
    }
    buf_clear(&in->text);
    buf_clear(&in->other);
    if (in->last_shape && buf_reserve(&in->other, json.n * 2)) {
        in->other.n = pick(in->last_shape, json, in->other.p, &out->rows);
        if (in->other.n) {
            out->shape = in->last_shape;
            out->stats = arena_strndup(in->arena, in->other.p, in->other.n);
            out->stats_n = (uint32_t)in->other.n;
            return;
        }
    }
    out->rows = -1;
    if (scan(&s, json) && !in->text.overflow && !in->other.overflow) {
        out->rows = s.rows;
        out->shape = shape_of(in, buf_str(&in->text), s.rows_hole);
        kept = buf_str(&in->other);
    }
    out->stats = arena_strndup(in->arena, kept.p, kept.n);
    out->stats_n = (uint32_t)kept.n;
    if (kept.n == 0)
        out->stats_n = 0;
}

void lake_entry_add_stats(const struct lake_entry *e, struct buf *out)
{
    const char *value = e->stats, *values_end = e->stats ? e->stats + e->stats_n : NULL;
    const char *p, *end;

    if (!e->shape) {
        buf_add(out, e->stats, e->stats_n);
        return;
    }
    p = e->shape->text.p;
    end = p + e->shape->text.n;
    while (p < end) {
        const char *hole = memchr(p, HOLE, (size_t)(end - p)), *stop;

        buf_add(out, p, (size_t)((hole ? hole : end) - p));
        if (!hole)
            return;
        stop = memchr(value, HOLE, (size_t)(values_end - value));
        IG_ASSERT(stop);
        buf_add(out, value, (size_t)(stop - value));
        value = stop + 1;
        p = hole + 1;
    }
}
