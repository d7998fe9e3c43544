/* Metadata and the APIs of administrators: topics, partitions, configurations, log folders. */
#include "broker/broker_internal.h"

#include <stdio.h>
#include <stdlib.h>

enum resource { RESOURCE_TOPIC = 2, RESOURCE_BROKER = 4 };
enum config_source { SOURCE_TOPIC = 1, SOURCE_STATIC_BROKER = 4, SOURCE_DEFAULT = 5 };
enum config_operation { OPERATION_SET, OPERATION_DELETE, OPERATION_APPEND, OPERATION_SUBTRACT };

static struct str sentence(struct request *r, const struct error *err)
{
    return str_of(arena_strdup(&r->arena, err->msg));
}

/* --- Metadata ----------------------------------------------------------------------------------------------- */

static void describe_topic(struct request *r, const struct topic *t, struct wire_metadata_topic_result *out)
{
    int32_t *self = ARENA_NEW(&r->arena, int32_t);

    *self = NODE_ID;
    out->name = str_of(arena_strdup(&r->arena, t->name));
    out->topic_id = t->id;
    RESPONSE_ITEMS(r, out->partitions, metadata_partition_result, t->partitions.n);
    for (int32_t i = 0; i < out->partitions.n; i++) {
        struct wire_metadata_partition_result *p = &out->partitions.p[i];

        p->partition = i;
        p->leader_id = NODE_ID;
        p->leader_epoch = LEADER_EPOCH;
        p->replicas = p->isr = (struct wire_int32s){self, 1};
    }
}

static struct topic *create_by_use(struct request *r, struct str name, int16_t *error_code)
{
    const struct topic_wish wish = {.name = name, .partitions = r->b->options.default_partitions};
    struct topic *t = NULL;
    struct error err;

    *error_code = (int16_t)topics_create(r->b->topics, &wish, &t, &err);
    if (*error_code == KAFKA_STORAGE_ERROR)
        log_error(r->b->env, "broker", "create topic " STR_FMT ": %s", STR_ARG(name), err.msg);
    return t;
}

static void metadata_topic(struct request *r, const struct wire_metadata_topic *in, bool create,
                           struct wire_metadata_topic_result *out)
{
    const struct topic *t =
        in->name.p ? topics_find(r->b->topics, in->name) : topics_find_id(r->b->topics, &in->topic_id);

    out->name = in->name;
    if (!t && !in->name.p) {
        out->topic_id = in->topic_id;
        out->error_code = KAFKA_UNKNOWN_TOPIC_ID;
        return;
    }
    if (!t && !topic_name_ok(in->name)) {
        out->error_code = KAFKA_INVALID_TOPIC;
        return;
    }
    if (!t && create)
        t = create_by_use(r, in->name, &out->error_code);
    else if (!t)
        out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    if (t)
        describe_topic(r, t, out);
}

static void metadata_all(struct request *r, struct wire_metadata_response *response)
{
    size_t n;
    struct topic **all = topics_sorted(r->b->topics, &n);

    RESPONSE_ITEMS(r, response->topics, metadata_topic_result, n);
    for (size_t i = 0; i < n; i++)
        describe_topic(r, all[i], &response->topics.p[i]);
    free(all);
}

void api_metadata(struct request *r)
{
    const struct wire_metadata_request *in = r->body;
    struct wire_metadata_response *response = RESPONSE_NEW(r, metadata_response);
    const bool create = in->allow_auto_topic_creation && r->b->options.default_partitions > 0;

    RESPONSE_ITEMS(r, response->brokers, metadata_broker, 1);
    response->brokers.p[0] =
        (struct wire_metadata_broker){.node_id = NODE_ID, .host = str_of(r->b->host), .port = r->b->port};
    response->cluster_id = str_of(r->b->cluster_id);
    response->controller_id = NODE_ID;
    if (in->topics.n < 0 || (r->version == 0 && in->topics.n == 0)) {
        metadata_all(r, response);
    } else {
        RESPONSE_ITEMS(r, response->topics, metadata_topic_result, in->topics.n);
        for (int32_t i = 0; i < in->topics.n; i++)
            metadata_topic(r, &in->topics.p[i], create, &response->topics.p[i]);
    }
    request_answer(r, response);
}

