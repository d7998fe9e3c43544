/*
 * ingot query: SQL over the project's tables, and over any Delta table anywhere.
 */
#include "cli/cli.h"
#include "cli/query_run.h"
#include "cli/query_sql.h"
#include "cli/query_views.h"
#include "platform/platform.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define TABLE_ROWS_DEFAULT 100
#define SQL_BYTES_MAX ((size_t)64 << 20)
#define WATCH_PAUSE_MS 5

struct query_options {
    bool csv;
    const char *file;
    int64_t rows;
};

static const struct cli_option options[] = {
    {"csv", 0, NULL, "print CSV with a header", CLI_FLAG, offsetof(struct query_options, csv)},
    {"file", 'f', "FILE", "read the SQL from a file", CLI_TEXT, offsetof(struct query_options, file)},
    {"rows", 0, "N", "print at most N rows of a table (default 100; 0: all); --json and --csv print all", CLI_NUMBER,
     offsetof(struct query_options, rows)},
};

struct query {
    struct cli_context *c;
    const struct query_options *o;
    struct conf *conf;   /* NULL: outside of a project */
    struct store *store; /* of the project */
    struct engine *engine;
    struct engine_conn *conn;
    struct query_text text;
    struct query_views views;
    struct env_thread *watcher;
    bool stale;       /* a table has changed since the views were made */
    atomic_bool over; /* tells the watcher to end */
};

/* --- the text -------------------------------------------------------------------------------------------------- */

static int read_stream(struct cli_context *c, FILE *f, const char *name, struct buf *sql)
{
    char piece[8192];
    size_t n;

    while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
        buf_add(sql, piece, n);
    if (ferror(f))
        return cli_errorf(c, "read %s: %s", name, strerror(errno));
    return CLI_OK;
}

static int read_file(struct cli_context *c, const char *path, struct buf *sql)
{
    FILE *f = fopen(path, "re");
    int status;

    if (!f)
        return cli_errorf(c, "open %s: %s", path, strerror(errno));
    status = read_stream(c, f, path, sql);
    fclose(f);
    return status;
}

static int read_sql(struct query *q, struct buf *sql)
{
    struct cli_context *c = q->c;
    const bool from_stdin = c->n_args == 1 && strcmp(c->args[0], "-") == 0;
    struct error err = {0};
    int status = CLI_OK;

    if ((c->n_args == 1) == (q->o->file != NULL))
        return cli_usage(c, "give the SQL as one argument, as - to read it from standard input, or with --file");
    if (q->o->csv && c->global.json)
        return cli_usage(c, "--csv and --json exclude each other");
    if (q->o->file)
        status = read_file(c, q->o->file, sql);
    else if (from_stdin)
        status = read_stream(c, stdin, "standard input", sql);
    else
        buf_puts(sql, c->args[0]);
    if (!status && buf_check(sql, &err, "the SQL"))
        status = cli_error(c, &err);
    if (!status && sql->n && memchr(sql->p, 0, sql->n))
        status = cli_errorf(c, "the SQL has a NUL byte in it");
    return status;
}

/* --- opening --------------------------------------------------------------------------------------------------- */

/* The project is optional: delta(...) works anywhere. But one that is there, or that was named, must be right. */
static int open_project(struct query *q)
{
    struct error err = {0};
    struct buf folder;
    enum ig_code rc = IG_OK;
    int status = CLI_OK;

    buf_init(&folder, 0);
    if (!q->c->global.project)
        rc = cli_find_project(q->c, &folder, &err);
    buf_release(&folder);
    if (rc == IG_NOT_FOUND)
        return CLI_OK;
    if (rc)
        return cli_error(q->c, &err);
    status = cli_load_project(q->c, &q->conf);
    if (!status && platform_open_store(q->c->env, q->conf, &q->store, &err))
        status = cli_error(q->c, &err);
    return status;
}

static enum ig_code open_engine(struct query *q, struct error *err)
{
    struct engine_options engine = {0};
    struct buf temp;
    enum ig_code rc = IG_OK;

    buf_init(&temp, 0);
    if (q->conf) {
        engine.memory_bytes = q->conf->memory_bytes;
        engine.threads = q->conf->threads;
        rc = platform_scratch(q->c->env, q->conf, "query", &temp, err);
    } else {
        buf_printf(&temp, "%s/ingot-query-%ld", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", (long)getpid());
    }
    engine.temp_dir = buf_cstr(&temp);
    if (!rc)
        rc = engine_open(&engine, &q->engine, err);
    if (!rc)
        rc = engine_connect(q->engine, &q->conn, err);
    buf_release(&temp);
    return rc;
}

/* --- interruption ---------------------------------------------------------------------------------------------- */

static void watch(void *arg)
{
    struct query *q = arg;

    while (!atomic_load(&q->over)) {
        if (*q->c->stop)
            engine_interrupt(q->conn);
        env_sleep_ms(q->c->env, WATCH_PAUSE_MS);
    }
}

/* --- running --------------------------------------------------------------------------------------------------- */

static enum ig_code write_out(void *ctx, struct str text, struct error *err)
{
    struct query *q = ctx;

