/* ListOffsets, OffsetForLeaderEpoch, DeleteRecords: questions about a log's ends. */
#include "broker/broker_internal.h"

enum special_time {
    TIME_LATEST = -1,
    TIME_EARLIEST = -2,
    TIME_MAX = -3,
    TIME_EARLIEST_LOCAL = -4, /* nothing is in tiers, so all is local */
    TIME_LATEST_TIERED = -5,
    TIME_EARLIEST_NOT_TIERED = -6,
};

/* The version of ListOffsets that brought each of them. */
static bool is_known_time(int16_t version, int64_t time)
{
    static const int16_t since[] = {[1] = 0, [2] = 0, [3] = 7, [4] = 8, [5] = 9, [6] = 11};

    return time >= 0 || (time >= TIME_EARLIEST_NOT_TIERED && version >= since[-time]);
}

static enum kafka_error check_epoch(int32_t epoch)
{
    if (epoch < 0 || epoch == LEADER_EPOCH)
        return KAFKA_OK;
    return epoch < LEADER_EPOCH ? KAFKA_FENCED_LEADER_EPOCH : KAFKA_UNKNOWN_LEADER_EPOCH;
}

static void list_offset(struct request *r, struct str topic, const struct wire_list_offsets_partition *in,
                        struct wire_list_offsets_partition_result *out)
{
    const struct wire_list_offsets_request *all = r->body;
    struct partition *p = topics_partition(r->b->topics, topic, in->partition);
    int64_t end;
    enum ig_code rc = IG_OK;
    struct error err;

    out->partition = in->partition;
    if (!request_may(r, ACL_DESCRIBE, ACL_TOPIC, topic))
        out->error_code = KAFKA_TOPIC_AUTHORIZATION_FAILED;
    else if (!p)
        out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    else if (!is_known_time(r->version, in->timestamp))
        out->error_code = KAFKA_UNSUPPORTED_VERSION;
    else
        out->error_code = (int16_t)check_epoch(in->current_leader_epoch);
    if (out->error_code)
        return;
    end = all->isolation_level == ISOLATION_READ_COMMITTED ? plog_stable(p->log) : p->log->durable.offset;
    if (in->timestamp == TIME_LATEST)
        out->offset = end;
    else if (in->timestamp == TIME_EARLIEST || in->timestamp == TIME_EARLIEST_LOCAL)
        out->offset = p->log->start;
    else if (in->timestamp == TIME_MAX)
        rc = plog_find_max_time(p->log, &out->offset, &out->timestamp, &err);
    else if (in->timestamp >= 0)
        rc = plog_find_time(p->log, in->timestamp, &out->offset, &out->timestamp, &err);
    if (rc) {
        out->error_code = KAFKA_STORAGE_ERROR;
        out->offset = out->timestamp = -1;
        log_error(r->b->env, "broker", "find a time in " STR_FMT "/%d: %s", STR_ARG(topic), in->partition, err.msg);
    }
    if (out->timestamp >= 0 && out->offset >= end)
        out->offset = out->timestamp = -1; /* it may come to nothing */
    if (out->offset >= 0)
        out->leader_epoch = LEADER_EPOCH;
}

void api_list_offsets(struct request *r)
{
    const struct wire_list_offsets_request *in = r->body;
    struct wire_list_offsets_response *response = RESPONSE_NEW(r, list_offsets_response);

    RESPONSE_ITEMS(r, response->topics, list_offsets_topic_result, in->topics.n > 0 ? in->topics.n : 0);
    for (int32_t i = 0; i < in->topics.n; i++) {
        const struct wire_list_offsets_topic *t = &in->topics.p[i];
        struct wire_list_offsets_topic_result *out = &response->topics.p[i];

        out->name = t->name;
        RESPONSE_ITEMS(r, out->partitions, list_offsets_partition_result, t->partitions.n > 0 ? t->partitions.n : 0);
        for (int32_t k = 0; k < t->partitions.n; k++)
            list_offset(r, t->name, &t->partitions.p[k], &out->partitions.p[k]);
    }
    request_answer(r, response);
}

static void epoch_end(struct request *r, struct str topic, const struct wire_epoch_partition *in,
                      struct wire_epoch_partition_result *out)
{
    const struct partition *p = topics_partition(r->b->topics, topic, in->partition);

