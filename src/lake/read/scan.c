/*
 * Reading: a FROM item over data files.
 *
 *   (SELECT f."a" AS "a", ..., DATE '...' AS "date"
 *      FROM read_parquet(string_split('FILE FILE ...'), schema = MAP {'a': {name: 'a', type: 'INTEGER', ...}, ...}) AS
 * f WHERE _ingot_live('[...]', file_index, file_row_number) UNION ALL SELECT f."a" AS "a", ..., p."date" AS "date" FROM
 * read_parquet(...) AS f JOIN (VALUES (0, DATE '...'), ...) AS p(_ingot_at, "date") ON _ingot_at = file_index)
 *
 * The schema is the table's, not the files': columns that a file lacks are null, those of a narrower type are widened.
 * Each file's footer is looked at first (layout.c). Casts, filters and projections happen within the reader. Partition
 * values come from the log, never from the path: as constants of an arm of their own while the partitions are few, else
 * by a join. Files with deletion vectors are in arms of their own, so that the others do not pay for them.
 */
#include "lake/log/seal.h"
#include "lake/read/dv.h"
#include "lake/read/mapping.h"
#include "lake/read/prune.h"
#include "lake/table/row_ids.h"

#include <strings.h>

#define AT_COLUMN "_ingot_at"
/* baseRowId and defaultRowCommitVersion of a file. */
#define BASE_COLUMN "_ingot_base"
#define VERSION_COLUMN "_ingot_default"
/* Partitions that get an arm each. */
#define CONSTANT_PARTITIONS_MAX 12
/* Data files have the size that the log says. Small ones are held against their checksum before they are scanned, up to
 * so many bytes a scan. */
#define CHECKED_FILE_MAX ((int64_t)4 << 20)
#define CHECKED_ALL_MAX ((int64_t)256 << 20)

/* The path as a pattern that only it matches. */
static void add_pattern(struct buf *out, struct str path)
{
    bool pattern = false;

    for (size_t i = 0; i < path.n; i++)
        pattern = pattern || strchr("*?[", path.p[i]) != NULL;
    for (size_t i = 0; i < path.n; i++) {
        if (pattern && strchr("*?[", path.p[i]))
            buf_printf(out, "[%c]", path.p[i]);
        else
            buf_putc(out, path.p[i]);
    }
}

void lake_add_path_literal(struct buf *sql, struct str path)
{
    struct buf escaped;

    buf_init(&escaped, 0);
    add_pattern(&escaped, path);
    engine_add_literal(sql, buf_str(&escaped));
    buf_release(&escaped);
}

/* Brings remote objects of the table to the cache side by side; those that lie elsewhere come one by one later. */
static enum ig_code fetch_entries(const struct lake_snapshot *s, const struct lake_entry *const *entries, size_t n,
                                  struct error *err)
{
    VEC(const char *) names = {0};
    struct arena arena;
    struct buf name;
    enum ig_code rc;

    arena_init(&arena);
    buf_init(&name, 0);
    for (size_t i = 0; i < n; i++) {
        const struct str path = lake_entry_name(entries[i]);

        if (path.n == 0 || path.p[0] == '/' || memchr(path.p, ':', path.n))
            continue;
        buf_clear(&name);
        lake_add_object_name(&name, s->table_path, path);
        vec_push(&names, arena_strndup(&arena, buf_cstr(&name), name.n));
    }
    rc = names.n ? store_fetch(s->store, names.p, names.n, err) : IG_OK;
    vec_free(&names);
    buf_release(&name);
    arena_release(&arena);
    return rc;
}

enum ig_code lake_entry_path(const struct lake_snapshot *s, const struct lake_entry *e, struct buf *out,
                             struct error *err)
{
    return lake_local_path(s->store, s->table_path, lake_entry_name(e), out, err);
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
    int64_t us;

