/* CreateTopics, DeleteTopics, CreatePartitions. */
#include "broker/admin.h"

#include <stdlib.h>

struct str request_sentence(struct request *r, const struct error *err)
{
    return str_of(arena_strdup(&r->arena, err->msg));
}

/* Names that a request gives more than once. */
struct names {
    struct str *p;
    size_t n;
};

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static void names_add(struct names *names, struct str name)
{
    names->p[names->n++] = name;
}

/* Leaves the names that occur twice or more, each once. */
static void names_keep_repeated(struct names *names)
{
    size_t kept = 0;

    qsort(names->p, names->n, sizeof(*names->p), by_text);
    for (size_t i = 1; i < names->n; i++) {
        if (str_eq(names->p[i], names->p[i - 1]) && (kept == 0 || !str_eq(names->p[kept - 1], names->p[i])))
            names->p[kept++] = names->p[i];
    }
    names->n = kept;
}

static bool names_have(const struct names *names, struct str name)
{
    return names->n > 0 && bsearch(&name, names->p, names->n, sizeof(*names->p), by_text);
}

/* --- CreateTopics ----------------------------------------------------------------------------------------------- */

static enum kafka_error check_assignments(struct request *r, const struct wire_create_topic *in, struct error *err)
{
    const int32_t n = in->assignments.n;
    bool *seen = ARENA_ARRAY(&r->arena, bool, (size_t)n + 1);

    if (in->num_partitions != -1 || in->replication_factor != -1) {
        error_set(err, IG_INVALID, "with an assignment of replicas, partitions and replication factor are -1");
        return KAFKA_INVALID_REQUEST;
    }
    for (int32_t i = 0; i < n; i++) {
        const struct wire_create_topic_assignment *a = &in->assignments.p[i];

        if (a->partition < 0 || a->partition >= n || seen[a->partition]) {
            error_set(err, IG_INVALID, "the partitions of an assignment are numbered from 0 without gaps");
            return KAFKA_INVALID_REPLICA_ASSIGNMENT;
        }
        seen[a->partition] = true;
        if (a->broker_ids.n != 1 || a->broker_ids.p[0] != NODE_ID) {
            error_set(err, IG_INVALID, "the replicas of partition %d are not the one broker %d", a->partition, NODE_ID);
            return KAFKA_INVALID_REPLICA_ASSIGNMENT;
        }
    }
    return KAFKA_OK;
}

/* How many partitions, if this can be done with one broker. */
static enum kafka_error plan(struct request *r, const struct wire_create_topic *in, int32_t *partitions,
                             struct error *err)
{
    *partitions = in->num_partitions;
    if (in->assignments.n > TOPIC_PARTITIONS_MAX) {
        error_set(err, IG_INVALID, "a topic has up to %d partitions", TOPIC_PARTITIONS_MAX);
        return KAFKA_INVALID_PARTITIONS;
    }
    if (in->assignments.n > 0) {
        *partitions = in->assignments.n;
        return check_assignments(r, in, err);
    }
    if (in->replication_factor != 1 && in->replication_factor != -1) {
        error_set(err, IG_INVALID, "the replication factor is 1, because there is one broker, not %d",
                  in->replication_factor);
        return KAFKA_INVALID_REPLICATION_FACTOR;
    }
    if (*partitions == -1)
        *partitions = r->b->options.default_partitions > 0 ? r->b->options.default_partitions : 1;
    return KAFKA_OK;
}

static void list_configs(struct request *r, const struct topic *t, const struct wire_create_topic *in,
                         struct wire_create_topic_result *out)
{
    RESPONSE_ITEMS(r, out->configs, create_topic_config_result, topic_config_types_n);
    for (size_t i = 0; i < topic_config_types_n; i++) {
        struct wire_create_topic_config_result *c = &out->configs.p[i];
        bool is_set;

        c->name = str_of(topic_config_types[i].name);
        c->value = config_value(r, t, &topic_config_types[i], &is_set);
        for (int32_t k = 0; !t && k < in->configs.n; k++) { /* only looked at */
            if (str_eq(in->configs.p[k].name, c->name)) {
                c->value = in->configs.p[k].value;
                is_set = true;
            }
        }
        c->config_source = is_set ? SOURCE_TOPIC : SOURCE_DEFAULT;
    }
}

static enum kafka_error make(struct answer *answer, const struct topic_wish *wish, struct wire_create_topic_result *out,
                             struct topic **t, struct error *err)
{
    void *part = answer_part(answer, &out->error_code, &out->error_message);
    const enum kafka_error e = topics_create(answer->r->b->topics, wish, answer_part_done, part, t, err);

