/*
 * How tables change: what create.c and alter.c share, and schema evolution for writes.
 */
#ifndef LAKE_ALTER_H
#define LAKE_ALTER_H

#include "lake/table/metadata.h"

/* --- columns (columns.c) ----------------------------------------------------------------------------------- */

/* A definition as a field: its type by text (or `type`, if it names none), its metadata by what it says. */
IG_MUST_CHECK enum ig_code lake_field_of(struct arena *a, struct engine_conn *c, const struct lake_column *column,
                                         const struct schema_type *type, struct schema_field *out, struct error *err);
/* Names that Spark and others refuse without column mapping, ours, and two that differ in case only. */
IG_MUST_CHECK enum ig_code lake_check_names(const struct schema_type *type, bool mapped, struct error *err);
/* Can all that the columns' metadata say be evaluated? Generated ones may not build on each other. */
IG_MUST_CHECK enum ig_code lake_check_expressions(struct arena *a, struct engine_conn *c,
                                                  const struct schema_type *schema, struct error *err);
/* A path's parts: a.`b.c`.element. */
IG_MUST_CHECK enum ig_code lake_path_of(struct arena *a, const char *text, const char ***parts, size_t *n,
                                        struct error *err);
/* "a, b.`c,d`": the paths, in the arena. */
const char *const *lake_list_of(struct arena *a, const char *list, size_t *n);
void lake_add_path(struct buf *out, const char *const *parts, size_t n);
/* Can we write a table with all features that the draft needs? */
IG_MUST_CHECK enum ig_code lake_check_draft(const struct lake_draft *d, struct error *err);
/* The domainMetadata of clustering by these columns (paths of the draft's finished schema; none: no more). */
IG_MUST_CHECK enum ig_code lake_draft_cluster(struct lake_draft *d, const char *const *columns, size_t n,
                                              struct error *err);
IG_MUST_CHECK enum ig_code lake_check_partition_columns(const struct schema_type *schema, const char *const *names,
                                                        size_t n, struct error *err);

/* --- alterations (alter.c, alter_columns.c) ---------------------------------------------------------------- */

struct alter {
    struct lake_table *t;
    const struct lake_snapshot *s;
    const struct lake_alteration *a;
    struct lake_draft d;
    struct arena *arena;
    const char *operation;
    struct buf parameters; /* the members of operationParameters, without brackets */
    VEC(struct lake_backfill) backfills;
    const char *protocol; /* with fewer features than before; NULL: as the draft has it */
    bool undisturbed;     /* nobody's commit may come between */
    bool reads_rows;      /* what it decides depends on all rows */
    bool cluster;
    const char **cluster_by; /* with `cluster`: by these, once the draft is finished */
    size_t n_cluster_by;
};
IG_MUST_CHECK enum ig_code lake_alter_columns(struct alter *x, struct error *err);
IG_MUST_CHECK enum ig_code lake_alter_rename(struct alter *x, struct error *err);
IG_MUST_CHECK enum ig_code lake_alter_nullable(struct alter *x, struct error *err);
IG_MUST_CHECK enum ig_code lake_alter_column_text(struct alter *x, struct error *err);
IG_MUST_CHECK enum ig_code lake_alter_drop_feature(struct alter *x, struct error *err);
/* Once the draft is finished: if it turns row tracking on, x->backfills are the files that have no row ids yet. */
IG_MUST_CHECK enum ig_code lake_alter_row_ids(struct alter *x, struct error *err);
/* "name":"text", with a comma before it if it is not the first. */
void lake_alter_parameter(struct alter *x, const char *name, const char *text);

/* --- evolution (evolve.c) ---------------------------------------------------------------------------------- */

/* May values of the one type become the other's by type widening? */
bool lake_can_widen(const struct schema_type *from, const struct schema_type *to);
/* The field with another type, its change noted in the metadata where the type is not nested in a struct of its own;
 * IG_INVALID if it cannot be widened so. */
IG_MUST_CHECK enum ig_code lake_widen_field(struct arena *a, struct schema_field *f, const struct schema_type *to,
                                            struct error *err);

struct lake_evolution {
    struct lake_snapshot *to;        /* the table as it then is; its own if nothing changes */
    const char *metadata, *protocol; /* for the commit; NULL: unchanged. In the arena. */
};
/* The table with the columns that a query has more, and types widened if it allows that. `replace`: with the query's
 * columns instead (the whole table being overwritten); what stays by name keeps its metadata. Free out->to. */
IG_MUST_CHECK enum ig_code lake_evolve(struct arena *a, struct env *env, const struct lake_snapshot *s,
                                       const struct schema_type *have, bool replace, struct lake_evolution *out,
                                       struct error *err);

#endif
