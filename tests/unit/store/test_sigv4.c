/* Signatures against what AWS published: its test suite, and the examples of S3's manual. */
#include "store/sigv4.h"
#include "store/sigv4_vectors.h"
#include "test.h"

static size_t fields_of(const struct vector *v, bool query, struct sigv4_field *out)
{
    size_t n = 0;

    for (size_t i = 0; i < VECTOR_FIELDS; i++) {
        const char *name = query ? v->query[i].name : v->headers[i].name;

        if (name)
            out[n++] = (struct sigv4_field){str_of(name), str_of(query ? v->query[i].value : v->headers[i].value)};
    }
    return n;
}

static void assert_signature(const char *name, const struct sigv4_request *q, const char *want)
{
    struct buf got, canonical;
    const char *signature;

    buf_init(&got, 0);
    buf_init(&canonical, 0);
    sigv4_add_authorization(q, &got);
    sigv4_add_canonical_request(q, &canonical);
    signature = strstr(buf_cstr(&got), "Signature=");
    assert_non_null(signature);
    if (strcmp(signature + 10, want) != 0)
        fail_msg("%s: %s, not %s, of\n%s", name, buf_cstr(&got), want, buf_cstr(&canonical));
    buf_release(&canonical);
    buf_release(&got);
}

static void the_published_vectors_come_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < IG_COUNT(vectors); i++) {
        const struct vector *v = &vectors[i];
        struct sigv4_field query[VECTOR_FIELDS], headers[VECTOR_FIELDS];
        int64_t time_us;
        struct sigv4_request q = {
            .scheme = &sigv4_aws,
            .access_key = "AKIDEXAMPLE",
            .secret_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            .region = "us-east-1",
            .service = "service",
            .method = v->method,
            .path = str_of(v->path),
            .query = query,
            .headers = headers,
            .n_query = fields_of(v, true, query),
            .n_headers = fields_of(v, false, headers),
            .payload_hash = str_of(v->payload_hash),
        };

        assert_true(timestamp_parse(STR("2015-08-30T12:36:00Z"), &time_us));
        q.time_ms = time_us / 1000;
        assert_signature(v->name, &q, v->signature);
    }
    assert_true(IG_COUNT(vectors) > 20);
}

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define WELCOME "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"

/* "Signature Calculations for the Authorization Header: Transferring Payload in a Single Chunk" */
static void the_examples_of_the_s3_manual_come_out(void **state)
{
    static const struct vector examples[] = {
        {"get a range",
         "GET",
         "/test.txt",
         {{NULL, NULL}},
         {{"Range", "bytes=0-9"}},
         EMPTY,
         "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
        {"put",
         "PUT",
         "/test%24file.text",
         {{NULL, NULL}},
         {{"Date", "Fri, 24 May 2013 00:00:00 GMT"}, {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
         WELCOME,
         "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
        {"lifecycle",
         "GET",
         "/",
         {{"lifecycle", ""}},
         {{NULL, NULL}},
         EMPTY,
         "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
        {"list",
         "GET",
         "/",
         {{"prefix", "J"}, {"max-keys", "2"}},
         {{NULL, NULL}},
         EMPTY,
         "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
    };

    (void)state;
    for (size_t i = 0; i < IG_COUNT(examples); i++) {
        const struct vector *v = &examples[i];
        struct sigv4_field query[VECTOR_FIELDS], headers[VECTOR_FIELDS + 3];
        int64_t time_us;
        struct sigv4_request q = {
            .scheme = &sigv4_aws,
            .access_key = "AKIAIOSFODNN7EXAMPLE",
            .secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            .region = "us-east-1",
            .service = "s3",
            .method = v->method,
            .path = str_of(v->path),
            .query = query,
            .headers = headers,
            .n_query = fields_of(v, true, query),
            .n_headers = fields_of(v, false, headers),
            .payload_hash = str_of(v->payload_hash),
        };

        headers[q.n_headers++] = (struct sigv4_field){STR("Host"), STR("examplebucket.s3.amazonaws.com")};
        headers[q.n_headers++] = (struct sigv4_field){STR("x-amz-date"), STR("20130524T000000Z")};
        headers[q.n_headers++] = (struct sigv4_field){STR("x-amz-content-sha256"), q.payload_hash};
        assert_true(timestamp_parse(STR("2013-05-24T00:00:00Z"), &time_us));
        q.time_ms = time_us / 1000;
        assert_signature(v->name, &q, v->signature);
    }
}

static void times_are_written_as_they_are_signed(void **state)
{
    char text[17];

    (void)state;
    sigv4_time(INT64_C(1440938160) * 1000 + 999, text);
    assert_string_equal(text, "20150830T123600Z");
    sigv4_time(INT64_C(1709164800) * 1000, text);
    assert_string_equal(text, "20240229T000000Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_vectors_come_out),
        cmocka_unit_test(the_examples_of_the_s3_manual_come_out),
        cmocka_unit_test(times_are_written_as_they_are_signed),
    };

    return cmocka_run_group_tests_name("SigV4", tests, NULL, NULL);
}
