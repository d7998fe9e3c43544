/*
 * One load: the warehouse's table becomes what a snapshot of the gold table is, in one transaction.
 *
 * What has to be touched is told by the data files' names, which Delta never uses twice: gold._ingot_files keeps those
 * that are loaded, and partitions whose files differ from the snapshot's are merged, all others are left alone. That
 * holds whatever happened in between: versions never loaded, a table that was made anew, a load that died. Without such
 * a record, or when columns changed their types, the whole table is loaded.
 */
#include "warehouse/warehouse_internal.h"

#include <stdlib.h>
#include <strings.h>

#define PARTITIONS_MAX 200     /* when more than that changed, the whole table is loaded */
#define NULL_VALUE "\x1e"      /* a null partition value in the record of loaded files */
#define VALUE_SEPARATOR '\x1f' /* between the values of one file */

struct column {
    char *name, *type;
};
struct columns {
    struct column *p;
    size_t n, cap;
};

struct loader {
    struct env *env;
    struct engine_conn *c;
    const struct warehouse_load *load;
    struct arena arena;
    const char *target;          /* "gold"."TABLE" */
    const char *where_load;      /* this table's rows of _ingot_loads and _ingot_files */
    int64_t previous_version;    /* -1: never loaded */
    struct columns have, wanted; /* of the warehouse's table (none: it is not there), of the snapshot */
    VEC(const char *) changed;   /* partitions, as in _ingot_files */
    bool whole;                  /* load everything, not only `changed` */
    bool rebuild;                /* make the table anew */
};

static enum ig_code exec(struct loader *l, struct buf *sql, struct error *err)
{
    enum ig_code rc = buf_check(sql, err, "the load's SQL");

    if (!rc)
        rc = engine_exec(l->c, err, buf_cstr(sql));
    buf_clear(sql);
    return rc;
}

/* --- what is there --------------------------------------------------------------------------------------------- */

static enum ig_code ensure_records(struct loader *l, struct error *err)
{
    return engine_exec(l->c, err,
                       "CREATE SCHEMA IF NOT EXISTS gold;"
                       "CREATE TABLE IF NOT EXISTS gold._ingot_loads(table_name VARCHAR NOT NULL, domain VARCHAR NOT "
                       "NULL, delta_version BIGINT NOT NULL, rows BIGINT NOT NULL, loaded_at TIMESTAMPTZ NOT NULL);"
                       "CREATE TABLE IF NOT EXISTS gold._ingot_files(table_name VARCHAR NOT NULL, domain VARCHAR NOT "
                       "NULL, file VARCHAR NOT NULL, partition VARCHAR NOT NULL)");
}

static enum ig_code read_columns(struct loader *l, const char *sql, struct columns *out, struct error *err)
{
    struct engine_rows rows = {0};
    const enum ig_code rc = engine_query(l->c, sql, &rows, err);

    while (!rc && engine_next(&rows)) {
        const struct str name = engine_str(&rows, 0), type = engine_str(&rows, 1);
        const struct column column = {arena_strndup(&l->arena, name.p, name.n),
                                      arena_strndup(&l->arena, type.p, type.n)};

        vec_push(out, column);
    }
    engine_rows_free(&rows);
    return rc;
}

static enum ig_code read_have(struct loader *l, struct buf *sql, struct error *err)
{
    buf_puts(sql, "SELECT column_name, data_type FROM duckdb_columns() WHERE database_name = current_database() AND "
                  "schema_name = 'gold' AND table_name = ");
    engine_add_literal(sql, str_of(l->load->table));
    buf_puts(sql, " ORDER BY column_index");
    IG_TRY(read_columns(l, buf_cstr(sql), &l->have, err));
    buf_clear(sql);
    l->previous_version = -1;
    buf_printf(sql, "SELECT coalesce(max(delta_version), -1) FROM gold._ingot_loads WHERE %s", l->where_load);
    IG_TRY(engine_query_int64(l->c, buf_cstr(sql), &l->previous_version, err));
    buf_clear(sql);
    return IG_OK;
}

