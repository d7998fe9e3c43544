/*
 * The three spellings of a file's name: in the store, in the log (percent-encoded), as Hive's folders.
 */
#include "base/percent.h"
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

bool lake_decode_uri(struct str uri, struct buf *out)
{
    const size_t before = out->n;

    return percent_decode(out, uri) && (out->n == before || !memchr(out->p + before, '\0', out->n - before));
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

/* --- where a path is --------------------------------------------------------------------------------------- */

/* "file:/x", "file:///x", "file://localhost/x" and "/x" to "/x". */
static bool local_of(struct str path, struct str *out)
{
    if (str_has_prefix(path, "file:")) {
        path.p += strlen("file:");
        path.n -= strlen("file:");
        if (str_has_prefix(path, "//localhost/")) {
            path.p += strlen("//localhost");
            path.n -= strlen("//localhost");
        }
        while (path.n > 1 && path.p[0] == '/' && path.p[1] == '/') {
            path.p++;
            path.n--;
        }
    }
    *out = path;
    return path.n > 0 && path.p[0] == '/';
}

/* The length of "scheme://", 0 if there is none. */
static size_t scheme_length(struct str path)
{
    size_t n = 0;

    while (n < path.n && (isalnum((unsigned char)path.p[n]) || (n && strchr("+-.", path.p[n]))))
        n++;
    return n > 1 && n + 3 <= path.n && memcmp(path.p + n, "://", 3) == 0 ? n + 3 : 0;
}

/* The part of the URL behind the store's own, if it is in the store. s3a: and s3n: are s3: to everybody. */
static bool within_store(const struct store *st, struct str url, struct str *name)
{
    struct str root = str_of(st->url);
    size_t skip = scheme_length(url), root_skip = scheme_length(root);
    const bool s3 = str_has_prefix(url, "s3") && str_has_prefix(root, "s3");

    if (root_skip == 0 || (!s3 && (skip != root_skip || memcmp(url.p, root.p, skip) != 0)))
        return false;
    url.p += skip;
    url.n -= skip;
    root.p += root_skip;
    root.n -= root_skip;
    if (url.n <= root.n || memcmp(url.p, root.p, root.n) != 0 || (root.n && url.p[root.n] != '/'))
        return false;
    *name = (struct str){url.p + root.n + 1, url.n - root.n - 1};
    return true;
}

/* An object elsewhere: a store of its bucket is opened with this one's access. */
static enum ig_code foreign_path(struct store *st, struct str url, struct buf *out, struct error *err)
{
    struct store *other = NULL;
    struct buf whole;
    enum ig_code rc = IG_INVALID;
    char *slash;

    buf_init(&whole, 0);
    if (str_has_prefix(url, "s3a://") || str_has_prefix(url, "s3n://"))
        buf_printf(&whole, "s3" STR_FMT, (int)(url.n - 3), url.p + 3);
    else
        buf_add_str(&whole, url);
    slash = strstr(whole.p, "://");
    slash = slash ? strchr(slash + 3, '/') : NULL;
    if (slash) {
        *slash = '\0';
        rc = store_elsewhere(st, whole.p, &other, err);
        if (!rc)
            rc = store_local_path(other, slash + 1, out, err);
    }
    buf_release(&whole);
    return rc;
}

enum ig_code lake_local_path(struct store *st, const char *table_path, struct str path, struct buf *out,
                             struct error *err)
{
    struct str local, name;
    struct buf object;
    enum ig_code rc;

    if (path.n && memchr(path.p, 0, path.n))
        return error_set(err, IG_CORRUPT, "a path with a NUL byte");
    if (local_of(path, &local)) {
        buf_add_str(out, local);
        return IG_OK;
    }
    buf_init(&object, 0);
    if (!scheme_length(path)) {
        lake_add_object_name(&object, table_path, path);
        rc = store_local_path(st, buf_cstr(&object), out, err);
    } else if (within_store(st, path, &name)) {
        buf_add_str(&object, name);
        rc = store_local_path(st, buf_cstr(&object), out, err);
    } else {
        rc = foreign_path(st, path, out, err);
    }
    if (rc == IG_INVALID)
        rc = error_set(err, IG_UNSUPPORTED, "the file " STR_FMT " is not within the table", STR_ARG(path));
    buf_release(&object);
    return rc;
}
