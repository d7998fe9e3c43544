#include "store/remote.h"

#include "store/parallel.h"
#include "store/store_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

#define PIECE_BYTES ((int64_t)8 << 20) /* of a big object: one request */
#define FIRST_BYTES                                                                                   \
    ((int64_t)4 << 20) /* of an object whose size nobody told: kept in memory until the size is known \
                        */
#define PIECE_READERS 8u
#define OBJECT_READERS 16u
#define CRC_CHUNK_BYTES ((size_t)1 << 20)
#define PROBE_BELIEVED_MS (INT64_C(24) * 60 * 60 * 1000)

static struct remote_store *remote_of(struct store *st)
{
    return (struct remote_store *)st;
}

void remote_store_init(struct remote_store *r, const struct store_ops *ops, struct env *env, struct remote_url *url)
{
    r->base = (struct store){.ops = ops, .env = env, .url = check_strdup(url->whole)};
    r->place = check_strdup(url->whole);
    r->url = *url;
    *url = (struct remote_url){0};
    pthread_mutex_init(&r->cache_lock, NULL);
}

void remote_store_release(struct remote_store *r)
{
    cache_close(r->cache);
    free(r->cache_dir);
    pthread_mutex_destroy(&r->cache_lock);
    remote_url_release(&r->url);
    free(r->base.url);
    free(r->place);
}

void remote_store_set_place(struct remote_store *r, const char *scheme, const char *host, const char *base)
{
    struct buf place;

    buf_init(&place, 0);
    buf_printf(&place, "%s at %s%s%s", r->base.url, scheme, host, base);
    free(r->place);
    r->place = buf_take(&place);
}

void remote_add_key(const struct remote_store *r, const char *name, struct buf *out)
{
    buf_puts(out, r->url.prefix);
    buf_puts(out, name);
}

/* --- the cache ----------------------------------------------------------------------------------------------- */

static enum ig_code open_cache(struct remote_store *r, struct error *err)
{
    const char *named = remote_url_option(&r->url, "cache");
    int64_t bytes = 0;
    struct buf dir;
    enum ig_code rc = remote_url_cache_bytes(&r->url, &bytes, err);

    buf_init(&dir, 0);
    if (named || r->cache_dir)
        buf_puts(&dir, named ? named : r->cache_dir);
    else
        cache_add_default_dir(&dir);
    if (!rc)
        rc = cache_open(r->base.env, buf_cstr(&dir), bytes, &r->cache, err);
    buf_release(&dir);
    return rc;
}

static enum ig_code cache_of(struct remote_store *r, struct cache **out, struct error *err)
{
    enum ig_code rc = IG_OK;

    pthread_mutex_lock(&r->cache_lock);
    if (!r->cache)
        rc = open_cache(r, err);
    *out = r->cache;
    pthread_mutex_unlock(&r->cache_lock);
    return rc;
}

void remote_default_cache(struct store *st, const char *dir)
{
    remote_of(st)->cache_dir = check_strdup(dir);
}

void remote_share_cache(struct store *st, struct store *from)
{
    struct cache *c = NULL;

    /* without one, each tries for itself when it needs it, and says why not */
    if (cache_of(remote_of(from), &c, NULL) == IG_OK)
        remote_of(st)->cache = cache_share(c);
}

struct piecewise {
    struct remote_store *r;
    const char *name, *path;
    struct remote_meta meta;
    int64_t from;
};

/* One piece of the object, to its place in the file. */
static enum ig_code read_piece(void *ctx, size_t i, struct error *err)
{
    const struct piecewise *p = ctx;
    struct remote_meta meta = p->meta;
    const int64_t from = p->from + (int64_t)i * PIECE_BYTES, left = meta.size_bytes - from;
    struct env_file *f = NULL;
    enum ig_code rc = env_open(p->r->base.env, p->path, ENV_OPEN_WRITE, &f, err);

    if (!rc)
        rc = p->r->read(&p->r->base, p->name, &meta, from, (size_t)(left < PIECE_BYTES ? left : PIECE_BYTES), NULL, f,
                        err);
    env_close(p->r->base.env, f);
    return rc;
}

static enum ig_code write_first(struct remote_store *r, const char *path, const struct buf *first, struct error *err)
{
    struct env_file *f = NULL;
    enum ig_code rc = env_open(r->base.env, path, ENV_OPEN_WRITE, &f, err);

    if (!rc && first->n)
        rc = env_write(r->base.env, f, 0, first->p, first->n, err);
    env_close(r->base.env, f);
    return rc;
}

enum ig_code remote_file_crc32c(struct env *env, const char *path, uint32_t *crc, int64_t *size, struct error *err)
{
    char *chunk = check_malloc(CRC_CHUNK_BYTES);
    struct env_file *f = NULL;
    size_t n = 1;
    enum ig_code rc = env_open(env, path, ENV_OPEN_READ, &f, err);

    *crc = 0;
    *size = 0;
    while (!rc && n > 0) {
        rc = env_read(env, f, *size, chunk, CRC_CHUNK_BYTES, &n, err);
        if (!rc) {
            *crc = hash_crc32c(*crc, chunk, n);
            *size += (int64_t)n;
        }
    }
    env_close(env, f);
    free(chunk);
    return rc;
}

