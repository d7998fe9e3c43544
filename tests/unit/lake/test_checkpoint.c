/* Checkpoints as Parquet: what we read of them ourselves is what the engine reads, whoever wrote them; and damaged
 * bytes are told. */
#include "lake/commit/checkpoint.h"
#include "lake/log/checkpoint_reader.h"
#include "lake/parquet/parquet.h"
#include "lake/script.h"
#include "test.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>

struct fixture {
    struct env *env;
    struct script s;
    struct error err;
    char dir[256];
    struct buf path, ours, engines;
};

static int setup(void **state)
{
    struct fixture *f = check_calloc(1, sizeof(*f));

    f->env = env_real_new();
    test_scratch_dir(f->dir, sizeof(f->dir));
    buf_init(&f->path, 0);
    buf_init(&f->ours, 0);
    buf_init(&f->engines, 0);
    assert_int_equal(script_open(&f->s, f->env, f->dir, &f->err), IG_OK);
    buf_printf(&f->path, "%s/c.parquet", f->dir);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    script_close(&f->s);
    (void)!env_remove_tree(f->env, f->dir, NULL);
    env_real_free(f->env);
    buf_release(&f->path);
    buf_release(&f->ours);
    buf_release(&f->engines);
    free(f);
    return 0;
}

/* --- a file, read in one of the ways ----------------------------------------------------------------------- */

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The lines of a snapshot in the order of their bytes. */
static void dump(const struct lake_snapshot *s, struct buf *out)
{
    VEC(char *) lines = {0};
    struct checkpoint_lines l;
    size_t next = 0;

    assert_int_equal(checkpoint_lines_begin(&l, s->store->env, NULL, NULL), IG_OK);
    if (s->protocol.raw.p && s->metadata.raw.p)
        assert_int_equal(checkpoint_add_others(s, 0, &l, NULL), IG_OK);
    assert_int_equal(checkpoint_add_files(s, 0, &next, INT64_MAX, &l, NULL), IG_OK);
    buf_putc(&l.text, '\0');
    for (char *line = strtok(l.text.p, "\n"); line; line = strtok(NULL, "\n"))
        vec_push(&lines, line);
    qsort(lines.p, lines.n, sizeof(*lines.p), by_bytes);
    buf_clear(out);
    for (size_t i = 0; i < lines.n; i++)
        buf_printf(out, "%s\n", lines.p[i]);
    vec_free(&lines);
    checkpoint_lines_free(&l);
}

static enum ig_code read_in(struct fixture *f, const char *path, const struct parquet_input *in, bool engine,
                            struct buf *out)
{
    struct lake_snapshot *s = lake_snapshot_new(f->s.store, "t");
    struct checkpoint_reader r = {.s = s, .c = f->s.conn, .by_engine = engine, .says_version = -1};
    enum ig_code rc, end;

    f->err = (struct error){0};
    lake_parser_init(&r.parser, &lake_chunk_new(s)->arena);
    lake_replay_begin(&r.replay, s, LAKE_REPLAY_CHECKPOINT);
    rc = in       ? checkpoint_read_input(&r, in, &f->err)
         : engine ? checkpoint_read_by_engine(&r, &path, 1, &f->err)
                  : checkpoint_read_parquet(&r, &path, 1, &f->err);
    end = lake_replay_end(&r.replay, rc ? NULL : &f->err);
    rc = rc ? rc : end;
    if (!rc)
        dump(s, out);
    vec_free(&r.sidecars);
    vec_free(&r.actions.list);
    lake_parser_release(&r.parser);
    lake_snapshot_free(s);
    return rc;
}

/* Both ways give the same, or both refuse; true if we read it ourselves. */
static bool compare(struct fixture *f, const char *path)
{
    const enum ig_code engines = read_in(f, path, NULL, true, &f->engines);
    const enum ig_code ours = read_in(f, path, NULL, false, &f->ours);

    if (ours == IG_UNSUPPORTED)
        return false;
    if (ours != engines)
        print_message("%s: %s\n", path, f->err.msg);
    assert_int_equal(ours, engines);
    if (!ours)
        assert_string_equal(buf_cstr(&f->ours), buf_cstr(&f->engines));
    return true;
}

/* --- files of all kinds ------------------------------------------------------------------------------------ */

#define FILE_COLUMNS                                                                                                \
    "path VARCHAR, \"partitionValues\" MAP(VARCHAR, VARCHAR), size BIGINT, \"modificationTime\" BIGINT, "           \
    "\"dataChange\" BOOLEAN, tags MAP(VARCHAR, VARCHAR), stats VARCHAR, \"deletionVector\" STRUCT(\"storageType\" " \
    "VARCHAR, \"pathOrInlineDv\" VARCHAR, \"offset\" INTEGER, \"sizeInBytes\" INTEGER, cardinality BIGINT), "       \
    "\"baseRowId\" BIGINT, \"defaultRowCommitVersion\" BIGINT, \"clusteringProvider\" VARCHAR"
