/*
 * Object store: named, immutable-by-convention blobs under a root, local or remote, chosen by URL.
 *
 * The promise that everything stands on is put-if-absent: of any number of callers in any number of processes, at
 * most one gets IG_OK for a name. What returned IG_OK is durable (synced, with its folder entry).
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

/* What an implementation fills in. All are required. */
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
};

/* The first member of every implementation's own struct. */
struct store {
    const struct store_ops *ops;
    struct env *env;
    char *url; /* as given, without a trailing slash */
};

/* Opens the store that a URL names: "file:DIR" or a plain path (made if missing). Other schemes are IG_UNSUPPORTED. */
IG_MUST_CHECK enum ig_code store_open(struct env *env, const char *url, struct store **out, struct error *err);
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
IG_MUST_CHECK enum ig_code store_remove(struct store *st, const char *name, struct error *err); /* absent is fine */
/* Where the engine can read the object: the file itself, or a cached copy. Names may be absent (no check is made). */
IG_MUST_CHECK enum ig_code store_local_path(struct store *st, const char *name, struct buf *out, struct error *err);
/* A fresh path for a scratch file or folder, on the same disk as the store where it is local, so that put_file need not
 * copy. Its folder is there. What is not put or removed is swept up a day later. */
IG_MUST_CHECK enum ig_code store_scratch_path(struct store *st, const char *suffix, struct buf *out, struct error *err);

#endif
