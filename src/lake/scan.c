/*
 * Reading: a FROM item over data files.
 *
 *   (SELECT CAST(f."a" AS INTEGER) AS "a", ..., p."date" AS "date"
 *    FROM (SELECT NULL::INTEGER AS "a", ..., NULL::UBIGINT AS file WHERE false
 *          UNION ALL BY NAME
 *          SELECT *, file_index AS file FROM read_parquet([...], union_by_name = true, ...)) AS f
 *    JOIN (VALUES (0, DATE '...')) AS p(file, "date") USING (file))
 *
 * The empty arm gives a column to what no file has. Partition values come from the log, never from the path; if all
 * files have the same ones, they are constants and there is no join. file_index, the file's place in the list, is the
 * engine's; in a table with a column of that name the file's path takes its place.
 */
#include "lake/lake_internal.h"

#include <strings.h>

#define FILE_COLUMN "_ingot_at"

/* How rows and their files find together. */
enum join { JOIN_NONE, JOIN_BY_INDEX, JOIN_BY_PATH };

void lake_add_path_literal(struct buf *sql, struct str path)
{
    struct buf escaped;
    bool pattern = false;

    for (size_t i = 0; i < path.n; i++)
        pattern = pattern || strchr("*?[", path.p[i]) != NULL;
    buf_init(&escaped, 0);
    for (size_t i = 0; i < path.n; i++) {
        if (pattern && strchr("*?[", path.p[i]))
            buf_printf(&escaped, "[%c]", path.p[i]);
        else
            buf_putc(&escaped, path.p[i]);
    }
    engine_add_literal(sql, buf_str(&escaped));
    buf_release(&escaped);
}

enum ig_code lake_entry_path(const struct lake_snapshot *s, const struct lake_entry *e, struct buf *out,
                             struct error *err)
{
    struct buf name;
    enum ig_code rc;

    /* A shallow clone's file is absolute. */
    if (str_has_prefix(e->path, "file:/")) {
        struct str path = {e->path.p + 5, e->path.n - 5};

        while (path.n > 1 && path.p[0] == '/' && path.p[1] == '/') {
            path.p++;
            path.n--;
        }
        buf_add_str(out, path);
        return IG_OK;
    }
    if (str_has_prefix(e->path, "/")) {
        buf_add_str(out, e->path);
        return IG_OK;
    }
    buf_init(&name, 0);
    lake_add_object_name(&name, s->table_path, e->path);
    rc = store_local_path(s->store, buf_cstr(&name), out, err);
    if (rc)
        rc = error_set(err, IG_UNSUPPORTED, "the file " STR_FMT " is not within the table", STR_ARG(e->path));
    buf_release(&name);
    return rc;
}

static bool is_partition_column(const struct lake_snapshot *s, const struct schema_field *f, size_t *index)
{
    for (size_t i = 0; i < s->metadata.n_partition_columns; i++) {
        if (s->metadata.partition_fields[i] == f) {
            *index = i;
            return true;
        }
    }
    return false;
}

void lake_add_constant(struct buf *sql, const struct schema_type *type, const char *value)
{
    if (!value) {
        buf_puts(sql, "NULL");
    } else if (type->kind == SCHEMA_BINARY) {
        buf_puts(sql, "encode(");
        engine_add_literal(sql, str_of(value));
        buf_putc(sql, ')');
        return;
    } else {
        engine_add_literal(sql, str_of(value));
    }
    buf_puts(sql, "::");
    schema_add_sql(sql, type);
}

static bool same_values(const struct lake_snapshot *s, const struct lake_entry *const *entries, size_t n)
{
    for (size_t i = 1; i < n; i++)
        for (size_t k = 0; k < s->metadata.n_partition_columns; k++) {
            const char *a = entries[0]->values[k], *b = entries[i]->values[k];

            if ((!a || !b) ? a != b : strcmp(a, b) != 0)
                return false;
        }
    return true;
}

