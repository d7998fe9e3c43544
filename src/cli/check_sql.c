#include "cli/check_sql.h"

#include "engine/engine.h"
#include "quality/quality.h"

#include <ctype.h>
#include <stdlib.h>

struct checker {
    const struct conf *conf;
    struct conf_problems *problems;
    struct engine_conn *conn;
    const struct conf_domain *domain; /* whose SQL is bound now */
    bool *silver_failed;              /* one a domain: who reads its silver can not be checked */
    VEC(const char *) shown;          /* domains whose silver_NAME is there now */
};

static void add_problem(struct checker *k, const char *file, int line, int column, const char *text)
{
    const struct conf_problem p = {check_strdup(file), line, column, check_strdup(text)};

    vec_push(k->problems, p);
}

/* --- DuckDB's messages -------------------------------------------------------------------------------------- */

/* Is it about silver_NAME of a domain whose rows can not be seen here? Says so instead. */
static void explain_missing(const struct checker *k, const char *json, const char *file, struct buf *text)
{
    const size_t prefix = strlen("silver_");
    const struct conf_domain *other = NULL;
    struct buf name;

    buf_init(&name, 0);
    if (json_member_string(str_of(json), "name", &name) && str_has_prefix(buf_str(&name), "silver_"))
        other = conf_domain(k->conf, (struct str){name.p + prefix, name.n - prefix});
    buf_release(&name);
    if (!other)
        return;
    buf_clear(text);
    if (k->domain->silver.sql_path && strcmp(file, k->domain->silver.sql_path) == 0)
        buf_printf(text, "silver_%s can not be read here: silver.sql sees only input; gold joins domains", other->name);
    else
        buf_printf(text,
                   "silver_%s is read, but '%s' does not depend on '%s'; add 'depends_on: [%s]' to its domain.yml",
                   other->name, k->domain->name, other->name, other->name);
}

/* Its errors are JSON here: the message, and the position as a byte of the statement. */
static void report(struct checker *k, const char *file, struct str sql, const char *message, size_t prefix)
{
    const char *json = strchr(message, '{');
    struct buf text, position;
    int64_t at = 0;
    int line = 1, column = 1;

    buf_init(&text, 0);
    buf_init(&position, 0);
    if (!json || !json_member_string(str_of(json), "exception_message", &text))
        buf_puts(&text, message);
    if (json)
        explain_missing(k, json, file, &text);
    if (json && json_member_string(str_of(json), "position", &position) &&
        str_to_int64(buf_str(&position), (int64_t)prefix, (int64_t)(prefix + sql.n), &at))
        at -= (int64_t)prefix;
    else
        at = 0;
    for (int64_t i = 0; i < at; i++) {
        column = sql.p[i] == '\n' ? 1 : column + (((unsigned char)sql.p[i] & 0xc0) != 0x80);
        line += sql.p[i] == '\n';
    }
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == '\n')
            text.p[i] = ' ';
    add_problem(k, file, line, column, buf_cstr(&text));
    buf_release(&text);
    buf_release(&position);
}

/* Runs PREFIX + the user's SQL. False after reporting. */
static bool run(struct checker *k, const char *file, const char *prefix, const char *sql)
{
    duckdb_result result;
    struct buf whole;
    bool ok;

    buf_init(&whole, 0);
    buf_printf(&whole, "%s%s", prefix, sql);
    ok = duckdb_query(engine_handle(k->conn), buf_cstr(&whole), &result) == DuckDBSuccess;
    if (!ok)
        report(k, file, str_of(sql), duckdb_result_error(&result), strlen(prefix));
    duckdb_destroy_result(&result);
    buf_release(&whole);
    return ok;
}

static bool make_view(struct checker *k, const char *name, const char *sql, const char *file)
{
    struct buf prefix;
    bool ok;

    buf_init(&prefix, 0);
    buf_puts(&prefix, "CREATE OR REPLACE TEMP VIEW ");
    engine_add_name(&prefix, str_of(name));
    buf_puts(&prefix, " AS\n");
    ok = run(k, file, buf_cstr(&prefix), sql);
    buf_release(&prefix);
    return ok;
}

