#include "cli/query_sql.h"

#include "cli/query_dml.h"
#include "cli/sql_tokens.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* --- delta(...) ------------------------------------------------------------------------------------------------ */

static enum ig_code refuse(const struct query_text *q, size_t at, struct error *err, const char *what)
{
    size_t line = 1, column = 1;

    for (size_t i = 0; i < at && i < q->text.n; i++) {
        column = q->text.p[i] == '\n' ? 1 : column + 1;
        line += q->text.p[i] == '\n';
    }
    return error_set(
        err, IG_INVALID,
        "line %zu, column %zu: %s; it is written delta('PATH_OR_URL', version => N), "
        "delta('PATH_OR_URL', timestamp => '2024-01-31 12:00:00') or delta_changes('PATH_OR_URL', FROM, TO)",
        line, column, what);
}

/* A string's content with its doubled quotes made single. */
static char *unquote(struct arena *a, struct str s)
{
    char *out = arena_strndup(a, s.p, s.n), *to = out;

    for (const char *p = out; *p; p++) {
        *to++ = *p;
        if (*p == '\'' && p[1] == '\'')
            p++;
    }
    *to = '\0';
    return out;
}

/* "=>", ":=" or "=" behind an option's name; the value's token is next. */
static bool read_arrow(struct sql_scanner *s, struct sql_token *value)
{
    struct sql_token t = sql_next(s);

    if (!sql_is_symbol(&t, ':') && !sql_is_symbol(&t, '='))
        return false;
    t = sql_next(s);
    if (sql_is_symbol(&t, '>') || sql_is_symbol(&t, '='))
        t = sql_next(s);
    *value = t;
    return true;
}

static enum ig_code take_version(const struct query_text *q, const struct sql_token *t, int64_t *version,
                                 struct error *err)
{
    if (t->type != SQL_NUMBER || !str_to_int64(t->content, 0, INT64_MAX, version))
        return refuse(q, t->from, err, "a version is a whole number, 0 or more");
    return IG_OK;
}

/* A date or a time in quotes; without a zone it is UTC. TIMESTAMP or DATE may stand before it. */
static enum ig_code take_time(struct query_text *q, struct sql_scanner *s, struct sql_token t, int64_t *us,
                              struct error *err)
{
    if (sql_is_word(&t, "timestamp") || sql_is_word(&t, "timestamptz") || sql_is_word(&t, "date"))
        t = sql_next(s);
    if (t.type != SQL_STRING || !timestamp_parse(str_of(unquote(q->arena, t.content)), us))
        return refuse(q, t.from, err, "a timestamp is a date or a time in quotes, as '2024-01-31 12:00:00Z'");
    return IG_OK;
}

/* Behind the place: one option, or the version alone. */
static enum ig_code read_option(struct query_text *q, struct sql_scanner *s, struct query_delta *d, struct error *err)
{
    struct sql_token t = sql_next(s), value;

    if (sql_is_word(&t, "version")) {
        if (!read_arrow(s, &value))
            return refuse(q, t.from, err, "behind 'version' comes => and the number");
        return take_version(q, &value, &d->version, err);
    }
    if (sql_is_word(&t, "timestamp")) {
        if (!read_arrow(s, &value))
            return refuse(q, t.from, err, "behind 'timestamp' comes => and the time");
        d->at_time = true;
        return take_time(q, s, value, &d->time_us, err);
    }
    if (sql_is_word(&t, "row_ids")) {
        if (!read_arrow(s, &value) || (!sql_is_word(&value, "true") && !sql_is_word(&value, "false")))
            return refuse(q, t.from, err, "behind 'row_ids' comes => and true or false");
        d->row_ids = sql_is_word(&value, "true");
        return IG_OK;
    }
    if (t.type == SQL_WORD)
        return refuse(q, t.from, err, "the options of delta() are version, timestamp and row_ids");
    return take_version(q, &t, &d->version, err);
}

/* One end of delta_changes, with or without its name: a version, or a time. */
static enum ig_code read_bound(struct query_text *q, struct sql_scanner *s, const char *name, int64_t *version,
                               bool *by_time, int64_t *us, struct error *err)
{
    struct sql_token t = sql_next(s), value;

    if (!sql_is_word(&t, name))
        value = t;
    else if (!read_arrow(s, &value))
        return refuse(q, t.from, err, "behind an option's name comes => and the number or the time");
    if (value.type == SQL_NUMBER)
        return take_version(q, &value, version, err);
    *by_time = true;
    return take_time(q, s, value, us, err);
}

