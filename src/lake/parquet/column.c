/*
 * The values of a column, page by page.
 */
#include "lake/parquet/levels.h"
#include "lake/parquet/page.h"

/* Writers end a dictionary at a megabyte or so; more of them would be memory that somebody else sets. */
#define DICTIONARY_MAX (1 << 22)
#define READ_BYTES ((size_t)64 << 10)       /* at least so many at a time */
#define HEADER_MAX_BYTES ((size_t)16 << 20) /* statistics of long texts stand in headers */
#define WINDOW_MAX_BYTES ((size_t)1 << 30)

enum { TYPE_INT32 = 1 };
enum { PLAIN = 0, PLAIN_DICTIONARY = 2, RLE = 3, RLE_DICTIONARY = 8 };

static enum ig_code damaged(const struct parquet_column *c, struct error *err)
{
    return error_set(err, IG_CORRUPT, "a page of the column " STR_FMT " is damaged", STR_ARG(c->node->name));
}

/* --- bytes of the file ------------------------------------------------------------------------------------- */

static int64_t chunk_end(const struct parquet_column *c)
{
    return c->chunk->at + c->chunk->size_bytes;
}

/* At least n bytes from `at` on, which the chunk has. */
static enum ig_code window(struct parquet_column *c, int64_t at, size_t n, struct str *out, struct error *err)
{
    const int64_t end = c->window_at + (int64_t)c->window.n;
    size_t want = n > READ_BYTES ? n : READ_BYTES;
    void *p;

    if (at < c->window_at || at + (int64_t)n > end) {
        if ((int64_t)want > chunk_end(c) - at)
            want = (size_t)(chunk_end(c) - at);
        buf_clear(&c->window);
        p = buf_reserve(&c->window, want);
        if (!p)
            return error_set(err, IG_LIMIT, "a page of %zu bytes", want);
        IG_TRY(c->f->in.read(c->f->in.ctx, at, p, want, err));
        c->window.n = want;
        c->window_at = at;
    }
    *out = (struct str){c->window.p + (at - c->window_at), c->window.n - (size_t)(at - c->window_at)};
    return IG_OK;
}

static enum ig_code read_header(struct parquet_column *c, struct parquet_page *page, struct error *err)
{
    const int64_t room = chunk_end(c) - c->at;
    size_t n = room < (int64_t)READ_BYTES ? (size_t)room : READ_BYTES;
    bool more = true;

    while (more) {
        struct str bytes;

        IG_TRY(window(c, c->at, n < 32 ? n : 32, &bytes, err));
        IG_TRY(parquet_page_header(bytes, page, &more, err));
        if (!more)
            break;
        if (bytes.n >= n) { /* not for want of what is in the file */
            if ((int64_t)n == room || n >= HEADER_MAX_BYTES)
                return damaged(c, err);
            n = (int64_t)n * 4 < room ? n * 4 : (size_t)room;
        }
        IG_TRY(window(c, c->at, n, &bytes, err));
    }
    c->at += (int64_t)page->header_bytes;
    return page->packed_bytes <= chunk_end(c) - c->at ? IG_OK : damaged(c, err);
}

/* --- plain values ------------------------------------------------------------------------------------------ */

static inline bool take_text(struct parquet_column *c, struct str *out)
{
    size_t n;

    if (c->end - c->p < 4)
        return false;
    n = (size_t)c->p[0] | (size_t)c->p[1] << 8 | (size_t)c->p[2] << 16 | (size_t)c->p[3] << 24;
    c->p += 4;
    if (n > (size_t)(c->end - c->p))
        return false;
    *out = (struct str){(const char *)c->p, n};
    c->p += n;
    return str_is_utf8(*out);
}

static bool take_number(struct parquet_column *c, int64_t *out)
{
    const size_t n = c->node->type == TYPE_INT32 ? 4 : 8;
    int32_t narrow;

    if ((size_t)(c->end - c->p) < n)
        return false;
    if (n == 4) {
        memcpy(&narrow, c->p, n);
        *out = narrow;
    } else {
        memcpy(out, c->p, n);
    }
    c->p += n;
    return true;
}

