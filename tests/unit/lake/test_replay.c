/* Logs as other programs, broken disks and attackers write them. */
#include "lake/fixture.h"
#include "lake/lake_internal.h"

#define PROTOCOL "{\"protocol\":{\"minReaderVersion\":1,\"minWriterVersion\":2}}\n"
#define METADATA                                                                                              \
    "{\"metaData\":{\"id\":\"x\",\"format\":{\"provider\":\"parquet\",\"options\":{}},\"schemaString\":\"{"   \
    "\\\"type\\\":"                                                                                           \
    "\\\"struct\\\",\\\"fields\\\":[{\\\"name\\\":\\\"a\\\",\\\"type\\\":\\\"long\\\",\\\"nullable\\\":true," \
    "\\\"metadata\\\":{}},{\\\"name\\\":\\\"p\\\",\\\"type\\\":\\\"string\\\",\\\"nullable\\\":true,"         \
    "\\\"metadata\\\":{}}]}\",\"partitionColumns\":[\"p\"],\"configuration\":{}}}\n"
#define ADD(path)                \
    "{\"add\":{\"path\":\"" path \
    "\",\"partitionValues\":{\"p\":\"v\"},\"size\":1,\"modificationTime\":1,\"dataChange\":true}}\n"
#define REMOVE(path) "{\"remove\":{\"path\":\"" path "\",\"deletionTimestamp\":5,\"dataChange\":true}}\n"

static void put_commit(struct fixture *f, int version, const char *text)
{
    char name[64];

    snprintf(name, sizeof(name), "t/_delta_log/%020d.json", version);
    assert_int_equal(store_put(f->s.store, name, str_of(text), STORE_REPLACE, &f->err), IG_OK);
}

static enum ig_code collect(void *ctx, const struct lake_file *file, struct error *err)
{
    (void)err;
    buf_printf(ctx, "%s;", file->name);
    return IG_OK;
}

static enum ig_code open_files(struct fixture *f, int64_t version, struct buf *out)
{
    struct lake_table *t = NULL;
    struct lake_snapshot *s = NULL;
    enum ig_code rc;

    buf_clear(out);
    assert_int_equal(lake_open(f->s.store, f->s.conn, "t", &t, &f->err), IG_OK);
    rc = lake_snapshot_open(t, version, &s, &f->err);
    if (!rc)
        rc = lake_files(s, collect, out, &f->err);
    lake_snapshot_free(s);
    lake_close(t);
    return rc;
}

static void actions_are_applied_in_the_order_of_versions(void **state)
{
    struct fixture *f = *state;
    struct buf got;

    buf_init(&got, 0);
    put_commit(f, 0, PROTOCOL METADATA ADD("one") "\n" ADD("two"));
    put_commit(f, 1,
               "{\"commitInfo\":{\"timestamp\":77}}\r\n" REMOVE("one")
                   ADD("three%20%C3%A4") "{\"unknown\":{\"x\":[1]}}\n");
    put_commit(f, 2, "{\"add\":null,\"remove\":{\"path\":\"two\"}}\n" ADD("one"));
    assert_int_equal(open_files(f, 0, &got), IG_OK);
    assert_string_equal(buf_cstr(&got), "one;two;");
    assert_int_equal(open_files(f, 1, &got), IG_OK);
    assert_string_equal(buf_cstr(&got), "two;three ä;");
    assert_int_equal(open_files(f, LAKE_LATEST, &got), IG_OK);
    assert_string_equal(buf_cstr(&got), "one;three ä;");
    assert_int_equal(open_files(f, 3, &got), IG_NOT_FOUND);
    buf_release(&got);
}

static void a_broken_commit_stops_the_read_and_is_named(void **state)
{
    static const char *const bad[] = {
        "",
        "{",
        "nothing",
        "[]",
        "{\"add\":{\"path\":\"x\"}",
        "{\"add\":\"x\"}",
        "{\"add\":{\"path\":\"\",\"partitionValues\":{\"p\":\"v\"}}}",
        "{\"add\":{\"path\":\"a%zz\",\"partitionValues\":{\"p\":\"v\"}}}",
        "{\"add\":{\"path\":\"a%00b\",\"partitionValues\":{\"p\":\"v\"}}}",
        "{\"add\":{\"partitionValues\":{\"p\":\"v\"}}}",
        "{\"add\":{\"path\":\"x\"}}", /* no partition value */
        "{\"add\":{\"path\":\"x\",\"partitionValues\":{}}}",
        "{\"txn\":{\"version\":1}}",
        ADD("x") ADD("x"),
        REMOVE("x") REMOVE("x"),
        PROTOCOL PROTOCOL,
        METADATA METADATA,
        "{\"protocol\":{}}",
        "{\"protocol\":{\"minReaderVersion\":3,\"minWriterVersion\":7,\"writerFeatures\":[]}}",
        "{\"metaData\":{\"id\":\"x\"}}",
        "{\"metaData\":{\"id\":\"x\",\"schemaString\":\"{}\"}}",
        ADD("y") "{\"add\":{\"path\":\"\xff\"}}",
    };
    struct fixture *f = *state;
    struct buf got;

    buf_init(&got, 0);
    put_commit(f, 0, PROTOCOL METADATA ADD("one"));
    for (size_t i = 0; i < IG_COUNT(bad); i++) {
        put_commit(f, 1, bad[i]);
        if (open_files(f, LAKE_LATEST, &got) != IG_CORRUPT || !strstr(f->err.msg, "table t"))
            fail_msg("%zu: %s: %s", i, bad[i], f->err.msg);
    }
    put_commit(f, 1, ADD("two") "{\"broken\n");
    assert_int_equal(open_files(f, LAKE_LATEST, &got), IG_CORRUPT);
    assert_non_null(strstr(f->err.msg, "00000000000000000001.json: line 2"));
    put_commit(f, 1, ADD("two"));
    put_commit(f, 3, ADD("three"));
    assert_int_equal(open_files(f, LAKE_LATEST, &got), IG_CORRUPT);
    assert_non_null(strstr(f->err.msg, "version 2 is missing"));
    assert_int_equal(open_files(f, 1, &got), IG_OK);
    buf_release(&got);
}

