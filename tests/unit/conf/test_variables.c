/* Variables: where they come from, what they can do, and what never gets out. */
#include "conf/project.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define D "domains/events/domain.yml:"
#define OK_CONTRACT "contract: {fields: {id: string}}\n"

static void begin(struct project *p, const char *description)
{
    char yaml[4096];

    project_begin(p);
    project_write(p, "ingot.yml", "");
    snprintf(yaml, sizeof(yaml), "description: %s\n" OK_CONTRACT, description);
    project_write(p, "domains/events/domain.yml", yaml);
}

static void expect_description(const char *yaml, const char *value)
{
    struct project p;

    begin(&p, yaml);
    project_expect(&p, "");
    assert_string_equal(p.conf->domains[0].description, value);
    project_end(&p);
}

static void expect_mistake(const char *yaml, const char *mistake)
{
    struct project p;

    begin(&p, yaml);
    project_expect(&p, mistake);
    project_end(&p);
}

static void a_value_never_changes_the_structure(void **state)
{
    static const char *const values[] = {
        "a: {b}",
        "x\ntopic: {partitions: 77}\n#",
        "'",
        "\"",
        "[1, 2",
        "*anchor",
        "&anchor",
        "!!int 5",
        "- a\n- b",
        "null",
        "~",
        "${OTHER}",
        "#",
        "\\n",
        "---",
        "...",
        "\xe2\x80\xa8",
        "{{ jinja }}",
        " a ",
        "$$ $ ${A:-b}",
        "",
    };

    (void)state;
    for (size_t i = 0; i < IG_COUNT(values); i++) {
        setenv("TEST_VALUE", values[i], 1);
        expect_description("${TEST_VALUE}", values[i]);
        expect_description("\"${TEST_VALUE}\"", values[i]);
        expect_description("'${TEST_VALUE}'", values[i]);
        expect_description("|-\n  ${TEST_VALUE}", values[i]);
    }
    unsetenv("TEST_VALUE");
}

static void defaults_and_escapes(void **state)
{
    (void)state;
    unsetenv("TEST_UNSET");
    setenv("TEST_EMPTY", "", 1);
    setenv("TEST_A", "a", 1);
    expect_description("${TEST_UNSET:-fall back}", "fall back");
    expect_description("\"${TEST_UNSET:-}\"", "");
    expect_description("${TEST_EMPTY:-used}", "used");
    expect_description("'<${TEST_EMPTY}>'", "<>");
    expect_description("x${TEST_A}y${TEST_A}", "xaya");
    expect_description("$${TEST_A}", "${TEST_A}");
    expect_description("$$", "$");
    expect_description("^a$", "^a$");
    expect_description("$5 and $TEST_A", "$5 and $TEST_A");
    unsetenv("TEST_EMPTY");
    unsetenv("TEST_A");
}

static void a_wrong_variable_is_named_where_it_stands(void **state)
{
    (void)state;
    unsetenv("TEST_UNSET");
    expect_mistake("ab ${TEST_UNSET}", D "1:17: the variable TEST_UNSET is not set; set it in the environment or in "
                                         ".env, or write ${TEST_UNSET:-default}\n");
    expect_mistake("'${TEST UNSET}'", D "1:14: a variable is written ${NAME} or ${NAME:-default}; a $ sign itself is "
                                        "written $$\n");
    expect_mistake("${A?b}", D "1:14: a variable is written ${NAME} or ${NAME:-default}; a $ sign itself is written "
                               "$$\n");
    expect_mistake("${}", D "1:14: a variable is written ${NAME} or ${NAME:-default}; a $ sign itself is written $$\n");
    expect_mistake("${9}",
                   D "1:14: a variable is written ${NAME} or ${NAME:-default}; a $ sign itself is written $$\n");
    expect_mistake("'${OPEN'", D "1:14: '${' has no closing '}'; a $ sign itself is written $$\n");
}

static void keys_are_not_replaced(void **state)
{
    (void)state;
    setenv("TEST_KEY", "retries", 1);
    expect_mistake("x\n${TEST_KEY}: 3",
                   D "2:1: unknown key '${TEST_KEY}'; the keys of a domain are description, source, "
                     "topic, contract, bronze, silver, gold, depends_on, retries\n");
    unsetenv("TEST_KEY");
}

static void values_of_every_kind_may_be_variables(void **state)
{
    struct project p;

    (void)state;
    setenv("TEST_N", "12", 1);
    setenv("TEST_T", "decimal(7,3)", 1);
    project_begin(&p);
    project_write(&p, "ingot.yml", "process: {every: \"${TEST_N}s\"}\nlisten: 127.0.0.1:${TEST_N}\n");
    project_write(&p, "domains/events/domain.yml",
                  "topic: {partitions: \"${TEST_N}\"}\nretries: ${TEST_N}\n"
                  "contract: {fields: {id: string, a: \"${TEST_T}\", b: {type: string, enum: [x, \"${TEST_N}\"]}}}\n");
    project_expect(&p, "");
    assert_int_equal(p.conf->process_interval_ms, 12000);
    assert_int_equal(p.conf->listen_port, 12);
    assert_int_equal(p.conf->domains[0].topic.partitions, 12);
    assert_int_equal(p.conf->domains[0].max_retries, 12);
    assert_int_equal(p.conf->domains[0].contract.fields[1].scale, 3);
    assert_string_equal(p.conf->domains[0].contract.fields[2].one_of[1], "12");
    project_end(&p);
    unsetenv("TEST_N");
    unsetenv("TEST_T");
}

