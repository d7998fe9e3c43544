/*
 * What the files of lake/ share: the state of a table, how the log makes it, and what a commit is made of.
 */
#ifndef LAKE_LAKE_INTERNAL_H
#define LAKE_LAKE_INTERNAL_H

#include "lake/lake.h"
#include "lake/log/entry.h"
#include "lake/table/schema.h"

#include <stdatomic.h>

#define LAKE_LOG_DIR "_delta_log"
#define LAKE_CHECKPOINT_EVERY 10
#define LAKE_TOMBSTONE_KEEP_MS (INT64_C(7) * 24 * 60 * 60 * 1000)
#define LAKE_WHY_GONE "(a vacuum removes files that no version within the retention needs)"
#define LAKE_COMMIT_MAX_BYTES ((size_t)1 << 30)

struct lake_table {
    struct store *store;
    struct engine_conn *conn;
    char *path;                   /* relative to the store; empty for its root */
    struct lake_snapshot *cached; /* the newest that was read; commits are added to it instead of reading all again */
    unsigned next_temp;           /* numbers the temporary tables */
};

/* Memory that snapshots share: the text of a commit or a checkpoint and what points into it. */
struct lake_chunk {
    atomic_int refs;
    struct arena arena;
};

struct lake_txn {
    struct str app_id;
    int64_t version, last_updated;
    int64_t touched_in;
};

struct lake_domain {
    struct str name, raw; /* the whole action */
    bool removed;
    int64_t touched_in;
};

struct lake_metadata {
    struct str raw;       /* the action's object; none before a metaData was seen */
    int64_t from_version; /* that it was read from, LAKE_REPLAY_CHECKPOINT: a checkpoint */
    const char *id;
    const char *schema_string;
    const struct schema_type *schema;
    const char **partition_columns;
    size_t n_partition_columns;
    const struct schema_field **partition_fields;
    struct lake_property *properties;
    size_t n_properties;
};

struct lake_protocol {
    struct str raw; /* the action's object; none before a protocol was seen */
    int64_t reader, writer;
    const char **reader_features, **writer_features;
    size_t n_reader_features, n_writer_features;
};

struct lake_snapshot {
    atomic_int refs;
    struct store *store;
    char *table_path;
    int64_t version;
    int64_t commit_time_ms;
    int64_t opened_ms;                    /* when the log was last seen to end with it; monotonic */
    int64_t in_commit_ms;                 /* inCommitTimestamp of the newest commit that was read, -1 for none */
    int64_t log_mtime_ms, log_size_bytes; /* of the version's commit file: is it still the same table? -1: not there */
    int n_extensions;                     /* how often it was copied and gone on with since it was read whole */
    VEC(struct lake_chunk *) chunks;
    struct arena *arena; /* of the newest chunk: for what is derived from the actions */
    VEC(struct lake_entry) entries;
    uint32_t *slots; /* hash table over entries: index + 1 */
    size_t n_slots;
    size_t n_live;
    VEC(struct lake_txn) txns;
    VEC(struct lake_domain) domains;
    struct lake_metadata metadata;
    struct lake_protocol protocol;
};

/* --- names (uri.c) ----------------------------------------------------------------------------------------- */

/* "TABLE/_delta_log/00000000000000000007" + suffix. */
void lake_add_log_name(struct buf *out, const char *table_path, int64_t version, const char *suffix);
/* "TABLE/NAME" as an object's name in the store. */
void lake_add_object_name(struct buf *out, const char *table_path, struct str name);
/* Percent-encoding as add.path has it, and back. False if it is not well-formed. */
void lake_add_uri(struct buf *out, struct str path);
bool lake_decode_uri(struct str uri, struct buf *out);
/* Where this process reads what the log calls `path` (decoded): relative to the table, absolute (/..., file:...), or
 * with a store's URL. Remote objects are brought to the cache. */
IG_MUST_CHECK enum ig_code lake_local_path(struct store *st, const char *table_path, struct str path, struct buf *out,
                                           struct error *err);
/* "column=value" as a folder's name, escaped as Hive does; value NULL is null. */
void lake_add_hive_part(struct buf *out, const char *column, const char *value);

/* --- absolute names, sets of names (names.c) --------------------------------------------------------------- */

