#include "source/csv.h"
#include "source/text_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define ROW_MAX_BYTES ((size_t)4 << 20) /* quotes open for longer than this are a mistake */
#define LINE_MAX_BYTES ((size_t)64 << 20)
#define COLUMNS_MAX 10000

struct csv {
    struct text_file *file;
    char delimiter;
    int64_t line;
    VEC(struct str) names;
    VEC(struct str) fields;
    struct buf unquoted; /* fields that had doubled quotes */
    char problem[160];
    size_t taken; /* of the text, by the row given out last */
};

/* --- one row ------------------------------------------------------------------------------------------------ */

enum scan { SCAN_ROW, SCAN_MORE, SCAN_BAD_QUOTE, SCAN_OPEN_QUOTE };

/* Fields as they stand in the text, quotes included; `*used` with the line break. */
static enum scan scan_row(struct csv *c, struct str text, bool at_end, size_t *used)
{
    size_t at = 0;

    c->fields.n = 0;
    for (;;) {
        const size_t start = at;
        struct str field;

        if (at < text.n && text.p[at] == '"') {
            for (at++;; at++) {
                const char *quote = at < text.n ? memchr(text.p + at, '"', text.n - at) : NULL;

                if (!quote)
                    return at_end || text.n > ROW_MAX_BYTES ? SCAN_OPEN_QUOTE : SCAN_MORE;
                at = (size_t)(quote - text.p) + 1;
                if (at == text.n && !at_end)
                    return SCAN_MORE;
                if (at == text.n || text.p[at] != '"')
                    break;
            }
        } else {
            while (at < text.n && text.p[at] != c->delimiter && text.p[at] != '\n')
                at++;
        }
        field = (struct str){text.p + start, at - start};
        if (at < text.n && text.p[at] == '\r') { /* behind a quote */
            if (at + 1 == text.n && !at_end)
                return SCAN_MORE;
            if (at + 1 < text.n && text.p[at + 1] == '\n')
                at++;
        }
        if (at == text.n) {
            if (!at_end)
                return SCAN_MORE;
            vec_push(&c->fields, field);
            *used = at;
            return SCAN_ROW;
        }
        if (text.p[at] != c->delimiter && text.p[at] != '\n')
            return SCAN_BAD_QUOTE;
        vec_push(&c->fields, field);
        if (text.p[at++] == '\n') {
            *used = at;
            return SCAN_ROW;
        }
    }
}

/* Takes quotes off; a field without doubled ones stays where it is. */
static void unquote(struct csv *c)
{
    size_t need = 0;

    buf_clear(&c->unquoted);
    for (size_t i = 0; i < c->fields.n; i++)
        need += c->fields.p[i].n;
    (void)buf_reserve(&c->unquoted, need); /* so that it never moves below */
    for (size_t i = 0; i < c->fields.n; i++) {
        struct str *f = &c->fields.p[i];

        if (f->n == 0 || f->p[0] != '"') {
            if (i + 1 == c->fields.n && f->n > 0 && f->p[f->n - 1] == '\r')
                f->n--;
            continue;
        }
        *f = (struct str){f->p + 1, f->n - 2};
        if (memchr(f->p, '"', f->n)) {
            const size_t start = c->unquoted.n;

            for (size_t k = 0; k < f->n; k++) {
                buf_putc(&c->unquoted, f->p[k]);
                if (f->p[k] == '"')
                    k++;
            }
            *f = (struct str){c->unquoted.p + start, c->unquoted.n - start};
        }
    }
}

static int64_t count_lines(struct str text)
{
    int64_t n = 0;

    for (const char *p = text.p, *end = text.p + text.n; p < end && (p = memchr(p, '\n', (size_t)(end - p))); p++)
        n++;
    return n;
}

/* The length of the first line, its break included; whatever there is, if it has none. */
static size_t first_line(struct str text)
{
    const char *newline = memchr(text.p, '\n', text.n);

    return newline ? (size_t)(newline - text.p) + 1 : text.n;
}

static struct str without_break(struct str line)
{
    if (line.n > 0 && line.p[line.n - 1] == '\n')
        line.n--;
    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    return line;
}

/* Scans the row at the beginning of the text that is left, reading as much as it needs. */
static enum ig_code read_row(struct csv *c, enum scan *how, size_t *used, struct error *err)
{
    for (;;) {
        *how = scan_row(c, text_file_have(c->file), text_file_at_end(c->file), used);
        if (*how != SCAN_MORE)
            break;
        if (text_file_have(c->file).n > LINE_MAX_BYTES)
            return error_set(err, IG_LIMIT, "line %lld is longer than %zu MiB", (long long)c->line + 1,
                             LINE_MAX_BYTES >> 20);
        IG_TRY(text_file_more(c->file, err));
    }
    if (*how != SCAN_ROW) {
        /* Only this line is lost; all of it has to be there to be shown. */
        while (!memchr(text_file_have(c->file).p, '\n', text_file_have(c->file).n) && !text_file_at_end(c->file))
            IG_TRY(text_file_more(c->file, err));
        *used = first_line(text_file_have(c->file));
    }
    return IG_OK;
}

enum ig_code csv_next(struct csv *c, struct csv_row *row, bool *end, struct error *err)
{
    enum scan how;
    size_t used = 0;

