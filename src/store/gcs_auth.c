#include "store/gcs_auth.h"

#include <pthread.h>
#include <stdlib.h>

/* A token is renewed when it is good for less than this: a request that waits and is repeated still has a good one. */
#define RENEW_MS (INT64_C(225) * 1000)

struct gcs_auth {
    struct env *env;
    struct http_client *http;
    char *credentials;
    pthread_mutex_t lock; /* guards what follows; held while a token is fetched, since all others need that one too */
    bool found;
    struct arena arena;
    struct gcs_identity who;
    struct gcs_token token;
};

struct gcs_auth *gcs_auth_new(struct env *env, struct http_client *http, const char *credentials)
{
    struct gcs_auth *a = check_calloc(1, sizeof(*a));

    a->env = env;
    a->http = http;
    a->credentials = credentials ? check_strdup(credentials) : NULL;
    pthread_mutex_init(&a->lock, NULL);
    arena_init(&a->arena);
    buf_init(&a->token.text, 0);
    return a;
}

void gcs_auth_free(struct gcs_auth *a)
{
    if (!a)
        return;
    buf_release(&a->token.text);
    arena_release(&a->arena);
    pthread_mutex_destroy(&a->lock);
    free(a->credentials);
    free(a);
}

/* A new token, into its own place first: one that can not be renewed now is used as long as it is good. */
static enum ig_code renew(struct gcs_auth *a, struct error *err)
{
    struct gcs_token fresh = {.until_ms = 0};
    struct error found = {0};
    enum ig_code rc;

    buf_init(&fresh.text, 0);
    rc = gcs_token_fetch(a->env, a->http, &a->who, &fresh, &found);
    if (!rc) {
        buf_release(&a->token.text);
        a->token = fresh;
        return IG_OK;
    }
    buf_release(&fresh.text);
    if (a->token.text.n && a->token.until_ms > env_now_ms(a->env)) {
        log_warn(a->env, "store", "%s; the token that is there is good for %lld s more", found.msg,
                 (long long)(a->token.until_ms - env_now_ms(a->env)) / 1000);
        return IG_OK;
    }
    return error_set(err, rc, "%s", found.msg);
}

enum ig_code gcs_auth_header(struct gcs_auth *a, struct buf *out, struct error *err)
{
    enum ig_code rc = IG_OK;

    pthread_mutex_lock(&a->lock);
    if (!a->found) {
        rc = gcs_identity_find(a->env, &a->arena, a->credentials, &a->who, err);
        a->found = rc == IG_OK;
    }
    if (!rc && a->who.kind != GCS_NOBODY) {
        if (a->token.text.n == 0 || a->token.until_ms < env_now_ms(a->env) + RENEW_MS)
            rc = renew(a, err);
        if (!rc)
            buf_printf(out, "Authorization: Bearer %s", buf_cstr(&a->token.text));
    }
    pthread_mutex_unlock(&a->lock);
    return rc ? rc : buf_check(out, err, "a token");
}

void gcs_auth_refused(struct gcs_auth *a, const char *header)
{
    const char *space = strrchr(header, ' ');

    pthread_mutex_lock(&a->lock);
    /* unless another thread has renewed it already */
    if (space && a->token.text.n && strcmp(space + 1, buf_cstr(&a->token.text)) == 0)
        buf_clear(&a->token.text);
    pthread_mutex_unlock(&a->lock);
}