void api_describe_cluster(struct request *r)
{
    const struct wire_describe_cluster_request *in = r->body;
    struct wire_describe_cluster_response *response = RESPONSE_NEW(r, describe_cluster_response);

    response->endpoint_type = in->endpoint_type;
    response->cluster_id = str_of(r->b->cluster_id);
    response->controller_id = NODE_ID;
    RESPONSE_ITEMS(r, response->brokers, describe_cluster_broker, 1);
    response->brokers.p[0] =
        (struct wire_describe_cluster_broker){.broker_id = NODE_ID, .host = str_of(r->b->host), .port = r->b->port};
    request_answer(r, response);
}

/* --- topics --------------------------------------------------------------------------------------------------- */

static bool assignments_ok(const struct wire_create_topic *in, int32_t *partitions)
{
    if (in->assignments.n <= 0)
        return in->replication_factor == 1 || in->replication_factor == -1;
    if (in->num_partitions != -1 || in->replication_factor != -1)
        return false;
    for (int32_t i = 0; i < in->assignments.n; i++) {
        const struct wire_create_topic_assignment *a = &in->assignments.p[i];

        if (a->partition < 0 || a->partition >= in->assignments.n || a->broker_ids.n != 1 ||
            a->broker_ids.p[0] != NODE_ID)
            return false;
    }
    *partitions = in->assignments.n;
    return true;
}

/* The value that holds for a topic (NULL: the broker's own), and whether the topic set it. */
static struct str config_value(struct request *r, const struct topic *t, const struct topic_config_type *type,
                               bool *is_set)
{
    const char *value = t ? topic_config_value(t, type->name) : NULL;

    *is_set = value != NULL;
    if (!value)
        value = type->fallback;
    if (value)
        return str_of(arena_strdup(&r->arena, value));
    return str_of(
        arena_printf(&r->arena, "%lld",
                     (long long)(strcmp(type->name, "segment.bytes") == 0 ? r->b->options.segment_bytes
                                                                          : r->b->options.max_message_bytes)));
}

static void list_configs(struct request *r, const struct topic *t, struct wire_create_topic_result *out)
{
    RESPONSE_ITEMS(r, out->configs, create_topic_config_result, topic_config_types_n);
    for (size_t i = 0; i < topic_config_types_n; i++) {
        struct wire_create_topic_config_result *c = &out->configs.p[i];
        bool is_set;

        c->name = str_of(topic_config_types[i].name);
        c->value = config_value(r, t, &topic_config_types[i], &is_set);
        c->config_source = is_set ? SOURCE_TOPIC : SOURCE_DEFAULT;
    }
}

static void create_topic(struct request *r, const struct wire_create_topic *in, bool check_only,
                         struct wire_create_topic_result *out)
{
    struct topic_wish wish = {in->name, in->num_partitions, in->configs.p, in->configs.n, check_only};
    struct topic *t = NULL;
    struct error err;

    out->name = in->name;
    if (!assignments_ok(in, &wish.partitions)) {
        out->error_code = KAFKA_INVALID_REPLICATION_FACTOR;
        out->error_message = STR("there is one broker, so the replication factor is 1");
        return;
    }
    if (wish.partitions == -1)
        wish.partitions = r->b->options.default_partitions > 0 ? r->b->options.default_partitions : 1;
    out->error_code = (int16_t)topics_create(r->b->topics, &wish, &t, &err);
    if (out->error_code) {
        out->error_message = sentence(r, &err);
        return;
    }
    if (t) {
        out->topic_id = t->id;
        list_configs(r, t, out);
    }
    out->num_partitions = wish.partitions;
    out->replication_factor = 1;
}

void api_create_topics(struct request *r)
{
    const struct wire_create_topics_request *in = r->body;
    struct wire_create_topics_response *response = RESPONSE_NEW(r, create_topics_response);

    RESPONSE_ITEMS(r, response->topics, create_topic_result, in->topics.n > 0 ? in->topics.n : 0);
    for (int32_t i = 0; i < in->topics.n; i++)
        create_topic(r, &in->topics.p[i], in->validate_only, &response->topics.p[i]);
    request_answer(r, response);
}

/* One request may remove many topics, each in its time. */
struct deletions {
    struct request *r;
    struct wire_delete_topics_response *response;
    size_t waiting;
};
struct deletion_part {
    struct deletions *all;
    struct wire_delete_topic_result *out;
};

