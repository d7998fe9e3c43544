/*
 * Making a table, and giving an existing one the columns that a query has more.
 */
#include "lake/maintain/alter.h"

#include <stdlib.h>
#include <strings.h>

#define CREATE_TRIES 10

/* --- a new one --------------------------------------------------------------------------------------------- */

static void add_properties_text(const struct lake_draft *d, struct buf *out)
{
    struct buf text;

    buf_init(&text, 0);
    buf_putc(&text, '{');
    for (size_t i = 0; i < d->properties.n; i++) {
        buf_puts(&text, i ? "," : "");
        json_add_string(&text, str_of(d->properties.p[i].key));
        buf_putc(&text, ':');
        json_add_string(&text, str_of(d->properties.p[i].value));
    }
    buf_putc(&text, '}');
    json_add_string(out, buf_str(&text));
    buf_release(&text);
}

static void add_parameters(const struct lake_draft *d, const struct lake_create_options *o, struct buf *out)
{
    struct buf list;

    buf_init(&list, 0);
    buf_puts(out, "{\"isManaged\":\"false\",\"description\":");
    if (d->description)
        json_add_string(out, str_of(d->description));
    else
        buf_puts(out, "null");
    buf_puts(out, ",\"partitionBy\":");
    lake_add_name_list(&list, d->partition_columns, d->n_partition_columns);
    json_add_string(out, buf_str(&list));
    if (o->n_cluster_by) {
        buf_clear(&list);
        lake_add_name_list(&list, o->cluster_by, o->n_cluster_by);
        buf_puts(out, ",\"clusterBy\":");
        json_add_string(out, buf_str(&list));
    }
    buf_puts(out, ",\"properties\":");
    add_properties_text(d, out);
    buf_putc(out, '}');
    buf_release(&list);
}

/* A table that is made. */
struct creation {
    struct lake_table *t;
    const struct lake_create_options *o;
    const char *rows; /* a query; NULL: none */
    struct lake_snapshot *shape;
    struct lake_new_files files;
    struct lake_result *out; /* NULL: nobody asks */
};

static enum ig_code commit_new(struct creation *c, struct lake_draft *d, struct error *err)
{
    struct lake_change change = {
        .shape = c->shape,
        .added = c->rows ? &c->files : NULL,
        .protocol = d->protocol,
        .metadata = c->files.metadata ? c->files.metadata : d->metadata,
        .domains = d->domains.p,
        .n_domains = d->domains.n,
        .operation = c->rows ? "CREATE TABLE AS SELECT" : "CREATE TABLE",
    };
    struct buf parameters, metrics;
    int64_t version = -1;
    enum ig_code rc;

    buf_init(&parameters, 0);
    buf_init(&metrics, 0);
    add_parameters(d, c->o, &parameters);
    change.parameters = buf_cstr(&parameters);
    buf_printf(&metrics, "{\"numFiles\":\"%zu\",\"numOutputRows\":\"%lld\",\"numOutputBytes\":\"%lld\"}",
               c->files.list.n, (long long)c->files.rows, (long long)c->files.bytes);
    if (c->rows)
        change.metrics = buf_cstr(&metrics);
    rc = lake_commit(c->t, &change, &version, err);
    if (!rc && c->out)
        *c->out = (struct lake_result){
            .version = version,
            .rows_written = c->files.rows,
            .rows_inserted = c->files.rows,
            .files_added = (int64_t)c->files.list.n,
            .bytes_added = c->files.bytes,
        };
    buf_release(&metrics);
    buf_release(&parameters);
    return rc;
}

/* The table as it will be, of no version and without files: what its rows are written to. */
static enum ig_code shape_of(const struct lake_table *t, const struct lake_draft *d, struct lake_snapshot **out,
                             struct error *err)
{
    struct lake_snapshot *s = lake_snapshot_new(t->store, t->path);
    struct buf text;
    enum ig_code rc;

    *out = s;
    buf_init(&text, 0);
    buf_printf(&text, "{\"protocol\":%s}\n{\"metaData\":%s}\n", d->protocol, d->metadata);
    for (size_t i = 0; i < d->domains.n; i++)
        buf_printf(&text, "{\"domainMetadata\":%s}\n", d->domains.p[i]);
    rc = lake_replay_text(s, lake_chunk_new(s), buf_str(&text), 0, err);
    if (!rc)
        rc = lake_replay_finish(s, err);
    buf_release(&text);
    return rc;
}

