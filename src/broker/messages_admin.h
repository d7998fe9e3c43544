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
#define WIRE_LIST_metadata_response(S, F, A, T)                  \
    F(S, int32, throttle_time_ms, 3, V_MAX, 0)                   \
    A(S, metadata_broker, brokers, 0, V_MAX)                     \
    F(S, nstring, cluster_id, 2, V_MAX, 0)                       \
    F(S, int32, controller_id, 1, V_MAX, -1)                     \
    A(S, metadata_topic_result, topics, 0, V_MAX)                \
    F(S, int32, cluster_authorized_operations, 8, 10, INT32_MIN) \
    F(S, int16, error_code, 13, V_MAX, 0)

/* --- ApiVersions (18) */
#define WIRE_LIST_api_versions_request(S, F, A, T)  \
    F(S, string, client_software_name, 3, V_MAX, 0) \
    F(S, string, client_software_version, 3, V_MAX, 0)
#define WIRE_LIST_api_versions_key(S, F, A, T) \
    F(S, int16, api_key, 0, V_MAX, 0)          \
    F(S, int16, min_version, 0, V_MAX, 0)      \
    F(S, int16, max_version, 0, V_MAX, 0)
#define WIRE_LIST_supported_feature(S, F, A, T) \
    F(S, string, name, 3, V_MAX, 0)             \
    F(S, int16, min_version, 3, V_MAX, 0)       \
    F(S, int16, max_version, 3, V_MAX, 0)
#define WIRE_LIST_finalized_feature(S, F, A, T) \
    F(S, string, name, 3, V_MAX, 0)             \
    F(S, int16, max_version_level, 3, V_MAX, 0) \
    F(S, int16, min_version_level, 3, V_MAX, 0)
#define WIRE_LIST_api_versions_response(S, F, A, T)                       \
    F(S, int16, error_code, 0, V_MAX, 0)                                  \
    A(S, api_versions_key, keys, 0, V_MAX)                                \
    F(S, int32, throttle_time_ms, 1, V_MAX, 0)                            \
    T(S, 0, array_of(supported_feature), supported_features, 3, V_MAX, 0) \
    T(S, 1, int64, finalized_features_epoch, 3, V_MAX, -1)                \
    T(S, 2, array_of(finalized_feature), finalized_features, 3, V_MAX, 0) \
    T(S, 3, bool, zk_migration_ready, 3, V_MAX, 0)

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
#define WIRE_LIST_create_topic_result(S, F, A, T)       \
    F(S, string, name, 0, V_MAX, 0)                     \
    F(S, uuid, topic_id, 7, V_MAX, 0)                   \
    F(S, int16, error_code, 0, V_MAX, 0)                \
    F(S, nstring, error_message, 1, V_MAX, 0)           \
    F(S, int32, num_partitions, 5, V_MAX, -1)           \
    F(S, int16, replication_factor, 5, V_MAX, -1)       \
    A(S, create_topic_config_result, configs, 5, V_MAX) \
    T(S, 0, int16, topic_config_error_code, 5, V_MAX, 0)
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
    F(S, int64, usable_bytes, 4, V_MAX, -1)       \
    F(S, bool, is_cordoned, 5, V_MAX, 0)
#define WIRE_LIST_log_dirs_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 0, V_MAX, 0)  \
    F(S, int16, error_code, 3, V_MAX, 0)        \
    A(S, log_dirs_result, results, 0, V_MAX)
#define WIRE_LIST_describe_cluster_request(S, F, A, T)  \
    F(S, bool, include_cluster_authorized, 0, V_MAX, 0) \
    F(S, int8, endpoint_type, 1, V_MAX, 1)              \
    F(S, bool, include_fenced_brokers, 2, V_MAX, 0)
#define WIRE_LIST_describe_cluster_broker(S, F, A, T) \
    F(S, int32, broker_id, 0, V_MAX, 0)               \
    F(S, string, host, 0, V_MAX, 0)                   \
    F(S, int32, port, 0, V_MAX, 0)                    \
    F(S, nstring, rack, 0, V_MAX, 0)                  \
    F(S, bool, is_fenced, 2, V_MAX, 0)
