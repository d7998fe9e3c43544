/* The rules of transactions, without any I/O. */
#include "broker/txns.h"

#define MOVE(state) {TXN_##state, KAFKA_OK}
#define STAY(state) {TXN_##state, KAFKA_OK}
#define REFUSE(state, error) {TXN_##state, KAFKA_##error}
#define LATER(state) REFUSE(state, CONCURRENT_TRANSACTIONS)
#define WRONG(state) REFUSE(state, INVALID_TXN_STATE)

/* A repeated end is answered as the first one was: it stays where it is. */
static const struct txn_move moves[TXN_STATES][TXN_EVENTS] = {
    [TXN_EMPTY] = {[TXN_INIT] = STAY(EMPTY),
                   [TXN_ADD] = MOVE(ONGOING),
                   [TXN_COMMIT] = WRONG(EMPTY),
                   [TXN_ABORT] = WRONG(EMPTY),
                   [TXN_MARKED] = WRONG(EMPTY),
                   [TXN_EXPIRE] = MOVE(DEAD)},
    [TXN_ONGOING] = {[TXN_INIT] = LATER(PREPARE_ABORT),
                     [TXN_ADD] = STAY(ONGOING),
                     [TXN_COMMIT] = MOVE(PREPARE_COMMIT),
                     [TXN_ABORT] = MOVE(PREPARE_ABORT),
                     [TXN_MARKED] = WRONG(ONGOING),
                     [TXN_EXPIRE] = WRONG(ONGOING)},
    [TXN_PREPARE_COMMIT] = {[TXN_INIT] = LATER(PREPARE_COMMIT),
                            [TXN_ADD] = LATER(PREPARE_COMMIT),
                            [TXN_COMMIT] = LATER(PREPARE_COMMIT),
                            [TXN_ABORT] = WRONG(PREPARE_COMMIT),
                            [TXN_MARKED] = MOVE(COMPLETE_COMMIT),
                            [TXN_EXPIRE] = WRONG(PREPARE_COMMIT)},
    [TXN_PREPARE_ABORT] = {[TXN_INIT] = LATER(PREPARE_ABORT),
                           [TXN_ADD] = LATER(PREPARE_ABORT),
                           [TXN_COMMIT] = WRONG(PREPARE_ABORT),
                           [TXN_ABORT] = LATER(PREPARE_ABORT),
                           [TXN_MARKED] = MOVE(COMPLETE_ABORT),
                           [TXN_EXPIRE] = WRONG(PREPARE_ABORT)},
    [TXN_COMPLETE_COMMIT] = {[TXN_INIT] = MOVE(EMPTY),
                             [TXN_ADD] = MOVE(ONGOING),
                             [TXN_COMMIT] = STAY(COMPLETE_COMMIT),
                             [TXN_ABORT] = WRONG(COMPLETE_COMMIT),
                             [TXN_MARKED] = WRONG(COMPLETE_COMMIT),
                             [TXN_EXPIRE] = MOVE(DEAD)},
    [TXN_COMPLETE_ABORT] = {[TXN_INIT] = MOVE(EMPTY),
                            [TXN_ADD] = MOVE(ONGOING),
                            [TXN_COMMIT] = WRONG(COMPLETE_ABORT),
                            [TXN_ABORT] = STAY(COMPLETE_ABORT),
                            [TXN_MARKED] = WRONG(COMPLETE_ABORT),
                            [TXN_EXPIRE] = MOVE(DEAD)},
    [TXN_DEAD] = {[TXN_INIT] = WRONG(DEAD),
                  [TXN_ADD] = WRONG(DEAD),
                  [TXN_COMMIT] = WRONG(DEAD),
                  [TXN_ABORT] = WRONG(DEAD),
                  [TXN_MARKED] = WRONG(DEAD),
                  [TXN_EXPIRE] = WRONG(DEAD)},
};

struct txn_move txn_next(enum txn_state state, enum txn_event event)
{
    return moves[state][event];
}

static const char *const names[TXN_STATES] = {"Empty",          "Ongoing",       "PrepareCommit", "PrepareAbort",
                                              "CompleteCommit", "CompleteAbort", "Dead"};

const char *txn_state_name(enum txn_state state)
{
    return names[state];
}

enum txn_state txn_state_of(struct str name)
{
    size_t i = 0;

    while (i < TXN_STATES && !str_is(name, names[i]))
        i++;
    return (enum txn_state)i;
}

enum kafka_error txn_check(const struct txn_meta *m, int64_t producer_id, int16_t epoch)
{
    if (producer_id != m->producer_id)
        return KAFKA_INVALID_PRODUCER_ID_MAPPING;
    return epoch == m->epoch ? KAFKA_OK : KAFKA_PRODUCER_FENCED;
}

/* --- beginning -----------------------------------------------------------------------------------------------------
 */