static void dotenv_is_read_and_the_environment_wins(void **state)
{
    struct project p;

    (void)state;
    setenv("TEST_BOTH", "environment", 1);
    begin(&p,
          "\"${TEST_PLAIN}|${TEST_SINGLE}|${TEST_DOUBLE}|${TEST_EXPORT}|${TEST_BOTH}|${TEST_TWICE}|${TEST_EMPTY}\"");
    project_write(&p, ".env",
                  "# a comment\n\n"
                  "TEST_PLAIN=plain value # not this\r\n"
                  "TEST_SINGLE='a # $b \\n'\n"
                  "TEST_DOUBLE=\"say \\\"hi\\\"\\tnow\" # comment\n"
                  "  export TEST_EXPORT=x=y\n"
                  "TEST_BOTH=file\n"
                  "TEST_TWICE=1\nTEST_TWICE=2\n"
                  "TEST_EMPTY=");
    project_expect(&p, "");
    assert_string_equal(p.conf->domains[0].description, "plain value|a # $b \\n|say \"hi\"\tnow|x=y|environment|2|");
    project_end(&p);
    unsetenv("TEST_BOTH");
}

static void dotenv_mistakes_do_not_show_values(void **state)
{
    struct project p;

    (void)state;
    begin(&p, "x");
    project_write(&p, ".env", "TEST-NAME=hunter2\nhunter2\nTEST_A=\"hunter2\nTEST_B='hunter2' hunter2\n");
    project_expect(&p, ".env:1:1: not a line of the form NAME=VALUE, where a name is letters, digits and _\n"
                       ".env:2:1: not a line of the form NAME=VALUE, where a name is letters, digits and _\n"
                       ".env:3:8: the closing quote is missing\n"
                       ".env:4:17: nothing may follow the closing quote\n");
    project_end(&p);
}

static void secrets_are_not_in_messages(void **state)
{
    struct project p;

    (void)state;
    setenv("TEST_SECRET", "hunter2canary", 1);
    project_begin(&p);
    project_write(&p, "ingot.yml",
                  "log: ${TEST_SECRET}\nlisten: ${TEST_SECRET}\nprocess: {every: \"${TEST_SECRET}\"}\n"
                  "warehouse: kafka://me:hunter2canary@host/\nlogging: ${TEST_SECRET}\n");
    project_write(&p, "domains/events/domain.yml",
                  "topic: {name: \"a b ${TEST_SECRET}\", key: \"${TEST_SECRET}\"}\nretries: ${TEST_SECRET}\n"
                  "depends_on: [\"${TEST_SECRET}\"]\nsource: {type: \"${TEST_SECRET}\"}\n"
                  "silver: {sql: \"${TEST_SECRET}\"}\n"
                  "contract: {key: \"${TEST_SECRET}\", not_before: \"${TEST_SECRET}\", fields: {id: \"${TEST_SECRET}\","
                  " b: {type: string, pattern: \"[${TEST_SECRET}\"},"
                  " t: {type: string, enum: [a]}, c: {type: int, required_when: {t: [\"${TEST_SECRET}\"]}}}}\n"
                  "gold: {t: {key: x, scope: \"${TEST_SECRET}\", sql: \"../${TEST_SECRET}\"}}\n");
    assert_int_equal(project_load(&p), IG_INVALID);
    assert_true(p.problems.n >= 17);
    for (size_t i = 0; i < p.problems.n; i++)
        if (strstr(p.problems.p[i].text, "hunter2"))
            fail_msg("%s:%d: %s", p.problems.p[i].file, p.problems.p[i].line, p.problems.p[i].text);
    assert_null(strstr(p.err.msg, "hunter2"));
    project_end(&p);
    unsetenv("TEST_SECRET");
}

static void expect_masked(const char *text, const char *masked)
{
    struct buf out;

    buf_init(&out, 0);
    conf_add_masked(&out, text);
    assert_string_equal(buf_cstr(&out), masked);
    buf_release(&out);
}

static void passwords_in_urls_are_masked(void **state)
{
    (void)state;
    expect_masked("file:/srv/lake", "file:/srv/lake");
    expect_masked("kafka://host:9092", "kafka://host:9092");
    expect_masked("kafka://me:pw@host:9092,h2:1", "kafka://***@host:9092,h2:1");
    expect_masked("kafka://me:p@w/x?y@host", "kafka://***@host");
    expect_masked("kafka://h:1?sasl.username=me&sasl.password=pw&client.id=x",
                  "kafka://h:1?sasl.username=me&sasl.password=***&client.id=x");
    expect_masked("kafka://me:pw@h:1?SSL.KEY.PASSWORD=pw", "kafka://***@h:1?SSL.KEY.PASSWORD=***");
    expect_masked("connect postgres://a:b@h/d and http://t@x/ now", "connect postgres://***@h/d and http://***@x/ now");
}

