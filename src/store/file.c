/*
 * Objects as files under a folder.
 *
 * A put writes a scratch file, syncs it, and gives it its name: link() for put-if-absent, because it fails if the name
 * is taken, whoever else tries; rename() to replace. Then the folder is synced. A power cut before the naming leaves a
 * scratch file, which nobody lists and a later open removes; one behind it leaves the whole object.
 */
#include "store/store_internal.h"

#include <stdlib.h>

struct file_store {
    struct store base;
    char *root;
};

#define SCRATCH_KEEP_MS (INT64_C(24) * 60 * 60 * 1000)
#define COPY_CHUNK_BYTES ((size_t)1 << 20)
#define FOLDER_TRIES 20 /* of a put whose folder is removed under its hands */

static const struct file_store *file_store_of(const struct store *st)
{
    return (const struct file_store *)st;
}

static void add_path(const struct store *st, const char *name, struct buf *out)
{
    buf_printf(out, "%s/%s", file_store_of(st)->root, name);
}

static void add_scratch_path(const struct store *st, const char *suffix, struct buf *out)
{
    char uuid[37];

    env_uuid(st->env, uuid);
    buf_printf(out, "%s/" STORE_SCRATCH_DIR "/%s%s", file_store_of(st)->root, uuid, suffix ? suffix : "");
}

static enum ig_code make_parent(struct env *env, const char *path, struct error *err)
{
    const char *slash = strrchr(path, '/');
    enum ig_code rc;
    char *parent;

    if (!slash || slash == path)
        return IG_OK;
    parent = check_strdup(path);
    parent[slash - path] = '\0';
    rc = env_make_dirs(env, parent, err);
    free(parent);
    return rc;
}

static enum ig_code file_scratch_path(struct store *st, const char *suffix, struct buf *out, struct error *err)
{
    add_scratch_path(st, suffix, out);
    IG_TRY(buf_check(out, err, "a scratch path"));
    return make_parent(st->env, buf_cstr(out), err);
}

static enum ig_code file_local_path(struct store *st, const char *name, struct buf *out, struct error *err)
{
    add_path(st, name, out);
    return buf_check(out, err, "a path");
}

/* --- reading ----------------------------------------------------------------------------------------------- */

static enum ig_code file_get(struct store *st, const char *name, struct buf *out, struct error *err)
{
    struct buf path;
    enum ig_code rc;

    buf_init(&path, 0);
    add_path(st, name, &path);
    rc = env_read_file(st->env, buf_cstr(&path), out, err);
    buf_release(&path);
    return rc;
}

static enum ig_code file_get_range(struct store *st, const char *name, int64_t from, size_t n, struct buf *out,
                                   struct error *err)
{
    struct env_file *f = NULL;
    struct buf path;
    size_t done = 1;
    int64_t size = 0;
    enum ig_code rc;

    buf_init(&path, 0);
    add_path(st, name, &path);
    rc = env_open(st->env, buf_cstr(&path), ENV_OPEN_READ, &f, err);
    if (!rc)
        rc = env_size(st->env, f, &size, err);
    if (!rc && (from >= size || n == 0))
        goto out;
    if (!rc && (uint64_t)n > (uint64_t)(size - from))
        n = (size_t)(size - from);
    if (!rc && !buf_reserve(out, n))
        rc = buf_check(out, err, buf_cstr(&path));
    for (size_t got = 0; !rc && got < n && done > 0; got += done) {
        rc = env_read(st->env, f, from + (int64_t)got, out->p + out->n, n - got, &done, err);
        out->n += rc ? 0 : done;
    }
out:
    if (out->p)
        out->p[out->n] = '\0';
    env_close(st->env, f);
    buf_release(&path);
    return rc;
}

static enum ig_code file_stat(struct store *st, const char *name, struct store_object *out, struct error *err)
{
    struct env_stat found;
    struct buf path;
    enum ig_code rc;

    buf_init(&path, 0);
    add_path(st, name, &path);
    rc = env_stat(st->env, buf_cstr(&path), &found, err);
    if (!rc && found.is_dir)
        rc = error_set(err, IG_NOT_FOUND, "%s is a folder", buf_cstr(&path));
    if (!rc)
        *out = (struct store_object){str_of(name), found.size_bytes, found.mtime_ms};
    buf_release(&path);
    return rc;
}

/* --- listing ----------------------------------------------------------------------------------------------- */

