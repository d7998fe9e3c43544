/* Bronze -> silver: which records become rows, and where the others are. */
#include "project.h"

#define DAY "2024-01-01"

/* A domain `t` with an id and a value; `contract` and `rest` are put into its domain.yml. */
static void begin(struct project *p, const char *contract, const char *sql)
{
    struct buf yml;

    project_begin(p);
    buf_init(&yml, 0);
    buf_printf(&yml,
               "topic: {name: raw-t}\n"
               "contract:\n"
               "%s"
               "  event_time: at\n"
               "  fields:\n"
               "    id: {type: string, required: true}\n"
               "    at: {type: timestamp, required: true}\n"
               "    v: {type: int, min: 0}\n"
               "bronze: {partition_by: day}\n",
               contract);
    project_file(p, "domains/t/domain.yml", buf_cstr(&yml));
    if (sql)
        project_file(p, "domains/t/silver.sql", sql);
    buf_release(&yml);
    project_open(p);
}

static void record(struct project *p, int64_t offset, const char *id, int second, int v)
{
    char text[128];

    snprintf(text, sizeof(text), "{\"id\":\"%s\",\"at\":\"" DAY "T00:00:%02dZ\",\"v\":%d}", id, second, v);
    project_record(p, 0, offset, text);
}

#define LIST \
    "SELECT string_agg(id || '@' || _offset || '=' || coalesce(v::VARCHAR, 'null'), ' ' ORDER BY _offset) FROM "

static void each_key_once_the_first_stays(void **state)
{
    struct stage_silver_result r;
    struct project p;

    (void)state;
    begin(&p, "  key: id\n", NULL);
    record(&p, 0, "a", 5, 1);
    record(&p, 1, "b", 4, 2);
    record(&p, 2, "a", 3, 3);
    project_bronze(&p, "t", DAY);
    record(&p, 2, "a", 3, 3); /* the sink wrote these again after a crash */
    record(&p, 1, "b", 4, 2);
    record(&p, 3, "c", 2, 4);
    project_bronze(&p, "t", DAY);
    r = project_silver(&p, "t", DAY);
    assert_int_equal(r.bronze_rows, 6);
    assert_int_equal(r.bronze_distinct, 4);
    assert_int_equal(r.silver_rows, 3);
    assert_int_equal(r.duplicates, 1);
    assert_int_equal(r.quarantined, 0);
    assert_sql(&p, LIST "{silver/t}", "a@0=1 b@1=2 c@3=4");
    assert_sql(&p, "SELECT count(*) FROM {silver/t} WHERE day = DATE '" DAY "' AND _topic = 'raw-t' AND _partition = 0",
               "3");
    assert_sql(&p,
               "SELECT record_hash = sha256('{\"id\":\"c\",\"at\":\"" DAY "T00:00:02Z\",\"v\":4}') FROM {silver/t}"
               " WHERE id = 'c'",
               "true");
    project_end(&p);
}

static void the_latest_by_order_by_stays_whatever_the_order_of_files(void **state)
{
    struct project p;

    (void)state;
    begin(&p, "  key: id\n  order_by: at\n", NULL);
    for (int shuffle = 0; shuffle < 4; shuffle++) {
        for (int i = 0; i < 4; i++) {
            const int at = (i + shuffle) % 4;

            record(&p, at, "a", at < 2 ? at : 2, at); /* 2 and 3 tie: the higher offset wins */
            record(&p, 10 + at, "b", 9 - at, at);
            project_bronze(&p, "t", DAY);
        }
        (void)project_silver(&p, "t", DAY);
        assert_sql(&p, LIST "{silver/t}", "a@3=3 b@10=0");
        project_forget(&p);
    }
    project_end(&p);
}

