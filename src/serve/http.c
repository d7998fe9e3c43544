/*
 * HTTP by libmicrohttpd.
 */
#include "serve/serve.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define BODY_MAX_BYTES ((size_t)4 << 20)
#define CONNECTIONS_MAX 1024u
#define CONNECTIONS_PER_ADDRESS_MAX 512u
#define IDLE_S 60u
#define TARGET_MAX_BYTES 16384u
#define MEMORY_PER_CONNECTION ((size_t)64 << 10) /* for the request's head */

struct serve {
    struct env *env;
    struct registry *registry;
    struct MHD_Daemon *daemon;
    char *user, *password;
    struct buf certificate, key;
    size_t body_max_bytes;
};

/* One request, from its first line on. */
struct request {
    struct buf target, body;
    bool too_long; /* the target */
    bool answered;
};

/* The first thing that is called for a request: the path and query as they came, before anything is decoded. */
static void *on_target(void *ctx, const char *target, struct MHD_Connection *connection)
{
    struct request *q = check_calloc(1, sizeof(*q));
    const struct serve *s = ctx;

    (void)connection;
    buf_init(&q->target, TARGET_MAX_BYTES);
    buf_init(&q->body, s->body_max_bytes);
    buf_puts(&q->target, target);
    q->too_long = q->target.overflow;
    return q;
}

static void on_completed(void *ctx, struct MHD_Connection *connection, void **request,
                         enum MHD_RequestTerminationCode why)
{
    struct request *q = *request;

    (void)ctx;
    (void)connection;
    (void)why;
    if (!q)
        return;
    buf_release(&q->target);
    buf_release(&q->body);
    free(q);
    *request = NULL;
}

/* What is percent-encoded stays so: a subject may hold a slash. */
static size_t keep_encoded(void *ctx, struct MHD_Connection *connection, char *text)
{
    (void)ctx;
    (void)connection;
    return strlen(text);
}

/* --- answering --------------------------------------------------------------------------------------- */

/* The media type that the client asks for, of those that mean the same. */
static const char *media_type(struct MHD_Connection *c)
{
    const char *accept = MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);

    if (!accept || strstr(accept, "vnd.schemaregistry.v1") || strstr(accept, "*/*") || !strstr(accept, "json"))
        return REGISTRY_MEDIA_TYPE;
    return strstr(accept, "vnd.schemaregistry+json") ? "application/vnd.schemaregistry+json" : "application/json";
}

static enum MHD_Result answer(struct MHD_Connection *c, int status, struct str body, const char *challenge)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(body.n, (void *)(uintptr_t)body.p, MHD_RESPMEM_MUST_COPY);
    enum MHD_Result rc;

    if (!r)
        return MHD_NO;
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, media_type(c));
    if (challenge)
        MHD_add_response_header(r, MHD_HTTP_HEADER_WWW_AUTHENTICATE, challenge);
    if (status == MHD_HTTP_CONTENT_TOO_LARGE)
        MHD_add_response_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
    rc = MHD_queue_response(c, (unsigned)status, r);
    MHD_destroy_response(r);
    return rc;
}

static enum MHD_Result answer_error(struct MHD_Connection *c, int status, const char *message, const char *challenge)
{
    struct buf b;
    enum MHD_Result rc;

    buf_init(&b, 0);
    buf_printf(&b, "{\"error_code\":%d,\"message\":", status);
    json_add_string(&b, str_of(message));
    buf_putc(&b, '}');
    rc = answer(c, status, buf_str(&b), challenge);
    buf_release(&b);
    return rc;
}

/* Takes as long for a wrong one as for a right one. */
static bool same_secret(const char *a, const char *b)
{
    uint8_t x[32], y[32];

    hash_sha256(a, strlen(a), x);
    hash_sha256(b, strlen(b), y);
    return CRYPTO_memcmp(x, y, sizeof(x)) == 0;
}

static bool may_enter(const struct serve *s, struct MHD_Connection *c)
{
    char *password = NULL, *user;
    bool ok;

    if (!s->user)
        return true;
    user = MHD_basic_auth_get_username_password(c, &password);
    ok = user && password;
    ok = ok && same_secret(user, s->user);
    ok = ok && same_secret(password, s->password);
    MHD_free(user);
    MHD_free(password);
    return ok;
}

static enum MHD_Result serve_request(struct serve *s, struct MHD_Connection *c, const char *method, struct request *q)
{
    const bool head = strcmp(method, "HEAD") == 0;
    struct registry_request request = {str_of(head ? "GET" : method), buf_str(&q->target), buf_str(&q->body)};
    struct registry_response response = {0};
    enum MHD_Result rc;

    buf_init(&response.body, 0);
    registry_serve(s->registry, &request, &response);
    log_debug(s->env, "http", "%s " STR_FMT " %d", method, STR_ARG(request.target), response.status);
    rc = answer(c, response.status, buf_str(&response.body), NULL);
    buf_release(&response.body);
    return rc;
}

