/* What a contract takes and what it refuses, seen through its SQL function. */
#include "quality/quality.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture {
    struct conf_domain domain;
    struct contract *contract;
    struct engine *engine;
    struct engine_conn *conn;
    struct buf text;
    struct error err;
};

static void open_contract(struct fixture *f, const struct conf_field *fields, size_t n)
{
    *f = (struct fixture){.domain = {.name = "t"}};
    f->domain.contract.fields = fields;
    f->domain.contract.n_fields = n;
    buf_init(&f->text, 0);
}

static void start(struct fixture *f)
{
    const struct engine_options options = {.threads = 2};

    if (contract_new(&f->domain, &f->contract, &f->err) || engine_open(&options, &f->engine, &f->err) ||
        engine_connect(f->engine, &f->conn, &f->err) || contract_register(f->contract, f->conn, "f", &f->err))
        fail_msg("%s", f->err.msg);
}

static void stop(struct fixture *f)
{
    engine_disconnect(f->conn);
    engine_close(f->engine);
    contract_free(f->contract);
    buf_release(&f->text);
}

static const char *sql(struct fixture *f, const char *query)
{
    buf_clear(&f->text);
    if (engine_query_str(f->conn, query, &f->text, &f->err))
        fail_msg("%s: %s", query, f->err.msg);
    return buf_cstr(&f->text);
}

/* The struct that the function gives for a value, `what` of it as text. */
static const char *ask(struct fixture *f, const char *value, const char *what)
{
    struct buf query;
    const char *out;

    buf_init(&query, 0);
    buf_printf(&query, "SELECT coalesce((%s)::VARCHAR, 'NULL') FROM (SELECT f(", what);
    engine_add_literal(&query, str_of(value));
    buf_puts(&query, ", TIMESTAMPTZ '2024-06-01 00:00:00+00') AS s)");
    out = sql(f, buf_cstr(&query));
    buf_release(&query);
    return out;
}

#define VERDICT "coalesce(s._reject || ':' || s._reject_field, 'ok')"
#define assert_ask(f, value, what, expected) assert_string_equal(ask((f), (value), (what)), (expected))

/* One field `x`: a table of values, with what the column then holds, or why it is refused. */
struct example {
    const char *value, *column, *verdict;
};

static void check_examples(const struct conf_field *field, const struct example *examples, size_t n)
{
    struct fixture f;

    open_contract(&f, field, 1);
    start(&f);
    for (size_t i = 0; i < n; i++) {
        char record[512];

        snprintf(record, sizeof(record), "{\"x\":%s}", examples[i].value);
        if (strcmp(ask(&f, record, VERDICT), examples[i].verdict) != 0)
            fail_msg("%s is judged %s, not %s", record, buf_cstr(&f.text), examples[i].verdict);
        if (strcmp(ask(&f, record, "s.x"), examples[i].column) != 0)
            fail_msg("%s is read as %s, not %s", record, buf_cstr(&f.text), examples[i].column);
    }
    stop(&f);
}

#define CHECK(field, ...)                                         \
    do {                                                          \
        const struct example examples_[] = {__VA_ARGS__};         \
        check_examples(&(field), examples_, IG_COUNT(examples_)); \
    } while (0)

static void strings(void **state)
{
    const char *values[] = {"red", "caf\xc3\xa9"};
    const struct conf_field plain = {.name = "x", .type = CONF_STRING};
    const struct conf_field lenient = {.name = "x", .type = CONF_STRING, .lenient = true};
    const struct conf_field one_of = {.name = "x", .type = CONF_STRING, .one_of = values, .n_one_of = 2};
    const struct conf_field sized = {
        .name = "x", .type = CONF_STRING, .has_min = true, .min = 2, .has_max = true, .max = 4};
    const struct conf_field pattern = {.name = "x", .type = CONF_STRING, .pattern = "^[A-Z]{2}[0-9]+$"};

    (void)state;
    CHECK(plain, {"\"a\"", "a", "ok"}, {"\"\"", "", "ok"}, {"null", "NULL", "ok"}, {"7", "NULL", "wrong_type:x"},
          {"\"a\\u00e9\\\"\\n\\ud83d\\ude00\"", "a\xc3\xa9\"\n\xf0\x9f\x98\x80", "ok"},
          {"[\"a\"]", "NULL", "wrong_type:x"}, {"{}", "NULL", "wrong_type:x"},
          {"\"twelve bytes or more of it\"", "twelve bytes or more of it", "ok"});
    CHECK(lenient, {"7.50", "7.50", "ok"}, {"true", "true", "ok"}, {"[1]", "NULL", "wrong_type:x"});
    CHECK(one_of, {"\"red\"", "red", "ok"}, {"\"caf\\u00e9\"", "caf\xc3\xa9", "ok"},
          {"\"Red\"", "NULL", "not_in_enum:x"});
    CHECK(sized, {"\"a\"", "NULL", "out_of_range:x"},
          {"\"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\"", "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", "ok"},
          {"\"abcde\"", "NULL", "out_of_range:x"});
    CHECK(pattern, {"\"DE12\"", "DE12", "ok"}, {"\"DE\"", "NULL", "no_match:x"}, {"\"xDE12\"", "NULL", "no_match:x"});
}

