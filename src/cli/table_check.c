#include "cli/table_check.h"

#include "cli/table_show.h"
#include "cli/table_work.h"

#include <errno.h>

/* --- check ------------------------------------------------------------------------------------------------------ */

struct check_work {
    struct lake_check o;
    struct lake_checked out;
    struct table_progress progress;
    struct cli_context *c;
};

static void print_problem(void *ctx, const struct lake_problem *p)
{
    struct check_work *w = ctx;
    struct buf b;

    cli_progress_end(&w->progress.line);
    if (!w->c->global.json) {
        fprintf(w->c->out, "%s: %s%s%s\n", p->kind, p->file, *p->file ? ": " : "", p->text);
        return;
    }
    buf_init(&b, 0);
    buf_puts(&b, "{\"problem\":");
    json_add_string(&b, str_of(p->kind));
    buf_puts(&b, ",\"file\":");
    json_add_string(&b, str_of(p->file));
    buf_puts(&b, ",\"text\":");
    json_add_string(&b, str_of(p->text));
    fprintf(w->c->out, "%s}\n", buf_cstr(&b));
    buf_release(&b);
}

static void check_progress(void *ctx, const char *what, int64_t done, int64_t total)
{
    struct check_work *w = ctx;

    table_progress(&w->progress, what, done, total);
}

static void print_checked(struct cli_context *c, const struct lake_check *o, const struct lake_checked *out)
{
    if (c->global.json) {
        const struct table_figure figures[] = {
            {"version", out->version},
            {"files", out->files},
            {"bytes", out->bytes},
            {"rows", out->rows},
            {"deletion_vectors", out->vectors},
            {"checkpoints", out->checkpoints},
            {"problems", out->problems},
            {"missing", out->missing},
            {"repaired", out->repaired},
        };

        table_figures_json(c, figures, IG_COUNT(figures));
        return;
    }
    fprintf(c->out, "version %lld: %s files (%s)", (long long)out->version, table_count(c, out->files),
            table_bytes(c, out->bytes));
    if (o->data)
        fprintf(c->out, ", %s rows", table_count(c, out->rows));
    if (out->vectors)
        fprintf(c->out, ", %s deletion vectors", table_count(c, out->vectors));
    if (out->checkpoints)
        fprintf(c->out, ", %s checkpoints", table_count(c, out->checkpoints));
    if (out->problems == 0)
        fputs(": all is well\n", c->out);
    else
        fprintf(c->out, ": %s problem%s\n", table_count(c, out->problems), out->problems == 1 ? "" : "s");
    if (out->repaired)
        fprintf(c->out, "%s missing files were taken out of the table\n", table_count(c, out->repaired));
    else if (out->missing && o->version != LAKE_LATEST)
        cli_note(c,
                 "version %lld cannot be read any more; a vacuum removes files that no version within the retention "
                 "needs",
                 (long long)out->version);
    else if (out->missing && !o->repair)
        cli_note(c, "--repair takes files that are missing out of the table; their rows are lost");
}

static int check(struct cli_lake *l, void *ctx)
{
    struct check_work *w = ctx;
    struct error err = {0};
    enum ig_code rc;

    table_progress_begin(l, &w->progress);
    rc = lake_check(l->table, &w->o, &w->out, &err);
    cli_progress_end(&w->progress.line);
    if (rc)
        return cli_error(l->c, &err);
    print_checked(l->c, &w->o, &w->out);
    if (w->o.repair && !w->o.dry_run && w->out.problems == w->out.missing)
        return CLI_OK;
    return w->out.problems ? CLI_FAILED : CLI_OK;
}

int table_check(struct cli_lake *l, const char *at, bool data, bool repair, bool dry_run)
{
    struct check_work w = {.c = l->c};
    struct error err = {0};

    w.o = (struct lake_check){
        .version = LAKE_LATEST,
        .data = data,
        .repair = repair,
        .dry_run = dry_run,
        .each = print_problem,
        .progress = check_progress,
        .ctx = &w,
    };
    at = at ? at : l->at;
    if (at && cli_lake_version(l, at, &w.o.version, &err))
        return cli_error(l->c, &err);
    return cli_lake_interruptible(l, check, &w);
}

/* --- diff: the words -------------------------------------------------------------------------------------------- */

struct differ {
    struct cli_lake *l;
    const struct lake_snapshot *a, *b;
    struct lake_detail was, is;
    int64_t n;
};

