/*
 * Commits: a version's file is put under its name if that is absent. Nothing else makes a commit, and nothing undoes
 * one. So there are three questions, and each is answered by reading the log, never by guessing:
 *
 *   Is this version ours?    The file has our commit's id. It is asked whenever the store did not plainly say yes: a
 * lost answer, a "taken" that may be our own first attempt, a 5xx. While the version is nobody's, the same put is
 * repeated: the request whose answer was lost may still arrive, but one of them at most can win the name. May we go on
 * behind it?  It is another's: the conflict rules (conflict.c) for every commit since, then the next version. Is the
 * log still there?  A writer that slept for long may find the name free because the log was cleaned up. Who does not
 * know the log's end to be young looks before it puts.
 *
 * If the first cannot be answered, the outcome is IG_UNKNOWN_OUTCOME, and nobody may remove the files.
 */
#include "lake/commit/conflict.h"
#include "lake/table/features.h"

#include <stdlib.h>
#include <strings.h>

#define TRIES_DEFAULT 1000
#define WAIT_DEFAULT_MS (INT64_C(10) * 60 * 1000)
#define BACK_OFF_MAX_MS 400
#define SILENT_MAX 5 /* the store repeats on its own, too */
#define DOUBT_MAX 25 /* the same in doubt: longer, since what is known then is worth more */
/* How long a look at the log's end is believed. Cleaning up keeps what is younger than the retention, at least. */
#define LOOK_AGAIN_MS (INT64_C(5) * 60 * 1000)

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

enum outcome { OURS, THEIRS, ABSENT };

struct commit {
    struct lake_attempt a;
    struct env *env;
    struct lake_moved moved;
    struct buf name, text;            /* of the version that is tried; text is empty if it must be made */
    bool in_doubt;                    /* a put of this version may have happened, or may yet */
    int64_t tries, max_tries, silent; /* silent: in a row without an answer */
    int64_t deadline_ms;              /* monotonic */
    int64_t looked_ms;                /* when the log's end was last seen; monotonic */
    int64_t look_again_ms;
    int64_t previous_ms; /* the in-commit timestamp before this version's */
    bool in_commit_timestamps;
};

static struct env *env_of(const struct lake_table *t)
{
    return t->store->env;
}

/* --- what the version before says -------------------------------------------------------------------------- */

/* After this commit, does the table have in-commit timestamps? */
static bool will_have_timestamps(const struct lake_change *c)
{
    bool on = c->base && lake_uses(c->base, "inCommitTimestamp");
    struct json_value properties;
    struct buf value;

    if (!c->metadata)
        return on;
    buf_init(&value, 0);
    on = json_member(str_of(c->metadata), "configuration", &properties) &&
         json_member_string(properties.raw, "delta.enableInCommitTimestamps", &value) &&
         strcmp(buf_cstr(&value), "true") == 0;
    buf_release(&value);
    return on;
}

/* The base's in-commit timestamp: a checkpoint does not hold it, its commit's file does. */
static enum ig_code find_timestamp(struct commit *c, struct error *err)
{
    const struct lake_snapshot *base = c->a.change->base;
    struct lake_winner w = {0};
    struct buf name, text;
    enum ig_code rc;

    c->in_commit_timestamps = will_have_timestamps(c->a.change);
    c->previous_ms = -1;
    if (!base || !c->in_commit_timestamps || !lake_uses(base, "inCommitTimestamp"))
        return IG_OK;
    if (base->in_commit_ms >= 0) {
        c->previous_ms = base->in_commit_ms;
        return IG_OK;
    }
    buf_init(&name, 0);
    buf_init(&text, LAKE_COMMIT_MAX_BYTES);
    lake_add_log_name(&name, c->a.t->path, base->version, ".json");
    rc = store_get(c->a.t->store, buf_cstr(&name), &text, err);
    if (!rc)
        rc = lake_winner_read(&w, buf_str(&text), base->version, err);
    if (!rc && w.in_commit_ms < 0)
        rc = error_set(err, IG_CORRUPT, "the commit has no inCommitTimestamp");
    if (rc)
        error_context(err, rc, "%s", buf_cstr(&name));
    c->previous_ms = w.in_commit_ms;
    lake_winner_free(&w);
    buf_release(&text);
    buf_release(&name);
    return rc;
}