#define WIRE_LIST_describe_cluster_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 0, V_MAX, 0)          \
    F(S, int16, error_code, 0, V_MAX, 0)                \
    F(S, nstring, error_message, 0, V_MAX, 0)           \
    F(S, int8, endpoint_type, 1, V_MAX, 1)              \
    F(S, string, cluster_id, 0, V_MAX, 0)               \
    F(S, int32, controller_id, 0, V_MAX, -1)            \
    A(S, describe_cluster_broker, brokers, 0, V_MAX)    \
    F(S, int32, cluster_authorized_operations, 0, V_MAX, INT32_MIN)

/* --- DescribeTopicPartitions (75) */
#define WIRE_LIST_topic_partitions_name(S, F, A, T) F(S, string, name, 0, V_MAX, 0)
#define WIRE_LIST_topic_partitions_cursor(S, F, A, T) \
    F(S, string, topic_name, 0, V_MAX, 0)             \
    F(S, int32, partition, 0, V_MAX, 0)
#define WIRE_LIST_topic_partitions_request(S, F, A, T) \
    A(S, topic_partitions_name, topics, 0, V_MAX)      \
    F(S, int32, partition_limit, 0, V_MAX, 2000)       \
    F(S, nstruct_of(topic_partitions_cursor), cursor, 0, V_MAX, 0)
#define WIRE_LIST_topic_partitions_partition(S, F, A, T) \
    F(S, int16, error_code, 0, V_MAX, 0)                 \
    F(S, int32, partition, 0, V_MAX, 0)                  \
    F(S, int32, leader_id, 0, V_MAX, 0)                  \
    F(S, int32, leader_epoch, 0, V_MAX, -1)              \
    F(S, int32s, replicas, 0, V_MAX, 0)                  \
    F(S, int32s, isr, 0, V_MAX, 0)                       \
    F(S, int32s, eligible_leaders, 0, V_MAX, 0)          \
    F(S, int32s, last_known_eligible, 0, V_MAX, 0)       \
    F(S, int32s, offline, 0, V_MAX, 0)
#define WIRE_LIST_topic_partitions_topic(S, F, A, T)       \
    F(S, int16, error_code, 0, V_MAX, 0)                   \
    F(S, nstring, name, 0, V_MAX, 0)                       \
    F(S, uuid, topic_id, 0, V_MAX, 0)                      \
    F(S, bool, is_internal, 0, V_MAX, 0)                   \
    A(S, topic_partitions_partition, partitions, 0, V_MAX) \
    F(S, int32, authorized_operations, 0, V_MAX, INT32_MIN)
#define WIRE_LIST_topic_partitions_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 0, V_MAX, 0)          \
    A(S, topic_partitions_topic, topics, 0, V_MAX)      \
    F(S, nstruct_of(topic_partitions_cursor), next_cursor, 0, V_MAX, 0)

/* --- ElectLeaders (43), AlterPartitionReassignments (45), ListPartitionReassignments (46), AlterReplicaLogDirs (34) */
#define WIRE_LIST_named_partitions(S, F, A, T) \
    F(S, string, topic, 0, V_MAX, 0)           \
    F(S, int32s, partitions, 0, V_MAX, 0)
#define WIRE_LIST_elect_leaders_request(S, F, A, T) \
    F(S, int8, election_type, 1, V_MAX, 0)          \
    A(S, named_partitions, topics, 0, V_MAX)        \
    F(S, int32, timeout_ms, 0, V_MAX, 60000)
#define WIRE_LIST_partition_outcome(S, F, A, T) \
    F(S, int32, partition, 0, V_MAX, 0)         \
    F(S, int16, error_code, 0, V_MAX, 0)        \
    F(S, nstring, error_message, 0, V_MAX, 0)
#define WIRE_LIST_topic_outcome(S, F, A, T) \
    F(S, string, topic, 0, V_MAX, 0)        \
    A(S, partition_outcome, partitions, 0, V_MAX)
#define WIRE_LIST_elect_leaders_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 0, V_MAX, 0)       \
    F(S, int16, error_code, 1, V_MAX, 0)             \
    A(S, topic_outcome, topics, 0, V_MAX)
#define WIRE_LIST_reassign_partition(S, F, A, T) \
    F(S, int32, partition, 0, V_MAX, 0)          \
    F(S, int32s, replicas, 0, V_MAX, 0)