/* An entry of a folder; a folder's name ends with '/', so that sorting entries sorts the names below them. */
struct entry {
    char *name;
    int64_t size_bytes, mtime_ms;
};

struct entries {
    VEC(struct entry) list;
};

static enum ig_code collect(void *ctx, const char *name, const struct env_stat *found, struct error *err)
{
    struct entries *all = ctx;
    const size_t n = strlen(name);
    struct entry e = {check_malloc(n + 2), found->size_bytes, found->mtime_ms};

    (void)err;
    memcpy(e.name, name, n);
    memcpy(e.name + n, found->is_dir ? "/" : "", found->is_dir ? 2 : 1);
    vec_push(&all->list, e);
    return IG_OK;
}

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static void entries_free(struct entries *all)
{
    for (size_t i = 0; i < all->list.n; i++)
        free(all->list.p[i].name);
    vec_free(&all->list);
}

struct listing {
    struct store *st;
    const char *prefix;
    store_list_fn *each;
    void *ctx;
};

/* Can a name that begins with `name` begin with the prefix as well? */
static bool may_match(const char *prefix, struct str name)
{
    const size_t n = strlen(prefix);

    return memcmp(prefix, name.p, n < name.n ? n : name.n) == 0;
}

/* `folder` is relative and ends with '/', or is empty; names are put together in it. */
static enum ig_code list_folder(const struct listing *l, struct buf *folder, struct error *err)
{
    const size_t base = folder->n;
    struct entries all = {0};
    struct error found = {0};
    struct buf path;
    enum ig_code rc;

    buf_init(&path, 0);
    add_path(l->st, buf_cstr(folder), &path);
    rc = env_list(l->st->env, buf_cstr(&path), collect, &all, &found);
    if (rc == IG_NOT_FOUND) /* no such prefix, or removed meanwhile */
        rc = IG_OK;
    else if (rc)
        rc = error_set(err, rc, "%s", found.msg);
    if (all.list.n)
        qsort(all.list.p, all.list.n, sizeof(*all.list.p), compare_entries);
    for (size_t i = 0; i < all.list.n && !rc; i++) {
        const struct entry *e = &all.list.p[i];

        if (base == 0 && strcmp(e->name, STORE_SCRATCH_DIR "/") == 0)
            continue;
        buf_puts(folder, e->name);
        if (may_match(l->prefix, buf_str(folder))) {
            if (folder->p[folder->n - 1] == '/')
                rc = list_folder(l, folder, err);
            else if (folder->n >= strlen(l->prefix))
                rc = l->each(l->ctx, &(struct store_object){buf_str(folder), e->size_bytes, e->mtime_ms}, err);
        }
        folder->n = base;
        folder->p[base] = '\0';
    }
    entries_free(&all);
    buf_release(&path);
    return rc;
}

static enum ig_code file_list(struct store *st, const char *prefix, store_list_fn *each, void *ctx, struct error *err)
{
    const struct listing l = {st, prefix, each, ctx};
    const char *slash = strrchr(prefix, '/');
    struct buf folder;
    enum ig_code rc;

    if (slash && strstr(prefix, ".."))
        return error_set(err, IG_INVALID, "\"%s\" is not the beginning of a name", prefix);
    buf_init(&folder, 0);
    buf_add(&folder, prefix, slash ? (size_t)(slash - prefix) + 1 : 0);
    rc = list_folder(&l, &folder, err);
    buf_release(&folder);
    return rc;
}

/* --- writing ----------------------------------------------------------------------------------------------- */

static enum ig_code sync_parent(struct env *env, const char *path, struct error *err)
{
    const char *slash = strrchr(path, '/');
    char *parent = check_strdup(path);
    enum ig_code rc;

    IG_ASSERT(slash);
    parent[slash == path ? 1 : slash - path] = '\0';
    rc = env_sync_dir(env, parent, err);
    free(parent);
    return rc;
}

/* The system says that naming failed; some file systems say so of what they did. IG_IO only if it surely did not
 * happen. */
static enum ig_code look_after_failure(struct env *env, const char *from, const char *to, enum store_put_mode mode,
                                       struct error *err)
{
    struct env_stat found;
    const bool undone = mode == STORE_REPLACE ? env_stat(env, from, &found, NULL) == IG_OK
                                              : env_stat(env, to, &found, NULL) == IG_NOT_FOUND;

    return undone ? IG_IO : error_context(err, IG_UNKNOWN_OUTCOME, "%s may be there", to);
}

