/*
 * The order of rows along a curve through all columns at once (Z-order): each column's values are cut into 256 ranges
 * of about as many rows, by a sample; the bits of the range numbers, interleaved, are the sort key. The ranges are
 * found by nested CASEs over the sample's quantiles, so that it works for every type that has an order, in the engine,
 * with no more memory than a sort, which spills.
 */
#include "lake/maintain/optimize.h"

#include <stdlib.h>

#define RANGE_BITS 8
#define RANGES (1 << RANGE_BITS)
#define COLUMNS_MAX 8 /* whose bits fit into the 64 of the key */
#define SAMPLE_ROWS 50000

void optimize_add_column(struct buf *sql, const char *path)
{
    struct buf part;

    buf_init(&part, 0);
    for (const char *p = path;; p++) {
        if (*p && *p != '.') {
            buf_putc(&part, *p);
            continue;
        }
        buf_puts(sql, part.n && p > path + part.n ? "." : "");
        engine_add_name(sql, buf_str(&part));
        buf_clear(&part);
        if (!*p)
            break;
    }
    buf_release(&part);
}

struct bounds {
    VEC(char *) list; /* the ranges' lowest values but the first's, as SQL constants */
};

static void bounds_free(struct bounds *b)
{
    for (size_t i = 0; i < b->list.n; i++)
        free(b->list.p[i]);
    vec_free(&b->list);
}

/* The quantiles of a column's sample. */
static enum ig_code read_bounds(struct lake_table *t, const char *from, const char *column, struct bounds *b,
                                struct error *err)
{
    struct engine_rows rows = {0};
    struct buf sql, name;
    enum ig_code rc;

    buf_init(&sql, 0);
    buf_init(&name, 0);
    optimize_add_column(&name, column);
    buf_puts(&sql, "SELECT v::VARCHAR, typeof(v) FROM (SELECT DISTINCT unnest(quantile_disc(c, [");
    for (int i = 1; i < RANGES; i++)
        buf_printf(&sql, "%s%d/%d", i > 1 ? "," : "", i, RANGES);
    buf_printf(&sql,
               "])) AS v FROM (SELECT c FROM (SELECT %s AS c FROM %s) USING SAMPLE reservoir(%d ROWS) REPEATABLE (7)))",
               buf_cstr(&name), from, SAMPLE_ROWS);
    buf_puts(&sql, " WHERE v IS NOT NULL ORDER BY v");
    rc = engine_query(t->conn, buf_cstr(&sql), &rows, err);
    while (!rc && engine_next(&rows)) {
        struct buf constant;

        buf_init(&constant, 0);
        engine_add_literal(&constant, engine_str(&rows, 0));
        buf_puts(&constant, "::");
        buf_add_str(&constant, engine_str(&rows, 1));
        vec_push(&b->list, buf_take(&constant));
    }
    engine_rows_free(&rows);
    buf_release(&name);
    buf_release(&sql);
    return rc;
}

/* Range number i of column k of n, its bits spread so that those of the other columns fit between. */
static uint64_t spread(unsigned range, size_t k, size_t n)
{
    uint64_t key = 0;

    for (unsigned bit = 0; bit < RANGE_BITS; bit++)
        if (range >> bit & 1)
            key |= UINT64_C(1) << (bit * n + (n - 1 - k));
    return key;
}

/* CASE WHEN x < middle THEN (lower half) ELSE (upper half) END, down to the range's number. */
static void add_search(struct buf *sql, const char *column, const struct bounds *b, size_t low, size_t high, size_t k,
                       size_t n)
{
    const size_t middle = low + (high - low) / 2;

    if (low == high) {
        /* Fewer ranges than there could be are numbered so that they still span all bits. */
        const unsigned range = (unsigned)(low * RANGES / (b->list.n + 1));

        buf_printf(sql, "%llu", (unsigned long long)spread(range, k, n));
        return;
    }
    buf_printf(sql, "CASE WHEN %s<%s THEN ", column, b->list.p[middle]);
    add_search(sql, column, b, low, middle, k, n);
    buf_puts(sql, " ELSE ");
    add_search(sql, column, b, middle + 1, high, k, n);
    buf_puts(sql, " END");
}

static enum ig_code add_key(struct lake_table *t, const char *from, const char *column, size_t k, size_t n,
                            struct buf *sql, struct error *err)
{
    struct bounds b = {0};
    struct buf name;
    enum ig_code rc;

    buf_init(&name, 0);
    optimize_add_column(&name, column);
    rc = read_bounds(t, from, column, &b, err);
    if (!rc) {
        buf_printf(sql, "%s(CASE WHEN %s IS NULL THEN 0 ELSE ", k ? " | " : "", buf_cstr(&name));
        add_search(sql, buf_cstr(&name), &b, 0, b.list.n, k, n);
        buf_puts(sql, " END)::UBIGINT");
    }
    buf_release(&name);
    bounds_free(&b);
    return rc;
}

enum ig_code optimize_add_order(struct lake_table *t, const char *from, const char *const *columns, size_t n,
                                struct buf *sql, struct error *err)
{
    if (n > COLUMNS_MAX)
        return error_set(err, IG_INVALID, "Z-order by %zu columns: more than %d do not get closer to each other", n,
                         COLUMNS_MAX);
    buf_puts(sql, " ORDER BY ");
    if (n > 1) {
        for (size_t i = 0; i < n; i++)
            IG_TRY(add_key(t, from, columns[i], i, n, sql, err));
        buf_puts(sql, ", ");
    }
    for (size_t i = 0; i < n; i++) {
        buf_puts(sql, i ? ", " : "");
        optimize_add_column(sql, columns[i]);
        buf_puts(sql, " ASC NULLS FIRST");
    }
    return IG_OK;
}
