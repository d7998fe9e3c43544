#include "cli/query_views.h"

#include "cli/query_place.h"
#include "cli/query_where.h"
#include "lake/lake.h"
#include "stage/stage.h"

#include <stdlib.h>

#define WAREHOUSE_WAIT_MS 3000
#define WAREHOUSE_PAUSE_MS 50

/* Names that a user's own CREATE TABLE may take are in this schema, which is looked at last. */
#define BARE_SCHEMA "_ingot"

#define BRONZE_END "], union_by_name = true, hive_partitioning = false)"

/* --- Delta tables ---------------------------------------------------------------------------------------------- */

static bool is_asked_for(const struct query_views *v, const char *name)
{
    return v->text->asks_catalog || query_text_names(v->text, name);
}

static enum ig_code make_view(struct query_views *v, const char *schema, const char *name, const char *from,
                              struct error *err)
{
    struct buf sql;
    enum ig_code rc;

    buf_init(&sql, 0);
    buf_puts(&sql, "CREATE OR REPLACE VIEW ");
    engine_add_name(&sql, str_of(schema));
    buf_putc(&sql, '.');
    engine_add_name(&sql, str_of(name));
    buf_printf(&sql, " AS SELECT * FROM %s", from);
    rc = buf_check(&sql, err, "a view's SQL");
    if (!rc)
        rc = engine_exec(v->c, err, buf_cstr(&sql));
    buf_release(&sql);
    return rc ? error_context(err, rc, "%s.%s", schema, name) : IG_OK;
}

/* The FROM item of a Delta table's version. Files are left out that `where`, if not NULL, excludes. */
static enum ig_code add_scan(struct query_views *v, struct store *st, const char *path, struct lake_table *table,
                             int64_t version, const char *where, bool row_ids, struct buf *from, struct error *err)
{
    const struct lake_scan scan = {.where = where, .where_only_skips = true, .row_ids = row_ids};
    struct lake_snapshot *snapshot = NULL;
    enum ig_code rc = lake_snapshot_open(table, version, &snapshot, err);

    buf_puts(from, row_ids
                       ? "(SELECT * RENAME (_ingot_row_id AS _row_id, _ingot_row_version AS _row_commit_version) FROM "
                       : "");
    if (!rc)
        rc = lake_add_scan(snapshot, &scan, from, err);
    buf_puts(from, row_ids ? ")" : "");
    if (!rc) {
        const struct query_scanned scanned = {st, arena_strdup(v->arena, path), lake_version(snapshot)};

        vec_push(&v->scanned, scanned);
    }
    lake_snapshot_free(snapshot);
    return rc;
}

static enum ig_code scan_latest(struct query_views *v, const char *path, struct buf *from, struct error *err)
{
    struct lake_table *table = NULL;
    enum ig_code rc = lake_open(v->store, v->c, path, &table, err);

    if (!rc)
        rc = add_scan(v, v->store, path, table, LAKE_LATEST, NULL, false, from, err);
    lake_close(table);
    return rc;
}

/* A table of the project, under schema.name and, if `bare` is given, under that name alone. */
static enum ig_code make_table(struct query_views *v, const char *schema, const char *name, const char *bare,
                               const char *path, struct error *err)
{
    struct buf from;
    enum ig_code rc;

    buf_init(&from, 0);
    rc = scan_latest(v, path, &from, err);
    if (rc == IG_NOT_FOUND) {
        vec_push(&v->empty, arena_printf(v->arena, "%s.%s", schema, name));
        rc = IG_OK;
    } else if (!rc) {
        rc = make_view(v, schema, name, buf_cstr(&from), err);
        if (!rc && bare)
            rc = make_view(v, BARE_SCHEMA, bare, buf_cstr(&from), err);
    }
    buf_release(&from);
    return rc;
}

static bool is_gold_table(const struct conf *conf, const char *name)
{
    for (size_t i = 0; i < conf->n_domains; i++)
        for (size_t k = 0; k < conf->domains[i].n_gold; k++)
            if (strcmp(conf->domains[i].gold[k].name, name) == 0)
                return true;
    return false;
}

/* --- bronze ---------------------------------------------------------------------------------------------------- */

/* The date is in the objects' names; a local copy of a remote one has another, so each date is an arm of its own:
 *   SELECT *, DATE '2024-01-15' AS order_date FROM read_parquet([...]) UNION ALL BY NAME ... */
