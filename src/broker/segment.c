#include "broker/segment.h"

#include <stdio.h>
#include <stdlib.h>

#define WALK_BYTES ((size_t)64 << 10)
#define VERIFY_BYTES ((size_t)1 << 20)

static const char state_magic[8] = "INGOTSEG";
#define STATE_VERSION 3
#define STATE_MTIME_AT 37

void segment_path(const char *dir, int64_t base, const char *suffix, char *out, size_t n)
{
    const int len = snprintf(out, n, "%s/%020lld%s", dir, (long long)base, suffix);

    IG_ASSERT(len > 0 && (size_t)len < n);
}

int64_t segment_base_of_name(const char *name)
{
    int64_t base;

    if (strlen(name) != 24 || strcmp(name + 20, ".log") != 0)
        return -1;
    return str_to_int64((struct str){name, 20}, 0, INT64_MAX, &base) ? base : -1;
}

struct segment *segment_new(struct files *files, const char *dir, int64_t base)
{
    struct segment *s = check_calloc(1, sizeof(*s));
    char path[4096];

    segment_path(dir, base, ".log", path, sizeof(path));
    s->base = base;
    s->file = file_new(files, path);
    segment_reset(s);
    return s;
}

void segment_free(struct segment *s)
{
    if (s->dirty)
        file_unpin(s->file);
    file_release(s->file);
    vec_free(&s->index);
    free(s);
}

void segment_reset(struct segment *s)
{
    s->size = 0;
    s->end = s->base;
    s->max_time_ms = -1;
    s->max_time_pos = 0;
    s->index.n = 0;
    s->indexed = true;
    s->state_pos = 0;
}

void segment_add(struct segment *s, const struct batch *b)
{
    const struct segment_entry entry = {b->base_offset, s->size, s->max_time_ms};

    if (s->index.n == 0 || s->size - s->index.p[s->index.n - 1].pos >= SEGMENT_INDEX_BYTES)
        vec_push(&s->index, entry);
    if (b->max_timestamp_ms > s->max_time_ms) {
        s->max_time_ms = b->max_timestamp_ms;
        s->max_time_pos = s->size;
    }
    s->size += b->bytes;
    s->end = b->base_offset + b->last_offset_delta + 1;
}

const struct segment_entry *segment_floor(const struct segment *s, int64_t value, bool by_pos)
{
    size_t low = 0, high = s->index.n;

    while (low < high) {
        const size_t mid = (low + high) / 2;

        if ((by_pos ? s->index.p[mid].pos : s->index.p[mid].offset) <= value)
            low = mid + 1;
        else
            high = mid;
    }
    return low ? &s->index.p[low - 1] : NULL;
}

static enum ig_code no_batch(const struct segment *s, int64_t pos, struct error *err)
{
    return error_set(err, IG_CORRUPT, "%s: no record batch begins at byte %lld", file_path(s->file), (long long)pos);
}

/* As much as fits, or up to the end of the file. */
static enum ig_code read_window(struct env *env, struct env_file *f, int64_t at, char *window, size_t *n,
                                struct error *err)
{
    size_t done = 1;

    for (*n = 0; *n < WALK_BYTES && done > 0; *n += done)
        IG_TRY(env_read(env, f, at + (int64_t)*n, window + *n, WALK_BYTES - *n, &done, err));
    return IG_OK;
}

enum ig_code segment_walk(struct env *env, struct segment *s, int64_t from, int64_t to, segment_each_fn *each,
                          void *ctx, struct error *err)
{
    char *window = check_malloc(WALK_BYTES);
    int64_t window_at = 0;
    size_t window_n = 0;
    struct env_file *f;
    struct batch b;
    enum ig_code rc = file_pin(s->file, false, &f, err);

    if (rc)
        goto out;
    for (int64_t pos = from; pos < to; pos += b.bytes) {
        if (pos < window_at || pos + BATCH_HEADER_BYTES > window_at + (int64_t)window_n) {
            rc = read_window(env, f, pos, window, &window_n, err);
            if (rc)
                break;
            window_at = pos;
        }
        if (!batch_parse(window + (pos - window_at), window_n - (size_t)(pos - window_at), &b) || b.bytes > to - pos) {
            rc = no_batch(s, pos, err);
            break;
        }
        if (!each(ctx, &b, pos))
            break;
    }
    file_unpin(s->file);
out:
    free(window);
    return rc;
}

/* Reads sequentially through a growing window that always holds the batch in question whole. */
struct verifier {
    struct env_file *f;
    char *p;
    size_t n, cap, at;
    int64_t pos; /* in the file, of p[at] */
};

