#include "source/csv.h"
#include "source/rows.h"

#include <stdlib.h>

struct csv_rows {
    struct rows rows;
    struct csv *csv;
    struct str null_text;
    struct buf *names;   /* a column's `"name":` */
    struct buf text;     /* the batch's records */
    struct buf problems; /* its problems */
    struct source_item *items;
    size_t cap_items;
};

#define BATCH_BYTES ((size_t)1 << 20)

static void add_object(struct csv_rows *r, const struct csv_row *row)
{
    for (size_t i = 0; i < csv_columns(r->csv); i++) {
        buf_add_str(&r->text, buf_str(&r->names[i]));
        if (str_eq(row->fields[i], r->null_text))
            buf_puts(&r->text, "null");
        else
            json_add_string(&r->text, row->fields[i]);
    }
    buf_putc(&r->text, '}');
}

/* The buffers may move while they grow: items hold places in them until the batch is whole. */
static void settle_items(struct csv_rows *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        r->items[i].value.p = buf_cstr(&r->text) + (uintptr_t)r->items[i].value.p;
        if (r->items[i].reason)
            r->items[i].detail.p = buf_cstr(&r->problems) + (uintptr_t)r->items[i].detail.p;
    }
}

static void add_item(struct csv_rows *r, const struct csv_row *row, struct source_item *item)
{
    const size_t at = r->text.n, problem_at = r->problems.n;

    *item = (struct source_item){.ordinal = row->line, .value.p = (const char *)(uintptr_t)at};
    if (row->problem) {
        buf_add_str(&r->text, row->text);
        buf_printf(&r->problems, "line %lld: %s", (long long)row->line + 1, row->problem);
        item->reason = "malformed_csv";
        item->detail = (struct str){(const char *)(uintptr_t)problem_at, r->problems.n - problem_at};
    } else {
        add_object(r, row);
    }
    item->value.n = r->text.n - at;
}

static enum ig_code csv_rows_next(struct rows *rows, int64_t first, size_t max, struct source_item **items, size_t *n,
                                  struct error *err)
{
    struct csv_rows *r = (struct csv_rows *)rows;
    struct csv_row row;
    bool end = false;

    if (max > r->cap_items) {
        r->items = check_realloc(r->items, max * sizeof(*r->items));
        r->cap_items = max;
    }
    buf_clear(&r->text);
    buf_clear(&r->problems);
    *items = r->items;
    *n = 0;
    while (*n < max && r->text.n < BATCH_BYTES) {
        IG_TRY(csv_next(r->csv, &row, &end, err));
        if (end)
            break;
        if (row.line >= first)
            add_item(r, &row, &r->items[(*n)++]);
    }
    IG_TRY(buf_check(&r->text, err, "a CSV row"));
    settle_items(r, *n);
    return IG_OK;
}

static void csv_rows_free(struct rows *rows)
{
    struct csv_rows *r = (struct csv_rows *)rows;

    for (size_t i = 0; i < csv_columns(r->csv); i++)
        buf_release(&r->names[i]);
    free(r->names);
    csv_close(r->csv);
    buf_release(&r->text);
    buf_release(&r->problems);
    free(r->items);
    free(r);
}

static const struct rows_ops csv_rows_ops = {csv_rows_next, csv_rows_free};

enum ig_code rows_open_csv(struct env *env, const char *path, const char *null_text, struct rows **out,
                           struct error *err)
{
    struct csv_rows *r;
    struct csv *csv;

    IG_TRY(csv_open(env, path, &csv, err));
    r = check_calloc(1, sizeof(*r));
    r->rows.ops = &csv_rows_ops;
    r->csv = csv;
    r->null_text = str_of(null_text ? null_text : "");
    r->names = check_calloc(csv_columns(csv), sizeof(*r->names));
    for (size_t i = 0; i < csv_columns(csv); i++) {
        buf_init(&r->names[i], 0);
        buf_putc(&r->names[i], i ? ',' : '{');
        json_add_string(&r->names[i], csv_column(csv, i));
        buf_putc(&r->names[i], ':');
    }
    buf_init(&r->text, 0);
    buf_init(&r->problems, 0);
    *out = &r->rows;
    return IG_OK;
}
