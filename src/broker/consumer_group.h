/*
 * Groups by the protocol of KIP-848: the broker shares out the partitions, and each member is brought to its share by
 * its heartbeats, one after the other, without the whole group stopping.
 *
 * The group's epoch counts changes of what it should look like (members, subscriptions, topics). The target assignment
 * is computed for an epoch. A member that has given up all that it is to lose goes to the target's epoch, and gets what
 * nobody else holds any more.
 */
#ifndef BROKER_CONSUMER_GROUP_H
#define BROKER_CONSUMER_GROUP_H

#include "broker/groups.h"

#include <regex.h>

/* A partition of a topic; lists of them are sorted and have each once. */
struct part {
    struct wire_uuid topic;
    int32_t index;
};
struct parts {
    struct part *p;
    size_t n, cap;
};

void parts_add(struct parts *list, struct part part); /* at the end; parts_sort makes it a list */
void parts_sort(struct parts *list);
bool parts_have(const struct parts *list, const struct part *part);
bool parts_equal(const struct parts *a, const struct parts *b);
void parts_copy(struct parts *to, const struct parts *from);
/* What of `list` is (keep) or is not in `other`. */
void parts_filter(struct parts *list, const struct parts *other, bool keep);
void parts_free(struct parts *list);

enum consumer_state {
    CONSUMER_STABLE,
    CONSUMER_REVOKING, /* it must give up partitions first */
    CONSUMER_WAITING,  /* it has all that is free; the rest is still held by others */
};

struct consumer {
    char *id, *instance_id, *rack_id, *client_id, *client_host, *assignor; /* NULL: none */
    VEC(char *) topics;                                                    /* names it subscribes to */
    char *pattern;                                                         /* NULL: none */
    regex_t regex;
    int64_t rebalance_ms;
    int32_t epoch, previous_epoch;
    enum consumer_state state;
    bool away; /* static, left, may come back */
    struct parts assigned, revoking, target;
    int64_t deadline_ms, revoke_deadline_ms; /* the second: 0: none */
};

struct consumers {
    struct group *group;
    VEC(struct consumer *) members;
    int32_t epoch, target_epoch;
    uint64_t topics_seen; /* topics_changes when the subscriptions were last looked at */
    uint64_t metadata;    /* a hash of the subscribed topics */
    const char *assignor; /* by which the target was made */
};

struct consumers *consumers_new(struct group *g);
void consumers_free(struct consumers *cs);
struct consumer *consumers_find(const struct consumers *cs, struct str id);
struct consumer *consumers_find_instance(const struct consumers *cs, struct str instance_id);
struct consumer *consumers_add(struct consumers *cs, struct str id, struct request *r);
void consumers_remove(struct consumers *cs, struct consumer *c);
bool consumer_subscribes(const struct consumer *c, const char *topic);
/* IG_INVALID: it is no pattern. p NULL takes it back. */
IG_MUST_CHECK enum ig_code consumer_set_pattern(struct consumer *c, struct str pattern, struct error *err);
/* Something about the subscriptions is new: the target is made anew. `changed`: also if no topic changed. */
void consumers_refresh(struct consumers *cs, bool changed);
/* Brings the member as far as it can go now. `owned` is what it says it has; NULL: it did not say. */
void consumers_reconcile(struct consumers *cs, struct consumer *c, const struct parts *owned);
void consumers_tick(struct consumers *cs, int64_t now_ms);
const char *consumers_state_name(const struct consumers *cs);

/* The target assignment of all members (consumer_assign.c). */
bool assignor_is_known(struct str name);
const char *assignor_of(const struct consumers *cs); /* that most members want */
void assign_target(struct consumers *cs);

#endif
