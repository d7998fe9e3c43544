/*
 * After a run: many merges and replaced partitions leave many small files, which every reader pays for. Each table of a
 * domain that was worked on is looked at, and compacted where a partition has too many of them.
 */
#include "lifecycle/lifecycle_internal.h"

static void compact_table(const struct stage_context *x, struct engine_conn *c, const char *path)
{
    const uint64_t hold = store_hold_begin(x->store);
    struct lake_optimized done = {0};
    struct lake_table *t = NULL;
    struct error err = {0};
    enum ig_code rc = lake_open(x->store, c, path, &t, &err);

    if (!rc)
        rc = lake_auto_compact(t, true, &done, &err);
    if (rc && rc != IG_NOT_FOUND)
        log_warn(x->env, "lifecycle", "compaction of %s: %s", path, err.msg);
    else if (done.files_removed)
        log_info(x->env, "lifecycle", "compacted %s: %lld files became %lld", path, (long long)done.files_removed,
                 (long long)done.files_added);
    lake_close(t);
    store_hold_end(x->store, hold);
}

void compact_domain(const struct stage_context *x, const struct conf_domain *d, const volatile bool *stop)
{
    struct engine_conn *c = NULL;
    struct error err = {0};
    struct buf path;

    if (engine_connect(x->engine, &c, &err)) {
        log_warn(x->env, "lifecycle", "compaction of %s: %s", d->name, err.msg);
        return;
    }
    buf_init(&path, 0);
    for (size_t i = 0; i < d->n_gold + 2 && !(stop && *stop); i++) {
        buf_clear(&path);
        if (i < d->n_gold)
            stage_gold_path(d, &d->gold[i], &path);
        else if (i == d->n_gold)
            stage_silver_path(d, &path);
        else
            stage_quarantine_path(d, &path);
        compact_table(x, c, buf_cstr(&path));
    }
    buf_release(&path);
    engine_disconnect(c);
}
