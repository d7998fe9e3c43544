#include "cli/table_work.h"

#include "cli/cli_log.h"
#include "cli/table_show.h"

#include <unistd.h>

/* --- progress and figures -------------------------------------------------------------------------------------- */

void table_progress_begin(struct cli_lake *l, struct table_progress *p)
{
    *p = (struct table_progress){.table = l->shown, .began_us = env_monotonic_us(l->c->env)};
    cli_progress_begin(l->c, &p->line);
}

void table_progress(void *progress, const char *what, int64_t done, int64_t total)
{
    struct table_progress *p = progress;

    cli_progress_hop(&p->line, what, p->table, done, total, env_monotonic_us(p->line.c->env) - p->began_us);
}

void table_figures_json(struct cli_context *c, const struct table_figure *figures, size_t n)
{
    for (size_t i = 0; i < n; i++)
        fprintf(c->out, "%s\"%s\":%lld", i ? "," : "{", figures[i].name, (long long)figures[i].value);
    fputs("}\n", c->out);
}

/* --- optimize -------------------------------------------------------------------------------------------------- */

/* "1 file", "1,234 files" */
static const char *count_of(struct cli_context *c, int64_t n, const char *what)
{
    return arena_printf(&c->arena, "%s %s%s", table_count(c, n), what, n == 1 ? "" : "s");
}

struct optimize_work {
    struct lake_optimize o;
    struct lake_optimized out;
    struct table_progress progress;
};

static void print_optimized(struct cli_context *c, const struct lake_optimize *o, const struct lake_optimized *out)
{
    if (c->global.json) {
        const struct table_figure figures[] = {
            {"version", out->version},
            {"commits", out->commits},
            {"partitions", out->partitions},
            {"files_considered", out->files_considered},
            {"files_removed", out->files_removed},
            {"bytes_removed", out->bytes_removed},
            {"files_added", out->files_added},
            {"bytes_added", out->bytes_added},
            {"deletion_vectors_removed", out->vectors_removed},
            {"files_left_to_others", out->files_left},
        };

        table_figures_json(c, figures, IG_COUNT(figures));
        return;
    }
    if (out->files_removed == 0) {
        if (o->where && out->files_considered == 0)
            fprintf(c->out, "nothing to do: no partition is chosen by %s\n", o->where);
        else
            fprintf(c->out, "nothing to do: %s\n", count_of(c, out->files_considered, "file"));
        return;
    }
    if (o->dry_run)
        fprintf(c->out, "would make about %s of %s (%s)", count_of(c, out->files_added, "file"),
                table_count(c, out->files_removed), table_bytes(c, out->bytes_removed));
    else
        fprintf(c->out, "%s (%s) became %s (%s)", count_of(c, out->files_removed, "file"),
                table_bytes(c, out->bytes_removed), count_of(c, out->files_added, "file"),
                table_bytes(c, out->bytes_added));
    if (out->vectors_removed)
        fprintf(c->out, ", %s less", count_of(c, out->vectors_removed, "deletion vector"));
    if (!o->dry_run)
        fprintf(c->out, "; version %lld", (long long)out->version);
    fputc('\n', c->out);
    if (out->files_left)
        cli_note(c, "%s files were changed by others meanwhile and are as those left them",
                 table_count(c, out->files_left));
}

static int optimize(struct cli_lake *l, void *ctx)
{
    struct optimize_work *w = ctx;
    struct error err = {0};
    enum ig_code rc;

    table_progress_begin(l, &w->progress);
    w->o.progress = table_progress;
    w->o.ctx = &w->progress;
    rc = lake_optimize(l->table, &w->o, &w->out, &err);
    cli_progress_end(&w->progress.line);
    if (w->out.commits || !rc)
        print_optimized(l->c, &w->o, &w->out);
    return rc ? cli_error(l->c, &err) : CLI_OK;
}

int table_optimize(struct cli_lake *l, const struct table_work *w)
{
    struct optimize_work work = {.o = {
                                     .where = w->where,
                                     .zorder_by = w->zorder.p,
                                     .n_zorder_by = w->zorder.n,
                                     .full = w->full,
                                     .purge = w->purge,
                                     .dry_run = w->dry_run,
                                 }};

    if (w->target && (!str_to_bytes(str_of(w->target), &work.o.target_bytes) || work.o.target_bytes <= 0))
        return cli_usage(l->c, "--target is a size like 256MB, not '%s'", w->target);
    if (w->purge && (w->zorder.n || w->full))
        return cli_usage(l->c, "--purge rewrites files with deletion vectors and nothing else");
    return cli_lake_interruptible(l, optimize, &work);
}

