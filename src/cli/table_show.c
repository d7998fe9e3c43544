#include "cli/table_show.h"

#include "cli/cli_log.h"

#include <stdlib.h>

/* --- words ---------------------------------------------------------------------------------------------------- */

const char *table_time(struct cli_context *c, int64_t ms)
{
    char text[40];

    return ms < 0 ? "" : arena_strdup(&c->arena, cli_format_ms(ms, text));
}

const char *table_names(struct cli_context *c, const char *const *names, size_t n)
{
    const char *text;
    struct buf out;

    buf_init(&out, 0);
    for (size_t i = 0; i < n; i++)
        buf_printf(&out, "%s%s", i ? ", " : "", names[i]);
    text = arena_strndup(&c->arena, buf_cstr(&out), out.n);
    buf_release(&out);
    return text;
}

const char *table_bytes(struct cli_context *c, int64_t bytes)
{
    char text[32];

    if (bytes < 0)
        return "";
    if (c->global.json)
        return arena_printf(&c->arena, "%lld", (long long)bytes);
    return arena_strdup(&c->arena, cli_format_bytes(bytes, text));
}

const char *table_count(struct cli_context *c, int64_t n)
{
    char text[32];

    return n < 0 ? "" : arena_strdup(&c->arena, cli_format_count(n, text));
}

/* --- ls ------------------------------------------------------------------------------------------------------- */

struct finder {
    struct arena *arena;
    VEC(const char *) paths;
    VEC(const char *) broken;
};

/* Each table is found by the objects of its log, which stand one after the other. */
static enum ig_code see_object(void *ctx, const struct store_object *object, struct error *err)
{
    static const char mark[] = "_delta_log/";
    struct finder *f = ctx;
    const char *found = NULL;
    size_t n;

    (void)err;
    for (size_t i = 0; i + sizeof(mark) - 1 <= object->name.n && !found; i++)
        if ((i == 0 || object->name.p[i - 1] == '/') && memcmp(object->name.p + i, mark, sizeof(mark) - 1) == 0)
            found = object->name.p + i;
    if (!found)
        return IG_OK;
    n = found == object->name.p ? 0 : (size_t)(found - object->name.p) - 1;
    if (f->paths.n) {
        const char *last = f->paths.p[f->paths.n - 1];

        if (strlen(last) == n && memcmp(last, object->name.p, n) == 0)
            return IG_OK;
    }
    vec_push(&f->paths, arena_strndup(f->arena, object->name.p, n));
    return IG_OK;
}

static const struct cli_column list_columns[] = {
    {"TABLE", CLI_LEFT}, {"VERSION", CLI_NUMERIC}, {"FILES", CLI_NUMERIC},       {"ROWS", CLI_NUMERIC},
    {"SIZE", CLI_RIGHT}, {"PROTOCOL", CLI_LEFT},   {"PARTITIONED BY", CLI_LEFT}, {"LAST COMMIT", CLI_LEFT},
};
static const struct cli_column list_columns_json[] = {
    {"TABLE", CLI_LEFT},         {"VERSION", CLI_NUMERIC}, {"FILES", CLI_NUMERIC},       {"ROWS", CLI_NUMERIC},
    {"SIZE BYTES", CLI_NUMERIC}, {"PROTOCOL", CLI_LEFT},   {"PARTITIONED BY", CLI_LEFT}, {"LAST COMMIT", CLI_LEFT},
};

