/* What concurrent writers of one table may and may not do. */
#include "lake/fixture.h"
#include "lake/table/metadata.h"

#define WRITERS 4
#define COMMITS 8

/*
 * The other writer: a table function in the query of the operation under test. The engine calls it when the operation
 * has its snapshot and has not committed yet.
 */
struct interloper {
    struct fixture *f;
    struct script other;
    const char *line;
    enum ig_code rc;
    bool done;
};

static void interlope_bind(duckdb_bind_info info)
{
    duckdb_logical_type type = duckdb_create_logical_type(DUCKDB_TYPE_INTEGER);

    duckdb_bind_add_result_column(info, "n", type);
    duckdb_destroy_logical_type(&type);
}

static void interlope_init(duckdb_init_info info)
{
    (void)info;
}

/* One row, 1, and on the way the other writer's commit. */
static void interlope(duckdb_function_info info, duckdb_data_chunk out)
{
    struct interloper *i = duckdb_function_get_extra_info(info);
    struct buf ignored;

    if (i->done) {
        duckdb_data_chunk_set_size(out, 0);
        return;
    }
    i->done = true;
    buf_init(&ignored, 0);
    i->rc = script_run(&i->other, i->line, &ignored, &i->f->err);
    buf_release(&ignored);
    ((int32_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(out, 0)))[0] = 1;
    duckdb_data_chunk_set_size(out, 1);
}

static void interloper_open(struct interloper *i, struct fixture *f)
{
    duckdb_table_function function = duckdb_create_table_function();

    *i = (struct interloper){.f = f};
    assert_int_equal(script_open(&i->other, f->env, f->dir, &f->err), IG_OK);
    duckdb_table_function_set_name(function, "meanwhile");
    duckdb_table_function_set_extra_info(function, i, NULL);
    duckdb_table_function_set_bind(function, interlope_bind);
    duckdb_table_function_set_init(function, interlope_init);
    duckdb_table_function_set_function(function, interlope);
    assert_int_equal(duckdb_register_table_function(engine_handle(f->s.conn), function), DuckDBSuccess);
    duckdb_destroy_table_function(&function);
}

