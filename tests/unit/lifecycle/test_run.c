/*
 * Runs over partitions: the real state machine, store and partition_meta, with stages that do as a test tells them.
 */
#include "lifecycle/lifecycle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#define DAY_1 19737 /* 2024-01-15 */
#define DAY_2 19738

/* --- the stages of these tests ----------------------------------------------------------------------------- */

struct script {
    char calls[2000];    /* "silver orders 19737;..." in order */
    const char *fail_at; /* stages of this name fail */
    enum ig_code code;   /* with this; 0: IG_CORRUPT */
    int32_t bad_date;    /* gold of this date fails; 0: none */
    int32_t touched;     /* silver of DAY_2 changes this date too; 0: none */
    volatile bool *stop; /* set by the first silver stage */
};
static struct script script;

static enum ig_code called(const char *stage, const char *domain, int32_t date, struct error *err)
{
    const size_t n = strlen(script.calls);
    (void)snprintf(script.calls + n, sizeof(script.calls) - n, "%s %s %d;", stage, domain, date);
    if (script.fail_at && strcmp(script.fail_at, stage) == 0)
        return error_set(err, script.code ? script.code : IG_CORRUPT, "the disk ate it");
    return IG_OK;
}

enum ig_code stage_silver(const struct stage_context *x, const struct conf_domain *d, int32_t date,
                          const char *const *files, size_t n_files, bool again, struct stage_silver_result *out,
                          struct error *err)
{
    (void)x;
    (void)files;
    (void)again;
    *out = (struct stage_silver_result){.silver_rows = 10 * (int64_t)n_files, .bronze_rows = 10 * (int64_t)n_files};
    if (script.stop)
        *script.stop = true;
    if (script.touched && date == DAY_2) {
        out->touched_dates = check_malloc(sizeof(int32_t));
        out->touched_dates[0] = script.touched;
        out->n_touched_dates = 1;
    }
    return called("silver", d->name, date, err);
}

enum ig_code stage_gold(const struct stage_context *x, const struct conf_domain *d, const int32_t *dates, size_t n,
                        int64_t *rows, int64_t *checks_run, struct error *err)
{
    enum ig_code rc = IG_OK;
    (void)x;
    *checks_run = 0;
    for (size_t i = 0; i < n && rc == IG_OK; i++) {
        rows[i] = 3;
        rc = called("gold", d->name, dates[i], err);
        if (rc == IG_OK && script.bad_date == dates[i])
            rc = error_set(err, IG_INVALID, "its numbers do not add up");
    }
    return rc;
}

enum ig_code stage_load(const struct stage_context *x, const struct conf_domain *d, int64_t *rows, struct error *err)
{
    (void)x;
    *rows = 3;
    return called("load", d->name, 0, err);
}

/* --- a project of two domains, in a folder of its own -------------------------------------------------------- */

struct fixture {
    struct env *env;
    struct conf conf;
    struct conf_domain domains[2];
    struct conf_gold gold;
    struct stage_context x;
    char folder[64];
};

static void must(enum ig_code rc, const struct error *err)
{
    if (rc != IG_OK)
        fail_msg("%s: %s", error_code_name(rc), err->msg);
}

