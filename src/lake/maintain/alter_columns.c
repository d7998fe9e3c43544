/*
 * Alterations of columns, at any depth: a path is followed down to the struct that holds the column, and all above it
 * is made anew.
 */
#include "lake/maintain/alter.h"
#include "lake/table/schema_text.h"
#include "lake/write/expression.h"
#include "lake/write/rules.h"

#include <stdlib.h>
#include <strings.h>

/* --- the way down ------------------------------------------------------------------------------------------ */

struct edit {
    struct alter *x;
    const struct lake_column *column; /* what is asked for; may be NULL */
    const char **parts;               /* the path */
    size_t n_parts;
    bool must_exist;
    /* `parent` is a copy with room for one more field; `at` is the column's place, SIZE_MAX if it is not there. */
    enum ig_code (*change)(struct edit *e, struct schema_type *parent, size_t at, struct error *err);
};

static enum ig_code not_there(const struct edit *e, struct error *err)
{
    struct buf path;

    buf_init(&path, 0);
    lake_add_path(&path, e->parts, e->n_parts);
    error_set(err, IG_INVALID, "the table has no column %s", buf_cstr(&path));
    buf_release(&path);
    return IG_INVALID;
}

static enum ig_code descend(struct edit *e, const struct schema_type *type, size_t depth,
                            const struct schema_type **out, struct error *err);

static enum ig_code descend_collection(struct edit *e, struct schema_type *copy, size_t depth, struct error *err)
{
    const char *part = e->parts[depth];

    if (depth + 1 == e->n_parts)
        return error_set(err, IG_INVALID, "\"%s\" is the inside of a list or map: only columns can be altered", part);
    if (copy->kind == SCHEMA_ARRAY && strcasecmp(part, "element") == 0)
        return descend(e, copy->element, depth + 1, &copy->element, err);
    if (copy->kind == SCHEMA_MAP && strcasecmp(part, "key") == 0)
        return descend(e, copy->key, depth + 1, &copy->key, err);
    if (copy->kind == SCHEMA_MAP && strcasecmp(part, "value") == 0)
        return descend(e, copy->element, depth + 1, &copy->element, err);
    return not_there(e, err);
}

static enum ig_code descend(struct edit *e, const struct schema_type *type, size_t depth,
                            const struct schema_type **out, struct error *err)
{
    struct schema_type *copy = ARENA_NEW(e->x->arena, struct schema_type);
    const struct schema_field *f;
    size_t at;

    *copy = *type;
    *out = copy;
    if (type->kind == SCHEMA_ARRAY || type->kind == SCHEMA_MAP)
        return descend_collection(e, copy, depth, err);
    if (type->kind != SCHEMA_STRUCT)
        return not_there(e, err);
    copy->fields = ARENA_ARRAY(e->x->arena, struct schema_field, type->n_fields + 1);
    if (type->n_fields)
        memcpy(copy->fields, type->fields, type->n_fields * sizeof(*type->fields));
    f = schema_find(type, str_of(e->parts[depth]));
    at = f ? (size_t)(f - type->fields) : SIZE_MAX;
    if (depth + 1 == e->n_parts) {
        if (!f && e->must_exist)
            return not_there(e, err);
        return e->change(e, copy, at, err);
    }
    if (!f)
        return not_there(e, err);
    return descend(e, f->type, depth + 1, &copy->fields[at].type, err);
}

static enum ig_code edit_path(struct edit *e, const char *path, struct error *err)
{
    const struct schema_type *schema;

    IG_TRY(lake_path_of(e->x->arena, path, &e->parts, &e->n_parts, err));
    IG_TRY(descend(e, e->x->d.schema, 0, &schema, err));
    e->x->d.schema = schema;
    return IG_OK;
}

/* --- who else speaks of a column --------------------------------------------------------------------------- */

static enum ig_code refuse_mention(const struct edit *e, const char *who, const char *name, const char *expression,
                                   struct error *err)
{
    struct buf path;

    buf_init(&path, 0);
    lake_add_path(&path, e->parts, e->n_parts);
    error_set(err, IG_INVALID, "column %s cannot be changed so: the %s %s (%.300s) refers to it", buf_cstr(&path), who,
              name, expression);
    buf_release(&path);
    return IG_INVALID;
}

static bool mentions_path(const struct edit *e, const char *expression)
{
    return lake_mentions(expression, e->parts[0]) && lake_mentions(expression, e->parts[e->n_parts - 1]);
}

