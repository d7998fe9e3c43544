/* Silver -> gold: tables by MERGE, and the checks over them. */
#include "project.h"

#define DAY "2024-01-01"
#define NEXT_DAY "2024-01-02"

static void begin(struct project *p, const char *gold)
{
    struct buf yml;

    project_begin(p);
    buf_init(&yml, 0);
    buf_printf(&yml,
               "topic: {name: raw-t}\n"
               "contract:\n"
               "  key: id\n"
               "  order_by: v\n"
               "  event_time: at\n"
               "  fields:\n"
               "    id: {type: string, required: true}\n"
               "    at: {type: timestamp, required: true}\n"
               "    city: string\n"
               "    v: int\n"
               "bronze: {partition_by: day}\n"
               "%s",
               gold);
    project_file(p, "domains/t/domain.yml", buf_cstr(&yml));
    buf_release(&yml);
}

static void record(struct project *p, int64_t offset, const char *id, const char *city, int v)
{
    char text[128];

    snprintf(text, sizeof(text), "{\"id\":\"%s\",\"at\":\"" DAY "T00:00:00Z\",\"city\":\"%s\",\"v\":%d}", id, city, v);
    project_record(p, 0, offset, text);
}

static void silver_of_three(struct project *p)
{
    project_open(p);
    record(p, 0, "a", "Bonn", 1);
    record(p, 1, "b", "Bonn", 2);
    record(p, 2, "c", "Lyon", 3);
    project_bronze(p, "t", DAY);
    (void)project_silver(p, "t", DAY);
}

static struct gold_result gold(struct project *p, const char *date)
{
    struct gold_result r;

    if (project_try_gold(p, "t", date, &r))
        fail_msg("%s", p->err.msg);
    return r;
}

static void assert_refused(struct project *p, const char *because, const char *also)
{
    struct gold_result r;

    assert_int_equal(project_try_gold(p, "t", DAY, &r), IG_INVALID);
    if (!strstr(p->err.msg, because) || !strstr(p->err.msg, also))
        fail_msg("%s", p->err.msg);
}

#define BY_CITY "SELECT day, city, count(*) AS n, sum(v)::BIGINT AS total FROM silver GROUP BY ALL;\n"
#define LIST "SELECT string_agg(city || '=' || n || '/' || total, ' ' ORDER BY city, total) FROM {gold/t/by_city}"

static void a_group_that_is_gone_leaves_no_row(void **state)
{
    struct gold_result r;
    struct project p;

    (void)state;
    begin(&p, "gold: {by_city: {key: [day, city]}}\n");
    project_file(&p, "domains/t/gold/by_city.sql", BY_CITY);
    silver_of_three(&p);
    r = gold(&p, DAY);
    assert_int_equal(r.gold_rows, 2);
    assert_sql(&p, LIST, "Bonn=2/3 Lyon=1/3");
    /* late: c was moved to Bonn */
    record(&p, 3, "c", "Bonn", 4);
    project_bronze(&p, "t", DAY);
    (void)project_silver(&p, "t", DAY);
    r = gold(&p, DAY);
    assert_int_equal(r.gold_rows, 1);
    assert_sql(&p, LIST, "Bonn=3/7");
    project_end(&p);
}

static void a_partition_sees_itself_alone_unless_the_scope_is_the_table(void **state)
{
    struct project p;

    (void)state;
    begin(&p, "gold:\n  by_city: {key: [day, city]}\n  all_cities: {key: city, scope: table}\n");
    project_file(&p, "domains/t/gold/by_city.sql", BY_CITY);
    project_file(&p, "domains/t/gold/all_cities.sql", "SELECT city, count(*) AS n FROM silver GROUP BY city");
    silver_of_three(&p);
    (void)gold(&p, DAY);
    project_forget(&p);
    project_record(&p, 0, 9, "{\"id\":\"z\",\"at\":\"" NEXT_DAY "T00:00:00Z\",\"city\":\"Lyon\",\"v\":9}");
    project_bronze(&p, "t", NEXT_DAY);
    (void)project_silver(&p, "t", NEXT_DAY);
    (void)gold(&p, NEXT_DAY);
    assert_sql(&p, LIST, "Bonn=2/3 Lyon=1/3 Lyon=1/9");
    assert_sql(&p, "SELECT string_agg(city || '=' || n, ' ' ORDER BY city) FROM {gold/t/all_cities}", "Bonn=2 Lyon=2");
    project_end(&p);
}

