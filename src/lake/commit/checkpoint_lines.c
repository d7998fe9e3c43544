/*
 * A snapshot's actions as lines of JSON, as a checkpoint has them.
 */
#include "lake/commit/checkpoint.h"

#include <stdlib.h>

#define PIECE_BYTES ((size_t)1 << 20)

enum ig_code checkpoint_lines_begin(struct checkpoint_lines *l, struct env *env, const char *path, struct error *err)
{
    *l = (struct checkpoint_lines){.env = env};
    buf_init(&l->text, LAKE_COMMIT_MAX_BYTES);
    if (!path)
        return IG_OK;
    return env_open(env, path, ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_EXCLUSIVE, &l->file, err);
}

static enum ig_code flush(struct checkpoint_lines *l, struct error *err)
{
    IG_TRY(buf_check(&l->text, err, "a checkpoint"));
    if (!l->file)
        return IG_OK;
    IG_TRY(env_write(l->env, l->file, l->written, l->text.p, l->text.n, err));
    l->written += (int64_t)l->text.n;
    buf_clear(&l->text);
    return IG_OK;
}

enum ig_code checkpoint_lines_end(struct checkpoint_lines *l, struct error *err)
{
    const enum ig_code rc = flush(l, err);

    env_close(l->env, l->file);
    l->file = NULL;
    return rc;
}

void checkpoint_lines_free(struct checkpoint_lines *l)
{
    env_close(l->env, l->file);
    buf_release(&l->text);
}

static enum ig_code end_line(struct checkpoint_lines *l, size_t from, struct error *err)
{
    buf_puts(&l->text, "}}\n");
    l->actions++;
    if (l->text.n - from > l->longest)
        l->longest = l->text.n - from;
    return l->text.n >= PIECE_BYTES ? flush(l, err) : IG_OK;
}

/* --- files ------------------------------------------------------------------------------------------------- */

static void add_row_ids(const struct lake_entry *e, struct buf *out)
{
    if (lake_entry_base_row_id(e) >= 0)
        buf_printf(out, ",\"baseRowId\":%lld", (long long)lake_entry_base_row_id(e));
    if (lake_entry_row_commit_version(e) >= 0)
        buf_printf(out, ",\"defaultRowCommitVersion\":%lld", (long long)lake_entry_row_commit_version(e));
}

static void add_live(const struct lake_entry *e, struct buf *out)
{
    const struct str provider = lake_entry_clustering_provider(e);
    struct buf stats;

    buf_printf(out, ",\"modificationTime\":%lld", (long long)lake_entry_modified_ms(e));
    if (lake_entry_raw_tags(e).n)
        buf_printf(out, ",\"tags\":" STR_FMT, STR_ARG(lake_entry_raw_tags(e)));
    buf_init(&stats, 0);
    lake_entry_add_stats(e, &stats);
    if (stats.n) {
        buf_puts(out, ",\"stats\":");
        json_add_string(out, buf_str(&stats));
    }
    buf_release(&stats);
    if (provider.n)
        buf_printf(out, ",\"clusteringProvider\":\"" STR_FMT "\"", STR_ARG(provider));
}

static enum ig_code add_file(const struct lake_entry *e, struct checkpoint_lines *l, struct error *err)
{
    const bool live = lake_entry_is_live(e);
    const size_t from = l->text.n;
    struct buf *out = &l->text;

    buf_printf(out, "{\"%s\":{\"path\":\"" STR_FMT "\",\"partitionValues\":" STR_FMT ",\"size\":%lld",
               live ? "add" : "remove", STR_ARG(lake_entry_raw_path(e)), STR_ARG(lake_entry_raw_values(e)),
               (long long)lake_entry_size(e));
    buf_puts(out, ",\"dataChange\":false");
    if (live)
        add_live(e, out);
    else
        buf_printf(out, ",\"extendedFileMetadata\":true,\"deletionTimestamp\":%lld",
                   (long long)lake_entry_deleted_ms(e));
    if (lake_entry_dv(e).n)
        buf_printf(out, ",\"deletionVector\":" STR_FMT, STR_ARG(lake_entry_dv(e)));
    add_row_ids(e, out);
    l->adds += live;
    return end_line(l, from, err);
}

/* Removed files are kept for as long as a reader of an older version, or a vacuum, may ask for them. */
static int64_t keep_after(const struct lake_snapshot *s, int64_t now_ms)
{
    return now_ms - lake_interval_ms(s, "delta.deletedFileRetentionDuration", LAKE_TOMBSTONE_KEEP_MS);
}

static bool is_kept(const struct lake_entry *e, int64_t after_ms)
{
    return lake_entry_is_live(e) || lake_entry_deleted_ms(e) > after_ms;
}

enum ig_code checkpoint_add_files(const struct lake_snapshot *s, int64_t now_ms, size_t *next, int64_t most,
                                  struct checkpoint_lines *l, struct error *err)
{
    const int64_t after_ms = keep_after(s, now_ms);

    for (; *next < s->entries.n && most > 0; ++*next) {
        if (!is_kept(&s->entries.p[*next], after_ms))
            continue;
        IG_TRY(add_file(&s->entries.p[*next], l, err));
        most--;
    }
    return IG_OK;
}

int64_t checkpoint_files(const struct lake_snapshot *s, int64_t now_ms)
{
    const int64_t after_ms = keep_after(s, now_ms);
    int64_t n = 0;

    for (size_t i = 0; i < s->entries.n; i++)
        n += is_kept(&s->entries.p[i], after_ms);
    return n;
}

/* --- the others -------------------------------------------------------------------------------------------- */

static enum ig_code add_object(struct checkpoint_lines *l, const char *name, struct str raw, struct error *err)
{
    const size_t from = l->text.n;

    buf_printf(&l->text, "{\"%s\":", name);
    buf_add_str(&l->text, (struct str){raw.p, raw.n - 1}); /* without its last bracket, which end_line adds */
    return end_line(l, from, err);
}

static enum ig_code add_txn(const struct lake_txn *txn, struct checkpoint_lines *l, struct error *err)
{
    const size_t from = l->text.n;

    buf_puts(&l->text, "{\"txn\":{\"appId\":");
    json_add_string(&l->text, txn->app_id);
    buf_printf(&l->text, ",\"version\":%lld", (long long)txn->version);
    if (txn->last_updated >= 0)
        buf_printf(&l->text, ",\"lastUpdated\":%lld", (long long)txn->last_updated);
    return end_line(l, from, err);
}

enum ig_code checkpoint_add_others(const struct lake_snapshot *s, int64_t now_ms, struct checkpoint_lines *l,
                                   struct error *err)
{
    const int64_t txn_keep_ms = lake_interval_ms(s, "delta.setTransactionRetentionDuration", -1);

    IG_TRY(add_object(l, "protocol", s->protocol.raw, err));
    IG_TRY(add_object(l, "metaData", s->metadata.raw, err));
    for (size_t i = 0; i < s->txns.n; i++) {
        const struct lake_txn *txn = &s->txns.p[i];

        if (txn_keep_ms < 0 || txn->last_updated < 0 || txn->last_updated > now_ms - txn_keep_ms)
            IG_TRY(add_txn(txn, l, err));
    }
    for (size_t i = 0; i < s->domains.n; i++)
        if (!s->domains.p[i].removed)
            IG_TRY(add_object(l, "domainMetadata", s->domains.p[i].raw, err));
    return IG_OK;
}
