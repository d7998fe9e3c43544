/*
 * The change data feed.
 */
#include "lake/lake_internal.h"

enum ig_code lake_add_changes(struct lake_table *t, int64_t from, int64_t to, struct buf *sql, struct error *err)
{
    (void)t;
    (void)from;
    (void)to;
    (void)sql;
    return error_set(err, IG_UNSUPPORTED, "reading the change data feed is not supported");
}