/* A property after this commit, in `value`; false if it is not set. */
static bool property_of(const struct lake_change *c, const char *key, struct buf *value)
{
    struct json_value properties;

    if (c->metadata)
        return json_member(str_of(c->metadata), "configuration", &properties) &&
               json_member_string(properties.raw, key, value);
    if (c->base && lake_property(c->base, key, NULL))
        buf_puts(value, lake_property(c->base, key, ""));
    return value->n > 0;
}

static bool is_on(const struct lake_change *c, const char *key)
{
    struct buf value;
    bool on;

    buf_init(&value, 0);
    on = property_of(c, key, &value) && strcasecmp(buf_cstr(&value), "true") == 0;
    buf_release(&value);
    return on;
}

static bool lists_row_tracking(struct str protocol)
{
    struct json_value list, v;
    struct json_reader r;
    bool found = false;

    if (!json_member(protocol, "writerFeatures", &list) || list.type != JSON_ARRAY)
        return false;
    json_reader_init(&r, list.raw);
    json_begin(&r, &v);
    while (json_next_item(&r) && json_read(&r, &v))
        found = found || (v.type == JSON_STRING && str_is(v.raw, "rowTracking"));
    return found;
}

/* The high water mark of row ids, -2 for a table that has none. */
static int64_t row_high_of(const struct lake_change *c)
{
    const struct lake_snapshot *base = c->base;
    int64_t high = -1;
    struct buf text;

    if (!lists_row_tracking(c->protocol ? str_of(c->protocol)
                            : base      ? base->protocol.raw
                                        : STR("{}")) ||
        is_on(c, "delta.rowTrackingSuspended"))
        return -2;
    buf_init(&text, 0);
    for (size_t i = 0; base && i < base->domains.n; i++) {
        if (!str_is(base->domains.p[i].name, "delta.rowTracking") || base->domains.p[i].removed)
            continue;
        buf_clear(&text);
        json_member_string(base->domains.p[i].raw, "configuration", &text);
        (void)!json_member_int64(buf_str(&text), "rowIdHighWaterMark", &high);
    }
    buf_release(&text);
    return high;
}

static enum ig_code begin(struct commit *c, struct lake_table *t, const struct lake_change *change, struct error *err)
{
    const struct lake_commit_options *o = change->options;

    *c = (struct commit){.env = env_of(t)};
    c->a = (struct lake_attempt){.t = t, .change = change, .version = change->base ? change->base->version + 1 : 0};
    c->max_tries = o && o->max_tries > 0 ? o->max_tries : TRIES_DEFAULT;
    c->deadline_ms = env_monotonic_ms(c->env) + (o && o->max_wait_ms > 0 ? o->max_wait_ms : WAIT_DEFAULT_MS);
    c->look_again_ms = LOOK_AGAIN_MS;
    if (change->base) {
        const int64_t kept_ms = lake_log_retention_ms(change->base);

        c->look_again_ms = kept_ms / 2 < LOOK_AGAIN_MS ? kept_ms / 2 : LOOK_AGAIN_MS;
    }
    /* Who makes a table has seen nothing that says when that was: it looks. */
    c->looked_ms = change->base ? change->base->opened_ms : env_monotonic_ms(c->env) - LOOK_AGAIN_MS;
    c->a.row_high = row_high_of(change);
    c->a.keeps_row_ids = c->a.row_high >= -1 && is_on(change, "delta.enableRowTracking");
    env_uuid(c->env, c->a.id);
    arena_init(&c->moved.arena);
    buf_init(&c->name, 0);
    buf_init(&c->text, LAKE_COMMIT_MAX_BYTES);
    return find_timestamp(c, err);
}

static void end(struct commit *c)
{
    buf_release(&c->text);
    buf_release(&c->name);
    vec_free(&c->moved.paths);
    arena_release(&c->moved.arena);
}

