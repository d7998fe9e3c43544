#include "batches.h"
#include "broker/codec.h"
#include "broker/producers.h"
#include "test.h"

static void every_codec_is_checked_and_read(void **state)
{
    (void)state;
    for (int codec = CODEC_NONE; codec <= CODEC_ZSTD; codec++) {
        const struct batch_wish wish = {.records = 50, .value_bytes = 200, .timestamp_ms = 1000, .codec = codec};
        struct batch_reader r;
        struct batch_record record;
        struct batch b;
        struct error err;
        size_t n;
        char *p = make_batch(&wish, &n);
        int32_t seen = 0;

        assert_int_equal(batch_check(p, n, &b, &err), IG_OK);
        assert_int_equal(b.records, 50);
        batch_stamp(p, 700, 3);
        assert_int_equal(batch_check(p, n, &b, &err), IG_OK); /* the checksum does not cover what the log sets */
        assert_int_equal(batch_reader_open(&r, p, n, &err), IG_OK);
        while (batch_reader_next(&r, &record)) {
            assert_int_equal(record.offset, 700 + seen++);
            assert_int_equal(record.timestamp_ms, 1000);
            assert_int_equal(record.value.n, 200);
        }
        assert_int_equal(seen, 50);
        batch_reader_close(&r);
        free(p);
    }
}

static void wrong_batches_are_refused_for_their_reason(void **state)
{
    const struct batch_wish wish = {.records = 3, .value_bytes = 10};
    struct batch b;
    struct error err;
    size_t n;
    char *p = make_batch(&wish, &n), *two;

    (void)state;
    p[n - 1] ^= 1;
    assert_int_equal(batch_check(p, n, &b, &err), IG_CORRUPT);
    p[n - 1] ^= 1;
    assert_int_equal(batch_check(p, n - 1, &b, &err), IG_CORRUPT);
    assert_int_equal(batch_check(p, 20, &b, &err), IG_INVALID);
    p[16] = 1;
    assert_int_equal(batch_check(p, n, &b, &err), IG_UNSUPPORTED);
    p[16] = 2;
    two = check_malloc(2 * n);
    memcpy(two, p, n);
    memcpy(two + n, p, n);
    assert_int_equal(batch_check(two, 2 * n, &b, &err), IG_INVALID);
    free(two);
    wire_store(p + 57, 4, 4); /* claims a record more */
    wire_store(p + 23, 3, 4);
    wire_store(p + 17, (int64_t)hash_crc32c(0, p + 21, n - 21), 4);
    assert_int_equal(batch_check(p, n, &b, &err), IG_INVALID);
    wire_store(p + 57, 2, 4); /* and one less */
    wire_store(p + 23, 1, 4);
    wire_store(p + 17, (int64_t)hash_crc32c(0, p + 21, n - 21), 4);
    assert_int_equal(batch_check(p, n, &b, &err), IG_INVALID);
    free(p);
}

/* With a right checksum, so that all behind it is reached. */
static void garbled_batches_do_no_harm(void **state)
{
    struct test_random r = test_random_new();
    size_t refused = 0;

    (void)state;
    for (int i = 0; i < 3000; i++) {
        const struct batch_wish wish = {.records = 1 + (int32_t)test_random_below(&r, 20),
                                        .value_bytes = test_random_below(&r, 100),
                                        .codec = (int)test_random_below(&r, 5)};
        struct batch b;
        struct error err;
        size_t n;
        char *p = make_batch(&wish, &n);
        const size_t cut = i % 3 == 0 ? test_random_below(&r, n - BATCH_HEADER_BYTES) : 0;

        p = check_realloc(p, n - cut);
        n -= cut;
        for (size_t k = test_random_below(&r, 3) + (cut ? 0 : 1); k > 0; k--)
            p[21 + test_random_below(&r, n - 21)] = (char)test_random_next(&r);
        wire_store(p + 8, (int64_t)n - BATCH_PREFIX_BYTES, 4);
        wire_store(p + 17, (int64_t)hash_crc32c(0, p + 21, n - 21), 4);
        refused += batch_check(p, n, &b, &err) != IG_OK;
        free(p);
    }
    assert_true(refused > 1000);
}

/* zstd packs 64 MiB of one letter into a few kilobytes. */
static void a_bomb_is_not_unpacked(void **state)
{
    const struct batch_wish wish = {.records = 1, .value_bytes = (size_t)64 << 20, .codec = CODEC_ZSTD};
    struct error err;
    struct buf out;
    size_t n;
    char *p = make_batch(&wish, &n);

    (void)state;
    assert_true(n < 100000);
    buf_init(&out, 1 << 20);
    assert_int_equal(codec_unpack(CODEC_ZSTD, (struct str){p + BATCH_HEADER_BYTES, n - BATCH_HEADER_BYTES}, &out, &err),
                     IG_LIMIT);
    assert_true(out.cap <= (size_t)4 << 20);
    buf_release(&out);
    free(p);
}

/* Many batches in one request, each of which could pass. */
static void bombs_together_are_not_unpacked(void **state)
{
    const struct batch_wish wish = {.records = 1, .value_bytes = (size_t)8 << 20, .codec = CODEC_ZSTD};
    size_t may_unpack = (size_t)12 << 20, n;
    const struct batch_rules rules = {.from_ms = INT64_MIN, .upto_ms = INT64_MAX, .may_unpack = &may_unpack};
    struct batch_faults faults;
    struct error err = {0};
    struct batch b;
    char *p = make_batch(&wish, &n);

    (void)state;
    assert_int_equal(batch_check_rules(p, n, &rules, &b, &faults, &err), IG_OK);
    assert_in_range(may_unpack, (4 << 20) - 100, 4 << 20);
    assert_int_equal(batch_check_rules(p, n, &rules, &b, &faults, &err), IG_LIMIT);
    assert_int_equal(may_unpack, 0);
    assert_int_equal(batch_check_rules(p, n, &rules, &b, &faults, &err), IG_LIMIT);
    assert_int_equal(batch_check(p, n, &b, &err), IG_OK);
    free(p);
}

