/*
 * ALTER TABLE ... DROP FEATURE: where nothing of the table, as it is or was, needs the feature. That is so of features
 * that bind only writers, who look at the newest version alone, once that does not use them any more. What readers of
 * older versions need stays.
 */
#include "lake/maintain/alter.h"
#include "lake/table/features.h"

#include <string.h>

static bool stays(const struct lake_protocol *p, const char *name, const struct lake_feature *dropped)
{
    return strcmp(name, dropped->name) != 0 && lake_has_feature(p->writer_features, p->n_writer_features, name);
}

/* Do the features that stay make up just what a writer version of old stands for? 0 if not. */
static int version_of_old(const struct lake_protocol *p, const struct lake_feature *dropped)
{
    size_t n, n_left = p->n_writer_features - 1;
    const struct lake_feature *all = lake_features(&n);

    for (int version = 6; version >= 2; version--) {
        size_t n_meant = 0;
        bool same = true;

        for (size_t i = 0; i < n; i++) {
            if (all[i].writer > version)
                continue;
            n_meant++;
            same = same && stays(p, all[i].name, dropped);
        }
        if (same && n_meant == n_left)
            return version;
    }
    return 0;
}

static void add_list(struct buf *out, const char *key, const char *const *names, size_t n,
                     const struct lake_feature *dropped)
{
    const char *comma = "";

    buf_printf(out, ",\"%s\":[", key);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(names[i], dropped->name) == 0)
            continue;
        buf_puts(out, comma);
        json_add_string(out, str_of(names[i]));
        comma = ",";
    }
    buf_putc(out, ']');
}

static const char *protocol_without(struct arena *a, const struct lake_protocol *p, const struct lake_feature *dropped)
{
    const bool reads =
        p->reader >= 3 &&
        p->n_reader_features > (size_t)lake_has_feature(p->reader_features, p->n_reader_features, dropped->name);
    const int old = reads ? 0 : version_of_old(p, dropped);
    const char *text;
    struct buf out;

    if (old)
        return arena_printf(a, "{\"minReaderVersion\":%d,\"minWriterVersion\":%d}", old >= 5 ? 2 : 1, old);
    buf_init(&out, 0);
    buf_printf(&out, "{\"minReaderVersion\":%d,\"minWriterVersion\":7",
               reads            ? 3
               : p->reader >= 3 ? 1
                                : (int)p->reader);
    if (reads)
        add_list(&out, "readerFeatures", p->reader_features, p->n_reader_features, dropped);
    add_list(&out, "writerFeatures", p->writer_features, p->n_writer_features, dropped);
    buf_putc(&out, '}');
    text = arena_strndup(a, buf_cstr(&out), out.n);
    buf_release(&out);
    return text;
}

/* Why a feature cannot be dropped at once, though the table may not use it any more; NULL: it can. */
static const char *reason_to_stay(const struct lake_feature *f)
{
    static const struct {
        const char *name, *reason;
    } reasons[] = {
        {"columnMapping", "the names of columns in its files would have to be written anew: a new table of a query "
                          "(CREATE TABLE ... AS) has none"},
        {"rowTracking", "its files keep their row ids"},
        {"clustering", "its files are marked as clustered; ALTER TABLE ... CLUSTER BY NONE ends the clustering"},
        {"domainMetadata", "other features and engines keep their state there"},
        {"materializePartitionColumns", "its files hold the partition columns"},
    };

    for (size_t i = 0; i < IG_COUNT(reasons); i++)
        if (strcmp(f->name, reasons[i].name) == 0)
            return reasons[i].reason;
    if (strcmp(f->name, "vacuumProtocolCheck") == 0)
        return NULL;
    if (f->reader)
        return "older versions and checkpoints in its log may need it, and are still read";
    return f->in_use ? NULL : "ingot cannot tell whether it is in use";
}

enum ig_code lake_alter_drop_feature(struct alter *x, struct error *err)
{
    const struct lake_protocol *p = &x->s->protocol;
    const struct lake_feature *f = x->a->name ? lake_feature_find(str_of(x->a->name)) : NULL;
    const char *reason;
    size_t n;
    const struct lake_feature *all = lake_features(&n);

    if (!f)
        return error_set(err, IG_INVALID, "the table feature %s is not known", x->a->name ? x->a->name : "");
    if (!lake_has(p, f))
        return error_set(err, IG_INVALID, "the table does not have the feature %s", f->name);
    if (p->writer < 7)
        return error_set(err, IG_UNSUPPORTED,
                         "the feature %s is a part of the protocol's writer version %lld, which every engine knows",
                         f->name, (long long)p->writer);
    reason = reason_to_stay(f);
    if (reason)
        return error_set(err, IG_UNSUPPORTED, "the feature %s cannot be dropped: %s", f->name, reason);
    if (f->in_use && f->in_use(x->s))
        return error_set(err, IG_INVALID, "the feature %s is in use: turn it off, or drop what uses it, first",
                         f->name);
    for (size_t i = 0; i < n; i++)
        if (all[i].needs && strcmp(all[i].needs, f->name) == 0 && lake_has(p, &all[i]))
            return error_set(err, IG_INVALID, "the feature %s is needed by the feature %s", f->name, all[i].name);
    x->protocol = protocol_without(x->arena, p, f);
    x->operation = "DROP FEATURE";
    lake_alter_parameter(x, "featureName", f->name);
    lake_alter_parameter(x, "truncateHistory", "false");
    return IG_OK;
}
