/* What the sources of credentials share. */
#ifndef STORE_CREDENTIALS_INTERNAL_H
#define STORE_CREDENTIALS_INTERNAL_H

#include "store/credentials.h"

/* What a source needs. */
struct credential_source {
    struct env *env;
    struct http_client *http;       /* STS */
    struct http_client *link_local; /* metadata of the machine: short time limits, never through a proxy */
    const char *profile, *region;
};

/* Each: IG_OK with `out` filled in; IG_NOT_FOUND if nothing is configured there; else why it does not work. */
typedef enum ig_code credential_source_fn(const struct credential_source *s, struct credential_set *out,
                                          struct error *err);
credential_source_fn credentials_of_environment, credentials_of_web_identity, credentials_of_profile,
    credentials_of_container, credentials_of_instance;

/* Exchanges at STS. `with` NULL: by the web identity token in `token`. */
struct sts_role {
    const char *role_arn, *session_name, *external_id; /* the latter two may be NULL */
    struct str token;
};
IG_MUST_CHECK enum ig_code credentials_assume_role(const struct credential_source *s, const struct sts_role *role,
                                                   const struct credential_set *with, struct credential_set *out,
                                                   struct error *err);
/* By a file that holds the token. */
IG_MUST_CHECK enum ig_code credentials_assume_role_by_file(const struct credential_source *s, const char *role_arn,
                                                           const char *session_name, const char *token_file,
                                                           struct credential_set *out, struct error *err);

/* An environment variable that is set and not empty, else NULL. */
const char *credentials_env(const char *name);

#endif
