#include "engine/value.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

bool value_is_number(duckdb_type type)
{
    switch (type) {
    case DUCKDB_TYPE_TINYINT:
    case DUCKDB_TYPE_SMALLINT:
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_BIGINT:
    case DUCKDB_TYPE_UTINYINT:
    case DUCKDB_TYPE_USMALLINT:
    case DUCKDB_TYPE_UINTEGER:
    case DUCKDB_TYPE_UBIGINT:
    case DUCKDB_TYPE_HUGEINT:
    case DUCKDB_TYPE_UHUGEINT:
    case DUCKDB_TYPE_FLOAT:
    case DUCKDB_TYPE_DOUBLE:
    case DUCKDB_TYPE_DECIMAL:
        return true;
    default:
        return false;
    }
}

/* --- numbers ----------------------------------------------------------------------------------------------- */

/* An integer with `scale` digits behind the point. */
static void add_uint128(struct buf *out, unsigned __int128 v, bool negative, unsigned scale)
{
    char digits[48];
    unsigned n = 0;

    do {
        digits[n++] = (char)('0' + (int)(v % 10));
        v /= 10;
        if (n == scale && scale > 0)
            digits[n++] = '.';
    } while (v > 0 || n < scale + (scale > 0 ? 1 : 0));
    if (digits[n - 1] == '.')
        digits[n++] = '0';
    if (negative)
        buf_putc(out, '-');
    while (n > 0)
        buf_putc(out, digits[--n]);
}

static void add_int128(struct buf *out, __int128 v, unsigned scale)
{
    add_uint128(out, v < 0 ? -(unsigned __int128)v : (unsigned __int128)v, v < 0, scale);
}

static __int128 hugeint_of(duckdb_hugeint v)
{
    return (__int128)(((unsigned __int128)(uint64_t)v.upper << 64) | v.lower);
}

static void add_decimal(struct buf *out, const void *data, duckdb_logical_type type, idx_t row)
{
    const unsigned scale = duckdb_decimal_scale(type);

    switch (duckdb_decimal_internal_type(type)) {
    case DUCKDB_TYPE_SMALLINT:
        add_int128(out, ((const int16_t *)data)[row], scale);
        break;
    case DUCKDB_TYPE_INTEGER:
        add_int128(out, ((const int32_t *)data)[row], scale);
        break;
    case DUCKDB_TYPE_BIGINT:
        add_int128(out, ((const int64_t *)data)[row], scale);
        break;
    default:
        add_int128(out, hugeint_of(((const duckdb_hugeint *)data)[row]), scale);
        break;
    }
}

/* The shortest text that reads back as the same number. JSON has no text for infinities and NaN: they become strings.
 */
static void add_double(struct buf *out, double v, bool is_float, enum value_form form)
{
    char text[40];

    if (isnan(v) || isinf(v)) {
        const char *name = isnan(v) ? "NaN" : v > 0 ? "Infinity" : "-Infinity";

        buf_printf(out, form == VALUE_JSON ? "\"%s\"" : "%s", name);
        return;
    }
    for (int digits = is_float ? 6 : 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, v);
        if (is_float ? strtof(text, NULL) == (float)v : strtod(text, NULL) == v)
            break;
    }
    buf_puts(out, text);
    if (!strpbrk(text, ".en"))
        buf_puts(out, ".0");
}

/* --- text -------------------------------------------------------------------------------------------------- */

static void add_text(struct buf *out, struct str s, enum value_form form)
{
    if (form == VALUE_JSON)
        json_add_string(out, s);
    else
        buf_add_str(out, s);
}

static struct str string_at(const void *data, idx_t row)
{
    duckdb_string_t s = ((const duckdb_string_t *)data)[row];
    const uint32_t n = duckdb_string_t_length(s);

    return (struct str){duckdb_string_is_inlined(s) ? ((const duckdb_string_t *)data)[row].value.inlined.inlined
                                                    : s.value.pointer.ptr,
                        n};
}

