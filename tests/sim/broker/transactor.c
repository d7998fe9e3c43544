/*
 * Transactional producers: one request at a time, each sent again until it is answered. They die and come back, stall
 * until their time is up, and are followed by another of the same transactional id while they still live.
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

#define BATCHES_MAX 4

enum phase { INIT, IDLE, ADD, PRODUCE, ADD_OFFSETS, OFFSETS, END, PHASES };

struct transactor {
    struct actor actor;
    struct world *w;
    struct peer peer;
    char id[16], group[16];
    int number, left;
    enum phase phase;
    bool waiting, under_way, followed, finished;
    int producer; /* in the model; a new one each time it is born */
    int64_t pid;
    int16_t epoch;
    int32_t timeout_ms;
    int32_t sequence[PARTS_MAX];
    int numbers[PARTS_MAX];
    bool added[PARTS_MAX];
    /* the transaction */
    int txn; /* -1: none */
    int batches;
    bool commit, offsets_sent;
    int ends_unanswered;
    /* the batch under way */
    int32_t part;
    int ids[2], n;
    struct buf bytes;
};

static void go(struct transactor *t);

static void go_later(void *ctx)
{
    struct transactor *t = ctx;

    t->waiting = false;
    go(t);
}

static void wait_us(struct transactor *t, int64_t us)
{
    if (t->waiting || t->finished)
        return;
    t->waiting = true;
    env_sim_after(t->w->env, us, go_later, t);
}

static void wait_a_bit(struct transactor *t)
{
    wait_us(t, RETRY(t->w));
}

static void broken(void *ctx)
{
    struct transactor *t = ctx;

    if (t->under_way && t->phase == END)
        t->ends_unanswered++;
    t->under_way = false;
    wait_a_bit(t);
}

static bool is_passing(int16_t e)
{
    static const int16_t codes[] = {KAFKA_CONCURRENT_TRANSACTIONS,
                                    KAFKA_COORDINATOR_LOAD_IN_PROGRESS,
                                    KAFKA_COORDINATOR_NOT_AVAILABLE,
                                    KAFKA_NOT_COORDINATOR,
                                    KAFKA_STORAGE_ERROR,
                                    KAFKA_NOT_ENOUGH_REPLICAS,
                                    KAFKA_NOT_LEADER_OR_FOLLOWER,
                                    KAFKA_REQUEST_TIMED_OUT,
                                    KAFKA_UNKNOWN_TOPIC_OR_PARTITION};

    for (size_t i = 0; i < IG_COUNT(codes); i++) {
        if (codes[i] == e)
            return true;
    }
    return false;
}

static bool is_fenced(int16_t e)
{
    return e == KAFKA_INVALID_PRODUCER_EPOCH || e == KAFKA_PRODUCER_FENCED || e == KAFKA_INVALID_PRODUCER_ID_MAPPING ||
           e == KAFKA_INVALID_TXN_STATE;
}

/* The transaction is over for this client, without an answer to its commit that would tell how. */
static void lose_txn(struct transactor *t)
{
    enum txn_fate *fate = t->txn >= 0 ? &t->w->model.txns.p[t->txn] : NULL;

    if (fate && *fate == TXN_OPEN)
        *fate = TXN_ABORTED; /* nobody asked for a commit */
    else if (fate && *fate == TXN_UNKNOWN && t->ends_unanswered == 0)
        *fate = TXN_ABORTED; /* the one commit was refused */
    t->txn = -1;
}

static void be_born(struct transactor *t)
{
    t->phase = INIT;
    t->producer = t->w->model.producers++;
    memset(t->numbers, 0, sizeof(t->numbers));
    buf_clear(&t->bytes);
}

/* True: the answer was an error, and is dealt with. */
static bool has_failed(struct transactor *t, int16_t e)
{
    t->under_way = false;
    say(t->w, "%s (%lld/%d): phase %d, transaction %d: error %d", t->id, (long long)t->pid, t->epoch, (int)t->phase,
        t->txn, e);
    if (e == KAFKA_OK)
        return false;
    if (is_fenced(e)) {
        lose_txn(t);
        be_born(t);
        t->finished = t->followed;
    } else if (!is_passing(e)) {
        violation(t->w, "%s: a request of phase %d was answered with error %d", t->id, (int)t->phase, e);
    } else if (t->phase == END) {
        t->ends_unanswered++; /* it may have happened all the same */
    }
    wait_a_bit(t);
    return true;
}

/* --- InitProducerId ------------------------------------------------------------------------------------------ */

