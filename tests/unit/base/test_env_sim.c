#include "base/env_sim.h"

#include "base/base.h"
#include "test.h"

static struct env_file *write_file(struct env *env, const char *path, const char *text, bool sync)
{
    struct env_file *f;
    struct error err;

    assert_int_equal(env_open(env, path, ENV_OPEN_READ | ENV_OPEN_WRITE | ENV_OPEN_CREATE, &f, &err), IG_OK);
    assert_int_equal(env_write(env, f, 0, text, strlen(text), &err), IG_OK);
    if (sync)
        assert_int_equal(env_sync(env, f, &err), IG_OK);
    return f;
}

static bool holds(struct env *env, const char *path, const char *text)
{
    struct buf b;
    bool same;

    buf_init(&b, 0);
    same = env_read_file(env, path, &b, NULL) == IG_OK && strcmp(buf_cstr(&b), text) == 0;
    buf_release(&b);
    return same;
}

static void files_behave_as_on_a_real_disk(void **state)
{
    struct env *env = env_sim_new(1);
    struct env_file *f;
    struct env_stat st;
    struct error err;

    (void)state;
    env_sim_short_transfers(env, true);
    assert_int_equal(env_open(env, "a/b/file", ENV_OPEN_READ, &f, &err), IG_NOT_FOUND);
    assert_int_equal(env_make_dirs(env, "a/b", &err), IG_OK);
    env_close(env, write_file(env, "a/b/file", "one two three", false));
    assert_true(holds(env, "./a/b/file", "one two three"));
    assert_int_equal(env_open(env, "a/b/file", ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_EXCLUSIVE, &f, &err),
                     IG_EXISTS);
    assert_int_equal(env_link(env, "a/b/file", "a/link", &err), IG_OK);
    assert_int_equal(env_link(env, "a/b/file", "a/link", &err), IG_EXISTS);
    assert_int_equal(env_rename(env, "a/b/file", "a/moved", &err), IG_OK);
    assert_int_equal(env_stat(env, "a/b/file", &st, &err), IG_NOT_FOUND);
    assert_true(holds(env, "a/moved", "one two three"));
    assert_int_equal(env_unlink(env, "a/moved", &err), IG_OK);
    assert_true(holds(env, "a/link", "one two three"));
    assert_int_equal(env_remove_tree(env, "a", &err), IG_OK);
    assert_int_equal(env_stat(env, "a", &st, &err), IG_NOT_FOUND);
    env_sim_free(env);
}

/* Over many seeds: what was synced, and whose name was synced, is always there; what was not is sometimes lost. */
static void a_power_cut_loses_only_what_was_not_synced(void **state)
{
    unsigned lost_data = 0, lost_name = 0, kept_data = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct env *env = env_sim_new(seed);
        struct env_file *safe, *unsynced, *unnamed;
        struct error err;
        struct env_stat st;

        safe = write_file(env, "safe", "durable", true);
        unsynced = write_file(env, "unsynced", "volatile", false);
        assert_int_equal(env_sync_dir(env, ".", &err), IG_OK);
        unnamed = write_file(env, "unnamed", "durable", true);
        env_sim_power_cut(env);
        assert_true(holds(env, "safe", "durable"));
        lost_data += !holds(env, "unsynced", "volatile");
        kept_data += holds(env, "unsynced", "volatile");
        lost_name += env_stat(env, "unnamed", &st, &err) == IG_NOT_FOUND;
        assert_int_equal(env_write(env, safe, 0, "x", 1, &err), IG_IO); /* a handle from before */
        env_close(env, safe);
        env_close(env, unsynced);
        env_close(env, unnamed);
        env_sim_free(env);
    }
    assert_in_range(lost_data, 20, 180);
    assert_in_range(kept_data, 20, 180);
    assert_in_range(lost_name, 20, 180);
}

static void replacing_a_file_is_atomic_at_every_point_of_a_power_cut(void **state)
{
    (void)state;
    for (int64_t at = 1; at <= 8; at++) {
        for (uint64_t seed = 1; seed <= 30; seed++) {
            struct env *env = env_sim_new(seed);
            struct error err;
            enum ig_code rc;

            assert_int_equal(env_replace_file(env, "f", STR("old"), &err), IG_OK);
            env_sim_power_cut_at(env, at);
            rc = env_replace_file(env, "f", STR("new content"), &err);
            if (!env_sim_is_off(env))
                env_sim_power_cut(env);
            env_sim_power_on(env);
            assert_true(holds(env, "f", "new content") || (rc != IG_OK && holds(env, "f", "old")));
            env_sim_free(env);
        }
    }
}

static void faults_come_when_they_are_asked_for(void **state)
{
    struct env *env = env_sim_new(3);
    struct env_file *f = write_file(env, "f", "abc", false);
    struct error err;

    (void)state;
    env_sim_fail(env, ENV_SIM_WRITE, 2, IG_NO_SPACE, false);
    assert_int_equal(env_write(env, f, 0, "x", 1, &err), IG_OK);
    assert_int_equal(env_write(env, f, 1, "y", 1, &err), IG_NO_SPACE);
    assert_int_equal(env_write(env, f, 1, "z", 1, &err), IG_OK);
    env_sim_fail(env, ENV_SIM_SYNC, 1, IG_IO, true);
    assert_int_equal(env_sync(env, f, &err), IG_IO);
    assert_int_equal(env_sync(env, f, &err), IG_IO);
    env_sim_fail(env, ENV_SIM_SYNC, 0, IG_OK, false);
    assert_int_equal(env_sync(env, f, &err), IG_OK);
    assert_false(holds(env, "f", "xzc")); /* a sync that succeeds later brings nothing back */
    assert_int_equal(env_sim_count(env, ENV_SIM_SYNC), 3);
    env_close(env, f);
    env_sim_free(env);
}

static void locks_clock_and_randomness_are_the_tests(void **state)
{
    struct env *env = env_sim_new(7), *same = env_sim_new(7);
    struct env_file *a = write_file(env, "lock", "", false), *b = write_file(env, "lock", "", false);
    const int64_t before = env_now_us(env);
    struct error err;

    (void)state;
    assert_int_equal(env_lock(env, a, &err), IG_OK);
    assert_int_equal(env_lock(env, b, &err), IG_EXISTS);
    env_close(env, a);
    assert_int_equal(env_lock(env, b, &err), IG_OK);
    env_close(env, b);
    assert_int_equal(env_now_us(env), before);
    env_sim_advance(env, 5000);
    env_sleep_ms(env, 1);
    assert_int_equal(env_now_us(env), before + 6000);
    assert_int_equal(env_sim_random(env), env_sim_random(same));
    env_sim_free(env);
    env_sim_free(same);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_behave_as_on_a_real_disk),
        cmocka_unit_test(a_power_cut_loses_only_what_was_not_synced),
        cmocka_unit_test(replacing_a_file_is_atomic_at_every_point_of_a_power_cut),
        cmocka_unit_test(faults_come_when_they_are_asked_for),
        cmocka_unit_test(locks_clock_and_randomness_are_the_tests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
