/* Which files can hold a row for which a predicate is true, by what the log says of them. */
#ifndef LAKE_PRUNE_H
#define LAKE_PRUNE_H

#include "lake/lake_internal.h"

/* Copies those of n entries that may hold such a row to `kept` (room for n) and returns how many. What the predicate
 * says that is not understood here excludes nothing. */
size_t lake_prune(const struct lake_snapshot *s, const char *where, const struct lake_entry *const *entries, size_t n,
                  const struct lake_entry **kept);

#endif
