/*
 * Delta Lake tables (protocol of delta-io/delta, PROTOCOL.md), made at reader 1 / writer 2 and raised for what is in
 * use.
 *
 * A table is a folder of a store: data files (Parquet) and _delta_log/. A commit becomes visible by one
 * put-if-absent of its version; before that, its data files are durable. Writers in any number of processes are
 * serialised by that alone: who loses the version re-reads what was committed meanwhile, checks that it does not touch
 * what this commit read or removed (Delta's own conflict rules), and tries the next version, else gets IG_CONFLICT. An
 * unknown outcome is settled by reading the version back and comparing the commit's id.
 *
 * Data go in and out as SQL over an engine connection: a write is given a SELECT, a read gives back a FROM item.
 *
 * A lake_table belongs to one thread; several may be open on the same folder. A snapshot does not change and may be
 * read by any thread.
 */
#ifndef LAKE_LAKE_H
#define LAKE_LAKE_H

#include "base/base.h"
#include "engine/engine.h"
#include "lake/maintain.h"
#include "store/store.h"

struct lake_table;
struct lake_snapshot;

/* `path` is the table's folder, relative to the store ("silver/orders"). Nothing is read yet. Without an
 * engine (NULL) there is what the log tells, and IG_UNSUPPORTED for a checkpoint that only the engine reads. */
IG_MUST_CHECK enum ig_code lake_open(struct store *st, struct engine_conn *c, const char *path, struct lake_table **out,
                                     struct error *err);
void lake_close(struct lake_table *t); /* NULL is fine */

/* --- reading ----------------------------------------------------------------------------------------------- */

#define LAKE_LATEST (-1)

/* The table at a version. IG_NOT_FOUND: no table, or no such version (any more); IG_UNSUPPORTED names a reader feature
 * that we do not know; IG_CORRUPT names the file. */
IG_MUST_CHECK enum ig_code lake_snapshot_open(struct lake_table *t, int64_t version, struct lake_snapshot **out,
                                              struct error *err);
void lake_snapshot_free(struct lake_snapshot *s); /* NULL is fine */

int64_t lake_version(const struct lake_snapshot *s);
int64_t lake_commit_time_ms(const struct lake_snapshot *s);
size_t lake_file_count(const struct lake_snapshot *s);
int64_t lake_size_bytes(const struct lake_snapshot *s);
/* Rows by the files' statistics, -1 if a file has none. */
int64_t lake_row_count(const struct lake_snapshot *s);
size_t lake_partition_columns(const struct lake_snapshot *s);
const char *lake_partition_column(const struct lake_snapshot *s, size_t i);
/* The latest version that application `app_id` committed by a txn action, -1 if none. */
int64_t lake_txn_version(const struct lake_snapshot *s, const char *app_id);

/* One live file. */
struct lake_entry;
struct lake_file {
    const char *name;                      /* relative to the table, decoded */
    int64_t size_bytes, rows, modified_ms; /* rows: in the file, deleted ones among them */
    int64_t deleted_rows;                  /* by its deletion vector */
    bool has_deletion_vector;
    const struct lake_entry *entry;
    const char *const *partition_values; /* text, NULL for null; as many as partition columns */
};
typedef enum ig_code lake_file_fn(void *ctx, const struct lake_file *f, struct error *err);
IG_MUST_CHECK enum ig_code lake_files(const struct lake_snapshot *s, lake_file_fn *each, void *ctx, struct error *err);
/* Appends the file's statistics as the log has them, a JSON object; nothing if it has none. */
void lake_file_add_stats(const struct lake_file *f, struct buf *out);

/* One equality on a partition column: value NULL is null. */
struct lake_partition {
    const char *column, *value;
};

