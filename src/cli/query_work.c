/*
 * OPTIMIZE, VACUUM, RESTORE, DESCRIBE and CLONE: carried out. What they answer are rows, as a query over constants, so
 * that they come in every form that a query's result can have.
 */
#include "cli/query_work.h"

#include "cli/query_place.h"

#include <string.h>

static void add_text(struct buf *sql, const char *text)
{
    if (text)
        engine_add_literal(sql, str_of(text));
    else
        buf_puts(sql, "NULL::VARCHAR");
}

static void add_json(struct buf *sql, struct str text)
{
    if (text.n)
        engine_add_literal(sql, text);
    else
        buf_puts(sql, "NULL");
    buf_puts(sql, "::JSON");
}

static void add_number(struct buf *sql, int64_t n)
{
    if (n < 0)
        buf_puts(sql, "NULL::BIGINT");
    else
        buf_printf(sql, "%lld::BIGINT", (long long)n);
}

static void add_time(struct buf *sql, int64_t ms)
{
    if (ms < 0)
        buf_puts(sql, "NULL::TIMESTAMPTZ");
    else
        buf_printf(sql, "make_timestamptz(%lld)", (long long)ms * 1000);
}

static void add_names(struct buf *sql, const char *const *names, size_t n)
{
    buf_putc(sql, '[');
    for (size_t i = 0; i < n; i++) {
        buf_puts(sql, i ? ", " : "");
        engine_add_literal(sql, str_of(names[i]));
    }
    buf_puts(sql, "]::VARCHAR[]");
}

struct figure {
    const char *name;
    int64_t value;
};

/* One row of numbers. */
static void add_figures(struct buf *sql, const struct figure *figures, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buf_puts(sql, i ? ", " : "SELECT ");
        add_number(sql, figures[i].value);
        buf_printf(sql, " AS %s", figures[i].name);
    }
}

/* The version that a statement asks for. */
static enum ig_code find_version(struct lake_table *t, const struct query_upkeep *u, int64_t *version,
                                 struct error *err)
{
    *version = u->version;
    return u->time ? lake_version_bound(t, u->time_us / 1000, LAKE_AT, version, err) : IG_OK;
}

/* --- changes --------------------------------------------------------------------------------------------------- */

static enum ig_code optimize(struct lake_table *t, const struct query_change *c, struct buf *sql, struct error *err)
{
    const struct lake_optimize o = {
        .where = c->where,
        .zorder_by = c->columns.p,
        .n_zorder_by = c->columns.n,
        .full = c->upkeep.full,
        .purge = c->upkeep.purge,
    };
    struct lake_optimized out;

    IG_TRY(lake_optimize(t, &o, &out, err));
    add_figures(sql,
                (struct figure[]){
                    {"version", out.version},
                    {"files_considered", out.files_considered},
                    {"files_removed", out.files_removed},
                    {"bytes_removed", out.bytes_removed},
                    {"files_added", out.files_added},
                    {"bytes_added", out.bytes_added},
                    {"deletion_vectors_removed", out.vectors_removed},
                },
                7);
    return IG_OK;
}

static void add_file(void *ctx, const char *name, int64_t size_bytes, int64_t modified_ms)
{
    struct buf *sql = ctx;

    (void)modified_ms;
    buf_puts(sql, sql->n ? ", (" : "SELECT * FROM (VALUES (");
    engine_add_literal(sql, str_of(name));
    buf_puts(sql, ", ");
    add_number(sql, size_bytes);
    buf_putc(sql, ')');
}

static void ignore_file(void *ctx, const char *name, int64_t size_bytes, int64_t modified_ms)
{
    (void)ctx;
    (void)name;
    (void)size_bytes;
    (void)modified_ms;
}

