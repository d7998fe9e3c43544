/*
 * One run of bronze -> silver over a partition, in steps. Private to stage/.
 *
 * A record's text is read twice, and never kept in between: the first pass asks only who it is and whether it is good
 * (temporary table ingot_seen: a narrow row a record), from which the rows that do not become silver are found
 * (ingot_out: their numbers); the second pass reads, casts and writes the rest straight into the table. So nothing wide
 * is ever sorted, joined or spilled.
 *
 * A record's number (rid) is its place in the list of files and in its file.
 */
#ifndef STAGE_SILVER_H
#define STAGE_SILVER_H

#include "stage/tables.h"

struct silver_run {
    const struct stage_context *x;
    const struct conf_domain *d;
    int32_t date;
    char date_text[16];
    struct engine_conn *c;
    struct buf bronze;  /* a FROM item: rid and the columns of bronze */
    struct buf path;    /* silver's table */
    char read_name[96]; /* the contract's SQL functions */
    char whoami_name[96];
    bool again;        /* an attempt before this one may have sent letters and not have come to say so */
    int64_t n_winners; /* rows that silver will have of this partition */
    struct stage_silver_result *result;
};

/* --- silver_plan.c: which records become rows --------------------------------------------------------- */

IG_MUST_CHECK enum ig_code silver_bronze(struct silver_run *s, const char *const *files, size_t n, struct error *err);
/* First pass: fills ingot_seen, ingot_bad (rejected records, each once) and ingot_out, and the result's counts. */
IG_MUST_CHECK enum ig_code silver_judge(struct silver_run *s, struct error *err);
/* Second pass: the view `input`, and the SELECT (appended) that gives the partition's rows. */
IG_MUST_CHECK enum ig_code silver_rows(struct silver_run *s, struct buf *select, struct error *err);
/* Finds the bronze file that can not be read and names it; otherwise gives back `rc` as it was. */
IG_MUST_CHECK enum ig_code silver_blame(struct silver_run *s, const char *const *files, size_t n, enum ig_code rc,
                                        struct error *err);

/* --- silver_reject.c: quarantine and DLQ ---------------------------------------------------------------- */

/* Sends the rejected records that are new to the DLQ, then replaces the partition of the quarantine table. */
IG_MUST_CHECK enum ig_code silver_quarantine(struct silver_run *s, struct error *err);

/* --- silver_unique.c: keys that are unique in the whole table ------------------------------------------- */

/* Compares with the rows of other partitions: who loses here goes to ingot_out, who loses there to ingot_beaten
 * (date, coordinates); the dates go to the result. *version is the table's, as compared; -1 if there is none. */
IG_MUST_CHECK enum ig_code silver_compare(struct silver_run *s, int64_t *version, struct error *err);
/* Appends " UNION ALL BY NAME ..." for what is left of the touched partitions. */
IG_MUST_CHECK enum ig_code silver_add_touched(struct silver_run *s, int64_t version, struct buf *select,
                                              struct error *err);

#endif
