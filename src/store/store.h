/*
 * Object store: named, immutable-by-convention blobs under a root, local or remote, chosen by URL.
 *
 * The promise that everything stands on is put-if-absent: of any number of callers in any number of processes, at
 * most one gets IG_OK for a name. What returned IG_OK is durable (synced, with its folder entry).
 *
 * Write once: a name that was put with STORE_IF_ABSENT is never written again while anybody may read it, only removed.
 * Names that are put with STORE_REPLACE are hints that may change at any time (_last_checkpoint). What is read in
 * pieces is read of one version of the object: if it is replaced meanwhile, the read fails with IG_UNAVAILABLE.
 *
 * A remote store (store_is_local() false) may not answer, or answer late, or do a thing and lose the answer. Requests
 * are repeated as long as that is safe. What is left is one of: IG_UNAVAILABLE (nothing happened; a read, or a write
 * that was surely not done), IG_UNKNOWN_OUTCOME (a write that may be done, now or a little later: read it back).
 * IG_EXISTS means that the object is of somebody else: a put that finds its own object there, because an earlier
 * try of it was done and its answer lost, says IG_OK.
 *
 * Names are '/'-separated, relative, without empty, "." or ".." parts; checked here, before an implementation sees
 * them. A store may be used from any thread.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/base.h"

enum store_put_mode { STORE_REPLACE, STORE_IF_ABSENT };

struct store_object {
    struct str name; /* relative to the store's root; valid only inside the callback */
    int64_t size_bytes;
    int64_t mtime_ms;
};
typedef enum ig_code store_list_fn(void *ctx, const struct store_object *object, struct error *err);

struct store;

/* Called with the objects in the order that was asked for, in the caller's thread. */
typedef enum ig_code store_got_fn(void *ctx, size_t i, struct str body, struct error *err);

/* What an implementation fills in; what is behind `free` may be NULL, and is then made of the others. */
struct store_ops {
    const char *scheme;
    enum ig_code (*get)(struct store *st, const char *name, struct buf *out, struct error *err);
    enum ig_code (*put)(struct store *st, const char *name, struct str body, enum store_put_mode mode,
                        struct error *err);
    enum ig_code (*put_file)(struct store *st, const char *name, const char *path, enum store_put_mode mode,
                             struct error *err);
    enum ig_code (*stat)(struct store *st, const char *name, struct store_object *out, struct error *err);
    enum ig_code (*list)(struct store *st, const char *prefix, store_list_fn *each, void *ctx, struct error *err);
    enum ig_code (*remove)(struct store *st, const char *name, struct error *err);
    enum ig_code (*local_path)(struct store *st, const char *name, struct buf *out, struct error *err);
    enum ig_code (*scratch_path)(struct store *st, const char *suffix, struct buf *out, struct error *err);
    void (*free)(struct store *st);
    bool remote; /* requests have latency: many of them go side by side */
    enum ig_code (*get_range)(struct store *st, const char *name, int64_t from, size_t n, struct buf *out,
                              struct error *err);
    enum ig_code (*list_from)(struct store *st, const char *prefix, const char *after, store_list_fn *each, void *ctx,
                              struct error *err);
    enum ig_code (*fetch)(struct store *st, const char *const *names, size_t n, struct error *err);
    enum ig_code (*remove_many)(struct store *st, const char *const *names, size_t n, struct error *err);
    int64_t (*remove_folders)(struct store *st, const char *const *names, size_t n);
    enum ig_code (*probe)(struct store *st, struct error *err);
    /* Another store of this kind, reached the same way (endpoint, credentials), at another URL. */
    enum ig_code (*open_like)(struct store *st, const char *url, struct store **out, struct error *err);
    uint64_t (*hold)(struct store *st);
    void (*release)(struct store *st, uint64_t hold);
    void (*hurry)(struct store *st, bool hurry);
};

/* The first member of every implementation's own struct. */
struct store {
    const struct store_ops *ops;
    struct env *env;
    char *url; /* as given, without a trailing slash and without options: "s3://bucket/prefix" */
    _Atomic(struct store *) elsewhere; /* what store_elsewhere() opened, linked by this member */
};

/* Opens the store that a URL names: "file:DIR" or a plain path (made if missing). Other schemes are IG_UNSUPPORTED. */
IG_MUST_CHECK enum ig_code store_open(struct env *env, const char *url, struct store **out, struct error *err);
/* The same; copies of remote objects are kept in `cache_dir` if the URL does not name a folder for them. NULL: in the
 * user's cache folder. */
IG_MUST_CHECK enum ig_code store_open_in(struct env *env, const char *url, const char *cache_dir, struct store **out,
                                         struct error *err);
void store_free(struct store *st); /* NULL is fine */

/* Is this a name as described above? */
bool store_name_ok(const char *name);

/* Appends the whole object to `out`. IG_NOT_FOUND, IG_LIMIT. */
IG_MUST_CHECK enum ig_code store_get(struct store *st, const char *name, struct buf *out, struct error *err);
/* All of it or nothing, durable. IG_EXISTS with STORE_IF_ABSENT if the name is taken; IG_UNKNOWN_OUTCOME: read it back
 * before going on. */
