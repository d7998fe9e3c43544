/* What a command prints: errors, notes, tables, progress, and numbers for people. */
#include "cli/cli.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

static void print_error(struct cli_context *c, const char *code, const char *message)
{
    struct buf line;

    if (!c->global.json) {
        fprintf(c->err, "ingot: %s\n", message);
        return;
    }
    buf_init(&line, 0);
    buf_puts(&line, "{\"error\":");
    json_add_string(&line, str_of(message));
    buf_printf(&line, ",\"code\":\"%s\"}\n", code);
    fputs(buf_cstr(&line), c->err);
    buf_release(&line);
}

int cli_error(struct cli_context *c, const struct error *err)
{
    print_error(c, error_code_name(err->code), err->msg);
    return CLI_FAILED;
}

int cli_errorf(struct cli_context *c, const char *fmt, ...)
{
    char message[2048];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);
    print_error(c, "FAILED", message);
    return CLI_FAILED;
}

int cli_usage(struct cli_context *c, const char *fmt, ...)
{
    char message[2048];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);
    print_error(c, "USAGE", message);
    if (!c->global.json)
        fprintf(c->err, "Try 'ingot help%s%s'.\n", c->verb ? " " : "", c->verb ? c->verb->name : "");
    return CLI_USAGE;
}

void cli_note(struct cli_context *c, const char *fmt, ...)
{
    va_list ap;

    if (c->global.quiet || c->global.json)
        return;
    va_start(ap, fmt);
    vfprintf(c->err, fmt, ap);
    va_end(ap);
    fputc('\n', c->err);
}

/* --- tables ------------------------------------------------------------------------------------------------ */

void cli_table_init(struct cli_table *t, const struct cli_column *columns, size_t n_columns)
{
    IG_ASSERT(n_columns > 0);
    *t = (struct cli_table){.columns = columns, .n_columns = n_columns};
}

void cli_table_cell(struct cli_table *t, const char *fmt, ...)
{
    struct buf b;
    char text[1024];
    va_list ap, again;
    int n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    IG_ASSERT(n >= 0);
    buf_init(&b, 0);
    if ((size_t)n < sizeof(text)) {
        buf_add(&b, text, (size_t)n);
    } else {
        char *longer = check_malloc((size_t)n + 1);

        vsnprintf(longer, (size_t)n + 1, fmt, again);
        buf_add(&b, longer, (size_t)n);
        free(longer);
    }
    va_end(again);
    vec_push(&t->cells, buf_take(&b));
}

