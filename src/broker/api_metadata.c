/* Metadata, DescribeTopicPartitions, DescribeCluster: where everything is. */
#include "broker/admin.h"

#include <stdlib.h>

#define PARTITION_LIMIT 2000 /* of one answer of DescribeTopicPartitions, whatever the client would take */

static int32_t cluster_operations(const struct request *r)
{
    if (!request_may_cluster(r, ACL_DESCRIBE))
        return 0;
    return request_operations(r, ACL_CLUSTER, STR(ACL_CLUSTER_NAME));
}

static struct wire_int32s only_node(struct request *r)
{
    int32_t *self = ARENA_NEW(&r->arena, int32_t);

    *self = NODE_ID;
    return (struct wire_int32s){self, 1};
}

/* --- Metadata ----------------------------------------------------------------------------------------------- */

static void describe_topic(struct request *r, const struct topic *t, struct wire_metadata_topic_result *out)
{
    const struct wire_metadata_request *in = r->body;
    const struct wire_int32s nodes = only_node(r);

    out->name = str_of(arena_strdup(&r->arena, t->name));
    out->topic_id = t->id;
    out->is_internal = topic_is_internal(t);
    if (in->include_topic_authorized)
        out->authorized_operations = request_operations(r, ACL_TOPIC, out->name);
    RESPONSE_ITEMS(r, out->partitions, metadata_partition_result, t->partitions.n);
    for (int32_t i = 0; i < out->partitions.n; i++) {
        struct wire_metadata_partition_result *p = &out->partitions.p[i];

        p->partition = i;
        p->leader_id = NODE_ID;
        p->leader_epoch = LEADER_EPOCH;
        p->replicas = p->isr = nodes;
    }
}

/* A topic that is made because somebody asked for it: the answer waits until it is there. */
struct by_use {
    struct answer *answer;
    struct str name;
    struct wire_metadata_topic_result *out;
};