    if (value && type->kind == SCHEMA_TIMESTAMP && timestamp_parse(str_of(value), &us)) {
        /* Whatever the session's time zone is. */
        buf_printf(sql, "make_timestamptz(%lld)", (long long)us);
        return;
    }
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

/* --- arms -------------------------------------------------------------------------------------------------- */

/* Files that one read_parquet reads. */
struct arm {
    VEC(const struct lake_entry *) entries;
    VEC(const char *) paths;
    VEC(int64_t) rows; /* of each */
    int64_t n_rows;    /* of all */
    const struct lake_layout *layout;
    const char *const *values; /* of all of them; NULL: they differ */
    bool has_dv;
};

struct scan {
    const struct lake_snapshot *s;
    const struct lake_scan *asked;
    struct arena arena;
    VEC(struct arm) arms;
    bool constants; /* partition values are constants of the arms */
};

static bool same_values(const struct lake_snapshot *s, const char *const *one, const char *const *other)
{
    for (size_t k = 0; k < s->metadata.n_partition_columns; k++) {
        const char *a = one[k], *b = other[k];

        if ((!a || !b) ? a != b : strcmp(a, b) != 0)
            return false;
    }
    return true;
}

/* Are there few enough partitions to give each an arm? */
static bool few_partitions(const struct lake_snapshot *s, const struct lake_entry *const *entries, size_t n)
{
    const char *const *seen[CONSTANT_PARTITIONS_MAX];
    size_t n_seen = 0;

    for (size_t i = 0; i < n && s->metadata.n_partition_columns; i++) {
        size_t k = 0;

        while (k < n_seen && !same_values(s, seen[k], lake_entry_values(entries[i])))
            k++;
        if (k < n_seen)
            continue;
        if (n_seen == CONSTANT_PARTITIONS_MAX)
            return false;
        seen[n_seen++] = lake_entry_values(entries[i]);
    }
    return true;
}

static struct arm *arm_for(struct scan *c, const struct lake_entry *e, const struct lake_layout *layout)
{
    const bool has_dv = lake_entry_dv(e).n > 0;
    const struct arm fresh = {.layout = layout, .values = c->constants ? lake_entry_values(e) : NULL, .has_dv = has_dv};

    for (size_t i = c->arms.n; i-- > 0;) {
        struct arm *a = &c->arms.p[i];

        if (a->layout == layout && a->has_dv == has_dv &&
            (!c->constants || same_values(c->s, a->values, lake_entry_values(e))))
            return a;
    }
    vec_push(&c->arms, fresh);
    return &c->arms.p[c->arms.n - 1];
}

/* Says how much of the version is gone, if it is that. */
static enum ig_code explain_gone(const struct scan *c, const struct lake_entry *const *entries, size_t n,
                                 enum ig_code rc, struct error *err)
{
    size_t gone = 0;

    for (size_t i = 0; i < n && store_is_local(c->s->store); i++) {
        struct env_stat found;
        struct buf path;

        buf_init(&path, 0);
        gone += lake_entry_path(c->s, entries[i], &path, NULL) == IG_OK &&
                env_stat(c->s->store->env, buf_cstr(&path), &found, NULL) == IG_NOT_FOUND;
        buf_release(&path);
    }
    if (gone > 0)
        return error_context(err, rc, "%zu of the %zu files that are read are gone " LAKE_WHY_GONE, gone, n);
    return rc == IG_NOT_FOUND ? error_context(err, IG_CORRUPT, "a file is gone " LAKE_WHY_GONE) : rc;
}

static enum ig_code find_paths(struct scan *c, const struct lake_entry *const *entries, size_t n, const char **paths,
                               struct error *err)
{
    enum ig_code rc = IG_OK;
    int64_t checked = 0;
    struct buf path;