static int set_up(void **state)
{
    static const char *depends_on[] = {"shops"};
    struct fixture *f = check_calloc(1, sizeof(*f));
    struct error err;
    script = (struct script){0};
    (void)snprintf(f->folder, sizeof(f->folder), "lifecycle-test-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    f->env = env_real_new();
    f->env->log_level = ENV_LOG_ERROR;
    f->gold = (struct conf_gold){.name = "daily"};
    f->domains[0] = (struct conf_domain){.name = "shops", .max_retries = 1, .bronze = {.date_column = "day"}};
    f->domains[1] = (struct conf_domain){
        .name = "orders",
        .max_retries = 1,
        .bronze = {.date_column = "day"},
        .gold = &f->gold,
        .n_gold = 1,
        .depends_on = depends_on,
        .n_depends_on = 1,
    };
    f->conf.domains = f->domains;
    f->conf.n_domains = 2;
    f->x = (struct stage_context){.env = f->env, .conf = &f->conf};
    const struct engine_options options = {.threads = 1, .temp_dir = f->folder};
    must(store_open(f->env, f->folder, &f->x.store, &err), &err);
    must(engine_open(&options, &f->x.engine, &err), &err);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    struct error err;
    engine_close(f->x.engine);
    store_free(f->x.store);
    must(env_remove_tree(f->env, f->folder, &err), &err);
    env_real_free(f->env);
    free(f);
    return 0;
}

static void add_file(struct fixture *f, const char *domain, const char *date, const char *name)
{
    char path[200];
    struct error err;
    (void)snprintf(path, sizeof(path), "bronze/%s/day=%s/part-%s.parquet", domain, date, name);
    must(store_put(f->x.store, path, STR("x"), STORE_IF_ABSENT, &err), &err);
}

static struct lifecycle_outcome run_with(struct fixture *f, const struct lifecycle_selection *sel)
{
    struct lifecycle_outcome out;
    struct error err;
    script.calls[0] = '\0';
    must(lifecycle_run(&f->x, sel, NULL, NULL, script.stop, &out, &err), &err);
    free(out.work);
    out.work = NULL;
    return out;
}

static struct lifecycle_outcome run(struct fixture *f)
{
    const struct lifecycle_selection all = {.first_date = DATE_NONE, .last_date = DATE_NONE};
    return run_with(f, &all);
}

static void expect_state(struct fixture *f, const char *domain, int32_t date, const char *name, int32_t retries)
{
    struct lifecycle_rows rows;
    struct error err;
    must(lifecycle_read(&f->x, &rows, &err), &err);
    for (size_t i = 0; i < rows.n; i++) {
        if (strcmp(rows.p[i].domain, domain) == 0 && rows.p[i].date == date) {
            assert_string_equal(lifecycle_state_name(rows.p[i].state), name);
            assert_int_equal(rows.p[i].retry_count, retries);
            lifecycle_rows_free(&rows);
            return;
        }
    }
    fail_msg("no row for %s %d", domain, date);
}

/* Every state that a partition ever had, by the versions of partition_meta. */
static void expect_history(struct fixture *f, const char *domain, const char *date, const char *expected)
{
    struct engine_conn *c;
    struct lake_table *t;
    struct error err;
    char last[32] = "", all[500] = "";
    must(engine_connect(f->x.engine, &c, &err), &err);
    must(lake_open(f->x.store, c, "metadata/partition_meta", &t, &err), &err);
    for (int64_t version = 0;; version++) {
        struct lake_snapshot *s;
        struct buf sql, status;
        if (lake_snapshot_open(t, version, &s, &err) != IG_OK)
            break;
        buf_init(&sql, 0);
        buf_init(&status, 0);
        buf_puts(&sql, "SELECT coalesce(max(status), '') FROM ");
        must(lake_add_scan(s, NULL, &sql, &err), &err);
        buf_printf(&sql, " WHERE domain = '%s' AND partition_date = '%s'", domain, date);
        must(engine_query_str(c, buf_cstr(&sql), &status, &err), &err);
        if (strcmp(buf_cstr(&status), last) != 0) {
            const size_t n = strlen(all);
            (void)snprintf(all + n, sizeof(all) - n, "%s%s", n ? " " : "", buf_cstr(&status));
            (void)snprintf(last, sizeof(last), "%s", buf_cstr(&status));
        }
        buf_release(&sql);
        buf_release(&status);
        lake_snapshot_free(s);
    }
    assert_string_equal(all, expected);
    lake_close(t);
    engine_disconnect(c);
}

/* --- the behaviour --------------------------------------------------------------------------------------- */

static void a_new_partition_goes_through_all_stages_once(void **state)
{
    struct fixture *f = *state;
    add_file(f, "orders", "2024-01-15", "1");
    struct lifecycle_outcome out = run(f);
    assert_int_equal(out.discovered, 1);
    assert_int_equal(out.processed, 1);
    assert_string_equal(script.calls, "silver orders 19737;gold orders 19737;");
    expect_history(f, "orders", "2024-01-15", "PENDING IN_FLIGHT DONE");

    out = run(f);
    assert_int_equal(out.processed, 0);
    assert_int_equal(out.unchanged, 1);
    assert_string_equal(script.calls, "");
}

static void a_late_file_is_processed_again(void **state)
{
    struct fixture *f = *state;
    add_file(f, "orders", "2024-01-15", "1");
    run(f);
    add_file(f, "orders", "2024-01-15", "2");
    const struct lifecycle_outcome out = run(f);
    assert_int_equal(out.late, 1);
    assert_int_equal(out.processed, 1);
    expect_history(f, "orders", "2024-01-15", "PENDING IN_FLIGHT DONE LATE REPROCESSING IN_FLIGHT DONE");
}

static void domains_are_processed_as_they_depend_on_each_other(void **state)
{
    struct fixture *f = *state;
    add_file(f, "orders", "2024-01-16", "1");
    add_file(f, "orders", "2024-01-15", "1");
    add_file(f, "shops", "2024-01-16", "1");
    run(f);
    assert_string_equal(script.calls, "silver shops 19738;gold shops 19738;silver orders 19737;silver orders 19738;"
                                      "gold orders 19737;gold orders 19738;");
}

static void gold_is_computed_again_when_what_it_reads_has_changed(void **state)
{
    struct fixture *f = *state;
    add_file(f, "orders", "2024-01-15", "1");
    add_file(f, "shops", "2024-01-15", "1");
    run(f);
    add_file(f, "shops", "2024-01-15", "2");
    run(f);
    assert_string_equal(script.calls, "silver shops 19737;gold shops 19737;gold orders 19737;");
    run(f);
    assert_string_equal(script.calls, "");
}

static void a_failing_partition_is_retried_and_then_dead(void **state)
{
    struct fixture *f = *state;
    add_file(f, "orders", "2024-01-15", "1");
    script.fail_at = "gold";
    struct lifecycle_outcome out = run(f);
    assert_int_equal(out.failed, 1);
    expect_state(f, "orders", DAY_1, "FAILED", 0);
    out = run(f);
    expect_state(f, "orders", DAY_1, "DEAD", 1);
    assert_int_equal(out.dead, 1);
    script.fail_at = NULL;
    out = run(f);
    assert_string_equal(script.calls, "");
    assert_int_equal(out.dead, 1);

    const struct lifecycle_selection again = {.first_date = DAY_1, .last_date = DAY_1, .requeue = true};
    out = run_with(f, &again);
    assert_int_equal(out.processed, 1);
    expect_state(f, "orders", DAY_1, "DONE", 0);
}

static void a_failure_that_passes_costs_no_retry(void **state)
{
    static const enum ig_code passing[] = {IG_UNAVAILABLE, IG_NO_SPACE, IG_CONFLICT};
    struct fixture *f = *state;
    add_file(f, "orders", "2024-01-15", "1");
    add_file(f, "orders", "2024-01-16", "1");
    script.fail_at = "gold";
    for (size_t i = 0; i < IG_COUNT(passing); i++) {
        script.code = passing[i];
        const struct lifecycle_outcome out = run(f);
        assert_int_equal(out.failed, 2);
        assert_int_equal(out.dead, 0);
        /* once for both: alone, each would find the same */
        assert_string_equal(script.calls, "silver orders 19737;silver orders 19738;gold orders 19737;");
        expect_state(f, "orders", DAY_1, "RETRYING", 0);
        expect_state(f, "orders", DAY_2, "RETRYING", 0);
    }
    script.fail_at = NULL;
    assert_int_equal(run(f).processed, 2);
    expect_state(f, "orders", DAY_1, "DONE", 0);
}

static void what_may_have_been_committed_is_looked_at_in_all_dates(void **state)
{
    struct fixture *f = *state;
    f->domains[1].contract.unique = CONF_UNIQUE_TABLE;
    add_file(f, "orders", "2024-01-15", "1");
    run(f);
    add_file(f, "orders", "2024-01-16", "1");
    script.fail_at = "silver";
    script.code = IG_UNKNOWN_OUTCOME;
    run(f);
    expect_state(f, "orders", DAY_1, "LATE", 0);
    expect_state(f, "orders", DAY_2, "RETRYING", 0);
    script.fail_at = NULL;
    assert_int_equal(run(f).processed, 2);
    expect_state(f, "orders", DAY_1, "DONE", 0);
}

static void a_failure_does_not_stop_the_others(void **state)
{
    struct fixture *f = *state;
    add_file(f, "orders", "2024-01-15", "1");
    add_file(f, "orders", "2024-01-16", "1");
    script.fail_at = "silver";
    const struct lifecycle_outcome out = run(f);
    assert_int_equal(out.failed, 2);
    assert_string_equal(script.calls, "silver orders 19737;silver orders 19738;");
}

static void one_bad_partition_does_not_take_its_batch_along(void **state)
{
    struct fixture *f = *state;
    add_file(f, "orders", "2024-01-15", "1");
    add_file(f, "orders", "2024-01-16", "1");
    script.bad_date = DAY_2;
    const struct lifecycle_outcome out = run(f);
    assert_int_equal(out.processed, 1);
    assert_int_equal(out.failed, 1);
    expect_state(f, "orders", DAY_1, "DONE", 0);
    expect_state(f, "orders", DAY_2, "FAILED", 0);
}

static void silver_is_made_again_when_its_batch_changed_it(void **state)
{
    struct fixture *f = *state;
    add_file(f, "orders", "2024-01-15", "1");
    add_file(f, "orders", "2024-01-16", "1");
    script.touched = DAY_1;
    run(f);
    assert_string_equal(script.calls, "silver orders 19737;silver orders 19738;silver orders 19737;"
                                      "gold orders 19737;gold orders 19738;");
}

static void a_run_that_stops_leaves_the_rest_for_the_next_one(void **state)
{
    struct fixture *f = *state;
    static volatile bool stop;
    stop = false;
    add_file(f, "orders", "2024-01-15", "1");
    add_file(f, "orders", "2024-01-16", "1");
    script.stop = &stop;
    assert_int_equal(run(f).left, 1);
    expect_state(f, "orders", DAY_1, "DONE", 0);
    expect_state(f, "orders", DAY_2, "RETRYING", 0);
    script.stop = NULL;
    assert_int_equal(run(f).left, 0);
    expect_state(f, "orders", DAY_2, "DONE", 0);
}

static void rows_that_move_to_another_date_bring_that_date_up_again(void **state)
{
    struct fixture *f = *state;
    add_file(f, "orders", "2024-01-15", "1");
    run(f);
    add_file(f, "orders", "2024-01-16", "1");
    script.touched = DAY_1;
    run(f);
    assert_string_equal(script.calls, "silver orders 19738;gold orders 19738;silver orders 19737;gold orders 19737;");
}

/* Does to rows of partition_meta what another program, or a run that died, would leave there. */
static void change_meta(struct fixture *f, const char *replace, const char *where)
{
    struct engine_conn *c;
    struct lake_table *t;
    struct lake_snapshot *s;
    struct error err;
    struct buf sql;
    static const char *const key[] = {"domain", "partition_date"};
    must(engine_connect(f->x.engine, &c, &err), &err);
    must(lake_open(f->x.store, c, "metadata/partition_meta", &t, &err), &err);
    must(lake_snapshot_open(t, LAKE_LATEST, &s, &err), &err);
    buf_init(&sql, 0);
    buf_printf(&sql, "SELECT * REPLACE (%s) FROM ", replace);
    must(lake_add_scan(s, NULL, &sql, &err), &err);
    buf_printf(&sql, " WHERE %s", where);
    const struct lake_merge m = {.select = buf_cstr(&sql), .key = key, .n_key = 2};
    must(lake_merge(t, &m, NULL, NULL, &err), &err);
    buf_release(&sql);
    lake_snapshot_free(s);
    lake_close(t);
    engine_disconnect(c);
}

static void leave_in_flight(struct fixture *f, const char *date)
{
    char where[64];
    (void)snprintf(where, sizeof(where), "partition_date = '%s'", date);
    change_meta(f, "'IN_FLIGHT' AS status", where);
}

static void a_clock_that_goes_back_hides_no_change_of_what_gold_reads(void **state)
{
    struct fixture *f = *state;
    add_file(f, "orders", "2024-01-15", "1");
    add_file(f, "shops", "2024-01-15", "1");
    run(f);
    change_meta(f, "updated_at + INTERVAL 1 HOUR AS updated_at, processed_at + INTERVAL 1 HOUR AS processed_at",
                "true");
    add_file(f, "shops", "2024-01-15", "2");
    run(f);
    assert_string_equal(script.calls, "silver shops 19737;gold shops 19737;gold orders 19737;");
    run(f);
    assert_string_equal(script.calls, "");
}

static void a_partition_of_a_run_that_died_is_taken_up_without_costing_a_retry(void **state)
{
    struct fixture *f = *state;
    add_file(f, "orders", "2024-01-15", "1");
    add_file(f, "orders", "2024-01-16", "1");
    run(f);
    leave_in_flight(f, "2024-01-16");
    run(f);
    assert_string_equal(script.calls, "silver orders 19738;gold orders 19738;");
    expect_state(f, "orders", DAY_2, "DONE", 0);
}

static void when_a_run_died_keys_unique_in_the_table_bring_all_dates_up_again(void **state)
{
    struct fixture *f = *state;
    f->domains[1].contract.unique = CONF_UNIQUE_TABLE;
    add_file(f, "orders", "2024-01-15", "1");
    add_file(f, "orders", "2024-01-16", "1");
    run(f);
    leave_in_flight(f, "2024-01-16");
    run(f);
    assert_string_equal(script.calls, "silver orders 19737;silver orders 19738;gold orders 19737;gold orders 19738;");
}

static void a_dry_run_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct lifecycle_rows rows;
    struct error err;
    add_file(f, "orders", "2024-01-15", "1");
    const struct lifecycle_selection dry = {.first_date = DATE_NONE, .last_date = DATE_NONE, .dry_run = true};
    const struct lifecycle_outcome out = run_with(f, &dry);
    assert_int_equal(out.discovered, 1);
    assert_string_equal(script.calls, "");
    must(lifecycle_read(&f->x, &rows, &err), &err);
    assert_int_equal(rows.n, 0);
    lifecycle_rows_free(&rows);
}

