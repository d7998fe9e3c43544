#include "lake/read/expr.h"

#include <strings.h>

/* --- parsing ----------------------------------------------------------------------------------------------- */

/* {"error":true,"error_message":"syntax error at or near ..."} */
static enum ig_code refuse_syntax(struct str answer, const char *sql, struct error *err)
{
    struct buf message;
    enum ig_code rc;

    buf_init(&message, 0);
    if (!json_member_string(answer, "error_message", &message))
        buf_puts(&message, "it can not be read");
    rc = error_set(err, IG_INVALID, "%s in: %s", buf_cstr(&message), sql);
    buf_release(&message);
    return rc;
}

static bool is_empty_object(struct str object, const char *name)
{
    struct json_value v;

    return !json_member(object, name, &v) || v.type == JSON_NULL;
}

/* The one expression of SELECT (...), which has nothing besides. */
static bool only_expression(struct str answer, struct str *out)
{
    struct json_value statements, v, node, list, from;
    struct json_reader r;
    bool ok = false;

    if (!json_member(answer, "statements", &statements) || statements.type != JSON_ARRAY)
        return false;
    json_reader_init(&r, statements.raw);
    if (!json_begin(&r, &v) || !json_next_item(&r) || !json_read(&r, &v) || json_next_item(&r))
        return false;
    if (!json_member(v.raw, "node", &node) || !json_member(node.raw, "select_list", &list) || list.type != JSON_ARRAY)
        return false;
    if (!is_empty_object(node.raw, "where_clause") || !is_empty_object(node.raw, "having") ||
        !is_empty_object(node.raw, "qualify") || !json_member(node.raw, "from_table", &from))
        return false;
    if (!json_member(from.raw, "type", &v) || !str_is(v.raw, "EMPTY"))
        return false;
    json_reader_init(&r, list.raw);
    if (json_begin(&r, &v) && json_next_item(&r) && json_read(&r, &v) && v.type == JSON_OBJECT) {
        *out = v.raw;
        ok = !json_next_item(&r);
    }
    return ok;
}

enum ig_code expr_parse(struct engine_conn *c, struct arena *a, const char *sql, struct expr *out, struct error *err)
{
    struct buf query, text, answer;
    struct json_value v;
    enum ig_code rc;

    buf_init(&query, 0);
    buf_init(&text, 0);
    buf_init(&answer, 0);
    /* The bracket is on a line of its own: a comment may be the end of the text. */
    buf_printf(&text, "SELECT (%s\n)", sql);
    buf_puts(&query, "SELECT json_serialize_sql(");
    engine_add_literal(&query, buf_str(&text));
    buf_puts(&query, ")::VARCHAR");
    rc = engine_query_str(c, buf_cstr(&query), &answer, err);
    if (!rc && json_member(buf_str(&answer), "error", &v) && v.type == JSON_TRUE) {
        rc = refuse_syntax(buf_str(&answer), sql, err);
    } else if (!rc) {
        struct str tree;

        if (only_expression(buf_str(&answer), &tree))
            out->tree = arena_str(a, tree);
        else
            rc = error_set(err, IG_INVALID, "that is not one expression: %s", sql);
    }
    buf_release(&answer);
    buf_release(&text);
    buf_release(&query);
    return rc;
}

/* --- taking apart ------------------------------------------------------------------------------------------ */

static bool has_text(struct str object, const char *member, const char *text)
{
    struct json_value v;

    return json_member(object, member, &v) && v.type == JSON_STRING && str_is(v.raw, text);
}

