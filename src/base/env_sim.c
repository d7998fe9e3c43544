#include "base/env_sim.h"

#include "base/env_internal.h"
#include "base/env_sim_internal.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define FILE_BYTES_MAX ((int64_t)1 << 30)
#define START_US INT64_C(1704067200000000) /* 2024-01-01 */

struct env_thread {
    pthread_t id;
    env_thread_fn *fn;
    void *arg;
    struct sim_loop *loop; /* in a world of one thread */
};

static struct sim *sim_of(struct env *env)
{
    return (struct sim *)env;
}

/* --- faults ---------------------------------------------------------------------------------------------- */

static bool changes_something(enum env_sim_op op)
{
    return op != ENV_SIM_OPEN && op != ENV_SIM_READ;
}

/* Counts the operation; the code with which it is to fail, if it is. */
static enum ig_code begin(struct sim *s, enum env_sim_op op, const char *path, struct error *err)
{
    struct fault *f = &s->faults[op];

    s->counts[op]++;
    if (!s->off && s->cut_in > 0 && changes_something(op) && --s->cut_in == 0)
        sim_cut(s);
    if (s->off)
        return error_set(err, IG_IO, "%s: the power is off", path);
    if (f->at == 0 || s->counts[op] < f->at)
        return IG_OK;
    if (!f->for_good)
        f->at = 0;
    return error_set(err, f->code, "%s: a failure that the test asked for", path);
}

static enum ig_code missing(struct error *err, const char *path)
{
    return error_set(err, IG_NOT_FOUND, "%s: there is no such file or folder", path);
}

static enum ig_code alive(const struct sim *s, const struct env_file *f, struct error *err)
{
    if (f->age != s->age)
        return error_set(err, IG_IO, "%s: the file was open when the power was cut", f->path);
    return IG_OK;
}

#define LOCKED(s, expr)                   \
    do {                                  \
        enum ig_code locked_rc_;          \
        pthread_mutex_lock(&(s)->lock);   \
        locked_rc_ = (expr);              \
        pthread_mutex_unlock(&(s)->lock); \
        return locked_rc_;                \
    } while (0)

/* --- files ----------------------------------------------------------------------------------------------- */

static enum ig_code open_locked(struct sim *s, const char *path, unsigned flags, struct env_file **out,
                                struct error *err)
{
    const size_t length = strlen(path) + 1;
    const char *name;
    size_t n;
    struct inode *dir = sim_walk(s, path, &name, &n), *node;

    IG_TRY(begin(s, ENV_SIM_OPEN, path, err));
    node = sim_lookup(s, path);
    if (!dir || (!node && !(flags & ENV_OPEN_CREATE)))
        return missing(err, path);
    if (node && (flags & ENV_OPEN_CREATE) && (flags & ENV_OPEN_EXCLUSIVE))
        return error_set(err, IG_EXISTS, "%s exists", path);
    if (node && node->is_dir)
        return error_set(err, IG_INVALID, "%s is a folder", path);
    if (!node) {
        node = sim_inode_new(s, false);
        sim_set_entry(s, dir, name, n, node);
    }
    if (flags & ENV_OPEN_TRUNCATE)
        sim_resize(node, 0);
    *out = check_calloc(1, sizeof(**out) + length);
    (*out)->node = node;
    (*out)->age = s->age;
    (*out)->flags = flags;
    memcpy((*out)->path, path, length);
    return IG_OK;
}

static enum ig_code sim_open(struct env *env, const char *path, unsigned flags, struct env_file **out,
                             struct error *err)
{
    LOCKED(sim_of(env), open_locked(sim_of(env), path, flags, out, err));
}

static void sim_close(struct env *env, struct env_file *f)
{
    struct sim *s = sim_of(env);

    pthread_mutex_lock(&s->lock);
    if (f->node->locked_by == f)
        f->node->locked_by = NULL;
    pthread_mutex_unlock(&s->lock);
    free(f);
}

