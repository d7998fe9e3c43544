/*
 * Transactions: who may write as which producer, what belongs to a transaction, and how it ends.
 *
 * Each transactional id has a state (txn_state.c: a table) that is a record of an internal partition (DIR/txns), whose
 * newest record for an id holds. A change is applied at once and appended; what depends on it - the answer, the markers
 * that end a transaction - waits until it is durable. So a later change can never be durable without an earlier one.
 *
 * A transaction ends in three steps: the decision (PREPARE_*) becomes durable; a marker is written to each of its
 * partitions, and its groups' offsets are made visible; then it is COMPLETE_*. Whoever asked for the end hears of it
 * after the second step. After a crash, decided transactions are found in the log and completed; whatever is open in
 * a partition although no transaction knows of it is aborted.
 */
#ifndef BROKER_TXNS_H
#define BROKER_TXNS_H

#include "broker/broker_internal.h"

#define TXN_TIMEOUT_MAX_MS 900000
#define TXN_EPOCH_LAST 32766 /* the last one that is given out; one more to fence with */
#define TXN_EXPIRY_MS INT64_C(604800000)
#define TXN_ID_MAX 4096
#define TXN_COORDINATOR_EPOCH 0 /* there has never been another coordinator */

/* As Kafka numbers them. */
enum txn_state {
    TXN_EMPTY,
    TXN_ONGOING,
    TXN_PREPARE_COMMIT,
    TXN_PREPARE_ABORT,
    TXN_COMPLETE_COMMIT,
    TXN_COMPLETE_ABORT,
    TXN_DEAD,
    TXN_STATES
};
enum txn_event { TXN_INIT, TXN_ADD, TXN_COMMIT, TXN_ABORT, TXN_MARKED, TXN_EXPIRE, TXN_EVENTS };

/* What a record holds beside the partitions and groups. */
struct txn_meta {
    int64_t producer_id, prev_producer_id, next_producer_id; /* -1: none */
    int16_t epoch, last_epoch;                               /* -1: none */
    enum txn_state state;
    int32_t timeout_ms;
    int64_t started_ms; /* -1: it has not */
    int64_t updated_ms;
};

struct txn_partition {
    char *topic;
    int32_t index;
};

/* Who waits for the end of a transaction. `decided`: it will come to that end, even after a crash. */
struct txn_waiter {
    struct txn_waiter *next;
    void (*done)(struct txn_waiter *w, bool decided);
};

struct txn {
    struct txn *next; /* in its bucket */
    struct txns *ts;
    char *id;
    struct txn_meta m;
    VEC(struct txn_partition) partitions;
    uint32_t *index; /* hash table over partitions: number + 1 */
    size_t index_cap;
    VEC(char *) groups;
    int64_t log_end; /* its newest record is durable when everything below is */
    bool completing;
    bool again;       /* some of its markers may have been written before */
    int64_t retry_ms; /* by the monotonic clock */
    struct txn_waiter *waiters;
};

#define TXN_BUCKETS 1024
struct completion;
struct txns {
    struct broker *b;
    struct partition *log;
    const struct plog *written_to; /* by all of them: another one than log->log if that has been repaired since */
    struct txn *buckets[TXN_BUCKETS];
    size_t n;
    int64_t live_bytes; /* about what the newest records take */
    bool compacting, swept;
    int64_t last_look_ms;
    struct completion *completions;
};

/* --- the rules (txn_state.c): they change nothing but the meta they are given */

struct txn_move {
    enum txn_state to;
    enum kafka_error error;
};
struct txn_move txn_next(enum txn_state state, enum txn_event event);
const char *txn_state_name(enum txn_state state);
/* TXN_STATES if there is none of that name. */
enum txn_state txn_state_of(struct str name);
/* Is this the producer of the transaction? */
enum kafka_error txn_check(const struct txn_meta *m, int64_t producer_id, int16_t epoch);

/* A producer begins: it gets an epoch of its own. `expected_*` is who it says it was, -1 if it does not. `fresh_id` is
 * what it becomes when epochs run out. *fence: a transaction is under way, which must be aborted first. */
enum kafka_error txn_init(struct txn_meta *m, int64_t expected_id, int16_t expected_epoch, int32_t timeout_ms,
                          int64_t fresh_id, bool *fence);
/* Its transaction is to be aborted, and nothing more is taken of it. */
void txn_fence(struct txn_meta *m, int16_t last_epoch);

/* The end as a producer asks for it. `bump`: it is given a new epoch with each end (transactions V2). */
enum txn_end { TXN_END_REFUSED, TXN_END_ALREADY, TXN_END_BEGUN };
enum txn_end txn_end(struct txn_meta *m, int64_t producer_id, int16_t epoch, bool commit, bool bump, int64_t fresh_id,
                     enum kafka_error *error);
/* Every marker is written. */
void txn_marked(struct txn_meta *m);

/* --- the ids (txns.c) */

struct txn *txns_find(struct txns *ts, struct str id);
struct txn *txns_make(struct txns *ts, struct str id);
struct txn *txns_find_producer(struct txns *ts, int64_t producer_id);
void txns_remove(struct txn *t);
int64_t txns_producer_id(struct txns *ts);
bool txn_has(const struct txn *t, struct str topic, int32_t index);
void txn_push_partition(struct txn *t, struct str topic, int32_t index); /* if it is not in it yet */
bool txn_has_group(const struct txn *t, struct str group);
void txn_forget_parts(struct txn *t, size_t partitions, size_t groups); /* all behind the first so many */

/* --- changing (txn_log.c): false and the old state if it cannot be written */

bool txn_write(struct txn *t, const struct txn_meta *m);
/* Adds what is not in it yet. */
enum kafka_error txn_add_partition(struct txn *t, struct str topic, int32_t index);
enum kafka_error txn_add_partitions(struct txn *t, const struct wire_add_partitions_topic *topics, int32_t n);
enum kafka_error txn_add_group(struct txn *t, struct str group);
/* False while they cannot be written. To be asked before something is taken from memory as written. */
bool txns_are_written(struct txns *ts);
/* Calls done when the newest record is durable. */
void txn_wait(struct txn *t, struct partition_wait *w);
IG_MUST_CHECK enum ig_code txns_load(struct txns *ts, struct error *err);
bool txns_expire(struct txn *t);
void txns_compact(struct txns *ts);

/* --- ending (txn_end.c) */

/* The decision has been written: completes it when that is durable. */
void txn_complete(struct txn *t);
/* Calls w->done when the transaction has ended, as far as it can. */
void txn_wait_end(struct txn *t, struct txn_waiter *w);
void txns_free_completions(struct txns *ts);
/* What is open in a partition or a group, and belongs to nothing, is aborted. */
void txns_sweep(struct txns *ts);
IG_MUST_CHECK enum ig_code txn_append_marker(struct partition *p, int64_t producer_id, int16_t epoch,
                                             enum batch_marker marker, int32_t coordinator_epoch, int64_t *end,
                                             struct error *err);

#endif
