#include "lake/write/rules.h"

#include "lake/table/schema_text.h"
#include "lake/write/expression.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define CONSTRAINT_PREFIX "delta.constraints."
#define MARK "_ingot_rule "
#define EXAMPLE_BYTES 400

/* --- what the metadata say --------------------------------------------------------------------------------- */

const char *lake_constraint_name(const struct lake_property *p)
{
    return str_has_prefix(str_of(p->key), CONSTRAINT_PREFIX) ? p->key + strlen(CONSTRAINT_PREFIX) : NULL;
}

static bool has_metadata(const struct schema_field *f, const char *key)
{
    struct json_value v;

    return json_member(str_of(f->metadata), key, &v);
}

bool lake_is_generated(const struct schema_field *f)
{
    return has_metadata(f, "delta.generationExpression");
}

bool lake_is_identity(const struct schema_field *f)
{
    return has_metadata(f, "delta.identity.start");
}

static const char *take(struct arena *a, struct buf *text)
{
    const char *out = arena_strndup(a, buf_cstr(text), text->n);

    buf_release(text);
    return out;
}

static void add_rule(struct lake_rules *r, const char *sql, const char *what)
{
    const struct lake_rule rule = {sql, what};

    vec_push(&r->list, rule);
}

/* --- nulls and lengths ------------------------------------------------------------------------------------- */

/* A value's SQL, and below what it is nested: lambda variables need names of their own. */
struct place {
    const char *sql;
    int depth;
};

typedef bool bad_fn(struct buf *out, const struct place *at, const struct schema_type *type,
                    const struct schema_type *limits);

/* Appends " OR "-joined conditions that hold for a value with something wrong inside; false if nothing can be. */
static bool add_bad_within(struct buf *out, const struct place *at, const struct schema_type *type,
                           const struct schema_type *limits, bad_fn *bad);

static bool add_bad_items(struct buf *out, const struct place *at, const char *list, const struct schema_type *item,
                          const struct schema_type *limits, bool may_be_null, bad_fn *bad)
{
    struct buf inner;
    char name[24];
    const struct place within = {name, at->depth + 1};
    bool any;

    snprintf(name, sizeof(name), "_ingot_x%d", at->depth);
    buf_init(&inner, 0);
    if (!may_be_null)
        buf_printf(&inner, "%s IS NULL", name);
    any = !may_be_null;
    {
        struct buf deeper;

        buf_init(&deeper, 0);
        if (bad(&deeper, &within, item, limits)) {
            buf_printf(&inner, "%s%s", any ? " OR " : "", buf_cstr(&deeper));
            any = true;
        }
        buf_release(&deeper);
    }
    if (any)
        buf_printf(out, "coalesce(len(list_filter(%s, lambda %s: coalesce(%s, false))), 0) > 0", list, name,
                   buf_cstr(&inner));
    buf_release(&inner);
    return any;
}

static bool add_bad_collection(struct buf *out, const struct place *at, const struct schema_type *type,
                               const struct schema_type *limits, bool check_nulls, bad_fn *bad)
{
    const bool nullable = type->element_nullable || !check_nulls;
    bool any = false;
    struct buf list;

    buf_init(&list, 0);
    if (type->kind == SCHEMA_ARRAY) {
        any = add_bad_items(out, at, at->sql, type->element, limits ? limits->element : NULL, nullable, bad);
    } else {
        const size_t start = out->n;

        buf_printf(&list, "map_keys(%s)", at->sql);
        any = add_bad_items(out, at, buf_cstr(&list), type->key, limits ? limits->key : NULL, true, bad);
        buf_clear(&list);
        buf_printf(&list, "map_values(%s)", at->sql);
        if (any)
            buf_puts(out, " OR ");
        {
            const size_t before = out->n;
            const bool more =
                add_bad_items(out, at, buf_cstr(&list), type->element, limits ? limits->element : NULL, nullable, bad);

            if (!more && any) {
                out->n = before - strlen(" OR ");
                out->p[out->n] = '\0';
            }
            any = any || more;
        }
        IG_ASSERT(out->n >= start);
    }
    buf_release(&list);
    return any;
}

