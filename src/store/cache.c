#include "store/cache.h"

#include "store/cache_internal.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define TAIL_CHARS_MAX 80
#define UNTIL_THE_END UINT64_MAX

struct cache_download {
    struct cache *c;
    struct env_file *part;
    const char *object;     /* for messages */
    int64_t expected_bytes; /* -1: nobody said yet */
};

/* --- opening ------------------------------------------------------------------------------------------------- */

void cache_add_default_dir(struct buf *out)
{
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

    if (xdg && *xdg == '/')
        buf_printf(out, "%s/ingot", xdg);
    else if (home && *home == '/')
        buf_printf(out, "%s/.cache/ingot", home);
    else
        buf_printf(out, "/tmp/ingot-cache-%lu", (unsigned long)getuid());
}

enum ig_code cache_open(struct env *env, const char *dir, int64_t max_bytes, struct cache **out, struct error *err)
{
    struct cache *c = check_calloc(1, sizeof(*c));
    enum ig_code rc;

    c->env = env;
    c->max_bytes = max_bytes > 0 ? max_bytes : CACHE_BYTES_DEFAULT;
    pthread_mutex_init(&c->guard, NULL);
    rc = cache_dirs_open(c, dir, err);
    if (rc) {
        cache_close(c);
        return error_context(err, rc, "the cache of remote objects in %s", dir);
    }
    *out = c;
    return IG_OK;
}

struct cache *cache_share(struct cache *c)
{
    pthread_mutex_lock(&c->guard);
    c->n_shared++;
    pthread_mutex_unlock(&c->guard);
    return c;
}

static bool is_still_shared(struct cache *c)
{
    bool shared;

    pthread_mutex_lock(&c->guard);
    shared = c->n_shared > 0;
    c->n_shared -= shared;
    pthread_mutex_unlock(&c->guard);
    return shared;
}

void cache_close(struct cache *c)
{
    if (!c || is_still_shared(c))
        return;
    if (c->life)
        (void)!env_remove_tree(c->env, c->pins_dir, NULL);
    env_close(c->env, c->life);
    for (size_t i = 0; i < c->n_slots; i++)
        free(c->pins[i].path);
    free(c->pins);
    vec_free(&c->holds);
    pthread_mutex_destroy(&c->guard);
    free(c->pins_dir);
    free(c->root);
    free(c);
}

/* --- names --------------------------------------------------------------------------------------------------- */

static bool all_hex(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isxdigit((unsigned char)p[i]))
            return false;
    return true;
}

static bool has_uuid(const char *p)
{
    const size_t n = strlen(p);

    for (size_t at = 0; at + 36 <= n; at++, p++)
        if (p[8] == '-' && p[13] == '-' && p[18] == '-' && p[23] == '-' && all_hex(p, 8) && all_hex(p + 9, 4) &&
            all_hex(p + 14, 4) && all_hex(p + 19, 4) && all_hex(p + 24, 12))
            return true;
    return false;
}

/* part-TIME-XXXXXXXX.parquet */
static bool is_bronze_part(const char *base)
{
    const char *p = base + 5, *dash;

    if (strncmp(base, "part-", 5) != 0 || !(dash = strrchr(p, '-')))
        return false;
    for (; p < dash; p++)
        if (!isalnum((unsigned char)*p))
            return false;
    return dash > base + 5 && strlen(dash) == 17 && all_hex(dash + 1, 8) && strcmp(dash + 9, ".parquet") == 0;
}

bool cache_name_is_final(const char *name)
{
    const char *slash = strrchr(name, '/');
    const char *base = slash ? slash + 1 : name;

    return has_uuid(base) || is_bronze_part(base);
}

static void key_text(const struct cache_key *key, char out[CACHE_KEY_CHARS + 1])
{
    struct buf b;

    buf_init(&b, 0);
    buf_add(&b, key->store, strlen(key->store) + 1);
    buf_add(&b, key->name, strlen(key->name) + 1);
    buf_puts(&b, key->version);
    hash_sha256_hex(b.p, b.n, out);
    buf_release(&b);
}

/* The pin's name ends as the object's does, so that messages and the engine can tell what it is. */
static char *pin_path(const struct cache *c, const char *key, const char *name)
{
    const char *slash = strrchr(name, '/');
    const char *tail = slash ? slash + 1 : name;
    struct buf b;

    if (strlen(tail) > TAIL_CHARS_MAX)
        tail += strlen(tail) - TAIL_CHARS_MAX;
    buf_init(&b, 0);
    buf_printf(&b, "%s/%.32s-", c->pins_dir, key);
    for (; *tail; tail++)
        buf_putc(&b, isalnum((unsigned char)*tail) || strchr("._-", *tail) ? *tail : '_');
    return buf_take(&b);
}

/* --- pins and holds ------------------------------------------------------------------------------------------- */

/* The key's slot, or the free one where it would go. There is always a free one. */
static struct cache_pin *pin_slot(struct cache *c, const char *key)
{
    size_t at = (size_t)hash_fnv1a(key, CACHE_KEY_CHARS) & (c->n_slots - 1);

