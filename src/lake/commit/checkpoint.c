/*
 * Writing checkpoints: the state of a version, so that readers need not begin at the first commit. Classic ones are one
 * Parquet file; where the table asks for V2 (delta.checkpointPolicy), a JSON file under a fresh name, which holds the
 * files too while they are few, and else names sidecars, which are Parquet. Then the hint where the newest one is.
 *
 * A checkpoint repeats what the log says. Nothing is lost when it fails, and two that are made at once say the same.
 */
#include "lake/commit/checkpoint.h"
#include "lake/log/action.h"

#include "lake/log/seal.h"
#include "lake/table/features.h"

#include <stdlib.h>

#define INLINE_FILES_MAX 5000 /* of a V2 checkpoint without sidecars */
#define SIDECAR_FILES 500000

struct writing {
    struct lake_table *t;
    const struct lake_snapshot *s;
    int64_t now_ms;
    struct checkpoint_columns columns;
    int64_t size_bytes, actions, adds; /* of what was written */
};

static bool is_property(const struct lake_snapshot *s, const char *name, const char *otherwise, const char *value)
{
    return strcmp(lake_property(s, name, otherwise), value) == 0;
}

/* --- Parquet ----------------------------------------------------------------------------------------------- */

/* Fills the lines of one Parquet file. */
typedef enum ig_code fill_fn(struct writing *w, void *ctx, struct checkpoint_lines *l, struct error *err);

static enum ig_code write_parquet(struct writing *w, const char *object, enum store_put_mode mode, fill_fn *fill,
                                  void *ctx, int64_t *size_bytes, struct error *err)
{
    struct store *st = w->t->store;
    struct checkpoint_lines lines = {.env = st->env};
    struct env_stat written = {0};
    struct buf json, parquet;
    enum ig_code rc;

    buf_init(&json, 0);
    buf_init(&parquet, 0);
    rc = store_scratch_path(st, ".json", &json, err);
    if (!rc)
        rc = store_scratch_path(st, ".parquet", &parquet, err);
    if (!rc)
        rc = checkpoint_lines_begin(&lines, st->env, buf_cstr(&json), err);
    if (!rc)
        rc = fill(w, ctx, &lines, err);
    if (!rc)
        rc = checkpoint_lines_end(&lines, err);
    if (!rc)
        rc = checkpoint_to_parquet(w->t, w->s, &w->columns, buf_cstr(&json), buf_cstr(&parquet), lines.longest, err);
    if (!rc)
        rc = lake_seal_file(st->env, buf_cstr(&parquet), err);
    if (!rc)
        rc = env_stat(st->env, buf_cstr(&parquet), &written, err);
    if (!rc)
        rc = store_put_file(st, object, buf_cstr(&parquet), mode, err);
    *size_bytes = written.size_bytes;
    w->actions += lines.actions;
    w->adds += lines.adds;
    checkpoint_lines_free(&lines);
    (void)!env_unlink(st->env, buf_cstr(&json), NULL);
    (void)!env_unlink(st->env, buf_cstr(&parquet), NULL);
    buf_release(&parquet);
    buf_release(&json);
    return rc;
}

static enum ig_code fill_classic(struct writing *w, void *ctx, struct checkpoint_lines *l, struct error *err)
{
    size_t next = 0;

    (void)ctx;
    IG_TRY(checkpoint_add_others(w->s, w->now_ms, l, err));
    return checkpoint_add_files(w->s, w->now_ms, &next, INT64_MAX, l, err);
}

static enum ig_code write_classic(struct writing *w, struct error *err)
{
    struct buf name;
    enum ig_code rc;

    if (!w->t->conn)
        return error_set(err, IG_INVALID, "a classic checkpoint is made by the engine, and there is none");
    buf_init(&name, 0);
    lake_add_log_name(&name, w->t->path, w->s->version, ".checkpoint.parquet");
    /* two writers may make the same one; either is right */
    rc = write_parquet(w, buf_cstr(&name), STORE_REPLACE, fill_classic, NULL, &w->size_bytes, err);
    buf_release(&name);
    return rc;
}

/* --- V2 ---------------------------------------------------------------------------------------------------- */

static enum ig_code fill_sidecar(struct writing *w, void *ctx, struct checkpoint_lines *l, struct error *err)
{
    return checkpoint_add_files(w->s, w->now_ms, ctx, SIDECAR_FILES, l, err);
}

/* The files, in as many sidecars as it takes; `actions` gets the lines that name them. */
static enum ig_code write_sidecars(struct writing *w, struct buf *actions, struct error *err)
{
    enum ig_code rc = IG_OK;
    struct buf name;
    size_t next = 0;

    buf_init(&name, 0);
    w->columns.files_only = true;
    while (next < w->s->entries.n && !rc) {
        const int64_t before = w->actions;
        int64_t size_bytes = 0;
        char uuid[37];

        env_uuid(w->t->store->env, uuid);
        buf_clear(&name);
        lake_add_log_name(&name, w->t->path, -1, "_sidecars/");
        buf_printf(&name, "%s.parquet", uuid);
        rc = write_parquet(w, buf_cstr(&name), STORE_IF_ABSENT, fill_sidecar, &next, &size_bytes, err);
        if (!rc && w->actions > before)
            buf_printf(actions,
                       "{\"sidecar\":{\"path\":\"%s.parquet\",\"sizeInBytes\":%lld,\"modificationTime\":%lld}}\n", uuid,
                       (long long)size_bytes, (long long)w->now_ms);
        w->size_bytes += size_bytes;
    }
    buf_release(&name);
    return rc;
}

