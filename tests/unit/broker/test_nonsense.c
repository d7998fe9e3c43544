/* Every request with every version, well formed and without sense: the broker answers or hangs up, and lives. */
#include "batches.h"
#include "client.h"
#include "nonsense.h"
#include "rig.h"

#define MESSAGES 4000

static const char *const texts[] = {"t", "u", "a", "b", "g", "h", "", "consumer", "range", "CompleteCommit", "1"};

static void prepare(struct client *c, int64_t *producer_id)
{
    const struct wire_init_producer_id_request in = {
        .transactional_id = STR("a"), .transaction_timeout_ms = 60000, .producer_id = -1, .producer_epoch = -1};
    const struct wire_init_producer_id_response *out;

    assert_int_equal(client_create_topic(c, "t", 2), 0);
    out = client_call(c, 22, 4, &in);
    assert_non_null(out);
    assert_int_equal(out->error_code, 0);
    *producer_id = out->producer_id;
}

/* A real batch in place of the random records, sometimes. */
static void put_batch(struct test_random *random, struct arena *a, int64_t producer_id,
                      struct wire_produce_request *request)
{
    for (int32_t i = 0; i < request->topics.n; i++) {
        for (int32_t k = 0; k < request->topics.p[i].partitions.n; k++) {
            const struct batch_wish wish = {.records = 1 + (int32_t)test_random_below(random, 3),
                                            .value_bytes = 5,
                                            .timestamp_ms = 1000,
                                            .producer_id = test_random_below(random, 2) ? producer_id : 7,
                                            .epoch = (int16_t)test_random_below(random, 3),
                                            .sequence = (int32_t)test_random_below(random, 4)};
            size_t n;
            char *p = make_batch(&wish, &n), *copy = arena_alloc(a, n, 8);

            wire_store(p + 21, (int64_t)test_random_below(random, 64) & ~7, 2);
            wire_store(p + 17, (int64_t)hash_crc32c(0, p + 21, n - 21), 4);
            memcpy(copy, p, n);
            free(p);
            request->topics.p[i].partitions.p[k].records = (struct wire_records){.p = copy, .n = (int64_t)n};
        }
    }
}

static bool send_nonsense(struct client *c, struct test_random *random, int64_t producer_id)
{
    const int64_t numbers[] = {0, 1, 2, -1, -2, 3, 100, 1000, producer_id, INT32_MAX, INT64_MIN, INT16_MAX};
    const struct nonsense_words words = {texts, IG_COUNT(texts), numbers, IG_COUNT(numbers)};
    const struct api *api = &apis[test_random_below(random, apis_n)];
    const int16_t version = (int16_t)(api->min + (int16_t)test_random_below(random, (size_t)(api->max - api->min + 1)));
    struct arena a;
    void *message;
    bool sent;

    arena_init(&a);
    message = arena_alloc(&a, api->request->size, 16);
    nonsense_fill(random, &a, api->request, version, &words, message);
    if (api->key == 0 && test_random_below(random, 4))
        put_batch(random, &a, producer_id, message);
    sent = client_send(c, api->key, version, message);
    arena_release(&a);
    return sent;
}

/* Somebody else's work goes on. */
static void check_alive(struct rig *r, int64_t i)
{
    const struct batch_wish wish = {.records = 1, .value_bytes = 10, .timestamp_ms = 1000};
    struct client c = rig_dial(r);
    int64_t base;
    size_t n;
    char *p = make_batch(&wish, &n);
    char topic[32];

    snprintf(topic, sizeof(topic), "alive%lld", (long long)i);
    assert_int_equal(client_create_topic(&c, topic, 1), 0);
    assert_int_equal(client_produce(&c, topic, 0, p, n, &base), 0);
    assert_int_equal(base, 0);
    free(p);
    client_close(&c);
}

static void the_broker_outlives_nonsense(void **state)
{
    struct test_random random = test_random_new();
    struct rig r = rig_new(NULL);
    struct client c = rig_dial(&r);
    int64_t producer_id;

    (void)state;
    prepare(&c, &producer_id);
    for (int64_t i = 0; i < MESSAGES; i++) {
        if (!send_nonsense(&c, &random, producer_id) || test_random_below(&random, 40) == 0) {
            usleep(5000); /* who hangs up at once is not listened to */
            client_close(&c);
            c = rig_dial(&r);
        }
        if (i % 1000 == 999)
            check_alive(&r, i);
    }
    client_close(&c);
    rig_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_broker_outlives_nonsense),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
