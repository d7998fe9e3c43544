/*
 * Snapshots: opened from the newest usable checkpoint and the commits behind it, or from the one that the table has
 * cached; and what can be asked of them.
 */
#include "lake/log/load.h"
#include "lake/read/dv.h"

#include <stdlib.h>
#include <strings.h>

/* A cached snapshot that was extended more often than this is read anew, which drops what is no longer needed. */
#define EXTENSIONS_MAX 200
#define OPEN_TRIES 3

/* --- life -------------------------------------------------------------------------------------------------- */

struct lake_snapshot *lake_snapshot_new(struct store *st, const char *table_path)
{
    struct lake_snapshot *s = check_calloc(1, sizeof(*s));

    atomic_init(&s->refs, 1);
    s->store = st;
    s->table_path = check_strdup(table_path);
    s->version = -1;
    s->in_commit_ms = -1;
    s->log_mtime_ms = -1;
    return s;
}

struct lake_snapshot *lake_snapshot_ref(struct lake_snapshot *s)
{
    atomic_fetch_add(&s->refs, 1);
    return s;
}

static void chunk_free(struct lake_chunk *chunk)
{
    if (atomic_fetch_sub(&chunk->refs, 1) != 1)
        return;
    arena_release(&chunk->arena);
    free(chunk);
}

void lake_snapshot_clear(struct lake_snapshot *s)
{
    for (size_t i = 0; i < s->chunks.n; i++)
        chunk_free(s->chunks.p[i]);
    vec_free(&s->chunks);
    vec_free(&s->entries);
    vec_free(&s->txns);
    vec_free(&s->domains);
    free(s->slots);
    s->slots = NULL;
    s->n_slots = s->n_live = 0;
    s->arena = NULL;
    s->metadata = (struct lake_metadata){0};
    s->protocol = (struct lake_protocol){0};
}

void lake_snapshot_free(struct lake_snapshot *s)
{
    if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
        return;
    lake_snapshot_clear(s);
    free(s->table_path);
    free(s);
}

struct lake_chunk *lake_chunk_new(struct lake_snapshot *s)
{
    struct lake_chunk *chunk = check_calloc(1, sizeof(*chunk));

    atomic_init(&chunk->refs, 1);
    arena_init(&chunk->arena);
    vec_push(&s->chunks, chunk);
    return chunk;
}

#define COPY_VEC(to, from)                                                         \
    do {                                                                           \
        (to)->n = (to)->cap = (from)->n;                                           \
        (to)->p = (from)->n ? check_malloc((from)->n * sizeof(*(from)->p)) : NULL; \
        if ((from)->n)                                                             \
            memcpy((to)->p, (from)->p, (from)->n * sizeof(*(from)->p));            \
    } while (0)

struct lake_snapshot *lake_snapshot_copy(const struct lake_snapshot *s)
{
    struct lake_snapshot *copy = lake_snapshot_new(s->store, s->table_path);

    copy->version = s->version;
    copy->commit_time_ms = s->commit_time_ms;
    copy->in_commit_ms = s->in_commit_ms;
    copy->log_mtime_ms = s->log_mtime_ms;
    copy->log_size_bytes = s->log_size_bytes;
    COPY_VEC(&copy->chunks, &s->chunks);
    for (size_t i = 0; i < copy->chunks.n; i++)
        atomic_fetch_add(&copy->chunks.p[i]->refs, 1);
    COPY_VEC(&copy->entries, &s->entries);
    COPY_VEC(&copy->txns, &s->txns);
    COPY_VEC(&copy->domains, &s->domains);
    copy->n_slots = s->n_slots;
    copy->slots = check_calloc(s->n_slots ? s->n_slots : 1, sizeof(*s->slots));
    if (s->n_slots)
        memcpy(copy->slots, s->slots, s->n_slots * sizeof(*s->slots));
    copy->n_live = s->n_live;
    copy->metadata = s->metadata;
    copy->protocol = s->protocol;
    return copy;
}

