/*
 * Avro: from JSON to types, by the rules of the specification and with the checks that Apache's Java library makes.
 * A name must be defined before it is used, and once.
 */
#include "registry/avro.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct parser {
    struct avro_schema *schema;
    struct error *err;
    struct buf path; /* where we are, for messages: $.fields[2].type */
    struct avro_named_place {
        struct str full;
        const struct avro_type *type;
    } *places; /* named types by the hash of their full name */
    size_t n_places, mask;
};

static const struct avro_type PRIMITIVES[] = {
    {.kind = AVRO_NULL},  {.kind = AVRO_BOOLEAN}, {.kind = AVRO_INT},   {.kind = AVRO_LONG},
    {.kind = AVRO_FLOAT}, {.kind = AVRO_DOUBLE},  {.kind = AVRO_BYTES}, {.kind = AVRO_STRING},
};

static const struct avro_type *parse_type(struct parser *p, const struct json_node *node, struct str space);

/* Every mistake goes through here, and ends the parsing. */
IG_PRINTF(2, 3) static void *fail(struct parser *p, const char *fmt, ...)
{
    char text[700];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    (void)error_set(p->err, IG_INVALID, "%.200s: %s", buf_cstr(&p->path), text);
    return NULL;
}

/* Goes down a step; the caller goes back up by setting path.n to what this returns. */
IG_PRINTF(2, 3) static size_t enter(struct parser *p, const char *fmt, ...)
{
    const size_t was = p->path.n;
    char step[80];
    va_list args;

    va_start(args, fmt);
    vsnprintf(step, sizeof(step), fmt, args);
    va_end(args);
    buf_puts(&p->path, step);
    return was;
}

static void leave(struct parser *p, size_t was)
{
    p->path.n = was;
    p->path.p[was] = 0;
}

/* --- names -------------------------------------------------------------------------------------------- */

static struct avro_named_place *place_of(struct parser *p, struct str full)
{
    size_t at = hash_fnv1a(full.p, full.n) & p->mask;

    while (p->places[at].type && !str_eq(p->places[at].full, full))
        at = (at + 1) & p->mask;
    return &p->places[at];
}

static void grow_places(struct parser *p)
{
    struct avro_named_place *old = p->places;
    const size_t n = old ? p->mask + 1 : 0;

    p->mask = n ? n * 2 - 1 : 63;
    p->places = check_calloc(p->mask + 1, sizeof(*p->places));
    for (size_t i = 0; i < n; i++)
        if (old[i].type)
            *place_of(p, old[i].full) = old[i];
    free(old);
}

