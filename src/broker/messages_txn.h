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

/* Every list above, an array's items before the array. */
#define WIRE_TYPES_TXN(X)       \
    X(init_producer_id_request) \
    X(init_producer_id_response)

#endif
