/* DELETE, UPDATE, MERGE by clauses and overwriting: which files are touched, and what is refused. */
#include "lake/fixture.h"

static void must(struct fixture *f, enum ig_code rc)
{
    if (rc)
        fail_msg("%s", f->err.msg);
}

static void append(struct fixture *f, const char *select)
{
    const struct lake_insert insert = {.select = select};

    must(f, lake_insert(f->t, &insert, NULL, NULL, &f->err));
}

static void create(struct fixture *f, const struct lake_property *properties, size_t n)
{
    const struct lake_create_options o = {.properties = properties, .n_properties = n};

    must(f, lake_create_table(f->t, "SELECT 1::BIGINT AS id, '' AS v, 1.5::DOUBLE AS x", &o, &f->err));
    append(f, "SELECT i AS id, 'a' AS v, i / 2 FROM range(100) r(i)");
    append(f, "SELECT i AS id, 'b' AS v, NULL FROM range(100, 200) r(i)");
    append(f, "SELECT i AS id, 'c' AS v, NULL FROM range(200, 300) r(i)");
}

static int64_t query(struct fixture *f, const char *select)
{
    struct lake_snapshot *s = NULL;
    struct buf sql;
    int64_t out = 0;

    buf_init(&sql, 0);
    must(f, lake_snapshot_open(f->t, LAKE_LATEST, &s, &f->err));
    buf_puts(&sql, "WITH t AS (FROM ");
    must(f, lake_add_scan(s, NULL, &sql, &f->err));
    buf_printf(&sql, ") SELECT (%s)::BIGINT FROM t", select);
    must(f, engine_query_int64(f->s.conn, buf_cstr(&sql), &out, &f->err));
    lake_snapshot_free(s);
    buf_release(&sql);
    return out;
}

static enum ig_code merge(struct fixture *f, const char *select, const char *on,
                          const struct lake_merge_clause *clauses, size_t n)
{
    const struct lake_merge m = {
        .select = select, .on = on, .target_alias = "t", .source_alias = "s", .clauses = clauses, .n_clauses = n};

    return lake_merge(f->t, &m, NULL, &f->got, &f->err);
}

static enum ig_code destroy(void *ctx, const struct lake_file *file, struct error *err)
{
    struct fixture *f = ctx;
    struct buf stats, name;
    enum ig_code rc = IG_OK;

    buf_init(&stats, 0);
    buf_init(&name, 0);
    lake_file_add_stats(file, &stats);
    buf_printf(&name, "t/%s", file->name);
    if (!strstr(buf_cstr(&stats), "\"v\":\"b\""))
        rc = store_remove(f->s.store, buf_cstr(&name), err);
    buf_release(&name);
    buf_release(&stats);
    return rc;
}

/* The other files are not even there. */
static void files_that_can_hold_no_match_are_not_opened(void **state)
{
    static const struct lake_merge_clause clauses[] = {
        {.when = LAKE_MATCHED, .action = LAKE_UPDATE_ALL},
        {.when = LAKE_NOT_MATCHED, .action = LAKE_INSERT_ALL},
    };
    struct fixture *f = *state;
    struct lake_snapshot *s = NULL;
    const struct lake_set set = {"v", "'u'"};

    create(f, NULL, 0);
    must(f, lake_snapshot_open(f->t, LAKE_LATEST, &s, &f->err));
    must(f, lake_files(s, destroy, f, &f->err));
    lake_snapshot_free(s);
    /* -5 and 1000 are outside of all files, though the source's range spans them */
    must(f, merge(f, "SELECT unnest([-5, 150, 1000]) AS id, 'm' AS v, 1 AS x", "t.id = s.id AND s.v IS NOT NULL",
                  clauses, 2));
    assert_int_equal(f->got.rows_updated, 1);
    assert_int_equal(f->got.rows_inserted, 2);
    assert_int_equal(f->got.files_removed, 1);
    must(f, lake_update(f->t, "q", &set, 1, "q.id BETWEEN 110 AND 119", NULL, &f->got, &f->err));
    assert_int_equal(f->got.rows_updated, 10);
    must(f, lake_delete(f->t, NULL, NULL, NULL, &f->got, &f->err));
    assert_int_equal(f->got.rows_deleted, 302);
    assert_int_equal(f->got.files_added, 0);
}

