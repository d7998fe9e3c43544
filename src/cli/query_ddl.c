/*
 * CREATE TABLE delta(...) and ALTER TABLE delta(...).
 */
#include "cli/query_parse.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- columns --------------------------------------------------------------------------------------------------- */

static bool ends_type(const struct query_parser *p)
{
    static const char *const words[] = {"NOT", "NULL", "DEFAULT", "COMMENT", "GENERATED", "FIRST", "AFTER", "USING"};

    for (size_t i = 0; i < IG_COUNT(words); i++)
        if (query_is(p, words[i]))
            return true;
    return p->t.type == SQL_END;
}

/* DECIMAL(10, 2), STRUCT<a: INT, b: ARRAY<STRING>>, INTEGER[], TIMESTAMP WITH TIME ZONE */
static enum ig_code read_type(struct query_parser *p, const char **out, struct error *err)
{
    const size_t from = p->t.from;
    int depth = 0;
    size_t to = from;

    while (p->t.type != SQL_END && (depth > 0 || !ends_type(p))) {
        if (depth == 0 && (sql_is_symbol(&p->t, ',') || sql_is_symbol(&p->t, ')')))
            break;
        depth += sql_is_symbol(&p->t, '(') || sql_is_symbol(&p->t, '<') || sql_is_symbol(&p->t, '[');
        depth -= sql_is_symbol(&p->t, ')') || sql_is_symbol(&p->t, '>') || sql_is_symbol(&p->t, ']');
        to = p->t.to;
        query_advance(p);
    }
    if (to == from)
        return query_refuse(p, err, "here comes the column's type");
    *out = arena_strndup(p->arena, p->s.text.p + from, to - from);
    return IG_OK;
}

enum ig_code query_number(struct query_parser *p, int64_t *out, struct error *err)
{
    const bool minus = query_take_symbol(p, '-');

    if (p->t.type != SQL_NUMBER || !str_to_int64(p->t.content, 0, INT64_MAX, out))
        return query_refuse(p, err, "here comes a whole number");
    *out = minus ? -*out : *out;
    query_advance(p);
    return IG_OK;
}

/* GENERATED ALWAYS AS (expression) | GENERATED {ALWAYS | BY DEFAULT} AS IDENTITY [(START WITH n INCREMENT BY n)] */
static enum ig_code read_generated(struct query_parser *p, struct lake_column *c, struct error *err)
{
    if (query_take(p, "BY DEFAULT"))
        c->by_default = true;
    else
        IG_TRY(query_expect(p, "ALWAYS", err));
    IG_TRY(query_expect(p, "AS", err));
    if (!query_take(p, "IDENTITY")) {
        if (c->by_default)
            return query_refuse(p, err, "here comes IDENTITY");
        IG_TRY(query_expect_symbol(p, '(', err));
        IG_TRY(query_piece(p, NULL, false, "an expression", &c->generated, err));
        return query_expect_symbol(p, ')', err);
    }
    c->identity = true;
    c->start = c->step = 1;
    if (!query_take_symbol(p, '('))
        return IG_OK;
    while (!sql_is_symbol(&p->t, ')')) {
        if (query_take(p, "START WITH"))
            IG_TRY(query_number(p, &c->start, err));
        else if (query_take(p, "INCREMENT BY"))
            IG_TRY(query_number(p, &c->step, err));
        else
            return query_refuse(p, err, "here comes START WITH or INCREMENT BY");
        (void)query_take_symbol(p, ',');
    }
    return query_expect_symbol(p, ')', err);
}

/* What may stand behind a column's type, in any order. */
static enum ig_code read_column_options(struct query_parser *p, struct lake_column *c, struct error *err)
{
    static const char *const until[] = {"NOT NULL", "COMMENT", "GENERATED", "FIRST", "AFTER", NULL};

