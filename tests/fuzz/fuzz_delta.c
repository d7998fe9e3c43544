// links: lake
/* A Delta log from outside: two commits, split at byte 0x1e. A snapshot opens or says why not, and the SQL that scans
 * it is made of it. The store is in memory. */
#include "fuzz.h"
#include "lake/lake.h"

#include <stdio.h>

static struct str commits[2];

static int commit_of(const char *name)
{
    int version = -1;

    if (sscanf(name, "t/_delta_log/%20d.json", &version) != 1 || version > 1 || version < 0)
        return -1;
    return commits[version].p ? version : -1;
}

static enum ig_code mem_get(struct store *st, const char *name, struct buf *out, struct error *err)
{
    const int version = commit_of(name);

    (void)st;
    if (version < 0)
        return error_set(err, IG_NOT_FOUND, "%s", name);
    buf_add_str(out, commits[version]);
    return IG_OK;
}

static enum ig_code mem_put(struct store *st, const char *name, struct str body, enum store_put_mode mode,
                            struct error *err)
{
    (void)st;
    (void)body;
    (void)mode;
    return error_set(err, IG_UNSUPPORTED, "%s", name);
}

static enum ig_code mem_put_file(struct store *st, const char *name, const char *path, enum store_put_mode mode,
                                 struct error *err)
{
    return mem_put(st, name, str_of(path), mode, err);
}

static enum ig_code mem_stat(struct store *st, const char *name, struct store_object *out, struct error *err)
{
    const int version = commit_of(name);

    (void)st;
    if (version < 0)
        return error_set(err, IG_NOT_FOUND, "%s", name);
    *out = (struct store_object){.name = str_of(name), .size_bytes = (int64_t)commits[version].n};
    return IG_OK;
}

static enum ig_code mem_list(struct store *st, const char *prefix, store_list_fn *each, void *ctx, struct error *err)
{
    (void)st;
    for (int i = 0; i < 2; i++) {
        char name[64];
        struct store_object object;

        snprintf(name, sizeof(name), "t/_delta_log/%020d.json", i);
        if (!commits[i].p || !str_has_prefix(str_of(name), prefix))
            continue;
        object = (struct store_object){.name = str_of(name), .size_bytes = (int64_t)commits[i].n};
        IG_TRY(each(ctx, &object, err));
    }
    return IG_OK;
}

static enum ig_code mem_remove(struct store *st, const char *name, struct error *err)
{
    return mem_put(st, name, (struct str){0}, STORE_REPLACE, err);
}

static enum ig_code mem_local_path(struct store *st, const char *name, struct buf *out, struct error *err)
{
    (void)st;
    buf_printf(out, "/nowhere/%s", name);
    return buf_check(out, err, "path");
}

static void mem_free(struct store *st)
{
    (void)st;
}

static const struct store_ops ops = {.scheme = "mem",
                                     .get = mem_get,
                                     .put = mem_put,
                                     .put_file = mem_put_file,
                                     .stat = mem_stat,
                                     .list = mem_list,
                                     .remove = mem_remove,
                                     .local_path = mem_local_path,
                                     .free = mem_free};

static enum ig_code look(void *ctx, const struct lake_file *f, struct error *err)
{
    (void)ctx;
    (void)err;
    IG_ASSERT(f->name && *f->name);
    return IG_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct engine *engine; /* one for all calls: opening takes longer than a call */
    static struct engine_conn *conn;
    static struct env *env;
    const char *mark = size ? memchr(data, 0x1e, size) : NULL;
    const size_t first = mark ? (size_t)(mark - (const char *)data) : size;
    struct lake_snapshot *snapshot = NULL;
    struct lake_table *table = NULL;
    char url[] = "mem:";
    struct error err = {0};
    struct store store;
    struct buf sql;

    if (!engine) {
        const struct engine_options options = {.threads = 1};

        env = env_real_new();
        if (engine_open(&options, &engine, &err) || engine_connect(engine, &conn, &err))
            check_panic(__FILE__, __LINE__, __func__, err.msg);
    }
    store = (struct store){.ops = &ops, .env = env, .url = url};
    commits[0] = (struct str){(const char *)data, first};
    commits[1] = mark ? (struct str){mark + 1, size - first - 1} : (struct str){NULL, 0};
    buf_init(&sql, 0);
    if (lake_open(&store, conn, "t", &table, &err))
        check_panic(__FILE__, __LINE__, __func__, err.msg);
    if (lake_snapshot_open(table, LAKE_LATEST, &snapshot, &err) == IG_OK) {
        IG_ASSERT(lake_version(snapshot) == (mark ? 1 : 0));
        if (lake_files(snapshot, look, NULL, &err) == IG_OK)
            (void)!lake_add_scan(snapshot, NULL, &sql, &err);
    } else {
        IG_ASSERT(err.msg[0]);
    }
    lake_snapshot_free(snapshot);
    lake_close(table);
    buf_release(&sql);
    return 0;
}
