#include "store/cache.h"
#include "test.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct fixture {
    struct env *env;
    struct cache *c;
    struct error err;
    char dir[256];
};

/* An object that a fetch makes up, and how often it was fetched (in all processes). */
struct object {
    struct env *env;
    char fill;
    int64_t size, told;
    enum ig_code fails;
    int64_t takes_ms;
    atomic_int *fetched;
};

static enum ig_code fetch(void *ctx, struct cache_download *d, const char *path, struct error *err)
{
    struct object *o = ctx;
    struct env_file *f = NULL;
    char *bytes = check_malloc((size_t)o->size + 1);
    enum ig_code rc;

    if (o->fetched)
        atomic_fetch_add(o->fetched, 1);
    memset(bytes, o->fill, (size_t)o->size);
    rc = cache_expect(d, o->told ? o->told : o->size, err);
    if (!rc)
        rc = env_open(o->env, path, ENV_OPEN_WRITE, &f, err);
    if (!rc && o->takes_ms)
        env_sleep_ms(o->env, o->takes_ms);
    if (!rc && o->told) /* less than was announced */
        rc = env_truncate(o->env, f, 0, err);
    if (!rc)
        rc = env_write(o->env, f, 0, bytes, (size_t)o->size, err);
    if (!rc && o->fails)
        rc = error_set(err, o->fails, "cut");
    env_close(o->env, f);
    free(bytes);
    return rc;
}

static void reopen(struct fixture *f, int64_t max_bytes)
{
    cache_close(f->c);
    f->c = NULL;
    if (cache_open(f->env, f->dir, max_bytes, &f->c, &f->err))
        fail_msg("%s", f->err.msg);
}

static int setup(void **state)
{
    struct fixture *f = check_calloc(1, sizeof(*f));

    f->env = env_real_new();
    test_scratch_dir(f->dir, sizeof(f->dir));
    reopen(f, 1 << 20);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    cache_close(f->c);
    (void)!env_remove_tree(f->env, f->dir, NULL);
    env_real_free(f->env);
    free(f);
    return 0;
}

static enum ig_code get(struct fixture *f, const char *name, struct object *o, char path[512])
{
    const struct cache_key key = {"s3://bucket", name, "v1"};
    struct buf b;
    enum ig_code rc;

    buf_init(&b, 0);
    o->env = f->env;
    rc = cache_path(f->c, &key, fetch, o, &b, &f->err);
    snprintf(path, 512, "%s", buf_cstr(&b));
    buf_release(&b);
    return rc;
}

static void assert_filled(struct fixture *f, const char *path, char fill, size_t size)
{
    struct buf b;

    buf_init(&b, 0);
    if (env_read_file(f->env, path, &b, &f->err))
        fail_msg("%s", f->err.msg);
    assert_int_equal(b.n, size);
    for (size_t i = 0; i < b.n; i++)
        if (b.p[i] != fill)
            fail_msg("byte %zu of %s", i, path);
    buf_release(&b);
}

static void an_object_is_fetched_once(void **state)
{
    struct fixture *f = *state;
    atomic_int fetched = 0;
    struct object o = {.fill = 'a', .size = 1000, .fetched = &fetched};
    const struct cache_key newer = {"s3://bucket", "t/a.parquet", "v2"};
    char path[512], again[512];
    struct buf b;

    assert_int_equal(get(f, "t/a.parquet", &o, path), IG_OK);
    assert_filled(f, path, 'a', 1000);
    assert_true(str_has_suffix(str_of(path), "-a.parquet"));
    assert_int_equal(get(f, "t/a.parquet", &o, again), IG_OK);
    assert_string_equal(path, again);
    reopen(f, 1 << 20); /* as another process would */
    assert_int_equal(get(f, "t/a.parquet", &o, again), IG_OK);
    assert_int_equal(fetched, 1);
    assert_filled(f, again, 'a', 1000);
    buf_init(&b, 0);
    o.fill = 'b';
    assert_int_equal(cache_path(f->c, &newer, fetch, &o, &b, &f->err), IG_OK);
    assert_int_equal(fetched, 2);
    assert_filled(f, buf_cstr(&b), 'b', 1000);
    buf_release(&b);
}