static int list_one(struct cli_lake *l, const char *path, struct cli_table *out)
{
    struct cli_context *c = l->c;
    struct lake_snapshot *s = NULL;
    struct lake_table *t = NULL;
    struct lake_detail d;
    struct error err = {0};
    enum ig_code rc = lake_open(l->store, l->conn, path, &t, &err);

    if (!rc)
        rc = lake_snapshot_open(t, LAKE_LATEST, &s, &err);
    if (!rc)
        rc = lake_detail(s, &c->arena, &d, &err);
    if (!rc) {
        cli_table_cell(out, "%s", *path ? path : ".");
        cli_table_cell(out, "%lld", (long long)d.version);
        cli_table_cell(out, "%s", table_count(c, d.n_files));
        cli_table_cell(out, "%s", table_count(c, d.rows));
        cli_table_cell(out, "%s", table_bytes(c, d.size_bytes));
        cli_table_cell(out, "%lld/%lld", (long long)d.reader_version, (long long)d.writer_version);
        cli_table_cell(out, "%s",
                       table_names(c, d.n_partition_by ? d.partition_by : d.cluster_by,
                                   d.n_partition_by ? d.n_partition_by : d.n_cluster_by));
        cli_table_cell(out, "%s", table_time(c, d.committed_ms));
    }
    lake_snapshot_free(s);
    lake_close(t);
    return rc ? cli_error(c, &err) : CLI_OK;
}

static int list_all(struct cli_lake *l)
{
    struct finder f = {.arena = &l->c->arena};
    struct cli_table out;
    struct error err = {0};
    int status = CLI_OK;

    if (store_list(l->store, "", see_object, &f, &err))
        status = cli_error(l->c, &err);
    cli_table_init(&out, l->c->global.json ? list_columns_json : list_columns, IG_COUNT(list_columns));
    for (size_t i = 0; i < f.paths.n; i++) {
        const int one = list_one(l, f.paths.p[i], &out);

        status = status ? status : one;
    }
    if (out.cells.n || l->c->global.json)
        cli_table_print(l->c, &out);
    if (f.paths.n == 0 && !status)
        cli_note(l->c, "there are no tables in %s", l->store->url);
    vec_free(&f.paths);
    return status;
}

int table_show_list(struct cli_context *c, const char *where, const char *memory)
{
    struct cli_lake l = {.c = c, .path = ""};
    int status;

    if (where) {
        status = cli_lake_open(c, where, CLI_LAKE_THERE, memory, &l);
    } else {
        status = cli_lake_open_project(&l);
        if (!status && !l.store)
            status = cli_usage(c, "there is no project here: name a folder or a URL to look for tables in");
        if (!status)
            status = cli_lake_open_engine(&l, memory);
    }
    return cli_lake_close(&l, status ? status : list_all(&l));
}

/* --- show ----------------------------------------------------------------------------------------------------- */

static void add_string_member(struct buf *b, const char *name, const char *value)
{
    buf_printf(b, ",\"%s\":", name);
    if (value)
        json_add_string(b, str_of(value));
    else
        buf_puts(b, "null");
}

static void add_number_member(struct buf *b, const char *name, int64_t value)
{
    if (value < 0)
        buf_printf(b, ",\"%s\":null", name);
    else
        buf_printf(b, ",\"%s\":%lld", name, (long long)value);
}

static void add_list_member(struct buf *b, const char *name, const char *const *items, size_t n)
{
    buf_printf(b, ",\"%s\":[", name);
    for (size_t i = 0; i < n; i++) {
        buf_puts(b, i ? "," : "");
        json_add_string(b, str_of(items[i]));
    }
    buf_putc(b, ']');
}

static void add_pairs_member(struct buf *b, const char *name, const struct lake_property *pairs, size_t n)
{
    buf_printf(b, ",\"%s\":{", name);
    for (size_t i = 0; i < n; i++) {
        buf_puts(b, i ? "," : "");
        json_add_string(b, str_of(pairs[i].key));
        buf_putc(b, ':');
        json_add_string(b, str_of(pairs[i].value));
    }
    buf_putc(b, '}');
}

static void add_columns_member(struct buf *b, const struct lake_detail *d)
{
    buf_puts(b, ",\"columns\":[");
    for (size_t i = 0; i < d->n_columns; i++) {
        const struct lake_column_detail *column = &d->columns[i];

        buf_puts(b, i ? ",{\"name\":" : "{\"name\":");
        json_add_string(b, str_of(column->name));
        add_string_member(b, "type", column->type);
        buf_printf(b, ",\"nullable\":%s", column->nullable ? "true" : "false");
        add_string_member(b, "comment", column->comment);
        buf_printf(b, ",\"metadata\":%s}", column->metadata);
    }
    buf_putc(b, ']');
}

