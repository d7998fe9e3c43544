/* The folders of the cache: boots, dead processes, the count of bytes, and eviction. */
#include "store/cache_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_POLL_FIRST_MS 2
#define LOCK_POLL_MAX_MS 50
#define CROWDED_MS 1000
#define KEEP_AFTER_EVICTION(max) ((max) / 10 * 9) /* so that not every download evicts */

static char *join(const char *dir, const char *name)
{
    struct buf b;

    buf_init(&b, 0);
    buf_printf(&b, "%s/%s", dir, name);
    return buf_take(&b);
}

/* --- locks ------------------------------------------------------------------------------------------------- */

/* Does the path still name the file that is open? It may have been renamed or removed while we waited for its lock. */
static bool is_named(struct env *env, struct env_file *f, const char *path)
{
    const int fd = env_descriptor(env, f);
    struct stat open_file, named;

    return fstat(fd, &open_file) == 0 && stat(path, &named) == 0 && open_file.st_ino == named.st_ino &&
           open_file.st_dev == named.st_dev;
}

enum ig_code cache_lock_file(struct env *env, const char *path, struct env_file **out, struct error *err)
{
    int64_t pause_ms = LOCK_POLL_FIRST_MS;

    for (;;) {
        struct env_file *f = NULL;
        enum ig_code rc =
            env_open(env, path, ENV_OPEN_READ | ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_PRIVATE, &f, err);

        if (!rc)
            rc = env_lock(env, f, err);
        if (!rc && is_named(env, f, path)) {
            *out = f;
            return IG_OK;
        }
        env_close(env, f);
        if (rc && rc != IG_EXISTS)
            return rc;
        if (rc)
            env_sleep_ms(env, pause_ms);
        pause_ms = pause_ms * 2 < LOCK_POLL_MAX_MS ? pause_ms * 2 : LOCK_POLL_MAX_MS;
    }
}

/* Is the file locked by somebody? A missing one is not. */
static bool is_locked(struct env *env, const char *path)
{
    struct env_file *f = NULL;
    bool locked = false;

    if (env_open(env, path, ENV_OPEN_READ | ENV_OPEN_WRITE, &f, NULL) == IG_OK)
        locked = env_lock(env, f, NULL) == IG_EXISTS;
    env_close(env, f);
    return locked;
}

/* --- what is there ------------------------------------------------------------------------------------------ */

struct kept {
    char *path;
    int64_t size_bytes, used_us;
    bool pinned;
};

struct survey {
    struct cache *c;
    const char *dir;
    VEC(struct kept) files;
    int64_t bytes;
};

static enum ig_code survey_object(void *ctx, const char *name, const struct env_stat *found, struct error *err)
{
    struct survey *s = ctx;
    struct kept k = {.path = join(s->dir, name)};
    struct stat st;

    (void)found;
    (void)err;
    if (stat(k.path, &st) == 0 && S_ISREG(st.st_mode)) {
        k.size_bytes = st.st_size;
        k.used_us = (int64_t)st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000;
        k.pinned = st.st_nlink > 1;
        s->bytes += k.size_bytes;
        vec_push(&s->files, k);
    } else {
        free(k.path);
    }
    return IG_OK;
}

/* A download in progress counts with its whole size; one that nobody is at any more is removed. Who waits for its lock
 * sees that the name has gone, and begins anew. */
static enum ig_code survey_part(void *ctx, const char *name, const struct env_stat *found, struct error *err)
{
    struct survey *s = ctx;
    char *path = join(s->dir, name);
    struct env_file *f = NULL;

    (void)err;
    if (env_open(s->c->env, path, ENV_OPEN_READ | ENV_OPEN_WRITE, &f, NULL) == IG_OK) {
        if (env_lock(s->c->env, f, NULL) == IG_OK && is_named(s->c->env, f, path))
            (void)!env_unlink(s->c->env, path, NULL);
        else
            s->bytes += found->size_bytes;
    }
    env_close(s->c->env, f);
    free(path);
    return IG_OK;
}

static void survey_free(struct survey *s)
{
    for (size_t i = 0; i < s->files.n; i++)
        free(s->files.p[i].path);
    vec_free(&s->files);
}

