/*
 * What happened when: the commits' own descriptions, newest first, and the version that was the newest at a time.
 */
#include "lake/lake_internal.h"
#include "lake/log/action.h"

#include <stdlib.h>

#define MS_IN_US 1000

static const char *name_of(const struct lake_table *t)
{
    return *t->path ? t->path : t->store->url;
}

static enum ig_code read_commit(struct store *st, const char *path, int64_t version, struct buf *text,
                                struct error *err)
{
    struct buf name;
    enum ig_code rc;

    buf_init(&name, 0);
    buf_clear(text);
    lake_add_log_name(&name, path, version, ".json");
    rc = store_get(st, buf_cstr(&name), text, err);
    if (!rc && text->n == 0)
        rc = error_set(err, IG_CORRUPT, "%s: the file is empty", buf_cstr(&name));
    if (!rc)
        rc = lake_seal_check(buf_str(text), err);
    buf_release(&name);
    return rc;
}

/* The commit's commitInfo: often the first line, anywhere else in those of old engines. {NULL, 0} if it has none. */
static enum ig_code find_commit_info(struct str text, int64_t version, struct str *out, struct error *err)
{
    const char *end = text.p + text.n;
    struct json_value v;
    size_t line = 0;

    *out = (struct str){0};
    for (const char *p = text.p; p < end;) {
        const char *newline = memchr(p, '\n', (size_t)(end - p)), *stop = newline ? newline : end;
        struct str action = {p, (size_t)(stop - p)};
        struct json_reader r;

        line++;
        p = stop + 1;
        if (!memmem(action.p, action.n, "\"commitInfo\"", strlen("\"commitInfo\"")))
            continue;
        json_reader_init(&r, action);
        if (!json_read(&r, &v) || !json_end(&r))
            return error_set(err, IG_CORRUPT, "version %lld, line %zu: no JSON: %s", (long long)version, line,
                             r.problem);
        if (json_member(action, "commitInfo", &v) && v.type == JSON_OBJECT) {
            *out = v.raw;
            return IG_OK;
        }
    }
    return IG_OK;
}

/* --- the version at a time --------------------------------------------------------------------------------- */

/* Where in-commit timestamps begin: version INT64_MAX if the table has none. */
struct in_commit {
    int64_t from_version, from_ms;
};

static struct in_commit in_commit_of(const struct lake_snapshot *s)
{
    struct in_commit c = {INT64_MAX, INT64_MAX};

    if (strcmp(lake_property(s, "delta.enableInCommitTimestamps", "false"), "true") != 0)
        return c;
    if (!str_to_int64(str_of(lake_property(s, "delta.inCommitTimestampEnablementVersion", "")), 0, INT64_MAX,
                      &c.from_version) ||
        !str_to_int64(str_of(lake_property(s, "delta.inCommitTimestampEnablementTimestamp", "")), 0, INT64_MAX,
                      &c.from_ms))
        c = (struct in_commit){0, INT64_MIN}; /* since the table was made */
    return c;
}

enum ig_code lake_in_commit_time(struct store *st, const char *path, int64_t version, int64_t *ms, struct error *err)
{
    struct str info = {0};
    struct buf text;
    enum ig_code rc;

    buf_init(&text, LAKE_COMMIT_MAX_BYTES);
    rc = read_commit(st, path, version, &text, err);
    if (!rc)
        rc = find_commit_info(buf_str(&text), version, &info, err);
    if (!rc && !json_member_int64(info, "inCommitTimestamp", ms))
        rc = error_set(err, IG_CORRUPT, "version %lld has no in-commit timestamp, which the table asks for",
                       (long long)version);
    buf_release(&text);
    return rc;
}

struct timeline {
    struct lake_table *t;
    const struct lake_log *log;
    int64_t *file_times;
    struct in_commit in_commit;
    enum lake_bound bound;
};

static enum ig_code time_of(const struct timeline *l, size_t commit, int64_t *ms, struct error *err)
{
    const int64_t version = l->log->commits.p[commit].version;

    if (version >= l->in_commit.from_version)
        return lake_in_commit_time(l->t->store, l->t->path, version, ms, err);
    *ms = l->file_times[commit];
    return IG_OK;
}

static enum ig_code no_version_at(const struct timeline *l, int64_t time_ms, size_t commit, int64_t commit_ms,
                                  const char *relation, struct error *err)
{
    char asked[40], has[40];

    return error_set(err, IG_NOT_FOUND, "the time %s is %s version, %lld of %s",
                     timestamp_format(time_ms * MS_IN_US, asked), relation,
                     (long long)l->log->commits.p[commit].version, timestamp_format(commit_ms * MS_IN_US, has));
}

/* The last commit of [low, high) whose time is not behind time_ms; the first one's is not. */
static enum ig_code search(const struct timeline *l, size_t low, size_t high, int64_t time_ms, int64_t *version,
                           struct error *err)
{
    int64_t low_ms, high_ms = INT64_MAX, ms;

    IG_TRY(time_of(l, low, &low_ms, err));
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;

        IG_TRY(time_of(l, middle, &ms, err));
        if (ms < low_ms || ms > high_ms)
            return error_set(err, IG_CORRUPT, "the time of version %lld is not between those of the versions around it",
                             (long long)l->log->commits.p[middle].version);
        if (ms <= time_ms) {
            low = middle;
            low_ms = ms;
        } else {
            high = middle;
            high_ms = ms;
        }
    }
    *version = l->log->commits.p[low].version + (l->bound == LAKE_SINCE && low_ms < time_ms);
    return IG_OK;
}