/* Constraints and generated columns are evaluated by name: they would break. */
static enum ig_code check_mentions(const struct edit *e, struct error *err)
{
    const struct lake_draft *d = &e->x->d;
    enum ig_code rc = IG_OK;
    struct buf text;

    for (size_t i = 0; i < d->properties.n; i++) {
        const char *name = lake_constraint_name(&d->properties.p[i]);

        if (name && mentions_path(e, d->properties.p[i].value))
            return refuse_mention(e, "constraint", name, d->properties.p[i].value, err);
    }
    buf_init(&text, 0);
    for (size_t i = 0; i < d->schema->n_fields && !rc; i++) {
        const struct schema_field *f = &d->schema->fields[i];

        buf_clear(&text);
        if (json_member_string(str_of(f->metadata), "delta.generationExpression", &text) &&
            mentions_path(e, buf_cstr(&text)))
            rc = refuse_mention(e, "generated column", f->name, buf_cstr(&text), err);
        buf_clear(&text);
        if (!rc && json_member_string(str_of(f->metadata), "delta.invariants", &text) &&
            mentions_path(e, buf_cstr(&text)))
            rc = refuse_mention(e, "invariant of the column", f->name, buf_cstr(&text), err);
    }
    buf_release(&text);
    return rc;
}

static bool is_partition_column(const struct lake_draft *d, const char *name)
{
    for (size_t i = 0; i < d->n_partition_columns; i++)
        if (strcasecmp(d->partition_columns[i], name) == 0)
            return true;
    return false;
}

static enum ig_code check_not_clustered(const struct edit *e, struct error *err)
{
    struct buf path;
    enum ig_code rc = IG_OK;
    const char *const *columns;
    size_t n = 0;

    columns = lake_clustering_columns(e->x->s, e->x->arena, &n);
    buf_init(&path, 0);
    for (size_t i = 0; i < e->n_parts; i++)
        buf_printf(&path, "%s%s", i ? "." : "", e->parts[i]);
    for (size_t i = 0; i < n && !rc; i++) {
        const size_t len = path.n;

        if (strncasecmp(columns[i], buf_cstr(&path), len) == 0 && (!columns[i][len] || columns[i][len] == '.'))
            rc = error_set(err, IG_INVALID, "column %s cannot be dropped: the table is clustered by it", columns[i]);
    }
    buf_release(&path);
    return rc;
}

/* delta.dataSkippingStatsColumns names columns: `to` NULL drops what begins with the path. */
static void follow_stats_columns(struct edit *e, const char *to)
{
    const char *list = lake_draft_property(&e->x->d, "delta.dataSkippingStatsColumns");
    struct buf old, out;

    if (!list)
        return;
    buf_init(&old, 0);
    buf_init(&out, 0);
    lake_add_path(&old, e->parts, e->n_parts);
    for (const char *p = list; *p;) {
        const size_t n = strcspn(p, ",");
        struct str item = {p, n};

        while (item.n && (*item.p == ' '))
            item = (struct str){item.p + 1, item.n - 1};
        while (item.n && item.p[item.n - 1] == ' ')
            item.n--;
        if (item.n >= old.n && strncasecmp(item.p, buf_cstr(&old), old.n) == 0 &&
            (item.n == old.n || item.p[old.n] == '.')) {
            if (to) {
                const char **parts = ARENA_ARRAY(e->x->arena, const char *, e->n_parts);

                memcpy(parts, e->parts, e->n_parts * sizeof(*parts));
                parts[e->n_parts - 1] = to;
                buf_puts(&out, out.n ? "," : "");
                lake_add_path(&out, parts, e->n_parts);
                buf_add(&out, item.p + old.n, item.n - old.n);
            }
        } else if (item.n) {
            buf_puts(&out, out.n ? "," : "");
            buf_add_str(&out, item);
        }
        p += n + (p[n] == ',');
    }
    lake_draft_set(&e->x->d, "delta.dataSkippingStatsColumns", out.n ? buf_cstr(&out) : NULL);
    buf_release(&out);
    buf_release(&old);
}

/* --- the changes ------------------------------------------------------------------------------------------- */

/* Puts the field (which is the parent's last) behind its sibling `after`; "": first. */
static enum ig_code place(struct schema_type *parent, const char *after, struct error *err)
{
    const struct schema_field moved = parent->fields[parent->n_fields - 1];
    const struct schema_field *sibling = NULL;
    size_t to = 0;