    while (c->pins[at].key[0] && memcmp(c->pins[at].key, key, CACHE_KEY_CHARS) != 0)
        at = (at + 1) & (c->n_slots - 1);
    return &c->pins[at];
}

static void rehash(struct cache *c, size_t n_slots)
{
    struct cache_pin *old = c->pins;
    const size_t n = c->n_slots;

    c->pins = check_calloc(n_slots, sizeof(*c->pins));
    c->n_slots = n_slots;
    for (size_t i = 0; i < n; i++)
        if (old[i].key[0])
            *pin_slot(c, old[i].key) = old[i];
    free(old);
}

static uint64_t now_used(const struct cache *c)
{
    return c->holds.n ? c->last_hold : UNTIL_THE_END;
}

static void mark_used(const struct cache *c, struct cache_pin *pin)
{
    const uint64_t now = now_used(c);

    if (now > pin->used_at)
        pin->used_at = now;
}

/* Appends the path of a pin that this process has. */
static bool find_pin(struct cache *c, const char *key, struct buf *path)
{
    struct cache_pin *pin = NULL;

    pthread_mutex_lock(&c->guard);
    if (c->n_slots) {
        pin = pin_slot(c, key);
        if (pin->key[0]) {
            mark_used(c, pin);
            buf_puts(path, pin->path);
        } else {
            pin = NULL;
        }
    }
    pthread_mutex_unlock(&c->guard);
    return pin != NULL;
}

/* Links the object into our folder and remembers that. IG_NOT_FOUND: the cache does not have it (any more). */
static enum ig_code add_pin(struct cache *c, const char *key, const char *object_path, const char *name,
                            struct buf *path, struct error *err)
{
    char *to = pin_path(c, key, name);
    struct cache_pin *pin;
    enum ig_code rc;

    pthread_mutex_lock(&c->guard);
    rc = env_link(c->env, object_path, to, err);
    if (rc == IG_EXISTS) /* another of our threads was quicker */
        rc = IG_OK;
    if (!rc) {
        if ((c->n_pins + 1) * 2 > c->n_slots)
            rehash(c, c->n_slots ? c->n_slots * 2 : 64);
        pin = pin_slot(c, key);
        if (!pin->key[0]) {
            memcpy(pin->key, key, CACHE_KEY_CHARS);
            pin->path = check_strdup(to);
            c->n_pins++;
        }
        mark_used(c, pin);
        buf_puts(path, pin->path);
    }
    pthread_mutex_unlock(&c->guard);
    if (!rc)
        (void)utimensat(AT_FDCWD, object_path, NULL, 0); /* when it was last used; gone already is fine */
    free(to);
    return rc;
}

uint64_t cache_hold(struct cache *c)
{
    uint64_t hold;

    pthread_mutex_lock(&c->guard);
    hold = ++c->last_hold;
    vec_push(&c->holds, hold);
    pthread_mutex_unlock(&c->guard);
    return hold;
}

void cache_release(struct cache *c, uint64_t hold)
{
    uint64_t oldest = UINT64_MAX;
    size_t dropped = 0;

    pthread_mutex_lock(&c->guard);
    for (size_t i = 0; i < c->holds.n; i++)
        if (c->holds.p[i] == hold)
            c->holds.p[i--] = c->holds.p[--c->holds.n];
        else if (c->holds.p[i] < oldest)
            oldest = c->holds.p[i];
    for (size_t i = 0; i < c->n_slots; i++) {
        struct cache_pin *pin = &c->pins[i];

        /* a hold that is open and was so when the pin was last asked for has a number up to that */
        if (!pin->key[0] || pin->used_at == UNTIL_THE_END || pin->used_at >= oldest)
            continue;
        (void)!env_unlink(c->env, pin->path, NULL);
        free(pin->path);
        *pin = (struct cache_pin){.key = ""};
        dropped++;
    }
    c->n_pins -= dropped;
    if (dropped)
        c->crowded_until_ms = 0;
    if (dropped)
        rehash(c, c->n_slots); /* free slots break the chains that lead over them */
    pthread_mutex_unlock(&c->guard);
}

/* --- fetching -------------------------------------------------------------------------------------------------- */

/* Takes the disk's room for the whole file now, so that a full disk is found before the download. */
static enum ig_code take_room(struct cache_download *d, int64_t bytes, struct error *err)
{
    struct env *env = d->c->env;
    const int fd = env_descriptor(env, d->part);

    if (fd >= 0 && bytes > 0) {
        if (fallocate(fd, 0, 0, (off_t)bytes) == 0)
            return IG_OK;
        if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)
            return error_set(err, IG_NO_SPACE, "no space for %s (%" PRId64 " bytes) in the cache %s: %s", d->object,
                             bytes, d->c->root, strerror(errno));
    }
    return env_truncate(env, d->part, bytes, err);
}

enum ig_code cache_expect(struct cache_download *d, int64_t size_bytes, struct error *err)
{
    enum ig_code rc;

