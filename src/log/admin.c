/*
 * Questions to the cluster that need neither a producer nor a consumer: topics, watermarks, committed offsets.
 */
#include "log/client.h"

#include <stdio.h>
#include <stdlib.h>

/* The handle for questions; librdkafka's handles may be used by several threads at once. */
static enum ig_code admin_handle(struct log_client *c, rd_kafka_t **out, struct error *err)
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

/* --- creating topics ----------------------------------------------------------------------------------------- */

/* The result of a CreateTopics of one topic. */
static rd_kafka_resp_err_t create_result(rd_kafka_event_t *event, char *text, size_t n_text)
{
    const rd_kafka_CreateTopics_result_t *result = rd_kafka_event_CreateTopics_result(event);
    const rd_kafka_topic_result_t **topics;
    rd_kafka_resp_err_t e = rd_kafka_event_error(event);
    size_t n = 0;

    snprintf(text, n_text, "%s", e ? rd_kafka_event_error_string(event) : "");
    if (e || !result)
        return e ? e : RD_KAFKA_RESP_ERR__BAD_MSG;
    topics = rd_kafka_CreateTopics_result_topics(result, &n);
    if (n != 1)
        return RD_KAFKA_RESP_ERR__BAD_MSG;
    e = rd_kafka_topic_result_error(topics[0]);
    if (e) {
        const char *why = rd_kafka_topic_result_error_string(topics[0]);

        snprintf(text, n_text, "%s", why ? why : rd_kafka_err2str(e));
    }
    return e;
}

static enum ig_code topic_create(rd_kafka_t *rk, const struct log_topic_spec *spec, int replicas, struct error *err)
{
    char text[512], retention[24];
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(spec->name, spec->partitions, replicas, text, sizeof(text));
    rd_kafka_AdminOptions_t *options;
    rd_kafka_queue_t *queue;
    rd_kafka_event_t *event;
    rd_kafka_resp_err_t e;

    if (!topic)
        return error_set(err, IG_INVALID, "topic %s: %s", spec->name, text);
    snprintf(retention, sizeof(retention), "%lld", (long long)spec->retention_ms);
    rd_kafka_NewTopic_set_config(topic, "retention.ms", retention);
    rd_kafka_NewTopic_set_config(topic, "cleanup.policy", spec->compact ? "compact" : "delete");
    /* A cluster's own default is 1 MB: what the log inside takes, a cluster shall take, too. */
    rd_kafka_NewTopic_set_config(topic, "max.message.bytes", LOG_MESSAGE_MAX_BYTES);
    options = rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_AdminOptions_set_request_timeout(options, LOG_CALL_MS, text, sizeof(text));
    rd_kafka_AdminOptions_set_operation_timeout(options, LOG_CALL_MS / 2, text, sizeof(text));
    queue = rd_kafka_queue_new(rk);
    rd_kafka_CreateTopics(rk, &topic, 1, options, queue);
    event = rd_kafka_queue_poll(queue, LOG_CALL_MS + 5000);
    if (event) {
        e = create_result(event, text, sizeof(text));
        rd_kafka_event_destroy(event);
    } else {
        e = RD_KAFKA_RESP_ERR__TIMED_OUT;
        snprintf(text, sizeof(text), "no answer");
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_NewTopic_destroy(topic);
    return e ? error_set(err, log_code(e), "create topic %s: %s", spec->name, text) : IG_OK;
}

enum ig_code log_topic_ensure(struct log_client *c, const struct log_topic_spec *spec, struct error *err)
{
    const int64_t until = env_monotonic_ms(c->env) + LOG_CALL_MS;
    rd_kafka_t *rk;
    enum ig_code rc;
    int32_t n;

    rc = log_topic_partitions(c, spec->name, &n, err);
    if (rc != IG_NOT_FOUND)
        return rc;
    IG_TRY(admin_handle(c, &rk, err));
    rc = topic_create(rk, spec, -1, err);
    if (rc == IG_INVALID || rc == IG_UNSUPPORTED) /* a cluster before 2.4 has no default replication factor */
        rc = topic_create(rk, spec, 1, err);
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

/* All topics. librdkafka goes on trying when the cluster refuses our password; then there is nothing to wait for. */
static rd_kafka_resp_err_t ask_metadata(struct log_client *c, rd_kafka_t *rk, const struct rd_kafka_metadata **out)
{
    const int64_t until = env_monotonic_ms(c->env) + LOG_CALL_MS;
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
    IG_TRY(admin_handle(c, &rk, err));
    /* All topics, since a question about one would create it where the cluster creates topics by use. */
    e = ask_metadata(c, rk, &md);
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
    IG_TRY(admin_handle(c, &rk, err));
    e = rd_kafka_query_watermark_offsets(rk, topic, partition, low, high, LOG_CALL_MS);
    return e ? log_fail(err, e, "watermarks of %s/%d", topic, partition) : IG_OK;
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