/* What a scan is asked for. All optional. */
struct lake_scan {
    const struct lake_partition *only; /* equalities on partition columns, all must hold */
    size_t n_only;
    /* An SQL predicate on the table's columns, without subqueries and aggregates. Files that it excludes by partition
     * values or statistics are not opened; rows for which it is not true are not given. */
    const char *where;
    bool where_only_skips; /* `where` is only there to skip files: all rows of the others are given */
    bool file_column;      /* adds _ingot_file BIGINT: which file, the index of its entry */
    bool row_column;       /* adds _ingot_row BIGINT: the row's position in its file, deleted rows counted */
    /* Adds _ingot_row_id and _ingot_row_version BIGINT: the row's id, and the version that made or changed it last. The
     * table must have row tracking turned on. */
    bool row_ids;
};

/*
 * Appends an SQL FROM item, in parentheses, that gives the snapshot's live rows with the table's column names and types
 * (partition columns included). `scan` NULL: all of them. Works on the connections of any engine that can see the
 * store's files and that a lake_table was opened on.
 */
IG_MUST_CHECK enum ig_code lake_add_scan(const struct lake_snapshot *s, const struct lake_scan *scan, struct buf *sql,
                                         struct error *err);

/* Reads the live files of a version one by one until one fails alone: IG_CORRUPT names table, version and file. For who
 * has got an error of the engine that may be about a damaged file; IG_OK: none of them is. */
IG_MUST_CHECK enum ig_code lake_find_broken(struct lake_table *t, int64_t version, struct error *err);
/* May it be? By the words of the engine's message. */
bool lake_looks_broken(const char *message);

/* --- versions in time -------------------------------------------------------------------------------------- */

/* The version that was the newest one at a time (milliseconds since 1970), by Delta's rules: the in-commit timestamps
 * where the table has them, else the times of the commits' files, each made later than the one before it. IG_NOT_FOUND
 * for a time before the first version that can still be read, or after the newest one. */
IG_MUST_CHECK enum ig_code lake_version_at(struct lake_table *t, int64_t time_ms, int64_t *version, struct error *err);

/* The ends of a range of versions by time: the first version made at that time or later, the last one made then or
 * earlier (the newest, for a time after it). */
enum lake_bound { LAKE_AT, LAKE_SINCE, LAKE_UNTIL };
IG_MUST_CHECK enum ig_code lake_version_bound(struct lake_table *t, int64_t time_ms, enum lake_bound bound,
                                              int64_t *version, struct error *err);

/* One commit. What its commitInfo does not have is NULL, {NULL, 0} or -1. */
struct lake_history_entry {
    int64_t version, time_ms;
    const char *operation, *engine_info, *user_name, *user_id, *user_metadata, *isolation_level, *txn_id;
    struct str parameters, metrics; /* JSON objects */
    struct str commit_info;         /* the whole object */
    int64_t read_version;
    int blind_append; /* 0 or 1 */
};
typedef enum ig_code lake_history_fn(void *ctx, const struct lake_history_entry *e, struct error *err);
/* Commits whose files are still there, the newest first, at most `limit` of them (0: all). Only those are read. */
IG_MUST_CHECK enum ig_code lake_history(struct lake_table *t, int64_t limit, lake_history_fn *each, void *ctx,
                                        struct error *err);

/*
 * Appends an SQL FROM item, in parentheses, that gives the rows which changed in the versions `from` to `to`, both
 * included (LAKE_LATEST: the newest): the table's columns as they are at `to`, then _change_type (insert,
 * update_preimage, update_postimage, delete), _commit_version and _commit_timestamp. The change data feed must be on
 * (delta.enableChangeDataFeed) at each of the versions, else IG_UNSUPPORTED.
 */
IG_MUST_CHECK enum ig_code lake_add_changes(struct lake_table *t, int64_t from, int64_t to, struct buf *sql,
                                            struct error *err);

/* --- writing ----------------------------------------------------------------------------------------------- */

