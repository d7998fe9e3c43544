/* Transactions in a whole broker on a simulated disk. */
#include "base/env_sim.h"
#include "batches.h"
#include "client.h"
#include "test.h"

struct rig {
    struct env *env;
    struct broker *broker;
    struct broker_options options;
    struct client c;
};

static void rig_start(struct rig *r)
{
    struct error err;

    if (broker_start(r->env, &r->options, &r->broker, &err))
        fail_msg("%s", err.msg);
    assert_true(client_open(&r->c, broker_port(r->broker)));
}

static void rig_stop(struct rig *r)
{
    client_close(&r->c);
    broker_stop(r->broker);
}

static struct rig rig_new(uint64_t seed)
{
    struct rig r = {.env = env_sim_new(seed),
                    .options = {.dir = "log", .host = "127.0.0.1", .default_partitions = 1, .segment_bytes = 20000}};

    env_sim_real_clock(r.env, true);
    rig_start(&r);
    return r;
}

static void rig_free(struct rig *r)
{
    rig_stop(r);
    env_sim_free(r->env);
}

/* --- what a producer does: each gives the error code, -100 if the broker is gone -------------------------------- */

struct producer_of {
    struct rig *r;
    const char *id;
    int64_t producer_id;
    int16_t epoch;
    int32_t sequence[2]; /* by partition */
};

static int16_t begin_as(struct producer_of *p, int64_t known_id, int16_t known_epoch, int32_t timeout_ms)
{
    const struct wire_init_producer_id_request in = {.transactional_id = str_of(p->id),
                                                     .transaction_timeout_ms = timeout_ms,
                                                     .producer_id = known_id,
                                                     .producer_epoch = known_epoch};
    const struct wire_init_producer_id_response *out;

    for (int tries = 0; tries < 200; tries++) {
        out = client_call(&p->r->c, 22, 4, &in);
        if (!out || out->error_code != KAFKA_CONCURRENT_TRANSACTIONS)
            break;
        usleep(10000);
    }
    if (!out || out->error_code)
        return out ? out->error_code : -100;
    p->producer_id = out->producer_id;
    p->epoch = out->producer_epoch;
    p->sequence[0] = p->sequence[1] = 0;
    return 0;
}

static int16_t begin(struct producer_of *p)
{
    return begin_as(p, -1, -1, 60000);
}

static int16_t add(const struct producer_of *p, const char *topic, int32_t partition)
{
    struct wire_add_partitions_topic t = {str_of(topic), {&partition, 1}};
    const struct wire_add_partitions_request in = {.transactional_id = str_of(p->id),
                                                   .producer_id = p->producer_id,
                                                   .producer_epoch = p->epoch,
                                                   .topics = {&t, 1}};
    const struct wire_add_partitions_response *out = client_call(&p->r->c, 24, 3, &in);

    return out ? out->topics.p[0].partitions.p[0].error_code : -100;
}

static int16_t send_version(struct producer_of *p, const char *topic, int32_t partition, char value, int16_t version,
                            bool transactional)
{
    const struct batch_wish wish = {.records = 1,
                                    .value_bytes = 1,
                                    .fill = value,
                                    .timestamp_ms = 1000,
                                    .producer_id = p->producer_id,
                                    .epoch = p->epoch,
                                    .sequence = p->sequence[partition]};
    struct wire_produce_partition part = {.index = partition};
    struct wire_produce_topic t = {.name = str_of(topic), .partitions = {&part, 1}};
    struct wire_produce_request in = {
        .transactional_id = str_of(p->id), .acks = -1, .timeout_ms = 1000, .topics = {&t, 1}};
    const struct wire_produce_response *out;
    size_t n;
    char *batch = make_batch(&wish, &n);

    if (transactional)
        wire_store(batch + 21, BATCH_TRANSACTIONAL, 2);
    wire_store(batch + 17, (int64_t)hash_crc32c(0, batch + 21, n - 21), 4);
    part.records = (struct wire_records){.p = batch, .n = (int64_t)n};
    out = client_call(&p->r->c, 0, version, &in);
    free(batch);
    if (!out)
        return -100;
    if (!out->topics.p[0].partitions.p[0].error_code)
        p->sequence[partition]++;
    return out->topics.p[0].partitions.p[0].error_code;
}

