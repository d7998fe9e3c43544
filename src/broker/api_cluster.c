/*
 * What tools ask of a cluster as a whole: log folders, the quorum, features, and moving replicas, of which one node has
 * nothing to move.
 */
#include "broker/admin.h"

#include <stdlib.h>

#define METADATA_TOPIC "__cluster_metadata"

/* --- DescribeLogDirs -------------------------------------------------------------------------------------------- */

static void add_size(const struct topic *t, int32_t partition, struct wire_log_dirs_topic_result *out)
{
    struct wire_log_dirs_partition_result *p = &out->partitions.p[out->partitions.n];

    if (partition < 0 || (size_t)partition >= t->partitions.n)
        return;
    p->partition = partition;
    p->size = plog_size(t->partitions.p[partition]->log);
    out->partitions.n++;
}

static void log_dirs_all(struct request *r, struct wire_log_dirs_result *dir)
{
    size_t n;
    struct topic **all = topics_sorted(r->b->topics, &n);

    RESPONSE_ITEMS(r, dir->topics, log_dirs_topic_result, n);
    for (size_t i = 0; i < n; i++) {
        struct wire_log_dirs_topic_result *t = &dir->topics.p[i];

        t->name = str_of(arena_strdup(&r->arena, all[i]->name));
        RESPONSE_ITEMS(r, t->partitions, log_dirs_partition_result, all[i]->partitions.n);
        t->partitions.n = 0;
        for (size_t k = 0; k < all[i]->partitions.n; k++)
            add_size(all[i], (int32_t)k, t);
    }
    free(all);
}

static void log_dirs_named(struct request *r, const struct wire_log_dirs_request *in, struct wire_log_dirs_result *dir)
{
    RESPONSE_ITEMS(r, dir->topics, log_dirs_topic_result, in->topics.n);
    dir->topics.n = 0;
    for (int32_t i = 0; i < in->topics.n; i++) {
        const struct topic *topic = topics_find(r->b->topics, in->topics.p[i].topic);
        const struct wire_int32s *wanted = &in->topics.p[i].partitions;
        struct wire_log_dirs_topic_result *t = &dir->topics.p[dir->topics.n];

        if (!topic || wanted->n <= 0)
            continue;
        t->name = in->topics.p[i].topic;
        RESPONSE_ITEMS(r, t->partitions, log_dirs_partition_result, wanted->n);
        t->partitions.n = 0;
        for (int32_t k = 0; k < wanted->n; k++)
            add_size(topic, wanted->p[k], t);
        dir->topics.n += t->partitions.n > 0;
    }
}

void api_describe_log_dirs(struct request *r)
{
    const struct wire_log_dirs_request *in = r->body;
    struct wire_log_dirs_response *response = RESPONSE_NEW(r, log_dirs_response);
    struct wire_log_dirs_result *dir;

    if (!request_may_cluster(r, ACL_DESCRIBE)) {
        response->error_code = KAFKA_CLUSTER_AUTHORIZATION_FAILED;
        request_answer(r, response);
        return;
    }
    RESPONSE_ITEMS(r, response->results, log_dirs_result, 1);
    dir = &response->results.p[0];
    dir->log_dir = str_of(r->b->dir);
    if (in->topics.n < 0)
        log_dirs_all(r, dir);
    else
        log_dirs_named(r, in, dir);
    request_answer(r, response);
}

