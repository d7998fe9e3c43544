/* Results that are handed out while they are made. */
#include "test.h"

#include "engine/engine.h"

struct fixture {
    struct engine *e;
    struct engine_conn *c;
    struct error err;
    size_t n_pieces, n_bytes, longest;
    size_t stop_at; /* fail at this piece; 0: never */
};

static int begin(void **state)
{
    struct fixture *f = check_calloc(1, sizeof(*f));
    const struct engine_options options = {.threads = 2};

    if (engine_open(&options, &f->e, &f->err) || engine_connect(f->e, &f->c, &f->err))
        fail_msg("%s", f->err.msg);
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;

    engine_disconnect(f->c);
    engine_close(f->e);
    free(f);
    return 0;
}

static enum ig_code take(void *ctx, struct str text, struct error *err)
{
    struct fixture *f = ctx;

    f->n_pieces++;
    f->n_bytes += text.n;
    f->longest = text.n > f->longest ? text.n : f->longest;
    return f->n_pieces == f->stop_at ? error_set(err, IG_IO, "the reader went away") : IG_OK;
}

static struct engine_streamed stream(struct fixture *f, const char *sql, enum engine_print how, int64_t max_rows)
{
    struct engine_streamed done;

    f->n_pieces = f->n_bytes = f->longest = 0;
    if (engine_stream(f->c, sql, how, max_rows, take, f, &done, &f->err))
        fail_msg("%s", f->err.msg);
    return done;
}

static void a_long_result_comes_in_small_pieces(void **state)
{
    struct fixture *f = *state;
    struct engine_streamed done =
        stream(f, "SELECT i, md5(i::VARCHAR) AS h FROM range(100000) t(i)", ENGINE_PRINT_JSON, 0);

    assert_true(done.has_rows);
    assert_int_equal(done.rows, 100000);
    assert_true(f->n_pieces > 50);
    assert_true(f->longest < 100000);
    assert_true(f->n_bytes > 4000000);
    done = stream(f, "FROM range(100000)", ENGINE_PRINT_CSV, 0);
    assert_int_equal(done.rows, 100000);
    assert_true(f->n_pieces > 5);
}

static void a_table_has_its_first_rows_and_counts_all(void **state)
{
    struct fixture *f = *state;
    struct engine_streamed done = stream(f, "FROM range(100000)", ENGINE_PRINT_TABLE, 3);

    assert_int_equal(done.rows, 100000);
    assert_true(f->n_bytes < 1000);
}

static void a_reader_that_fails_ends_it(void **state)
{
    struct fixture *f = *state;
    struct engine_streamed done;

    f->stop_at = 2;
    assert_int_equal(engine_stream(f->c, "FROM range(100000000)", ENGINE_PRINT_CSV, 0, take, f, &done, &f->err), IG_IO);
    assert_string_equal(f->err.msg, "the reader went away");
    assert_int_equal(f->n_pieces, 2);
    f->stop_at = 0;
    assert_int_equal(stream(f, "SELECT 1", ENGINE_PRINT_CSV, 0).rows, 1); /* the connection is fine */
}

static void a_failure_behind_the_first_rows_is_a_failure(void **state)
{
    static const char sql[] = "SELECT CASE WHEN i < 250000 THEN i ELSE error('late') END FROM range(1000000) t(i)";
    struct fixture *f = *state;
    struct engine_streamed done;

    /* Which of the engine's threads meets it differs from time to time. */
    for (int i = 0; i < 50; i++) {
        f->err.msg[0] = '\0';
        assert_int_equal(engine_stream(f->c, sql, ENGINE_PRINT_CSV, 0, take, f, &done, &f->err), IG_INVALID);
        assert_non_null(strstr(f->err.msg, "late"));
    }
}

static enum ig_code take_and_interrupt(void *ctx, struct str text, struct error *err)
{
    struct fixture *f = ctx;

    engine_interrupt(f->c);
    return take(ctx, text, err);
}

static void an_interrupted_result_is_cancelled(void **state)
{
    struct fixture *f = *state;
    struct engine_streamed done;

    assert_int_equal(
        engine_stream(f->c, "FROM range(10000000)", ENGINE_PRINT_CSV, 0, take_and_interrupt, f, &done, &f->err),
        IG_CANCELLED);
    assert_int_equal(stream(f, "SELECT 1", ENGINE_PRINT_CSV, 0).rows, 1);
}

static void what_is_no_query_says_what_it_did(void **state)
{
    struct fixture *f = *state;
    struct engine_streamed done = stream(f, "CREATE TABLE t(i INT)", ENGINE_PRINT_TABLE, 0);

    assert_false(done.has_rows);
    assert_int_equal(done.rows, -1);
    done = stream(f, "INSERT INTO t FROM range(7)", ENGINE_PRINT_TABLE, 0);
    assert_false(done.has_rows);
    assert_int_equal(done.rows, 7);
    assert_int_equal(f->n_pieces, 0);
    done = stream(f, "FROM t WHERE false", ENGINE_PRINT_JSON, 0);
    assert_true(done.has_rows);
    assert_int_equal(done.rows, 0);
    assert_int_equal(f->n_pieces, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_long_result_comes_in_small_pieces), TEST(a_table_has_its_first_rows_and_counts_all),
        TEST(a_reader_that_fails_ends_it),         TEST(a_failure_behind_the_first_rows_is_a_failure),
        TEST(an_interrupted_result_is_cancelled),  TEST(what_is_no_query_says_what_it_did),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
