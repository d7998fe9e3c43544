/* Looking at transactions and producers from outside, and ending by hand what nobody else ends. */
#include "broker/txns.h"

#include <stdlib.h>

/* --- WriteTxnMarkers -------------------------------------------------------------------------------------------------
 */

struct marking {
    struct request *r;
    struct wire_txn_markers_response *response;
    size_t waiting;
};
struct marking_part {
    struct marking *all;
    struct partition_wait wait;
    int16_t *error_code;
};

static void marking_finish(struct marking *m)
{
    if (--m->waiting == 0)
        request_answer(m->r, m->response);
}

static void marked(void *ctx, bool ok)
{
    struct marking_part *part = ctx;

    if (!ok)
        *part->error_code = KAFKA_STORAGE_ERROR;
    marking_finish(part->all);
}

static enum kafka_error append_marker(struct partition *p, const struct wire_txn_marker *in, int64_t *end)
{
    const struct producer *s = producers_find(&p->log->producers, in->producer_id);
    struct error err;

    if (in->producer_id < 0 || in->producer_epoch < 0)
        return KAFKA_INVALID_REQUEST;
    if (s && in->producer_epoch < s->epoch)
        return KAFKA_INVALID_PRODUCER_EPOCH;
    if (s && in->coordinator_epoch < s->coordinator_epoch)
        return KAFKA_TRANSACTION_COORDINATOR_FENCED;
    if (txn_append_marker(p, in->producer_id, in->producer_epoch,
                          in->committed ? BATCH_MARKER_COMMIT : BATCH_MARKER_ABORT, in->coordinator_epoch, end, &err)) {
        log_warn(p->b->env, "broker", "write a marker: %s", err.msg);
        return KAFKA_STORAGE_ERROR;
    }
    return KAFKA_OK;
}

static void mark_partition(struct marking *all, const struct wire_txn_marker *in, struct str topic,
                           struct wire_add_partitions_partition_result *out)
{
    struct partition *p = topics_partition(all->r->b->topics, topic, out->partition);
    struct marking_part *part = ARENA_NEW(&all->r->arena, struct marking_part);
    int64_t end = 0;

    if (!request_may_cluster(all->r, ACL_CLUSTER_ACTION) && !request_may_cluster(all->r, ACL_ALTER))
        out->error_code = KAFKA_CLUSTER_AUTHORIZATION_FAILED;
    else
        out->error_code = (int16_t)(p ? append_marker(p, in, &end) : KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    if (out->error_code)
        return;
    *part = (struct marking_part){
        .all = all, .wait = {.offset = end, .done = marked, .ctx = part}, .error_code = &out->error_code};
    all->waiting++;
    partition_wait(p, &part->wait);
}

void api_write_txn_markers(struct request *r)
{
    const struct wire_txn_markers_request *in = r->body;
    struct marking *all = ARENA_NEW(&r->arena, struct marking);

    *all = (struct marking){r, RESPONSE_NEW(r, txn_markers_response), 1};
    RESPONSE_ITEMS(r, all->response->markers, txn_marker_result, in->markers.n > 0 ? in->markers.n : 0);
    for (int32_t i = 0; i < in->markers.n; i++) {
        const struct wire_txn_marker *m = &in->markers.p[i];
        struct wire_txn_marker_result *out = &all->response->markers.p[i];

        out->producer_id = m->producer_id;
        RESPONSE_ITEMS(r, out->topics, add_partitions_topic_result, m->topics.n > 0 ? m->topics.n : 0);
        for (int32_t k = 0; k < m->topics.n; k++) {
            const struct wire_int32s *partitions = &m->topics.p[k].partitions;

            out->topics.p[k].name = m->topics.p[k].name;
            RESPONSE_ITEMS(r, out->topics.p[k].partitions, add_partitions_partition_result,
                           partitions->n > 0 ? partitions->n : 0);
            for (int32_t j = 0; j < partitions->n; j++) {
                out->topics.p[k].partitions.p[j].partition = partitions->p[j];
                mark_partition(all, m, m->topics.p[k].name, &out->topics.p[k].partitions.p[j]);
            }
        }
    }
    marking_finish(all);
}

/* --- DescribeProducers -----------------------------------------------------------------------------------------------
 */

static void describe_partition(struct request *r, const struct partition *p,
                               struct wire_describe_producers_partition *out)
{
    const struct producers *all = &p->log->producers;

