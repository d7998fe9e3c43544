/*
 * Consuming: in batches, offsets committed by hand.
 *
 * A rebalance happens inside log_consume, between two records of librdkafka's queue. Records in front of it belong to
 * the old assignment; librdkafka 2.0 hands them out together with those of the new one. They are told apart by where
 * they are: librdkafka fills our array as it goes, so the callback sees how many were there before it. Those are
 * dropped: who has the partition now gets them again from the committed offset.
 */
#include "log/client.h"

#include <limits.h>
#include <stdlib.h>

#define AHEAD_KB "32768" /* what librdkafka fetches ahead, and the same in bytes */
#define AHEAD_BYTES (INT64_C(32768) << 10)
#define PATIENCE_MS 50 /* with a queue that stays empty */
#define SILENCE_MS 200 /* between looks for the reason */

struct position {
    rd_kafka_topic_t *topic; /* of the last record; NULL before the first one */
    char *name;
    int32_t partition;
    int64_t offset; /* of the next record; RD_KAFKA_OFFSET_* before the first one */
    bool at_end;
};

struct log_consumer {
    struct log_handle h; /* first: the opaque pointer */
    struct log_client *client;
    rd_kafka_queue_t *queue;
    bool in_group, prompt;
    log_rebalance_fn *rebalanced;
    void *ctx;
    VEC(struct position) assigned;
    bool rewinding; /* until the group has assigned anew, records are dropped */
    bool paused;
    bool to_assign; /* by hand: librdkafka 2.0 aborts if partitions are assigned while they start, so once for all */
    struct error pending;  /* met behind the records of a batch: for the next call */
    struct batch *filling; /* by librdkafka, now */
    int64_t woken_ms;      /* monotonic, the last wake_fetcher() */
    size_t next_woken;
    bool was_full, drained; /* the queue */
    struct batch *spare;
};

/* What a log_batch borrows. */
struct batch {
    struct log_consumer *consumer;
    rd_kafka_message_t **messages;
    struct log_record *records;
    size_t max;     /* of both */
    size_t n;       /* messages */
    size_t n_stale; /* of them, those in front of a rebalance */
    VEC(struct log_header) headers;
    VEC(struct log_position) ends;
};

/* --- assignment ---------------------------------------------------------------------------------------------- */

static void forget_assigned(struct log_consumer *k)
{
    for (size_t i = 0; i < k->assigned.n; i++)
        free(k->assigned.p[i].name);
    k->assigned.n = 0;
}

static void remember_assigned(struct log_consumer *k, const rd_kafka_topic_partition_list_t *list)
{
    forget_assigned(k);
    for (int i = 0; i < list->cnt; i++) {
        const struct position p = {.name = check_strdup(list->elems[i].topic),
                                   .partition = list->elems[i].partition,
                                   .offset = list->elems[i].offset};

        vec_push(&k->assigned, p);
    }
}

static void tell(struct log_consumer *k, bool assigned, const rd_kafka_topic_partition_list_t *list)
{
    VEC(struct log_position) positions = {0};

    if (!k->rebalanced)
        return;
    for (int i = 0; i < list->cnt; i++) {
        const struct log_position p = {list->elems[i].topic, list->elems[i].partition, -1};

        vec_push(&positions, p);
    }
    k->rebalanced(k->ctx, assigned, positions.p, positions.n);
    vec_free(&positions);
}

static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t e, rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct log_consumer *k = opaque;
    struct batch *b = k->filling;

    while (b && b->n_stale < b->max && b->messages[b->n_stale])
        b->n_stale++;
    if (e == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        k->rewinding = false;
        remember_assigned(k, list);
        rd_kafka_assign(rk, list);
        if (k->paused)
            rd_kafka_pause_partitions(rk, list);
        tell(k, true, list);
    } else {
        tell(k, false, list);
        forget_assigned(k);
        rd_kafka_assign(rk, NULL);
    }
}

