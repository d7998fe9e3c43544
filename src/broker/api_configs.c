/* DescribeConfigs, AlterConfigs, IncrementalAlterConfigs, ListConfigResources. */
#include "broker/admin.h"
#include "broker/conn.h"

#include <stdio.h>
#include <stdlib.h>

enum resource {
    RESOURCE_TOPIC = 2,
    RESOURCE_BROKER = 4,
    RESOURCE_LOGGER = 8,
    RESOURCE_METRICS = 16,
    RESOURCE_GROUP = 32
};
enum config_operation { OPERATION_SET, OPERATION_DELETE, OPERATION_APPEND, OPERATION_SUBTRACT };
enum config_type { TYPE_BOOLEAN = 1, TYPE_STRING = 2, TYPE_INT = 3, TYPE_LONG = 5, TYPE_LIST = 7 };

#define CHANGES_MAX 1000

/* What a topic's setting is called among the broker's, where it is not "log." and its name. */
static const struct {
    const char *topic, *broker;
} synonyms[] = {
    {"max.message.bytes", "message.max.bytes"},
    {"compression.type", "compression.type"},
    {"min.insync.replicas", "min.insync.replicas"},
    {"unclean.leader.election.enable", "unclean.leader.election.enable"},
    {"segment.ms", "log.roll.ms"},
    {"segment.jitter.ms", "log.roll.jitter.ms"},
    {"segment.index.bytes", "log.index.size.max.bytes"},
    {"flush.messages", "log.flush.interval.messages"},
    {"flush.ms", "log.flush.interval.ms"},
    {"delete.retention.ms", "log.cleaner.delete.retention.ms"},
    {"min.compaction.lag.ms", "log.cleaner.min.compaction.lag.ms"},
    {"max.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms"},
    {"min.cleanable.dirty.ratio", "log.cleaner.min.cleanable.ratio"},
    {"file.delete.delay.ms", "log.segment.delete.delay.ms"},
};

struct str config_value(struct request *r, const struct topic *t, const struct topic_config_type *type, bool *is_set)
{
    const char *value = t ? topic_config_value(t, type->name) : NULL;
    int64_t number = r->b->options.max_message_bytes;

    *is_set = value != NULL;
    if (!value)
        value = type->fallback;
    if (value)
        return str_of(arena_strdup(&r->arena, value));
    if (strcmp(type->name, "segment.bytes") == 0)
        number = r->b->options.segment_bytes;
    return str_of(arena_printf(&r->arena, "%lld", (long long)number));
}

static bool is_wanted(const struct wire_strings *keys, const char *name)
{
    for (int32_t i = 0; i < keys->n; i++) {
        if (str_is(keys->p[i], name))
            return true;
    }
    return keys->n < 0;
}

/* --- describing ------------------------------------------------------------------------------------------------- */

static struct str synonym_of(struct request *r, const char *topic_config)
{
    for (size_t i = 0; i < IG_COUNT(synonyms); i++) {
        if (strcmp(synonyms[i].topic, topic_config) == 0)
            return str_of(synonyms[i].broker);
    }
    return str_of(arena_printf(&r->arena, "log.%s", topic_config));
}

static void list_synonyms(struct request *r, const struct topic_config_type *type,
                          struct wire_describe_configs_entry *c)
{
    bool ignored;

    RESPONSE_ITEMS(r, c->synonyms, describe_configs_synonym, 2);
    c->synonyms.n = 0;
    if (c->config_source == SOURCE_TOPIC)
        c->synonyms.p[c->synonyms.n++] = (struct wire_describe_configs_synonym){c->name, c->value, SOURCE_TOPIC};
    c->synonyms.p[c->synonyms.n++] = (struct wire_describe_configs_synonym){
        synonym_of(r, type->name), config_value(r, NULL, type, &ignored), SOURCE_DEFAULT};
}

static void describe_topic_configs(struct request *r, const struct topic *t, const struct wire_strings *keys,
                                   struct wire_describe_configs_result *out)
{
    const struct wire_describe_configs_request *in = r->body;

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
        if (in->include_documentation)
            c->documentation = str_of(type->what);
        if (in->include_synonyms)
            list_synonyms(r, type, c);
    }
}

