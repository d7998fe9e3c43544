/* The log's files besides the commits: checkpoints of all kinds, compaction, checksums, hints; what contradicts itself;
 * versions by time; the history. */
#include "lake/fixture.h"
#include "lake/lake_internal.h"
#include "lake/log/action.h"

#include <stdio.h>

#define SCHEMA                                                                                                         \
    "{\\\"type\\\":\\\"struct\\\",\\\"fields\\\":[{\\\"name\\\":\\\"a\\\",\\\"type\\\":\\\"long\\\",\\\"nullable\\\":" \
    "true,"                                                                                                            \
    "\\\"metadata\\\":{}}]}"
#define PROTOCOL "{\"protocol\":{\"minReaderVersion\":1,\"minWriterVersion\":2}}\n"
#define METADATA_WITH(properties)                                                                                 \
    "{\"metaData\":{\"id\":\"x\",\"format\":{\"provider\":\"parquet\",\"options\":{}},\"schemaString\":\"" SCHEMA \
    "\",\"partitionColumns\":[],\"configuration\":{" properties "}}}\n"
#define METADATA METADATA_WITH("")
#define ADD(path)                                                                                                    \
    "{\"add\":{\"path\":\"" path "\",\"partitionValues\":{},\"size\":10,\"modificationTime\":1,\"dataChange\":true," \
    "\"stats\":\"{\\\"numRecords\\\":3}\"}}\n"
#define ADD_DV(path, dv)                                                                                             \
    "{\"add\":{\"path\":\"" path "\",\"partitionValues\":{},\"size\":10,\"modificationTime\":1,\"dataChange\":true," \
    "\"deletionVector\":{\"storageType\":\"i\",\"pathOrInlineDv\":\"" dv "\",\"sizeInBytes\":1,\"cardinality\":1}}}\n"
#define REMOVE(path) "{\"remove\":{\"path\":\"" path "\",\"deletionTimestamp\":5,\"dataChange\":true}}\n"
#define INFO(members) "{\"commitInfo\":{" members "}}\n"
#define UUID "80a083e8-7026-4e79-81be-64bd76c43a11"

static int setup(void **state)
{
    struct fixture *f;
    char sidecars[300];

    fixture_setup(state);
    f = *state;
    snprintf(sidecars, sizeof(sidecars), "%s/t/_delta_log/_sidecars", f->dir);
    assert_int_equal(env_make_dirs(f->env, sidecars, &f->err), IG_OK);
    return 0;
}

/* Not by the store: syncing each of so many files takes long. */
static void put(struct fixture *f, const char *name, const char *text)
{
    struct buf path;
    FILE *out;

    buf_init(&path, 0);
    buf_printf(&path, "%s/t/_delta_log/%s", f->dir, name);
    out = fopen(buf_cstr(&path), "w");
    assert_non_null(out);
    assert_int_equal(fputs(text, out) >= 0, 1);
    assert_int_equal(fclose(out), 0);
    buf_release(&path);
}

static void put_commit(struct fixture *f, int version, const char *text)
{
    char name[64];

    snprintf(name, sizeof(name), "%020d.json", version);
    put(f, name, text);
}

static void drop(struct fixture *f, const char *name)
{
    struct buf object;

    buf_init(&object, 0);
    buf_printf(&object, "t/_delta_log/%s", name);
    assert_int_equal(store_remove(f->s.store, buf_cstr(&object), &f->err), IG_OK);
    buf_release(&object);
}

static enum ig_code collect(void *ctx, const struct lake_file *file, struct error *err)
{
    (void)err;
    buf_printf(ctx, "%s;", file->name);
    return IG_OK;
}

/* The live files of a version. */
static enum ig_code open_files(struct fixture *f, int64_t version)
{
    struct lake_table *t = NULL;
    struct lake_snapshot *s = NULL;
    enum ig_code rc;

