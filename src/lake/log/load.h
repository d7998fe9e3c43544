/* From the log's files to a snapshot's state: commits (load.c) and the version's checksum file (verify.c). */
#ifndef LAKE_LOAD_H
#define LAKE_LOAD_H

#include "lake/lake_internal.h"

/* Applies the commits from `from` to `to`, all of which must be there. `compacted`: use compaction files where there
 * are any. IG_CORRUPT names version, file and line. */
IG_MUST_CHECK enum ig_code lake_load_commits(struct lake_snapshot *s, const struct lake_log *log, int64_t from,
                                             int64_t to, bool compacted, struct error *err);

/* Holds the snapshot against what the version's .crc says of it. IG_CORRUPT says in what they differ. */
IG_MUST_CHECK enum ig_code lake_verify_checksum(const struct lake_snapshot *s, struct error *err);

#endif