static void without_a_key_only_coordinates_tell_records_apart(void **state)
{
    struct stage_silver_result r;
    struct project p;

    (void)state;
    begin(&p, "", NULL);
    record(&p, 0, "a", 0, 1);
    record(&p, 1, "a", 0, 1);
    record(&p, 1, "a", 0, 1);
    project_bronze(&p, "t", DAY);
    r = project_silver(&p, "t", DAY);
    assert_int_equal(r.silver_rows, 2);
    assert_int_equal(r.duplicates, 0);
    assert_int_equal(r.bronze_distinct, 2);
    project_end(&p);
}

static void rejected_records_are_in_quarantine_once_with_their_bytes(void **state)
{
    struct stage_silver_result r;
    struct project p;

    (void)state;
    begin(&p, "  key: id\n", NULL);
    project_record(&p, 0, 0, "{\"id\":\"a\",\"at\":\"" DAY "T00:00:00Z\",\"v\":-1}");
    project_record(&p, 0, 1, "{\"id\":\"a\",\"at\":\"" DAY "T00:00:09Z\",\"v\":1}");
    project_record(&p, 0, 2, "{\"at\":\"" DAY "T00:00:09Z\",\"v\":1, \"x\" : \"caf\\u00e9 'quoted'\"}");
    project_record(&p, 0, 2, "{\"at\":\"" DAY "T00:00:09Z\",\"v\":1, \"x\" : \"caf\\u00e9 'quoted'\"}");
    project_bronze(&p, "t", DAY);
    for (int again = 0; again < 2; again++) {
        r = project_silver(&p, "t", DAY);
        assert_int_equal(r.bronze_rows, 4);
        assert_int_equal(r.bronze_distinct, 3);
        assert_int_equal(r.silver_rows, 1);
        assert_int_equal(r.quarantined, 2);
        assert_int_equal(r.duplicates, 0);
        /* the rejected one of key a was earlier, but it is no row */
        assert_sql(&p, LIST "{silver/t}", "a@1=1");
        assert_sql(&p,
                   "SELECT string_agg(_offset || ' ' || reason || ' ' || field, ', ' ORDER BY _offset) FROM"
                   " {quarantine/t}",
                   "0 out_of_range v, 2 missing_field id");
        assert_sql(&p, "SELECT _value FROM {quarantine/t} WHERE _offset = 2",
                   "{\"at\":\"" DAY "T00:00:09Z\",\"v\":1, \"x\" : \"caf\\u00e9 'quoted'\"}");
    }
    /* a file that is gone takes its quarantined records along */
    project_forget(&p);
    record(&p, 1, "a", 9, 1);
    project_bronze(&p, "t", DAY);
    r = project_silver(&p, "t", DAY);
    assert_int_equal(r.quarantined, 0);
    assert_sql(&p, "SELECT count(*) FROM {quarantine/t}", "0");
    project_end(&p);
}

static void a_partition_is_replaced_and_others_are_not(void **state)
{
    struct project p;

    (void)state;
    begin(&p, "  key: id\n", NULL);
    record(&p, 0, "a", 0, 1);
    project_bronze(&p, "t", DAY);
    (void)project_silver(&p, "t", DAY);
    project_forget(&p);
    project_record(&p, 0, 7, "{\"id\":\"z\",\"at\":\"2024-01-02T00:00:00Z\"}");
    project_bronze(&p, "t", "2024-01-02");
    (void)project_silver(&p, "t", "2024-01-02");
    assert_sql(&p, LIST "{silver/t}", "a@0=1 z@7=null");
    project_forget(&p);
    (void)project_silver(&p, "t", DAY);
    assert_sql(&p, LIST "{silver/t}", "z@7=null");
    project_end(&p);
}

static void silver_sql_may_add_columns(void **state)
{
    struct project p;

    (void)state;
    begin(&p, "  key: id\n", "SELECT *, v * 2 AS twice -- a comment\nFROM input;\n");
    record(&p, 0, "a", 0, 4);
    record(&p, 1, "b", 0, 5);
    project_bronze(&p, "t", DAY);
    (void)project_silver(&p, "t", DAY);
    assert_sql(&p, "SELECT sum(twice) FROM {silver/t}", "18");
    project_end(&p);
}

