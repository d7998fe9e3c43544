#include "cli/query_run.h"

#include "cli/cli.h"
#include "cli/query_place.h"
#include "cli/query_work.h"

#include <string.h>

struct run {
    struct env *env;
    struct store *project;
    struct lake_table *t;
    struct engine_conn *conn;
    const struct query_change *c;
    const struct query_text *text;
    struct query_done *done;
};

static const char *const names[] = {
    [QUERY_INSERT] = "INSERT",
    [QUERY_DELETE] = "DELETE",
    [QUERY_UPDATE] = "UPDATE",
    [QUERY_MERGE] = "MERGE",
    [QUERY_CREATE] = "CREATE",
    [QUERY_ALTER] = "ALTER",
    [QUERY_TRUNCATE] = "TRUNCATE",
    [QUERY_OPTIMIZE] = "OPTIMIZE",
    [QUERY_VACUUM] = "VACUUM",
    [QUERY_RESTORE] = "RESTORE",
    [QUERY_CLONE] = "CLONE",
    [QUERY_HISTORY] = "DESCRIBE HISTORY",
    [QUERY_DETAIL] = "DESCRIBE DETAIL",
};

static enum ig_code version_of(struct lake_table *t, int64_t *version, struct error *err)
{
    struct lake_snapshot *s = NULL;
    enum ig_code rc = lake_snapshot_open(t, LAKE_LATEST, &s, err);

    *version = rc ? -1 : lake_version(s);
    lake_snapshot_free(s);
    return rc;
}

/* --- CREATE ---------------------------------------------------------------------------------------------------- */

static enum ig_code replace(struct run *r, struct error *err)
{
    const struct lake_commit_options options = {.operation = "CREATE OR REPLACE TABLE AS SELECT",
                                                .only_on_version = LAKE_LATEST};
    const struct lake_insert insert = {
        .select = r->c->query,
        .by_name = true,
        .overwrite = LAKE_OVERWRITE_ALL,
        .overwrite_schema = true,
        .partition_by = r->c->partition_by.p,
        .n_partition_by = r->c->partition_by.n,
    };

    return lake_insert(r->t, &insert, &options, &r->done->result, err);
}

static enum ig_code create(struct run *r, struct error *err)
{
    const struct query_change *c = r->c;
    const struct lake_create_options o = {
        .columns = c->definitions.p,
        .n_columns = c->definitions.n,
        .partition_by = c->partition_by.p,
        .n_partition_by = c->partition_by.n,
        .cluster_by = c->cluster_by.p,
        .n_cluster_by = c->cluster_by.n,
        .properties = c->properties.p,
        .n_properties = c->properties.n,
        .comment = c->comment,
    };
    enum ig_code rc = version_of(r->t, &r->done->version, err);
    const bool there = rc == IG_OK;

    if (rc && rc != IG_NOT_FOUND)
        return rc;
    if (there && c->if_not_exists)
        return IG_OK;
    if (there && c->or_replace) {
        if (!c->query || c->definitions.n || c->properties.n || c->cluster_by.n || c->comment)
            return error_set(err, IG_UNSUPPORTED,
                             "CREATE OR REPLACE of a table that is there is done with AS and a query, which gives the "
                             "columns; its properties stay: ALTER TABLE changes them");
        return replace(r, err);
    }
    rc = c->query ? lake_create_table_as(r->t, c->query, &o, &r->done->result, err)
                  : lake_create_table(r->t, NULL, &o, err);
    return rc == IG_EXISTS && c->if_not_exists ? IG_OK : rc; /* somebody was quicker */
}

/* --- the others ------------------------------------------------------------------------------------------------ */

/* A row for which nothing is given. */
static enum ig_code insert_defaults(struct run *r, struct error *err)
{
    const struct lake_commit_options options = {.operation = "WRITE", .only_on_version = LAKE_LATEST};
    const struct lake_merge_clause clause = {.when = LAKE_NOT_MATCHED, .action = LAKE_INSERT};
    const struct lake_merge merge = {
        .select = "SELECT 1 AS one",
        .on = "false",
        .target_alias = "target",
        .source_alias = "source",
        .clauses = &clause,
        .n_clauses = 1,
    };

