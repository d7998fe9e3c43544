#include "cli/query_dml.h"

#include "cli/query_parse.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* --- which statements ------------------------------------------------------------------------------------------ */

static bool is_target(const struct sql_scanner *s, const struct sql_token *t)
{
    struct sql_scanner ahead = *s;
    struct sql_token next;

    if (!sql_is_word(t, "delta"))
        return false;
    next = sql_next(&ahead);
    if (!sql_is_symbol(&next, '('))
        return false;
    return sql_next(&ahead).type == SQL_STRING;
}

/* Words that may stand between a statement's verb and its table. */
static bool may_precede(const struct sql_token *t)
{
    static const char *const words[] = {"into",    "overwrite", "from", "table",  "with", "schema",  "evolution", "or",
                                        "replace", "if",        "not",  "exists", "only", "history", "detail"};

    for (size_t i = 0; i < IG_COUNT(words); i++)
        if (sql_is_word(t, words[i]))
            return true;
    return false;
}

/* Behind WITH: the statement's verb, if it is one that may have a WITH. */
static bool skip_with(struct sql_scanner *s, struct sql_token *t)
{
    unsigned depth = 0;

    do {
        *t = sql_next(s);
        depth += sql_is_symbol(t, '(');
        depth -= depth && sql_is_symbol(t, ')');
        if (depth == 0 && (sql_is_word(t, "insert") || sql_is_word(t, "merge")))
            return true;
    } while (t->type != SQL_END && !sql_is_symbol(t, ';'));
    return false;
}

bool query_changes_table(struct str text, size_t from, size_t to, size_t *target)
{
    static const char *const verbs[] = {"insert",   "delete",   "update", "merge",   "create", "replace", "alter",
                                        "truncate", "optimize", "vacuum", "restore", "reorg",  "drop"};
    struct sql_scanner s = {{text.p, to}, from};
    struct sql_token t = sql_next(&s);
    bool known = false;

    for (size_t i = 0; i < IG_COUNT(verbs); i++)
        known = known || sql_is_word(&t, verbs[i]);
    if (sql_is_word(&t, "describe") || sql_is_word(&t, "desc")) {
        t = sql_next(&s);
        known = sql_is_word(&t, "history") || sql_is_word(&t, "detail");
    } else if (sql_is_word(&t, "with")) {
        known = skip_with(&s, &t);
    }
    if (!known)
        return false;
    do {
        t = sql_next(&s);
        if (is_target(&s, &t)) {
            *target = t.from;
            return true;
        }
    } while (may_precede(&t));
    return false;
}

/* --- what they share ------------------------------------------------------------------------------------------- */

/* [AS] name, if the next word is none of those that go on with the statement. */
static enum ig_code read_alias(struct query_parser *p, const char *const *reserved, const char **out, struct error *err)
{
    if (query_take(p, "AS"))
        return query_name(p, "a name for the table", out, err);
    if (p->t.type == SQL_NAME)
        return query_name(p, "a name for the table", out, err);
    if (p->t.type != SQL_WORD)
        return IG_OK;
    for (size_t i = 0; reserved[i]; i++)
        if (sql_is_word(&p->t, reserved[i]))
            return IG_OK;
    return query_name(p, "a name for the table", out, err);
}

/* t.a of the table t is a. */
static const char *without_alias(const char *path, const char *alias)
{
    const size_t n = alias ? strlen(alias) : 0;

    if (n && strncasecmp(path, alias, n) == 0 && path[n] == '.')
        return path + n + 1;
    return path;
}

struct sets {
    VEC(struct lake_set) list;
};

static enum ig_code read_sets(struct query_parser *p, const char *alias, const char *const *until, struct sets *out,
                              struct error *err)
{
    do {
        struct lake_set set;

        IG_TRY(query_path(p, "a column", &set.column, err));
        set.column = without_alias(set.column, alias);
        IG_TRY(query_expect_symbol(p, '=', err));
        IG_TRY(query_piece(p, until, true, "the column's value", &set.value, err));
        vec_push(&out->list, set);
    } while (query_take_symbol(p, ','));
    return IG_OK;
}