static void assert_sql_is_refused(const char *sql, const char *because)
{
    struct stage_silver_result r;
    struct project p;

    begin(&p, "  key: id\n", sql);
    record(&p, 0, "a", 0, 4);
    record(&p, 1, "b", 0, 5);
    project_bronze(&p, "t", DAY);
    assert_int_equal(project_try_silver(&p, "t", DAY, &r), IG_INVALID);
    if (!strstr(p.err.msg, because) || !strstr(p.err.msg, "silver.sql"))
        fail_msg("%s", p.err.msg);
    project_end(&p);
}

static void silver_sql_must_give_every_row_once(void **state)
{
    (void)state;
    assert_sql_is_refused("SELECT * FROM input WHERE v > 4", "must give each of them once");
    assert_sql_is_refused("FROM input UNION ALL FROM input", "must give each of them once");
    assert_sql_is_refused("SELECT id, v FROM input", "has no column record_hash");
    assert_sql_is_refused("SELECT * EXCLUDE (day) FROM input", "has no column day");
    assert_sql_is_refused("SELECT nothing FROM input", "nothing");
}

static void a_key_can_be_unique_in_the_whole_table(void **state)
{
    struct stage_silver_result r;
    struct project p;

    (void)state;
    begin(&p, "  key: id\n  order_by: at\n  unique: table\n", NULL);
    record(&p, 0, "a", 0, 1);
    record(&p, 1, "b", 0, 2);
    project_bronze(&p, "t", DAY);
    (void)project_silver(&p, "t", DAY);
    project_forget(&p);
    project_record(&p, 0, 5, "{\"id\":\"a\",\"at\":\"2024-01-02T00:00:00Z\",\"v\":9}");
    project_bronze(&p, "t", "2024-01-02");
    r = project_silver(&p, "t", "2024-01-02");
    assert_int_equal(r.silver_rows, 1);
    assert_int_equal(r.n_touched_dates, 1);
    assert_int_equal(r.touched_dates[0], project_date(DAY));
    free(r.touched_dates);
    assert_sql(&p, LIST "{silver/t}", "b@1=2 a@5=9");
    r = project_silver(&p, "t", "2024-01-02");
    assert_int_equal(r.n_touched_dates, 0);
    assert_sql(&p, LIST "{silver/t}", "b@1=2 a@5=9");
    /* the older day again: its record of a is a duplicate of the younger one */
    project_forget(&p);
    record(&p, 0, "a", 0, 1);
    record(&p, 1, "b", 0, 2);
    project_bronze(&p, "t", DAY);
    r = project_silver(&p, "t", DAY);
    assert_int_equal(r.silver_rows, 1);
    assert_int_equal(r.duplicates, 1);
    assert_int_equal(r.n_touched_dates, 0);
    assert_sql(&p, LIST "{silver/t}", "b@1=2 a@5=9");
    project_end(&p);
}

static void a_bronze_file_that_can_not_be_read_is_named(void **state)
{
    const struct {
        const char *content, *what;
    } broken[] = {{"PAR1", "truncated"}, {"", "empty"}, {"this is no Parquet file at all", "foreign"}};
    struct stage_silver_result r;
    struct project p;

    (void)state;
    begin(&p, "  key: id\n", NULL);
    for (size_t i = 0; i < IG_COUNT(broken); i++) {
        record(&p, 0, "a", 0, 1);
        project_bronze(&p, "t", DAY);
        record(&p, 1, "b", 0, 1);
        project_bronze(&p, "t", DAY);
        if (store_put(p.x.store, p.files[1], str_of(broken[i].content), STORE_REPLACE, &p.err))
            fail_msg("%s", p.err.msg);
        assert_int_equal(project_try_silver(&p, "t", DAY, &r), IG_CORRUPT);
        if (!strstr(p.err.msg, p.files[1]))
            fail_msg("%s: %s", broken[i].what, p.err.msg);
        project_forget(&p);
    }
    project_end(&p);
}

