/*
 * Files as a source: those that the paths match, by name, each a part that is read once from beginning to end.
 *
 * A file that cannot be read does not stop the others: it is reported, passed over, and tried again when it has
 * changed or the program starts anew.
 */
#include "source/glob.h"
#include "source/reader.h"
#include "source/rows.h"

#include <stdlib.h>

#define STILL_WRITING_MS 2000 /* a file changed this recently is left for the next look, unless this is a `run` */

struct failed_file {
    char *path;
    int64_t size_bytes, mtime_ms;
};

struct file_reader {
    struct source_reader reader;
    struct source_options options;
    struct source_state *state;
    struct glob_files files;
    size_t at; /* of the next file to look at */
    bool scanned;
    VEC(struct failed_file) failed;
    VEC(const struct source_part *) given; /* to their end; they are finished when that is acknowledged */
    VEC(char *) warned;                    /* parts whose file has changed since */
    struct rows *rows;                     /* of the file that is open */
    struct source_part *part;
    const struct glob_file *file;
};

static const struct conf_source *source_of(const struct file_reader *r)
{
    return &r->options.domain->source;
}

/* --- what goes wrong with a file ---------------------------------------------------------------------------- */

static void report(struct file_reader *r, const char *path, const struct error *e)
{
    log_error(r->options.env, "source", "%s: %s: %s", r->options.domain->name, path, e->msg);
    if (r->reader.failures++ == 0)
        error_set(&r->reader.failure, e->code, "%s: %s", path, e->msg);
}

static void fail_file(struct file_reader *r, const struct glob_file *f, const struct error *e)
{
    const struct failed_file failed = {check_strdup(f->path), f->size_bytes, f->mtime_ms};

    vec_push(&r->failed, failed);
    report(r, f->path, e);
}

static bool has_failed(const struct file_reader *r, const struct glob_file *f)
{
    for (size_t i = 0; i < r->failed.n; i++)
        if (strcmp(r->failed.p[i].path, f->path) == 0 && r->failed.p[i].size_bytes == f->size_bytes &&
            r->failed.p[i].mtime_ms == f->mtime_ms)
            return true;
    return false;
}

static bool is_given(const struct file_reader *r, const struct source_part *part)
{
    for (size_t i = r->given.n; i-- > 0;)
        if (r->given.p[i] == part)
            return true;
    return false;
}

/* --- which files -------------------------------------------------------------------------------------------- */

static enum ig_code scan(struct file_reader *r, struct error *err)
{
    const struct conf_source *c = source_of(r);
    enum ig_code rc = IG_OK;

    glob_free(&r->files);
    r->at = 0;
    for (size_t i = 0; i < c->n_paths && !rc; i++) {
        const size_t before = r->files.n;

        rc = glob_expand(r->options.env, c->paths[i], &r->files, err);
        if (!rc && r->files.n == before && !r->scanned) {
            struct error e;

            error_set(&e, IG_NOT_FOUND, "no file matches");
            if (r->options.to_end)
                report(r, c->paths[i], &e);
            else
                log_warn(r->options.env, "source", "%s: no file matches %s yet", r->options.domain->name, c->paths[i]);
        }
    }
    glob_sort(&r->files);
    r->scanned = true;
    return rc;
}

/* A part is named after its file, as seen from the project; the second version of it with #2 behind. */
static void part_name(const struct file_reader *r, const char *path, int version, struct buf *out)
{
    const char *root = r->options.conf->root;
    const size_t n = root ? strlen(root) : 0;

    if (n > 0 && strncmp(path, root, n) == 0 && path[n] == '/')
        path += n + 1;
    buf_puts(out, path);
    if (version > 1)
        buf_printf(out, "#%d", version);
}

static struct source_part *find_part(const struct file_reader *r, const char *path, int *version)
{
    struct source_part *found = NULL, *p;
    struct buf name;

    buf_init(&name, 0);
    for (*version = 1;; ++*version) {
        buf_clear(&name);
        part_name(r, path, *version, &name);
        p = state_part(r->state, buf_str(&name));
        if (!p)
            break;
        found = p;
    }
    buf_release(&name);
    return found;
}

static void warn_changed(struct file_reader *r, struct source_part *part, const char *path)
{
    for (size_t i = 0; i < r->warned.n; i++)
        if (strcmp(r->warned.p[i], part->name) == 0)
            return;
    vec_push(&r->warned, check_strdup(part->name));
    log_warn(r->options.env, "source",
             "%s: %s has another size than when it was read; it is not read again (`reread: true` would)",
             r->options.domain->name, path);
}

static enum ig_code add_part(struct file_reader *r, const struct glob_file *f, int version, struct error *err)
{
    struct buf name;
    enum ig_code rc;

    buf_init(&name, 0);
    part_name(r, f->path, version, &name);
    rc = state_add_part(r->state, buf_str(&name), f->size_bytes, f->mtime_ms, &r->part, err);
    buf_release(&name);
    return rc;
}

/* Decides about one file: r->part is set if it is to be read. */
static enum ig_code choose(struct file_reader *r, const struct glob_file *f, struct error *err)
{
    const bool reread = source_of(r)->reread_on_change;
    const int64_t age_ms = env_now_ms(r->options.env) - f->mtime_ms;
    struct source_part *p;
    bool changed;
    int version;

