#include "lake/read/stored.h"

/* Digits of the largest integers. */
#define INT32_DIGITS 10
#define INT64_DIGITS 20

static bool is_int(const struct footer_node *n, enum footer_physical physical)
{
    return n->physical == physical &&
           (n->meaning == FOOTER_PLAIN || n->meaning == FOOTER_INTEGER || n->meaning == FOOTER_UNSIGNED);
}

static bool decimal_fits(const struct schema_type *type, const struct footer_node *n)
{
    const int whole = type->precision - type->scale;

    if (n->meaning == FOOTER_DECIMAL)
        return n->scale == type->scale || (n->scale < type->scale && n->precision - n->scale <= whole);
    if (is_int(n, FOOTER_INT32))
        return whole >= INT32_DIGITS || n->meaning == FOOTER_INTEGER;
    return is_int(n, FOOTER_INT64) && whole >= INT64_DIGITS;
}

static bool time_fits(const struct schema_type *type, const struct footer_node *n, enum schema_stored *stored)
{
    const bool local = n->physical == FOOTER_INT96 || (n->physical == FOOTER_INT64 && n->meaning == FOOTER_TIMESTAMP);
    const bool utc = n->physical == FOOTER_INT64 && n->meaning == FOOTER_TIMESTAMP_UTC;

    if (type->kind == SCHEMA_TIMESTAMP ? local : utc)
        *stored = SCHEMA_OTHER_TIME;
    /* A date may have been widened. */
    return local || utc ||
           (type->kind == SCHEMA_TIMESTAMP_NTZ && n->physical == FOOTER_INT32 && n->meaning == FOOTER_DATE);
}

static bool text_fits(const struct schema_type *type, const struct footer_node *n, bool text_option,
                      enum schema_stored *stored)
{
    const bool text = n->physical == FOOTER_BYTES && n->meaning == FOOTER_TEXT;
    const bool plain = n->physical == FOOTER_BYTES && n->meaning == FOOTER_PLAIN;

    if (type->kind == SCHEMA_BINARY) {
        if (text)
            *stored = SCHEMA_OTHER_TEXT;
        return text || plain || (n->physical == FOOTER_FIXED_BYTES && n->meaning == FOOTER_PLAIN);
    }
    if (plain && !text_option)
        *stored = SCHEMA_OTHER_TEXT;
    return text || plain;
}

bool lake_may_be_stored(const struct schema_type *type, const struct footer_node *n, bool text_option,
                        enum schema_stored *stored)
{
    if (n->repeated || n->physical == FOOTER_GROUP)
        return false;
    switch (type->kind) {
    case SCHEMA_BYTE:
    case SCHEMA_SHORT:
    case SCHEMA_INTEGER:
        return is_int(n, FOOTER_INT32);
    case SCHEMA_LONG:
        return is_int(n, FOOTER_INT32) || is_int(n, FOOTER_INT64);
    case SCHEMA_FLOAT:
        return n->physical == FOOTER_FLOAT;
    case SCHEMA_DOUBLE:
        return n->physical == FOOTER_DOUBLE || n->physical == FOOTER_FLOAT || is_int(n, FOOTER_INT32);
    case SCHEMA_BOOLEAN:
        return n->physical == FOOTER_BOOLEAN;
    case SCHEMA_DATE:
        return n->physical == FOOTER_INT32 && n->meaning == FOOTER_DATE;
    case SCHEMA_DECIMAL:
        return decimal_fits(type, n);
    case SCHEMA_TIMESTAMP:
    case SCHEMA_TIMESTAMP_NTZ:
        return time_fits(type, n, stored);
    case SCHEMA_STRING:
    case SCHEMA_BINARY:
        return text_fits(type, n, text_option, stored);
    default:
        return true;
    }
}
