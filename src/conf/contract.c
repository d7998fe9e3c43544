/* The contract: fields with their types and rules, and what the contract says about them. */
#include "conf/keys.h"

#include <regex.h>

#define FIELD_DEPTH_MAX 12
#define FIELD_NAME_MAX 128
#define PATTERN_LENGTH_MAX 20000

const char *const conf_field_types[] = {"string", "int",  "double", "decimal", "bool", "timestamp",
                                        "date",   "json", "list",   "struct",  NULL};
const char *const conf_time_units[] = {"s", "ms", "us", NULL};
const char *const conf_compatibilities[] = {
    "NONE", "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE", NULL};
static const char *const unique_words[] = {"partition", "table", NULL};

static const struct key field_keys[] = {
    {.name = "type"},
    {.name = "path", .kind = KEY_TEXT, .at = offsetof(struct conf_field, path)},
    {.name = "required", .kind = KEY_BOOL, .at = offsetof(struct conf_field, required)},
    {.name = "enum",
     .kind = KEY_TEXTS,
     .at = offsetof(struct conf_field, one_of),
     .at_n = offsetof(struct conf_field, n_one_of)},
    {.name = "min", .kind = KEY_DOUBLE, .at = offsetof(struct conf_field, min)},
    {.name = "max", .kind = KEY_DOUBLE, .at = offsetof(struct conf_field, max)},
    {.name = "pattern", .kind = KEY_TEXT, .at = offsetof(struct conf_field, pattern)},
    {.name = "lenient", .kind = KEY_BOOL, .at = offsetof(struct conf_field, lenient)},
    {.name = "unit"},
    {.name = "required_when"},
    {.name = "items"},
    {.name = "fields"},
};
const struct key_table conf_field_table = {field_keys, IG_COUNT(field_keys)};

static const struct key contract_keys[] = {
    {.name = "key",
     .kind = KEY_TEXTS,
     .at = offsetof(struct conf_contract, key),
     .at_n = offsetof(struct conf_contract, n_key)},
    {.name = "event_time", .kind = KEY_TEXT, .at = offsetof(struct conf_contract, event_time)},
    {.name = "order_by", .kind = KEY_TEXT, .at = offsetof(struct conf_contract, order_by)},
    {.name = "unique",
     .kind = KEY_WORD,
     .at = offsetof(struct conf_contract, unique),
     .default_text = "partition",
     .words = unique_words},
    {.name = "not_before"},
    {.name = "max_future",
     .kind = KEY_DURATION,
     .at = offsetof(struct conf_contract, max_future_ms),
     .min = 1000,
     .max = INT64_C(36500) * 86400000},
    {.name = "compatibility",
     .kind = KEY_WORD,
     .at = offsetof(struct conf_contract, compatibility),
     .default_text = "FULL_TRANSITIVE",
     .words = conf_compatibilities},
    {.name = "fields"},
};
const struct key_table conf_contract_table = {contract_keys, IG_COUNT(contract_keys)};

/* --- types --------------------------------------------------------------------------------------------------- */

/* What people call types elsewhere. */
static const struct {
    const char *theirs, *ours;
} type_aliases[] = {
    {"str", "string"},
    {"text", "string"},
    {"varchar", "string"},
    {"integer", "int"},
    {"long", "int"},
    {"bigint", "int"},
    {"int64", "int"},
    {"int32", "int"},
    {"smallint", "int"},
    {"float", "double"},
    {"float64", "double"},
    {"real", "double"},
    {"number", "double"},
    {"numeric", "decimal"},
    {"boolean", "bool"},
    {"datetime", "timestamp"},
    {"timestamptz", "timestamp"},
    {"time", "timestamp"},
    {"array", "list"},
    {"object", "struct"},
    {"record", "struct"},
    {"map", "json"},
    {"any", "json"},
    {"variant", "json"},
};

static void unknown_type(struct load *l, const struct node *at, struct str word)
{
    const char *text = arena_strndup(l->arena, word.p, word.n);
    const char *near = keys_nearest(text, conf_field_types);

    for (size_t i = 0; i < IG_COUNT(type_aliases); i++)
        if (strcasecmp(type_aliases[i].theirs, text) == 0)
            near = type_aliases[i].ours;
    if (near)
        load_problem(l, at, "type: %s is not a type; did you mean '%s'?", node_shown(l->arena, at), near);
    else
        load_problem(l, at,
                     "type: %s is not a type; the types are string, int, double, decimal(p,s), bool, timestamp, "
                     "date, json, list<type> and struct",
                     node_shown(l->arena, at));
}

