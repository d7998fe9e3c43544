/* Features and protocols, types by text, and how tables are made and altered: what they are then, and what is kept. */
#include "lake/fixture.h"
#include "lake/maintain/alter.h"
#include "lake/table/schema_text.h"

static void a_protocol_is_raised_by_what_is_missing(void **state)
{
    static const struct {
        int64_t reader, writer;
        const char *has[4], *wants[3];
        const char *to;
    } cases[] = {
        {1, 2, {0}, {"appendOnly"}, NULL},
        {1, 2, {0}, {"checkConstraints"}, "{\"minReaderVersion\":1,\"minWriterVersion\":3}"},
        {1, 4, {0}, {"checkConstraints", "changeDataFeed"}, NULL},
        {1, 2, {0}, {"columnMapping"}, "{\"minReaderVersion\":2,\"minWriterVersion\":5}"},
        {1, 6, {0}, {"columnMapping"}, "{\"minReaderVersion\":2,\"minWriterVersion\":6}"},
        {1, 2, {0}, {"identityColumns"}, "{\"minReaderVersion\":1,\"minWriterVersion\":6}"},
        {1,
         2,
         {0},
         {"rowTracking"},
         "{\"minReaderVersion\":1,\"minWriterVersion\":7,\"writerFeatures\":[\"appendOnly\",\"invariants\","
         "\"domainMetadata\",\"rowTracking\"]}"},
        {1,
         2,
         {0},
         {"deletionVectors"},
         "{\"minReaderVersion\":3,\"minWriterVersion\":7,\"readerFeatures\":[\"deletionVectors\"],\"writerFeatures\":["
         "\"appendOnly\",\"invariants\",\"deletionVectors\"]}"},
        {2,
         5,
         {0},
         {"deletionVectors"},
         "{\"minReaderVersion\":3,\"minWriterVersion\":7,\"readerFeatures\":[\"columnMapping\",\"deletionVectors\"],"
         "\"writerFeatures\":[\"appendOnly\",\"invariants\",\"checkConstraints\",\"changeDataFeed\","
         "\"generatedColumns\","
         "\"columnMapping\",\"deletionVectors\"]}"},
        {1,
         7,
         {"warpDrive", "clustering"},
         {"columnMapping"},
         "{\"minReaderVersion\":2,\"minWriterVersion\":7,\"writerFeatures\":[\"columnMapping\",\"clustering\","
         "\"warpDrive\"]}"},
        {1, 7, {"invariants"}, {"invariants"}, NULL},
    };
    struct arena a;
    struct error err;

    (void)state;
    arena_init(&a);
    for (size_t i = 0; i < IG_COUNT(cases); i++) {
        struct lake_protocol p = {.reader = cases[i].reader, .writer = cases[i].writer};
        const char *has[4], *out;
        size_t n = 0;

        for (; n < 4 && cases[i].has[n]; n++)
            has[n] = cases[i].has[n];
        p.writer_features = has;
        p.n_writer_features = n;
        for (n = 0; n < 3 && cases[i].wants[n]; n++)
            ;
        assert_int_equal(lake_raise_protocol(&a, &p, cases[i].wants, n, 0, 0, &out, &err), IG_OK);
        if (cases[i].to)
            assert_string_equal(out, cases[i].to);
        else
            assert_null(out);
    }
    {
        const struct lake_protocol p = {.reader = 1, .writer = 2};
        const char *unknown = "warpDrive", *out;

        assert_int_equal(lake_raise_protocol(&a, &p, &unknown, 1, 0, 0, &out, &err), IG_UNSUPPORTED);
    }
    arena_release(&a);
}

static void types_are_read_in_both_spellings(void **state)
{
    static const struct {
        const char *text, *spark; /* NULL: none */
    } cases[] = {
        {"BIGINT", "bigint"},
        {" Long ", "bigint"},
        {"decimal(10, 2)", "decimal(10,2)"},
        {"NUMERIC", "decimal(10,0)"},
        {"varchar(10)", "varchar(10)"},
        {"CHAR(3)", "char(3)"},
        {"VARCHAR", "string"},
        {"timestamp with time zone", "timestamp"},
        {"TIMESTAMP_NTZ", "timestamp_ntz"},
        {"INTEGER[][]", "array<array<int>>"},
        {"STRUCT(a INTEGER, \"b c\" VARCHAR[])", "struct<a:int,`b c`:array<string>>"},
        {"struct<a: int NOT NULL COMMENT 'x', `b``c`: map<string, struct<d:date>>>",
         "struct<a:int,`b``c`:map<string,struct<d:date>>>"},
        {"MAP(VARCHAR, DOUBLE)", "map<string,double>"},
        {"UINTEGER", "bigint"}, /* DuckDB's */
        {"decimal(39,0)", NULL},
        {"varchar(0)", NULL},
        {"array<int", NULL},
        {"struct<>", NULL},
        {"int int", NULL},
        {"", NULL},
        {"(SELECT 1)", NULL},
    };
    struct fixture *f = *state;
    struct arena a;

    arena_init(&a);
    for (size_t i = 0; i < IG_COUNT(cases); i++) {
        const struct schema_type *type;
        const enum ig_code rc = schema_of_text(&a, f->s.conn, cases[i].text, &type, &f->err);
        struct buf out;

        if (rc != (cases[i].spark ? IG_OK : IG_INVALID))
            fail_msg("%s: %s", cases[i].text, f->err.msg);
        if (rc)
            continue;
        buf_init(&out, 0);
        schema_add_text(&out, type);
        assert_string_equal(buf_cstr(&out), cases[i].spark);
        buf_release(&out);
    }
    arena_release(&a);
}

