#include "lake/table/schema_text.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#define TEXT_DEPTH_MAX 64

struct reader {
    struct arena *a;
    struct engine_conn *c;
    const char *p;
    int depth;
    bool bad;
};

static const struct {
    const char *text;
    enum schema_kind kind;
} words[] = {
    {"byte", SCHEMA_BYTE},
    {"tinyint", SCHEMA_BYTE},
    {"int1", SCHEMA_BYTE},
    {"short", SCHEMA_SHORT},
    {"smallint", SCHEMA_SHORT},
    {"int2", SCHEMA_SHORT},
    {"int", SCHEMA_INTEGER},
    {"integer", SCHEMA_INTEGER},
    {"int4", SCHEMA_INTEGER},
    {"long", SCHEMA_LONG},
    {"bigint", SCHEMA_LONG},
    {"int8", SCHEMA_LONG},
    {"float", SCHEMA_FLOAT},
    {"real", SCHEMA_FLOAT},
    {"float4", SCHEMA_FLOAT},
    {"double", SCHEMA_DOUBLE},
    {"float8", SCHEMA_DOUBLE},
    {"string", SCHEMA_STRING},
    {"text", SCHEMA_STRING},
    {"varchar", SCHEMA_STRING},
    {"char", SCHEMA_STRING},
    {"character", SCHEMA_STRING},
    {"binary", SCHEMA_BINARY},
    {"varbinary", SCHEMA_BINARY},
    {"blob", SCHEMA_BINARY},
    {"bytea", SCHEMA_BINARY},
    {"boolean", SCHEMA_BOOLEAN},
    {"bool", SCHEMA_BOOLEAN},
    {"date", SCHEMA_DATE},
    {"timestamp", SCHEMA_TIMESTAMP},
    {"timestamptz", SCHEMA_TIMESTAMP},
    {"timestamp_ltz", SCHEMA_TIMESTAMP},
    {"timestamp_ntz", SCHEMA_TIMESTAMP_NTZ},
    {"variant", SCHEMA_VARIANT},
    {"decimal", SCHEMA_DECIMAL},
    {"dec", SCHEMA_DECIMAL},
    {"numeric", SCHEMA_DECIMAL},
    {"struct", SCHEMA_STRUCT},
    {"array", SCHEMA_ARRAY},
    {"map", SCHEMA_MAP},
};

static void skip_blanks(struct reader *r)
{
    while (isspace((unsigned char)*r->p))
        r->p++;
}

static bool take(struct reader *r, char c)
{
    skip_blanks(r);
    if (*r->p != c)
        return false;
    r->p++;
    return true;
}

static void expect(struct reader *r, char c)
{
    if (!take(r, c))
        r->bad = true;
}

static const char *read_word(struct reader *r)
{
    const char *start;

    skip_blanks(r);
    start = r->p;
    while (isalnum((unsigned char)*r->p) || *r->p == '_' || (unsigned char)*r->p >= 0x80)
        r->p++;
    return arena_strndup(r->a, start, (size_t)(r->p - start));
}

static bool take_word(struct reader *r, const char *word)
{
    const char *start;

    skip_blanks(r);
    start = r->p;
    if (strcasecmp(read_word(r), word) == 0)
        return true;
    r->p = start;
    return false;
}

/* A plain word, `x`, or "x". */
static const char *read_name(struct reader *r)
{
    struct buf text;
    const char *name;
    char quote;

    skip_blanks(r);
    quote = *r->p;
    if (quote != '`' && quote != '"')
        return read_word(r);
    buf_init(&text, 0);
    for (r->p++; *r->p && (*r->p != quote || r->p[1] == quote); r->p++) {
        r->p += *r->p == quote;
        buf_putc(&text, *r->p);
    }
    expect(r, quote);
    name = arena_strndup(r->a, buf_cstr(&text), text.n);
    buf_release(&text);
    return name;
}

static const struct schema_type *read_type(struct reader *r);