static bool take_bit(struct parquet_column *c, int64_t *out)
{
    if (c->p == c->end)
        return false;
    *out = *c->p >> c->bit & 1;
    c->bit = (c->bit + 1) % 8;
    c->p += c->bit == 0;
    return true;
}

static bool take_plain(struct parquet_column *c, struct parquet_value *v)
{
    switch (c->node->kind) {
    case PARQUET_TEXT:
        return take_text(c, &v->text);
    case PARQUET_INTEGER:
        return take_number(c, &v->number);
    default:
        return take_bit(c, &v->number);
    }
}

static bool take_value(struct parquet_column *c, struct parquet_value *v)
{
    uint32_t i;

    if (c->dictionary) {
        if (!parquet_levels_next(&c->indexes, &i) || i >= c->entries.n)
            return false;
        v->number = c->entries.p[i].number;
        v->text = c->entries.p[i].text;
        return true;
    }
    if (c->node->kind == PARQUET_BOOLEAN && !c->bits_packed) {
        if (!parquet_levels_next(&c->indexes, &i))
            return false;
        v->number = i;
        return true;
    }
    return take_plain(c, v);
}

/* --- pages ------------------------------------------------------------------------------------------------- */

static enum ig_code load_dictionary(struct parquet_column *c, const struct parquet_page *page, struct str bytes,
                                    struct error *err)
{
    if (c->entries.n || c->left != c->chunk->n_values)
        return damaged(c, err);
    if (page->encoding != PLAIN && page->encoding != PLAIN_DICTIONARY)
        return error_set(err, IG_UNSUPPORTED, "a dictionary of encoding %lld", (long long)page->encoding);
    if (page->n_values > DICTIONARY_MAX)
        return error_set(err, IG_UNSUPPORTED, "a dictionary of %lld values", (long long)page->n_values);
    if (c->node->kind == PARQUET_BOOLEAN || page->n_values > (int64_t)bytes.n)
        return damaged(c, err);
    buf_clear(&c->texts);
    buf_add_str(&c->texts, bytes);
    IG_TRY(buf_check(&c->texts, err, "a dictionary"));
    c->p = (const uint8_t *)buf_cstr(&c->texts);
    c->end = c->p + c->texts.n;
    for (int64_t i = 0; i < page->n_values; i++) {
        struct parquet_value v = {0};

        if (!take_plain(c, &v))
            return damaged(c, err);
        vec_push(&c->entries, v);
    }
    return c->p == c->end ? IG_OK : damaged(c, err);
}

static unsigned width_of(unsigned max)
{
    unsigned bits = 0;

    while (max >> bits)
        bits++;
    return bits;
}

/* Levels in front of a data page: their length, then they. False if they are cut off. */
static bool take_levels(struct parquet_levels *l, unsigned max, const uint8_t **p, const uint8_t *end)
{
    size_t n;

    if (max == 0)
        return true;
    if (end - *p < 4)
        return false;
    n = (size_t)(*p)[0] | (size_t)(*p)[1] << 8 | (size_t)(*p)[2] << 16 | (size_t)(*p)[3] << 24;
    *p += 4;
    if (n > (size_t)(end - *p))
        return false;
    parquet_levels_init(l, *p, *p + n, width_of(max));
    *p += n;
    return true;
}

