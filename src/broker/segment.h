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
    int64_t end;                       /* behind the last record in it */
    int64_t first_ms, written_ms;      /* when something was appended to it first, and last */
    int64_t found_size, mtime_ms;      /* as found at the start */
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
/* The same over whole batches with right checksums, one behind the other. */
typedef void segment_whole_fn(void *ctx, struct segment *s, const struct batch *b);
struct segment_check {
    int64_t from;        /* byte */
    int64_t gaps, upto;  /* offsets: compaction may have left gaps in front of the one; the other ends it */
    int64_t next_offset; /* what must come; afterwards what would */
    int64_t valid;       /* how far it went, in bytes */
    segment_whole_fn *each;
    void *ctx;
};
/* An error is one of reading. */
IG_MUST_CHECK enum ig_code segment_verify(struct env *env, struct segment *s, struct segment_check *c,
                                          struct error *err);
/* Makes the index of an old segment ready: from its state, or by reading it. */
IG_MUST_CHECK enum ig_code segment_load(struct env *env, const char *dir, struct segment *s, struct error *err);

/* --- BASE.state */

struct segment_state {
    int64_t pos, next_offset;
    bool closed;      /* nothing was to be appended any more... */
    int64_t mtime_ms; /* ... and the file was last changed then */
    int64_t first_ms, written_ms, max_time_ms;
    bool has_producers;
};
/* What is to be written; by the owner of the log. producers NULL: they are not known. */
void segment_state_encode(struct env *env, const struct segment *s, int64_t next_offset, bool closed,
                          const struct producers *producers, struct buf *out);
/* Writes it, on any thread. Best effort: a state that is missing only costs time. */
bool segment_state_store(struct env *env, const char *dir, int64_t base, struct buf *state);
/* Both at once. */
void segment_state_write(struct env *env, const char *dir, struct segment *s, int64_t next_offset, bool closed,
                         const struct producers *producers);
/* IG_NOT_FOUND or IG_CORRUPT: there is none. With `s` its index is filled, with `producers` they are; `blob` gets them
 * as they are written. Each may be NULL. */
IG_MUST_CHECK enum ig_code segment_state_read(struct env *env, const char *dir, int64_t base, struct segment_state *out,
                                              struct segment *s, struct producers *producers, struct buf *blob,
                                              struct error *err);

#endif
