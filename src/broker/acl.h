/*
 * Who may do what: operations and resources with the numbers that Kafka's protocol gives them.
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

/* What the one resource of type ACL_CLUSTER is called. */
#define ACL_CLUSTER_NAME "kafka-cluster"

#endif
