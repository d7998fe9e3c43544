/* Fetch: long polls, within fetch sessions or without. */
#include "broker/fetch_session.h"

#include <stdlib.h>

#define WAIT_MAX_MS 300000
#define RESPONSE_BYTES_MAX (INT32_MAX / 2)

struct fetch {
    struct fetch_list list;
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

static void fetch_partition(struct request *r, const struct fetch_item *in, int64_t *budget, bool *any,
                            struct wire_fetch_partition_result *out)
{
    struct partition *p = in->p;
    int64_t max = in->max_bytes < *budget ? in->max_bytes : *budget;
    struct plog_span *span;
    struct error err;
    enum ig_code rc;

    out->partition = in->partition;
    out->aborted.n = -1;
    out->records.n = 0;
    out->error_code = in->error_code;
    if (p ? p->removed : !in->error_code)
        out->error_code = in->topic.p ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION : KAFKA_UNKNOWN_TOPIC_ID;
    if (out->error_code)
        return;
    if (epoch_error(in->current_leader_epoch, &out->error_code))
        return;
    out->high_watermark = p->log->durable.offset;
    out->last_stable_offset = plog_stable(p->log);
    out->log_start_offset = p->log->start;
    span = ARENA_NEW(&r->arena, struct plog_span);
    rc = plog_read_upto(p->log, in->offset, is_committed_only(r) ? out->last_stable_offset : INT64_MAX,
                        max > 0 ? (size_t)max : 0, !*any, span, &err);
    if (rc) {
        out->error_code = rc == IG_NOT_FOUND ? KAFKA_OFFSET_OUT_OF_RANGE : KAFKA_STORAGE_ERROR;
        if (rc != IG_NOT_FOUND)
            log_error(r->b->env, "broker", "read %s/%d: %s", in->topic_name, in->partition, err.msg);
        return;
    }
    if (is_committed_only(r))
        list_aborted(r, p->log, in->offset, span->n > 0 ? span->end_offset : in->offset, out);
    if (span->n > 0) {
        out->records = (struct wire_records){.n = (int64_t)span->n, .file = span, .at = span->at};
        *budget -= (int64_t)span->n;
        *any = true;
    }
}

static bool is_same_topic(const struct fetch_item *a, const struct fetch_item *b)
{
    return a->topic.p ? str_eq(a->topic, b->topic) : memcmp(a->topic_id.b, b->topic_id.b, 16) == 0;
}

/* Reads all that is in the list; what has news goes into the answer, by topic. */
static void answer(struct request *r)
{
    const struct wire_fetch_request *in = r->body;
    struct fetch *f = r->state;
    struct wire_fetch_response *response = RESPONSE_NEW(r, fetch_response);
    struct wire_fetch_partition_result *results =
        request_new(r, &wire_type_fetch_partition_result, f->list.n > 0 ? f->list.n : 1);
    int64_t budget = in->max_bytes < RESPONSE_BYTES_MAX ? in->max_bytes : RESPONSE_BYTES_MAX;
    const struct fetch_item *before = NULL;
    bool any = false;

    response->session_id = f->list.session_id;
    RESPONSE_ITEMS(r, response->topics, fetch_topic_result, f->list.n);
    response->topics.n = 0;
    for (size_t i = 0; i < f->list.n; i++) {
        const struct fetch_item *item = &f->list.p[i];
        struct wire_fetch_topic_result *t;

        fetch_partition(r, item, &budget, &any, results);
        if (!fetch_sessions_tell(r->b->fetch_sessions, &f->list, item, results)) {
            wire_reset(&wire_type_fetch_partition_result, results);
            continue;
        }
        if (!before || !is_same_topic(before, item)) {
            t = &response->topics.p[response->topics.n++];
            t->topic = item->topic;
            t->topic_id = item->topic_id;
            t->partitions.p = results;
        }
        response->topics.p[response->topics.n - 1].partitions.n++;
        before = item;
        results++;
    }
    request_answer(r, response);
}

/* Is there enough to answer, or something that the client must hear of? */
static bool is_enough(const struct request *r)
{
    const struct wire_fetch_request *in = r->body;
    const struct fetch *f = r->state;
    int64_t bytes = 0;

    for (size_t i = 0; i < f->list.n; i++) {
        const struct fetch_item *item = &f->list.p[i];
        const struct partition *p = item->p;
        int64_t n;

        if (!p || p->removed || p->log->failed || item->offset < p->log->start || item->offset > p->log->end ||
            item->current_leader_epoch > LEADER_EPOCH)
            return true;
        n = 0;
        if (!is_committed_only(r) || item->offset < plog_stable(p->log))
            n = plog_available(p->log, item->offset);
        bytes += n < item->max_bytes ? n : item->max_bytes;
        if (bytes >= in->min_bytes)
            return true;
    }
    return in->min_bytes <= 0;
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
    struct fetch *f = r->state;

    f->watches = ARENA_ARRAY(&r->arena, struct partition_watch, f->list.n + 1);
    for (size_t i = 0; i < f->list.n; i++) {
        struct partition *p = f->list.p[i].p;
        struct partition_watch *w = &f->watches[f->n_watches];

        if (!p || (p->watches && p->watches->ctx == r)) /* named twice: once is enough */
            continue;
        *w = (struct partition_watch){.changed = changed, .ctx = r};
        partition_watch(p, w);
        f->n_watches++;
    }
}

static void refuse(struct request *r, enum kafka_error e)
{
    struct wire_fetch_response *response = RESPONSE_NEW(r, fetch_response);

    response->error_code = (int16_t)e;
    request_answer(r, response);
}

void api_fetch(struct request *r)
{
    const struct wire_fetch_request *in = r->body;
    const int64_t wait_ms = in->max_wait_ms < WAIT_MAX_MS ? in->max_wait_ms : WAIT_MAX_MS;
    struct fetch *f = ARENA_NEW(&r->arena, struct fetch);
    enum kafka_error e;

    r->state = f;
    e = fetch_sessions_list(r->b->fetch_sessions, r, &f->list);
    if (e) {
        refuse(r, e);
        return;
    }
    if (wait_ms <= 0 || r->b->stopping || is_enough(r)) {
        answer(r);
        return;
    }
    r->gone = finish;
    watch_all(r);
    if (r->b->loop->ops->timer(r->b->loop, wait_ms, timed_out, r, &f->timer))
        finish(r);
}
