/* Produce. */
#include "broker/broker_internal.h"

#include <stdlib.h>

/* What the batches of one request may unpack to together: one batch of the largest kind, and of real records many times
 * what came. The one thread reads them all before it serves somebody else, and a few bytes can unpack to gigabytes. */
#define UNPACK_RATIO 32

#define PRODUCE_ADDS_PARTITIONS 12 /* from this version on, producing to a partition adds it to the transaction */

/* One partition's part of a request, waiting to be durable. */
struct produce_part {
    struct partition_wait wait, txn_wait;
    struct produce *produce;
    struct wire_produce_partition_result *result;
};
struct produce {
    struct request *r;
    struct wire_produce_response *response;
    size_t waiting;
    size_t may_unpack; /* so much may its batches still unpack to */
};

static void fail(struct wire_produce_partition_result *result, struct request *r, enum kafka_error e, const char *why)
{
    result->error_code = (int16_t)e;
    result->base_offset = -1;
    result->error_message = str_of(arena_strdup(&r->arena, why));
}

static enum kafka_error check_sequence(struct partition *p, const struct batch *b, int64_t *duplicate_of,
                                       struct error *err)
{
    *duplicate_of = -1;
    if (b->producer_id < 0)
        return KAFKA_OK;
    switch (producers_check(&p->log->producers, b, duplicate_of)) {
    case PRODUCER_NEXT:
    case PRODUCER_DUPLICATE:
        return KAFKA_OK;
    case PRODUCER_OUT_OF_ORDER:
        error_set(err, IG_CONFLICT, "sequence %d of producer %lld does not follow its last one", b->base_sequence,
                  (long long)b->producer_id);
        return KAFKA_OUT_OF_ORDER_SEQUENCE;
    case PRODUCER_FENCED:
        error_set(err, IG_CONFLICT, "epoch %d of producer %lld is over", b->producer_epoch, (long long)b->producer_id);
        return KAFKA_INVALID_PRODUCER_EPOCH;
    case PRODUCER_IN_TRANSACTION:
        error_set(err, IG_CONFLICT, "producer %lld has a transaction open that this batch is no part of",
                  (long long)b->producer_id);
        return KAFKA_INVALID_TXN_STATE;
    }
    return KAFKA_UNKNOWN;
}

/* What comes for one partition. */
struct arrival {
    struct request *r;
    struct partition *p;
    const struct wire_records *records;
    struct wire_produce_partition_result *result;
    size_t *may_unpack;
    int64_t end;     /* the offset behind it, wherever it now is */
    int64_t txn_end; /* so far must the transactions be durable before it can be acknowledged */
};

static enum kafka_error check_transaction(struct arrival *a, const struct batch *b, struct error *err)
{
    const struct txn_write w = {
        .transactional_id = ((const struct wire_produce_request *)a->r->body)->transactional_id,
        .producer_id = b->producer_id,
        .epoch = b->producer_epoch,
        .topic = str_of(a->p->topic->name),
        .partition = a->p->index,
        .add = a->r->version >= PRODUCE_ADDS_PARTITIONS,
    };
    enum kafka_error e;

    if (b->attributes & BATCH_CONTROL) {
        error_set(err, IG_INVALID, "clients do not write control batches");
        return KAFKA_INVALID_RECORD;
    }
    if (!(b->attributes & BATCH_TRANSACTIONAL))
        return KAFKA_OK;
    if (b->producer_id < 0) {
        error_set(err, IG_INVALID, "a batch of a transaction without a producer");
        return KAFKA_INVALID_RECORD;
    }
    if (!w.transactional_id.p) {
        error_set(err, IG_INVALID, "a batch of a transaction in a request without a transactional id");
        return KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    }
    e = txns_may_write(a->r->b->txns, &w, &a->txn_end);
    if (e)
        error_set(err, IG_CONFLICT,
                  "producer %lld, epoch %d, has no transaction " STR_FMT " open that it could write to",
                  (long long)w.producer_id, w.epoch, STR_ARG(w.transactional_id));
    if (e == KAFKA_CONCURRENT_TRANSACTIONS || e == KAFKA_COORDINATOR_NOT_AVAILABLE)
        return KAFKA_NOT_ENOUGH_REPLICAS; /* what every producer takes as "again, later" */
    return e;
}