/* Whoever had this id with an earlier epoch can commit no more. */
static void fence_others(struct transactor *t, int16_t epoch)
{
    struct model *m = &t->w->model;

    for (size_t i = 0; i < m->txns.n; i++) {
        if (m->owners.p[i] == t->number && m->epochs.p[i] < epoch && m->txns.p[i] == TXN_OPEN)
            m->txns.p[i] = TXN_ABORTED;
    }
}

static void got_id(void *ctx, const void *response)
{
    const struct wire_init_producer_id_response *r = response;
    struct transactor *t = ctx;

    if (has_failed(t, r->error_code))
        return;
    if (t->followed) { /* it came late, and took the id back: so be it */
        t->finished = true;
        fence_others(t, r->producer_epoch);
        return;
    }
    t->pid = r->producer_id;
    t->epoch = r->producer_epoch;
    memset(t->sequence, 0, sizeof(t->sequence));
    t->phase = IDLE;
    fence_others(t, r->producer_epoch);
    go(t);
}

static void init(struct transactor *t)
{
    const struct wire_init_producer_id_request request = {.transactional_id = str_of(t->id),
                                                          .transaction_timeout_ms = t->timeout_ms,
                                                          .producer_id = -1,
                                                          .producer_epoch = -1};

    peer_call(&t->peer, 22, 4, &request, got_id, t);
}

/* --- a transaction --------------------------------------------------------------------------------------------- */

static void after_batch(struct transactor *t)
{
    if (t->batches > 0)
        t->phase = t->added[t->part = (int32_t)draw(t->w, (uint64_t)t->w->parts)] ? PRODUCE : ADD;
    else
        t->phase = chance(t->w, 40) ? ADD_OFFSETS : END;
}

static void begin(struct transactor *t)
{
    t->left--;
    t->txn = model_begin_txn(t->w, t->number, t->epoch);
    t->batches = (int)draw(t->w, BATCHES_MAX + 1);
    t->commit = chance(t->w, 70);
    t->offsets_sent = false;
    t->ends_unanswered = 0;
    memset(t->added, 0, sizeof(t->added));
    after_batch(t);
    if (t->phase == END)
        t->phase = ADD_OFFSETS; /* an empty transaction is none */
}

static void added(void *ctx, const void *response)
{
    const struct wire_add_partitions_response *r = response;
    struct transactor *t = ctx;

    if (has_failed(t, r->topics.p[0].partitions.p[0].error_code))
        return;
    t->added[t->part] = true;
    t->phase = PRODUCE;
    go(t);
}

static void add(struct transactor *t)
{
    struct wire_add_partitions_topic topic = {.name = STR(TOPIC), .partitions = {&t->part, 1}};
    const struct wire_add_partitions_request request = {
        .transactional_id = str_of(t->id), .producer_id = t->pid, .producer_epoch = t->epoch, .topics = {&topic, 1}};

    peer_call(&t->peer, 24, 3, &request, added, t);
}

static void make_batch(struct transactor *t)
{
    struct batch_builder b;
    struct buf value;
    struct str bytes;
    char *at;

    t->n = 1 + (int)draw(t->w, 2);
    batch_builder_init(&b, env_now_ms(t->w->env));
    for (int i = 0; i < t->n; i++) {
        buf_init(&value, 0);
        t->ids[i] = model_add(t->w, t->producer, t->part, t->numbers[t->part]++, t->txn, true);
        record_value(t->w, t->ids[i], &value);
        batch_builder_add(&b, (struct str){value.p, value.n}, (struct str){value.p, value.n});
        buf_release(&value);
    }
    bytes = batch_builder_finish(&b);
    buf_clear(&t->bytes);
    buf_add(&t->bytes, bytes.p, bytes.n);
    batch_builder_release(&b);
    at = t->bytes.p;
    wire_store(at + 21, BATCH_TRANSACTIONAL, 2);
    wire_store(at + 43, t->pid, 8);
    wire_store(at + 51, t->epoch, 2);
    wire_store(at + 53, t->sequence[t->part], 4);
    wire_store(at + 17, (int64_t)hash_crc32c(0, at + 21, t->bytes.n - 21), 4);
}

static void produced(void *ctx, const void *response)
{
    const struct wire_produce_response *r = response;
    const struct wire_produce_partition_result *result = &r->topics.p[0].partitions.p[0];
    struct transactor *t = ctx;

    if (has_failed(t, result->error_code))
        return;
    for (int i = 0; i < t->n; i++)
        model_acked(t->w, t->ids[i], result->base_offset + i);
    t->sequence[t->part] += t->n;
    buf_clear(&t->bytes);
    t->batches--;
    after_batch(t);
    go(t);
}