const struct expr *expr_conjuncts(struct arena *a, struct expr e, size_t *n)
{
    VEC(struct expr) list = {0};
    struct json_value children, v;
    struct json_reader r;
    struct expr *out;

    if (has_text(e.tree, "type", "CONJUNCTION_AND") && json_member(e.tree, "children", &children) &&
        children.type == JSON_ARRAY) {
        json_reader_init(&r, children.raw);
        json_begin(&r, &v);
        while (json_next_item(&r) && json_read(&r, &v)) {
            size_t n_inner;
            const struct expr *inner = expr_conjuncts(a, (struct expr){v.raw}, &n_inner);

            for (size_t i = 0; i < n_inner; i++)
                vec_push(&list, inner[i]);
        }
    } else {
        vec_push(&list, e);
    }
    out = ARENA_ARRAY(a, struct expr, list.n ? list.n : 1);
    if (list.n)
        memcpy(out, list.p, list.n * sizeof(*out));
    *n = list.n;
    vec_free(&list);
    return out;
}

bool expr_is_equality(struct expr e, struct expr *left, struct expr *right, bool *null_safe)
{
    struct json_value l, r;

    *null_safe = has_text(e.tree, "type", "COMPARE_NOT_DISTINCT_FROM");
    if (!*null_safe && !has_text(e.tree, "type", "COMPARE_EQUAL"))
        return false;
    if (!json_member(e.tree, "left", &l) || !json_member(e.tree, "right", &r))
        return false;
    left->tree = l.raw;
    right->tree = r.raw;
    return true;
}

static bool read_names(struct arena *a, struct str array, struct expr_name *out)
{
    struct json_value v;
    struct json_reader r;

    *out = (struct expr_name){.n = 0};
    json_reader_init(&r, array);
    if (!json_begin(&r, &v) || v.type != JSON_ARRAY)
        return false;
    while (json_next_item(&r) && json_read(&r, &v)) {
        struct buf text;

        buf_init(&text, 0);
        json_unescape(&v, &text);
        if (out->n < IG_COUNT(out->parts))
            out->parts[out->n] = arena_strdup(a, buf_cstr(&text));
        out->n++;
        buf_release(&text);
    }
    return out->n > 0;
}

bool expr_is_column(struct arena *a, struct expr e, struct expr_name *out)
{
    struct json_value v;

    return has_text(e.tree, "class", "COLUMN_REF") && json_member(e.tree, "column_names", &v) &&
           read_names(a, v.raw, out);
}

/* Goes through a value and all that is in it. */
static bool visit(struct arena *a, struct str text, expr_column_fn *each, void *ctx)
{
    static const char *const opaque[] = {"SUBQUERY", "PARAMETER", "STAR", "WINDOW", "LAMBDA_REF"};
    struct expr_name name;
    struct json_value v, key;
    struct json_reader r;
    bool ok = true;

    for (size_t i = 0; i < IG_COUNT(opaque); i++)
        if (has_text(text, "class", opaque[i]))
            return false;
    if (expr_is_column(a, (struct expr){text}, &name))
        each(ctx, &name);
    json_reader_init(&r, text);
    if (!json_begin(&r, &v))
        return true;
    if (v.type == JSON_OBJECT) {
        while (json_next_key(&r, &key) && json_read(&r, &v))
            if (v.type == JSON_OBJECT || v.type == JSON_ARRAY)
                ok = visit(a, v.raw, each, ctx) && ok;
    } else if (v.type == JSON_ARRAY) {
        while (json_next_item(&r) && json_read(&r, &v))
            if (v.type == JSON_OBJECT || v.type == JSON_ARRAY)
                ok = visit(a, v.raw, each, ctx) && ok;
    }
    return ok;
}

bool expr_columns(struct arena *a, struct expr e, expr_column_fn *each, void *ctx)
{
    return visit(a, e.tree, each, ctx);
}

/* --- back to SQL ------------------------------------------------------------------------------------------- */

/* ["alias", "a"] becomes ["a"]. */
static void add_names_without(struct str array, const char *alias, struct buf *out)
{
    struct expr_name names;
    struct json_value v;
    struct json_reader r;
    struct arena arena;
    bool first = true;
    size_t at = 0;

    arena_init(&arena);
    read_names(&arena, array, &names);
    json_reader_init(&r, array);
    json_begin(&r, &v);
    buf_putc(out, '[');
    while (json_next_item(&r) && json_read(&r, &v)) {
        if (at++ == 0 && names.n > 1 && names.parts[0] && strcasecmp(names.parts[0], alias) == 0)
            continue;
        buf_printf(out, "%s\"" STR_FMT "\"", first ? "" : ",", STR_ARG(v.raw));
        first = false;
    }
    buf_putc(out, ']');
    arena_release(&arena);
}

