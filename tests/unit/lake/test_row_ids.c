/* Row tracking: a row keeps its id, and the version that made or changed it last, wherever it is written to. */
#include "lake/fixture.h"
#include "lake/lake_internal.h"

#include <stdio.h>
#include <stdlib.h>

/* "i:id@version" of each row, by i. */
static void assert_ids(struct fixture *f, const char *want)
{
    char line[600];

    snprintf(line, sizeof(line), "{\"x\":\"%s\"}\n", want);
    assert_answer(
        f,
        "rows t | | SELECT string_agg(i || ':' || _ingot_row_id || '@' || _ingot_row_version, ' ' ORDER BY i) "
        "AS x FROM t",
        line);
}

static void update(struct fixture *f, const char *column, const char *value, const char *where)
{
    const struct lake_set set = {column, value};

    if (lake_update(f->t, NULL, &set, 1, where, NULL, NULL, &f->err))
        fail_msg("%s", f->err.msg);
}

static void delete(struct fixture *f, const char *where)
{
    if (lake_delete(f->t, NULL, where, NULL, NULL, &f->err))
        fail_msg("%s", f->err.msg);
}

static void optimize(struct fixture *f, const char *by)
{
    const struct lake_optimize o = {.zorder_by = &by, .n_zorder_by = by ? 1 : 0, .full = true};
    struct lake_optimized out;

    if (lake_optimize(f->t, &o, &out, &f->err))
        fail_msg("%s", f->err.msg);
    assert_int_equal(out.commits, 1);
}

#define SIX_ROWS "SELECT i::BIGINT AS i, 'a' || i AS s, (i % 2)::INTEGER AS p FROM range(6) t(i)"
#define SIX "append t | | " SIX_ROWS

/* The inserted row gets the next id behind those that the commits before have used up for rows that kept theirs. */
static void rows_keep_their_ids_in(struct fixture *f, const char *properties, const char *at_last)
{
    char line[400];

    snprintf(
        line, sizeof(line),
        "make t | SELECT 1::BIGINT AS i, 'x' AS s, 1 AS p | {\"properties\":{\"delta.enableRowTracking\":\"true\"%s}}",
        properties);
    run(f, line);
    run(f, SIX);
    assert_ids(f, "0:0@1 1:1@1 2:2@1 3:3@1 4:4@1 5:5@1");
    update(f, "s", "'u'", "i = 2");
    assert_ids(f, "0:0@1 1:1@1 2:2@2 3:3@1 4:4@1 5:5@1");
    delete (f, "i = 0");
    run(f, "merge t | i | | SELECT 3::BIGINT AS i, 'm' AS s, 1 AS p UNION ALL SELECT 9, 'n', 1");
    assert_ids(f, at_last);
}

static void ids_stay_through_changes_and_optimize(void **state)
{
    struct fixture *f = *state;

    rows_keep_their_ids_in(f, "", "1:1@1 2:2@2 3:3@4 4:4@1 5:5@1 9:22@4");
    optimize(f, NULL);
    assert_ids(f, "1:1@1 2:2@2 3:3@4 4:4@1 5:5@1 9:22@4");
    optimize(f, "s");
    assert_ids(f, "1:1@1 2:2@2 3:3@4 4:4@1 5:5@1 9:22@4");
    assert_answer(f, "scan t | | SELECT * FROM t WHERE i = 9", "{\"i\":9,\"s\":\"n\",\"p\":1}\n");
}

static void ids_stay_in_a_table_with_deletion_vectors(void **state)
{
    struct fixture *f = *state;
    char line[] = "rows t | | SELECT count(DISTINCT _ingot_row_id) AS n, max(_ingot_row_version) AS v FROM t";

    run(f, "make t | SELECT 1::BIGINT AS i, 'x' AS s, 1 AS p | {\"properties\":{\"delta.enableRowTracking\":\"true\","
           "\"delta.enableDeletionVectors\":\"true\"}}");
    run(f, SIX);
    update(f, "s", "'u'", "i = 2");
    assert_ids(f, "0:0@1 1:1@1 2:2@2 3:3@1 4:4@1 5:5@1");
    update(f, "s", "'v'", "i = 2 OR i = 4");
    assert_ids(f, "0:0@1 1:1@1 2:2@3 3:3@1 4:4@3 5:5@1");
    delete (f, "i = 1");
    optimize(f, NULL);
    assert_ids(f, "0:0@1 2:2@3 3:3@1 4:4@3 5:5@1");
    assert_answer(f, line, "{\"n\":5,\"v\":3}\n");
}

static void ids_stay_under_mapped_columns(void **state)
{
    rows_keep_their_ids_in(*state, ",\"delta.columnMapping.mode\":\"name\",\"delta.enableChangeDataFeed\":\"true\"",
                           "1:1@1 2:2@2 3:3@4 4:4@1 5:5@1 9:20@4");
}