static void deletions_finish(struct deletions *all)
{
    if (--all->waiting == 0)
        request_answer(all->r, all->response);
}

static void deletion_done(void *ctx, enum kafka_error e, const struct error *err)
{
    struct deletion_part *part = ctx;

    part->out->error_code = (int16_t)e;
    if (e)
        part->out->error_message = sentence(part->all->r, err);
    deletions_finish(part->all);
}

static void delete_topic(struct deletions *all, struct topic *t, enum kafka_error missing,
                         struct wire_delete_topic_result *out)
{
    struct deletion_part *part = ARENA_NEW(&all->r->arena, struct deletion_part);
    struct error err;

    if (!t) {
        out->error_code = (int16_t)missing;
        return;
    }
    out->name = str_of(arena_strdup(&all->r->arena, t->name));
    out->topic_id = t->id;
    *part = (struct deletion_part){all, out};
    out->error_code = (int16_t)topics_delete(all->r->b->topics, t, deletion_done, part, &err);
    if (out->error_code)
        out->error_message = sentence(all->r, &err);
    else
        all->waiting++;
}

void api_delete_topics(struct request *r)
{
    const struct wire_delete_topics_request *in = r->body;
    struct deletions *all = ARENA_NEW(&r->arena, struct deletions);
    const bool by_struct = r->version >= 6;
    const int32_t n = by_struct ? in->topics.n : in->topic_names.n;

    *all = (struct deletions){r, RESPONSE_NEW(r, delete_topics_response), 1};
    RESPONSE_ITEMS(r, all->response->topics, delete_topic_result, n > 0 ? n : 0);
    for (int32_t i = 0; i < n; i++) {
        const struct str name = by_struct ? in->topics.p[i].name : in->topic_names.p[i];
        struct wire_delete_topic_result *out = &all->response->topics.p[i];

        out->name = name;
        if (name.p || !by_struct) {
            delete_topic(all, topics_find(r->b->topics, name), KAFKA_UNKNOWN_TOPIC_OR_PARTITION, out);
        } else {
            out->topic_id = in->topics.p[i].topic_id;
            delete_topic(all, topics_find_id(r->b->topics, &out->topic_id), KAFKA_UNKNOWN_TOPIC_ID, out);
        }
    }
    deletions_finish(all);
}

void api_create_partitions(struct request *r)
{
    const struct wire_create_partitions_request *in = r->body;
    struct wire_create_partitions_response *response = RESPONSE_NEW(r, create_partitions_response);

    RESPONSE_ITEMS(r, response->results, create_partitions_result, in->topics.n > 0 ? in->topics.n : 0);
    for (int32_t i = 0; i < in->topics.n; i++) {
        struct topic *t = topics_find(r->b->topics, in->topics.p[i].name);
        struct wire_create_partitions_result *out = &response->results.p[i];
        struct error err;

        out->name = in->topics.p[i].name;
        if (!t) {
            out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
            continue;
        }
        out->error_code = (int16_t)topics_grow(r->b->topics, t, in->topics.p[i].count, in->validate_only, &err);
        if (out->error_code)
            out->error_message = sentence(r, &err);
    }
    request_answer(r, response);
}

/* --- configurations ------------------------------------------------------------------------------------------- */

static bool is_wanted(const struct wire_strings *keys, const char *name)
{
    for (int32_t i = 0; i < keys->n; i++) {
        if (str_is(keys->p[i], name))
            return true;
    }
    return keys->n < 0;
}

static void describe_topic_configs(struct request *r, const struct topic *t, const struct wire_strings *keys,
                                   bool synonyms, bool documentation, struct wire_describe_configs_result *out)
{
    RESPONSE_ITEMS(r, out->configs, describe_configs_entry, topic_config_types_n);
    out->configs.n = 0;
    for (size_t i = 0; i < topic_config_types_n; i++) {
        const struct topic_config_type *type = &topic_config_types[i];
        struct wire_describe_configs_entry *c = &out->configs.p[out->configs.n];
        bool is_set;

        if (!is_wanted(keys, type->name))
            continue;
        out->configs.n++;
        c->name = str_of(type->name);
        c->value = config_value(r, t, type, &is_set);
        c->is_default = !is_set;
        c->config_source = is_set ? SOURCE_TOPIC : SOURCE_DEFAULT;
        c->config_type = type->type;
        if (documentation)
            c->documentation = str_of(type->what);
        if (synonyms) {
            RESPONSE_ITEMS(r, c->synonyms, describe_configs_synonym, 1);
            c->synonyms.p[0] = (struct wire_describe_configs_synonym){c->name, c->value, c->config_source};
        }
    }
}

