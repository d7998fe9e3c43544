/*
 * The real world: POSIX files and threads, getrandom, the system's clocks. Sockets are in env_loop_uv.c.
 */
#include "base/env.h"
#include "base/env_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct env_file {
    int fd;
    char path[];
};

struct env_thread {
    pthread_t id;
    env_thread_fn *fn;
    void *arg;
    char name[16];
};

static enum ig_code real_open(struct env *env, const char *path, unsigned flags, struct env_file **out,
                              struct error *err)
{
    const size_t n = strlen(path) + 1;
    struct env_file *f;
    int how = O_CLOEXEC;

    (void)env;
    if ((flags & ENV_OPEN_READ) && (flags & ENV_OPEN_WRITE))
        how |= O_RDWR;
    else if (flags & ENV_OPEN_WRITE)
        how |= O_WRONLY;
    if (flags & ENV_OPEN_CREATE)
        how |= O_CREAT;
    if (flags & ENV_OPEN_EXCLUSIVE)
        how |= O_EXCL;
    if (flags & ENV_OPEN_TRUNCATE)
        how |= O_TRUNC;
    f = check_malloc(sizeof(*f) + n);
    memcpy(f->path, path, n);
    do
        f->fd = open(path, how, flags & ENV_OPEN_PRIVATE ? 0600 : 0644);
    while (f->fd < 0 && errno == EINTR);
    if (f->fd < 0) {
        const enum ig_code rc = error_errno(err, errno, "open %s", path);

        free(f);
        return rc;
    }
    *out = f;
    return IG_OK;
}

static void real_close(struct env *env, struct env_file *f)
{
    (void)env;
    close(f->fd);
    free(f);
}

static enum ig_code real_read(struct env *env, struct env_file *f, int64_t at, void *p, size_t n, size_t *done,
                              struct error *err)
{
    ssize_t got;

    (void)env;
    do
        got = pread(f->fd, p, n, at);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return error_errno(err, errno, "read %s at %lld", f->path, (long long)at);
    *done = (size_t)got;
    return IG_OK;
}

static enum ig_code real_write(struct env *env, struct env_file *f, int64_t at, const struct iovec *iov, int n_iov,
                               size_t *done, struct error *err)
{
    ssize_t got;

    (void)env;
    do
        got = pwritev(f->fd, iov, n_iov > 1024 ? 1024 : n_iov, at);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return error_errno(err, errno, "write %s at %lld", f->path, (long long)at);
    *done = (size_t)got;
    return IG_OK;
}

static enum ig_code real_truncate(struct env *env, struct env_file *f, int64_t size, struct error *err)
{
    (void)env;
    if (ftruncate(f->fd, size))
        return error_errno(err, errno, "truncate %s to %lld", f->path, (long long)size);
    return IG_OK;
}

static enum ig_code real_sync(struct env *env, struct env_file *f, struct error *err)
{
    (void)env;
    if (fdatasync(f->fd))
        return error_errno(err, errno, "sync %s", f->path);
    return IG_OK;
}

static enum ig_code real_size(struct env *env, struct env_file *f, int64_t *size, struct error *err)
{
    struct stat st;

    (void)env;
    if (fstat(f->fd, &st))
        return error_errno(err, errno, "stat %s", f->path);
    *size = st.st_size;
    return IG_OK;
}

static int real_descriptor(struct env *env, struct env_file *f)
{
    (void)env;
    return f->fd;
}

static void fill_stat(const struct stat *from, struct env_stat *to)
{
    to->size_bytes = from->st_size;
    to->mtime_ms = (int64_t)from->st_mtim.tv_sec * 1000 + from->st_mtim.tv_nsec / 1000000;
    to->is_dir = S_ISDIR(from->st_mode);
}

static enum ig_code real_stat(struct env *env, const char *path, struct env_stat *out, struct error *err)
{
    struct stat st;

    (void)env;
    if (stat(path, &st))
        return error_errno(err, errno, "%s", path);
    fill_stat(&st, out);
    return IG_OK;
}

static enum ig_code real_rename(struct env *env, const char *from, const char *to, struct error *err)
{
    (void)env;
    if (rename(from, to))
        return error_errno(err, errno, "rename %s to %s", from, to);
    return IG_OK;
}

static enum ig_code real_link(struct env *env, const char *from, const char *to, struct error *err)
{
    (void)env;
    if (link(from, to))
        return error_errno(err, errno, "link %s to %s", from, to);
    return IG_OK;
}

static enum ig_code real_unlink(struct env *env, const char *path, struct error *err)
{
    (void)env;
    if (unlink(path))
        return error_errno(err, errno, "remove %s", path);
    return IG_OK;
}

static enum ig_code real_make_dir(struct env *env, const char *path, struct error *err)
{
    (void)env;
    if (mkdir(path, 0755) && errno != EEXIST)
        return error_errno(err, errno, "make folder %s", path);
    return IG_OK;
}

