#include "broker/plog_clean.h"

#include "broker/key_map.h"
#include "broker/plog_internal.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define READ_BYTES ((size_t)1 << 20)
#define WRITE_BYTES ((size_t)1 << 20)
#define SLEEP_MS 50
#define RECORD_BYTES_MIN 16 /* about; how many keys there can be */

struct clean_segment {
    int64_t base, next_base, size, first_ms, written_ms;
};

/* A producer that is alive, and where its last data is. */
struct last_batch {
    int64_t producer_id, offset; /* -1: it has written markers only */
    int16_t epoch;
};

struct plog_clean {
    struct env *env;
    struct files *files;
    char *dir;
    struct plog_clean_rules rules;
    int64_t now_ms;
    VEC(struct clean_segment) segments;
    int64_t cleaned, gaps; /* as the log has them */
    int64_t to;            /* behind what is looked at */
    struct spans aborted;
    VEC(struct last_batch) producers; /* by id */
    atomic_bool cancelled;
    int64_t began_us, bytes;

    bool mapped;
    struct key_map map;
    size_t at;             /* the next segment */
    VEC(int64_t) in_txn;   /* producers with data of a transaction whose marker has not come */
    struct segment *fresh; /* ready to replace base..end; the log's after apply */
    struct file *held;     /* pinned while its name changes to held_path */
    char *held_path;
    bool full; /* the map */
    bool swapping, done;
    bool unsure; /* what is in the folder after an error */
    int64_t base, end;
    struct buf state; /* of it */
    VEC(int64_t) markers_gone;
};

/* --- what there is to do ---------------------------------------------------------------------------------------- */

/* Segments [0, to) can be looked at; from `first` on they are dirty. */
static void extent(const struct plog *log, const struct plog_clean_rules *rules, int64_t now_ms, size_t *first,
                   size_t *to)
{
    /* The segment of the mark stays as it is, for the mark is a place in it. */
    const int64_t stable = plog_stable(log), limit = stable < log->synced.base ? stable : log->synced.base;

    *first = *to = 0;
    for (size_t i = 0; i + 1 < log->segments.n; i++) {
        const struct segment *s = log->segments.p[i];

        if (log->segments.p[i + 1]->base > limit)
            break;
        if (log->segments.p[i + 1]->base <= log->cleaned)
            *first = i + 1;
        else if (rules->min_lag_ms > 0 && s->max_time_ms > now_ms - rules->min_lag_ms)
            break;
        *to = i + 1;
    }
}

double plog_clean_need(const struct plog *log, const struct plog_clean_rules *rules, int64_t now_ms)
{
    int64_t clean = 0, dirty = 0;
    size_t first, to;
    double part;

    if (log->failed || log->cleaning)
        return -1;
    extent(log, rules, now_ms, &first, &to);
    for (size_t i = 0; i < to; i++)
        *(i < first ? &clean : &dirty) += log->segments.p[i]->size;
    if (dirty == 0)
        return -1;
    part = (double)dirty / (double)(clean + dirty);
    if (rules->max_lag_ms < INT64_MAX && log->segments.p[first]->first_ms < now_ms - rules->max_lag_ms)
        return 1 + part;
    return part >= rules->min_dirty ? part : -1;
}

static int by_id(const void *a, const void *b)
{
    const struct last_batch *x = a, *y = b;

    return (x->producer_id > y->producer_id) - (x->producer_id < y->producer_id);
}

/* What is not durable does not count: the power may take it, and then the batch in front of it is the last one. */
static void copy_producers(struct plog_clean *c, const struct producers *all, int64_t synced)
{
    for (size_t i = 0; i < all->cap; i++) {
        const struct producer *s = &all->slots[i];
        struct last_batch last = {s->id, -1, s->epoch};

        if (s->id == -1)
            continue;
        for (unsigned k = s->n; k-- > 0 && last.offset < 0;) {
            if (s->batches[k].base_offset + s->batches[k].last_delta < synced)
                last.offset = s->batches[k].base_offset + s->batches[k].last_delta;
        }
        vec_push(&c->producers, last);
    }
    if (c->producers.n > 0)
        qsort(c->producers.p, c->producers.n, sizeof(*c->producers.p), by_id);
}