    if (*q->c->stop)
        return error_set(err, IG_CANCELLED, "interrupted");
    if (fwrite(text.p, 1, text.n, q->c->out) != text.n || ferror(q->c->out))
        return error_set(err, IG_IO, "write the result: %s", strerror(errno));
    return IG_OK;
}

/* A table that is configured but was never written is what people stumble over first. */
static void add_hint(struct query *q, struct buf *message)
{
    for (size_t i = 0; i < q->views.empty.n; i++) {
        const char *table = q->views.empty.p[i];
        const char *name = strchr(table, '.') + 1;

        if (strstr(buf_cstr(message), "does not exist") && strstr(buf_cstr(message), name)) {
            buf_printf(message, "\n%s has no data yet: `ingot run` (or `ingot up`) writes it.", table);
            return;
        }
    }
    if (!q->conf && strstr(buf_cstr(message), "does not exist"))
        buf_puts(message, "\nThere is no project here: only delta('PATH') and files can be queried.");
}

static int report(struct query *q, const struct error *err)
{
    struct error shown = *err;
    struct buf message;
    int status;

    if (err->code == IG_CANCELLED)
        return cli_errorf(q->c, "interrupted");
    buf_init(&message, 0);
    query_text_restore(&q->text, err->msg, &message);
    add_hint(q, &message);
    error_set(&shown, err->code, "%s", buf_cstr(&message));
    status = cli_error(q->c, &shown);
    buf_release(&message);
    return status;
}

static void say_what_was_done(struct query *q, enum engine_print how, const struct engine_streamed *done)
{
    char count[32];

    if (done->rows < 0)
        return;
    cli_format_count(done->rows, count);
    if (done->has_rows && how == ENGINE_PRINT_TABLE)
        fprintf(q->c->out, "%s row%s\n", count, done->rows == 1 ? "" : "s");
    else if (!done->has_rows)
        cli_note(q->c, "%s row%s written", count, done->rows == 1 ? "" : "s");
}

static int show(struct query *q, const char *sql)
{
    const enum engine_print how = q->c->global.json ? ENGINE_PRINT_JSON
                                  : q->o->csv       ? ENGINE_PRINT_CSV
                                                    : ENGINE_PRINT_TABLE;
    const int64_t max_rows = q->o->rows == CLI_NUMBER_NONE ? TABLE_ROWS_DEFAULT : q->o->rows;
    struct engine_streamed done;
    struct error err = {0};

    if (engine_stream(q->conn, sql, how, max_rows, write_out, q, &done, &err)) {
        query_views_blame(&q->views, &err);
        return report(q, &err);
    }
    say_what_was_done(q, how, &done);
    return CLI_OK;
}

/* A statement that changes a table, by the lake. */
static int change(struct query *q, size_t i)
{
    struct query_done done;
    struct error err = {0};
    struct buf line;

    if (query_change_run(q->c->env, q->store, q->conn, &q->text, i, &done, &err))
        return report(q, &err);
    if (done.rows) {
        q->stale = done.changed;
        return show(q, done.rows);
    }
    buf_init(&line, 0);
    query_add_done(&done, q->c->global.json, &line);
    fwrite(line.p, 1, line.n, q->c->out);
    buf_release(&line);
    q->stale = true;
    return CLI_OK;
}

static int answer(struct query *q, size_t i, struct buf *sql)
{
    buf_clear(sql);
    query_text_add_statement(&q->text, i, sql);
    return show(q, buf_cstr(sql));
}

static int run_statements(struct query *q)
{
    struct error err = {0};
    struct buf sql;
    int status = CLI_OK;

    buf_init(&sql, 0);
    for (size_t i = 0; i < q->text.statements.n && !status; i++) {
        if (q->stale && query_views_refresh(&q->views, &err))
            status = report(q, &err);
        q->stale = false;
        if (!status && query_views_of_statement(&q->views, i, &err))
            status = report(q, &err);
        if (!status)
            status = q->text.statements.p[i].changes ? change(q, i) : answer(q, i, &sql);
    }
    if (fflush(q->c->out) && !status)
        status = cli_errorf(q->c, "write the result: %s", strerror(errno));
    buf_release(&sql);
    return status;
}

static int run_opened(struct query *q)
{
    struct error err = {0};

    if (open_engine(q, &err))
        return cli_error(q->c, &err);
    cli_catch_signals(q->c);
    if (env_spawn(q->c->env, "watch", watch, q, &q->watcher, &err))
        return cli_error(q->c, &err);
    q->views.env = q->c->env;
    q->views.c = q->conn;
    q->views.conf = q->conf;
    q->views.store = q->store;
    q->views.text = &q->text;
    q->views.arena = &q->c->arena;
    if (query_views_make(&q->views, &err))
        return report(q, &err);
    return run_statements(q);
}

static int run(struct cli_context *c, const void *parsed)
{
    struct query q = {.c = c, .o = parsed};
    struct error err = {0};
    struct buf sql;
    int status;

    buf_init(&sql, SQL_BYTES_MAX);
    status = read_sql(&q, &sql);
    if (!status && query_text_read(&c->arena, buf_str(&sql), &q.text, &err))
        status = cli_error(c, &err);
    if (!status && q.text.statements.n == 0)
        status = cli_usage(c, "there is no statement in the SQL");
    if (!status)
        status = open_project(&q);
    if (!status)
        status = run_opened(&q);
    atomic_store(&q.over, true);
    env_join(c->env, q.watcher);
    query_views_free(&q.views);
    query_text_free(&q.text);
    engine_disconnect(q.conn);
    engine_close(q.engine);
    store_free(q.store);
    conf_free(q.conf);
    buf_release(&sql);
    return status;
}

const struct cli_verb cli_verb_query = {
    .name = "query",
    .summary = "Run SQL over the project's tables, or over any Delta table",
    .args = "[SQL]",
    .max_args = 1,
    .details =
        "In a project the tables are\n"
        "  silver.DOMAIN  gold.TABLE  bronze.DOMAIN  quarantine.DOMAIN  partition_meta\n"
        "  warehouse.gold.TABLE    the same gold table as the warehouse has it\n"
        "and a gold table or a domain may be named alone. Anywhere, in a project or not:\n"
        "  delta('PATH_OR_URL')  delta('PATH_OR_URL', version => N)    any Delta table, at any version\n"
        "  delta('PATH_OR_URL', timestamp => '2024-01-31 12:00:00')    ... or time\n"
        "  delta_changes('PATH_OR_URL', FROM, TO)                      what changed between two versions\n"
        "  'file.parquet'  'file.csv'                                  files, as DuckDB reads them\n"
        "The SQL is DuckDB's, several statements separated by semicolons; nothing that it changes stays, except files\n"
        "that it writes with COPY, and Delta tables, which these statements make and change (docs/query.md):\n"
        "  INSERT INTO delta('PATH') [BY NAME | (columns)] SELECT ... | VALUES ...     INSERT OVERWRITE delta('PATH') "
        "...\n"
        "  DELETE FROM delta('PATH') [WHERE ...]     UPDATE delta('PATH') SET column = value, ... [WHERE ...]\n"
        "  MERGE INTO delta('PATH') AS t USING source AS s ON ... WHEN [NOT] MATCHED [BY SOURCE] [AND ...] THEN ...\n"
        "  CREATE TABLE delta('PATH') (column TYPE, ...) [PARTITIONED BY (...)] [TBLPROPERTIES (...)] [AS SELECT ...]\n"
        "  ALTER TABLE delta('PATH') ...     TRUNCATE TABLE delta('PATH')\n"
        "  OPTIMIZE delta('PATH') [WHERE ...] [ZORDER BY (...)]     VACUUM delta('PATH') [RETAIN n HOURS] [DRY RUN]\n"
        "  DESCRIBE HISTORY | DETAIL delta('PATH')     RESTORE TABLE delta('PATH') TO VERSION AS OF n\n"
        "  CREATE TABLE delta('PATH') SHALLOW | DEEP CLONE delta('PATH') [VERSION AS OF n]\n\n"
        "  ingot query \"SELECT * FROM hourly_event_counts ORDER BY event_date, hour\"\n"
        "  ingot query --json \"SELECT count(*) AS n FROM silver.orders\"\n"
        "  ingot query \"COPY (FROM delta('lake/trips', version => 3)) TO 'trips.parquet'\"\n"
        "  ingot query - < report.sql",
    .options = options,
    .n_options = IG_COUNT(options),
    .options_size = sizeof(struct query_options),
    .run = run,
};