static void made(void *ctx, enum kafka_error e, const struct error *err)
{
    struct by_use *use = ctx;
    struct request *r = use->answer->r;
    const struct topic *t = topics_find(r->b->topics, use->name);

    (void)err;
    if (e || !t)
        use->out->error_code = (int16_t)(e ? e : KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    else
        describe_topic(r, t, use->out);
    answer_done(use->answer);
}

static void create_by_use(struct answer *answer, struct str name, struct wire_metadata_topic_result *out)
{
    struct request *r = answer->r;
    const struct topic_wish wish = {.name = name, .partitions = r->b->options.default_partitions};
    struct by_use *use = ARENA_NEW(&r->arena, struct by_use);
    struct topic *t = NULL;
    struct error err;

    if (!request_may_cluster(r, ACL_CREATE) && !request_may(r, ACL_CREATE, ACL_TOPIC, name)) {
        out->error_code = KAFKA_TOPIC_AUTHORIZATION_FAILED;
        return;
    }
    *use = (struct by_use){answer, name, out};
    answer->waiting++;
    if (topics_await(r->b->topics, name, made, use))
        return;
    out->error_code = (int16_t)topics_create(r->b->topics, &wish, made, use, &t, &err);
    if (out->error_code)
        answer->waiting--;
}

static bool is_id(const struct wire_uuid *id)
{
    static const struct wire_uuid none;

    return memcmp(id, &none, sizeof(none)) != 0;
}

static void metadata_by_id(struct request *r, const struct wire_uuid *id, struct wire_metadata_topic_result *out)
{
    const struct topic *t = topics_find_id(r->b->topics, id);

    out->topic_id = *id;
    if (!t || !request_may(r, ACL_DESCRIBE, ACL_TOPIC, str_of(t->name)))
        out->error_code = KAFKA_UNKNOWN_TOPIC_ID;
    else
        describe_topic(r, t, out);
}

static void metadata_by_name(struct answer *answer, struct str name, bool create,
                             struct wire_metadata_topic_result *out)
{
    struct request *r = answer->r;
    const struct topic *t;

    out->name = name;
    if (!request_may(r, ACL_DESCRIBE, ACL_TOPIC, name)) {
        out->error_code = KAFKA_TOPIC_AUTHORIZATION_FAILED;
        return;
    }
    t = topics_find(r->b->topics, name);
    if (!t && !topic_name_ok(name))
        out->error_code = KAFKA_INVALID_TOPIC;
    else if (!t && create)
        create_by_use(answer, name, out);
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
    response->topics.n = 0;
    for (size_t i = 0; i < n; i++) {
        if (request_may(r, ACL_DESCRIBE, ACL_TOPIC, str_of(all[i]->name)))
            describe_topic(r, all[i], &response->topics.p[response->topics.n++]);
    }
    free(all);
}

static int by_topic(const void *a, const void *b)
{
    const struct wire_metadata_topic *x = *(const struct wire_metadata_topic *const *)a;
    const struct wire_metadata_topic *y = *(const struct wire_metadata_topic *const *)b;
    int order = memcmp(&x->topic_id, &y->topic_id, sizeof(x->topic_id));

    if (order == 0 && !is_id(&x->topic_id))
        order = str_cmp(x->name, y->name);
    return order;
}

/* The topics that are asked for, each once, as in Kafka: a name takes a few bytes in a request, and its partitions may
 * be kilobytes in each answer. */
static const struct wire_metadata_topic **asked_once(struct request *r, const struct wire_metadata_request *in,
                                                     int32_t *n)
{
    const struct wire_metadata_topic **asked =
        ARENA_ARRAY(&r->arena, const struct wire_metadata_topic *, (size_t)in->topics.n + 1);

    for (int32_t i = 0; i < in->topics.n; i++)
        asked[i] = &in->topics.p[i];
    qsort(asked, (size_t)in->topics.n, sizeof(*asked), by_topic); // NOLINT(bugprone-sizeof-expression)
    *n = 0;
    for (int32_t i = 0; i < in->topics.n; i++) {
        if (*n == 0 || by_topic(&asked[*n - 1], &asked[i]) != 0)
            asked[(*n)++] = asked[i];
    }
    return asked;
}

void api_metadata(struct request *r)
{
    const struct wire_metadata_request *in = r->body;
    struct wire_metadata_response *response = RESPONSE_NEW(r, metadata_response);
    struct answer *answer = answer_new(r, response);
    const bool create = in->allow_auto_topic_creation && r->b->options.default_partitions > 0;

    RESPONSE_ITEMS(r, response->brokers, metadata_broker, 1);
    response->brokers.p[0].node_id = NODE_ID;
    request_address(r, &response->brokers.p[0].host, &response->brokers.p[0].port);
    response->cluster_id = str_of(r->b->cluster_id);
    response->controller_id = NODE_ID;
    if (in->include_cluster_authorized)
        response->cluster_authorized_operations = cluster_operations(r);
    if (in->topics.n < 0 || (r->version == 0 && in->topics.n == 0)) {
        metadata_all(r, response);
    } else {
        int32_t n;
        const struct wire_metadata_topic **asked = asked_once(r, in, &n);

        RESPONSE_ITEMS(r, response->topics, metadata_topic_result, n);
        for (int32_t i = 0; i < n; i++) {
            if (is_id(&asked[i]->topic_id)) /* then Java clients give an empty name */
                metadata_by_id(r, &asked[i]->topic_id, &response->topics.p[i]);
            else
                metadata_by_name(answer, asked[i]->name, create, &response->topics.p[i]);
        }
    }
    answer_done(answer);
}

/* --- DescribeTopicPartitions: by name, in pieces of so many partitions; the cursor says where the next one begins ----
 */

struct pages {
    struct request *r;
    struct wire_topic_partitions_response *response;
    int32_t left; /* partitions that still have room */
};

static void add_page_partitions(struct pages *pages, const struct topic *t, int32_t from,
                                struct wire_topic_partitions_topic *out)
{
    const struct wire_int32s nodes = only_node(pages->r);
    const int32_t n = (int32_t)t->partitions.n - from < pages->left ? (int32_t)t->partitions.n - from : pages->left;

    RESPONSE_ITEMS(pages->r, out->partitions, topic_partitions_partition, n > 0 ? n : 0);
    for (int32_t i = 0; i < out->partitions.n; i++) {
        struct wire_topic_partitions_partition *p = &out->partitions.p[i];

        p->partition = from + i;
        p->leader_id = NODE_ID;
        p->leader_epoch = LEADER_EPOCH;
        p->replicas = p->isr = nodes;
    }
    pages->left -= out->partitions.n;
}

static void set_next(struct pages *pages, struct str topic, int32_t partition)
{
    struct wire_topic_partitions_cursor *next = RESPONSE_NEW(pages->r, topic_partitions_cursor);

    *next = (struct wire_topic_partitions_cursor){topic, partition};
    pages->response->next_cursor = next;
}

/* False: there is no room for more. */
static bool add_page_topic(struct pages *pages, struct str name, int32_t from, bool all)
{
    struct request *r = pages->r;
    const struct topic *t = topics_find(r->b->topics, name);
    struct wire_topic_partitions_topic *out = &pages->response->topics.p[pages->response->topics.n];

    if (all && !request_may(r, ACL_DESCRIBE, ACL_TOPIC, name))
        return true;
    if (pages->left <= 0) {
        set_next(pages, name, from);
        return false;
    }
    pages->response->topics.n++;
    out->name = name;
    if (!request_may(r, ACL_DESCRIBE, ACL_TOPIC, name)) {
        out->error_code = KAFKA_TOPIC_AUTHORIZATION_FAILED;
    } else if (!t) {
        out->error_code = topic_name_ok(name) ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION : KAFKA_INVALID_TOPIC;
    } else {
        out->topic_id = t->id;
        out->is_internal = topic_is_internal(t);
        out->authorized_operations = request_operations(r, ACL_TOPIC, name);
        add_page_partitions(pages, t, from, out);
        if (from + out->partitions.n < (int32_t)t->partitions.n) {
            set_next(pages, name, from + out->partitions.n);
            return false;
        }
    }
    return true;
}

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* The names that are asked for, sorted, each once. */
static struct str *wanted_names(struct request *r, size_t *n)
{
    const struct wire_topic_partitions_request *in = r->body;
    struct str *names;
    size_t kept = 0;

    if (in->topics.n <= 0) {
        struct topic **all = topics_sorted(r->b->topics, n);

        names = ARENA_ARRAY(&r->arena, struct str, *n + 1);
        for (size_t i = 0; i < *n; i++)
            names[i] = str_of(arena_strdup(&r->arena, all[i]->name));
        free(all);
        return names;
    }
    names = ARENA_ARRAY(&r->arena, struct str, (size_t)in->topics.n + 1);
    for (int32_t i = 0; i < in->topics.n; i++)
        names[i] = in->topics.p[i].name;
    qsort(names, (size_t)in->topics.n, sizeof(*names), by_text);
    for (int32_t i = 0; i < in->topics.n; i++) {
        if (kept == 0 || !str_eq(names[kept - 1], names[i]))
            names[kept++] = names[i];
    }
    *n = kept;
    return names;
}

void api_describe_topic_partitions(struct request *r)
{
    const struct wire_topic_partitions_request *in = r->body;
    struct pages pages = {r, RESPONSE_NEW(r, topic_partitions_response), in->partition_limit};
    size_t n;
    struct str *names = wanted_names(r, &n);

    if (pages.left < 1 || pages.left > PARTITION_LIMIT)
        pages.left = pages.left < 1 ? 1 : PARTITION_LIMIT;
    RESPONSE_ITEMS(r, pages.response->topics, topic_partitions_topic, n);
    pages.response->topics.n = 0;
    for (size_t i = 0; i < n; i++) {
        const int at = in->cursor ? str_cmp(names[i], in->cursor->topic_name) : 1;
        const int32_t from = at == 0 && in->cursor->partition > 0 ? in->cursor->partition : 0;

        if (at >= 0 && !add_page_topic(&pages, names[i], from, in->topics.n <= 0))
            break;
    }
    request_answer(r, pages.response);
}

/* --- DescribeCluster -------------------------------------------------------------------------------------------- */

void api_describe_cluster(struct request *r)
{
    const struct wire_describe_cluster_request *in = r->body;
    struct wire_describe_cluster_response *response = RESPONSE_NEW(r, describe_cluster_response);

    response->endpoint_type = in->endpoint_type;
    response->cluster_id = STR("");
    if (in->endpoint_type != 1) {
        response->error_code =
            in->endpoint_type == 2 ? KAFKA_MISMATCHED_ENDPOINT_TYPE : KAFKA_UNSUPPORTED_ENDPOINT_TYPE;
        response->error_message = STR("this is a broker's address, not a controller's");
        request_answer(r, response);
        return;
    }
    response->cluster_id = str_of(r->b->cluster_id);
    response->controller_id = NODE_ID;
    if (in->include_cluster_authorized)
        response->cluster_authorized_operations = cluster_operations(r);
    RESPONSE_ITEMS(r, response->brokers, describe_cluster_broker, 1);
    response->brokers.p[0].broker_id = NODE_ID;
    request_address(r, &response->brokers.p[0].host, &response->brokers.p[0].port);
    request_answer(r, response);
}
