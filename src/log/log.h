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
/* Is this URL one that clients can be made of? All of its properties are tried, no connection is made. */
IG_MUST_CHECK enum ig_code log_url_check(struct env *env, const char *url, struct error *err);
const char *log_client_bootstrap(const struct log_client *c);
/* How long to try to reach the cluster at all (30 s); before the first question. */
void log_client_set_patience(struct log_client *c, int64_t ms);

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
    bool and_delete; /* what is older than that goes from a compacted topic, too */
};
/* Creates it if it is not there; an existing one is left as it is. */
IG_MUST_CHECK enum ig_code log_topic_ensure(struct log_client *c, const struct log_topic_spec *spec, struct error *err);
/* IG_NOT_FOUND if there is no such topic. */
IG_MUST_CHECK enum ig_code log_topic_partitions(struct log_client *c, const char *topic, int32_t *out,
                                                struct error *err);
/* First offset, and the one behind the last record. */
IG_MUST_CHECK enum ig_code log_watermarks(struct log_client *c, const char *topic, int32_t partition, int64_t *low,
                                          int64_t *high, struct error *err);
/* The same and more of many partitions in one question: where positions[i].offset is a time in ms, it becomes the first
 * offset with that time or a later one (-1: none is so late); or one of these. */
#define LOG_FIND_END (-1)   /* becomes the offset behind the last record */
#define LOG_FIND_FIRST (-2) /* becomes the first offset that is there */
struct log_position {
    const char *topic;
    int32_t partition;
    int64_t offset;
};
IG_MUST_CHECK enum ig_code log_offsets_find(struct log_client *c, struct log_position *positions, size_t n,
                                            struct error *err);
/* Committed offset of a group, -1 if none. */
IG_MUST_CHECK enum ig_code log_committed(struct log_client *c, const char *group, const char *topic, int32_t partition,
                                         int64_t *out, struct error *err);

/* --- producing: idempotent, acks=all ---------------------------------------------------------------------- */

/* Called from log_produce, _poll, _flush and _free, once a record: `err` NULL when it is durable at `partition`,
 * `offset`. IG_UNKNOWN_OUTCOME: it may be in the log, or not; IG_LIMIT: it is too big. */
typedef void log_delivered_fn(void *ctx, void *tag, int32_t partition, int64_t offset, const struct error *err);

IG_MUST_CHECK enum ig_code log_producer_new(struct log_client *c, log_delivered_fn *delivered, void *ctx,
                                            struct log_producer **out, struct error *err);

/* For tools that want it otherwise; all zero is what log_producer_new does. */
struct log_producer_options {
    const char *acks;             /* NULL, "all": and idempotent; "1", "0": weaker, may repeat and lose records */
    const char *compression;      /* NULL: none; gzip, snappy, lz4, zstd */
    const char *transactional_id; /* NULL: no transactions; else log_transactions_init first */
    int64_t transaction_limit_ms; /* one that takes longer is given up; 0: 15 minutes, what clusters allow by default */
};
IG_MUST_CHECK enum ig_code log_producer_open(struct log_client *c, const struct log_producer_options *o,
                                             log_delivered_fn *delivered, void *ctx, struct log_producer **out,
                                             struct error *err);
/* Waits until the topic is there; the cluster creates it where it creates topics by use. */
IG_MUST_CHECK enum ig_code log_producer_await_topic(struct log_producer *p, const char *topic, int64_t limit_ms,
                                                    struct error *err);

/* With a transactional_id: first, once, fences off whoever had the id before and ends what they left open. IG_CONFLICT
 * from any of these: somebody else has the id now. */
IG_MUST_CHECK enum ig_code log_transactions_init(struct log_producer *p, struct error *err);
IG_MUST_CHECK enum ig_code log_transaction_begin(struct log_producer *p, struct error *err);
/* Flushes; IG_OK: all records since the begin are there for readers, in one moment. After an error abort; after
 * IG_UNKNOWN_OUTCOME look. */
IG_MUST_CHECK enum ig_code log_transaction_commit(struct log_producer *p, struct error *err);
IG_MUST_CHECK enum ig_code log_transaction_abort(struct log_producer *p, struct error *err);

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

/* For tools that want it otherwise; `group` alone is what log_consumer_new does. */
struct log_consumer_options {
    const char *group;
    bool uncommitted; /* also records of transactions that are open or aborted */
    bool from_end;    /* where a group has no committed offset: only what comes from now on */
    bool prompt;      /* a record is given at once, at the price of throughput: for topics with few */
};
IG_MUST_CHECK enum ig_code log_consumer_open(struct log_client *c, const struct log_consumer_options *o,
                                             struct log_consumer **out, struct error *err);

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

/* --- administration: what the tools ask and change -------------------------------------------------------------- */