static void produce(struct transactor *t)
{
    struct wire_produce_partition part = {.index = t->part};
    struct wire_produce_topic topic = {.name = STR(TOPIC), .partitions = {&part, 1}};
    const struct wire_produce_request request = {
        .transactional_id = str_of(t->id), .acks = -1, .timeout_ms = 1000, .topics = {&topic, 1}};

    if (t->bytes.n == 0)
        make_batch(t);
    part.records = (struct wire_records){.p = t->bytes.p, .n = (int64_t)t->bytes.n};
    peer_call(&t->peer, 0, 9, &request, produced, t);
}

static void offsets_added(void *ctx, const void *response)
{
    const struct wire_add_offsets_response *r = response;
    struct transactor *t = ctx;

    if (has_failed(t, r->error_code))
        return;
    t->phase = OFFSETS;
    go(t);
}

static void add_offsets(struct transactor *t)
{
    const struct wire_add_offsets_request request = {.transactional_id = str_of(t->id),
                                                     .producer_id = t->pid,
                                                     .producer_epoch = t->epoch,
                                                     .group_id = str_of(t->group)};

    peer_call(&t->peer, 25, 3, &request, offsets_added, t);
}

static void offsets_done(void *ctx, const void *response)
{
    const struct wire_txn_offset_response *r = response;
    struct transactor *t = ctx;

    if (has_failed(t, r->topics.p[0].partitions.p[0].error_code))
        return;
    t->w->model.with_offsets.p[t->txn] = true;
    t->phase = END;
    go(t);
}

/* The offset says which transaction set it. */
static void send_offsets(struct transactor *t)
{
    struct wire_txn_offset_partition part = {.partition = 0, .offset = t->txn, .leader_epoch = -1};
    struct wire_txn_offset_topic topic = {.name = STR(TOPIC), .partitions = {&part, 1}};
    const struct wire_txn_offset_request request = {.transactional_id = str_of(t->id),
                                                    .group_id = str_of(t->group),
                                                    .producer_id = t->pid,
                                                    .producer_epoch = t->epoch,
                                                    .generation_id = -1,
                                                    .topics = {&topic, 1}};

    peer_call(&t->peer, 28, 3, &request, offsets_done, t);
}

static void ended(void *ctx, const void *response)
{
    const struct wire_end_txn_response *r = response;
    struct transactor *t = ctx;
    enum txn_fate *fate = &t->w->model.txns.p[t->txn];

    if (has_failed(t, r->error_code))
        return;
    if (t->commit && *fate == TXN_ABORTED)
        violation(t->w, "%s: transaction %d was committed by a producer that had been fenced", t->id, t->txn);
    *fate = t->commit ? TXN_COMMITTED : TXN_ABORTED;
    t->txn = -1;
    t->phase = IDLE;
    go(t);
}

static void end(struct transactor *t)
{
    const struct wire_end_txn_request request = {
        .transactional_id = str_of(t->id), .producer_id = t->pid, .producer_epoch = t->epoch, .committed = t->commit};
    enum txn_fate *fate = &t->w->model.txns.p[t->txn];

    if (*fate == TXN_OPEN)
        *fate = t->commit ? TXN_UNKNOWN : TXN_ABORTED;
    peer_call(&t->peer, 26, 3, &request, ended, t);
}

/* --- its life -------------------------------------------------------------------------------------------------- */

static void die(struct transactor *t)
{
    say(t->w, "%s dies in phase %d of transaction %d", t->id, (int)t->phase, t->txn);
    if (t->phase == END)
        t->ends_unanswered++;
    lose_txn(t);
    peer_drop(&t->peer);
    t->under_way = false;
    be_born(t);
    wait_a_bit(t);
}