static struct str trim(struct str s)
{
    while (s.n && s.p[0] == ' ') {
        s.p++;
        s.n--;
    }
    while (s.n && s.p[s.n - 1] == ' ')
        s.n--;
    return s;
}

/* "(10,2)" or "(10)" */
static bool parse_decimal(struct load *l, const struct node *at, struct str digits, struct conf_field *f)
{
    const char *comma = digits.n ? memchr(digits.p, ',', digits.n) : NULL;
    int64_t precision = 0, scale = 0;
    bool ok = digits.n > 2 && digits.p[0] == '(' && digits.p[digits.n - 1] == ')';

    if (ok && comma) {
        const size_t n = (size_t)(comma - digits.p);

        ok = str_to_int64(trim((struct str){digits.p + 1, n - 1}), 1, 38, &precision) &&
             str_to_int64(trim((struct str){comma + 1, digits.n - n - 2}), 0, precision, &scale);
    } else if (ok) {
        ok = str_to_int64(trim((struct str){digits.p + 1, digits.n - 2}), 1, 38, &precision);
    }
    if (!ok)
        load_problem(l, at,
                     "type: a decimal says its digits, all of them and those behind the point: decimal(10,2); at most "
                     "38 digits");
    f->precision = (int)precision;
    f->scale = (int)scale;
    return ok;
}

static struct conf_field *new_item(struct load *l, struct conf_field *list)
{
    struct conf_field *item = ARENA_NEW(l->arena, struct conf_field);

    item->name = item->path = "item";
    item->lenient = list->lenient;
    list->fields = item;
    list->n_fields = 1;
    return item;
}

static bool parse_type(struct load *l, const struct node *at, struct str text, struct conf_field *f, int depth)
{
    const struct str s = trim(text);

    if (depth > FIELD_DEPTH_MAX) {
        load_problem(l, at, "type: lists and structs are nested too deeply");
        return false;
    }
    for (int i = 0; conf_field_types[i]; i++)
        if (str_is(s, conf_field_types[i]) && i != CONF_DECIMAL) {
            f->type = (enum conf_field_type)i;
            return true;
        }
    if (str_has_prefix(s, "decimal") && (s.n == 7 || s.p[7] == '(' || s.p[7] == ' ')) {
        f->type = CONF_DECIMAL;
        return parse_decimal(l, at, trim((struct str){s.p + 7, s.n - 7}), f);
    }
    if (str_has_prefix(s, "list<") && str_has_suffix(s, ">")) {
        struct conf_field *item = new_item(l, f);

        f->type = CONF_LIST;
        if (!parse_type(l, at, (struct str){s.p + 5, s.n - 6}, item, depth + 1))
            return false;
        if (item->type == CONF_STRUCT || (item->type == CONF_LIST && item->n_fields == 0)) {
            load_problem(l, at, "type: write 'type: list' with 'items: {type: struct, fields: {...}}'");
            return false;
        }
        return true;
    }
    unknown_type(l, at, s);
    return false;
}

/* --- fields -------------------------------------------------------------------------------------------------- */

static void read_fields(struct load *l, const struct node *map, bool lenient, int depth, const struct conf_field **out,
                        size_t *n);

static bool is_word(const char *s)
{
    const size_t n = strlen(s);

    for (size_t i = 0; i < n; i++)
        if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') || s[i] == '_' ||
              (i > 0 && s[i] >= '0' && s[i] <= '9')))
            return false;
    return n > 0 && n <= FIELD_NAME_MAX;
}

static bool is_number(enum conf_field_type t)
{
    return t == CONF_INT || t == CONF_DOUBLE || t == CONF_DECIMAL;
}

/* A rule that has no meaning for the field's type. */
static void refuse_rule(struct load *l, const struct node *map, const char *rule, const struct conf_field *f,
                        const char *meant_for)
{
    load_problem(l, node_key(map, rule), "'%s' has no meaning for type %s; it is for %s", rule,
                 conf_field_types[f->type], meant_for);
}

