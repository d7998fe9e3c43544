/*
 * Data files. One COPY writes the rows of a query to scratch files, in one pass, and tells per file its size, rows and
 * column statistics; each file is then synced and given its name in the table. No commit names them yet.
 *
 * Rows of one known partition go to one file, in which the partition columns stay: the file's own statistics then show
 * whether all rows were of that partition. Otherwise COPY makes a folder a partition.
 */
#include "lake/log/seal.h"
#include "lake/table/features.h"
#include "lake/table/metadata.h"
#include "lake/table/row_ids.h"
#include "lake/write/physical.h"
#include "lake/write/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

void lake_new_files_free(struct lake_new_files *files)
{
    for (size_t i = 0; i < files->list.n; i++) {
        struct lake_new_file *f = &files->list.p[i];

        for (size_t k = 0; k < f->n_values; k++)
            free(f->values[k]);
        free(f->values);
        free(f->name);
        free(f->stats);
        free(f->dv);
        free(f->tags);
        free(f->clustering_provider);
    }
    vec_free(&files->list);
    for (size_t i = 0; i < files->unnamed.n; i++)
        free(files->unnamed.p[i].scratch);
    vec_free(&files->unnamed);
    free(files->metadata);
    files->metadata = NULL;
}

void lake_new_files_discard(struct lake_table *t, const struct lake_new_files *files)
{
    struct buf name;

    for (size_t i = 0; i < files->unnamed.n; i++)
        (void)!env_unlink(t->store->env, files->unnamed.p[i].scratch, NULL);
    buf_init(&name, 0);
    for (size_t i = 0; i < files->list.n; i++) {
        buf_clear(&name);
        lake_add_object_name(&name, t->path, str_of(files->list.p[i].name));
        (void)!store_remove(t->store, buf_cstr(&name), NULL);
    }
    buf_release(&name);
}

/* --- the statement ----------------------------------------------------------------------------------------- */

static enum ig_code refuse_type(const struct schema_field *f, const struct schema_type *from, struct error *err)
{
    struct buf is, to;

    buf_init(&is, 0);
    buf_init(&to, 0);
    schema_add_sql(&is, from);
    schema_add_sql(&to, f->type);
    error_set(err, IG_INVALID, "column %s is %s in the table, %s does not fit into it", f->name, buf_cstr(&to),
              buf_cstr(&is));
    buf_release(&to);
    buf_release(&is);
    return IG_INVALID;
}

enum ig_code lake_check_columns(const struct lake_snapshot *s, const struct schema_type *have, struct error *err)
{
    for (size_t i = 0; i < have->n_fields; i++) {
        const struct schema_field *f = schema_find(s->metadata.schema, str_of(have->fields[i].name));

        if (!f)
            return error_set(err, IG_INVALID, "the table has no column %s", have->fields[i].name);
        if (!schema_can_hold(f->type, have->fields[i].type))
            return refuse_type(f, have->fields[i].type, err);
    }
    return IG_OK;
}

/* Each thread holds a row group in memory, uncompressed, until it is written. 122,880 rows (DuckDB's default) of 10 KB
 * would be 1.2 GB; so a group ends at so many bytes too, where the engine's settings allow it. */
#define ROW_GROUP_BYTES "32MB"

static enum ig_code may_end_by_bytes(struct engine_conn *c, bool *out, struct error *err)
{
    int64_t unordered = 0;
    const enum ig_code rc =
        engine_query_int64(c, "SELECT (NOT current_setting('preserve_insertion_order'))::INTEGER", &unordered, err);

    *out = unordered != 0;
    return rc;
}

/* A dictionary of more values than this, of a group's 122,880 rows, saves little, and looking every value up in it is
 * half of the work. Files that a change of rows writes anew do without; those that are to last (what is appended, and
 * what OPTIMIZE writes) have them as large as DuckDB makes them. */
#define REWRITE_DICTIONARY_MAX 1000

/* Spark asks which calendar dates before 1582 and times before 1900 were written in, and refuses to read them from a
 * file that does not say so. It says so by the version of Spark whose calendar it has: that of ISO 8601 from 3.0 on. */
#define METADATA "KV_METADATA {'org.apache.spark.version': '3.0.0', " LAKE_SEAL_MEMBER "}"

/* What a write is about. */
struct write {
    struct lake_table *t;
    const struct lake_snapshot *s;
    enum lake_rows whose;
    const char *const *single;
    struct lake_rules rules;
    bool partitioned, many; /* COPY makes a folder of files: one a partition, or of a size each */
    int64_t file_bytes;     /* 0: no limit */
    size_t codec;
    struct lake_new_files *out;
};