/* Names as DESCRIBE DETAIL has them, where it has them. */
static void show_json(struct cli_lake *l, const struct lake_detail *d)
{
    struct buf b;

    buf_init(&b, 0);
    buf_puts(&b, "{\"format\":\"delta\"");
    add_string_member(&b, "table", l->shown);
    add_string_member(&b, "id", d->id);
    add_string_member(&b, "name", d->name);
    add_string_member(&b, "description", d->comment);
    add_string_member(&b, "location", l->location);
    add_number_member(&b, "version", d->version);
    add_string_member(&b, "createdAt", d->created_ms < 0 ? NULL : table_time(l->c, d->created_ms));
    add_string_member(&b, "lastModified", table_time(l->c, d->committed_ms));
    add_list_member(&b, "partitionColumns", d->partition_by, d->n_partition_by);
    add_list_member(&b, "clusteringColumns", d->cluster_by, d->n_cluster_by);
    add_number_member(&b, "numFiles", d->n_files);
    add_number_member(&b, "sizeInBytes", d->size_bytes);
    add_number_member(&b, "numRows", d->rows);
    add_number_member(&b, "numPartitions", d->n_partitions);
    add_number_member(&b, "numDeletionVectors", d->n_deletion_vectors);
    add_number_member(&b, "numDeletedRows", d->deleted_rows);
    add_number_member(&b, "numRemovedFiles", d->n_removed);
    add_number_member(&b, "removedBytes", d->removed_bytes);
    add_pairs_member(&b, "properties", d->properties, d->n_properties);
    add_number_member(&b, "minReaderVersion", d->reader_version);
    add_number_member(&b, "minWriterVersion", d->writer_version);
    add_list_member(&b, "tableFeatures", d->features, d->n_features);
    add_list_member(&b, "domains", d->domains, d->n_domains);
    add_pairs_member(&b, "applications", d->apps, d->n_apps);
    add_columns_member(&b, d);
    fprintf(l->c->out, "%s}\n", buf_cstr(&b));
    buf_release(&b);
}

static void line(struct cli_context *c, const char *name, const char *value)
{
    if (value && *value)
        fprintf(c->out, "%-16s %s\n", name, value);
}

static const char *files_text(struct cli_context *c, const struct lake_detail *d)
{
    const char *text = arena_printf(&c->arena, "%s (%s", table_count(c, d->n_files), table_bytes(c, d->size_bytes));

    if (d->n_files > 1)
        text =
            arena_printf(&c->arena, "%s; smallest %s, average %s, largest %s", text, table_bytes(c, d->smallest_bytes),
                         table_bytes(c, d->size_bytes / d->n_files), table_bytes(c, d->largest_bytes));
    return arena_printf(&c->arena, "%s)", text);
}

static void show_head(struct cli_lake *l, const struct lake_detail *d)
{
    struct cli_context *c = l->c;
    const char *protocol = arena_printf(&c->arena, "reader %lld, writer %lld%s%s", (long long)d->reader_version,
                                        (long long)d->writer_version, d->n_features ? ": " : "",
                                        table_names(c, d->features, d->n_features));

    line(c, "table", l->shown);
    line(c, "location", l->location);
    line(c, "name", d->name);
    line(c, "comment", d->comment);
    line(c, "id", d->id);
    line(c, "version", arena_printf(&c->arena, "%lld, of %s", (long long)d->version, table_time(c, d->committed_ms)));
    line(c, "created", table_time(c, d->created_ms));
    line(c, "protocol", protocol);
    line(c, "rows", d->rows < 0 ? "unknown: some files have no statistics" : table_count(c, d->rows));
    line(c, "files", files_text(c, d));
    if (d->n_deletion_vectors)
        line(c, "deleted rows",
             arena_printf(&c->arena, "%s, by deletion vectors of %s files", table_count(c, d->deleted_rows),
                          table_count(c, d->n_deletion_vectors)));
    line(c, "partitioned by", table_names(c, d->partition_by, d->n_partition_by));
    if (d->n_partition_by)
        line(c, "partitions", table_count(c, d->n_partitions));
    line(c, "clustered by", table_names(c, d->cluster_by, d->n_cluster_by));
    if (d->n_removed)
        line(c, "removed files",
             arena_printf(&c->arena, "%s (%s) still listed for time travel", table_count(c, d->n_removed),
                          table_bytes(c, d->removed_bytes)));
    for (size_t i = 0; i < d->n_properties; i++)
        line(c, i ? "" : "properties",
             arena_printf(&c->arena, "%s = %s", d->properties[i].key, d->properties[i].value));
    for (size_t i = 0; i < d->n_apps; i++)
        line(c, i ? "" : "applications", arena_printf(&c->arena, "%s at %s", d->apps[i].key, d->apps[i].value));
    line(c, "domains", table_names(c, d->domains, d->n_domains));
}

