/*
 * What the table-building hops (silver, gold) share: a user's SQL text as a part of ours, temporary views of Delta
 * tables. Private to stage/.
 */
#ifndef STAGE_TABLES_H
#define STAGE_TABLES_H

#include "stage/stage.h"

/* A SELECT of a user's file without the semicolons and white space behind it, so that it can stand in parentheses. */
struct str tables_trim_sql(const char *sql);

/* Is the word, as a whole identifier, somewhere in the text? (Comments and strings count too: it is only asked to
 * save the opening of tables that nobody reads.) */
bool tables_mentions(const char *sql, const char *word);

/* A Delta table at its latest version, opened once for any number of views of it. */
struct tables_source {
    struct lake_table *table;
    struct lake_snapshot *snapshot;
};
/* IG_NOT_FOUND if there is no table. */
IG_MUST_CHECK enum ig_code tables_source_open(const struct stage_context *x, struct engine_conn *c, const char *path,
                                              struct tables_source *out, struct error *err);
/* Makes the temporary view `name`; `date` not DATE_NONE: of that partition only. It stays good after a close. */
IG_MUST_CHECK enum ig_code tables_source_view(const struct tables_source *t, struct engine_conn *c, const char *name,
                                              const char *date_column, int32_t date, struct error *err);
void tables_source_close(struct tables_source *t); /* zeroed is fine */

/* All three at once; `version` (may be NULL) gets the version that the view shows. */
IG_MUST_CHECK enum ig_code tables_view(const struct stage_context *x, struct engine_conn *c, const char *path,
                                       const char *name, const char *date_column, int32_t date, int64_t *version,
                                       struct error *err);

/* Appends SQL's list of the paths of a domain's bronze files (of the date; all with DATE_NONE), and to `names`, unless
 * that is NULL, their names in the store, one a line. */
IG_MUST_CHECK enum ig_code tables_add_bronze_files(const struct stage_context *x, const struct conf_domain *d,
                                                   int32_t date, struct buf *list, struct buf *names, size_t *n,
                                                   struct error *err);

/* Does the SELECT give these columns? IG_INVALID names the first that it does not; `who` is in front of the message,
 * `why` behind. */
IG_MUST_CHECK enum ig_code tables_need_columns(struct engine_conn *c, const char *select, const char *const *columns,
                                               size_t n, const char *who, const char *why, struct error *err);

/* gold.c: what a gold table's rows (of the partition, unless it is computed over all dates) are to be, computed from
 * silver as it is now, in the temporary view GOLD_FRESH of the connection. IG_NOT_FOUND without a silver table. */
#define GOLD_FRESH "ingot_gold"
IG_MUST_CHECK enum ig_code gold_fresh(const struct stage_context *x, struct engine_conn *c, const struct conf_domain *d,
                                      const struct conf_gold *t, int32_t date, struct error *err);

#endif
