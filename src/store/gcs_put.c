/*
 * Writing objects to Google Cloud Storage. Small ones go in one request, big ones in a resumable session, a chunk of
 * memory at a time. ifGenerationMatch=0 is put-if-absent.
 *
 * Each put marks its object with an id of its own, so that after a lost answer the object says whether it is ours.
 * Google checks the content against the CRC32C that goes along.
 */
#include "store/gcs.h"

#include <inttypes.h>
#include <stdlib.h>

#define ONE_REQUEST_BYTES ((int64_t)8 << 20)
#define CHUNK_BYTES ((int64_t)16 << 20) /* a multiple of 256 KiB, as sessions want it */

struct put {
    struct gcs_store *g;
    const char *name;
    enum store_put_mode mode;
    struct str body;    /* the content, or */
    struct env_file *f; /* a file with it */
    int64_t size_bytes;
    uint32_t crc32c;
    char id[37];
    const char *session; /* where a big one goes */
    bool forgotten;      /* the session is gone before it was complete: a new one may be begun */
    bool maybe_done;     /* a request that could complete it went out, and its answer was not understood */
};

/* {"name": ..., "crc32c": ..., "metadata": {"ingot-put": ID}} */
static void add_resource(const struct put *p, struct buf *out)
{
    struct buf key;

    buf_init(&key, 0);
    remote_add_key(&p->g->remote, p->name, &key);
    buf_puts(out, "{\"name\":");
    json_add_string(out, buf_str(&key));
    buf_puts(out, ",\"contentType\":\"application/octet-stream\",\"crc32c\":\"");
    gcs_add_crc32c(out, p->crc32c);
    buf_printf(out, "\",\"metadata\":{\"ingot-put\":\"%s\"}}", p->id);
    buf_release(&key);
}

static void add_upload_url(const struct put *p, const char *type, struct buf *url)
{
    gcs_add_objects_url(p->g, "/upload", url);
    buf_printf(url, "?uploadType=%s&fields=generation%s", type,
               p->mode == STORE_IF_ABSENT ? "&ifGenerationMatch=0" : "");
    if (p->g->user_project) {
        buf_puts(url, "&userProject=");
        http_add_encoded(url, str_of(p->g->user_project), false);
    }
}

/* Is the object that is there ours? Leaves `err` as it is where it can not be told. `taken`: the last answer was that
 * the name is; it may be by an earlier try of ours, or by a request that somebody on the way has sent twice. */
static enum ig_code settle(const struct put *p, bool taken, struct error *err)
{
    struct remote_meta meta = {0};
    struct error looking = {0};
    struct buf id;
    enum ig_code rc;

    buf_init(&id, 200);
    rc = gcs_head(p->g, p->name, &meta, &id, &looking);
    if (!rc && str_is(buf_str(&id), p->id))
        rc = IG_OK;
    else if ((!rc && p->mode == STORE_IF_ABSENT) || (taken && !p->maybe_done))
        rc = error_set(err, IG_EXISTS, "%s/%s is there already", p->g->remote.base.url, p->name);
    else
        rc = error_context(err, IG_UNKNOWN_OUTCOME, "it may be stored, or not");
    buf_release(&id);
    return rc;
}

/* What the last answer, or its absence (`rc`), means for the put. */
static enum ig_code conclude(struct put *p, const struct gcs_call *call, const struct http_response *response,
                             enum ig_code rc, bool completes, struct error *err)
{
    const bool answered = rc == IG_OK;

    if (answered && response->status / 100 == 2)
        return IG_OK;
    if (completes && (response->maybe_applied || (!answered && response->sent == HTTP_LOST) ||
                      (answered && response->status >= 500)))
        p->maybe_done = true;
    if (answered)
        rc = gcs_fail(call, response, err);
    if (rc == IG_NOT_FOUND && call->url == p->session) {
        p->forgotten = true;
        rc =
            error_set(err, IG_UNAVAILABLE, "%s/%s: the store has forgotten the upload", p->g->remote.base.url, p->name);
    } else if (rc == IG_NOT_FOUND) {
        rc = error_set(err, IG_INVALID, "%s/%s: Google Cloud Storage answers 404: is the bucket there?",
                       p->g->remote.base.url, p->name);
    }
    return p->maybe_done || rc == IG_EXISTS ? settle(p, rc == IG_EXISTS, err) : rc;
}

/* --- one request ------------------------------------------------------------------------------------------------ */

static enum ig_code put_at_once(struct put *p, struct error *err)
{
    struct http_response response;
    struct buf url, body, type;
    struct gcs_call call = {.g = p->g, .name = p->name, .method = "POST", .once = true};
    char *at;
    enum ig_code rc = IG_OK;

