/* What the files of the simulated world share. */
#ifndef BASE_ENV_SIM_INTERNAL_H
#define BASE_ENV_SIM_INTERNAL_H

#include "base/env_sim.h"
#include "base/vec.h"

#include <pthread.h>

struct inode {
    struct inode *all_next;
    bool is_dir;
    int64_t mtime_us;
    char *data; /* as programs see it */
    size_t size, cap;
    char *synced; /* as at the last sync */
    size_t synced_size;
    struct env_file *locked_by;
};

struct entry {
    struct inode *dir, *node;
    char *name;
};

struct entries {
    struct entry *p;
    size_t n, cap;
};

/* A change of folders that is not durable yet: `node` appears as dir/name (or, NULL, nothing is there any more), and
 * where it came from by a rename vanishes. */
struct change {
    struct inode *dir, *node, *from_dir;
    char *name, *from_name;
    bool forced; /* its folder was synced */
};

struct fault {
    int64_t at; /* the count that fails; 0: none */
    enum ig_code code;
    bool for_good;
};

struct sim_world;
struct sim_loop;

struct sim {
    struct env base;
    struct sim_world *world; /* of one thread; NULL: threads and sockets are real */
    pthread_mutex_t lock;    /* guards all of it */
    uint64_t random;
    int64_t now_us, age; /* age: how often the power has been cut */
    int64_t jumped_us;   /* the wall clock has */
    bool real_clock, show_log, short_transfers, off;
    int64_t cut_in; /* 0: not planned */
    struct fault faults[ENV_SIM_OPS];
    int64_t counts[ENV_SIM_OPS];
    struct inode *inodes, *root;
    struct entries entries; /* as programs see them */
    struct entries durable;
    VEC(struct change) changes;
};

struct env_file {
    struct inode *node;
    int64_t age;
    unsigned flags;
    char path[];
};

/* The caller holds s->lock in all of these. */
uint64_t sim_draw(struct sim *s);
uint64_t sim_draw_below(struct sim *s, uint64_t n);

struct inode *sim_inode_new(struct sim *s, bool is_dir);
/* Walks to the folder that holds the last part of the path (NULL: there is none); *name is that part, "" for the root
 * itself. */
struct inode *sim_walk(struct sim *s, const char *path, const char **name, size_t *n);
struct inode *sim_lookup(struct sim *s, const char *path); /* NULL: there is none */
char *sim_copy_name(const char *name, size_t n);
/* Makes a name mean `node`, or (NULL) nothing: in one view only, and as a change that is not durable yet. */
void sim_put_entry(struct entries *v, struct inode *dir, const char *name, size_t n, struct inode *node);
void sim_set_entry(struct sim *s, struct inode *dir, const char *name, size_t n, struct inode *node);
void sim_resize(struct inode *node, size_t size);
void sim_clear_changes(struct sim *s);
/* The power goes now. */
void sim_cut(struct sim *s);

/* --- the world of one thread (env_loop_sim.c) */
enum ig_code sim_world_loop(struct sim_world *w, struct env_loop **out);
/* A "thread" runs at once; if it is one that runs a loop, that is kept in *loop, and goes on in steps. */
void sim_world_start(struct sim_world *w, env_thread_fn *fn, void *arg, struct sim_loop **loop);
/* Steps until the loop has stopped. */
void sim_world_join(struct sim_world *w, struct sim_loop *loop);
void sim_world_free(struct sim_world *w);

#endif