static size_t shorten(struct sim *s, size_t n)
{
    return s->short_transfers && n > 1 && sim_draw_below(s, 2) ? 1 + (size_t)sim_draw_below(s, n - 1) : n;
}

static enum ig_code read_locked(struct sim *s, struct env_file *f, int64_t at, void *p, size_t n, size_t *done,
                                struct error *err)
{
    IG_TRY(begin(s, ENV_SIM_READ, f->path, err));
    IG_TRY(alive(s, f, err));
    *done = 0;
    if ((uint64_t)at >= f->node->size)
        return IG_OK;
    *done = f->node->size - (size_t)at < n ? f->node->size - (size_t)at : n;
    *done = shorten(s, *done);
    memcpy(p, f->node->data + at, *done);
    return IG_OK;
}

static enum ig_code sim_read(struct env *env, struct env_file *f, int64_t at, void *p, size_t n, size_t *done,
                             struct error *err)
{
    LOCKED(sim_of(env), read_locked(sim_of(env), f, at, p, n, done, err));
}

static enum ig_code write_locked(struct sim *s, struct env_file *f, int64_t at, const struct iovec *iov, int n_iov,
                                 size_t *done, struct error *err)
{
    enum ig_code rc = begin(s, ENV_SIM_WRITE, f->path, err);
    size_t n = 0, limit;

    if (!rc)
        rc = alive(s, f, err);
    if (s->off || (rc && f->age != s->age))
        return rc;
    for (int i = 0; i < n_iov; i++)
        n += iov[i].iov_len;
    if (at > FILE_BYTES_MAX - (int64_t)n)
        return error_set(err, IG_NO_SPACE, "%s: the simulated disk is full", f->path);
    limit = rc ? (size_t)sim_draw_below(s, n) : shorten(s, n); /* a failed write may have got some way */
    *done = limit;
    if ((size_t)at + limit > f->node->size)
        sim_resize(f->node, (size_t)at + limit);
    for (int i = 0; i < n_iov && limit > 0; i++) {
        const size_t part = iov[i].iov_len < limit ? iov[i].iov_len : limit;

        memcpy(f->node->data + at, iov[i].iov_base, part);
        at += (int64_t)part;
        limit -= part;
    }
    f->node->mtime_us = s->now_us + s->jumped_us;
    return rc;
}

static enum ig_code sim_write(struct env *env, struct env_file *f, int64_t at, const struct iovec *iov, int n_iov,
                              size_t *done, struct error *err)
{
    LOCKED(sim_of(env), write_locked(sim_of(env), f, at, iov, n_iov, done, err));
}

static enum ig_code truncate_locked(struct sim *s, struct env_file *f, int64_t size, struct error *err)
{
    IG_TRY(begin(s, ENV_SIM_TRUNCATE, f->path, err));
    IG_TRY(alive(s, f, err));
    sim_resize(f->node, (size_t)size);
    f->node->mtime_us = s->now_us + s->jumped_us;
    return IG_OK;
}

static enum ig_code sim_truncate(struct env *env, struct env_file *f, int64_t size, struct error *err)
{
    LOCKED(sim_of(env), truncate_locked(sim_of(env), f, size, err));
}

static enum ig_code sync_locked(struct sim *s, struct env_file *f, struct error *err)
{
    const enum ig_code rc = begin(s, ENV_SIM_SYNC, f->path, err);

    IG_TRY(s->off ? rc : alive(s, f, err));
    if (rc && !s->off) { /* the kernel drops the pages: what is read is again what the disk has */
        const size_t kept = f->node->synced_size < f->node->size ? f->node->synced_size : f->node->size;

        if (kept)
            memcpy(f->node->data, f->node->synced, kept);
        if (f->node->size > kept)
            memset(f->node->data + kept, 0, f->node->size - kept);
    }
    if (rc)
        return rc;
    free(f->node->synced);
    f->node->synced = check_malloc(f->node->size + 1);
    if (f->node->size)
        memcpy(f->node->synced, f->node->data, f->node->size);
    f->node->synced_size = f->node->size;
    return IG_OK;
}

