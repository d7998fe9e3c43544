/* A whole broker on a simulated disk, with real sockets. */
#include "base/env_sim.h"
#include "batches.h"
#include "client.h"
#include "test.h"

struct rig {
    struct env *env;
    struct broker *broker;
    struct broker_options options;
};

static void rig_start(struct rig *r)
{
    struct error err;

    if (broker_start(r->env, &r->options, &r->broker, &err))
        fail_msg("%s", err.msg);
}

static struct rig rig_new(uint64_t seed)
{
    struct rig r = {.env = env_sim_new(seed),
                    .options = {.dir = "log",
                                .host = "127.0.0.1",
                                .default_partitions = 1,
                                .segment_bytes = 20000,
                                .group_min_session_ms = 1}};

    env_sim_real_clock(r.env, true);
    rig_start(&r);
    return r;
}

static void rig_free(struct rig *r)
{
    broker_stop(r->broker);
    env_sim_free(r->env);
}

static struct client dial(const struct rig *r)
{
    struct client c;

    assert_true(client_open(&c, broker_port(r->broker)));
    return c;
}

/* --- producing --------------------------------------------------------------------------------------------------- */

static int16_t produce_number(struct client *c, const char *topic, int64_t i, int64_t *base)
{
    const struct batch_wish wish = {.records = 1,
                                    .value_bytes = (size_t)(i * 131 % 500),
                                    .fill = (char)('a' + i % 26),
                                    .timestamp_ms = i + 1,
                                    .producer_id = 5,
                                    .sequence = (int32_t)i};
    size_t n;
    char *p = make_batch(&wish, &n);
    const int16_t e = client_produce(c, topic, 0, p, n, base);

    free(p);
    return e;
}

