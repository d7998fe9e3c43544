/* Statements that change tables, read from text. */
#include "test.h"

#include "cli/query_dml.h"

struct reading {
    struct arena arena;
    struct query_text text;
    struct query_change change;
    struct error err;
};

static enum ig_code try_read(struct reading *r, const char *sql)
{
    enum ig_code rc;

    *r = (struct reading){0};
    arena_init(&r->arena);
    rc = query_text_read(&r->arena, str_of(sql), &r->text, &r->err);
    if (!rc && (r->text.statements.n != 1 || !r->text.statements.p[0].changes))
        return error_set(&r->err, IG_NOT_FOUND, "no statement that changes a table");
    return rc ? rc : query_change_read(&r->text, 0, &r->change, &r->err);
}

static void read_ok(struct reading *r, const char *sql)
{
    if (try_read(r, sql))
        fail_msg("%s: %s", sql, r->err.msg);
}

static void done(struct reading *r)
{
    query_change_free(&r->change);
    query_text_free(&r->text);
    arena_release(&r->arena);
}

static void a_merge_is_its_clauses(void **state)
{
    struct reading r;

    (void)state;
    read_ok(&r, "MERGE WITH SCHEMA EVOLUTION INTO delta('a/b') AS t\n"
                "USING (SELECT *, CASE WHEN x THEN 1 END AS c FROM delta('src')) s\n"
                "ON t.id <=> s.id AND CASE WHEN t.a THEN s.b END = 1\n"
                "WHEN MATCHED AND s.`odd name` > 1 THEN DELETE\n"
                "WHEN MATCHED THEN UPDATE SET t.v = f(s.v, 2), x.y = CASE WHEN s.v THEN 'a, b' ELSE s.w END\n"
                "WHEN NOT MATCHED BY TARGET AND s.v IS NOT NULL THEN INSERT (id, v) VALUES (s.id, (1 + 2))\n"
                "WHEN NOT MATCHED BY SOURCE THEN UPDATE SET gone = true");
    assert_int_equal(r.change.kind, QUERY_MERGE);
    assert_string_equal(r.change.place, "a/b");
    assert_true(r.change.merge.evolve_schema);
    assert_string_equal(r.change.merge.target_alias, "t");
    assert_string_equal(r.change.merge.source_alias, "s");
    assert_non_null(strstr(r.change.merge.select, "FROM _delta0"));
    assert_null(strstr(r.change.merge.select, "delta('src')"));
    assert_string_equal(r.change.merge.on, "t.id  IS NOT DISTINCT FROM  s.id AND CASE WHEN t.a THEN s.b END = 1");
    assert_int_equal(r.change.clauses.n, 4);
    assert_int_equal(r.change.clauses.p[0].action, LAKE_DELETE);
    assert_string_equal(r.change.clauses.p[0].condition, "s.\"odd name\" > 1");
    assert_int_equal(r.change.clauses.p[1].n_sets, 2);
    assert_string_equal(r.change.clauses.p[1].sets[0].column, "v");
    assert_string_equal(r.change.clauses.p[1].sets[0].value, "f(s.v, 2)");
    assert_string_equal(r.change.clauses.p[1].sets[1].column, "x.y");
    assert_string_equal(r.change.clauses.p[1].sets[1].value, "CASE WHEN s.v THEN 'a, b' ELSE s.w END");
    assert_int_equal(r.change.clauses.p[2].when, LAKE_NOT_MATCHED);
    assert_string_equal(r.change.clauses.p[2].sets[1].value, "(1 + 2)");
    assert_int_equal(r.change.clauses.p[3].when, LAKE_NOT_MATCHED_BY_SOURCE);
    done(&r);
    read_ok(&r, "merge into delta('t') using delta('s') on target.id = source.id when matched then update set * "
                "when not matched then insert *");
    assert_string_equal(r.change.merge.target_alias, "target");
    assert_int_equal(r.change.clauses.p[0].action, LAKE_UPDATE_ALL);
    assert_int_equal(r.change.clauses.p[1].action, LAKE_INSERT_ALL);
    assert_int_equal(r.text.deltas.n, 1);
    done(&r);
}