/* "/a", "file:///a", "s3://b/a": not relative to the table. */
bool lake_is_absolute(struct str name);
/* Where the table is: "/data/lake/orders", "s3://bucket/lake/orders". */
void lake_add_location(const struct lake_table *t, struct buf *out);
/* If the absolute name is of a file within the table: its relative one. */
bool lake_relative_name(const struct lake_table *t, struct str name, struct buf *out);

struct lake_names {
    struct arena arena;
    struct str *slots;
    size_t n, n_slots;
};
void lake_names_add(struct lake_names *set, struct str name);
bool lake_names_has(const struct lake_names *set, struct str name);
void lake_names_free(struct lake_names *set);

/* The file that a deletion vector's descriptor names, relative to the table or absolute; nothing for one within it. */
IG_MUST_CHECK enum ig_code lake_dv_file(struct str descriptor, struct buf *name, struct error *err);

/* Opens the folder of absolute names as a store, with the table's way of access where it is of the same kind. */
IG_MUST_CHECK enum ig_code lake_open_elsewhere(const struct lake_table *t, const char *folder, struct store **out,
                                               struct error *err);

/* --- are files there? (presence.c) --- */

struct lake_presence_object {
    struct str name;
    int64_t size_bytes;
};
struct lake_presence {
    struct lake_table *t;
    struct arena arena;
    VEC(struct lake_presence_object) objects;
    bool listed;
    size_t skip;
    struct store *elsewhere;
    char *elsewhere_url;
    int64_t size_bytes; /* of the file that was asked for last */
};
enum lake_presence_state { LAKE_FILE_THERE, LAKE_FILE_MISSING, LAKE_FILE_OTHER_SIZE };
/* `many`: the table's folder is listed once, now. lake_presence_close is fine after a failure. */
IG_MUST_CHECK enum ig_code lake_presence_open(struct lake_presence *p, struct lake_table *t, bool many,
                                              struct error *err);
void lake_presence_close(struct lake_presence *p);
/* `name`, with a NUL behind it, as the log has it, decoded; size -1: any. */
IG_MUST_CHECK enum ig_code lake_presence_of(struct lake_presence *p, struct str name, int64_t size,
                                            enum lake_presence_state *out, struct error *err);

/* IG_NOT_FOUND if files of the snapshot are gone: how many, and the first one. */
IG_MUST_CHECK enum ig_code lake_check_present(struct lake_table *t, const struct lake_snapshot *s, struct error *err);

/* IG_EXISTS if there is a table. */
IG_MUST_CHECK enum ig_code lake_check_free(struct lake_table *t, struct error *err);

/* Is the file not the table's data: hidden, the log, an index? Change data and partitions' folders are not hidden. */
bool lake_is_hidden(const struct lake_snapshot *s, struct str name);

/* --- the log (log.c) --------------------------------------------------------------------------------------- */

enum lake_checkpoint_kind { LAKE_CHECKPOINT_CLASSIC, LAKE_CHECKPOINT_PARTS, LAKE_CHECKPOINT_V2 };

struct lake_log_commit {
    int64_t version, mtime_ms, size_bytes;
    bool has_checksum; /* VERSION.crc is there */
};

struct lake_log_compacted {
    int64_t from, to;
    char *name; /* the object's */
};

struct lake_log_checkpoint {
    int64_t version;
    enum lake_checkpoint_kind kind;
    int64_t part, n_parts;
    char *name; /* the object's */
};

struct lake_log {
    VEC(struct lake_log_commit) commits;         /* by version */
    VEC(struct lake_log_checkpoint) checkpoints; /* by version, parts in order */
    VEC(struct lake_log_compacted) compacted;
    char *empty_checkpoint; /* the newest file of a checkpoint that has no bytes, which does not count; or NULL */
    int64_t listed_from;    /* older versions were not looked at */
};

/* What is there of the versions from `from` on. */
IG_MUST_CHECK enum ig_code lake_log_list_from(struct store *st, const char *table_path, int64_t from,
                                              struct lake_log *log, struct error *err);
IG_MUST_CHECK enum ig_code lake_log_list(struct store *st, const char *table_path, struct lake_log *log,
                                         struct error *err);
