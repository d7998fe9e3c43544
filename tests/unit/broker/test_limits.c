/* Requests of many clients at once, with little memory for them. */
#include "rig.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS 6
#define VALUE_BYTES ((size_t)1500000)

/* A produce request as bytes, so that it can be sent in parts. */
static struct buf produce_request(const char *batch, size_t n)
{
    struct wire_produce_partition p = {.index = 0, .records = {.p = batch, .n = (int64_t)n}};
    struct wire_produce_topic t = {.name = STR("t"), .partitions = {&p, 1}};
    struct wire_produce_request request = {.acks = -1, .timeout_ms = 1000, .topics = {&t, 1}};
    struct wire_out out = {0};

    wire_put_int(&out.buf, 0, 4);
    wire_put_int(&out.buf, 0, 2);
    wire_put_int(&out.buf, 8, 2);
    wire_put_int(&out.buf, 1, 4);
    wire_put_int(&out.buf, -1, 2);
    wire_encode(&wire_type_produce_request, 8, false, &request, &out);
    wire_store(out.buf.p, (int64_t)out.buf.n - 4, 4);
    return out.buf;
}

static bool sends(int fd, const char *p, size_t n)
{
    while (n > 0) {
        const ssize_t sent = send(fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (sent <= 0) {
            usleep(1000);
            continue;
        }
        p += sent;
        n -= (size_t)sent;
    }
    return true;
}

/* What the loop's thread alone may look at. */
struct look {
    const struct broker *b;
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool has_looked, is_free;
};

static void look(void *arg)
{
    struct look *l = arg;

    pthread_mutex_lock(&l->lock);
    l->is_free = l->b->request_bytes == 0 && l->b->n_starved == 0 && !l->b->favoured;
    l->has_looked = true;
    pthread_cond_signal(&l->done);
    pthread_mutex_unlock(&l->lock);
}

static bool memory_is_free(const struct rig *r)
{
    struct look l = {.b = r->broker, .lock = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};

    r->broker->loop->ops->post(r->broker->loop, look, &l);
    pthread_mutex_lock(&l.lock);
    while (!l.has_looked)
        pthread_cond_wait(&l.done, &l.lock);
    pthread_mutex_unlock(&l.lock);
    return l.is_free;
}

/* Each sends most of its request; then all send the rest, and all are answered. */
static void frames_that_wait_for_memory_all_get_through(void **state)
{
    const struct broker_options options = {.memory_bytes = 1 << 20};
    struct rig r = rig_new(&options);
    const struct batch_wish wish = {.records = 1, .value_bytes = VALUE_BYTES, .fill = 'x', .timestamp_ms = 1};
    struct client c[CLIENTS];
    const struct wire_produce_response *response;
    struct buf request;
    size_t n;
    char *batch = make_batch(&wish, &n);

    (void)state;
    assert_int_equal(client_create_topic(&r.c, "t", 1), 0);
    request = produce_request(batch, n);
    for (int i = 0; i < CLIENTS; i++) {
        c[i] = rig_dial(&r);
        assert_true(sends(c[i].fd, request.p, 600000));
    }
    for (int i = 0; i < CLIENTS; i++) { /* whoever is not read from yet has it in the socket */
        const int size = 4 << 20;

        setsockopt(c[i].fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    }
    for (int i = CLIENTS - 1; i >= 0; i--) {
        if (fork() == 0) {
            sends(c[i].fd, request.p + 600000, request.n - 600000);
            _exit(0);
        }
    }
    for (int i = 0; i < CLIENTS; i++) {
        response = client_receive(&c[i], 0, 8);
        assert_non_null(response);
        assert_int_equal(response->topics.p[0].partitions.p[0].error_code, 0);
        client_close(&c[i]);
    }
    for (int i = 0; i < 500 && !memory_is_free(&r); i++) /* until the broker has seen them go */
        usleep(10000);
    assert_true(memory_is_free(&r));
    free(batch);
    buf_release(&request);
    rig_free(&r);
}

/* One that stops in the middle keeps nobody out who has little to say. */
static void small_requests_go_on_beside_a_half_one(void **state)
{
    const struct broker_options options = {.memory_bytes = 1 << 20};
    struct rig r = rig_new(&options);
    const struct batch_wish wish = {.records = 1, .value_bytes = VALUE_BYTES, .fill = 'x', .timestamp_ms = 1};
    struct wire_metadata_request metadata = {.topics = {NULL, -1}};
    struct client half = rig_dial(&r);
    struct buf request;
    size_t n;
    char *batch = make_batch(&wish, &n);

    (void)state;
    request = produce_request(batch, n);
    assert_true(sends(half.fd, request.p, 700000));
    for (int i = 0; i < 20; i++)
        assert_non_null(client_call(&r.c, 3, 9, &metadata));
    client_close(&half);
    for (int i = 0; i < 20; i++)
        assert_non_null(client_call(&r.c, 3, 9, &metadata));
    free(batch);
    buf_release(&request);
    rig_free(&r);
}

/* A name is a few bytes of a request, and its partitions would be many in each answer. */
static void a_topic_that_is_asked_for_often_is_described_once(void **state)
{
    const struct broker_options options = {.default_partitions = 3};
    struct rig r = rig_new(&options);
    struct wire_metadata_topic often[1000] = {0};
    const struct wire_metadata_request request = {.topics = {often, (int32_t)IG_COUNT(often)},
                                                  .allow_auto_topic_creation = true};
    const struct wire_metadata_response *answer;

    (void)state;
    for (size_t i = 0; i < IG_COUNT(often); i++)
        often[i].name = str_of(i % 2 ? "one" : "other");
    answer = client_call(&r.c, 3, 9, &request);
    assert_non_null(answer);
    assert_int_equal(answer->topics.n, 2);
    assert_int_equal(answer->topics.p[0].error_code, 0);
    assert_int_equal(answer->topics.p[1].partitions.n, 3);
    assert_false(str_eq(answer->topics.p[0].name, answer->topics.p[1].name));
    rig_free(&r);
}

static void a_resource_that_is_asked_for_often_is_described_once(void **state)
{
    const struct broker_options options = {.default_partitions = 1};
    struct rig r = rig_new(&options);
    struct wire_describe_configs_resource often[1000] = {0};
    const struct wire_describe_configs_request request = {.resources = {often, (int32_t)IG_COUNT(often)}};
    const struct wire_describe_configs_response *answer;

    (void)state;
    assert_int_equal(client_create_topic(&r.c, "one", 1), 0);
    for (size_t i = 0; i < IG_COUNT(often); i++) {
        often[i].resource_type = i % 2 ? 2 : 4; /* the topic, the broker */
        often[i].resource_name = str_of(i % 2 ? "one" : "1");
        often[i].keys.n = -1;
    }
    answer = client_call(&r.c, 32, 4, &request);
    assert_non_null(answer);
    assert_int_equal(answer->results.n, 2);
    assert_int_equal(answer->results.p[0].error_code, 0);
    assert_int_equal(answer->results.p[1].error_code, 0);
    rig_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_that_wait_for_memory_all_get_through),
        cmocka_unit_test(small_requests_go_on_beside_a_half_one),
        cmocka_unit_test(a_topic_that_is_asked_for_often_is_described_once),
        cmocka_unit_test(a_resource_that_is_asked_for_often_is_described_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