/* The assigned partitions as librdkafka's list, each from where we are. */
static rd_kafka_topic_partition_list_t *assigned_list(const struct log_consumer *k)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)k->assigned.n);

    for (size_t i = 0; i < k->assigned.n; i++) {
        const struct position *p = &k->assigned.p[i];

        rd_kafka_topic_partition_list_add(list, p->name, p->partition)->offset = p->offset;
    }
    return list;
}

static enum ig_code assign_by_hand(struct log_consumer *k, struct error *err)
{
    rd_kafka_topic_partition_list_t *list = assigned_list(k);
    const rd_kafka_resp_err_t e = rd_kafka_assign(k->h.rk, list);

    if (!e && k->paused)
        rd_kafka_pause_partitions(k->h.rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    return e ? log_fail(err, e, "assign partitions") : IG_OK;
}

/* By joining the group anew, since librdkafka 2.0 neither seeks nor assigns partitions that are just starting. */
enum ig_code log_consumer_rewind(struct log_consumer *k, struct error *err)
{
    rd_kafka_topic_partition_list_t *topics = NULL;
    rd_kafka_resp_err_t e;

    if (!k->in_group)
        return error_set(err, IG_INVALID, "a consumer without a group has no committed offsets to go back to");
    if (k->rewinding)
        return IG_OK;
    e = rd_kafka_subscription(k->h.rk, &topics);
    if (!e) {
        e = rd_kafka_subscribe(k->h.rk, topics);
        rd_kafka_topic_partition_list_destroy(topics);
    }
    if (e)
        return log_fail(err, e, "read again from the committed offsets");
    k->rewinding = true;
    return IG_OK;
}

enum ig_code log_consumer_pause(struct log_consumer *k, bool paused, struct error *err)
{
    rd_kafka_topic_partition_list_t *list;
    rd_kafka_resp_err_t e;

    if (k->paused == paused)
        return IG_OK;
    k->paused = paused;
    list = assigned_list(k);
    e = paused ? rd_kafka_pause_partitions(k->h.rk, list) : rd_kafka_resume_partitions(k->h.rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    return e ? log_fail(err, e, paused ? "pause" : "resume") : IG_OK;
}

/* --- making and freeing -------------------------------------------------------------------------------------- */

enum ig_code log_consumer_new(struct log_client *c, const char *group, struct log_consumer **out, struct error *err)
{
    const struct log_consumer_options o = {.group = group};

    return log_consumer_open(c, &o, out, err);
}

enum ig_code log_consumer_open(struct log_client *c, const struct log_consumer_options *o, struct log_consumer **out,
                               struct error *err)
{
    const struct log_setting settings[] = {
        {"group.id", o->group ? o->group : "ingot-reader"}, /* librdkafka wants one even to assign by hand */
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
        {"auto.offset.reset", o->from_end ? "latest" : "earliest"},
        {"enable.partition.eof", "true"},
        {"isolation.level", o->uncommitted ? "read_uncommitted" : "read_committed"},
        {"session.timeout.ms", "10000"},
        {"heartbeat.interval.ms", "1000"},
        {"max.poll.interval.ms", "600000"},
        /* What is fetched ahead is bounded by bytes, in one queue; see wake_fetcher(). */
        {"queued.min.messages", "1000000"},
        {"queued.max.messages.kbytes", AHEAD_KB},
        {"fetch.error.backoff.ms", "5"},
        {"fetch.wait.max.ms", "100"},
        {"fetch.max.bytes", "33554432"},
        {"receive.message.max.bytes", "100000000"},
    };
    struct log_consumer *k = check_calloc(1, sizeof(*k));
    rd_kafka_conf_t *conf;
    enum ig_code rc;

