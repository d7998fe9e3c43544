/* ConsumerGroupHeartbeat, ConsumerGroupDescribe. */
#include "broker/admin.h"
#include "broker/consumer_group.h"

#include <stdlib.h>

#define EPOCH_JOINS 0
#define EPOCH_LEAVES -1
#define EPOCH_IS_AWAY -2 /* a static member that will be back */
#define TOPICS_MAX 10000

/* One heartbeat as it is worked through. */
struct beat {
    struct request *r;
    const struct wire_member_heartbeat_request *in;
    struct wire_member_heartbeat_response *response;
    struct consumers *cs;
    struct consumer *c;
    struct parts owned;
    bool says_owned;
};

static bool refuse(struct beat *b, enum kafka_error e, struct str why)
{
    b->response->error_code = (int16_t)e;
    b->response->error_message = why;
    return false;
}

/* --- is it a sound request? --------------------------------------------------------------------------------------- */

static bool check_shape(struct beat *b)
{
    const struct wire_member_heartbeat_request *in = b->in;
    const char *why = NULL;

    if (in->group_id.n == 0)
        why = "the group's id is empty";
    else if (in->instance_id.p && in->instance_id.n == 0)
        why = "the instance id is empty";
    else if (in->rack_id.p && in->rack_id.n == 0)
        why = "the rack is empty";
    else if (in->member_id.n == 0 && (b->r->version > 0 || in->member_epoch != EPOCH_JOINS))
        why = "the member's id is empty";
    else if (in->member_epoch < EPOCH_IS_AWAY)
        why = "there is no such epoch";
    else if (in->member_epoch == EPOCH_IS_AWAY && !in->instance_id.p)
        why = "only a member with an instance id may be away";
    else if (in->topic_names.n > TOPICS_MAX)
        why = "too many topics";
    else if (in->member_epoch == EPOCH_JOINS && in->rebalance_timeout_ms < 0)
        why = "who joins says how long a rebalance may take";
    else if (in->member_epoch == EPOCH_JOINS && in->owned.n != 0)
        why = "who joins has no partitions, and says so";
    else if (in->member_epoch == EPOCH_JOINS && in->topic_names.n < 0 && !in->topic_regex.p)
        why = "who joins says what it subscribes to";
    if (why)
        return refuse(b, KAFKA_INVALID_REQUEST, str_of(why));
    if (in->assignor.p && !assignor_is_known(in->assignor))
        return refuse(b, KAFKA_UNSUPPORTED_ASSIGNOR, STR("the assignors are uniform and range"));
    if (!request_may(b->r, ACL_READ, ACL_GROUP, in->group_id))
        return refuse(b, KAFKA_GROUP_AUTHORIZATION_FAILED, (struct str){NULL, 0});
    for (int32_t i = 0; i < in->topic_names.n; i++) {
        if (!request_may(b->r, ACL_DESCRIBE, ACL_TOPIC, in->topic_names.p[i]))
            return refuse(b, KAFKA_TOPIC_AUTHORIZATION_FAILED, (struct str){NULL, 0});
    }
    return true;
}

/* The group, made if somebody joins; a classic one becomes one of the new kind while it has no members. */
static bool find_group(struct beat *b)
{
    struct groups *gs = b->r->b->groups;
    const bool joins = b->in->member_epoch == EPOCH_JOINS;
    struct group *g = joins ? group_make(gs, b->in->group_id) : group_find(gs, b->in->group_id);

    if (!g)
        return refuse(b, KAFKA_GROUP_ID_NOT_FOUND, STR("there is no such group"));
    if (!g->consumers && joins && g->members.n == 0 && g->pending.n == 0) {
        group_store_forget(g);
        g->generation = 0;
        g->consumers = consumers_new(g);
        group_set_text(&g->protocol_type, STR("consumer"));
    }
    if (!g->consumers)
        return refuse(b, KAFKA_GROUP_ID_NOT_FOUND, STR("the group's members use the classic protocol"));
    b->cs = g->consumers;
    return true;
}

