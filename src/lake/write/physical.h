/*
 * Rows under the names that data files have: with column mapping every column, at any depth, has a physical name and an
 * id there.
 */
#ifndef LAKE_PHYSICAL_H
#define LAKE_PHYSICAL_H

#include "lake/lake_internal.h"

/* Has a column, or a part of one, another name in files? */
bool lake_has_physical_names(const struct schema_type *type);
/* SELECT ... FROM (rows): the table's columns under their physical names; `extra`, ", a, b" or NULL, as it is. */
void lake_add_physical_rows(struct buf *sql, const struct schema_type *schema, const char *rows, const char *extra);
/* {a: 1, s: {__duckdb_field_id: 2, b: 3}}, for COPY's FIELD_IDS; false, and nothing, if no column has an id. */
bool lake_add_field_ids(struct buf *sql, const struct lake_snapshot *s);

#endif
