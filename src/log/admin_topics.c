/*
 * What the tools ask and change about topics: the cluster, creating, deleting, growing, trimming, configurations.
 */
#include "log/client.h"

#include <stdio.h>
#include <stdlib.h>

/* --- the cluster --------------------------------------------------------------------------------------------- */

static int32_t *copy_ids(struct arena *a, const int32_t *ids, int n)
{
    int32_t *out = ARENA_ARRAY(a, int32_t, (size_t)n + 1);

    if (n > 0)
        memcpy(out, ids, (size_t)n * sizeof(*out));
    return out;
}

static int by_id(const void *a, const void *b)
{
    const struct log_partition *x = a, *y = b;

    return (x->id > y->id) - (x->id < y->id);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct log_topic *)a)->name, ((const struct log_topic *)b)->name);
}

static void take_topic(struct log_cluster *out, const struct rd_kafka_metadata_topic *from)
{
    struct log_topic *t = &out->topics[out->n_topics];

    if (from->err && from->err != RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE)
        return;
    out->n_topics++;
    t->name = arena_strdup(&out->arena, from->topic);
    t->internal = strncmp(t->name, "__", 2) == 0;
    t->n = (size_t)from->partition_cnt;
    t->partitions = ARENA_ARRAY(&out->arena, struct log_partition, t->n + 1);
    for (size_t i = 0; i < t->n; i++) {
        const struct rd_kafka_metadata_partition *p = &from->partitions[i];

        t->partitions[i] = (struct log_partition){
            .id = p->id,
            .leader = p->leader,
            .replicas = copy_ids(&out->arena, p->replicas, p->replica_cnt),
            .in_sync = copy_ids(&out->arena, p->isrs, p->isr_cnt),
            .n_replicas = (size_t)p->replica_cnt,
            .n_in_sync = (size_t)p->isr_cnt,
        };
    }
    qsort(t->partitions, t->n, sizeof(*t->partitions), by_id);
}

enum ig_code log_cluster_read(struct log_client *c, struct log_cluster *out, struct error *err)
{
    const struct rd_kafka_metadata *md = NULL;
    rd_kafka_resp_err_t e;
    rd_kafka_t *rk;

    *out = (struct log_cluster){.controller = -1};
    arena_init(&out->arena);
    IG_TRY(log_admin_handle(c, &rk, err));
    e = log_ask_metadata(c, rk, &md);
    if (e)
        return log_fail(err, e, "%s does not answer", c->bootstrap);
    out->n_brokers = (size_t)md->broker_cnt;
    out->brokers = ARENA_ARRAY(&out->arena, struct log_broker, out->n_brokers + 1);
    for (size_t i = 0; i < out->n_brokers; i++)
        out->brokers[i] =
            (struct log_broker){md->brokers[i].id, arena_strdup(&out->arena, md->brokers[i].host), md->brokers[i].port};
    out->topics = ARENA_ARRAY(&out->arena, struct log_topic, (size_t)md->topic_cnt + 1);
    for (int i = 0; i < md->topic_cnt; i++)
        take_topic(out, &md->topics[i]);
    qsort(out->topics, out->n_topics, sizeof(*out->topics), by_name);
    out->controller = rd_kafka_controllerid(rk, 0);
    rd_kafka_metadata_destroy(md);
    return IG_OK;
}

void log_cluster_free(struct log_cluster *cluster)
{
    arena_release(&cluster->arena);
    *cluster = (struct log_cluster){0};
}

const struct log_topic *log_cluster_topic(const struct log_cluster *cluster, const char *name)
{
    for (size_t i = 0; i < cluster->n_topics; i++)
        if (strcmp(cluster->topics[i].name, name) == 0)
            return &cluster->topics[i];
    return NULL;
}

/* --- creating, deleting, growing ------------------------------------------------------------------------------- */

/* The results of CreateTopics, DeleteTopics and CreatePartitions look alike; each is about one topic here. */
static enum ig_code topic_result(const rd_kafka_topic_result_t **results, const size_t *n, const char *what,
                                 struct error *err)
{
    const char *why;
    rd_kafka_resp_err_t e;

    if (!results || *n != 1)
        return error_set(err, IG_CORRUPT, "%s: the answer is about %zu topics", what, *n);
    e = rd_kafka_topic_result_error(results[0]);
    why = rd_kafka_topic_result_error_string(results[0]);
    return e ? error_set(err, log_code(e), "%s: %s", what, why && *why ? why : rd_kafka_err2str(e)) : IG_OK;
}

