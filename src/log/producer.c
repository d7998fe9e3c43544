/*
 * Producing: idempotent, acks=all, partitions by murmur2 as Kafka's own client does, big batches.
 */
#include "log/client.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define TRANSACTION_LIMIT_MS 900000

struct log_producer {
    struct log_handle h; /* first: the opaque pointer */
    log_delivered_fn *delivered;
    void *ctx;
    pthread_mutex_t lock; /* guards what follows */
    VEC(rd_kafka_topic_t *) topics;
    struct error first_failure; /* since the last flush */
};

static void on_delivered(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    struct log_producer *p = opaque;
    struct error e;

    (void)rk;
    if (!m->err) {
        if (p->delivered)
            p->delivered(p->ctx, m->_private, m->partition, m->offset, NULL);
        return;
    }
    log_fail(&e, m->err, "produce to %s", rd_kafka_topic_name(m->rkt));
    if (rd_kafka_message_status(m) == RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED &&
        error_code_retry(e.code) != IG_RETRY_NEVER)
        e.code = IG_UNKNOWN_OUTCOME;
    pthread_mutex_lock(&p->lock);
    if (p->first_failure.code == IG_OK)
        p->first_failure = e;
    pthread_mutex_unlock(&p->lock);
    if (p->delivered)
        p->delivered(p->ctx, m->_private, m->partition, -1, &e);
}

enum ig_code log_producer_new(struct log_client *c, log_delivered_fn *delivered, void *ctx, struct log_producer **out,
                              struct error *err)
{
    static const struct log_producer_options STRONG = {0};

    return log_producer_open(c, &STRONG, delivered, ctx, out, err);
}

enum ig_code log_producer_open(struct log_client *c, const struct log_producer_options *o, log_delivered_fn *delivered,
                               void *ctx, struct log_producer **out, struct error *err)
{
    const bool strong = !o->acks || strcmp(o->acks, "all") == 0 || strcmp(o->acks, "-1") == 0;
    char limit[24];
    const struct log_setting settings[] = {
        {"enable.idempotence", strong ? "true" : "false"},
        {"acks", strong ? "all" : o->acks},
        {"partitioner", "murmur2_random"},
        /* Full batches are sent at once; others wait 5 ms for company, which is what a sync of the disk takes anyway.
         */
        {"linger.ms", "5"},
        {"batch.size", "1000000"},
        {"batch.num.messages", "100000"},
        {"queue.buffering.max.messages", "500000"},
        {"queue.buffering.max.kbytes", "98304"}, /* two of the biggest records, and more */
        {"compression.codec", o->compression ? o->compression : "none"},
        {"transactional.id", o->transactional_id},
        {"transaction.timeout.ms", limit},
    };
    struct log_producer *p = check_calloc(1, sizeof(*p));
    rd_kafka_conf_t *conf;
    enum ig_code rc;

    snprintf(limit, sizeof(limit), "%lld",
             (long long)(o->transaction_limit_ms ? o->transaction_limit_ms : TRANSACTION_LIMIT_MS));
    *out = NULL;
    p->delivered = delivered;
    p->ctx = ctx;
    pthread_mutex_init(&p->lock, NULL);
    rc = log_conf_new(c, settings, IG_COUNT(settings) - (o->transactional_id ? 0 : 2), &conf, err);
    if (rc == IG_OK) {
        rd_kafka_conf_set_dr_msg_cb(conf, on_delivered);
        rc = log_handle_new(&p->h, c->env, RD_KAFKA_PRODUCER, conf, err);
    }
    if (rc != IG_OK) {
        log_producer_free(p);
        return rc;
    }
    *out = p;
    return IG_OK;
}

/* The handle of a topic, which lives as long as the producer. */
static rd_kafka_topic_t *topic_handle(struct log_producer *p, const char *name)
{
    rd_kafka_topic_t *found = NULL;

    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < p->topics.n && !found; i++)
        if (strcmp(rd_kafka_topic_name(p->topics.p[i]), name) == 0)
            found = p->topics.p[i];
    if (!found) {
        found = rd_kafka_topic_new(p->h.rk, name, NULL);
        if (found)
            vec_push(&p->topics, found);
    }
    pthread_mutex_unlock(&p->lock);
    return found;
}

enum ig_code log_producer_await_topic(struct log_producer *p, const char *topic, int64_t limit_ms, struct error *err)
{
    const int64_t until = env_monotonic_ms(p->h.env) + limit_ms;
    rd_kafka_topic_t *t = topic_handle(p, topic);

    if (!t)
        return error_set(err, IG_INVALID, "'%s' is no name for a topic", topic);
    for (;;) {
        const struct rd_kafka_metadata *md = NULL;
        rd_kafka_resp_err_t e = rd_kafka_metadata(p->h.rk, 0, t, &md, LOG_CALL_MS);

        if (!e && md->topic_cnt == 1)
            e = md->topics[0].err;
        if (md)
            rd_kafka_metadata_destroy(md);
        if (!e)
            return IG_OK;
        if ((e != RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE && e != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) ||
            env_monotonic_ms(p->h.env) >= until)
            return log_fail(err, e, "topic %s", topic);
        env_sleep_ms(p->h.env, 50);
    }
}

static rd_kafka_headers_t *make_headers(const struct log_record *r)
{
    rd_kafka_headers_t *headers;

    if (r->n_headers == 0)
        return NULL;
    headers = rd_kafka_headers_new(r->n_headers);
    for (size_t i = 0; i < r->n_headers; i++)
        rd_kafka_header_add(headers, r->headers[i].name, -1, r->headers[i].value.p, (ssize_t)r->headers[i].value.n);
    return headers;
}