static enum ig_code read_wanted(struct loader *l, struct buf *sql, struct error *err)
{
    buf_puts(sql, "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM ");
    IG_TRY(lake_add_scan(l->load->snapshot, NULL, sql, err));
    buf_puts(sql, ")");
    IG_TRY(read_columns(l, buf_cstr(sql), &l->wanted, err));
    buf_clear(sql);
    return IG_OK;
}

static const struct column *find_column(const struct columns *columns, const char *name)
{
    for (size_t i = 0; i < columns->n; i++)
        if (strcasecmp(columns->p[i].name, name) == 0)
            return &columns->p[i];
    return NULL;
}

/* --- files: theirs and ours ------------------------------------------------------------------------------------ */

struct file_list {
    struct loader *l;
    struct buf *sql;
    size_t n;
};

static enum ig_code add_file(void *ctx, const struct lake_file *f, struct error *err)
{
    struct file_list *list = ctx;
    const size_t n = lake_partition_columns(list->l->load->snapshot);
    struct buf partition;
    enum ig_code rc = IG_OK;

    buf_init(&partition, 0);
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_putc(&partition, VALUE_SEPARATOR);
        buf_puts(&partition, f->partition_values[i] ? f->partition_values[i] : NULL_VALUE);
    }
    buf_puts(list->sql, list->n ? ", (" : "INSERT INTO ingot_snapshot_files VALUES (");
    engine_add_literal(list->sql, str_of(f->name));
    buf_puts(list->sql, ", ");
    engine_add_literal(list->sql, buf_str(&partition));
    buf_putc(list->sql, ')');
    buf_release(&partition);
    if (++list->n == 500) {
        rc = exec(list->l, list->sql, err);
        list->n = 0;
    }
    return rc;
}

static enum ig_code list_files(struct loader *l, struct buf *sql, struct error *err)
{
    struct file_list list = {l, sql, 0};

    IG_TRY(
        engine_exec(l->c, err, "CREATE OR REPLACE TEMP TABLE ingot_snapshot_files(file VARCHAR, partition VARCHAR)"));
    IG_TRY(lake_files(l->load->snapshot, add_file, &list, err));
    return list.n ? exec(l, sql, err) : IG_OK;
}

static enum ig_code list_changed(struct loader *l, struct buf *sql, struct error *err)
{
    struct engine_rows rows = {0};
    enum ig_code rc;

    buf_printf(sql,
               "WITH loaded AS (SELECT file, partition FROM gold._ingot_files WHERE %s) "
               "SELECT DISTINCT partition FROM ((FROM ingot_snapshot_files EXCEPT FROM loaded) UNION ALL "
               "(FROM loaded EXCEPT FROM ingot_snapshot_files)) ORDER BY partition",
               l->where_load);
    rc = engine_query(l->c, buf_cstr(sql), &rows, err);
    buf_clear(sql);
    while (!rc && engine_next(&rows)) {
        const struct str s = engine_str(&rows, 0);

        vec_push(&l->changed, arena_strndup(&l->arena, s.p, s.n));
    }
    engine_rows_free(&rows);
    return rc;
}

/* --- what to do ------------------------------------------------------------------------------------------------ */

/* Partition values are text in Delta; these types' text is the same in SQL. */
static bool text_identifies(const char *type)
{
    static const char *const types[] = {"DATE", "VARCHAR", "BIGINT", "INTEGER", "SMALLINT", "TINYINT", "BOOLEAN"};

    for (size_t i = 0; i < IG_COUNT(types); i++)
        if (strcmp(types[i], type) == 0)
            return true;
    return false;
}

static void decide(struct loader *l)
{
    const struct lake_snapshot *s = l->load->snapshot;

    l->rebuild = l->have.n == 0 || l->previous_version < 0;
    for (size_t i = 0; i < l->have.n; i++) {
        const struct column *now = find_column(&l->wanted, l->have.p[i].name);

        l->rebuild = l->rebuild || !now || strcmp(now->type, l->have.p[i].type) != 0;
    }
    l->whole = l->rebuild || lake_partition_columns(s) == 0 || l->changed.n > PARTITIONS_MAX;
    for (size_t i = 0; i < lake_partition_columns(s); i++) {
        const struct column *column = find_column(&l->wanted, lake_partition_column(s, i));

        l->whole = l->whole || !column || !text_identifies(column->type);
    }
}

