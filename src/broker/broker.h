/*
 * The log: a durable, segmented, append-only store of records that speaks the Kafka wire protocol.
 *
 * Acknowledged means on the disk: a produce request is answered when the batches it brought are fsynced, many requests
 * sharing one fsync. Record batches (v2) are stored as they arrive. After a crash the tail that was never acknowledged
 * may be cut, nothing else.
 *
 * A broker runs on threads of its own, started through env; broker_start returns when clients can connect.
 */
#ifndef BROKER_BROKER_H
#define BROKER_BROKER_H

#include "base/base.h"
#include "conf/conf.h"

struct broker;

/* What an acknowledgement (acks=1 or all) means. */
enum broker_fsync {
    BROKER_FSYNC_GROUP,    /* on the disk: many requests share one sync; the default */
    BROKER_FSYNC_INTERVAL, /* handed to the system, which is told to sync every so often: a power cut takes the rest */
    BROKER_FSYNC_OS,       /* handed to the system, which writes when it likes; full segments are synced */
};

struct broker_options {
    const char *dir;                /* where it keeps its data; made if missing */
    const char *host;               /* listens here, and tells clients so */
    int port;                       /* 0: any free one */
    int64_t segment_bytes;          /* 0: 128 MiB */
    int64_t max_request_bytes;      /* 0: 100 MiB */
    int64_t max_message_bytes;      /* a batch; 0: 32 MiB, so that 10 MB records pass */
    int32_t default_partitions;     /* of topics that are created by use; 0: such topics are refused */
    int64_t group_min_session_ms;   /* the shortest session a member may ask for; 0: 6 s */
    int64_t group_max_session_ms;   /* 0: 30 minutes */
    int64_t group_initial_delay_ms; /* how long a new group waits for more members; 0: not at all */
    int64_t offsets_retention_ms;   /* how long a group without members keeps its offsets; 0: 7 days */
    int64_t flush_delay_us;         /* how long a group commit may wait for company; 0: not at all */
    enum broker_fsync fsync;
    int64_t fsync_interval_ms;   /* 0: 1000; with BROKER_FSYNC_INTERVAL */
    int64_t cleaner_bytes;       /* memory for the keys of a topic that is compacted; 0: 16 MiB */
    int64_t cleaner_bytes_per_s; /* at most so much is read and written by compaction; 0: 64 MiB */
    int64_t cleaner_backoff_ms;  /* how often is looked for what to compact; 0: 5 s */
    /* Listeners (then `host` and `port` are not looked at), users, rules, quotas, limits. NULL: one plain listener, and
     * everybody may do everything. It, and what it points to, must outlive the broker. */
    const struct conf_broker *conf;
    int32_t connections;             /* 0: 4096 */
    int32_t connections_per_address; /* 0: as many as there may be at all */
    int64_t memory_bytes;            /* of requests of all connections that are not answered yet; 0: 256 MiB */
    int64_t queued_bytes;            /* answers that a client does not take; then it is not read from; 0: 64 MiB */
    int64_t idle_ms;                 /* 0: ten minutes */
    int64_t authentication_ms;       /* by when a new connection has to have authenticated; 0: 10 s */
    int64_t authentication_delay_ms; /* before a refusal; 0: 100 ms */
    int64_t reauthentication_ms;     /* how long a login holds; 0: as long as the connection */
};

/* Takes over what the configuration says of limits, and the configuration itself. */
void broker_options_from(struct broker_options *o, const struct conf_broker *conf);
/* The configuration with one more way in, for clients of this process alone; without its own listeners if `host` is
 * NULL, with one plain listener there if it has none. It must outlive the broker. */
struct broker_door;
struct broker_door *broker_door_new(struct env *env, const struct conf_broker *given, const char *host, int port);
const struct conf_broker *broker_door_conf(const struct broker_door *d);
void broker_door_url(const struct broker_door *d, const struct broker *b, struct buf *out); /* kafka://...; a secret */
void broker_door_free(struct broker_door *d);
/* What can be known before a start: certificates and keys that belong together, verifiers, rules. IG_INVALID says what
 * is wrong. */
IG_MUST_CHECK enum ig_code broker_check(struct env *env, const struct conf_broker *conf, struct error *err);

/* Recovers what is in `dir` and listens. IG_EXISTS: another process has the folder. */
IG_MUST_CHECK enum ig_code broker_start(struct env *env, const struct broker_options *options, struct broker **out,
                                        struct error *err);
int broker_port(const struct broker *b);                    /* of the first listener */
int broker_listener_port(const struct broker *b, size_t i); /* in the order of the configuration */
/* Answers what is in flight, syncs, closes. Frees the broker. NULL is fine. */
void broker_stop(struct broker *b);

#endif
