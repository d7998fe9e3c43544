#include "broker/txns.h"

#include "broker/groups.h"

#include <stdio.h>
#include <stdlib.h>

#define TXNS_SEGMENT_BYTES ((int64_t)64 << 20)
#define LOOK_EVERY_MS 500

static struct txn **bucket(struct txns *ts, struct str id)
{
    return &ts->buckets[hash_fnv1a(id.p, id.n) % TXN_BUCKETS];
}

struct txn *txns_find(struct txns *ts, struct str id)
{
    struct txn *t = *bucket(ts, id);

    while (t && !str_is(id, t->id))
        t = t->next;
    return t;
}

struct txn *txns_make(struct txns *ts, struct str id)
{
    struct txn **at = bucket(ts, id), *t = txns_find(ts, id);

    if (t)
        return t;
    t = check_calloc(1, sizeof(*t));
    t->ts = ts;
    t->id = check_calloc(1, id.n + 1);
    memcpy(t->id, id.p, id.n);
    t->m = (struct txn_meta){.producer_id = -1,
                             .prev_producer_id = -1,
                             .next_producer_id = -1,
                             .epoch = -1,
                             .last_epoch = -1,
                             .state = TXN_EMPTY,
                             .started_ms = -1};
    t->next = *at;
    *at = t;
    ts->n++;
    return t;
}

struct txn *txns_find_producer(struct txns *ts, int64_t producer_id)
{
    for (size_t i = 0; i < TXN_BUCKETS; i++) {
        for (struct txn *t = ts->buckets[i]; t; t = t->next) {
            if (t->m.producer_id == producer_id)
                return t;
        }
    }
    return NULL;
}

/* --- what belongs to one: many partitions, few groups ---------------------------------------------------------------
 */

static uint32_t *index_slot(const struct txn *t, struct str topic, int32_t partition)
{
    size_t i = (size_t)(hash_fnv1a(topic.p, topic.n) + (uint64_t)(uint32_t)partition * UINT64_C(0x9e3779b97f4a7c15));

    for (i &= t->index_cap - 1; t->index[i] != 0; i = (i + 1) & (t->index_cap - 1)) {
        const struct txn_partition *p = &t->partitions.p[t->index[i] - 1];

        if (p->index == partition && str_is(topic, p->topic))
            break;
    }
    return &t->index[i];
}

static void make_index(struct txn *t, size_t cap)
{
    free(t->index);
    t->index = check_calloc(cap, sizeof(*t->index));
    t->index_cap = cap;
    for (size_t i = 0; i < t->partitions.n; i++)
        *index_slot(t, str_of(t->partitions.p[i].topic), t->partitions.p[i].index) = (uint32_t)i + 1;
}

bool txn_has(const struct txn *t, struct str topic, int32_t index)
{
    return t->index_cap > 0 && *index_slot(t, topic, index) != 0;
}

void txn_push_partition(struct txn *t, struct str topic, int32_t index)
{
    struct txn_partition p;

    if (txn_has(t, topic, index))
        return;
    if ((t->partitions.n + 1) * 4 > t->index_cap * 3)
        make_index(t, t->index_cap ? t->index_cap * 2 : 8);
    p.topic = check_calloc(1, topic.n + 1);
    memcpy(p.topic, topic.p, topic.n);
    p.index = index;
    vec_push(&t->partitions, p);
    *index_slot(t, topic, index) = (uint32_t)t->partitions.n;
}

void txn_forget_parts(struct txn *t, size_t partitions, size_t groups)
{
    const bool fewer = t->partitions.n > partitions;

    while (t->partitions.n > partitions)
        free(t->partitions.p[--t->partitions.n].topic);
    if (fewer && partitions > 0)
        make_index(t, t->index_cap);
    if (fewer && partitions == 0) {
        free(t->index);
        t->index = NULL;
        t->index_cap = 0;
    }
    while (t->groups.n > groups)
        free(t->groups.p[--t->groups.n]);
}

void txns_remove(struct txn *t)
{
    struct txn **at = bucket(t->ts, str_of(t->id));

    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    t->ts->n--;
    txn_forget_parts(t, 0, 0);
    vec_free(&t->partitions);
    vec_free(&t->groups);
    free(t->id);
    free(t);
}

int64_t txns_producer_id(struct txns *ts)
{
    uint64_t id;

    /* Drawn, not counted: nothing has to be durable for two producers to be told apart. */
    env_random(ts->b->env, &id, sizeof(id));
    return (int64_t)(id >> 2);
}