void api_alter_replica_log_dirs(struct request *r)
{
    const struct wire_replica_log_dirs_request *in = r->body;
    struct wire_replica_log_dirs_response *response = RESPONSE_NEW(r, replica_log_dirs_response);
    const bool may = request_may_cluster(r, ACL_ALTER);
    int32_t n = 0;

    for (int32_t i = 0; i < in->dirs.n; i++)
        n += in->dirs.p[i].topics.n > 0 ? in->dirs.p[i].topics.n : 0;
    RESPONSE_ITEMS(r, response->topics, replica_log_dir_topic, n);
    n = 0;
    for (int32_t i = 0; i < in->dirs.n; i++) {
        const bool here = str_is(in->dirs.p[i].path, r->b->dir);

        for (int32_t k = 0; k < in->dirs.p[i].topics.n; k++) {
            const struct wire_named_partitions *t = &in->dirs.p[i].topics.p[k];
            struct wire_replica_log_dir_topic *out = &response->topics.p[n++];

            out->topic = t->topic;
            RESPONSE_ITEMS(r, out->partitions, replica_log_dir_partition, t->partitions.n > 0 ? t->partitions.n : 0);
            for (int32_t j = 0; j < out->partitions.n; j++) {
                out->partitions.p[j].partition = t->partitions.p[j];
                if (!may)
                    out->partitions.p[j].error_code = KAFKA_CLUSTER_AUTHORIZATION_FAILED;
                else if (!topics_partition(r->b->topics, t->topic, t->partitions.p[j]))
                    out->partitions.p[j].error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
                else if (!here)
                    out->partitions.p[j].error_code = KAFKA_LOG_DIR_NOT_FOUND;
            }
        }
    }
    request_answer(r, response);
}

/* --- ElectLeaders: the one replica leads already --------------------------------------------------------------------
 */

static void elect(struct request *r, const struct wire_named_partitions *t, struct wire_topic_outcome *out)
{
    out->topic = t->topic;
    RESPONSE_ITEMS(r, out->partitions, partition_outcome, t->partitions.n > 0 ? t->partitions.n : 0);
    for (int32_t i = 0; i < out->partitions.n; i++) {
        struct wire_partition_outcome *p = &out->partitions.p[i];

        p->partition = t->partitions.p[i];
        p->error_code = KAFKA_ELECTION_NOT_NEEDED;
        p->error_message = STR("there is one replica, and it leads");
        if (!topics_partition(r->b->topics, t->topic, p->partition)) {
            p->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
            p->error_message = STR("there is no such partition");
        }
    }
}

void api_elect_leaders(struct request *r)
{
    const struct wire_elect_leaders_request *in = r->body;
    struct wire_elect_leaders_response *response = RESPONSE_NEW(r, elect_leaders_response);

    if (!request_may_cluster(r, ACL_ALTER))
        response->error_code = KAFKA_CLUSTER_AUTHORIZATION_FAILED;
    else if (in->election_type != 0 && in->election_type != 1)
        response->error_code = KAFKA_INVALID_REQUEST;
    else if (in->topics.n > 0) {
        RESPONSE_ITEMS(r, response->topics, topic_outcome, in->topics.n);
        for (int32_t i = 0; i < in->topics.n; i++)
            elect(r, &in->topics.p[i], &response->topics.p[i]);
    } /* for all partitions: those that needed no election are left out */
    request_answer(r, response);
}

/* --- partition reassignments ----------------------------------------------------------------------------------------
 */

static void reassign(struct request *r, struct str topic, const struct wire_reassign_partition *in,
                     struct wire_partition_outcome *out)
{
    out->partition = in->partition;
    if (!topics_partition(r->b->topics, topic, in->partition)) {
        out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        out->error_message = STR("there is no such partition");
    } else if (in->replicas.n < 0) {
        out->error_code = KAFKA_NO_REASSIGNMENT_IN_PROGRESS;
        out->error_message = STR("nothing is being moved");
    } else if (in->replicas.n != 1 || in->replicas.p[0] != NODE_ID) {
        out->error_code = KAFKA_INVALID_REPLICA_ASSIGNMENT;
        out->error_message = STR("there is one broker, and it has every replica");
    }
}

void api_alter_partition_reassignments(struct request *r)
{
    const struct wire_reassign_request *in = r->body;
    struct wire_reassign_response *response = RESPONSE_NEW(r, reassign_response);

    response->may_change_factor = in->may_change_factor;
    if (!request_may_cluster(r, ACL_ALTER)) {
        response->error_code = KAFKA_CLUSTER_AUTHORIZATION_FAILED;
        request_answer(r, response);
        return;
    }
    RESPONSE_ITEMS(r, response->topics, topic_outcome, in->topics.n > 0 ? in->topics.n : 0);
    for (int32_t i = 0; i < response->topics.n; i++) {
        const struct wire_reassign_topic *t = &in->topics.p[i];
        struct wire_topic_outcome *out = &response->topics.p[i];

        out->topic = t->name;
        RESPONSE_ITEMS(r, out->partitions, partition_outcome, t->partitions.n > 0 ? t->partitions.n : 0);
        for (int32_t k = 0; k < out->partitions.n; k++)
            reassign(r, t->name, &t->partitions.p[k], &out->partitions.p[k]);
    }
    request_answer(r, response);
}

