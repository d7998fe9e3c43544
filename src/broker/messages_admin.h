/* The messages of administrators: metadata, topics, configurations, the cluster; messages.h says how to read the lists.
 */
#ifndef BROKER_MESSAGES_ADMIN_H
#define BROKER_MESSAGES_ADMIN_H

/* --- Metadata (3) */
#define WIRE_LIST_metadata_topic(S, F, A, T) \
    F(S, uuid, topic_id, 10, V_MAX, 0)       \
    F(S, nstring, name, 0, V_MAX, 0)
#define WIRE_LIST_metadata_request(S, F, A, T)         \
    A(S, metadata_topic, topics, 0, V_MAX)             \
    F(S, bool, allow_auto_topic_creation, 4, V_MAX, 1) \
    F(S, bool, include_cluster_authorized, 8, 10, 0)   \
    F(S, bool, include_topic_authorized, 8, V_MAX, 0)
#define WIRE_LIST_metadata_broker(S, F, A, T) \
    F(S, int32, node_id, 0, V_MAX, 0)         \
    F(S, string, host, 0, V_MAX, 0)           \
    F(S, int32, port, 0, V_MAX, 0)            \
    F(S, nstring, rack, 1, V_MAX, 0)
#define WIRE_LIST_metadata_partition_result(S, F, A, T) \
    F(S, int16, error_code, 0, V_MAX, 0)                \
    F(S, int32, partition, 0, V_MAX, 0)                 \
    F(S, int32, leader_id, 0, V_MAX, 0)                 \
    F(S, int32, leader_epoch, 7, V_MAX, -1)             \
    F(S, int32s, replicas, 0, V_MAX, 0)                 \
    F(S, int32s, isr, 0, V_MAX, 0)                      \
    F(S, int32s, offline, 5, V_MAX, 0)
#define WIRE_LIST_metadata_topic_result(S, F, A, T)       \
    F(S, int16, error_code, 0, V_MAX, 0)                  \
    F(S, nstring, name, 0, V_MAX, 0)                      \
    F(S, uuid, topic_id, 10, V_MAX, 0)                    \
    F(S, bool, is_internal, 1, V_MAX, 0)                  \
    A(S, metadata_partition_result, partitions, 0, V_MAX) \
    F(S, int32, authorized_operations, 8, V_MAX, INT32_MIN)
#define WIRE_LIST_metadata_response(S, F, A, T)   \
    F(S, int32, throttle_time_ms, 3, V_MAX, 0)    \
    A(S, metadata_broker, brokers, 0, V_MAX)      \
    F(S, nstring, cluster_id, 2, V_MAX, 0)        \
    F(S, int32, controller_id, 1, V_MAX, -1)      \
    A(S, metadata_topic_result, topics, 0, V_MAX) \
    F(S, int32, cluster_authorized_operations, 8, 10, INT32_MIN)

/* --- ApiVersions (18) */
#define WIRE_LIST_api_versions_request(S, F, A, T)  \
    F(S, string, client_software_name, 3, V_MAX, 0) \
    F(S, string, client_software_version, 3, V_MAX, 0)
#define WIRE_LIST_api_versions_key(S, F, A, T) \
    F(S, int16, api_key, 0, V_MAX, 0)          \
    F(S, int16, min_version, 0, V_MAX, 0)      \
    F(S, int16, max_version, 0, V_MAX, 0)
#define WIRE_LIST_api_versions_response(S, F, A, T) \
    F(S, int16, error_code, 0, V_MAX, 0)            \
    A(S, api_versions_key, keys, 0, V_MAX)          \
    F(S, int32, throttle_time_ms, 1, V_MAX, 0)

/* --- CreateTopics (19), DeleteTopics (20), CreatePartitions (37) */
#define WIRE_LIST_create_topic_assignment(S, F, A, T) \
    F(S, int32, partition, 0, V_MAX, 0)               \
    F(S, int32s, broker_ids, 0, V_MAX, 0)
#define WIRE_LIST_create_topic_config(S, F, A, T) \
    F(S, string, name, 0, V_MAX, 0)               \
    F(S, nstring, value, 0, V_MAX, 0)
