/*
 * Fetch: long polls. Fetch sessions are refused (session id 0), which every client takes as "send all each time".
 */
#include "broker/broker_internal.h"

#include <stdlib.h>

#define WAIT_MAX_MS 300000
#define RESPONSE_BYTES_MAX (INT32_MAX / 2)

struct fetch {
    struct request *r;
    struct env_timer *timer;
    struct partition_watch *watches;
    size_t n_watches;
};

static bool epoch_error(int32_t epoch, int16_t *error_code)
{
    if (epoch < 0 || epoch == LEADER_EPOCH)
        return false;
    *error_code = epoch < LEADER_EPOCH ? KAFKA_FENCED_LEADER_EPOCH : KAFKA_UNKNOWN_LEADER_EPOCH;
    return true;
}

static bool is_committed_only(const struct request *r)
{
    return ((const struct wire_fetch_request *)r->body)->isolation_level == ISOLATION_READ_COMMITTED;
}

static void count_aborted(void *ctx, const struct span_aborted *a)
{
    (void)a;
    ++*(int32_t *)ctx;
}

static void add_aborted(void *ctx, const struct span_aborted *a)
{
    struct wire_fetch_partition_result *out = ctx;

    out->aborted.p[out->aborted.n++] = (struct wire_fetch_aborted){a->producer_id, a->first};
}

/* Whose transactions the reader has to skip in [from, to). */
static void list_aborted(struct request *r, const struct plog *log, int64_t from, int64_t to,
                         struct wire_fetch_partition_result *out)
{
    const struct spans *spans = &log->producers.spans;
    int32_t n = 0;

    spans_each_aborted(spans, from, to, count_aborted, &n);
    RESPONSE_ITEMS(r, out->aborted, fetch_aborted, n);
    out->aborted.n = 0;
    spans_each_aborted(spans, from, to, add_aborted, out);
}

static void fetch_partition(struct request *r, struct str topic, const struct wire_fetch_partition *in, int64_t *budget,
                            bool *any, struct wire_fetch_partition_result *out)
{
    struct partition *p = topics_partition(r->b->topics, topic, in->partition);
    int64_t max = in->partition_max_bytes < *budget ? in->partition_max_bytes : *budget;
    struct plog_span *span;
    struct error err;
    enum ig_code rc;

    out->partition = in->partition;
    out->aborted.n = -1;
    out->records.n = 0;
    if (!p) {
        out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        return;
    }
    if (epoch_error(in->current_leader_epoch, &out->error_code))
        return;
    out->high_watermark = p->log->durable.offset;
    out->last_stable_offset = plog_stable(p->log);
    out->log_start_offset = p->log->start;
    span = ARENA_NEW(&r->arena, struct plog_span);
    rc = plog_read_upto(p->log, in->fetch_offset, is_committed_only(r) ? out->last_stable_offset : INT64_MAX,
                        max > 0 ? (size_t)max : 0, !*any, span, &err);
    if (rc) {
        out->error_code = rc == IG_NOT_FOUND ? KAFKA_OFFSET_OUT_OF_RANGE : KAFKA_STORAGE_ERROR;
        if (rc != IG_NOT_FOUND)
            log_error(r->b->env, "broker", "read " STR_FMT "/%d: %s", STR_ARG(topic), in->partition, err.msg);
        return;
    }
    if (is_committed_only(r))
        list_aborted(r, p->log, in->fetch_offset, span->n > 0 ? span->end_offset : in->fetch_offset, out);
    if (span->n > 0) {
        out->records = (struct wire_records){.n = (int64_t)span->n, .file = span, .at = span->at};
        *budget -= (int64_t)span->n;
        *any = true;
    }
}

