/*
 * Reading commits: threads read and parse them side by side, a window at a time; they are applied in their order.
 */
#include "lake/log/load.h"

#include "lake/log/action.h"

#include <stdatomic.h>
#include <stdlib.h>

#define WORKERS 4
#define WINDOW 512                       /* commits */
#define WINDOW_BYTES (INT64_C(32) << 20) /* of their texts */
#define WORTH_A_THREAD 24                /* commits */

/* One commit (or compacted range of them), read. */
struct piece {
    const struct lake_log_commit *last; /* its newest version */
    const char *compacted;              /* the object's name; NULL: a commit's */
    enum ig_code rc;
    struct error *error; /* of rc */
    struct lake_actions actions;
    int64_t in_commit_ms;
};

struct loader;

struct worker {
    struct loader *loader;
    struct lake_parser parser;
    struct env_thread *thread;
    struct buf name, text;
    bool ready;
};

struct loader {
    struct lake_snapshot *s;
    const struct lake_log *log;
    VEC(struct piece) pieces;
    size_t from, to;    /* the window */
    atomic_size_t next; /* in it */
    struct worker workers[WORKERS];
};

/* --- one piece --------------------------------------------------------------------------------------------- */

static void piece_name(const struct lake_snapshot *s, const struct piece *piece, struct buf *name)
{
    buf_clear(name);
    if (piece->compacted)
        buf_puts(name, piece->compacted);
    else
        lake_add_log_name(name, s->table_path, piece->last->version, ".json");
}

static enum ig_code parse(struct worker *w, struct piece *piece, struct str text, struct error *err)
{
    enum ig_code rc = IG_OK;

    if (text.n == 0)
        rc = error_set(err, IG_CORRUPT, "the file is empty");
    if (!rc)
        rc = lake_seal_check(text, err);
    if (!rc)
        rc = lake_parse_actions(&w->parser, text, &piece->actions, err);
    piece->in_commit_ms = w->parser.in_commit_ms;
    return rc;
}

static void read_piece(struct worker *w, struct piece *piece)
{
    const struct lake_snapshot *s = w->loader->s;
    struct error err = {0};

    piece_name(s, piece, &w->name);
    buf_clear(&w->text);
    piece->rc = store_get(s->store, buf_cstr(&w->name), &w->text, &err);
    if (piece->rc == IG_NOT_FOUND) /* it was in the list a moment ago */
        piece->rc = error_set(&err, IG_CORRUPT, "the file is gone");
    if (!piece->rc)
        piece->rc = parse(w, piece, buf_str(&w->text), &err);
    if (piece->rc) {
        piece->error = check_malloc(sizeof(err));
        *piece->error = err;
    }
}

static void work(void *arg)
{
    struct worker *w = arg;
    struct loader *l = w->loader;
    size_t i;

    while ((i = atomic_fetch_add(&l->next, 1)) < l->to)
        read_piece(w, &l->pieces.p[i]);
}

static void worker_init(struct loader *l, struct worker *w)
{
    if (w->ready)
        return;
    w->loader = l;
    w->ready = true;
    lake_parser_init(&w->parser, &lake_chunk_new(l->s)->arena);
    buf_init(&w->name, 0);
    buf_init(&w->text, LAKE_COMMIT_MAX_BYTES);
}

static void worker_release(struct worker *w)
{
    if (!w->ready)
        return;
    lake_parser_release(&w->parser);
    buf_release(&w->name);
    buf_release(&w->text);
}

/* --- windows ----------------------------------------------------------------------------------------------- */

static void read_window(struct loader *l)
{
    struct env *env = l->s->store->env;
    size_t n_threads = (l->to - l->from) / WORTH_A_THREAD;

    n_threads = n_threads >= WORKERS ? WORKERS - 1 : n_threads;
    atomic_store(&l->next, l->from);
    for (size_t i = 0; i <= n_threads; i++)
        worker_init(l, &l->workers[i]);
    for (size_t i = 1; i <= n_threads; i++)
        if (env_spawn(env, "lake-read", work, &l->workers[i], &l->workers[i].thread, NULL))
            l->workers[i].thread = NULL; /* the others do it */
    work(&l->workers[0]);
    for (size_t i = 1; i <= n_threads; i++) {
        env_join(env, l->workers[i].thread);
        l->workers[i].thread = NULL;
    }
}

static enum ig_code apply_piece(struct loader *l, struct piece *piece, struct error *err)
{
    struct lake_snapshot *s = l->s;
    const int64_t version = piece->last->version;
    struct lake_replay r;
    enum ig_code rc, end;

    if (piece->rc)
        return error_set(err, piece->rc, "%s", piece->error->msg);
    lake_replay_begin(&r, s, version);
    r.compacted = piece->compacted != NULL;
    rc = lake_replay_actions(&r, &piece->actions, err);
    end = lake_replay_end(&r, rc ? NULL : err);
    if (rc || end)
        return rc ? rc : end;
    s->version = version;
    s->commit_time_ms = piece->last->mtime_ms;
    s->log_mtime_ms = piece->last->mtime_ms;
    s->log_size_bytes = piece->last->size_bytes;
    s->in_commit_ms = piece->in_commit_ms;
    return IG_OK;
}

