/*
 * gs://BUCKET/PREFIX by the JSON API. Options: endpoint=URL, credentials=FILE (or none), user_project=ID.
 *
 * STORAGE_EMULATOR_HOST, as Google's own clients know it, is an endpoint that wants no credentials.
 *
 * With HMAC keys (GS_ACCESS_KEY_ID and GS_SECRET_ACCESS_KEY, or the option auth=hmac to insist) it is the XML API,
 * which is S3's protocol in other words: the sources of s3: do that.
 */
#include "store/gcs.h"

#include "store/parallel.h"
#include "store/s3.h"
#include "store/store_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define ENDPOINT "https://storage.googleapis.com"
#define REMOVERS 16u

static struct gcs_store *gcs_of(struct store *st)
{
    return (struct gcs_store *)st;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static enum ig_code head(struct store *st, const char *name, struct remote_meta *meta, struct error *err)
{
    return gcs_head(gcs_of(st), name, meta, NULL, err);
}

static enum ig_code stat_object(struct store *st, const char *name, struct store_object *out, struct error *err)
{
    struct remote_meta meta = {0};

    IG_TRY(gcs_head(gcs_of(st), name, &meta, NULL, err));
    *out = (struct store_object){str_of(name), meta.size_bytes, meta.mtime_ms};
    return IG_OK;
}

/* x-goog-hash: crc32c=AAAAAA==,md5=... in one line or several. */
static bool crc_of_answer(const struct http_response *response, uint32_t *crc)
{
    const char *p = buf_cstr(&response->headers);

    while (*p) {
        const size_t n = strcspn(p, "\r\n");
        const char *found = n > 12 && strncasecmp(p, "x-goog-hash:", 12) == 0 ? memmem(p, n, "crc32c=", 7) : NULL;

        if (found && (size_t)(p + n - found) >= 15)
            return gcs_parse_crc32c((struct str){found + 7, 8}, crc);
        p += n + strspn(p + n, "\r\n");
    }
    return false;
}

/* "bytes A-B/TOTAL" or "bytes * /TOTAL" */
static bool total_of_answer(const struct http_response *response, int64_t *total)
{
    const struct str range = http_header(response, "Content-Range");
    const char *slash = range.p ? memchr(range.p, '/', range.n) : NULL;

    if (!slash)
        return false;
    return str_to_int64((struct str){slash + 1, range.n - (size_t)(slash + 1 - range.p)}, 0, INT64_MAX, total);
}

/* The object's version, size and checksum as an answer to a read names them, or its check against what is known. */
static enum ig_code take_meta(struct gcs_store *g, const char *name, const struct http_response *response,
                              struct remote_meta *meta, struct error *err)
{
    const struct str generation = http_header(response, "x-goog-generation");
    int64_t total = response->n_bytes;

    if (*meta->version) {
        if (generation.n && !str_is(generation, meta->version))
            return error_set(err, IG_UNAVAILABLE, "%s/%s was replaced while it was read", g->remote.base.url, name);
        return IG_OK;
    }
    if (response->status != 200 && !total_of_answer(response, &total))
        return error_set(err, IG_CORRUPT, "%s/%s: an answer with a part of it does not name its size",
                         g->remote.base.url, name);
    if (generation.n == 0 || generation.n >= sizeof(meta->version))
        return error_set(err, IG_CORRUPT, "%s/%s: the answer does not name its generation", g->remote.base.url, name);
    snprintf(meta->version, sizeof(meta->version), STR_FMT, STR_ARG(generation));
    meta->size_bytes = total;
    meta->has_crc32c = crc_of_answer(response, &meta->crc32c);
    return IG_OK;
}

static enum ig_code judge_read(const struct gcs_call *call, const struct http_response *response,
                               struct remote_meta *meta, int64_t from, size_t n, struct error *err)
{
    const bool known = *meta->version != '\0';
    int64_t want;

