/*
 * Questions to the cluster that the platform itself has: topics, watermarks, committed offsets. Those of the tools are
 * in admin_topics.c and admin_groups.c.
 */
#include "log/client.h"

#include <stdio.h>
#include <stdlib.h>

enum ig_code log_admin_handle(struct log_client *c, rd_kafka_t **out, struct error *err)
{
    enum ig_code rc = IG_OK;

    pthread_mutex_lock(&c->lock);
    if (!c->admin.rk) {
        rd_kafka_conf_t *conf;

        rc = log_conf_new(c, NULL, 0, &conf, err);
        if (rc == IG_OK)
            rc = log_handle_new(&c->admin, c->env, RD_KAFKA_CONSUMER, conf, err);
    }
    *out = c->admin.rk;
    pthread_mutex_unlock(&c->lock);
    return rc;
}

/* --- one question ------------------------------------------------------------------------------------------- */

enum ig_code log_question_begin(struct log_client *c, rd_kafka_admin_op_t op, struct log_question *q, struct error *err)
{
    char text[256];

    *q = (struct log_question){0};
    IG_TRY(log_admin_handle(c, &q->rk, err));
    q->options = rd_kafka_AdminOptions_new(q->rk, op);
    rd_kafka_AdminOptions_set_request_timeout(q->options, LOG_CALL_MS, text, sizeof(text));
    if (op == RD_KAFKA_ADMIN_OP_CREATETOPICS || op == RD_KAFKA_ADMIN_OP_DELETETOPICS ||
        op == RD_KAFKA_ADMIN_OP_CREATEPARTITIONS || op == RD_KAFKA_ADMIN_OP_DELETERECORDS)
        rd_kafka_AdminOptions_set_operation_timeout(q->options, LOG_CALL_MS / 2, text, sizeof(text));
    q->queue = rd_kafka_queue_new(q->rk);
    return IG_OK;
}

enum ig_code log_question_wait(struct log_question *q, const char *what, struct error *err)
{
    rd_kafka_resp_err_t e;

    q->event = rd_kafka_queue_poll(q->queue, LOG_CALL_MS + 5000);
    if (!q->event)
        return error_set(err, IG_UNAVAILABLE, "%s: no answer", what);
    e = rd_kafka_event_error(q->event);
    return e ? error_set(err, log_code(e), "%s: %s", what, rd_kafka_event_error_string(q->event)) : IG_OK;
}

void log_question_end(struct log_question *q)
{
    if (q->event)
        rd_kafka_event_destroy(q->event);
    if (q->queue)
        rd_kafka_queue_destroy(q->queue);
    if (q->options)
        rd_kafka_AdminOptions_destroy(q->options);
    *q = (struct log_question){0};
}

/* --- topics that have to be there -------------------------------------------------------------------------------- */

static enum ig_code topic_create(struct log_client *c, const struct log_topic_spec *spec, int32_t replicas,
                                 struct error *err)
{
    char retention[24];
    const struct log_setting settings[] = {
        {"retention.ms", retention},
        {"cleanup.policy", !spec->compact     ? "delete"
                           : spec->and_delete ? "compact,delete"
                                              : "compact"},
        /* A cluster's own default is 1 MB: what the log inside takes, a cluster shall take, too. */
        {"max.message.bytes", LOG_MESSAGE_MAX_BYTES},
    };

    snprintf(retention, sizeof(retention), "%lld", (long long)spec->retention_ms);
    return log_topic_create(c, spec->name, spec->partitions, replicas, settings, IG_COUNT(settings), err);
}

enum ig_code log_topic_ensure(struct log_client *c, const struct log_topic_spec *spec, struct error *err)
{
    const int64_t until = env_monotonic_ms(c->env) + LOG_CALL_MS;
    enum ig_code rc;
    int32_t n;

    rc = log_topic_partitions(c, spec->name, &n, err);
    if (rc != IG_NOT_FOUND)
        return rc;
    rc = topic_create(c, spec, -1, err);
    if (rc == IG_INVALID || rc == IG_UNSUPPORTED) /* a cluster before 2.4 has no default replication factor */
        rc = topic_create(c, spec, 1, err);
    if (rc != IG_OK && rc != IG_EXISTS)
        return rc;
    /* The controller knows it; wait until the brokers that we ask know it, too. */
    for (;;) {
        rc = log_topic_partitions(c, spec->name, &n, err);
        if (rc != IG_NOT_FOUND || env_monotonic_ms(c->env) >= until)
            return rc;
        env_sleep_ms(c->env, 20);
    }
}

/* --- questions ----------------------------------------------------------------------------------------------- */

rd_kafka_resp_err_t log_ask_metadata(struct log_client *c, rd_kafka_t *rk, const struct rd_kafka_metadata **out)
{
    const int64_t until = env_monotonic_ms(c->env) + c->patience_ms;
    rd_kafka_resp_err_t e;
    int wait_ms = 500;

    c->admin.refused = RD_KAFKA_RESP_ERR_NO_ERROR;
    do {
        wait_ms *= 2; /* so that a slow cluster can answer, too */
        e = rd_kafka_metadata(rk, 1, NULL, out, wait_ms);
        (void)rd_kafka_poll(rk, 0);
        if (e && c->admin.refused)
            return c->admin.refused;
    } while ((e == RD_KAFKA_RESP_ERR__TIMED_OUT || e == RD_KAFKA_RESP_ERR__TRANSPORT) &&
             env_monotonic_ms(c->env) + wait_ms < until);
    return e;
}

