/* A store on a disk whose power is cut at every step: what was acknowledged is there, nothing is there by halves. */
#include "base/env_sim.h"
#include "store/store.h"
#include "test.h"

#define SEEDS 20
#define PUTS 6

struct model {
    char *sure[PUTS];  /* the content that was acknowledged, NULL if none was */
    char *maybe[PUTS]; /* what the put that failed would have made of it */
};

static void model_free(struct model *m)
{
    for (int i = 0; i < PUTS; i++) {
        free(m->sure[i]);
        free(m->maybe[i]);
    }
}

/* Two rounds: the first makes the objects, the second replaces every other one. False once the power is gone. */
static bool work(struct store *st, struct model *m)
{
    for (int i = 0; i < 2 * PUTS; i++) {
        const enum store_put_mode mode = i < PUTS ? STORE_IF_ABSENT : STORE_REPLACE;
        char name[32], body[2000];
        const int k = i % PUTS;

        if (i >= PUTS && k % 2)
            continue;
        snprintf(name, sizeof(name), "dir%d/object%d", k / 2, k);
        memset(body, 'a' + i, sizeof(body) - 1);
        body[sizeof(body) - 1] = '\0';
        if (store_put(st, name, str_of(body), mode, NULL)) {
            m->maybe[k] = check_strdup(body);
            return false;
        }
        free(m->sure[k]);
        m->sure[k] = check_strdup(body);
    }
    return true;
}

static void assert_kept(struct env *env, const struct model *m, uint64_t seed, int64_t at)
{
    struct store *st = NULL;
    struct error err;

    assert_int_equal(store_open(env, "/lake", &st, &err), IG_OK);
    for (int k = 0; k < PUTS; k++) {
        char name[32];
        struct buf got;
        enum ig_code rc;

        buf_init(&got, 0);
        snprintf(name, sizeof(name), "dir%d/object%d", k / 2, k);
        rc = store_get(st, name, &got, &err);
        if (!(rc == IG_NOT_FOUND && !m->sure[k]) && !(m->sure[k] && strcmp(m->sure[k], buf_cstr(&got)) == 0) &&
            !(m->maybe[k] && strcmp(m->maybe[k], buf_cstr(&got)) == 0))
            fail_msg("seed %llu, cut at %lld: %s is %zu bytes, %s", (unsigned long long)seed, (long long)at, name,
                     got.n, error_code_name(rc));
        buf_release(&got);
    }
    store_free(st);
}

static void what_is_acknowledged_survives_a_power_cut_at_any_step(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        bool whole = false;

        for (int64_t at = 1; !whole; at++) {
            struct env *env = env_sim_new(seed * 1000 + (uint64_t)at);
            struct model m = {0};
            struct store *st = NULL;
            struct error err;

            env_sim_power_cut_at(env, at);
            if (store_open(env, "/lake", &st, &err) == IG_OK)
                whole = work(st, &m) && !env_sim_is_off(env);
            store_free(st);
            env_sim_power_cut_at(env, 0);
            if (env_sim_is_off(env))
                env_sim_power_on(env);
            assert_kept(env, &m, seed, at);
            model_free(&m);
            env_sim_free(env);
            assert_true(at < 1000);
            assert_true(!whole || at > 40);
        }
    }
}

static void a_full_disk_is_said_and_leaves_nothing(void **state)
{
    struct env *env = env_sim_new(1);
    struct store *st = NULL;
    struct store_object o;
    struct error err;

    (void)state;
    assert_int_equal(store_open(env, "/lake", &st, &err), IG_OK);
    env_sim_fail(env, ENV_SIM_WRITE, 1, IG_NO_SPACE, false);
    assert_int_equal(store_put(st, "a", STR("content"), STORE_IF_ABSENT, &err), IG_NO_SPACE);
    assert_int_equal(store_stat(st, "a", &o, &err), IG_NOT_FOUND);
    env_sim_fail(env, ENV_SIM_SYNC, 1, IG_IO, false);
    assert_int_equal(store_put(st, "a", STR("content"), STORE_IF_ABSENT, &err), IG_IO);
    assert_int_equal(store_stat(st, "a", &o, &err), IG_NOT_FOUND);
    assert_int_equal(store_put(st, "a", STR("content"), STORE_IF_ABSENT, &err), IG_OK);
    env_sim_fail(env, ENV_SIM_SYNC_DIR, 1, IG_IO, false);
    assert_int_equal(store_put(st, "b", STR("content"), STORE_IF_ABSENT, &err), IG_UNKNOWN_OUTCOME);
    store_free(st);
    env_sim_free(env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_acknowledged_survives_a_power_cut_at_any_step),
        cmocka_unit_test(a_full_disk_is_said_and_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