    if (e || wish->check_only)
        answer_part_drop(part);
    return e;
}

static void create_topic(struct answer *answer, const struct wire_create_topic *in, bool repeated,
                         struct wire_create_topic_result *out)
{
    struct request *r = answer->r;
    const struct wire_create_topics_request *all = r->body;
    struct topic_wish wish = {in->name, 0, in->configs.p, in->configs.n, all->validate_only};
    struct topic *t = NULL;
    struct error err;
    enum kafka_error e = KAFKA_OK;

    out->name = in->name;
    if (!request_may_cluster(r, ACL_CREATE) && !request_may(r, ACL_CREATE, ACL_TOPIC, in->name)) {
        out->error_code = KAFKA_TOPIC_AUTHORIZATION_FAILED;
        return;
    }
    if (repeated) {
        error_set(&err, IG_INVALID, "the request names this topic more than once");
        e = KAFKA_INVALID_REQUEST;
    }
    if (!e)
        e = plan(r, in, &wish.partitions, &err);
    if (!e)
        e = make(answer, &wish, out, &t, &err);
    out->error_code = (int16_t)e;
    if (e) {
        out->error_message = request_sentence(r, &err);
        return;
    }
    if (t)
        out->topic_id = t->id;
    if (!request_may(r, ACL_DESCRIBE_CONFIGS, ACL_TOPIC, in->name)) {
        out->topic_config_error_code = KAFKA_TOPIC_AUTHORIZATION_FAILED;
        return;
    }
    list_configs(r, t, in, out);
    out->num_partitions = wish.partitions;
    out->replication_factor = 1;
}

void api_create_topics(struct request *r)
{
    const struct wire_create_topics_request *in = r->body;
    struct wire_create_topics_response *response = RESPONSE_NEW(r, create_topics_response);
    const int32_t n = in->topics.n > 0 ? in->topics.n : 0;
    struct names repeated = {ARENA_ARRAY(&r->arena, struct str, (size_t)n + 1), 0};
    struct answer *answer = answer_new(r, response);

    for (int32_t i = 0; i < n; i++)
        names_add(&repeated, in->topics.p[i].name);
    names_keep_repeated(&repeated);
    RESPONSE_ITEMS(r, response->topics, create_topic_result, n);
    for (int32_t i = 0; i < n; i++)
        create_topic(answer, &in->topics.p[i], names_have(&repeated, in->topics.p[i].name), &response->topics.p[i]);
    answer_done(answer);
}

/* --- DeleteTopics: one request may remove many, each in its time ---------------------------------------------------
 */

/* The topic, if it may be removed; else the answer says why not. A topic that the one who asks may not even see does
 * not exist for them. */
static struct topic *topic_to_delete(struct request *r, struct str name, const struct wire_uuid *id,
                                     struct wire_delete_topic_result *out)
{
    static const struct wire_uuid none;
    const bool has_id = memcmp(id->b, none.b, sizeof(none.b)) != 0;
    struct topic *t = name.p ? topics_find(r->b->topics, name) : topics_find_id(r->b->topics, id);

    out->name = name;
    out->topic_id = *id;
    if ((name.p != NULL) == has_id) {
        out->error_code = KAFKA_INVALID_REQUEST;
        out->error_message = STR("a topic is named by its name or by its id");
        return NULL;
    }
    if (name.p && !request_may(r, ACL_DELETE, ACL_TOPIC, name))
        out->error_code = KAFKA_TOPIC_AUTHORIZATION_FAILED;
    else if (!t)
        out->error_code = name.p ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION : KAFKA_UNKNOWN_TOPIC_ID;
    else if (!request_may(r, ACL_DELETE, ACL_TOPIC, str_of(t->name)))
        out->error_code = request_may(r, ACL_DESCRIBE, ACL_TOPIC, str_of(t->name)) ? KAFKA_TOPIC_AUTHORIZATION_FAILED
                                                                                   : KAFKA_UNKNOWN_TOPIC_ID;
    return out->error_code ? NULL : t;
}

static void delete_topic(struct answer *answer, struct topic *t, struct wire_delete_topic_result *out)
{
    struct request *r = answer->r;

    out->name = str_of(arena_strdup(&r->arena, t->name));
    out->topic_id = t->id;
    topics_delete(r->b->topics, t, answer_part_done, answer_part(answer, &out->error_code, &out->error_message));
}