enum ig_code log_topic_partitions(struct log_client *c, const char *topic, int32_t *out, struct error *err)
{
    const struct rd_kafka_metadata *md = NULL;
    rd_kafka_resp_err_t e;
    enum ig_code rc = IG_NOT_FOUND;
    rd_kafka_t *rk;

    *out = 0;
    IG_TRY(log_admin_handle(c, &rk, err));
    /* All topics, since a question about one would create it where the cluster creates topics by use. */
    e = log_ask_metadata(c, rk, &md);
    if (e)
        return log_fail(err, e, "topic %s: %s does not answer", topic, c->bootstrap);
    for (int i = 0; i < md->topic_cnt; i++) {
        const struct rd_kafka_metadata_topic *t = &md->topics[i];

        if (strcmp(t->topic, topic) != 0)
            continue;
        if (t->err == RD_KAFKA_RESP_ERR_NO_ERROR && t->partition_cnt > 0) {
            *out = t->partition_cnt;
            rc = IG_OK;
        } else if (t->err && t->err != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART &&
                   t->err != RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE) {
            rc = log_fail(err, t->err, "topic %s", topic);
        }
    }
    rd_kafka_metadata_destroy(md);
    if (rc == IG_NOT_FOUND)
        return error_set(err, IG_NOT_FOUND, "topic %s: not in the log at %s", topic, c->bootstrap);
    return rc;
}

enum ig_code log_watermarks(struct log_client *c, const char *topic, int32_t partition, int64_t *low, int64_t *high,
                            struct error *err)
{
    rd_kafka_resp_err_t e;
    rd_kafka_t *rk;

    *low = *high = 0;
    IG_TRY(log_admin_handle(c, &rk, err));
    e = rd_kafka_query_watermark_offsets(rk, topic, partition, low, high, LOG_CALL_MS);
    return e ? log_fail(err, e, "watermarks of %s/%d", topic, partition) : IG_OK;
}

enum ig_code log_offsets_find(struct log_client *c, struct log_position *positions, size_t n, struct error *err)
{
    rd_kafka_topic_partition_list_t *list;
    rd_kafka_resp_err_t e;
    rd_kafka_t *rk;
    enum ig_code rc = IG_OK;

    if (n == 0)
        return IG_OK;
    IG_TRY(log_admin_handle(c, &rk, err));
    list = rd_kafka_topic_partition_list_new((int)n);
    for (size_t i = 0; i < n; i++)
        rd_kafka_topic_partition_list_add(list, positions[i].topic, positions[i].partition)->offset =
            positions[i].offset;
    e = rd_kafka_offsets_for_times(rk, list, LOG_CALL_MS);
    if (e)
        rc = log_fail(err, e, "offsets of %zu partitions", n);
    for (size_t i = 0; i < n && rc == IG_OK; i++) {
        const rd_kafka_topic_partition_t *p =
            rd_kafka_topic_partition_list_find(list, positions[i].topic, positions[i].partition);

        if (!p || p->err)
            rc = log_fail(err, p ? p->err : RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, "offsets of %s/%d",
                          positions[i].topic, positions[i].partition);
        else
            positions[i].offset = p->offset < 0 ? -1 : p->offset;
    }
    rd_kafka_topic_partition_list_destroy(list);
    return rc;
}

enum ig_code log_committed(struct log_client *c, const char *group, const char *topic, int32_t partition, int64_t *out,
                           struct error *err)
{
    rd_kafka_topic_partition_list_t *list;
    rd_kafka_resp_err_t e;
    enum ig_code rc = IG_OK;

    *out = -1;
    pthread_mutex_lock(&c->lock);
    if (c->offsets_group && strcmp(c->offsets_group, group) != 0) {
        log_handle_free(&c->offsets);
        free(c->offsets_group);
        c->offsets_group = NULL;
    }
    if (!c->offsets.rk) {
        const struct log_setting settings[] = {{"group.id", group}, {"enable.auto.commit", "false"}};
        rd_kafka_conf_t *conf;

        rc = log_conf_new(c, settings, IG_COUNT(settings), &conf, err);
        if (rc == IG_OK)
            rc = log_handle_new(&c->offsets, c->env, RD_KAFKA_CONSUMER, conf, err);
        if (rc == IG_OK)
            c->offsets_group = check_strdup(group);
    }
    if (rc == IG_OK) {
        list = rd_kafka_topic_partition_list_new(1);
        rd_kafka_topic_partition_list_add(list, topic, partition);
        e = rd_kafka_committed(c->offsets.rk, list, LOG_CALL_MS);
        if (!e)
            e = list->elems[0].err;
        if (e)
            rc = log_fail(err, e, "committed offset of %s for %s/%d", group, topic, partition);
        else if (list->elems[0].offset >= 0)
            *out = list->elems[0].offset;
        rd_kafka_topic_partition_list_destroy(list);
    }
    pthread_mutex_unlock(&c->lock);
    return rc;
}