IG_MUST_CHECK enum ig_code store_put(struct store *st, const char *name, struct str body, enum store_put_mode mode,
                                     struct error *err);
/* The same for a local file's content. The file is the store's afterwards on success (it may be moved, or removed). */
IG_MUST_CHECK enum ig_code store_put_file(struct store *st, const char *name, const char *path,
                                          enum store_put_mode mode, struct error *err);
IG_MUST_CHECK enum ig_code store_stat(struct store *st, const char *name, struct store_object *out, struct error *err);
/* Every object whose name starts with `prefix` (any text, "" for all), in name order; scratch files of unfinished puts
 * never show. */
IG_MUST_CHECK enum ig_code store_list(struct store *st, const char *prefix, store_list_fn *each, void *ctx,
                                      struct error *err);
/* The same for the names that are behind `after` in order, also "": logs are listed from the last checkpoint on. */
IG_MUST_CHECK enum ig_code store_list_from(struct store *st, const char *prefix, const char *after, store_list_fn *each,
                                           void *ctx, struct error *err);
IG_MUST_CHECK enum ig_code store_remove(struct store *st, const char *name, struct error *err); /* absent is fine */
/* All of them, in as few requests as the store knows how to; on an error some may be gone. */
IG_MUST_CHECK enum ig_code store_remove_many(struct store *st, const char *const *names, size_t n, struct error *err);
/* Folders (named as objects are) in which nothing is any more, deepest first; how many went. One that is not empty
 * stays, and who writes an object makes its folders anew. Nothing to do where a store has no folders. */
int64_t store_remove_folders(struct store *st, const char *const *names, size_t n);

/* Appends at most n bytes from byte `from` on; fewer only where the object ends (none at or behind its end). */
IG_MUST_CHECK enum ig_code store_get_range(struct store *st, const char *name, int64_t from, size_t n, struct buf *out,
                                           struct error *err);
/* Whole objects, many small ones: reads ahead side by side where the store is remote, with bounded memory. An object
 * over max_bytes is IG_LIMIT. The first error, of the store or of `each`, ends it. */
IG_MUST_CHECK enum ig_code store_get_many(struct store *st, const char *const *names, size_t n, size_t max_bytes,
                                          store_got_fn *each, void *ctx, struct error *err);
/* Brings objects into the local cache, side by side, so that store_local_path() of each is quick; nothing to do where
 * the store is local. */
IG_MUST_CHECK enum ig_code store_fetch(struct store *st, const char *const *names, size_t n, struct error *err);

/* Calls each(ctx, i) for every i below n: where the store is remote from several threads, so that latencies overlap.
 * The first error ends it. */
typedef enum ig_code store_each_fn(void *ctx, size_t i, struct error *err);
IG_MUST_CHECK enum ig_code store_for_each(struct store *st, size_t n, store_each_fn *each, void *ctx,
                                          struct error *err);

bool store_is_local(const struct store *st);
/* Does this store keep the promise of put-if-absent? Races puts of a scratch name over several connections, once for a
 * store and process, and remembers a good answer longer where it can. IG_UNSUPPORTED if two puts won, or a put over an
 * object that is there did: nobody may write tables there. Call it before the first write to a table. */
IG_MUST_CHECK enum ig_code store_probe(struct store *st, struct error *err);
/* The same with nothing remembered, of any store. */
IG_MUST_CHECK enum ig_code store_probe_now(struct store *st, struct error *err);
/* Opens another URL with this store's way of access (endpoint, region, credentials) where it is of the same kind and
 * says nothing else itself: for files of a table that lie elsewhere. */
IG_MUST_CHECK enum ig_code store_open_like(struct store *st, const char *url, struct store **out, struct error *err);
/* The same, opened at most once for a URL and freed with `st`: local paths that it gives last as long as st's own. */
IG_MUST_CHECK enum ig_code store_elsewhere(struct store *st, const char *url, struct store **out, struct error *err);
/* Where the engine can read the object: the file itself, or a cached copy. Names may be absent (no check is made). */
IG_MUST_CHECK enum ig_code store_local_path(struct store *st, const char *name, struct buf *out, struct error *err);
/* A piece of work that uses local paths, from before it asks for them until the engine is through with them. Copies of
 * remote objects stay as long as a hold lasts that was open when they were asked for; without any, as long as the
 * store is open. So who runs for long holds; who ends soon need not. */
uint64_t store_hold_begin(struct store *st);
void store_hold_end(struct store *st, uint64_t hold);
/* While it is true, requests that fail are not repeated and those that wait for that give up (IG_UNAVAILABLE,
 * IG_UNKNOWN_OUTCOME): somebody is waiting for this process to end. */
void store_hurry(struct store *st, bool hurry);
/* A fresh path for a scratch file or folder, on the same disk as the store where it is local, so that put_file need not
 * copy. Its folder is there. What is not put or removed is swept up a day later. */
IG_MUST_CHECK enum ig_code store_scratch_path(struct store *st, const char *suffix, struct buf *out, struct error *err);

#endif
