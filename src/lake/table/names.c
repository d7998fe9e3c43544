/*
 * Names of files as the log has them: relative to the table, or absolute (of a clone, or of what was taken over); and
 * sets of them.
 */
#include "lake/lake_internal.h"

#include <limits.h>
#include <stdlib.h>

/* --- absolute names ------------------------------------------------------------------------------------------ */

bool lake_is_absolute(struct str name)
{
    size_t i = 0;

    if (name.n && name.p[0] == '/')
        return true;
    while (i < name.n &&
           (name.p[i] == '+' || name.p[i] == '-' || name.p[i] == '.' ||
            ((name.p[i] | 0x20) >= 'a' && (name.p[i] | 0x20) <= 'z') || (name.p[i] >= '0' && name.p[i] <= '9')))
        i++;
    return i > 1 && i + 1 < name.n && name.p[i] == ':' && name.p[i + 1] == '/';
}

/* "file:///a", "file:/a", "/a" -> "/a"; "s3a://b/x" and "s3://b/x" -> "s3://b/x". */
static void add_plain(struct str name, struct buf *out)
{
    if (str_has_prefix(name, "file:")) {
        name.p += strlen("file:");
        name.n -= strlen("file:");
        while (name.n > 1 && name.p[0] == '/' && name.p[1] == '/') {
            name.p++;
            name.n--;
        }
    } else if (str_has_prefix(name, "s3a://") || str_has_prefix(name, "s3n://")) {
        buf_puts(out, "s3");
        name.p += strlen("s3a");
        name.n -= strlen("s3a");
    }
    buf_add_str(out, name);
}

void lake_add_location(const struct lake_table *t, struct buf *out)
{
    const char *url = t->store->url;
    struct buf root;
    char *whole;

    buf_init(&root, 0);
    add_plain(str_of(url), &root);
    if (root.n && root.p[0] != '/' && !strstr(buf_cstr(&root), "://")) {
        whole = realpath(buf_cstr(&root), NULL);
        buf_clear(&root);
        buf_puts(&root, whole ? whole : url);
        free(whole);
    }
    buf_add_str(out, buf_str(&root));
    if (*t->path)
        buf_printf(out, "/%s", t->path);
    buf_release(&root);
}

bool lake_relative_name(const struct lake_table *t, struct str name, struct buf *out)
{
    struct buf location, plain;
    bool within;

    buf_init(&location, 0);
    buf_init(&plain, 0);
    lake_add_location(t, &location);
    buf_putc(&location, '/');
    add_plain(name, &plain);
    within = plain.n > location.n && memcmp(plain.p, location.p, location.n) == 0;
    if (within)
        buf_add(out, plain.p + location.n, plain.n - location.n);
    buf_release(&plain);
    buf_release(&location);
    return within;
}

enum ig_code lake_open_elsewhere(const struct lake_table *t, const char *folder, struct store **out, struct error *err)
{
    struct buf url;
    enum ig_code rc;

    buf_init(&url, 0);
    add_plain(str_of(folder), &url);
    if (url.p && url.p[0] == '/') {
        /* Opening a folder's store makes it; to look into one must not. */
        struct env_stat st;
        struct buf local;

        rc = env_stat(t->store->env, buf_cstr(&url), &st, err);
        buf_init(&local, 0);
        buf_printf(&local, "file:%s", buf_cstr(&url));
        if (!rc)
            rc = store_open(t->store->env, buf_cstr(&local), out, err);
        buf_release(&local);
    } else {
        rc = store_open_like(t->store, buf_cstr(&url), out, err);
    }
    buf_release(&url);
    return rc;
}

/* --- sets of names ------------------------------------------------------------------------------------------- */

static size_t slot_of(const struct lake_names *set, struct str name)
{
    size_t at = hash_fnv1a(name.p, name.n) & (set->n_slots - 1);

    while (set->slots[at].p && !str_eq(set->slots[at], name))
        at = (at + 1) & (set->n_slots - 1);
    return at;
}

static void grow(struct lake_names *set)
{
    struct str *old = set->slots;
    const size_t n_old = set->n_slots;

    set->n_slots = n_old ? n_old * 2 : 64;
    set->slots = check_calloc(set->n_slots, sizeof(*set->slots));
    for (size_t i = 0; i < n_old; i++)
        if (old[i].p)
            set->slots[slot_of(set, old[i])] = old[i];
    free(old);
}

void lake_names_add(struct lake_names *set, struct str name)
{
    size_t at;

    if (!set->slots)
        arena_init(&set->arena);
    if (set->n * 2 >= set->n_slots)
        grow(set);
    at = slot_of(set, name);
    if (set->slots[at].p)
        return;
    set->slots[at] = arena_str(&set->arena, name);
    set->n++;
}

bool lake_names_has(const struct lake_names *set, struct str name)
{
    return set->n && set->slots[slot_of(set, name)].p;
}

void lake_names_free(struct lake_names *set)
{
    if (set->slots)
        arena_release(&set->arena);
    free(set->slots);
    *set = (struct lake_names){0};
}

/* --- the file of a deletion vector --------------------------------------------------------------------------- */

#define DV_UUID_CHARS 20

/* Z85: five characters are four bytes. */
static bool decode_z85(const char *text, unsigned char out[16])
{
    static const char digits[] =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

    for (size_t group = 0; group < 4; group++) {
        uint64_t value = 0;

        for (size_t i = 0; i < 5; i++) {
            const char c = text[group * 5 + i];
            const char *at = c ? strchr(digits, c) : NULL;

            if (!at)
                return false;
            value = value * 85 + (uint64_t)(at - digits);
        }
        if (value > UINT32_MAX)
            return false;
        for (size_t i = 0; i < 4; i++)
            out[group * 4 + i] = (unsigned char)(value >> (24 - 8 * i));
    }
    return true;
}

enum ig_code lake_dv_file(struct str descriptor, struct buf *name, struct error *err)
{
    struct buf type, path;
    unsigned char uuid[16];
    bool ok = true;

    buf_init(&type, 0);
    buf_init(&path, 0);
    json_member_string(descriptor, "storageType", &type);
    json_member_string(descriptor, "pathOrInlineDv", &path);
    if (str_is(buf_str(&type), "p")) {
        ok = path.n > 0 && lake_decode_uri(buf_str(&path), name);
    } else if (str_is(buf_str(&type), "u")) {
        ok = path.n >= DV_UUID_CHARS && decode_z85(path.p + path.n - DV_UUID_CHARS, uuid);
        if (ok && path.n > DV_UUID_CHARS) {
            buf_add(name, path.p, path.n - DV_UUID_CHARS);
            buf_putc(name, '/');
        }
        buf_puts(name, ok ? "deletion_vector_" : "");
        for (size_t i = 0; ok && i < sizeof(uuid); i++)
            buf_printf(name, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
        buf_puts(name, ok ? ".bin" : "");
    } else {
        ok = str_is(buf_str(&type), "i");
    }
    if (!ok)
        error_set(err, IG_CORRUPT, "the deletion vector " STR_FMT " has no place that can be read",
                  STR_ARG(descriptor));
    buf_release(&path);
    buf_release(&type);
    return ok ? IG_OK : IG_CORRUPT;
}
