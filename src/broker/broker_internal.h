/*
 * What the files of the broker share.
 *
 * One thread runs the loop and owns everything: connections, topics, groups. Only syncs run elsewhere, on the threads
 * of sync.h. So nothing here needs a lock.
 */
#ifndef BROKER_BROKER_INTERNAL_H
#define BROKER_BROKER_INTERNAL_H

#include "base/env_loop.h"
#include "broker/acl.h"
#include "broker/broker.h"
#include "broker/kafka_error.h"
#include "broker/marks.h"
#include "broker/messages.h"
#include "broker/plog.h"
#include "broker/sync.h"

struct listener;
struct security;

#define NODE_ID 1
#define LEADER_EPOCH 0
#define ISOLATION_READ_COMMITTED 1
#define SEGMENT_BYTES_DEFAULT ((int64_t)128 << 20)
#define REQUEST_BYTES_DEFAULT ((int64_t)100 << 20)
#define MEMORY_BYTES_DEFAULT ((int64_t)256 << 20)
#define OFFSETS_RETENTION_DEFAULT_MS INT64_C(604800000)
#define MESSAGE_BYTES_DEFAULT ((int64_t)32 << 20)

struct broker;
struct conn;
struct groups;
struct txns;
struct topics;
struct topic;
struct change;

/* --- partitions ------------------------------------------------------------------------------------------- */

/* Called once, when everything below `offset` is durable, or (ok false) will never be. */
typedef void partition_durable_fn(void *ctx, bool ok);
struct partition_wait {
    struct partition_wait *next;
    int64_t offset;
    partition_durable_fn *done;
    void *ctx;
};

/* Called whenever more can be read, or nothing will be any more. It may unwatch. */
struct partition_watch {
    struct partition_watch *next, **pprev;
    void (*changed)(void *ctx);
    void *ctx;
};

typedef void partition_trimmed_fn(void *ctx, enum ig_code rc, const struct error *err);
struct partition_trim {
    struct partition_trim *next;
    int64_t offset;
    partition_trimmed_fn *done; /* may be NULL */
    void *ctx;
};

struct partition {
    struct partition *next, **pprev; /* of all of the broker's */
    struct broker *b;
    struct topic *topic; /* NULL: an internal one */
    int32_t index;
    size_t slot; /* in the marks */
    struct plog *log;
    struct partition_wait *first, **last; /* by offset */
    struct partition_watch *watches;
    struct partition_trim *trims; /* waiting */
    unsigned jobs;                /* under way on other threads */
    bool syncing, trimming, repairing;
    bool removed;
    bool sync_now; /* what is acknowledged is to be synced, too */
    bool failed;   /* and will be repaired */
    int64_t repair_at_ms, repair_wait_ms, clean_at_ms;
    void (*freed)(void *ctx); /* called when it is no more; may be NULL */
    void *freed_ctx;
};

IG_MUST_CHECK enum ig_code partition_open(struct broker *b, struct topic *topic, const struct wire_uuid *id,
                                          int32_t index, const char *dir, int64_t segment_bytes, struct partition **out,
                                          struct error *err);
/* Appends, and begins to make it durable. */
IG_MUST_CHECK enum ig_code partition_append(struct partition *p, struct batch *batch, const void *bytes,
                                            struct error *err);
void partition_wait(struct partition *p, struct partition_wait *w);
void partition_watch(struct partition *p, struct partition_watch *w);
void partition_unwatch(struct partition_watch *w);
/* Makes `offset` the first one; `done` is called when that is durable, unless an error is returned (IG_INVALID: it is
 * behind the end). */
IG_MUST_CHECK enum ig_code partition_trim(struct partition *p, int64_t offset, partition_trimmed_fn *done, void *ctx,
                                          struct error *err);
/* `remove`: its files are gone; whoever waits for it hears so. */
void partition_close(struct partition *p, bool remove);

/* --- topics ----------------------------------------------------------------------------------------------- */

#define TOPIC_NAME_MAX 249
#define TOPIC_PARTITIONS_MAX 10000

struct topic_config {
    char *name, *value;
};

