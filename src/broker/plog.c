#include "broker/plog_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define FULL_SAID_EVERY_MS 10000
#define STATE_EVERY_BYTES (16 << 20) /* so much is read again, at most about, after a crash */

void plog_start_path(const struct plog *log, char *out, size_t n)
{
    snprintf(out, n, "%s/start", log->dir);
}

static struct segment *last_segment(const struct plog *log)
{
    return log->segments.p[log->segments.n - 1];
}

static void free_log(struct plog *log)
{
    for (size_t i = 0; i < log->segments.n; i++)
        segment_free(log->segments.p[i]);
    vec_free(&log->segments);
    producers_clear(&log->producers);
    free(log->dir);
    free(log);
}

void plog_close(struct plog *log)
{
    struct segment *s;

    if (!log)
        return;
    s = last_segment(log);
    if (!log->failed && s->exists && log->durable.base == s->base && log->durable.pos == s->size)
        segment_state_write(log->env, log->dir, s, log->end, true, &log->producers);
    free_log(log);
}

void plog_abandon(struct plog *log)
{
    if (log)
        free_log(log);
}

/* --- appending -------------------------------------------------------------------------------------------- */

static enum ig_code make_dirty(struct plog *log, struct segment *s, struct error *err)
{
    if (s->dirty)
        return IG_OK;
    IG_TRY(file_pin(s->file, !s->exists, &s->open, err));
    if (!s->exists)
        log->dir_dirty = true;
    s->exists = s->dirty = true;
    return IG_OK;
}

enum ig_code plog_roll(struct plog *log, struct error *err)
{
    struct segment *s = last_segment(log);

    (void)err;
    if (s->size == 0)
        return IG_OK;
    segment_state_write(log->env, log->dir, s, log->end, true, &log->producers);
    vec_push(&log->segments, segment_new(log->files, log->dir, log->end));
    return IG_OK;
}

/* Producers try again until there is room: a person has to be told, but not at every try. */
static void say_full(struct plog *log, const struct error *err)
{
    const int64_t now_ms = env_monotonic_ms(log->env);

    if (log->full_said_ms != 0 && now_ms - log->full_said_ms < FULL_SAID_EVERY_MS)
        return;
    log->full_said_ms = now_ms;
    log_warn(log->env, "broker", "records are refused until there is room again: %s", err->msg);
}

static enum ig_code write_failed(struct plog *log, struct segment *s, enum ig_code rc, const struct error *err)
{
    if (rc == IG_NO_SPACE && env_truncate(log->env, s->open, s->size, NULL) == IG_OK) {
        say_full(log, err);
        return rc; /* as if it had not been tried */
    }
    log->failed = true;
    snprintf(log->why, sizeof(log->why), "%.480s", err->msg);
    log_error(log->env, "broker", "the partition takes no more: %s", log->why);
    return rc;
}

static enum ig_code append(struct plog *log, struct batch *b, const void *bytes, struct error *err)
{
    uint8_t header[BATCH_HEADER_BYTES];
    union {
        const void *in;
        void *out;
    } rest = {.in = (const char *)bytes + BATCH_HEADER_BYTES};
    const struct iovec iov[2] = {{header, sizeof(header)}, {rest.out, (size_t)b->bytes - BATCH_HEADER_BYTES}};
    struct segment *s = last_segment(log);
    struct error local;
    enum ig_code rc;

    if (s->size > 0 && s->size + b->bytes > log->segment_bytes) {
        IG_TRY(plog_roll(log, err));
        s = last_segment(log);
    }
    IG_TRY(make_dirty(log, s, err));
    memcpy(header, bytes, sizeof(header));
    b->base_offset = log->end;
    b->leader_epoch = 0;
    batch_stamp(header, b->base_offset, b->leader_epoch);
    wire_store(header + 17, b->crc, 4);
    wire_store(header + 21, b->attributes, 2);
    wire_store(header + 35, b->max_timestamp_ms, 8);
    rc = env_writev(log->env, s->open, s->size, iov, 2, &local);
    if (rc) {
        if (err)
            *err = local;
        return write_failed(log, s, rc, &local);
    }
    segment_add(s, b);
    batch_read_marker(bytes, (size_t)b->bytes, b);
    producers_note(&log->producers, b, env_now_ms(log->env));
    log->end += b->last_offset_delta + 1;
    return IG_OK;
}