/* --- opening ----------------------------------------------------------------------------------------------- */

static bool commits_are_there(const struct lake_log *log, int64_t from, int64_t to)
{
    for (int64_t version = from; version <= to; version++)
        if (!lake_log_commit_of(log, version))
            return false;
    return true;
}

/* The time of the newest commit, if it was not among those that were read. */
static enum ig_code find_time(struct lake_snapshot *s, struct error *err)
{
    const bool in_commit = strcmp(lake_property(s, "delta.enableInCommitTimestamps", "false"), "true") == 0;

    if (in_commit && s->in_commit_ms < 0 && s->log_mtime_ms >= 0) {
        const enum ig_code rc = lake_in_commit_time(s->store, s->table_path, s->version, &s->in_commit_ms, err);

        if (rc == IG_NOT_FOUND) /* it was in the list a moment ago */
            return error_context(err, IG_CORRUPT, "the file is gone");
        if (rc && rc != IG_CORRUPT) /* one without it: its rows are not in doubt */
            return rc;
    }
    if (in_commit && s->in_commit_ms >= 0)
        s->commit_time_ms = s->in_commit_ms;
    return IG_OK;
}

static enum ig_code finish(struct lake_snapshot *s, const struct lake_log *log, struct error *err)
{
    const struct lake_log_commit *commit = lake_log_commit_of(log, s->version);

    IG_TRY(lake_replay_finish(s, err));
    IG_TRY(find_time(s, err));
    return commit && commit->has_checksum ? lake_verify_checksum(s, err) : IG_OK;
}

struct opening {
    struct lake_table *t;
    const struct lake_log *log;
    int64_t version;
    size_t checkpoint; /* that it begins with, log->checkpoints.n: none */
    bool compacted;    /* compaction files may be used */
};

static bool is_part_of_whole(const struct lake_log *log, size_t i)
{
    const int64_t behind = log->checkpoints.p[i].part - 1;

    return behind <= (int64_t)i && lake_log_checkpoint_is_whole(log, i - (size_t)behind);
}

/* Version 0 is gone, and no checkpoint leads to the version: the log was cleaned up to a later one, or has a gap. */
static enum ig_code no_beginning(const struct opening *o, struct error *err)
{
    const int64_t first = lake_log_first_readable(o->log);
    int64_t version = o->version;

    if (first > o->version)
        return error_set(err, IG_NOT_FOUND, "version %lld is not there any more: the log begins at %lld",
                         (long long)o->version, (long long)first);
    for (size_t i = 0; i < o->log->checkpoints.n; i++) {
        const struct lake_log_checkpoint *c = &o->log->checkpoints.p[i];

        if (c->version <= o->version && c->n_parts > 1 && !is_part_of_whole(o->log, i))
            return error_set(err, IG_CORRUPT,
                             "a part of %lld is missing of the checkpoint of version %lld, and older versions are gone",
                             (long long)c->n_parts, (long long)c->version);
    }
    if (o->log->empty_checkpoint)
        return error_set(err, IG_CORRUPT, "the checkpoint %s is empty, and older versions are gone",
                         o->log->empty_checkpoint);
    while (version > 0 && lake_log_commit_of(o->log, version))
        version--;
    return error_set(err, IG_CORRUPT, "version %lld is missing in %s/" LAKE_LOG_DIR ", and no checkpoint has it",
                     (long long)version, *o->t->path ? o->t->path : o->t->store->url);
}

static enum ig_code load(const struct opening *o, struct lake_snapshot *s, struct error *err)
{
    int64_t from = 0;

