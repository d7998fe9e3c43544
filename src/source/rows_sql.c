#include "engine/engine.h"
#include "source/csv.h"
#include "source/rows.h"

#include <stdlib.h>
#include <unistd.h>

#define OWN_MEMORY_MIN ((int64_t)64 << 20)

struct sql_rows {
    struct rows rows;
    struct engine *engine;
    struct engine_conn *conn;
    struct engine_rows result;
    bool in_chunk;     /* the row that the result is at has not been given out */
    bool has_rejected; /* CSV: table `rejected` has the lines that are no rows */
    bool in_rejected;  /* they are being given out */
    int64_t ordinal;   /* of the next row */
    struct source_item *items;
    size_t cap_items;
};

/* --- the query ------------------------------------------------------------------------------------------------ */

enum how { AS_TEXT, AS_NUMBER, AS_REAL, AS_TIME, AS_BYTES, AS_JSON };

/* How a column of a type becomes JSON; by what the type's name begins with, the first that fits. */
static const struct {
    const char *type;
    enum how how;
} type_table[] = {
    {"BOOLEAN", AS_NUMBER},  {"TINYINT", AS_NUMBER}, {"SMALLINT", AS_NUMBER}, {"INTEGER", AS_NUMBER},
    {"BIGINT", AS_NUMBER},   {"HUGEINT", AS_NUMBER}, {"UTINYINT", AS_NUMBER}, {"USMALLINT", AS_NUMBER},
    {"UINTEGER", AS_NUMBER}, {"UBIGINT", AS_NUMBER}, {"UHUGEINT", AS_NUMBER}, {"DECIMAL", AS_NUMBER},
    {"FLOAT", AS_REAL},      {"DOUBLE", AS_REAL},    {"TIMESTAMP", AS_TIME},  {"BLOB", AS_BYTES},
    {"STRUCT", AS_JSON},     {"MAP", AS_JSON},       {"LIST", AS_JSON},       {"UNION", AS_JSON},
    {"JSON", AS_NUMBER}, /* it is JSON already */
};

static enum how how_of_type(struct str type)
{
    if (str_has_suffix(type, "]"))
        return AS_JSON;
    for (size_t i = 0; i < IG_COUNT(type_table); i++)
        if (str_has_prefix(type, type_table[i].type))
            return type_table[i].how;
    return AS_TEXT;
}

static void add_column(struct buf *sql, struct str name, enum how how)
{
    static const struct {
        const char *before, *after;
    } forms[] = {
        [AS_TEXT] = {"CAST(to_json(CAST(", " AS VARCHAR)) AS VARCHAR)"},
        [AS_NUMBER] = {"CAST(", " AS VARCHAR)"},
        [AS_REAL] = {" THEN CAST(", " AS VARCHAR) END"}, /* JSON has no NaN */
        [AS_TIME] = {"'\"' || replace(CAST(", " AS VARCHAR), ' ', 'T') || '\"'"},
        [AS_BYTES] = {"'\"' || base64(", ") || '\"'"},
        [AS_JSON] = {"CAST(to_json(", ") AS VARCHAR)"},
    };

    if (how == AS_REAL) {
        buf_puts(sql, "CASE WHEN isfinite(");
        engine_add_name(sql, name);
        buf_puts(sql, ")");
    }
    buf_puts(sql, forms[how].before);
    engine_add_name(sql, name);
    buf_puts(sql, forms[how].after);
}

/* SELECT one JSON object a row FROM (`select`). */
static enum ig_code add_object_query(struct engine_conn *c, const char *select, struct buf *sql, struct error *err)
{
    struct engine_rows columns;
    struct buf text;
    enum ig_code rc;
    bool first = true;

    buf_init(&text, 0);
    buf_printf(&text, "SELECT column_name, column_type FROM (DESCRIBE %s\n)", select);
    rc = engine_query(c, buf_cstr(&text), &columns, err);
    if (rc)
        goto out;
    buf_puts(sql, "SELECT concat(");
    while (engine_next(&columns)) {
        const struct str name = engine_str(&columns, 0);

        buf_clear(&text);
        buf_putc(&text, first ? '{' : ',');
        json_add_string(&text, name);
        buf_putc(&text, ':');
        if (!first)
            buf_puts(sql, ", ");
        engine_add_literal(sql, buf_str(&text));
        buf_puts(sql, ", coalesce(");
        add_column(sql, name, how_of_type(engine_str(&columns, 1)));
        buf_puts(sql, ", 'null')");
        first = false;
    }
    buf_printf(sql, ", '}') FROM (%s\n)", select);
    engine_rows_free(&columns);
    rc = buf_check(sql, err, "the query over the rows");
out:
    buf_release(&text);
    return rc;
}