    return lake_merge(r->t, &merge, &options, &r->done->result, err);
}

static enum ig_code work(struct run *r, struct error *err)
{
    const struct query_work w = {
        .env = r->env, .project = r->project, .conn = r->conn, .arena = r->text->arena, .t = r->t, .c = r->c};
    const bool makes = r->c->kind == QUERY_CLONE;
    struct buf sql;
    enum ig_code rc = IG_OK;

    if (makes && r->c->if_not_exists && r->done->version >= 0) {
        r->done->rows = "SELECT NULL::BIGINT AS version WHERE false";
        return IG_OK;
    }
    buf_init(&sql, 0);
    rc = query_work(&w, &sql, err);
    r->done->rows = arena_strndup(r->text->arena, buf_cstr(&sql), sql.n);
    buf_release(&sql);
    return rc;
}

static enum ig_code carry_out(struct run *r, struct error *err)
{
    const struct lake_commit_options truncate = {.operation = "TRUNCATE", .only_on_version = LAKE_LATEST};
    struct lake_result *result = &r->done->result;
    const struct query_change *c = r->c;

    switch (c->kind) {
    case QUERY_INSERT:
        if (c->default_values)
            return insert_defaults(r, err);
        return lake_insert(r->t, &c->insert, NULL, result, err);
    case QUERY_DELETE:
        return lake_delete(r->t, c->alias, c->where, NULL, result, err);
    case QUERY_UPDATE:
        return lake_update(r->t, c->alias, c->sets.p, c->sets.n, c->where, NULL, result, err);
    case QUERY_MERGE:
        return lake_merge(r->t, &c->merge, NULL, result, err);
    case QUERY_TRUNCATE:
        return lake_delete(r->t, NULL, NULL, &truncate, result, err);
    case QUERY_ALTER:
        return lake_alter(r->t, &c->alteration, NULL, err);
    case QUERY_CREATE:
        return create(r, err);
    default:
        return work(r, err);
    }
}

static bool makes_table(const struct query_change *c)
{
    return c->kind == QUERY_CREATE || c->kind == QUERY_CLONE;
}

static enum ig_code run(struct run *r, struct error *err)
{
    int64_t before = -1;
    enum ig_code rc = version_of(r->t, &before, err);

    r->done->version = before;
    if (rc == IG_NOT_FOUND && makes_table(r->c))
        rc = IG_OK;
    if (rc == IG_NOT_FOUND)
        return error_set(err, rc,
                         "there is no Delta table (no _delta_log with commits); CREATE TABLE delta('%s') makes "
                         "one",
                         r->c->place);
    /* What is stored need not be in the query's order; kept in order it would all have to wait in memory. OPTIMIZE
     * keeps the order that rows have. */
    if (!rc && r->c->kind < QUERY_OPTIMIZE)
        rc = engine_exec(r->conn, err, "SET preserve_insertion_order = false");
    if (!rc)
        rc = carry_out(r, err);
    (void)!engine_exec(r->conn, NULL, "RESET preserve_insertion_order");
    if (!rc)
        rc = version_of(r->t, &r->done->version, err);
    r->done->changed = !rc && r->done->version != before;
    r->done->counts_rows = r->c->kind != QUERY_ALTER && (r->c->kind != QUERY_CREATE || r->c->query);
    return rc;
}

/* Is a file of the table what the engine could not read? Then the message names it. */
static enum ig_code blame(const struct run *r, enum ig_code rc, struct error *err)
{
    struct error found = {0};

    if (!r->t || r->c->kind == QUERY_CREATE || !lake_looks_broken(err->msg) ||
        lake_find_broken(r->t, LAKE_LATEST, &found) == IG_OK)
        return rc;
    *err = found;
    return found.code;
}