static enum ig_code sim_sync(struct env *env, struct env_file *f, struct error *err)
{
    LOCKED(sim_of(env), sync_locked(sim_of(env), f, err));
}

static enum ig_code size_locked(struct sim *s, struct env_file *f, int64_t *size, struct error *err)
{
    IG_TRY(alive(s, f, err));
    *size = (int64_t)f->node->size;
    return IG_OK;
}

static enum ig_code sim_size(struct env *env, struct env_file *f, int64_t *size, struct error *err)
{
    LOCKED(sim_of(env), size_locked(sim_of(env), f, size, err));
}

static int sim_descriptor(struct env *env, struct env_file *f)
{
    (void)env;
    (void)f;
    return -1;
}

static enum ig_code lock_locked(struct sim *s, struct env_file *f, struct error *err)
{
    IG_TRY(alive(s, f, err));
    if (f->node->locked_by && f->node->locked_by != f)
        return error_set(err, IG_EXISTS, "%s is locked by another process", f->path);
    f->node->locked_by = f;
    return IG_OK;
}

static enum ig_code sim_lock(struct env *env, struct env_file *f, struct error *err)
{
    LOCKED(sim_of(env), lock_locked(sim_of(env), f, err));
}

/* --- names ----------------------------------------------------------------------------------------------- */

static void fill_stat(const struct inode *node, struct env_stat *st)
{
    *st = (struct env_stat){(int64_t)node->size, node->mtime_us / 1000, node->is_dir};
}

static enum ig_code stat_locked(struct sim *s, const char *path, struct env_stat *st, struct error *err)
{
    const struct inode *node = sim_lookup(s, path);

    if (s->off)
        return error_set(err, IG_IO, "%s: the power is off", path);
    if (!node)
        return missing(err, path);
    fill_stat(node, st);
    return IG_OK;
}

static enum ig_code sim_stat(struct env *env, const char *path, struct env_stat *st, struct error *err)
{
    LOCKED(sim_of(env), stat_locked(sim_of(env), path, st, err));
}

static enum ig_code rename_locked(struct sim *s, const char *from, const char *to, struct error *err)
{
    const char *from_name, *to_name;
    size_t from_n, to_n;
    struct inode *from_dir, *to_dir, *node;
    struct change c;

    IG_TRY(begin(s, ENV_SIM_RENAME, from, err));
    from_dir = sim_walk(s, from, &from_name, &from_n);
    to_dir = sim_walk(s, to, &to_name, &to_n);
    node = sim_lookup(s, from);
    if (!from_dir || !to_dir || !node || from_n == 0 || to_n == 0)
        return missing(err, node ? to : from);
    c = (struct change){.dir = to_dir,
                        .node = node,
                        .from_dir = from_dir,
                        .name = sim_copy_name(to_name, to_n),
                        .from_name = sim_copy_name(from_name, from_n)};
    sim_put_entry(&s->entries, from_dir, c.from_name, from_n, NULL);
    sim_put_entry(&s->entries, to_dir, c.name, to_n, node);
    vec_push(&s->changes, c);
    return IG_OK;
}

static enum ig_code sim_rename(struct env *env, const char *from, const char *to, struct error *err)
{
    LOCKED(sim_of(env), rename_locked(sim_of(env), from, to, err));
}

/* Makes `path` mean `node`, which it must not mean yet. */
static enum ig_code add_name(struct sim *s, const char *path, struct inode *node, struct error *err)
{
    const char *name;
    size_t n;
    struct inode *dir = sim_walk(s, path, &name, &n);

    if (!dir)
        return missing(err, path);
    if (sim_lookup(s, path))
        return error_set(err, IG_EXISTS, "%s exists", path);
    sim_set_entry(s, dir, name, n, node);
    return IG_OK;
}

static enum ig_code link_locked(struct sim *s, const char *from, const char *to, struct error *err)
{
    struct inode *node = sim_lookup(s, from);

