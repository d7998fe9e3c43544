/*
 * Avro: what the other avro_*.c files share.
 */
#include "registry/avro.h"

#include <stdlib.h>

static const char *const KIND_NAMES[] = {
    [AVRO_NULL] = "null",   [AVRO_BOOLEAN] = "boolean", [AVRO_INT] = "int",     [AVRO_LONG] = "long",
    [AVRO_FLOAT] = "float", [AVRO_DOUBLE] = "double",   [AVRO_BYTES] = "bytes", [AVRO_STRING] = "string",
    [AVRO_ARRAY] = "array", [AVRO_MAP] = "map",         [AVRO_UNION] = "union", [AVRO_FIXED] = "fixed",
    [AVRO_ENUM] = "enum",   [AVRO_RECORD] = "record",
};

const char *avro_kind_name(enum avro_kind kind)
{
    return KIND_NAMES[kind];
}

bool avro_kind_of(struct str name, enum avro_kind *out)
{
    for (size_t i = 0; i < IG_COUNT(KIND_NAMES); i++) {
        if (str_is(name, KIND_NAMES[i])) {
            *out = (enum avro_kind)i;
            return true;
        }
    }
    return false;
}

struct str avro_branch_name(const struct avro_type *type)
{
    return type->kind >= AVRO_FIXED ? type->name.full : str_of(KIND_NAMES[type->kind]);
}

static int by_name(const void *a, const void *b)
{
    const struct avro_key *x = a, *y = b;

    return str_cmp(x->name, y->name);
}

void avro_index_sort(struct avro_index *index)
{
    if (index->n)
        qsort(index->keys, index->n, sizeof(*index->keys), by_name);
}

bool avro_index_twice(const struct avro_index *index, struct str *name)
{
    for (size_t i = 1; i < index->n; i++) {
        if (str_eq(index->keys[i - 1].name, index->keys[i].name)) {
            *name = index->keys[i].name;
            return true;
        }
    }
    return false;
}

bool avro_index_find(const struct avro_index *index, struct str name, size_t *at)
{
    const struct avro_key wanted = {.name = name}, *found;

    found = index->n ? bsearch(&wanted, index->keys, index->n, sizeof(*index->keys), by_name) : NULL;
    if (found)
        *at = found->at;
    return found != NULL;
}

const struct schema_ops schema_avro_ops = {
    .name = "AVRO",
    .parse = avro_parse,
    .free = avro_free,
    .canonical = avro_canonical,
    .formatted = avro_formatted,
    .normalize = avro_normalize,
    .can_read = avro_can_read,
    .decode = avro_decode,
    .encode = avro_encode,
};
