/*
 * What a partition remembers of its idempotent producers.
 */
#include "broker/producers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void note(struct producers *p, int64_t id, int32_t sequence, int64_t now_ms)
{
    const struct batch b = {.producer_id = id, .base_sequence = sequence, .base_offset = id * 100 + sequence};

    producers_note(p, &b, now_ms);
}

static enum producer_verdict check(const struct producers *p, int64_t id, int32_t sequence)
{
    const struct batch b = {.producer_id = id, .base_sequence = sequence};
    int64_t duplicate_of;

    return producers_check(p, &b, &duplicate_of);
}

static void repeats_are_told_from_what_is_next(void **state)
{
    struct producers p = {0};

    (void)state;
    for (int64_t id = 0; id < 100; id++)
        note(&p, id, 0, 1000);
    for (int64_t id = 0; id < 100; id++) {
        assert_int_equal(check(&p, id, 0), PRODUCER_DUPLICATE);
        assert_int_equal(check(&p, id, 1), PRODUCER_NEXT);
        assert_int_equal(check(&p, id, 2), PRODUCER_OUT_OF_ORDER);
    }
    producers_clear(&p);
}

/* A client a minute, for a year. */
static void those_of_long_ago_are_forgotten(void **state)
{
    const int64_t minutes = 365 * 24 * 60, minute_ms = 60000;
    struct producers p = {0};

    (void)state;
    for (int64_t i = 0; i < minutes; i++)
        note(&p, i, 0, i * minute_ms);
    assert_true(p.cap <= 4 * 7 * 24 * 60);
    for (int64_t i = minutes - 7 * 24 * 60; i < minutes; i++)
        assert_int_equal(check(&p, i, 0), PRODUCER_DUPLICATE);
    producers_clear(&p);
}

/* Five are under way, and the disk is full for the first one alone. */
static void what_could_not_be_written_comes_before_what_is_behind_it(void **state)
{
    const struct batch first = {.producer_id = 1, .base_sequence = 0};
    struct producers p = {0};

    (void)state;
    producers_note_refused(&p, &first, 1000);
    assert_int_equal(check(&p, 1, 1), PRODUCER_OUT_OF_ORDER);
    assert_int_equal(check(&p, 1, 0), PRODUCER_NEXT);
    note(&p, 1, 0, 1000);
    assert_int_equal(check(&p, 1, 1), PRODUCER_NEXT);
    producers_clear(&p);
}

/* A repair keeps what is on the disk; who had nothing there begins where he began. */
static void a_repair_carries_what_must_come_again(void **state)
{
    const struct batch refused = {.producer_id = 3, .base_sequence = 4};
    struct producers old = {0}, new = {0};

    (void)state;
    for (int64_t id = 1; id <= 2; id++)
        for (int32_t sequence = 0; sequence < 3; sequence++)
            note(&old, id, sequence, 1000);
    note(&new, 1, 0, 1000);
    producers_note_refused(&old, &refused, 1000);
    producers_carry(&new, &old, 101, 1000); /* only the first batch of producer 1 is in front of that */
    assert_int_equal(check(&new, 1, 1), PRODUCER_NEXT);
    assert_int_equal(check(&new, 2, 1), PRODUCER_OUT_OF_ORDER);
    assert_int_equal(check(&new, 2, 0), PRODUCER_NEXT);
    assert_int_equal(check(&new, 3, 5), PRODUCER_OUT_OF_ORDER);
    assert_int_equal(check(&new, 3, 4), PRODUCER_NEXT);
    producers_clear(&old);
    producers_clear(&new);
}

/* --- transactions ------------------------------------------------------------------------------------------ */

static void write_at(struct producers *p, int64_t id, int16_t epoch, int32_t sequence, int64_t offset)
{
    const struct batch b = {.producer_id = id,
                            .producer_epoch = epoch,
                            .base_sequence = sequence,
                            .base_offset = offset,
                            .attributes = BATCH_TRANSACTIONAL,
                            .marker = BATCH_MARKER_NONE};

    producers_note(p, &b, 1000);
}

static void end_at(struct producers *p, int64_t id, int16_t epoch, int64_t offset, enum batch_marker marker)
{
    const struct batch b = {.producer_id = id,
                            .producer_epoch = epoch,
                            .base_sequence = -1,
                            .base_offset = offset,
                            .attributes = BATCH_TRANSACTIONAL | BATCH_CONTROL,
                            .marker = marker};

    producers_note(p, &b, 1000);
}

static enum producer_verdict check_txn(const struct producers *p, int64_t id, int16_t epoch, int32_t sequence,
                                       bool transactional)
{
    const struct batch b = {.producer_id = id,
                            .producer_epoch = epoch,
                            .base_sequence = sequence,
                            .attributes = transactional ? BATCH_TRANSACTIONAL : 0};
    int64_t duplicate_of;

    return producers_check(p, &b, &duplicate_of);
}