static const struct lake_set *sets_of(struct query_parser *p, struct sets *sets, size_t *n)
{
    struct lake_set *out = ARENA_ARRAY(p->arena, struct lake_set, sets->list.n + 1);

    if (sets->list.n)
        memcpy(out, sets->list.p, sets->list.n * sizeof(*out));
    *n = sets->list.n;
    vec_free(&sets->list);
    return out;
}

static enum ig_code read_where(struct query_parser *p, struct error *err)
{
    if (query_take(p, "WHERE"))
        IG_TRY(query_piece(p, NULL, false, "a condition", &p->out->where, err));
    return query_end(p, err);
}

/* --- DELETE, UPDATE -------------------------------------------------------------------------------------------- */

static enum ig_code read_delete(struct query_parser *p, struct error *err)
{
    static const char *const reserved[] = {"where", "using", NULL};

    p->out->kind = QUERY_DELETE;
    IG_TRY(query_expect(p, "FROM", err));
    IG_TRY(query_target(p, err));
    IG_TRY(read_alias(p, reserved, &p->out->alias, err));
    if (query_is(p, "USING"))
        return query_advise(p, err,
                            "there is no DELETE ... USING: rows that another table names go by MERGE INTO ... USING "
                            "... ON ... WHEN MATCHED THEN DELETE");
    return read_where(p, err);
}

static enum ig_code read_update(struct query_parser *p, struct error *err)
{
    static const char *const reserved[] = {"set", NULL};
    static const char *const until[] = {"WHERE", "FROM", NULL};
    struct sets sets = {0};
    enum ig_code rc;

    p->out->kind = QUERY_UPDATE;
    IG_TRY(query_target(p, err));
    IG_TRY(read_alias(p, reserved, &p->out->alias, err));
    IG_TRY(query_expect(p, "SET", err));
    rc = read_sets(p, p->out->alias, until, &sets, err);
    for (size_t i = 0; i < sets.list.n; i++)
        vec_push(&p->out->sets, sets.list.p[i]);
    vec_free(&sets.list);
    if (!rc && query_is(p, "FROM"))
        return query_advise(p, err,
                            "there is no UPDATE ... FROM: values from another table come by MERGE INTO ... USING ... "
                            "ON ... WHEN MATCHED THEN UPDATE SET ...");
    return rc ? rc : read_where(p, err);
}

static enum ig_code read_truncate(struct query_parser *p, struct error *err)
{
    p->out->kind = QUERY_TRUNCATE;
    IG_TRY(query_target(p, err));
    return query_end(p, err);
}

/* --- INSERT ---------------------------------------------------------------------------------------------------- */

static enum ig_code read_columns(struct query_parser *p, struct error *err)
{
    struct query_names names = {0};
    enum ig_code rc = query_name_list(p, "a column", false, &names, err);

    for (size_t i = 0; i < names.list.n; i++)
        vec_push(&p->out->columns, names.list.p[i]);
    vec_free(&names.list);
    return rc;
}

/* Is this bracket a list of columns, not the query? */
static bool is_column_list(const struct query_parser *p)
{
    const struct sql_token next = sql_peek(&p->s);

    return sql_is_symbol(&p->t, '(') && !sql_is_word(&next, "select") && !sql_is_word(&next, "values") &&
           !sql_is_word(&next, "from") && !sql_is_word(&next, "with") && !sql_is_symbol(&next, '(');
}

/* PARTITION (d): the partitions of the new rows are what is replaced. */
static enum ig_code read_partition(struct query_parser *p, struct error *err)
{
    struct query_names names = {0};
    enum ig_code rc;

    if (p->out->insert.overwrite != LAKE_OVERWRITE_ALL)
        return query_refuse(p, err, "PARTITION goes with INSERT OVERWRITE");
    p->out->insert.overwrite = LAKE_OVERWRITE_PARTITIONS;
    query_advance(p);
    rc = query_name_list(p, "a partition column without a value", false, &names, err);
    vec_free(&names.list);
    return rc;
}