static void what_failed_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct object o = {.fill = 'a', .size = 1000, .fails = IG_UNAVAILABLE};
    char path[512];
    int64_t used;

    assert_int_equal(get(f, "a", &o, path), IG_UNAVAILABLE);
    assert_string_equal(f->err.msg, "cut");
    o.fails = IG_NOT_FOUND;
    assert_int_equal(get(f, "a", &o, path), IG_NOT_FOUND);
    o.fails = IG_OK;
    o.told = 1001;
    assert_int_equal(get(f, "a", &o, path), IG_CORRUPT);
    assert_string_equal(f->err.msg, "a: 1000 bytes came, 1001 were announced");
    assert_int_equal(cache_used(f->c, &used, &f->err), IG_OK);
    assert_int_equal(used, 0);
    o.told = 0;
    assert_int_equal(get(f, "a", &o, path), IG_OK);
    assert_filled(f, path, 'a', 1000);
}

static void the_least_recently_used_goes_first(void **state)
{
    struct fixture *f = *state;
    atomic_int fetched = 0;
    struct object o = {.fill = 'x', .size = 100000, .fetched = &fetched};
    char name[16], path[512];
    int64_t used;
    uint64_t hold;

    for (int i = 0; i < 10; i++) { /* each used and let go */
        snprintf(name, sizeof(name), "o%d", i);
        hold = cache_hold(f->c);
        assert_int_equal(get(f, name, &o, path), IG_OK);
        cache_release(f->c, hold);
        assert_int_not_equal(access(path, F_OK), 0);
        env_sleep_ms(f->env, 5);
    }
    assert_int_equal(fetched, 10);
    hold = cache_hold(f->c);
    assert_int_equal(get(f, "o0", &o, path), IG_OK); /* used again: not the oldest now */
    cache_release(f->c, hold);
    assert_int_equal(fetched, 10);
    hold = cache_hold(f->c);
    assert_int_equal(get(f, "new", &o, path), IG_OK);
    cache_release(f->c, hold);
    assert_int_equal(cache_used(f->c, &used, &f->err), IG_OK);
    assert_true(used <= 1 << 20);
    assert_int_equal(get(f, "o0", &o, path), IG_OK);
    assert_int_equal(fetched, 11);
    assert_int_equal(get(f, "o1", &o, path), IG_OK);
    assert_int_equal(fetched, 12);
}

static void a_pinned_object_is_not_evicted(void **state)
{
    struct fixture *f = *state;
    struct object o = {.fill = 'p', .size = 300000};
    char name[16], paths[8][512];
    int64_t used;
    uint64_t first = cache_hold(f->c), second;

    for (int i = 0; i < 8; i++) { /* more than the bound */
        snprintf(name, sizeof(name), "o%d", i);
        assert_int_equal(get(f, name, &o, paths[i]), IG_OK);
    }
    second = cache_hold(f->c);
    assert_int_equal(get(f, "o7", &o, name[0] ? paths[7] : NULL), IG_OK); /* the second hold's too */
    for (int i = 0; i < 8; i++)
        assert_filled(f, paths[i], 'p', 300000);
    cache_release(f->c, first);
    assert_int_not_equal(access(paths[0], F_OK), 0);
    assert_filled(f, paths[7], 'p', 300000);
    cache_release(f->c, second);
    assert_int_not_equal(access(paths[7], F_OK), 0);
    assert_int_equal(cache_used(f->c, &used, &f->err), IG_OK);
    assert_true(used <= 1 << 20);
}

static void without_a_hold_a_pin_lasts(void **state)
{
    struct fixture *f = *state;
    struct object o = {.fill = 'l', .size = 10};
    char path[512];
    uint64_t hold;

    assert_int_equal(get(f, "a", &o, path), IG_OK);
    hold = cache_hold(f->c);
    assert_int_equal(get(f, "a", &o, path), IG_OK);
    cache_release(f->c, hold);
    assert_filled(f, path, 'l', 10);
}

/* --- several processes ------------------------------------------------------------------------------------------ */

#define N_PROCESSES 6

