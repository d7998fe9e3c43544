#include "lake/lake_internal.h"
#include "lake/table/schema.h"
#include "test.h"

static void a_schema_is_read_and_written_unchanged(void **state)
{
    static const char text[] = "{\"type\":\"struct\",\"fields\":[{\"name\":\"a "
                               "\\\"b\\\"\",\"type\":\"long\",\"nullable\":false,\"metadata\":{\"k\":"
                               "[1,\"x\"]}},{\"name\":\"d\",\"type\":\"decimal(38,5)\",\"nullable\":true,\"metadata\":{"
                               "}},{\"name\":\"l\",\"type\":{"
                               "\"type\":\"array\",\"elementType\":{\"type\":\"struct\",\"fields\":[{\"name\":\"x\","
                               "\"type\":\"timestamp_ntz\","
                               "\"nullable\":true,\"metadata\":{}}]},\"containsNull\":false},\"nullable\":true,"
                               "\"metadata\":{}},{\"name\":\"m\","
                               "\"type\":{\"type\":\"map\",\"keyType\":\"string\",\"valueType\":\"date\","
                               "\"valueContainsNull\":true},\"nullable\":"
                               "true,\"metadata\":{}}]}";
    const struct schema_type *type;
    struct arena a;
    struct error err;
    struct buf out;

    (void)state;
    arena_init(&a);
    buf_init(&out, 0);
    assert_int_equal(schema_of_json(&a, str_of(text), &type, &err), IG_OK);
    schema_add_json(&out, type);
    assert_string_equal(buf_cstr(&out), text);
    buf_clear(&out);
    schema_add_sql(&out, type);
    assert_string_equal(buf_cstr(&out), "STRUCT(\"a \"\"b\"\"\" BIGINT, \"d\" DECIMAL(38,5), \"l\" STRUCT(\"x\" "
                                        "TIMESTAMP)[], \"m\" MAP(VARCHAR, DATE))");
    assert_ptr_equal(schema_find(type, STR("D")), &type->fields[1]);
    assert_null(schema_find(type, STR("nothing")));
    buf_release(&out);
    arena_release(&a);
}

static void unknown_and_broken_schemas_are_refused(void **state)
{
    static const struct {
        const char *type;
        enum ig_code want;
    } cases[] = {
        {"\"geometry\"", IG_UNSUPPORTED},
        {"\"decimal(39,0)\"", IG_UNSUPPORTED},
        {"\"decimal(5,6)\"", IG_UNSUPPORTED},
        {"\"decimal(5,2)x\"", IG_UNSUPPORTED},
        {"{\"type\":\"set\"}", IG_UNSUPPORTED},
        {"{\"type\":\"array\"}", IG_UNSUPPORTED},
        {"{\"type\":\"struct\",\"fields\":{}}", IG_CORRUPT},
        {"{\"type\":\"struct\",\"fields\":[{\"type\":\"long\"}]}", IG_CORRUPT},
        {"5", IG_CORRUPT},
        {"", IG_CORRUPT},
    };
    const struct schema_type *type;
    struct arena a;
    struct error err;
    struct buf text;

    (void)state;
    arena_init(&a);
    buf_init(&text, 0);
    for (size_t i = 0; i < IG_COUNT(cases); i++) {
        buf_clear(&text);
        buf_printf(&text, "{\"type\":\"struct\",\"fields\":[{\"name\":\"a\",\"type\":%s}]}", cases[i].type);
        assert_int_equal(schema_of_json(&a, buf_str(&text), &type, &err), cases[i].want);
    }
    assert_int_equal(schema_of_json(&a, STR("\"long\""), &type, &err), IG_CORRUPT);
    buf_clear(&text);
    for (int i = 0; i < 200; i++)
        buf_puts(&text, "{\"type\":\"array\",\"elementType\":");
    assert_int_not_equal(schema_of_json(&a, buf_str(&text), &type, &err), IG_OK);
    buf_release(&text);
    arena_release(&a);
}