/* --- columns ------------------------------------------------------------------------------------------------- */

static const char *const coordinates[][2] = {
    {"record_hash", "VARCHAR"}, {"_topic", "VARCHAR"},         {"_partition", "INTEGER"},
    {"_offset", "BIGINT"},      {"_timestamp", "TIMESTAMPTZ"}, {"_ingested_at", "TIMESTAMPTZ"},
};

static void add_column(struct buf *sql, const char *name, const char *type)
{
    buf_printf(sql, "CAST(NULL AS %s) AS ", type);
    engine_add_name(sql, str_of(name));
}

/* The rows that silver.sql sees. */
static enum ig_code make_input(struct checker *k, const struct conf_domain *d, struct error *err)
{
    struct buf sql, type;
    enum ig_code rc;

    buf_init(&sql, 0);
    buf_init(&type, 0);
    buf_puts(&sql, "CREATE OR REPLACE TEMP TABLE input AS SELECT ");
    for (size_t i = 0; i < d->contract.n_fields; i++) {
        const struct conf_field *f = &d->contract.fields[i];

        if (strcmp(f->name, d->bronze.date_column) == 0)
            continue;
        buf_clear(&type);
        contract_add_sql_type(f, &type);
        add_column(&sql, f->name, buf_cstr(&type));
        buf_puts(&sql, ", ");
    }
    for (size_t i = 0; i < IG_COUNT(coordinates); i++) {
        add_column(&sql, coordinates[i][0], coordinates[i][1]);
        buf_puts(&sql, ", ");
    }
    add_column(&sql, d->bronze.date_column, "DATE");
    buf_puts(&sql, " WHERE false");
    rc = buf_check(&sql, err, "the query");
    if (rc == IG_OK)
        rc = engine_exec(k->conn, err, buf_cstr(&sql));
    buf_release(&sql);
    buf_release(&type);
    return rc;
}

/* Does the view give these columns? Reports the first that it does not. */
static enum ig_code need_columns(struct checker *k, const char *view, const char *const *names, size_t n,
                                 const char *file, const char *why, struct error *err)
{
    struct engine_rows rows = {0};
    bool *found = check_calloc(n + 1, sizeof(*found));
    struct buf sql, text;
    enum ig_code rc;

    buf_init(&sql, 0);
    buf_init(&text, 0);
    buf_puts(&sql, "DESCRIBE ");
    engine_add_name(&sql, str_of(view));
    rc = engine_query(k->conn, buf_cstr(&sql), &rows, err);
    while (rc == IG_OK && engine_next(&rows)) {
        const struct str column = engine_str(&rows, 0);

        for (size_t i = 0; i < n; i++)
            found[i] |= column.n == strlen(names[i]) && strncasecmp(column.p, names[i], column.n) == 0;
        buf_printf(&text, "%s" STR_FMT, text.n ? ", " : "", STR_ARG(column));
    }
    engine_rows_free(&rows);
    for (size_t i = 0; rc == IG_OK && i < n; i++)
        if (!found[i]) {
            buf_clear(&sql);
            buf_printf(&sql, "the query has no column '%s': %s; it has %s", names[i], why, buf_cstr(&text));
            add_problem(k, file, 1, 1, buf_cstr(&sql));
            break;
        }
    free(found);
    buf_release(&sql);
    buf_release(&text);
    return rc;
}

/* --- the SQL of a domain --------------------------------------------------------------------------------------- */

/* Keeps the columns of `from` as table ingot_NAME: views look their tables up late, and `input` changes. */
static enum ig_code keep_silver(struct checker *k, const struct conf_domain *d, const char *from, struct error *err)
{
    struct buf name, sql;
    enum ig_code rc;

    buf_init(&name, 0);
    buf_init(&sql, 0);
    buf_printf(&name, "ingot_%s", d->name);
    buf_puts(&sql, "CREATE OR REPLACE TEMP TABLE ");
    engine_add_name(&sql, buf_str(&name));
    buf_puts(&sql, " AS SELECT * FROM ");
    engine_add_name(&sql, str_of(from));
    buf_puts(&sql, " LIMIT 0");
    rc = engine_exec(k->conn, err, buf_cstr(&sql));
    buf_release(&name);
    buf_release(&sql);
    return rc;
}

