#include "store/store.h"

#include "store/parallel.h"
#include "store/remote.h"
#include "store/store_internal.h"

#include <stdatomic.h>
#include <stdlib.h>

#define EACH_THREADS 32u

bool store_name_ok(const char *name)
{
    const char *part = name;

    if (!*name)
        return false;
    for (;;) {
        const char *end = strchr(part, '/');
        const size_t n = end ? (size_t)(end - part) : strlen(part);

        if (n == 0 || (n == 1 && part[0] == '.') || (n == 2 && part[0] == '.' && part[1] == '.'))
            return false;
        if (!end)
            break;
        part = end + 1;
    }
    return strncmp(name, STORE_SCRATCH_DIR "/", sizeof(STORE_SCRATCH_DIR)) != 0 && strcmp(name, STORE_SCRATCH_DIR) != 0;
}

static enum ig_code check_name(const char *name, struct error *err)
{
    if (store_name_ok(name))
        return IG_OK;
    return error_set(err, IG_INVALID, "\"%s\" is not the name of an object", name);
}

/* Does the URL begin with letters and a colon? Then its scheme's length, else 0: a plain path. */
static size_t scheme_length(const char *url)
{
    const size_t n = strcspn(url, ":/");

    return url[n] == ':' && n > 1 ? n : 0;
}

enum ig_code store_open(struct env *env, const char *url, struct store **out, struct error *err)
{
    const size_t n = scheme_length(url);

    if (n == 0)
        return store_file_open(env, url, url, out, err);
    if (n == 4 && strncmp(url, "file", 4) == 0) {
        const char *location = url + 5;

        if (strncmp(location, "//", 2) == 0) /* file://HOST/path: no host but this one */
            location += strncmp(location, "//localhost/", 12) == 0 ? 11 : 2;
        return store_file_open(env, url, location, out, err);
    }
    if ((n == 2 && strncmp(url, "s3", 2) == 0) || (n == 3 && strncmp(url, "s3a", 3) == 0))
        return store_s3_open(env, url, out, err);
    if (n == 2 && strncmp(url, "gs", 2) == 0)
        return store_gcs_open(env, url, out, err);
    return error_set(err, IG_UNSUPPORTED, "store %.*s: \"%.*s:\" is not a kind of store (known: file:, s3:, gs:)",
                     (int)strcspn(url, "?@"), url, (int)n, url);
}

enum ig_code store_open_in(struct env *env, const char *url, const char *cache_dir, struct store **out,
                           struct error *err)
{
    IG_TRY(store_open(env, url, out, err));
    if (cache_dir && (*out)->ops->remote)
        remote_default_cache(*out, cache_dir);
    return IG_OK;
}

void store_free(struct store *st)
{
    while (st) {
        struct store *next = st->elsewhere;

        st->ops->free(st);
        st = next;
    }
}

enum ig_code store_get(struct store *st, const char *name, struct buf *out, struct error *err)
{
    IG_TRY(check_name(name, err));
    return st->ops->get(st, name, out, err);
}

enum ig_code store_put(struct store *st, const char *name, struct str body, enum store_put_mode mode, struct error *err)
{
    IG_TRY(check_name(name, err));
    return st->ops->put(st, name, body, mode, err);
}

enum ig_code store_put_file(struct store *st, const char *name, const char *path, enum store_put_mode mode,
                            struct error *err)
{
    IG_TRY(check_name(name, err));
    return st->ops->put_file(st, name, path, mode, err);
}

enum ig_code store_stat(struct store *st, const char *name, struct store_object *out, struct error *err)
{
    IG_TRY(check_name(name, err));
    return st->ops->stat(st, name, out, err);
}

enum ig_code store_list(struct store *st, const char *prefix, store_list_fn *each, void *ctx, struct error *err)
{
    return st->ops->list(st, prefix, each, ctx, err);
}

enum ig_code store_remove(struct store *st, const char *name, struct error *err)
{
    IG_TRY(check_name(name, err));
    return st->ops->remove(st, name, err);
}

enum ig_code store_local_path(struct store *st, const char *name, struct buf *out, struct error *err)
{
    IG_TRY(check_name(name, err));
    return st->ops->local_path(st, name, out, err);
}

enum ig_code store_scratch_path(struct store *st, const char *suffix, struct buf *out, struct error *err)
{
    return st->ops->scratch_path(st, suffix, out, err);
}