static enum ig_code want(struct env *env, struct verifier *v, size_t n, struct error *err)
{
    if (v->n - v->at >= n)
        return IG_OK;
    memmove(v->p, v->p + v->at, v->n - v->at);
    v->n -= v->at;
    v->at = 0;
    if (n > v->cap) {
        v->p = check_realloc(v->p, n);
        v->cap = n;
    }
    while (v->n < v->cap) {
        size_t done;

        IG_TRY(env_read(env, v->f, v->pos + (int64_t)v->n, v->p + v->n, v->cap - v->n, &done, err));
        if (done == 0)
            break;
        v->n += done;
    }
    return IG_OK;
}

static bool follows(const struct segment_check *c, const struct batch *b)
{
    return b->base_offset == c->next_offset || (b->base_offset > c->next_offset && b->base_offset <= c->gaps);
}

enum ig_code segment_verify(struct env *env, struct segment *s, struct segment_check *c, struct error *err)
{
    struct verifier v = {.pos = c->from, .cap = VERIFY_BYTES};
    int64_t file_size = 0;
    enum ig_code rc;

    c->valid = c->from;
    IG_TRY(file_pin(s->file, false, &v.f, err));
    v.p = check_malloc(v.cap);
    rc = env_size(env, v.f, &file_size, err);
    while (!rc && v.pos < file_size) {
        struct batch b;

        rc = want(env, &v, BATCH_HEADER_BYTES, err);
        if (rc || !batch_parse(v.p + v.at, v.n - v.at, &b) || b.bytes > file_size - v.pos || !follows(c, &b) ||
            b.base_offset >= c->upto)
            break;
        rc = want(env, &v, (size_t)b.bytes, err);
        if (rc || !batch_crc_ok(v.p + v.at, v.n - v.at, &b))
            break;
        batch_read_marker(v.p + v.at, v.n - v.at, &b);
        c->each(c->ctx, s, &b);
        c->next_offset = b.base_offset + b.last_offset_delta + 1;
        v.at += (size_t)b.bytes;
        v.pos += b.bytes;
        c->valid = v.pos;
    }
    free(v.p);
    file_unpin(s->file);
    return rc;
}

static bool add_walked(void *ctx, const struct batch *b, int64_t pos)
{
    struct segment *s = ctx;

    IG_ASSERT(pos == s->size);
    segment_add(s, b);
    return true;
}

enum ig_code segment_load(struct env *env, const char *dir, struct segment *s, struct error *err)
{
    const int64_t size = s->size, end = s->end;
    struct segment_state state = {0};
    enum ig_code rc;

    if (s->indexed)
        return IG_OK;
    if (segment_state_read(env, dir, s->base, &state, s, NULL, NULL, NULL) == IG_OK && state.pos == size)
        return IG_OK;
    segment_reset(s);
    rc = segment_walk(env, s, 0, size, add_walked, s, err);
    s->size = size;
    s->end = end;
    s->indexed = rc == IG_OK;
    return rc;
}

/* --- BASE.state ------------------------------------------------------------------------------------------- */

void segment_state_encode(struct env *env, const struct segment *s, int64_t next_offset, bool closed,
                          const struct producers *producers, struct buf *b)
{
    buf_init(b, 0);
    buf_add(b, state_magic, sizeof(state_magic));
    wire_put_int(b, STATE_VERSION, 4);
    wire_put_int(b, s->base, 8);
    wire_put_int(b, s->size, 8);
    wire_put_int(b, next_offset, 8);
    wire_put_int(b, closed, 1);
    IG_ASSERT(b->n == STATE_MTIME_AT);
    wire_put_int(b, 0, 8);
    wire_put_int(b, s->first_ms, 8);
    wire_put_int(b, s->written_ms, 8);
    wire_put_int(b, s->max_time_ms, 8);
    wire_put_int(b, s->max_time_pos, 8);
    wire_put_int(b, (int64_t)s->index.n, 4);
    for (size_t i = 0; i < s->index.n; i++) {
        wire_put_int(b, s->index.p[i].offset, 8);
        wire_put_int(b, s->index.p[i].pos, 8);
        wire_put_int(b, s->index.p[i].max_time_ms, 8);
    }
    wire_put_int(b, producers != NULL, 1);
    if (producers)
        producers_encode(producers, env_now_ms(env), b);
}

