/*
 * The messages of the protocol that the broker speaks, each written down once: from a list come both the C struct
 * (struct wire_X) and the table that the codec reads (wire_type_X).
 *
 *   F(kind, name, from, to, missing)       a field, the versions that have it, an integer's value where it is lacking
 *   A(item, name, from, to)                an array of struct wire_item
 *   T(tag, kind, name, from, to, missing)  a tagged field
 *
 * S is the struct's name, handed through. A new API is its lists here and a line in the table of apis.c.
 */
#ifndef BROKER_MESSAGES_H
#define BROKER_MESSAGES_H

#include "broker/wire.h"

#define V_MAX 99

/* --- Produce (0) */
#define WIRE_LIST_produce_partition(S, F, A, T) \
    F(S, int32, index, 0, V_MAX, 0)             \
    F(S, records, records, 0, V_MAX, 0)
#define WIRE_LIST_produce_topic(S, F, A, T) \
    F(S, string, name, 0, V_MAX, 0)         \
    A(S, produce_partition, partitions, 0, V_MAX)
#define WIRE_LIST_produce_request(S, F, A, T)    \
    F(S, nstring, transactional_id, 3, V_MAX, 0) \
    F(S, int16, acks, 0, V_MAX, 0)               \
    F(S, int32, timeout_ms, 0, V_MAX, 0)         \
    A(S, produce_topic, topics, 0, V_MAX)
#define WIRE_LIST_produce_record_error(S, F, A, T) \
    F(S, int32, batch_index, 0, V_MAX, 0)          \
    F(S, nstring, message, 0, V_MAX, 0)
#define WIRE_LIST_produce_partition_result(S, F, A, T)  \
    F(S, int32, index, 0, V_MAX, 0)                     \
    F(S, int16, error_code, 0, V_MAX, 0)                \
    F(S, int64, base_offset, 0, V_MAX, -1)              \
    F(S, int64, log_append_time_ms, 2, V_MAX, -1)       \
    F(S, int64, log_start_offset, 5, V_MAX, -1)         \
    A(S, produce_record_error, record_errors, 8, V_MAX) \
    F(S, nstring, error_message, 8, V_MAX, 0)
#define WIRE_LIST_produce_topic_result(S, F, A, T) \
    F(S, string, name, 0, V_MAX, 0)                \
    A(S, produce_partition_result, partitions, 0, V_MAX)
#define WIRE_LIST_produce_response(S, F, A, T)   \
    A(S, produce_topic_result, topics, 0, V_MAX) \
    F(S, int32, throttle_time_ms, 1, V_MAX, 0)

/* --- Fetch (1) */
#define WIRE_LIST_fetch_partition(S, F, A, T)       \
    F(S, int32, partition, 0, V_MAX, 0)             \
    F(S, int32, current_leader_epoch, 9, V_MAX, -1) \
    F(S, int64, fetch_offset, 0, V_MAX, 0)          \
    F(S, int32, last_fetched_epoch, 12, V_MAX, -1)  \
    F(S, int64, log_start_offset, 5, V_MAX, -1)     \
    F(S, int32, partition_max_bytes, 0, V_MAX, 0)
#define WIRE_LIST_fetch_topic(S, F, A, T) \
    F(S, string, topic, 0, 12, 0)         \
    A(S, fetch_partition, partitions, 0, V_MAX)
#define WIRE_LIST_fetch_forgotten(S, F, A, T) \
    F(S, string, topic, 7, 12, 0)             \
    F(S, int32s, partitions, 7, V_MAX, 0)
#define WIRE_LIST_fetch_request(S, F, A, T)      \
    T(S, 0, nstring, cluster_id, 12, V_MAX, 0)   \
    F(S, int32, replica_id, 0, 14, -1)           \
    F(S, int32, max_wait_ms, 0, V_MAX, 0)        \
    F(S, int32, min_bytes, 0, V_MAX, 0)          \
    F(S, int32, max_bytes, 3, V_MAX, 0x7fffffff) \
    F(S, int8, isolation_level, 4, V_MAX, 0)     \
    F(S, int32, session_id, 7, V_MAX, 0)         \
    F(S, int32, session_epoch, 7, V_MAX, -1)     \
    A(S, fetch_topic, topics, 0, V_MAX)          \
    A(S, fetch_forgotten, forgotten, 7, V_MAX)   \
    F(S, string, rack_id, 11, V_MAX, 0)
