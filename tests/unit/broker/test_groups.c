/* Classic groups, over the wire: static members, restarts, what tools see and may remove. */
#include "rig.h"

#include <stdio.h>

struct member {
    const char *instance;
    struct str id;
    int32_t generation;
    int32_t session_ms; /* 0: ten seconds */
    const struct wire_join_group_response *r;
};

/* Metadata as consumers write it: version 0, topic "t". */
static const char subscription[] = "\0\0\0\0\0\1\0\1t\0\0\0\0";

static void send_join(struct client *c, const struct member *m, int16_t version, const char *protocol)
{
    const struct str metadata = {subscription, sizeof(subscription) - 1};
    struct wire_join_group_protocol p[2] = {{str_of(protocol), metadata}, {STR("second"), metadata}};
    struct wire_join_group_request request = {.group_id = STR("g"),
                                              .session_timeout_ms = m->session_ms > 0 ? m->session_ms : 10000,
                                              .rebalance_timeout_ms = 10000,
                                              .member_id = m->id.p ? m->id : STR(""),
                                              .group_instance_id = str_of(m->instance),
                                              .protocol_type = STR("consumer"),
                                              .protocols = {p, 2}};

    assert_true(client_send(c, 11, version, &request));
}

static int16_t joined(struct client *c, struct member *m, int16_t version)
{
    m->r = client_receive(c, 11, version);
    assert_non_null(m->r);
    if (m->r->member_id.n > 0)
        m->id = m->r->member_id;
    if (!m->r->error_code)
        m->generation = m->r->generation_id;
    return m->r->error_code;
}

static int16_t join(struct client *c, struct member *m)
{
    send_join(c, m, 9, "range");
    return joined(c, m, 9);
}

static int16_t sync_with(struct client *c, const struct member *m, const char *share, struct str *got)
{
    struct wire_sync_group_assignment a = {m->id, str_of(share)};
    struct wire_sync_group_request request = {.group_id = STR("g"),
                                              .generation_id = m->generation,
                                              .member_id = m->id,
                                              .group_instance_id = str_of(m->instance),
                                              .assignments = {&a, share ? 1 : 0}};
    const struct wire_sync_group_response *response = client_call(c, 14, 5, &request);

    assert_non_null(response);
    *got = response->assignment;
    return response->error_code;
}

static int16_t heartbeat(struct client *c, const struct member *m)
{
    struct wire_heartbeat_request request = {.group_id = STR("g"),
                                             .generation_id = m->generation,
                                             .member_id = m->id,
                                             .group_instance_id = str_of(m->instance)};
    const struct wire_heartbeat_response *response = client_call(c, 12, 4, &request);

    assert_non_null(response);
    return response->error_code;
}

/* One static member, which leads, with a share. */
static struct rig with_static_leader(struct member *m)
{
    struct rig r = rig_new(NULL);
    struct str got;

    *m = (struct member){.instance = "i"};
    assert_int_equal(client_create_topic(&r.c, "t", 1), 0);
    assert_int_equal(join(&r.c, m), 0);
    assert_true(str_eq(m->r->leader, m->id));
    assert_false(m->r->skip_assignment);
    assert_int_equal(sync_with(&r.c, m, "share", &got), 0);
    assert_true(str_is(got, "share"));
    return r;
}

static void a_static_member_comes_back_to_its_share(void **state)
{
    struct member m, again = {.instance = "i"};
    struct rig r = with_static_leader(&m);
    struct str got;

    (void)state;
    assert_int_equal(join(&r.c, &again), 0);
    assert_int_equal(again.generation, m.generation);
    assert_false(str_eq(again.id, m.id));
    assert_true(again.r->skip_assignment); /* it leads, and has nothing to share out */
    assert_true(str_eq(again.r->leader, again.id));
    assert_int_equal(again.r->members.n, 1);
    assert_int_equal(sync_with(&r.c, &again, NULL, &got), 0);
    assert_true(str_is(got, "share"));
    assert_int_equal(heartbeat(&r.c, &again), 0);
    assert_int_equal(heartbeat(&r.c, &m), KAFKA_FENCED_INSTANCE_ID);
    /* older clients are told that somebody else leads */
    again.id = (struct str){NULL, 0};
    send_join(&r.c, &again, 8, "range");
    assert_int_equal(joined(&r.c, &again, 8), 0);
    assert_false(str_eq(again.r->leader, again.id));
    rig_free(&r);
}

static void another_protocol_of_a_static_member_is_a_rebalance(void **state)
{
    struct member m, again = {.instance = "i"};
    struct rig r = with_static_leader(&m);

    (void)state;
    send_join(&r.c, &again, 9, "second");
    assert_int_equal(joined(&r.c, &again, 9), 0);
    assert_int_equal(again.generation, m.generation + 1);
    assert_true(str_is(again.r->protocol_name, "second"));
    rig_free(&r);
}