/* delta.parquet.compression.codec, COPY's name for it, and what files are called. */
static const struct {
    const char *property, *copy, *suffix;
} codecs[] = {
    {"snappy", "snappy", ".snappy.parquet"},
    {"zstd", "zstd", ".zstd.parquet"},
    {"gzip", "gzip", ".gz.parquet"},
    {"lz4", "lz4_raw", ".lz4raw.parquet"},
    {"lz4_raw", "lz4_raw", ".lz4raw.parquet"},
    {"brotli", "brotli", ".br.parquet"},
    {"uncompressed", "uncompressed", ".parquet"},
    {"none", "uncompressed", ".parquet"},
};

static void read_properties(struct write *w)
{
    const char *codec = lake_property(w->s, "delta.parquet.compression.codec", "snappy");

    for (size_t i = 0; i < IG_COUNT(codecs); i++)
        if (strcasecmp(codecs[i].property, codec) == 0)
            w->codec = i;
    w->file_bytes = w->out->target_bytes;
    if (!w->file_bytes && !lake_parse_size(lake_property(w->s, "delta.targetFileSize", "0"), &w->file_bytes))
        w->file_bytes = 0;
    w->partitioned = w->s->metadata.n_partition_columns > 0 && !w->single;
    w->many = w->partitioned || w->file_bytes > 0;
}

static void add_copy(const struct write *w, const char *query, const char *to, bool end_by_bytes, struct buf *sql)
{
    const struct lake_metadata *m = &w->s->metadata;
    struct buf ids;

    buf_init(&ids, 0);
    buf_printf(sql, "COPY (%s) TO ", query);
    engine_add_literal(sql, str_of(to));
    buf_printf(sql, " (FORMAT parquet, COMPRESSION %s, RETURN_STATS, " METADATA, codecs[w->codec].copy);
    if (lake_add_field_ids(&ids, w->s))
        buf_printf(sql, ", FIELD_IDS %s", buf_cstr(&ids));
    if (end_by_bytes)
        buf_puts(sql, ", ROW_GROUP_SIZE_BYTES '" ROW_GROUP_BYTES "'");
    if (w->whose == LAKE_ROWS_KEPT && w->out->target_bytes <= 0)
        buf_printf(sql, ", DICTIONARY_SIZE_LIMIT %d", REWRITE_DICTIONARY_MAX);
    if (w->out->target_bytes > 0 && w->out->group_rows > 0)
        buf_printf(sql, ", ROW_GROUP_SIZE %lld", (long long)w->out->group_rows);
    if (w->partitioned) {
        buf_printf(sql, ", WRITE_PARTITION_COLUMNS %s, FILENAME_PATTERN 'part_{uuid}', PARTITION_BY (",
                   lake_uses(w->s, "materializePartitionColumns") ? "true" : "false");
        for (size_t i = 0; i < m->n_partition_columns; i++) {
            buf_puts(sql, i ? ", " : "");
            engine_add_name(sql, str_of(m->partition_fields[i]->physical));
        }
        buf_putc(sql, ')');
    } else if (w->many) {
        buf_printf(sql, ", FILE_SIZE_BYTES %lld, FILENAME_PATTERN 'part_{uuid}'", (long long)w->file_bytes);
    }
    buf_putc(sql, ')');
    buf_release(&ids);
}

/* --- what it wrote ----------------------------------------------------------------------------------------- */

/* A partition value as the log spells it. Times are ISO 8601 in UTC, so that no reader's time zone matters. */
char *lake_log_value(const struct schema_type *type, const char *text)
{
    char formatted[40];
    int64_t us;

    if (!text || !*text)
        return NULL;
    if (type->kind == SCHEMA_TIMESTAMP && timestamp_parse(str_of(text), &us)) {
        const int64_t fraction = ((us % 1000000) + 1000000) % 1000000;
        char *dot;

        timestamp_format(us, formatted);
        dot = strpbrk(formatted, ".Z");
        if (dot) {
            struct buf out;

            *dot = '\0';
            buf_init(&out, 0);
            buf_printf(&out, "%s.%06dZ", formatted, (int)fraction);
            return buf_take(&out);
        }
    }
    return check_strdup(text);
}