static const char *column_notes(struct cli_context *c, const struct lake_column_detail *column)
{
    const struct {
        bool is;
        const char *text;
    } notes[] = {
        {column->partition >= 0, "partition"},
        {column->clustering >= 0, "clustering"},
        {strstr(column->metadata, "delta.generationExpression") != NULL, "generated"},
        {strstr(column->metadata, "delta.identity.") != NULL, "identity"},
        {strstr(column->metadata, "CURRENT_DEFAULT") != NULL, "default"},
        {strstr(column->metadata, "delta.invariants") != NULL, "invariant"},
    };
    const char *out = "";

    for (size_t i = 0; i < IG_COUNT(notes); i++)
        if (notes[i].is)
            out = arena_printf(&c->arena, "%s%s%s", out, *out ? ", " : "", notes[i].text);
    if (column->comment && *column->comment)
        out = arena_printf(&c->arena, "%s%s%s", out, *out ? "; " : "", column->comment);
    return out;
}

int table_show_detail(struct cli_lake *l, const struct lake_snapshot *s)
{
    static const struct cli_column columns[] = {
        {"COLUMN", CLI_LEFT}, {"TYPE", CLI_LEFT}, {"NULL", CLI_LEFT}, {"", CLI_LEFT}};
    struct lake_detail d;
    struct cli_table out;
    struct error err = {0};

    if (lake_detail(s, &l->c->arena, &d, &err))
        return cli_error(l->c, &err);
    if (l->c->global.json) {
        show_json(l, &d);
        return CLI_OK;
    }
    show_head(l, &d);
    fputc('\n', l->c->out);
    cli_table_init(&out, columns, IG_COUNT(columns));
    for (size_t i = 0; i < d.n_columns; i++) {
        cli_table_cell(&out, "%s", d.columns[i].name);
        cli_table_cell(&out, "%s", d.columns[i].type);
        cli_table_cell(&out, "%s", d.columns[i].nullable ? "" : "not null");
        cli_table_cell(&out, "%s", column_notes(l->c, &d.columns[i]));
    }
    cli_table_print(l->c, &out);
    return CLI_OK;
}

/* --- files ---------------------------------------------------------------------------------------------------- */

struct file_lister {
    struct cli_lake *l;
    const struct lake_snapshot *s;
    struct cli_table out;
    bool stats;
};

static const char *partition_text(struct file_lister *to, const struct lake_file *f)
{
    struct cli_context *c = to->l->c;
    const char *text = "";

    for (size_t i = 0; i < lake_partition_columns(to->s); i++)
        text = arena_printf(&c->arena, "%s%s%s=%s", text, i ? "/" : "", lake_partition_column(to->s, i),
                            f->partition_values[i] ? f->partition_values[i] : "null");
    return text;
}

static enum ig_code file_row(void *ctx, const struct lake_file *f, struct error *err)
{
    struct file_lister *to = ctx;
    struct cli_context *c = to->l->c;

    (void)err;
    cli_table_cell(&to->out, "%s", f->name);
    cli_table_cell(&to->out, "%s", table_count(c, f->rows < 0 ? -1 : f->rows - f->deleted_rows));
    cli_table_cell(&to->out, "%s", f->has_deletion_vector ? table_count(c, f->deleted_rows) : "");
    cli_table_cell(&to->out, "%s", table_bytes(c, f->size_bytes));
    cli_table_cell(&to->out, "%s", table_time(c, f->modified_ms));
    cli_table_cell(&to->out, "%s", partition_text(to, f));
    return IG_OK;
}