    if (response->status == 416) { /* begins at the end or behind it; the answer need not say where that is */
        if (!known)
            IG_TRY(gcs_head(call->g, call->name, meta, NULL, err));
        return from < meta->size_bytes ? gcs_fail(call, response, err) : IG_OK;
    }
    if (response->status == 404 && known)
        return error_set(err, IG_UNAVAILABLE, "%s/%s was replaced or removed while it was read",
                         call->g->remote.base.url, call->name);
    if (response->status != 206 && !(response->status == 200 && from == 0))
        return gcs_fail(call, response, err);
    IG_TRY(take_meta(call->g, call->name, response, meta, err));
    want = meta->size_bytes - from < (int64_t)n ? meta->size_bytes - from : (int64_t)n;
    if (response->n_bytes != want)
        return error_set(err, IG_UNAVAILABLE, "%s/%s: %" PRId64 " bytes came, not %" PRId64, call->g->remote.base.url,
                         call->name, response->n_bytes, want);
    return IG_OK;
}

static enum ig_code read_part(struct store *st, const char *name, struct remote_meta *meta, int64_t from, size_t n,
                              struct buf *out, struct env_file *file, struct error *err)
{
    struct http_response response;
    struct buf url, range;
    struct gcs_call call = {.g = gcs_of(st), .name = name, .method = "GET", .out = out, .file = file};
    const char *separator;
    enum ig_code rc;

    if (n == 0)
        return IG_OK;
    http_response_init(&response);
    buf_init(&url, 0);
    buf_init(&range, 0);
    gcs_add_object_url(gcs_of(st), name, &url, &separator);
    buf_printf(&url, "%salt=media", separator);
    if (*meta->version)
        buf_printf(&url, "&generation=%s", meta->version);
    buf_printf(&range, "Range: bytes=%" PRId64 "-%" PRId64, from, from + (int64_t)n - 1);
    call.url = buf_cstr(&url);
    call.headers[0] = buf_cstr(&range);
    call.n_headers = 1;
    call.file_at = from;
    call.file_max = (int64_t)n;
    rc = gcs_run(&call, &response, err);
    if (!rc)
        rc = judge_read(&call, &response, meta, from, n, err);
    buf_release(&range);
    buf_release(&url);
    http_response_release(&response);
    return rc;
}

static enum ig_code get_range(struct store *st, const char *name, int64_t from, size_t n, struct buf *out,
                              struct error *err)
{
    struct remote_meta meta = {0};
    const size_t before = out->n;
    enum ig_code rc = read_part(st, name, &meta, from, n, out, NULL, err);

    if (rc && out->n > before) {
        out->n = before;
        out->p[before] = '\0';
    }
    return rc;
}

static enum ig_code get(struct store *st, const char *name, struct buf *out, struct error *err)
{
    const size_t before = out->n;
    struct http_response response;
    struct buf url;
    struct gcs_call call = {.g = gcs_of(st), .name = name, .method = "GET", .out = out};
    const char *separator;
    uint32_t crc;
    enum ig_code rc;

    http_response_init(&response);
    buf_init(&url, 0);
    gcs_add_object_url(gcs_of(st), name, &url, &separator);
    buf_printf(&url, "%salt=media", separator);
    call.url = buf_cstr(&url);
    rc = gcs_run(&call, &response, err);
    if (!rc && response.status != 200)
        rc = gcs_fail(&call, &response, err);
    if (!rc && crc_of_answer(&response, &crc) && crc != hash_crc32c(0, out->p + before, out->n - before))
        rc = error_set(err, IG_CORRUPT, "%s/%s: what came does not have the store's checksum", st->url, name);
    if (rc && out->n > before) {
        out->n = before;
        out->p[before] = '\0';
    }
    buf_release(&url);
    http_response_release(&response);
    return rc;
}

/* --- listing and removing ------------------------------------------------------------------------------------------
 */

struct listing {
    struct gcs_store *g;
    const char *after; /* NULL: from the first */
    store_list_fn *each;
    void *ctx;
    struct buf token; /* of the next page; empty: there is none */
};

static enum ig_code list_item(struct listing *l, struct str item, struct error *err)
{
    const struct remote_store *r = &l->g->remote;
    struct remote_meta meta = {0};
    struct str name;
    struct buf key;
    enum ig_code rc = IG_OK;

