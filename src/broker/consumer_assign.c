/*
 * Who is to get which partitions.
 *
 *   range    of each topic, its subscribers get neighbouring partitions, so that topics with as many partitions are
 *            shared out alike
 *   uniform  everybody has as many as possible of what it had, and nobody two more than another that could have one
 */
#include "broker/consumer_group.h"

#include <stdlib.h>

/* --- lists of partitions ---------------------------------------------------------------------------------------- */

static int by_part(const void *a, const void *b)
{
    const struct part *x = a, *y = b;
    const int c = memcmp(x->topic.b, y->topic.b, sizeof(x->topic.b));

    return c ? c : (x->index > y->index) - (x->index < y->index);
}

void parts_add(struct parts *list, struct part part)
{
    if (list->n == list->cap) {
        list->cap = list->cap ? list->cap * 2 : 8;
        list->p = check_realloc(list->p, list->cap * sizeof(*list->p));
    }
    list->p[list->n++] = part;
}

void parts_sort(struct parts *list)
{
    size_t kept = 0;

    if (list->n > 1)
        qsort(list->p, list->n, sizeof(*list->p), by_part);
    for (size_t i = 0; i < list->n; i++) {
        if (kept == 0 || by_part(&list->p[kept - 1], &list->p[i]) != 0)
            list->p[kept++] = list->p[i];
    }
    list->n = kept;
}

bool parts_have(const struct parts *list, const struct part *part)
{
    return list->n > 0 && bsearch(part, list->p, list->n, sizeof(*list->p), by_part);
}

bool parts_equal(const struct parts *a, const struct parts *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        if (by_part(&a->p[i], &b->p[i]) != 0)
            return false;
    }
    return true;
}

void parts_copy(struct parts *to, const struct parts *from)
{
    to->n = 0;
    for (size_t i = 0; i < from->n; i++)
        parts_add(to, from->p[i]);
}

void parts_filter(struct parts *list, const struct parts *other, bool keep)
{
    size_t kept = 0;

    for (size_t i = 0; i < list->n; i++) {
        if (parts_have(other, &list->p[i]) == keep)
            list->p[kept++] = list->p[i];
    }
    list->n = kept;
}

void parts_free(struct parts *list)
{
    free(list->p);
    *list = (struct parts){0};
}

/* --- range ------------------------------------------------------------------------------------------------------- */

static int by_identity(const void *a, const void *b)
{
    const struct consumer *x = *(struct consumer *const *)a, *y = *(struct consumer *const *)b;

    return strcmp(x->instance_id ? x->instance_id : x->id, y->instance_id ? y->instance_id : y->id);
}

static void assign_range(struct consumers *cs, struct topic **topics, size_t n_topics)
{
    struct consumer **sorted = check_malloc((cs->members.n + 1) * sizeof(*sorted));
    struct consumer **takers = check_malloc((cs->members.n + 1) * sizeof(*takers));

    for (size_t i = 0; i < cs->members.n; i++) {
        sorted[i] = cs->members.p[i];
        sorted[i]->target.n = 0;
    }
    qsort(sorted, cs->members.n, sizeof(*sorted), by_identity);
    for (size_t t = 0; t < n_topics; t++) {
        const size_t parts = topics[t]->partitions.n;
        size_t n = 0, at = 0;

        for (size_t i = 0; i < cs->members.n; i++) {
            if (consumer_subscribes(sorted[i], topics[t]->name))
                takers[n++] = sorted[i];
        }
        for (size_t i = 0; i < n; i++) {
            const size_t share = parts / n + (i < parts % n);

            for (size_t k = 0; k < share; k++)
                parts_add(&takers[i]->target, (struct part){topics[t]->id, (int32_t)at++});
        }
    }
    free(sorted);
    free(takers);
}

/* --- uniform ------------------------------------------------------------------------------------------------------ */

/* One partition that is shared out: to whom, among those who may have it. */
struct slot {
    struct part part;
    size_t topic;
    size_t owner; /* a member's number; SIZE_MAX: nobody yet */
};
struct sharing {
    struct consumers *cs;
    bool *may; /* member x topic */
    size_t n_topics;
    struct slot *slots;
    size_t n;
    size_t *load; /* of each member */
};

static bool may_have(const struct sharing *s, size_t member, size_t topic)
{
    return s->may[member * s->n_topics + topic];
}

/* The member with the least (or, of those with more than `above`, the most) that may have partitions of the topic. */
static size_t lightest(const struct sharing *s, size_t topic)
{
    size_t best = SIZE_MAX;

    for (size_t i = 0; i < s->cs->members.n; i++) {
        if (may_have(s, i, topic) && (best == SIZE_MAX || s->load[i] < s->load[best]))
            best = i;
    }
    return best;
}

