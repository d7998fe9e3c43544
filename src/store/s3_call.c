/* A request to S3: its URL and signature, and what its answers teach (region, clock, keys). */
#include "store/s3_internal.h"
#include "store/xml.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define SKEW_SEEN_MS (4 * 60 * 1000)

enum put_right { CLOCK, REGION, KEYS };

void s3_call_init(struct s3_call *c, struct s3_store *s, const char *method, const char *key, const char *needs)
{
    *c = (struct s3_call){.s = s, .method = method, .key = key, .needs = needs};
    buf_init(&c->url, 0);
    buf_init(&c->path, 0);
    buf_init(&c->names, 0);
}

static void free_lines(struct s3_call *c)
{
    for (size_t i = 0; i < c->lines.n; i++)
        free(c->lines.p[i]);
    c->lines.n = 0;
}

void s3_call_release(struct s3_call *c)
{
    free_lines(c);
    vec_free(&c->lines);
    credential_set_release(&c->keys);
    buf_release(&c->url);
    buf_release(&c->path);
    buf_release(&c->names);
}

void s3_add_param(struct s3_call *c, const char *name, struct str value)
{
    IG_ASSERT(c->n_params < S3_PARAMS_MAX);
    c->params[c->n_params].name = name;
    c->params[c->n_params++].value = value;
}

void s3_add_header(struct s3_call *c, const char *name, const char *value)
{
    IG_ASSERT(c->n_headers < S3_HEADERS_MAX - 5);
    c->headers[c->n_headers++] = (struct sigv4_field){str_of(name), str_of(value)};
}

/* --- building ----------------------------------------------------------------------------------------------------- */

/* "bucket.host" or "host": AWS's own host has the region in its name. */
static void add_host(const struct s3_call *c, struct buf *out)
{
    const struct s3_store *s = c->s;

    if (!s->path_style)
        buf_printf(out, "%s.", s->remote.url.bucket);
    if (s->own_endpoint)
        buf_puts(out, s->host);
    else
        buf_printf(out, "s3.%s.amazonaws.com%s", c->region, strncmp(c->region, "cn-", 3) == 0 ? ".cn" : "");
}

static void build_path(struct s3_call *c)
{
    const struct s3_store *s = c->s;

    buf_clear(&c->path);
    buf_puts(&c->path, s->base_path);
    buf_putc(&c->path, '/');
    if (s->path_style) {
        http_add_encoded(&c->path, str_of(s->remote.url.bucket), false);
        if (c->key)
            buf_putc(&c->path, '/');
    }
    if (c->key)
        http_add_encoded(&c->path, str_of(c->key), true);
}

/* Encodes the parameters, each value NUL-terminated in c->names, and gives them as fields. */
static void build_query(struct s3_call *c, struct sigv4_field *query)
{
    size_t at[S3_PARAMS_MAX];

    buf_clear(&c->names);
    for (size_t i = 0; i < c->n_params; i++) {
        at[i] = c->names.n;
        http_add_encoded(&c->names, c->params[i].value, false);
        buf_putc(&c->names, '\0');
    }
    for (size_t i = 0; i < c->n_params; i++)
        query[i] = (struct sigv4_field){str_of(c->params[i].name), str_of(c->names.p + at[i])};
}

static void build_url(struct s3_call *c, struct str host, const struct sigv4_field *query)
{
    buf_clear(&c->url);
    buf_puts(&c->url, c->s->scheme_and_base);
    buf_add_str(&c->url, host);
    buf_add_str(&c->url, buf_str(&c->path));
    for (size_t i = 0; i < c->n_params; i++) {
        buf_putc(&c->url, i ? '&' : '?');
        buf_add_str(&c->url, query[i].name);
        buf_putc(&c->url, '=');
        buf_add_str(&c->url, query[i].value);
    }
}

static void add_line(struct s3_call *c, struct str name, struct str value)
{
    struct buf line;

    buf_init(&line, 0);
    buf_add_str(&line, name);
    buf_puts(&line, value.n ? ": " : ";"); /* curl's way to send a header without a value */
    buf_add_str(&line, value);
    vec_push(&c->lines, buf_take(&line));
}