#define WIRE_LIST_create_topic(S, F, A, T)               \
    F(S, string, name, 0, V_MAX, 0)                      \
    F(S, int32, num_partitions, 0, V_MAX, 0)             \
    F(S, int16, replication_factor, 0, V_MAX, 0)         \
    A(S, create_topic_assignment, assignments, 0, V_MAX) \
    A(S, create_topic_config, configs, 0, V_MAX)
#define WIRE_LIST_create_topics_request(S, F, A, T) \
    A(S, create_topic, topics, 0, V_MAX)            \
    F(S, int32, timeout_ms, 0, V_MAX, 0)            \
    F(S, bool, validate_only, 1, V_MAX, 0)
#define WIRE_LIST_create_topic_config_result(S, F, A, T) \
    F(S, string, name, 5, V_MAX, 0)                      \
    F(S, nstring, value, 5, V_MAX, 0)                    \
    F(S, bool, read_only, 5, V_MAX, 0)                   \
    F(S, int8, config_source, 5, V_MAX, -1)              \
    F(S, bool, is_sensitive, 5, V_MAX, 0)
#define WIRE_LIST_create_topic_result(S, F, A, T) \
    F(S, string, name, 0, V_MAX, 0)               \
    F(S, uuid, topic_id, 7, V_MAX, 0)             \
    F(S, int16, error_code, 0, V_MAX, 0)          \
    F(S, nstring, error_message, 1, V_MAX, 0)     \
    F(S, int32, num_partitions, 5, V_MAX, -1)     \
    F(S, int16, replication_factor, 5, V_MAX, -1) \
    A(S, create_topic_config_result, configs, 5, V_MAX)
#define WIRE_LIST_create_topics_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 2, V_MAX, 0)       \
    A(S, create_topic_result, topics, 0, V_MAX)
#define WIRE_LIST_delete_topic(S, F, A, T) \
    F(S, nstring, name, 6, V_MAX, 0)       \
    F(S, uuid, topic_id, 6, V_MAX, 0)
#define WIRE_LIST_delete_topics_request(S, F, A, T) \
    A(S, delete_topic, topics, 6, V_MAX)            \
    F(S, strings, topic_names, 0, 5, 0)             \
    F(S, int32, timeout_ms, 0, V_MAX, 0)
#define WIRE_LIST_delete_topic_result(S, F, A, T) \
    F(S, nstring, name, 0, V_MAX, 0)              \
    F(S, uuid, topic_id, 6, V_MAX, 0)             \
    F(S, int16, error_code, 0, V_MAX, 0)          \
    F(S, nstring, error_message, 5, V_MAX, 0)
#define WIRE_LIST_delete_topics_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 1, V_MAX, 0)       \
    A(S, delete_topic_result, topics, 0, V_MAX)
#define WIRE_LIST_create_partitions_assignment(S, F, A, T) F(S, int32s, broker_ids, 0, V_MAX, 0)
#define WIRE_LIST_create_partitions_topic(S, F, A, T) \
    F(S, string, name, 0, V_MAX, 0)                   \
    F(S, int32, count, 0, V_MAX, 0)                   \
    A(S, create_partitions_assignment, assignments, 0, V_MAX)
#define WIRE_LIST_create_partitions_request(S, F, A, T) \
    A(S, create_partitions_topic, topics, 0, V_MAX)     \
    F(S, int32, timeout_ms, 0, V_MAX, 0)                \
    F(S, bool, validate_only, 0, V_MAX, 0)
#define WIRE_LIST_create_partitions_result(S, F, A, T) \
    F(S, string, name, 0, V_MAX, 0)                    \
    F(S, int16, error_code, 0, V_MAX, 0)               \
    F(S, nstring, error_message, 0, V_MAX, 0)
#define WIRE_LIST_create_partitions_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 0, V_MAX, 0)           \
    A(S, create_partitions_result, results, 0, V_MAX)

/* --- DescribeConfigs (32), AlterConfigs (33), IncrementalAlterConfigs (44) */
#define WIRE_LIST_describe_configs_resource(S, F, A, T) \
    F(S, int8, resource_type, 0, V_MAX, 0)              \
    F(S, string, resource_name, 0, V_MAX, 0)            \
    F(S, strings, keys, 0, V_MAX, 0)
