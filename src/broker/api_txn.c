/* The APIs by which producers run their transactions. */
#include "broker/txns.h"

#include <stdlib.h>

/* Producers of old versions know one word for "somebody has your place", later ones another. */
static enum kafka_error for_version(enum kafka_error e, int16_t version, int16_t since)
{
    return e == KAFKA_PRODUCER_FENCED && version < since ? KAFKA_INVALID_PRODUCER_EPOCH : e;
}

/* --- InitProducerId --------------------------------------------------------------------------------------------------
 */

/* An answer that waits until what it says is durable. */
struct init {
    struct request *r;
    struct wire_init_producer_id_response *response;
    struct partition_wait wait;
};

static void init_durable(void *ctx, bool ok)
{
    struct init *i = ctx;

    if (!ok) {
        i->response->error_code = KAFKA_COORDINATOR_NOT_AVAILABLE;
        i->response->producer_id = i->response->producer_epoch = -1;
    }
    request_answer(i->r, i->response);
}

static enum kafka_error check_init(const struct request *r, const struct wire_init_producer_id_request *in)
{
    if (in->transactional_id.n == 0 || in->transactional_id.n > TXN_ID_MAX ||
        memchr(in->transactional_id.p, 0, in->transactional_id.n) || (in->producer_id < 0) != (in->producer_epoch < 0))
        return KAFKA_INVALID_REQUEST;
    if (!request_may(r, ACL_WRITE, ACL_TRANSACTIONAL_ID, in->transactional_id))
        return KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    if (in->transaction_timeout_ms <= 0 || in->transaction_timeout_ms > TXN_TIMEOUT_MAX_MS)
        return KAFKA_INVALID_TRANSACTION_TIMEOUT;
    return KAFKA_OK;
}

static enum kafka_error init_txn(struct txn *t, const struct wire_init_producer_id_request *in)
{
    const int64_t fresh_id = txns_producer_id(t->ts);
    struct txn_meta m = t->m;
    enum kafka_error e;
    bool fence;

    if (m.producer_id < 0)
        m.producer_id = fresh_id;
    e = txn_init(&m, in->producer_id, in->producer_epoch, in->transaction_timeout_ms, fresh_id, &fence);
    if (e && !fence)
        return e;
    if (!txn_write(t, &m))
        return KAFKA_COORDINATOR_NOT_AVAILABLE;
    if (fence)
        txn_complete(t); /* the producer asks again until that is done */
    return e;
}

static void init_transactional(struct request *r, struct init *i)
{
    const struct wire_init_producer_id_request *in = r->body;
    enum kafka_error e = check_init(r, in);
    struct txn *t = NULL;

    if (!e) {
        t = txns_make(r->b->txns, in->transactional_id);
        e = init_txn(t, in);
    }
    if (t && t->m.epoch < 0)
        txns_remove(t); /* it came to nothing */
    i->response->error_code = (int16_t)for_version(e, r->version, 4);
    if (e) {
        request_answer(r, i->response);
        return;
    }
    i->response->producer_id = t->m.producer_id;
    i->response->producer_epoch = t->m.epoch;
    i->wait.done = init_durable;
    i->wait.ctx = i;
    txn_wait(t, &i->wait);
}

void api_init_producer_id(struct request *r)
{
    const struct wire_init_producer_id_request *in = r->body;
    struct init *i = ARENA_NEW(&r->arena, struct init);

    *i = (struct init){.r = r, .response = RESPONSE_NEW(r, init_producer_id_response)};
    i->response->producer_epoch = -1;
    if (in->transactional_id.p) {
        init_transactional(r, i);
        return;
    }
    if (request_may_cluster(r, ACL_IDEMPOTENT_WRITE) || request_may_any(r, ACL_WRITE, ACL_TOPIC)) {
        i->response->producer_id = txns_producer_id(r->b->txns);
        i->response->producer_epoch = 0;
    } else {
        i->response->error_code = KAFKA_CLUSTER_AUTHORIZATION_FAILED;
    }
    request_answer(r, i->response);
}

/* --- AddPartitionsToTxn ----------------------------------------------------------------------------------------------
 */

struct add {
    struct request *r;
    struct wire_add_partitions_response *response;
    size_t waiting;
};
/* One transaction's part of the request. */
struct add_part {
    struct add *add;
    struct wire_add_partitions_topic_result *topics;
    int32_t n;
    struct partition_wait wait;
};

static void set_all(struct add_part *part, enum kafka_error e)
{
    for (int32_t i = 0; i < part->n; i++) {
        for (int32_t k = 0; k < part->topics[i].partitions.n; k++)
            part->topics[i].partitions.p[k].error_code = (int16_t)e;
    }
}

static void add_finish(struct add *a)
{
    if (--a->waiting == 0)
        request_answer(a->r, a->response);
}

static void added(void *ctx, bool ok)
{
    struct add_part *part = ctx;

    if (!ok)
        set_all(part, KAFKA_COORDINATOR_NOT_AVAILABLE);
    add_finish(part->add);
}

