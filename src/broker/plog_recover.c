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

struct swap {
    int64_t base, end;
};

/* What lies in the folder beside segments. */
struct found {
    struct plog *log;
    VEC(struct swap) swaps;
    VEC(char *) leftovers;
};

static bool swap_of_name(const char *name, struct swap *swap)
{
    return strlen(name) == 46 && strcmp(name + 41, ".swap") == 0 && name[20] == '-' &&
           str_to_int64((struct str){name, 20}, 0, INT64_MAX, &swap->base) &&
           str_to_int64((struct str){name + 21, 20}, 0, INT64_MAX, &swap->end);
}

static enum ig_code found_entry(void *ctx, const char *name, const struct env_stat *st, struct error *err)
{
    struct found *found = ctx;
    struct plog *log = found->log;
    const int64_t base = segment_base_of_name(name);
    struct swap swap;
    struct segment *s;

    (void)err;
    if (st->is_dir)
        return IG_OK;
    if (swap_of_name(name, &swap))
        vec_push(&found->swaps, swap);
    else if (str_has_suffix(str_of(name), ".cleaned") || str_has_suffix(str_of(name), ".tmp"))
        vec_push(&found->leftovers, check_strdup(name));
    if (base < 0)
        return IG_OK;
    s = segment_new(log->files, log->dir, base);
    s->exists = true;
    s->indexed = false;
    s->size = s->found_size = st->size_bytes;
    s->mtime_ms = s->first_ms = s->written_ms = st->mtime_ms;
    vec_push(&log->segments, s);
    return IG_OK;
}

static void free_segments(struct plog *log)
{
    for (size_t i = 0; i < log->segments.n; i++)
        segment_free(log->segments.p[i]);
    log->segments.n = 0;
}

/* Ends what a crash has interrupted: swaps that were begun are done, files that were not ready go. */
static enum ig_code tidy(struct plog *log, const struct found *found, struct error *err)
{
    char path[4096];

    for (size_t i = 0; i < found->leftovers.n; i++) {
        snprintf(path, sizeof(path), "%s/%s", log->dir, found->leftovers.p[i]);
        (void)!env_unlink(log->env, path, NULL);
    }
    if (found->swaps.n > 0)
        IG_TRY(env_sync_dir(log->env, log->dir, err)); /* the name may not be durable yet */
    for (size_t i = 0; i < found->swaps.n; i++)
        IG_TRY(plog_swap_finish(log->env, log->dir, found->swaps.p[i].base, found->swaps.p[i].end, err));
    return IG_OK;
}

static enum ig_code list_segments(struct plog *log, struct error *err)
{
    struct found found = {.log = log};
    enum ig_code rc = env_list(log->env, log->dir, found_entry, &found, err);

    if (!rc)
        rc = tidy(log, &found, err);
    if (!rc && found.swaps.n > 0) {
        free_segments(log);
        found.swaps.n = 0;
        rc = env_list(log->env, log->dir, found_entry, &found, err);
    }
    for (size_t i = 0; i < found.leftovers.n; i++)
        free(found.leftovers.p[i]);
    vec_free(&found.leftovers);
    vec_free(&found.swaps);
    return rc;
}

static int by_base(const void *a, const void *b)
{
    const struct segment *const *x = a, *const *y = b;

    return ((*x)->base > (*y)->base) - ((*x)->base < (*y)->base);
}

/* Up to two numbers of a small file; those that are not there stay as they are. */
static enum ig_code read_numbers(struct plog *log, const char *name, int64_t *first, int64_t *second, struct error *err)
{
    char path[4096];
    struct buf text;
    struct str whole, rest;
    const char *space;
    enum ig_code rc;