    if (o->checkpoint < o->log->checkpoints.n) {
        const struct lake_log_checkpoint *checkpoint = &o->log->checkpoints.p[o->checkpoint];
        const struct lake_log_commit *commit = lake_log_commit_of(o->log, checkpoint->version);

        IG_TRY(lake_checkpoint_read(s, o->t->conn, o->log, o->checkpoint, err));
        s->version = checkpoint->version;
        s->commit_time_ms = commit ? commit->mtime_ms : 0;
        s->log_mtime_ms = commit ? commit->mtime_ms : -1;
        s->log_size_bytes = commit ? commit->size_bytes : 0;
        from = checkpoint->version + 1;
    } else if (!lake_log_commit_of(o->log, 0)) {
        return no_beginning(o, err);
    }
    IG_TRY(lake_load_commits(s, o->log, from, o->version, o->compacted, err));
    return finish(s, o->log, err);
}

static enum ig_code try_load(const struct opening *o, struct lake_snapshot **out, struct error *err)
{
    struct lake_snapshot *s = lake_snapshot_new(o->t->store, o->t->path);
    const enum ig_code rc = load(o, s, err);

    if (rc)
        lake_snapshot_free(s);
    else
        *out = s;
    return rc;
}

enum ig_code lake_snapshot_build(struct lake_table *t, const struct lake_log *log, size_t checkpoint, int64_t version,
                                 struct lake_snapshot **out, struct error *err)
{
    const struct opening o = {.t = t, .log = log, .version = version, .checkpoint = checkpoint};

    return try_load(&o, out, err);
}

/* From the newest checkpoint that can be read, down to the first commit. What is broken is got around if the rest of
 * the log says all that it said; else the newest checkpoint's error is the answer. */
static enum ig_code build(struct lake_table *t, const struct lake_log *log, int64_t version, struct lake_snapshot **out,
                          struct error *err)
{
    struct opening o = {.t = t, .log = log, .version = version};
    struct error first = {0}, later = {0};
    enum ig_code rc = IG_CORRUPT;

    for (size_t i = log->checkpoints.n + 1; i-- > 0 && rc == IG_CORRUPT;) {
        const bool whole_log = i == 0;

        o.checkpoint = whole_log ? log->checkpoints.n : i - 1;
        if (!whole_log) {
            const struct lake_log_checkpoint *c = &log->checkpoints.p[o.checkpoint];

            if (c->version > version || !lake_log_checkpoint_is_whole(log, o.checkpoint) ||
                !commits_are_there(log, c->version + 1, version))
                continue;
        } else if (first.code && !commits_are_there(log, 0, version)) {
            break;
        }
        for (int compacted = log->compacted.n > 0; compacted >= 0 && rc == IG_CORRUPT; compacted--) {
            o.compacted = compacted;
            rc = try_load(&o, out, first.code ? &later : &first);
        }
    }
    return rc ? error_set(err, rc == IG_CORRUPT || !later.code ? first.code : rc, "%s",
                          rc == IG_CORRUPT || !later.code ? first.msg : later.msg)
              : IG_OK;
}

/* Goes on from the cached snapshot if its last commit is still the file that was read. */
static enum ig_code extend(const struct lake_snapshot *cached, const struct lake_log *log, int64_t version,
                           struct lake_snapshot **out, struct error *err)
{
    struct lake_snapshot *s = lake_snapshot_copy(cached);
    enum ig_code rc;

    s->n_extensions = cached->n_extensions + 1;
    rc = lake_load_commits(s, log, cached->version + 1, version, false, err);
    if (!rc)
        rc = finish(s, log, err);
    if (rc)
        lake_snapshot_free(s);
    else
        *out = s;
    return rc;
}

static bool cache_is_usable(const struct lake_snapshot *cached, const struct lake_log *log, int64_t version)
{
    const struct lake_log_commit *commit;

    if (!cached || cached->version > version || cached->n_extensions >= EXTENSIONS_MAX)
        return false;
    commit = lake_log_commit_of(log, cached->version);
    return commit && commit->mtime_ms == cached->log_mtime_ms && commit->size_bytes == cached->log_size_bytes &&
           commits_are_there(log, cached->version + 1, version);
}

/* --- which part of the log has to be listed ---------------------------------------------------------------- */