struct log_broker {
    int32_t id;
    const char *host;
    int port;
};
struct log_partition {
    int32_t id, leader; /* leader -1: none now */
    int32_t *replicas, *in_sync;
    size_t n_replicas, n_in_sync;
};
struct log_topic {
    const char *name;
    struct log_partition *partitions; /* in order */
    size_t n;
    bool internal; /* of Kafka's own: __consumer_offsets and the like */
};
/* What the cluster says of itself, topics by name. */
struct log_cluster {
    struct arena arena;
    struct log_broker *brokers;
    size_t n_brokers;
    int32_t controller; /* -1: not known */
    struct log_topic *topics;
    size_t n_topics;
};
IG_MUST_CHECK enum ig_code log_cluster_read(struct log_client *c, struct log_cluster *out, struct error *err);
void log_cluster_free(struct log_cluster *cluster);
const struct log_topic *log_cluster_topic(const struct log_cluster *cluster, const char *name); /* NULL: none */

struct log_setting {
    const char *name, *value; /* value NULL: back to the default */
};
/* `partitions`, `replicas` -1: as the cluster has it by default. IG_EXISTS if it is there. */
IG_MUST_CHECK enum ig_code log_topic_create(struct log_client *c, const char *name, int32_t partitions,
                                            int32_t replicas, const struct log_setting *settings, size_t n_settings,
                                            struct error *err);
IG_MUST_CHECK enum ig_code log_topic_delete(struct log_client *c, const char *name, struct error *err);
/* `total`: how many there are to be then. */
IG_MUST_CHECK enum ig_code log_topic_add_partitions(struct log_client *c, const char *name, int32_t total,
                                                    struct error *err);
/* Removes the records below each offset (LOG_FIND_END: all); afterwards offsets are the first ones that are left. */
IG_MUST_CHECK enum ig_code log_topic_trim(struct log_client *c, struct log_position *before, size_t n,
                                          struct error *err);

struct log_config {
    const char *name, *value; /* value NULL: a secret, or none */
    const char *source;       /* who says so: topic, broker, default ... */
    bool set;                 /* on the topic itself */
    bool read_only, secret;
};
struct log_configs { /* of one topic, by name */
    const char *topic;
    struct log_config *p;
    size_t n;
    struct error error; /* code IG_OK, or why there are none */
};
/* out[i] is of topics[i]; it lives in the arena. */
IG_MUST_CHECK enum ig_code log_configs_read(struct log_client *c, struct arena *arena, const char *const *topics,
                                            size_t n, struct log_configs *out, struct error *err);
/* Changes those that are named; the others stay. */
IG_MUST_CHECK enum ig_code log_configs_alter(struct log_client *c, const char *topic,
                                             const struct log_setting *settings, size_t n, struct error *err);

/* How many bytes each partition has on its leader's disk. librdkafka does not ask this, so it is asked over a
 * connection of our own; `known` is false where that could not be made (TLS, SASL mechanisms other than PLAIN). */
struct log_size {
    const char *topic;
    int32_t partition;
    int64_t bytes;
};
struct log_sizes {
    struct arena arena;
    bool known;
    struct log_size *p; /* by topic and partition */
    size_t n;
};
void log_sizes_read(struct log_client *c, struct log_sizes *out);
int64_t log_sizes_of(const struct log_sizes *sizes, const char *topic, int32_t partition); /* -1: not known */
void log_sizes_free(struct log_sizes *sizes);

struct log_member {
    const char *id, *instance, *client, *host; /* instance "": a dynamic member */
    struct log_position *partitions;           /* offsets -1 */
    size_t n;
};
struct log_group {
    const char *name, *state,
        *assignor; /* state as Kafka names it: Empty, Stable, PreparingRebalance ..., Dead: none */
    int32_t coordinator;
    const char *coordinator_host;
    int coordinator_port;
    struct log_member *members;
    size_t n_members;
    struct error error; /* code IG_OK, or why nothing is known */
};
struct log_groups {
    struct arena arena;
    struct log_group *p;
    size_t n;
};
/* All consumer groups, by name; or the named ones, in their order. */
IG_MUST_CHECK enum ig_code log_groups_list(struct log_client *c, struct log_groups *out, struct error *err);
IG_MUST_CHECK enum ig_code log_groups_describe(struct log_client *c, const char *const *names, size_t n,
                                               struct log_groups *out, struct error *err);
void log_groups_free(struct log_groups *groups);

/* Everything that a group has committed, by topic and partition; in the arena. */
IG_MUST_CHECK enum ig_code log_group_offsets(struct log_client *c, struct arena *arena, const char *group,
                                             struct log_position **out, size_t *n, struct error *err);
/* Refused (IG_CONFLICT) while the group has members. */
IG_MUST_CHECK enum ig_code log_group_offsets_set(struct log_client *c, const char *group,
                                                 const struct log_position *positions, size_t n, struct error *err);
IG_MUST_CHECK enum ig_code log_group_offsets_delete(struct log_client *c, const char *group,
                                                    const struct log_position *positions, size_t n, struct error *err);
IG_MUST_CHECK enum ig_code log_group_delete(struct log_client *c, const char *group, struct error *err);

#endif
