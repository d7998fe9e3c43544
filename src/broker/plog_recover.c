/*
 * Opening a partition's log: finding its segments, and how far they can be believed.
 */
#include "broker/plog_internal.h"

#include <stdio.h>
#include <stdlib.h>

struct recovery {
    struct plog *log;
    int64_t now_ms;
};

static enum ig_code found_entry(void *ctx, const char *name, const struct env_stat *st, struct error *err)
{
    struct plog *log = ctx;
    const int64_t base = segment_base_of_name(name);
    struct segment *s;

    (void)err;
    if (base < 0 || st->is_dir)
        return IG_OK;
    s = segment_new(log->files, log->dir, base);
    s->exists = true;
    s->indexed = false;
    s->size = st->size_bytes;
    s->mtime_ms = st->mtime_ms;
    vec_push(&log->segments, s);
    return IG_OK;
}

static int by_base(const void *a, const void *b)
{
    const struct segment *const *x = a, *const *y = b;

    return ((*x)->base > (*y)->base) - ((*x)->base < (*y)->base);
}

static enum ig_code read_start(struct plog *log, struct error *err)
{
    char path[4096];
    struct buf text;
    enum ig_code rc;

    plog_start_path(log, path, sizeof(path));
    buf_init(&text, 64);
    rc = env_read_file(log->env, path, &text, err);
    if (rc == IG_NOT_FOUND)
        rc = IG_OK;
    else if (!rc && !str_to_int64(buf_str(&text), 0, INT64_MAX, &log->start))
        rc = error_set(err, IG_CORRUPT, "%s holds no offset", path);
    buf_release(&text);
    return rc;
}

/* Segments that lie before the first offset were being removed when the power went. */
static void drop_trimmed(struct plog *log)
{
    while (log->segments.n > 1 && log->segments.p[1]->base <= log->start)
        plog_drop_oldest(log);
}

static bool in_front_of_mark(const struct plog *log, int64_t base, int64_t pos)
{
    return base < log->durable.base || (base == log->durable.base && pos < log->durable.pos);
}

/* A state that tells of bytes that the segment does not have, or not any more: once others are in their place, it must
 * not come back with a power cut and be believed. */
static void drop_state(struct plog *log, const struct segment *s)
{
    char path[4096];

    segment_path(log->dir, s->base, ".state", path, sizeof(path));
    (void)!env_unlink(log->env, path, NULL);
    log->dir_dirty = true; /* so the next sync has it, too */
}

/* Reads the newest state that can be believed; returns the number of its segment, or -1. */
static int64_t load_state(struct plog *log, int64_t *pos, int64_t *next_offset)
{
    for (size_t i = log->segments.n; i-- > 0;) {
        struct segment *s = log->segments.p[i];
        const int64_t size = s->size;
        struct segment_state state;
        const char *why = NULL;

        segment_reset(s);
        s->size = size;
        s->indexed = false;
        if (segment_state_read(log->env, log->dir, s->base, &state, s, &log->producers, NULL))
            continue;
        if (state.pos > size || (state.closed && state.pos == size && state.mtime_ms != s->mtime_ms))
            why = "has changed since it was closed";
        else if (!in_front_of_mark(log, s->base, state.pos) &&
                 !(s->base == log->durable.base && state.pos == log->durable.pos))
            why = "reaches beyond what is known to be durable";
        if (!why) {
            *pos = state.pos;
            *next_offset = state.next_offset;
            return (int64_t)i;
        }
        log_info(log->env, "broker", "%s %s: reading it again", file_path(s->file), why);
        drop_state(log, s);
        producers_clear(&log->producers);
        segment_reset(s);
        s->size = size;
        s->indexed = false;
    }
    return -1;
}

static void fail(struct plog *log, const struct segment *s, int64_t pos, const char *what)
{
    log->failed = true;
    snprintf(log->why, sizeof(log->why),
             "%s: %s at byte %lld (offset %lld), in front of acknowledged records (up to offset %lld): nothing was "
             "cut, the partition takes no more",
             file_path(s->file), what, (long long)pos, (long long)log->end, (long long)log->durable.offset);
    log_error(log->env, "broker", "%s", log->why);
    log->durable = (struct plog_mark){s->base, pos, log->end}; /* what is in front of it can be read */
}