static void what_changes_nothing_is_no_commit(void **state)
{
    static const struct lake_merge_clause never = {.when = LAKE_MATCHED, .action = LAKE_DELETE, .condition = "NULL"};
    const struct lake_set set = {"v", "'u'"};
    struct fixture *f = *state;

    create(f, NULL, 0);
    must(f, lake_delete(f->t, NULL, "id = 1000 OR x > 1000", NULL, &f->got, &f->err));
    assert_int_equal(f->got.version, 3);
    must(f, lake_update(f->t, NULL, &set, 1, "x IS NULL AND id < 5", NULL, &f->got, &f->err));
    assert_int_equal(f->got.version, 3);
    must(f, merge(f, "SELECT 5 AS id", "t.id = s.id", &never, 1));
    assert_int_equal(f->got.version, 3);
    assert_int_equal(query(f, "count(*)"), 300);
}

static void the_first_clause_that_is_true_decides(void **state)
{
    static const struct lake_set sets[] = {{"v", "s.v || t.v"}, {"x", "s.id + 0.9"}};
    static const struct lake_set values[] = {{"id", "s.id * 10"}, {"v", "DEFAULT"}};
    static const struct lake_set gone[] = {{"v", "'gone'"}};
    static const struct lake_merge_clause clauses[] = {
        {LAKE_MATCHED, LAKE_DELETE, "t.x > 40 AND s.v IS NULL", NULL, 0},
        {LAKE_MATCHED, LAKE_UPDATE, "s.v = 'm'", sets, 2},
        {LAKE_NOT_MATCHED, LAKE_INSERT, "s.id > 5000", values, 2},
        {LAKE_NOT_MATCHED_BY_SOURCE, LAKE_UPDATE, "t.id >= 290", gone, 1},
        {LAKE_NOT_MATCHED_BY_SOURCE, LAKE_DELETE, "t.id >= 280", NULL, 0},
    };
    struct fixture *f = *state;

    create(f, NULL, 0);
    must(f, merge(f,
                  "SELECT * FROM (VALUES (1, 'm'), (2, 'other'), (90, NULL), (91, 'm'), (295, 'm'), (4000, 'n'), "
                  "(6000, 'n')) r(id, v)",
                  "s.id = t.id", clauses, IG_COUNT(clauses)));
    assert_int_equal(f->got.rows_deleted, 1 + 10);
    assert_int_equal(f->got.rows_updated, 3 + 9);
    assert_int_equal(f->got.rows_inserted, 1);
    assert_int_equal(query(f, "count(*)"), 300 - 11 + 1);
    assert_int_equal(query(f, "count(*) FILTER (v = 'gone')"), 9);
    assert_int_equal(query(f, "count(*) FILTER (id = 91 AND v = 'ma' AND x = 91.9)"), 1);
    assert_int_equal(query(f, "count(*) FILTER (id = 60000 AND v IS NULL)"), 1);
}

static void a_deletion_vector_leaves_the_files(void **state)
{
    const struct lake_property on = {"delta.enableDeletionVectors", "true"};
    const struct lake_set set = {"v", "v || '!'"};
    struct fixture *f = *state;

    create(f, &on, 1);
    must(f, lake_delete(f->t, NULL, "id % 100 < 10", NULL, &f->got, &f->err));
    assert_int_equal(f->got.rows_deleted, 30);
    assert_int_equal(f->got.bytes_added, 0);
    must(f, lake_update(f->t, NULL, &set, 1, "id % 100 < 20", NULL, &f->got, &f->err));
    assert_int_equal(f->got.rows_updated, 30);
    assert_int_equal(f->got.rows_copied, 0);
    must(f, lake_delete(f->t, NULL, "id < 100", NULL, &f->got, &f->err));
    assert_int_equal(f->got.rows_deleted, 90);
    assert_int_equal(query(f, "count(*)"), 180);
    assert_int_equal(query(f, "sum(id)"), 110 * 90 + 4005 + 210 * 90 + 4005);
}

