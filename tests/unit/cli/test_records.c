/* Records as text and back, times and offsets as people write them, repairs of dead letters. */
#include "cli/cli_log.h"
#include "cli/dlq_edit.h"
#include "cli/record_text.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* --- formats --------------------------------------------------------------------------------------------------- */

static void add_formatted(const char *format, const struct log_record *r, struct buf *out)
{
    struct arena a;
    const char *problem;
    const struct record_format *f;

    arena_init(&a);
    f = record_format_parse(&a, format, &problem);
    assert_non_null(f);
    record_format_add(f, r, NULL, "NULL", out);
    arena_release(&a);
}

static void a_format_says_it_all(void **state)
{
    const struct log_header headers[] = {{"a", STR("1")}, {"b", {NULL, 0}}};
    const struct log_record r = {.topic = "t",
                                 .partition = 3,
                                 .offset = 12,
                                 .timestamp_ms = 1700000000000,
                                 .key = STR("k"),
                                 .value = STR("v\0w"),
                                 .headers = headers,
                                 .n_headers = 2};
    const struct log_record none = {.topic = "t"};
    struct buf out;

    (void)state;
    buf_init(&out, 0);
    add_formatted("%t/%p/%o %T %k:%K %S %h %H %%\\t\\x41\\\\", &r, &out);
    assert_string_equal(buf_cstr(&out), "t/3/12 1700000000000 k:1 3 a=1,b=NULL 2 %\tA\\");
    buf_clear(&out);
    add_formatted("%R%s\\0", &r, &out);
    assert_int_equal(out.n, 8);
    assert_memory_equal(out.p, "\0\0\0\3v\0w\0", 8);
    buf_clear(&out);
    add_formatted("%k%K %s%S%R", &none, &out);
    assert_memory_equal(out.p, "NULL-1 NULL-1\xff\xff\xff\xff", 17);
    buf_release(&out);
}

static void broken_formats_are_refused(void **state)
{
    static const char *const broken[] = {"%", "%q", "\\", "\\q", "\\x", "\\x4", "\\xzz", "ok %s %"};

    (void)state;
    for (size_t i = 0; i < IG_COUNT(broken); i++) {
        struct arena a;
        const char *problem = NULL;

        arena_init(&a);
        assert_null(record_format_parse(&a, broken[i], &problem));
        assert_non_null(problem);
        arena_release(&a);
    }
}

/* --- JSON ------------------------------------------------------------------------------------------------------ */

static void any_record_goes_round_through_json(void **state)
{
    struct record_parsed p;
    struct buf json;
    uint8_t bytes[70];

    (void)state;
    record_parsed_init(&p);
    buf_init(&json, 0);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 37 + 200);
    for (size_t n = 0; n <= sizeof(bytes); n++) {
        const struct log_header headers[] = {{"h", {(const char *)bytes, n}}, {"none", {NULL, 0}}, {"", STR("")}};
        const struct log_record r = {.topic = "t",
                                     .partition = 5,
                                     .timestamp_ms = 1700000000123,
                                     .key = n % 3 ? (struct str){(const char *)bytes, n} : (struct str){NULL, 0},
                                     .value = {(const char *)bytes, n},
                                     .headers = headers,
                                     .n_headers = n % 4};
        const char *problem;

        buf_clear(&json);
        record_json_add(&r, NULL, &json);
        assert_true(record_json_read(buf_str(&json), &p, &problem));
        assert_true(str_eq(p.record.value, r.value) && p.record.value.p);
        assert_true(str_eq(p.record.key, r.key) && !p.record.key.p == !r.key.p);
        assert_int_equal(p.record.partition, 5);
        assert_int_equal(p.record.timestamp_ms, 1700000000123);
        assert_int_equal(p.record.n_headers, r.n_headers);
        for (size_t i = 0; i < r.n_headers; i++) {
            assert_string_equal(p.record.headers[i].name, headers[i].name);
            assert_true(str_eq(p.record.headers[i].value, headers[i].value));
            assert_true(!p.record.headers[i].value.p == !headers[i].value.p);
        }
    }
    buf_release(&json);
    record_parsed_release(&p);
}