/* --- is it ours? ------------------------------------------------------------------------------------------- */

static void add_version_name(const struct commit *c, int64_t version, struct buf *out)
{
    buf_clear(out);
    lake_add_log_name(out, c->a.t->path, version, ".json");
}

/* Does the first line that is a commitInfo carry our id? */
static bool is_ours(const struct commit *c, struct str text)
{
    const char *p = text.p, *stop = text.p + text.n;

    while (p < stop) {
        const char *newline = memchr(p, '\n', (size_t)(stop - p));
        const struct str line = {p, (size_t)((newline ? newline : stop) - p)};
        struct json_value info;
        struct buf id;
        bool ours;

        if (json_member(line, "commitInfo", &info) && info.type == JSON_OBJECT) {
            buf_init(&id, 0);
            ours = json_member_string(info.raw, "txnId", &id) && strcmp(buf_cstr(&id), c->a.id) == 0;
            buf_release(&id);
            return ours;
        }
        p = line.p + line.n + 1;
    }
    return false;
}

static enum ig_code stop_at_first(void *ctx, const struct store_object *object, struct error *err)
{
    const size_t prefix = *(const size_t *)ctx;
    int64_t version;

    if (object->name.n >= prefix + 20 &&
        str_to_int64((struct str){object->name.p + prefix, 20}, 0, INT64_MAX, &version))
        return error_set(err, IG_CANCELLED, "there is more");
    return IG_OK;
}

/* Is anything in the log of this version or behind it? A listing, so only where reading the name is not enough. */
static enum ig_code log_reaches(const struct commit *c, int64_t version, bool *out, struct error *err)
{
    struct buf prefix, after;
    enum ig_code rc;
    size_t n;

    buf_init(&prefix, 0);
    buf_init(&after, 0);
    lake_add_log_name(&prefix, c->a.t->path, -1, "");
    lake_add_log_name(&after, c->a.t->path, version, "");
    n = prefix.n;
    rc = store_list_from(c->a.t->store, buf_cstr(&prefix), buf_cstr(&after), stop_at_first, &n, err);
    *out = rc == IG_CANCELLED;
    buf_release(&after);
    buf_release(&prefix);
    return *out ? IG_OK : rc;
}

static bool names_entry(const struct lake_snapshot *s, const char *name)
{
    for (size_t i = 0; i < s->entries.n; i++)
        if (str_is(lake_entry_name(&s->entries.p[i]), name))
            return true;
    return false;
}

/* The version's file was cleaned up, and a put of ours may have been it. The table's state still names the files that
 * we added, also a while after somebody has removed them. If it does not, nobody can tell; nor where a table was made
 * of files that have their names from elsewhere, as others may have made it of the same. */
static enum ig_code look_in_state(const struct commit *c, enum outcome *outcome, struct error *err)
{
    const struct lake_new_files *added = c->a.change->base ? c->a.change->added : NULL;
    struct lake_snapshot *s = NULL;
    enum ig_code rc = lake_snapshot_open(c->a.t, LAKE_LATEST, &s, err);
    bool found = false;

    if (!rc)
        found = added && added->list.n && names_entry(s, added->list.p[0].name);
    lake_snapshot_free(s);
    *outcome = OURS;
    if (!rc && !found)
        rc = error_set(err, IG_UNKNOWN_OUTCOME, "version %lld was cleaned up before it could be read back",
                       (long long)c->a.version);
    return rc;
}

/* IG_NOT_FOUND: the version's file is not there. */
static enum ig_code read_version(const struct commit *c, enum outcome *outcome, struct buf *won, struct error *err)
{
    buf_clear(won);
    *outcome = ABSENT;
    IG_TRY(store_get(c->a.t->store, buf_cstr(&c->name), won, err));
    *outcome = is_ours(c, buf_str(won)) ? OURS : THEIRS;
    return IG_OK;
}

/* Whose is the version? On THEIRS `won` has its text. */
static enum ig_code look(struct commit *c, enum outcome *outcome, struct buf *won, struct error *err)
{
    bool reached = false;
    enum ig_code rc = read_version(c, outcome, won, err);

