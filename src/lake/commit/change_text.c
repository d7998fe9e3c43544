/*
 * A commit's text: the actions of a change, one JSON object a line, commitInfo first. It is made anew for every version
 * that is tried, because row ids and timestamps depend on what came before.
 */
#include "lake/log/action.h"
#include "lake/table/features.h"

#include <stdlib.h>
#include <strings.h>

#define ENGINE_INFO "ingot/" INGOT_VERSION

struct writer {
    const struct lake_attempt *a;
    const struct lake_change *c;
    struct buf *out;
    int64_t row_high; /* of row tracking, with what was assigned so far */
};

static const char *bool_text(bool b)
{
    return b ? "true" : "false";
}

static bool has_row_ids(const struct writer *w)
{
    return w->a->row_high >= -1;
}

/* Does it only add, and depend on nothing that it has read? */
static bool is_blind_append(const struct lake_change *c)
{
    return c->base && c->added && c->scope == LAKE_READ_NOTHING && c->n_removed + c->n_readds + c->n_restored == 0 &&
           !c->metadata && !c->no_data_change;
}

static const char *isolation_of(const struct lake_change *c)
{
    if (c->no_data_change)
        return "SnapshotIsolation";
    return c->base ? lake_property(c->base, "delta.isolationLevel", "Serializable") : "Serializable";
}

static void add_commit_info(struct writer *w)
{
    const struct lake_commit_options *o = w->c->options;
    const struct lake_change *c = w->c;
    struct buf *out = w->out;

    lake_seal_begin(out);
    if (w->a->in_commit_ms >= 0)
        buf_printf(out, "\"inCommitTimestamp\":%lld,", (long long)w->a->in_commit_ms);
    buf_printf(out, "\"timestamp\":%lld,\"operation\":", (long long)w->a->now_ms);
    json_add_string(out, str_of(o && o->operation ? o->operation : c->operation));
    buf_printf(out, ",\"operationParameters\":%s", c->parameters ? c->parameters : "{}");
    if (c->base)
        buf_printf(out, ",\"readVersion\":%lld", (long long)c->base->version);
    buf_puts(out, ",\"isolationLevel\":");
    json_add_string(out, str_of(isolation_of(c)));
    buf_printf(out, ",\"isBlindAppend\":%s,\"operationMetrics\":%s", bool_text(is_blind_append(c)),
               c->metrics ? c->metrics : "{}");
    if (o && o->user_metadata) {
        buf_puts(out, ",\"userMetadata\":");
        json_add_string(out, str_of(o->user_metadata));
    }
    if (w->a->keeps_row_ids)
        buf_puts(out, ",\"tags\":{\"delta.rowTracking.preserved\":\"true\"}");
    buf_printf(out, ",\"engineInfo\":\"" ENGINE_INFO "\",\"txnId\":\"%s\"}}\n", w->a->id);
}

/* "s3://bucket/x", "file:/x": what is not relative to the table stays as it was given. */
static bool is_url(const char *name)
{
    const char *colon = strpbrk(name, ":/");

    return name[0] == '/' || (colon && *colon == ':' && colon > name + 1 && colon[1] == '/');
}

static void add_path(struct writer *w, const char *name)
{
    struct buf uri;

    buf_init(&uri, 0);
    if (is_url(name))
        buf_puts(&uri, name);
    else
        lake_add_uri(&uri, str_of(name));
    json_add_string(w->out, buf_str(&uri));
    buf_release(&uri);
}

static void add_values(struct writer *w, char *const *values)
{
    const struct lake_snapshot *s = w->c->shape ? w->c->shape : w->c->base;

    buf_putc(w->out, '{');
    for (size_t i = 0; s && i < s->metadata.n_partition_columns; i++) {
        buf_puts(w->out, i ? "," : "");
        json_add_string(w->out, str_of(s->metadata.partition_fields[i]->physical));
        buf_putc(w->out, ':');
        if (values[i])
            json_add_string(w->out, str_of(values[i]));
        else
            buf_puts(w->out, "null");
    }
    buf_putc(w->out, '}');
}

