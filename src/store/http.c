/*
 * One try of a request, over a pool of curl handles. A handle keeps its connection open; the handle that came back
 * last goes out first, so that few connections stay warm and the others age out.
 */
#include "store/http.h"

#include "store/http_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define HEADERS_MAX_BYTES ((size_t)64 << 10)
#define REFUSAL_MAX_BYTES ((size_t)1 << 20)
#define ANSWER_MAX_BYTES ((size_t)16 << 20)
#define TRANSFER_BUFFER_BYTES (128L << 10)
#define CONNECTION_AGE_S 45L
#define WHOLE_BY_IDLE                                                                               \
    20 /* a try as a whole may take so many times what silence may: a server that drips is given up \
        */

/* --- the client -------------------------------------------------------------------------------------------------- */

static void lock_shared(CURL *curl, curl_lock_data data, curl_lock_access access, void *ctx)
{
    struct http_client *c = ctx;

    (void)curl;
    (void)access;
    pthread_mutex_lock(&c->share_locks[data]);
}

static void unlock_shared(CURL *curl, curl_lock_data data, void *ctx)
{
    struct http_client *c = ctx;

    (void)curl;
    pthread_mutex_unlock(&c->share_locks[data]);
}

static void default_int64(int64_t *value, int64_t standard)
{
    if (*value <= 0)
        *value = standard;
}

static void take_options(struct http_client *c, const struct http_options *options)
{
    c->o = options ? *options : (struct http_options){0};
    c->ca_file = c->o.ca_file ? check_strdup(c->o.ca_file) : NULL;
    c->user_agent = check_strdup(c->o.user_agent ? c->o.user_agent : "ingot/" INGOT_VERSION);
    c->o.connections = c->o.connections ? c->o.connections : 64;
    c->o.tries = c->o.tries ? c->o.tries : 10;
    default_int64(&c->o.connect_ms, 10000);
    default_int64(&c->o.idle_ms, 30000);
    default_int64(&c->o.retry_ms, 90000);
    default_int64(&c->o.backoff_ms, 100);
}

enum ig_code http_client_new(struct env *env, const struct http_options *options, struct http_client **out,
                             struct error *err)
{
    struct http_client *c;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
        return error_set(err, IG_IO, "libcurl does not start");
    c = check_calloc(1, sizeof(*c));
    c->env = env;
    take_options(c, options);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->freed, NULL);
    for (size_t i = 0; i < IG_COUNT(c->share_locks); i++)
        pthread_mutex_init(&c->share_locks[i], NULL);
    c->retry_tokens = HTTP_RETRY_TOKENS;
    c->share = curl_share_init();
    IG_ASSERT(c->share);
    curl_share_setopt(c->share, CURLSHOPT_LOCKFUNC, lock_shared);
    curl_share_setopt(c->share, CURLSHOPT_UNLOCKFUNC, unlock_shared);
    curl_share_setopt(c->share, CURLSHOPT_USERDATA, c);
    curl_share_setopt(c->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
    curl_share_setopt(c->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    *out = c;
    return IG_OK;
}

void http_client_free(struct http_client *c)
{
    if (!c)
        return;
    IG_ASSERT(c->n_busy == 0);
    for (size_t i = 0; i < c->idle.n; i++)
        curl_easy_cleanup(c->idle.p[i]);
    vec_free(&c->idle);
    curl_share_cleanup(c->share);
    for (size_t i = 0; i < IG_COUNT(c->share_locks); i++)
        pthread_mutex_destroy(&c->share_locks[i]);
    pthread_cond_destroy(&c->freed);
    pthread_mutex_destroy(&c->lock);
    free(c->ca_file);
    free(c->user_agent);
    free(c);
    curl_global_cleanup();
}

struct http_counts http_client_counts(struct http_client *c)
{
    struct http_counts counts;

    pthread_mutex_lock(&c->lock);
    counts = c->counts;
    pthread_mutex_unlock(&c->lock);
    return counts;
}

static CURL *take_handle(struct http_client *c)
{
    CURL *curl = NULL;

    pthread_mutex_lock(&c->lock);
    while (c->n_busy >= c->o.connections)
        pthread_cond_wait(&c->freed, &c->lock);
    c->n_busy++;
    if (c->idle.n)
        curl = c->idle.p[--c->idle.n];
    pthread_mutex_unlock(&c->lock);
    if (!curl)
        curl = curl_easy_init();
    IG_ASSERT(curl);
    return curl;
}

static void give_back(struct http_client *c, CURL *curl)
{
    long connects = 0;

    curl_easy_getinfo(curl, CURLINFO_NUM_CONNECTS, &connects);
    pthread_mutex_lock(&c->lock);
    c->counts.requests++;
    c->counts.connects += (uint64_t)(connects > 0 ? connects : 0);
    vec_push(&c->idle, curl);
    c->n_busy--;
    pthread_cond_signal(&c->freed);
    pthread_mutex_unlock(&c->lock);
}

/* --- the answer -------------------------------------------------------------------------------------------------- */

void http_response_init(struct http_response *r)
{
    *r = (struct http_response){0};
    buf_init(&r->headers, HEADERS_MAX_BYTES);
    buf_init(&r->body, ANSWER_MAX_BYTES);
}

void http_response_release(struct http_response *r)
{
    buf_release(&r->headers);
    buf_release(&r->body);
}

struct str http_header(const struct http_response *r, const char *name)
{
    const size_t n = strlen(name);
    const char *p = buf_cstr(&r->headers), *end = p + r->headers.n;

    while (p < end) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        const char *next = stop ? stop + 1 : end, *q = p + n;

        stop = stop ? stop : end;
        if ((size_t)(stop - p) > n && p[n] == ':' && strncasecmp(p, name, n) == 0) {
            q++;
            while (q < stop && (*q == ' ' || *q == '\t'))
                q++;
            while (stop > q && (stop[-1] == '\r' || stop[-1] == ' ' || stop[-1] == '\t'))
                stop--;
            return (struct str){q, (size_t)(stop - q)};
        }
        p = next;
    }
    return (struct str){NULL, 0};
}

