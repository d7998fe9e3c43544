/*
 * The ledger's inside. Every hop becomes a temporary table of one shape on the ledger's own connection: topic, part,
 * off, and the two halves lo, hi of the record's MD5 (base/hash.h says over what). Counts and fingerprints are sums
 * over such a table, differences are joins of two.
 */
#ifndef STAGE_AUDIT_H
#define STAGE_AUDIT_H

#include "stage/stage.h"
#include "stage/topic.h"

#define AUDIT_META_PATH "metadata/partition_meta"
#define AUDIT_SAMPLES 10 /* of each kind of difference */

/* What was found about a gold table over all dates, for the next date. */
struct audited_table {
    bool done;
    struct stage_gold_audit result;
    enum stage_verdict verdict;
};

struct stage_ledger {
    const struct stage_context *x;
    const struct conf_domain *d;
    struct stage_ledger_options o;
    struct engine_conn *c;
    struct contract *contract;
    struct buf topic; /* its name as an SQL literal */
    bool has_log;     /* tables audit_log, audit_dlq and audit_bounds are filled */
    struct topic_bounds bounds;
    int64_t dlq_low;             /* first offset that the DLQ still has: above 0, retention has removed some */
    struct audited_table *whole; /* gold tables over all dates: looked at once, one a gold table of the domain */
};

/* The row of partition_meta, as far as the ledger needs it. */
struct audit_meta {
    char status[24];
    char mark[96];        /* changes whenever the row does */
    struct buf files;     /* names that the last run processed, sorted, one a line */
    struct buf error;     /* why it failed, "" if it did not */
    int64_t processed_ms; /* when it was done last */
};

/* --- audit_log.c ----------------------------------------------------------------------------------------------- */

/* Fills audit_log(date, part, off, lo, hi) and audit_dlq(stage, topic, part, off, lo, hi). */
IG_MUST_CHECK enum ig_code audit_read_log(struct stage_ledger *l, struct error *err);

/* --- audit_hops.c ---------------------------------------------------------------------------------------------- */

IG_MUST_CHECK enum ig_code audit_hops(struct stage_ledger *l, int32_t date, const struct audit_meta *meta,
                                      struct stage_audit *a, struct error *err);
/* The whole topic against all of bronze. */
IG_MUST_CHECK enum ig_code audit_topic(struct stage_ledger *l, struct stage_audit *a, struct error *err);

/* --- audit_gold.c ---------------------------------------------------------------------------------------------- */

/* Gold tables against silver, the warehouse against gold. */
IG_MUST_CHECK enum ig_code audit_gold(struct stage_ledger *l, int32_t date, const struct audit_meta *meta,
                                      struct stage_audit *a, struct error *err);

/* --- audit.c: for the other two -------------------------------------------------------------------------------- */

IG_MUST_CHECK enum ig_code audit_execf(struct stage_ledger *l, struct error *err, const char *fmt, ...) IG_PRINTF(3, 4);
IG_MUST_CHECK enum ig_code audit_int64(struct stage_ledger *l, int64_t *out, struct error *err, const char *fmt, ...)
    IG_PRINTF(4, 5);
/* Adds a hop's count and fingerprint, from a table of the shape above. */
IG_MUST_CHECK enum ig_code audit_count(struct stage_ledger *l, struct stage_audit *a, const char *hop,
                                       const char *table, struct error *err);
const struct fingerprint *audit_fingerprint(const struct stage_audit *a, const char *hop);
/* A line of differences: the sentence with %lld for the number of rows of `from` (a FROM clause over topic, part, off),
 * and the first of them. Nothing if there are none. */
IG_MUST_CHECK enum ig_code audit_differ(struct stage_ledger *l, struct stage_audit *a, const char *sentence,
                                        const char *from, struct error *err);
/* The same as a note: on the way, not wrong. */
IG_MUST_CHECK enum ig_code audit_open(struct stage_ledger *l, struct stage_audit *a, const char *sentence,
                                      const char *from, struct error *err);
void audit_note(struct stage_audit *a, enum stage_verdict at_least, const char *fmt, ...) IG_PRINTF(3, 4);

/* Appends the FROM item of a Delta table (of one partition, unless date is DATE_NONE); false in *there if there is no
 * such table. `version` may be NULL. */
IG_MUST_CHECK enum ig_code audit_scan(struct stage_ledger *l, const char *path, int32_t date, struct buf *from,
                                      bool *there, int64_t *version, struct error *err);

#endif
