/* Getting tokens: the four ways to ask Google for one. */
#include "store/gcs_auth.h"

#include <inttypes.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>

#define SCOPE "https://www.googleapis.com/auth/devstorage.read_write"
#define SCOPE_ALL "https://www.googleapis.com/auth/cloud-platform"
#define JWT_S 3600
#define ANSWER_BYTES_MAX ((size_t)1 << 20)
#define NEAR_TRIES 3
#define SUBJECT_BYTES_MAX ((size_t)1 << 20)

/* --- asking ------------------------------------------------------------------------------------------------- */

struct asking {
    const char *method, *url;
    const char *const *headers;
    size_t n_headers;
    struct str body;
    struct buf *out;
};

static enum ig_code prepare(void *ctx, unsigned try, struct http_request *request, struct error *err)
{
    const struct asking *k = ctx;

    (void)try;
    (void)err;
    *request = (struct http_request){.method = k->method,
                                     .url = k->url,
                                     .headers = k->headers,
                                     .n_headers = k->n_headers,
                                     .body = k->body,
                                     .out = k->out};
    return IG_OK;
}

/* What a token endpoint says of why not. Never the body: it may hold what we sent. */
static void add_reason(struct str body, struct buf *out)
{
    struct json_value v;

    if (json_member(body, "error", &v) && v.type == JSON_OBJECT) {
        (void)json_member_string(v.raw, "message", out);
        return;
    }
    (void)json_member_string(body, "error", out);
    if (out->n)
        buf_puts(out, ": ");
    (void)json_member_string(body, "error_description", out);
}

/* The metadata server is near, or not there at all: asked a few times only, as most machines have none. */
static enum ig_code send_near(struct http_client *http, struct asking *k, struct http_response *response,
                              struct error *err)
{
    struct http_request request;
    enum ig_code rc = prepare(k, 0, &request, err);

    for (int i = 0; !rc && i < NEAR_TRIES; i++) {
        rc = http_send(http, &request, response, err);
        if (rc != IG_UNAVAILABLE && (rc || http_judge_status(response) == HTTP_DONE))
            break;
        rc = i + 1 < NEAR_TRIES ? IG_OK : rc;
    }
    return rc;
}

static enum ig_code ask(struct http_client *http, const struct gcs_identity *who, struct asking *k, struct error *err)
{
    const struct http_job job = {.prepare = prepare, .ctx = k};
    struct http_response response;
    struct buf reason;
    enum ig_code rc;

    http_response_init(&response);
    buf_init(&reason, 2000);
    rc = who->kind == GCS_METADATA ? send_near(http, k, &response, err) : http_run(http, &job, &response, err);
    if (!rc && response.status / 100 != 2) {
        const bool later = http_judge_status(&response) != HTTP_DONE;

        add_reason(buf_str(&response.body), &reason);
        rc = error_set(err, later ? IG_UNAVAILABLE : IG_INVALID, "%s answers %d%s%s", k->url, response.status,
                       reason.n ? ": " : "", buf_cstr(&reason));
    }
    if (rc)
        rc = error_context(err, rc, "a token for Google Cloud Storage, credentials %s", who->from);
    buf_release(&reason);
    http_response_release(&response);
    return rc;
}

static void add_field(struct buf *form, const char *name, const char *value)
{
    buf_printf(form, "%s%s=", form->n ? "&" : "", name);
    http_add_encoded(form, str_of(value), false);
}

/* {"access_token": ..., "expires_in": ...}; its times are from now on, as the peer's clock may be another. */
static enum ig_code take_token(struct env *env, const struct gcs_identity *who, struct str answer,
                               struct gcs_token *out, struct error *err)
{
    int64_t seconds = 0;
    size_t end;

    buf_clear(&out->text);
    if (!json_member_string(answer, "access_token", &out->text) || out->text.n == 0)
        return error_set(err, IG_CORRUPT, "the answer to credentials %s holds no access_token", who->from);
    end = strcspn(out->text.p, "\r\n");
    if (end != out->text.n)
        return error_set(err, IG_CORRUPT, "the access_token for credentials %s is not one line", who->from);
    if (!json_member_int64(answer, "expires_in", &seconds) || seconds < 0 || seconds > 7 * 24 * 3600)
        seconds = 0; /* unknown: good for this request */
    out->until_ms = env_now_ms(env) + seconds * 1000;
    return IG_OK;
}

static enum ig_code ask_by_form(struct env *env, struct http_client *http, const struct gcs_identity *who,
                                const struct buf *form, struct gcs_token *out, struct error *err)
{
    static const char *const headers[] = {"Content-Type: application/x-www-form-urlencoded",
                                          "Accept: application/json"};
    struct buf answer;
    struct asking k = {"POST", who->token_url, headers, IG_COUNT(headers), buf_str(form), &answer};
    enum ig_code rc;

    buf_init(&answer, ANSWER_BYTES_MAX);
    rc = ask(http, who, &k, err);
    if (!rc)
        rc = take_token(env, who, buf_str(&answer), out, err);
    buf_release(&answer);
    return rc;
}