static void check_bounds(struct load *l, const struct node *map, struct conf_field *f)
{
    const struct node *min = node_get(map, "min"), *max = node_get(map, "max");

    f->has_min = min && min->kind == NODE_SCALAR;
    f->has_max = max && max->kind == NODE_SCALAR;
    if (!is_number(f->type) && f->type != CONF_STRING) {
        if (min)
            refuse_rule(l, map, "min", f, "numbers, and for the length of strings");
        if (max)
            refuse_rule(l, map, "max", f, "numbers, and for the length of strings");
    } else if (f->has_min && f->has_max && f->min > f->max) {
        load_problem(l, min, "min: %s is more than the max, %s", node_shown(l->arena, min), node_shown(l->arena, max));
    }
}

static void check_enum(struct load *l, const struct node *map, const struct conf_field *f)
{
    const struct node *node = node_get(map, "enum");

    if (!node)
        return;
    if (f->type != CONF_STRING)
        refuse_rule(l, map, "enum", f, "strings");
    else if (node->kind == NODE_LIST && node->n == 0)
        load_problem(l, node, "enum: an empty list allows nothing; list the values, or leave the key out");
    for (size_t i = 0; i < f->n_one_of; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(f->one_of[i], f->one_of[k]) == 0 && node->kind == NODE_LIST)
                load_problem(l, node->items[i].value, "enum: %s is listed twice",
                             node_shown(l->arena, node->items[i].value));
}

static void check_pattern(struct load *l, const struct node *map, const struct conf_field *f)
{
    const struct node *node = node_get(map, "pattern");
    char why[128];
    regex_t re;
    int rc;

    if (!f->pattern)
        return;
    if (f->type != CONF_STRING) {
        refuse_rule(l, map, "pattern", f, "strings");
        return;
    }
    if (conf_pattern_length(f->pattern) > PATTERN_LENGTH_MAX) {
        load_problem(l, node, "pattern: %s is more than %d characters once its repetitions are written out",
                     node_shown(l->arena, node), PATTERN_LENGTH_MAX);
        return;
    }
    rc = regcomp(&re, f->pattern, REG_EXTENDED | REG_NOSUB);
    if (rc == 0) {
        regfree(&re);
        return;
    }
    regerror(rc, &re, why, sizeof(why));
    load_problem(l, node, "pattern: %s is not an extended regular expression: %s", node_shown(l->arena, node), why);
}

static void check_unit(struct load *l, const struct node *map, struct conf_field *f)
{
    const struct node *node = node_get(map, "unit");
    int unit;

    if (!node)
        return;
    if (f->type != CONF_TIMESTAMP)
        refuse_rule(l, map, "unit", f, "timestamps that come as numbers");
    else if (keys_word(l, "unit", node, conf_time_units, &unit))
        f->time_unit = (enum conf_time_unit)(unit + 1);
}

/* `required_when: {event_type: [purchase, refund]}`; whether the field is there is asked when all are read. */
static void read_required_when(struct load *l, const struct node *map, struct conf_field *f)
{
    const struct node *node = node_get(map, "required_when");

    if (!node || (node->kind == NODE_NULL && node->written))
        return;
    if (node->kind != NODE_MAP || node->n != 1) {
        load_problem(l, node,
                     "required_when: %s is not one field with its values, like {event_type: [purchase, refund]}",
                     node->kind == NODE_MAP ? "a mapping of several fields" : node_shown(l->arena, node));
        return;
    }
    if (keys_texts(l, "required_when", node->items[0].value, &f->when_values, &f->n_when_values))
        f->when_field = node->items[0].key->text;
}

static void read_nested(struct load *l, const struct node *map, struct conf_field *f, bool from_short_form, int depth);

static void read_field_map(struct load *l, const struct node *map, struct conf_field *f, int depth)
{
    const struct node *type = node_get(map, "type");

    keys_read(l, map, "a field", field_keys, IG_COUNT(field_keys), f);
    if (!type || type->kind != NODE_SCALAR) {
        if (!type)
            load_problem(l, map, "field '%s' has no type; give it one, like 'type: string'", f->name);
        else if (!(type->kind == NODE_NULL && type->written))
            load_problem(l, type, "type: %s is not a type, like string or decimal(10,2)", node_shown(l->arena, type));
        return;
    }
    if (!parse_type(l, type, str_of(type->text), f, depth))
        return;
    if (type->written)
        load_origin(l, &f->type, type->written);
    check_bounds(l, map, f);
    check_enum(l, map, f);
    check_pattern(l, map, f);
    check_unit(l, map, f);
    read_required_when(l, map, f);
    read_nested(l, map, f, f->n_fields > 0, depth);
}