enum ig_code log_topic_create(struct log_client *c, const char *name, int32_t partitions, int32_t replicas,
                              const struct log_setting *settings, size_t n_settings, struct error *err)
{
    char text[512], what[300];
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(name, partitions, replicas, text, sizeof(text));
    struct log_question q = {0};
    size_t n = 0;
    enum ig_code rc;

    snprintf(what, sizeof(what), "create topic %s", name);
    if (!topic)
        return error_set(err, IG_INVALID, "%s: %s", what, text);
    for (size_t i = 0; i < n_settings; i++)
        rd_kafka_NewTopic_set_config(topic, settings[i].name, settings[i].value);
    rc = log_question_begin(c, RD_KAFKA_ADMIN_OP_CREATETOPICS, &q, err);
    if (rc == IG_OK) {
        rd_kafka_CreateTopics(q.rk, &topic, 1, q.options, q.queue);
        rc = log_question_wait(&q, what, err);
    }
    if (rc == IG_OK) {
        const rd_kafka_CreateTopics_result_t *r = rd_kafka_event_CreateTopics_result(q.event);

        rc = topic_result(r ? rd_kafka_CreateTopics_result_topics(r, &n) : NULL, &n, what, err);
    }
    log_question_end(&q);
    rd_kafka_NewTopic_destroy(topic);
    return rc;
}

enum ig_code log_topic_delete(struct log_client *c, const char *name, struct error *err)
{
    rd_kafka_DeleteTopic_t *topic = rd_kafka_DeleteTopic_new(name);
    struct log_question q;
    char what[300];
    size_t n = 0;
    enum ig_code rc = log_question_begin(c, RD_KAFKA_ADMIN_OP_DELETETOPICS, &q, err);

    snprintf(what, sizeof(what), "delete topic %s", name);
    if (rc == IG_OK) {
        rd_kafka_DeleteTopics(q.rk, &topic, 1, q.options, q.queue);
        rc = log_question_wait(&q, what, err);
    }
    if (rc == IG_OK) {
        const rd_kafka_DeleteTopics_result_t *r = rd_kafka_event_DeleteTopics_result(q.event);

        rc = topic_result(r ? rd_kafka_DeleteTopics_result_topics(r, &n) : NULL, &n, what, err);
    }
    log_question_end(&q);
    rd_kafka_DeleteTopic_destroy(topic);
    return rc;
}

enum ig_code log_topic_add_partitions(struct log_client *c, const char *name, int32_t total, struct error *err)
{
    char text[512], what[300];
    rd_kafka_NewPartitions_t *more = rd_kafka_NewPartitions_new(name, (size_t)total, text, sizeof(text));
    struct log_question q = {0};
    size_t n = 0;
    enum ig_code rc;

    snprintf(what, sizeof(what), "add partitions to %s", name);
    if (!more)
        return error_set(err, IG_INVALID, "%s: %s", what, text);
    rc = log_question_begin(c, RD_KAFKA_ADMIN_OP_CREATEPARTITIONS, &q, err);
    if (rc == IG_OK) {
        rd_kafka_CreatePartitions(q.rk, &more, 1, q.options, q.queue);
        rc = log_question_wait(&q, what, err);
    }
    if (rc == IG_OK) {
        const rd_kafka_CreatePartitions_result_t *r = rd_kafka_event_CreatePartitions_result(q.event);

        rc = topic_result(r ? rd_kafka_CreatePartitions_result_topics(r, &n) : NULL, &n, what, err);
    }
    log_question_end(&q);
    rd_kafka_NewPartitions_destroy(more);
    return rc;
}

/* --- trimming ------------------------------------------------------------------------------------------------ */

static enum ig_code trim_result(const rd_kafka_topic_partition_list_t *list, struct log_position *before, size_t n,
                                struct error *err)
{
    for (size_t i = 0; i < n; i++) {
        rd_kafka_topic_partition_t *p = NULL;

        for (int k = 0; list && k < list->cnt; k++)
            if (list->elems[k].partition == before[i].partition && strcmp(list->elems[k].topic, before[i].topic) == 0)
                p = &list->elems[k];
        if (!p || p->err)
            return log_fail(err, p ? p->err : RD_KAFKA_RESP_ERR__BAD_MSG, "trim %s/%d", before[i].topic,
                            before[i].partition);
        before[i].offset = p->offset;
    }
    return IG_OK;
}

