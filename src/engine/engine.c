#include "engine/engine.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct engine {
    duckdb_database db;
};

struct engine_conn {
    duckdb_connection con;
    atomic_bool interrupted; /* by us, since the last statement began */
};

/* What a failed statement means to the caller. */
static const struct {
    duckdb_error_type type;
    enum ig_code code;
} code_of_type[] = {
    {DUCKDB_ERROR_INTERRUPT, IG_CANCELLED},  {DUCKDB_ERROR_OUT_OF_MEMORY, IG_LIMIT},
    {DUCKDB_ERROR_TRANSACTION, IG_CONFLICT}, {DUCKDB_ERROR_IO, IG_IO},
    {DUCKDB_ERROR_INTERNAL, IG_IO},          {DUCKDB_ERROR_FATAL, IG_IO},
    {DUCKDB_ERROR_PERMISSION, IG_IO},        {DUCKDB_ERROR_NOT_IMPLEMENTED, IG_UNSUPPORTED},
};

static enum ig_code code_of_error(duckdb_error_type type, const char *message)
{
    if (strstr(message, "No space left on device") || strstr(message, "max_temp_directory_size"))
        return IG_NO_SPACE;
    if (strstr(message, "Could not set lock on file"))
        return IG_UNAVAILABLE;
    for (size_t i = 0; i < IG_COUNT(code_of_type); i++)
        if (code_of_type[i].type == type)
            return code_of_type[i].code;
    return IG_INVALID;
}

static enum ig_code set_error(duckdb_error_type type, const char *message, struct error *err)
{
    message = message ? message : "the engine gives no reason";
    return error_set(err, code_of_error(type, message), "%s", message);
}

static enum ig_code set_result_error(duckdb_result *result, struct error *err)
{
    return set_error(duckdb_result_error_type(result), duckdb_result_error(result), err);
}

/* DuckDB gives the text alone; an interruption may come here too. */
static enum ig_code set_prepare_error(struct engine_conn *c, duckdb_prepared_statement statement, struct error *err)
{
    return set_error(atomic_load(&c->interrupted) ? DUCKDB_ERROR_INTERRUPT : DUCKDB_ERROR_INVALID,
                     duckdb_prepare_error(statement), err);
}

/* --- database ---------------------------------------------------------------------------------------------- */

/* Where to spill if nobody says: a folder of this engine's own, which DuckDB makes when it spills and removes at the
 * end. Two engines in one folder would overwrite each other's files. */
static void system_temp_dir(const struct engine *e, char *out, size_t n)
{
    const char *dir = getenv("TMPDIR");

    snprintf(out, n, "%s/ingot-spill-%ld-%lx", dir && *dir ? dir : "/tmp", (long)getpid(), (unsigned long)(uintptr_t)e);
}

static enum ig_code configure(const struct engine *e, const struct engine_options *o, duckdb_config config,
                              struct error *err)
{
    char memory[32], threads[16], temp[4096];
    const struct {
        const char *name, *value;
    } settings[] = {
        {"autoinstall_known_extensions", "false"},
        {"autoload_known_extensions", "false"},
        {"allow_community_extensions", "false"},
        {"access_mode", o->read_only ? "read_only" : NULL},
        {"memory_limit", o->memory_bytes > 0 ? memory : NULL},
        {"threads", o->threads > 0 ? threads : NULL},
        {"temp_directory", o->temp_dir ? o->temp_dir : temp},
        /* The system has the files in its page cache already. */
        {"enable_external_file_cache", "false"},
        {"preserve_insertion_order", o->unordered ? "false" : NULL},
    };

    system_temp_dir(e, temp, sizeof(temp));
    snprintf(memory, sizeof(memory), "%lldKiB", (long long)(o->memory_bytes / 1024));
    snprintf(threads, sizeof(threads), "%d", o->threads);
    for (size_t i = 0; i < IG_COUNT(settings); i++)
        if (settings[i].value && duckdb_set_config(config, settings[i].name, settings[i].value) != DuckDBSuccess)
            return error_set(err, IG_INVALID, "engine: %s cannot be %s", settings[i].name, settings[i].value);
    return IG_OK;
}