static void read_field(struct load *l, const struct node *node, struct conf_field *f, int depth)
{
    if (node->kind == NODE_MAP) {
        read_field_map(l, node, f, depth);
        return;
    }
    if (node->kind == NODE_NULL && node->written)
        return;
    if (node->kind != NODE_SCALAR) {
        load_problem(l, node, "field '%s': %s is not a type, like string, or {type: string, required: true}", f->name,
                     node_shown(l->arena, node));
        return;
    }
    if (!parse_type(l, node, str_of(node->text), f, depth))
        return;
    if (node->written)
        load_origin(l, &f->type, node->written);
    read_nested(l, node, f, f->n_fields > 0, depth);
}

static void read_nested(struct load *l, const struct node *map, struct conf_field *f, bool from_short_form, int depth)
{
    const struct node *items = node_get(map, "items"), *fields = node_get(map, "fields");

    if (items && (f->type != CONF_LIST || from_short_form))
        load_problem(l, node_key(map, "items"), "'items' goes with 'type: list'");
    else if (f->type == CONF_LIST && !items && !from_short_form)
        load_problem(l, map, "field '%s' is a list of what? Write list<string>, or add 'items:'", f->name);
    else if (items)
        read_field(l, items, new_item(l, f), depth + 1);
    if (fields && f->type != CONF_STRUCT)
        load_problem(l, node_key(map, "fields"), "'fields' goes with 'type: struct'");
    else if (f->type == CONF_STRUCT && !fields)
        load_problem(l, map, "field '%s' is a struct of what? Add 'fields:'", f->name);
    else if (fields)
        read_fields(l, fields, f->lenient, depth + 1, &f->fields, &f->n_fields);
}

static const struct conf_field *find_field(const struct conf_field *fields, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

static const char *nearest_field(struct load *l, const struct conf_field *fields, size_t n, const char *word)
{
    const char **names = ARENA_ARRAY(l->arena, const char *, n + 1);

    for (size_t i = 0; i < n; i++)
        names[i] = fields[i].name;
    return keys_nearest(word, names);
}

static void unknown_field(struct load *l, const struct node *at, const char *key, const char *word,
                          const struct conf_field *fields, size_t n)
{
    const char *near = at->written ? NULL : nearest_field(l, fields, n, word);

    if (near)
        load_problem(l, at, "%s: there is no field '%s'; did you mean '%s'?", key, word, near);
    else
        load_problem(l, at, "%s: there is no field %s in the contract", key, node_shown(l->arena, at));
}

static void check_required_when(struct load *l, const struct node *map, const struct conf_field *fields, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct node *when = node_get(node_get(map, fields[i].name), "required_when");
        const struct conf_field *other;

        if (!fields[i].when_field)
            continue;
        other = find_field(fields, n, fields[i].when_field);
        if (!other)
            unknown_field(l, when->items[0].key, "required_when", fields[i].when_field, fields, n);
        else if (other->type >= CONF_JSON)
            load_problem(l, when->items[0].key, "required_when: '%s' is a %s and has no single value", other->name,
                         conf_field_types[other->type]);
        for (size_t k = 0; other && other->n_one_of && k < fields[i].n_when_values; k++) {
            const struct node *values = when->items[0].value;
            size_t v = 0;

            while (v < other->n_one_of && strcmp(other->one_of[v], fields[i].when_values[k]) != 0)
                v++;
            if (v == other->n_one_of)
                load_problem(l, values, "required_when: %s is not among the values of '%s'",
                             node_shown(l->arena, values->kind == NODE_LIST ? values->items[k].value : values),
                             other->name);
        }
    }
}

