/* Which files a predicate leaves, and that no row is lost by it. */
#include "lake/fixture.h"
#include "lake/read/predicate.h"

/* Ten files: id 10k to 10k + 9, each with one null. */
static void make_table(struct fixture *f, const char *partitions)
{
    struct buf out;

    buf_init(&out, 0);
    for (int k = -1; k < 10; k++)
        answer(f, &out,
               "%s t | %s | SELECT CASE WHEN i = 5 THEN NULL ELSE %d + i END::INTEGER AS id, (%d + i)::BIGINT AS big, "
               "'v' || (%d + i)::VARCHAR AS text, ((%d + i) / 2)::DOUBLE AS dbl, ((%d + i) * 1.5)::DECIMAL(12,2) AS "
               "amount, "
               "DATE '2024-01-01' + %d AS day, TIMESTAMPTZ '2024-01-01 00:00:00.0005+00' + to_days(%d) AS moment, "
               "%d = 3 AS flag, {'Ab': %d + i, 'n': NULL::VARCHAR} AS s, CASE WHEN %d = 7 THEN NULL ELSE 'p%d' END AS "
               "part, "
               "repeat('w', 40) || %d AS long_text FROM range(10) t(i)",
               k < 0 ? "create" : "append", k < 0 ? partitions : "", k * 10, k * 10, 100 + k * 10, k * 10, k * 10, k, k,
               k, k * 10, k, k, k);
    buf_release(&out);
}

static void assert_kept(struct fixture *f, const char *predicate, int files, int rows)
{
    char want[100];
    struct buf out;

    buf_init(&out, 0);
    answer(f, &out, "where t | %s |", predicate);
    snprintf(want, sizeof(want), "{\"files\":10,\"kept\":%d,\"n\":%d}\n", files, rows);
    if (strcmp(want, buf_cstr(&out)) != 0)
        fail_msg("%s: %swant %s", predicate, buf_cstr(&out), want);
    buf_release(&out);
}

static void files_that_cannot_match_are_left_out(void **state)
{
    static const struct {
        const char *predicate;
        int files, rows;
    } cases[] = {
        {"id = 42", 1, 1},
        {"42 = id", 1, 1},
        {"id < 10", 1, 9},
        {"id <= 10", 2, 10},
        {"10 > id", 1, 9},
        {"id > 98", 1, 1},
        {"id >= 89", 2, 10},
        {"id BETWEEN 12 AND 13", 1, 2},
        {"id NOT BETWEEN 10 AND 99", 1, 9},
        {"id IN (3, 14, 15)", 2, 2},
        {"id IN (3, 1000)", 1, 1},
        {"id IN (1000, 42, NULL, 42, -7)", 1, 1},
        {"id IN (1000, NULL)", 0, 0},
        {"id IN (42, 40 + 3)", 10, 2},
        {"id NOT IN (42, 43)", 10, 88},
        {"text IN ('v19', 'v1420', 'v142', 'w')", 1, 1},
        {"dbl IN (21, 1000)", 1, 1},
        {"amount IN (63, 62.9)", 1, 1},
        {"day IN ('2024-01-03', DATE '2024-02-01')", 1, 10},
        {"day NOT IN ('2024-01-03', '2024-01-04')", 8, 80},
        {"moment IN ('2024-01-03 00:00:00.0005Z', '2030-01-01 00:00:00Z')", 1, 10},
        {"flag IN (true, NULL)", 10, 10},
        {"id = 1000", 0, 0},
        {"id = NULL", 0, 0},
        {"id IS NULL", 10, 10},
        {"big IS NULL", 0, 0},
        {"big IS NOT NULL", 10, 100},
        {"id IS NOT DISTINCT FROM 42", 1, 1},
        {"NOT (id >= 10)", 1, 9},
        {"NOT id >= 10", 1, 9},
        {"id = 42 OR id = 77", 2, 2},
        {"id = 42 AND big = 42", 1, 1},
        {"id = 42 AND big = 52", 0, 0},
        {"id = 42 AND abs(big) = 42", 1, 1},
        {"abs(big) = 42 AND id = 42", 1, 1},
        {"id = 42 OR abs(big) = 52", 10, 2},
        {"(id = 42 OR id = 43) AND NOT (text = 'x')", 1, 2},
        {"id + 0 = 42", 10, 1},
        {"id = 40 + 2", 10, 1},
        {"id = '42'", 1, 1},
        {"id = 42::BIGINT", 1, 1},
        {"id = CAST('42' AS INTEGER)", 1, 1},
        {"id < 9.5", 1, 9},
        {"id > 1e2", 0, 0},
        {"id = -1", 0, 0},
        {"\"ID\" = 42", 1, 1},
        {"text = 'v142'", 1, 1},
        {"text LIKE 'v14%'", 1, 10},
        {"text LIKE '%14%'", 10, 11},
        {"text > 'v19'", 1, 10},
        {"dbl = 21", 1, 1},
        {"dbl < 1", 1, 2},
        {"dbl > 1000", 10, 0}, /* a NaN would be greater */
        {"amount = 63", 1, 1},
        {"amount BETWEEN 62.9 AND 63.1", 1, 1},
        {"day = '2024-01-03'", 1, 10},
        {"day >= DATE '2024-01-09'", 2, 20},
        {"day = CAST('2024-01-03' AS DATE)", 1, 10},
        {"moment = TIMESTAMPTZ '2024-01-03 00:00:00.0005+00'", 1, 10},
        {"moment > '2024-01-09 00:00:00Z'", 2, 20},
        {"moment >= TIMESTAMP '2024-01-09 12:00:00'", 2, 10}, /* in some time zone midnight is later */
        {"flag", 10, 10},
        {"s.\"ab\" = 42", 1, 1},
        {"s.n IS NULL", 10, 100},
        {"s.n IS NOT NULL", 0, 0},
        {"long_text = concat(repeat('w', 40), 3)", 10, 10},
        {"long_text >= 'wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww9'", 10, 10},
        {"long_text > 'x'", 0, 0},
        {"part = 'p3'", 1, 10},
        {"part IS NULL", 1, 10},
        {"CASE WHEN id = 1 AND big = 1 THEN true ELSE id = 55 END", 10, 1},
    };
    struct fixture *f = *state;

    make_table(f, "");
    for (size_t i = 0; i < IG_COUNT(cases); i++)
        assert_kept(f, cases[i].predicate, cases[i].files, cases[i].rows);
}

