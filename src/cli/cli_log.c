#include "cli/cli_log.h"

#include "base/percent.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#define PATIENCE_MS 8000 /* with a cluster that does not answer; somebody waits */

/* --- which log --------------------------------------------------------------------------------------------- */

static void add_escaped(struct buf *url, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        const unsigned char c = (unsigned char)s.p[i];

        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || strchr("._-", c))
            buf_putc(url, (char)c);
        else
            buf_printf(url, "%%%02X", c);
    }
}

static bool add_property(struct buf *url, struct str line)
{
    const char *equals = memchr(line.p, '=', line.n);

    if (!equals || equals == line.p)
        return false;
    buf_putc(url, strchr(buf_cstr(url), '?') ? '&' : '?');
    add_escaped(url, (struct str){line.p, (size_t)(equals - line.p)});
    buf_putc(url, '=');
    add_escaped(url, (struct str){equals + 1, line.n - (size_t)(equals - line.p) - 1});
    return true;
}

/* Lines NAME=VALUE; # begins a comment. */
static int add_file(struct cli_context *c, const char *path, struct buf *url)
{
    struct error err = {0};
    struct buf text;
    int status = CLI_OK, number = 0;

    buf_init(&text, 1 << 20);
    if (env_read_file(c->env, path, &text, &err) != IG_OK)
        status = cli_error(c, &err);
    for (const char *p = buf_cstr(&text); status == CLI_OK && *p;) {
        size_t n = strcspn(p, "\n"), used = n;

        number++;
        while (n > 0 && (*p == ' ' || *p == '\t'))
            p++, n--, used--;
        while (n > 0 && (p[n - 1] == ' ' || p[n - 1] == '\t' || p[n - 1] == '\r'))
            n--;
        /* the value may be a secret: it is not shown */
        if (n > 0 && *p != '#' && !add_property(url, (struct str){p, n}))
            status = cli_usage(c, "%s:%d: a line is NAME=VALUE", path, number);
        p += used + (p[used] == '\n');
    }
    buf_release(&text);
    return status;
}

static int add_properties(struct cli_context *c, const struct cli_log_options *o, struct buf *url)
{
    int status = o->config ? add_file(c, o->config, url) : CLI_OK;

    for (size_t i = 0; status == CLI_OK && i < o->properties.n; i++)
        if (!add_property(url, str_of(o->properties.p[i])))
            status = cli_usage(c, "-X is NAME=VALUE");
    return status;
}

static int open_url(struct cli_context *c, const char *url, struct cli_log *out)
{
    struct error err = {0};

    if (log_client_new(c->env, url, &out->own, &err) != IG_OK)
        return err.code == IG_INVALID ? cli_usage(c, "%s", err.msg) : cli_error(c, &err);
    out->client = out->own;
    log_client_set_patience(out->own, PATIENCE_MS);
    return CLI_OK;
}

/* The log inside belongs to one process at a time: `ingot up`, or us. */
static int open_inside(struct cli_context *c, struct cli_log *out)
{
    struct error err = {0};

    if (platform_open(c->env, out->conf, PLATFORM_LOG | PLATFORM_BARE, &out->platform, &err) != IG_OK)
        return cli_error(c, &err);
    out->client = platform_context(out->platform)->log;
    return CLI_OK;
}

int cli_log_open(struct cli_context *c, const struct cli_log_options *o, struct cli_log *out)
{
    struct buf url;
    int status = CLI_OK;

    *out = (struct cli_log){0};
    buf_init(&url, 0);
    if (o->broker) {
        buf_puts(&url, strncmp(o->broker, "kafka://", 8) == 0 ? "" : "kafka://");
        buf_puts(&url, o->broker);
    } else {
        status = cli_load_project(c, &out->conf);
        if (status == CLI_OK && str_has_prefix(str_of(out->conf->log_url), "kafka:"))
            buf_puts(&url, out->conf->log_url);
        else if (status == CLI_OK && (o->properties.n || o->config))
            status = cli_usage(c, "-X and -F go with --broker, or with a project whose log is kafka://");
    }
    if (status == CLI_OK && url.n > 0)
        status = add_properties(c, o, &url);
    if (status == CLI_OK)
        status = url.n > 0 ? open_url(c, buf_cstr(&url), out) : open_inside(c, out);
    buf_release(&url);
    if (status != CLI_OK)
        (void)cli_log_close(c, out, status);
    return status;
}