/* The version that _last_checkpoint names, -1 if there is none or it can not be read: it is a hint and no more. */
static int64_t hinted_version(struct lake_table *t)
{
    int64_t version = -1;
    struct buf name, text;

    buf_init(&name, 0);
    buf_init(&text, (size_t)1 << 20);
    lake_add_log_name(&name, t->path, -1, "_last_checkpoint");
    if (store_get(t->store, buf_cstr(&name), &text, NULL) != IG_OK ||
        !json_member_int64(buf_str(&text), "version", &version) || version < 0)
        version = -1;
    buf_release(&text);
    buf_release(&name);
    return version;
}

static bool has_whole_checkpoint(const struct lake_log *log)
{
    for (size_t i = 0; i < log->checkpoints.n; i++)
        if (lake_log_checkpoint_is_whole(log, i))
            return true;
    return false;
}

/* The newest version, from a log that is listed from the cached snapshot's version or the newest checkpoint on. *done
 * is false if that was not enough. */
static enum ig_code open_newest(struct lake_table *t, struct lake_snapshot **out, bool *done, struct error *err)
{
    const bool cached = t->cached && t->cached->n_extensions < EXTENSIONS_MAX;
    const int64_t from = cached ? t->cached->version : hinted_version(t);
    struct lake_log log = {0};
    enum ig_code rc = IG_OK;

    *done = false;
    if (from <= 0)
        return IG_OK;
    rc = lake_log_list_from(t->store, t->path, from, &log, err);
    if (!rc && cached && cache_is_usable(t->cached, &log, lake_log_latest(&log))) {
        *done = true;
        if (t->cached->version == lake_log_latest(&log))
            *out = lake_snapshot_ref(t->cached);
        else
            rc = extend(t->cached, &log, lake_log_latest(&log), out, err);
    } else if (!rc && !cached && has_whole_checkpoint(&log)) {
        rc = build(t, &log, lake_log_latest(&log), out, err);
        *done = rc != IG_CORRUPT && rc != IG_NOT_FOUND;
        rc = *done ? rc : IG_OK;
    }
    lake_log_free(&log);
    return rc;
}

static enum ig_code open_version(struct lake_table *t, int64_t version, struct lake_snapshot **out, struct error *err)
{
    struct lake_log log = {0};
    enum ig_code rc = lake_log_list(t->store, t->path, &log, err);
    const int64_t latest = rc ? -1 : lake_log_latest(&log);

    if (!rc && latest < 0)
        rc = error_set(err, IG_NOT_FOUND, "there is no table");
    else if (!rc && version > latest)
        rc = error_set(err, IG_NOT_FOUND, "version %lld is not there: the newest is %lld", (long long)version,
                       (long long)latest);
    version = version < 0 ? latest : version;
    if (rc)
        goto out;
    if (!cache_is_usable(t->cached, &log, version))
        rc = build(t, &log, version, out, err);
    else if (t->cached->version == version)
        *out = lake_snapshot_ref(t->cached);
    else
        rc = extend(t->cached, &log, version, out, err);
out:
    lake_log_free(&log);
    return rc;
}

static enum ig_code open_once(struct lake_table *t, int64_t version, struct lake_snapshot **out, struct error *err)
{
    enum ig_code rc = IG_OK;
    bool done = false;

    if (version == LAKE_LATEST)
        rc = open_newest(t, out, &done, err);
    return rc || done ? rc : open_version(t, version, out, err);
}

enum ig_code lake_snapshot_open(struct lake_table *t, int64_t version, struct lake_snapshot **out, struct error *err)
{
    enum ig_code rc = IG_CORRUPT;

    *out = NULL;
    /* What was listed may be cleaned up before it is read: the log as it is then has another way to the version. */
    for (int tries = 0; tries < OPEN_TRIES && rc == IG_CORRUPT; tries++)
        rc = open_once(t, version, out, err);
    if (!rc)
        (*out)->opened_ms = env_monotonic_ms(t->store->env);
    if (!rc && version == LAKE_LATEST && *out != t->cached) {
        lake_snapshot_free(t->cached);
        t->cached = lake_snapshot_ref(*out);
    }
    if (rc)
        error_context(err, rc, "table %s", *t->path ? t->path : t->store->url);
    return rc;
}

