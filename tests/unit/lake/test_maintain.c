/* Maintenance: optimize, vacuum, restore, clone, check; and what happens when others write meanwhile. */
#include "lake/fixture.h"
#include "lake/lake_internal.h"

#include <stdio.h>
#include <unistd.h>

/* Six files: two of each of the partitions 0 to 2, of three rows. */
static void make_partitioned(struct fixture *f)
{
    run(f, "create t | d | SELECT 1 AS id, 1 AS d");
    run(f, "append t | | SELECT i::INTEGER AS id, (i % 3)::INTEGER AS d FROM range(9) t(i)");
    run(f, "append t | | SELECT 100 + i::INTEGER AS id, (i % 3)::INTEGER AS d FROM range(9) t(i)");
}

static void optimize(struct fixture *f, const struct lake_optimize *o, struct lake_optimized *out)
{
    if (lake_optimize(f->t, o, out, &f->err))
        fail_msg("%s", f->err.msg);
}

static void put(struct fixture *f, const char *name)
{
    assert_int_equal(store_put(f->s.store, name, STR("x"), STORE_REPLACE, &f->err), IG_OK);
}

static bool is_there(struct fixture *f, const char *name)
{
    struct store_object o;

    return store_stat(f->s.store, name, &o, NULL) == IG_OK;
}

/* --- optimize -------------------------------------------------------------------------------------------------- */

static void small_files_are_joined_and_their_rows_stay_in_order(void **state)
{
    const struct lake_optimize o = {0};
    struct fixture *f = *state;
    struct lake_optimized out;
    struct buf commit;

    run(f, "create t | | SELECT 1 AS id");
    for (int i = 0; i < 5; i++) {
        char line[100];

        snprintf(line, sizeof(line), "append t | | SELECT %d + i::INTEGER AS id FROM range(3) t(i)", i * 10);
        run(f, line);
    }
    optimize(f, &o, &out);
    assert_int_equal(out.files_removed, 5);
    assert_int_equal(out.files_added, 1);
    assert_answer(f, "scan t | | SELECT list(id) AS ids FROM t",
                  "{\"ids\":[0,1,2,10,11,12,20,21,22,30,31,32,40,41,42]}\n");
    assert_answer(f, "scan t@2 | | SELECT list(id ORDER BY id) AS ids FROM t", "{\"ids\":[0,1,2,10,11,12]}\n");
    buf_init(&commit, 0);
    assert_int_equal(store_get(f->s.store, "t/_delta_log/00000000000000000006.json", &commit, &f->err), IG_OK);
    assert_null(strstr(buf_cstr(&commit), "\"dataChange\":true"));
    assert_non_null(strstr(buf_cstr(&commit), "\"isBlindAppend\":false"));
    buf_release(&commit);
    optimize(f, &o, &out);
    assert_int_equal(out.files_removed, 0);
    assert_int_equal(out.version, 6);
}

static void only_the_partitions_that_the_predicate_takes(void **state)
{
    const struct lake_optimize o = {.where = "d >= 1 AND d < 2"}, wrong = {.where = "id = 1"};
    struct fixture *f = *state;
    struct lake_optimized out;

    make_partitioned(f);
    optimize(f, &o, &out);
    assert_int_equal(out.files_removed, 2);
    assert_int_equal(out.partitions, 1);
    assert_int_equal(lake_optimize(f->t, &wrong, &out, &f->err), IG_INVALID);
    assert_non_null(strstr(f->err.msg, "partition columns only"));
}

struct meddler {
    struct fixture *f;
    const char *line;
};

/* Somebody else commits between the plan and its commit. */
static void meddle(void *ctx, const char *what, int64_t done, int64_t total)
{
    struct meddler *m = ctx;

    (void)what;
    (void)done;
    (void)total;
    if (m->line)
        run(m->f, m->line);
    m->line = NULL;
}

