/*
 * Commits. The text is made once per version tried and put under the next version's name, if absent. Who loses reads
 * what won, and goes on at the next version unless the winner touched what this commit depends on.
 */
#include "lake/features.h"

#include <stdio.h>
#include <stdlib.h>

enum ig_code lake_check_options(const struct lake_snapshot *s, const struct lake_commit_options *o, struct error *err)
{
    if (!o)
        return IG_OK;
    if (o->app_id && lake_txn_version(s, o->app_id) >= o->app_version)
        return error_set(err, IG_EXISTS, "%s has committed its version %lld already", o->app_id,
                         (long long)o->app_version);
    if (o->only_on_version != LAKE_LATEST && o->only_on_version != s->version)
        return error_set(err, IG_CONFLICT, "the table is at version %lld, not %lld", (long long)s->version,
                         (long long)o->only_on_version);
    return IG_OK;
}

/* --- conflicts --------------------------------------------------------------------------------------------- */

/* Does the change depend on this file's partition? */
static bool in_scope(const struct lake_change *c, const struct lake_entry *e)
{
    if (c->scope == LAKE_READ_ALL)
        return true;
    if (c->scope == LAKE_READ_WHERE)
        return true;
    for (size_t i = 0; c->scope == LAKE_READ_PARTITIONS && i < c->n_partitions; i++)
        if (lake_entry_matches(c->base, e, c->partitions + i * c->n_columns, c->n_columns))
            return true;
    return false;
}

static const struct lake_entry *live_entry(const struct lake_snapshot *s, const struct lake_entry *like)
{
    for (size_t i = 0; i < s->entries.n; i++)
        if (s->entries.p[i].live && str_eq(s->entries.p[i].path, like->path) &&
            str_eq(s->entries.p[i].dv_id, like->dv_id))
            return &s->entries.p[i];
    return NULL;
}

static enum ig_code check_files(const struct lake_change *c, const struct lake_snapshot *won, int64_t version,
                                struct error *err)
{
    for (size_t i = 0; i < won->entries.n; i++) {
        const struct lake_entry *e = &won->entries.p[i];

        if (e->live && in_scope(c, e))
            return error_set(err, IG_CONFLICT, "version %lld added %s, where this commit reads", (long long)version,
                             e->path.p);
        if (!e->live && c->scope != LAKE_READ_NOTHING) {
            const struct lake_entry *read = live_entry(c->base, e);

            if (read && in_scope(c, read))
                return error_set(err, IG_CONFLICT, "version %lld removed %s, which this commit has read",
                                 (long long)version, e->path.p);
        }
    }
    return IG_OK;
}

static enum ig_code check_winner(const struct lake_change *c, struct lake_snapshot *won, int64_t version,
                                 struct error *err)
{
    const struct lake_commit_options *o = c->options;

    if (!c->base)
        return error_set(err, IG_CONFLICT, "somebody else has created the table");
    if (won->protocol.raw.n)
        return error_set(err, IG_CONFLICT, "version %lld changed the protocol", (long long)version);
    if (won->metadata.raw.n)
        return error_set(err, IG_CONFLICT, "version %lld changed the schema or the properties", (long long)version);
    for (size_t i = 0; o && o->app_id && i < won->txns.n; i++) {
        if (!str_is(won->txns.p[i].app_id, o->app_id))
            continue;
        if (won->txns.p[i].version >= o->app_version)
            return error_set(err, IG_EXISTS, "%s has committed its version %lld already", o->app_id,
                             (long long)o->app_version);
        return error_set(err, IG_CONFLICT, "version %lld is of the same application, %s", (long long)version,
                         o->app_id);
    }
    if (o && o->only_on_version != LAKE_LATEST)
        return error_set(err, IG_CONFLICT, "the table has gone on to version %lld", (long long)version);
    if (c->metadata)
        return error_set(err, IG_CONFLICT, "version %lld came before a change of the schema", (long long)version);
    won->metadata = c->base->metadata;
    won->protocol = c->base->protocol;
    IG_TRY(lake_replay_finish(won, err));
    return check_files(c, won, version, err);
}

enum outcome { OURS, THEIRS, ABSENT };

/* Reads the version back: is it there, and is it this attempt's? If not, may the attempt go on behind it? */
static enum ig_code look_at_winner(const struct lake_attempt *a, const char *name, enum outcome *outcome,
                                   struct error *err)
{
    struct lake_snapshot *won = NULL;
    struct buf text;
    char mark[64];
    enum ig_code rc;

