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
    API(0, 0, 9, 9, produce, produce_request, produce_response),
    API(1, 4, 18, 12, fetch, fetch_request, fetch_response),
    API(2, 1, 11, 6, list_offsets, list_offsets_request, list_offsets_response),
    API(3, 0, 13, 9, metadata, metadata_request, metadata_response),
    API(8, 0, 9, 8, offset_commit, offset_commit_request, offset_commit_response),
    API(9, 0, 9, 6, offset_fetch, offset_fetch_request, offset_fetch_response),
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
    API(22, 0, 4, 2, init_producer_id, init_producer_id_request, init_producer_id_response),
    API(23, 0, 4, 4, offset_for_leader_epoch, epoch_request, epoch_response),
    API(32, 0, 4, 4, describe_configs, describe_configs_request, describe_configs_response),
    API(33, 0, 2, 2, alter_configs, alter_configs_request, alter_configs_response),
    API(35, 0, 5, 2, describe_log_dirs, log_dirs_request, log_dirs_response),
    API(37, 0, 3, 2, create_partitions, create_partitions_request, create_partitions_response),
    API(42, 0, 2, 2, delete_groups, delete_groups_request, delete_groups_response),
    API(44, 0, 1, 1, incremental_alter_configs, incremental_request, alter_configs_response),
    API(47, 0, 0, NEVER, offset_delete, offset_delete_request, offset_delete_response),
    API(60, 0, 2, 0, describe_cluster, describe_cluster_request, describe_cluster_response),
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

void api_api_versions(struct request *r)
{
    struct wire_api_versions_response *response = RESPONSE_NEW(r, api_versions_response);

    RESPONSE_ITEMS(r, response->keys, api_versions_key, apis_n);
    for (size_t i = 0; i < apis_n; i++)
        response->keys.p[i] = (struct wire_api_versions_key){apis[i].key, apis[i].min, apis[i].max};
    request_answer(r, response);
}
