/*
 * From clauses to SQL: which columns an expression names, what type it has, and how it is stored in a column.
 */
#include "lake/change/dml.h"
#include "lake/write/expression.h"
#include "lake/write/rules.h"

#include <string.h>
#include <strings.h>

enum ig_code dml_add_shape(const struct dml *d, bool target, bool source, struct buf *sql, struct error *err)
{
    if (target) {
        IG_TRY(lake_add_scan_of(d->s, NULL, 0, NULL, sql, err));
        buf_puts(sql, " AS ");
        engine_add_name(sql, str_of(d->target));
    }
    if (source) {
        buf_printf(sql, "%stemp.%s AS ", target ? ", " : "", d->source_table);
        engine_add_name(sql, str_of(d->source));
    }
    if (!target && !source)
        buf_puts(sql, "(SELECT 1)");
    return IG_OK;
}

static bool sees_target(enum lake_merge_when when)
{
    return when != LAKE_NOT_MATCHED;
}

static bool sees_source(const struct dml *d, enum lake_merge_when when)
{
    return d->have && when != LAKE_NOT_MATCHED_BY_SOURCE;
}

/* The type that an expression has, NULL for a bare NULL. */
static enum ig_code type_of(struct dml *d, enum lake_merge_when when, const char *value, const struct schema_type **out,
                            struct error *err)
{
    const struct schema_type *types = NULL;
    struct buf sql;
    enum ig_code rc;

    buf_init(&sql, 0);
    buf_printf(&sql, "SELECT (%s\n) AS value FROM ", value);
    rc = dml_add_shape(d, sees_target(when), sees_source(d, when), &sql, err);
    if (!rc)
        rc = schema_of_query(&d->arena, d->t->conn, buf_cstr(&sql), &types, err);
    if (!rc) {
        schema_find_nulls(&d->arena, d->t->conn, buf_cstr(&sql), types, NULL);
        *out = types->fields[0].type;
    } else if (err) { /* without the engine's picture of our own query */
        char *picture = strstr(err->msg, "\n\nLINE ");

        if (picture)
            *picture = '\0';
        rc = error_set(err, rc, "%s", arena_printf(&d->arena, "%s\nin: %s", err->msg, value));
    }
    buf_release(&sql);
    return rc;
}

/* --- stored values ----------------------------------------------------------------------------------------- */

bool dml_can_assign(const struct schema_type *to, const struct schema_type *from)
{
    if (from->untyped)
        return true;
    if (to->kind == SCHEMA_STRUCT || to->kind == SCHEMA_ARRAY || to->kind == SCHEMA_MAP ||
        from->kind == SCHEMA_STRUCT || from->kind == SCHEMA_ARRAY || from->kind == SCHEMA_MAP)
        return to->kind == from->kind;
    if ((from->kind == SCHEMA_BOOLEAN) != (to->kind == SCHEMA_BOOLEAN))
        return to->kind == SCHEMA_STRING || from->kind == SCHEMA_STRING;
    return true;
}

enum ig_code dml_refuse_type(const struct schema_field *f, const struct schema_type *from, struct error *err)
{
    struct buf is, to;

    buf_init(&is, 0);
    buf_init(&to, 0);
    schema_add_sql(&is, from);
    schema_add_sql(&to, f->type);
    error_set(err, IG_INVALID, "column %s is %s in the table, %s can not be stored in it", f->name, buf_cstr(&to),
              buf_cstr(&is));
    buf_release(&to);
    buf_release(&is);
    return IG_INVALID;
}

/* --- assignments ------------------------------------------------------------------------------------------- */

struct set {
    const char *path[16]; /* without quotes */
    size_t n;
    const char *value;
};

/* a.b, "a b".c, `a`.b */
static enum ig_code read_path(struct dml *d, const char *text, struct set *out, struct error *err)
{
    const char *p = text;

    for (;;) {
        struct buf part;
        const char quote = *p == '"' || *p == '`' ? *p++ : '\0';

        buf_init(&part, 0);
        while (*p && (quote ? *p != quote || p[1] == quote : *p != '.')) {
            buf_putc(&part, *p);
            p += quote && *p == quote ? 2 : 1;
        }
        if (out->n < IG_COUNT(out->path))
            out->path[out->n] = arena_strdup(&d->arena, buf_cstr(&part));
        buf_release(&part);
        if (quote && *p++ != quote)
            return error_set(err, IG_INVALID, "a quote is open in the column %s", text);
        if (++out->n > IG_COUNT(out->path) || !*out->path[out->n - 1])
            return error_set(err, IG_INVALID, "%s is no column", text);
        if (!*p)
            return IG_OK;
        if (*p++ != '.')
            return error_set(err, IG_INVALID, "%s is no column", text);
    }
}