    buf_init(&key, 1 << 16);
    if (!json_member_string(item, "name", &key) || !str_has_prefix(buf_str(&key), r->url.prefix)) {
        rc = error_set(err, IG_CORRUPT, "%s: the store's list is not understood", r->base.url);
        goto out;
    }
    name = (struct str){key.p + strlen(r->url.prefix), key.n - strlen(r->url.prefix)};
    /* what could not be asked for is not ours: a folder's placeholder, an empty part */
    if (!store_name_ok(name.p) || str_has_prefix(name, STORE_PROBE_DIR "/") ||
        (l->after && strcmp(name.p, l->after) <= 0))
        goto out;
    rc = gcs_read_meta(item, name.p, &meta, err);
    if (!rc)
        rc = l->each(l->ctx, &(struct store_object){name, meta.size_bytes, meta.mtime_ms}, err);
out:
    buf_release(&key);
    return rc;
}

static enum ig_code list_page(struct listing *l, struct str page, struct error *err)
{
    struct json_value items, v, item;
    struct json_reader r;

    buf_clear(&l->token);
    json_reader_init(&r, page);
    if (!json_begin(&r, &v) || v.type != JSON_OBJECT)
        return error_set(err, IG_CORRUPT, "%s: the store's list is not understood", l->g->remote.base.url);
    (void)json_member_string(page, "nextPageToken", &l->token);
    if (!json_member(page, "items", &items))
        return IG_OK;
    json_reader_init(&r, items.raw);
    json_begin(&r, &v);
    while (json_next_item(&r) && json_read(&r, &item))
        IG_TRY(list_item(l, item.raw, err));
    if (!json_end(&r))
        return error_set(err, IG_CORRUPT, "%s: the store's list is cut", l->g->remote.base.url);
    return IG_OK;
}

static void add_parameter(struct buf *url, const char *name, struct str value)
{
    buf_printf(url, "&%s=", name);
    http_add_encoded(url, value, false);
}

static void add_list_url(const struct listing *l, const char *prefix, struct buf *url)
{
    struct buf key;

    buf_init(&key, 0);
    gcs_add_objects_url(l->g, "", url);
    buf_puts(url, "?fields=items(name,size,updated,generation),nextPageToken");
    remote_add_key(&l->g->remote, prefix, &key);
    if (key.n)
        add_parameter(url, "prefix", buf_str(&key));
    if (l->after && *l->after) {
        buf_clear(&key);
        remote_add_key(&l->g->remote, l->after, &key);
        add_parameter(url, "startOffset", buf_str(&key));
    }
    if (l->token.n)
        add_parameter(url, "pageToken", buf_str(&l->token));
    if (l->g->user_project)
        add_parameter(url, "userProject", str_of(l->g->user_project));
    buf_release(&key);
}

static enum ig_code list_from(struct store *st, const char *prefix, const char *after, store_list_fn *each, void *ctx,
                              struct error *err)
{
    struct listing l = {.g = gcs_of(st), .after = after, .each = each, .ctx = ctx};
    struct http_response response;
    struct buf url, page;
    struct gcs_call call = {.g = gcs_of(st), .method = "GET", .out = &page};
    enum ig_code rc;

