#include "broker/quota.h"

#include <math.h>

#define BUCKETS 1024
#define BUCKETS_MAX 20000 /* many made-up client ids are to cost little */
#define BURST_S 1.0       /* what may be used ahead */
#define WAIT_MAX_MS 11000

const char *const quota_names[QUOTA_KINDS] = {
    "producer_byte_rate",       "consumer_byte_rate",       "request_percentage",
    "controller_mutation_rate", "connection_creation_rate",
};
const char *const quota_part_names[QUOTA_PARTS] = {"user", "client-id", "ip"};

/* What has been used by those who share a quota. */
struct bucket {
    struct bucket *next;
    double debt, rate;
    int64_t at_us;
    size_t n;
    char key[];
};

struct quotas {
    VEC(struct quota) list;
    bool have[QUOTA_KINDS];
    struct bucket *buckets[BUCKETS];
    size_t n_buckets;
};

struct quotas *quotas_new(void)
{
    return check_calloc(1, sizeof(struct quotas));
}

static void entity_release(struct quota_entity *e)
{
    for (size_t i = 0; i < QUOTA_PARTS; i++)
        free((void *)(uintptr_t)e->part[i].p);
}

void quotas_free(struct quotas *qs)
{
    if (!qs)
        return;
    for (size_t i = 0; i < qs->list.n; i++)
        entity_release(&qs->list.p[i].entity);
    vec_free(&qs->list);
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct bucket *b = qs->buckets[i], *next; b; b = next) {
            next = b->next;
            free(b);
        }
    }
    free(qs);
}

size_t quotas_count(const struct quotas *qs)
{
    return qs->list.n;
}

const struct quota *quotas_at(const struct quotas *qs, size_t i)
{
    return &qs->list.p[i];
}

bool quotas_have(const struct quotas *qs, enum quota_kind kind)
{
    return qs->have[kind];
}

/* --- entities ----------------------------------------------------------------------------------------------------- */

static bool same_entity(const struct quota_entity *a, const struct quota_entity *b)
{
    for (size_t i = 0; i < QUOTA_PARTS; i++) {
        if ((a->part[i].p == NULL) != (b->part[i].p == NULL) || a->is_default[i] != b->is_default[i] ||
            !str_eq(a->part[i], b->part[i]))
            return false;
    }
    return true;
}

static struct quota *find(const struct quotas *qs, const struct quota_entity *e)
{
    for (size_t i = 0; i < qs->list.n; i++) {
        if (same_entity(&qs->list.p[i].entity, e))
            return &qs->list.p[i];
    }
    return NULL;
}

const struct quota *quotas_find(const struct quotas *qs, const struct quota_entity *e)
{
    return find(qs, e);
}

static void tidy(struct quotas *qs)
{
    size_t kept = 0;

    memset(qs->have, 0, sizeof(qs->have));
    for (size_t i = 0; i < qs->list.n; i++) {
        bool any = false;

        for (size_t k = 0; k < QUOTA_KINDS; k++) {
            any |= qs->list.p[i].limit[k] > 0;
            qs->have[k] |= qs->list.p[i].limit[k] > 0;
        }
        if (any)
            qs->list.p[kept++] = qs->list.p[i];
        else
            entity_release(&qs->list.p[i].entity);
    }
    qs->list.n = kept;
}

void quotas_set(struct quotas *qs, const struct quota_entity *e, enum quota_kind kind, double limit, bool fixed)
{
    struct quota *q = find(qs, e);

    if (!q) {
        struct quota fresh = {.fixed = fixed};

        for (size_t i = 0; i < QUOTA_PARTS; i++) {
            fresh.entity.is_default[i] = e->is_default[i];
            if (!e->part[i].p)
                continue;
            fresh.entity.part[i] = (struct str){check_calloc(1, e->part[i].n + 1), e->part[i].n};
            memcpy((void *)(uintptr_t)fresh.entity.part[i].p, e->part[i].p, e->part[i].n);
        }
        vec_push(&qs->list, fresh);
        q = &qs->list.p[qs->list.n - 1];
    }
    q->limit[kind] = limit;
    tidy(qs);
}

void quotas_remove_all(struct quotas *qs)
{
    for (size_t i = 0; i < qs->list.n; i++) {
        if (!qs->list.p[i].fixed)
            memset(qs->list.p[i].limit, 0, sizeof(qs->list.p[i].limit));
    }
    tidy(qs);
}

const char *quota_problem(const struct quota_entity *e, enum quota_kind kind, double limit)
{
    const bool people = e->part[QUOTA_USER].p || e->part[QUOTA_CLIENT].p, address = e->part[QUOTA_ADDRESS].p != NULL;

    if (!people && !address)
        return "Invalid empty client quota entity";
    if (people && address)
        return "Invalid quota entity combination";
    if (address != (kind == QUOTA_CONNECTION))
        return "Invalid configuration key for this kind of entity";
    if (!isfinite(limit) || limit <= 0)
        return "A quota is a number above 0";
    if (kind != QUOTA_REQUEST && kind != QUOTA_MUTATION &&
        (limit < 1 || limit > 9007199254740992.0 || floor(limit) < limit))
        return "This quota is a whole number";
    return NULL;
}

/* --- usage ---------------------------------------------------------------------------------------------------------
 */