/* Settings that DuckDB knows only once its extensions are loaded. */
static enum ig_code set_global_options(struct engine *e, struct error *err)
{
    struct engine_conn *c = NULL;
    enum ig_code rc = engine_connect(e, &c, err);

    if (!rc)
        rc = engine_exec(c, err, "SET GLOBAL TimeZone = 'UTC'; SET GLOBAL Calendar = 'gregorian'");
    engine_disconnect(c);
    return rc;
}

enum ig_code engine_open(const struct engine_options *options, struct engine **out, struct error *err)
{
    static const struct engine_options defaults = {0};
    struct engine *e = check_calloc(1, sizeof(*e));
    duckdb_config config = NULL;
    char *message = NULL;
    enum ig_code rc;

    options = options ? options : &defaults;
    IG_ASSERT(duckdb_create_config(&config) == DuckDBSuccess);
    rc = configure(e, options, config, err);
    if (rc)
        goto out;
    if (duckdb_open_ext(options->path, &e->db, config, &message) != DuckDBSuccess) {
        rc = error_set(err, code_of_error(DUCKDB_ERROR_IO, message ? message : ""), "open %s: %s",
                       options->path ? options->path : "the engine", message ? message : "no reason given");
        goto out;
    }
    rc = set_global_options(e, err);
out:
    duckdb_free(message);
    duckdb_destroy_config(&config);
    if (rc)
        engine_close(e);
    else
        *out = e;
    return rc;
}

void engine_close(struct engine *e)
{
    if (!e)
        return;
    duckdb_close(&e->db);
    free(e);
}

enum ig_code engine_connect(struct engine *e, struct engine_conn **out, struct error *err)
{
    struct engine_conn *c = check_calloc(1, sizeof(*c));

    if (duckdb_connect(e->db, &c->con) != DuckDBSuccess) {
        free(c);
        return error_set(err, IG_IO, "engine: no connection");
    }
    *out = c;
    return IG_OK;
}

void engine_disconnect(struct engine_conn *c)
{
    if (!c)
        return;
    duckdb_disconnect(&c->con);
    free(c);
}

duckdb_connection engine_handle(struct engine_conn *c)
{
    return c->con;
}

void engine_interrupt(struct engine_conn *c)
{
    atomic_store(&c->interrupted, true);
    duckdb_interrupt(c->con);
}

/* --- text of SQL ------------------------------------------------------------------------------------------- */

static void add_quoted(struct buf *sql, struct str text, char quote)
{
    buf_putc(sql, quote);
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == quote)
            buf_putc(sql, quote);
        buf_putc(sql, text.p[i]);
    }
    buf_putc(sql, quote);
}

void engine_add_literal(struct buf *sql, struct str text)
{
    const char *nul = text.n ? memchr(text.p, 0, text.n) : NULL;

    /* The C API ends a query at its first NUL byte, so a literal with one is put together. */
    if (!nul) {
        add_quoted(sql, text, '\'');
        return;
    }
    buf_putc(sql, '(');
    while (nul) {
        const size_t before = (size_t)(nul - text.p);

        add_quoted(sql, (struct str){text.p, before}, '\'');
        buf_puts(sql, " || chr(0) || ");
        text.p += before + 1;
        text.n -= before + 1;
        nul = text.n ? memchr(text.p, 0, text.n) : NULL;
    }
    add_quoted(sql, text, '\'');
    buf_putc(sql, ')');
}

void engine_add_name(struct buf *sql, struct str name)
{
    add_quoted(sql, name, '"');
}

/* --- statements -------------------------------------------------------------------------------------------- */

