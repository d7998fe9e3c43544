#include "stage/tables.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

struct str tables_trim_sql(const char *sql)
{
    struct str s = str_of(sql);

    while (s.n && (isspace((unsigned char)s.p[s.n - 1]) || s.p[s.n - 1] == ';'))
        s.n--;
    return s;
}

static bool in_identifier(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

bool tables_mentions(const char *sql, const char *word)
{
    const size_t n = strlen(word);

    for (const char *p = sql; *p; p++) {
        if (strncasecmp(p, word, n) != 0)
            continue;
        if ((p == sql || !in_identifier(p[-1])) && !in_identifier(p[n]))
            return true;
    }
    return false;
}

enum ig_code tables_source_open(const struct stage_context *x, struct engine_conn *c, const char *path,
                                struct tables_source *out, struct error *err)
{
    enum ig_code rc = lake_open(x->store, c, path, &out->table, err);

    if (!rc)
        rc = lake_snapshot_open(out->table, LAKE_LATEST, &out->snapshot, err);
    if (rc)
        tables_source_close(out);
    return rc;
}

void tables_source_close(struct tables_source *t)
{
    lake_snapshot_free(t->snapshot);
    lake_close(t->table);
    *t = (struct tables_source){0};
}

enum ig_code tables_source_view(const struct tables_source *t, struct engine_conn *c, const char *name,
                                const char *date_column, int32_t date, struct error *err)
{
    char date_text[16];
    const struct lake_partition only = {date_column, date == DATE_NONE ? NULL : date_format(date, date_text)};
    struct buf sql;
    enum ig_code rc;

    buf_init(&sql, 0);
    buf_puts(&sql, "CREATE OR REPLACE TEMP VIEW ");
    engine_add_name(&sql, str_of(name));
    buf_puts(&sql, " AS SELECT * FROM ");
    rc = lake_add_scan(t->snapshot, &(struct lake_scan){.only = &only, .n_only = date == DATE_NONE ? 0 : 1}, &sql, err);
    if (!rc)
        rc = buf_check(&sql, err, name);
    if (!rc)
        rc = engine_exec(c, err, buf_cstr(&sql));
    buf_release(&sql);
    return rc;
}

enum ig_code tables_view(const struct stage_context *x, struct engine_conn *c, const char *path, const char *name,
                         const char *date_column, int32_t date, int64_t *version, struct error *err)
{
    struct tables_source t = {0};
    enum ig_code rc = tables_source_open(x, c, path, &t, err);

    if (!rc)
        rc = tables_source_view(&t, c, name, date_column, date, err);
    if (!rc && version)
        *version = lake_version(t.snapshot);
    tables_source_close(&t);
    return rc;
}

enum ig_code tables_need_columns(struct engine_conn *c, const char *select, const char *const *columns, size_t n,
                                 const char *who, const char *why, struct error *err)
{
    struct engine_rows rows = {0};
    struct buf sql;
    bool *found = check_calloc(n + 1, sizeof(*found));
    enum ig_code rc;

    buf_init(&sql, 0);
    buf_printf(&sql, "SELECT column_name FROM (DESCRIBE %s)", select);
    rc = engine_query(c, buf_cstr(&sql), &rows, err);
    while (!rc && engine_next(&rows)) {
        const struct str name = engine_str(&rows, 0);

        for (size_t i = 0; i < n; i++) /* names are equal whatever their case, as everywhere in SQL */
            if (strlen(columns[i]) == name.n && strncasecmp(columns[i], name.p, name.n) == 0)
                found[i] = true;
    }
    if (rc)
        rc = error_context(err, rc, "%s", who);
    for (size_t i = 0; i < n && !rc; i++)
        if (!found[i])
            rc = error_set(err, IG_INVALID, "%s: the result has no column %s: %s", who, columns[i], why);
    engine_rows_free(&rows);
    buf_release(&sql);
    free(found);
    return rc;
}

/* --- bronze files ---------------------------------------------------------------------------------------------- */

struct file_list {
    struct arena arena;
    VEC(const char *) names;
};

static enum ig_code add_file(void *ctx, const struct store_object *object, struct error *err)
{
    struct file_list *list = ctx;

    (void)err;
    if (str_has_suffix(object->name, ".parquet"))
        vec_push(&list->names, arena_strndup(&list->arena, object->name.p, object->name.n));
    return IG_OK;
}

static enum ig_code add_paths(const struct stage_context *x, const struct file_list *files, struct buf *list,
                              struct error *err)
{
    struct buf path;
    enum ig_code rc = store_fetch(x->store, files->names.p, files->names.n, err);

    buf_init(&path, 0);
    for (size_t i = 0; i < files->names.n && !rc; i++) {
        buf_clear(&path);
        rc = store_local_path(x->store, files->names.p[i], &path, err);
        buf_puts(list, i ? ", " : "");
        engine_add_literal(list, buf_str(&path));
    }
    buf_release(&path);
    return rc;
}

enum ig_code tables_add_bronze_files(const struct stage_context *x, const struct conf_domain *d, int32_t date,
                                     struct buf *list, struct buf *names, size_t *n, struct error *err)
{
    struct file_list files = {.names = {0}};
    struct buf prefix;
    enum ig_code rc;

    arena_init(&files.arena);
    buf_init(&prefix, 0);
    if (date == DATE_NONE)
        buf_printf(&prefix, "bronze/%s/", d->name);
    else
        stage_bronze_prefix(d, date, &prefix);
    rc = store_list(x->store, buf_cstr(&prefix), add_file, &files, err);
    buf_putc(list, '[');
    if (!rc)
        rc = add_paths(x, &files, list, err);
    buf_putc(list, ']');
    for (size_t i = 0; names && i < files.names.n; i++)
        buf_printf(names, "%s%s", i ? "\n" : "", files.names.p[i]);
    *n = files.names.n;
    vec_free(&files.names);
    arena_release(&files.arena);
    buf_release(&prefix);
    return rc;
}
