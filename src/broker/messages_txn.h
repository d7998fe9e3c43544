/* The messages of producers and transactions; messages.h says how to read the lists. */
#ifndef BROKER_MESSAGES_TXN_H
#define BROKER_MESSAGES_TXN_H

/* --- InitProducerId (22) */
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

/* --- AddPartitionsToTxn (24), AddOffsetsToTxn (25), EndTxn (26) */
#define WIRE_LIST_add_partitions_topic(S, F, A, T) \
    F(S, string, name, 0, V_MAX, 0)                \
    F(S, int32s, partitions, 0, V_MAX, 0)
#define WIRE_LIST_add_partitions_txn(S, F, A, T) \
    F(S, string, transactional_id, 4, V_MAX, 0)  \
    F(S, int64, producer_id, 4, V_MAX, -1)       \
    F(S, int16, producer_epoch, 4, V_MAX, -1)    \
    F(S, bool, verify_only, 4, V_MAX, 0)         \
    A(S, add_partitions_topic, topics, 4, V_MAX)
#define WIRE_LIST_add_partitions_request(S, F, A, T) \
    A(S, add_partitions_txn, transactions, 4, V_MAX) \
    F(S, string, transactional_id, 0, 3, 0)          \
    F(S, int64, producer_id, 0, 3, -1)               \
    F(S, int16, producer_epoch, 0, 3, -1)            \
    A(S, add_partitions_topic, topics, 0, 3)
#define WIRE_LIST_add_partitions_partition_result(S, F, A, T) \
    F(S, int32, partition, 0, V_MAX, 0)                       \
    F(S, int16, error_code, 0, V_MAX, 0)
#define WIRE_LIST_add_partitions_topic_result(S, F, A, T) \
    F(S, string, name, 0, V_MAX, 0)                       \
    A(S, add_partitions_partition_result, partitions, 0, V_MAX)
#define WIRE_LIST_add_partitions_txn_result(S, F, A, T) \
    F(S, string, transactional_id, 4, V_MAX, 0)         \
    A(S, add_partitions_topic_result, topics, 4, V_MAX)
#define WIRE_LIST_add_partitions_response(S, F, A, T)       \
    F(S, int32, throttle_time_ms, 0, V_MAX, 0)              \
    F(S, int16, error_code, 4, V_MAX, 0)                    \
    A(S, add_partitions_txn_result, transactions, 4, V_MAX) \
    A(S, add_partitions_topic_result, topics, 0, 3)
#define WIRE_LIST_add_offsets_request(S, F, A, T) \
    F(S, string, transactional_id, 0, V_MAX, 0)   \
    F(S, int64, producer_id, 0, V_MAX, -1)        \
    F(S, int16, producer_epoch, 0, V_MAX, -1)     \
    F(S, string, group_id, 0, V_MAX, 0)
#define WIRE_LIST_add_offsets_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 0, V_MAX, 0)     \
    F(S, int16, error_code, 0, V_MAX, 0)
#define WIRE_LIST_end_txn_request(S, F, A, T)   \
    F(S, string, transactional_id, 0, V_MAX, 0) \
    F(S, int64, producer_id, 0, V_MAX, -1)      \
    F(S, int16, producer_epoch, 0, V_MAX, -1)   \
    F(S, bool, committed, 0, V_MAX, 0)
#define WIRE_LIST_end_txn_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 0, V_MAX, 0) \
    F(S, int16, error_code, 0, V_MAX, 0)       \
    F(S, int64, producer_id, 5, V_MAX, -1)     \
    F(S, int16, producer_epoch, 5, V_MAX, -1)

/* --- WriteTxnMarkers (27) */
#define WIRE_LIST_txn_markers_topic(S, F, A, T) \
    F(S, string, name, 0, V_MAX, 0)             \
    F(S, int32s, partitions, 0, V_MAX, 0)
#define WIRE_LIST_txn_marker(S, F, A, T)         \
    F(S, int64, producer_id, 0, V_MAX, -1)       \
    F(S, int16, producer_epoch, 0, V_MAX, -1)    \
    F(S, bool, committed, 0, V_MAX, 0)           \
    A(S, txn_markers_topic, topics, 0, V_MAX)    \
    F(S, int32, coordinator_epoch, 0, V_MAX, -1) \
    F(S, int8, transaction_version, 2, V_MAX, 0)
#define WIRE_LIST_txn_markers_request(S, F, A, T) A(S, txn_marker, markers, 0, V_MAX)
#define WIRE_LIST_txn_marker_result(S, F, A, T) \
    F(S, int64, producer_id, 0, V_MAX, -1)      \
    A(S, add_partitions_topic_result, topics, 0, V_MAX)
#define WIRE_LIST_txn_markers_response(S, F, A, T) A(S, txn_marker_result, markers, 0, V_MAX)

/* --- TxnOffsetCommit (28) */
#define WIRE_LIST_txn_offset_partition(S, F, A, T) \
    F(S, int32, partition, 0, V_MAX, 0)            \
    F(S, int64, offset, 0, V_MAX, -1)              \
    F(S, int32, leader_epoch, 2, V_MAX, -1)        \
    F(S, nstring, metadata, 0, V_MAX, 0)
#define WIRE_LIST_txn_offset_topic(S, F, A, T) \
    F(S, string, name, 0, V_MAX, 0)            \
    A(S, txn_offset_partition, partitions, 0, V_MAX)
