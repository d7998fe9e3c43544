/*
 * The expressions in a table's metadata (CHECK constraints, invariants, generated columns, defaults) are in Spark's
 * SQL. Here they become the engine's, with the same meaning: what has none there, or another one, is refused by name,
 * so that no row is let in, or computed, that Spark would see differently. Time zone is UTC.
 *
 * Differences that are covered: backticks and backslashes, "text" in double quotes, ==, <=> and !, DIV, casts of
 * fractions to integers (Spark cuts, the engine rounds), concat() of nulls, substring() from 0, days of the week,
 * patterns of date_format, 0-based lists, division by zero (null), texts beside numbers, floats beside decimals, what $
 * and . match, ...
 */
#ifndef LAKE_EXPRESSION_H
#define LAKE_EXPRESSION_H

#include "lake/table/schema.h"

/* Appends the expression over `columns` (a struct; may be empty) as SQL in parentheses. IG_UNSUPPORTED names what we do
 * not know, IG_INVALID a column that is not there or where it cannot be read. */
IG_MUST_CHECK enum ig_code lake_translate(struct engine_conn *c, const struct schema_type *columns,
                                          const char *expression, struct buf *sql, struct error *err);

/* The same for a condition: IG_INVALID if it is not a boolean. */
IG_MUST_CHECK enum ig_code lake_translate_condition(struct engine_conn *c, const struct schema_type *columns,
                                                    const char *expression, struct buf *sql, struct error *err);
/* Is there the name in the expression, as a word of its own? */
bool lake_mentions(const char *expression, const char *name);

/* Appends CAST(value AS the type `to`), as Spark stores it; `from` is the value's type, or NULL. */
void lake_add_stored_value(struct buf *sql, const struct schema_type *to, const struct schema_type *from,
                           const char *value);
/* Appends the text of a double or float as Java writes it. */
void lake_add_fraction_text(struct buf *sql, const char *value);

/* --- between expression.c, spark_functions.c and spark_operators.c ------------------------------------------ */

struct translation {
    struct arena arena;
    struct engine_conn *conn;
    const struct schema_type *columns;
    struct error *err;
    enum ig_code rc; /* the first failure sticks */
};

/* Records a failure; gives "NULL". */
const char *lake_cannot_translate(struct translation *x, const char *fmt, ...) IG_PRINTF(2, 3);
/* The type of a translated part; NULL, with a failure, if the engine cannot make sense of it. */
const struct schema_type *lake_type_of(struct translation *x, const char *sql);
/* The function of this name (any case) over translated arguments. */
const char *lake_translate_call(struct translation *x, const char *name, const char **args, size_t n);
/* CAST(sql AS type) as Spark does it. */
const char *lake_translate_cast(struct translation *x, const char *sql, const struct schema_type *to);
/* left + right and the like; sign is the engine's. */
const char *lake_translate_arithmetic(struct translation *x, const char *sign, const char *left, const char *right);
/* left = right and the like. */
const char *lake_translate_comparison(struct translation *x, const char *sign, const char *left, const char *right);
/* The item of an IN or BETWEEN behind `left`, if the engine compares the two as Spark does. */
const char *lake_translate_member(struct translation *x, const char *left, const char *item);
/* A regular expression of Java (an SQL literal) as the engine's. */
const char *lake_translate_pattern(struct translation *x, const char *sql);
/* What an SQL literal in quotes says; NULL if it is none. */
const char *lake_literal_text(struct arena *a, const char *sql);

#endif
