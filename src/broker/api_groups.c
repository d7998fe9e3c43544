/* The APIs of groups that are not about joining: coordinator, offsets, and looking at groups from outside. */
#include "broker/admin.h"
#include "broker/consumer_group.h"

#include <stdlib.h>
#include <strings.h>

#define METADATA_MAX 4096

enum coordinator_type { COORDINATES_GROUPS, COORDINATES_TRANSACTIONS };

/* --- FindCoordinator -------------------------------------------------------------------------------------------------
 */

static struct wire_find_coordinator_result find_coordinator(struct request *r, int8_t type, struct str key)
{
    static const struct {
        enum acl_resource resource;
        enum kafka_error denied;
    } types[] = {
        [COORDINATES_GROUPS] = {ACL_GROUP, KAFKA_GROUP_AUTHORIZATION_FAILED},
        [COORDINATES_TRANSACTIONS] = {ACL_TRANSACTIONAL_ID, KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED},
    };
    struct wire_find_coordinator_result out = {.key = key, .node_id = -1, .host = STR(""), .port = -1};

    if (type < 0 || (size_t)type >= IG_COUNT(types)) {
        out.error_code = KAFKA_INVALID_REQUEST;
        out.error_message = STR("there is no coordinator of that type");
    } else if (!request_may(r, ACL_DESCRIBE, types[type].resource, key)) {
        out.error_code = (int16_t)types[type].denied;
    } else {
        out.node_id = NODE_ID;
        request_address(r, &out.host, &out.port);
    }
    return out;
}

void api_find_coordinator(struct request *r)
{
    const struct wire_find_coordinator_request *in = r->body;
    struct wire_find_coordinator_response *response = RESPONSE_NEW(r, find_coordinator_response);

    if (r->version < 4) {
        const struct wire_find_coordinator_result one = find_coordinator(r, in->key_type, in->key);

        response->error_code = one.error_code;
        response->error_message = one.error_message;
        response->node_id = one.node_id;
        response->host = one.host;
        response->port = one.port;
    }
    RESPONSE_ITEMS(r, response->coordinators, find_coordinator_result, in->keys.n > 0 ? in->keys.n : 0);
    for (int32_t i = 0; i < in->keys.n; i++)
        response->coordinators.p[i] = find_coordinator(r, in->key_type, in->keys.p[i]);
    request_answer(r, response);
}

/* --- OffsetCommit
 * ------------------------------------------------------------------------------------------------------ */

struct commit {
    struct request *r;
    struct wire_offset_commit_response *response;
    struct offsets_change change;
};

static void commit_done(void *ctx, bool ok)
{
    struct commit *c = ctx;

    for (int32_t i = 0; !ok && i < c->response->topics.n; i++) {
        for (int32_t k = 0; k < c->response->topics.p[i].partitions.n; k++) {
            struct wire_offset_commit_partition_result *p = &c->response->topics.p[i].partitions.p[k];

            if (!p->error_code)
                p->error_code = KAFKA_COORDINATOR_NOT_AVAILABLE;
        }
    }
    request_answer(c->r, c->response);
}

/* Is this a member, of this epoch? */
static enum kafka_error check_consumer(const struct consumers *cs, struct str member_id, int32_t epoch)
{
    const struct consumer *c = consumers_find(cs, member_id);

    if (!c)
        return KAFKA_UNKNOWN_MEMBER_ID;
    return epoch == c->epoch ? KAFKA_OK : KAFKA_STALE_MEMBER_EPOCH;
}

/* Members must be of the current generation; who is none may commit for a group without members. */
static enum kafka_error may_commit(struct request *r, struct group *g, const struct wire_offset_commit_request *in)
{
    const struct member *of_instance = g ? group_static_member(g, in->group_instance_id) : NULL;
    struct member *m;