/* A partition that cannot be written to spoils it for all of them. */
static bool check_partitions(struct add_part *part)
{
    struct request *r = part->add->r;
    bool ok = true;

    for (int32_t i = 0; i < part->n; i++) {
        const struct str name = part->topics[i].name;
        const bool allowed = request_may(r, ACL_WRITE, ACL_TOPIC, name);

        for (int32_t k = 0; k < part->topics[i].partitions.n; k++) {
            struct wire_add_partitions_partition_result *p = &part->topics[i].partitions.p[k];

            p->error_code = KAFKA_OPERATION_NOT_ATTEMPTED;
            if (!allowed)
                p->error_code = KAFKA_TOPIC_AUTHORIZATION_FAILED;
            else if (!topics_partition(r->b->topics, name, p->partition))
                p->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
            ok &= p->error_code == KAFKA_OPERATION_NOT_ATTEMPTED;
        }
    }
    return ok;
}

/* Are they all in it? Changes nothing. */
static enum kafka_error verify(const struct txn *t, const struct wire_add_partitions_txn *in)
{
    if (t->m.state != TXN_ONGOING)
        return KAFKA_INVALID_TXN_STATE;
    for (int32_t i = 0; i < in->topics.n; i++) {
        for (int32_t k = 0; k < in->topics.p[i].partitions.n; k++) {
            if (!txn_has(t, in->topics.p[i].name, in->topics.p[i].partitions.p[k]))
                return KAFKA_INVALID_TXN_STATE;
        }
    }
    return KAFKA_OK;
}

static enum kafka_error add_to_txn(struct add_part *part, const struct wire_add_partitions_txn *in)
{
    struct request *r = part->add->r;
    struct txn *t = txns_find(r->b->txns, in->transactional_id);
    enum kafka_error e;

    if (!t)
        return KAFKA_INVALID_PRODUCER_ID_MAPPING;
    e = txn_check(&t->m, in->producer_id, in->producer_epoch);
    if (e || in->verify_only)
        return e ? e : verify(t, in);
    e = txn_next(t->m.state, TXN_ADD).error;
    if (!e)
        e = txn_add_partitions(t, in->topics.p, in->topics.n);
    if (e)
        return e;
    part->add->waiting++;
    part->wait.done = added;
    part->wait.ctx = part;
    set_all(part, KAFKA_OK);
    txn_wait(t, &part->wait);
    return KAFKA_OK;
}

static void make_results(struct request *r, const struct wire_add_partitions_txn *in, struct add_part *part)
{
    part->n = in->topics.n > 0 ? in->topics.n : 0;
    part->topics = request_new(r, &wire_type_add_partitions_topic_result, (size_t)part->n);
    for (int32_t i = 0; i < part->n; i++) {
        const struct wire_int32s *from = &in->topics.p[i].partitions;

        part->topics[i].name = in->topics.p[i].name;
        RESPONSE_ITEMS(r, part->topics[i].partitions, add_partitions_partition_result, from->n > 0 ? from->n : 0);
        for (int32_t k = 0; k < from->n; k++)
            part->topics[i].partitions.p[k].partition = from->p[k];
    }
}

static struct add_part *add_txn(struct add *a, const struct wire_add_partitions_txn *in)
{
    struct add_part *part = ARENA_NEW(&a->r->arena, struct add_part);
    enum kafka_error e = KAFKA_OK;

    *part = (struct add_part){.add = a};
    make_results(a->r, in, part);
    if (in->transactional_id.n == 0)
        e = KAFKA_INVALID_REQUEST;
    else if (!request_may(a->r, ACL_WRITE, ACL_TRANSACTIONAL_ID, in->transactional_id))
        e = KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    else if (!check_partitions(part))
        return part;
    else
        e = add_to_txn(part, in);
    if (e)
        set_all(part, for_version(e, a->r->version, 2));
    else if (in->verify_only)
        set_all(part, KAFKA_OK);
    return part;
}

void api_add_partitions_to_txn(struct request *r)
{
    const struct wire_add_partitions_request *in = r->body;
    struct add *a = ARENA_NEW(&r->arena, struct add);

    *a = (struct add){r, RESPONSE_NEW(r, add_partitions_response), 1};
    if (r->version < 4) {
        struct wire_add_partitions_txn *one = RESPONSE_NEW(r, add_partitions_txn);
        const struct add_part *part;

        one->transactional_id = in->transactional_id;
        one->producer_id = in->producer_id;
        one->producer_epoch = in->producer_epoch;
        one->topics.p = in->topics.p;
        one->topics.n = in->topics.n;
        part = add_txn(a, one);
        a->response->topics.p = part->topics;
        a->response->topics.n = part->n;
    } else if (!request_may_cluster(r, ACL_CLUSTER_ACTION)) {
        a->response->error_code = KAFKA_CLUSTER_AUTHORIZATION_FAILED;
    } else {
        RESPONSE_ITEMS(r, a->response->transactions, add_partitions_txn_result,
                       in->transactions.n > 0 ? in->transactions.n : 0);
        for (int32_t i = 0; i < in->transactions.n; i++) {
            const struct add_part *part = add_txn(a, &in->transactions.p[i]);

            a->response->transactions.p[i].transactional_id = in->transactions.p[i].transactional_id;
            a->response->transactions.p[i].topics.p = part->topics;
            a->response->transactions.p[i].topics.n = part->n;
        }
    }
    add_finish(a);
}

