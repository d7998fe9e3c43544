/*
 * What is different between two versions of a table: files, and rows by reading only the files that differ.
 */
#include "lake/lake_internal.h"

static bool is_shared(const struct lake_snapshot *other, const struct lake_entry *e)
{
    return lake_snapshot_find(other, lake_entry_name(e), lake_entry_dv_id(e)) != NULL;
}

static enum ig_code walk(const struct lake_snapshot *s, const struct lake_snapshot *other, bool added,
                         lake_diff_fn *each, void *ctx, struct lake_diff *out, struct error *err)
{
    int64_t *files = added ? &out->files_added : &out->files_removed;
    int64_t *bytes = added ? &out->bytes_added : &out->bytes_removed;
    int64_t *rows = added ? &out->rows_added : &out->rows_removed;

    for (size_t i = 0; i < s->entries.n; i++) {
        const struct lake_entry *e = &s->entries.p[i];
        struct lake_file f;

        if (!lake_entry_is_live(e))
            continue;
        if (is_shared(other, e)) {
            out->files_kept += added;
            continue;
        }
        lake_entry_describe(e, &f);
        ++*files;
        *bytes += f.size_bytes;
        *rows = f.rows < 0 || *rows < 0 ? -1 : *rows + f.rows - f.deleted_rows;
        if (each)
            IG_TRY(each(ctx, added, &f, err));
    }
    return IG_OK;
}

enum ig_code lake_diff(const struct lake_snapshot *a, const struct lake_snapshot *b, lake_diff_fn *each, void *ctx,
                       struct lake_diff *out, struct error *err)
{
    *out = (struct lake_diff){0};
    IG_TRY(walk(a, b, false, each, ctx, out, err));
    return walk(b, a, true, each, ctx, out, err);
}

/* --- rows ------------------------------------------------------------------------------------------------------ */

/* SELECT of `shape`'s columns from the files that `other` does not have; what the version lacks is null. */
static enum ig_code add_side(const struct lake_snapshot *s, const struct lake_snapshot *other,
                             const struct lake_snapshot *shape, struct buf *sql, struct error *err)
{
    VEC(const struct lake_entry *) entries = {0};
    enum ig_code rc;

    for (size_t i = 0; i < s->entries.n; i++)
        if (lake_entry_is_live(&s->entries.p[i]) && !is_shared(other, &s->entries.p[i]))
            vec_push(&entries, &s->entries.p[i]);
    buf_puts(sql, "SELECT ");
    for (size_t i = 0; i < shape->metadata.schema->n_fields; i++) {
        const struct schema_field *f = &shape->metadata.schema->fields[i];

        buf_puts(sql, i ? ", CAST(" : "CAST(");
        if (schema_find(s->metadata.schema, str_of(f->name)))
            engine_add_name(sql, str_of(f->name));
        else
            buf_puts(sql, "NULL");
        buf_puts(sql, " AS ");
        schema_add_sql(sql, f->type);
        buf_puts(sql, ") AS ");
        engine_add_name(sql, str_of(f->name));
    }
    buf_puts(sql, " FROM ");
    rc = lake_add_scan_of(s, entries.p, entries.n, NULL, sql, err);
    vec_free(&entries);
    return rc;
}

enum ig_code lake_add_diff(const struct lake_snapshot *a, const struct lake_snapshot *b, struct buf *sql,
                           struct error *err)
{
    buf_puts(sql, "(WITH _ingot_a AS MATERIALIZED (");
    IG_TRY(add_side(a, b, b, sql, err));
    buf_puts(sql, "), _ingot_b AS MATERIALIZED (");
    IG_TRY(add_side(b, a, b, sql, err));
    buf_puts(sql,
             ") SELECT '-' AS _change, * FROM (FROM _ingot_a EXCEPT ALL FROM _ingot_b) UNION ALL SELECT '+', * FROM "
             "(FROM _ingot_b EXCEPT ALL FROM _ingot_a))");
    return buf_check(sql, err, "the query of a diff");
}