    http_response_init(&response);
    buf_init(&url, 0);
    buf_init(&page, (size_t)64 << 20);
    buf_init(&l.token, 1 << 16);
    do {
        buf_clear(&url);
        buf_clear(&page);
        add_list_url(&l, prefix, &url);
        call.url = buf_cstr(&url);
        call.refused = false;
        rc = gcs_run(&call, &response, err);
        if (!rc && response.status != 200)
            rc = gcs_fail(&call, &response, err);
        if (!rc)
            rc = list_page(&l, buf_str(&page), err);
    } while (!rc && l.token.n);
    buf_release(&l.token);
    buf_release(&page);
    buf_release(&url);
    http_response_release(&response);
    return rc;
}

static enum ig_code list(struct store *st, const char *prefix, store_list_fn *each, void *ctx, struct error *err)
{
    return list_from(st, prefix, NULL, each, ctx, err);
}

static enum ig_code remove_object(struct store *st, const char *name, struct error *err)
{
    struct http_response response;
    struct buf url;
    struct gcs_call call = {.g = gcs_of(st), .name = name, .method = "DELETE"};
    const char *separator;
    enum ig_code rc;

    http_response_init(&response);
    buf_init(&url, 0);
    gcs_add_object_url(gcs_of(st), name, &url, &separator);
    call.url = buf_cstr(&url);
    rc = gcs_run(&call, &response, err);
    if (!rc && response.status / 100 != 2 && response.status != 404)
        rc = gcs_fail(&call, &response, err);
    buf_release(&url);
    http_response_release(&response);
    return rc;
}

struct names {
    struct store *st;
    const char *const *names;
};

static enum ig_code remove_one(void *ctx, size_t i, struct error *err)
{
    const struct names *all = ctx;

    return remove_object(all->st, all->names[i], err);
}

static enum ig_code remove_many(struct store *st, const char *const *names, size_t n, struct error *err)
{
    struct names all = {st, names};

    return n ? parallel_for(st->env, n, REMOVERS, remove_one, &all, err) : IG_OK;
}

/* --- the store -----------------------------------------------------------------------------------------------------
 */

static void free_store(struct store *st)
{
    struct gcs_store *g = gcs_of(st);

    gcs_auth_free(g->auth);
    http_client_free(g->http);
    remote_store_release(&g->remote);
    free(g->endpoint);
    free(g->bucket);
    free(g->user_project);
    free(g);
}

static void hurry(struct store *st, bool on)
{
    http_client_hurry(gcs_of(st)->http, on);
}

static enum ig_code open_like(struct store *st, const char *url, struct store **out, struct error *err);

static const struct store_ops gcs_ops = {
    .scheme = "gs",
    .get = get,
    .put = gcs_put,
    .put_file = gcs_put_file,
    .stat = stat_object,
    .list = list,
    .remove = remove_object,
    .local_path = remote_local_path,
    .scratch_path = remote_scratch_path,
    .free = free_store,
    .remote = true,
    .get_range = get_range,
    .list_from = list_from,
    .fetch = remote_fetch,
    .remove_many = remove_many,
    .probe = remote_probe,
    .open_like = open_like,
    .hold = remote_hold,
    .release = remote_release,
    .hurry = hurry,
};

static const char *const known_options[] = {"auth", "endpoint", "credentials", "user_project", NULL};

/* The endpoint without a trailing slash; *emulator: it is one that the environment names. */
static char *choose_endpoint(const struct remote_url *u, bool *emulator)
{
    const char *named = remote_url_option(u, "endpoint"), *host = getenv("STORAGE_EMULATOR_HOST");
    struct buf b;

    buf_init(&b, 0);
    *emulator = !named && host && *host;
    if (named)
        buf_puts(&b, named);
    else if (*emulator)
        buf_printf(&b, "%s%s", strstr(host, "://") ? "" : "http://", host);
    else
        buf_puts(&b, ENDPOINT);
    while (b.n && b.p[b.n - 1] == '/')
        b.p[--b.n] = '\0';
    return buf_take(&b);
}

static enum ig_code open_url(struct env *env, struct remote_url *u, struct store **out, struct error *err)
{
    struct gcs_store *g = check_calloc(1, sizeof(*g));
    struct http_options options;
    const char *credentials = remote_url_option(u, "credentials"), *payer = remote_url_option(u, "user_project");
    bool emulator;
    struct buf b;
    enum ig_code rc;