int cli_log_close(struct cli_context *c, struct cli_log *log, int status)
{
    struct error err = {0};

    log_client_free(log->own);
    if (platform_close(log->platform, &err) != IG_OK && status == CLI_OK)
        status = cli_error(c, &err);
    conf_free(log->conf);
    *log = (struct cli_log){0};
    return status;
}

/* --- when ------------------------------------------------------------------------------------------------ */

bool cli_parse_when(const char *text, int64_t now_ms, struct cli_when *out)
{
    int64_t n;

    *out = (struct cli_when){0};
    if (strcmp(text, "beginning") == 0 || strcmp(text, "earliest") == 0)
        out->kind = CLI_WHEN_FIRST;
    else if (strcmp(text, "end") == 0 || strcmp(text, "latest") == 0)
        out->kind = CLI_WHEN_END;
    else if (text[0] != '-' && str_to_int64(str_of(text), 0, INT64_MAX, &out->value))
        out->kind = CLI_WHEN_OFFSET;
    else if (text[0] == '-' && str_to_int64(str_of(text + 1), 0, INT64_MAX, &out->value))
        out->kind = CLI_WHEN_LAST;
    else if (text[0] == '@' && str_to_int64(str_of(text + 1), 0, INT64_MAX, &out->value))
        out->kind = CLI_WHEN_TIME;
    else if (text[0] == '-' && cli_parse_duration_ms(text + 1, &n)) {
        out->kind = CLI_WHEN_TIME;
        out->value = n < now_ms ? now_ms - n : 0;
    } else if (timestamp_parse(str_of(text), &n)) {
        out->kind = CLI_WHEN_TIME;
        out->value = n < 0 ? 0 : n / 1000 + (n % 1000 != 0);
    } else
        return false;
    return true;
}

static int64_t clip(int64_t offset, int64_t first, int64_t end)
{
    return offset < first ? first : offset > end ? end : offset;
}

enum ig_code cli_find_offsets(struct log_client *client, const struct cli_when *when, struct log_position *positions,
                              size_t n, int64_t *first, int64_t *end, struct error *err)
{
    struct log_position *all = check_calloc(3 * n + 1, sizeof(*all));
    const size_t n_all = when->kind == CLI_WHEN_TIME ? 3 : 2;
    enum ig_code rc = IG_OK;

    for (size_t k = 0; k < n_all && rc == IG_OK; k++) {
        for (size_t i = 0; i < n; i++) {
            all[k * n + i] = positions[i];
            all[k * n + i].offset = k == 0 ? LOG_FIND_FIRST : k == 1 ? LOG_FIND_END : when->value;
        }
        rc = log_offsets_find(client, &all[k * n], n, err);
    }
    for (size_t i = 0; i < n && rc == IG_OK; i++) {
        const int64_t low = all[i].offset, high = all[n + i].offset;
        int64_t at = low;

        switch (when->kind) {
        case CLI_WHEN_FIRST:
            break;
        case CLI_WHEN_END:
            at = high;
            break;
        case CLI_WHEN_OFFSET:
            at = when->value;
            break;
        case CLI_WHEN_LAST:
            at = when->value > high ? low : high - when->value;
            break;
        case CLI_WHEN_TIME:
            at = all[2 * n + i].offset < 0 ? high : all[2 * n + i].offset;
            break;
        }
        positions[i].offset = clip(at, low, high);
        if (first)
            first[i] = low;
        if (end)
            end[i] = high;
    }
    free(all);
    return rc;
}