    if (!request_may(r, ACL_READ, ACL_GROUP, in->group_id))
        return KAFKA_GROUP_AUTHORIZATION_FAILED;
    if (!g)
        return in->generation_id < 0 ? KAFKA_OK : KAFKA_ILLEGAL_GENERATION;
    if (in->generation_id < 0 && group_is_empty(g))
        return KAFKA_OK;
    if (g->consumers && r->version < 9)
        return KAFKA_UNSUPPORTED_VERSION;
    if (g->consumers)
        return check_consumer(g->consumers, in->member_id, in->generation_id);
    m = group_member(g, in->member_id);
    if (of_instance && of_instance != m)
        return KAFKA_FENCED_INSTANCE_ID;
    if (!m || (in->group_instance_id.p && !of_instance))
        return KAFKA_UNKNOWN_MEMBER_ID;
    if (in->generation_id != g->generation)
        return KAFKA_ILLEGAL_GENERATION;
    group_touch(g, m);
    return g->state == GROUP_COMPLETING ? KAFKA_REBALANCE_IN_PROGRESS : KAFKA_OK;
}

/* The topic that is meant, since version 10 by its id; p NULL if there is none. */
static struct str name_of(struct request *r, struct str name, const struct wire_uuid *id)
{
    const struct topic *t = r->version >= 10 ? topics_find_id(r->b->topics, id) : NULL;

    if (r->version < 10)
        return name;
    return t ? str_of(arena_strdup(&r->arena, t->name)) : (struct str){NULL, 0};
}

/* When the offset was committed, as far as its end is counted from there: old clients may say how long it is to be
 * kept, or when it was. */
static int64_t time_of_commit(const struct request *r, const struct wire_offset_commit_partition *p)
{
    const struct wire_offset_commit_request *in = r->body;
    const int64_t now_ms = env_now_ms(r->b->env);

    if (r->version == 1 && p->timestamp >= 0)
        return p->timestamp;
    if (in->retention_time_ms < 0 || in->retention_time_ms > INT64_MAX / 4)
        return now_ms;
    return now_ms + in->retention_time_ms - r->b->options.offsets_retention_ms;
}

static void commit_partition(struct commit *c, struct str topic, const struct wire_offset_commit_partition *in,
                             enum kafka_error e, struct wire_offset_commit_partition_result *out)
{
    out->partition = in->partition;
    if (!e && !topic.p)
        e = KAFKA_UNKNOWN_TOPIC_ID;
    if (!e && !request_may(c->r, ACL_READ, ACL_TOPIC, topic))
        e = KAFKA_TOPIC_AUTHORIZATION_FAILED;
    if (!e && !topics_partition(c->r->b->topics, topic, in->partition))
        e = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    if (!e && in->metadata.n > METADATA_MAX)
        e = KAFKA_OFFSET_METADATA_TOO_LARGE;
    if (!e && in->offset < 0)
        e = KAFKA_OFFSET_OUT_OF_RANGE;
    out->error_code = (int16_t)e;
    if (e)
        return;
    c->change.items[c->change.n++] = (struct committed){
        .topic = topic,
        .partition = in->partition,
        .leader_epoch = in->leader_epoch,
        .offset = in->offset,
        .time_ms = time_of_commit(c->r, in),
        .metadata = in->metadata,
    };
}

void api_offset_commit(struct request *r)
{
    const struct wire_offset_commit_request *in = r->body;
    const enum kafka_error e = may_commit(r, group_find(r->b->groups, in->group_id), in);
    struct commit *c = ARENA_NEW(&r->arena, struct commit);
    size_t n = 0;

    c->r = r;
    c->response = RESPONSE_NEW(r, offset_commit_response);
    for (int32_t i = 0; i < in->topics.n; i++)
        n += (size_t)(in->topics.p[i].partitions.n > 0 ? in->topics.p[i].partitions.n : 0);
    c->change = (struct offsets_change){.group_id = in->group_id,
                                        .items = ARENA_ARRAY(&r->arena, struct committed, n + 1),
                                        .done = commit_done,
                                        .ctx = c};
    RESPONSE_ITEMS(r, c->response->topics, offset_commit_topic_result, in->topics.n > 0 ? in->topics.n : 0);
    for (int32_t i = 0; i < in->topics.n; i++) {
        const struct wire_offset_commit_topic *t = &in->topics.p[i];
        struct wire_offset_commit_topic_result *out = &c->response->topics.p[i];

        const struct str name = name_of(r, t->name, &t->topic_id);

        out->name = t->name;
        out->topic_id = t->topic_id;
        RESPONSE_ITEMS(r, out->partitions, offset_commit_partition_result, t->partitions.n > 0 ? t->partitions.n : 0);
        for (int32_t k = 0; k < t->partitions.n; k++)
            commit_partition(c, name, &t->partitions.p[k], e, &out->partitions.p[k]);
    }
    if (c->change.n > 0)
        groups_change(r->b->groups, &c->change);
    else
        request_answer(r, c->response);
}