    buf_clear(&f->text);
    assert_int_equal(lake_open(f->s.store, f->s.conn, "t", &t, &f->err), IG_OK);
    rc = lake_snapshot_open(t, version, &s, &f->err);
    if (!rc)
        rc = lake_files(s, collect, &f->text, &f->err);
    lake_snapshot_free(s);
    lake_close(t);
    return rc;
}

static void expect_files(struct fixture *f, const char *files)
{
    const enum ig_code rc = open_files(f, LAKE_LATEST);

    if (rc || strcmp(buf_cstr(&f->text), files) != 0)
        fail_msg("not %s but %s: %s", files, buf_cstr(&f->text), rc ? f->err.msg : "");
}

static void expect_corrupt(struct fixture *f, const char *why)
{
    const enum ig_code rc = open_files(f, LAKE_LATEST);

    if (rc != IG_CORRUPT || !strstr(f->err.msg, why))
        fail_msg("not \"%s\" but %d %s: %s", why, (int)rc, buf_cstr(&f->text), f->err.msg);
}

static void what_contradicts_itself_stops_the_read(void **state)
{
    static const struct {
        const char *text, *why;
    } bad[] = {
        {REMOVE("two"), "never there"},
        {ADD("x") REMOVE("x"), "added and removed in one version"},
        {"{\"txn\":{\"appId\":\"k\",\"version\":1}}\n{\"txn\":{\"appId\":\"k\",\"version\":2}}\n", "two txn"},
        {"{\"domainMetadata\":{\"domain\":\"d\",\"configuration\":\"\",\"removed\":false}}\n"
         "{\"domainMetadata\":{\"domain\":\"d\",\"configuration\":\"\",\"removed\":true}}\n",
         "two domainMetadata"},
        {ADD_DV("one", "abc"), "two deletion vectors"},
        {"{\"adc\":{}}\n", "instead of \"add\""},
        {"{\"remive\":{}}\n", "instead of \"remove\""},
        {"{\"add\":{\"path\":\"x\",\"partitionValues\":{},\"size\":1,\"deletionVectos\":{}}}\n", "instead of"},
        {"{\"add\":{\"path\":\"x\",\"partitionValues\":{},\"size\":-1}}\n", "no such thing"},
        {"{\"add\":{\"path\":\"x\",\"partitionValues\":{},\"size\":1.5}}\n", "no such thing"},
        {"{\"add\":{\"path\":\"x\",\"partitionValues\":[],\"size\":1}}\n", "no such thing"},
        {"{\"add\":{\"path\":\"x\",\"partitionValues\":{},\"size\":1,\"dataChange\":3}}\n", "no such thing"},
    };
    struct fixture *f = *state;

    put_commit(f, 0, PROTOCOL METADATA ADD("one"));
    for (size_t i = 0; i < IG_COUNT(bad); i++) {
        put_commit(f, 1, bad[i].text);
        expect_corrupt(f, bad[i].why);
        expect_corrupt(f, "version 1: t/_delta_log/00000000000000000001.json");
    }
    put_commit(f, 1, REMOVE("file:/x") ADD("y") "{\"somethingNew\":{}}\n");
    expect_corrupt(f, "never there");
    put_commit(f, 0, PROTOCOL METADATA ADD("/x"));
    expect_files(f, "y;");
    put_commit(f, 0, PROTOCOL METADATA ADD_DV("x", "abc"));
    put_commit(f, 1,
               ADD_DV("x", "def") "{\"remove\":{\"path\":\"x\",\"deletionVector\":{\"storageType\":\"i\","
                                  "\"pathOrInlineDv\":\"abc\",\"sizeInBytes\":1,\"cardinality\":1}}}\n");
    assert_int_equal(open_files(f, LAKE_LATEST), IG_OK);
    assert_string_equal(buf_cstr(&f->text), "x;");
}