static void only_what_is_selected_is_processed(void **state)
{
    struct fixture *f = *state;
    static const char *const shops[] = {"shops"};
    add_file(f, "orders", "2024-01-15", "1");
    add_file(f, "shops", "2024-01-15", "1");
    add_file(f, "shops", "2024-01-16", "1");
    const struct lifecycle_selection sel = {
        .domains = shops, .n_domains = 1, .first_date = DAY_2, .last_date = DATE_NONE};
    run_with(f, &sel);
    assert_string_equal(script.calls, "silver shops 19738;gold shops 19738;");
}

int main(void)
{
#define RUN_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        RUN_TEST(a_new_partition_goes_through_all_stages_once),
        RUN_TEST(a_late_file_is_processed_again),
        RUN_TEST(domains_are_processed_as_they_depend_on_each_other),
        RUN_TEST(gold_is_computed_again_when_what_it_reads_has_changed),
        RUN_TEST(a_failing_partition_is_retried_and_then_dead),
        RUN_TEST(a_failure_that_passes_costs_no_retry),
        RUN_TEST(what_may_have_been_committed_is_looked_at_in_all_dates),
        RUN_TEST(a_failure_does_not_stop_the_others),
        RUN_TEST(one_bad_partition_does_not_take_its_batch_along),
        RUN_TEST(silver_is_made_again_when_its_batch_changed_it),
        RUN_TEST(a_run_that_stops_leaves_the_rest_for_the_next_one),
        RUN_TEST(rows_that_move_to_another_date_bring_that_date_up_again),
        RUN_TEST(a_clock_that_goes_back_hides_no_change_of_what_gold_reads),
        RUN_TEST(a_partition_of_a_run_that_died_is_taken_up_without_costing_a_retry),
        RUN_TEST(when_a_run_died_keys_unique_in_the_table_bring_all_dates_up_again),
        RUN_TEST(a_dry_run_changes_nothing),
        RUN_TEST(only_what_is_selected_is_processed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