static bool bad_null(struct buf *out, const struct place *at, const struct schema_type *type,
                     const struct schema_type *limits)
{
    (void)limits;
    return add_bad_within(out, at, type, NULL, bad_null);
}

static bool bad_length(struct buf *out, const struct place *at, const struct schema_type *type,
                       const struct schema_type *limits)
{
    if (limits && limits->kind == SCHEMA_STRING && limits->limit) {
        buf_printf(out, "length(rtrim(%s, ' ')) > %d", at->sql, limits->limit);
        return true;
    }
    return limits && add_bad_within(out, at, type, limits, bad_length);
}

static bool add_bad_within(struct buf *out, const struct place *at, const struct schema_type *type,
                           const struct schema_type *limits, bad_fn *bad)
{
    bool any = false;

    if (type->kind == SCHEMA_ARRAY || type->kind == SCHEMA_MAP)
        return add_bad_collection(out, at, type, limits, bad == bad_null, bad);
    for (size_t i = 0; i < type->n_fields; i++) {
        const struct schema_field *f = &type->fields[i];
        const struct schema_field *limit = limits ? schema_find(limits, str_of(f->name)) : NULL;
        struct buf sql, inner;
        struct place member;

        buf_init(&sql, 0);
        buf_init(&inner, 0);
        buf_printf(&sql, "struct_extract(%s, ", at->sql);
        engine_add_literal(&sql, str_of(f->name));
        buf_putc(&sql, ')');
        member = (struct place){buf_cstr(&sql), at->depth};
        if (bad == bad_null && !f->nullable)
            buf_printf(&inner, "%s IS NULL", member.sql);
        {
            const size_t before = inner.n;

            if (before)
                buf_puts(&inner, " OR ");
            if (!bad(&inner, &member, f->type, limit ? limit->type : NULL) && before) {
                inner.n = before;
                inner.p[before] = '\0';
            }
        }
        if (inner.n) {
            /* As Spark has it: a column's member that must not be null is missing in a null struct as well. Within a
             * list or map a struct that is null has no members. */
            if (bad == bad_null && at->depth == 0)
                buf_printf(out, "%s(%s)", any ? " OR " : "", buf_cstr(&inner));
            else
                buf_printf(out, "%s(%s IS NOT NULL AND (%s))", any ? " OR " : "", at->sql, buf_cstr(&inner));
            any = true;
        }
        buf_release(&inner);
        buf_release(&sql);
    }
    return any;
}

void lake_add_not_null(struct buf *sql, const struct schema_field *f)
{
    struct buf name, bad;
    struct place at;

    buf_init(&name, 0);
    buf_init(&bad, 0);
    engine_add_name(&name, str_of(f->name));
    at = (struct place){buf_cstr(&name), 0};
    if (!f->nullable)
        buf_printf(sql, "%s IS NOT NULL", at.sql);
    if (bad_null(&bad, &at, f->type, NULL))
        buf_printf(sql, "%sNOT coalesce(%s, false)", sql->n ? " AND " : "", buf_cstr(&bad));
    buf_release(&bad);
    buf_release(&name);
}

/* char(n), varchar(n), also within other types: what the column's metadata say. NULL: nothing. */
static const struct schema_type *limits_of(struct arena *a, const struct schema_field *f)
{
    const char *text = json_member_text(a, str_of(f->metadata), "__CHAR_VARCHAR_TYPE_STRING");
    const struct schema_type *limits = NULL;

    if (!text || schema_of_text(a, NULL, text, &limits, NULL))
        return NULL;
    return limits->kind == f->type->kind ? limits : NULL;
}

