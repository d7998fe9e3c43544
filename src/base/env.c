#include "base/env.h"

#include "base/json.h"
#include "base/timestamp.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

enum ig_code env_open(struct env *env, const char *path, unsigned flags, struct env_file **out, struct error *err)
{
    IG_ASSERT(env && path && out);
    *out = NULL;
    return env->ops->open(env, path, flags, out, err);
}

void env_close(struct env *env, struct env_file *f)
{
    if (f)
        env->ops->close(env, f);
}

enum ig_code env_read(struct env *env, struct env_file *f, int64_t at, void *p, size_t n, size_t *done,
                      struct error *err)
{
    IG_ASSERT(at >= 0);
    *done = 0;
    return env->ops->read(env, f, at, p, n, done, err);
}

enum ig_code env_read_full(struct env *env, struct env_file *f, int64_t at, void *p, size_t n, struct error *err)
{
    size_t have = 0;

    while (have < n) {
        size_t done;

        IG_TRY(env_read(env, f, at + (int64_t)have, (char *)p + have, n - have, &done, err));
        if (done == 0)
            return error_set(err, IG_CORRUPT, "the file ends at %lld, %zu bytes were wanted at %lld",
                             (long long)at + (long long)have, n, (long long)at);
        have += done;
    }
    return IG_OK;
}

enum ig_code env_writev(struct env *env, struct env_file *f, int64_t at, const struct iovec *iov, int n_iov,
                        struct error *err)
{
    IG_ASSERT(at >= 0 && n_iov >= 0);
    while (n_iov > 0) {
        size_t done;

        IG_TRY(env->ops->write(env, f, at, iov, n_iov, &done, err));
        at += (int64_t)done;
        while (n_iov > 0 && done >= iov->iov_len) {
            done -= iov->iov_len;
            iov++;
            n_iov--;
        }
        if (n_iov > 0 && done > 0) { /* the rest of a half-written piece, by itself */
            const char *rest = (const char *)iov->iov_base + done;

            IG_TRY(env_write(env, f, at, rest, iov->iov_len - done, err));
            at += (int64_t)(iov->iov_len - done);
            iov++;
            n_iov--;
        }
    }
    return IG_OK;
}

enum ig_code env_write(struct env *env, struct env_file *f, int64_t at, const void *p, size_t n, struct error *err)
{
    const char *from = p;

    while (n > 0) {
        union {
            const void *in;
            void *out;
        } base = {.in = from}; /* struct iovec has no const */
        const struct iovec iov = {base.out, n};
        size_t done = 0;

        IG_TRY(env->ops->write(env, f, at, &iov, 1, &done, err));
        from += done;
        at += (int64_t)done;
        n -= done;
    }
    return IG_OK;
}

enum ig_code env_truncate(struct env *env, struct env_file *f, int64_t size, struct error *err)
{
    return env->ops->truncate(env, f, size, err);
}

enum ig_code env_sync(struct env *env, struct env_file *f, struct error *err)
{
    return env->ops->sync(env, f, err);
}

enum ig_code env_size(struct env *env, struct env_file *f, int64_t *size, struct error *err)
{
    return env->ops->size(env, f, size, err);
}

int env_descriptor(struct env *env, struct env_file *f)
{
    return env->ops->descriptor(env, f);
}