static enum ig_code load_levels(struct parquet_column *c, const struct parquet_page *page, struct error *err)
{
    if (page->type == PARQUET_DATA_PAGE_2) {
        parquet_levels_init(&c->reps, c->p, c->p + page->rep_bytes, width_of(c->node->rep));
        c->p += page->rep_bytes;
        parquet_levels_init(&c->defs, c->p, c->p + page->def_bytes, width_of(c->node->def));
        c->p += page->def_bytes;
        return IG_OK;
    }
    if ((c->node->rep && page->rep_encoding != RLE) || (c->node->def && page->def_encoding != RLE))
        return error_set(err, IG_UNSUPPORTED, "levels of encoding %lld and %lld", (long long)page->rep_encoding,
                         (long long)page->def_encoding);
    return take_levels(&c->reps, c->node->rep, &c->p, c->end) && take_levels(&c->defs, c->node->def, &c->p, c->end)
               ? IG_OK
               : damaged(c, err);
}

static enum ig_code load_values(struct parquet_column *c, int64_t encoding, struct error *err)
{
    c->dictionary = encoding == RLE_DICTIONARY || encoding == PLAIN_DICTIONARY;
    c->bits_packed = encoding == PLAIN;
    c->bit = 0;
    if (encoding == PLAIN)
        return IG_OK;
    if (c->dictionary) {
        /* nothing behind the levels: all values are null */
        if (c->p < c->end && *c->p > 32)
            return damaged(c, err);
        parquet_levels_init(&c->indexes, c->p < c->end ? c->p + 1 : c->p, c->end, c->p < c->end ? *c->p : 0);
        return IG_OK;
    }
    if (encoding == RLE && c->node->kind == PARQUET_BOOLEAN)
        return take_levels(&c->indexes, 1, &c->p, c->end) ? IG_OK : damaged(c, err);
    return error_set(err, IG_UNSUPPORTED, "encoding %lld", (long long)encoding);
}

static enum ig_code load_data(struct parquet_column *c, const struct parquet_page *page, struct str bytes,
                              struct error *err)
{
    if (page->n_values > c->left)
        return damaged(c, err);
    c->left -= page->n_values;
    c->page_left = page->n_values;
    c->p = (const uint8_t *)bytes.p;
    c->end = c->p + bytes.n;
    IG_TRY(load_levels(c, page, err));
    return load_values(c, page->encoding, err);
}

/* Were all plain bytes read? Else a damaged length or level has moved the values. */
static bool page_is_used_up(const struct parquet_column *c)
{
    return !c->bits_packed || c->dictionary || c->node->kind == PARQUET_BOOLEAN || c->p == c->end;
}

/* The next page with values. */
static enum ig_code load_page(struct parquet_column *c, struct error *err)
{
    if (!page_is_used_up(c))
        return damaged(c, err);
    while (c->page_left == 0) {
        struct parquet_page page;
        struct str bytes;

        if (c->left == 0 || c->at >= chunk_end(c))
            return error_set(err, IG_CORRUPT, "the column " STR_FMT " has too few values", STR_ARG(c->node->name));
        IG_TRY(read_header(c, &page, err));
        IG_TRY(window(c, c->at, (size_t)page.packed_bytes, &bytes, err));
        bytes.n = (size_t)page.packed_bytes;
        c->at += page.packed_bytes;
        if (page.type == PARQUET_INDEX_PAGE)
            continue;
        IG_TRY(parquet_page_unpack(&page, c->chunk->codec, bytes, &c->unpacked, &bytes, err));
        if (page.type == PARQUET_DICTIONARY_PAGE)
            IG_TRY(load_dictionary(c, &page, bytes, err));
        else
            IG_TRY(load_data(c, &page, bytes, err));
    }
    return IG_OK;
}

/* --- what callers use -------------------------------------------------------------------------------------- */

enum ig_code parquet_column_open(struct parquet_column *c, const struct parquet_file *f, size_t node, size_t group,
                                 struct error *err)
{
    const struct parquet_node *n = &f->nodes.p[node];
    const struct parquet_chunk *chunk = &f->groups.p[group].chunks[n->column];