static void say(struct differ *d, const char *kind, const char *name, const char *before, const char *after)
{
    struct cli_context *c = d->l->c;
    struct buf b;

    d->n++;
    if (!c->global.json) {
        if (!before)
            fprintf(c->out, "+ %s %s %s\n", kind, name, after);
        else if (!after)
            fprintf(c->out, "- %s %s %s\n", kind, name, before);
        else
            fprintf(c->out, "~ %s %s %s -> %s\n", kind, name, before, after);
        return;
    }
    buf_init(&b, 0);
    buf_printf(&b, "{\"kind\":\"%s\",\"name\":", kind);
    json_add_string(&b, str_of(name));
    buf_puts(&b, ",\"before\":");
    if (before)
        json_add_string(&b, str_of(before));
    else
        buf_puts(&b, "null");
    buf_puts(&b, ",\"after\":");
    if (after)
        json_add_string(&b, str_of(after));
    else
        buf_puts(&b, "null");
    fprintf(c->out, "%s}\n", buf_cstr(&b));
    buf_release(&b);
}

static const char *property_of(const struct lake_detail *d, const char *key)
{
    for (size_t i = 0; i < d->n_properties; i++)
        if (strcmp(d->properties[i].key, key) == 0)
            return d->properties[i].value;
    return NULL;
}

static const struct lake_column_detail *column_of(const struct lake_detail *d, const char *name)
{
    for (size_t i = 0; i < d->n_columns; i++)
        if (strcmp(d->columns[i].name, name) == 0)
            return &d->columns[i];
    return NULL;
}

static const char *column_text(struct cli_context *c, const struct lake_column_detail *column)
{
    return column->nullable ? column->type : arena_printf(&c->arena, "%s not null", column->type);
}

static void diff_schema(struct differ *d)
{
    struct cli_context *c = d->l->c;

    for (size_t i = 0; i < d->was.n_columns; i++) {
        const struct lake_column_detail *was = &d->was.columns[i], *is = column_of(&d->is, was->name);

        if (!is)
            say(d, "column", was->name, column_text(c, was), NULL);
        else if (strcmp(column_text(c, was), column_text(c, is)) != 0)
            say(d, "column", was->name, column_text(c, was), column_text(c, is));
    }
    for (size_t i = 0; i < d->is.n_columns; i++)
        if (!column_of(&d->was, d->is.columns[i].name))
            say(d, "column", d->is.columns[i].name, NULL, column_text(c, &d->is.columns[i]));
}

static void diff_properties(struct differ *d)
{
    for (size_t i = 0; i < d->was.n_properties; i++) {
        const struct lake_property *was = &d->was.properties[i];
        const char *is = property_of(&d->is, was->key);

        if (!is || strcmp(is, was->value) != 0)
            say(d, "property", was->key, was->value, is);
    }
    for (size_t i = 0; i < d->is.n_properties; i++)
        if (!property_of(&d->was, d->is.properties[i].key))
            say(d, "property", d->is.properties[i].key, NULL, d->is.properties[i].value);
}

static const char *protocol_text(struct cli_context *c, const struct lake_detail *d)
{
    return arena_printf(&c->arena, "(%lld, %lld)%s%s", (long long)d->reader_version, (long long)d->writer_version,
                        d->n_features ? " " : "", table_names(c, d->features, d->n_features));
}

static void diff_rest(struct differ *d)
{
    struct cli_context *c = d->l->c;
    const struct {
        const char *kind, *before, *after;
    } parts[] = {
        {"protocol", protocol_text(c, &d->was), protocol_text(c, &d->is)},
        {"partitioned by", table_names(c, d->was.partition_by, d->was.n_partition_by),
         table_names(c, d->is.partition_by, d->is.n_partition_by)},
        {"clustered by", table_names(c, d->was.cluster_by, d->was.n_cluster_by),
         table_names(c, d->is.cluster_by, d->is.n_cluster_by)},
    };

    for (size_t i = 0; i < IG_COUNT(parts); i++)
        if (strcmp(parts[i].before, parts[i].after) != 0)
            say(d, parts[i].kind, "", parts[i].before, parts[i].after);
}

/* --- diff: files and rows --------------------------------------------------------------------------------------- */

static enum ig_code diff_file(void *ctx, bool added, const struct lake_file *f, struct error *err)
{
    struct differ *d = ctx;
    struct cli_context *c = d->l->c;
    const int64_t rows = f->rows < 0 ? -1 : f->rows - f->deleted_rows;
    struct buf b;