enum ig_code lake_snapshot_latest(struct lake_table *t, struct lake_snapshot **out, struct error *err)
{
    return lake_snapshot_open(t, LAKE_LATEST, out, err);
}

/* --- what can be asked ------------------------------------------------------------------------------------- */

int64_t lake_version(const struct lake_snapshot *s)
{
    return s->version;
}

int64_t lake_commit_time_ms(const struct lake_snapshot *s)
{
    return s->commit_time_ms;
}

size_t lake_file_count(const struct lake_snapshot *s)
{
    return s->n_live;
}

int64_t lake_size_bytes(const struct lake_snapshot *s)
{
    int64_t sum = 0;

    for (size_t i = 0; i < s->entries.n; i++)
        sum += s->entries.p[i].live ? s->entries.p[i].size_bytes : 0;
    return sum;
}

int64_t lake_row_count(const struct lake_snapshot *s)
{
    int64_t sum = 0;

    for (size_t i = 0; i < s->entries.n; i++) {
        const int64_t rows = s->entries.p[i].live ? lake_entry_rows(&s->entries.p[i]) : 0;

        if (rows < 0)
            return -1;
        sum += rows;
    }
    return sum;
}

size_t lake_partition_columns(const struct lake_snapshot *s)
{
    return s->metadata.n_partition_columns;
}

const char *lake_partition_column(const struct lake_snapshot *s, size_t i)
{
    return s->metadata.partition_columns[i];
}

int64_t lake_txn_version(const struct lake_snapshot *s, const char *app_id)
{
    for (size_t i = 0; i < s->txns.n; i++)
        if (str_is(s->txns.p[i].app_id, app_id))
            return s->txns.p[i].version;
    return -1;
}

const struct lake_domain *lake_domain_find(const struct lake_snapshot *s, struct str name)
{
    for (size_t i = 0; i < s->domains.n; i++)
        if (!s->domains.p[i].removed && str_eq(s->domains.p[i].name, name))
            return &s->domains.p[i];
    return NULL;
}

const char *lake_property(const struct lake_snapshot *s, const char *key, const char *otherwise)
{
    for (size_t i = 0; i < s->metadata.n_properties; i++)
        if (strcasecmp(s->metadata.properties[i].key, key) == 0)
            return s->metadata.properties[i].value;
    return otherwise;
}

void lake_file_add_stats(const struct lake_file *f, struct buf *out)
{
    lake_entry_add_stats(f->entry, out);
}

void lake_entry_describe(const struct lake_entry *e, struct lake_file *f)
{
    *f = (struct lake_file){
        .name = e->path,
        .size_bytes = e->size_bytes,
        .rows = lake_entry_rows(e),
        .modified_ms = lake_entry_modified_ms(e),
        .deleted_rows = lake_entry_deleted_rows(e),
        .has_deletion_vector = lake_entry_dv(e).n != 0,
        .entry = e,
        .partition_values = lake_entry_values(e),
    };
}

enum ig_code lake_files(const struct lake_snapshot *s, lake_file_fn *each, void *ctx, struct error *err)
{
    for (size_t i = 0; i < s->entries.n; i++) {
        struct lake_file f;

        if (!s->entries.p[i].live)
            continue;
        lake_entry_describe(&s->entries.p[i], &f);
        IG_TRY(each(ctx, &f, err));
    }
    return IG_OK;
}

/* --- partitions -------------------------------------------------------------------------------------------- */

/* The digits of a decimal without sign, leading zeros, and zeros at the end of its fraction. */
static struct str plain_decimal(const char *text, bool *negative)
{
    struct str s = str_of(text);