static void read_owned(struct beat *b)
{
    b->says_owned = b->in->owned.n >= 0;
    for (int32_t i = 0; i < b->in->owned.n; i++) {
        const struct wire_member_partitions *t = &b->in->owned.p[i];

        for (int32_t k = 0; k < t->partitions.n; k++)
            parts_add(&b->owned, (struct part){t->topic_id, t->partitions.p[k]});
    }
    parts_sort(&b->owned);
}

/* --- who is it? -----------------------------------------------------------------------------------------------------
 */

/* A static member is back under a new id, and has what it had. */
static bool take_over(struct beat *b, struct consumer *old)
{
    if (!old->away && !str_is(b->in->member_id, old->id))
        return refuse(b, KAFKA_UNRELEASED_INSTANCE_ID, STR("another member has this instance id"));
    group_set_text(&old->id, b->in->member_id);
    old->away = false;
    old->epoch = old->previous_epoch = 0;
    old->revoking.n = 0;
    old->state = CONSUMER_WAITING; /* so that it is looked at */
    b->c = old;
    return true;
}

static bool join(struct beat *b)
{
    struct consumer *of_instance = consumers_find_instance(b->cs, b->in->instance_id);
    struct str id = b->in->member_id;
    char uuid[37];

    b->c = id.n > 0 ? consumers_find(b->cs, id) : NULL;
    if (of_instance)
        return take_over(b, of_instance);
    if (b->c) { /* it begins anew, with nothing */
        b->c->epoch = b->c->previous_epoch = 0;
        b->c->revoking.n = 0;
        b->c->state = CONSUMER_WAITING;
        return true;
    }
    if (b->cs->members.n >= GROUP_MEMBERS_MAX)
        return refuse(b, KAFKA_GROUP_MAX_SIZE_REACHED, STR("the group is full"));
    if (id.n == 0) {
        env_uuid(b->r->b->env, uuid);
        id = str_of(arena_strdup(&b->r->arena, uuid));
    }
    b->c = consumers_add(b->cs, id, b->r);
    group_set_text(&b->c->instance_id, b->in->instance_id);
    return true;
}

static bool is_subset(const struct parts *a, const struct parts *of)
{
    for (size_t i = 0; i < a->n; i++) {
        if (!parts_have(of, &a->p[i]))
            return false;
    }
    return true;
}

static bool find_member(struct beat *b)
{
    const int32_t epoch = b->in->member_epoch;
    const struct consumer *of_instance = consumers_find_instance(b->cs, b->in->instance_id);

    if (epoch == EPOCH_JOINS)
        return join(b);
    b->c = consumers_find(b->cs, b->in->member_id);
    if (of_instance && of_instance != b->c)
        return refuse(b, KAFKA_FENCED_INSTANCE_ID, STR("another member has this instance id"));
    if (!b->c || (b->in->instance_id.p && !of_instance))
        return refuse(b, KAFKA_UNKNOWN_MEMBER_ID, STR("there is no such member"));
    if (epoch < 0 || epoch == b->c->epoch)
        return true;
    /* An answer may have been lost: who still has the epoch before, and no more than its share, goes on. */
    if (epoch == b->c->previous_epoch && b->says_owned && is_subset(&b->owned, &b->c->assigned))
        return true;
    return refuse(b, KAFKA_FENCED_MEMBER_EPOCH, STR("the member's epoch is another one"));
}

/* --- what is new with it?
 * --------------------------------------------------------------------------------------------- */

static bool topics_differ(const struct consumer *c, const struct wire_strings *names)
{
    if ((size_t)names->n != c->topics.n)
        return true;
    for (int32_t i = 0; i < names->n; i++) {
        if (!str_is(names->p[i], c->topics.p[i]))
            return true;
    }
    return false;
}

