/*
 * Avro: the default of a field is JSON of its own kind: a union's has no branch name around it.
 */
#include "registry/avro.h"

#include <math.h>

bool avro_default_double(const struct json_node *value, double *out)
{
    if (json_tree_double(value, out))
        return true;
    if (!json_tree_is(value, JSON_STRING))
        return false;
    if (str_is(value->text, "NaN"))
        *out = (double)NAN;
    else if (str_is(value->text, "Infinity"))
        *out = (double)INFINITY;
    else if (str_is(value->text, "-Infinity"))
        *out = -(double)INFINITY;
    else
        return str_to_double(value->text, out);
    return true;
}

static bool record_fits(const struct avro_type *type, const struct json_node *value, size_t *steps)
{
    if (value->type != JSON_OBJECT)
        return false;
    for (size_t i = 0; i < type->n; i++) {
        const struct json_node *member = json_tree_member_str(value, type->fields[i].name);

        /* a field's own default was checked when that field was read */
        if (member ? !avro_default_fits(type->fields[i].type, member, steps) : !type->fields[i].default_node)
            return false;
    }
    return true;
}

static bool items_fit(const struct avro_type *type, const struct json_node *value, size_t *steps)
{
    if (value->type != (type->kind == AVRO_ARRAY ? JSON_ARRAY : JSON_OBJECT))
        return false;
    json_tree_each(item, value) if (!avro_default_fits(type->of, item, steps)) return false;
    return true;
}

bool avro_default_fits(const struct avro_type *type, const struct json_node *value, size_t *steps)
{
    int64_t n;

    if (*steps == 0)
        return false;
    (*steps)--;
    switch (type->kind) {
    case AVRO_NULL:
        return value->type == JSON_NULL;
    case AVRO_BOOLEAN:
        return json_tree_is_bool(value);
    case AVRO_INT:
        return value->type == JSON_NUMBER && value->integer && str_to_int64(value->text, INT32_MIN, INT32_MAX, &n);
    case AVRO_LONG:
        return value->type == JSON_NUMBER && value->integer && str_to_int64(value->text, INT64_MIN, INT64_MAX, &n);
    case AVRO_FLOAT:
    case AVRO_DOUBLE:
        return value->type == JSON_NUMBER;
    case AVRO_BYTES:
    case AVRO_STRING:
    case AVRO_FIXED:
    case AVRO_ENUM:
        return value->type == JSON_STRING;
    case AVRO_ARRAY:
    case AVRO_MAP:
        return items_fit(type, value, steps);
    case AVRO_RECORD:
        return record_fits(type, value, steps);
    case AVRO_UNION:
        for (size_t i = 0; i < type->n; i++)
            if (avro_default_fits(type->branches[i], value, steps))
                return true;
        return false;
    }
    IG_UNREACHABLE("a kind of Avro type");
}

const struct avro_type *avro_default_branch(const struct avro_type *type, const struct json_node *value, size_t *at)
{
    for (size_t i = 0; i < type->n; i++) {
        size_t steps = AVRO_DEFAULT_STEPS;

        if (avro_default_fits(type->branches[i], value, &steps)) {
            *at = i;
            return type->branches[i];
        }
    }
    return NULL;
}
