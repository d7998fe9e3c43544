/* Deletion vectors: the codec against sets, against bytes of others, and against broken bytes. */
#include "lake/read/dv.h"
#include "test.h"

static struct lake_dv *decode(struct str bytes)
{
    struct lake_dv *dv = NULL;
    struct error err;

    if (lake_dv_decode(bytes, &dv, &err))
        fail_msg("%s", err.msg);
    return dv;
}

/* There and back, and each row of [0, limit) is in it exactly if it was put in. */
static void assert_round_trip(const struct lake_dv *dv, uint64_t limit)
{
    struct lake_dv *back;
    struct buf bytes, again;
    int64_t *rows = check_malloc(limit * sizeof(*rows));
    bool *live = check_malloc(limit);

    buf_init(&bytes, 0);
    buf_init(&again, 0);
    lake_dv_encode(dv, &bytes);
    back = decode(buf_str(&bytes));
    assert_int_equal(lake_dv_count(back), lake_dv_count(dv));
    assert_int_equal(lake_dv_last(back), lake_dv_last(dv));
    lake_dv_encode(back, &again);
    assert_true(str_eq(buf_str(&bytes), buf_str(&again)));
    for (uint64_t i = 0; i < limit; i++)
        rows[i] = (int64_t)i;
    lake_dv_mark_live(back, rows, limit, live);
    for (uint64_t i = 0; i < limit; i++) {
        assert_int_equal(lake_dv_has(back, i), lake_dv_has(dv, i));
        assert_int_equal(live[i], !lake_dv_has(dv, i));
    }
    lake_dv_free(back);
    buf_release(&again);
    buf_release(&bytes);
    free(live);
    free(rows);
}

static void sets_of_every_density_come_back(void **state)
{
    static const unsigned densities[] = {1, 2, 3, 10, 100, 5000, 100000};
    struct test_random r = test_random_new();

    (void)state;
    for (size_t i = 0; i < IG_COUNT(densities); i++) {
        struct lake_dv *dv = lake_dv_new();
        uint64_t n = 0;

        for (uint64_t row = 0; row < 300000; row++)
            if (test_random_below(&r, densities[i]) == 0)
                n += lake_dv_add(dv, row);
        assert_false(lake_dv_count(dv) > 0 && lake_dv_add(dv, lake_dv_last(dv)));
        assert_int_equal(lake_dv_count(dv), n);
        assert_round_trip(dv, 300000);
        lake_dv_free(dv);
    }
}

static void rows_out_of_order_runs_and_far_rows_come_back(void **state)
{
    struct test_random r = test_random_new();
    struct lake_dv *dv = lake_dv_new(), *more = lake_dv_new();

    (void)state;
    assert_round_trip(dv, 10);
    for (int i = 0; i < 20; i++) {
        uint64_t start = test_random_below(&r, 500000), length = test_random_below(&r, 9000);

        for (uint64_t k = 0; k < length; k++)
            lake_dv_add(dv, start + length - k);
    }
    assert_round_trip(dv, 520000);
    lake_dv_add(more, UINT64_C(5) << 32);
    lake_dv_add(more, (UINT64_C(5) << 32) + 70000);
    lake_dv_add(more, 3);
    lake_dv_add_all(dv, more);
    assert_true(lake_dv_has(dv, 3) && lake_dv_has(dv, UINT64_C(5) << 32) && !lake_dv_has(dv, (UINT64_C(5) << 32) + 1));
    assert_int_equal(lake_dv_last(dv), (UINT64_C(5) << 32) + 70000);
    assert_round_trip(dv, 520000);
    lake_dv_free(more);
    lake_dv_free(dv);
}

#define INLINE_ROWS                                                                                          \
    "{\"storageType\":\"i\",\"pathOrInlineDv\":\"^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L\"," \
    "\"sizeInBytes\":44,\"cardinality\":"

/* The bytes that Delta's own tests have. */
static void an_inline_vector_is_read(void **state)
{
    static const uint64_t rows[] = {3, 4, 7, 11, 18, 29};
    struct lake_dv *dv;
    struct error err;

    (void)state;
    if (lake_dv_read(NULL, "", STR(INLINE_ROWS "6}"), &dv, &err))
        fail_msg("%s", err.msg);
    for (size_t i = 0; i < IG_COUNT(rows); i++)
        assert_true(lake_dv_has(dv, rows[i]));
    assert_int_equal(lake_dv_count(dv), 6);
    lake_dv_free(dv);
    assert_int_equal(lake_dv_read(NULL, "", STR(INLINE_ROWS "7}"), &dv, &err), IG_CORRUPT);
    assert_non_null(strstr(err.msg, "6 rows, not 7"));
}

static void broken_descriptors_are_refused(void **state)
{
    static const char *const texts[] = {
        "{}",
        "{\"storageType\":\"x\",\"pathOrInlineDv\":\"abc\",\"sizeInBytes\":40,\"cardinality\":6}",
        "{\"storageType\":\"i\",\"pathOrInlineDv\":\"abc\",\"sizeInBytes\":40,\"cardinality\":6}",
        "{\"storageType\":\"i\",\"pathOrInlineDv\":\"~~~~~\",\"sizeInBytes\":4,\"cardinality\":6}",
        "{\"storageType\":\"i\",\"pathOrInlineDv\":\"wi5b=\",\"sizeInBytes\":4,\"cardinality\":0}",
        "{\"storageType\":\"i\",\"pathOrInlineDv\":\"wi5b=\",\"sizeInBytes\":-1,\"cardinality\":0}",
        "{\"storageType\":\"u\",\"pathOrInlineDv\":\"tooshort\",\"offset\":1,\"sizeInBytes\":4,\"cardinality\":0}",
        "{\"storageType\":\"p\",\"pathOrInlineDv\":\"/a%zz\",\"offset\":1,\"sizeInBytes\":4,\"cardinality\":0}",
    };
    struct lake_dv *dv;
    struct error err;

    (void)state;
    for (size_t i = 0; i < IG_COUNT(texts); i++)
        assert_int_equal(lake_dv_read(NULL, "", str_of(texts[i]), &dv, &err), IG_CORRUPT);
}