static void inserts_say_what_they_replace(void **state)
{
    static const struct {
        const char *sql;
        enum lake_overwrite overwrite;
        size_t columns;
        bool by_name;
    } cases[] = {
        {"INSERT INTO delta('t') SELECT 1", LAKE_APPEND, 0, false},
        {"INSERT INTO TABLE delta('t') VALUES (1, 2)", LAKE_APPEND, 0, false},
        {"INSERT INTO delta('t') (a, \"b c\") VALUES (1, 2)", LAKE_APPEND, 2, false},
        {"INSERT INTO delta('t') (SELECT 1)", LAKE_APPEND, 0, false},
        {"INSERT INTO delta('t') BY NAME FROM delta('s')", LAKE_APPEND, 0, true},
        {"INSERT OVERWRITE delta('t') SELECT 1", LAKE_OVERWRITE_ALL, 0, false},
        {"INSERT OVERWRITE delta('t') PARTITION (d) SELECT 1", LAKE_OVERWRITE_PARTITIONS, 0, false},
        {"INSERT INTO delta('t') REPLACE WHERE d = 1 SELECT 1", LAKE_OVERWRITE_WHERE, 0, false},
    };

    struct reading r;

    (void)state;
    read_ok(&r, "INSERT INTO delta('t') REPLACE WHERE d IS NOT DISTINCT FROM 1 FROM delta('s')");
    assert_string_equal(r.change.insert.where, "d IS NOT DISTINCT FROM 1");
    done(&r);
    for (size_t i = 0; i < IG_COUNT(cases); i++) {
        read_ok(&r, cases[i].sql);
        assert_int_equal(r.change.kind, QUERY_INSERT);
        assert_int_equal(r.change.insert.overwrite, cases[i].overwrite);
        assert_int_equal(r.change.insert.n_columns, cases[i].columns);
        assert_int_equal(r.change.insert.by_name, cases[i].by_name);
        if (cases[i].overwrite == LAKE_OVERWRITE_WHERE)
            assert_string_equal(r.change.insert.where, "d = 1");
        done(&r);
    }
}

static void a_table_is_made_of_columns(void **state)
{
    struct reading r;

    (void)state;
    read_ok(&r,
            "CREATE TABLE IF NOT EXISTS delta('t') (id BIGINT GENERATED BY DEFAULT AS IDENTITY (START WITH 5 "
            "INCREMENT BY -2), s STRUCT<a: INT, b: ARRAY<STRING>> NOT NULL COMMENT 'it''s', d DECIMAL(10, 2) DEFAULT "
            "1 + 2, g DATE GENERATED ALWAYS AS (CAST(x AS DATE))) USING DELTA PARTITIONED BY (g) COMMENT 'all' "
            "TBLPROPERTIES ('delta.x' = 'y', delta.z = true)");
    assert_true(r.change.if_not_exists);
    assert_int_equal(r.change.definitions.n, 4);
    assert_true(r.change.definitions.p[0].identity && r.change.definitions.p[0].by_default);
    assert_int_equal(r.change.definitions.p[0].start, 5);
    assert_int_equal(r.change.definitions.p[0].step, -2);
    assert_string_equal(r.change.definitions.p[1].type, "STRUCT<a: INT, b: ARRAY<STRING>>");
    assert_true(r.change.definitions.p[1].not_null);
    assert_string_equal(r.change.definitions.p[1].comment, "it's");
    assert_string_equal(r.change.definitions.p[2].initial, "1 + 2");
    assert_string_equal(r.change.definitions.p[3].generated, "CAST(x AS DATE)");
    assert_string_equal(r.change.partition_by.p[0], "g");
    assert_string_equal(r.change.properties.p[1].key, "delta.z");
    assert_string_equal(r.change.properties.p[1].value, "true");
    done(&r);
    read_ok(&r, "ALTER TABLE delta('t') ALTER COLUMN a.b TYPE BIGINT");
    assert_int_equal(r.change.alteration.kind, LAKE_CHANGE_TYPE);
    assert_string_equal(r.change.alteration.columns[0].name, "a.b");
    assert_string_equal(r.change.alteration.columns[0].type, "BIGINT");
    done(&r);
}