static void gaps_are_named(void **state)
{
    struct fixture *f = *state;

    put_commit(f, 0, PROTOCOL METADATA);
    put_commit(f, 2, ADD("two"));
    expect_corrupt(f, "version 1 is missing");
    put_commit(f, 1, ADD("one"));
    expect_files(f, "one;two;");
    drop(f, "00000000000000000000.json");
    expect_corrupt(f, "version 0 is missing");
    drop(f, "00000000000000000001.json");
    drop(f, "00000000000000000002.json");
    assert_int_equal(open_files(f, LAKE_LATEST), IG_NOT_FOUND);
}

static void compacted_ranges_are_used_and_not_needed(void **state)
{
    static const char name[] = "00000000000000000001.00000000000000000003.compacted.json";
    struct fixture *f = *state;

    put_commit(f, 0, PROTOCOL METADATA ADD("zero"));
    put_commit(f, 1, ADD("one"));
    put_commit(f, 2, REMOVE("one") ADD("two"));
    put_commit(f, 3, REMOVE("zero") ADD("three"));
    put_commit(f, 4, ADD("four"));
    /* A name of its own shows that it was read. */
    put(f, name, REMOVE("one") REMOVE("zero") ADD("two") ADD("three-compacted"));
    expect_files(f, "two;three-compacted;four;");
    put(f, name, "{\"add\":{");
    expect_files(f, "two;three;four;");
    put(f, name, REMOVE("one") REMOVE("zero") ADD("two") ADD("three-compacted"));
    drop(f, "00000000000000000002.json");
    expect_corrupt(f, "version 2 is missing");
    put_commit(f, 2, REMOVE("one") ADD("two"));
    assert_int_equal(open_files(f, 3), IG_OK); /* ends at 3: the newest commit is always read itself */
    assert_null(strstr(buf_cstr(&f->text), "compacted"));
}

#define V2_TOP "{\"checkpointMetadata\":{\"version\":1}}\n" PROTOCOL METADATA

static void checkpoints_of_the_second_kind(void **state)
{
    static const char name[] = "00000000000000000001.checkpoint." UUID ".json";
    struct fixture *f = *state;

    put_commit(f, 2, ADD("two"));
    put(f, name, V2_TOP ADD("from-checkpoint"));
    put(f, "_last_checkpoint", "{\"version\":1}");
    expect_files(f, "from-checkpoint;two;");
    put(f, name, PROTOCOL METADATA ADD("from-checkpoint"));
    expect_corrupt(f, "no checkpointMetadata");
    put(f, name, "{\"checkpointMetadata\":{\"version\":7}}\n" PROTOCOL METADATA);
    expect_corrupt(f, "of version 7");
    put(f, name, V2_TOP "{\"sidecar\":{\"path\":\"gone.parquet\",\"sizeInBytes\":5,\"modificationTime\":1}}\n");
    expect_corrupt(f, "gone.parquet is not there");
    put(f, "_sidecars/gone.parquet", "123456");
    expect_corrupt(f, "has 6 bytes, not 5");
    put(f, name, V2_TOP "{\"sidecar\":{\"path\":\"../../x\",\"sizeInBytes\":5}}\n");
    expect_corrupt(f, "a sidecar's path is none");
    put(f, name, V2_TOP PROTOCOL);
    expect_corrupt(f, "two protocol");
    put(f, name, "{\"checkpointMetadata\":{\"version\":1}}\n" PROTOCOL);
    expect_corrupt(f, "no metaData");
    /* All of the log says it as well. */
    put_commit(f, 0, PROTOCOL METADATA);
    put_commit(f, 1, ADD("one"));
    expect_files(f, "one;two;");
}

static void a_wrong_hint_is_only_a_hint(void **state)
{
    static const char *const hints[] = {
        "",
        "{",
        "[]",
        "{\"version\":-5}",
        "{\"version\":99}",
        "{\"version\":1}",
        "{\"version\":\"x\"}",
        "{\"version\":0,\"size\":77}",
    };
    struct fixture *f = *state;

    put_commit(f, 0, PROTOCOL METADATA);
    put_commit(f, 1, ADD("one"));
    put_commit(f, 2, ADD("two"));
    for (size_t i = 0; i < IG_COUNT(hints); i++) {
        put(f, "_last_checkpoint", hints[i]);
        expect_files(f, "one;two;");
    }
}