static void many_rows_agree_with_a_recomputation(void **state)
{
    struct test_random random = test_random_new();
    int64_t expected_rows = 0, expected_sum = 0;
    int64_t best[500];
    struct stage_silver_result r;
    struct project p;

    (void)state;
    for (size_t i = 0; i < IG_COUNT(best); i++)
        best[i] = -1;
    begin(&p, "  key: id\n", NULL);
    for (int64_t offset = 0; offset < 20000; offset++) {
        const size_t id = test_random_below(&random, IG_COUNT(best));
        const int v = (int)test_random_below(&random, 1000) - 100; /* a tenth is refused */
        char name[24];

        snprintf(name, sizeof(name), "a long key number %zu", id);
        record(&p, offset, name, (int)(offset % 60), v);
        if (v >= 0 && best[id] < 0)
            best[id] = v;
        if (offset % 3000 == 2999)
            project_bronze(&p, "t", DAY);
    }
    project_bronze(&p, "t", DAY);
    for (size_t i = 0; i < IG_COUNT(best); i++) {
        expected_rows += best[i] >= 0;
        expected_sum += best[i] >= 0 ? best[i] : 0;
    }
    r = project_silver(&p, "t", DAY);
    assert_int_equal(r.bronze_distinct, 20000);
    assert_int_equal(r.silver_rows, expected_rows);
    assert_int_equal(r.silver_rows + r.duplicates + r.quarantined, r.bronze_distinct);
    assert_int_equal(strtoll(project_ask(&p, "SELECT sum(v)::BIGINT FROM {silver/t}"), NULL, 10), expected_sum);
    project_end(&p);
}

static void big_and_odd_values_come_through(void **state)
{
    struct stage_silver_result r;
    struct project p;
    struct buf value;

    (void)state;
    begin(&p, "  key: id\n", NULL);
    buf_init(&value, 0);
    for (int i = 0; i < 4; i++) {
        buf_clear(&value);
        buf_printf(&value, "{\"at\":\"" DAY "\",\"id\":\"%d", i);
        for (int n = 0; n < 11 << 20; n += 16)
            buf_puts(&value,
                     i % 2 ? "sixteen bytes :)" : "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\\n");
        buf_puts(&value, i == 3 ? "\",\"v\":-1}" : "\"}");
        project_record(&p, 0, i, buf_cstr(&value));
    }
    project_record(&p, 0, 8, "{\"id\":\"nul \\u0000 \\ud83d\\ude00\",\"at\":\"" DAY "\"}");
    project_bronze(&p, "t", DAY);
    r = project_silver(&p, "t", DAY);
    assert_int_equal(r.silver_rows, 4);
    assert_int_equal(r.quarantined, 1);
    assert_sql(&p, "SELECT string_agg(length(id), ' ' ORDER BY _offset) FROM {silver/t}", "5767169 11534337 5767169 7");
    assert_sql(&p, "SELECT id = 'nul ' || chr(0) || ' \xf0\x9f\x98\x80' FROM {silver/t} WHERE _offset = 8", "true");
    assert_sql(&p, "SELECT length(_value) > 11000000 AND reason = 'out_of_range' FROM {quarantine/t}", "true");
    buf_release(&value);
    project_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_key_once_the_first_stays),
        cmocka_unit_test(the_latest_by_order_by_stays_whatever_the_order_of_files),
        cmocka_unit_test(without_a_key_only_coordinates_tell_records_apart),
        cmocka_unit_test(rejected_records_are_in_quarantine_once_with_their_bytes),
        cmocka_unit_test(a_partition_is_replaced_and_others_are_not),
        cmocka_unit_test(silver_sql_may_add_columns),
        cmocka_unit_test(silver_sql_must_give_every_row_once),
        cmocka_unit_test(a_key_can_be_unique_in_the_whole_table),
        cmocka_unit_test(a_bronze_file_that_can_not_be_read_is_named),
        cmocka_unit_test(big_and_odd_values_come_through),
        cmocka_unit_test(many_rows_agree_with_a_recomputation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
