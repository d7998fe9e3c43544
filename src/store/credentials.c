#include "store/credentials.h"

#include "store/credentials_internal.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>

#define REFRESH_BEFORE_MS (5 * 60 * 1000)
#define LINK_LOCAL_CONNECT_MS 1000
#define LINK_LOCAL_IDLE_MS 2000
#define LINK_LOCAL_RETRY_MS 5000

struct credentials {
    struct credential_source source;
    char *profile, *region;
    pthread_mutex_t lock; /* guards what follows; held while fetching, so that one thread fetches */
    struct credential_set now;
};

const char *credentials_env(const char *name)
{
    const char *value = getenv(name);

    return value && *value ? value : NULL;
}

static void free_secret(char *s)
{
    if (s)
        OPENSSL_cleanse(s, strlen(s));
    free(s);
}

void credential_set_release(struct credential_set *s)
{
    free(s->access_key);
    free_secret(s->secret_key);
    free_secret(s->session_token);
    *s = (struct credential_set){0};
}

static struct credential_set copy_set(const struct credential_set *s)
{
    return (struct credential_set){
        .access_key = check_strdup(s->access_key),
        .secret_key = check_strdup(s->secret_key),
        .session_token = s->session_token ? check_strdup(s->session_token) : NULL,
        .expires_ms = s->expires_ms,
    };
}

enum ig_code credentials_new(struct env *env, const struct credentials_options *options, struct credentials **out,
                             struct error *err)
{
    struct credentials *c = check_calloc(1, sizeof(*c));
    struct http_options link_local = {
        .direct = true,
        .connect_ms = LINK_LOCAL_CONNECT_MS,
        .idle_ms = LINK_LOCAL_IDLE_MS,
        .retry_ms = LINK_LOCAL_RETRY_MS,
        .tries = 3,
        .connections = 4,
    };
    enum ig_code rc;

    pthread_mutex_init(&c->lock, NULL);
    c->profile = options->profile ? check_strdup(options->profile) : NULL;
    c->region = check_strdup(options->region);
    c->source = (struct credential_source){.env = env, .profile = c->profile, .region = c->region};
    rc = http_client_new(env, &options->http, &c->source.http, err);
    if (!rc)
        rc = http_client_new(env, &link_local, &c->source.link_local, err);
    if (rc) {
        credentials_free(c);
        return rc;
    }
    *out = c;
    return IG_OK;
}

void credentials_free(struct credentials *c)
{
    if (!c)
        return;
    credential_set_release(&c->now);
    http_client_free(c->source.http);
    http_client_free(c->source.link_local);
    pthread_mutex_destroy(&c->lock);
    free(c->profile);
    free(c->region);
    free(c);
}

enum ig_code credentials_of_environment(const struct credential_source *s, struct credential_set *out,
                                        struct error *err)
{
    const char *access = credentials_env("AWS_ACCESS_KEY_ID"), *secret = credentials_env("AWS_SECRET_ACCESS_KEY");
    const char *token = credentials_env("AWS_SESSION_TOKEN");

    (void)s;
    if (!access && !secret)
        return error_set(err, IG_NOT_FOUND, "AWS_ACCESS_KEY_ID is not set");
    if (!access || !secret)
        return error_set(err, IG_INVALID, "of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY only one is set");
    *out = (struct credential_set){check_strdup(access), check_strdup(secret), token ? check_strdup(token) : NULL, 0};
    return IG_OK;
}

enum ig_code credentials_of_web_identity(const struct credential_source *s, struct credential_set *out,
                                         struct error *err)
{
    const char *file = credentials_env("AWS_WEB_IDENTITY_TOKEN_FILE"), *role = credentials_env("AWS_ROLE_ARN");

    if (!file || !role)
        return error_set(err, IG_NOT_FOUND, "AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN are not set");
    return credentials_assume_role_by_file(s, role, credentials_env("AWS_ROLE_SESSION_NAME"), file, out, err);
}

/* The first source that has some; what is configured and does not work ends the search, so that nobody works as
 * somebody else than they believe. */
static enum ig_code look_everywhere(struct credentials *c, struct credential_set *out, struct error *err)
{
    static const struct {
        const char *name;
        credential_source_fn *fn;
    } sources[] = {
        {"environment", credentials_of_environment},
        {"web identity", credentials_of_web_identity},
        {"profile", credentials_of_profile},
        {"container", credentials_of_container},
        {"instance metadata", credentials_of_instance},
    };
    struct buf why;
    enum ig_code rc = IG_NOT_FOUND;

    if (c->profile)
        return credentials_of_profile(&c->source, out, err);
    buf_init(&why, 0);
    for (size_t i = 0; i < IG_COUNT(sources) && rc == IG_NOT_FOUND; i++) {
        struct error found = {0};

        rc = sources[i].fn(&c->source, out, &found);
        if (rc == IG_NOT_FOUND)
            buf_printf(&why, "%s%s: %s", why.n ? "; " : "", sources[i].name, found.msg);
        else if (rc)
            error_set(err, rc, "AWS credentials by %s: %s", sources[i].name, found.msg);
    }
    if (rc == IG_NOT_FOUND)
        rc =
            error_set(err, IG_INVALID, "no AWS credentials (%s); a public bucket needs anonymous=true", buf_cstr(&why));
    buf_release(&why);
    return rc;
}

enum ig_code credentials_get(struct credentials *c, struct credential_set *out, struct error *err)
{
    const int64_t now_ms = env_now_ms(c->source.env);
    enum ig_code rc = IG_OK;

    pthread_mutex_lock(&c->lock);
    if (!c->now.access_key || (c->now.expires_ms && c->now.expires_ms - REFRESH_BEFORE_MS < now_ms)) {
        struct credential_set fresh = {0};

        rc = look_everywhere(c, &fresh, err);
        if (!rc) {
            credential_set_release(&c->now);
            c->now = fresh;
        } else if (c->now.access_key && c->now.expires_ms > now_ms) {
            rc = IG_OK; /* the old ones still hold for a while */
        }
    }
    if (!rc)
        *out = copy_set(&c->now);
    pthread_mutex_unlock(&c->lock);
    return rc == IG_NOT_FOUND ? IG_INVALID : rc;
}

void credentials_refused(struct credentials *c, const char *access_key)
{
    pthread_mutex_lock(&c->lock);
    if (c->now.access_key && strcmp(c->now.access_key, access_key) == 0)
        credential_set_release(&c->now);
    pthread_mutex_unlock(&c->lock);
}