struct topic {
    struct topic *next, *next_by_id; /* in their buckets */
    char *name;
    struct wire_uuid id;
    VEC(struct partition *) partitions;
    VEC(struct topic_config) configs; /* what was set; all else is the default */
    int64_t retention_ms, retention_bytes, segment_bytes, segment_ms, max_message_bytes;
    bool compact, compact_only;
    int64_t delete_retention_ms, min_compaction_lag_ms, max_compaction_lag_ms;
    double min_dirty;
    bool append_time; /* records get the time of their arrival */
    int64_t before_max_ms, after_max_ms;
    int codec; /* -1: the producer's */
    int64_t min_insync;
    int32_t wanted;          /* partitions, with those that are being made */
    uint64_t config_number;  /* grows with each change */
    struct change *creation; /* while `making`: nobody but who makes it knows of it */
    unsigned jobs;           /* changes under way */
    bool making, removed;
};

/* A topic configuration that the broker knows. */
struct topic_config_type {
    const char *name;
    int8_t type; /* as DescribeConfigs names types */
    const char *fallback;
    const char *values; /* what it may be: "a|b", or NULL and then a number */
    int64_t min, max;
    const char *what;
};
extern const struct topic_config_type topic_config_types[];
extern const size_t topic_config_types_n;

IG_MUST_CHECK enum ig_code topics_open(struct broker *b, struct topics **out, struct error *err);
void topics_close(struct topics *ts);
struct topic *topics_find(struct topics *ts, struct str name);
struct topic *topics_find_id(struct topics *ts, const struct wire_uuid *id);
uint64_t topics_changes(const struct topics *ts); /* another number after topics were made, removed or grown */
struct partition *topics_partition(struct topics *ts, struct str name, int32_t index);
/* All topics by name; free() it. */
struct topic **topics_sorted(struct topics *ts, size_t *n);
bool topic_name_ok(struct str name);
bool topic_is_internal(const struct topic *t); /* as Kafka marks them: the coordinators' own */
/* KAFKA_OK, or why not, with a sentence in err. `check_only` makes nothing. */
struct topic_wish {
    struct str name;
    int32_t partitions;
    const struct wire_create_topic_config *configs;
    int32_t n_configs;
    bool check_only;
};
/* Called when it is durable, or failed. Never from inside of the call that asked for it. */
typedef void topic_done_fn(void *ctx, enum kafka_error e, const struct error *err);
/* `done` is called later unless an error is returned or it was only checked; then there is the topic. Until then only
 * `out` shows it. */
enum kafka_error topics_create(struct topics *ts, const struct topic_wish *wish, topic_done_fn *done, void *ctx,
                               struct topic **out, struct error *err);
/* Is it being made? Then `done` is called when it is there. */
bool topics_await(struct topics *ts, struct str name, topic_done_fn *done, void *ctx);
/* The topic is gone at once; `done` is called when that is durable. */
void topics_delete(struct topics *ts, struct topic *t, topic_done_fn *done, void *ctx);
/* `done` as with topics_create. */
enum kafka_error topics_grow(struct topics *ts, struct topic *t, int32_t partitions, bool check_only,
                             topic_done_fn *done, void *ctx, struct error *err);
/* value p NULL takes a setting back. */
struct topic_change {
    struct str name, value;
};
enum kafka_error topics_configure(struct topics *ts, struct topic *t, bool replace_all,
                                  const struct topic_change *changes, size_t n, bool check_only, topic_done_fn *done,
                                  void *ctx, struct error *err);
const char *topic_config_value(const struct topic *t, const char *name); /* as set, or NULL */

/* A batch as it is going to be appended. */
struct incoming {
    struct batch batch;
    const char *bytes; /* what came, or repacked */
    struct buf repacked;
    struct batch_faults faults;
};
/* Checks everything about a batch from outside that this topic asks of it, and makes of it what is to be stored: with
 * the topic's codec, and the time of its arrival. What it unpacks to is taken from may_unpack. incoming_release it in
 * any case. */
enum kafka_error topic_take(const struct topic *t, int64_t now_ms, struct str bytes, size_t *may_unpack,
                            struct incoming *in, struct error *err);
void incoming_release(struct incoming *in);
void topics_retain(struct topics *ts);

/* --- requests --------------------------------------------------------------------------------------------- */

struct api;