/* --- AddOffsetsToTxn -------------------------------------------------------------------------------------------------
 */

struct add_offsets {
    struct request *r;
    struct wire_add_offsets_response *response;
    struct partition_wait wait;
};

static void offsets_added(void *ctx, bool ok)
{
    struct add_offsets *a = ctx;

    if (!ok)
        a->response->error_code = KAFKA_COORDINATOR_NOT_AVAILABLE;
    request_answer(a->r, a->response);
}

static enum kafka_error add_offsets(struct request *r, struct txn **out)
{
    const struct wire_add_offsets_request *in = r->body;
    struct txn *t = txns_find(r->b->txns, in->transactional_id);
    enum kafka_error e;

    if (in->transactional_id.n == 0)
        return KAFKA_INVALID_REQUEST;
    if (in->group_id.n == 0)
        return KAFKA_INVALID_GROUP_ID;
    if (!request_may(r, ACL_WRITE, ACL_TRANSACTIONAL_ID, in->transactional_id))
        return KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    if (!request_may(r, ACL_READ, ACL_GROUP, in->group_id))
        return KAFKA_GROUP_AUTHORIZATION_FAILED;
    if (!t)
        return KAFKA_INVALID_PRODUCER_ID_MAPPING;
    e = txn_check(&t->m, in->producer_id, in->producer_epoch);
    if (!e)
        e = txn_next(t->m.state, TXN_ADD).error;
    *out = t;
    return e ? e : txn_add_group(t, in->group_id);
}

void api_add_offsets_to_txn(struct request *r)
{
    struct add_offsets *a = ARENA_NEW(&r->arena, struct add_offsets);
    struct txn *t = NULL;
    enum kafka_error e;

    *a = (struct add_offsets){.r = r, .response = RESPONSE_NEW(r, add_offsets_response)};
    e = add_offsets(r, &t);
    a->response->error_code = (int16_t)for_version(e, r->version, 2);
    if (e) {
        request_answer(r, a->response);
        return;
    }
    a->wait.done = offsets_added;
    a->wait.ctx = a;
    txn_wait(t, &a->wait);
}

/* --- EndTxn ----------------------------------------------------------------------------------------------------------
 */

struct end {
    struct txn_waiter waiter; /* first */
    struct request *r;
    struct txn *t;
    struct wire_end_txn_response *response;
};

static void ended(struct txn_waiter *w, bool decided)
{
    struct end *e = (struct end *)w;

    if (!decided) {
        e->response->error_code = KAFKA_COORDINATOR_NOT_AVAILABLE;
        request_answer(e->r, e->response);
        return;
    }
    e->response->producer_id = e->t->m.next_producer_id >= 0 ? e->t->m.next_producer_id : e->t->m.producer_id;
    e->response->producer_epoch = e->t->m.next_producer_id >= 0 ? 0 : e->t->m.epoch;
    request_answer(e->r, e->response);
}

/* True if the answer comes with the end of the transaction. */
static bool end_txn(struct end *end, enum kafka_error *error)
{
    const struct wire_end_txn_request *in = end->r->body;
    struct txn *t = txns_find(end->r->b->txns, in->transactional_id);
    struct txn_meta m;

    *error = KAFKA_OK;
    if (in->transactional_id.n == 0)
        *error = KAFKA_INVALID_REQUEST;
    else if (!request_may(end->r, ACL_WRITE, ACL_TRANSACTIONAL_ID, in->transactional_id))
        *error = KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    else if (!t)
        *error = KAFKA_INVALID_PRODUCER_ID_MAPPING;
    if (*error)
        return false;
    end->t = t;
    m = t->m;
    switch (txn_end(&m, in->producer_id, in->producer_epoch, in->committed, end->r->version >= 5,
                    txns_producer_id(t->ts), error)) {
    case TXN_END_REFUSED:
        return false;
    case TXN_END_ALREADY:
        ended(&end->waiter, true);
        return true;
    case TXN_END_BEGUN:
        break;
    }
    if (!txn_write(t, &m)) {
        *error = KAFKA_COORDINATOR_NOT_AVAILABLE;
        return false;
    }
    end->waiter.done = ended;
    txn_wait_end(t, &end->waiter);
    txn_complete(t);
    return true;
}

void api_end_txn(struct request *r)
{
    struct end *end = ARENA_NEW(&r->arena, struct end);
    enum kafka_error e;

    *end = (struct end){.r = r, .response = RESPONSE_NEW(r, end_txn_response)};
    if (end_txn(end, &e))
        return;
    end->response->error_code = (int16_t)for_version(e, r->version, 2);
    request_answer(r, end->response);
}