void api_delete_topics(struct request *r)
{
    const struct wire_delete_topics_request *in = r->body;
    struct wire_delete_topics_response *response = RESPONSE_NEW(r, delete_topics_response);
    struct answer *answer = answer_new(r, response);
    const bool by_struct = r->version >= 6;
    const int32_t count = by_struct ? in->topics.n : in->topic_names.n, n = count > 0 ? count : 0;
    struct names repeated = {ARENA_ARRAY(&r->arena, struct str, (size_t)n + 1), 0};

    RESPONSE_ITEMS(r, response->topics, delete_topic_result, n);
    for (int32_t i = 0; i < n; i++) {
        const struct str name = by_struct ? in->topics.p[i].name : in->topic_names.p[i];

        if (name.p)
            names_add(&repeated, name);
    }
    names_keep_repeated(&repeated);
    for (int32_t i = 0; i < n; i++) {
        static const struct wire_uuid none;
        const struct str name = by_struct ? in->topics.p[i].name : in->topic_names.p[i];
        struct wire_delete_topic_result *out = &response->topics.p[i];
        struct topic *t;

        if (name.p && names_have(&repeated, name)) {
            out->name = name;
            out->error_code = KAFKA_INVALID_REQUEST;
            out->error_message = STR("the request names this topic more than once");
            continue;
        }
        t = topic_to_delete(r, name, by_struct ? &in->topics.p[i].topic_id : &none, out);
        if (t)
            delete_topic(answer, t, out);
    }
    answer_done(answer);
}

/* --- CreatePartitions --------------------------------------------------------------------------------------------- */

static enum kafka_error check_new_assignments(const struct wire_create_partitions_topic *in, size_t have,
                                              struct error *err)
{
    if (in->assignments.n < 0)
        return KAFKA_OK;
    if (in->count > (int32_t)have && in->assignments.n != in->count - (int32_t)have) {
        error_set(err, IG_INVALID, "%d replica assignments for %d new partitions", in->assignments.n,
                  in->count - (int32_t)have);
        return KAFKA_INVALID_REPLICA_ASSIGNMENT;
    }
    for (int32_t i = 0; i < in->assignments.n; i++) {
        const struct wire_int32s *ids = &in->assignments.p[i].broker_ids;

        if (ids->n != 1 || ids->p[0] != NODE_ID) {
            error_set(err, IG_INVALID, "the replicas of a new partition are not the one broker %d", NODE_ID);
            return KAFKA_INVALID_REPLICA_ASSIGNMENT;
        }
    }
    return KAFKA_OK;
}

static enum kafka_error grow(struct answer *answer, struct topic *t, int32_t count, bool check_only,
                             struct wire_create_partitions_result *out, struct error *err)
{
    void *part = answer_part(answer, &out->error_code, &out->error_message);
    const enum kafka_error e = topics_grow(answer->r->b->topics, t, count, check_only, answer_part_done, part, err);

    if (e || check_only)
        answer_part_drop(part);
    return e;
}

static void create_partitions(struct answer *answer, const struct wire_create_partitions_topic *in, bool repeated,
                              struct wire_create_partitions_result *out)
{
    struct request *r = answer->r;
    const struct wire_create_partitions_request *all = r->body;
    struct topic *t = topics_find(r->b->topics, in->name);
    enum kafka_error e;
    struct error err;

    out->name = in->name;
    if (!request_may(r, ACL_ALTER, ACL_TOPIC, in->name)) {
        out->error_code = KAFKA_TOPIC_AUTHORIZATION_FAILED;
        return;
    }
    if (!t) {
        out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        return;
    }
    if (repeated) {
        out->error_code = KAFKA_INVALID_REQUEST;
        out->error_message = STR("the request names this topic more than once");
        return;
    }
    e = check_new_assignments(in, t->partitions.n, &err);
    if (!e)
        e = grow(answer, t, in->count, all->validate_only, out, &err);
    out->error_code = (int16_t)e;
    if (e)
        out->error_message = request_sentence(r, &err);
}

void api_create_partitions(struct request *r)
{
    const struct wire_create_partitions_request *in = r->body;
    struct wire_create_partitions_response *response = RESPONSE_NEW(r, create_partitions_response);
    const int32_t n = in->topics.n > 0 ? in->topics.n : 0;
    struct names repeated = {ARENA_ARRAY(&r->arena, struct str, (size_t)n + 1), 0};
    struct answer *answer = answer_new(r, response);

    for (int32_t i = 0; i < n; i++)
        names_add(&repeated, in->topics.p[i].name);
    names_keep_repeated(&repeated);
    RESPONSE_ITEMS(r, response->results, create_partitions_result, n);
    for (int32_t i = 0; i < n; i++)
        create_partitions(answer, &in->topics.p[i], names_have(&repeated, in->topics.p[i].name),
                          &response->results.p[i]);
    answer_done(answer);
}
