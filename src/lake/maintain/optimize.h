/* What the files of OPTIMIZE share: what is to be done (optimize_plan.c), in which order rows lie (optimize_order.c).
 */
#ifndef LAKE_OPTIMIZE_H
#define LAKE_OPTIMIZE_H

#include "lake/lake_internal.h"

#define LAKE_TARGET_BYTES ((int64_t)256 << 20)
#define LAKE_CLUSTER_PROVIDER "liquid"

/* Files of one partition that are written anew together. */
struct optimize_bin {
    const struct lake_entry **entries;
    size_t n;
    int64_t bytes;
    const char *const *values; /* of the partition */
    struct lake_new_files out; /* once it is written */
};

struct optimize_plan {
    const struct lake_snapshot *s;
    const struct lake_optimize *o;
    struct arena *arena;
    int64_t target_bytes, small_bytes;
    const char *const *order_by; /* columns; none: rows stay in order */
    size_t n_order_by;
    bool clustered; /* order_by is the table's own */
    VEC(struct optimize_bin) bins;
    int64_t considered, bytes;
};

/* The bins for a snapshot; IG_INVALID if the predicate or a column cannot be taken. */
IG_MUST_CHECK enum ig_code optimize_plan_make(struct lake_table *t, struct optimize_plan *p, struct error *err);
void optimize_plan_free(struct optimize_plan *p);

/* ["a","b"] of the columns that rows are ordered by. */
const char *optimize_order_text(const struct optimize_plan *p);

/* The part of a file's bytes that its live rows take, as far as the statistics tell. */
int64_t optimize_live_bytes(const struct lake_entry *e);

/* Appends the ORDER BY clause that puts rows with like values in all of the columns next to each other; `from` is the
 * FROM item that they come from. */
IG_MUST_CHECK enum ig_code optimize_add_order(struct lake_table *t, const char *from, const char *const *columns,
                                              size_t n, struct buf *sql, struct error *err);
/* A column's path, quoted part by part. */
void optimize_add_column(struct buf *sql, const char *path);

#endif
