// links: source
/* CSV from outside. Whatever is in it, reading ends; every row is a piece of the text, in its order, and has as many
 * fields as there are columns; and it does not matter in which pieces the file is read. */
#include "fuzz.h"
#include "source/csv.h"

#include <stdlib.h>

struct env_file {
    struct str content;
    size_t piece;
};
static struct env_file file;

static enum ig_code mem_open(struct env *env, const char *path, unsigned flags, struct env_file **out,
                             struct error *err)
{
    (void)env;
    (void)path;
    (void)flags;
    (void)err;
    *out = &file;
    return IG_OK;
}

static void mem_close(struct env *env, struct env_file *f)
{
    (void)env;
    (void)f;
}

static enum ig_code mem_read(struct env *env, struct env_file *f, int64_t at, void *p, size_t n, size_t *done,
                             struct error *err)
{
    const size_t from = (size_t)at < f->content.n ? (size_t)at : f->content.n;
    const size_t left = f->content.n - from;

    (void)env;
    (void)err;
    *done = n < left ? n : left;
    if (*done > f->piece)
        *done = f->piece;
    memcpy(p, f->content.p + from, *done);
    return IG_OK;
}

static const struct env_ops ops = {.open = mem_open, .close = mem_close, .read = mem_read};
static struct env env = {.ops = &ops};

/* Everything that was read, as one text. */
static void read_all(size_t piece, struct buf *out)
{
    struct csv_row row;
    struct error err;
    struct csv *csv;
    int64_t line = -1;
    bool end = false;

    file.piece = piece;
    if (csv_open(&env, "memory", &csv, &err) != IG_OK) {
        buf_puts(out, err.msg);
        return;
    }
    for (;;) {
        if (csv_next(csv, &row, &end, &err) != IG_OK) {
            buf_puts(out, err.msg);
            break;
        }
        if (end)
            break;
        IG_ASSERT(row.line > line && row.text.n > 0);
        line = row.line;
        IG_ASSERT(memmem(file.content.p, file.content.n, row.text.p, row.text.n));
        buf_printf(out, "%lld ", (long long)row.line);
        buf_add_str(out, row.text);
        if (row.problem) {
            buf_puts(out, row.problem);
            continue;
        }
        for (size_t i = 0; i < csv_columns(csv); i++) {
            IG_ASSERT(str_is_utf8(row.fields[i]));
            buf_putc(out, '|');
            buf_add_str(out, row.fields[i]);
        }
    }
    csv_close(csv);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole, pieces;

    if (size < 1)
        return 0;
    file.content = (struct str){(const char *)data + 1, size - 1};
    buf_init(&whole, 0);
    buf_init(&pieces, 0);
    read_all(SIZE_MAX, &whole);
    read_all(1 + data[0] % 7 + size / 64, &pieces); /* not so small that reading again and again takes all the time */
    IG_ASSERT(str_eq(buf_str(&whole), buf_str(&pieces)));
    buf_release(&whole);
    buf_release(&pieces);
    return 0;
}