/* A setting as it is shown: text, or if that is NULL the number. */
struct shown {
    const char *name, *text;
    int64_t number;
    int8_t type;
    bool is_option; /* of the broker's own configuration, not built in */
    const char *what;
};

static void describe_shown(struct request *r, const struct shown *all, size_t n, const struct wire_strings *keys,
                           bool read_only, struct wire_describe_configs_result *out)
{
    const struct wire_describe_configs_request *in = r->body;

    RESPONSE_ITEMS(r, out->configs, describe_configs_entry, n);
    out->configs.n = 0;
    for (size_t i = 0; i < n; i++) {
        struct wire_describe_configs_entry *c = &out->configs.p[out->configs.n];

        if (!is_wanted(keys, all[i].name))
            continue;
        out->configs.n++;
        c->name = str_of(all[i].name);
        c->value = all[i].text ? str_of(arena_strdup(&r->arena, all[i].text))
                               : str_of(arena_printf(&r->arena, "%lld", (long long)all[i].number));
        c->read_only = read_only;
        c->is_default = !all[i].is_option;
        c->config_source = all[i].is_option ? SOURCE_STATIC_BROKER : SOURCE_DEFAULT;
        c->config_type = all[i].type;
        if (in->include_documentation)
            c->documentation = str_of(all[i].what);
        if (in->include_synonyms) {
            RESPONSE_ITEMS(r, c->synonyms, describe_configs_synonym, 1);
            c->synonyms.p[0] = (struct wire_describe_configs_synonym){c->name, c->value, c->config_source};
        }
    }
}

/* Where the asker's own listener is reached: of others it may not know. */
static const char *advertised_listener(struct request *r)
{
    static const char *const names[] = {[CONF_PLAINTEXT] = "PLAINTEXT",
                                        [CONF_SSL] = "SSL",
                                        [CONF_SASL_PLAINTEXT] = "SASL_PLAINTEXT",
                                        [CONF_SASL_SSL] = "SASL_SSL"};
    struct str host;
    int32_t port;
    const int protocol = r->conn ? r->conn->listener->conf->protocol : CONF_PLAINTEXT;

    request_address(r, &host, &port);
    return arena_printf(&r->arena, memchr(host.p, ':', host.n) ? "%s://[" STR_FMT "]:%d" : "%s://" STR_FMT ":%d",
                        names[protocol], STR_ARG(host), (int)port);
}