void lake_log_free(struct lake_log *log);
/* The time of each commit in log->commits, by its file; each later than the one before. The caller free()s it. */
int64_t *lake_log_times(const struct lake_log *log);
/* A commit's own timestamp. IG_CORRUPT if it has none. */
IG_MUST_CHECK enum ig_code lake_in_commit_time(struct store *st, const char *table_path, int64_t version, int64_t *ms,
                                               struct error *err);
/* The oldest version that the log still gives whole, -1 if none. */
int64_t lake_log_first_readable(const struct lake_log *log);
/* Is the checkpoint that begins at log->checkpoints.p[i] whole? */
bool lake_log_checkpoint_is_whole(const struct lake_log *log, size_t i);
/* NULL if the version's commit file is not there. */
const struct lake_log_commit *lake_log_commit_of(const struct lake_log *log, int64_t version);
/* The newest version that the log knows, -1 if it is empty. */
int64_t lake_log_latest(const struct lake_log *log);

/* --- from the log to a snapshot (replay.c, checkpoint_read.c, snapshot.c) ---------------------------------- */

struct lake_snapshot *lake_snapshot_new(struct store *st, const char *table_path);
/* A copy to go on with: shares all text. */
struct lake_snapshot *lake_snapshot_copy(const struct lake_snapshot *s);
struct lake_snapshot *lake_snapshot_ref(struct lake_snapshot *s);
/* Forgets all that was applied. */
void lake_snapshot_clear(struct lake_snapshot *s);
/* The snapshot from one checkpoint of the log (log->checkpoints.n: none, from the first commit) and the commits behind
 * it, whatever else there is. */
IG_MUST_CHECK enum ig_code lake_snapshot_build(struct lake_table *t, const struct lake_log *log, size_t checkpoint,
                                               int64_t version, struct lake_snapshot **out, struct error *err);
/* The newest snapshot, from the table's cache where that is still true. */
IG_MUST_CHECK enum ig_code lake_snapshot_latest(struct lake_table *t, struct lake_snapshot **out, struct error *err);

struct lake_actions;

/* A chunk that the snapshot will release. */
struct lake_chunk *lake_chunk_new(struct lake_snapshot *s);
/* One version (or a whole checkpoint, LAKE_REPLAY_CHECKPOINT) that is being applied: what it says twice is IG_CORRUPT.
 * The actions' texts live in a chunk of the snapshot. */
#define LAKE_REPLAY_CHECKPOINT (-1)
struct lake_replay {
    struct lake_snapshot *s;
    int64_t version;
    bool compacted; /* of a range of versions: files that came and went in it are named only as removed */
    bool has_metadata, has_protocol;
    VEC(uint32_t) replaced; /* entries that have to be gone at the end */
};
void lake_replay_begin(struct lake_replay *r, struct lake_snapshot *s, int64_t version);
/* Makes room for about so many files. */
void lake_replay_expect(struct lake_replay *r, size_t n);
IG_MUST_CHECK enum ig_code lake_replay_actions(struct lake_replay *r, const struct lake_actions *actions,
                                               struct error *err);
/* Always to be called, also after an error. */
IG_MUST_CHECK enum ig_code lake_replay_end(struct lake_replay *r, struct error *err);
/* All of that for a commit's text. IG_CORRUPT names the line. */
IG_MUST_CHECK enum ig_code lake_replay_text(struct lake_snapshot *s, struct lake_chunk *chunk, struct str text,
                                            int64_t version, struct error *err);
/* Interprets protocol and metadata once all is applied. IG_UNSUPPORTED names a reader feature. */
IG_MUST_CHECK enum ig_code lake_replay_finish(struct lake_snapshot *s, struct error *err);
/* All parts of the checkpoint at log->checkpoints.p[first]. */
IG_MUST_CHECK enum ig_code lake_checkpoint_read(struct lake_snapshot *s, struct engine_conn *c,
                                                const struct lake_log *log, size_t first, struct error *err);

/* The live file of this name and deletion vector (dv_id none: without one), NULL if there is none. */
const struct lake_entry *lake_snapshot_find(const struct lake_snapshot *s, struct str name, struct str dv_id);