static enum ig_code check_silver(struct checker *k, const struct conf_domain *d, bool *failed, struct error *err)
{
    const char *needed[IG_COUNT(coordinates) + 1];
    const size_t before = k->problems->n;
    size_t n = 0;

    IG_TRY(make_input(k, d, err));
    IG_TRY(keep_silver(k, d, "input", err));
    if (!d->silver.sql)
        return IG_OK;
    *failed = !make_view(k, "own rows", d->silver.sql, d->silver.sql_path);
    if (*failed)
        return IG_OK;
    for (; n < IG_COUNT(coordinates); n++)
        needed[n] = coordinates[n][0];
    needed[n++] = d->bronze.date_column;
    IG_TRY(need_columns(k, "own rows", needed, n, d->silver.sql_path,
                        "rows keep where they come from, select it too (SELECT *, ... FROM input)", err));
    *failed = k->problems->n > before;
    return keep_silver(k, d, "own rows", err);
}

/* Can it be checked, or does it read a silver that is wrong itself? */
static bool can_check(const struct checker *k, const char *sql)
{
    char name[80];

    for (size_t i = 0; i < k->conf->n_domains; i++) {
        if (!k->silver_failed[i])
            continue;
        snprintf(name, sizeof(name), "silver_%s", k->conf->domains[i].name);
        if (strcasestr(sql, name))
            return false;
    }
    return true;
}

/* Does `d` wait for `other`, directly or by others? Domains stand behind what they depend on. */
static bool depends_on(const struct conf *conf, const struct conf_domain *d, const struct conf_domain *other)
{
    bool *reached = check_calloc(conf->n_domains, sizeof(*reached));
    bool found;

    reached[d - conf->domains] = true;
    for (size_t i = (size_t)(d - conf->domains) + 1; i-- > 0;)
        for (size_t k = 0; reached[i] && k < conf->domains[i].n_depends_on; k++)
            reached[conf_domain(conf, str_of(conf->domains[i].depends_on[k])) - conf->domains] = true;
    found = reached[other - conf->domains];
    free(reached);
    return found;
}

/* The silver_NAME that a text of gold names, as far as it may see them: of the domain itself and of those before it. */
static enum ig_code show_silver(struct checker *k, const char *sql, struct error *err)
{
    static const char word[] = "silver_";
    char name[80];

    for (const char *at = strcasestr(sql, word); at; at = strcasestr(at + 1, word)) {
        const char *from = at + strlen(word);
        const struct conf_domain *other;
        size_t n = 0;

        for (; n + 1 < sizeof(name) && (isalnum((unsigned char)from[n]) || from[n] == '_'); n++)
            name[n] = (char)tolower((unsigned char)from[n]);
        other = conf_domain(k->conf, (struct str){name, n});
        if (!other || (other != k->domain && !depends_on(k->conf, k->domain, other)))
            continue;
        IG_TRY(engine_execf(k->conn, err, "CREATE OR REPLACE TEMP VIEW \"silver_%s\" AS FROM \"ingot_%s\"", other->name,
                            other->name));
        vec_push(&k->shown, other->name);
    }
    return IG_OK;
}

static enum ig_code hide_silver(struct checker *k, struct error *err)
{
    for (size_t i = 0; i < k->shown.n; i++)
        IG_TRY(engine_execf(k->conn, err, "DROP VIEW IF EXISTS \"silver_%s\"", k->shown.p[i]));
    k->shown.n = 0;
    return IG_OK;
}

static enum ig_code check_gold(struct checker *k, const struct conf_domain *d, const struct conf_gold *g,
                               struct error *err)
{
    const char **needed;
    enum ig_code rc;
    size_t n = 0;

    if (!can_check(k, g->sql))
        return IG_OK;
    IG_TRY(show_silver(k, g->sql, err));
    if (!make_view(k, g->name, g->sql, g->sql_path))
        return IG_OK;
    needed = check_calloc(g->n_key + 1, sizeof(*needed));
    for (; n < g->n_key; n++)
        needed[n] = g->key[n];
    if (!g->whole_table)
        needed[n++] = d->bronze.date_column;
    rc = need_columns(k, g->name, needed, n, g->sql_path,
                      "the table's key and its date column are among its columns (or say 'scope: table')", err);
    free(needed);
    return rc;
}