#define WIRE_LIST_fetch_aborted(S, F, A, T) \
    F(S, int64, producer_id, 4, V_MAX, 0)   \
    F(S, int64, first_offset, 4, V_MAX, 0)
#define WIRE_LIST_fetch_partition_result(S, F, A, T)   \
    F(S, int32, partition, 0, V_MAX, 0)                \
    F(S, int16, error_code, 0, V_MAX, 0)               \
    F(S, int64, high_watermark, 0, V_MAX, -1)          \
    F(S, int64, last_stable_offset, 4, V_MAX, -1)      \
    F(S, int64, log_start_offset, 5, V_MAX, -1)        \
    A(S, fetch_aborted, aborted, 4, V_MAX)             \
    F(S, int32, preferred_read_replica, 11, V_MAX, -1) \
    F(S, records, records, 0, V_MAX, 0)
#define WIRE_LIST_fetch_topic_result(S, F, A, T) \
    F(S, string, topic, 0, 12, 0)                \
    A(S, fetch_partition_result, partitions, 0, V_MAX)
#define WIRE_LIST_fetch_response(S, F, A, T)   \
    F(S, int32, throttle_time_ms, 1, V_MAX, 0) \
    F(S, int16, error_code, 7, V_MAX, 0)       \
    F(S, int32, session_id, 7, V_MAX, 0)       \
    A(S, fetch_topic_result, topics, 0, V_MAX)

/* --- ListOffsets (2) */
#define WIRE_LIST_list_offsets_partition(S, F, A, T) \
    F(S, int32, partition, 0, V_MAX, 0)              \
    F(S, int32, current_leader_epoch, 4, V_MAX, -1)  \
    F(S, int64, timestamp, 0, V_MAX, 0)
#define WIRE_LIST_list_offsets_topic(S, F, A, T) \
    F(S, string, name, 0, V_MAX, 0)              \
    A(S, list_offsets_partition, partitions, 0, V_MAX)
#define WIRE_LIST_list_offsets_request(S, F, A, T) \
    F(S, int32, replica_id, 0, V_MAX, 0)           \
    F(S, int8, isolation_level, 2, V_MAX, 0)       \
    A(S, list_offsets_topic, topics, 0, V_MAX)
#define WIRE_LIST_list_offsets_partition_result(S, F, A, T) \
    F(S, int32, partition, 0, V_MAX, 0)                     \
    F(S, int16, error_code, 0, V_MAX, 0)                    \
    F(S, int64, timestamp, 1, V_MAX, -1)                    \
    F(S, int64, offset, 1, V_MAX, -1)                       \
    F(S, int32, leader_epoch, 4, V_MAX, -1)
#define WIRE_LIST_list_offsets_topic_result(S, F, A, T) \
    F(S, string, name, 0, V_MAX, 0)                     \
    A(S, list_offsets_partition_result, partitions, 0, V_MAX)
#define WIRE_LIST_list_offsets_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 2, V_MAX, 0)      \
    A(S, list_offsets_topic_result, topics, 0, V_MAX)

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

/* --- OffsetCommit (8) */
#define WIRE_LIST_offset_commit_partition(S, F, A, T) \
    F(S, int32, partition, 0, V_MAX, 0)               \
    F(S, int64, offset, 0, V_MAX, 0)                  \
    F(S, int32, leader_epoch, 6, V_MAX, -1)           \
    F(S, int64, timestamp, 1, 1, -1)                  \
    F(S, nstring, metadata, 0, V_MAX, 0)
#define WIRE_LIST_offset_commit_topic(S, F, A, T) \
    F(S, string, name, 0, V_MAX, 0)               \
    A(S, offset_commit_partition, partitions, 0, V_MAX)
#define WIRE_LIST_offset_commit_request(S, F, A, T) \
    F(S, string, group_id, 0, V_MAX, 0)             \
    F(S, int32, generation_id, 1, V_MAX, -1)        \
    F(S, string, member_id, 1, V_MAX, 0)            \
    F(S, nstring, group_instance_id, 7, V_MAX, 0)   \
    F(S, int64, retention_time_ms, 2, 4, -1)        \
    A(S, offset_commit_topic, topics, 0, V_MAX)