static void describe_broker_configs(struct request *r, const struct wire_strings *keys,
                                    struct wire_describe_configs_result *out)
{
    const struct broker_options *o = &r->b->options;
    const bool creates = o->default_partitions > 0;
    /* size: table */
    const struct shown all[] = {
        {"broker.id", NULL, NODE_ID, TYPE_INT, true, "The number of the one node."},
        {"node.id", NULL, NODE_ID, TYPE_INT, true, "The number of the one node."},
        {"process.roles", "broker,controller", 0, TYPE_LIST, true, "One node is all there is."},
        {"advertised.listeners", advertised_listener(r), 0, TYPE_LIST, true, "Where clients are told to connect to."},
        {"log.dirs", r->b->dir, 0, TYPE_STRING, true, "Where the data is kept."},
        {"num.partitions", NULL, creates ? o->default_partitions : 1, TYPE_INT, true,
         "Of topics that do not say how many."},
        {"auto.create.topics.enable", creates ? "true" : "false", 0, TYPE_BOOLEAN, true, "Are topics made by use?"},
        {"delete.topic.enable", "true", 0, TYPE_BOOLEAN, false, "May topics be removed?"},
        {"default.replication.factor", NULL, 1, TYPE_INT, false, "There is one node."},
        {"min.insync.replicas", NULL, 1, TYPE_INT, false, "There is one node."},
        {"offsets.topic.replication.factor", NULL, 1, TYPE_INT, false, "There is one node."},
        {"transaction.state.log.replication.factor", NULL, 1, TYPE_INT, false, "There is one node."},
        {"transaction.state.log.min.isr", NULL, 1, TYPE_INT, false, "There is one node."},
        {"log.segment.bytes", NULL, o->segment_bytes, TYPE_INT, true, "The size at which a new segment begins."},
        {"log.retention.ms", NULL, 604800000, TYPE_LONG, false, "Older segments are removed."},
        {"log.retention.bytes", NULL, -1, TYPE_LONG, false, "Larger partitions lose segments; -1: never."},
        {"log.cleanup.policy", "delete", 0, TYPE_LIST, false, "What becomes of old segments."},
        {"compression.type", "producer", 0, TYPE_STRING, false, "Batches are stored as they come."},
        {"log.message.timestamp.type", "CreateTime", 0, TYPE_STRING, false, "Times are the producer's."},
        {"message.max.bytes", NULL, o->max_message_bytes, TYPE_INT, true, "The largest batch that is taken."},
        {"socket.request.max.bytes", NULL, o->max_request_bytes, TYPE_INT, true, "The largest request."},
        {"unclean.leader.election.enable", "false", 0, TYPE_BOOLEAN, false, "There is one node."},
        {"group.initial.rebalance.delay.ms", NULL, r->b->options.group_initial_delay_ms, TYPE_INT, true,
         "How long a new group waits for more members."},
        {"group.min.session.timeout.ms", NULL, o->group_min_session_ms, TYPE_INT, true, "The shortest session time."},
        {"group.max.session.timeout.ms", NULL, o->group_max_session_ms, TYPE_INT, true, "The longest session time."},
        {"group.max.size", NULL, GROUP_MEMBERS_MAX, TYPE_INT, false, "The most members of a group."},
        {"group.consumer.session.timeout.ms", NULL, MEMBER_SESSION_MS, TYPE_INT, false, "Of the new protocol."},
        {"group.consumer.heartbeat.interval.ms", NULL, MEMBER_HEARTBEAT_MS, TYPE_INT, false, "Of the new protocol."},
        {"group.consumer.assignors", "uniform,range", 0, TYPE_LIST, false, "Who shares out partitions."},
        {"offsets.retention.minutes", NULL, r->b->options.offsets_retention_ms / 60000, TYPE_INT, true,
         "How long a group without members keeps its offsets."},
        {"connections.max.reauth.ms", NULL, o->reauthentication_ms, TYPE_LONG, true,
         "How long a login holds; 0: as long as the connection."},
        {"connections.max.idle.ms", NULL, o->idle_ms, TYPE_LONG, true, "Connections without a request are closed."},
        {"offset.metadata.max.bytes", NULL, 4096, TYPE_INT, false, "The longest text with a committed offset."},
    };

    describe_shown(r, all, IG_COUNT(all), keys, true, out);
}

static void describe_group_configs(struct request *r, const struct wire_strings *keys,
                                   struct wire_describe_configs_result *out)
{
    static const struct shown all[] = {
        {"consumer.session.timeout.ms", NULL, MEMBER_SESSION_MS, TYPE_INT, false, "Of the new protocol."},
        {"consumer.heartbeat.interval.ms", NULL, MEMBER_HEARTBEAT_MS, TYPE_INT, false, "Of the new protocol."},
    };

    describe_shown(r, all, IG_COUNT(all), keys, true, out);
}

static bool is_this_broker(struct str name)
{
    int64_t id;

    return name.n == 0 || (str_to_int64(name, 0, INT32_MAX, &id) && id == NODE_ID);
}

static void describe(struct request *r, const struct wire_describe_configs_resource *res,
                     struct wire_describe_configs_result *out)
{
    const struct topic *t;

