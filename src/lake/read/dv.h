/*
 * Deletion vectors: which rows of a data file are deleted, as sorted 64-bit row numbers. In memory and on disk they are
 * Roaring bitmaps; on disk in the portable 64-bit format that Delta's protocol names, with every length checked.
 *
 * A vector is one thread's while it is changed; any number may look.
 */
#ifndef LAKE_DV_H
#define LAKE_DV_H

#include "lake/lake.h"

struct lake_dv;

struct lake_dv *lake_dv_new(void);
void lake_dv_free(struct lake_dv *dv); /* NULL is fine */
/* False if the row was there already. Rows in ascending order are cheapest. */
bool lake_dv_add(struct lake_dv *dv, uint64_t row);
void lake_dv_add_all(struct lake_dv *dv, const struct lake_dv *other);
bool lake_dv_has(const struct lake_dv *dv, uint64_t row);
uint64_t lake_dv_count(const struct lake_dv *dv);
/* The greatest row; 0 if there is none. */
uint64_t lake_dv_last(const struct lake_dv *dv);

/* live[i] = (is rows[i] not deleted?), for rows that are mostly in order. */
void lake_dv_mark_live(const struct lake_dv *dv, const int64_t *rows, size_t n, bool *live);

/* The bytes of a bitmap with its magic number, from and to. IG_CORRUPT says what is wrong. */
IG_MUST_CHECK enum ig_code lake_dv_decode(struct str bytes, struct lake_dv **out, struct error *err);
void lake_dv_encode(const struct lake_dv *dv, struct buf *out);

/* The vector that a descriptor (the JSON object in an add or remove action) names: within it, in a file of the table,
 * or in one with an absolute path. Size, checksum and cardinality are checked. Errors name the file. */
IG_MUST_CHECK enum ig_code lake_dv_read(struct store *st, const char *table_path, struct str descriptor,
                                        struct lake_dv **out, struct error *err);

/* The same in two steps: the first checks the vector and appends a descriptor of where this process finds it, a JSON
 * object; the second reads it again by that. `n_rows`: of the data file; a vector that names a row behind them is
 * IG_CORRUPT. */
IG_MUST_CHECK enum ig_code lake_dv_locate(struct store *st, const char *table_path, struct str descriptor,
                                          int64_t n_rows, struct buf *located, struct error *err);
IG_MUST_CHECK enum ig_code lake_dv_read_located(struct env *env, struct str located, struct lake_dv **out,
                                                struct error *err);

/* Appends a descriptor that holds the vector itself: for a scan that leaves out rows which no file of the table names.
 */
void lake_dv_add_inline(const struct lake_dv *dv, struct buf *out);
/* Writes vectors to one new file of the table, durable when this returns. descriptors[i] is the JSON object for dvs[i]
 * (in the arena), *name the file's name relative to the table, to remove it if no commit takes it. n > 0, and no vector
 * is empty. */
IG_MUST_CHECK enum ig_code lake_dv_write(struct lake_table *t, const struct lake_dv *const *dvs, size_t n,
                                         struct arena *a, const char **descriptors, const char **name,
                                         struct error *err);

/* --- in scans (dv_scan.c) ---------------------------------------------------------------------------------- */

/* Makes the function that scans of tables with deletion vectors call known to the connection's engine. Opening a
 * lake_table does it; others who run a scan's SQL elsewhere do it themselves. */
/* And LAKE_OPAQUE, which gives back the FLOAT or DOUBLE that it is given: the engine does not look through it, so that
 * it does not believe bounds of the column. */
#define LAKE_OPAQUE "_ingot_opaque"
IG_MUST_CHECK enum ig_code lake_dv_register(struct engine_conn *c, struct error *err);

struct lake_entry;
/* Appends " WHERE <the row is live>" for the FROM item f with the columns file_index (the file's place in `entries`,
 * which have `n_rows`) and file_row_number. Each vector is read once here, so that a broken one is found before
 * anything runs. */
IG_MUST_CHECK enum ig_code lake_dv_add_condition(const struct lake_snapshot *s, const struct lake_entry *const *entries,
                                                 const int64_t *n_rows, size_t n, struct buf *sql, struct error *err);

#endif
