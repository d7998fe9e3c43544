/*
 * Users, access rules and quotas: those of the configuration, and those that administrators make through the protocol,
 * which are kept in one file of the data folder that nobody else may read. A change is on the disk before it is
 * answered, or it did not happen.
 */
#ifndef BROKER_SECURITY_H
#define BROKER_SECURITY_H

#include "broker/acl.h"
#include "broker/kafka_error.h"
#include "broker/quota.h"
#include "broker/users.h"

#include "conf/conf.h"

#define ANONYMOUS "User:ANONYMOUS"

struct security {
    struct env *env;
    const struct conf_broker *conf; /* may be NULL */
    char *path;
    struct users users;
    struct acls *acls;
    struct quotas *quotas;
    bool allow_without_acl;
};

/* `scram`: somebody may log in by it, so that salts must be made. */
IG_MUST_CHECK enum ig_code security_open(struct env *env, const char *dir, const struct conf_broker *conf, bool scram,
                                         struct security **out, struct error *err);
void security_close(struct security *s);
/* Writes all that was not configured. On failure everything is again as it was on the disk. */
IG_MUST_CHECK enum ig_code security_save(struct security *s, struct error *err);

bool security_is_super(const struct security *s, struct str principal);
bool security_may(const struct security *s, const struct acl_subject *who, enum acl_operation op,
                  enum acl_resource type, struct str name);
bool security_may_any(const struct security *s, const struct acl_subject *who, enum acl_operation op,
                      enum acl_resource type);

#endif
