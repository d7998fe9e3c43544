#include "broker/consumer_group.h"

#include <stdio.h>
#include <stdlib.h>

#define IDLE_MS 600000 /* how long a group is remembered that had members and has nothing */
#define EXPIRE_EVERY_MS 60000
#define OFFSETS_SEGMENT_BYTES ((int64_t)64 << 20)

struct str str_copy(struct str s)
{
    char *p;

    if (!s.p)
        return s;
    p = check_malloc(s.n + 1);
    memcpy(p, s.p, s.n);
    p[s.n] = 0;
    return (struct str){p, s.n};
}

static struct group **bucket(struct groups *gs, struct str id)
{
    return &gs->buckets[hash_fnv1a(id.p, id.n) % GROUP_BUCKETS];
}

struct group *group_find(struct groups *gs, struct str id)
{
    struct group *g = *bucket(gs, id);

    while (g && !str_is(id, g->id))
        g = g->next;
    return g;
}

struct group *group_make(struct groups *gs, struct str id)
{
    struct group *g = group_find(gs, id);
    struct group **at = bucket(gs, id);

    if (g)
        return g;
    g = check_calloc(1, sizeof(*g));
    g->gs = gs;
    g->id = check_calloc(1, id.n + 1);
    memcpy(g->id, id.p, id.n);
    g->next = *at;
    *at = g;
    gs->n++;
    return g;
}

static void unlink_group(struct group *g)
{
    struct group **at = bucket(g->gs, str_of(g->id));

    while (*at != g)
        at = &(*at)->next;
    *at = g->next;
    g->gs->n--;
    group_release(g);
}

void group_drop_if_idle(struct group *g)
{
    for (size_t i = 0; i < g->offsets.n; i++) {
        if (g->offsets.p[i].offset >= 0)
            return;
    }
    if (!group_is_empty(g) || g->pending.n > 0 || g->txn_offsets.n > 0)
        return;
    if (g->generation == 0 || env_now_ms(g->gs->b->env) - g->empty_since_ms >= IDLE_MS)
        group_drop(g);
}

void group_drop(struct group *g)
{
    group_store_forget(g);
    unlink_group(g);
}

struct member *group_member(struct group *g, struct str id)
{
    for (size_t i = 0; i < g->members.n; i++) {
        if (str_is(id, g->members.p[i]->id))
            return g->members.p[i];
    }
    return NULL;
}

const char *group_state_name(const struct group *g)
{
    if (g->consumers)
        return consumers_state_name(g->consumers);
    static const char *const names[GROUP_STATES] = {"Empty", "PreparingRebalance", "CompletingRebalance", "Stable"};

    return names[g->state];
}

/* Groups of which the newest records say that nothing is left. */
static void drop_removed(struct groups *gs)
{
    for (size_t i = 0; i < GROUP_BUCKETS; i++) {
        struct group *next;

        for (struct group *g = gs->buckets[i]; g; g = next) {
            next = g->next;
            if (g->generation == 0 && g->stored_bytes == 0)
                group_drop_if_idle(g);
        }
    }
}

enum ig_code groups_open(struct broker *b, struct groups **out, struct error *err)
{
    static const struct wire_uuid id = {{0}};
    struct groups *gs = check_calloc(1, sizeof(*gs));
    char path[4096];
    enum ig_code rc;

    gs->b = b;
    snprintf(path, sizeof(path), "%s/groups", b->dir);
    rc = partition_open(b, NULL, &id, 0, path, OFFSETS_SEGMENT_BYTES, &gs->log, err);
    if (!rc)
        rc = groups_load(gs, err);
    drop_removed(gs);
    if (!rc && gs->log->log->failed)
        rc = error_set(err, IG_CORRUPT, "the groups' offsets: %.900s", gs->log->log->why);
    if (rc)
        groups_close(gs);
    else
        *out = gs;
    return rc;
}

void groups_close(struct groups *gs)
{
    if (!gs)
        return;
    for (size_t i = 0; i < GROUP_BUCKETS; i++) {
        while (gs->buckets[i])
            unlink_group(gs->buckets[i]);
    }
    if (gs->log)
        partition_close(gs->log, false);
    free(gs);
}