bool segment_state_store(struct env *env, const char *dir, int64_t base, struct buf *b)
{
    char path[4096], beside[4096 + 8], log_path[4096];
    struct env_stat st = {0};
    struct env_file *f = NULL;
    enum ig_code rc;

    segment_path(dir, base, ".state", path, sizeof(path));
    segment_path(dir, base, ".log", log_path, sizeof(log_path));
    snprintf(beside, sizeof(beside), "%s.tmp", path);
    if (env_stat(env, log_path, &st, NULL))
        return false;
    wire_store(b->p + STATE_MTIME_AT, st.mtime_ms, 8);
    wire_put_int(b, (int64_t)hash_crc32c(0, b->p, b->n), 4);
    /* Not synced: after a power cut a half-written state fails its checksum and is made again. But what an earlier
     * crash left under this name may be a whole state of other bytes: it must not come back. */
    (void)!env_unlink(env, beside, NULL);
    if (env_open(env, beside, ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_EXCLUSIVE, &f, NULL))
        return false;
    rc = env_write(env, f, 0, b->p, b->n, NULL);
    env_close(env, f);
    if (!rc)
        rc = env_rename(env, beside, path, NULL);
    if (rc)
        (void)!env_unlink(env, beside, NULL);
    return rc == IG_OK;
}

void segment_state_write(struct env *env, const char *dir, struct segment *s, int64_t next_offset, bool closed,
                         const struct producers *producers)
{
    struct buf b;

    segment_state_encode(env, s, next_offset, closed, producers, &b);
    if (segment_state_store(env, dir, s->base, &b))
        s->state_pos = s->size;
    buf_release(&b);
}

/* A right checksum says that nothing was damaged, not that all is as it should be. */
static void read_index(struct wire_in *in, const struct segment_state *upto, struct segment *s)
{
    struct segment_entry last = {s->base, 0, 0};
    int64_t n;

    s->max_time_ms = wire_get_int(in, 8);
    s->max_time_pos = wire_get_int(in, 8);
    in->bad |= s->max_time_pos < 0 || s->max_time_pos > upto->pos;
    n = wire_get_int(in, 4);
    s->index.n = 0;
    for (int64_t i = 0; i < n && !in->bad; i++) {
        struct segment_entry e;

        e.offset = wire_get_int(in, 8);
        e.pos = wire_get_int(in, 8);
        e.max_time_ms = wire_get_int(in, 8);
        if (e.pos < last.pos || e.offset < last.offset || e.pos > upto->pos || e.offset > upto->next_offset)
            in->bad = true;
        last = e;
        vec_push(&s->index, e);
    }
}

static bool read_header(struct wire_in *in, int64_t base, struct segment_state *out)
{
    (void)wire_get_bytes(in, sizeof(state_magic));
    if (wire_get_int(in, 4) != STATE_VERSION || wire_get_int(in, 8) != base)
        return false;
    out->pos = wire_get_int(in, 8);
    out->next_offset = wire_get_int(in, 8);
    out->closed = wire_get_int(in, 1) != 0;
    out->mtime_ms = wire_get_int(in, 8);
    out->first_ms = wire_get_int(in, 8);
    out->written_ms = wire_get_int(in, 8);
    return !in->bad && out->pos >= 0 && out->next_offset >= base;
}

static void read_producers(struct wire_in *in, struct segment_state *out, struct producers *producers, struct buf *blob)
{
    out->has_producers = wire_get_int(in, 1) != 0;
    if (!out->has_producers)
        return;
    if (blob)
        buf_add(blob, in->p, (size_t)(in->end - in->p) - 4);
    if (producers)
        producers_decode(producers, in);
}

enum ig_code segment_state_read(struct env *env, const char *dir, int64_t base, struct segment_state *out,
                                struct segment *s, struct producers *producers, struct buf *blob, struct error *err)
{
    struct segment index_of_nobody = {.base = base};
    struct wire_in in;
    struct buf b;
    char path[4096];
    enum ig_code rc;

    segment_path(dir, base, ".state", path, sizeof(path));
    buf_init(&b, 256u << 20);
    rc = env_read_file(env, path, &b, err);
    if (rc)
        goto out;
    in = (struct wire_in){(const uint8_t *)b.p, (const uint8_t *)b.p + b.n, false};
    rc = error_set(err, IG_CORRUPT, "%s is damaged", path);
    if (b.n < 64 || memcmp(b.p, state_magic, sizeof(state_magic)) != 0 ||
        (uint32_t)wire_load(b.p + b.n - 4, 4) != hash_crc32c(0, b.p, b.n - 4) || !read_header(&in, base, out))
        goto out;
    if (!s)
        s = &index_of_nobody;
    read_index(&in, out, s);
    out->max_time_ms = s->max_time_ms;
    read_producers(&in, out, producers, blob);
    if (in.bad)
        goto out;
    s->size = out->pos;
    s->end = out->next_offset;
    s->first_ms = out->first_ms;
    s->written_ms = out->written_ms;
    s->state_pos = out->pos;
    s->indexed = true;
    rc = IG_OK;
out:
    vec_free(&index_of_nobody.index);
    buf_release(&b);
    return rc;
}
