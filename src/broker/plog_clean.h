/*
 * Compaction: of each key only the newest record stays, in its place and with its offset; a tombstone (a record
 * without a value) goes, too, some time after it was first seen here.
 *
 * The keys of what is dirty (not compacted yet) are put into a map of bounded size. Then all closed segments up to
 * there are copied, a few at a time into one, without the records that have a newer one. The copy replaces them in one
 * step (plog_swap_finish), so that at any time either they or it are there.
 *
 * As in Kafka, the last batch of each live producer stays, if need be without records, so that its sequence numbers are
 * known when the log is read; records of aborted transactions go; a marker goes some time after the last record of its
 * transaction has gone.
 *
 * The work is done in steps: plog_clean_run on any thread, plog_clean_apply by the log's owner behind it, until that
 * says so.
 */
#ifndef BROKER_PLOG_CLEAN_H
#define BROKER_PLOG_CLEAN_H

#include "broker/plog.h"

struct plog_clean_rules {
    int64_t delete_retention_ms, min_lag_ms, max_lag_ms;
    double min_dirty; /* the part of the bytes that must be dirty to begin */
    int64_t segment_bytes;
    size_t map_bytes;
    int64_t bytes_per_s; /* 0: no limit */
    /* Makes durable how far logs are durable: an older word of that would name bytes that are gone. Any thread. */
    enum ig_code (*before_swap)(void *ctx, struct error *err);
    void *ctx;
};

struct plog_clean;

/* How much it is needed: the part that is dirty, above 1 if something waits too long; negative if there is nothing that
 * can or should be done. */
double plog_clean_need(const struct plog *log, const struct plog_clean_rules *rules, int64_t now_ms);
/* The log keeps all its segments until plog_clean_end. */
struct plog_clean *plog_clean_begin(struct plog *log, const struct plog_clean_rules *rules, int64_t now_ms);
IG_MUST_CHECK enum ig_code plog_clean_run(struct plog_clean *c, struct error *err);
/* True when all is done. */
bool plog_clean_apply(struct plog *log, struct plog_clean *c);
/* Run soon fails with IG_CANCELLED. From any thread. */
void plog_clean_cancel(struct plog_clean *c);
/* Frees it; after an error of run, too, and the log may be NULL if it is gone. */
void plog_clean_end(struct plog *log, struct plog_clean *c, struct plog_gone *gone);

#endif