static void add_simple_rules(struct arena *a, const struct schema_field *f, struct lake_rules *r)
{
    const struct schema_type *limits = limits_of(a, f);
    struct buf sql;

    buf_init(&sql, 0);
    lake_add_not_null(&sql, f);
    if (sql.n)
        add_rule(r, take(a, &sql),
                 arena_printf(a, "NOT NULL %s the column %s", f->nullable ? "within" : "of", f->name));
    buf_release(&sql);
    if (limits) {
        struct buf name, bad;

        buf_init(&name, 0);
        buf_init(&bad, 0);
        engine_add_name(&name, str_of(f->name));
        if (bad_length(&bad, &(struct place){buf_cstr(&name), 0}, f->type, limits))
            add_rule(r, arena_printf(a, "NOT coalesce(%s, false)", buf_cstr(&bad)),
                     arena_printf(a, "the length of the column %s, %s,", f->name,
                                  json_member_text(a, str_of(f->metadata), "__CHAR_VARCHAR_TYPE_STRING")));
        buf_release(&bad);
        buf_release(&name);
    }
}

/* --- expressions ------------------------------------------------------------------------------------------- */

static enum ig_code translate(struct arena *a, struct engine_conn *c, const struct schema_type *schema,
                              const char *expression, const char *feature, const char *what, const char **sql,
                              struct error *err)
{
    struct buf out;
    enum ig_code rc;

    buf_init(&out, 0);
    rc = lake_translate(c, schema, expression, &out, err);
    *sql = take(a, &out);
    return rc ? error_context(err, IG_UNSUPPORTED, "the feature %s: %s (%.200s)", feature, what, expression) : IG_OK;
}

/* {"expression":{"expression":"x > 3"}} */
static enum ig_code add_invariant(struct arena *a, struct engine_conn *c, const struct lake_snapshot *s,
                                  const struct schema_field *f, const char *json, struct lake_rules *r,
                                  struct error *err)
{
    struct json_value inner;
    const char *sql = NULL;
    struct buf text;
    enum ig_code rc;

    buf_init(&text, 0);
    if (!json_member(str_of(json), "expression", &inner) || !json_member_string(inner.raw, "expression", &text))
        rc = error_set(err, IG_UNSUPPORTED, "the feature invariants: column %s has one that cannot be read: %.200s",
                       f->name, json);
    else
        rc = translate(a, c, s->metadata.schema, buf_cstr(&text), "invariants", f->name, &sql, err);
    if (!rc)
        add_rule(r, sql, arena_printf(a, "the invariant of the column %s (%s)", f->name, buf_cstr(&text)));
    buf_release(&text);
    return rc;
}

/* Of the column, or of a member of it. */
static enum ig_code add_invariants(struct arena *a, struct engine_conn *c, const struct lake_snapshot *s,
                                   const struct schema_field *f, struct lake_rules *r, struct error *err)
{
    const char *json = json_member_text(a, str_of(f->metadata), "delta.invariants");

    if (json)
        IG_TRY(add_invariant(a, c, s, f, json, r, err));
    for (size_t i = 0; i < f->type->n_fields; i++)
        IG_TRY(add_invariants(a, c, s, &f->type->fields[i], r, err));
    return IG_OK;
}

static enum ig_code add_constraints(struct arena *a, struct engine_conn *c, const struct lake_snapshot *s,
                                    struct lake_rules *r, struct error *err)
{
    for (size_t i = 0; i < s->metadata.n_properties; i++) {
        const struct lake_property *p = &s->metadata.properties[i];
        const char *name = lake_constraint_name(p), *sql;

        if (!name)
            continue;
        IG_TRY(translate(a, c, s->metadata.schema, p->value, "checkConstraints", name, &sql, err));
        add_rule(r, sql, arena_printf(a, "the constraint %s (%s)", name, p->value));
    }
    return IG_OK;
}

static enum ig_code load_field(struct arena *a, struct engine_conn *c, const struct lake_snapshot *s, size_t i,
                               struct lake_rules *r, struct error *err)
{
    static const struct schema_type nothing = {.kind = SCHEMA_STRUCT};
    const struct schema_field *f = &s->metadata.schema->fields[i];
    const char *generated = json_member_text(a, str_of(f->metadata), "delta.generationExpression");
    const char *initial = json_member_text(a, str_of(f->metadata), "CURRENT_DEFAULT");

