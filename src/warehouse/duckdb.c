/*
 * The DuckDB warehouse: a file that is open only while a load runs, so that analysts can use it in between. DuckDB
 * locks the file for one writing process; a load waits a while for its turn, then says who is in the way.
 */
#include "warehouse/warehouse_internal.h"

#include <pthread.h>
#include <stdlib.h>

#define LOCK_WAIT_MS 10000
#define LOCK_FIRST_PAUSE_MS 20
#define LOCK_LONGEST_PAUSE_MS 500
#define LOAD_MEMORY_BYTES (INT64_C(256) << 20)

struct duckdb_warehouse {
    struct warehouse base;
    char *path;
    /* One load at a time: file locks hold between processes only, and two instances of DuckDB writing one file from the
     * same process would not notice each other. */
    pthread_mutex_t lock;
};

static struct duckdb_warehouse *self_of(struct warehouse *w)
{
    return (struct duckdb_warehouse *)w;
}

/* --- the file -------------------------------------------------------------------------------------------------- */

/* The folder of the file, by make (with what is missing) or sync. */
static enum ig_code with_parent(struct env *env, const char *path,
                                enum ig_code (*what)(struct env *, const char *, struct error *), struct error *err)
{
    const char *slash = strrchr(path, '/');
    char *parent = slash && slash != path ? check_strdup(path) : check_strdup(slash ? "/" : ".");
    enum ig_code rc;

    if (slash && slash != path)
        parent[slash - path] = '\0';
    rc = what(env, parent, err);
    free(parent);
    return rc;
}

static enum ig_code make_database(const char *path, struct error *err)
{
    const struct engine_options options = {.path = path, .memory_bytes = LOAD_MEMORY_BYTES};
    struct engine *e = NULL;
    struct engine_conn *c = NULL;
    enum ig_code rc = engine_open(&options, &e, err);

    if (!rc)
        rc = engine_connect(e, &c, err);
    if (!rc)
        rc = engine_exec(c, err, "CREATE SCHEMA gold; CHECKPOINT");
    engine_disconnect(c);
    engine_close(e);
    return rc;
}

/* A new warehouse is made beside and then given its name: a death in between leaves no half of a file, which no program
 * could open any more. */
static enum ig_code create(struct env *env, const char *path, struct error *err)
{
    struct buf beside, wal;
    enum ig_code rc = with_parent(env, path, env_make_dirs, err);

    buf_init(&beside, 0);
    buf_init(&wal, 0);
    buf_printf(&beside, "%s.new", path);
    buf_printf(&wal, "%s.new.wal", path);
    (void)!env_unlink(env, buf_cstr(&beside), NULL);
    (void)!env_unlink(env, buf_cstr(&wal), NULL);
    if (!rc)
        rc = make_database(buf_cstr(&beside), err);
    if (!rc)
        rc = env_link(env, buf_cstr(&beside), path, err);
    if (rc == IG_EXISTS) /* somebody else was quicker */
        rc = IG_OK;
    (void)!env_unlink(env, buf_cstr(&beside), NULL);
    if (!rc)
        rc = with_parent(env, path, env_sync_dir, err);
    buf_release(&wal);
    buf_release(&beside);
    return rc;
}

/* The file is a database that another program may have open: waits up to LOCK_WAIT_MS for it. */
static enum ig_code open_waiting(struct duckdb_warehouse *w, bool read_only, struct engine **out, struct error *err)
{
    const struct engine_options options = {.path = w->path, .read_only = read_only, .memory_bytes = LOAD_MEMORY_BYTES};
    const int64_t until_ms = env_monotonic_ms(w->base.env) + LOCK_WAIT_MS;
    int64_t pause_ms = LOCK_FIRST_PAUSE_MS;

    for (;;) {
        const enum ig_code rc = engine_open(&options, out, err);

        if (rc != IG_UNAVAILABLE)
            return rc;
        if (env_monotonic_ms(w->base.env) + pause_ms > until_ms)
            return error_context(err, rc, "another program has kept the file locked for %d s; close it there",
                                 LOCK_WAIT_MS / 1000);
        env_sleep_ms(w->base.env, pause_ms);
        pause_ms = pause_ms * 2 > LOCK_LONGEST_PAUSE_MS ? LOCK_LONGEST_PAUSE_MS : pause_ms * 2;
    }
}