/* --- one transfer ------------------------------------------------------------------------------------------------- */

struct transfer {
    struct http_client *c;
    const struct http_request *request;
    struct http_response *response;
    CURL *curl;
    size_t fed; /* bytes of the body that curl took */
    int64_t last_bytes, last_ms;
    bool idle; /* ended by us, because nothing moved */
    enum ig_code sink_rc;
    struct error sink_error;
    char problem[CURL_ERROR_SIZE];
};

static size_t on_header(char *p, size_t size, size_t n, void *ctx)
{
    struct transfer *t = ctx;

    if (size * n >= 5 && strncmp(p, "HTTP/", 5) == 0)
        buf_clear(&t->response->headers); /* what came before was "100 Continue" */
    buf_add(&t->response->headers, p, size * n);
    return size * n;
}

static enum ig_code sink(struct transfer *t, const char *p, size_t n, struct error *err)
{
    const struct http_request *q = t->request;
    struct http_response *r = t->response;
    long status = 0;

    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200 || status >= 300) {
        if (r->body.n + n <= REFUSAL_MAX_BYTES)
            buf_add(&r->body, p, n);
        return IG_OK;
    }
    if (q->file) {
        if ((int64_t)n > q->file_max - r->n_bytes)
            return error_set(err, IG_LIMIT, "the answer is longer than the %lld bytes asked for",
                             (long long)q->file_max);
        IG_TRY(env_write(t->c->env, q->file, q->file_at + r->n_bytes, p, n, err));
    } else {
        struct buf *to = q->out ? q->out : &r->body;

        buf_add(to, p, n);
        if (to->overflow)
            return error_set(err, IG_LIMIT, "the answer is longer than %zu bytes", to->max);
    }
    r->n_bytes += (int64_t)n;
    return IG_OK;
}

static size_t on_body(char *p, size_t size, size_t n, void *ctx)
{
    struct transfer *t = ctx;

    t->sink_rc = sink(t, p, size * n, &t->sink_error);
    return t->sink_rc ? 0 : size * n;
}

static size_t on_read(char *p, size_t size, size_t n, void *ctx)
{
    struct transfer *t = ctx;
    const struct str body = t->request->body;
    size_t take = size * n;

    if (take > body.n - t->fed)
        take = body.n - t->fed;
    if (take)
        memcpy(p, body.p + t->fed, take);
    t->fed += take;
    return take;
}

static int on_seek(void *ctx, curl_off_t to, int origin)
{
    struct transfer *t = ctx;

    if (origin != SEEK_SET || to < 0 || (uint64_t)to > t->request->body.n)
        return CURL_SEEKFUNC_FAIL;
    if (t->request->once && t->fed > 0)
        return CURL_SEEKFUNC_FAIL;
    t->fed = (size_t)to;
    return CURL_SEEKFUNC_OK;
}

static int on_progress(void *ctx, curl_off_t d_total, curl_off_t d_now, curl_off_t u_total, curl_off_t u_now)
{
    struct transfer *t = ctx;
    const int64_t now_ms = env_monotonic_ms(t->c->env), bytes = (int64_t)d_now + (int64_t)u_now;

    (void)d_total;
    (void)u_total;
    if (bytes != t->last_bytes) {
        t->last_bytes = bytes;
        t->last_ms = now_ms;
    }
    t->idle = now_ms - t->last_ms > t->c->o.idle_ms;
    return t->idle;
}

static struct curl_slist *header_list(const struct http_request *q)
{
    struct curl_slist *list = NULL;
    bool typed = false;