static enum ig_code real_remove_dir(struct env *env, const char *path, struct error *err)
{
    (void)env;
    if (rmdir(path))
        return error_errno(err, errno, "remove folder %s", path);
    return IG_OK;
}

static enum ig_code real_sync_dir(struct env *env, const char *path, struct error *err)
{
    enum ig_code rc = IG_OK;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    (void)env;
    if (fd < 0)
        return error_errno(err, errno, "open folder %s", path);
    if (fsync(fd))
        rc = error_errno(err, errno, "sync folder %s", path);
    close(fd);
    return rc;
}

static enum ig_code real_list(struct env *env, const char *path, env_list_fn *each, void *ctx, struct error *err)
{
    enum ig_code rc = IG_OK;
    struct dirent *entry;
    DIR *dir = opendir(path);

    (void)env;
    if (!dir)
        return error_errno(err, errno, "list %s", path);
    while (!rc && (errno = 0, entry = readdir(dir)) != NULL) {
        struct env_stat out;
        struct stat st;

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (fstatat(dirfd(dir), entry->d_name, &st, 0)) {
            if (errno == ENOENT) /* removed since it was listed, or a dangling link */
                continue;
            rc = error_errno(err, errno, "%s/%s", path, entry->d_name);
            break;
        }
        fill_stat(&st, &out);
        rc = each(ctx, entry->d_name, &out, err);
    }
    if (!rc && errno)
        rc = error_errno(err, errno, "list %s", path);
    closedir(dir);
    return rc;
}

static enum ig_code real_lock(struct env *env, struct env_file *f, struct error *err)
{
    (void)env;
    if (flock(f->fd, LOCK_EX | LOCK_NB)) {
        if (errno == EWOULDBLOCK)
            return error_set(err, IG_EXISTS, "%s is locked by another process", f->path);
        return error_errno(err, errno, "lock %s", f->path);
    }
    return IG_OK;
}

static int64_t clock_us(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t real_now_us(struct env *env)
{
    (void)env;
    return clock_us(CLOCK_REALTIME);
}

static int64_t real_monotonic_us(struct env *env)
{
    (void)env;
    return clock_us(CLOCK_MONOTONIC);
}

static void real_sleep_ms(struct env *env, int64_t ms)
{
    const struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};

    (void)env;
    nanosleep(&t, NULL);
}

static void real_random(struct env *env, void *p, size_t n)
{
    char *at = p;

    (void)env;
    while (n > 0) {
        const ssize_t got = getrandom(at, n, 0);

        if (got < 0) {
            IG_ASSERT(errno == EINTR);
            continue;
        }
        at += got;
        n -= (size_t)got;
    }
}

static void *thread_main(void *arg)
{
    struct env_thread *t = arg;

    pthread_setname_np(pthread_self(), t->name);
    t->fn(t->arg);
    return NULL;
}

static enum ig_code real_spawn(struct env *env, const char *name, env_thread_fn *fn, void *arg, struct env_thread **out,
                               struct error *err)
{
    struct env_thread *t = check_calloc(1, sizeof(*t));
    int e;

    (void)env;
    t->fn = fn;
    t->arg = arg;
    snprintf(t->name, sizeof(t->name), "%s", name);
    e = pthread_create(&t->id, NULL, thread_main, t);
    if (e) {
        free(t);
        return error_errno(err, e, "start thread %s", name);
    }
    *out = t;
    return IG_OK;
}

static void real_join(struct env *env, struct env_thread *t)
{
    (void)env;
    pthread_join(t->id, NULL);
    free(t);
}

static void real_log(struct env *env, enum env_log_level level, const char *component, const char *line)
{
    (void)env;
    (void)level;
    (void)component;
    fprintf(stderr, "%s\n", line);
}

static const struct env_ops real_ops = {
    .open = real_open,
    .close = real_close,
    .read = real_read,
    .write = real_write,
    .truncate = real_truncate,
    .sync = real_sync,
    .size = real_size,
    .descriptor = real_descriptor,
    .stat = real_stat,
    .rename = real_rename,
    .link = real_link,
    .unlink = real_unlink,
    .make_dir = real_make_dir,
    .remove_dir = real_remove_dir,
    .sync_dir = real_sync_dir,
    .list = real_list,
    .lock = real_lock,
    .now_us = real_now_us,
    .monotonic_us = real_monotonic_us,
    .sleep_ms = real_sleep_ms,
    .random = real_random,
    .spawn = real_spawn,
    .join = real_join,
    .loop_new = env_loop_uv_new,
    .log = real_log,
};

struct env *env_real_new(void)
{
    struct env *env = check_calloc(1, sizeof(*env));

    env->ops = &real_ops;
    env->log_level = ENV_LOG_INFO;
    return env;
}

void env_real_free(struct env *env)
{
    free(env);
}