struct assignment {
    struct dml *d;
    enum lake_merge_when when;
    struct set *sets;
    size_t n;
};

/* The value of a column (or of a member at `depth`), of which some sets speak; `old` is it as it is. */
static enum ig_code add_value(const struct assignment *a, const struct schema_field *f, const bool *chosen,
                              size_t depth, const char *old, struct buf *sql, struct error *err)
{
    const struct set *whole = NULL;
    size_t n = 0;

    for (size_t i = 0; i < a->n; i++) {
        n += chosen[i];
        if (chosen[i] && a->sets[i].n == depth + 1)
            whole = &a->sets[i];
    }
    if (whole && n > 1)
        return error_set(err, IG_INVALID, "column %s is assigned more than once", f->name);
    if (whole && a->when != LAKE_NOT_MATCHED && depth == 0 && lake_is_identity(f))
        return error_set(err, IG_UNSUPPORTED, "identityColumns: the identity column %s can not be updated", f->name);
    if (whole && depth == 0 && strcasecmp(whole->value, "default") == 0)
        return lake_add_absent_value(a->d->t->conn, f, sql, err);
    if (whole) {
        const struct schema_type *from = NULL;

        IG_TRY(type_of(a->d, a->when, whole->value, &from, err));
        if (!dml_can_assign(f->type, from))
            return dml_refuse_type(f, from, err);
        lake_add_stored_value(sql, f->type, from, whole->value);
        return IG_OK;
    }
    if (n == 0) {
        buf_puts(sql, old);
        return IG_OK;
    }
    if (f->type->kind != SCHEMA_STRUCT)
        return error_set(err, IG_INVALID, "column %s has no members to assign to", f->name);
    buf_puts(sql, "struct_pack(");
    for (size_t k = 0; k < f->type->n_fields; k++) {
        const struct schema_field *member = &f->type->fields[k];
        bool *inner = ARENA_ARRAY(&a->d->arena, bool, a->n);
        struct buf path;
        enum ig_code rc;

        for (size_t i = 0; i < a->n; i++)
            inner[i] = chosen[i] && strcasecmp(a->sets[i].path[depth + 1], member->name) == 0;
        buf_init(&path, 0);
        buf_printf(&path, "(%s).", old);
        engine_add_name(&path, str_of(member->name));
        buf_puts(sql, k ? ", " : "");
        engine_add_name(sql, str_of(member->name));
        buf_puts(sql, " := ");
        rc = add_value(a, member, inner, depth + 1, buf_cstr(&path), sql, err);
        buf_release(&path);
        if (rc)
            return rc;
    }
    buf_putc(sql, ')');
    return IG_OK;
}

/* Does every assignment speak of a column that is there? */
static enum ig_code check_paths(const struct assignment *a, struct error *err)
{
    for (size_t i = 0; i < a->n; i++) {
        const struct schema_type *type = a->d->to->metadata.schema;

        for (size_t k = 0; k < a->sets[i].n; k++) {
            const struct schema_field *f =
                type->kind == SCHEMA_STRUCT ? schema_find(type, str_of(a->sets[i].path[k])) : NULL;

            if (!f)
                return error_set(err, IG_INVALID, "the table has no column %s%s%s", k ? a->sets[i].path[0] : "",
                                 k ? "." : "", a->sets[i].path[k]);
            type = f->type;
        }
    }
    return IG_OK;
}

static const char *qualified(struct dml *d, const char *alias, const char *column)
{
    struct buf sql;
    const char *out;

    buf_init(&sql, 0);
    engine_add_name(&sql, str_of(alias));
    buf_putc(&sql, '.');
    engine_add_name(&sql, str_of(column));
    out = arena_strdup(&d->arena, buf_cstr(&sql));
    buf_release(&sql);
    return out;
}

struct name_use {
    const struct dml *d;
    enum lake_merge_when when;
    bool target;
};

