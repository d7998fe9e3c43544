/* Google's credential files: where they are, and what they say. */
#include "store/gcs_auth.h"

#include <stdlib.h>

#define FILE_BYTES_MAX ((size_t)1 << 20)
#define IMPERSONATE_S 3600

static const char *text_of(struct arena *a, struct str object, const char *key)
{
    const char *text = NULL;
    struct buf b;

    buf_init(&b, FILE_BYTES_MAX);
    if (json_member_string(object, key, &b) && b.n && !memchr(b.p, '\0', b.n))
        text = arena_strndup(a, b.p, b.n);
    buf_release(&b);
    return text;
}

static enum ig_code lacks(const struct gcs_identity *who, const char *key, struct error *err)
{
    return error_set(err, IG_INVALID, "the credentials %s have no %s", who->from, key);
}

static enum ig_code read_service_account(struct arena *a, struct str file, struct gcs_identity *out, struct error *err)
{
    out->kind = GCS_SERVICE_ACCOUNT;
    out->email = text_of(a, file, "client_email");
    out->private_key = text_of(a, file, "private_key");
    out->private_key_id = text_of(a, file, "private_key_id");
    out->token_url = text_of(a, file, "token_uri");
    if (!out->token_url)
        out->token_url = "https://oauth2.googleapis.com/token";
    if (!out->email)
        return lacks(out, "client_email", err);
    return out->private_key ? IG_OK : lacks(out, "private_key", err);
}

static enum ig_code read_user(struct arena *a, struct str file, struct gcs_identity *out, struct error *err)
{
    out->kind = GCS_USER;
    out->token_url = "https://oauth2.googleapis.com/token";
    if (text_of(a, file, "token_uri"))
        out->token_url = text_of(a, file, "token_uri");
    out->client_id = text_of(a, file, "client_id");
    out->client_secret = text_of(a, file, "client_secret");
    out->refresh_token = text_of(a, file, "refresh_token");
    if (!out->client_id)
        return lacks(out, "client_id", err);
    if (!out->client_secret)
        return lacks(out, "client_secret", err);
    return out->refresh_token ? IG_OK : lacks(out, "refresh_token", err);
}

/* The headers to ask a URL for the subject token with. */
static enum ig_code read_headers(struct arena *a, struct str headers, struct gcs_identity *out, struct error *err)
{
    struct json_reader r;
    struct json_value v, key;
    struct buf b;

    buf_init(&b, 0);
    out->subject_headers = ARENA_ARRAY(a, const char *, 16);
    json_reader_init(&r, headers);
    json_begin(&r, &v);
    while (json_next_key(&r, &key) && json_read(&r, &v) && v.type == JSON_STRING && out->n_subject_headers < 16) {
        buf_clear(&b);
        json_unescape(&key, &b);
        buf_puts(&b, ": ");
        json_unescape(&v, &b);
        if (memchr(b.p, '\n', b.n) || memchr(b.p, '\r', b.n) || memchr(b.p, '\0', b.n))
            break;
        out->subject_headers[out->n_subject_headers++] = arena_strndup(a, b.p, b.n);
    }
    buf_release(&b);
    return json_end(&r) ? IG_OK : error_set(err, IG_INVALID, "the credentials %s: unusable headers", out->from);
}

static enum ig_code read_source(struct arena *a, struct str source, struct gcs_identity *out, struct error *err)
{
    struct json_value format, headers;
    const char *type;

    out->subject_file = text_of(a, source, "file");
    out->subject_url = text_of(a, source, "url");
    if (text_of(a, source, "environment_id"))
        return error_set(err, IG_UNSUPPORTED,
                         "the credentials %s: subject tokens of %s are not supported (file and "
                         "url are)",
                         out->from, text_of(a, source, "environment_id"));
    if (!out->subject_file && !out->subject_url)
        return error_set(err, IG_UNSUPPORTED,
                         "the credentials %s: credential_source has neither file nor url (others "
                         "are not supported)",
                         out->from);
    if (json_member(source, "headers", &headers) && headers.type == JSON_OBJECT)
        IG_TRY(read_headers(a, headers.raw, out, err));
    if (!json_member(source, "format", &format) || format.type != JSON_OBJECT)
        return IG_OK;
    type = text_of(a, format.raw, "type");
    if (!type || strcmp(type, "text") == 0)
        return IG_OK;
    out->subject_field = text_of(a, format.raw, "subject_token_field_name");
    if (strcmp(type, "json") != 0 || !out->subject_field)
        return error_set(err, IG_INVALID,
                         "the credentials %s: credential_source.format is neither text nor json with "
                         "a subject_token_field_name",
                         out->from);
    return IG_OK;
}