enum ig_code log_topic_trim(struct log_client *c, struct log_position *before, size_t n, struct error *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)n);
    rd_kafka_DeleteRecords_t *records;
    struct log_question q;
    enum ig_code rc;

    for (size_t i = 0; i < n; i++)
        rd_kafka_topic_partition_list_add(list, before[i].topic, before[i].partition)->offset = before[i].offset;
    records = rd_kafka_DeleteRecords_new(list);
    rc = log_question_begin(c, RD_KAFKA_ADMIN_OP_DELETERECORDS, &q, err);
    if (rc == IG_OK) {
        rd_kafka_DeleteRecords(q.rk, &records, 1, q.options, q.queue);
        rc = log_question_wait(&q, "trim", err);
    }
    if (rc == IG_OK) {
        const rd_kafka_DeleteRecords_result_t *r = rd_kafka_event_DeleteRecords_result(q.event);

        rc = trim_result(r ? rd_kafka_DeleteRecords_result_offsets(r) : NULL, before, n, err);
    }
    log_question_end(&q);
    rd_kafka_DeleteRecords_destroy(records);
    rd_kafka_topic_partition_list_destroy(list);
    return rc;
}

/* --- configurations ------------------------------------------------------------------------------------------ */

static const char *source_name(rd_kafka_ConfigSource_t source)
{
    switch ((int)source) {
    case RD_KAFKA_CONFIG_SOURCE_DYNAMIC_TOPIC_CONFIG:
        return "topic";
    case RD_KAFKA_CONFIG_SOURCE_DYNAMIC_BROKER_CONFIG:
        return "broker";
    case RD_KAFKA_CONFIG_SOURCE_DYNAMIC_DEFAULT_BROKER_CONFIG:
        return "cluster";
    case RD_KAFKA_CONFIG_SOURCE_STATIC_BROKER_CONFIG:
        return "broker's file";
    case RD_KAFKA_CONFIG_SOURCE_DEFAULT_CONFIG:
        return "default";
    default:
        return "unknown";
    }
}

static int by_config_name(const void *a, const void *b)
{
    return strcmp(((const struct log_config *)a)->name, ((const struct log_config *)b)->name);
}

static void take_configs(struct arena *a, const rd_kafka_ConfigResource_t *from, struct log_configs *out)
{
    size_t n = 0;
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(from, &n);
    const rd_kafka_resp_err_t e = rd_kafka_ConfigResource_error(from);

    out->topic = arena_strdup(a, rd_kafka_ConfigResource_name(from));
    out->error.code = IG_OK;
    if (e) {
        const char *why = rd_kafka_ConfigResource_error_string(from);

        error_set(&out->error, log_code(e), "configuration of %s: %s", out->topic, why ? why : rd_kafka_err2str(e));
        return;
    }
    out->p = ARENA_ARRAY(a, struct log_config, n + 1);
    out->n = n;
    for (size_t i = 0; i < n; i++) {
        const char *value = rd_kafka_ConfigEntry_value(entries[i]);
        const rd_kafka_ConfigSource_t source = rd_kafka_ConfigEntry_source(entries[i]);

        out->p[i] = (struct log_config){
            .name = arena_strdup(a, rd_kafka_ConfigEntry_name(entries[i])),
            .value = value ? arena_strdup(a, value) : NULL,
            .source = source_name(source),
            .set = source == RD_KAFKA_CONFIG_SOURCE_DYNAMIC_TOPIC_CONFIG,
            .read_only = rd_kafka_ConfigEntry_is_read_only(entries[i]) == 1,
            .secret = rd_kafka_ConfigEntry_is_sensitive(entries[i]) == 1,
        };
    }
    qsort(out->p, n, sizeof(*out->p), by_config_name);
}

static enum ig_code describe_result(struct log_question *q, struct arena *arena, const char *const *topics, size_t n,
                                    struct log_configs *out, struct error *err)
{
    const rd_kafka_DescribeConfigs_result_t *r = rd_kafka_event_DescribeConfigs_result(q->event);
    size_t n_results = 0;
    const rd_kafka_ConfigResource_t **results = r ? rd_kafka_DescribeConfigs_result_resources(r, &n_results) : NULL;

