/*
 * What a partition remembers of its idempotent producers.
 */
#include "broker/producers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repeats_are_told_from_what_is_next),
        cmocka_unit_test(those_of_long_ago_are_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