void env_begin_sync(struct env *env, struct env_file *f)
{
    const int fd = env_descriptor(env, f);

    if (fd >= 0)
        (void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

enum ig_code env_stat(struct env *env, const char *path, struct env_stat *st, struct error *err)
{
    return env->ops->stat(env, path, st, err);
}

enum ig_code env_rename(struct env *env, const char *from, const char *to, struct error *err)
{
    return env->ops->rename(env, from, to, err);
}

enum ig_code env_link(struct env *env, const char *from, const char *to, struct error *err)
{
    return env->ops->link(env, from, to, err);
}

enum ig_code env_unlink(struct env *env, const char *path, struct error *err)
{
    return env->ops->unlink(env, path, err);
}

enum ig_code env_sync_dir(struct env *env, const char *path, struct error *err)
{
    return env->ops->sync_dir(env, path, err);
}

enum ig_code env_list(struct env *env, const char *path, env_list_fn *each, void *ctx, struct error *err)
{
    return env->ops->list(env, path, each, ctx, err);
}

enum ig_code env_lock(struct env *env, struct env_file *f, struct error *err)
{
    return env->ops->lock(env, f, err);
}

/* The folder that holds `path`, into `out`. */
static void parent_of(const char *path, char *out, size_t n)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        snprintf(out, n, ".");
    else if (slash == path)
        snprintf(out, n, "/");
    else
        snprintf(out, n, "%.*s", (int)(slash - path), path);
}

enum ig_code env_make_dirs(struct env *env, const char *path, struct error *err)
{
    char dir[4096], parent[4096];
    struct env_stat st;
    const size_t n = strlen(path);

    if (n == 0 || n >= sizeof(dir))
        return error_set(err, IG_INVALID, "folder name of %zu characters", n);
    if (env_stat(env, path, &st, NULL) == IG_OK) {
        if (st.is_dir)
            return IG_OK;
        return error_set(err, IG_INVALID, "%s is a file, not a folder", path);
    }
    memcpy(dir, path, n + 1);
    while (strlen(dir) > 1 && dir[strlen(dir) - 1] == '/')
        dir[strlen(dir) - 1] = 0;
    parent_of(dir, parent, sizeof(parent));
    if (strcmp(parent, dir) != 0 && strcmp(parent, ".") != 0)
        IG_TRY(env_make_dirs(env, parent, err));
    IG_TRY(env->ops->make_dir(env, dir, err));
    return env_sync_dir(env, parent, err);
}

enum ig_code env_remove_dir(struct env *env, const char *path, struct error *err)
{
    return env->ops->remove_dir(env, path, err);
}

struct remove_tree {
    struct env *env;
    const char *path;
};

/* What looks like a folder may be a link to one outside of the tree: unlink takes the link, and refuses a folder. */
static enum ig_code remove_entry(void *ctx, const char *name, const struct env_stat *st, struct error *err)
{
    const struct remove_tree *r = ctx;
    char path[4096];

    if ((size_t)snprintf(path, sizeof(path), "%s/%s", r->path, name) >= sizeof(path))
        return error_set(err, IG_INVALID, "a path in %s is too long", r->path);
    if (st->is_dir && env_unlink(r->env, path, NULL) != IG_OK)
        return env_remove_tree(r->env, path, err);
    return st->is_dir ? IG_OK : env_unlink(r->env, path, err);
}

enum ig_code env_remove_tree(struct env *env, const char *path, struct error *err)
{
    struct remove_tree r = {env, path};
    struct env_stat st;
    enum ig_code rc = env_stat(env, path, &st, err);

    if (rc == IG_NOT_FOUND)
        return IG_OK;
    if (rc)
        return rc;
    IG_TRY(env_list(env, path, remove_entry, &r, err));
    return env->ops->remove_dir(env, path, err);
}

enum ig_code env_read_file(struct env *env, const char *path, struct buf *out, struct error *err)
{
    struct env_file *f = NULL;
    int64_t size;
    enum ig_code rc;

    IG_TRY(env_open(env, path, ENV_OPEN_READ, &f, err));
    rc = env_size(env, f, &size, err);
    if (rc)
        goto out;
    if (buf_reserve(out, 0)) /* settles out->max; an empty file is an empty text */
        out->p[out->n] = 0;
    for (int64_t at = 0;;) {
        const size_t room = out->max - out->n;
        size_t want = at < size ? (size_t)(size - at) : 4096, done;
        char probe[1], *p = probe;

        if (want > room)
            want = room;
        if (want > 0)
            p = buf_reserve(out, want);
        rc = env_read(env, f, at, p, want > 0 ? want : sizeof(probe), &done, err);
        if (rc || done == 0)
            goto out;
        if (want == 0) {
            rc = error_set(err, IG_LIMIT, "%s is longer than %zu bytes", path, out->max);
            goto out;
        }
        out->n += done;
        out->p[out->n] = 0;
        at += (int64_t)done;
    }
out:
    env_close(env, f);
    return rc;
}

static enum ig_code replace_file(struct env *env, const char *path, struct str content, unsigned more,
                                 struct error *err)
{
    char beside[4096], folder[4096], id[37];
    struct env_file *f = NULL;
    enum ig_code rc;

    env_uuid(env, id);
    if ((size_t)snprintf(beside, sizeof(beside), "%s.%.8s.tmp", path, id) >= sizeof(beside))
        return error_set(err, IG_INVALID, "%s is too long a path", path);
    parent_of(path, folder, sizeof(folder));
    IG_TRY(env_open(env, beside, ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_EXCLUSIVE | more, &f, err));
    rc = env_write(env, f, 0, content.p, content.n, err);
    if (!rc)
        rc = env_sync(env, f, err);
    env_close(env, f);
    if (!rc)
        rc = env_rename(env, beside, path, err);
    if (rc) {
        (void)!env_unlink(env, beside, NULL);
        return rc;
    }
    return env_sync_dir(env, folder, err);
}

enum ig_code env_replace_file(struct env *env, const char *path, struct str content, struct error *err)
{
    return replace_file(env, path, content, 0, err);
}

enum ig_code env_replace_private_file(struct env *env, const char *path, struct str content, struct error *err)
{
    return replace_file(env, path, content, ENV_OPEN_PRIVATE, err);
}

int64_t env_now_us(struct env *env)
{
    return env->ops->now_us(env);
}

int64_t env_now_ms(struct env *env)
{
    return env->ops->now_us(env) / 1000;
}

int64_t env_monotonic_us(struct env *env)
{
    return env->ops->monotonic_us(env);
}

int64_t env_monotonic_ms(struct env *env)
{
    return env->ops->monotonic_us(env) / 1000;
}

void env_sleep_ms(struct env *env, int64_t ms)
{
    if (ms > 0)
        env->ops->sleep_ms(env, ms);
}

void env_random(struct env *env, void *p, size_t n)
{
    env->ops->random(env, p, n);
}

void env_uuid(struct env *env, char out[37])
{
    uint8_t b[16];

    env_random(env, b, sizeof(b));
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    snprintf(out, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3],
             b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

enum ig_code env_spawn(struct env *env, const char *name, env_thread_fn *fn, void *arg, struct env_thread **out,
                       struct error *err)
{
    *out = NULL;
    return env->ops->spawn(env, name, fn, arg, out, err);
}

void env_join(struct env *env, struct env_thread *t)
{
    if (t)
        env->ops->join(env, t);
}

enum ig_code env_loop_new(struct env *env, struct env_loop **out, struct error *err)
{
    *out = NULL;
    return env->ops->loop_new(env, out, err);
}

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void env_log(struct env *env, enum env_log_level level, const char *component, const char *fmt, ...)
{
    char text[2048], time[40];
    struct buf line;
    va_list ap;

    if (level < env->log_level)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    timestamp_format(env_now_us(env) / 1000 * 1000, time);
    buf_init(&line, 16384);
    if (env->log_json) {
        buf_printf(&line, "{\"time\":\"%s\",\"level\":\"%s\",\"component\":\"%s\",\"message\":", time,
                   level_names[level], component);
        json_add_string(&line, str_of(text));
        buf_putc(&line, '}');
    } else {
        for (char *p = text; *p; p++) /* one line, whatever a peer put into a name */
            if ((unsigned char)*p < 0x20 || *p == 0x7f)
                *p = ' ';
        buf_printf(&line, "%s %-5s %s: %s", time, level_names[level], component, text);
    }
    env->ops->log(env, level, component, buf_cstr(&line));
    buf_release(&line);
}
