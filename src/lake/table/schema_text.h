/*
 * Types as people write them: Spark's spelling (BIGINT, string, array<int>, struct<a: int NOT NULL>, varchar(10)) and
 * DuckDB's (INTEGER[], STRUCT(a INTEGER), MAP(VARCHAR, INTEGER)), in any mix. TIMESTAMP is Delta's timestamp, in UTC.
 */
#ifndef LAKE_SCHEMA_TEXT_H
#define LAKE_SCHEMA_TEXT_H

#include "lake/table/schema.h"

/* IG_INVALID if it is none. With a connection, DuckDB is asked for a word that neither has. */
IG_MUST_CHECK enum ig_code schema_of_text(struct arena *a, struct engine_conn *c, const char *text,
                                          const struct schema_type **out, struct error *err);
/* Is there a char(n) or varchar(n) in it? Then the text is kept in the column's metadata. */
bool schema_has_limits(const struct schema_type *type);
/* As Spark's catalog spells it: array<varchar(5)>. */
void schema_add_text(struct buf *out, const struct schema_type *type);

#endif