    for (size_t i = 0; i < n; i++) {
        size_t k = 0;

        while (k < n_results && strcmp(rd_kafka_ConfigResource_name(results[k]), topics[i]) != 0)
            k++;
        if (k == n_results)
            return error_set(err, IG_CORRUPT, "configuration of %s: not in the answer", topics[i]);
        take_configs(arena, results[k], &out[i]);
    }
    return IG_OK;
}

enum ig_code log_configs_read(struct log_client *c, struct arena *arena, const char *const *topics, size_t n,
                              struct log_configs *out, struct error *err)
{
    rd_kafka_ConfigResource_t **resources = check_calloc(n + 1, sizeof(rd_kafka_ConfigResource_t *));
    struct log_question q = {0};
    enum ig_code rc = IG_OK;

    memset(out, 0, n * sizeof(*out));
    for (size_t i = 0; i < n; i++)
        resources[i] = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topics[i]);
    if (n > 0)
        rc = log_question_begin(c, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, &q, err);
    if (rc == IG_OK && n > 0) {
        rd_kafka_DescribeConfigs(q.rk, resources, n, q.options, q.queue);
        rc = log_question_wait(&q, "read configurations", err);
    }
    if (rc == IG_OK && n > 0)
        rc = describe_result(&q, arena, topics, n, out, err);
    log_question_end(&q);
    rd_kafka_ConfigResource_destroy_array(resources, n);
    free(resources);
    return rc;
}

static const struct log_setting *setting_of(const struct log_setting *settings, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(settings[i].name, name) == 0)
            return &settings[i];
    return NULL;
}

static enum ig_code alter(struct log_client *c, rd_kafka_ConfigResource_t *resource, struct error *err)
{
    const char *name = rd_kafka_ConfigResource_name(resource);
    struct log_question q;
    char what[300];
    enum ig_code rc = log_question_begin(c, RD_KAFKA_ADMIN_OP_ALTERCONFIGS, &q, err);

    snprintf(what, sizeof(what), "change the configuration of %s", name);
    if (rc == IG_OK) {
        rd_kafka_AlterConfigs(q.rk, &resource, 1, q.options, q.queue);
        rc = log_question_wait(&q, what, err);
    }
    if (rc == IG_OK) {
        const rd_kafka_AlterConfigs_result_t *r = rd_kafka_event_AlterConfigs_result(q.event);
        size_t n = 0;
        const rd_kafka_ConfigResource_t **results = r ? rd_kafka_AlterConfigs_result_resources(r, &n) : NULL;
        const rd_kafka_resp_err_t e = n == 1 ? rd_kafka_ConfigResource_error(results[0]) : RD_KAFKA_RESP_ERR__BAD_MSG;
        const char *why = n == 1 ? rd_kafka_ConfigResource_error_string(results[0]) : NULL;

        if (e)
            rc = error_set(err, log_code(e), "%s: %s", what, why && *why ? why : rd_kafka_err2str(e));
    }
    log_question_end(&q);
    return rc;
}

/* librdkafka 2.0 only knows the request that replaces everything that is set, so what is set goes along. */
enum ig_code log_configs_alter(struct log_client *c, const char *topic, const struct log_setting *settings, size_t n,
                               struct error *err)
{
    rd_kafka_ConfigResource_t *resource = NULL;
    struct log_configs now = {0};
    struct arena arena;
    enum ig_code rc;

    arena_init(&arena);
    rc = log_configs_read(c, &arena, &topic, 1, &now, err);
    if (rc == IG_OK && now.error.code)
        rc = error_set(err, now.error.code, "%s", now.error.msg);
    if (rc != IG_OK)
        goto out;
    resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    for (size_t i = 0; i < now.n; i++) {
        if (!now.p[i].set || setting_of(settings, n, now.p[i].name))
            continue;
        if (!now.p[i].value) {
            rc = error_set(err, IG_UNSUPPORTED, "%s: %s is a secret, which changing another one would lose", topic,
                           now.p[i].name);
            goto out;
        }
        rd_kafka_ConfigResource_set_config(resource, now.p[i].name, now.p[i].value);
    }
    for (size_t i = 0; i < n; i++)
        if (settings[i].value)
            rd_kafka_ConfigResource_set_config(resource, settings[i].name, settings[i].value);
    rc = alter(c, resource, err);
out:
    if (resource)
        rd_kafka_ConfigResource_destroy(resource);
    arena_release(&arena);
    return rc;
}
