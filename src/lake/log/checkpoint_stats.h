/*
 * The statistics of a checkpoint's files are most of its bytes: a thread reads and packs them, a batch of rows ahead of
 * the one whose files are applied.
 */
#ifndef LAKE_CHECKPOINT_STATS_H
#define LAKE_CHECKPOINT_STATS_H

#include "lake/log/entry.h"
#include "lake/parquet/parquet.h"

#define CHECKPOINT_STATS_BATCH 4096

struct checkpoint_stats {
    struct env *env; /* NULL: no threads */
    struct parquet_column column;
    struct lake_intern intern;
    struct lake_packed_stats *batches[2]; /* the one that is asked for, the one that is being made */
    int64_t n_rows;                       /* of the group */
    int64_t at, made;                     /* rows up to here are those of batches[0], or done in batches[1] */
    struct env_thread *thread;
    enum ig_code rc; /* of batches[1] */
    struct error err;
    bool started;
};

/* Texts are kept in the arena, which nobody else may use meanwhile. */
void checkpoint_stats_init(struct checkpoint_stats *p, struct env *env, struct arena *arena);
void checkpoint_stats_release(struct checkpoint_stats *p);
/* Begins with the column of a row group. */
IG_MUST_CHECK enum ig_code checkpoint_stats_begin(struct checkpoint_stats *p, const struct parquet_file *f, size_t node,
                                                  size_t group, struct error *err);
/* Of a row; rows are asked for in their order, any of them left out. NULL: none. */
IG_MUST_CHECK enum ig_code checkpoint_stats_of(struct checkpoint_stats *p, int64_t row,
                                               const struct lake_packed_stats **out, struct error *err);
/* Reads the group to its end. */
IG_MUST_CHECK enum ig_code checkpoint_stats_end(struct checkpoint_stats *p, struct error *err);

#endif
