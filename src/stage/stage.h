/*
 * The hops between the log and the warehouse. Bronze is a sink that runs all the time; silver, gold and load are each
 * one function over (domain, partition date), idempotent: running one again gives the same tables.
 */
#ifndef STAGE_STAGE_H
#define STAGE_STAGE_H

#include "base/base.h"
#include "conf/conf.h"
#include "engine/engine.h"
#include "lake/lake.h"
#include "log/log.h"
#include "quality/quality.h"
#include "store/store.h"
#include "warehouse/warehouse.h"

/* What the stages work with; owned by platform/. */
struct stage_context {
    struct env *env;
    const struct conf *conf;
    struct store *store;
    struct engine *engine;
    struct log_client *log;
    struct warehouse *warehouse; /* NULL: none configured */
};

/* Where things are, for those who look: names relative to the store. */
void stage_bronze_prefix(const struct conf_domain *d, int32_t date,
                         struct buf *out);                                /* bronze/orders/order_date=.../ */
void stage_silver_path(const struct conf_domain *d, struct buf *out);     /* silver/orders */
void stage_quarantine_path(const struct conf_domain *d, struct buf *out); /* quarantine/orders */
void stage_gold_path(const struct conf_domain *d, const struct conf_gold *g, struct buf *out);

/* --- log -> bronze -------------------------------------------------------------------------------------- */

#define STAGE_SINK_GROUP "s3-sink-consumer"

/*
 * The sink: one consumer of group STAGE_SINK_GROUP over the topics of all domains. Records are buffered by (domain,
 * date) and written as bronze/{domain}/{date_column}=YYYY-MM-DD/part-{ts}-{uuid8}.parquet when a domain has
 * flush_records or its oldest record waited flush_ms; offsets are committed only after every object with
 * records below them is durable. Columns: _value (the record's bytes as text), _key, _topic, _partition, _offset,
 * _timestamp, _ingested_at, _headers. What can not be dated goes to the DLQ, acknowledged before the offsets are.
 */
struct stage_sink;
struct stage_sink_progress {
    int64_t records, bytes, files, dead_letters;
    bool failed;
    struct error error;
};
IG_MUST_CHECK enum ig_code stage_sink_start(const struct stage_context *x, struct stage_sink **out, struct error *err);
void stage_sink_progress(struct stage_sink *s, struct stage_sink_progress *out);
/* Waits until everything that is in the log now is in bronze (flushing early) and committed. */
IG_MUST_CHECK enum ig_code stage_sink_drain(struct stage_sink *s, int64_t limit_ms, struct error *err);
/* Flushes, commits, stops, frees. */
IG_MUST_CHECK enum ig_code stage_sink_stop(struct stage_sink *s, struct error *err);

/* --- bronze -> silver ------------------------------------------------------------------------------------ */

struct stage_silver_result {
    int64_t bronze_rows;     /* in the files */
    int64_t bronze_distinct; /* by (topic, partition, offset) */
    int64_t silver_rows;
    int64_t duplicates;  /* distinct records that a row in silver stands for */
    int64_t quarantined; /* rejected by the contract: in quarantine/{domain} and, each once, in the DLQ */
    int64_t silver_version;
    int32_t *touched_dates; /* other partitions that changed too (unique: table); free() */
    size_t n_touched_dates;
    int64_t withdrawn; /* rows that silver had of this partition (unique: table), and whose records are refused now:
                        * whom they beat in other partitions is to be looked at again */
};
/* `files` are names of bronze objects, all of the partition's. `again`: an attempt before this one did not come to its
 * end, so it is looked up which dead letters it has sent. */
IG_MUST_CHECK enum ig_code stage_silver(const struct stage_context *x, const struct conf_domain *d, int32_t date,
                                        const char *const *files, size_t n_files, bool again,
                                        struct stage_silver_result *out, struct error *err);

/* --- silver -> gold -> warehouse --------------------------------------------------------------------------- */

/* Every gold table of the domain for `n` dates, each table in one commit, then the domain's checks (tests/) for each
 * date: a check that returns rows is IG_INVALID and names itself and its first row. rows[i]: of dates[i], summed over
 * the tables; a table over all dates is computed once, and counts for each. */
IG_MUST_CHECK enum ig_code stage_gold(const struct stage_context *x, const struct conf_domain *d, const int32_t *dates,
                                      size_t n, int64_t *rows, int64_t *checks_run, struct error *err);
/* Every gold table of the domain into the warehouse, as it is now. */
IG_MUST_CHECK enum ig_code stage_load(const struct stage_context *x, const struct conf_domain *d, int64_t *rows,
                                      struct error *err);

/* --- dead letters ------------------------------------------------------------------------------------------ */

/*
 * The letters of a domain's DLQ, and what was done about them. A letter is never changed or removed: that it was
 * replayed (its record was sent to the topic again) or discarded (somebody looked, and decided that it needs nothing)
 * is a mark in the compacted topic STAGE_DLQ_MARKS, whose key is the letter's place. Record and mark are written in one
 * transaction: whatever crashes when, a letter is replayed once. The ledger stays balanced: the replayed record is a
 * new one, with coordinates of its own; the old one is where it was, in the DLQ.
 */
#define STAGE_DLQ_MARKS "dlq-marks"

enum stage_letter_state { STAGE_LETTER_OPEN, STAGE_LETTER_REPLAYED, STAGE_LETTER_DISCARDED };

