/* Where is this record? Behind the log; tests/flow/test_trace.py has the rest. */
#include "ledger.h"

static int begin(void **state)
{
    struct project *p = check_calloc(1, sizeof(*p));

    ledger_begin(p, "");
    ledger_record(p, 0, DAY, "a", "Bonn", 1);
    ledger_record(p, 1, DAY, "it's, \\\"b\\\" %s", "Bonn", 2);
    ledger_record(p, 2, DAY, "a", "Lyon", 3);
    project_record(p, 0, 3, "{\"id\":\"c\",\"at\":\"" DAY "T00:00:00Z\",\"v\":\"many\"}");
    project_bronze(p, "t", DAY);
    ledger_process(p, DAY);
    *state = p;
    return 0;
}

static int end(void **state)
{
    ledger_end(*state);
    free(*state);
    return 0;
}

static const char *trace(struct project *p, const char *id)
{
    buf_clear(&p->text);
    if (stage_trace(&p->x, str_of(id), true, &p->text, &p->err))
        fail_msg("%s", p->err.msg);
    return buf_cstr(&p->text);
}

static void assert_says(const char *text, const char *what)
{
    if (!strstr(text, what))
        fail_msg("no %s in %s", what, text);
}

static void every_record_of_a_key_is_shown(void **state)
{
    const char *text = trace(*state, "a");
    struct json_reader r;
    struct json_value v;
    int lines = 0;

    for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
        json_reader_init(&r, (struct str){line, strcspn(line, "\n")});
        assert_true(json_read(&r, &v) && json_end(&r));
        lines++;
    }
    assert_int_equal(lines, 2);
    assert_says(text, "\"duplicate_of\":\"raw-t/0/2\"");
    assert_says(text, "\"stands_for\":\"raw-t/0/0\"");
}

static void a_record_is_found_by_its_coordinates(void **state)
{
    const char *text = trace(*state, "raw-t/0/2");

    assert_says(text, "\"offset\":2");
    assert_says(text, "bronze/t/day=" DAY "/part-0.parquet");
    assert_says(text, "\"city\":\"Lyon\"");
    assert_says(text, "\"table\":\"gold/t/totals\"");
    assert_says(text, "\"computed_over\":\"all dates\"");
    assert_says(text, "\"hop\":\"warehouse\",\"table\":\"gold.by_city\"");
}

static void a_rejected_record_says_why(void **state)
{
    const char *text = trace(*state, "c");

    assert_says(text, "\"hop\":\"quarantine\"");
    assert_says(text, "\"field\":\"v\"");
    assert_null(strstr(text, "\"hop\":\"silver\""));
}

static void an_id_is_data(void **state)
{
    assert_says(trace(*state, "it's, \"b\" %s"), "\"offset\":1");
}

static void what_is_nowhere_is_not_found(void **state)
{
    static const char *const ids[] = {"nobody", "raw-t/0/99", "raw-t/7/0", "raw-x/0/0", "' OR true --", "raw-t/0/-1"};
    struct project *p = *state;

    for (size_t i = 0; i < IG_COUNT(ids); i++) {
        buf_clear(&p->text);
        assert_int_equal(stage_trace(&p->x, str_of(ids[i]), false, &p->text, &p->err), IG_NOT_FOUND);
        assert_int_equal(p->text.n, 0);
    }
    assert_non_null(strstr(p->err.msg, "1 bronze files of t"));
    assert_int_equal(stage_trace(&p->x, str_of(""), false, &p->text, &p->err), IG_INVALID);
    assert_int_equal(stage_trace(&p->x, str_of("\xff"), false, &p->text, &p->err), IG_INVALID);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_record_of_a_key_is_shown), TEST(a_record_is_found_by_its_coordinates),
        TEST(a_rejected_record_says_why),     TEST(an_id_is_data),
        TEST(what_is_nowhere_is_not_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
