/*
 * What DELETE, UPDATE, MERGE and overwriting have in common.
 *
 * A change of rows is made in three steps, each a file:
 *   - plan (dml_plan.c): the clauses are checked against the table and the source, and become SQL;
 *   - find (dml_find.c): files that can not hold an affected row are left out; the others are scanned, only the columns
 *     that the conditions need, into the table of changes: (file, row, source row, clause), one for each affected row;
 *   - apply (dml_apply.c): files that hold one are written anew, or get a deletion vector; new rows are written, change
 *     data if the table wants them, and one commit takes it all.
 * Memory is the engine's, which spills: nothing here grows with the table but its list of files.
 */
#ifndef LAKE_DML_H
#define LAKE_DML_H

#include "lake/lake_internal.h"
#include "lake/read/dv.h"
#include "lake/read/expr.h"
#include "lake/table/features.h"
#include "lake/table/metadata.h"

/* The table of changes: the file's index, the row's position in it, the source's row, the clause's index (NULL: a match
 * that no clause takes). */
#define DML_FILE "_ingot_cf"
#define DML_ROW "_ingot_cr"
#define DML_ID "_ingot_ci"
#define DML_CLAUSE "_ingot_cc"

struct dml_clause {
    enum lake_merge_when when;
    enum lake_merge_action action; /* LAKE_UPDATE, LAKE_DELETE or LAKE_INSERT */
    const char *condition;         /* NULL: always */
    /* One a column of the schema that is written, cast to its type; NULL: it keeps its value, or an insert has none. */
    const char **values;
    bool needs_row;   /* do the values look at the table's row? */
    bool may_move;    /* may the row get another partition? */
    const char *said; /* the condition as it was given */
    bool all;         /* an _ALL action */
    int64_t rows;     /* that it affects */
};

/* target column = an expression of the source */
struct dml_key {
    const struct schema_field *field;
    const char *value;  /* SQL over the source's alias */
    const char *column; /* the source's column, if the expression is no more than that */
    bool null_safe;
};

struct dml_touched {
    const struct lake_entry *entry;
    int64_t affected, updated; /* rows; updated ones are among the affected */
};

struct dml {
    struct lake_table *t;
    struct lake_snapshot *s;         /* what the change is made from */
    struct lake_snapshot *to;        /* the same with the schema that is written */
    const char *metadata, *protocol; /* actions that go along, NULL: none */
    const char *const *domains;
    size_t n_domains;
    const struct lake_commit_options *options;
    struct arena arena;
    const char *target, *source;        /* aliases */
    char source_table[48], changes[48]; /* temporary tables */
    const struct schema_type *have;     /* the source's columns; NULL: there is no source */
    const char *source_id;              /* a source row's number */
    struct dml_clause *clauses;
    size_t n_clauses;
    const char *on;    /* SQL of a merge's condition */
    const char *where; /* what a row of the table must be for a change, without an alias; NULL: anything */
    VEC(struct dml_key) keys;
    VEC(const struct lake_entry *) files; /* that may hold an affected row */
    VEC(struct dml_touched) touched;      /* that do */
    bool whole_files;                     /* the files go without being looked into */
    bool reads_all;                       /* rows besides those of `where` were looked at */
    bool repeats;                         /* a row may be in the changes more than once */
    const struct lake_partition *within;  /* only rows of these partitions */
    size_t n_partitions, n_columns;
    const char *const *single; /* the partition that new rows are in, if there is just one */
    const char *insert_where;  /* which source rows are new, as SQL; NULL: none are inserted */
    /* what was done */
    int64_t source_rows, inserted_rows, updated_rows, deleted_rows, copied_rows;
    int64_t scan_ms, rewrite_ms, started_ms;
    int64_t vectors_added, vectors_removed, bytes_removed, files_removed, change_files;
};

/* --- life (dml.c) ------------------------------------------------------------------------------------------ */

IG_MUST_CHECK enum ig_code dml_open(struct dml *d, struct lake_table *t, const struct lake_commit_options *o,
                                    struct error *err);
/* Drops the temporary tables too. */
void dml_close(struct dml *d);
/* From here on rows are written with this metadata; the draft is finished, and its texts live as long as `d`. */
IG_MUST_CHECK enum ig_code dml_become(struct dml *d, const struct lake_draft *draft, struct error *err);
/* WITH SCHEMA EVOLUTION: columns that only the source has and that a clause takes are added to the table. */
IG_MUST_CHECK enum ig_code dml_evolve(struct dml *d, const struct lake_merge_clause *clauses, size_t n,
                                      struct error *err);
