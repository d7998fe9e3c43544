/* The groups of KIP-848, over the wire. */
#include "rig.h"

#define HEARTBEAT 68

/* A member as a client keeps it. */
struct member {
    const char *id, *instance, *topic, *pattern, *assignor;
    int32_t epoch;
    int32_t owned[16], n_owned;
    bool says_owned;
    const struct wire_member_heartbeat_response *r;
};

static int16_t beat(struct rig *r, struct member *m, int32_t epoch)
{
    struct str topic = str_of(m->topic);
    struct wire_member_partitions owned = {rig_topic_id(r, "t"), {m->owned, m->n_owned}};
    struct wire_member_heartbeat_request request = {
        .group_id = STR("g"),
        .member_id = str_of(m->id),
        .member_epoch = epoch,
        .instance_id = str_of(m->instance),
        .rebalance_timeout_ms = epoch == 0 ? 60000 : -1,
        .topic_names = {&topic, epoch == 0 && !m->pattern ? 1 : -1},
        .topic_regex = str_of(epoch == 0 ? m->pattern : NULL),
        .assignor = str_of(m->assignor),
        .owned = {&owned, epoch == 0      ? 0
                          : m->says_owned ? (m->n_owned > 0 ? 1 : 0)
                                          : -1},
    };

    m->r = client_call(&r->c, HEARTBEAT, 1, &request);
    assert_non_null(m->r);
    if (m->r->error_code)
        return m->r->error_code;
    m->epoch = m->r->member_epoch;
    if (m->r->assignment) {
        m->n_owned = 0;
        for (int32_t i = 0; i < m->r->assignment->topics.n; i++) {
            for (int32_t k = 0; k < m->r->assignment->topics.p[i].partitions.n; k++)
                m->owned[m->n_owned++] = m->r->assignment->topics.p[i].partitions.p[k];
        }
    }
    m->says_owned = true;
    return 0;
}

static struct rig with_topic(int32_t partitions)
{
    struct rig r = rig_new(NULL);

    assert_int_equal(client_create_topic(&r.c, "t", partitions), 0);
    return r;
}

static void one_member_has_all(void **state)
{
    struct rig r = with_topic(4);
    struct member a = {.id = "a", .topic = "t"};

    (void)state;
    assert_int_equal(beat(&r, &a, 0), 0);
    assert_true(a.epoch > 0);
    assert_int_equal(a.n_owned, 4);
    assert_true(a.r->heartbeat_interval_ms > 0);
    assert_int_equal(beat(&r, &a, a.epoch), 0);
    assert_null(a.r->assignment); /* nothing new */
    rig_free(&r);
}

/* The one gives up half, and only then the other gets it. */
static void a_second_member_gets_what_the_first_gave_up(void **state)
{
    struct rig r = with_topic(4);
    struct member a = {.id = "a", .topic = "t"}, b = {.id = "b", .topic = "t"};
    int32_t before;

    (void)state;
    assert_int_equal(beat(&r, &a, 0), 0);
    assert_int_equal(beat(&r, &b, 0), 0);
    assert_int_equal(b.n_owned, 0);
    before = a.epoch;
    assert_int_equal(beat(&r, &a, a.epoch), 0);
    assert_int_equal(a.epoch, before); /* it has not given up anything yet */
    assert_int_equal(a.n_owned, 2);
    assert_int_equal(beat(&r, &b, b.epoch), 0);
    assert_int_equal(b.n_owned, 0);
    assert_int_equal(beat(&r, &a, a.epoch), 0); /* says that it has two only */
    assert_true(a.epoch > before);
    assert_int_equal(beat(&r, &b, b.epoch), 0);
    assert_int_equal(b.n_owned, 2);
    for (int32_t i = 0; i < 2; i++) {
        for (int32_t k = 0; k < 2; k++)
            assert_int_not_equal(a.owned[i], b.owned[k]);
    }
    /* b leaves, a has all again */
    assert_int_equal(beat(&r, &b, -1), 0);
    assert_int_equal(b.r->member_epoch, -1);
    assert_int_equal(beat(&r, &a, a.epoch), 0);
    assert_int_equal(a.n_owned, 4);
    rig_free(&r);
}

