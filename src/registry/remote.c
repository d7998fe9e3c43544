/*
 * A registry elsewhere, over HTTP.
 */
#include "registry/store.h"

#include <curl/curl.h>
#include <stdlib.h>

#define ANSWER_MAX_BYTES ((size_t)64 << 20)

struct remote {
    struct env *env;
    char *url;  /* without a / at its end; may hold a password */
    char *name; /* for messages: without user and password */
};

enum ig_code remote_open(struct env *env, const char *url, struct remote **out, struct error *err)
{
    const char *host = strstr(url, "://"), *at;
    struct remote *x;
    size_t n = strlen(url);
    struct buf name;

    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
        return error_set(err, IG_INVALID, "a registry's URL begins with http:// or https://");
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
        return error_set(err, IG_IO, "libcurl does not start");
    x = check_calloc(1, sizeof(*x));
    x->env = env;
    while (n > 0 && url[n - 1] == '/')
        n--;
    x->url = check_calloc(1, n + 1);
    memcpy(x->url, url, n);
    host = x->url + (host - url) + 3;
    at = strrchr(host, '@');
    buf_init(&name, 0);
    buf_add(&name, x->url, (size_t)(host - x->url));
    buf_puts(&name, at ? at + 1 : host);
    x->name = buf_take(&name);
    *out = x;
    return IG_OK;
}

void remote_close(struct remote *x)
{
    if (!x)
        return;
    curl_global_cleanup();
    free(x->url);
    free(x->name);
    free(x);
}

static size_t take_answer(char *p, size_t size, size_t n, void *ctx)
{
    struct buf *body = ctx;

    buf_add(body, p, size * n);
    return body->overflow ? 0 : size * n;
}

enum ig_code remote_send(struct remote *x, const struct registry_request *request, struct registry_response *response,
                         struct error *err)
{
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = NULL;
    struct buf url, method;
    long status = 0;
    CURLcode rc;

    if (!curl)
        return error_set(err, IG_IO, "libcurl does not start");
    buf_init(&url, 0);
    buf_init(&method, 0);
    buf_puts(&url, x->url);
    buf_add_str(&url, request->target);
    buf_add_str(&method, request->method);
    headers = curl_slist_append(headers, "Content-Type: " REGISTRY_MEDIA_TYPE);
    headers = curl_slist_append(headers, "Accept: " REGISTRY_MEDIA_TYPE ", application/json");
    response->body.max = ANSWER_MAX_BYTES;
    curl_easy_setopt(curl, CURLOPT_URL, buf_cstr(&url));
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, buf_cstr(&method));
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    if (request->body.n) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.n);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body.p);
    }
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &response->body);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, 5000L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 30000L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    rc = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    buf_release(&url);
    buf_release(&method);
    response->status = (int)status;
    if (rc != CURLE_OK)
        return error_set(err, IG_UNAVAILABLE, "schema registry %s: %s", x->name, curl_easy_strerror(rc));
    if (status >= 500)
        return error_set(err, IG_UNAVAILABLE, "schema registry %s: HTTP %ld: %.300s", x->name, status,
                         buf_cstr(&response->body));
    if (status == 401 || status == 403)
        return error_set(err, IG_INVALID, "schema registry %s: HTTP %ld: it does not let us in", x->name, status);
    return IG_OK;
}