static void what_others_removed_meanwhile_is_left_out_and_the_rest_committed(void **state)
{
    struct fixture *f = *state;
    struct meddler m = {f, "replace t | d=1 | SELECT 7 AS id, 1 AS d"};
    const struct lake_optimize o = {.progress = meddle, .ctx = &m};
    struct lake_optimized out;

    make_partitioned(f);
    optimize(f, &o, &out);
    assert_int_equal(out.files_left, 2);
    assert_int_equal(out.files_removed, 4);
    assert_int_equal(out.files_added, 2);
    assert_answer(f, "scan t | | SELECT d, count(*) AS n, sum(id)::INTEGER AS s FROM t GROUP BY d ORDER BY d",
                  "{\"d\":0,\"n\":6,\"s\":318}\n{\"d\":1,\"n\":1,\"s\":7}\n{\"d\":2,\"n\":6,\"s\":330}\n");
}

static void an_append_meanwhile_is_no_conflict(void **state)
{
    struct fixture *f = *state;
    struct meddler m = {f, "append t | | SELECT 1000 AS id, 1 AS d"};
    const struct lake_optimize o = {.progress = meddle, .ctx = &m};
    struct lake_optimized out;

    make_partitioned(f);
    optimize(f, &o, &out);
    assert_int_equal(out.files_left, 0);
    assert_int_equal(out.files_removed, 6);
    assert_answer(f, "scan t | | SELECT count(*) AS n FROM t", "{\"n\":19}\n");
}

static void another_schema_meanwhile_ends_it_and_leaves_no_file(void **state)
{
    struct fixture *f = *state;
    struct meddler m = {f, "create t | d | SELECT 1 AS id, 1 AS d, 'new' AS c"};
    const struct lake_optimize o = {.progress = meddle, .ctx = &m};
    const struct lake_vacuum dry = {.retention_ms = 0, .force = true, .dry_run = true};
    struct lake_optimized out;
    struct lake_vacuumed left;

    make_partitioned(f);
    assert_int_equal(lake_optimize(f->t, &o, &out, &f->err), IG_CONFLICT);
    assert_int_equal(lake_vacuum(f->t, &dry, &left, &f->err), IG_OK);
    assert_int_equal(left.files, 0);
    assert_answer(f, "scan t | | SELECT count(*) AS n FROM t", "{\"n\":18}\n");
}

static void rows_along_a_curve_once(void **state)
{
    const char *columns[] = {"a", "b"};
    const struct lake_optimize o = {.zorder_by = columns, .n_zorder_by = 2, .target_bytes = 20000};
    struct fixture *f = *state;
    struct lake_optimized out;

    run(f, "create t | | SELECT 1 AS a, 'x' AS b");
    run(f, "append t | | SELECT (i * 7919 % 40009)::INTEGER AS a, 'k' || (i * 31 % 997) AS b FROM range(40000) t(i)");
    optimize(f, &o, &out);
    assert_true(out.files_added >= 4);
    assert_answer(f, "scan t | | SELECT count(*) AS n, count(DISTINCT a) AS a, count(DISTINCT b) AS b FROM t",
                  "{\"n\":40000,\"a\":40000,\"b\":997}\n");
    optimize(f, &o, &out);
    assert_int_equal(out.files_removed, 0);
}

static void tables_compact_themselves_where_it_pays(void **state)
{
    struct fixture *f = *state;
    struct lake_optimized out;

    run(f, "create t | d | SELECT 1 AS id, 1 AS d");
    for (int i = 0; i < 50; i++) {
        char line[100];

        snprintf(line, sizeof(line), "append t | | SELECT %d AS id, 1 AS d", i);
        run(f, line);
    }
    run(f, "append t | | SELECT 50 AS id, 2 AS d");
    assert_int_equal(lake_auto_compact(f->t, false, &out, &f->err), IG_OK);
    assert_int_equal(out.files_removed, 0);
    assert_int_equal(lake_auto_compact(f->t, true, &out, &f->err), IG_OK);
    assert_int_equal(out.files_removed, 50);
    assert_int_equal(out.files_added, 1);
    assert_int_equal(lake_auto_compact(f->t, true, &out, &f->err), IG_OK);
    assert_int_equal(out.files_removed, 0);
    assert_answer(f, "scan t | | SELECT count(*) AS n, sum(id)::INTEGER AS s FROM t", "{\"n\":51,\"s\":1275}\n");
}

