/*
 * Are files there that the log names? One by one, or, for many, by one listing of the table's folder. Files of other
 * places are asked for where they are.
 */
#include "lake/lake_internal.h"

#include <stdlib.h>

static enum ig_code see_object(void *ctx, const struct store_object *object, struct error *err)
{
    struct lake_presence *p = ctx;
    struct lake_presence_object o = {.size_bytes = object->size_bytes};
    const struct str name = {object->name.p + p->skip, object->name.n - p->skip};

    (void)err;
    if (str_has_prefix(name, LAKE_LOG_DIR "/"))
        return IG_OK;
    o.name = arena_str(&p->arena, name);
    vec_push(&p->objects, o);
    return IG_OK;
}

static int by_name(const void *x, const void *y)
{
    const struct lake_presence_object *a = x, *b = y;

    return str_cmp(a->name, b->name);
}

enum ig_code lake_presence_open(struct lake_presence *p, struct lake_table *t, bool many, struct error *err)
{
    struct buf prefix;
    enum ig_code rc = IG_OK;

    *p = (struct lake_presence){.t = t, .listed = many};
    arena_init(&p->arena);
    if (!many)
        return IG_OK;
    buf_init(&prefix, 0);
    lake_add_object_name(&prefix, t->path, (struct str){"", 0});
    p->skip = prefix.n;
    rc = store_list(t->store, buf_cstr(&prefix), see_object, p, err);
    if (p->objects.n)
        qsort(p->objects.p, p->objects.n, sizeof(*p->objects.p), by_name);
    buf_release(&prefix);
    return rc;
}

void lake_presence_close(struct lake_presence *p)
{
    vec_free(&p->objects);
    store_free(p->elsewhere);
    free(p->elsewhere_url);
    arena_release(&p->arena);
}

/* A file of another place: its folder is opened as a store; the last one is kept, neighbours follow each other. */
static enum ig_code stat_elsewhere(struct lake_presence *p, struct str name, struct store_object *out,
                                   struct error *err)
{
    const char *slash = memrchr(name.p, '/', name.n);
    char *folder = check_strdup(name.p), *file;
    enum ig_code rc = IG_OK;
    struct buf base;

    folder[slash - name.p] = '\0';
    file = folder + (slash - name.p) + 1;
    if (!p->elsewhere || strcmp(p->elsewhere_url, folder) != 0) {
        store_free(p->elsewhere);
        free(p->elsewhere_url);
        p->elsewhere = NULL;
        p->elsewhere_url = check_strdup(folder);
        rc = lake_open_elsewhere(p->t, folder, &p->elsewhere, err);
    }
    buf_init(&base, 0);
    buf_puts(&base, file);
    if (!rc)
        rc = store_stat(p->elsewhere, buf_cstr(&base), out, err);
    buf_release(&base);
    free(folder);
    return rc;
}

static enum ig_code find(struct lake_presence *p, struct str name, int64_t *size, struct error *err)
{
    struct store_object found = {0};
    struct buf object;
    enum ig_code rc;

    if (p->listed) {
        const struct lake_presence_object key = {.name = name};
        const struct lake_presence_object *o =
            p->objects.n ? bsearch(&key, p->objects.p, p->objects.n, sizeof(*p->objects.p), by_name) : NULL;

        if (!o)
            return error_set(err, IG_NOT_FOUND, "it is not there");
        *size = o->size_bytes;
        return IG_OK;
    }
    buf_init(&object, 0);
    lake_add_object_name(&object, p->t->path, name);
    rc = store_stat(p->t->store, buf_cstr(&object), &found, err);
    *size = found.size_bytes;
    buf_release(&object);
    return rc;
}

enum ig_code lake_presence_of(struct lake_presence *p, struct str name, int64_t size, enum lake_presence_state *out,
                              struct error *err)
{
    struct store_object found = {0};
    struct error gone = {0};
    struct buf relative;
    int64_t there = 0;
    enum ig_code rc;

    buf_init(&relative, 0);
    if (!lake_is_absolute(name)) {
        rc = find(p, name, &there, &gone);
    } else if (lake_relative_name(p->t, name, &relative)) {
        rc = find(p, buf_str(&relative), &there, &gone);
    } else {
        rc = stat_elsewhere(p, name, &found, &gone);
        there = found.size_bytes;
    }
    buf_release(&relative);
    if (rc == IG_NOT_FOUND) {
        *out = LAKE_FILE_MISSING;
        return IG_OK;
    }
    if (rc)
        return error_set(err, rc, STR_FMT ": %s", STR_ARG(name), gone.msg);
    *out = size >= 0 && there != size ? LAKE_FILE_OTHER_SIZE : LAKE_FILE_THERE;
    p->size_bytes = there;
    return IG_OK;
}

#define ONE_BY_ONE_MAX 200

enum ig_code lake_check_present(struct lake_table *t, const struct lake_snapshot *s, struct error *err)
{
    const bool many = !store_is_local(t->store) || s->n_live > ONE_BY_ONE_MAX;
    struct str first = {0};
    struct lake_presence p;
    int64_t missing = 0;
    enum ig_code rc = lake_presence_open(&p, t, many, err);

    for (size_t i = 0; i < s->entries.n && !rc; i++) {
        const struct lake_entry *e = &s->entries.p[i];
        enum lake_presence_state state = LAKE_FILE_THERE;

        if (!lake_entry_is_live(e))
            continue;
        rc = lake_presence_of(&p, lake_entry_name(e), -1, &state, err);
        if (!rc && state == LAKE_FILE_MISSING && missing++ == 0)
            first = lake_entry_name(e);
    }
    lake_presence_close(&p);
    if (!rc && missing)
        rc =
            error_set(err, IG_NOT_FOUND, "%lld of the %zu files of version %lld are gone: " STR_FMT "%s " LAKE_WHY_GONE,
                      (long long)missing, s->n_live, (long long)s->version, STR_ARG(first), missing > 1 ? ", ..." : "");
    return rc;
}