/* partition_keys of COPY: {"column": "text" or null}, as text casts of the values. */
static void read_partition_keys(const struct lake_snapshot *s, struct str json, struct lake_new_file *f)
{
    const struct lake_metadata *m = &s->metadata;
    struct json_value key, v;
    struct json_reader r;
    struct buf text;

    buf_init(&text, 0);
    json_reader_init(&r, json);
    if (json_begin(&r, &v) && v.type == JSON_OBJECT)
        while (json_next_key(&r, &key) && json_read(&r, &v))
            for (size_t i = 0; i < m->n_partition_columns; i++) {
                if (!json_key_is(&key, str_of(m->partition_fields[i]->physical)) || v.type != JSON_STRING)
                    continue;
                buf_clear(&text);
                json_unescape(&v, &text);
                free(f->values[i]);
                f->values[i] = lake_log_value(m->partition_fields[i]->type, buf_cstr(&text));
            }
    buf_release(&text);
}

/* As a partition's value other engines read no year but 1 to 9999: they would lose the table, not only the row. */
static enum ig_code check_years(const struct lake_snapshot *s, const struct lake_new_file *f, struct error *err)
{
    const struct lake_metadata *m = &s->metadata;

    for (size_t i = 0; i < m->n_partition_columns; i++) {
        const enum schema_kind kind = m->partition_fields[i]->type->kind;
        const char *v = f->values[i];

        if (!v || (kind != SCHEMA_DATE && kind != SCHEMA_TIMESTAMP && kind != SCHEMA_TIMESTAMP_NTZ))
            continue;
        if (strspn(v, "0123456789") != 4 || v[4] != '-' || strncmp(v, "0000", 4) == 0 || strstr(v, "(BC)"))
            return error_set(
                err, IG_INVALID,
                "%s is no value for the partition column %s: other engines read years from 1 to 9999 there", v,
                m->partition_fields[i]->name);
    }
    return IG_OK;
}

/* A day or time without end is the engine's alone: to others it is that of some year. In lists, too. */
static enum ig_code check_finite(const char *key, const struct schema_type *type, const char *name,
                                 const struct lake_column_stats *columns, size_t n, struct error *err)
{
    const struct lake_column_stats *c;
    enum ig_code rc = IG_OK;
    struct buf inner;

    buf_init(&inner, 0);
    for (size_t i = 0; i < type->n_fields && !rc; i++) {
        buf_clear(&inner);
        buf_printf(&inner, "%s%s", key, *key ? "." : "");
        engine_add_name(&inner, str_of(type->fields[i].physical));
        rc = check_finite(buf_cstr(&inner), type->fields[i].type, *name ? name : type->fields[i].name, columns, n, err);
    }
    if (type->kind == SCHEMA_ARRAY) {
        buf_printf(&inner, "%s.\"element\"", key);
        rc = check_finite(buf_cstr(&inner), type->element, name, columns, n, err);
    }
    buf_release(&inner);
    if (rc || (type->kind != SCHEMA_DATE && type->kind != SCHEMA_TIMESTAMP && type->kind != SCHEMA_TIMESTAMP_NTZ))
        return rc;
    c = lake_find_statistics(columns, n, key);
    if (c && ((c->max && strcmp(c->max, "infinity") == 0) || (c->min && strcmp(c->min, "-infinity") == 0)))
        return error_set(err, IG_INVALID, "infinity in the column %s is no date or time that Delta has", name);
    return IG_OK;
}

static enum ig_code check_all_finite(const struct write *w, struct str statistics, struct error *err)
{
    struct lake_column_stats *columns;
    struct arena arena;
    enum ig_code rc;
    size_t n;

    if (w->whose != LAKE_ROWS_GIVEN && w->whose != LAKE_ROWS_KEPT)
        return IG_OK;
    arena_init(&arena);
    columns = lake_parse_statistics(&arena, statistics, &n);
    rc = check_finite("", w->s->metadata.schema, "", columns, n, err);
    arena_release(&arena);
    return rc;
}

/* Do the statistics show that the column holds nothing but the value? */
static bool holds_only(const struct lake_column_stats *c, const struct schema_type *type, int64_t rows,
                       const char *value)
{
    if (!value)
        return c && c->null_count == rows;
    if (!c || c->null_count != 0 || !c->min || !c->max || strcmp(c->min, c->max) != 0)
        return false;
    if (type->kind == SCHEMA_BOOLEAN)
        return strcmp(c->min, "1") == 0 ? strcasecmp(value, "true") == 0 : strcasecmp(value, "false") == 0;
    return lake_value_eq(type, value, c->min);
}