    IG_TRY(begin(s, ENV_SIM_LINK, to, err));
    if (!node || node->is_dir)
        return missing(err, from);
    return add_name(s, to, node, err);
}

static enum ig_code sim_link(struct env *env, const char *from, const char *to, struct error *err)
{
    LOCKED(sim_of(env), link_locked(sim_of(env), from, to, err));
}

static enum ig_code make_dir_locked(struct sim *s, const char *path, struct error *err)
{
    const struct inode *node;

    IG_TRY(begin(s, ENV_SIM_MAKE_DIR, path, err));
    node = sim_lookup(s, path);
    if (node)
        return node->is_dir ? IG_OK : error_set(err, IG_EXISTS, "%s is a file", path);
    return add_name(s, path, sim_inode_new(s, true), err);
}

static enum ig_code sim_make_dir(struct env *env, const char *path, struct error *err)
{
    LOCKED(sim_of(env), make_dir_locked(sim_of(env), path, err));
}

static enum ig_code remove_locked(struct sim *s, const char *path, bool dir_wanted, struct error *err)
{
    const struct inode *node = sim_lookup(s, path);
    const char *name;
    size_t n;
    struct inode *dir = sim_walk(s, path, &name, &n);

    IG_TRY(begin(s, ENV_SIM_UNLINK, path, err));
    if (!dir || !node || n == 0 || node->is_dir != dir_wanted)
        return missing(err, path);
    for (size_t i = 0; i < s->entries.n; i++) {
        if (s->entries.p[i].dir == node)
            return error_set(err, IG_EXISTS, "%s is not empty", path);
    }
    sim_set_entry(s, dir, name, n, NULL);
    return IG_OK;
}

static enum ig_code sim_unlink(struct env *env, const char *path, struct error *err)
{
    LOCKED(sim_of(env), remove_locked(sim_of(env), path, false, err));
}

static enum ig_code sim_remove_dir(struct env *env, const char *path, struct error *err)
{
    LOCKED(sim_of(env), remove_locked(sim_of(env), path, true, err));
}

static enum ig_code sync_dir_locked(struct sim *s, const char *path, struct error *err)
{
    const struct inode *dir;

    IG_TRY(begin(s, ENV_SIM_SYNC_DIR, path, err));
    dir = sim_lookup(s, path);
    if (!dir || !dir->is_dir)
        return missing(err, path);
    for (size_t i = 0; i < s->changes.n; i++) {
        struct change *c = &s->changes.p[i];

        if (c->dir == dir || c->from_dir == dir)
            c->forced = true;
    }
    return IG_OK;
}

static enum ig_code sim_sync_dir(struct env *env, const char *path, struct error *err)
{
    LOCKED(sim_of(env), sync_dir_locked(sim_of(env), path, err));
}

static enum ig_code sim_list(struct env *env, const char *path, env_list_fn *each, void *ctx, struct error *err)
{
    struct sim *s = sim_of(env);
    VEC(struct entry) found = {0};
    enum ig_code rc = IG_OK;
    const struct inode *dir;

    pthread_mutex_lock(&s->lock);
    dir = sim_lookup(s, path);
    if (s->off)
        rc = error_set(err, IG_IO, "%s: the power is off", path);
    else if (!dir || !dir->is_dir)
        rc = missing(err, path);
    for (size_t i = 0; !rc && i < s->entries.n; i++) {
        struct entry e = s->entries.p[i];

        if (e.dir != dir)
            continue;
        e.name = check_strdup(e.name);
        vec_push(&found, e);
    }
    pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < found.n; i++) {
        struct env_stat st;

        fill_stat(found.p[i].node, &st);
        if (!rc)
            rc = each(ctx, found.p[i].name, &st, err);
        free(found.p[i].name);
    }
    vec_free(&found);
    return rc;
}

/* --- clock, randomness, threads -------------------------------------------------------------------------- */