static void see_name(void *ctx, const struct expr_name *name)
{
    struct name_use *use = ctx;

    if (name->n > 1 && strcasecmp(name->parts[0], use->d->target) == 0)
        use->target = true;
    else if (name->n > 1 && use->d->have && strcasecmp(name->parts[0], use->d->source) == 0)
        return;
    else if (schema_find(use->d->s->metadata.schema, str_of(name->parts[0])))
        use->target = true;
}

/* Does the value look at the table's row? */
static enum ig_code looks_at_row(struct dml *d, const char *value, bool *out, struct error *err)
{
    struct name_use use = {.d = d};
    struct expr e;

    IG_TRY(expr_parse(d->t->conn, &d->arena, value, &e, err));
    *out = !expr_columns(&d->arena, e, see_name, &use) || use.target;
    return IG_OK;
}

/* SET column = DEFAULT */
static bool says_default(const char *value)
{
    return strcasecmp(value, "default") == 0;
}

static bool is_default(const struct assignment *a, const bool *chosen)
{
    for (size_t i = 0; i < a->n; i++)
        if (chosen[i] && a->sets[i].n == 1 && says_default(a->sets[i].value))
            return true;
    return false;
}

static enum ig_code plan_sets(struct dml *d, const struct lake_merge_clause *clause, struct dml_clause *out,
                              struct error *err)
{
    const struct schema_type *schema = d->to->metadata.schema;
    struct assignment a = {.d = d, .when = clause->when, .n = clause->n_sets};
    bool *chosen = ARENA_ARRAY(&d->arena, bool, clause->n_sets + 1);
    enum ig_code rc = IG_OK;

    a.sets = ARENA_ARRAY(&d->arena, struct set, clause->n_sets + 1);
    for (size_t i = 0; i < clause->n_sets; i++) {
        bool looks = false;

        a.sets[i].value = clause->sets[i].value;
        IG_TRY(read_path(d, clause->sets[i].column, &a.sets[i], err));
        if (sees_target(clause->when) && !says_default(a.sets[i].value))
            IG_TRY(looks_at_row(d, a.sets[i].value, &looks, err));
        out->needs_row = out->needs_row || looks || a.sets[i].n > 1;
    }
    IG_TRY(check_paths(&a, err));
    for (size_t k = 0; k < schema->n_fields && !rc; k++) {
        const struct schema_field *f = &schema->fields[k];
        const bool insert = clause->action == LAKE_INSERT;
        struct buf sql;
        bool any = false;

        for (size_t i = 0; i < a.n; i++) {
            chosen[i] = schema_find(schema, str_of(a.sets[i].path[0])) == f;
            any = any || chosen[i];
        }
        if (insert && any && a.n && is_default(&a, chosen))
            continue; /* as if it was not named */
        if (!any) {
            out->needs_row = out->needs_row || !insert;
            continue;
        }
        buf_init(&sql, 0);
        rc = add_value(&a, f, chosen, 0, insert ? "NULL" : qualified(d, d->target, f->name), &sql, err);
        out->values[k] = arena_strdup(&d->arena, buf_cstr(&sql));
        buf_release(&sql);
    }
    return rc;
}

/* UPDATE SET * and INSERT *: each column from the source's of the same name. `lenient`: what it lacks is left alone. */
static enum ig_code plan_all(struct dml *d, const struct lake_merge_clause *clause, bool lenient,
                             struct dml_clause *out, struct error *err)
{
    const struct schema_type *schema = d->to->metadata.schema;

    for (size_t k = 0; k < schema->n_fields; k++) {
        const struct schema_field *f = &schema->fields[k];
        const struct schema_field *from = schema_find(d->have, str_of(f->name));
        struct buf sql;

        if (!from && !lenient && !lake_is_generated(f) &&
            !(clause->action == LAKE_INSERT_ALL &&
              (lake_is_identity(f) || (f->metadata && strstr(f->metadata, "\"CURRENT_DEFAULT\"")))))
            return error_set(err, IG_INVALID, "the source has no column %s, which %s takes from it", f->name,
                             clause->action == LAKE_INSERT_ALL ? "INSERT *" : "UPDATE SET *");
        if (!from) {
            out->needs_row = out->needs_row || clause->action == LAKE_UPDATE_ALL;
            continue;
        }
        if (!dml_can_assign(f->type, from->type))
            return dml_refuse_type(f, from->type, err);
        buf_init(&sql, 0);
        lake_add_stored_value(&sql, f->type, from->type, qualified(d, d->source, from->name));
        out->values[k] = arena_strdup(&d->arena, buf_cstr(&sql));
        buf_release(&sql);
    }
    return IG_OK;
}