#define REMOVE_COLUMNS                                                                                       \
    "path VARCHAR, \"deletionTimestamp\" BIGINT, \"dataChange\" BOOLEAN, \"partitionValues\" MAP(VARCHAR, "  \
    "VARCHAR), size BIGINT, \"deletionVector\" STRUCT(\"storageType\" VARCHAR, \"pathOrInlineDv\" VARCHAR, " \
    "\"offset\" INTEGER, \"sizeInBytes\" INTEGER, cardinality BIGINT)"
#define METADATA_COLUMNS                                                                              \
    "id VARCHAR, name VARCHAR, format STRUCT(provider VARCHAR, options MAP(VARCHAR, VARCHAR)), "      \
    "\"schemaString\" VARCHAR, \"partitionColumns\" VARCHAR[], configuration MAP(VARCHAR, VARCHAR), " \
    "\"createdTime\" BIGINT"

/* n files, each third one removed, with what only some files have, and the other actions among them. */
static void make(struct fixture *f, int n, const char *options)
{
    struct buf sql;

    buf_init(&sql, 0);
    buf_printf(
        &sql,
        "COPY (SELECT "
        "CASE WHEN i %% 3 > 0 AND i > 9 THEN {path: 'p=' || i %% 7 || '/f%%20\xc3\xa9-' || i, partitionValues: CASE "
        "i %% 5 WHEN 0 THEN MAP {} WHEN 1 THEN MAP {'p': NULL} ELSE MAP {'p': 'v\"' || i %% 7, 'q': ''} END, "
        "size: i * 1000, modificationTime: 1700000000000 + i, dataChange: i %% 2 = 0, tags: CASE WHEN i %% 11 = 0 "
        "THEN MAP {'a': 'b', 'c': NULL} END, stats: CASE WHEN i %% 13 > 0 THEN '{\"numRecords\":' || i || "
        "',\"minValues\":{\"x\":\"' || repeat('y', i %% 50) || '\"}}' END, deletionVector: CASE WHEN i %% 17 = 0 "
        "THEN {storageType: 'u', pathOrInlineDv: 'ab' || i, \"offset\": CASE WHEN i %% 2 = 0 THEN i END, "
        "sizeInBytes: 3, cardinality: 1} END, baseRowId: CASE WHEN i %% 4 = 0 THEN i END, "
        "defaultRowCommitVersion: CASE WHEN i %% 4 = 0 THEN -i END, clusteringProvider: CASE WHEN i %% 100 = 0 THEN "
        "'liquid' END}::STRUCT(" FILE_COLUMNS ") END AS add, "
        "CASE WHEN i %% 3 = 0 AND i > 9 THEN {path: 'gone' || i, deletionTimestamp: i, dataChange: true, "
        "partitionValues: CASE WHEN i %% 2 = 0 THEN MAP {'p': 'w'} END, size: i, deletionVector: NULL}::STRUCT(" //
        REMOVE_COLUMNS ") END AS remove, "
        "CASE WHEN i = 1 THEN {id: 'x', name: NULL, format: {provider: 'parquet', options: MAP {}}, schemaString: "
        "'{}', partitionColumns: ['p', 'q'], configuration: MAP {'k\\': 'v', 'l': ''}, createdTime: 5}::STRUCT(" //
        METADATA_COLUMNS ") END AS \"metaData\", "
        "CASE WHEN i = 2 THEN {minReaderVersion: 3, minWriterVersion: 7, readerFeatures: ['deletionVectors'], "
        "writerFeatures: []::VARCHAR[]}::STRUCT(\"minReaderVersion\" INTEGER, \"minWriterVersion\" INTEGER, "
        "\"readerFeatures\" VARCHAR[], \"writerFeatures\" VARCHAR[]) END AS protocol, "
        "CASE WHEN i BETWEEN 3 AND 5 THEN {appId: 'app' || i, version: i}::STRUCT(\"appId\" VARCHAR, version BIGINT) "
        "END AS txn, "
        "CASE WHEN i BETWEEN 6 AND 7 THEN {domain: 'd' || i, configuration: '{}', removed: i = 7}::STRUCT(domain "
        "VARCHAR, configuration VARCHAR, removed BOOLEAN) END AS \"domainMetadata\" "
        "FROM range(%d) t(i)) TO '%s' (FORMAT parquet, %s)",
        n, buf_cstr(&f->path), options);
    assert_int_equal(buf_check(&sql, &f->err, "sql"), IG_OK);
    if (engine_exec(f->s.conn, &f->err, buf_cstr(&sql)))
        fail_msg("%s", f->err.msg);
    buf_release(&sql);
}