enum ig_code plog_append(struct plog *log, struct batch *b, const void *bytes, struct error *err)
{
    enum ig_code rc;

    if (log->failed)
        return error_set(err, IG_IO, "%s", log->why);
    rc = append(log, b, bytes, err);
    if (rc)
        producers_note_refused(&log->producers, b, env_now_ms(log->env));
    return rc;
}

/* --- durability ------------------------------------------------------------------------------------------- */

/* The last segment may be clean while the one in front is not: when it could not be begun. */
bool plog_is_dirty(const struct plog *log)
{
    bool dirty = false;

    for (size_t i = log->segments.n; i-- > 0 && log->segments.p[i]->base >= log->durable.base;)
        dirty |= log->segments.p[i]->dirty;
    return dirty && !log->failed;
}

void plog_sync_begin(struct plog *log, struct plog_sync *s)
{
    const struct segment *last = last_segment(log);

    *s = (struct plog_sync){.dir = log->dir_dirty, .mark = {last->base, last->size, log->end}};
    log->dir_dirty = false;
    for (size_t i = log->segments.n; i-- > 0 && log->segments.p[i]->base >= log->durable.base;) {
        struct segment *seg = log->segments.p[i];

        if (!seg->dirty)
            continue;
        seg->dirty = false; /* its pin is the sync's now */
        vec_push(&s->files, seg->file);
        vec_push(&s->open, seg->open);
    }
}

enum ig_code plog_sync_run(struct env *env, const char *dir, const struct plog_sync *s, struct error *err)
{
    for (size_t i = 0; i < s->open.n; i++)
        IG_TRY(env_sync(env, s->open.p[i], err));
    return s->dir ? env_sync_dir(env, dir, err) : IG_OK;
}

void plog_sync_end(struct plog *log, struct plog_sync *s, enum ig_code rc, const struct error *err)
{
    struct segment *last = last_segment(log);

    for (size_t i = 0; i < s->files.n; i++)
        file_unpin(s->files.p[i]);
    vec_free(&s->files);
    vec_free(&s->open);
    if (rc) {
        log->failed = true;
        snprintf(log->why, sizeof(log->why), "%.480s", err->msg);
        log_error(log->env, "broker", "the partition takes no more: %s", log->why);
        return;
    }
    if (log->failed)
        return;
    log->durable = s->mark;
    spans_settle(&log->producers.spans, log->durable.offset);
    if (last->base == s->mark.base && last->size == s->mark.pos && last->size - last->state_pos >= STATE_EVERY_BYTES)
        segment_state_write(log->env, log->dir, last, log->end, false, &log->producers);
}

/* --- reading ---------------------------------------------------------------------------------------------- */

static size_t segment_at(const struct plog *log, int64_t offset)
{
    size_t low = 0, high = log->segments.n;

    while (high - low > 1) {
        const size_t mid = (low + high) / 2;

        if (log->segments.p[mid]->base <= offset)
            low = mid;
        else
            high = mid;
    }
    return low;
}

/* How much of a segment may be read. */
static int64_t readable(const struct plog *log, const struct segment *s)
{
    if (s->base < log->durable.base)
        return s->size;
    return s->base == log->durable.base ? (log->durable.pos < s->size ? log->durable.pos : s->size) : 0;
}

struct seek {
    int64_t offset, pos; /* wanted; found, -1 if not yet */
};

static bool seek_offset(void *ctx, const struct batch *b, int64_t pos)
{
    struct seek *s = ctx;

    if (b->base_offset + b->last_offset_delta < s->offset)
        return true;
    s->pos = pos;
    return false;
}

static enum ig_code find_position(struct plog *log, struct segment *s, int64_t offset, int64_t limit, int64_t *pos,
                                  struct error *err)
{
    const struct segment_entry *e;
    struct seek seek = {offset, -1};

    for (unsigned i = 0; i < PLOG_CACHE; i++) {
        if (log->cache[i].offset == offset && log->cache[i].base == s->base) {
            *pos = log->cache[i].pos;
            return IG_OK;
        }
    }
    IG_TRY(segment_load(log->env, log->dir, s, err));
    e = segment_floor(s, offset, false);
    IG_TRY(segment_walk(log->env, s, e ? e->pos : 0, limit, seek_offset, &seek, err));
    *pos = seek.pos < 0 ? limit : seek.pos;
    return IG_OK;
}

