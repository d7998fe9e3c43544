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

/* --- optimize (optimize.c) ---------------------------------------------------------------------------------- */

/* How far: bytes of `total`; called often. */
typedef void lake_progress_fn(void *ctx, const char *what, int64_t done, int64_t total);

/*
 * The same rows in fewer, larger, or better ordered files. Small files of a partition that stand next to each other are
 * joined, their rows in order; files of which deletion vectors have taken more than a twentieth are written anew.
 * Nothing is touched where that would not make fewer files. Others may append, and change other files, meanwhile: files
 * that somebody else has removed when it comes to the commit are left out of it, the rest is committed.
 */
struct lake_optimize {
    const char *where;            /* an SQL predicate on partition columns; NULL: the whole table */
    const char *const *zorder_by; /* columns whose values shall lie together (a.b: nested ones); none: as the table is
                                     clustered, else only sizes */
    size_t n_zorder_by;
    bool full;                  /* also files that have the order already */
    bool purge;                 /* instead: every file with a deletion vector, so that none is left */
    int64_t target_bytes;       /* 0: delta.targetFileSize, else 256 MB */
    int64_t min_files;          /* of a partition: fewer small ones are left alone; 0: two */
    bool automatic;             /* leaves alone what costs more than it gains */
    bool dry_run;               /* only counts what would be done */
    lake_progress_fn *progress; /* NULL: none */
    void *ctx;
};
struct lake_optimized {
    int64_t version; /* the last one made, else the table's */
    int64_t commits, partitions, files_removed, bytes_removed, files_added, bytes_added, vectors_removed;
    int64_t files_considered;
    int64_t files_left; /* to others, who changed them meanwhile */
};
IG_MUST_CHECK enum ig_code lake_optimize(struct lake_table *t, const struct lake_optimize *o,
                                         struct lake_optimized *out, struct error *err);

/* What delta.autoOptimize.autoCompact asks for after a write: small files are joined (up to delta.targetFileSize, else
 * 128 MB) in each partition that has 50 of them or more. `otherwise`: also in tables that do not have the property.
 * Conflicts with others are no error: they are left alone. */
IG_MUST_CHECK enum ig_code lake_auto_compact(struct lake_table *t, bool otherwise, struct lake_optimized *out,
                                             struct error *err);

/* --- vacuum (vacuum.c) --------------------------------------------------------------------------------------- */

/*
 * Removes what no version that is kept needs: files that were removed from the table, or never came into it, longer ago
 * than the retention. Live files, files removed since, their deletion vectors, files that are younger than the
 * retention (a writer may be about to commit them), hidden folders and whatever lies outside of the table are never
 * touched. Folders that get empty by it go, too. Needs no engine.
 */
struct lake_vacuum {
    int64_t retention_ms; /* -1: delta.deletedFileRetentionDuration, else 7 days */
    bool force;           /* also a retention under the table's own: who reads or writes meanwhile may lose files */
    bool dry_run;
    bool lite;  /* only what the log names as removed, without listing the table's folder */
    bool quiet; /* no VACUUM START and VACUUM END in the log */
    /* Called for every file to be removed, before it is. NULL: not. */
    void (*each)(void *ctx, const char *name, int64_t size_bytes, int64_t modified_ms);
    lake_progress_fn *progress;
    void *ctx;
};
struct lake_vacuumed {
    int64_t version;
    int64_t files, bytes;           /* removed, or to be removed; bytes -1: not known (lite) */
    int64_t folders;                /* of partitions, that went since nothing is in them any more */
    int64_t kept_files, kept_bytes; /* neither live nor old enough */
    int64_t retention_ms;
};
IG_MUST_CHECK enum ig_code lake_vacuum(struct lake_table *t, const struct lake_vacuum *o, struct lake_vacuumed *out,
                                       struct error *err);

/* --- restore (restore.c) ------------------------------------------------------------------------------------- */

struct lake_restore {
    int64_t version;
    const char *timestamp; /* as it was asked for, for the history; NULL */
    bool ignore_missing;   /* files that are gone stay gone; else IG_NOT_FOUND, and nothing is changed */
    bool dry_run;
};
struct lake_restored {
    int64_t version;
    int64_t files_restored, bytes_restored, files_removed, bytes_removed, files_missing, files_now, bytes_now;
};
/* A new version that is what the table was at an older one: its files, columns and properties. What the protocol has
 * gained since stays. All files are looked for before anything is committed. */