static void other_domains_are_views(void **state)
{
    struct project p;
    struct gold_result r;

    (void)state;
    begin(&p, "gold: {named: {key: [day, country]}}\ndepends_on: [cities]\n");
    project_file(&p, "domains/t/gold/named.sql",
                 "SELECT day, country, count(*) AS n FROM silver JOIN silver_cities USING (city) GROUP BY ALL");
    project_file(&p, "domains/cities/domain.yml",
                 "topic: {name: raw-cities}\n"
                 "contract:\n  key: city\n  fields:\n    city: {type: string, required: true}\n    country: string\n"
                 "bronze: {partition_by: loaded}\n");
    silver_of_three(&p);
    assert_int_equal(project_try_gold(&p, "t", DAY, &r), IG_UNAVAILABLE);
    assert_non_null(strstr(p.err.msg, "silver_cities has no silver table yet"));
    project_forget(&p);
    project_record(&p, 0, 0, "{\"city\":\"Bonn\",\"country\":\"DE\"}");
    project_record(&p, 0, 1, "{\"city\":\"Lyon\",\"country\":\"FR\"}");
    project_bronze(&p, "cities", DAY);
    (void)project_silver(&p, "cities", DAY);
    (void)gold(&p, DAY);
    assert_sql(&p, "SELECT string_agg(country || '=' || n, ' ' ORDER BY country) FROM {gold/t/named}", "DE=2 FR=1");
    project_end(&p);
}

static void what_can_not_be_a_gold_table_is_refused(void **state)
{
    struct project p;

    (void)state;
    begin(&p, "gold: {by_city: {key: [day, city]}}\n");
    project_file(&p, "domains/t/gold/by_city.sql", "SELECT day, city, v FROM silver");
    silver_of_three(&p);
    assert_refused(&p, "gold table by_city", "the key is not unique: day = 2024-01-01, city = Bonn (2 rows)");
    project_end(&p);

    begin(&p, "gold: {by_city: {key: city}}\n");
    project_file(&p, "domains/t/gold/by_city.sql", "SELECT city, count(*) AS n FROM silver GROUP BY city");
    silver_of_three(&p);
    assert_refused(&p, "gold table by_city", "has no column day");
    project_end(&p);

    begin(&p, "gold: {by_city: {key: [day, town]}}\n");
    project_file(&p, "domains/t/gold/by_city.sql", BY_CITY);
    silver_of_three(&p);
    assert_refused(&p, "gold table by_city", "has no column town");
    project_end(&p);

    begin(&p, "gold: {by_city: {key: [day, city]}}\n");
    project_file(&p, "domains/t/gold/by_city.sql",
                 "SELECT (day + 1)::DATE AS day, city, count(*) AS n FROM silver GROUP BY ALL");
    silver_of_three(&p);
    assert_refused(&p, "gold table by_city", "2024-01-02 in the partition 2024-01-01");
    project_end(&p);
}

static void checks_must_return_no_row(void **state)
{
    struct gold_result r;
    struct project p;

    (void)state;
    begin(&p, "gold: {by_city: {key: [day, city]}}\n");
    project_file(&p, "domains/t/gold/by_city.sql", BY_CITY);
    project_file(
        &p, "domains/t/tests/totals_agree.sql",
        "SELECT * FROM (SELECT sum(n) AS n FROM by_city), (SELECT count(*) AS rows FROM silver) WHERE n <> rows;");
    silver_of_three(&p);
    r = gold(&p, DAY);
    assert_int_equal(r.checks_run, 1);
    project_end(&p);

    begin(&p, "gold: {by_city: {key: [day, city]}}\n");
    project_file(&p, "domains/t/gold/by_city.sql", BY_CITY);
    project_file(&p, "domains/t/tests/no_lyon.sql", "SELECT id, city FROM silver WHERE city = 'Lyon'");
    silver_of_three(&p);
    assert_refused(&p, "check no_lyon", "{\"id\":\"c\",\"city\":\"Lyon\"}");
    project_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_that_is_gone_leaves_no_row),
        cmocka_unit_test(a_partition_sees_itself_alone_unless_the_scope_is_the_table),
        cmocka_unit_test(other_domains_are_views),
        cmocka_unit_test(what_can_not_be_a_gold_table_is_refused),
        cmocka_unit_test(checks_must_return_no_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