static void read_fields(struct load *l, const struct node *map, bool lenient, int depth, const struct conf_field **out,
                        size_t *n)
{
    struct conf_field *fields;

    *n = 0;
    if (map->kind != NODE_MAP || map->n == 0) {
        if (!(map->kind == NODE_NULL && map->written))
            load_problem(l, map, "fields: %s is not a mapping of names to types, like {id: string}",
                         map->kind == NODE_MAP ? "an empty mapping" : node_shown(l->arena, map));
        return;
    }
    if (depth > FIELD_DEPTH_MAX) {
        load_problem(l, map, "fields: lists and structs are nested too deeply");
        return;
    }
    fields = ARENA_ARRAY(l->arena, struct conf_field, map->n);
    for (size_t i = 0; i < map->n; i++) {
        const struct node *name = map->items[i].key;
        struct conf_field *f = &fields[i];

        f->name = f->path = name->text;
        f->lenient = lenient;
        if (!is_word(name->text))
            load_problem(l, name,
                         "%s can not be a column's name: letters, digits and _ only; with 'path:' it can read "
                         "any name",
                         node_shown(l->arena, name));
        for (size_t k = 0; k < i; k++)
            if (strcasecmp(fields[k].name, f->name) == 0 && strcmp(fields[k].name, f->name) != 0)
                load_problem(l, name, "'%s' and '%s' differ only in case, and would be one column", f->name,
                             fields[k].name);
        read_field(l, map->items[i].value, f, depth);
        if (f->path[0] == 0 && f->name[0] != 0) /* an empty name has been said already */
            load_problem(l, node_get(map->items[i].value, "path"), "path: an empty path leads nowhere");
    }
    *out = fields;
    *n = map->n;
    check_required_when(l, map, fields, map->n);
}

/* --- what the contract says about its fields -------------------------------------------------------------------- */

/* Columns that ingot adds itself. */
static const char *const reserved[] = {"_value",         "_key",         "_topic",   "_partition", "_offset",
                                       "_timestamp",     "_ingested_at", "_headers", "_reject",    "_reject_field",
                                       "_reject_detail", "record_hash",  NULL};

static bool is_reserved(const char *name)
{
    for (size_t i = 0; reserved[i]; i++)
        if (strcasecmp(reserved[i], name) == 0)
            return true;
    return false;
}

/* A date field that dates the record is the date column itself. */
static bool is_event_date(const struct conf_contract *k, const struct conf_field *f, const struct conf_domain *d)
{
    return f->type == CONF_DATE && k->event_time && strcmp(k->event_time, f->name) == 0 &&
           strcmp(f->name, d->bronze.date_column) == 0;
}

static void check_column_names(struct load *l, const struct node *fields, const struct node *domain,
                               const struct conf_domain *d)
{
    const struct node *named = node_get(node_get(domain, "bronze"), "partition_by");
    const struct conf_contract *k = &d->contract;

    if (named && (!is_word(d->bronze.date_column) || is_reserved(d->bronze.date_column)))
        load_problem(l, named, "partition_by: %s can not be the date column's name%s", node_shown(l->arena, named),
                     is_reserved(d->bronze.date_column) ? ": ingot has a column of that name" : "");
    for (size_t i = 0; i < k->n_fields; i++) {
        const struct node *at = node_key(fields, k->fields[i].name);

        if (is_reserved(k->fields[i].name))
            load_problem(l, at, "'%s' is a column that ingot adds itself; take another name and 'path: %s'",
                         k->fields[i].name, k->fields[i].name);
        if (strcasecmp(k->fields[i].name, d->bronze.date_column) == 0 && !is_event_date(k, &k->fields[i], d))
            load_problem(l, named ? named : at,
                         "'%s' is a field and the date column too; give the date column another name with "
                         "'bronze: {partition_by: ...}'",
                         k->fields[i].name);
    }
}

static void check_one(struct load *l, const struct node *at, const char *key, const char *name,
                      const struct conf_contract *k, bool (*fits)(enum conf_field_type), const char *wanted)
{
    const struct conf_field *f = find_field(k->fields, k->n_fields, name);

    if (!f)
        unknown_field(l, at, key, name, k->fields, k->n_fields);
    else if (!fits(f->type))
        load_problem(l, at, "%s: '%s' is of type %s; %s is wanted", key, name, conf_field_types[f->type], wanted);
}

static bool is_time(enum conf_field_type t)
{
    return t == CONF_TIMESTAMP || t == CONF_DATE;
}

static bool is_scalar(enum conf_field_type t)
{
    return t < CONF_JSON;
}

static bool is_ordered(enum conf_field_type t)
{
    return t < CONF_JSON && t != CONF_BOOL;
}