    add_simple_rules(a, f, r);
    IG_TRY(add_invariants(a, c, s, f, r, err));
    if (initial)
        IG_TRY(translate(a, c, &nothing, initial, "allowColumnDefaults", f->name, &r->initial[i], err));
    if (lake_is_identity(f)) {
        IG_TRY(lake_identity_load(f, &r->identities[r->n_identities], err));
        r->n_identities++;
    }
    if (generated) {
        struct buf sql;

        IG_TRY(translate(a, c, s->metadata.schema, generated, "generatedColumns", f->name, &r->generated[i], err));
        buf_init(&sql, 0);
        buf_printf(&sql, "CAST(%s AS ", r->generated[i]);
        schema_add_sql(&sql, f->type);
        buf_putc(&sql, ')');
        r->generated[i] = take(a, &sql);
        r->any_generated = true;
    }
    return IG_OK;
}

enum ig_code lake_rules_load(struct arena *a, struct engine_conn *c, const struct lake_snapshot *s,
                             struct lake_rules *out, struct error *err)
{
    const size_t n = s->metadata.schema->n_fields;

    *out = (struct lake_rules){.arena = a};
    out->generated = ARENA_ARRAY(a, const char *, n ? n : 1);
    out->initial = ARENA_ARRAY(a, const char *, n ? n : 1);
    out->identities = ARENA_ARRAY(a, struct lake_identity, n ? n : 1);
    for (size_t i = 0; i < n; i++)
        IG_TRY(load_field(a, c, s, i, out, err));
    return add_constraints(a, c, s, out, err);
}

void lake_rules_free(struct lake_rules *rules)
{
    vec_free(&rules->list);
}

enum ig_code lake_add_absent_value(struct engine_conn *c, const struct schema_field *f, struct buf *sql,
                                   struct error *err)
{
    static const struct schema_type nothing = {.kind = SCHEMA_STRUCT};
    enum ig_code rc = IG_OK;
    struct arena arena;
    const char *initial, *text = "NULL";

    arena_init(&arena);
    initial = json_member_text(&arena, str_of(f->metadata), "CURRENT_DEFAULT");
    if (initial)
        rc = translate(&arena, c, &nothing, initial, "allowColumnDefaults", f->name, &text, err);
    buf_printf(sql, "CAST(%s AS ", text);
    schema_add_sql(sql, f->type);
    buf_putc(sql, ')');
    arena_release(&arena);
    return rc;
}

/* --- the query --------------------------------------------------------------------------------------------- */

/* A text for char(n) gets its blanks, one for varchar(n) loses those that are too many. */
static bool add_fitted(struct arena *a, const struct schema_field *f, const char *name, struct buf *sql)
{
    const struct schema_type *limits = limits_of(a, f);

    if (!limits || limits->kind != SCHEMA_STRING || !limits->limit)
        return false;
    buf_printf(sql, "CASE WHEN length(%s) > %d AND length(rtrim(%s, ' ')) <= %d THEN left(%s, %d)", name, limits->limit,
               name, limits->limit, name, limits->limit);
    if (limits->padded)
        buf_printf(sql, " WHEN length(%s) < %d THEN rpad(%s, %d, ' ')", name, limits->limit, name, limits->limit);
    buf_printf(sql, " ELSE %s END", name);
    return true;
}

static enum ig_code add_value(struct arena *a, struct lake_rules *r, size_t i, const struct schema_field *f, bool given,
                              enum lake_rows whose, struct buf *sql, struct error *err)
{
    const bool as_they_are = whose == LAKE_ROWS_MOVED || whose == LAKE_ROWS_CHANGES;
    struct lake_identity *id = as_they_are ? NULL : lake_identity_of(r, f);
    enum ig_code rc = IG_OK;
    struct buf name;

