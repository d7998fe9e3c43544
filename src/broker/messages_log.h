/* The messages of records: produce, fetch, offsets of a log; messages.h says how to read the lists. */
#ifndef BROKER_MESSAGES_LOG_H
#define BROKER_MESSAGES_LOG_H

/* --- Produce (0) */
#define WIRE_LIST_produce_partition(S, F, A, T) \
    F(S, int32, index, 0, V_MAX, 0)             \
    F(S, records, records, 0, V_MAX, 0)
#define WIRE_LIST_produce_topic(S, F, A, T) \
    F(S, string, name, 0, 12, 0)            \
    F(S, uuid, topic_id, 13, V_MAX, 0)      \
    A(S, produce_partition, partitions, 0, V_MAX)
#define WIRE_LIST_produce_request(S, F, A, T)    \
    F(S, nstring, transactional_id, 3, V_MAX, 0) \
    F(S, int16, acks, 0, V_MAX, 0)               \
    F(S, int32, timeout_ms, 0, V_MAX, 0)         \
    A(S, produce_topic, topics, 0, V_MAX)
#define WIRE_LIST_produce_record_error(S, F, A, T) \
    F(S, int32, batch_index, 0, V_MAX, 0)          \
    F(S, nstring, message, 0, V_MAX, 0)
/* Who leads a partition now, and where that node is: of answers that say "not here". One node has never cause to. */
#define WIRE_LIST_leader_epoch(S, F, A, T) \
    F(S, int32, leader_id, 0, V_MAX, -1)   \
    F(S, int32, leader_epoch, 0, V_MAX, -1)
#define WIRE_LIST_node_endpoint(S, F, A, T) \
    F(S, int32, node_id, 0, V_MAX, 0)       \
    F(S, string, host, 0, V_MAX, 0)         \
    F(S, int32, port, 0, V_MAX, 0)          \
    F(S, nstring, rack, 0, V_MAX, 0)
#define WIRE_LIST_produce_partition_result(S, F, A, T)  \
    F(S, int32, index, 0, V_MAX, 0)                     \
    F(S, int16, error_code, 0, V_MAX, 0)                \
    F(S, int64, base_offset, 0, V_MAX, -1)              \
    F(S, int64, log_append_time_ms, 2, V_MAX, -1)       \
    F(S, int64, log_start_offset, 5, V_MAX, -1)         \
    A(S, produce_record_error, record_errors, 8, V_MAX) \
    F(S, nstring, error_message, 8, V_MAX, 0)           \
    T(S, 0, struct_of(leader_epoch), current_leader, 10, V_MAX, 0)
#define WIRE_LIST_produce_topic_result(S, F, A, T) \
    F(S, string, name, 0, 12, 0)                   \
    F(S, uuid, topic_id, 13, V_MAX, 0)             \
    A(S, produce_partition_result, partitions, 0, V_MAX)
#define WIRE_LIST_produce_response(S, F, A, T)   \
    A(S, produce_topic_result, topics, 0, V_MAX) \
    F(S, int32, throttle_time_ms, 1, V_MAX, 0)   \
    T(S, 0, array_of(node_endpoint), node_endpoints, 10, V_MAX, 0)

/* --- Fetch (1) */
#define WIRE_LIST_fetch_partition(S, F, A, T)         \
    F(S, int32, partition, 0, V_MAX, 0)               \
    F(S, int32, current_leader_epoch, 9, V_MAX, -1)   \
    F(S, int64, fetch_offset, 0, V_MAX, 0)            \
    F(S, int32, last_fetched_epoch, 12, V_MAX, -1)    \
    F(S, int64, log_start_offset, 5, V_MAX, -1)       \
    F(S, int32, partition_max_bytes, 0, V_MAX, 0)     \
    T(S, 0, uuid, replica_directory_id, 17, V_MAX, 0) \
    T(S, 1, int64, high_watermark, 18, V_MAX, INT64_MAX)
#define WIRE_LIST_fetch_topic(S, F, A, T) \
    F(S, string, topic, 0, 12, 0)         \
    F(S, uuid, topic_id, 13, V_MAX, 0)    \
    A(S, fetch_partition, partitions, 0, V_MAX)
#define WIRE_LIST_fetch_forgotten(S, F, A, T) \
    F(S, string, topic, 7, 12, 0)             \
    F(S, uuid, topic_id, 13, V_MAX, 0)        \
    F(S, int32s, partitions, 7, V_MAX, 0)
#define WIRE_LIST_fetch_replica(S, F, A, T) \
    F(S, int32, replica_id, 15, V_MAX, -1)  \
    F(S, int64, replica_epoch, 15, V_MAX, -1)
