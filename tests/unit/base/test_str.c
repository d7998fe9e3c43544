#include "base/base.h"
#include "test.h"

static void views_compare_by_bytes(void **state)
{
    (void)state;
    assert_true(str_eq(STR("abc"), str_of("abc")));
    assert_false(str_eq(STR("abc"), STR("abd")));
    assert_false(str_eq(STR("abc"), STR("ab")));
    assert_true(str_eq((struct str){NULL, 0}, STR("")));
    assert_true(str_cmp(STR("a"), STR("b")) < 0);
    assert_true(str_cmp(STR("ab"), STR("a")) > 0);
    assert_int_equal(str_cmp(STR("ab"), STR("ab")), 0);
    assert_true(str_cmp(STR("\x80"), STR("a")) > 0);
    assert_true(str_has_prefix(STR("raw-events"), "raw-"));
    assert_false(str_has_prefix(STR("ra"), "raw-"));
    assert_true(str_has_prefix((struct str){NULL, 0}, ""));
    assert_true(str_has_suffix(STR("a.parquet"), ".parquet"));
    assert_false(str_has_suffix(STR("parquet"), ".parquet"));
}

static void integers_are_whole_and_in_range(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        int64_t value;
    } cases[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"42", true, 42},
        {"-7", true, -7},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1.0", false, 0},
        {"0x10", false, 0},
        {"- 1", false, 0},
        {"--1", false, 0},
        {"1000000000000000000000000000", false, 0},
    };
    int64_t v;

    (void)state;
    for (size_t i = 0; i < IG_COUNT(cases); i++) {
        v = 0;
        if (str_to_int64(str_of(cases[i].text), INT64_MIN, INT64_MAX, &v) != cases[i].ok || v != cases[i].value)
            fail_msg("\"%s\" was read as %lld", cases[i].text, (long long)v);
    }
    assert_false(str_to_int64(STR("11"), 0, 10, &v));
    assert_false(str_to_int64(STR("-1"), 0, 10, &v));
    assert_true(str_to_int64(STR("10"), 0, 10, &v));
    assert_false(str_to_int64((struct str){"12\0"
                                           "3",
                                           4},
                              0, 10000, &v));
}

static void doubles_are_decimal_and_finite(void **state)
{
    static const char *const bad[] = {"", " 1", "1 ", "nan", "inf", "1e999", "0x10", "1,5", "\v1", "1e", "--1", "."};
    double v;

    (void)state;
    assert_true(str_to_double(STR("12.5"), &v) && v == 12.5);
    assert_true(str_to_double(STR("-1e3"), &v) && v == -1000);
    assert_true(str_to_double(STR(".5"), &v) && v == 0.5);
    for (size_t i = 0; i < IG_COUNT(bad); i++)
        if (str_to_double(str_of(bad[i]), &v))
            fail_msg("\"%s\" was taken as %g", bad[i], v);
}

static void sizes_and_durations_have_units(void **state)
{
    int64_t v;

    (void)state;
    assert_true(str_to_bytes(STR("512MB"), &v) && v == 512LL << 20);
    assert_true(str_to_bytes(STR("64 MiB"), &v) && v == 64LL << 20);
    assert_true(str_to_bytes(STR("1k"), &v) && v == 1024);
    assert_true(str_to_bytes(STR("7"), &v) && v == 7);
    assert_false(str_to_bytes(STR("MB"), &v));
    assert_false(str_to_bytes(STR("-1MB"), &v));
    assert_false(str_to_bytes(STR("1XB"), &v));
    assert_false(str_to_bytes(STR("9223372036854775807GB"), &v));
    assert_true(str_to_duration_ms(STR("60s"), &v) && v == 60000);
    assert_true(str_to_duration_ms(STR("250ms"), &v) && v == 250);
    assert_true(str_to_duration_ms(STR("7d"), &v) && v == 7LL * 86400000);
    assert_false(str_to_duration_ms(STR("60"), &v));
    assert_false(str_to_duration_ms(STR("1.5h"), &v));
}

static void utf8_is_checked_as_rfc3629(void **state)
{
    static const char *const good[] = {"",
                                       "plain ascii, longer than eight",
                                       "\xc2\x80",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf",
                                       "12345678\xe2\x82\xac"};
    static const char *const bad[] = {"\x80",
                                      "\xc0\xaf",
                                      "\xc1\xbf",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xff",
                                      "\xe2\x82",
                                      "12345678\xe2",
                                      "1234567\xc3"
                                      "8"};

    (void)state;
    for (size_t i = 0; i < IG_COUNT(good); i++)
        if (!str_is_utf8(str_of(good[i])))
            fail_msg("good %zu was refused", i);
    for (size_t i = 0; i < IG_COUNT(bad); i++)
        if (str_is_utf8(str_of(bad[i])))
            fail_msg("bad %zu was taken", i);
    assert_true(str_is_utf8((struct str){NULL, 0}));
}

static void distance_is_levenshtein(void **state)
{
    char longer[70];

    (void)state;
    memset(longer, 'a', sizeof(longer));
    assert_int_equal(str_distance(STR("kitten"), STR("sitting")), 3);
    assert_int_equal(str_distance(STR(""), STR("abc")), 3);
    assert_int_equal(str_distance(STR("same"), STR("same")), 0);
    assert_int_equal(str_distance((struct str){longer, sizeof(longer)}, STR("a")), 64);
}

static void buffer_grows_up_to_its_ceiling(void **state)
{
    struct error err;
    struct buf b;
    char *taken;

    (void)state;
    buf_init(&b, 10);
    buf_puts(&b, "12345");
    buf_printf(&b, "%d", 678);
    assert_string_equal(buf_cstr(&b), "12345678");
    buf_puts(&b, "90x"); /* one too many: nothing of it is added, and it is remembered */
    assert_string_equal(buf_cstr(&b), "12345678");
    assert_true(b.overflow);
    buf_putc(&b, '9');
    assert_string_equal(buf_cstr(&b), "12345678");
    assert_int_equal(buf_check(&b, &err, "the answer"), IG_LIMIT);
    assert_string_equal(err.msg, "the answer is longer than 10 bytes");
    buf_clear(&b);
    assert_int_equal(buf_check(&b, &err, "the answer"), IG_OK);
    buf_puts(&b, "1234567890");
    assert_false(b.overflow);
    taken = buf_take(&b);
    assert_string_equal(taken, "1234567890");
    assert_int_equal(b.n, 0);
    free(taken);
    taken = buf_take(&b); /* of an empty one */
    assert_string_equal(taken, "");
    free(taken);
    buf_release(&b);
}

static void buffer_holds_any_bytes(void **state)
{
    struct buf b = {0}; /* zeroed is as good as initialised */

    (void)state;
    buf_add(&b, "a\0b", 3);
    buf_add_str(&b, (struct str){NULL, 0});
    assert_int_equal(b.n, 3);
    assert_memory_equal(b.p, "a\0b", 4);
    for (int i = 0; i < 10000; i++)
        buf_putc(&b, 'x');
    assert_int_equal(b.n, 10003);
    assert_int_equal(b.p[b.n], 0);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_compare_by_bytes),         cmocka_unit_test(integers_are_whole_and_in_range),
        cmocka_unit_test(doubles_are_decimal_and_finite), cmocka_unit_test(sizes_and_durations_have_units),
        cmocka_unit_test(utf8_is_checked_as_rfc3629),     cmocka_unit_test(distance_is_levenshtein),
        cmocka_unit_test(buffer_grows_up_to_its_ceiling), cmocka_unit_test(buffer_holds_any_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