static bool define(struct parser *p, const struct avro_type *type)
{
    struct avro_named_place *place;

    if (p->n_places * 2 >= p->mask)
        grow_places(p);
    place = place_of(p, type->name.full);
    if (place->type) {
        (void)fail(p, "\"" STR_FMT "\" is defined a second time", STR_ARG(type->name.full));
        return false;
    }
    *place = (struct avro_named_place){type->name.full, type};
    p->n_places++;
    return true;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_name(struct str s)
{
    if (s.n == 0 || !is_letter(s.p[0]))
        return false;
    for (size_t i = 1; i < s.n; i++)
        if (!is_letter(s.p[i]) && !(s.p[i] >= '0' && s.p[i] <= '9'))
            return false;
    return true;
}

/* Parts with dots between. A dash is taken in a part, as libraries did for long, although the specification has none.
 */
static bool is_namespace(struct str s)
{
    bool fresh = true;

    for (size_t i = 0; i < s.n; i++) {
        const char c = s.p[i];

        if (c == '.' ? fresh : !is_letter(c) && (fresh || (c != '-' && !(c >= '0' && c <= '9'))))
            return false;
        fresh = c == '.';
    }
    return !fresh;
}

/* `text` as it is written inside of the namespace `space`. False: no name (nothing is reported). */
static bool make_name(struct arena *arena, struct str text, struct str space, struct avro_name *out)
{
    size_t dot = text.n;
    char *full;

    while (dot > 0 && text.p[dot - 1] != '.')
        dot--;
    out->name = text;
    out->space = space.n ? space : (struct str){NULL, 0};
    if (dot > 0) {
        out->name = (struct str){text.p + dot, text.n - dot};
        out->space = dot > 1 ? (struct str){text.p, dot - 1} : (struct str){NULL, 0};
    }
    out->full = out->name;
    if (out->space.n) {
        out->full.n = out->space.n + 1 + out->name.n;
        full = arena_alloc(arena, out->full.n + 1, 1);
        memcpy(full, out->space.p, out->space.n);
        full[out->space.n] = '.';
        memcpy(full + out->space.n + 1, out->name.p, out->name.n);
        out->full.p = full;
    }
    return is_name(out->name) && (!out->space.n || is_namespace(out->space));
}

static const struct avro_type *find_type(struct parser *p, struct str text, struct str space)
{
    struct avro_name name;
    enum avro_kind kind;
    const struct avro_type *type;

    if (avro_kind_of(text, &kind) && kind <= AVRO_STRING)
        return &PRIMITIVES[kind];
    if (!make_name(&p->schema->arena, text, space, &name))
        return fail(p, "\"%.*s\" is no type and cannot be a name", (int)(text.n > 200 ? 200 : text.n), text.p);
    type = place_of(p, name.full)->type;
    if (!type && name.space.n) { /* names without a namespace are seen from everywhere */
        struct avro_name bare;

        if (make_name(&p->schema->arena, text, (struct str){NULL, 0}, &bare))
            type = place_of(p, bare.full)->type;
    }
    return type ? type : fail(p, "the type \"%.*s\" is not defined", (int)(text.n > 200 ? 200 : text.n), text.p);
}

static bool parse_aliases(struct parser *p, const struct json_node *node, struct str **out, size_t *n)
{
    const struct json_node *aliases = json_tree_member(node, "aliases");

    if (!aliases)
        return true;
    if (aliases->type != JSON_ARRAY)
        return fail(p, "\"aliases\" must be an array of strings") != NULL;
    *out = ARENA_ARRAY(&p->schema->arena, struct str, aliases->n + 1);
    json_tree_each(alias, aliases)
    {
        if (alias->type != JSON_STRING)
            return fail(p, "\"aliases\" must be an array of strings") != NULL;
        (*out)[(*n)++] = alias->text;
    }
    return true;
}

/* Name, namespace and aliases; the type can be referred to from then on. */
static bool parse_named(struct parser *p, const struct json_node *node, struct str space, struct avro_type *type)
{
    const struct json_node *own = json_tree_member(node, "namespace");
    const struct str name = json_tree_string(node, "name");
    struct str *aliases = NULL;
    enum avro_kind kind;
    size_t n = 0;

    if (!name.p)
        return fail(p, "a %s needs a \"name\"", avro_kind_name(type->kind)) != NULL;
    if (json_tree_is(own, JSON_STRING))
        space = own->text;
    if (!make_name(&p->schema->arena, name, space, &type->name))
        return fail(p, "\"%.*s\" cannot be the name of a %s: letters, digits and _ (and dots before the last part)",
                    (int)(type->name.full.n > 200 ? 200 : type->name.full.n), type->name.full.p,
                    avro_kind_name(type->kind)) != NULL;
    if (!type->name.space.n && avro_kind_of(type->name.full, &kind) && kind <= AVRO_STRING)
        return fail(p, "a %s cannot be called \"%s\": that is a primitive type", avro_kind_name(type->kind),
                    avro_kind_name(kind)) != NULL;
    if (!parse_aliases(p, node, &aliases, &n))
        return false;
    type->aliases = ARENA_ARRAY(&p->schema->arena, struct avro_name, n + 1);
    for (size_t i = 0; i < n; i++)
        if (!make_name(&p->schema->arena, aliases[i], type->name.space, &type->aliases[type->n_aliases++]))
            return fail(p, "\"%.*s\" cannot be an alias", (int)(aliases[i].n > 200 ? 200 : aliases[i].n),
                        aliases[i].p) != NULL;
    type->owner = p->schema;
    type->id = p->schema->named.n;
    if (!define(p, type))
        return false;
    vec_push(&p->schema->named, type);
    return true;
}

/* --- logical types ------------------------------------------------------------------------------------- */

static bool int_property(const struct json_node *node, const char *name, int64_t *out)
{
    const struct json_node *m = json_tree_member(node, name);

    return json_tree_is(m, JSON_NUMBER) && m->integer && str_to_int64(m->text, INT32_MIN, INT32_MAX, out);
}

static bool decimal_fits(const struct avro_type *type)
{
    int64_t precision, scale = 0;
    double most = INT32_MAX;

    if ((type->kind != AVRO_BYTES && type->kind != AVRO_FIXED) || !int_property(type->node, "precision", &precision))
        return false;
    if (json_tree_member(type->node, "scale") && !int_property(type->node, "scale", &scale))
        return false;
    if (type->kind == AVRO_FIXED)
        most = floor(log10(2) * (8.0 * (double)type->size - 1));
    return precision > 0 && (double)precision <= most && scale >= 0 && scale <= precision;
}

/* A logical type that does not fit its type is ignored, as the specification says. */
static bool logical_fits(const struct avro_type *type)
{
    static const struct {
        const char *name;
        enum avro_kind kind;
        size_t size; /* of a fixed */
    } TYPES[] = {
        {"date", AVRO_INT, 0},
        {"time-millis", AVRO_INT, 0},
        {"time-micros", AVRO_LONG, 0},
        {"timestamp-millis", AVRO_LONG, 0},
        {"timestamp-micros", AVRO_LONG, 0},
        {"timestamp-nanos", AVRO_LONG, 0},
        {"local-timestamp-millis", AVRO_LONG, 0},
        {"local-timestamp-micros", AVRO_LONG, 0},
        {"local-timestamp-nanos", AVRO_LONG, 0},
        {"uuid", AVRO_STRING, 0},
        {"uuid", AVRO_FIXED, 16},
        {"duration", AVRO_FIXED, 12},
        {"big-decimal", AVRO_BYTES, 0},
    };
    const struct str name = json_tree_string(type->node, "logicalType");

    if (!name.p)
        return false;
    if (str_is(name, "decimal"))
        return decimal_fits(type);
    for (size_t i = 0; i < IG_COUNT(TYPES); i++)
        if (str_is(name, TYPES[i].name) && type->kind == TYPES[i].kind &&
            (type->kind != AVRO_FIXED || type->size == TYPES[i].size))
            return true;
    return false;
}

/* --- types ---------------------------------------------------------------------------------------------- */

static struct avro_type *new_type(struct parser *p, enum avro_kind kind, const struct json_node *node)
{
    struct avro_type *type = ARENA_NEW(&p->schema->arena, struct avro_type);

    type->kind = kind;
    type->node = node;
    type->owner = p->schema;
    return type;
}

static struct avro_index new_index(struct parser *p, size_t n)
{
    return (struct avro_index){ARENA_ARRAY(&p->schema->arena, struct avro_key, n + 1), 0};
}

static void index_add(struct avro_index *index, struct str name)
{
    index->keys[index->n] = (struct avro_key){name, index->n};
    index->n++;
}

static const struct avro_type *parse_enum(struct parser *p, const struct json_node *node, struct str space)
{
    const struct json_node *symbols = json_tree_member(node, "symbols"), *d = json_tree_member(node, "default");
    struct avro_type *type = new_type(p, AVRO_ENUM, node);
    struct str twice;
    size_t at;

    if (!parse_named(p, node, space, type))
        return NULL;
    if (!json_tree_is(symbols, JSON_ARRAY))
        return fail(p, "an enum needs \"symbols\", an array of strings");
    type->symbols = ARENA_ARRAY(&p->schema->arena, struct str, symbols->n + 1);
    type->index = new_index(p, symbols->n);
    json_tree_each(symbol, symbols)
    {
        if (symbol->type != JSON_STRING || !is_name(symbol->text))
            return fail(p, "symbols[%zu]: a symbol is a string of letters, digits and _", type->n);
        type->symbols[type->n++] = symbol->text;
        index_add(&type->index, symbol->text);
    }
    avro_index_sort(&type->index);
    if (avro_index_twice(&type->index, &twice))
        return fail(p, "the symbol \"" STR_FMT "\" is there twice", STR_ARG(twice));
    if (json_tree_is(d, JSON_STRING)) {
        if (!avro_index_find(&type->index, d->text, &at))
            return fail(p, "the default \"%.*s\" is not one of the symbols", (int)(d->text.n > 200 ? 200 : d->text.n),
                        d->text.p);
        type->default_symbol = d->text;
    }
    return type;
}

static const struct avro_type *parse_fixed(struct parser *p, const struct json_node *node, struct str space)
{
    struct avro_type *type = new_type(p, AVRO_FIXED, node);
    int64_t size;

    if (!parse_named(p, node, space, type))
        return NULL;
    if (!int_property(node, "size", &size) || size < 0)
        return fail(p, "a fixed needs a \"size\", the number of its bytes");
    type->size = (size_t)size;
    type->logical = logical_fits(type);
    return type;
}

static const struct avro_type *parse_items(struct parser *p, const struct json_node *node, struct str space,
                                           enum avro_kind kind, const char *member)
{
    const struct json_node *items = json_tree_member(node, member);
    struct avro_type *type = new_type(p, kind, node);
    size_t was;

    if (!items)
        return fail(p, "%s %s needs \"%s\", the type of its %s", kind == AVRO_ARRAY ? "an" : "a", avro_kind_name(kind),
                    member, member);
    was = enter(p, ".%s", member);
    type->of = parse_type(p, items, space);
    leave(p, was);
    return type->of ? type : NULL;
}

static const struct avro_type *parse_union(struct parser *p, const struct json_node *node, struct str space)
{
    struct avro_type *type = new_type(p, AVRO_UNION, NULL);
    const struct avro_type *branch;
    struct str twice;
    size_t was;

    type->branches = ARENA_ARRAY(&p->schema->arena, const struct avro_type *, node->n + 1);
    type->index = new_index(p, node->n);
    json_tree_each(item, node)
    {
        was = enter(p, "[%zu]", type->n);
        branch = parse_type(p, item, space);
        if (!branch)
            return NULL;
        if (branch->kind == AVRO_UNION)
            return fail(p, "a union cannot be directly in a union");
        leave(p, was);
        type->branches[type->n++] = branch;
        index_add(&type->index, avro_branch_name(branch));
    }
    avro_index_sort(&type->index);
    if (avro_index_twice(&type->index, &twice))
        return fail(p, "\"" STR_FMT "\" is twice in the union", STR_ARG(twice));
    return type;
}

static bool parse_order(struct parser *p, const struct json_node *node)
{
    static const char *const ORDERS[] = {"ascending", "descending", "ignore"};
    const struct json_node *order = json_tree_member(node, "order");

    if (!order)
        return true;
    for (size_t i = 0; i < IG_COUNT(ORDERS); i++)
        if (order->type == JSON_STRING && order->text.n == strlen(ORDERS[i]) &&
            strncasecmp(order->text.p, ORDERS[i], order->text.n) == 0)
            return true;
    return fail(p, "\"order\" is ascending, descending or ignore") != NULL;
}

static bool parse_default(struct parser *p, struct avro_field *field)
{
    const struct json_node *value = json_tree_member(field->node, "default");
    size_t steps = AVRO_DEFAULT_STEPS;
    struct buf text;
    double number;

    if (!value)
        return true;
    field->default_node = value;
    if ((field->type->kind == AVRO_FLOAT || field->type->kind == AVRO_DOUBLE) && avro_default_double(value, &number))
        return true;
    if (avro_default_fits(field->type, value, &steps))
        return true;
    buf_init(&text, 0);
    json_tree_print(value, false, &text);
    (void)fail(p, "the default %.200s%s of the field \"%.200s\" is no value of its type (%s)", buf_cstr(&text),
               text.n > 200 ? "..." : "", arena_strndup(&p->schema->arena, field->name.p, field->name.n),
               avro_kind_name(field->type->kind));
    buf_release(&text);
    return false;
}

static bool parse_field(struct parser *p, const struct json_node *node, struct str space, struct avro_field *field)
{
    const struct json_node *type = json_tree_member(node, "type");
    size_t was;

    field->node = node;
    field->name = json_tree_string(node, "name");
    if (!field->name.p)
        return fail(p, "a field needs a \"name\"") != NULL;
    if (!is_name(field->name))
        return fail(p, "\"%.*s\" cannot be the name of a field: letters, digits and _",
                    (int)(field->name.n > 200 ? 200 : field->name.n), field->name.p) != NULL;
    if (!type)
        return fail(p, "the field \"" STR_FMT "\" needs a \"type\"", STR_ARG(field->name)) != NULL;
    was = enter(p, ".type");
    field->type = parse_type(p, type, space);
    if (!field->type)
        return false;
    leave(p, was);
    return parse_order(p, node) && parse_aliases(p, node, &field->aliases, &field->n_aliases) &&
           parse_default(p, field);
}

static const struct avro_type *parse_record(struct parser *p, const struct json_node *node, struct str space,
                                            bool is_error)
{
    const struct json_node *fields = json_tree_member(node, "fields");
    struct avro_type *type = new_type(p, AVRO_RECORD, node);
    struct avro_field *list;
    struct avro_index index;
    struct str twice;
    size_t was, n = 0;

    type->is_error = is_error;
    if (!parse_named(p, node, space, type))
        return NULL;
    if (!json_tree_is(fields, JSON_ARRAY))
        return fail(p, "a record needs \"fields\", an array");
    list = ARENA_ARRAY(&p->schema->arena, struct avro_field, fields->n + 1);
    index = new_index(p, fields->n);
    json_tree_each(field, fields)
    {
        was = enter(p, ".fields[%zu]", n);
        if (!parse_field(p, field, type->name.space, &list[n]))
            return NULL;
        leave(p, was);
        index_add(&index, list[n++].name);
    }
    avro_index_sort(&index);
    if (avro_index_twice(&index, &twice))
        return fail(p, "the field \"" STR_FMT "\" is there twice", STR_ARG(twice));
    type->fields = list; /* only now: a default inside of it does not see half of it */
    type->index = index;
    type->n = n;
    return type;
}

static const struct avro_type *parse_object(struct parser *p, const struct json_node *node, struct str space)
{
    const struct str name = json_tree_string(node, "type");
    const bool is_error = str_is(name, "error");
    enum avro_kind kind = AVRO_RECORD;
    struct avro_type *type;

    if (!name.p)
        return fail(p, "a schema needs a \"type\", a string");
    if (!is_error && !avro_kind_of(name, &kind))
        return find_type(p, name, space);
    switch (kind) {
    case AVRO_RECORD:
        return parse_record(p, node, space, is_error);
    case AVRO_ENUM:
        return parse_enum(p, node, space);
    case AVRO_FIXED:
        return parse_fixed(p, node, space);
    case AVRO_ARRAY:
        return parse_items(p, node, space, AVRO_ARRAY, "items");
    case AVRO_MAP:
        return parse_items(p, node, space, AVRO_MAP, "values");
    case AVRO_UNION:
        return fail(p, "a union is written as an array");
    default:
        type = new_type(p, kind, node);
        type->logical = logical_fits(type);
        return type;
    }
}

static const struct avro_type *parse_type(struct parser *p, const struct json_node *node, struct str space)
{
    switch (node->type) {
    case JSON_STRING:
        return find_type(p, node->text, space);
    case JSON_ARRAY:
        return parse_union(p, node, space);
    case JSON_OBJECT:
        return parse_object(p, node, space);
    default:
        return fail(p, "a schema is a name, an object or an array");
    }
}

/* --- the whole ------------------------------------------------------------------------------------------ */

/* The types of a reference, and of those that it refers to; each schema once. */
static bool add_reference(struct parser *p, const struct avro_schema *ref)
{
    for (size_t i = 0; i < p->schema->references.n; i++)
        if (p->schema->references.p[i] == ref)
            return true;
    vec_push(&p->schema->references, ref);
    for (size_t i = 0; i < ref->references.n; i++)
        if (!add_reference(p, ref->references.p[i]))
            return false;
    for (size_t i = 0; i < ref->named.n; i++)
        if (!define(p, ref->named.p[i]))
            return false;
    return true;
}

enum ig_code avro_parse(struct str text, const struct schema_reference *refs, size_t n_refs, struct schema **out,
                        struct error *err)
{
    struct avro_schema *s = check_calloc(1, sizeof(*s));
    struct parser p = {.schema = s, .err = err};
    struct json_node *root;
    enum ig_code rc;

    arena_init(&s->arena);
    s->schema.type = SCHEMA_AVRO;
    buf_init(&p.path, 0);
    buf_puts(&p.path, "$");
    grow_places(&p);
    rc = json_tree_parse(&s->arena, text, &root, err);
    if (rc != IG_OK)
        goto out;
    rc = IG_INVALID;
    for (size_t i = 0; i < n_refs; i++) {
        if (refs[i].schema->type != SCHEMA_AVRO) {
            (void)fail(&p, "the reference \"%s\" is no Avro schema", refs[i].name);
            goto out;
        }
        if (!add_reference(&p, avro_of(refs[i].schema)))
            goto out;
    }
    s->root = parse_type(&p, root, (struct str){NULL, 0});
    if (s->root)
        rc = IG_OK;
out:
    free(p.places);
    buf_release(&p.path);
    if (rc == IG_OK)
        *out = &s->schema;
    else
        avro_free(&s->schema);
    return rc;
}

void avro_free(struct schema *schema)
{
    struct avro_schema *s = (struct avro_schema *)schema;

    vec_free(&s->named);
    vec_free(&s->references);
    arena_release(&s->arena);
    free(s);
}
