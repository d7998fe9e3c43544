/*
 * One group's members and its rebalances.
 *
 *   EMPTY --join--> PREPARING --all have joined, or time is up--> COMPLETING --leader's sync--> STABLE
 *   and from COMPLETING and STABLE back to PREPARING when a member comes, goes or changes;
 *   PREPARING ends in EMPTY when nobody is left.
 */
#include "broker/groups.h"

#include <stdio.h>
#include <stdlib.h>

#define SESSION_MIN_MS 1
#define SESSION_MAX_MS 1800000
#define MEMBERS_MAX 10000
#define PENDING_MAX 10000

static void set_state(struct group *g, enum group_state to)
{
    static const bool may[GROUP_STATES][GROUP_STATES] = {
        [GROUP_EMPTY] = {[GROUP_PREPARING] = true},
        [GROUP_PREPARING] = {[GROUP_EMPTY] = true, [GROUP_COMPLETING] = true},
        [GROUP_COMPLETING] = {[GROUP_PREPARING] = true, [GROUP_STABLE] = true},
        [GROUP_STABLE] = {[GROUP_PREPARING] = true},
    };

    IG_ASSERT(may[g->state][to]);
    g->state = to;
}

static void set_text(char **at, struct str s)
{
    char *copy = NULL;

    if (s.p) {
        copy = check_calloc(1, s.n + 1);
        memcpy(copy, s.p, s.n);
    }
    free(*at);
    *at = copy;
}

static void free_str(struct str *s)
{
    free((void *)(uintptr_t)s->p);
    *s = (struct str){NULL, 0};
}

static int64_t now_of(const struct group *g)
{
    return env_monotonic_ms(g->gs->b->env);
}

static void touch(struct group *g, struct member *m)
{
    m->deadline_ms = now_of(g) + m->session_ms;
}

/* --- answers -------------------------------------------------------------------------------------------------- */

static void answer_join_error(struct request *r, enum kafka_error e, const char *member_id)
{
    struct wire_join_group_response *response = RESPONSE_NEW(r, join_group_response);

    response->error_code = (int16_t)e;
    response->protocol_name = response->leader = STR("");
    response->member_id = str_of(member_id);
    request_answer(r, response);
}

static struct str metadata_for(const struct member *m, const char *protocol)
{
    for (size_t i = 0; i < m->protocols.n; i++) {
        if (str_is(m->protocols.p[i].name, protocol))
            return m->protocols.p[i].metadata;
    }
    return STR("");
}

static void answer_join(struct group *g, struct member *m, struct request *r, const char *leader)
{
    struct wire_join_group_response *response = RESPONSE_NEW(r, join_group_response);

    IG_ASSERT(leader);
    response->generation_id = g->generation;
    response->protocol_type = str_of(g->protocol_type);
    response->protocol_name = str_of(g->protocol);
    response->leader = str_of(leader);
    response->member_id = str_of(m->id);
    if (strcmp(leader, m->id) == 0) {
        RESPONSE_ITEMS(r, response->members, join_group_member, g->members.n);
        for (size_t i = 0; i < g->members.n; i++) {
            const struct member *o = g->members.p[i];

            response->members.p[i] =
                (struct wire_join_group_member){str_of(o->id), str_of(o->instance_id), metadata_for(o, g->protocol)};
        }
    }
    touch(g, m);
    request_answer(r, response);
}

static void answer_sync(struct request *r, enum kafka_error e, const struct group *g, struct str assignment)
{
    struct wire_sync_group_response *response = RESPONSE_NEW(r, sync_group_response);

    response->error_code = (int16_t)e;
    if (g && !e) {
        response->protocol_type = str_of(g->protocol_type);
        response->protocol_name = str_of(g->protocol);
        response->assignment = assignment;
    }
    request_answer(r, response);
}

static void end_join(struct member *m, enum kafka_error e)
{
    struct request *r = m->join;

    m->join = NULL;
    if (r)
        answer_join_error(r, e, m->id);
}

static void end_sync(struct member *m, enum kafka_error e)
{
    struct request *r = m->sync;

    m->sync = NULL;
    if (r)
        answer_sync(r, e, NULL, STR(""));
}

/* --- members ---------------------------------------------------------------------------------------------------- */

static void free_protocols(struct member *m)
{
    for (size_t i = 0; i < m->protocols.n; i++) {
        free_str(&m->protocols.p[i].name);
        free_str(&m->protocols.p[i].metadata);
    }
    m->protocols.n = 0;
}

