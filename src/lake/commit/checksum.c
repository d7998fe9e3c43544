/*
 * The version checksum (VERSION.crc): how many files and bytes a version has, beside each commit of ours, so that
 * readers can see that the log is whole. It is made of the version before and the commit; where that one's is not
 * known, there is none. It is never overwritten, and nothing depends on it.
 */
#include "lake/lake_internal.h"

struct sums {
    int64_t bytes, files;
};

/* Those of the version before: of the snapshot that the commit was made from, or of its own checksum. */
static bool sums_before(const struct lake_attempt *a, struct sums *out)
{
    const struct lake_snapshot *base = a->change->base;
    struct buf name, text;
    bool known;

    *out = (struct sums){0};
    if (!base)
        return true;
    if (a->version == base->version + 1) {
        *out = (struct sums){lake_size_bytes(base), (int64_t)lake_file_count(base)};
        return true;
    }
    buf_init(&name, 0);
    buf_init(&text, 0);
    lake_add_log_name(&name, a->t->path, a->version - 1, ".crc");
    known = !store_get(a->t->store, buf_cstr(&name), &text, NULL) &&
            json_member_int64(buf_str(&text), "tableSizeBytes", &out->bytes) &&
            json_member_int64(buf_str(&text), "numFiles", &out->files) && out->bytes >= 0 && out->files >= 0;
    buf_release(&text);
    buf_release(&name);
    return known;
}

static void add_change(const struct lake_change *c, struct sums *sum)
{
    for (size_t i = 0; i < c->n_removed; i++)
        sum->bytes -= lake_entry_size(c->removed[i]);
    sum->files -= (int64_t)c->n_removed;
    for (size_t i = 0; i < c->n_restored; i++)
        sum->bytes += lake_entry_size(c->restored[i]);
    sum->files += (int64_t)c->n_restored;
    if (c->added) {
        sum->files += (int64_t)c->added->list.n;
        for (size_t i = 0; i < c->added->list.n; i++)
            sum->bytes += c->added->list.p[i].size_bytes;
    }
}

/* Spark compares what is there, and takes what is not. */
static void add_checksum(const struct lake_attempt *a, const struct sums *sum, struct buf *out)
{
    const struct lake_change *c = a->change;
    const struct str protocol = c->protocol ? str_of(c->protocol) : c->base->protocol.raw;

    buf_printf(out, "{\"txnId\":\"%s\",\"tableSizeBytes\":%lld,\"numFiles\":%lld,\"numMetadata\":1,\"numProtocol\":1",
               a->id, (long long)sum->bytes, (long long)sum->files);
    if (a->in_commit_ms >= 0)
        buf_printf(out, ",\"inCommitTimestampOpt\":%lld", (long long)a->in_commit_ms);
    buf_puts(out, ",\"metadata\":");
    if (c->metadata)
        lake_add_new_metadata(a, out);
    else
        buf_add_str(out, c->base->metadata.raw);
    buf_puts(out, ",\"protocol\":");
    buf_add_str(out, protocol);
    buf_puts(out, "}\n");
}

void lake_checksum_put(const struct lake_attempt *a)
{
    struct buf name, text;
    struct sums sum;
    const bool rebased = a->change->base && a->version != a->change->base->version + 1;

    /* Files that are added again may be live already. */
    if ((rebased && a->change->n_restored) || a->metadata_moved)
        return;
    if (!sums_before(a, &sum))
        return;
    buf_init(&name, 0);
    buf_init(&text, 0);
    add_change(a->change, &sum);
    add_checksum(a, &sum, &text);
    lake_add_log_name(&name, a->t->path, a->version, ".crc");
    if (sum.bytes >= 0 && sum.files >= 0 && !text.overflow)
        (void)!store_put(a->t->store, buf_cstr(&name), buf_str(&text), STORE_IF_ABSENT, NULL);
    buf_release(&text);
    buf_release(&name);
}