static void add_raw(const struct json_value *v, struct buf *out)
{
    if (v->type == JSON_STRING)
        buf_printf(out, "\"" STR_FMT "\"", STR_ARG(v->raw));
    else
        buf_add_str(out, v->raw);
}

/* Copies a tree with the alias taken off. */
static void add_tree(struct str tree, const char *alias, struct buf *out)
{
    struct json_value v, key;
    struct json_reader r;
    bool first = true;

    json_reader_init(&r, tree);
    if (!json_begin(&r, &v) || (v.type != JSON_OBJECT && v.type != JSON_ARRAY)) {
        add_raw(&v, out);
        return;
    }
    if (v.type == JSON_ARRAY) {
        buf_putc(out, '[');
        while (json_next_item(&r) && json_read(&r, &v)) {
            buf_puts(out, first ? "" : ",");
            if (v.type == JSON_OBJECT || v.type == JSON_ARRAY)
                add_tree(v.raw, alias, out);
            else
                add_raw(&v, out);
            first = false;
        }
        buf_putc(out, ']');
        return;
    }
    buf_putc(out, '{');
    while (json_next_key(&r, &key) && json_read(&r, &v)) {
        buf_printf(out, "%s\"" STR_FMT "\":", first ? "" : ",", STR_ARG(key.raw));
        if (v.type == JSON_ARRAY && str_is(key.raw, "column_names"))
            add_names_without(v.raw, alias, out);
        else if (v.type == JSON_OBJECT || v.type == JSON_ARRAY)
            add_tree(v.raw, alias, out);
        else
            add_raw(&v, out);
        first = false;
    }
    buf_putc(out, '}');
}

/* SELECT and an expression, as json_serialize_sql writes it. */
#define TREE_HEAD                                                                                        \
    "{\"error\":false,\"statements\":[{\"node\":{\"type\":\"SELECT_NODE\",\"modifiers\":[],\"cte_map\":" \
    "{\"map\":[]},\"select_list\":["
#define TREE_TAIL                                                                                                 \
    "],\"from_table\":{\"type\":\"EMPTY\",\"alias\":\"\",\"sample\":null,\"query_location\":0},\"where_clause\":" \
    "null,\"group_expressions\":[],\"group_sets\":[],\"aggregate_handling\":\"STANDARD_HANDLING\",\"having\":"    \
    "null,\"sample\":null,\"qualify\":null},\"named_param_map\":[]}]}"

enum ig_code expr_add_sql(struct engine_conn *c, struct expr e, const char *alias, struct buf *out, struct error *err)
{
    struct buf statement, query, text;
    enum ig_code rc;

    buf_init(&statement, 0);
    buf_init(&query, 0);
    buf_init(&text, 0);
    buf_puts(&statement, TREE_HEAD);
    if (alias)
        add_tree(e.tree, alias, &statement);
    else
        buf_add_str(&statement, e.tree);
    buf_puts(&statement, TREE_TAIL);
    buf_puts(&query, "SELECT json_deserialize_sql(");
    engine_add_literal(&query, buf_str(&statement));
    buf_puts(&query, "::JSON)");
    rc = engine_query_str(c, buf_cstr(&query), &text, err);
    if (!rc && !str_has_prefix(buf_str(&text), "SELECT "))
        rc = error_set(err, IG_INVALID, "an expression came back as: %s", buf_cstr(&text));
    if (!rc)
        buf_printf(out, "(%s)", buf_cstr(&text) + strlen("SELECT "));
    buf_release(&text);
    buf_release(&query);
    buf_release(&statement);
    return rc;
}