/* --- what `input` is ------------------------------------------------------------------------------------------ */

static enum ig_code view_parquet(struct engine_conn *c, const char *path, struct error *err)
{
    struct buf sql;
    enum ig_code rc;

    buf_init(&sql, 0);
    buf_puts(&sql, "CREATE TEMP VIEW input AS SELECT * FROM read_parquet(");
    engine_add_literal(&sql, str_of(path));
    buf_puts(&sql, ")");
    rc = engine_exec(c, err, buf_cstr(&sql));
    buf_release(&sql);
    return rc;
}

static enum ig_code make_tables(struct engine_conn *c, const struct csv *csv, struct error *err)
{
    struct buf sql;
    enum ig_code rc;

    buf_init(&sql, 0);
    buf_puts(&sql, "CREATE TEMP TABLE rejected (line BIGINT, text BLOB, problem VARCHAR);"
                   "CREATE TEMP TABLE input (");
    for (size_t i = 0; i < csv_columns(csv); i++) {
        if (i)
            buf_puts(&sql, ", ");
        engine_add_name(&sql, csv_column(csv, i));
        buf_puts(&sql, " VARCHAR");
    }
    buf_puts(&sql, ")");
    rc = engine_exec(c, err, buf_cstr(&sql));
    buf_release(&sql);
    return rc;
}

static enum ig_code check_appended(duckdb_appender a, duckdb_state state, struct error *err)
{
    const char *message = state == DuckDBSuccess ? NULL : duckdb_appender_error(a);

    return state == DuckDBSuccess ? IG_OK : error_set(err, IG_IO, "load: %s", message ? message : "no reason given");
}

static enum ig_code append_row(duckdb_appender to, duckdb_appender rejected, const struct csv *csv,
                               const struct csv_row *row, struct str null_text, struct error *err)
{
    if (row->problem) {
        duckdb_append_int64(rejected, row->line);
        duckdb_append_blob(rejected, row->text.p, row->text.n);
        duckdb_append_varchar(rejected, row->problem);
        return check_appended(rejected, duckdb_appender_end_row(rejected), err);
    }
    for (size_t i = 0; i < csv_columns(csv); i++) {
        if (str_eq(row->fields[i], null_text))
            duckdb_append_null(to);
        else
            duckdb_append_varchar_length(to, row->fields[i].p, row->fields[i].n);
    }
    return check_appended(to, duckdb_appender_end_row(to), err);
}

static enum ig_code append_rows(struct engine_conn *c, struct csv *csv, struct str null_text, struct error *err)
{
    duckdb_appender to = NULL, rejected = NULL;
    struct csv_row row;
    enum ig_code rc;
    bool end = false;

    rc = check_appended(to, duckdb_appender_create_ext(engine_handle(c), "temp", "main", "input", &to), err);
    if (!rc)
        rc = check_appended(rejected,
                            duckdb_appender_create_ext(engine_handle(c), "temp", "main", "rejected", &rejected), err);
    while (!rc) {
        rc = csv_next(csv, &row, &end, err);
        if (rc || end)
            break;
        rc = append_row(to, rejected, csv, &row, null_text, err);
    }
    if (!rc)
        rc = check_appended(to, duckdb_appender_flush(to), err);
    if (!rc)
        rc = check_appended(rejected, duckdb_appender_flush(rejected), err);
    duckdb_appender_destroy(&to);
    duckdb_appender_destroy(&rejected);
    return rc;
}

static enum ig_code load_csv(struct env *env, struct engine_conn *c, const char *path, struct str null_text,
                             struct error *err)
{
    struct csv *csv;
    enum ig_code rc;

    IG_TRY(csv_open(env, path, &csv, err));
    rc = make_tables(c, csv, err);
    if (!rc)
        rc = append_rows(c, csv, null_text, err);
    csv_close(csv);
    return rc;
}

/* --- rows ---------------------------------------------------------------------------------------------------- */

/* Puts the result at its next row; at the end of the rows, at the first rejected line. */
static enum ig_code advance(struct sql_rows *r, struct error *err)
{
    if (!r->result.open)
        return IG_OK;
    if (engine_next(&r->result)) {
        r->in_chunk = true;
        return IG_OK;
    }
    IG_TRY(engine_rows_check(&r->result, err));
    engine_rows_free(&r->result);
    if (!r->has_rejected || r->in_rejected)
        return IG_OK;
    r->in_rejected = true;
    IG_TRY(engine_query_streaming(
        r->conn, "SELECT text, concat('line ', line + 1, ': ', problem) FROM temp.main.rejected ORDER BY line",
        &r->result, err));
    return advance(r, err);
}

