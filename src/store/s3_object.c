/* Reading objects of an S3 store, and looking at them. */
#include "store/s3_internal.h"
#include "store/store_internal.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>

static struct s3_store *s3_of(struct store *st)
{
    return (struct s3_store *)st;
}

static bool to_text(struct str s, char *out, size_t n)
{
    if (s.n == 0 || s.n >= n)
        return false;
    memcpy(out, s.p, s.n);
    out[s.n] = '\0';
    return true;
}

static bool base64_value(char c, uint32_t *out)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(alphabet, c) : NULL;

    *out = at ? (uint32_t)(at - alphabet) : 0;
    return at != NULL;
}

/* The four bytes of "AAAAAA==". A checksum of parts ("...-3") is not one of the whole object. */
static bool read_crc(struct str s, uint32_t *out)
{
    uint64_t bits = 0;

    if (s.n != 8 || s.p[6] != '=' || s.p[7] != '=')
        return false;
    for (size_t i = 0; i < 6; i++) {
        uint32_t v;

        if (!base64_value(s.p[i], &v))
            return false;
        bits = bits << 6 | v;
    }
    *out = (uint32_t)(bits >> 4);
    return true;
}

/* As we wrote it with the object: eight hex digits. */
static bool read_own_crc(const struct http_response *r, uint32_t *out)
{
    struct str s = http_header(r, "x-amz-meta-ingot-crc32c");

    if (!s.p)
        s = http_header(r, "x-goog-meta-ingot-crc32c");
    if (s.n != 8)
        return false;
    *out = 0;
    for (size_t i = 0; i < 8; i++) {
        const char c = s.p[i];

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        *out = *out << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return true;
}

/* What the headers of an answer to GET or HEAD say about the object. */
static void read_meta(const struct http_response *r, struct remote_meta *meta)
{
    const struct str range = http_header(r, "Content-Range"), type = http_header(r, "x-amz-checksum-type");
    const char *slash = range.p ? memchr(range.p, '/', range.n) : NULL;
    const struct str total =
        slash ? (struct str){slash + 1, range.n - (size_t)(slash + 1 - range.p)} : http_header(r, "Content-Length");
    char date[64];

    *meta = (struct remote_meta){0};
    (void)str_to_int64(total, 0, INT64_MAX, &meta->size_bytes);
    if (to_text(http_header(r, "Last-Modified"), date, sizeof(date)))
        meta->mtime_ms = (int64_t)curl_getdate(date, NULL) * 1000;
    (void)to_text(http_header(r, "ETag"), meta->version, sizeof(meta->version));
    if (!type.p || str_is(type, "FULL_OBJECT"))
        meta->has_crc32c = read_crc(http_header(r, "x-amz-checksum-crc32c"), &meta->crc32c);
    if (!meta->has_crc32c)
        meta->has_crc32c = read_own_crc(r, &meta->crc32c);
}

static void ask_for_checksum(struct s3_call *c)
{
    if (c->s->dialect->checksums)
        s3_add_header(c, "x-amz-checksum-mode", "ENABLED");
    if (c->s->request_payer)
        s3_add_header(c, "x-amz-request-payer", "requester");
}

enum ig_code s3_head(struct store *st, const char *name, struct remote_meta *meta, struct error *err)
{
    struct s3_store *s = s3_of(st);
    struct http_response response;
    struct s3_call call;
    struct buf key;
    enum ig_code rc;

    buf_init(&key, 0);
    s3_add_key(s, name, &key);
    http_response_init(&response);
    s3_call_init(&call, s, "HEAD", buf_cstr(&key), "s3:GetObject, and s3:ListBucket to tell absent from forbidden");
    ask_for_checksum(&call);
    rc = s3_run(&call, &response, err);
    if (!rc)
        read_meta(&response, meta);
    s3_call_release(&call);
    http_response_release(&response);
    buf_release(&key);
    return rc;
}

enum ig_code s3_stat(struct store *st, const char *name, struct store_object *out, struct error *err)
{
    struct remote_meta meta;

    IG_TRY(s3_head(st, name, &meta, err));
    *out = (struct store_object){str_of(name), meta.size_bytes, meta.mtime_ms};
    return IG_OK;
}

/* The answer to a range is of the version that was asked for, and no longer than asked for. */
static enum ig_code check_range(const struct s3_call *c, const struct http_response *r, const struct remote_meta *want,
                                int64_t from, size_t n, struct remote_meta *found, struct error *err)
{
    struct buf place;
    enum ig_code rc = IG_OK;

    read_meta(r, found);
    buf_init(&place, 0);
    buf_printf(&place, "%s://%s/%s", c->s->dialect->scheme, c->s->remote.url.bucket, c->key);
    if (r->status == 200 && (from > 0 || (uint64_t)r->n_bytes > n))
        rc = error_set(err, IG_UNSUPPORTED, "%s: the store does not know ranges", buf_cstr(&place));
    else if (*want->version && strcmp(want->version, found->version) != 0)
        rc = error_set(err, IG_UNAVAILABLE, "%s was replaced while it was read", buf_cstr(&place));
    else if (from + r->n_bytes > found->size_bytes ||
             ((uint64_t)r->n_bytes < n && from + r->n_bytes != found->size_bytes))
        rc = error_set(err, IG_UNAVAILABLE, "%s: %" PRId64 " bytes came where %zu were asked for", buf_cstr(&place),
                       r->n_bytes, n);
    buf_release(&place);
    return rc;
}

/* Behind the end: nothing to read, but what the object is may still be asked. */
static enum ig_code nothing_there(struct store *st, const char *name, struct remote_meta *meta, struct error *err)
{
    return *meta->version ? IG_OK : s3_head(st, name, meta, err);
}

enum ig_code s3_read(struct store *st, const char *name, struct remote_meta *meta, int64_t from, size_t n,
                     struct buf *out, struct env_file *file, struct error *err)
{
    struct s3_store *s = s3_of(st);
    struct http_response response;
    struct remote_meta found;
    struct s3_call call;
    char range[64];
    struct buf key;
    enum ig_code rc;

    if (n > (size_t)(INT64_MAX - from))
        n = (size_t)(INT64_MAX - from);
    if (n == 0)
        return nothing_there(st, name, meta, err);
    buf_init(&key, 0);
    s3_add_key(s, name, &key);
    http_response_init(&response);
    s3_call_init(&call, s, "GET", buf_cstr(&key), "s3:GetObject, and s3:ListBucket to tell absent from forbidden");
    snprintf(range, sizeof(range), "bytes=%" PRId64 "-%" PRId64, from, from + (int64_t)n - 1);
    s3_add_header(&call, "Range", range);
    if (meta->version[0] == '"')
        s3_add_header(&call, "If-Match", meta->version);
    ask_for_checksum(&call);
    call.out = out;
    call.file = file;
    call.file_at = from;
    call.file_max = (int64_t)n;
    rc = s3_send(&call, &response, err);
    if (!rc && response.status == 416) {
        rc = nothing_there(st, name, meta, err);
    } else if (!rc && (response.status == 200 || response.status == 206)) {
        rc = check_range(&call, &response, meta, from, n, &found, err);
        if (!rc && !*meta->version)
            *meta = found;
    } else if (!rc) {
        rc = s3_refused(&call, &response, err);
    }
    s3_call_release(&call);
    http_response_release(&response);
    buf_release(&key);
    return rc;
}

enum ig_code s3_get_range(struct store *st, const char *name, int64_t from, size_t n, struct buf *out,
                          struct error *err)
{
    struct remote_meta meta = {0};

    return s3_read(st, name, &meta, from, n, out, NULL, err);
}

static enum ig_code get_once(struct store *st, const char *name, struct buf *out, struct error *err)
{
    struct s3_store *s = s3_of(st);
    const size_t before = out->n;
    struct http_response response;
    struct remote_meta meta;
    struct s3_call call;
    struct buf key;
    enum ig_code rc;

    buf_init(&key, 0);
    s3_add_key(s, name, &key);
    http_response_init(&response);
    s3_call_init(&call, s, "GET", buf_cstr(&key), "s3:GetObject, and s3:ListBucket to tell absent from forbidden");
    ask_for_checksum(&call);
    call.out = out;
    rc = s3_run(&call, &response, err);
    if (!rc) {
        read_meta(&response, &meta);
        if (meta.has_crc32c && hash_crc32c(0, buf_cstr(out) + before, out->n - before) != meta.crc32c)
            rc = error_set(err, IG_CORRUPT, "%s/%s: what came does not have the object's checksum (CRC32C)", st->url,
                           name);
    }
    s3_call_release(&call);
    http_response_release(&response);
    buf_release(&key);
    return rc;
}

enum ig_code s3_get(struct store *st, const char *name, struct buf *out, struct error *err)
{
    const size_t before = out->n;
    enum ig_code rc = get_once(st, name, out, err);

    if (rc == IG_CORRUPT) { /* on the way, or there? */
        out->n = before;
        rc = get_once(st, name, out, err);
    }
    return rc;
}