static void member_free(struct member *m, enum kafka_error why)
{
    end_join(m, why);
    end_sync(m, why);
    free_protocols(m);
    vec_free(&m->protocols);
    free_str(&m->assignment);
    free(m->id);
    free(m->instance_id);
    free(m->client_id);
    free(m->client_host);
    free(m);
}

static bool protocols_differ(const struct member *m, const struct wire_join_group_request *in)
{
    if ((int32_t)m->protocols.n != in->protocols.n)
        return true;
    for (size_t i = 0; i < m->protocols.n; i++) {
        if (!str_eq(m->protocols.p[i].name, in->protocols.p[i].name) ||
            !str_eq(m->protocols.p[i].metadata, in->protocols.p[i].metadata))
            return true;
    }
    return false;
}

static void update_member(struct member *m, const struct wire_join_group_request *in)
{
    m->session_ms = in->session_timeout_ms;
    m->rebalance_ms = in->rebalance_timeout_ms > 0 ? in->rebalance_timeout_ms : in->session_timeout_ms;
    free_protocols(m);
    for (int32_t i = 0; i < in->protocols.n; i++) {
        const struct member_protocol p = {str_copy(in->protocols.p[i].name), str_copy(in->protocols.p[i].metadata)};

        vec_push(&m->protocols, p);
    }
}

/* "127.0.0.1:4000" as Kafka's tools show it: "/127.0.0.1". */
static char *host_of(const char *peer)
{
    const char *colon = strrchr(peer, ':');
    const size_t n = colon ? (size_t)(colon - peer) : strlen(peer);
    char *host = check_calloc(1, n + 2);

    snprintf(host, n + 2, "/%s", peer);
    return host;
}

static struct member *add_member(struct group *g, struct request *r, const char *id)
{
    const struct wire_join_group_request *in = r->body;
    struct member *m = check_calloc(1, sizeof(*m));

    m->id = check_strdup(id);
    set_text(&m->instance_id, in->group_instance_id);
    set_text(&m->client_id, r->client_id.p ? r->client_id : STR(""));
    m->client_host = host_of(request_peer(r));
    update_member(m, in);
    vec_push(&g->members, m);
    if (g->members.n == 1)
        set_text(&g->protocol_type, in->protocol_type);
    return m;
}

static struct member *static_member(struct group *g, struct str instance_id)
{
    for (size_t i = 0; instance_id.p && i < g->members.n; i++) {
        if (g->members.p[i]->instance_id && str_is(instance_id, g->members.p[i]->instance_id))
            return g->members.p[i];
    }
    return NULL;
}

static bool everyone_has(const struct group *g, struct str protocol, const struct member *but)
{
    for (size_t i = 0; i < g->members.n; i++) {
        const struct member *m = g->members.p[i];
        bool has = m == but;

        IG_ASSERT(m && (m->protocols.p || m->protocols.n == 0));
        for (size_t k = 0; k < m->protocols.n && !has; k++)
            has = str_eq(m->protocols.p[k].name, protocol);
        if (!has)
            return false;
    }
    return true;
}

static bool is_compatible(const struct group *g, const struct wire_join_group_request *in, const struct member *but)
{
    if (in->protocols.n <= 0 || in->protocol_type.n == 0)
        return false;
    if (g->members.n == 0 || (g->members.n == 1 && but))
        return true;
    if (!str_is(in->protocol_type, g->protocol_type))
        return false;
    for (int32_t i = 0; i < in->protocols.n; i++) {
        if (everyone_has(g, in->protocols.p[i].name, but))
            return true;
    }
    return false;
}

/* Each member votes for the first of its protocols that all have; the most votes win. */
static void choose_protocol(struct group *g)
{
    const struct member *first = g->members.p[0];
    struct str best = {NULL, 0};
    size_t best_votes = 0;

    for (size_t c = 0; c < first->protocols.n; c++) {
        const struct str candidate = first->protocols.p[c].name;
        size_t votes = 0;

        if (!everyone_has(g, candidate, NULL))
            continue;
        for (size_t i = 0; i < g->members.n; i++) {
            const struct member *m = g->members.p[i];

            for (size_t k = 0; k < m->protocols.n; k++) {
                if (!everyone_has(g, m->protocols.p[k].name, NULL))
                    continue;
                votes += str_eq(m->protocols.p[k].name, candidate);
                break;
            }
        }
        if (votes > best_votes) {
            best = candidate;
            best_votes = votes;
        }
    }
    set_text(&g->protocol, best.p ? best : STR(""));
}

