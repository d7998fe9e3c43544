#include "quality/contract.h"

#include <stdio.h>

/* --- the SQL types ------------------------------------------------------------------------------------ */

void contract_add_sql_type(const struct conf_field *field, struct buf *sql)
{
    switch (field->type) {
    case CONF_STRING:
    case CONF_JSON:
        buf_puts(sql, "VARCHAR");
        break;
    case CONF_INT:
        buf_puts(sql, "BIGINT");
        break;
    case CONF_DOUBLE:
        buf_puts(sql, "DOUBLE");
        break;
    case CONF_DECIMAL:
        buf_printf(sql, "DECIMAL(%d,%d)", field->precision, field->scale);
        break;
    case CONF_BOOL:
        buf_puts(sql, "BOOLEAN");
        break;
    case CONF_TIMESTAMP:
        buf_puts(sql, "TIMESTAMP WITH TIME ZONE");
        break;
    case CONF_DATE:
        buf_puts(sql, "DATE");
        break;
    case CONF_LIST:
        contract_add_sql_type(&field->fields[0], sql);
        buf_puts(sql, "[]");
        break;
    case CONF_STRUCT:
        buf_puts(sql, "STRUCT(");
        for (size_t i = 0; i < field->n_fields; i++) {
            buf_puts(sql, i ? ", " : "");
            engine_add_name(sql, str_of(field->fields[i].name));
            buf_putc(sql, ' ');
            contract_add_sql_type(&field->fields[i], sql);
        }
        buf_putc(sql, ')');
        break;
    }
}

/* --- compiling ---------------------------------------------------------------------------------------- */

static enum ig_code compile_shape(struct contract *k, const struct conf_field *fields, size_t n, const char *prefix,
                                  struct shape *out, struct error *err);

static struct node *new_node(struct contract *k, struct str key, const char *label)
{
    struct node *node = ARENA_NEW(&k->arena, struct node);

    node->key = arena_str(&k->arena, key);
    node->id = k->n_nodes++;
    node->label = label;
    return node;
}

static struct node *child_node(struct contract *k, struct node *parent, struct str key, const char *label)
{
    struct node **grown;

    for (size_t i = 0; i < parent->n_children; i++)
        if (str_eq(parent->children[i]->key, key))
            return parent->children[i];
    grown = ARENA_ARRAY(&k->arena, struct node *, parent->n_children + 1);
    if (parent->n_children)
        memcpy(grown, parent->children, parent->n_children * sizeof(struct node *));
    grown[parent->n_children] = new_node(k, key, label);
    parent->children = grown;
    return grown[parent->n_children++];
}

static void add_column(struct contract *k, struct node *node, const struct column *c)
{
    const struct column **grown = ARENA_ARRAY(&k->arena, const struct column *, node->n_columns + 1);

    if (node->n_columns)
        memcpy(grown, node->columns, node->n_columns * sizeof(struct column *));
    grown[node->n_columns++] = c;
    node->columns = grown;
}

/* Hangs a column into the tree at its dotted path. */
static void place(struct contract *k, struct node *root, const struct column *c, const char *prefix)
{
    const char *path = c->field->path ? c->field->path : c->field->name;
    struct node *node = root;

    for (const char *p = path;;) {
        const char *dot = strchr(p, '.');
        const size_t n = dot ? (size_t)(dot - p) : strlen(p);

        node = child_node(k, node, (struct str){p, n},
                          arena_printf(&k->arena, "%s%.*s", prefix, (int)((size_t)(p - path) + n), path));
        if (!dot)
            break;
        p = dot + 1;
    }
    add_column(k, node, c);
}

static enum ig_code compile_pattern(struct column *c, struct error *err)
{
    char why[128];
    int rc;

    if (!c->field->pattern)
        return IG_OK;
    rc = regcomp(&c->pattern, c->field->pattern, REG_EXTENDED | REG_NOSUB);
    if (rc != 0) {
        regerror(rc, &c->pattern, why, sizeof(why));
        return error_set(err, IG_INVALID, "field %s: pattern '%s': %s", c->label, c->field->pattern, why);
    }
    c->has_pattern = true;
    return IG_OK;
}

static enum ig_code compile_column(struct contract *k, const struct conf_field *f, const char *prefix, struct column *c,
                                   struct error *err)
{
    c->field = f;
    c->slot = k->n_slots++;
    c->required = f->required;
    c->label = arena_printf(&k->arena, "%s%s", prefix, f->path ? f->path : f->name);
    c->one_of = f->n_one_of ? ARENA_ARRAY(&k->arena, struct str, f->n_one_of) : NULL;
    for (size_t i = 0; i < f->n_one_of; i++)
        c->one_of[i] = arena_str(&k->arena, str_of(f->one_of[i]));
    IG_TRY(compile_pattern(c, err));
    if (f->type == CONF_STRUCT)
        return compile_shape(k, f->fields, f->n_fields, arena_printf(&k->arena, "%s.", c->label), &c->members, err);
    if (f->type == CONF_LIST) {
        struct column *item = ARENA_NEW(&k->arena, struct column);
        struct conf_field *plain = ARENA_NEW(&k->arena, struct conf_field);

        /* an item has no name of its own */
        *plain = f->fields[0];
        plain->name = plain->path = "[]";
        IG_TRY(compile_column(k, plain, c->label, item, err));
        c->item = new_node(k, STR("[]"), item->label);
        add_column(k, c->item, item);
    }
    return IG_OK;
}