static enum ig_code apply_window(struct loader *l, struct error *err)
{
    enum ig_code rc = IG_OK;
    struct buf name;

    buf_init(&name, 0);
    for (size_t i = l->from; i < l->to; i++) {
        struct piece *piece = &l->pieces.p[i];

        if (!rc) {
            rc = apply_piece(l, piece, err);
            piece_name(l->s, piece, &name);
            if (rc)
                error_context(err, rc, "version %lld: %s", (long long)piece->last->version, buf_cstr(&name));
        }
        free(piece->error);
        vec_free(&piece->actions.list);
    }
    buf_release(&name);
    return rc;
}

/* --- a remote store reads ahead by itself ------------------------------------------------------------------ */

static enum ig_code take_remote(void *ctx, size_t i, struct str text, struct error *err)
{
    struct loader *l = ctx;
    struct error inner = {0};

    l->from = i;
    l->to = i + 1;
    l->pieces.p[i].rc = parse(&l->workers[0], &l->pieces.p[i], text, &inner);
    if (l->pieces.p[i].rc) {
        l->pieces.p[i].error = check_malloc(sizeof(inner));
        *l->pieces.p[i].error = inner;
    }
    return apply_window(l, err);
}

static enum ig_code load_remote(struct loader *l, struct error *err)
{
    char **names = check_calloc(l->pieces.n ? l->pieces.n : 1, sizeof(*names));
    enum ig_code rc;

    worker_init(l, &l->workers[0]);
    for (size_t i = 0; i < l->pieces.n; i++) {
        piece_name(l->s, &l->pieces.p[i], &l->workers[0].name);
        names[i] = buf_take(&l->workers[0].name);
    }
    rc = store_get_many(l->s->store, (const char *const *)names, l->pieces.n, LAKE_COMMIT_MAX_BYTES, take_remote, l,
                        err);
    if (rc == IG_NOT_FOUND) /* it was in the list a moment ago */
        rc = error_context(err, IG_CORRUPT, "the file is gone");
    for (size_t i = 0; i < l->pieces.n; i++)
        free(names[i]);
    free(names);
    return rc;
}

/* --- all of it --------------------------------------------------------------------------------------------- */

static enum ig_code load_local(struct loader *l, struct error *err)
{
    enum ig_code rc = IG_OK;

    while (l->to < l->pieces.n && !rc) {
        int64_t bytes = 0;

        l->from = l->to;
        for (; l->to < l->pieces.n && l->to - l->from < WINDOW && bytes < WINDOW_BYTES; l->to++)
            bytes += l->pieces.p[l->to].compacted ? WINDOW_BYTES / 4 : l->pieces.p[l->to].last->size_bytes;
        read_window(l);
        rc = apply_window(l, err);
    }
    return rc;
}

/* The longest compacted range that begins at a version and does not reach `to`: the newest commit is read itself, for
 * its time. */
static const struct lake_log_compacted *compacted_from(const struct lake_log *log, int64_t version, int64_t to)
{
    const struct lake_log_compacted *best = NULL;

    for (size_t i = 0; i < log->compacted.n; i++) {
        const struct lake_log_compacted *c = &log->compacted.p[i];

        if (c->from == version && c->to > version && c->to < to && (!best || c->to > best->to))
            best = c;
    }
    return best;
}

/* All versions must be there as commits, also where a compacted file is read instead. */
static enum ig_code plan(struct loader *l, int64_t from, int64_t to, bool compacted, struct error *err)
{
    for (int64_t version = from; version <= to;) {
        const struct lake_log_compacted *range = compacted ? compacted_from(l->log, version, to) : NULL;
        struct piece piece = {.compacted = range ? range->name : NULL, .in_commit_ms = -1};
        const int64_t last = range ? range->to : version;

        for (; version <= last; version++) {
            piece.last = lake_log_commit_of(l->log, version);
            if (!piece.last)
                return error_set(err, IG_CORRUPT, "version %lld is missing in %s/" LAKE_LOG_DIR, (long long)version,
                                 *l->s->table_path ? l->s->table_path : l->s->store->url);
        }
        vec_push(&l->pieces, piece);
    }
    return IG_OK;
}

enum ig_code lake_load_commits(struct lake_snapshot *s, const struct lake_log *log, int64_t from, int64_t to,
                               bool compacted, struct error *err)
{
    struct loader *l = check_calloc(1, sizeof(*l));
    enum ig_code rc;

    l->s = s;
    l->log = log;
    rc = plan(l, from, to, compacted, err);
    if (!rc)
        rc = store_is_local(s->store) ? load_local(l, err) : load_remote(l, err);
    for (size_t i = 0; i < WORKERS; i++)
        worker_release(&l->workers[i]);
    vec_free(&l->pieces);
    free(l);
    return rc;
}
