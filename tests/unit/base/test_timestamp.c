#include "base/base.h"
#include "test.h"

static void every_day_of_400_years_goes_there_and_back(void **state)
{
    static const unsigned lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int32_t expected = date_of_civil(1800, 1, 1);

    (void)state;
    assert_int_equal(date_of_civil(1970, 1, 1), 0);
    for (int y = 1800; y < 2200; y++) {
        const bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;

        for (unsigned m = 1; m <= 12; m++)
            for (unsigned d = 1; d <= lengths[m - 1] + (m == 2 && leap); d++, expected++) {
                char text[16];
                unsigned month, day;
                int32_t parsed;
                int year;

                assert_int_equal(date_of_civil(y, m, d), expected);
                date_to_civil(expected, &year, &month, &day);
                assert_true(year == y && month == m && day == d);
                assert_true(date_parse(str_of(date_format(expected, text)), &parsed));
                assert_int_equal(parsed, expected);
            }
    }
}

static void dates_that_do_not_exist_are_refused(void **state)
{
    static const char *const bad[] = {"2023-02-29", "2024-13-01", "2024-00-10",  "2024-04-31",
                                      "2024-1-1",   "24-01-01",   "2024/01/01",  "",
                                      "2024-01-1x", "0000-01-01", "2024-01-011", "1900-02-29"};
    int32_t days;

    (void)state;
    for (size_t i = 0; i < IG_COUNT(bad); i++)
        if (date_parse(str_of(bad[i]), &days))
            fail_msg("%s was taken", bad[i]);
    assert_true(date_parse(STR("2000-02-29"), &days));
    assert_true(date_parse(STR("0001-01-01"), &days));
    assert_true(date_parse(STR("9999-12-31"), &days));
}

static void times_are_read_in_utc(void **state)
{
    static const struct {
        const char *text;
        int64_t us;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01", 0},
        {"1970-01-01 00:00", 0},
        {"1969-12-31T23:59:59.999999Z", -1},
        {"2024-01-15T06:00:00.123456Z", INT64_C(1705298400123456)},
        {"2024-01-15T06:00:00.1Z", INT64_C(1705298400100000)},
        {"2024-01-15T06:00:00.123456789Z", INT64_C(1705298400123456)},
        {"2024-01-15 06:00:00", INT64_C(1705298400000000)},
        {"2024-01-15T07:00:00+01:00", INT64_C(1705298400000000)},
        {"2024-01-15T07:00:00+0100", INT64_C(1705298400000000)},
        {"2024-01-15T07:00+01", INT64_C(1705298400000000)},
        {"2024-01-14T22:30:00-07:30", INT64_C(1705298400000000)},
        {"2016-12-31T23:59:60Z", INT64_C(1483228800000000)},
    };
    static const char *const bad[] = {"2024-01-15T25:00:00Z",
                                      "2024-01-15T06:60:00Z",
                                      "2024-01-15T06:00:61Z",
                                      "2024-01-15T06",
                                      "2024-01-15T06:00:00.",
                                      "2024-01-15T06:00:0Z",
                                      "2024-01-15X06:00:00Z",
                                      "1705298400",
                                      "2024-01-15T06:00:00ZZ",
                                      "2024-01-15T06:00:00+24:00",
                                      "2024-01-15T06:00:00+1:00",
                                      "2024-02-30T06:00:00Z",
                                      "2024-01-15T06:00:00.1234567890Z",
                                      "yesterday",
                                      ""};
    int64_t us;

    (void)state;
    for (size_t i = 0; i < IG_COUNT(cases); i++) {
        if (!timestamp_parse(str_of(cases[i].text), &us))
            fail_msg("%s was refused", cases[i].text);
        if (us != cases[i].us)
            fail_msg("%s is %lld", cases[i].text, (long long)us);
    }
    for (size_t i = 0; i < IG_COUNT(bad); i++)
        if (timestamp_parse(str_of(bad[i]), &us))
            fail_msg("%s was taken", bad[i]);
}

static void times_are_written_as_they_are_read(void **state)
{
    struct test_random r = test_random_new();
    char text[40];

    (void)state;
    assert_string_equal(timestamp_format(0, text), "1970-01-01T00:00:00Z");
    assert_string_equal(timestamp_format(-1, text), "1969-12-31T23:59:59.999999Z");
    assert_string_equal(timestamp_format(INT64_C(1705298400123000), text), "2024-01-15T06:00:00.123Z");
    for (int i = 0; i < 100000; i++) { /* years 1 to 9999 */
        const int64_t first = INT64_C(-62135596800000000), last = INT64_C(253402300799999999);
        const int64_t us = first + (int64_t)(test_random_next(&r) % (uint64_t)(last - first));
        int64_t again;

        if (!timestamp_parse(str_of(timestamp_format(us, text)), &again) || again != us)
            fail_msg("%lld was written as %s and read as %lld", (long long)us, text, (long long)again);
    }
}

static void any_number_can_be_written(void **state)
{
    static const int64_t extremes[] = {INT64_MIN,     INT64_MIN + 1, INT64_MAX,
                                       INT64_MAX - 1, -US_PER_DAY,   -US_PER_DAY - 1};
    char text[40], date[16];

    (void)state;
    for (size_t i = 0; i < IG_COUNT(extremes); i++)
        assert_true(strlen(timestamp_format(extremes[i], text)) < sizeof(text));
    assert_true(strlen(date_format(INT32_MIN, date)) < sizeof(date));
    assert_true(strlen(date_format(INT32_MAX, date)) < sizeof(date));
    assert_int_equal(timestamp_date(-1), -1);
    assert_int_equal(timestamp_date(-US_PER_DAY), -1);
    assert_int_equal(timestamp_date(-US_PER_DAY - 1), -2);
    assert_int_equal(timestamp_date(US_PER_DAY - 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_day_of_400_years_goes_there_and_back),
        cmocka_unit_test(dates_that_do_not_exist_are_refused),
        cmocka_unit_test(times_are_read_in_utc),
        cmocka_unit_test(times_are_written_as_they_are_read),
        cmocka_unit_test(any_number_can_be_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
