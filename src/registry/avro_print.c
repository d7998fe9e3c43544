/*
 * Avro: a schema as text, in the order and the spelling of Apache's Java library, because that is what the registry
 * hands out and compares. Normalized: properties, aliases and defaults in an order and a spelling that do not depend
 * on how they were written.
 */
#include "registry/avro.h"
#include "registry/number.h"

#include <stdlib.h>

struct printer {
    const struct avro_schema *schema;
    struct buf *out;
    bool normal;
    bool **known; /* which named types were printed: ours, and (if `resolved`) those of each reference */
    bool resolved;
    unsigned depth;
};

static void print_type(struct printer *p, const struct avro_type *type, struct str space);

/* As Jackson writes strings. */
static void add_string(struct buf *out, struct str s)
{
    size_t from = 0;

    buf_putc(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        const unsigned char c = (unsigned char)s.p[i];
        const char *short_ = c == '"' ? "\\\"" : c == '\\' ? "\\\\" : c == '\n' ? "\\n" : c == '\t' ? "\\t" : NULL;

        if (c >= 0x20 && !short_)
            continue;
        short_ = c == '\r' ? "\\r" : c == '\b' ? "\\b" : c == '\f' ? "\\f" : short_;
        buf_add(out, s.p + from, i - from);
        from = i + 1;
        if (short_)
            buf_puts(out, short_);
        else
            buf_printf(out, "\\u%04X", c);
    }
    if (s.n > from)
        buf_add(out, s.p + from, s.n - from);
    buf_putc(out, '"');
}

static void add_key(struct buf *out, const char *key)
{
    buf_printf(out, ",\"%s\":", key);
}

/* --- JSON values ------------------------------------------------------------------------------------------ */

static int by_key(const void *a, const void *b)
{
    const struct json_node *const *x = a, *const *y = b;

    return str_cmp((*x)->key, (*y)->key);
}

/* The members, in their own order or by name; the caller frees them. */
static const struct json_node **members_of(const struct json_node *node, bool sorted, size_t *n)
{
    const struct json_node **list = check_malloc((node->n + 1) * sizeof(struct json_node *));

    *n = 0;
    json_tree_each(m, node) list[(*n)++] = m;
    if (sorted && *n)
        qsort(list, *n, sizeof(struct json_node *), by_key);
    return list;
}

static void print_number(const struct json_node *node, struct buf *out)
{
    double d;

    if (node->integer)
        buf_add_str(out, str_is(node->text, "-0") ? STR("0") : node->text);
    else if (str_to_double(node->text, &d))
        number_add_json_double(out, d);
    else
        buf_add_str(out, node->text);
}

/* The type of the member or item of a default; NULL: none is known. */
static const struct avro_type *type_within(const struct avro_type *type, const struct json_node *child)
{
    size_t at;

    if (!type)
        return NULL;
    if (type->kind == AVRO_ARRAY || type->kind == AVRO_MAP)
        return type->of;
    if (type->kind == AVRO_RECORD && avro_index_find(&type->index, child->key, &at))
        return type->fields[at].type;
    return NULL;
}

/* `type`: print it as a value of this type, so that the 1 of a double becomes 1.0. NULL: as it is. */
static void print_json(const struct json_node *node, bool sorted, const struct avro_type *type, struct buf *out)
{
    const struct json_node **members;
    size_t n = 0, at;
    double d;

    if (type && type->kind == AVRO_UNION)
        type = avro_default_branch(type, node, &at);
    if (type && type->kind == AVRO_DOUBLE && avro_default_double(node, &d)) {
        number_add_json_double(out, d);
    } else if (type && type->kind == AVRO_FLOAT && avro_default_double(node, &d)) {
        number_add_json_float(out, (float)d);
    } else if (node->type == JSON_NUMBER) {
        print_number(node, out);
    } else if (node->type == JSON_STRING) {
        add_string(out, node->text);
    } else if (node->type == JSON_OBJECT || node->type == JSON_ARRAY) {
        const bool object = node->type == JSON_OBJECT;

        members = members_of(node, sorted && object, &n);
        buf_putc(out, object ? '{' : '[');
        for (size_t i = 0; i < n; i++) {
            if (i)
                buf_putc(out, ',');
            if (object) {
                add_string(out, members[i]->key);
                buf_putc(out, ':');
            }
            print_json(members[i], sorted, type_within(type, members[i]), out);
        }
        buf_putc(out, object ? '}' : ']');
        free(members);
    } else {
        json_tree_print(node, false, out);
    }
}

/* --- properties --------------------------------------------------------------------------------------------- */

static bool is_one_of(struct str name, const char *const *list)
{
    for (; *list; list++)
        if (str_is(name, *list))
            return true;
    return false;
}

static bool is_property(const struct avro_type *type, struct str name)
{
    static const char *const RESERVED[] = {"doc",     "fields", "items", "name",    "namespace", "size",
                                           "symbols", "values", "type",  "aliases", NULL};

    return !is_one_of(name, RESERVED) && !(type->kind == AVRO_ENUM && str_is(name, "default"));
}