    if (rc != IG_NOT_FOUND)
        return rc;
    IG_TRY(log_reaches(c, c->a.version, &reached, err));
    if (!reached)
        return IG_OK;
    /* Cleaned up, or made since we read. */
    rc = read_version(c, outcome, won, err);
    if (rc != IG_NOT_FOUND)
        return rc;
    if (c->in_doubt)
        return look_in_state(c, outcome, err);
    return error_set(err, IG_CONFLICT, "version %lld has been made and cleaned up again meanwhile",
                     (long long)c->a.version);
}

/* --- one try ----------------------------------------------------------------------------------------------- */

static enum ig_code make_text(struct commit *c, struct error *err)
{
    if (c->text.n)
        return IG_OK;
    c->a.now_ms = env_now_ms(c->env);
    c->a.in_commit_ms = -1;
    if (c->in_commit_timestamps)
        c->a.in_commit_ms = c->a.now_ms > c->previous_ms ? c->a.now_ms : c->previous_ms + 1;
    add_version_name(c, c->a.version, &c->name);
    return lake_add_commit_text(&c->a, &c->text, err);
}

/* The name may be free because the log ended before it, or because it was cleaned up. */
static enum ig_code look_if_late(struct commit *c, enum outcome *outcome, struct buf *won, struct error *err)
{
    bool reached = false;

    *outcome = ABSENT;
    if (env_monotonic_ms(c->env) - c->looked_ms < c->look_again_ms)
        return IG_OK;
    IG_TRY(log_reaches(c, c->a.version, &reached, err));
    if (reached)
        return look(c, outcome, won, err);
    c->looked_ms = env_monotonic_ms(c->env);
    return IG_OK;
}

/* It is there, but maybe not on the disk: putting it again as it is syncs it. */
static enum ig_code make_durable(struct commit *c, struct error *err)
{
    if (!store_is_local(c->a.t->store))
        return IG_OK;
    return store_put(c->a.t->store, buf_cstr(&c->name), buf_str(&c->text), STORE_REPLACE, err);
}

static enum ig_code try_version(struct commit *c, enum outcome *outcome, struct buf *won, struct error *err)
{
    enum ig_code put, rc;

    IG_TRY(make_text(c, err));
    IG_TRY(look_if_late(c, outcome, won, err));
    if (*outcome != ABSENT)
        return IG_OK;
    put = store_put(c->a.t->store, buf_cstr(&c->name), buf_str(&c->text), STORE_IF_ABSENT, err);
    if (!put) {
        *outcome = OURS;
        return IG_OK;
    }
    if (put == IG_UNAVAILABLE) /* nothing has happened */
        return IG_UNAVAILABLE;
    if (put != IG_EXISTS && put != IG_UNKNOWN_OUTCOME)
        return put;
    c->in_doubt = true; /* taken, but by whom? */
    rc = look(c, outcome, won, err);
    if (!rc && *outcome == OURS && c->in_doubt)
        rc = make_durable(c, err);
    if (rc && rc != IG_CONFLICT && put == IG_UNKNOWN_OUTCOME)
        return rc == IG_UNAVAILABLE ? rc : error_context(err, IG_UNKNOWN_OUTCOME, "a lost answer");
    return rc;
}

/* --- behind the others ------------------------------------------------------------------------------------- */

static enum ig_code pass(struct commit *c, struct str text, struct error *err)
{
    struct lake_winner w;
    enum ig_code rc = lake_winner_read(&w, text, c->a.version, err);

    if (rc)
        error_context(err, rc, "%s", buf_cstr(&c->name));
    else
        rc = lake_check_conflict(c->a.change, &w, &c->moved, err);
    if (!rc) {
        if (c->a.row_high >= -1 && w.row_high > c->a.row_high)
            c->a.row_high = w.row_high;
        if (w.in_commit_ms > c->previous_ms)
            c->previous_ms = w.in_commit_ms;
        c->a.metadata_moved = c->a.metadata_moved || w.metadata.n;
        c->a.version++;
        c->in_doubt = false;
        buf_clear(&c->text);
        add_version_name(c, c->a.version, &c->name);
    }
    lake_winner_free(&w);
    return rc;
}

