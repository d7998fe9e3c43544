/*
 * Scratch folders: data/tmp/WHAT-PID, each of one process, where an engine spills. What a process that was killed has
 * left there is removed by the next one.
 */
#include "platform/platform.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

struct sweep {
    struct env *env;
    const char *folder;
};

static enum ig_code sweep_entry(void *ctx, const char *name, const struct env_stat *st, struct error *err)
{
    const struct sweep *s = ctx;
    const char *dash = strrchr(name, '-');
    int64_t pid;
    struct buf path;
    enum ig_code rc;
    (void)st;
    if (!dash || !str_to_int64(str_of(dash + 1), 1, INT32_MAX, &pid) || kill((pid_t)pid, 0) == 0 || errno != ESRCH)
        return IG_OK;
    buf_init(&path, 0);
    buf_printf(&path, "%s/%s", s->folder, name);
    rc = env_remove_tree(s->env, buf_cstr(&path), err);
    buf_release(&path);
    return rc;
}

enum ig_code platform_scratch(struct env *env, const struct conf *conf, const char *what, struct buf *out,
                              struct error *err)
{
    struct buf folder;
    buf_init(&folder, 0);
    buf_printf(&folder, "%s/tmp", conf->data_dir);
    enum ig_code rc = env_make_dirs(env, buf_cstr(&folder), err);
    if (rc == IG_OK) {
        struct sweep s = {env, buf_cstr(&folder)};
        struct error ignored = {0};
        if (env_list(env, buf_cstr(&folder), sweep_entry, &s, &ignored) != IG_OK)
            log_warn(env, "platform", "what a dead process left in %s stays: %s", buf_cstr(&folder), ignored.msg);
        buf_printf(out, "%s/%s-%lld", buf_cstr(&folder), what, (long long)getpid());
    }
    buf_release(&folder);
    return rc;
}
