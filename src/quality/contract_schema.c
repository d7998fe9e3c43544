/*
 * A contract as a JSON Schema (draft 7), for the schema registry: what a record of the topic must be. What the contract
 * does not name is allowed, and neither read nor kept, so the schema is open. A column that is not required may be
 * missing or null.
 */
#include "quality/contract.h"

#include <math.h>

/* An object key, with the column that is there and the keys below it. */
struct key {
    struct str name;
    const struct conf_field *field; /* NULL: only keys below */
    struct key *first, *last, *next;
    bool required;
};

static struct key *key_below(struct arena *a, struct key *parent, struct str name)
{
    struct key *k;

    for (k = parent->first; k; k = k->next)
        if (str_eq(k->name, name))
            return k;
    k = ARENA_NEW(a, struct key);
    k->name = name;
    if (parent->last)
        parent->last->next = k;
    else
        parent->first = k;
    parent->last = k;
    return k;
}

static void place_field(struct arena *a, struct key *root, const struct conf_field *f, bool required)
{
    const char *path = f->path ? f->path : f->name;
    struct key *at = root;

    for (const char *p = path;;) {
        const char *dot = strchr(p, '.');

        at = key_below(a, at, (struct str){p, dot ? (size_t)(dot - p) : strlen(p)});
        at->required |= required; /* what is in it can not be there without it */
        if (!dot)
            break;
        p = dot + 1;
    }
    if (!at->field || at->field->type == CONF_JSON)
        at->field = f;
}

/* --- one column -------------------------------------------------------------------------------------------- */

static void add_names(struct buf *out, const char *const *names, size_t n, bool or_null)
{
    buf_putc(out, '[');
    for (size_t i = 0; i < n; i++) {
        buf_puts(out, i ? "," : "");
        json_add_string(out, str_of(names[i]));
    }
    if (or_null)
        buf_puts(out, n ? ",null" : "null");
    buf_putc(out, ']');
}

/* "type":"string", or with others beside it. */
static void add_type(struct buf *out, const char *type, const char *also, bool or_null)
{
    const char *names[3] = {type};
    size_t n = 1;

    if (also)
        names[n++] = also;
    if (or_null)
        names[n++] = "null";
    buf_puts(out, "\"type\":");
    if (n == 1)
        json_add_string(out, str_of(type));
    else
        add_names(out, names, n, false);
}

static void add_bound(struct buf *out, const char *keyword, double value)
{
    if (value == floor(value) && fabs(value) < 1e15)
        buf_printf(out, ",\"%s\":%.0f", keyword, value);
    else
        buf_printf(out, ",\"%s\":%.17g", keyword, value);
}

static void add_bounds(struct buf *out, const struct conf_field *f, const char *least, const char *most)
{
    if (f->has_min)
        add_bound(out, least, f->min);
    if (f->has_max)
        add_bound(out, most, f->max);
}

static void add_string(struct buf *out, const struct conf_field *f, bool or_null)
{
    if (f->lenient) { /* a bool or a number is taken as its text, which the keywords below can not speak of */
        const char *names[] = {"string", "number", "boolean", "null"};

        buf_puts(out, "\"type\":");
        add_names(out, names, or_null ? 4 : 3, false);
        return;
    }
    add_type(out, "string", NULL, or_null);
    if (f->n_one_of) {
        buf_puts(out, ",\"enum\":");
        add_names(out, f->one_of, f->n_one_of, or_null);
    }
    add_bounds(out, f, "minLength", "maxLength");
    if (f->pattern) {
        buf_puts(out, ",\"pattern\":");
        json_add_string(out, str_of(f->pattern));
    }
}

static void add_number(struct buf *out, const struct conf_field *f, bool or_null)
{
    add_type(out, f->type == CONF_INT ? "integer" : "number", f->lenient ? "string" : NULL, or_null);
    add_bounds(out, f, "minimum", "maximum");
    if (f->type == CONF_DECIMAL) {
        const double limit = pow(10, f->precision - f->scale);

        if (!f->has_min)
            add_bound(out, "exclusiveMinimum", -limit);
        if (!f->has_max)
            add_bound(out, "exclusiveMaximum", limit);
        buf_printf(out, ",\"description\":\"decimal(%d,%d)\"", f->precision, f->scale);
    }
}

static void add_object(struct buf *out, struct arena *a, const struct conf_field *fields, size_t n,
                       const struct conf_contract *identity);
static void add_keys(struct buf *out, struct arena *a, const struct key *key);

