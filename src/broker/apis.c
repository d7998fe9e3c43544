/*
 * The table of APIs: a request's number, the versions that are spoken, the first flexible one, and who answers it.
 */
#include "broker/broker_internal.h"

#define API(key, min, max, flexible, name, request, response) \
    {key, min, max, flexible, #name, &wire_type_##request, &wire_type_##response, api_##name}
#define NEVER 127

/* Produce claims version 0 although records of that age are refused: librdkafka takes it as the sign that compression
 * is understood. */
const struct api apis[] = {
    API(0, 0, 13, 9, produce, produce_request, produce_response),
    API(1, 4, 18, 12, fetch, fetch_request, fetch_response),
    API(2, 1, 11, 6, list_offsets, list_offsets_request, list_offsets_response),
    API(3, 0, 13, 9, metadata, metadata_request, metadata_response),
    API(8, 0, 10, 8, offset_commit, offset_commit_request, offset_commit_response),
    API(9, 0, 10, 6, offset_fetch, offset_fetch_request, offset_fetch_response),
    API(10, 0, 6, 3, find_coordinator, find_coordinator_request, find_coordinator_response),
    API(11, 0, 9, 6, join_group, join_group_request, join_group_response),
    API(12, 0, 4, 4, heartbeat, heartbeat_request, heartbeat_response),
    API(13, 0, 5, 4, leave_group, leave_group_request, leave_group_response),
    API(14, 0, 5, 4, sync_group, sync_group_request, sync_group_response),
    API(15, 0, 6, 5, describe_groups, describe_groups_request, describe_groups_response),
    API(16, 0, 5, 3, list_groups, list_groups_request, list_groups_response),
    API(18, 0, 4, 3, api_versions, api_versions_request, api_versions_response),
    API(19, 0, 7, 5, create_topics, create_topics_request, create_topics_response),
    API(20, 0, 6, 4, delete_topics, delete_topics_request, delete_topics_response),
    API(21, 0, 2, 2, delete_records, delete_records_request, delete_records_response),
    API(22, 0, 5, 2, init_producer_id, init_producer_id_request, init_producer_id_response),
    API(23, 0, 4, 4, offset_for_leader_epoch, epoch_request, epoch_response),
    API(24, 0, 5, 3, add_partitions_to_txn, add_partitions_request, add_partitions_response),
    API(25, 0, 4, 3, add_offsets_to_txn, add_offsets_request, add_offsets_response),
    API(26, 0, 5, 3, end_txn, end_txn_request, end_txn_response),
    API(27, 0, 1, 1, write_txn_markers, txn_markers_request, txn_markers_response),
    API(28, 0, 5, 3, txn_offset_commit, txn_offset_request, txn_offset_response),
    API(32, 0, 4, 4, describe_configs, describe_configs_request, describe_configs_response),
    API(33, 0, 2, 2, alter_configs, alter_configs_request, alter_configs_response),
    API(35, 0, 5, 2, describe_log_dirs, log_dirs_request, log_dirs_response),
    API(37, 0, 3, 2, create_partitions, create_partitions_request, create_partitions_response),
    API(42, 0, 2, 2, delete_groups, delete_groups_request, delete_groups_response),
    API(44, 0, 1, 1, incremental_alter_configs, incremental_request, alter_configs_response),
    API(47, 0, 0, NEVER, offset_delete, offset_delete_request, offset_delete_response),
    API(60, 0, 2, 0, describe_cluster, describe_cluster_request, describe_cluster_response),
    API(68, 0, 1, 0, consumer_group_heartbeat, member_heartbeat_request, member_heartbeat_response),
    API(69, 0, 1, 0, consumer_group_describe, consumer_group_describe_request, consumer_group_describe_response),
    API(34, 0, 2, 2, alter_replica_log_dirs, replica_log_dirs_request, replica_log_dirs_response),
    API(43, 0, 2, 2, elect_leaders, elect_leaders_request, elect_leaders_response),
    API(45, 0, 1, 0, alter_partition_reassignments, reassign_request, reassign_response),
    API(46, 0, 0, 0, list_partition_reassignments, reassignments_request, reassignments_response),
    API(55, 0, 2, 0, describe_quorum, describe_quorum_request, describe_quorum_response),
    API(57, 0, 2, 0, update_features, update_features_request, update_features_response),
    API(74, 0, 1, 0, list_config_resources, config_resources_request, config_resources_response),
    API(75, 0, 0, 0, describe_topic_partitions, topic_partitions_request, topic_partitions_response),
    API(17, 0, 1, NEVER, sasl_handshake, sasl_handshake_request, sasl_handshake_response),
    API(29, 0, 3, 2, describe_acls, describe_acls_request, describe_acls_response),
    API(30, 0, 3, 2, create_acls, create_acls_request, create_acls_response),
    API(31, 0, 3, 2, delete_acls, delete_acls_request, delete_acls_response),
    API(36, 0, 2, 2, sasl_authenticate, sasl_authenticate_request, sasl_authenticate_response),
    API(48, 0, 1, 1, describe_quotas, describe_quotas_request, describe_quotas_response),
    API(49, 0, 1, 1, alter_quotas, alter_quotas_request, alter_quotas_response),
    API(50, 0, 0, 0, describe_scram, describe_scram_request, describe_scram_response),
    API(51, 0, 0, 0, alter_scram, alter_scram_request, alter_scram_response),
    API(61, 0, 0, 0, describe_producers, describe_producers_request, describe_producers_response),
    API(65, 0, 0, 0, describe_transactions, describe_txns_request, describe_txns_response),
    API(66, 0, 1, 0, list_transactions, list_txns_request, list_txns_response),
};
const size_t apis_n = IG_COUNT(apis);

const struct api *api_find(int16_t key)
{
    for (size_t i = 0; i < apis_n; i++) {
        if (apis[i].key == key)
            return &apis[i];
    }
    return NULL;
}

/* Features of a cluster (KIP-584): what clients look at before they use something new. */
static const struct feature {
    const char *name;
    int16_t min, max; /* both what there is, and what is switched on */
} features[] = {
    {"metadata.version", 7, 25},   /* 3.3 to 4.0: tools show it */
    {"transaction.version", 0, 2}, /* producing adds partitions, and each end gives an epoch (KIP-890) */
    {"group.version", 0, 1},       /* groups whose partitions the broker shares out (KIP-848) */
};

int16_t feature_level(struct str name)
{
    for (size_t i = 0; i < IG_COUNT(features); i++) {
        if (str_is(name, features[i].name))
            return features[i].max;
    }
    return 0;
}

static void list_features(struct request *r, struct wire_api_versions_response *response)
{
    RESPONSE_ITEMS(r, response->supported_features, supported_feature, IG_COUNT(features));
    RESPONSE_ITEMS(r, response->finalized_features, finalized_feature, IG_COUNT(features));
    response->supported_features.n = 0;
    for (size_t i = 0; i < IG_COUNT(features); i++) {
        const struct feature *f = &features[i];

        if (f->min > 0 || r->version >= 4) /* older clients take a least level of 0 for a mistake */
            response->supported_features.p[response->supported_features.n++] =
                (struct wire_supported_feature){str_of(f->name), f->min, f->max};
        response->finalized_features.p[i] = (struct wire_finalized_feature){str_of(f->name), f->max, f->max};
    }
    response->finalized_features_epoch = 1;
}

/* Letters and digits, and between them also dots and hyphens. */
static bool is_software_name(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        const char c = s.p[i];
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

        if (!plain && ((c != '-' && c != '.') || i == 0 || i == s.n - 1))
            return false;
    }
    return s.n > 0;
}

void api_api_versions(struct request *r)
{
    const struct wire_api_versions_request *in = r->body;
    struct wire_api_versions_response *response = RESPONSE_NEW(r, api_versions_response);

    if (r->version >= 3 &&
        (!is_software_name(in->client_software_name) || !is_software_name(in->client_software_version))) {
        response->error_code = KAFKA_INVALID_REQUEST;
        request_answer(r, response);
        return;
    }
    RESPONSE_ITEMS(r, response->keys, api_versions_key, apis_n);
    for (size_t i = 0; i < apis_n; i++)
        response->keys.p[i] = (struct wire_api_versions_key){apis[i].key, apis[i].min, apis[i].max};
    if (r->version >= 3)
        list_features(r, response);
    request_answer(r, response);
}
