#include "source/rows.h"
#include "source/text_file.h"

#include <stdlib.h>

#define LINE_MAX_BYTES ((size_t)64 << 20)  /* no log takes a record near that */
#define LINE_KEPT_BYTES ((size_t)64 << 10) /* of a longer one */

struct lines {
    struct rows rows;
    struct text_file *file;
    int64_t line;  /* number of the next one */
    bool skipping; /* the rest of a line that was too long */
    struct source_item *items;
    size_t cap_items;
};

static bool is_blank(struct str line)
{
    for (size_t i = 0; i < line.n; i++)
        if (line.p[i] != ' ' && line.p[i] != '\t' && line.p[i] != '\r')
            return false;
    return true;
}

/* Takes one item out of the text that we have. False if more has to be read first. */
static bool take_item(struct lines *l, struct source_item *item)
{
    const struct str have = text_file_have(l->file);
    const char *newline = have.n ? memchr(have.p, '\n', have.n) : NULL;
    const bool skipped = l->skipping;

    *item = (struct source_item){.ordinal = l->line};
    if (!newline && !text_file_at_end(l->file)) {
        if (!skipped && have.n <= LINE_MAX_BYTES)
            return false;
        l->skipping = true;
        text_file_take(l->file, have.n);
        if (skipped)
            return false;
        item->value = (struct str){have.p, LINE_KEPT_BYTES};
        item->reason = "record_too_large";
        item->detail = STR("a line of over 64 MiB: its first 64 KiB are here");
        return true;
    }
    if (have.n == 0)
        return false;
    item->value = (struct str){have.p, newline ? (size_t)(newline - have.p) : have.n};
    text_file_take(l->file, item->value.n + (newline ? 1 : 0));
    l->skipping = false;
    l->line++;
    if (skipped) /* the end of what was given out before */
        item->value.n = 0;
    if (item->value.n > 0 && item->value.p[item->value.n - 1] == '\r')
        item->value.n--;
    return true;
}

static enum ig_code lines_next(struct rows *r, int64_t first, size_t max, struct source_item **items, size_t *n,
                               struct error *err)
{
    struct lines *l = (struct lines *)r;

    if (max > l->cap_items) {
        l->items = check_realloc(l->items, max * sizeof(*l->items));
        l->cap_items = max;
    }
    *items = l->items;
    *n = 0;
    for (;;) {
        struct source_item *item = &l->items[*n];

        while (*n < max && take_item(l, item)) {
            if (item->ordinal >= first && !is_blank(item->value))
                item = &l->items[++*n];
        }
        /* Items point into the text, which reading on would move. */
        if (*n > 0 || text_file_at_end(l->file))
            return IG_OK;
        IG_TRY(text_file_more(l->file, err));
    }
}

static void lines_free(struct rows *r)
{
    struct lines *l = (struct lines *)r;

    text_file_close(l->file);
    free(l->items);
    free(l);
}

static const struct rows_ops lines_ops = {lines_next, lines_free};

enum ig_code rows_open_lines(struct env *env, const char *path, struct rows **out, struct error *err)
{
    struct lines *l;
    struct text_file *file;

    IG_TRY(text_file_open(env, path, &file, err));
    l = check_calloc(1, sizeof(*l));
    l->rows.ops = &lines_ops;
    l->file = file;
    *out = &l->rows;
    return IG_OK;
}