static enum ig_code find_version(const struct timeline *l, int64_t time_ms, int64_t *version, struct error *err)
{
    const size_t n = l->log->commits.n;
    const int64_t readable = lake_log_first_readable(l->log);
    size_t first = 0, in_commit = 0;
    int64_t ms;

    while (first < n && l->log->commits.p[first].version < readable)
        first++;
    if (readable < 0 || first == n)
        return error_set(err, IG_NOT_FOUND, "no commit is there that tells a time");
    IG_TRY(time_of(l, first, &ms, err));
    if (time_ms < ms && l->bound == LAKE_SINCE) {
        *version = l->log->commits.p[first].version;
        return IG_OK;
    }
    if (time_ms < ms)
        return no_version_at(l, time_ms, first, ms, "before the first", err);
    IG_TRY(time_of(l, n - 1, &ms, err));
    if (time_ms > ms && l->bound == LAKE_UNTIL) {
        *version = l->log->commits.p[n - 1].version;
        return IG_OK;
    }
    if (time_ms > ms)
        return no_version_at(l, time_ms, n - 1, ms, "after the newest", err);
    /* Files' times and in-commit ones need not fit together: the enablement's time says which of them hold. */
    while (in_commit < n && l->log->commits.p[in_commit].version < l->in_commit.from_version)
        in_commit++;
    if (in_commit <= first)
        return search(l, first, n, time_ms, version, err);
    if (in_commit < n && time_ms >= l->in_commit.from_ms)
        return search(l, in_commit, n, time_ms, version, err);
    return search(l, first, in_commit, time_ms, version, err);
}

enum ig_code lake_version_bound(struct lake_table *t, int64_t time_ms, enum lake_bound bound, int64_t *version,
                                struct error *err)
{
    struct lake_snapshot *s = NULL;
    struct lake_log log = {0};
    struct timeline l = {.t = t, .log = &log, .bound = bound};
    enum ig_code rc;

    IG_TRY(lake_snapshot_latest(t, &s, err));
    rc = lake_log_list(t->store, t->path, &log, err);
    if (!rc) {
        l.in_commit = in_commit_of(s);
        l.file_times = lake_log_times(&log);
        rc = find_version(&l, time_ms, version, err);
    }
    free(l.file_times);
    lake_log_free(&log);
    lake_snapshot_free(s);
    return rc ? error_context(err, rc, "table %s", name_of(t)) : IG_OK;
}

enum ig_code lake_version_at(struct lake_table *t, int64_t time_ms, int64_t *version, struct error *err)
{
    return lake_version_bound(t, time_ms, LAKE_AT, version, err);
}

/* --- the history ------------------------------------------------------------------------------------------- */

static struct str object_member(struct str object, const char *name)
{
    struct json_value v;

    return json_member(object, name, &v) && v.type == JSON_OBJECT ? v.raw : (struct str){0};
}

static void describe(struct arena *a, struct str info, struct lake_history_entry *e)
{
    struct json_value v;

    e->commit_info = info;
    e->read_version = e->blind_append = -1;
    if (!info.p)
        return;
    e->operation = json_member_text(a, info, "operation");
    e->engine_info = json_member_text(a, info, "engineInfo");
    if (!e->engine_info) /* as delta-rs wrote it once */
        e->engine_info = json_member_text(a, info, "clientVersion");
    e->user_name = json_member_text(a, info, "userName");
    e->user_id = json_member_text(a, info, "userId");
    e->user_metadata = json_member_text(a, info, "userMetadata");
    e->isolation_level = json_member_text(a, info, "isolationLevel");
    e->txn_id = json_member_text(a, info, "txnId");
    e->parameters = object_member(info, "operationParameters");
    e->metrics = object_member(info, "operationMetrics");
    (void)!json_member_int64(info, "readVersion", &e->read_version);
    if (json_member(info, "isBlindAppend", &v) && (v.type == JSON_TRUE || v.type == JSON_FALSE))
        e->blind_append = v.type == JSON_TRUE;
}

static enum ig_code tell(struct lake_table *t, const struct lake_log_commit *commit, int64_t file_ms, struct buf *text,
                         lake_history_fn *each, void *ctx, struct error *err)
{
    struct lake_history_entry e = {.version = commit->version, .time_ms = file_ms};
    struct str info = {0};
    struct arena arena;
    enum ig_code rc;
    int64_t ms;

    arena_init(&arena);
    rc = read_commit(t->store, t->path, commit->version, text, err);
    if (!rc)
        rc = find_commit_info(buf_str(text), commit->version, &info, err);
    if (!rc) {
        describe(&arena, info, &e);
        if (json_member_int64(info, "inCommitTimestamp", &ms))
            e.time_ms = ms;
        rc = each(ctx, &e, err);
    }
    arena_release(&arena);
    return rc;
}

enum ig_code lake_history(struct lake_table *t, int64_t limit, lake_history_fn *each, void *ctx, struct error *err)
{
    struct lake_log log = {0};
    int64_t *times = NULL;
    struct buf text;
    enum ig_code rc = lake_log_list(t->store, t->path, &log, err);

    buf_init(&text, LAKE_COMMIT_MAX_BYTES);
    if (!rc && lake_log_latest(&log) < 0)
        rc = error_set(err, IG_NOT_FOUND, "there is no table");
    if (!rc)
        times = lake_log_times(&log);
    for (size_t i = log.commits.n; !rc && i-- > 0 && (limit <= 0 || (int64_t)(log.commits.n - i) <= limit);)
        rc = tell(t, &log.commits.p[i], times[i], &text, each, ctx, err);
    free(times);
    buf_release(&text);
    lake_log_free(&log);
    return rc ? error_context(err, rc, "table %s", name_of(t)) : IG_OK;
}
