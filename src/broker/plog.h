/*
 * The log of one partition: a folder of segments BASE.log with record batches one behind the other.
 *
 * An append is written at once and counts as durable when a sync that began after it has ended; only what is durable
 * is read. Beside each segment lies BASE.state: its sparse index (by offset and time) and the idempotent producers up
 * to some byte of it. A state is a shortcut: it is checked by its checksum, and made again by reading the segment.
 *
 * Recovery knows how far the log was durable (struct plog_mark, kept by its owner). From the newest state it reads
 * every batch; the first that is not whole and right ends the log if it lies behind the mark: a torn tail, which is
 * cut. In front of the mark it is damage to what was acknowledged: nothing is cut, and the log is failed: it serves
 * what is in front of the damage and takes nothing more, and `why` names the place.
 *
 * A sync that fails leaves the log failed, too: what the kernel did with the pages is not known.
 *
 * All calls are from one thread, except plog_sync_run.
 */
#ifndef BROKER_PLOG_H
#define BROKER_PLOG_H

#include "broker/batch.h"
#include "broker/files.h"
#include "broker/producers.h"

struct segment;

/* In segment `base`, all bytes below `pos` are durable; they end before `offset`. base -1: nothing is known. */
struct plog_mark {
    int64_t base, pos, offset;
};

#define PLOG_CACHE 4

struct plog {
    struct env *env;
    struct files *files;
    char *dir;
    int64_t segment_bytes;
    VEC(struct segment *) segments; /* at least one; the last is appended to */
    int64_t start, end;             /* first offset, and the one behind the last */
    struct plog_mark durable;
    bool dir_dirty; /* it has a segment whose name is not durable */
    bool failed;
    char why[512];
    int64_t full_said_ms; /* when it was last said that there is no room */
    struct producers producers;
    struct {
        int64_t offset, base, pos; /* a batch that begins there: where readers left off */
    } cache[PLOG_CACHE];
    unsigned cache_next;
};

/* Makes the folder if it is missing. A damaged log opens, failed. */
IG_MUST_CHECK enum ig_code plog_open(struct env *env, struct files *files, const char *dir, int64_t segment_bytes,
                                     struct plog_mark durable, struct plog **out, struct error *err);
/* Writes the state for a quick start, if everything is durable. */
void plog_close(struct plog *log);
/* The files are somebody else's now (the folder is renamed or gone). */
void plog_abandon(struct plog *log);

/* Appends one checked batch; its header's offset and epoch are replaced. `b` gets its offset. IG_NO_SPACE: nothing
 * happened. */
IG_MUST_CHECK enum ig_code plog_append(struct plog *log, struct batch *b, const void *bytes, struct error *err);

/* --- durability: begin (owner's thread), run (any), end (owner's) */

struct plog_sync {
    VEC(struct file *) files;
    VEC(struct env_file *) open;
    bool dir;
    struct plog_mark mark; /* what will be durable */
};
bool plog_is_dirty(const struct plog *log);
void plog_sync_begin(struct plog *log, struct plog_sync *s);
IG_MUST_CHECK enum ig_code plog_sync_run(struct env *env, const char *dir, const struct plog_sync *s,
                                         struct error *err);
/* `rc` and `err` are what run returned. */
void plog_sync_end(struct plog *log, struct plog_sync *s, enum ig_code rc, const struct error *err);

/* --- reading */

struct plog_span {
    struct file *file; /* pinned; NULL if n is 0 */
    struct env_file *open;
    int64_t at;
    size_t n;
    int64_t end_offset; /* behind the last batch */
};
/* Whole batches from the one that holds `offset`, at most max_bytes of them, but one if `at_least_one`. IG_NOT_FOUND:
 * the offset is outside of the log. */
IG_MUST_CHECK enum ig_code plog_read(struct plog *log, int64_t offset, size_t max_bytes, bool at_least_one,
                                     struct plog_span *out, struct error *err);
/* The same, of what lies in front of `upto`, where a batch begins. */
IG_MUST_CHECK enum ig_code plog_read_upto(struct plog *log, int64_t offset, int64_t upto, size_t max_bytes,
                                          bool at_least_one, struct plog_span *out, struct error *err);
/* The last stable offset: in front of it every transaction has ended, and everything is durable. */
int64_t plog_stable(const struct plog *log);
/* Durable bytes from `offset` on: exact within the last segment, else at least what is asked for is there. */
int64_t plog_available(const struct plog *log, int64_t offset);

/* The first record at or after a time; *offset -1 if there is none. */
IG_MUST_CHECK enum ig_code plog_find_time(struct plog *log, int64_t time_ms, int64_t *offset, int64_t *found_ms,
                                          struct error *err);
/* The record with the greatest time. */
IG_MUST_CHECK enum ig_code plog_find_max_time(struct plog *log, int64_t *offset, int64_t *found_ms, struct error *err);

/* --- trimming */

int64_t plog_size(const struct plog *log);
/* Removes whole old segments: older than retention_ms, or while there are more than retention_bytes. -1: no limit. */
IG_MUST_CHECK enum ig_code plog_retain(struct plog *log, int64_t now_ms, int64_t retention_ms, int64_t retention_bytes,
                                       struct error *err);
/* Makes `offset` the first one. */
IG_MUST_CHECK enum ig_code plog_trim(struct plog *log, int64_t offset, struct error *err);
/* Begins a new segment, so that all in front of it can be trimmed. */
IG_MUST_CHECK enum ig_code plog_roll(struct plog *log, struct error *err);

#endif
