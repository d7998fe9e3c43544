/* The rules of transactions. */
#include "broker/txns.h"
#include "test.h"

static struct txn_meta meta(enum txn_state state, int64_t producer_id, int16_t epoch)
{
    return (struct txn_meta){.producer_id = producer_id,
                             .prev_producer_id = -1,
                             .next_producer_id = -1,
                             .epoch = epoch,
                             .last_epoch = -1,
                             .state = state,
                             .timeout_ms = 60000,
                             .started_ms = -1};
}

/* One letter a state; '.' is refused for good, '?' may be tried again, small: answered as before. */
static char letter(enum txn_state from, enum txn_event event)
{
    static const char upper[] = "EOPQCAD", lower[] = "eopqcad";
    const struct txn_move m = txn_next(from, event);

    if (m.error == KAFKA_CONCURRENT_TRANSACTIONS)
        return '?';
    if (m.error)
        return '.';
    return m.to == from ? lower[m.to] : upper[m.to];
}

static void every_state_meets_every_event(void **state)
{
    /* INIT ADD COMMIT ABORT MARKED EXPIRE */
    static const char *const expected[TXN_STATES] = {
        [TXN_EMPTY] = "eO...D",         [TXN_ONGOING] = "?oPQ..",         [TXN_PREPARE_COMMIT] = "???.C.",
        [TXN_PREPARE_ABORT] = "??.?A.", [TXN_COMPLETE_COMMIT] = "EOc..D", [TXN_COMPLETE_ABORT] = "EO.a.D",
        [TXN_DEAD] = "......",
    };

    (void)state;
    for (unsigned s = 0; s < TXN_STATES; s++) {
        char got[TXN_EVENTS + 1] = {0};

        for (unsigned e = 0; e < TXN_EVENTS; e++)
            got[e] = letter((enum txn_state)s, (enum txn_event)e);
        assert_string_equal(got, expected[s]);
        assert_int_equal(txn_state_of(str_of(txn_state_name((enum txn_state)s))), s);
    }
    assert_int_equal(txn_state_of(STR("Other")), TXN_STATES);
}

static enum kafka_error init(struct txn_meta *m, int64_t id, int16_t epoch, bool *fence)
{
    return txn_init(m, id, epoch, 1000, 99, fence);
}

static void each_beginning_gives_a_new_epoch(void **state)
{
    struct txn_meta m = meta(TXN_EMPTY, 7, -1);
    bool fence;

    (void)state;
    for (int16_t i = 0; i < 5; i++) {
        m.state = i % 2 ? TXN_COMPLETE_COMMIT : TXN_EMPTY;
        assert_int_equal(init(&m, -1, -1, &fence), KAFKA_OK);
        assert_false(fence);
        assert_int_equal(m.epoch, i);
        assert_int_equal(m.producer_id, 7);
        assert_int_equal(m.state, TXN_EMPTY);
        assert_int_equal(m.timeout_ms, 1000);
    }
    assert_int_equal(txn_check(&m, 7, 4), KAFKA_OK);
    assert_int_equal(txn_check(&m, 7, 3), KAFKA_PRODUCER_FENCED);
    assert_int_equal(txn_check(&m, 7, 5), KAFKA_PRODUCER_FENCED);
    assert_int_equal(txn_check(&m, 8, 4), KAFKA_INVALID_PRODUCER_ID_MAPPING);
}

/* A producer that says who it was gets the next epoch; asked for once more, the same one. Others are fenced. */
static void a_known_producer_goes_on(void **state)
{
    struct txn_meta m = meta(TXN_COMPLETE_ABORT, 7, 3);
    bool fence;

    (void)state;
    assert_int_equal(init(&m, 7, 2, &fence), KAFKA_PRODUCER_FENCED);
    assert_int_equal(init(&m, 8, 3, &fence), KAFKA_PRODUCER_FENCED);
    assert_int_equal(init(&m, 7, 3, &fence), KAFKA_OK);
    assert_int_equal(m.epoch, 4);
    assert_int_equal(init(&m, 7, 3, &fence), KAFKA_OK);
    assert_int_equal(m.epoch, 4);
    assert_int_equal(init(&m, 7, 4, &fence), KAFKA_OK);
    assert_int_equal(m.epoch, 5);
    assert_int_equal(init(&m, 7, 3, &fence), KAFKA_PRODUCER_FENCED);
    assert_int_equal(init(&m, -1, -1, &fence), KAFKA_OK); /* another one, who knows of nothing */
    assert_int_equal(m.epoch, 6);
    assert_int_equal(init(&m, 7, 5, &fence), KAFKA_PRODUCER_FENCED);
}

static void when_epochs_run_out_it_becomes_another_producer(void **state)
{
    struct txn_meta m = meta(TXN_EMPTY, 7, TXN_EPOCH_LAST - 1);
    bool fence;

    (void)state;
    assert_int_equal(init(&m, -1, -1, &fence), KAFKA_OK);
    assert_int_equal(m.epoch, TXN_EPOCH_LAST);
    assert_int_equal(m.producer_id, 7);
    assert_int_equal(init(&m, 7, TXN_EPOCH_LAST, &fence), KAFKA_OK);
    assert_int_equal(m.producer_id, 99);
    assert_int_equal(m.epoch, 0);
    assert_int_equal(init(&m, 7, TXN_EPOCH_LAST, &fence), KAFKA_OK); /* it did not hear of that */
    assert_int_equal(m.producer_id, 99);
    assert_int_equal(m.epoch, 0);
    assert_int_equal(init(&m, 7, 5, &fence), KAFKA_PRODUCER_FENCED);
}