#define WIRE_LIST_offset_commit_partition_result(S, F, A, T) \
    F(S, int32, partition, 0, V_MAX, 0)                      \
    F(S, int16, error_code, 0, V_MAX, 0)
#define WIRE_LIST_offset_commit_topic_result(S, F, A, T) \
    F(S, string, name, 0, V_MAX, 0)                      \
    A(S, offset_commit_partition_result, partitions, 0, V_MAX)
#define WIRE_LIST_offset_commit_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 3, V_MAX, 0)       \
    A(S, offset_commit_topic_result, topics, 0, V_MAX)

/* --- OffsetFetch (9) */
#define WIRE_LIST_offset_fetch_topic(S, F, A, T) \
    F(S, string, name, 0, V_MAX, 0)              \
    F(S, int32s, partitions, 0, V_MAX, 0)
#define WIRE_LIST_offset_fetch_group(S, F, A, T) \
    F(S, string, group_id, 8, V_MAX, 0)          \
    A(S, offset_fetch_topic, topics, 8, V_MAX)
#define WIRE_LIST_offset_fetch_request(S, F, A, T) \
    F(S, string, group_id, 0, 7, 0)                \
    A(S, offset_fetch_topic, topics, 0, 7)         \
    A(S, offset_fetch_group, groups, 8, V_MAX)     \
    F(S, bool, require_stable, 7, V_MAX, 0)
#define WIRE_LIST_offset_fetch_partition_result(S, F, A, T) \
    F(S, int32, partition, 0, V_MAX, 0)                     \
    F(S, int64, offset, 0, V_MAX, -1)                       \
    F(S, int32, leader_epoch, 5, V_MAX, -1)                 \
    F(S, nstring, metadata, 0, V_MAX, 0)                    \
    F(S, int16, error_code, 0, V_MAX, 0)
#define WIRE_LIST_offset_fetch_topic_result(S, F, A, T) \
    F(S, string, name, 0, V_MAX, 0)                     \
    A(S, offset_fetch_partition_result, partitions, 0, V_MAX)
#define WIRE_LIST_offset_fetch_group_result(S, F, A, T) \
    F(S, string, group_id, 8, V_MAX, 0)                 \
    A(S, offset_fetch_topic_result, topics, 8, V_MAX)   \
    F(S, int16, error_code, 8, V_MAX, 0)
#define WIRE_LIST_offset_fetch_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 3, V_MAX, 0)      \
    A(S, offset_fetch_topic_result, topics, 0, 7)   \
    F(S, int16, error_code, 2, 7, 0)                \
    A(S, offset_fetch_group_result, groups, 8, V_MAX)

/* --- FindCoordinator (10) */
#define WIRE_LIST_find_coordinator_request(S, F, A, T) \
    F(S, string, key, 0, 3, 0)                         \
    F(S, int8, key_type, 1, V_MAX, 0)                  \
    F(S, strings, keys, 4, V_MAX, 0)
#define WIRE_LIST_find_coordinator_result(S, F, A, T) \
    F(S, string, key, 4, V_MAX, 0)                    \
    F(S, int32, node_id, 4, V_MAX, 0)                 \
    F(S, string, host, 4, V_MAX, 0)                   \
    F(S, int32, port, 4, V_MAX, 0)                    \
    F(S, int16, error_code, 4, V_MAX, 0)              \
    F(S, nstring, error_message, 4, V_MAX, 0)
#define WIRE_LIST_find_coordinator_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 1, V_MAX, 0)          \
    F(S, int16, error_code, 0, 3, 0)                    \
    F(S, nstring, error_message, 1, 3, 0)               \
    F(S, int32, node_id, 0, 3, 0)                       \
    F(S, string, host, 0, 3, 0)                         \
    F(S, int32, port, 0, 3, 0)                          \
    A(S, find_coordinator_result, coordinators, 4, V_MAX)

/* --- JoinGroup (11) */
#define WIRE_LIST_join_group_protocol(S, F, A, T) \
    F(S, string, name, 0, V_MAX, 0)               \
    F(S, bytes, metadata, 0, V_MAX, 0)
