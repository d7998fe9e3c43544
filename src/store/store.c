#include "store/store.h"

#include "store/store_internal.h"

#include <stdlib.h>

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
    return error_set(err, IG_UNSUPPORTED, "store %s: \"%.*s:\" is not a kind of store (known: file:)", url, (int)n,
                     url);
}

void store_free(struct store *st)
{
    if (st)
        st->ops->free(st);
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
