/*
 * The read cache of remote stores: whole objects as files on the local disk, because the engine opens files. A folder
 * that any number of processes share.
 *
 * What is kept is bounded in bytes; the least recently used goes first. What somebody may still open is pinned: each
 * process has a folder of hard links, so no eviction, by whomever, takes a file from a scan that runs. A pin lasts
 * until the holds that were open when it was asked for are released (cache_hold), without one until the cache is
 * closed; the pins of a process that died are swept up by the next that looks. Pinned bytes may go beyond the bound.
 *
 * An object is downloaded to a scratch name and renamed when it is whole; who else wants it meanwhile, in this process
 * or another, waits for that instead of downloading it too. No lock that others need is held during a download.
 *
 * Nothing is synced: what an earlier boot of the machine left is not believed and is removed.
 */
#ifndef STORE_CACHE_H
#define STORE_CACHE_H

#include "base/base.h"

#define CACHE_BYTES_DEFAULT (INT64_C(16) << 30)

struct cache;

/* `dir` is made if missing, readable by its owner alone. max_bytes 0: CACHE_BYTES_DEFAULT. */
IG_MUST_CHECK enum ig_code cache_open(struct env *env, const char *dir, int64_t max_bytes, struct cache **out,
                                      struct error *err);
/* One more who closes it. */
struct cache *cache_share(struct cache *c);
/* The last one drops this process's pins. NULL is fine. */
void cache_close(struct cache *c);

/* Appends the folder to use when none is named: $XDG_CACHE_HOME/ingot, ~/.cache/ingot, or one below /tmp. */
void cache_add_default_dir(struct buf *out);

/* What a cached copy is a copy of. */
struct cache_key {
    const char *store;   /* names the store: its URL without options */
    const char *name;    /* the object's */
    const char *version; /* ETag or generation; "" for a name whose content never changes (cache_name_is_final) */
};

/*
 * May the object be served from the cache without asking the store whether it changed? True for names that are made
 * up of a UUID, which their writers use once: data files, deletion vectors, sidecars and V2 checkpoints of Delta
 * tables, and bronze's part-TIME-XXXXXXXX.parquet. Commits and classic checkpoints are not among them: a table that is
 * dropped and made again has the same names.
 */
bool cache_name_is_final(const char *name);

/* An object on its way into the cache. */
struct cache_download;
/* Fetches the whole object into the file at `path`, which is there and empty; checks what the store gives for checking.
 * Calls cache_expect as soon as it knows the size, before it writes. May write from several threads. */
typedef enum ig_code cache_fetch_fn(void *ctx, struct cache_download *d, const char *path, struct error *err);
/* Makes room. IG_NO_SPACE if the disk has none even when all that nobody uses is gone. */
IG_MUST_CHECK enum ig_code cache_expect(struct cache_download *d, int64_t size_bytes, struct error *err);

/* Appends the path of a pinned copy; `fetch` is called if there is none. From any thread. */
IG_MUST_CHECK enum ig_code cache_path(struct cache *c, const struct cache_key *key, cache_fetch_fn *fetch, void *ctx,
                                      struct buf *path, struct error *err);

/* Takes a local file in as the copy of an object that was just written. The file is moved, or left where that is not
 * possible. */
void cache_adopt(struct cache *c, const struct cache_key *key, const char *path);

/* Begins and ends a piece of work: see above. The engine must be through with the paths when its hold is released. */
uint64_t cache_hold(struct cache *c);
void cache_release(struct cache *c, uint64_t hold);

/* A fresh path for a scratch file or folder of this process, gone at the latest when the cache is closed or the process
 * has died. Its folder is there. */
IG_MUST_CHECK enum ig_code cache_scratch_path(struct cache *c, const char *suffix, struct buf *out, struct error *err);

/* The folder that lasts as long as the machine is up: for marks of others. */
const char *cache_root(const struct cache *c);
/* For tests and `status`: bytes kept, as counted. */
IG_MUST_CHECK enum ig_code cache_used(struct cache *c, int64_t *bytes, struct error *err);

#endif