static struct column *column_named(const struct shape *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->columns[i].field->name, name) == 0)
            return &s->columns[i];
    return NULL;
}

static enum ig_code link_demand(struct contract *k, const struct shape *s, const struct column *c, struct error *err)
{
    struct column *when;
    struct demand *grown;

    if (!c->field->when_field)
        return IG_OK;
    when = column_named(s, c->field->when_field);
    if (!when)
        return error_set(err, IG_INVALID, "field %s: required_when names '%s', which is no field beside it", c->label,
                         c->field->when_field);
    grown = ARENA_ARRAY(&k->arena, struct demand, when->n_demands + 1);
    if (when->n_demands)
        memcpy(grown, when->demands, when->n_demands * sizeof(struct demand));
    grown[when->n_demands++] = (struct demand){c, c->field->when_values, c->field->n_when_values};
    when->demands = grown;
    return IG_OK;
}

static enum ig_code compile_shape(struct contract *k, const struct conf_field *fields, size_t n, const char *prefix,
                                  struct shape *out, struct error *err)
{
    out->root = new_node(k, STR(""), prefix);
    out->columns = ARENA_ARRAY(&k->arena, struct column, n ? n : 1);
    out->n = n;
    for (size_t i = 0; i < n; i++) {
        IG_TRY(compile_column(k, &fields[i], prefix, &out->columns[i], err));
        place(k, out->root, &out->columns[i], prefix);
    }
    for (size_t i = 0; i < n; i++)
        IG_TRY(link_demand(k, out, &out->columns[i], err));
    return IG_OK;
}

/* The tree of the event time alone, for the sink. */
static enum ig_code compile_dating(struct contract *k, const struct column *c, struct error *err)
{
    const uint32_t n_nodes = k->n_nodes;
    struct column *copy = ARENA_NEW(&k->arena, struct column);

    k->n_nodes = 0;
    k->dating.root = new_node(k, STR(""), "");
    if (c) {
        *copy = *c;
        copy->slot = 0;
        copy->n_demands = 0;
        k->dating.columns = copy;
        k->dating.n = 1;
        place(k, k->dating.root, copy, "");
    }
    if (k->n_nodes > DATING_NODES_MAX)
        return error_set(err, IG_INVALID, "the path of event_time has over %d parts", DATING_NODES_MAX - 1);
    k->n_nodes = n_nodes;
    return IG_OK;
}

/* Without its key a record can not be told apart, without its time it has no partition: both are always required. */
static enum ig_code require_identity(struct contract *k, struct error *err)
{
    const struct conf_contract *conf = k->conf;
    struct column *c;

    for (size_t i = 0; i < conf->n_key; i++) {
        c = column_named(&k->record, conf->key[i]);
        if (!c)
            return error_set(err, IG_INVALID, "the key names '%s', which is no field", conf->key[i]);
        c->required = true;
    }
    if (!conf->event_time)
        return compile_dating(k, NULL, err);
    c = column_named(&k->record, conf->event_time);
    if (!c || (c->field->type != CONF_TIMESTAMP && c->field->type != CONF_DATE))
        return error_set(err, IG_INVALID, "event_time names '%s', which is no field of type timestamp or date",
                         conf->event_time);
    c->required = true;
    c->event_time = true;
    return compile_dating(k, c, err);
}

enum ig_code contract_new(const struct conf_domain *domain, struct contract **out, struct error *err)
{
    struct contract *k = check_calloc(1, sizeof(*k));
    enum ig_code rc;

    arena_init(&k->arena);
    k->references = 1;
    k->conf = &domain->contract;
    k->not_before_us = k->conf->not_before_days * US_PER_DAY;
    rc = compile_shape(k, k->conf->fields, k->conf->n_fields, "", &k->record, err);
    if (!rc)
        rc = require_identity(k, err);
    if (rc) {
        rc = error_context(err, rc, "contract of %s", domain->name);
        contract_free(k);
        return rc;
    }
    *out = k;
    return IG_OK;
}

static void free_patterns(struct column *c)
{
    if (c->has_pattern)
        regfree(&c->pattern);
    for (size_t i = 0; i < c->members.n; i++)
        free_patterns(&c->members.columns[i]);
    if (c->item)
        free_patterns((struct column *)(uintptr_t)c->item->columns[0]);
}

struct contract *contract_hold(const struct contract *k)
{
    struct contract *mine = (struct contract *)(uintptr_t)k;

    __atomic_add_fetch(&mine->references, 1, __ATOMIC_RELAXED);
    return mine;
}

void contract_free(struct contract *k)
{
    if (!k || __atomic_sub_fetch(&k->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    for (size_t i = 0; i < k->record.n; i++)
        free_patterns(&k->record.columns[i]);
    arena_release(&k->arena);
    free(k);
}