static void answer(struct request *r)
{
    const struct wire_fetch_request *in = r->body;
    struct wire_fetch_response *response = RESPONSE_NEW(r, fetch_response);
    int64_t budget = in->max_bytes < RESPONSE_BYTES_MAX ? in->max_bytes : RESPONSE_BYTES_MAX;
    bool any = false;

    RESPONSE_ITEMS(r, response->topics, fetch_topic_result, in->topics.n > 0 ? in->topics.n : 0);
    for (int32_t i = 0; i < in->topics.n; i++) {
        const struct wire_fetch_topic *t = &in->topics.p[i];
        struct wire_fetch_topic_result *out = &response->topics.p[i];

        out->topic = t->topic;
        RESPONSE_ITEMS(r, out->partitions, fetch_partition_result, t->partitions.n > 0 ? t->partitions.n : 0);
        for (int32_t k = 0; k < t->partitions.n; k++)
            fetch_partition(r, t->topic, &t->partitions.p[k], &budget, &any, &out->partitions.p[k]);
    }
    request_answer(r, response);
}

/* Is there enough to answer, or something that the client must hear of? */
static bool is_enough(const struct request *r)
{
    const struct wire_fetch_request *in = r->body;
    int64_t bytes = 0;

    for (int32_t i = 0; i < in->topics.n; i++) {
        const struct wire_fetch_topic *t = &in->topics.p[i];

        for (int32_t k = 0; k < t->partitions.n; k++) {
            const struct wire_fetch_partition *fp = &t->partitions.p[k];
            const struct partition *p = topics_partition(r->b->topics, t->topic, fp->partition);
            int64_t n;

            if (!p || p->removed || p->log->failed || fp->fetch_offset < p->log->start ||
                fp->fetch_offset > p->log->end || fp->current_leader_epoch > LEADER_EPOCH)
                return true;
            n = 0;
            if (!is_committed_only(r) || fp->fetch_offset < plog_stable(p->log))
                n = plog_available(p->log, fp->fetch_offset);
            bytes += n < fp->partition_max_bytes ? n : fp->partition_max_bytes;
        }
    }
    return bytes >= in->min_bytes;
}

static void finish(struct request *r)
{
    struct fetch *f = r->state;

    for (size_t i = 0; i < f->n_watches; i++)
        partition_unwatch(&f->watches[i]);
    if (f->timer)
        r->b->loop->ops->cancel(r->b->loop, f->timer);
    answer(r);
}

static void changed(void *ctx)
{
    if (is_enough(ctx))
        finish(ctx);
}

static void timed_out(void *ctx)
{
    struct request *r = ctx;

    ((struct fetch *)r->state)->timer = NULL;
    finish(r);
}

static void watch_all(struct request *r)
{
    const struct wire_fetch_request *in = r->body;
    struct fetch *f = r->state;
    size_t n = 0;

    for (int32_t i = 0; i < in->topics.n; i++)
        n += (size_t)(in->topics.p[i].partitions.n > 0 ? in->topics.p[i].partitions.n : 0);
    f->watches = ARENA_ARRAY(&r->arena, struct partition_watch, n + 1);
    for (int32_t i = 0; i < in->topics.n; i++) {
        const struct wire_fetch_topic *t = &in->topics.p[i];

        for (int32_t k = 0; k < t->partitions.n; k++) {
            struct partition *p = topics_partition(r->b->topics, t->topic, t->partitions.p[k].partition);
            struct partition_watch *w = &f->watches[f->n_watches];

            if (!p || (p->watches && p->watches->ctx == r)) /* named twice: once is enough */
                continue;
            *w = (struct partition_watch){.changed = changed, .ctx = r};
            partition_watch(p, w);
            f->n_watches++;
        }
    }
}

void api_fetch(struct request *r)
{
    const struct wire_fetch_request *in = r->body;
    const int64_t wait_ms = in->max_wait_ms < WAIT_MAX_MS ? in->max_wait_ms : WAIT_MAX_MS;
    struct fetch *f;

    if (wait_ms <= 0 || r->b->stopping || is_enough(r)) {
        answer(r);
        return;
    }
    f = ARENA_NEW(&r->arena, struct fetch);
    f->r = r;
    r->state = f;
    r->gone = finish;
    watch_all(r);
    if (r->b->loop->ops->timer(r->b->loop, wait_ms, timed_out, r, &f->timer))
        finish(r);
}