/* Behind "delta" or "delta_changes": its arguments. */
static enum ig_code read_delta(struct query_text *q, struct sql_scanner *s, const struct sql_token *word,
                               struct error *err)
{
    struct query_delta d = {.from = word->from, .version = -1, .last = -1};
    struct sql_token t = sql_next(s); /* the bracket */

    d.changes = sql_is_word(word, "delta_changes");
    t = sql_next(s);
    if (t.type != SQL_STRING || t.content.n == 0)
        return refuse(q, t.from, err, "delta() needs the table's folder in quotes");
    d.place = unquote(q->arena, t.content);
    t = sql_next(s);
    if (d.changes && !sql_is_symbol(&t, ','))
        return refuse(q, t.from, err, "delta_changes() needs the first version");
    if (sql_is_symbol(&t, ',')) {
        IG_TRY(d.changes ? read_bound(q, s, "from", &d.version, &d.at_time, &d.time_us, err)
                         : read_option(q, s, &d, err));
        t = sql_next(s);
    }
    if (d.changes && sql_is_symbol(&t, ',')) {
        IG_TRY(read_bound(q, s, "to", &d.last, &d.until_time, &d.until_us, err));
        t = sql_next(s);
    }
    if (!sql_is_symbol(&t, ')'))
        return refuse(q, t.from, err, "delta() ends here with ')'");
    d.to = t.to;
    vec_push(&q->deltas, d);
    return IG_OK;
}

/* --- the whole text -------------------------------------------------------------------------------------------- */

