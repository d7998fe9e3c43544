#include "broker/consumer_group.h"

#include <stdio.h>
#include <stdlib.h>

#define PATTERN_MAX 256

/* --- members ---------------------------------------------------------------------------------------------------- */

struct consumers *consumers_new(struct group *g)
{
    struct consumers *cs = check_calloc(1, sizeof(*cs));

    cs->group = g;
    cs->assignor = assignor_of(cs);
    return cs;
}

static void consumer_free(struct consumer *c)
{
    for (size_t i = 0; i < c->topics.n; i++)
        free(c->topics.p[i]);
    vec_free(&c->topics);
    if (c->pattern)
        regfree(&c->regex);
    free(c->pattern);
    parts_free(&c->assigned);
    parts_free(&c->revoking);
    parts_free(&c->target);
    free(c->id);
    free(c->instance_id);
    free(c->rack_id);
    free(c->client_id);
    free(c->client_host);
    free(c->assignor);
    free(c);
}

void consumers_free(struct consumers *cs)
{
    if (!cs)
        return;
    for (size_t i = 0; i < cs->members.n; i++)
        consumer_free(cs->members.p[i]);
    vec_free(&cs->members);
    free(cs);
}

struct consumer *consumers_find(const struct consumers *cs, struct str id)
{
    for (size_t i = 0; cs && i < cs->members.n; i++) {
        if (str_is(id, cs->members.p[i]->id))
            return cs->members.p[i];
    }
    return NULL;
}

struct consumer *consumers_find_instance(const struct consumers *cs, struct str instance_id)
{
    for (size_t i = 0; cs && instance_id.p && i < cs->members.n; i++) {
        if (cs->members.p[i]->instance_id && str_is(instance_id, cs->members.p[i]->instance_id))
            return cs->members.p[i];
    }
    return NULL;
}

struct consumer *consumers_add(struct consumers *cs, struct str id, struct request *r)
{
    struct consumer *c = check_calloc(1, sizeof(*c));

    group_set_text(&c->id, id);
    group_set_text(&c->client_id, r->client_id.p ? r->client_id : STR(""));
    c->client_host = group_host_of(request_peer(r));
    vec_push(&cs->members, c);
    return c;
}

void consumers_remove(struct consumers *cs, struct consumer *c)
{
    for (size_t i = 0; i < cs->members.n; i++) {
        if (cs->members.p[i] == c) {
            cs->members.p[i] = cs->members.p[--cs->members.n];
            break;
        }
    }
    consumer_free(c);
    if (cs->members.n == 0) {
        cs->group->empty_since_ms = env_now_ms(cs->group->gs->b->env);
        cs->group->generation = 1; /* it had members, so it is remembered for a while */
    }
    consumers_refresh(cs, true);
}

/* --- subscriptions ------------------------------------------------------------------------------------------------ */

/* What the C library takes for ever to compile or to match is refused: counted repetitions and back references. */
static bool is_tame(struct str pattern)
{
    for (size_t i = 0; i < pattern.n; i++) {
        if (pattern.p[i] == '{' || pattern.p[i] == 0)
            return false;
        if (pattern.p[i] == '\\' && ++i < pattern.n && pattern.p[i] >= '0' && pattern.p[i] <= '9')
            return false;
    }
    return pattern.n <= PATTERN_MAX;
}

enum ig_code consumer_set_pattern(struct consumer *c, struct str pattern, struct error *err)
{
    char whole[PATTERN_MAX + 8];
    regex_t regex;

    if (pattern.n > 0) {
        snprintf(whole, sizeof(whole), "^(" STR_FMT ")$", STR_ARG(pattern));
        if (!is_tame(pattern) || regcomp(&regex, whole, REG_EXTENDED | REG_NOSUB) != 0)
            return error_set(err, IG_INVALID, "the subscription's pattern is none that is understood");
    }
    if (c->pattern)
        regfree(&c->regex);
    group_set_text(&c->pattern, pattern.n > 0 ? pattern : (struct str){NULL, 0});
    if (pattern.n > 0)
        c->regex = regex;
    return IG_OK;
}

bool consumer_subscribes(const struct consumer *c, const char *topic)
{
    for (size_t i = 0; i < c->topics.n; i++) {
        if (strcmp(c->topics.p[i], topic) == 0)
            return true;
    }
    return c->pattern && regexec(&c->regex, topic, 0, NULL, 0) == 0;
}