/* May who says that he was this go on? He may have been given the newest epoch without having heard of it. */
static bool is_known(const struct txn_meta *m, int64_t id, int16_t epoch)
{
    if (id < 0 || m->epoch < 0)
        return true;
    if (id == m->producer_id)
        return epoch == m->epoch || (epoch >= 0 && epoch == m->last_epoch);
    return id == m->prev_producer_id && epoch >= TXN_EPOCH_LAST;
}

static void give_epoch(struct txn_meta *m, int64_t expected_id, int16_t expected_epoch, int64_t fresh_id)
{
    if (expected_id >= 0 && m->epoch >= 0 && (expected_id != m->producer_id || expected_epoch != m->epoch))
        return; /* asked for once more: it has it already */
    if (m->epoch >= TXN_EPOCH_LAST) {
        m->prev_producer_id = m->producer_id;
        m->producer_id = fresh_id;
        m->epoch = 0;
        m->last_epoch = -1;
        return;
    }
    m->last_epoch = expected_id >= 0 ? m->epoch : -1;
    m->epoch++;
}

enum kafka_error txn_init(struct txn_meta *m, int64_t expected_id, int16_t expected_epoch, int32_t timeout_ms,
                          int64_t fresh_id, bool *fence)
{
    const struct txn_move move = txn_next(m->state, TXN_INIT);

    *fence = false;
    if (!is_known(m, expected_id, expected_epoch))
        return KAFKA_PRODUCER_FENCED;
    if (m->state == TXN_ONGOING) {
        *fence = true;
        txn_fence(m, expected_id >= 0 ? m->epoch : -1);
    }
    if (move.error)
        return move.error;
    give_epoch(m, expected_id, expected_epoch, fresh_id);
    m->state = move.to;
    m->timeout_ms = timeout_ms;
    m->started_ms = -1;
    return KAFKA_OK;
}

/* --- ending --------------------------------------------------------------------------------------------------------
 */

void txn_fence(struct txn_meta *m, int16_t last_epoch)
{
    m->state = txn_next(m->state, TXN_ABORT).to;
    m->last_epoch = last_epoch;
    m->epoch++; /* never more than one behind TXN_EPOCH_LAST: then it becomes somebody else */
}

/* A producer that is given an epoch with each end may ask again with the one it had. */
static bool is_repeated(const struct txn_meta *m, int64_t producer_id, int16_t epoch)
{
    if (producer_id == m->producer_id)
        return epoch >= 0 && epoch == m->last_epoch && epoch + 1 == m->epoch;
    return producer_id == m->prev_producer_id && epoch >= TXN_EPOCH_LAST && m->epoch == 0;
}

static void bump_at_end(struct txn_meta *m, int64_t fresh_id)
{
    m->last_epoch = m->epoch;
    m->next_producer_id = m->epoch >= TXN_EPOCH_LAST ? fresh_id : -1;
    m->epoch++;
}

static enum txn_end refuse(enum kafka_error why, enum kafka_error *error)
{
    *error = why;
    return TXN_END_REFUSED;
}

enum txn_end txn_end(struct txn_meta *m, int64_t producer_id, int16_t epoch, bool commit, bool bump, int64_t fresh_id,
                     enum kafka_error *error)
{
    const struct txn_move move = txn_next(m->state, commit ? TXN_COMMIT : TXN_ABORT);
    const bool repeated = bump && is_repeated(m, producer_id, epoch);
    const enum kafka_error wrong = repeated ? KAFKA_OK : txn_check(m, producer_id, epoch);
    const bool under_way = m->state == TXN_ONGOING;

    *error = KAFKA_OK;
    if (wrong)
        return refuse(wrong, error);
    if (repeated && (under_way || m->state == TXN_EMPTY))
        return refuse(KAFKA_PRODUCER_FENCED, error); /* it has gone on with the new one */
    if (bump && !repeated && !under_way && m->state != TXN_PREPARE_COMMIT && m->state != TXN_PREPARE_ABORT) {
        if (commit)
            return refuse(KAFKA_INVALID_TXN_STATE, error);
        bump_at_end(m, fresh_id); /* an abort of nothing gives a new epoch, too */
        m->state = TXN_PREPARE_ABORT;
        return TXN_END_BEGUN;
    }
    if (move.error)
        return refuse(move.error, error);
    if (!under_way)
        return TXN_END_ALREADY;
    if (bump)
        bump_at_end(m, fresh_id);
    m->state = move.to;
    return TXN_END_BEGUN;
}

void txn_marked(struct txn_meta *m)
{
    m->state = txn_next(m->state, TXN_MARKED).to;
    m->started_ms = -1;
    if (m->next_producer_id < 0)
        return;
    m->prev_producer_id = m->producer_id;
    m->producer_id = m->next_producer_id;
    m->next_producer_id = -1;
    m->epoch = 0;
    m->last_epoch = -1;
}