/* --- OffsetFetch
 * ------------------------------------------------------------------------------------------------------- */

static bool wants_stable(const struct request *r)
{
    return ((const struct wire_offset_fetch_request *)r->body)->require_stable;
}

static void fill_committed(const struct committed *c, bool unstable, struct wire_offset_fetch_partition_result *out)
{
    out->metadata = STR("");
    if (unstable) {
        out->error_code = KAFKA_UNSTABLE_OFFSET_COMMIT;
        return;
    }
    if (!c || c->offset < 0)
        return;
    out->offset = c->offset;
    out->leader_epoch = c->leader_epoch;
    if (c->metadata.p)
        out->metadata = c->metadata;
}

struct topic_results {
    struct wire_offset_fetch_topic_result *p;
    int32_t n;
};

static int by_topic(const void *a, const void *b)
{
    const struct committed *const *x = a, *const *y = b;
    const int c = str_cmp((*x)->topic, (*y)->topic);

    return c ? c : ((*x)->partition > (*y)->partition) - ((*x)->partition < (*y)->partition);
}

static struct wire_uuid id_of(const struct request *r, struct str name)
{
    const struct topic *t = topics_find(r->b->topics, name);

    return t ? t->id : (struct wire_uuid){{0}};
}

/* All that the group has committed. */
static struct topic_results fetch_all(struct request *r, const struct group *g)
{
    const struct committed **all = ARENA_ARRAY(&r->arena, const struct committed *, g->offsets.n + 1);
    struct topic_results out;
    size_t n = 0;

    for (size_t i = 0; i < g->offsets.n; i++) {
        if (g->offsets.p[i].offset >= 0 && request_may(r, ACL_DESCRIBE, ACL_TOPIC, g->offsets.p[i].topic))
            all[n++] = &g->offsets.p[i];
    }
    qsort(all, n, sizeof(*all), by_topic);
    RESPONSE_ITEMS(r, out, offset_fetch_topic_result, n);
    out.n = 0;
    for (size_t i = 0; i < n;) {
        struct wire_offset_fetch_topic_result *t = &out.p[out.n++];
        size_t k = i;

        while (k < n && str_eq(all[k]->topic, all[i]->topic))
            k++;
        t->name = all[i]->topic;
        t->topic_id = id_of(r, all[i]->topic);
        RESPONSE_ITEMS(r, t->partitions, offset_fetch_partition_result, k - i);
        for (int32_t j = 0; i < k; i++, j++) {
            t->partitions.p[j].partition = all[i]->partition;
            fill_committed(all[i], wants_stable(r) && group_is_pending(g, all[i]->topic, all[i]->partition),
                           &t->partitions.p[j]);
        }
    }
    return out;
}

static struct topic_results fetch_topics(struct request *r, struct group *g,
                                         const struct wire_offset_fetch_topic *topics, int32_t n)
{
    struct topic_results out = {NULL, 0};

    if (n < 0)
        return g ? fetch_all(r, g) : out;
    RESPONSE_ITEMS(r, out, offset_fetch_topic_result, n);
    for (int32_t i = 0; i < n; i++) {
        const int32_t count = topics[i].partitions.n > 0 ? topics[i].partitions.n : 0;
        const struct str name = name_of(r, topics[i].name, &topics[i].topic_id);
        const bool may = !name.p || request_may(r, ACL_DESCRIBE, ACL_TOPIC, name);

        out.p[i].name = topics[i].name;
        out.p[i].topic_id = topics[i].topic_id;
        RESPONSE_ITEMS(r, out.p[i].partitions, offset_fetch_partition_result, count);
        for (int32_t k = 0; k < count; k++) {
            struct wire_offset_fetch_partition_result *p = &out.p[i].partitions.p[k];

            p->partition = topics[i].partitions.p[k];
            if (!may || !name.p) {
                p->metadata = STR("");
                p->error_code = may ? KAFKA_UNKNOWN_TOPIC_ID : KAFKA_TOPIC_AUTHORIZATION_FAILED;
                continue;
            }
            fill_committed(g ? group_committed(g, name, p->partition) : NULL,
                           g && wants_stable(r) && group_is_pending(g, name, p->partition), p);
        }
    }
    return out;
}