/* One request on its way. It belongs to its connection's queue; handlers answer it at once or later, once. */
struct request {
    struct request *next;
    struct broker *b;
    struct conn *conn; /* NULL: the client is gone */
    const struct api *api;
    int16_t version;
    int32_t correlation_id;
    struct str client_id;
    struct arena arena;
    char *frame; /* what body's strings point into */
    size_t frame_n;
    size_t held_bytes;   /* of the frame and what was read from it, as far as it is counted */
    int64_t throttle_ms; /* by quota */
    void *body;          /* struct wire_X_request */
    struct wire_out out;
    bool ready, silent;              /* silent: no answer is to be sent */
    void (*gone)(struct request *r); /* the client is gone, who waits here may stop; may answer */
    void *state;                     /* the handler's own */
};

typedef void api_fn(struct request *r);
struct api {
    int16_t key, min, max, flexible; /* versions */
    const char *name;
    const struct wire_type *request, *response;
    api_fn *handle;
};
const struct api *api_find(int16_t key);
extern const struct api apis[];
extern const size_t apis_n;
/* The level of a feature of the cluster, as ApiVersions tells it; 0: not there. */
int16_t feature_level(struct str name);

/* Encodes and queues the answer; frees the request when it is sent. */
void request_answer(struct request *r, const void *response);
/* There will be none (acks=0). */
void request_drop(struct request *r);
/* Nor will there be any more on its connection. */
void request_hang_up(struct request *r);
/* An answer that waits for several things to be durable, and is sent when the last one is done. */
struct answer {
    struct request *r;
    const void *response;
    size_t waiting;
};
struct answer *answer_new(struct request *r, const void *response); /* waits for answer_done, once */
void answer_done(struct answer *a);
/* One more to wait for: the ctx to give with answer_part_done as topic_done_fn, which notes an error in the places that
 * are named here. */
void *answer_part(struct answer *a, int16_t *error_code, struct str *error_message);
void answer_part_done(void *part, enum kafka_error e, const struct error *err);
/* There is nothing to wait for after all. */
void answer_part_drop(void *part);
/* The handler copied what it needs. */
void request_free_frame(struct request *r);
const char *request_peer(const struct request *r);
/* What the client is told to connect to. */
void request_address(const struct request *r, struct str *host, int32_t *port);
/* May the one who asks do this? Where not, the answer is the resource's *_AUTHORIZATION_FAILED. The cluster is one
 * resource of its own. */
bool request_may(const struct request *r, enum acl_operation operation, enum acl_resource type, struct str name);
bool request_may_cluster(const struct request *r, enum acl_operation operation);
/* To any resource of the type at all? */
bool request_may_any(const struct request *r, enum acl_operation operation, enum acl_resource type);
/* What it may do to a resource, one bit for each operation, as responses have it. */
int32_t request_operations(const struct request *r, enum acl_resource type, struct str name);
struct str request_user(const struct request *r); /* "alice"; "ANONYMOUS" */