/* `won` is the version's text. Goes past it and whatever else is there already, reading only what is new. */
static enum ig_code pass_all(struct commit *c, struct buf *won, struct error *err)
{
    enum ig_code rc;

    do {
        rc = pass(c, buf_str(won), err);
        if (rc)
            return rc;
        buf_clear(won);
        rc = store_get(c->a.t->store, buf_cstr(&c->name), won, err);
    } while (!rc);
    return rc == IG_NOT_FOUND || rc == IG_UNAVAILABLE ? IG_OK : rc;
}

/* A little while, so that writers that meet do not meet again at once. */
static void back_off(struct commit *c)
{
    const int64_t most = c->tries < 7 ? (int64_t)4 << c->tries : BACK_OFF_MAX_MS;
    uint16_t dice;

    env_random(c->env, &dice, sizeof(dice));
    env_sleep_ms(c->env, dice % (most < BACK_OFF_MAX_MS ? most : BACK_OFF_MAX_MS));
}

/* The budget is spent. */
static enum ig_code give_up(const struct commit *c, enum ig_code last, struct error *err)
{
    if (c->in_doubt)
        return error_set(err, IG_UNKNOWN_OUTCOME, "version %lld: the store has not said whether it took the commit",
                         (long long)c->a.version);
    if (last)
        return last;
    return error_set(err, IG_CONFLICT, "%lld other commits came first", (long long)c->tries);
}

static enum ig_code commit(struct commit *c, struct error *err)
{
    enum outcome outcome = ABSENT;
    struct buf won;
    enum ig_code rc;

    buf_init(&won, LAKE_COMMIT_MAX_BYTES);
    for (;;) {
        rc = try_version(c, &outcome, &won, err);
        if (!rc && outcome == THEIRS)
            rc = pass_all(c, &won, err);
        else if (!rc && outcome == OURS)
            break;
        if (rc && rc != IG_UNAVAILABLE)
            break;
        c->tries++;
        c->silent = rc ? c->silent + 1 : 0;
        if (c->tries >= c->max_tries || c->silent >= (c->in_doubt ? DOUBT_MAX : SILENT_MAX) ||
            env_monotonic_ms(c->env) >= c->deadline_ms) {
            rc = give_up(c, rc, err);
            break;
        }
        back_off(c);
    }
    buf_release(&won);
    /* Whatever ended it: what may have happened is not to be called a failure. */
    if (rc && rc != IG_CONFLICT && rc != IG_EXISTS && rc != IG_UNKNOWN_OUTCOME && c->in_doubt)
        rc = error_context(err, IG_UNKNOWN_OUTCOME, "version %lld may have been committed", (long long)c->a.version);
    return rc;
}

/* --- the whole of it --------------------------------------------------------------------------------------- */

static enum ig_code checkpoint(struct lake_table *t, int64_t version, struct error *err)
{
    struct lake_snapshot *s = NULL;
    enum ig_code rc = lake_snapshot_open(t, version, &s, err);

    if (!rc)
        rc = lake_checkpoint_write(t, s, err);
    if (!rc)
        rc = lake_clean_log_if_due(t, s, err);
    lake_snapshot_free(s);
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
    if (checkpoint(t, version, &err))
        log_warn(t->store->env, "lake", "checkpoint of %s at version %lld: %s", t->path, (long long)version, err.msg);
}

enum ig_code lake_commit(struct lake_table *t, const struct lake_change *change, int64_t *version, struct error *err)
{
    struct commit c;
    enum ig_code rc = store_probe(t->store, err);

    if (!rc) {
        rc = begin(&c, t, change, err);
        if (!rc)
            rc = commit(&c, err);
        if (!rc)
            lake_checksum_put(&c.a);
        *version = c.a.version;
        end(&c);
    }
    if (rc)
        return error_context(err, rc, "commit to %s", *t->path ? t->path : t->store->url);
    checkpoint_if_due(t, change, *version);
    return IG_OK;
}