    if (size_bytes < 0)
        return error_set(err, IG_CORRUPT, "%s: a size of %" PRId64 " bytes", d->object, size_bytes);
    rc = take_room(d, size_bytes, err);
    if (rc == IG_NO_SPACE) {
        (void)!cache_count(d->c, 0, true, NULL);
        rc = take_room(d, size_bytes, err);
    }
    if (!rc)
        rc = cache_count(d->c, size_bytes - (d->expected_bytes > 0 ? d->expected_bytes : 0), false, err);
    if (!rc)
        d->expected_bytes = size_bytes;
    return rc;
}

static enum ig_code fetch_part(struct cache_download *d, const char *part, cache_fetch_fn *fetch, void *ctx,
                               struct error *err)
{
    struct env *env = d->c->env;
    int64_t size = 0;
    enum ig_code rc = env_truncate(env, d->part, 0, err); /* what a dead process left in it */

    if (!rc)
        rc = fetch(ctx, d, part, err);
    if (rc == IG_NO_SPACE) { /* where room can not be taken beforehand */
        (void)!cache_count(d->c, 0, true, NULL);
        rc = env_truncate(env, d->part, 0, err);
        if (!rc)
            rc = fetch(ctx, d, part, err);
    }
    if (rc)
        return rc;
    if (d->expected_bytes < 0)
        return error_set(err, IG_CORRUPT, "%s: its size was not told", d->object);
    IG_TRY(env_size(env, d->part, &size, err));
    if (size != d->expected_bytes)
        return error_set(err, IG_CORRUPT, "%s: %" PRId64 " bytes came, %" PRId64 " were announced", d->object, size,
                         d->expected_bytes);
    return IG_OK;
}

/* Downloads the object unless another one does: then waits for that. It is pinned before others can see, and evict,
 * it. */
static enum ig_code fetch_once(struct cache *c, const char *key, const struct cache_key *k, const char *object,
                               cache_fetch_fn *fetch, void *ctx, struct buf *path, struct error *err)
{
    struct cache_download d = {.c = c, .object = k->name, .expected_bytes = -1};
    struct buf part;
    enum ig_code rc;

    buf_init(&part, 0);
    buf_printf(&part, "%s/parts/%s", c->root, key);
    rc = cache_lock_file(c->env, buf_cstr(&part), &d.part, err);
    if (!rc) {
        rc = add_pin(c, key, object, k->name, path, err);
        if (rc == IG_NOT_FOUND) {
            rc = fetch_part(&d, buf_cstr(&part), fetch, ctx, err);
            if (!rc)
                rc = add_pin(c, key, buf_cstr(&part), k->name, path, err);
            if (!rc && env_rename(c->env, buf_cstr(&part), object, NULL) == IG_OK)
                goto out;
            if (d.expected_bytes > 0)
                (void)!cache_count(c, -d.expected_bytes, false, NULL);
        }
        /* it failed, or another one was quicker and the part is one that waiting for it has made */
        (void)!env_unlink(c->env, buf_cstr(&part), NULL);
    }
out:
    env_close(c->env, d.part);
    buf_release(&part);
    return rc;
}

enum ig_code cache_path(struct cache *c, const struct cache_key *key, cache_fetch_fn *fetch, void *ctx,
                        struct buf *path, struct error *err)
{
    char text[CACHE_KEY_CHARS + 1];
    struct error absent = {0};
    struct buf object;
    enum ig_code rc;

    key_text(key, text);
    if (find_pin(c, text, path))
        return buf_check(path, err, "a path");
    buf_init(&object, 0);
    buf_printf(&object, "%s/objects/%s", c->root, text);
    rc = add_pin(c, text, buf_cstr(&object), key->name, path, &absent);
    if (rc == IG_NOT_FOUND)
        rc = fetch_once(c, text, key, buf_cstr(&object), fetch, ctx, path, err);
    else if (rc)
        rc = error_set(err, rc, "%s", absent.msg);
    buf_release(&object);
    return rc ? rc : buf_check(path, err, "a path");
}

void cache_adopt(struct cache *c, const struct cache_key *key, const char *path)
{
    char text[CACHE_KEY_CHARS + 1];
    struct env_stat found;
    struct buf object;

    key_text(key, text);
    buf_init(&object, 0);
    buf_printf(&object, "%s/objects/%s", c->root, text);
    /* counted first: what is kept and not counted would never be evicted */
    if (env_stat(c->env, path, &found, NULL) == IG_OK && cache_count(c, found.size_bytes, false, NULL) == IG_OK &&
        env_rename(c->env, path, buf_cstr(&object), NULL))
        (void)!cache_count(c, -found.size_bytes, false, NULL);
    buf_release(&object);
}

const char *cache_root(const struct cache *c)
{
    return c->root;
}

enum ig_code cache_scratch_path(struct cache *c, const char *suffix, struct buf *out, struct error *err)
{
    char uuid[37];

    env_uuid(c->env, uuid);
    buf_printf(out, "%s/scratch-%s%s", c->pins_dir, uuid, suffix ? suffix : "");
    return buf_check(out, err, "a scratch path");
}