struct bronze_files {
    struct query_views *v;
    const char *prefix, *date_column;
    VEC(const char *) names;
};

static enum ig_code add_bronze_file(void *ctx, const struct store_object *object, struct error *err)
{
    struct bronze_files *files = ctx;

    (void)err;
    if (str_has_suffix(object->name, ".parquet"))
        vec_push(&files->names, arena_strndup(files->v->arena, object->name.p, object->name.n));
    return IG_OK;
}

/* "DATE" of bronze/DOMAIN/COLUMN=DATE/...; none if it is not there. */
static struct str date_of(const struct bronze_files *files, const char *name)
{
    const size_t n = strlen(files->date_column);

    name += strlen(files->prefix);
    if (strncmp(name, files->date_column, n) != 0 || name[n] != '=')
        return (struct str){NULL, 0};
    name += n + 1;
    return (struct str){name, strcspn(name, "/")};
}

static enum ig_code add_bronze_arms(struct bronze_files *files, struct buf *from, struct error *err)
{
    struct str open_date = {NULL, 0};
    enum ig_code rc = IG_OK;
    struct buf path;
    bool open = false;

    buf_init(&path, 0);
    for (size_t i = 0; i < files->names.n && !rc; i++) {
        const struct str date = date_of(files, files->names.p[i]);

        if (open && str_eq(date, open_date)) {
            buf_puts(from, ", ");
        } else {
            if (open)
                buf_puts(from, BRONZE_END);
            buf_puts(from, open ? " UNION ALL BY NAME SELECT *, " : "SELECT *, ");
            if (date.p)
                engine_add_literal(from, date);
            else
                buf_puts(from, "NULL");
            buf_puts(from, "::DATE AS ");
            engine_add_name(from, str_of(files->date_column));
            buf_puts(from, " FROM read_parquet([");
            open = true;
            open_date = date;
        }
        buf_clear(&path);
        rc = store_local_path(files->v->store, files->names.p[i], &path, err);
        if (!rc)
            engine_add_literal(from, buf_str(&path));
    }
    if (open)
        buf_puts(from, BRONZE_END);
    buf_release(&path);
    return rc;
}

static enum ig_code make_bronze(struct query_views *v, const struct conf_domain *d, struct error *err)
{
    struct buf from;
    struct bronze_files files = {
        .v = v, .prefix = arena_printf(v->arena, "bronze/%s/", d->name), .date_column = d->bronze.date_column};
    enum ig_code rc;

    buf_init(&from, 0);
    rc = store_list(v->store, files.prefix, add_bronze_file, &files, err);
    if (!rc)
        rc = store_fetch(v->store, files.names.p, files.names.n, err);
    buf_putc(&from, '(');
    if (!rc)
        rc = add_bronze_arms(&files, &from, err);
    buf_putc(&from, ')');
    if (!rc && files.names.n == 0)
        vec_push(&v->empty, arena_printf(v->arena, "bronze.%s", d->name));
    else if (!rc)
        rc = make_view(v, "bronze", d->name, buf_cstr(&from), err);
    vec_free(&files.names);
    buf_release(&from);
    return rc;
}

/* --- the project's tables -------------------------------------------------------------------------------------- */

static enum ig_code make_domain(struct query_views *v, const struct conf_domain *d, struct error *err)
{
    const char *silver_name = arena_printf(v->arena, "silver_%s", d->name);
    struct buf path;
    enum ig_code rc = IG_OK;

    buf_init(&path, 0);
    if (is_asked_for(v, d->name) || is_asked_for(v, silver_name)) {
        stage_silver_path(d, &path);
        rc = make_table(v, "silver", d->name, is_gold_table(v->conf, d->name) ? NULL : d->name, buf_cstr(&path), err);
        if (!rc && query_text_names(v->text, silver_name))
            rc = make_table(v, BARE_SCHEMA, silver_name, NULL, buf_cstr(&path), err);
        buf_clear(&path);
        stage_quarantine_path(d, &path);
        if (!rc && is_asked_for(v, "quarantine"))
            rc = make_table(v, "quarantine", d->name, NULL, buf_cstr(&path), err);
        if (!rc && is_asked_for(v, "bronze"))
            rc = make_bronze(v, d, err);
    }
    for (size_t i = 0; i < d->n_gold && !rc; i++) {
        if (!is_asked_for(v, d->gold[i].name))
            continue;
        buf_clear(&path);
        stage_gold_path(d, &d->gold[i], &path);
        rc = make_table(v, "gold", d->gold[i].name, d->gold[i].name, buf_cstr(&path), err);
    }
    buf_release(&path);
    return rc;
}

