/*
 * A whole broker and its clients in one thread and a simulated world, from a seed: a disk that loses what was not
 * synced, tears and fails; connections that break; programs that die; a clock that jumps. A model keeps what each
 * client was told, and says what therefore may be read, and what must be.
 *
 *   acknowledged   is there, once, at the offset that was told, in the producer's order
 *   unknown        (no answer, or an error that says try again) is there once or not
 *   aborted        is never read by a read_committed consumer
 *
 * and whatever a consumer has once read stays where it was.
 */
#ifndef SIM_BROKER_SIM_H
#define SIM_BROKER_SIM_H

#include "base/env_sim.h"
#include "broker/broker_internal.h"

#include "base/hash.h"

#define PARTS_MAX 3
#define TOPIC "t"

#define vec_remove_at(v, i) \
    (memmove(&(v)->p[i], &(v)->p[(i) + 1], ((v)->n - (size_t)(i) - 1) * sizeof(*(v)->p)), (v)->n--)

struct world;

/* --- a client's connection: peer.c ------------------------------------------------------------------------- */

/* `response` is a struct wire_X_response, valid until the callback returns. */
typedef void peer_reply_fn(void *ctx, const void *response);

struct peer_call {
    const struct api *api;
    int16_t version;
    int32_t correlation_id;
    peer_reply_fn *reply;
    void *ctx;
};

struct peer {
    struct world *w;
    struct sim_conn *conn; /* NULL: not connected */
    int32_t correlation_id;
    struct buf in;
    VEC(struct peer_call) calls; /* under way, in order */
    void (*broken)(void *ctx);   /* the connection is gone, and with it what was under way */
    void *ctx;
};

void peer_init(struct peer *p, struct world *w, void (*broken)(void *ctx), void *ctx);
bool peer_connect(struct peer *p); /* false: nobody listens */
void peer_call(struct peer *p, int16_t key, int16_t version, const void *request, peer_reply_fn *reply, void *ctx);
/* Closes it, as if the network had; `broken` is not called. */
void peer_drop(struct peer *p);
void peer_release(struct peer *p);

/* --- what is known: model.c ---------------------------------------------------------------------------------- */

enum fate { FATE_UNKNOWN, FATE_ACKED };

struct record {
    int producer;
    int32_t part;
    int number; /* of the producer's records for this partition */
    int txn;    /* -1: none */
    enum fate fate;
    int64_t offset; /* as told, or as seen; -1 */
    bool idempotent;
    bool there; /* in the last reading */
};

enum txn_fate { TXN_OPEN, TXN_COMMITTED, TXN_ABORTED, TXN_UNKNOWN };

/* A group's commit; its number is the offset that it committed. */
struct commit {
    int life; /* of the broker */
    int32_t generation;
    int member;
};
struct owner {
    int life;
    int32_t generation;
    int member; /* + 1; 0: nobody yet */
};

/* What is known of a group's offset of one partition. */
struct group_floor {
    struct commit reader; /* an owner that read it, */
    int64_t commits;      /* and how many commits had been sent by then */
    struct commit told;   /* the last commit that was acknowledged, */
    int64_t offset;       /* and its offset; -1: none */
};

struct watermarks {
    int64_t high, stable;
};

struct model {
    VEC(struct record) records;
    VEC(enum txn_fate) txns;
    VEC(int) owners;        /* of each transaction: the number of its transactional id */
    VEC(int16_t) epochs;    /* of each: its producer's */
    VEC(bool) with_offsets; /* of each: its offsets were taken */
    int producers;
    VEC(int64_t) seen[PARTS_MAX];       /* by offset: the record, -1: none was read there */
    struct watermarks marks[PARTS_MAX]; /* the highest that anybody was told */
    /* a group's, by partition: */
    VEC(struct commit) commits;
    struct owner owner[PARTS_MAX];
    struct group_floor floor[PARTS_MAX];
    int64_t start_told[PARTS_MAX], start_asked[PARTS_MAX]; /* DeleteRecords: answered, and sent */
};

struct world {
    struct env *env;
    uint64_t seed;
    uint64_t random; /* of what clients do; the world draws its own */
    struct broker_options options;
    struct broker *broker; /* NULL: not running */
    int port;
    int32_t parts;
    bool compacts; /* the topic */
    bool healing;  /* no faults any more: everybody comes to an end */
    bool checking; /* the last reading */
    bool verbose;
    bool failed;
    char why[1024];
    int crashes, restarts, io_faults;
    bool starting, mishap_due;
    bool faulty;   /* files may fail: a start may, too */
    size_t mishap; /* which */
    struct model model;
    int transactors, members;
    struct actor *actors;
};

uint64_t draw(struct world *w, uint64_t below);
bool chance(struct world *w, unsigned percent);
void say(const struct world *w, const char *fmt, ...) IG_PRINTF(2, 3);
/* The broker has broken its word. */
void violation(struct world *w, const char *fmt, ...) IG_PRINTF(2, 3);

int model_add(struct world *w, int producer, int32_t part, int number, int txn, bool idempotent);
void model_acked(struct world *w, int id, int64_t offset);
/* A consumer has read it; `last`: one that reads all once more at the end. */
void model_saw(struct world *w, int32_t part, int64_t offset, int id, bool committed_only, bool last);
/* A consumer was told, and what had been told when it asked: they never go back. */
void model_watermarks(struct world *w, int32_t part, struct watermarks now, struct watermarks asked);
void model_check(struct world *w);
int model_begin_txn(struct world *w, int owner, int16_t epoch);
void model_free(struct model *m);

/* The value of a record, and back; -1 if it is none of ours. */
void record_value(struct world *w, int id, struct buf *out);
int record_of_value(struct str value);

/* --- those who act: each a state machine of its own --------------------------------------------------------- */

struct actor {
    struct actor *next;
    const char *kind;
    bool (*done)(const struct actor *a); /* while healing: has it nothing left to do? */
    void (*free)(struct actor *a);
};
void actor_add(struct world *w, struct actor *a);

void producer_add(struct world *w, bool idempotent, int records);
void consumer_add(struct world *w, bool committed_only, bool once);
void committer_add(struct world *w, int number);
void transactor_add(struct world *w, int number);
void offset_reader_add(struct world *w, int number);
void trimmer_add(struct world *w);
void member_add(struct world *w, int number);
void topic_maker_add(struct world *w);

#define RETRY(w) ((int64_t)(1000 + draw((w), 50000)))

#endif
