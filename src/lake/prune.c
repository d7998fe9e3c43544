#include "lake/prune.h"

size_t lake_prune(const struct lake_snapshot *s, const char *where, const struct lake_entry *const *entries, size_t n,
                  const struct lake_entry **kept)
{
    (void)s;
    (void)where;
    for (size_t i = 0; i < n; i++)
        kept[i] = entries[i];
    return n;
}
