/* The messages of authentication, access rights, users and quotas; messages.h says how to read the lists. */
#ifndef BROKER_MESSAGES_SECURITY_H
#define BROKER_MESSAGES_SECURITY_H

/* --- SaslHandshake (17) */
#define WIRE_LIST_sasl_handshake_request(S, F, A, T) F(S, string, mechanism, 0, V_MAX, 0)
#define WIRE_LIST_sasl_handshake_response(S, F, A, T) \
    F(S, int16, error_code, 0, V_MAX, 0)              \
    F(S, strings, mechanisms, 0, V_MAX, 0)

/* --- SaslAuthenticate (36) */
#define WIRE_LIST_sasl_authenticate_request(S, F, A, T) F(S, bytes, auth_bytes, 0, V_MAX, 0)
#define WIRE_LIST_sasl_authenticate_response(S, F, A, T) \
    F(S, int16, error_code, 0, V_MAX, 0)                 \
    F(S, nstring, error_message, 0, V_MAX, 0)            \
    F(S, bytes, auth_bytes, 0, V_MAX, 0)                 \
    F(S, int64, session_lifetime_ms, 1, V_MAX, 0)

/* --- DescribeAcls (29), CreateAcls (30), DeleteAcls (31) */
#define WIRE_LIST_acl_filter(S, F, A, T)            \
    F(S, int8, resource_type, 0, V_MAX, 0)          \
    F(S, nstring, resource_name, 0, V_MAX, 0)       \
    F(S, int8, pattern_type, 1, V_MAX, ACL_LITERAL) \
    F(S, nstring, principal, 0, V_MAX, 0)           \
    F(S, nstring, host, 0, V_MAX, 0)                \
    F(S, int8, operation, 0, V_MAX, 0)              \
    F(S, int8, permission_type, 0, V_MAX, 0)
#define WIRE_LIST_describe_acls_request(S, F, A, T) WIRE_LIST_acl_filter(S, F, A, T)
#define WIRE_LIST_acl_description(S, F, A, T) \
    F(S, string, principal, 0, V_MAX, 0)      \
    F(S, string, host, 0, V_MAX, 0)           \
    F(S, int8, operation, 0, V_MAX, 0)        \
    F(S, int8, permission_type, 0, V_MAX, 0)
#define WIRE_LIST_acl_resource(S, F, A, T)          \
    F(S, int8, resource_type, 0, V_MAX, 0)          \
    F(S, string, resource_name, 0, V_MAX, 0)        \
    F(S, int8, pattern_type, 1, V_MAX, ACL_LITERAL) \
    A(S, acl_description, acls, 0, V_MAX)
#define WIRE_LIST_describe_acls_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 0, V_MAX, 0)       \
    F(S, int16, error_code, 0, V_MAX, 0)             \
    F(S, nstring, error_message, 0, V_MAX, 0)        \
    A(S, acl_resource, resources, 0, V_MAX)
#define WIRE_LIST_acl_creation(S, F, A, T)          \
    F(S, int8, resource_type, 0, V_MAX, 0)          \
    F(S, string, resource_name, 0, V_MAX, 0)        \
    F(S, int8, pattern_type, 1, V_MAX, ACL_LITERAL) \
    F(S, string, principal, 0, V_MAX, 0)            \
    F(S, string, host, 0, V_MAX, 0)                 \
    F(S, int8, operation, 0, V_MAX, 0)              \
    F(S, int8, permission_type, 0, V_MAX, 0)
#define WIRE_LIST_create_acls_request(S, F, A, T) A(S, acl_creation, creations, 0, V_MAX)
#define WIRE_LIST_acl_creation_result(S, F, A, T) \
    F(S, int16, error_code, 0, V_MAX, 0)          \
    F(S, nstring, error_message, 0, V_MAX, 0)
#define WIRE_LIST_create_acls_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 0, V_MAX, 0)     \
    A(S, acl_creation_result, results, 0, V_MAX)
#define WIRE_LIST_delete_acls_request(S, F, A, T) A(S, acl_filter, filters, 0, V_MAX)
#define WIRE_LIST_deleted_acl(S, F, A, T)     \
    F(S, int16, error_code, 0, V_MAX, 0)      \
    F(S, nstring, error_message, 0, V_MAX, 0) \
    WIRE_LIST_acl_creation(S, F, A, T)
#define WIRE_LIST_delete_acls_result(S, F, A, T) \
    F(S, int16, error_code, 0, V_MAX, 0)         \
    F(S, nstring, error_message, 0, V_MAX, 0)    \
    A(S, deleted_acl, matching_acls, 0, V_MAX)
#define WIRE_LIST_delete_acls_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 0, V_MAX, 0)     \
    A(S, delete_acls_result, filter_results, 0, V_MAX)

/* --- DescribeClientQuotas (48), AlterClientQuotas (49). A value is a double's bits. */
#define WIRE_LIST_quota_component(S, F, A, T) \
    F(S, string, entity_type, 0, V_MAX, 0)    \
    F(S, int8, match_type, 0, V_MAX, 0)       \
    F(S, nstring, match, 0, V_MAX, 0)
#define WIRE_LIST_describe_quotas_request(S, F, A, T) \
    A(S, quota_component, components, 0, V_MAX)       \
    F(S, bool, strict, 0, V_MAX, 0)
#define WIRE_LIST_quota_entity(S, F, A, T) \
    F(S, string, entity_type, 0, V_MAX, 0) \
    F(S, nstring, entity_name, 0, V_MAX, 0)