/* One try. On success the headers are librdkafka's. */
static rd_kafka_resp_err_t produce_once(struct log_producer *p, rd_kafka_topic_t *topic, const struct log_record *r,
                                        rd_kafka_headers_t *headers, void *tag)
{
    rd_kafka_vu_t args[] = {
        {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = topic},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = r->partition < 0 ? RD_KAFKA_PARTITION_UA : r->partition},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {(void *)(uintptr_t)r->key.p, r->key.n}},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)(uintptr_t)r->value.p, r->value.n}},
        {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = r->timestamp_ms},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = tag},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    rd_kafka_error_t *e = rd_kafka_produceva(p->h.rk, args, IG_COUNT(args) - (headers ? 0 : 1));
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;

    if (e) {
        code = rd_kafka_error_code(e);
        rd_kafka_error_destroy(e);
    }
    return code;
}

enum ig_code log_produce(struct log_producer *p, const struct log_record *record, void *tag, struct error *err)
{
    rd_kafka_topic_t *topic = topic_handle(p, record->topic);
    rd_kafka_headers_t *headers;
    rd_kafka_resp_err_t e;

    if (!topic)
        return error_set(err, IG_INVALID, "produce: '%s' is no name for a topic", record->topic);
    headers = make_headers(record);
    for (;;) {
        e = produce_once(p, topic, record, headers, tag);
        if (e != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            break;
        rd_kafka_poll(p->h.rk, 50);
    }
    if (e && headers)
        rd_kafka_headers_destroy(headers);
    return e ? log_fail(err, e, "produce to %s", record->topic) : IG_OK;
}

static int clamp_ms(int64_t ms)
{
    return ms < 0 ? -1 : ms > INT_MAX ? INT_MAX : (int)ms;
}

void log_producer_poll(struct log_producer *p, int64_t wait_ms)
{
    rd_kafka_poll(p->h.rk, clamp_ms(wait_ms));
}

enum ig_code log_producer_flush(struct log_producer *p, int64_t limit_ms, struct error *err)
{
    const rd_kafka_resp_err_t e = rd_kafka_flush(p->h.rk, clamp_ms(limit_ms));
    struct error first;

    if (e)
        return log_fail(err, e, "flush: %d records are not acknowledged yet", rd_kafka_outq_len(p->h.rk));
    pthread_mutex_lock(&p->lock);
    first = p->first_failure;
    p->first_failure.code = IG_OK;
    pthread_mutex_unlock(&p->lock);
    return first.code ? error_set(err, first.code, "%s", first.msg) : IG_OK;
}

/* --- transactions -------------------------------------------------------------------------------------------- */

/* Takes `e`. */
static enum ig_code transaction_result(rd_kafka_error_t *e, const char *what, struct error *err)
{
    rd_kafka_resp_err_t code;
    enum ig_code rc;

    if (!e)
        return IG_OK;
    code = rd_kafka_error_code(e);
    rc = code == RD_KAFKA_RESP_ERR__FENCED || code == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
                 code == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH
             ? IG_CONFLICT
         : code == RD_KAFKA_RESP_ERR__TIMED_OUT ? IG_UNKNOWN_OUTCOME
                                                : log_code(code);
    error_set(err, rc, "%s: %s", what, rd_kafka_error_string(e));
    rd_kafka_error_destroy(e);
    return rc;
}

enum ig_code log_transactions_init(struct log_producer *p, struct error *err)
{
    return transaction_result(rd_kafka_init_transactions(p->h.rk, 2 * LOG_CALL_MS), "begin with transactions", err);
}

enum ig_code log_transaction_begin(struct log_producer *p, struct error *err)
{
    return transaction_result(rd_kafka_begin_transaction(p->h.rk), "begin a transaction", err);
}

enum ig_code log_transaction_commit(struct log_producer *p, struct error *err)
{
    rd_kafka_error_t *e;

    /* delivery reports are served here; librdkafka's own flush inside of the commit would wait for us to do so */
    rd_kafka_flush(p->h.rk, 2 * LOG_CALL_MS);
    for (int tries = 0;; tries++) {
        e = rd_kafka_commit_transaction(p->h.rk, 2 * LOG_CALL_MS);
        if (!e || !rd_kafka_error_is_retriable(e) || tries == 3)
            break;
        rd_kafka_error_destroy(e);
    }
    return transaction_result(e, "commit a transaction", err);
}

enum ig_code log_transaction_abort(struct log_producer *p, struct error *err)
{
    rd_kafka_error_t *e = rd_kafka_abort_transaction(p->h.rk, 2 * LOG_CALL_MS);

    pthread_mutex_lock(&p->lock);
    p->first_failure.code = IG_OK;
    pthread_mutex_unlock(&p->lock);
    return transaction_result(e, "abort a transaction", err);
}

void log_producer_free(struct log_producer *p)
{
    if (!p)
        return;
    if (p->h.rk) {
        if (rd_kafka_outq_len(p->h.rk) > 0) {
            rd_kafka_purge(p->h.rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
            rd_kafka_flush(p->h.rk, 1000); /* the purged ones are reported to `delivered` */
        }
        for (size_t i = 0; i < p->topics.n; i++)
            rd_kafka_topic_destroy(p->topics.p[i]);
        log_handle_free(&p->h);
    }
    vec_free(&p->topics);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