static enum ig_code attach_warehouse(struct query_views *v, struct error *err)
{
    const char *url = v->conf->warehouse_url ? v->conf->warehouse_url : "";
    const int64_t until_ms = env_monotonic_ms(v->env) + WAREHOUSE_WAIT_MS;
    struct env_stat st;
    struct buf sql;
    enum ig_code rc;

    if (!str_has_prefix(str_of(url), "duckdb:"))
        return error_set(err, IG_NOT_FOUND, "the project has no DuckDB warehouse to attach");
    url += strlen("duckdb:");
    if (env_stat(v->env, url, &st, NULL) == IG_NOT_FOUND)
        return error_set(err, IG_NOT_FOUND, "the warehouse %s is not there yet; `ingot run` makes it", url);
    buf_init(&sql, 0);
    buf_puts(&sql, "ATTACH ");
    engine_add_literal(&sql, str_of(url));
    buf_puts(&sql, " AS warehouse (READ_ONLY)");
    do {
        rc = engine_exec(v->c, err, buf_cstr(&sql));
        if (rc == IG_UNAVAILABLE)
            env_sleep_ms(v->env, WAREHOUSE_PAUSE_MS);
    } while (rc == IG_UNAVAILABLE && env_monotonic_ms(v->env) < until_ms);
    buf_release(&sql);
    return rc ? error_context(err, rc, "the warehouse can not be attached (is it being loaded, or open elsewhere?)")
              : IG_OK;
}

static enum ig_code make_project(struct query_views *v, struct error *err)
{
    for (size_t i = 0; i < v->conf->n_domains; i++)
        IG_TRY(make_domain(v, &v->conf->domains[i], err));
    if (is_asked_for(v, "partition_meta")) {
        IG_TRY(make_table(v, "metadata", "partition_meta", "partition_meta", "metadata/partition_meta", err));
    }
    return IG_OK;
}

/* --- delta(...) ------------------------------------------------------------------------------------------------ */

struct version_range {
    size_t prefix_length;
    int64_t first_commit, last_commit, first_checkpoint;
};

static enum ig_code see_version(void *ctx, const struct store_object *object, struct error *err)
{
    struct version_range *range = ctx;
    struct str name = object->name;
    int64_t version;

    (void)err;
    if (name.n < range->prefix_length + 20)
        return IG_OK;
    name.p += range->prefix_length;
    name.n -= range->prefix_length;
    if (!str_to_int64((struct str){name.p, 20}, 0, INT64_MAX, &version))
        return IG_OK;
    if (str_is((struct str){name.p + 20, name.n - 20}, ".json")) {
        range->first_commit = range->first_commit < 0 ? version : range->first_commit;
        range->last_commit = version;
    } else if (strncmp(name.p + 20, ".checkpoint", 11) == 0 && range->first_checkpoint < 0) {
        range->first_checkpoint = version;
    }
    return IG_OK;
}

/* "it has versions A to B", for who asked for another one. */
static enum ig_code no_such_version(struct query_views *v, struct store *st, const char *name, int64_t version,
                                    const char *place, struct error *err)
{
    const char *prefix = arena_printf(v->arena, "%s%s_delta_log/", name, *name ? "/" : "");
    struct version_range range = {strlen(prefix), -1, -1, -1};
    int64_t first;

    IG_TRY(store_list(st, prefix, see_version, &range, err));
    if (range.last_commit < 0)
        return error_set(err, IG_NOT_FOUND, "delta('%s'): there is no Delta table (no _delta_log with commits)", place);
    if (version < 0)
        return IG_NOT_FOUND; /* the lake has said why */
    first = range.first_commit == 0 || range.first_checkpoint < 0 ? range.first_commit : range.first_checkpoint;
    return error_set(err, IG_NOT_FOUND, "delta('%s'): there is no version %lld; it has versions %lld to %lld", place,
                     (long long)version, (long long)first, (long long)range.last_commit);
}