void api_offset_fetch(struct request *r)
{
    const struct wire_offset_fetch_request *in = r->body;
    struct wire_offset_fetch_response *response = RESPONSE_NEW(r, offset_fetch_response);
    struct groups *gs = r->b->groups;
    struct topic_results topics;

    if (r->version < 8 && !request_may(r, ACL_DESCRIBE, ACL_GROUP, in->group_id)) {
        response->error_code = KAFKA_GROUP_AUTHORIZATION_FAILED;
    } else if (r->version < 8) {
        topics = fetch_topics(r, group_find(gs, in->group_id), in->topics.p, in->topics.n);
        response->topics.p = topics.p;
        response->topics.n = topics.n;
    } else {
        RESPONSE_ITEMS(r, response->groups, offset_fetch_group_result, in->groups.n > 0 ? in->groups.n : 0);
        for (int32_t i = 0; i < in->groups.n; i++) {
            const struct wire_offset_fetch_group *g = &in->groups.p[i];
            struct group *found = group_find(gs, g->group_id);

            response->groups.p[i].group_id = g->group_id;
            if (!request_may(r, ACL_DESCRIBE, ACL_GROUP, g->group_id)) {
                response->groups.p[i].error_code = KAFKA_GROUP_AUTHORIZATION_FAILED;
                continue;
            }
            if (g->member_epoch >= 0 && found && found->consumers)
                response->groups.p[i].error_code =
                    (int16_t)check_consumer(found->consumers, g->member_id, g->member_epoch);
            if (response->groups.p[i].error_code)
                continue;
            topics = fetch_topics(r, found, g->topics.p, g->topics.n);
            response->groups.p[i].topics.p = topics.p;
            response->groups.p[i].topics.n = topics.n;
        }
    }
    request_answer(r, response);
}

/* --- looking at groups, removing them
 * ------------------------------------------------------------------------------------ */

/* What members said and got is only shown while it holds. */
static void describe_member(const struct group *g, const struct member *m, struct wire_describe_groups_member *out)
{
    *out = (struct wire_describe_groups_member){
        .member_id = str_of(m->id),
        .group_instance_id = str_of(m->instance_id),
        .client_id = str_of(m->client_id),
        .client_host = str_of(m->client_host),
        .metadata = STR(""),
        .assignment = STR(""),
    };
    if (g->state != GROUP_STABLE)
        return;
    if (m->assignment.p)
        out->assignment = m->assignment;
    for (size_t k = 0; k < m->protocols.n; k++) {
        if (str_is(m->protocols.p[k].name, g->protocol))
            out->metadata = m->protocols.p[k].metadata;
    }
}

static void describe_group(struct request *r, const struct group *g, struct wire_describe_groups_result *out)
{
    out->state = str_of(group_state_name(g));
    out->protocol_type = str_of(g->protocol_type ? g->protocol_type : "");
    out->protocol = str_of(g->protocol && g->state == GROUP_STABLE ? g->protocol : "");
    RESPONSE_ITEMS(r, out->members, describe_groups_member, g->members.n);
    for (size_t i = 0; i < g->members.n; i++)
        describe_member(g, g->members.p[i], &out->members.p[i]);
}

void api_describe_groups(struct request *r)
{
    const struct wire_describe_groups_request *in = r->body;
    struct wire_describe_groups_response *response = RESPONSE_NEW(r, describe_groups_response);

    RESPONSE_ITEMS(r, response->groups, describe_groups_result, in->groups.n > 0 ? in->groups.n : 0);
    for (int32_t i = 0; i < in->groups.n; i++) {
        const struct str id = in->groups.p[i];
        const struct group *g = group_find(r->b->groups, id);
        struct wire_describe_groups_result *out = &response->groups.p[i];

        out->group_id = id;
        out->state = out->protocol_type = out->protocol = STR("");
        if (!request_may(r, ACL_DESCRIBE, ACL_GROUP, id)) {
            out->error_code = KAFKA_GROUP_AUTHORIZATION_FAILED;
            continue;
        }
        if (in->include_authorized_operations)
            out->authorized_operations = request_operations(r, ACL_GROUP, id);
        if (g && !g->consumers) {
            describe_group(r, g, out);
            continue;
        }
        out->state = STR("Dead");
        if (r->version >= 6) {
            out->error_code = KAFKA_GROUP_ID_NOT_FOUND;
            out->error_message = str_of(arena_printf(&r->arena, "there is no classic group " STR_FMT, STR_ARG(id)));
        }
    }
    request_answer(r, response);
}