static void a_reason_is_text_even_where_it_is_cut(void **state)
{
    struct conf_field field = {.name = "x", .type = CONF_STRING};
    struct buf pattern, value;
    struct fixture f;

    (void)state;
    buf_init(&pattern, 0);
    buf_init(&value, 0);
    buf_puts(&pattern, "a"); /* an odd beginning: two-byte characters are then cut in half at any even length */
    buf_puts(&value, "{\"x\":\"b");
    for (int i = 0; i < 200; i++) {
        buf_puts(&pattern, "\xc3\xa9");
        buf_puts(&value, "\xc3\xa9");
    }
    buf_puts(&value, "\"}");
    field.pattern = buf_cstr(&pattern);
    open_contract(&f, &field, 1);
    start(&f);
    assert_ask(&f, buf_cstr(&value), VERDICT, "no_match:x");
    assert_non_null(strstr(ask(&f, buf_cstr(&value), "s._reject_detail"), "expected a match of a\xc3\xa9"));
    stop(&f);
    buf_release(&pattern);
    buf_release(&value);
}

static void integers(void **state)
{
    const struct conf_field plain = {.name = "x", .type = CONF_INT};
    const struct conf_field lenient = {.name = "x", .type = CONF_INT, .lenient = true};
    const struct conf_field ranged = {.name = "x", .type = CONF_INT, .has_min = true, .min = 0};

    (void)state;
    CHECK(plain, {"0", "0", "ok"}, {"-9223372036854775808", "-9223372036854775808", "ok"},
          {"9223372036854775807", "9223372036854775807", "ok"}, {"9223372036854775808", "NULL", "out_of_range:x"},
          {"1e400", "NULL", "out_of_range:x"}, {"5.0", "5", "ok"}, {"12e2", "1200", "ok"},
          {"5.5", "NULL", "wrong_type:x"}, {"\"5\"", "NULL", "wrong_type:x"}, {"true", "NULL", "wrong_type:x"});
    CHECK(lenient, {"\" 5 \"", "5", "ok"}, {"\"5.00\"", "5", "ok"}, {"\"\"", "NULL", "ok"},
          {"\"N/A\"", "NULL", "wrong_type:x"}, {"\"5.5\"", "NULL", "wrong_type:x"},
          {"\"1 2\"", "NULL", "wrong_type:x"});
    CHECK(ranged, {"-1", "NULL", "out_of_range:x"}, {"0", "0", "ok"});
}

