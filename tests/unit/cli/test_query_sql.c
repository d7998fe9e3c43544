/* The text of a query, read as far as ingot must understand it. */
#include "test.h"

#include "cli/query_sql.h"

struct reading {
    struct arena arena;
    struct query_text q;
    struct error err;
    struct buf text;
};

static enum ig_code try_read(struct reading *r, const char *sql)
{
    *r = (struct reading){0};
    arena_init(&r->arena);
    buf_init(&r->text, 0);
    return query_text_read(&r->arena, str_of(sql), &r->q, &r->err);
}

static void done(struct reading *r)
{
    query_text_free(&r->q);
    buf_release(&r->text);
    arena_release(&r->arena);
}

static const char *statement(struct reading *r, size_t i)
{
    buf_clear(&r->text);
    query_text_add_statement(&r->q, i, &r->text);
    return buf_cstr(&r->text);
}

static void read_ok(struct reading *r, const char *sql)
{
    if (try_read(r, sql))
        fail_msg("%s", r->err.msg);
}

static void statements_end_at_semicolons_outside_of_quotes(void **state)
{
    struct reading r;

    (void)state;
    read_ok(
        &r,
        "SELECT ';' || \";\" || E'\\';' || $$;$$ || $t$ ; $$ $t$ -- ;\n /* ; /* ; */ ; */ ; ; SELECT 2;  -- no more\n");
    assert_int_equal(r.q.statements.n, 2);
    assert_non_null(strstr(statement(&r, 1), "SELECT 2"));
    done(&r);
}

static void lines_and_columns_stay_what_they_were(void **state)
{
    struct reading r;

    (void)state;
    read_ok(&r, "SELECT 1;\n  SELECT 2; SELECT 3");
    assert_string_equal(statement(&r, 0), "SELECT 1");
    assert_string_equal(statement(&r, 1), "         \n  SELECT 2");
    assert_string_equal(statement(&r, 2), "\n            SELECT 3");
    done(&r);
}

static void delta_is_replaced_by_a_name_of_the_same_length(void **state)
{
    struct reading r;
    struct buf restored;

    (void)state;
    read_ok(&r, "FROM delta('a''b', version => 12) d JOIN DELTA\n('c') USING (x)");
    assert_int_equal(r.q.deltas.n, 2);
    assert_string_equal(r.q.deltas.p[0].place, "a'b");
    assert_int_equal(r.q.deltas.p[0].version, 12);
    assert_string_equal(r.q.deltas.p[1].place, "c");
    assert_int_equal(r.q.deltas.p[1].version, -1);
    assert_string_equal(statement(&r, 0), "FROM _delta0                      d JOIN _delta1\n    USING (x)");
    assert_int_equal(strlen(statement(&r, 0)), r.q.text.n);
    buf_init(&restored, 0);
    query_text_restore(&r.q, statement(&r, 0), &restored);
    assert_string_equal(buf_cstr(&restored), r.q.text.p);
    buf_clear(&restored);
    query_text_restore(&r.q, "LINE 1: FROM _delta0   ... no _delta7", &restored);
    assert_string_equal(buf_cstr(&restored), "LINE 1: FROM delta('a''... no _delta7");
    buf_release(&restored);
    done(&r);
}

static void delta_elsewhere_is_anybody_s_name(void **state)
{
    static const char *const texts[] = {"SELECT delta FROM t",
                                        "SELECT t.delta('x') FROM t",
                                        "SELECT 'FROM delta(''x'')'",
                                        "WITH delta(a) AS (SELECT 1) FROM delta",
                                        "SELECT * FROM \"delta\"('x')",
                                        "-- FROM delta('x')\nSELECT 1",
                                        "WITH a AS (FROM b), delta(c) AS (FROM d) FROM a"};

    (void)state;
    for (size_t i = 0; i < IG_COUNT(texts); i++) {
        struct reading r;

        read_ok(&r, texts[i]);
        assert_int_equal(r.q.deltas.n, 0);
        assert_string_equal(statement(&r, 0), texts[i]);
        done(&r);
    }
}