    out->resource_type = res->resource_type;
    out->resource_name = res->resource_name;
    switch (res->resource_type) {
    case RESOURCE_TOPIC:
        t = topics_find(r->b->topics, res->resource_name);
        if (!request_may(r, ACL_DESCRIBE_CONFIGS, ACL_TOPIC, res->resource_name))
            out->error_code = KAFKA_TOPIC_AUTHORIZATION_FAILED;
        else if (!t)
            out->error_code =
                topic_name_ok(res->resource_name) ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION : KAFKA_INVALID_TOPIC;
        else
            describe_topic_configs(r, t, &res->keys, out);
        break;
    case RESOURCE_GROUP:
        if (!request_may(r, ACL_DESCRIBE_CONFIGS, ACL_GROUP, res->resource_name))
            out->error_code = KAFKA_GROUP_AUTHORIZATION_FAILED;
        else
            describe_group_configs(r, &res->keys, out);
        break;
    case RESOURCE_BROKER:
    case RESOURCE_LOGGER:
    case RESOURCE_METRICS:
        if (!request_may_cluster(r, ACL_DESCRIBE_CONFIGS)) {
            out->error_code = KAFKA_CLUSTER_AUTHORIZATION_FAILED;
        } else if (res->resource_type != RESOURCE_METRICS && !is_this_broker(res->resource_name)) {
            out->error_code = KAFKA_INVALID_REQUEST;
            out->error_message = STR("there is no such broker");
        } else if (res->resource_type == RESOURCE_BROKER && res->resource_name.n > 0) {
            describe_broker_configs(r, &res->keys, out);
        } /* else: nothing is set for all brokers, for loggers, for metrics */
        break;
    default:
        out->error_code = KAFKA_INVALID_REQUEST;
        out->error_message = STR("there is no such type of resource");
    }
}

static int by_resource(const void *a, const void *b)
{
    const struct wire_describe_configs_resource *x = a, *y = b;
    const int order = (x->resource_type > y->resource_type) - (x->resource_type < y->resource_type);

    return order ? order : str_cmp(x->resource_name, y->resource_name);
}

/* Each resource is described once: a few bytes of a request are kilobytes of an answer. */
void api_describe_configs(struct request *r)
{
    const struct wire_describe_configs_request *in = r->body;
    struct wire_describe_configs_response *response = RESPONSE_NEW(r, describe_configs_response);
    const size_t n = in->resources.n > 0 ? (size_t)in->resources.n : 0;
    struct wire_describe_configs_resource *asked = ARENA_ARRAY(&r->arena, struct wire_describe_configs_resource, n + 1);
    int32_t described = 0;

    if (n > 0)
        memcpy(asked, in->resources.p, n * sizeof(*asked));
    qsort(asked, n, sizeof(*asked), by_resource);
    RESPONSE_ITEMS(r, response->results, describe_configs_result, n);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || by_resource(&asked[i - 1], &asked[i]) != 0)
            describe(r, &asked[i], &response->results.p[described++]);
    }
    response->results.n = described;
    request_answer(r, response);
}

/* --- changing --------------------------------------------------------------------------------------------------- */

static void refuse(struct wire_alter_configs_result *out, enum kafka_error e, struct str why)
{
    out->error_code = (int16_t)e;
    out->error_message = why;
}

/* Finds the topic that a change is for, or says why there is none. */
static struct topic *topic_to_alter(struct request *r, int8_t type, struct str name,
                                    struct wire_alter_configs_result *out)
{
    struct topic *t = NULL;

    out->resource_type = type;
    out->resource_name = name;
    if (type == RESOURCE_TOPIC) {
        t = topics_find(r->b->topics, name);
        if (!request_may(r, ACL_ALTER_CONFIGS, ACL_TOPIC, name))
            out->error_code = KAFKA_TOPIC_AUTHORIZATION_FAILED;
        else if (!t)
            out->error_code = topic_name_ok(name) ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION : KAFKA_INVALID_TOPIC;
        return out->error_code ? NULL : t;
    }
    if (type == RESOURCE_GROUP && !request_may(r, ACL_ALTER_CONFIGS, ACL_GROUP, name))
        out->error_code = KAFKA_GROUP_AUTHORIZATION_FAILED;
    else if (type != RESOURCE_GROUP && !request_may_cluster(r, ACL_ALTER_CONFIGS))
        out->error_code = KAFKA_CLUSTER_AUTHORIZATION_FAILED;
    else if (type == RESOURCE_BROKER || type == RESOURCE_LOGGER || type == RESOURCE_GROUP || type == RESOURCE_METRICS)
        refuse(out, KAFKA_INVALID_CONFIG, STR("only topics have settings that can be changed while the broker runs"));
    else
        refuse(out, KAFKA_INVALID_REQUEST, STR("there is no such type of resource"));
    return NULL;
}