/* The folder may be removed between its making and the naming, by who found it empty: then it is made again. */
static enum ig_code name_in_folder(struct env *env, const char *from, const char *to, enum store_put_mode mode,
                                   struct error *err)
{
    struct env_stat found;
    enum ig_code rc = IG_NOT_FOUND;

    for (int tries = 0; rc == IG_NOT_FOUND && tries < FOLDER_TRIES; tries++) {
        rc = make_parent(env, to, err);
        if (!rc)
            rc = mode == STORE_REPLACE ? env_rename(env, from, to, err) : env_link(env, from, to, err);
        if (rc == IG_NOT_FOUND && env_stat(env, from, &found, NULL))
            break;
    }
    return rc;
}

/* Gives a synced file its name. What fails once the name may be there is an unknown outcome. */
static enum ig_code name_file(struct env *env, const char *from, const char *to, enum store_put_mode mode,
                              struct error *err)
{
    enum ig_code rc = name_in_folder(env, from, to, mode, err);

    if (rc == IG_EXISTS && mode == STORE_IF_ABSENT)
        return error_set(err, IG_EXISTS, "%s is there already", to);
    if (rc == IG_IO)
        return look_after_failure(env, from, to, mode, err);
    if (rc)
        return rc;
    if (sync_parent(env, to, err))
        return error_context(err, IG_UNKNOWN_OUTCOME, "%s may not survive a power cut", to);
    if (mode == STORE_IF_ABSENT)
        (void)!env_unlink(env, from, NULL); /* a second name of the same file: swept up later if it stays */
    return IG_OK;
}

static enum ig_code write_scratch(struct env *env, const char *path, struct str body, struct error *err)
{
    struct env_file *f = NULL;
    enum ig_code rc;

    IG_TRY(make_parent(env, path, err));
    rc = env_open(env, path, ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_EXCLUSIVE, &f, err);
    if (!rc)
        rc = env_write(env, f, 0, body.p, body.n, err);
    if (!rc)
        rc = env_sync(env, f, err);
    env_close(env, f);
    return rc;
}

static enum ig_code file_put(struct store *st, const char *name, struct str body, enum store_put_mode mode,
                             struct error *err)
{
    struct buf path, scratch;
    enum ig_code rc;

    buf_init(&path, 0);
    buf_init(&scratch, 0);
    add_path(st, name, &path);
    add_scratch_path(st, ".tmp", &scratch);
    rc = write_scratch(st->env, buf_cstr(&scratch), body, err);
    if (!rc)
        rc = name_file(st->env, buf_cstr(&scratch), buf_cstr(&path), mode, err);
    if (rc)
        (void)!env_unlink(st->env, buf_cstr(&scratch), NULL);
    buf_release(&scratch);
    buf_release(&path);
    return rc;
}

static enum ig_code sync_file(struct env *env, const char *path, struct error *err)
{
    struct env_file *f = NULL;
    enum ig_code rc;

    IG_TRY(env_open(env, path, ENV_OPEN_READ | ENV_OPEN_WRITE, &f, err));
    rc = env_sync(env, f, err);
    env_close(env, f);
    return rc;
}

static enum ig_code copy_file(struct env *env, const char *from, const char *to, struct error *err)
{
    struct env_file *in = NULL, *out = NULL;
    char *chunk = check_malloc(COPY_CHUNK_BYTES);
    int64_t at = 0;
    size_t n = 1;
    enum ig_code rc = make_parent(env, to, err);

    if (!rc)
        rc = env_open(env, from, ENV_OPEN_READ, &in, err);
    if (!rc)
        rc = env_open(env, to, ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_EXCLUSIVE, &out, err);
    while (!rc && n > 0) {
        rc = env_read(env, in, at, chunk, COPY_CHUNK_BYTES, &n, err);
        if (!rc && n > 0)
            rc = env_write(env, out, at, chunk, n, err);
        at += (int64_t)n;
    }
    if (!rc)
        rc = env_sync(env, out, err);
    env_close(env, out);
    env_close(env, in);
    free(chunk);
    return rc;
}

/* A file of another disk cannot be linked or renamed: it is copied beside first. */
static enum ig_code put_copy(struct store *st, const char *from, const char *to, enum store_put_mode mode,
                             struct error *err)
{
    struct buf scratch;
    enum ig_code rc;