#define WIRE_LIST_join_group_request(S, F, A, T)    \
    F(S, string, group_id, 0, V_MAX, 0)             \
    F(S, int32, session_timeout_ms, 0, V_MAX, 0)    \
    F(S, int32, rebalance_timeout_ms, 1, V_MAX, -1) \
    F(S, string, member_id, 0, V_MAX, 0)            \
    F(S, nstring, group_instance_id, 5, V_MAX, 0)   \
    F(S, string, protocol_type, 0, V_MAX, 0)        \
    A(S, join_group_protocol, protocols, 0, V_MAX)  \
    F(S, nstring, reason, 8, V_MAX, 0)
#define WIRE_LIST_join_group_member(S, F, A, T)   \
    F(S, string, member_id, 0, V_MAX, 0)          \
    F(S, nstring, group_instance_id, 5, V_MAX, 0) \
    F(S, bytes, metadata, 0, V_MAX, 0)
#define WIRE_LIST_join_group_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 2, V_MAX, 0)    \
    F(S, int16, error_code, 0, V_MAX, 0)          \
    F(S, int32, generation_id, 0, V_MAX, -1)      \
    F(S, nstring, protocol_type, 7, V_MAX, 0)     \
    F(S, string, protocol_name, 0, V_MAX, 0)      \
    F(S, string, leader, 0, V_MAX, 0)             \
    F(S, bool, skip_assignment, 9, V_MAX, 0)      \
    F(S, string, member_id, 0, V_MAX, 0)          \
    A(S, join_group_member, members, 0, V_MAX)

/* --- Heartbeat (12), LeaveGroup (13), SyncGroup (14) */
#define WIRE_LIST_heartbeat_request(S, F, A, T) \
    F(S, string, group_id, 0, V_MAX, 0)         \
    F(S, int32, generation_id, 0, V_MAX, 0)     \
    F(S, string, member_id, 0, V_MAX, 0)        \
    F(S, nstring, group_instance_id, 3, V_MAX, 0)
#define WIRE_LIST_heartbeat_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 1, V_MAX, 0)   \
    F(S, int16, error_code, 0, V_MAX, 0)
#define WIRE_LIST_leave_group_member(S, F, A, T)  \
    F(S, string, member_id, 3, V_MAX, 0)          \
    F(S, nstring, group_instance_id, 3, V_MAX, 0) \
    F(S, nstring, reason, 5, V_MAX, 0)
#define WIRE_LIST_leave_group_request(S, F, A, T) \
    F(S, string, group_id, 0, V_MAX, 0)           \
    F(S, string, member_id, 0, 2, 0)              \
    A(S, leave_group_member, members, 3, V_MAX)
#define WIRE_LIST_leave_group_result(S, F, A, T)  \
    F(S, string, member_id, 3, V_MAX, 0)          \
    F(S, nstring, group_instance_id, 3, V_MAX, 0) \
    F(S, int16, error_code, 3, V_MAX, 0)
#define WIRE_LIST_leave_group_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 1, V_MAX, 0)     \
    F(S, int16, error_code, 0, V_MAX, 0)           \
    A(S, leave_group_result, members, 3, V_MAX)
#define WIRE_LIST_sync_group_assignment(S, F, A, T) \
    F(S, string, member_id, 0, V_MAX, 0)            \
    F(S, bytes, assignment, 0, V_MAX, 0)
#define WIRE_LIST_sync_group_request(S, F, A, T)  \
    F(S, string, group_id, 0, V_MAX, 0)           \
    F(S, int32, generation_id, 0, V_MAX, 0)       \
    F(S, string, member_id, 0, V_MAX, 0)          \
    F(S, nstring, group_instance_id, 3, V_MAX, 0) \
    F(S, nstring, protocol_type, 5, V_MAX, 0)     \
    F(S, nstring, protocol_name, 5, V_MAX, 0)     \
    A(S, sync_group_assignment, assignments, 0, V_MAX)
#define WIRE_LIST_sync_group_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 1, V_MAX, 0)    \
    F(S, int16, error_code, 0, V_MAX, 0)          \
    F(S, nstring, protocol_type, 5, V_MAX, 0)     \
    F(S, nstring, protocol_name, 5, V_MAX, 0)     \
    F(S, bytes, assignment, 0, V_MAX, 0)

/* --- DescribeGroups (15), ListGroups (16), DeleteGroups (42), OffsetDelete (47) */
#define WIRE_LIST_describe_groups_request(S, F, A, T) \
    F(S, strings, groups, 0, V_MAX, 0)                \
    F(S, bool, include_authorized_operations, 3, V_MAX, 0)