static void a_wider_type_holds_a_narrower_one(void **state)
{
    static const struct {
        struct schema_type to, from;
        bool want;
    } cases[] = {
        {{.kind = SCHEMA_LONG}, {.kind = SCHEMA_INTEGER}, true},
        {{.kind = SCHEMA_INTEGER}, {.kind = SCHEMA_LONG}, false},
        {{.kind = SCHEMA_DOUBLE}, {.kind = SCHEMA_FLOAT}, true},
        {{.kind = SCHEMA_DOUBLE}, {.kind = SCHEMA_INTEGER}, true},
        {{.kind = SCHEMA_DOUBLE}, {.kind = SCHEMA_LONG}, false},
        {{.kind = SCHEMA_DECIMAL, .precision = 20}, {.kind = SCHEMA_LONG}, true},
        {{.kind = SCHEMA_DECIMAL, .precision = 20, .scale = 2}, {.kind = SCHEMA_LONG}, false},
        {{.kind = SCHEMA_DECIMAL, .precision = 12, .scale = 4},
         {.kind = SCHEMA_DECIMAL, .precision = 10, .scale = 2},
         true},
        {{.kind = SCHEMA_DECIMAL, .precision = 12, .scale = 2},
         {.kind = SCHEMA_DECIMAL, .precision = 10, .scale = 4},
         false},
        {{.kind = SCHEMA_TIMESTAMP_NTZ}, {.kind = SCHEMA_TIMESTAMP}, true},
        {{.kind = SCHEMA_TIMESTAMP}, {.kind = SCHEMA_DATE}, false},
        {{.kind = SCHEMA_STRING}, {.kind = SCHEMA_LONG}, false},
        {{.kind = SCHEMA_LONG}, {.kind = SCHEMA_STRING, .untyped = true}, true},
    };

    (void)state;
    for (size_t i = 0; i < IG_COUNT(cases); i++)
        assert_int_equal(schema_can_hold(&cases[i].to, &cases[i].from), cases[i].want);
}

static void names_are_spelled_for_the_log_and_back(void **state)
{
    static const struct {
        const char *path, *uri;
    } cases[] = {
        {"d=2024-01-15/part-1.parquet", "d=2024-01-15/part-1.parquet"},
        {"a b/ä%41", "a%20b/%C3%A4%2541"},
        {"#?:@&+,;", "%23%3F%3A%40%26%2B%2C%3B"},
    };
    struct buf out;

    (void)state;
    buf_init(&out, 0);
    for (size_t i = 0; i < IG_COUNT(cases); i++) {
        buf_clear(&out);
        lake_add_uri(&out, str_of(cases[i].path));
        assert_string_equal(buf_cstr(&out), cases[i].uri);
        buf_clear(&out);
        assert_true(lake_decode_uri(str_of(cases[i].uri), &out));
        assert_string_equal(buf_cstr(&out), cases[i].path);
    }
    assert_false(lake_decode_uri(STR("a%"), &out));
    assert_false(lake_decode_uri(STR("a%4"), &out));
    assert_false(lake_decode_uri(STR("a%4g"), &out));
    buf_clear(&out);
    lake_add_hive_part(&out, "c", "a/b=c:%");
    buf_putc(&out, ' ');
    lake_add_hive_part(&out, "c", NULL);
    assert_string_equal(buf_cstr(&out), "c=a%2Fb%3Dc%3A%25 c=__HIVE_DEFAULT_PARTITION__");
    buf_release(&out);
}

static void one_partition_value_may_be_spelled_in_several_ways(void **state)
{
    static const struct {
        enum schema_kind kind;
        const char *a, *b;
        bool want;
    } cases[] = {
        {SCHEMA_STRING, "a", "a", true},
        {SCHEMA_STRING, "1", "1.0", false},
        {SCHEMA_STRING, NULL, NULL, true},
        {SCHEMA_STRING, NULL, "a", false},
        {SCHEMA_LONG, "7", "07", true},
        {SCHEMA_LONG, "7", "8", false},
        {SCHEMA_DOUBLE, "1", "1.0", true},
        {SCHEMA_DECIMAL, "1.50", "1.5", true},
        {SCHEMA_DECIMAL, "0.0", "-0", true},
        {SCHEMA_DECIMAL, "-1.5", "1.5", false},
        {SCHEMA_DECIMAL, "100", "1", false},
        {SCHEMA_DECIMAL, "100", "100.00", true},
        {SCHEMA_DATE, "2024-01-15", "2024-01-15", true},
        {SCHEMA_DATE, "2024-01-15", "2024-01-16", false},
        {SCHEMA_TIMESTAMP, "2024-01-15 00:00:00", "2024-01-15T00:00:00.000000Z", true},
        {SCHEMA_TIMESTAMP, "2024-01-15 00:00:00", "2024-01-15T00:00:00.000001Z", false},
        {SCHEMA_BOOLEAN, "true", "True", true},
    };

    (void)state;
    for (size_t i = 0; i < IG_COUNT(cases); i++) {
        const struct schema_type type = {.kind = cases[i].kind};

        if (lake_value_eq(&type, cases[i].a, cases[i].b) != cases[i].want)
            fail_msg("case %zu", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_schema_is_read_and_written_unchanged),
        cmocka_unit_test(unknown_and_broken_schemas_are_refused),
        cmocka_unit_test(a_wider_type_holds_a_narrower_one),
        cmocka_unit_test(one_partition_value_may_be_spelled_in_several_ways),
        cmocka_unit_test(names_are_spelled_for_the_log_and_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
