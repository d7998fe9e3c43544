/*
 * RESTORE: the difference between two versions, as one commit. Before it is made, all files that come back are looked
 * for: a version whose files a vacuum has taken is not half restored.
 */
#include "lake/parquet/footer.h"
#include "lake/table/features.h"
#include "lake/table/metadata.h"

#include <stdlib.h>
#include <strings.h>

#define STAT_MAX 200 /* more files than this are looked for by listing the table */

struct restorer {
    struct lake_table *t;
    const struct lake_restore *o;
    struct lake_restored *out;
    const struct lake_snapshot *now, *then;
    VEC(const struct lake_entry *) restored;
    VEC(const struct lake_entry *) removed;
    struct arena arena;
    VEC(const char *) domains;
};

/* --- which files --------------------------------------------------------------------------------------------- */

static void compare(struct restorer *r)
{
    for (size_t i = 0; i < r->then->entries.n; i++) {
        const struct lake_entry *e = &r->then->entries.p[i];

        if (lake_entry_is_live(e) && !lake_snapshot_find(r->now, lake_entry_name(e), lake_entry_dv_id(e)))
            vec_push(&r->restored, e);
    }
    for (size_t i = 0; i < r->now->entries.n; i++) {
        const struct lake_entry *e = &r->now->entries.p[i];

        if (lake_entry_is_live(e) && !lake_snapshot_find(r->then, lake_entry_name(e), lake_entry_dv_id(e)))
            vec_push(&r->removed, e);
    }
}

/* --- are they there? ----------------------------------------------------------------------------------------- */

/* Files that are gone are taken out of what is restored, if that is allowed. */
static enum ig_code look_for_files(struct restorer *r, struct error *err)
{
    struct lake_presence p;
    enum ig_code rc = lake_presence_open(&p, r->t, r->restored.n > STAT_MAX, err);
    struct str first = {0};
    size_t kept = 0;

    for (size_t i = 0; i < r->restored.n && !rc; i++) {
        const struct lake_entry *e = r->restored.p[i];
        enum lake_presence_state state = LAKE_FILE_THERE;
        struct str gone = lake_entry_name(e);
        struct buf dv;

        buf_init(&dv, 0);
        rc = lake_presence_of(&p, gone, lake_entry_size(e), &state, err);
        if (!rc && state == LAKE_FILE_THERE && lake_entry_dv(e).n)
            rc = lake_dv_file(lake_entry_dv(e), &dv, err);
        if (!rc && dv.n) {
            gone = buf_str(&dv);
            rc = lake_presence_of(&p, gone, -1, &state, err);
        }
        if (!rc && state == LAKE_FILE_THERE)
            r->restored.p[kept++] = e;
        else if (!rc && r->out->files_missing++ == 0)
            first = arena_str(&r->arena, gone);
        buf_release(&dv);
    }
    if (!rc && r->out->files_missing && !r->o->ignore_missing)
        rc = error_set(err, IG_NOT_FOUND,
                       "version %lld cannot be restored: %lld of the %zu files that it needs back are gone: " STR_FMT
                       "%s " LAKE_WHY_GONE,
                       (long long)r->then->version, (long long)r->out->files_missing, r->restored.n, STR_ARG(first),
                       r->out->files_missing > 1 ? ", ..." : "");
    r->restored.n = rc ? r->restored.n : kept;
    lake_presence_close(&p);
    return rc;
}

/* --- their rows ---------------------------------------------------------------------------------------------- */

static enum ig_code read_rows(struct restorer *r, const struct lake_entry *e, int64_t *rows, struct error *err)
{
    struct footer footer;
    struct arena arena;
    struct buf path;
    enum ig_code rc;

    arena_init(&arena);
    buf_init(&path, 0);
    rc = lake_entry_path(r->then, e, &path, err);
    if (!rc)
        rc = lake_footer_read(r->t->store->env, buf_cstr(&path), &arena, &footer, err);
    if (!rc)
        *rows = footer.n_rows;
    buf_release(&path);
    arena_release(&arena);
    return rc ? error_context(err, rc, "the rows of the file " STR_FMT, STR_ARG(lake_entry_name(e))) : IG_OK;
}

static bool gives_row_ids(const struct lake_snapshot *s)
{
    return lake_has_feature(s->protocol.writer_features, s->protocol.n_writer_features, "rowTracking");
}

/* A file that is from before its table had row ids gets some, as many as it has rows. */
static enum ig_code count_rows(struct restorer *r, const int64_t **out, struct error *err)
{
    const bool ids = gives_row_ids(r->now) || gives_row_ids(r->then);
    int64_t *rows = ARENA_ARRAY(&r->arena, int64_t, r->restored.n + 1);