/* The source, evaluated once. d->have and d->source_id are known then, and d->source_rows. */
IG_MUST_CHECK enum ig_code dml_load_source(struct dml *d, const char *select, struct error *err);
bool dml_is_partition_column(const struct lake_snapshot *s, const struct schema_field *f);

/* --- plan (dml_plan.c) ------------------------------------------------------------------------------------- */

/* FROM items of no rows, with the columns of the table and of the source: to see types. */
IG_MUST_CHECK enum ig_code dml_add_shape(const struct dml *d, bool target, bool source, struct buf *sql,
                                         struct error *err);
/* Fills `out` from a clause; `when` says what its expressions may name. */
IG_MUST_CHECK enum ig_code dml_plan_clause(struct dml *d, const struct lake_merge_clause *clause, bool lenient,
                                           struct dml_clause *out, struct error *err);
/* Takes a merge's condition apart: d->on, d->keys, d->where. */
IG_MUST_CHECK enum ig_code dml_plan_condition(struct dml *d, const char *on, struct error *err);
/* Is it a condition over the table alone? Its columns are then all partition columns, or not. */
IG_MUST_CHECK enum ig_code dml_check_where(struct dml *d, const char *where, bool *partitions_only, struct error *err);
/* Can a value of this type be stored in such a column at all? */
bool dml_can_assign(const struct schema_type *to, const struct schema_type *from);
enum ig_code dml_refuse_type(const struct schema_field *f, const struct schema_type *from, struct error *err);

/* --- find (dml_find.c, dml_prune.c) ------------------------------------------------------------------------ */

/* The live files that `within` does not exclude. */
void dml_all_files(struct dml *d);
/* Leaves those of d->files whose partition values satisfy a condition over partition columns only. */
IG_MUST_CHECK enum ig_code dml_prune_by_partitions(struct dml *d, const char *where, struct error *err);
/* Leaves those that can hold a row whose keys the source has. */
IG_MUST_CHECK enum ig_code dml_prune_by_keys(struct dml *d, struct error *err);
/* The changes of a DELETE or UPDATE: clause 0 where the condition is true. */
IG_MUST_CHECK enum ig_code dml_find_rows(struct dml *d, const char *where, struct error *err);
/* The changes of a MERGE. */
IG_MUST_CHECK enum ig_code dml_find_matches(struct dml *d, struct error *err);
/* Counts the changes into d->touched and the clauses. */
IG_MUST_CHECK enum ig_code dml_count_changes(struct dml *d, struct error *err);
/* Which clause of a kind is a row's? SQL, an index or NULL. False if there is none of the kind. */
bool dml_add_clause_case(const struct dml *d, enum lake_merge_when when, struct buf *sql);

/* --- the rows, as SQL (dml_rows.c) -------------------------------------------------------------------------- */

/* These files under the target's alias, with the numbers of file and row; those that can hold a row of `where`. */
IG_MUST_CHECK enum ig_code dml_add_target(const struct dml *d, const struct lake_entry *const *entries, size_t n,
                                          const char *where, bool row_ids, struct buf *sql, struct error *err);
/* The rows that these files have, as if they were entries of d->s: copies with other deletion vectors, say. */
IG_MUST_CHECK enum ig_code dml_add_unchanged(const struct dml *d, const struct lake_entry *const *entries, size_t n,
                                             struct buf *sql, struct error *err);
/* The updated rows of these files, as they are then. */
IG_MUST_CHECK enum ig_code dml_add_updated(const struct dml *d, const struct lake_entry *const *entries, size_t n,
                                           struct buf *sql, struct error *err);
/* The rows that one clause inserts: only the columns that it has values for. */
IG_MUST_CHECK enum ig_code dml_add_inserted(const struct dml *d, size_t clause, struct buf *sql, struct error *err);
/* The affected rows of the touched files as they were, with _change_type. */
IG_MUST_CHECK enum ig_code dml_add_before(const struct dml *d, struct buf *sql, struct error *err);

/* --- apply (dml_apply.c) ----------------------------------------------------------------------------------- */

struct dml_texts {
    const char *operation, *parameters; /* commitInfo */
    void (*add_metrics)(const struct dml *d, const struct lake_new_files *files, struct buf *out);
};
IG_MUST_CHECK enum ig_code dml_apply(struct dml *d, const struct dml_texts *texts, struct lake_result *out,
                                     struct error *err);

#endif
