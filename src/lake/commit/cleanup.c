/*
 * Cleaning up the log: commits that are older than the table's retention, and that a checkpoint stands for.
 *
 * What stays: the newest checkpoint that is at or before the newest expired commit, the commit of its version, and all
 * behind it; so each version from there on can still be read. Before anything goes, that checkpoint is read whole. What
 * goes, goes from the oldest on: if it stops in the middle, the log just begins later.
 */
#include "lake/table/features.h"

#include <stdlib.h>

#define DAY_MS (INT64_C(24) * 60 * 60 * 1000)
#define VERSION_DIGITS 20
#define BATCH 200

struct doomed {
    struct lake_table *t;
    int64_t before; /* versions below this one go */
    struct arena arena;
    VEC(const char *) names; /* in the order of the log */
    struct lake_cleaned *sum;
};

/* --- how far ----------------------------------------------------------------------------------------------- */

static int64_t midnight(int64_t ms)
{
    return ms - ms % DAY_MS;
}

/* What is not younger than this may go. Retentions of days end at midnight, as other engines have it. */
static int64_t cut_off_ms(const struct lake_snapshot *s, int64_t now_ms)
{
    const int64_t keep_ms = lake_log_retention_ms(s);

    return keep_ms >= DAY_MS ? midnight(now_ms - keep_ms) : now_ms - keep_ms;
}

/* The newest commit that is old enough, -1 if none is. A commit is not older than the one before it, whatever its
 * file's time says. */
static int64_t expired_commit(const struct lake_log *log, int64_t cut_off)
{
    int64_t at = INT64_MIN, version = -1;

    for (size_t i = 0; i < log->commits.n; i++) {
        at = log->commits.p[i].mtime_ms > at ? log->commits.p[i].mtime_ms : at + 1;
        if (at > cut_off)
            break;
        version = log->commits.p[i].version;
    }
    return version;
}

/* Can the table be read from this checkpoint on? */
static bool checkpoint_is_good(struct lake_table *t, const struct lake_log *log, size_t i)
{
    struct lake_snapshot *s = lake_snapshot_new(t->store, t->path);
    struct error err = {0};
    bool good;

    s->version = log->checkpoints.p[i].version;
    good = !lake_checkpoint_read(s, t->conn, log, i, &err) && !lake_replay_finish(s, &err);
    if (!good)
        log_warn(t->store->env, "lake", "the log of %s is not cleaned up before %s: %s", t->path,
                 log->checkpoints.p[i].name, err.msg);
    lake_snapshot_free(s);
    return good;
}

/* The version of the checkpoint that is kept, and everything from it on; 0: nothing is to go. */
static int64_t first_kept(struct lake_table *t, const struct lake_log *log, int64_t expired)
{
    const int64_t oldest = log->commits.n ? log->commits.p[0].version : 0;

    for (size_t i = log->checkpoints.n; i-- > 0;) {
        const struct lake_log_checkpoint *c = &log->checkpoints.p[i];

        if (c->version > expired || !lake_log_checkpoint_is_whole(log, i) || !lake_log_commit_of(log, c->version))
            continue;
        if (c->version <= oldest)
            return 0;
        if (checkpoint_is_good(t, log, i))
            return c->version;
    }
    return 0;
}

/* --- what goes --------------------------------------------------------------------------------------------- */

/* What is known to belong to a version: nothing else is touched. */
static bool is_log_file(struct str rest, int64_t **count, struct lake_cleaned *sum)
{
    *count = &sum->others;
    if (str_is(rest, ".json")) {
        *count = &sum->commits;
        return true;
    }
    if (str_has_prefix(rest, ".checkpoint.") && (str_has_suffix(rest, ".parquet") || str_has_suffix(rest, ".json"))) {
        *count = &sum->checkpoints;
        return true;
    }
    return str_is(rest, ".crc") || (rest.n > VERSION_DIGITS && str_has_suffix(rest, ".compacted.json"));
}

static enum ig_code doom(void *ctx, const struct store_object *object, struct error *err)
{
    struct doomed *d = ctx;
    const char *slash = object->name.p;
    struct str name = object->name;
    int64_t *count, version;

    for (size_t i = 0; i < object->name.n; i++)
        slash = object->name.p[i] == '/' ? object->name.p + i + 1 : slash;
    name = (struct str){slash, (size_t)(object->name.p + object->name.n - slash)};
    if (name.n < VERSION_DIGITS || !str_to_int64((struct str){name.p, VERSION_DIGITS}, 0, INT64_MAX, &version))
        return IG_OK;
    if (version > d->before)
        return error_set(err, IG_CANCELLED, "seen enough");
    name = (struct str){name.p + VERSION_DIGITS, name.n - VERSION_DIGITS};
    if (!is_log_file(name, &count, d->sum) || (version == d->before && !str_has_suffix(name, ".compacted.json")))
        return IG_OK;
    ++*count;
    vec_push(&d->names, arena_strndup(&d->arena, object->name.p, object->name.n));
    return IG_OK;
}