static enum ig_code drop_gold(struct checker *k, const struct conf_domain *d, struct error *err)
{
    struct buf sql;
    enum ig_code rc = IG_OK;

    buf_init(&sql, 0);
    for (size_t i = 0; rc == IG_OK && i < d->n_gold; i++) {
        buf_clear(&sql);
        buf_puts(&sql, "DROP VIEW IF EXISTS ");
        engine_add_name(&sql, str_of(d->gold[i].name));
        rc = engine_exec(k->conn, err, buf_cstr(&sql));
    }
    buf_release(&sql);
    return rc;
}

static enum ig_code check_domain(struct checker *k, const struct conf_domain *d, struct error *err)
{
    const size_t before = k->problems->n;

    if (d->n_gold == 0 && d->n_checks == 0)
        return IG_OK;
    IG_TRY(engine_execf(k->conn, err, "CREATE OR REPLACE TEMP VIEW silver AS FROM \"ingot_%s\"", d->name));
    for (size_t i = 0; i < d->n_gold; i++)
        IG_TRY(check_gold(k, d, &d->gold[i], err));
    for (size_t i = 0; k->problems->n == before && i < d->n_checks; i++) {
        if (!can_check(k, d->checks[i].sql))
            continue;
        IG_TRY(show_silver(k, d->checks[i].sql, err));
        make_view(k, "own check", d->checks[i].sql, d->checks[i].path);
    }
    IG_TRY(hide_silver(k, err));
    return drop_gold(k, d, err);
}

/* A source's SQL reads a file whose columns are not known: only its grammar is looked at. */
static void check_source(struct checker *k, const struct conf_domain *d)
{
    duckdb_extracted_statements statements;
    const char *message;

    if (!d->source.sql)
        return;
    duckdb_extract_statements(engine_handle(k->conn), d->source.sql, &statements);
    message = duckdb_extract_statements_error(statements);
    if (message)
        report(k, d->source.sql_path, str_of(d->source.sql), message, 0);
    duckdb_destroy_extracted(&statements);
}

static enum ig_code check_all(struct checker *k, struct error *err)
{
    const struct conf *conf = k->conf;

    IG_TRY(engine_exec(k->conn, err, "SET errors_as_json = true"));
    for (size_t i = 0; i < conf->n_domains; i++) {
        k->domain = &conf->domains[i];
        check_source(k, &conf->domains[i]);
        IG_TRY(check_silver(k, &conf->domains[i], &k->silver_failed[i], err));
    }
    for (size_t i = 0; i < conf->n_domains; i++) {
        k->domain = &conf->domains[i];
        if (!k->silver_failed[i])
            IG_TRY(check_domain(k, &conf->domains[i], err));
    }
    return IG_OK;
}

enum ig_code check_sql(const struct conf *conf, struct conf_problems *problems, struct error *err)
{
    const struct engine_options options = {.memory_bytes = INT64_C(256) << 20, .threads = 1};
    struct checker k = {.conf = conf, .problems = problems};
    struct engine *engine = NULL;
    enum ig_code rc = engine_open(&options, &engine, err);

    k.silver_failed = check_calloc(conf->n_domains + 1, sizeof(*k.silver_failed));
    if (rc == IG_OK)
        rc = engine_connect(engine, &k.conn, err);
    if (rc == IG_OK)
        rc = check_all(&k, err);
    engine_disconnect(k.conn);
    engine_close(engine);
    free(k.silver_failed);
    vec_free(&k.shown);
    return rc;
}

int check_sql_or_say(struct cli_context *c, const struct conf *conf)
{
    struct conf_problems problems = {0};
    struct error err = {0};
    int status = CLI_OK;

    if (check_sql(conf, &problems, &err) != IG_OK)
        status = cli_error(c, &err);
    else if (problems.n > 0)
        status = cli_problems(c, &problems);
    conf_problems_free(&problems);
    return status;
}
