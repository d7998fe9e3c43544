/* What commands print: tables, errors, and numbers for people. */
#include "cli/terminal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct cli_column columns[] = {
    {"Domain", CLI_LEFT},
    {"Rows read", CLI_NUMERIC},
    {"State", CLI_LEFT},
};

static void fill(struct cli_table *t)
{
    cli_table_init(t, columns, IG_COUNT(columns));
    cli_table_cell(t, "orders");
    cli_table_cell(t, "%s", "1,234,567");
    cli_table_cell(t, "DONE");
    cli_table_cell(t, "cafés");
    cli_table_cell(t, "%s", "");
    cli_table_cell(t, "say \"hi\"");
}

static void a_table_is_aligned_for_people(void **state)
{
    struct terminal t;
    struct cli_table table;

    (void)state;
    terminal_begin(&t);
    fill(&table);
    cli_table_print(&t.c, &table);
    assert_string_equal(terminal_out(&t), "Domain  Rows read  State\n"
                                          "orders  1,234,567  DONE\n"
                                          "cafés              say \"hi\"\n");
    terminal_end(&t);
}

static void a_table_is_json_for_programs(void **state)
{
    struct terminal t;
    struct cli_table table;

    (void)state;
    terminal_begin(&t);
    t.c.global.json = true;
    fill(&table);
    cli_table_print(&t.c, &table);
    assert_string_equal(terminal_out(&t), "{\"domain\":\"orders\",\"rows_read\":1234567,\"state\":\"DONE\"}\n"
                                          "{\"domain\":\"cafés\",\"rows_read\":null,\"state\":\"say \\\"hi\\\"\"}\n");
    terminal_end(&t);
}

static void a_long_cell_is_whole(void **state)
{
    struct terminal t;
    struct cli_table table;
    char text[5000];

    (void)state;
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = 0;
    terminal_begin(&t);
    cli_table_init(&table, columns, 1);
    cli_table_cell(&table, "%s", text);
    cli_table_print(&t.c, &table);
    assert_int_equal(strlen(terminal_out(&t)), strlen("Domain\n") + 4999 + 1);
    terminal_end(&t);
}

static void errors_and_notes(void **state)
{
    struct terminal t;
    struct error err;

    (void)state;
    terminal_begin(&t);
    error_set(&err, IG_NOT_FOUND, "table \"x\": no such thing");
    assert_int_equal(cli_error(&t.c, &err), CLI_FAILED);
    assert_int_equal(cli_errorf(&t.c, "%d things", 3), CLI_FAILED);
    cli_note(&t.c, "by the way");
    assert_string_equal(terminal_err(&t), "ingot: table \"x\": no such thing\ningot: 3 things\nby the way\n");
    terminal_clear(&t);
    t.c.global.json = true;
    cli_error(&t.c, &err);
    cli_note(&t.c, "by the way");
    assert_string_equal(terminal_err(&t), "{\"error\":\"table \\\"x\\\": no such thing\",\"code\":\"NOT_FOUND\"}\n");
    terminal_clear(&t);
    t.c.global = (struct cli_global){.quiet = true};
    cli_note(&t.c, "by the way");
    assert_string_equal(terminal_err(&t), "");
    terminal_end(&t);
}

static void progress_is_for_terminals_only(void **state)
{
    struct cli_progress p;
    struct terminal t;

    (void)state;
    terminal_begin(&t);
    cli_progress_begin(&t.c, &p);
    cli_progress_hop(&p, "bronze", "orders", 10, 100, 1000000);
    cli_progress_end(&p);
    assert_string_equal(terminal_err(&t), "");
    p.on_terminal = true;
    cli_progress_hop(&p, "bronze", "orders", 1000, 4000, 2000000);
    cli_progress_hop(&p, "bronze", "orders", 1001, 4000, 2000000); /* too soon to draw again */
    assert_string_equal(terminal_err(&t), "\rbronze   orders                1,000 of 4,000 (25%)  500/s  6.0 s left");
    cli_progress_end(&p);
    assert_int_equal(terminal_err(&t)[t.n_err - 1], '\r');
    terminal_end(&t);
}

static void numbers_for_people(void **state)
{
    char text[32];

    (void)state;
    assert_string_equal(cli_format_count(0, text), "0");
    assert_string_equal(cli_format_count(999, text), "999");
    assert_string_equal(cli_format_count(1000, text), "1,000");
    assert_string_equal(cli_format_count(-1234567, text), "-1,234,567");
    assert_string_equal(cli_format_count(-123, text), "-123");
    assert_string_equal(cli_format_count(INT64_MIN, text), "-9,223,372,036,854,775,808");
    assert_string_equal(cli_format_bytes(999, text), "999 B");
    assert_string_equal(cli_format_bytes(1500, text), "1.5 kB");
    assert_string_equal(cli_format_bytes(INT64_C(12345678901), text), "12.3 GB");
    assert_string_equal(cli_format_duration(999, text), "999 us");
    assert_string_equal(cli_format_duration(12345, text), "12 ms");
    assert_string_equal(cli_format_duration(1234567, text), "1.2 s");
    assert_string_equal(cli_format_duration(INT64_C(184000000), text), "3 min 04 s");
    assert_string_equal(cli_format_duration(INT64_C(7500) * 1000000, text), "2 h 05 min");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_is_aligned_for_people),  cmocka_unit_test(a_table_is_json_for_programs),
        cmocka_unit_test(a_long_cell_is_whole),           cmocka_unit_test(errors_and_notes),
        cmocka_unit_test(progress_is_for_terminals_only), cmocka_unit_test(numbers_for_people),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