static enum ig_code remove_all(struct lake_table *t, const char *const *names, size_t n, struct error *err)
{
    for (size_t i = 0; i < n; i += BATCH)
        IG_TRY(store_remove_many(t->store, names + i, n - i < BATCH ? n - i : BATCH, err));
    return IG_OK;
}

static enum ig_code remove_before(struct lake_table *t, int64_t version, bool dry_run, struct lake_cleaned *out,
                                  struct error *err)
{
    struct doomed d = {.t = t, .before = version, .sum = out};
    struct buf prefix;
    enum ig_code rc;

    arena_init(&d.arena);
    buf_init(&prefix, 0);
    lake_add_log_name(&prefix, t->path, -1, "");
    rc = store_list(t->store, buf_cstr(&prefix), doom, &d, err);
    if (rc == IG_CANCELLED)
        rc = IG_OK;
    if (!rc && !dry_run)
        rc = remove_all(t, d.names.p, d.names.n, err);
    buf_release(&prefix);
    vec_free(&d.names);
    arena_release(&d.arena);
    return rc;
}

/* --- sidecars ---------------------------------------------------------------------------------------------- */

struct sidecars {
    int64_t young_ms; /* younger ones may be of a checkpoint that is being made */
    struct arena arena;
    VEC(const char *) old;  /* objects */
    VEC(const char *) used; /* their last parts */
};

static enum ig_code keep_old(void *ctx, const struct store_object *object, struct error *err)
{
    struct sidecars *s = ctx;

    (void)err;
    if (object->mtime_ms < s->young_ms && str_has_suffix(object->name, ".parquet"))
        vec_push(&s->old, arena_strndup(&s->arena, object->name.p, object->name.n));
    return IG_OK;
}

static void use_line(struct sidecars *s, struct str line)
{
    struct json_value v;
    struct buf path;

    if (!json_member(line, "sidecar", &v) || v.type != JSON_OBJECT)
        return;
    buf_init(&path, 0);
    if (json_member_string(v.raw, "path", &path)) {
        const char *slash = strrchr(buf_cstr(&path), '/');

        vec_push(&s->used, arena_strdup(&s->arena, slash ? slash + 1 : buf_cstr(&path)));
    }
    buf_release(&path);
}

static enum ig_code use_json(struct sidecars *s, struct store *st, const char *object, struct error *err)
{
    struct buf text;
    enum ig_code rc;

    buf_init(&text, LAKE_COMMIT_MAX_BYTES);
    rc = store_get(st, object, &text, err);
    for (const char *p = text.p, *end = text.p + text.n; !rc && p < end;) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        const char *stop = newline ? newline : end;

        use_line(s, (struct str){p, (size_t)(stop - p)});
        p = stop + 1;
    }
    buf_release(&text);
    return rc;
}

static enum ig_code has_sidecar_column(struct engine_conn *c, const char *sql, bool *out, struct error *err)
{
    struct engine_shape shape;
    struct buf name;
    enum ig_code rc = engine_describe(c, sql, &shape, err);

    *out = false;
    buf_init(&name, 0);
    for (size_t i = 0; !rc && i < shape.n_columns; i++) {
        buf_clear(&name);
        engine_shape_name(&shape, i, &name);
        *out = *out || strcmp(buf_cstr(&name), "sidecar") == 0;
    }
    engine_shape_free(&shape);
    buf_release(&name);
    return rc;
}

static enum ig_code use_parquet(struct sidecars *s, struct lake_table *t, const char *object, struct error *err)
{
    struct engine_rows rows = {0};
    struct buf path, sql;
    bool has = false;
    enum ig_code rc;

    if (!t->conn)
        return error_set(err, IG_INVALID, "there is no engine");
    buf_init(&path, 0);
    buf_init(&sql, 0);
    rc = store_local_path(t->store, object, &path, err);
    buf_puts(&sql, "SELECT * FROM read_parquet(");
    lake_add_path_literal(&sql, buf_str(&path));
    buf_putc(&sql, ')');
    if (!rc)
        rc = has_sidecar_column(t->conn, buf_cstr(&sql), &has, err);
    if (!rc && has) {
        buf_clear(&sql);
        buf_puts(&sql, "SELECT \"sidecar\".\"path\"::VARCHAR FROM read_parquet(");
        lake_add_path_literal(&sql, buf_str(&path));
        buf_puts(&sql, ") WHERE \"sidecar\".\"path\" IS NOT NULL");
        rc = engine_query(t->conn, buf_cstr(&sql), &rows, err);
        while (!rc && engine_next(&rows)) {
            const struct str name = engine_str(&rows, 0);
            const char *text = arena_strndup(&s->arena, name.p, name.n), *slash = strrchr(text, '/');

            vec_push(&s->used, slash ? slash + 1 : text);
        }
        engine_rows_free(&rows);
    }
    buf_release(&sql);
    buf_release(&path);
    return rc;
}