static enum ig_code file_json(void *ctx, const struct lake_file *f, struct error *err)
{
    struct file_lister *to = ctx;
    struct buf b;

    (void)err;
    buf_init(&b, 0);
    buf_puts(&b, "{\"path\":");
    json_add_string(&b, str_of(f->name));
    add_number_member(&b, "size_bytes", f->size_bytes);
    add_number_member(&b, "rows", f->rows < 0 ? -1 : f->rows - f->deleted_rows);
    add_number_member(&b, "deleted_rows", f->deleted_rows);
    add_string_member(&b, "modified", table_time(to->l->c, f->modified_ms));
    buf_puts(&b, ",\"partition\":{");
    for (size_t i = 0; i < lake_partition_columns(to->s); i++) {
        buf_puts(&b, i ? "," : "");
        json_add_string(&b, str_of(lake_partition_column(to->s, i)));
        buf_putc(&b, ':');
        if (f->partition_values[i])
            json_add_string(&b, str_of(f->partition_values[i]));
        else
            buf_puts(&b, "null");
    }
    buf_putc(&b, '}');
    if (to->stats) {
        const size_t before = b.n + strlen(",\"stats\":");

        buf_puts(&b, ",\"stats\":");
        lake_file_add_stats(f, &b);
        if (b.n == before)
            buf_puts(&b, "null");
    }
    fprintf(to->l->c->out, "%s}\n", buf_cstr(&b));
    buf_release(&b);
    return IG_OK;
}

int table_show_files(struct cli_lake *l, const struct lake_snapshot *s, bool stats)
{
    static const struct cli_column columns[] = {{"FILE", CLI_LEFT},  {"ROWS", CLI_NUMERIC},  {"DELETED", CLI_NUMERIC},
                                                {"SIZE", CLI_RIGHT}, {"MODIFIED", CLI_LEFT}, {"PARTITION", CLI_LEFT}};
    struct file_lister to = {.l = l, .s = s, .stats = stats};
    struct error err = {0};

    cli_table_init(&to.out, columns, IG_COUNT(columns));
    if (lake_files(s, l->c->global.json || stats ? file_json : file_row, &to, &err))
        return cli_error(l->c, &err);
    if (!l->c->global.json && !stats)
        cli_table_print(l->c, &to.out);
    return CLI_OK;
}

/* --- history --------------------------------------------------------------------------------------------------- */

struct history_lister {
    struct cli_lake *l;
    struct cli_table out;
};

static const char *text_of(struct cli_context *c, struct str object, const char *name)
{
    const char *text = "";
    struct buf out;
    int64_t n;

    buf_init(&out, 0);
    if (json_member_string(object, name, &out))
        text = arena_strndup(&c->arena, buf_cstr(&out), out.n);
    else if (json_member_int64(object, name, &n))
        text = arena_printf(&c->arena, "%lld", (long long)n);
    buf_release(&out);
    return text;
}

/* The first of the names that the metrics have, as a number for people. */
static const char *metric(struct cli_context *c, const struct lake_history_entry *e, const char *const *names, size_t n)
{
    int64_t value;

    for (size_t i = 0; i < n; i++) {
        const char *text = text_of(c, e->metrics, names[i]);

        if (*text && str_to_int64(str_of(text), 0, INT64_MAX, &value))
            return table_count(c, value);
    }
    return "";
}

/* What the operation was asked for, in few words: mode, predicate, key. */
static const char *history_details(struct cli_context *c, const struct lake_history_entry *e)
{
    static const char *const names[] = {"mode",       "predicate", "matchedPredicates", "partitionBy",
                                        "zOrderBy",   "version",   "timestamp",         "source",
                                        "properties", "column",    "columns",           "name"};
    const char *out = "";

    for (size_t i = 0; i < IG_COUNT(names); i++) {
        const char *text = text_of(c, e->parameters, names[i]);

        if (!*text || strcmp(text, "[]") == 0 || strcmp(text, "{}") == 0 || strcmp(text, "null") == 0)
            continue;
        out = arena_printf(&c->arena, "%s%s%s=%.60s%s", out, *out ? " " : "", names[i], text,
                           strlen(text) > 60 ? "..." : "");
    }
    return out;
}