    for (size_t i = 0; i < q->n_headers; i++) {
        list = curl_slist_append(list, q->headers[i]);
        typed |= strncasecmp(q->headers[i], "content-type:", 13) == 0;
    }
    list = curl_slist_append(list, "Expect:"); /* some servers never say Continue, and a second is lost */
    if (!typed)
        list = curl_slist_append(list, "Content-Type:");
    IG_ASSERT(list);
    return list;
}

static void set_method(struct transfer *t)
{
    const struct http_request *q = t->request;
    CURL *curl = t->curl;

    if (strcmp(q->method, "HEAD") == 0) {
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
        return;
    }
    if (strcmp(q->method, "PUT") == 0) {
        curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)q->body.n);
    } else if (strcmp(q->method, "POST") == 0) {
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body.n);
    } else {
        curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, q->method);
        return;
    }
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(curl, CURLOPT_READDATA, t);
    curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, on_seek);
    curl_easy_setopt(curl, CURLOPT_SEEKDATA, t);
    if (q->once && q->body.n == 0)
        curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
}

static void set_connection(struct transfer *t)
{
    const struct http_client *c = t->c;
    CURL *curl = t->curl;

    curl_easy_setopt(curl, CURLOPT_SHARE, c->share);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_HTTP_CONTENT_DECODING, 0L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, c->user_agent);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)c->o.connect_ms);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(c->o.idle_ms * WHOLE_BY_IDLE + c->o.connect_ms));
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXAGE_CONN, CONNECTION_AGE_S);
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, TRANSFER_BUFFER_BYTES);
    curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, TRANSFER_BUFFER_BYTES);
    if (c->o.direct)
        curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    if (c->ca_file)
        curl_easy_setopt(curl, CURLOPT_CAINFO, c->ca_file);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, t);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, t->problem);
}

static enum http_sent how_far(struct transfer *t)
{
    long request_bytes = 0;

    curl_easy_getinfo(t->curl, CURLINFO_REQUEST_SIZE, &request_bytes);
    return request_bytes == 0 || t->fed < t->request->body.n ? HTTP_NOT_SENT : HTTP_LOST;
}

/* "https://host/path", without the query, which may hold a token. */
static enum ig_code failed(struct transfer *t, CURLcode curl_rc, struct error *err)
{
    const char *url = t->request->url;
    const int n = (int)strcspn(url, "?");
    enum ig_code rc = IG_UNAVAILABLE;

    if (t->sink_rc)
        return error_set(err, t->sink_rc, "%s %.*s: %s", t->request->method, n, url, t->sink_error.msg);
    if (t->idle)
        return error_set(err, rc, "%s %.*s: nothing moved for %lld ms", t->request->method, n, url,
                         (long long)t->c->o.idle_ms);
    switch ((int)curl_rc) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        rc = IG_INVALID;
        break;
    default:
        break;
    }
    return error_set(err, rc, "%s %.*s: %s", t->request->method, n, url,
                     t->problem[0] ? t->problem : curl_easy_strerror(curl_rc));
}

enum ig_code http_send(struct http_client *c, const struct http_request *request, struct http_response *response,
                       struct error *err)
{
    struct transfer t = {.c = c, .request = request, .response = response, .curl = take_handle(c)};
    struct curl_slist *headers = header_list(request);
    enum ig_code rc = IG_OK;
    CURLcode curl_rc;
    long status = 0;

    buf_clear(&response->headers);
    buf_clear(&response->body);
    response->n_bytes = 0;
    response->status = 0;
    response->no_such_host = false;
    response->request_ms = env_now_ms(c->env);
    t.last_ms = env_monotonic_ms(c->env);
    curl_easy_reset(t.curl);
    set_connection(&t);
    set_method(&t);
    curl_easy_setopt(t.curl, CURLOPT_URL, request->url);
    curl_easy_setopt(t.curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(t.curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(t.curl, CURLOPT_HEADERDATA, &t);
    curl_easy_setopt(t.curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(t.curl, CURLOPT_WRITEDATA, &t);
    curl_rc = curl_easy_perform(t.curl);
    curl_easy_getinfo(t.curl, CURLINFO_RESPONSE_CODE, &status);
    if (curl_rc == CURLE_OK && status >= 100) {
        response->sent = HTTP_ANSWERED;
        response->status = (int)status;
    } else {
        response->sent = how_far(&t);
        response->no_such_host = curl_rc == CURLE_COULDNT_RESOLVE_HOST;
        rc = failed(&t, curl_rc, err);
    }
    curl_easy_setopt(t.curl, CURLOPT_ERRORBUFFER, NULL); /* the handle lives longer than this call */
    give_back(c, t.curl);
    curl_slist_free_all(headers);
    return rc;
}