static void parts_of_a_checkpoint_that_are_missing(void **state)
{
    struct fixture *f = *state;

    put_commit(f, 0, PROTOCOL METADATA ADD("zero"));
    put_commit(f, 1, ADD("one"));
    put(f, "00000000000000000001.checkpoint.0000000001.0000000002.parquet", "no Parquet");
    put(f, "_last_checkpoint", "{\"version\":1,\"parts\":2}");
    expect_files(f, "zero;one;");
    put(f, "00000000000000000001.checkpoint.0000000002.0000000002.parquet", "no Parquet");
    expect_files(f, "zero;one;"); /* whole, and broken */
    drop(f, "00000000000000000000.json");
    expect_corrupt(f, "checkpoint");
}

static void checksum_files_are_held_against_the_log(void **state)
{
    static const char *const bad[] = {
        "{\"numFiles\":3,\"tableSizeBytes\":20}",
        "{\"numFiles\":2,\"tableSizeBytes\":21}",
        "{\"numFiles\":2,\"protocol\":{\"minReaderVersion\":2,\"minWriterVersion\":5}}",
        "{\"numFiles\":2,\"metadata\":{\"id\":\"y\"}}",
        "{\"numFiles\":2,\"metadata\":{\"id\":\"x\",\"configuration\":{\"a\":\"b\"}}}",
        "{\"numFiles\":2,\"metadata\":{\"schemaString\":\"{}\"}}",
        "{\"numFiles\":2,\"numDeletedRecordsOpt\":1}",
        "{\"allFiles\":[{\"path\":\"one\",\"partitionValues\":{},\"size\":10}]}",
        "{\"allFiles\":[{\"path\":\"one\",\"partitionValues\":{},\"size\":10},{\"path\":\"twa\",\"partitionValues\":{},"
        "\"size\":10}]}",
        "{\"allFiles\":[{\"path\":\"one\",\"partitionValues\":{},\"size\":10},{\"path\":\"two\",\"partitionValues\":{},"
        "\"size\":11}]}",
        "{\"allFiles\":[{\"path\":\"one\",\"partitionValues\":{},\"size\":10,\"stats\":\"{\\\"numRecords\\\":4}\"},"
        "{\"path\":\"two\",\"partitionValues\":{},\"size\":10}]}",
    };
    struct fixture *f = *state;

    put_commit(f, 0, PROTOCOL METADATA ADD("one"));
    put_commit(f, 1, ADD("two"));
    put(f, "00000000000000000001.crc",
        "{\"numFiles\":2,\"tableSizeBytes\":20,\"protocol\":{\"minReaderVersion\":1,\"minWriterVersion\":2},"
        "\"metadata\":{\"id\":\"x\",\"configuration\":{}},\"allFiles\":[{\"path\":\"two\",\"partitionValues\":{},"
        "\"size\":10},"
        "{\"path\":\"one\",\"partitionValues\":{},\"size\":10}],\"more\":1}");
    expect_files(f, "one;two;");
    for (size_t i = 0; i < IG_COUNT(bad); i++) {
        put(f, "00000000000000000001.crc", bad[i]);
        expect_corrupt(f, "00000000000000000001.crc");
        assert_int_equal(open_files(f, 0), IG_OK); /* it is of its version alone */
    }
    put(f, "00000000000000000001.crc", "no JSON");
    expect_files(f, "one;two;");
}