    buf_init(&name, 0);
    engine_add_name(&name, str_of(f->name));
    if (id) {
        if (given && whose == LAKE_ROWS_KEPT)
            buf_puts(sql, "CASE WHEN ");
        rc = lake_identity_add(id, given, whose, sql, err);
    } else if (given && !as_they_are && add_fitted(a, f, buf_cstr(&name), sql)) {
        ;
    } else if (given) {
        buf_puts(sql, buf_cstr(&name));
    } else {
        buf_puts(sql, !as_they_are && r->initial[i] ? r->initial[i] : "NULL");
    }
    buf_release(&name);
    return rc;
}

/* Every column of the table, cast to its type. */
static enum ig_code add_given(struct arena *a, struct lake_rules *r, const struct lake_snapshot *s,
                              const struct schema_type *have, const char *select, enum lake_rows whose, struct buf *sql,
                              struct error *err)
{
    const struct schema_type *schema = s->metadata.schema;

    buf_puts(sql, "SELECT ");
    for (size_t i = 0; i < schema->n_fields; i++) {
        const struct schema_field *f = &schema->fields[i];

        buf_puts(sql, i ? ", CAST(" : "CAST(");
        IG_TRY(add_value(a, r, i, f, schema_find(have, str_of(f->name)) != NULL, whose, sql, err));
        buf_puts(sql, " AS ");
        schema_add_sql(sql, f->type);
        buf_puts(sql, ") AS ");
        engine_add_name(sql, str_of(f->name));
    }
    buf_printf(sql, "%s FROM (%s) AS _ingot_rows", r->extra ? r->extra : "", select);
    return IG_OK;
}

/* Puts generated values into their columns: where the query lacks them, or they are null. */
static void add_generated(const struct lake_rules *r, const struct lake_snapshot *s, struct buf *sql)
{
    const struct schema_type *schema = s->metadata.schema;
    char *rows = buf_take(sql);

    buf_puts(sql, "SELECT ");
    for (size_t i = 0; i < schema->n_fields; i++) {
        const struct str name = str_of(schema->fields[i].name);

        buf_puts(sql, i ? ", " : "");
        if (r->generated[i]) {
            buf_puts(sql, "coalesce(");
            engine_add_name(sql, name);
            buf_printf(sql, ", %s) AS ", r->generated[i]);
        }
        engine_add_name(sql, name);
    }
    buf_printf(sql, "%s FROM (%s) AS _ingot_given", r->extra ? r->extra : "", rows);
    free(rows);
}

static void add_generated_rules(struct arena *a, struct lake_rules *r, const struct lake_snapshot *s,
                                const struct schema_type *have)
{
    const struct schema_type *schema = s->metadata.schema;

    for (size_t i = 0; i < schema->n_fields; i++) {
        const struct schema_field *f = &schema->fields[i];
        struct buf name;

        if (!r->generated[i] || !schema_find(have, str_of(f->name)))
            continue;
        buf_init(&name, 0);
        engine_add_name(&name, str_of(f->name));
        add_rule(r, arena_printf(a, "%s IS NOT DISTINCT FROM %s", buf_cstr(&name), r->generated[i]),
                 arena_printf(a, "the generated column %s (%s)", f->name,
                              json_member_text(a, str_of(f->metadata), "delta.generationExpression")));
        buf_release(&name);
    }
}

/* CASE WHEN all rules THEN the column ELSE error('_ingot_rule N: {the row}'), in the first column that is not nested:
 * what is computed of a row is not moved before the query's own filters, as a WHERE would be. */