    RESPONSE_ITEMS(r, out->producers, describe_producer, all->n);
    out->producers.n = 0;
    for (size_t i = 0; i < all->cap; i++) {
        const struct producer *s = &all->slots[i];

        if (s->id == -1)
            continue;
        out->producers.p[out->producers.n++] = (struct wire_describe_producer){
            .producer_id = s->id,
            .producer_epoch = s->epoch,
            .last_sequence = s->n > 0 ? s->batches[s->n - 1].last : -1,
            .last_timestamp = s->seen_ms,
            .coordinator_epoch = s->coordinator_epoch,
            .txn_start_offset = s->txn_first,
        };
    }
}

void api_describe_producers(struct request *r)
{
    const struct wire_describe_producers_request *in = r->body;
    struct wire_describe_producers_response *response = RESPONSE_NEW(r, describe_producers_response);

    RESPONSE_ITEMS(r, response->topics, describe_producers_topic, in->topics.n > 0 ? in->topics.n : 0);
    for (int32_t i = 0; i < in->topics.n; i++) {
        const struct wire_txn_markers_topic *t = &in->topics.p[i];
        const bool allowed = request_may(r, ACL_READ, ACL_TOPIC, t->name);
        struct wire_describe_producers_topic *out = &response->topics.p[i];

        out->name = t->name;
        RESPONSE_ITEMS(r, out->partitions, describe_producers_partition, t->partitions.n > 0 ? t->partitions.n : 0);
        for (int32_t k = 0; k < t->partitions.n; k++) {
            const struct partition *p = topics_partition(r->b->topics, t->name, t->partitions.p[k]);

            out->partitions.p[k].partition = t->partitions.p[k];
            if (!allowed)
                out->partitions.p[k].error_code = KAFKA_TOPIC_AUTHORIZATION_FAILED;
            else if (!p)
                out->partitions.p[k].error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
            else
                describe_partition(r, p, &out->partitions.p[k]);
        }
    }
    request_answer(r, response);
}

/* --- DescribeTransactions --------------------------------------------------------------------------------------------
 */

static int by_topic(const void *a, const void *b)
{
    const struct txn_partition *x = a, *y = b;
    const int c = strcmp(x->topic, y->topic);

    return c ? c : (x->index > y->index) - (x->index < y->index);
}

static void describe_topics(struct request *r, const struct txn *t, struct wire_describe_txns_result *out)
{
    const size_t n = t->partitions.n;
    struct txn_partition *all = ARENA_ARRAY(&r->arena, struct txn_partition, n + 1);

    for (size_t i = 0; i < n; i++)
        all[i] = t->partitions.p[i];
    qsort(all, n, sizeof(*all), by_topic);
    RESPONSE_ITEMS(r, out->topics, describe_txns_topic, n);
    out->topics.n = 0;
    for (size_t i = 0; i < n;) {
        struct wire_describe_txns_topic *topic = &out->topics.p[out->topics.n++];
        size_t k = i;

        while (k < n && strcmp(all[k].topic, all[i].topic) == 0)
            k++;
        topic->topic = str_of(all[i].topic);
        topic->partitions.p = ARENA_ARRAY(&r->arena, int32_t, k - i);
        for (topic->partitions.n = 0; i < k; i++)
            topic->partitions.p[topic->partitions.n++] = all[i].index;
    }
}

static void describe_txn(struct request *r, struct str id, struct wire_describe_txns_result *out)
{
    const struct txn *t = txns_find(r->b->txns, id);

    out->transactional_id = id;
    out->state = STR("");
    if (!request_may(r, ACL_DESCRIBE, ACL_TRANSACTIONAL_ID, id)) {
        out->error_code = KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    } else if (id.n == 0) {
        out->error_code = KAFKA_INVALID_REQUEST;
    } else if (!t) {
        out->error_code = KAFKA_TRANSACTIONAL_ID_NOT_FOUND;
    } else {
        out->state = str_of(txn_state_name(t->m.state));
        out->timeout_ms = t->m.timeout_ms;
        out->start_time_ms = t->m.started_ms;
        out->producer_id = t->m.producer_id;
        out->producer_epoch = t->m.epoch;
        describe_topics(r, t, out);
    }
}

void api_describe_transactions(struct request *r)
{
    const struct wire_describe_txns_request *in = r->body;
    struct wire_describe_txns_response *response = RESPONSE_NEW(r, describe_txns_response);

    RESPONSE_ITEMS(r, response->transactions, describe_txns_result,
                   in->transactional_ids.n > 0 ? in->transactional_ids.n : 0);
    for (int32_t i = 0; i < in->transactional_ids.n; i++)
        describe_txn(r, in->transactional_ids.p[i], &response->transactions.p[i]);
    request_answer(r, response);
}

/* --- ListTransactions ------------------------------------------------------------------------------------------------
 */

static bool is_wanted(const struct request *r, const struct txn *t)
{
    const struct wire_list_txns_request *in = r->body;
    bool state = in->states.n <= 0, producer = in->producer_ids.n <= 0;

    for (int32_t i = 0; i < in->states.n; i++)
        state |= txn_state_of(in->states.p[i]) == t->m.state;
    for (int32_t i = 0; i < in->producer_ids.n; i++)
        producer |= in->producer_ids.p[i] == t->m.producer_id;
    if (in->duration_ms >= 0 && (t->m.started_ms < 0 || env_now_ms(r->b->env) - t->m.started_ms <= in->duration_ms))
        return false;
    return state && producer && request_may(r, ACL_DESCRIBE, ACL_TRANSACTIONAL_ID, str_of(t->id));
}

void api_list_transactions(struct request *r)
{
    const struct wire_list_txns_request *in = r->body;
    struct wire_list_txns_response *response = RESPONSE_NEW(r, list_txns_response);
    const struct txns *ts = r->b->txns;

    response->unknown_states.p = ARENA_ARRAY(&r->arena, struct str, (size_t)(in->states.n > 0 ? in->states.n : 0) + 1);
    response->unknown_states.n = 0;
    for (int32_t i = 0; i < in->states.n; i++) {
        if (txn_state_of(in->states.p[i]) == TXN_STATES)
            response->unknown_states.p[response->unknown_states.n++] = in->states.p[i];
    }
    RESPONSE_ITEMS(r, response->transactions, list_txns_result, ts->n);
    response->transactions.n = 0;
    for (size_t i = 0; i < TXN_BUCKETS; i++) {
        for (const struct txn *t = ts->buckets[i]; t; t = t->next) {
            if (is_wanted(r, t))
                response->transactions.p[response->transactions.n++] =
                    (struct wire_list_txns_result){str_of(t->id), t->m.producer_id, str_of(txn_state_name(t->m.state))};
        }
    }
    request_answer(r, response);
}