/* --- staging --------------------------------------------------------------------------------------------------- */

/* The values of one partition out of its text in _ingot_files. */
static struct lake_partition *split_partition(struct loader *l, const char *text, size_t n)
{
    struct lake_partition *out = ARENA_ARRAY(&l->arena, struct lake_partition, n);
    char *p = arena_strdup(&l->arena, text);

    for (size_t i = 0; i < n; i++) {
        char *end = strchr(p, VALUE_SEPARATOR);

        if (end)
            *end = '\0';
        out[i].column = lake_partition_column(l->load->snapshot, i);
        out[i].value = strcmp(p, NULL_VALUE) == 0 ? NULL : p;
        p = end ? end + 1 : p + strlen(p);
    }
    return out;
}

static enum ig_code add_source(struct loader *l, struct buf *sql, struct error *err)
{
    const size_t n = lake_partition_columns(l->load->snapshot);

    if (l->whole) {
        buf_puts(sql, "SELECT * FROM ");
        return lake_add_scan(l->load->snapshot, NULL, sql, err);
    }
    for (size_t i = 0; i < l->changed.n; i++) {
        buf_puts(sql, i ? " UNION ALL BY NAME SELECT * FROM " : "SELECT * FROM ");
        IG_TRY(lake_add_scan(l->load->snapshot,
                             &(struct lake_scan){.only = split_partition(l, l->changed.p[i], n), .n_only = n}, sql,
                             err));
    }
    return IG_OK;
}

static enum ig_code check_key(struct loader *l, struct buf *sql, struct error *err)
{
    int64_t twice = 0;

    if (l->load->n_key == 0)
        return IG_OK;
    buf_puts(sql, "SELECT count(*) FROM (SELECT 1 FROM ingot_staging GROUP BY ");
    for (size_t i = 0; i < l->load->n_key; i++) {
        buf_puts(sql, i ? ", " : "");
        engine_add_name(sql, str_of(l->load->key[i]));
    }
    buf_puts(sql, " HAVING count(*) > 1)");
    IG_TRY(engine_query_int64(l->c, buf_cstr(sql), &twice, err));
    buf_clear(sql);
    return twice ? error_set(err, IG_CORRUPT, "%lld keys are in version %lld of the gold table more than once",
                             (long long)twice, (long long)lake_version(l->load->snapshot))
                 : IG_OK;
}

/* --- target ---------------------------------------------------------------------------------------------------- */

static enum ig_code evolve(struct loader *l, struct buf *sql, struct error *err)
{
    for (size_t i = 0; i < l->wanted.n; i++) {
        if (find_column(&l->have, l->wanted.p[i].name))
            continue;
        buf_printf(sql, "ALTER TABLE %s ADD COLUMN ", l->target);
        engine_add_name(sql, str_of(l->wanted.p[i].name));
        buf_printf(sql, " %s", l->wanted.p[i].type);
        IG_TRY(exec(l, sql, err));
    }
    return IG_OK;
}

/* "t.a IS NOT DISTINCT FROM s.a AND ...", or with " OR " and DISTINCT. */
static void add_comparisons(struct buf *sql, const char *const *names, size_t n, const char *op, const char *between)
{
    for (size_t i = 0; i < n; i++) {
        buf_puts(sql, i ? between : "");
        buf_puts(sql, "t.");
        engine_add_name(sql, str_of(names[i]));
        buf_printf(sql, " %s s.", op);
        engine_add_name(sql, str_of(names[i]));
    }
}