static void add_rules(const struct lake_rules *r, const struct lake_snapshot *s, struct buf *sql)
{
    const struct schema_type *schema = s->metadata.schema;
    char *rows = buf_take(sql);
    size_t at = 0;

    while (at + 1 < schema->n_fields && schema->fields[at].type->kind > SCHEMA_DECIMAL)
        at++;
    buf_puts(sql, "SELECT ");
    for (size_t i = 0; i < schema->n_fields; i++) {
        const struct str name = str_of(schema->fields[i].name);

        buf_puts(sql, i ? ", " : "");
        if (i == at) {
            buf_puts(sql, "CASE WHEN ");
            for (size_t k = 0; k < r->list.n; k++)
                buf_printf(sql, "%s(%s) IS TRUE", k ? " AND " : "", r->list.p[k].sql);
            buf_puts(sql, " THEN ");
            engine_add_name(sql, name);
            buf_puts(sql, " ELSE error('" MARK "' || CASE");
            for (size_t k = 0; k < r->list.n; k++)
                buf_printf(sql, " WHEN (%s) IS NOT TRUE THEN '%zu'", r->list.p[k].sql, k);
            buf_puts(sql, " END || ': ' || to_json(_ingot_row)::VARCHAR) END AS ");
        }
        engine_add_name(sql, name);
    }
    buf_printf(sql, "%s FROM (%s) AS _ingot_row", r->extra ? r->extra : "", rows);
    free(rows);
}

enum ig_code lake_add_stored_rows(struct lake_rules *r, const struct lake_snapshot *s, const struct schema_type *have,
                                  const char *select, enum lake_rows whose, struct buf *sql, struct error *err)
{
    struct arena arena;
    struct buf rows;
    enum ig_code rc;

    arena_init(&arena);
    buf_init(&rows, 0);
    rc = add_given(&arena, r, s, have, select, whose, &rows, err);
    if (!rc && whose != LAKE_ROWS_MOVED && whose != LAKE_ROWS_CHANGES) {
        if (r->any_generated) {
            add_generated(r, s, &rows);
            add_generated_rules(r->arena, r, s, have);
        }
        if (r->list.n)
            add_rules(r, s, &rows);
    }
    if (!rc)
        buf_add_str(sql, buf_str(&rows));
    if (!rc)
        rc = buf_check(&rows, err, "the query of a write");
    buf_release(&rows);
    arena_release(&arena);
    return rc;
}

enum ig_code lake_rules_explain(const struct lake_rules *r, const char *table, enum ig_code rc, struct error *err)
{
    const char *mark = rc && err ? strstr(err->msg, MARK) : NULL;
    char row[EXAMPLE_BYTES + 8];
    const char *colon;
    int64_t i;

    if (!mark)
        return rc;
    mark += strlen(MARK);
    colon = strchr(mark, ':');
    if (!colon || !str_to_int64((struct str){mark, (size_t)(colon - mark)}, 0, (int64_t)r->list.n - 1, &i))
        return rc;
    snprintf(row, sizeof(row), "%.*s%s", EXAMPLE_BYTES, colon + 2, strlen(colon + 2) > EXAMPLE_BYTES ? " ..." : "");
    for (size_t n = strlen(row); n > 0 && ((unsigned char)row[n - 1] & 0x80) && !str_is_utf8((struct str){row, n}); n--)
        row[n - 1] = '\0'; /* not through the middle of a character */
    return error_set(err, IG_INVALID, "%s of the table %s does not hold for the row %s", r->list.p[i].what, table, row);
}

enum ig_code lake_check_rows(struct lake_table *t, const struct lake_snapshot *s, const char *sql, const char *what,
                             struct error *err)
{
    struct engine_rows rows = {0};
    struct buf query;
    enum ig_code rc;

    buf_init(&query, 0);
    buf_puts(&query, "SELECT to_json(_ingot_row)::VARCHAR FROM ");
    rc = lake_add_scan(s, NULL, &query, err);
    buf_printf(&query, " AS _ingot_row WHERE (%s) IS NOT TRUE LIMIT 1", sql);
    if (!rc)
        rc = engine_query(t->conn, buf_cstr(&query), &rows, err);
    if (!rc && engine_next(&rows)) {
        const struct str row = engine_str(&rows, 0);

        rc = error_set(err, IG_INVALID, "%s does not hold for the row %.*s%s", what,
                       row.n > EXAMPLE_BYTES ? EXAMPLE_BYTES : (int)row.n, row.p, row.n > EXAMPLE_BYTES ? " ..." : "");
    }
    engine_rows_free(&rows);
    buf_release(&query);
    return rc;
}