static void describe_broker_configs(struct request *r, const struct wire_strings *keys,
                                    struct wire_describe_configs_result *out)
{
    const struct broker_options *o = &r->b->options;
    const struct {
        const char *name;
        int64_t value;
    } known[] = {
        {"broker.id", NODE_ID},
        {"num.partitions", o->default_partitions > 0 ? o->default_partitions : 1},
        {"default.replication.factor", 1},
        {"log.segment.bytes", o->segment_bytes},
        {"message.max.bytes", o->max_message_bytes},
        {"socket.request.max.bytes", o->max_request_bytes},
    };

    RESPONSE_ITEMS(r, out->configs, describe_configs_entry, IG_COUNT(known) + 1);
    out->configs.n = 0;
    for (size_t i = 0; i < IG_COUNT(known) + 1; i++) {
        const bool create = i == IG_COUNT(known);
        const char *name = create ? "auto.create.topics.enable" : known[i].name;
        struct wire_describe_configs_entry *c = &out->configs.p[out->configs.n];

        if (!is_wanted(keys, name))
            continue;
        out->configs.n++;
        c->name = str_of(name);
        c->value = create ? str_of(o->default_partitions > 0 ? "true" : "false")
                          : str_of(arena_printf(&r->arena, "%lld", (long long)known[i].value));
        c->read_only = true;
        c->config_source = SOURCE_STATIC_BROKER;
    }
}

void api_describe_configs(struct request *r)
{
    const struct wire_describe_configs_request *in = r->body;
    struct wire_describe_configs_response *response = RESPONSE_NEW(r, describe_configs_response);

    RESPONSE_ITEMS(r, response->results, describe_configs_result, in->resources.n > 0 ? in->resources.n : 0);
    for (int32_t i = 0; i < in->resources.n; i++) {
        const struct wire_describe_configs_resource *res = &in->resources.p[i];
        struct wire_describe_configs_result *out = &response->results.p[i];
        const struct topic *t;

        out->resource_type = res->resource_type;
        out->resource_name = res->resource_name;
        if (res->resource_type == RESOURCE_BROKER) {
            describe_broker_configs(r, &res->keys, out);
            continue;
        }
        t = res->resource_type == RESOURCE_TOPIC ? topics_find(r->b->topics, res->resource_name) : NULL;
        if (t) {
            describe_topic_configs(r, t, &res->keys, in->include_synonyms, in->include_documentation, out);
        } else if (res->resource_type == RESOURCE_TOPIC) {
            out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        } else {
            out->error_code = KAFKA_INVALID_REQUEST;
            out->error_message = STR("only topics and brokers have configurations here");
        }
    }
    request_answer(r, response);
}

/* Finds the topic that a change is for, or says why there is none. */
static struct topic *topic_to_alter(struct request *r, int8_t type, struct str name,
                                    struct wire_alter_configs_result *out)
{
    struct topic *t = NULL;

    out->resource_type = type;
    out->resource_name = name;
    if (type != RESOURCE_TOPIC) {
        out->error_code = KAFKA_INVALID_REQUEST;
        out->error_message = STR("only the configuration of topics can be changed");
        return NULL;
    }
    t = topics_find(r->b->topics, name);
    if (!t)
        out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    return t;
}

static void alter(struct request *r, struct topic *t, bool replace_all, const struct topic_change *changes, size_t n,
                  bool check_only, struct wire_alter_configs_result *out)
{
    struct error err;

    out->error_code = (int16_t)topics_configure(r->b->topics, t, replace_all, changes, n, check_only, &err);
    if (out->error_code)
        out->error_message = sentence(r, &err);
}