static void add_blob(struct buf *out, struct str bytes, enum value_form form)
{
    struct buf text;

    buf_init(&text, 0);
    for (size_t i = 0; i < bytes.n; i++) {
        const unsigned char c = (unsigned char)bytes.p[i];

        if (c >= 32 && c < 127 && c != '\\')
            buf_putc(&text, (char)c);
        else
            buf_printf(&text, "\\x%02X", c);
    }
    add_text(out, buf_str(&text), form);
    buf_release(&text);
}

static void add_uuid(struct buf *out, duckdb_hugeint v, enum value_form form)
{
    const uint64_t high = (uint64_t)v.upper ^ (UINT64_C(1) << 63); /* stored with the sign bit flipped, to sort */
    char text[40];

    snprintf(text, sizeof(text), "%08" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%012" PRIx64, high >> 32,
             (high >> 16) & 0xffff, high & 0xffff, v.lower >> 48, v.lower & UINT64_C(0xffffffffffff));
    add_text(out, str_of(text), form);
}

static void add_time(struct buf *out, int64_t us, enum value_form form)
{
    const int64_t seconds = us / 1000000;
    char text[40];
    int n = snprintf(text, sizeof(text), "%02d:%02d:%02d", (int)(seconds / 3600), (int)(seconds / 60 % 60),
                     (int)(seconds % 60));

    if (us % 1000000)
        snprintf(text + n, sizeof(text) - (size_t)n, ".%06d", (int)(us % 1000000));
    add_text(out, str_of(text), form);
}

static void add_timestamp(struct buf *out, int64_t us, bool utc, enum value_form form)
{
    char text[40];
    size_t n;

    if (us == INT64_MAX || us == -INT64_MAX) {
        add_text(out, us > 0 ? STR("infinity") : STR("-infinity"), form);
        return;
    }
    timestamp_format(us, text);
    n = strlen(text);
    if (!utc && n > 0 && text[n - 1] == 'Z')
        text[n - 1] = '\0';
    if (form == VALUE_TEXT) {
        char *t = strchr(text, 'T');

        if (t)
            *t = ' ';
    }
    add_text(out, str_of(text), form);
}

static void add_interval(struct buf *out, duckdb_interval v, enum value_form form)
{
    char text[96];

    snprintf(text, sizeof(text), "%d months %d days %" PRId64 " us", v.months, v.days, v.micros);
    add_text(out, str_of(text), form);
}

static void add_enum(struct buf *out, const void *data, duckdb_logical_type type, idx_t row, enum value_form form)
{
    char *name;
    idx_t i;

    switch (duckdb_enum_internal_type(type)) {
    case DUCKDB_TYPE_UTINYINT:
        i = ((const uint8_t *)data)[row];
        break;
    case DUCKDB_TYPE_USMALLINT:
        i = ((const uint16_t *)data)[row];
        break;
    default:
        i = ((const uint32_t *)data)[row];
        break;
    }
    name = duckdb_enum_dictionary_value(type, i);
    add_text(out, str_of(name), form);
    duckdb_free(name);
}

/* --- nested ------------------------------------------------------------------------------------------------ */

/* Strings inside nested values are quoted in both forms: who reads [a, b] cannot tell one string from two. */
static void add_nested(struct buf *out, duckdb_vector v, duckdb_logical_type type, idx_t row)
{
    value_add(out, v, type, row, VALUE_JSON);
}

static void add_items(struct buf *out, duckdb_vector child, duckdb_logical_type type, idx_t from, idx_t n)
{
    buf_putc(out, '[');
    for (idx_t i = 0; i < n; i++) {
        if (i)
            buf_puts(out, ",");
        add_nested(out, child, type, from + i);
    }
    buf_putc(out, ']');
}

static void add_struct(struct buf *out, duckdb_vector v, duckdb_logical_type type, idx_t row)
{
    const idx_t n = duckdb_struct_type_child_count(type);

    buf_putc(out, '{');
    for (idx_t i = 0; i < n; i++) {
        duckdb_logical_type child = duckdb_struct_type_child_type(type, i);
        char *name = duckdb_struct_type_child_name(type, i);

        if (i)
            buf_putc(out, ',');
        json_add_string(out, str_of(name));
        buf_putc(out, ':');
        add_nested(out, duckdb_struct_vector_get_child(v, i), child, row);
        duckdb_free(name);
        duckdb_destroy_logical_type(&child);
    }
    buf_putc(out, '}');
}

