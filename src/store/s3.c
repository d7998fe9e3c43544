/* Opening a store of S3's protocol: the URL's options, the environment, AWS's configuration files. */
#include "store/s3.h"

#include "store/credentials_internal.h"
#include "store/s3_internal.h"
#include "store/store_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define PART_BYTES_DEFAULT (INT64_C(8) << 20)
#define PART_BYTES_MIN (INT64_C(5) << 20) /* S3's own, of all parts but the last */
#define PART_BYTES_MAX (INT64_C(512) << 20)

const struct s3_dialect s3_dialect_aws = {
    .scheme = "s3",
    .name = "S3",
    .signing = &sigv4_aws,
    .headers = "x-amz-",
    .if_absent = {"If-None-Match", "*"},
    .conditional_parts = true,
    .batch_delete = true,
    .checksums = true,
};

const char *const s3_url_options[] = {"region",    "endpoint", "path_style",    "sse",      "sse_kms_key_id", "acl",
                                      "anonymous", "profile",  "request_payer", "checksum", "part_size",      NULL};

static const struct store_ops s3_ops;

static struct s3_store *s3_of(struct store *st)
{
    return (struct s3_store *)st;
}

static void s3_free(struct store *st)
{
    struct s3_store *s = s3_of(st);

    http_client_free(s->http);
    credentials_free(s->credentials);
    credential_set_release(&s->keys);
    remote_store_release(&s->remote);
    pthread_mutex_destroy(&s->lock);
    free(s->scheme_and_base);
    free(s->host);
    free(s->base_path);
    free(s->sse);
    free(s->sse_key);
    free(s->acl);
    free(s);
}

/* --- options ------------------------------------------------------------------------------------------------------ */

static enum ig_code bad_option(const struct s3_store *s, const char *key, const char *want, struct error *err)
{
    return error_set(err, IG_INVALID, "store %s: %s=%s is not %s", s->remote.base.url, key,
                     remote_url_option(&s->remote.url, key), want);
}

static enum ig_code read_bool(const struct s3_store *s, const char *key, bool *out, struct error *err)
{
    const char *text = remote_url_option(&s->remote.url, key);

    if (!text)
        return IG_OK;
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return bad_option(s, key, "true or false", err);
    *out = text[0] == 't';
    return IG_OK;
}

static enum ig_code read_http(const struct s3_store *s, struct http_options *o, struct error *err)
{
    IG_TRY(remote_url_http(&s->remote.url, o, err));
    if (!o->ca_file)
        o->ca_file = credentials_env("AWS_CA_BUNDLE");
    return IG_OK;
}

static enum ig_code read_encryption(struct s3_store *s, struct error *err)
{
    const char *acl = remote_url_option(&s->remote.url, "acl");
    const char *sse = remote_url_option(&s->remote.url, "sse"),
               *key = remote_url_option(&s->remote.url, "sse_kms_key_id");

    if (acl && acl[strspn(acl, "abcdefghijklmnopqrstuvwxyz-")])
        return bad_option(s, "acl", "a canned one like bucket-owner-full-control", err);
    if (sse && strcmp(sse, "AES256") != 0 && strcmp(sse, "aws:kms") != 0 && strcmp(sse, "aws:kms:dsse") != 0)
        return bad_option(s, "sse", "AES256, aws:kms or aws:kms:dsse", err);
    if (key && (!sse || strcmp(sse, "AES256") == 0))
        return error_set(err, IG_INVALID, "store %s: sse_kms_key_id is for sse=aws:kms", s->remote.base.url);
    s->sse = sse ? check_strdup(sse) : NULL;
    s->sse_key = key ? check_strdup(key) : NULL;
    s->acl = acl ? check_strdup(acl) : NULL;
    return IG_OK;
}

static enum ig_code read_checksum(struct s3_store *s, struct error *err)
{
    const char *text = remote_url_option(&s->remote.url, "checksum");

    s->send_crc32c = s->dialect->checksums && !s->own_endpoint;
    if (text && strcmp(text, "crc32c") != 0 && strcmp(text, "md5") != 0)
        return bad_option(s, "checksum", "crc32c or md5", err);
    if (text)
        s->send_crc32c = strcmp(text, "crc32c") == 0;
    return IG_OK;
}

static enum ig_code read_options(struct s3_store *s, struct error *err)
{
    const char *part = remote_url_option(&s->remote.url, "part_size");