    for (;;) {
        if (query_take(p, "NOT NULL"))
            c->not_null = true;
        else if (query_take(p, "NULL"))
            c->not_null = false;
        else if (query_take(p, "DEFAULT"))
            IG_TRY(query_piece(p, until, true, "a default", &c->initial, err));
        else if (query_take(p, "COMMENT"))
            IG_TRY(query_string(p, "a comment", &c->comment, err));
        else if (query_take(p, "GENERATED"))
            IG_TRY(read_generated(p, c, err));
        else if (query_take(p, "FIRST"))
            c->after = "";
        else if (query_take(p, "AFTER"))
            IG_TRY(query_name(p, "a column", &c->after, err));
        else
            return IG_OK;
    }
}

static enum ig_code read_column(struct query_parser *p, bool typed, struct error *err)
{
    struct lake_column c = {0};

    IG_TRY(query_path(p, "a column", &c.name, err));
    if (typed || !ends_type(p))
        IG_TRY(read_type(p, &c.type, err));
    IG_TRY(read_column_options(p, &c, err));
    vec_push(&p->out->definitions, c);
    return IG_OK;
}

static enum ig_code read_column_list(struct query_parser *p, struct error *err)
{
    IG_TRY(query_expect_symbol(p, '(', err));
    do
        IG_TRY(read_column(p, true, err));
    while (query_take_symbol(p, ','));
    return query_expect_symbol(p, ')', err);
}

/* --- properties ------------------------------------------------------------------------------------------------ */

/* 'a.b' or a.b */
static enum ig_code read_key(struct query_parser *p, const char **out, struct error *err)
{
    return p->t.type == SQL_STRING ? query_string(p, "a property", out, err) : query_path(p, "a property", out, err);
}

static enum ig_code read_properties(struct query_parser *p, bool values, struct error *err)
{
    IG_TRY(query_expect_symbol(p, '(', err));
    do {
        struct lake_property property = {0};

        IG_TRY(read_key(p, &property.key, err));
        if (values) {
            (void)query_take_symbol(p, '=');
            if (p->t.type == SQL_STRING) {
                IG_TRY(query_string(p, "a value", &property.value, err));
            } else if (p->t.type == SQL_NUMBER || p->t.type == SQL_WORD) {
                property.value = arena_strndup(p->arena, p->t.content.p, p->t.content.n);
                query_advance(p);
            } else {
                return query_refuse(p, err, "here comes the property's value");
            }
        }
        vec_push(&p->out->properties, property);
    } while (query_take_symbol(p, ','));
    return query_expect_symbol(p, ')', err);
}

/* --- CREATE ---------------------------------------------------------------------------------------------------- */

static enum ig_code read_partitioning(struct query_parser *p, bool cluster, struct error *err)
{
    struct query_names names = {0};
    enum ig_code rc = query_name_list(p, "a column", cluster, &names, err);

    for (size_t i = 0; i < names.list.n; i++) {
        if (cluster)
            vec_push(&p->out->cluster_by, names.list.p[i]);
        else
            vec_push(&p->out->partition_by, names.list.p[i]);
    }
    vec_free(&names.list);
    return rc;
}

enum ig_code query_read_create(struct query_parser *p, struct error *err)
{
    struct query_change *c = p->out;

    c->kind = QUERY_CREATE;
    if (query_take(p, "REPLACE"))
        return query_refuse(p, err, "that is written CREATE OR REPLACE TABLE");
    IG_TRY(query_expect(p, "CREATE", err));
    c->or_replace = query_take(p, "OR REPLACE");
    IG_TRY(query_expect(p, "TABLE", err));
    c->if_not_exists = query_take(p, "IF NOT EXISTS");
    IG_TRY(query_target(p, err));
    if (query_is(p, "SHALLOW") || query_is(p, "DEEP"))
        return query_read_clone(p, err);
    if (sql_is_symbol(&p->t, '('))
        IG_TRY(read_column_list(p, err));
    while (p->t.type != SQL_END && !query_is(p, "AS")) {
        if (query_take(p, "USING"))
            IG_TRY(query_expect(p, "DELTA", err));
        else if (query_take(p, "PARTITIONED BY"))
            IG_TRY(read_partitioning(p, false, err));
        else if (query_take(p, "CLUSTER BY"))
            IG_TRY(read_partitioning(p, true, err));
        else if (query_take(p, "COMMENT"))
            IG_TRY(query_string(p, "a comment", &c->comment, err));
        else if (query_take(p, "TBLPROPERTIES"))
            IG_TRY(read_properties(p, true, err));
        else
            return query_refuse(p, err, "here comes PARTITIONED BY, CLUSTER BY, COMMENT, TBLPROPERTIES or AS");
    }
    if (query_take(p, "AS"))
        IG_TRY(query_piece(p, NULL, false, "a query", &c->query, err));
    if (!c->query && !c->definitions.n)
        return query_refuse(p, err, "a table needs columns, or AS and a query");
    return query_end(p, err);
}