    buf_init(&path, 0);
    if (!store_is_local(c->s->store))
        rc = fetch_entries(c->s, entries, n, err);
    for (size_t i = 0; i < n && !rc; i++) {
        buf_clear(&path);
        rc = lake_entry_path(c->s, entries[i], &path, err);
        if (!rc)
            rc = lake_seal_check_file(c->s->store->env, buf_cstr(&path), lake_entry_size(entries[i]),
                                      checked < CHECKED_ALL_MAX ? CHECKED_FILE_MAX : 0, &checked, err);
        paths[i] = arena_strndup(&c->arena, buf_cstr(&path), path.n);
    }
    buf_release(&path);
    return rc ? explain_gone(c, entries, n, rc, err) : IG_OK;
}

static bool is_plain_decimal(const struct schema_type *type, struct str text)
{
    size_t i = text.n && text.p[0] == '-', whole = 0;

    for (; i < text.n && text.p[i] >= '0' && text.p[i] <= '9'; i++)
        whole++;
    if (i < text.n && text.p[i] == '.')
        for (i++; i < text.n && text.p[i] >= '0' && text.p[i] <= '9'; i++)
            continue;
    return whole && i == text.n && whole <= (size_t)(type->precision - type->scale);
}

/* Is the text surely a value of the type? Where not, the engine is asked. */
static bool is_plain_value(const struct schema_type *type, struct str text)
{
    int64_t number;
    int32_t day;
    double real;

    switch (type->kind) {
    case SCHEMA_STRING:
    case SCHEMA_BINARY:
        return true;
    case SCHEMA_BYTE:
        return str_to_int64(text, INT8_MIN, INT8_MAX, &number);
    case SCHEMA_SHORT:
        return str_to_int64(text, INT16_MIN, INT16_MAX, &number);
    case SCHEMA_INTEGER:
        return str_to_int64(text, INT32_MIN, INT32_MAX, &number);
    case SCHEMA_LONG:
        return str_to_int64(text, INT64_MIN, INT64_MAX, &number);
    case SCHEMA_DATE:
        return date_parse(text, &day);
    case SCHEMA_TIMESTAMP:
    case SCHEMA_TIMESTAMP_NTZ:
        return timestamp_parse(text, &number);
    case SCHEMA_BOOLEAN:
        return str_is(text, "true") || str_is(text, "false");
    case SCHEMA_DECIMAL:
        return is_plain_decimal(type, text);
    default:
        return str_to_double(text, &real);
    }
}

/* The engine's own error would name neither the table nor the file. The scan's connection belongs to others: an engine
 * of our own is asked, about all that are not plain at once. */
static enum ig_code check_odd_values(const struct scan *c, const struct lake_entry *const *entries, size_t n,
                                     struct error *err)
{
    const struct engine_options options = {.threads = 1};
    const struct lake_metadata *m = &c->s->metadata;
    VEC(const struct lake_entry *) odd = {0};
    struct engine_conn *conn = NULL;
    struct engine *e = NULL;
    enum ig_code rc = IG_OK;
    int64_t bad = -1;
    struct buf sql;

    buf_init(&sql, 0);
    buf_puts(&sql, "SELECT coalesce(min(i), -1) FROM (VALUES (0, true)");
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < m->n_partition_columns && (i == 0 || entries[i]->values != entries[i - 1]->values);
             k++) {
            const char *value = lake_entry_values(entries[i])[k];

            if (!value || is_plain_value(m->partition_fields[k]->type, str_of(value)))
                continue;
            buf_printf(&sql, ", (%zu, TRY_CAST(", odd.n);
            engine_add_literal(&sql, str_of(value));
            buf_puts(&sql, " AS ");
            schema_add_sql(&sql, m->partition_fields[k]->type);
            buf_puts(&sql, ") IS NOT NULL)");
            vec_push(&odd, entries[i]);
        }
    buf_puts(&sql, ") AS v(i, good) WHERE NOT good");
    if (odd.n)
        rc = engine_open(&options, &e, err);
    if (e && !rc)
        rc = engine_connect(e, &conn, err);
    if (conn && !rc)
        rc = engine_query_int64(conn, buf_cstr(&sql), &bad, err);
    if (!rc && bad >= 0)
        rc =
            error_set(err, IG_CORRUPT, "the file " STR_FMT ": a partition value is none of its column's type: " STR_FMT,
                      STR_ARG(lake_entry_name(odd.p[bad])), STR_ARG(odd.p[bad]->values->raw));
    engine_disconnect(conn);
    engine_close(e);
    vec_free(&odd);
    buf_release(&sql);
    return rc;
}