#define WIRE_LIST_reassign_topic(S, F, A, T) \
    F(S, string, name, 0, V_MAX, 0)          \
    A(S, reassign_partition, partitions, 0, V_MAX)
#define WIRE_LIST_reassign_request(S, F, A, T) \
    F(S, int32, timeout_ms, 0, V_MAX, 60000)   \
    F(S, bool, may_change_factor, 1, V_MAX, 1) \
    A(S, reassign_topic, topics, 0, V_MAX)
#define WIRE_LIST_reassign_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 0, V_MAX, 0)  \
    F(S, bool, may_change_factor, 1, V_MAX, 1)  \
    F(S, int16, error_code, 0, V_MAX, 0)        \
    F(S, nstring, error_message, 0, V_MAX, 0)   \
    A(S, topic_outcome, topics, 0, V_MAX)
#define WIRE_LIST_reassignments_request(S, F, A, T) \
    F(S, int32, timeout_ms, 0, V_MAX, 60000)        \
    A(S, named_partitions, topics, 0, V_MAX)
#define WIRE_LIST_reassignments_partition(S, F, A, T) \
    F(S, int32, partition, 0, V_MAX, 0)               \
    F(S, int32s, replicas, 0, V_MAX, 0)               \
    F(S, int32s, adding, 0, V_MAX, 0)                 \
    F(S, int32s, removing, 0, V_MAX, 0)
#define WIRE_LIST_reassignments_topic(S, F, A, T) \
    F(S, string, name, 0, V_MAX, 0)               \
    A(S, reassignments_partition, partitions, 0, V_MAX)
#define WIRE_LIST_reassignments_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 0, V_MAX, 0)       \
    F(S, int16, error_code, 0, V_MAX, 0)             \
    F(S, nstring, error_message, 0, V_MAX, 0)        \
    A(S, reassignments_topic, topics, 0, V_MAX)
#define WIRE_LIST_replica_log_dir(S, F, A, T) \
    F(S, string, path, 0, V_MAX, 0)           \
    A(S, named_partitions, topics, 0, V_MAX)
#define WIRE_LIST_replica_log_dirs_request(S, F, A, T) A(S, replica_log_dir, dirs, 0, V_MAX)
#define WIRE_LIST_replica_log_dir_partition(S, F, A, T) \
    F(S, int32, partition, 0, V_MAX, 0)                 \
    F(S, int16, error_code, 0, V_MAX, 0)
#define WIRE_LIST_replica_log_dir_topic(S, F, A, T) \
    F(S, string, topic, 0, V_MAX, 0)                \
    A(S, replica_log_dir_partition, partitions, 0, V_MAX)
#define WIRE_LIST_replica_log_dirs_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 0, V_MAX, 0)          \
    A(S, replica_log_dir_topic, topics, 0, V_MAX)

/* --- UpdateFeatures (57), DescribeQuorum (55), ListConfigResources (74) */
#define WIRE_LIST_feature_update(S, F, A, T)    \
    F(S, string, feature, 0, V_MAX, 0)          \
    F(S, int16, max_version_level, 0, V_MAX, 0) \
    F(S, bool, allow_downgrade, 0, 0, 0)        \
    F(S, int8, upgrade_type, 1, V_MAX, 1)
#define WIRE_LIST_update_features_request(S, F, A, T) \
    F(S, int32, timeout_ms, 0, V_MAX, 60000)          \
    A(S, feature_update, updates, 0, V_MAX)           \
    F(S, bool, validate_only, 1, V_MAX, 0)
#define WIRE_LIST_feature_outcome(S, F, A, T) \
    F(S, string, feature, 0, V_MAX, 0)        \
    F(S, int16, error_code, 0, V_MAX, 0)      \
    F(S, nstring, error_message, 0, V_MAX, 0)
#define WIRE_LIST_update_features_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 0, V_MAX, 0)         \
    F(S, int16, error_code, 0, V_MAX, 0)               \
    F(S, nstring, error_message, 0, V_MAX, 0)          \
    A(S, feature_outcome, results, 0, 1)
#define WIRE_LIST_quorum_partition(S, F, A, T) F(S, int32, partition, 0, V_MAX, 0)
#define WIRE_LIST_quorum_topic(S, F, A, T) \
    F(S, string, topic, 0, V_MAX, 0)       \
    A(S, quorum_partition, partitions, 0, V_MAX)
