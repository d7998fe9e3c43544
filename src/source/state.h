/*
 * How far a source has been read, and from where on the log may hold more than that: data/state.db (SQLite, WAL,
 * every commit synced). It is a lower bound, written behind the log's acknowledgements; the log itself has the rest
 * (tail.h).
 */
#ifndef SOURCE_STATE_H
#define SOURCE_STATE_H

#include "base/base.h"

/* One part of a source (reader.h). Everything before `next` is acknowledged. */
struct source_part {
    char *name;
    int64_t next;
    int64_t size_bytes, mtime_ms; /* files: what was read */
    bool finished;
    bool dirty; /* not yet stored */
};

/* Records of this source at or behind part.next can only be at or behind `offset` of this partition. */
struct source_bound {
    char *topic;
    int32_t partition;
    int64_t offset;
    bool dirty;
};

struct source_state;

/* Loads what is known of `domain`; makes the file if it is not there. */
IG_MUST_CHECK enum ig_code state_open(struct env *env, const char *data_dir, const char *domain,
                                      struct source_state **out, struct error *err);
void state_close(struct source_state *s);

/* NULL if there is none. Parts and bounds stay where they are until state_close. */
struct source_part *state_part(struct source_state *s, struct str name);
/* The part added last whose name starts with `prefix`; NULL if there is none. */
struct source_part *state_last_part(struct source_state *s, const char *prefix);
/* A new part, durable when this returns. */
IG_MUST_CHECK enum ig_code state_add_part(struct source_state *s, struct str name, int64_t size_bytes, int64_t mtime_ms,
                                          struct source_part **out, struct error *err);
/* The bound of a partition, made with offset -1 if there is none. */
struct source_bound *state_bound(struct source_state *s, const char *topic, int32_t partition);

/* Makes everything dirty durable, in one transaction. */
IG_MUST_CHECK enum ig_code state_store(struct source_state *s, struct error *err);

#endif