/* --- vacuum ---------------------------------------------------------------------------------------------------- */

static void vacuum_takes_what_nobody_needs_and_nothing_else(void **state)
{
    static const char *const stay[] = {"t/_hidden/x.parquet",  "t/.dot",
                                       "t/_delta_index/x",     "t/metadata/v1.json",
                                       "t/d=1/_tmp/x.parquet", "t/_delta_log/notes.txt"};
    static const char *const go[] = {"t/x.parquet", "t/d=1/y.parquet", "t/_change_data/d=1/c.parquet", "t/ab/z.bin"};
    const struct lake_vacuum young = {.retention_ms = -1}, soon = {.retention_ms = 0},
                             now = {.retention_ms = 0, .force = true},
                             dry = {.retention_ms = 0, .force = true, .dry_run = true};
    const struct lake_optimize o = {0};
    struct fixture *f = *state;
    struct lake_optimized optimized;
    struct lake_vacuumed out;

    make_partitioned(f);
    optimize(f, &o, &optimized);
    for (size_t i = 0; i < IG_COUNT(stay); i++)
        put(f, stay[i]);
    for (size_t i = 0; i < IG_COUNT(go); i++)
        put(f, go[i]);
    assert_int_equal(lake_vacuum(f->t, &young, &out, &f->err), IG_OK);
    assert_int_equal(out.files, 0);
    assert_int_equal(lake_vacuum(f->t, &soon, &out, &f->err), IG_INVALID);
    usleep(5000);
    assert_int_equal(lake_vacuum(f->t, &dry, &out, &f->err), IG_OK);
    assert_int_equal(out.files, 6 + IG_COUNT(go));
    assert_int_equal(out.version, 3);
    assert_int_equal(lake_vacuum(f->t, &now, &out, &f->err), IG_OK);
    assert_int_equal(out.files, 6 + IG_COUNT(go));
    assert_int_equal(out.version, 5);
    for (size_t i = 0; i < IG_COUNT(stay); i++)
        assert_true(is_there(f, stay[i]));
    for (size_t i = 0; i < IG_COUNT(go); i++)
        assert_false(is_there(f, go[i]));
    assert_answer(f, "scan t | | SELECT count(*) AS n FROM t", "{\"n\":18}\n");
}

static void a_lite_vacuum_takes_what_the_log_names(void **state)
{
    const struct lake_vacuum lite = {.retention_ms = 0, .force = true, .lite = true, .quiet = true};
    const struct lake_optimize o = {0};
    struct fixture *f = *state;
    struct lake_optimized optimized;
    struct lake_vacuumed out;

    make_partitioned(f);
    optimize(f, &o, &optimized);
    put(f, "t/stray.parquet");
    usleep(5000);
    assert_int_equal(lake_vacuum(f->t, &lite, &out, &f->err), IG_OK);
    assert_int_equal(out.files, 6);
    assert_true(is_there(f, "t/stray.parquet"));
    assert_int_equal(lake_vacuum(f->t, &lite, &out, &f->err), IG_OK);
    assert_int_equal(out.files, 0);
    assert_answer(f, "scan t | | SELECT count(*) AS n FROM t", "{\"n\":18}\n");
}

/* --- restore --------------------------------------------------------------------------------------------------- */

