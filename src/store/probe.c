/*
 * Is put-if-absent true here? Stores exist that take the header and let several writers win (or overwrite what is
 * there): on those, two commits of one version would both be acknowledged and one lost. So it is tried before anybody
 * writes: several puts of one fresh name at once, of which exactly one must win, and one more that must lose.
 */
#include "store/parallel.h"
#include "store/store_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define RACERS 8
#define ROUNDS 2

struct race {
    struct store *st;
    const char *name;
    enum ig_code got[RACERS];
    struct error error[RACERS];
};

static enum ig_code run_one(void *ctx, size_t i, struct error *err)
{
    struct race *r = ctx;
    char body[32];

    (void)err;
    snprintf(body, sizeof(body), "racer %zu\n", i);
    r->got[i] = store_put(r->st, r->name, str_of(body), STORE_IF_ABSENT, &r->error[i]);
    return IG_OK;
}

static enum ig_code lying(struct store *st, const char *what, struct error *err)
{
    return error_set(err, IG_UNSUPPORTED,
                     "store %s takes conditional puts and does not keep them (%s): two writers could commit the same "
                     "version and lose one; it can be read, but not written. docs/stores.md names stores that are safe",
                     st->url, what);
}

/* The answers of a race: one winner, all others refused because the name is taken. */
static enum ig_code judge_race(struct race *r, struct error *err)
{
    unsigned winners = 0, unknown = 0;
    char what[64];

    for (size_t i = 0; i < RACERS; i++) {
        winners += r->got[i] == IG_OK;
        unknown += r->got[i] == IG_UNKNOWN_OUTCOME || r->got[i] == IG_UNAVAILABLE;
        if (r->got[i] != IG_OK && r->got[i] != IG_EXISTS && r->got[i] != IG_UNKNOWN_OUTCOME &&
            r->got[i] != IG_UNAVAILABLE)
            return error_set(err, r->got[i], "%s", r->error[i].msg);
    }
    if (winners > 1) {
        snprintf(what, sizeof(what), "%u of %d puts of one name won", winners, RACERS);
        return lying(r->st, what, err);
    }
    if (winners == 0 && unknown > 0)
        return error_set(err, IG_UNAVAILABLE, "store %s: trying put-if-absent: no answer", r->st->url);
    return winners == 1 ? IG_OK : lying(r->st, "nobody won a fresh name", err);
}

static enum ig_code race_once(struct store *st, struct error *err)
{
    char name[96], uuid[37];
    struct race *r = check_calloc(1, sizeof(*r));
    enum ig_code rc, removed;

    env_uuid(st->env, uuid);
    snprintf(name, sizeof(name), STORE_PROBE_DIR "/%s", uuid);
    r->st = st;
    r->name = name;
    rc = parallel_for(st->env, RACERS, RACERS, run_one, r, err);
    if (!rc)
        rc = judge_race(r, err);
    if (!rc && store_put(st, name, STR("late\n"), STORE_IF_ABSENT, &r->error[0]) == IG_OK)
        rc = lying(st, "a put over an object that was there won", err);
    removed = store_remove(st, name, &r->error[0]);
    if (!rc && removed)
        log_warn(st->env, "store", "%s: the scratch object %s stays: %s", st->url, name, r->error[0].msg);
    free(r);
    return rc;
}

enum ig_code store_race(struct store *st, struct error *err)
{
    for (int i = 0; i < ROUNDS; i++)
        IG_TRY(race_once(st, err));
    return IG_OK;
}

enum ig_code store_probe(struct store *st, struct error *err)
{
    return st->ops->probe ? st->ops->probe(st, err) : IG_OK;
}

enum ig_code store_probe_now(struct store *st, struct error *err)
{
    return store_race(st, err);
}
