/*
 * The statistics of a new file, from what COPY says about each column, as add.stats wants them. What cannot be given
 * exactly is rounded outwards (a minimum down, a maximum up) or left out: a reader skips files by them.
 */
#include "lake/maintain/alter.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define INDEXED_COLUMNS_DEFAULT 32
#define STRING_MAX_CHARS 32

/* --- what COPY says ---------------------------------------------------------------------------------------- */

static const char *unescaped(struct arena *a, const struct json_value *v)
{
    struct buf text;
    const char *out;

    buf_init(&text, 0);
    json_unescape(v, &text);
    out = arena_strndup(a, buf_cstr(&text), text.n);
    buf_release(&text);
    return out;
}

static struct lake_column_stats parse_column(struct arena *a, const struct json_value *key, struct str object)
{
    struct lake_column_stats c = {.key = unescaped(a, key), .null_count = -1};
    struct json_value name, v;
    struct json_reader r;

    json_reader_init(&r, object);
    json_begin(&r, &v);
    while (json_next_key(&r, &name) && json_read(&r, &v)) {
        if (v.type != JSON_STRING)
            continue;
        if (str_is(name.raw, "min"))
            c.min = unescaped(a, &v);
        else if (str_is(name.raw, "max"))
            c.max = unescaped(a, &v);
        else if (str_is(name.raw, "null_count"))
            (void)!str_to_int64(v.raw, 0, INT64_MAX, &c.null_count);
        else if (str_is(name.raw, "has_nan"))
            c.has_nan = str_is(v.raw, "true");
    }
    return c;
}

struct lake_column_stats *lake_parse_statistics(struct arena *a, struct str json, size_t *n)
{
    VEC(struct lake_column_stats) list = {0};
    struct lake_column_stats *out;
    struct json_value key, v;
    struct json_reader r;

    json_reader_init(&r, json);
    if (json_begin(&r, &v) && v.type == JSON_OBJECT)
        while (json_next_key(&r, &key) && json_read(&r, &v))
            vec_push(&list, parse_column(a, &key, v.raw));
    out = ARENA_ARRAY(a, struct lake_column_stats, list.n ? list.n : 1);
    if (list.n)
        memcpy(out, list.p, list.n * sizeof(*out));
    *n = list.n;
    vec_free(&list);
    return out;
}

const struct lake_column_stats *lake_find_statistics(const struct lake_column_stats *all, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(all[i].key, key) == 0)
            return &all[i];
    return NULL;
}

/* --- values ------------------------------------------------------------------------------------------------ */

static size_t char_length(const char *p)
{
    size_t n = 1;

    while (((unsigned char)p[n] & 0xc0) == 0x80)
        n++;
    return n;
}

/* Long strings are cut. A cut minimum is lower still; a cut maximum gets a character behind it that is higher than
 * the one cut off: DEL, or where that is not, the highest of all. False if there is no such. */
static bool add_string(struct buf *out, const char *text, bool is_max, int64_t chars)
{
    const char *end = text;
    struct buf cut;
    bool ok = true;

    for (int64_t i = 0; i < chars && *end; i++)
        end += char_length(end);
    if (!*end) {
        json_add_string(out, str_of(text));
        return true;
    }
    buf_init(&cut, 0);
    buf_add(&cut, text, (size_t)(end - text));
    if (is_max && (unsigned char)*end < 0x7f)
        buf_putc(&cut, 0x7f);
    else if (is_max)
        buf_puts(&cut, "\xf4\x8f\xbf\xbf");
    if (is_max && strncmp(end, "\xf4\x8f\xbf\xbf", 4) == 0)
        ok = false;
    if (ok)
        json_add_string(out, buf_str(&cut));
    buf_release(&cut);
    return ok;
}

/* Milliseconds, as other engines read them; rounded outwards. */
static bool add_timestamp(struct buf *out, const char *text, bool is_max, bool utc)
{
    char formatted[40], whole[40];
    int64_t us, ms;
    char *dot;

    if (!timestamp_parse(str_of(text), &us))
        return false;
    ms = us / 1000 - (us % 1000 < 0);
    if (is_max && ms * 1000 < us)
        ms++;
    timestamp_format(ms * 1000, formatted);
    snprintf(whole, sizeof(whole), "%s", formatted);
    dot = strpbrk(whole, ".Z");
    if (!dot)
        return false;
    *dot = '\0';
    buf_printf(out, "\"%s.%03d%s\"", whole, (int)((ms % 1000 + 1000) % 1000), utc ? "Z" : "");
    return true;
}