    if (!after)
        return IG_OK;
    if (*after) {
        sibling = schema_find(parent, str_of(after));
        if (!sibling || sibling == &parent->fields[parent->n_fields - 1])
            return error_set(err, IG_INVALID, "there is no column %s to put %s behind", after, moved.name);
        to = (size_t)(sibling - parent->fields) + 1;
    }
    memmove(&parent->fields[to + 1], &parent->fields[to], (parent->n_fields - 1 - to) * sizeof(*parent->fields));
    parent->fields[to] = moved;
    return IG_OK;
}

static enum ig_code add_column(struct edit *e, struct schema_type *parent, size_t at, struct error *err)
{
    const struct lake_column *c = e->column;
    struct schema_field *f = &parent->fields[parent->n_fields];
    const char *name = e->parts[e->n_parts - 1];

    if (at != SIZE_MAX)
        return error_set(err, IG_EXISTS, "the table has a column %s already", parent->fields[at].name);
    if (c->not_null || c->initial || c->generated || c->identity)
        return error_set(
            err, IG_UNSUPPORTED,
            "column %s: a column that is NOT NULL, has a default, is generated or an identity cannot be added "
            "to a table that is there",
            name);
    *f = (struct schema_field){.name = name, .physical = name, .nullable = true, .metadata = "{}"};
    IG_TRY(lake_field_of(e->x->arena, e->x->t->conn, c, NULL, f, err));
    parent->n_fields++;
    return place(parent, c->after, err);
}

static enum ig_code need_mapping(const struct edit *e, const char *what, struct error *err)
{
    if (lake_draft_is_mapped(&e->x->d))
        return IG_OK;
    return error_set(err, IG_UNSUPPORTED,
                     "%s needs the feature columnMapping: set the property delta.columnMapping.mode to name first",
                     what);
}

static enum ig_code drop_column(struct edit *e, struct schema_type *parent, size_t at, struct error *err)
{
    if (at == SIZE_MAX)
        return IG_OK; /* IF EXISTS */
    IG_TRY(need_mapping(e, "dropping a column", err));
    IG_TRY(check_mentions(e, err));
    IG_TRY(check_not_clustered(e, err));
    if (e->n_parts == 1 && is_partition_column(&e->x->d, e->parts[0]))
        return error_set(err, IG_INVALID, "column %s cannot be dropped: the table is partitioned by it", e->parts[0]);
    if (parent->n_fields == 1)
        return error_set(err, IG_INVALID, "column %s cannot be dropped: it is the only one", e->parts[e->n_parts - 1]);
    follow_stats_columns(e, NULL);
    parent->n_fields--;
    memmove(&parent->fields[at], &parent->fields[at + 1], (parent->n_fields - at) * sizeof(*parent->fields));
    if (e->n_parts == 1 && parent->n_fields == e->x->d.n_partition_columns)
        return error_set(err, IG_INVALID, "column %s cannot be dropped: only partition columns would be left",
                         e->parts[0]);
    return IG_OK;
}

static enum ig_code move_column(struct edit *e, struct schema_type *parent, size_t at, struct error *err)
{
    const struct schema_field moved = parent->fields[at];

    memmove(&parent->fields[at], &parent->fields[at + 1], (parent->n_fields - 1 - at) * sizeof(*parent->fields));
    parent->fields[parent->n_fields - 1] = moved;
    return place(parent, e->column->after, err);
}

/* May a text of the one length be one of the other? */
static bool limits_grow(const struct schema_type *from, const struct schema_type *to)
{
    return to->limit == 0 || (from->limit > 0 && !from->padded && !to->padded && to->limit >= from->limit);
}

static enum ig_code change_type(struct edit *e, struct schema_type *parent, size_t at, struct error *err)
{
    struct schema_field *f = &parent->fields[at];
    const struct schema_type *to, *limits = NULL;
    struct buf text;

