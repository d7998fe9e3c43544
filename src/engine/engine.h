/*
 * The SQL engine: DuckDB in the process. The one door to duckdb.h's database and query calls; folders above that
 * fill or read its vectors (quality, stage, source) include duckdb.h for the vector functions only.
 *
 * An engine is one database; connections of it run in parallel, each used by one thread at a time. Time zone is UTC,
 * memory and threads are bounded by the options, spills go to the temporary folder. Extensions are never downloaded.
 *
 * The library has parquet, json and icu built in, so TIMESTAMPTZ works as in any DuckDB: literals, casts, date_trunc,
 * extract, strftime, + INTERVAL, AT TIME ZONE 'UTC' (to TIMESTAMP), and ::DATE, which is the date in UTC here because
 * the time zone is. epoch_us(ts) and make_timestamptz(us) convert to and from our int64_t microseconds.
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "base/base.h"

#include <duckdb.h>

struct engine;
struct engine_conn;

struct engine_options {
    const char *path; /* NULL: in memory */
    bool read_only;
    int64_t memory_bytes; /* 0: DuckDB's default */
    int threads;          /* 0: as many as cores */
    const char *temp_dir; /* where it spills, of this engine alone, its parent is there; NULL: one in the system's */
    bool unordered;       /* a query without ORDER BY may give its rows in any order: writes need less memory then */
};

IG_MUST_CHECK enum ig_code engine_open(const struct engine_options *options, struct engine **out, struct error *err);
void engine_close(struct engine *e); /* NULL is fine; close the connections first */

IG_MUST_CHECK enum ig_code engine_connect(struct engine *e, struct engine_conn **out, struct error *err);
void engine_disconnect(struct engine_conn *c); /* NULL is fine */
duckdb_connection engine_handle(struct engine_conn *c);

/* Appends 'text' as an SQL literal, "name" as an identifier. */
void engine_add_literal(struct buf *sql, struct str text);
void engine_add_name(struct buf *sql, struct str name);

/* Runs one or more statements. The error carries DuckDB's message. IG_CANCELLED after engine_interrupt. */
IG_MUST_CHECK enum ig_code engine_exec(struct engine_conn *c, struct error *err, const char *sql);
IG_MUST_CHECK enum ig_code engine_execf(struct engine_conn *c, struct error *err, const char *fmt, ...) IG_PRINTF(3, 4);
/* Makes running statements of the connection end with IG_CANCELLED; any thread. */
void engine_interrupt(struct engine_conn *c);

/* A whole result (of the last statement), row by row. `struct engine_rows rows; rc = engine_query(...); while
 * (engine_next(&rows)) ...; engine_rows_free(&rows);` engine_rows_free is fine after a failed query. */
struct engine_rows {
    duckdb_result result;
    duckdb_data_chunk chunk;
    idx_t row, n_rows; /* within the chunk */
    bool open;
    struct engine_conn *streaming_from; /* NULL: the whole result is there */
    char *sql;                          /* of a streamed one */
};
IG_MUST_CHECK enum ig_code engine_query(struct engine_conn *c, const char *sql, struct engine_rows *rows,
                                        struct error *err);
/* The same for one statement, without holding its result in memory: rows are computed as they are fetched. Until
 * engine_rows_free nothing else may run on the connection. After the last row engine_rows_check says whether that was
 * the end or a failure. */
IG_MUST_CHECK enum ig_code engine_query_streaming(struct engine_conn *c, const char *sql, struct engine_rows *rows,
                                                  struct error *err);
IG_MUST_CHECK enum ig_code engine_rows_check(struct engine_rows *rows, struct error *err);
bool engine_next(struct engine_rows *rows);
void engine_rows_free(struct engine_rows *rows);
size_t engine_columns(struct engine_rows *rows);
const char *engine_column_name(struct engine_rows *rows, size_t column);
bool engine_is_null(struct engine_rows *rows, size_t column);
/* Of a VARCHAR or BLOB column; valid until the next engine_next. {NULL, 0} for NULL. */
struct str engine_str(struct engine_rows *rows, size_t column);
/* Of any integer, boolean, DATE (days) or TIMESTAMP (microseconds) column; 0 for NULL. */
int64_t engine_int64(struct engine_rows *rows, size_t column);
double engine_double(struct engine_rows *rows, size_t column); /* of a DOUBLE or FLOAT column */

/* Appends a value of any type as JSON: numbers as they are, everything else as text, nested types nested. */
void engine_add_json(struct engine_rows *rows, size_t column, struct buf *out);

/* The columns that a query would give, without running it. Types are the caller's to destroy; engine_shape_free is fine
 * after a failure. */
struct engine_shape {
    duckdb_prepared_statement statement;
    size_t n_columns;
};
IG_MUST_CHECK enum ig_code engine_describe(struct engine_conn *c, const char *sql, struct engine_shape *shape,
                                           struct error *err);
void engine_shape_free(struct engine_shape *shape);
/* Appends the column's name. */
void engine_shape_name(struct engine_shape *shape, size_t column, struct buf *out);
duckdb_logical_type engine_shape_type(struct engine_shape *shape, size_t column);

/* The first column of the first row of a query, NULL as 0. IG_NOT_FOUND without a row. */
IG_MUST_CHECK enum ig_code engine_query_int64(struct engine_conn *c, const char *sql, int64_t *out, struct error *err);
IG_MUST_CHECK enum ig_code engine_query_str(struct engine_conn *c, const char *sql, struct buf *out, struct error *err);

/* A result for people or programs: a box-drawn table (at most max_rows rows, 0: all; the rest counted), one JSON object
 * a line, or CSV with a header. */
enum engine_print { ENGINE_PRINT_TABLE, ENGINE_PRINT_JSON, ENGINE_PRINT_CSV };
/* The whole text of one statement's result. */
IG_MUST_CHECK enum ig_code engine_print(struct engine_conn *c, const char *sql, enum engine_print how, int64_t max_rows,
                                        struct buf *out, struct error *err);

/* The same piece by piece while the result is made: memory is that of a few chunks, or of max_rows rows for a table.
 * `write` may stop it by an error of its own. */
typedef enum ig_code engine_write_fn(void *ctx, struct str text, struct error *err);
struct engine_streamed {
    bool has_rows; /* a result set was printed; otherwise the statement only did something */
    int64_t rows;  /* printed or counted; without a result set: rows changed or copied, -1 if it is not about rows */
};
IG_MUST_CHECK enum ig_code engine_stream(struct engine_conn *c, const char *sql, enum engine_print how,
                                         int64_t max_rows, engine_write_fn *write, void *ctx,
                                         struct engine_streamed *out, struct error *err);

#endif