static int16_t send_to(struct producer_of *p, const char *topic, int32_t partition, char value)
{
    return send_version(p, topic, partition, value, 8, true);
}

static int16_t add_group(const struct producer_of *p, const char *group)
{
    const struct wire_add_offsets_request in = {str_of(p->id), p->producer_id, p->epoch, str_of(group)};
    const struct wire_add_offsets_response *out = client_call(&p->r->c, 25, 3, &in);

    return out ? out->error_code : -100;
}

static int16_t commit_offset(const struct producer_of *p, const char *group, int64_t offset)
{
    struct wire_txn_offset_partition part = {.partition = 0, .offset = offset, .leader_epoch = -1};
    struct wire_txn_offset_topic t = {str_of("t"), {&part, 1}};
    const struct wire_txn_offset_request in = {.transactional_id = str_of(p->id),
                                               .group_id = str_of(group),
                                               .producer_id = p->producer_id,
                                               .producer_epoch = p->epoch,
                                               .generation_id = -1,
                                               .topics = {&t, 1}};
    const struct wire_txn_offset_response *out = client_call(&p->r->c, 28, 3, &in);

    return out ? out->topics.p[0].partitions.p[0].error_code : -100;
}

static int16_t end_txn(const struct producer_of *p, bool commit)
{
    const struct wire_end_txn_request in = {str_of(p->id), p->producer_id, p->epoch, commit};
    const struct wire_end_txn_response *out = client_call(&p->r->c, 26, 3, &in);

    return out ? out->error_code : -100;
}

/* --- what a consumer sees ---------------------------------------------------------------------------------------- */

static const struct wire_fetch_partition_result *fetch(struct client *c, const char *topic, int32_t partition,
                                                       int64_t offset, bool committed)
{
    struct wire_fetch_partition p = {
        .partition = partition, .current_leader_epoch = -1, .fetch_offset = offset, .partition_max_bytes = 300};
    struct wire_fetch_topic t = {.topic = str_of(topic), .partitions = {&p, 1}};
    const struct wire_fetch_request in = {.replica_id = -1,
                                          .min_bytes = 1,
                                          .max_bytes = 1 << 20,
                                          .isolation_level = committed,
                                          .session_epoch = -1,
                                          .topics = {&t, 1}};
    const struct wire_fetch_response *out = client_call(c, 1, 11, &in);

    assert_non_null(out);
    assert_int_equal(out->topics.p[0].partitions.p[0].error_code, 0);
    return &out->topics.p[0].partitions.p[0];
}

static bool is_aborted(const struct wire_fetch_partition_result *p, const struct batch *b)
{
    for (int32_t i = 0; i < p->aborted.n; i++) {
        if (p->aborted.p[i].producer_id == b->producer_id && p->aborted.p[i].first_offset <= b->base_offset)
            return true;
    }
    return false;
}

static void forget_aborted(const struct wire_fetch_partition_result *p, const struct batch *b)
{
    for (int32_t i = 0; i < p->aborted.n; i++) {
        if (p->aborted.p[i].producer_id == b->producer_id && p->aborted.p[i].first_offset <= b->base_offset) {
            p->aborted.p[i].producer_id = -1;
            return;
        }
    }
}