/* --- ALTER ----------------------------------------------------------------------------------------------------- */

static enum ig_code read_alter_column(struct query_parser *p, struct error *err)
{
    struct lake_alteration *a = &p->out->alteration;
    struct lake_column c = {0};

    IG_TRY(query_path(p, "a column", &a->column, err));
    c.name = a->column;
    if (query_take(p, "SET NOT NULL")) {
        a->kind = LAKE_SET_NOT_NULL;
    } else if (query_take(p, "DROP NOT NULL")) {
        a->kind = LAKE_DROP_NOT_NULL;
    } else if (query_take(p, "SET DEFAULT")) {
        a->kind = LAKE_SET_DEFAULT;
        IG_TRY(query_piece(p, NULL, false, "a default", &a->text, err));
    } else if (query_take(p, "DROP DEFAULT")) {
        a->kind = LAKE_DROP_DEFAULT;
    } else if (query_take(p, "COMMENT")) {
        a->kind = LAKE_SET_COMMENT;
        IG_TRY(query_string(p, "a comment", &a->text, err));
    } else if (query_take(p, "SYNC IDENTITY")) {
        a->kind = LAKE_SYNC_IDENTITY;
    } else if (query_take(p, "FIRST")) {
        a->kind = LAKE_MOVE_COLUMN;
        c.after = "";
    } else if (query_take(p, "AFTER")) {
        a->kind = LAKE_MOVE_COLUMN;
        IG_TRY(query_name(p, "a column", &c.after, err));
    } else if (query_take(p, "SET DATA TYPE") || query_take(p, "TYPE")) {
        a->kind = LAKE_CHANGE_TYPE;
        IG_TRY(read_type(p, &c.type, err));
    } else {
        return query_refuse(p, err,
                            "here comes SET or DROP NOT NULL or DEFAULT, TYPE, COMMENT, FIRST, AFTER or SYNC "
                            "IDENTITY");
    }
    vec_push(&p->out->definitions, c);
    return IG_OK;
}

static enum ig_code read_add(struct query_parser *p, struct error *err)
{
    struct lake_alteration *a = &p->out->alteration;

    if (query_take(p, "CONSTRAINT")) {
        a->kind = LAKE_ADD_CONSTRAINT;
        IG_TRY(query_name(p, "the constraint's name", &a->name, err));
        IG_TRY(query_expect(p, "CHECK", err));
        IG_TRY(query_expect_symbol(p, '(', err));
        IG_TRY(query_piece(p, NULL, false, "a condition", &a->text, err));
        return query_expect_symbol(p, ')', err);
    }
    if (query_take(p, "FEATURE")) {
        a->kind = LAKE_ADD_FEATURE;
        return query_name(p, "a table feature", &a->name, err);
    }
    a->kind = LAKE_ADD_COLUMNS;
    if (!query_take(p, "COLUMNS") && !query_take(p, "COLUMN"))
        return query_refuse(p, err, "here comes COLUMN, COLUMNS, CONSTRAINT or FEATURE");
    return sql_is_symbol(&p->t, '(') ? read_column_list(p, err) : read_column(p, true, err);
}