/* The lake's message without DuckDB's picture of our own query, and with the place of what it quotes. */
static enum ig_code locate(const struct run *r, enum ig_code rc, struct error *err)
{
    char *picture = strstr(err->msg, "\n\nLINE ");
    struct buf place;

    if (picture)
        *picture = '\0';
    buf_init(&place, 0);
    query_change_add_place(r->text, r->c, err->msg, &place);
    buf_printf(&place, "%s delta('%s'): %s", r->done->what, r->c->place, err->msg);
    if (rc == IG_CONFLICT && r->c->kind != QUERY_CREATE)
        buf_puts(&place, ". Another writer was first: this statement has changed nothing, and may be run again");
    rc = error_set(err, rc, "%s", buf_cstr(&place));
    buf_release(&place);
    return rc;
}

enum ig_code query_change_run(struct env *env, struct store *project, struct engine_conn *conn,
                              const struct query_text *text, size_t i, struct query_done *out, struct error *err)
{
    struct query_place place = {0};
    struct lake_table *t = NULL;
    struct query_change c;
    enum ig_code rc = query_change_read(text, i, &c, err);

    *out = (struct query_done){.what = names[c.kind], .version = -1};
    if (!rc)
        rc = query_place_open(env, project, text->arena, c.place, makes_table(&c), &place, err);
    if (!rc) {
        struct run r = {.env = env, .project = project, .conn = conn, .c = &c, .text = text, .done = out};

        rc = lake_open(place.store, conn, place.path, &t, err);
        r.t = t;
        if (!rc)
            rc = run(&r, err);
        if (rc)
            rc = locate(&r, blame(&r, rc, err), err);
    }
    lake_close(t);
    if (place.owned)
        store_free(place.store);
    query_change_free(&c);
    return rc;
}

/* --- telling --------------------------------------------------------------------------------------------------- */

static void add_json(const struct query_done *done, struct buf *out)
{
    const struct lake_result *r = &done->result;

    buf_printf(out, "{\"statement\":\"%s\",\"version\":%lld,\"changed\":%s", done->what, (long long)done->version,
               done->changed ? "true" : "false");
    if (done->counts_rows)
        buf_printf(out,
                   ",\"rows_inserted\":%lld,\"rows_updated\":%lld,\"rows_deleted\":%lld,\"rows_copied\":%lld,"
                   "\"files_added\":%lld,\"files_removed\":%lld,\"bytes_added\":%lld",
                   (long long)r->rows_inserted, (long long)r->rows_updated, (long long)r->rows_deleted,
                   (long long)r->rows_copied, (long long)r->files_added, (long long)r->files_removed,
                   (long long)r->bytes_added);
    buf_puts(out, "}\n");
}

static void add_count(int64_t n, const char *one, const char *many, const char *verb, bool *any, struct buf *out)
{
    char count[32];

    if (n <= 0)
        return;
    cli_format_count(n, count);
    buf_printf(out, "%s%s %s %s", *any ? ", " : "", count, n == 1 ? one : many, verb);
    *any = true;
}

void query_add_done(const struct query_done *done, bool json, struct buf *out)
{
    const struct lake_result *r = &done->result;
    bool any = false;

    if (json) {
        add_json(done, out);
        return;
    }
    if (!done->changed) {
        buf_printf(out, "%s: nothing to change, version %lld stays\n", done->what, (long long)done->version);
        return;
    }
    buf_printf(out, "%s: ", done->what);
    if (done->counts_rows) {
        add_count(r->rows_inserted, "row", "rows", "inserted", &any, out);
        add_count(r->rows_updated, "row", "rows", "updated", &any, out);
        add_count(r->rows_deleted, "row", "rows", "deleted", &any, out);
        add_count(r->files_added, "file", "files", "added", &any, out);
        add_count(r->files_removed, "file", "files", "removed", &any, out);
    }
    buf_printf(out, "%sversion %lld\n", any ? ": " : "", (long long)done->version);
}
