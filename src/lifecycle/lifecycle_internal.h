/*
 * What the files of lifecycle/ share: the table partition_meta, and what bronze holds.
 */
#ifndef LIFECYCLE_LIFECYCLE_INTERNAL_H
#define LIFECYCLE_LIFECYCLE_INTERNAL_H

#include "lifecycle/lifecycle.h"

#define LIFECYCLE_META_PATH "metadata/partition_meta"

/* --- meta.c: rows of partition_meta --- */

struct meta {
    struct store *store;
    struct engine_conn *conn;
    struct lake_table *table;
    bool exists; /* the table is known to be there */
};
IG_MUST_CHECK enum ig_code meta_open(struct meta *m, const struct stage_context *x, struct error *err);
void meta_close(struct meta *m);
/* All rows into `out`, whose arena the texts are copied to. */
IG_MUST_CHECK enum ig_code meta_read(struct meta *m, struct lifecycle_rows *out, struct error *err);
/* One commit that inserts or updates the rows named. */
IG_MUST_CHECK enum ig_code meta_write(struct meta *m, struct lifecycle_row *const *rows, size_t n, struct error *err);

/* --- discover.c: what bronze holds --- */

struct bronze_partition {
    int32_t date;
    const char *const *files; /* sorted names */
    size_t n_files;
    char file_hash[33];
};
struct bronze_partitions {
    VEC(struct bronze_partition) list; /* by date */
};
/* The partitions of one domain; texts are put into `a`. */
IG_MUST_CHECK enum ig_code bronze_discover(const struct stage_context *x, const struct conf_domain *d, struct arena *a,
                                           struct bronze_partitions *out, struct error *err);
void bronze_partitions_free(struct bronze_partitions *p);

/* --- compact.c --- */

/* Joins the small files of a domain's tables, where there are many. What fails is a line of the log and no failure of
 * the run. */
void compact_domain(const struct stage_context *x, const struct conf_domain *d, const volatile bool *stop);

#endif