/* --- idempotence ------------------------------------------------------------------------------------------------ */

static struct batch sent(int64_t id, int16_t epoch, int32_t sequence, int32_t records, int64_t offset)
{
    return (struct batch){.producer_id = id,
                          .producer_epoch = epoch,
                          .base_sequence = sequence,
                          .records = records,
                          .last_offset_delta = records - 1,
                          .base_offset = offset};
}

static enum producer_verdict try(struct producers *p, struct batch b, int64_t *duplicate)
{
    const enum producer_verdict v = producers_check(p, &b, duplicate);

    if (v == PRODUCER_NEXT)
        producers_note(p, &b, 1);
    return v;
}

static void sequences_are_followed(void **state)
{
    struct producers p = {0};
    int64_t duplicate = -1;

    (void)state;
    assert_int_equal(try(&p, sent(7, 0, 0, 10, 100), &duplicate), PRODUCER_NEXT);
    assert_int_equal(try(&p, sent(7, 0, 20, 10, 0), &duplicate), PRODUCER_OUT_OF_ORDER);
    assert_int_equal(try(&p, sent(7, 0, 10, 5, 110), &duplicate), PRODUCER_NEXT);
    assert_int_equal(try(&p, sent(7, 0, 0, 10, 0), &duplicate), PRODUCER_DUPLICATE);
    assert_int_equal(duplicate, 100);
    for (int i = 0; i < 5; i++)
        assert_int_equal(try(&p, sent(7, 0, 15 + i, 1, 200 + i), &duplicate), PRODUCER_NEXT);
    assert_int_equal(try(&p, sent(7, 0, 15, 1, 0), &duplicate), PRODUCER_DUPLICATE); /* the fifth-last */
    assert_int_equal(duplicate, 200);
    assert_int_equal(try(&p, sent(7, 0, 10, 5, 0), &duplicate), PRODUCER_OUT_OF_ORDER); /* forgotten */
    assert_int_equal(try(&p, sent(7, 1, 5, 1, 0), &duplicate), PRODUCER_OUT_OF_ORDER);
    assert_int_equal(try(&p, sent(7, 1, 0, 1, 300), &duplicate), PRODUCER_NEXT);
    assert_int_equal(try(&p, sent(7, 0, 20, 1, 0), &duplicate), PRODUCER_FENCED);
    assert_int_equal(try(&p, sent(8, 0, 5, 1, 400), &duplicate), PRODUCER_NEXT); /* unknown: may begin anywhere */
    producers_clear(&p);
}

static void sequences_wrap_around(void **state)
{
    struct producers p = {0};
    int64_t duplicate;

    (void)state;
    assert_int_equal(try(&p, sent(1, 0, INT32_MAX - 1, 4, 10), &duplicate), PRODUCER_NEXT); /* up to sequence 1 */
    assert_int_equal(try(&p, sent(1, 0, 2, 1, 14), &duplicate), PRODUCER_NEXT);
    assert_int_equal(try(&p, sent(1, 0, INT32_MAX - 1, 4, 0), &duplicate), PRODUCER_DUPLICATE);
    producers_clear(&p);
}

static void producers_are_written_and_read(void **state)
{
    struct producers p = {0}, q = {0};
    struct wire_in in;
    int64_t duplicate;
    struct buf b;

    (void)state;
    for (int32_t id = 1; id <= 100; id++) {
        for (int i = 0; i < id % 7; i++)
            assert_int_equal(try(&p, sent(id, 2, i, 1, id * 10 + i), &duplicate), PRODUCER_NEXT);
    }
    buf_init(&b, 0);
    producers_encode(&p, 1000, &b);
    in = (struct wire_in){(const uint8_t *)b.p, (const uint8_t *)b.p + b.n, false};
    producers_decode(&q, &in);
    assert_false(in.bad);
    assert_true(in.p == in.end);
    for (int32_t id = 1; id <= 100; id++) {
        if (id % 7) {
            assert_int_equal(try(&q, sent(id, 2, id % 7 - 1, 1, 0), &duplicate), PRODUCER_DUPLICATE);
            assert_int_equal(duplicate, id * 10 + id % 7 - 1);
        }
    }
    for (size_t n = 0; n < b.n; n++) { /* cut anywhere, it is seen to be bad */
        in = (struct wire_in){(const uint8_t *)b.p, (const uint8_t *)b.p + n, false};
        producers_decode(&q, &in);
        assert_true(in.bad);
    }
    buf_clear(&b);
    producers_encode(&p, 1 + PRODUCER_EXPIRY_MS + 1, &b);
    assert_int_equal(b.n, 4 + 4); /* all expired, and no transaction was ever aborted */
    buf_release(&b);
    producers_clear(&p);
    producers_clear(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_codec_is_checked_and_read), cmocka_unit_test(wrong_batches_are_refused_for_their_reason),
        cmocka_unit_test(garbled_batches_do_no_harm),      cmocka_unit_test(a_bomb_is_not_unpacked),
        cmocka_unit_test(bombs_together_are_not_unpacked), cmocka_unit_test(sequences_are_followed),
        cmocka_unit_test(sequences_wrap_around),           cmocka_unit_test(producers_are_written_and_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