static void a_version_comes_back_with_its_columns_or_not_at_all(void **state)
{
    const struct lake_restore first = {.version = 1}, gone = {.version = 2},
                              partly = {.version = 2, .ignore_missing = true};
    const struct lake_vacuum now = {.retention_ms = 0, .force = true, .quiet = true};
    struct fixture *f = *state;
    struct lake_restored out;
    struct lake_vacuumed vacuumed;

    make_partitioned(f);
    run(f, "create t | d | SELECT 1 AS id, 1 AS d, 'new' AS c");
    run(f, "replace t | d=0 | SELECT 5 AS id, 0 AS d, 'x' AS c");
    assert_int_equal(lake_restore(f->t, &first, &out, &f->err), IG_OK);
    assert_int_equal(out.files_restored, 1);
    assert_int_equal(out.version, 5);
    assert_answer(f, "scan t | | SELECT * FROM t WHERE id < 2 ORDER BY id", "{\"id\":0,\"d\":0}\n{\"id\":1,\"d\":1}\n");
    usleep(5000);
    assert_int_equal(lake_vacuum(f->t, &now, &vacuumed, &f->err), IG_OK);
    assert_int_equal(lake_restore(f->t, &gone, &out, &f->err), IG_NOT_FOUND);
    assert_non_null(strstr(f->err.msg, "are gone"));
    assert_answer(f, "scan t | | SELECT count(*) AS n FROM t", "{\"n\":9}\n");
    assert_int_equal(lake_restore(f->t, &partly, &out, &f->err), IG_OK);
    assert_int_equal(out.files_missing, 3);
}

/* --- clone ----------------------------------------------------------------------------------------------------- */

static void clone(struct fixture *f, const char *to, bool deep)
{
    const struct lake_clone o = {.deep = deep};
    struct lake_snapshot *s = NULL;
    struct lake_table *t = NULL;
    struct lake_cloned out;

    assert_int_equal(lake_open(f->s.store, f->s.conn, to, &t, &f->err), IG_OK);
    assert_int_equal(lake_snapshot_open(f->t, LAKE_LATEST, &s, &f->err), IG_OK);
    if (lake_clone(f->t, s, t, &o, &out, &f->err))
        fail_msg("%s", f->err.msg);
    assert_int_equal(out.copied_files, deep ? 6 : 0);
    assert_int_equal(lake_clone(f->t, s, t, &o, &out, &f->err), IG_EXISTS);
    lake_snapshot_free(s);
    lake_close(t);
}

static void clones_go_their_own_way(void **state)
{
    struct fixture *f = *state;

    make_partitioned(f);
    clone(f, "shallow of t", false);
    clone(f, "deep", true);
    run(f, "replace deep | d=1 | SELECT 7 AS id, 1 AS d");
    run(f, "append t | | SELECT 1000 AS id, 1 AS d");
    assert_answer(f, "scan shallow of t | | SELECT count(*) AS n, sum(id)::INTEGER AS s FROM t",
                  "{\"n\":18,\"s\":972}\n");
    assert_answer(f, "scan deep | | SELECT count(*) AS n FROM t", "{\"n\":13}\n");
    assert_answer(f, "scan t | | SELECT count(*) AS n FROM t", "{\"n\":19}\n");
}

/* What a deep clone that died has left behind is in nobody's way. */
static void a_deep_clone_is_made_beside_what_another_left(void **state)
{
    struct fixture *f = *state;
    struct lake_snapshot *s = NULL;
    struct buf name;

    make_partitioned(f);
    assert_int_equal(lake_snapshot_open(f->t, LAKE_LATEST, &s, &f->err), IG_OK);
    buf_init(&name, 0);
    for (size_t i = 0; i < s->entries.n; i += 2) {
        buf_clear(&name);
        lake_add_object_name(&name, "deep", lake_entry_name(&s->entries.p[i]));
        assert_int_equal(store_put(f->s.store, buf_cstr(&name), STR("half of"), STORE_IF_ABSENT, &f->err), IG_OK);
    }
    buf_release(&name);
    lake_snapshot_free(s);
    clone(f, "deep", true);
    assert_answer(f, "scan deep | | SELECT count(*) AS n FROM t", "{\"n\":18}\n");
}

/* A store whose first commit of a table gets lost with its answer; just when the writer looks how far the log goes,
 * another has made the same clone. */
static struct rival {
    const struct store_ops *real;
    struct fixture *f;
    bool lost, cloned;
} rival;

