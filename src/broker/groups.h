/*
 * Consumer groups. Committed offsets are durable: they are records of an internal partition (DIR/groups), whose newest
 * record for a key holds. So are the members of each generation, so that they go on after a restart without a
 * rebalance; who was in the middle of one joins again.
 */
#ifndef BROKER_GROUPS_H
#define BROKER_GROUPS_H

#include "broker/broker_internal.h"

enum group_state { GROUP_EMPTY, GROUP_PREPARING, GROUP_COMPLETING, GROUP_STABLE, GROUP_STATES };

struct member_protocol {
    struct str name, metadata; /* malloc */
};
struct member {
    char *id, *instance_id; /* instance_id: NULL if not static */
    char *client_id, *client_host;
    int64_t session_ms, rebalance_ms;
    VEC(struct member_protocol) protocols;
    struct str assignment;
    struct request *join, *sync; /* waiting; then no deadline counts */
    char *replaced;              /* the id that a static member had before; NULL */
    bool skips;                  /* the leader that came back need not share out anew */
    int64_t deadline_ms;
};

struct pending_id {
    char *id;
    int64_t deadline_ms;
};

struct committed {
    struct str topic; /* malloc */
    int32_t partition;
    int32_t leader_epoch;
    int64_t offset; /* -1: none any more */
    int64_t time_ms;
    struct str metadata; /* malloc; p NULL is null */
};

/* Committed by a producer in its transaction: invisible until that is committed. */
struct pending_offset {
    int64_t producer_id;
    int64_t at; /* where its record is in the groups' log */
    struct committed c;
};

struct group {
    struct group *next; /* in its bucket */
    struct groups *gs;
    char *id;
    enum group_state state;
    int32_t generation;
    char *protocol_type;
    char *protocol; /* chosen; NULL if none */
    char *leader;   /* a member's id; NULL if none */
    VEC(struct member *) members;
    VEC(struct pending_id) pending;        /* ids given out that have not joined yet */
    int64_t rebalance_deadline_ms;         /* of joining, then of asking for the shares */
    int64_t not_before_ms, initial_end_ms; /* a new group waits for company; 0: not now */
    int64_t empty_since_ms;                /* wall clock; 0: unknown */
    bool storing;                          /* the shares of a new generation */
    struct consumers *consumers;           /* of the protocol of KIP-848; NULL: a classic group */
    int64_t stored_bytes;                  /* of the record of its members; 0: there is none */
    VEC(struct committed) offsets;
    uint32_t *index; /* hash table over offsets: number + 1 */
    size_t index_cap;
    VEC(struct pending_offset) txn_offsets;
};

#define GROUP_BUCKETS 256
struct groups {
    struct broker *b;
    struct partition *log;
    struct group *buckets[GROUP_BUCKETS];
    size_t n;
    int64_t live_bytes; /* about what the newest records take */
    bool compacting;
    int64_t expired_ms; /* when it was last looked for offsets that are too old */
};

struct group *group_find(struct groups *gs, struct str id);
struct group *group_make(struct groups *gs, struct str id);
/* Goes if it has had neither members nor offsets for a while, or never had any. */
void group_drop_if_idle(struct group *g);
void group_drop(struct group *g);
struct member *group_member(struct group *g, struct str id);
const char *group_state_name(const struct group *g);
struct str str_copy(struct str s); /* malloc; keeps NULL */

