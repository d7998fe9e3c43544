/*
 * Who we are to Google: OAuth tokens from whatever credentials the machine has, got when first needed, kept until
 * shortly before they end, shared by all threads.
 *
 * Looked for in this order: the store's option credentials=FILE; GOOGLE_APPLICATION_CREDENTIALS; gcloud's
 * application_default_credentials.json; the metadata server of Compute Engine, GKE and Cloud Run. A file holds a
 * service account's key, a user's refresh token, or the description of a workload identity federation (external_account
 * with a file or URL that gives the subject token), optionally with impersonation of a service account.
 */
#ifndef STORE_GCS_AUTH_H
#define STORE_GCS_AUTH_H

#include "store/http.h"

struct gcs_auth;

/* Reads nothing yet. `credentials` is a file's name, "none" for requests without a token, or NULL: looked for. */
struct gcs_auth *gcs_auth_new(struct env *env, struct http_client *http, const char *credentials);
void gcs_auth_free(struct gcs_auth *a); /* NULL is fine */

/* Appends "Authorization: Bearer ..." with a token that is good for minutes; nothing if there are no credentials. */
IG_MUST_CHECK enum ig_code gcs_auth_header(struct gcs_auth *a, struct buf *out, struct error *err);
/* The server did not take this header: the next one is made with a new token. */
void gcs_auth_refused(struct gcs_auth *a, const char *header);

/* --- what the parts of it share ------------------------------------------------------------------------------ */

enum gcs_identity_kind { GCS_NOBODY, GCS_SERVICE_ACCOUNT, GCS_USER, GCS_FEDERATED, GCS_METADATA, GCS_IMPERSONATED };

/* Credentials as a file has them. Texts are in the arena; NULL where not given. */
struct gcs_identity {
    enum gcs_identity_kind kind;
    const char *from; /* where it was found, for messages */
    const char *token_url;
    const char *email, *private_key, *private_key_id;      /* a service account's */
    const char *client_id, *client_secret, *refresh_token; /* a user's */
    const char *audience, *subject_token_type;             /* a federated workload's */
    const char *subject_file, *subject_url, *subject_field;
    const char **subject_headers; /* "Name: value" */
    size_t n_subject_headers;
    const char *impersonate_url;      /* the token is changed for the one of a service account */
    int64_t impersonate_s;            /* for how long */
    const struct gcs_identity *inner; /* GCS_IMPERSONATED: who asks for it */
};

/* Finds and reads the credentials. IG_NOT_FOUND says where was looked. */
IG_MUST_CHECK enum ig_code gcs_identity_find(struct env *env, struct arena *a, const char *credentials,
                                             struct gcs_identity *out, struct error *err);

struct gcs_token {
    struct buf text;
    int64_t until_ms; /* wall clock */
};

/* Asks for a token. */
IG_MUST_CHECK enum ig_code gcs_token_fetch(struct env *env, struct http_client *http, const struct gcs_identity *who,
                                           struct gcs_token *out, struct error *err);

/* The assertion that a service account signs to get a token: a JWT by RS256. */
IG_MUST_CHECK enum ig_code gcs_add_jwt(struct env *env, const struct gcs_identity *who, struct buf *out,
                                       struct error *err);

#endif
