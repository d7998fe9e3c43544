/*
 * What the files of the cache share.
 *
 *   DIR/lock                  held while somebody opens the cache
 *   DIR/boot-XXXXXXXX/lock    held while room is made; its content is the count of bytes kept
 *                    /objects/KEY
 *                    /parts/KEY          being downloaded by who has it locked
 *                    /pins/UUID/lock     locked as long as its process lives
 *                              /links    hard links to objects, scratch files
 */
#ifndef STORE_CACHE_INTERNAL_H
#define STORE_CACHE_INTERNAL_H

#include "store/cache.h"

#include <pthread.h>

#define CACHE_KEY_CHARS 64

struct cache_pin {
    char key[CACHE_KEY_CHARS + 1]; /* empty: the slot is free */
    char *path;
    uint64_t used_at; /* the newest hold when it was last asked for; UINT64_MAX: until the end */
};

struct cache {
    struct env *env;
    char *root; /* DIR/boot-XXXXXXXX */
    char *pins_dir;
    int64_t max_bytes;
    struct env_file *life; /* pins_dir/lock, locked */

    pthread_mutex_t guard;  /* of what follows */
    struct cache_pin *pins; /* a hash table by key */
    size_t n_pins, n_slots;
    VEC(uint64_t) holds; /* open ones */
    uint64_t last_hold;
    unsigned n_shared;        /* closed so often without effect */
    int64_t crowded_until_ms; /* nothing could be evicted: not tried again before that */
};

/* DIR/boot-ID of this boot, with its folders; those of earlier boots are removed. Makes and locks the pins folder. */
IG_MUST_CHECK enum ig_code cache_dirs_open(struct cache *c, const char *dir, struct error *err);

/* Counts `bytes` more (or less) as kept, and evicts if that is beyond the bound. With `all`, evicts whatever nobody
 * uses. */
IG_MUST_CHECK enum ig_code cache_count(struct cache *c, int64_t bytes, bool all, struct error *err);

/* Opens the file and locks it, waiting until others let it go. The file is then the one of that name. */
IG_MUST_CHECK enum ig_code cache_lock_file(struct env *env, const char *path, struct env_file **out, struct error *err);

#endif
