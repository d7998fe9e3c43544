/*
 * Snapshots: opened from the newest usable checkpoint and the commits behind it, or from the one that the table has
 * cached; and what can be asked of them.
 */
#include "lake/dv.h"
#include "lake/lake_internal.h"

#include <stdlib.h>
#include <strings.h>

/* A cached snapshot that was extended more often than this is read anew, which drops what is no longer needed. */
#define EXTENSIONS_MAX 200

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

void lake_snapshot_free(struct lake_snapshot *s)
{
    if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
        return;
    for (size_t i = 0; i < s->chunks.n; i++)
        chunk_free(s->chunks.p[i]);
    vec_free(&s->chunks);
    vec_free(&s->entries);
    vec_free(&s->txns);
    vec_free(&s->domains);
    free(s->slots);
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

static enum ig_code apply_commit(struct lake_snapshot *s, struct lake_chunk *chunk,
                                 const struct lake_log_commit *commit, struct buf *text, struct error *err)
{
    struct buf name;
    enum ig_code rc;

    buf_init(&name, 0);
    buf_clear(text);
    lake_add_log_name(&name, s->table_path, commit->version, ".json");
    s->commit_time_ms = commit->mtime_ms;
    rc = store_get(s->store, buf_cstr(&name), text, err);
    if (!rc && text->n == 0)
        rc = error_set(err, IG_CORRUPT, "the file is empty");
    if (!rc)
        rc = lake_replay_text(s, chunk, arena_str(&chunk->arena, buf_str(text)), commit->version, err);
    if (!rc) {
        s->version = commit->version;
        s->log_mtime_ms = commit->mtime_ms;
        s->log_size_bytes = commit->size_bytes;
    }
    if (rc)
        error_context(err, rc, "%s", buf_cstr(&name));
    buf_release(&name);
    return rc;
}

/* Commits from `from` to `to`, all of which must be there. */
static enum ig_code apply_commits(struct lake_snapshot *s, const struct lake_log *log, int64_t from, int64_t to,
                                  struct error *err)
{
    struct lake_chunk *chunk = lake_chunk_new(s);
    enum ig_code rc = IG_OK;
    struct buf text;

    buf_init(&text, LAKE_COMMIT_MAX_BYTES);
    for (int64_t version = from; version <= to && !rc; version++) {
        const struct lake_log_commit *commit = lake_log_commit_of(log, version);

        if (commit)
            rc = apply_commit(s, chunk, commit, &text, err);
        else
            rc = error_set(err, IG_CORRUPT, "version %lld is missing in %s/" LAKE_LOG_DIR, (long long)version,
                           *s->table_path ? s->table_path : s->store->url);
    }
    buf_release(&text);
    return rc;
}

static bool commits_are_there(const struct lake_log *log, int64_t from, int64_t to)
{
    for (int64_t version = from; version <= to; version++)
        if (!lake_log_commit_of(log, version))
            return false;
    return true;
}

static enum ig_code from_checkpoint(struct lake_snapshot *s, struct engine_conn *c, const struct lake_log *log,
                                    size_t i, int64_t version, struct error *err)
{
    const struct lake_log_checkpoint *checkpoint = &log->checkpoints.p[i];
    const struct lake_log_commit *commit = lake_log_commit_of(log, checkpoint->version);

    IG_TRY(lake_checkpoint_read(s, c, log, i, err));
    s->version = checkpoint->version;
    s->commit_time_ms = commit ? commit->mtime_ms : 0;
    s->log_mtime_ms = commit ? commit->mtime_ms : -1;
    s->log_size_bytes = commit ? commit->size_bytes : 0;
    IG_TRY(apply_commits(s, log, checkpoint->version + 1, version, err));
    return lake_replay_finish(s, err);
}

static enum ig_code from_beginning(struct lake_snapshot *s, const struct lake_log *log, int64_t version,
                                   struct error *err)
{
    if (!lake_log_commit_of(log, 0)) {
        const int64_t first = log->commits.n ? log->commits.p[0].version : -1;

        return error_set(err, IG_NOT_FOUND, "version %lld is not there any more: the log begins at %lld",
                         (long long)version, (long long)first);
    }
    IG_TRY(apply_commits(s, log, 0, version, err));
    return lake_replay_finish(s, err);
}

/* From the newest checkpoint that can be read, down to the first commit. */
static enum ig_code build(struct lake_table *t, const struct lake_log *log, int64_t version, struct lake_snapshot **out,
                          struct error *err)
{
    struct lake_snapshot *s = NULL;
    struct error broken = {0};
    enum ig_code rc = IG_CORRUPT;

    for (size_t i = log->checkpoints.n; i-- > 0 && rc == IG_CORRUPT;) {
        const struct lake_log_checkpoint *c = &log->checkpoints.p[i];

        if (c->version > version || !lake_log_checkpoint_is_whole(log, i) ||
            !commits_are_there(log, c->version + 1, version))
            continue;
        lake_snapshot_free(s);
        s = lake_snapshot_new(t->store, t->path);
        rc = from_checkpoint(s, t->conn, log, i, version, &broken);
    }
    if (rc == IG_CORRUPT) {
        struct error none = {0};

        lake_snapshot_free(s);
        s = lake_snapshot_new(t->store, t->path);
        rc = from_beginning(s, log, version, &none);
        /* The broken checkpoint is the cause, if there was one and the commits before it are gone. */
        if (rc && broken.code && rc == IG_NOT_FOUND)
            rc = IG_CORRUPT;
        else
            broken = none;
    }
    if (rc) {
        lake_snapshot_free(s);
        return error_set(err, rc, "%s", broken.msg);
    }
    *out = s;
    return IG_OK;
}

/* Goes on from the cached snapshot if its last commit is still the file that was read. */
static enum ig_code extend(const struct lake_snapshot *cached, const struct lake_log *log, int64_t version,
                           struct lake_snapshot **out, struct error *err)
{
    struct lake_snapshot *s = lake_snapshot_copy(cached);
    enum ig_code rc;

    s->n_extensions = cached->n_extensions + 1;
    rc = apply_commits(s, log, cached->version + 1, version, err);

    if (!rc)
        rc = lake_replay_finish(s, err);
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

static enum ig_code open_version(struct lake_table *t, const struct lake_log *log, int64_t version,
                                 struct lake_snapshot **out, struct error *err)
{
    const int64_t latest = lake_log_latest(log);

    if (latest < 0)
        return error_set(err, IG_NOT_FOUND, "there is no table");
    if (version > latest)
        return error_set(err, IG_NOT_FOUND, "version %lld is not there: the newest is %lld", (long long)version,
                         (long long)latest);
    version = version < 0 ? latest : version;
    if (cache_is_usable(t->cached, log, version)) {
        if (t->cached->version == version) {
            *out = lake_snapshot_ref(t->cached);
            return IG_OK;
        }
        return extend(t->cached, log, version, out, err);
    }
    return build(t, log, version, out, err);
}

enum ig_code lake_snapshot_open(struct lake_table *t, int64_t version, struct lake_snapshot **out, struct error *err)
{
    struct lake_log log = {0};
    enum ig_code rc = lake_log_list(t->store, t->path, &log, err);

    *out = NULL;
    if (!rc)
        rc = open_version(t, &log, version, out, err);
    if (!rc)
        (*out)->opened_ms = env_monotonic_ms(t->store->env);
    if (!rc && version == LAKE_LATEST && *out != t->cached) {
        lake_snapshot_free(t->cached);
        t->cached = lake_snapshot_ref(*out);
    }
    lake_log_free(&log);
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

const char *lake_property(const struct lake_snapshot *s, const char *key, const char *otherwise)
{
    for (size_t i = 0; i < s->metadata.n_properties; i++)
        if (strcasecmp(s->metadata.properties[i].key, key) == 0)
            return s->metadata.properties[i].value;
    return otherwise;
}

void lake_entry_add_stats(const struct lake_entry *e, struct buf *out)
{
    const struct json_value v = {.type = JSON_STRING, .raw = e->raw_stats, .escaped = true};

    if (e->raw_stats.n)
        json_unescape(&v, out);
}

int64_t lake_entry_base_row_id(const struct lake_entry *e)
{
    return e->base_row_id;
}

int64_t lake_entry_row_commit_version(const struct lake_entry *e)
{
    return e->row_commit_version;
}

struct str lake_entry_clustering_provider(const struct lake_entry *e)
{
    return e->clustering_provider;
}

int64_t lake_entry_rows(const struct lake_entry *e)
{
    int64_t rows = -1;
    struct buf stats;

    buf_init(&stats, 0);
    lake_entry_add_stats(e, &stats);
    if (!json_member_int64(buf_str(&stats), "numRecords", &rows))
        rows = -1;
    buf_release(&stats);
    return rows;
}

void lake_file_add_stats(const struct lake_file *f, struct buf *out)
{
    lake_entry_add_stats(f->entry, out);
}

enum ig_code lake_files(const struct lake_snapshot *s, lake_file_fn *each, void *ctx, struct error *err)
{
    for (size_t i = 0; i < s->entries.n; i++) {
        const struct lake_entry *e = &s->entries.p[i];
        const struct lake_file f = {
            .name = e->path.p,
            .size_bytes = e->size_bytes,
            .rows = e->live ? lake_entry_rows(e) : -1,
            .modified_ms = e->modified_ms,
            .deleted_rows = lake_entry_deleted_rows(e),
            .has_deletion_vector = lake_entry_dv(e).n != 0,
            .entry = e,
            .partition_values = e->values,
        };

        if (e->live)
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
                !lake_value_eq(s->metadata.partition_fields[k]->type, only[i].value, e->values[k]))
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
