/*
 * Who we are to AWS: keys from the places where its own tools look, in this order:
 *
 *   1. AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
 *   2. AWS_WEB_IDENTITY_TOKEN_FILE with AWS_ROLE_ARN: exchanged at STS (Kubernetes service accounts)
 *   3. a profile of ~/.aws/credentials and ~/.aws/config (AWS_PROFILE, else "default"): keys, a role to assume with
 *      another profile's keys, or a web identity
 *   4. a container's: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI (ECS, EKS pod identity)
 *   5. instance metadata, version 2 (version 1 only where AWS_EC2_METADATA_V1_DISABLED=false says so)
 *
 * A profile that is named in the store's URL is the only place looked at. What expires is fetched anew five minutes
 * before. Secrets are in no message and in no log.
 */
#ifndef STORE_CREDENTIALS_H
#define STORE_CREDENTIALS_H

#include "store/http.h"

struct credentials;

struct credential_set {
    char *access_key, *secret_key, *session_token; /* the token is NULL for keys that do not expire */
    int64_t expires_ms;                            /* 0: never */
};

/* `profile`: NULL for the order above. `region` is that of STS; `http` for its limits and certificates. */
struct credentials_options {
    const char *profile, *region;
    struct http_options http;
};

IG_MUST_CHECK enum ig_code credentials_new(struct env *env, const struct credentials_options *options,
                                           struct credentials **out, struct error *err);
void credentials_free(struct credentials *c); /* NULL is fine */

/* A copy of what is valid now, to be released. Any thread. IG_INVALID if there is none anywhere, saying where it was
 * looked for; IG_UNAVAILABLE if their source does not answer. */
IG_MUST_CHECK enum ig_code credentials_get(struct credentials *c, struct credential_set *out, struct error *err);
/* The server says that these have expired or are not known (any more): the next get fetches others. */
void credentials_refused(struct credentials *c, const char *access_key);
void credential_set_release(struct credential_set *s);

/* Appends one setting of a profile (NULL: AWS_PROFILE or "default"), as "region"; false if it is not there. */
bool credentials_profile_setting(struct env *env, const char *profile, const char *key, struct buf *out);

#endif
