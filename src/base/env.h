/*
 * The outside world behind one table: files, sockets of our own, clock, randomness, thread start, logging. The
 * broker, the lake, the stores and the lifecycle reach the world only through a struct env that they are handed, so
 * that a test can run them on a disk that loses writes and a clock that jumps (env_sim.h), all from one seed.
 *
 * Libraries with I/O of their own (DuckDB, librdkafka, SQLite) are outside of it; what they write becomes part of
 * the lake only by env operations (sync, link, sync_dir).
 *
 * Callers use the env_ functions at the end, never the table: they check arguments and handle short transfers.
 * Threads: every operation may be called from any thread; one env_file belongs to one thread at a time, except
 * env_file_read and env_file_sync.
 */
#ifndef BASE_ENV_H
#define BASE_ENV_H

#include "base/str.h"

#include <sys/uio.h>

struct env;
struct env_file;
struct env_thread;
struct env_loop;

enum env_open {
    ENV_OPEN_READ = 1 << 0,
    ENV_OPEN_WRITE = 1 << 1,
    ENV_OPEN_CREATE = 1 << 2,    /* make it if it is not there */
    ENV_OPEN_EXCLUSIVE = 1 << 3, /* with CREATE: IG_EXISTS if it is there */
    ENV_OPEN_TRUNCATE = 1 << 4,
    ENV_OPEN_PRIVATE = 1 << 5, /* with CREATE: readable by its owner alone */
};

enum env_log_level { ENV_LOG_DEBUG, ENV_LOG_INFO, ENV_LOG_WARN, ENV_LOG_ERROR };

struct env_stat {
    int64_t size_bytes;
    int64_t mtime_ms;
    bool is_dir;
};

/* One entry of a folder; return non-zero to stop the listing, which then returns that code. */
typedef enum ig_code env_list_fn(void *ctx, const char *name, const struct env_stat *st, struct error *err);
typedef void env_thread_fn(void *arg);

struct env_ops {
    /* --- files: errors as error_errno() maps them, messages name the path --- */
    enum ig_code (*open)(struct env *env, const char *path, unsigned flags, struct env_file **out, struct error *err);
    void (*close)(struct env *env, struct env_file *f);
    /* May transfer less; *done is then how much (0 on read: end of file). */
    enum ig_code (*read)(struct env *env, struct env_file *f, int64_t at, void *p, size_t n, size_t *done,
                         struct error *err);
    enum ig_code (*write)(struct env *env, struct env_file *f, int64_t at, const struct iovec *iov, int n_iov,
                          size_t *done, struct error *err);
    enum ig_code (*truncate)(struct env *env, struct env_file *f, int64_t size, struct error *err);
    enum ig_code (*sync)(struct env *env, struct env_file *f, struct error *err); /* fdatasync */
    enum ig_code (*size)(struct env *env, struct env_file *f, int64_t *size, struct error *err);
    /* The file descriptor for sendfile and locks, -1 where there is none. */
    int (*descriptor)(struct env *env, struct env_file *f);

    /* --- names --- */
    enum ig_code (*stat)(struct env *env, const char *path, struct env_stat *st, struct error *err);
    enum ig_code (*rename)(struct env *env, const char *from, const char *to, struct error *err);
    enum ig_code (*link)(struct env *env, const char *from, const char *to, struct error *err); /* IG_EXISTS */
    enum ig_code (*unlink)(struct env *env, const char *path, struct error *err);
    enum ig_code (*make_dir)(struct env *env, const char *path, struct error *err); /* IG_EXISTS is no error */
    enum ig_code (*remove_dir)(struct env *env, const char *path, struct error *err);
    enum ig_code (*sync_dir)(struct env *env, const char *path, struct error *err);
    enum ig_code (*list)(struct env *env, const char *path, env_list_fn *each, void *ctx, struct error *err);
    /* An advisory lock for this process, released by close or death; IG_EXISTS if another process has it. */
    enum ig_code (*lock)(struct env *env, struct env_file *f, struct error *err);

    /* --- clock, randomness --- */
    int64_t (*now_us)(struct env *env);       /* wall clock, since 1970 */
    int64_t (*monotonic_us)(struct env *env); /* never goes back; for time limits */
    void (*sleep_ms)(struct env *env, int64_t ms);
    void (*random)(struct env *env, void *p, size_t n);

    /* --- threads --- */
    enum ig_code (*spawn)(struct env *env, const char *name, env_thread_fn *fn, void *arg, struct env_thread **out,
                          struct error *err);
    void (*join)(struct env *env, struct env_thread *t); /* frees it */

    /* --- sockets and timers: see env_loop.h --- */
    enum ig_code (*loop_new)(struct env *env, struct env_loop **out, struct error *err);

    /* --- logging: one line, without a newline --- */
    void (*log)(struct env *env, enum env_log_level level, const char *component, const char *line);
};

struct env {
    const struct env_ops *ops;
    enum env_log_level log_level; /* lines below it are dropped */
    bool log_json;                /* JSON lines instead of text */
};

/* The real world: POSIX files, libuv sockets, getrandom, pthreads, logs to stderr. Released with env_real_free. */
struct env *env_real_new(void);
void env_real_free(struct env *env);

