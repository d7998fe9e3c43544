/* Random merges, replaces and appends against a model: the same done to a plain table of the engine. */
#include "lake/fixture.h"

#define STEPS 40
#define KEYS 30
#define DAYS 3

static void sql(struct fixture *f, const char *statement)
{
    if (engine_exec(f->s.conn, &f->err, statement))
        fail_msg("%s: %s", statement, f->err.msg);
}

static void assert_like_model(struct fixture *f, const char *what)
{
    struct buf got, want;

    buf_init(&got, 0);
    buf_init(&want, 0);
    answer(f, &got, "scan t | | SELECT k, w, d, v FROM t ORDER BY ALL");
    answer(f, &want, "sql SELECT k, w, d, v FROM model ORDER BY ALL");
    if (strcmp(buf_cstr(&got), buf_cstr(&want)) != 0)
        fail_msg("after %s:\n%s\nis not\n%s", what, buf_cstr(&got), buf_cstr(&want));
    buf_release(&want);
    buf_release(&got);
}

/* Rows of distinct keys (k, w), where w may be null: of one day, or of any. */
static void make_source(struct fixture *f, struct test_random *random, int day)
{
    struct buf statement;
    const size_t n = test_random_below(random, 12);

    buf_init(&statement, 0);
    buf_puts(&statement, "CREATE OR REPLACE TABLE source AS SELECT DISTINCT ON (k, w) * FROM (VALUES "
                         "(NULL::INTEGER, NULL::VARCHAR, NULL::DATE, NULL::DOUBLE)");
    for (size_t i = 0; i < n; i++)
        buf_printf(&statement, ", (%zu, %s, DATE '2024-01-01' + %d, %zu)", test_random_below(random, KEYS),
                   test_random_below(random, 3) ? "'a'" : "NULL", day >= 0 ? day : (int)test_random_below(random, DAYS),
                   test_random_below(random, 4));
    buf_puts(&statement, ") v(k, w, d, v) WHERE k IS NOT NULL");
    sql(f, buf_cstr(&statement));
    buf_release(&statement);
}

static const char columns[] = "SELECT k, w, d, v FROM source";

static void step(struct fixture *f, struct test_random *random, int day, char *line, size_t n)
{
    const char *match = "model.k = source.k AND model.w IS NOT DISTINCT FROM source.w";
    char statement[512];

    switch (test_random_below(random, 5)) {
    case 0: /* merge anywhere: a row may move to another partition */
        make_source(f, random, -1);
        snprintf(line, n, "merge t | k,w | | %s", columns);
        snprintf(statement, sizeof(statement), "DELETE FROM model USING source WHERE %s", match);
        break;
    case 1: /* merge in a partition; the key is unique over all of them, so only keys of this day or new ones */
        make_source(f, random, day);
        snprintf(statement, sizeof(statement),
                 "DELETE FROM source USING model WHERE %s AND model.d <> DATE '2024-01-01' + %d", match, day);
        sql(f, statement);
        snprintf(line, n, "merge t | k,w | d=2024-01-0%d | %s", day + 1, columns);
        snprintf(statement, sizeof(statement), "DELETE FROM model USING source WHERE %s", match);
        break;
    case 2: /* and what the source lacks is deleted */
        make_source(f, random, day);
        snprintf(statement, sizeof(statement),
                 "DELETE FROM source USING model WHERE %s AND model.d <> DATE '2024-01-01' + %d", match, day);
        sql(f, statement);
        snprintf(line, n, "merge t | k,w | d=2024-01-0%d delete | %s", day + 1, columns);
        snprintf(statement, sizeof(statement), "DELETE FROM model WHERE d = DATE '2024-01-01' + %d", day);
        break;
    case 3:
        make_source(f, random, day);
        snprintf(statement, sizeof(statement),
                 "DELETE FROM source USING model WHERE %s AND model.d <> DATE '2024-01-01' + %d", match, day);
        sql(f, statement);
        snprintf(line, n, "replace t | d=2024-01-0%d | %s", day + 1, columns);
        snprintf(statement, sizeof(statement), "DELETE FROM model WHERE d = DATE '2024-01-01' + %d", day);
        break;
    default: /* the partition is part of the key */
        make_source(f, random, -1);
        snprintf(statement, sizeof(statement), "DELETE FROM source USING model WHERE %s AND model.d <> source.d",
                 match);
        sql(f, statement);
        snprintf(line, n, "merge t | k,w,d | | %s", columns);
        snprintf(statement, sizeof(statement), "DELETE FROM model USING source WHERE %s", match);
        break;
    }
    sql(f, statement);
    sql(f, "INSERT INTO model SELECT k, w, d, v FROM source");
    run(f, line);
}