static enum ig_code lose_first_commit(struct store *st, const char *name, struct str body, enum store_put_mode mode,
                                      struct error *err)
{
    if (rival.lost || !strstr(name, "/00000000000000000000.json"))
        return rival.real->put(st, name, body, mode, err);
    rival.lost = true;
    return error_set(err, IG_UNKNOWN_OUTCOME, "the connection is gone");
}

static enum ig_code list_behind_a_rival(struct store *st, const char *prefix, store_list_fn *each, void *ctx,
                                        struct error *err)
{
    if (rival.lost && !rival.cloned) {
        rival.cloned = true;
        clone(rival.f, "copy", true);
    }
    return rival.real->list(st, prefix, each, ctx, err);
}

static void a_rivals_clone_is_not_taken_for_ones_own(void **state)
{
    struct fixture *f = *state;
    struct lake_snapshot *s = NULL;
    struct lake_table *t = NULL;
    struct lake_cloned out;
    struct store_ops lying;

    make_partitioned(f);
    assert_int_equal(lake_open(f->s.store, f->s.conn, "copy", &t, &f->err), IG_OK);
    assert_int_equal(lake_snapshot_open(f->t, LAKE_LATEST, &s, &f->err), IG_OK);
    rival = (struct rival){.real = f->s.store->ops, .f = f};
    lying = *rival.real;
    lying.put = lose_first_commit;
    lying.list = list_behind_a_rival;
    lying.list_from = NULL;
    f->s.store->ops = &lying;
    assert_int_equal(lake_clone(f->t, s, t, &(struct lake_clone){.deep = true}, &out, &f->err), IG_EXISTS);
    f->s.store->ops = rival.real;
    assert_true(rival.cloned);
    lake_snapshot_free(s);
    lake_close(t);
    assert_answer(f, "scan copy | | SELECT count(*) AS n FROM t", "{\"n\":18}\n");
}

/* --- check ----------------------------------------------------------------------------------------------------- */

struct found {
    char kinds[400];
};

static void note_problem(void *ctx, const struct lake_problem *p)
{
    struct found *found = ctx;
    const size_t n = strlen(found->kinds);

    snprintf(found->kinds + n, sizeof(found->kinds) - n, "%s;", p->kind);
}

static void assert_check(struct fixture *f, bool data, const char *kinds)
{
    struct found found = {{0}};
    const struct lake_check o = {.version = LAKE_LATEST, .data = data, .each = note_problem, .ctx = &found};
    struct lake_checked out;

    if (lake_check(f->t, &o, &out, &f->err))
        fail_msg("%s", f->err.msg);
    assert_string_equal(found.kinds, kinds);
}

struct first_file {
    char name[300];
};

static enum ig_code take_name(void *ctx, const struct lake_file *file, struct error *err)
{
    struct first_file *first = ctx;

    (void)err;
    snprintf(first->name, sizeof(first->name), "t/%s", file->name);
    return IG_OK;
}

