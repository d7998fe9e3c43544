/* JoinGroup: who comes, who comes again, and who comes back under its instance id. */
#include "broker/consumer_group.h"

#include <stdio.h>
#include <stdlib.h>

#define PENDING_MAX 10000

static void join_gone(struct request *r)
{
    struct member *m = r->state;

    if (m->join == r)
        m->join = NULL; /* its session time counts again */
    request_drop(r);
}

static void begin_wait(struct group *g, struct member *m, struct request *r)
{
    r->state = m;
    r->gone = join_gone;
    m->join = r;
    group_touch(g, m);
}

static void wait_for_join(struct group *g, struct member *m, struct request *r)
{
    group_end_join(m, KAFKA_REBALANCE_IN_PROGRESS);
    begin_wait(g, m, r);
    group_prepare_rebalance(g);
}

static void rejoin(struct group *g, struct member *m, struct request *r)
{
    const struct wire_join_group_request *in = r->body;
    const bool differs = member_differs(m, in);
    const bool leads = g->leader && strcmp(g->leader, m->id) == 0;

    member_update(m, in);
    if (!differs && (g->state == GROUP_COMPLETING || (g->state == GROUP_STABLE && !leads)))
        group_answer_join(g, m, r, g->leader, false);
    else
        wait_for_join(g, m, r);
}

/* The new id of a static member is durable: the old one will not come back, and the new one may be told. */
static void replacement_stored(struct group *g, bool ok, const char *id)
{
    struct member *m = g ? group_member(g, str_of(id)) : NULL;
    struct request *r = m ? m->join : NULL;

    if (!r || g->state != GROUP_STABLE)
        return; /* it waits for a rebalance by now */
    m->join = NULL;
    if (ok) { /* one that leads is told the id it had, so that it does not share out anew */
        group_answer_join(g, m, r, strcmp(g->leader, id) == 0 && !m->skips ? m->replaced : g->leader, m->skips);
    } else {
        group_answer_join_error(r, KAFKA_COORDINATOR_NOT_AVAILABLE, id);
        group_prepare_rebalance(g);
    }
}

/* A static member that comes back under its instance id: it gets a new member id, the old one is fenced, and as long as
 * all still agree on the same protocol there is no rebalance: it keeps its share. */
static void replace_static(struct group *g, struct member *m, struct request *r, const char *new_id)
{
    const struct wire_join_group_request *in = r->body;
    const bool leads = g->leader && strcmp(g->leader, m->id) == 0;

    group_end_join(m, KAFKA_FENCED_INSTANCE_ID);
    group_end_sync(m, KAFKA_FENCED_INSTANCE_ID);
    free(m->replaced);
    m->replaced = m->id;
    m->id = check_strdup(new_id);
    m->skips = leads && r->version >= 9; /* it may be told that it leads, and need not share out anew */
    if (leads)
        group_set_text(&g->leader, str_of(new_id));
    member_update(m, in);
    if (g->state == GROUP_STABLE && str_is(group_select_protocol(g), g->protocol)) {
        begin_wait(g, m, r);
        group_store_wait(g, new_id, replacement_stored);
    } else {
        wait_for_join(g, m, r);
    }
}

static void make_member_id(struct request *r, char *out, size_t n)
{
    char uuid[37];

    env_uuid(r->b->env, uuid);
    snprintf(out, n, "%.*s-%s", r->client_id.n > 100 ? 100 : (int)r->client_id.n, r->client_id.n ? r->client_id.p : "",
             uuid);
}

static void join_new(struct group *g, struct request *r)
{
    const struct wire_join_group_request *in = r->body;
    struct member *known = group_static_member(g, in->group_instance_id);
    char id[160];

    make_member_id(r, id, sizeof(id));
    if (known) {
        replace_static(g, known, r, id);
    } else if (r->version >= 4 && !in->group_instance_id.p) {
        const struct pending_id pending = {check_strdup(id), group_now(g) + in->session_timeout_ms};

        vec_push(&g->pending, pending);
        group_answer_join_error(r, KAFKA_MEMBER_ID_REQUIRED, id);
    } else {
        wait_for_join(g, group_add_member(g, r, id), r);
    }
}

static void join_known(struct group *g, struct request *r)
{
    const struct wire_join_group_request *in = r->body;
    struct member *m = group_member(g, in->member_id);
    const struct member *of_instance = group_static_member(g, in->group_instance_id);
    const char *id = arena_strndup(&r->arena, in->member_id.p, in->member_id.n);
    const bool instance_is_gone = in->group_instance_id.p && !of_instance;

    if (of_instance && of_instance != m)
        group_answer_join_error(r, KAFKA_FENCED_INSTANCE_ID, id);
    else if (m && !instance_is_gone)
        rejoin(g, m, r);
    else if (!instance_is_gone && group_take_pending(g, in->member_id))
        wait_for_join(g, group_add_member(g, r, id), r);
    else
        group_answer_join_error(r, KAFKA_UNKNOWN_MEMBER_ID, id);
}

/* May this one join, before anything about it in particular is looked at? */
static enum kafka_error check_join(struct request *r, struct group **g)
{
    const struct wire_join_group_request *in = r->body;
    const struct broker_options *o = &r->b->options;
    struct groups *gs = r->b->groups;

    if (!request_may(r, ACL_READ, ACL_GROUP, in->group_id))
        return KAFKA_GROUP_AUTHORIZATION_FAILED;
    if (in->group_id.n == 0)
        return KAFKA_INVALID_GROUP_ID;
    if (in->session_timeout_ms < o->group_min_session_ms || in->session_timeout_ms > o->group_max_session_ms)
        return KAFKA_INVALID_SESSION_TIMEOUT;
    if (r->b->stopping)
        return KAFKA_COORDINATOR_NOT_AVAILABLE;
    *g = in->member_id.n ? group_find(gs, in->group_id) : group_make(gs, in->group_id);
    if (!*g)
        return KAFKA_UNKNOWN_MEMBER_ID;
    if ((*g)->consumers && (*g)->consumers->members.n == 0) { /* it becomes a classic one */
        consumers_free((*g)->consumers);
        (*g)->consumers = NULL;
    }
    if (!group_takes(*g, in, group_member(*g, in->member_id)))
        return KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    if (!group_member(*g, in->member_id) && ((*g)->members.n >= GROUP_MEMBERS_MAX || (*g)->pending.n >= PENDING_MAX))
        return KAFKA_GROUP_MAX_SIZE_REACHED;
    return KAFKA_OK;
}

void api_join_group(struct request *r)
{
    const struct wire_join_group_request *in = r->body;
    struct group *g = NULL;
    const enum kafka_error e = check_join(r, &g);

    if (e)
        group_answer_join_error(r, e, arena_strndup(&r->arena, in->member_id.p, in->member_id.n));
    else if (in->member_id.n == 0)
        join_new(g, r);
    else
        join_known(g, r);
}
