/* Option tables: every form in which a value can be given, and what is said about the rest. */
#include "cli/terminal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct fruit_options {
    bool ripe, sweet;
    const char *colour;
    struct cli_list names;
    int64_t count;
    int32_t date;
};

static const struct cli_option fruit_table[] = {
    {"ripe", 'r', NULL, "only ripe ones", CLI_FLAG, offsetof(struct fruit_options, ripe)},
    {"sweet", 's', NULL, "only sweet ones", CLI_FLAG, offsetof(struct fruit_options, sweet)},
    {"colour", 'c', "COLOUR", "only of this colour", CLI_TEXT, offsetof(struct fruit_options, colour)},
    {"name", 'n', "NAME", "only these", CLI_LIST, offsetof(struct fruit_options, names)},
    {"count", 0, "N", "how many", CLI_NUMBER, offsetof(struct fruit_options, count)},
    {"date", 'd', "DATE", "of this day", CLI_DATE, offsetof(struct fruit_options, date)},
};

static int run_fruit(struct cli_context *c, const void *options)
{
    (void)c;
    (void)options;
    return CLI_OK;
}

static const struct cli_verb fruit = {
    .name = "fruit",
    .summary = "Pick fruit",
    .options = fruit_table,
    .n_options = IG_COUNT(fruit_table),
    .options_size = sizeof(struct fruit_options),
    .run = run_fruit,
};

static int parse(struct terminal *t, const char *words, struct fruit_options *o)
{
    char *text = arena_strdup(&t->c.arena, words), *argv[32], *rest = NULL;
    int argc = 0;

    terminal_clear(t);
    *o = (struct fruit_options){0};
    for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        argv[argc++] = word;
    t->c.verb = &fruit;
    return cli_parse_options(&t->c, &fruit, argc, argv, o);
}

static void values_come_in_every_usual_form(void **state)
{
    struct fruit_options o;
    struct terminal t;

    (void)state;
    terminal_begin(&t);
    assert_int_equal(parse(&t, "", &o), CLI_OK);
    assert_false(o.ripe);
    assert_null(o.colour);
    assert_int_equal(o.count, CLI_NUMBER_NONE);
    assert_int_equal(o.date, DATE_NONE);
    assert_int_equal(o.names.n, 0);
    assert_int_equal(parse(&t, "-rs -cred a --count 7 b --date=2024-01-15 -- --ripe -x -", &o), CLI_OK);
    assert_true(o.ripe && o.sweet);
    assert_string_equal(o.colour, "red");
    assert_int_equal(o.count, 7);
    assert_int_equal(o.date, date_of_civil(2024, 1, 15));
    assert_int_equal(t.c.n_args, 5);
    assert_string_equal(t.c.args[1], "b");
    assert_string_equal(t.c.args[2], "--ripe");
    assert_int_equal(parse(&t, "-c red --colour=blue -", &o), CLI_OK); /* the last one counts */
    assert_string_equal(o.colour, "blue");
    assert_string_equal(t.c.args[0], "-");
    assert_int_equal(parse(&t, "--colour=", &o), CLI_OK);
    assert_string_equal(o.colour, "");
    assert_int_equal(parse(&t, "--name a,b -n c --name=,d,", &o), CLI_OK);
    assert_int_equal(o.names.n, 4);
    assert_string_equal(o.names.p[2], "c");
    assert_string_equal(o.names.p[3], "d");
    terminal_end(&t);
}

static void global_options_are_taken_behind_the_verb_too(void **state)
{
    struct fruit_options o;
    struct terminal t;

    (void)state;
    terminal_begin(&t);
    assert_int_equal(parse(&t, "-C /x --json -q --ripe", &o), CLI_OK);
    assert_string_equal(t.c.global.project, "/x");
    assert_true(t.c.global.json && t.c.global.quiet && o.ripe);
    terminal_end(&t);
}

static void expect_usage(struct terminal *t, const char *words, const char *message)
{
    struct fruit_options o;
    char wanted[256];

    assert_int_equal(parse(t, words, &o), CLI_USAGE);
    snprintf(wanted, sizeof(wanted), "ingot: %s\nTry 'ingot help fruit'.\n", message);
    assert_string_equal(terminal_err(t), wanted);
}

static void mistakes_are_named(void **state)
{
    struct terminal t;

    (void)state;
    terminal_begin(&t);
    expect_usage(&t, "--rype", "there is no option '--rype'; did you mean '--ripe'?");
    expect_usage(&t, "--color red", "there is no option '--color'; did you mean '--colour'?");
    expect_usage(&t, "--jsno", "there is no option '--jsno'; did you mean '--json'?");
    expect_usage(&t, "--wibble", "there is no option '--wibble'");
    expect_usage(&t, "-rx", "there is no option '-x'");
    expect_usage(&t, "--ripe=yes", "--ripe takes no value");
    expect_usage(&t, "--colour", "--colour needs COLOUR");
    expect_usage(&t, "-c", "-c needs COLOUR");
    expect_usage(&t, "--count -3", "--count is a whole number, not '-3'");
    expect_usage(&t, "--count many", "--count is a whole number, not 'many'");
    expect_usage(&t, "--date 2024-02-30", "--date is a date like 2024-01-15, not '2024-02-30'");
    terminal_end(&t);
}

static void help_comes_from_the_table(void **state)
{
    struct terminal t;

    (void)state;
    terminal_begin(&t);
    cli_print_verb_help(&t.c, &fruit, t.c.out);
    assert_non_null(strstr(terminal_out(&t), "Pick fruit\n\nUsage: ingot fruit [OPTIONS]\n"));
    assert_non_null(strstr(terminal_out(&t), "  -c, --colour COLOUR        only of this colour\n"));
    assert_non_null(strstr(terminal_out(&t), "      --count N              how many\n"));
    assert_non_null(strstr(terminal_out(&t), "  -C, --project DIR"));
    terminal_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_in_every_usual_form),
        cmocka_unit_test(global_options_are_taken_behind_the_verb_too),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(help_comes_from_the_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