static void the_stable_offset_is_where_the_first_open_transaction_begins(void **state)
{
    struct producers p = {0};

    (void)state;
    assert_int_equal(spans_stable(&p.spans, 10), 10);
    write_at(&p, 1, 0, 0, 10);
    write_at(&p, 2, 0, 0, 11);
    write_at(&p, 1, 0, 1, 12);
    assert_int_equal(spans_stable(&p.spans, 10), 10);
    assert_int_equal(spans_stable(&p.spans, 13), 10);
    end_at(&p, 2, 0, 13, BATCH_MARKER_COMMIT);
    spans_settle(&p.spans, 14);
    assert_int_equal(spans_stable(&p.spans, 14), 10);
    write_at(&p, 2, 0, 1, 14);
    end_at(&p, 1, 0, 15, BATCH_MARKER_COMMIT);
    assert_int_equal(spans_stable(&p.spans, 15), 10); /* the marker is not known to be durable */
    spans_settle(&p.spans, 15);
    assert_int_equal(spans_stable(&p.spans, 15), 10);
    spans_settle(&p.spans, 16);
    assert_int_equal(spans_stable(&p.spans, 16), 14);
    end_at(&p, 2, 0, 16, BATCH_MARKER_ABORT);
    spans_settle(&p.spans, 17);
    assert_int_equal(spans_stable(&p.spans, 17), 17);
    producers_clear(&p);
}

static void collect(void *ctx, const struct span_aborted *a)
{
    char *out = ctx;
    const size_t n = strlen(out);

    snprintf(out + n, 100 - n, "%lld@%lld ", (long long)a->producer_id, (long long)a->first);
}

static const char *aborted(const struct producers *p, int64_t from, int64_t to, char out[100])
{
    out[0] = 0;
    spans_each_aborted(&p->spans, from, to, collect, out);
    return out;
}

/* Producer 1: 10-30 aborted; 2: 11-20 aborted, 21-25 committed, 31-33 aborted. */
static struct producers some_aborted(void)
{
    struct producers p = {0};

    write_at(&p, 1, 0, 0, 10);
    write_at(&p, 2, 0, 0, 11);
    end_at(&p, 2, 0, 20, BATCH_MARKER_ABORT);
    write_at(&p, 2, 0, 1, 21);
    end_at(&p, 2, 0, 25, BATCH_MARKER_COMMIT);
    end_at(&p, 1, 0, 30, BATCH_MARKER_ABORT);
    write_at(&p, 2, 0, 2, 31);
    end_at(&p, 2, 0, 33, BATCH_MARKER_ABORT);
    spans_settle(&p.spans, 34);
    return p;
}

static void check_aborted(const struct producers *p)
{
    char text[100];

    assert_string_equal(aborted(p, 0, 10, text), "");
    assert_string_equal(aborted(p, 0, 11, text), "1@10 ");
    assert_string_equal(aborted(p, 12, 15, text), "2@11 1@10 ");
    assert_string_equal(aborted(p, 20, 21, text), "2@11 1@10 ");
    assert_string_equal(aborted(p, 21, 31, text), "1@10 ");
    assert_string_equal(aborted(p, 30, 32, text), "1@10 2@31 ");
    assert_string_equal(aborted(p, 31, 99, text), "2@31 ");
    assert_string_equal(aborted(p, 34, 99, text), "");
    assert_true(spans_is_aborted(&p->spans, 2, 12));
    assert_false(spans_is_aborted(&p->spans, 2, 22));
    assert_false(spans_is_aborted(&p->spans, 3, 12));
    assert_true(spans_is_aborted(&p->spans, 1, 29));
}

static void aborted_transactions_are_listed_where_they_lie(void **state)
{
    struct producers p = some_aborted();
    char text[100];

    (void)state;
    check_aborted(&p);
    spans_trim(&p.spans, 21);
    assert_string_equal(aborted(&p, 0, 99, text), "1@10 2@31 ");
    spans_trim(&p.spans, 34);
    assert_string_equal(aborted(&p, 0, 99, text), "");
    producers_clear(&p);
}