    text_file_take(c->file, c->taken);
    c->taken = 0;
    do { /* blank lines are no rows */
        while (text_file_have(c->file).n == 0 && !text_file_at_end(c->file))
            IG_TRY(text_file_more(c->file, err));
        *end = text_file_have(c->file).n == 0;
        if (*end)
            return IG_OK;
        IG_TRY(read_row(c, &how, &used, err));
        row->text = without_break((struct str){text_file_have(c->file).p, used});
        row->line = c->line;
        c->line += count_lines((struct str){text_file_have(c->file).p, used});
        if (row->text.n == 0)
            text_file_take(c->file, used);
    } while (row->text.n == 0);
    c->taken = used;
    row->problem = NULL;
    if (how == SCAN_BAD_QUOTE)
        row->problem = "a quote within a field that is not doubled";
    else if (how == SCAN_OPEN_QUOTE)
        row->problem = "a quote that is not closed";
    else if (!str_is_utf8(row->text))
        row->problem = "bytes that are not UTF-8";
    if (row->problem)
        return IG_OK;
    unquote(c);
    row->fields = c->fields.p;
    if (c->names.n > 0 && c->fields.n != c->names.n) {
        snprintf(c->problem, sizeof(c->problem), "%zu fields where the header has %zu", c->fields.n, c->names.n);
        row->problem = c->problem;
    }
    return IG_OK;
}

/* --- the header --------------------------------------------------------------------------------------------- */

static char guess_delimiter(struct str line)
{
    static const char candidates[] = {',', ';', '\t', '|'};
    size_t counts[sizeof(candidates)] = {0}, best = 0;
    bool quoted = false;

    for (size_t i = 0; i < line.n; i++) {
        if (line.p[i] == '"')
            quoted = !quoted;
        for (size_t k = 0; k < sizeof(candidates) && !quoted; k++)
            counts[k] += line.p[i] == candidates[k];
    }
    for (size_t k = 1; k < sizeof(candidates); k++)
        if (counts[k] > counts[best])
            best = k;
    return candidates[best];
}

static bool has_name(const struct csv *c, struct str name)
{
    for (size_t i = 0; i < c->names.n; i++) {
        const struct str other = c->names.p[i];

        /* SQL names do not tell cases apart. */
        if (other.n == name.n && strncasecmp(other.p, name.p, name.n) == 0)
            return true;
    }
    return false;
}

static void add_name(struct csv *c, struct str field)
{
    struct buf name;
    int copy = 1;
    size_t n;

    while (field.n > 0 && (*field.p == ' ' || *field.p == '\t'))
        field = (struct str){field.p + 1, field.n - 1};
    while (field.n > 0 && (field.p[field.n - 1] == ' ' || field.p[field.n - 1] == '\t'))
        field.n--;
    buf_init(&name, 0);
    if (field.n > 0)
        buf_add_str(&name, field);
    else
        buf_printf(&name, "column_%zu", c->names.n + 1);
    n = name.n;
    while (has_name(c, buf_str(&name))) {
        name.n = n;
        buf_printf(&name, "_%d", ++copy);
    }
    n = name.n;
    vec_push(&c->names, ((struct str){buf_take(&name), n}));
}

static enum ig_code read_header(struct csv *c, struct error *err)
{
    struct csv_row row;
    bool end;

    while (!memchr(text_file_have(c->file).p, '\n', text_file_have(c->file).n) && !text_file_at_end(c->file) &&
           text_file_have(c->file).n < ROW_MAX_BYTES)
        IG_TRY(text_file_more(c->file, err));
    if (text_file_have(c->file).n > 0)
        c->delimiter = guess_delimiter((struct str){text_file_have(c->file).p, first_line(text_file_have(c->file))});
    IG_TRY(csv_next(c, &row, &end, err));
    if (end)
        return error_set(err, IG_INVALID, "the file has no header line");
    if (row.problem)
        return error_set(err, IG_INVALID, "the header line has %s", row.problem);
    if (c->fields.n > COLUMNS_MAX)
        return error_set(err, IG_LIMIT, "the header has %zu columns: at most %d", c->fields.n, COLUMNS_MAX);
    for (size_t i = 0, n = c->fields.n; i < n; i++)
        add_name(c, c->fields.p[i]);
    return IG_OK;
}

enum ig_code csv_open(struct env *env, const char *path, struct csv **out, struct error *err)
{
    struct csv *c = check_calloc(1, sizeof(*c));
    enum ig_code rc;

    c->delimiter = ',';
    buf_init(&c->unquoted, 0);
    rc = text_file_open(env, path, &c->file, err);
    if (!rc)
        rc = read_header(c, err);
    if (rc)
        csv_close(c);
    else
        *out = c;
    return rc;
}

void csv_close(struct csv *c)
{
    if (!c)
        return;
    text_file_close(c->file);
    for (size_t i = 0; i < c->names.n; i++)
        free((void *)(uintptr_t)c->names.p[i].p);
    vec_free(&c->names);
    vec_free(&c->fields);
    buf_release(&c->unquoted);
    free(c);
}

size_t csv_columns(const struct csv *c)
{
    return c->names.n;
}

struct str csv_column(const struct csv *c, size_t i)
{
    return c->names.p[i];
}
