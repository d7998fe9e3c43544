/*
 * Quotas: how much a user, a client or both may take of the broker, and how long whoever took more has to wait.
 *
 * A quota belongs to an entity: a user, a client id, a user with a client id, or an address; each part by its name or
 * as the default of those who have none of their own. The most precise one holds, in Kafka's order. Who shares a quota
 * shares what is used of it.
 *
 * Usage is a debt that is paid off at the quota's rate. What is owed beyond one second's worth is waited for.
 */
#ifndef BROKER_QUOTA_H
#define BROKER_QUOTA_H

#include "base/base.h"

enum quota_kind { QUOTA_PRODUCE, QUOTA_FETCH, QUOTA_REQUEST, QUOTA_MUTATION, QUOTA_CONNECTION, QUOTA_KINDS };
extern const char *const quota_names[QUOTA_KINDS]; /* as Kafka's configurations name them */

enum quota_part { QUOTA_USER, QUOTA_CLIENT, QUOTA_ADDRESS, QUOTA_PARTS };
extern const char *const quota_part_names[QUOTA_PARTS]; /* user, client-id, ip */

/* p NULL: does not matter. is_default: whoever has none of their own; p is then "". */
struct quota_entity {
    struct str part[QUOTA_PARTS];
    bool is_default[QUOTA_PARTS];
};
struct quota {
    struct quota_entity entity;
    double limit[QUOTA_KINDS]; /* 0: none */
    bool fixed;                /* stands in the configuration */
};

struct quotas;
struct quotas *quotas_new(void);
void quotas_free(struct quotas *qs);
size_t quotas_count(const struct quotas *qs);
const struct quota *quotas_at(const struct quotas *qs, size_t i);
bool quotas_have(const struct quotas *qs, enum quota_kind kind); /* is there any quota of this kind? */
const struct quota *quotas_find(const struct quotas *qs, const struct quota_entity *e);
/* Copies the entity; 0 takes the limit away. */
void quotas_set(struct quotas *qs, const struct quota_entity *e, enum quota_kind kind, double limit, bool fixed);
void quotas_remove_all(struct quotas *qs); /* but the fixed ones */

/* NULL, or what is wrong with such a quota. */
const char *quota_problem(const struct quota_entity *e, enum quota_kind kind, double limit);

/* Counts `amount` (bytes; for QUOTA_REQUEST microseconds; for the others one each) and says for how many milliseconds
 * whoever used it should be silent; 0: no quota, or all is well. */
int64_t quotas_charge(struct quotas *qs, enum quota_kind kind, struct str user, struct str client, double amount,
                      int64_t now_us);
/* The same for a connection from an address. */
int64_t quotas_charge_address(struct quotas *qs, struct str address, int64_t now_us);

#endif