static void decimals_are_exact(void **state)
{
    const struct conf_field money = {.name = "x", .type = CONF_DECIMAL, .precision = 10, .scale = 2};
    const struct conf_field lenient = {.name = "x", .type = CONF_DECIMAL, .precision = 10, .scale = 2, .lenient = true};
    const struct conf_field tiny = {.name = "x", .type = CONF_DECIMAL, .precision = 4, .scale = 1};
    const struct conf_field middle = {.name = "x", .type = CONF_DECIMAL, .precision = 9, .scale = 3};
    const struct conf_field wide = {.name = "x", .type = CONF_DECIMAL, .precision = 38, .scale = 10};
    const struct conf_field ranged = {
        .name = "x", .type = CONF_DECIMAL, .precision = 10, .scale = 2, .has_min = true, .min = 0.01};

    (void)state;
    CHECK(money, {"0.29", "0.29", "ok"}, {"-1234.5", "-1234.50", "ok"}, {"12.3400", "12.34", "ok"},
          {"12.345", "NULL", "wrong_type:x"}, {"1e-2", "0.01", "ok"}, {"99999999.99", "99999999.99", "ok"},
          {"100000000", "NULL", "out_of_range:x"}, {"0e999999999", "0.00", "ok"},
          {"1e-999999999", "NULL", "wrong_type:x"}, {"\"12.30\"", "NULL", "wrong_type:x"});
    CHECK(lenient, {"12.345", "12.35", "ok"}, {"-12.345", "-12.35", "ok"}, {"12.3449999", "12.34", "ok"},
          {"\"12.30\"", "12.30", "ok"}, {"0.004", "0.00", "ok"}, {"99999999.995", "NULL", "out_of_range:x"},
          {"12.3400000000000000000000000000000000000000000001", "12.34", "ok"});
    CHECK(tiny, {"-999.9", "-999.9", "ok"});
    CHECK(middle, {"-99999.125", "-99999.125", "ok"});
    CHECK(wide, {"1234567890123456789012345678.0123456789", "1234567890123456789012345678.0123456789", "ok"},
          {"12345678901234567890123456789", "NULL", "out_of_range:x"});
    CHECK(ranged, {"0", "NULL", "out_of_range:x"}, {"0.01", "0.01", "ok"});
}

static void doubles(void **state)
{
    const struct conf_field plain = {.name = "x", .type = CONF_DOUBLE};
    const struct conf_field lenient = {.name = "x", .type = CONF_DOUBLE, .lenient = true};

    (void)state;
    CHECK(plain, {"0.1", "0.1", "ok"}, {"-1.5e3", "-1500.0", "ok"}, {"1e22", "1e+22", "ok"},
          {"1.7976931348623157e308", "1.7976931348623157e+308", "ok"}, {"1e400", "NULL", "out_of_range:x"},
          {"1e-400", "0.0", "ok"}, {"123456789012345678", "1.2345678901234568e+17", "ok"},
          {"\"1\"", "NULL", "wrong_type:x"});
    CHECK(lenient, {"\"1.5\"", "1.5", "ok"}, {"\"NaN\"", "NULL", "wrong_type:x"}, {"\"0x1p3\"", "NULL", "wrong_type:x"},
          {"\"+2\"", "2.0", "ok"}, {"\".5\"", "0.5", "ok"});
}

static void booleans(void **state)
{
    const struct conf_field plain = {.name = "x", .type = CONF_BOOL};
    const struct conf_field lenient = {.name = "x", .type = CONF_BOOL, .lenient = true};

    (void)state;
    CHECK(plain, {"true", "true", "ok"}, {"false", "false", "ok"}, {"1", "NULL", "wrong_type:x"},
          {"\"true\"", "NULL", "wrong_type:x"});
    CHECK(lenient, {"1", "true", "ok"}, {"\"N\"", "false", "ok"}, {"\"True\"", "true", "ok"}, {"\"\"", "NULL", "ok"},
          {"2", "NULL", "wrong_type:x"});
}

static void times(void **state)
{
    const struct conf_field text = {.name = "x", .type = CONF_TIMESTAMP};
    const struct conf_field seconds = {.name = "x", .type = CONF_TIMESTAMP, .time_unit = CONF_TIME_S};
    const struct conf_field millis = {.name = "x", .type = CONF_TIMESTAMP, .time_unit = CONF_TIME_MS, .lenient = true};
    const struct conf_field date = {.name = "x", .type = CONF_DATE};
    const struct conf_field lenient_date = {.name = "x", .type = CONF_DATE, .lenient = true};

    (void)state;
    CHECK(text, {"\"2024-02-29T23:59:59.123456Z\"", "2024-02-29 23:59:59.123456+00", "ok"},
          {"\"2024-02-29 01:30:00+02:00\"", "2024-02-28 23:30:00+00", "ok"},
          {"\"2024-02-29\"", "2024-02-29 00:00:00+00", "ok"}, {"\"2023-02-29T00:00:00Z\"", "NULL", "bad_timestamp:x"},
          {"\"not-a-timestamp\"", "NULL", "bad_timestamp:x"}, {"\"2024-01-01T24:00:01Z\"", "NULL", "bad_timestamp:x"},
          {"1704067200", "NULL", "bad_timestamp:x"}, {"\"\"", "NULL", "bad_timestamp:x"});
    CHECK(seconds, {"1704067200", "2024-01-01 00:00:00+00", "ok"}, {"1704067200.25", "2024-01-01 00:00:00.25+00", "ok"},
          {"-1", "1969-12-31 23:59:59+00", "ok"}, {"1e300", "NULL", "bad_timestamp:x"},
          {"\"1704067200\"", "NULL", "bad_timestamp:x"}, {"1704067200000", "NULL", "bad_timestamp:x"});
    CHECK(millis, {"1704067200123", "2024-01-01 00:00:00.123+00", "ok"},
          {"\"1704067200123\"", "2024-01-01 00:00:00.123+00", "ok"},
          {"\"2024-01-01\"", "2024-01-01 00:00:00+00", "ok"});
    CHECK(date, {"\"2024-02-29\"", "2024-02-29", "ok"}, {"\"2024-02-30\"", "NULL", "bad_timestamp:x"},
          {"\"2024-02-29T00:00:00Z\"", "NULL", "bad_timestamp:x"});
    CHECK(lenient_date, {"\"2024-02-29T23:00:00-05:00\"", "2024-03-01", "ok"});
}