static void a_sealed_commit_shows_every_changed_byte(void **state)
{
    struct fixture *f = *state;
    struct buf text;

    buf_init(&text, 0);
    lake_seal_begin(&text);
    buf_puts(&text, "\"timestamp\":1}}\n" PROTOCOL METADATA ADD("one") ADD("two"));
    lake_seal_end(&text);
    put_commit(f, 0, buf_cstr(&text));
    expect_files(f, "one;two;");
    for (size_t i = 0; i < text.n; i++) {
        text.p[i] ^= 1;
        put_commit(f, 0, buf_cstr(&text));
        if (open_files(f, LAKE_LATEST) == IG_OK)
            assert_string_equal(buf_cstr(&f->text), "one;two;");
        text.p[i] ^= 1;
    }
    for (size_t n = 60; n < text.n; n++) {
        const char saved = text.p[n];

        text.p[n] = '\0';
        put_commit(f, 0, text.p);
        text.p[n] = saved;
        assert_int_equal(open_files(f, LAKE_LATEST), IG_CORRUPT);
    }
    buf_release(&text);
}

static void statistics_come_back_as_they_were(void **state)
{
    static const char *const texts[] = {
        "{\"numRecords\":12,\"minValues\":{\"a\":1,\"b\":\"x\\\"y\"},\"maxValues\":{\"a\":2,\"b\":\"\\\\\"},"
        "\"nullCount\":{}}",
        "{\"numRecords\": 7 , \"minValues\": {\"a\": -1.5e3, \"b\": \"\"}, \"maxValues\": {\"a\": null, \"b\": true}}",
        "{\"numRecords\":13,\"minValues\":{\"a\":1,\"b\":\"x\"},\"maxValues\":{\"a\":2,\"b\":\"\\\\\"},\"nullCount\":{}"
        "}",
        "{\"minValues\":{\"numRecords\":1},\"x\":[1,[2],\"numRecords\"]}",
        "{\"numRecords\":\"12\"}",
        "{\"numRecords\":12",
        "no JSON at all",
        "",
        "{}",
        "{\"a\":\"\x01\"}",
    };
    static const int64_t rows[] = {12, 7, 13, -1, -1, -1, -1, -1, -1, -1};
    struct lake_intern in;
    struct arena arena;
    struct buf out;

    (void)state;
    arena_init(&arena);
    buf_init(&out, 0);
    lake_intern_init(&in, &arena);
    for (size_t k = 0; k < 3 * IG_COUNT(texts); k++) {
        const size_t i = k % IG_COUNT(texts);
        struct lake_packed_stats packed = {0};
        struct lake_entry e = {0};

        lake_stats_pack(&in, str_of(texts[i]), &packed);
        e.shape = packed.shape;
        e.stats = packed.stats;
        e.stats_n = packed.stats_n;
        buf_clear(&out);
        lake_entry_add_stats(&e, &out);
        assert_string_equal(buf_cstr(&out), texts[i]);
        assert_int_equal(packed.rows, rows[i]);
    }
    assert_true(in.n_shapes <= 7);
    lake_intern_release(&in);
    buf_release(&out);
    arena_release(&arena);
}

static enum ig_code version_at(struct fixture *f, int64_t ms, enum lake_bound bound, int64_t *version)
{
    struct lake_table *t = NULL;
    enum ig_code rc;

    assert_int_equal(lake_open(f->s.store, f->s.conn, "t", &t, &f->err), IG_OK);
    rc = lake_version_bound(t, ms, bound, version, &f->err);
    lake_close(t);
    return rc;
}

#define ICT                                                                                           \
    "\"delta.enableInCommitTimestamps\":\"true\",\"delta.inCommitTimestampEnablementVersion\":\"0\"," \
    "\"delta.inCommitTimestampEnablementTimestamp\":\"1000\""

