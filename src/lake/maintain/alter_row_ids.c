/*
 * Turning row tracking on in a table that has files: those that have no row ids yet are added again with fresh ones, by
 * the commit that turns it on. Nobody may come between, whose files would have none: else all is looked at again.
 */
#include "lake/maintain/alter.h"
#include "lake/table/row_ids.h"

static enum ig_code count_rows(struct alter *x, const struct lake_entry *e, int64_t *rows, struct error *err)
{
    struct buf sql, path;
    enum ig_code rc;

    *rows = lake_entry_rows(e);
    if (*rows >= 0)
        return IG_OK;
    buf_init(&sql, 0);
    buf_init(&path, 0);
    rc = lake_entry_path(x->s, e, &path, err);
    buf_puts(&sql, "SELECT sum(num_rows)::BIGINT FROM parquet_file_metadata(");
    lake_add_path_literal(&sql, buf_str(&path));
    buf_putc(&sql, ')');
    if (!rc)
        rc = engine_query_int64(x->t->conn, buf_cstr(&sql), rows, err);
    buf_release(&path);
    buf_release(&sql);
    return rc ? error_context(err, rc, "the rows of the file " STR_FMT, STR_ARG(lake_entry_name(e))) : IG_OK;
}

enum ig_code lake_alter_row_ids(struct alter *x, struct error *err)
{
    const struct lake_snapshot *s = x->s;

    if (lake_keeps_row_ids(s) || !lake_draft_is_on(&x->d, "delta.enableRowTracking"))
        return IG_OK;
    if (lake_is_on(s, "delta.rowTrackingSuspended"))
        return error_set(err, IG_INVALID,
                         "row tracking cannot be turned on while the property delta.rowTrackingSuspended is set");
    x->undisturbed = true;
    for (size_t i = 0; i < s->entries.n; i++) {
        const struct lake_entry *e = &s->entries.p[i];
        struct lake_backfill fill = {.entry = e};

        if (!e->live || lake_entry_base_row_id(e) >= 0)
            continue;
        IG_TRY(count_rows(x, e, &fill.rows, err));
        vec_push(&x->backfills, fill);
    }
    return IG_OK;
}
