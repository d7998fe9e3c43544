/*
 * Commits on a disk whose power is cut at every step: a commit that was acknowledged is there, one that was not is
 * there as a whole or not, versions have no gap, and the next commit works. Data files are named only: the engine does
 * not write to a simulated disk.
 */
#include "base/env_sim.h"
#include "lake/lake_internal.h"
#include "test.h"

#define SEEDS 20
#define COMMITS 6

static const char metadata[] =
    "{\"id\":\"x\",\"format\":{\"provider\":\"parquet\",\"options\":{}},\"schemaString\":\"{\\\"type\\\":"
    "\\\"struct\\\","
    "\\\"fields\\\":[{\\\"name\\\":\\\"a\\\",\\\"type\\\":\\\"long\\\",\\\"nullable\\\":true,\\\"metadata\\\":{}}]}\","
    "\"partitionColumns\":[],\"configuration\":{}}";

/* Commits file number `i`; the table is made by the first one. */
static enum ig_code commit(struct lake_table *t, int i, struct error *err)
{
    char name[32], stats[] = "{\"numRecords\":1}";
    struct lake_new_file file = {.name = name, .size_bytes = 1, .rows = 1, .stats = stats};
    struct lake_new_files files = {0};
    struct lake_change change = {.added = &files, .operation = "WRITE", .scope = LAKE_READ_NOTHING};
    struct lake_snapshot *s = NULL;
    int64_t version;
    enum ig_code rc;

    snprintf(name, sizeof(name), "file%d", i);
    rc = lake_snapshot_latest(t, &s, err);
    if (rc == IG_NOT_FOUND) {
        change.protocol = "{\"minReaderVersion\":1,\"minWriterVersion\":2}";
        change.metadata = metadata;
        change.added = NULL;
        rc = lake_commit(t, &change, &version, err);
        change.protocol = change.metadata = NULL;
        change.added = &files;
        if (!rc)
            rc = lake_snapshot_latest(t, &s, err);
    }
    if (!rc) {
        change.base = s;
        vec_push(&files.list, file);
        rc = lake_commit(t, &change, &version, err);
        vec_free(&files.list);
    }
    lake_snapshot_free(s);
    return rc;
}

struct seen {
    int count[COMMITS + 1];
};

static enum ig_code see(void *ctx, const struct lake_file *f, struct error *err)
{
    (void)err;
    ((struct seen *)ctx)->count[atoi(f->name + strlen("file"))]++;
    return IG_OK;
}

/* Files 0 .. sure-1 were acknowledged, file `sure` may be there. */
static void assert_table(struct env *env, int sure, uint64_t seed, int64_t at)
{
    struct store *st = NULL;
    struct lake_table *t = NULL;
    struct lake_snapshot *s = NULL;
    struct seen seen = {0};
    struct error err = {0};
    enum ig_code rc;

    assert_int_equal(store_open(env, "/lake", &st, &err), IG_OK);
    assert_int_equal(lake_open(st, NULL, "t", &t, &err), IG_OK);
    rc = lake_snapshot_latest(t, &s, &err);
    if (rc && (rc != IG_NOT_FOUND || sure > 0))
        fail_msg("seed %llu, cut at %lld: %s", (unsigned long long)seed, (long long)at, err.msg);
    if (!rc)
        assert_int_equal(lake_files(s, see, &seen, &err), IG_OK);
    for (int i = 0; i <= COMMITS; i++)
        if (seen.count[i] != (i < sure) && !(i == sure && seen.count[i] <= 1))
            fail_msg("seed %llu, cut at %lld: file %d is there %d times", (unsigned long long)seed, (long long)at, i,
                     seen.count[i]);
    lake_snapshot_free(s);
    assert_int_equal(commit(t, COMMITS, &err), IG_OK);
    assert_int_equal(lake_snapshot_latest(t, &s, &err), IG_OK);
    lake_snapshot_free(s);
    lake_close(t);
    store_free(st);
}

static void a_commit_survives_a_power_cut_as_a_whole(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        bool whole = false;

        for (int64_t at = 1; !whole; at++) {
            struct env *env = env_sim_new(seed * 1000 + (uint64_t)at);
            struct store *st = NULL;
            struct lake_table *t = NULL;
            struct error err;
            int sure = 0;

            env_sim_power_cut_at(env, at);
            if (store_open(env, "/lake", &st, &err) == IG_OK && lake_open(st, NULL, "t", &t, &err) == IG_OK)
                while (sure < COMMITS && commit(t, sure, &err) == IG_OK)
                    sure++;
            whole = sure == COMMITS && !env_sim_is_off(env);
            lake_close(t);
            store_free(st);
            env_sim_power_cut_at(env, 0);
            if (env_sim_is_off(env))
                env_sim_power_on(env);
            assert_table(env, sure, seed, at);
            env_sim_free(env);
            assert_true(at < 1000);
            assert_true(!whole || at > 40);
        }
    }
}

/* Every kind of operation fails once, at each of its turns: the commit is made once, or not, and says so. */
static void a_commit_on_a_failing_disk_is_made_once_or_not(void **state)
{
    static const enum env_sim_op ops[] = {ENV_SIM_OPEN,   ENV_SIM_READ,     ENV_SIM_WRITE,
                                          ENV_SIM_SYNC,   ENV_SIM_RENAME,   ENV_SIM_LINK,
                                          ENV_SIM_UNLINK, ENV_SIM_SYNC_DIR, ENV_SIM_MAKE_DIR};

    (void)state;
    for (size_t k = 0; k < IG_COUNT(ops); k++) {
        for (int64_t n = 1; n < 12; n++) {
            struct env *env = env_sim_new((uint64_t)n);
            struct store *st = NULL;
            struct lake_table *t = NULL;
            struct lake_snapshot *s = NULL;
            struct seen seen = {0};
            struct error err = {0};
            enum ig_code rc[3];

            assert_int_equal(store_open(env, "/lake", &st, &err), IG_OK);
            assert_int_equal(lake_open(st, NULL, "t", &t, &err), IG_OK);
            env_sim_fail(env, ops[k], n, IG_IO, false);
            for (int i = 0; i < 3; i++)
                rc[i] = commit(t, i, &err);
            env_sim_fail(env, ops[k], 0, IG_IO, false);
            if (lake_snapshot_latest(t, &s, &err))
                fail_msg("operation %d, failure %lld: %s", (int)ops[k], (long long)n, err.msg);
            assert_int_equal(lake_files(s, see, &seen, &err), IG_OK);
            for (int i = 0; i < 3; i++)
                if (rc[i] == IG_UNKNOWN_OUTCOME ? seen.count[i] > 1 : seen.count[i] != (rc[i] == IG_OK))
                    fail_msg("operation %d, failure %lld: commit %d said %s and is there %d times", (int)ops[k],
                             (long long)n, i, error_code_name(rc[i]), seen.count[i]);
            lake_snapshot_free(s);
            lake_close(t);
            store_free(st);
            env_sim_free(env);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_commit_survives_a_power_cut_as_a_whole),
        cmocka_unit_test(a_commit_on_a_failing_disk_is_made_once_or_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
