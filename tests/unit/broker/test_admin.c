/* Metadata and the requests of administrators, over the wire: what is answered, and which mistakes are told how. */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>

/* --- topics ------------------------------------------------------------------------------------------------------- */

static const struct wire_create_topic_result *create(struct client *c, struct wire_create_topic *topics, int32_t n,
                                                     bool check_only)
{
    struct wire_create_topics_request request = {
        .topics = {topics, n}, .timeout_ms = 1000, .validate_only = check_only};
    const struct wire_create_topics_response *response = client_call(c, 19, 7, &request);

    assert_non_null(response);
    assert_int_equal(response->topics.n, n);
    return response->topics.p;
}

static int16_t create_error(struct client *c, struct wire_create_topic topic)
{
    return create(c, &topic, 1, false)->error_code;
}

static void topics_that_cannot_be_are_refused_as_kafka_does(void **state)
{
    struct rig r = rig_new(NULL);
    int32_t here = NODE_ID, elsewhere[] = {NODE_ID, 2};
    struct wire_create_topic_assignment good = {0, {&here, 1}}, two = {0, {elsewhere, 2}}, gap = {1, {&here, 1}};
    struct wire_create_topic_config unknown = {STR("no.such.thing"), STR("1")};
    struct wire_create_topic twice[] = {{.name = STR("x"), .num_partitions = 1, .replication_factor = 1},
                                        {.name = STR("y"), .num_partitions = 1, .replication_factor = 1},
                                        {.name = STR("x"), .num_partitions = 1, .replication_factor = 1}};
    const struct wire_create_topic_result *results;

    (void)state;
    assert_int_equal(
        create_error(&r.c,
                     (struct wire_create_topic){.name = STR("a b"), .num_partitions = 1, .replication_factor = 1}),
        KAFKA_INVALID_TOPIC);
    assert_int_equal(
        create_error(&r.c, (struct wire_create_topic){.name = STR(""), .num_partitions = 1, .replication_factor = 1}),
        KAFKA_INVALID_TOPIC);
    assert_int_equal(
        create_error(&r.c, (struct wire_create_topic){.name = STR("t"), .num_partitions = 0, .replication_factor = 1}),
        KAFKA_INVALID_PARTITIONS);
    assert_int_equal(
        create_error(&r.c, (struct wire_create_topic){.name = STR("t"), .num_partitions = 1, .replication_factor = 2}),
        KAFKA_INVALID_REPLICATION_FACTOR);
    assert_int_equal(create_error(&r.c, (struct wire_create_topic){.name = STR("t"),
                                                                   .num_partitions = -1,
                                                                   .replication_factor = -1,
                                                                   .assignments = {&two, 1}}),
                     KAFKA_INVALID_REPLICA_ASSIGNMENT);
    assert_int_equal(create_error(&r.c, (struct wire_create_topic){.name = STR("t"),
                                                                   .num_partitions = -1,
                                                                   .replication_factor = -1,
                                                                   .assignments = {&gap, 1}}),
                     KAFKA_INVALID_REPLICA_ASSIGNMENT);
    assert_int_equal(create_error(&r.c, (struct wire_create_topic){.name = STR("t"),
                                                                   .num_partitions = 1,
                                                                   .replication_factor = -1,
                                                                   .assignments = {&good, 1}}),
                     KAFKA_INVALID_REQUEST);
    assert_int_equal(create_error(&r.c, (struct wire_create_topic){.name = STR("t"),
                                                                   .num_partitions = 1,
                                                                   .replication_factor = 1,
                                                                   .configs = {&unknown, 1}}),
                     KAFKA_INVALID_CONFIG);
    assert_int_equal(create_error(&r.c, (struct wire_create_topic){.name = STR("t"),
                                                                   .num_partitions = -1,
                                                                   .replication_factor = -1,
                                                                   .assignments = {&good, 1}}),
                     0);
    assert_int_equal(
        create_error(&r.c, (struct wire_create_topic){.name = STR("t"), .num_partitions = 1, .replication_factor = 1}),
        KAFKA_TOPIC_EXISTS);
    results = create(&r.c, twice, 3, false);
    assert_int_equal(results[0].error_code, KAFKA_INVALID_REQUEST);
    assert_int_equal(results[1].error_code, 0);
    assert_int_equal(results[2].error_code, KAFKA_INVALID_REQUEST);
    rig_free(&r);
}

