/*
 * ALTER TABLE: a draft of the metadata, one change, one commit. Who loses the commit to another looks at the table
 * again.
 */
#include "lake/maintain/alter.h"

#include "lake/write/expression.h"
#include "lake/write/rules.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#define ALTER_TRIES 10

void lake_alter_parameter(struct alter *x, const char *name, const char *text)
{
    buf_printf(&x->parameters, "%s\"%s\":", x->parameters.n ? "," : "", name);
    json_add_string(&x->parameters, str_of(text));
}

/* --- properties -------------------------------------------------------------------------------------------- */

/* In-commit timestamps begin with the commit that turns them on: readers of the history must know which. */
static void note_enablement(struct alter *x)
{
    struct lake_draft *d = &x->d;
    const bool before = lake_is_on(x->s, "delta.enableInCommitTimestamps");

    if (!before && lake_draft_is_on(d, "delta.enableInCommitTimestamps")) {
        lake_draft_set(d, "delta.inCommitTimestampEnablementVersion",
                       arena_printf(x->arena, "%lld", (long long)x->s->version + 1));
        lake_draft_set(d, "delta.inCommitTimestampEnablementTimestamp",
                       arena_printf(x->arena, "%lld", (long long)env_now_ms(x->t->store->env)));
    }
    if (before && !lake_draft_is_on(d, "delta.enableInCommitTimestamps")) {
        lake_draft_set(d, "delta.inCommitTimestampEnablementVersion", NULL);
        lake_draft_set(d, "delta.inCommitTimestampEnablementTimestamp", NULL);
    }
}

static void add_property_list(struct alter *x, bool values)
{
    struct buf list;

    buf_init(&list, 0);
    buf_putc(&list, values ? '{' : '[');
    for (size_t i = 0; i < x->a->n_properties; i++) {
        buf_puts(&list, i ? "," : "");
        json_add_string(&list, str_of(x->a->properties[i].key));
        if (values) {
            buf_putc(&list, ':');
            json_add_string(&list, str_of(x->a->properties[i].value));
        }
    }
    buf_putc(&list, values ? '}' : ']');
    lake_alter_parameter(x, "properties", buf_cstr(&list));
    buf_release(&list);
}

static enum ig_code set_properties(struct alter *x, struct error *err)
{
    x->operation = "SET TBLPROPERTIES";
    for (size_t i = 0; i < x->a->n_properties; i++)
        IG_TRY(lake_draft_user_property(&x->d, &x->a->properties[i], err));
    note_enablement(x);
    add_property_list(x, true);
    return IG_OK;
}

static enum ig_code unset_properties(struct alter *x, struct error *err)
{
    static const char *const fixed[] = {"delta.columnMapping.", "delta.rowTracking.",
                                        "delta.inCommitTimestampEnablement"};

    x->operation = "UNSET TBLPROPERTIES";
    for (size_t i = 0; i < x->a->n_properties; i++) {
        const struct lake_property *p = &x->a->properties[i];

        if (lake_constraint_name(p))
            return error_set(err, IG_INVALID, "the property %s: constraints go by DROP CONSTRAINT", p->key);
        for (size_t k = 0; k < IG_COUNT(fixed); k++)
            if (str_has_prefix(str_of(p->key), fixed[k]))
                return error_set(err, IG_INVALID, "the property %s cannot be unset", p->key);
        if (!lake_draft_property(&x->d, p->key) && !x->a->if_exists)
            return error_set(err, IG_INVALID, "the table has no property %s", p->key);
        lake_draft_set(&x->d, p->key, NULL);
    }
    note_enablement(x);
    add_property_list(x, false);
    lake_alter_parameter(x, "ifExists", x->a->if_exists ? "true" : "false");
    return IG_OK;
}

/* --- constraints ------------------------------------------------------------------------------------------- */

