/*
 * Gold -> warehouse: every gold table of a domain, each at its latest version, each in a transaction of its own.
 */
#include "stage/stage.h"

#include <stdlib.h>

static enum ig_code load_table(const struct stage_context *x, struct engine_conn *c, const struct conf_domain *d,
                               const struct conf_gold *g, int64_t *rows, struct error *err)
{
    struct warehouse_load load = {.domain = d->name, .table = g->name, .key = g->key, .n_key = g->n_key};
    struct warehouse_result result = {0};
    struct lake_table *table = NULL;
    struct lake_snapshot *snapshot = NULL;
    struct buf path;
    enum ig_code rc;

    buf_init(&path, 0);
    stage_gold_path(d, g, &path);
    rc = lake_open(x->store, c, buf_cstr(&path), &table, err);
    if (!rc)
        rc = lake_snapshot_open(table, LAKE_LATEST, &snapshot, err);
    if (rc == IG_NOT_FOUND) { /* a gold table that never had a row */
        rc = IG_OK;
        goto out;
    }
    if (rc)
        goto out;
    load.snapshot = snapshot;
    rc = warehouse_load(x->warehouse, &load, &result, err);
    *rows += result.rows;
out:
    lake_snapshot_free(snapshot);
    lake_close(table);
    buf_release(&path);
    return rc;
}

enum ig_code stage_load(const struct stage_context *x, const struct conf_domain *d, int64_t *rows, struct error *err)
{
    struct engine_conn *c = NULL;
    enum ig_code rc;
    uint64_t hold;

    *rows = 0;
    if (!x->warehouse)
        return IG_OK;
    hold = store_hold_begin(x->store);
    rc = engine_connect(x->engine, &c, err);
    for (size_t i = 0; i < d->n_gold && !rc; i++)
        rc = load_table(x, c, d, &d->gold[i], rows, err);
    engine_disconnect(c);
    store_hold_end(x->store, hold);
    return rc;
}