static void a_check_makes_nothing_and_says_what_would_be(void **state)
{
    struct rig r = rig_new(NULL);
    struct wire_create_topic_config config = {STR("retention.ms"), STR("1234")};
    struct wire_create_topic topic = {
        .name = STR("t"), .num_partitions = 3, .replication_factor = 1, .configs = {&config, 1}};
    const struct wire_create_topic_result *result = create(&r.c, &topic, 1, true);
    bool found = false;

    (void)state;
    assert_int_equal(result->error_code, 0);
    assert_int_equal(result->num_partitions, 3);
    for (int32_t i = 0; i < result->configs.n; i++)
        found |= str_is(result->configs.p[i].name, "retention.ms") && str_is(result->configs.p[i].value, "1234");
    assert_true(found);
    assert_int_equal(client_create_topic(&r.c, "t", 1), 0);
    rig_free(&r);
}

static void topics_are_removed_by_name_or_id(void **state)
{
    struct rig r = rig_new(NULL);
    struct wire_delete_topic topics[4] = {
        {.name = STR("a")}, {.name = {NULL, 0}}, {.name = {NULL, 0}}, {.name = STR("c")}};
    struct wire_delete_topics_request request = {.topics = {topics, 4}, .timeout_ms = 1000};
    const struct wire_delete_topics_response *response;

    (void)state;
    assert_int_equal(client_create_topic(&r.c, "a", 1), 0);
    assert_int_equal(client_create_topic(&r.c, "b", 1), 0);
    topics[1].topic_id = rig_topic_id(&r, "b");
    memset(&topics[2].topic_id, 9, sizeof(topics[2].topic_id));
    response = client_call(&r.c, 20, 6, &request);
    assert_non_null(response);
    assert_int_equal(response->topics.p[0].error_code, 0);
    assert_int_equal(response->topics.p[1].error_code, 0);
    assert_true(str_is(response->topics.p[1].name, "b"));
    assert_int_equal(response->topics.p[2].error_code, KAFKA_UNKNOWN_TOPIC_ID);
    assert_int_equal(response->topics.p[3].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    topics[0] = topics[1] = (struct wire_delete_topic){.name = STR("c")};
    topics[2] = (struct wire_delete_topic){.name = {NULL, 0}};
    request.topics.n = 3;
    response = client_call(&r.c, 20, 6, &request);
    assert_non_null(response);
    for (int i = 0; i < 3; i++)
        assert_int_equal(response->topics.p[i].error_code, KAFKA_INVALID_REQUEST);
    rig_free(&r);
}

/* --- DescribeTopicPartitions -------------------------------------------------------------------------------------- */

static void topics_are_described_in_pages(void **state)
{
    struct rig r = rig_new(NULL);
    struct wire_topic_partitions_cursor cursor = {.topic_name = STR(""), .partition = 0};
    struct wire_topic_partitions_request request = {.partition_limit = 3};
    int seen_a = 0, seen_b = 0, pages = 0;

    (void)state;
    assert_int_equal(client_create_topic(&r.c, "a", 4), 0);
    assert_int_equal(client_create_topic(&r.c, "b", 4), 0);
    for (;;) {
        const struct wire_topic_partitions_response *response = client_call(&r.c, 75, 0, &request);

        assert_non_null(response);
        pages++;
        for (int32_t i = 0; i < response->topics.n; i++) {
            const struct wire_topic_partitions_topic *t = &response->topics.p[i];

            for (int32_t k = 0; k < t->partitions.n; k++) {
                int *seen = str_is(t->name, "a") ? &seen_a : &seen_b;

                assert_int_equal(t->partitions.p[k].partition, (*seen)++);
                assert_int_equal(t->partitions.p[k].leader_id, NODE_ID);
            }
        }
        if (!response->next_cursor)
            break;
        cursor = *response->next_cursor;
        request.cursor = &cursor;
    }
    assert_int_equal(seen_a, 4);
    assert_int_equal(seen_b, 4);
    assert_int_equal(pages, 3);
    rig_free(&r);
}

static void topics_that_are_not_there_are_said_so(void **state)
{
    struct rig r = rig_new(NULL);
    struct wire_topic_partitions_name names[] = {{STR("nowhere")}, {STR("a b")}};
    struct wire_topic_partitions_request request = {.topics = {names, 2}, .partition_limit = 2000};
    const struct wire_topic_partitions_response *response = client_call(&r.c, 75, 0, &request);

    (void)state;
    assert_non_null(response);
    assert_true(str_is(response->topics.p[0].name, "a b"));
    assert_int_equal(response->topics.p[0].error_code, KAFKA_INVALID_TOPIC);
    assert_int_equal(response->topics.p[1].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_null(response->next_cursor);
    rig_free(&r);
}

/* --- records by topic id, special times ----------------------------------------------------------------------------
 */

static void records_are_produced_by_topic_id(void **state)
{
    struct rig r = rig_new(NULL);
    const struct batch_wish wish = {.records = 1, .value_bytes = 10, .fill = 'x', .timestamp_ms = 1};
    struct wire_produce_partition p = {.index = 0};
    struct wire_produce_topic topics[2] = {{.partitions = {&p, 1}}, {.partitions = {&p, 1}}};
    struct wire_produce_request request = {.acks = -1, .timeout_ms = 1000, .topics = {topics, 2}};
    const struct wire_produce_response *response;
    size_t n;
    char *batch = make_batch(&wish, &n);

    (void)state;
    assert_int_equal(client_create_topic(&r.c, "t", 1), 0);
    p.records = (struct wire_records){.p = batch, .n = (int64_t)n};
    topics[0].topic_id = rig_topic_id(&r, "t");
    memset(&topics[1].topic_id, 3, sizeof(topics[1].topic_id));
    response = client_call(&r.c, 0, 13, &request);
    assert_non_null(response);
    assert_int_equal(response->topics.p[0].partitions.p[0].error_code, 0);
    assert_memory_equal(response->topics.p[0].topic_id.b, topics[0].topic_id.b, 16);
    assert_int_equal(response->topics.p[1].partitions.p[0].error_code, KAFKA_UNKNOWN_TOPIC_ID);
    free(batch);
    rig_free(&r);
}

static struct wire_list_offsets_partition_result offset_at(struct rig *r, int16_t version, int64_t time, int32_t epoch)
{
    struct wire_list_offsets_partition p = {.timestamp = time, .current_leader_epoch = epoch};
    struct wire_list_offsets_topic t = {.name = STR("t"), .partitions = {&p, 1}};
    struct wire_list_offsets_request request = {.replica_id = -1, .topics = {&t, 1}};
    const struct wire_list_offsets_response *response = client_call(&r->c, 2, version, &request);

    assert_non_null(response);
    return response->topics.p[0].partitions.p[0];
}

static void special_times_are_known_by_their_versions(void **state)
{
    struct rig r = rig_new(NULL);

    (void)state;
    assert_int_equal(client_create_topic(&r.c, "t", 1), 0);
    rig_produce(&r, "t", 0);
    rig_produce(&r, "t", 0);
    assert_int_equal(offset_at(&r, 6, -1, -1).offset, 2);
    assert_int_equal(offset_at(&r, 6, -2, -1).offset, 0);
    assert_int_equal(offset_at(&r, 6, -3, -1).error_code, KAFKA_UNSUPPORTED_VERSION);
    assert_int_equal(offset_at(&r, 7, -3, -1).error_code, 0);
    assert_int_equal(offset_at(&r, 7, -4, -1).error_code, KAFKA_UNSUPPORTED_VERSION);
    assert_int_equal(offset_at(&r, 8, -4, -1).offset, 0);
    assert_int_equal(offset_at(&r, 9, -5, -1).offset, -1);
    assert_int_equal(offset_at(&r, 9, -5, -1).error_code, 0);
    assert_int_equal(offset_at(&r, 10, -6, -1).error_code, KAFKA_UNSUPPORTED_VERSION);
    assert_int_equal(offset_at(&r, 11, -7, -1).error_code, KAFKA_UNSUPPORTED_VERSION);
    assert_int_equal(offset_at(&r, 9, -1, LEADER_EPOCH + 1).error_code, KAFKA_UNKNOWN_LEADER_EPOCH);
    rig_free(&r);
}

/* Who wants no answer learns of a mistake by the connection's end. */
static void without_answers_a_mistake_ends_the_connection(void **state)
{
    struct rig r = rig_new(NULL);
    struct client c = rig_dial(&r);
    struct wire_produce_partition p = {.index = 0, .records = {.p = "", .n = 0}};
    struct wire_produce_topic topic = {.name = STR("nowhere"), .partitions = {&p, 1}};
    struct wire_produce_request request = {.acks = 0, .timeout_ms = 1000, .topics = {&topic, 1}};

    (void)state;
    assert_true(client_send(&c, 0, 8, &request));
    assert_null(client_receive(&c, 0, 8));
    client_close(&c);
    assert_int_equal(client_create_topic(&r.c, "others-go-on", 1), 0);
    rig_free(&r);
}

/* --- settings ------------------------------------------------------------------------------------------------------
 */

static int16_t alter(struct rig *r, const char *name, int8_t operation, const char *value)
{
    struct wire_incremental_config config = {str_of(name), operation, str_of(value)};
    struct wire_incremental_resource resource = {2, STR("t"), {&config, 1}};
    struct wire_incremental_request request = {.resources = {&resource, 1}};
    const struct wire_alter_configs_response *response = client_call(&r->c, 44, 1, &request);

    assert_non_null(response);
    return response->results.p[0].error_code;
}

static struct wire_describe_configs_entry setting(struct rig *r, int8_t type, const char *resource, const char *name)
{
    struct str key = str_of(name);
    struct wire_describe_configs_resource res = {type, str_of(resource), {&key, 1}};
    struct wire_describe_configs_request request = {
        .resources = {&res, 1}, .include_synonyms = true, .include_documentation = true};
    const struct wire_describe_configs_response *response = client_call(&r->c, 32, 4, &request);

    assert_non_null(response);
    assert_int_equal(response->results.p[0].error_code, 0);
    assert_int_equal(response->results.p[0].configs.n, 1);
    return response->results.p[0].configs.p[0];
}

static void settings_are_changed_one_by_one(void **state)
{
    struct rig r = rig_new(NULL);

    (void)state;
    assert_int_equal(client_create_topic(&r.c, "t", 1), 0);
    assert_int_equal(setting(&r, 2, "t", "cleanup.policy").config_source, 5);
    assert_int_equal(alter(&r, "cleanup.policy", 2, "compact"), 0); /* append */
    assert_true(str_is(setting(&r, 2, "t", "cleanup.policy").value, "delete,compact"));
    assert_int_equal(alter(&r, "cleanup.policy", 2, "compact"), 0); /* each once */
    assert_true(str_is(setting(&r, 2, "t", "cleanup.policy").value, "delete,compact"));
    assert_int_equal(alter(&r, "cleanup.policy", 3, "delete"), 0); /* subtract */
    assert_true(str_is(setting(&r, 2, "t", "cleanup.policy").value, "compact"));
    assert_int_equal(setting(&r, 2, "t", "cleanup.policy").synonyms.n, 2);
    assert_int_equal(alter(&r, "cleanup.policy", 1, NULL), 0); /* delete */
    assert_true(str_is(setting(&r, 2, "t", "cleanup.policy").value, "delete"));
    assert_int_equal(alter(&r, "retention.ms", 2, "5"), KAFKA_INVALID_CONFIG); /* is no list */
    assert_int_equal(alter(&r, "retention.ms", 0, "many"), KAFKA_INVALID_CONFIG);
    assert_int_equal(alter(&r, "no.such.thing", 0, "1"), KAFKA_INVALID_CONFIG);
    assert_int_equal(alter(&r, "retention.ms", 0, NULL), KAFKA_INVALID_REQUEST);
    assert_int_equal(alter(&r, "retention.ms", 4, "1"), KAFKA_INVALID_REQUEST);
    assert_true(str_is(setting(&r, 4, "1", "broker.id").value, "1"));
    assert_true(setting(&r, 4, "1", "broker.id").read_only);
    assert_true(setting(&r, 4, "1", "message.max.bytes").documentation.n > 0);
    assert_true(setting(&r, 32, "g", "consumer.session.timeout.ms").value.n > 0);
    rig_free(&r);
}

/* --- the cluster ----------------------------------------------------------------------------------------------------
 */

static void features_are_told_to_those_who_understand_them(void **state)
{
    struct rig r = rig_new(NULL);
    struct wire_api_versions_request request = {STR("some-client"), STR("1.0")};

    (void)state;
    for (int16_t v = 3; v <= 4; v++) {
        const struct wire_api_versions_response *response = client_call(&r.c, 18, v, &request);
        bool supported = false, finalized = false;

        assert_non_null(response);
        for (int32_t i = 0; i < response->supported_features.n; i++)
            supported |= str_is(response->supported_features.p[i].name, "group.version");
        for (int32_t i = 0; i < response->finalized_features.n; i++)
            finalized |= str_is(response->finalized_features.p[i].name, "group.version");
        assert_int_equal(supported, v == 4); /* its least level is 0 */
        assert_true(finalized);
        assert_true(response->finalized_features_epoch >= 0);
    }
    request.client_software_name = STR("-bad");
    assert_int_equal(((const struct wire_api_versions_response *)client_call(&r.c, 18, 3, &request))->error_code,
                     KAFKA_INVALID_REQUEST);
    rig_free(&r);
}

static void a_cluster_of_one_has_nothing_to_move(void **state)
{
    struct rig r = rig_new(NULL);
    int32_t zero = 0, here = NODE_ID, there = 7;
    struct wire_named_partitions named = {STR("t"), {&zero, 1}};
    struct wire_elect_leaders_request elect = {.topics = {&named, 1}};
    struct wire_reassign_partition moves[] = {{0, {&here, 1}}, {0, {&there, 1}}, {0, {NULL, -1}}, {5, {&here, 1}}};
    struct wire_reassign_topic topic = {STR("t"), {moves, 4}};
    struct wire_reassign_request reassign = {.topics = {&topic, 1}};
    const struct wire_elect_leaders_response *elected;
    const struct wire_reassign_response *moved;
    struct wire_reassignments_request list = {.topics = {NULL, -1}};
    const struct wire_reassignments_response *listed;

    (void)state;
    assert_int_equal(client_create_topic(&r.c, "t", 1), 0);
    elected = client_call(&r.c, 43, 2, &elect);
    assert_non_null(elected);
    assert_int_equal(elected->topics.p[0].partitions.p[0].error_code, KAFKA_ELECTION_NOT_NEEDED);
    moved = client_call(&r.c, 45, 0, &reassign);
    assert_non_null(moved);
    assert_int_equal(moved->topics.p[0].partitions.p[0].error_code, 0);
    assert_int_equal(moved->topics.p[0].partitions.p[1].error_code, KAFKA_INVALID_REPLICA_ASSIGNMENT);
    assert_int_equal(moved->topics.p[0].partitions.p[2].error_code, KAFKA_NO_REASSIGNMENT_IN_PROGRESS);
    assert_int_equal(moved->topics.p[0].partitions.p[3].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    listed = client_call(&r.c, 46, 0, &list);
    assert_non_null(listed);
    assert_int_equal(listed->topics.n, 0);
    rig_free(&r);
}

static void a_broker_is_no_controller(void **state)
{
    struct rig r = rig_new(NULL);
    struct wire_describe_cluster_request request = {.endpoint_type = 2};
    const struct wire_describe_cluster_response *response = client_call(&r.c, 60, 1, &request);

    (void)state;
    assert_non_null(response);
    assert_int_equal(response->error_code, KAFKA_MISMATCHED_ENDPOINT_TYPE);
    request.endpoint_type = 1;
    response = client_call(&r.c, 60, 2, &request);
    assert_non_null(response);
    assert_int_equal(response->error_code, 0);
    assert_int_equal(response->brokers.n, 1);
    assert_int_equal(response->brokers.p[0].port, broker_port(r.broker));
    rig_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topics_that_cannot_be_are_refused_as_kafka_does),
        cmocka_unit_test(a_check_makes_nothing_and_says_what_would_be),
        cmocka_unit_test(topics_are_removed_by_name_or_id),
        cmocka_unit_test(topics_are_described_in_pages),
        cmocka_unit_test(topics_that_are_not_there_are_said_so),
        cmocka_unit_test(records_are_produced_by_topic_id),
        cmocka_unit_test(without_answers_a_mistake_ends_the_connection),
        cmocka_unit_test(special_times_are_known_by_their_versions),
        cmocka_unit_test(settings_are_changed_one_by_one),
        cmocka_unit_test(features_are_told_to_those_who_understand_them),
        cmocka_unit_test(a_cluster_of_one_has_nothing_to_move),
        cmocka_unit_test(a_broker_is_no_controller),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