static enum ig_code read_insert(struct query_parser *p, struct error *err)
{
    static const char *const until[] = {"SELECT", "VALUES", "FROM", "WITH", "TABLE", NULL};
    struct lake_insert *insert = &p->out->insert;

    p->out->kind = QUERY_INSERT;
    insert->evolve_schema = query_take(p, "WITH SCHEMA EVOLUTION");
    if (query_take(p, "OVERWRITE"))
        insert->overwrite = LAKE_OVERWRITE_ALL;
    else
        IG_TRY(query_expect(p, "INTO", err));
    IG_TRY(query_target(p, err));
    if (query_take(p, "DEFAULT VALUES")) {
        if (insert->overwrite != LAKE_APPEND)
            return query_advise(p, err, "DEFAULT VALUES goes with INSERT INTO");
        p->out->default_values = true;
        return query_end(p, err);
    }
    if (query_is(p, "PARTITION"))
        IG_TRY(read_partition(p, err));
    if (query_take(p, "BY NAME"))
        insert->by_name = true;
    else if (is_column_list(p))
        IG_TRY(read_columns(p, err));
    if (query_is(p, "REPLACE WHERE")) {
        if (insert->overwrite != LAKE_APPEND)
            return query_refuse(p, err, "REPLACE WHERE goes with INSERT INTO");
        query_take(p, "REPLACE WHERE");
        insert->overwrite = LAKE_OVERWRITE_WHERE;
        IG_TRY(query_piece(p, until, false, "a condition", &insert->where, err));
    }
    if (insert->evolve_schema && p->out->columns.n)
        return query_refuse(p, err, "a list of columns leaves no new ones for WITH SCHEMA EVOLUTION: use BY NAME");
    insert->by_name = insert->by_name || insert->evolve_schema;
    IG_TRY(query_piece(p, NULL, false, "a query or VALUES", &insert->select, err));
    if (p->out->with)
        insert->select =
            arena_printf(p->arena, "%s SELECT * FROM (%s\n) AS _ingot_query", p->out->with, insert->select);
    return query_end(p, err);
}

/* --- MERGE ----------------------------------------------------------------------------------------------------- */

static void skip_brackets(struct query_parser *p)
{
    unsigned depth = 0;

    do {
        depth += sql_is_symbol(&p->t, '(');
        depth -= sql_is_symbol(&p->t, ')');
        query_advance(p);
    } while (depth && p->t.type != SQL_END);
}

/* (query) | name | name(...) | 'file', then [AS] name [(columns)] */
static enum ig_code read_source(struct query_parser *p, struct error *err)
{
    static const char *const reserved[] = {"on", NULL};
    const size_t from = p->t.from;
    const char *item, *alias = NULL, *plain = NULL;
    size_t to;

    if (sql_is_symbol(&p->t, '(')) {
        skip_brackets(p);
    } else {
        if (p->t.type != SQL_WORD && p->t.type != SQL_NAME && p->t.type != SQL_STRING)
            return query_refuse(p, err, "here comes the source: a table, or a query in brackets");
        if (p->t.type == SQL_WORD)
            plain = arena_strndup(p->arena, p->t.content.p, p->t.content.n);
        query_advance(p);
        if (sql_is_symbol(&p->t, '.') || sql_is_symbol(&p->t, '('))
            plain = NULL;
        while (query_take_symbol(p, '.'))
            query_advance(p);
        if (sql_is_symbol(&p->t, '('))
            skip_brackets(p);
    }
    to = p->t.type == SQL_END ? p->s.text.n : p->t.from;
    item = arena_strndup(p->arena, p->s.text.p + from, to - from);
    vec_push(&p->out->pieces, ((struct query_piece){item, from}));
    IG_TRY(read_alias(p, reserved, &alias, err));
    if (!alias && p->out->with && plain)
        alias = plain; /* the name that the WITH gave it */
    p->out->merge.source_alias = alias ? alias : "source";
    if (sql_is_symbol(&p->t, '(')) { /* names for its columns */
        const size_t list = p->t.from;

        skip_brackets(p);
        item = arena_printf(p->arena, "%s AS _ingot_item%.*s", item, (int)(p->t.from - list), p->s.text.p + list);
    }
    p->out->merge.select = arena_printf(p->arena, "%s SELECT * FROM %s", p->out->with ? p->out->with : "", item);
    return IG_OK;
}

