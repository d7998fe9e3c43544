/*
 * What a query's WHERE says of a delta(...) table, for files to be left out before they are opened.
 */
#ifndef CLI_QUERY_WHERE_H
#define CLI_QUERY_WHERE_H

#include "cli/query_sql.h"
#include "engine/engine.h"

/* Appends a predicate on the columns of the text's delta number i that is true for every row of it that the query can
 * use: those parts of the WHERE beside it that speak of no other table. Nothing if there is none, or the statement is
 * not understood. */
void query_add_where(struct engine_conn *c, const struct query_text *text, size_t i, struct buf *out);

#endif
