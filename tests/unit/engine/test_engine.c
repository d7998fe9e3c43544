#include "engine/engine.h"
#include "test.h"

struct fixture {
    struct engine *e;
    struct engine_conn *c;
    struct error err;
};

static int setup(void **state)
{
    const struct engine_options options = {.memory_bytes = 256 << 20, .threads = 2};
    struct fixture *f = check_calloc(1, sizeof(*f));

    assert_int_equal(engine_open(&options, &f->e, &f->err), IG_OK);
    assert_int_equal(engine_connect(f->e, &f->c, &f->err), IG_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    engine_disconnect(f->c);
    engine_close(f->e);
    free(f);
    return 0;
}

static void assert_query(struct fixture *f, const char *sql, const char *want)
{
    struct buf got;

    buf_init(&got, 0);
    if (engine_query_str(f->c, sql, &got, &f->err))
        fail_msg("%s: %s", sql, f->err.msg);
    assert_string_equal(buf_cstr(&got), want);
    buf_release(&got);
}

static void time_is_utc_and_the_options_hold(void **state)
{
    struct fixture *f = *state;

    assert_query(f, "SELECT current_setting('TimeZone')", "UTC");
    assert_query(f, "SELECT (TIMESTAMPTZ '2024-01-15 23:30:00-02')::DATE::VARCHAR", "2024-01-16");
    assert_query(f, "SELECT date_trunc('hour', TIMESTAMPTZ '2024-01-15 06:10:00+00')::VARCHAR",
                 "2024-01-15 06:00:00+00");
    assert_query(f, "SELECT (TIMESTAMP '2024-01-15 06:10:00'::TIMESTAMPTZ)::VARCHAR", "2024-01-15 06:10:00+00");
    assert_query(f, "SELECT current_setting('threads')::VARCHAR", "2");
    assert_query(f, "SELECT current_setting('memory_limit')", "256.0 MiB");
}

static void what_does_not_fit_is_spilled_and_cleaned_up(void **state)
{
    const struct engine_options options = {.memory_bytes = 32 << 20, .threads = 1};
    struct engine *e = NULL;
    struct engine_conn *c = NULL;
    struct error err;
    char dir[256];
    int64_t n = 0;

    (void)state;
    test_scratch_dir(dir, sizeof(dir));
    setenv("TMPDIR", dir, 1);
    assert_int_equal(engine_open(&options, &e, &err), IG_OK);
    unsetenv("TMPDIR");
    assert_int_equal(engine_connect(e, &c, &err), IG_OK);
    if (engine_exec(c, &err,
                    "CREATE TEMP TABLE x AS SELECT md5(range::VARCHAR) || md5((range + 1)::VARCHAR) AS s "
                    "FROM range(1000000)"))
        fail_msg("%s", err.msg);
    assert_int_equal(engine_query_int64(c, "SELECT count(*) FROM x", &n, &err), IG_OK);
    assert_int_equal(n, 1000000);
    engine_disconnect(c);
    engine_close(e);
    assert_int_equal(rmdir(dir), 0); /* it is empty again */
}

static void extensions_are_built_in_and_none_is_fetched(void **state)
{
    struct fixture *f = *state;

    assert_query(f,
                 "SELECT string_agg(extension_name, ',' ORDER BY extension_name) FROM duckdb_extensions() "
                 "WHERE loaded AND extension_name IN ('icu', 'json', 'parquet')",
                 "icu,json,parquet");
    assert_int_not_equal(engine_exec(f->c, &f->err, "SELECT * FROM read_xlsx('none.xlsx')"), IG_OK);
    assert_query(f, "SELECT current_setting('autoinstall_known_extensions')::VARCHAR", "false");
}

static void errors_carry_a_code_and_the_message(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(engine_exec(f->c, &f->err, "SELECT nothing"), IG_INVALID);
    assert_non_null(strstr(f->err.msg, "nothing"));
    assert_int_equal(engine_exec(f->c, &f->err, "SELEC 1"), IG_INVALID);
    assert_int_equal(engine_exec(f->c, &f->err, ""), IG_INVALID);
    assert_int_equal(engine_exec(f->c, &f->err, "SELECT 1; SELECT error('second')"), IG_INVALID);
    assert_non_null(strstr(f->err.msg, "second"));
    assert_int_equal(engine_exec(f->c, &f->err,
                                 "SELECT sum(a.range) FROM range(100000000) a, range(100000) b "
                                 "WHERE (a.range * b.range) % 7 = 9 LIMIT 0; SELECT 1"),
                     IG_OK);
}

static void interrupt_ends_a_statement(void *arg)
{
    usleep(50000);
    engine_interrupt(arg);
}

static void an_interrupted_statement_is_cancelled(void **state)
{
    struct fixture *f = *state;
    struct env *env = env_real_new();
    struct env_thread *t = NULL;

    assert_int_equal(env_spawn(env, "interrupt", interrupt_ends_a_statement, f->c, &t, &f->err), IG_OK);
    assert_int_equal(
        engine_exec(f->c, &f->err,
                    "SELECT count(*) FROM range(10000000000) a, range(1000) b WHERE hash(a.range, b.range) % 7 = 9"),
        IG_CANCELLED);
    env_join(env, t);
    env_real_free(env);
    assert_query(f, "SELECT 'still works'", "still works");
}

static void literals_and_names_hold_anything(void **state)
{
    static const struct {
        struct str text;
        const char *length;
    } cases[] = {{STR("it's"), "4"}, {STR("''"), "2"}, {STR(""), "0"}, {STR("a\\b\n"), "4"}, {STR("x\0y"), "3"}};
    struct fixture *f = *state;
    struct buf sql;

    buf_init(&sql, 0);
    for (size_t i = 0; i < IG_COUNT(cases); i++) {
        buf_clear(&sql);
        buf_puts(&sql, "SELECT length(");
        engine_add_literal(&sql, cases[i].text);
        buf_puts(&sql, ")::VARCHAR AS ");
        engine_add_name(&sql, STR("a \"column\""));
        assert_query(f, buf_cstr(&sql), cases[i].length);
    }
    buf_release(&sql);
}

static void rows_are_read_over_all_chunks(void **state)
{
    struct fixture *f = *state;
    struct engine_rows rows;
    int64_t n = 0, sum = 0, nulls = 0;

    assert_int_equal(engine_query(f->c,
                                  "CREATE TEMP TABLE x AS SELECT range AS i FROM range(10000); "
                                  "SELECT CASE WHEN i % 10 = 0 THEN NULL ELSE i END AS i, i::VARCHAR AS s, i / 2 AS d, "
                                  "DATE '1970-01-02' AS day, sum(i) OVER () AS total FROM x ORDER BY x.i",
                                  &rows, &f->err),
                     IG_OK);
    assert_int_equal(engine_columns(&rows), 5);
    assert_string_equal(engine_column_name(&rows, 3), "day");
    while (engine_next(&rows)) {
        char want[16];

        snprintf(want, sizeof(want), "%lld", (long long)n);
        assert_true(str_is(engine_str(&rows, 1), want));
        assert_true(engine_double(&rows, 2) * 2 >= (double)n - 0.1);
        assert_int_equal(engine_int64(&rows, 3), 1);
        assert_int_equal(engine_int64(&rows, 4), 49995000);
        nulls += engine_is_null(&rows, 0);
        sum += engine_int64(&rows, 0);
        n++;
    }
    assert_false(engine_next(&rows));
    engine_rows_free(&rows);
    engine_rows_free(&rows);
    assert_int_equal(n, 10000);
    assert_int_equal(nulls, 1000);
    assert_int_equal(sum, 49995000 - 4995000);
}

static void a_query_without_a_row_is_not_found(void **state)
{
    struct fixture *f = *state;
    int64_t n;

    assert_int_equal(engine_query_int64(f->c, "SELECT 1 WHERE false", &n, &f->err), IG_NOT_FOUND);
}

static void assert_printed(struct fixture *f, const char *sql, enum engine_print how, int64_t max, const char *want)
{
    struct buf got;

    buf_init(&got, 0);
    if (engine_print(f->c, sql, how, max, &got, &f->err))
        fail_msg("%s: %s", sql, f->err.msg);
    assert_string_equal(buf_cstr(&got), want);
    buf_release(&got);
}

static void results_are_printed_as_tables(void **state)
{
    assert_printed(*state, "SELECT * FROM (VALUES (1, 'ä'), (20, NULL), (3, 'x' || chr(10))) v(n, text)",
                   ENGINE_PRINT_TABLE, 2,
                   "┌────┬──────┐\n"
                   "│  n │ text │\n"
                   "├────┼──────┤\n"
                   "│  1 │ ä    │\n"
                   "│ 20 │ NULL │\n"
                   "└────┴──────┘\n"
                   "… and 1 more rows\n");
}

static void every_type_is_printed_as_json(void **state)
{
    assert_printed(
        *state,
        "SELECT 1::TINYINT a, 170141183460469231731687303715884105727::HUGEINT b, -1.05::DECIMAL(10,2) c, "
        "0.05::DECIMAL(38,2) d, 0.1::FLOAT e, 1e300::DOUBLE f, 'nan'::DOUBLE g, 'a\"b' h, NULL i, true j",
        ENGINE_PRINT_JSON, 0,
        "{\"a\":1,\"b\":170141183460469231731687303715884105727,\"c\":-1.05,\"d\":0.05,\"e\":0.1,\"f\":1e+300,"
        "\"g\":\"NaN\",\"h\":\"a\\\"b\",\"i\":null,\"j\":true}\n");
    assert_printed(
        *state,
        "SELECT DATE '2024-02-29' a, TIMESTAMPTZ '2024-01-15 06:00:00.5+02' b, TIMESTAMP '1969-12-31 23:59:59' c, "
        "TIME '01:02:03.5' d, 'b\\x00'::BLOB e, [1, NULL] f, {'x': 'y', 'z': [DATE '2024-01-01']} g, "
        "MAP {1: 'v'} h, '01234567-89ab-cdef-8123-456789abcdef'::UUID i, 'b'::ENUM('a', 'b') j, [1, 2]::INT[2] k",
        ENGINE_PRINT_JSON, 0,
        "{\"a\":\"2024-02-29\",\"b\":\"2024-01-15T04:00:00.500Z\",\"c\":\"1969-12-31T23:59:59\",\"d\":"
        "\"01:02:03.500000\",\"e\":\"b\\\\x00\",\"f\":[1,null],\"g\":{\"x\":\"y\",\"z\":[\"2024-01-01\"]},"
        "\"h\":{\"1\":\"v\"},\"i\":\"01234567-89ab-cdef-8123-456789abcdef\",\"j\":\"b\",\"k\":[1,2]}\n");
}

static void results_are_printed_as_csv(void **state)
{
    assert_printed(*state, "SELECT * FROM (VALUES ('a,b', NULL), ('q\"', ''), ('plain', 'x')) v(a, b)",
                   ENGINE_PRINT_CSV, 0, "a,b\n\"a,b\",\n\"q\"\"\",\"\"\nplain,x\n");
}

static void a_query_is_described_without_being_run(void **state)
{
    struct fixture *f = *state;
    struct engine_shape shape;
    duckdb_logical_type type;
    struct buf name;

    buf_init(&name, 0);
    assert_int_equal(engine_describe(f->c, "SELECT error('run')::INTEGER AS a, {'x': 1} AS b", &shape, &f->err), IG_OK);
    assert_int_equal(shape.n_columns, 2);
    engine_shape_name(&shape, 1, &name);
    assert_string_equal(buf_cstr(&name), "b");
    type = engine_shape_type(&shape, 1);
    assert_int_equal(duckdb_get_type_id(type), DUCKDB_TYPE_STRUCT);
    duckdb_destroy_logical_type(&type);
    engine_shape_free(&shape);
    assert_int_equal(engine_describe(f->c, "SELECT nothing", &shape, &f->err), IG_INVALID);
    engine_shape_free(&shape);
    buf_release(&name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(time_is_utc_and_the_options_hold, setup, teardown),
        cmocka_unit_test(what_does_not_fit_is_spilled_and_cleaned_up),
        cmocka_unit_test_setup_teardown(extensions_are_built_in_and_none_is_fetched, setup, teardown),
        cmocka_unit_test_setup_teardown(errors_carry_a_code_and_the_message, setup, teardown),
        cmocka_unit_test_setup_teardown(an_interrupted_statement_is_cancelled, setup, teardown),
        cmocka_unit_test_setup_teardown(literals_and_names_hold_anything, setup, teardown),
        cmocka_unit_test_setup_teardown(rows_are_read_over_all_chunks, setup, teardown),
        cmocka_unit_test_setup_teardown(a_query_without_a_row_is_not_found, setup, teardown),
        cmocka_unit_test_setup_teardown(results_are_printed_as_tables, setup, teardown),
        cmocka_unit_test_setup_teardown(every_type_is_printed_as_json, setup, teardown),
        cmocka_unit_test_setup_teardown(results_are_printed_as_csv, setup, teardown),
        cmocka_unit_test_setup_teardown(a_query_is_described_without_being_run, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