/* Appends what was checked. */
static enum kafka_error append(struct arrival *a, struct incoming *in, struct error *err)
{
    struct batch *b = &in->batch;
    int64_t duplicate_of = -1;
    enum kafka_error e = check_transaction(a, b, err);

    if (!e)
        e = check_sequence(a->p, b, &duplicate_of, err);
    if (e)
        return e;
    if (duplicate_of >= 0)
        b->base_offset = duplicate_of;
    else if (partition_append(a->p, b, in->bytes, err))
        return KAFKA_STORAGE_ERROR;
    a->end = b->base_offset + b->last_offset_delta + 1;
    return KAFKA_OK;
}

/* Names the records that are to blame, so that a client can send the others again. */
static void blame(struct request *r, const struct incoming *in, const char *why,
                  struct wire_produce_partition_result *result)
{
    RESPONSE_ITEMS(r, result->record_errors, produce_record_error, in->faults.records.n);
    for (size_t i = 0; i < in->faults.records.n; i++) {
        result->record_errors.p[i].batch_index = in->faults.records.p[i];
        result->record_errors.p[i].message = str_of(arena_strdup(&r->arena, why));
    }
}

/* Checks and appends what came for one partition. */
static enum kafka_error take(struct arrival *a, struct error *err)
{
    const int16_t acks = ((const struct wire_produce_request *)a->r->body)->acks;
    const struct wire_records *records = a->records;
    const struct partition *p = a->p;
    struct incoming in;
    enum kafka_error e;

    if (records->n <= 0) {
        error_set(err, IG_INVALID, "there are no records");
        return KAFKA_INVALID_RECORD;
    }
    if (acks == -1 && p->topic->min_insync > 1) {
        error_set(err, IG_INVALID, "the topic asks for %lld replicas, and there is one",
                  (long long)p->topic->min_insync);
        return KAFKA_NOT_ENOUGH_REPLICAS;
    }
    e = topic_take(p->topic, env_now_ms(a->r->b->env), (struct str){records->p, (size_t)records->n}, a->may_unpack, &in,
                   err);
    if (!e)
        e = append(a, &in, err);
    if (in.faults.fault)
        blame(a->r, &in, err->msg, a->result);
    if (!e) {
        a->result->base_offset = in.batch.base_offset;
        if (p->topic->append_time)
            a->result->log_append_time_ms = in.batch.max_timestamp_ms;
    }
    incoming_release(&in);
    return e;
}

static void finish(struct produce *pr)
{
    struct request *r = pr->r;

    if (--pr->waiting > 0)
        return;
    request_answer(r, pr->response);
}

static void durable(void *ctx, bool ok)
{
    struct produce_part *part = ctx;
    struct produce *pr = part->produce;

    if (!ok)
        fail(part->result, pr->r, KAFKA_STORAGE_ERROR, "the records could not be made durable");
    finish(pr);
}

static void produce_partition(struct produce *pr, struct str topic, const struct wire_produce_partition *in,
                              struct wire_produce_partition_result *result, bool wait)
{
    struct partition *p = topics_partition(pr->r->b->topics, topic, in->index);
    struct arrival arrival = {
        .r = pr->r, .p = p, .records = &in->records, .result = result, .may_unpack = &pr->may_unpack};
    struct produce_part *part;
    struct error err = {0};
    enum kafka_error e;

