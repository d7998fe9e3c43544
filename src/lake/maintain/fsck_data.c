/*
 * The rows of a file against what the log says of it: one query reads all of them, every column, and counts what lies
 * outside of the bounds.
 */
#include "lake/log/seal.h"
#include "lake/maintain/fsck.h"

#include <stdlib.h>

enum what { BELOW, ABOVE, NULLS, NULLS_MORE };

struct test {
    const char *column; /* for people */
    enum what what;
    const char *bound; /* as the log has it */
    int64_t nulls;
};

struct data_check {
    struct fsck *k;
    const struct lake_entry *e;
    struct arena arena;
    VEC(struct test) tests;
    struct buf select;
    bool exact; /* no deletion vector: counts are those of all rows */
};

static const char *text_of(struct data_check *d, const struct json_value *v)
{
    const char *text;
    struct buf out;

    if (v->type != JSON_STRING)
        return arena_strndup(&d->arena, v->raw.p, v->raw.n);
    buf_init(&out, 0);
    json_unescape(v, &out);
    text = arena_strndup(&d->arena, buf_cstr(&out), out.n);
    buf_release(&out);
    return text;
}

static bool has_order(const struct schema_type *type)
{
    switch (type->kind) {
    case SCHEMA_BINARY:
    case SCHEMA_BOOLEAN:
    case SCHEMA_STRUCT:
    case SCHEMA_ARRAY:
    case SCHEMA_MAP:
        return false;
    default:
        return true;
    }
}

static void add_bound_test(struct data_check *d, const struct schema_type *type, const char *expression,
                           const char *column, enum what what, const struct json_value *v)
{
    const bool is_float = type->kind == SCHEMA_FLOAT || type->kind == SCHEMA_DOUBLE;
    const bool is_time = type->kind == SCHEMA_TIMESTAMP || type->kind == SCHEMA_TIMESTAMP_NTZ;
    struct test test = {.column = column, .what = what, .bound = text_of(d, v)};

    if (!has_order(type) || v->type == JSON_NULL)
        return;
    buf_printf(&d->select, ", count(*) FILTER (WHERE %s %s TRY_CAST(", expression, what == BELOW ? "<" : ">");
    engine_add_literal(&d->select, str_of(test.bound));
    buf_puts(&d->select, " AS ");
    schema_add_sql(&d->select, type);
    /* Times were cut to milliseconds; a NaN is in no bounds. */
    buf_printf(&d->select, ")%s%s%s%s)", is_time && what == ABOVE ? " + INTERVAL 1 MILLISECOND" : "",
               is_float ? " AND NOT isnan(" : "", is_float ? expression : "", is_float ? ")" : "");
    vec_push(&d->tests, test);
}

static void add_null_test(struct data_check *d, const char *expression, const char *column, const struct json_value *v)
{
    struct test test = {.column = column, .what = d->exact ? NULLS : NULLS_MORE};

    if (v->type != JSON_NUMBER || !str_to_int64(v->raw, 0, INT64_MAX, &test.nulls))
        return;
    buf_printf(&d->select, ", count(*) FILTER (WHERE %s IS NULL)", expression);
    vec_push(&d->tests, test);
}

/* minValues, maxValues, nullCount go down together with the schema; they have the columns' physical names. */
static void add_struct_tests(struct data_check *d, const struct schema_type *type, struct str parts[3],
                             const char *prefix, const char *shown)
{
    for (size_t i = 0; i < type->n_fields; i++) {
        const struct schema_field *f = &type->fields[i];
        struct str below[3] = {{0}};
        const char *expression, *column;
        struct json_value v;
        struct buf name;

        buf_init(&name, 0);
        engine_add_name(&name, str_of(f->name));
        expression = arena_printf(&d->arena, "%s%s%s", prefix, *prefix ? "." : "", buf_cstr(&name));
        column = arena_printf(&d->arena, "%s%s%s", shown, *shown ? "." : "", f->name);
        buf_release(&name);
        for (size_t k = 0; k < 3; k++) {
            if (!parts[k].n || !json_member(parts[k], f->physical, &v))
                continue;
            if (f->type->kind == SCHEMA_STRUCT && v.type == JSON_OBJECT)
                below[k] = v.raw;
            else if (f->type->kind != SCHEMA_STRUCT && k < 2)
                add_bound_test(d, f->type, expression, column, k == 0 ? BELOW : ABOVE, &v);
            else if (f->type->kind != SCHEMA_STRUCT && !*prefix) /* nested ones are counted in several ways */
                add_null_test(d, expression, column, &v);
        }
        if (f->type->kind == SCHEMA_STRUCT)
            add_struct_tests(d, f->type, below, expression, column);
    }
}