#define WIRE_LIST_describe_groups_member(S, F, A, T) \
    F(S, string, member_id, 0, V_MAX, 0)             \
    F(S, nstring, group_instance_id, 4, V_MAX, 0)    \
    F(S, string, client_id, 0, V_MAX, 0)             \
    F(S, string, client_host, 0, V_MAX, 0)           \
    F(S, bytes, metadata, 0, V_MAX, 0)               \
    F(S, bytes, assignment, 0, V_MAX, 0)
#define WIRE_LIST_describe_groups_result(S, F, A, T) \
    F(S, int16, error_code, 0, V_MAX, 0)             \
    F(S, string, group_id, 0, V_MAX, 0)              \
    F(S, string, state, 0, V_MAX, 0)                 \
    F(S, string, protocol_type, 0, V_MAX, 0)         \
    F(S, string, protocol, 0, V_MAX, 0)              \
    A(S, describe_groups_member, members, 0, V_MAX)  \
    F(S, int32, authorized_operations, 3, V_MAX, INT32_MIN)
#define WIRE_LIST_describe_groups_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 1, V_MAX, 0)         \
    A(S, describe_groups_result, groups, 0, V_MAX)
#define WIRE_LIST_list_groups_request(S, F, A, T) \
    F(S, strings, states_filter, 4, V_MAX, 0)     \
    F(S, strings, types_filter, 5, V_MAX, 0)
#define WIRE_LIST_list_groups_result(S, F, A, T) \
    F(S, string, group_id, 0, V_MAX, 0)          \
    F(S, string, protocol_type, 0, V_MAX, 0)     \
    F(S, string, state, 4, V_MAX, 0)             \
    F(S, string, type, 5, V_MAX, 0)
#define WIRE_LIST_list_groups_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 1, V_MAX, 0)     \
    F(S, int16, error_code, 0, V_MAX, 0)           \
    A(S, list_groups_result, groups, 0, V_MAX)
#define WIRE_LIST_delete_groups_request(S, F, A, T) F(S, strings, groups, 0, V_MAX, 0)
#define WIRE_LIST_delete_groups_result(S, F, A, T) \
    F(S, string, group_id, 0, V_MAX, 0)            \
    F(S, int16, error_code, 0, V_MAX, 0)
#define WIRE_LIST_delete_groups_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 0, V_MAX, 0)       \
    A(S, delete_groups_result, results, 0, V_MAX)
#define WIRE_LIST_offset_delete_partition(S, F, A, T) F(S, int32, partition, 0, V_MAX, 0)
#define WIRE_LIST_offset_delete_topic(S, F, A, T) \
    F(S, string, name, 0, V_MAX, 0)               \
    A(S, offset_delete_partition, partitions, 0, V_MAX)
#define WIRE_LIST_offset_delete_request(S, F, A, T) \
    F(S, string, group_id, 0, V_MAX, 0)             \
    A(S, offset_delete_topic, topics, 0, V_MAX)
#define WIRE_LIST_offset_delete_response(S, F, A, T) \
    F(S, int16, error_code, 0, V_MAX, 0)             \
    F(S, int32, throttle_time_ms, 0, V_MAX, 0)       \
    A(S, offset_commit_topic_result, topics, 0, V_MAX)

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

/* --- CreateTopics (19), DeleteTopics (20), DeleteRecords (21), CreatePartitions (37) */
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
#define WIRE_LIST_delete_records_partition(S, F, A, T) \
    F(S, int32, partition, 0, V_MAX, 0)                \
    F(S, int64, offset, 0, V_MAX, 0)
#define WIRE_LIST_delete_records_topic(S, F, A, T) \
    F(S, string, name, 0, V_MAX, 0)                \
    A(S, delete_records_partition, partitions, 0, V_MAX)
#define WIRE_LIST_delete_records_request(S, F, A, T) \
    A(S, delete_records_topic, topics, 0, V_MAX)     \
    F(S, int32, timeout_ms, 0, V_MAX, 0)
#define WIRE_LIST_delete_records_partition_result(S, F, A, T) \
    F(S, int32, partition, 0, V_MAX, 0)                       \
    F(S, int64, low_watermark, 0, V_MAX, -1)                  \
    F(S, int16, error_code, 0, V_MAX, 0)