    buf_init(&scratch, 0);
    add_scratch_path(st, ".tmp", &scratch);
    rc = copy_file(st->env, from, buf_cstr(&scratch), err);
    if (!rc)
        rc = name_file(st->env, buf_cstr(&scratch), to, mode, err);
    if (rc)
        (void)!env_unlink(st->env, buf_cstr(&scratch), NULL);
    else
        (void)!env_unlink(st->env, from, NULL);
    buf_release(&scratch);
    return rc;
}

static enum ig_code file_put_file(struct store *st, const char *name, const char *path, enum store_put_mode mode,
                                  struct error *err)
{
    struct buf to;
    enum ig_code rc;

    buf_init(&to, 0);
    add_path(st, name, &to);
    rc = sync_file(st->env, path, err);
    if (!rc) {
        rc = name_file(st->env, path, buf_cstr(&to), mode, err);
        if (rc == IG_IO)
            rc = put_copy(st, path, buf_cstr(&to), mode, err);
    }
    buf_release(&to);
    return rc;
}

static enum ig_code file_remove(struct store *st, const char *name, struct error *err)
{
    struct buf path;
    enum ig_code rc;

    buf_init(&path, 0);
    add_path(st, name, &path);
    rc = env_unlink(st->env, buf_cstr(&path), err);
    if (!rc)
        rc = sync_parent(st->env, buf_cstr(&path), err);
    if (rc == IG_NOT_FOUND) /* it, or by now its folder */
        rc = IG_OK;
    buf_release(&path);
    return rc;
}

static int64_t file_remove_folders(struct store *st, const char *const *names, size_t n)
{
    int64_t removed = 0;
    struct buf path;

    buf_init(&path, 0);
    for (size_t i = 0; i < n; i++) {
        buf_clear(&path);
        add_path(st, names[i], &path);
        removed += env_remove_dir(st->env, buf_cstr(&path), NULL) == IG_OK;
    }
    buf_release(&path);
    return removed;
}

/* --- the store --------------------------------------------------------------------------------------------- */

static void file_free(struct store *st)
{
    struct file_store *f = (struct file_store *)st;

    free(f->root);
    free(st->url);
    free(f);
}

static const struct store_ops file_ops = {
    .scheme = "file",
    .get = file_get,
    .put = file_put,
    .put_file = file_put_file,
    .stat = file_stat,
    .list = file_list,
    .remove = file_remove,
    .local_path = file_local_path,
    .scratch_path = file_scratch_path,
    .free = file_free,
    .get_range = file_get_range,
    .remove_folders = file_remove_folders,
};

static enum ig_code sweep_entry(void *ctx, const char *name, const struct env_stat *found, struct error *err)
{
    struct file_store *f = ctx;
    struct buf path;

    (void)err;
    if (found->mtime_ms > env_now_ms(f->base.env) - SCRATCH_KEEP_MS)
        return IG_OK;
    buf_init(&path, 0);
    buf_printf(&path, "%s/" STORE_SCRATCH_DIR "/%s", f->root, name);
    if (found->is_dir)
        (void)!env_remove_tree(f->base.env, buf_cstr(&path), NULL);
    else
        (void)!env_unlink(f->base.env, buf_cstr(&path), NULL);
    buf_release(&path);
    return IG_OK;
}

/* Removes what puts that died left behind; only what is old, since another process may be writing now. */
static void sweep_scratch(struct file_store *f)
{
    struct buf path;

    buf_init(&path, 0);
    buf_printf(&path, "%s/" STORE_SCRATCH_DIR, f->root);
    (void)!env_list(f->base.env, buf_cstr(&path), sweep_entry, f, NULL);
    buf_release(&path);
}

static char *without_trailing_slashes(const char *s)
{
    char *copy = check_strdup(s);
    size_t n = strlen(copy);

    while (n > 1 && copy[n - 1] == '/')
        copy[--n] = '\0';
    return copy;
}

enum ig_code store_file_open(struct env *env, const char *url, const char *location, struct store **out,
                             struct error *err)
{
    struct file_store *f;
    enum ig_code rc;

    if (!*location)
        return error_set(err, IG_INVALID, "store \"%s\": a folder is missing", url);
    f = check_calloc(1, sizeof(*f));
    f->base = (struct store){.ops = &file_ops, .env = env, .url = without_trailing_slashes(url)};
    f->root = without_trailing_slashes(location);
    rc = env_make_dirs(env, f->root, err);
    if (rc) {
        file_free(&f->base);
        return error_context(err, rc, "store %s", url);
    }
    sweep_scratch(f);
    *out = &f->base;
    return IG_OK;
}
