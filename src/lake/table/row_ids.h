/*
 * Row tracking: every row has an id that it keeps through UPDATE, MERGE and OPTIMIZE, and the version of the commit
 * that made or changed it last. Both follow from its file's add action (baseRowId + its place in the file,
 * defaultRowCommitVersion) until it is written to another file: there they stand in two columns that the schema does
 * not have, whose names are properties of the table; null where they follow from the file again.
 */
#ifndef LAKE_ROW_IDS_H
#define LAKE_ROW_IDS_H

#include "lake/lake_internal.h"

/* What a scan calls them. */
#define LAKE_ROW_ID_COLUMN "_ingot_row_id"
#define LAKE_ROW_VERSION_COLUMN "_ingot_row_version"
/* As a part of a SELECT's list. */
#define LAKE_ROW_ID_LIST ", " LAKE_ROW_ID_COLUMN ", " LAKE_ROW_VERSION_COLUMN

/* The names of the two columns in files, by property. */
#define LAKE_ROW_ID_PROPERTY "delta.rowTracking.materializedRowIdColumnName"
#define LAKE_ROW_VERSION_PROPERTY "delta.rowTracking.materializedRowCommitVersionColumnName"

/* Are ids to be kept (delta.enableRowTracking)? */
bool lake_keeps_row_ids(const struct lake_snapshot *s);
/* IG_CORRUPT if the table keeps ids, and does not say where. */
IG_MUST_CHECK enum ig_code lake_check_row_ids(const struct lake_snapshot *s, struct error *err);
/* Appends ", 'NAME IN FILES': {name: '...', type: 'BIGINT', default_value: NULL}, ..." to read_parquet's schema. */
void lake_add_row_id_schema(struct buf *sql, const struct lake_snapshot *s);
/* The rows of `query`, which has the scan's two columns, with their names in files. */
void lake_add_named_row_ids(struct buf *sql, const struct lake_snapshot *s, const char *query);

#endif