#define WIRE_LIST_quota_value(S, F, A, T) \
    F(S, string, key, 0, V_MAX, 0)        \
    F(S, int64, value_bits, 0, V_MAX, 0)
#define WIRE_LIST_quota_entry(S, F, A, T) \
    A(S, quota_entity, entity, 0, V_MAX)  \
    A(S, quota_value, values, 0, V_MAX)
#define WIRE_LIST_describe_quotas_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 0, V_MAX, 0)         \
    F(S, int16, error_code, 0, V_MAX, 0)               \
    F(S, nstring, error_message, 0, V_MAX, 0)          \
    A(S, quota_entry, entries, 0, V_MAX)
#define WIRE_LIST_quota_operation(S, F, A, T) \
    F(S, string, key, 0, V_MAX, 0)            \
    F(S, int64, value_bits, 0, V_MAX, 0)      \
    F(S, bool, remove, 0, V_MAX, 0)
#define WIRE_LIST_quota_alteration(S, F, A, T) \
    A(S, quota_entity, entity, 0, V_MAX)       \
    A(S, quota_operation, ops, 0, V_MAX)
#define WIRE_LIST_alter_quotas_request(S, F, A, T) \
    A(S, quota_alteration, entries, 0, V_MAX)      \
    F(S, bool, validate_only, 0, V_MAX, 0)
#define WIRE_LIST_alter_quotas_result(S, F, A, T) \
    F(S, int16, error_code, 0, V_MAX, 0)          \
    F(S, nstring, error_message, 0, V_MAX, 0)     \
    A(S, quota_entity, entity, 0, V_MAX)
#define WIRE_LIST_alter_quotas_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 0, V_MAX, 0)      \
    A(S, alter_quotas_result, entries, 0, V_MAX)

/* --- DescribeUserScramCredentials (50), AlterUserScramCredentials (51) */
#define WIRE_LIST_scram_user(S, F, A, T) F(S, string, name, 0, V_MAX, 0)
#define WIRE_LIST_describe_scram_request(S, F, A, T) A(S, scram_user, users, 0, V_MAX)
#define WIRE_LIST_scram_credential(S, F, A, T) \
    F(S, int8, mechanism, 0, V_MAX, 0)         \
    F(S, int32, iterations, 0, V_MAX, 0)
#define WIRE_LIST_scram_user_result(S, F, A, T) \
    F(S, string, user, 0, V_MAX, 0)             \
    F(S, int16, error_code, 0, V_MAX, 0)        \
    F(S, nstring, error_message, 0, V_MAX, 0)   \
    A(S, scram_credential, credentials, 0, V_MAX)
#define WIRE_LIST_describe_scram_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 0, V_MAX, 0)        \
    F(S, int16, error_code, 0, V_MAX, 0)              \
    F(S, nstring, error_message, 0, V_MAX, 0)         \
    A(S, scram_user_result, results, 0, V_MAX)
#define WIRE_LIST_scram_deletion(S, F, A, T) \
    F(S, string, name, 0, V_MAX, 0)          \
    F(S, int8, mechanism, 0, V_MAX, 0)
#define WIRE_LIST_scram_upsertion(S, F, A, T) \
    F(S, string, name, 0, V_MAX, 0)           \
    F(S, int8, mechanism, 0, V_MAX, 0)        \
    F(S, int32, iterations, 0, V_MAX, 0)      \
    F(S, bytes, salt, 0, V_MAX, 0)            \
    F(S, bytes, salted_password, 0, V_MAX, 0)
#define WIRE_LIST_alter_scram_request(S, F, A, T) \
    A(S, scram_deletion, deletions, 0, V_MAX)     \
    A(S, scram_upsertion, upsertions, 0, V_MAX)
#define WIRE_LIST_alter_scram_result(S, F, A, T) \
    F(S, string, user, 0, V_MAX, 0)              \
    F(S, int16, error_code, 0, V_MAX, 0)         \
    F(S, nstring, error_message, 0, V_MAX, 0)
#define WIRE_LIST_alter_scram_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 0, V_MAX, 0)     \
    A(S, alter_scram_result, results, 0, V_MAX)

/* Every list above, an array's items before the array. */
#define WIRE_TYPES_SECURITY(X)    \
    X(sasl_handshake_request)     \
    X(sasl_handshake_response)    \
    X(sasl_authenticate_request)  \
    X(sasl_authenticate_response) \
    X(acl_filter)                 \
    X(describe_acls_request)      \
    X(acl_description)            \
    X(acl_resource)               \
    X(describe_acls_response)     \
    X(acl_creation)               \
    X(create_acls_request)        \
    X(acl_creation_result)        \
    X(create_acls_response)       \
    X(delete_acls_request)        \
    X(deleted_acl)                \
    X(delete_acls_result)         \
    X(delete_acls_response)       \
    X(quota_component)            \
    X(describe_quotas_request)    \
    X(quota_entity)               \
    X(quota_value)                \
    X(quota_entry)                \
    X(describe_quotas_response)   \
    X(quota_operation)            \
    X(quota_alteration)           \
    X(alter_quotas_request)       \
    X(alter_quotas_result)        \
    X(alter_quotas_response)      \
    X(scram_user)                 \
    X(describe_scram_request)     \
    X(scram_credential)           \
    X(scram_user_result)          \
    X(describe_scram_response)    \
    X(scram_deletion)             \
    X(scram_upsertion)            \
    X(alter_scram_request)        \
    X(alter_scram_result)         \
    X(alter_scram_response)

#endif