/* --- vacuum ---------------------------------------------------------------------------------------------------- */

struct vacuum_work {
    struct lake_vacuum o;
    struct table_progress progress;
    struct cli_context *c;
    bool list;
};

static void vacuum_file(void *ctx, const char *name, int64_t size_bytes, int64_t modified_ms)
{
    struct vacuum_work *w = ctx;
    struct buf b;

    if (!w->list)
        return;
    if (!w->c->global.json) {
        fprintf(w->c->out, "%s\n", name);
        return;
    }
    buf_init(&b, 0);
    buf_puts(&b, "{\"path\":");
    json_add_string(&b, str_of(name));
    if (size_bytes >= 0)
        buf_printf(&b, ",\"size_bytes\":%lld,\"modified\":\"%s\"", (long long)size_bytes,
                   table_time(w->c, modified_ms));
    fprintf(w->c->out, "%s}\n", buf_cstr(&b));
    buf_release(&b);
}

static void vacuum_progress(void *ctx, const char *what, int64_t done, int64_t total)
{
    struct vacuum_work *w = ctx;

    table_progress(&w->progress, what, done, total);
}

static void print_vacuumed(struct cli_context *c, const struct lake_vacuum *o, const struct lake_vacuumed *out)
{
    FILE *to = o->dry_run ? c->err : c->out; /* the files are what it gives */

    if (c->global.json) {
        const struct table_figure figures[] = {
            {"version", out->version},
            {"files", out->files},
            {"bytes", out->bytes},
            {"folders", out->folders},
            {"young_files", out->kept_files},
            {"young_bytes", out->kept_bytes},
            {"retention_ms", out->retention_ms},
        };

        if (!o->dry_run) /* whose lines are the files */
            table_figures_json(c, figures, IG_COUNT(figures));
        return;
    }
    if (out->files == 0)
        fprintf(to, "nothing to remove");
    else
        fprintf(to, "%s %s%s%s%s", o->dry_run ? "would remove" : "removed", count_of(c, out->files, "file"),
                out->bytes >= 0 ? " (" : "", table_bytes(c, out->bytes), out->bytes >= 0 ? ")" : "");
    if (out->folders)
        fprintf(to, " and %s", count_of(c, out->folders, "empty folder"));
    if (out->kept_files)
        fprintf(to, "; %s more (%s) are younger than the retention", table_count(c, out->kept_files),
                table_bytes(c, out->kept_bytes));
    fputc('\n', to);
}

int table_vacuum(struct cli_lake *l, const struct table_work *w)
{
    struct vacuum_work work = {.c = l->c, .list = w->dry_run};
    struct lake_vacuumed out;
    struct error err = {0};
    enum ig_code rc;

    work.o = (struct lake_vacuum){
        .retention_ms = -1,
        .force = w->force,
        .dry_run = w->dry_run,
        .lite = w->lite,
        .quiet = w->no_log,
        .each = vacuum_file,
        .progress = vacuum_progress,
        .ctx = &work,
    };
    if (w->retention && !str_to_duration_ms(str_of(w->retention), &work.o.retention_ms) &&
        !cli_parse_duration_ms(w->retention, &work.o.retention_ms))
        return cli_usage(l->c, "--retention is a time like 7d or 168h, not '%s'", w->retention);
    table_progress_begin(l, &work.progress);
    rc = lake_vacuum(l->table, &work.o, &out, &err);
    cli_progress_end(&work.progress.line);
    if (rc == IG_INVALID && strstr(err.msg, "less than the table's own"))
        return cli_errorf(l->c, "%s; --force does it all the same", err.msg);
    if (rc)
        return cli_error(l->c, &err);
    print_vacuumed(l->c, &work.o, &out);
    return CLI_OK;
}

/* --- restore --------------------------------------------------------------------------------------------------- */