static void members_of_objects_are_set_and_removed(void **state)
{
    struct arena a;

    (void)state;
    arena_init(&a);
    assert_string_equal(lake_object_set(&a, "{}", "a", "1"), "{\"a\":1}");
    assert_string_equal(lake_object_set(&a, "{\"a\":{\"b\":[1]},\"c\":\"\\u0041\"}", "a", NULL), "{\"c\":\"\\u0041\"}");
    assert_string_equal(lake_object_set_text(&a, "{\"a\":1,\"b\":2}", "a", "x\"y"), "{\"a\":\"x\\\"y\",\"b\":2}");
    assert_string_equal(lake_object_set_int64(&a, "{\"\\u0061\":1}", "a", -5), "{\"\\u0061\":-5}");
    arena_release(&a);
}

static void sizes_are_read_as_spark_spells_them(void **state)
{
    static const struct {
        const char *text;
        int64_t want; /* -1: none */
    } cases[] = {{"134217728", 134217728},
                 {"128mb", 134217728},
                 {"1G", 1073741824},
                 {"10 KB", 10240},
                 {"7b", 7},
                 {"", -1},
                 {"mb", -1},
                 {"1x", -1},
                 {"-1", -1},
                 {"1mbx", -1},
                 {"99999999999999t", -1}};

    (void)state;
    for (size_t i = 0; i < IG_COUNT(cases); i++) {
        int64_t got = -1;

        assert_int_equal(lake_parse_size(cases[i].text, &got), cases[i].want >= 0);
        if (cases[i].want >= 0)
            assert_int_equal(got, cases[i].want);
    }
}

static void rules_are_checked_and_name_the_row(void **state)
{
    struct fixture *f = *state;

    run(f, "make t | | {\"columns\":[{\"name\":\"id\",\"type\":\"bigint\",\"not_null\":true},{\"name\":\"s\",\"type\":"
           "\"struct<a: int not null, l: array<struct<b: int not null>>>\"},{\"name\":\"v\",\"type\":\"varchar(3)\"},"
           "{\"name\":\"c\",\"type\":\"char(3)\"},{\"name\":\"g\",\"type\":\"int\",\"generated\":\"id * 2\"},"
           "{\"name\":\"d\",\"type\":\"string\",\"default\":\"'none'\"}]}");
    run(f, "append t | | SELECT 1 AS id, {'a': 1, 'l': [{'b': 2}, NULL]} AS s, 'ab   ' AS v, 'x' AS c");
    assert_answer(
        f, "scan t | |",
        "{\"id\":1,\"s\":{\"a\":1,\"l\":[{\"b\":2},null]},\"v\":\"ab \",\"c\":\"x  \",\"g\":2,\"d\":\"none\"}\n");
    assert_refused(f, "append t | | SELECT 2 AS id, {'a': 1, 'l': [{'b': NULL}]} AS s", IG_INVALID,
                   "NOT NULL within the column s of the table t does not hold for the row {\"id\":2,");
    assert_refused(f, "append t | | SELECT 2 AS id", IG_INVALID, "NOT NULL within the column s");
    assert_refused(f, "append t | | SELECT 2 AS id, {'a': 1} AS s, 'abcd' AS v", IG_INVALID, "varchar(3)");
    assert_refused(f, "append t | | SELECT 2 AS id, {'a': 1} AS s, 5 AS g", IG_INVALID, "generated column g (id * 2)");
    run(f, "append t | | SELECT 2 AS id, {'a': 1} AS s, 4 AS g, NULL AS d");
    assert_answer(f, "scan t | | SELECT id, g, d FROM t ORDER BY id",
                  "{\"id\":1,\"g\":2,\"d\":\"none\"}\n{\"id\":2,\"g\":4,\"d\":null}\n");
    assert_refused(f, "alter t | {\"alter\":\"check\",\"name\":\"c\",\"text\":\"d IS NOT NULL\"}", IG_INVALID,
                   "the constraint c (d IS NOT NULL) does not hold for the row {\"id\":2,");
    run(f, "alter t | {\"alter\":\"check\",\"name\":\"c\",\"text\":\"length(v) > 1 OR v IS NULL\"}");
    assert_refused(f, "replace t | | SELECT 2 AS id, {'a': 1} AS s, 'a' AS v", IG_INVALID, "the constraint c");
    /* A row that the query itself leaves out is not checked. */
    run(f, "append t | | SELECT * FROM (VALUES (3, {'a': 1}, 'ok'), (-3, {'a': 1}, 'x')) r(id, s, v) WHERE id > 0");
}