struct fit {
    int64_t from, max; /* bytes */
    int64_t end, next_offset;
    bool at_least_one;
};

static bool fit_batch(void *ctx, const struct batch *b, int64_t pos)
{
    struct fit *f = ctx;

    if (pos + b->bytes - f->from > f->max && !(pos == f->from && f->at_least_one))
        return false;
    f->end = pos + b->bytes;
    f->next_offset = b->base_offset + b->last_offset_delta + 1;
    return true;
}

/* Where to stop: at a batch's end. `limit_offset` is that of the limit. */
static enum ig_code find_end(struct plog *log, struct segment *s, struct fit *f, int64_t limit, int64_t limit_offset,
                             struct error *err)
{
    const struct segment_entry *e = NULL;

    if (limit - f->from <= f->max) {
        f->end = limit;
        f->next_offset = limit_offset;
        return IG_OK;
    }
    if (s->indexed)
        e = segment_floor(s, f->from + f->max, true);
    if (e && e->pos > f->from) {
        f->end = e->pos;
        f->next_offset = e->offset;
        return IG_OK;
    }
    return segment_walk(log->env, s, f->from, limit, fit_batch, f, err);
}

/* How much of segment i may be read by who stops at offset `upto`, and at which offset that ends. */
static enum ig_code find_limit(struct plog *log, size_t i, int64_t upto, int64_t *limit, int64_t *limit_offset,
                               struct error *err)
{
    struct segment *s = log->segments.p[i];
    const bool is_last = s->base == log->durable.base || i + 1 == log->segments.n;

    *limit = readable(log, s);
    *limit_offset = is_last ? log->durable.offset : log->segments.p[i + 1]->base;
    if (upto >= *limit_offset)
        return IG_OK;
    *limit_offset = upto;
    return find_position(log, s, upto, *limit, limit, err);
}

enum ig_code plog_read(struct plog *log, int64_t offset, size_t max_bytes, bool at_least_one, struct plog_span *out,
                       struct error *err)
{
    return plog_read_upto(log, offset, INT64_MAX, max_bytes, at_least_one, out, err);
}

enum ig_code plog_read_upto(struct plog *log, int64_t offset, int64_t upto, size_t max_bytes, bool at_least_one,
                            struct plog_span *out, struct error *err)
{
    struct segment *s;
    struct fit fit;
    int64_t limit, limit_offset, pos;
    size_t at;

    *out = (struct plog_span){0};
    if (offset < log->start || offset > log->end)
        return error_set(err, IG_NOT_FOUND, "offset %lld is outside of %lld to %lld", (long long)offset,
                         (long long)log->start, (long long)log->end);
    if (offset >= log->durable.offset)
        return log->failed ? error_set(err, IG_IO, "%s", log->why) : IG_OK;
    if (offset >= upto)
        return IG_OK;
    at = segment_at(log, offset);
    s = log->segments.p[at];
    IG_TRY(find_limit(log, at, upto, &limit, &limit_offset, err));
    IG_TRY(find_position(log, s, offset, limit, &pos, err));
    if (pos >= limit)
        return IG_OK;
    fit = (struct fit){pos, (int64_t)(max_bytes < INT32_MAX ? max_bytes : INT32_MAX), pos, -1, at_least_one};
    IG_TRY(find_end(log, s, &fit, limit, limit_offset, err));
    if (fit.end == pos)
        return IG_OK;
    IG_TRY(file_pin(s->file, false, &out->open, err));
    out->file = s->file;
    out->at = pos;
    out->n = (size_t)(fit.end - pos);
    out->end_offset = fit.next_offset;
    if (fit.next_offset >= 0) {
        const unsigned i = log->cache_next++ % PLOG_CACHE;

        log->cache[i].offset = fit.next_offset;
        log->cache[i].base = s->base;
        log->cache[i].pos = fit.end;
    }
    return IG_OK;
}

