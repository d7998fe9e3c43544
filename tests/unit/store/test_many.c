/* Ranges, listing from a name on, and many objects in order, on a folder; the race of put-if-absent. */
#include "store/store.h"
#include "store/store_internal.h"
#include "test.h"

#define MANY 200

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

static void assert_range(struct fixture *f, int64_t from, size_t n, const char *want)
{
    struct buf got;

    buf_init(&got, 0);
    buf_puts(&got, ">");
    if (store_get_range(f->st, "a", from, n, &got, &f->err))
        fail_msg("%s", f->err.msg);
    assert_string_equal(buf_cstr(&got) + 1, want);
    buf_release(&got);
}

static void a_range_ends_where_the_object_ends(void **state)
{
    struct fixture *f = *state;
    struct buf got;

    assert_int_equal(store_put(f->st, "a", STR("0123456789"), STORE_REPLACE, &f->err), IG_OK);
    assert_range(f, 0, 10, "0123456789");
    assert_range(f, 3, 4, "3456");
    assert_range(f, 8, 100, "89");
    assert_range(f, 10, 1, "");
    assert_range(f, 11, SIZE_MAX, "");
    assert_range(f, 0, 0, "");
    buf_init(&got, 0);
    assert_int_equal(store_get_range(f->st, "a", -1, 4, &got, &f->err), IG_INVALID);
    assert_int_equal(store_get_range(f->st, "b", 0, 4, &got, &f->err), IG_NOT_FOUND);
    buf_release(&got);
}

static enum ig_code add_name(void *ctx, const struct store_object *object, struct error *err)
{
    (void)err;
    buf_add_str(ctx, object->name);
    buf_putc(ctx, ' ');
    return IG_OK;
}

static void a_list_can_begin_behind_a_name(void **state)
{
    struct fixture *f = *state;
    struct buf names;

    for (char c = '1'; c <= '5'; c++) {
        const char name[] = {'t', '/', c, '\0'};

        assert_int_equal(store_put(f->st, name, STR("x"), STORE_REPLACE, &f->err), IG_OK);
    }
    buf_init(&names, 0);
    assert_int_equal(store_list_from(f->st, "t/", "t/3", add_name, &names, &f->err), IG_OK);
    assert_string_equal(buf_cstr(&names), "t/4 t/5 ");
    buf_clear(&names);
    assert_int_equal(store_list_from(f->st, "t/", "", add_name, &names, &f->err), IG_OK);
    assert_string_equal(buf_cstr(&names), "t/1 t/2 t/3 t/4 t/5 ");
    buf_release(&names);
}

struct seen {
    size_t next, stop_at;
};

static enum ig_code see(void *ctx, size_t i, struct str body, struct error *err)
{
    struct seen *s = ctx;
    char want[32];

    assert_int_equal(i, s->next);
    s->next++;
    snprintf(want, sizeof(want), "body %zu", i);
    assert_true(str_is(body, want));
    return i == s->stop_at ? error_set(err, IG_CANCELLED, "enough") : IG_OK;
}

/* With the flag `remote` set by hand a folder is read ahead as a store with latency is. */
static void many_objects_come_in_order(void **state)
{
    struct fixture *f = *state;
    struct store_ops remote = *f->st->ops;
    const struct store_ops *local = f->st->ops;
    char names[MANY][32];
    const char *list[MANY];

    for (size_t i = 0; i < MANY; i++) {
        char body[32];

        snprintf(names[i], sizeof(names[i]), "t/%zu", i);
        snprintf(body, sizeof(body), "body %zu", i);
        list[i] = names[i];
        assert_int_equal(store_put(f->st, names[i], str_of(body), STORE_REPLACE, &f->err), IG_OK);
    }
    remote.remote = true;
    for (int kind = 0; kind < 2; kind++) {
        struct seen all = {0, SIZE_MAX}, some = {0, 70};

        f->st->ops = kind ? &remote : local;
        assert_int_equal(store_is_local(f->st), !kind);
        assert_int_equal(store_get_many(f->st, list, MANY, 100, see, &all, &f->err), IG_OK);
        assert_int_equal(all.next, MANY);
        assert_int_equal(store_get_many(f->st, list, MANY, 100, see, &some, &f->err), IG_CANCELLED);
        assert_string_equal(f->err.msg, "enough");
        assert_int_equal(some.next, 71);
        assert_int_equal(store_get_many(f->st, list, MANY, 4, see, &(struct seen){0, 0}, &f->err), IG_LIMIT);
        list[MANY - 1] = "t/none";
        all.next = 0;
        assert_int_equal(store_get_many(f->st, list, MANY, 100, see, &all, &f->err), IG_NOT_FOUND);
        assert_int_equal(all.next, MANY - 1);
        list[MANY - 1] = names[MANY - 1];
    }
    f->st->ops = local;
}

static void a_folder_wins_the_race_of_put_if_absent(void **state)
{
    struct fixture *f = *state;
    struct buf names;

    assert_int_equal(store_race(f->st, &f->err), IG_OK);
    buf_init(&names, 0);
    assert_int_equal(store_list(f->st, "", add_name, &names, &f->err), IG_OK);
    assert_string_equal(buf_cstr(&names), "");
    buf_release(&names);
}

/* A store that takes the condition and ignores it. */
static const struct store_ops *honest_ops;

static enum ig_code lying_put(struct store *st, const char *name, struct str body, enum store_put_mode mode,
                              struct error *err)
{
    (void)mode;
    return honest_ops->put(st, name, body, STORE_REPLACE, err);
}

static void a_store_that_lets_two_win_is_found_out(void **state)
{
    struct fixture *f = *state;
    struct store_ops lying = *f->st->ops;

    honest_ops = f->st->ops;
    lying.put = lying_put;
    f->st->ops = &lying;
    assert_int_equal(store_race(f->st, &f->err), IG_UNSUPPORTED);
    assert_non_null(strstr(f->err.msg, "8 of 8 puts of one name won"));
    f->st->ops = honest_ops;
}

static void names_are_removed_together(void **state)
{
    struct fixture *f = *state;
    const char *names[] = {"t/1", "t/2", "t/none"};
    struct buf left;

    for (size_t i = 0; i < 2; i++)
        assert_int_equal(store_put(f->st, names[i], STR("x"), STORE_REPLACE, &f->err), IG_OK);
    assert_int_equal(store_remove_many(f->st, names, IG_COUNT(names), &f->err), IG_OK);
    buf_init(&left, 0);
    assert_int_equal(store_list(f->st, "", add_name, &left, &f->err), IG_OK);
    assert_string_equal(buf_cstr(&left), "");
    buf_release(&left);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_range_ends_where_the_object_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(a_list_can_begin_behind_a_name, setup, teardown),
        cmocka_unit_test_setup_teardown(many_objects_come_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(a_folder_wins_the_race_of_put_if_absent, setup, teardown),
        cmocka_unit_test_setup_teardown(a_store_that_lets_two_win_is_found_out, setup, teardown),
        cmocka_unit_test_setup_teardown(names_are_removed_together, setup, teardown),
    };

    return cmocka_run_group_tests_name("many objects", tests, NULL, NULL);
}
