/* Arenas, growing arrays, and errors: what everything else is built from. */
#include "base/base.h"
#include "test.h"

#include <errno.h>

static void arena_gives_zeroed_aligned_memory(void **state)
{
    struct test_random r = test_random_new();
    struct arena a;

    (void)state;
    arena_init(&a);
    for (int i = 0; i < 20000; i++) {
        const size_t size = test_random_below(&r, i % 100 ? 200 : 40000);
        const size_t align = (size_t)1 << test_random_below(&r, 5);
        unsigned char *p = arena_alloc(&a, size, align);

        assert_int_equal((uintptr_t)p % align, 0);
        for (size_t k = 0; k < size; k++)
            assert_int_equal(p[k], 0); /* nobody else's, and not used before */
        memset(p, 0xaa, size);
    }
    assert_true(a.used_bytes > 0);
    arena_release(&a);
    assert_int_equal(a.used_bytes, 0);
    assert_string_equal(arena_printf(&a, "%s-%d", "again", 1), "again-1");
    arena_release(&a);
}

static void arena_copies_are_terminated(void **state)
{
    struct arena a;
    struct str s;

    (void)state;
    arena_init(&a);
    assert_string_equal(arena_strdup(&a, "orders"), "orders");
    assert_string_equal(arena_strndup(&a, "orders", 3), "ord");
    s = arena_str(&a, (struct str){NULL, 0});
    assert_non_null(s.p);
    assert_int_equal(s.n, 0);
    arena_release(&a);
}

static void vec_grows(void **state)
{
    VEC(int) v = {0};

    (void)state;
    for (int i = 0; i < 1000; i++)
        vec_push(&v, i);
    assert_int_equal(v.n, 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(v.p[i], i);
    vec_free(&v);
    assert_null(v.p);
    assert_int_equal(v.n, 0);
}

static void error_reads_from_the_outside_in(void **state)
{
    struct error err;

    (void)state;
    assert_int_equal(error_set(&err, IG_CORRUPT, "version %d: not JSON", 7), IG_CORRUPT);
    assert_int_equal(error_context(&err, IG_CORRUPT, "read %s", "silver/orders"), IG_CORRUPT);
    assert_string_equal(err.msg, "read silver/orders: version 7: not JSON");
    assert_int_equal(err.code, IG_CORRUPT);
    assert_int_equal(error_set(NULL, IG_LIMIT, "nobody listens"), IG_LIMIT);
    assert_int_equal(error_context(NULL, IG_LIMIT, "nobody listens"), IG_LIMIT);
}

static void error_never_outgrows_its_buffer(void **state)
{
    struct error err;
    char big[4000];

    (void)state;
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = 0;
    (void)error_set(&err, IG_INVALID, "%s", big);
    assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
    for (int i = 0; i < 3; i++)
        (void)error_context(&err, IG_INVALID, "%s", i == 1 ? big : "context");
    assert_true(strlen(err.msg) < sizeof(err.msg));
    (void)error_errno(&err, ENOSPC, "%s", big);
    assert_true(strlen(err.msg) < sizeof(err.msg));
}

static void system_errors_say_what_to_do(void **state)
{
    static const struct {
        int number;
        enum ig_code code;
        enum ig_retry retry;
    } cases[] = {
        {ENOENT, IG_NOT_FOUND, IG_RETRY_NEVER},
        {EEXIST, IG_EXISTS, IG_RETRY_AFTER_READ},
        {ENOSPC, IG_NO_SPACE, IG_RETRY_SAFE},
        {EDQUOT, IG_NO_SPACE, IG_RETRY_SAFE},
        {ECONNRESET, IG_UNAVAILABLE, IG_RETRY_SAFE},
        {EIO, IG_IO, IG_RETRY_NEVER},
        {EROFS, IG_IO, IG_RETRY_NEVER},
    };
    struct error err;

    (void)state;
    for (size_t i = 0; i < IG_COUNT(cases); i++) {
        const enum ig_code code = error_errno(&err, cases[i].number, "open %s", "/x");

        assert_int_equal(code, cases[i].code);
        assert_int_equal(error_code_retry(code), cases[i].retry);
        assert_memory_equal(err.msg, "open /x: ", 9);
        assert_true(strlen(err.msg) > 9);
    }
    assert_int_equal(error_code_retry(IG_UNKNOWN_OUTCOME), IG_RETRY_CHECK_FIRST);
    assert_string_equal(error_code_name(IG_NO_SPACE), "NO_SPACE");
    assert_string_equal(error_code_name((enum ig_code)999), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_gives_zeroed_aligned_memory),
        cmocka_unit_test(arena_copies_are_terminated),
        cmocka_unit_test(vec_grows),
        cmocka_unit_test(error_reads_from_the_outside_in),
        cmocka_unit_test(error_never_outgrows_its_buffer),
        cmocka_unit_test(system_errors_say_what_to_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