static void go(struct transactor *t)
{
    static void (*const steps[PHASES])(struct transactor *) = {
        [INIT] = init, [ADD] = add, [PRODUCE] = produce, [ADD_OFFSETS] = add_offsets, [OFFSETS] = send_offsets,
        [END] = end};

    if (t->waiting || t->under_way || t->finished)
        return;
    if (!t->peer.conn && !peer_connect(&t->peer)) {
        wait_a_bit(t);
        return;
    }
    if (t->phase == IDLE && (t->left == 0 || t->w->healing))
        return;
    if (!t->w->healing && t->phase != INIT && chance(t->w, 2)) {
        die(t);
        return;
    }
    if (!t->w->healing && t->phase > IDLE && chance(t->w, 1)) { /* asleep, maybe for longer than it may */
        wait_us(t, (int64_t)draw(t->w, 3000000));
        return;
    }
    if (!t->w->healing && !t->followed && chance(t->w, 1)) {
        t->followed = true;
        transactor_add(t->w, t->number);
    }
    if (t->phase == IDLE)
        begin(t);
    t->under_way = true;
    steps[t->phase](t);
}

static bool done(const struct actor *a)
{
    const struct transactor *t = (const struct transactor *)a;

    return t->finished || (t->phase == IDLE && t->txn < 0);
}

static void free_transactor(struct actor *a)
{
    struct transactor *t = (struct transactor *)a;

    peer_release(&t->peer);
    buf_release(&t->bytes);
    free(t);
}

void transactor_add(struct world *w, int number)
{
    struct transactor *t = check_calloc(1, sizeof(*t));

    t->actor = (struct actor){.kind = "transactional producer", .done = done, .free = free_transactor};
    t->w = w;
    t->number = number;
    t->left = 3 + (int)draw(w, 12);
    t->timeout_ms = chance(w, 50) ? 1000 : 60000;
    t->txn = -1;
    t->pid = -1;
    snprintf(t->id, sizeof(t->id), "x%d", number);
    snprintf(t->group, sizeof(t->group), "tg%d", number);
    buf_init(&t->bytes, 0);
    be_born(t);
    peer_init(&t->peer, w, broken, t);
    actor_add(w, &t->actor);
    wait_a_bit(t);
}

/* --- the offsets that transactions left ---------------------------------------------------------------------- */

struct offset_reader {
    struct actor actor;
    struct world *w;
    struct peer peer;
    char group[16];
    int number;
    bool finished;
};

static void read_offsets(void *ctx);

static void reader_broken(void *ctx)
{
    struct offset_reader *o = ctx;

    env_sim_after(o->w->env, RETRY(o->w), read_offsets, o);
}

/* The last transaction that surely is committed, or a later one that may be. */
static void offset_read(void *ctx, const void *response)
{
    const struct wire_offset_fetch_response *r = response;
    struct offset_reader *o = ctx;
    const struct model *m = &o->w->model;
    const struct wire_offset_fetch_partition_result *result = &r->topics.p[0].partitions.p[0];
    int64_t last = -1;

    if (r->error_code || result->error_code) {
        reader_broken(o);
        return;
    }
    for (size_t i = 0; i < m->txns.n; i++) {
        if (m->owners.p[i] == o->number && m->txns.p[i] == TXN_COMMITTED && m->with_offsets.p[i])
            last = (int64_t)i;
    }
    if (result->offset < last)
        violation(o->w, "group %s: transaction %lld set its offset, but it is %lld", o->group, (long long)last,
                  (long long)result->offset);
    else if (result->offset > last && m->txns.p[result->offset] != TXN_UNKNOWN)
        violation(o->w, "group %s: its offset is of transaction %lld, which is not committed", o->group,
                  (long long)result->offset);
    o->finished = true;
}

static void read_offsets(void *ctx)
{
    struct offset_reader *o = ctx;
    int32_t zero = 0;
    struct wire_offset_fetch_topic wanted = {.name = STR(TOPIC), .partitions = {&zero, 1}};
    const struct wire_offset_fetch_request fetch = {
        .group_id = str_of(o->group), .topics = {&wanted, 1}, .require_stable = true};

    if (!o->peer.conn && !peer_connect(&o->peer))
        reader_broken(o);
    else
        peer_call(&o->peer, 9, 7, &fetch, offset_read, o);
}

static bool reader_done(const struct actor *a)
{
    return ((const struct offset_reader *)a)->finished;
}

static void free_reader(struct actor *a)
{
    struct offset_reader *o = (struct offset_reader *)a;

    peer_release(&o->peer);
    free(o);
}

void offset_reader_add(struct world *w, int number)
{
    struct offset_reader *o = check_calloc(1, sizeof(*o));

    o->actor = (struct actor){.kind = "reader of offsets", .done = reader_done, .free = free_reader};
    o->w = w;
    o->number = number;
    snprintf(o->group, sizeof(o->group), "tg%d", number);
    peer_init(&o->peer, w, reader_broken, o);
    actor_add(w, &o->actor);
    reader_broken(o);
}