static const char *const clause_ends[] = {"WHEN", NULL};

/* INSERT * | INSERT (columns) VALUES (values) | INSERT VALUES (values) */
static enum ig_code read_merge_insert(struct query_parser *p, struct lake_merge_clause *clause, struct error *err)
{
    struct query_names names = {0};
    struct sets sets = {0};
    enum ig_code rc;
    size_t n = 0;

    clause->action = LAKE_INSERT_ALL;
    if (query_take_symbol(p, '*'))
        return IG_OK;
    clause->action = LAKE_INSERT;
    if (!sql_is_symbol(&p->t, '('))
        return query_refuse(p, err, "here comes * or (columns) VALUES (values)");
    rc = query_name_list(p, "a column", true, &names, err);
    if (!rc)
        rc = query_expect(p, "VALUES", err);
    if (!rc)
        rc = query_expect_symbol(p, '(', err);
    do {
        struct lake_set set = {.column = n < names.list.n ? without_alias(names.list.p[n], p->out->alias) : NULL};

        if (!rc && !set.column)
            rc = query_refuse(p, err, "there are more values than columns");
        if (!rc)
            rc = query_piece(p, NULL, true, "a value", &set.value, err);
        vec_push(&sets.list, set);
        n++;
    } while (!rc && query_take_symbol(p, ','));
    if (!rc && n < names.list.n)
        rc = query_refuse(p, err, "there are fewer values than columns");
    if (!rc)
        rc = query_expect_symbol(p, ')', err);
    clause->sets = sets_of(p, &sets, &clause->n_sets);
    vec_free(&names.list);
    return rc;
}

static enum ig_code read_action(struct query_parser *p, struct lake_merge_clause *clause, struct error *err)
{
    struct sets sets = {0};
    enum ig_code rc;

    if (query_take(p, "DELETE")) {
        clause->action = LAKE_DELETE;
        return IG_OK;
    }
    if (query_take(p, "INSERT"))
        return read_merge_insert(p, clause, err);
    if (!query_take(p, "UPDATE"))
        return query_refuse(p, err, "here comes UPDATE, DELETE or INSERT");
    clause->action = LAKE_UPDATE_ALL;
    if (query_take_symbol(p, '*'))
        return IG_OK;
    IG_TRY(query_expect(p, "SET", err));
    if (query_take_symbol(p, '*'))
        return IG_OK;
    clause->action = LAKE_UPDATE;
    rc = read_sets(p, p->out->alias, clause_ends, &sets, err);
    clause->sets = sets_of(p, &sets, &clause->n_sets);
    return rc;
}

static enum ig_code read_clause(struct query_parser *p, struct error *err)
{
    static const char *const until[] = {"THEN", NULL};
    struct lake_merge_clause clause = {0};

    IG_TRY(query_expect(p, "WHEN", err));
    if (query_take(p, "MATCHED"))
        clause.when = LAKE_MATCHED;
    else if (query_take(p, "NOT MATCHED BY SOURCE"))
        clause.when = LAKE_NOT_MATCHED_BY_SOURCE;
    else if (query_take(p, "NOT MATCHED BY TARGET") || query_take(p, "NOT MATCHED"))
        clause.when = LAKE_NOT_MATCHED;
    else
        return query_refuse(p, err, "here comes MATCHED, NOT MATCHED or NOT MATCHED BY SOURCE");
    if (query_take(p, "AND"))
        IG_TRY(query_piece(p, until, false, "a condition", &clause.condition, err));
    IG_TRY(query_expect(p, "THEN", err));
    IG_TRY(read_action(p, &clause, err));
    vec_push(&p->out->clauses, clause);
    return IG_OK;
}

