#include "base/base.h"
#include "test.h"

#include <sys/stat.h>
#include <sys/wait.h>

struct fixture {
    struct env *env;
    char dir[256];
};

static int setup(void **state)
{
    struct fixture *f = check_calloc(1, sizeof(*f));

    f->env = env_real_new();
    test_scratch_dir(f->dir, sizeof(f->dir));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    const enum ig_code rc = env_remove_tree(f->env, f->dir, NULL);

    env_real_free(f->env);
    free(f);
    return rc == IG_OK ? 0 : -1;
}

static const char *in(const struct fixture *f, const char *name, char *out, size_t n)
{
    snprintf(out, n, "%s/%s", f->dir, name);
    return out;
}

static void file_is_written_and_read_at_any_place(void **state)
{
    struct fixture *f = *state;
    struct iovec parts[3];
    struct env_file *file;
    char path[512], got[32] = "";
    struct error err;
    int64_t size;
    size_t done;

    in(f, "log", path, sizeof(path));
    assert_int_equal(env_open(f->env, path, ENV_OPEN_READ, &file, &err), IG_NOT_FOUND);
    assert_non_null(strstr(err.msg, path));
    assert_null(file);
    assert_int_equal(env_open(f->env, path, ENV_OPEN_READ | ENV_OPEN_WRITE | ENV_OPEN_CREATE, &file, &err), IG_OK);
    parts[0] = (struct iovec){(char[]){"one "}, 4};
    parts[1] = (struct iovec){(char[]){""}, 0};
    parts[2] = (struct iovec){(char[]){"two"}, 3};
    assert_int_equal(env_writev(f->env, file, 0, parts, 3, &err), IG_OK);
    assert_int_equal(env_write(f->env, file, 7, " three", 6, &err), IG_OK);
    assert_int_equal(env_sync(f->env, file, &err), IG_OK);
    assert_int_equal(env_size(f->env, file, &size, &err), IG_OK);
    assert_int_equal(size, 13);
    assert_int_equal(env_read_full(f->env, file, 4, got, 9, &err), IG_OK);
    assert_string_equal(got, "two three");
    assert_int_equal(env_read_full(f->env, file, 4, got, 10, &err), IG_CORRUPT); /* shorter than that */
    assert_int_equal(env_read(f->env, file, 13, got, 10, &done, &err), IG_OK);
    assert_int_equal(done, 0);
    assert_int_equal(env_truncate(f->env, file, 3, &err), IG_OK);
    assert_int_equal(env_size(f->env, file, &size, &err), IG_OK);
    assert_int_equal(size, 3);
    env_close(f->env, file);
    assert_int_equal(env_open(f->env, path, ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_EXCLUSIVE, &file, &err),
                     IG_EXISTS);
    env_close(f->env, NULL);
}

static void replaced_file_has_the_old_or_the_new_content(void **state)
{
    struct fixture *f = *state;
    char path[512];
    struct buf text;
    struct error err;

    buf_init(&text, 0);
    in(f, "endpoint.json", path, sizeof(path));
    assert_int_equal(env_replace_file(f->env, path, STR("old"), &err), IG_OK);
    assert_int_equal(env_replace_file(f->env, path, STR("new and longer"), &err), IG_OK);
    assert_int_equal(env_read_file(f->env, path, &text, &err), IG_OK);
    assert_string_equal(buf_cstr(&text), "new and longer");
    buf_release(&text);
    in(f, "no/such/folder/x", path, sizeof(path));
    assert_int_equal(env_replace_file(f->env, path, STR("x"), &err), IG_NOT_FOUND);
}

/* A reader that runs beside a replacing writer never sees half a file. */
struct replacing {
    struct env *env;
    const char *path;
    bool failed;
};
static void replace_often(void *arg)
{
    struct replacing *r = arg;
    char text[5000];

    for (int i = 0; i < 200; i++) {
        memset(text, 'a' + i % 26, sizeof(text));
        if (env_replace_file(r->env, r->path, (struct str){text, sizeof(text)}, NULL))
            r->failed = true;
    }
}
static void reader_never_sees_half_a_replacement(void **state)
{
    struct fixture *f = *state;
    char path[512];
    struct replacing r = {f->env, in(f, "state", path, sizeof(path)), false};
    struct env_thread *t;
    struct error err;
    struct buf text;

    buf_init(&text, 0);
    replace_often(&r);
    assert_int_equal(env_spawn(f->env, "replacer", replace_often, &r, &t, &err), IG_OK);
    for (int i = 0; i < 500; i++) {
        buf_clear(&text);
        assert_int_equal(env_read_file(f->env, path, &text, &err), IG_OK);
        assert_int_equal(text.n, 5000);
        for (size_t k = 1; k < text.n; k++)
            assert_int_equal(text.p[k], text.p[0]);
    }
    env_join(f->env, t);
    assert_false(r.failed);
    buf_release(&text);
}