static bool update_topics(struct consumer *c, const struct wire_strings *names)
{
    if (names->n < 0 || !topics_differ(c, names))
        return false;
    for (size_t i = 0; i < c->topics.n; i++)
        free(c->topics.p[i]);
    c->topics.n = 0;
    for (int32_t i = 0; i < names->n; i++) {
        char *name = NULL;

        group_set_text(&name, names->p[i]);
        vec_push(&c->topics, name);
    }
    return true;
}

/* False: refused. *changed: the target has to be made anew. */
static bool update(struct beat *b, bool *changed)
{
    const struct wire_member_heartbeat_request *in = b->in;
    struct consumer *c = b->c;
    struct error err;

    if (in->topic_regex.p && !str_eq(in->topic_regex, str_of(c->pattern ? c->pattern : ""))) {
        if (consumer_set_pattern(c, in->topic_regex, &err))
            return refuse(b, KAFKA_INVALID_REGULAR_EXPRESSION, request_sentence(b->r, &err));
        *changed = true;
    }
    *changed |= update_topics(c, &in->topic_names);
    if (in->assignor.p && (!c->assignor || !str_is(in->assignor, c->assignor))) {
        group_set_text(&c->assignor, in->assignor);
        *changed = true;
    }
    if (in->rack_id.p)
        group_set_text(&c->rack_id, in->rack_id);
    if (in->rebalance_timeout_ms >= 0)
        c->rebalance_ms = in->rebalance_timeout_ms;
    c->deadline_ms = group_now(b->cs->group) + MEMBER_SESSION_MS;
    return true;
}

/* --- the answer -----------------------------------------------------------------------------------------------------
 */

static struct wire_member_assignment *assignment_of(struct request *r, const struct parts *parts)
{
    struct wire_member_assignment *out = RESPONSE_NEW(r, member_assignment);
    int32_t *numbers = ARENA_ARRAY(&r->arena, int32_t, parts->n + 1);

    RESPONSE_ITEMS(r, out->topics, member_partitions, parts->n);
    out->topics.n = 0;
    for (size_t i = 0; i < parts->n; i++) {
        numbers[i] = parts->p[i].index;
        if (i == 0 || memcmp(parts->p[i].topic.b, parts->p[i - 1].topic.b, 16) != 0)
            out->topics.p[out->topics.n++] = (struct wire_member_partitions){parts->p[i].topic, {&numbers[i], 0}};
        out->topics.p[out->topics.n - 1].partitions.n++;
    }
    return out;
}

static void leave(struct beat *b)
{
    const bool away = b->in->member_epoch == EPOCH_IS_AWAY;

    b->response->member_id = b->in->member_id;
    b->response->member_epoch = b->in->member_epoch;
    if (away) {
        b->c->away = true; /* its session goes on for a while */
        b->c->deadline_ms = group_now(b->cs->group) + MEMBER_SESSION_MS;
    } else {
        consumers_remove(b->cs, b->c);
    }
}

static void beat(struct beat *b)
{
    const struct wire_member_heartbeat_request *in = b->in;
    const bool tells_all =
        in->member_epoch == EPOCH_JOINS ||
        (in->rebalance_timeout_ms >= 0 && (in->topic_names.n >= 0 || in->topic_regex.p) && b->says_owned);
    struct parts before = {0};
    bool changed = false;

    if (!find_member(b))
        return;
    if (in->member_epoch < 0) {
        leave(b);
        return;
    }
    changed = b->c->deadline_ms == 0; /* new */
    if (!update(b, &changed)) {
        if (b->c->deadline_ms == 0)
            consumers_remove(b->cs, b->c);
        return;
    }
    consumers_refresh(b->cs, changed);
    parts_copy(&before, &b->c->assigned);
    consumers_reconcile(b->cs, b->c, b->says_owned ? &b->owned : NULL);
    b->response->member_id = str_of(arena_strdup(&b->r->arena, b->c->id));
    b->response->member_epoch = b->c->epoch;
    b->response->heartbeat_interval_ms = MEMBER_HEARTBEAT_MS;
    if (tells_all || !parts_equal(&before, &b->c->assigned))
        b->response->assignment = assignment_of(b->r, &b->c->assigned);
    parts_free(&before);
}