/* delta.constraints.NAME as it is in the table, or in small letters as Spark makes it. */
static const char *constraint_key(struct alter *x)
{
    char *key = arena_printf(x->arena, "delta.constraints.%s", x->a->name);

    for (size_t i = 0; i < x->d.properties.n; i++)
        if (strcasecmp(x->d.properties.p[i].key, key) == 0)
            return x->d.properties.p[i].key;
    for (char *p = key + strlen("delta.constraints."); *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return key;
}

static enum ig_code add_constraint(struct alter *x, struct error *err)
{
    const char *key;
    struct buf sql;
    enum ig_code rc;

    if (!x->a->name || !*x->a->name || !x->a->text || !*x->a->text)
        return error_set(err, IG_INVALID, "a constraint needs a name and an expression");
    key = constraint_key(x);
    if (lake_draft_property(&x->d, key))
        return error_set(err, IG_EXISTS, "the table has a constraint %s already", x->a->name);
    buf_init(&sql, 0);
    rc = lake_translate_condition(x->t->conn, x->d.schema, x->a->text, &sql, err);
    if (rc)
        error_context(err, rc, "the constraint %s (%.200s)", x->a->name, x->a->text);
    if (!rc)
        rc = lake_check_rows(x->t, x->s, buf_cstr(&sql),
                             arena_printf(x->arena, "the constraint %s (%s)", x->a->name, x->a->text), err);
    buf_release(&sql);
    if (rc)
        return rc;
    x->reads_rows = true;
    x->operation = "ADD CONSTRAINT";
    lake_draft_set(&x->d, key, x->a->text);
    lake_alter_parameter(x, "name", x->a->name);
    lake_alter_parameter(x, "expr", x->a->text);
    return IG_OK;
}

static enum ig_code drop_constraint(struct alter *x, struct error *err)
{
    const char *key;

    if (!x->a->name || !*x->a->name)
        return error_set(err, IG_INVALID, "which constraint?");
    key = constraint_key(x);
    x->operation = "DROP CONSTRAINT";
    if (!lake_draft_property(&x->d, key) && !x->a->if_exists)
        return error_set(err, IG_INVALID, "the table has no constraint %s", x->a->name);
    lake_draft_set(&x->d, key, NULL);
    lake_alter_parameter(x, "name", x->a->name);
    return IG_OK;
}

/* --- the rest ---------------------------------------------------------------------------------------------- */

static enum ig_code cluster_by(struct alter *x, struct error *err)
{
    struct buf list;
    const char *const *old;
    size_t n_old = 0;

    (void)err;
    x->cluster = true;
    x->n_cluster_by = x->a->n_columns;
    x->cluster_by = ARENA_ARRAY(x->arena, const char *, x->a->n_columns + 1);
    buf_init(&list, 0);
    for (size_t i = 0; i < x->a->n_columns; i++) {
        x->cluster_by[i] = x->a->columns[i].name;
        buf_printf(&list, "%s%s", i ? "," : "", x->a->columns[i].name);
    }
    lake_draft_need(&x->d, "clustering");
    lake_draft_need(&x->d, "domainMetadata");
    x->operation = "CLUSTER BY";
    lake_alter_parameter(x, "newClusteringColumns", buf_cstr(&list));
    buf_clear(&list);
    old = lake_clustering_columns(x->s, x->arena, &n_old);
    for (size_t i = 0; i < n_old; i++)
        buf_printf(&list, "%s%s", i ? "," : "", old[i]);
    lake_alter_parameter(x, "oldClusteringColumns", buf_cstr(&list));
    buf_release(&list);
    return IG_OK;
}

static enum ig_code add_feature(struct alter *x, struct error *err)
{
    if (!x->a->name || !lake_feature_find(str_of(x->a->name)))
        return error_set(err, IG_INVALID, "the table feature %s is not known", x->a->name ? x->a->name : "(none)");
    lake_draft_need(&x->d, x->a->name);
    x->operation = "ADD FEATURE";
    lake_alter_parameter(x, "featureName", x->a->name);
    return IG_OK;
}

static enum ig_code upgrade_protocol(struct alter *x, struct error *err)
{
    const struct lake_protocol *p = &x->s->protocol;

    if (x->a->reader > 3 || x->a->writer > 7 || x->a->reader < 0 || x->a->writer < 0)
        return error_set(err, IG_INVALID, "there is no protocol (%d, %d): readers are 1 to 3, writers 1 to 7",
                         x->a->reader, x->a->writer);
    if ((x->a->reader && x->a->reader < p->reader) || (x->a->writer && x->a->writer < p->writer))
        return error_set(err, IG_INVALID, "the protocol (%lld, %lld) cannot be lowered to (%d, %d)",
                         (long long)p->reader, (long long)p->writer, x->a->reader, x->a->writer);
    if (x->a->reader == 3 && (x->a->writer ? x->a->writer : p->writer) < 7)
        return error_set(err, IG_INVALID, "reader version 3 goes with writer version 7");
    if (x->a->reader == 2 && (x->a->writer ? x->a->writer : p->writer) < 5)
        return error_set(err, IG_INVALID, "reader version 2 goes with writer version 5 or more");
    x->d.reader = x->a->reader;
    x->d.writer = x->a->writer;
    x->operation = "UPGRADE PROTOCOL";
    return IG_OK;
}

static enum ig_code set_comment(struct alter *x, struct error *err)
{
    if (x->a->column)
        return lake_alter_column_text(x, err);
    x->d.description = x->a->text;
    x->operation = "SET TBLPROPERTIES";
    buf_puts(&x->parameters, "\"properties\":");
    {
        struct buf text;

        buf_init(&text, 0);
        buf_puts(&text, "{\"comment\":");
        json_add_string(&text, str_of(x->a->text ? x->a->text : ""));
        buf_putc(&text, '}');
        json_add_string(&x->parameters, buf_str(&text));
        buf_release(&text);
    }
    return IG_OK;
}

/* The high water mark of an identity column from its values. */
static enum ig_code sync_identity(struct alter *x, struct error *err)
{
    const struct schema_field *f = x->a->column ? schema_find(x->d.schema, str_of(x->a->column)) : NULL;
    struct schema_type *schema = ARENA_NEW(x->arena, struct schema_type);
    struct lake_identity id;
    struct engine_rows rows = {0};
    struct buf sql;
    int64_t high;
    enum ig_code rc;

    if (!f || !lake_is_identity(f))
        return error_set(err, IG_INVALID, "the table has no identity column %s", x->a->column ? x->a->column : "");
    IG_TRY(lake_identity_load(f, &id, err));
    buf_init(&sql, 0);
    buf_printf(&sql, "SELECT %s(", id.step > 0 ? "max" : "min");
    engine_add_name(&sql, str_of(f->name));
    buf_puts(&sql, ") FROM ");
    rc = lake_add_scan(x->s, NULL, &sql, err);
    buf_puts(&sql, " AS t");
    if (!rc)
        rc = engine_query(x->t->conn, buf_cstr(&sql), &rows, err);
    *schema = *x->d.schema;
    schema->fields = ARENA_ARRAY(x->arena, struct schema_field, schema->n_fields);
    memcpy(schema->fields, x->d.schema->fields, schema->n_fields * sizeof(*schema->fields));
    if (!rc && engine_next(&rows) && !engine_is_null(&rows, 0)) {
        id.has_high = false; /* what is there decides, also downwards */
        if (lake_identity_high(&id, engine_int64(&rows, 0), &high))
            schema->fields[f - x->d.schema->fields].metadata =
                lake_object_set_int64(x->arena, f->metadata, "delta.identity.highWaterMark", high);
    }
    x->d.schema = schema;
    x->reads_rows = true;
    x->operation = "SYNC IDENTITY";
    engine_rows_free(&rows);
    buf_release(&sql);
    return rc;
}

static enum ig_code (*const changes[])(struct alter *x, struct error *err) = {
    [LAKE_SET_PROPERTIES] = set_properties,
    [LAKE_UNSET_PROPERTIES] = unset_properties,
    [LAKE_ADD_COLUMNS] = lake_alter_columns,
    [LAKE_RENAME_COLUMN] = lake_alter_rename,
    [LAKE_DROP_COLUMNS] = lake_alter_columns,
    [LAKE_CHANGE_TYPE] = lake_alter_columns,
    [LAKE_MOVE_COLUMN] = lake_alter_columns,
    [LAKE_SET_NOT_NULL] = lake_alter_nullable,
    [LAKE_DROP_NOT_NULL] = lake_alter_nullable,
    [LAKE_SET_DEFAULT] = lake_alter_column_text,
    [LAKE_DROP_DEFAULT] = lake_alter_column_text,
    [LAKE_SET_COMMENT] = set_comment,
    [LAKE_ADD_CONSTRAINT] = add_constraint,
    [LAKE_DROP_CONSTRAINT] = drop_constraint,
    [LAKE_CLUSTER_BY] = cluster_by,
    [LAKE_ADD_FEATURE] = add_feature,
    [LAKE_DROP_FEATURE] = lake_alter_drop_feature,
    [LAKE_UPGRADE_PROTOCOL] = upgrade_protocol,
    [LAKE_SYNC_IDENTITY] = sync_identity,
};

/* --- the commit -------------------------------------------------------------------------------------------- */

static enum ig_code commit_draft(struct alter *x, int64_t *version, struct error *err)
{
    const struct lake_commit_options undisturbed = {.only_on_version = x->s->version};
    struct lake_change change = {
        .base = x->s,
        .scope = x->reads_rows ? LAKE_READ_ALL : LAKE_READ_NOTHING,
        .protocol = x->d.protocol,
        .metadata = x->d.metadata,
        .domains = x->d.domains.p,
        .n_domains = x->d.domains.n,
        .backfills = x->backfills.p,
        .n_backfills = x->backfills.n,
        .no_data_change = x->backfills.n > 0,
        .operation = x->operation,
        .options = x->undisturbed ? &undisturbed : NULL,
    };
    struct buf parameters;
    enum ig_code rc;

    if (!change.protocol && !change.metadata && !change.n_domains)
        return IG_OK; /* it is so already */
    if (x->a->kind == LAKE_UPGRADE_PROTOCOL && change.protocol)
        lake_alter_parameter(x, "newProtocol", change.protocol);
    buf_init(&parameters, 0);
    buf_printf(&parameters, "{%s}", buf_cstr(&x->parameters));
    change.parameters = buf_cstr(&parameters);
    rc = lake_commit(x->t, &change, version, err);
    buf_release(&parameters);
    return rc;
}

static enum ig_code alter_once(struct alter *x, int64_t *version, struct error *err)
{
    const struct lake_alteration *a = x->a;

    IG_TRY(lake_check_writable(x->s, false, err));
    IG_ASSERT((size_t)a->kind < IG_COUNT(changes));
    IG_TRY(changes[a->kind](x, err));
    if (x->d.schema != x->s->metadata.schema) {
        IG_TRY(lake_check_names(x->d.schema, lake_draft_is_mapped(&x->d), err));
        if (a->kind == LAKE_SET_DEFAULT)
            IG_TRY(lake_check_expressions(x->arena, x->t->conn, x->d.schema, err));
    }
    IG_TRY(lake_draft_finish(&x->d, x->t->store->env, err));
    if (x->protocol)
        x->d.protocol = x->protocol;
    IG_TRY(lake_check_draft(&x->d, err));
    if (x->cluster)
        IG_TRY(lake_draft_cluster(&x->d, x->cluster_by, x->n_cluster_by, err));
    IG_TRY(lake_alter_row_ids(x, err));
    return commit_draft(x, version, err);
}

enum ig_code lake_alter(struct lake_table *t, const struct lake_alteration *a, int64_t *version, struct error *err)
{
    enum ig_code rc = IG_CONFLICT;

    for (int tries = 0; tries < ALTER_TRIES && rc == IG_CONFLICT; tries++) {
        struct alter x = {.t = t, .a = a};
        struct lake_snapshot *s = NULL;
        struct arena arena;
        int64_t at = -1;

        rc = lake_snapshot_latest(t, &s, err);
        if (rc)
            break;
        arena_init(&arena);
        buf_init(&x.parameters, 0);
        x.s = s;
        x.arena = &arena;
        at = s->version;
        lake_draft_init(&x.d, &arena, s);
        rc = alter_once(&x, &at, err);
        if (!rc && version)
            *version = at;
        lake_draft_release(&x.d);
        vec_free(&x.backfills);
        buf_release(&x.parameters);
        arena_release(&arena);
        lake_snapshot_free(s);
    }
    if (rc)
        error_context(err, rc, "alter %s", *t->path ? t->path : t->store->url);
    return rc;
}