static enum ig_code sql_rows_next(struct rows *rows, int64_t first, size_t max, struct source_item **items, size_t *n,
                                  struct error *err)
{
    struct sql_rows *r = (struct sql_rows *)rows;

    if (max > r->cap_items) {
        r->items = check_realloc(r->items, max * sizeof(*r->items));
        r->cap_items = max;
    }
    *items = r->items;
    *n = 0;
    while (*n < max) {
        /* The text of a row lives as long as its chunk: a batch ends with it. */
        if (!r->in_chunk) {
            const bool was_rejected = r->in_rejected;

            if (*n > 0 && (r->result.row + 1 >= r->result.n_rows))
                break;
            IG_TRY(advance(r, err));
            IG_ASSERT(*n == 0 || was_rejected == r->in_rejected);
            if (!r->in_chunk)
                break;
        }
        r->in_chunk = false;
        if (r->ordinal >= first) {
            struct source_item *item = &r->items[(*n)++];

            *item = (struct source_item){.value = engine_str(&r->result, 0), .ordinal = r->ordinal};
            if (r->in_rejected) {
                item->reason = "malformed_csv";
                item->detail = engine_str(&r->result, 1);
            }
        }
        r->ordinal++;
    }
    return IG_OK;
}

static void sql_rows_free(struct rows *rows)
{
    struct sql_rows *r = (struct sql_rows *)rows;

    engine_rows_free(&r->result);
    engine_disconnect(r->conn);
    engine_close(r->engine);
    free(r->items);
    free(r);
}

static const struct rows_ops sql_rows_ops = {sql_rows_next, sql_rows_free};

/* An engine for this file alone. The platform's may give rows in any order, and ordinals are positions; and a file that
 * runs into a bug of the engine invalidates the whole database that it is read with. */
static enum ig_code open_engine(struct sql_rows *r, const struct source_options *options, struct error *err)
{
    const struct conf *conf = options->conf;
    struct engine_options own = {.threads = 2, .memory_bytes = conf->memory_bytes / 4};
    struct buf temp_dir;
    enum ig_code rc;

    if (own.memory_bytes > 0 && own.memory_bytes < OWN_MEMORY_MIN)
        own.memory_bytes = OWN_MEMORY_MIN;
    buf_init(&temp_dir, 0);
    buf_printf(&temp_dir, "%s/tmp", conf->data_dir);
    rc = env_make_dirs(options->env, buf_cstr(&temp_dir), err); /* the engine makes only the folder below */
    buf_printf(&temp_dir, "/source-%s-%d", options->domain->name, (int)getpid());
    own.temp_dir = buf_cstr(&temp_dir);
    if (!rc)
        rc = engine_open(&own, &r->engine, err);
    buf_release(&temp_dir);
    return rc ? rc : engine_connect(r->engine, &r->conn, err);
}

enum ig_code rows_open_sql(const struct source_options *options, const char *path, enum conf_file_format format,
                           struct rows **out, struct error *err)
{
    const struct conf_source *source = &options->domain->source;
    struct sql_rows *r = check_calloc(1, sizeof(*r));
    struct str select = str_of(source->sql ? source->sql : "SELECT * FROM input");
    struct buf sql, query;
    enum ig_code rc;

    r->rows.ops = &sql_rows_ops;
    r->has_rejected = format == CONF_FORMAT_CSV;
    buf_init(&sql, 0);
    buf_init(&query, 0);
    rc = open_engine(r, options, err);
    if (rc)
        goto out;
    if (format == CONF_FORMAT_CSV)
        rc = load_csv(options->env, r->conn, path, str_of(source->null_text ? source->null_text : ""), err);
    else
        rc = view_parquet(r->conn, path, err);
    if (rc)
        goto out;
    while (select.n > 0 && strchr("; \t\r\n", select.p[select.n - 1]))
        select.n--;
    buf_add_str(&query, select);
    rc = add_object_query(r->conn, buf_cstr(&query), &sql, err);
    if (!rc)
        rc = engine_query_streaming(r->conn, buf_cstr(&sql), &r->result, err);
    if (rc && source->sql)
        (void)error_context(err, rc, "the source's sql");
out:
    buf_release(&sql);
    buf_release(&query);
    if (rc)
        sql_rows_free(&r->rows);
    else
        *out = &r->rows;
    return rc;
}
