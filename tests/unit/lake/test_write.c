/* Create, append and replace, and what a scan gives of them. */
#include "lake/fixture.h"

static void a_table_without_files_has_columns_and_types(void **state)
{
    struct fixture *f = *state;

    run(f, "create t | d | SELECT 1::SMALLINT AS a, NULL AS nothing, DATE '2024-01-01' AS d, sum(1) AS s, [{'x': 1.5}] "
           "AS l, "
           "TIMESTAMP '2024-01-01 00:00:00' AS t");
    assert_answer(f, "scan t | | SELECT count(*) AS n FROM t", "{\"n\":0}\n");
    assert_answer(f, "scan t | | SELECT column_name || ' ' || column_type AS c FROM (DESCRIBE SELECT * FROM t)",
                  "{\"c\":\"a SMALLINT\"}\n{\"c\":\"nothing VARCHAR\"}\n{\"c\":\"d DATE\"}\n{\"c\":\"s BIGINT\"}\n"
                  "{\"c\":\"l STRUCT(x DECIMAL(2,1))[]\"}\n{\"c\":\"t TIMESTAMP WITH TIME ZONE\"}\n");
}

static void several_partitions_are_replaced_in_one_commit(void **state)
{
    struct fixture *f = *state;

    run(f, "create t | d | SELECT 1 AS id, DATE '2024-01-01' AS d");
    run(f, "append t | | SELECT i::INTEGER AS id, DATE '2024-01-01' + (i % 4)::INTEGER AS d FROM range(8) t(i)");
    assert_answer(f, "replace t | d=2024-01-01;d=2024-01-02 | SELECT 100 AS id, DATE '2024-01-02' AS d",
                  "{\"version\":2,\"written\":1,\"inserted\":1,\"updated\":0,\"deleted\":0,\"copied\":0,\"added\":1,"
                  "\"removed\":2}\n");
    assert_answer(f, "scan t | | SELECT d, list(id ORDER BY id) AS ids FROM t GROUP BY d ORDER BY d",
                  "{\"d\":\"2024-01-02\",\"ids\":[100]}\n{\"d\":\"2024-01-03\",\"ids\":[2,6]}\n"
                  "{\"d\":\"2024-01-04\",\"ids\":[3,7]}\n");
    assert_answer(f, "scan t@1 | | SELECT count(*) AS n FROM t", "{\"n\":8}\n");
}

static void an_empty_result_removes_the_partition_and_no_partition_is_the_whole_table(void **state)
{
    struct fixture *f = *state;

    run(f, "create t | d | SELECT 1 AS id, DATE '2024-01-01' AS d");
    run(f, "append t | | SELECT 1 AS id, DATE '2024-01-01' AS d UNION ALL SELECT 2, DATE '2024-01-02' UNION ALL SELECT "
           "3, NULL");
    run(f, "replace t | d=2024-01-01 | SELECT 1 AS id, DATE '2024-01-01' AS d WHERE false");
    assert_answer(f, "scan t | | SELECT list(id ORDER BY id) AS ids FROM t", "{\"ids\":[2,3]}\n");
    run(f, "replace t | d=\\N | SELECT 4 AS id, NULL AS d");
    assert_answer(f, "scan t | d=\\N | SELECT list(id ORDER BY id) AS ids FROM t", "{\"ids\":[4]}\n");
    run(f, "replace t | d=2024-01-09 | SELECT 1 AS id, DATE '2024-01-09' AS d WHERE false"); /* nothing: no commit */
    run(f, "replace t | | SELECT 5 AS id, DATE '2024-01-05' AS d");
    assert_answer(f, "scan t | |", "{\"id\":5,\"d\":\"2024-01-05\"}\n");
    assert_answer(f, "scan t@4 | | SELECT count(*) AS n FROM t", "{\"n\":1}\n");
}

static void a_table_grows_columns_and_old_rows_have_null(void **state)
{
    struct fixture *f = *state;

    run(f, "create t | | SELECT 1::SMALLINT AS id, {'a': 1} AS s");
    run(f, "append t | | SELECT 1::SMALLINT AS id, {'a': 1} AS s");
    run(f, "create t | | SELECT 1::TINYINT AS id, {'a': 1, 'b': ['x']} AS s, 'new' AS v");
    run(f, "append t | | SELECT 2::TINYINT AS id, {'a': 2, 'b': ['y']} AS s, 'w' AS v");
    run(f, "append t | | SELECT 3::TINYINT AS id");
    assert_answer(
        f, "scan t | |",
        "{\"id\":1,\"s\":{\"a\":1,\"b\":null},\"v\":null}\n{\"id\":2,\"s\":{\"a\":2,\"b\":[\"y\"]},\"v\":\"w\"}\n"
        "{\"id\":3,\"s\":null,\"v\":null}\n");
    assert_answer(f, "scan t@1 | |", "{\"id\":1,\"s\":{\"a\":1}}\n");
}