/* Every file of a table that keeps row ids has them. */
static enum ig_code check_row_ids(const struct scan *c, const struct lake_entry *const *entries, size_t n,
                                  struct error *err)
{
    if (!c->asked->row_ids)
        return IG_OK;
    if (!lake_keeps_row_ids(c->s))
        return error_set(err, IG_INVALID, "rows have no ids: delta.enableRowTracking is not on");
    IG_TRY(lake_check_row_ids(c->s, err));
    for (size_t i = 0; i < n; i++)
        if (lake_entry_base_row_id(entries[i]) < 0 || lake_entry_row_commit_version(entries[i]) < 0)
            return error_set(err, IG_CORRUPT,
                             "the file " STR_FMT
                             ": the feature rowTracking is turned on, and its baseRowId or defaultRowCommitVersion is "
                             "not set",
                             STR_ARG(lake_entry_name(entries[i])));
    return IG_OK;
}

static enum ig_code make_arms(struct scan *c, const struct lake_entry *const *entries, size_t n, struct error *err)
{
    const char **paths = ARENA_ARRAY(&c->arena, const char *, n + 1);
    struct lake_file_layout *layouts = ARENA_ARRAY(&c->arena, struct lake_file_layout, n + 1);

    IG_TRY(check_row_ids(c, entries, n, err));
    IG_TRY(find_paths(c, entries, n, paths, err));
    IG_TRY(check_odd_values(c, entries, n, err));
    IG_TRY(lake_layouts(c->s, paths, n, &c->arena, layouts, err));
    c->constants = few_partitions(c->s, entries, n);
    for (size_t i = 0; i < n; i++) {
        struct arm *arm = arm_for(c, entries[i], layouts[i].layout);
        int64_t sum;

        vec_push(&arm->entries, entries[i]);
        vec_push(&arm->paths, paths[i]);
        vec_push(&arm->rows, layouts[i].n_rows);
        arm->n_rows = __builtin_add_overflow(arm->n_rows, layouts[i].n_rows, &sum) ? INT64_MAX : sum;
    }
    return IG_OK;
}

/* --- SQL --------------------------------------------------------------------------------------------------- */

/* A byte that no path has. */
static char separator_for(const struct arm *arm)
{
    static const char candidates[] = "\n|\t\x01\x02\x03\x04";

    for (const char *c = candidates; *c; c++) {
        bool used = false;

        for (size_t i = 0; i < arm->paths.n && !used; i++)
            used = strchr(arm->paths.p[i], *c) != NULL;
        if (!used)
            return *c;
    }
    return '\0';
}

/* The paths as one text that is split: a list of so many constants takes the engine long to plan. */
static void add_paths(const struct arm *arm, struct buf *sql)
{
    const char separator = separator_for(arm);
    struct buf all;

    if (arm->paths.n == 1 || !separator) {
        buf_putc(sql, '[');
        for (size_t i = 0; i < arm->paths.n; i++) {
            buf_puts(sql, i ? ", " : "");
            lake_add_path_literal(sql, str_of(arm->paths.p[i]));
        }
        buf_putc(sql, ']');
        return;
    }
    buf_init(&all, 0);
    for (size_t i = 0; i < arm->paths.n; i++) {
        if (i)
            buf_putc(&all, separator);
        add_pattern(&all, str_of(arm->paths.p[i]));
    }
    buf_puts(sql, "string_split(");
    engine_add_literal(sql, buf_str(&all));
    buf_printf(sql, ", chr(%d))", separator);
    buf_release(&all);
}