static void who_begins_anew_aborts_what_is_open(void **state)
{
    struct txn_meta m = meta(TXN_ONGOING, 7, 3);
    enum kafka_error e;
    bool fence;

    (void)state;
    assert_int_equal(init(&m, -1, -1, &fence), KAFKA_CONCURRENT_TRANSACTIONS);
    assert_true(fence);
    assert_int_equal(m.state, TXN_PREPARE_ABORT);
    assert_int_equal(m.epoch, 4); /* the old one writes no more */
    assert_int_equal(init(&m, -1, -1, &fence), KAFKA_CONCURRENT_TRANSACTIONS);
    assert_false(fence);
    txn_marked(&m);
    assert_int_equal(m.state, TXN_COMPLETE_ABORT);
    assert_int_equal(txn_end(&m, 7, 3, true, false, 99, &e), TXN_END_REFUSED);
    assert_int_equal(e, KAFKA_PRODUCER_FENCED);
    assert_int_equal(init(&m, -1, -1, &fence), KAFKA_OK);
    assert_int_equal(m.epoch, 5);
    m = meta(TXN_ONGOING, 7, 3); /* its own producer asks */
    assert_int_equal(init(&m, 7, 3, &fence), KAFKA_CONCURRENT_TRANSACTIONS);
    txn_marked(&m);
    assert_int_equal(init(&m, 7, 3, &fence), KAFKA_OK);
    assert_int_equal(m.epoch, 4);
}

static void an_end_is_answered_again_as_it_was(void **state)
{
    struct txn_meta m = meta(TXN_ONGOING, 7, 3);
    enum kafka_error e;

    (void)state;
    assert_int_equal(txn_end(&m, 7, 3, true, false, 99, &e), TXN_END_BEGUN);
    assert_int_equal(m.state, TXN_PREPARE_COMMIT);
    assert_int_equal(m.epoch, 3);
    assert_int_equal(txn_end(&m, 7, 3, true, false, 99, &e), TXN_END_REFUSED);
    assert_int_equal(e, KAFKA_CONCURRENT_TRANSACTIONS);
    txn_marked(&m);
    assert_int_equal(txn_end(&m, 7, 3, true, false, 99, &e), TXN_END_ALREADY);
    assert_int_equal(txn_end(&m, 7, 3, false, false, 99, &e), TXN_END_REFUSED);
    assert_int_equal(e, KAFKA_INVALID_TXN_STATE);
    m = meta(TXN_EMPTY, 7, 3);
    assert_int_equal(txn_end(&m, 7, 3, false, false, 99, &e), TXN_END_REFUSED);
    assert_int_equal(e, KAFKA_INVALID_TXN_STATE);
}

/* Transactions V2: each end gives an epoch. */
static void an_end_may_give_an_epoch(void **state)
{
    struct txn_meta m = meta(TXN_ONGOING, 7, 3);
    enum kafka_error e;

    (void)state;
    assert_int_equal(txn_end(&m, 7, 3, true, true, 99, &e), TXN_END_BEGUN);
    assert_int_equal(m.epoch, 4);
    assert_int_equal(txn_end(&m, 7, 3, true, true, 99, &e), TXN_END_REFUSED); /* the same again: not yet */
    assert_int_equal(e, KAFKA_CONCURRENT_TRANSACTIONS);
    assert_int_equal(txn_end(&m, 7, 3, false, true, 99, &e), TXN_END_REFUSED);
    assert_int_equal(e, KAFKA_INVALID_TXN_STATE);
    txn_marked(&m);
    assert_int_equal(txn_end(&m, 7, 3, true, true, 99, &e), TXN_END_ALREADY);
    assert_int_equal(m.epoch, 4);
    assert_int_equal(txn_end(&m, 7, 4, true, true, 99, &e), TXN_END_REFUSED); /* nothing was begun */
    assert_int_equal(e, KAFKA_INVALID_TXN_STATE);
    assert_int_equal(txn_end(&m, 7, 4, false, true, 99, &e), TXN_END_BEGUN); /* but nothing can be aborted */
    assert_int_equal(m.epoch, 5);
    txn_marked(&m);
    m.state = TXN_ONGOING; /* it went on: who is one behind is a stranger */
    assert_int_equal(txn_end(&m, 7, 4, false, true, 99, &e), TXN_END_REFUSED);
    assert_int_equal(e, KAFKA_PRODUCER_FENCED);
    m = meta(TXN_ONGOING, 7, TXN_EPOCH_LAST);
    assert_int_equal(txn_end(&m, 7, TXN_EPOCH_LAST, true, true, 99, &e), TXN_END_BEGUN);
    assert_int_equal(m.producer_id, 7);
    txn_marked(&m);
    assert_int_equal(m.producer_id, 99);
    assert_int_equal(m.epoch, 0);
    assert_int_equal(txn_end(&m, 7, TXN_EPOCH_LAST, true, true, 99, &e), TXN_END_ALREADY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_meets_every_event),
        cmocka_unit_test(each_beginning_gives_a_new_epoch),
        cmocka_unit_test(a_known_producer_goes_on),
        cmocka_unit_test(when_epochs_run_out_it_becomes_another_producer),
        cmocka_unit_test(who_begins_anew_aborts_what_is_open),
        cmocka_unit_test(an_end_is_answered_again_as_it_was),
        cmocka_unit_test(an_end_may_give_an_epoch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