    if (!e->column->type)
        return error_set(err, IG_INVALID, "column %s: which type?", f->name);
    IG_TRY(schema_of_text(e->x->arena, e->x->t->conn, e->column->type, &to, err));
    buf_init(&text, 0);
    if (json_member_string(str_of(f->metadata), "__CHAR_VARCHAR_TYPE_STRING", &text) &&
        schema_of_text(e->x->arena, NULL, buf_cstr(&text), &limits, NULL))
        limits = NULL;
    buf_release(&text);
    if (f->type->kind == SCHEMA_STRING && to->kind == SCHEMA_STRING) {
        if (!limits_grow(limits ? limits : f->type, to))
            return error_set(err, IG_INVALID, "column %s: texts that are there may be longer than %s", f->name,
                             e->column->type);
        buf_init(&text, 0);
        schema_add_text(&text, to);
        f->metadata =
            to->limit ? lake_object_set_text(e->x->arena, f->metadata, "__CHAR_VARCHAR_TYPE_STRING", buf_cstr(&text))
                      : lake_object_set(e->x->arena, f->metadata, "__CHAR_VARCHAR_TYPE_STRING", NULL);
        buf_release(&text);
        return IG_OK;
    }
    if (to->kind == f->type->kind && to->kind <= SCHEMA_DECIMAL && to->precision == f->type->precision &&
        to->scale == f->type->scale)
        return IG_OK; /* it is so */
    if (!lake_draft_is_on(&e->x->d, "delta.enableTypeWidening"))
        return error_set(err, IG_UNSUPPORTED,
                         "changing the type of column %s needs the feature typeWidening: set the property "
                         "delta.enableTypeWidening to true first",
                         f->name);
    if (lake_is_identity(f))
        return error_set(err, IG_INVALID, "column %s is an identity: its type stays", f->name);
    IG_TRY(check_mentions(e, err));
    return lake_widen_field(e->x->arena, f, to, err);
}

static void add_columns_parameter(struct alter *x)
{
    struct buf list, path;

    buf_init(&list, 0);
    buf_init(&path, 0);
    buf_putc(&list, '[');
    for (size_t i = 0; i < x->a->n_columns; i++) {
        const struct lake_column *c = &x->a->columns[i];

        buf_puts(&list, i ? "," : "");
        if (x->a->kind == LAKE_DROP_COLUMNS) {
            json_add_string(&list, str_of(c->name));
            continue;
        }
        buf_puts(&list, "{\"column\":{\"name\":");
        json_add_string(&list, str_of(c->name));
        buf_puts(&list, ",\"type\":");
        json_add_string(&list, str_of(c->type ? c->type : ""));
        buf_puts(&list, ",\"nullable\":true,\"metadata\":{}}");
        if (c->after) {
            buf_puts(&list, ",\"position\":");
            buf_clear(&path);
            buf_printf(&path, "%s%s", *c->after ? "AFTER " : "FIRST", c->after);
            json_add_string(&list, buf_str(&path));
        }
        buf_putc(&list, '}');
    }
    buf_putc(&list, ']');
    lake_alter_parameter(x, "columns", buf_cstr(&list));
    buf_release(&path);
    buf_release(&list);
}

enum ig_code lake_alter_columns(struct alter *x, struct error *err)
{
    struct edit e = {.x = x, .must_exist = true};

    switch (x->a->kind) {
    case LAKE_ADD_COLUMNS:
        e.change = add_column;
        e.must_exist = false;
        x->operation = "ADD COLUMNS";
        break;
    case LAKE_DROP_COLUMNS:
        e.change = drop_column;
        e.must_exist = !x->a->if_exists;
        x->operation = "DROP COLUMNS";
        break;
    case LAKE_MOVE_COLUMN:
        e.change = move_column;
        x->operation = "CHANGE COLUMN";
        break;
    default:
        e.change = change_type;
        x->operation = "CHANGE COLUMN";
        break;
    }
    if (x->a->n_columns == 0)
        return error_set(err, IG_INVALID, "which columns?");
    for (size_t i = 0; i < x->a->n_columns; i++) {
        e.column = &x->a->columns[i];
        IG_TRY(edit_path(&e, e.column->name, err));
    }
    add_columns_parameter(x);
    return IG_OK;
}

/* --- one column -------------------------------------------------------------------------------------------- */

static enum ig_code rename_column(struct edit *e, struct schema_type *parent, size_t at, struct error *err)
{
    struct lake_draft *d = &e->x->d;
    const struct schema_field *taken = schema_find(parent, str_of(e->x->a->name));

    IG_TRY(need_mapping(e, "renaming a column", err));
    IG_TRY(check_mentions(e, err));
    if (taken && taken != &parent->fields[at])
        return error_set(err, IG_EXISTS, "the table has a column %s already", taken->name);
    follow_stats_columns(e, e->x->a->name);
    for (size_t i = 0; i < d->n_partition_columns && e->n_parts == 1; i++)
        if (strcasecmp(d->partition_columns[i], parent->fields[at].name) == 0)
            d->partition_columns[i] = arena_strdup(d->arena, e->x->a->name);
    parent->fields[at].name = arena_strdup(d->arena, e->x->a->name);
    return IG_OK;
}