/* A row moves if a partition column is assigned anything but what a key says it has already. */
static bool may_move(const struct dml *d, const struct dml_clause *c)
{
    const struct schema_type *schema = d->to->metadata.schema;

    for (size_t k = 0; k < schema->n_fields; k++) {
        const struct schema_field *f = &schema->fields[k];
        bool kept = !c->values[k] && !lake_is_generated(f);

        if (!dml_is_partition_column(d->to, f))
            continue;
        for (size_t i = 0; i < d->keys.n && !kept; i++)
            kept = c->all && strcasecmp(d->keys.p[i].field->name, f->name) == 0 && d->keys.p[i].column &&
                   strcasecmp(d->keys.p[i].column, f->name) == 0;
        if (!kept)
            return true;
    }
    return false;
}

static enum ig_code check_condition(struct dml *d, enum lake_merge_when when, const char *condition, struct error *err)
{
    const struct schema_type *type = NULL;
    struct expr e;

    IG_TRY(expr_parse(d->t->conn, &d->arena, condition, &e, err));
    IG_TRY(type_of(d, when, condition, &type, err));
    if (type->kind != SCHEMA_BOOLEAN && !type->untyped)
        return error_set(err, IG_INVALID, "that is no condition, it is neither true nor false: %s", condition);
    return IG_OK;
}

static const char *clause_name(const struct lake_merge_clause *c)
{
    return c->when == LAKE_MATCHED       ? "WHEN MATCHED"
           : c->when == LAKE_NOT_MATCHED ? "WHEN NOT MATCHED"
                                         : "WHEN NOT MATCHED BY SOURCE";
}

enum ig_code dml_plan_clause(struct dml *d, const struct lake_merge_clause *clause, bool lenient,
                             struct dml_clause *out, struct error *err)
{
    const bool insert = clause->action == LAKE_INSERT || clause->action == LAKE_INSERT_ALL;
    enum ig_code rc = IG_OK;

    *out = (struct dml_clause){.when = clause->when, .said = clause->condition};
    out->all = clause->action == LAKE_UPDATE_ALL || clause->action == LAKE_INSERT_ALL;
    out->action = clause->action == LAKE_UPDATE_ALL   ? LAKE_UPDATE
                  : clause->action == LAKE_INSERT_ALL ? LAKE_INSERT
                                                      : clause->action;
    out->values = ARENA_ARRAY(&d->arena, const char *, d->to->metadata.schema->n_fields + 1);
    if (insert != (clause->when == LAKE_NOT_MATCHED))
        return error_set(err, IG_INVALID, "%s can not be followed by %s", clause_name(clause),
                         insert ? "INSERT" : "UPDATE or DELETE");
    if (clause->action == LAKE_UPDATE_ALL && clause->when == LAKE_NOT_MATCHED_BY_SOURCE)
        return error_set(err, IG_INVALID, "UPDATE SET * has no source row WHEN NOT MATCHED BY SOURCE");
    if (clause->condition) {
        rc = check_condition(d, clause->when, clause->condition, err);
        out->condition = arena_printf(&d->arena, "(%s\n)", clause->condition);
    }
    if (!rc && out->all)
        rc = plan_all(d, clause, lenient, out, err);
    else if (!rc && clause->action != LAKE_DELETE)
        rc = plan_sets(d, clause, out, err);
    if (!rc && out->action == LAKE_UPDATE)
        out->may_move = may_move(d, out);
    return rc && d->have ? error_context(err, rc, "%s", clause_name(clause)) : rc;
}

/* --- conditions -------------------------------------------------------------------------------------------- */

enum side { SIDE_NONE = 0, SIDE_TARGET = 1, SIDE_SOURCE = 2, SIDE_UNKNOWN = 4 };

struct sides {
    const struct dml *d;
    unsigned seen;
    bool partitions_only;
};

static const struct schema_field *target_field(const struct dml *d, const struct expr_name *name)
{
    if (name->n > 1 && strcasecmp(name->parts[0], d->target) == 0)
        return schema_find(d->s->metadata.schema, str_of(name->parts[1]));
    if (name->n > 1 && d->have && strcasecmp(name->parts[0], d->source) == 0)
        return NULL;
    return schema_find(d->s->metadata.schema, str_of(name->parts[0]));
}