static void what_we_read_is_what_the_engine_reads(void **state)
{
    static const char *const options[] = {
        "COMPRESSION snappy",
        "COMPRESSION zstd, ROW_GROUP_SIZE 2048",
        "COMPRESSION gzip",
        "COMPRESSION uncompressed, ROW_GROUP_SIZE 2048",
        "COMPRESSION snappy, DICTIONARY_SIZE_LIMIT 1",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < IG_COUNT(options); i++) {
        make(f, i == 0 ? 100 : 2500, options[i]);
        assert_true(compare(f, buf_cstr(&f->path)));
        assert_true(f->ours.n > 2500);
    }
    make(f, 12, "COMPRESSION snappy"); /* only a few files */
    assert_true(compare(f, buf_cstr(&f->path)));
}

static void what_we_do_not_know_is_for_the_engine(void **state)
{
    static const char *const options[] = {"COMPRESSION brotli", "COMPRESSION lz4_raw", "PARQUET_VERSION V2"};
    struct fixture *f = *state;

    for (size_t i = 0; i < IG_COUNT(options); i++) {
        make(f, 300, options[i]);
        assert_false(compare(f, buf_cstr(&f->path)));
        assert_true(f->engines.n > 2500);
    }
}

/* A sidecar, or one part of several, in which there is nothing but what is gone. */
static void files_that_are_gone_alone(void **state)
{
    struct fixture *f = *state;
    struct buf sql;

    buf_init(&sql, 0);
    buf_printf(
        &sql,
        "COPY (SELECT {path: 'gone' || i, deletionTimestamp: 1700000000000 + i, dataChange: true, partitionValues: "
        "MAP {}, size: i, deletionVector: NULL}::STRUCT(" REMOVE_COLUMNS
        ") AS remove FROM range(10) t(i)) TO '%s' (FORMAT parquet)",
        buf_cstr(&f->path));
    assert_int_equal(engine_exec(f->s.conn, &f->err, buf_cstr(&sql)), IG_OK);
    assert_true(compare(f, buf_cstr(&f->path)));
    assert_true(f->ours.n > 500);
    buf_release(&sql);
}

static void checkpoints_of_other_engines(void **state)
{
    struct fixture *f = *state;
    glob_t found = {0};
    size_t ours = 0;

    if (glob(INGOT_SHARED_DIR "/delta/*/*/_delta_log/*.checkpoint*.parquet", 0, NULL, &found))
        skip();
    glob(INGOT_SHARED_DIR "/delta/*/*/*/_delta_log/*.checkpoint*.parquet", GLOB_APPEND, NULL, &found);
    glob(INGOT_SHARED_DIR "/delta/*/*/_delta_log/_sidecars/*.parquet", GLOB_APPEND, NULL, &found);
    for (size_t i = 0; i < found.gl_pathc; i++)
        ours += compare(f, found.gl_pathv[i]);
    assert_true(ours * 2 > found.gl_pathc);
    globfree(&found);
}

/* --- damage ------------------------------------------------------------------------------------------------ */

static enum ig_code read_memory(void *ctx, int64_t at, void *p, size_t n, struct error *err)
{
    const struct buf *bytes = ctx;

    if (at < 0 || at > (int64_t)bytes->n || n > bytes->n - (size_t)at)
        return error_set(err, IG_CORRUPT, "it ends");
    memcpy(p, bytes->p + at, n);
    return IG_OK;
}

/* Whatever the bytes are, they are read or refused; cut off, they are refused. */
static void damaged_bytes(void **state)
{
    struct fixture *f = *state;
    struct buf bytes;
    struct parquet_input in = {.read = read_memory, .ctx = &bytes};

    make(f, 20, "COMPRESSION uncompressed");
    buf_init(&bytes, 0);
    assert_int_equal(env_read_file(f->env, buf_cstr(&f->path), &bytes, &f->err), IG_OK);
    in.size_bytes = (int64_t)bytes.n;
    assert_int_equal(read_in(f, NULL, &in, false, &f->ours), IG_OK);
    for (size_t i = 0; i < bytes.n; i++) {
        const char was = bytes.p[i];
        enum ig_code rc;

        bytes.p[i] = (char)(uint8_t)(was ^ (1 << i % 8));
        rc = read_in(f, NULL, &in, false, &f->ours);
        assert_true(rc == IG_OK || rc == IG_CORRUPT || rc == IG_UNSUPPORTED || rc == IG_LIMIT);
        assert_true(rc == IG_OK || f->err.msg[0]);
        bytes.p[i] = was;
    }
    for (size_t cut = 1; cut < bytes.n; cut += 97) {
        in.size_bytes = (int64_t)(bytes.n - cut);
        assert_int_equal(read_in(f, NULL, &in, false, &f->ours), IG_CORRUPT);
    }
    buf_release(&bytes);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_we_read_is_what_the_engine_reads),
        TEST(what_we_do_not_know_is_for_the_engine),
        TEST(files_that_are_gone_alone),
        TEST(checkpoints_of_other_engines),
        TEST(damaged_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
