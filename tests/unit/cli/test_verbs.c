/* Whole command lines: dispatch, help, init, check. */
#include "cli/terminal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static int run_in(struct terminal *t, const char *words)
{
    char text[400];

    snprintf(text, sizeof(text), "-C %s %s", t->folder, words);
    return terminal_run(t, text);
}

static void help_is_data_when_asked_for_and_an_error_otherwise(void **state)
{
    struct terminal t;
    size_t n;
    const struct cli_verb *const *all = cli_verbs(&n);

    (void)state;
    terminal_begin(&t);
    assert_int_equal(terminal_run(&t, "help"), CLI_OK);
    for (size_t i = 0; i < n; i++)
        assert_non_null(strstr(terminal_out(&t), all[i]->summary));
    assert_string_equal(terminal_err(&t), "");
    assert_int_equal(terminal_run(&t, "--help"), CLI_OK);
    assert_int_equal(terminal_run(&t, ""), CLI_USAGE);
    assert_string_equal(terminal_out(&t), "");
    assert_non_null(strstr(terminal_err(&t), "Usage: ingot"));
    for (size_t i = 0; i < n; i++) {
        char words[64];

        snprintf(words, sizeof(words), "%s --help", all[i]->name);
        assert_int_equal(terminal_run(&t, words), CLI_OK);
        assert_non_null(strstr(terminal_out(&t), "Usage: ingot "));
    }
    assert_int_equal(terminal_run(&t, "help nobody"), CLI_USAGE);
    terminal_end(&t);
}

static void wrong_command_lines(void **state)
{
    static const struct {
        const char *words, *says;
    } cases[] = {
        {"chekc", "there is no verb 'chekc'; did you mean 'check'?"},
        {"frobnicate", "there is no verb 'frobnicate'"},
        {"--quite check", "there is no option '--quite'; did you mean '--quiet'?"},
        {"check extra", "'check' takes no arguments"},
        {"check --log-level loud", "--log-level is debug, info, warn or error, not 'loud'"},
        {"-C", "-C needs DIR"},
        {"init no-such-template", "there is no template 'no-such-template'"},
    };
    struct terminal t;

    (void)state;
    terminal_begin(&t);
    for (size_t i = 0; i < IG_COUNT(cases); i++) {
        assert_int_equal(terminal_run(&t, cases[i].words), CLI_USAGE);
        if (!strstr(terminal_err(&t), cases[i].says))
            fail_msg("%s: %s", cases[i].words, terminal_err(&t));
        assert_string_equal(terminal_out(&t), "");
    }
    terminal_end(&t);
}

static void version_names_what_it_stands_on(void **state)
{
    struct terminal t;

    (void)state;
    terminal_begin(&t);
    assert_int_equal(terminal_run(&t, "version"), CLI_OK);
    assert_memory_equal(terminal_out(&t), "ingot " INGOT_VERSION " (DuckDB v", 16);
    assert_int_equal(terminal_run(&t, "--version"), CLI_OK);
    assert_int_equal(terminal_run(&t, "version --json"), CLI_OK);
    assert_memory_equal(terminal_out(&t), "{\"version\":\"", 12);
    terminal_end(&t);
}

static void init_makes_a_project_without_mistakes(void **state)
{
    struct terminal t;

    (void)state;
    terminal_begin(&t);
    assert_int_equal(run_in(&t, "init"), CLI_OK);
    assert_non_null(strstr(terminal_out(&t), "  domains/events/domain.yml\n"));
    assert_non_null(strstr(terminal_out(&t), "Next:\n  cd /tmp/test-cli-"));
    assert_int_equal(run_in(&t, "check"), CLI_OK);
    assert_non_null(strstr(terminal_out(&t), "\nevents  clickstream  raw-events  event_date        9     2       1\n"));
    assert_int_equal(run_in(&t, "check --json"), CLI_OK);
    assert_string_equal(terminal_out(&t),
                        "{\"domain\":\"events\",\"source\":\"clickstream\",\"topic\":\"raw-events\",\"date_column\":"
                        "\"event_date\",\"fields\":9,\"gold\":2,\"checks\":1}\n");
    terminal_end(&t);
}

