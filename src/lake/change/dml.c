#include "lake/change/dml.h"

#include <stdio.h>
#include <string.h>
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
    d->started_ms = env_monotonic_ms(t->store->env);
    IG_TRY(lake_snapshot_latest(t, &d->s, err));
    d->to = lake_snapshot_ref(d->s);
    return lake_check_options(d->s, o, err);
}

void dml_close(struct dml *d)
{
    (void)!engine_execf(d->t->conn, NULL, "DROP TABLE IF EXISTS temp.%s; DROP TABLE IF EXISTS temp.%s", d->source_table,
                        d->changes);
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

/* --- another schema ---------------------------------------------------------------------------------------- */

enum ig_code dml_become(struct dml *d, const struct lake_draft *draft, struct error *err)
{
    struct lake_snapshot *to;
    struct lake_chunk *chunk;
    struct buf text;
    enum ig_code rc;

    if (!draft->metadata && !draft->protocol)
        return IG_OK;
    to = lake_snapshot_copy(d->s);
    /* Its files' partition values may be of other columns; they are looked at in the base only. */
    to->entries.n = to->n_live = 0;
    if (to->slots)
        memset(to->slots, 0, to->n_slots * sizeof(*to->slots));
    chunk = lake_chunk_new(to);
    buf_init(&text, 0);
    if (draft->protocol)
        buf_printf(&text, "{\"protocol\":%s}\n", draft->protocol);
    if (draft->metadata)
        buf_printf(&text, "{\"metaData\":%s}\n", draft->metadata);
    rc = lake_replay_text(to, chunk, arena_str(&chunk->arena, buf_str(&text)), d->s->version, err);
    if (!rc)
        rc = lake_replay_finish(to, err);
    buf_release(&text);
    if (rc) {
        lake_snapshot_free(to);
        return rc;
    }
    lake_snapshot_free(d->to);
    d->to = to;
    d->metadata = draft->metadata;
    d->protocol = draft->protocol;
    if (draft->domains.n) {
        const char **domains = ARENA_ARRAY(&d->arena, const char *, draft->domains.n);

        memcpy(domains, draft->domains.p, draft->domains.n * sizeof(*domains));
        d->domains = domains;
        d->n_domains = draft->domains.n;
    }
    return IG_OK;
}

static bool is_assigned(const struct lake_merge_clause *clauses, size_t n, const char *column)
{
    for (size_t i = 0; i < n; i++) {
        if (clauses[i].action == LAKE_UPDATE_ALL || clauses[i].action == LAKE_INSERT_ALL)
            return true;
        for (size_t k = 0; k < clauses[i].n_sets; k++)
            if (strcasecmp(clauses[i].sets[k].column, column) == 0)
                return true;
    }
    return false;
}

enum ig_code dml_evolve(struct dml *d, const struct lake_merge_clause *clauses, size_t n, struct error *err)
{
    const struct schema_type *schema = d->s->metadata.schema, *merged;
    struct schema_type more = {.kind = SCHEMA_STRUCT};
    struct lake_draft draft;
    enum ig_code rc = IG_OK;

    more.fields = ARENA_ARRAY(&d->arena, struct schema_field, d->have->n_fields + 1);
    for (size_t k = 0; k < d->have->n_fields; k++) {
        const struct schema_field *f = &d->have->fields[k];
        const struct schema_field *there = schema_find(schema, str_of(f->name));
        const bool grows = there && there->type->kind == SCHEMA_STRUCT && f->type->kind == SCHEMA_STRUCT;

        if ((!there || grows) && is_assigned(clauses, n, f->name))
            more.fields[more.n_fields++] = *f;
    }
    merged = schema_merge(&d->arena, schema, &more, err);
    if (!merged)
        return IG_INVALID;
    if (merged == schema)
        return IG_OK;
    lake_draft_init(&draft, &d->arena, d->s);
    draft.schema = merged;
    rc = lake_draft_finish(&draft, d->t->store->env, err);
    if (!rc)
        rc = dml_become(d, &draft, err);
    lake_draft_release(&draft);
    return rc;
}