static void text_that_is_not_a_json_object_is_refused_whole(void **state)
{
    const struct conf_field fields[] = {{.name = "x", .type = CONF_INT, .required = true}};
    struct buf deep;
    struct fixture f;

    (void)state;
    open_contract(&f, fields, 1);
    start(&f);
    assert_ask(&f, "{\"x\":1", VERDICT, "malformed_json:");
    assert_ask(&f, "{\"x\":\"1\" \"y\":2}", VERDICT, "malformed_json:"); /* outweighs the wrong type */
    assert_ask(&f, "{\"x\":1} x", VERDICT, "malformed_json:");
    assert_ask(&f, "", VERDICT, "malformed_json:");
    assert_ask(&f, "[1]", VERDICT, "malformed_json:");
    assert_ask(&f, "[1", "s._reject_detail", "an array without end at byte 2 of 2");
    assert_ask(&f, "{\"x\":1,\"y\":\"\x01\"}", VERDICT, "malformed_json:");
    assert_string_equal(sql(&f, "SELECT f(NULL, NULL)._reject_detail"), "the record has no value");
    assert_ask(&f, " \n{ \"x\" : 1 }\r\n", VERDICT, "ok");
    buf_init(&deep, 0);
    buf_puts(&deep, "{\"x\":1,\"y\":");
    for (int i = 0; i < 300; i++)
        buf_putc(&deep, '[');
    assert_ask(&f, buf_cstr(&deep), VERDICT, "too_deep:");
    buf_release(&deep);
    stop(&f);
}

static void a_key_that_comes_twice_is_refused(void **state)
{
    const struct conf_field fields[] = {{.name = "x", .type = CONF_INT, .path = "a.x"}};
    struct fixture f;

    (void)state;
    open_contract(&f, fields, 1);
    start(&f);
    assert_ask(&f, "{\"a\":{\"x\":1,\"x\":2}}", VERDICT, "duplicate_field:a.x");
    assert_ask(&f, "{\"a\":{\"x\":1,\"\\u0078\":2}}", VERDICT, "duplicate_field:a.x");
    assert_ask(&f, "{\"a\":{\"x\":1},\"a\":{}}", VERDICT, "duplicate_field:a");
    assert_ask(&f, "{\"a\":{\"x\":1,\"other\":1,\"other\":2}}", VERDICT, "ok");
    stop(&f);
}