static void what_is_wrong_is_found(void **state)
{
    struct fixture *f = *state;
    struct lake_snapshot *s = NULL;
    struct first_file first = {{0}};
    struct buf bytes, commit;
    char *at;

    make_partitioned(f);
    run(f, "checkpoint t@1");
    assert_check(f, true, "");
    assert_int_equal(lake_snapshot_open(f->t, LAKE_LATEST, &s, &f->err), IG_OK);
    assert_int_equal(lake_files(s, take_name, &first, &f->err), IG_OK);
    lake_snapshot_free(s);
    buf_init(&bytes, 0);
    assert_int_equal(store_get(f->s.store, first.name, &bytes, &f->err), IG_OK);

    assert_int_equal(store_put(f->s.store, first.name, STR("short"), STORE_REPLACE, &f->err), IG_OK);
    assert_check(f, false, "size;");
    assert_check(f, true, "size;data;");
    assert_int_equal(store_remove(f->s.store, first.name, &f->err), IG_OK);
    assert_check(f, false, "missing;");
    assert_int_equal(store_put(f->s.store, first.name, buf_str(&bytes), STORE_REPLACE, &f->err), IG_OK);
    assert_check(f, true, "");

    buf_init(&commit, 0);
    assert_int_equal(store_get(f->s.store, "t/_delta_log/00000000000000000002.json", &commit, &f->err), IG_OK);
    at = strstr(commit.p, "\\\"minValues\\\":{\\\"id\\\":100}");
    assert_non_null(at);
    memcpy(at, "\\\"minValues\\\":{\\\"id\\\":101}", strlen("\\\"minValues\\\":{\\\"id\\\":101}"));
    assert_int_equal(
        store_put(f->s.store, "t/_delta_log/00000000000000000002.json", buf_str(&commit), STORE_REPLACE, &f->err),
        IG_OK);
    lake_close(f->t);
    assert_int_equal(lake_open(f->s.store, f->s.conn, "t", &f->t, &f->err), IG_OK);
    assert_check(f, false, "log;");
    (void)!store_remove(f->s.store, "t/_delta_log/00000000000000000002.crc", &f->err);
    commit.p[strlen("{'commitInfo':{'")] =
        '?'; /* the key of the commit's own checksum: a writer that has none may say what it wants */
    assert_int_equal(
        store_put(f->s.store, "t/_delta_log/00000000000000000002.json", buf_str(&commit), STORE_REPLACE, &f->err),
        IG_OK);
    assert_check(f, false, "");
    assert_check(f, true, "statistics;");
    buf_release(&commit);
    buf_release(&bytes);
}

static void a_checkpoint_that_says_otherwise_is_found(void **state)
{
    struct fixture *f = *state;
    struct buf bytes;

    make_partitioned(f);
    run(f, "checkpoint t@1");
    run(f, "replace t | d=1 | SELECT 7 AS id, 1 AS d");
    run(f, "checkpoint t@3");
    assert_check(f, false, "");
    buf_init(&bytes, 0);
    assert_int_equal(store_get(f->s.store, "t/_delta_log/00000000000000000001.checkpoint.parquet", &bytes, &f->err),
                     IG_OK);
    assert_int_equal(store_put(f->s.store, "t/_delta_log/00000000000000000003.checkpoint.parquet", buf_str(&bytes),
                               STORE_REPLACE, &f->err),
                     IG_OK);
    buf_release(&bytes);
    (void)!store_remove(f->s.store, "t/_delta_log/00000000000000000003.crc", &f->err);
    lake_close(f->t);
    assert_int_equal(lake_open(f->s.store, f->s.conn, "t", &f->t, &f->err), IG_OK);
    assert_check(f, false, "checkpoint;checkpoint;");
}

static void missing_files_are_taken_out_when_asked_to(void **state)
{
    const struct lake_check o = {.version = LAKE_LATEST, .repair = true};
    struct fixture *f = *state;
    struct lake_snapshot *s = NULL;
    struct first_file first = {{0}};
    struct lake_checked out;

    make_partitioned(f);
    assert_int_equal(lake_snapshot_open(f->t, LAKE_LATEST, &s, &f->err), IG_OK);
    assert_int_equal(lake_files(s, take_name, &first, &f->err), IG_OK);
    lake_snapshot_free(s);
    assert_int_equal(store_remove(f->s.store, first.name, &f->err), IG_OK);
    assert_int_equal(lake_check(f->t, &o, &out, &f->err), IG_OK);
    assert_int_equal(out.repaired, 1);
    assert_check(f, true, "");
    assert_answer(f, "scan t | | SELECT count(*) AS n FROM t", "{\"n\":15}\n");
}

/* --- names ----------------------------------------------------------------------------------------------------- */

