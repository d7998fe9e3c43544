/*
 * The transition table, against the ways that the platform's specification draws.
 */
#include "lifecycle/lifecycle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void follow(const enum lifecycle_event *events, size_t n, const enum lifecycle_state *expected)
{
    enum lifecycle_state s = expected[0];
    for (size_t i = 0; i < n; i++) {
        s = lifecycle_next(s, events[i]);
        assert_string_equal(lifecycle_state_name(s), lifecycle_state_name(expected[i + 1]));
    }
}

static void the_happy_path_leads_to_done(void **state)
{
    (void)state;
    follow((enum lifecycle_event[]){LIFECYCLE_ON_DISCOVER, LIFECYCLE_ON_START, LIFECYCLE_ON_SUCCEED}, 3,
           (enum lifecycle_state[]){LIFECYCLE_UNDISCOVERED, LIFECYCLE_PENDING, LIFECYCLE_IN_FLIGHT, LIFECYCLE_DONE});
}

static void a_late_file_leads_through_reprocessing_back_to_done(void **state)
{
    (void)state;
    follow(
        (enum lifecycle_event[]){LIFECYCLE_ON_NEW_FILES, LIFECYCLE_ON_RETRY, LIFECYCLE_ON_START, LIFECYCLE_ON_SUCCEED},
        4,
        (enum lifecycle_state[]){LIFECYCLE_DONE, LIFECYCLE_LATE, LIFECYCLE_REPROCESSING, LIFECYCLE_IN_FLIGHT,
                                 LIFECYCLE_DONE});
}

static void a_failure_is_retried_and_ends_dead(void **state)
{
    (void)state;
    follow((enum lifecycle_event[]){LIFECYCLE_ON_FAIL, LIFECYCLE_ON_RETRY, LIFECYCLE_ON_START, LIFECYCLE_ON_FAIL,
                                    LIFECYCLE_ON_GIVE_UP, LIFECYCLE_ON_REQUEUE},
           6,
           (enum lifecycle_state[]){LIFECYCLE_IN_FLIGHT, LIFECYCLE_FAILED, LIFECYCLE_RETRYING, LIFECYCLE_IN_FLIGHT,
                                    LIFECYCLE_FAILED, LIFECYCLE_DEAD, LIFECYCLE_PENDING});
}

/* What may never happen, whatever is added to the table. */
static void work_is_never_skipped(void **state)
{
    (void)state;
    for (unsigned s = 0; s < LIFECYCLE_STATE_COUNT; s++) {
        for (unsigned e = 0; e < LIFECYCLE_EVENT_COUNT; e++) {
            const enum lifecycle_state to = lifecycle_next((enum lifecycle_state)s, (enum lifecycle_event)e);
            if (to == LIFECYCLE_DONE)
                assert_int_equal(s, LIFECYCLE_IN_FLIGHT);
            if (to == LIFECYCLE_DEAD)
                assert_int_equal(s, LIFECYCLE_FAILED);
            if (s == LIFECYCLE_DEAD && to != LIFECYCLE_NONE)
                assert_int_equal(e, LIFECYCLE_ON_REQUEUE);
            assert_int_not_equal(to, LIFECYCLE_UNDISCOVERED);
        }
    }
}

static void what_is_out_of_range_is_refused(void **state)
{
    (void)state;
    assert_int_equal(lifecycle_next((enum lifecycle_state)99, LIFECYCLE_ON_START), LIFECYCLE_NONE);
    assert_int_equal(lifecycle_next(LIFECYCLE_PENDING, (enum lifecycle_event)99), LIFECYCLE_NONE);
    assert_int_equal(lifecycle_next(LIFECYCLE_NONE, LIFECYCLE_ON_START), LIFECYCLE_NONE);
}

static void names_are_read_back(void **state)
{
    (void)state;
    for (unsigned s = LIFECYCLE_NONE + 1; s < LIFECYCLE_STATE_COUNT; s++)
        assert_int_equal(lifecycle_state_of(str_of(lifecycle_state_name((enum lifecycle_state)s))), s);
    assert_int_equal(lifecycle_state_of(STR("done")), LIFECYCLE_NONE);
    assert_int_equal(lifecycle_state_of(STR("")), LIFECYCLE_NONE);
}

/* md5("a\nb"), whichever way round the names come. */
static void the_file_hash_is_that_of_the_sorted_names(void **state)
{
    char one[33], other[33];
    (void)state;
    lifecycle_file_hash((const char *const[]){"b", "a"}, 2, one);
    lifecycle_file_hash((const char *const[]){"a", "b"}, 2, other);
    assert_string_equal(one, other);
    assert_string_equal(one, "8cdeb44417f3c26826595d5820cf5700");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_happy_path_leads_to_done),
        cmocka_unit_test(a_late_file_leads_through_reprocessing_back_to_done),
        cmocka_unit_test(a_failure_is_retried_and_ends_dead),
        cmocka_unit_test(work_is_never_skipped),
        cmocka_unit_test(what_is_out_of_range_is_refused),
        cmocka_unit_test(names_are_read_back),
        cmocka_unit_test(the_file_hash_is_that_of_the_sorted_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