    if (!c->f) {
        buf_init(&c->window, WINDOW_MAX_BYTES);
        buf_init(&c->unpacked, WINDOW_MAX_BYTES);
        buf_init(&c->texts, WINDOW_MAX_BYTES);
    }
    if (n->kind == PARQUET_GROUP || n->kind == PARQUET_OTHER || n->rep > 1)
        return error_set(err, IG_UNSUPPORTED, "the type of the column " STR_FMT, STR_ARG(n->name));
    if (chunk->elsewhere)
        return error_set(err, IG_UNSUPPORTED, "the column " STR_FMT " is in another file", STR_ARG(n->name));
    c->f = f;
    c->node = n;
    c->chunk = chunk;
    c->at = chunk->at;
    c->left = chunk->n_values;
    c->page_left = 0;
    c->entries.n = 0;
    buf_clear(&c->window);
    c->window_at = 0;
    c->p = c->end = NULL;
    c->dictionary = c->bits_packed = false;
    if (n->rep == 0 && chunk->n_values != f->groups.p[group].n_rows)
        return error_set(err, IG_CORRUPT, "the column " STR_FMT " has another number of rows", STR_ARG(n->name));
    return IG_OK;
}

void parquet_column_close(struct parquet_column *c)
{
    buf_release(&c->window);
    buf_release(&c->unpacked);
    buf_release(&c->texts);
    vec_free(&c->entries);
}

enum ig_code parquet_next_value(struct parquet_column *c, struct parquet_value *v, struct error *err)
{
    uint32_t rep = 0, def = 0;

    if (c->page_left == 0)
        IG_TRY(load_page(c, err));
    c->page_left--;
    if ((c->node->rep && !parquet_levels_next(&c->reps, &rep)) ||
        (c->node->def && !parquet_levels_next(&c->defs, &def)) || rep > c->node->rep || def > c->node->def)
        return damaged(c, err);
    *v = (struct parquet_value){.rep = rep, .def = def};
    return def < c->node->def || take_value(c, v) ? IG_OK : damaged(c, err);
}

enum ig_code parquet_more(struct parquet_column *c, bool *more, struct error *err)
{
    uint32_t rep = 0;

    *more = false;
    if (!c->node->rep || (c->page_left == 0 && c->left == 0))
        return IG_OK;
    if (c->page_left == 0)
        IG_TRY(load_page(c, err));
    if (!parquet_levels_peek(&c->reps, &rep))
        return damaged(c, err);
    *more = rep > 0;
    return IG_OK;
}

int64_t parquet_nulls(const struct parquet_column *c, unsigned *def)
{
    int64_t n = c->page_left;

    if (n == 0 || !c->node->def || c->defs.left == 0 || !c->defs.same || c->defs.value >= c->node->def)
        return 0;
    n = n < c->defs.left ? n : c->defs.left;
    if (c->node->rep) {
        if (c->reps.left == 0 || !c->reps.same || c->reps.value)
            return 0;
        n = n < c->reps.left ? n : c->reps.left;
        /* the last one may go on behind the run */
        n--;
    }
    *def = c->defs.value;
    return n;
}

enum ig_code parquet_skip_rows(struct parquet_column *c, int64_t n, struct error *err)
{
    while (n > 0) {
        struct parquet_value v;
        unsigned def;
        const int64_t nulls = parquet_nulls(c, &def), k = nulls < n ? nulls : n;
        bool more = true;

        if (k > 0) {
            c->page_left -= k;
            c->defs.left -= (uint32_t)k;
            if (c->node->rep)
                c->reps.left -= (uint32_t)k;
            n -= k;
            continue;
        }
        IG_TRY(parquet_next_value(c, &v, err));
        if (v.rep)
            return damaged(c, err);
        while (more) {
            IG_TRY(parquet_more(c, &more, err));
            if (more)
                IG_TRY(parquet_next_value(c, &v, err));
        }
        n--;
    }
    return IG_OK;
}

enum ig_code parquet_column_end(const struct parquet_column *c, struct error *err)
{
    return c->left == 0 && c->page_left == 0 && page_is_used_up(c) ? IG_OK : damaged(c, err);
}
