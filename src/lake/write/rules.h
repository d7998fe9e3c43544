/*
 * What the rows of a table must be, and what becomes of a query's rows before they are stored: columns that it lacks
 * get their default, their generated value or the next identity; then NOT NULL, CHECK constraints, invariants,
 * generated values and the lengths of char and varchar are checked, row by row while they are written. A row that
 * breaks a rule ends the write; the error names the rule, the table and the row.
 */
#ifndef LAKE_RULES_H
#define LAKE_RULES_H

#include "lake/lake_internal.h"

/* Whose rows are they? */
enum lake_rows {
    LAKE_ROWS_GIVEN, /* the user's: an identity that is ALWAYS generated may not be among the columns */
    /* Some were in the table before (UPDATE, MERGE, OPTIMIZE): the query has all columns, generated ones and identities
     * are given by the row or, where they are null, made. */
    LAKE_ROWS_KEPT,
    LAKE_ROWS_MOVED,   /* the table's as they are (OPTIMIZE): nothing is made or checked */
    LAKE_ROWS_CHANGES, /* change data: the same; the query has _change_type too */
};

struct lake_identity {
    const struct schema_field *field;
    int64_t start, step, high;
    bool has_high, by_default;
    int64_t next; /* the first value of this write */
    bool made;    /* does this write make values? */
    bool has_extreme;
    int64_t extreme; /* the furthest value written, in the direction of the step */
};

struct lake_rule {
    const char *sql;  /* true for a good row */
    const char *what; /* "the constraint positive (id > 0)" */
};

struct lake_rules {
    VEC(struct lake_rule) list;
    const char **generated; /* one a column of the schema: the expression as SQL, NULL: not generated */
    const char **initial;   /* the default as SQL, NULL: none */
    struct lake_identity *identities;
    size_t n_identities;
    bool any_generated;
    const char *extra; /* columns that the table does not have and that go along, as a part of a list; NULL: none */
    struct arena *arena;
};

/* Everything lives in the arena, which must outlive the rules, but the list. IG_UNSUPPORTED names an expression that we
 * cannot evaluate. */
IG_MUST_CHECK enum ig_code lake_rules_load(struct arena *a, struct engine_conn *c, const struct lake_snapshot *s,
                                           struct lake_rules *out, struct error *err);
void lake_rules_free(struct lake_rules *rules);

/* Appends the query that gives the rows as they are stored, under the table's names in its order. `have` are the
 * select's columns. */
IG_MUST_CHECK enum ig_code lake_add_stored_rows(struct lake_rules *rules, const struct lake_snapshot *s,
                                                const struct schema_type *have, const char *select,
                                                enum lake_rows whose, struct buf *sql, struct error *err);
/* A file was written: COPY's statistics of it. */
void lake_rules_saw(struct lake_rules *rules, struct str statistics);
/* Identities that were made move their high water mark: out->metadata is then the metaData of the commit. */
IG_MUST_CHECK enum ig_code lake_rules_metadata(const struct lake_rules *rules, const struct lake_snapshot *s,
                                               enum lake_rows whose, struct lake_new_files *out, struct error *err);
/* If the error says that a row broke a rule: says which. */
enum ig_code lake_rules_explain(const struct lake_rules *rules, const char *table, enum ig_code rc, struct error *err);

/* What a row that lacks the column gets, as SQL: its default, or NULL (where it is then made, if it is generated or an
 * identity). For MERGE's and INSERT's rows that go through LAKE_ROWS_KEPT. */
IG_MUST_CHECK enum ig_code lake_add_absent_value(struct engine_conn *c, const struct schema_field *f, struct buf *sql,
                                                 struct error *err);
/* Is the column generated from others (SET in an UPDATE then leaves it null, to be made again)? */
bool lake_is_generated(const struct schema_field *f);
bool lake_is_identity(const struct schema_field *f);

/* Checks one expression against the table's rows: IG_INVALID with an example if one is not true. */
IG_MUST_CHECK enum ig_code lake_check_rows(struct lake_table *t, const struct lake_snapshot *s, const char *sql,
                                           const char *what, struct error *err);
/* Is there a null in a column (a path within the schema's types) that must not be? As SQL: true for a good row. */
void lake_add_not_null(struct buf *sql, const struct schema_field *f);
/* The CHECK constraints: name and expression of each property delta.constraints.NAME. */
const char *lake_constraint_name(const struct lake_property *p);

/* --- identities (identity.c) ------------------------------------------------------------------------------- */

IG_MUST_CHECK enum ig_code lake_identity_load(const struct schema_field *f, struct lake_identity *out,
                                              struct error *err);
struct lake_identity *lake_identity_of(struct lake_rules *rules, const struct schema_field *f);
/* The column's value as SQL. */
IG_MUST_CHECK enum ig_code lake_identity_add(struct lake_identity *id, bool given, enum lake_rows whose,
                                             struct buf *sql, struct error *err);
/* The high water mark once `seen` is in the table; false if it stays. */
bool lake_identity_high(const struct lake_identity *id, int64_t seen, int64_t *high);

#endif