static void required_fields(void **state)
{
    const char *purchase[] = {"purchase", "refund"};
    const struct conf_field fields[] = {
        {.name = "id", .type = CONF_STRING, .required = true},
        {.name = "kind", .type = CONF_STRING},
        {.name = "price",
         .type = CONF_INT,
         .path = "p.price",
         .when_field = "kind",
         .when_values = purchase,
         .n_when_values = 2},
    };
    struct fixture f;

    (void)state;
    open_contract(&f, fields, 3);
    start(&f);
    assert_ask(&f, "{}", VERDICT, "missing_field:id");
    assert_ask(&f, "{\"id\":null}", VERDICT, "missing_field:id");
    assert_ask(&f, "{\"id\":\"1\"}", VERDICT, "ok");
    assert_ask(&f, "{\"id\":\"1\",\"kind\":\"view\"}", VERDICT, "ok");
    assert_ask(&f, "{\"id\":\"1\",\"kind\":\"purchase\"}", VERDICT, "missing_field:p.price");
    assert_ask(&f, "{\"id\":\"1\",\"p\":{\"price\":null},\"kind\":\"refund\"}", VERDICT, "missing_field:p.price");
    assert_ask(&f, "{\"id\":\"1\",\"p\":{\"price\":4},\"kind\":\"purchase\"}", VERDICT, "ok");
    assert_ask(&f, "{\"id\":\"1\",\"p\":\"text\"}", VERDICT, "wrong_type:p");
    assert_ask(&f, "{\"id\":\"1\",\"p\":null}", VERDICT, "ok");
    stop(&f);
}

static void one_path_can_feed_several_columns(void **state)
{
    const struct conf_field sub[] = {{.name = "price", .type = CONF_INT}};
    const struct conf_field fields[] = {
        {.name = "raw", .type = CONF_JSON, .path = "p"},
        {.name = "price", .type = CONF_INT, .path = "p.price"},
        {.name = "whole", .type = CONF_STRUCT, .path = "p", .fields = sub, .n_fields = 1},
    };
    struct fixture f;

    (void)state;
    open_contract(&f, fields, 3);
    start(&f);
    assert_ask(&f, "{\"p\":{\"price\":5, \"z\":[1,{}]}}", "s.raw || '|' || s.price || '|' || s.whole.price",
               "{\"price\":5, \"z\":[1,{}]}|5|5");
    assert_ask(&f, "{\"p\":null}", "[s.raw IS NULL, s.price IS NULL, s.whole IS NULL]", "[true, true, true]");
    stop(&f);
}

static void nested_lists_and_structs(void **state)
{
    const struct conf_field tag = {.name = "[]", .type = CONF_STRING};
    const struct conf_field item_fields[] = {
        {.name = "sku", .type = CONF_STRING, .required = true},
        {.name = "quantity", .type = CONF_INT, .has_min = true, .min = 1},
        {.name = "tags", .type = CONF_LIST, .fields = &tag, .n_fields = 1},
    };
    const struct conf_field item = {.name = "[]", .type = CONF_STRUCT, .fields = item_fields, .n_fields = 3};
    const struct conf_field fields[] = {{.name = "items", .type = CONF_LIST, .fields = &item, .n_fields = 1}};
    struct fixture f;

    (void)state;
    open_contract(&f, fields, 1);
    start(&f);
    assert_ask(&f, "{\"items\":[{\"sku\":\"a\",\"quantity\":2,\"tags\":[\"x\",null]},{\"sku\":\"b\"}]}", "s.items",
               "[{'sku': a, 'quantity': 2, 'tags': [x, NULL]}, {'sku': b, 'quantity': NULL, 'tags': NULL}]");
    assert_ask(&f, "{\"items\":[]}", "s.items", "[]");
    assert_ask(&f, "{\"items\":[null]}", "s.items", "[NULL]");
    assert_ask(&f, "{\"items\":[{\"quantity\":1}]}", VERDICT, "missing_field:items[].sku");
    assert_ask(&f, "{\"items\":[{\"sku\":\"a\",\"quantity\":0}]}", VERDICT, "out_of_range:items[].quantity");
    assert_ask(&f, "{\"items\":{\"sku\":\"a\"}}", VERDICT, "wrong_type:items");
    /* many rows and long lists, so that the vectors have to move; every value is checked against a recomputation */
    assert_string_equal(
        sql(&f,
            "WITH t AS MATERIALIZED (SELECT i, [{'sku': 's' || j || '_' || i || '_0123456789', 'quantity': j + 1,"
            " 'tags': [t || '_tag_of_' || i || '_' || j FOR t IN range(j % 5)]} FOR j IN range(i % 37)] AS items"
            " FROM range(5000) r(i)), u AS MATERIALIZED (SELECT items, f(to_json({'items': items}), NULL) AS s FROM t)"
            " SELECT (count(*) FILTER (s.items::VARCHAR = items::VARCHAR AND s._reject IS NULL))::VARCHAR FROM u"),
        "5000");
    assert_string_equal(sql(&f, "SELECT len(f('{\"items\":[' || repeat('{\"sku\":\"a\",\"tags\":[\"t\"]},', 300000)"
                                " || 'null]}', NULL).items)::VARCHAR"),
                        "300001");
    stop(&f);
}