static void a_batch_sent_again_is_stored_once(void **state)
{
    struct rig r = rig_new(1);
    struct client c = dial(&r);
    int64_t base = -1;

    (void)state;
    assert_int_equal(client_create_topic(&c, "t", 1), 0);
    for (int64_t i = 0; i < 8; i++) {
        assert_int_equal(produce_number(&c, "t", i, &base), 0);
        assert_int_equal(base, i);
    }
    assert_int_equal(produce_number(&c, "t", 5, &base), 0);
    assert_int_equal(base, 5);
    assert_int_equal(produce_number(&c, "t", 9, &base), KAFKA_OUT_OF_ORDER_SEQUENCE);
    assert_int_equal(produce_number(&c, "t", 8, &base), 0);
    assert_int_equal(base, 8);
    assert_int_equal(produce_number(&c, "nowhere", 0, &base), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    client_close(&c);
    rig_free(&r);
}

static const struct wire_fetch_partition_result *fetch(struct client *c, const char *topic, int64_t offset,
                                                       int32_t wait_ms)
{
    struct wire_fetch_partition p = {
        .current_leader_epoch = -1, .fetch_offset = offset, .partition_max_bytes = 1 << 20};
    struct wire_fetch_topic t = {.topic = str_of(topic), .partitions = {&p, 1}};
    struct wire_fetch_request request = {.replica_id = -1,
                                         .max_wait_ms = wait_ms,
                                         .min_bytes = 1,
                                         .max_bytes = 1 << 20,
                                         .session_epoch = -1,
                                         .topics = {&t, 1}};
    const struct wire_fetch_response *response = client_call(c, 1, 11, &request);

    assert_non_null(response);
    return &response->topics.p[0].partitions.p[0];
}

static void errors_of_the_disk_reach_the_producer(void **state)
{
    struct rig r = rig_new(1);
    struct client c = dial(&r);
    int64_t base;

    (void)state;
    assert_int_equal(client_create_topic(&c, "t", 1), 0);
    assert_int_equal(produce_number(&c, "t", 0, &base), 0);
    env_sim_fail(r.env, ENV_SIM_WRITE, 1, IG_NO_SPACE, false);
    assert_int_equal(produce_number(&c, "t", 1, &base), KAFKA_STORAGE_ERROR);
    assert_int_equal(produce_number(&c, "t", 1, &base), 0); /* there is room again */
    env_sim_fail(r.env, ENV_SIM_SYNC, 1, IG_IO, false);
    assert_int_equal(produce_number(&c, "t", 2, &base), KAFKA_STORAGE_ERROR);
    assert_int_equal(produce_number(&c, "t", 3, &base), KAFKA_STORAGE_ERROR); /* a failed sync is final */
    assert_int_equal(fetch(&c, "t", 0, 0)->high_watermark, 2);
    assert_int_equal(client_create_topic(&c, "other", 1), 0);
    assert_int_equal(produce_number(&c, "other", 0, &base), 0);
    client_close(&c);
    broker_stop(r.broker);
    rig_start(&r);
    c = dial(&r);
    assert_int_equal(produce_number(&c, "t", 2, &base), 0); /* recovered from what is on the disk */
    assert_int_equal(base, 2);
    client_close(&c);
    rig_free(&r);
}

/* Is batch number i at offset i? */
static void check_stored(struct client *c, const char *topic, int64_t n)
{
    for (int64_t offset = 0; offset < n;) {
        const struct wire_fetch_partition_result *p = fetch(c, topic, offset, 0);
        size_t at = 0;

        assert_int_equal(p->error_code, 0);
        assert_true(p->records.n > 0);
        while (at < (size_t)p->records.n) {
            struct batch b;

            assert_true(batch_parse(p->records.p + at, (size_t)p->records.n - at, &b));
            assert_int_equal(b.base_offset, offset);
            assert_int_equal(b.base_sequence, offset);
            assert_true(batch_crc_ok(p->records.p + at, (size_t)p->records.n - at, &b));
            at += (size_t)b.bytes;
            offset++;
        }
    }
}

static int64_t end_of(struct client *c, const char *topic)
{
    return fetch(c, topic, 0, 0)->high_watermark;
}

static int16_t commit(struct client *c, const char *group, const char *topic, int64_t offset)
{
    struct wire_offset_commit_partition p = {.offset = offset, .leader_epoch = -1};
    struct wire_offset_commit_topic t = {.name = str_of(topic), .partitions = {&p, 1}};
    struct wire_offset_commit_request request = {
        .group_id = str_of(group), .generation_id = -1, .member_id = STR(""), .topics = {&t, 1}};
    const struct wire_offset_commit_response *r = client_call(c, 8, 7, &request);

    return r ? r->topics.p[0].partitions.p[0].error_code : -100;
}

static int64_t committed(struct client *c, const char *group, const char *topic)
{
    int32_t zero = 0;
    struct wire_offset_fetch_topic t = {.name = str_of(topic), .partitions = {&zero, 1}};
    struct wire_offset_fetch_request request = {.group_id = str_of(group), .topics = {&t, 1}};
    const struct wire_offset_fetch_response *r = client_call(c, 9, 7, &request);

    assert_non_null(r);
    return r->topics.p[0].partitions.p[0].offset;
}

/* The power is cut under a working broker, again and again: records and offsets that were acknowledged stay. */
static void a_power_cut_under_load_loses_nothing_acknowledged(void **state)
{
    struct test_random random = test_random_new();

    (void)state;
    for (int round = 0; round < 12; round++) {
        struct rig r = rig_new(test_random_next(&random));
        int64_t acked = 0, committed_offset = -1, tried_offset = -1;
        struct client c = dial(&r);

        assert_int_equal(client_create_topic(&c, "t", 1), 0);
        client_close(&c);
        for (int life = 0; life < 3; life++) {
            int64_t base;

            env_sim_power_cut_at(r.env, 1 + (int64_t)test_random_below(&random, 120));
            c = dial(&r);
            for (int64_t i = acked; i < 1000; i++) {
                if (produce_number(&c, "t", i, &base) != 0)
                    break;
                acked = i + 1;
                tried_offset = i;
                if (i % 3 == 0 && commit(&c, "g", "t", i) == 0)
                    committed_offset = i;
            }
            client_close(&c);
            broker_stop(r.broker);
            if (!env_sim_is_off(r.env))
                env_sim_power_cut(r.env);
            env_sim_power_on(r.env);
            rig_start(&r);
            c = dial(&r);
            assert_true(end_of(&c, "t") >= acked);
            check_stored(&c, "t", end_of(&c, "t"));
            acked = end_of(&c, "t");
            assert_in_range(committed(&c, "g", "t") + 1, committed_offset + 1, tried_offset + 1);
            committed_offset = committed(&c, "g", "t");
            client_close(&c);
        }
        rig_free(&r);
    }
}

static void a_fetch_waits_until_there_is_something(void **state)
{
    struct rig r = rig_new(1);
    struct client reader = dial(&r), writer = dial(&r);
    struct wire_fetch_partition p = {.current_leader_epoch = -1, .partition_max_bytes = 1 << 20};
    struct wire_fetch_topic t = {.topic = STR("t"), .partitions = {&p, 1}};
    struct wire_fetch_request request = {
        .max_wait_ms = 8000, .min_bytes = 1, .max_bytes = 1 << 20, .session_epoch = -1, .topics = {&t, 1}};
    const struct wire_fetch_response *response;
    const int64_t began = env_monotonic_ms(r.env);
    int64_t base;

    (void)state;
    assert_int_equal(client_create_topic(&writer, "t", 1), 0);
    assert_true(client_send(&reader, 1, 11, &request));
    env_sleep_ms(r.env, 50);
    assert_int_equal(produce_number(&writer, "t", 0, &base), 0);
    response = client_receive(&reader, 1, 11);
    assert_non_null(response);
    assert_true(response->topics.p[0].partitions.p[0].records.n > 0);
    assert_true(env_monotonic_ms(r.env) - began < 7000);
    assert_int_equal(fetch(&reader, "t", 1, 30)->records.n, 0); /* nothing comes: the time limit ends it */
    request.max_wait_ms = 60000;
    p.fetch_offset = 1;
    assert_true(client_send(&reader, 1, 11, &request)); /* waits when the broker stops */
    client_close(&writer);
    env_sleep_ms(r.env, 30);
    rig_free(&r);
    client_close(&reader);
}

/* Far more requests at once than the broker takes: it stops reading, and goes on when it can. */
static void a_flood_of_requests_is_answered_in_order(void **state)
{
    const struct wire_list_groups_request request = {{NULL, 0}, {NULL, 0}};
    struct rig r = rig_new(1);
    struct client c = dial(&r);
    struct wire_fetch_partition p = {.current_leader_epoch = -1, .partition_max_bytes = 1000};
    struct wire_fetch_topic t = {.topic = STR("t"), .partitions = {&p, 1}};
    const struct wire_fetch_request wait = {
        .max_wait_ms = 100, .min_bytes = 1, .max_bytes = 1000, .session_epoch = -1, .topics = {&t, 1}};

    (void)state;
    assert_int_equal(client_create_topic(&c, "t", 1), 0);
    assert_true(client_send(&c, 1, 11, &wait)); /* all others are answered behind this one */
    for (int i = 0; i < 3000; i++)
        assert_true(client_send(&c, 16, 0, &request));
    assert_non_null(client_receive(&c, 1, 11));
    for (int i = 0; i < 3000; i++)
        assert_non_null(client_receive(&c, 16, 0));
    client_close(&c);
    rig_free(&r);
}

/* --- groups ------------------------------------------------------------------------------------------------------- */

struct joined {
    const struct wire_join_group_response *r;
    struct wire_join_group_request request;
    struct wire_join_group_protocol protocol;
};

static void ask_to_join(struct client *c, struct joined *j, const char *group, struct str member_id, int32_t session_ms)
{
    j->protocol = (struct wire_join_group_protocol){STR("range"), STR("subscription")};
    j->request = (struct wire_join_group_request){.group_id = str_of(group),
                                                  .session_timeout_ms = session_ms,
                                                  .rebalance_timeout_ms = 3000,
                                                  .member_id = member_id,
                                                  .protocol_type = STR("consumer"),
                                                  .protocols = {&j->protocol, 1}};
    assert_true(client_send(c, 11, 5, &j->request));
}

static void join(struct client *c, struct joined *j, const char *group, struct str member_id, int32_t session_ms)
{
    ask_to_join(c, j, group, member_id, session_ms);
    j->r = client_receive(c, 11, 5);
    assert_non_null(j->r);
}

/* As clients do: the first answer gives the member id. */
static void join_twice(struct client *c, struct joined *j, const char *group, int32_t session_ms)
{
    join(c, j, group, STR(""), session_ms);
    assert_int_equal(j->r->error_code, KAFKA_MEMBER_ID_REQUIRED);
    join(c, j, group, j->r->member_id, session_ms);
}

static int16_t sync_group(struct client *c, const char *group, const struct joined *j, struct str assignment,
                          struct str *got)
{
    struct wire_sync_group_assignment a = {j->r->member_id, assignment};
    struct wire_sync_group_request request = {.group_id = str_of(group),
                                              .generation_id = j->r->generation_id,
                                              .member_id = j->r->member_id,
                                              .assignments = {&a, assignment.p ? 1 : 0}};
    const struct wire_sync_group_response *r = client_call(c, 14, 3, &request);

    assert_non_null(r);
    *got = r->assignment;
    return r->error_code;
}

static int16_t heartbeat(struct client *c, const char *group, int32_t generation, struct str member_id)
{
    struct wire_heartbeat_request request = {
        .group_id = str_of(group), .generation_id = generation, .member_id = member_id};
    const struct wire_heartbeat_response *r = client_call(c, 12, 3, &request);

    assert_non_null(r);
    return r->error_code;
}

static void strangers_and_old_generations_are_refused(void **state)
{
    struct rig r = rig_new(1);
    struct client c = dial(&r);
    struct joined j;
    struct str got;

    (void)state;
    join(&c, &j, "g", STR("a-stranger"), 5000);
    assert_int_equal(j.r->error_code, KAFKA_UNKNOWN_MEMBER_ID);
    join(&c, &j, "", STR(""), 5000);
    assert_int_equal(j.r->error_code, KAFKA_INVALID_GROUP_ID);
    join(&c, &j, "g", STR(""), -5);
    assert_int_equal(j.r->error_code, KAFKA_INVALID_SESSION_TIMEOUT);
    join_twice(&c, &j, "g", 5000);
    assert_int_equal(j.r->error_code, 0);
    assert_int_equal(j.r->generation_id, 1);
    assert_true(str_eq(j.r->leader, j.r->member_id));
    assert_int_equal(j.r->members.n, 1);
    assert_true(str_is(j.r->members.p[0].metadata, "subscription"));
    assert_int_equal(sync_group(&c, "g", &j, STR("mine"), &got), 0);
    assert_true(str_is(got, "mine"));
    assert_int_equal(heartbeat(&c, "g", 1, j.r->member_id), 0);
    assert_int_equal(heartbeat(&c, "g", 0, j.r->member_id), KAFKA_ILLEGAL_GENERATION);
    assert_int_equal(heartbeat(&c, "g", 1, STR("somebody")), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(heartbeat(&c, "no such group", 1, STR("somebody")), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(client_create_topic(&c, "t", 1), 0);
    assert_int_equal(commit(&c, "g", "t", 3), KAFKA_UNKNOWN_MEMBER_ID); /* it has members, this is none */
    assert_int_equal(commit(&c, "free", "t", 3), 0);
    assert_int_equal(committed(&c, "free", "t"), 3);
    assert_int_equal(commit(&c, "free", "no such topic", 3), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    client_close(&c);
    rig_free(&r);
}

static void a_second_member_makes_a_rebalance(void **state)
{
    struct rig r = rig_new(1);
    struct client one = dial(&r), two = dial(&r);
    struct joined a, b, first;
    struct str got;

    (void)state;
    join_twice(&one, &a, "g", 10000);
    assert_int_equal(sync_group(&one, "g", &a, STR("all"), &got), 0);
    first = a;
    join(&two, &b, "g", STR(""), 10000);
    ask_to_join(&two, &b, "g", b.r->member_id, 10000); /* waits for the first to come again */
    while (heartbeat(&one, "g", 1, first.r->member_id) == 0)
        env_sleep_ms(r.env, 1);
    assert_int_equal(heartbeat(&one, "g", 1, first.r->member_id), KAFKA_REBALANCE_IN_PROGRESS);
    join(&one, &a, "g", first.r->member_id, 10000);
    b.r = client_receive(&two, 11, 5);
    assert_int_equal(a.r->generation_id, 2);
    assert_int_equal(b.r->generation_id, 2);
    assert_true(str_eq(a.r->leader, b.r->leader));
    assert_int_equal(a.r->members.n, 2);
    assert_int_equal(b.r->members.n, 0);
    assert_int_equal(sync_group(&one, "g", &first, STR("late"), &got), KAFKA_ILLEGAL_GENERATION);
    assert_int_equal(sync_group(&one, "g", &a, STR("half"), &got), 0);
    assert_int_equal(sync_group(&two, "g", &b, (struct str){NULL, 0}, &got), 0);
    assert_int_equal(got.n, 0); /* the leader gave it nothing */
    client_close(&one);
    client_close(&two);
    rig_free(&r);
}

static void a_silent_member_is_put_out(void **state)
{
    struct rig r = rig_new(1);
    struct client one = dial(&r), two = dial(&r);
    struct joined a, b;
    struct str got;

    (void)state;
    join_twice(&one, &a, "g", 300);
    assert_int_equal(sync_group(&one, "g", &a, STR("all"), &got), 0);
    join_twice(&two, &b, "g", 5000); /* answered when the first has been silent for too long */
    assert_int_equal(b.r->error_code, 0);
    assert_int_equal(b.r->members.n, 1);
    assert_int_equal(heartbeat(&one, "g", 1, a.r->member_id), KAFKA_UNKNOWN_MEMBER_ID);
    client_close(&one);
    client_close(&two);
    rig_free(&r);
}

#define MANY 300

static enum ig_code add_size(void *ctx, const char *name, const struct env_stat *st, struct error *err)
{
    (void)name;
    (void)err;
    *(int64_t *)ctx += st->size_bytes;
    return IG_OK;
}

static int64_t folder_bytes(struct env *env, const char *path)
{
    int64_t bytes = 0;

    assert_int_equal(env_list(env, path, add_size, &bytes, NULL), IG_OK);
    return bytes;
}

static void commit_many(struct client *c, int64_t offset, const char *metadata)
{
    struct wire_offset_commit_partition *parts = ARENA_ARRAY(&c->arena, struct wire_offset_commit_partition, MANY);
    struct wire_offset_commit_topic t = {.name = STR("t"), .partitions = {parts, MANY}};
    struct wire_offset_commit_request request = {
        .group_id = STR("g"), .generation_id = -1, .member_id = STR(""), .topics = {&t, 1}};
    const struct wire_offset_commit_response *r;

    for (int32_t i = 0; i < MANY; i++)
        parts[i] = (struct wire_offset_commit_partition){i, offset + i, -1, -1, str_of(metadata)};
    r = client_call(c, 8, 7, &request);
    assert_non_null(r);
    for (int32_t i = 0; i < MANY; i++)
        assert_int_equal(r->topics.p[0].partitions.p[i].error_code, 0);
}

static void check_many(struct client *c, int64_t offset)
{
    const struct wire_offset_fetch_request request = {.group_id = STR("g"), .topics = {NULL, -1}};
    const struct wire_offset_fetch_response *r = client_call(c, 9, 7, &request);

    assert_non_null(r);
    assert_int_equal(r->topics.n, 1);
    assert_int_equal(r->topics.p[0].partitions.n, MANY);
    for (int32_t i = 0; i < MANY; i++)
        assert_int_equal(r->topics.p[0].partitions.p[i].offset, offset + i);
}

/* The log of committed offsets does not grow for ever, and what holds survives its rewriting. */
static void committed_offsets_are_compacted(void **state)
{
    struct rig r = rig_new(1);
    struct client c = dial(&r);
    char metadata[4001];

    (void)state;
    memset(metadata, 'm', sizeof(metadata) - 1);
    metadata[sizeof(metadata) - 1] = 0;
    assert_int_equal(client_create_topic(&c, "t", MANY), 0);
    for (int64_t i = 0; i < 13; i++)
        commit_many(&c, i * 1000, metadata);
    for (int i = 0; i < 500 && folder_bytes(r.env, "log/groups") > 5000000; i++)
        env_sleep_ms(r.env, 10);
    assert_in_range(folder_bytes(r.env, "log/groups"), 1200000, 5000000);
    check_many(&c, 12000);
    client_close(&c);
    broker_stop(r.broker);
    rig_start(&r);
    c = dial(&r);
    check_many(&c, 12000);
    client_close(&c);
    rig_free(&r);
}

/* --- starting -------------------------------------------------------------------------------------------------------
 */

static void a_folder_has_one_broker(void **state)
{
    struct rig r = rig_new(1);
    struct broker *second;
    struct error err;

    (void)state;
    assert_int_equal(broker_start(r.env, &r.options, &second, &err), IG_EXISTS);
    assert_non_null(strstr(err.msg, "log"));
    rig_free(&r);
}

static void a_folder_that_cannot_be_used_is_an_error(void **state)
{
    struct env *env = env_sim_new(1);
    const struct broker_options options = {.dir = "log", .host = "127.0.0.1"};
    struct broker *b;
    struct error err;

    (void)state;
    for (enum env_sim_op op = 0; op < ENV_SIM_OPS; op++) {
        for (int64_t n = 1; n < 12; n++) {
            enum ig_code rc;

            env_sim_fail(env, op, n, IG_IO, false);
            rc = broker_start(env, &options, &b, &err);
            env_sim_fail(env, op, 0, IG_OK, false);
            if (rc)
                assert_int_equal(rc, IG_IO);
            else
                broker_stop(b);
            assert_int_equal(env_remove_tree(env, "log", &err), IG_OK);
        }
    }
    env_sim_free(env);
}

static void a_topic_is_made_whole_or_not_at_all(void **state)
{
    (void)state;
    for (int64_t at = 1; at < 25; at++) {
        struct rig r = rig_new((uint64_t)at);
        struct client c = dial(&r);
        int16_t made;
        int64_t base;

        env_sim_power_cut_at(r.env, at);
        made = client_create_topic(&c, "t", 2);
        client_close(&c);
        broker_stop(r.broker);
        if (!env_sim_is_off(r.env))
            env_sim_power_cut(r.env);
        env_sim_power_on(r.env);
        rig_start(&r);
        c = dial(&r);
        if (made == 0)
            assert_int_equal(produce_number(&c, "t", 0, &base), 0);
        else
            assert_true(client_create_topic(&c, "t", 2) == 0 || produce_number(&c, "t", 0, &base) == 0);
        client_close(&c);
        rig_free(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_sent_again_is_stored_once),
        cmocka_unit_test(errors_of_the_disk_reach_the_producer),
        cmocka_unit_test(a_power_cut_under_load_loses_nothing_acknowledged),
        cmocka_unit_test(a_fetch_waits_until_there_is_something),
        cmocka_unit_test(a_flood_of_requests_is_answered_in_order),
        cmocka_unit_test(strangers_and_old_generations_are_refused),
        cmocka_unit_test(a_second_member_makes_a_rebalance),
        cmocka_unit_test(a_silent_member_is_put_out),
        cmocka_unit_test(committed_offsets_are_compacted),
        cmocka_unit_test(a_folder_has_one_broker),
        cmocka_unit_test(a_folder_that_cannot_be_used_is_an_error),
        cmocka_unit_test(a_topic_is_made_whole_or_not_at_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
