/*
 * The statements that look after a Delta table: OPTIMIZE, VACUUM, RESTORE, DESCRIBE, CLONE.
 */
#ifndef CLI_QUERY_WORK_H
#define CLI_QUERY_WORK_H

#include "cli/query_dml.h"

struct query_work {
    struct env *env;
    struct store *project; /* NULL outside of one */
    struct engine_conn *conn;
    struct arena *arena;
    struct lake_table *t;
    const struct query_change *c;
};
/* Does it, and appends the SELECT that gives the rows of the answer. */
IG_MUST_CHECK enum ig_code query_work(const struct query_work *w, struct buf *sql, struct error *err);

#endif