static void processes_fetch_an_object_once(void **state)
{
    struct fixture *f = *state;
    atomic_int *fetched = mmap(NULL, sizeof(*fetched), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct object o = {.fill = 'm', .size = 5000, .takes_ms = 100, .fetched = fetched};
    char path[512];
    int failed = 0, status;

    for (int i = 0; i < N_PROCESSES; i++) {
        if (fork() == 0) {
            struct stat st = {0};

            f->c = NULL;
            reopen(f, 1 << 20);
            _exit(get(f, "same", &o, path) != IG_OK || stat(path, &st) != 0 || st.st_size != 5000);
        }
    }
    while (wait(&status) > 0)
        failed += status != 0;
    assert_int_equal(failed, 0);
    assert_int_equal(*fetched, 1);
    munmap(fetched, sizeof(*fetched));
}

static void a_dead_process_holds_nothing(void **state)
{
    struct fixture *f = *state;
    struct object o = {.fill = 'd', .size = 600000};
    char path[512];
    int status;
    int64_t used;
    uint64_t hold = cache_hold(f->c);

    for (int i = 0; i < 3; i++) { /* pins one, and dies while it downloads another */
        const pid_t pid = fork();

        if (pid == 0) {
            char name[16];

            f->c = NULL;
            reopen(f, 1 << 20);
            snprintf(name, sizeof(name), "o%d", i);
            if (get(f, name, &o, path))
                _exit(1);
            o.takes_ms = 60000;
            (void)!get(f, "slow", &o, path);
            _exit(1);
        }
        env_sleep_ms(f->env, 150);
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        assert_true(WIFSIGNALED(status));
    }
    assert_int_equal(get(f, "slow", &o, path), IG_OK);
    assert_filled(f, path, 'd', 600000);
    cache_release(f->c, hold);
    assert_int_equal(cache_used(f->c, &used, &f->err), IG_OK);
    assert_true(used <= 1 << 20);
}

static enum ig_code count_entry(void *ctx, const char *name, const struct env_stat *found, struct error *err)
{
    (void)name;
    (void)err;
    *(int *)ctx += found->is_dir;
    return IG_OK;
}

static void another_boots_files_are_not_believed(void **state)
{
    struct fixture *f = *state;
    char path[512], object[600];
    int n = 0;

    snprintf(path, sizeof(path), "%s/boot-deadbeef/objects", f->dir);
    assert_int_equal(env_make_dirs(f->env, path, &f->err), IG_OK);
    snprintf(object, sizeof(object), "%s/x", path);
    assert_int_equal(env_replace_file(f->env, object, STR("zeros"), &f->err), IG_OK);
    reopen(f, 1 << 20);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(env_list(f->env, f->dir, count_entry, &n, &f->err), IG_OK);
    assert_int_equal(n, 1);
}

/* --- room ------------------------------------------------------------------------------------------------------- */

static void a_full_disk_is_said_clearly(void **state)
{
    struct fixture *f = *state;
    struct object o = {.fill = 'f', .size = 300000};
    const struct rlimit limit = {200000, RLIM_INFINITY};
    struct rlimit before;
    char path[512];
    enum ig_code rc;

    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    setrlimit(RLIMIT_FSIZE, &limit);
    rc = get(f, "t/big", &o, path);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(rc, IG_NO_SPACE);
    assert_non_null(strstr(f->err.msg, "no space for t/big (300000 bytes) in the cache"));
    assert_int_equal(get(f, "t/big", &o, path), IG_OK);
}

static void names_with_a_uuid_are_final(void **state)
{
    (void)state;
    assert_true(cache_name_is_final("t/part-00000-0f0bf1a4-52ee-4b9a-a4b7-d5cd01d2fc7f-c000.snappy.parquet"));
    assert_true(cache_name_is_final("t/d=1/0f0bf1a4-52ee-4b9a-a4b7-d5cd01d2fc7f.parquet"));
    assert_true(cache_name_is_final("t/deletion_vector_0f0bf1a4-52ee-4b9a-a4b7-d5cd01d2fc7f.bin"));
    assert_true(cache_name_is_final(
        "t/_delta_log/00000000000000000010.checkpoint.0f0bf1a4-52ee-4b9a-a4b7-d5cd01d2fc7f.parquet"));
    assert_true(cache_name_is_final("bronze/orders/d=2024-01-01/part-20240101T000000Z-0a1b2c3d.parquet"));
    assert_false(cache_name_is_final("t/_delta_log/_last_checkpoint"));
    assert_false(cache_name_is_final("t/_delta_log/00000000000000000010.checkpoint.parquet"));
    assert_false(cache_name_is_final("t/_delta_log/00000000000000000010.json"));
    assert_false(cache_name_is_final("0f0bf1a4-52ee-4b9a-a4b7-d5cd01d2fc7f/data.parquet"));
    assert_false(cache_name_is_final("t/part-0.parquet"));
    assert_false(cache_name_is_final("t/part-x-0a1b2c3g.parquet"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_object_is_fetched_once, setup, teardown),
        cmocka_unit_test_setup_teardown(what_failed_leaves_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(the_least_recently_used_goes_first, setup, teardown),
        cmocka_unit_test_setup_teardown(a_pinned_object_is_not_evicted, setup, teardown),
        cmocka_unit_test_setup_teardown(without_a_hold_a_pin_lasts, setup, teardown),
        cmocka_unit_test_setup_teardown(processes_fetch_an_object_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_dead_process_holds_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(another_boots_files_are_not_believed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_is_said_clearly, setup, teardown),
        cmocka_unit_test(names_with_a_uuid_are_final),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