static void partitions_are_left_out_exactly(void **state)
{
    struct fixture *f = *state;

    make_table(f, "part,day");
    assert_kept(f, "part = 'p3'", 1, 10);
    assert_kept(f, "part <> 'p3'", 8, 80);
    assert_kept(f, "part IS NULL", 1, 10);
    assert_kept(f, "part IS NOT NULL AND day > '2024-01-08'", 2, 20);
    assert_kept(f, "part IN ('p1', 'p2') OR day = DATE '2024-01-08'", 3, 30);
    assert_kept(f, "part IS DISTINCT FROM 'p3'", 9, 90);
    assert_kept(f, "part LIKE 'p3%' AND id > 35", 1, 4);
    assert_kept(f, "day = '2025-01-01'", 0, 0);
}

/* Maxima of texts that other engines cut: U+10FFFF, U+FFFD, or half a character's question mark for the rest. */
static void cut_texts_hold_all_that_begins_with_them(void **state)
{
    static const struct {
        const char *max, *where;
        bool kept;
    } cases[] = {
        {"xx\xf4\x8f\xbf\xbf", "text = 'xx\xf0\x9f\x98\x80'", true},
        {"xx\xef\xbf\xbd", "text = 'xx\xf0\x9f\x98\x80'", true},
        {"xx\xef\xbf\xbd", "text >= 'xx\xef\xbf\xbf'", true},
        {"xx\xef\xbf\xbd", "text LIKE 'xx\xf0\x9f\x98\x80%'", true},
        {"xx?\xef\xbf\xbd", "text = 'xx\xf0\x9f\x98\x80'", true},
        {"xx\xef\xbf\xbd", "text >= 'xy'", false},
        {"xx", "text = 'xx\xf0\x9f\x98\x80'", false},
    };
    struct fixture *f = *state;
    struct lake_snapshot *s = NULL;
    struct lake_table *t = NULL;
    struct arena arena;
    struct buf out;

    buf_init(&out, 0);
    arena_init(&arena);
    answer(f, &out, "create t |  | SELECT 'a' AS text");
    assert_int_equal(lake_open(f->s.store, f->s.conn, "t", &t, &f->err), IG_OK);
    assert_int_equal(lake_snapshot_open(t, LAKE_LATEST, &s, &f->err), IG_OK);
    for (size_t i = 0; i < IG_COUNT(cases); i++) {
        const struct predicate *p = predicate_parse(&arena, s, cases[i].where);
        unsigned got;

        buf_clear(&out);
        buf_printf(&out,
                   "{\"numRecords\":2,\"minValues\":{\"text\":\"a\"},\"maxValues\":{\"text\":\"%s\"},"
                   "\"nullCount\":{\"text\":0}}",
                   cases[i].max);
        got = predicate_outcomes_of_stats(p, &s->entries.p[0], buf_str(&out));
        if (cases[i].kept != ((got & PREDICATE_MAY_BE_TRUE) != 0))
            fail_msg("%zu: %s with a maximum of %s", i, cases[i].where, cases[i].max);
    }
    lake_snapshot_free(s);
    lake_close(t);
    arena_release(&arena);
    buf_release(&out);
}