/* --- rebalancing ---------------------------------------------------------------------------------------------------
 */

static void drop_member(struct group *g, size_t i, enum kafka_error why)
{
    struct member *m = g->members.p[i];

    if (g->leader && strcmp(g->leader, m->id) == 0)
        set_text(&g->leader, (struct str){NULL, 0});
    g->members.p[i] = g->members.p[--g->members.n];
    member_free(m, why);
}

static void complete_join(struct group *g)
{
    for (size_t i = g->members.n; i-- > 0;) {
        if (!g->members.p[i]->join)
            drop_member(g, i, KAFKA_UNKNOWN_MEMBER_ID);
    }
    g->generation++;
    if (g->members.n == 0) {
        set_state(g, GROUP_EMPTY);
        return;
    }
    if (!g->leader)
        set_text(&g->leader, str_of(g->members.p[0]->id));
    choose_protocol(g);
    set_state(g, GROUP_COMPLETING);
    for (size_t i = 0; i < g->members.n; i++) {
        struct member *m = g->members.p[i];
        struct request *r = m->join;

        m->join = NULL;
        free_str(&m->assignment);
        answer_join(g, m, r, g->leader);
    }
}

static void complete_if_all_joined(struct group *g)
{
    for (size_t i = 0; i < g->members.n; i++) {
        if (!g->members.p[i]->join)
            return;
    }
    complete_join(g);
}

static void prepare_rebalance(struct group *g)
{
    int64_t longest_ms = 0;

    for (size_t i = 0; i < g->members.n; i++) {
        struct member *m = g->members.p[i];

        end_sync(m, KAFKA_REBALANCE_IN_PROGRESS);
        if (m->rebalance_ms > longest_ms)
            longest_ms = m->rebalance_ms;
    }
    if (g->state != GROUP_PREPARING) {
        set_state(g, GROUP_PREPARING);
        g->rebalance_deadline_ms = now_of(g) + longest_ms;
    }
    complete_if_all_joined(g);
}

void group_leave(struct group *g, struct member *m, enum kafka_error why)
{
    for (size_t i = 0; i < g->members.n; i++) {
        if (g->members.p[i] == m) {
            drop_member(g, i, why);
            break;
        }
    }
    prepare_rebalance(g);
}

void group_tick(struct group *g, int64_t now_ms)
{
    for (size_t i = g->pending.n; i-- > 0;) {
        if (now_ms < g->pending.p[i].deadline_ms)
            continue;
        free(g->pending.p[i].id);
        g->pending.p[i] = g->pending.p[--g->pending.n];
    }
    for (size_t i = 0; i < g->members.n;) {
        struct member *m = g->members.p[i];

        if (m->join || m->sync || now_ms < m->deadline_ms) {
            i++;
            continue;
        }
        log_info(g->gs->b->env, "broker", "group %s: member %s has not been heard of for %lld ms", g->id, m->id,
                 (long long)m->session_ms);
        group_leave(g, m, KAFKA_UNKNOWN_MEMBER_ID);
        i = 0;
    }
    if (g->state == GROUP_PREPARING && now_ms >= g->rebalance_deadline_ms)
        complete_join(g);
}

void group_release(struct group *g)
{
    for (size_t i = 0; i < g->members.n; i++)
        member_free(g->members.p[i], KAFKA_COORDINATOR_NOT_AVAILABLE);
    for (size_t i = 0; i < g->pending.n; i++)
        free(g->pending.p[i].id);
    group_clear_offsets(g);
    vec_free(&g->members);
    vec_free(&g->pending);
    free(g->protocol_type);
    free(g->protocol);
    free(g->leader);
    free(g->id);
    free(g);
}

/* --- JoinGroup ------------------------------------------------------------------------------------------------------
 */

static void join_gone(struct request *r)
{
    struct member *m = r->state;

    if (m->join == r)
        m->join = NULL; /* its session time counts again */
    request_drop(r);
}

static void wait_for_join(struct group *g, struct member *m, struct request *r)
{
    end_join(m, KAFKA_REBALANCE_IN_PROGRESS);
    r->state = m;
    r->gone = join_gone;
    m->join = r;
    touch(g, m);
    prepare_rebalance(g);
}