static void read_file_keeps_to_its_ceiling(void **state)
{
    struct fixture *f = *state;
    struct error err;
    char path[512];
    struct buf text;

    in(f, "ten", path, sizeof(path));
    assert_int_equal(env_replace_file(f->env, path, STR("0123456789"), &err), IG_OK);
    buf_init(&text, 10);
    assert_int_equal(env_read_file(f->env, path, &text, &err), IG_OK); /* just fits */
    assert_int_equal(text.n, 10);
    buf_release(&text);
    buf_init(&text, 9);
    assert_int_equal(env_read_file(f->env, path, &text, &err), IG_LIMIT);
    buf_release(&text);
    text = (struct buf){0};
    buf_puts(&text, "x");
    assert_int_equal(env_read_file(f->env, path, &text, &err), IG_OK); /* appends */
    assert_string_equal(buf_cstr(&text), "x0123456789");
    buf_clear(&text);
    assert_int_equal(env_read_file(f->env, "/proc/self/cmdline", &text, &err), IG_OK); /* its size says 0 */
    assert_true(text.n > 0);
    buf_release(&text);
}

static enum ig_code count_entry(void *ctx, const char *name, const struct env_stat *st, struct error *err)
{
    int *n = ctx;

    (void)st;
    assert_string_not_equal(name, ".");
    assert_string_not_equal(name, "..");
    if (++*n == 3)
        return error_set(err, IG_CANCELLED, "three are enough");
    return IG_OK;
}

static void folders_are_made_listed_and_removed(void **state)
{
    struct fixture *f = *state;
    char path[512], other[512];
    struct env_stat st;
    struct error err;
    int n = 0;

    assert_int_equal(env_make_dirs(f->env, in(f, "a/b/c", path, sizeof(path)), &err), IG_OK);
    assert_int_equal(env_make_dirs(f->env, path, &err), IG_OK); /* again */
    assert_int_equal(env_make_dirs(f->env, in(f, "a/b/d//", path, sizeof(path)), &err), IG_OK);
    assert_int_equal(env_replace_file(f->env, in(f, "a/file", path, sizeof(path)), STR("x"), &err), IG_OK);
    assert_int_equal(env_make_dirs(f->env, path, &err), IG_INVALID); /* a file is in the way */
    assert_int_equal(env_make_dirs(f->env, "", &err), IG_INVALID);
    assert_int_equal(env_list(f->env, in(f, "a", path, sizeof(path)), count_entry, &n, &err), IG_OK);
    assert_int_equal(n, 2);
    n = 2;
    assert_int_equal(env_list(f->env, path, count_entry, &n, &err), IG_CANCELLED);
    assert_int_equal(n, 3);
    assert_int_equal(env_list(f->env, in(f, "none", other, sizeof(other)), count_entry, &n, &err), IG_NOT_FOUND);
    assert_int_equal(env_remove_tree(f->env, path, &err), IG_OK);
    assert_int_equal(env_remove_tree(f->env, path, &err), IG_OK); /* a missing one is no error */
    assert_int_equal(env_stat(f->env, path, &st, &err), IG_NOT_FOUND);
}

static void removing_a_tree_does_not_follow_links_out_of_it(void **state)
{
    struct fixture *f = *state;
    char outside[512], keep[512], tree[512], link_path[512];
    struct env_stat st;
    struct error err;

    assert_int_equal(env_make_dirs(f->env, in(f, "outside", outside, sizeof(outside)), &err), IG_OK);
    assert_int_equal(env_replace_file(f->env, in(f, "outside/keep", keep, sizeof(keep)), STR("x"), &err), IG_OK);
    assert_int_equal(env_make_dirs(f->env, in(f, "tree", tree, sizeof(tree)), &err), IG_OK);
    assert_int_equal(symlink(outside, in(f, "tree/link", link_path, sizeof(link_path))), 0);
    assert_int_equal(env_remove_tree(f->env, tree, &err), IG_OK);
    assert_int_equal(env_stat(f->env, tree, &st, &err), IG_NOT_FOUND);
    assert_int_equal(env_stat(f->env, keep, &st, &err), IG_OK);
}