    *out = NULL;
    k->client = c;
    k->in_group = o->group != NULL;
    k->prompt = o->prompt;
    rc = log_conf_new(c, settings, IG_COUNT(settings), &conf, err);
    if (rc == IG_OK) {
        if (o->group)
            rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
        rc = log_handle_new(&k->h, c->env, RD_KAFKA_CONSUMER, conf, err);
    }
    if (rc != IG_OK) {
        free(k);
        return rc;
    }
    rd_kafka_poll_set_consumer(k->h.rk);
    k->queue = rd_kafka_queue_get_consumer(k->h.rk);
    *out = k;
    return IG_OK;
}

static void batch_free(struct batch *b)
{
    if (!b)
        return;
    free(b->messages);
    free(b->records);
    vec_free(&b->headers);
    vec_free(&b->ends);
    free(b);
}

void log_consumer_free(struct log_consumer *k)
{
    if (!k)
        return;
    rd_kafka_queue_destroy(k->queue);
    rd_kafka_consumer_close(k->h.rk);
    log_handle_free(&k->h);
    batch_free(k->spare);
    forget_assigned(k);
    vec_free(&k->assigned);
    free(k);
}

void log_consumer_on_rebalance(struct log_consumer *k, log_rebalance_fn *fn, void *ctx)
{
    k->rebalanced = fn;
    k->ctx = ctx;
}

enum ig_code log_consumer_subscribe(struct log_consumer *k, const char *const *topics, size_t n, struct error *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)n);
    rd_kafka_resp_err_t e;

    for (size_t i = 0; i < n; i++)
        rd_kafka_topic_partition_list_add(list, topics[i], RD_KAFKA_PARTITION_UA);
    e = rd_kafka_subscribe(k->h.rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    return e ? log_fail(err, e, "subscribe") : IG_OK;
}

enum ig_code log_consumer_assign(struct log_consumer *k, const char *topic, int32_t partition, int64_t offset,
                                 struct error *err)
{
    const struct position p = {.name = check_strdup(topic), .partition = partition, .offset = offset};

    (void)err;
    vec_push(&k->assigned, p);
    k->to_assign = true;
    return IG_OK;
}

/* --- consuming ----------------------------------------------------------------------------------------------- */

static struct position *position_of(struct log_consumer *k, rd_kafka_topic_t *topic, int32_t partition)
{
    for (size_t i = 0; i < k->assigned.n; i++) {
        struct position *p = &k->assigned.p[i];

        if (p->partition != partition)
            continue;
        if (!p->topic && strcmp(p->name, rd_kafka_topic_name(topic)) == 0)
            p->topic = topic;
        if (p->topic == topic)
            return p;
    }
    return NULL;
}

static void advance(struct log_consumer *k, const rd_kafka_message_t *m, int64_t next)
{
    struct position *p = m->rkt ? position_of(k, m->rkt, m->partition) : NULL;

    if (!p)
        return;
    p->offset = next;
    p->at_end = m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
}

/* The record that a message is. Its headers, if any, are appended to b->headers; their place is known in the end. */
static void fill_record(struct batch *b, const rd_kafka_message_t *m, struct log_record *r)
{
    rd_kafka_headers_t *headers;
    rd_kafka_timestamp_type_t type;

    r->topic = rd_kafka_topic_name(m->rkt);
    r->partition = m->partition;
    r->offset = m->offset;
    r->timestamp_ms = rd_kafka_message_timestamp(m, &type);
    r->key = (struct str){m->key, m->key_len};
    r->value = (struct str){m->payload, m->len};
    r->headers = NULL;
    r->n_headers = 0;
    if (rd_kafka_message_headers(m, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        const char *name;
        const void *value;
        size_t n;

        while (rd_kafka_header_get_all(headers, r->n_headers, &name, &value, &n) == RD_KAFKA_RESP_ERR_NO_ERROR) {
            const struct log_header h = {name, {value, n}};

            vec_push(&b->headers, h);
            r->n_headers++;
        }
    }
}

/* Not a record: the end of a partition, or an error. */
static void take_event(struct log_consumer *k, struct batch *b, const rd_kafka_message_t *m)
{
    struct error e;

    if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        const struct log_position end = {rd_kafka_topic_name(m->rkt), m->partition, m->offset};

        vec_push(&b->ends, end);
        advance(k, m, m->offset);
        return;
    }
    log_fail(&e, m->err, "consume");
    if (m->err == RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED)
        e.code = IG_UNAVAILABLE; /* the group goes on without us, and we come back with the next call */
    if (rd_kafka_fatal_error(k->h.rk, NULL, 0) == RD_KAFKA_RESP_ERR_NO_ERROR &&
        (error_code_retry(e.code) == IG_RETRY_SAFE || e.code == IG_NOT_FOUND || e.code == IG_CONFLICT))
        log_warn(k->h.env, "log", "%s", e.msg);
    else if (k->pending.code == IG_OK)
        k->pending = e;
}

static struct batch *batch_get(struct log_consumer *k, size_t max)
{
    struct batch *b = k->spare;