static enum ig_code check_single(const struct lake_snapshot *s, const char *const *single, int64_t rows,
                                 struct str statistics, struct error *err)
{
    const struct lake_metadata *m = &s->metadata;
    struct lake_column_stats *columns;
    enum ig_code rc = IG_OK;
    struct arena arena;
    struct buf key;
    size_t n;

    arena_init(&arena);
    buf_init(&key, 0);
    columns = lake_parse_statistics(&arena, statistics, &n);
    for (size_t i = 0; i < m->n_partition_columns && !rc; i++) {
        const struct lake_column_stats *c;

        buf_clear(&key);
        engine_add_name(&key, str_of(m->partition_fields[i]->physical));
        c = lake_find_statistics(columns, n, buf_cstr(&key));
        if (!holds_only(c, m->partition_fields[i]->type, rows, single[i]))
            rc = error_set(err, IG_INVALID, "there are rows outside of the partition %s=%s (%s is from %s to %s)",
                           m->partition_columns[i], single[i] ? single[i] : "null", m->partition_columns[i],
                           c && c->min ? c->min : "?", c && c->max ? c->max : "?");
    }
    buf_release(&key);
    arena_release(&arena);
    return rc;
}

/* Readers of a table with mapped columns take no meaning from folders, nor would its logical names last. */
static void add_folder(const struct write *w, char *const *values, struct buf *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    const struct lake_snapshot *s = w->s;
    uint8_t dice[32];
    int64_t n = 2;

    if (lake_is_on(s, "delta.randomizeFilePrefixes") || lake_uses(s, "columnMapping")) {
        (void)!str_to_int64(str_of(lake_property(s, "delta.randomPrefixLength", "2")), 1, (int64_t)sizeof(dice), &n);
        env_random(w->t->store->env, dice, (size_t)n);
        for (int64_t i = 0; i < n; i++)
            buf_putc(name, letters[dice[i] % (sizeof(letters) - 1)]);
        buf_putc(name, '/');
        return;
    }
    for (size_t i = 0; i < s->metadata.n_partition_columns; i++) {
        lake_add_hive_part(name, s->metadata.partition_columns[i], values[i]);
        buf_putc(name, '/');
    }
}

/* part-00000-UUID-c000.snappy.parquet in the partition's folder. */
static char *new_name(const struct write *w, char *const *values)
{
    char uuid[37];
    struct buf name;

    buf_init(&name, 0);
    if (w->whose == LAKE_ROWS_CHANGES)
        buf_puts(&name, "_change_data/");
    add_folder(w, values, &name);
    env_uuid(w->t->store->env, uuid);
    buf_printf(&name, "%s-00000-%s%sc000%s", w->whose == LAKE_ROWS_CHANGES ? "cdc" : "part", uuid,
               w->whose == LAKE_ROWS_CHANGES ? "." : "-", codecs[w->codec].suffix);
    return buf_take(&name);
}

/* Gives the file its name in the table. */
static enum ig_code name_file(struct lake_table *t, const char *name, const char *from, struct error *err)
{
    struct buf object;
    enum ig_code rc;

    buf_init(&object, 0);
    lake_add_object_name(&object, t->path, str_of(name));
    rc = store_put_file(t->store, buf_cstr(&object), from, STORE_IF_ABSENT, err);
    if (rc == IG_UNKNOWN_OUTCOME) /* of a file that no commit will name: nothing has happened */
        rc = store_is_local(t->store) ? IG_IO : IG_UNAVAILABLE;
    buf_release(&object);
    return rc;
}

enum ig_code lake_new_files_put(struct lake_table *t, struct lake_new_files *files, size_t keep, struct error *err)
{
    size_t done = 0;
    enum ig_code rc = IG_OK;

    while (!rc && done + keep < files->unnamed.n) {
        const struct lake_unnamed *u = &files->unnamed.p[done];

        rc = name_file(t, files->list.p[u->file].name, u->scratch, err);
        if (!rc)
            free(files->unnamed.p[done++].scratch);
    }
    files->unnamed.n -= done;
    if (done && files->unnamed.n)
        memmove(files->unnamed.p, files->unnamed.p + done, files->unnamed.n * sizeof(*files->unnamed.p));
    return rc;
}

/* The file that is the next of the list. */
static enum ig_code put_file(const struct write *w, const struct lake_new_file *f, struct str path, struct error *err)
{
    char *from = check_malloc(path.n + 1);
    enum ig_code rc;