/* --- membership (group.c) */
void group_set_state(struct group *g, enum group_state to);
bool group_is_empty(const struct group *g);
char *group_host_of(const char *peer);        /* as Kafka's tools show it; free() it */
void group_set_text(char **at, struct str s); /* s.p NULL: none */
void group_free_str(struct str *s);
int64_t group_now(const struct group *g);
void group_touch(struct group *g, struct member *m); /* it has been heard of */
struct member *group_static_member(struct group *g, struct str instance_id);
struct member *group_add_member(struct group *g, struct request *r, const char *id);
void group_member_free(struct member *m);
void group_clear_members(struct group *g); /* without a word to anybody */
bool member_differs(const struct member *m, const struct wire_join_group_request *in);
void member_update(struct member *m, const struct wire_join_group_request *in);
bool group_takes(const struct group *g, const struct wire_join_group_request *in, const struct member *but);
struct str group_select_protocol(const struct group *g);
void group_prepare_rebalance(struct group *g);
/* Consumers' groups say in their metadata what they are subscribed to. */
bool group_is_of_consumers(const struct group *g);
bool group_subscribes(const struct group *g, struct str topic);
bool group_take_pending(struct group *g, struct str id);
void group_answer_join_error(struct request *r, enum kafka_error e, const char *member_id);
void group_answer_join(struct group *g, struct member *m, struct request *r, const char *leader, bool skip_assignment);
void group_answer_sync(struct request *r, enum kafka_error e, const struct group *g, struct str assignment);
void group_end_join(struct member *m, enum kafka_error e);
void group_end_sync(struct member *m, enum kafka_error e);
void group_leave(struct group *g, struct member *m, enum kafka_error why);
void group_tick(struct group *g, int64_t now_ms);
/* What its deadlines say now, not at the last tick: who is asked whether it is empty calls it first. */
void group_catch_up(struct group *g);
void group_release(struct group *g); /* answers who waits, frees */

/* --- members as records (group_store.c) */
#define GROUP_RECORD_MEMBERS 3 /* the version of their keys */
void group_store(struct group *g);
/* The same, and `done` is called when it is durable or never will be; `g` NULL: the group is no more, or is of another
 * generation by now. */
typedef void group_stored_fn(struct group *g, bool ok, const char *member_id);
void group_store_wait(struct group *g, const char *member_id, group_stored_fn *done);
void group_store_forget(struct group *g);
void group_store_add(struct batch_builder *builder, const struct group *g);
void group_store_apply(struct groups *gs, struct wire_in *key, const struct batch_record *r);

/* --- offsets (group_offsets.c) */
struct committed *group_committed(struct group *g, struct str topic, int32_t partition);
/* Takes over what c points to. */
void group_set_committed(struct group *g, const struct committed *c);
void group_clear_offsets(struct group *g);
/* A record of an offset; producer_id -1: not in a transaction. */
void group_add_record(struct batch_builder *builder, struct str group, int64_t producer_id, const struct committed *c);
IG_MUST_CHECK enum ig_code groups_append(struct groups *gs, struct batch_builder *builder, int64_t *end,
                                         struct error *err);
IG_MUST_CHECK enum ig_code groups_load(struct groups *gs, struct error *err);
void groups_compact(struct groups *gs);
/* Makes changes durable, then applies them and calls done. */
struct offsets_change {
    struct group *group;
    struct str group_id;
    struct committed *items; /* borrowed until done; offset -1 removes */
    size_t n;
    partition_durable_fn *done;
    void *ctx;
    struct partition_wait wait;
    struct groups *gs;
};
void groups_change(struct groups *gs, struct offsets_change *c);

/* --- offsets in transactions (group_txn.c) */
/* c->offset -1 removes it. Copies what c points to. */
void group_set_pending(struct group *g, int64_t producer_id, const struct committed *c, int64_t at);
/* What was committed without a transaction since it was pending holds: there is nothing left to commit. */
void group_overtake_pending(struct group *g, const struct committed *c, int64_t at);
bool group_is_pending(const struct group *g, struct str topic, int32_t partition);
void group_clear_pending(struct group *g);
/* Appends offsets of a transaction; *end: they are durable when everything below it is. */
bool group_commit_in_txn(struct groups *gs, struct str group, int64_t producer_id, const struct committed *items,
                         size_t n, int64_t *end);
/* Makes the producer's offsets visible, or drops them; calls done when that is durable. */
void group_end_txn(struct groups *gs, struct str group, int64_t producer_id, bool commit, partition_durable_fn *done,
                   void *ctx);
/* Drops what no transaction knows of. */
typedef bool groups_known_fn(void *ctx, struct str group, int64_t producer_id);
void groups_sweep_txns(struct groups *gs, groups_known_fn *known, void *ctx);

#endif