struct stage_letter {
    const struct log_record *record; /* of the DLQ: the original key and bytes; original and letter's headers */
    struct str reason, field, detail, stage;
    struct str topic;          /* where the record is that the letter is about; p NULL if it never was in a topic */
    int64_t partition, offset; /* -1 likewise */
    int64_t timestamp_ms;      /* of that record; of the letter where it is not known */
    enum stage_letter_state state;
    struct str mark; /* JSON: {"action", "by", "why", "at"}; p NULL while it is open */
};
typedef enum ig_code stage_letter_fn(void *ctx, const struct stage_letter *letter, struct error *err);

/* Every letter from the oldest on, to the end as it is now. A DLQ that is not there has none. */
IG_MUST_CHECK enum ig_code stage_dlq_read(const struct stage_context *x, const struct conf_domain *d,
                                          stage_letter_fn *on_letter, void *ctx, const volatile bool *stop,
                                          struct error *err);

enum stage_dlq_outcome {
    STAGE_DLQ_DONE,     /* sent and marked; or, with dry_run, would be */
    STAGE_DLQ_REFUSED,  /* not sent: the contract would refuse it again, `why` says why */
    STAGE_DLQ_IN_PLACE, /* not sent: the contract takes the record where it is, in bronze, now; and without a key there
                         * would be two */
    STAGE_DLQ_FAILED,   /* not sent: the edit failed, or the letter does not have the whole record */
};
struct stage_dlq_work {
    bool discard; /* mark only; otherwise replay */
    bool force;   /* replay also what the contract refuses */
    bool dry_run;
    bool stamp_now;       /* replayed records get the time of now, not that of the original */
    const char *by, *why; /* for the mark */
    /* Which of the open letters? */
    bool (*wants)(void *ctx, const struct stage_letter *letter);
    /* NULL, or changes the value (given: the original's); IG_INVALID: this letter is not sent. */
    enum ig_code (*edit)(void *ctx, const struct stage_letter *letter, struct buf *value, struct error *err);
    /* What became of each wanted letter. When an error ends the work, that of the last 500 may not have come to be. */
    void (*done)(void *ctx, const struct stage_letter *letter, enum stage_dlq_outcome outcome, const char *why);
    void *ctx;
    const volatile bool *stop;
};
/* IG_CONFLICT: another one began on the same DLQ; IG_UNKNOWN_OUTCOME: the last ones may be done, or not; doing it again
 * is safe. */
IG_MUST_CHECK enum ig_code stage_dlq_work(const struct stage_context *x, const struct conf_domain *d,
                                          const struct stage_dlq_work *work, struct error *err);

/* --- the ledger ---------------------------------------------------------------------------------------- */

/* One hop of a partition: how many records, and their order-free fingerprint over (topic, partition, offset, SHA-256 of
 * the value). */
struct stage_count {
    const char *hop; /* log, bronze, silver, duplicates, quarantine, dlq */
    struct fingerprint f;
};

enum stage_verdict {
    STAGE_BALANCED, /* every record is where it should be, at every hop */
    STAGE_OPEN,     /* nothing is missing, but some of it is still on the way: a run will bring it in */
    STAGE_DIFFERS,  /* something is lost, too much, or not what it should be */
};

struct stage_gold_audit {
    const char *table;
    int64_t rows, warehouse_rows; /* -1: not there */
    bool matches_silver;          /* a fresh computation from silver gives the same rows */
    bool matches_warehouse;       /* the warehouse's rows are the same */
};

#define STAGE_COUNTS_MAX 8

struct stage_audit {
    int32_t date;    /* DATE_NONE: of the domain's topic as a whole */
    char status[24]; /* of the partition, UNDISCOVERED if there is no row */
    struct stage_count counts[STAGE_COUNTS_MAX];
    size_t n_counts;
    struct stage_gold_audit *gold;
    size_t n_gold;
    enum stage_verdict verdict;
    struct buf differences; /* lines: what is wrong, with samples */
    struct buf notes;       /* lines: what is on the way, what could not be looked at */
};
void stage_audit_free(struct stage_audit *a);

/* The books of one domain. The log is read once, when it is opened; a ledger belongs to one thread. */
struct stage_ledger;
struct stage_ledger_options {
    int32_t only_date;         /* keep only this date's records of the log; DATE_NONE: all */
    const volatile bool *stop; /* may be NULL; set: IG_CANCELLED */
    /* Called while the log is read; may be NULL. */
    void (*progress)(void *ctx, const char *hop, const char *domain, int64_t done, int64_t total, int64_t elapsed_us);
    void *ctx;
};
IG_MUST_CHECK enum ig_code stage_ledger_open(const struct stage_context *x, const struct conf_domain *d,
                                             const struct stage_ledger_options *o, struct stage_ledger **out,
                                             struct error *err);
void stage_ledger_close(struct stage_ledger *l); /* NULL is fine */
/* Every date that the log, bronze, silver, quarantine or partition_meta knows, in order; free() it. */
IG_MUST_CHECK enum ig_code stage_ledger_dates(struct stage_ledger *l, int32_t **dates, size_t *n, struct error *err);
/* One partition. `out` is to be freed in any case. */
IG_MUST_CHECK enum ig_code stage_ledger_partition(struct stage_ledger *l, int32_t date, struct stage_audit *out,
                                                  struct error *err);
/* What belongs to no date: the topic's total, and records that the sink could not date (hops log, bronze, dlq). Needs
 * the log. */
IG_MUST_CHECK enum ig_code stage_ledger_topic(struct stage_ledger *l, struct stage_audit *out, struct error *err);

/* One record's way: every place where it is found, as text lines and as JSON. `id` is the value of the contract's key
 * (parts joined by ','), or TOPIC/PARTITION/OFFSET. IG_NOT_FOUND. */
IG_MUST_CHECK enum ig_code stage_trace(const struct stage_context *x, struct str id, bool json, struct buf *out,
                                       struct error *err);

#endif