/* What goes along with a commit. All optional. */
struct lake_commit_options {
    const char *operation; /* commitInfo.operation; default by kind: WRITE, MERGE, ... */
    /* txn action: the commit is made only if the table's latest version for app_id is lower, else IG_EXISTS. */
    const char *app_id;
    int64_t app_version;
    /* Only on this version: IG_CONFLICT if the table has moved on. LAKE_LATEST: wherever it fits. */
    int64_t only_on_version;
    /* Columns that the table does not have are added to it, and its types are widened where the table allows that, by
     * the commit that brings the rows. Otherwise they are IG_INVALID. */
    bool merge_schema;
    const char *user_metadata; /* commitInfo.userMetadata */
    /* How often, and how long, a commit is tried while others win; 0: the defaults (many tries, 10 minutes). */
    int64_t max_tries, max_wait_ms;
};

/* What a write did. */
struct lake_result {
    int64_t version;
    int64_t rows_written;                                           /* in new files */
    int64_t rows_inserted, rows_updated, rows_deleted, rows_copied; /* of a merge */
    int64_t files_added, files_removed, bytes_added;
};

/* One column of a new table, or of an existing one. */
struct lake_column {
    /* The path of a nested one: "address.city", "items.element.sku", "prices.value.net"; parts that hold a dot or a
     * backtick are quoted in backticks. */
    const char *name;
    const char *type; /* DuckDB's or Delta's spelling, also char(n) and varchar(n); NULL: the query's */
    bool not_null;
    const char *comment;   /* NULL: none */
    const char *generated; /* GENERATED ALWAYS AS (this): an expression that Spark and DuckDB both know */
    const char *initial;   /* the DEFAULT, an expression of constants */
    bool identity;         /* GENERATED ... AS IDENTITY */
    bool by_default;       /* an identity that rows may also bring themselves */
    int64_t start, step;   /* of an identity; step 0: from 1 by 1 */
    const char *after;     /* where ALTER puts it: behind this sibling; "": first; NULL: last */
};

struct lake_property {
    const char *key, *value;
};

struct lake_create_options {
    const struct lake_column *columns; /* without a query: the table's; with one: more about its columns */
    size_t n_columns;
    const char *const *partition_by;
    size_t n_partition_by;
    const char *const *cluster_by; /* paths */
    size_t n_cluster_by;
    const struct lake_property
        *properties; /* those named delta.* are checked, and raise the protocol as far as needed */
    size_t n_properties;
    const char *comment;
};

/* Creates a table: with the columns of a query (only prepared, not run), of the options, or both. `select` or `o` may
 * be NULL. IG_EXISTS: there is one. The protocol is (1, 2) unless something asks for more. */
IG_MUST_CHECK enum ig_code lake_create_table(struct lake_table *t, const char *select,
                                             const struct lake_create_options *o, struct error *err);

/* The same with the rows of the query, which are stored as an insert's are: table and rows are one commit, so that
 * there is no table if anything fails, or the process dies. `out` may be NULL. */
IG_MUST_CHECK enum ig_code lake_create_table_as(struct lake_table *t, const char *select,
                                                const struct lake_create_options *o, struct lake_result *out,
                                                struct error *err);