/* A map as a JSON object, its keys as text. */
static void add_map(struct buf *out, duckdb_vector v, duckdb_logical_type type, duckdb_list_entry entry)
{
    const duckdb_vector pairs = duckdb_list_vector_get_child(v);
    duckdb_logical_type key = duckdb_map_type_key_type(type), value = duckdb_map_type_value_type(type);
    struct buf text;

    buf_init(&text, 0);
    buf_putc(out, '{');
    for (idx_t i = 0; i < entry.length; i++) {
        if (i)
            buf_putc(out, ',');
        buf_clear(&text);
        value_add(&text, duckdb_struct_vector_get_child(pairs, 0), key, entry.offset + i, VALUE_TEXT);
        json_add_string(out, buf_str(&text));
        buf_putc(out, ':');
        add_nested(out, duckdb_struct_vector_get_child(pairs, 1), value, entry.offset + i);
    }
    buf_putc(out, '}');
    buf_release(&text);
    duckdb_destroy_logical_type(&key);
    duckdb_destroy_logical_type(&value);
}

static void add_list(struct buf *out, duckdb_vector v, duckdb_logical_type type, duckdb_list_entry entry)
{
    duckdb_logical_type child = duckdb_list_type_child_type(type);

    add_items(out, duckdb_list_vector_get_child(v), child, entry.offset, entry.length);
    duckdb_destroy_logical_type(&child);
}

static void add_array(struct buf *out, duckdb_vector v, duckdb_logical_type type, idx_t row)
{
    duckdb_logical_type child = duckdb_array_type_child_type(type);
    const idx_t n = duckdb_array_type_array_size(type);

    add_items(out, duckdb_array_vector_get_child(v), child, row * n, n);
    duckdb_destroy_logical_type(&child);
}

static void add_date(struct buf *out, int32_t days, enum value_form form)
{
    char text[16];

    if (days == INT32_MAX || days == -INT32_MAX)
        add_text(out, days > 0 ? STR("infinity") : STR("-infinity"), form);
    else
        add_text(out, str_of(date_format(days, text)), form);
}

/* False if the type is no integer. */
static bool add_integer(struct buf *out, const void *data, duckdb_type id, idx_t row)
{
    switch (id) {
    case DUCKDB_TYPE_TINYINT:
        buf_printf(out, "%d", ((const int8_t *)data)[row]);
        break;
    case DUCKDB_TYPE_SMALLINT:
        buf_printf(out, "%d", ((const int16_t *)data)[row]);
        break;
    case DUCKDB_TYPE_INTEGER:
        buf_printf(out, "%" PRId32, ((const int32_t *)data)[row]);
        break;
    case DUCKDB_TYPE_BIGINT:
        buf_printf(out, "%" PRId64, ((const int64_t *)data)[row]);
        break;
    case DUCKDB_TYPE_UTINYINT:
        buf_printf(out, "%u", ((const uint8_t *)data)[row]);
        break;
    case DUCKDB_TYPE_USMALLINT:
        buf_printf(out, "%u", ((const uint16_t *)data)[row]);
        break;
    case DUCKDB_TYPE_UINTEGER:
        buf_printf(out, "%" PRIu32, ((const uint32_t *)data)[row]);
        break;
    case DUCKDB_TYPE_UBIGINT:
        buf_printf(out, "%" PRIu64, ((const uint64_t *)data)[row]);
        break;
    case DUCKDB_TYPE_HUGEINT:
        add_int128(out, hugeint_of(((const duckdb_hugeint *)data)[row]), 0);
        break;
    case DUCKDB_TYPE_UHUGEINT:
        add_uint128(out, (unsigned __int128)hugeint_of(((const duckdb_hugeint *)data)[row]), false, 0);
        break;
    default:
        return false;
    }
    return true;
}