static void json_that_is_no_record_says_why(void **state)
{
    static const char *const wrong[] = {
        "",
        "[]",
        "1",
        "{",
        "{}",
        "{\"key\": \"k\"}",
        "{\"value\": 1} x",
        "{\"value\": 1, \"partition\": \"a\"}",
        "{\"value\": 1, \"partition\": 99999999999}",
        "{\"value\": 1, \"timestamp\": \"soon\"}",
        "{\"value\": 1, \"timestamp\": true}",
        "{\"value\": 1, \"headers\": 7}",
        "{\"value\": 1, \"headers\": [{\"value\": \"no key\"}]}",
        "{\"value\": 1, \"headers\": [[]]}",
        "{\"value_base64\": \"A\"}",
        "{\"value_base64\": \"AA=A\"}",
        "{\"value_base64\": \"!!!!\"}",
        "{\"value_base64\": 5}",
    };
    struct record_parsed p;

    (void)state;
    record_parsed_init(&p);
    for (size_t i = 0; i < IG_COUNT(wrong); i++) {
        const char *problem = NULL;

        if (record_json_read(str_of(wrong[i]), &p, &problem))
            fail_msg("taken: %s", wrong[i]);
        assert_non_null(problem);
    }
    record_parsed_release(&p);
}

/* --- places, times ----------------------------------------------------------------------------------------------- */

static void places_in_a_log(void **state)
{
    static const struct {
        const char *text;
        enum cli_when_kind kind;
        int64_t value;
    } cases[] = {
        {"beginning", CLI_WHEN_FIRST, 0},
        {"earliest", CLI_WHEN_FIRST, 0},
        {"end", CLI_WHEN_END, 0},
        {"0", CLI_WHEN_OFFSET, 0},
        {"9223372036854775807", CLI_WHEN_OFFSET, INT64_MAX},
        {"-5", CLI_WHEN_LAST, 5},
        {"-0", CLI_WHEN_LAST, 0},
        {"-1h", CLI_WHEN_TIME, 1000000000000 - 3600000},
        {"-PT1M", CLI_WHEN_TIME, 1000000000000 - 60000},
        {"@1700000000000", CLI_WHEN_TIME, 1700000000000},
        {"2023-11-14T22:13:20Z", CLI_WHEN_TIME, 1700000000000},
        {"2023-11-14T23:13:20.0001+01:00", CLI_WHEN_TIME, 1700000000001}, /* the first millisecond that is not before */
        {"2023-11-14", CLI_WHEN_TIME, 1699920000000},
    };
    static const char *const wrong[] = {"", "yesterday", "-", "--5", "-x", "@", "@x", "1.5", "2023-13-01", "-1y"};
    struct cli_when when;

    (void)state;
    for (size_t i = 0; i < IG_COUNT(cases); i++) {
        assert_true(cli_parse_when(cases[i].text, 1000000000000, &when));
        assert_int_equal(when.kind, cases[i].kind);
        assert_int_equal(when.value, cases[i].value);
    }
    for (size_t i = 0; i < IG_COUNT(wrong); i++)
        if (cli_parse_when(wrong[i], 1000000000000, &when))
            fail_msg("taken: '%s'", wrong[i]);
}

static void durations_as_kafkas_tools_write_them(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {{"PT1H30M", 5400000}, {"P2D", 172800000}, {"P1DT1S", 86401000}, {"PT0S", 0}, {"90m", 5400000}};
    static const char *const wrong[] = {"", "P", "PT", "P1", "P1H", "PT1D", "P1DT", "PT1M1H", "PT1S1S", "P-1D", "1x"};
    int64_t ms;

    (void)state;
    for (size_t i = 0; i < IG_COUNT(cases); i++) {
        assert_true(cli_parse_duration_ms(cases[i].text, &ms));
        assert_int_equal(ms, cases[i].ms);
    }
    for (size_t i = 0; i < IG_COUNT(wrong); i++)
        if (cli_parse_duration_ms(wrong[i], &ms))
            fail_msg("taken: '%s'", wrong[i]);
}