/* JOIN (VALUES (place in the arm, what is asked for: entry's index, row ids; partition values), ...) */
static void add_join(const struct scan *c, const struct arm *arm, struct buf *sql)
{
    const struct lake_metadata *m = &c->s->metadata;

    buf_puts(sql, " JOIN (VALUES ");
    for (size_t i = 0; i < arm->entries.n; i++) {
        const struct lake_entry *e = arm->entries.p[i];

        buf_printf(sql, "%s(%zu::UBIGINT", i ? ", " : "", i);
        if (c->asked->file_column)
            buf_printf(sql, ", %lld::BIGINT", (long long)(e - c->s->entries.p));
        if (c->asked->row_ids)
            buf_printf(sql, ", %lld::BIGINT, %lld::BIGINT", (long long)lake_entry_base_row_id(e),
                       (long long)lake_entry_row_commit_version(e));
        for (size_t k = 0; k < m->n_partition_columns && !arm->values; k++) {
            buf_puts(sql, ", ");
            lake_add_constant(sql, m->partition_fields[k]->type, lake_entry_values(e)[k]);
        }
        buf_putc(sql, ')');
    }
    buf_puts(sql, ") AS p(" AT_COLUMN);
    buf_puts(sql, c->asked->file_column ? ", " LAKE_FILE_COLUMN : "");
    buf_puts(sql, c->asked->row_ids ? ", " BASE_COLUMN ", " VERSION_COLUMN : "");
    for (size_t k = 0; k < m->n_partition_columns && !arm->values; k++) {
        buf_puts(sql, ", ");
        engine_add_name(sql, str_of(m->partition_columns[k]));
    }
    buf_puts(sql, ") ON p." AT_COLUMN " = f.file_index");
}

static void add_row_ids(const struct arm *arm, const char *comma, struct buf *sql)
{
    if (arm)
        buf_printf(sql,
                   "%scoalesce(f." LAKE_ROW_ID_COLUMN ", p." BASE_COLUMN " + f.file_row_number) AS " LAKE_ROW_ID_COLUMN
                   ", coalesce(f." LAKE_ROW_VERSION_COLUMN ", p." VERSION_COLUMN ") AS " LAKE_ROW_VERSION_COLUMN,
                   comma);
    else
        buf_printf(sql, "%sNULL::BIGINT AS " LAKE_ROW_ID_COLUMN ", NULL::BIGINT AS " LAKE_ROW_VERSION_COLUMN, comma);
}

/* `arm` NULL: no file, no row. */
static void add_columns(const struct scan *c, const struct arm *arm, struct buf *sql)
{
    const struct schema_type *schema = c->s->metadata.schema;
    const char *comma = "";
    size_t at;

    for (size_t i = 0; i < schema->n_fields; i++) {
        const struct schema_field *f = &schema->fields[i];
        const bool partition = is_partition_column(c->s, f, &at);

        buf_puts(sql, comma);
        comma = ", ";
        if (!arm) {
            buf_puts(sql, "NULL::");
            schema_add_sql(sql, f->type);
        } else if (partition && arm->values) {
            lake_add_constant(sql, f->type, arm->values[at]);
        } else if (partition) {
            buf_puts(sql, "p.");
            engine_add_name(sql, str_of(c->s->metadata.partition_columns[at]));
        } else {
            lake_add_read_column(arm->layout, i, sql);
        }
        buf_puts(sql, " AS ");
        engine_add_name(sql, str_of(f->name));
    }
    if (c->asked->file_column) {
        buf_printf(sql, "%s%s AS " LAKE_FILE_COLUMN, comma, arm ? "p." LAKE_FILE_COLUMN : "NULL::BIGINT");
        comma = ", ";
    }
    if (c->asked->row_column) {
        buf_printf(sql, "%s%s AS " LAKE_ROW_COLUMN, comma, arm ? "f.file_row_number" : "NULL::BIGINT");
        comma = ", ";
    }
    if (c->asked->row_ids)
        add_row_ids(arm, comma, sql);
    if (schema->n_fields == 0 && !*comma && !c->asked->row_ids)
        buf_puts(sql, "NULL");
}