static enum ig_code run_extracted(struct engine_conn *c, duckdb_extracted_statements all, idx_t i,
                                  duckdb_result *result, struct error *err)
{
    duckdb_prepared_statement statement = NULL;
    enum ig_code rc = IG_OK;

    if (duckdb_prepare_extracted_statement(c->con, all, i, &statement) != DuckDBSuccess) {
        rc = set_prepare_error(c, statement, err);
    } else if (duckdb_execute_prepared(statement, result) != DuckDBSuccess) {
        rc = set_result_error(result, err);
        duckdb_destroy_result(result);
    }
    duckdb_destroy_prepare(&statement);
    return rc;
}

/* Runs all statements; the last one's result is the caller's to destroy. */
static enum ig_code run(struct engine_conn *c, const char *sql, duckdb_result *result, struct error *err)
{
    duckdb_extracted_statements all = NULL;
    const idx_t n = duckdb_extract_statements(c->con, sql, &all);
    enum ig_code rc = IG_OK;

    atomic_store(&c->interrupted, false);
    memset(result, 0, sizeof(*result));
    if (n == 0) {
        const char *message = duckdb_extract_statements_error(all);

        rc = error_set(err, IG_INVALID, "%s", message ? message : "there is no statement in the query");
    } else if (n == 1) {
        if (duckdb_query(c->con, sql, result) != DuckDBSuccess) {
            rc = set_result_error(result, err);
            duckdb_destroy_result(result);
        }
    } else {
        for (idx_t i = 0; i < n && !rc; i++) {
            rc = run_extracted(c, all, i, result, err);
            if (!rc && i + 1 < n)
                duckdb_destroy_result(result);
        }
    }
    duckdb_destroy_extracted(&all);
    return rc;
}

enum ig_code engine_exec(struct engine_conn *c, struct error *err, const char *sql)
{
    duckdb_result result;

    IG_TRY(run(c, sql, &result, err));
    duckdb_destroy_result(&result);
    return IG_OK;
}

enum ig_code engine_execf(struct engine_conn *c, struct error *err, const char *fmt, ...)
{
    char *sql = NULL;
    enum ig_code rc;
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vasprintf(&sql, fmt, ap);
    va_end(ap);
    IG_ASSERT(n >= 0);
    rc = engine_exec(c, err, sql);
    free(sql);
    return rc;
}

/* --- rows -------------------------------------------------------------------------------------------------- */

enum ig_code engine_query(struct engine_conn *c, const char *sql, struct engine_rows *rows, struct error *err)
{
    memset(rows, 0, sizeof(*rows));
    IG_TRY(run(c, sql, &rows->result, err));
    rows->open = true;
    return IG_OK;
}

enum ig_code engine_query_streaming(struct engine_conn *c, const char *sql, struct engine_rows *rows, struct error *err)
{
    duckdb_prepared_statement statement = NULL;
    enum ig_code rc = IG_OK;

    atomic_store(&c->interrupted, false);
    memset(rows, 0, sizeof(*rows));
    if (duckdb_prepare(c->con, sql, &statement) != DuckDBSuccess) {
        rc = set_prepare_error(c, statement, err);
    } else if (duckdb_execute_prepared_streaming(statement, &rows->result) != DuckDBSuccess) {
        rc = set_result_error(&rows->result, err);
        duckdb_destroy_result(&rows->result);
    } else {
        rows->open = true;
        rows->streaming_from = c;
        rows->sql = check_strdup(sql);
    }
    duckdb_destroy_prepare(&statement);
    return rc;
}

/*
 * DuckDB's thread that meets an error interrupts the others. If the one that fetches a streamed result sees that before
 * it sees the error, "interrupted" is all that is left of it. The statement is run once more then, now without handing
 * out its rows: that way the error is not lost.
 */
static enum ig_code find_lost_error(struct engine_conn *c, const char *sql, struct error *err)
{
    duckdb_prepared_statement statement = NULL;
    duckdb_result result = {0};
    enum ig_code rc = IG_OK;
    struct buf again;

