/*
 * The Kafka client side of the log: all code that touches records in a log uses this, and cannot tell the broker inside
 * from a cluster. A door to librdkafka that speaks ingot's errors.
 */
#ifndef LOG_LOG_H
#define LOG_LOG_H

#include "base/base.h"

struct log_client; /* where the log is and how to get in: bootstrap servers and properties */
struct log_producer;
struct log_consumer;

/* `url` is kafka://HOST:PORT[,HOST:PORT...][?librdkafka.property=value&...]; a value may hold %XX. Properties that the
 * promises below stand on (acks, idempotence, commits by hand ...) can not be given: IG_INVALID, as for a property that
 * librdkafka does not know. Values are never part of a message or a log line. No connection is made yet. */
IG_MUST_CHECK enum ig_code log_client_new(struct env *env, const char *url, struct log_client **out, struct error *err);
void log_client_free(struct log_client *c);
const char *log_client_bootstrap(const struct log_client *c);

/* --- records ------------------------------------------------------------------------------------------- */

struct log_header {
    const char *name;
    struct str value;
};

struct log_record {
    const char *topic;
    int32_t partition; /* -1 when producing: by murmur2 of the key, in turn without one */
    int64_t offset;
    int64_t timestamp_ms; /* 0 when producing: now */
    struct str key;       /* p NULL: none */
    struct str value;     /* p NULL: a tombstone */
    const struct log_header *headers;
    size_t n_headers;
};

/* --- topics -------------------------------------------------------------------------------------------- */

struct log_topic_spec {
    const char *name;
    int32_t partitions;
    int64_t retention_ms; /* -1: for ever */
    bool compact;
};
/* Creates it if it is not there; an existing one is left as it is. */
IG_MUST_CHECK enum ig_code log_topic_ensure(struct log_client *c, const struct log_topic_spec *spec, struct error *err);
/* IG_NOT_FOUND if there is no such topic. */
IG_MUST_CHECK enum ig_code log_topic_partitions(struct log_client *c, const char *topic, int32_t *out,
                                                struct error *err);
/* First offset, and the one behind the last record. */
IG_MUST_CHECK enum ig_code log_watermarks(struct log_client *c, const char *topic, int32_t partition, int64_t *low,
                                          int64_t *high, struct error *err);
/* Committed offset of a group, -1 if none. */
IG_MUST_CHECK enum ig_code log_committed(struct log_client *c, const char *group, const char *topic, int32_t partition,
                                         int64_t *out, struct error *err);

/* --- producing: idempotent, acks=all ---------------------------------------------------------------------- */

/* Called from log_produce, _poll, _flush and _free, once a record: `err` NULL when it is durable at `partition`,
 * `offset`. IG_UNKNOWN_OUTCOME: it may be in the log, or not; IG_LIMIT: it is too big. */
typedef void log_delivered_fn(void *ctx, void *tag, int32_t partition, int64_t offset, const struct error *err);

IG_MUST_CHECK enum ig_code log_producer_new(struct log_client *c, log_delivered_fn *delivered, void *ctx,
                                            struct log_producer **out, struct error *err);
/* Copies the record and queues it; waits for room (polling meanwhile) when the queue is full. A producer may be used by
 * several threads. After an error nothing was queued. */
IG_MUST_CHECK enum ig_code log_produce(struct log_producer *p, const struct log_record *record, void *tag,
                                       struct error *err);
void log_producer_poll(struct log_producer *p, int64_t wait_ms);
/* Returns when everything queued is delivered or failed for good; IG_UNAVAILABLE after `limit_ms`, or the first
 * failure since the last flush. -1: no limit. */
IG_MUST_CHECK enum ig_code log_producer_flush(struct log_producer *p, int64_t limit_ms, struct error *err);
/* What is still queued is given up (delivered with IG_CANCELLED or IG_UNKNOWN_OUTCOME): flush first. NULL is fine. */
void log_producer_free(struct log_producer *p);

/* --- consuming ------------------------------------------------------------------------------------------ */

/* As a member of a group, offsets committed by hand only; or, with group NULL, assigned by hand by log_consumer_assign.
 */
IG_MUST_CHECK enum ig_code log_consumer_new(struct log_client *c, const char *group, struct log_consumer **out,
                                            struct error *err);

struct log_position {
    const char *topic;
    int32_t partition;
    int64_t offset;
};

/* A group gives partitions and takes them away. `assigned` false: these go now, and this is the last chance to commit
 * for them (the offsets are -1); afterwards records of them that were not committed will come again, here or at another
 * member. `assigned` true: these came; each continues at its committed offset, also if it was here before. Called on
 * the thread that is in log_consume or log_consumer_free. Set it before subscribing. */
typedef void log_rebalance_fn(void *ctx, bool assigned, const struct log_position *partitions, size_t n);
void log_consumer_on_rebalance(struct log_consumer *k, log_rebalance_fn *fn, void *ctx);

IG_MUST_CHECK enum ig_code log_consumer_subscribe(struct log_consumer *k, const char *const *topics, size_t n,
                                                  struct error *err);
/* One more partition by hand, from `offset` on; those assigned before go on where they are. It takes effect with the
 * next log_consume. */
IG_MUST_CHECK enum ig_code log_consumer_assign(struct log_consumer *k, const char *topic, int32_t partition,
                                               int64_t offset, struct error *err);
/* Gives everything that was read but not committed once more: every assigned partition of the group goes back to its
 * committed offset. */
IG_MUST_CHECK enum ig_code log_consumer_rewind(struct log_consumer *k, struct error *err);
/* While paused, log_consume gives no records but keeps the membership alive. */
IG_MUST_CHECK enum ig_code log_consumer_pause(struct log_consumer *k, bool paused, struct error *err);

/* A batch of records, borrowed until log_batch_free; within a partition in log order. `ends`: partitions whose end was
 * met behind these records, and where it is; there may be nothing but markers between a record and the end. */
struct log_batch {
    struct log_record *records;
    size_t n;
    struct log_position *ends;
    size_t n_ends;
    void *owned;
};
/* Waits at most `wait_ms` for the first record, takes what else is there up to `max`; none is no error (n 0). What may
 * pass (a broker gone, a topic missing) is logged and waited for; other errors are returned. */
IG_MUST_CHECK enum ig_code log_consume(struct log_consumer *k, size_t max, int64_t wait_ms, struct log_batch *out,
                                       struct error *err);
void log_batch_free(struct log_batch *b); /* before the consumer; an empty one is fine */

/* Commits, synchronously, that everything below `offset` of a partition is done with. IG_CONFLICT if the group has
 * moved on without us. Any thread. */
IG_MUST_CHECK enum ig_code log_consumer_commit(struct log_consumer *k, const struct log_position *positions, size_t n,
                                               struct error *err);
/* Has every partition assigned to this consumer been read up to its end at this moment? False while none is. */
IG_MUST_CHECK enum ig_code log_consumer_at_end(struct log_consumer *k, bool *out, struct error *err);
void log_consumer_free(struct log_consumer *k);

#endif