static void random_changes_leave_what_the_model_has(void **state)
{
    struct test_random random = test_random_new();
    struct fixture *f = *state;
    char line[512];

    run(f, "create t | d | SELECT 1 AS k, 'x' AS w, DATE '2024-01-01' AS d, 1.0::DOUBLE AS v");
    sql(f, "CREATE TABLE model(k INTEGER, w VARCHAR, d DATE, v DOUBLE)");
    for (int i = 0; i < STEPS; i++) {
        step(f, &random, (int)test_random_below(&random, DAYS), line, sizeof(line));
        assert_like_model(f, line);
    }
}

static int64_t number(const struct buf *answer, const char *name)
{
    int64_t n = -1;

    assert_true(json_member_int64((struct str){answer->p, answer->n - 1}, name, &n));
    return n;
}

static void a_merge_counts_what_it_did(void **state)
{
    struct fixture *f = *state;
    struct buf got;

    buf_init(&got, 0);
    run(f, "create t | d | SELECT 1 AS k, 1 AS v, DATE '2024-01-01' AS d");
    answer(f, &got, "%s",
           "merge t | k | | SELECT i::INTEGER AS k, 0 AS v, DATE '2024-01-01' + (i % 2)::INTEGER AS d FROM range(10) "
           "t(i)");
    assert_int_equal(number(&got, "inserted"), 10);
    assert_int_equal(number(&got, "added"), 2);
    /* one row changed in one partition: the other's file stays */
    answer(f, &got,
           "merge t | k | | SELECT 2 AS k, 5 AS v, DATE '2024-01-01' AS d UNION ALL SELECT 3, 0, DATE '2024-01-02'");
    assert_int_equal(number(&got, "updated"), 1);
    assert_int_equal(number(&got, "copied"), 4);
    assert_int_equal(number(&got, "removed"), 1);
    assert_int_equal(number(&got, "written"), 5);
    /* nothing to do: no commit */
    answer(f, &got, "merge t | k | | SELECT 2 AS k, 5 AS v, DATE '2024-01-01' AS d");
    assert_int_equal(number(&got, "version"), 2);
    assert_int_equal(number(&got, "written"), 0);
    /* only inserts: no file is read again */
    answer(f, &got, "merge t | k | | SELECT 100 AS k, 5 AS v, DATE '2024-01-01' AS d");
    assert_int_equal(number(&got, "inserted"), 1);
    assert_int_equal(number(&got, "removed"), 0);
    answer(f, &got, "merge t | k | d=2024-01-02 delete | SELECT 1 AS k, 1 AS v, DATE '2024-01-02' AS d WHERE false");
    assert_int_equal(number(&got, "deleted"), 5);
    assert_int_equal(number(&got, "added"), 0);
    answer(f, &got, "scan t | | SELECT count(*) AS n, max(d) AS d FROM t");
    assert_string_equal(buf_cstr(&got), "{\"n\":6,\"d\":\"2024-01-01\"}\n");
    buf_release(&got);
}

static void columns_that_the_source_lacks_keep_their_values(void **state)
{
    struct fixture *f = *state;
    struct buf got;

    buf_init(&got, 0);
    run(f, "create t | | SELECT 1 AS k, 'x' AS a, {'n': 1} AS s");
    run(f, "append t | | SELECT 1 AS k, 'x' AS a, {'n': 1} AS s UNION ALL SELECT 2, 'y', {'n': 2}");
    run(f, "merge t | k | delete | SELECT 2 AS k, {'n': 3} AS s UNION ALL SELECT 3, {'n': 4}");
    answer(f, &got, "scan t | |");
    assert_string_equal(buf_cstr(&got),
                        "{\"k\":2,\"a\":\"y\",\"s\":{\"n\":3}}\n{\"k\":3,\"a\":null,\"s\":{\"n\":4}}\n");
    run(f, "create t | | SELECT 1 AS k, 'x' AS a, {'n': 1, 'new': 'f'} AS s, 1.5 AS more");
    run(f, "merge t | k | | SELECT 3 AS k, {'n': 4, 'new': 'g'} AS s, 2.5 AS more");
    answer(f, &got, "scan t | |");
    assert_string_equal(buf_cstr(&got), "{\"k\":2,\"a\":\"y\",\"s\":{\"n\":3,\"new\":null},\"more\":null}\n"
                                        "{\"k\":3,\"a\":null,\"s\":{\"n\":4,\"new\":\"g\"},\"more\":2.5}\n");
    buf_release(&got);
}