    k->spare = NULL;
    if (!b)
        b = check_calloc(1, sizeof(*b));
    if (b->max < max) {
        b->messages = check_realloc(b->messages, max * sizeof(struct rd_kafka_message_s *));
        b->records = check_realloc(b->records, max * sizeof(*b->records));
        b->max = max;
    }
    b->consumer = k;
    b->n = b->headers.n = b->ends.n = 0;
    return b;
}

static void batch_drop(struct batch *b)
{
    for (size_t i = 0; i < b->n; i++)
        rd_kafka_message_destroy(b->messages[i]);
    b->n = 0;
    if (b->consumer->spare)
        batch_free(b);
    else
        b->consumer->spare = b;
}

/*
 * A broker's thread of librdkafka 2.0 that has stopped fetching, since its queue is full or a partition was not ready,
 * looks again only when something wakes it, or a second later. A question that it has to send wakes it. The answer may
 * wait behind that of a fetch, so it is asked only for a partition whose end was not reached, and
 *  - when nothing is left of a batch, or nothing came for a while;
 *  - when the queue was nearly full, and half of it is gone.
 */
static void wake_fetcher(struct log_consumer *k, int64_t pause_ms)
{
    const int64_t now_ms = env_monotonic_ms(k->h.env);
    int64_t low, high;

    /* The question may wait behind a fetch that waits for records. */
    if (k->prompt || k->paused || now_ms - k->woken_ms < pause_ms)
        return;
    for (size_t i = 0; i < k->assigned.n; i++) {
        const struct position *p = &k->assigned.p[k->next_woken++ % k->assigned.n];

        if (p->at_end)
            continue;
        rd_kafka_query_watermark_offsets(k->h.rk, p->name, p->partition, &low, &high, 200);
        k->woken_ms = env_monotonic_ms(k->h.env);
        return;
    }
}

/* Is the queue less than half full, after it was more than that? As if what is left were as big as what is here. */
static bool is_half_empty(struct log_consumer *k, const struct batch *b, size_t left)
{
    int64_t taken = 0, left_bytes;

    for (size_t i = 0; i < b->n; i++)
        taken += (int64_t)(b->messages[i]->len + b->messages[i]->key_len);
    left_bytes = taken / (int64_t)b->n * (int64_t)left;
    if (taken + left_bytes > AHEAD_BYTES / 2)
        k->was_full = true;
    return k->was_full && left_bytes <= AHEAD_BYTES / 2;
}

/* Waits for one message, then takes what is there: librdkafka would wait until the batch is full. */
static void batch_fill(struct batch *b, size_t max, int64_t wait_ms)
{
    const int wait = wait_ms > INT_MAX ? INT_MAX : (int)wait_ms, first = wait < PATIENCE_MS ? wait : PATIENCE_MS;
    struct log_consumer *k = b->consumer;
    ssize_t n;
    size_t left;

    memset(b->messages, 0, b->max * sizeof(struct rd_kafka_message_s *));
    b->n_stale = 0;
    k->filling = b;
    n = rd_kafka_consume_batch_queue(k->queue, first, b->messages, 1);
    if (n <= 0 && first == PATIENCE_MS) {
        wake_fetcher(k, SILENCE_MS);
        n = rd_kafka_consume_batch_queue(k->queue, wait - first, b->messages, 1);
    }
    b->n = n > 0 ? (size_t)n : 0;
    if (b->n > 0 && max > 1) {
        n = rd_kafka_consume_batch_queue(k->queue, 0, b->messages + 1, max - 1);
        b->n += n > 0 ? (size_t)n : 0;
    }
    k->filling = NULL;
    if (k->rewinding)
        b->n_stale = b->n;
    if (b->n == 0)
        return;
    left = rd_kafka_queue_length(k->queue);
    if (is_half_empty(k, b, left) || left == 0)
        k->drained = true;
    if (left == 0)
        k->was_full = false;
}

static void batch_read(struct log_consumer *k, struct batch *b, struct log_batch *out)
{
    const rd_kafka_message_t *last = NULL;
    size_t n = 0;

    for (size_t i = b->n_stale; i < b->n; i++) {
        const rd_kafka_message_t *m = b->messages[i];

        if (last && (m->err || m->rkt != last->rkt || m->partition != last->partition)) {
            advance(k, last, last->offset + 1);
            last = NULL;
        }
        if (m->err) {
            take_event(k, b, m);
        } else {
            fill_record(b, m, &b->records[n++]);
            last = m;
        }
    }
    if (last)
        advance(k, last, last->offset + 1);
    for (size_t i = 0, at = 0; i < n; i++) {
        if (b->records[i].n_headers > 0)
            b->records[i].headers = b->headers.p + at;
        at += b->records[i].n_headers;
    }
    *out = (struct log_batch){.records = b->records, .n = n, .ends = b->ends.p, .n_ends = b->ends.n, .owned = b};
}

enum ig_code log_consume(struct log_consumer *k, size_t max, int64_t wait_ms, struct log_batch *out, struct error *err)
{
    struct batch *b;