/* SELECT NULL::TYPE AS "column", ... for the columns that files hold. */
static void add_empty_arm(const struct lake_snapshot *s, enum join join, bool rows, struct buf *sql)
{
    const struct schema_type *schema = s->metadata.schema;
    bool first = true;
    size_t at;

    buf_puts(sql, "SELECT ");
    for (size_t i = 0; i < schema->n_fields; i++) {
        if (is_partition_column(s, &schema->fields[i], &at))
            continue;
        buf_puts(sql, first ? "NULL::" : ", NULL::");
        schema_add_sql(sql, schema->fields[i].type);
        buf_puts(sql, " AS ");
        engine_add_name(sql, str_of(schema->fields[i].name));
        first = false;
    }
    if (join || first)
        buf_printf(sql, "%sNULL::%s AS " FILE_COLUMN, first ? "" : ", ", join == JOIN_BY_PATH ? "VARCHAR" : "UBIGINT");
    if (rows)
        buf_puts(sql, ", NULL::BIGINT AS " LAKE_ROW_COLUMN);
    buf_puts(sql, " WHERE false");
}

static enum ig_code add_files(const struct lake_snapshot *s, const struct lake_entry *const *entries, size_t n,
                              enum join join, bool rows, struct buf *sql, struct error *err)
{
    enum ig_code rc = IG_OK;
    struct buf path;

    buf_init(&path, 0);
    buf_printf(sql, " UNION ALL BY NAME SELECT *%s%s FROM read_parquet([",
               join == JOIN_BY_INDEX ? ", file_index AS " FILE_COLUMN : "",
               rows ? ", file_row_number AS " LAKE_ROW_COLUMN : "");
    for (size_t i = 0; i < n && !rc; i++) {
        buf_clear(&path);
        rc = lake_entry_path(s, entries[i], &path, err);
        buf_puts(sql, i ? ", " : "");
        lake_add_path_literal(sql, buf_str(&path));
    }
    buf_printf(sql, "], hive_partitioning = false%s%s)", n > 1 ? ", union_by_name = true" : "",
               join == JOIN_BY_PATH ? ", filename = '" FILE_COLUMN "'" : "");
    buf_release(&path);
    return rc;
}

/* JOIN (VALUES (file, index, partition values), ...) */
static enum ig_code add_join(const struct lake_snapshot *s, const struct lake_entry *const *entries, size_t n,
                             enum join join, bool with_index, struct buf *sql, struct error *err)
{
    const struct lake_metadata *m = &s->metadata;
    enum ig_code rc = IG_OK;
    struct buf path;

    buf_init(&path, 0);
    buf_puts(sql, " JOIN (VALUES ");
    for (size_t i = 0; i < n && !rc; i++) {
        buf_puts(sql, i ? ", (" : "(");
        if (join == JOIN_BY_PATH) {
            buf_clear(&path);
            rc = lake_entry_path(s, entries[i], &path, err);
            engine_add_literal(sql, buf_str(&path));
        } else {
            buf_printf(sql, "%zu::UBIGINT", i);
        }
        if (with_index)
            buf_printf(sql, ", %lld::BIGINT", (long long)(entries[i] - s->entries.p));
        for (size_t k = 0; k < m->n_partition_columns; k++) {
            buf_puts(sql, ", ");
            lake_add_constant(sql, m->partition_fields[k]->type, entries[i]->values[k]);
        }
        buf_putc(sql, ')');
    }
    buf_printf(sql, ") AS p(" FILE_COLUMN "%s", with_index ? ", " LAKE_FILE_COLUMN : "");
    for (size_t k = 0; k < m->n_partition_columns; k++) {
        buf_puts(sql, ", ");
        engine_add_name(sql, str_of(m->partition_columns[k]));
    }
    buf_puts(sql, ") USING (" FILE_COLUMN ")");
    buf_release(&path);
    return rc;
}