static enum ig_code count(void *ctx, const struct store_object *o, struct error *err)
{
    (void)o;
    (void)err;
    ++*(int *)ctx;
    return IG_OK;
}

static void what_a_table_cannot_take_is_invalid(void **state)
{
    static const struct {
        const char *line, *says;
    } cases[] = {
        {"merge t | k | | SELECT 1 AS k, 'a' AS a UNION ALL SELECT 1, 'b'", "more than once"},
        {"merge t | k | d=2024-01-01 | SELECT 1 AS k, 'a' AS a, DATE '2024-01-02' AS d", "outside of the partition"},
        {"merge t | nothing | | SELECT 1 AS k, 'a' AS a", "nothing"},
        {"merge t | a | | SELECT 1 AS k", "is none of the query"},
        {"merge t | k | a=1 | SELECT 1 AS k", "no partition column"},
        {"append t | | SELECT 1 AS k, 'a' AS other", "no column other"},
        {"append t | | SELECT 'text' AS k", "does not fit"},
        {"append t | | SELECT 5000000000 AS k", "does not fit"},
        {"append t | | SELECT nothing", "nothing"},
        {"replace t | d=2024-01-01 | SELECT 1 AS k, DATE '2024-01-02' AS d", "outside of the partition"},
        {"replace t | d=2024-01-01;d=2024-01-03 | SELECT 1 AS k, DATE '2024-01-02' AS d", "outside of the partitions"},
        {"replace t | d=2024-01-01 | SELECT 1 AS k, NULL::DATE AS d", "outside of the partition"},
        {"create t | | SELECT 1 AS k", "partitioned by other columns"},
        {"create t | d | SELECT 'x' AS k, DATE '2024-01-01' AS d", "has changed"},
        {"create u | | SELECT 1 AS \"a b\"", "cannot be a column's name"},
        {"create u | | SELECT 1 AS _ingot_file", "are taken"},
        {"create u | x | SELECT 1 AS a", "no column of the query"},
        {"create u | a | SELECT 1 AS a", "besides"},
        {"create u | a | SELECT {'x': 1} AS a, 1 AS b", "nested"},
        {"create u | | SELECT 1 AS a, 2 AS A", "two columns"},
    };
    struct fixture *f = *state;
    struct buf ignored, got;
    int n;

    buf_init(&ignored, 0);
    buf_init(&got, 0);
    run(f, "create t | d | SELECT 1 AS k, 'x' AS a, DATE '2024-01-01' AS d");
    run(f, "append t | | SELECT 1 AS k, 'x' AS a, DATE '2024-01-01' AS d");
    for (size_t i = 0; i < IG_COUNT(cases); i++) {
        const enum ig_code rc = script_run(&f->s, cases[i].line, &ignored, &f->err);

        if (rc != IG_INVALID || !strstr(f->err.msg, cases[i].says))
            fail_msg("%s: %s, %s", cases[i].line, error_code_name(rc), rc ? f->err.msg : "");
    }
    answer(f, &got, "scan t | |");
    assert_string_equal(buf_cstr(&got), "{\"k\":1,\"a\":\"x\",\"d\":\"2024-01-01\"}\n");
    /* and what was written before the mistake was seen is gone */
    n = 0;
    assert_int_equal(store_list(f->s.store, "t/d=", count, &n, &f->err), IG_OK);
    assert_int_equal(n, 1);
    buf_release(&got);
    buf_release(&ignored);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(random_changes_leave_what_the_model_has, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_merge_counts_what_it_did, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(columns_that_the_source_lacks_keep_their_values, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(what_a_table_cannot_take_is_invalid, fixture_setup, fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