void api_list_partition_reassignments(struct request *r)
{
    struct wire_reassignments_response *response = RESPONSE_NEW(r, reassignments_response);

    if (!request_may_cluster(r, ACL_DESCRIBE))
        response->error_code = KAFKA_CLUSTER_AUTHORIZATION_FAILED;
    request_answer(r, response); /* none is ever under way */
}

/* --- UpdateFeatures: the features are what they are ------------------------------------------------------------------
 */

void api_update_features(struct request *r)
{
    const struct wire_update_features_request *in = r->body;
    struct wire_update_features_response *response = RESPONSE_NEW(r, update_features_response);

    if (!request_may_cluster(r, ACL_ALTER)) {
        response->error_code = KAFKA_CLUSTER_AUTHORIZATION_FAILED;
        request_answer(r, response);
        return;
    }
    RESPONSE_ITEMS(r, response->results, feature_outcome, in->updates.n > 0 ? in->updates.n : 0);
    for (int32_t i = 0; i < response->results.n; i++) {
        const struct wire_feature_update *u = &in->updates.p[i];
        struct wire_feature_outcome *out = &response->results.p[i];

        out->feature = u->feature;
        if (feature_level(u->feature) == u->max_version_level)
            continue;
        out->error_code = response->error_code = KAFKA_INVALID_UPDATE_VERSION;
        out->error_message = response->error_message = STR("the levels of features come with the program");
    }
    if (r->version < 2) {
        response->error_code = KAFKA_OK;
        response->error_message = (struct str){NULL, 0};
    }
    request_answer(r, response);
}

/* --- DescribeQuorum: one voter, which leads
 * --------------------------------------------------------------------------- */

static void quorum_partition(struct request *r, struct str topic, int32_t partition,
                             struct wire_quorum_partition_result *out)
{
    out->partition = partition;
    if (!str_is(topic, METADATA_TOPIC) || partition != 0) {
        out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        out->leader_id = -1;
        return;
    }
    out->leader_id = NODE_ID;
    out->leader_epoch = LEADER_EPOCH + 1;
    RESPONSE_ITEMS(r, out->voters, quorum_replica, 1);
    out->voters.p[0].replica_id = NODE_ID;
    out->voters.p[0].last_fetch_ms = out->voters.p[0].last_caught_up_ms = env_now_ms(r->b->env);
}

void api_describe_quorum(struct request *r)
{
    const struct wire_describe_quorum_request *in = r->body;
    struct wire_describe_quorum_response *response = RESPONSE_NEW(r, describe_quorum_response);
    int32_t port;

    if (!request_may_cluster(r, ACL_DESCRIBE)) {
        response->error_code = KAFKA_CLUSTER_AUTHORIZATION_FAILED;
        request_answer(r, response);
        return;
    }
    RESPONSE_ITEMS(r, response->topics, quorum_topic_result, in->topics.n > 0 ? in->topics.n : 0);
    for (int32_t i = 0; i < response->topics.n; i++) {
        const struct wire_quorum_topic *t = &in->topics.p[i];
        struct wire_quorum_topic_result *out = &response->topics.p[i];

        out->topic = t->topic;
        RESPONSE_ITEMS(r, out->partitions, quorum_partition_result, t->partitions.n > 0 ? t->partitions.n : 0);
        for (int32_t k = 0; k < out->partitions.n; k++)
            quorum_partition(r, t->topic, t->partitions.p[k].partition, &out->partitions.p[k]);
    }
    RESPONSE_ITEMS(r, response->nodes, quorum_node, 1);
    response->nodes.p[0].node_id = NODE_ID;
    RESPONSE_ITEMS(r, response->nodes.p[0].listeners, quorum_listener, 1);
    response->nodes.p[0].listeners.p[0].name = STR("CONTROLLER");
    request_address(r, &response->nodes.p[0].listeners.p[0].host, &port);
    response->nodes.p[0].listeners.p[0].port = (int16_t)(uint16_t)port;
    request_answer(r, response);
}