struct plog_clean *plog_clean_begin(struct plog *log, const struct plog_clean_rules *rules, int64_t now_ms)
{
    struct plog_clean *c = check_calloc(1, sizeof(*c));
    int64_t dirty = 0;
    size_t first, to;

    *c = (struct plog_clean){.env = log->env,
                             .files = log->files,
                             .dir = check_strdup(log->dir),
                             .rules = *rules,
                             .now_ms = now_ms,
                             .cleaned = log->cleaned > log->start ? log->cleaned : log->start,
                             .gaps = log->gaps,
                             .began_us = env_monotonic_us(log->env)};
    extent(log, rules, now_ms, &first, &to);
    for (size_t i = 0; i < to; i++) {
        const struct segment *s = log->segments.p[i];
        const struct clean_segment seg = {s->base, log->segments.p[i + 1]->base, s->size, s->first_ms, s->written_ms};

        vec_push(&c->segments, seg);
        dirty += i < first ? 0 : s->size;
        c->to = seg.next_base;
    }
    for (size_t i = 0; i < log->producers.spans.aborted.n; i++)
        vec_push(&c->aborted.aborted, log->producers.spans.aborted.p[i]);
    copy_producers(c, &log->producers, log->synced.offset);
    key_map_init(&c->map, (size_t)(dirty / RECORD_BYTES_MIN), rules->map_bytes);
    log->cleaning = true;
    return c;
}

