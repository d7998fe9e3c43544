/*
 * What a predicate in SQL says about single columns: a tree of AND, OR and NOT over comparisons of a column with a
 * constant. It is not a whole SQL parser: what it does not know, or cannot take at its word, becomes "unknown", which
 * excludes nothing. So it is always safe to leave files out by it, and never right to leave out rows.
 *
 * AND, OR and NOT bind as in SQL, which is why the text can be cut at them; everything else is taken only in its plain
 * forms: column OP constant (either way round), IN, BETWEEN, IS [NOT] NULL, IS [NOT] DISTINCT FROM, LIKE 'prefix%',
 * a boolean column alone; constants are numbers, texts, DATE/TIMESTAMP/TIMESTAMPTZ '...', casts of a text to those,
 * true, false and NULL.
 */
#ifndef LAKE_PREDICATE_H
#define LAKE_PREDICATE_H

#include "lake/lake_internal.h"

enum predicate_kind {
    PREDICATE_UNKNOWN,
    PREDICATE_AND,
    PREDICATE_OR,
    PREDICATE_NOT,
    PREDICATE_LESS,
    PREDICATE_LESS_EQ,
    PREDICATE_GREATER,
    PREDICATE_GREATER_EQ,
    PREDICATE_EQ,
    PREDICATE_IN,   /* any of a list */
    PREDICATE_SAME, /* IS NOT DISTINCT FROM */
    PREDICATE_PREFIX,
    PREDICATE_IS_NULL,
};

enum predicate_constant_kind {
    PREDICATE_NULL,
    PREDICATE_BOOLEAN,
    PREDICATE_INTEGER,
    PREDICATE_NUMBER,
    PREDICATE_TEXT, /* a literal: it takes the type of what it is compared with */
    PREDICATE_VARCHAR,
    PREDICATE_DATE,
    PREDICATE_TIMESTAMP,
    PREDICATE_TIMESTAMPTZ,
};

struct predicate_constant {
    enum predicate_constant_kind kind;
    int64_t integer; /* and boolean */
    double number;
    struct str text; /* NUL-terminated */
};

/* The constants of a list, sorted as values of the column (prune.c). */
struct predicate_values;
const struct predicate_values *predicate_sort_values(struct arena *a, const struct schema_type *type,
                                                     const struct predicate_constant *constants, size_t n);

struct predicate {
    enum predicate_kind kind;
    const struct predicate *left, *right; /* of AND and OR; NOT has the left one */
    /* Of a comparison: the column, or a member of a struct. `path` are the fields on the way, the last one is it. */
    const struct schema_field *const *path;
    size_t n_path;
    size_t partition; /* which partition column it is; SIZE_MAX: none */
    struct predicate_constant constant;
    const struct predicate_values *values; /* of PREDICATE_IN, instead of the constant */
};

/* Never NULL; everything is in the arena. `sql` is an expression as in WHERE. */
const struct predicate *predicate_parse(struct arena *a, const struct lake_snapshot *s, const char *sql);

/* What the predicate can be for the rows of a file: a set of these. */
enum { PREDICATE_MAY_BE_TRUE = 1, PREDICATE_MAY_BE_FALSE = 2, PREDICATE_MAY_BE_NULL = 4 };
/* By partition values and statistics. `scratch` is for the statistics' text. */
unsigned predicate_outcomes(const struct predicate *p, const struct lake_entry *e, struct buf *scratch);
/* The same with the statistics given: a JSON object, or nothing. */
unsigned predicate_outcomes_of_stats(const struct predicate *p, const struct lake_entry *e, struct str stats);

#endif