/* `mine`, whose query takes a row of meanwhile(), while `other` commits. */
static void what_conflicts_is_refused_and_the_rest_goes_on(void **state)
{
    static const struct {
        const char *mine, *other;
        enum ig_code want;
    } cases[] = {
        /* appends never conflict with data */
        {"append t | | SELECT 9 AS id, 'm' AS v, DATE '2024-01-15' AS d FROM meanwhile()",
         "append t | | SELECT 8 AS id, 'o' AS v, DATE '2024-01-15' AS d", IG_OK},
        {"append t | | SELECT 9 AS id, 'm' AS v, DATE '2024-01-15' AS d FROM meanwhile()",
         "replace t | d=2024-01-15 | SELECT 8 AS id, 'o' AS v, DATE '2024-01-15' AS d", IG_OK},
        /* other partitions are other partitions */
        {"replace t | d=2024-01-15 | SELECT 9 AS id, 'm' AS v, DATE '2024-01-15' AS d FROM meanwhile()",
         "replace t | d=2024-01-16 | SELECT 8 AS id, 'o' AS v, DATE '2024-01-16' AS d", IG_OK},
        {"merge t | id | d=2024-01-15 delete | SELECT 9 AS id, 'm' AS v, DATE '2024-01-15' AS d FROM meanwhile()",
         "append t | | SELECT 8 AS id, 'o' AS v, DATE '2024-01-16' AS d", IG_OK},
        /* the same one: added to, replaced, merged */
        {"replace t | d=2024-01-15 | SELECT 9 AS id, 'm' AS v, DATE '2024-01-15' AS d FROM meanwhile()",
         "append t | | SELECT 8 AS id, 'o' AS v, DATE '2024-01-15' AS d", IG_CONFLICT},
        {"replace t | d=2024-01-15 | SELECT 9 AS id, 'm' AS v, DATE '2024-01-15' AS d FROM meanwhile()",
         "replace t | d=2024-01-15 | SELECT 8 AS id, 'o' AS v, DATE '2024-01-15' AS d", IG_CONFLICT},
        {"replace t | d=2024-01-15 | SELECT 9 AS id, 'm' AS v, DATE '2024-01-15' AS d FROM meanwhile()",
         "replace t | d=2024-01-15 | SELECT 8 AS id, 'o' AS v, DATE '2024-01-15' AS d WHERE false", IG_CONFLICT},
        {"merge t | id | | SELECT 9 AS id, 'm' AS v, DATE '2024-01-15' AS d FROM meanwhile()",
         "append t | | SELECT 9 AS id, 'o' AS v, DATE '2024-01-18' AS d", IG_CONFLICT},
        {"replace t | | SELECT 9 AS id, 'm' AS v, DATE '2024-01-15' AS d FROM meanwhile()",
         "append t | | SELECT 9 AS id, 'o' AS v, DATE '2024-01-18' AS d", IG_CONFLICT},
        /* the schema */
        {"append t | | SELECT 9 AS id, 'm' AS v, DATE '2024-01-15' AS d FROM meanwhile()",
         "create t | d | SELECT 1 AS id, 'x' AS v, DATE '2024-01-15' AS d, 1 AS more", IG_CONFLICT},
        /* the same application */
        {"append t | app=a,version=5 | SELECT 9 AS id, 'm' AS v, DATE '2024-01-15' AS d FROM meanwhile()",
         "append t | app=a,version=5 | SELECT 8 AS id, 'o' AS v, DATE '2024-01-15' AS d", IG_EXISTS},
        {"append t | app=a,version=5 | SELECT 9 AS id, 'm' AS v, DATE '2024-01-15' AS d FROM meanwhile()",
         "append t | app=a,version=4 | SELECT 8 AS id, 'o' AS v, DATE '2024-01-15' AS d", IG_CONFLICT},
        {"append t | app=a,version=5 | SELECT 9 AS id, 'm' AS v, DATE '2024-01-15' AS d FROM meanwhile()",
         "append t | app=b,version=5 | SELECT 8 AS id, 'o' AS v, DATE '2024-01-15' AS d", IG_OK},
        /* pinned to a version */
        {"append t | only=1 | SELECT 9 AS id, 'm' AS v, DATE '2024-01-15' AS d FROM meanwhile()",
         "append t | | SELECT 8 AS id, 'o' AS v, DATE '2024-01-15' AS d", IG_CONFLICT},
    };
    struct fixture *f = *state;
    struct interloper i;

    interloper_open(&i, f);
    for (size_t k = 0; k < IG_COUNT(cases); k++) {
        char dir[300];
        enum ig_code rc;

        snprintf(dir, sizeof(dir), "%s/t", f->dir);
        assert_int_equal(env_remove_tree(f->env, dir, &f->err), IG_OK);
        run(f, "create t | d | SELECT 1 AS id, 'a' AS v, DATE '2024-01-15' AS d");
        run(f, "append t | | SELECT 1 AS id, 'a' AS v, DATE '2024-01-15' AS d");
        i.line = cases[k].other;
        i.done = false;
        rc = try_line(f, cases[k].mine);
        if (!i.done || i.rc || rc != cases[k].want)
            fail_msg("case %zu: %s, the other %s: %s", k, error_code_name(rc), error_code_name(i.rc), f->err.msg);
        assert_answer(f, "scan t | | SELECT count(*) FILTER (v = 'm') AS mine FROM t",
                      rc ? "{\"mine\":0}\n" : "{\"mine\":1}\n");
    }
    script_close(&i.other);
}

static void an_application_version_is_committed_once(void **state)
{
    struct fixture *f = *state;

    run(f, "create t | | SELECT 1 AS id");
    run(f, "append t | app=a,version=1 | SELECT 1 AS id");
    assert_int_equal(try_line(f, "append t | app=a,version=1 | SELECT 1 AS id"), IG_EXISTS);
    run(f, "append t | app=a,version=2 | SELECT 1 AS id WHERE false"); /* nothing to add, but the version counts */
    assert_int_equal(try_line(f, "append t | app=a,version=2 | SELECT 1 AS id"), IG_EXISTS);
    run(f, "append t | app=b,version=1 | SELECT 1 AS id");
    assert_answer(f, "scan t | | SELECT count(*) AS n FROM t", "{\"n\":2}\n");
}