static enum ig_code read_merge(struct query_parser *p, struct error *err)
{
    static const char *const reserved[] = {"using", NULL};
    struct lake_merge *m = &p->out->merge;

    p->out->kind = QUERY_MERGE;
    m->evolve_schema = query_take(p, "WITH SCHEMA EVOLUTION");
    IG_TRY(query_expect(p, "INTO", err));
    IG_TRY(query_target(p, err));
    IG_TRY(read_alias(p, reserved, &p->out->alias, err));
    m->target_alias = p->out->alias = p->out->alias ? p->out->alias : "target";
    IG_TRY(query_expect(p, "USING", err));
    IG_TRY(read_source(p, err));
    IG_TRY(query_expect(p, "ON", err));
    IG_TRY(query_piece(p, clause_ends, false, "a condition", &m->on, err));
    do
        IG_TRY(read_clause(p, err));
    while (p->t.type != SQL_END);
    m->clauses = p->out->clauses.p;
    m->n_clauses = p->out->clauses.n;
    return IG_OK;
}

/* --- the statement --------------------------------------------------------------------------------------------- */

/* WITH a AS (...), b AS (...) before INSERT or MERGE: it goes to the statement's query. */
static enum ig_code read_with(struct query_parser *p, struct error *err)
{
    static const char *const until[] = {"INSERT", "MERGE", NULL};

    return query_is(p, "WITH") ? query_piece(p, until, false, "a query", &p->out->with, err) : IG_OK;
}

static enum ig_code read_statement(struct query_parser *p, struct error *err)
{
    enum ig_code rc;

    IG_TRY(read_with(p, err));
    if (query_read_upkeep(p, &rc, err))
        return rc;
    if (query_take(p, "INSERT"))
        return read_insert(p, err);
    if (query_take(p, "DELETE"))
        return read_delete(p, err);
    if (query_take(p, "UPDATE"))
        return read_update(p, err);
    if (query_take(p, "MERGE"))
        return read_merge(p, err);
    if (query_take(p, "TRUNCATE"))
        return read_truncate(p, err);
    if (query_take(p, "ALTER"))
        return query_read_alter(p, err);
    return query_read_create(p, err);
}

enum ig_code query_change_read(const struct query_text *text, size_t i, struct query_change *out, struct error *err)
{
    const struct query_statement *statement = &text->statements.p[i];
    struct query_parser p = {.q = text, .arena = text->arena, .out = out};
    struct buf whole;

    *out = (struct query_change){0};
    buf_init(&whole, 0);
    query_text_add_replaced(text, &whole);
    p.s.text = arena_str(text->arena, (struct str){whole.p, statement->to});
    p.s.at = statement->from;
    buf_release(&whole);
    query_advance(&p);
    IG_TRY(read_statement(&p, err));
    if (out->columns.n) {
        out->insert.columns = out->columns.p;
        out->insert.n_columns = out->columns.n;
    }
    return IG_OK;
}

void query_change_free(struct query_change *c)
{
    vec_free(&c->sets);
    vec_free(&c->clauses);
    vec_free(&c->columns);
    vec_free(&c->definitions);
    vec_free(&c->partition_by);
    vec_free(&c->cluster_by);
    vec_free(&c->properties);
    vec_free(&c->pieces);
}

void query_change_add_place(const struct query_text *text, const struct query_change *c, const char *message,
                            struct buf *out)
{
    const struct query_piece *best = NULL;
    size_t line = 1, column = 1;

    for (size_t i = 0; i < c->pieces.n; i++)
        if (strstr(message, c->pieces.p[i].text) && (!best || strlen(best->text) < strlen(c->pieces.p[i].text)))
            best = &c->pieces.p[i];
    if (!best)
        return;
    for (size_t i = 0; i < best->from && i < text->text.n; i++) {
        column = text->text.p[i] == '\n' ? 1 : column + 1;
        line += text->text.p[i] == '\n';
    }
    buf_printf(out, "line %zu, column %zu: ", line, column);
}
