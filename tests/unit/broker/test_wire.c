#include "nonsense.h"

static void check_round_trip(struct test_random *r, const struct wire_type *type, int16_t version, bool flexible)
{
    struct wire_out first = {0}, second = {0};
    struct arena a;
    struct error err;
    void *message, *decoded;

    arena_init(&a);
    message = arena_alloc(&a, type->size, 16);
    nonsense_fill(r, &a, type, version, NULL, message);
    wire_encode(type, version, flexible, message, &first);
    assert_int_equal(wire_decode(type, version, flexible, buf_str(&first.buf), &a, &decoded, &err), IG_OK);
    wire_encode(type, version, flexible, decoded, &second);
    assert_int_equal(first.buf.n, second.buf.n);
    assert_memory_equal(first.buf.p, second.buf.p, first.buf.n);
    buf_release(&first.buf);
    buf_release(&second.buf);
    arena_release(&a);
}

static void every_message_survives_a_round_trip_at_every_version(void **state)
{
    struct test_random r = test_random_new();

    (void)state;
    for (size_t i = 0; i < apis_n; i++) {
        for (int16_t v = apis[i].min; v <= apis[i].max; v++) {
            for (int round = 0; round < 20; round++) {
                check_round_trip(&r, apis[i].request, v, v >= apis[i].flexible);
                check_round_trip(&r, apis[i].response, v, v >= apis[i].flexible);
            }
        }
    }
}

/* Truncated and garbled messages are refused or understood, and never read beyond their end (the sanitizers watch). */
static void damaged_messages_do_no_harm(void **state)
{
    struct test_random r = test_random_new();
    size_t refused = 0;

    (void)state;
    for (size_t i = 0; i < apis_n * 40; i++) {
        const struct api *api = &apis[i % apis_n];
        const int16_t v = (int16_t)(api->min + (int)test_random_below(&r, (size_t)(api->max - api->min + 1)));
        const bool flexible = v >= api->flexible;
        struct wire_out out = {0};
        struct arena a;
        struct error err;
        void *message, *decoded;
        char *exact;
        size_t n;

        arena_init(&a);
        message = arena_alloc(&a, api->request->size, 16);
        nonsense_fill(&r, &a, api->request, v, NULL, message);
        wire_encode(api->request, v, flexible, message, &out);
        n = out.buf.n;
        if (n > 0 && i % 2)
            n = test_random_below(&r, n);
        exact = check_malloc(n + 1);
        exact = check_realloc(exact, n ? n : 1);
        if (n > 0)
            memcpy(exact, out.buf.p, n);
        for (size_t k = test_random_below(&r, 4); k > 0 && n > 0; k--)
            exact[test_random_below(&r, n)] = (char)test_random_next(&r);
        refused += wire_decode(api->request, v, flexible, (struct str){exact, n}, &a, &decoded, &err) != IG_OK;
        free(exact);
        buf_release(&out.buf);
        arena_release(&a);
    }
    assert_true(refused > apis_n * 10);
}

static void a_huge_length_costs_nothing(void **state)
{
    /* Metadata version 1: an array of 2,000,000,000 topics, and version 9: the same compactly. */
    static const char plain[] = "\x77\x35\x94\x00", compact[] = "\x81\xa8\xd6\xb9\x07";
    struct arena a;
    struct error err;
    void *out;

    (void)state;
    arena_init(&a);
    assert_int_equal(wire_decode(&wire_type_metadata_request, 1, false, (struct str){plain, 4}, &a, &out, &err),
                     IG_INVALID);
    assert_non_null(strstr(err.msg, "topics"));
    assert_int_equal(wire_decode(&wire_type_metadata_request, 9, true, (struct str){compact, 5}, &a, &out, &err),
                     IG_INVALID);
    assert_true(a.used_bytes < 10000);
    arena_release(&a);
}

/* Bytes as the protocol's own description gives them: ApiVersions 3 of a client named "c" "1". */
static void known_bytes_are_read_as_they_mean(void **state)
{
    static const char text[] = "\x02"
                               "c\x02"
                               "1\x00";
    const struct wire_api_versions_request *in;
    struct arena a;
    struct error err;
    void *out;

    (void)state;
    arena_init(&a);
    assert_int_equal(wire_decode(&wire_type_api_versions_request, 3, true, (struct str){text, 5}, &a, &out, &err),
                     IG_OK);
    in = out;
    assert_true(str_is(in->client_software_name, "c"));
    assert_true(str_is(in->client_software_version, "1"));
    arena_release(&a);
}

static void fields_of_other_versions_have_their_defaults(void **state)
{
    /* Fetch 4: replica -1, wait 1, min 2, max 3, isolation 0, no topics */
    static const char text[] = "\xff\xff\xff\xff\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\0\0";
    const struct wire_fetch_request *in;
    struct arena a;
    struct error err;
    void *out;

    (void)state;
    arena_init(&a);
    assert_int_equal(wire_decode(&wire_type_fetch_request, 4, false, (struct str){text, 21}, &a, &out, &err), IG_OK);
    in = out;
    assert_int_equal(in->max_bytes, 3);
    assert_int_equal(in->session_epoch, -1);
    assert_null(in->cluster_id.p);
    assert_int_equal(in->topics.n, 0);
    arena_release(&a);
}

static void a_part_of_a_file_leaves_a_hole_of_its_length(void **state)
{
    struct wire_fetch_partition_result p;
    struct wire_out out = {0};
    int file;

    (void)state;
    wire_reset(&wire_type_fetch_partition_result, &p);
    p.records = (struct wire_records){.n = 1000, .file = &file, .at = 77};
    wire_encode(&wire_type_fetch_partition_result, 4, false, &p, &out);
    assert_int_equal(out.slices.n, 1);
    assert_int_equal(out.slices.p[0].at, out.buf.n);
    assert_int_equal(out.slices.p[0].n, 1000);
    assert_int_equal(out.slices.p[0].file_at, 77);
    assert_int_equal(out.slice_bytes, 1000);
    assert_memory_equal(out.buf.p + out.buf.n - 4, "\0\0\3\xe8", 4);
    vec_free(&out.slices);
    buf_release(&out.buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_survives_a_round_trip_at_every_version),
        cmocka_unit_test(damaged_messages_do_no_harm),
        cmocka_unit_test(a_huge_length_costs_nothing),
        cmocka_unit_test(known_bytes_are_read_as_they_mean),
        cmocka_unit_test(fields_of_other_versions_have_their_defaults),
        cmocka_unit_test(a_part_of_a_file_leaves_a_hole_of_its_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