static int64_t real_us(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t sim_now_us(struct env *env)
{
    struct sim *s = sim_of(env);
    int64_t now;

    pthread_mutex_lock(&s->lock);
    now = s->real_clock ? real_us(CLOCK_REALTIME) : s->now_us + s->jumped_us;
    pthread_mutex_unlock(&s->lock);
    return now;
}

static int64_t sim_monotonic_us(struct env *env)
{
    struct sim *s = sim_of(env);
    int64_t now;

    pthread_mutex_lock(&s->lock);
    now = s->real_clock ? real_us(CLOCK_MONOTONIC) : s->now_us - START_US;
    pthread_mutex_unlock(&s->lock);
    return now;
}

static void sim_sleep_ms(struct env *env, int64_t ms)
{
    struct sim *s = sim_of(env);
    const struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};

    pthread_mutex_lock(&s->lock);
    s->now_us += ms * 1000;
    pthread_mutex_unlock(&s->lock);
    if (s->real_clock)
        nanosleep(&t, NULL);
    else
        sched_yield();
}

static void sim_random(struct env *env, void *p, size_t n)
{
    struct sim *s = sim_of(env);
    uint8_t *at = p;

    pthread_mutex_lock(&s->lock);
    while (n-- > 0)
        *at++ = (uint8_t)(sim_draw(s) >> 32);
    pthread_mutex_unlock(&s->lock);
}

static void *thread_main(void *arg)
{
    struct env_thread *t = arg;

    t->fn(t->arg);
    return NULL;
}

static enum ig_code sim_spawn(struct env *env, const char *name, env_thread_fn *fn, void *arg, struct env_thread **out,
                              struct error *err)
{
    struct env_thread *t = check_calloc(1, sizeof(*t));
    int e;

    t->fn = fn;
    t->arg = arg;
    if (sim_of(env)->world) {
        *out = t;
        sim_world_start(sim_of(env)->world, fn, arg, &t->loop);
        return IG_OK;
    }
    e = pthread_create(&t->id, NULL, thread_main, t);
    if (e) {
        free(t);
        return error_errno(err, e, "start thread %s", name);
    }
    *out = t;
    return IG_OK;
}

static void sim_join(struct env *env, struct env_thread *t)
{
    if (sim_of(env)->world)
        sim_world_join(sim_of(env)->world, t->loop);
    else
        pthread_join(t->id, NULL);
    free(t);
}

static enum ig_code sim_loop_new(struct env *env, struct env_loop **out, struct error *err)
{
    struct sim *s = sim_of(env);

    return s->world ? sim_world_loop(s->world, out) : env_loop_uv_new(env, out, err);
}

static void sim_log(struct env *env, enum env_log_level level, const char *component, const char *line)
{
    (void)level;
    (void)component;
    if (sim_of(env)->show_log)
        fprintf(stderr, "%s\n", line);
}

static const struct env_ops sim_ops = {
    .open = sim_open,
    .close = sim_close,
    .read = sim_read,
    .write = sim_write,
    .truncate = sim_truncate,
    .sync = sim_sync,
    .size = sim_size,
    .descriptor = sim_descriptor,
    .stat = sim_stat,
    .rename = sim_rename,
    .link = sim_link,
    .unlink = sim_unlink,
    .make_dir = sim_make_dir,
    .remove_dir = sim_remove_dir,
    .sync_dir = sim_sync_dir,
    .list = sim_list,
    .lock = sim_lock,
    .now_us = sim_now_us,
    .monotonic_us = sim_monotonic_us,
    .sleep_ms = sim_sleep_ms,
    .random = sim_random,
    .spawn = sim_spawn,
    .join = sim_join,
    .loop_new = sim_loop_new,
    .log = sim_log,
};

/* --- what tests say -------------------------------------------------------------------------------------- */

struct env *env_sim_new(uint64_t seed)
{
    struct sim *s = check_calloc(1, sizeof(*s));