static void rejoin(struct group *g, struct member *m, struct request *r)
{
    const struct wire_join_group_request *in = r->body;
    const bool differs = protocols_differ(m, in);
    const bool leads = g->leader && strcmp(g->leader, m->id) == 0;

    update_member(m, in);
    if (!differs && (g->state == GROUP_COMPLETING || (g->state == GROUP_STABLE && !leads)))
        answer_join(g, m, r, g->leader);
    else
        wait_for_join(g, m, r);
}

/* A static member that comes back under its instance id: it gets a new member id, the old one is fenced, and if nothing
 * else changed there is no rebalance. */
static void replace_static(struct group *g, struct member *m, struct request *r, const char *new_id)
{
    const struct wire_join_group_request *in = r->body;
    const bool differs = protocols_differ(m, in);
    const bool leads = g->leader && strcmp(g->leader, m->id) == 0;
    char *old_id = m->id;

    end_join(m, KAFKA_FENCED_INSTANCE_ID);
    end_sync(m, KAFKA_FENCED_INSTANCE_ID);
    m->id = check_strdup(new_id);
    if (leads)
        set_text(&g->leader, str_of(new_id));
    update_member(m, in);
    if (g->state == GROUP_STABLE && !differs)
        answer_join(g, m, r, leads ? old_id : g->leader); /* as a follower: it keeps its assignment */
    else
        wait_for_join(g, m, r);
    free(old_id);
}

static void make_member_id(struct request *r, char *out, size_t n)
{
    char uuid[37];

    env_uuid(r->b->env, uuid);
    snprintf(out, n, "%.*s-%s", r->client_id.n > 100 ? 100 : (int)r->client_id.n, r->client_id.n ? r->client_id.p : "",
             uuid);
}

static bool take_pending(struct group *g, struct str id)
{
    for (size_t i = 0; i < g->pending.n; i++) {
        if (!str_is(id, g->pending.p[i].id))
            continue;
        free(g->pending.p[i].id);
        g->pending.p[i] = g->pending.p[--g->pending.n];
        return true;
    }
    return false;
}

static void join_new(struct group *g, struct request *r)
{
    const struct wire_join_group_request *in = r->body;
    struct member *known = static_member(g, in->group_instance_id);
    char id[160];

    make_member_id(r, id, sizeof(id));
    if (known) {
        replace_static(g, known, r, id);
    } else if (r->version >= 4 && !in->group_instance_id.p) {
        const struct pending_id pending = {check_strdup(id), now_of(g) + in->session_timeout_ms};

        vec_push(&g->pending, pending);
        answer_join_error(r, KAFKA_MEMBER_ID_REQUIRED, id);
    } else {
        wait_for_join(g, add_member(g, r, id), r);
    }
}

static void join_known(struct group *g, struct request *r)
{
    const struct wire_join_group_request *in = r->body;
    struct member *m = group_member(g, in->member_id);
    const struct member *of_instance = static_member(g, in->group_instance_id);
    const char *id = arena_strndup(&r->arena, in->member_id.p, in->member_id.n);

    if (of_instance && of_instance != m)
        answer_join_error(r, KAFKA_FENCED_INSTANCE_ID, id);
    else if (m)
        rejoin(g, m, r);
    else if (take_pending(g, in->member_id))
        wait_for_join(g, add_member(g, r, id), r);
    else
        answer_join_error(r, KAFKA_UNKNOWN_MEMBER_ID, id);
}

void api_join_group(struct request *r)
{
    const struct wire_join_group_request *in = r->body;
    struct groups *gs = r->b->groups;
    enum kafka_error e = KAFKA_OK;
    struct group *g = NULL;

    if (in->group_id.n == 0)
        e = KAFKA_INVALID_GROUP_ID;
    else if (in->session_timeout_ms < SESSION_MIN_MS || in->session_timeout_ms > SESSION_MAX_MS)
        e = KAFKA_INVALID_SESSION_TIMEOUT;
    else if (r->b->stopping)
        e = KAFKA_COORDINATOR_NOT_AVAILABLE;
    if (!e) {
        g = in->member_id.n ? group_find(gs, in->group_id) : group_make(gs, in->group_id);
        if (!g)
            e = KAFKA_UNKNOWN_MEMBER_ID;
        else if (!is_compatible(g, in, group_member(g, in->member_id)))
            e = KAFKA_INCONSISTENT_GROUP_PROTOCOL;
        else if (g->members.n >= MEMBERS_MAX || g->pending.n >= PENDING_MAX)
            e = KAFKA_COORDINATOR_NOT_AVAILABLE;
    }
    if (e)
        answer_join_error(r, e, arena_strndup(&r->arena, in->member_id.p, in->member_id.n));
    else if (in->member_id.n == 0)
        join_new(g, r);
    else
        join_known(g, r);
}

