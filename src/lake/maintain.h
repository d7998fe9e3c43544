/*
 * What keeps a table in shape, and what it says of itself: details, compaction (OPTIMIZE), removal of what no kept
 * version needs (VACUUM), going back (RESTORE), copies (CLONE), taking over a folder of Parquet files (CONVERT), and
 * looking whether everything is there (FSCK). Part of lake.h, which is what other folders include.
 */
#ifndef LAKE_MAINTAIN_H
#define LAKE_MAINTAIN_H

#include "base/base.h"
#include "store/store.h"

struct lake_table;
struct lake_snapshot;
struct lake_property;

/* --- details (detail.c) ------------------------------------------------------------------------------------- */

struct lake_column_detail {
    const char *name, *type;   /* Delta's name of the type: "long", "array<struct<a: string>>" */
    const char *comment;       /* NULL: none */
    const char *metadata;      /* a JSON object */
    int partition, clustering; /* its place among the partition or clustering columns, -1: it is none */
    bool nullable;
};

struct lake_detail {
    const char *id, *name, *comment; /* NULL: none */
    int64_t created_ms;              /* -1: the log does not say */
    int64_t version, committed_ms;
    int64_t reader_version, writer_version;
    const char *const *features; /* those that the protocol names; none before (3,7) */
    size_t n_features;
    const struct lake_column_detail *columns;
    size_t n_columns;
    const char *const *partition_by, *const *cluster_by;
    size_t n_partition_by, n_cluster_by;
    const struct lake_property *properties;
    size_t n_properties;
    const char *const *domains; /* domain metadata, by name */
    size_t n_domains;
    const struct lake_property *apps; /* of idempotent writers: the last version that each has committed */
    size_t n_apps;
    int64_t n_files, size_bytes, rows; /* rows without the deleted ones; -1: files without statistics */
    int64_t smallest_bytes, largest_bytes;
    int64_t n_partitions;
    int64_t n_deletion_vectors, deleted_rows;
    int64_t n_removed, removed_bytes; /* what the log still lists as removed, for VACUUM and time travel */
    const char *schema_json;
};

/* Everything is in the arena. */
IG_MUST_CHECK enum ig_code lake_detail(const struct lake_snapshot *s, struct arena *a, struct lake_detail *out,
                                       struct error *err);

#endif