    s->base.ops = &sim_ops;
    s->base.log_level = ENV_LOG_INFO;
    pthread_mutex_init(&s->lock, NULL);
    s->random = seed;
    s->now_us = START_US;
    s->root = sim_inode_new(s, true);
    return &s->base;
}

void env_sim_free(struct env *env)
{
    struct sim *s = sim_of(env);

    sim_world_free(s->world);
    sim_clear_changes(s);
    vec_free(&s->changes);
    for (size_t i = 0; i < s->entries.n; i++)
        free(s->entries.p[i].name);
    for (size_t i = 0; i < s->durable.n; i++)
        free(s->durable.p[i].name);
    vec_free(&s->entries);
    vec_free(&s->durable);
    while (s->inodes) {
        struct inode *node = s->inodes;

        s->inodes = node->all_next;
        free(node->data);
        free(node->synced);
        free(node);
    }
    pthread_mutex_destroy(&s->lock);
    free(s);
}

void env_sim_fail(struct env *env, enum env_sim_op op, int64_t n, enum ig_code code, bool for_good)
{
    struct sim *s = sim_of(env);

    pthread_mutex_lock(&s->lock);
    s->faults[op] = (struct fault){n > 0 ? s->counts[op] + n : 0, code, for_good};
    pthread_mutex_unlock(&s->lock);
}

int64_t env_sim_count(struct env *env, enum env_sim_op op)
{
    struct sim *s = sim_of(env);
    int64_t n;

    pthread_mutex_lock(&s->lock);
    n = s->counts[op];
    pthread_mutex_unlock(&s->lock);
    return n;
}

void env_sim_short_transfers(struct env *env, bool on)
{
    sim_of(env)->short_transfers = on;
}

void env_sim_power_cut(struct env *env)
{
    struct sim *s = sim_of(env);

    pthread_mutex_lock(&s->lock);
    if (!s->off)
        sim_cut(s);
    s->off = false;
    pthread_mutex_unlock(&s->lock);
}

void env_sim_kill(struct env *env)
{
    struct sim *s = sim_of(env);

    pthread_mutex_lock(&s->lock);
    for (struct inode *node = s->inodes; node; node = node->all_next)
        node->locked_by = NULL;
    s->age++;
    s->off = true;
    s->cut_in = 0;
    pthread_mutex_unlock(&s->lock);
}

void env_sim_jump(struct env *env, int64_t us)
{
    struct sim *s = sim_of(env);

    pthread_mutex_lock(&s->lock);
    s->jumped_us += us;
    pthread_mutex_unlock(&s->lock);
}

void env_sim_power_cut_at(struct env *env, int64_t n)
{
    struct sim *s = sim_of(env);

    pthread_mutex_lock(&s->lock);
    s->cut_in = n;
    pthread_mutex_unlock(&s->lock);
}

bool env_sim_is_off(struct env *env)
{
    struct sim *s = sim_of(env);
    bool off;

    pthread_mutex_lock(&s->lock);
    off = s->off;
    pthread_mutex_unlock(&s->lock);
    return off;
}

void env_sim_power_on(struct env *env)
{
    struct sim *s = sim_of(env);

    pthread_mutex_lock(&s->lock);
    s->off = false;
    s->cut_in = 0;
    pthread_mutex_unlock(&s->lock);
}

void env_sim_advance(struct env *env, int64_t us)
{
    struct sim *s = sim_of(env);

    pthread_mutex_lock(&s->lock);
    s->now_us += us;
    pthread_mutex_unlock(&s->lock);
}

void env_sim_real_clock(struct env *env, bool on)
{
    sim_of(env)->real_clock = on;
}

void env_sim_show_log(struct env *env, bool on)
{
    sim_of(env)->show_log = on;
}

uint64_t env_sim_random(struct env *env)
{
    struct sim *s = sim_of(env);
    uint64_t v;

    pthread_mutex_lock(&s->lock);
    v = sim_draw(s);
    pthread_mutex_unlock(&s->lock);
    return v;
}