/* The headers of signing behind the call's own, and the Authorization. Names are made in `scratch`. */
static void sign(struct s3_call *c, struct str host, const struct sigv4_field *query)
{
    const struct s3_dialect *d = c->s->dialect;
    struct sigv4_field headers[S3_HEADERS_MAX];
    struct buf authorization, names[3];
    static const char *const signing[] = {"content-sha256", "date", "security-token"};
    const struct str values[] = {{c->hash, 64}, {c->time, 16}, str_of(c->keys.session_token)};
    const size_t n_signing = c->keys.session_token ? 3 : 2;
    struct sigv4_request q = {
        .scheme = d->signing,
        .access_key = c->keys.access_key,
        .secret_key = c->keys.secret_key,
        .region = c->region,
        .service = "s3",
        .time_ms = c->time_ms,
        .method = c->method,
        .path = buf_str(&c->path),
        .query = query,
        .n_query = c->n_params,
        .headers = headers,
        .n_headers = c->n_headers,
        .payload_hash = {c->hash, 64},
    };

    memcpy(headers, c->headers, c->n_headers * sizeof(*headers));
    for (size_t i = 0; i < n_signing; i++) {
        buf_init(&names[i], 0);
        buf_printf(&names[i], "%s%s", d->headers, signing[i]);
        headers[q.n_headers++] = (struct sigv4_field){buf_str(&names[i]), values[i]};
        add_line(c, buf_str(&names[i]), values[i]);
    }
    headers[q.n_headers++] = (struct sigv4_field){STR("host"), host};
    buf_init(&authorization, 0);
    sigv4_add_authorization(&q, &authorization);
    add_line(c, STR("Authorization"), buf_str(&authorization));
    buf_release(&authorization);
    for (size_t i = 0; i < n_signing; i++)
        buf_release(&names[i]);
}

static enum ig_code take_keys(struct s3_call *c, struct error *err)
{
    const struct s3_store *s = c->s;

    credential_set_release(&c->keys);
    if (s->anonymous)
        return IG_OK;
    if (s->credentials)
        return credentials_get(s->credentials, &c->keys, err);
    c->keys = (struct credential_set){check_strdup(s->keys.access_key), check_strdup(s->keys.secret_key), NULL, 0};
    return IG_OK;
}

static void take_learnt(struct s3_call *c)
{
    struct s3_store *s = c->s;

    pthread_mutex_lock(&s->lock);
    snprintf(c->region, sizeof(c->region), "%s", s->region);
    c->time_ms = env_now_ms(s->remote.base.env) + s->clock_ahead_ms;
    pthread_mutex_unlock(&s->lock);
    sigv4_time(c->time_ms, c->time);
}

static enum ig_code prepare(void *ctx, unsigned try, struct http_request *request, struct error *err)
{
    struct s3_call *c = ctx;
    struct sigv4_field query[S3_PARAMS_MAX];
    struct buf host;
    enum ig_code rc;

    (void)try;
    IG_TRY(take_keys(c, err));
    take_learnt(c);
    buf_init(&host, 0);
    add_host(c, &host);
    build_path(c);
    build_query(c, query);
    build_url(c, buf_str(&host), query);
    free_lines(c);
    for (size_t i = 0; i < c->n_headers; i++)
        add_line(c, c->headers[i].name, c->headers[i].value);
    if (c->keys.access_key)
        sign(c, buf_str(&host), query);
    buf_release(&host);
    rc = buf_check(&c->url, err, "a URL");
    *request = (struct http_request){.method = c->method,
                                     .url = buf_cstr(&c->url),
                                     .headers = (const char *const *)c->lines.p,
                                     .n_headers = c->lines.n,
                                     .body = c->body,
                                     .once = c->once,
                                     .out = c->out,
                                     .file = c->file,
                                     .file_at = c->file_at,
                                     .file_max = c->file_max};
    return rc;
}

/* --- judging ------------------------------------------------------------------------------------------------------ */

void s3_add_error_code(const struct http_response *r, struct buf *out)
{
    const size_t before = out->n;

    if (!xml_find(buf_str(&r->body), "Code", out) && out->p) {
        out->n = before;
        out->p[before] = '\0';
    }
}

bool s3_has_error_code(const struct http_response *r, const char *code)
{
    struct buf found;
    bool same;

    buf_init(&found, 0);
    s3_add_error_code(r, &found);
    same = strcmp(buf_cstr(&found), code) == 0;
    buf_release(&found);
    return same;
}

/* Our clock is wrong, or the server's: signatures go by the server's from now on. An answer to HEAD has no code: a date
 * far from the one that was signed is then enough. */