static void identities_go_on_where_the_last_write_ended(void **state)
{
    struct fixture *f = *state;

    run(f, "make t | | {\"columns\":[{\"name\":\"id\",\"type\":\"bigint\",\"identity\":true,\"start\":-1,\"step\":-10},"
           "{\"name\":\"v\",\"type\":\"string\"}]}");
    run(f, "append t | | SELECT 'a' AS v FROM range(2)");
    run(f, "append t | | SELECT 'b' AS v");
    assert_answer(f, "scan t | | SELECT id FROM t ORDER BY id DESC", "{\"id\":-1}\n{\"id\":-11}\n{\"id\":-21}\n");
    assert_refused(f, "append t | | SELECT 5 AS id", IG_INVALID, "identity");
    run(f, "merge t | id | | SELECT -11 AS id, 'c' AS v");
    run(f, "append t | | SELECT 'd' AS v");
    assert_answer(
        f, "scan t | | SELECT id, v FROM t ORDER BY id DESC",
        "{\"id\":-1,\"v\":\"a\"}\n{\"id\":-11,\"v\":\"c\"}\n{\"id\":-21,\"v\":\"b\"}\n{\"id\":-31,\"v\":\"d\"}\n");
    run(f, "make full | | {\"columns\":[{\"name\":\"id\",\"type\":\"bigint\",\"identity\":true,\"start\":"
           "9223372036854775806,\"step\":1},{\"name\":\"v\",\"type\":\"string\"}]}");
    assert_refused(f, "append full | | SELECT 'a' AS v FROM range(3)", IG_INVALID, "");
    run(f, "append full | | SELECT 'a' AS v FROM range(2)");
    assert_refused(f, "append full | | SELECT 'a' AS v", IG_LIMIT, "no value left");
}

static void an_alteration_is_one_commit_or_none(void **state)
{
    struct fixture *f = *state;

    run(f, "make u | SELECT 1 AS a, {'b': 1} AS s |"); /* a type that it is already needs no feature */
    run(f, "alter u | {\"alter\":\"type\",\"columns\":[{\"name\":\"s.b\",\"type\":\"int\"}]}");
    run(f, "make t | SELECT 1 AS a, {'b': 1} AS s |");
    assert_answer(f, "alter t | {\"alter\":\"set\",\"properties\":{\"k\":\"v\"}}", "{\"version\":1}\n");
    assert_answer(f, "alter t | {\"alter\":\"set\",\"properties\":{\"k\":\"v\"}}", "{\"version\":1}\n");
    assert_answer(f, "alter t | {\"alter\":\"unset\",\"properties\":{\"k\":\"\"}}", "{\"version\":2}\n");
    assert_refused(f,
                   "alter t | {\"alter\":\"add\",\"columns\":[{\"name\":\"ok\",\"type\":\"int\"},{\"name\":\"a\","
                   "\"type\":\"int\"}]}",
                   IG_EXISTS, "a already");
    assert_answer(
        f,
        "alter t | {\"alter\":\"add\",\"columns\":[{\"name\":\"x\",\"type\":\"int\",\"after\":\"\"},{\"name\":"
        "\"s.c\",\"type\":\"int\",\"after\":\"\"}]}",
        "{\"version\":3}\n");
    assert_answer(f, "alter t | {\"alter\":\"move\",\"columns\":[{\"name\":\"x\",\"after\":\"a\"}]}",
                  "{\"version\":4}\n");
    run(f, "append t | | SELECT 1 AS a, 2 AS x, {'b': 3, 'c': 4} AS s");
    assert_answer(f, "scan t | |", "{\"a\":1,\"x\":2,\"s\":{\"c\":4,\"b\":3}}\n");
    run(f, "append t | merge | SELECT 5 AS a, 6 AS y, {'d': 7} AS s");
    assert_answer(f, "scan t | | SELECT y, s FROM t WHERE a = 5", "{\"y\":6,\"s\":{\"c\":null,\"b\":null,\"d\":7}}\n");
    assert_refused(f, "append t | merge | SELECT 'text' AS a", IG_INVALID, "a has changed to one that does not fit");
    assert_refused(f, "append t | | SELECT 5 AS a, 6 AS z", IG_INVALID, "no column z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_protocol_is_raised_by_what_is_missing),
        cmocka_unit_test_setup_teardown(types_are_read_in_both_spellings, fixture_setup, fixture_teardown),
        cmocka_unit_test(members_of_objects_are_set_and_removed),
        cmocka_unit_test(sizes_are_read_as_spark_spells_them),
        cmocka_unit_test_setup_teardown(rules_are_checked_and_name_the_row, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(identities_go_on_where_the_last_write_ended, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(an_alteration_is_one_commit_or_none, fixture_setup, fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