static void a_commit_for_one_version_fits_only_there(void **state)
{
    struct fixture *f = *state;

    run(f, "create t | | SELECT 1 AS id");
    run(f, "append t | only=0 | SELECT 1 AS id");
    assert_int_equal(try_line(f, "append t | only=0 | SELECT 1 AS id"), IG_CONFLICT);
    run(f, "append t | only=1 | SELECT 1 AS id");
}

struct writer {
    struct fixture *f;
    int number, committed, conflicts, other;
};

/* Appends, and merges of a row of its own partition, some of one that all want. */
static void write_much(void *arg)
{
    struct writer *w = arg;
    struct script s;
    struct error err;
    struct buf ignored;

    buf_init(&ignored, 0);
    w->other += script_open(&s, w->f->env, w->f->dir, &err) != IG_OK;
    for (int i = 0; i < COMMITS; i++) {
        char line[256];
        enum ig_code rc;

        if (i % 2)
            snprintf(line, sizeof(line), "append t | | SELECT %d AS id, 'w%d' AS p", w->number * 1000 + i, w->number);
        else
            snprintf(line, sizeof(line), "merge t | id | p=all | SELECT %d AS id, 'all' AS p", w->number * 1000 + i);
        rc = script_run(&s, line, &ignored, &err);
        w->committed += rc == IG_OK;
        w->conflicts += rc == IG_CONFLICT;
        w->other += rc != IG_OK && rc != IG_CONFLICT;
    }
    script_close(&s);
    buf_release(&ignored);
}

static void writers_in_parallel_lose_and_double_nothing(void **state)
{
    struct fixture *f = *state;
    struct writer writers[WRITERS];
    struct env_thread *threads[WRITERS];
    int committed = 0;
    char want[64];

    run(f, "create t | p | SELECT 1 AS id, 'x' AS p");
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){f, i, 0, 0, 0};
        assert_int_equal(env_spawn(f->env, "writer", write_much, &writers[i], &threads[i], &f->err), IG_OK);
    }
    for (int i = 0; i < WRITERS; i++)
        env_join(f->env, threads[i]);
    for (int i = 0; i < WRITERS; i++) {
        assert_int_equal(writers[i].other, 0);
        assert_int_equal(writers[i].committed + writers[i].conflicts, COMMITS);
        assert_true(writers[i].committed >= COMMITS / 2); /* appends never conflict */
        committed += writers[i].committed;
    }
    snprintf(want, sizeof(want), "{\"n\":%d,\"ids\":%d}\n", committed, committed);
    assert_answer(f, "scan t | | SELECT count(*) AS n, count(DISTINCT id) AS ids FROM t", want);
    {
        struct lake_table *t = NULL;
        struct lake_snapshot *s = NULL;

        assert_int_equal(lake_open(f->s.store, f->s.conn, "t", &t, &f->err), IG_OK);
        assert_int_equal(lake_snapshot_open(t, LAKE_LATEST, &s, &f->err), IG_OK);
        assert_int_equal(lake_version(s), committed);
        assert_int_equal(lake_row_count(s), committed);
        lake_snapshot_free(s);
        lake_close(t);
    }
}