    out->partition = in->partition;
    if (!request_may(r, ACL_DESCRIBE, ACL_TOPIC, topic))
        out->error_code = KAFKA_TOPIC_AUTHORIZATION_FAILED;
    else if (!p)
        out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    else
        out->error_code = (int16_t)check_epoch(in->current_leader_epoch);
    if (!out->error_code && p && in->leader_epoch == LEADER_EPOCH) { /* there has never been another one */
        out->leader_epoch = LEADER_EPOCH;
        out->end_offset = p->log->durable.offset;
    }
}

void api_offset_for_leader_epoch(struct request *r)
{
    const struct wire_epoch_request *in = r->body;
    struct wire_epoch_response *response = RESPONSE_NEW(r, epoch_response);

    RESPONSE_ITEMS(r, response->topics, epoch_topic_result, in->topics.n > 0 ? in->topics.n : 0);
    for (int32_t i = 0; i < in->topics.n; i++) {
        const struct wire_epoch_topic *t = &in->topics.p[i];
        struct wire_epoch_topic_result *out = &response->topics.p[i];

        out->topic = t->topic;
        RESPONSE_ITEMS(r, out->partitions, epoch_partition_result, t->partitions.n > 0 ? t->partitions.n : 0);
        for (int32_t k = 0; k < t->partitions.n; k++)
            epoch_end(r, t->topic, &t->partitions.p[k], &out->partitions.p[k]);
    }
    request_answer(r, response);
}

/* One request may trim many partitions, each in its time. */
struct deletions {
    struct request *r;
    struct wire_delete_records_response *response;
    size_t waiting;
};
struct deletion {
    struct deletions *all;
    struct partition *p;
    struct wire_delete_records_partition_result *out;
};

static void deletions_finish(struct deletions *all)
{
    if (--all->waiting == 0)
        request_answer(all->r, all->response);
}

static void trimmed(void *ctx, enum ig_code rc, const struct error *err)
{
    struct deletion *d = ctx;

    (void)err;
    if (rc == IG_NOT_FOUND)
        d->out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    else if (rc)
        d->out->error_code = KAFKA_STORAGE_ERROR;
    else
        d->out->low_watermark = d->p->log->start;
    deletions_finish(d->all);
}

static void delete_records(struct deletions *all, struct str topic, const struct wire_delete_records_partition *in,
                           struct wire_delete_records_partition_result *out)
{
    struct request *r = all->r;
    struct deletion *d;
    struct partition *p = topics_partition(r->b->topics, topic, in->partition);

    out->partition = in->partition;
    if (!request_may(r, ACL_DELETE, ACL_TOPIC, topic)) {
        out->error_code = KAFKA_TOPIC_AUTHORIZATION_FAILED;
        return;
    }
    if (!p) {
        out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        return;
    }
    if (in->offset < -1) {
        out->error_code = KAFKA_OFFSET_OUT_OF_RANGE;
        return;
    }
    d = ARENA_NEW(&r->arena, struct deletion);
    *d = (struct deletion){all, p, out};
    all->waiting++;
    if (partition_trim(p, in->offset == -1 ? p->log->durable.offset : in->offset, trimmed, d, NULL)) {
        all->waiting--;
        out->error_code = KAFKA_OFFSET_OUT_OF_RANGE;
    }
}

void api_delete_records(struct request *r)
{
    const struct wire_delete_records_request *in = r->body;
    struct wire_delete_records_response *response = RESPONSE_NEW(r, delete_records_response);
    struct deletions *all = ARENA_NEW(&r->arena, struct deletions);

    *all = (struct deletions){r, response, 1};
    RESPONSE_ITEMS(r, response->topics, delete_records_topic_result, in->topics.n > 0 ? in->topics.n : 0);
    for (int32_t i = 0; i < in->topics.n; i++) {
        const struct wire_delete_records_topic *t = &in->topics.p[i];
        struct wire_delete_records_topic_result *out = &response->topics.p[i];

        out->name = t->name;
        RESPONSE_ITEMS(r, out->partitions, delete_records_partition_result, t->partitions.n > 0 ? t->partitions.n : 0);
        for (int32_t k = 0; k < t->partitions.n; k++)
            delete_records(all, t->name, &t->partitions.p[k], &out->partitions.p[k]);
    }
    deletions_finish(all);
}
