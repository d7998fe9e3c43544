/*
 * Which files can hold an affected row: by partition values, and by the range of each key in the file beside the keys
 * that the source has. The engine does the comparing, so it is done with its types.
 */
#include "lake/change/dml.h"

/* The list of files as a table of texts: x[1] the file's index, then what `add` gives of it. */
typedef void add_fn(const struct dml *d, const struct lake_entry *e, const void *what, struct buf *json);

static void add_file_table(const struct dml *d, add_fn *add, const void *what, struct buf *sql)
{
    struct buf json;

    buf_init(&json, 0);
    buf_putc(&json, '[');
    for (size_t i = 0; i < d->files.n; i++) {
        buf_printf(&json, "%s[\"%zu\"", i ? "," : "", (size_t)(d->files.p[i] - d->s->entries.p));
        add(d, d->files.p[i], what, &json);
        buf_putc(&json, ']');
    }
    buf_putc(&json, ']');
    buf_puts(sql, "(SELECT unnest(from_json(");
    engine_add_literal(sql, buf_str(&json));
    buf_puts(sql, ", '[[\"VARCHAR\"]]')) AS x)");
    buf_release(&json);
}

static void add_text(struct buf *json, const char *text)
{
    buf_putc(json, ',');
    if (text)
        json_add_string(json, str_of(text));
    else
        buf_puts(json, "null");
}

/* Keeps the files whose indexes the query gives. */
static enum ig_code keep(struct dml *d, struct buf *sql, enum ig_code rc, struct error *err)
{
    struct engine_rows rows;
    size_t kept = 0;
    bool *wanted;

    if (!rc)
        rc = buf_check(sql, err, "the query that finds files");
    if (rc)
        goto out;
    wanted = check_calloc(d->s->entries.n + 1, sizeof(*wanted));
    rc = engine_query(d->t->conn, buf_cstr(sql), &rows, err);
    while (!rc && engine_next(&rows))
        wanted[engine_int64(&rows, 0)] = true;
    engine_rows_free(&rows);
    for (size_t i = 0; i < d->files.n && !rc; i++)
        if (wanted[d->files.p[i] - d->s->entries.p])
            d->files.p[kept++] = d->files.p[i];
    if (!rc)
        d->files.n = kept;
    free(wanted);
out:
    buf_release(sql);
    return rc;
}

/* --- partitions -------------------------------------------------------------------------------------------- */

static void add_values(const struct dml *d, const struct lake_entry *e, const void *what, struct buf *json)
{
    (void)what;
    for (size_t k = 0; k < d->s->metadata.n_partition_columns; k++)
        add_text(json, lake_entry_values(e)[k]);
}

enum ig_code dml_prune_by_partitions(struct dml *d, const char *where, struct error *err)
{
    const struct lake_metadata *m = &d->s->metadata;
    struct buf sql;

    if (d->files.n == 0)
        return IG_OK;
    buf_init(&sql, 0);
    buf_puts(&sql, "SELECT _ingot_f FROM (SELECT x[1]::BIGINT AS _ingot_f");
    for (size_t k = 0; k < m->n_partition_columns; k++) {
        if (m->partition_fields[k]->type->kind == SCHEMA_BINARY)
            buf_printf(&sql, ", encode(x[%zu]) AS ", k + 2);
        else {
            buf_printf(&sql, ", CAST(x[%zu] AS ", k + 2);
            schema_add_sql(&sql, m->partition_fields[k]->type);
            buf_puts(&sql, ") AS ");
        }
        engine_add_name(&sql, str_of(m->partition_columns[k]));
    }
    buf_puts(&sql, " FROM ");
    add_file_table(d, add_values, NULL, &sql);
    buf_printf(&sql, ") AS _ingot_p WHERE (%s\n)", where);
    return keep(d, &sql, IG_OK, err);
}

struct partition_key {
    size_t at;
};

static void add_one_value(const struct dml *d, const struct lake_entry *e, const void *what, struct buf *json)
{
    (void)d;
    add_text(json, lake_entry_values(e)[((const struct partition_key *)what)->at]);
}

/* v is what a file's rows have there, NULL for null. */
static enum ig_code prune_by_partition_key(struct dml *d, const struct dml_key *key, size_t at, struct error *err)
{
    const struct partition_key what = {at};
    struct buf sql;

    buf_init(&sql, 0);
    buf_puts(&sql, "WITH b AS (SELECT x[1]::BIGINT AS f, x[2] AS text, TRY_CAST(x[2] AS ");
    schema_add_sql(&sql, key->field->type);
    buf_puts(&sql, ") AS v FROM ");
    add_file_table(d, add_one_value, &what, &sql);
    buf_printf(&sql, "), k AS MATERIALIZED (SELECT DISTINCT TRY_CAST(%s AS ", key->value);
    schema_add_sql(&sql, key->field->type);
    buf_printf(&sql, ") AS v FROM temp.%s AS ", d->source_table);
    engine_add_name(&sql, str_of(d->source));
    buf_puts(&sql,
             ") SELECT f FROM b WHERE (v IS NULL AND text IS NOT NULL) OR v IN (SELECT v FROM k WHERE v IS NOT NULL)");
    if (key->null_safe)
        buf_puts(&sql, " OR (text IS NULL AND EXISTS (SELECT 1 FROM k WHERE v IS NULL))");
    return keep(d, &sql, IG_OK, err);
}

/* --- ranges ------------------------------------------------------------------------------------------------ */