static void init_changes_nothing_that_is_there(void **state)
{
    struct terminal t;
    struct buf text;
    char path[128];

    (void)state;
    terminal_begin(&t);
    terminal_write(&t, ".gitignore", "mine\n");
    assert_int_equal(run_in(&t, "init"), CLI_OK);
    assert_non_null(strstr(terminal_out(&t), "  .gitignore was there already, and stays as it is\n"));
    snprintf(path, sizeof(path), "%s/.gitignore", t.folder);
    buf_init(&text, 0);
    assert_int_equal(env_read_file(t.env, path, &text, NULL), IG_OK);
    assert_string_equal(buf_cstr(&text), "mine\n");
    buf_release(&text);
    assert_int_equal(run_in(&t, "init"), CLI_FAILED);
    assert_non_null(strstr(terminal_err(&t), "/ingot.yml is there already: nothing was changed\n"));
    terminal_end(&t);
}

static void check_prints_what_is_in_effect(void **state)
{
    struct terminal t;

    (void)state;
    terminal_begin(&t);
    terminal_write(&t, "ingot.yml", "name: x\nlog: kafka://h:1?sasl.password=hunter2\n");
    assert_int_equal(run_in(&t, "check --print"), CLI_OK);
    assert_non_null(strstr(terminal_out(&t), "# ingot.yml\nname: x\nlog: \"kafka://h:1?sasl.password=***\"\n"));
    assert_null(strstr(terminal_out(&t), "hunter2"));
    terminal_end(&t);
}

static void mistakes_are_78(void **state)
{
    struct terminal t;

    (void)state;
    terminal_begin(&t);
    assert_int_equal(run_in(&t, "check"), CLI_CONFIG);
    assert_non_null(strstr(terminal_err(&t), "'ingot init' makes a project"));
    terminal_write(&t, "ingot.yml", "naem: \"x\\ty\"\nlisten: 1\n");
    assert_int_equal(run_in(&t, "check"), CLI_CONFIG);
    assert_string_equal(terminal_err(&t),
                        "ingot.yml:1:1: unknown key 'naem'; did you mean 'name'?\n"
                        "ingot.yml:2:9: listen: '1' is not an address like 127.0.0.1:9092 (port 0: any free one)\n"
                        "ingot: 2 mistakes in the project\n");
    assert_int_equal(run_in(&t, "check --json"), CLI_CONFIG);
    assert_memory_equal(terminal_err(&t),
                        "{\"file\":\"ingot.yml\",\"line\":1,\"column\":1,\"error\":\"unknown key 'naem'", 67);
    terminal_end(&t);
}

#define YML                                                                                                          \
    "contract: {key: id, event_time: at, fields: {id: string, at: timestamp, n: int, s: {type: struct, fields: {a: " \
    "date}}}}\n"

static void expect_sql(const char *yaml, const char *path, const char *sql, const char *mistake)
{
    struct terminal t;
    char wanted[512];

    terminal_begin(&t);
    terminal_write(&t, "ingot.yml", "");
    terminal_write(&t, "domains/events/domain.yml", yaml);
    terminal_write(&t, path, sql);
    snprintf(wanted, sizeof(wanted), "%s:%s", path, mistake);
    assert_int_equal(run_in(&t, "check"), *mistake ? CLI_CONFIG : CLI_OK);
    if (*mistake) { /* DuckDB's guesses behind it are its own */
        if (strncmp(terminal_err(&t), wanted, strlen(wanted)) != 0)
            fail_msg("%s, not %s", terminal_err(&t), wanted);
        assert_non_null(strstr(terminal_err(&t), "\ningot: 1 mistake in the project\n"));
    }
    terminal_end(&t);
}