static void a_handle_sees_what_others_commit(void **state)
{
    struct fixture *f = *state;
    struct lake_table *t = NULL;
    struct lake_snapshot *old = NULL, *s = NULL;
    struct error err;
    char dir[300];

    run(f, "create t | p | SELECT 1 AS id, 'x' AS p");
    assert_int_equal(lake_open(f->s.store, f->s.conn, "t", &t, &err), IG_OK);
    for (int version = 0; version < 25; version++) {
        assert_int_equal(lake_snapshot_open(t, LAKE_LATEST, &s, &err), IG_OK);
        assert_int_equal(lake_version(s), version);
        assert_int_equal(lake_row_count(s), version);
        assert_int_equal(lake_file_count(s), version);
        if (version == 3)
            old = s;
        else
            lake_snapshot_free(s);
        run(f, "append t | | SELECT 1 AS id, 'x' AS p");
    }
    assert_int_equal(lake_row_count(old), 3); /* it does not change */
    lake_snapshot_free(old);
    assert_int_equal(lake_snapshot_open(t, 17, &s, &err), IG_OK);
    assert_int_equal(lake_row_count(s), 17);
    lake_snapshot_free(s);
    assert_int_equal(lake_snapshot_open(t, 26, &s, &err), IG_NOT_FOUND);
    /* another table in the same place is another table */
    snprintf(dir, sizeof(dir), "%s/t", f->dir);
    assert_int_equal(env_remove_tree(f->env, dir, &err), IG_OK);
    assert_int_equal(lake_snapshot_open(t, LAKE_LATEST, &s, &err), IG_NOT_FOUND);
    run(f, "create t | p | SELECT 1 AS id, 'x' AS p");
    run(f, "append t | | SELECT 1 AS id, 'x' AS p UNION ALL SELECT 2, 'x'");
    assert_int_equal(lake_snapshot_open(t, LAKE_LATEST, &s, &err), IG_OK);
    assert_int_equal(lake_row_count(s), 2);
    lake_snapshot_free(s);
    lake_close(t);
}

static void read_metadata(struct fixture *f, const char *name, const char *member, struct buf *out)
{
    struct buf text;

    buf_init(&text, 0);
    assert_int_equal(store_get(f->s.store, name, &text, &f->err), IG_OK);
    for (const char *line = buf_cstr(&text); line && *line; line = strchr(line, '\n')) {
        const struct str rest = str_of(line += *line == '\n');
        const char *end = memchr(rest.p, '\n', rest.n);
        struct json_value v;

        if (json_member((struct str){rest.p, end ? (size_t)(end - rest.p) : rest.n}, member, &v))
            buf_add_str(out, v.raw);
    }
    buf_release(&text);
}

/* The properties that say since when there are in-commit timestamps are those of the version that the commit got. */
static void a_checksum_has_the_metadata_of_its_version(void **state)
{
    static const char on[] = "{\"delta.enableInCommitTimestamps\":\"true\","
                             "\"delta.inCommitTimestampEnablementVersion\":\"1\","
                             "\"delta.inCommitTimestampEnablementTimestamp\":\"7\"}";
    struct lake_change change = {
        .protocol = "{\"minReaderVersion\":1,\"minWriterVersion\":7,\"writerFeatures\":[\"inCommitTimestamp\"]}",
        .scope = LAKE_READ_NOTHING,
        .operation = "SET TBLPROPERTIES",
    };
    struct fixture *f = *state;
    struct lake_snapshot *s = NULL;
    struct buf log, checksum;
    struct arena arena;
    int64_t version = -1;

    arena_init(&arena);
    buf_init(&log, 0);
    buf_init(&checksum, 0);
    run(f, "make t | SELECT 1 AS i");
    assert_int_equal(lake_snapshot_latest(f->t, &s, &f->err), IG_OK);
    run(f, "append t | | SELECT 1 AS i");
    change.base = s;
    change.metadata =
        lake_object_set(&arena, arena_strndup(&arena, s->metadata.raw.p, s->metadata.raw.n), "configuration", on);
    assert_int_equal(lake_commit(f->t, &change, &version, &f->err), IG_OK);
    assert_int_equal(version, 2);
    read_metadata(f, "t/_delta_log/00000000000000000002.json", "metaData", &log);
    read_metadata(f, "t/_delta_log/00000000000000000002.crc", "metadata", &checksum);
    assert_non_null(strstr(buf_cstr(&log), "EnablementVersion\":\"2\""));
    assert_string_equal(buf_cstr(&checksum), buf_cstr(&log));
    buf_release(&checksum);
    buf_release(&log);
    arena_release(&arena);
    lake_snapshot_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_conflicts_is_refused_and_the_rest_goes_on, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(an_application_version_is_committed_once, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_commit_for_one_version_fits_only_there, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(writers_in_parallel_lose_and_double_nothing, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_checksum_has_the_metadata_of_its_version, fixture_setup_table,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_handle_sees_what_others_commit, fixture_setup, fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
