/* One file of a partition's log, with its index. Used by plog only. */
#ifndef BROKER_SEGMENT_H
#define BROKER_SEGMENT_H

#include "broker/batch.h"
#include "broker/files.h"
#include "broker/producers.h"

#define SEGMENT_INDEX_BYTES (64 << 10) /* about so far are the index's entries apart */

/* A batch that begins at pos with offset; everything in front of it has times up to max_time_ms. */
struct segment_entry {
    int64_t offset, pos, max_time_ms;
};

struct segment {
    int64_t base, size;
    int64_t mtime_ms;                  /* as found at the start */
    int64_t max_time_ms, max_time_pos; /* greatest record time (-1: none), and the batch that has it */
    VEC(struct segment_entry) index;
    bool indexed;      /* index and times are there; only then can it be appended to */
    bool exists;       /* the file has been made */
    bool dirty;        /* has unsynced bytes, and a pin because of that */
    int64_t state_pos; /* as far as the state on the disk reaches */
    struct file *file;
    struct env_file *open; /* while dirty */
};

struct segment *segment_new(struct files *files, const char *dir, int64_t base);
void segment_free(struct segment *s);
void segment_path(const char *dir, int64_t base, const char *suffix, char *out, size_t n);
/* "00000000000000000042.log" to 42; -1 if it is something else. */
int64_t segment_base_of_name(const char *name);

/* The batch was or will be put at s->size; grows the segment. */
void segment_add(struct segment *s, const struct batch *b);
/* Forgets everything from `pos` on, where nothing is indexed behind it. */
void segment_reset(struct segment *s);
/* The last entry at or before an offset (by_pos: a position); NULL if there is none. */
const struct segment_entry *segment_floor(const struct segment *s, int64_t value, bool by_pos);

/* Goes over the batch headers in [from, to); `each` returns false to stop. IG_CORRUPT where no batch begins. */
typedef bool segment_each_fn(void *ctx, const struct batch *b, int64_t pos);
IG_MUST_CHECK enum ig_code segment_walk(struct env *env, struct segment *s, int64_t from, int64_t to,
                                        segment_each_fn *each, void *ctx, struct error *err);
/* The same over whole batches with right checksums; *valid is how far that went. An error is one of reading. */
typedef void segment_whole_fn(void *ctx, struct segment *s, const struct batch *b);
IG_MUST_CHECK enum ig_code segment_verify(struct env *env, struct segment *s, int64_t from, int64_t *next_offset,
                                          segment_whole_fn *each, void *ctx, int64_t *valid, struct error *err);
/* Makes the index of an old segment ready: from its state, or by reading it. */
IG_MUST_CHECK enum ig_code segment_load(struct env *env, const char *dir, struct segment *s, struct error *err);

/* --- BASE.state */

struct segment_state {
    int64_t pos, next_offset;
    bool closed;      /* nothing was to be appended any more... */
    int64_t mtime_ms; /* ... and the file was last changed then */
};
/* Best effort: a state that is missing only costs time. */
void segment_state_write(struct env *env, const char *dir, struct segment *s, int64_t next_offset, bool closed,
                         const struct producers *producers);
/* IG_NOT_FOUND or IG_CORRUPT: there is none. With `s` its index is filled, with `producers` they are. */
IG_MUST_CHECK enum ig_code segment_state_read(struct env *env, const char *dir, int64_t base, struct segment_state *out,
                                              struct segment *s, struct producers *producers, struct error *err);

#endif
