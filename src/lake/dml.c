#include "lake/dml.h"

#include <stdio.h>
#include <strings.h>

enum ig_code dml_open(struct dml *d, struct lake_table *t, const struct lake_commit_options *o, struct error *err)
{
    char uuid[37];

    *d = (struct dml){.t = t, .options = o, .target = "_ingot_target", .source = "_ingot_source"};
    arena_init(&d->arena);
    env_uuid(t->store->env, uuid);
    uuid[8] = '\0';
    snprintf(d->source_table, sizeof(d->source_table), "_ingot_source_%s", uuid);
    snprintf(d->changes, sizeof(d->changes), "_ingot_changes_%s", uuid);
    snprintf(d->fresh, sizeof(d->fresh), "_ingot_fresh_%s", uuid);
    snprintf(d->inserted, sizeof(d->inserted), "_ingot_inserted_%s", uuid);
    d->started_ms = env_monotonic_ms(t->store->env);
    IG_TRY(lake_snapshot_latest(t, &d->s, err));
    d->to = lake_snapshot_ref(d->s);
    return lake_check_options(d->s, o, err);
}

void dml_close(struct dml *d)
{
    (void)!engine_execf(d->t->conn, NULL,
                        "DROP TABLE IF EXISTS temp.%s; DROP TABLE IF EXISTS temp.%s; DROP TABLE IF EXISTS temp.%s; "
                        "DROP TABLE IF EXISTS temp.%s",
                        d->source_table, d->changes, d->fresh, d->inserted);
    vec_free(&d->keys);
    vec_free(&d->files);
    vec_free(&d->touched);
    lake_snapshot_free(d->to);
    lake_snapshot_free(d->s);
    arena_release(&d->arena);
}

bool dml_is_partition_column(const struct lake_snapshot *s, const struct schema_field *f)
{
    for (size_t i = 0; i < s->metadata.n_partition_columns; i++)
        if (s->metadata.partition_fields[i] == f)
            return true;
    return false;
}

enum ig_code dml_load_source(struct dml *d, const char *select, struct error *err)
{
    struct schema_type *have;
    bool has_rowid;
    struct buf sql;
    enum ig_code rc;

    IG_TRY(schema_of_query(&d->arena, d->t->conn, select, &d->have, err));
    schema_find_nulls(&d->arena, d->t->conn, select, d->have, d->s->metadata.schema);
    have = (struct schema_type *)(uintptr_t)d->have;
    for (size_t i = 0; i < have->n_fields; i++)
        if (strncasecmp(have->fields[i].name, LAKE_OWN_PREFIX, strlen(LAKE_OWN_PREFIX)) == 0)
            return error_set(err, IG_INVALID, "column %s: names that begin with " LAKE_OWN_PREFIX " are taken",
                             have->fields[i].name);
    has_rowid = schema_find(d->have, STR("rowid")) != NULL;
    d->source_id = has_rowid ? "_ingot_id" : "rowid";
    buf_init(&sql, 0);
    /* The select is on lines of its own: a comment may be the end of it. */
    buf_printf(&sql, "CREATE TEMP TABLE %s AS SELECT *%s FROM (\n%s\n) AS _ingot_rows", d->source_table,
               has_rowid ? ", row_number() OVER () AS _ingot_id" : "", select);
    rc = buf_check(&sql, err, "the query of a change");
    if (!rc)
        rc = engine_exec(d->t->conn, err, buf_cstr(&sql));
    buf_clear(&sql);
    buf_printf(&sql, "SELECT count(*) FROM temp.%s", d->source_table);
    if (!rc)
        rc = engine_query_int64(d->t->conn, buf_cstr(&sql), &d->source_rows, err);
    buf_release(&sql);
    return rc;
}