static void add_row_ids(struct writer *w, int64_t first, int64_t version)
{
    if (first >= 0)
        buf_printf(w->out, ",\"baseRowId\":%lld", (long long)first);
    if (version >= 0)
        buf_printf(w->out, ",\"defaultRowCommitVersion\":%lld", (long long)version);
}

static void add_fresh_row_ids(struct writer *w, int64_t rows)
{
    add_row_ids(w, w->row_high + 1, w->a->version);
    w->row_high += rows;
}

static void add_stats_of(struct writer *w, const struct lake_entry *e);

/* What a file that is added under another name has from where it was. */
static void add_likeness(struct writer *w, const struct lake_new_file *f)
{
    const struct lake_entry *e = f->like;
    struct buf *out = w->out;

    if (!f->stats)
        add_stats_of(w, e);
    if (!f->tags && lake_entry_raw_tags(e).n)
        buf_printf(out, ",\"tags\":" STR_FMT, STR_ARG(lake_entry_raw_tags(e)));
    if (f->dv)
        buf_printf(out, ",\"deletionVector\":%s", f->dv);
    add_row_ids(w, lake_entry_base_row_id(e), lake_entry_row_commit_version(e));
    if (!f->clustering_provider && lake_entry_clustering_provider(e).n)
        buf_printf(out, ",\"clusteringProvider\":\"" STR_FMT "\"", STR_ARG(lake_entry_clustering_provider(e)));
}

static void add_add(struct writer *w, const struct lake_new_file *f)
{
    struct buf *out = w->out;

    buf_puts(out, "{\"add\":{\"path\":");
    add_path(w, f->name);
    buf_puts(out, ",\"partitionValues\":");
    if (f->like)
        buf_add_str(out, lake_entry_raw_values(f->like));
    else
        add_values(w, f->values);
    buf_printf(out, ",\"size\":%lld,\"modificationTime\":%lld,\"dataChange\":%s", (long long)f->size_bytes,
               (long long)f->modified_ms, bool_text(!w->c->no_data_change));
    if (f->stats) {
        buf_puts(out, ",\"stats\":");
        json_add_string(out, str_of(f->stats));
    }
    if (f->tags)
        buf_printf(out, ",\"tags\":%s", f->tags);
    if (f->like)
        add_likeness(w, f);
    else if (has_row_ids(w))
        add_fresh_row_ids(w, f->rows);
    if (f->clustering_provider) {
        buf_puts(out, ",\"clusteringProvider\":");
        json_add_string(out, str_of(f->clustering_provider));
    }
    buf_puts(out, "}}\n");
}

static void add_remove(struct writer *w, const struct lake_entry *e)
{
    struct buf *out = w->out;

    buf_printf(out, "{\"remove\":{\"path\":\"" STR_FMT "\",\"deletionTimestamp\":%lld,\"dataChange\":%s",
               STR_ARG(lake_entry_raw_path(e)), (long long)w->a->now_ms, bool_text(!w->c->no_data_change));
    buf_printf(out, ",\"extendedFileMetadata\":true,\"partitionValues\":" STR_FMT ",\"size\":%lld",
               STR_ARG(lake_entry_raw_values(e)), (long long)lake_entry_size(e));
    if (lake_entry_raw_tags(e).n)
        buf_printf(out, ",\"tags\":" STR_FMT, STR_ARG(lake_entry_raw_tags(e)));
    if (lake_entry_dv(e).n)
        buf_printf(out, ",\"deletionVector\":" STR_FMT, STR_ARG(lake_entry_dv(e)));
    add_row_ids(w, lake_entry_base_row_id(e), lake_entry_row_commit_version(e));
    buf_puts(out, "}}\n");
}

static void add_stats_of(struct writer *w, const struct lake_entry *e)
{
    struct buf stats;

    buf_init(&stats, 0);
    lake_entry_add_stats(e, &stats);
    if (stats.n) {
        buf_puts(w->out, ",\"stats\":");
        json_add_string(w->out, buf_str(&stats));
    }
    buf_release(&stats);
}