/* The entry as those outside of the lake are told of it. */
void lake_entry_describe(const struct lake_entry *e, struct lake_file *f);
/* The table's domain metadata of this name, NULL if there is none (any more). */
const struct lake_domain *lake_domain_find(const struct lake_snapshot *s, struct str name);
const char *lake_property(const struct lake_snapshot *s, const char *key, const char *otherwise);
bool lake_has_feature(const char *const *features, size_t n, const char *name);
/* Has the entry all of the partition values? */
bool lake_entry_matches(const struct lake_snapshot *s, const struct lake_entry *e, const struct lake_partition *only,
                        size_t n);
/* Are two partition values the same for a column of this type? NULL is null. */
bool lake_value_eq(const struct schema_type *type, const char *a, const char *b);
/* IG_INVALID if a column named by a partition is none of the table's partition columns. */
IG_MUST_CHECK enum ig_code lake_check_partitions(const struct lake_snapshot *s, const struct lake_partition *only,
                                                 size_t n, struct error *err);

/* The logical names of the clustering columns (dots between the parts of a nested one), in the arena. */
const char *const *lake_clustering_columns(const struct lake_snapshot *s, struct arena *a, size_t *n);

/* --- scans (scan.c) ---------------------------------------------------------------------------------------- */

/* Columns of these names would be taken for ours in the queries that we make. */
#define LAKE_OWN_PREFIX "_ingot_"
/* A path as an SQL literal that read_parquet does not take for a pattern. */
void lake_add_path_literal(struct buf *sql, struct str path);
/* Where the engine finds the entry's file. */
IG_MUST_CHECK enum ig_code lake_entry_path(const struct lake_snapshot *s, const struct lake_entry *e, struct buf *out,
                                           struct error *err);
#define LAKE_FILE_COLUMN "_ingot_file"
#define LAKE_ROW_COLUMN "_ingot_row"
/* A FROM item over some entries of the snapshot (scan->only is not looked at). `scan` may be NULL. */
IG_MUST_CHECK enum ig_code lake_add_scan_of(const struct lake_snapshot *s, const struct lake_entry *const *entries,
                                            size_t n, const struct lake_scan *scan, struct buf *sql, struct error *err);

/* --- writing data files (write.c, stats.c) ----------------------------------------------------------------- */

struct lake_new_file {
    char *name; /* relative to the table, decoded; or a whole URL (of a clone, or what was converted in place) */
    char **values;
    size_t n_values;
    int64_t size_bytes, rows, modified_ms;
    char *stats;
    /* What most files do not have, NULL: */
    char *tags;                /* JSON object of strings */
    char *clustering_provider; /* only for files that we clustered */
    /* Another table's file under this name: what is not said above (partition values, statistics, tags, row ids) is as
     * it says; its deletion vector is `dv`, a JSON object. */
    const struct lake_entry *like;
    char *dv;
};

/* A file that is written, but has no name in the table yet. */
struct lake_unnamed {
    size_t file; /* in the list */
    char *scratch;
};

struct lake_new_files {
    VEC(struct lake_new_file) list;
    int64_t rows, bytes;
    int64_t
        target_bytes;   /* asked for: a file ends when it has about so many bytes; 0: as the table says; -1: one file */
    char *metadata;     /* the metaData's object that must go along: identity columns took values. NULL: none */
    int64_t group_rows; /* asked for with it: rows of a row group, behind which a file can end; 0: the engine's */
    bool later;         /* asked for: the writer need not wait for the disk, lake_new_files_put() does */
    VEC(struct lake_unnamed) unnamed;
};

/* Writes the rows of a query, which has the table's columns by name (some may be missing: they get their defaults, are
 * generated, or null), to files that are durable when this returns, but in no commit yet. All that the table asks of
 * its rows is checked (rules.h): IG_INVALID names the rule and a row. With `single` all rows must be of that partition
 * (one value a partition column), which is checked: IG_INVALID. */
IG_MUST_CHECK enum ig_code lake_write_files(struct lake_table *t, const struct lake_snapshot *s, const char *select,
                                            const char *const *single, struct lake_new_files *out, struct error *err);
/* The same for rows of which some were in the table before: values of generated and identity columns are as given, and
 * made where they are null or the query lacks the column. In a table that keeps row ids (row_ids.h) the query has a
 * scan's columns of them too, here and below. */
IG_MUST_CHECK enum ig_code lake_rewrite_files(struct lake_table *t, const struct lake_snapshot *s, const char *select,
                                              const char *const *single, struct lake_new_files *out, struct error *err);