static void what_is_printed_can_be_loaded_again(void **state)
{
    struct project p;
    struct buf first, second;

    (void)state;
    setenv("TEST_SECRET", "hunter2canary", 1);
    setenv("TEST_SCOPE", "table", 1);
    project_begin(&p);
    project_write(&p, "ingot.yml",
                  "name: \"a: ${TEST_SECRET}\"\nlog: kafka://h:1?sasl.password=${TEST_SECRET}\n"
                  "listen: '[::1]:0'\nresources: {memory: 100MB}\nprocess: {every: 90s}\nlogging: json\n"
                  "warehouse: none\n");
    project_write(&p, "domains/zones/domain.yml",
                  "source: {type: file, path: [a.csv, \"${TEST_SECRET}.csv\"], 'null': 'null', "
                  "sql: s.sql, rate: 90/min, reread: true}\n"
                  "contract: {fields: {id: {type: int, lenient: false}, b: bool}}\n");
    project_write(&p, "domains/zones/s.sql", "SELECT 1");
    project_write(
        &p, "domains/events/domain.yml",
        "description: \"tab\\t, ${TEST_SECRET}, $${NOT}, $$$$, 'quotes', \\\"more\\\", {a: b}, é\"\n"
        "source: {type: generate, generator: orders, rate: max, count: 5, late: 0.1%, start: '2024-01-15'}\n"
        "topic: {name: 'raw.${TEST_SECRET}', retention: 36h, key: k}\n"
        "contract:\n  key: [id, \"${TEST_ID:-k}\"]\n  event_time: at\n  order_by: at\n  unique: table\n"
        "  not_before: \"${TEST_DATE:-2020-02-03}\"\n  max_future: 90m\n  fields:\n"
        "    id: {type: string, pattern: '^[a-z]{1,3}$', enum: ['null', 'yes', '1', 'a: b', '${TEST_SECRET}']}\n"
        "    k: {type: \"decimal(12,4)\", min: -0.5, max: 1e12, path: a.b, lenient: true}\n"
        "    at: {type: timestamp, unit: us, required: true}\n"
        "    x: {type: int, required_when: {id: ['yes', 'null']}}\n"
        "    n: list<list<date>>\n"
        "    s: {type: list, items: {type: struct, fields: {q: int, r: {type: \"${TEST_T:-double}\"}}}}\n"
        "depends_on: [zones]\n"
        "gold: {g: {key: [x, \"${TEST_ID:-k}\"], scope: \"${TEST_SCOPE}\", sql: q/g.sql}}\n"
        "bronze: {partition_by: day, flush_interval: 1500ms}\nretries: 0\n");
    project_write(&p, "domains/events/silver.sql", "SELECT 1");
    project_write(&p, "domains/events/q/g.sql", "SELECT 1");
    buf_init(&first, 0);
    buf_init(&second, 0);
    project_expect(&p, "");
    conf_print(p.conf, &first);
    assert_null(strstr(buf_cstr(&first), "hunter2"));
    project_write_printed(&p, buf_cstr(&first));
    project_expect(&p, "");
    conf_print(p.conf, &second);
    assert_string_equal(buf_cstr(&first), buf_cstr(&second));
    assert_string_equal(conf_domain(p.conf, STR("events"))->description,
                        "tab\t, hunter2canary, ${NOT}, $$, 'quotes', \"more\", {a: b}, é");
    assert_string_equal(conf_domain(p.conf, STR("events"))->topic.name, "raw.hunter2canary");
    assert_non_null(strstr(conf_domain(p.conf, STR("zones"))->source.paths[1], "/hunter2canary.csv"));
    assert_true(conf_domain(p.conf, STR("events"))->gold[0].whole_table);
    assert_string_equal(p.conf->log_url, "kafka://h:1?sasl.password=hunter2canary");
    buf_release(&first);
    buf_release(&second);
    project_end(&p);
    unsetenv("TEST_SECRET");
    unsetenv("TEST_SCOPE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_never_changes_the_structure),
        cmocka_unit_test(defaults_and_escapes),
        cmocka_unit_test(a_wrong_variable_is_named_where_it_stands),
        cmocka_unit_test(keys_are_not_replaced),
        cmocka_unit_test(values_of_every_kind_may_be_variables),
        cmocka_unit_test(dotenv_is_read_and_the_environment_wins),
        cmocka_unit_test(dotenv_mistakes_do_not_show_values),
        cmocka_unit_test(secrets_are_not_in_messages),
        cmocka_unit_test(passwords_in_urls_are_masked),
        cmocka_unit_test(what_is_printed_can_be_loaded_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
