/*
 * One group's members and its rebalances.
 *
 *   EMPTY --join--> PREPARING --all have joined, or time is up--> COMPLETING --leader's sync--> STABLE
 *   and from COMPLETING and STABLE back to PREPARING when a member comes, goes or changes;
 *   PREPARING ends in EMPTY when nobody is left.
 *
 * Nobody who came with an instance id (a static member) is thrown out for not joining again: only its session's end
 * does that.
 */
#include "broker/consumer_group.h"

#include <stdio.h>
#include <stdlib.h>

bool group_is_empty(const struct group *g)
{
    return g->members.n == 0 && (!g->consumers || g->consumers->members.n == 0);
}

void group_set_state(struct group *g, enum group_state to)
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

void group_set_text(char **at, struct str s)
{
    char *copy = NULL;

    if (s.p) {
        copy = check_calloc(1, s.n + 1);
        memcpy(copy, s.p, s.n);
    }
    free(*at);
    *at = copy;
}

void group_free_str(struct str *s)
{
    free((void *)(uintptr_t)s->p);
    *s = (struct str){NULL, 0};
}

int64_t group_now(const struct group *g)
{
    return env_monotonic_ms(g->gs->b->env);
}

void group_touch(struct group *g, struct member *m)
{
    m->deadline_ms = group_now(g) + m->session_ms;
}

/* --- answers -------------------------------------------------------------------------------------------------- */

void group_answer_join_error(struct request *r, enum kafka_error e, const char *member_id)
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

void group_answer_join(struct group *g, struct member *m, struct request *r, const char *leader, bool skip_assignment)
{
    struct wire_join_group_response *response = RESPONSE_NEW(r, join_group_response);

    IG_ASSERT(leader);
    response->generation_id = g->generation;
    response->protocol_type = str_of(g->protocol_type);
    response->protocol_name = str_of(g->protocol);
    response->leader = str_of(leader);
    response->member_id = str_of(m->id);
    response->skip_assignment = skip_assignment;
    if (strcmp(leader, m->id) == 0) {
        RESPONSE_ITEMS(r, response->members, join_group_member, g->members.n);
        for (size_t i = 0; i < g->members.n; i++) {
            const struct member *o = g->members.p[i];

            response->members.p[i] =
                (struct wire_join_group_member){str_of(o->id), str_of(o->instance_id), metadata_for(o, g->protocol)};
        }
    }
    group_touch(g, m);
    request_answer(r, response);
}

void group_answer_sync(struct request *r, enum kafka_error e, const struct group *g, struct str assignment)
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

void group_end_join(struct member *m, enum kafka_error e)
{
    struct request *r = m->join;

    m->join = NULL;
    if (r)
        group_answer_join_error(r, e, m->id);
}

void group_end_sync(struct member *m, enum kafka_error e)
{
    struct request *r = m->sync;

    m->sync = NULL;
    if (r)
        group_answer_sync(r, e, NULL, STR(""));
}

/* --- members ---------------------------------------------------------------------------------------------------- */

static void free_protocols(struct member *m)
{
    for (size_t i = 0; i < m->protocols.n; i++) {
        group_free_str(&m->protocols.p[i].name);
        group_free_str(&m->protocols.p[i].metadata);
    }
    m->protocols.n = 0;
}

void group_member_free(struct member *m)
{
    IG_ASSERT(!m->join && !m->sync);
    free_protocols(m);
    vec_free(&m->protocols);
    group_free_str(&m->assignment);
    free(m->id);
    free(m->replaced);
    free(m->instance_id);
    free(m->client_id);
    free(m->client_host);
    free(m);
}

bool member_differs(const struct member *m, const struct wire_join_group_request *in)
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

void member_update(struct member *m, const struct wire_join_group_request *in)
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
char *group_host_of(const char *peer)
{
    const char *colon = strrchr(peer, ':');
    const size_t n = colon ? (size_t)(colon - peer) : strlen(peer);
    char *host = check_calloc(1, n + 2);

    snprintf(host, n + 2, "/%s", peer);
    return host;
}

struct member *group_add_member(struct group *g, struct request *r, const char *id)
{
    const struct wire_join_group_request *in = r->body;
    struct member *m = check_calloc(1, sizeof(*m));