    for (size_t i = 0; i < r->restored.n; i++) {
        const struct lake_entry *e = r->restored.p[i];

        rows[i] = lake_entry_rows(e);
        if (ids && rows[i] < 0 && lake_entry_base_row_id(e) < 0)
            IG_TRY(read_rows(r, e, &rows[i], err));
    }
    *out = rows;
    return IG_OK;
}

/* --- protocol, metadata, domains ----------------------------------------------------------------------------- */

static bool names_feature(const char *const *names, size_t n, const char *name)
{
    return lake_has_feature(names, n, name);
}

static void add_features(const char *const *a, size_t n_a, const char *const *b, size_t n_b, struct buf *out)
{
    bool any = false;

    buf_putc(out, '[');
    for (size_t i = 0; i < n_a + n_b; i++) {
        const char *name = i < n_a ? a[i] : b[i - n_a];

        if (i >= n_a && names_feature(a, n_a, name))
            continue;
        buf_puts(out, any ? "," : "");
        json_add_string(out, str_of(name));
        any = true;
    }
    buf_putc(out, ']');
}

/* Nothing that the table has gained is given up; a feature that was dropped since comes back. NULL: as it is. */
static const char *restored_protocol(struct restorer *r)
{
    const struct lake_protocol *now = &r->now->protocol, *then = &r->then->protocol;
    const char *text = NULL;
    bool differs = then->reader > now->reader || then->writer > now->writer;
    struct buf out;

    for (size_t i = 0; i < then->n_writer_features; i++)
        differs = differs || !names_feature(now->writer_features, now->n_writer_features, then->writer_features[i]);
    for (size_t i = 0; i < then->n_reader_features; i++)
        differs = differs || !names_feature(now->reader_features, now->n_reader_features, then->reader_features[i]);
    if (!differs)
        return NULL;
    if (now->writer < 7 || then->writer < 7) /* one of the two holds all of the other, by their order */
        return arena_strndup(&r->arena, then->writer >= now->writer ? then->raw.p : now->raw.p,
                             then->writer >= now->writer ? then->raw.n : now->raw.n);
    buf_init(&out, 0);
    buf_printf(&out, "{\"minReaderVersion\":%lld,\"minWriterVersion\":7",
               (long long)(now->reader > then->reader ? now->reader : then->reader));
    if (now->reader >= 3 || then->reader >= 3) {
        buf_puts(&out, ",\"readerFeatures\":");
        add_features(now->reader_features, now->n_reader_features, then->reader_features, then->n_reader_features,
                     &out);
    }
    buf_puts(&out, ",\"writerFeatures\":");
    add_features(now->writer_features, now->n_writer_features, then->writer_features, then->n_writer_features, &out);
    buf_putc(&out, '}');
    text = arena_strndup(&r->arena, buf_cstr(&out), out.n);
    buf_release(&out);
    return text;
}

/* Properties that go on as they are: the clock of commits, and the highest column id that was ever given. */
static bool goes_on(const char *key)
{
    return strcasecmp(key, "delta.enableInCommitTimestamps") == 0 ||
           strcasecmp(key, "delta.inCommitTimestampEnablementVersion") == 0 ||
           strcasecmp(key, "delta.inCommitTimestampEnablementTimestamp") == 0 ||
           strcasecmp(key, "delta.columnMapping.maxColumnId") == 0;
}

static void add_configuration(const struct restorer *r, struct buf *out)
{
    const struct lake_metadata *sources[] = {&r->then->metadata, &r->now->metadata};
    bool any = false;

    buf_putc(out, '{');
    for (size_t k = 0; k < IG_COUNT(sources); k++)
        for (size_t i = 0; i < sources[k]->n_properties; i++) {
            const struct lake_property *p = &sources[k]->properties[i];

            if (goes_on(p->key) != (k == 1))
                continue;
            buf_puts(out, any ? "," : "");
            json_add_string(out, str_of(p->key));
            buf_putc(out, ':');
            json_add_string(out, str_of(p->value));
            any = true;
        }
    buf_putc(out, '}');
}

/* The older metaData with the properties that go on. NULL: it is the same. */
static const char *restored_metadata(struct restorer *r)
{
    const struct str then = r->then->metadata.raw;
    const char *text;
    struct buf configuration;

    if (str_eq(then, r->now->metadata.raw))
        return NULL;
    buf_init(&configuration, 0);
    add_configuration(r, &configuration);
    text =
        lake_object_set(&r->arena, arena_strndup(&r->arena, then.p, then.n), "configuration", buf_cstr(&configuration));
    buf_release(&configuration);
    return text;
}