static void the_query_of_a_write_is_evaluated_once(void **state)
{
    static const char *const lines[] = {
        "append t | | SELECT nextval('calls')::INTEGER AS id, DATE '2024-01-01' AS d FROM range(10)",
        "replace t | d=2024-01-02 | SELECT nextval('calls')::INTEGER AS id, DATE '2024-01-02' AS d FROM range(10)",
        "replace t | | SELECT nextval('calls')::INTEGER AS id, DATE '2024-01-01' + (range % 2)::INTEGER AS d FROM "
        "range(10)",
        "merge t | id | | SELECT nextval('calls')::INTEGER AS id, DATE '2024-01-03' AS d FROM range(10)",
        "merge t | id | d=2024-01-03 delete | SELECT nextval('calls')::INTEGER AS id, DATE '2024-01-03' AS d FROM "
        "range(10)",
    };
    struct fixture *f = *state;
    int64_t calls;

    run(f, "create t | d | SELECT 1 AS id, DATE '2024-01-01' AS d");
    assert_int_equal(engine_exec(f->s.conn, &f->err, "CREATE SEQUENCE calls"), IG_OK);
    for (size_t i = 0; i < IG_COUNT(lines); i++) {
        run(f, lines[i]);
        assert_int_equal(engine_query_int64(f->s.conn, "SELECT currval('calls')", &calls, &f->err), IG_OK);
        assert_int_equal(calls, 10 * (i + 1));
    }
}

static void names_that_mean_something_to_the_engine_are_only_names(void **state)
{
    struct fixture *f = *state;

    run(f, "create a[b]*?/t | filename | SELECT 1 AS file_index, 'x' AS filename, 1 AS rowid");
    run(f, "append a[b]*?/t | | SELECT i::INTEGER AS file_index, 'v' || i AS filename, -i::INTEGER AS rowid FROM "
           "range(3) t(i)");
    run(f, "merge a[b]*?/t | file_index | | SELECT 1 AS file_index, 'v1' AS filename, NULL::INTEGER AS rowid");
    assert_answer(f, "scan a[b]*?/t | |",
                  "{\"file_index\":0,\"filename\":\"v0\",\"rowid\":0}\n"
                  "{\"file_index\":1,\"filename\":\"v1\",\"rowid\":null}\n"
                  "{\"file_index\":2,\"filename\":\"v2\",\"rowid\":-2}\n");
    run(f, "create a'\"b\"/t | d | SELECT 1 AS \"select\", 'x' AS d");
    run(f, "append a'\"b\"/t | | SELECT i::INTEGER AS \"select\", 'it''s ' || i AS d FROM range(3) t(i)");
    assert_answer(f, "scan a'\"b\"/t | d=it's 1 |", "{\"select\":1,\"d\":\"it's 1\"}\n");
}

static void values_come_back_as_they_were(void **state)
{
    struct fixture *f = *state;

    run(f, "create t | | SELECT 'x' AS s, 1.5::DOUBLE AS f, TIMESTAMPTZ '2024-01-01 00:00:00+00' AS t, 'b'::BLOB AS b, "
           "1.5::DECIMAL(38,10) AS d, true AS o");
    run(f, "append t | | SELECT * FROM (VALUES ('', 'nan'::DOUBLE, TIMESTAMPTZ '0001-01-01 00:00:00+00', ''::BLOB, "
           "1234567890123456789012345678.0123456789::DECIMAL(38,10), NULL), (chr(0) || '\"''', '-inf'::DOUBLE, "
           "TIMESTAMPTZ '9999-12-31 23:59:59.999999+00', '\\xFF\\x00'::BLOB, -0.0000000001::DECIMAL(38,10), false), "
           "(repeat('é', 5000), '-0.0'::DOUBLE, TIMESTAMPTZ '1969-12-31 23:59:59.999999+00', NULL, NULL, true)) v(s, "
           "f, t, b, d, "
           "o)");
    assert_answer(
        f, "scan t | | SELECT length(s) AS s, f::VARCHAR AS f, t, length(hex(b)) AS b, d, o FROM t ORDER BY ALL",
        "{\"s\":0,\"f\":\"nan\",\"t\":\"0001-01-01T00:00:00Z\",\"b\":0,\"d\":1234567890123456789012345678."
        "0123456789,\"o\":null}\n"
        "{\"s\":3,\"f\":\"-inf\",\"t\":\"9999-12-31T23:59:59.999999Z\",\"b\":4,\"d\":-0.0000000001,\"o\":false}\n"
        "{\"s\":5000,\"f\":\"-0.0\",\"t\":\"1969-12-31T23:59:59.999999Z\",\"b\":null,\"d\":null,\"o\":true}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_table_without_files_has_columns_and_types, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(several_partitions_are_replaced_in_one_commit, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(an_empty_result_removes_the_partition_and_no_partition_is_the_whole_table,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_table_grows_columns_and_old_rows_have_null, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(the_query_of_a_write_is_evaluated_once, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(names_that_mean_something_to_the_engine_are_only_names, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(values_come_back_as_they_were, fixture_setup, fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
