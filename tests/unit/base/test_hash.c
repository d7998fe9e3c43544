#include "base/base.h"
#include "test.h"

static void crc32c_has_the_known_values(void **state)
{
    uint8_t zeros[32] = {0}, ones[32], up[32];

    (void)state;
    memset(ones, 0xff, sizeof(ones));
    for (size_t i = 0; i < sizeof(up); i++)
        up[i] = (uint8_t)i;
    /* RFC 3720, appendix B.4 */
    assert_int_equal(hash_crc32c(0, zeros, 32), 0x8a9136aa);
    assert_int_equal(hash_crc32c(0, ones, 32), 0x62a8ab43);
    assert_int_equal(hash_crc32c(0, up, 32), 0x46dd794e);
    assert_int_equal(hash_crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(hash_crc32c(0, "", 0), 0);
}

static void crc32c_can_be_taken_in_pieces(void **state)
{
    struct test_random r = test_random_new();
    uint8_t data[300];

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)test_random_next(&r);
    for (size_t cut = 0; cut <= sizeof(data); cut++) {
        const uint32_t first = hash_crc32c(0, data, cut);

        assert_int_equal(hash_crc32c(first, data + cut, sizeof(data) - cut), hash_crc32c(0, data, sizeof(data)));
    }
}

/* The values of Kafka's own UtilsTest.testMurmur2. */
static void murmur2_is_kafkas(void **state)
{
    static const struct {
        const char *text;
        int32_t value;
    } cases[] = {{"21", -973932308},
                 {"foobar", -790332482},
                 {"a-little-bit-long-string", -985981536},
                 {"a-little-bit-longer-string", -1486304829},
                 {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
                 {"abc", 479470107}};

    (void)state;
    for (size_t i = 0; i < IG_COUNT(cases); i++)
        assert_int_equal((int32_t)hash_murmur2(cases[i].text, strlen(cases[i].text)), cases[i].value);
    assert_int_equal(hash_partition_of_key(STR("foobar"), 6), (-790332482 & 0x7fffffff) % 6);
    assert_int_equal(hash_partition_of_key(STR(""), 1), 0);
}

static void digests_have_the_known_values(void **state)
{
    char md5[33], sha[65];

    (void)state;
    hash_md5_hex("", 0, md5);
    assert_string_equal(md5, "d41d8cd98f00b204e9800998ecf8427e");
    hash_md5_hex("abc", 3, md5);
    assert_string_equal(md5, "900150983cd24fb0d6963f7d28e17f72");
    hash_sha256_hex("abc", 3, sha);
    assert_string_equal(sha, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_true(hash_fnv1a("", 0) == UINT64_C(0xcbf29ce484222325));
    assert_true(hash_fnv1a("a", 1) == UINT64_C(0xaf63dc4c8601ec8c));
}

static void fingerprint_forgets_order_but_not_number(void **state)
{
    static const char *const members[] = {"raw-orders/0/0/aa", "raw-orders/0/1/bb", "raw-orders/1/0/cc"};
    struct fingerprint forward = {0}, backward = {0}, twice, halves[2] = {0};
    char hex[33];

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        fingerprint_add(&forward, members[i], strlen(members[i]));
        fingerprint_add(&backward, members[2 - i], strlen(members[2 - i]));
        fingerprint_add(&halves[i % 2], members[i], strlen(members[i]));
    }
    assert_true(fingerprint_eq(&forward, &backward));
    fingerprint_join(&halves[0], &halves[1]);
    assert_true(fingerprint_eq(&forward, &halves[0]));
    twice = forward;
    fingerprint_add(&twice, members[0], strlen(members[0]));
    assert_false(fingerprint_eq(&forward, &twice));
    /* md5("abc") is 90015098 3cd24fb0 d6963f7d 28e17f72, taken as two little-endian halves */
    forward = (struct fingerprint){0};
    fingerprint_add(&forward, "abc", 3);
    assert_string_equal(fingerprint_hex(&forward, hex), "727fe1287d3f96d6b04fd23c98500190");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc32c_has_the_known_values),
        cmocka_unit_test(crc32c_can_be_taken_in_pieces),
        cmocka_unit_test(murmur2_is_kafkas),
        cmocka_unit_test(digests_have_the_known_values),
        cmocka_unit_test(fingerprint_forgets_order_but_not_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