    http_response_init(&response);
    buf_init(&url, 0);
    buf_init(&body, 0);
    buf_init(&type, 0);
    add_upload_url(p, "multipart", &url);
    /* the id is random: no content holds it */
    buf_printf(&type, "Content-Type: multipart/related; boundary=%s", p->id);
    buf_printf(&body, "--%s\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n", p->id);
    add_resource(p, &body);
    buf_printf(&body, "\r\n--%s\r\nContent-Type: application/octet-stream\r\n\r\n", p->id);
    if (p->f) {
        at = buf_reserve(&body, (size_t)p->size_bytes);
        rc = at ? env_read_full(p->g->remote.base.env, p->f, 0, at, (size_t)p->size_bytes, err) : IG_OK;
        body.n += at ? (size_t)p->size_bytes : 0;
    } else {
        buf_add_str(&body, p->body);
    }
    buf_printf(&body, "\r\n--%s--\r\n", p->id);
    if (!rc)
        rc = buf_check(&body, err, p->name);
    if (!rc) {
        call.url = buf_cstr(&url);
        call.headers[0] = buf_cstr(&type);
        call.n_headers = 1;
        call.body = buf_str(&body);
        rc = gcs_run(&call, &response, err);
        rc = conclude(p, &call, &response, rc, true, err);
    }
    buf_release(&type);
    buf_release(&body);
    buf_release(&url);
    http_response_release(&response);
    return rc;
}

/* --- sessions ---------------------------------------------------------------------------------------------------- */

/* The session's URL, at our endpoint: where else would our token go? */
static enum ig_code take_session(const struct put *p, const struct http_response *response, struct buf *session,
                                 struct error *err)
{
    const struct str location = http_header(response, "Location");
    const size_t n = strlen(p->g->endpoint);

    if (location.n <= n || strncmp(location.p, p->g->endpoint, n) != 0 || location.p[n] != '/')
        return error_set(err, IG_CORRUPT, "%s/%s: the store names a place for the upload that is not its own: " STR_FMT,
                         p->g->remote.base.url, p->name, STR_ARG(location));
    buf_add_str(session, location);
    return IG_OK;
}

static enum ig_code begin_session(struct put *p, struct buf *session, struct error *err)
{
    struct http_response response;
    struct buf url, body, length;
    struct gcs_call call = {.g = p->g, .name = p->name, .method = "POST"};
    enum ig_code rc;

    http_response_init(&response);
    buf_init(&url, 0);
    buf_init(&body, 0);
    buf_init(&length, 0);
    add_upload_url(p, "resumable", &url);
    add_resource(p, &body);
    buf_printf(&length, "X-Upload-Content-Length: %" PRId64, p->size_bytes);
    call.url = buf_cstr(&url);
    call.headers[0] = "Content-Type: application/json; charset=UTF-8";
    call.headers[1] = buf_cstr(&length);
    call.n_headers = 2;
    call.body = buf_str(&body);
    rc = gcs_run(&call, &response, err);
    rc = conclude(p, &call, &response, rc, false, err);
    if (!rc)
        rc = take_session(p, &response, session, err);
    buf_release(&length);
    buf_release(&body);
    buf_release(&url);
    http_response_release(&response);
    return rc;
}

/* A chunk that was sent once may have arrived: the repeat only asks how much the session has. */
static void ask_instead(void *ctx, struct http_request *request)
{
    const char *range = ctx;

    for (size_t i = 0; i < request->n_headers; i++)
        if (strncmp(request->headers[i], "Content-Range:", 14) == 0)
            ((const char **)(uintptr_t)request->headers)[i] = range;
    request->body = (struct str){0};
}

/* How many bytes the session has, by its answer 308. */
static bool session_has(const struct http_response *response, int64_t *bytes)
{
    const struct str range = http_header(response, "Range");

    *bytes = 0;
    if (range.n == 0)
        return true; /* none */
    if (!str_has_prefix(range, "bytes=0-") ||
        !str_to_int64((struct str){range.p + 8, range.n - 8}, 0, INT64_MAX - 1, bytes))
        return false;
    *bytes += 1;
    return true;
}

static enum ig_code send_chunk(struct put *p, int64_t *at, struct buf *chunk, bool *done, struct error *err)
{
    const int64_t left = p->size_bytes - *at, n = left < CHUNK_BYTES ? left : CHUNK_BYTES;
    struct http_response response;
    struct buf range, ask;
    struct gcs_call call = {.g = p->g, .name = p->name, .method = "PUT", .url = p->session, .again = ask_instead};
    int64_t has = 0;
    enum ig_code rc = IG_OK;