/* Which rows of the target the load is about. */
static void add_scope(struct loader *l, struct buf *sql)
{
    const size_t n = lake_partition_columns(l->load->snapshot);

    if (l->whole) {
        buf_puts(sql, "true");
        return;
    }
    for (size_t i = 0; i < l->changed.n; i++) {
        const struct lake_partition *values = split_partition(l, l->changed.p[i], n);

        buf_puts(sql, i ? " OR (" : "(");
        for (size_t k = 0; k < n; k++) {
            buf_puts(sql, k ? " AND CAST(t." : "CAST(t.");
            engine_add_name(sql, str_of(values[k].column));
            buf_puts(sql, " AS VARCHAR)");
            if (values[k].value) {
                buf_puts(sql, " = ");
                engine_add_literal(sql, str_of(values[k].value));
            } else {
                buf_puts(sql, " IS NULL");
            }
        }
        buf_putc(sql, ')');
    }
}

static void add_column_list(const struct columns *columns, const char *prefix, struct buf *sql)
{
    for (size_t i = 0; i < columns->n; i++) {
        buf_puts(sql, i ? ", " : "");
        buf_puts(sql, prefix);
        engine_add_name(sql, str_of(columns->p[i].name));
    }
}

static enum ig_code merge(struct loader *l, struct buf *sql, struct error *err)
{
    const char **others = ARENA_ARRAY(&l->arena, const char *, l->wanted.n + 1);
    size_t n_others = 0;

    for (size_t i = 0; i < l->wanted.n; i++) {
        bool is_key = false;

        for (size_t k = 0; k < l->load->n_key; k++)
            is_key = is_key || strcasecmp(l->load->key[k], l->wanted.p[i].name) == 0;
        if (!is_key)
            others[n_others++] = l->wanted.p[i].name;
    }
    buf_printf(sql, "MERGE INTO %s AS t USING ingot_staging AS s ON (", l->target);
    add_comparisons(sql, l->load->key, l->load->n_key, "IS NOT DISTINCT FROM", " AND ");
    buf_puts(sql, ")");
    if (n_others) {
        buf_puts(sql, " WHEN MATCHED AND (");
        add_comparisons(sql, others, n_others, "IS DISTINCT FROM", " OR ");
        buf_puts(sql, ") THEN UPDATE SET ");
        for (size_t i = 0; i < n_others; i++) {
            buf_puts(sql, i ? ", " : "");
            engine_add_name(sql, str_of(others[i]));
            buf_puts(sql, " = s.");
            engine_add_name(sql, str_of(others[i]));
        }
    }
    buf_puts(sql, " WHEN NOT MATCHED THEN INSERT (");
    add_column_list(&l->wanted, "", sql);
    buf_puts(sql, ") VALUES (");
    add_column_list(&l->wanted, "s.", sql);
    buf_puts(sql, ") WHEN NOT MATCHED BY SOURCE AND (");
    add_scope(l, sql);
    buf_puts(sql, ") THEN DELETE");
    return exec(l, sql, err);
}

/* A table without a key: its partitions are replaced. */
static enum ig_code replace(struct loader *l, struct buf *sql, struct error *err)
{
    buf_printf(sql, "DELETE FROM %s AS t WHERE ", l->target);
    add_scope(l, sql);
    IG_TRY(exec(l, sql, err));
    buf_printf(sql, "INSERT INTO %s BY NAME FROM ingot_staging", l->target);
    return exec(l, sql, err);
}

static enum ig_code write_rows(struct loader *l, struct buf *sql, struct error *err)
{
    if (!l->whole && l->changed.n == 0)
        return IG_OK;
    buf_puts(sql, "CREATE OR REPLACE TEMP TABLE ingot_staging AS ");
    IG_TRY(add_source(l, sql, err));
    IG_TRY(exec(l, sql, err));
    IG_TRY(check_key(l, sql, err));
    if (l->rebuild) {
        buf_printf(sql, "DROP TABLE IF EXISTS %s; CREATE TABLE %s AS FROM ingot_staging", l->target, l->target);
        IG_TRY(exec(l, sql, err));
    } else {
        IG_TRY(evolve(l, sql, err));
        if (l->load->n_key)
            IG_TRY(merge(l, sql, err));
        else
            IG_TRY(replace(l, sql, err));
    }
    return engine_exec(l->c, err, "DROP TABLE ingot_staging");
}