#define WIRE_LIST_txn_offset_request(S, F, A, T)  \
    F(S, string, transactional_id, 0, V_MAX, 0)   \
    F(S, string, group_id, 0, V_MAX, 0)           \
    F(S, int64, producer_id, 0, V_MAX, -1)        \
    F(S, int16, producer_epoch, 0, V_MAX, -1)     \
    F(S, int32, generation_id, 3, V_MAX, -1)      \
    F(S, string, member_id, 3, V_MAX, 0)          \
    F(S, nstring, group_instance_id, 3, V_MAX, 0) \
    A(S, txn_offset_topic, topics, 0, V_MAX)
#define WIRE_LIST_txn_offset_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 0, V_MAX, 0)    \
    A(S, add_partitions_topic_result, topics, 0, V_MAX)

/* --- DescribeProducers (61), DescribeTransactions (65), ListTransactions (66) */
#define WIRE_LIST_describe_producers_request(S, F, A, T) A(S, txn_markers_topic, topics, 0, V_MAX)
#define WIRE_LIST_describe_producer(S, F, A, T)  \
    F(S, int64, producer_id, 0, V_MAX, -1)       \
    F(S, int32, producer_epoch, 0, V_MAX, -1)    \
    F(S, int32, last_sequence, 0, V_MAX, -1)     \
    F(S, int64, last_timestamp, 0, V_MAX, -1)    \
    F(S, int32, coordinator_epoch, 0, V_MAX, -1) \
    F(S, int64, txn_start_offset, 0, V_MAX, -1)
#define WIRE_LIST_describe_producers_partition(S, F, A, T) \
    F(S, int32, partition, 0, V_MAX, 0)                    \
    F(S, int16, error_code, 0, V_MAX, 0)                   \
    F(S, nstring, error_message, 0, V_MAX, 0)              \
    A(S, describe_producer, producers, 0, V_MAX)
#define WIRE_LIST_describe_producers_topic(S, F, A, T) \
    F(S, string, name, 0, V_MAX, 0)                    \
    A(S, describe_producers_partition, partitions, 0, V_MAX)
#define WIRE_LIST_describe_producers_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 0, V_MAX, 0)            \
    A(S, describe_producers_topic, topics, 0, V_MAX)
#define WIRE_LIST_describe_txns_request(S, F, A, T) F(S, strings, transactional_ids, 0, V_MAX, 0)
#define WIRE_LIST_describe_txns_topic(S, F, A, T) \
    F(S, string, topic, 0, V_MAX, 0)              \
    F(S, int32s, partitions, 0, V_MAX, 0)
#define WIRE_LIST_describe_txns_result(S, F, A, T) \
    F(S, int16, error_code, 0, V_MAX, 0)           \
    F(S, string, transactional_id, 0, V_MAX, 0)    \
    F(S, string, state, 0, V_MAX, 0)               \
    F(S, int32, timeout_ms, 0, V_MAX, 0)           \
    F(S, int64, start_time_ms, 0, V_MAX, -1)       \
    F(S, int64, producer_id, 0, V_MAX, -1)         \
    F(S, int16, producer_epoch, 0, V_MAX, -1)      \
    A(S, describe_txns_topic, topics, 0, V_MAX)
#define WIRE_LIST_describe_txns_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 0, V_MAX, 0)       \
    A(S, describe_txns_result, transactions, 0, V_MAX)
#define WIRE_LIST_list_txns_request(S, F, A, T) \
    F(S, strings, states, 0, V_MAX, 0)          \
    F(S, int64s, producer_ids, 0, V_MAX, 0)     \
    F(S, int64, duration_ms, 1, V_MAX, -1)
#define WIRE_LIST_list_txns_result(S, F, A, T)  \
    F(S, string, transactional_id, 0, V_MAX, 0) \
    F(S, int64, producer_id, 0, V_MAX, -1)      \
    F(S, string, state, 0, V_MAX, 0)
#define WIRE_LIST_list_txns_response(S, F, A, T) \
    F(S, int32, throttle_time_ms, 0, V_MAX, 0)   \
    F(S, int16, error_code, 0, V_MAX, 0)         \
    F(S, strings, unknown_states, 0, V_MAX, 0)   \
    A(S, list_txns_result, transactions, 0, V_MAX)

/* Every list above, an array's items before the array. */
#define WIRE_TYPES_TXN(X)              \
    X(init_producer_id_request)        \
    X(init_producer_id_response)       \
    X(add_partitions_topic)            \
    X(add_partitions_txn)              \
    X(add_partitions_request)          \
    X(add_partitions_partition_result) \
    X(add_partitions_topic_result)     \
    X(add_partitions_txn_result)       \
    X(add_partitions_response)         \
    X(add_offsets_request)             \
    X(add_offsets_response)            \
    X(end_txn_request)                 \
    X(end_txn_response)                \
    X(txn_markers_topic)               \
    X(txn_marker)                      \
    X(txn_markers_request)             \
    X(txn_marker_result)               \
    X(txn_markers_response)            \
    X(txn_offset_partition)            \
    X(txn_offset_topic)                \
    X(txn_offset_request)              \
    X(txn_offset_response)             \
    X(describe_producers_request)      \
    X(describe_producer)               \
    X(describe_producers_partition)    \
    X(describe_producers_topic)        \
    X(describe_producers_response)     \
    X(describe_txns_request)           \
    X(describe_txns_topic)             \
    X(describe_txns_result)            \
    X(describe_txns_response)          \
    X(list_txns_request)               \
    X(list_txns_result)                \
    X(list_txns_response)

#endif
