/*
 * Column definitions, names and paths, for tables that are made or altered.
 */
#include "lake/maintain/alter.h"
#include "lake/table/schema_text.h"
#include "lake/write/expression.h"
#include "lake/write/rules.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#define CLUSTERING_COLUMNS_MAX 4

/* --- paths ------------------------------------------------------------------------------------------------- */

enum ig_code lake_path_of(struct arena *a, const char *text, const char ***parts, size_t *n, struct error *err)
{
    VEC(const char *) list = {0};
    struct buf part;
    bool bad = !text || !*text;

    buf_init(&part, 0);
    for (const char *p = text; !bad;) {
        buf_clear(&part);
        if (*p == '`') {
            for (p++; *p && (*p != '`' || p[1] == '`'); p++) {
                p += *p == '`';
                buf_putc(&part, *p);
            }
            bad = *p != '`';
            p += *p == '`';
        } else {
            while (*p && *p != '.')
                buf_putc(&part, *p++);
        }
        bad = bad || part.n == 0 || (*p && *p != '.');
        vec_push(&list, arena_strndup(a, buf_cstr(&part), part.n));
        if (!*p++)
            break;
    }
    *n = list.n;
    *parts = ARENA_ARRAY(a, const char *, list.n ? list.n : 1);
    if (list.n)
        memcpy(*parts, list.p, list.n * sizeof(*list.p));
    vec_free(&list);
    buf_release(&part);
    if (bad)
        return error_set(err, IG_INVALID, "\"%s\" is no column's name", text ? text : "");
    return IG_OK;
}

const char *const *lake_list_of(struct arena *a, const char *list, size_t *n)
{
    VEC(const char *) items = {0};
    const char **out;
    struct buf item;

    buf_init(&item, 0);
    while (*list) {
        bool quoted = false;

        buf_clear(&item);
        for (; *list && (quoted || *list != ','); list++) {
            quoted = quoted != (*list == '`');
            if (quoted || !isspace((unsigned char)*list))
                buf_putc(&item, *list);
        }
        list += *list == ',';
        if (item.n)
            vec_push(&items, arena_strndup(a, buf_cstr(&item), item.n));
    }
    buf_release(&item);
    *n = items.n;
    out = ARENA_ARRAY(a, const char *, items.n + 1);
    if (items.n)
        memcpy(out, items.p, items.n * sizeof(*out));
    vec_free(&items);
    return out;
}

void lake_add_path(struct buf *out, const char *const *parts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buf_puts(out, i ? "." : "");
        if (strpbrk(parts[i], ".`")) {
            buf_putc(out, '`');
            for (const char *p = parts[i]; *p; p++)
                buf_printf(out, "%s%c", *p == '`' ? "`" : "", *p);
            buf_putc(out, '`');
        } else {
            buf_puts(out, parts[i]);
        }
    }
}

/* --- names ------------------------------------------------------------------------------------------------- */

static enum ig_code check_nested(const struct schema_type *type, bool mapped, struct error *err)
{
    if (type->kind == SCHEMA_STRUCT)
        return lake_check_names(type, mapped, err);
    if (type->key)
        IG_TRY(check_nested(type->key, mapped, err));
    return type->element ? check_nested(type->element, mapped, err) : IG_OK;
}

enum ig_code lake_check_names(const struct schema_type *type, bool mapped, struct error *err)
{
    for (size_t i = 0; i < type->n_fields; i++) {
        const char *name = type->fields[i].name;

        if (!*name || (!mapped && strpbrk(name, " ,;{}()\n\t=")))
            return error_set(err, IG_INVALID, "\"%s\" cannot be a column's name: no blanks and none of ,;{}()=", name);
        if (strncasecmp(name, LAKE_OWN_PREFIX, strlen(LAKE_OWN_PREFIX)) == 0)
            return error_set(err, IG_INVALID, "column %s: names that begin with " LAKE_OWN_PREFIX " are taken", name);
        for (size_t k = 0; k < i; k++)
            if (strcasecmp(type->fields[k].name, name) == 0)
                return error_set(err, IG_INVALID, "two columns are named %s", name);
        IG_TRY(check_nested(type->fields[i].type, mapped, err));
    }
    return IG_OK;
}

enum ig_code lake_check_partition_columns(const struct schema_type *schema, const char *const *names, size_t n,
                                          struct error *err)
{
    for (size_t i = 0; i < n; i++) {
        const struct schema_field *f = schema_find(schema, str_of(names[i]));

        if (!f)
            return error_set(err, IG_INVALID, "the partition column %s is no column of the query", names[i]);
        if (f->type->kind == SCHEMA_STRUCT || f->type->kind == SCHEMA_ARRAY || f->type->kind == SCHEMA_MAP)
            return error_set(err, IG_INVALID, "column %s is nested, a table cannot be partitioned by it", f->name);
        if (lake_is_identity(f))
            return error_set(err, IG_INVALID, "column %s is an identity, a table cannot be partitioned by it", f->name);
        for (size_t k = 0; k < i; k++)
            if (strcasecmp(names[k], names[i]) == 0)
                return error_set(err, IG_INVALID, "the partition column %s is named twice", names[i]);
    }
    if (n > 0 && n == schema->n_fields)
        return error_set(err, IG_INVALID, "a table needs a column besides those that it is partitioned by");
    return IG_OK;
}

