/*
 * Inside the bronze sink: what its three kinds of thread share.
 *
 *   consumer (1)   reads the log, dates records, buffers them by (domain, date); seals a domain's buffers as a flush
 *   writers (few)  make a Parquet file of a sealed buffer and put it into the store, again until it is durable
 *   committer (1)  commits the offsets of a domain's flushes, in their order, each only when everything in it is done
 *
 * A flush holds everything of its domain that was read since the flush before: files, and letters to the DLQ. So when
 * it and all before it are done, every record below its positions is durable.
 *
 * Nothing here is needed after a crash: what was not committed is read again. Rows may then be in two files, with the
 * same topic, partition and offset; never in none.
 */
#ifndef STAGE_BRONZE_SINK_H
#define STAGE_BRONZE_SINK_H

#include "stage/bronze_parquet.h"
#include "stage/stage.h"
#include "stage/topic.h"

#include <pthread.h>
#include <stdatomic.h>

#define BRONZE_WRITERS 4                       /* they wait for the disk most of the time */
#define BRONZE_BATCH 4096                      /* records read at once */
#define BRONZE_WIDE_RECORD ((int64_t)16 << 10) /* 2,048 of them, what the engine takes at once, fill a flush */
#define BRONZE_WIDE_FLUSH ((int64_t)32 << 20)  /* bytes of wide records that end a flush: silver reads files whole */
#define BRONZE_SETTLE_MS 30000                 /* how long revoked partitions, or a stop, wait for the store */

struct sink_domain;

struct bronze_flush {
    struct bronze_flush *next;
    struct sink_domain *domain;
    int64_t *positions; /* a partition each: everything below is in this flush or an earlier one; -1: not known */
    size_t n_positions;
    size_t n_open; /* files and letters that are not durable yet, and one while it still takes records */
    bool failed;   /* something in it will never be durable: nothing from here on is committed */
    bool dropped;  /* it is in no list any more, and freed when n_open is 0 */
};

struct bronze_file {
    struct bronze_file *next;
    struct bronze_flush *flush;
    int32_t date;
    struct bronze_rows rows;
};

struct sink_partition {
    bool mine;         /* assigned to us */
    int64_t next;      /* offset behind the last record taken; -1: none since the assignment */
    int64_t committed; /* by us since the assignment; -1: not yet. Under the sink's lock. */
};

struct sink_domain {
    const struct conf_domain *conf;
    struct contract *contract;
    /* The consumer thread's alone: what is buffered, and where we are. */
    VEC(struct bronze_file *) files; /* by date */
    size_t hot;                      /* the one used last */
    struct bronze_flush *open;       /* what the next flush will be; NULL: nothing was read since the last one */
    int64_t n_rows, n_bytes;
    int64_t wide_bytes;                    /* of them in wide records */
    int64_t oldest_ms;                     /* monotonic: when `open` was begun */
    struct topic_letters letters;          /* those that the DLQ has already */
    VEC(struct sink_partition) partitions; /* it grows under the lock, since others look at `committed` */
    /* Under the sink's lock. */
    VEC(int64_t) targets;              /* a partition each: stage_sink_drain() waits for `committed` to get here */
    struct bronze_flush *first, *last; /* sealed, not committed */
};

struct stage_sink {
    const struct stage_context *x;
    struct env *env;
    struct log_consumer *consumer;
    struct log_producer *letters;
    struct sink_domain *domains;
    size_t n_domains;
    int64_t memory_bytes; /* ceiling for buffered rows */
    int64_t settle_ms;    /* BRONZE_SETTLE_MS; tests are less patient */

    struct env_thread *consumer_thread, *committer_thread, *writer_threads[BRONZE_WRITERS];
    atomic_bool stopping;     /* no more reading: flush, commit, end */
    atomic_bool abandoning;   /* no more trying either */
    atomic_bool letters_lost; /* a letter was refused: go back to the committed offsets and try again */

    /* The consumer thread's alone. */
    uint64_t epoch; /* counts how often everything was dropped: what was read before is stale */
    int64_t open_bytes;
    int64_t room_bytes; /* open_bytes may grow up to here before somebody must look again */
    struct sink_domain *hot;
    const char *hot_topic;

    pthread_mutex_t lock; /* guards what follows, and what is said above */
    pthread_cond_t changed;
    struct bronze_file *first_file, *last_file; /* sealed, not taken by a writer */
    int64_t in_flight_bytes;                    /* of rows in sealed files */
    size_t n_letters;                           /* not acknowledged yet */
    bool committing;
    bool dropping; /* somebody waits for `committing` to end */
    bool writers_end;
    size_t n_failing; /* writers whose store refuses, and so on */
    struct stage_sink_progress progress;
    struct error unfinished; /* what the consumer thread could not finish when it was stopped */
};

/* --- shared by the threads (bronze.c) -------------------------------------------------------------------------- */

void sink_lock(struct stage_sink *s);
void sink_unlock(struct stage_sink *s);
/* Waits for a change, with the lock held; false once `until_ms` (monotonic) is past. */
bool sink_wait(struct stage_sink *s, int64_t until_ms);
/* Trouble that is being waited out, for stage_sink_progress(): `begun` the first time, then what it is now, and its
 * end. */
void sink_trouble(struct stage_sink *s, bool begun, const struct error *why);
void sink_trouble_over(struct stage_sink *s);
/* For the consumer thread: the partition, and if need be a bigger table. */
struct sink_partition *sink_partition(struct stage_sink *s, struct sink_domain *d, int32_t partition);

/* --- flushes (bronze_flush.c) ------------------------------------------------------------------------------------ */

/* The domain's open flush, begun if there is none. */
struct bronze_flush *sink_open_flush(struct stage_sink *s, struct sink_domain *d);
/* Seals everything the domain has buffered and hands it to the writers. */
void sink_flush(struct stage_sink *s, struct sink_domain *d);
void sink_flush_all(struct stage_sink *s);
/* One file or letter of a flush is durable, or it takes no more records; lock held. */
void sink_done_one(struct stage_sink *s, struct bronze_flush *f);
/* Waits until every flush is committed. False after `limit_ms`, or when a letter was lost. */
bool sink_settle(struct stage_sink *s, int64_t limit_ms);
/* Forgets everything that is not committed. */
void sink_drop_all(struct stage_sink *s);
void bronze_file_free(struct bronze_file *f);

/* --- threads ----------------------------------------------------------------------------------------------------- */

void sink_consumer_run(void *sink);  /* bronze_consume.c */
void sink_writer_run(void *sink);    /* bronze_write.c */
void sink_committer_run(void *sink); /* bronze_commit.c */

/* --- letters (bronze_letters.c) ---------------------------------------------------------------------------------- */

/* The producer's callback: a letter is in the DLQ, or not. */
void sink_letter_delivered(void *sink, void *flush, int32_t partition, int64_t offset, const struct error *err);
/* Sends a record to the DLQ as part of the domain's open flush. */
void sink_send_letter(struct stage_sink *s, struct sink_domain *d, const struct log_record *r,
                      const struct contract_reject *why);
/* Looks which letters the DLQ has, before records are read again from the committed offsets. */
void sink_load_letters(struct stage_sink *s);

/* The consumer's callback. */
void sink_rebalanced(void *sink, bool assigned, const struct log_position *partitions, size_t n);

#endif
