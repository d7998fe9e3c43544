/*
 * What is in a table's _delta_log folder.
 */
#include "lake/lake_internal.h"

#include <stdlib.h>

#define VERSION_DIGITS 20

struct collector {
    struct lake_log *log;
    size_t skip;          /* length of the folder's name */
    int64_t has_checksum; /* the last version whose .crc was seen: it is listed before the commit */
};

/* "00000000000000000003" + rest. */
static bool parse_version(struct str *name, int64_t *version)
{
    if (name->n < VERSION_DIGITS || !str_to_int64((struct str){name->p, VERSION_DIGITS}, 0, INT64_MAX, version))
        return false;
    name->p += VERSION_DIGITS;
    name->n -= VERSION_DIGITS;
    return true;
}

/* ".checkpoint.parquet", ".checkpoint.0000000001.0000000003.parquet" or ".checkpoint.UUID.parquet" (or .json). */
static bool parse_checkpoint(struct str rest, struct lake_log_checkpoint *c)
{
    const size_t prefix = strlen(".checkpoint.");

    if (!str_has_prefix(rest, ".checkpoint."))
        return false;
    rest.p += prefix;
    rest.n -= prefix;
    if (str_is(rest, "parquet")) {
        c->kind = LAKE_CHECKPOINT_CLASSIC;
        c->part = c->n_parts = 1;
        return true;
    }
    if (rest.n == 10 + 1 + 10 + 8 && rest.p[10] == '.' && str_has_suffix(rest, ".parquet")) {
        c->kind = LAKE_CHECKPOINT_PARTS;
        return str_to_int64((struct str){rest.p, 10}, 1, INT32_MAX, &c->part) &&
               str_to_int64((struct str){rest.p + 11, 10}, c->part, INT32_MAX, &c->n_parts);
    }
    if (rest.n > 36 && (str_has_suffix(rest, ".parquet") || str_has_suffix(rest, ".json"))) {
        c->kind = LAKE_CHECKPOINT_V2;
        c->part = c->n_parts = 1;
        return true;
    }
    return false;
}

static char *name_copy(struct str name)
{
    char *copy = check_malloc(name.n + 1);

    memcpy(copy, name.p, name.n);
    copy[name.n] = '\0';
    return copy;
}

/* ".00000000000000000009.compacted.json" */
static bool parse_compacted(struct str rest, int64_t *to)
{
    if (rest.n < 1 || rest.p[0] != '.')
        return false;
    rest.p++;
    rest.n--;
    return parse_version(&rest, to) && str_is(rest, ".compacted.json");
}

static enum ig_code collect(void *ctx, const struct store_object *object, struct error *err)
{
    struct collector *into = ctx;
    struct str name = {object->name.p + into->skip, object->name.n - into->skip};
    struct lake_log_checkpoint checkpoint = {0};
    struct lake_log_compacted compacted;
    int64_t version;

    (void)err;
    if (!parse_version(&name, &version) || version < into->log->listed_from)
        return IG_OK;
    if (str_is(name, ".json")) {
        const struct lake_log_commit commit = {version, object->mtime_ms, object->size_bytes,
                                               into->has_checksum == version};

        vec_push(&into->log->commits, commit);
    } else if (object->size_bytes > 0 && parse_checkpoint(name, &checkpoint)) {
        checkpoint.version = version;
        checkpoint.name = name_copy(object->name);
        vec_push(&into->log->checkpoints, checkpoint);
    } else if (parse_checkpoint(name, &checkpoint)) {
        free(into->log->empty_checkpoint);
        into->log->empty_checkpoint = name_copy(object->name);
    } else if (str_is(name, ".crc")) {
        into->has_checksum = version;
    } else if (object->size_bytes > 0 && parse_compacted(name, &compacted.to)) {
        compacted.from = version;
        compacted.name = name_copy(object->name);
        vec_push(&into->log->compacted, compacted);
    }
    return IG_OK;
}

enum ig_code lake_log_list_from(struct store *st, const char *table_path, int64_t from, struct lake_log *log,
                                struct error *err)
{
    struct collector into = {.log = log, .has_checksum = -1};
    struct buf prefix, after;
    enum ig_code rc;

    buf_init(&prefix, 0);
    buf_init(&after, 0);
    log->listed_from = from;
    lake_add_log_name(&prefix, table_path, -1, "");
    lake_add_log_name(&after, table_path, from, "");
    into.skip = prefix.n;
    if (from > 0)
        rc = store_list_from(st, buf_cstr(&prefix), buf_cstr(&after), collect, &into, err);
    else
        rc = store_list(st, buf_cstr(&prefix), collect, &into, err);
    buf_release(&after);
    buf_release(&prefix);
    return rc;
}

enum ig_code lake_log_list(struct store *st, const char *table_path, struct lake_log *log, struct error *err)
{
    return lake_log_list_from(st, table_path, 0, log, err);
}

void lake_log_free(struct lake_log *log)
{
    for (size_t i = 0; i < log->checkpoints.n; i++)
        free(log->checkpoints.p[i].name);
    for (size_t i = 0; i < log->compacted.n; i++)
        free(log->compacted.p[i].name);
    free(log->empty_checkpoint);
    log->empty_checkpoint = NULL;
    vec_free(&log->checkpoints);
    vec_free(&log->commits);
    vec_free(&log->compacted);
}

const struct lake_log_commit *lake_log_commit_of(const struct lake_log *log, int64_t version)
{
    size_t low = 0, high = log->commits.n;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (log->commits.p[middle].version < version)
            low = middle + 1;
        else
            high = middle;
    }
    return low < log->commits.n && log->commits.p[low].version == version ? &log->commits.p[low] : NULL;
}

int64_t lake_log_latest(const struct lake_log *log)
{
    int64_t latest = log->commits.n ? log->commits.p[log->commits.n - 1].version : -1;

    for (size_t i = 0; i < log->checkpoints.n; i++)
        if (log->checkpoints.p[i].version > latest)
            latest = log->checkpoints.p[i].version;
    return latest;
}

bool lake_log_checkpoint_is_whole(const struct lake_log *log, size_t i)
{
    const struct lake_log_checkpoint *c = &log->checkpoints.p[i];

    if (c->part != 1 || (size_t)c->n_parts > log->checkpoints.n - i)
        return false;
    for (int64_t k = 0; k < c->n_parts; k++)
        if (c[k].version != c->version || c[k].n_parts != c->n_parts || c[k].part != k + 1 || c[k].kind != c->kind)
            return false;
    return true;
}

int64_t *lake_log_times(const struct lake_log *log)
{
    int64_t *times = check_calloc(log->commits.n ? log->commits.n : 1, sizeof(*times));

    for (size_t i = 0; i < log->commits.n; i++) {
        times[i] = log->commits.p[i].mtime_ms;
        if (i && times[i] <= times[i - 1])
            times[i] = times[i - 1] + 1;
    }
    return times;
}

int64_t lake_log_first_readable(const struct lake_log *log)
{
    if (lake_log_commit_of(log, 0))
        return 0;
    for (size_t i = 0; i < log->checkpoints.n; i++)
        if (lake_log_checkpoint_is_whole(log, i))
            return log->checkpoints.p[i].version;
    return -1;
}