bool store_is_local(const struct store *st)
{
    return !st->ops->remote;
}

struct behind {
    const char *after;
    store_list_fn *each;
    void *ctx;
};

static enum ig_code pass_behind(void *ctx, const struct store_object *object, struct error *err)
{
    const struct behind *b = ctx;

    return str_cmp(object->name, str_of(b->after)) > 0 ? b->each(b->ctx, object, err) : IG_OK;
}

enum ig_code store_list_from(struct store *st, const char *prefix, const char *after, store_list_fn *each, void *ctx,
                             struct error *err)
{
    struct behind b = {after, each, ctx};

    if (st->ops->list_from)
        return st->ops->list_from(st, prefix, after, each, ctx, err);
    return st->ops->list(st, prefix, pass_behind, &b, err);
}

enum ig_code store_remove_many(struct store *st, const char *const *names, size_t n, struct error *err)
{
    for (size_t i = 0; i < n; i++)
        IG_TRY(check_name(names[i], err));
    if (st->ops->remove_many)
        return st->ops->remove_many(st, names, n, err);
    for (size_t i = 0; i < n; i++)
        IG_TRY(st->ops->remove(st, names[i], err));
    return IG_OK;
}

enum ig_code store_for_each(struct store *st, size_t n, store_each_fn *each, void *ctx, struct error *err)
{
    return parallel_for(st->env, n, st->ops->remote ? EACH_THREADS : 1, each, ctx, err);
}

int64_t store_remove_folders(struct store *st, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (check_name(names[i], NULL))
            return 0;
    return st->ops->remove_folders ? st->ops->remove_folders(st, names, n) : 0;
}

enum ig_code store_get_range(struct store *st, const char *name, int64_t from, size_t n, struct buf *out,
                             struct error *err)
{
    struct buf whole;
    enum ig_code rc;

    IG_TRY(check_name(name, err));
    if (from < 0)
        return error_set(err, IG_INVALID, "%s: byte %lld", name, (long long)from);
    if (st->ops->get_range)
        return st->ops->get_range(st, name, from, n, out, err);
    buf_init(&whole, 0);
    rc = st->ops->get(st, name, &whole, err);
    if (!rc && (uint64_t)from < whole.n) {
        const size_t left = whole.n - (size_t)from;

        buf_add(out, whole.p + from, n < left ? n : left);
        rc = buf_check(out, err, name);
    }
    buf_release(&whole);
    return rc;
}

enum ig_code store_fetch(struct store *st, const char *const *names, size_t n, struct error *err)
{
    for (size_t i = 0; i < n; i++)
        IG_TRY(check_name(names[i], err));
    return st->ops->fetch ? st->ops->fetch(st, names, n, err) : IG_OK;
}

enum ig_code store_open_like(struct store *st, const char *url, struct store **out, struct error *err)
{
    const size_t n = strlen(st->ops->scheme);
    const bool hadoop = strncmp(url, "s3a:", 4) == 0 && strcmp(st->ops->scheme, "s3") == 0; /* Spark's name for it */

    if (st->ops->open_like && !strchr(url, '?') && (hadoop || (strncmp(url, st->ops->scheme, n) == 0 && url[n] == ':')))
        return st->ops->open_like(st, url, out, err);
    return store_open(st->env, url, out, err);
}

enum ig_code store_elsewhere(struct store *st, const char *url, struct store **out, struct error *err)
{
    struct store *first = st->elsewhere, *opened = NULL;

    for (struct store *known = first; known; known = known->elsewhere) {
        if (strcmp(known->url, url) == 0) {
            *out = known;
            return IG_OK;
        }
    }
    IG_TRY(store_open_like(st, url, &opened, err));
    do /* another thread may have opened the same: then there are two, which does no harm */
        opened->elsewhere = first;
    while (!atomic_compare_exchange_weak(&st->elsewhere, &first, opened));
    *out = opened;
    return IG_OK;
}

uint64_t store_hold_begin(struct store *st)
{
    return st->ops->hold ? st->ops->hold(st) : 0;
}

void store_hold_end(struct store *st, uint64_t hold)
{
    if (st->ops->release)
        st->ops->release(st, hold);
}

void store_hurry(struct store *st, bool hurry)
{
    if (st->ops->hurry)
        st->ops->hurry(st, hurry);
}