/* --- definitions ------------------------------------------------------------------------------------------- */

static enum ig_code add_identity(struct arena *a, const struct lake_column *c, struct schema_field *out,
                                 struct error *err)
{
    if (out->type->kind != SCHEMA_LONG)
        return error_set(err, IG_INVALID, "the identity column %s must be a BIGINT", c->name);
    if (c->generated || c->initial)
        return error_set(err, IG_INVALID,
                         "the identity column %s cannot be generated by an expression or have a default", c->name);
    out->metadata =
        lake_object_set_int64(a, out->metadata, "delta.identity.start", c->step == 0 && c->start == 0 ? 1 : c->start);
    out->metadata = lake_object_set_int64(a, out->metadata, "delta.identity.step", c->step ? c->step : 1);
    out->metadata =
        lake_object_set(a, out->metadata, "delta.identity.allowExplicitInsert", c->by_default ? "true" : "false");
    out->nullable = c->by_default ? out->nullable : true;
    return IG_OK;
}

enum ig_code lake_field_of(struct arena *a, struct engine_conn *c, const struct lake_column *column,
                           const struct schema_type *type, struct schema_field *out, struct error *err)
{
    out->nullable = !column->not_null;
    if (!out->metadata)
        out->metadata = "{}";
    if (column->type) {
        IG_TRY(schema_of_text(a, c, column->type, &out->type, err));
        if (schema_has_limits(out->type)) {
            struct buf text;

            buf_init(&text, 0);
            schema_add_text(&text, out->type);
            out->metadata = lake_object_set_text(a, out->metadata, "__CHAR_VARCHAR_TYPE_STRING", buf_cstr(&text));
            buf_release(&text);
        }
    } else if (type) {
        out->type = type;
    } else {
        return error_set(err, IG_INVALID, "column %s has no type", column->name);
    }
    if (column->comment)
        out->metadata = lake_object_set_text(a, out->metadata, "comment", column->comment);
    if (column->generated)
        out->metadata = lake_object_set_text(a, out->metadata, "delta.generationExpression", column->generated);
    if (column->initial)
        out->metadata = lake_object_set_text(a, out->metadata, "CURRENT_DEFAULT", column->initial);
    if (column->generated && column->initial)
        return error_set(err, IG_INVALID, "column %s is generated: it cannot have a default", column->name);
    return column->identity ? add_identity(a, column, out, err) : IG_OK;
}

/* --- expressions ------------------------------------------------------------------------------------------- */

/* Does a value of the expression become one of the column's type? */
static enum ig_code check_value(struct engine_conn *c, const struct schema_type *columns, const struct schema_field *f,
                                const char *expression, const char *what, struct error *err)
{
    struct error why = {0};
    struct buf sql, query;
    enum ig_code rc;

    buf_init(&sql, 0);
    buf_init(&query, 0);
    rc = lake_translate(c, columns, expression, &sql, &why);
    if (!rc && columns->n_fields == 0) { /* a constant can be tried */
        struct engine_rows rows = {0};

        buf_printf(&query, "SELECT CAST(%s AS ", buf_cstr(&sql));
        schema_add_sql(&query, f->type);
        buf_puts(&query, ")");
        rc = engine_query(c, buf_cstr(&query), &rows, &why);
        engine_rows_free(&rows);
        rc = rc ? IG_INVALID : IG_OK;
    }
    if (rc)
        error_set(err, rc, "the %s of column %s (%.200s): %s", what, f->name, expression, why.msg);
    buf_release(&query);
    buf_release(&sql);
    return rc;
}

enum ig_code lake_check_expressions(struct arena *a, struct engine_conn *c, const struct schema_type *schema,
                                    struct error *err)
{
    static const struct schema_type nothing = {.kind = SCHEMA_STRUCT};
    struct schema_type base = *schema;

    base.fields = ARENA_ARRAY(a, struct schema_field, schema->n_fields + 1);
    base.n_fields = 0;
    for (size_t i = 0; i < schema->n_fields; i++)
        if (!lake_is_generated(&schema->fields[i]) && !lake_is_identity(&schema->fields[i]))
            base.fields[base.n_fields++] = schema->fields[i];
    for (size_t i = 0; i < schema->n_fields; i++) {
        const struct schema_field *f = &schema->fields[i];
        const char *generated = json_member_text(a, str_of(f->metadata), "delta.generationExpression");
        const char *initial = json_member_text(a, str_of(f->metadata), "CURRENT_DEFAULT");

        if (generated && (strcasestr(generated, "current_") || strcasestr(generated, "now()")))
            return error_set(err, IG_INVALID, "the generation expression of column %s (%s) depends on the time",
                             f->name, generated);
        if (generated)
            IG_TRY(check_value(c, &base, f, generated, "generation expression", err));
        if (initial)
            IG_TRY(check_value(c, &nothing, f, initial, "default", err));
    }
    return IG_OK;
}

