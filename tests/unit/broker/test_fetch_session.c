/* Fetch sessions (KIP-227) and fetching by topic id, over the wire. */
#include "rig.h"

struct fetch {
    int16_t version;
    const char *topic;
    struct wire_uuid topic_id;
    int32_t session, epoch, wait_ms;
    struct wire_fetch_partition partitions[4];
    int32_t n;
    int32_t forget; /* a partition; -1: none */
    int32_t max_bytes;
};

static struct fetch of_topic(const char *topic, int32_t partitions)
{
    struct fetch f = {.version = 12, .topic = topic, .n = partitions, .forget = -1, .max_bytes = 1 << 20};

    for (int32_t i = 0; i < partitions; i++)
        f.partitions[i] = (struct wire_fetch_partition){
            .partition = i, .current_leader_epoch = -1, .last_fetched_epoch = -1, .partition_max_bytes = 1 << 20};
    return f;
}

static void send_fetch(struct client *c, const struct fetch *f)
{
    int32_t forgotten = f->forget;
    struct fetch copy = *f;
    struct wire_fetch_topic t = {
        .topic = str_of(f->topic), .topic_id = f->topic_id, .partitions = {copy.partitions, f->n}};
    struct wire_fetch_forgotten gone = {
        .topic = str_of(f->topic), .topic_id = f->topic_id, .partitions = {&forgotten, 1}};
    struct wire_fetch_request request = {.replica_id = -1,
                                         .max_wait_ms = f->wait_ms,
                                         .min_bytes = 1,
                                         .max_bytes = f->max_bytes,
                                         .session_id = f->session,
                                         .session_epoch = f->epoch,
                                         .topics = {&t, f->n > 0 ? 1 : 0},
                                         .forgotten = {&gone, f->forget >= 0 ? 1 : 0}};

    assert_true(client_send(c, 1, f->version, &request));
}

static const struct wire_fetch_response *fetch(struct client *c, const struct fetch *f)
{
    const struct wire_fetch_response *response;

    send_fetch(c, f);
    response = client_receive(c, 1, f->version);
    assert_non_null(response);
    return response;
}

/* A session of a topic with three empty partitions. */
static struct fetch begin(struct rig *r, int16_t version)
{
    struct fetch f = of_topic("t", 3);
    const struct wire_fetch_response *response;

    assert_int_equal(client_create_topic(&r->c, "t", 3), 0);
    f.version = version;
    f.topic_id = rig_topic_id(r, "t");
    response = fetch(&r->c, &f);
    assert_int_equal(response->error_code, 0);
    assert_true(response->session_id > 0);
    assert_int_equal(response->topics.n, 1);
    assert_int_equal(response->topics.p[0].partitions.n, 3);
    f.session = response->session_id;
    f.epoch = 1;
    f.n = 0;
    return f;
}

static void only_news_is_told(void **state)
{
    struct rig r = rig_new(NULL);
    struct fetch f = begin(&r, 12);
    const struct wire_fetch_response *response = fetch(&r.c, &f);

    (void)state;
    assert_int_equal(response->error_code, 0);
    assert_int_equal(response->session_id, f.session);
    assert_int_equal(response->topics.n, 0);
    rig_produce(&r, "t", 1);
    f.epoch = 2;
    response = fetch(&r.c, &f);
    assert_int_equal(response->topics.n, 1);
    assert_int_equal(response->topics.p[0].partitions.n, 1);
    assert_int_equal(response->topics.p[0].partitions.p[0].partition, 1);
    assert_true(response->topics.p[0].partitions.p[0].records.n > 0);
    /* what was not read is told again; what was read is not */
    f.epoch = 3;
    assert_int_equal(fetch(&r.c, &f)->topics.n, 1);
    f.partitions[0] = f.partitions[1];
    f.partitions[0].fetch_offset = 1;
    f.n = 1;
    f.epoch = 4;
    assert_int_equal(fetch(&r.c, &f)->topics.n, 0);
    f.n = 0;
    f.epoch = 5;
    assert_int_equal(fetch(&r.c, &f)->topics.n, 0);
    rig_free(&r);
}

