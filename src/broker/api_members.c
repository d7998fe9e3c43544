/* SyncGroup, Heartbeat, LeaveGroup. */
#include "broker/consumer_group.h"

#include <stdlib.h>

/* Is this a member, of this generation? *m is set if so. */
static enum kafka_error identify(struct request *r, struct str group_id, struct group *g, struct str member_id,
                                 struct str instance_id, int32_t generation, struct member **m)
{
    const struct member *of_instance = g ? group_static_member(g, instance_id) : NULL;

    *m = NULL;
    if (!request_may(r, ACL_READ, ACL_GROUP, group_id))
        return KAFKA_GROUP_AUTHORIZATION_FAILED;
    if (group_id.n == 0)
        return KAFKA_INVALID_GROUP_ID;
    *m = g ? group_member(g, member_id) : NULL;
    if (of_instance && of_instance != *m)
        return KAFKA_FENCED_INSTANCE_ID;
    if (!*m || (instance_id.p && !of_instance))
        return KAFKA_UNKNOWN_MEMBER_ID;
    return generation == g->generation ? KAFKA_OK : KAFKA_ILLEGAL_GENERATION;
}

static void sync_gone(struct request *r)
{
    struct member *m = r->state;

    if (m->sync == r)
        m->sync = NULL;
    request_drop(r);
}

/* The generation's shares are durable: everybody is told his. Or they will never be: then all begin anew. */
static void shares_stored(struct group *g, bool ok, const char *leader)
{
    (void)leader;
    if (!g)
        return;
    g->storing = false;
    if (g->state != GROUP_COMPLETING)
        return;
    if (ok)
        group_set_state(g, GROUP_STABLE);
    for (size_t i = 0; i < g->members.n; i++) {
        struct member *m = g->members.p[i];
        struct request *r = m->sync;

        if (!ok) {
            group_end_sync(m, KAFKA_COORDINATOR_NOT_AVAILABLE);
            continue;
        }
        m->sync = NULL;
        group_touch(g, m);
        if (r)
            group_answer_sync(r, KAFKA_OK, g, m->assignment);
    }
    if (!ok)
        group_prepare_rebalance(g);
}

static void assign(struct group *g, const struct wire_sync_group_request *in)
{
    for (int32_t i = 0; i < in->assignments.n; i++) {
        struct member *m = group_member(g, in->assignments.p[i].member_id);

        if (!m)
            continue;
        group_free_str(&m->assignment);
        m->assignment = str_copy(in->assignments.p[i].assignment);
    }
    g->storing = true;
    group_store_wait(g, g->leader, shares_stored);
}

void api_sync_group(struct request *r)
{
    const struct wire_sync_group_request *in = r->body;
    struct group *g = group_find(r->b->groups, in->group_id);
    struct member *m;
    enum kafka_error e = identify(r, in->group_id, g, in->member_id, in->group_instance_id, in->generation_id, &m);

    if (!e && g->state == GROUP_PREPARING)
        e = KAFKA_REBALANCE_IN_PROGRESS;
    if (!e && ((in->protocol_type.p && !str_is(in->protocol_type, g->protocol_type)) ||
               (in->protocol_name.p && !str_is(in->protocol_name, g->protocol))))
        e = KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    if (e) {
        group_answer_sync(r, e, NULL, STR(""));
        return;
    }
    group_touch(g, m);
    if (g->state == GROUP_STABLE) {
        group_answer_sync(r, KAFKA_OK, g, m->assignment);
        return;
    }
    group_end_sync(m, KAFKA_REBALANCE_IN_PROGRESS);
    r->state = m;
    r->gone = sync_gone;
    m->sync = r;
    if (strcmp(g->leader, m->id) == 0 && !g->storing)
        assign(g, in);
}

void api_heartbeat(struct request *r)
{
    const struct wire_heartbeat_request *in = r->body;
    struct wire_heartbeat_response *response = RESPONSE_NEW(r, heartbeat_response);
    struct group *g = group_find(r->b->groups, in->group_id);
    struct member *m;
    enum kafka_error e = identify(r, in->group_id, g, in->member_id, in->group_instance_id, in->generation_id, &m);

    if (!e) {
        group_touch(g, m);
        if (g->state == GROUP_PREPARING)
            e = KAFKA_REBALANCE_IN_PROGRESS;
    }
    response->error_code = (int16_t)e;
    request_answer(r, response);
}

/* Administrators remove members of the other protocol this way, too. */
static enum kafka_error leave_consumers(struct consumers *cs, struct str member_id, struct str instance_id)
{
    struct consumer *c = consumers_find(cs, member_id), *of_instance = consumers_find_instance(cs, instance_id);

    if (of_instance && member_id.n == 0)
        c = of_instance;
    if (of_instance && c != of_instance)
        return KAFKA_FENCED_INSTANCE_ID;
    if (!c || (instance_id.p && !of_instance))
        return KAFKA_UNKNOWN_MEMBER_ID;
    consumers_remove(cs, c);
    return KAFKA_OK;
}

static enum kafka_error leave(struct group *g, struct str member_id, struct str instance_id)
{
    struct member *of_instance = g ? group_static_member(g, instance_id) : NULL;
    struct member *m = g ? group_member(g, member_id) : NULL;

    if (g && g->consumers)
        return leave_consumers(g->consumers, member_id, instance_id);
    if (of_instance && member_id.n == 0)
        m = of_instance;
    if (of_instance && m != of_instance)
        return KAFKA_FENCED_INSTANCE_ID;
    if (instance_id.p && !of_instance)
        return KAFKA_UNKNOWN_MEMBER_ID;
    if (!m)
        return g && group_take_pending(g, member_id) ? KAFKA_OK : KAFKA_UNKNOWN_MEMBER_ID;
    group_leave(g, m, KAFKA_UNKNOWN_MEMBER_ID);
    return KAFKA_OK;
}

void api_leave_group(struct request *r)
{
    const struct wire_leave_group_request *in = r->body;
    struct wire_leave_group_response *response = RESPONSE_NEW(r, leave_group_response);
    struct group *g = group_find(r->b->groups, in->group_id);

    if (!request_may(r, ACL_READ, ACL_GROUP, in->group_id)) {
        response->error_code = KAFKA_GROUP_AUTHORIZATION_FAILED;
    } else if (in->group_id.n == 0) {
        response->error_code = KAFKA_INVALID_GROUP_ID;
    } else if (r->version < 3) {
        response->error_code = (int16_t)leave(g, in->member_id, (struct str){NULL, 0});
    } else {
        RESPONSE_ITEMS(r, response->members, leave_group_result, in->members.n > 0 ? in->members.n : 0);
        for (int32_t i = 0; i < in->members.n; i++) {
            const struct wire_leave_group_member *m = &in->members.p[i];
            const enum kafka_error e = leave(g, m->member_id, m->group_instance_id);

            response->members.p[i] = (struct wire_leave_group_result){m->member_id, m->group_instance_id, (int16_t)e};
        }
    }
    if (g)
        group_drop_if_idle(g);
    request_answer(r, response);
}