static void note_batch(void *ctx, struct segment *s, const struct batch *b)
{
    struct recovery *r = ctx;

    segment_add(s, b);
    producers_note(&r->log->producers, b, b->max_timestamp_ms > 0 ? b->max_timestamp_ms : r->now_ms);
}

/* Cuts segment i at pos, and everything behind it. */
static enum ig_code cut(struct plog *log, size_t i, int64_t pos, int64_t file_size, struct error *err)
{
    struct segment *s = log->segments.p[i];
    struct env_file *f;
    enum ig_code rc = IG_OK;

    if (file_size > pos) {
        log_warn(log->env, "broker", "%s: cut a torn tail of %lld bytes at byte %lld (offset %lld)", file_path(s->file),
                 (long long)(file_size - pos), (long long)pos, (long long)log->end);
        IG_TRY(file_pin(s->file, false, &f, err));
        rc = env_truncate(log->env, f, pos, err);
        file_unpin(s->file);
        drop_state(log, s);
    }
    while (!rc && log->segments.n > i + 1)
        rc = plog_drop_newest(log, err);
    return rc;
}

/* Reads segment i from pos on; *stop when the log ends in it. */
static enum ig_code recover_segment(struct plog *log, size_t i, int64_t pos, bool *stop, struct error *err)
{
    struct recovery r = {log, env_now_ms(log->env)};
    struct segment *s = log->segments.p[i];
    const int64_t file_size = s->size;
    int64_t valid;

    if (pos == 0)
        segment_reset(s);
    s->size = pos;
    if (s->base > log->end && i > 0 && in_front_of_mark(log, s->base, 0)) {
        fail(log, s, 0, "records are missing");
        *stop = true;
        return IG_OK;
    }
    if (s->base > log->end && i > 0) { /* what is between was lost with the power: so is this */
        *stop = true;
        return cut(log, i - 1, log->segments.p[i - 1]->size, log->segments.p[i - 1]->size, err);
    }
    if (i == 0 && pos == 0)
        log->end = s->base;
    IG_TRY(segment_verify(log->env, s, pos, &log->end, note_batch, &r, &valid, err));
    s->indexed = true;
    if (valid == file_size && !(log->durable.base == s->base && log->durable.pos > valid))
        return IG_OK;
    *stop = true;
    if (in_front_of_mark(log, s->base, valid)) {
        fail(log, s, valid, valid == file_size ? "the file ends" : "a damaged record batch");
        return IG_OK;
    }
    return cut(log, i, valid, file_size, err);
}

/* What a kill left in the page cache is as good as the rest once it is synced. */
static enum ig_code make_durable(struct plog *log, size_t from, struct error *err)
{
    struct segment *last = log->segments.p[log->segments.n - 1];

    for (size_t i = from; i < log->segments.n; i++) {
        struct segment *s = log->segments.p[i];
        struct env_file *f;
        enum ig_code rc;

        if (!s->exists)
            continue;
        IG_TRY(file_pin(s->file, false, &f, err));
        rc = env_sync(log->env, f, err);
        file_unpin(s->file);
        if (rc)
            return rc;
    }
    IG_TRY(env_sync_dir(log->env, log->dir, err));
    log->durable = (struct plog_mark){last->base, last->size, log->end};
    return IG_OK;
}