static enum ig_code record(struct loader *l, struct buf *sql, struct warehouse_result *out, struct error *err)
{
    char now[40];

    buf_printf(sql, "SELECT count(*) FROM %s", l->target);
    IG_TRY(engine_query_int64(l->c, buf_cstr(sql), &out->rows, err));
    buf_clear(sql);
    buf_printf(sql, "DELETE FROM gold._ingot_loads WHERE %s; DELETE FROM gold._ingot_files WHERE %s;", l->where_load,
               l->where_load);
    buf_puts(sql, "INSERT INTO gold._ingot_loads VALUES (");
    engine_add_literal(sql, str_of(l->load->table));
    buf_puts(sql, ", ");
    engine_add_literal(sql, str_of(l->load->domain));
    buf_printf(sql, ", %lld, %lld, TIMESTAMPTZ '%s');", (long long)out->delta_version, (long long)out->rows,
               timestamp_format(env_now_us(l->env), now));
    buf_puts(sql, "INSERT INTO gold._ingot_files SELECT ");
    engine_add_literal(sql, str_of(l->load->table));
    buf_puts(sql, ", ");
    engine_add_literal(sql, str_of(l->load->domain));
    buf_puts(sql, ", file, partition FROM ingot_snapshot_files");
    return exec(l, sql, err);
}

/* --- the whole ------------------------------------------------------------------------------------------------- */

static void loader_init(struct loader *l, struct buf *sql)
{
    buf_puts(sql, "\"gold\".");
    engine_add_name(sql, str_of(l->load->table));
    l->target = arena_strdup(&l->arena, buf_cstr(sql));
    buf_clear(sql);
    buf_puts(sql, "domain = ");
    engine_add_literal(sql, str_of(l->load->domain));
    buf_puts(sql, " AND table_name = ");
    engine_add_literal(sql, str_of(l->load->table));
    l->where_load = arena_strdup(&l->arena, buf_cstr(sql));
    buf_clear(sql);
}

static enum ig_code run(struct loader *l, struct buf *sql, struct warehouse_result *out, struct error *err)
{
    out->delta_version = lake_version(l->load->snapshot);
    IG_TRY(ensure_records(l, err));
    IG_TRY(read_have(l, sql, err));
    IG_TRY(read_wanted(l, sql, err));
    IG_TRY(list_files(l, sql, err));
    IG_TRY(list_changed(l, sql, err));
    decide(l);
    if (!l->rebuild && l->changed.n == 0 && l->previous_version == out->delta_version && l->have.n == l->wanted.n) {
        out->already_loaded = true;
        buf_printf(sql, "SELECT rows FROM gold._ingot_loads WHERE %s", l->where_load);
        IG_TRY(engine_query_int64(l->c, buf_cstr(sql), &out->rows, err));
        return IG_OK;
    }
    IG_TRY(write_rows(l, sql, err));
    return record(l, sql, out, err);
}

enum ig_code warehouse_duckdb_load(struct env *env, struct engine_conn *c, const struct warehouse_load *load,
                                   struct warehouse_result *out, struct error *err)
{
    struct loader l = {.env = env, .c = c, .load = load};
    struct buf sql;
    enum ig_code rc;

    *out = (struct warehouse_result){0};
    arena_init(&l.arena);
    buf_init(&sql, 0);
    loader_init(&l, &sql);
    rc = engine_exec(c, err, "BEGIN");
    if (!rc) {
        rc = run(&l, &sql, out, err);
        if (!rc)
            rc = engine_exec(c, err, "COMMIT");
        if (rc)
            (void)!engine_exec(c, NULL, "ROLLBACK");
    }
    vec_free(&l.have);
    vec_free(&l.wanted);
    vec_free(&l.changed);
    arena_release(&l.arena);
    buf_release(&sql);
    return rc;
}