/* The member of an object by its key as text; false if it is not there or null. */
static bool member_text(struct str stats, const char *object, const char *column, struct buf *out)
{
    struct json_value o, v;

    if (!json_member(stats, object, &o) || o.type != JSON_OBJECT || !json_member(o.raw, column, &v))
        return false;
    if (v.type == JSON_STRING)
        json_unescape(&v, out);
    else if (v.type == JSON_NUMBER)
        buf_add_str(out, v.raw);
    else
        return false;
    return true;
}

/* minimum, maximum, has nulls ("0", "1", "only") */
static void add_range(const struct dml *d, const struct lake_entry *e, const void *what, struct buf *json)
{
    const struct dml_key *key = what;
    const char *column = key->field->physical ? key->field->physical : key->field->name;
    int64_t nulls = -1, rows = -1;
    struct buf stats, text;
    struct json_value v;

    (void)d;
    buf_init(&stats, 0);
    buf_init(&text, 0);
    lake_entry_add_stats(e, &stats);
    add_text(json, member_text(buf_str(&stats), "minValues", column, &text) ? buf_cstr(&text) : NULL);
    buf_clear(&text);
    add_text(json, member_text(buf_str(&stats), "maxValues", column, &text) ? buf_cstr(&text) : NULL);
    if (json_member(buf_str(&stats), "nullCount", &v) && v.type == JSON_OBJECT)
        (void)!json_member_int64(v.raw, column, &nulls);
    (void)!json_member_int64(buf_str(&stats), "numRecords", &rows);
    add_text(json, nulls == 0 ? "0" : nulls > 0 && nulls == rows ? "only" : "1");
    buf_release(&text);
    buf_release(&stats);
}

static enum ig_code prune_by_range(struct dml *d, const struct dml_key *key, struct error *err)
{
    const bool is_time = key->field->type->kind == SCHEMA_TIMESTAMP || key->field->type->kind == SCHEMA_TIMESTAMP_NTZ;
    struct buf sql, type;

    buf_init(&sql, 0);
    buf_init(&type, 0);
    schema_add_sql(&type, key->field->type);
    buf_printf(&sql, "WITH b AS (SELECT x[1]::BIGINT AS f, TRY_CAST(x[2] AS %s) AS lo, TRY_CAST(x[3] AS %s)%s AS hi, ",
               buf_cstr(&type), buf_cstr(&type),
               /* times in statistics are cut to milliseconds */
               is_time ? " + INTERVAL 1 MILLISECOND" : "");
    buf_puts(&sql, "x[4] AS nulls FROM ");
    add_file_table(d, add_range, key, &sql);
    buf_printf(&sql, "), k AS MATERIALIZED (SELECT DISTINCT TRY_CAST(%s AS %s) AS v FROM temp.%s AS ", key->value,
               buf_cstr(&type), d->source_table);
    engine_add_name(&sql, str_of(d->source));
    buf_printf(&sql, ") SELECT f FROM b WHERE ((lo IS NULL OR hi IS NULL) AND nulls <> 'only')%s ",
               key->null_safe ? " OR (nulls <> '0' AND EXISTS (SELECT 1 FROM k WHERE v IS NULL))" : "");
    /* The lowest key of the source that is not below the file's range: is it in it? */
    buf_puts(&sql, "UNION ALL SELECT b.f FROM b ASOF JOIN (SELECT v FROM k WHERE v IS NOT NULL) AS k ON b.lo <= k.v "
                   "WHERE k.v <= b.hi");
    buf_release(&type);
    return keep(d, &sql, IG_OK, err);
}

static bool is_number(enum schema_kind kind)
{
    return kind == SCHEMA_BYTE || kind == SCHEMA_SHORT || kind == SCHEMA_INTEGER || kind == SCHEMA_LONG ||
           kind == SCHEMA_DECIMAL;
}

/* Are two values of these types equal only if they are so in the column's type? Not text and number, say. */
static bool compares_as(const struct schema_type *column, const struct schema_type *value)
{
    return is_number(column->kind) ? is_number(value->kind) : column->kind == value->kind;
}

static bool has_range(enum schema_kind kind)
{
    return is_number(kind) || kind == SCHEMA_STRING || kind == SCHEMA_DATE || kind == SCHEMA_TIMESTAMP ||
           kind == SCHEMA_TIMESTAMP_NTZ;
}

static enum ig_code type_of_key(struct dml *d, const struct dml_key *key, const struct schema_type **out,
                                struct error *err)
{
    const struct schema_type *types = NULL;
    struct buf sql;
    enum ig_code rc;

    buf_init(&sql, 0);
    buf_printf(&sql, "SELECT %s AS v FROM temp.%s AS ", key->value, d->source_table);
    engine_add_name(&sql, str_of(d->source));
    rc = schema_of_query(&d->arena, d->t->conn, buf_cstr(&sql), &types, err);
    if (!rc)
        *out = types->fields[0].type;
    buf_release(&sql);
    return rc;
}

static enum ig_code prune_by_key(struct dml *d, const struct dml_key *key, struct error *err)
{
    const struct lake_metadata *m = &d->s->metadata;
    const struct schema_type *type;

    IG_TRY(type_of_key(d, key, &type, err));
    if (!compares_as(key->field->type, type))
        return IG_OK;
    for (size_t k = 0; k < m->n_partition_columns; k++)
        if (m->partition_fields[k] == key->field)
            return key->field->type->kind == SCHEMA_BINARY ? IG_OK : prune_by_partition_key(d, key, k, err);
    return has_range(key->field->type->kind) ? prune_by_range(d, key, err) : IG_OK;
}

enum ig_code dml_prune_by_keys(struct dml *d, struct error *err)
{
    for (size_t i = 0; i < d->keys.n && d->files.n > 0; i++)
        IG_TRY(prune_by_key(d, &d->keys.p[i], err));
    return IG_OK;
}