/* The values of one answer, as a consumer goes over it. */
static int64_t read_some(const struct wire_fetch_partition_result *p, int64_t offset, char *out)
{
    for (size_t at = 0; at < (size_t)p->records.n;) {
        struct batch b;

        assert_true(batch_parse(p->records.p + at, (size_t)p->records.n - at, &b));
        batch_read_marker(p->records.p + at, (size_t)p->records.n - at, &b);
        if (b.marker == BATCH_MARKER_ABORT)
            forget_aborted(p, &b);
        else if (b.base_offset >= offset && b.marker == BATCH_MARKER_NONE &&
                 !((b.attributes & BATCH_TRANSACTIONAL) && is_aborted(p, &b)))
            strncat(out, p->records.p + at + b.bytes - 2, 1); /* the value is in front of the count of headers */
        offset = b.base_offset + b.last_offset_delta + 1;
        at += (size_t)b.bytes;
    }
    return offset;
}

static const char *values_of(struct client *c, const char *topic, int32_t partition, bool committed, char out[64])
{
    int64_t offset = 0;

    out[0] = 0;
    for (;;) {
        const struct wire_fetch_partition_result *p = fetch(c, topic, partition, offset, committed);

        if (p->records.n <= 0)
            return out;
        offset = read_some(p, offset, out);
    }
}

static void check_values(struct rig *r, const char *topic, int32_t partition, bool committed, const char *expected)
{
    char got[64];

    assert_string_equal(values_of(&r->c, topic, partition, committed, got), expected);
}

/* -1: none; -2: it may change. */
static int64_t committed_offset(struct client *c, const char *group)
{
    int32_t partition = 0;
    struct wire_offset_fetch_topic t = {.name = str_of("t"), .partitions = {&partition, 1}};
    const struct wire_offset_fetch_request in = {.group_id = str_of(group), .topics = {&t, 1}, .require_stable = true};
    const struct wire_offset_fetch_response *out = client_call(c, 9, 7, &in);

    assert_non_null(out);
    if (out->topics.p[0].partitions.p[0].error_code == KAFKA_UNSTABLE_OFFSET_COMMIT)
        return -2;
    return out->topics.p[0].partitions.p[0].offset;
}

/* What is open or undecided after a start is settled soon. */
static void wait_until_stable(struct rig *r, const char *topic, int32_t partition)
{
    for (int tries = 0; tries < 500; tries++) {
        const struct wire_fetch_partition_result *p = fetch(&r->c, topic, partition, 0, true);

        if (p->last_stable_offset == p->high_watermark && committed_offset(&r->c, "g") != -2)
            return;
        usleep(10000);
    }
    fail_msg("%s/%d stays unstable", topic, partition);
}

/* --- the tests --------------------------------------------------------------------------------------------------- */