static void add_tests(struct data_check *d, struct str stats)
{
    static const char *const names[] = {"minValues", "maxValues", "nullCount"};
    struct str parts[3] = {{0}};
    struct json_value v;

    for (size_t i = 0; i < IG_COUNT(names); i++)
        if (json_member(stats, names[i], &v) && v.type == JSON_OBJECT)
            parts[i] = v.raw;
    add_struct_tests(d, d->k->s->metadata.schema, parts, "", "");
}

static void judge(struct data_check *d, struct engine_rows *rows)
{
    const int64_t said = lake_entry_rows(d->e), found = engine_int64(rows, 0);
    const struct str file = lake_entry_name(d->e);

    d->k->out->rows += found;
    if (said >= 0 && said - lake_entry_deleted_rows(d->e) != found)
        fsck_problem(d->k, "statistics", file, "it has %lld rows, the log says %lld", (long long)found,
                     (long long)(said - lake_entry_deleted_rows(d->e)));
    for (size_t i = 0; i < d->tests.n; i++) {
        const struct test *t = &d->tests.p[i];
        const int64_t n = engine_int64(rows, i + 2);

        if (t->what == NULLS && n != t->nulls)
            fsck_problem(d->k, "statistics", file, "column %s is null in %lld rows, the log says %lld", t->column,
                         (long long)n, (long long)t->nulls);
        else if (t->what == NULLS_MORE && n > t->nulls)
            fsck_problem(d->k, "statistics", file, "column %s is null in %lld rows, the log says %lld at most",
                         t->column, (long long)n, (long long)t->nulls);
        else if ((t->what == BELOW || t->what == ABOVE) && n > 0)
            fsck_problem(d->k, "statistics", file, "column %s is %s %s in %lld rows, which the log says is the %s",
                         t->column, t->what == BELOW ? "less than" : "more than", t->bound, (long long)n,
                         t->what == BELOW ? "least" : "greatest");
    }
}

/* A scan holds only small files against their checksums; here it is for all. */
static enum ig_code check_sum(struct fsck *k, const struct lake_entry *e, struct error *broken)
{
    int64_t read_bytes = 0;
    enum ig_code rc;
    struct buf path;

    buf_init(&path, 0);
    rc = lake_entry_path(k->s, e, &path, broken);
    if (!rc)
        rc = lake_seal_check_file(k->s->store->env, buf_cstr(&path), -1, INT64_MAX, &read_bytes, broken);
    buf_release(&path);
    return rc;
}

enum ig_code fsck_data(struct fsck *k, const struct lake_entry *e, struct error *err)
{
    struct data_check d = {.k = k, .e = e, .exact = lake_entry_dv(e).n == 0};
    struct engine_rows rows = {0};
    struct error broken = {0};
    struct buf stats;
    enum ig_code rc;

    arena_init(&d.arena);
    buf_init(&d.select, 0);
    buf_init(&stats, 0);
    lake_entry_add_stats(e, &stats);
    buf_puts(&d.select, "SELECT count(*), bit_xor(hash(_ingot_t))");
    if (stats.n)
        add_tests(&d, buf_str(&stats));
    buf_puts(&d.select, " FROM ");
    rc = check_sum(k, e, &broken);
    if (!rc)
        rc = lake_add_scan_of(k->s, &e, 1, NULL, &d.select, &broken);
    buf_puts(&d.select, " AS _ingot_t");
    if (!rc)
        rc = engine_query(k->t->conn, buf_cstr(&d.select), &rows, &broken);
    if (rc == IG_CANCELLED || rc == IG_NO_SPACE || rc == IG_UNAVAILABLE)
        error_set(err, rc, "%s", broken.msg);
    else if (rc)
        fsck_problem(k, "data", lake_entry_name(e), "%s", broken.msg);
    else if (engine_next(&rows))
        judge(&d, &rows);
    engine_rows_free(&rows);
    buf_release(&stats);
    buf_release(&d.select);
    vec_free(&d.tests);
    arena_release(&d.arena);
    return rc == IG_CANCELLED || rc == IG_NO_SPACE || rc == IG_UNAVAILABLE ? rc : IG_OK;
}