static void transactions_are_in_the_state(void **state)
{
    struct producers p = some_aborted(), again = {0};
    struct wire_in in;
    struct buf b;

    (void)state;
    write_at(&p, 8, 3, 0, 35);
    write_at(&p, 7, 3, 0, 34);
    end_at(&p, 9, 1, 36, BATCH_MARKER_ABORT);
    buf_init(&b, 0);
    producers_encode(&p, 2000, &b);
    in = (struct wire_in){(const uint8_t *)b.p, (const uint8_t *)b.p + b.n, false};
    producers_decode(&again, &in);
    assert_false(in.bad);
    assert_ptr_equal(in.p, in.end);
    check_aborted(&again);
    assert_int_equal(spans_stable(&again.spans, 99), 34);
    assert_int_equal(producers_find(&again, 7)->txn_first, 34);
    assert_int_equal(producers_find(&again, 9)->epoch, 1);
    assert_null(producers_find(&again, 10));
    buf_release(&b);
    producers_clear(&p);
    producers_clear(&again);
}

static void a_marker_of_a_later_epoch_fences_the_producer(void **state)
{
    struct producers p = {0};

    (void)state;
    write_at(&p, 1, 4, 0, 10);
    assert_int_equal(check_txn(&p, 1, 4, 1, false), PRODUCER_IN_TRANSACTION);
    assert_int_equal(check_txn(&p, 1, 5, 0, true), PRODUCER_IN_TRANSACTION);
    assert_int_equal(check_txn(&p, 1, 4, 1, true), PRODUCER_NEXT);
    end_at(&p, 1, 5, 11, BATCH_MARKER_ABORT);
    assert_int_equal(check_txn(&p, 1, 4, 1, true), PRODUCER_FENCED);
    assert_int_equal(check_txn(&p, 1, 5, 1, true), PRODUCER_OUT_OF_ORDER);
    assert_int_equal(check_txn(&p, 1, 5, 0, true), PRODUCER_NEXT);
    write_at(&p, 1, 5, 0, 12);
    end_at(&p, 1, 5, 13, BATCH_MARKER_COMMIT);
    assert_int_equal(check_txn(&p, 1, 5, 1, true), PRODUCER_NEXT); /* sequences go on within an epoch */
    assert_int_equal(check_txn(&p, 1, 5, 0, true), PRODUCER_DUPLICATE);
    producers_clear(&p);
}

/* After a repair: what the log has read of it is a marker, all data was trimmed. */
static void sequences_go_on_over_a_repair(void **state)
{
    struct producers old = {0}, fresh = {0};

    (void)state;
    for (int32_t i = 0; i < 3; i++)
        write_at(&old, 1, 0, i, 10 + i);
    end_at(&old, 1, 0, 13, BATCH_MARKER_COMMIT);
    write_at(&old, 1, 0, 3, 14); /* lost: the log ends at 14 */
    write_at(&old, 2, 0, 0, 15); /* lost, and nothing else is known of it */
    end_at(&fresh, 1, 0, 13, BATCH_MARKER_COMMIT);
    producers_carry(&fresh, &old, 14, 1000);
    assert_int_equal(check_txn(&fresh, 1, 0, 4, true), PRODUCER_OUT_OF_ORDER);
    assert_int_equal(check_txn(&fresh, 1, 0, 3, true), PRODUCER_NEXT);
    assert_int_equal(check_txn(&fresh, 1, 0, 2, true), PRODUCER_DUPLICATE);
    assert_int_equal(check_txn(&fresh, 2, 0, 1, true), PRODUCER_OUT_OF_ORDER);
    assert_int_equal(check_txn(&fresh, 2, 0, 0, true), PRODUCER_NEXT);
    assert_int_equal(spans_stable(&fresh.spans, 14), 14);
    producers_clear(&old);
    producers_clear(&fresh);
}

/* As long as its transaction is open, a producer is not forgotten. */
static void an_open_transaction_does_not_expire(void **state)
{
    struct producers p = {0};

    (void)state;
    write_at(&p, 1000000, 0, 0, 7);
    for (int64_t i = 0; i < 1000; i++)
        note(&p, i, 0, 2000 + PRODUCER_EXPIRY_MS * (i / 100));
    assert_int_equal(producers_find(&p, 1000000)->txn_first, 7);
    assert_null(producers_find(&p, 5));
    assert_int_equal(spans_stable(&p.spans, 100), 7);
    producers_clear(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repeats_are_told_from_what_is_next),
        cmocka_unit_test(those_of_long_ago_are_forgotten),
        cmocka_unit_test(a_repair_carries_what_must_come_again),
        cmocka_unit_test(what_could_not_be_written_comes_before_what_is_behind_it),
        cmocka_unit_test(the_stable_offset_is_where_the_first_open_transaction_begins),
        cmocka_unit_test(aborted_transactions_are_listed_where_they_lie),
        cmocka_unit_test(transactions_are_in_the_state),
        cmocka_unit_test(a_marker_of_a_later_epoch_fences_the_producer),
        cmocka_unit_test(sequences_go_on_over_a_repair),
        cmocka_unit_test(an_open_transaction_does_not_expire),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