static void alter(struct answer *answer, struct topic *t, bool replace_all, const struct topic_change *changes,
                  size_t n, bool check_only, struct wire_alter_configs_result *out)
{
    void *part = answer_part(answer, &out->error_code, &out->error_message);
    struct error err;
    const enum kafka_error e =
        topics_configure(answer->r->b->topics, t, replace_all, changes, n, check_only, answer_part_done, part, &err);

    if (e || check_only)
        answer_part_drop(part);
    out->error_code = (int16_t)e;
    if (e)
        out->error_message = request_sentence(answer->r, &err);
}

void api_alter_configs(struct request *r)
{
    const struct wire_alter_configs_request *in = r->body;
    struct wire_alter_configs_response *response = RESPONSE_NEW(r, alter_configs_response);
    struct answer *answer = answer_new(r, response);

    RESPONSE_ITEMS(r, response->results, alter_configs_result, in->resources.n > 0 ? in->resources.n : 0);
    for (int32_t i = 0; i < in->resources.n; i++) {
        const struct wire_alter_configs_resource *res = &in->resources.p[i];
        struct wire_alter_configs_result *out = &response->results.p[i];
        struct topic *t = topic_to_alter(r, res->resource_type, res->resource_name, out);
        const size_t n = (size_t)(res->configs.n > 0 ? res->configs.n : 0);
        struct topic_change *changes = ARENA_ARRAY(&r->arena, struct topic_change, n + 1);

        for (size_t k = 0; t && k < n; k++) {
            changes[k] = (struct topic_change){res->configs.p[k].name, res->configs.p[k].value};
            if (!changes[k].value.p)
                refuse(out, KAFKA_INVALID_REQUEST, STR("a value is null"));
        }
        if (t && !out->error_code)
            alter(answer, t, true, changes, n, in->validate_only, out);
    }
    answer_done(answer);
}

/* Is `item` one of the comma-separated ones? */
static bool list_has(struct str list, struct str item)
{
    for (size_t at = 0; at < list.n;) {
        const char *comma = memchr(list.p + at, ',', list.n - at);
        const size_t n = comma ? (size_t)(comma - (list.p + at)) : list.n - at;

        if (str_eq((struct str){list.p + at, n}, item))
            return true;
        at += n + 1;
    }
    return false;
}

/* The list `have` with the items of `change` added (once each), or without them. */
static struct str list_changed(struct request *r, struct str have, struct str change, bool add)
{
    const struct str from = add ? change : have, against = add ? have : change;
    char *text = arena_alloc(&r->arena, have.n + change.n + 3, 1);
    size_t out = add ? have.n : 0;

    if (add)
        memcpy(text, have.p, have.n);
    for (size_t at = 0; at < from.n;) {
        const char *comma = memchr(from.p + at, ',', from.n - at);
        const size_t n = comma ? (size_t)(comma - (from.p + at)) : from.n - at;

        if (!list_has(against, (struct str){from.p + at, n})) {
            if (out > 0)
                text[out++] = ',';
            memcpy(text + out, from.p + at, n);
            out += n;
        }
        at += n + 1;
    }
    return (struct str){text, out};
}

/* One change of an incremental request; false if there is an error in the answer now. */
static bool take_change(struct request *r, const struct topic *t, const struct wire_incremental_config *c,
                        struct topic_change *change, struct wire_alter_configs_result *out)
{
    const struct topic_config_type *type = NULL;
    bool is_set;