/* Old segments that somebody changed are read through now rather than by a consumer. */
static enum ig_code check_closed(struct plog *log, size_t before, struct error *err)
{
    for (size_t i = 0; i < before; i++) {
        struct segment *s = log->segments.p[i];
        struct segment_state state;
        struct segment *fresh;
        int64_t next = s->base, valid = 0;
        enum ig_code rc;

        if (segment_state_read(log->env, log->dir, s->base, &state, NULL, NULL, NULL) == IG_OK && state.closed &&
            state.pos == s->size && state.mtime_ms == s->mtime_ms) {
            if (state.next_offset == log->segments.p[i + 1]->base)
                continue;
            log->end = state.next_offset;
            fail(log, s, s->size, "the segment behind it is missing");
            return IG_OK;
        }
        log_info(log->env, "broker", "%s has changed since it was closed: reading it again", file_path(s->file));
        fresh = segment_new(log->files, log->dir, s->base);
        rc = segment_verify(log->env, fresh, 0, &next, plog_ignore_batch, NULL, &valid, err);
        segment_free(fresh);
        if (rc)
            return rc;
        if (valid != s->size || next != log->segments.p[i + 1]->base) {
            log->end = next;
            fail(log, s, valid, "a damaged record batch");
            return IG_OK;
        }
    }
    return IG_OK;
}

static enum ig_code recover(struct plog *log, struct error *err)
{
    int64_t pos = 0;
    const int64_t at = load_state(log, &pos, &log->end);
    const size_t first = at < 0 ? 0 : (size_t)at;
    struct segment *last = log->segments.p[log->segments.n - 1];
    const struct plog_mark before = log->durable;
    bool stop = false;

    if (at < 0)
        pos = 0;
    for (size_t i = first; i < log->segments.n && !stop; i++, pos = 0) {
        struct segment *s = log->segments.p[i];
        struct env_stat st;
        char path[4096];

        segment_path(log->dir, s->base, ".log", path, sizeof(path));
        IG_TRY(env_stat(log->env, path, &st, err));
        s->size = st.size_bytes;
        IG_TRY(recover_segment(log, i, pos, &stop, err));
    }
    if (!log->failed)
        IG_TRY(check_closed(log, first, err));
    last = log->segments.p[log->segments.n - 1];
    if (!log->failed && before.base >= 0 && log->end < before.offset)
        fail(log, last, last->size, "the last records are missing");
    if (log->failed)
        return IG_OK;
    /* Nothing to sync, and nothing was cut. Of an empty file not even the name may be durable. */
    if (!stop && before.base == last->base && before.pos == last->size && last->size > 0) {
        log->durable.offset = log->end;
        return IG_OK;
    }
    return make_durable(log, first, err);
}

void plog_ignore_batch(void *ctx, struct segment *s, const struct batch *b)
{
    (void)ctx;
    (void)s;
    (void)b;
}

enum ig_code plog_open(struct env *env, struct files *files, const char *dir, int64_t segment_bytes,
                       struct plog_mark durable, struct plog **out, struct error *err)
{
    struct plog *log = check_calloc(1, sizeof(*log));
    enum ig_code rc;

    log->env = env;
    log->files = files;
    log->dir = check_strdup(dir);
    log->segment_bytes = segment_bytes;
    log->durable = durable;
    for (unsigned i = 0; i < PLOG_CACHE; i++)
        log->cache[i].offset = -1;
    rc = env_make_dirs(env, dir, err);
    if (!rc)
        rc = read_start(log, err);
    if (!rc)
        rc = env_list(env, dir, found_entry, log, err);
    if (!rc && log->segments.n > 0) {
        qsort(log->segments.p, log->segments.n, sizeof(*log->segments.p), by_base);
        drop_trimmed(log);
        rc = recover(log, err);
    } else if (!rc) {
        vec_push(&log->segments, segment_new(files, dir, log->start));
        log->end = log->start;
        if (durable.base >= 0 && durable.offset > log->start) {
            log->durable = (struct plog_mark){log->start, 0, durable.offset};
            fail(log, log->segments.p[0], 0, "all segments are missing");
        }
        log->durable = (struct plog_mark){log->start, 0, log->start};
    }
    if (rc) {
        plog_abandon(log);
        return error_context(err, rc, "open the log in %s", dir);
    }
    if (log->start < log->segments.p[0]->base)
        log->start = log->segments.p[0]->base;
    spans_trim(&log->producers.spans, log->start);
    spans_settle(&log->producers.spans, log->durable.offset);
    *out = log;
    return IG_OK;
}