static void only_who_has_begun_may_write(void **state)
{
    struct rig r = rig_new(1);
    struct producer_of p = {&r, "a", 5, 0, {0, 0}};

    (void)state;
    assert_int_equal(client_create_topic(&r.c, "t", 2), 0);
    assert_int_equal(send_to(&p, "t", 0, 'x'), KAFKA_INVALID_PRODUCER_ID_MAPPING);
    assert_int_equal(add(&p, "t", 0), KAFKA_INVALID_PRODUCER_ID_MAPPING);
    assert_int_equal(begin_as(&p, -1, -1, 0), KAFKA_INVALID_TRANSACTION_TIMEOUT);
    assert_int_equal(begin_as(&p, -1, -1, 900001), KAFKA_INVALID_TRANSACTION_TIMEOUT);
    assert_int_equal(begin(&p) | begin(&p), 0);
    assert_int_equal(p.epoch, 1);
    assert_int_equal(send_to(&p, "t", 0, 'x'), KAFKA_INVALID_TXN_STATE);
    assert_int_equal(end_txn(&p, true), KAFKA_INVALID_TXN_STATE);
    assert_int_equal(add(&p, "nowhere", 0), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(add(&p, "t", 0), 0);
    assert_int_equal(send_to(&p, "t", 0, 'x'), 0);
    assert_int_equal(send_to(&p, "t", 1, 'x'), KAFKA_INVALID_TXN_STATE);
    assert_int_equal(send_version(&p, "t", 0, 'y', 8, false), KAFKA_INVALID_TXN_STATE);
    assert_int_equal(commit_offset(&p, "g", 3), KAFKA_INVALID_TXN_STATE);
    p.epoch--;
    assert_int_equal(send_to(&p, "t", 0, 'x'), KAFKA_INVALID_PRODUCER_EPOCH);
    assert_int_equal(add(&p, "t", 0), KAFKA_PRODUCER_FENCED);
    assert_int_equal(end_txn(&p, true), KAFKA_PRODUCER_FENCED);
    p.epoch++;
    assert_int_equal(end_txn(&p, true), 0);
    assert_int_equal(end_txn(&p, true), 0);
    assert_int_equal(end_txn(&p, false), KAFKA_INVALID_TXN_STATE);
    assert_int_equal(send_to(&p, "t", 0, 'y'), KAFKA_INVALID_TXN_STATE); /* the next one has not begun */
    check_values(&r, "t", 0, true, "x");
    rig_free(&r);
}

static void transactions_side_by_side_are_told_apart(void **state)
{
    struct rig r = rig_new(2);
    struct producer_of a = {.r = &r, .id = "a"}, b = {.r = &r, .id = "b"};

    (void)state;
    assert_int_equal(client_create_topic(&r.c, "t", 2), 0);
    assert_int_equal(begin(&a) | begin(&b), 0);
    assert_int_equal(add(&a, "t", 0) | add(&b, "t", 0), 0);
    assert_int_equal(send_to(&a, "t", 0, 'a') | send_to(&b, "t", 0, 'b') | send_to(&a, "t", 0, 'c'), 0);
    assert_int_equal(end_txn(&b, false), 0);
    assert_int_equal(add(&b, "t", 0) | send_to(&b, "t", 0, 'd'), 0);
    check_values(&r, "t", 0, true, "");
    check_values(&r, "t", 0, false, "abcd");
    assert_int_equal(end_txn(&a, true), 0);
    check_values(&r, "t", 0, true, "ac");
    assert_int_equal(end_txn(&b, true), 0);
    check_values(&r, "t", 0, true, "acd");
    rig_stop(&r);
    rig_start(&r);
    check_values(&r, "t", 0, true, "acd");
    assert_int_equal(add(&a, "t", 0) | send_to(&a, "t", 0, 'e') | end_txn(&a, true), 0); /* its sequences go on */
    check_values(&r, "t", 0, true, "acde");
    rig_free(&r);
}

static void a_successor_aborts_what_is_open(void **state)
{
    struct rig r = rig_new(3);
    struct producer_of zombie = {.r = &r, .id = "a"}, heir = zombie;

    (void)state;
    assert_int_equal(client_create_topic(&r.c, "t", 2), 0);
    assert_int_equal(begin(&zombie) | add(&zombie, "t", 0) | send_to(&zombie, "t", 0, 'z'), 0);
    assert_int_equal(begin(&heir), 0);
    assert_int_equal(send_to(&zombie, "t", 0, 'z'), KAFKA_INVALID_PRODUCER_EPOCH);
    assert_int_equal(end_txn(&zombie, true), KAFKA_PRODUCER_FENCED);
    assert_int_equal(begin_as(&zombie, zombie.producer_id, zombie.epoch, 1000), KAFKA_PRODUCER_FENCED);
    assert_int_equal(add(&heir, "t", 0) | send_to(&heir, "t", 0, 'h') | end_txn(&heir, true), 0);
    check_values(&r, "t", 0, true, "h");
    rig_free(&r);
}

static void a_transaction_has_its_time(void **state)
{
    struct rig r = rig_new(4);
    struct producer_of p = {.r = &r, .id = "a"};

    (void)state;
    assert_int_equal(client_create_topic(&r.c, "t", 2), 0);
    assert_int_equal(begin_as(&p, -1, -1, 100) | add(&p, "t", 0) | send_to(&p, "t", 0, 'x'), 0);
    wait_until_stable(&r, "t", 0);
    check_values(&r, "t", 0, true, "");
    assert_int_equal(end_txn(&p, true), KAFKA_PRODUCER_FENCED);
    assert_int_equal(begin(&p) | add(&p, "t", 0) | send_to(&p, "t", 0, 'y') | end_txn(&p, true), 0);
    check_values(&r, "t", 0, true, "y");
    rig_free(&r);
}

static void offsets_show_with_the_commit(void **state)
{
    struct rig r = rig_new(5);
    struct producer_of p = {.r = &r, .id = "a"};

    (void)state;
    assert_int_equal(client_create_topic(&r.c, "t", 2), 0);
    assert_int_equal(begin(&p) | add_group(&p, "g") | commit_offset(&p, "g", 5), 0);
    assert_int_equal(committed_offset(&r.c, "g"), -2);
    assert_int_equal(end_txn(&p, true), 0);
    assert_int_equal(committed_offset(&r.c, "g"), 5);
    assert_int_equal(add_group(&p, "g") | commit_offset(&p, "g", 7), 0);
    rig_stop(&r);
    rig_start(&r);
    assert_int_equal(committed_offset(&r.c, "g"), -2);
    assert_int_equal(end_txn(&p, false), 0);
    assert_int_equal(committed_offset(&r.c, "g"), 5);
    rig_free(&r);
}

/* Transactions V2: what is produced to becomes a part of it. */
static void producing_may_add_the_partition(void **state)
{
    struct rig r = rig_new(6);
    struct producer_of p = {.r = &r, .id = "a"};

    (void)state;
    assert_int_equal(client_create_topic(&r.c, "t", 2), 0);
    assert_int_equal(begin(&p), 0);
    assert_int_equal(send_version(&p, "t", 0, 'x', 12, true) | send_version(&p, "t", 1, 'y', 12, true), 0);
    check_values(&r, "t", 0, true, "");
    rig_stop(&r);
    rig_start(&r);
    assert_int_equal(send_version(&p, "t", 0, 'z', 12, true), 0);
    assert_int_equal(end_txn(&p, true), 0);
    check_values(&r, "t", 0, true, "xz");
    check_values(&r, "t", 1, true, "y");
    rig_free(&r);
}

/* The transactions' own log is lost: nobody would ever end what is open. */
static void what_belongs_to_nothing_is_aborted(void **state)
{
    struct rig r = rig_new(7);
    struct producer_of p = {.r = &r, .id = "a"}, other = {.r = &r, .id = "b"};
    struct error err;

    (void)state;
    assert_int_equal(client_create_topic(&r.c, "t", 2), 0);
    assert_int_equal(begin(&p) | add(&p, "t", 0) | send_to(&p, "t", 0, 'x'), 0);
    assert_int_equal(add_group(&p, "g") | commit_offset(&p, "g", 5), 0);
    rig_stop(&r);
    assert_int_equal(env_remove_tree(r.env, "log/txns", &err), 0);
    assert_int_equal(env_unlink(r.env, "log/durable", &err), 0);
    rig_start(&r);
    wait_until_stable(&r, "t", 0);
    assert_int_equal(committed_offset(&r.c, "g"), -1);
    assert_int_equal(begin(&other) | add(&other, "t", 0) | send_to(&other, "t", 0, 'y') | end_txn(&other, true), 0);
    check_values(&r, "t", 0, true, "y");
    rig_free(&r);
}

/* --- what the partition keeps ------------------------------------------------------------------------------------ */

/* a and b take turns; each third transaction is aborted: of "abcdefgh..." the others stay. Goes over many segments. */
static void many_transactions(struct rig *r, int n)
{
    struct producer_of p[2] = {{.r = r, .id = "a"}, {.r = r, .id = "b"}};

    assert_int_equal(begin(&p[0]) | begin(&p[1]), 0);
    for (int i = 0; i < n; i++) {
        struct producer_of *one = &p[i % 2];

        assert_int_equal(add(one, "t", 0) | send_to(one, "t", 0, (char)('a' + i)), 0);
        if (i > 0)
            assert_int_equal(end_txn(&p[(i - 1) % 2], (i - 1) % 3 != 2), 0);
    }
    assert_int_equal(end_txn(&p[(n - 1) % 2], (n - 1) % 3 != 2), 0);
}

static enum ig_code remove_state(void *ctx, const char *name, const struct env_stat *st, struct error *err)
{
    char path[256];

    (void)st;
    if (!str_has_suffix(str_of(name), ".state"))
        return IG_OK;
    snprintf(path, sizeof(path), "log/topics/t/0/%s", name);
    return env_unlink(ctx, path, err);
}

static void aborted_ones_are_known_without_the_states(void **state)
{
    struct rig r = rig_new(8);
    struct error err;

    (void)state;
    r.options.segment_bytes = 400;
    rig_stop(&r);
    rig_start(&r);
    assert_int_equal(client_create_topic(&r.c, "t", 2), 0);
    many_transactions(&r, 20);
    check_values(&r, "t", 0, true, "abdeghjkmnpqst");
    rig_stop(&r);
    rig_start(&r);
    check_values(&r, "t", 0, true, "abdeghjkmnpqst");
    rig_stop(&r);
    assert_int_equal(env_list(r.env, "log/topics/t/0", remove_state, r.env, &err), IG_OK);
    rig_start(&r);
    check_values(&r, "t", 0, true, "abdeghjkmnpqst");
    check_values(&r, "t", 0, false, "abcdefghijklmnopqrst");
    rig_free(&r);
}

static int64_t delete_records(struct rig *r, int64_t offset)
{
    struct wire_delete_records_partition p = {0, offset};
    struct wire_delete_records_topic t = {str_of("t"), {&p, 1}};
    const struct wire_delete_records_request in = {{&t, 1}, 1000};
    const struct wire_delete_records_response *out = client_call(&r->c, 21, 1, &in);

    assert_non_null(out);
    assert_int_equal(out->topics.p[0].partitions.p[0].error_code, 0);
    return out->topics.p[0].partitions.p[0].low_watermark;
}

/* Records are deleted from the front, in the middle of aborted and of open transactions. */
static void the_front_may_go_at_any_offset(void **state)
{
    static const char all[] = "abcdefghijkl";

    (void)state;
    for (int64_t start = 1; start < 24; start += 2) {
        struct rig r = rig_new((uint64_t)start);
        struct producer_of open = {.r = &r, .id = "open"};
        char got[64] = "", expected[64] = "";

        r.options.segment_bytes = 400;
        rig_stop(&r);
        rig_start(&r);
        assert_int_equal(client_create_topic(&r.c, "t", 2), 0);
        many_transactions(&r, 12);
        assert_int_equal(begin(&open) | add(&open, "t", 0) | send_to(&open, "t", 0, 'z'), 0);
        assert_int_equal(delete_records(&r, start), start);
        for (int64_t offset = start; offset < 24;) {
            const struct wire_fetch_partition_result *p = fetch(&r.c, "t", 0, offset, true);

            assert_int_equal(p->last_stable_offset, 24);
            assert_true(p->records.n > 0);
            offset = read_some(p, offset, got);
        }
        for (int i = 0; i < 12; i++) { /* a at 0, b at 1, a's marker at 2, c at 3, b's at 4, ... */
            if (i % 3 != 2 && (i == 0 ? 0 : 2 * i - 1) >= start)
                strncat(expected, &all[i], 1);
        }
        assert_string_equal(got, expected);
        assert_int_equal(delete_records(&r, 25), 25); /* what the open one has written is gone */
        assert_int_equal(end_txn(&open, true), 0);
        assert_int_equal(fetch(&r.c, "t", 0, 25, true)->last_stable_offset, 26);
        rig_stop(&r);
        rig_start(&r);
        assert_int_equal(fetch(&r.c, "t", 0, 25, true)->last_stable_offset, 26);
        rig_free(&r);
    }
}

/* --- a power cut anywhere ---------------------------------------------------------------------------------------- */

enum fate { OPEN, COMMITTED, MAY_BE_COMMITTED };

/* Transactions with one record for each of two partitions, and an offset: the last one's fate is given back. */
static int run_until_the_power_goes(struct producer_of *p, enum fate *fate)
{
    *fate = OPEN;
    if (begin(p))
        return 0;
    for (int i = 0; i < 6; i++) {
        const char value = (char)('a' + i);

        *fate = OPEN;
        if (add(p, "t", 0) || add(p, "t", 1) || send_to(p, "t", 0, value) || send_to(p, "t", 1, value) ||
            add_group(p, "g") || commit_offset(p, "g", i))
            return i;
        if (i % 3 == 1) {
            if (end_txn(p, false))
                return i;
            continue;
        }
        *fate = MAY_BE_COMMITTED;
        if (end_txn(p, true))
            return i;
        *fate = COMMITTED;
    }
    return 6;
}

static void check_after(struct rig *r, int n, enum fate fate)
{
    char expected[16] = "", got[64], other[64];
    int64_t offset = -1;

    for (int i = 0; i < n; i++) {
        if (i % 3 != 1) {
            strncat(expected, &"abcdef"[i], 1);
            offset = i;
        }
    }
    values_of(&r->c, "t", 0, true, got);
    if (fate == MAY_BE_COMMITTED && strlen(got) > strlen(expected)) {
        strncat(expected, &"abcdef"[n], 1);
        offset = n;
    }
    assert_string_equal(got, expected);
    assert_string_equal(values_of(&r->c, "t", 1, true, other), expected);
    assert_int_equal(committed_offset(&r->c, "g"), offset);
}

static bool survives(uint64_t seed, int64_t at)
{
    struct rig r = rig_new(seed);
    struct producer_of p = {.r = &r, .id = "a"};
    enum fate fate;
    bool cut;
    int n;

    assert_int_equal(client_create_topic(&r.c, "t", 2), 0);
    env_sim_power_cut_at(r.env, at);
    n = run_until_the_power_goes(&p, &fate);
    cut = env_sim_is_off(r.env);
    rig_stop(&r);
    if (!env_sim_is_off(r.env))
        env_sim_power_cut(r.env);
    env_sim_power_on(r.env);
    rig_start(&r);
    if (n < 6 || fate == OPEN)
        assert_int_equal(begin(&p), 0); /* ends what is still open */
    wait_until_stable(&r, "t", 0);
    wait_until_stable(&r, "t", 1);
    check_after(&r, n, fate);
    assert_int_equal(begin(&p) | add(&p, "t", 0) | send_to(&p, "t", 0, 'z') | end_txn(&p, true), 0);
    rig_free(&r);
    return cut;
}

static void all_or_nothing_wherever_the_power_goes(void **state)
{
    struct test_random random = test_random_new();

    (void)state;
    for (int64_t at = 1; survives(test_random_next(&random), at); at += 1 + (int64_t)test_random_below(&random, 5))
        ;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_who_has_begun_may_write),
        cmocka_unit_test(transactions_side_by_side_are_told_apart),
        cmocka_unit_test(a_successor_aborts_what_is_open),
        cmocka_unit_test(a_transaction_has_its_time),
        cmocka_unit_test(offsets_show_with_the_commit),
        cmocka_unit_test(producing_may_add_the_partition),
        cmocka_unit_test(what_belongs_to_nothing_is_aborted),
        cmocka_unit_test(aborted_ones_are_known_without_the_states),
        cmocka_unit_test(the_front_may_go_at_any_offset),
        cmocka_unit_test(all_or_nothing_wherever_the_power_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