/* --- SyncGroup, Heartbeat, LeaveGroup --------------------------------------------------------------------------------
 */

/* Is this a member, of this generation? *m is set if so. */
static enum kafka_error identify(struct group *g, struct str member_id, struct str instance_id, int32_t generation,
                                 struct member **m)
{
    const struct member *of_instance = g ? static_member(g, instance_id) : NULL;

    *m = g ? group_member(g, member_id) : NULL;
    if (of_instance && of_instance != *m)
        return KAFKA_FENCED_INSTANCE_ID;
    if (!*m)
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

static void assign(struct group *g, const struct wire_sync_group_request *in)
{
    for (int32_t i = 0; i < in->assignments.n; i++) {
        struct member *m = group_member(g, in->assignments.p[i].member_id);

        if (!m)
            continue;
        free_str(&m->assignment);
        m->assignment = str_copy(in->assignments.p[i].assignment);
    }
    set_state(g, GROUP_STABLE);
    for (size_t i = 0; i < g->members.n; i++) {
        struct member *m = g->members.p[i];
        struct request *r = m->sync;

        m->sync = NULL;
        touch(g, m);
        if (r)
            answer_sync(r, KAFKA_OK, g, m->assignment);
    }
}

void api_sync_group(struct request *r)
{
    const struct wire_sync_group_request *in = r->body;
    struct group *g = group_find(r->b->groups, in->group_id);
    struct member *m;
    enum kafka_error e = identify(g, in->member_id, in->group_instance_id, in->generation_id, &m);

    if (!e && g->state == GROUP_PREPARING)
        e = KAFKA_REBALANCE_IN_PROGRESS;
    if (!e && ((in->protocol_type.p && !str_is(in->protocol_type, g->protocol_type)) ||
               (in->protocol_name.p && !str_is(in->protocol_name, g->protocol))))
        e = KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    if (e) {
        answer_sync(r, e, NULL, STR(""));
        return;
    }
    touch(g, m);
    if (g->state == GROUP_STABLE) {
        answer_sync(r, KAFKA_OK, g, m->assignment);
        return;
    }
    end_sync(m, KAFKA_REBALANCE_IN_PROGRESS);
    r->state = m;
    r->gone = sync_gone;
    m->sync = r;
    if (strcmp(g->leader, m->id) == 0)
        assign(g, in);
}

void api_heartbeat(struct request *r)
{
    const struct wire_heartbeat_request *in = r->body;
    struct wire_heartbeat_response *response = RESPONSE_NEW(r, heartbeat_response);
    struct group *g = group_find(r->b->groups, in->group_id);
    struct member *m;
    enum kafka_error e = identify(g, in->member_id, in->group_instance_id, in->generation_id, &m);

    if (!e) {
        touch(g, m);
        if (g->state == GROUP_PREPARING)
            e = KAFKA_REBALANCE_IN_PROGRESS;
    }
    response->error_code = (int16_t)e;
    request_answer(r, response);
}

static enum kafka_error leave(struct group *g, struct str member_id, struct str instance_id)
{
    struct member *of_instance = g ? static_member(g, instance_id) : NULL;
    struct member *m = g ? group_member(g, member_id) : NULL;

    if (of_instance && member_id.n == 0)
        m = of_instance;
    if (of_instance && m != of_instance)
        return KAFKA_FENCED_INSTANCE_ID;
    if (!m)
        return g && take_pending(g, member_id) ? KAFKA_OK : KAFKA_UNKNOWN_MEMBER_ID;
    group_leave(g, m, KAFKA_UNKNOWN_MEMBER_ID);
    return KAFKA_OK;
}

void api_leave_group(struct request *r)
{
    const struct wire_leave_group_request *in = r->body;
    struct wire_leave_group_response *response = RESPONSE_NEW(r, leave_group_response);
    struct group *g = group_find(r->b->groups, in->group_id);

    if (r->version < 3) {
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
