/*
 * The partition state machine: one row per (domain, partition_date) in the Delta table metadata/partition_meta, with
 * the columns and states of the platform's specification. States change only along the table below.
 */
#ifndef LIFECYCLE_LIFECYCLE_H
#define LIFECYCLE_LIFECYCLE_H

#include "base/base.h"
#include "conf/conf.h"
#include "stage/stage.h"

#define LIFECYCLE_STATES(X)                           \
    X(UNDISCOVERED, "no file in bronze yet")          \
    X(PENDING, "files found, waits for a run")        \
    X(IN_FLIGHT, "a run is working on it")            \
    X(DONE, "silver, gold and warehouse are written") \
    X(FAILED, "the last run failed")                  \
    X(RETRYING, "failed, waits for the next run")     \
    X(LATE, "was done, and new files have come")      \
    X(REPROCESSING, "late, taken up by a run")        \
    X(DEAD, "failed more often than retries are allowed; for a person")

#define LIFECYCLE_EVENTS(X)                                  \
    X(DISCOVER, "files were found in bronze")                \
    X(START, "a run takes it")                               \
    X(SUCCEED, "all stages are written")                     \
    X(FAIL, "a stage failed")                                \
    X(ABANDON, "the run that took it died, or was stopped")  \
    X(RETRY, "the next run will take it again")              \
    X(GIVE_UP, "no retries are left")                        \
    X(NEW_FILES, "bronze has files that were not processed") \
    X(UPSTREAM, "a table that its gold reads has changed")   \
    X(REQUEUE, "a person or a backfill wants it again")

/* from, event, to. What is not listed is refused. A run that died costs no retry, nor does a failure that passes (the
 * disk is full, the warehouse is locked, the log does not answer): it was not the partition's fault. */
#define LIFECYCLE_MOVES(X)             \
    X(UNDISCOVERED, DISCOVER, PENDING) \
    X(PENDING, START, IN_FLIGHT)       \
    X(IN_FLIGHT, SUCCEED, DONE)        \
    X(IN_FLIGHT, FAIL, FAILED)         \
    X(IN_FLIGHT, ABANDON, RETRYING)    \
    X(FAILED, RETRY, RETRYING)         \
    X(FAILED, GIVE_UP, DEAD)           \
    X(RETRYING, START, IN_FLIGHT)      \
    X(DONE, NEW_FILES, LATE)           \
    X(DONE, UPSTREAM, LATE)            \
    X(LATE, RETRY, REPROCESSING)       \
    X(REPROCESSING, START, IN_FLIGHT)  \
    X(DONE, REQUEUE, PENDING)          \
    X(LATE, REQUEUE, PENDING)          \
    X(FAILED, REQUEUE, PENDING)        \
    X(DEAD, REQUEUE, PENDING)

enum lifecycle_state {
    LIFECYCLE_NONE, /* zeroed memory is no state */
#define X(name, text) LIFECYCLE_##name,
    LIFECYCLE_STATES(X)
#undef X
        LIFECYCLE_STATE_COUNT
};
enum lifecycle_event {
#define X(name, text) LIFECYCLE_ON_##name,
    LIFECYCLE_EVENTS(X)
#undef X
        LIFECYCLE_EVENT_COUNT
};

/* Where an event leads, or LIFECYCLE_NONE if it is refused. Pure. */
enum lifecycle_state lifecycle_next(enum lifecycle_state from, enum lifecycle_event event);
const char *lifecycle_state_name(enum lifecycle_state s);
const char *lifecycle_state_text(enum lifecycle_state s);
enum lifecycle_state lifecycle_state_of(struct str name); /* LIFECYCLE_NONE if unknown */

/* One partition's row. Texts belong to the list. */
struct lifecycle_row {
    const char *domain;
    int32_t date;
    enum lifecycle_state state;
    const char *run_id;
    int64_t record_count, silver_records, gold_records;
    const char *const *source_files;
    size_t n_source_files;
    const char *file_hash;
    int32_t retry_count;
    const char *error_message;                    /* NULL if none */
    int64_t created_us, updated_us, processed_us; /* processed_us 0: never */
    const char *silver_path, *gold_path;
};
struct lifecycle_rows {
    struct arena arena;
    struct lifecycle_row *p;
    size_t n;
};
/* All rows, by domain and date. No table yet: none. */
IG_MUST_CHECK enum ig_code lifecycle_read(const struct stage_context *x, struct lifecycle_rows *out, struct error *err);
void lifecycle_rows_free(struct lifecycle_rows *rows);

/* Which partitions a run is about. */
struct lifecycle_selection {
    const char *const *domains; /* n 0: all */
    size_t n_domains;
    int32_t first_date, last_date; /* DATE_NONE: open */
    bool dry_run;                  /* plan only, write nothing */
    bool requeue;                  /* dates were named: process them again even if they are DONE (a backfill) */
};

/* What a run did for one domain: rows, and the time that each hop took. */
struct lifecycle_work {
    int64_t partitions, bronze_rows, silver_rows, duplicates, quarantined, gold_rows, load_rows, checks;
    int64_t gold_input_rows; /* silver rows that gold was computed from; more than silver_rows if only gold was */
    int64_t silver_us, gold_us, load_us;
};
struct lifecycle_outcome {
    int64_t discovered, late, processed, failed, dead, unchanged;
    int64_t left;                /* not come to, because the run was stopped */
    struct lifecycle_work *work; /* one a domain of the configuration, in its order */
    size_t n_work;
};
void lifecycle_outcome_free(struct lifecycle_outcome *o);

/* Called on every step, for progress: `step` is plan (what the run is about to do), silver, gold, load, done, failed or
 * dead; gold and load are of a batch, and named by its first partition; `row` is where the partition stands; `index` of
 * `total` partitions that this run has so far; `note` says why, or is NULL. */
typedef void lifecycle_progress_fn(void *ctx, const struct lifecycle_row *row, const char *step, size_t index,
                                   size_t total, const char *note);

/*
 * One run: scans bronze, compares file hashes, marks new partitions PENDING and changed ones LATE, takes PENDING,
 * REPROCESSING and RETRYING ones in order (domains as they depend on each other, then dates), and brings each to DONE
 * or FAILED; those without retries left become DEAD. When a domain that others depend on has changed, their partitions
 * are LATE too. A partition's failure does not stop the others; the outcome counts it. `stop` (may be NULL) is looked
 * at between partitions. The caller sees to it that one run at a time works on a project.
 */
IG_MUST_CHECK enum ig_code lifecycle_run(const struct stage_context *x, const struct lifecycle_selection *sel,
                                         lifecycle_progress_fn *progress, void *ctx, const volatile bool *stop,
                                         struct lifecycle_outcome *out, struct error *err);

/* md5 of the sorted object names joined by a newline: spec/001's file_hash. */
void lifecycle_file_hash(const char *const *names, size_t n, char out[33]);

#endif
