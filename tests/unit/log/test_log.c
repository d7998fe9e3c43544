/*
 * The client side of the log, against the broker inside, and against a mock cluster where that must answer with errors.
 */
#include "broker/broker.h"
#include "log/mock.h"

struct fixture {
    struct env *env;
    struct broker *broker;
    char broker_dir[256];
    struct mock mock;
    struct log_client *client, *mock_client;
    int n_topics;
    char topic[32]; /* of the test, with four partitions; in both */
};

static int set_up_all(void **state)
{
    struct fixture *f = check_calloc(1, sizeof(*f));
    struct broker_options options = {.host = "127.0.0.1"};
    struct error err = {0};
    char url[64];

    f->env = env_real_new();
    f->env->log_level = ENV_LOG_ERROR;
    test_scratch_dir(f->broker_dir, sizeof(f->broker_dir));
    options.dir = f->broker_dir;
    ok(broker_start(f->env, &options, &f->broker, &err), &err);
    snprintf(url, sizeof(url), "kafka://127.0.0.1:%d", broker_port(f->broker));
    ok(log_client_new(f->env, url, &f->client, &err), &err);
    mock_start(&f->mock);
    ok(log_client_new(f->env, f->mock.url, &f->mock_client, &err), &err);
    *state = f;
    return 0;
}

static int tear_down_all(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};

    log_client_free(f->client);
    log_client_free(f->mock_client);
    mock_stop(&f->mock);
    broker_stop(f->broker);
    ok(env_remove_tree(f->env, f->broker_dir, &err), &err);
    env_real_free(f->env);
    free(f);
    return 0;
}

static int set_up(void **state)
{
    struct fixture *f = *state;
    struct log_topic_spec spec = {.name = f->topic, .partitions = 4, .retention_ms = -1};
    struct error err = {0};

    snprintf(f->topic, sizeof(f->topic), "t%d", f->n_topics++);
    ok(log_topic_ensure(f->client, &spec, &err), &err);
    mock_topic(&f->mock, f->topic, 4);
    return 0;
}

/* --- URLs ------------------------------------------------------------------------------------------------------- */

static void urls_are_checked(void **state)
{
    static const struct {
        const char *url, *says;
    } BAD[] = {
        {"http://h:1", "kafka://"},
        {"kafka://", "HOST:PORT"},
        {"kafka://user:pw@h:9092", "sasl.username"},
        {"kafka://h:9092?acks", "property=value"},
        {"kafka://h:9092?acks=0", "acks is set by ingot"},
        {"kafka://h:9092?no.such.thing=1", "no.such.thing"},
        {"kafka://h:9092?linger.ms=soon", "linger.ms"},
        {"kafka://h:9092?client.id=a%2", "hex"},
        {"kafka://h:9092?client.id=a%00b", "hex"},
    };
    struct fixture *f = *state;
    struct log_client *c;
    struct error err = {0};

    for (size_t i = 0; i < IG_COUNT(BAD); i++) {
        assert_int_equal(log_client_new(f->env, BAD[i].url, &c, &err), IG_INVALID);
        if (!strstr(err.msg, BAD[i].says))
            fail_msg("%s: says \"%s\"", BAD[i].url, err.msg);
    }
    ok(log_client_new(f->env, "kafka://a:1,b:2/?security.protocol=sasl_plaintext&sasl.password=a%26b", &c, &err), &err);
    assert_string_equal(log_client_bootstrap(c), "a:1,b:2");
    log_client_free(c);
}

static void a_password_is_in_no_message(void **state)
{
    struct fixture *f = *state;
    struct log_client *c;
    struct error err = {0};

    assert_int_equal(log_client_new(f->env, "kafka://h:1?sasl.pasword=hunter2", &c, &err), IG_INVALID);
    assert_null(strstr(err.msg, "hunter2"));
    assert_int_equal(log_client_new(f->env, "kafka://u:hunter2@h:1", &c, &err), IG_INVALID);
    assert_null(strstr(err.msg, "hunter2"));
}

/* --- producing -------------------------------------------------------------------------------------------------- */

