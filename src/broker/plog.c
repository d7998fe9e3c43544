#include "broker/plog_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define FULL_SAID_EVERY_MS 10000
#define STATE_EVERY_BYTES (1 << 20) /* so much is read again, at most about, after a crash... */
#define STATE_SHARE 16              /* ... or so many times as much as there is to be written for it */

static struct segment *last_segment(const struct plog *log)
{
    return log->segments.p[log->segments.n - 1];
}

static void free_log(struct plog *log)
{
    for (size_t i = 0; i < log->segments.n; i++)
        segment_free(log->segments.p[i]);
    vec_free(&log->segments);
    for (size_t i = 0; i < log->states.n; i++)
        buf_release(&log->states.p[i].bytes);
    vec_free(&log->states);
    producers_clear(&log->producers);
    free(log->why);
    free(log->dir);
    free(log);
}

void plog_close(struct plog *log)
{
    struct segment *s;

    if (!log)
        return;
    s = last_segment(log);
    for (size_t i = 0; i < log->states.n && !log->failed; i++)
        (void)segment_state_store(log->env, log->dir, log->states.p[i].base, &log->states.p[i].bytes);
    if (!log->failed && s->exists && log->synced.base == s->base && log->synced.pos == s->size)
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

static struct plog_state encode_state(struct plog *log, const struct segment *s, bool closed)
{
    struct plog_state state = {.base = s->base, .pos = s->size};

    segment_state_encode(log->env, s, log->end, closed, &log->producers, &state.bytes);
    log->state_bytes = state.bytes.n;
    return state;
}

enum ig_code plog_roll(struct plog *log, struct error *err)
{
    struct segment *s = last_segment(log);
    struct plog_state state;

    (void)err;
    if (s->size == 0)
        return IG_OK;
    state = encode_state(log, s, true);
    vec_push(&log->states, state);
    vec_push(&log->segments, segment_new(log->files, log->dir, log->end));
    return IG_OK;
}

void plog_roll_if_old(struct plog *log, int64_t now_ms, int64_t age_ms)
{
    const struct segment *s = last_segment(log);

    if (s->size > 0 && !log->failed && now_ms - s->first_ms >= age_ms)
        (void)!plog_roll(log, NULL);
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

void plog_fail(struct plog *log, const char *why)
{
    log->failed = true;
    free(log->why);
    log->why = check_strdup(why);
    log_error(log->env, "broker", "%s: the partition takes no more: %s", log->dir, why);
}

static enum ig_code write_failed(struct plog *log, struct segment *s, enum ig_code rc, const struct error *err)
{
    if (rc == IG_NO_SPACE && env_truncate(log->env, s->open, s->size, NULL) == IG_OK) {
        say_full(log, err);
        return rc; /* as if it had not been tried */
    }
    plog_fail(log, err->msg);
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
    const int64_t now_ms = env_now_ms(log->env);
    struct error local;
    enum ig_code rc;

    if (s->size > 0 && (s->size + b->bytes > log->segment_bytes || now_ms - s->first_ms >= log->segment_ms)) {
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
    if (s->size == 0)
        s->first_ms = now_ms;
    s->written_ms = now_ms;
    segment_add(s, b);
    batch_read_marker(bytes, (size_t)b->bytes, b);
    producers_note(&log->producers, b, now_ms);
    log->end += b->last_offset_delta + 1;
    if (log->write_back) {
        log->durable = (struct plog_mark){s->base, s->size, log->end};
        spans_settle(&log->producers.spans, log->end);
    }
    return IG_OK;
}

enum ig_code plog_append(struct plog *log, struct batch *b, const void *bytes, struct error *err)
{
    enum ig_code rc;

    rc = log->failed ? error_set(err, IG_IO, "%s", log->why) : append(log, b, bytes, err);
    if (rc) /* also while it is repaired: what is behind may come when it goes on */
        producers_note_refused(&log->producers, b, env_now_ms(log->env));
    return rc;
}

/* --- durability ------------------------------------------------------------------------------------------- */

/* The last segment may be clean while the one in front is not: when it could not be begun. */
bool plog_is_dirty(const struct plog *log)
{
    bool dirty = log->states.n > 0;

    for (size_t i = log->segments.n; i-- > 0 && log->segments.p[i]->base >= log->synced.base;)
        dirty |= log->segments.p[i]->dirty;
    return dirty && !log->failed;
}

bool plog_has_rolled(const struct plog *log)
{
    return log->states.n > 0 && !log->failed;
}

void plog_sync_begin(struct plog *log, struct plog_sync *s)
{
    struct segment *last = last_segment(log);
    const int64_t share = (int64_t)log->state_bytes * STATE_SHARE;

    *s = (struct plog_sync){.dir = log->dir_dirty, .mark = {last->base, last->size, log->end}};
    log->dir_dirty = false;
    for (size_t i = 0; i < log->states.n; i++)
        vec_push(&s->states, log->states.p[i]);
    log->states.n = 0;
    if (last->size - last->state_pos >= (share > STATE_EVERY_BYTES ? share : STATE_EVERY_BYTES)) {
        const struct plog_state state = encode_state(log, last, false);

        vec_push(&s->states, state);
    }
    for (size_t i = log->segments.n; i-- > 0 && log->segments.p[i]->base >= log->synced.base;) {
        struct segment *seg = log->segments.p[i];

        if (!seg->dirty)
            continue;
        seg->dirty = false; /* its pin is the sync's now */
        vec_push(&s->files, seg->file);
        vec_push(&s->open, seg->open);
    }
}

enum ig_code plog_sync_run(struct env *env, const char *dir, struct plog_sync *s, struct error *err)
{
    for (size_t i = 0; i < s->open.n; i++)
        IG_TRY(env_sync(env, s->open.p[i], err));
    if (s->dir)
        IG_TRY(env_sync_dir(env, dir, err));
    for (size_t i = 0; i < s->states.n; i++) {
        if (!segment_state_store(env, dir, s->states.p[i].base, &s->states.p[i].bytes))
            s->states.p[i].pos = 0;
    }
    return IG_OK;
}

static void free_sync(struct plog *log, struct plog_sync *s, bool ok)
{
    struct segment *last = last_segment(log);

    for (size_t i = 0; i < s->files.n; i++)
        file_unpin(s->files.p[i]);
    for (size_t i = 0; i < s->states.n; i++) {
        if (ok && s->states.p[i].base == last->base && s->states.p[i].pos > last->state_pos)
            last->state_pos = s->states.p[i].pos;
        buf_release(&s->states.p[i].bytes);
    }
    vec_free(&s->files);
    vec_free(&s->open);
    vec_free(&s->states);
}

void plog_sync_end(struct plog *log, struct plog_sync *s, enum ig_code rc, const struct error *err)
{
    free_sync(log, s, rc == IG_OK);
    if (rc) {
        plog_fail(log, err->msg);
        return;
    }
    if (log->failed)
        return;
    log->synced = s->mark;
    if (log->write_back)
        return;
    log->durable = s->mark;
    spans_settle(&log->producers.spans, log->durable.offset);
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
    /* Behind what compaction has left of a segment, the next one goes on. */
    while (low + 1 < log->segments.n && (offset >= log->segments.p[low]->end || log->segments.p[low]->size == 0))
        low++;
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

struct marker_seek {
    int64_t offset;
    bool found;
};

static bool seek_marker(void *ctx, const struct batch *b, int64_t pos)
{
    struct marker_seek *s = ctx;

    (void)pos;
    s->found = b->base_offset == s->offset && (b->attributes & BATCH_CONTROL);
    return b->base_offset < s->offset;
}

enum ig_code plog_has_marker(struct plog *log, int64_t offset, bool *there, struct error *err)
{
    struct segment *s = log->segments.p[segment_at(log, offset)];
    struct marker_seek seek = {offset, false};
    const struct segment_entry *e;

    IG_TRY(segment_load(log->env, log->dir, s, err));
    e = segment_floor(s, offset, false);
    IG_TRY(segment_walk(log->env, s, e ? e->pos : 0, s->size, seek_marker, &seek, err));
    *there = seek.found;
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
    const struct segment_entry *e;
    const struct segment *s;

    if (offset >= log->durable.offset || offset < log->start)
        return 0;
    s = log->segments.p[segment_at(log, offset)];
    if (s->base > log->durable.base)
        return 0;
    if (s->base < log->durable.base)
        return INT32_MAX; /* at least the rest of a segment */
    for (unsigned i = 0; i < PLOG_CACHE; i++) {
        if (log->cache[i].offset == offset && log->cache[i].base == s->base)
            return log->durable.pos - log->cache[i].pos;
    }
    e = segment_floor(s, offset, false);
    return log->durable.pos - (e ? e->pos : 0);
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

void plog_gone_remove(struct env *env, struct plog_gone *gone)
{
    for (size_t i = 0; i < gone->paths.n; i++) {
        (void)!env_unlink(env, gone->paths.p[i], NULL);
        free(gone->paths.p[i]);
    }
    vec_free(&gone->paths);
}

void plog_drop_oldest(struct plog *log, struct plog_gone *gone)
{
    struct segment *s = log->segments.p[0];
    struct plog_gone now = {0};
    char path[4096];

    segment_path(log->dir, s->base, ".state", path, sizeof(path));
    vec_push(&(gone ? gone : &now)->paths, check_strdup(path));
    if (s->exists)
        vec_push(&(gone ? gone : &now)->paths, check_strdup(file_path(s->file)));
    plog_gone_remove(log->env, &now);
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

enum ig_code plog_trim_check(const struct plog *log, int64_t offset, struct error *err)
{
    if (offset > log->durable.offset)
        return error_set(err, IG_INVALID, "offset %lld is behind the end %lld", (long long)offset,
                         (long long)log->durable.offset);
    return IG_OK;
}

enum ig_code plog_trim_write(struct env *env, const char *dir, int64_t offset, struct error *err)
{
    char path[4096], text[24];

    snprintf(path, sizeof(path), "%s/start", dir);
    snprintf(text, sizeof(text), "%lld", (long long)offset);
    return env_replace_file(env, path, str_of(text), err);
}

void plog_drop_trimmed(struct plog *log, struct plog_gone *gone)
{
    while (log->segments.n > 1 && log->segments.p[1]->base <= log->start && !log->cleaning)
        plog_drop_oldest(log, gone);
}

void plog_trim_apply(struct plog *log, int64_t offset, struct plog_gone *gone)
{
    if (offset <= log->start)
        return;
    log->start = offset;
    spans_trim(&log->producers.spans, offset);
    plog_drop_trimmed(log, gone);
}

enum ig_code plog_trim(struct plog *log, int64_t offset, struct error *err)
{
    struct plog_gone gone = {0};

    IG_TRY(plog_trim_check(log, offset, err));
    if (offset <= log->start)
        return IG_OK;
    /* First the promise that what is in front is gone, then its removal: a crash between leaves nothing half-way. */
    IG_TRY(plog_trim_write(log->env, log->dir, offset, err));
    plog_trim_apply(log, offset, &gone);
    plog_gone_remove(log->env, &gone);
    return IG_OK;
}

/* Is segment i due to go? Its age is the time since it was written, or its records' own if they are of later: records
 * of last year, brought in today, are there for as long as any others. */
static bool is_due(const struct plog *log, size_t i, int64_t now_ms, int64_t retention_ms, int64_t excess)
{
    const struct segment *s = log->segments.p[i];

    if (s->size == 0)
        return i + 1 < log->segments.n; /* compaction has left nothing of it */
    if (excess >= s->size && i + 1 < log->segments.n)
        return true;
    if (retention_ms < 0)
        return false;
    return s->written_ms < now_ms - retention_ms && s->max_time_ms < now_ms - retention_ms;
}

int64_t plog_due(struct plog *log, int64_t now_ms, int64_t retention_ms, int64_t retention_bytes)
{
    int64_t excess = retention_bytes < 0 ? 0 : plog_size(log) - retention_bytes;
    size_t n = 0;

    while (!log->failed && n < log->segments.n && is_due(log, n, now_ms, retention_ms, excess)) {
        if (n + 1 == log->segments.n)
            (void)!plog_roll(log, NULL);
        if (log->segments.p[n + 1]->base > log->synced.offset)
            break; /* not durable yet: next time */
        excess -= log->segments.p[n++]->size;
    }
    if (n == 0)
        return log->start;
    return log->segments.p[n]->base > log->start ? log->segments.p[n]->base : log->start;
}

enum ig_code plog_retain(struct plog *log, int64_t now_ms, int64_t retention_ms, int64_t retention_bytes,
                         struct error *err)
{
    return plog_trim(log, plog_due(log, now_ms, retention_ms, retention_bytes), err);
}