/* --- what callers use ------------------------------------------------------------------------------- */

IG_MUST_CHECK enum ig_code env_open(struct env *env, const char *path, unsigned flags, struct env_file **out,
                                    struct error *err);
void env_close(struct env *env, struct env_file *f); /* NULL is fine */
/* Exactly n bytes, or IG_CORRUPT ("ends at ...") if the file is shorter. */
IG_MUST_CHECK enum ig_code env_read_full(struct env *env, struct env_file *f, int64_t at, void *p, size_t n,
                                         struct error *err);
/* At most n bytes; *done 0 at the end of the file. */
IG_MUST_CHECK enum ig_code env_read(struct env *env, struct env_file *f, int64_t at, void *p, size_t n, size_t *done,
                                    struct error *err);
/* All bytes, or an error after which any part of them may be there. */
IG_MUST_CHECK enum ig_code env_write(struct env *env, struct env_file *f, int64_t at, const void *p, size_t n,
                                     struct error *err);
IG_MUST_CHECK enum ig_code env_writev(struct env *env, struct env_file *f, int64_t at, const struct iovec *iov,
                                      int n_iov, struct error *err);
IG_MUST_CHECK enum ig_code env_truncate(struct env *env, struct env_file *f, int64_t size, struct error *err);
/* A failed sync is never repeated as if nothing had happened: the pages may be gone. */
IG_MUST_CHECK enum ig_code env_sync(struct env *env, struct env_file *f, struct error *err);
IG_MUST_CHECK enum ig_code env_size(struct env *env, struct env_file *f, int64_t *size, struct error *err);
int env_descriptor(struct env *env, struct env_file *f);
/* A hint: the disk may begin to write now what is to be synced later. Nothing is durable by it. */
void env_begin_sync(struct env *env, struct env_file *f);

IG_MUST_CHECK enum ig_code env_stat(struct env *env, const char *path, struct env_stat *st, struct error *err);
IG_MUST_CHECK enum ig_code env_rename(struct env *env, const char *from, const char *to, struct error *err);
IG_MUST_CHECK enum ig_code env_link(struct env *env, const char *from, const char *to, struct error *err);
IG_MUST_CHECK enum ig_code env_unlink(struct env *env, const char *path, struct error *err);
/* Of an empty folder; any other one stays, and that is an error. */
IG_MUST_CHECK enum ig_code env_remove_dir(struct env *env, const char *path, struct error *err);
/* With all its parents, each synced into its own parent. */
IG_MUST_CHECK enum ig_code env_make_dirs(struct env *env, const char *path, struct error *err);
/* A folder and everything in it. A missing one is no error. */
IG_MUST_CHECK enum ig_code env_remove_tree(struct env *env, const char *path, struct error *err);
IG_MUST_CHECK enum ig_code env_sync_dir(struct env *env, const char *path, struct error *err);
IG_MUST_CHECK enum ig_code env_list(struct env *env, const char *path, env_list_fn *each, void *ctx, struct error *err);
IG_MUST_CHECK enum ig_code env_lock(struct env *env, struct env_file *f, struct error *err);

/* Whole files. env_read_file: IG_LIMIT if it is longer than out->max. */
IG_MUST_CHECK enum ig_code env_read_file(struct env *env, const char *path, struct buf *out, struct error *err);
/* Replaces a file so that after a power cut either the old or the new content is there: write beside, sync, rename,
 * sync the folder. */
IG_MUST_CHECK enum ig_code env_replace_file(struct env *env, const char *path, struct str content, struct error *err);
/* The same for secrets: nobody but the owner may read it, at no time. */
IG_MUST_CHECK enum ig_code env_replace_private_file(struct env *env, const char *path, struct str content,
                                                    struct error *err);

int64_t env_now_us(struct env *env);
int64_t env_now_ms(struct env *env);
int64_t env_monotonic_us(struct env *env);
int64_t env_monotonic_ms(struct env *env);
void env_sleep_ms(struct env *env, int64_t ms);
void env_random(struct env *env, void *p, size_t n);
/* A random version-4 UUID, 36 characters and a NUL; and its first 8 digits alone. */
void env_uuid(struct env *env, char out[37]);

IG_MUST_CHECK enum ig_code env_spawn(struct env *env, const char *name, env_thread_fn *fn, void *arg,
                                     struct env_thread **out, struct error *err);
void env_join(struct env *env, struct env_thread *t); /* NULL is fine */

IG_MUST_CHECK enum ig_code env_loop_new(struct env *env, struct env_loop **out, struct error *err);

void env_log(struct env *env, enum env_log_level level, const char *component, const char *fmt, ...) IG_PRINTF(4, 5);
#define log_debug(env, component, ...) env_log((env), ENV_LOG_DEBUG, (component), __VA_ARGS__)
#define log_info(env, component, ...) env_log((env), ENV_LOG_INFO, (component), __VA_ARGS__)
#define log_warn(env, component, ...) env_log((env), ENV_LOG_WARN, (component), __VA_ARGS__)
#define log_error(env, component, ...) env_log((env), ENV_LOG_ERROR, (component), __VA_ARGS__)

#endif