    r->part = NULL;
    if (has_failed(r, f))
        return IG_OK;
    if (!r->options.to_end && age_ms >= 0 && age_ms < STILL_WRITING_MS)
        return IG_OK;
    p = find_part(r, f->path, &version);
    if (!p)
        return add_part(r, f, 1, err);
    changed = p->size_bytes != f->size_bytes || (reread && p->mtime_ms != f->mtime_ms);
    if (changed && reread)
        return add_part(r, f, version, err);
    if (p->finished && changed) {
        warn_changed(r, p, f->path);
        return IG_OK;
    }
    if (changed && p->next == 0) { /* nothing of it was read */
        p->size_bytes = f->size_bytes;
        p->mtime_ms = f->mtime_ms;
        p->dirty = true;
        changed = false;
    }
    if (changed) {
        struct error e;

        error_set(&e, IG_CONFLICT, "it has changed since its first %lld rows were read", (long long)p->next);
        fail_file(r, f, &e);
    } else if (!p->finished && !is_given(r, p)) {
        r->part = p;
    }
    return IG_OK;
}

/* --- opening -------------------------------------------------------------------------------------------------- */

static const struct {
    const char *suffix;
    enum conf_file_format format;
} suffixes[] = {
    {".csv", CONF_FORMAT_CSV},         {".tsv", CONF_FORMAT_CSV},        {".csv.gz", CONF_FORMAT_CSV},
    {".parquet", CONF_FORMAT_PARQUET}, {".pq", CONF_FORMAT_PARQUET},     {".ndjson", CONF_FORMAT_NDJSON},
    {".jsonl", CONF_FORMAT_NDJSON},    {".json", CONF_FORMAT_NDJSON},    {".ndjson.gz", CONF_FORMAT_NDJSON},
    {".jsonl.gz", CONF_FORMAT_NDJSON}, {".json.gz", CONF_FORMAT_NDJSON}, {".tsv.gz", CONF_FORMAT_CSV},
};

static enum conf_file_format format_of(const struct file_reader *r, const char *path)
{
    if (source_of(r)->format != CONF_FORMAT_AUTO)
        return source_of(r)->format;
    for (size_t i = 0; i < IG_COUNT(suffixes); i++)
        if (str_has_suffix(str_of(path), suffixes[i].suffix))
            return suffixes[i].format;
    return CONF_FORMAT_AUTO;
}

static enum ig_code open_rows(struct file_reader *r, const struct glob_file *f, struct error *err)
{
    const struct conf_source *c = source_of(r);
    const enum conf_file_format format = format_of(r, f->path);

    if (f->size_bytes == 0)
        return error_set(err, IG_INVALID, "the file is empty (0 bytes)");
    switch (format) {
    case CONF_FORMAT_NDJSON:
        if (c->sql)
            return error_set(err, IG_INVALID, "a source's sql works on CSV and Parquet, not on JSON lines");
        return rows_open_lines(r->options.env, f->path, &r->rows, err);
    case CONF_FORMAT_CSV:
        if (!c->sql)
            return rows_open_csv(r->options.env, f->path, c->null_text, &r->rows, err);
        return rows_open_sql(&r->options, f->path, format, &r->rows, err);
    case CONF_FORMAT_PARQUET:
        return rows_open_sql(&r->options, f->path, format, &r->rows, err);
    default:
        return error_set(err, IG_INVALID, "its name does not say what it is: add `format: csv`, parquet or ndjson");
    }
}

static void close_rows(struct file_reader *r)
{
    if (r->rows)
        r->rows->ops->free(r->rows);
    r->rows = NULL;
}

/* Opens the next file that is to be read; none: r->rows stays NULL. */
static enum ig_code open_next(struct file_reader *r, struct error *err)
{
    while (!r->rows && r->at < r->files.n) {
        struct error e = {0};

        r->file = &r->files.p[r->at++];
        IG_TRY(choose(r, r->file, err));
        if (!r->part)
            continue;
        log_info(r->options.env, "source", "%s: reading %s%s", r->options.domain->name, r->file->path,
                 r->part->next > 0 ? " on from where it stopped" : "");
        if (open_rows(r, r->file, &e))
            fail_file(r, r->file, &e);
    }
    return IG_OK;
}

static enum ig_code file_next(struct source_reader *reader, size_t max, struct source_batch *out, struct error *err)
{
    struct file_reader *r = (struct file_reader *)reader;
    struct error e = {0};

    *out = (struct source_batch){0};
    if (!r->rows && r->at == r->files.n)
        IG_TRY(scan(r, err));
    for (;;) {
        IG_TRY(open_next(r, err));
        if (!r->rows) {
            out->end = true;
            return IG_OK;
        }
        out->part = r->part;
        if (r->rows->ops->next(r->rows, r->part->next, max, &out->items, &out->n, &e) == IG_OK)
            break;
        fail_file(r, r->file, &e);
        close_rows(r);
    }
    if (out->n == 0) {
        out->part_done = true;
        vec_push(&r->given, r->part);
        close_rows(r);
    }
    return IG_OK;
}

static void file_free(struct source_reader *reader)
{
    struct file_reader *r = (struct file_reader *)reader;

    close_rows(r);
    glob_free(&r->files);
    for (size_t i = 0; i < r->failed.n; i++)
        free(r->failed.p[i].path);
    for (size_t i = 0; i < r->warned.n; i++)
        free(r->warned.p[i]);
    vec_free(&r->failed);
    vec_free(&r->given);
    vec_free(&r->warned);
    free(r);
}

static const struct source_reader_ops file_ops = {file_next, file_free};

enum ig_code file_reader_new(const struct source_options *options, struct source_state *state,
                             struct source_reader **out, struct error *err)
{
    struct file_reader *r = check_calloc(1, sizeof(*r));

    (void)err;
    r->reader.ops = &file_ops;
    r->reader.total = -1;
    r->options = *options;
    r->state = state;
    *out = &r->reader;
    return IG_OK;
}