static void mistakes_name_line_and_column(void **state)
{
    static const struct {
        const char *sql, *where, *what;
    } mistakes[] = {
        {"DELETE FROM delta('t') WHERE", "line 1, column 29", "a condition, but the statement ends"},
        {"DELETE FROM delta('t')\nWHER x", "line 2, column 6", "ends here"},
        {"UPDATE delta('t') SET a 1", "line 1, column 25", "'='"},
        {"UPDATE delta('t') SET a = (1", "line 1, column 29", "bracket"},
        {"MERGE INTO delta('t') USING s", "line 1, column 30", "ON"},
        {"MERGE INTO delta('t') USING s ON 1 = 1", "line 1, column 39", "WHEN"},
        {"MERGE INTO delta('t') USING s ON 1 = 1 WHEN MATCHED DELETE", "line 1, column 53", "THEN"},
        {"MERGE INTO delta('t') USING s ON 1 = 1 WHEN NOT MATCHED THEN INSERT (a, b) VALUES (1)", "line 1, column 85",
         "fewer values"},
        {"INSERT INTO delta('t') BY NAME", "line 1, column 31", "a query"},
        {"CREATE TABLE delta('t')", "line 1, column 24", "columns"},
        {"CREATE TABLE delta('t') (a)", "line 1, column 27", "type"},
        {"ALTER TABLE delta('t') FLIP", "line 1, column 24", "here comes"},
        {"TRUNCATE TABLE delta('t') x", "line 1, column 27", "ends here"},
        {"RESTORE delta('t') TO VERSION AS OF -1", "line 1, column", "no such version"},
        {"CREATE TABLE delta('c') SHALLOW CLONE delta('t') VERSION AS OF -1", "line 1, column", "no such version"},
        {"DESCRIBE HISTORY delta('t') LIMIT 0", "line 1, column", "from 1 commit on"},
        {"DESCRIBE HISTORY delta('t') LIMIT -1", "line 1, column", "from 1 commit on"},
        {"DELETE FROM delta('')", "line 1, column 21", "in quotes"},
    };

    (void)state;
    for (size_t i = 0; i < IG_COUNT(mistakes); i++) {
        struct reading r;

        assert_int_equal(try_read(&r, mistakes[i].sql), IG_INVALID);
        if (!strstr(r.err.msg, mistakes[i].where) || !strstr(r.err.msg, mistakes[i].what))
            fail_msg("%s: %s", mistakes[i].sql, r.err.msg);
        done(&r);
    }
}

static void other_statements_are_duckdb_s(void **state)
{
    static const char *const texts[] = {
        "SELECT * FROM delta('t')",
        "CREATE TABLE x AS FROM delta('t')",
        "INSERT INTO x SELECT * FROM delta('t')",
        "DELETE FROM x USING y",
        "UPDATE x SET a = 1",
        "-- DELETE FROM delta('t')\nSELECT 1",
    };

    (void)state;
    for (size_t i = 0; i < IG_COUNT(texts); i++) {
        struct reading r;

        assert_int_equal(try_read(&r, texts[i]), IG_NOT_FOUND);
        done(&r);
    }
}

/* Whatever the text is, reading it ends and reads nothing behind it. */
static void any_words_are_read_to_their_end(void **state)
{
    static const char *const words[] = {
        "MERGE ",  "INTO ",  "delta('t')", " USING ", "(",      ")",    " ON ",    "WHEN ",      "NOT ",  "MATCHED ",
        "BY ",     "SOURCE", " THEN ",     "UPDATE ", "SET ",   "*",    "INSERT ", "VALUES",     "CASE ", "END ",
        "DELETE ", "FROM ",  "a.b",        "`x",      "'y",     "\"z",  "=",       ",",          "<=>",   "1",
        "ALTER ",  "TABLE ", "ADD ",       "COLUMN ", "CREATE", " AS ", "TYPE ",   "GENERATED ", "<",     ">",
    };
    struct test_random random = test_random_new();

    (void)state;
    for (int i = 0; i < 20000; i++) {
        struct reading r;
        struct buf sql;

        buf_init(&sql, 0);
        buf_puts(&sql, i % 3 == 0   ? "MERGE INTO delta('t') "
                       : i % 3 == 1 ? "ALTER TABLE delta('t') "
                                    : "INSERT INTO delta('t')");
        for (size_t n = test_random_below(&random, 20); n; n--)
            buf_puts(&sql, words[test_random_below(&random, IG_COUNT(words))]);
        (void)!try_read(&r, buf_cstr(&sql));
        done(&r);
        buf_release(&sql);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_merge_is_its_clauses),        cmocka_unit_test(inserts_say_what_they_replace),
        cmocka_unit_test(a_table_is_made_of_columns),    cmocka_unit_test(mistakes_name_line_and_column),
        cmocka_unit_test(other_statements_are_duckdb_s), cmocka_unit_test(any_words_are_read_to_their_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