static enum ig_code read_drop(struct query_parser *p, struct error *err)
{
    struct lake_alteration *a = &p->out->alteration;
    struct query_names names = {0};
    enum ig_code rc = IG_OK;

    if (query_take(p, "CONSTRAINT")) {
        a->kind = LAKE_DROP_CONSTRAINT;
        a->if_exists = query_take(p, "IF EXISTS");
        return query_name(p, "the constraint's name", &a->name, err);
    }
    if (query_take(p, "FEATURE")) {
        a->kind = LAKE_DROP_FEATURE;
        IG_TRY(query_name(p, "a table feature", &a->name, err));
        if (query_is(p, "TRUNCATE HISTORY"))
            return query_advise(p, err, "TRUNCATE HISTORY: only features that need none of it are dropped");
        return IG_OK;
    }
    a->kind = LAKE_DROP_COLUMNS;
    if (!query_take(p, "COLUMNS") && !query_take(p, "COLUMN"))
        return query_refuse(p, err, "here comes COLUMN, COLUMNS, CONSTRAINT or FEATURE");
    a->if_exists = query_take(p, "IF EXISTS");
    if (sql_is_symbol(&p->t, '(')) {
        rc = query_name_list(p, "a column", true, &names, err);
    } else {
        const char *name = NULL;

        rc = query_path(p, "a column", &name, err);
        vec_push(&names.list, name);
    }
    for (size_t i = 0; i < names.list.n; i++)
        vec_push(&p->out->definitions, ((struct lake_column){.name = names.list.p[i]}));
    vec_free(&names.list);
    return rc;
}

static enum ig_code read_cluster(struct query_parser *p, struct error *err)
{
    struct query_names names = {0};
    enum ig_code rc;

    p->out->alteration.kind = LAKE_CLUSTER_BY;
    if (query_take(p, "NONE"))
        return IG_OK;
    rc = query_name_list(p, "a column", true, &names, err);
    for (size_t i = 0; i < names.list.n; i++)
        vec_push(&p->out->definitions, ((struct lake_column){.name = names.list.p[i]}));
    vec_free(&names.list);
    return rc;
}

static enum ig_code read_alteration(struct query_parser *p, struct error *err)
{
    struct lake_alteration *a = &p->out->alteration;

    if (query_take(p, "SET TBLPROPERTIES")) {
        a->kind = LAKE_SET_PROPERTIES;
        return read_properties(p, true, err);
    }
    if (query_take(p, "UNSET TBLPROPERTIES")) {
        a->kind = LAKE_UNSET_PROPERTIES;
        a->if_exists = query_take(p, "IF EXISTS");
        return read_properties(p, false, err);
    }
    if (query_take(p, "RENAME COLUMN")) {
        a->kind = LAKE_RENAME_COLUMN;
        IG_TRY(query_path(p, "a column", &a->column, err));
        IG_TRY(query_expect(p, "TO", err));
        return query_name(p, "the new name", &a->name, err);
    }
    if (query_take(p, "ALTER COLUMN") || query_take(p, "CHANGE COLUMN"))
        return read_alter_column(p, err);
    if (query_take(p, "ADD"))
        return read_add(p, err);
    if (query_take(p, "DROP"))
        return read_drop(p, err);
    if (query_take(p, "CLUSTER BY"))
        return read_cluster(p, err);
    return query_refuse(p, err,
                        "here comes SET or UNSET TBLPROPERTIES, ADD, DROP, RENAME COLUMN, ALTER COLUMN or "
                        "CLUSTER BY");
}

enum ig_code query_read_alter(struct query_parser *p, struct error *err)
{
    struct query_change *c = p->out;

    c->kind = QUERY_ALTER;
    IG_TRY(query_expect(p, "TABLE", err));
    IG_TRY(query_target(p, err));
    IG_TRY(read_alteration(p, err));
    c->alteration.columns = c->definitions.p;
    c->alteration.n_columns = c->definitions.n;
    c->alteration.properties = c->properties.p;
    c->alteration.n_properties = c->properties.n;
    return query_end(p, err);
}