static void unknown_reader_features_are_refused_by_name(void **state)
{
    struct fixture *f = *state;
    struct buf got;

    buf_init(&got, 0);
    put_commit(
        f, 0,
        "{\"protocol\":{\"minReaderVersion\":3,\"minWriterVersion\":7,\"readerFeatures\":[\"timestampNtz\",\"magic\"],"
        "\"writerFeatures\":[\"timestampNtz\",\"magic\"]}}\n" METADATA);
    assert_int_equal(open_files(f, LAKE_LATEST, &got), IG_UNSUPPORTED);
    assert_non_null(strstr(f->err.msg, "magic"));
    put_commit(f, 0, "{\"protocol\":{\"minReaderVersion\":4,\"minWriterVersion\":8}}\n" METADATA);
    assert_int_equal(open_files(f, LAKE_LATEST, &got), IG_UNSUPPORTED);
    put_commit(f, 0,
               "{\"protocol\":{\"minReaderVersion\":3,\"minWriterVersion\":7,\"readerFeatures\":[\"timestampNtz\"],"
               "\"writerFeatures\":[\"timestampNtz\",\"somethingForWriters\"]}}\n" METADATA);
    assert_int_equal(open_files(f, LAKE_LATEST, &got), IG_OK);
    assert_int_equal(script_run(&f->s, "append t | | SELECT 1 AS a, 'v' AS p", &got, &f->err), IG_UNSUPPORTED);
    assert_non_null(strstr(f->err.msg, "somethingForWriters"));
    buf_release(&got);
}

/* Every byte of a small table's log, changed: an error, or a table that says nothing that was not there. No crash. */
static void no_changed_byte_makes_it_crash(void **state)
{
    struct test_random random = test_random_new();
    struct fixture *f = *state;
    struct buf text, got;

    buf_init(&text, 0);
    buf_init(&got, 0);
    for (int i = 0; i < 3; i++)
        (void)!script_run(&f->s, i ? "append t | | SELECT 1 AS a, 'v' AS p" : "create t | p | SELECT 1 AS a, 'v' AS p",
                          &got, &f->err);
    assert_int_equal(store_get(f->s.store, "t/_delta_log/00000000000000000001.json", &text, &f->err), IG_OK);
    for (size_t i = 0; i < text.n; i++) {
        const char saved = text.p[i];

        text.p[i] = (char)(1 + test_random_below(&random, 255));
        put_commit(f, 1, text.p);
        (void)!open_files(f, LAKE_LATEST, &got);
        text.p[i] = saved;
    }
    put_commit(f, 1, text.p);
    assert_int_equal(open_files(f, LAKE_LATEST, &got), IG_OK);
    buf_release(&got);
    buf_release(&text);
}

static void broken_checkpoints_are_got_around_or_named(void **state)
{
    struct test_random random = test_random_new();
    static const char name[] = "t/_delta_log/00000000000000000002.checkpoint.parquet";
    struct fixture *f = *state;
    struct buf whole, got, want;

    buf_init(&whole, 0);
    buf_init(&got, 0);
    buf_init(&want, 0);
    for (int i = 0; i < 4; i++)
        (void)!script_run(&f->s, i ? "append t | | SELECT 1 AS a, 'v' AS p" : "create t | p | SELECT 1 AS a, 'v' AS p",
                          &got, &f->err);
    assert_int_equal(open_files(f, LAKE_LATEST, &want), IG_OK);
    assert_int_equal(script_run(&f->s, "checkpoint t@2", &got, &f->err), IG_OK);
    assert_int_equal(store_get(f->s.store, name, &whole, &f->err), IG_OK);
    for (int i = 0; i < 40; i++) {
        struct str broken = {whole.p, test_random_below(&random, whole.n)};

        assert_int_equal(store_put(f->s.store, name, broken, STORE_REPLACE, &f->err), IG_OK);
        assert_int_equal(open_files(f, LAKE_LATEST, &got), IG_OK);
        assert_string_equal(buf_cstr(&got), buf_cstr(&want));
    }
    assert_int_equal(store_remove(f->s.store, "t/_delta_log/00000000000000000001.json", &f->err), IG_OK);
    assert_int_equal(open_files(f, LAKE_LATEST, &got), IG_CORRUPT);
    assert_int_equal(store_put(f->s.store, name, buf_str(&whole), STORE_REPLACE, &f->err), IG_OK);
    assert_int_equal(open_files(f, LAKE_LATEST, &got), IG_OK);
    assert_string_equal(buf_cstr(&got), buf_cstr(&want));
    assert_int_equal(open_files(f, 1, &got), IG_CORRUPT);
    buf_release(&want);
    buf_release(&got);
    buf_release(&whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(actions_are_applied_in_the_order_of_versions, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_broken_commit_stops_the_read_and_is_named, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(unknown_reader_features_are_refused_by_name, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(no_changed_byte_makes_it_crash, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(broken_checkpoints_are_got_around_or_named, fixture_setup, fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
