/*
 * A table with several writers, readers and clean-ups in one thread and a simulated world, from a seed: an object store
 * that answers late, twice, or not at all, applies a request whose answer was lost, and refuses; processes that die
 * between any two calls, sleep for long, and have clocks of their own. Each process runs on a stack of its own and
 * gives up the processor at each call to the store.
 *
 * A model sees every commit at the moment when the store takes it, and replays it:
 *
 *   each version is there once, and none is left out
 *   acknowledged        is in the log once, at the version that was told
 *   refused             is not in the log, and never gets there
 *   unknown, or died    is there once or not
 *   what a commit has read is, at its version, what is there (serializability)
 *
 * and what readers see is what the replay says of that version, with every file there.
 */
#ifndef SIM_LAKE_SIM_H
#define SIM_LAKE_SIM_H

#include "lake/lake_internal.h"

#include "base/hash.h"

#include <ucontext.h>

#define TABLE "t"
#define PARTITIONS 3 /* at most */
#define ROWS_MAX 8   /* of a file */
#define CLONES 2     /* names of clones */
#define X_VALUES 16  /* of the column x */
#define STACK_BYTES ((size_t)1 << 20)
#define US_PER_MS 1000
#define US_PER_S 1000000
#define LOG_KEPT_S 90     /* delta.logRetentionDuration */
#define FILES_KEPT_S 150  /* delta.deletedFileRetentionDuration: longer than any write takes */
#define COMMIT_TAKES_S 40 /* from a commit's text to its place in the log, at most, and the clocks' difference */

struct world;
struct process;

/* --- the store: store.c ------------------------------------------------------------------------------------- */

struct object {
    char *name;
    char *body;
    size_t n;
    int64_t mtime_ms;
};

/* A request that arrives after its sender has given it up, or once more. */
struct late {
    int64_t at_us;
    char *name;
    char *body;
    size_t n;
    enum store_put_mode mode;
    int process;
};

enum fate {
    FATE_GOOD,
    FATE_REFUSED,      /* 503: nothing has happened */
    FATE_LOST_REQUEST, /* no answer, and nothing has happened */
    FATE_LOST_ANSWER,  /* no answer, and it has happened */
    FATE_LATE,         /* no answer, and it happens later */
    FATE_TWICE,        /* the client library sends it again itself: the second answer is given */
    FATE_ECHO,         /* answered, and it arrives once more later */
    FATES
};

void store_sim_init(struct process *p);
/* The request's effect on what is stored, now. */
enum ig_code store_apply(struct world *w, int process, const char *name, struct str body, enum store_put_mode mode);
const struct object *store_find(const struct world *w, const char *name);
void store_sim_free(struct world *w);

/* --- processes: process.c ----------------------------------------------------------------------------------- */

struct process {
    struct process *next;
    struct world *w;
    struct env env;
    struct store store;
    int number;
    const char *kind;
    void (*run)(struct process *p); /* returns when it is done, or dead */
    ucontext_t context;
    char *stack;
    int64_t wake_us, skew_us;
    int64_t dead_us;  /* time that passes for one who is dead and still waits */
    int64_t crash_in; /* calls, 0: never */
    bool dead, done;
    int lives, work; /* work: how much is left to do */
};

struct process *process_add(struct world *w, const char *kind, void (*run)(struct process *p), int work);
/* Others go on until that much time has passed. */
void process_wait(struct process *p, int64_t us);
/* Another call: false if the process is dead, or dies here. */
bool process_call(struct process *p);
void processes_run(struct world *w);
void processes_free(struct world *w);

/* --- what is known: model.c --------------------------------------------------------------------------------- */

enum op_kind {
    OP_CREATE,
    OP_APPEND,
    OP_REPLACE,  /* a partition's rows are others */
    OP_DERIVE,   /* reads rows, and writes what it has read */
    OP_OPTIMIZE, /* the same rows in one file */
    OP_MARK,     /* deletion vectors */
    OP_DELETE,   /* one file of those that it has read */
    OP_PROPERTY, /* metaData */
    OP_TXN,      /* an append that counts once */
    OP_DOMAIN,
    OP_RESTORE,
    OP_CHANGE, /* DELETE, UPDATE, MERGE: the rows that a predicate is true for are gone, or others */
    OP_KINDS
};