/* --- features and clustering ------------------------------------------------------------------------------- */

/* The columns that change data have besides the table's. */
static enum ig_code check_change_columns(const struct lake_draft *d, struct error *err)
{
    static const char *const reserved[] = {"_change_type", "_commit_version", "_commit_timestamp"};

    for (size_t i = 0; i < IG_COUNT(reserved) && lake_draft_is_on(d, "delta.enableChangeDataFeed"); i++)
        if (schema_find(d->schema, str_of(reserved[i])))
            return error_set(err, IG_INVALID, "column %s: with the feature changeDataFeed the name is taken",
                             reserved[i]);
    return IG_OK;
}

/* delta.dataSkippingStatsColumns: each is a column. */
static enum ig_code check_stats_columns(const struct lake_draft *d, struct error *err)
{
    const char *list = lake_draft_property(d, "delta.dataSkippingStatsColumns");
    const char *const *paths;
    size_t n = 0;

    if (!list)
        return IG_OK;
    paths = lake_list_of(d->arena, list, &n);
    for (size_t i = 0; i < n; i++) {
        const struct schema_type *type = d->schema;
        const char **parts;
        size_t n_parts;

        IG_TRY(lake_path_of(d->arena, paths[i], &parts, &n_parts, err));
        for (size_t k = 0; k < n_parts; k++) {
            const struct schema_field *f = type->kind == SCHEMA_STRUCT ? schema_find(type, str_of(parts[k])) : NULL;

            if (!f)
                return error_set(err, IG_INVALID,
                                 "the property delta.dataSkippingStatsColumns names %s, which is no column", paths[i]);
            type = f->type;
        }
    }
    return IG_OK;
}

enum ig_code lake_check_draft(const struct lake_draft *d, struct error *err)
{
    size_t n;
    const struct lake_feature *all = lake_features(&n);

    IG_TRY(check_change_columns(d, err));
    IG_TRY(check_stats_columns(d, err));

    for (size_t i = 0; i < d->features.n; i++) {
        const struct lake_feature *f = lake_feature_find(str_of(d->features.p[i]));
        const bool on = f && f->property && lake_draft_is_on(d, f->property);

        if (f && (f->read == LAKE_NO || f->write == LAKE_NO || (f->write != LAKE_YES && (on || !f->property))))
            return error_set(err, IG_UNSUPPORTED, "writing a table with the feature %s is not supported", f->name);
    }
    for (size_t i = 0; i < n; i++)
        if (all[i].property && all[i].write == LAKE_IF_UNUSED && lake_draft_is_on(d, all[i].property))
            return error_set(err, IG_UNSUPPORTED, "writing a table with the feature %s is not supported", all[i].name);
    return IG_OK;
}

static enum ig_code add_physical_path(struct lake_draft *d, const char *column, struct buf *out, struct error *err)
{
    const struct schema_type *type = d->schema;
    const struct schema_field *f = NULL;
    const char **parts;
    size_t n;

    IG_TRY(lake_path_of(d->arena, column, &parts, &n, err));
    buf_putc(out, '[');
    for (size_t i = 0; i < n; i++) {
        f = type->kind == SCHEMA_STRUCT ? schema_find(type, str_of(parts[i])) : NULL;
        if (!f)
            return error_set(err, IG_INVALID, "the clustering column %s is none of the table", column);
        buf_puts(out, i ? "," : "");
        json_add_string(out, str_of(f->physical));
        type = f->type;
    }
    buf_putc(out, ']');
    if (f->type->kind > SCHEMA_DECIMAL || f->type->kind == SCHEMA_BOOLEAN || f->type->kind == SCHEMA_BINARY)
        return error_set(err, IG_INVALID, "a table cannot be clustered by column %s: files have no bounds of its type",
                         column);
    return IG_OK;
}

enum ig_code lake_draft_cluster(struct lake_draft *d, const char *const *columns, size_t n, struct error *err)
{
    struct buf list, action;
    enum ig_code rc = IG_OK;

    if (n && d->n_partition_columns)
        return error_set(err, IG_INVALID, "a table that is partitioned cannot be clustered too");
    if (n > CLUSTERING_COLUMNS_MAX)
        return error_set(err, IG_INVALID, "a table is clustered by at most %d columns", CLUSTERING_COLUMNS_MAX);
    buf_init(&list, 0);
    buf_init(&action, 0);
    buf_puts(&list, "{\"clusteringColumns\":[");
    for (size_t i = 0; i < n && !rc; i++) {
        buf_puts(&list, i ? "," : "");
        rc = add_physical_path(d, columns[i], &list, err);
    }
    buf_puts(&list, "],\"domainName\":\"delta.clustering\"}");
    buf_puts(&action, "{\"domain\":\"delta.clustering\",\"configuration\":");
    json_add_string(&action, buf_str(&list));
    buf_puts(&action, ",\"removed\":false}");
    if (!rc)
        vec_push(&d->domains, arena_strndup(d->arena, buf_cstr(&action), action.n));
    buf_release(&action);
    buf_release(&list);
    return rc;
}