/* Called when the head is there, with each piece of the body, and at its end. */
static enum MHD_Result on_request(void *ctx, struct MHD_Connection *c, const char *url, const char *method,
                                  const char *version, const char *data, size_t *n_data, void **state)
{
    struct serve *s = ctx;
    struct request *q = *state;

    (void)url;
    (void)version;
    if (!q)
        return MHD_NO;
    if (*n_data > 0) {
        if (!q->body.overflow)
            buf_add(&q->body, data, *n_data);
        *n_data = 0;
        return MHD_YES;
    }
    if (!q->answered) { /* the head: refuse before the body is read */
        const char *length = MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
        int64_t n;

        q->answered = true;
        if (!may_enter(s, c))
            return answer_error(c, MHD_HTTP_UNAUTHORIZED, "Unauthorized", "Basic realm=\"schema registry\"");
        if (q->too_long)
            return answer_error(c, MHD_HTTP_URI_TOO_LONG, "the path is too long", NULL);
        if (length && str_to_int64(str_of(length), 0, INT64_MAX, &n) && n > (int64_t)s->body_max_bytes)
            return answer_error(c, MHD_HTTP_CONTENT_TOO_LARGE, "the body is too big", NULL);
        return MHD_YES;
    }
    if (q->body.overflow)
        return answer_error(c, MHD_HTTP_CONTENT_TOO_LARGE, "the body is too big", NULL);
    return serve_request(s, c, method, q);
}

/* --- starting ---------------------------------------------------------------------------------------- */

static void on_log(void *ctx, const char *fmt, va_list args) __attribute__((format(printf, 2, 0)));
static void on_log(void *ctx, const char *fmt, va_list args)
{
    const struct serve *s = ctx;
    char line[512];
    size_t n;

    vsnprintf(line, sizeof(line), fmt, args);
    n = strlen(line);
    while (n > 0 && line[n - 1] == '\n')
        line[--n] = '\0';
    log_debug(s->env, "http", "%s", line);
}

static enum ig_code start_at(struct serve *s, const struct serve_options *o, const struct addrinfo *at,
                             struct error *err)
{
    unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, s->certificate.p},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, s->key.p},
        {MHD_OPTION_END, 0, NULL},
    };

    if (at->ai_family == AF_INET6)
        flags |= MHD_USE_IPv6;
    if (o->certificate)
        flags |= MHD_USE_TLS;
    else
        tls[0].option = MHD_OPTION_END;
    s->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER, on_log, s, MHD_OPTION_SOCK_ADDR, at->ai_addr,
        MHD_OPTION_URI_LOG_CALLBACK, on_target, s, MHD_OPTION_UNESCAPE_CALLBACK, keep_encoded, NULL,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_CONNECTION_LIMIT,
        o->connections_max ? o->connections_max : CONNECTIONS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        CONNECTIONS_PER_ADDRESS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, o->idle_s ? o->idle_s : IDLE_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, MEMORY_PER_CONNECTION, MHD_OPTION_THREAD_STACK_SIZE, (size_t)2 << 20,
        MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
    return s->daemon ? IG_OK : error_errno(err, errno ? errno : EADDRINUSE, "listen on %s:%d", o->host, o->port);
}

static enum ig_code listen_on(struct serve *s, const struct serve_options *o, struct error *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *list = NULL;
    enum ig_code rc = IG_OK;
    char port[16];
    int e;

    snprintf(port, sizeof(port), "%d", o->port);
    e = getaddrinfo(o->host, port, &hints, &list);
    if (e != 0)
        return error_set(err, IG_INVALID, "listen on %s:%d: %s", o->host, o->port, gai_strerror(e));
    errno = 0;
    rc = start_at(s, o, list, err);
    freeaddrinfo(list);
    return rc;
}

static enum ig_code read_tls(struct serve *s, const struct serve_options *o, struct error *err)
{
    if (!o->certificate)
        return IG_OK;
    if (!o->key)
        return error_set(err, IG_INVALID, "a certificate needs its key");
    if (MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES)
        return error_set(err, IG_UNSUPPORTED, "this libmicrohttpd was built without TLS");
    IG_TRY(env_read_file(s->env, o->certificate, &s->certificate, err));
    return env_read_file(s->env, o->key, &s->key, err);
}

enum ig_code serve_start(struct env *env, const struct serve_options *options, struct registry *registry,
                         struct serve **out, struct error *err)
{
    struct serve *s = check_calloc(1, sizeof(*s));
    enum ig_code rc;

    s->env = env;
    s->registry = registry;
    s->body_max_bytes = options->body_max_bytes ? options->body_max_bytes : BODY_MAX_BYTES;
    s->user = options->user ? check_strdup(options->user) : NULL;
    s->password = check_strdup(options->password ? options->password : "");
    buf_init(&s->certificate, (size_t)1 << 20);
    buf_init(&s->key, (size_t)1 << 20);
    rc = read_tls(s, options, err);
    if (rc == IG_OK)
        rc = listen_on(s, options, err);
    if (rc != IG_OK) {
        serve_stop(s);
        return error_context(err, rc, "http");
    }
    *out = s;
    return IG_OK;
}

int serve_port(const struct serve *s)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_BIND_PORT);

    return info ? info->port : 0;
}

void serve_stop(struct serve *s)
{
    if (!s)
        return;
    if (s->daemon)
        MHD_stop_daemon(s->daemon);
    if (s->key.p)
        OPENSSL_cleanse(s->key.p, s->key.n);
    OPENSSL_cleanse(s->password, strlen(s->password));
    buf_release(&s->certificate);
    buf_release(&s->key);
    free(s->user);
    free(s->password);
    free(s);
}