    memcpy(from, path.p, path.n);
    from[path.n] = '\0';
    rc = lake_seal_file(w->t->store->env, from, err);
    /* Those of a folder go with it. */
    if (!rc && w->out->later && !w->many && store_is_local(w->t->store)) {
        vec_push(&w->out->unnamed, ((struct lake_unnamed){w->out->list.n, from}));
        return IG_OK;
    }
    if (!rc)
        rc = name_file(w->t, f->name, from, err);
    free(from);
    return rc;
}

/* One row of COPY's answer: filename, count, file_size_bytes, footer_size_bytes, column_statistics, partition_keys. */
static enum ig_code take_file(struct write *w, struct engine_rows *rows, struct error *err)
{
    struct lake_new_file f = {.rows = engine_int64(rows, 1), .size_bytes = engine_int64(rows, 2)};
    const struct lake_snapshot *s = w->s;
    struct buf statistics, keys, stats;
    enum ig_code rc = IG_OK;

    if (f.rows == 0)
        return IG_OK;
    buf_init(&statistics, 0);
    buf_init(&keys, 0);
    buf_init(&stats, 0);
    engine_add_json(rows, 4, &statistics);
    engine_add_json(rows, 5, &keys);
    f.n_values = s->metadata.n_partition_columns;
    f.values = check_calloc(f.n_values ? f.n_values : 1, sizeof(*f.values));
    if (w->single) {
        for (size_t i = 0; i < f.n_values; i++)
            f.values[i] = lake_log_value(s->metadata.partition_fields[i]->type, w->single[i]);
        rc = check_single(s, w->single, f.rows, buf_str(&statistics), err);
    } else {
        read_partition_keys(s, buf_str(&keys), &f);
    }
    if (!rc)
        rc = check_years(s, &f, err);
    lake_rules_saw(&w->rules, buf_str(&statistics));
    lake_add_stats(&stats, s, f.rows, buf_str(&statistics));
    if (!rc)
        rc = check_all_finite(w, buf_str(&statistics), err);
    f.stats = buf_take(&stats);
    f.name = new_name(w, f.values);
    f.modified_ms = env_now_ms(w->t->store->env);
    if (!rc)
        rc = put_file(w, &f, engine_str(rows, 0), err);
    w->out->rows += f.rows;
    w->out->bytes += f.size_bytes;
    vec_push(&w->out->list, f);
    buf_release(&keys);
    buf_release(&statistics);
    return rc;
}

/* --- the write --------------------------------------------------------------------------------------------- */

/* Do the rows bring their ids? */
static bool has_row_ids(const struct write *w)
{
    return (w->whose == LAKE_ROWS_KEPT || w->whose == LAKE_ROWS_MOVED) && lake_keeps_row_ids(w->s);
}

/* The query's columns without those that the table does not have and that go along. */
static void leave_out(struct arena *a, struct schema_type *known, const char *const *names, size_t n)
{
    const struct schema_type all = *known;

    known->fields = ARENA_ARRAY(a, struct schema_field, all.n_fields);
    known->n_fields = 0;
    for (size_t i = 0; i < all.n_fields; i++) {
        bool extra = false;

        for (size_t k = 0; k < n; k++)
            extra = extra || &all.fields[i] == schema_find(&all, str_of(names[k]));
        if (!extra)
            known->fields[known->n_fields++] = all.fields[i];
    }
    IG_ASSERT(known->n_fields + n == all.n_fields);
}

static const char *find_extra(const struct write *w, struct arena *a, struct schema_type *known)
{
    static const char *const change[] = {"_change_type"};
    static const char *const ids[] = {LAKE_ROW_ID_COLUMN, LAKE_ROW_VERSION_COLUMN};

    if (w->whose == LAKE_ROWS_CHANGES) {
        leave_out(a, known, change, IG_COUNT(change));
        return ", _change_type";
    }
    if (!has_row_ids(w))
        return NULL;
    leave_out(a, known, ids, IG_COUNT(ids));
    return LAKE_ROW_ID_LIST;
}

/* The rows as files hold them. */
static enum ig_code add_query(struct write *w, struct arena *a, const char *select, struct buf *sql, struct error *err)
{
    struct schema_type known;
    const struct schema_type *have;
    struct buf rows, named;
    const char *extra;
    enum ig_code rc;

