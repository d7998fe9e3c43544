/*
 * DuckDB parses the statement and gives its tree as JSON (json_serialize_sql, of SELECT only). In the tree we look for
 * the SELECT whose FROM is the table, alone or joined by inner joins, and take those parts of its WHERE that name only
 * columns without a table or with this one's name. They are made text again by DuckDB (json_deserialize_sql).
 */
#include "cli/query_where.h"

#include <strings.h>

struct search {
    const char *view; /* the table's name in the statement */
    struct str where; /* of its SELECT; none: not found */
    struct buf alias;
    bool joined;
};

static bool member_is(struct str object, const char *name, const char *text)
{
    struct json_value v;

    return json_member(object, name, &v) && v.type == JSON_STRING && str_is(v.raw, text);
}

/* Is this FROM item the table? Sets its alias. */
static bool is_table(struct search *s, struct str from)
{
    struct json_value v;

    if (!member_is(from, "type", "BASE_TABLE") || !member_is(from, "table_name", s->view))
        return false;
    if (json_member(from, "sample", &v) && v.type != JSON_NULL)
        return false;
    if (json_member(from, "column_name_alias", &v) && !str_is(v.raw, "[]")) /* t(a, b): its columns have other names */
        return false;
    buf_clear(&s->alias);
    if (!json_member_string(from, "alias", &s->alias) || s->alias.n == 0)
        buf_puts(&s->alias, s->view);
    return true;
}

/* Is it in this FROM, where a row of it that the WHERE does not take has no effect? */
static bool is_from(struct search *s, struct str from, int depth)
{
    struct json_value left, right;

    if (is_table(s, from))
        return true;
    if (depth > 50 || !member_is(from, "type", "JOIN") || !member_is(from, "join_type", "INNER") ||
        (!member_is(from, "ref_type", "REGULAR") && !member_is(from, "ref_type", "CROSS")) ||
        !json_member(from, "left", &left) || !json_member(from, "right", &right))
        return false;
    s->joined = true;
    return is_from(s, left.raw, depth + 1) || is_from(s, right.raw, depth + 1);
}

static bool find_select(struct search *s, const struct json_value *v);

static bool find_in_members(struct search *s, struct str text, bool object)
{
    struct json_reader r;
    struct json_value key, v;

    json_reader_init(&r, text);
    (void)!json_begin(&r, &v);
    while (object ? json_next_key(&r, &key) : json_next_item(&r))
        if (json_read(&r, &v) && find_select(s, &v))
            return true;
    return false;
}

/* True once the table is found, whether there is a WHERE or not: its name occurs once. */
static bool find_select(struct search *s, const struct json_value *v)
{
    struct json_value from, where;

    if (v->type == JSON_ARRAY)
        return find_in_members(s, v->raw, false);
    if (v->type != JSON_OBJECT)
        return false;
    s->joined = false;
    if (member_is(v->raw, "type", "SELECT_NODE") && json_member(v->raw, "from_table", &from) &&
        from.type == JSON_OBJECT && is_from(s, from.raw, 0)) {
        if (json_member(v->raw, "where_clause", &where) && where.type == JSON_OBJECT)
            s->where = where.raw;
        return true;
    }
    return find_in_members(s, v->raw, true);
}

/* --- parts of the WHERE ------------------------------------------------------------------------------------ */

/* A column's name is the table's if nothing else is before it; in a join, only if the table's name is. */
static bool is_own_column(const struct search *s, struct str names)
{
    struct json_value first = {0}, v;
    struct json_reader r;
    struct buf name;
    size_t n = 0;
    bool own;

    json_reader_init(&r, names);
    (void)!json_begin(&r, &v);
    while (json_next_item(&r) && json_read(&r, &v)) {
        if (n == 0)
            first = v;
        n++;
    }
    if (n < 2)
        return n == 1 && !s->joined;
    buf_init(&name, 0);
    json_unescape(&first, &name);
    own = strcasecmp(buf_cstr(&name), buf_cstr(&s->alias)) == 0;
    buf_release(&name);
    return own;
}

