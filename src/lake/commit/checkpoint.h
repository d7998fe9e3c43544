/* What the files that write checkpoints share. */
#ifndef LAKE_CHECKPOINT_H
#define LAKE_CHECKPOINT_H

#include "lake/lake_internal.h"

/* The actions of a checkpoint, one JSON object a line, on their way to a scratch file or into memory; so a table of
 * millions of files needs no more than a piece of it at a time. */
struct checkpoint_lines {
    struct env *env;
    struct env_file *file; /* NULL: they stay in `text` */
    int64_t written;       /* bytes in the file */
    struct buf text;
    size_t longest;
    int64_t actions, adds;
};

/* Opens the scratch file `path`; NULL: in memory. */
IG_MUST_CHECK enum ig_code checkpoint_lines_begin(struct checkpoint_lines *l, struct env *env, const char *path,
                                                  struct error *err);
/* All is in the file. */
IG_MUST_CHECK enum ig_code checkpoint_lines_end(struct checkpoint_lines *l, struct error *err);
void checkpoint_lines_free(struct checkpoint_lines *l);

/* What is not about files: protocol, metaData, txn, domainMetadata. */
IG_MUST_CHECK enum ig_code checkpoint_add_others(const struct lake_snapshot *s, int64_t now_ms,
                                                 struct checkpoint_lines *l, struct error *err);
/* The entries from *next on, at most `most` of those that a checkpoint holds; *next is then where to go on. */
IG_MUST_CHECK enum ig_code checkpoint_add_files(const struct lake_snapshot *s, int64_t now_ms, size_t *next,
                                                int64_t most, struct checkpoint_lines *l, struct error *err);
/* How many files it holds: the live ones, and those removed so lately that VACUUM may not have taken them. */
int64_t checkpoint_files(const struct lake_snapshot *s, int64_t now_ms);

/* The lines in the file `from` as Parquet at `to`, with the columns and types that other engines read. */
struct checkpoint_columns {
    bool files_only;   /* a sidecar: add and remove */
    bool json_stats;   /* add.stats */
    bool parsed_stats; /* add.stats_parsed and partitionValues_parsed */
};
IG_MUST_CHECK enum ig_code checkpoint_to_parquet(struct lake_table *t, const struct lake_snapshot *s,
                                                 const struct checkpoint_columns *columns, const char *from,
                                                 const char *to, size_t longest, struct error *err);

#endif