static void check_columns(struct load *l, const struct node *map, const struct conf_contract *k)
{
    const struct node *key = node_get(map, "key");

    for (size_t i = 0; i < k->n_key; i++) {
        const struct node *at = key->kind == NODE_LIST ? key->items[i].value : key;

        check_one(l, at, "key", k->key[i], k, is_scalar, "a single value, not json, list or struct,");
        for (size_t e = 0; e < i; e++)
            if (strcmp(k->key[e], k->key[i]) == 0)
                load_problem(l, at, "key: %s is listed twice", node_shown(l->arena, at));
    }
    if (k->event_time)
        check_one(l, node_get(map, "event_time"), "event_time", k->event_time, k, is_time, "a timestamp or date");
    if (k->order_by)
        check_one(l, node_get(map, "order_by"), "order_by", k->order_by, k, is_ordered,
                  "something with an order, like a timestamp or a number,");
    if (k->order_by && k->n_key == 0)
        load_problem(l, node_get(map, "order_by"), "order_by chooses the latest row of a key; add 'key:'");
    if (k->unique == CONF_UNIQUE_TABLE && k->n_key == 0)
        load_problem(l, node_get(map, "unique"), "unique: table needs a key to be unique by; add 'key:'");
}

/* A column's name, a field's path, or a path into a field of json or struct. */
static void check_topic_key(struct load *l, const struct node *domain, const struct conf_domain *d)
{
    const struct node *at = node_get(node_get(domain, "topic"), "key");
    const struct conf_contract *k = &d->contract;
    const char *key = d->topic.key;

    for (size_t i = 0; key && i < k->n_fields; i++) {
        const struct conf_field *f = &k->fields[i];
        const size_t n = strlen(f->path);

        if (strcmp(f->path, key) == 0 || (strncmp(f->path, key, n) == 0 && key[n] == '.' && f->type >= CONF_JSON))
            return;
        if (strcmp(f->name, key) != 0)
            continue;
        if (!is_scalar(f->type))
            load_problem(l, at, "key: '%s' is of type %s; a single value is wanted", key, conf_field_types[f->type]);
        return;
    }
    if (key && at)
        unknown_field(l, at, "key", key, k->fields, k->n_fields);
}

static void read_not_before(struct load *l, const struct node *map, struct conf_contract *k)
{
    const struct node *node = node_get(map, "not_before");

    if (!node || (node->kind == NODE_NULL && node->written))
        return;
    k->has_not_before = node->kind == NODE_SCALAR && date_parse(str_of(node->text), &k->not_before_days);
    if (!k->has_not_before)
        load_problem(l, node, "not_before: %s is not a date like 2020-01-01", node_shown(l->arena, node));
    else if (node->written)
        load_origin(l, &k->not_before_days, node->written);
}

bool load_lenient_default(const struct conf_source *s)
{
    bool csv = s->type == CONF_SOURCE_FILE && s->format == CONF_FORMAT_AUTO && s->n_paths > 0;

    if (s->type == CONF_SOURCE_FILE && s->format == CONF_FORMAT_CSV)
        return true;
    for (size_t i = 0; csv && i < s->n_paths; i++)
        csv = str_has_suffix(str_of(s->paths[i]), ".csv") || str_has_suffix(str_of(s->paths[i]), ".csv.gz");
    return csv;
}

void load_contract(struct load *l, const struct node *map, const struct node *domain, struct conf_domain *d)
{
    struct conf_contract *k = &d->contract;
    const struct node *fields;

    if (!map || map->kind == NODE_NULL) {
        if (!map || !map->written)
            load_problem(l, map ? map : domain, "a domain has a contract: add 'contract:' with 'fields:'");
        return;
    }
    keys_read(l, map, "contract", contract_keys, IG_COUNT(contract_keys), k);
    if (map->kind != NODE_MAP)
        return;
    read_not_before(l, map, k);
    fields = node_get(map, "fields");
    if (!fields) {
        load_problem(l, map, "the contract names its fields: add 'fields:', like {id: string}");
        return;
    }
    read_fields(l, fields, load_lenient_default(&d->source), 0, &k->fields, &k->n_fields);
    if (k->n_fields == 0)
        return;
    check_column_names(l, fields, domain, d);
    check_columns(l, map, k);
    check_topic_key(l, domain, d);
}
