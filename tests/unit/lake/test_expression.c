/* Spark's expressions in the engine's SQL: what they give, and what is refused. */
#include "lake/write/expression.h"
#include "test.h"

struct fixture {
    struct engine *engine;
    struct engine_conn *conn;
    struct arena arena;
    const struct schema_type *columns;
    struct error err;
};

#define COLUMNS                                                                                                      \
    "7::INTEGER AS i, 2.5::DOUBLE AS f, 'abc' AS s, DATE '2024-02-29' AS d, TIMESTAMPTZ '2024-02-29 13:14:15.5+00' " \
    "AS "                                                                                                            \
    "t, {'x': 1, 'Y z': [10, 20]} AS n, NULL::VARCHAR AS missing, 5 AS \"odd name\", MAP {'k': 'v'} AS m, "          \
    "0.1::FLOAT AS e, 1.5::DECIMAL(9,3) AS c, 0.5::DECIMAL(38,10) AS k, [1, NULL] AS l, 'a' || chr(10) AS line, "    \
    "'stra' || chr(223) || 'e' AS sharp, 'e' || chr(769) || 'x' AS accent, chr(160) || 'x ' AS wide, "               \
    "'\\x01\\xFF'::BLOB AS x"

static int setup(void **state)
{
    const struct engine_options options = {.threads = 1};
    struct fixture *f = check_calloc(1, sizeof(*f));

    assert_int_equal(engine_open(&options, &f->engine, &f->err), IG_OK);
    assert_int_equal(engine_connect(f->engine, &f->conn, &f->err), IG_OK);
    arena_init(&f->arena);
    assert_int_equal(schema_of_query(&f->arena, f->conn, "SELECT " COLUMNS, &f->columns, &f->err), IG_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    arena_release(&f->arena);
    engine_disconnect(f->conn);
    engine_close(f->engine);
    free(f);
    return 0;
}

static void assert_gives(struct fixture *f, const char *expression, const char *want)
{
    struct buf sql, query, got;

    buf_init(&sql, 0);
    buf_init(&query, 0);
    buf_init(&got, 0);
    if (lake_translate(f->conn, f->columns, expression, &sql, &f->err))
        fail_msg("%s: %s", expression, f->err.msg);
    buf_printf(&query, "SELECT coalesce(%s::VARCHAR, 'null') FROM (SELECT " COLUMNS ")", buf_cstr(&sql));
    if (engine_query_str(f->conn, buf_cstr(&query), &got, &f->err))
        fail_msg("%s: %s", buf_cstr(&query), f->err.msg);
    if (strcmp(buf_cstr(&got), want) != 0)
        fail_msg("%s gives %s, not %s (%s)", expression, buf_cstr(&got), want, buf_cstr(&sql));
    buf_release(&got);
    buf_release(&query);
    buf_release(&sql);
}

static void expressions_mean_what_spark_means(void **state)
{
    static const struct {
        const char *expression, *want;
    } cases[] = {
        {"i + 1 * 2 - -3", "12"},
        {"i / 2", "3.5"},
        {"-i DIV 2", "-3"},
        {"-i % 4", "-3"},
        {"pmod(-i, 4)", "1"},
        {"NOT i > 3 OR s = 'abc' AND true", "true"},
        {"!(i == 7)", "false"},
        {"i <=> NULL", "false"},
        {"missing <=> NULL", "true"},
        {"i IS NOT NULL", "true"},
        {"i IN (1, 7)", "true"},
        {"i NOT BETWEEN 1 AND 7", "false"},
        {"s LIKE 'a\\_c'", "false"},
        {"s LIKE 'a_c'", "true"},
        {"s RLIKE '^[a-c]+$'", "true"},
        {"CASE WHEN i > 5 THEN \"big\" ELSE 'small' END", "big"},
        {"case i when 7 then 1 end", "1"},
        {"CAST(f AS INT)", "2"},
        {"CAST(-f AS BIGINT)", "-2"},
        {"CAST(' 12.9 ' AS INT)", "12"},
        {"CAST('x' AS INT)", "null"},
        {"CAST(t AS DATE)", "2024-02-29"},
        {"CAST(t AS STRING)", "2024-02-29 13:14:15.5"},
        {"CAST(i AS DECIMAL(10,2))", "7.00"},
        {"dayofweek(d)", "5"},
        {"weekday(d)", "3"},
        {"date_format(t, \"yyyy/MM/dd'T'HH:mm\")", "2024/02/29T13:14"},
        {"trunc(d, 'YEAR')", "2024-01-01"},
        {"date_add(d, 1)", "2024-03-01"},
        {"datediff(d, DATE '2024-02-01')", "28"},
        {"DATE '2024-01-01' + INTERVAL 1 DAY", "2024-01-02 00:00:00"},
        {"substring(s, 0, 2)", "ab"},
        {"concat(s, '-', i)", "abc-7"},
        {"concat(s, missing)", "null"},
        {"s || 1", "abc1"},
        {"coalesce(missing, 'it\\'s')", "it's"},
        {"n.x + n.`Y z`[1]", "21"},
        {"m['k']", "v"},
        {"`odd name` + `I`", "12"},
        {"1L + 2S", "3"},
        {"1.5BD", "1.5"},
        {"round(2.345, 2)", "2.35"},
        {"if(i > 1, 'y', 'n')", "y"},
        {"EXTRACT(YEAR FROM t)", "2024"},
        {"EXTRACT(SECOND FROM t)", "15.500000"},
        {"i / 0", "null"},
        {"f / (i - 7)", "null"},
        {"f % 0", "null"},
        {"e / 3 > 0.0333333349D", "false"},
        {"e = 0.1", "false"},
        {"e + 0.1 = 0.2", "false"},
        {"e = CAST(0.1 AS FLOAT)", "true"},
        {"'7' = i", "true"},
        {"' 7 ' = i", "true"},
        {"s = 7", "null"},
        {"s <=> NULL", "false"},
        {"'07' <> 7", "false"},
        {"'2024-02-29' = d", "true"},
        {"CAST('infinity' AS DATE)", "null"},
        {"CAST('2024/03/04' AS DATE)", "null"},
        {"CAST('2024-3-4 x' AS DATE)", "2024-03-04"},
        {"CAST('2024-3' AS DATE)", "2024-03-01"},
        {"CAST('infinity' AS TIMESTAMP)", "null"},
        {"date_format(d, \"''yyyy'o''clock'\")", "'2024o'clock"},
        {"pmod(i, -3)", "1"},
        {"pmod(-i, -3)", "-1"},
        {"floor(f) / 2", "1.0"},
        {"floor(f)", "2"},
        {"ceil(c)", "2"},
        {"sign(CAST('NaN' AS DOUBLE))", "nan"},
        {"1 | 2 ^ 3", "1"},
        {"6 & 3 ^ 1", "3"},
        {"array_contains(l, 1)", "true"},
        {"array_contains(l, 2)", "null"},
        {"line RLIKE 'a$'", "true"},
        {"line RLIKE '^a.$'", "false"},
        {"line RLIKE '[a$.]'", "true"},
        {"'a$' RLIKE 'a\\\\$'", "true"},
        {"reverse(accent) = accent", "false"},
        {"length(reverse(accent))", "3"},
        {"length(trim(wide))", "2"},
        {"upper('abc')", "ABC"},
        {"length(x || x)", "4"},
        {"length(concat(x, x))", "4"},
        {"CAST(c AS STRING)", "1.500"},
        {"CAST(f AS STRING)", "2.5"},
        {"concat(s, f * 1e9)", "abc2.5E9"},
        {"CAST(1.005D AS DECIMAL(9,2))", "1.01"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < IG_COUNT(cases); i++)
        assert_gives(f, cases[i].expression, cases[i].want);
}

/* Java makes two letters of one: an error, not another text than Spark's. */
static void letters_of_another_upper_case_are_an_error(void **state)
{
    struct fixture *f = *state;
    struct engine_rows rows = {0};
    struct buf sql, query;

    buf_init(&sql, 0);
    buf_init(&query, 0);
    assert_int_equal(lake_translate(f->conn, f->columns, "upper(sharp)", &sql, &f->err), IG_OK);
    buf_printf(&query, "SELECT %s FROM (SELECT " COLUMNS ")", buf_cstr(&sql));
    assert_int_not_equal(engine_query(f->conn, buf_cstr(&query), &rows, &f->err), IG_OK);
    assert_non_null(strstr(f->err.msg, "upper() of a text with such letters"));
    engine_rows_free(&rows);
    buf_release(&query);
    buf_release(&sql);
}

static void what_is_not_understood_is_refused(void **state)
{
    static const struct {
        const char *expression, *message;
        enum ig_code want;
    } cases[] = {
        {"nothing > 1", "no column nothing", IG_INVALID},
        {"n.nothing > 1", "no member nothing", IG_INVALID},
        {"i > ", "ends", IG_INVALID},
        {"(i > 1", "expected", IG_INVALID},
        {"i > 1)", "goes on", IG_INVALID},
        {"i > 1; DROP TABLE t", "goes on", IG_INVALID},
        {"s = 'open", "not closed", IG_INVALID},
        {"s = 'it''s'", "quotes", IG_UNSUPPORTED},
        {"soundex(s) = 'x'", "soundex", IG_UNSUPPORTED},
        {"i IN (SELECT 1)", "subquery", IG_UNSUPPORTED},
        {"substring(s, -1, 2)", "substring", IG_UNSUPPORTED},
        {"date_format(t, 'QQQ')", "QQQ", IG_UNSUPPORTED},
        {"CAST(n AS STRING)", "string", IG_UNSUPPORTED},
        {"CAST(i AS WARP)", "WARP", IG_UNSUPPORTED},
        {"year(n)", "cannot be evaluated", IG_UNSUPPORTED},
        {"", "ends", IG_INVALID},
        {"c / 3 > 1", "exact", IG_UNSUPPORTED},
        {"i / 2.0 > 1", "exact", IG_UNSUPPORTED},
        {"c DIV 2 > 1", "DIV", IG_UNSUPPORTED},
        {"e IN (0.1)", "IN or BETWEEN", IG_UNSUPPORTED},
        {"s IN (1, 2)", "IN or BETWEEN", IG_UNSUPPORTED},
        {"CAST(k AS STRING) = '0'", "decimals", IG_UNSUPPORTED},
        {"unix_timestamp(s) > 1", "unix_timestamp", IG_UNSUPPORTED},
        {"s RLIKE s", "constant", IG_UNSUPPORTED},
        {"s RLIKE '[a&&b]'", "class", IG_UNSUPPORTED},
        {"s RLIKE '(?i)A'", "regular expression", IG_UNSUPPORTED},
        {"s = '\\u0041'", "escape", IG_UNSUPPORTED},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < IG_COUNT(cases); i++) {
        struct buf sql;

        buf_init(&sql, 0);
        if (lake_translate(f->conn, f->columns, cases[i].expression, &sql, &f->err) != cases[i].want ||
            !strstr(f->err.msg, cases[i].message))
            fail_msg("%s: %s", cases[i].expression, f->err.msg);
        assert_int_equal(sql.n, 0);
        buf_release(&sql);
    }
}

static void a_condition_is_a_boolean_and_depth_has_an_end(void **state)
{
    struct fixture *f = *state;
    struct buf sql, deep;

    buf_init(&sql, 0);
    buf_init(&deep, 0);
    assert_int_equal(lake_translate_condition(f->conn, f->columns, "i > 1", &sql, &f->err), IG_OK);
    assert_int_equal(lake_translate_condition(f->conn, f->columns, "i + 1", &sql, &f->err), IG_INVALID);
    for (int i = 0; i < 100000; i++)
        buf_puts(&deep, i % 2 ? "(" : "-");
    assert_int_equal(lake_translate(f->conn, f->columns, buf_cstr(&deep), &sql, &f->err), IG_UNSUPPORTED);
    buf_clear(&deep);
    for (int i = 0; i < 100000; i++)
        buf_puts(&deep, "NOT ");
    assert_int_equal(lake_translate(f->conn, f->columns, buf_cstr(&deep), &sql, &f->err), IG_UNSUPPORTED);
    assert_true(lake_mentions("a.b > 1 AND `C d` = 'e'", "c D"));
    assert_true(lake_mentions("a.b > 1", "B"));
    assert_false(lake_mentions("a.b > 1 AND x = 'e'", "e"));
    buf_release(&deep);
    buf_release(&sql);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(expressions_mean_what_spark_means, setup, teardown),
        cmocka_unit_test_setup_teardown(letters_of_another_upper_case_are_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_understood_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_condition_is_a_boolean_and_depth_has_an_end, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