    snprintf(path, sizeof(path), "%s/%s", log->dir, name);
    buf_init(&text, 64);
    rc = env_read_file(log->env, path, &text, err);
    if (rc)
        goto out;
    whole = buf_str(&text);
    space = memchr(whole.p, ' ', whole.n);
    rest = space ? (struct str){space + 1, whole.n - (size_t)(space + 1 - whole.p)} : (struct str){NULL, 0};
    whole.n = space ? (size_t)(space - whole.p) : whole.n;
    if (!str_to_int64(whole, 0, INT64_MAX, first) || (second && !str_to_int64(rest, 0, INT64_MAX, second)))
        rc = error_set(err, IG_CORRUPT, "%s holds no offset", path);
out:
    buf_release(&text);
    return rc == IG_NOT_FOUND ? IG_OK : rc;
}

enum ig_code plog_cleaned_write(struct env *env, const char *dir, int64_t cleaned, int64_t gaps, struct error *err)
{
    char path[4096], text[64];

    snprintf(path, sizeof(path), "%s/cleaned", dir);
    snprintf(text, sizeof(text), "%lld %lld", (long long)cleaned, (long long)gaps);
    return env_replace_file(env, path, str_of(text), err);
}

void plog_swap_path(const char *dir, int64_t base, int64_t end, char *out, size_t n)
{
    const int len = snprintf(out, n, "%s/%020lld-%020lld.swap", dir, (long long)base, (long long)end);

    IG_ASSERT(len > 0 && (size_t)len < n);
}

struct replaced {
    int64_t base, end;
    VEC(int64_t) bases;
};

static enum ig_code note_replaced(void *ctx, const char *name, const struct env_stat *st, struct error *err)
{
    struct replaced *r = ctx;
    const int64_t base = segment_base_of_name(name);

    (void)st;
    (void)err;
    if (base > r->base && base < r->end)
        vec_push(&r->bases, base);
    return IG_OK;
}

static enum ig_code unlink_if_there(struct env *env, const char *path, struct error *err)
{
    const enum ig_code rc = env_unlink(env, path, err);

    return rc == IG_NOT_FOUND ? IG_OK : rc;
}

enum ig_code plog_swap_finish(struct env *env, const char *dir, int64_t base, int64_t end, struct error *err)
{
    struct replaced r = {.base = base, .end = end};
    char swap[4096], path[4096];
    enum ig_code rc = env_list(env, dir, note_replaced, &r, err);

    for (size_t i = 0; i < r.bases.n && !rc; i++) {
        segment_path(dir, r.bases.p[i], ".state", path, sizeof(path));
        rc = unlink_if_there(env, path, err);
        segment_path(dir, r.bases.p[i], ".log", path, sizeof(path));
        if (!rc)
            rc = unlink_if_there(env, path, err);
    }
    vec_free(&r.bases);
    if (rc)
        return rc;
    segment_path(dir, base, ".state", path, sizeof(path));
    IG_TRY(unlink_if_there(env, path, err));
    plog_swap_path(dir, base, end, swap, sizeof(swap));
    segment_path(dir, base, ".log", path, sizeof(path));
    IG_TRY(env_rename(env, swap, path, err));
    return env_sync_dir(env, dir, err);
}

/* Segments that lie before the first offset were being removed when the power went. */
static void drop_trimmed(struct plog *log)
{
    while (log->segments.n > 1 && log->segments.p[1]->base <= log->start)
        plog_drop_oldest(log, NULL);
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
        if (segment_state_read(log->env, log->dir, s->base, &state, s, &log->producers, NULL, NULL)) {
            s->size = size;
            continue;
        }
        if (!state.has_producers) {
            s->size = size;
            s->indexed = false;
            continue;
        }
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
    struct error err;

    error_set(&err, IG_CORRUPT,
              "%s: %s at byte %lld (offset %lld), in front of acknowledged records (up to offset %lld): nothing was "
              "cut, the partition takes no more",
              file_path(s->file), what, (long long)pos, (long long)log->end, (long long)log->durable.offset);
    log->damaged = true;
    plog_fail(log, err.msg);
    log->durable = (struct plog_mark){s->base, pos, log->end}; /* what is in front of it can be read */
}