/* Characters, not bytes: continuation bytes take no room. */
static size_t text_width(const char *s)
{
    size_t n = 0;

    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static void print_cell(FILE *to, const char *text, size_t width, enum cli_align align, bool last)
{
    const int pad = (int)(width - text_width(text));

    if (align != CLI_LEFT)
        fprintf(to, "%*s%s", pad, "", text);
    else
        fprintf(to, "%s%*s", text, last ? 0 : pad, "");
    fputs(last ? "\n" : "  ", to);
}

static void print_aligned(FILE *to, const struct cli_table *t)
{
    size_t *widths = check_calloc(t->n_columns, sizeof(*widths));

    for (size_t i = 0; i < t->n_columns; i++)
        widths[i] = text_width(t->columns[i].title);
    for (size_t i = 0; i < t->cells.n; i++) {
        const size_t width = text_width(t->cells.p[i]);

        if (width > widths[i % t->n_columns])
            widths[i % t->n_columns] = width;
    }
    for (size_t i = 0; i < t->n_columns; i++)
        print_cell(to, t->columns[i].title, widths[i], t->columns[i].align, i + 1 == t->n_columns);
    for (size_t i = 0; i < t->cells.n; i++) {
        const size_t column = i % t->n_columns;

        print_cell(to, t->cells.p[i], widths[column], t->columns[column].align, column + 1 == t->n_columns);
    }
    free(widths);
}

static void add_json_cell(struct buf *b, const struct cli_column *column, const char *text)
{
    char name[64];
    size_t n = 0;

    for (const char *s = column->title; *s && n + 1 < sizeof(name); s++)
        name[n++] = *s == ' ' ? '_' : (char)tolower((unsigned char)*s);
    json_add_string(b, (struct str){name, n});
    buf_putc(b, ':');
    if (column->align != CLI_NUMERIC) {
        json_add_string(b, str_of(text));
        return;
    }
    if (!*text)
        buf_puts(b, "null");
    for (const char *s = text; *s; s++)
        if (*s != ',') /* 1,234 for people is 1234 for programs */
            buf_putc(b, *s);
}

static void print_json(FILE *to, const struct cli_table *t)
{
    struct buf b;

    buf_init(&b, 0);
    for (size_t i = 0; i < t->cells.n; i++) {
        const size_t column = i % t->n_columns;

        buf_putc(&b, column ? ',' : '{');
        add_json_cell(&b, &t->columns[column], t->cells.p[i]);
        if (column + 1 == t->n_columns) {
            fprintf(to, "%s}\n", buf_cstr(&b));
            buf_clear(&b);
        }
    }
    buf_release(&b);
}

void cli_table_print(struct cli_context *c, struct cli_table *t)
{
    IG_ASSERT(t->cells.n % t->n_columns == 0);
    if (c->global.json)
        print_json(c->out, t);
    else
        print_aligned(c->out, t);
    for (size_t i = 0; i < t->cells.n; i++)
        free(t->cells.p[i]);
    vec_free(&t->cells);
}

/* --- progress ---------------------------------------------------------------------------------------------- */

#define REDRAW_MS 100

void cli_progress_begin(struct cli_context *c, struct cli_progress *p)
{
    const char *term = getenv("TERM");
    const int fd = fileno(c->err);

    *p = (struct cli_progress){.c = c};
    p->on_terminal =
        !c->global.quiet && !c->global.json && fd >= 0 && isatty(fd) && !(term && strcmp(term, "dumb") == 0);
}

static void draw(struct cli_progress *p, const char *line)
{
    const size_t width = text_width(line);
    const int wipe = p->width > width ? (int)(p->width - width) : 0;

    fprintf(p->c->err, "\r%s%*s", line, wipe, "");
    fflush(p->c->err);
    p->width = width;
    p->shown = true;
}

void cli_progress_hop(void *progress, const char *hop, const char *domain, int64_t done, int64_t total,
                      int64_t elapsed_us)
{
    struct cli_progress *p = progress;
    char count[32], of[32], rate[32], left[32], line[160];
    int64_t now, per_s;
    int n;

    if (!p->on_terminal)
        return;
    now = env_monotonic_ms(p->c->env);
    if (p->shown && now - p->drawn_ms < REDRAW_MS)
        return;
    p->drawn_ms = now;
    per_s = elapsed_us > 0 ? (int64_t)((double)done * 1e6 / (double)elapsed_us) : 0;
    n = snprintf(line, sizeof(line), "%-8s %-14s %12s", hop, domain ? domain : "", cli_format_count(done, count));
    if (total > 0)
        n += snprintf(line + n, sizeof(line) - (size_t)n, " of %s (%d%%)", cli_format_count(total, of),
                      done >= total ? 100 : (int)((double)done * 100 / (double)total));
    n += snprintf(line + n, sizeof(line) - (size_t)n, "  %s/s", cli_format_count(per_s, rate));
    if (total > done && per_s > 0)
        snprintf(line + n, sizeof(line) - (size_t)n, "  %s left",
                 cli_format_duration((int64_t)((double)(total - done) / (double)per_s * 1e6), left));
    draw(p, line);
}

void cli_progress_end(struct cli_progress *p)
{
    if (!p->shown)
        return;
    fprintf(p->c->err, "\r%*s\r", (int)p->width, "");
    fflush(p->c->err);
    p->shown = false;
    p->width = 0;
}

/* --- numbers for people ---------------------------------------------------------------------------------------- */

char *cli_format_count(int64_t n, char out[32])
{
    char digits[24];
    const int length = snprintf(digits, sizeof(digits), "%" PRId64, n);
    size_t at = 0;

    for (int i = 0; i < length; i++) {
        out[at++] = digits[i];
        if (digits[i] != '-' && i + 1 < length && (length - i - 1) % 3 == 0)
            out[at++] = ',';
    }
    out[at] = 0;
    return out;
}

char *cli_format_bytes(int64_t n, char out[32])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    double v = (double)n;
    size_t unit = 0;

    while (v >= 1000 && unit + 1 < IG_COUNT(units)) {
        v /= 1000;
        unit++;
    }
    snprintf(out, 32, unit == 0 ? "%.0f %s" : "%.1f %s", v, units[unit]);
    return out;
}

char *cli_format_duration(int64_t us, char out[32])
{
    const int64_t s = us / 1000000;

    if (us < 1000)
        snprintf(out, 32, "%" PRId64 " us", us);
    else if (us < 1000000)
        snprintf(out, 32, "%" PRId64 " ms", us / 1000);
    else if (s < 60)
        snprintf(out, 32, "%.1f s", (double)us / 1e6);
    else if (s < 3600)
        snprintf(out, 32, "%" PRId64 " min %02" PRId64 " s", s / 60, s % 60);
    else
        snprintf(out, 32, "%" PRId64 " h %02" PRId64 " min", s / 3600, s / 60 % 60);
    return out;
}
