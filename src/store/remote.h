/*
 * What stores behind a network share: the URL with its options, and copies on the local disk by way of the cache.
 *
 *     SCHEME://BUCKET[/PREFIX][?option=value&...]
 *
 * Options that all of them take: cache=DIR, cache_bytes=16GiB, and those of remote_url_http().
 */
#ifndef STORE_REMOTE_H
#define STORE_REMOTE_H

#include "store/cache.h"
#include "store/store.h"

#include <pthread.h>

struct remote_option {
    char *key, *value;
};

struct remote_url {
    char *whole;           /* without options and without a trailing slash */
    char *bucket, *prefix; /* the prefix is empty or ends with '/' */
    VEC(struct remote_option) options;
};

/* Takes a URL apart; `known` (ends with NULL) lists the options that the caller takes besides the common ones.
 * IG_INVALID names what is wrong, and never shows a value. */
IG_MUST_CHECK enum ig_code remote_url_parse(const char *url, const char *const *known, struct remote_url *out,
                                            struct error *err);
void remote_url_release(struct remote_url *u);
/* The option's value; NULL if it is not given. */
const char *remote_url_option(const struct remote_url *u, const char *key);

/* 0: not given. */
IG_MUST_CHECK enum ig_code remote_url_cache_bytes(const struct remote_url *u, int64_t *bytes, struct error *err);
struct http_options;
/* The options about HTTP that every remote store takes: ca_file, connections, connect_timeout, timeout, retries,
 * retry_time. The texts are the URL's. */
IG_MUST_CHECK enum ig_code remote_url_http(const struct remote_url *u, struct http_options *out, struct error *err);

/* What is known of one version of an object. */
struct remote_meta {
    int64_t size_bytes, mtime_ms;
    char version[200]; /* ETag or generation: names these bytes; empty: not known yet */
    bool has_crc32c;
    uint32_t crc32c;
};

/* The first member of a remote store's own struct. */
struct remote_store {
    struct store base;
    struct remote_url url;
    /* What the implementation gives. */
    enum ig_code (*head)(struct store *st, const char *name, struct remote_meta *meta, struct error *err);
    /* Bytes [from, from + n) of the object, fewer only at its end, to `out`, or to `file` from byte `from` on. With a
     * version in *meta: of that one (IG_UNAVAILABLE if it is not there any more); else *meta is filled in by what the
     * answer says. */
    enum ig_code (*read)(struct store *st, const char *name, struct remote_meta *meta, int64_t from, size_t n,
                         struct buf *out, struct env_file *file, struct error *err);
    /* Optional: verifies a whole local copy by what the store knows and *meta does not. */
    enum ig_code (*verify)(struct store *st, const char *name, const struct remote_meta *meta, const char *path,
                           struct error *err);

    char *place;                /* names the store for the cache: the URL, and the endpoint where it is not its own */
    pthread_mutex_t cache_lock; /* guards what follows */
    struct cache *cache;        /* opened at first use */
    char *cache_dir;            /* NULL: the user's cache folder */
};

/* Takes the URL over. */
void remote_store_init(struct remote_store *r, const struct store_ops *ops, struct env *env, struct remote_url *url);
void remote_store_release(struct remote_store *r);
/* The store is reached at another endpoint than its kind's own: its copies are kept apart. */
void remote_store_set_place(struct remote_store *r, const char *scheme, const char *host, const char *base);
/* Copies the options of access and cache of another store that this URL does not give itself (for open_like). */
void remote_url_inherit(struct remote_url *u, const struct remote_url *from);

/* Where copies are kept if the URL's options do not say. */
void remote_default_cache(struct store *st, const char *dir);
/* `st`, just opened, has its copies where `from` has them, and as long. */
void remote_share_cache(struct store *st, struct store *from);

/* The object's full key: prefix and name. */
void remote_add_key(const struct remote_store *r, const char *name, struct buf *out);

/* Implementations of store_ops of the same names. */
enum ig_code remote_local_path(struct store *st, const char *name, struct buf *out, struct error *err);
enum ig_code remote_scratch_path(struct store *st, const char *suffix, struct buf *out, struct error *err);
enum ig_code remote_fetch(struct store *st, const char *const *names, size_t n, struct error *err);
uint64_t remote_hold(struct store *st);
void remote_release(struct store *st, uint64_t hold);
/* Races put-if-absent once for a store and process, and remembers a good answer in the cache folder for a day. */
enum ig_code remote_probe(struct store *st, struct error *err);

/* A file that was put under a name whose content never changes: the cache takes it, who reads it next need not fetch
 * it. Any other is removed. */
void remote_keep_or_remove(struct store *st, const char *name, const char *path);

/* CRC32C of a whole file. */
IG_MUST_CHECK enum ig_code remote_file_crc32c(struct env *env, const char *path, uint32_t *crc, int64_t *size,
                                              struct error *err);

#endif