/* --- operations ------------------------------------------------------------------------------------------------ */

static enum ig_code load(struct warehouse *base, const struct warehouse_load *what, struct warehouse_result *out,
                         struct error *err)
{
    struct duckdb_warehouse *w = self_of(base);
    struct engine *e = NULL;
    struct engine_conn *c = NULL;
    struct error checkpoint_err = {0};
    struct env_stat st;
    enum ig_code rc;

    pthread_mutex_lock(&w->lock);
    rc = env_stat(base->env, w->path, &st, err);
    if (rc == IG_NOT_FOUND)
        rc = create(base->env, w->path, err);
    if (!rc)
        rc = open_waiting(w, false, &e, err);
    if (!rc)
        rc = engine_connect(e, &c, err);
    if (!rc)
        rc = warehouse_duckdb_load(base->env, c, what, out, err);
    /* The commit is durable in the write-ahead log already; this only folds it into the one file that people copy. */
    if (!rc && !out->already_loaded && engine_exec(c, &checkpoint_err, "CHECKPOINT"))
        log_warn(base->env, "warehouse", "checkpoint of %s: %s", w->path, checkpoint_err.msg);
    engine_disconnect(c);
    engine_close(e);
    pthread_mutex_unlock(&w->lock);
    return rc;
}

static enum ig_code query_version(struct engine_conn *c, const char *domain, const char *table, int64_t *version,
                                  struct error *err)
{
    struct buf sql;
    int64_t known = 0;
    enum ig_code rc;

    *version = -1;
    rc = engine_query_int64(c,
                            "SELECT count(*) FROM duckdb_tables() WHERE schema_name = 'gold' AND "
                            "table_name = '_ingot_loads'",
                            &known, err);
    if (rc || !known)
        return rc;
    buf_init(&sql, 0);
    buf_puts(&sql, "SELECT delta_version FROM gold._ingot_loads WHERE domain = ");
    engine_add_literal(&sql, str_of(domain));
    buf_puts(&sql, " AND table_name = ");
    engine_add_literal(&sql, str_of(table));
    rc = engine_query_int64(c, buf_cstr(&sql), version, err);
    buf_release(&sql);
    return rc == IG_NOT_FOUND ? IG_OK : rc;
}

static enum ig_code loaded_version(struct warehouse *base, const char *domain, const char *table, int64_t *version,
                                   struct error *err)
{
    struct duckdb_warehouse *w = self_of(base);
    struct engine *e = NULL;
    struct engine_conn *c = NULL;
    struct env_stat st;
    enum ig_code rc;

    *version = -1;
    rc = env_stat(base->env, w->path, &st, err);
    if (rc)
        return rc == IG_NOT_FOUND ? IG_OK : rc;
    pthread_mutex_lock(&w->lock);
    rc = open_waiting(w, true, &e, err);
    if (!rc)
        rc = engine_connect(e, &c, err);
    if (!rc)
        rc = query_version(c, domain, table, version, err);
    engine_disconnect(c);
    engine_close(e);
    pthread_mutex_unlock(&w->lock);
    return rc;
}

static void release(struct warehouse *base)
{
    struct duckdb_warehouse *w = self_of(base);

    pthread_mutex_destroy(&w->lock);
    free(w->path);
    free(w);
}

static const struct warehouse_ops ops = {
    .scheme = "duckdb",
    .load = load,
    .loaded_version = loaded_version,
    .free = release,
};

enum ig_code warehouse_duckdb_open(struct env *env, const char *path, struct warehouse **out, struct error *err)
{
    struct duckdb_warehouse *w;

    if (path[0] == '\0')
        return error_set(err, IG_INVALID, "warehouse: duckdb: needs a file, as in duckdb:./data/warehouse.duckdb");
    w = check_calloc(1, sizeof(*w));
    w->base = (struct warehouse){&ops, env};
    w->path = check_strdup(path);
    pthread_mutex_init(&w->lock, NULL);
    *out = &w->base;
    return IG_OK;
}
