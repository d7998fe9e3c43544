/* What the files of the check share. */
#ifndef LAKE_FSCK_H
#define LAKE_FSCK_H

#include "lake/lake_internal.h"

struct fsck {
    struct lake_table *t;
    const struct lake_check *o;
    struct lake_checked *out;
    struct lake_snapshot *s;
    VEC(const struct lake_entry *) missing;
};

void fsck_problem(struct fsck *k, const char *kind, struct str file, const char *fmt, ...) IG_PRINTF(4, 5);

/* Every checkpoint of the log against what the log says without it (fsck_log.c). */
IG_MUST_CHECK enum ig_code fsck_log(struct fsck *k, struct error *err);
/* Reads the rows of a live file, and holds its statistics against them (fsck_data.c). */
IG_MUST_CHECK enum ig_code fsck_data(struct fsck *k, const struct lake_entry *e, struct error *err);

#endif