void plog_clean_cancel(struct plog_clean *c)
{
    atomic_store(&c->cancelled, true);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static enum ig_code go_on(struct plog_clean *c, int64_t bytes, struct error *err)
{
    c->bytes += bytes;
    for (;;) {
        const int64_t us = env_monotonic_us(c->env) - c->began_us;

        if (atomic_load(&c->cancelled))
            return error_set(err, IG_CANCELLED, "compaction was stopped");
        if (c->rules.bytes_per_s <= 0 || c->bytes / c->rules.bytes_per_s * 1000000 <= us)
            return IG_OK;
        env_sleep_ms(c->env, SLEEP_MS);
    }
}

typedef enum ig_code clean_batch_fn(struct plog_clean *c, const char *p, const struct batch *b, void *ctx,
                                    struct error *err);

struct reader {
    struct env_file *f;
    char *p;
    size_t n, cap;
    int64_t pos; /* of p */
};

static enum ig_code fill(struct plog_clean *c, struct reader *r, size_t at, size_t want, struct error *err)
{
    memmove(r->p, r->p + at, r->n - at);
    r->n -= at;
    r->pos += (int64_t)at;
    if (want > r->cap) {
        r->p = check_realloc(r->p, want);
        r->cap = want;
    }
    while (r->n < r->cap) {
        size_t done;

        IG_TRY(env_read(c->env, r->f, r->pos + (int64_t)r->n, r->p + r->n, r->cap - r->n, &done, err));
        if (done == 0)
            break;
        r->n += done;
        IG_TRY(go_on(c, (int64_t)done, err));
    }
    return IG_OK;
}

static enum ig_code each_in(struct plog_clean *c, const struct clean_segment *s, struct reader *r, const char *path,
                            clean_batch_fn *each, void *ctx, struct error *err)
{
    size_t at = 0;

    while (r->pos + (int64_t)at < s->size) {
        struct batch b;

        if (r->n - at < BATCH_HEADER_BYTES) {
            IG_TRY(fill(c, r, at, BATCH_HEADER_BYTES, err));
            at = 0;
        }
        if (!batch_parse(r->p + at, r->n - at, &b) || b.bytes > s->size - r->pos - (int64_t)at)
            return error_set(err, IG_CORRUPT, "%s: no record batch begins at byte %lld", path,
                             (long long)(r->pos + (int64_t)at));
        if ((size_t)b.bytes > r->n - at) {
            IG_TRY(fill(c, r, at, (size_t)b.bytes, err));
            at = 0;
        }
        if (!batch_crc_ok(r->p + at, r->n - at, &b))
            return error_set(err, IG_CORRUPT, "%s: the checksum of the batch at offset %lld is wrong", path,
                             (long long)b.base_offset);
        batch_read_marker(r->p + at, (size_t)b.bytes, &b);
        IG_TRY(each(c, r->p + at, &b, ctx, err));
        at += (size_t)b.bytes;
    }
    return IG_OK;
}

static enum ig_code each_batch(struct plog_clean *c, const struct clean_segment *s, clean_batch_fn *each, void *ctx,
                               struct error *err)
{
    struct reader r = {.cap = READ_BYTES};
    char path[4096];
    enum ig_code rc;

    if (s->size == 0)
        return IG_OK;
    segment_path(c->dir, s->base, ".log", path, sizeof(path));
    IG_TRY(env_open(c->env, path, ENV_OPEN_READ, &r.f, err));
    r.p = check_malloc(r.cap);
    rc = each_in(c, s, &r, path, each, ctx, err);
    free(r.p);
    env_close(c->env, r.f);
    return rc;
}

static bool is_aborted(const struct plog_clean *c, const struct batch *b)
{
    return (b->attributes & BATCH_TRANSACTIONAL) && spans_is_aborted(&c->aborted, b->producer_id, b->base_offset);
}

/* IG_LIMIT: the map is full; what it knows is enough for a beginning. */
static enum ig_code map_batch(struct plog_clean *c, const char *p, const struct batch *b, void *ctx, struct error *err)
{
    struct batch_reader r;
    struct batch_record record;
    enum ig_code rc = IG_OK;

    (void)ctx;
    if ((b->attributes & BATCH_CONTROL) || b->records == 0 || is_aborted(c, b) ||
        b->base_offset + b->last_offset_delta < c->cleaned)
        return IG_OK;
    IG_TRY(batch_reader_open(&r, p, (size_t)b->bytes, err));
    while (!rc && batch_reader_next(&r, &record)) {
        if (record.offset < c->cleaned || !record.key.p || key_map_put(&c->map, record.key, record.offset))
            continue;
        c->full = true;
        rc = error_set(err, IG_LIMIT, "there is no room for more keys");
    }
    if (!rc && r.in.bad)
        rc = error_set(err, IG_CORRUPT, "the batch at offset %lld cannot be read", (long long)b->base_offset);
    batch_reader_close(&r);
    return rc;
}

static enum ig_code map_keys(struct plog_clean *c, struct error *err)
{
    enum ig_code rc = IG_OK;

    for (size_t i = 0; i < c->segments.n && !rc; i++) {
        if (c->segments.p[i].next_base > c->cleaned)
            rc = each_batch(c, &c->segments.p[i], map_batch, NULL, err);
    }
    if (c->full) { /* the rest another time */
        c->to = c->map.latest + 1;
        while (c->segments.n > 0 && c->segments.p[c->segments.n - 1].base >= c->to)
            c->segments.n--;
        rc = IG_OK;
    }
    c->mapped = rc == IG_OK;
    return rc;
}

/* --- what stays --------------------------------------------------------------------------------------------------- */

struct output {
    struct env_file *f;
    struct segment *fresh;
    struct buf buf;
    int64_t at;
    bool changed;
    const struct batch *batch; /* that is being looked at */
    bool keep_none, has_tombstone;
    struct plog_clean *c;
};

static bool is_last_of_producer(const struct plog_clean *c, const struct batch *b)
{
    const struct last_batch key = {.producer_id = b->producer_id};
    const struct last_batch *last = b->producer_id >= 0 && c->producers.n > 0
                                        ? bsearch(&key, c->producers.p, c->producers.n, sizeof(key), by_id)
                                        : NULL;

    if (!last)
        return false;
    if (last->offset >= 0)
        return b->base_offset + b->last_offset_delta == last->offset;
    return (b->attributes & BATCH_CONTROL) && b->producer_epoch == last->epoch;
}

/* Of a marker: is there no record of its transaction any more? Of data: was it aborted? */
static bool is_void(struct plog_clean *c, const struct batch *b)
{
    size_t i = 0;

    if (!(b->attributes & BATCH_TRANSACTIONAL))
        return false;
    while (i < c->in_txn.n && c->in_txn.p[i] != b->producer_id)
        i++;
    if (!(b->attributes & BATCH_CONTROL)) {
        if (i == c->in_txn.n)
            vec_push(&c->in_txn, b->producer_id);
        return is_aborted(c, b);
    }
    if (b->marker == BATCH_MARKER_NONE)
        return false;
    if (i == c->in_txn.n)
        return true;
    c->in_txn.p[i] = c->in_txn.p[--c->in_txn.n];
    return false;
}

static bool horizon_passed(const struct plog_clean *c, const struct batch *b)
{
    return (b->attributes & BATCH_HAS_HORIZON) && b->base_timestamp_ms <= c->now_ms;
}

static bool keep_record(void *ctx, const struct batch_record *r)
{
    struct output *o = ctx;
    const struct plog_clean *c = o->c;

    if (o->keep_none)
        return false;
    if (r->offset < c->to) {
        if (!r->key.p || key_map_get(&c->map, r->key) > r->offset)
            return false;
        if (!r->value.p && horizon_passed(c, o->batch))
            return false;
    }
    o->has_tombstone |= !r->value.p;
    return true;
}

static enum ig_code flush(struct plog_clean *c, struct output *o, size_t least, struct error *err)
{
    if (o->buf.n < least || o->buf.n == 0)
        return IG_OK;
    IG_TRY(env_write(c->env, o->f, o->at, o->buf.p, o->buf.n, err));
    IG_TRY(go_on(c, (int64_t)o->buf.n, err));
    o->at += (int64_t)o->buf.n;
    buf_clear(&o->buf);
    return IG_OK;
}

static enum ig_code put(struct plog_clean *c, struct output *o, const char *p, size_t n, struct error *err)
{
    struct batch b;

    if (!batch_parse(p, n, &b))
        return error_set(err, IG_CORRUPT, "a batch that was made by compaction cannot be read");
    buf_add(&o->buf, p, n);
    segment_add(o->fresh, &b);
    return flush(c, o, WRITE_BYTES, err);
}

/* How many records of a batch stay. */
static enum ig_code count_kept(struct output *o, const char *p, const struct batch *b, int32_t *kept, struct error *err)
{
    struct batch_reader r;
    struct batch_record record;

    *kept = 0;
    IG_TRY(batch_reader_open(&r, p, (size_t)b->bytes, err));
    while (batch_reader_next(&r, &record))
        *kept += keep_record(o, &record);
    batch_reader_close(&r);
    return r.in.bad ? error_set(err, IG_CORRUPT, "the batch at offset %lld cannot be read", (long long)b->base_offset)
                    : IG_OK;
}

static enum ig_code put_rewritten(struct plog_clean *c, struct output *o, const char *p, const struct batch *b,
                                  int64_t horizon_ms, bool control, struct error *err)
{
    const struct batch_rewrite how = {
        .codec = -1, .horizon_ms = horizon_ms, .keep = control && !o->keep_none ? NULL : keep_record, .ctx = o};
    struct buf out;
    int32_t kept;
    enum ig_code rc;

    buf_init(&out, 0);
    rc = batch_rewrite(p, (size_t)b->bytes, &how, &out, &kept, err);
    if (!rc)
        rc = put(c, o, out.p, out.n, err);
    buf_release(&out);
    o->changed = true;
    return rc;
}

static enum ig_code clean_batch(struct plog_clean *c, const char *p, const struct batch *b, void *ctx,
                                struct error *err)
{
    struct output *o = ctx;
    const bool control = b->attributes & BATCH_CONTROL, last = is_last_of_producer(c, b);
    const bool nothing_left = is_void(c, b);
    int64_t horizon_ms = -1;
    int32_t kept = b->records;

    if (b->base_offset >= c->to || (b->records == 0 && last))
        return put(c, o, p, (size_t)b->bytes, err);
    o->batch = b;
    o->has_tombstone = false;
    o->keep_none = control ? nothing_left && horizon_passed(c, b) : nothing_left;
    if (control && o->keep_none)
        kept = 0;
    else if (!control)
        IG_TRY(count_kept(o, p, b, &kept, err));
    if (kept == 0 && control && !last) {
        vec_push(&c->markers_gone, b->base_offset);
        o->changed = true;
        return IG_OK;
    }
    if (kept == 0 && !last) {
        o->changed = true;
        return IG_OK;
    }
    if (kept == 0 && control) /* the producer's last word: it stays whole */
        return put(c, o, p, (size_t)b->bytes, err);
    if (kept > 0 && !(b->attributes & BATCH_HAS_HORIZON) && (o->has_tombstone || (control && nothing_left)))
        horizon_ms = c->now_ms + c->rules.delete_retention_ms;
    if (kept == b->records && horizon_ms < 0)
        return put(c, o, p, (size_t)b->bytes, err);
    return put_rewritten(c, o, p, b, horizon_ms, control, err);
}

/* --- a group of segments -------------------------------------------------------------------------------------------
 */

/* How many segments from `at` on become one. */
static size_t group_size(const struct plog_clean *c, int64_t *first_ms, int64_t *written_ms)
{
    const struct clean_segment *first = &c->segments.p[c->at];
    int64_t bytes = 0;
    size_t n = 0;

    *first_ms = first->first_ms;
    *written_ms = first->written_ms;
    while (c->at + n < c->segments.n) {
        const struct clean_segment *s = &first[n];

        if (n > 0 && (bytes + s->size > c->rules.segment_bytes || s->next_base - first->base > INT32_MAX))
            break;
        bytes += s->size;
        if (s->written_ms > *written_ms)
            *written_ms = s->written_ms;
        n++;
    }
    return n;
}

/* What is known of producers at the end of a group stays known. */
static void encode_state(struct plog_clean *c, const struct clean_segment *last)
{
    struct segment_state state;
    struct buf blob;

    buf_init(&blob, 256u << 20);
    segment_state_encode(c->env, c->fresh, c->fresh->end, true, NULL, &c->state);
    if (segment_state_read(c->env, c->dir, last->base, &state, NULL, NULL, &blob, NULL) == IG_OK && state.closed &&
        state.pos == last->size && state.has_producers && blob.n > 0) {
        c->state.p[c->state.n - 1] = 1;
        buf_add_str(&c->state, buf_str(&blob));
    }
    buf_release(&blob);
}

static enum ig_code write_group(struct plog_clean *c, size_t n, const char *path, bool *changed, struct error *err)
{
    struct output o = {.fresh = c->fresh, .c = c, .changed = n > 1};
    enum ig_code rc;

    IG_TRY(env_open(c->env, path, ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_TRUNCATE, &o.f, err));
    buf_init(&o.buf, 0);
    rc = IG_OK;
    for (size_t i = 0; i < n && !rc; i++)
        rc = each_batch(c, &c->segments.p[c->at + i], clean_batch, &o, err);
    if (!rc)
        rc = flush(c, &o, 0, err);
    if (!rc)
        rc = env_sync(c->env, o.f, err);
    env_close(c->env, o.f);
    buf_release(&o.buf);
    *changed = o.changed;
    return rc;
}

/* Makes the copy of a group, and durable that it is to replace it. */
static enum ig_code clean_group(struct plog_clean *c, size_t n, struct error *err)
{
    const struct clean_segment *last = &c->segments.p[c->at + n - 1];
    char path[4096], swap[4096];
    bool changed = false;
    enum ig_code rc;

    snprintf(path, sizeof(path), "%s/%020lld.cleaned", c->dir, (long long)c->base);
    c->markers_gone.n = 0;
    rc = write_group(c, n, path, &changed, err);
    if (rc || !changed) {
        (void)!env_unlink(c->env, path, NULL);
        segment_free(c->fresh);
        c->fresh = NULL;
        return rc;
    }
    plog_swap_path(c->dir, c->base, c->end, swap, sizeof(swap));
    encode_state(c, last);
    if (c->gaps < c->to) { /* before a gap can be seen, it is known to be one */
        c->gaps = c->to;
        rc = plog_cleaned_write(c->env, c->dir, c->cleaned, c->gaps, err);
    }
    if (!rc && c->rules.before_swap)
        rc = c->rules.before_swap(c->rules.ctx, err);
    if (!rc)
        rc = env_rename(c->env, path, swap, err);
    if (rc)
        return rc;
    c->unsure = true;
    IG_TRY(env_sync_dir(c->env, c->dir, err));
    c->unsure = false;
    return IG_OK;
}

static enum ig_code next_group(struct plog_clean *c, struct error *err)
{
    int64_t first_ms, written_ms;
    const size_t n = group_size(c, &first_ms, &written_ms);
    char swap[4096];
    enum ig_code rc;

    c->base = c->segments.p[c->at].base;
    c->end = c->segments.p[c->at + n - 1].next_base;
    plog_swap_path(c->dir, c->base, c->end, swap, sizeof(swap));
    c->fresh = segment_new(c->files, c->dir, c->base);
    file_release(c->fresh->file);
    c->fresh->file = file_new(c->files, swap);
    c->fresh->exists = true;
    c->fresh->first_ms = first_ms;
    c->fresh->written_ms = written_ms;
    rc = clean_group(c, n, err);
    c->at += n;
    return rc;
}

/* The copy has replaced the group in the log: now in the folder. */
static enum ig_code finish_swap(struct plog_clean *c, struct error *err)
{
    IG_TRY(plog_swap_finish(c->env, c->dir, c->base, c->end, err));
    (void)segment_state_store(c->env, c->dir, c->base, &c->state);
    buf_release(&c->state);
    c->swapping = false;
    return IG_OK;
}

enum ig_code plog_clean_run(struct plog_clean *c, struct error *err)
{
    if (c->swapping)
        IG_TRY(finish_swap(c, err));
    if (!c->mapped)
        IG_TRY(map_keys(c, err));
    while (!c->fresh && c->at < c->segments.n)
        IG_TRY(next_group(c, err));
    if (c->fresh)
        return IG_OK;
    c->cleaned = c->to;
    if (c->gaps < c->to)
        c->gaps = c->to;
    c->done = true;
    return plog_cleaned_write(c->env, c->dir, c->cleaned, c->gaps, err);
}

/* --- the owner's part -----------------------------------------------------------------------------------------------
 */

static void release_held(struct plog_clean *c)
{
    if (!c->held)
        return;
    file_renamed(c->held, c->held_path);
    file_unpin(c->held);
    c->held = NULL;
    free(c->held_path);
    c->held_path = NULL;
}

static void forget_markers(struct plog *log, const struct plog_clean *c)
{
    struct spans *spans = &log->producers.spans;
    size_t kept = 0, k = 0;

    for (size_t i = 0; i < spans->aborted.n; i++) { /* both in the order of the log */
        while (k < c->markers_gone.n && c->markers_gone.p[k] < spans->aborted.p[i].last)
            k++;
        if (k == c->markers_gone.n || c->markers_gone.p[k] != spans->aborted.p[i].last)
            spans->aborted.p[kept++] = spans->aborted.p[i];
    }
    spans->aborted.n = kept;
}

static void replace_segments(struct plog *log, struct plog_clean *c)
{
    size_t from = 0, to;

    while (log->segments.p[from]->base < c->base)
        from++;
    for (to = from; to < log->segments.n && log->segments.p[to]->base < c->end; to++)
        segment_free(log->segments.p[to]);
    IG_ASSERT(from < to && to < log->segments.n);
    log->segments.p[from] = c->fresh;
    memmove(log->segments.p + from + 1, log->segments.p + to, (log->segments.n - to) * sizeof(*log->segments.p));
    log->segments.n -= to - from - 1;
    for (unsigned i = 0; i < PLOG_CACHE; i++) {
        if (log->cache[i].base >= c->base && log->cache[i].base < c->end)
            log->cache[i].offset = -1;
    }
    forget_markers(log, c);
    c->fresh = NULL;
}

bool plog_clean_apply(struct plog *log, struct plog_clean *c)
{
    struct file *fresh = c->fresh ? c->fresh->file : NULL;
    struct env_file *f;
    char path[4096];

    release_held(c); /* of the group before: its file has its last name now */
    log->gaps = c->gaps;
    if (c->done)
        log->cleaned = c->cleaned;
    if (!fresh)
        return c->done;
    segment_path(c->dir, c->base, ".log", path, sizeof(path));
    c->swapping = true;
    if (file_pin(fresh, false, &f, NULL)) {
        c->unsure = true;
        return true;
    }
    c->held = fresh;
    c->held_path = check_strdup(path);
    replace_segments(log, c);
    return false;
}

void plog_clean_end(struct plog *log, struct plog_clean *c, struct plog_gone *gone)
{
    const bool unsure = c->unsure || c->swapping;

    release_held(c);
    if (c->fresh)
        segment_free(c->fresh);
    if (log) {
        log->cleaning = false;
        if (unsure && !log->failed) /* what is in the folder is right, but not what is known of it: it is read again */
            plog_fail(log, "a compacted segment could not be put into its place");
        plog_drop_trimmed(log, gone);
    }
    key_map_free(&c->map);
    spans_clear(&c->aborted);
    vec_free(&c->segments);
    vec_free(&c->producers);
    vec_free(&c->in_txn);
    vec_free(&c->markers_gone);
    buf_release(&c->state);
    free(c->dir);
    free(c);
}
