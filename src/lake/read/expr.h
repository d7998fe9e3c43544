/*
 * SQL expressions as trees: DuckDB's own parser makes them, so that what is taken apart here means what it means there.
 * A tree is the JSON text of json_serialize_sql.
 */
#ifndef LAKE_EXPR_H
#define LAKE_EXPR_H

#include "lake/table/schema.h"

struct expr {
    struct str tree; /* in the arena that it was parsed into */
};

/* One expression. IG_INVALID: the text is none (DuckDB's message), or more than one. */
IG_MUST_CHECK enum ig_code expr_parse(struct engine_conn *c, struct arena *a, const char *sql, struct expr *out,
                                      struct error *err);
/* The parts that all must be true: a AND b AND c. One, if it is no AND. In the arena. */
const struct expr *expr_conjuncts(struct arena *a, struct expr e, size_t *n);
/* Is it a = b (or, *null_safe, a IS NOT DISTINCT FROM b)? */
bool expr_is_equality(struct expr e, struct expr *left, struct expr *right, bool *null_safe);

/* The names of a column, outermost first: ("t", "a"). */
struct expr_name {
    const char *parts[4];
    size_t n; /* of all parts, also those that did not fit */
};
/* Is it nothing but a column? */
bool expr_is_column(struct arena *a, struct expr e, struct expr_name *out);
/* All columns in it. False if there is a subquery, a parameter or a star in it: then it may name anything. */
typedef void expr_column_fn(void *ctx, const struct expr_name *name);
bool expr_columns(struct arena *a, struct expr e, expr_column_fn *each, void *ctx);

/* The expression as SQL again, in brackets. With `alias` not NULL that is taken off the front of column names. */
IG_MUST_CHECK enum ig_code expr_add_sql(struct engine_conn *c, struct expr e, const char *alias, struct buf *out,
                                        struct error *err);

#endif
