/*
 * Checksums of the Parquet files that we write. The file says its own, in the footer's metadata: nothing else in
 * Parquet as the engine writes and reads it would tell a changed value from a good one.
 */
#ifndef LAKE_SEAL_H
#define LAKE_SEAL_H

#include "base/base.h"

/* What COPY's KV_METADATA has to hold, a member of its struct. */
#define LAKE_SEAL_KEY "ingot.crc32c"
#define LAKE_SEAL_MEMBER "'" LAKE_SEAL_KEY "': '00000000'"

/* Puts the checksum into a file that was written with LAKE_SEAL_MEMBER, before it is durable. */
IG_MUST_CHECK enum ig_code lake_seal_file(struct env *env, const char *path, struct error *err);

/* IG_CORRUPT if the file has a checksum that it does not match, or another size than it should have (size_bytes < 0:
 * any), or is not there. Only files up to max_bytes are read. *read_bytes grows by what was. */
IG_MUST_CHECK enum ig_code lake_seal_check_file(struct env *env, const char *path, int64_t size_bytes,
                                                int64_t max_bytes, int64_t *read_bytes, struct error *err);

#endif