    *negative = s.n > 0 && s.p[0] == '-';
    while (s.n > 0 && (s.p[0] == '-' || s.p[0] == '+' || s.p[0] == '0')) {
        s.p++;
        s.n--;
    }
    if (s.n > 0 && memchr(s.p, '.', s.n))
        while (s.p[s.n - 1] == '0')
            s.n--;
    if (s.n > 0 && s.p[s.n - 1] == '.')
        s.n--;
    *negative = *negative && s.n > 0;
    return s;
}

static bool decimal_eq(const char *a, const char *b)
{
    bool a_negative, b_negative;

    return str_eq(plain_decimal(a, &a_negative), plain_decimal(b, &b_negative)) && a_negative == b_negative;
}

/* Writers spell one value in several ways: 1.0 and 1, a space and a T in a time. */
bool lake_value_eq(const struct schema_type *type, const char *a, const char *b)
{
    int32_t day, other_day;
    int64_t x, y;
    double d, e;

    if (!a || !b || strcmp(a, b) == 0)
        return a == b || (a && b);
    switch (type->kind) {
    case SCHEMA_BYTE:
    case SCHEMA_SHORT:
    case SCHEMA_INTEGER:
    case SCHEMA_LONG:
        return str_to_int64(str_of(a), INT64_MIN, INT64_MAX, &x) && str_to_int64(str_of(b), INT64_MIN, INT64_MAX, &y) &&
               x == y;
    case SCHEMA_DECIMAL:
        return decimal_eq(a, b);
    case SCHEMA_DATE:
        return date_parse(str_of(a), &day) && date_parse(str_of(b), &other_day) && day == other_day;
    case SCHEMA_TIMESTAMP:
    case SCHEMA_TIMESTAMP_NTZ:
        return timestamp_parse(str_of(a), &x) && timestamp_parse(str_of(b), &y) && x == y;
    case SCHEMA_FLOAT:
    case SCHEMA_DOUBLE:
        return str_to_double(str_of(a), &d) && str_to_double(str_of(b), &e) && !(d < e) && !(d > e);
    case SCHEMA_BOOLEAN:
        return strcasecmp(a, b) == 0;
    default:
        return false;
    }
}

bool lake_entry_matches(const struct lake_snapshot *s, const struct lake_entry *e, const struct lake_partition *only,
                        size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < s->metadata.n_partition_columns; k++)
            if (strcasecmp(only[i].column, s->metadata.partition_columns[k]) == 0 &&
                !lake_value_eq(s->metadata.partition_fields[k]->type, only[i].value, e->values->list[k]))
                return false;
    return true;
}

enum ig_code lake_check_partitions(const struct lake_snapshot *s, const struct lake_partition *only, size_t n,
                                   struct error *err)
{
    for (size_t i = 0; i < n; i++) {
        bool found = false;

        for (size_t k = 0; k < s->metadata.n_partition_columns && !found; k++)
            found = strcasecmp(only[i].column, s->metadata.partition_columns[k]) == 0;
        if (!found)
            return error_set(err, IG_INVALID, "%s is no partition column of table %s", only[i].column,
                             *s->table_path ? s->table_path : s->store->url);
    }
    return IG_OK;
}

/* --- tables ------------------------------------------------------------------------------------------------ */

enum ig_code lake_open(struct store *st, struct engine_conn *c, const char *path, struct lake_table **out,
                       struct error *err)
{
    struct lake_table *t;

    if (*path && !store_name_ok(path))
        return error_set(err, IG_INVALID, "\"%s\" is not a table's folder", path);
    if (c)
        IG_TRY(lake_dv_register(c, err));
    t = check_calloc(1, sizeof(*t));
    t->store = st;
    t->conn = c;
    t->path = check_strdup(path);
    *out = t;
    return IG_OK;
}

void lake_close(struct lake_table *t)
{
    if (!t)
        return;
    lake_snapshot_free(t->cached);
    free(t->path);
    free(t);
}
