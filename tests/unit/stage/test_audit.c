/* The ledger behind the log: what of bronze must be where, and what is said when it is not. (tests/flow/test_audit.py
 * has the log.) */
#include "ledger.h"

static int begin(void **state)
{
    struct project *p = check_calloc(1, sizeof(*p));

    ledger_begin(p, "");
    ledger_record(p, 0, DAY, "a", "Bonn", 1);
    ledger_record(p, 1, DAY, "b", "Bonn", 2);
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

static struct stage_audit audit(struct project *p, const char *day)
{
    struct stage_ledger *l = NULL;
    struct stage_audit a = {0};

    if (stage_ledger_open(&p->x, project_domain(p, "t"), NULL, &l, &p->err) ||
        stage_ledger_partition(l, project_date(day), &a, &p->err))
        fail_msg("%s", p->err.msg);
    stage_ledger_close(l);
    return a;
}

static const struct fingerprint *hop(const struct stage_audit *a, const char *name)
{
    for (size_t i = 0; i < a->n_counts; i++)
        if (strcmp(a->counts[i].hop, name) == 0)
            return &a->counts[i].f;
    fail_msg("no hop %s", name);
    return NULL;
}

/* Changes a table behind ingot's back. */
static void write_table(struct project *p, const char *path, const char *select, const struct lake_partition *where)
{
    struct lake_table *table;
    struct lake_result result;

    if (lake_open(p->x.store, p->conn, path, &table, &p->err) ||
        lake_replace(table, select, where, where ? 1 : 0, where ? 1 : 0, NULL, &result, &p->err))
        fail_msg("%s", p->err.msg);
    lake_close(table);
}

static void tamper(struct project *p, const char *path, const char *select_from)
{
    const struct lake_partition where = {"day", DAY};
    struct lake_table *table;
    struct lake_snapshot *snapshot;
    struct buf sql;
    enum ig_code rc;

    buf_init(&sql, 0);
    rc = lake_open(p->x.store, p->conn, path, &table, &p->err);
    if (!rc)
        rc = lake_snapshot_open(table, LAKE_LATEST, &snapshot, &p->err);
    buf_puts(&sql, "WITH t AS (SELECT * FROM ");
    if (!rc)
        rc = lake_add_scan(snapshot, NULL, &sql, &p->err);
    buf_printf(&sql, ") %s", select_from);
    if (rc)
        fail_msg("%s", p->err.msg);
    lake_snapshot_free(snapshot);
    lake_close(table);
    write_table(p, path, buf_cstr(&sql), strstr(path, "totals") ? NULL : &where);
    buf_release(&sql);
}

static void assert_differs(struct project *p, const char *word, const char *sample)
{
    struct stage_audit a = audit(p, DAY);

    assert_int_equal(a.verdict, STAGE_DIFFERS);
    if (!strstr(buf_cstr(&a.differences), word) || !strstr(buf_cstr(&a.differences), sample))
        fail_msg("%s", buf_cstr(&a.differences));
    stage_audit_free(&a);
}

static void a_partition_that_is_right_is_balanced(void **state)
{
    struct stage_audit a = audit(*state, DAY);
    struct fingerprint sum = {0};

    assert_string_equal(buf_cstr(&a.differences), "");
    assert_int_equal(a.verdict, STAGE_BALANCED);
    assert_string_equal(a.status, "DONE");
    assert_int_equal(hop(&a, "bronze")->count, 4);
    assert_int_equal(hop(&a, "silver")->count, 2);
    assert_int_equal(hop(&a, "duplicates")->count, 1);
    assert_int_equal(hop(&a, "quarantine")->count, 1);
    fingerprint_join(&sum, hop(&a, "silver"));
    fingerprint_join(&sum, hop(&a, "duplicates"));
    fingerprint_join(&sum, hop(&a, "quarantine"));
    assert_true(fingerprint_eq(&sum, hop(&a, "bronze")));
    assert_int_equal(a.n_gold, 2);
    for (size_t i = 0; i < a.n_gold; i++)
        assert_true(a.gold[i].matches_silver && a.gold[i].matches_warehouse);
    stage_audit_free(&a);
}

/* SQL and C must add up the same thing. */
static void the_fingerprint_is_that_of_base(void **state)
{
    struct stage_audit a = audit(*state, DAY);
    struct fingerprint f = {0};
    const char *value = "{\"id\":\"c\",\"at\":\"" DAY "T00:00:00Z\",\"v\":\"many\"}";
    char hash[65], text[128];
    int n;

    hash_sha256_hex(value, strlen(value), hash);
    n = snprintf(text, sizeof(text), "raw-t/0/3/%s", hash);
    fingerprint_add(&f, text, (size_t)n);
    assert_true(fingerprint_eq(&f, hop(&a, "quarantine")));
    stage_audit_free(&a);
}

static void a_row_without_a_witness_is_lost(void **state)
{
    tamper(*state, "silver/t", "SELECT * FROM t WHERE id <> 'b'");
    assert_differs(*state, "no row there has their key", "raw-t/0/1");
}

static void a_row_with_foreign_coordinates_is_named(void **state)
{
    tamper(*state, "silver/t", "SELECT * REPLACE (_offset + 100 AS _offset) FROM t");
    assert_differs(*state, "bronze does not have", "raw-t/0/101");
}

static void a_key_that_is_twice_in_silver_is_named(void **state)
{
    tamper(*state, "silver/t", "SELECT * REPLACE (CASE id WHEN 'b' THEN 'a' ELSE id END AS id) FROM t");
    assert_differs(*state, "keys are in silver more than once", "raw-t/0/1");
}

static void a_rejected_record_that_is_not_in_quarantine_is_named(void **state)
{
    tamper(*state, "quarantine/t", "SELECT * FROM t WHERE false");
    assert_differs(*state, "break the contract and are not in quarantine", "raw-t/0/3");
}

static void gold_is_compared_row_by_row(void **state)
{
    tamper(*state, "gold/t/by_city", "SELECT * REPLACE (n + (city = 'Bonn')::INT AS n) FROM t");
    assert_differs(*state, "gold.by_city: 1 rows differ from a fresh computation", "Bonn");
}

static void a_table_over_all_dates_is_compared_too(void **state)
{
    tamper(*state, "gold/t/totals", "SELECT * FROM t UNION ALL SELECT 'Atlantis', 1");
    assert_differs(*state, "gold.totals: 1 rows differ from a fresh computation", "Atlantis");
}

static void the_order_of_adding_floats_is_no_difference(void **state)
{
    struct stage_audit a;

    tamper(*state, "gold/t/by_city", "SELECT * REPLACE (mean * (1 + 1e-14) AS mean) FROM t");
    ledger_load(*state);
    a = audit(*state, DAY);
    assert_int_equal(a.verdict, STAGE_BALANCED);
    stage_audit_free(&a);
    tamper(*state, "gold/t/by_city", "SELECT * REPLACE (mean * (1 + 1e-6) AS mean) FROM t");
    assert_differs(*state, "gold.by_city: 2 rows", "Lyon");
}

static void a_warehouse_behind_gold_is_noticed(void **state)
{
    tamper(*state, "gold/t/by_city", "SELECT * REPLACE (n + 1 AS n) FROM t");
    assert_differs(*state, "between the lake and the warehouse", "Lyon");
}

static void new_files_make_the_partition_open(void **state)
{
    struct project *p = *state;
    struct stage_audit a;

    ledger_record(p, 4, DAY, "d", "Oslo", 1);
    project_bronze(p, "t", DAY);
    a = audit(p, DAY);
    assert_int_equal(a.verdict, STAGE_OPEN);
    assert_string_equal(buf_cstr(&a.differences), "");
    assert_non_null(strstr(buf_cstr(&a.notes), "not processed yet"));
    stage_audit_free(&a);
}

static void failed_and_unknown_partitions_are_open(void **state)
{
    struct project *p = *state;
    struct stage_audit a;

    ledger_state(p, DAY, "FAILED");
    a = audit(p, DAY);
    assert_int_equal(a.verdict, STAGE_OPEN);
    assert_string_equal(a.status, "FAILED");
    stage_audit_free(&a);
    project_forget(p);
    ledger_record(p, 5, NEXT_DAY, "e", "Oslo", 1);
    project_bronze(p, "t", NEXT_DAY);
    a = audit(p, NEXT_DAY);
    assert_int_equal(a.verdict, STAGE_OPEN);
    assert_string_equal(a.status, "UNDISCOVERED");
    stage_audit_free(&a);
}

static void the_dates_are_all_that_anything_knows(void **state)
{
    struct project *p = *state;
    struct stage_ledger *l = NULL;
    int32_t *dates = NULL;
    size_t n = 0;

    ledger_state(p, "2023-12-31", "DONE");
    ledger_record(p, 5, NEXT_DAY, "e", "Oslo", 1);
    project_bronze(p, "t", NEXT_DAY);
    assert_int_equal(stage_ledger_open(&p->x, project_domain(p, "t"), NULL, &l, &p->err), IG_OK);
    assert_int_equal(stage_ledger_dates(l, &dates, &n, &p->err), IG_OK);
    assert_int_equal(n, 3);
    assert_int_equal(dates[0], project_date("2023-12-31"));
    assert_int_equal(dates[2], project_date(NEXT_DAY));
    free(dates);
    stage_ledger_close(l);
}

/* unique: table: the row that stands for a record may be on another date. */
static void a_witness_may_be_on_another_date_if_keys_are_unique_in_the_table(void **state)
{
    struct stage_audit a;
    struct project p;
    char *first;

    (void)state;
    ledger_begin(&p, "  unique: table\n");
    ledger_record(&p, 0, DAY, "a", "Bonn", 1);
    project_bronze(&p, "t", DAY);
    ledger_process(&p, DAY);
    first = check_strdup(p.files[0]);
    project_forget(&p);
    ledger_record(&p, 1, NEXT_DAY, "a", "Lyon", 2);
    project_bronze(&p, "t", NEXT_DAY);
    ledger_process(&p, NEXT_DAY);
    a = audit(&p, NEXT_DAY);
    assert_int_equal(a.verdict, STAGE_BALANCED);
    stage_audit_free(&a);
    free(p.files[0]);
    p.files[0] = first;
    free(project_silver(&p, "t", DAY).touched_dates);
    assert_int_equal(project_try_gold(&p, "t", DAY, &(struct gold_result){0}), IG_OK);
    ledger_load(&p);
    ledger_state(&p, DAY, "DONE");
    a = audit(&p, DAY);
    assert_string_equal(buf_cstr(&a.differences), "");
    assert_int_equal(hop(&a, "silver")->count, 0);
    assert_int_equal(hop(&a, "duplicates")->count, 1);
    stage_audit_free(&a);
    ledger_end(&p);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_partition_that_is_right_is_balanced),
        TEST(the_fingerprint_is_that_of_base),
        TEST(a_row_without_a_witness_is_lost),
        TEST(a_row_with_foreign_coordinates_is_named),
        TEST(a_key_that_is_twice_in_silver_is_named),
        TEST(a_rejected_record_that_is_not_in_quarantine_is_named),
        TEST(gold_is_compared_row_by_row),
        TEST(a_table_over_all_dates_is_compared_too),
        TEST(the_order_of_adding_floats_is_no_difference),
        TEST(a_warehouse_behind_gold_is_noticed),
        TEST(new_files_make_the_partition_open),
        TEST(failed_and_unknown_partitions_are_open),
        TEST(the_dates_are_all_that_anything_knows),
        cmocka_unit_test(a_witness_may_be_on_another_date_if_keys_are_unique_in_the_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