    m->id = check_strdup(id);
    group_set_text(&m->instance_id, in->group_instance_id);
    group_set_text(&m->client_id, r->client_id.p ? r->client_id : STR(""));
    m->client_host = group_host_of(request_peer(r));
    member_update(m, in);
    vec_push(&g->members, m);
    if (g->members.n == 1)
        group_set_text(&g->protocol_type, in->protocol_type);
    return m;
}

struct member *group_static_member(struct group *g, struct str instance_id)
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

/* Has the one who comes something in common with all the others? */
bool group_takes(const struct group *g, const struct wire_join_group_request *in, const struct member *but)
{
    if (g->consumers && g->consumers->members.n > 0)
        return false; /* of the other protocol */
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
struct str group_select_protocol(const struct group *g)
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
    return best.p ? best : STR("");
}

/* --- rebalancing ---------------------------------------------------------------------------------------------------
 */

static void drop_member(struct group *g, size_t i, enum kafka_error why)
{
    struct member *m = g->members.p[i];

    if (g->leader && strcmp(g->leader, m->id) == 0)
        group_set_text(&g->leader, (struct str){NULL, 0});
    g->members.p[i] = g->members.p[--g->members.n];
    group_end_join(m, why);
    group_end_sync(m, why);
    group_member_free(m);
}

static int64_t longest_rebalance_ms(const struct group *g)
{
    int64_t longest_ms = 0;

    for (size_t i = 0; i < g->members.n; i++) {
        if (g->members.p[i]->rebalance_ms > longest_ms)
            longest_ms = g->members.p[i]->rebalance_ms;
    }
    return longest_ms;
}

/* The leader goes on if it has joined again; else somebody who has takes over. False: nobody has. */
static bool elect_leader(struct group *g)
{
    const struct member *leader = g->leader ? group_member(g, str_of(g->leader)) : NULL;

    for (size_t i = 0; (!leader || !leader->join) && i < g->members.n; i++) {
        if (g->members.p[i]->join)
            leader = g->members.p[i];
    }
    if (!leader || !leader->join)
        return false;
    if (!g->leader || strcmp(g->leader, leader->id) != 0)
        group_set_text(&g->leader, str_of(leader->id));
    return true;
}

static void complete_join(struct group *g)
{
    for (size_t i = g->members.n; i-- > 0;) {
        if (!g->members.p[i]->join && !g->members.p[i]->instance_id)
            drop_member(g, i, KAFKA_UNKNOWN_MEMBER_ID);
    }
    g->not_before_ms = g->initial_end_ms = 0;
    if (g->members.n > 0 && !elect_leader(g)) { /* static members that may yet come back */
        g->rebalance_deadline_ms = group_now(g) + longest_rebalance_ms(g);
        return;
    }
    g->generation++;
    g->storing = false;
    if (g->members.n == 0) {
        group_set_state(g, GROUP_EMPTY);
        g->empty_since_ms = env_now_ms(g->gs->b->env);
        group_set_text(&g->protocol, (struct str){NULL, 0});
        group_store(g);
        return;
    }
    group_set_text(&g->protocol, group_select_protocol(g));
    group_set_state(g, GROUP_COMPLETING);
    g->rebalance_deadline_ms = group_now(g) + longest_rebalance_ms(g);
    for (size_t i = 0; i < g->members.n; i++) {
        struct member *m = g->members.p[i];
        struct request *r = m->join;

        m->join = NULL;
        group_free_str(&m->assignment);
        if (r)
            group_answer_join(g, m, r, g->leader, false);
    }
}

static void complete_if_all_joined(struct group *g)
{
    if (g->pending.n > 0 || group_now(g) < g->not_before_ms) /* who was given an id is waited for, too */
        return;
    for (size_t i = 0; i < g->members.n; i++) {
        if (!g->members.p[i]->join)
            return;
    }
    complete_join(g);
}

/* The first members of a group wait for more of them, a little longer with each that comes. */
static void wait_for_company(struct group *g, bool begins)
{
    const int64_t delay_ms = g->gs->b->options.group_initial_delay_ms, now_ms = group_now(g);

    if (begins)
        g->initial_end_ms = delay_ms > 0 ? now_ms + longest_rebalance_ms(g) : 0;
    if (g->initial_end_ms > 0)
        g->not_before_ms = now_ms + delay_ms < g->initial_end_ms ? now_ms + delay_ms : g->initial_end_ms;
}