static void print_property(struct printer *p, const struct json_node *m)
{
    buf_putc(p->out, ',');
    add_string(p->out, m->key);
    buf_putc(p->out, ':');
    print_json(m, p->normal, NULL, p->out);
}

static bool scale_is_zero(const struct avro_type *type)
{
    int64_t scale = 0;

    return !json_tree_int64(json_tree_member(type->node, "scale"), &scale) || scale == 0;
}

/* Those of a logical type come first when normalized; a scale of 0 that was written is one like any other. */
static bool leads(const struct avro_type *type, struct str name)
{
    if (!type->logical)
        return false;
    if (str_is(name, "logicalType"))
        return true;
    return str_is(json_tree_string(type->node, "logicalType"), "decimal") &&
           (str_is(name, "precision") || (str_is(name, "scale") && !scale_is_zero(type)));
}

static void print_properties(struct printer *p, const struct avro_type *type)
{
    static const char *const LEADING[] = {"logicalType", "precision", "scale"};
    const struct json_node **members;
    size_t n;

    for (size_t i = 0; p->normal && i < IG_COUNT(LEADING); i++)
        if (leads(type, str_of(LEADING[i])))
            print_property(p, json_tree_member(type->node, LEADING[i]));
    members = members_of(type->node, p->normal, &n);
    for (size_t i = 0; i < n; i++)
        if (is_property(type, members[i]->key) && !(p->normal && leads(type, members[i]->key)))
            print_property(p, members[i]);
    free(members);
}

static bool has_properties(const struct avro_type *type)
{
    json_tree_each(m, type->node) if (is_property(type, m->key)) return true;
    return false;
}

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* `aliases` is ours to sort. An alias that comes twice is printed once. */
static void print_aliases(struct printer *p, struct str *aliases, size_t n)
{
    bool any = false;

    if (n == 0)
        return;
    if (p->normal)
        qsort(aliases, n, sizeof(*aliases), by_text);
    add_key(p->out, "aliases");
    for (size_t i = 0; i < n; i++) {
        bool again = false;

        for (size_t k = 0; k < i && !again && i < 64; k++)
            again = str_eq(aliases[k], aliases[i]);
        if (again)
            continue;
        buf_putc(p->out, any ? ',' : '[');
        add_string(p->out, aliases[i]);
        any = true;
    }
    buf_putc(p->out, ']');
}

/* --- types --------------------------------------------------------------------------------------------------- */

/* The name as it is written within the namespace `space`. */
static struct str name_within(const struct avro_name *name, struct str space)
{
    enum avro_kind kind;

    return name->space.n && str_eq(name->space, space) && !avro_kind_of(name->name, &kind) ? name->name : name->full;
}

static void print_type_aliases(struct printer *p, const struct avro_type *type)
{
    struct str *list = check_malloc((type->n_aliases + 1) * sizeof(*list));
    struct avro_name name = {0};

    for (size_t i = 0; i < type->n_aliases; i++)
        list[i] = type->aliases[i].full;
    if (p->normal && type->n_aliases)
        qsort(list, type->n_aliases, sizeof(*list), by_text);
    for (size_t i = 0; i < type->n_aliases; i++) { /* sorted by the full name, printed by the short one */
        size_t dot = list[i].n;

        while (dot > 0 && list[i].p[dot - 1] != '.')
            dot--;
        name.full = list[i];
        name.name = (struct str){list[i].p + dot, list[i].n - dot};
        name.space = dot > 1 ? (struct str){list[i].p, dot - 1} : (struct str){NULL, 0};
        list[i] = name_within(&name, type->name.space);
    }
    if (type->n_aliases) {
        struct printer as_is = *p;

        as_is.normal = false;
        print_aliases(&as_is, list, type->n_aliases);
    }
    free(list);
}

static void print_doc(struct printer *p, const struct json_node *node, bool keep_empty)
{
    const struct str doc = json_tree_string(node, "doc");

    if (!doc.p || (doc.n == 0 && !keep_empty))
        return;
    add_key(p->out, "doc");
    add_string(p->out, doc);
}

static void print_field(struct printer *p, const struct avro_field *field, struct str space)
{
    static const char *const RESERVED[] = {"default", "doc", "name", "order", "type", "aliases", NULL};
    const struct str order = json_tree_string(field->node, "order");
    const struct json_node **members;
    size_t n;

    buf_puts(p->out, "{\"name\":");
    add_string(p->out, field->name);
    add_key(p->out, "type");
    print_type(p, field->type, space);
    print_doc(p, field->node, true);
    if (field->default_node) {
        const bool text = field->default_node->type == JSON_STRING;
        const bool typed = p->normal || (text && (field->type->kind == AVRO_FLOAT || field->type->kind == AVRO_DOUBLE));
        const struct avro_type as_double = {.kind = AVRO_DOUBLE};

        add_key(p->out, "default");
        print_json(field->default_node, p->normal, !typed ? NULL : p->normal ? field->type : &as_double, p->out);
    }
    if (order.n && strncasecmp(order.p, "ascending", order.n) != 0)
        buf_printf(p->out, ",\"order\":\"%s\"", strncasecmp(order.p, "ignore", order.n) == 0 ? "ignore" : "descending");
    if (field->n_aliases) {
        struct str *aliases = check_malloc(field->n_aliases * sizeof(*aliases));

        memcpy(aliases, field->aliases, field->n_aliases * sizeof(*aliases));
        print_aliases(p, aliases, field->n_aliases);
        free(aliases);
    }
    members = members_of(field->node, p->normal, &n);
    for (size_t i = 0; i < n; i++)
        if (!is_one_of(members[i]->key, RESERVED))
            print_property(p, members[i]);
    free(members);
    buf_putc(p->out, '}');
}