#define WIRE_LIST_delete_records_topic_result(S, F, A, T) \
    F(S, string, name, 0, V_MAX, 0)                       \
    A(S, delete_records_partition_result, partitions, 0, V_MAX)
#define WIRE_LIST_delete_records_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 0, V_MAX, 0)        \
    A(S, delete_records_topic_result, topics, 0, V_MAX)
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

/* --- InitProducerId (22), OffsetForLeaderEpoch (23) */
#define WIRE_LIST_init_producer_id_request(S, F, A, T) \
    F(S, nstring, transactional_id, 0, V_MAX, 0)       \
    F(S, int32, transaction_timeout_ms, 0, V_MAX, 0)   \
    F(S, int64, producer_id, 3, V_MAX, -1)             \
    F(S, int16, producer_epoch, 3, V_MAX, -1)
#define WIRE_LIST_init_producer_id_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 0, V_MAX, 0)          \
    F(S, int16, error_code, 0, V_MAX, 0)                \
    F(S, int64, producer_id, 0, V_MAX, -1)              \
    F(S, int16, producer_epoch, 0, V_MAX, 0)
#define WIRE_LIST_epoch_partition(S, F, A, T)       \
    F(S, int32, partition, 0, V_MAX, 0)             \
    F(S, int32, current_leader_epoch, 2, V_MAX, -1) \
    F(S, int32, leader_epoch, 0, V_MAX, 0)
#define WIRE_LIST_epoch_topic(S, F, A, T) \
    F(S, string, topic, 0, V_MAX, 0)      \
    A(S, epoch_partition, partitions, 0, V_MAX)
#define WIRE_LIST_epoch_request(S, F, A, T) \
    F(S, int32, replica_id, 3, V_MAX, -2)   \
    A(S, epoch_topic, topics, 0, V_MAX)
#define WIRE_LIST_epoch_partition_result(S, F, A, T) \
    F(S, int16, error_code, 0, V_MAX, 0)             \
    F(S, int32, partition, 0, V_MAX, 0)              \
    F(S, int32, leader_epoch, 1, V_MAX, -1)          \
    F(S, int64, end_offset, 0, V_MAX, -1)
#define WIRE_LIST_epoch_topic_result(S, F, A, T) \
    F(S, string, topic, 0, V_MAX, 0)             \
    A(S, epoch_partition_result, partitions, 0, V_MAX)