static void wrong_epochs_and_ids_are_refused(void **state)
{
    struct rig r = rig_new(NULL);
    struct fetch f = begin(&r, 12);
    const int32_t session = f.session;

    (void)state;
    f.epoch = 2;
    assert_int_equal(fetch(&r.c, &f)->error_code, KAFKA_INVALID_FETCH_SESSION_EPOCH);
    f.session = session + 1;
    f.epoch = 1;
    assert_int_equal(fetch(&r.c, &f)->error_code, KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    f.session = session; /* it is still there */
    assert_int_equal(fetch(&r.c, &f)->error_code, 0);
    f.epoch = -1;
    assert_int_equal(fetch(&r.c, &f)->session_id, 0);
    f.epoch = 2;
    assert_int_equal(fetch(&r.c, &f)->error_code, KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    rig_free(&r);
}

static void a_forgotten_partition_is_not_told(void **state)
{
    struct rig r = rig_new(NULL);
    struct fetch f = begin(&r, 12);
    const struct wire_fetch_response *response;

    (void)state;
    rig_produce(&r, "t", 0);
    rig_produce(&r, "t", 2);
    f.forget = 2;
    response = fetch(&r.c, &f);
    assert_int_equal(response->topics.p[0].partitions.n, 1);
    assert_int_equal(response->topics.p[0].partitions.p[0].partition, 0);
    rig_free(&r);
}

static void a_session_without_partitions_ends(void **state)
{
    struct rig r = rig_new(NULL);
    struct fetch f = of_topic("t", 1);

    (void)state;
    assert_int_equal(client_create_topic(&r.c, "t", 1), 0);
    f.session = fetch(&r.c, &f)->session_id;
    f.epoch = 1;
    f.n = 0;
    f.forget = 0;
    assert_int_equal(fetch(&r.c, &f)->session_id, 0);
    f.epoch = 2;
    f.forget = -1;
    assert_int_equal(fetch(&r.c, &f)->error_code, KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    rig_free(&r);
}

static void who_brought_records_waits_for_the_others(void **state)
{
    struct rig r = rig_new(NULL);
    struct fetch f = begin(&r, 12);
    int32_t first, second;

    (void)state;
    for (int32_t i = 0; i < 3; i++)
        rig_produce(&r, "t", i);
    f.max_bytes = 1; /* one batch, because one is always given */
    first = fetch(&r.c, &f)->topics.p[0].partitions.p[0].partition;
    f.epoch = 2;
    for (int32_t i = 0; i < 3; i++) {
        const struct wire_fetch_response *response = fetch(&r.c, &f);

        f.epoch++;
        second = -1;
        for (int32_t k = 0; k < response->topics.p[0].partitions.n; k++) {
            if (response->topics.p[0].partitions.p[k].records.n > 0)
                second = response->topics.p[0].partitions.p[k].partition;
        }
        assert_int_equal(second, (first + 1 + i) % 3);
    }
    rig_free(&r);
}

static void a_waiting_session_wakes_when_something_comes(void **state)
{
    struct rig r = rig_new(NULL);
    struct fetch f = begin(&r, 17);
    struct client other = rig_dial(&r);
    const struct wire_fetch_response *response;

    (void)state;
    f.wait_ms = 8000;
    send_fetch(&other, &f);
    rig_produce(&r, "t", 2);
    response = client_receive(&other, 1, f.version);
    assert_non_null(response);
    assert_int_equal(response->topics.n, 1);
    assert_memory_equal(response->topics.p[0].topic_id.b, f.topic_id.b, 16);
    assert_int_equal(response->topics.p[0].partitions.p[0].partition, 2);
    client_close(&other);
    rig_free(&r);
}

static void a_topic_that_goes_is_told_by_the_kind_of_its_name(void **state)
{
    static const int16_t versions[] = {12, 13};

    (void)state;
    for (size_t i = 0; i < IG_COUNT(versions); i++) {
        struct rig r = rig_new(NULL);
        struct fetch f = begin(&r, versions[i]);
        struct client other = rig_dial(&r);
        struct str name = STR("t");
        struct wire_delete_topics_request del = {.topic_names = {&name, 1}};
        const struct wire_fetch_response *response;

        f.wait_ms = 8000;
        send_fetch(&other, &f);
        assert_non_null(client_call(&r.c, 20, 3, &del));
        response = client_receive(&other, 1, f.version);
        assert_non_null(response);
        assert_int_equal(response->topics.n, 1);
        assert_int_equal(response->topics.p[0].partitions.p[0].error_code,
                         versions[i] < 13 ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION : KAFKA_UNKNOWN_TOPIC_ID);
        client_close(&other);
        rig_free(&r);
    }
}

static void ids_and_names_do_not_mix_in_a_session(void **state)
{
    struct rig r = rig_new(NULL);
    struct fetch f = begin(&r, 12);

    (void)state;
    f.version = 13;
    assert_int_equal(fetch(&r.c, &f)->error_code, KAFKA_FETCH_SESSION_TOPIC_ID_ERROR);
    f = of_topic("t", 1);
    f.version = 13;
    memset(&f.topic_id, 7, sizeof(f.topic_id));
    f.epoch = -1;
    assert_int_equal(fetch(&r.c, &f)->topics.p[0].partitions.p[0].error_code, KAFKA_UNKNOWN_TOPIC_ID);
    rig_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_news_is_told),
        cmocka_unit_test(wrong_epochs_and_ids_are_refused),
        cmocka_unit_test(a_forgotten_partition_is_not_told),
        cmocka_unit_test(a_session_without_partitions_ends),
        cmocka_unit_test(who_brought_records_waits_for_the_others),
        cmocka_unit_test(a_waiting_session_wakes_when_something_comes),
        cmocka_unit_test(a_topic_that_goes_is_told_by_the_kind_of_its_name),
        cmocka_unit_test(ids_and_names_do_not_mix_in_a_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