static enum ig_code history_row(void *ctx, const struct lake_history_entry *e, struct error *err)
{
    static const char *const added[] = {"numAddedFiles", "numFiles",         "numTargetFilesAdded",
                                        "numFilesAdded", "numRestoredFiles", "num_added_files"};
    static const char *const removed[] = {"numRemovedFiles", "numTargetFilesRemoved", "numFilesRemoved",
                                          "numDeletedFiles", "num_removed_files"};
    static const char *const rows[] = {"numOutputRows", "numDeletedRows", "numUpdatedRows", "numTargetRowsInserted",
                                       "num_added_rows"};
    struct history_lister *to = ctx;
    struct cli_context *c = to->l->c;

    (void)err;
    cli_table_cell(&to->out, "%lld", (long long)e->version);
    cli_table_cell(&to->out, "%s", table_time(c, e->time_ms));
    cli_table_cell(&to->out, "%s", e->operation ? e->operation : "");
    cli_table_cell(&to->out, "%s", metric(c, e, rows, IG_COUNT(rows)));
    cli_table_cell(&to->out, "%s", metric(c, e, added, IG_COUNT(added)));
    cli_table_cell(&to->out, "%s", metric(c, e, removed, IG_COUNT(removed)));
    cli_table_cell(&to->out, "%s", e->engine_info ? e->engine_info : "");
    cli_table_cell(&to->out, "%s", history_details(c, e));
    return IG_OK;
}

/* Members as DESCRIBE HISTORY has them; `whole` adds what else the commit said. */
static enum ig_code history_json(void *ctx, const struct lake_history_entry *e, struct error *err)
{
    struct history_lister *to = ctx;
    struct buf b;

    (void)err;
    buf_init(&b, 0);
    buf_printf(&b, "{\"version\":%lld", (long long)e->version);
    add_string_member(&b, "timestamp", table_time(to->l->c, e->time_ms));
    add_string_member(&b, "operation", e->operation);
    buf_printf(&b, ",\"operationParameters\":" STR_FMT, STR_ARG(e->parameters.n ? e->parameters : STR("{}")));
    buf_printf(&b, ",\"operationMetrics\":" STR_FMT, STR_ARG(e->metrics.n ? e->metrics : STR("{}")));
    add_number_member(&b, "readVersion", e->read_version);
    add_string_member(&b, "isolationLevel", e->isolation_level);
    buf_printf(&b, ",\"isBlindAppend\":%s", e->blind_append < 0 ? "null" : e->blind_append ? "true" : "false");
    add_string_member(&b, "userName", e->user_name);
    add_string_member(&b, "userMetadata", e->user_metadata);
    add_string_member(&b, "engineInfo", e->engine_info);
    add_string_member(&b, "txnId", e->txn_id);
    fprintf(to->l->c->out, "%s}\n", buf_cstr(&b));
    buf_release(&b);
    return IG_OK;
}

int table_show_history(struct cli_lake *l, int64_t limit)
{
    static const struct cli_column columns[] = {
        {"VERSION", CLI_NUMERIC}, {"TIME", CLI_LEFT},       {"OPERATION", CLI_LEFT}, {"ROWS", CLI_NUMERIC},
        {"ADDED", CLI_NUMERIC},   {"REMOVED", CLI_NUMERIC}, {"BY", CLI_LEFT},        {"DETAILS", CLI_LEFT}};
    struct history_lister to = {.l = l};
    struct error err = {0};

    cli_table_init(&to.out, columns, IG_COUNT(columns));
    if (lake_history(l->table, limit, l->c->global.json ? history_json : history_row, &to, &err))
        return cli_error(l->c, &err);
    if (!l->c->global.json)
        cli_table_print(l->c, &to.out);
    return CLI_OK;
}