#define WIRE_LIST_describe_configs_request(S, F, A, T)   \
    A(S, describe_configs_resource, resources, 0, V_MAX) \
    F(S, bool, include_synonyms, 1, V_MAX, 0)            \
    F(S, bool, include_documentation, 3, V_MAX, 0)
#define WIRE_LIST_describe_configs_synonym(S, F, A, T) \
    F(S, string, name, 1, V_MAX, 0)                    \
    F(S, nstring, value, 1, V_MAX, 0)                  \
    F(S, int8, source, 1, V_MAX, 0)
#define WIRE_LIST_describe_configs_entry(S, F, A, T)   \
    F(S, string, name, 0, V_MAX, 0)                    \
    F(S, nstring, value, 0, V_MAX, 0)                  \
    F(S, bool, read_only, 0, V_MAX, 0)                 \
    F(S, bool, is_default, 0, 0, 0)                    \
    F(S, int8, config_source, 1, V_MAX, -1)            \
    F(S, bool, is_sensitive, 0, V_MAX, 0)              \
    A(S, describe_configs_synonym, synonyms, 1, V_MAX) \
    F(S, int8, config_type, 3, V_MAX, 0)               \
    F(S, nstring, documentation, 3, V_MAX, 0)
#define WIRE_LIST_describe_configs_result(S, F, A, T) \
    F(S, int16, error_code, 0, V_MAX, 0)              \
    F(S, nstring, error_message, 0, V_MAX, 0)         \
    F(S, int8, resource_type, 0, V_MAX, 0)            \
    F(S, string, resource_name, 0, V_MAX, 0)          \
    A(S, describe_configs_entry, configs, 0, V_MAX)
#define WIRE_LIST_describe_configs_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 0, V_MAX, 0)          \
    A(S, describe_configs_result, results, 0, V_MAX)
#define WIRE_LIST_alter_configs_resource(S, F, A, T) \
    F(S, int8, resource_type, 0, V_MAX, 0)           \
    F(S, string, resource_name, 0, V_MAX, 0)         \
    A(S, create_topic_config, configs, 0, V_MAX)
#define WIRE_LIST_alter_configs_request(S, F, A, T)   \
    A(S, alter_configs_resource, resources, 0, V_MAX) \
    F(S, bool, validate_only, 0, V_MAX, 0)
#define WIRE_LIST_alter_configs_result(S, F, A, T) \
    F(S, int16, error_code, 0, V_MAX, 0)           \
    F(S, nstring, error_message, 0, V_MAX, 0)      \
    F(S, int8, resource_type, 0, V_MAX, 0)         \
    F(S, string, resource_name, 0, V_MAX, 0)
#define WIRE_LIST_alter_configs_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 0, V_MAX, 0)       \
    A(S, alter_configs_result, results, 0, V_MAX)
#define WIRE_LIST_incremental_config(S, F, A, T) \
    F(S, string, name, 0, V_MAX, 0)              \
    F(S, int8, operation, 0, V_MAX, 0)           \
    F(S, nstring, value, 0, V_MAX, 0)
#define WIRE_LIST_incremental_resource(S, F, A, T) \
    F(S, int8, resource_type, 0, V_MAX, 0)         \
    F(S, string, resource_name, 0, V_MAX, 0)       \
    A(S, incremental_config, configs, 0, V_MAX)
#define WIRE_LIST_incremental_request(S, F, A, T)   \
    A(S, incremental_resource, resources, 0, V_MAX) \
    F(S, bool, validate_only, 0, V_MAX, 0)

/* --- DescribeLogDirs (35), DescribeCluster (60) */
#define WIRE_LIST_log_dirs_topic(S, F, A, T) \
    F(S, string, topic, 0, V_MAX, 0)         \
    F(S, int32s, partitions, 0, V_MAX, 0)