static int compare_used(const void *a, const void *b)
{
    const struct kept *x = a, *y = b;

    return (x->used_us > y->used_us) - (x->used_us < y->used_us);
}

/* --- dead processes ------------------------------------------------------------------------------------------ */

struct sweep {
    struct env *env;
    const char *dir;
    size_t n_alive;
};

static enum ig_code sweep_pins_of(void *ctx, const char *name, const struct env_stat *found, struct error *err)
{
    struct sweep *s = ctx;
    char *path = join(s->dir, name), *lock = join(path, "lock");

    (void)err;
    if (found->is_dir && is_locked(s->env, lock))
        s->n_alive++;
    else
        (void)!env_remove_tree(s->env, path, NULL);
    free(lock);
    free(path);
    return IG_OK;
}

/* Removes the pins of processes that are gone, and says how many are not. A process makes and locks its folder under
 * the lock that the caller has. */
static size_t sweep_pins(struct env *env, const char *root)
{
    char *dir = join(root, "pins");
    struct sweep s = {env, dir, 0};

    (void)!env_list(env, dir, sweep_pins_of, &s, NULL);
    free(dir);
    return s.n_alive;
}

/* --- counting and evicting ------------------------------------------------------------------------------------ */

static enum ig_code evict(struct cache *c, int64_t keep_bytes, int64_t *kept, struct error *err)
{
    char *objects = join(c->root, "objects"), *parts = join(c->root, "parts");
    struct survey s = {.c = c, .dir = parts};
    enum ig_code rc;

    (void)sweep_pins(c->env, c->root);
    rc = env_list(c->env, parts, survey_part, &s, err);
    s.dir = objects;
    if (!rc)
        rc = env_list(c->env, objects, survey_object, &s, err);
    if (s.files.n)
        qsort(s.files.p, s.files.n, sizeof(*s.files.p), compare_used);
    for (size_t i = 0; i < s.files.n && !rc && s.bytes > keep_bytes; i++) {
        /* who pins it between our look and the removal keeps it by its link */
        if (!s.files.p[i].pinned && env_unlink(c->env, s.files.p[i].path, NULL) == IG_OK)
            s.bytes -= s.files.p[i].size_bytes;
    }
    *kept = s.bytes;
    survey_free(&s);
    free(parts);
    free(objects);
    return rc;
}

static int64_t read_count(struct cache *c, struct env_file *f)
{
    char text[24] = "";
    size_t n = 0;
    int64_t bytes = -1;

    if (env_read(c->env, f, 0, text, sizeof(text) - 1, &n, NULL) || n == 0 ||
        !str_to_int64((struct str){text, n}, 0, INT64_MAX / 4, &bytes))
        return -1; /* new, or torn: counted anew */
    return bytes;
}

static enum ig_code write_count(struct cache *c, struct env_file *f, int64_t bytes, struct error *err)
{
    char text[24];
    const int n = snprintf(text, sizeof(text), "%" PRId64, bytes);

    IG_TRY(env_truncate(c->env, f, 0, err));
    return env_write(c->env, f, 0, text, (size_t)n, err);
}

/* A scan that pins more than the bound would otherwise look through everything at each of its files, for nothing. */
static bool is_crowded(struct cache *c)
{
    bool crowded;

    pthread_mutex_lock(&c->guard);
    crowded = env_monotonic_ms(c->env) < c->crowded_until_ms;
    pthread_mutex_unlock(&c->guard);
    return crowded;
}

static void note_crowd(struct cache *c, bool crowded)
{
    pthread_mutex_lock(&c->guard);
    c->crowded_until_ms = crowded ? env_monotonic_ms(c->env) + CROWDED_MS : 0;
    pthread_mutex_unlock(&c->guard);
}

enum ig_code cache_count(struct cache *c, int64_t bytes, bool all, struct error *err)
{
    char *path = join(c->root, "lock");
    struct env_file *lock = NULL;
    int64_t kept;
    enum ig_code rc = cache_lock_file(c->env, path, &lock, err);