enum op_state { OP_RUNNING, OP_ACKED, OP_REFUSED, OP_UNKNOWN, OP_NOTHING };

struct op {
    enum op_kind kind;
    enum op_state state;
    int64_t base, told, landed; /* versions; landed -1: not in the log */
    int process;
    int partition;   /* that it has read, -1: all */
    int low, high;   /* of x in the rows that it has read */
    bool has_digest; /* of the rows that it has read: */
    uint64_t digest;
    uint64_t given, taken; /* digests of the rows that it adds and removes */
    int64_t restores;      /* a version, -1 */
    const char *why;
};

/* A data file: its rows. */
struct data_file {
    char *name;
    int partition, op;
    int n_rows;
    uint64_t rows[ROWS_MAX];
    bool landed;        /* in some version */
    int64_t removed_us; /* when it went out of the table, -1: it did not */
};

struct live {
    int file;        /* index of files */
    unsigned marked; /* rows that a deletion vector takes: a bit each */
    char dv[24];
    int64_t row_id, rows;
    int64_t version; /* that added it */
};

/* What a version is, for readers. */
struct version_state {
    uint64_t digest; /* of the live files and their deletion vectors */
    uint64_t rows;   /* of the rows */
    int64_t files, bytes;
    int64_t in_commit_ms;
    int64_t taken_us; /* when the store took it */
    int op;
    int64_t txn[2];
    char property[24], domain[24];
};

struct model {
    VEC(struct op) ops;
    VEC(struct data_file) files;
    VEC(struct live) live;
    VEC(struct version_state) versions;
    int64_t row_high;
    int64_t acked; /* the newest version that anybody was told of */
};

int model_begin(struct world *w, struct process *p, enum op_kind kind);
void model_end(struct world *w, int op, enum ig_code rc, int64_t version);
int model_add_file(struct world *w, const char *name, int partition, int op);
int model_find_file(const struct world *w, struct str name);
/* A commit's file was stored under this version. */
void model_commit(struct world *w, int64_t version, struct str text);
/* An object is to be removed. */
void model_removes(struct world *w, const char *name);
/* A row's value in the column x. */
int model_x(uint64_t row);
uint64_t model_row_digest(uint64_t row);
/* The rows that an operation has read, or would read now; or all. */
uint64_t model_rows_of(const struct world *w, const struct op *op, int64_t blind_after);
uint64_t model_rows(const struct world *w);
/* What one file adds to the digest of the rows, or of a version's files. */
uint64_t model_file_rows(const struct data_file *f, unsigned marked, int low, int high);
uint64_t model_file_digest(struct str path, struct str dv_id);
unsigned model_marked(struct str dv);
void model_check_end(struct world *w);
void model_free(struct world *w);

/* --- those who act: writer.c, reader.c, cloner.c
 * ------------------------------------------------------------------------ */

void writer_run(struct process *p);
void reader_run(struct process *p);
void cleaner_run(struct process *p);
void cloner_run(struct process *p);

/* --- the world: world.c ---------------------------------------------------------------------------------------- */

struct world {
    uint64_t seed, random;
    int64_t now_us;
    bool verbose, failed, healing;
    char why[1024];
    VEC(struct object) objects; /* by name */
    VEC(struct late) lates;
    struct process *processes, *running;
    ucontext_t scheduler;
    VEC(char *) stacks; /* free ones, kept from run to run */
    struct model model;
    /* what this seed is like */
    unsigned fault_percent, slow_percent, page, partitions;
    bool crashes, slow_paced, row_tracking, in_commit_timestamps, write_serializable, sleepers;
    int64_t crashes_seen, calls, vacuumed;
    int clones[CLONES]; /* how often somebody was told that it made it */
};

struct world_result {
    size_t commits, unknown;
    int64_t crashes, vacuumed;
    uint64_t random;
    char why[1024];
};

/* `stacks` outlives the runs. */
bool world_run(struct world *w, uint64_t seed, bool verbose, struct world_result *out);

uint64_t draw(struct world *w, uint64_t below);
bool chance(struct world *w, unsigned percent);
void say(const struct world *w, const char *fmt, ...) IG_PRINTF(2, 3);
void violation(struct world *w, const char *fmt, ...) IG_PRINTF(2, 3);

#endif