static void keep_what_they_had(struct sharing *s)
{
    for (size_t i = 0; i < s->n; i++) {
        for (size_t m = 0; m < s->cs->members.n && s->slots[i].owner == SIZE_MAX; m++) {
            if (may_have(s, m, s->slots[i].topic) && parts_have(&s->cs->members.p[m]->target, &s->slots[i].part)) {
                s->slots[i].owner = m;
                s->load[m]++;
            }
        }
    }
}

/* Until nothing can go from one member to another that has two less. */
static void even_out(struct sharing *s)
{
    bool moved = true;

    for (size_t round = 0; moved && round < s->cs->members.n + 2; round++) {
        moved = false;
        for (size_t i = 0; i < s->n; i++) {
            struct slot *slot = &s->slots[i];
            const size_t to = slot->owner == SIZE_MAX ? SIZE_MAX : lightest(s, slot->topic);

            if (to == SIZE_MAX || s->load[to] + 2 > s->load[slot->owner])
                continue;
            s->load[slot->owner]--;
            s->load[to]++;
            slot->owner = to;
            moved = true;
        }
    }
}

static void list_slots(struct sharing *s, struct topic **topics)
{
    size_t n = 0;

    for (size_t t = 0; t < s->n_topics; t++)
        n += topics[t]->partitions.n;
    s->slots = check_calloc(n + 1, sizeof(*s->slots));
    for (size_t t = 0; t < s->n_topics; t++) {
        for (size_t k = 0; k < topics[t]->partitions.n; k++)
            s->slots[s->n++] = (struct slot){{topics[t]->id, (int32_t)k}, t, SIZE_MAX};
    }
    for (size_t m = 0; m < s->cs->members.n; m++) {
        for (size_t t = 0; t < s->n_topics; t++)
            s->may[m * s->n_topics + t] = consumer_subscribes(s->cs->members.p[m], topics[t]->name);
    }
}

static void assign_uniform(struct consumers *cs, struct topic **topics, size_t n_topics)
{
    struct sharing s = {.cs = cs,
                        .may = check_calloc(cs->members.n * n_topics + 1, sizeof(bool)),
                        .n_topics = n_topics,
                        .load = check_calloc(cs->members.n + 1, sizeof(size_t))};

    list_slots(&s, topics);
    keep_what_they_had(&s);
    for (size_t i = 0; i < s.n; i++) {
        const size_t to = s.slots[i].owner == SIZE_MAX ? lightest(&s, s.slots[i].topic) : SIZE_MAX;

        if (to == SIZE_MAX)
            continue;
        s.slots[i].owner = to;
        s.load[to]++;
    }
    even_out(&s);
    for (size_t m = 0; m < cs->members.n; m++)
        cs->members.p[m]->target.n = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.slots[i].owner != SIZE_MAX)
            parts_add(&cs->members.p[s.slots[i].owner]->target, s.slots[i].part);
    }
    free(s.may);
    free(s.load);
    free(s.slots);
}

/* --- which of them --------------------------------------------------------------------------------------------------
 */

static const struct assignor {
    const char *name;
    void (*assign)(struct consumers *cs, struct topic **topics, size_t n_topics);
} assignors[] = {{"uniform", assign_uniform}, {"range", assign_range}};

bool assignor_is_known(struct str name)
{
    for (size_t i = 0; i < IG_COUNT(assignors); i++) {
        if (str_is(name, assignors[i].name))
            return true;
    }
    return false;
}

const char *assignor_of(const struct consumers *cs)
{
    size_t votes[IG_COUNT(assignors)] = {0}, best = 0;

    for (size_t m = 0; m < cs->members.n; m++) {
        for (size_t i = 0; i < IG_COUNT(assignors); i++)
            votes[i] += cs->members.p[m]->assignor && strcmp(cs->members.p[m]->assignor, assignors[i].name) == 0;
    }
    for (size_t i = 1; i < IG_COUNT(assignors); i++) {
        if (votes[i] > votes[best])
            best = i;
    }
    return assignors[best].name;
}

void assign_target(struct consumers *cs)
{
    size_t n, kept = 0;
    struct topic **topics = topics_sorted(cs->group->gs->b->topics, &n);

    for (size_t t = 0; t < n; t++) {
        bool wanted = false;

        for (size_t m = 0; m < cs->members.n && !wanted; m++)
            wanted = consumer_subscribes(cs->members.p[m], topics[t]->name);
        if (wanted)
            topics[kept++] = topics[t];
    }
    cs->assignor = assignor_of(cs);
    for (size_t i = 0; i < IG_COUNT(assignors); i++) {
        if (strcmp(assignors[i].name, cs->assignor) == 0)
            assignors[i].assign(cs, topics, kept);
    }
    for (size_t m = 0; m < cs->members.n; m++)
        parts_sort(&cs->members.p[m]->target);
    cs->target_epoch = cs->epoch;
    free(topics);
}