/* --- service accounts ----------------------------------------------------------------------------------------- */

static void add_base64url(struct buf *out, const void *p, size_t n)
{
    char *text = check_malloc(n / 3 * 4 + 8);
    int length = EVP_EncodeBlock((unsigned char *)text, p, (int)n);

    while (length > 0 && text[length - 1] == '=')
        length--;
    for (int i = 0; i < length; i++)
        buf_putc(out, text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i]);
    free(text);
}

static enum ig_code add_signature(EVP_PKEY *key, struct str text, struct buf *out)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char *signature = NULL;
    size_t n = 0;
    bool ok = ctx && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
              EVP_DigestSign(ctx, NULL, &n, (const unsigned char *)text.p, text.n) == 1;

    if (ok) {
        signature = check_malloc(n);
        ok = EVP_DigestSign(ctx, signature, &n, (const unsigned char *)text.p, text.n) == 1;
    }
    if (ok)
        add_base64url(out, signature, n);
    free(signature);
    EVP_MD_CTX_free(ctx);
    return ok ? IG_OK : IG_INVALID;
}

enum ig_code gcs_add_jwt(struct env *env, const struct gcs_identity *who, struct buf *out, struct error *err)
{
    const int64_t now_s = env_now_ms(env) / 1000;
    BIO *bio = BIO_new_mem_buf(who->private_key, -1);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
    struct buf head, claims;
    enum ig_code rc = IG_INVALID;

    buf_init(&head, 0);
    buf_init(&claims, 0);
    buf_puts(&head, "{\"alg\":\"RS256\",\"typ\":\"JWT\"");
    if (who->private_key_id) {
        buf_puts(&head, ",\"kid\":");
        json_add_string(&head, str_of(who->private_key_id));
    }
    buf_putc(&head, '}');
    buf_puts(&claims, "{\"iss\":");
    json_add_string(&claims, str_of(who->email));
    buf_puts(&claims, ",\"scope\":\"" SCOPE "\",\"aud\":");
    json_add_string(&claims, str_of(who->token_url));
    buf_printf(&claims, ",\"iat\":%" PRId64 ",\"exp\":%" PRId64 "}", now_s, now_s + JWT_S);
    add_base64url(out, head.p, head.n);
    buf_putc(out, '.');
    add_base64url(out, claims.p, claims.n);
    if (key && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA) {
        struct buf signature;

        buf_init(&signature, 0);
        rc = add_signature(key, buf_str(out), &signature);
        buf_putc(out, '.');
        buf_add_str(out, buf_str(&signature));
        buf_release(&signature);
    }
    if (rc)
        rc = error_set(err, rc, "the credentials %s: private_key is not a usable RSA key", who->from);
    ERR_clear_error();
    EVP_PKEY_free(key);
    BIO_free(bio);
    buf_release(&claims);
    buf_release(&head);
    return rc ? rc : buf_check(out, err, "a JWT");
}

static enum ig_code of_service_account(struct env *env, struct http_client *http, const struct gcs_identity *who,
                                       struct gcs_token *out, struct error *err)
{
    struct buf jwt, form;
    enum ig_code rc;

    buf_init(&jwt, 0);
    buf_init(&form, 0);
    rc = gcs_add_jwt(env, who, &jwt, err);
    add_field(&form, "grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
    add_field(&form, "assertion", buf_cstr(&jwt));
    if (!rc)
        rc = ask_by_form(env, http, who, &form, out, err);
    buf_release(&form);
    buf_release(&jwt);
    return rc;
}

static enum ig_code of_user(struct env *env, struct http_client *http, const struct gcs_identity *who,
                            struct gcs_token *out, struct error *err)
{
    struct buf form;
    enum ig_code rc;

    buf_init(&form, 0);
    add_field(&form, "grant_type", "refresh_token");
    add_field(&form, "client_id", who->client_id);
    add_field(&form, "client_secret", who->client_secret);
    add_field(&form, "refresh_token", who->refresh_token);
    rc = ask_by_form(env, http, who, &form, out, err);
    buf_release(&form);
    return rc;
}

/* --- workload identity federation ----------------------------------------------------------------------------- */

static enum ig_code read_subject(struct env *env, struct http_client *http, const struct gcs_identity *who,
                                 struct buf *token, struct error *err)
{
    struct asking k = {.method = "GET", .url = who->subject_url};
    struct buf raw;
    enum ig_code rc;

