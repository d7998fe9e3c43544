/*
 * The bitmap itself. Rows are kept in containers of 65,536 (the row's upper 48 bits name one): a sorted array while
 * there are few, a bitmap when there are many. Runs occur in files only: they are unpacked when read, and written where
 * they are shorter.
 *
 * The portable format, little-endian: magic, count of 32-bit bitmaps (64 bit), then each with its upper 32 bits before
 * it. A 32-bit bitmap: a cookie (12347 with runs, its upper half the containers less one, and a bit a container; or
 * 12346 and their count), a (key, cardinality less one) a container, the containers' offsets (always without runs, with
 * runs from four containers on), and the containers.
 */
#include "lake/read/dv.h"

#include <stdlib.h>

#define DV_MAGIC 1681511377u
#define COOKIE_PLAIN 12346u
#define COOKIE_RUNS 12347u
#define OFFSETS_FROM 4 /* containers, in a bitmap with runs */
#define ARRAY_MAX 4096 /* more rows than this are a bitmap */
#define WORDS 1024
#define BITMAP_BYTES (WORDS * 8)

struct container {
    uint64_t key; /* row >> 16 */
    uint32_t n;   /* rows */
    uint32_t cap; /* of the array */
    uint16_t *array;
    uint64_t *words; /* instead of the array */
};

struct lake_dv {
    VEC(struct container) list; /* by key */
    uint64_t n;
};

struct lake_dv *lake_dv_new(void)
{
    return check_calloc(1, sizeof(struct lake_dv));
}

void lake_dv_free(struct lake_dv *dv)
{
    if (!dv)
        return;
    for (size_t i = 0; i < dv->list.n; i++) {
        free(dv->list.p[i].array);
        free(dv->list.p[i].words);
    }
    vec_free(&dv->list);
    free(dv);
}

/* --- looking and adding ------------------------------------------------------------------------------------ */