    *out = (struct log_batch){0};
    if (k->pending.code != IG_OK) {
        const enum ig_code rc = error_set(err, k->pending.code, "%s", k->pending.msg);

        k->pending.code = IG_OK;
        return rc;
    }
    IG_ASSERT(max > 0);
    if (k->to_assign) {
        k->to_assign = false;
        IG_TRY(assign_by_hand(k, err));
    }
    b = batch_get(k, max);
    batch_fill(b, max, wait_ms);
    batch_read(k, b, out); /* which sees the ends of partitions */
    if (k->drained)
        wake_fetcher(k, 5);
    k->drained = false;
    return IG_OK;
}

void log_batch_free(struct log_batch *b)
{
    if (b->owned)
        batch_drop(b->owned);
    *b = (struct log_batch){0};
}

enum ig_code log_consumer_commit(struct log_consumer *k, const struct log_position *positions, size_t n,
                                 struct error *err)
{
    rd_kafka_topic_partition_list_t *list;
    rd_kafka_resp_err_t e;

    if (n == 0)
        return IG_OK;
    list = rd_kafka_topic_partition_list_new((int)n);
    for (size_t i = 0; i < n; i++)
        rd_kafka_topic_partition_list_add(list, positions[i].topic, positions[i].partition)->offset =
            positions[i].offset;
    e = rd_kafka_commit(k->h.rk, list, 0);
    for (int i = 0; i < list->cnt && !e; i++)
        e = list->elems[i].err;
    rd_kafka_topic_partition_list_destroy(list);
    return e ? log_fail(err, e, "commit offsets") : IG_OK;
}

enum ig_code log_consumer_at_end(struct log_consumer *k, bool *out, struct error *err)
{
    *out = k->assigned.n > 0;
    for (size_t i = 0; i < k->assigned.n && *out; i++) {
        const struct position *p = &k->assigned.p[i];
        int64_t low, high, at = p->offset;

        IG_TRY(log_watermarks(k->client, p->name, p->partition, &low, &high, err));
        if (at < 0) /* nothing read yet, not even the end: RD_KAFKA_OFFSET_BEGINNING and the like */
            *out = low == high && at != RD_KAFKA_OFFSET_END;
        else
            *out = at >= high;
    }
    return IG_OK;
}