static void members_go_on_after_a_restart(void **state)
{
    struct member m;
    struct rig r = with_static_leader(&m);
    struct str got;
    char id[200];

    (void)state;
    snprintf(id, sizeof(id), STR_FMT, STR_ARG(m.id));
    rig_restart(&r);
    m.id = str_of(id);
    assert_int_equal(heartbeat(&r.c, &m), 0);
    assert_int_equal(sync_with(&r.c, &m, NULL, &got), 0);
    assert_true(str_is(got, "share"));
    m.generation++;
    assert_int_equal(heartbeat(&r.c, &m), KAFKA_ILLEGAL_GENERATION);
    rig_free(&r);
}

static void who_is_unknown_is_told_so(void **state)
{
    struct member m, other = {.instance = "other", .id = STR("x")};
    struct rig r = with_static_leader(&m);
    struct client c = rig_dial(&r);
    struct wire_join_group_request request = {
        .group_id = STR(""), .session_timeout_ms = 10000, .member_id = STR(""), .protocol_type = STR("consumer")};
    const struct wire_join_group_response *response;

    (void)state;
    assert_int_equal(heartbeat(&r.c, &other), KAFKA_UNKNOWN_MEMBER_ID);
    other.instance = "i";
    assert_int_equal(heartbeat(&r.c, &other), KAFKA_FENCED_INSTANCE_ID);
    other.instance = "other"; /* right id, unknown instance */
    other.id = m.id;
    other.generation = m.generation;
    assert_int_equal(heartbeat(&r.c, &other), KAFKA_UNKNOWN_MEMBER_ID);
    response = client_call(&c, 11, 9, &request);
    assert_non_null(response);
    assert_int_equal(response->error_code, KAFKA_INVALID_GROUP_ID);
    request.group_id = STR("h");
    request.session_timeout_ms = 5999;
    response = client_call(&c, 11, 9, &request);
    assert_non_null(response);
    assert_int_equal(response->error_code, KAFKA_INVALID_SESSION_TIMEOUT);
    request.session_timeout_ms = 6000;
    response = client_call(&c, 11, 9, &request); /* no protocols at all */
    assert_non_null(response);
    assert_int_equal(response->error_code, KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    client_close(&c);
    rig_free(&r);
}

static int16_t delete_offset(struct rig *r, const char *topic)
{
    struct wire_offset_delete_partition p = {0};
    struct wire_offset_delete_topic t = {str_of(topic), {&p, 1}};
    struct wire_offset_delete_request request = {STR("g"), {&t, 1}};
    const struct wire_offset_delete_response *response = client_call(&r->c, 47, 0, &request);

    assert_non_null(response);
    return response->error_code ? response->error_code : response->topics.p[0].partitions.p[0].error_code;
}

static void offsets_of_subscribed_topics_stay(void **state)
{
    struct member m;
    struct rig r = with_static_leader(&m);

    (void)state;
    assert_int_equal(client_create_topic(&r.c, "u", 1), 0);
    assert_int_equal(delete_offset(&r, "t"), KAFKA_GROUP_SUBSCRIBED_TO_TOPIC);
    assert_int_equal(delete_offset(&r, "u"), 0);
    assert_int_equal(delete_offset(&r, "nowhere"), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    rig_free(&r);
}

static struct wire_describe_groups_result describe(struct rig *r, int16_t version, const char *group)
{
    struct str id = str_of(group);
    struct wire_describe_groups_request request = {.groups = {&id, 1}, .include_authorized_operations = true};
    const struct wire_describe_groups_response *response = client_call(&r->c, 15, version, &request);

    assert_non_null(response);
    return response->groups.p[0];
}

static void groups_are_seen_from_outside(void **state)
{
    struct member m;
    struct rig r = with_static_leader(&m);
    struct wire_leave_group_member gone = {.member_id = STR(""), .group_instance_id = STR("i")};
    struct wire_leave_group_request leave = {.group_id = STR("g"), .members = {&gone, 1}};
    const struct wire_leave_group_response *left;
    struct str name = STR("g");
    struct wire_delete_groups_request remove = {{&name, 1}};
    const struct wire_delete_groups_response *removed;

    (void)state;
    assert_true(str_is(describe(&r, 5, "g").state, "Stable"));
    assert_true(str_is(describe(&r, 5, "g").members.p[0].assignment, "share"));
    assert_true(describe(&r, 5, "g").authorized_operations > 0);
    assert_true(str_is(describe(&r, 5, "none").state, "Dead"));
    assert_int_equal(describe(&r, 5, "none").error_code, 0);
    assert_int_equal(describe(&r, 6, "none").error_code, KAFKA_GROUP_ID_NOT_FOUND);
    removed = client_call(&r.c, 42, 2, &remove);
    assert_non_null(removed);
    assert_int_equal(removed->results.p[0].error_code, KAFKA_NON_EMPTY_GROUP);
    left = client_call(&r.c, 13, 5, &leave); /* an administrator puts the instance out */
    assert_non_null(left);
    assert_int_equal(left->members.p[0].error_code, 0);
    assert_true(str_is(describe(&r, 5, "g").state, "Empty"));
    rig_restart(&r); /* and that is remembered */
    assert_true(str_is(describe(&r, 5, "g").state, "Empty"));
    removed = client_call(&r.c, 42, 2, &remove);
    assert_non_null(removed);
    assert_int_equal(removed->results.p[0].error_code, 0);
    assert_true(str_is(describe(&r, 5, "g").state, "Dead"));
    rig_restart(&r);
    assert_true(str_is(describe(&r, 5, "g").state, "Dead"));
    rig_free(&r);
}

/* Two who come at once are one generation, not two. */
static void a_new_group_waits_for_company(void **state)
{
    const struct broker_options options = {.group_initial_delay_ms = 300};
    struct rig r = rig_new(&options);
    struct client c = rig_dial(&r);
    struct member a = {.instance = "a"}, b = {.instance = "b"};

    (void)state;
    send_join(&r.c, &a, 9, "range");
    send_join(&c, &b, 9, "range");
    assert_int_equal(joined(&r.c, &a, 9), 0);
    assert_int_equal(joined(&c, &b, 9), 0);
    assert_int_equal(a.generation, 1);
    assert_int_equal(b.generation, 1);
    assert_int_equal(a.r->members.n + b.r->members.n, 2);
    client_close(&c);
    rig_free(&r);
}

/* Whose session is over is gone at that moment, not at the broker's next look at the clock. */
static void a_session_ends_on_time(void **state)
{
    const struct broker_options options = {.group_min_session_ms = 50};
    struct rig r = rig_new(&options);
    struct str name = STR("g");
    struct wire_delete_groups_request remove = {{&name, 1}};

    (void)state;
    for (int i = 0; i < 8; i++) {
        struct member m = {.instance = "a", .session_ms = 50};
        const struct wire_delete_groups_response *removed;
        struct str got;

        assert_int_equal(join(&r.c, &m), 0);
        assert_int_equal(sync_with(&r.c, &m, "share", &got), 0);
        removed = client_call(&r.c, 42, 2, &remove);
        assert_non_null(removed);
        assert_int_equal(removed->results.p[0].error_code, KAFKA_NON_EMPTY_GROUP);
        env_sleep_ms(r.env, 52);
        removed = client_call(&r.c, 42, 2, &remove);
        assert_non_null(removed);
        assert_int_equal(removed->results.p[0].error_code, 0);
    }
    rig_free(&r);
}

/* Committed and looked up again by topic id. */
static void offsets_are_committed_by_topic_id(void **state)
{
    struct rig r = rig_new(NULL);
    int32_t zero = 0;
    struct wire_offset_commit_partition p = {.offset = 7, .leader_epoch = -1};
    struct wire_offset_commit_topic t[2] = {{.partitions = {&p, 1}}, {.partitions = {&p, 1}}};
    struct wire_offset_commit_request request = {
        .group_id = STR("g"), .generation_id = -1, .member_id = STR(""), .topics = {t, 2}};
    struct wire_offset_fetch_topic wanted[2] = {{.partitions = {&zero, 1}}, {.partitions = {&zero, 1}}};
    struct wire_offset_fetch_group group = {.group_id = STR("g"), .member_epoch = -1, .topics = {wanted, 2}};
    struct wire_offset_fetch_request lookup = {.groups = {&group, 1}};
    const struct wire_offset_commit_response *committed;
    const struct wire_offset_fetch_response *found;

    (void)state;
    assert_int_equal(client_create_topic(&r.c, "t", 1), 0);
    t[0].topic_id = wanted[0].topic_id = rig_topic_id(&r, "t");
    memset(&t[1].topic_id, 5, 16);
    memset(&wanted[1].topic_id, 5, 16);
    committed = client_call(&r.c, 8, 10, &request);
    assert_non_null(committed);
    assert_int_equal(committed->topics.p[0].partitions.p[0].error_code, 0);
    assert_memory_equal(committed->topics.p[0].topic_id.b, t[0].topic_id.b, 16);
    assert_int_equal(committed->topics.p[1].partitions.p[0].error_code, KAFKA_UNKNOWN_TOPIC_ID);
    found = client_call(&r.c, 9, 10, &lookup);
    assert_non_null(found);
    assert_int_equal(found->groups.p[0].topics.p[0].partitions.p[0].offset, 7);
    assert_int_equal(found->groups.p[0].topics.p[1].partitions.p[0].error_code, KAFKA_UNKNOWN_TOPIC_ID);
    group.topics.n = -1; /* all there are */
    found = client_call(&r.c, 9, 10, &lookup);
    assert_non_null(found);
    assert_int_equal(found->groups.p[0].topics.n, 1);
    assert_memory_equal(found->groups.p[0].topics.p[0].topic_id.b, t[0].topic_id.b, 16);
    rig_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_static_member_comes_back_to_its_share),
        cmocka_unit_test(another_protocol_of_a_static_member_is_a_rebalance),
        cmocka_unit_test(members_go_on_after_a_restart),
        cmocka_unit_test(who_is_unknown_is_told_so),
        cmocka_unit_test(offsets_of_subscribed_topics_stay),
        cmocka_unit_test(groups_are_seen_from_outside),
        cmocka_unit_test(a_new_group_waits_for_company),
        cmocka_unit_test(a_session_ends_on_time),
        cmocka_unit_test(offsets_are_committed_by_topic_id),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