    buf_init(&again, 0);
    buf_printf(&again, "EXPLAIN ANALYZE %s", sql);
    if (duckdb_prepare(c->con, buf_cstr(&again), &statement) == DuckDBSuccess &&
        duckdb_execute_prepared(statement, &result) != DuckDBSuccess)
        rc = set_result_error(&result, err);
    duckdb_destroy_result(&result);
    duckdb_destroy_prepare(&statement);
    buf_release(&again);
    /* IG_CONFLICT: the failure has ended the transaction that it was in. */
    return rc && rc != IG_CONFLICT ? rc : error_set(err, IG_IO, "the engine has stopped the query and gives no reason");
}

enum ig_code engine_rows_check(struct engine_rows *rows, struct error *err)
{
    const char *message = rows->open ? duckdb_result_error(&rows->result) : NULL;
    struct engine_conn *c = rows->streaming_from;

    if (!message || !*message)
        return IG_OK;
    if (c && !atomic_load(&c->interrupted) && duckdb_result_error_type(&rows->result) == DUCKDB_ERROR_INTERRUPT)
        return find_lost_error(c, rows->sql, err);
    return set_result_error(&rows->result, err);
}

bool engine_next(struct engine_rows *rows)
{
    if (!rows->open)
        return false;
    if (rows->chunk && ++rows->row < rows->n_rows)
        return true;
    do {
        if (rows->chunk)
            duckdb_destroy_data_chunk(&rows->chunk);
        rows->chunk = duckdb_fetch_chunk(rows->result);
        if (!rows->chunk)
            return false;
        rows->row = 0;
        rows->n_rows = duckdb_data_chunk_get_size(rows->chunk);
    } while (rows->n_rows == 0);
    return true;
}

void engine_rows_free(struct engine_rows *rows)
{
    if (!rows->open)
        return;
    if (rows->chunk)
        duckdb_destroy_data_chunk(&rows->chunk);
    duckdb_destroy_result(&rows->result);
    free(rows->sql);
    rows->sql = NULL;
    rows->open = false;
}

size_t engine_columns(struct engine_rows *rows)
{
    return rows->open ? (size_t)duckdb_column_count(&rows->result) : 0;
}

const char *engine_column_name(struct engine_rows *rows, size_t column)
{
    return duckdb_column_name(&rows->result, column);
}

bool engine_is_null(struct engine_rows *rows, size_t column)
{
    const duckdb_vector v = duckdb_data_chunk_get_vector(rows->chunk, column);
    uint64_t *validity = duckdb_vector_get_validity(v);

    return validity && !duckdb_validity_row_is_valid(validity, rows->row);
}

static void *column_data(struct engine_rows *rows, size_t column)
{
    return duckdb_vector_get_data(duckdb_data_chunk_get_vector(rows->chunk, column));
}

struct str engine_str(struct engine_rows *rows, size_t column)
{
    const duckdb_type type = duckdb_column_type(&rows->result, column);
    duckdb_string_t *text;

    IG_ASSERT(type == DUCKDB_TYPE_VARCHAR || type == DUCKDB_TYPE_BLOB);
    if (engine_is_null(rows, column))
        return (struct str){NULL, 0};
    text = (duckdb_string_t *)column_data(rows, column) + rows->row;
    return (struct str){duckdb_string_t_data(text), duckdb_string_t_length(*text)};
}