static void sql_is_bound_against_the_contract(void **state)
{
    const char *gold = YML "gold: {g: {key: [event_date, n]}}\n", *whole = YML "gold: {g: {key: n, scope: table}}\n";

    (void)state;
    expect_sql(gold, "domains/events/gold/g.sql", "SELECT event_date, n, year(s.a) AS y FROM silver", "");
    expect_sql(gold, "domains/events/gold/g.sql", "SELECT event_date, n\nFROM silver\nWHERE  nn > 1",
               "3:8: Referenced column \"nn\" not found in FROM clause!");
    expect_sql(gold, "domains/events/gold/g.sql", "SELECT event_date,, n FROM silver",
               "1:19: syntax error at or near \",\"");
    expect_sql(
        gold, "domains/events/gold/g.sql", "SELECT n FROM silver",
        "1:1: the query has no column 'event_date': the table's key and its date column are among its columns (or "
        "say 'scope: table'); it has n");
    expect_sql(whole, "domains/events/gold/g.sql", "SELECT n FROM silver", "");
    expect_sql(whole, "domains/events/gold/g.sql", "SELECT _offset AS n FROM silver_events", "");
    expect_sql(whole, "domains/events/gold/g.sql", "DELETE FROM silver", "1:1: syntax error at or near \"DELETE\"");
    expect_sql(YML, "domains/events/silver.sql", "SELECT *, n + 1 AS m FROM input", "");
    expect_sql(
        YML, "domains/events/silver.sql", "SELECT id, event_date FROM input",
        "1:1: the query has no column 'record_hash': rows keep where they come from, select it too (SELECT *, ... "
        "FROM input); it has id, event_date");
    expect_sql(YML, "domains/events/silver.sql", "SELECT *, 'é' AS e, nope FROM input",
               "1:21: Referenced column \"nope\" not found in FROM clause!");
    expect_sql(YML, "domains/events/tests/t.sql", "SELECT nope FROM silver",
               "1:8: Referenced column \"nope\" not found in FROM clause!");
    expect_sql(YML "source: {type: file, path: /dev/null, sql: source.sql}\n", "domains/events/source.sql",
               "SELECT a b c\nFROM input", "1:12: syntax error at or near \"c\"");
}

static void gold_sees_what_silver_sql_makes(void **state)
{
    struct terminal t;

    (void)state;
    terminal_begin(&t);
    terminal_write(&t, "ingot.yml", "");
    terminal_write(&t, "domains/a/domain.yml", YML "gold: {ga: {key: m, scope: table}}\n");
    terminal_write(&t, "domains/a/silver.sql", "SELECT *, n + 1 AS m FROM input");
    terminal_write(&t, "domains/a/gold/ga.sql", "SELECT m, count(*) AS n FROM silver GROUP BY m");
    terminal_write(&t, "domains/a/tests/t.sql", "SELECT * FROM ga WHERE m < 0");
    terminal_write(&t, "domains/b/domain.yml", YML "depends_on: [a]\ngold: {gb: {key: m, scope: table}}\n");
    terminal_write(&t, "domains/b/gold/gb.sql", "SELECT m FROM silver_a JOIN silver USING (id)");
    assert_int_equal(run_in(&t, "check"), CLI_OK);
    /* what is read must have been made before */
    terminal_write(&t, "domains/b/domain.yml", YML "gold: {gb: {key: m, scope: table}}\n");
    assert_int_equal(run_in(&t, "check"), CLI_CONFIG);
    assert_non_null(strstr(terminal_err(&t), "domains/b/gold/gb.sql:1:15: silver_a is read, but 'b' does not depend on "
                                             "'a'; add 'depends_on: [a]' to its domain.yml\n"));
    terminal_write(&t, "domains/b/domain.yml", YML "depends_on: [a]\ngold: {gb: {key: m, scope: table}}\n");
    terminal_write(&t, "domains/b/silver.sql", "SELECT input.* FROM input JOIN silver_a USING (id)");
    assert_int_equal(run_in(&t, "check"), CLI_CONFIG);
    assert_non_null(strstr(terminal_err(&t),
                           "domains/b/silver.sql:1:32: silver_a can not be read here: silver.sql sees "
                           "only input; gold joins domains\n"));
    terminal_write(&t, "domains/b/silver.sql", "SELECT * FROM input");
    /* a wrong silver.sql is one mistake, not one for each that reads it */
    terminal_write(&t, "domains/a/silver.sql", "SELECT *, nope AS m FROM input");
    assert_int_equal(run_in(&t, "check"), CLI_CONFIG);
    assert_non_null(strstr(terminal_err(&t), "domains/a/silver.sql:1:11: "));
    assert_non_null(strstr(terminal_err(&t), "ingot: 1 mistake in the project\n"));
    terminal_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_is_data_when_asked_for_and_an_error_otherwise),
        cmocka_unit_test(wrong_command_lines),
        cmocka_unit_test(version_names_what_it_stands_on),
        cmocka_unit_test(init_makes_a_project_without_mistakes),
        cmocka_unit_test(init_changes_nothing_that_is_there),
        cmocka_unit_test(check_prints_what_is_in_effect),
        cmocka_unit_test(mistakes_are_78),
        cmocka_unit_test(sql_is_bound_against_the_contract),
        cmocka_unit_test(gold_sees_what_silver_sql_makes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