static void assert_stored(struct fixture *f, const char *column, const char *want)
{
    struct lake_snapshot *s = NULL;
    struct buf sql, got;

    buf_init(&sql, 0);
    buf_init(&got, 0);
    must(f, lake_snapshot_open(f->t, LAKE_LATEST, &s, &f->err));
    buf_printf(&sql, "SELECT coalesce(%s::VARCHAR, 'null') FROM ", column);
    must(f, lake_add_scan(s, NULL, &sql, &f->err));
    must(f, engine_query_str(f->s.conn, buf_cstr(&sql), &got, &f->err));
    assert_string_equal(buf_cstr(&got), want);
    buf_release(&got);
    buf_release(&sql);
    lake_snapshot_free(s);
}

/* What the engine's casts would make of it is in brackets. */
static void values_are_stored_as_spark_stores_them(void **state)
{
    static const struct {
        const char *value, *column, *want;
    } cases[] = {
        {"1e30::DOUBLE", "s", "1.0E30"}, /* 1e+30 */
        {"'nan'::DOUBLE", "s", "NaN"},
        {"-12345678.5::DOUBLE", "s", "-1.23456785E7"},
        {"1e15::DOUBLE", "s", "1.0E15"},
        {"0.000123::DOUBLE", "s", "1.23E-4"},
        {"-1.5e-7::DOUBLE", "s", "-1.5E-7"},
        {"0.001::DOUBLE", "s", "0.001"},
        {"16777216::FLOAT", "s", "1.6777216E7"},
        {"NULL::DOUBLE", "s", "null"},
        {"TIMESTAMPTZ '2024-02-29 13:14:15.5+00'", "s", "2024-02-29 13:14:15.5"}, /* ... +00 */
        {"'ab'::BLOB", "s", "ab"},
        {"1.005::DOUBLE", "c", "1.01"}, /* 1.00 */
        {"2.5::DOUBLE", "i", "2"},
        {"' 12 '", "i", "12"},
        {"'a\\x41'", "x", "a\\x5Cx41"}, /* aA */
        {"' 1e3 '", "f", "1000.0"},
        {"'2024-02-03 04:05:06'", "d", "2024-02-03"},
        {"'2024-02-03'", "d", "2024-02-03"},
        {"[2.7, -2.7, NULL]::DOUBLE[]", "l", "[2, -2, NULL]"}, /* 3, -3 */
        {"{'i': 2.7::DOUBLE, 'n': [{'s': 1e30::DOUBLE}, NULL]}", "n", "{'i': 2, 'n': [{'s': 1.0E30}, NULL]}"},
        {"NULL::STRUCT(i DOUBLE)", "n", "null"},
    };
    static const struct {
        const char *value, *column, *message;
    } bad[] = {
        {"'12.7'", "i", "no whole number"}, /* 13 */
        {"['12.7']", "l", "no whole number"},
        {"'1e3'", "i", "no whole number"},
        {"'0b11'", "i", "no whole number"}, /* 3 */
        {"'1_0.5'", "f", "no number"},      /* 10.5 */
        {"'1_0'", "c", "no number"},
        {"'infinity'", "d", "no time"},
        {"'2024/02/03'", "d", "no time"},
        {"'2024 02 03'", "d", "no time"},
        {"'2024\\02\\03'", "d", "no time"},
        {"'infinity'::DATE", "d", "infinity in the column d"},
        {"'-infinity'::TIMESTAMPTZ", "t", "infinity in the column t"},
        {"'\\xFF'::BLOB", "s", "UTF8"},
    };
    struct fixture *f = *state;
    struct lake_insert insert = {.n_columns = 1};
    struct buf sql;

    buf_init(&sql, 0);
    must(f, lake_create_table(f->t,
                              "SELECT '' AS s, 1::DECIMAL(10,2) AS c, 1 AS i, ''::BLOB AS x, current_date AS d, now() "
                              "AS t, [1] AS l, {'i': 1, 'n': [{'s': ''}]} AS n, 1::DOUBLE AS f",
                              NULL, &f->err));
    for (size_t k = 0; k < IG_COUNT(cases); k++) {
        must(f, lake_delete(f->t, "t", NULL, NULL, NULL, &f->err));
        insert.columns = &cases[k].column;
        buf_clear(&sql);
        buf_printf(&sql, "SELECT %s", cases[k].value);
        insert.select = buf_cstr(&sql);
        must(f, lake_insert(f->t, &insert, NULL, NULL, &f->err));
        assert_stored(f, cases[k].column, cases[k].want);
    }
    for (size_t k = 0; k < IG_COUNT(bad); k++) {
        insert.columns = &bad[k].column;
        buf_clear(&sql);
        buf_printf(&sql, "SELECT %s", bad[k].value);
        insert.select = buf_cstr(&sql);
        if (lake_insert(f->t, &insert, NULL, NULL, &f->err) != IG_INVALID || !strstr(f->err.msg, bad[k].message))
            fail_msg("%s: %s", bad[k].value, f->err.msg);
    }
    buf_release(&sql);
}

