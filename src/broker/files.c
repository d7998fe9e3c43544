#include "broker/files.h"

#include <stdlib.h>

struct file {
    struct files *fs;
    struct file *older, *newer; /* among the open ones without a pin */
    struct env_file *open;
    size_t pins;
    bool released;
    char path[];
};

struct files {
    struct env *env;
    struct file *oldest, *newest;
    size_t n_open, max_open;
};

struct files *files_new(struct env *env, size_t max_open)
{
    struct files *fs = check_calloc(1, sizeof(*fs));

    fs->env = env;
    fs->max_open = max_open;
    return fs;
}

void files_free(struct files *fs)
{
    IG_ASSERT(!fs || fs->n_open == 0);
    free(fs);
}

struct file *file_new(struct files *fs, const char *path)
{
    const size_t n = strlen(path) + 1;
    struct file *f = check_calloc(1, sizeof(*f) + n);

    f->fs = fs;
    memcpy(f->path, path, n);
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

enum ig_code file_pin(struct file *f, bool create, struct env_file **out, struct error *err)
{
    struct files *fs = f->fs;

    if (!f->open) {
        const unsigned how =
            ENV_OPEN_READ | ENV_OPEN_WRITE | (create ? (unsigned)(ENV_OPEN_CREATE | ENV_OPEN_TRUNCATE) : 0);

        while (fs->n_open >= fs->max_open && fs->oldest) {
            struct file *idle = fs->oldest;

            idle_remove(idle);
            file_close(idle);
        }
        IG_TRY(env_open(fs->env, f->path, how, &f->open, err));
        fs->n_open++;
    } else if (f->pins == 0) {
        idle_remove(f);
    }
    f->pins++;
    *out = f->open;
    return IG_OK;
}

void file_unpin(struct file *f)
{
    IG_ASSERT(f->pins > 0);
    if (--f->pins > 0)
        return;
    if (f->released) {
        file_close(f);
        free(f);
    } else {
        idle_add(f);
    }
}

void file_release(struct file *f)
{
    if (!f)
        return;
    f->released = true;
    if (f->pins > 0)
        return;
    if (f->open) {
        idle_remove(f);
        file_close(f);
    }
    free(f);
}
