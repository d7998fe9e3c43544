#include "source/text_file.h"

#include <stdlib.h>
#include <zlib.h>

#define CHUNK_BYTES ((size_t)256 << 10)

struct text_file {
    struct env *env;
    struct env_file *file;
    int64_t at; /* in the file */
    bool packed, unpacking;
    z_stream z;
    uint8_t *raw; /* packed bytes */
    char *text;   /* [start, end) is what we have */
    size_t cap, start, end;
    bool at_end;
};

static enum ig_code read_packed(struct text_file *f, char *p, size_t n, size_t *done, struct error *err)
{
    *done = 0;
    f->z.next_out = (Bytef *)p;
    f->z.avail_out = (uInt)n;
    while (*done == 0) {
        int z;

        if (f->z.avail_in == 0) {
            size_t got;

            IG_TRY(env_read(f->env, f->file, f->at, f->raw, CHUNK_BYTES, &got, err));
            if (got == 0)
                return f->unpacking ? error_set(err, IG_CORRUPT, "the gzip file is cut off") : IG_OK;
            f->at += (int64_t)got;
            f->z.next_in = f->raw;
            f->z.avail_in = (uInt)got;
        }
        f->unpacking = true;
        z = inflate(&f->z, Z_NO_FLUSH);
        *done = n - f->z.avail_out;
        if (z == Z_STREAM_END) { /* another member may follow */
            f->unpacking = false;
            inflateReset(&f->z);
        } else if (z != Z_OK && z != Z_BUF_ERROR) {
            return error_set(err, IG_CORRUPT, "the gzip file is damaged: %s", f->z.msg ? f->z.msg : "bad data");
        }
    }
    return IG_OK;
}

enum ig_code text_file_more(struct text_file *f, struct error *err)
{
    size_t done;

    if (f->at_end)
        return IG_OK;
    if (f->start > 0) {
        memmove(f->text, f->text + f->start, f->end - f->start);
        f->end -= f->start;
        f->start = 0;
    }
    if (f->cap - f->end < CHUNK_BYTES) {
        f->cap = f->cap * 2 + CHUNK_BYTES;
        f->text = check_realloc(f->text, f->cap);
    }
    if (f->packed) {
        IG_TRY(read_packed(f, f->text + f->end, CHUNK_BYTES, &done, err));
    } else {
        IG_TRY(env_read(f->env, f->file, f->at, f->text + f->end, CHUNK_BYTES, &done, err));
        f->at += (int64_t)done;
    }
    f->end += done;
    f->at_end = done == 0;
    return IG_OK;
}

struct str text_file_have(const struct text_file *f)
{
    return (struct str){f->text + f->start, f->end - f->start};
}

bool text_file_at_end(const struct text_file *f)
{
    return f->at_end;
}

void text_file_take(struct text_file *f, size_t n)
{
    IG_ASSERT(n <= f->end - f->start);
    f->start += n;
}

void text_file_close(struct text_file *f)
{
    if (!f)
        return;
    if (f->packed)
        inflateEnd(&f->z);
    env_close(f->env, f->file);
    free(f->raw);
    free(f->text);
    free(f);
}

static enum ig_code look_at_start(struct text_file *f, struct error *err)
{
    static const uint8_t gzip_magic[] = {0x1f, 0x8b};
    uint8_t head[sizeof(gzip_magic)];
    size_t have = 0, done = 1;

    while (have < sizeof(head) && done > 0) {
        IG_TRY(env_read(f->env, f->file, (int64_t)have, head + have, sizeof(head) - have, &done, err));
        have += done;
    }
    if (have == sizeof(head) && memcmp(head, gzip_magic, sizeof(head)) == 0) {
        f->raw = check_malloc(CHUNK_BYTES);
        if (inflateInit2(&f->z, 15 + 16) != Z_OK)
            return error_set(err, IG_IO, "gzip does not start");
        f->packed = true;
    }
    while (text_file_have(f).n < 3 && !f->at_end)
        IG_TRY(text_file_more(f, err));
    if (str_has_prefix(text_file_have(f), "\xef\xbb\xbf"))
        text_file_take(f, 3);
    return IG_OK;
}

enum ig_code text_file_open(struct env *env, const char *path, struct text_file **out, struct error *err)
{
    struct text_file *f = check_calloc(1, sizeof(*f));
    enum ig_code rc;

    f->env = env;
    f->cap = CHUNK_BYTES;
    f->text = check_malloc(f->cap);
    rc = env_open(env, path, ENV_OPEN_READ, &f->file, err);
    if (!rc)
        rc = look_at_start(f, err);
    if (rc)
        text_file_close(f);
    else
        *out = f;
    return rc;
}