    *change = (struct topic_change){c->name, c->value};
    for (size_t i = 0; i < topic_config_types_n; i++) {
        if (str_is(c->name, topic_config_types[i].name))
            type = &topic_config_types[i];
    }
    if (c->operation < OPERATION_SET || c->operation > OPERATION_SUBTRACT)
        refuse(out, KAFKA_INVALID_REQUEST, STR("there is no such operation on a setting"));
    else if (!type)
        refuse(out, KAFKA_INVALID_CONFIG,
               str_of(arena_printf(&r->arena, "there is no setting " STR_FMT, STR_ARG(c->name))));
    else if (c->operation == OPERATION_DELETE)
        change->value = (struct str){NULL, 0};
    else if (!c->value.p)
        refuse(out, KAFKA_INVALID_REQUEST, STR("a value is null"));
    else if (c->operation != OPERATION_SET && type->type != TYPE_LIST)
        refuse(out, KAFKA_INVALID_CONFIG, str_of(arena_printf(&r->arena, "%s is not a list", type->name)));
    else if (c->operation != OPERATION_SET)
        change->value = list_changed(r, config_value(r, t, type, &is_set), c->value, c->operation == OPERATION_APPEND);
    return !out->error_code;
}

static void alter_incrementally(struct answer *answer, const struct wire_incremental_resource *res,
                                struct wire_alter_configs_result *out)
{
    struct request *r = answer->r;
    const struct wire_incremental_request *in = r->body;
    struct topic *t = topic_to_alter(r, res->resource_type, res->resource_name, out);
    const size_t n = (size_t)(res->configs.n > 0 ? res->configs.n : 0);
    struct topic_change *changes = ARENA_ARRAY(&r->arena, struct topic_change, n + 1);

    if (t && n > CHANGES_MAX) {
        refuse(out, KAFKA_INVALID_REQUEST, STR("too many settings in one request"));
        return;
    }
    for (size_t k = 0; t && k < n; k++) {
        for (size_t j = 0; j < k; j++) {
            if (str_eq(res->configs.p[j].name, res->configs.p[k].name))
                refuse(out, KAFKA_INVALID_REQUEST, STR("a setting is named more than once"));
        }
        if (out->error_code || !take_change(r, t, &res->configs.p[k], &changes[k], out))
            return;
    }
    if (t)
        alter(answer, t, false, changes, n, in->validate_only, out);
}

void api_incremental_alter_configs(struct request *r)
{
    const struct wire_incremental_request *in = r->body;
    struct wire_alter_configs_response *response = RESPONSE_NEW(r, alter_configs_response);
    struct answer *answer = answer_new(r, response);

    RESPONSE_ITEMS(r, response->results, alter_configs_result, in->resources.n > 0 ? in->resources.n : 0);
    for (int32_t i = 0; i < in->resources.n; i++)
        alter_incrementally(answer, &in->resources.p[i], &response->results.p[i]);
    answer_done(answer);
}

/* --- ListConfigResources ------------------------------------------------------------------------------------------ */

void api_list_config_resources(struct request *r)
{
    const struct wire_config_resources_request *in = r->body;
    struct wire_config_resources_response *response = RESPONSE_NEW(r, config_resources_response);
    bool topics = r->version > 0 && in->types.n <= 0, brokers = topics;
    struct topic **all;
    size_t n;

    if (!request_may_cluster(r, ACL_DESCRIBE_CONFIGS)) {
        response->error_code = KAFKA_CLUSTER_AUTHORIZATION_FAILED;
        request_answer(r, response);
        return;
    }
    for (int32_t i = 0; i < in->types.n; i++) {
        topics |= in->types.p[i] == RESOURCE_TOPIC;
        brokers |= in->types.p[i] == RESOURCE_BROKER;
    }
    all = topics_sorted(r->b->topics, &n);
    RESPONSE_ITEMS(r, response->resources, config_resource, n + 1);
    response->resources.n = 0;
    for (size_t i = 0; topics && i < n; i++)
        response->resources.p[response->resources.n++] =
            (struct wire_config_resource){str_of(arena_strdup(&r->arena, all[i]->name)), RESOURCE_TOPIC};
    if (brokers)
        response->resources.p[response->resources.n++] =
            (struct wire_config_resource){str_of(arena_printf(&r->arena, "%d", NODE_ID)), RESOURCE_BROKER};
    free(all);
    request_answer(r, response);
}