/* May there be nothing between these offsets? */
static bool may_skip(const struct plog *log, int64_t from, int64_t to)
{
    return from == to || (from < to && to <= log->gaps);
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

/* Takes away what a repair has written anew into the segment behind. */
static enum ig_code cut_overlap(struct plog *log, struct segment *s, int64_t valid, struct error *err)
{
    struct env_file *f;
    enum ig_code rc;

    log_info(log->env, "broker", "%s: what lies behind byte %lld is in the next segment", file_path(s->file),
             (long long)valid);
    IG_TRY(file_pin(s->file, false, &f, err));
    rc = env_truncate(log->env, f, valid, err);
    if (!rc)
        rc = env_sync(log->env, f, err);
    file_unpin(s->file);
    return rc;
}

/* Reads segment i from pos on; *stop when the log ends in it. */
static enum ig_code recover_segment(struct plog *log, size_t i, int64_t pos, bool *stop, struct error *err)
{
    struct recovery r = {log, env_now_ms(log->env)};
    struct segment *s = log->segments.p[i];
    const int64_t file_size = s->found_size, first_ms = s->first_ms, written_ms = s->written_ms;
    struct segment_check c = {.from = pos, .gaps = log->gaps, .upto = INT64_MAX, .each = note_batch, .ctx = &r};

    if (pos == 0)
        segment_reset(s);
    s->first_ms = first_ms;
    s->written_ms = written_ms;
    s->size = pos;
    if (i > 0 && s->base > log->end && !may_skip(log, log->end, s->base)) {
        *stop = true;
        if (in_front_of_mark(log, s->base, 0)) {
            fail(log, s, 0, "records are missing");
            return IG_OK;
        }
        /* what is between was lost with the power: so is this */
        return cut(log, i - 1, log->segments.p[i - 1]->size, log->segments.p[i - 1]->size, err);
    }
    if ((i == 0 && pos == 0) || log->end < s->base)
        log->end = s->base;
    c.next_offset = log->end;
    c.valid = pos;
    if (i + 1 < log->segments.n)
        c.upto = log->segments.p[i + 1]->base;
    if (pos < file_size)
        IG_TRY(segment_verify(log->env, s, &c, err));
    log->end = s->end = c.next_offset;
    s->indexed = true;
    if (c.valid == file_size && !(log->durable.base == s->base && log->durable.pos > c.valid))
        return IG_OK;
    if (log->end == c.upto && !in_front_of_mark(log, s->base, c.valid))
        return cut_overlap(log, s, c.valid, err);
    *stop = true;
    if (in_front_of_mark(log, s->base, c.valid)) {
        fail(log, s, c.valid, c.valid == file_size ? "the file ends" : "a damaged record batch");
        return IG_OK;
    }
    return cut(log, i, c.valid, file_size, err);
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
    log->durable = log->synced = (struct plog_mark){last->base, last->size, log->end};
    return IG_OK;
}

static void add_to_fresh(void *ctx, struct segment *s, const struct batch *b)
{
    (void)ctx;
    segment_add(s, b);
}

/* Reads an old segment through; false if it is not as it must be. */
static enum ig_code check_again(struct plog *log, struct segment *s, int64_t upto, bool *ok, struct error *err)
{
    struct segment *fresh = segment_new(log->files, log->dir, s->base);
    struct segment_check c = {.gaps = log->gaps, .upto = upto, .next_offset = s->base, .each = add_to_fresh};
    enum ig_code rc;

    log_info(log->env, "broker", "%s has changed since it was closed: reading it again", file_path(s->file));
    rc = segment_verify(log->env, fresh, &c, err);
    s->end = c.next_offset;
    s->max_time_ms = fresh->max_time_ms;
    segment_free(fresh);
    if (!rc && c.valid < s->size && c.next_offset == upto) {
        rc = cut_overlap(log, s, c.valid, err);
        s->size = c.valid;
    }
    *ok = c.valid == s->size && may_skip(log, c.next_offset, upto);
    if (!rc && !*ok) {
        log->end = c.next_offset;
        fail(log, s, c.valid, "a damaged record batch");
    }
    return rc;
}

/* Old segments that somebody changed are read through now rather than by a consumer. */
static enum ig_code check_closed(struct plog *log, size_t before, struct error *err)
{
    for (size_t i = 0; i < before; i++) {
        struct segment *s = log->segments.p[i];
        const int64_t upto = log->segments.p[i + 1]->base;
        struct segment_state state;
        bool ok = true;

        if (segment_state_read(log->env, log->dir, s->base, &state, NULL, NULL, NULL, NULL) == IG_OK && state.closed &&
            state.pos == s->size && state.mtime_ms == s->mtime_ms) {
            s->end = state.next_offset;
            s->first_ms = state.first_ms;
            s->written_ms = state.written_ms;
            s->max_time_ms = state.max_time_ms;
            if (may_skip(log, s->end, upto))
                continue;
            log->end = state.next_offset;
            fail(log, s, s->size, "the segment behind it is missing");
            return IG_OK;
        }
        IG_TRY(check_again(log, s, upto, &ok, err));
        if (!ok)
            return IG_OK;
    }
    return IG_OK;
}

/* The aborted transactions of the state may be older than a compaction that took their markers: whoever were told of
 * one would wait for its end in vain. */
static enum ig_code forget_lost_markers(struct plog *log, struct error *err)
{
    struct spans *spans = &log->producers.spans;
    size_t kept = 0;

    for (size_t i = 0; i < spans->aborted.n; i++) {
        bool there = spans->aborted.p[i].last >= log->gaps;

        if (!there)
            IG_TRY(plog_has_marker(log, spans->aborted.p[i].last, &there, err));
        if (there)
            spans->aborted.p[kept++] = spans->aborted.p[i];
    }
    spans->aborted.n = kept;
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
    for (size_t i = 0; i + 1 < log->segments.n; i++) /* until better is known */
        log->segments.p[i]->end = log->segments.p[i + 1]->base;
    for (size_t i = first; i < log->segments.n && !stop; i++, pos = 0) {
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
        log->synced = log->durable;
        return IG_OK;
    }
    return make_durable(log, first, err);
}

/* A power cut took what was acknowledged by a log that promises less, but not the word that it was trimmed. */
static void begin_at_start(struct plog *log)
{
    struct segment *s;

    while (log->segments.n > 1)
        plog_drop_oldest(log, NULL);
    plog_drop_oldest(log, NULL);
    s = segment_new(log->files, log->dir, log->start);
    vec_push(&log->segments, s);
    log->end = log->start;
    log->durable = log->synced = (struct plog_mark){log->start, 0, log->start};
}

static struct plog *log_new(struct env *env, struct files *files, const char *dir, int64_t segment_bytes,
                            struct plog_mark durable)
{
    struct plog *log = check_calloc(1, sizeof(*log));

    log->env = env;
    log->files = files;
    log->dir = check_strdup(dir);
    log->segment_bytes = segment_bytes;
    log->segment_ms = INT64_MAX;
    log->durable = log->synced = durable;
    for (unsigned i = 0; i < PLOG_CACHE; i++)
        log->cache[i].offset = -1;
    return log;
}

struct plog *plog_new(struct env *env, struct files *files, const char *dir, int64_t segment_bytes)
{
    struct plog *log = log_new(env, files, dir, segment_bytes, (struct plog_mark){0, 0, 0});

    vec_push(&log->segments, segment_new(files, dir, 0));
    return log;
}

enum ig_code plog_open(struct env *env, struct files *files, const char *dir, int64_t segment_bytes,
                       struct plog_mark durable, struct plog **out, struct error *err)
{
    struct plog *log = log_new(env, files, dir, segment_bytes, durable);
    enum ig_code rc = env_make_dirs(env, dir, err);

    if (!rc)
        rc = read_numbers(log, "start", &log->start, NULL, err);
    if (!rc)
        rc = read_numbers(log, "cleaned", &log->cleaned, &log->gaps, err);
    if (!rc)
        rc = list_segments(log, err);
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
        log->durable = log->synced = (struct plog_mark){log->start, 0, log->start};
    }
    if (!rc && !log->failed && log->end < log->start)
        begin_at_start(log);
    if (!rc && !log->failed && log->gaps > 0)
        rc = forget_lost_markers(log, err);
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