/* States and types are asked for in any case of letters. */
static bool is_listed(const struct wire_strings *filter, const char *value)
{
    for (int32_t i = 0; i < filter->n; i++) {
        if (filter->p[i].n == strlen(value) && strncasecmp(filter->p[i].p, value, filter->p[i].n) == 0)
            return true;
    }
    return filter->n <= 0;
}

static const char *type_of(const struct group *g)
{
    return g->consumers ? "consumer" : "classic";
}

void api_list_groups(struct request *r)
{
    const struct wire_list_groups_request *in = r->body;
    struct wire_list_groups_response *response = RESPONSE_NEW(r, list_groups_response);
    const bool may = request_may_cluster(r, ACL_DESCRIBE);
    struct groups *gs = r->b->groups;

    RESPONSE_ITEMS(r, response->groups, list_groups_result, gs->n);
    response->groups.n = 0;
    for (size_t i = 0; i < GROUP_BUCKETS; i++) {
        for (const struct group *g = gs->buckets[i]; g; g = g->next) {
            if (!is_listed(&in->states_filter, group_state_name(g)) || !is_listed(&in->types_filter, type_of(g)) ||
                (!may && !request_may(r, ACL_DESCRIBE, ACL_GROUP, str_of(g->id))))
                continue;
            response->groups.p[response->groups.n++] =
                (struct wire_list_groups_result){str_of(g->id), str_of(g->protocol_type ? g->protocol_type : ""),
                                                 str_of(group_state_name(g)), str_of(type_of(g))};
        }
    }
    request_answer(r, response);
}

/* One request may remove the offsets of many groups, each by a change of its own. */
struct removal {
    struct request *r;
    const void *response;
    size_t waiting;
};
struct removal_part {
    struct removal *all;
    struct offsets_change change;
    int16_t *error_code;
    bool whole; /* the group itself goes, too */
};

static void removal_finish(struct removal *all)
{
    if (--all->waiting == 0)
        request_answer(all->r, all->response);
}

static void removal_done(void *ctx, bool ok)
{
    struct removal_part *part = ctx;
    struct groups *gs = part->all->r->b->groups;
    struct group *g = group_find(gs, part->change.group_id);

    if (!ok)
        *part->error_code = KAFKA_COORDINATOR_NOT_AVAILABLE;
    if (ok && g && part->whole && group_is_empty(g) && g->pending.n == 0)
        group_drop(g);
    removal_finish(part->all);
}

static void remove_offsets(struct removal *all, struct str group_id, struct committed *items, size_t n, bool whole,
                           int16_t *error_code)
{
    struct removal_part *part = ARENA_NEW(&all->r->arena, struct removal_part);

    part->all = all;
    part->error_code = error_code;
    part->whole = whole;
    part->change =
        (struct offsets_change){.group_id = group_id, .items = items, .n = n, .done = removal_done, .ctx = part};
    all->waiting++;
    if (n > 0)
        groups_change(all->r->b->groups, &part->change);
    else
        removal_done(part, true);
}

static void delete_group(struct removal *all, struct str group_id, int16_t *error_code)
{
    struct group *g = group_find(all->r->b->groups, group_id);
    struct committed *items;
    size_t n = 0;

    if (!request_may(all->r, ACL_DELETE, ACL_GROUP, group_id)) {
        *error_code = KAFKA_GROUP_AUTHORIZATION_FAILED;
        return;
    }
    if (g)
        group_catch_up(g);
    if (!g || !group_is_empty(g)) {
        *error_code = g ? KAFKA_NON_EMPTY_GROUP : KAFKA_GROUP_ID_NOT_FOUND;
        return;
    }
    items = ARENA_ARRAY(&all->r->arena, struct committed, g->offsets.n + g->txn_offsets.n + 1);
    for (size_t i = 0; i < g->offsets.n; i++) {
        if (g->offsets.p[i].offset >= 0)
            items[n++] = (struct committed){.topic = arena_str(&all->r->arena, g->offsets.p[i].topic),
                                            .partition = g->offsets.p[i].partition,
                                            .offset = -1};
    }
    for (size_t i = 0; i < g->txn_offsets.n; i++)
        items[n++] = (struct committed){.topic = arena_str(&all->r->arena, g->txn_offsets.p[i].c.topic),
                                        .partition = g->txn_offsets.p[i].c.partition,
                                        .offset = -1};
    remove_offsets(all, group_id, items, n, true, error_code);
}