/* The file's statistics with another number of rows and tightBounds. */
static void add_readd_stats(struct writer *w, const struct lake_readd *r)
{
    struct json_value key, v;
    struct json_reader in;
    struct buf old, text;

    buf_init(&old, 0);
    buf_init(&text, 0);
    lake_entry_add_stats(r->entry, &old);
    buf_printf(&text, "{\"numRecords\":%lld,\"tightBounds\":%s", (long long)r->rows, bool_text(r->tight));
    json_reader_init(&in, buf_str(&old));
    if (old.n && json_begin(&in, &v) && v.type == JSON_OBJECT)
        while (json_next_key(&in, &key) && json_read(&in, &v))
            if (v.type == JSON_OBJECT)
                buf_printf(&text, ",\"" STR_FMT "\":" STR_FMT, STR_ARG(key.raw), STR_ARG(v.raw));
    buf_putc(&text, '}');
    buf_puts(w->out, ",\"stats\":");
    json_add_string(w->out, buf_str(&text));
    buf_release(&text);
    buf_release(&old);
}

/* An entry of the log added again; with `r` its deletion vector is another one. `rows`: of the file, for fresh ids. */
static void add_entry(struct writer *w, const struct lake_entry *e, const struct lake_readd *r, int64_t rows)
{
    const struct str dv = r ? str_of(r->dv) : lake_entry_dv(e);
    struct buf *out = w->out;

    buf_printf(out, "{\"add\":{\"path\":\"" STR_FMT "\",\"partitionValues\":" STR_FMT, STR_ARG(lake_entry_raw_path(e)),
               STR_ARG(lake_entry_raw_values(e)));
    buf_printf(out, ",\"size\":%lld,\"modificationTime\":%lld,\"dataChange\":%s", (long long)lake_entry_size(e),
               (long long)lake_entry_modified_ms(e), bool_text(!w->c->no_data_change));
    if (r)
        add_readd_stats(w, r);
    else
        add_stats_of(w, e);
    if (lake_entry_raw_tags(e).n)
        buf_printf(out, ",\"tags\":" STR_FMT, STR_ARG(lake_entry_raw_tags(e)));
    if (dv.n)
        buf_printf(out, ",\"deletionVector\":" STR_FMT, STR_ARG(dv));
    if (lake_entry_base_row_id(e) >= 0)
        add_row_ids(w, lake_entry_base_row_id(e), lake_entry_row_commit_version(e));
    else if (has_row_ids(w))
        add_fresh_row_ids(w, rows);
    if (lake_entry_clustering_provider(e).n)
        buf_printf(out, ",\"clusteringProvider\":\"" STR_FMT "\"", STR_ARG(lake_entry_clustering_provider(e)));
    buf_puts(out, "}}\n");
}

static void add_change_data(struct writer *w, const struct lake_new_file *f)
{
    buf_puts(w->out, "{\"cdc\":{\"path\":");
    add_path(w, f->name);
    buf_puts(w->out, ",\"partitionValues\":");
    add_values(w, f->values);
    buf_printf(w->out, ",\"size\":%lld,\"dataChange\":false}}\n", (long long)f->size_bytes);
}

static void add_txn(struct writer *w)
{
    const struct lake_commit_options *o = w->c->options;

    if (!o || !o->app_id)
        return;
    buf_puts(w->out, "{\"txn\":{\"appId\":");
    json_add_string(w->out, str_of(o->app_id));
    buf_printf(w->out, ",\"version\":%lld,\"lastUpdated\":%lld}}\n", (long long)o->app_version,
               (long long)w->a->now_ms);
}

static void add_row_high(struct writer *w)
{
    if (has_row_ids(w) && w->row_high > w->a->row_high)
        buf_printf(w->out,
                   "{\"domainMetadata\":{\"domain\":\"delta.rowTracking\",\"configuration\":\"{\\\"rowIdHighWaterMark"
                   "\\\":%lld}\",\"removed\":false}}\n",
                   (long long)w->row_high);
}