/* One change of a table's metadata, one commit. */
enum lake_alter_kind {
    LAKE_SET_PROPERTIES,   /* properties */
    LAKE_UNSET_PROPERTIES, /* properties' keys; if_exists */
    LAKE_ADD_COLUMNS,      /* columns: name, type, ..., after */
    LAKE_RENAME_COLUMN,    /* column, name */
    LAKE_DROP_COLUMNS,     /* columns' names; if_exists */
    LAKE_CHANGE_TYPE,      /* columns' name and type: wider, where the table allows it (type widening) */
    LAKE_MOVE_COLUMN,      /* columns' name and after */
    LAKE_SET_NOT_NULL,     /* column: no row may be null there */
    LAKE_DROP_NOT_NULL,    /* column */
    LAKE_SET_DEFAULT,      /* column, text */
    LAKE_DROP_DEFAULT,     /* column */
    LAKE_SET_COMMENT,      /* column (NULL: the table), text (NULL: none) */
    LAKE_ADD_CONSTRAINT,   /* name, text: CHECK (text) holds for every row */
    LAKE_DROP_CONSTRAINT,  /* name; if_exists */
    LAKE_CLUSTER_BY,       /* columns' names; none: no clustering any more */
    LAKE_ADD_FEATURE,      /* name: of a table feature */
    LAKE_DROP_FEATURE,     /* name: of one that nothing in the table needs any more */
    LAKE_UPGRADE_PROTOCOL, /* reader, writer */
    LAKE_SYNC_IDENTITY,    /* column: its high water mark becomes what the rows hold */
};
struct lake_alteration {
    enum lake_alter_kind kind;
    const struct lake_column *columns;
    size_t n_columns;
    const char *column, *name, *text;
    const struct lake_property *properties;
    size_t n_properties;
    bool if_exists;
    int reader, writer;
};
/* IG_INVALID says what does not fit, IG_UNSUPPORTED names a feature. `version`, which may be NULL, becomes the new
 * version, or the old one if there was nothing to change. */
IG_MUST_CHECK enum ig_code lake_alter(struct lake_table *t, const struct lake_alteration *a, int64_t *version,
                                      struct error *err);

/* Creates the table if it is not there, with the columns of `select` (DuckDB types mapped to Delta's: schema.h;
 * TIMESTAMP is written as UTC `timestamp`). The select is only prepared, not run. An existing table must have the same
 * partition columns, and its columns are kept: new columns of the select (also within structs) are added to the schema,
 * a type whose values do not fit into the table's is IG_INVALID. Names with blanks or ,;{}()= and names that begin with
 * _ingot_ are IG_INVALID.
 *
 * The writes below take a select whose columns are the table's by name, in any order; those it lacks are null (in a
 * merge: keep their values). It is evaluated once. */
IG_MUST_CHECK enum ig_code lake_create(struct lake_table *t, const char *select, const char *const *partition_by,
                                       size_t n_partition_by, struct error *err);

IG_MUST_CHECK enum ig_code lake_append(struct lake_table *t, const char *select, const struct lake_commit_options *o,
                                       struct lake_result *out, struct error *err);

/* One commit in which the rows of the named partitions (each `n_columns` equalities; n_partitions x n_columns of them,
 * partition after partition) are exactly the select's. Rows outside of them are IG_INVALID. An empty result removes the
 * partitions. No partition named (n 0): the whole table is replaced. */
IG_MUST_CHECK enum ig_code lake_replace(struct lake_table *t, const char *select, const struct lake_partition *where,
                                        size_t n_partitions, size_t n_columns, const struct lake_commit_options *o,
                                        struct lake_result *out, struct error *err);

/* --- changing rows ------------------------------------------------------------------------------------------
 *
 * Conditions and values are SQL expressions over the table's columns, by their names or behind `alias`. A row is
 * affected where a condition is true, not where it is null. Values are stored as Delta's engines do it: numbers are
 * rounded or cut to the column's type, what does not fit is IG_INVALID and nothing is committed. A change that affects
 * no row makes no commit (out->version is then the current one). Files are written anew without the rows; in a table
 * with delta.enableDeletionVectors they stay, and a deletion vector names the rows. With delta.enableChangeDataFeed the
 * change data are written too. */

/* column = value; `column` may be a member of a struct, a.b. */
struct lake_set {
    const char *column, *value;
};

/* where NULL: every row. Files that the condition takes whole are removed without being read. */
IG_MUST_CHECK enum ig_code lake_delete(struct lake_table *t, const char *alias, const char *where,
                                       const struct lake_commit_options *o, struct lake_result *out, struct error *err);
IG_MUST_CHECK enum ig_code lake_update(struct lake_table *t, const char *alias, const struct lake_set *sets,
                                       size_t n_sets, const char *where, const struct lake_commit_options *o,
                                       struct lake_result *out, struct error *err);