/* What is neither null nor an integer. */
static void add_other(struct buf *out, duckdb_vector vector, duckdb_logical_type type, idx_t row, enum value_form form)
{
    const void *data = duckdb_vector_get_data(vector);
    const duckdb_type id = duckdb_get_type_id(type);

    switch (id) {
    case DUCKDB_TYPE_BOOLEAN:
        buf_puts(out, ((const bool *)data)[row] ? "true" : "false");
        break;
    case DUCKDB_TYPE_FLOAT:
        add_double(out, (double)((const float *)data)[row], true, form);
        break;
    case DUCKDB_TYPE_DOUBLE:
        add_double(out, ((const double *)data)[row], false, form);
        break;
    case DUCKDB_TYPE_DECIMAL:
        add_decimal(out, data, type, row);
        break;
    case DUCKDB_TYPE_DATE:
        add_date(out, ((const int32_t *)data)[row], form);
        break;
    case DUCKDB_TYPE_TIME:
        add_time(out, ((const int64_t *)data)[row], form);
        break;
    case DUCKDB_TYPE_TIME_NS:
        add_time(out, ((const int64_t *)data)[row] / 1000, form);
        break;
    case DUCKDB_TYPE_TIME_TZ: /* 40 bits of microseconds, then the offset, which is UTC here */
        add_time(out, (int64_t)(((const uint64_t *)data)[row] >> 24), form);
        break;
    case DUCKDB_TYPE_TIMESTAMP:
    case DUCKDB_TYPE_TIMESTAMP_TZ:
        add_timestamp(out, ((const int64_t *)data)[row], id == DUCKDB_TYPE_TIMESTAMP_TZ, form);
        break;
    case DUCKDB_TYPE_TIMESTAMP_S:
        add_timestamp(out, ((const int64_t *)data)[row] * 1000000, false, form);
        break;
    case DUCKDB_TYPE_TIMESTAMP_MS:
        add_timestamp(out, ((const int64_t *)data)[row] * 1000, false, form);
        break;
    case DUCKDB_TYPE_TIMESTAMP_NS:
        add_timestamp(out, ((const int64_t *)data)[row] / 1000, false, form);
        break;
    case DUCKDB_TYPE_INTERVAL:
        add_interval(out, ((const duckdb_interval *)data)[row], form);
        break;
    case DUCKDB_TYPE_UUID:
        add_uuid(out, ((const duckdb_hugeint *)data)[row], form);
        break;
    case DUCKDB_TYPE_ENUM:
        add_enum(out, data, type, row, form);
        break;
    case DUCKDB_TYPE_VARCHAR:
        add_text(out, string_at(data, row), form);
        break;
    case DUCKDB_TYPE_BLOB:
        add_blob(out, string_at(data, row), form);
        break;
    case DUCKDB_TYPE_LIST:
        add_list(out, vector, type, ((const duckdb_list_entry *)data)[row]);
        break;
    case DUCKDB_TYPE_MAP:
        add_map(out, vector, type, ((const duckdb_list_entry *)data)[row]);
        break;
    case DUCKDB_TYPE_ARRAY:
        add_array(out, vector, type, row);
        break;
    case DUCKDB_TYPE_STRUCT:
        add_struct(out, vector, type, row);
        break;
    default: /* UNION, BIT, BIGNUM, VARIANT, GEOMETRY: cast them to show them */
        add_text(out, STR("(cast to VARCHAR to see it)"), form);
        break;
    }
}

void value_add(struct buf *out, duckdb_vector vector, duckdb_logical_type type, idx_t row, enum value_form form)
{
    uint64_t *validity = duckdb_vector_get_validity(vector);
    const duckdb_type id = duckdb_get_type_id(type);

    if (id == DUCKDB_TYPE_SQLNULL || (validity && !duckdb_validity_row_is_valid(validity, row)))
        buf_puts(out, form == VALUE_JSON ? "null" : "NULL");
    else if (!add_integer(out, duckdb_vector_get_data(vector), id, row))
        add_other(out, vector, type, row, form);
}
