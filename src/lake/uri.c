/*
 * The three spellings of a file's name: in the store, in the log (percent-encoded), as Hive's folders.
 */
#include "lake/lake_internal.h"

#include <ctype.h>

#define HIVE_PART_MAX 200

void lake_add_object_name(struct buf *out, const char *table_path, struct str name)
{
    if (*table_path)
        buf_printf(out, "%s/", table_path);
    buf_add_str(out, name);
}

void lake_add_log_name(struct buf *out, const char *table_path, int64_t version, const char *suffix)
{
    lake_add_object_name(out, table_path, STR(LAKE_LOG_DIR "/"));
    if (version >= 0)
        buf_printf(out, "%020lld", (long long)version);
    buf_puts(out, suffix);
}

static bool is_plain(char c)
{
    return isalnum((unsigned char)c) || c == '-' || c == '_' || c == '.' || c == '~' || c == '/' || c == '=';
}

void lake_add_uri(struct buf *out, struct str path)
{
    for (size_t i = 0; i < path.n; i++) {
        if (is_plain(path.p[i]))
            buf_putc(out, path.p[i]);
        else
            buf_printf(out, "%%%02X", (unsigned char)path.p[i]);
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool lake_decode_uri(struct str uri, struct buf *out)
{
    for (size_t i = 0; i < uri.n; i++) {
        int high, low;

        if (uri.p[i] != '%') {
            buf_putc(out, uri.p[i]);
            continue;
        }
        if (i + 2 >= uri.n)
            return false;
        high = hex_digit(uri.p[i + 1]);
        low = hex_digit(uri.p[i + 2]);
        if (high < 0 || low < 0 || high + low == 0)
            return false;
        buf_putc(out, (char)(high * 16 + low));
        i += 2;
    }
    return true;
}

/* What Spark's and Hive's writers escape in folder names. */
static bool hive_escapes(char c)
{
    return (unsigned char)c < 32 || (c != '\0' && strchr("\"#%'*/:=?\\\x7f{[]^", c) != NULL);
}

static void add_hive_escaped(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (hive_escapes(*text))
            buf_printf(out, "%%%02X", (unsigned char)*text);
        else
            buf_putc(out, *text);
    }
}

void lake_add_hive_part(struct buf *out, const char *column, const char *value)
{
    const size_t start = out->n;
    char digest[33];

    add_hive_escaped(out, column);
    buf_putc(out, '=');
    if (!value) {
        buf_puts(out, "__HIVE_DEFAULT_PARTITION__");
        return;
    }
    add_hive_escaped(out, value);
    if (out->n - start <= HIVE_PART_MAX)
        return;
    /* Too long for a folder's name. The log has the value; the path need only be another one for another value. */
    hash_md5_hex(value, strlen(value), digest);
    out->n = start;
    buf_printf(out, "%.64s=%s", digest, digest);
}
