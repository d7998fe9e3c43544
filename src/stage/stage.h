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

/*
 * The sink: one consumer of group s3-sink-consumer over the topics of all domains. Records are buffered by (domain,
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
};
/* `files` are names of bronze objects, all of the partition's. */
IG_MUST_CHECK enum ig_code stage_silver(const struct stage_context *x, const struct conf_domain *d, int32_t date,
                                        const char *const *files, size_t n_files, struct stage_silver_result *out,
                                        struct error *err);

/* --- silver -> gold -> warehouse --------------------------------------------------------------------------- */

struct stage_gold_result {
    int64_t gold_rows; /* of the partition, summed over the domain's gold tables */
    int64_t checks_run;
};
/* Every gold table of the domain for the partition, then the domain's checks (tests/): a check that returns rows is
 * IG_INVALID and names itself and its first row. */
IG_MUST_CHECK enum ig_code stage_gold(const struct stage_context *x, const struct conf_domain *d, int32_t date,
                                      struct stage_gold_result *out, struct error *err);
/* Every gold table of the domain into the warehouse. */
IG_MUST_CHECK enum ig_code stage_load(const struct stage_context *x, const struct conf_domain *d, int32_t date,
                                      int64_t *rows, struct error *err);

/* --- the ledger ---------------------------------------------------------------------------------------- */

/* One hop of a partition: how many records, and their order-free fingerprint over (topic, partition, offset, SHA-256 of
 * the value). */
struct stage_count {
    const char *hop; /* log, bronze, silver, duplicates, quarantine, dlq */
    struct fingerprint f;
};
struct stage_audit {
    struct stage_count counts[8];
    size_t n_counts;
    struct gold_audit {
        const char *table;
        int64_t rows, warehouse_rows;
        bool matches_silver;    /* a fresh computation from silver gives the same rows */
        bool matches_warehouse; /* the warehouse's rows are the same */
    } *gold;
    size_t n_gold;
    bool balanced;
    char *differences; /* one line a difference, "" if there is none */
};
IG_MUST_CHECK enum ig_code stage_audit(const struct stage_context *x, const struct conf_domain *d, int32_t date,
                                       struct stage_audit *out, struct error *err);
void stage_audit_free(struct stage_audit *a);

/* One record's way: every place where it is found, as text lines and as JSON. `id` is the value of the contract's key
 * (parts joined by ','), or TOPIC/PARTITION/OFFSET. IG_NOT_FOUND. */
IG_MUST_CHECK enum ig_code stage_trace(const struct stage_context *x, struct str id, bool json, struct buf *out,
                                       struct error *err);

#endif