static void versions_by_their_own_times(void **state)
{
    static const struct {
        int64_t ms;
        enum lake_bound bound;
        int64_t version; /* -1: none */
    } cases[] = {
        {999, LAKE_AT, -1},    {1000, LAKE_AT, 0},    {1999, LAKE_AT, 0},    {2000, LAKE_AT, 1},
        {3999, LAKE_AT, 2},    {4000, LAKE_AT, 3},    {4001, LAKE_AT, -1},   {1, LAKE_SINCE, 0},
        {1001, LAKE_SINCE, 1}, {2000, LAKE_SINCE, 1}, {4000, LAKE_SINCE, 3}, {4001, LAKE_SINCE, -1},
        {9000, LAKE_UNTIL, 3}, {2500, LAKE_UNTIL, 1}, {5, LAKE_UNTIL, -1},
    };
    struct fixture *f = *state;
    int64_t version;

    put_commit(f, 0, INFO("\"inCommitTimestamp\":1000") PROTOCOL METADATA_WITH(ICT));
    put_commit(f, 1, INFO("\"inCommitTimestamp\":2000") ADD("one"));
    put_commit(f, 2, INFO("\"inCommitTimestamp\":3000") ADD("two"));
    put_commit(f, 3, INFO("\"inCommitTimestamp\":4000,\"operation\":\"WRITE\"") ADD("three"));
    for (size_t i = 0; i < IG_COUNT(cases); i++) {
        const enum ig_code rc = version_at(f, cases[i].ms, cases[i].bound, &version);

        if (rc != (cases[i].version < 0 ? IG_NOT_FOUND : IG_OK) || (!rc && version != cases[i].version))
            fail_msg("%zu: %d, %lld: %s", i, (int)rc, (long long)version, f->err.msg);
    }
    put_commit(f, 2, INFO("\"inCommitTimestamp\":500") ADD("two"));
    assert_int_equal(version_at(f, 2500, LAKE_AT, &version), IG_CORRUPT);
    put_commit(f, 2, INFO("\"timestamp\":3000") ADD("two"));
    assert_int_equal(version_at(f, 2500, LAKE_AT, &version), IG_CORRUPT);
}

static enum ig_code tell(void *ctx, const struct lake_history_entry *e, struct error *err)
{
    (void)err;
    buf_printf(ctx, "%lld:%s:%lld:%d;", (long long)e->version, e->operation ? e->operation : "?",
               (long long)e->read_version, e->blind_append);
    return IG_OK;
}

static void the_history_is_told_from_its_end(void **state)
{
    struct fixture *f = *state;
    struct lake_table *t = NULL;

    put_commit(f, 0, PROTOCOL METADATA INFO("\"operation\":\"CREATE TABLE\",\"isBlindAppend\":true"));
    put_commit(f, 1, ADD("one"));
    put_commit(f, 2, INFO("\"operation\":\"DELETE\",\"readVersion\":1,\"isBlindAppend\":false") REMOVE("one"));
    assert_int_equal(lake_open(f->s.store, f->s.conn, "t", &t, &f->err), IG_OK);
    assert_int_equal(lake_history(t, 0, tell, &f->text, &f->err), IG_OK);
    assert_string_equal(buf_cstr(&f->text), "2:DELETE:1:0;1:?:-1:-1;0:CREATE TABLE:-1:1;");
    buf_clear(&f->text);
    assert_int_equal(lake_history(t, 1, tell, &f->text, &f->err), IG_OK);
    assert_string_equal(buf_cstr(&f->text), "2:DELETE:1:0;");
    lake_close(t);
    assert_int_equal(lake_open(f->s.store, f->s.conn, "nothing", &t, &f->err), IG_OK);
    assert_int_equal(lake_history(t, 1, tell, &f->text, &f->err), IG_NOT_FOUND);
    lake_close(t);
}

/* Old engines' removes do not say how large the file was. */
static void a_remove_without_a_size_is_a_change(void **state)
{
    struct fixture *f = *state;
    struct lake_table *t = NULL;
    struct buf sql;

    buf_init(&sql, 0);
    put_commit(f, 0, PROTOCOL METADATA_WITH("\"delta.enableChangeDataFeed\":\"true\"") ADD("one"));
    put_commit(f, 1, REMOVE("one"));
    buf_printf(&sql, "COPY (SELECT 1 AS a) TO '%s/t/one' (FORMAT parquet)", f->dir);
    assert_int_equal(engine_exec(f->s.conn, &f->err, buf_cstr(&sql)), IG_OK);
    assert_int_equal(lake_open(f->s.store, f->s.conn, "t", &t, &f->err), IG_OK);
    if (lake_add_changes(t, 1, 1, &f->text, &f->err))
        fail_msg("%s", f->err.msg);
    assert_int_equal(lake_add_changes(t, 0, 0, &f->text, &f->err), IG_CORRUPT); /* the add says 10 bytes */
    lake_close(t);
    buf_release(&sql);
}