static void a_member_of_another_epoch_is_fenced(void **state)
{
    struct rig r = with_topic(2);
    struct member a = {.id = "a", .topic = "t"}, nobody = {.id = "nobody", .topic = "t"};

    (void)state;
    assert_int_equal(beat(&r, &a, 5), KAFKA_GROUP_ID_NOT_FOUND);
    assert_int_equal(beat(&r, &a, 0), 0);
    assert_int_equal(beat(&r, &nobody, 1), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(beat(&r, &a, a.epoch + 1), KAFKA_FENCED_MEMBER_EPOCH);
    assert_int_equal(beat(&r, &a, -3), KAFKA_INVALID_REQUEST);
    assert_int_equal(beat(&r, &a, -2), KAFKA_INVALID_REQUEST); /* it has no instance id */
    a.assignor = "mine";
    assert_int_equal(beat(&r, &a, a.epoch), KAFKA_UNSUPPORTED_ASSIGNOR);
    a.assignor = NULL;
    assert_int_equal(beat(&r, &a, 0), 0); /* and comes back */
    assert_int_equal(a.n_owned, 2);
    rig_free(&r);
}

static void partitions_that_are_added_are_given_out(void **state)
{
    struct rig r = with_topic(2);
    struct member a = {.id = "a", .topic = "t"};
    struct wire_create_partitions_topic more = {.name = STR("t"), .count = 5, .assignments = {NULL, -1}};
    struct wire_create_partitions_request request = {.topics = {&more, 1}, .timeout_ms = 1000};

    (void)state;
    assert_int_equal(beat(&r, &a, 0), 0);
    assert_non_null(client_call(&r.c, 37, 3, &request));
    assert_int_equal(beat(&r, &a, a.epoch), 0);
    assert_int_equal(a.n_owned, 5);
    rig_free(&r);
}

static void a_pattern_subscribes_to_what_it_matches_whole(void **state)
{
    struct rig r = with_topic(3);
    struct member a = {.id = "a", .pattern = "[st]"}, bad = {.id = "bad", .pattern = "(a"},
                  wild = {.id = "wild", .pattern = "(a{1,9}){1,9}"};

    (void)state;
    assert_int_equal(client_create_topic(&r.c, "tt", 7), 0);
    assert_int_equal(beat(&r, &a, 0), 0);
    assert_int_equal(a.n_owned, 3);
    assert_int_equal(client_create_topic(&r.c, "s", 2), 0);
    assert_int_equal(beat(&r, &a, a.epoch), 0);
    assert_int_equal(a.n_owned, 5);
    assert_int_equal(beat(&r, &bad, 0), KAFKA_INVALID_REGULAR_EXPRESSION);
    assert_int_equal(beat(&r, &wild, 0), KAFKA_INVALID_REGULAR_EXPRESSION);
    assert_int_equal(beat(&r, &a, a.epoch), 0);
    assert_int_equal(a.n_owned, 5); /* nobody else is there */
    rig_free(&r);
}

static void a_static_member_keeps_its_share_while_it_is_away(void **state)
{
    struct rig r = with_topic(4);
    struct member a = {.id = "a", .instance = "i", .topic = "t"},
                  again = {.id = "again", .instance = "i", .topic = "t"}, b = {.id = "b", .topic = "t"};

    (void)state;
    assert_int_equal(beat(&r, &a, 0), 0);
    assert_int_equal(beat(&r, &again, 0), KAFKA_UNRELEASED_INSTANCE_ID);
    assert_int_equal(beat(&r, &a, -2), 0);
    assert_int_equal(beat(&r, &again, 0), 0);
    assert_int_equal(again.n_owned, 4);
    assert_int_equal(beat(&r, &a, a.epoch), KAFKA_FENCED_INSTANCE_ID);
    assert_int_equal(beat(&r, &b, 0), 0);
    assert_int_equal(b.n_owned, 0);
    rig_free(&r);
}

static int16_t commit(struct rig *r, const char *member, int32_t epoch, int16_t version)
{
    struct wire_offset_commit_partition p = {.offset = 1, .leader_epoch = -1};
    struct wire_offset_commit_topic t = {.name = STR("t"), .partitions = {&p, 1}};
    struct wire_offset_commit_request request = {
        .group_id = STR("g"), .generation_id = epoch, .member_id = str_of(member), .topics = {&t, 1}};
    const struct wire_offset_commit_response *response = client_call(&r->c, 8, version, &request);

    assert_non_null(response);
    return response->topics.p[0].partitions.p[0].error_code;
}

static void commits_are_of_the_members_epoch(void **state)
{
    struct rig r = with_topic(1);
    struct member a = {.id = "a", .topic = "t"};

    (void)state;
    assert_int_equal(beat(&r, &a, 0), 0);
    assert_int_equal(commit(&r, "a", a.epoch, 9), 0);
    assert_int_equal(commit(&r, "a", a.epoch + 1, 9), KAFKA_STALE_MEMBER_EPOCH);
    assert_int_equal(commit(&r, "b", a.epoch, 9), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(commit(&r, "", -1, 9), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(commit(&r, "a", a.epoch, 8), KAFKA_UNSUPPORTED_VERSION);
    assert_int_equal(beat(&r, &a, -1), 0);
    assert_int_equal(commit(&r, "", -1, 9), 0);
    rig_free(&r);
}

static void tools_see_what_there_is(void **state)
{
    struct rig r = with_topic(2);
    struct member a = {.id = "a", .topic = "t", .assignor = "range"};
    struct str names[] = {STR("g"), STR("none")};
    struct wire_consumer_group_describe_request request = {.groups = {names, 2}};
    struct wire_list_groups_request list = {.types_filter = {names + 1, 0}};
    struct wire_describe_groups_request classic = {.groups = {names, 1}};
    const struct wire_consumer_group_describe_response *response;
    const struct wire_list_groups_response *listed;
    const struct wire_describe_groups_response *described;

    (void)state;
    assert_int_equal(beat(&r, &a, 0), 0);
    response = client_call(&r.c, 69, 1, &request);
    assert_non_null(response);
    assert_true(str_is(response->groups.p[0].state, "Stable"));
    assert_true(str_is(response->groups.p[0].assignor, "range"));
    assert_int_equal(response->groups.p[0].members.n, 1);
    assert_int_equal(response->groups.p[0].members.p[0].assignment->topics.p[0].partitions.n, 2);
    assert_true(str_is(response->groups.p[0].members.p[0].assignment->topics.p[0].topic, "t"));
    assert_int_equal(response->groups.p[0].members.p[0].member_type, 1);
    assert_int_equal(response->groups.p[1].error_code, KAFKA_GROUP_ID_NOT_FOUND);
    listed = client_call(&r.c, 16, 5, &list);
    assert_non_null(listed);
    assert_int_equal(listed->groups.n, 1);
    assert_true(str_is(listed->groups.p[0].type, "consumer"));
    described = client_call(&r.c, 15, 6, &classic);
    assert_non_null(described);
    assert_int_equal(described->groups.p[0].error_code, KAFKA_GROUP_ID_NOT_FOUND);
    rig_free(&r);
}

/* Shares differ by one at most, and nothing moves that need not. */
static void shares_are_even_and_stay(void **state)
{
    struct rig r = with_topic(16);
    struct member m[5] = {{.id = "0", .topic = "t"},
                          {.id = "1", .topic = "t"},
                          {.id = "2", .topic = "t"},
                          {.id = "3", .topic = "t"},
                          {.id = "4", .topic = "t"}};
    bool seen[16] = {false};

    (void)state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(beat(&r, &m[i], 0), 0);
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 5; i++)
            assert_int_equal(beat(&r, &m[i], m[i].epoch), 0);
    }
    for (int i = 0; i < 5; i++) {
        assert_in_range(m[i].n_owned, 3, 4);
        for (int32_t k = 0; k < m[i].n_owned; k++) {
            assert_false(seen[m[i].owned[k]]);
            seen[m[i].owned[k]] = true;
        }
    }
    for (int i = 0; i < 16; i++)
        assert_true(seen[i]);
    rig_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_member_has_all),
        cmocka_unit_test(a_second_member_gets_what_the_first_gave_up),
        cmocka_unit_test(a_member_of_another_epoch_is_fenced),
        cmocka_unit_test(partitions_that_are_added_are_given_out),
        cmocka_unit_test(a_pattern_subscribes_to_what_it_matches_whole),
        cmocka_unit_test(a_static_member_keeps_its_share_while_it_is_away),
        cmocka_unit_test(commits_are_of_the_members_epoch),
        cmocka_unit_test(tools_see_what_there_is),
        cmocka_unit_test(shares_are_even_and_stay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