static enum ig_code read_federated(struct arena *a, struct str file, struct gcs_identity *out, struct error *err)
{
    struct json_value source, impersonation;

    out->kind = GCS_FEDERATED;
    out->audience = text_of(a, file, "audience");
    out->subject_token_type = text_of(a, file, "subject_token_type");
    out->token_url = text_of(a, file, "token_url");
    out->impersonate_url = text_of(a, file, "service_account_impersonation_url");
    if (json_member(file, "service_account_impersonation", &impersonation) && impersonation.type == JSON_OBJECT)
        (void)json_member_int64(impersonation.raw, "token_lifetime_seconds", &out->impersonate_s);
    if (!out->audience)
        return lacks(out, "audience", err);
    if (!out->subject_token_type)
        return lacks(out, "subject_token_type", err);
    if (!out->token_url)
        return lacks(out, "token_url", err);
    if (!json_member(file, "credential_source", &source) || source.type != JSON_OBJECT)
        return lacks(out, "credential_source", err);
    return read_source(a, source.raw, out, err);
}

static enum ig_code read_identity(struct arena *a, struct str file, bool nested, struct gcs_identity *out,
                                  struct error *err);

static enum ig_code read_impersonated(struct arena *a, struct str file, bool nested, struct gcs_identity *out,
                                      struct error *err)
{
    struct gcs_identity *inner = ARENA_NEW(a, struct gcs_identity);
    struct json_value source;

    out->kind = GCS_IMPERSONATED;
    out->inner = inner;
    inner->from = out->from;
    out->impersonate_url = text_of(a, file, "service_account_impersonation_url");
    if (!out->impersonate_url)
        return lacks(out, "service_account_impersonation_url", err);
    if (nested || !json_member(file, "source_credentials", &source) || source.type != JSON_OBJECT)
        return lacks(out, "source_credentials", err);
    return read_identity(a, source.raw, true, inner, err);
}

static enum ig_code read_identity(struct arena *a, struct str file, bool nested, struct gcs_identity *out,
                                  struct error *err)
{
    const char *type = text_of(a, file, "type");

    out->impersonate_s = IMPERSONATE_S;
    if (!type)
        return lacks(out, "type (they are not a JSON file of Google credentials)", err);
    if (strcmp(type, "service_account") == 0)
        return read_service_account(a, file, out, err);
    if (strcmp(type, "authorized_user") == 0)
        return read_user(a, file, out, err);
    if (strcmp(type, "external_account") == 0)
        return read_federated(a, file, out, err);
    if (strcmp(type, "impersonated_service_account") == 0)
        return read_impersonated(a, file, nested, out, err);
    return error_set(err, IG_UNSUPPORTED, "the credentials %s are of the type %s, which is not supported", out->from,
                     type);
}

static enum ig_code read_file(struct env *env, struct arena *a, const char *path, struct gcs_identity *out,
                              struct error *err)
{
    struct buf text;
    enum ig_code rc;

    out->from = arena_strdup(a, path);
    buf_init(&text, FILE_BYTES_MAX);
    rc = env_read_file(env, path, &text, err);
    if (!rc)
        rc = read_identity(a, buf_str(&text), false, out, err);
    buf_release(&text);
    return rc;
}

/* gcloud's file. */
static void add_well_known(struct buf *path)
{
    const char *config = getenv("CLOUDSDK_CONFIG"), *home = getenv("HOME");

    if (config && *config)
        buf_puts(path, config);
    else
        buf_printf(path, "%s/.config/gcloud", home ? home : "");
    buf_puts(path, "/application_default_credentials.json");
}

enum ig_code gcs_identity_find(struct env *env, struct arena *a, const char *credentials, struct gcs_identity *out,
                               struct error *err)
{
    const char *named = credentials ? credentials : getenv("GOOGLE_APPLICATION_CREDENTIALS");
    struct buf path;
    enum ig_code rc;

    *out = (struct gcs_identity){.kind = GCS_NOBODY, .from = "none"};
    if (credentials && strcmp(credentials, "none") == 0)
        return IG_OK;
    if (named && *named)
        return read_file(env, a, named, out, err);
    buf_init(&path, 0);
    add_well_known(&path);
    rc = read_file(env, a, buf_cstr(&path), out, err);
    if (rc == IG_NOT_FOUND) {
        *out = (struct gcs_identity){.kind = GCS_METADATA, .from = "the metadata server"};
        rc = IG_OK;
    }
    buf_release(&path);
    return rc;
}