static const char *read_comment(struct reader *r)
{
    struct buf json;
    const char *metadata;
    const char *start;

    skip_blanks(r);
    start = r->p + 1;
    expect(r, '\'');
    while (!r->bad && *r->p && *r->p != '\'')
        r->p++;
    buf_init(&json, 0);
    buf_puts(&json, "{\"comment\":");
    json_add_string(&json, (struct str){start, r->bad ? 0 : (size_t)(r->p - start)});
    buf_putc(&json, '}');
    expect(r, '\'');
    metadata = arena_strndup(r->a, buf_cstr(&json), json.n);
    buf_release(&json);
    return metadata;
}

static void read_struct(struct reader *r, struct schema_type *type)
{
    const char end = take(r, '<') ? '>' : ')';
    VEC(struct schema_field) fields = {0};

    if (end == ')')
        expect(r, '(');
    do {
        struct schema_field f = {.nullable = true, .metadata = "{}"};

        f.name = f.physical = read_name(r);
        r->bad = r->bad || !*f.name;
        (void)take(r, ':');
        f.type = read_type(r);
        if (take_word(r, "NOT"))
            f.nullable = take_word(r, "NULL") ? false : (r->bad = true);
        if (take_word(r, "COMMENT"))
            f.metadata = read_comment(r);
        vec_push(&fields, f);
    } while (!r->bad && take(r, ','));
    expect(r, end);
    type->n_fields = fields.n;
    type->fields = ARENA_ARRAY(r->a, struct schema_field, fields.n ? fields.n : 1);
    if (fields.n)
        memcpy(type->fields, fields.p, fields.n * sizeof(*fields.p));
    vec_free(&fields);
}

static void read_collection(struct reader *r, struct schema_type *type)
{
    const char end = take(r, '<') ? '>' : ')';

    if (end == ')')
        expect(r, '(');
    type->element_nullable = true;
    type->element = read_type(r);
    if (type->kind == SCHEMA_MAP) {
        expect(r, ',');
        type->key = type->element;
        type->element = read_type(r);
    }
    expect(r, end);
}

static int read_int(struct reader *r, int64_t most)
{
    int64_t value = 0;

    if (!str_to_int64(str_of(read_word(r)), 0, most, &value))
        r->bad = true;
    return (int)value;
}

/* decimal(10,2), varchar(5), char(5); DuckDB's varchar has no length. */
static void read_arguments(struct reader *r, const char *word, struct schema_type *type)
{
    if (type->kind == SCHEMA_DECIMAL)
        type->precision = 10;
    if ((type->kind != SCHEMA_DECIMAL && type->kind != SCHEMA_STRING) || !take(r, '('))
        return;
    if (type->kind == SCHEMA_DECIMAL) {
        type->precision = read_int(r, 38);
        if (take(r, ','))
            type->scale = read_int(r, type->precision);
    } else {
        type->limit = read_int(r, INT32_MAX);
        type->padded = strncasecmp(word, "char", 4) == 0;
        r->bad = r->bad || type->limit == 0;
    }
    expect(r, ')');
}

/* A type that only DuckDB knows by this name. */
static void ask_engine(struct reader *r, const char *word, struct schema_type *type)
{
    const struct schema_type *row = NULL;
    struct buf sql;

    buf_init(&sql, 0);
    buf_printf(&sql, "SELECT NULL::%s AS v", word);
    if (!r->c || !*word || schema_of_query(r->a, r->c, buf_cstr(&sql), &row, NULL))
        r->bad = true;
    else
        *type = *row->fields[0].type;
    buf_release(&sql);
}