static enum ig_code verify(struct remote_store *r, const char *name, const struct remote_meta *meta, const char *path,
                           struct error *err)
{
    uint32_t crc;
    int64_t size;

    if (r->verify)
        IG_TRY(r->verify(&r->base, name, meta, path, err));
    if (!meta->has_crc32c)
        return IG_OK;
    IG_TRY(remote_file_crc32c(r->base.env, path, &crc, &size, err));
    if (crc != meta->crc32c || size != meta->size_bytes)
        return error_set(err, IG_CORRUPT, "%s/%s: what came does not have the store's checksum (CRC32C %08x, not %08x)",
                         r->base.url, name, crc, meta->crc32c);
    return IG_OK;
}

struct wanted {
    struct remote_store *r;
    const char *name;
    struct remote_meta meta;
};

static enum ig_code fetch_object(void *ctx, struct cache_download *d, const char *path, struct error *err)
{
    struct wanted *w = ctx;
    struct piecewise p = {.r = w->r, .name = w->name, .path = path};
    struct remote_meta meta = w->meta;
    struct buf first;
    enum ig_code rc = IG_OK;

    buf_init(&first, (size_t)FIRST_BYTES);
    if (!*meta.version) {
        rc = w->r->read(&w->r->base, w->name, &meta, 0, (size_t)FIRST_BYTES, &first, NULL, err);
        p.from = (int64_t)first.n;
    }
    if (!rc && p.from > meta.size_bytes)
        rc = error_set(err, IG_CORRUPT, "%s/%s: more bytes came than it has", w->r->base.url, w->name);
    if (!rc)
        rc = cache_expect(d, meta.size_bytes, err);
    if (!rc)
        rc = write_first(w->r, path, &first, err);
    buf_release(&first);
    p.meta = meta;
    if (!rc && meta.size_bytes > p.from)
        rc = parallel_for(w->r->base.env, (size_t)((meta.size_bytes - p.from + PIECE_BYTES - 1) / PIECE_BYTES),
                          PIECE_READERS, read_piece, &p, err);
    return rc ? rc : verify(w->r, w->name, &meta, path, err);
}

enum ig_code remote_local_path(struct store *st, const char *name, struct buf *out, struct error *err)
{
    struct remote_store *r = remote_of(st);
    struct wanted w = {.r = r, .name = name};
    struct cache *c = NULL;

    IG_TRY(cache_of(r, &c, err));
    if (!cache_name_is_final(name))
        IG_TRY(r->head(st, name, &w.meta, err));
    return cache_path(c, &(struct cache_key){r->place, name, w.meta.version}, fetch_object, &w, out, err);
}

struct names {
    struct store *st;
    const char *const *names;
};

static enum ig_code fetch_one(void *ctx, size_t i, struct error *err)
{
    const struct names *all = ctx;
    struct buf path;
    enum ig_code rc;

    buf_init(&path, 0);
    rc = remote_local_path(all->st, all->names[i], &path, err);
    buf_release(&path);
    return rc;
}

enum ig_code remote_fetch(struct store *st, const char *const *names, size_t n, struct error *err)
{
    struct names all = {st, names};

    return n ? parallel_for(st->env, n, OBJECT_READERS, fetch_one, &all, err) : IG_OK;
}

enum ig_code remote_scratch_path(struct store *st, const char *suffix, struct buf *out, struct error *err)
{
    struct cache *c = NULL;

    IG_TRY(cache_of(remote_of(st), &c, err));
    return cache_scratch_path(c, suffix, out, err);
}

uint64_t remote_hold(struct store *st)
{
    struct cache *c = NULL;

    return cache_of(remote_of(st), &c, NULL) ? 0 : cache_hold(c);
}

void remote_release(struct store *st, uint64_t hold)
{
    if (hold)
        cache_release(remote_of(st)->cache, hold);
}

void remote_keep_or_remove(struct store *st, const char *name, const char *path)
{
    struct cache *c = NULL;

    if (cache_name_is_final(name) && cache_of(remote_of(st), &c, NULL) == IG_OK)
        cache_adopt(c, &(struct cache_key){remote_of(st)->place, name, ""}, path);
    (void)!env_unlink(st->env, path, NULL);
}

/* --- the probe ------------------------------------------------------------------------------------------------ */

/* Where it is remembered that this store keeps its promise: the cache's folder, by the store's name. */
static void add_probe_mark(struct remote_store *r, const char *dir, struct buf *out)
{
    char key[65];

    hash_sha256_hex(r->place, strlen(r->place), key);
    buf_printf(out, "%s/probed-%.32s", dir, key);
}

enum ig_code remote_probe(struct store *st, struct error *err)
{
    struct remote_store *r = remote_of(st);
    struct env_stat found;
    struct cache *c = NULL;
    struct buf mark;
    enum ig_code rc = cache_of(r, &c, err);

    if (rc)
        return rc;
    buf_init(&mark, 0);
    add_probe_mark(r, cache_root(c), &mark);
    if (env_stat(st->env, buf_cstr(&mark), &found, NULL) || found.mtime_ms < env_now_ms(st->env) - PROBE_BELIEVED_MS) {
        rc = store_race(st, err);
        if (!rc)
            (void)!env_replace_file(st->env, buf_cstr(&mark), STR(""), NULL);
    }
    buf_release(&mark);
    return rc;
}