static enum ig_code add_arm(const struct scan *c, const struct arm *arm, struct buf *sql, struct error *err)
{
    buf_puts(sql, "SELECT ");
    add_columns(c, arm, sql);
    buf_puts(sql, " FROM read_parquet(");
    add_paths(arm, sql);
    buf_puts(sql, ", ");
    lake_add_read_schema(c->s, arm->layout, c->asked->row_ids, sql);
    buf_puts(sql, ", hive_partitioning = false");
    /* Writers of old did not mark their strings as text. */
    if (!lake_has_binary(c->s->metadata.schema))
        buf_puts(sql, ", binary_as_string = true");
    /* Saves the engine from looking into files to estimate. */
    buf_printf(sql, ", explicit_cardinality = %lld", (long long)arm->n_rows);
    buf_puts(sql, ") AS f");
    if (c->asked->file_column || c->asked->row_ids || (!arm->values && c->s->metadata.n_partition_columns))
        add_join(c, arm, sql);
    if (arm->has_dv)
        IG_TRY(lake_dv_add_condition(c->s, arm->entries.p, arm->rows.p, arm->entries.n, sql, err));
    return IG_OK;
}

static enum ig_code add_scan(const struct scan *c, struct buf *sql, struct error *err)
{
    const bool filters = c->asked->where && !c->asked->where_only_skips;

    buf_puts(sql, filters ? "(SELECT * FROM (" : "(");
    if (c->arms.n == 0) {
        buf_puts(sql, "SELECT ");
        add_columns(c, NULL, sql);
        buf_puts(sql, " WHERE false");
    }
    for (size_t i = 0; i < c->arms.n; i++) {
        buf_puts(sql, i ? " UNION ALL " : "");
        IG_TRY(add_arm(c, &c->arms.p[i], sql, err));
    }
    if (filters)
        buf_printf(sql, ") WHERE (%s)", c->asked->where);
    buf_putc(sql, ')');
    return buf_check(sql, err, "the query of a scan");
}

/* --- scans ------------------------------------------------------------------------------------------------- */

enum ig_code lake_add_scan_of(const struct lake_snapshot *s, const struct lake_entry *const *entries, size_t n,
                              const struct lake_scan *asked, struct buf *sql, struct error *err)
{
    static const struct lake_scan all = {0};
    struct scan c = {.s = s, .asked = asked ? asked : &all};
    const struct lake_entry **kept = NULL;
    enum ig_code rc;

    for (size_t i = 0; i < s->metadata.schema->n_fields; i++)
        if (strncasecmp(s->metadata.schema->fields[i].name, LAKE_OWN_PREFIX, strlen(LAKE_OWN_PREFIX)) == 0)
            return error_set(err, IG_UNSUPPORTED, "column %s: names that begin with " LAKE_OWN_PREFIX " are taken",
                             s->metadata.schema->fields[i].name);
    arena_init(&c.arena);
    if (c.asked->where && n) {
        kept = ARENA_ARRAY(&c.arena, const struct lake_entry *, n);
        n = lake_prune(s, c.asked->where, entries, n, kept);
        entries = kept;
    }
    rc = make_arms(&c, entries, n, err);
    if (!rc)
        rc = add_scan(&c, sql, err);
    for (size_t i = 0; i < c.arms.n; i++) {
        vec_free(&c.arms.p[i].entries);
        vec_free(&c.arms.p[i].paths);
        vec_free(&c.arms.p[i].rows);
    }
    vec_free(&c.arms);
    arena_release(&c.arena);
    return rc ? error_context(err, rc, "table %s, version %lld", *s->table_path ? s->table_path : s->store->url,
                              (long long)s->version)
              : IG_OK;
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