void api_alter_configs(struct request *r)
{
    const struct wire_alter_configs_request *in = r->body;
    struct wire_alter_configs_response *response = RESPONSE_NEW(r, alter_configs_response);

    RESPONSE_ITEMS(r, response->results, alter_configs_result, in->resources.n > 0 ? in->resources.n : 0);
    for (int32_t i = 0; i < in->resources.n; i++) {
        const struct wire_alter_configs_resource *res = &in->resources.p[i];
        struct topic *t = topic_to_alter(r, res->resource_type, res->resource_name, &response->results.p[i]);
        const size_t n = (size_t)(res->configs.n > 0 ? res->configs.n : 0);
        struct topic_change *changes = ARENA_ARRAY(&r->arena, struct topic_change, n + 1);

        for (size_t k = 0; k < n; k++)
            changes[k] = (struct topic_change){res->configs.p[k].name, res->configs.p[k].value};
        if (t)
            alter(r, t, true, changes, n, in->validate_only, &response->results.p[i]);
    }
    request_answer(r, response);
}

void api_incremental_alter_configs(struct request *r)
{
    const struct wire_incremental_request *in = r->body;
    struct wire_alter_configs_response *response = RESPONSE_NEW(r, alter_configs_response);

    RESPONSE_ITEMS(r, response->results, alter_configs_result, in->resources.n > 0 ? in->resources.n : 0);
    for (int32_t i = 0; i < in->resources.n; i++) {
        const struct wire_incremental_resource *res = &in->resources.p[i];
        struct wire_alter_configs_result *out = &response->results.p[i];
        struct topic *t = topic_to_alter(r, res->resource_type, res->resource_name, out);
        const size_t n = (size_t)(res->configs.n > 0 ? res->configs.n : 0);
        struct topic_change *changes = ARENA_ARRAY(&r->arena, struct topic_change, n + 1);

        for (size_t k = 0; k < n && !out->error_code; k++) {
            const struct wire_incremental_config *c = &res->configs.p[k];

            changes[k] = (struct topic_change){c->name, c->value};
            if (c->operation == OPERATION_DELETE) {
                changes[k].value = (struct str){NULL, 0};
            } else if (c->operation != OPERATION_SET || !c->value.p) {
                out->error_code = KAFKA_INVALID_REQUEST;
                out->error_message = STR("only SET and DELETE are known");
            }
        }
        if (t && !out->error_code)
            alter(r, t, false, changes, n, in->validate_only, out);
    }
    request_answer(r, response);
}

/* --- DescribeLogDirs -------------------------------------------------------------------------------------------- */

static bool is_asked(const struct wire_log_dirs_request *in, const char *topic, int32_t partition)
{
    for (int32_t i = 0; i < in->topics.n; i++) {
        const struct wire_log_dirs_topic *t = &in->topics.p[i];

        for (int32_t k = 0; str_is(t->topic, topic) && k < t->partitions.n; k++) {
            if (t->partitions.p[k] == partition)
                return true;
        }
    }
    return in->topics.n < 0;
}

void api_describe_log_dirs(struct request *r)
{
    const struct wire_log_dirs_request *in = r->body;
    struct wire_log_dirs_response *response = RESPONSE_NEW(r, log_dirs_response);
    struct wire_log_dirs_result *dir;
    size_t n;
    struct topic **all = topics_sorted(r->b->topics, &n);

    RESPONSE_ITEMS(r, response->results, log_dirs_result, 1);
    dir = &response->results.p[0];
    dir->log_dir = str_of(r->b->dir);
    RESPONSE_ITEMS(r, dir->topics, log_dirs_topic_result, n);
    dir->topics.n = 0;
    for (size_t i = 0; i < n; i++) {
        struct wire_log_dirs_topic_result *t = &dir->topics.p[dir->topics.n];

        t->name = str_of(arena_strdup(&r->arena, all[i]->name));
        RESPONSE_ITEMS(r, t->partitions, log_dirs_partition_result, all[i]->partitions.n);
        t->partitions.n = 0;
        for (size_t k = 0; k < all[i]->partitions.n; k++) {
            struct wire_log_dirs_partition_result *p = &t->partitions.p[t->partitions.n];

            if (!is_asked(in, all[i]->name, (int32_t)k))
                continue;
            p->partition = (int32_t)k;
            p->size = plog_size(all[i]->partitions.p[k]->log);
            t->partitions.n++;
        }
        dir->topics.n += t->partitions.n > 0;
    }
    free(all);
    request_answer(r, response);
}