static void a_row_that_moves_to_another_partition_is_the_same(void **state)
{
    struct fixture *f = *state;

    run(f, "make t | SELECT 1::BIGINT AS i, 'x' AS s, 1 AS p | "
           "{\"partition_by\":[\"p\"],\"properties\":{\"delta.enableRowTracking\":\"true\"}}");
    run(f, SIX);
    run(f, "sql CREATE TEMP TABLE before AS SELECT 1");
    update(f, "p", "7", "i = 3");
    assert_answer(f,
                  "rows t | | SELECT p, _ingot_row_version AS v, count(*) AS n, count(DISTINCT _ingot_row_id) AS ids, "
                  "max(_ingot_row_id) < 6 AS old FROM t GROUP BY ALL ORDER BY ALL",
                  "{\"p\":0,\"v\":1,\"n\":3,\"ids\":3,\"old\":true}\n{\"p\":1,\"v\":1,\"n\":2,\"ids\":2,\"old\":true}\n"
                  "{\"p\":7,\"v\":2,\"n\":1,\"ids\":1,\"old\":true}\n");
}

static void files_without_ids_get_them_when_it_is_turned_on(void **state)
{
    struct fixture *f = *state;

    run(f, "make t | SELECT 1::BIGINT AS i, 'x' AS s, 1 AS p");
    run(f, SIX);
    run(f, "append t | | SELECT 7::BIGINT AS i, 'b' AS s, 1 AS p");
    assert_int_equal(script_run(&f->s, "rows t", NULL, &f->err), IG_INVALID);
    run(f, "alter t | {\"alter\":\"set\",\"properties\":{\"delta.enableRowTracking\":\"true\"}}");
    assert_answer(f,
                  "rows t | | SELECT count(*) AS n, count(DISTINCT _ingot_row_id) AS ids, max(_ingot_row_id) AS high, "
                  "min(_ingot_row_version) AS v FROM t",
                  "{\"n\":7,\"ids\":7,\"high\":6,\"v\":3}\n");
    run(f, "append t | | SELECT 8::BIGINT AS i, 'c' AS s, 1 AS p");
    assert_answer(f, "rows t | | SELECT _ingot_row_id AS id, _ingot_row_version AS v FROM t WHERE i = 8",
                  "{\"id\":7,\"v\":4}\n");
    run(f, "alter t | {\"alter\":\"set\",\"properties\":{\"delta.enableRowTracking\":\"true\"}}");
    assert_answer(f, "rows t | | SELECT count(DISTINCT _ingot_row_id) AS ids FROM t", "{\"ids\":8}\n");
}

/* A commit of a writer that makes no statistics. */
static void append_without_statistics(struct fixture *f, const char *select)
{
    struct lake_change change = {.scope = LAKE_READ_NOTHING, .operation = "WRITE"};
    struct lake_new_files files = {0};
    struct lake_snapshot *s = NULL;
    int64_t version;
    enum ig_code rc = lake_snapshot_latest(f->t, &s, &f->err);

    if (!rc)
        rc = lake_write_files(f->t, s, select, NULL, &files, &f->err);
    for (size_t i = 0; i < files.list.n; i++) {
        free(files.list.p[i].stats);
        files.list.p[i].stats = NULL;
    }
    change.base = s;
    if (lake_finish_change(f->t, &change, &files, rc, &version, &f->err))
        fail_msg("%s", f->err.msg);
    lake_new_files_free(&files);
    lake_snapshot_free(s);
}

static void restored_files_without_statistics_get_an_id_for_each_row(void **state)
{
    const struct lake_restore to = {.version = 2};
    struct lake_restored out;
    struct fixture *f = *state;

    run(f, "make t | SELECT 1::BIGINT AS i, 'x' AS s, 1 AS p");
    append_without_statistics(f, SIX_ROWS);
    append_without_statistics(f, SIX_ROWS);
    delete (f, NULL);
    run(f, "alter t | {\"alter\":\"set\",\"properties\":{\"delta.enableRowTracking\":\"true\"}}");
    run(f, SIX);
    if (lake_restore(f->t, &to, &out, &f->err))
        fail_msg("%s", f->err.msg);
    run(f, "alter t | {\"alter\":\"set\",\"properties\":{\"delta.enableRowTracking\":\"true\"}}");
    assert_answer(f,
                  "rows t | | SELECT count(DISTINCT _ingot_row_id) AS ids, min(_ingot_row_id) AS low, "
                  "max(_ingot_row_id) AS high FROM t",
                  "{\"ids\":12,\"low\":6,\"high\":17}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ids_stay_through_changes_and_optimize, fixture_setup_table, fixture_teardown),
        cmocka_unit_test_setup_teardown(ids_stay_in_a_table_with_deletion_vectors, fixture_setup_table,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(ids_stay_under_mapped_columns, fixture_setup_table, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_row_that_moves_to_another_partition_is_the_same, fixture_setup_table,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(files_without_ids_get_them_when_it_is_turned_on, fixture_setup_table,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(restored_files_without_statistics_get_an_id_for_each_row, fixture_setup_table,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