static enum ig_code fill_top(struct writing *w, bool with_files, struct checkpoint_lines *l, struct error *err)
{
    size_t next = 0;

    lake_seal_begin_checkpoint(&l->text);
    buf_printf(&l->text, "\"version\":%lld}}\n", (long long)w->s->version);
    l->actions++;
    IG_TRY(checkpoint_add_others(w->s, w->now_ms, l, err));
    return with_files ? checkpoint_add_files(w->s, w->now_ms, &next, INT64_MAX, l, err) : IG_OK;
}

static enum ig_code write_v2(struct writing *w, struct error *err)
{
    const bool with_files =
        !w->t->conn || (checkpoint_files(w->s, w->now_ms) <= INLINE_FILES_MAX && !w->columns.parsed_stats);
    struct checkpoint_lines lines;
    struct buf sidecars, name;
    char uuid[37];
    enum ig_code rc;

    buf_init(&sidecars, 0);
    buf_init(&name, 0);
    rc = checkpoint_lines_begin(&lines, w->t->store->env, NULL, err);
    if (!rc && !with_files)
        rc = write_sidecars(w, &sidecars, err);
    if (!rc)
        rc = fill_top(w, with_files, &lines, err);
    buf_add_str(&lines.text, buf_str(&sidecars));
    if (!rc)
        rc = buf_check(&lines.text, err, "a checkpoint");
    lake_seal_end(&lines.text);
    env_uuid(w->t->store->env, uuid);
    lake_add_log_name(&name, w->t->path, w->s->version, ".checkpoint.");
    buf_printf(&name, "%s.json", uuid);
    if (!rc)
        rc = store_put(w->t->store, buf_cstr(&name), buf_str(&lines.text), STORE_IF_ABSENT, err);
    w->actions += lines.actions;
    w->adds += lines.adds;
    w->size_bytes += (int64_t)lines.text.n;
    checkpoint_lines_free(&lines);
    buf_release(&name);
    buf_release(&sidecars);
    return rc;
}

/* --- the hint ---------------------------------------------------------------------------------------------- */

/* Does it name a newer one? Who was slow does not turn readers back. */
static bool hint_is_newer(struct lake_table *t, const char *name, int64_t version)
{
    int64_t there = -1;
    struct buf text;

    buf_init(&text, 0);
    if (!store_get(t->store, name, &text, NULL) && !json_member_int64(buf_str(&text), "version", &there))
        there = -1;
    buf_release(&text);
    return there > version;
}

/* The checksum is over the members in the order of their names, as the protocol spells it. */
static enum ig_code put_hint(struct writing *w, struct error *err)
{
    struct buf name, canonical, text;
    enum ig_code rc = IG_OK;
    char digest[33];

    buf_init(&name, 0);
    buf_init(&canonical, 0);
    buf_init(&text, 0);
    lake_add_log_name(&name, w->t->path, -1, "_last_checkpoint");
    buf_printf(&canonical, "\"numOfAddFiles\"=%lld,\"size\"=%lld,\"sizeInBytes\"=%lld,\"version\"=%lld",
               (long long)w->adds, (long long)w->actions, (long long)w->size_bytes, (long long)w->s->version);
    hash_md5_hex(canonical.p, canonical.n, digest);
    buf_printf(&text,
               "{\"version\":%lld,\"size\":%lld,\"sizeInBytes\":%lld,\"numOfAddFiles\":%lld,\"checksum\":\"%s\"}",
               (long long)w->s->version, (long long)w->actions, (long long)w->size_bytes, (long long)w->adds, digest);
    if (!hint_is_newer(w->t, buf_cstr(&name), w->s->version))
        rc = store_put(w->t->store, buf_cstr(&name), buf_str(&text), STORE_REPLACE, err);
    buf_release(&text);
    buf_release(&canonical);
    buf_release(&name);
    return rc;
}

/* --- a checkpoint ------------------------------------------------------------------------------------------ */

enum ig_code lake_checkpoint_write(struct lake_table *t, const struct lake_snapshot *s, struct error *err)
{
    struct writing w = {.t = t, .s = s, .now_ms = env_now_ms(t->store->env)};
    const bool v2 = is_property(s, "delta.checkpointPolicy", "classic", "v2") &&
                    lake_has(&s->protocol, lake_feature_find(STR("v2Checkpoint")));

    w.columns.parsed_stats = is_property(s, "delta.checkpoint.writeStatsAsStruct", "false", "true");
    w.columns.json_stats = !is_property(s, "delta.checkpoint.writeStatsAsJson", "true", "false");
    IG_TRY(v2 ? write_v2(&w, err) : write_classic(&w, err));
    return put_hint(&w, err);
}

enum ig_code lake_checkpoint(struct lake_table *t, int64_t version, struct error *err)
{
    struct lake_snapshot *s = NULL;
    enum ig_code rc = lake_snapshot_open(t, version, &s, err);

    if (!rc)
        rc = lake_checkpoint_write(t, s, err);
    lake_snapshot_free(s);
    return rc;
}