#define WIRE_LIST_log_dirs_request(S, F, A, T) A(S, log_dirs_topic, topics, 0, V_MAX)
#define WIRE_LIST_log_dirs_partition_result(S, F, A, T) \
    F(S, int32, partition, 0, V_MAX, 0)                 \
    F(S, int64, size, 0, V_MAX, 0)                      \
    F(S, int64, offset_lag, 0, V_MAX, 0)                \
    F(S, bool, is_future, 0, V_MAX, 0)
#define WIRE_LIST_log_dirs_topic_result(S, F, A, T) \
    F(S, string, name, 0, V_MAX, 0)                 \
    A(S, log_dirs_partition_result, partitions, 0, V_MAX)
#define WIRE_LIST_log_dirs_result(S, F, A, T)     \
    F(S, int16, error_code, 0, V_MAX, 0)          \
    F(S, string, log_dir, 0, V_MAX, 0)            \
    A(S, log_dirs_topic_result, topics, 0, V_MAX) \
    F(S, int64, total_bytes, 4, V_MAX, -1)        \
    F(S, int64, usable_bytes, 4, V_MAX, -1)
#define WIRE_LIST_log_dirs_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 0, V_MAX, 0)  \
    F(S, int16, error_code, 3, V_MAX, 0)        \
    A(S, log_dirs_result, results, 0, V_MAX)
#define WIRE_LIST_describe_cluster_request(S, F, A, T)  \
    F(S, bool, include_cluster_authorized, 0, V_MAX, 0) \
    F(S, int8, endpoint_type, 1, V_MAX, 1)
#define WIRE_LIST_describe_cluster_broker(S, F, A, T) \
    F(S, int32, broker_id, 0, V_MAX, 0)               \
    F(S, string, host, 0, V_MAX, 0)                   \
    F(S, int32, port, 0, V_MAX, 0)                    \
    F(S, nstring, rack, 0, V_MAX, 0)
#define WIRE_LIST_describe_cluster_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 0, V_MAX, 0)          \
    F(S, int16, error_code, 0, V_MAX, 0)                \
    F(S, nstring, error_message, 0, V_MAX, 0)           \
    F(S, int8, endpoint_type, 1, V_MAX, 1)              \
    F(S, string, cluster_id, 0, V_MAX, 0)               \
    F(S, int32, controller_id, 0, V_MAX, -1)            \
    A(S, describe_cluster_broker, brokers, 0, V_MAX)    \
    F(S, int32, cluster_authorized_operations, 0, V_MAX, INT32_MIN)

/* Every list above, an array's items before the array. */
#define WIRE_TYPES_ADMIN(X)         \
    X(metadata_topic)               \
    X(metadata_request)             \
    X(metadata_broker)              \
    X(metadata_partition_result)    \
    X(metadata_topic_result)        \
    X(metadata_response)            \
    X(api_versions_request)         \
    X(api_versions_key)             \
    X(api_versions_response)        \
    X(create_topic_assignment)      \
    X(create_topic_config)          \
    X(create_topic)                 \
    X(create_topics_request)        \
    X(create_topic_config_result)   \
    X(create_topic_result)          \
    X(create_topics_response)       \
    X(delete_topic)                 \
    X(delete_topics_request)        \
    X(delete_topic_result)          \
    X(delete_topics_response)       \
    X(create_partitions_assignment) \
    X(create_partitions_topic)      \
    X(create_partitions_request)    \
    X(create_partitions_result)     \
    X(create_partitions_response)   \
    X(describe_configs_resource)    \
    X(describe_configs_request)     \
    X(describe_configs_synonym)     \
    X(describe_configs_entry)       \
    X(describe_configs_result)      \
    X(describe_configs_response)    \
    X(alter_configs_resource)       \
    X(alter_configs_request)        \
    X(alter_configs_result)         \
    X(alter_configs_response)       \
    X(incremental_config)           \
    X(incremental_resource)         \
    X(incremental_request)          \
    X(log_dirs_topic)               \
    X(log_dirs_request)             \
    X(log_dirs_partition_result)    \
    X(log_dirs_topic_result)        \
    X(log_dirs_result)              \
    X(log_dirs_response)            \
    X(describe_cluster_request)     \
    X(describe_cluster_broker)      \
    X(describe_cluster_response)

#endif