/* The first container whose key is not smaller. */
static size_t container_at(const struct lake_dv *dv, uint64_t key)
{
    size_t low = 0, high = dv->list.n;

    if (high && dv->list.p[high - 1].key < key)
        return high;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (dv->list.p[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static size_t place_in_array(const struct container *c, uint16_t low_bits)
{
    size_t low = 0, high = c->n;

    if (high && c->array[high - 1] < low_bits)
        return high;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (c->array[middle] < low_bits)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool container_has(const struct container *c, uint16_t low)
{
    if (c->words)
        return c->words[low >> 6] >> (low & 63) & 1;
    const size_t at = place_in_array(c, low);

    return at < c->n && c->array[at] == low;
}

static void to_words(struct container *c)
{
    c->words = check_calloc(WORDS, sizeof(uint64_t));
    for (uint32_t i = 0; i < c->n; i++)
        c->words[c->array[i] >> 6] |= UINT64_C(1) << (c->array[i] & 63);
    free(c->array);
    c->array = NULL;
    c->cap = 0;
}

static bool container_add(struct container *c, uint16_t low)
{
    size_t at;

    if (!c->words && c->n == ARRAY_MAX && !container_has(c, low))
        to_words(c);
    if (c->words) {
        const uint64_t bit = UINT64_C(1) << (low & 63);

        if (c->words[low >> 6] & bit)
            return false;
        c->words[low >> 6] |= bit;
        c->n++;
        return true;
    }
    at = place_in_array(c, low);
    if (at < c->n && c->array[at] == low)
        return false;
    if (c->n == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 8;
        c->array = check_realloc(c->array, c->cap * sizeof(*c->array));
    }
    memmove(c->array + at + 1, c->array + at, (c->n - at) * sizeof(*c->array));
    c->array[at] = low;
    c->n++;
    return true;
}

static struct container *container_for(struct lake_dv *dv, uint64_t key)
{
    const size_t at = container_at(dv, key);
    const struct container fresh = {.key = key};

    if (at < dv->list.n && dv->list.p[at].key == key)
        return &dv->list.p[at];
    vec_push(&dv->list, fresh);
    memmove(dv->list.p + at + 1, dv->list.p + at, (dv->list.n - 1 - at) * sizeof(fresh));
    dv->list.p[at] = fresh;
    return &dv->list.p[at];
}

bool lake_dv_add(struct lake_dv *dv, uint64_t row)
{
    const bool added = container_add(container_for(dv, row >> 16), (uint16_t)row);

    dv->n += added;
    return added;
}

/* The container's rows in order; returns how many. `out` has room for 65,536. */
static uint32_t rows_of(const struct container *c, uint16_t *out)
{
    uint32_t n = 0;

    if (!c->words) {
        memcpy(out, c->array, c->n * sizeof(*out));
        return c->n;
    }
    for (uint32_t w = 0; w < WORDS; w++)
        for (uint64_t left = c->words[w]; left; left &= left - 1)
            out[n++] = (uint16_t)(w * 64 + (uint32_t)__builtin_ctzll(left));
    return n;
}

void lake_dv_add_all(struct lake_dv *dv, const struct lake_dv *other)
{
    uint16_t *rows = check_malloc(65536 * sizeof(*rows));

    for (size_t i = 0; i < other->list.n; i++) {
        const uint32_t n = rows_of(&other->list.p[i], rows);
        struct container *c = container_for(dv, other->list.p[i].key);

        for (uint32_t k = 0; k < n; k++)
            dv->n += container_add(c, rows[k]);
    }
    free(rows);
}

bool lake_dv_has(const struct lake_dv *dv, uint64_t row)
{
    const size_t at = container_at(dv, row >> 16);

    return at < dv->list.n && dv->list.p[at].key == row >> 16 && container_has(&dv->list.p[at], (uint16_t)row);
}

uint64_t lake_dv_count(const struct lake_dv *dv)
{
    return dv->n;
}

uint64_t lake_dv_last(const struct lake_dv *dv)
{
    const struct container *c = dv->list.n ? &dv->list.p[dv->list.n - 1] : NULL;
    uint32_t low = 65535;

    if (!c)
        return 0;
    if (!c->words)
        return c->key << 16 | c->array[c->n - 1];
    while (!container_has(c, (uint16_t)low))
        low--;
    return c->key << 16 | low;
}

/* Rows in order go on in the array from where the last one was. */
static bool has_from(const struct container *c, uint16_t low, size_t *at)
{
    if (c->words)
        return c->words[low >> 6] >> (low & 63) & 1;
    if (*at > c->n || (*at > 0 && c->array[*at - 1] >= low))
        *at = place_in_array(c, low);
    while (*at < c->n && c->array[*at] < low)
        ++*at;
    return *at < c->n && c->array[*at] == low;
}

void lake_dv_mark_live(const struct lake_dv *dv, const int64_t *rows, size_t n, bool *live)
{
    const struct container *c = NULL;
    uint64_t key = UINT64_MAX;
    size_t at = SIZE_MAX;

    for (size_t i = 0; i < n; i++) {
        const uint64_t row = (uint64_t)rows[i];

        if (row >> 16 != key) {
            const size_t place = container_at(dv, row >> 16);

            key = row >> 16;
            c = place < dv->list.n && dv->list.p[place].key == key ? &dv->list.p[place] : NULL;
            at = SIZE_MAX;
        }
        live[i] = !c || !has_from(c, (uint16_t)row, &at);
    }
}

/* --- writing ----------------------------------------------------------------------------------------------- */

static void add_le(struct buf *out, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        buf_putc(out, (char)(value >> (8 * i)));
}

static uint32_t count_runs(const uint16_t *rows, uint32_t n)
{
    uint32_t runs = 0;

    for (uint32_t i = 0; i < n; i++)
        runs += i == 0 || rows[i] != rows[i - 1] + 1;
    return runs;
}

static size_t plain_bytes(uint32_t n)
{
    return n <= ARRAY_MAX ? (size_t)n * 2 : BITMAP_BYTES;
}

static void add_container(struct buf *out, const struct container *c, const uint16_t *rows, uint32_t runs)
{
    if (!runs && c->n > ARRAY_MAX) {
        for (uint32_t w = 0; w < WORDS; w++)
            add_le(out, c->words[w], 8);
        return;
    }
    if (!runs) {
        for (uint32_t i = 0; i < c->n; i++)
            add_le(out, rows[i], 2);
        return;
    }
    add_le(out, runs, 2);
    for (uint32_t i = 0; i < c->n;) {
        uint32_t length = 1;

        while (i + length < c->n && rows[i + length] == rows[i] + length)
            length++;
        add_le(out, rows[i], 2);
        add_le(out, length - 1, 2);
        i += length;
    }
}

/* The containers [from, to), which share their upper 32 bits. */
static void add_bitmap(struct buf *out, const struct lake_dv *dv, size_t from, size_t to)
{
    const size_t n = to - from;
    uint16_t *rows = check_malloc(65536 * sizeof(*rows));
    uint32_t *runs = check_calloc(n, sizeof(*runs)); /* 0: is not written as runs */
    size_t *bytes = check_calloc(n, sizeof(*bytes));
    size_t at = out->n;
    bool with_runs = false;

    for (size_t i = 0; i < n; i++) {
        const struct container *c = &dv->list.p[from + i];
        const uint32_t n_runs = count_runs(rows, rows_of(c, rows));

        bytes[i] = plain_bytes(c->n);
        if (2 + (size_t)n_runs * 4 < bytes[i]) {
            runs[i] = n_runs;
            bytes[i] = 2 + (size_t)n_runs * 4;
            with_runs = true;
        }
    }
    add_le(out, with_runs ? COOKIE_RUNS | (uint32_t)(n - 1) << 16 : COOKIE_PLAIN, 4);
    if (!with_runs)
        add_le(out, n, 4);
    for (size_t i = 0; with_runs && i < n; i += 8) {
        unsigned flags = 0;

        for (size_t k = i; k < n && k < i + 8; k++)
            flags |= (runs[k] ? 1u : 0u) << (k - i);
        buf_putc(out, (char)flags);
    }
    for (size_t i = 0; i < n; i++) {
        add_le(out, dv->list.p[from + i].key & 0xffff, 2);
        add_le(out, dv->list.p[from + i].n - 1, 2);
    }
    if (!with_runs || n >= OFFSETS_FROM) {
        at = out->n - at + 4 * n;
        for (size_t i = 0; i < n; i++) {
            add_le(out, at, 4);
            at += bytes[i];
        }
    }
    for (size_t i = 0; i < n; i++) {
        rows_of(&dv->list.p[from + i], rows);
        add_container(out, &dv->list.p[from + i], rows, runs[i]);
    }
    free(bytes);
    free(runs);
    free(rows);
}

void lake_dv_encode(const struct lake_dv *dv, struct buf *out)
{
    uint64_t bitmaps = 0;

    for (size_t i = 0; i < dv->list.n; i++)
        bitmaps += i == 0 || dv->list.p[i].key >> 16 != dv->list.p[i - 1].key >> 16;
    add_le(out, DV_MAGIC, 4);
    add_le(out, bitmaps, 8);
    for (size_t i = 0, to; i < dv->list.n; i = to) {
        to = i + 1;
        while (to < dv->list.n && dv->list.p[to].key >> 16 == dv->list.p[i].key >> 16)
            to++;
        add_le(out, dv->list.p[i].key >> 16, 4);
        add_bitmap(out, dv, i, to);
    }
}

/* --- reading ----------------------------------------------------------------------------------------------- */

struct reader {
    const uint8_t *p, *end;
};

static bool take(struct reader *r, size_t n, const uint8_t **out)
{
    if ((size_t)(r->end - r->p) < n)
        return false;
    *out = r->p;
    r->p += n;
    return true;
}

static uint64_t le(const uint8_t *p, size_t bytes)
{
    uint64_t value = 0;

    for (size_t i = 0; i < bytes; i++)
        value |= (uint64_t)p[i] << (8 * i);
    return value;
}

static bool take_le(struct reader *r, size_t bytes, uint64_t *out)
{
    const uint8_t *p;

    if (!take(r, bytes, &p))
        return false;
    *out = le(p, bytes);
    return true;
}

static const char *read_array(struct reader *r, struct container *c)
{
    const uint8_t *p;

    if (!take(r, (size_t)c->n * 2, &p))
        return "an array ends early";
    c->cap = c->n;
    c->array = check_malloc(c->n * sizeof(*c->array));
    for (uint32_t i = 0; i < c->n; i++) {
        c->array[i] = (uint16_t)le(p + (size_t)i * 2, 2);
        if (i && c->array[i] <= c->array[i - 1])
            return "the rows of an array are not in order";
    }
    return NULL;
}

static const char *read_words(struct reader *r, struct container *c)
{
    const uint8_t *p;
    uint32_t n = 0;

    if (!take(r, BITMAP_BYTES, &p))
        return "a bitmap ends early";
    c->words = check_malloc(BITMAP_BYTES);
    for (size_t w = 0; w < WORDS; w++) {
        c->words[w] = le(p + w * 8, 8);
        n += (uint32_t)__builtin_popcountll(c->words[w]);
    }
    return n == c->n ? NULL : "a bitmap has another number of rows than it says";
}

static const char *read_runs(struct reader *r, struct container *c)
{
    uint64_t runs, start, length;
    uint32_t n = 0, next = 0;

    if (!take_le(r, 2, &runs))
        return "a list of runs ends early";
    c->words = check_calloc(WORDS, sizeof(uint64_t));
    for (uint64_t i = 0; i < runs; i++) {
        if (!take_le(r, 2, &start) || !take_le(r, 2, &length))
            return "a list of runs ends early";
        if (start < next || start + length > 65535)
            return "the runs of a list are not in order";
        for (uint64_t row = start; row <= start + length; row++)
            c->words[row >> 6] |= UINT64_C(1) << (row & 63);
        n += (uint32_t)length + 1;
        next = (uint32_t)(start + length) + 1;
    }
    return n == c->n ? NULL : "a list of runs has another number of rows than it says";
}

/* A bitmap of few rows is kept as an array: what is counted on elsewhere. */
static void shrink(struct container *c)
{
    uint16_t *rows;

    if (!c->words || c->n > ARRAY_MAX)
        return;
    rows = check_malloc(ARRAY_MAX * sizeof(*rows));
    rows_of(c, rows);
    free(c->words);
    c->words = NULL;
    c->array = rows;
    c->cap = ARRAY_MAX;
}

struct header {
    uint64_t n;           /* containers */
    const uint8_t *runs;  /* a bit each, NULL: none has runs */
    const uint8_t *keys;  /* (key, cardinality less one) */
    const uint8_t *start; /* of the whole */
    const uint8_t *offsets;
};

static const char *read_header(struct reader *r, struct header *h)
{
    uint64_t cookie;

    *h = (struct header){.start = r->p};
    if (!take_le(r, 4, &cookie))
        return "a bitmap's header ends early";
    if ((cookie & 0xffff) == COOKIE_RUNS) {
        h->n = (cookie >> 16) + 1;
        if (!take(r, (size_t)(h->n + 7) / 8, &h->runs))
            return "a bitmap's header ends early";
    } else if (cookie != COOKIE_PLAIN) {
        return "a bitmap begins with an unknown cookie";
    } else if (!take_le(r, 4, &h->n) || h->n > 65536) {
        return "a bitmap has too many containers";
    }
    if (!take(r, (size_t)h->n * 4, &h->keys))
        return "a bitmap's header ends early";
    if ((!h->runs || h->n >= OFFSETS_FROM) && !take(r, (size_t)h->n * 4, &h->offsets))
        return "a bitmap's header ends early";
    return NULL;
}

/* One 32-bit bitmap, whose rows begin at upper << 32. */
static const char *read_bitmap(struct reader *r, struct lake_dv *dv, uint64_t upper)
{
    struct header h;
    const char *problem = read_header(r, &h);

    for (uint64_t i = 0; i < h.n && !problem; i++) {
        const uint64_t key = upper << 16 | le(h.keys + i * 4, 2);
        const struct container fresh = {.key = key, .n = (uint32_t)le(h.keys + i * 4 + 2, 2) + 1};
        struct container *c;

        if (dv->list.n && dv->list.p[dv->list.n - 1].key >= key)
            return "the containers are not in order";
        if (h.offsets && h.start + le(h.offsets + i * 4, 4) != r->p)
            return "a container is not where its offset says";
        vec_push(&dv->list, fresh);
        c = &dv->list.p[dv->list.n - 1];
        if (h.runs && (h.runs[i / 8] >> (i % 8) & 1))
            problem = read_runs(r, c);
        else
            problem = c->n > ARRAY_MAX ? read_words(r, c) : read_array(r, c);
        if (!problem)
            shrink(c);
        dv->n += c->n;
    }
    return problem;
}

static const char *read_all(struct reader *r, struct lake_dv *dv)
{
    uint64_t magic, bitmaps, upper, previous = 0;
    const char *problem = NULL;

    if (!take_le(r, 4, &magic) || magic != DV_MAGIC)
        return "it does not begin with the magic number of a deletion vector";
    if (!take_le(r, 8, &bitmaps))
        return "it ends early";
    for (uint64_t i = 0; i < bitmaps && !problem; i++) {
        if (!take_le(r, 4, &upper))
            return "it ends early";
        if (upper > INT32_MAX || (i && upper <= previous))
            return "its bitmaps are not in order";
        previous = upper;
        problem = read_bitmap(r, dv, upper);
    }
    return !problem && r->p != r->end ? "something follows it" : problem;
}

enum ig_code lake_dv_decode(struct str bytes, struct lake_dv **out, struct error *err)
{
    struct reader r = {(const uint8_t *)bytes.p, (const uint8_t *)bytes.p + bytes.n};
    struct lake_dv *dv = lake_dv_new();
    const char *problem = read_all(&r, dv);

    *out = NULL;
    if (problem) {
        lake_dv_free(dv);
        return error_set(err, IG_CORRUPT, "the deletion vector is broken: %s", problem);
    }
    *out = dv;
    return IG_OK;
}
