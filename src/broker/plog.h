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
 * A sync that fails leaves the log failed, too: what the kernel did with the pages is not known. plog_repair makes of
 * what is on the disk a log that can go on.
 *
 * Compaction (plog_clean.h) leaves gaps between offsets. The file `cleaned` says up to where, so that elsewhere a gap
 * is still known as a loss.
 *
 * All calls are from one thread, except plog_sync_run, plog_open and what says so.
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

/* The state of a segment on its way to the disk. */
struct plog_state {
    int64_t base, pos;
    struct buf bytes;
};

#define PLOG_CACHE 4

struct plog {
    struct env *env;
    struct files *files;
    char *dir;
    int64_t segment_bytes, segment_ms; /* begins a new segment when the last is so large or so old */
    bool write_back; /* what is written counts as durable at once: the owner has said that it may be lost */
    VEC(struct segment *) segments; /* at least one; the last is appended to */
    int64_t start, end;             /* first offset, and the one behind the last */
    struct plog_mark durable;       /* what can be read */
    struct plog_mark synced;        /* what is on the disk; the same unless write_back */
    VEC(struct plog_state) states;  /* of segments that were closed, to be written */
    size_t state_bytes;             /* how long the last one was */
    int64_t cleaned, gaps;          /* offsets: compacted up to; and there may be gaps up to */
    bool cleaning;                  /* segments are being rewritten: none may go meanwhile */
    bool dir_dirty;                 /* it has a segment whose name is not durable */
    bool failed;
    bool damaged;         /* failed for good: what was acknowledged is not there */
    char *why;            /* when failed */
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
/* An empty one, in a folder that was just made: touches no file. */
struct plog *plog_new(struct env *env, struct files *files, const char *dir, int64_t segment_bytes);
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
    VEC(struct plog_state) states; /* written when all is synced */
    bool dir;
    struct plog_mark mark; /* what will be durable */
};
bool plog_is_dirty(const struct plog *log);
/* A segment has been closed since the last sync. */
bool plog_has_rolled(const struct plog *log);
void plog_sync_begin(struct plog *log, struct plog_sync *s);
IG_MUST_CHECK enum ig_code plog_sync_run(struct env *env, const char *dir, struct plog_sync *s, struct error *err);
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
/* Which offset is to be the first one, if whole old segments go that are older than retention_ms, or while there are
 * more than retention_bytes; -1: no limit. May begin a new segment for that. */
int64_t plog_due(struct plog *log, int64_t now_ms, int64_t retention_ms, int64_t retention_bytes);
/* Making `offset` the first one, in three steps: is that possible (IG_INVALID: it is behind the end), make it durable
 * (any thread), and forget what is in front (owner). The files in `gone` can then be removed (any thread). */
struct plog_gone {
    VEC(char *) paths;
};
IG_MUST_CHECK enum ig_code plog_trim_check(const struct plog *log, int64_t offset, struct error *err);
IG_MUST_CHECK enum ig_code plog_trim_write(struct env *env, const char *dir, int64_t offset, struct error *err);
void plog_trim_apply(struct plog *log, int64_t offset, struct plog_gone *gone);
/* What was kept because of a compaction. */
void plog_drop_trimmed(struct plog *log, struct plog_gone *gone);
void plog_gone_remove(struct env *env, struct plog_gone *gone); /* and frees the list */
/* All of it here and now. */
IG_MUST_CHECK enum ig_code plog_retain(struct plog *log, int64_t now_ms, int64_t retention_ms, int64_t retention_bytes,
                                       struct error *err);
IG_MUST_CHECK enum ig_code plog_trim(struct plog *log, int64_t offset, struct error *err);
/* Begins a new segment, so that all in front of it can be trimmed. */
IG_MUST_CHECK enum ig_code plog_roll(struct plog *log, struct error *err);
/* The same if the last one is older than that. */
void plog_roll_if_old(struct plog *log, int64_t now_ms, int64_t age_ms);

/* --- repair */

/* Makes of what is on the disk a log that can go on, after a sync or a write has failed: what lies behind `synced` is
 * read, what is whole of it is written into a fresh file and synced, and the log opened again. Any thread; nobody uses
 * the folder meanwhile. */
IG_MUST_CHECK enum ig_code plog_repair(struct env *env, struct files *files, const char *dir, int64_t segment_bytes,
                                       struct plog_mark synced, struct plog **out, struct error *err);

#endif