    buf_init(&raw, SUBJECT_BYTES_MAX);
    if (who->subject_file) { /* read each time: who runs us renews it */
        rc = env_read_file(env, who->subject_file, &raw, err);
        if (rc)
            rc = error_context(err, rc, "the subject token for credentials %s", who->from);
    } else {
        k.headers = who->subject_headers;
        k.n_headers = who->n_subject_headers;
        k.out = &raw;
        rc = ask(http, who, &k, err);
    }
    if (!rc && who->subject_field) {
        if (!json_member_string(buf_str(&raw), who->subject_field, token))
            rc = error_set(err, IG_INVALID, "the subject token for credentials %s has no member %s", who->from,
                           who->subject_field);
    } else if (!rc) {
        while (raw.n && strchr(" \t\r\n", raw.p[raw.n - 1]))
            raw.n--;
        buf_add_str(token, buf_str(&raw));
    }
    buf_release(&raw);
    return rc;
}

/* Changes a token for the one of a service account. */
static enum ig_code impersonate(struct env *env, struct http_client *http, const struct gcs_identity *who,
                                struct gcs_token *token, struct error *err)
{
    struct buf authorization, body, answer, until;
    const char *headers[] = {"Content-Type: application/json", NULL};
    struct asking k = {"POST", who->impersonate_url, headers, IG_COUNT(headers), {0}, &answer};
    int64_t until_us = 0;
    enum ig_code rc;

    buf_init(&authorization, 0);
    buf_init(&body, 0);
    buf_init(&answer, ANSWER_BYTES_MAX);
    buf_init(&until, 0);
    buf_printf(&authorization, "Authorization: Bearer %s", buf_cstr(&token->text));
    headers[1] = buf_cstr(&authorization);
    buf_printf(&body, "{\"scope\":[\"" SCOPE "\"],\"lifetime\":\"%" PRId64 "s\"}", who->impersonate_s);
    k.body = buf_str(&body);
    rc = ask(http, who, &k, err);
    if (!rc) {
        buf_clear(&token->text);
        if (!json_member_string(buf_str(&answer), "accessToken", &token->text) || token->text.n == 0 ||
            strcspn(token->text.p, "\r\n") != token->text.n)
            rc = error_set(err, IG_CORRUPT, "the answer of %s holds no accessToken", who->impersonate_url);
        if (json_member_string(buf_str(&answer), "expireTime", &until) && timestamp_parse(buf_str(&until), &until_us))
            token->until_ms = until_us / 1000;
        else
            token->until_ms = env_now_ms(env);
    }
    buf_release(&until);
    buf_release(&answer);
    buf_release(&body);
    buf_release(&authorization);
    return rc;
}

static enum ig_code of_federated(struct env *env, struct http_client *http, const struct gcs_identity *who,
                                 struct gcs_token *out, struct error *err)
{
    struct buf subject, form;
    enum ig_code rc;

    buf_init(&subject, SUBJECT_BYTES_MAX);
    buf_init(&form, 0);
    rc = read_subject(env, http, who, &subject, err);
    add_field(&form, "grant_type", "urn:ietf:params:oauth:grant-type:token-exchange");
    add_field(&form, "audience", who->audience);
    add_field(&form, "scope", who->impersonate_url ? SCOPE_ALL : SCOPE);
    add_field(&form, "requested_token_type", "urn:ietf:params:oauth:token-type:access_token");
    add_field(&form, "subject_token_type", who->subject_token_type);
    add_field(&form, "subject_token", buf_cstr(&subject));
    if (!rc)
        rc = ask_by_form(env, http, who, &form, out, err);
    if (!rc && who->impersonate_url)
        rc = impersonate(env, http, who, out, err);
    buf_release(&form);
    buf_release(&subject);
    return rc;
}

/* --- the metadata server --------------------------------------------------------------------------------------- */

static enum ig_code of_machine(struct env *env, struct http_client *http, const struct gcs_identity *who,
                               struct gcs_token *out, struct error *err)
{
    static const char *const headers[] = {"Metadata-Flavor: Google"};
    const char *host = getenv("GCE_METADATA_HOST");
    struct asking k = {.method = "GET", .headers = headers, .n_headers = IG_COUNT(headers)};
    struct buf url, answer;
    enum ig_code rc;

    buf_init(&url, 0);
    buf_init(&answer, ANSWER_BYTES_MAX);
    buf_printf(&url, "http://%s/computeMetadata/v1/instance/service-accounts/default/token",
               host && *host ? host : "metadata.google.internal");
    k.url = buf_cstr(&url);
    k.out = &answer;
    rc = ask(http, who, &k, err);
    if (!rc)
        rc = take_token(env, who, buf_str(&answer), out, err);
    else
        rc = error_context(err, rc, "no credentials are named by GOOGLE_APPLICATION_CREDENTIALS or kept by gcloud");
    buf_release(&answer);
    buf_release(&url);
    return rc;
}

enum ig_code gcs_token_fetch(struct env *env, struct http_client *http, const struct gcs_identity *who,
                             struct gcs_token *out, struct error *err)
{
    switch (who->kind) {
    case GCS_SERVICE_ACCOUNT:
        return of_service_account(env, http, who, out, err);
    case GCS_USER:
        return of_user(env, http, who, out, err);
    case GCS_FEDERATED:
        return of_federated(env, http, who, out, err);
    case GCS_METADATA:
        return of_machine(env, http, who, out, err);
    case GCS_IMPERSONATED:
        IG_TRY(gcs_token_fetch(env, http, who->inner, out, err));
        return impersonate(env, http, who, out, err);
    case GCS_NOBODY:
        break;
    }
    IG_UNREACHABLE("nobody has no token");
}