    if (has_row_ids(w))
        IG_TRY(lake_check_row_ids(w->s, err));
    IG_TRY(schema_of_query(a, w->t->conn, select, &have, err));
    known = *have;
    extra = find_extra(w, a, &known);
    schema_find_nulls(a, w->t->conn, select, &known, w->s->metadata.schema);
    IG_TRY(lake_check_columns(w->s, &known, err));
    if (w->whose == LAKE_ROWS_GIVEN || w->whose == LAKE_ROWS_KEPT)
        IG_TRY(lake_rules_load(a, w->t->conn, w->s, &w->rules, err));
    w->rules.extra = extra;
    buf_init(&rows, 0);
    buf_init(&named, 0);
    rc = lake_add_stored_rows(&w->rules, w->s, &known, select, w->whose, &rows, err);
    if (!rc && lake_has_physical_names(w->s->metadata.schema))
        lake_add_physical_rows(&named, w->s->metadata.schema, buf_cstr(&rows), extra);
    else
        buf_add_str(&named, buf_str(&rows));
    if (has_row_ids(w))
        lake_add_named_row_ids(sql, w->s, buf_cstr(&named));
    else
        buf_add_str(sql, buf_str(&named));
    buf_release(&named);
    buf_release(&rows);
    return rc;
}

static enum ig_code copy_out(struct write *w, const char *query, const char *scratch, struct error *err)
{
    struct engine_rows rows = {0};
    struct error why = {0};
    bool end_by_bytes = false;
    struct buf sql;
    enum ig_code rc;

    buf_init(&sql, 0);
    rc = may_end_by_bytes(w->t->conn, &end_by_bytes, err);
    if (!rc) {
        add_copy(w, query, scratch, end_by_bytes, &sql);
        rc = buf_check(&sql, err, "the query of a write");
    }
    if (!rc) {
        rc = engine_query(w->t->conn, buf_cstr(&sql), &rows, &why);
        rc = lake_rules_explain(&w->rules, *w->t->path ? w->t->path : w->t->store->url, rc, &why);
        if (rc)
            error_set(err, rc, "%s", why.msg);
        while (!rc && engine_next(&rows))
            rc = take_file(w, &rows, err);
        engine_rows_free(&rows);
    }
    buf_release(&sql);
    return rc;
}

static enum ig_code write_rows(struct write *w, const char *select, struct error *err)
{
    const size_t unnamed = w->out->unnamed.n;
    struct buf query, scratch;
    struct arena arena;
    enum ig_code rc;

    arena_init(&arena);
    buf_init(&query, 0);
    buf_init(&scratch, 0);
    read_properties(w);
    rc = add_query(w, &arena, select, &query, err);
    if (!rc)
        rc = store_scratch_path(w->t->store, w->many ? "" : ".parquet", &scratch, err);
    if (!rc) {
        rc = copy_out(w, buf_cstr(&query), buf_cstr(&scratch), err);
        if (w->many)
            (void)!env_remove_tree(w->t->store->env, buf_cstr(&scratch), NULL);
        else if (w->out->unnamed.n == unnamed)
            (void)!env_unlink(w->t->store->env, buf_cstr(&scratch), NULL);
    }
    if (!rc)
        rc = lake_rules_metadata(&w->rules, w->s, w->whose, w->out, err);
    lake_rules_free(&w->rules);
    buf_release(&scratch);
    buf_release(&query);
    arena_release(&arena);
    return rc;
}

enum ig_code lake_write_files(struct lake_table *t, const struct lake_snapshot *s, const char *select,
                              const char *const *single, struct lake_new_files *out, struct error *err)
{
    struct write w = {.t = t, .s = s, .whose = LAKE_ROWS_GIVEN, .single = single, .out = out};

    return write_rows(&w, select, err);
}

enum ig_code lake_rewrite_files(struct lake_table *t, const struct lake_snapshot *s, const char *select,
                                const char *const *single, struct lake_new_files *out, struct error *err)
{
    struct write w = {.t = t, .s = s, .whose = LAKE_ROWS_KEPT, .single = single, .out = out};

    return write_rows(&w, select, err);
}

enum ig_code lake_move_rows(struct lake_table *t, const struct lake_snapshot *s, const char *select,
                            const char *const *single, struct lake_new_files *out, struct error *err)
{
    struct write w = {.t = t, .s = s, .whose = LAKE_ROWS_MOVED, .single = single, .out = out};

    return write_rows(&w, select, err);
}

enum ig_code lake_write_change_data(struct lake_table *t, const struct lake_snapshot *s, const char *select,
                                    struct lake_new_files *out, struct error *err)
{
    struct write w = {.t = t, .s = s, .whose = LAKE_ROWS_CHANGES, .out = out};

    return write_rows(&w, select, err);
}