static bool put_clock_right(struct s3_call *c, const struct http_response *r)
{
    const struct str date = http_header(r, "Date");
    char text[64];
    time_t server_s;
    int64_t ahead_ms, error_ms;

    if (r->status != 403 || date.n == 0 || date.n >= sizeof(text) || !c->keys.access_key)
        return false;
    memcpy(text, date.p, date.n);
    text[date.n] = '\0';
    server_s = curl_getdate(text, NULL);
    if (server_s < 0)
        return false;
    error_ms = (int64_t)server_s * 1000 - c->time_ms;
    if (!s3_has_error_code(r, "RequestTimeTooSkewed") && error_ms > -SKEW_SEEN_MS && error_ms < SKEW_SEEN_MS)
        return false;
    ahead_ms = (int64_t)server_s * 1000 - r->request_ms;
    pthread_mutex_lock(&c->s->lock);
    c->s->clock_ahead_ms = ahead_ms;
    pthread_mutex_unlock(&c->s->lock);
    log_warn(c->s->remote.base.env, "store", "%s: this machine's clock is %" PRId64 " s off the store's",
             c->s->remote.base.url, ahead_ms / 1000);
    return true;
}

static bool region_ok(struct str s)
{
    if (s.n == 0 || s.n >= 64)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= '0' && s.p[i] <= '9') || s.p[i] == '-'))
            return false;
    }
    return true;
}

/* The bucket lies in another region: that one is asked from now on. */
static bool put_region_right(struct s3_call *c, const struct http_response *r)
{
    struct buf found;
    bool other = false;

    if (r->status != 301 && r->status != 307 && r->status != 400 && r->status != 403)
        return false;
    buf_init(&found, 0);
    buf_add_str(&found, http_header(r, "x-amz-bucket-region"));
    if (found.n == 0)
        (void)xml_find(buf_str(&r->body), "Region", &found);
    if (region_ok(buf_str(&found)) && strcmp(buf_cstr(&found), c->region) != 0) {
        pthread_mutex_lock(&c->s->lock);
        snprintf(c->s->region, sizeof(c->s->region), "%s", buf_cstr(&found));
        pthread_mutex_unlock(&c->s->lock);
        other = true;
    }
    buf_release(&found);
    return other;
}

/* Keys that were valid a moment ago may have been replaced. */
static bool put_keys_right(struct s3_call *c, const struct http_response *r)
{
    static const char *const codes[] = {"ExpiredToken", "InvalidToken", "TokenRefreshRequired", "InvalidAccessKeyId"};
    struct buf found;
    bool refused = false;

    if ((r->status != 400 && r->status != 403) || !c->s->credentials)
        return false;
    buf_init(&found, 0);
    s3_add_error_code(r, &found);
    for (size_t i = 0; i < IG_COUNT(codes); i++)
        refused |= strcmp(buf_cstr(&found), codes[i]) == 0;
    refused |= found.n == 0 && strcmp(c->method, "HEAD") == 0 && r->status == 400;
    buf_release(&found);
    if (refused)
        credentials_refused(c->s->credentials, c->keys.access_key);
    return refused;
}

static bool put_right(struct s3_call *c, enum put_right what, bool done)
{
    const bool first = done && !c->put_right[what];

    c->put_right[what] |= done;
    return first;
}

static bool body_is_error(const struct http_response *r)
{
    struct xml_reader x;

    xml_reader_init(&x, buf_str(&r->body));
    return xml_next(&x) == XML_START && str_is(x.name, "Error");
}

static enum http_verdict judge(void *ctx, const struct http_response *r)
{
    struct s3_call *c = ctx;

    if (r->status >= 200 && r->status < 300)
        return c->error_in_200 && (body_is_error(r) || r->body.n == 0) ? HTTP_AGAIN : HTTP_DONE;
    if (put_right(c, CLOCK, put_clock_right(c, r)) || put_right(c, REGION, put_region_right(c, r)) ||
        put_right(c, KEYS, put_keys_right(c, r)))
        return HTTP_AGAIN_NOW;
    if (r->status == 409 && s3_has_error_code(r, "ConditionalRequestConflict"))
        return c->error_in_200 ? HTTP_DONE : HTTP_AGAIN; /* an upload in parts is begun anew */
    if (r->status == 409 && s3_has_error_code(r, "OperationAborted"))
        return HTTP_AGAIN;
    /* The body did not arrive, or not as it was sent. */
    if (r->status == 400 &&
        (s3_has_error_code(r, "RequestTimeout") || s3_has_error_code(r, "BadDigest") ||
         s3_has_error_code(r, "XAmzContentSHA256Mismatch") || s3_has_error_code(r, "IncompleteBody")))
        return HTTP_AGAIN;
    return http_judge_status(r);
}