static bool add_float(struct buf *out, const char *text)
{
    double value;

    if (!str_to_double(str_of(text), &value) || !isfinite(value))
        return false;
    buf_puts(out, text);
    return true;
}

static bool is_json_number(const char *text)
{
    text += *text == '-';
    return isdigit((unsigned char)*text) && strspn(text, "0123456789.") == strlen(text);
}

/* Appends a bound as JSON; false if the type has none, or this value cannot be one. */
static bool add_bound(struct buf *out, const struct schema_type *type, const char *text, bool is_max, int64_t chars)
{
    int32_t days;

    switch (type->kind) {
    case SCHEMA_BYTE:
    case SCHEMA_SHORT:
    case SCHEMA_INTEGER:
    case SCHEMA_LONG:
    case SCHEMA_DECIMAL:
        if (!is_json_number(text))
            return false;
        buf_puts(out, text);
        return true;
    case SCHEMA_FLOAT:
    case SCHEMA_DOUBLE:
        return add_float(out, text);
    case SCHEMA_STRING:
        return chars > 0 && add_string(out, text, is_max, chars);
    case SCHEMA_DATE:
        if (!date_parse(str_of(text), &days))
            return false;
        json_add_string(out, str_of(text));
        return true;
    case SCHEMA_TIMESTAMP:
    case SCHEMA_TIMESTAMP_NTZ:
        return add_timestamp(out, text, is_max, type->kind == SCHEMA_TIMESTAMP);
    default: /* no order that all engines share: boolean, binary, arrays, maps */
        return false;
    }
}

/* --- the object -------------------------------------------------------------------------------------------- */

enum part { PART_MIN, PART_MAX, PART_NULLS };

/* A column's path: the parts' names behind one another, each ended by a byte that is in no name. */
#define PATH_END '\x1f'

struct builder {
    const struct lake_snapshot *s;
    const struct lake_column_stats *columns;
    size_t n_columns;
    int64_t left;  /* columns still to be indexed */
    int64_t chars; /* of a text that a bound keeps */
    enum part part;
    bool only_named;         /* delta.dataSkippingStatsColumns: no others than */
    VEC(const char *) named; /* these, and in any case those that the table is clustered by */
};

static const char *path_text(struct arena *a, const char *const *parts, size_t n)
{
    struct buf text;
    const char *out;

    buf_init(&text, 0);
    for (size_t i = 0; i < n; i++)
        buf_printf(&text, "%s%c", parts[i], PATH_END);
    out = arena_strndup(a, buf_cstr(&text), text.n);
    buf_release(&text);
    return out;
}

static void name_listed(struct builder *b, struct arena *a, const char *list)
{
    size_t n, n_parts;
    const char *const *paths = lake_list_of(a, list, &n);
    const char **parts;

    for (size_t i = 0; i < n; i++)
        if (!lake_path_of(a, paths[i], &parts, &n_parts, NULL))
            vec_push(&b->named, path_text(a, parts, n_parts));
}

static void name_columns(struct builder *b, struct arena *a)
{
    const char *list = lake_property(b->s, "delta.dataSkippingStatsColumns", NULL);
    size_t n = 0;
    const char *const *clustering = lake_clustering_columns(b->s, a, &n);

    b->only_named = list != NULL;
    if (list)
        name_listed(b, a, list);
    for (size_t i = 0; i < n; i++) {
        char *path = arena_printf(a, "%s%c", clustering[i], PATH_END);

        for (char *p = path; *p; p++)
            *p = *p == '.' ? PATH_END : *p;
        vec_push(&b->named, path);
    }
}

static bool is_named(const struct builder *b, const char *path)
{
    for (size_t i = 0; i < b->named.n; i++)
        if (strncasecmp(b->named.p[i], path, strlen(b->named.p[i])) == 0)
            return true;
    return false;
}

static bool is_infinity(const char *text)
{
    return text && strcmp(text + (*text == '-'), "infinity") == 0;
}

/* The engine's dates and times without end, which Delta does not have: a table may hold them from elsewhere. */
static bool is_endless(const struct schema_type *type, const struct lake_column_stats *c)
{
    return (type->kind == SCHEMA_DATE || type->kind == SCHEMA_TIMESTAMP || type->kind == SCHEMA_TIMESTAMP_NTZ) &&
           (is_infinity(c->min) || is_infinity(c->max));
}