static bool names_only_own(const struct search *s, const struct json_value *v, int depth)
{
    struct json_reader r;
    struct json_value key, inner;
    const bool object = v->type == JSON_OBJECT;

    if (v->type != JSON_ARRAY && !object)
        return true;
    if (depth > 100 || (object && member_is(v->raw, "class", "SUBQUERY")))
        return false;
    if (object && member_is(v->raw, "class", "COLUMN_REF"))
        return json_member(v->raw, "column_names", &inner) && is_own_column(s, inner.raw);
    json_reader_init(&r, v->raw);
    (void)!json_begin(&r, &inner);
    while (object ? json_next_key(&r, &key) : json_next_item(&r))
        if (!json_read(&r, &inner) || !names_only_own(s, &inner, depth + 1))
            return false;
    return true;
}

/* One part as text: put into the tree of a query whose text is known. */
static void add_part(struct engine_conn *c, struct str part, struct buf *out)
{
    static const char template[] = "SELECT json_serialize_sql('SELECT 1 WHERE 2')";
    struct json_value statements, item, node, where;
    struct buf tree, sql, text;
    struct json_reader r;
    const char *at;

    buf_init(&tree, 0);
    buf_init(&sql, 0);
    buf_init(&text, 0);
    if (engine_query_str(c, template, &tree, NULL) || !json_member(buf_str(&tree), "statements", &statements))
        goto out;
    json_reader_init(&r, statements.raw);
    if (!json_begin(&r, &item) || !json_next_item(&r) || !json_read(&r, &item) ||
        !json_member(item.raw, "node", &node) || !json_member(node.raw, "where_clause", &where))
        goto out;
    buf_add(&text, tree.p, (size_t)(where.raw.p - tree.p));
    buf_add_str(&text, part);
    buf_puts(&text, where.raw.p + where.raw.n);
    buf_puts(&sql, "SELECT json_deserialize_sql(");
    engine_add_literal(&sql, buf_str(&text));
    buf_puts(&sql, ")");
    buf_clear(&text);
    if (engine_query_str(c, buf_cstr(&sql), &text, NULL))
        goto out;
    at = strstr(buf_cstr(&text), " WHERE ");
    if (at)
        buf_printf(out, "%s(%s)", out->n ? " AND " : "", at + strlen(" WHERE "));
out:
    buf_release(&text);
    buf_release(&sql);
    buf_release(&tree);
}

static void add_conjuncts(struct engine_conn *c, const struct search *s, struct str where, int depth, struct buf *out)
{
    const struct json_value whole = {.type = JSON_OBJECT, .raw = where};
    struct json_value children, v;
    struct json_reader r;

    if (depth < 50 && member_is(where, "type", "CONJUNCTION_AND") && json_member(where, "children", &children)) {
        json_reader_init(&r, children.raw);
        (void)!json_begin(&r, &v);
        while (json_next_item(&r) && json_read(&r, &v))
            add_conjuncts(c, s, v.raw, depth + 1, out);
    } else if (names_only_own(s, &whole, 0)) {
        add_part(c, where, out);
    }
}

void query_add_where(struct engine_conn *c, const struct query_text *text, size_t i, struct buf *out)
{
    const struct query_delta *d = &text->deltas.p[i];
    struct buf statement, sql, tree;
    struct search s = {0};
    struct json_value v;
    char view[16];

    query_delta_view(i, view);
    s.view = view;
    buf_init(&s.alias, 0);
    buf_init(&statement, 0);
    buf_init(&sql, 0);
    buf_init(&tree, 0);
    for (size_t k = 0; k < text->statements.n && !statement.n; k++)
        if (text->statements.p[k].from <= d->from && d->to <= text->statements.p[k].to)
            query_text_add_statement(text, k, &statement);
    buf_puts(&sql, "SELECT json_serialize_sql(");
    engine_add_literal(&sql, buf_str(&statement));
    buf_puts(&sql, ")");
    if (statement.n && !engine_query_str(c, buf_cstr(&sql), &tree, NULL)) {
        v = (struct json_value){.type = JSON_OBJECT, .raw = buf_str(&tree)};
        if (find_select(&s, &v) && s.where.n)
            add_conjuncts(c, &s, s.where, 0, out);
    }
    buf_release(&tree);
    buf_release(&sql);
    buf_release(&statement);
    buf_release(&s.alias);
}
