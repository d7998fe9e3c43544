/*
 * The footers of Parquet files in a remote store, without the files: the last bytes of each object, side by side. The
 * engine is given a file that consists of the magic number and the footer alone, which is all that its functions for
 * metadata look at.
 */
#include "lake/maintain/convert.h"

#define MAGIC "PAR1"
#define MAGIC_BYTES 4
#define TAIL_BYTES 8                    /* the footer's length and the magic number behind it */
#define FIRST_BYTES ((int64_t)64 << 10) /* asked for at once: most footers are smaller */
#define FOOTER_MAX_BYTES ((int64_t)256 << 20)

/* The last n bytes of the object. */
static enum ig_code read_end(struct converter *c, const char *object, const struct convert_file *f, int64_t n,
                             struct buf *out, struct error *err)
{
    const struct str url = str_of(c->t->store->url);

    buf_clear(out);
    IG_TRY(store_get_range(c->t->store, object, f->size_bytes - n, (size_t)n, out, err));
    if (out->n != (size_t)n)
        return error_set(err, IG_UNAVAILABLE, STR_FMT "/%s: %zu bytes came of the last %lld", STR_ARG(url), object,
                         out->n, (long long)n);
    return IG_OK;
}

static enum ig_code footer_length(const struct buf *end, int64_t size_bytes, const char *object, int64_t *n,
                                  struct error *err)
{
    const unsigned char *p = (const unsigned char *)end->p + end->n - TAIL_BYTES;

    if (memcmp(p + 4, "PARE", MAGIC_BYTES) == 0)
        return error_set(err, IG_UNSUPPORTED, "%s: its footer is encrypted", object);
    *n = (int64_t)p[0] | (int64_t)p[1] << 8 | (int64_t)p[2] << 16 | (int64_t)p[3] << 24;
    if (memcmp(p + 4, MAGIC, MAGIC_BYTES) != 0 || *n == 0 || *n > FOOTER_MAX_BYTES ||
        *n > size_bytes - TAIL_BYTES - MAGIC_BYTES)
        return error_set(err, IG_CORRUPT, "%s is no Parquet file: it does not end with a footer", object);
    return IG_OK;
}

static enum ig_code write_footer(struct converter *c, const char *path, struct str footer, struct error *err)
{
    struct env *env = c->t->store->env;
    struct env_file *file = NULL;
    enum ig_code rc;

    IG_TRY(env_open(env, path, ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_EXCLUSIVE, &file, err));
    rc = env_write(env, file, 0, MAGIC, MAGIC_BYTES, err);
    if (!rc)
        rc = env_write(env, file, MAGIC_BYTES, footer.p, footer.n, err);
    env_close(env, file);
    return rc;
}

static enum ig_code fetch_footer(void *ctx, size_t i, struct error *err)
{
    struct converter *c = ctx;
    const struct convert_file *f = &c->files.p[i];
    struct buf object, end;
    int64_t n = 0;
    enum ig_code rc;

    buf_init(&object, 0);
    buf_init(&end, 0);
    lake_add_object_name(&object, c->t->path, str_of(f->name));
    if (f->size_bytes < TAIL_BYTES + MAGIC_BYTES)
        rc = error_set(err, IG_CORRUPT, "%s is no Parquet file: it has %lld bytes", buf_cstr(&object),
                       (long long)f->size_bytes);
    else
        rc = read_end(c, buf_cstr(&object), f, f->size_bytes < FIRST_BYTES ? f->size_bytes : FIRST_BYTES, &end, err);
    if (!rc)
        rc = footer_length(&end, f->size_bytes, buf_cstr(&object), &n, err);
    n += TAIL_BYTES;
    if (!rc && end.n < (size_t)n)
        rc = read_end(c, buf_cstr(&object), f, n, &end, err);
    if (!rc)
        rc = write_footer(c, f->path, (struct str){end.p + end.n - n, (size_t)n}, err);
    buf_release(&end);
    buf_release(&object);
    return rc;
}

enum ig_code convert_fetch_footers(struct converter *c, struct error *err)
{
    enum ig_code rc = IG_OK;
    struct buf path;

    buf_init(&path, 0);
    for (size_t i = 0; i < c->files.n && !rc; i++) {
        buf_clear(&path);
        rc = store_scratch_path(c->t->store, ".footer.parquet", &path, err);
        c->files.p[i].path = arena_strndup(&c->arena, buf_cstr(&path), path.n);
    }
    buf_release(&path);
    return rc ? rc : store_for_each(c->t->store, c->files.n, fetch_footer, c, err);
}

void convert_drop_footers(const struct converter *c)
{
    if (store_is_local(c->t->store))
        return;
    for (size_t i = 0; i < c->files.n; i++)
        if (c->files.p[i].path)
            (void)!env_unlink(c->t->store->env, c->files.p[i].path, NULL);
}