static void the_event_time_is_bounded(void **state)
{
    const struct conf_field fields[] = {{.name = "at", .type = CONF_TIMESTAMP}};
    struct fixture f;

    (void)state;
    open_contract(&f, fields, 1);
    f.domain.contract.event_time = "at";
    f.domain.contract.has_not_before = true;
    IG_ASSERT(date_parse(STR("2023-01-01"), &f.domain.contract.not_before_days));
    f.domain.contract.max_future_ms = 3600 * 1000;
    start(&f);
    assert_ask(&f, "{\"at\":\"2009-01-01T00:00:00Z\"}", VERDICT, "too_early:at");
    assert_ask(&f, "{\"at\":\"2023-01-01T00:00:00Z\"}", VERDICT, "ok");
    assert_ask(&f, "{\"at\":\"2024-06-01T01:00:00Z\"}", VERDICT, "ok");
    assert_ask(&f, "{\"at\":\"2024-06-01T01:00:01Z\"}", VERDICT, "too_late:at");
    assert_ask(&f, "{}", VERDICT, "missing_field:at");
    stop(&f);
}

static void the_sink_asks_for_the_event_time_alone(void **state)
{
    const struct conf_field fields[] = {{.name = "id", .type = CONF_INT, .required = true},
                                        {.name = "at", .path = "meta.at", .type = CONF_TIMESTAMP}};
    struct contract_reject why;
    struct fixture f;
    int64_t us = 0;

    (void)state;
    open_contract(&f, fields, 2);
    f.domain.contract.event_time = "at";
    start(&f);
    assert_true(contract_event_time(f.contract, STR("{\"meta\":{\"at\":\"1970-01-01T00:00:01Z\"}}"), 5, 0, &us, &why));
    assert_int_equal(us, 1000000);
    assert_false(contract_event_time(f.contract, STR("{\"meta\":{\"at\":12}}"), 5, 0, &us, &why));
    assert_string_equal(why.reason, "bad_timestamp");
    assert_string_equal(why.field, "meta.at");
    assert_false(contract_event_time(f.contract, STR("{\"id\":1}"), 5, 0, &us, &why));
    assert_string_equal(why.reason, "missing_field");
    assert_false(contract_event_time(f.contract, STR("{\"meta\":{\"at\":\"1970-01-01T00:00:01Z\"}"), 5, 0, &us, &why));
    assert_string_equal(why.reason, "malformed_json");
    assert_false(contract_event_time(f.contract, STR("{\"a\":\"\xff\"}"), 5, 0, &us, &why));
    assert_string_equal(why.reason, "invalid_utf8");
    assert_false(contract_event_time(f.contract, (struct str){NULL, 0}, 5, 0, &us, &why));
    stop(&f);

    open_contract(&f, fields, 1);
    start(&f);
    assert_true(contract_event_time(f.contract, STR("{\"id\":\"wrong\"}"), 5, 0, &us, &why));
    assert_int_equal(us, 5000);
    stop(&f);
}

static void the_hash_is_of_the_bytes(void **state)
{
    const struct conf_field fields[] = {{.name = "x", .type = CONF_INT}};
    struct fixture f;

    (void)state;
    open_contract(&f, fields, 1);
    start(&f);
    assert_string_equal(
        sql(&f, "SELECT count(*)::VARCHAR FROM (SELECT v, f(v, NULL) AS s FROM (SELECT '{\"x\":' || i || '}' AS v"
                " FROM range(10000) r(i))) WHERE s.record_hash = sha256(v)"),
        "10000");
    stop(&f);
}