static enum ig_code write_rows(struct creation *c, struct arena *a, const struct lake_draft *d, struct error *err)
{
    const struct lake_insert insert = {.select = c->rows, .by_name = true};
    struct buf sql;
    enum ig_code rc;

    IG_TRY(shape_of(c->t, d, &c->shape, err));
    buf_init(&sql, 0);
    rc = lake_add_assigned_rows(a, c->t->conn, c->shape, &insert, &sql, err);
    if (!rc)
        rc = lake_write_files(c->t, c->shape, buf_cstr(&sql), NULL, &c->files, err);
    buf_release(&sql);
    return rc;
}

static enum ig_code fill_draft(struct lake_table *t, struct lake_draft *d, const struct lake_create_options *o,
                               struct error *err)
{
    for (size_t i = 0; i < o->n_properties; i++)
        IG_TRY(lake_draft_user_property(d, &o->properties[i], err));
    IG_TRY(lake_check_names(d->schema, lake_draft_is_mapped(d), err));
    IG_TRY(lake_check_partition_columns(d->schema, o->partition_by, o->n_partition_by, err));
    IG_TRY(lake_check_expressions(d->arena, t->conn, d->schema, err));
    d->partition_columns = ARENA_ARRAY(d->arena, const char *, o->n_partition_by ? o->n_partition_by : 1);
    for (size_t i = 0; i < o->n_partition_by; i++)
        d->partition_columns[d->n_partition_columns++] = schema_find(d->schema, str_of(o->partition_by[i]))->name;
    d->description = o->comment;
    if (o->n_cluster_by) {
        lake_draft_need(d, "clustering");
        lake_draft_need(d, "domainMetadata");
    }
    IG_TRY(lake_draft_finish(d, t->store->env, err));
    IG_TRY(lake_check_draft(d, err));
    return o->n_cluster_by ? lake_draft_cluster(d, o->cluster_by, o->n_cluster_by, err) : IG_OK;
}

static enum ig_code create_new(struct creation *c, struct arena *a, const struct schema_type *schema, struct error *err)
{
    struct lake_draft d;
    enum ig_code rc;

    lake_draft_init(&d, a, NULL);
    d.schema = schema;
    rc = fill_draft(c->t, &d, c->o, err);
    if (!rc && c->rows)
        rc = write_rows(c, a, &d, err);
    if (!rc)
        rc = commit_new(c, &d, err);
    /* With an unknown outcome a commit may name the files. */
    if (rc && rc != IG_UNKNOWN_OUTCOME)
        lake_new_files_discard(c->t, &c->files);
    lake_new_files_free(&c->files);
    lake_snapshot_free(c->shape);
    lake_draft_release(&d);
    return rc;
}

/* The query's columns, with what the options say about them, and the options' own. */
static enum ig_code define_columns(struct lake_table *t, struct arena *a, const struct schema_type *have,
                                   const struct lake_create_options *o, const struct schema_type **out,
                                   struct error *err)
{
    struct schema_type *schema = ARENA_NEW(a, struct schema_type);
    const size_t n = have ? have->n_fields : 0;

    schema->kind = SCHEMA_STRUCT;
    schema->fields = ARENA_ARRAY(a, struct schema_field, n + o->n_columns + 1);
    for (size_t i = 0; i < n; i++)
        schema->fields[schema->n_fields++] = have->fields[i];
    for (size_t i = 0; i < o->n_columns; i++) {
        const struct lake_column *c = &o->columns[i];
        const struct schema_field *known = schema_find(schema, str_of(c->name));
        struct schema_field *f = known ? &schema->fields[known - schema->fields] : NULL;

        if (!f) {
            const char **parts;
            size_t n_parts;

            f = &schema->fields[schema->n_fields++];
            IG_TRY(lake_path_of(a, c->name, &parts, &n_parts, err));
            f->name = n_parts == 1 ? arena_strdup(a, parts[0]) : arena_strdup(a, c->name);
            f->physical = f->name;
        } else if (!have || known >= schema->fields + n) {
            return error_set(err, IG_INVALID, "two columns are named %s", c->name);
        }
        IG_TRY(lake_field_of(a, t->conn, c, f->type, f, err));
    }
    if (schema->n_fields == 0)
        return error_set(err, IG_INVALID, "a table needs a column");
    *out = schema;
    return IG_OK;
}

