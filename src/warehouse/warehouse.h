/*
 * The warehouse: where analysts query. Gold tables are loaded into it whole transactions at a time, each recording the
 * Delta version that it loaded, so that a load is repeatable and never half done.
 *
 * DuckDB: schema `gold`, a table per gold table, and gold._ingot_loads(table_name, domain, delta_version, rows,
 * loaded_at): one row a table, what it is now. gold._ingot_files has the data files that are loaded; by comparing them
 * with a snapshot's a load touches only partitions that changed, whatever happened between the two.
 */
#ifndef WAREHOUSE_WAREHOUSE_H
#define WAREHOUSE_WAREHOUSE_H

#include "base/base.h"
#include "conf/conf.h"
#include "lake/lake.h"

struct warehouse;

/* One gold table's load. */
struct warehouse_load {
    const char *domain, *table;
    const struct lake_snapshot *snapshot; /* what the warehouse's table is to be */
    const char *const *key;
    size_t n_key;
};
struct warehouse_result {
    int64_t delta_version, rows;
    bool already_loaded; /* this version was there: nothing was done */
};

/* What an implementation fills in. */
struct warehouse_ops {
    const char *scheme;
    enum ig_code (*load)(struct warehouse *w, const struct warehouse_load *load, struct warehouse_result *out,
                         struct error *err);
    enum ig_code (*loaded_version)(struct warehouse *w, const char *domain, const char *table, int64_t *version,
                                   struct error *err);
    void (*free)(struct warehouse *w);
};
struct warehouse {
    const struct warehouse_ops *ops;
    struct env *env;
};

/* "duckdb:FILE". The file is opened for the time of a load only, so that others can read it in between. */
IG_MUST_CHECK enum ig_code warehouse_open(struct env *env, const char *url, struct warehouse **out, struct error *err);
void warehouse_free(struct warehouse *w);
/* Staging load and MERGE in one transaction that also records the version. */
IG_MUST_CHECK enum ig_code warehouse_load(struct warehouse *w, const struct warehouse_load *load,
                                          struct warehouse_result *out, struct error *err);
/* The Delta version last loaded, -1 if none. */
IG_MUST_CHECK enum ig_code warehouse_loaded_version(struct warehouse *w, const char *domain, const char *table,
                                                    int64_t *version, struct error *err);

#endif
