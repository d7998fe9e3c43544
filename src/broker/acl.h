/*
 * Who may do what: rules (ACLs) on resources, as Kafka has them, with the numbers that its protocol gives operations,
 * resources and patterns.
 *
 * A rule allows or denies a principal ("User:alice", or "User:*" for all), from a host ("*" for any), an operation on
 * the resources of one name, of all names ("*"), or of all names with a prefix. Deny wins. Some operations imply
 * others: who may read may describe.
 */
#ifndef BROKER_ACL_H
#define BROKER_ACL_H

#include "base/base.h"

enum acl_operation {
    ACL_OPERATION_UNKNOWN = 0,
    ACL_OPERATION_ANY = 1,
    ACL_OPERATION_ALL = 2,
    ACL_READ = 3,
    ACL_WRITE = 4,
    ACL_CREATE = 5,
    ACL_DELETE = 6,
    ACL_ALTER = 7,
    ACL_DESCRIBE = 8,
    ACL_CLUSTER_ACTION = 9,
    ACL_DESCRIBE_CONFIGS = 10,
    ACL_ALTER_CONFIGS = 11,
    ACL_IDEMPOTENT_WRITE = 12,
    ACL_CREATE_TOKENS = 13,
    ACL_DESCRIBE_TOKENS = 14,
    ACL_OPERATIONS,
};

enum acl_resource {
    ACL_RESOURCE_UNKNOWN = 0,
    ACL_RESOURCE_ANY = 1,
    ACL_TOPIC = 2,
    ACL_GROUP = 3,
    ACL_CLUSTER = 4,
    ACL_TRANSACTIONAL_ID = 5,
    ACL_DELEGATION_TOKEN = 6,
    ACL_USER = 7,
    ACL_RESOURCES,
};

enum acl_pattern { ACL_PATTERN_UNKNOWN, ACL_PATTERN_ANY, ACL_PATTERN_MATCH, ACL_LITERAL, ACL_PREFIXED, ACL_PATTERNS };
enum acl_permission { ACL_PERMISSION_UNKNOWN, ACL_PERMISSION_ANY, ACL_DENY, ACL_ALLOW, ACL_PERMISSIONS };

/* What the one resource of type ACL_CLUSTER is called. */
#define ACL_CLUSTER_NAME "kafka-cluster"
#define ACL_ANYBODY "User:*"

/* A rule; or, with NULL texts and the ANY and MATCH values, a filter of rules. */
struct acl {
    enum acl_resource type;
    enum acl_pattern pattern;
    enum acl_operation operation;
    enum acl_permission permission;
    struct str name, principal, host;
    bool fixed; /* stands in the configuration: not to be removed through the protocol */
};

struct acls;
struct acls *acls_new(void);
void acls_free(struct acls *as);
size_t acls_count(const struct acls *as);
const struct acl *acls_at(const struct acls *as, size_t i); /* by type, pattern, name */

/* NULL, or what is wrong with a rule. */
const char *acl_problem(const struct acl *a);
/* Copies it; one that is there already is no second one. */
void acls_add(struct acls *as, const struct acl *a);
bool acl_matches(const struct acl *a, const struct acl *filter);
/* How many went. */
size_t acls_remove(struct acls *as, const struct acl *filter);
void acls_remove_all(struct acls *as); /* but those that are fixed */

/* Who asks. */
struct acl_subject {
    struct str principal, host;
};
enum acl_verdict {
    ACL_NO_RULE, /* nothing is said of this resource */
    ACL_REFUSED,
    ACL_ALLOWED,
};
enum acl_verdict acls_decide(const struct acls *as, const struct acl_subject *who, enum acl_operation op,
                             enum acl_resource type, struct str name);
/* May they do that to any resource of this type at all? */
enum acl_verdict acls_decide_any(const struct acls *as, const struct acl_subject *who, enum acl_operation op,
                                 enum acl_resource type);
/* The operations that a type of resource knows, one bit each at its number. */
uint32_t acl_operations_of(enum acl_resource type);

/* "Read", "READ" or "read", as people and tools write it; 0 if it is none. */
enum acl_operation acl_operation_named(struct str name);

#endif