/* P[nD][T[nH][nM][nS]], n whole. */
static bool parse_iso_duration(const char *s, int64_t *ms)
{
    static const struct {
        char letter;
        bool time;
        int64_t ms;
    } units[] = {{'D', false, 86400000}, {'H', true, 3600000}, {'M', true, 60000}, {'S', true, 1000}};
    bool in_time = false;
    size_t next = 0;

    *ms = 0;
    if (*s++ != 'P' || !*s)
        return false;
    while (*s) {
        size_t digits;
        int64_t n;

        if (*s == 'T' && !in_time) {
            in_time = true;
            s++;
            if (!*s)
                return false;
            continue;
        }
        digits = strspn(s, "0123456789");
        if (digits == 0 || !str_to_int64((struct str){s, digits}, 0, 1000000000, &n))
            return false;
        s += digits;
        while (next < IG_COUNT(units) && (units[next].letter != *s || units[next].time != in_time))
            next++;
        if (next == IG_COUNT(units))
            return false;
        *ms += n * units[next++].ms;
        s++;
    }
    return true;
}

bool cli_parse_duration_ms(const char *text, int64_t *ms)
{
    return parse_iso_duration(text, ms) || str_to_duration_ms(str_of(text), ms);
}

char *cli_format_ms(int64_t ms, char out[40])
{
    out[0] = 0;
    if (ms >= 0 && ms < INT64_MAX / 1000)
        timestamp_format(ms * 1000, out);
    return out;
}

/* --- small things ------------------------------------------------------------------------------------------ */

bool cli_parse_partitions(struct arena *a, const char *text, int32_t **out, size_t *n)
{
    VEC(int32_t) found = {0};
    bool ok = *text != 0;

    while (ok && *text) {
        const size_t length = strcspn(text, ","), first = strcspn(text, "-,");
        int64_t from, to;

        ok = str_to_int64((struct str){text, first}, 0, INT32_MAX, &from);
        to = from;
        if (ok && first < length)
            ok = str_to_int64((struct str){text + first + 1, length - first - 1}, from, INT32_MAX, &to);
        ok = ok && to - from < 100000;
        for (int64_t i = from; ok && i <= to; i++)
            vec_push(&found, (int32_t)i);
        text += length;
        if (*text == ',')
            ok = *++text != 0 && ok;
    }
    *n = found.n;
    *out = ARENA_ARRAY(a, int32_t, found.n + 1);
    if (found.n > 0)
        memcpy(*out, found.p, found.n * sizeof(**out));
    vec_free(&found);
    return ok;
}

bool cli_unescape(struct arena *a, const char *text, struct str *out)
{
    static const char letters[] = "ntr0\\", values[] = "\n\t\r\0\\";
    char *to = arena_alloc(a, strlen(text) + 1, 1);
    size_t n = 0;

    for (; *text; text++) {
        const char *letter;

        if (*text != '\\') {
            to[n++] = *text;
            continue;
        }
        text++;
        letter = *text ? strchr(letters, *text) : NULL;
        if (letter) {
            to[n++] = values[letter - letters];
        } else if (*text == 'x' && hex_value(text[1]) >= 0 && hex_value(text[2]) >= 0) {
            to[n++] = (char)(hex_value(text[1]) * 16 + hex_value(text[2]));
            text += 2;
        } else {
            return false;
        }
    }
    *out = (struct str){to, n};
    return true;
}

bool cli_ask(struct cli_context *c, const char *fmt, ...)
{
    char line[64] = "";
    va_list ap;

    if (!isatty(STDIN_FILENO) || fileno(c->err) < 0)
        return false;
    va_start(ap, fmt);
    vfprintf(c->err, fmt, ap);
    va_end(ap);
    fputs(" [y/N] ", c->err);
    fflush(c->err);
    return fgets(line, sizeof(line), stdin) && (line[0] == 'y' || line[0] == 'Y');
}