#define WIRE_LIST_describe_quorum_request(S, F, A, T) A(S, quorum_topic, topics, 0, V_MAX)
#define WIRE_LIST_quorum_replica(S, F, A, T)      \
    F(S, int32, replica_id, 0, V_MAX, 0)          \
    F(S, uuid, replica_directory_id, 2, V_MAX, 0) \
    F(S, int64, log_end_offset, 0, V_MAX, 0)      \
    F(S, int64, last_fetch_ms, 1, V_MAX, -1)      \
    F(S, int64, last_caught_up_ms, 1, V_MAX, -1)
#define WIRE_LIST_quorum_partition_result(S, F, A, T) \
    F(S, int32, partition, 0, V_MAX, 0)               \
    F(S, int16, error_code, 0, V_MAX, 0)              \
    F(S, nstring, error_message, 2, V_MAX, 0)         \
    F(S, int32, leader_id, 0, V_MAX, 0)               \
    F(S, int32, leader_epoch, 0, V_MAX, 0)            \
    F(S, int64, high_watermark, 0, V_MAX, 0)          \
    A(S, quorum_replica, voters, 0, V_MAX)            \
    A(S, quorum_replica, observers, 0, V_MAX)
#define WIRE_LIST_quorum_topic_result(S, F, A, T) \
    F(S, string, topic, 0, V_MAX, 0)              \
    A(S, quorum_partition_result, partitions, 0, V_MAX)
#define WIRE_LIST_quorum_listener(S, F, A, T) \
    F(S, string, name, 2, V_MAX, 0)           \
    F(S, string, host, 2, V_MAX, 0)           \
    F(S, int16, port, 2, V_MAX, 0)
#define WIRE_LIST_quorum_node(S, F, A, T) \
    F(S, int32, node_id, 2, V_MAX, 0)     \
    A(S, quorum_listener, listeners, 2, V_MAX)
#define WIRE_LIST_describe_quorum_response(S, F, A, T) \
    F(S, int16, error_code, 0, V_MAX, 0)               \
    F(S, nstring, error_message, 2, V_MAX, 0)          \
    A(S, quorum_topic_result, topics, 0, V_MAX)        \
    A(S, quorum_node, nodes, 2, V_MAX)
#define WIRE_LIST_config_resources_request(S, F, A, T) F(S, int8s, types, 1, V_MAX, 0)
#define WIRE_LIST_config_resource(S, F, A, T) \
    F(S, string, name, 0, V_MAX, 0)           \
    F(S, int8, type, 1, V_MAX, 16)
#define WIRE_LIST_config_resources_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 0, V_MAX, 0)          \
    F(S, int16, error_code, 0, V_MAX, 0)                \
    A(S, config_resource, resources, 0, V_MAX)

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
    X(supported_feature)            \
    X(finalized_feature)            \
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
    X(describe_cluster_response)    \
    X(topic_partitions_name)        \
    X(topic_partitions_cursor)      \
    X(topic_partitions_request)     \
    X(topic_partitions_partition)   \
    X(topic_partitions_topic)       \
    X(topic_partitions_response)    \
    X(named_partitions)             \
    X(elect_leaders_request)        \
    X(partition_outcome)            \
    X(topic_outcome)                \
    X(elect_leaders_response)       \
    X(reassign_partition)           \
    X(reassign_topic)               \
    X(reassign_request)             \
    X(reassign_response)            \
    X(reassignments_request)        \
    X(reassignments_partition)      \
    X(reassignments_topic)          \
    X(reassignments_response)       \
    X(replica_log_dir)              \
    X(replica_log_dirs_request)     \
    X(replica_log_dir_partition)    \
    X(replica_log_dir_topic)        \
    X(replica_log_dirs_response)    \
    X(feature_update)               \
    X(update_features_request)      \
    X(feature_outcome)              \
    X(update_features_response)     \
    X(quorum_partition)             \
    X(quorum_topic)                 \
    X(describe_quorum_request)      \
    X(quorum_replica)               \
    X(quorum_partition_result)      \
    X(quorum_topic_result)          \
    X(quorum_listener)              \
    X(quorum_node)                  \
    X(describe_quorum_response)     \
    X(config_resources_request)     \
    X(config_resource)              \
    X(config_resources_response)

#endif