enum ig_code lake_alter_rename(struct alter *x, struct error *err)
{
    struct edit e = {.x = x, .must_exist = true, .change = rename_column};
    const char **parts;
    size_t n;
    struct buf path;

    if (!x->a->name || !*x->a->name)
        return error_set(err, IG_INVALID, "the new name is missing");
    IG_TRY(edit_path(&e, x->a->column, err));
    IG_TRY(lake_path_of(x->arena, x->a->column, &parts, &n, err));
    buf_init(&path, 0);
    lake_add_path(&path, parts, n);
    x->operation = "RENAME COLUMN";
    lake_alter_parameter(x, "oldColumnPath", buf_cstr(&path));
    parts[n - 1] = x->a->name;
    buf_clear(&path);
    lake_add_path(&path, parts, n);
    lake_alter_parameter(x, "newColumnPath", buf_cstr(&path));
    buf_release(&path);
    return IG_OK;
}

static void add_column_parameter(struct alter *x, const struct edit *e, const struct schema_field *f)
{
    struct buf json, path;

    buf_init(&json, 0);
    buf_init(&path, 0);
    lake_add_path(&path, e->parts, e->n_parts);
    buf_puts(&json, "{\"name\":");
    json_add_string(&json, buf_str(&path));
    buf_puts(&json, ",\"type\":");
    schema_add_json(&json, f->type);
    buf_printf(&json, ",\"nullable\":%s,\"metadata\":%s}", f->nullable ? "true" : "false", f->metadata);
    x->operation = "CHANGE COLUMN";
    lake_alter_parameter(x, "column", buf_cstr(&json));
    buf_release(&path);
    buf_release(&json);
}

static enum ig_code set_nullable(struct edit *e, struct schema_type *parent, size_t at, struct error *err)
{
    (void)err;
    parent->fields[at].nullable = e->x->a->kind == LAKE_DROP_NOT_NULL;
    add_column_parameter(e->x, e, &parent->fields[at]);
    return IG_OK;
}

enum ig_code lake_alter_nullable(struct alter *x, struct error *err)
{
    struct edit e = {.x = x, .must_exist = true, .change = set_nullable};
    const struct schema_field *top;
    enum ig_code rc = IG_OK;
    struct buf sql;

    IG_TRY(edit_path(&e, x->a->column, err));
    if (x->a->kind == LAKE_DROP_NOT_NULL)
        return IG_OK;
    x->reads_rows = true;
    top = schema_find(x->d.schema, str_of(e.parts[0]));
    buf_init(&sql, 0);
    lake_add_not_null(&sql, top);
    if (sql.n)
        rc = lake_check_rows(x->t, x->s, buf_cstr(&sql),
                             arena_printf(x->arena, "NOT NULL of the column %s", x->a->column), err);
    buf_release(&sql);
    return rc;
}

static enum ig_code set_text(struct edit *e, struct schema_type *parent, size_t at, struct error *err)
{
    struct schema_field *f = &parent->fields[at];
    const struct lake_alteration *a = e->x->a;
    const char *key = a->kind == LAKE_SET_COMMENT ? "comment" : "CURRENT_DEFAULT";
    const char *text = a->kind == LAKE_DROP_DEFAULT ? NULL : a->text;

    if (a->kind == LAKE_SET_DEFAULT && (lake_is_generated(f) || lake_is_identity(f)))
        return error_set(err, IG_INVALID, "column %s is generated: it cannot have a default", f->name);
    if (a->kind == LAKE_SET_DEFAULT && e->n_parts > 1)
        return error_set(err, IG_UNSUPPORTED, "column %s is nested: it cannot have a default", f->name);
    f->metadata = text ? lake_object_set_text(e->x->arena, f->metadata, key, text)
                       : lake_object_set(e->x->arena, f->metadata, key, NULL);
    add_column_parameter(e->x, e, f);
    return IG_OK;
}

enum ig_code lake_alter_column_text(struct alter *x, struct error *err)
{
    struct edit e = {.x = x, .must_exist = true, .change = set_text};

    if (x->a->kind == LAKE_SET_DEFAULT && (!x->a->text || !*x->a->text))
        return error_set(err, IG_INVALID, "which default?");
    return edit_path(&e, x->a->column, err);
}
