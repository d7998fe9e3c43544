/*
 * A write that goes wrong at every one of its steps, in three ways: afterwards the table holds either the state before
 * it or the one behind it, the answer says which, and the next write works.
 */
#include "lake/fault_env.h"
#include "lake/script.h"
#include "test.h"

#define STEPS_MAX 200

struct fixture {
    struct env *real;
    struct fault_env faulty;
    struct script plain, broken;
    struct error err;
    char dir[256];
};

static int setup(void **state)
{
    struct fixture *f = check_calloc(1, sizeof(*f));

    f->real = env_real_new();
    f->real->log_level = ENV_LOG_ERROR;
    test_scratch_dir(f->dir, sizeof(f->dir));
    fault_env_init(&f->faulty, f->real);
    assert_int_equal(script_open(&f->plain, f->real, f->dir, &f->err), IG_OK);
    assert_int_equal(script_open(&f->broken, &f->faulty.env, f->dir, &f->err), IG_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    script_close(&f->broken);
    script_close(&f->plain);
    (void)!env_remove_tree(f->real, f->dir, NULL);
    env_real_free(f->real);
    free(f);
    return 0;
}

static void run(struct fixture *f, const char *line, struct buf *out)
{
    struct buf ignored;

    buf_init(&ignored, 0);
    if (script_run(&f->plain, line, out ? out : &ignored, &f->err))
        fail_msg("%s: %s", line, f->err.msg);
    buf_release(&ignored);
}

static void read_table(struct fixture *f, const char *table, struct buf *out)
{
    char line[128];

    buf_clear(out);
    snprintf(line, sizeof(line), "scan %s | | SELECT id, v FROM t ORDER BY ALL", table);
    run(f, line, out);
}

static const char before[] = "{\"id\":1,\"v\":\"a\"}\n{\"id\":2,\"v\":\"b\"}\n";

/* One operation on a fresh table with one fault; false if the operation was over before the fault came. */
static bool strike(struct fixture *f, const char *verb, const char *rest, const char *after, enum fault_mode mode,
                   int step)
{
    char table[64], line[512];
    struct buf got, ignored;
    enum ig_code rc;

    snprintf(table, sizeof(table), "t_%d_%d", (int)mode, step);
    snprintf(line, sizeof(line), "create %s | d | SELECT 1 AS id, 'a' AS v, DATE '2024-01-15' AS d", table);
    run(f, line, NULL);
    snprintf(
        line, sizeof(line),
        "append %s | | SELECT * FROM (VALUES (1, 'a', DATE '2024-01-15'), (2, 'b', DATE '2024-01-16')) v(id, v, d)",
        table);
    run(f, line, NULL);
    buf_init(&got, 0);
    buf_init(&ignored, 0);
    snprintf(line, sizeof(line), "%s %s %s", verb, table, rest);
    fault_env_arm(&f->faulty, mode, step);
    rc = script_run(&f->broken, line, &ignored, &f->err);
    f->faulty.countdown = -1;
    f->faulty.dead = false;
    read_table(f, table, &got);
    if (rc == IG_OK)
        assert_string_equal(buf_cstr(&got), after);
    else if (rc == IG_UNKNOWN_OUTCOME)
        assert_true(strcmp(buf_cstr(&got), before) == 0 || strcmp(buf_cstr(&got), after) == 0);
    else
        assert_string_equal(buf_cstr(&got), before);
    if (mode == FAULT_DEATH && f->faulty.happened)
        assert_true(rc != IG_OK || strcmp(buf_cstr(&got), after) == 0);
    snprintf(line, sizeof(line), "%s %s %s", verb, table, rest); /* again, now that all is well */
    run(f, line, NULL);
    read_table(f, table, &got);
    assert_string_equal(buf_cstr(&got), after);
    buf_release(&ignored);
    buf_release(&got);
    return f->faulty.happened;
}

static void strike_everywhere(struct fixture *f, const char *verb, const char *rest, const char *after)
{
    for (int mode = FAULT_BEFORE; mode <= FAULT_DEATH; mode++) {
        int step = 0;

        while (strike(f, verb, rest, after, (enum fault_mode)mode, step)) {
            step++;
            assert_true(step < STEPS_MAX);
        }
        assert_true(step > 5);
    }
}

static void a_replace_happens_as_a_whole_or_not(void **state)
{
    strike_everywhere(*state, "replace", "| d=2024-01-15 | SELECT 7 AS id, 'new' AS v, DATE '2024-01-15' AS d",
                      "{\"id\":2,\"v\":\"b\"}\n{\"id\":7,\"v\":\"new\"}\n");
}

static void a_merge_happens_as_a_whole_or_not(void **state)
{
    strike_everywhere(
        *state, "merge",
        "| id | | SELECT * FROM (VALUES (2, 'B', DATE '2024-01-16'), (3, 'c', DATE '2024-01-17')) v(id, v, d)",
        "{\"id\":1,\"v\":\"a\"}\n{\"id\":2,\"v\":\"B\"}\n{\"id\":3,\"v\":\"c\"}\n");
}

/* A checkpoint goes wrong at each of its steps: the commit that made it stands, and the table is read as before. */
static void a_checkpoint_that_fails_harms_nobody(void **state)
{
    struct fixture *f = *state;
    struct buf want, got, ignored;
    bool happened = true;

    buf_init(&want, 0);
    buf_init(&got, 0);
    buf_init(&ignored, 0);
    run(f, "create t | | SELECT 1 AS id, 'x' AS v", NULL);
    for (int i = 0; i < 12; i++)
        run(f, "append t | | SELECT 1 AS id, 'x' AS v", NULL);
    read_table(f, "t", &want);
    for (int mode = FAULT_BEFORE; mode <= FAULT_DEATH; mode++) {
        for (int step = 0; step == 0 || happened; step++) {
            fault_env_arm(&f->faulty, (enum fault_mode)mode, step);
            (void)!script_run(&f->broken, "checkpoint t@12", &ignored, &f->err);
            happened = f->faulty.happened;
            f->faulty.countdown = -1;
            f->faulty.dead = false;
            read_table(f, "t", &got);
            assert_string_equal(buf_cstr(&got), buf_cstr(&want));
            assert_true(step < STEPS_MAX);
        }
    }
    buf_release(&ignored);
    buf_release(&got);
    buf_release(&want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_replace_happens_as_a_whole_or_not, setup, teardown),
        cmocka_unit_test_setup_teardown(a_merge_happens_as_a_whole_or_not, setup, teardown),
        cmocka_unit_test_setup_teardown(a_checkpoint_that_fails_harms_nobody, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
