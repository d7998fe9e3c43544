#include "cli/table_open.h"

#include "cli/cli_log.h"
#include "platform/platform.h"
#include "stage/stage.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define WATCH_PAUSE_MS 5

/* --- project and engine -------------------------------------------------------------------------------------- */

static int find_project(struct cli_lake *l)
{
    struct error err = {0};
    struct buf folder;
    enum ig_code rc = IG_OK;

    if (l->conf)
        return CLI_OK;
    buf_init(&folder, 0);
    if (!l->c->global.project)
        rc = cli_find_project(l->c, &folder, &err);
    buf_release(&folder);
    if (rc == IG_NOT_FOUND)
        return CLI_OK;
    return rc ? cli_error(l->c, &err) : cli_load_project(l->c, &l->conf);
}

int cli_lake_open_project(struct cli_lake *l)
{
    struct error err = {0};
    const int status = find_project(l);

    if (status || !l->conf || l->store)
        return status;
    return platform_open_store(l->c->env, l->conf, &l->store, &err) ? cli_error(l->c, &err) : CLI_OK;
}

int cli_lake_open_engine(struct cli_lake *l, const char *memory)
{
    struct engine_options engine = {.unordered = false};
    struct error err = {0};
    struct buf temp;
    enum ig_code rc = IG_OK;

    if (memory && !str_to_bytes(str_of(memory), &engine.memory_bytes))
        return cli_usage(l->c, "--memory is a size like 2GB, not '%s'", memory);
    buf_init(&temp, 0);
    if (l->conf) {
        engine.memory_bytes = memory ? engine.memory_bytes : l->conf->memory_bytes;
        engine.threads = l->conf->threads;
        rc = platform_scratch(l->c->env, l->conf, "table", &temp, &err);
    } else {
        buf_printf(&temp, "%s/ingot-table-%ld", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", (long)getpid());
    }
    engine.temp_dir = buf_cstr(&temp);
    if (!rc)
        rc = engine_open(&engine, &l->engine, &err);
    if (!rc)
        rc = engine_connect(l->engine, &l->conn, &err);
    buf_release(&temp);
    return rc ? cli_error(l->c, &err) : CLI_OK;
}

/* --- from a word to a table ---------------------------------------------------------------------------------- */

static bool is_url(const char *word)
{
    return strstr(word, "://") || str_has_prefix(str_of(word), "file:");
}

static bool is_path(const char *word)
{
    return word[0] == '/' || word[0] == '.' || word[0] == '~';
}

/* Does the word, a name with slashes or dots, name the table that is at `path` in the store? */
static bool names_path(const char *word, const char *path)
{
    for (; *word && *path; word++, path++)
        if (*word != *path && !(*word == '.' && *path == '/'))
            return false;
    return *path == '\0' && (*word == '\0' || strcmp(word, "/") == 0);
}

/* silver/orders, silver.orders, orders; gold/orders/daily, gold.daily, daily; quarantine/orders; partition_meta. */
static bool matches(const char *word, const char *path, const char *schema, const char *name)
{
    const size_t n = strlen(schema);

    if (names_path(word, path))
        return true;
    if (strncmp(word, schema, n) == 0 && (word[n] == '.' || word[n] == '/'))
        return strcmp(word + n + 1, name) == 0;
    return false;
}

/* The path of the project's table that the word names; false if it names none. Gold tables go before domains where a
 * bare name means both, as in a query. */
static bool project_path(const struct conf *conf, const char *word, struct buf *out)
{
    for (int bare = 0; bare < 2; bare++) {
        for (size_t i = 0; i < conf->n_domains; i++) {
            const struct conf_domain *d = &conf->domains[i];

            for (size_t k = 0; k < d->n_gold; k++) {
                buf_clear(out);
                stage_gold_path(d, &d->gold[k], out);
                if (bare ? strcmp(word, d->gold[k].name) == 0 : matches(word, buf_cstr(out), "gold", d->gold[k].name))
                    return true;
            }
        }
        for (size_t i = 0; i < conf->n_domains; i++) {
            const struct conf_domain *d = &conf->domains[i];

            buf_clear(out);
            stage_silver_path(d, out);
            if (bare ? strcmp(word, d->name) == 0 : matches(word, buf_cstr(out), "silver", d->name))
                return true;
            buf_clear(out);
            stage_quarantine_path(d, out);
            if (!bare && matches(word, buf_cstr(out), "quarantine", d->name))
                return true;
        }
    }
    buf_clear(out);
    buf_puts(out, "metadata/partition_meta");
    return strcmp(word, "partition_meta") == 0 || matches(word, buf_cstr(out), "metadata", "partition_meta");
}

/* A store whose root is the table. */
static int open_place(struct cli_lake *l, const char *word, enum cli_lake_need need)
{
    const char *path = str_has_prefix(str_of(word), "file://") ? NULL : word;
    struct error err = {0};
    struct stat st;
    char *whole;

    if (is_url(word) && !str_has_prefix(str_of(word), "file:")) {
        l->location = word;
        return store_open(l->c->env, word, &l->store, &err) ? cli_error(l->c, &err) : CLI_OK;
    }
    if (!path)
        path = str_has_prefix(str_of(word), "file://localhost/") ? word + strlen("file://localhost")
                                                                 : word + strlen("file://");
    else if (str_has_prefix(str_of(path), "file:"))
        path += strlen("file:");
    if (stat(path, &st) != 0 && need != CLI_LAKE_ANYWHERE)
        return cli_errorf(l->c, "%s: there is no such folder%s", word,
                          l->conf ? ", and the project has no table of that name" : "");
    if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
        return cli_errorf(l->c, "%s is no folder: a table is the folder that has _delta_log in it", word);
    whole = realpath(path, NULL);
    l->location = arena_strdup(&l->c->arena, whole ? whole : path);
    free(whole);
    return store_open(l->c->env, arena_printf(&l->c->arena, "file:%s", l->location), &l->store, &err)
               ? cli_error(l->c, &err)
               : CLI_OK;
}

/* NAME@VERSION: only where what stands behind the @ is a version, so that folders may have an @ in their names. */
static const char *cut_version(struct cli_lake *l, const char *word)
{
    const char *at = strrchr(word, '@');
    int64_t version;

    if (!at || at == word || !str_to_int64(str_of(at + 1), 0, INT64_MAX, &version))
        return word;
    l->at = at + 1;
    return arena_strndup(&l->c->arena, word, (size_t)(at - word));
}

static int find_table(struct cli_lake *l, const char *word, enum cli_lake_need need)
{
    struct buf path;
    struct stat st;
    bool found = false;
    int status;

    if (is_url(word) || is_path(word))
        return open_place(l, word, need);
    status = cli_lake_open_project(l);
    if (status)
        return status;
    buf_init(&path, 0);
    if (l->conf)
        found = project_path(l->conf, word, &path);
    /* A bare name may be a folder here as well: then the folder is meant. */
    if (found && !strpbrk(word, "./") && stat(word, &st) == 0)
        found = false;
    if (found) {
        l->path = arena_strdup(&l->c->arena, buf_cstr(&path));
        l->location = arena_printf(&l->c->arena, "%s/%s", l->store->url, l->path);
    }
    buf_release(&path);
    if (found)
        return CLI_OK;
    store_free(l->store);
    l->store = NULL;
    return open_place(l, word, need);
}

int cli_lake_open(struct cli_context *c, const char *word, enum cli_lake_need need, const char *memory,
                  struct cli_lake *out)
{
    struct error err = {0};
    int64_t bytes;
    int status;

    *out = (struct cli_lake){.c = c, .path = "", .memory = memory};
    if (memory && !str_to_bytes(str_of(memory), &bytes))
        return cli_usage(c, "--memory is a size like 2GB, not '%s'", memory);
    word = need == CLI_LAKE_ANYWHERE ? word : cut_version(out, word);
    out->shown = word;
    status = find_table(out, word, need);
    if (!status && need != CLI_LAKE_LOG)
        status = cli_lake_open_engine(out, memory);
    if (!status && lake_open(out->store, out->conn, out->path, &out->table, &err))
        status = cli_error(c, &err);
    return status;
}

int cli_lake_close(struct cli_lake *l, int status)
{
    lake_close(l->table);
    engine_disconnect(l->conn);
    engine_close(l->engine);
    store_free(l->store);
    conf_free(l->conf);
    *l = (struct cli_lake){.c = l->c};
    return status;
}

/* --- versions ------------------------------------------------------------------------------------------------ */

enum ig_code cli_lake_version(struct cli_lake *l, const char *text, int64_t *out, struct error *err)
{
    struct cli_when when;
    int64_t us;

    if (str_to_int64(str_of(text), 0, INT64_MAX, out))
        return IG_OK;
    if (timestamp_parse(str_of(text), &us))
        return lake_version_at(l->table, us / 1000 - (us % 1000 < 0), out, err);
    if (!cli_parse_when(text, env_now_ms(l->c->env), &when) || when.kind != CLI_WHEN_TIME)
        return error_set(err, IG_INVALID,
                         "'%s' is no version: give its number, a time like 2024-01-15T06:00:00Z, or -1h", text);
    return lake_version_at(l->table, when.value, out, err);
}

/* The log has a file that only the engine reads. */
static enum ig_code snapshot_by_engine(struct cli_lake *l, int64_t version, struct lake_snapshot **out, int *status,
                                       struct error *err)
{
    lake_close(l->table);
    l->table = NULL;
    *status = cli_lake_open_engine(l, l->memory);
    if (*status)
        return IG_OK;
    IG_TRY(lake_open(l->store, l->conn, l->path, &l->table, err));
    return lake_snapshot_open(l->table, version, out, err);
}

int cli_lake_snapshot(struct cli_lake *l, const char *at, struct lake_snapshot **out)
{
    int status = CLI_OK;
    struct error err = {0};
    int64_t version = LAKE_LATEST;
    enum ig_code rc = IG_OK;

    *out = NULL;
    if (at && l->at)
        return cli_usage(l->c, "give the version once: behind the @, or with --at");
    at = at ? at : l->at;
    if (at)
        rc = cli_lake_version(l, at, &version, &err);
    if (!rc)
        rc = lake_snapshot_open(l->table, version, out, &err);
    if (rc == IG_UNSUPPORTED && !l->conn)
        rc = snapshot_by_engine(l, version, out, &status, &err);
    if (status)
        return status;
    if (rc == IG_NOT_FOUND && strstr(err.msg, "there is no table"))
        return cli_errorf(l->c, "%s: there is no Delta table (no _delta_log with commits)", l->shown);
    return rc ? cli_error(l->c, &err) : CLI_OK;
}

/* --- interruption -------------------------------------------------------------------------------------------- */

struct watcher {
    struct cli_lake *l;
    atomic_bool over;
};

static void watch(void *arg)
{
    struct watcher *w = arg;

    while (!atomic_load(&w->over)) {
        if (*w->l->c->stop)
            engine_interrupt(w->l->conn);
        env_sleep_ms(w->l->c->env, WATCH_PAUSE_MS);
    }
}

int cli_lake_interruptible(struct cli_lake *l, int (*work)(struct cli_lake *l, void *ctx), void *ctx)
{
    struct watcher w = {.l = l};
    struct env_thread *thread = NULL;
    struct error err = {0};
    int status;

    atomic_init(&w.over, false);
    cli_catch_signals(l->c);
    if (env_spawn(l->c->env, "watch", watch, &w, &thread, &err))
        return cli_error(l->c, &err);
    status = work(l, ctx);
    atomic_store(&w.over, true);
    env_join(l->c->env, thread);
    return status;
}