static void add_field(struct buf *out, struct arena *a, const struct conf_field *f, bool or_null)
{
    switch (f->type) {
    case CONF_STRING:
        add_string(out, f, or_null);
        break;
    case CONF_INT:
    case CONF_DOUBLE:
    case CONF_DECIMAL:
        add_number(out, f, or_null);
        break;
    case CONF_BOOL:
        if (!f->lenient) {
            add_type(out, "boolean", NULL, or_null);
        } else {
            const char *names[] = {"boolean", "string", "number", "null"};

            buf_puts(out, "\"type\":");
            add_names(out, names, or_null ? 4 : 3, false);
        }
        break;
    case CONF_TIMESTAMP:
        if (f->time_unit == CONF_TIME_TEXT) {
            add_type(out, "string", NULL, or_null);
            buf_puts(out, ",\"format\":\"date-time\"");
        } else {
            add_type(out, "number", f->lenient ? "string" : NULL, or_null);
        }
        break;
    case CONF_DATE:
        add_type(out, "string", NULL, or_null);
        buf_puts(out, ",\"format\":\"date\"");
        break;
    case CONF_JSON: /* anything */
        break;
    case CONF_LIST:
        add_type(out, "array", NULL, or_null);
        buf_puts(out, ",\"items\":{");
        add_field(out, a, &f->fields[0], !f->fields[0].required);
        buf_putc(out, '}');
        break;
    case CONF_STRUCT:
        add_type(out, "object", NULL, or_null);
        add_object(out, a, f->fields, f->n_fields, NULL);
        break;
    }
}

/* --- objects ----------------------------------------------------------------------------------------------------- */

static void add_key(struct buf *out, struct arena *a, const struct key *key)
{
    json_add_string(out, key->name);
    buf_puts(out, ":{");
    if (key->first) {
        add_type(out, "object", NULL, !key->required);
        add_keys(out, a, key);
    } else {
        add_field(out, a, key->field, !key->required);
    }
    buf_putc(out, '}');
}

/* ,"properties":{...},"required":[...] */
static void add_keys(struct buf *out, struct arena *a, const struct key *key)
{
    bool any = false;

    buf_puts(out, ",\"properties\":{");
    for (const struct key *k = key->first; k; k = k->next) {
        buf_puts(out, k == key->first ? "" : ",");
        add_key(out, a, k);
    }
    buf_putc(out, '}');
    for (const struct key *k = key->first; k; k = k->next) {
        if (!k->required)
            continue;
        buf_puts(out, any ? "," : ",\"required\":[");
        json_add_string(out, k->name);
        any = true;
    }
    buf_puts(out, any ? "]" : "");
}

static const struct conf_field *field_named(const struct conf_field *fields, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

/* Opens the objects of a path around what comes at its end; returns how many are open. */
static int open_path(struct buf *out, const char *path, bool with_value)
{
    int depth = 0;

    for (const char *p = path;;) {
        const char *dot = strchr(p, '.');
        const struct str name = {p, dot ? (size_t)(dot - p) : strlen(p)};

        buf_puts(out, depth ? ",\"required\":[" : "\"required\":[");
        json_add_string(out, name);
        buf_putc(out, ']');
        if (!dot && !with_value)
            return depth;
        buf_puts(out, ",\"properties\":{");
        json_add_string(out, name);
        buf_putc(out, ':');
        buf_putc(out, '{');
        depth++;
        if (!dot)
            return depth;
        buf_puts(out, "\"type\":\"object\"");
        p = dot + 1;
    }
}

static void close_path(struct buf *out, int depth)
{
    while (depth-- > 0)
        buf_puts(out, "}}");
}

/* required_when: if the other column has one of the values, then this one must be there. */
static void add_demands(struct buf *out, const struct conf_field *fields, size_t n)
{
    bool any = false;
    int depth;

    for (size_t i = 0; i < n; i++) {
        const struct conf_field *f = &fields[i];
        const struct conf_field *when = f->when_field ? field_named(fields, n, f->when_field) : NULL;

        if (!when)
            continue;
        buf_puts(out, any ? ",{\"if\":{" : ",\"allOf\":[{\"if\":{");
        depth = open_path(out, when->path ? when->path : when->name, true);
        buf_puts(out, "\"enum\":");
        add_names(out, f->when_values, f->n_when_values, false);
        close_path(out, depth);
        buf_puts(out, "},\"then\":{");
        depth = open_path(out, f->path ? f->path : f->name, false);
        close_path(out, depth);
        buf_puts(out, "}}");
        any = true;
    }
    buf_puts(out, any ? "]" : "");
}

/* Without its key a record can not be told apart, without its time it has no partition: both are always required. */
static bool is_identity(const struct conf_contract *k, const struct conf_field *f)
{
    for (size_t i = 0; k && i < k->n_key; i++)
        if (strcmp(k->key[i], f->name) == 0)
            return true;
    return k && k->event_time && strcmp(k->event_time, f->name) == 0;
}

static void add_object(struct buf *out, struct arena *a, const struct conf_field *fields, size_t n,
                       const struct conf_contract *identity)
{
    struct key root = {0};

    for (size_t i = 0; i < n; i++)
        place_field(a, &root, &fields[i], fields[i].required || is_identity(identity, &fields[i]));
    add_keys(out, a, &root);
    add_demands(out, fields, n);
}

void contract_add_json_schema(const struct conf_domain *domain, struct buf *out)
{
    struct arena arena;

    arena_init(&arena);
    buf_puts(out, "{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"title\":");
    json_add_string(out, str_of(domain->name));
    buf_puts(out, ",\"type\":\"object\"");
    add_object(out, &arena, domain->contract.fields, domain->contract.n_fields, &domain->contract);
    buf_putc(out, '}');
    arena_release(&arena);
}