int table_restore(struct cli_lake *l, const struct table_work *w)
{
    struct lake_restore o = {.ignore_missing = w->ignore_missing, .dry_run = w->dry_run};
    struct lake_restored out;
    struct cli_context *c = l->c;
    struct error err = {0};
    int64_t number;

    if (!w->to)
        return cli_usage(c, "restore needs --to VERSION");
    if (cli_lake_version(l, w->to, &o.version, &err))
        return cli_error(c, &err);
    o.timestamp = str_to_int64(str_of(w->to), 0, INT64_MAX, &number) ? NULL : w->to;
    if (lake_restore(l->table, &o, &out, &err)) {
        if (err.code == IG_NOT_FOUND && strstr(err.msg, "are gone"))
            return cli_errorf(c,
                              "%s; `ingot table check %s --at %lld` lists them, --ignore-missing restores what is left",
                              err.msg, l->shown, (long long)o.version);
        return cli_error(c, &err);
    }
    if (c->global.json) {
        const struct table_figure figures[] = {
            {"version", out.version},
            {"restored_version", o.version},
            {"files_restored", out.files_restored},
            {"bytes_restored", out.bytes_restored},
            {"files_removed", out.files_removed},
            {"bytes_removed", out.bytes_removed},
            {"files_missing", out.files_missing},
            {"files", out.files_now},
            {"bytes", out.bytes_now},
        };

        table_figures_json(c, figures, IG_COUNT(figures));
        return CLI_OK;
    }
    fprintf(c->out, "%s version %lld: %s files back, %s gone, now %s (%s); version %lld\n",
            w->dry_run ? "would restore" : "restored", (long long)o.version, table_count(c, out.files_restored),
            table_count(c, out.files_removed), table_count(c, out.files_now), table_bytes(c, out.bytes_now),
            (long long)out.version);
    if (out.files_missing)
        cli_note(c, "%s files of version %lld are not there any more", table_count(c, out.files_missing),
                 (long long)o.version);
    return CLI_OK;
}

/* --- checkpoint ------------------------------------------------------------------------------------------------ */

int table_checkpoint(struct cli_lake *l, const char *at)
{
    struct lake_snapshot *s = NULL;
    struct error err = {0};
    int status = cli_lake_snapshot(l, at, &s);

    if (status)
        return status;
    if (lake_checkpoint(l->table, lake_version(s), &err))
        status = cli_error(l->c, &err);
    else if (l->c->global.json)
        fprintf(l->c->out, "{\"version\":%lld}\n", (long long)lake_version(s));
    else
        fprintf(l->c->out, "checkpoint of version %lld\n", (long long)lake_version(s));
    lake_snapshot_free(s);
    return status;
}

/* --- clean-log ------------------------------------------------------------------------------------------------- */

static void print_nothing_cleaned(struct cli_context *c, const struct lake_cleaned *out)
{
    const double days = (double)out->retention_ms / (24.0 * 3600 * 1000);

    if (out->newest_expired < 0)
        fprintf(c->out, "nothing to remove: no commit is older than delta.logRetentionDuration (%g days)\n", days);
    else
        fprintf(
            c->out,
            "nothing to remove: versions up to %lld are older than delta.logRetentionDuration (%g days), but no "
            "whole checkpoint of one of them stands for those before it; `ingot table checkpoint %s@%lld` writes one\n",
            (long long)out->newest_expired, days, c->args[0], (long long)out->newest_expired);
}

static void print_cleaned(struct cli_context *c, const struct lake_cleaned *out, bool dry_run)
{
    if (c->global.json) {
        const struct table_figure figures[] = {
            {"first_version", out->first_version}, {"commits", out->commits}, {"checkpoints", out->checkpoints},
            {"sidecars", out->sidecars},           {"others", out->others},   {"retention_ms", out->retention_ms},
        };

        table_figures_json(c, figures, IG_COUNT(figures));
        return;
    }
    if (!out->commits && !out->checkpoints && !out->sidecars && !out->others) {
        print_nothing_cleaned(c, out);
        return;
    }
    fprintf(c->out, "%s %s, %s, %s, %s", dry_run ? "would remove" : "removed", count_of(c, out->commits, "commit"),
            count_of(c, out->checkpoints, "checkpoint file"), count_of(c, out->sidecars, "sidecar"),
            count_of(c, out->others, "other file"));
    if (out->first_version > 0)
        fprintf(c->out, "; versions from %lld on %s readable", (long long)out->first_version,
                dry_run ? "would stay" : "are");
    fputc('\n', c->out);
}

int table_clean_log(struct cli_lake *l, const struct table_work *w)
{
    struct lake_cleaned out;
    struct error err = {0};

    if (lake_clean_log(l->table, w->dry_run, &out, &err))
        return cli_error(l->c, &err);
    print_cleaned(l->c, &out, w->dry_run);
    return CLI_OK;
}