struct delivery {
    int n, n_failed;
    int32_t partition;
    int64_t offset;
    void *tag;
};

static void note_delivery(void *ctx, void *tag, int32_t partition, int64_t offset, const struct error *err)
{
    struct delivery *d = ctx;

    d->n++;
    d->n_failed += err != NULL;
    d->partition = partition;
    d->offset = offset;
    d->tag = tag;
}

static void produce_to(struct log_client *c, const char *topic, int n, int first)
{
    struct log_producer *p;
    struct error err = {0};

    ok(log_producer_new(c, NULL, NULL, &p, &err), &err);
    for (int i = first; i < first + n; i++) {
        char text[32];
        struct log_record r = {.topic = topic, .partition = i % 4};

        r.value = (struct str){text, (size_t)snprintf(text, sizeof(text), "%d", i)};
        ok(log_produce(p, &r, NULL, &err), &err);
    }
    ok(log_producer_flush(p, 10000, &err), &err);
    log_producer_free(p);
}

static void produce(struct fixture *f, int n, int first)
{
    produce_to(f->client, f->topic, n, first);
}

static void keys_choose_partitions_as_in_java(void **state)
{
    struct fixture *f = *state;
    struct delivery d = {0};
    struct log_producer *p;
    struct error err = {0};

    ok(log_producer_new(f->client, note_delivery, &d, &p, &err), &err);
    for (int i = 0; i < 20; i++) {
        char key[16];
        struct log_record r = {.topic = f->topic, .partition = -1, .value = STR("v")};

        r.key = (struct str){key, (size_t)snprintf(key, sizeof(key), "user-%d", i)};
        ok(log_produce(p, &r, &d, &err), &err);
        ok(log_producer_flush(p, 10000, &err), &err);
        assert_int_equal(d.n, i + 1);
        assert_int_equal(d.partition, hash_partition_of_key(r.key, 4));
        assert_ptr_equal(d.tag, &d);
    }
    assert_int_equal(d.n_failed, 0);
    log_producer_free(p);
}