static void identity_gives_the_key_alone(void **state)
{
    const struct conf_field fields[] = {
        {.name = "a", .type = CONF_INT}, {.name = "id", .type = CONF_STRING}, {.name = "at", .type = CONF_TIMESTAMP}};
    const char *key[] = {"id"};
    struct fixture f;

    (void)state;
    open_contract(&f, fields, 3);
    f.domain.contract.key = key;
    f.domain.contract.n_key = 1;
    f.domain.contract.order_by = "at";
    start(&f);
    if (contract_register_identity(f.contract, f.conn, "who", &f.err))
        fail_msg("%s", f.err.msg);
    assert_string_equal(sql(&f, "SELECT typeof(who('{}', NULL))"),
                        "STRUCT(id VARCHAR, \"at\" TIMESTAMP WITH TIME ZONE, _reject VARCHAR, _reject_field VARCHAR, "
                        "_reject_detail VARCHAR)");
    assert_string_equal(sql(&f, "SELECT who('{\"id\":\"k\",\"a\":\"no\"}', NULL)._reject_field"), "a");
    /* a name can be registered again */
    assert_int_equal(contract_register_identity(f.contract, f.conn, "who", &f.err), IG_OK);
    assert_string_equal(sql(&f, "SELECT who('{\"id\":\"k\",\"a\":\"no\"}', NULL)._reject_field"), "a");
    assert_string_equal(sql(&f, "SELECT count(*)::VARCHAR FROM duckdb_functions() WHERE function_name = 'who'"), "1");
    stop(&f);
}

static void *register_and_ask(void *arg)
{
    const struct fixture *f = arg;
    struct engine_conn *c = NULL;
    struct error err;
    enum ig_code rc = engine_connect(f->engine, &c, &err);
    int64_t sum = 0;

    for (int i = 0; i < 50 && !rc; i++) {
        rc = contract_register(f->contract, c, "f", &err);
        if (!rc)
            rc = engine_query_int64(c,
                                    "SELECT sum(s.x)::BIGINT FROM (SELECT f('{\"x\":' || i || '}', NULL) AS s FROM"
                                    " range(3000) t(i))",
                                    &sum, &err);
        if (!rc && sum != 3000 * 2999 / 2)
            rc = error_set(&err, IG_CORRUPT, "the sum is %lld", (long long)sum);
    }
    engine_disconnect(c);
    return rc ? check_strdup(err.msg) : NULL;
}

static void connections_register_and_ask_at_the_same_time(void **state)
{
    const struct conf_field fields[] = {{.name = "x", .type = CONF_INT}};
    pthread_t threads[3];
    struct fixture f;

    (void)state;
    open_contract(&f, fields, 1);
    start(&f);
    for (size_t i = 0; i < IG_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, register_and_ask, &f), 0);
    for (size_t i = 0; i < IG_COUNT(threads); i++) {
        void *problem;

        assert_int_equal(pthread_join(threads[i], &problem), 0);
        if (problem)
            fail_msg("%s", (char *)problem);
    }
    stop(&f);
}

static void a_contract_with_a_mistake_is_refused(void **state)
{
    const struct conf_field bad_pattern[] = {{.name = "x", .type = CONF_STRING, .pattern = "("}};
    const struct conf_field bad_when[] = {{.name = "x", .type = CONF_STRING, .when_field = "y"}};
    struct fixture f;

    (void)state;
    open_contract(&f, bad_pattern, 1);
    assert_int_equal(contract_new(&f.domain, &f.contract, &f.err), IG_INVALID);
    assert_non_null(strstr(f.err.msg, "field x: pattern '('"));
    open_contract(&f, bad_when, 1);
    assert_int_equal(contract_new(&f.domain, &f.contract, &f.err), IG_INVALID);
    assert_non_null(strstr(f.err.msg, "required_when names 'y'"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings),
        cmocka_unit_test(a_reason_is_text_even_where_it_is_cut),
        cmocka_unit_test(integers),
        cmocka_unit_test(decimals_are_exact),
        cmocka_unit_test(doubles),
        cmocka_unit_test(booleans),
        cmocka_unit_test(times),
        cmocka_unit_test(text_that_is_not_a_json_object_is_refused_whole),
        cmocka_unit_test(a_key_that_comes_twice_is_refused),
        cmocka_unit_test(required_fields),
        cmocka_unit_test(one_path_can_feed_several_columns),
        cmocka_unit_test(nested_lists_and_structs),
        cmocka_unit_test(the_event_time_is_bounded),
        cmocka_unit_test(the_sink_asks_for_the_event_time_alone),
        cmocka_unit_test(the_hash_is_of_the_bytes),
        cmocka_unit_test(identity_gives_the_key_alone),
        cmocka_unit_test(connections_register_and_ask_at_the_same_time),
        cmocka_unit_test(a_contract_with_a_mistake_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
