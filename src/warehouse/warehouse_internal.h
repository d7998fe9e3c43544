/* What the files of the warehouse share. */
#ifndef WAREHOUSE_WAREHOUSE_INTERNAL_H
#define WAREHOUSE_WAREHOUSE_INTERNAL_H

#include "warehouse/warehouse.h"

IG_MUST_CHECK enum ig_code warehouse_duckdb_open(struct env *env, const char *path, struct warehouse **out,
                                                 struct error *err);

/* One load over a connection to the opened warehouse: everything in one transaction, which is rolled back on failure.
 */
IG_MUST_CHECK enum ig_code warehouse_duckdb_load(struct env *env, struct engine_conn *c,
                                                 const struct warehouse_load *load, struct warehouse_result *out,
                                                 struct error *err);

#endif
