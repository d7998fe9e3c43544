/*
 * Statements that change a Delta table, in `ingot query`:
 *
 *   INSERT [WITH SCHEMA EVOLUTION] INTO delta('PATH') [BY NAME | (columns)] [REPLACE WHERE condition] query
 *   INSERT OVERWRITE delta('PATH') [PARTITION (columns)] [BY NAME | (columns)] query
 *   DELETE FROM delta('PATH') [[AS] name] [WHERE condition]
 *   UPDATE delta('PATH') [[AS] name] SET column = value, ... [WHERE condition]
 *   MERGE [WITH SCHEMA EVOLUTION] INTO delta('PATH') [[AS] name] USING source [[AS] name] ON condition WHEN ...
 *   CREATE [OR REPLACE] TABLE [IF NOT EXISTS] delta('PATH') [(columns)] [PARTITIONED BY (...)] [CLUSTER BY (...)]
 *       [COMMENT 'text'] [TBLPROPERTIES (...)] [AS query]
 *   ALTER TABLE delta('PATH') ...
 *   TRUNCATE [TABLE] delta('PATH')
 *   OPTIMIZE delta('PATH') [FULL] [WHERE condition] [ZORDER BY (columns)]
 *   REORG TABLE delta('PATH') [WHERE condition] APPLY (PURGE)
 *   VACUUM delta('PATH') [LITE | FULL] [RETAIN n HOURS] [DRY RUN]
 *   RESTORE [TABLE] delta('PATH') TO VERSION AS OF n | TIMESTAMP AS OF 't'
 *   DESCRIBE HISTORY delta('PATH') [LIMIT n]      DESCRIBE DETAIL delta('PATH')
 *   CREATE TABLE [IF NOT EXISTS] delta('PATH') SHALLOW | DEEP CLONE delta('PATH') [VERSION AS OF n | TIMESTAMP AS OF
 * 't']
 *
 * in Spark's spelling and the standard's. What stands between their words is SQL as DuckDB reads it.
 */
#ifndef CLI_QUERY_DML_H
#define CLI_QUERY_DML_H

#include "cli/query_sql.h"
#include "lake/lake.h"

enum query_change_kind {
    QUERY_INSERT,
    QUERY_DELETE,
    QUERY_UPDATE,
    QUERY_MERGE,
    QUERY_CREATE,
    QUERY_ALTER,
    QUERY_TRUNCATE,
    /* Those that answer with rows (query_work.h): */
    QUERY_OPTIMIZE,
    QUERY_VACUUM,
    QUERY_RESTORE,
    QUERY_CLONE,
    QUERY_HISTORY,
    QUERY_DETAIL
};

/* What they say. */
struct query_upkeep {
    bool full, purge, lite, dry_run, deep;
    int64_t retention_ms; /* -1: the table's */
    int64_t limit;        /* of a history; 0: all of it */
    int64_t version;      /* to go to, or to clone; or the one of a time */
    const char *time;     /* NULL: the version is said */
    int64_t time_us;
    const char *source; /* the place of the table that is cloned */
};

/* A piece of the user's text that went into the change: to say where a mistake is. */
struct query_piece {
    const char *text; /* as it is given to the lake */
    size_t from;      /* where it stands in the whole text */
};

struct query_change {
    enum query_change_kind kind;
    const char *place; /* of the table */
    const char *alias;
    const char *where;
    VEC(struct lake_set) sets;
    struct lake_merge merge;
    VEC(struct lake_merge_clause) clauses;
    struct lake_insert insert;
    VEC(const char *) columns; /* of an insert */
    /* CREATE */
    bool if_not_exists, or_replace;
    const char *query; /* AS query */
    VEC(struct lake_column) definitions;
    VEC(const char *) partition_by;
    VEC(const char *) cluster_by;
    VEC(struct lake_property) properties;
    const char *comment;
    /* ALTER */
    struct lake_alteration alteration;
    struct query_upkeep upkeep;
    bool default_values; /* INSERT ... DEFAULT VALUES */
    const char *with;    /* "WITH a AS (...)" that stood before the statement; NULL: none */
    VEC(struct query_piece) pieces;
};

/* Does the statement change a Delta table? *target is then where its delta( stands. */
bool query_changes_table(struct str text, size_t from, size_t to, size_t *target);

/* Reads statement `i` of the text, which is such a one. Everything is in the text's arena, but the lists
 * (query_change_free). IG_INVALID says what is wrong at which line and column. */
IG_MUST_CHECK enum ig_code query_change_read(const struct query_text *text, size_t i, struct query_change *out,
                                             struct error *err);
void query_change_free(struct query_change *c);

/* Where in the text is what the message of an error quotes? Appends "line L, column C: ", or nothing. */
void query_change_add_place(const struct query_text *text, const struct query_change *c, const char *message,
                            struct buf *out);

#endif