/* Lists of keys are written by programs: 30,000 of them are no reason to run out of stack. */
static void long_lists_are_read(void **state)
{
    struct fixture *f = *state;
    struct buf in, out;

    make_table(f, "");
    buf_init(&in, 0);
    buf_init(&out, 0);
    buf_puts(&in, "where t | id IN (");
    for (int i = 0; i < 30000; i++)
        buf_printf(&in, "%s%d", i ? ", " : "", 96 + i);
    buf_puts(&in, ") |");
    if (script_run(&f->s, buf_cstr(&in), &out, &f->err))
        fail_msg("%s", f->err.msg);
    assert_string_equal(buf_cstr(&out), "{\"files\":10,\"kept\":1,\"n\":4}\n");
    buf_release(&out);
    buf_release(&in);
}

/* Predicates put together at random give the same rows with and without files left out. */
static void no_row_is_lost(void **state)
{
    static const char *const parts[] = {
        "id = 42",
        "id < 15",
        "id IS NULL",
        "NOT id > 20",
        "text LIKE 'v1%'",
        "part = 'p3'",
        "part IS NULL",
        "day > '2024-01-05'",
        "amount <= 30",
        "dbl >= 40.5",
        "s.\"ab\" IN (1, 55)",
        "flag",
        "big % 7 = 0",
        "id = NULL",
        "text <> 'v150'",
        "id NOT IN (1, NULL)",
        "id IN (91, 17, 42, 33, NULL)",
        "text NOT IN ('v150', 'v101', 'x')",
        "part NOT IN ('p1', 'p5', 'p9')",
        "part IN ('p2', NULL, 'p0')",
        "dbl IN (1, 20.5, 45)",
        "day NOT IN ('2024-01-02', '2024-01-07')",
        "NOT flag",
        "moment < '2024-01-04 12:00:00Z'",
        "part <> 'p1'",
        "id BETWEEN 20 AND 33",
    };
    struct test_random r = test_random_new();
    struct fixture *f = *state;
    struct buf with, without, predicate;

    buf_init(&with, 0);
    buf_init(&without, 0);
    buf_init(&predicate, 0);
    make_table(f, test_random_below(&r, 2) ? "part" : "");
    for (int i = 0; i < 25; i++) {
        const size_t n = 1 + test_random_below(&r, 4);

        buf_clear(&predicate);
        for (size_t k = 0; k < n; k++)
            buf_printf(&predicate, "%s%s%s%s", k ? (test_random_below(&r, 2) ? " AND " : " OR ") : "",
                       test_random_below(&r, 4) ? "" : "NOT ", parts[test_random_below(&r, IG_COUNT(parts))],
                       k + 1 == n ? "" : " ");
        if (n > 2 && test_random_below(&r, 2)) {
            struct buf nested;

            buf_init(&nested, 0);
            buf_printf(&nested, "NOT (%s) OR id = 77", buf_cstr(&predicate));
            buf_release(&predicate);
            predicate = nested;
        }
        answer(f, &with, "where t | %s | SELECT count(*) AS n, sum(big) AS s FROM t", buf_cstr(&predicate));
        answer(f, &without, "scan t | | SELECT count(*) AS n, sum(big) AS s FROM t WHERE %s", buf_cstr(&predicate));
        if (!str_eq(buf_str(&with), buf_str(&without)))
            fail_msg("%s: %s%s", buf_cstr(&predicate), buf_cstr(&with), buf_cstr(&without));
    }
    buf_release(&predicate);
    buf_release(&without);
    buf_release(&with);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_that_cannot_match_are_left_out, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(partitions_are_left_out_exactly, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(cut_texts_hold_all_that_begins_with_them, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(long_lists_are_read, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(no_row_is_lost, fixture_setup, fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
