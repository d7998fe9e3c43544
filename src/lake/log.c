/*
 * What is in a table's _delta_log folder.
 */
#include "lake/lake_internal.h"

#include <stdlib.h>

#define VERSION_DIGITS 20

struct collector {
    struct lake_log *log;
    size_t skip; /* length of the folder's name */
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

static enum ig_code collect(void *ctx, const struct store_object *object, struct error *err)
{
    struct collector *into = ctx;
    struct str name = {object->name.p + into->skip, object->name.n - into->skip};
    struct lake_log_checkpoint checkpoint = {0};
    int64_t version;

    (void)err;
    if (!parse_version(&name, &version))
        return IG_OK;
    if (str_is(name, ".json")) {
        const struct lake_log_commit commit = {version, object->mtime_ms, object->size_bytes};

        vec_push(&into->log->commits, commit);
    } else if (object->size_bytes > 0 && parse_checkpoint(name, &checkpoint)) {
        checkpoint.version = version;
        checkpoint.name = check_malloc(object->name.n + 1);
        memcpy(checkpoint.name, object->name.p, object->name.n);
        checkpoint.name[object->name.n] = '\0';
        vec_push(&into->log->checkpoints, checkpoint);
    }
    return IG_OK;
}

enum ig_code lake_log_list(struct store *st, const char *table_path, struct lake_log *log, struct error *err)
{
    struct collector into = {log, 0};
    struct buf prefix;
    enum ig_code rc;

    buf_init(&prefix, 0);
    lake_add_log_name(&prefix, table_path, -1, "");
    into.skip = prefix.n;
    rc = store_list(st, buf_cstr(&prefix), collect, &into, err);
    buf_release(&prefix);
    return rc;
}

void lake_log_free(struct lake_log *log)
{
    for (size_t i = 0; i < log->checkpoints.n; i++)
        free(log->checkpoints.p[i].name);
    vec_free(&log->checkpoints);
    vec_free(&log->commits);
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
