#include "broker/files.h"

#include <pthread.h>
#include <stdlib.h>

struct file {
    struct files *fs;
    struct file *older, *newer; /* among the open ones without a pin */
    struct env_file *open;
    size_t pins;
    bool released;
    char *path;
};

struct files {
    struct env *env;
    pthread_mutex_t lock; /* guards everything below, and of each file all but its path */
    struct file *oldest, *newest;
    size_t n_open, max_open;
};

struct files *files_new(struct env *env, size_t max_open)
{
    struct files *fs = check_calloc(1, sizeof(*fs));

    fs->env = env;
    fs->max_open = max_open;
    pthread_mutex_init(&fs->lock, NULL);
    return fs;
}

void files_free(struct files *fs)
{
    if (!fs)
        return;
    IG_ASSERT(fs->n_open == 0);
    pthread_mutex_destroy(&fs->lock);
    free(fs);
}

struct file *file_new(struct files *fs, const char *path)
{
    struct file *f = check_calloc(1, sizeof(*f));

    f->fs = fs;
    f->path = check_strdup(path);
    return f;
}

const char *file_path(const struct file *f)
{
    return f->path;
}

static void idle_remove(struct file *f)
{
    *(f->older ? &f->older->newer : &f->fs->oldest) = f->newer;
    *(f->newer ? &f->newer->older : &f->fs->newest) = f->older;
    f->older = f->newer = NULL;
}

static void idle_add(struct file *f)
{
    f->older = f->fs->newest;
    *(f->older ? &f->older->newer : &f->fs->oldest) = f;
    f->fs->newest = f;
}

static void file_close(struct file *f)
{
    env_close(f->fs->env, f->open);
    f->open = NULL;
    f->fs->n_open--;
}

static void file_free(struct file *f)
{
    free(f->path);
    free(f);
}

static enum ig_code open_now(struct file *f, bool create, struct error *err)
{
    struct files *fs = f->fs;
    const unsigned how =
        ENV_OPEN_READ | ENV_OPEN_WRITE | (create ? (unsigned)(ENV_OPEN_CREATE | ENV_OPEN_TRUNCATE) : 0);

    while (fs->n_open >= fs->max_open && fs->oldest) {
        struct file *idle = fs->oldest;

        idle_remove(idle);
        file_close(idle);
    }
    IG_TRY(env_open(fs->env, f->path, how, &f->open, err));
    fs->n_open++;
    return IG_OK;
}

enum ig_code file_pin(struct file *f, bool create, struct env_file **out, struct error *err)
{
    enum ig_code rc = IG_OK;

    pthread_mutex_lock(&f->fs->lock);
    if (!f->open)
        rc = open_now(f, create, err);
    else if (f->pins == 0)
        idle_remove(f);
    if (!rc) {
        f->pins++;
        *out = f->open;
    }
    pthread_mutex_unlock(&f->fs->lock);
    return rc;
}

void file_unpin(struct file *f)
{
    struct files *fs = f->fs;
    bool gone = false;

    pthread_mutex_lock(&fs->lock);
    IG_ASSERT(f->pins > 0);
    if (--f->pins == 0 && f->released) {
        file_close(f);
        gone = true;
    } else if (f->pins == 0) {
        idle_add(f);
    }
    pthread_mutex_unlock(&fs->lock);
    if (gone)
        file_free(f);
}

void file_renamed(struct file *f, const char *path)
{
    IG_ASSERT(f->pins > 0);
    free(f->path);
    f->path = check_strdup(path);
}

void file_release(struct file *f)
{
    struct files *fs;
    bool gone;

    if (!f)
        return;
    fs = f->fs;
    pthread_mutex_lock(&fs->lock);
    f->released = true;
    gone = f->pins == 0;
    if (gone && f->open) {
        idle_remove(f);
        file_close(f);
    }
    pthread_mutex_unlock(&fs->lock);
    if (gone)
        file_free(f);
}