static const struct schema_type *read_type(struct reader *r)
{
    struct schema_type *type = ARENA_NEW(r->a, struct schema_type), *list;
    const char *word = read_word(r);
    bool known = false;

    if (++r->depth > TEXT_DEPTH_MAX) {
        r->bad = true;
        return type;
    }
    for (size_t i = 0; i < IG_COUNT(words) && !known; i++) {
        known = strcasecmp(words[i].text, word) == 0;
        type->kind = words[i].kind;
    }
    if (!known)
        ask_engine(r, word, type);
    else if (type->kind == SCHEMA_STRUCT)
        read_struct(r, type);
    else if (type->kind == SCHEMA_ARRAY || type->kind == SCHEMA_MAP)
        read_collection(r, type);
    else
        read_arguments(r, word, type);
    if (type->kind == SCHEMA_TIMESTAMP && take_word(r, "WITH"))
        r->bad = !take_word(r, "TIME") || !take_word(r, "ZONE") || r->bad;
    while (take(r, '[')) {
        expect(r, ']');
        list = ARENA_NEW(r->a, struct schema_type);
        *list = (struct schema_type){.kind = SCHEMA_ARRAY, .element = type, .element_nullable = true};
        type = list;
    }
    r->depth--;
    return type;
}

enum ig_code schema_of_text(struct arena *a, struct engine_conn *c, const char *text, const struct schema_type **out,
                            struct error *err)
{
    struct reader r = {.a = a, .c = c, .p = text};

    *out = read_type(&r);
    skip_blanks(&r);
    if (r.bad || *r.p)
        return error_set(err, IG_INVALID, "\"%s\" is no type of a column", text);
    return IG_OK;
}

bool schema_has_limits(const struct schema_type *type)
{
    for (size_t i = 0; i < type->n_fields; i++)
        if (schema_has_limits(type->fields[i].type))
            return true;
    return type->limit > 0 || (type->key && schema_has_limits(type->key)) ||
           (type->element && schema_has_limits(type->element));
}

static void add_name(struct buf *out, const char *name)
{
    bool plain = *name != '\0' && !isdigit((unsigned char)*name);

    for (const char *p = name; *p; p++)
        plain = plain && (isalnum((unsigned char)*p) || *p == '_');
    if (plain) {
        buf_puts(out, name);
        return;
    }
    buf_putc(out, '`');
    for (const char *p = name; *p; p++)
        buf_printf(out, "%s%c", *p == '`' ? "`" : "", *p);
    buf_putc(out, '`');
}

void schema_add_text(struct buf *out, const struct schema_type *type)
{
    static const char *const spark[SCHEMA_DECIMAL] = {
        [SCHEMA_BYTE] = "tinyint",    [SCHEMA_SHORT] = "smallint",      [SCHEMA_INTEGER] = "int",
        [SCHEMA_LONG] = "bigint",     [SCHEMA_FLOAT] = "float",         [SCHEMA_DOUBLE] = "double",
        [SCHEMA_STRING] = "string",   [SCHEMA_BINARY] = "binary",       [SCHEMA_BOOLEAN] = "boolean",
        [SCHEMA_DATE] = "date",       [SCHEMA_TIMESTAMP] = "timestamp", [SCHEMA_TIMESTAMP_NTZ] = "timestamp_ntz",
        [SCHEMA_VARIANT] = "variant",
    };

    switch (type->kind) {
    case SCHEMA_DECIMAL:
        buf_printf(out, "decimal(%d,%d)", type->precision, type->scale);
        break;
    case SCHEMA_STRUCT:
        buf_puts(out, "struct<");
        for (size_t i = 0; i < type->n_fields; i++) {
            buf_puts(out, i ? "," : "");
            add_name(out, type->fields[i].name);
            buf_putc(out, ':');
            schema_add_text(out, type->fields[i].type);
        }
        buf_putc(out, '>');
        break;
    case SCHEMA_ARRAY:
    case SCHEMA_MAP:
        buf_puts(out, type->kind == SCHEMA_MAP ? "map<" : "array<");
        if (type->kind == SCHEMA_MAP) {
            schema_add_text(out, type->key);
            buf_putc(out, ',');
        }
        schema_add_text(out, type->element);
        buf_putc(out, '>');
        break;
    default:
        if (type->kind == SCHEMA_STRING && type->limit)
            buf_printf(out, "%s(%d)", type->padded ? "char" : "varchar", type->limit);
        else
            buf_puts(out, spark[type->kind]);
        break;
    }
}