static void see_side(void *ctx, const struct expr_name *name)
{
    struct sides *sides = ctx;
    const struct dml *d = sides->d;
    const struct schema_field *f = target_field(d, name);

    if (f && name->n == 1 && d->have && schema_find(d->have, str_of(name->parts[0])))
        sides->seen |= SIDE_UNKNOWN;
    else if (f)
        sides->seen |= SIDE_TARGET;
    else
        sides->seen |= SIDE_SOURCE;
    sides->partitions_only = sides->partitions_only && f && dml_is_partition_column(d->s, f);
}

static unsigned sides_of(struct dml *d, struct expr e, bool *partitions_only)
{
    struct sides sides = {.d = d, .partitions_only = true};

    if (!expr_columns(&d->arena, e, see_side, &sides))
        sides.seen |= SIDE_UNKNOWN;
    if (partitions_only)
        *partitions_only = sides.partitions_only && sides.seen == SIDE_TARGET;
    return sides.seen;
}

/* target column = expression of the source, either way round. */
static enum ig_code add_key(struct dml *d, struct expr left, struct expr right, bool null_safe, bool *is_key,
                            struct error *err)
{
    struct dml_key key = {.null_safe = null_safe};
    struct expr_name name, from;
    struct buf sql;
    enum ig_code rc;

    *is_key = false;
    if (!expr_is_column(&d->arena, left, &name) || sides_of(d, left, NULL) != SIDE_TARGET ||
        sides_of(d, right, NULL) != SIDE_SOURCE)
        return IG_OK;
    if (name.n != (strcasecmp(name.parts[0], d->target) == 0 && name.n > 1 ? 2U : 1U))
        return IG_OK; /* a member of a struct */
    key.field = target_field(d, &name);
    if (expr_is_column(&d->arena, right, &from))
        key.column = from.n == 2 && strcasecmp(from.parts[0], d->source) == 0 ? from.parts[1]
                     : from.n == 1                                            ? from.parts[0]
                                                                              : NULL;
    buf_init(&sql, 0);
    rc = expr_add_sql(d->t->conn, right, NULL, &sql, err);
    key.value = arena_strdup(&d->arena, buf_cstr(&sql));
    buf_release(&sql);
    vec_push(&d->keys, key);
    *is_key = true;
    return rc;
}

enum ig_code dml_plan_condition(struct dml *d, const char *on, struct error *err)
{
    const struct expr *parts;
    struct buf where;
    struct expr e;
    size_t n;
    enum ig_code rc = check_condition(d, LAKE_MATCHED, on, err);

    if (!rc)
        rc = expr_parse(d->t->conn, &d->arena, on, &e, err);
    if (rc)
        return error_context(err, rc, "ON");
    d->on = arena_printf(&d->arena, "(%s\n)", on);
    parts = expr_conjuncts(&d->arena, e, &n);
    buf_init(&where, 0);
    for (size_t i = 0; i < n && !rc; i++) {
        struct expr left, right;
        bool null_safe, is_key = false;

        if (expr_is_equality(parts[i], &left, &right, &null_safe)) {
            rc = add_key(d, left, right, null_safe, &is_key, err);
            if (!rc && !is_key)
                rc = add_key(d, right, left, null_safe, &is_key, err);
        }
        if (rc || is_key || sides_of(d, parts[i], NULL) != SIDE_TARGET)
            continue;
        buf_puts(&where, where.n ? " AND " : "");
        rc = expr_add_sql(d->t->conn, parts[i], d->target, &where, err);
    }
    if (where.n)
        d->where = arena_strdup(&d->arena, buf_cstr(&where));
    buf_release(&where);
    return rc;
}

enum ig_code dml_check_where(struct dml *d, const char *where, bool *partitions_only, struct error *err)
{
    struct buf sql;
    struct expr e;
    enum ig_code rc;

    IG_TRY(check_condition(d, LAKE_NOT_MATCHED_BY_SOURCE, where, err));
    IG_TRY(expr_parse(d->t->conn, &d->arena, where, &e, err));
    if (sides_of(d, e, partitions_only) != SIDE_TARGET)
        return IG_OK;
    buf_init(&sql, 0);
    rc = expr_add_sql(d->t->conn, e, d->target, &sql, err);
    d->where = arena_strdup(&d->arena, buf_cstr(&sql));
    buf_release(&sql);
    return rc;
}