int64_t plog_stable(const struct plog *log)
{
    const int64_t stable = spans_stable(&log->producers.spans, log->durable.offset);

    return stable > log->start ? stable : log->start;
}

int64_t plog_available(const struct plog *log, int64_t offset)
{
    const struct segment *s = last_segment(log);

    if (offset >= log->durable.offset || offset < log->start)
        return 0;
    if (offset < log->durable.base || s->base != log->durable.base)
        return INT32_MAX; /* at least the rest of a segment */
    for (unsigned i = 0; i < PLOG_CACHE; i++) {
        if (log->cache[i].offset == offset && log->cache[i].base == s->base)
            return log->durable.pos - log->cache[i].pos;
    }
    {
        const struct segment_entry *e = segment_floor(s, offset, false);

        return log->durable.pos - (e ? e->pos : 0);
    }
}

/* --- by time ---------------------------------------------------------------------------------------------- */

struct time_seek {
    int64_t time_ms;
    struct batch batch;
    int64_t pos;
};

static bool seek_time(void *ctx, const struct batch *b, int64_t pos)
{
    struct time_seek *t = ctx;

    if (b->max_timestamp_ms < t->time_ms)
        return true;
    t->batch = *b;
    t->pos = pos;
    return false;
}

/* The first record of the batch at pos with that time or a later one. */
static enum ig_code record_at_time(struct plog *log, struct segment *s, const struct time_seek *t, int64_t *offset,
                                   int64_t *found_ms, struct error *err)
{
    char *bytes = check_malloc((size_t)t->batch.bytes);
    struct batch_reader r;
    struct batch_record record;
    struct env_file *f;
    enum ig_code rc = file_pin(s->file, false, &f, err);

    if (rc)
        goto out;
    rc = env_read_full(log->env, f, t->pos, bytes, (size_t)t->batch.bytes, err);
    file_unpin(s->file);
    if (!rc)
        rc = batch_reader_open(&r, bytes, (size_t)t->batch.bytes, err);
    if (rc)
        goto out;
    while (batch_reader_next(&r, &record)) {
        if (record.timestamp_ms >= t->time_ms && record.offset >= log->start) {
            *offset = record.offset;
            *found_ms = record.timestamp_ms;
            break;
        }
    }
    batch_reader_close(&r);
out:
    free(bytes);
    return rc;
}

static enum ig_code find_time_in(struct plog *log, struct segment *s, int64_t time_ms, int64_t *offset,
                                 int64_t *found_ms, struct error *err)
{
    const int64_t limit = readable(log, s);
    int64_t pos = 0;

    for (size_t i = 0; i < s->index.n && s->index.p[i].max_time_ms < time_ms; i++)
        pos = s->index.p[i].pos;
    while (*offset < 0 && pos < limit) {
        struct time_seek t = {.time_ms = time_ms, .pos = -1};

        IG_TRY(segment_walk(log->env, s, pos, limit, seek_time, &t, err));
        if (t.pos < 0)
            return IG_OK;
        IG_TRY(record_at_time(log, s, &t, offset, found_ms, err));
        pos = t.pos + t.batch.bytes; /* a batch may claim a time that none of its records has */
    }
    return IG_OK;
}

enum ig_code plog_find_time(struct plog *log, int64_t time_ms, int64_t *offset, int64_t *found_ms, struct error *err)
{
    *offset = *found_ms = -1;
    for (size_t i = 0; i < log->segments.n && *offset < 0; i++) {
        struct segment *s = log->segments.p[i];

        if (readable(log, s) == 0)
            continue;
        IG_TRY(segment_load(log->env, log->dir, s, err));
        if (s->max_time_ms >= time_ms)
            IG_TRY(find_time_in(log, s, time_ms, offset, found_ms, err));
    }
    return IG_OK;
}

enum ig_code plog_find_max_time(struct plog *log, int64_t *offset, int64_t *found_ms, struct error *err)
{
    int64_t max_ms = -1;

    for (size_t i = 0; i < log->segments.n; i++) {
        struct segment *s = log->segments.p[i];

        if (readable(log, s) == 0)
            continue;
        IG_TRY(segment_load(log->env, log->dir, s, err));
        if (s->max_time_ms > max_ms)
            max_ms = s->max_time_ms;
    }
    *offset = *found_ms = -1;
    return max_ms < 0 ? IG_OK : plog_find_time(log, max_ms, offset, found_ms, err);
}