int64_t engine_int64(struct engine_rows *rows, size_t column)
{
    const void *data = column_data(rows, column);
    const idx_t i = rows->row;

    if (engine_is_null(rows, column))
        return 0;
    switch (duckdb_column_type(&rows->result, column)) {
    case DUCKDB_TYPE_BOOLEAN:
        return ((const bool *)data)[i];
    case DUCKDB_TYPE_TINYINT:
        return ((const int8_t *)data)[i];
    case DUCKDB_TYPE_UTINYINT:
        return ((const uint8_t *)data)[i];
    case DUCKDB_TYPE_SMALLINT:
        return ((const int16_t *)data)[i];
    case DUCKDB_TYPE_USMALLINT:
        return ((const uint16_t *)data)[i];
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_DATE:
        return ((const int32_t *)data)[i];
    case DUCKDB_TYPE_UINTEGER:
        return ((const uint32_t *)data)[i];
    case DUCKDB_TYPE_BIGINT:
    case DUCKDB_TYPE_UBIGINT:
    case DUCKDB_TYPE_TIMESTAMP:
    case DUCKDB_TYPE_TIMESTAMP_TZ:
    case DUCKDB_TYPE_TIME:
        return ((const int64_t *)data)[i];
    case DUCKDB_TYPE_HUGEINT: /* sums: what does not fit is a bug of the query */
    case DUCKDB_TYPE_UHUGEINT:
        return (int64_t)((const duckdb_hugeint *)data)[i].lower;
    default:
        IG_UNREACHABLE("engine_int64 of a column that is no integer");
    }
}

double engine_double(struct engine_rows *rows, size_t column)
{
    const void *data = column_data(rows, column);

    if (engine_is_null(rows, column))
        return 0;
    if (duckdb_column_type(&rows->result, column) == DUCKDB_TYPE_FLOAT)
        return (double)((const float *)data)[rows->row];
    IG_ASSERT(duckdb_column_type(&rows->result, column) == DUCKDB_TYPE_DOUBLE);
    return ((const double *)data)[rows->row];
}

enum ig_code engine_query_int64(struct engine_conn *c, const char *sql, int64_t *out, struct error *err)
{
    struct engine_rows rows;
    enum ig_code rc = IG_OK;

    IG_TRY(engine_query(c, sql, &rows, err));
    if (engine_next(&rows))
        *out = engine_int64(&rows, 0);
    else
        rc = error_set(err, IG_NOT_FOUND, "the query gave no row");
    engine_rows_free(&rows);
    return rc;
}

enum ig_code engine_query_str(struct engine_conn *c, const char *sql, struct buf *out, struct error *err)
{
    struct engine_rows rows;
    enum ig_code rc = IG_OK;

    IG_TRY(engine_query(c, sql, &rows, err));
    if (engine_next(&rows)) {
        buf_add_str(out, engine_str(&rows, 0));
        rc = buf_check(out, err, "a query's result");
    } else {
        rc = error_set(err, IG_NOT_FOUND, "the query gave no row");
    }
    engine_rows_free(&rows);
    return rc;
}

/* --- shapes ------------------------------------------------------------------------------------------------ */

enum ig_code engine_describe(struct engine_conn *c, const char *sql, struct engine_shape *shape, struct error *err)
{
    atomic_store(&c->interrupted, false);
    memset(shape, 0, sizeof(*shape));
    if (duckdb_prepare(c->con, sql, &shape->statement) != DuckDBSuccess) {
        const enum ig_code rc = set_prepare_error(c, shape->statement, err);

        engine_shape_free(shape);
        return rc;
    }
    shape->n_columns = (size_t)duckdb_prepared_statement_column_count(shape->statement);
    return IG_OK;
}

void engine_shape_free(struct engine_shape *shape)
{
    if (shape->statement)
        duckdb_destroy_prepare(&shape->statement);
}

void engine_shape_name(struct engine_shape *shape, size_t column, struct buf *out)
{
    const char *name = duckdb_prepared_statement_column_name(shape->statement, column);

    buf_puts(out, name ? name : "");
    duckdb_free((void *)(uintptr_t)name);
}

duckdb_logical_type engine_shape_type(struct engine_shape *shape, size_t column)
{
    return duckdb_prepared_statement_column_logical_type(shape->statement, column);
}