/* The version, the time or the changes that are asked for. */
static enum ig_code scan_asked(struct query_views *v, const struct query_delta *d, struct store *st, const char *path,
                               struct buf *from, struct error *err)
{
    int64_t version = d->version < 0 ? LAKE_LATEST : d->version, last = d->last < 0 ? LAKE_LATEST : d->last;
    struct lake_table *table = NULL;
    struct buf where;
    enum ig_code rc = lake_open(st, v->c, path, &table, err);

    buf_init(&where, 0);
    if (!rc && d->at_time)
        rc = lake_version_bound(table, d->time_us / 1000, d->changes ? LAKE_SINCE : LAKE_AT, &version, err);
    if (!rc && d->until_time)
        rc = lake_version_bound(table, d->until_us / 1000, LAKE_UNTIL, &last, err);
    if (!rc && d->changes) {
        rc = lake_add_changes(table, version, last, from, err);
    } else if (!rc) {
        query_add_where(v->c, v->text, (size_t)(d - v->text->deltas.p), &where);
        rc = add_scan(v, st, path, table, version, where.n ? buf_cstr(&where) : NULL, d->row_ids, from, err);
    }
    buf_release(&where);
    lake_close(table);
    return rc;
}

/* The FROM item of the table `path` of a store. */
static enum ig_code scan_place(struct query_views *v, const struct query_delta *d, struct store *st, const char *path,
                               struct buf *from, struct error *err)
{
    const enum ig_code rc = scan_asked(v, d, st, path, from, err);

    if (rc == IG_NOT_FOUND && !d->at_time && !d->changes)
        return no_such_version(v, st, path, d->version, d->place, err);
    return rc ? error_context(err, rc, "delta('%s')", d->place) : IG_OK;
}

/* The store of a remote table stays open: the engine reads the copies that it keeps. */
static enum ig_code make_delta(struct query_views *v, size_t i, struct error *err)
{
    const struct query_delta *d = &v->text->deltas.p[i];
    struct query_place place = {0};
    char name[16];
    struct buf from;
    enum ig_code rc;

    IG_TRY(query_place_open(v->env, v->store, v->arena, d->place, false, &place, err));
    if (place.owned)
        vec_push(&v->opened, place.store);
    buf_init(&from, 0);
    query_delta_view(i, name);
    rc = scan_place(v, d, place.store, place.path, &from, err);
    if (!rc)
        rc = make_view(v, BARE_SCHEMA, name, buf_cstr(&from), err);
    buf_release(&from);
    return rc;
}

enum ig_code query_views_make(struct query_views *v, struct error *err)
{
    IG_TRY(engine_exec(v->c, err,
                       "CREATE SCHEMA silver; CREATE SCHEMA gold; CREATE SCHEMA bronze; CREATE SCHEMA quarantine; "
                       "CREATE SCHEMA metadata; CREATE SCHEMA " BARE_SCHEMA "; SET search_path = 'main," BARE_SCHEMA
                       "'"));
    IG_TRY(query_views_refresh(v, err));
    if (v->conf && query_text_qualifies(v->text, "warehouse"))
        IG_TRY(attach_warehouse(v, err));
    return IG_OK;
}

enum ig_code query_views_refresh(struct query_views *v, struct error *err)
{
    v->empty.n = 0;
    return v->conf ? make_project(v, err) : IG_OK;
}

enum ig_code query_views_of_statement(struct query_views *v, size_t i, struct error *err)
{
    const struct query_statement *statement = &v->text->statements.p[i];

    for (size_t k = 0; k < v->text->deltas.n; k++)
        if (v->text->deltas.p[k].from >= statement->from && v->text->deltas.p[k].to <= statement->to)
            IG_TRY(make_delta(v, k, err));
    return IG_OK;
}

void query_views_blame(struct query_views *v, struct error *err)
{
    enum ig_code rc = IG_OK;

    for (size_t i = 0; lake_looks_broken(err->msg) && i < v->scanned.n && !rc; i++) {
        const struct query_scanned *scanned = &v->scanned.p[i];
        struct lake_table *table = NULL;
        struct error found = {0};

        if (!lake_open(scanned->store, v->c, scanned->path, &table, &found)) {
            rc = lake_find_broken(table, scanned->version, &found);
            if (rc)
                *err = found;
        }
        lake_close(table);
    }
}

void query_views_free(struct query_views *v)
{
    for (size_t i = 0; i < v->opened.n; i++)
        store_free(v->opened.p[i]);
    vec_free(&v->opened);
    vec_free(&v->empty);
    vec_free(&v->scanned);
}