static void add_name(struct query_text *q, struct str s)
{
    char *name;

    if (s.n == 0 || s.n > 128)
        return;
    name = arena_strndup(q->arena, s.p, s.n);
    for (char *p = name; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    vec_push(&q->names, name);
}

/* Names hide in strings too: query_table('silver.orders'). */
static void add_names_of_string(struct query_text *q, struct str s)
{
    size_t from = 0;

    if (s.n > 512)
        return;
    for (size_t i = 0; i <= s.n; i++) {
        if (i < s.n && sql_word_part(s.p[i]))
            continue;
        add_name(q, (struct str){s.p + from, i - from});
        from = i + 1;
    }
}

static bool shows_catalog(const struct sql_token *t)
{
    static const char *const words[] = {"show",           "describe",           "desc",          "summarize",
                                        "pragma",         "duckdb_tables",      "duckdb_views",  "duckdb_columns",
                                        "duckdb_schemas", "information_schema", "sqlite_master", "pg_catalog"};

    for (size_t i = 0; i < IG_COUNT(words); i++)
        if (sql_is_word(t, words[i]))
            return true;
    return false;
}

/* Is this word the function delta, where a table stands? It may also be anybody's column or WITH name. */
static bool is_delta(const struct sql_scanner *behind, const struct sql_token *t, const struct sql_token *before)
{
    struct sql_scanner ahead = *behind;
    struct sql_token next;

    if (!sql_is_word(t, "delta") && !sql_is_word(t, "delta_changes"))
        return false;
    next = sql_next(&ahead);
    if (!sql_is_symbol(&next, '('))
        return false;
    if (sql_is_word(before, "from") || sql_is_word(before, "join") || sql_is_word(before, "using"))
        return true;
    next = sql_next(&ahead);
    return (sql_is_symbol(before, ',') || sql_is_symbol(before, '(')) && next.type == SQL_STRING;
}

/* A ROLLBACK would not take the commits back. */
static enum ig_code refuse_transaction(struct error *err)
{
    return error_set(err, IG_UNSUPPORTED,
                     "there are no transactions of several statements (BEGIN) on Delta tables: each statement is a "
                     "commit of its own; MERGE does several changes in one");
}

enum ig_code query_text_read(struct arena *arena, struct str text, struct query_text *out, struct error *err)
{
    struct sql_scanner s = {text, 0};
    struct query_statement statement = {0};
    struct sql_token before = {.type = SQL_END};
    bool empty = true, begins = false, changes = false;

    *out = (struct query_text){.arena = arena, .text = text};
    for (;;) {
        const struct sql_token t = sql_next(&s);

        if (t.type == SQL_END || sql_is_symbol(&t, ';')) {
            statement.to = t.from;
            if (!empty)
                vec_push(&out->statements, statement);
            statement = (struct query_statement){.from = t.to};
            empty = true;
            if (t.type == SQL_END)
                return begins && changes ? refuse_transaction(err) : IG_OK;
        } else {
            if (empty) {
                statement.changes = query_changes_table(text, t.from, text.n, &statement.target);
                changes = changes || statement.changes;
                begins = begins || sql_is_word(&t, "begin") || sql_is_word(&t, "start");
            }
            empty = false;
        }
        if (is_delta(&s, &t, &before) && !(statement.changes && t.from == statement.target))
            IG_TRY(read_delta(out, &s, &t, err));
        if (t.type == SQL_WORD || t.type == SQL_NAME)
            add_name(out, t.content);
        else if (t.type == SQL_STRING)
            add_names_of_string(out, t.content);
        out->asks_catalog = out->asks_catalog || shows_catalog(&t);
        before = t;
    }
}

void query_text_free(struct query_text *q)
{
    vec_free(&q->statements);
    vec_free(&q->deltas);
    vec_free(&q->names);
}

bool query_text_names(const struct query_text *q, const char *name)
{
    for (size_t i = 0; i < q->names.n; i++)
        if (strcasecmp(q->names.p[i], name) == 0)
            return true;
    return false;
}

bool query_text_qualifies(const struct query_text *q, const char *name)
{
    struct sql_scanner s = {q->text, 0};
    struct sql_token t = sql_next(&s);

    while (t.type != SQL_END) {
        const struct sql_token next = sql_next(&s);

        if ((t.type == SQL_WORD || t.type == SQL_NAME) && t.content.n == strlen(name) &&
            strncasecmp(t.content.p, name, t.content.n) == 0 && sql_is_symbol(&next, '.'))
            return true;
        t = next;
    }
    return false;
}

/* --- for DuckDB, and back -------------------------------------------------------------------------------------- */

void query_delta_view(size_t i, char out[16])
{
    snprintf(out, 16, "_delta%zu", i % 1000000);
}

/* The view's name in place of the call: as long, and with as many line breaks. */
static void add_replaced(const struct query_text *q, size_t i, struct buf *out)
{
    const struct query_delta *d = &q->deltas.p[i];
    char name[16];
    size_t at;

    query_delta_view(i, name);
    at = d->from + strlen(name);
    buf_puts(out, name);
    for (size_t k = d->from; k < at && k < d->to; k++) {
        if (q->text.p[k] == '\n') { /* covered by the name: it comes behind it, in place of the next byte */
            buf_putc(out, '\n');
            at++;
        }
    }
    for (; at < d->to; at++)
        buf_putc(out, q->text.p[at] == '\n' ? '\n' : ' ');
}

void query_text_add_statement(const struct query_text *q, size_t i, struct buf *out)
{
    const struct query_statement *statement = &q->statements.p[i];
    size_t line_start = 0, at = statement->from;

    for (size_t k = 0; k < statement->from; k++) {
        if (q->text.p[k] == '\n') {
            buf_putc(out, '\n');
            line_start = k + 1;
        }
    }
    for (size_t k = line_start; k < statement->from; k++)
        buf_putc(out, ' ');
    for (size_t k = 0; k < q->deltas.n; k++) {
        const struct query_delta *d = &q->deltas.p[k];

        if (d->from < statement->from || d->to > statement->to)
            continue;
        buf_add(out, q->text.p + at, d->from - at);
        add_replaced(q, k, out);
        at = d->to;
    }
    buf_add(out, q->text.p + at, statement->to - at);
}

/* How much of `replaced` the message begins with: messages cut long lines. */
static size_t common_length(const char *message, struct str replaced)
{
    size_t n = 0;

    while (n < replaced.n && message[n] && message[n] == replaced.p[n])
        n++;
    return n;
}

void query_text_restore(const struct query_text *q, const char *message, struct buf *out)
{
    struct buf replaced;
    char name[16];

    buf_init(&replaced, 0);
    while (*message) {
        size_t used = 0;

        for (size_t i = 0; i < q->deltas.n && !used; i++) {
            const struct query_delta *d = &q->deltas.p[i];
            size_t n;

            buf_clear(&replaced);
            add_replaced(q, i, &replaced);
            query_delta_view(i, name);
            n = common_length(message, buf_str(&replaced));
            if (n < strlen(name) || isdigit((unsigned char)message[n]))
                continue;
            buf_add(out, q->text.p + d->from, n);
            used = n;
        }
        if (!used)
            buf_putc(out, *message);
        message += used ? used : 1;
    }
    buf_release(&replaced);
}

void query_text_add_replaced(const struct query_text *q, struct buf *out)
{
    size_t at = 0;

    for (size_t k = 0; k < q->deltas.n; k++) {
        buf_add(out, q->text.p + at, q->deltas.p[k].from - at);
        add_replaced(q, k, out);
        at = q->deltas.p[k].to;
    }
    buf_add(out, q->text.p + at, q->text.n - at);
}