/* A response of the arena, with all at its defaults, and an array of n items in it. */
#define RESPONSE_NEW(r, type) ((struct wire_##type *)request_new((r), &wire_type_##type, 1))
#define RESPONSE_ITEMS(r, array, type, count)                               \
    do {                                                                    \
        (array).n = (int32_t)(count);                                       \
        (array).p = request_new((r), &wire_type_##type, (size_t)(array).n); \
    } while (0)
void *request_new(struct request *r, const struct wire_type *type, size_t n);

#define API_HANDLERS(X)              \
    X(produce)                       \
    X(fetch)                         \
    X(list_offsets)                  \
    X(metadata)                      \
    X(offset_commit)                 \
    X(offset_fetch)                  \
    X(find_coordinator)              \
    X(join_group)                    \
    X(heartbeat)                     \
    X(leave_group)                   \
    X(sync_group)                    \
    X(describe_groups)               \
    X(list_groups)                   \
    X(api_versions)                  \
    X(create_topics)                 \
    X(delete_topics)                 \
    X(delete_records)                \
    X(init_producer_id)              \
    X(add_partitions_to_txn)         \
    X(add_offsets_to_txn)            \
    X(end_txn)                       \
    X(write_txn_markers)             \
    X(txn_offset_commit)             \
    X(describe_producers)            \
    X(describe_transactions)         \
    X(list_transactions)             \
    X(offset_for_leader_epoch)       \
    X(describe_configs)              \
    X(alter_configs)                 \
    X(describe_log_dirs)             \
    X(create_partitions)             \
    X(delete_groups)                 \
    X(incremental_alter_configs)     \
    X(offset_delete)                 \
    X(describe_cluster)              \
    X(describe_topic_partitions)     \
    X(alter_replica_log_dirs)        \
    X(elect_leaders)                 \
    X(alter_partition_reassignments) \
    X(list_partition_reassignments)  \
    X(update_features)               \
    X(describe_quorum)               \
    X(list_config_resources)         \
    X(consumer_group_heartbeat)      \
    X(consumer_group_describe)       \
    X(sasl_handshake)                \
    X(sasl_authenticate)             \
    X(describe_acls)                 \
    X(create_acls)                   \
    X(delete_acls)                   \
    X(describe_quotas)               \
    X(alter_quotas)                  \
    X(describe_scram)                \
    X(alter_scram)
#define API_DECLARE(name) api_fn api_##name;
API_HANDLERS(API_DECLARE)

/* --- groups ----------------------------------------------------------------------------------------------- */

#define GROUP_SESSION_MIN_DEFAULT_MS 6000
#define GROUP_SESSION_MAX_DEFAULT_MS 1800000
#define GROUP_MEMBERS_MAX 10000
#define MEMBER_SESSION_MS 45000 /* of the protocol of KIP-848, where the broker says */
#define MEMBER_HEARTBEAT_MS 5000

IG_MUST_CHECK enum ig_code groups_open(struct broker *b, struct groups **out, struct error *err);
void groups_close(struct groups *gs);
/* Deadlines: call it every now and then. */
void groups_tick(struct groups *gs);
/* A topic is gone: so are the offsets committed for it. */
void groups_forget_topic(struct groups *gs, struct str topic);

/* --- transactions ----------------------------------------------------------------------------------------- */

IG_MUST_CHECK enum ig_code txns_open(struct broker *b, struct txns **out, struct error *err);
void txns_close(struct txns *ts);
/* Deadlines, and what was left unfinished: call it every now and then. */
void txns_tick(struct txns *ts);
/* May this producer write to the partition in its transaction? `add`: that makes it a part of it (transactions V2), and
 * what is written must not be acknowledged before the transactions are durable up to *log_end. */
struct txn_write {
    struct str transactional_id;
    int64_t producer_id;
    int16_t epoch;
    struct str topic;
    int32_t partition;
    bool add;
};
enum kafka_error txns_may_write(struct txns *ts, const struct txn_write *w, int64_t *log_end);
void txns_wait(struct txns *ts, struct partition_wait *w);

/* --- the broker ------------------------------------------------------------------------------------------- */

struct broker {
    struct env *env;
    struct broker_options options;
    char *dir;
    char cluster_id[37];
    struct env_file *lock;
    struct files *files;
    struct marks *marks;
    struct sync_pool *syncs;  /* short work that somebody waits for */
    struct sync_pool *admin;  /* one thread: what changes names, in the order in which it was asked for */
    struct sync_pool *making; /* topics */
    struct sync_pool *slow;   /* one thread: compaction, repair, removing files */
    struct partition *partitions;
    size_t n_failed; /* of them */
    struct cleaner *cleaner;
    struct topics *topics;
    struct groups *groups;
    struct fetch_sessions *fetch_sessions;
    struct txns *txns;

    struct env_loop *loop;
    VEC(struct listener *) listeners;
    struct conf_listener own_listener; /* where none is configured */
    struct security *security;
    int64_t warnings_second; /* of clients; and how many there were in it */
    int warnings;
    struct env_thread *thread;
    struct env_timer *tick;
    struct conn *conns;
    size_t n_conns;
    int64_t request_bytes; /* of frames and requests */
    size_t n_starved;      /* connections that wait for some of it */
    struct conn *favoured; /* the one that may go on all the same */
    int64_t favoured_ms;
    int64_t last_retention_ms, last_conns_ms, last_refresh_ms, last_interval_ms;
    bool stopping;
    size_t syncs_running;
};

struct plog_gone;
/* Removes files that nobody needs any more, some time. Takes over the list. */
void broker_remove_files(struct broker *b, struct plog_gone *gone);

extern const struct env_server broker_server;
/* Closes those that are idle, or have not authenticated in time. */
void conns_tick(struct broker *b);
/* Reads no more, and ends what waits for something to happen. */
void conns_stop(struct broker *b);
bool conns_are_quiet(const struct broker *b); /* nothing is in flight */

#endif