IG_MUST_CHECK enum ig_code lake_restore(struct lake_table *t, const struct lake_restore *o, struct lake_restored *out,
                                        struct error *err);

/* --- clone (clone.c) ----------------------------------------------------------------------------------------- */

/*
 * A table of its own that begins as a version of another one. Shallow: it names the other table's files by their whole
 * paths, and copies none; a vacuum of the other table can take them away. Deep: files are copied, and it stands alone.
 * Columns, properties, protocol and domains are the other's; its history begins anew. IG_EXISTS: there is a table.
 */
struct lake_clone {
    bool deep;
    lake_progress_fn *progress;
    void *ctx;
};
struct lake_cloned {
    int64_t version;
    int64_t files, bytes, copied_files, copied_bytes;
};
IG_MUST_CHECK enum ig_code lake_clone(struct lake_table *from, const struct lake_snapshot *s, struct lake_table *to,
                                      const struct lake_clone *o, struct lake_cloned *out, struct error *err);

/* --- convert (convert.c) ------------------------------------------------------------------------------------- */

/*
 * Makes a table of a folder of Parquet files: nothing is copied or moved, a log is written beside them. The columns are
 * those of all files together (one type a column), the partitions those of the folders' names (column=value), the
 * statistics those of the files' footers. IG_EXISTS: it is a table already.
 */
struct lake_convert {
    const struct lake_property *partition_types; /* name and type; those not named: DATE and BIGINT if all values are
                                                    such, else VARCHAR */
    size_t n_partition_types;
    bool without_stats;
    bool naive_is_utc; /* times without a zone become Delta's `timestamp`, so that the protocol stays (1, 2) */
    bool dry_run;
    lake_progress_fn *progress;
    void *ctx;
};
struct lake_converted {
    int64_t version;
    int64_t files, bytes, rows;
};
IG_MUST_CHECK enum ig_code lake_convert(struct lake_table *t, const struct lake_convert *o, struct lake_converted *out,
                                        struct error *err);

/* --- check (fsck.c, fsck_data.c) ----------------------------------------------------------------------------- */

/* What is wrong. Texts hold during the call. */
struct lake_problem {
    const char *kind; /* "missing", "size", "deletion vector", "checkpoint", "log", "statistics", "data" */
    const char *file; /* as the log has it, or the log's own file; "" of the table as a whole */
    const char *text;
};
struct lake_check {
    int64_t version; /* LAKE_LATEST (-1), or another one */
    bool data;       /* reads all rows: can they be decoded, do the statistics hold for them? */
    bool repair;     /* files that are missing are taken out of the table, in one commit; nothing else is changed */
    bool dry_run;    /* with repair: says only what it would do */
    void (*each)(void *ctx, const struct lake_problem *p); /* NULL: not */
    lake_progress_fn *progress;
    void *ctx;
};
struct lake_checked {
    int64_t version;
    int64_t files, bytes, rows, vectors, checkpoints; /* that were looked at; rows with `data` */
    int64_t problems, missing;
    int64_t repaired; /* files taken out */
};
/* The log whole, checkpoints against it, every file there with its size, deletion vectors readable and of as many rows
 * as the log says. Problems are no error of this function. */
IG_MUST_CHECK enum ig_code lake_check(struct lake_table *t, const struct lake_check *o, struct lake_checked *out,
                                      struct error *err);

/* --- what differs between versions (diff.c) ------------------------------------------------------------------ */

struct lake_file;
struct lake_diff {
    int64_t files_added, bytes_added, rows_added; /* rows by the statistics, -1: not known */
    int64_t files_removed, bytes_removed, rows_removed;
    int64_t files_kept;
};
/* `each` gets every file that only one of the versions has; NULL: none. */
typedef enum ig_code lake_diff_fn(void *ctx, bool added, const struct lake_file *f, struct error *err);
IG_MUST_CHECK enum ig_code lake_diff(const struct lake_snapshot *a, const struct lake_snapshot *b, lake_diff_fn *each,
                                     void *ctx, struct lake_diff *out, struct error *err);
/* Appends an SQL FROM item, in parentheses: the rows that only one of the versions has, _change "-" (in a) or "+" (in
 * b), then b's columns. Rows that are equal in both are not there, however often they were rewritten. Only files that
 * one of them does not have are read; no change data feed is needed. */
IG_MUST_CHECK enum ig_code lake_add_diff(const struct lake_snapshot *a, const struct lake_snapshot *b, struct buf *sql,
                                         struct error *err);

#endif