static void a_refused_record_is_reported(void **state)
{
    struct fixture *f = *state;
    struct delivery d = {0};
    struct log_producer *p;
    struct log_record r = {.topic = f->topic, .partition = 0, .value = STR("v")};
    struct error err = {0};

    ok(log_producer_new(f->mock_client, note_delivery, &d, &p, &err), &err);
    rd_kafka_mock_push_request_errors(f->mock.cluster, 0 /* Produce */, 1,
                                      RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    ok(log_produce(p, &r, NULL, &err), &err);
    assert_int_equal(log_producer_flush(p, 10000, &err), IG_INVALID);
    assert_int_equal(d.n_failed, 1);
    log_producer_free(p);
    r.value.n = 40 << 20;
    r.value.p = check_calloc(1, r.value.n);
    ok(log_producer_new(f->mock_client, NULL, NULL, &p, &err), &err);
    assert_int_equal(log_produce(p, &r, NULL, &err), IG_LIMIT);
    log_producer_free(p);
    free((void *)(uintptr_t)r.value.p);
}

static void a_record_comes_out_as_it_went_in(void **state)
{
    struct fixture *f = *state;
    const struct log_header headers[] = {{"a", STR("1")}, {"b", {"\x00\xff", 2}}, {"none", {NULL, 0}}};
    const struct log_record in[] = {
        {.topic = f->topic,
         .partition = 2,
         .timestamp_ms = 1700000000123,
         .key = STR("k"),
         .value = STR("v"),
         .headers = headers,
         .n_headers = 3},
        {.topic = f->topic, .partition = 2, .timestamp_ms = 1700000000124, .key = STR("k")},
        {.topic = f->topic, .partition = 2, .timestamp_ms = 1700000000125, .value = STR("")},
    };
    struct log_producer *p;
    struct log_consumer *k;
    struct log_batch b;
    struct error err = {0};
    size_t n = 0;

    ok(log_producer_new(f->client, NULL, NULL, &p, &err), &err);
    for (size_t i = 0; i < 3; i++)
        ok(log_produce(p, &in[i], NULL, &err), &err);
    ok(log_producer_flush(p, 10000, &err), &err);
    log_producer_free(p);
    ok(log_consumer_new(f->client, NULL, &k, &err), &err);
    ok(log_consumer_assign(k, f->topic, 2, 0, &err), &err);
    while (n < 3) {
        ok(log_consume(k, 10, 5000, &b, &err), &err);
        for (size_t i = 0; i < b.n; i++, n++) {
            const struct log_record *r = &b.records[i];

            assert_string_equal(r->topic, f->topic);
            assert_int_equal(r->partition, 2);
            assert_int_equal(r->offset, n);
            assert_int_equal(r->timestamp_ms, in[n].timestamp_ms);
            assert_true(str_eq(r->key, in[n].key));
            assert_true(str_eq(r->value, in[n].value));
            assert_int_equal(r->value.p == NULL, in[n].value.p == NULL);
            assert_int_equal(r->n_headers, in[n].n_headers);
            for (size_t h = 0; h < r->n_headers; h++) {
                assert_string_equal(r->headers[h].name, headers[h].name);
                assert_true(str_eq(r->headers[h].value, headers[h].value));
            }
        }
        log_batch_free(&b);
    }
    log_consumer_free(k);
}

/* --- questions --------------------------------------------------------------------------------------------------- */

static void the_cluster_answers_questions(void **state)
{
    struct fixture *f = *state;
    const struct log_topic_spec spec = {.name = f->topic, .partitions = 9};
    struct error err = {0};
    int64_t low, high;
    int32_t n;

    assert_int_equal(log_topic_partitions(f->client, "nowhere", &n, &err), IG_NOT_FOUND);
    assert_non_null(strstr(err.msg, "nowhere"));
    ok(log_topic_ensure(f->client, &spec, &err), &err);
    ok(log_topic_partitions(f->client, f->topic, &n, &err), &err);
    assert_int_equal(n, 4); /* it was there, and is left as it is */
    produce(f, 10, 0);
    ok(log_watermarks(f->client, f->topic, 1, &low, &high, &err), &err);
    assert_int_equal(low, 0);
    assert_int_equal(high, 3);
}

static void a_silent_cluster_is_unavailable(void **state)
{
    struct fixture *f = *state;
    struct log_producer *p;
    struct log_client *c;
    struct log_record r = {.topic = "t", .value = STR("v")};
    struct error err = {0};

    ok(log_client_new(f->env, "kafka://127.0.0.1:1", &c, &err), &err);
    f->env->log_level = ENV_LOG_ERROR + 1;
    ok(log_producer_new(c, NULL, NULL, &p, &err), &err);
    ok(log_produce(p, &r, NULL, &err), &err);
    assert_int_equal(log_producer_flush(p, 200, &err), IG_UNAVAILABLE);
    log_producer_free(p);
    f->env->log_level = ENV_LOG_ERROR;
    log_client_free(c);
}

/* --- groups ------------------------------------------------------------------------------------------------------ */

/* A member of a group that checks that nothing is left out. */
struct reader {
    struct log_consumer *k;
    const char *topic;
    bool seen[1000];
    int n, n_repeated, n_assigned, n_revoked;
    bool commit_at_revoke;
    int64_t next[4];
};

/* IG_OK or IG_CONFLICT. */
static enum ig_code commit_all(struct reader *r)
{
    struct log_position positions[4];
    struct error err = {0};
    enum ig_code rc;
    size_t n = 0;

    for (int p = 0; p < 4; p++)
        if (r->next[p] > 0)
            positions[n++] = (struct log_position){r->topic, p, r->next[p]};
    rc = log_consumer_commit(r->k, positions, n, &err);
    if (rc != IG_CONFLICT)
        ok(rc, &err);
    return rc;
}

static void note_rebalance(void *ctx, bool assigned, const struct log_position *partitions, size_t n)
{
    struct reader *r = ctx;

    (void)partitions;
    if (assigned) {
        r->n_assigned += (int)n;
    } else {
        r->n_revoked += (int)n;
        if (r->commit_at_revoke)
            (void)commit_all(r);
    }
    memset(r->next, 0, sizeof(r->next));
}

static void reader_start(struct reader *r, struct log_client *client, const char *topic)
{
    struct error err = {0};

    *r = (struct reader){.topic = topic};
    ok(log_consumer_new(client, "readers", &r->k, &err), &err);
    log_consumer_on_rebalance(r->k, note_rebalance, r);
    ok(log_consumer_subscribe(r->k, &topic, 1, &err), &err);
}

static void reader_stop(struct reader *r)
{
    log_consumer_on_rebalance(r->k, NULL, NULL);
    log_consumer_free(r->k);
}

static void reader_step(struct reader *r, int64_t wait_ms)
{
    struct error err = {0};
    struct log_batch b;

    ok(log_consume(r->k, 7, wait_ms, &b, &err), &err);
    for (size_t i = 0; i < b.n; i++) {
        int64_t v;

        assert_true(str_to_int64(b.records[i].value, 0, 999, &v));
        r->n_repeated += r->seen[v];
        r->n += !r->seen[v];
        r->seen[v] = true;
        if (r->next[b.records[i].partition] > 0)
            assert_int_equal(b.records[i].offset, r->next[b.records[i].partition]);
        r->next[b.records[i].partition] = b.records[i].offset + 1;
    }
    log_batch_free(&b);
}

static void reader_until(struct reader *r, int n)
{
    for (int i = 0; r->n < n && i < 500; i++)
        reader_step(r, 50);
    assert_int_equal(r->n, n);
}

static void a_group_goes_on_where_it_committed(void **state)
{
    struct fixture *f = *state;
    struct reader r;
    struct error err = {0};
    int64_t at;

    reader_start(&r, f->client, f->topic);
    produce_to(f->client, f->topic, 100, 0);
    reader_until(&r, 100);
    ok(log_committed(f->client, "readers", f->topic, 0, &at, &err), &err);
    assert_int_equal(at, -1);
    assert_int_equal(commit_all(&r), IG_OK);
    ok(log_committed(f->client, "readers", f->topic, 0, &at, &err), &err);
    assert_int_equal(at, 25);
    reader_stop(&r);
    produce_to(f->client, f->topic, 50, 100);
    reader_start(&r, f->client, f->topic);
    reader_until(&r, 50);
    assert_false(r.seen[99]);
    reader_stop(&r);
}

static void a_rewind_gives_what_was_not_committed_again(void **state)
{
    struct fixture *f = *state;
    struct reader r;
    struct error err = {0};

    reader_start(&r, f->client, f->topic);
    produce_to(f->client, f->topic, 100, 0);
    reader_until(&r, 100);
    assert_int_equal(commit_all(&r), IG_OK);
    produce_to(f->client, f->topic, 40, 100);
    reader_until(&r, 140);
    ok(log_consumer_rewind(r.k, &err), &err);
    memset(r.next, 0, sizeof(r.next));
    for (int i = 0; r.n_repeated < 40 && i < 200; i++)
        reader_step(&r, 50);
    assert_int_equal(r.n_repeated, 40);
    reader_stop(&r);
}

static void a_pause_gives_nothing_and_loses_nothing(void **state)
{
    struct fixture *f = *state;
    struct reader r;
    struct error err = {0};

    reader_start(&r, f->client, f->topic);
    produce_to(f->client, f->topic, 200, 0);
    while (r.n == 0)
        reader_step(&r, 50);
    for (int round = 0; round < 5; round++) {
        const int before = r.n;

        ok(log_consumer_pause(r.k, true, &err), &err);
        for (int i = 0; i < 3; i++)
            reader_step(&r, 30);
        assert_int_equal(r.n, before);
        ok(log_consumer_pause(r.k, false, &err), &err);
        reader_step(&r, 500);
    }
    reader_until(&r, 200); /* reader_step checks that no offset is left out */
    assert_int_equal(r.n_repeated, 0);
    reader_stop(&r);
}

/* reader_step checks that every partition is read in order from its committed offset on. */
static void members_that_come_and_go_leave_no_gap(void **state)
{
    struct fixture *f = *state;
    struct reader a, b;
    int n = 0;

    reader_start(&a, f->client, f->topic);
    a.commit_at_revoke = true;
    for (int round = 0; round < 4; round++) {
        produce_to(f->client, f->topic, 200, round * 200);
        if (round == 0)
            reader_step(&a, 5000);
        reader_start(&b, f->client, f->topic);
        b.commit_at_revoke = true;
        for (int i = 0; i < 400 && (b.n_assigned == 0 || i < 10); i++) {
            reader_step(&a, 5);
            reader_step(&b, 5);
        }
        assert_true(b.n_assigned > 0);
        for (int v = 0; v < 800; v++)
            a.seen[v] |= b.seen[v];
        log_consumer_free(b.k); /* commits as it goes */
    }
    for (int i = 0; i < 400 && n < 800; i++) {
        reader_step(&a, 20);
        n = 0;
        for (int v = 0; v < 800; v++)
            n += a.seen[v];
    }
    assert_int_equal(n, 800);
    assert_true(a.n_revoked >= 8);
    reader_stop(&a);
}

static void a_commit_that_the_group_refuses_is_a_conflict(void **state)
{
    struct fixture *f = *state;
    struct reader r;
    const struct log_position at = {f->topic, 0, 1};
    struct error err = {0};

    reader_start(&r, f->mock_client, f->topic);
    produce_to(f->mock_client, f->topic, 4, 0);
    reader_until(&r, 4);
    rd_kafka_mock_push_request_errors(f->mock.cluster, 8 /* OffsetCommit */, 1, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID);
    assert_int_equal(log_consumer_commit(r.k, &at, 1, &err), IG_CONFLICT);
    reader_stop(&r);
}

static void the_end_is_seen(void **state)
{
    struct fixture *f = *state;
    struct log_consumer *k;
    struct log_batch b;
    struct error err = {0};
    bool at_end = true;
    int n = 0;

    produce(f, 20, 0);
    ok(log_consumer_new(f->client, NULL, &k, &err), &err);
    ok(log_consumer_at_end(k, &at_end, &err), &err);
    assert_false(at_end);
    for (int p = 0; p < 4; p++)
        ok(log_consumer_assign(k, f->topic, p, 0, &err), &err);
    ok(log_consumer_at_end(k, &at_end, &err), &err);
    assert_false(at_end);
    for (int i = 0; i < 200 && !at_end; i++) {
        ok(log_consume(k, 100, 50, &b, &err), &err);
        n += (int)b.n;
        log_batch_free(&b);
        ok(log_consumer_at_end(k, &at_end, &err), &err);
    }
    assert_true(at_end);
    assert_int_equal(n, 20);
    produce(f, 1, 20);
    ok(log_consumer_at_end(k, &at_end, &err), &err);
    assert_false(at_end);
    log_consumer_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(urls_are_checked, set_up),
        cmocka_unit_test_setup(a_password_is_in_no_message, set_up),
        cmocka_unit_test_setup(keys_choose_partitions_as_in_java, set_up),
        cmocka_unit_test_setup(a_refused_record_is_reported, set_up),
        cmocka_unit_test_setup(a_record_comes_out_as_it_went_in, set_up),
        cmocka_unit_test_setup(the_cluster_answers_questions, set_up),
        cmocka_unit_test_setup(a_silent_cluster_is_unavailable, set_up),
        cmocka_unit_test_setup(a_group_goes_on_where_it_committed, set_up),
        cmocka_unit_test_setup(a_rewind_gives_what_was_not_committed_again, set_up),
        cmocka_unit_test_setup(a_pause_gives_nothing_and_loses_nothing, set_up),
        cmocka_unit_test_setup(members_that_come_and_go_leave_no_gap, set_up),
        cmocka_unit_test_setup(a_commit_that_the_group_refuses_is_a_conflict, set_up),
        cmocka_unit_test_setup(the_end_is_seen, set_up),
    };

    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