#define WIRE_LIST_fetch_request(S, F, A, T)                  \
    T(S, 0, nstring, cluster_id, 12, V_MAX, 0)               \
    T(S, 1, struct_of(fetch_replica), replica, 15, V_MAX, 0) \
    F(S, int32, replica_id, 0, 14, -1)                       \
    F(S, int32, max_wait_ms, 0, V_MAX, 0)                    \
    F(S, int32, min_bytes, 0, V_MAX, 0)                      \
    F(S, int32, max_bytes, 3, V_MAX, 0x7fffffff)             \
    F(S, int8, isolation_level, 4, V_MAX, 0)                 \
    F(S, int32, session_id, 7, V_MAX, 0)                     \
    F(S, int32, session_epoch, 7, V_MAX, -1)                 \
    A(S, fetch_topic, topics, 0, V_MAX)                      \
    A(S, fetch_forgotten, forgotten, 7, V_MAX)               \
    F(S, string, rack_id, 11, V_MAX, 0)
#define WIRE_LIST_fetch_aborted(S, F, A, T) \
    F(S, int64, producer_id, 4, V_MAX, 0)   \
    F(S, int64, first_offset, 4, V_MAX, 0)
#define WIRE_LIST_fetch_diverging(S, F, A, T) \
    F(S, int32, epoch, 12, V_MAX, -1)         \
    F(S, int64, end_offset, 12, V_MAX, -1)
#define WIRE_LIST_fetch_snapshot(S, F, A, T) \
    F(S, int64, end_offset, 12, V_MAX, -1)   \
    F(S, int32, epoch, 12, V_MAX, -1)
#define WIRE_LIST_fetch_partition_result(S, F, A, T)               \
    F(S, int32, partition, 0, V_MAX, 0)                            \
    F(S, int16, error_code, 0, V_MAX, 0)                           \
    F(S, int64, high_watermark, 0, V_MAX, -1)                      \
    F(S, int64, last_stable_offset, 4, V_MAX, -1)                  \
    F(S, int64, log_start_offset, 5, V_MAX, -1)                    \
    A(S, fetch_aborted, aborted, 4, V_MAX)                         \
    F(S, int32, preferred_read_replica, 11, V_MAX, -1)             \
    F(S, records, records, 0, V_MAX, 0)                            \
    T(S, 0, struct_of(fetch_diverging), diverging, 12, V_MAX, 0)   \
    T(S, 1, struct_of(leader_epoch), current_leader, 12, V_MAX, 0) \
    T(S, 2, struct_of(fetch_snapshot), snapshot, 12, V_MAX, 0)
#define WIRE_LIST_fetch_topic_result(S, F, A, T) \
    F(S, string, topic, 0, 12, 0)                \
    F(S, uuid, topic_id, 13, V_MAX, 0)           \
    A(S, fetch_partition_result, partitions, 0, V_MAX)
#define WIRE_LIST_fetch_response(S, F, A, T)   \
    F(S, int32, throttle_time_ms, 1, V_MAX, 0) \
    F(S, int16, error_code, 7, V_MAX, 0)       \
    F(S, int32, session_id, 7, V_MAX, 0)       \
    A(S, fetch_topic_result, topics, 0, V_MAX) \
    T(S, 0, array_of(node_endpoint), node_endpoints, 16, V_MAX, 0)

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
    A(S, list_offsets_topic, topics, 0, V_MAX)     \
    F(S, int32, timeout_ms, 10, V_MAX, 0)
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

/* --- DeleteRecords (21) */
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

/* --- OffsetForLeaderEpoch (23) */
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

/* Every list above, an array's items before the array. */
#define WIRE_TYPES_LOG(X)              \
    X(produce_partition)               \
    X(produce_topic)                   \
    X(produce_request)                 \
    X(produce_record_error)            \
    X(leader_epoch)                    \
    X(node_endpoint)                   \
    X(produce_partition_result)        \
    X(produce_topic_result)            \
    X(produce_response)                \
    X(fetch_partition)                 \
    X(fetch_topic)                     \
    X(fetch_forgotten)                 \
    X(fetch_replica)                   \
    X(fetch_request)                   \
    X(fetch_aborted)                   \
    X(fetch_diverging)                 \
    X(fetch_snapshot)                  \
    X(fetch_partition_result)          \
    X(fetch_topic_result)              \
    X(fetch_response)                  \
    X(list_offsets_partition)          \
    X(list_offsets_topic)              \
    X(list_offsets_request)            \
    X(list_offsets_partition_result)   \
    X(list_offsets_topic_result)       \
    X(list_offsets_response)           \
    X(delete_records_partition)        \
    X(delete_records_topic)            \
    X(delete_records_request)          \
    X(delete_records_partition_result) \
    X(delete_records_topic_result)     \
    X(delete_records_response)         \
    X(epoch_partition)                 \
    X(epoch_topic)                     \
    X(epoch_request)                   \
    X(epoch_partition_result)          \
    X(epoch_topic_result)              \
    X(epoch_response)

#endif