/* Which topics are subscribed to, and how many partitions they have. */
static uint64_t hash_of_topics(const struct consumers *cs)
{
    size_t n;
    struct topic **all = topics_sorted(cs->group->gs->b->topics, &n);
    uint64_t hash = 0;

    for (size_t t = 0; t < n; t++) {
        for (size_t m = 0; m < cs->members.n; m++) {
            if (!consumer_subscribes(cs->members.p[m], all[t]->name))
                continue;
            hash = hash * UINT64_C(0x9e3779b97f4a7c15) + hash_fnv1a(all[t]->id.b, sizeof(all[t]->id.b)) +
                   all[t]->partitions.n;
            break;
        }
    }
    free(all);
    return hash;
}

void consumers_refresh(struct consumers *cs, bool changed)
{
    const uint64_t seen = topics_changes(cs->group->gs->b->topics);
    uint64_t metadata;

    if (!changed && seen == cs->topics_seen)
        return;
    metadata = hash_of_topics(cs);
    cs->topics_seen = seen;
    if (!changed && metadata == cs->metadata)
        return;
    cs->metadata = metadata;
    cs->epoch++;
    assign_target(cs);
}

/* --- from what a member has to what it is to have -------------------------------------------------------------------
 */

static bool is_held_by_another(const struct consumers *cs, const struct consumer *but, const struct part *part)
{
    for (size_t i = 0; i < cs->members.n; i++) {
        const struct consumer *c = cs->members.p[i];

        if (c != but && (parts_have(&c->assigned, part) || parts_have(&c->revoking, part)))
            return true;
    }
    return false;
}

static void advance(struct consumers *cs, struct consumer *c)
{
    bool all = true;

    c->revoking.n = 0;
    c->revoke_deadline_ms = 0;
    for (size_t i = 0; i < c->target.n; i++) {
        const struct part *part = &c->target.p[i];

        if (parts_have(&c->assigned, part))
            continue;
        if (is_held_by_another(cs, c, part)) {
            all = false;
            continue;
        }
        parts_add(&c->assigned, *part);
        parts_sort(&c->assigned);
    }
    c->state = all ? CONSUMER_STABLE : CONSUMER_WAITING;
    if (c->epoch != cs->target_epoch) {
        c->previous_epoch = c->epoch;
        c->epoch = cs->target_epoch;
    }
}

static bool owns_any(const struct parts *owned, const struct parts *of)
{
    if (!owned)
        return of->n > 0;
    for (size_t i = 0; i < of->n; i++) {
        if (parts_have(owned, &of->p[i]))
            return true;
    }
    return false;
}

void consumers_reconcile(struct consumers *cs, struct consumer *c, const struct parts *owned)
{
    struct parts lost = {0};

    if (c->state == CONSUMER_REVOKING && owns_any(owned, &c->revoking))
        return; /* first this */
    if (c->state == CONSUMER_STABLE && c->epoch == cs->target_epoch)
        return;
    parts_copy(&lost, &c->assigned);
    parts_filter(&lost, &c->target, false);
    parts_filter(&c->assigned, &c->target, true);
    if (owns_any(owned, &lost)) {
        parts_copy(&c->revoking, &lost);
        c->state = CONSUMER_REVOKING;
        c->revoke_deadline_ms = group_now(cs->group) + c->rebalance_ms;
    } else {
        advance(cs, c);
    }
    parts_free(&lost);
}

void consumers_tick(struct consumers *cs, int64_t now_ms)
{
    for (size_t i = 0; i < cs->members.n;) {
        struct consumer *c = cs->members.p[i];
        const bool slow = c->revoke_deadline_ms > 0 && now_ms >= c->revoke_deadline_ms;

        if (now_ms < c->deadline_ms && !slow) {
            i++;
            continue;
        }
        log_info(cs->group->gs->b->env, "broker", "group %s: member %s %s", cs->group->id, c->id,
                 slow ? "does not give up its partitions" : "has not been heard of");
        consumers_remove(cs, c);
        i = 0;
    }
}

const char *consumers_state_name(const struct consumers *cs)
{
    if (cs->members.n == 0)
        return "Empty";
    if (cs->epoch > cs->target_epoch)
        return "Assigning";
    for (size_t i = 0; i < cs->members.n; i++) {
        if (cs->members.p[i]->epoch != cs->target_epoch || cs->members.p[i]->state != CONSUMER_STABLE)
            return "Reconciling";
    }
    return "Stable";
}