enum ig_code s3_send(struct s3_call *c, struct http_response *response, struct error *err)
{
    const struct http_job job = {prepare, judge, c};

    hash_sha256_hex(c->body.n ? c->body.p : "", c->body.n, c->hash);
    return http_run(c->s->http, &job, response, err);
}

/* --- errors ------------------------------------------------------------------------------------------------------- */

/* S3's code, to ours, and what somebody can do about it. */
static const struct {
    const char *code;
    enum ig_code rc;
    const char *hint;
} refusals[] = {
    {"NoSuchKey", IG_NOT_FOUND, NULL},
    {"NoSuchBucket", IG_INVALID, "there is no such bucket"},
    {"AccessDenied", IG_INVALID, "allow it in the policy"},
    {"AllAccessDisabled", IG_INVALID, NULL},
    {"SignatureDoesNotMatch", IG_INVALID, "the secret key does not belong to the access key"},
    {"InvalidAccessKeyId", IG_INVALID, "the access key is not known there"},
    {"ExpiredToken", IG_INVALID, "the session token has expired"},
    {"InvalidToken", IG_INVALID, "the session token is not valid"},
    {"RequestTimeTooSkewed", IG_INVALID, "set this machine's clock"},
    {"InvalidObjectState", IG_INVALID, "the object is archived (Glacier): restore it first"},
    {"PermanentRedirect", IG_INVALID, "the bucket is of another region or endpoint: give region= or endpoint="},
    {"AuthorizationHeaderMalformed", IG_INVALID, "give the bucket's region by region="},
    {"NotImplemented", IG_UNSUPPORTED, "this store does not know it"},
    {"QuotaExceeded", IG_NO_SPACE, NULL},
    {"XMinioStorageFull", IG_NO_SPACE, NULL},
    {"KMS.NotFoundException", IG_INVALID, "sse_kms_key_id names no key"},
};

static enum ig_code code_of_status(int status)
{
    if (status == 404)
        return IG_NOT_FOUND;
    if (status == 412 || status == 304)
        return IG_UNAVAILABLE; /* another version than the one that was asked for */
    if (status == 501)
        return IG_UNSUPPORTED;
    if (status == 507)
        return IG_NO_SPACE;
    return status >= 500 || status == 429 || status == 408 || status == 409 ? IG_UNAVAILABLE : IG_INVALID;
}

enum ig_code s3_refused(const struct s3_call *c, const struct http_response *r, struct error *err)
{
    enum ig_code rc = code_of_status(r->status);
    const struct str id = http_header(r, "x-amz-request-id");
    const char *hint = NULL;
    struct buf code, message;

    buf_init(&code, 200);
    buf_init(&message, 4096);
    s3_add_error_code(r, &code);
    (void)xml_find(buf_str(&r->body), "Message", &message);
    for (size_t i = 0; i < IG_COUNT(refusals); i++) {
        if (strcmp(buf_cstr(&code), refusals[i].code) == 0) {
            rc = refusals[i].rc;
            hint = refusals[i].hint;
        }
    }
    if (rc == IG_NOT_FOUND)
        error_set(err, rc, "%s://%s/%s is not there", c->s->dialect->scheme, c->s->remote.url.bucket,
                  c->key ? c->key : "");
    else
        error_set(err, rc, "%s %s://%s/%s: HTTP %d %s%s%.300s%s%s%s%s%s%s" STR_FMT "%s", c->method,
                  c->s->dialect->scheme, c->s->remote.url.bucket, c->key ? c->key : "", r->status, buf_cstr(&code),
                  message.n ? ": " : "", buf_cstr(&message), hint ? "; " : "", hint ? hint : "",
                  r->status == 403 && c->needs ? " (it needs " : "", r->status == 403 && c->needs ? c->needs : "",
                  r->status == 403 && c->needs ? ")" : "", id.n ? " [request " : "", STR_ARG(id), id.n ? "]" : "");
    buf_release(&code);
    buf_release(&message);
    return rc;
}

enum ig_code s3_run(struct s3_call *c, struct http_response *response, struct error *err)
{
    const enum ig_code rc = s3_send(c, response, err);

    if (rc)
        return error_context(err, rc, "%s://%s/%s", c->s->dialect->scheme, c->s->remote.url.bucket,
                             c->key ? c->key : "");
    return response->status >= 200 && response->status < 300 ? IG_OK : s3_refused(c, response, err);
}