static enum ig_code create_table(struct creation *c, const char *select, struct error *err)
{
    struct lake_table *t = c->t;
    const struct schema_type *have = NULL, *schema = NULL;
    struct lake_snapshot *s = NULL;
    struct error found = {0};
    struct arena arena;
    enum ig_code rc;

    arena_init(&arena);
    rc = lake_snapshot_latest(t, &s, &found);
    lake_snapshot_free(s);
    if (rc == IG_NOT_FOUND)
        rc = IG_OK;
    else
        rc = rc ? error_set(err, rc, "it is not known whether there is one already: %s", found.msg)
                : error_set(err, IG_EXISTS, "there is one already");
    if (!rc && select) {
        rc = schema_of_query(&arena, t->conn, select, &have, err);
        if (!rc)
            schema_find_nulls(&arena, t->conn, select, have, NULL);
    }
    if (!rc)
        rc = define_columns(t, &arena, have, c->o, &schema, err);
    if (!rc)
        rc = create_new(c, &arena, schema, err);
    if (rc == IG_CONFLICT) /* somebody was quicker */
        rc = error_set(err, IG_EXISTS, "there is one already");
    if (rc)
        error_context(err, rc, "table %s", *t->path ? t->path : t->store->url);
    arena_release(&arena);
    return rc;
}

static const struct lake_create_options nothing;

enum ig_code lake_create_table(struct lake_table *t, const char *select, const struct lake_create_options *o,
                               struct error *err)
{
    struct creation c = {.t = t, .o = o ? o : &nothing};

    return create_table(&c, select, err);
}

enum ig_code lake_create_table_as(struct lake_table *t, const char *select, const struct lake_create_options *o,
                                  struct lake_result *out, struct error *err)
{
    struct creation c = {.t = t, .o = o ? o : &nothing, .rows = select, .out = out};

    return create_table(&c, select, err);
}

/* --- an existing one --------------------------------------------------------------------------------------- */

static enum ig_code add_columns(struct lake_table *t, const struct lake_snapshot *s, struct arena *a,
                                const struct schema_type *have, struct error *err)
{
    struct lake_change change = {.base = s, .scope = LAKE_READ_NOTHING, .operation = "ADD COLUMNS"};
    struct lake_evolution e;
    int64_t version;
    enum ig_code rc = lake_evolve(a, t->store->env, s, have, false, &e, err);

    if (!rc && (e.metadata || e.protocol)) {
        rc = lake_check_writable(s, false, err);
        change.metadata = e.metadata;
        change.protocol = e.protocol;
        if (!rc)
            rc = lake_commit(t, &change, &version, err);
    }
    lake_snapshot_free(e.to);
    return rc;
}

static enum ig_code check_same_partitioning(const struct lake_snapshot *s, const char *const *partition_by, size_t n,
                                            struct error *err)
{
    bool same = s->metadata.n_partition_columns == n;

    for (size_t i = 0; i < n && same; i++)
        same = strcasecmp(s->metadata.partition_columns[i], partition_by[i]) == 0;
    if (!same)
        return error_set(err, IG_INVALID, "the table is there already, partitioned by other columns");
    return IG_OK;
}

enum ig_code lake_create(struct lake_table *t, const char *select, const char *const *partition_by,
                         size_t n_partition_by, struct error *err)
{
    const struct lake_create_options o = {.partition_by = partition_by, .n_partition_by = n_partition_by};
    const struct schema_type *have = NULL;
    struct arena arena;
    enum ig_code rc;

    arena_init(&arena);
    rc = schema_of_query(&arena, t->conn, select, &have, err);
    for (int tries = 0; !rc && tries < CREATE_TRIES; tries++) {
        struct lake_snapshot *s = NULL;

        rc = lake_snapshot_latest(t, &s, err);
        IG_ASSERT(rc || s);
        if (rc == IG_NOT_FOUND) {
            schema_find_nulls(&arena, t->conn, select, have, NULL);
            rc = create_new(&(struct creation){.t = t, .o = &o}, &arena, have, err);
        } else if (!rc) {
            schema_find_nulls(&arena, t->conn, select, have, s->metadata.schema);
            rc = check_same_partitioning(s, partition_by, n_partition_by, err);
            if (!rc)
                rc = add_columns(t, s, &arena, have, err);
        }
        lake_snapshot_free(s);
        if (rc != IG_CONFLICT)
            break;
        rc = IG_OK; /* somebody else has made or changed it: look again */
    }
    if (rc)
        error_context(err, rc, "table %s", *t->path ? t->path : t->store->url);
    arena_release(&arena);
    return rc;
}