static void what_is_refused(void **state)
{
    static const struct lake_merge_clause update = {.when = LAKE_MATCHED, .action = LAKE_UPDATE_ALL};
    static const struct lake_merge_clause drop = {.when = LAKE_MATCHED, .action = LAKE_DELETE};
    const struct lake_set twice[] = {{"v", "'a'"}, {"V", "'b'"}}, unknown = {"nope", "1"}, far = {"id", "1e300"};
    const struct lake_insert outside = {
        .select = "SELECT 1, 'a', 2", .overwrite = LAKE_OVERWRITE_WHERE, .where = "id > 100"};
    struct fixture *f = *state;

    create(f, NULL, 0);
    assert_int_equal(merge(f, "SELECT 5 AS id, 'x' AS v, 1 AS x FROM range(2)", "t.id = s.id", &update, 1), IG_INVALID);
    assert_non_null(strstr(f->err.msg, "more than one row"));
    assert_int_equal(merge(f, "SELECT 5 AS id, 1 AS x", "t.id = s.id", &update, 1), IG_INVALID);
    assert_non_null(strstr(f->err.msg, "no column v"));
    assert_int_equal(merge(f, "SELECT 5 AS id", "t.id", &drop, 1), IG_INVALID);
    assert_int_equal(lake_update(f->t, NULL, twice, 2, NULL, NULL, NULL, &f->err), IG_INVALID);
    assert_int_equal(lake_update(f->t, NULL, &unknown, 1, NULL, NULL, NULL, &f->err), IG_INVALID);
    assert_int_equal(lake_update(f->t, NULL, &far, 1, "id = 1", NULL, NULL, &f->err), IG_INVALID);
    assert_int_equal(lake_delete(f->t, NULL, "id = 1; DROP TABLE x", NULL, NULL, &f->err), IG_INVALID);
    assert_int_equal(lake_insert(f->t, &outside, NULL, NULL, &f->err), IG_INVALID);
    /* a row that is matched twice may be deleted */
    must(f, merge(f, "SELECT 5 AS id FROM range(3)", "t.id = s.id", &drop, 1));
    assert_int_equal(f->got.rows_deleted, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_that_can_hold_no_match_are_not_opened, fixture_setup_table,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(what_changes_nothing_is_no_commit, fixture_setup_table, fixture_teardown),
        cmocka_unit_test_setup_teardown(the_first_clause_that_is_true_decides, fixture_setup_table, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_deletion_vector_leaves_the_files, fixture_setup_table, fixture_teardown),
        cmocka_unit_test_setup_teardown(values_are_stored_as_spark_stores_them, fixture_setup_table, fixture_teardown),
        cmocka_unit_test_setup_teardown(what_is_refused, fixture_setup_table, fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
