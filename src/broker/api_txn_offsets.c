/* TxnOffsetCommit: a consumer's position as a part of a producer's transaction. */
#include "broker/consumer_group.h"
#include "broker/txns.h"

#define METADATA_MAX 4096

struct txn_commit {
    struct request *r;
    struct wire_txn_offset_response *response;
    struct committed *items;
    size_t n;
    bool failed;
    size_t waiting;
    struct partition_wait offsets, txn;
};

/* Who says that it is a member must be one, of the current generation. */
static enum kafka_error check_member(struct group *g, const struct wire_txn_offset_request *in)
{
    const bool claims = in->generation_id >= 0 || in->member_id.n > 0 || in->group_instance_id.p;
    const struct member *m;

    if (in->group_id.n == 0)
        return KAFKA_INVALID_GROUP_ID;
    if (!claims)
        return KAFKA_OK;
    if (!g)
        return KAFKA_ILLEGAL_GENERATION;
    if (g->consumers) {
        const struct consumer *c = consumers_find(g->consumers, in->member_id);

        return !c ? KAFKA_UNKNOWN_MEMBER_ID : in->generation_id == c->epoch ? KAFKA_OK : KAFKA_STALE_MEMBER_EPOCH;
    }
    m = group_member(g, in->member_id);
    if (!m)
        return KAFKA_UNKNOWN_MEMBER_ID;
    if (in->group_instance_id.p && (!m->instance_id || !str_is(in->group_instance_id, m->instance_id)))
        return KAFKA_FENCED_INSTANCE_ID;
    return in->generation_id == g->generation ? KAFKA_OK : KAFKA_ILLEGAL_GENERATION;
}

static enum kafka_error check_txn(struct request *r, struct txn **out)
{
    const struct wire_txn_offset_request *in = r->body;
    struct txn *t = txns_find(r->b->txns, in->transactional_id);
    enum kafka_error e;

    if (!request_may(r, ACL_WRITE, ACL_TRANSACTIONAL_ID, in->transactional_id))
        return KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    if (!request_may(r, ACL_READ, ACL_GROUP, in->group_id))
        return KAFKA_GROUP_AUTHORIZATION_FAILED;
    e = check_member(group_find(r->b->groups, in->group_id), in);
    if (e)
        return e;
    if (!t)
        return KAFKA_INVALID_PRODUCER_ID_MAPPING;
    *out = t;
    e = txn_check(&t->m, in->producer_id, in->producer_epoch);
    if (e)
        return e == KAFKA_PRODUCER_FENCED ? KAFKA_INVALID_PRODUCER_EPOCH : e;
    if (r->version >= 5) {
        e = txn_next(t->m.state, TXN_ADD).error;
        return e ? e : txn_add_group(t, in->group_id);
    }
    return t->m.state == TXN_ONGOING && txn_has_group(t, in->group_id) ? KAFKA_OK : KAFKA_INVALID_TXN_STATE;
}

static void commit_partition(struct txn_commit *c, struct str topic, const struct wire_txn_offset_partition *in,
                             enum kafka_error e, struct wire_add_partitions_partition_result *out)
{
    out->partition = in->partition;
    if (!e && !request_may(c->r, ACL_READ, ACL_TOPIC, topic))
        e = KAFKA_TOPIC_AUTHORIZATION_FAILED;
    if (!e && !topics_partition(c->r->b->topics, topic, in->partition))
        e = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    if (!e && in->metadata.n > METADATA_MAX)
        e = KAFKA_OFFSET_METADATA_TOO_LARGE;
    if (!e && in->offset < 0)
        e = KAFKA_OFFSET_OUT_OF_RANGE;
    out->error_code = (int16_t)e;
    if (e)
        return;
    c->items[c->n++] = (struct committed){
        .topic = topic,
        .partition = in->partition,
        .leader_epoch = in->leader_epoch,
        .offset = in->offset,
        .time_ms = env_now_ms(c->r->b->env),
        .metadata = in->metadata,
    };
}

static void set_errors(struct txn_commit *c, enum kafka_error e)
{
    for (int32_t i = 0; i < c->response->topics.n; i++) {
        for (int32_t k = 0; k < c->response->topics.p[i].partitions.n; k++) {
            if (!c->response->topics.p[i].partitions.p[k].error_code)
                c->response->topics.p[i].partitions.p[k].error_code = (int16_t)e;
        }
    }
}

static void finish(void *ctx, bool ok)
{
    struct txn_commit *c = ctx;

    c->failed |= !ok;
    if (--c->waiting > 0)
        return;
    if (c->failed)
        set_errors(c, KAFKA_COORDINATOR_NOT_AVAILABLE);
    request_answer(c->r, c->response);
}

static void make_durable(struct txn_commit *c, struct txn *t)
{
    const struct wire_txn_offset_request *in = c->r->body;
    struct groups *gs = c->r->b->groups;

    c->waiting = 1;
    if (c->n > 0) {
        c->offsets = (struct partition_wait){.done = finish, .ctx = c};
        c->txn = c->offsets;
        if (group_commit_in_txn(gs, in->group_id, in->producer_id, c->items, c->n, &c->offsets.offset)) {
            c->waiting = 3;
            partition_wait(gs->log, &c->offsets);
            txn_wait(t, &c->txn);
        } else {
            c->failed = true;
        }
    }
    finish(c, true);
}

void api_txn_offset_commit(struct request *r)
{
    const struct wire_txn_offset_request *in = r->body;
    struct txn_commit *c = ARENA_NEW(&r->arena, struct txn_commit);
    struct txn *t = NULL;
    const enum kafka_error e = check_txn(r, &t);
    size_t n = 0;

    for (int32_t i = 0; i < in->topics.n; i++)
        n += (size_t)(in->topics.p[i].partitions.n > 0 ? in->topics.p[i].partitions.n : 0);
    *c = (struct txn_commit){.r = r,
                             .response = RESPONSE_NEW(r, txn_offset_response),
                             .items = ARENA_ARRAY(&r->arena, struct committed, n + 1)};
    RESPONSE_ITEMS(r, c->response->topics, add_partitions_topic_result, in->topics.n > 0 ? in->topics.n : 0);
    for (int32_t i = 0; i < in->topics.n; i++) {
        const struct wire_txn_offset_topic *topic = &in->topics.p[i];
        struct wire_add_partitions_topic_result *out = &c->response->topics.p[i];

        out->name = topic->name;
        RESPONSE_ITEMS(r, out->partitions, add_partitions_partition_result,
                       topic->partitions.n > 0 ? topic->partitions.n : 0);
        for (int32_t k = 0; k < topic->partitions.n; k++)
            commit_partition(c, topic->name, &topic->partitions.p[k], e, &out->partitions.p[k]);
    }
    make_durable(c, t);
}