static void lists_of_partitions(void **state)
{
    static const char *const wrong[] = {"", ",", "1,", "a", "3-1", "1-", "-1", "1,,2", "0-99999999"};
    struct arena a;
    int32_t *found;
    size_t n;

    (void)state;
    arena_init(&a);
    assert_true(cli_parse_partitions(&a, "0,2-4,9", &found, &n));
    assert_int_equal(n, 5);
    assert_int_equal(found[0] * 10000 + found[1] * 1000 + found[2] * 100 + found[3] * 10 + found[4], 2349);
    for (size_t i = 0; i < IG_COUNT(wrong); i++)
        if (cli_parse_partitions(&a, wrong[i], &found, &n))
            fail_msg("taken: '%s'", wrong[i]);
    arena_release(&a);
}

/* --- repairs ----------------------------------------------------------------------------------------------------- */

static void a_field_is_set_and_the_rest_stays(void **state)
{
    static const struct {
        const char *text, *set, *becomes;
    } cases[] = {
        {"{\"a\":1}", "a=2", "{\"a\":2}"},
        {"{ \"a\" : \"x\\\"y\" , \"b\":1.0}", "a=z", "{ \"a\" : \"z\" , \"b\":1.0}"},
        {"{\"a\":{\"b\":[1]}}", "a.b=null", "{\"a\":{\"b\":null}}"},
        {"{}", "a=1", "{\"a\":1}"},
        {" { \"b\":2}", "a=x y", " {\"a\":\"x y\", \"b\":2}"},
        {"{\"a\":{}}", "a.c=\"5\"", "{\"a\":{\"c\":\"5\"}}"},
        {"{\"a\":1}", "a=", "{\"a\":\"\"}"},
        {"{\"a\":1}", "a={\"x\":[]}", "{\"a\":{\"x\":[]}}"},
    };
    static const struct {
        const char *text, *set;
    } wrong[] = {{"", "a=1"},     {"[1]", "a=1"}, {"{\"a\":1", "a=1"}, {"{\"a\":1}", "a.b=1"},
                 {"{}", "a.b=1"}, {"{}", "a"}};
    struct buf text;
    struct error err;

    (void)state;
    for (size_t i = 0; i < IG_COUNT(cases); i++) {
        buf_init(&text, 0);
        buf_puts(&text, cases[i].text);
        assert_int_equal(dlq_edit_set(&text, cases[i].set, &err), IG_OK);
        assert_string_equal(buf_cstr(&text), cases[i].becomes);
        buf_release(&text);
    }
    for (size_t i = 0; i < IG_COUNT(wrong); i++) {
        buf_init(&text, 0);
        buf_puts(&text, wrong[i].text);
        assert_int_equal(dlq_edit_set(&text, wrong[i].set, &err), IG_INVALID);
        assert_string_equal(buf_cstr(&text), wrong[i].text);
        buf_release(&text);
    }
}

static void a_command_repairs_big_and_small(void **state)
{
    struct buf text;
    struct error err;

    (void)state;
    signal(SIGPIPE, SIG_IGN); /* as main() does */
    buf_init(&text, 0);
    for (int i = 0; i < 300000; i++)
        buf_puts(&text, "0123456789");
    assert_int_equal(dlq_edit_run(&text, "tr 0 x", &err), IG_OK);
    assert_int_equal(text.n, 3000000);
    assert_memory_equal(text.p, "x123456789x", 11);
    assert_int_equal(dlq_edit_run(&text, "head -c 5", &err), IG_OK); /* it does not read to the end */
    assert_string_equal(buf_cstr(&text), "x1234");
    assert_int_equal(dlq_edit_run(&text, "cat; echo", &err), IG_OK);
    assert_string_equal(buf_cstr(&text), "x1234");
    assert_int_equal(dlq_edit_run(&text, "exit 7", &err), IG_INVALID);
    assert_int_equal(dlq_edit_run(&text, "true", &err), IG_INVALID);
    assert_int_equal(dlq_edit_run(&text, "kill -9 $$", &err), IG_INVALID);
    assert_string_equal(buf_cstr(&text), "x1234");
    buf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_format_says_it_all),
        cmocka_unit_test(broken_formats_are_refused),
        cmocka_unit_test(any_record_goes_round_through_json),
        cmocka_unit_test(json_that_is_no_record_says_why),
        cmocka_unit_test(places_in_a_log),
        cmocka_unit_test(durations_as_kafkas_tools_write_them),
        cmocka_unit_test(lists_of_partitions),
        cmocka_unit_test(a_field_is_set_and_the_rest_stays),
        cmocka_unit_test(a_command_repairs_big_and_small),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
