/*
 * Checkpoints say again what the log says: each is held against the checkpoint before it (or the first commit) and the
 * commits between.
 */
#include "lake/maintain/fsck.h"

#include <stdlib.h>

/* The first file that one has and the other has not, or has of another size. NULL: none. */
static const struct lake_entry *other_file(const struct lake_snapshot *a, const struct lake_snapshot *b)
{
    for (size_t i = 0; i < a->entries.n; i++) {
        const struct lake_entry *e = &a->entries.p[i], *same;

        if (!lake_entry_is_live(e))
            continue;
        same = lake_snapshot_find(b, lake_entry_name(e), lake_entry_dv_id(e));
        if (!same || lake_entry_size(same) != lake_entry_size(e))
            return e;
    }
    return NULL;
}

static bool same_features(const char *const *a, size_t n_a, const char *const *b, size_t n_b)
{
    bool same = n_a == n_b;

    for (size_t i = 0; i < n_a && same; i++)
        same = lake_has_feature(b, n_b, a[i]);
    return same;
}

static bool same_protocol(const struct lake_protocol *a, const struct lake_protocol *b)
{
    return a->reader == b->reader && a->writer == b->writer &&
           same_features(a->reader_features, a->n_reader_features, b->reader_features, b->n_reader_features) &&
           same_features(a->writer_features, a->n_writer_features, b->writer_features, b->n_writer_features);
}

static bool same_properties(const struct lake_snapshot *a, const struct lake_snapshot *b)
{
    bool same = a->metadata.n_properties == b->metadata.n_properties;

    for (size_t i = 0; i < a->metadata.n_properties && same; i++) {
        const char *other = lake_property(b, a->metadata.properties[i].key, NULL);

        same = other && strcmp(other, a->metadata.properties[i].value) == 0;
    }
    return same;
}

static bool same_txns(const struct lake_snapshot *a, const struct lake_snapshot *b)
{
    bool same = a->txns.n == b->txns.n;

    for (size_t i = 0; i < a->txns.n && same; i++) {
        same = false;
        for (size_t k = 0; k < b->txns.n && !same; k++)
            same = str_eq(a->txns.p[i].app_id, b->txns.p[k].app_id) && a->txns.p[i].version == b->txns.p[k].version;
    }
    return same;
}

static void compare(struct fsck *k, const char *name, const struct lake_snapshot *checkpoint,
                    const struct lake_snapshot *log)
{
    const struct str file = str_of(name);
    const struct lake_entry *e;

    if ((e = other_file(checkpoint, log)))
        fsck_problem(k, "checkpoint", file, "it has the file " STR_FMT ", which the log has not",
                     STR_ARG(lake_entry_name(e)));
    if ((e = other_file(log, checkpoint)))
        fsck_problem(k, "checkpoint", file, "it lacks the file " STR_FMT ", which the log has",
                     STR_ARG(lake_entry_name(e)));
    if (strcmp(checkpoint->metadata.schema_string, log->metadata.schema_string) != 0)
        fsck_problem(k, "checkpoint", file, "it has another schema than the log");
    if (!same_properties(checkpoint, log))
        fsck_problem(k, "checkpoint", file, "it has other properties than the log");
    if (!same_protocol(&checkpoint->protocol, &log->protocol))
        fsck_problem(k, "checkpoint", file, "it has another protocol than the log");
    if (!same_txns(checkpoint, log))
        fsck_problem(k, "checkpoint", file, "it has other versions of applications than the log");
}

static bool has_commits(const struct lake_log *log, int64_t from, int64_t to)
{
    for (int64_t v = from; v <= to; v++)
        if (!lake_log_commit_of(log, v))
            return false;
    return true;
}

/* The checkpoint before this one from which the log leads to it; log->checkpoints.n: the first commit. False if none
 * does any more. */
static bool find_start(const struct lake_log *log, size_t i, size_t *start)
{
    const int64_t version = log->checkpoints.p[i].version;

    for (size_t k = i; k-- > 0;) {
        const struct lake_log_checkpoint *c = &log->checkpoints.p[k];

        if (c->version < version && lake_log_checkpoint_is_whole(log, k) && has_commits(log, c->version + 1, version)) {
            *start = k;
            return true;
        }
    }
    *start = log->checkpoints.n;
    return has_commits(log, 0, version);
}

static bool tells_of_damage(enum ig_code rc)
{
    return rc == IG_CORRUPT || rc == IG_NOT_FOUND || rc == IG_INVALID;
}

static enum ig_code check_one(struct fsck *k, const struct lake_log *log, size_t i, struct error *err)
{
    const struct lake_log_checkpoint *c = &log->checkpoints.p[i];
    struct lake_snapshot *said = NULL, *by_log = NULL;
    struct error broken = {0};
    enum ig_code rc;
    size_t start;

    k->out->checkpoints++;
    rc = lake_snapshot_build(k->t, log, i, c->version, &said, &broken);
    if (rc) {
        if (tells_of_damage(rc))
            fsck_problem(k, "checkpoint", str_of(c->name), "%s", broken.msg);
        return tells_of_damage(rc) ? IG_OK : error_set(err, rc, "%s", broken.msg);
    }
    if (find_start(log, i, &start)) {
        rc = lake_snapshot_build(k->t, log, start, c->version, &by_log, &broken);
        if (!rc)
            compare(k, c->name, said, by_log);
        else if (tells_of_damage(rc)) /* of another checkpoint, or of a commit, which is told by name */
            fsck_problem(k, "log", (struct str){"", 0}, "%s", broken.msg);
        rc = tells_of_damage(rc) ? IG_OK : rc;
        if (rc)
            error_set(err, rc, "%s", broken.msg);
    }
    lake_snapshot_free(by_log);
    lake_snapshot_free(said);
    return rc;
}

enum ig_code fsck_log(struct fsck *k, struct error *err)
{
    struct lake_log log = {0};
    enum ig_code rc = lake_log_list(k->t->store, k->t->path, &log, err);

    for (size_t i = 0; i < log.checkpoints.n && !rc; i++)
        if (lake_log_checkpoint_is_whole(&log, i))
            rc = check_one(k, &log, i, err);
    lake_log_free(&log);
    return rc;
}