/* The same for rows of the table that only go to other files: nothing is checked again. */
IG_MUST_CHECK enum ig_code lake_move_rows(struct lake_table *t, const struct lake_snapshot *s, const char *select,
                                          const char *const *single, struct lake_new_files *out, struct error *err);
/* Can the table take a query's columns? IG_INVALID names the one that it cannot. */
IG_MUST_CHECK enum ig_code lake_check_columns(const struct lake_snapshot *s, const struct schema_type *have,
                                              struct error *err);
/* The same for change data: the query has a column _change_type besides the table's. The files are in _change_data/. */
IG_MUST_CHECK enum ig_code lake_write_change_data(struct lake_table *t, const struct lake_snapshot *s,
                                                  const char *select, struct lake_new_files *out, struct error *err);
/* The query of an insert's rows: its select's columns under the table's names, cast as assignments are. */
IG_MUST_CHECK enum ig_code lake_add_assigned_rows(struct arena *a, struct engine_conn *c, const struct lake_snapshot *s,
                                                  const struct lake_insert *i, struct buf *sql, struct error *err);
/* Makes durable what was written with `later`, all but the last `keep` files. */
IG_MUST_CHECK enum ig_code lake_new_files_put(struct lake_table *t, struct lake_new_files *files, size_t keep,
                                              struct error *err);
void lake_new_files_free(struct lake_new_files *files);
/* Removes files that no commit took. */
void lake_new_files_discard(struct lake_table *t, const struct lake_new_files *files);

/* `statistics` is the JSON of COPY's column_statistics. */
void lake_add_stats(struct buf *out, const struct lake_snapshot *s, int64_t rows, struct str statistics);

/* One column of COPY's statistics; texts unescaped in the arena, NULL where not given. */
struct lake_column_stats {
    const char *key; /* "a"."b" */
    const char *min, *max;
    int64_t null_count, has_nan;
};
struct lake_column_stats *lake_parse_statistics(struct arena *a, struct str json, size_t *n);
const struct lake_column_stats *lake_find_statistics(const struct lake_column_stats *all, size_t n, const char *key);

/* A partition value as the log spells it; NULL for null and for the empty text. The caller free()s it. */
char *lake_log_value(const struct schema_type *type, const char *text);
/* An SQL constant of the type; NULL is null. */
void lake_add_constant(struct buf *sql, const struct schema_type *type, const char *value);
/* If the equalities name every partition column: their values in the table's order, in the arena; else NULL. */
const char *const *lake_whole_partition(const struct lake_snapshot *s, struct arena *a,
                                        const struct lake_partition *where, size_t n);

/* --- commits (commit.c) ------------------------------------------------------------------------------------ */

/* What a commit depends on: if others add rows there before it is made, or remove files that it has read, it would be
 * another one. */
enum lake_read_scope {
    LAKE_READ_NOTHING,    /* a blind append */
    LAKE_READ_PARTITIONS, /* the rows of `partitions` */
    LAKE_READ_WHERE,      /* the rows that `read_where` is true for */
    LAKE_READ_ALL
};

/* A live file that gets another deletion vector: its old entry is removed and the file added again. */
struct lake_readd {
    const struct lake_entry *entry;
    const char *dv; /* the descriptor as a JSON object, NULL: none any more */
    int64_t rows;   /* numRecords: the file's, deleted ones included */
    bool tight;     /* do minimum and maximum hold for the rows that are left? */
};

/* A live file that is added again to get row ids: it has none, and so many rows (deleted ones included). */
struct lake_backfill {
    const struct lake_entry *entry;
    int64_t rows;
};

/*
 * What a commit is made of. One commit may not add and remove the same (path, deletion vector), nor name a path twice:
 * its maker sees to that. Row ids, the in-commit timestamp and the commit's version are filled in at each try.
 */
