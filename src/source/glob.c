#include "source/glob.h"

#include <fnmatch.h>
#include <stdlib.h>

#define DEPTH_MAX 64

struct level {
    struct env *env;
    struct glob_files *out;
    const char *folder;  /* what is matched so far, without a slash at the end */
    const char *pattern; /* the rest, without a slash in front */
    int depth;
};

static enum ig_code expand(const struct level *l, struct error *err);

static bool is_plain(struct str part)
{
    for (size_t i = 0; i < part.n; i++)
        if (strchr("*?[\\", part.p[i]))
            return false;
    return true;
}

static char *join(const char *folder, struct str name)
{
    struct buf path;

    buf_init(&path, 0);
    buf_printf(&path, "%s/" STR_FMT, folder, STR_ARG(name));
    return buf_take(&path);
}

static enum ig_code add_or_descend(const struct level *l, struct str name, const struct env_stat *st, const char *rest,
                                   struct error *err)
{
    char *path = join(l->folder, name);
    enum ig_code rc = IG_OK;

    if (*rest) {
        const struct level below = {l->env, l->out, path, rest, l->depth + 1};

        if (st->is_dir)
            rc = expand(&below, err);
    } else if (!st->is_dir) {
        const struct glob_file f = {path, st->size_bytes, st->mtime_ms};

        vec_push(l->out, f);
        return IG_OK;
    }
    free(path);
    return rc;
}

struct matching {
    const struct level *level;
    char *part; /* of the pattern */
    const char *rest;
    bool any_depth;
};

static enum ig_code match_one(void *ctx, const char *name, const struct env_stat *st, struct error *err)
{
    const struct matching *m = ctx;

    if (m->any_depth) {
        if (name[0] == '.' || !st->is_dir)
            return IG_OK;
        /* `**` again, one level down. */
        return add_or_descend(m->level, str_of(name), st, m->level->pattern, err);
    }
    if (fnmatch(m->part, name, FNM_PERIOD) != 0)
        return IG_OK;
    return add_or_descend(m->level, str_of(name), st, m->rest, err);
}

static enum ig_code list_matching(const struct level *l, struct str part, const char *rest, bool any_depth,
                                  struct error *err)
{
    struct matching m = {l, check_malloc(part.n + 1), rest, any_depth};
    enum ig_code rc;

    memcpy(m.part, part.p, part.n);
    m.part[part.n] = 0;
    rc = env_list(l->env, *l->folder ? l->folder : "/", match_one, &m, err);
    free(m.part);
    return rc == IG_NOT_FOUND ? IG_OK : rc;
}

static enum ig_code expand(const struct level *l, struct error *err)
{
    const char *slash = strchr(l->pattern, '/');
    const struct str part = {l->pattern, slash ? (size_t)(slash - l->pattern) : strlen(l->pattern)};
    const char *rest = slash ? slash + 1 : "";
    struct env_stat st;
    char *path;
    enum ig_code rc;

    if (l->depth > DEPTH_MAX)
        return error_set(err, IG_LIMIT, "%s: folders are nested over %d deep", l->folder, DEPTH_MAX);
    while (*rest == '/')
        rest++;
    if (str_is(part, "**") && *rest) {
        const struct level here = {l->env, l->out, l->folder, rest, l->depth + 1};

        IG_TRY(expand(&here, err));
        return list_matching(l, part, rest, true, err);
    }
    if (!is_plain(part))
        return list_matching(l, part, rest, false, err);
    path = join(l->folder, part);
    rc = env_stat(l->env, path, &st, err);
    free(path);
    if (rc)
        return rc == IG_NOT_FOUND ? IG_OK : rc;
    return add_or_descend(l, part, &st, rest, err);
}

enum ig_code glob_expand(struct env *env, const char *pattern, struct glob_files *out, struct error *err)
{
    struct level top = {env, out, "", pattern, 0};

    IG_ASSERT(pattern[0] == '/');
    while (*top.pattern == '/')
        top.pattern++;
    return expand(&top, err);
}

static int by_path(const void *a, const void *b)
{
    const struct glob_file *x = a, *y = b;

    return strcmp(x->path, y->path);
}

void glob_sort(struct glob_files *files)
{
    size_t kept = 0;

    if (files->n == 0)
        return;
    qsort(files->p, files->n, sizeof(files->p[0]), by_path);
    for (size_t i = 0; i < files->n; i++) {
        if (kept > 0 && strcmp(files->p[kept - 1].path, files->p[i].path) == 0)
            free(files->p[i].path);
        else
            files->p[kept++] = files->p[i];
    }
    files->n = kept;
}

void glob_free(struct glob_files *files)
{
    for (size_t i = 0; i < files->n; i++)
        free(files->p[i].path);
    vec_free(files);
}