static enum ig_code vacuum(struct lake_table *t, const struct query_change *c, struct buf *sql, struct error *err)
{
    const struct lake_vacuum o = {
        .retention_ms = c->upkeep.retention_ms,
        .dry_run = c->upkeep.dry_run,
        .lite = c->upkeep.lite,
        .each = c->upkeep.dry_run ? add_file : ignore_file,
        .ctx = sql,
    };
    struct lake_vacuumed out;
    const enum ig_code rc = lake_vacuum(t, &o, &out, err);

    if (rc == IG_INVALID && strstr(err->msg, "less than the table's own"))
        return error_context(err, rc, "`ingot table vacuum --force` does it all the same");
    if (rc)
        return rc;
    if (o.dry_run) {
        buf_puts(sql, sql->n ? ") AS files(path, size_bytes)"
                             : "SELECT NULL::VARCHAR AS path, NULL::BIGINT AS size_bytes WHERE false");
        return IG_OK;
    }
    add_figures(
        sql,
        (struct figure[]){
            {"version", out.version}, {"files", out.files}, {"bytes", out.bytes}, {"young_files", out.kept_files}},
        4);
    return IG_OK;
}

static enum ig_code restore(struct lake_table *t, const struct query_change *c, struct buf *sql, struct error *err)
{
    struct lake_restore o = {.timestamp = c->upkeep.time};
    struct lake_restored out;

    IG_TRY(find_version(t, &c->upkeep, &o.version, err));
    IG_TRY(lake_restore(t, &o, &out, err));
    add_figures(sql,
                (struct figure[]){
                    {"version", out.version},
                    {"restored_version", o.version},
                    {"files_restored", out.files_restored},
                    {"files_removed", out.files_removed},
                    {"files", out.files_now},
                    {"bytes", out.bytes_now},
                },
                6);
    return IG_OK;
}

static enum ig_code clone(const struct query_work *w, struct buf *sql, struct error *err)
{
    const struct query_upkeep *u = &w->c->upkeep;
    const struct lake_clone o = {.deep = u->deep};
    struct query_place place = {0};
    struct lake_snapshot *s = NULL;
    struct lake_table *from = NULL;
    struct lake_cloned out = {0};
    int64_t version;
    enum ig_code rc = query_place_open(w->env, w->project, w->arena, u->source, false, &place, err);

    if (!rc)
        rc = lake_open(place.store, w->conn, place.path, &from, err);
    if (!rc)
        rc = find_version(from, u, &version, err);
    if (!rc)
        rc = lake_snapshot_open(from, version, &s, err);
    if (rc)
        error_context(err, rc, "delta('%s')", u->source);
    if (!rc)
        rc = lake_clone(from, s, w->t, &o, &out, err);
    if (!rc)
        add_figures(sql,
                    (struct figure[]){{"version", out.version},
                                      {"cloned_version", lake_version(s)},
                                      {"files", out.files},
                                      {"bytes", out.bytes},
                                      {"copied_files", out.copied_files}},
                    5);
    lake_snapshot_free(s);
    lake_close(from);
    if (place.owned)
        store_free(place.store);
    return rc;
}

/* --- DESCRIBE -------------------------------------------------------------------------------------------------- */

#define HISTORY_COLUMNS                                                                                               \
    "version, \"timestamp\", operation, \"operationParameters\", \"userName\", \"readVersion\", \"isolationLevel\", " \
    "\"isBlindAppend\", \"operationMetrics\", \"userMetadata\", \"engineInfo\""

static enum ig_code add_commit(void *ctx, const struct lake_history_entry *e, struct error *err)
{
    struct buf *sql = ctx;

