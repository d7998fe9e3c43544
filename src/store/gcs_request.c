/* Requests to Google Cloud Storage, and what their answers mean. */
#include "store/gcs.h"

#include <stdio.h>
#include <stdlib.h>

static enum ig_code prepare(void *ctx, unsigned try, struct http_request *request, struct error *err)
{
    struct gcs_call *call = ctx;
    size_t n = 0;

    buf_clear(&call->authorization);
    IG_TRY(gcs_auth_header(call->g->auth, &call->authorization, err));
    if (call->authorization.n)
        call->all_headers[n++] = buf_cstr(&call->authorization);
    for (size_t i = 0; i < call->n_headers; i++)
        call->all_headers[n++] = call->headers[i];
    *request = (struct http_request){
        .method = call->method,
        .url = call->url,
        .headers = call->all_headers,
        .n_headers = n,
        .body = call->body,
        .once = call->once,
        .out = call->out,
        .file = call->file,
        .file_at = call->file_at,
        .file_max = call->file_max,
    };
    if (try > 0 && call->again)
        call->again(call->again_ctx, request);
    return IG_OK;
}

static enum http_verdict judge(void *ctx, const struct http_response *response)
{
    struct gcs_call *call = ctx;

    if (response->status == 401 && call->authorization.n && !call->refused) {
        call->refused = true;
        gcs_auth_refused(call->g->auth, buf_cstr(&call->authorization));
        return HTTP_AGAIN_NOW;
    }
    return http_judge_status(response);
}

static enum ig_code add_name(const struct gcs_call *call, enum ig_code rc, struct error *err)
{
    return error_context(err, rc, "%s%s%s", call->g->remote.base.url, call->name ? "/" : "",
                         call->name ? call->name : "");
}

enum ig_code gcs_run(struct gcs_call *call, struct http_response *response, struct error *err)
{
    const struct http_job job = {prepare, judge, call};
    enum ig_code rc;

    buf_init(&call->authorization, 0);
    rc = http_run(call->g->http, &job, response, err);
    buf_release(&call->authorization);
    return rc ? add_name(call, rc, err) : IG_OK;
}

static enum ig_code code_of(const struct http_response *response)
{
    switch (response->status) {
    case 404:
    case 410:
        return IG_NOT_FOUND;
    case 412:
        return IG_EXISTS;
    case 400:
    case 401:
    case 403:
        return IG_INVALID;
    default:
        return http_judge_status(response) == HTTP_AGAIN ? IG_UNAVAILABLE : IG_IO;
    }
}

enum ig_code gcs_fail(const struct gcs_call *call, const struct http_response *response, struct error *err)
{
    const enum ig_code rc = code_of(response);
    struct json_value v;
    struct buf reason;

    buf_init(&reason, 600);
    if (json_member(buf_str(&response->body), "error", &v) && v.type == JSON_OBJECT)
        (void)json_member_string(v.raw, "message", &reason);
    for (size_t i = 0; i < reason.n; i++)
        if ((unsigned char)reason.p[i] < ' ')
            reason.p[i] = ' ';
    if (rc == IG_NOT_FOUND && call->name)
        error_set(err, rc, "is not there");
    else
        error_set(err, rc, "Google Cloud Storage answers %d%s%s", response->status, reason.n ? ": " : "",
                  buf_cstr(&reason));
    buf_release(&reason);
    return add_name(call, rc, err);
}

void gcs_add_objects_url(const struct gcs_store *g, const char *before, struct buf *out)
{
    buf_printf(out, "%s%s/storage/v1/b/%s/o", g->endpoint, before, g->bucket);
}

void gcs_add_object_url(const struct gcs_store *g, const char *name, struct buf *out, const char **separator)
{
    struct buf key;

    buf_init(&key, 0);
    remote_add_key(&g->remote, name, &key);
    gcs_add_objects_url(g, "", out);
    buf_putc(out, '/');
    http_add_encoded(out, buf_str(&key), false);
    *separator = "?";
    if (g->user_project) {
        buf_puts(out, "?userProject=");
        http_add_encoded(out, str_of(g->user_project), false);
        *separator = "&";
    }
    buf_release(&key);
}

/* --- metadata -------------------------------------------------------------------------------------------------- */

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void gcs_add_crc32c(struct buf *out, uint32_t crc)
{
    const uint64_t bits = (uint64_t)crc << 4; /* 36 bits: six digits */

    for (int i = 5; i >= 0; i--)
        buf_putc(out, base64_digits[bits >> (6 * i) & 63]);
    buf_puts(out, "==");
}

bool gcs_parse_crc32c(struct str text, uint32_t *crc)
{
    uint64_t bits = 0;

    if (text.n != 8 || text.p[6] != '=' || text.p[7] != '=')
        return false;
    for (size_t i = 0; i < 6; i++) {
        const char *digit = text.p[i] ? strchr(base64_digits, text.p[i]) : NULL;

        if (!digit)
            return false;
        bits = bits << 6 | (uint64_t)(digit - base64_digits);
    }
    *crc = (uint32_t)(bits >> 4);
    return true;
}

enum ig_code gcs_read_meta(struct str json, const char *name, struct remote_meta *out, struct error *err)
{
    struct buf text;
    int64_t updated_us = 0;
    bool ok;

    buf_init(&text, 1000);
    ok = json_member_string(json, "size", &text) && str_to_int64(buf_str(&text), 0, INT64_MAX, &out->size_bytes);
    buf_clear(&text);
    ok = ok && json_member_string(json, "updated", &text) && timestamp_parse(buf_str(&text), &updated_us);
    out->mtime_ms = updated_us / 1000;
    buf_clear(&text);
    ok = ok && json_member_string(json, "generation", &text) && text.n > 0 && text.n < sizeof(out->version);
    if (ok)
        snprintf(out->version, sizeof(out->version), "%s", buf_cstr(&text));
    buf_clear(&text);
    out->has_crc32c = ok && json_member_string(json, "crc32c", &text) && gcs_parse_crc32c(buf_str(&text), &out->crc32c);
    buf_release(&text);
    if (!ok)
        return error_set(err, IG_CORRUPT, "%s: the store's metadata of it are not understood", name);
    return IG_OK;
}

enum ig_code gcs_head(struct gcs_store *g, const char *name, struct remote_meta *meta, struct buf *put,
                      struct error *err)
{
    struct http_response response;
    struct json_value own;
    struct buf url, json;
    struct gcs_call call = {.g = g, .name = name, .method = "GET", .out = &json};
    const char *separator;
    enum ig_code rc;

    http_response_init(&response);
    buf_init(&url, 0);
    buf_init(&json, 1 << 20);
    gcs_add_object_url(g, name, &url, &separator);
    buf_printf(&url, "%sfields=size,updated,generation,crc32c%s", separator, put ? ",metadata" : "");
    call.url = buf_cstr(&url);
    rc = gcs_run(&call, &response, err);
    if (!rc && response.status != 200)
        rc = gcs_fail(&call, &response, err);
    if (!rc)
        rc = gcs_read_meta(buf_str(&json), name, meta, err);
    if (!rc && put && json_member(buf_str(&json), "metadata", &own) && own.type == JSON_OBJECT)
        (void)json_member_string(own.raw, "ingot-put", put);
    buf_release(&json);
    buf_release(&url);
    http_response_release(&response);
    return rc;
}