static bool is_used(const struct sidecars *s, const char *object)
{
    const char *name = strrchr(object, '/') + 1;

    for (size_t i = 0; i < s->used.n; i++)
        if (strcmp(s->used.p[i], name) == 0)
            return true;
    return false;
}

/* Those that no checkpoint names any more. If one of the checkpoints cannot be read, all stay. */
static enum ig_code remove_sidecars(struct lake_table *t, bool dry_run, struct lake_cleaned *out, struct error *err)
{
    struct sidecars s = {.young_ms = midnight(env_now_ms(t->store->env)) - DAY_MS};
    VEC(const char *) gone = {0};
    struct lake_log log = {0};
    struct buf prefix;
    enum ig_code rc;

    arena_init(&s.arena);
    buf_init(&prefix, 0);
    lake_add_log_name(&prefix, t->path, -1, "_sidecars/");
    rc = store_list(t->store, buf_cstr(&prefix), keep_old, &s, err);
    if (!rc && s.old.n)
        rc = lake_log_list(t->store, t->path, &log, err);
    for (size_t i = 0; !rc && s.old.n && i < log.checkpoints.n; i++) {
        const char *name = log.checkpoints.p[i].name;

        rc = str_has_suffix(str_of(name), ".json") ? use_json(&s, t->store, name, err) : use_parquet(&s, t, name, err);
    }
    for (size_t i = 0; !rc && i < s.old.n; i++)
        if (!is_used(&s, s.old.p[i]))
            vec_push(&gone, s.old.p[i]);
    out->sidecars = (int64_t)gone.n;
    if (!rc && !dry_run)
        rc = remove_all(t, gone.p, gone.n, err);
    lake_log_free(&log);
    vec_free(&gone);
    vec_free(&s.old);
    vec_free(&s.used);
    arena_release(&s.arena);
    buf_release(&prefix);
    return rc;
}

/* --- the whole of it --------------------------------------------------------------------------------------- */

static enum ig_code oldest_time(void *ctx, const struct store_object *object, struct error *err)
{
    struct str name = object->name;

    if (!str_has_suffix(name, ".json"))
        return IG_OK;
    *(int64_t *)ctx = object->mtime_ms;
    return error_set(err, IG_CANCELLED, "seen enough");
}

/* A look at the oldest commit tells most times that there is nothing to do. */
static enum ig_code is_due(struct lake_table *t, int64_t cut_off, bool *due, struct error *err)
{
    int64_t oldest_ms = INT64_MAX;
    struct buf prefix;
    enum ig_code rc;

    buf_init(&prefix, 0);
    lake_add_log_name(&prefix, t->path, -1, "0");
    rc = store_list(t->store, buf_cstr(&prefix), oldest_time, &oldest_ms, err);
    *due = oldest_ms <= cut_off;
    buf_release(&prefix);
    return rc == IG_CANCELLED ? IG_OK : rc;
}

static enum ig_code clean(struct lake_table *t, const struct lake_snapshot *s, bool dry_run, struct lake_cleaned *out,
                          struct error *err)
{
    const int64_t cut_off = cut_off_ms(s, env_now_ms(t->store->env));
    struct lake_log log = {0};
    bool due = false;
    enum ig_code rc = is_due(t, cut_off, &due, err);

    *out = (struct lake_cleaned){.retention_ms = lake_log_retention_ms(s), .newest_expired = -1};
    if (rc || !due)
        return rc;
    rc = lake_log_list(t->store, t->path, &log, err);
    if (!rc) {
        out->newest_expired = expired_commit(&log, cut_off);
        out->first_version = first_kept(t, &log, out->newest_expired);
    }
    lake_log_free(&log);
    if (!rc && out->first_version > 0)
        rc = remove_before(t, out->first_version, dry_run, out, err);
    if (!rc)
        rc = remove_sidecars(t, dry_run, out, err);
    return rc;
}

enum ig_code lake_clean_log(struct lake_table *t, bool dry_run, struct lake_cleaned *out, struct error *err)
{
    struct lake_snapshot *s = NULL;
    enum ig_code rc = lake_snapshot_latest(t, &s, err);

    if (!rc)
        rc = lake_check_cleanable(s, err);
    if (!rc)
        rc = clean(t, s, dry_run, out, err);
    lake_snapshot_free(s);
    if (rc)
        error_context(err, rc, "clean up the log of %s", *t->path ? t->path : t->store->url);
    return rc;
}

enum ig_code lake_clean_log_if_due(struct lake_table *t, const struct lake_snapshot *s, struct error *err)
{
    struct lake_cleaned sum;

    if (strcmp(lake_property(s, "delta.enableExpiredLogCleanup", "true"), "true") != 0)
        return IG_OK;
    return clean(t, s, false, &sum, err);
}