    g->endpoint = choose_endpoint(u, &emulator);
    buf_init(&b, 0);
    http_add_encoded(&b, str_of(u->bucket), false);
    g->bucket = buf_take(&b);
    g->user_project = payer ? check_strdup(payer) : NULL;
    remote_store_init(&g->remote, &gcs_ops, env, u);
    g->remote.head = head;
    g->remote.read = read_part;
    if (strcmp(g->endpoint, ENDPOINT) != 0)
        remote_store_set_place(&g->remote, g->endpoint, "", "");
    rc = remote_url_http(&g->remote.url, &options, err);
    if (!rc)
        rc = http_client_new(env, &options, &g->http, err);
    if (!rc && strncmp(g->endpoint, "http://", 7) != 0 && strncmp(g->endpoint, "https://", 8) != 0)
        rc = error_set(err, IG_INVALID, "store %s: the endpoint %s is not an http(s):// URL", g->remote.base.url,
                       g->endpoint);
    if (!rc)
        g->auth = gcs_auth_new(env, g->http, credentials || !emulator ? credentials : "none");
    if (rc)
        free_store(&g->remote.base);
    else
        *out = &g->remote.base;
    return rc;
}

static enum ig_code open_like(struct store *st, const char *url, struct store **out, struct error *err)
{
    struct remote_url u;

    IG_TRY(remote_url_parse(url, known_options, &u, err));
    remote_url_inherit(&u, &gcs_of(st)->remote.url);
    IG_TRY(open_url(st->env, &u, out, err));
    remote_share_cache(*out, st);
    return IG_OK;
}

/* --- HMAC keys -----------------------------------------------------------------------------------------------------
 */

static const struct s3_dialect xml_dialect = {
    .scheme = "gs",
    .name = "Google Cloud Storage",
    .signing = &sigv4_goog,
    .headers = "x-goog-",
    .if_absent = {"x-goog-if-generation-match", "0"},
};

static enum ig_code open_by_keys(struct env *env, const char *url, const char *key, const char *secret,
                                 struct store **out, struct error *err)
{
    const struct s3_opening opening = {
        .dialect = &xml_dialect, .endpoint = ENDPOINT, .region = "auto", .access_key = key, .secret_key = secret};
    VEC(const char *) known = {0};
    struct remote_url u;
    enum ig_code rc;

    vec_push(&known, "auth");
    for (size_t i = 0; s3_url_options[i]; i++)
        vec_push(&known, s3_url_options[i]);
    vec_push(&known, NULL);
    rc = remote_url_parse(url, known.p, &u, err);
    vec_free(&known);
    return rc ? rc : s3_open(env, &u, &opening, out, err);
}

/* Does the URL say auth=hmac, or auth=oauth? */
static bool says(const char *url, const char *option)
{
    const char *query = strchr(url, '?'), *found = query ? strstr(query, option) : NULL;

    return found && (found[-1] == '?' || found[-1] == '&') && strchr("&", found[strlen(option)]);
}

enum ig_code store_gcs_open(struct env *env, const char *url, struct store **out, struct error *err)
{
    const char *key = getenv("GS_ACCESS_KEY_ID"), *secret = getenv("GS_SECRET_ACCESS_KEY");
    const bool keys = key && *key && secret && *secret;
    struct remote_url u;

    if (says(url, "auth=hmac") && !keys)
        return error_set(err, IG_INVALID,
                         "store %.*s: auth=hmac wants GS_ACCESS_KEY_ID and GS_SECRET_ACCESS_KEY in the "
                         "environment",
                         (int)strcspn(url, "?"), url);
    if (keys && !says(url, "auth=oauth") && !strstr(url, "credentials="))
        return open_by_keys(env, url, key, secret, out, err);
    IG_TRY(remote_url_parse(url, known_options, &u, err));
    return open_url(env, &u, out, err);
}
