#include "store/store.h"
#include "test.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>

#define RACERS 8
#define ROUNDS 50

struct fixture {
    struct env *env;
    struct store *st;
    struct error err;
    char dir[256];
};

static int setup(void **state)
{
    struct fixture *f = check_calloc(1, sizeof(*f));

    f->env = env_real_new();
    test_scratch_dir(f->dir, sizeof(f->dir));
    assert_int_equal(store_open(f->env, f->dir, &f->st, &f->err), IG_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    store_free(f->st);
    (void)!env_remove_tree(f->env, f->dir, NULL);
    env_real_free(f->env);
    free(f);
    return 0;
}

static void put(struct fixture *f, const char *name, const char *body)
{
    if (store_put(f->st, name, str_of(body), STORE_REPLACE, &f->err))
        fail_msg("%s", f->err.msg);
}

static void assert_content(struct fixture *f, const char *name, const char *want)
{
    struct buf got;

    buf_init(&got, 0);
    if (store_get(f->st, name, &got, &f->err))
        fail_msg("%s", f->err.msg);
    assert_string_equal(buf_cstr(&got), want);
    buf_release(&got);
}

static void urls_choose_the_store(void **state)
{
    struct fixture *f = *state;
    struct store *st = NULL;
    char url[300];

    snprintf(url, sizeof(url), "file:%s/deep/er/", f->dir);
    assert_int_equal(store_open(f->env, url, &st, &f->err), IG_OK);
    assert_int_equal(store_put(st, "a", STR("b"), STORE_IF_ABSENT, &f->err), IG_OK);
    store_free(st);
    assert_content(f, "deep/er/a", "b");
    snprintf(url, sizeof(url), "file://%s/deep", f->dir);
    assert_int_equal(store_open(f->env, url, &st, &f->err), IG_OK);
    store_free(st);
    assert_int_equal(store_open(f->env, "ftp://bucket/x", &st, &f->err), IG_UNSUPPORTED);
    assert_int_equal(store_open(f->env, "file:", &st, &f->err), IG_INVALID);
}

static void names_stay_within_the_store(void **state)
{
    static const char *const bad[] = {
        "", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", ".ingot-scratch/x"};
    static const char *const good[] = {"a", "b/b", "...", "c/..b", "d=2024-01-15/x", " ", "ä"};
    struct fixture *f = *state;

    for (size_t i = 0; i < IG_COUNT(bad); i++) {
        assert_false(store_name_ok(bad[i]));
        assert_int_equal(store_put(f->st, bad[i], STR("x"), STORE_REPLACE, &f->err), IG_INVALID);
    }
    for (size_t i = 0; i < IG_COUNT(good); i++) {
        assert_true(store_name_ok(good[i]));
        put(f, good[i], "x");
        assert_content(f, good[i], "x");
    }
}

static void what_is_put_is_got_and_replaced_and_removed(void **state)
{
    struct fixture *f = *state;
    struct store_object o;
    struct buf got;

    put(f, "x/y", "one");
    assert_content(f, "x/y", "one");
    put(f, "x/y", "two!");
    assert_content(f, "x/y", "two!");
    assert_int_equal(store_stat(f->st, "x/y", &o, &f->err), IG_OK);
    assert_int_equal(o.size_bytes, 4);
    assert_true(o.mtime_ms > INT64_C(1700000000000));
    assert_int_equal(store_stat(f->st, "x", &o, &f->err), IG_NOT_FOUND);
    assert_int_equal(store_remove(f->st, "x/y", &f->err), IG_OK);
    assert_int_equal(store_remove(f->st, "x/y", &f->err), IG_OK);
    buf_init(&got, 0);
    assert_int_equal(store_get(f->st, "x/y", &got, &f->err), IG_NOT_FOUND);
    put(f, "big", "0123456789");
    buf_release(&got);
    buf_init(&got, 5);
    assert_int_equal(store_get(f->st, "big", &got, &f->err), IG_LIMIT);
    buf_release(&got);
}

static void put_if_absent_keeps_what_is_there(void **state)
{
    struct fixture *f = *state;
    char path[300];

    assert_int_equal(store_put(f->st, "once", STR("first"), STORE_IF_ABSENT, &f->err), IG_OK);
    assert_int_equal(store_put(f->st, "once", STR("second"), STORE_IF_ABSENT, &f->err), IG_EXISTS);
    assert_content(f, "once", "first");
    snprintf(path, sizeof(path), "%s/local", f->dir);
    assert_int_equal(env_replace_file(f->env, path, STR("third"), &f->err), IG_OK);
    assert_int_equal(store_put_file(f->st, "once", path, STORE_IF_ABSENT, &f->err), IG_EXISTS);
    assert_content(f, "once", "first");
    assert_int_equal(store_put_file(f->st, "once", path, STORE_REPLACE, &f->err), IG_OK);
    assert_content(f, "once", "third");
    assert_int_not_equal(access(path, F_OK), 0);
}

static enum ig_code collect(void *ctx, const struct store_object *o, struct error *err)
{
    struct buf *out = ctx;

    (void)err;
    buf_printf(out, STR_FMT ";", STR_ARG(o->name));
    return IG_OK;
}

static void assert_listed(struct fixture *f, const char *prefix, const char *want)
{
    struct buf got;

    buf_init(&got, 0);
    assert_int_equal(store_list(f->st, prefix, collect, &got, &f->err), IG_OK);
    assert_string_equal(buf_cstr(&got), want);
    buf_release(&got);
}

static void lists_are_in_the_order_of_names_and_by_any_prefix(void **state)
{
    struct fixture *f = *state;
    struct buf scratch;

    put(f, "a/b", "");
    put(f, "a.c", "");
    put(f, "a0", "");
    put(f, "a/z/1", "");
    put(f, "b", "");
    assert_listed(f, "", "a.c;a/b;a/z/1;a0;b;");
    assert_listed(f, "a", "a.c;a/b;a/z/1;a0;");
    assert_listed(f, "a/", "a/b;a/z/1;");
    assert_listed(f, "a/z", "a/z/1;");
    assert_listed(f, "a/z/1", "a/z/1;");
    assert_listed(f, "nothing", "");
    assert_listed(f, "nothing/at/all", "");
    buf_init(&scratch, 0);
    assert_int_equal(store_scratch_path(f->st, ".x", &scratch, &f->err), IG_OK);
    assert_int_equal(env_replace_file(f->env, buf_cstr(&scratch), STR("unfinished"), &f->err), IG_OK);
    assert_listed(f, "", "a.c;a/b;a/z/1;a0;b;");
    assert_listed(f, ".", "");
    buf_release(&scratch);
}

static void old_scratch_is_swept_up_and_new_scratch_is_not(void **state)
{
    struct fixture *f = *state;
    const struct timespec old[2] = {{.tv_sec = 1000000}, {.tv_sec = 1000000}};
    struct buf gone, kept;

    buf_init(&gone, 0);
    buf_init(&kept, 0);
    assert_int_equal(store_scratch_path(f->st, ".old", &gone, &f->err), IG_OK);
    assert_int_equal(store_scratch_path(f->st, ".new", &kept, &f->err), IG_OK);
    assert_int_equal(env_replace_file(f->env, buf_cstr(&gone), STR("x"), &f->err), IG_OK);
    assert_int_equal(env_replace_file(f->env, buf_cstr(&kept), STR("x"), &f->err), IG_OK);
    assert_int_equal(utimensat(AT_FDCWD, buf_cstr(&gone), old, 0), 0);
    store_free(f->st);
    assert_int_equal(store_open(f->env, f->dir, &f->st, &f->err), IG_OK);
    assert_int_not_equal(access(buf_cstr(&gone), F_OK), 0);
    assert_int_equal(access(buf_cstr(&kept), F_OK), 0);
    buf_release(&gone);
    buf_release(&kept);
}

struct racer {
    struct fixture *f;
    int wins[ROUNDS];
};

static void race(void *arg)
{
    struct racer *r = arg;

    for (int i = 0; i < ROUNDS; i++) {
        char name[32], body[32];
        enum ig_code rc;

        snprintf(name, sizeof(name), "log/%03d", i);
        snprintf(body, sizeof(body), "%p", (void *)r);
        rc = store_put(r->f->st, name, str_of(body), STORE_IF_ABSENT, NULL);
        r->wins[i] = rc == IG_OK;
        if (rc != IG_OK && rc != IG_EXISTS)
            r->wins[i] = 1000;
    }
}

static void of_many_writers_one_wins_a_name(void **state)
{
    struct fixture *f = *state;
    struct racer *racers = check_calloc(RACERS, sizeof(*racers));
    struct env_thread *threads[RACERS];

    for (int i = 0; i < RACERS; i++) {
        racers[i].f = f;
        assert_int_equal(env_spawn(f->env, "racer", race, &racers[i], &threads[i], &f->err), IG_OK);
    }
    for (int i = 0; i < RACERS; i++)
        env_join(f->env, threads[i]);
    for (int i = 0; i < ROUNDS; i++) {
        char name[32], body[32];
        int wins = 0;

        for (int k = 0; k < RACERS; k++) {
            wins += racers[k].wins[i];
            if (racers[k].wins[i]) {
                snprintf(name, sizeof(name), "log/%03d", i);
                snprintf(body, sizeof(body), "%p", (void *)&racers[k]);
                assert_content(f, name, body);
            }
        }
        assert_int_equal(wins, 1);
    }
    free(racers);
}

struct sweeper {
    struct fixture *f;
    atomic_bool over;
    atomic_int puts;
    int64_t removed;
};

static void sweep(void *arg)
{
    const char *const folders[] = {"t/day=1", "t"};
    struct sweeper *s = arg;

    for (int puts = 0; !atomic_load(&s->over);) {
        const int64_t removed = store_remove_folders(s->f->st, folders, IG_COUNT(folders));

        /* A writer whose folder went while it wrote gets it made again; not over and over, which nobody does. */
        s->removed += removed;
        for (; removed && puts == atomic_load(&s->puts) && !atomic_load(&s->over);)
            env_sleep_ms(s->f->env, 0);
        puts = atomic_load(&s->puts);
    }
}

static void who_removes_empty_folders_fails_no_writer(void **state)
{
    const char *const folders[] = {"t/day=1", "t"};
    struct fixture *f = *state;
    struct sweeper s = {.f = f};
    struct env_thread *thread;

    put(f, "t/day=1/kept", "a");
    assert_int_equal(store_remove_folders(f->st, folders, 2), 0);
    assert_content(f, "t/day=1/kept", "a");
    assert_int_equal(store_remove(f->st, "t/day=1/kept", &f->err), IG_OK);
    assert_int_equal(store_remove_folders(f->st, folders, 2), 2);
    assert_int_equal(store_remove_folders(f->st, folders, 2), 0);
    atomic_init(&s.over, false);
    atomic_init(&s.puts, 0);
    assert_int_equal(env_spawn(f->env, "sweeper", sweep, &s, &thread, &f->err), IG_OK);
    for (int i = 0; i < 4 * ROUNDS; i++) {
        if (store_put(f->st, "t/day=1/x", STR("b"), i % 2 ? STORE_REPLACE : STORE_IF_ABSENT, &f->err) ||
            store_remove(f->st, "t/day=1/x", &f->err))
            fail_msg("%s", f->err.msg);
        atomic_fetch_add(&s.puts, 1);
    }
    atomic_store(&s.over, true);
    env_join(f->env, thread);
    assert_true(s.removed > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(urls_choose_the_store, setup, teardown),
        cmocka_unit_test_setup_teardown(names_stay_within_the_store, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_put_is_got_and_replaced_and_removed, setup, teardown),
        cmocka_unit_test_setup_teardown(put_if_absent_keeps_what_is_there, setup, teardown),
        cmocka_unit_test_setup_teardown(lists_are_in_the_order_of_names_and_by_any_prefix, setup, teardown),
        cmocka_unit_test_setup_teardown(old_scratch_is_swept_up_and_new_scratch_is_not, setup, teardown),
        cmocka_unit_test_setup_teardown(of_many_writers_one_wins_a_name, setup, teardown),
        cmocka_unit_test_setup_teardown(who_removes_empty_folders_fails_no_writer, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