/* --- offsets that go by themselves ----------------------------------------------------------------------------------
 */

struct forgetting {
    struct offsets_change change;
    struct committed items[];
};

static void forgotten(void *ctx, bool ok)
{
    struct forgetting *f = ctx;

    (void)ok; /* if not, they stay until the next time */
    free((void *)(uintptr_t)f->change.group_id.p);
    for (size_t i = 0; i < f->change.n; i++)
        free((void *)(uintptr_t)f->items[i].topic.p);
    free(f);
}

/* Which of a group's offsets? */
typedef bool forget_fn(const struct group *g, const struct committed *c, const void *ctx);

static void forget_item(struct forgetting *f, const struct committed *c)
{
    f->items[f->change.n++] = (struct committed){.topic = str_copy(c->topic), .partition = c->partition, .offset = -1};
}

/* What is committed in a transaction goes, too: by the same record. */
static void forget_in_group(struct group *g, forget_fn *which, const void *ctx)
{
    const size_t n = g->offsets.n + g->txn_offsets.n;
    struct forgetting *f = NULL;

    for (size_t i = 0; i < n; i++) {
        const struct committed *c = i < g->offsets.n ? &g->offsets.p[i] : &g->txn_offsets.p[i - g->offsets.n].c;

        if (c->offset < 0 || !which(g, c, ctx))
            continue;
        if (!f) {
            f = check_calloc(1, sizeof(*f) + n * sizeof(f->items[0]));
            f->change = (struct offsets_change){
                .group_id = str_copy(str_of(g->id)), .items = f->items, .done = forgotten, .ctx = f};
        }
        forget_item(f, c);
    }
    if (f)
        groups_change(g->gs, &f->change);
}

static bool is_of_topic(const struct group *g, const struct committed *c, const void *topic)
{
    (void)g;
    return str_eq(c->topic, *(const struct str *)topic);
}

/* A group without members keeps its offsets for so long after it had some; one of consumers also loses what it is not
 * subscribed to any more. */
static bool is_expired(const struct group *g, const struct committed *c, const void *now_ms)
{
    const int64_t retention_ms = g->gs->b->options.offsets_retention_ms;
    int64_t since_ms = c->time_ms;

    if (group_is_pending(g, c->topic, c->partition))
        return false; /* nothing is known before the end of the transaction */
    if (group_is_empty(g) && g->empty_since_ms > since_ms)
        since_ms = g->empty_since_ms;
    if (*(const int64_t *)now_ms - since_ms < retention_ms)
        return false;
    return group_is_empty(g) ||
           ((g->consumers || g->state == GROUP_STABLE) && group_is_of_consumers(g) && !group_subscribes(g, c->topic));
}

static void expire_offsets(struct groups *gs)
{
    const int64_t now_ms = env_now_ms(gs->b->env);

    for (size_t i = 0; i < GROUP_BUCKETS; i++) {
        for (struct group *g = gs->buckets[i]; g; g = g->next)
            forget_in_group(g, is_expired, &now_ms);
    }
}

void groups_forget_topic(struct groups *gs, struct str topic)
{
    for (size_t i = 0; i < GROUP_BUCKETS; i++) {
        for (struct group *g = gs->buckets[i]; g; g = g->next)
            forget_in_group(g, is_of_topic, &topic);
    }
}

void group_catch_up(struct group *g)
{
    const int64_t now_ms = group_now(g);

    if (g->members.n > 0 || g->pending.n > 0)
        group_tick(g, now_ms);
    if (g->consumers)
        consumers_tick(g->consumers, now_ms);
}

void groups_tick(struct groups *gs)
{
    const int64_t now_ms = env_monotonic_ms(gs->b->env);

    for (size_t i = 0; i < GROUP_BUCKETS; i++) {
        struct group *next;

        for (struct group *g = gs->buckets[i]; g; g = next) {
            next = g->next;
            group_catch_up(g);
            if (g->pending.n == 0)
                group_drop_if_idle(g);
        }
    }
    if (now_ms - gs->expired_ms >= EXPIRE_EVERY_MS) {
        gs->expired_ms = now_ms;
        expire_offsets(gs);
    }
    groups_compact(gs);
}