/* Clustering columns and what others keep go back, too; row ids are never given twice, so their mark stays. */
static void restore_domains(struct restorer *r)
{
    for (size_t i = 0; i < r->then->domains.n; i++) {
        const struct lake_domain *d = &r->then->domains.p[i], *now = lake_domain_find(r->now, d->name);

        if (!d->removed && !str_is(d->name, "delta.rowTracking") && !(now && str_eq(now->raw, d->raw)))
            vec_push(&r->domains, arena_strndup(&r->arena, d->raw.p, d->raw.n));
    }
    for (size_t i = 0; i < r->now->domains.n; i++) {
        const struct lake_domain *d = &r->now->domains.p[i];
        struct buf out;

        if (d->removed || str_is(d->name, "delta.rowTracking") || lake_domain_find(r->then, d->name))
            continue;
        buf_init(&out, 0);
        buf_puts(&out, "{\"domain\":");
        json_add_string(&out, d->name);
        buf_puts(&out, ",\"configuration\":\"{}\",\"removed\":true}");
        vec_push(&r->domains, arena_strndup(&r->arena, buf_cstr(&out), out.n));
        buf_release(&out);
    }
}

/* --- the commit ---------------------------------------------------------------------------------------------- */

static void count(struct restorer *r)
{
    struct lake_restored *out = r->out;

    out->files_restored = (int64_t)r->restored.n;
    out->files_removed = (int64_t)r->removed.n;
    for (size_t i = 0; i < r->restored.n; i++)
        out->bytes_restored += lake_entry_size(r->restored.p[i]);
    for (size_t i = 0; i < r->removed.n; i++)
        out->bytes_removed += lake_entry_size(r->removed.p[i]);
    out->files_now = (int64_t)lake_file_count(r->now) + out->files_restored - out->files_removed;
    out->bytes_now = lake_size_bytes(r->now) + out->bytes_restored - out->bytes_removed;
}

static void add_texts(const struct restorer *r, struct buf *parameters, struct buf *metrics)
{
    const struct lake_restored *out = r->out;

    if (r->o->timestamp) {
        buf_puts(parameters, "{\"version\":null,\"timestamp\":");
        json_add_string(parameters, str_of(r->o->timestamp));
        buf_putc(parameters, '}');
    } else {
        buf_printf(parameters, "{\"version\":\"%lld\",\"timestamp\":null}", (long long)r->then->version);
    }
    buf_printf(metrics,
               "{\"tableSizeAfterRestore\":\"%lld\",\"numOfFilesAfterRestore\":\"%lld\",\"numRemovedFiles\":\"%lld\","
               "\"numRestoredFiles\":\"%lld\",\"removedFilesSize\":\"%lld\",\"restoredFilesSize\":\"%lld\"}",
               (long long)out->bytes_now, (long long)out->files_now, (long long)out->files_removed,
               (long long)out->files_restored, (long long)out->bytes_removed, (long long)out->bytes_restored);
}

static enum ig_code restore(struct restorer *r, struct error *err)
{
    struct lake_change change = {
        .base = r->now,
        .scope = LAKE_READ_ALL,
        .operation = "RESTORE",
    };
    struct buf parameters, metrics;
    enum ig_code rc;

    compare(r);
    IG_TRY(lake_check_writable(r->now, r->removed.n > 0, err));
    IG_TRY(lake_check_writable(r->then, false, err));
    IG_TRY(look_for_files(r, err));
    count(r);
    change.protocol = restored_protocol(r);
    change.metadata = restored_metadata(r);
    restore_domains(r);
    if (r->o->dry_run || (!r->restored.n && !r->removed.n && !change.protocol && !change.metadata && !r->domains.n))
        return IG_OK;
    IG_TRY(count_rows(r, &change.restored_rows, err));
    buf_init(&parameters, 0);
    buf_init(&metrics, 0);
    add_texts(r, &parameters, &metrics);
    change.restored = r->restored.p;
    change.n_restored = r->restored.n;
    change.removed = r->removed.p;
    change.n_removed = r->removed.n;
    change.domains = r->domains.p;
    change.n_domains = r->domains.n;
    change.parameters = buf_cstr(&parameters);
    change.metrics = buf_cstr(&metrics);
    rc = lake_commit(r->t, &change, &r->out->version, err);
    buf_release(&metrics);
    buf_release(&parameters);
    return rc;
}

enum ig_code lake_restore(struct lake_table *t, const struct lake_restore *o, struct lake_restored *out,
                          struct error *err)
{
    struct restorer r = {.t = t, .o = o, .out = out};
    struct lake_snapshot *now = NULL, *then = NULL;
    enum ig_code rc;

    *out = (struct lake_restored){0};
    arena_init(&r.arena);
    rc = lake_snapshot_latest(t, &now, err);
    if (!rc) {
        out->version = now->version;
        rc = lake_snapshot_open(t, o->version, &then, err);
    }
    if (!rc) {
        r.now = now;
        r.then = then;
        rc = restore(&r, err);
    }
    vec_free(&r.domains);
    vec_free(&r.removed);
    vec_free(&r.restored);
    arena_release(&r.arena);
    lake_snapshot_free(then);
    lake_snapshot_free(now);
    return rc ? error_context(err, rc, "restore %s", *t->path ? t->path : t->store->url) : IG_OK;
}