/* No flipped bit is taken without notice by the decoder where it changes how many rows there are or their order; and
 * nothing reads beyond the end. */
static void broken_bytes_are_refused_or_decode_to_something(void **state)
{
    struct test_random r = test_random_new();
    struct lake_dv *dv = lake_dv_new(), *back;
    struct buf bytes;

    (void)state;
    for (int i = 0; i < 30000; i++)
        lake_dv_add(dv, test_random_below(&r, 400000));
    for (uint64_t i = 500000; i < 600000; i++)
        lake_dv_add(dv, i);
    buf_init(&bytes, 0);
    lake_dv_encode(dv, &bytes);
    for (int i = 0; i < 3000; i++) {
        const size_t at = i < 200 ? (size_t)i : test_random_below(&r, bytes.n);
        const char was = bytes.p[at];
        char *exact;

        bytes.p[at] = (char)(was ^ (1 << test_random_below(&r, 8)));
        exact = check_malloc(bytes.n);
        memcpy(exact, bytes.p, bytes.n);
        if (!lake_dv_decode((struct str){exact, bytes.n}, &back, NULL))
            lake_dv_free(back);
        free(exact);
        bytes.p[at] = was;
    }
    for (size_t n = 0; n < bytes.n; n += 1 + n / 16) {
        char *part = check_malloc(n + 1);

        memcpy(part, bytes.p, n);
        assert_int_equal(lake_dv_decode((struct str){part, n}, &back, NULL), IG_CORRUPT);
        free(part);
    }
    lake_dv_free(dv);
    buf_release(&bytes);
}

/* Written to a table's folder, read back, and every flipped bit of the file found by checksum or lengths. */
static void a_file_of_vectors_is_read_and_checked(void **state)
{
    struct lake_dv *dvs[3], *back;
    const char *descriptors[3], *name;
    struct env *env = env_real_new();
    struct lake_table *t = NULL;
    struct store *st = NULL;
    struct error err = {0};
    struct buf path, bytes;
    struct arena a;
    char dir[256];

    (void)state;
    arena_init(&a);
    buf_init(&path, 0);
    buf_init(&bytes, 0);
    test_scratch_dir(dir, sizeof(dir));
    assert_int_equal(store_open(env, dir, &st, &err), IG_OK);
    assert_int_equal(lake_open(st, NULL, "some table", &t, &err), IG_OK);
    for (size_t i = 0; i < 3; i++) {
        dvs[i] = lake_dv_new();
        for (uint64_t row = 0; row < 20; row++)
            lake_dv_add(dvs[i], row * row * (i + 1));
    }
    if (lake_dv_write(t, (const struct lake_dv *const *)dvs, 3, &a, descriptors, &name, &err))
        fail_msg("%s", err.msg);
    for (size_t i = 0; i < 3; i++) {
        if (lake_dv_read(st, "some table", str_of(descriptors[i]), &back, &err))
            fail_msg("%s", err.msg);
        assert_int_equal(lake_dv_count(back), 20);
        assert_true(lake_dv_has(back, 9 * (i + 1)));
        lake_dv_free(back);
    }
    buf_printf(&path, "some table/%s", name);
    assert_int_equal(store_get(st, buf_cstr(&path), &bytes, &err), IG_OK);
    for (size_t i = 0; i < bytes.n; i++) {
        size_t bad = 0;

        bytes.p[i] ^= 0x10;
        assert_int_equal(store_put(st, buf_cstr(&path), buf_str(&bytes), STORE_REPLACE, &err), IG_OK);
        for (size_t k = 0; k < 3; k++) {
            const enum ig_code rc = lake_dv_read(st, "some table", str_of(descriptors[k]), &back, &err);

            bad += rc != IG_OK;
            assert_true(rc == IG_OK || strstr(err.msg, name) != NULL);
            lake_dv_free(back);
        }
        assert_true(bad >= 1);
        bytes.p[i] ^= 0x10;
    }
    assert_int_equal(store_remove(st, buf_cstr(&path), &err), IG_OK);
    assert_int_equal(lake_dv_read(st, "some table", str_of(descriptors[0]), &back, &err), IG_CORRUPT);
    for (size_t i = 0; i < 3; i++)
        lake_dv_free(dvs[i]);
    lake_close(t);
    store_free(st);
    (void)!env_remove_tree(env, dir, NULL);
    env_real_free(env);
    buf_release(&bytes);
    buf_release(&path);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_of_every_density_come_back),
        cmocka_unit_test(rows_out_of_order_runs_and_far_rows_come_back),
        cmocka_unit_test(an_inline_vector_is_read),
        cmocka_unit_test(broken_descriptors_are_refused),
        cmocka_unit_test(broken_bytes_are_refused_or_decode_to_something),
        cmocka_unit_test(a_file_of_vectors_is_read_and_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