static void print_named_body(struct printer *p, const struct avro_type *type)
{
    if (type->kind == AVRO_RECORD) {
        add_key(p->out, "fields");
        buf_putc(p->out, '[');
        for (size_t i = 0; i < type->n; i++) {
            if (i)
                buf_putc(p->out, ',');
            print_field(p, &type->fields[i], type->name.space);
        }
        buf_putc(p->out, ']');
    } else if (type->kind == AVRO_ENUM) {
        add_key(p->out, "symbols");
        buf_putc(p->out, '[');
        for (size_t i = 0; i < type->n; i++) {
            if (i)
                buf_putc(p->out, ',');
            add_string(p->out, type->symbols[i]);
        }
        buf_putc(p->out, ']');
        if (type->default_symbol.p) {
            add_key(p->out, "default");
            add_string(p->out, type->default_symbol);
        }
    } else {
        buf_printf(p->out, ",\"size\":%zu", type->size);
    }
}

/* Was the type printed before, or is it another schema's? If not, it counts as printed from now on. */
static bool is_known(struct printer *p, const struct avro_type *type)
{
    bool *known = p->known[0];

    if (type->owner != p->schema) {
        size_t at = 0;

        if (!p->resolved || p->depth > AVRO_DEPTH_MAX)
            return true;
        while (p->schema->references.p[at] != type->owner)
            at++;
        known = p->known[at + 1];
    }
    if (known[type->id])
        return true;
    known[type->id] = true;
    return false;
}

static void print_named(struct printer *p, const struct avro_type *type, struct str space)
{
    if (is_known(p, type)) {
        add_string(p->out, name_within(&type->name, space));
        return;
    }
    buf_printf(p->out,
               "{\"type\":\"%s\",\"name\":", type->is_error && !p->normal ? "error" : avro_kind_name(type->kind));
    add_string(p->out, type->name.name);
    if (type->name.space.n ? !str_eq(type->name.space, space) : space.n > 0) {
        add_key(p->out, "namespace");
        add_string(p->out, type->name.space.n ? type->name.space : STR(""));
    }
    print_doc(p, type->node, !p->normal);
    print_named_body(p, type);
    print_properties(p, type);
    print_type_aliases(p, type);
    buf_putc(p->out, '}');
}

static void print_type(struct printer *p, const struct avro_type *type, struct str space)
{
    p->depth++;
    if (type->kind >= AVRO_FIXED) {
        print_named(p, type, space);
    } else if (type->kind == AVRO_UNION) {
        buf_putc(p->out, '[');
        for (size_t i = 0; i < type->n; i++) {
            if (i)
                buf_putc(p->out, ',');
            print_type(p, type->branches[i], space);
        }
        buf_putc(p->out, ']');
    } else if (type->kind <= AVRO_STRING && !has_properties(type)) {
        buf_printf(p->out, "\"%s\"", avro_kind_name(type->kind));
    } else {
        buf_printf(p->out, "{\"type\":\"%s\"", avro_kind_name(type->kind));
        if (type->of) {
            add_key(p->out, type->kind == AVRO_ARRAY ? "items" : "values");
            print_type(p, type->of, space);
        }
        print_properties(p, type);
        buf_putc(p->out, '}');
    }
    p->depth--;
}

static void print_schema(const struct avro_schema *s, bool normal, bool resolved, struct buf *out)
{
    struct printer p = {.schema = s, .out = out, .normal = normal, .resolved = resolved};

    p.known = check_calloc(s->references.n + 1, sizeof(bool *));
    p.known[0] = check_calloc(s->named.n + 1, sizeof(bool));
    for (size_t i = 0; resolved && i < s->references.n; i++)
        p.known[i + 1] = check_calloc(s->references.p[i]->named.n + 1, sizeof(bool));
    print_type(&p, s->root, (struct str){NULL, 0});
    for (size_t i = 0; i <= s->references.n; i++)
        free(p.known[i]);
    free(p.known);
}

void avro_canonical(const struct schema *s, struct buf *out)
{
    print_schema(avro_of(s), false, false, out);
}

void avro_normalize(const struct schema *s, struct buf *out)
{
    print_schema(avro_of(s), true, false, out);
}

enum ig_code avro_formatted(const struct schema *s, struct str format, struct buf *out, struct error *err)
{
    if (!str_is(format, "resolved"))
        return error_set(err, IG_NOT_FOUND, "Avro schemas have no such format");
    print_schema(avro_of(s), false, true, out);
    return IG_OK;
}