/* --- trimming --------------------------------------------------------------------------------------------- */

int64_t plog_size(const struct plog *log)
{
    int64_t size = 0;

    for (size_t i = 0; i < log->segments.n; i++)
        size += log->segments.p[i]->size;
    return size;
}

static void unlink_segment(struct plog *log, const struct segment *s)
{
    char path[4096];

    segment_path(log->dir, s->base, ".state", path, sizeof(path));
    (void)!env_unlink(log->env, path, NULL);
    segment_path(log->dir, s->base, ".log", path, sizeof(path));
    (void)!env_unlink(log->env, path, NULL);
}

void plog_drop_oldest(struct plog *log)
{
    struct segment *s = log->segments.p[0];

    unlink_segment(log, s);
    segment_free(s);
    memmove(log->segments.p, log->segments.p + 1, (log->segments.n - 1) * sizeof(*log->segments.p));
    log->segments.n--;
}

enum ig_code plog_drop_newest(struct plog *log, struct error *err)
{
    struct segment *s = last_segment(log);
    char path[4096];

    segment_path(log->dir, s->base, ".state", path, sizeof(path));
    (void)!env_unlink(log->env, path, NULL);
    segment_path(log->dir, s->base, ".log", path, sizeof(path));
    IG_TRY(env_unlink(log->env, path, err));
    log_warn(log->env, "broker", "%s: removed with the torn tail in front of it", path);
    segment_free(s);
    log->segments.n--;
    return IG_OK;
}

enum ig_code plog_trim(struct plog *log, int64_t offset, struct error *err)
{
    char path[4096], text[24];

    if (offset > log->durable.offset)
        return error_set(err, IG_INVALID, "offset %lld is behind the end %lld", (long long)offset,
                         (long long)log->durable.offset);
    if (offset <= log->start)
        return IG_OK;
    /* First the promise that what is in front is gone, then its removal: a crash between leaves nothing half-way. */
    plog_start_path(log, path, sizeof(path));
    snprintf(text, sizeof(text), "%lld", (long long)offset);
    IG_TRY(env_replace_file(log->env, path, str_of(text), err));
    log->start = offset;
    spans_trim(&log->producers.spans, offset);
    while (log->segments.n > 1 && log->segments.p[1]->base <= offset)
        plog_drop_oldest(log);
    return IG_OK;
}

/* Is the oldest segment due to go? Its age is the time since it was written, or its records' own if they are of later:
 * records of last year, brought in today, are there for as long as any others. */
static enum ig_code is_due(struct plog *log, int64_t now_ms, int64_t retention_ms, int64_t excess, bool *due,
                           struct error *err)
{
    struct segment *s = log->segments.p[0];
    struct env_stat st;
    char path[4096];

    *due = false;
    if (s->size == 0)
        return IG_OK;
    if (excess >= s->size && log->segments.n > 1) {
        *due = true;
        return IG_OK;
    }
    if (retention_ms < 0)
        return IG_OK;
    IG_TRY(segment_load(log->env, log->dir, s, err));
    if (s->max_time_ms < 0 || s->max_time_ms >= now_ms - retention_ms)
        return IG_OK;
    segment_path(log->dir, s->base, ".log", path, sizeof(path));
    IG_TRY(env_stat(log->env, path, &st, err));
    *due = st.mtime_ms < now_ms - retention_ms;
    return IG_OK;
}

enum ig_code plog_retain(struct plog *log, int64_t now_ms, int64_t retention_ms, int64_t retention_bytes,
                         struct error *err)
{
    if (log->failed)
        return IG_OK;
    for (;;) {
        const int64_t excess = retention_bytes < 0 ? 0 : plog_size(log) - retention_bytes;
        bool due;

        IG_TRY(is_due(log, now_ms, retention_ms, excess, &due, err));
        if (!due)
            return IG_OK;
        if (log->segments.n == 1)
            IG_TRY(plog_roll(log, err));
        if (log->segments.p[1]->base > log->durable.offset)
            return IG_OK; /* not durable yet: next time */
        IG_TRY(plog_trim(log, log->segments.p[1]->base, err));
    }
}