struct lake_change {
    const struct lake_snapshot *base;   /* what it was made from; NULL: the table is created */
    const struct lake_snapshot *shape;  /* whose partition columns the new files' values are of; NULL: base */
    const struct lake_new_files *added; /* may be NULL */
    const struct lake_entry *const *removed;
    size_t n_removed;
    const struct lake_readd *readds;
    size_t n_readds;
    const struct lake_entry *const *restored; /* of any snapshot: added again as they were (RESTORE) */
    size_t n_restored;
    const int64_t *restored_rows; /* of those files, for fresh row ids; NULL: as their statistics say */
    const struct lake_backfill *backfills;
    size_t n_backfills;
    const struct lake_new_files *change_data; /* files of rows with _change_type, in _change_data/; may be NULL */
    bool no_data_change;                      /* the same rows as before, in other files (OPTIMIZE): dataChange false */
    const char *protocol, *metadata;          /* the actions' objects, NULL: unchanged */
    const char *const *domains;               /* domainMetadata objects */
    size_t n_domains;
    /* What it has read, for the conflict rules (conflict.c). */
    enum lake_read_scope scope;
    const struct lake_partition *partitions; /* of LAKE_READ_PARTITIONS: n_partitions x n_columns */
    size_t n_partitions, n_columns;
    const char *read_where; /* of LAKE_READ_WHERE: an SQL predicate on the table's columns */
    /* The files whose rows it has read; NULL: all live files of the base in the scope. What it removes or adds again is
     * checked in any case. */
    const struct lake_entry *const *read;
    size_t n_read;
    const char *operation;
    const char *parameters; /* JSON object of strings */
    const char *metrics;    /* JSON object of strings */
    const struct lake_commit_options *options;
};

/* Was the options' application version committed already (IG_EXISTS), or has the table moved on (IG_CONFLICT)? */
IG_MUST_CHECK enum ig_code lake_check_options(const struct lake_snapshot *s, const struct lake_commit_options *o,
                                              struct error *err);
/* Commits a change with its new files, if `rc` says that all went well up to here and there is something to commit;
 * else *version is the base's. Files that no commit took are removed. */
IG_MUST_CHECK enum ig_code lake_finish_change(struct lake_table *t, struct lake_change *change,
                                              struct lake_new_files *files, enum ig_code rc, int64_t *version,
                                              struct error *err);
/* The checkpoint of a snapshot (checkpoint.c). */
IG_MUST_CHECK enum ig_code lake_checkpoint_write(struct lake_table *t, const struct lake_snapshot *s,
                                                 struct error *err);

/* What one try of a commit adds to the change. */
struct lake_attempt {
    struct lake_table *t;
    const struct lake_change *change;
    int64_t version, now_ms;
    int64_t in_commit_ms; /* -1: the table has no in-commit timestamps */
    int64_t row_high;     /* row tracking: the high water mark before this commit, -2: the table has no row ids */
    bool keeps_row_ids;   /* they are turned on: rows that were written anew have kept theirs */
    bool metadata_moved;  /* a commit since the base has a metaData that did not matter to this one */
    char id[37];
};

/* The commit's actions, one a line (change_text.c). */
IG_MUST_CHECK enum ig_code lake_add_commit_text(const struct lake_attempt *a, struct buf *out, struct error *err);
/* The metadata that the change sets, as its version of the log has it. */
void lake_add_new_metadata(const struct lake_attempt *a, struct buf *out);

/* Writes the version's checksum beside the commit that was made (checksum.c); what fails there harms nobody. */
void lake_checksum_put(const struct lake_attempt *a);
/* lake_clean_log as commits call it: if the table wants it, and there is something old. */
IG_MUST_CHECK enum ig_code lake_clean_log_if_due(struct lake_table *t, const struct lake_snapshot *s,
                                                 struct error *err);

/* "interval 7 days" and the like. */
int64_t lake_interval_ms(const struct lake_snapshot *s, const char *property, int64_t otherwise_ms);
/* How long the log is kept at least (delta.logRetentionDuration). */
int64_t lake_log_retention_ms(const struct lake_snapshot *s);

/* ["a","b"] */
void lake_add_name_list(struct buf *out, const char *const *names, size_t n);
IG_MUST_CHECK enum ig_code lake_commit(struct lake_table *t, const struct lake_change *change, int64_t *version,
                                       struct error *err);
/* The first commit of a table. IG_EXISTS: somebody was quicker. */
IG_MUST_CHECK enum ig_code lake_commit_first(struct lake_table *t, const struct lake_change *change, int64_t *version,
                                             struct error *err);

#endif