static void add_columns(const struct lake_snapshot *s, const struct lake_entry *first, bool joined,
                        const struct lake_scan *scan, struct buf *sql)
{
    const struct schema_type *schema = s->metadata.schema;

    for (size_t i = 0; i < schema->n_fields; i++) {
        const struct schema_field *f = &schema->fields[i];
        size_t at;

        buf_puts(sql, i ? ", " : "");
        if (is_partition_column(s, f, &at)) {
            if (joined) {
                buf_puts(sql, "p.");
                engine_add_name(sql, str_of(f->name));
            } else {
                lake_add_constant(sql, f->type, first ? first->values[at] : NULL);
            }
        } else {
            buf_puts(sql, "CAST(f.");
            engine_add_name(sql, str_of(f->name));
            buf_puts(sql, " AS ");
            schema_add_sql(sql, f->type);
            buf_putc(sql, ')');
        }
        buf_puts(sql, " AS ");
        engine_add_name(sql, str_of(f->name));
    }
    if (scan->file_column)
        buf_printf(sql, "%s%s AS " LAKE_FILE_COLUMN, schema->n_fields ? ", " : "",
                   joined ? "p." LAKE_FILE_COLUMN : "NULL::BIGINT");
    if (scan->row_column)
        buf_printf(sql, "%sf." LAKE_ROW_COLUMN " AS " LAKE_ROW_COLUMN,
                   schema->n_fields || scan->file_column ? ", " : "");
}

enum ig_code lake_add_scan_of(const struct lake_snapshot *s, const struct lake_entry *const *entries, size_t n,
                              const struct lake_scan *scan, struct buf *sql, struct error *err)
{
    static const struct lake_scan all = {0};
    enum join join = JOIN_NONE;

    scan = scan ? scan : &all;
    for (size_t i = 0; i < s->metadata.schema->n_fields; i++)
        if (strncasecmp(s->metadata.schema->fields[i].name, LAKE_OWN_PREFIX, strlen(LAKE_OWN_PREFIX)) == 0)
            return error_set(err, IG_UNSUPPORTED, "column %s: names that begin with " LAKE_OWN_PREFIX " are taken",
                             s->metadata.schema->fields[i].name);
    if (n > 0 && (scan->file_column || !same_values(s, entries, n)))
        join = schema_find(s->metadata.schema, STR("file_index")) ? JOIN_BY_PATH : JOIN_BY_INDEX;
    buf_puts(sql, scan->where ? "(SELECT * FROM (SELECT " : "(SELECT ");
    add_columns(s, n ? entries[0] : NULL, join != JOIN_NONE, scan, sql);
    buf_puts(sql, " FROM (");
    add_empty_arm(s, join, scan->row_column, sql);
    if (n)
        IG_TRY(add_files(s, entries, n, join, scan->row_column, sql, err));
    buf_puts(sql, ") AS f");
    if (join)
        IG_TRY(add_join(s, entries, n, join, scan->file_column, sql, err));
    if (scan->where)
        buf_printf(sql, ") WHERE (%s)", scan->where);
    buf_putc(sql, ')');
    return buf_check(sql, err, "the query of a scan");
}

enum ig_code lake_add_scan(const struct lake_snapshot *s, const struct lake_scan *scan, struct buf *sql,
                           struct error *err)
{
    const size_t n_only = scan ? scan->n_only : 0;
    VEC(const struct lake_entry *) entries = {0};
    enum ig_code rc;

    if (n_only)
        IG_TRY(lake_check_partitions(s, scan->only, n_only, err));
    for (size_t i = 0; i < s->entries.n; i++) {
        const struct lake_entry *e = &s->entries.p[i];

        if (e->live && (n_only == 0 || lake_entry_matches(s, e, scan->only, n_only)))
            vec_push(&entries, e);
    }
    rc = lake_add_scan_of(s, entries.p, entries.n, scan, sql, err);
    vec_free(&entries);
    return rc;
}