    result->index = in->index;
    if (!topic.p) {
        fail(result, pr->r, KAFKA_UNKNOWN_TOPIC_ID, "there is no topic of this id");
        return;
    }
    if (!request_may(pr->r, ACL_WRITE, ACL_TOPIC, topic)) {
        fail(result, pr->r, KAFKA_TOPIC_AUTHORIZATION_FAILED, "this topic may not be written");
        return;
    }
    if (!p) {
        fail(result, pr->r, KAFKA_UNKNOWN_TOPIC_OR_PARTITION, "there is no such topic or partition");
        return;
    }
    e = take(&arrival, &err);
    if (e) {
        fail(result, pr->r, e, err.msg);
        return;
    }
    result->log_start_offset = p->log->start;
    if (!wait)
        return;
    part = ARENA_NEW(&pr->r->arena, struct produce_part);
    *part = (struct produce_part){.wait = {.offset = arrival.end, .done = durable, .ctx = part},
                                  .txn_wait = {.offset = arrival.txn_end, .done = durable, .ctx = part},
                                  .produce = pr,
                                  .result = result};
    pr->waiting += 2;
    partition_wait(p, &part->wait);
    txns_wait(pr->r->b->txns, &part->txn_wait);
}

/* The name of the topic that is meant, since version 13 by its id; p NULL if there is none. */
static struct str name_of(const struct request *r, const struct wire_produce_topic *in)
{
    const struct topic *t = r->version >= 13 ? topics_find_id(r->b->topics, &in->topic_id) : NULL;

    if (r->version < 13)
        return in->name;
    return t ? str_of(t->name) : (struct str){NULL, 0};
}

static void refuse_all(struct produce *pr, const struct wire_produce_request *in, enum kafka_error e, const char *why)
{
    for (int32_t i = 0; i < in->topics.n; i++) {
        for (int32_t k = 0; k < in->topics.p[i].partitions.n; k++)
            fail(&pr->response->topics.p[i].partitions.p[k], pr->r, e, why);
    }
}

static bool has_failed(const struct produce *pr)
{
    for (int32_t i = 0; i < pr->response->topics.n; i++) {
        for (int32_t k = 0; k < pr->response->topics.p[i].partitions.n; k++) {
            if (pr->response->topics.p[i].partitions.p[k].error_code)
                return true;
        }
    }
    return false;
}

void api_produce(struct request *r)
{
    const struct wire_produce_request *in = r->body;
    struct produce *pr = ARENA_NEW(&r->arena, struct produce);
    const bool silent = in->acks == 0;

    *pr = (struct produce){.r = r,
                           .response = RESPONSE_NEW(r, produce_response),
                           .waiting = 1,
                           .may_unpack = BATCH_UNPACKED_MAX + r->frame_n * UNPACK_RATIO};
    RESPONSE_ITEMS(r, pr->response->topics, produce_topic_result, in->topics.n > 0 ? in->topics.n : 0);
    for (int32_t i = 0; i < in->topics.n; i++) {
        const struct wire_produce_topic *t = &in->topics.p[i];
        struct wire_produce_topic_result *result = &pr->response->topics.p[i];

        result->name = arena_str(&r->arena, t->name);
        result->topic_id = t->topic_id;
        RESPONSE_ITEMS(r, result->partitions, produce_partition_result, t->partitions.n > 0 ? t->partitions.n : 0);
        for (int32_t k = 0; k < t->partitions.n; k++)
            result->partitions.p[k].index = t->partitions.p[k].index;
    }
    if (in->transactional_id.p && !request_may(r, ACL_WRITE, ACL_TRANSACTIONAL_ID, in->transactional_id)) {
        refuse_all(pr, in, KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "this transactional id is somebody else's");
    } else if (in->acks < -1 || in->acks > 1) {
        refuse_all(pr, in, KAFKA_INVALID_REQUIRED_ACKS, "acks is -1, 0 or 1");
    } else {
        for (int32_t i = 0; i < in->topics.n; i++) {
            const struct str topic = name_of(r, &in->topics.p[i]);

            for (int32_t k = 0; k < in->topics.p[i].partitions.n; k++)
                produce_partition(pr, topic, &in->topics.p[i].partitions.p[k],
                                  &pr->response->topics.p[i].partitions.p[k], !silent);
        }
    }
    request_free_frame(r);
    if (silent && has_failed(pr))
        request_hang_up(r); /* the only way to say so, and what Kafka does */
    else if (silent)
        request_drop(r);
    else
        finish(pr);
}
