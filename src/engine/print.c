/*
 * Results for people and programs: a box-drawn table, JSON lines, CSV.
 */
#include "engine/engine.h"
#include "engine/value.h"

#include <stdlib.h>

#define CELL_MAX_CHARS 64

struct cell {
    char *text;
    size_t chars;
};

struct table {
    size_t n_columns;
    struct cell *names;
    size_t *widths;
    bool *numeric;
    VEC(struct cell) cells;
};

/* Characters as a terminal counts them, nearly: code points. */
static size_t char_count(struct str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

/* One line, at most CELL_MAX_CHARS long; control characters as spaces. */
static struct cell cell_of(struct str s)
{
    struct cell cell = {0};
    struct buf out;
    size_t end = 0, chars = 0;

    while (end < s.n && chars < CELL_MAX_CHARS) {
        end++;
        while (end < s.n && ((unsigned char)s.p[end] & 0xc0) == 0x80)
            end++;
        chars++;
    }
    buf_init(&out, 0);
    for (size_t i = 0; i < end; i++)
        buf_putc(&out, (unsigned char)s.p[i] < 32 || s.p[i] == 127 ? ' ' : s.p[i]);
    if (end < s.n)
        buf_puts(&out, "…");
    cell.chars = char_count(buf_str(&out));
    cell.text = buf_take(&out);
    return cell;
}

static void table_init(struct table *t, struct engine_rows *rows)
{
    t->n_columns = engine_columns(rows);
    t->names = check_calloc(t->n_columns, sizeof(*t->names));
    t->widths = check_calloc(t->n_columns, sizeof(*t->widths));
    t->numeric = check_calloc(t->n_columns, sizeof(*t->numeric));
    for (size_t i = 0; i < t->n_columns; i++) {
        t->names[i] = cell_of(str_of(engine_column_name(rows, i)));
        t->widths[i] = t->names[i].chars;
        t->numeric[i] = value_is_number(duckdb_column_type(&rows->result, i));
    }
}

static void table_free(struct table *t)
{
    for (size_t i = 0; i < t->n_columns; i++)
        free(t->names[i].text);
    for (size_t i = 0; i < t->cells.n; i++)
        free(t->cells.p[i].text);
    vec_free(&t->cells);
    free(t->names);
    free(t->widths);
    free(t->numeric);
}

static void add_value(struct engine_rows *rows, size_t column, enum value_form form, struct buf *out)
{
    const duckdb_vector v = duckdb_data_chunk_get_vector(rows->chunk, column);
    duckdb_logical_type type = duckdb_column_logical_type(&rows->result, column);

    value_add(out, v, type, rows->row, form);
    duckdb_destroy_logical_type(&type);
}

void engine_add_json(struct engine_rows *rows, size_t column, struct buf *out)
{
    add_value(rows, column, VALUE_JSON, out);
}

static void table_add_row(struct table *t, struct engine_rows *rows, struct buf *scratch)
{
    for (size_t i = 0; i < t->n_columns; i++) {
        struct cell cell;

        buf_clear(scratch);
        add_value(rows, i, VALUE_TEXT, scratch);
        cell = cell_of(buf_str(scratch));
        t->widths[i] = cell.chars > t->widths[i] ? cell.chars : t->widths[i];
        vec_push(&t->cells, cell);
    }
}

static void add_rule(const struct table *t, const char *left, const char *middle, const char *right, struct buf *out)
{
    buf_puts(out, left);
    for (size_t i = 0; i < t->n_columns; i++) {
        for (size_t k = 0; k < t->widths[i] + 2; k++)
            buf_puts(out, "─");
        buf_puts(out, i + 1 < t->n_columns ? middle : right);
    }
    buf_putc(out, '\n');
}

static void add_cells(const struct table *t, const struct cell *cells, struct buf *out)
{
    buf_puts(out, "│");
    for (size_t i = 0; i < t->n_columns; i++) {
        const size_t pad = t->widths[i] - cells[i].chars;

        buf_putc(out, ' ');
        for (size_t k = 0; t->numeric[i] && k < pad; k++)
            buf_putc(out, ' ');
        buf_puts(out, cells[i].text);
        for (size_t k = 0; !t->numeric[i] && k < pad; k++)
            buf_putc(out, ' ');
        buf_puts(out, " │");
    }
    buf_putc(out, '\n');
}

static void table_print(const struct table *t, int64_t more, struct buf *out)
{
    const size_t n_rows = t->n_columns ? t->cells.n / t->n_columns : 0;

    add_rule(t, "┌", "┬", "┐", out);
    add_cells(t, t->names, out);
    add_rule(t, "├", "┼", "┤", out);
    for (size_t i = 0; i < n_rows; i++)
        add_cells(t, t->cells.p + i * t->n_columns, out);
    add_rule(t, "└", "┴", "┘", out);
    if (more > 0)
        buf_printf(out, "… and %lld more rows\n", (long long)more);
}

/* --- whole results, handed out piece by piece -------------------------------------------------------------- */

#define PIECE_BYTES ((size_t)64 << 10)

struct printer {
    struct engine_rows *rows;
    struct buf out, scratch;
    int64_t n_rows;
    engine_write_fn *write;
    void *ctx;
};

static enum ig_code hand_out(struct printer *p, size_t at_least, struct error *err)
{
    enum ig_code rc;

    if (p->out.n < at_least && !p->out.overflow)
        return IG_OK;
    rc = buf_check(&p->out, err, "a row of the result");
    if (!rc)
        rc = p->write(p->ctx, buf_str(&p->out), err);
    buf_clear(&p->out);
    return rc;
}

static enum ig_code print_table(struct printer *p, int64_t max_rows, struct error *err)
{
    struct table t = {0};
    enum ig_code rc;

    table_init(&t, p->rows);
    while (engine_next(p->rows))
        if (p->n_rows++ < max_rows || max_rows <= 0)
            table_add_row(&t, p->rows, &p->scratch);
    rc = engine_rows_check(p->rows, err);
    if (!rc)
        table_print(&t, max_rows > 0 ? p->n_rows - max_rows : 0, &p->out);
    table_free(&t);
    return rc;
}

static enum ig_code print_json(struct printer *p, struct error *err)
{
    const size_t n = engine_columns(p->rows);

    while (engine_next(p->rows)) {
        p->n_rows++;
        for (size_t i = 0; i < n; i++) {
            buf_putc(&p->out, i ? ',' : '{');
            json_add_string(&p->out, str_of(engine_column_name(p->rows, i)));
            buf_putc(&p->out, ':');
            add_value(p->rows, i, VALUE_JSON, &p->out);
        }
        buf_puts(&p->out, n ? "}\n" : "{}\n");
        IG_TRY(hand_out(p, PIECE_BYTES, err));
    }
    return engine_rows_check(p->rows, err);
}

static void add_csv_field(struct buf *out, struct str s)
{
    bool quote = s.n == 0;

    for (size_t i = 0; i < s.n; i++)
        quote = quote || strchr(",\"\r\n", s.p[i]);
    if (!quote) {
        buf_add_str(out, s);
        return;
    }
    buf_putc(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"')
            buf_putc(out, '"');
        buf_putc(out, s.p[i]);
    }
    buf_putc(out, '"');
}

/* NULL is an empty field, the empty string "". */
static enum ig_code print_csv(struct printer *p, struct error *err)
{
    const size_t n = engine_columns(p->rows);

    for (size_t i = 0; i < n; i++) {
        buf_puts(&p->out, i ? "," : "");
        add_csv_field(&p->out, str_of(engine_column_name(p->rows, i)));
    }
    buf_putc(&p->out, '\n');
    while (engine_next(p->rows)) {
        p->n_rows++;
        for (size_t i = 0; i < n; i++) {
            buf_puts(&p->out, i ? "," : "");
            if (engine_is_null(p->rows, i))
                continue;
            buf_clear(&p->scratch);
            add_value(p->rows, i, VALUE_TEXT, &p->scratch);
            add_csv_field(&p->out, buf_str(&p->scratch));
        }
        buf_putc(&p->out, '\n');
        IG_TRY(hand_out(p, PIECE_BYTES, err));
    }
    return engine_rows_check(p->rows, err);
}

static enum ig_code print_rows(struct printer *p, enum engine_print how, int64_t max_rows, struct error *err)
{
    switch (how) {
    case ENGINE_PRINT_JSON:
        IG_TRY(print_json(p, err));
        break;
    case ENGINE_PRINT_CSV:
        IG_TRY(print_csv(p, err));
        break;
    case ENGINE_PRINT_TABLE:
        IG_TRY(print_table(p, max_rows, err));
        break;
    }
    return hand_out(p, 1, err);
}

enum ig_code engine_stream(struct engine_conn *c, const char *sql, enum engine_print how, int64_t max_rows,
                           engine_write_fn *write, void *ctx, struct engine_streamed *out, struct error *err)
{
    struct engine_rows rows;
    struct printer p = {.rows = &rows, .write = write, .ctx = ctx};
    enum ig_code rc = IG_OK;

    *out = (struct engine_streamed){.rows = -1};
    IG_TRY(engine_query_streaming(c, sql, &rows, err));
    buf_init(&p.out, 0);
    buf_init(&p.scratch, 0);
    switch (duckdb_result_return_type(rows.result)) {
    case DUCKDB_RESULT_TYPE_QUERY_RESULT:
        rc = print_rows(&p, how, max_rows, err);
        out->has_rows = true;
        out->rows = p.n_rows;
        break;
    case DUCKDB_RESULT_TYPE_CHANGED_ROWS:
        if (engine_next(&rows))
            out->rows = engine_int64(&rows, 0);
        rc = engine_rows_check(&rows, err);
        break;
    default:
        break;
    }
    buf_release(&p.scratch);
    buf_release(&p.out);
    engine_rows_free(&rows);
    return rc;
}

static enum ig_code append(void *ctx, struct str text, struct error *err)
{
    buf_add_str(ctx, text);
    return buf_check(ctx, err, "the printed result");
}

enum ig_code engine_print(struct engine_conn *c, const char *sql, enum engine_print how, int64_t max_rows,
                          struct buf *out, struct error *err)
{
    struct engine_streamed streamed;

    return engine_stream(c, sql, how, max_rows, append, out, &streamed, err);
}
