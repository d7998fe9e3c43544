/*
 * A log that failed goes on. After a failed sync nobody knows which of the pages behind the mark are on the disk, and
 * another sync of the same file would say that all is well. So what can still be read of them is checked and written
 * into a fresh file, which is synced and takes the place of everything behind the mark.
 */
#include "broker/plog_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define COPY_BYTES ((size_t)1 << 20)

struct copy {
    struct env *env;
    struct files *files;
    const char *dir;
    struct plog_mark synced;
    struct env_file *out;
    int64_t out_at;
    int64_t next; /* offset that must come */
    VEC(int64_t) bases;
};

static enum ig_code note_base(void *ctx, const char *name, const struct env_stat *st, struct error *err)
{
    struct copy *c = ctx;
    const int64_t base = segment_base_of_name(name);

    (void)st;
    (void)err;
    if (base >= c->synced.base)
        vec_push(&c->bases, base);
    return IG_OK;
}

static int by_value(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static void ignore_batch(void *ctx, struct segment *s, const struct batch *b)
{
    (void)ctx;
    (void)s;
    (void)b;
}

static enum ig_code copy_bytes(struct copy *c, struct segment *s, int64_t from, int64_t to, struct error *err)
{
    char *p = check_malloc(COPY_BYTES);
    struct env_file *in;
    enum ig_code rc = file_pin(s->file, false, &in, err);

    if (rc)
        goto out;
    while (!rc && from < to) {
        const size_t n = to - from < (int64_t)COPY_BYTES ? (size_t)(to - from) : COPY_BYTES;

        rc = env_read_full(c->env, in, from, p, n, err);
        if (!rc)
            rc = env_write(c->env, c->out, c->out_at, p, n, err);
        from += (int64_t)n;
        c->out_at += (int64_t)n;
    }
    file_unpin(s->file);
out:
    free(p);
    return rc;
}

/* What is whole of one segment behind `from`. */
static enum ig_code copy_segment(struct copy *c, int64_t base, int64_t from, bool *more, struct error *err)
{
    struct segment *s = segment_new(c->files, c->dir, base);
    struct segment_check check = {.from = from, .upto = INT64_MAX, .next_offset = c->next, .each = ignore_batch};
    enum ig_code rc = segment_verify(c->env, s, &check, err);

    if (!rc && check.valid > from)
        rc = copy_bytes(c, s, from, check.valid, err);
    *more = check.valid > from;
    c->next = check.next_offset;
    segment_free(s);
    return rc;
}

static enum ig_code copy_all(struct copy *c, struct error *err)
{
    enum ig_code rc = env_list(c->env, c->dir, note_base, c, err);
    bool more = true;

    if (c->bases.n > 0)
        qsort(c->bases.p, c->bases.n, sizeof(*c->bases.p), by_value);
    for (size_t i = 0; i < c->bases.n && !rc && more; i++) {
        if (c->bases.p[i] > c->next)
            break;
        rc = copy_segment(c, c->bases.p[i], c->bases.p[i] == c->synced.base ? c->synced.pos : 0, &more, err);
        more = more || c->bases.p[i] == c->synced.base;
    }
    vec_free(&c->bases);
    return rc;
}

static enum ig_code write_fresh(struct copy *c, const char *path, struct error *err)
{
    enum ig_code rc;

    (void)!env_unlink(c->env, path, NULL);
    IG_TRY(env_open(c->env, path, ENV_OPEN_READ | ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_TRUNCATE, &c->out, err));
    rc = copy_all(c, err);
    if (!rc)
        rc = env_sync(c->env, c->out, err);
    env_close(c->env, c->out);
    if (rc)
        (void)!env_unlink(c->env, path, NULL);
    return rc;
}

/* The old file ends at the mark: its pages behind it are of no worth. */
static enum ig_code cut_old(struct copy *c, struct error *err)
{
    char path[4096];
    struct env_file *f;
    enum ig_code rc;

    segment_path(c->dir, c->synced.base, ".log", path, sizeof(path));
    rc = env_open(c->env, path, ENV_OPEN_READ | ENV_OPEN_WRITE, &f, err);
    if (rc == IG_NOT_FOUND)
        return IG_OK;
    if (rc)
        return rc;
    rc = env_truncate(c->env, f, c->synced.pos, err);
    if (!rc)
        rc = env_sync(c->env, f, err);
    env_close(c->env, f);
    return rc;
}

enum ig_code plog_repair(struct env *env, struct files *files, const char *dir, int64_t segment_bytes,
                         struct plog_mark synced, struct plog **out, struct error *err)
{
    struct copy c = {.env = env, .files = files, .dir = dir, .synced = synced, .next = synced.offset};
    const bool whole = synced.pos == 0; /* all of that segment is written anew */
    const int64_t base = whole ? synced.base : synced.offset;
    char path[4096], swap[4096];

    snprintf(path, sizeof(path), "%s/%020lld.cleaned", dir, (long long)base);
    plog_swap_path(dir, base, INT64_MAX, swap, sizeof(swap));
    IG_TRY(write_fresh(&c, path, err));
    IG_TRY(env_rename(env, path, swap, err));
    IG_TRY(env_sync_dir(env, dir, err));
    IG_TRY(plog_swap_finish(env, dir, base, INT64_MAX, err));
    if (!whole)
        IG_TRY(cut_old(&c, err));
    return plog_open(env, files, dir, segment_bytes, synced, out, err);
}