    s->part_bytes = PART_BYTES_DEFAULT;
    if (part && (!str_to_bytes(str_of(part), &s->part_bytes) || s->part_bytes < PART_BYTES_MIN ||
                 s->part_bytes > PART_BYTES_MAX))
        return bad_option(s, "part_size", "a size from 5MiB to 512MiB", err);
    IG_TRY(read_bool(s, "anonymous", &s->anonymous, err));
    IG_TRY(read_bool(s, "request_payer", &s->request_payer, err));
    IG_TRY(read_encryption(s, err));
    return read_checksum(s, err);
}

/* --- the place ---------------------------------------------------------------------------------------------------- */

static bool dns_name(const char *bucket)
{
    for (const char *p = bucket; *p; p++) {
        if (!((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || *p == '-'))
            return false;
    }
    return true;
}

/* "https://host:port/base" to its parts. A default port is dropped, as curl drops it from the Host header. */
static enum ig_code take_endpoint(struct s3_store *s, const char *endpoint, struct error *err)
{
    const bool tls = strncmp(endpoint, "https://", 8) == 0;
    const char *host = endpoint + (tls ? 8 : 7), *bracket;
    size_t n, whole = strlen(endpoint);

    if (!tls && strncmp(endpoint, "http://", 7) != 0)
        return error_set(err, IG_INVALID, "store %s: endpoint=%s does not begin with http:// or https://",
                         s->remote.base.url, endpoint);
    n = strcspn(host, "/");
    if (n == 0 || memchr(host, '@', n) || strpbrk(host, "?# "))
        return error_set(err, IG_INVALID, "store %s: the endpoint is not like https://HOST:PORT", s->remote.base.url);
    while (whole > 0 && endpoint[whole - 1] == '/')
        whole--;
    s->scheme_and_base = check_strdup(tls ? "https://" : "http://");
    s->base_path = check_strdup(host + n);
    if (whole >= (size_t)(host - endpoint) + n)
        s->base_path[whole - (size_t)(host - endpoint) - n] = '\0';
    bracket = memchr(host, ']', n);
    if (tls && n > 4 && strncmp(host + n - 4, ":443", 4) == 0)
        n -= 4;
    else if (!tls && n > 3 && strncmp(host + n - 3, ":80", 3) == 0 && (!bracket || bracket < host + n - 3))
        n -= 3;
    s->host = check_calloc(1, n + 1);
    memcpy(s->host, host, n);
    s->own_endpoint = true;
    return IG_OK;
}

/* The URL's, then the opening's, then the environment's, then the profile's; appends nothing if there is none. */
static void add_endpoint(const struct s3_store *s, const struct s3_opening *o, struct buf *out)
{
    const char *set = remote_url_option(&s->remote.url, "endpoint");

    if (!set && o->endpoint)
        set = o->endpoint;
    if (!set && o->dialect == &s3_dialect_aws) {
        set = credentials_env("AWS_ENDPOINT_URL_S3");
        if (!set)
            set = credentials_env("AWS_ENDPOINT_URL");
        if (!set)
            (void)credentials_profile_setting(s->remote.base.env, remote_url_option(&s->remote.url, "profile"),
                                              "endpoint_url", out);
    }
    if (set)
        buf_puts(out, set);
}

static void take_region(struct s3_store *s, const struct s3_opening *o)
{
    const char *set = remote_url_option(&s->remote.url, "region");
    struct buf of_profile;

    buf_init(&of_profile, 0);
    if (!set)
        set = o->region;
    if (!set)
        set = credentials_env("AWS_REGION");
    if (!set)
        set = credentials_env("AWS_DEFAULT_REGION");
    if (!set && credentials_profile_setting(s->remote.base.env, remote_url_option(&s->remote.url, "profile"), "region",
                                            &of_profile))
        set = buf_cstr(&of_profile);
    snprintf(s->region, sizeof(s->region), "%s", set ? set : "us-east-1");
    buf_release(&of_profile);
}

static enum ig_code take_place(struct s3_store *s, const struct s3_opening *o, struct error *err)
{
    const char *bucket = s->remote.url.bucket;
    struct buf endpoint;
    enum ig_code rc = IG_OK;

    if (str_has_suffix(str_of(bucket), "--x-s3"))
        return error_set(err, IG_UNSUPPORTED,
                         "store %s: directory buckets (S3 Express One Zone) do not list in order, which Delta needs",
                         s->remote.base.url);
    take_region(s, o);
    buf_init(&endpoint, 0);
    add_endpoint(s, o, &endpoint);
    if (endpoint.n) {
        rc = take_endpoint(s, buf_cstr(&endpoint), err);
    } else {
        s->scheme_and_base = check_strdup("https://");
        s->base_path = check_strdup("");
        s->host = check_strdup("");
    }
    buf_release(&endpoint);
    if (rc)
        return rc;
    s->path_style = s->own_endpoint || !dns_name(bucket);
    IG_TRY(read_bool(s, "path_style", &s->path_style, err));
    if (!s->path_style && (!dns_name(bucket) || strchr(s->host, '[')))
        return error_set(err, IG_INVALID, "store %s: this bucket or endpoint needs path_style=true",
                         s->remote.base.url);
    return IG_OK;
}

static enum ig_code take_credentials(struct s3_store *s, const struct s3_opening *o, const struct http_options *http,
                                     struct error *err)
{
    struct credentials_options options = {remote_url_option(&s->remote.url, "profile"), s->region, *http};

    if (s->anonymous)
        return IG_OK;
    if (o->access_key) {
        s->keys = (struct credential_set){check_strdup(o->access_key), check_strdup(o->secret_key), NULL, 0};
        return IG_OK;
    }
    return credentials_new(s->remote.base.env, &options, &s->credentials, err);
}

enum ig_code s3_open(struct env *env, struct remote_url *url, const struct s3_opening *opening, struct store **out,
                     struct error *err)
{
    struct s3_store *s = check_calloc(1, sizeof(*s));
    struct http_options http = {0};
    enum ig_code rc;

    s->dialect = opening->dialect;
    remote_store_init(&s->remote, &s3_ops, env, url);
    s->remote.head = s3_head;
    s->remote.read = s3_read;
    pthread_mutex_init(&s->lock, NULL);
    rc = take_place(s, opening, err);
    if (!rc)
        rc = read_options(s, err);
    if (!rc)
        rc = read_http(s, &http, err);
    if (!rc)
        rc = http_client_new(env, &http, &s->http, err);
    if (!rc)
        rc = take_credentials(s, opening, &http, err);
    if (rc) {
        s3_free(&s->remote.base);
        return rc;
    }
    if (s->own_endpoint)
        remote_store_set_place(&s->remote, s->scheme_and_base, s->host, s->base_path);
    *out = &s->remote.base;
    return IG_OK;
}

enum ig_code store_s3_open(struct env *env, const char *url, struct store **out, struct error *err)
{
    const struct s3_opening opening = {.dialect = &s3_dialect_aws};
    struct remote_url parsed;

    IG_TRY(remote_url_parse(url, s3_url_options, &parsed, err));
    return s3_open(env, &parsed, &opening, out, err);
}

static void s3_hurry(struct store *st, bool hurry)
{
    http_client_hurry(s3_of(st)->http, hurry);
}

static enum ig_code s3_open_like(struct store *st, const char *url, struct store **out, struct error *err)
{
    struct s3_store *s = s3_of(st);
    char region[sizeof(s->region)];
    struct s3_opening opening = {
        .dialect = s->dialect, .region = region, .access_key = s->keys.access_key, .secret_key = s->keys.secret_key};
    struct remote_url parsed;
    struct buf endpoint;
    enum ig_code rc;

    pthread_mutex_lock(&s->lock);
    memcpy(region, s->region, sizeof(region));
    pthread_mutex_unlock(&s->lock);
    buf_init(&endpoint, 0);
    buf_printf(&endpoint, "%s%s%s", s->scheme_and_base, s->host, s->base_path);
    opening.endpoint = s->own_endpoint ? buf_cstr(&endpoint) : NULL;
    rc = remote_url_parse(url, s3_url_options, &parsed, err);
    if (!rc) {
        remote_url_inherit(&parsed, &s->remote.url);
        rc = s3_open(st->env, &parsed, &opening, out, err);
    }
    if (!rc)
        remote_share_cache(*out, st);
    buf_release(&endpoint);
    return rc;
}

static const struct store_ops s3_ops = {
    .scheme = "s3",
    .get = s3_get,
    .put = s3_put,
    .put_file = s3_put_file,
    .stat = s3_stat,
    .list = s3_list,
    .remove = s3_remove,
    .local_path = remote_local_path,
    .scratch_path = remote_scratch_path,
    .free = s3_free,
    .remote = true,
    .get_range = s3_get_range,
    .list_from = s3_list_from,
    .fetch = remote_fetch,
    .remove_many = s3_remove_many,
    .probe = remote_probe,
    .open_like = s3_open_like,
    .hold = remote_hold,
    .release = remote_release,
    .hurry = s3_hurry,
};