    http_response_init(&response);
    buf_init(&range, 0);
    buf_init(&ask, 0);
    buf_printf(&range, "Content-Range: bytes %" PRId64 "-%" PRId64 "/%" PRId64, *at, *at + n - 1, p->size_bytes);
    buf_printf(&ask, "Content-Range: bytes */%" PRId64, p->size_bytes);
    call.headers[0] = buf_cstr(&range);
    call.n_headers = 1;
    call.again_ctx = ask.p;
    if (p->f) {
        buf_clear(chunk);
        rc = env_read_full(p->g->remote.base.env, p->f, *at, buf_reserve(chunk, (size_t)n), (size_t)n, err);
        call.body = (struct str){chunk->p, (size_t)n};
    } else {
        call.body = (struct str){p->body.p + *at, (size_t)n};
    }
    if (!rc) {
        rc = gcs_run(&call, &response, err);
        if (!rc && response.status == 308) {
            if (!session_has(&response, &has) || has > p->size_bytes || has < *at)
                rc = error_set(err, IG_CORRUPT, "%s/%s: the store has lost a part of the upload", p->g->remote.base.url,
                               p->name);
            *at = has;
        } else {
            rc = conclude(p, &call, &response, rc, *at + n == p->size_bytes, err);
            *done = rc == IG_OK;
        }
    }
    buf_release(&ask);
    buf_release(&range);
    http_response_release(&response);
    return rc;
}

#define NO_PROGRESS_MAX 10
#define SESSIONS_MAX 3

static enum ig_code send_all(struct put *p, struct error *err)
{
    struct buf chunk;
    int64_t at = 0;
    bool done = false;
    int stuck = 0;
    enum ig_code rc = IG_OK;

    buf_init(&chunk, (size_t)CHUNK_BYTES + 1);
    while (!rc && !done) {
        const int64_t before = at;

        rc = send_chunk(p, &at, &chunk, &done, err);
        stuck = at == before ? stuck + 1 : 0;
        if (!rc && !done && (stuck == NO_PROGRESS_MAX || at >= p->size_bytes))
            rc = error_set(err, IG_UNAVAILABLE, "%s/%s: the upload does not move on", p->g->remote.base.url, p->name);
    }
    if (rc == IG_UNAVAILABLE && at >= p->size_bytes)
        rc = settle(p, false, err);
    buf_release(&chunk);
    return rc;
}

static enum ig_code put_in_session(struct put *p, struct error *err)
{
    struct buf session;
    enum ig_code rc;
    int tries = 0;

    buf_init(&session, 1 << 16);
    do {
        buf_clear(&session);
        p->forgotten = false;
        rc = begin_session(p, &session, err);
        p->session = buf_cstr(&session);
        if (!rc)
            rc = send_all(p, err);
    } while (rc == IG_UNAVAILABLE && p->forgotten && ++tries < SESSIONS_MAX);
    p->session = NULL;
    buf_release(&session);
    return rc;
}

/* --- the operations ---------------------------------------------------------------------------------------------- */

static enum ig_code run_put(struct put *p, struct error *err)
{
    env_uuid(p->g->remote.base.env, p->id);
    if (!str_is_utf8(str_of(p->name)))
        return error_set(err, IG_INVALID, "\"%s\": names in Google Cloud Storage are UTF-8", p->name);
    return p->size_bytes <= ONE_REQUEST_BYTES ? put_at_once(p, err) : put_in_session(p, err);
}

enum ig_code gcs_put(struct store *st, const char *name, struct str body, enum store_put_mode mode, struct error *err)
{
    struct put p = {.g = (struct gcs_store *)st,
                    .name = name,
                    .mode = mode,
                    .body = body,
                    .size_bytes = (int64_t)body.n,
                    .crc32c = hash_crc32c(0, body.p, body.n)};

    return run_put(&p, err);
}

enum ig_code gcs_put_file(struct store *st, const char *name, const char *path, enum store_put_mode mode,
                          struct error *err)
{
    struct put p = {.g = (struct gcs_store *)st, .name = name, .mode = mode};
    enum ig_code rc = remote_file_crc32c(st->env, path, &p.crc32c, &p.size_bytes, err);

    if (!rc)
        rc = env_open(st->env, path, ENV_OPEN_READ, &p.f, err);
    if (!rc)
        rc = run_put(&p, err);
    env_close(st->env, p.f);
    if (!rc)
        remote_keep_or_remove(st, name, path);
    return rc;
}