void api_consumer_group_heartbeat(struct request *r)
{
    struct beat b = {.r = r, .in = r->body, .response = RESPONSE_NEW(r, member_heartbeat_response)};

    if (check_shape(&b) && find_group(&b)) {
        read_owned(&b);
        beat(&b);
        group_drop_if_idle(b.cs->group);
    }
    parts_free(&b.owned);
    request_answer(r, b.response);
}

/* --- ConsumerGroupDescribe
 * -------------------------------------------------------------------------------------------- */

static struct wire_described_assignment *described(struct request *r, const struct parts *parts)
{
    const struct wire_member_assignment *plain = assignment_of(r, parts);
    struct wire_described_assignment *out = RESPONSE_NEW(r, described_assignment);

    RESPONSE_ITEMS(r, out->topics, described_partitions, plain->topics.n);
    out->topics.n = 0;
    for (int32_t i = 0; i < plain->topics.n; i++) {
        const struct topic *t = topics_find_id(r->b->topics, &plain->topics.p[i].topic_id);

        if (t) /* else it was removed a moment ago */
            out->topics.p[out->topics.n++] = (struct wire_described_partitions){
                t->id, str_of(arena_strdup(&r->arena, t->name)), plain->topics.p[i].partitions};
    }
    return out;
}

static void describe_member(struct request *r, const struct consumer *c, struct wire_described_member *out)
{
    out->member_id = str_of(c->id);
    out->instance_id = str_of(c->instance_id);
    out->rack_id = str_of(c->rack_id);
    out->member_epoch = c->away ? EPOCH_IS_AWAY : c->epoch;
    out->client_id = str_of(c->client_id);
    out->client_host = str_of(c->client_host);
    out->topic_names.n = (int32_t)c->topics.n;
    out->topic_names.p = ARENA_ARRAY(&r->arena, struct str, c->topics.n + 1);
    for (size_t i = 0; i < c->topics.n; i++)
        out->topic_names.p[i] = str_of(c->topics.p[i]);
    out->topic_regex = str_of(c->pattern);
    out->assignment = described(r, &c->assigned);
    out->target = described(r, &c->target);
    out->member_type = 1; /* of this protocol */
}

void api_consumer_group_describe(struct request *r)
{
    const struct wire_consumer_group_describe_request *in = r->body;
    struct wire_consumer_group_describe_response *response = RESPONSE_NEW(r, consumer_group_describe_response);

    RESPONSE_ITEMS(r, response->groups, consumer_group_result, in->groups.n > 0 ? in->groups.n : 0);
    for (int32_t i = 0; i < in->groups.n; i++) {
        const struct str id = in->groups.p[i];
        const struct group *g = group_find(r->b->groups, id);
        struct wire_consumer_group_result *out = &response->groups.p[i];

        out->group_id = id;
        out->state = out->assignor = STR("");
        if (!request_may(r, ACL_DESCRIBE, ACL_GROUP, id)) {
            out->error_code = KAFKA_GROUP_AUTHORIZATION_FAILED;
            continue;
        }
        if (!g || !g->consumers) {
            out->error_code = KAFKA_GROUP_ID_NOT_FOUND;
            out->error_message =
                str_of(arena_printf(&r->arena, "there is no group " STR_FMT " of the consumer protocol", STR_ARG(id)));
            continue;
        }
        if (in->include_authorized_operations)
            out->authorized_operations = request_operations(r, ACL_GROUP, id);
        out->state = str_of(consumers_state_name(g->consumers));
        out->group_epoch = g->consumers->epoch;
        out->assignment_epoch = g->consumers->target_epoch;
        out->assignor = str_of(g->consumers->assignor);
        RESPONSE_ITEMS(r, out->members, described_member, g->consumers->members.n);
        for (size_t k = 0; k < g->consumers->members.n; k++)
            describe_member(r, g->consumers->members.p[k], &out->members.p[k]);
    }
    request_answer(r, response);
}
