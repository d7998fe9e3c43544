/* Gold -> warehouse: every table of the domain. */
#include "ledger.h"

static const char *warehouse(struct project *p, const char *sql)
{
    const struct engine_options options = {.path = p->conf->warehouse_url + strlen("duckdb:"), .read_only = true};
    struct engine *e;
    struct engine_conn *c;

    buf_clear(&p->text);
    if (engine_open(&options, &e, &p->err) || engine_connect(e, &c, &p->err) ||
        engine_query_str(c, sql, &p->text, &p->err))
        fail_msg("%s", p->err.msg);
    engine_disconnect(c);
    engine_close(e);
    return buf_cstr(&p->text);
}

#define BY_CITY "SELECT string_agg(concat(day, ' ', city, ' ', n), ', ' ORDER BY day, city) FROM gold.by_city"
#define TOTALS "SELECT string_agg(concat(city, ' ', total), ', ' ORDER BY city) FROM gold.totals"

static void every_gold_table_is_loaded(void **state)
{
    struct project p;

    (void)state;
    ledger_begin(&p, "");
    ledger_record(&p, 0, DAY, "a", "Bonn", 1);
    ledger_record(&p, 1, DAY, "b", "Bonn", 2);
    ledger_record(&p, 2, DAY, "c", "Lyon", 3);
    project_bronze(&p, "t", DAY);
    ledger_process(&p, DAY);
    assert_string_equal(warehouse(&p, BY_CITY), "2024-01-01 Bonn 2, 2024-01-01 Lyon 1");
    assert_string_equal(warehouse(&p, TOTALS), "Bonn 3, Lyon 3");
    ledger_end(&p);
}

/* A run that died between gold and load: the next partition's load brings in both. */
static void what_an_earlier_run_did_not_load_is_loaded_by_the_next(void **state)
{
    struct gold_result gold;
    struct project p;

    (void)state;
    ledger_begin(&p, "");
    ledger_record(&p, 0, DAY, "a", "Bonn", 1);
    project_bronze(&p, "t", DAY);
    (void)project_silver(&p, "t", DAY);
    assert_int_equal(project_try_gold(&p, "t", DAY, &gold), IG_OK);
    project_forget(&p);
    ledger_record(&p, 1, NEXT_DAY, "b", "Lyon", 2);
    project_bronze(&p, "t", NEXT_DAY);
    ledger_process(&p, NEXT_DAY);
    assert_string_equal(warehouse(&p, BY_CITY), "2024-01-01 Bonn 1, 2024-01-02 Lyon 1");
    assert_string_equal(warehouse(&p, TOTALS), "Bonn 1, Lyon 2");
    ledger_end(&p);
}

static void loading_again_changes_nothing(void **state)
{
    struct project p;
    char before[128];

    (void)state;
    ledger_begin(&p, "");
    ledger_record(&p, 0, DAY, "a", "Bonn", 1);
    project_bronze(&p, "t", DAY);
    ledger_process(&p, DAY);
    snprintf(before, sizeof(before), "%s", warehouse(&p, "SELECT max(loaded_at)::VARCHAR FROM gold._ingot_loads"));
    ledger_load(&p);
    assert_string_equal(warehouse(&p, "SELECT max(loaded_at)::VARCHAR FROM gold._ingot_loads"), before);
    ledger_end(&p);
}

static void without_a_warehouse_or_gold_there_is_nothing_to_do(void **state)
{
    struct project p;
    struct env_stat st;
    int64_t rows = -1;

    (void)state;
    ledger_begin(&p, "");
    assert_int_equal(stage_load(&p.x, project_domain(&p, "t"), &rows, &p.err), IG_OK);
    assert_int_equal(rows, 0);
    assert_int_equal(env_stat(p.x.env, p.conf->warehouse_url + strlen("duckdb:"), &st, NULL), IG_NOT_FOUND);
    ledger_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_gold_table_is_loaded),
        cmocka_unit_test(what_an_earlier_run_did_not_load_is_loaded_by_the_next),
        cmocka_unit_test(loading_again_changes_nothing),
        cmocka_unit_test(without_a_warehouse_or_gold_there_is_nothing_to_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
