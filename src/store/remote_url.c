/* URLs of remote stores and their options. */
#include "base/percent.h"
#include "store/http.h"
#include "store/remote.h"

#include <stdlib.h>

static const char *const common[] = {"cache",   "cache_bytes", "ca_file",    "connections", "connect_timeout",
                                     "timeout", "retries",     "retry_time", NULL};

const char *remote_url_option(const struct remote_url *u, const char *key)
{
    for (size_t i = 0; i < u->options.n; i++)
        if (strcmp(u->options.p[i].key, key) == 0)
            return u->options.p[i].value;
    return NULL;
}

void remote_url_release(struct remote_url *u)
{
    for (size_t i = 0; i < u->options.n; i++) {
        free(u->options.p[i].key);
        free(u->options.p[i].value);
    }
    vec_free(&u->options);
    free(u->whole);
    free(u->bucket);
    free(u->prefix);
    *u = (struct remote_url){0};
}

void remote_url_inherit(struct remote_url *u, const struct remote_url *from)
{
    for (size_t i = 0; i < from->options.n; i++) {
        const struct remote_option *o = &from->options.p[i];

        if (!remote_url_option(u, o->key))
            vec_push(&u->options, ((struct remote_option){check_strdup(o->key), check_strdup(o->value)}));
    }
}

static bool is_one_of(const char *key, const char *const *names)
{
    for (; names && *names; names++)
        if (strcmp(key, *names) == 0)
            return true;
    return false;
}

static char *decoded(struct str s)
{
    struct buf b;

    buf_init(&b, 0);
    if (!percent_decode(&b, s) || (b.n && memchr(b.p, '\0', b.n))) {
        buf_release(&b);
        return NULL;
    }
    return buf_take(&b);
}

static enum ig_code add_option(struct remote_url *u, struct str pair, const char *const *known, struct error *err)
{
    const char *equals = memchr(pair.p, '=', pair.n);
    const size_t n_key = equals ? (size_t)(equals - pair.p) : pair.n;
    struct remote_option o = {.key = decoded((struct str){pair.p, n_key})};
    enum ig_code rc = IG_OK;

    if (equals)
        o.value = decoded((struct str){equals + 1, pair.n - n_key - 1});
    if (!o.key || (!is_one_of(o.key, known) && !is_one_of(o.key, common)))
        rc = error_set(err, IG_INVALID, "store %s: \"%.*s\" is not an option of it", u->whole, (int)n_key, pair.p);
    else if (!o.value || !*o.value)
        rc = error_set(err, IG_INVALID, "store %s: the option %s has no value, or one that is not percent-encoded",
                       u->whole, o.key);
    else if (remote_url_option(u, o.key))
        rc = error_set(err, IG_INVALID, "store %s: the option %s is given twice", u->whole, o.key);
    if (rc) {
        free(o.key);
        free(o.value);
        return rc;
    }
    vec_push(&u->options, o);
    return IG_OK;
}

static enum ig_code read_options(struct remote_url *u, const char *text, const char *const *known, struct error *err)
{
    while (*text) {
        const size_t n = strcspn(text, "&");

        if (n)
            IG_TRY(add_option(u, (struct str){text, n}, known, err));
        text += n + (text[n] == '&');
    }
    return IG_OK;
}

/* A prefix is made of names, as objects' are. */
static bool prefix_ok(struct str p)
{
    char *copy = check_malloc(p.n + 1);
    bool ok;

    memcpy(copy, p.p, p.n);
    copy[p.n] = '\0';
    ok = p.n == 0 || store_name_ok(copy);
    free(copy);
    return ok;
}

enum ig_code remote_url_parse(const char *url, const char *const *known, struct remote_url *out, struct error *err)
{
    const char *colon = strchr(url, ':');
    size_t n = strcspn(url, "?#");
    const char *options = url[n] == '?' ? url + n + 1 : "";
    struct str place, bucket;
    struct buf b;
    enum ig_code rc = IG_OK;

    *out = (struct remote_url){0};
    IG_ASSERT(colon);
    buf_init(&b, 0);
    buf_add(&b, url, n);
    while (b.n && b.p[b.n - 1] == '/')
        b.p[--b.n] = '\0';
    n = b.n;
    out->whole = buf_take(&b);
    if (strncmp(colon, "://", 3) != 0 || (size_t)(colon - url) + 3 >= n) {
        rc = error_set(err, IG_INVALID, "store %s: a bucket is missing; write %.*s://BUCKET/PREFIX", out->whole,
                       (int)(colon - url), url);
        goto out;
    }
    place = (struct str){colon + 3, n - (size_t)(colon + 3 - url)};
    bucket = (struct str){place.p, strcspn(place.p, "/")};
    if (bucket.n > place.n)
        bucket.n = place.n;
    place.p += bucket.n < place.n ? bucket.n + 1 : bucket.n;
    place.n -= bucket.n < place.n ? bucket.n + 1 : bucket.n;
    if (bucket.n == 0 || memchr(bucket.p, '@', bucket.n) || !prefix_ok(place))
        rc = error_set(err, IG_INVALID, "store %s is not like %.*s://BUCKET/PREFIX (keys do not belong into it)",
                       memchr(bucket.p, '@', bucket.n) ? "URL" : out->whole, (int)(colon - url), url);
    buf_init(&b, 0);
    buf_add_str(&b, bucket);
    out->bucket = buf_take(&b);
    buf_init(&b, 0);
    buf_add_str(&b, place);
    buf_puts(&b, place.n ? "/" : "");
    out->prefix = buf_take(&b);
    if (!rc)
        rc = read_options(out, options, known, err);
out:
    if (rc)
        remote_url_release(out);
    return rc;
}

enum ig_code remote_url_cache_bytes(const struct remote_url *u, int64_t *bytes, struct error *err)
{
    const char *text = remote_url_option(u, "cache_bytes");

    *bytes = 0;
    if (text && (!str_to_bytes(str_of(text), bytes) || *bytes <= 0))
        return error_set(err, IG_INVALID, "store %s: cache_bytes=%s is not a size like 16GiB", u->whole, text);
    return IG_OK;
}

static enum ig_code read_duration(const struct remote_url *u, const char *key, int64_t *ms, struct error *err)
{
    const char *text = remote_url_option(u, key);

    if (text && (!str_to_duration_ms(str_of(text), ms) || *ms <= 0))
        return error_set(err, IG_INVALID, "store %s: %s=%s is not a time like 30s", u->whole, key, text);
    return IG_OK;
}

static enum ig_code read_count(const struct remote_url *u, const char *key, int64_t max, unsigned *out,
                               struct error *err)
{
    const char *text = remote_url_option(u, key);
    int64_t n = 0;

    if (text && !str_to_int64(str_of(text), 1, max, &n))
        return error_set(err, IG_INVALID, "store %s: %s=%s is not a number that makes sense there", u->whole, key,
                         text);
    *out = (unsigned)n;
    return IG_OK;
}

enum ig_code remote_url_http(const struct remote_url *u, struct http_options *out, struct error *err)
{
    int64_t bytes;

    *out = (struct http_options){.ca_file = remote_url_option(u, "ca_file")};
    IG_TRY(remote_url_cache_bytes(u, &bytes, err));
    IG_TRY(read_duration(u, "connect_timeout", &out->connect_ms, err));
    IG_TRY(read_duration(u, "timeout", &out->idle_ms, err));
    IG_TRY(read_duration(u, "retry_time", &out->retry_ms, err));
    IG_TRY(read_count(u, "retries", 100, &out->tries, err));
    return read_count(u, "connections", 1000, &out->connections, err);
}