void group_prepare_rebalance(struct group *g)
{
    const bool was_empty = g->state == GROUP_EMPTY;

    for (size_t i = 0; i < g->members.n; i++)
        group_end_sync(g->members.p[i], KAFKA_REBALANCE_IN_PROGRESS);
    if (g->state != GROUP_PREPARING) {
        group_set_state(g, GROUP_PREPARING);
        g->rebalance_deadline_ms = group_now(g) + longest_rebalance_ms(g);
        wait_for_company(g, was_empty);
    } else {
        wait_for_company(g, false);
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
    group_prepare_rebalance(g);
}

/* Members that were told their generation and never asked for their share. */
static void drop_silent(struct group *g)
{
    for (size_t i = g->members.n; i-- > 0;) {
        if (!g->members.p[i]->sync)
            drop_member(g, i, KAFKA_UNKNOWN_MEMBER_ID);
    }
    group_prepare_rebalance(g);
}

static void expire_members(struct group *g, int64_t now_ms)
{
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
}

void group_tick(struct group *g, int64_t now_ms)
{
    for (size_t i = g->pending.n; i-- > 0;) {
        if (now_ms < g->pending.p[i].deadline_ms)
            continue;
        free(g->pending.p[i].id);
        g->pending.p[i] = g->pending.p[--g->pending.n];
    }
    expire_members(g, now_ms);
    if (g->state == GROUP_PREPARING && now_ms >= g->rebalance_deadline_ms)
        complete_join(g);
    else if (g->state == GROUP_PREPARING)
        complete_if_all_joined(g);
    else if (g->state == GROUP_COMPLETING && now_ms >= g->rebalance_deadline_ms)
        drop_silent(g);
}

void group_clear_members(struct group *g)
{
    while (g->members.n > 0)
        group_member_free(g->members.p[--g->members.n]);
    group_set_text(&g->protocol_type, (struct str){NULL, 0});
    group_set_text(&g->protocol, (struct str){NULL, 0});
    group_set_text(&g->leader, (struct str){NULL, 0});
    g->state = GROUP_EMPTY;
}

void group_release(struct group *g)
{
    for (size_t i = 0; i < g->members.n; i++) {
        group_end_join(g->members.p[i], KAFKA_COORDINATOR_NOT_AVAILABLE);
        group_end_sync(g->members.p[i], KAFKA_COORDINATOR_NOT_AVAILABLE);
    }
    group_clear_members(g);
    consumers_free(g->consumers);
    for (size_t i = 0; i < g->pending.n; i++)
        free(g->pending.p[i].id);
    group_clear_offsets(g);
    vec_free(&g->members);
    vec_free(&g->pending);
    free(g->id);
    free(g);
}

bool group_take_pending(struct group *g, struct str id)
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

/* --- what consumers are subscribed to -------------------------------------------------------------------------------
 */

bool group_is_of_consumers(const struct group *g)
{
    return g->protocol_type && strcmp(g->protocol_type, "consumer") == 0;
}

/* The metadata of consumers begins with a version and the names of the topics. */
static bool names_topic(struct str metadata, struct str topic)
{
    struct wire_in in = {(const uint8_t *)metadata.p, (const uint8_t *)metadata.p + metadata.n, false};
    int64_t n;

    (void)wire_get_int(&in, 2);
    n = wire_get_int(&in, 4);
    for (int64_t i = 0; i < n && !in.bad; i++) {
        if (str_eq(wire_get_string(&in, false), topic))
            return !in.bad;
    }
    return false;
}

bool group_subscribes(const struct group *g, struct str topic)
{
    for (size_t i = 0; g->consumers && i < g->consumers->members.n; i++) {
        char name[TOPIC_NAME_MAX + 1] = "";

        if (topic.n <= TOPIC_NAME_MAX)
            memcpy(name, topic.p, topic.n);
        if (consumer_subscribes(g->consumers->members.p[i], name))
            return true;
    }
    for (size_t i = 0; i < g->members.n && group_is_of_consumers(g); i++) {
        const struct member *m = g->members.p[i];

        for (size_t k = 0; k < m->protocols.n; k++) {
            if (names_topic(m->protocols.p[k].metadata, topic))
                return true;
        }
    }
    return false;
}