    buf_init(&text, LAKE_COMMIT_MAX_BYTES);
    rc = store_get(a->t->store, name, &text, err);
    if (rc) {
        *outcome = ABSENT;
        rc = rc == IG_NOT_FOUND ? IG_OK : rc;
        goto out;
    }
    snprintf(mark, sizeof(mark), "\"txnId\":\"%s\"", a->id);
    *outcome = strstr(buf_cstr(&text), mark) ? OURS : THEIRS;
    if (*outcome == OURS)
        goto out;
    won = lake_snapshot_new(a->t->store, a->t->path);
    {
        struct lake_chunk *chunk = lake_chunk_new(won);

        rc = lake_replay_text(won, chunk, arena_str(&chunk->arena, buf_str(&text)), a->version, err);
    }
    if (rc)
        error_context(err, rc, "%s", name);
    else
        rc = check_winner(a->change, won, a->version, err);
out:
    lake_snapshot_free(won);
    buf_release(&text);
    return rc;
}

/* --- the commit -------------------------------------------------------------------------------------------- */

/* A little while, so that writers that meet do not meet again at once. */
static void back_off(struct env *env, int tries)
{
    uint16_t dice;

    env_random(env, &dice, sizeof(dice));
    env_sleep_ms(env, dice % (tries < 6 ? 4 << tries : 256));
}

/* One put. *outcome says whether the version is ours; an error ends the commit. */
static enum ig_code try_version(const struct lake_attempt *a, enum outcome *outcome, struct error *err)
{
    struct error put_error = {0};
    struct buf name, text;
    enum ig_code rc;

    buf_init(&name, 0);
    buf_init(&text, LAKE_COMMIT_MAX_BYTES);
    lake_add_log_name(&name, a->t->path, a->version, ".json");
    rc = lake_add_commit_text(a, &text, err);
    if (rc)
        goto out;
    rc = store_put(a->t->store, buf_cstr(&name), buf_str(&text), STORE_IF_ABSENT, &put_error);
    if (!rc) {
        *outcome = OURS;
    } else if (rc == IG_EXISTS || rc == IG_UNKNOWN_OUTCOME) {
        const enum ig_code first = rc;

        rc = look_at_winner(a, buf_cstr(&name), outcome, err);
        if (first == IG_UNKNOWN_OUTCOME && !rc && *outcome == OURS)
            /* It is there, but maybe not on the disk. Putting it again as it is would sync it. */
            rc = store_put(a->t->store, buf_cstr(&name), buf_str(&text), STORE_REPLACE, err);
        if (first == IG_UNKNOWN_OUTCOME && rc && rc != IG_CONFLICT && rc != IG_EXISTS)
            rc = error_set(err, IG_UNKNOWN_OUTCOME, "%s", put_error.msg);
    } else {
        error_set(err, rc, "%s", put_error.msg);
    }
out:
    buf_release(&text);
    buf_release(&name);
    return rc;
}

/* The commit stands; a checkpoint that fails is made again by a later one. */
static void checkpoint_if_due(struct lake_table *t, const struct lake_change *c, int64_t version)
{
    int64_t every = LAKE_CHECKPOINT_EVERY;
    struct error err = {0};

    if (c->base)
        (void)!str_to_int64(str_of(lake_property(c->base, "delta.checkpointInterval", "10")), 1, INT32_MAX, &every);
    if (version == 0 || version % every != 0)
        return;
    if (lake_checkpoint(t, version, &err))
        log_warn(t->store->env, "lake", "checkpoint of %s at version %lld: %s", t->path, (long long)version, err.msg);
}

enum ig_code lake_commit(struct lake_table *t, const struct lake_change *change, int64_t *version, struct error *err)
{
    struct lake_attempt a = {.t = t,
                             .change = change,
                             .version = change->base ? change->base->version + 1 : 0,
                             .in_commit_ms = -1,
                             .row_high = -2};
    enum outcome outcome = THEIRS;
    enum ig_code rc = IG_OK;

    env_uuid(t->store->env, a.id);
    for (int tries = 0; tries < LAKE_COMMIT_TRIES && !rc; tries++) {
        a.now_ms = env_now_ms(t->store->env);
        rc = try_version(&a, &outcome, err);
        if (rc || outcome == OURS)
            break;
        a.version += outcome == THEIRS;
        back_off(t->store->env, tries);
    }
    if (!rc && outcome != OURS)
        rc = error_set(err, IG_CONFLICT, "%d other commits came first", LAKE_COMMIT_TRIES);
    if (rc)
        return error_context(err, rc, "commit to %s", *t->path ? t->path : t->store->url);
    *version = a.version;
    checkpoint_if_due(t, change, a.version);
    return IG_OK;
}