/* The properties, with what says since when the table has in-commit timestamps: since this commit, whichever it is. */
static void add_properties(const struct lake_attempt *a, struct str properties, struct buf *out)
{
    struct json_value key, v;
    struct json_reader r;
    bool first = true;

    buf_putc(out, '{');
    json_reader_init(&r, properties);
    json_begin(&r, &v);
    while (json_next_key(&r, &key) && json_read(&r, &v)) {
        buf_printf(out, "%s\"" STR_FMT "\":", first ? "" : ",", STR_ARG(key.raw));
        first = false;
        if (json_key_is(&key, STR("delta.inCommitTimestampEnablementVersion")))
            buf_printf(out, "\"%lld\"", (long long)a->version);
        else if (json_key_is(&key, STR("delta.inCommitTimestampEnablementTimestamp")))
            buf_printf(out, "\"%lld\"", (long long)a->in_commit_ms);
        else if (v.type == JSON_STRING)
            buf_printf(out, "\"" STR_FMT "\"", STR_ARG(v.raw));
        else
            buf_add_str(out, v.raw);
    }
    buf_putc(out, '}');
}

void lake_add_new_metadata(const struct lake_attempt *a, struct buf *out)
{
    const struct lake_snapshot *base = a->change->base;
    const bool begins = base && a->in_commit_ms >= 0 && !lake_uses(base, "inCommitTimestamp");
    struct json_value key, v;
    struct json_reader r;
    bool first = true;

    if (!begins) {
        buf_puts(out, a->change->metadata);
        return;
    }
    buf_putc(out, '{');
    json_reader_init(&r, str_of(a->change->metadata));
    json_begin(&r, &v);
    while (json_next_key(&r, &key) && json_read(&r, &v)) {
        buf_printf(out, "%s\"" STR_FMT "\":", first ? "" : ",", STR_ARG(key.raw));
        first = false;
        if (json_key_is(&key, STR("configuration")) && v.type == JSON_OBJECT)
            add_properties(a, v.raw, out);
        else if (v.type == JSON_STRING)
            buf_printf(out, "\"" STR_FMT "\"", STR_ARG(v.raw));
        else
            buf_add_str(out, v.raw);
    }
    buf_putc(out, '}');
}

enum ig_code lake_add_commit_text(const struct lake_attempt *a, struct buf *out, struct error *err)
{
    const struct lake_change *c = a->change;
    struct writer w = {a, c, out, a->row_high};

    add_commit_info(&w);
    if (c->protocol)
        buf_printf(out, "{\"protocol\":%s}\n", c->protocol);
    if (c->metadata) {
        buf_puts(out, "{\"metaData\":");
        lake_add_new_metadata(a, out);
        buf_puts(out, "}\n");
    }
    add_txn(&w);
    for (size_t i = 0; i < c->n_domains; i++)
        buf_printf(out, "{\"domainMetadata\":%s}\n", c->domains[i]);
    for (size_t i = 0; i < c->n_removed; i++)
        add_remove(&w, c->removed[i]);
    for (size_t i = 0; i < c->n_readds; i++) {
        add_remove(&w, c->readds[i].entry);
        add_entry(&w, c->readds[i].entry, &c->readds[i], c->readds[i].rows);
    }
    for (size_t i = 0; i < c->n_restored; i++)
        add_entry(&w, c->restored[i], NULL, c->restored_rows ? c->restored_rows[i] : lake_entry_rows(c->restored[i]));
    for (size_t i = 0; i < c->n_backfills; i++)
        add_entry(&w, c->backfills[i].entry, NULL, c->backfills[i].rows);
    for (size_t i = 0; c->added && i < c->added->list.n; i++)
        add_add(&w, &c->added->list.p[i]);
    for (size_t i = 0; c->change_data && i < c->change_data->list.n; i++)
        add_change_data(&w, &c->change_data->list.p[i]);
    add_row_high(&w);
    IG_TRY(buf_check(out, err, "a commit"));
    lake_seal_end(out);
    return IG_OK;
}