enum lake_merge_when { LAKE_MATCHED, LAKE_NOT_MATCHED, LAKE_NOT_MATCHED_BY_SOURCE };
enum lake_merge_action { LAKE_UPDATE, LAKE_UPDATE_ALL, LAKE_DELETE, LAKE_INSERT, LAKE_INSERT_ALL };

/* WHEN ... [AND condition] THEN action. The _ALL ones are UPDATE SET * and INSERT *. */
struct lake_merge_clause {
    enum lake_merge_when when;
    enum lake_merge_action action;
    const char *condition; /* NULL: always */
    const struct lake_set *sets;
    size_t n_sets;
};

struct lake_merge {
    const char *select; /* the source rows */

    /* Either by clauses: of each kind the first whose condition is true decides about a row. Two source rows for one
     * row of the table are IG_INVALID, unless the one matched clause deletes without a condition. */
    const char *on; /* any condition; equalities between the two sides in it are what makes it quick */
    const char *target_alias, *source_alias;
    const struct lake_merge_clause *clauses;
    size_t n_clauses;
    bool evolve_schema; /* the _ALL actions add the source's new columns to the table */

    /* Or, with `on` NULL, by key: one source row a key, else IG_INVALID; rows that differ are updated, new ones
     * inserted. */
    const char *const *key; /* columns, null equals null */
    size_t n_key;
    /* Touch only these partitions (each n_columns equalities, partition after partition); none: the whole table. */
    const struct lake_partition *within;
    size_t n_partitions, n_columns;
    bool delete_unmatched; /* rows of `within` that the source does not have are deleted */
};

/* Only files that can hold a match are opened, and only those that hold one are touched. */
IG_MUST_CHECK enum ig_code lake_merge(struct lake_table *t, const struct lake_merge *m,
                                      const struct lake_commit_options *o, struct lake_result *out, struct error *err);

/* --- inserting and overwriting with everything that INSERT can say --- */

struct lake_insert {
    const char *select;
    const char *const *columns; /* the table's, for the select's in order; NULL: all of the table's, in order */
    size_t n_columns;
    bool by_name;       /* the select's columns are found by their names instead */
    bool evolve_schema; /* with by_name: columns that the table lacks are added to it */
    /* What goes: nothing (append), all, the rows for which `where` is true (the new ones must all be so), or the
     * partitions that the new rows are in. */
    enum lake_overwrite { LAKE_APPEND, LAKE_OVERWRITE_ALL, LAKE_OVERWRITE_WHERE, LAKE_OVERWRITE_PARTITIONS } overwrite;
    const char *where;
    bool overwrite_schema;           /* with LAKE_OVERWRITE_ALL: the table gets the select's columns */
    const char *const *partition_by; /* and is then partitioned by these */
    size_t n_partition_by;
};
IG_MUST_CHECK enum ig_code lake_insert(struct lake_table *t, const struct lake_insert *i,
                                       const struct lake_commit_options *o, struct lake_result *out, struct error *err);

/* Removes commits, checkpoints and checksums that are older than delta.logRetentionDuration and that a checkpoint
 * stands for: the table is then read from version first_version on (0: nothing was old enough). Commits do it
 * themselves, after their checkpoints, unless delta.enableExpiredLogCleanup is false. */
struct lake_cleaned {
    int64_t first_version;
    int64_t retention_ms;                           /* delta.logRetentionDuration */
    int64_t newest_expired;                         /* the newest commit that is old enough, -1 if none is */
    int64_t commits, checkpoints, sidecars, others; /* removed; with dry_run: that would be */
};
IG_MUST_CHECK enum ig_code lake_clean_log(struct lake_table *t, bool dry_run, struct lake_cleaned *out,
                                          struct error *err);

/* Writes the checkpoint of a version (commits do it themselves, every 10). */
IG_MUST_CHECK enum ig_code lake_checkpoint(struct lake_table *t, int64_t version, struct error *err);

#endif