static void the_file_of_a_deletion_vector(void **state)
{
    static const struct {
        const char *descriptor, *name;
    } cases[] = {
        {"{\"storageType\":\"u\",\"pathOrInlineDv\":\"ab^-aqEH.-t@S}K{vb[*k^\",\"offset\":4}",
         "ab/deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin"},
        {"{\"storageType\":\"u\",\"pathOrInlineDv\":\"^-aqEH.-t@S}K{vb[*k^\"}",
         "deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin"},
        {"{\"storageType\":\"p\",\"pathOrInlineDv\":\"s3://b/a%20b.bin\"}", "s3://b/a b.bin"},
        {"{\"storageType\":\"i\",\"pathOrInlineDv\":\"wi5b=000010000siXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L\"}", ""},
    };
    struct error err;
    struct buf name;

    (void)state;
    buf_init(&name, 0);
    for (size_t i = 0; i < IG_COUNT(cases); i++) {
        buf_clear(&name);
        assert_int_equal(lake_dv_file(str_of(cases[i].descriptor), &name, &err), IG_OK);
        assert_string_equal(buf_cstr(&name), cases[i].name);
    }
    assert_int_equal(lake_dv_file(STR("{\"storageType\":\"u\",\"pathOrInlineDv\":\"short\"}"), &name, &err),
                     IG_CORRUPT);
    assert_int_equal(lake_dv_file(STR("{\"storageType\":\"x\",\"pathOrInlineDv\":\"a\"}"), &name, &err), IG_CORRUPT);
    assert_int_equal(lake_dv_file(STR("{}"), &name, &err), IG_CORRUPT);
    buf_release(&name);
}

static void absolute_names_and_whose_they_are(void **state)
{
    struct fixture *f = *state;
    struct buf relative;
    char name[400];

    buf_init(&relative, 0);
    assert_true(lake_is_absolute(STR("/a")));
    assert_true(lake_is_absolute(STR("s3://b/a")));
    assert_true(lake_is_absolute(STR("file:/a")));
    assert_false(lake_is_absolute(STR("a/b=c:d/e")));
    assert_false(lake_is_absolute(STR("part-0.parquet")));
    for (int i = 0; i < 3; i++) {
        static const char *const schemes[] = {"file://", "file:", ""};

        snprintf(name, sizeof(name), "%s%s/t/d=1/x.parquet", schemes[i], f->dir);
        buf_clear(&relative);
        assert_true(lake_relative_name(f->t, str_of(name), &relative));
        assert_string_equal(buf_cstr(&relative), "d=1/x.parquet");
    }
    snprintf(name, sizeof(name), "%s/t2/x.parquet", f->dir);
    assert_false(lake_relative_name(f->t, str_of(name), &relative));
    buf_release(&relative);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(small_files_are_joined_and_their_rows_stay_in_order, fixture_setup_table,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(only_the_partitions_that_the_predicate_takes, fixture_setup_table,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(what_others_removed_meanwhile_is_left_out_and_the_rest_committed,
                                        fixture_setup_table, fixture_teardown),
        cmocka_unit_test_setup_teardown(an_append_meanwhile_is_no_conflict, fixture_setup_table, fixture_teardown),
        cmocka_unit_test_setup_teardown(another_schema_meanwhile_ends_it_and_leaves_no_file, fixture_setup_table,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(rows_along_a_curve_once, fixture_setup_table, fixture_teardown),
        cmocka_unit_test_setup_teardown(tables_compact_themselves_where_it_pays, fixture_setup_table, fixture_teardown),
        cmocka_unit_test_setup_teardown(vacuum_takes_what_nobody_needs_and_nothing_else, fixture_setup_table,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_lite_vacuum_takes_what_the_log_names, fixture_setup_table, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_version_comes_back_with_its_columns_or_not_at_all, fixture_setup_table,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(clones_go_their_own_way, fixture_setup_table, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_rivals_clone_is_not_taken_for_ones_own, fixture_setup_table,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_deep_clone_is_made_beside_what_another_left, fixture_setup_table,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(what_is_wrong_is_found, fixture_setup_table, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_checkpoint_that_says_otherwise_is_found, fixture_setup_table,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(missing_files_are_taken_out_when_asked_to, fixture_setup_table,
                                        fixture_teardown),
        cmocka_unit_test(the_file_of_a_deletion_vector),
        cmocka_unit_test_setup_teardown(absolute_names_and_whose_they_are, fixture_setup_table, fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