void api_delete_groups(struct request *r)
{
    const struct wire_delete_groups_request *in = r->body;
    struct wire_delete_groups_response *response = RESPONSE_NEW(r, delete_groups_response);
    struct removal *all = ARENA_NEW(&r->arena, struct removal);

    *all = (struct removal){r, response, 1};
    RESPONSE_ITEMS(r, response->results, delete_groups_result, in->groups.n > 0 ? in->groups.n : 0);
    for (int32_t i = 0; i < in->groups.n; i++) {
        response->results.p[i].group_id = in->groups.p[i];
        delete_group(all, in->groups.p[i], &response->results.p[i].error_code);
    }
    removal_finish(all);
}

/* May the offsets of this topic be removed from the group? Consumers must not be subscribed to it. */
static enum kafka_error may_remove(struct request *r, const struct group *g, struct str topic, int32_t partition)
{
    if (!request_may(r, ACL_READ, ACL_TOPIC, topic))
        return KAFKA_TOPIC_AUTHORIZATION_FAILED;
    if (!topics_partition(r->b->topics, topic, partition))
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    return group_subscribes(g, topic) ? KAFKA_GROUP_SUBSCRIBED_TO_TOPIC : KAFKA_OK;
}

static void delete_offsets(struct removal *all, struct group *g, struct wire_offset_delete_response *response)
{
    struct request *r = all->r;
    const struct wire_offset_delete_request *in = r->body;
    struct committed *items = ARENA_ARRAY(&r->arena, struct committed, g->offsets.n + 1);
    size_t n = 0;

    RESPONSE_ITEMS(r, response->topics, offset_commit_topic_result, in->topics.n > 0 ? in->topics.n : 0);
    for (int32_t i = 0; i < in->topics.n; i++) {
        const struct wire_offset_delete_topic *t = &in->topics.p[i];
        struct wire_offset_commit_topic_result *out = &response->topics.p[i];

        out->name = t->name;
        RESPONSE_ITEMS(r, out->partitions, offset_commit_partition_result, t->partitions.n > 0 ? t->partitions.n : 0);
        for (int32_t k = 0; k < t->partitions.n; k++) {
            const struct committed *c = group_committed(g, t->name, t->partitions.p[k].partition);
            const enum kafka_error e = may_remove(r, g, t->name, t->partitions.p[k].partition);

            out->partitions.p[k].partition = t->partitions.p[k].partition;
            out->partitions.p[k].error_code = (int16_t)e;
            if (!e && c && c->offset >= 0 && n < g->offsets.n)
                items[n++] = (struct committed){.topic = t->name, .partition = c->partition, .offset = -1};
        }
    }
    if (n > 0)
        remove_offsets(all, in->group_id, items, n, false, &response->error_code);
}

void api_offset_delete(struct request *r)
{
    const struct wire_offset_delete_request *in = r->body;
    struct wire_offset_delete_response *response = RESPONSE_NEW(r, offset_delete_response);
    struct group *g = group_find(r->b->groups, in->group_id);
    struct removal *all = ARENA_NEW(&r->arena, struct removal);

    *all = (struct removal){r, response, 1};
    if (g)
        group_catch_up(g);
    if (!request_may(r, ACL_DELETE, ACL_GROUP, in->group_id))
        response->error_code = KAFKA_GROUP_AUTHORIZATION_FAILED;
    else if (!g)
        response->error_code = KAFKA_GROUP_ID_NOT_FOUND;
    else if (g->members.n > 0 && !group_is_of_consumers(g))
        response->error_code = KAFKA_NON_EMPTY_GROUP;
    else
        delete_offsets(all, g, response);
    removal_finish(all);
}