static void link_is_put_if_absent(void **state)
{
    struct fixture *f = *state;
    char from[512], to[512];
    struct error err;
    struct buf text;

    buf_init(&text, 0);
    assert_int_equal(env_replace_file(f->env, in(f, "scratch", from, sizeof(from)), STR("first"), &err), IG_OK);
    assert_int_equal(env_link(f->env, from, in(f, "version", to, sizeof(to)), &err), IG_OK);
    assert_int_equal(env_replace_file(f->env, from, STR("second"), &err), IG_OK);
    assert_int_equal(env_link(f->env, from, to, &err), IG_EXISTS);
    assert_int_equal(env_read_file(f->env, to, &text, &err), IG_OK);
    assert_string_equal(buf_cstr(&text), "first");
    assert_int_equal(env_unlink(f->env, to, &err), IG_OK);
    assert_int_equal(env_unlink(f->env, to, &err), IG_NOT_FOUND);
    buf_release(&text);
}

static void lock_is_held_by_one_process_and_dies_with_it(void **state)
{
    struct fixture *f = *state;
    struct env_file *mine, *other;
    char path[512];
    struct error err;
    int to_child[2], from_child[2], status;
    char c;
    pid_t child;

    in(f, "ingot.lock", path, sizeof(path));
    assert_int_equal(pipe(to_child), 0);
    assert_int_equal(pipe(from_child), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (env_open(f->env, path, ENV_OPEN_WRITE | ENV_OPEN_CREATE, &other, NULL) || env_lock(f->env, other, NULL))
            _exit(1);
        (void)!write(from_child[1], "x", 1);
        (void)!read(to_child[0], &c, 1);
        _exit(0); /* without unlocking */
    }
    assert_int_equal(read(from_child[0], &c, 1), 1);
    assert_int_equal(env_open(f->env, path, ENV_OPEN_WRITE, &mine, &err), IG_OK);
    assert_int_equal(env_lock(f->env, mine, &err), IG_EXISTS);
    assert_int_equal(write(to_child[1], "x", 1), 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(env_lock(f->env, mine, &err), IG_OK);
    env_close(f->env, mine);
    for (int i = 0; i < 2; i++) {
        close(to_child[i]);
        close(from_child[i]);
    }
}

static void clocks_go_forward_and_uuids_differ(void **state)
{
    struct fixture *f = *state;
    const int64_t from = env_monotonic_us(f->env);
    char a[37], b[37];

    env_sleep_ms(f->env, 5);
    assert_true(env_monotonic_us(f->env) - from >= 5000);
    assert_true(env_now_us(f->env) > INT64_C(1700000000000000));
    env_uuid(f->env, a);
    env_uuid(f->env, b);
    assert_int_equal(strlen(a), 36);
    assert_string_not_equal(a, b);
    assert_int_equal(a[14], '4');
    assert_non_null(strchr("89ab", a[19]));
}

/* Captures what is logged. */
static char logged[4096];
static void capture(struct env *env, enum env_log_level level, const char *component, const char *line)
{
    (void)env;
    (void)level;
    (void)component;
    snprintf(logged, sizeof(logged), "%s", line);
}

static void log_lines_are_one_line_each(void **state)
{
    struct fixture *f = *state;
    struct env_ops ops = *f->env->ops;
    struct env quiet = {.ops = &ops, .log_level = ENV_LOG_WARN};
    struct json_value v;

    ops.log = capture;
    logged[0] = 0;
    log_info(&quiet, "broker", "below the level");
    assert_string_equal(logged, "");
    log_warn(&quiet, "broker", "topic %s", "a\nb\x1b[31m");
    assert_non_null(strstr(logged, "warn  broker: topic a b [31m"));
    assert_null(strchr(logged, '\n'));
    quiet.log_json = true;
    log_error(&quiet, "broker", "topic %s", "a\n\"b");
    assert_true(json_member(str_of(logged), "message", &v));
    assert_true(str_is(v.raw, "topic a\\n\\\"b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_is_written_and_read_at_any_place),
        cmocka_unit_test(replaced_file_has_the_old_or_the_new_content),
        cmocka_unit_test(reader_never_sees_half_a_replacement),
        cmocka_unit_test(read_file_keeps_to_its_ceiling),
        cmocka_unit_test(folders_are_made_listed_and_removed),
        cmocka_unit_test(removing_a_tree_does_not_follow_links_out_of_it),
        cmocka_unit_test(link_is_put_if_absent),
        cmocka_unit_test(lock_is_held_by_one_process_and_dies_with_it),
        cmocka_unit_test(clocks_go_forward_and_uuids_differ),
        cmocka_unit_test(log_lines_are_one_line_each),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