static void mistakes_name_line_and_column(void **state)
{
    static const struct {
        const char *sql, *where, *what;
    } mistakes[] = {
        {"FROM delta()", "line 1, column 12", "in quotes"},
        {"FROM delta('')", "line 1, column 12", "in quotes"},
        {"SELECT 1;\nFROM delta(x)", "line 2, column 12", "in quotes"},
        {"FROM delta('x', verison => 1)", "line 1, column 17", "version"},
        {"FROM delta('x', version => 1.5)", "line 1, column 28", "whole number"},
        {"FROM delta('x', version => 99999999999999999999)", "line 1, column 28", "whole number"},
        {"FROM delta('x', version 1)", "line 1, column 17", "=>"},
        {"FROM delta('x', version => 1, 2)", "line 1, column 29", "')'"},
        {"FROM delta('x'", "line 1, column 15", "')'"},
    };

    (void)state;
    for (size_t i = 0; i < IG_COUNT(mistakes); i++) {
        struct reading r;

        assert_int_equal(try_read(&r, mistakes[i].sql), IG_INVALID);
        if (!strstr(r.err.msg, mistakes[i].where) || !strstr(r.err.msg, mistakes[i].what))
            fail_msg("%s: %s", mistakes[i].sql, r.err.msg);
        done(&r);
    }
}

/* A ROLLBACK would leave the table changed. */
static void changes_of_tables_are_in_no_transaction(void **state)
{
    struct reading r;

    (void)state;
    assert_int_equal(try_read(&r, "BEGIN; INSERT INTO delta('t') SELECT 1; ROLLBACK"), IG_UNSUPPORTED);
    assert_non_null(strstr(r.err.msg, "BEGIN"));
    done(&r);
    assert_int_equal(try_read(&r, "DELETE FROM delta('t'); start transaction"), IG_UNSUPPORTED);
    done(&r);
    read_ok(&r, "BEGIN; CREATE TABLE x AS FROM delta('t'); COMMIT");
    assert_int_equal(r.q.statements.n, 3);
    done(&r);
}

static void names_are_seen_wherever_they_are(void **state)
{
    struct reading r;

    (void)state;
    read_ok(&r, "SELECT * FROM silver.Orders, \"Daily Revenue\", query_table('gold.totals') -- comments\n");
    assert_true(query_text_names(&r.q, "orders"));
    assert_true(query_text_names(&r.q, "daily revenue"));
    assert_true(query_text_names(&r.q, "totals"));
    assert_false(query_text_names(&r.q, "comments"));
    assert_true(query_text_qualifies(&r.q, "SILVER"));
    assert_false(query_text_qualifies(&r.q, "orders"));
    assert_false(r.q.asks_catalog);
    done(&r);
    read_ok(&r, "SHOW TABLES");
    assert_true(r.q.asks_catalog);
    done(&r);
}

/* Whatever the bytes: it ends, reads nothing outside, and gives back what it was given. */
static void any_bytes_are_read_to_their_end(void **state)
{
    static const char alphabet[] = "delta('x',version=>1)\"$;-/*\nE \\ab.";
    struct test_random random = test_random_new();

    (void)state;
    for (int i = 0; i < 20000; i++) {
        char *text = check_malloc(64);
        const size_t n = test_random_below(&random, 63);
        struct reading r;

        for (size_t k = 0; k < n; k++)
            text[k] = test_random_below(&random, 4) ? alphabet[test_random_below(&random, sizeof(alphabet) - 1)]
                                                    : (char)(1 + test_random_below(&random, 255));
        text[n] = '\0';
        if (test_random_below(&random, 3) == 0 && n > 20)
            memcpy(text + test_random_below(&random, n - 14), "FROM delta('x'", 14);
        if (try_read(&r, text) == IG_OK)
            for (size_t k = 0; k < r.q.statements.n; k++)
                assert_true(strlen(statement(&r, k)) <= n + 16 * r.q.deltas.n);
        done(&r);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statements_end_at_semicolons_outside_of_quotes),
        cmocka_unit_test(lines_and_columns_stay_what_they_were),
        cmocka_unit_test(delta_is_replaced_by_a_name_of_the_same_length),
        cmocka_unit_test(delta_elsewhere_is_anybody_s_name),
        cmocka_unit_test(mistakes_name_line_and_column),
        cmocka_unit_test(changes_of_tables_are_in_no_transaction),
        cmocka_unit_test(names_are_seen_wherever_they_are),
        cmocka_unit_test(any_bytes_are_read_to_their_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