/* Spark's removes leave out the partition columns whose value is null. */
static void a_remove_of_the_null_partition_is_a_change(void **state)
{
    static const char file[] = "\"path\":\"one\",\"partitionValues\":{%s},\"dataChange\":true,%s";
    struct fixture *f = *state;
    struct lake_table *t = NULL;
    struct env_stat st;
    struct buf text, got;

    buf_init(&text, 0);
    buf_init(&got, 0);
    buf_printf(&text, "COPY (SELECT 1 AS b) TO '%s/t/one' (FORMAT parquet)", f->dir);
    assert_int_equal(engine_exec(f->s.conn, &f->err, buf_cstr(&text)), IG_OK);
    buf_clear(&text);
    buf_printf(&text, "%s/t/one", f->dir);
    assert_int_equal(env_stat(f->env, buf_cstr(&text), &st, &f->err), IG_OK);
    buf_clear(&text);
    buf_puts(&text, PROTOCOL "{\"metaData\":{\"id\":\"x\",\"format\":{\"provider\":\"parquet\",\"options\":{}},"
                             "\"schemaString\":\"" SCHEMA "\",\"partitionColumns\":[\"a\"],\"configuration\":{"
                             "\"delta.enableChangeDataFeed\":\"true\"}}}\n{\"add\":{");
    buf_printf(&text, file, "\"a\":null", "\"modificationTime\":1");
    buf_printf(&text, ",\"size\":%lld}}\n", (long long)st.size_bytes);
    put_commit(f, 0, buf_cstr(&text));
    buf_clear(&text);
    buf_puts(&text, "{\"remove\":{");
    buf_printf(&text, file, "", "\"extendedFileMetadata\":true");
    buf_printf(&text, ",\"size\":%lld}}\n", (long long)st.size_bytes);
    put_commit(f, 1, buf_cstr(&text));
    assert_int_equal(lake_open(f->s.store, f->s.conn, "t", &t, &f->err), IG_OK);
    buf_clear(&text);
    buf_puts(&text, "SELECT _change_type || coalesce(a::VARCHAR, ' null') FROM ");
    if (lake_add_changes(t, 1, 1, &text, &f->err) || engine_query_str(f->s.conn, buf_cstr(&text), &got, &f->err))
        fail_msg("%s", f->err.msg);
    assert_string_equal(buf_cstr(&got), "delete null");
    lake_close(t);
    buf_release(&got);
    buf_release(&text);
}

static void a_partition_value_of_another_type_is_named(void **state)
{
    static const char add[] = "{\"add\":{\"path\":\"one\",\"partitionValues\":{\"a\":\"%s\"},\"size\":%ld,"
                              "\"modificationTime\":1,\"dataChange\":true}}\n";
    static const char *const values[] = {"12", "1.0", "x12", "9223372036854775808"};
    struct fixture *f = *state;
    struct buf text;

    buf_init(&text, 0);
    buf_printf(&text, "COPY (SELECT 1 AS b) TO '%s/t/one' (FORMAT parquet)", f->dir);
    assert_int_equal(engine_exec(f->s.conn, &f->err, buf_cstr(&text)), IG_OK);
    for (size_t i = 0; i < IG_COUNT(values); i++) {
        struct lake_snapshot *s = NULL;
        struct lake_table *t = NULL;
        struct env_stat st;
        enum ig_code rc;

        buf_clear(&text);
        buf_printf(&text, "%s/t/one", f->dir);
        assert_int_equal(env_stat(f->env, buf_cstr(&text), &st, &f->err), IG_OK);
        buf_clear(&text);
        buf_puts(&text,
                 PROTOCOL "{\"metaData\":{\"id\":\"x\",\"format\":{\"provider\":\"parquet\",\"options\":{}},"
                          "\"schemaString\":\"" SCHEMA "\",\"partitionColumns\":[\"a\"],\"configuration\":{}}}\n");
        buf_printf(&text, add, values[i], (long)st.size_bytes);
        put_commit(f, 0, buf_cstr(&text));
        assert_int_equal(lake_open(f->s.store, f->s.conn, "t", &t, &f->err), IG_OK);
        assert_int_equal(lake_snapshot_open(t, LAKE_LATEST, &s, &f->err), IG_OK);
        rc = lake_add_scan(s, NULL, &f->text, &f->err);
        if (rc != (i < 2 ? IG_OK : IG_CORRUPT) || (rc && !strstr(f->err.msg, values[i])))
            fail_msg("%s: %d %s", values[i], (int)rc, f->err.msg);
        lake_snapshot_free(s);
        lake_close(t);
    }
    buf_release(&text);
}

