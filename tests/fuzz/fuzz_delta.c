// links: lake
/* A Delta log from outside: up to two commits, a compacted range, the checksum file and a V2 checkpoint's text, split
 * at bytes 0x1e. A snapshot opens or says why not, the SQL that scans it and its changes is made of it, and its history
 * is told. The store is in memory. */
#include "fuzz.h"
#include "lake/lake.h"

#include <stdio.h>

/* In the order of their names, as a store lists them. */
static const char *const names[] = {
    "t/_delta_log/00000000000000000000.00000000000000000001.compacted.json",
    "t/_delta_log/00000000000000000000.json",
    "t/_delta_log/00000000000000000001.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.json",
    "t/_delta_log/00000000000000000001.crc",
    "t/_delta_log/00000000000000000001.json",
};
#define FILES (sizeof(names) / sizeof(names[0]))
/* The parts of the input, in the order in which they come there. */
static const size_t places[FILES] = {1, 4, 3, 2, 0};
static struct str files[FILES];

static int file_of(const char *name)
{
    for (size_t i = 0; i < FILES; i++)
        if (strcmp(name, names[i]) == 0 && files[i].p)
            return (int)i;
    return -1;
}

static enum ig_code mem_get(struct store *st, const char *name, struct buf *out, struct error *err)
{
    const int file = file_of(name);

    (void)st;
    if (file < 0)
        return error_set(err, IG_NOT_FOUND, "%s", name);
    buf_add_str(out, files[file]);
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
    const int file = file_of(name);

    (void)st;
    if (file < 0)
        return error_set(err, IG_NOT_FOUND, "%s", name);
    *out = (struct store_object){.name = str_of(name), .size_bytes = (int64_t)files[file].n};
    return IG_OK;
}

static enum ig_code mem_list(struct store *st, const char *prefix, store_list_fn *each, void *ctx, struct error *err)
{
    (void)st;
    for (size_t i = 0; i < FILES; i++) {
        const struct store_object object = {.name = str_of(names[i]), .size_bytes = (int64_t)files[i].n};

        if (files[i].p && str_has_prefix(object.name, prefix))
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

static enum ig_code hear(void *ctx, const struct lake_history_entry *e, struct error *err)
{
    (void)ctx;
    (void)err;
    IG_ASSERT(e->version >= 0);
    return IG_OK;
}

static void split(struct str data)
{
    const char *p = data.p, *end = data.p + data.n;
    size_t part = 0;

    for (size_t i = 0; i < FILES; i++)
        files[i] = (struct str){NULL, 0};
    for (; part < FILES; part++) {
        const char *mark = p < end && part + 1 < FILES ? memchr(p, 0x1e, (size_t)(end - p)) : NULL;
        const char *stop = mark ? mark : end;

        if (stop > p || part == 0)
            files[places[part]] = (struct str){p, (size_t)(stop - p)};
        if (!mark)
            return;
        p = mark + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct engine *engine; /* one for all calls: opening takes longer than a call */
    static struct engine_conn *conn;
    static struct env *env;
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
    split((struct str){(const char *)data, size});
    buf_init(&sql, 0);
    if (lake_open(&store, conn, "t", &table, &err))
        check_panic(__FILE__, __LINE__, __func__, err.msg);
    if (lake_snapshot_open(table, LAKE_LATEST, &snapshot, &err) == IG_OK) {
        IG_ASSERT(lake_version(snapshot) == (files[4].p || files[2].p ? 1 : 0));
        if (lake_files(snapshot, look, NULL, &err) == IG_OK)
            (void)!lake_add_scan(snapshot, NULL, &sql, &err);
    } else {
        IG_ASSERT(err.msg[0]);
    }
    buf_clear(&sql);
    (void)!lake_add_changes(table, 0, LAKE_LATEST, &sql, &err);
    (void)!lake_history(table, 0, hear, NULL, &err);
    lake_snapshot_free(snapshot);
    lake_close(table);
    buf_release(&sql);
    return 0;
}