static bool part_fits(const struct quota_entity *e, enum quota_part part, struct str name, bool *exact)
{
    *exact = e->part[part].p && !e->is_default[part];
    return *exact ? str_eq(e->part[part], name) : true;
}

/* How precise a quota is for a user and a client; -1: it is not for them. Kafka's order. */
static int fit(const struct quota_entity *e, struct str user, struct str client)
{
    bool user_exact, client_exact;

    if (e->part[QUOTA_ADDRESS].p || !part_fits(e, QUOTA_USER, user, &user_exact) ||
        !part_fits(e, QUOTA_CLIENT, client, &client_exact))
        return -1;
    if (user_exact)
        return client_exact ? 7 : e->part[QUOTA_CLIENT].p ? 6 : 5;
    if (e->part[QUOTA_USER].p)
        return client_exact ? 4 : e->part[QUOTA_CLIENT].p ? 3 : 2;
    return client_exact ? 1 : 0;
}

static const struct quota *best(const struct quotas *qs, enum quota_kind kind, struct str user, struct str client)
{
    const struct quota *found = NULL;
    int best_fit = -1;

    for (size_t i = 0; i < qs->list.n; i++) {
        const struct quota *q = &qs->list.p[i];
        const int f = q->limit[kind] > 0 ? fit(&q->entity, user, client) : -1;

        if (f > best_fit) {
            best_fit = f;
            found = q;
        }
    }
    return found;
}

static void pay(struct bucket *b, int64_t now_us)
{
    const double paid = b->rate * (double)(now_us - b->at_us) / 1e6;

    b->debt = b->debt > paid ? b->debt - paid : 0;
    b->at_us = now_us;
}

static void drop_paid(struct quotas *qs, int64_t now_us)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct bucket **at = &qs->buckets[i], *b; (b = *at) != NULL;) {
            pay(b, now_us);
            if (b->debt > 0) {
                at = &b->next;
                continue;
            }
            *at = b->next;
            free(b);
            qs->n_buckets--;
        }
    }
}

static struct bucket *bucket_of(struct quotas *qs, struct str key, double rate, int64_t now_us)
{
    struct bucket **head = &qs->buckets[hash_fnv1a(key.p, key.n) % BUCKETS], *b = *head;

    while (b && !(b->n == key.n && memcmp(b->key, key.p, key.n) == 0))
        b = b->next;
    if (b) {
        pay(b, now_us);
        b->rate = rate;
        return b;
    }
    if (qs->n_buckets >= BUCKETS_MAX)
        drop_paid(qs, now_us);
    if (qs->n_buckets >= BUCKETS_MAX)
        return NULL;
    b = check_calloc(1, sizeof(*b) + key.n + 1);
    memcpy(b->key, key.p, key.n);
    b->n = key.n;
    b->rate = rate;
    b->at_us = now_us;
    b->next = *head;
    *head = b;
    qs->n_buckets++;
    return b;
}

/* `refuse`: what goes over the limit does not happen, and is not counted. */
static int64_t charge(struct quotas *qs, struct str key, double rate, double amount, bool refuse, int64_t now_us)
{
    struct bucket *b = bucket_of(qs, key, rate, now_us);
    double over_ms;

    if (!b)
        return 0;
    b->debt += amount;
    over_ms = (b->debt - rate * BURST_S) / rate * 1000;
    if (over_ms <= 0)
        return 0;
    if (refuse)
        b->debt -= amount;
    return over_ms > WAIT_MAX_MS ? WAIT_MAX_MS : (int64_t)over_ms + 1;
}

int64_t quotas_charge(struct quotas *qs, enum quota_kind kind, struct str user, struct str client, double amount,
                      int64_t now_us)
{
    const struct quota *q = qs->have[kind] ? best(qs, kind, user, client) : NULL;
    struct buf key;
    int64_t wait_ms;

    if (!q)
        return 0;
    buf_init(&key, 0);
    buf_printf(&key, "%d", (int)kind);
    if (q->entity.part[QUOTA_USER].p) {
        buf_puts(&key, " user ");
        buf_add_str(&key, user);
    }
    buf_putc(&key, '\0');
    if (q->entity.part[QUOTA_CLIENT].p) {
        buf_puts(&key, " client ");
        buf_add_str(&key, client);
    }
    wait_ms =
        charge(qs, buf_str(&key), kind == QUOTA_REQUEST ? q->limit[kind] * 1e4 : q->limit[kind], amount, false, now_us);
    buf_release(&key);
    return wait_ms;
}

int64_t quotas_charge_address(struct quotas *qs, struct str address, int64_t now_us)
{
    const struct quota *found = NULL;
    struct buf key;
    int64_t wait_ms;

    if (!qs->have[QUOTA_CONNECTION])
        return 0;
    for (size_t i = 0; i < qs->list.n; i++) {
        const struct quota *q = &qs->list.p[i];
        bool exact;

        if (q->limit[QUOTA_CONNECTION] > 0 && part_fits(&q->entity, QUOTA_ADDRESS, address, &exact) &&
            (exact || !found))
            found = q;
    }
    if (!found)
        return 0;
    buf_init(&key, 0);
    buf_puts(&key, "address ");
    buf_add_str(&key, address);
    wait_ms = charge(qs, buf_str(&key), found->limit[QUOTA_CONNECTION], 1, true, now_us);
    buf_release(&key);
    return wait_ms;
}
