/* The messages of groups and their offsets; messages.h says how to read the lists. */
#ifndef BROKER_MESSAGES_GROUPS_H
#define BROKER_MESSAGES_GROUPS_H

/* --- OffsetCommit (8) */
#define WIRE_LIST_offset_commit_partition(S, F, A, T) \
    F(S, int32, partition, 0, V_MAX, 0)               \
    F(S, int64, offset, 0, V_MAX, 0)                  \
    F(S, int32, leader_epoch, 6, V_MAX, -1)           \
    F(S, int64, timestamp, 1, 1, -1)                  \
    F(S, nstring, metadata, 0, V_MAX, 0)
#define WIRE_LIST_offset_commit_topic(S, F, A, T) \
    F(S, string, name, 0, 9, 0)                   \
    F(S, uuid, topic_id, 10, V_MAX, 0)            \
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
    F(S, string, name, 0, 9, 0)                          \
    F(S, uuid, topic_id, 10, V_MAX, 0)                   \
    A(S, offset_commit_partition_result, partitions, 0, V_MAX)
#define WIRE_LIST_offset_commit_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 3, V_MAX, 0)       \
    A(S, offset_commit_topic_result, topics, 0, V_MAX)

/* --- OffsetFetch (9) */
#define WIRE_LIST_offset_fetch_topic(S, F, A, T) \
    F(S, string, name, 0, 9, 0)                  \
    F(S, uuid, topic_id, 10, V_MAX, 0)           \
    F(S, int32s, partitions, 0, V_MAX, 0)
#define WIRE_LIST_offset_fetch_group(S, F, A, T) \
    F(S, string, group_id, 8, V_MAX, 0)          \
    F(S, nstring, member_id, 9, V_MAX, 0)        \
    F(S, int32, member_epoch, 9, V_MAX, -1)      \
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
    F(S, string, name, 0, 9, 0)                         \
    F(S, uuid, topic_id, 10, V_MAX, 0)                  \
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
    F(S, nstring, error_message, 6, V_MAX, 0)        \
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

/* --- ConsumerGroupHeartbeat (68), ConsumerGroupDescribe (69): the protocol of KIP-848 */
#define WIRE_LIST_member_partitions(S, F, A, T) \
    F(S, uuid, topic_id, 0, V_MAX, 0)           \
    F(S, int32s, partitions, 0, V_MAX, 0)
#define WIRE_LIST_member_heartbeat_request(S, F, A, T) \
    F(S, string, group_id, 0, V_MAX, 0)                \
    F(S, string, member_id, 0, V_MAX, 0)               \
    F(S, int32, member_epoch, 0, V_MAX, 0)             \
    F(S, nstring, instance_id, 0, V_MAX, 0)            \
    F(S, nstring, rack_id, 0, V_MAX, 0)                \
    F(S, int32, rebalance_timeout_ms, 0, V_MAX, -1)    \
    F(S, strings, topic_names, 0, V_MAX, 0)            \
    F(S, nstring, topic_regex, 1, V_MAX, 0)            \
    F(S, nstring, assignor, 0, V_MAX, 0)               \
    A(S, member_partitions, owned, 0, V_MAX)
#define WIRE_LIST_member_assignment(S, F, A, T) A(S, member_partitions, topics, 0, V_MAX)
#define WIRE_LIST_member_heartbeat_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 0, V_MAX, 0)          \
    F(S, int16, error_code, 0, V_MAX, 0)                \
    F(S, nstring, error_message, 0, V_MAX, 0)           \
    F(S, nstring, member_id, 0, V_MAX, 0)               \
    F(S, int32, member_epoch, 0, V_MAX, 0)              \
    F(S, int32, heartbeat_interval_ms, 0, V_MAX, 0)     \
    F(S, nstruct_of(member_assignment), assignment, 0, V_MAX, 0)
#define WIRE_LIST_consumer_group_describe_request(S, F, A, T) \
    F(S, strings, groups, 0, V_MAX, 0)                        \
    F(S, bool, include_authorized_operations, 0, V_MAX, 0)
#define WIRE_LIST_described_partitions(S, F, A, T) \
    F(S, uuid, topic_id, 0, V_MAX, 0)              \
    F(S, string, topic, 0, V_MAX, 0)               \
    F(S, int32s, partitions, 0, V_MAX, 0)
#define WIRE_LIST_described_assignment(S, F, A, T) A(S, described_partitions, topics, 0, V_MAX)
#define WIRE_LIST_described_member(S, F, A, T)                     \
    F(S, string, member_id, 0, V_MAX, 0)                           \
    F(S, nstring, instance_id, 0, V_MAX, 0)                        \
    F(S, nstring, rack_id, 0, V_MAX, 0)                            \
    F(S, int32, member_epoch, 0, V_MAX, 0)                         \
    F(S, string, client_id, 0, V_MAX, 0)                           \
    F(S, string, client_host, 0, V_MAX, 0)                         \
    F(S, strings, topic_names, 0, V_MAX, 0)                        \
    F(S, nstring, topic_regex, 0, V_MAX, 0)                        \
    F(S, struct_of(described_assignment), assignment, 0, V_MAX, 0) \
    F(S, struct_of(described_assignment), target, 0, V_MAX, 0)     \
    F(S, int8, member_type, 1, V_MAX, -1)
#define WIRE_LIST_consumer_group_result(S, F, A, T) \
    F(S, int16, error_code, 0, V_MAX, 0)            \
    F(S, nstring, error_message, 0, V_MAX, 0)       \
    F(S, string, group_id, 0, V_MAX, 0)             \
    F(S, string, state, 0, V_MAX, 0)                \
    F(S, int32, group_epoch, 0, V_MAX, 0)           \
    F(S, int32, assignment_epoch, 0, V_MAX, 0)      \
    F(S, string, assignor, 0, V_MAX, 0)             \
    A(S, described_member, members, 0, V_MAX)       \
    F(S, int32, authorized_operations, 0, V_MAX, INT32_MIN)
#define WIRE_LIST_consumer_group_describe_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 0, V_MAX, 0)                 \
    A(S, consumer_group_result, groups, 0, V_MAX)

/* Every list above, an array's items before the array. */
#define WIRE_TYPES_GROUPS(X)           \
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
    X(member_partitions)               \
    X(member_heartbeat_request)        \
    X(member_assignment)               \
    X(member_heartbeat_response)       \
    X(consumer_group_describe_request) \
    X(described_partitions)            \
    X(described_assignment)            \
    X(described_member)                \
    X(consumer_group_result)           \
    X(consumer_group_describe_response)

#endif