static void changes_are_asked_for_where_they_were_recorded(void **state)
{
    static const char on[] = PROTOCOL METADATA_WITH("\"delta.enableChangeDataFeed\":\"true\"");
    struct fixture *f = *state;
    struct lake_table *t = NULL;

    put_commit(f, 0, PROTOCOL METADATA);
    put_commit(f, 1, on);
    put_commit(f, 2, INFO("\"operation\":\"WRITE\""));
    assert_int_equal(lake_open(f->s.store, f->s.conn, "t", &t, &f->err), IG_OK);
    assert_int_equal(lake_add_changes(t, 1, 2, &f->text, &f->err), IG_OK);
    assert_int_equal(lake_add_changes(t, 0, 2, &f->text, &f->err), IG_NOT_FOUND);
    assert_non_null(strstr(f->err.msg, "not recorded for version 0"));
    assert_int_equal(lake_add_changes(t, 2, 1, &f->text, &f->err), IG_INVALID);
    assert_int_equal(lake_add_changes(t, 1, 3, &f->text, &f->err), IG_NOT_FOUND);
    put_commit(f, 3, METADATA);
    assert_int_equal(lake_add_changes(t, 1, 3, &f->text, &f->err), IG_NOT_FOUND);
    lake_close(t);
}

/* So many commits that threads read them. */
static void many_commits_are_applied_in_their_order(void **state)
{
    struct fixture *f = *state;
    struct buf text;

    buf_init(&text, 0);
    put_commit(f, 0, PROTOCOL METADATA ADD("f0"));
    for (int i = 1; i < 300; i++) {
        buf_clear(&text);
        buf_printf(&text, "{\"remove\":{\"path\":\"f%d\",\"deletionTimestamp\":5,\"dataChange\":true}}\n", i - 1);
        buf_printf(&text, "{\"add\":{\"path\":\"f%d\",\"partitionValues\":{},\"size\":1,\"dataChange\":true}}\n", i);
        put_commit(f, i, buf_cstr(&text));
    }
    expect_files(f, "f299;");
    put_commit(f, 250, "{\"add\":");
    expect_corrupt(f, "version 250");
    buf_release(&text);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_contradicts_itself_stops_the_read),
        TEST(gaps_are_named),
        TEST(compacted_ranges_are_used_and_not_needed),
        TEST(checkpoints_of_the_second_kind),
        TEST(a_wrong_hint_is_only_a_hint),
        TEST(parts_of_a_checkpoint_that_are_missing),
        TEST(checksum_files_are_held_against_the_log),
        TEST(a_sealed_commit_shows_every_changed_byte),
        TEST(statistics_come_back_as_they_were),
        TEST(versions_by_their_own_times),
        TEST(the_history_is_told_from_its_end),
        TEST(a_remove_of_the_null_partition_is_a_change),
        TEST(changes_are_asked_for_where_they_were_recorded),
        TEST(a_remove_without_a_size_is_a_change),
        TEST(a_partition_value_of_another_type_is_named),
        TEST(many_commits_are_applied_in_their_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
