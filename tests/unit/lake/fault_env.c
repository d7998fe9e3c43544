#include "lake/fault_env.h"

static struct fault_env *of(struct env *env)
{
    return (struct fault_env *)env;
}

/* Is it this operation's turn to fail? */
static bool strikes(struct fault_env *f)
{
    if (f->dead)
        return true;
    if (f->countdown < 0 || f->countdown-- > 0)
        return false;
    f->happened = true;
    f->dead = f->mode == FAULT_DEATH;
    return true;
}

static enum ig_code failed(struct error *err)
{
    return error_set(err, IG_IO, "the disk failed (by order of the test)");
}

/* Runs `call` unless the fault comes before it. */
#define CHANGE(env, err, call)                     \
    do {                                           \
        struct fault_env *f_ = of(env);            \
        const bool strikes_ = strikes(f_);         \
        enum ig_code rc_;                          \
        if (strikes_ && (f_->mode != FAULT_AFTER)) \
            return failed(err);                    \
        rc_ = (call);                              \
        return strikes_ ? failed(err) : rc_;       \
    } while (0)

static enum ig_code do_open(struct env *env, const char *path, unsigned flags, struct env_file **out, struct error *err)
{
    return of(env)->dead ? failed(err) : of(env)->real->ops->open(of(env)->real, path, flags, out, err);
}

static void do_close(struct env *env, struct env_file *file)
{
    of(env)->real->ops->close(of(env)->real, file);
}

static enum ig_code do_read(struct env *env, struct env_file *file, int64_t at, void *p, size_t n, size_t *done,
                            struct error *err)
{
    return of(env)->dead ? failed(err) : of(env)->real->ops->read(of(env)->real, file, at, p, n, done, err);
}

static enum ig_code do_write(struct env *env, struct env_file *file, int64_t at, const struct iovec *iov, int n_iov,
                             size_t *done, struct error *err)
{
    CHANGE(env, err, f_->real->ops->write(f_->real, file, at, iov, n_iov, done, err));
}

static enum ig_code do_sync(struct env *env, struct env_file *file, struct error *err)
{
    CHANGE(env, err, f_->real->ops->sync(f_->real, file, err));
}

static int do_descriptor(struct env *env, struct env_file *file)
{
    return of(env)->real->ops->descriptor(of(env)->real, file);
}

static enum ig_code do_size(struct env *env, struct env_file *file, int64_t *size, struct error *err)
{
    return of(env)->real->ops->size(of(env)->real, file, size, err);
}

static enum ig_code do_stat(struct env *env, const char *path, struct env_stat *st, struct error *err)
{
    return of(env)->dead ? failed(err) : of(env)->real->ops->stat(of(env)->real, path, st, err);
}

static enum ig_code do_rename(struct env *env, const char *from, const char *to, struct error *err)
{
    CHANGE(env, err, f_->real->ops->rename(f_->real, from, to, err));
}

static enum ig_code do_link(struct env *env, const char *from, const char *to, struct error *err)
{
    CHANGE(env, err, f_->real->ops->link(f_->real, from, to, err));
}

static enum ig_code do_unlink(struct env *env, const char *path, struct error *err)
{
    CHANGE(env, err, f_->real->ops->unlink(f_->real, path, err));
}

static enum ig_code do_make_dir(struct env *env, const char *path, struct error *err)
{
    CHANGE(env, err, f_->real->ops->make_dir(f_->real, path, err));
}

static enum ig_code do_remove_dir(struct env *env, const char *path, struct error *err)
{
    return of(env)->dead ? failed(err) : of(env)->real->ops->remove_dir(of(env)->real, path, err);
}

static enum ig_code do_sync_dir(struct env *env, const char *path, struct error *err)
{
    CHANGE(env, err, f_->real->ops->sync_dir(f_->real, path, err));
}

static enum ig_code do_list(struct env *env, const char *path, env_list_fn *each, void *ctx, struct error *err)
{
    return of(env)->dead ? failed(err) : of(env)->real->ops->list(of(env)->real, path, each, ctx, err);
}

static int64_t do_now_us(struct env *env)
{
    return of(env)->real->ops->now_us(of(env)->real);
}

static int64_t do_monotonic_us(struct env *env)
{
    return of(env)->real->ops->monotonic_us(of(env)->real);
}

static void do_sleep_ms(struct env *env, int64_t ms)
{
    (void)env;
    (void)ms;
}

static void do_random(struct env *env, void *p, size_t n)
{
    of(env)->real->ops->random(of(env)->real, p, n);
}

static void do_log(struct env *env, enum env_log_level level, const char *component, const char *line)
{
    (void)env;
    (void)level;
    (void)component;
    (void)line;
}

void fault_env_init(struct fault_env *f, struct env *real)
{
    *f = (struct fault_env){.real = real, .countdown = -1};
    f->ops = (struct env_ops){
        .open = do_open,
        .close = do_close,
        .read = do_read,
        .write = do_write,
        .sync = do_sync,
        .size = do_size,
        .descriptor = do_descriptor,
        .stat = do_stat,
        .rename = do_rename,
        .link = do_link,
        .unlink = do_unlink,
        .make_dir = do_make_dir,
        .remove_dir = do_remove_dir,
        .sync_dir = do_sync_dir,
        .list = do_list,
        .now_us = do_now_us,
        .monotonic_us = do_monotonic_us,
        .sleep_ms = do_sleep_ms,
        .random = do_random,
        .log = do_log,
    };
    f->env = *real;
    f->env.ops = &f->ops;
}

void fault_env_arm(struct fault_env *f, enum fault_mode mode, int after)
{
    f->mode = mode;
    f->countdown = after;
    f->dead = f->happened = false;
}