static bool add_leaf(const struct builder *b, const struct schema_type *type, const char *key, struct buf *out)
{
    const struct lake_column_stats *c = lake_find_statistics(b->columns, b->n_columns, key);

    if (!c)
        return false;
    if (b->part == PART_NULLS) {
        if (c->null_count >= 0)
            buf_printf(out, "%lld", (long long)c->null_count);
        return c->null_count >= 0;
    }
    /* Both bounds or none: a NaN or an infinity in the column makes either useless. */
    if (c->has_nan || !c->min || !c->max || is_endless(type, c))
        return false;
    return add_bound(out, type, b->part == PART_MIN ? c->min : c->max, b->part == PART_MAX, b->chars);
}

static bool is_partition(const struct lake_snapshot *s, const struct schema_field *f)
{
    for (size_t i = 0; i < s->metadata.n_partition_columns; i++)
        if (s->metadata.partition_fields[i] == f)
            return true;
    return false;
}

static bool add_struct(struct builder *b, const struct schema_type *type, struct buf *key, struct buf *path,
                       struct buf *out);

/* `key` is how COPY names the column, `path` how the table does. */
static bool add_column(struct builder *b, const struct schema_field *f, struct buf *key, struct buf *path,
                       struct buf *out)
{
    bool wanted;

    if (f->type->kind == SCHEMA_STRUCT)
        return add_struct(b, f->type, key, path, out);
    wanted = !b->only_named && b->left != 0;
    b->left -= b->left > 0;
    return (wanted || is_named(b, buf_cstr(path))) && add_leaf(b, f->type, buf_cstr(key), out);
}

static void cut(struct buf *text, size_t n)
{
    text->n = n;
    text->p[n] = '\0';
}

/* Appends {"a":1,"s":{"b":2}} of a struct's columns; false, and nothing, if there would be none in it. */
static bool add_struct(struct builder *b, const struct schema_type *type, struct buf *key, struct buf *path,
                       struct buf *out)
{
    const size_t key_base = key->n, path_base = path->n, base = out->n;
    bool any = false;

    buf_putc(out, '{');
    for (size_t i = 0; i < type->n_fields; i++) {
        const struct schema_field *f = &type->fields[i];
        const size_t before = out->n;
        bool added;

        if (key_base == 0 && is_partition(b->s, f))
            continue;
        buf_puts(out, any ? "," : "");
        json_add_string(out, str_of(f->physical));
        buf_putc(out, ':');
        buf_puts(key, key_base ? "." : "");
        engine_add_name(key, str_of(f->physical));
        buf_printf(path, "%s%c", f->name, PATH_END);
        added = add_column(b, f, key, path, out);
        cut(key, key_base);
        cut(path, path_base);
        if (!added)
            cut(out, before);
        any = any || added;
    }
    buf_putc(out, '}');
    if (!any)
        cut(out, base);
    return any;
}

void lake_add_stats(struct buf *out, const struct lake_snapshot *s, int64_t rows, struct str statistics)
{
    static const char *const names[] = {"minValues", "maxValues", "nullCount"};
    int64_t indexed = INDEXED_COLUMNS_DEFAULT;
    struct builder b = {.s = s, .chars = STRING_MAX_CHARS};
    struct buf key, path;
    struct arena arena;

    arena_init(&arena);
    buf_init(&key, 0);
    buf_init(&path, 0);
    buf_puts(&key, "");
    buf_puts(&path, "");
    b.columns = lake_parse_statistics(&arena, statistics, &b.n_columns);
    name_columns(&b, &arena);
    (void)!str_to_int64(str_of(lake_property(s, "delta.dataSkippingNumIndexedCols", "32")), -1, INT64_MAX, &indexed);
    (void)!str_to_int64(str_of(lake_property(s, "delta.dataSkippingStringPrefixLength", "32")), 0, 100000, &b.chars);
    buf_printf(out, "{\"numRecords\":%lld", (long long)rows);
    for (size_t i = 0; i < IG_COUNT(names); i++) {
        const size_t base = out->n;

        b.part = (enum part)i;
        b.left = indexed;
        buf_printf(out, ",\"%s\":", names[i]);
        if (!add_struct(&b, s->metadata.schema, &key, &path, out))
            cut(out, base);
    }
    buf_putc(out, '}');
    buf_release(&path);
    buf_release(&key);
    vec_free(&b.named);
    arena_release(&arena);
}
