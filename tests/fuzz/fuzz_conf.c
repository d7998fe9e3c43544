// links: conf
/* A project from outside: ingot.yml, a domain.yml and an .env, split at bytes 0x1e. Whatever is in them, loading ends
 * with a checked project or with mistakes that each have a place. The files are in memory: an env whose disk is
 * `files`. */
#include "conf/conf.h"
#include "fuzz.h"

#include <stdio.h>

struct env_file {
    struct str content;
};
static struct {
    const char *suffix;
    struct env_file file;
} files[] = {{"/ingot.yml", {{0}}}, {"/domains/orders/domain.yml", {{0}}}, {"/.env", {{0}}}};

static struct env_file *find(const char *path)
{
    for (size_t i = 0; i < IG_COUNT(files); i++)
        if (str_has_suffix(str_of(path), files[i].suffix))
            return &files[i].file;
    return NULL;
}

static enum ig_code mem_open(struct env *env, const char *path, unsigned flags, struct env_file **out,
                             struct error *err)
{
    (void)env;
    (void)flags;
    *out = find(path);
    return *out ? IG_OK : error_set(err, IG_NOT_FOUND, "%s", path);
}

static void mem_close(struct env *env, struct env_file *f)
{
    (void)env;
    (void)f;
}

static enum ig_code mem_read(struct env *env, struct env_file *f, int64_t at, void *p, size_t n, size_t *done,
                             struct error *err)
{
    const size_t from = (size_t)at < f->content.n ? (size_t)at : f->content.n;

    (void)env;
    (void)err;
    *done = n < f->content.n - from ? n : f->content.n - from;
    if (*done)
        memcpy(p, f->content.p + from, *done);
    return IG_OK;
}

static enum ig_code mem_size(struct env *env, struct env_file *f, int64_t *size, struct error *err)
{
    (void)env;
    (void)err;
    *size = (int64_t)f->content.n;
    return IG_OK;
}

static enum ig_code mem_stat(struct env *env, const char *path, struct env_stat *st, struct error *err)
{
    const struct env_file *f = find(path);

    (void)env;
    if (!f)
        return error_set(err, IG_NOT_FOUND, "%s", path);
    *st = (struct env_stat){.size_bytes = (int64_t)f->content.n};
    return IG_OK;
}

static enum ig_code mem_list(struct env *env, const char *path, env_list_fn *each, void *ctx, struct error *err)
{
    static const struct env_stat folder = {.is_dir = true}, file = {0};

    (void)env;
    if (str_has_suffix(str_of(path), "/domains"))
        return each(ctx, "orders", &folder, err);
    if (str_has_suffix(str_of(path), "/domains/orders"))
        return each(ctx, "domain.yml", &file, err);
    return error_set(err, IG_NOT_FOUND, "%s", path);
}

static const struct env_ops ops = {
    .open = mem_open, .close = mem_close, .read = mem_read, .size = mem_size, .stat = mem_stat, .list = mem_list};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct env env = {.ops = &ops, .log_level = ENV_LOG_ERROR};
    struct str rest = {(const char *)data, size};
    struct conf_problems problems = {0};
    struct conf *conf = NULL;
    struct error err = {0};
    struct buf text;
    enum ig_code rc;

    for (size_t i = 0; i < IG_COUNT(files); i++) {
        const char *mark = rest.n ? memchr(rest.p, 0x1e, rest.n) : NULL;
        const size_t n = mark ? (size_t)(mark - rest.p) : rest.n;

        files[i].file.content = (struct str){rest.p, n};
        rest = mark ? (struct str){mark + 1, rest.n - n - 1} : (struct str){"", 0};
    }
    rc = conf_load(&env, "/", &conf, &problems, &err);
    IG_ASSERT(rc == IG_OK || problems.n > 0 || err.msg[0]);
    for (size_t i = 0; i < problems.n; i++)
        IG_ASSERT(problems.p[i].line > 0 && problems.p[i].column > 0 && problems.p[i].text[0]);
    if (rc == IG_OK) {
        buf_init(&text, 0);
        conf_print(conf, &text);
        buf_release(&text);
    }
    conf_problems_free(&problems);
    conf_free(conf);
    return 0;
}