bool txn_has_group(const struct txn *t, struct str group)
{
    for (size_t i = 0; i < t->groups.n; i++) {
        if (str_is(group, t->groups.p[i]))
            return true;
    }
    return false;
}

enum ig_code txns_open(struct broker *b, struct txns **out, struct error *err)
{
    static const struct wire_uuid id = {{0}};
    struct txns *ts = check_calloc(1, sizeof(*ts));
    char path[4096];
    enum ig_code rc;

    ts->b = b;
    snprintf(path, sizeof(path), "%s/txns", b->dir);
    rc = partition_open(b, NULL, &id, 1, path, TXNS_SEGMENT_BYTES, &ts->log, err);
    if (!rc)
        rc = txns_load(ts, err);
    if (!rc && ts->log->log->failed)
        rc = error_set(err, IG_CORRUPT, "the transactions: %.900s", ts->log->log->why);
    if (rc)
        txns_close(ts);
    else
        *out = ts;
    return rc;
}

void txns_close(struct txns *ts)
{
    if (!ts)
        return;
    txns_free_completions(ts);
    for (size_t i = 0; i < TXN_BUCKETS; i++) {
        while (ts->buckets[i])
            txns_remove(ts->buckets[i]);
    }
    if (ts->log)
        partition_close(ts->log, false);
    free(ts);
}

/* Too long open: it is aborted, and its producer fenced. */
static void time_out(struct txn *t, int64_t now_ms)
{
    struct txn_meta m = t->m;

    if (t->m.state != TXN_ONGOING || now_ms - t->m.started_ms < t->m.timeout_ms)
        return;
    log_info(t->ts->b->env, "broker", "transaction %s has been open for more than %d ms: aborting it", t->id,
             t->m.timeout_ms);
    txn_fence(&m, -1);
    if (txn_write(t, &m))
        txn_complete(t);
}

static void look_at(struct txn *t, int64_t now_ms)
{
    time_out(t, now_ms);
    if ((t->m.state == TXN_PREPARE_COMMIT || t->m.state == TXN_PREPARE_ABORT) && !t->completing &&
        env_monotonic_ms(t->ts->b->env) >= t->retry_ms)
        txn_complete(t);
    if (now_ms - t->m.updated_ms > TXN_EXPIRY_MS && !txn_next(t->m.state, TXN_EXPIRE).error && txns_expire(t))
        txns_remove(t);
}

void txns_tick(struct txns *ts)
{
    const int64_t monotonic_ms = env_monotonic_ms(ts->b->env);
    const int64_t now_ms = env_now_ms(ts->b->env);

    if (ts->swept && monotonic_ms - ts->last_look_ms < LOOK_EVERY_MS)
        return;
    ts->last_look_ms = monotonic_ms;
    if (!ts->swept)
        txns_sweep(ts);
    ts->swept = true;
    for (size_t i = 0; i < TXN_BUCKETS; i++) {
        struct txn *next;

        for (struct txn *t = ts->buckets[i]; t; t = next) {
            next = t->next;
            look_at(t, now_ms);
        }
    }
    txns_compact(ts);
}

enum kafka_error txns_may_write(struct txns *ts, const struct txn_write *w, int64_t *log_end)
{
    struct txn *t = txns_find(ts, w->transactional_id);
    enum kafka_error e;

    *log_end = 0;
    if (!txns_are_written(ts))
        return KAFKA_COORDINATOR_NOT_AVAILABLE;
    if (!t)
        return KAFKA_INVALID_PRODUCER_ID_MAPPING;
    e = txn_check(&t->m, w->producer_id, w->epoch);
    if (e)
        return e == KAFKA_PRODUCER_FENCED ? KAFKA_INVALID_PRODUCER_EPOCH : e;
    if (w->add) {
        const enum kafka_error wrong = txn_next(t->m.state, TXN_ADD).error;

        e = wrong ? wrong : txn_add_partition(t, w->topic, w->partition);
        *log_end = t->log_end;
        return e;
    }
    return t->m.state == TXN_ONGOING && txn_has(t, w->topic, w->partition) ? KAFKA_OK : KAFKA_INVALID_TXN_STATE;
}

void txns_wait(struct txns *ts, struct partition_wait *w)
{
    partition_wait(ts->log, w);
}