#define WIRE_LIST_epoch_response(S, F, A, T)   \
    F(S, int32, throttle_time_ms, 2, V_MAX, 0) \
    A(S, epoch_topic_result, topics, 0, V_MAX)

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
#define WIRE_TYPES(X)                  \
    X(produce_partition)               \
    X(produce_topic)                   \
    X(produce_request)                 \
    X(produce_record_error)            \
    X(produce_partition_result)        \
    X(produce_topic_result)            \
    X(produce_response)                \
    X(fetch_partition)                 \
    X(fetch_topic)                     \
    X(fetch_forgotten)                 \
    X(fetch_request)                   \
    X(fetch_aborted)                   \
    X(fetch_partition_result)          \
    X(fetch_topic_result)              \
    X(fetch_response)                  \
    X(list_offsets_partition)          \
    X(list_offsets_topic)              \
    X(list_offsets_request)            \
    X(list_offsets_partition_result)   \
    X(list_offsets_topic_result)       \
    X(list_offsets_response)           \
    X(metadata_topic)                  \
    X(metadata_request)                \
    X(metadata_broker)                 \
    X(metadata_partition_result)       \
    X(metadata_topic_result)           \
    X(metadata_response)               \
    X(offset_commit_partition)         \
    X(offset_commit_topic)             \
    X(offset_commit_request)           \
    X(offset_commit_partition_result)  \
    X(offset_commit_topic_result)      \
    X(offset_commit_response)          \
    X(offset_fetch_topic)              \
    X(offset_fetch_group)              \
    X(offset_fetch_request)            \
    X(offset_fetch_partition_result)   \
    X(offset_fetch_topic_result)       \
    X(offset_fetch_group_result)       \
    X(offset_fetch_response)           \
    X(find_coordinator_request)        \
    X(find_coordinator_result)         \
    X(find_coordinator_response)       \
    X(join_group_protocol)             \
    X(join_group_request)              \
    X(join_group_member)               \
    X(join_group_response)             \
    X(heartbeat_request)               \
    X(heartbeat_response)              \
    X(leave_group_member)              \
    X(leave_group_request)             \
    X(leave_group_result)              \
    X(leave_group_response)            \
    X(sync_group_assignment)           \
    X(sync_group_request)              \
    X(sync_group_response)             \
    X(describe_groups_request)         \
    X(describe_groups_member)          \
    X(describe_groups_result)          \
    X(describe_groups_response)        \
    X(list_groups_request)             \
    X(list_groups_result)              \
    X(list_groups_response)            \
    X(delete_groups_request)           \
    X(delete_groups_result)            \
    X(delete_groups_response)          \
    X(offset_delete_partition)         \
    X(offset_delete_topic)             \
    X(offset_delete_request)           \
    X(offset_delete_response)          \
    X(api_versions_request)            \
    X(api_versions_key)                \
    X(api_versions_response)           \
    X(create_topic_assignment)         \
    X(create_topic_config)             \
    X(create_topic)                    \
    X(create_topics_request)           \
    X(create_topic_config_result)      \
    X(create_topic_result)             \
    X(create_topics_response)          \
    X(delete_topic)                    \
    X(delete_topics_request)           \
    X(delete_topic_result)             \
    X(delete_topics_response)          \
    X(delete_records_partition)        \
    X(delete_records_topic)            \
    X(delete_records_request)          \
    X(delete_records_partition_result) \
    X(delete_records_topic_result)     \
    X(delete_records_response)         \
    X(create_partitions_assignment)    \
    X(create_partitions_topic)         \
    X(create_partitions_request)       \
    X(create_partitions_result)        \
    X(create_partitions_response)      \
    X(init_producer_id_request)        \
    X(init_producer_id_response)       \
    X(epoch_partition)                 \
    X(epoch_topic)                     \
    X(epoch_request)                   \
    X(epoch_partition_result)          \
    X(epoch_topic_result)              \
    X(epoch_response)                  \
    X(describe_configs_resource)       \
    X(describe_configs_request)        \
    X(describe_configs_synonym)        \
    X(describe_configs_entry)          \
    X(describe_configs_result)         \
    X(describe_configs_response)       \
    X(alter_configs_resource)          \
    X(alter_configs_request)           \
    X(alter_configs_result)            \
    X(alter_configs_response)          \
    X(incremental_config)              \
    X(incremental_resource)            \
    X(incremental_request)             \
    X(log_dirs_topic)                  \
    X(log_dirs_request)                \
    X(log_dirs_partition_result)       \
    X(log_dirs_topic_result)           \
    X(log_dirs_result)                 \
    X(log_dirs_response)               \
    X(describe_cluster_request)        \
    X(describe_cluster_broker)         \
    X(describe_cluster_response)

/* The C type of each kind. */
#define WIRE_C_bool bool
#define WIRE_C_int8 int8_t
#define WIRE_C_int16 int16_t
#define WIRE_C_int32 int32_t
#define WIRE_C_int64 int64_t
#define WIRE_C_uuid struct wire_uuid
#define WIRE_C_string struct str
#define WIRE_C_nstring struct str
#define WIRE_C_bytes struct str
#define WIRE_C_records struct wire_records
#define WIRE_C_int32s struct wire_int32s
#define WIRE_C_strings struct wire_strings

#define WIRE_MEMBER(S, kind, name, from, to, missing) WIRE_C_##kind name;
#define WIRE_ARRAY_MEMBER(S, item, name, from, to) \
    struct {                                       \
        struct wire_##item *p;                     \
        int32_t n;                                 \
    } name;
#define WIRE_TAGGED_MEMBER(S, tag, kind, name, from, to, missing) WIRE_C_##kind name;
#define WIRE_DECLARE(type)                                                         \
    struct wire_##type {                                                           \
        WIRE_LIST_##type(type, WIRE_MEMBER, WIRE_ARRAY_MEMBER, WIRE_TAGGED_MEMBER) \
    };                                                                             \
    extern const struct wire_type wire_type_##type;
/* clang-format off */
WIRE_TYPES(WIRE_DECLARE)
/* clang-format on */

#endif