    (void)err;
    buf_printf(sql, "%s(%lld::BIGINT, ", sql->n ? ", " : "SELECT * FROM (VALUES ", (long long)e->version);
    add_time(sql, e->time_ms);
    buf_puts(sql, ", ");
    add_text(sql, e->operation);
    buf_puts(sql, ", ");
    add_json(sql, e->parameters);
    buf_puts(sql, ", ");
    add_text(sql, e->user_name);
    buf_puts(sql, ", ");
    add_number(sql, e->read_version);
    buf_puts(sql, ", ");
    add_text(sql, e->isolation_level);
    buf_printf(sql, ", %s, ", e->blind_append < 0 ? "NULL::BOOLEAN" : e->blind_append ? "true" : "false");
    add_json(sql, e->metrics);
    buf_puts(sql, ", ");
    add_text(sql, e->user_metadata);
    buf_puts(sql, ", ");
    add_text(sql, e->engine_info);
    buf_putc(sql, ')');
    return IG_OK;
}

static enum ig_code history(struct lake_table *t, const struct query_change *c, struct buf *sql, struct error *err)
{
    IG_TRY(lake_history(t, c->upkeep.limit, add_commit, sql, err));
    if (!sql->n)
        return error_set(err, IG_NOT_FOUND, "there is no commit in the log");
    buf_puts(sql, ") AS history(" HISTORY_COLUMNS ")");
    return IG_OK;
}

static enum ig_code detail(const struct query_work *w, struct buf *sql, struct error *err)
{
    struct lake_snapshot *s = NULL;
    struct lake_detail d;
    struct buf properties;
    enum ig_code rc = lake_snapshot_open(w->t, LAKE_LATEST, &s, err);

    if (!rc)
        rc = lake_detail(s, w->arena, &d, err);
    lake_snapshot_free(s);
    if (rc)
        return rc;
    buf_init(&properties, 0);
    for (size_t i = 0; i < d.n_properties; i++) {
        buf_puts(&properties, i ? "," : "{");
        json_add_string(&properties, str_of(d.properties[i].key));
        buf_putc(&properties, ':');
        json_add_string(&properties, str_of(d.properties[i].value));
    }
    buf_puts(&properties, d.n_properties ? "}" : "{}");
    buf_puts(sql, "SELECT 'delta' AS format, ");
    add_text(sql, d.id);
    buf_puts(sql, " AS id, ");
    add_text(sql, d.name);
    buf_puts(sql, " AS name, ");
    add_text(sql, d.comment);
    buf_puts(sql, " AS description, ");
    add_text(sql, w->c->place);
    buf_printf(sql, " AS location, %lld::BIGINT AS version, ", (long long)d.version);
    add_time(sql, d.created_ms);
    buf_puts(sql, " AS \"createdAt\", ");
    add_time(sql, d.committed_ms);
    buf_puts(sql, " AS \"lastModified\", ");
    add_names(sql, d.partition_by, d.n_partition_by);
    buf_puts(sql, " AS \"partitionColumns\", ");
    add_names(sql, d.cluster_by, d.n_cluster_by);
    buf_printf(sql, " AS \"clusteringColumns\", %lld::BIGINT AS \"numFiles\", %lld::BIGINT AS \"sizeInBytes\", ",
               (long long)d.n_files, (long long)d.size_bytes);
    add_number(sql, d.rows);
    buf_puts(sql, " AS \"numRows\", ");
    add_json(sql, buf_str(&properties));
    buf_printf(sql, " AS properties, %lld AS \"minReaderVersion\", %lld AS \"minWriterVersion\", ",
               (long long)d.reader_version, (long long)d.writer_version);
    add_names(sql, d.features, d.n_features);
    buf_puts(sql, " AS \"tableFeatures\"");
    buf_release(&properties);
    return IG_OK;
}

enum ig_code query_work(const struct query_work *w, struct buf *sql, struct error *err)
{
    switch (w->c->kind) {
    case QUERY_OPTIMIZE:
        return optimize(w->t, w->c, sql, err);
    case QUERY_VACUUM:
        return vacuum(w->t, w->c, sql, err);
    case QUERY_RESTORE:
        return restore(w->t, w->c, sql, err);
    case QUERY_CLONE:
        return clone(w, sql, err);
    case QUERY_HISTORY:
        return history(w->t, w->c, sql, err);
    default:
        return detail(w, sql, err);
    }
}