    if (!rc) {
        kept = read_count(c, lock);
        /* a part is in `parts` already, with its size, when it is counted: a survey needs no addition */
        if (all || kept < 0 || (kept + bytes > c->max_bytes && !is_crowded(c))) {
            rc = evict(c, all ? 0 : KEEP_AFTER_EVICTION(c->max_bytes), &kept, err);
            note_crowd(c, kept > c->max_bytes);
        } else {
            kept = kept + bytes > 0 ? kept + bytes : 0;
        }
        if (write_count(c, lock, kept, NULL))
            (void)!env_truncate(c->env, lock, 0, NULL); /* a full disk: the next one counts anew */
    }
    env_close(c->env, lock);
    free(path);
    return rc;
}

enum ig_code cache_used(struct cache *c, int64_t *bytes, struct error *err)
{
    char *path = join(c->root, "lock");
    struct env_file *lock = NULL;
    enum ig_code rc;

    IG_TRY(cache_count(c, 0, false, err));
    rc = cache_lock_file(c->env, path, &lock, err);
    if (!rc)
        *bytes = read_count(c, lock);
    env_close(c->env, lock);
    free(path);
    return rc;
}

/* --- opening ------------------------------------------------------------------------------------------------- */

static enum ig_code make_private_dir(const char *path, struct error *err)
{
    if (mkdir(path, 0700) && errno != EEXIST)
        return error_errno(err, errno, "make the folder %s", path);
    return IG_OK;
}

/* What an earlier boot left was perhaps never written to the disk: its sizes are right and its bytes are not. */
struct boots {
    struct env *env;
    const char *dir, *current;
};

static enum ig_code remove_old_boot(void *ctx, const char *name, const struct env_stat *found, struct error *err)
{
    struct boots *b = ctx;
    char *path;

    (void)err;
    if (!found->is_dir || strncmp(name, "boot-", 5) != 0 || strcmp(name, b->current) == 0)
        return IG_OK;
    path = join(b->dir, name);
    if (sweep_pins(b->env, path) == 0) /* else another machine shares the folder, or another container */
        (void)!env_remove_tree(b->env, path, NULL);
    free(path);
    return IG_OK;
}

static void boot_name(struct env *env, char out[16])
{
    struct buf id;

    buf_init(&id, 256);
    if (env_read_file(env, "/proc/sys/kernel/random/boot_id", &id, NULL) || id.n < 8)
        buf_puts(&id, "00000000");
    snprintf(out, 16, "boot-%.8s", buf_cstr(&id));
    buf_release(&id);
}

static enum ig_code make_own_pins(struct cache *c, struct error *err)
{
    char uuid[37];
    char *pins = join(c->root, "pins"), *root_lock = join(c->root, "lock"), *life;
    struct env_file *lock = NULL;
    enum ig_code rc;

    env_uuid(c->env, uuid);
    c->pins_dir = join(pins, uuid);
    life = join(c->pins_dir, "lock");
    /* nobody may take our folder for a dead one's between its making and its locking: who sweeps has this lock, or the
     * one that the caller has */
    rc = cache_lock_file(c->env, root_lock, &lock, err);
    if (!rc)
        rc = make_private_dir(c->pins_dir, err);
    if (!rc)
        rc = cache_lock_file(c->env, life, &c->life, err);
    env_close(c->env, lock);
    free(life);
    free(root_lock);
    free(pins);
    return rc;
}

enum ig_code cache_dirs_open(struct cache *c, const char *dir, struct error *err)
{
    static const char *const folders[] = {"objects", "parts", "pins"};
    struct env_file *lock = NULL;
    char *lock_path = join(dir, "lock");
    char boot[16];
    enum ig_code rc;

    boot_name(c->env, boot);
    c->root = join(dir, boot);
    rc = env_make_dirs(c->env, dir, err);
    if (!rc)
        rc = cache_lock_file(c->env, lock_path, &lock, err);
    if (!rc) {
        struct boots old = {c->env, dir, boot};

        rc = make_private_dir(c->root, err);
        for (size_t i = 0; i < IG_COUNT(folders) && !rc; i++) {
            char *path = join(c->root, folders[i]);

            rc = make_private_dir(path, err);
            free(path);
        }
        (void)!env_list(c->env, dir, remove_old_boot, &old, NULL);
    }
    if (!rc)
        rc = make_own_pins(c, err);
    env_close(c->env, lock);
    free(lock_path);
    return rc;
}