    (void)err;
    d->n++;
    if (!c->global.json) {
        fprintf(c->out, "%c file %s (%s%s%s)\n", added ? '+' : '-', f->name, table_bytes(c, f->size_bytes),
                rows < 0 ? "" : ", rows: ", table_count(c, rows));
        return IG_OK;
    }
    buf_init(&b, 0);
    buf_printf(&b, "{\"kind\":\"file\",\"change\":\"%s\",\"name\":", added ? "added" : "removed");
    json_add_string(&b, str_of(f->name));
    buf_printf(&b, ",\"size_bytes\":%lld,\"rows\":", (long long)f->size_bytes);
    if (rows < 0)
        buf_puts(&b, "null");
    else
        buf_printf(&b, "%lld", (long long)rows);
    fprintf(c->out, "%s}\n", buf_cstr(&b));
    buf_release(&b);
    return IG_OK;
}

static enum ig_code write_rows(void *ctx, struct str text, struct error *err)
{
    struct cli_context *c = ctx;

    if (fwrite(text.p, 1, text.n, c->out) != text.n)
        return error_set(err, IG_IO, "write the result: %s", strerror(errno));
    return IG_OK;
}

struct row_diff {
    const struct lake_snapshot *a, *b;
    int64_t limit;
};

static int diff_rows(struct cli_lake *l, void *ctx)
{
    const struct row_diff *w = ctx;
    struct engine_streamed streamed;
    struct error err = {0};
    struct buf sql;
    enum ig_code rc;

    buf_init(&sql, 0);
    buf_puts(&sql, "SELECT * FROM ");
    rc = lake_add_diff(w->a, w->b, &sql, &err);
    if (!rc)
        rc = engine_stream(l->conn, buf_cstr(&sql), l->c->global.json ? ENGINE_PRINT_JSON : ENGINE_PRINT_TABLE,
                           w->limit, write_rows, l->c, &streamed, &err);
    buf_release(&sql);
    return rc ? cli_error(l->c, &err) : CLI_OK;
}

static int open_version(struct cli_lake *l, const char *text, struct lake_snapshot **out)
{
    struct error err = {0};
    int64_t version;

    if (cli_lake_version(l, text, &version, &err) || lake_snapshot_open(l->table, version, out, &err))
        return cli_error(l->c, &err);
    return CLI_OK;
}

static int diff_tables(struct differ *d)
{
    struct cli_context *c = d->l->c;
    struct lake_diff files;
    struct error err = {0};

    if (lake_detail(d->a, &c->arena, &d->was, &err) || lake_detail(d->b, &c->arena, &d->is, &err))
        return cli_error(c, &err);
    diff_rest(d);
    diff_schema(d);
    diff_properties(d);
    if (lake_diff(d->a, d->b, diff_file, d, &files, &err))
        return cli_error(c, &err);
    if (c->global.json) {
        const struct table_figure figures[] = {
            {"from", d->was.version},
            {"to", d->is.version},
            {"files_added", files.files_added},
            {"files_removed", files.files_removed},
            {"files_kept", files.files_kept},
            {"bytes_added", files.bytes_added},
            {"bytes_removed", files.bytes_removed},
        };

        table_figures_json(c, figures, IG_COUNT(figures));
        return CLI_OK;
    }
    fprintf(c->out, "version %lld to %lld: %s files added (%s%s%s), %s removed (%s%s%s), %s the same\n",
            (long long)d->was.version, (long long)d->is.version, table_count(c, files.files_added),
            table_bytes(c, files.bytes_added), files.rows_added < 0 ? "" : ", rows: ", table_count(c, files.rows_added),
            table_count(c, files.files_removed), table_bytes(c, files.bytes_removed),
            files.rows_removed < 0 ? "" : ", rows: ", table_count(c, files.rows_removed),
            table_count(c, files.files_kept));
    return CLI_OK;
}

int table_diff(struct cli_lake *l, const char *from, const char *to, bool rows, int64_t limit)
{
    struct lake_snapshot *a = NULL, *b = NULL;
    struct differ d = {.l = l};
    int status = open_version(l, from, &a);

    if (!status)
        status = to ? open_version(l, to, &b) : cli_lake_snapshot(l, NULL, &b);
    d.a = a;
    d.b = b;
    if (!status && rows) {
        struct row_diff w = {a, b, limit};

        status = cli_lake_interruptible(l, diff_rows, &w);
    } else if (!status) {
        status = diff_tables(&d);
    }
    lake_snapshot_free(b);
    lake_snapshot_free(a);
    return status;
}
