/*
 * ingot table: what a Delta table is, and its maintenance. What it shows is in table_show.c, how a table is found in
 * table_open.c.
 */
#include "cli/table_show.h"
#include "cli/table_work.h"

struct table_options {
    struct table_work work;
    const char *at, *memory;
    int64_t limit;
    bool stats;
};
#define OPTION(member) offsetof(struct table_options, member)
#define AT_OPTION {"at", 0, "VERSION", "as of a version, or a time: 2024-01-15T06:00:00Z, -1h", CLI_TEXT, OPTION(at)}
#define MEMORY_OPTION {"memory", 0, "SIZE", "what the engine may use, as 2GB", CLI_TEXT, OPTION(memory)}

/* Opens the table, does the one thing, closes it. */
static int with_table(struct cli_context *c, const struct table_options *o,
                      int (*act)(struct cli_lake *l, const struct table_options *o))
{
    struct cli_lake l;
    const int status = cli_lake_open(c, c->args[0], CLI_LAKE_THERE, o->memory, &l);

    return cli_lake_close(&l, status ? status : act(&l, o));
}

static int with_snapshot(struct cli_lake *l, const struct table_options *o,
                         int (*act)(struct cli_lake *l, const struct lake_snapshot *s, const struct table_options *o))
{
    struct lake_snapshot *s = NULL;
    int status = cli_lake_snapshot(l, o->at, &s);

    if (!status)
        status = act(l, s, o);
    lake_snapshot_free(s);
    return status;
}

/* --- ls, show, history, files ---------------------------------------------------------------------------------- */

static int run_ls(struct cli_context *c, const void *options)
{
    const struct table_options *o = options;

    return table_show_list(c, c->n_args ? c->args[0] : NULL, o->memory);
}

static int detail(struct cli_lake *l, const struct lake_snapshot *s, const struct table_options *o)
{
    (void)o;
    return table_show_detail(l, s);
}

static int show(struct cli_lake *l, const struct table_options *o)
{
    return with_snapshot(l, o, detail);
}

static int run_show(struct cli_context *c, const void *options)
{
    return with_table(c, options, show);
}

static int history(struct cli_lake *l, const struct table_options *o)
{
    return table_show_history(l, o->limit == CLI_NUMBER_NONE ? 0 : o->limit);
}

static int run_history(struct cli_context *c, const void *options)
{
    return with_table(c, options, history);
}

static int list_files(struct cli_lake *l, const struct lake_snapshot *s, const struct table_options *o)
{
    return table_show_files(l, s, o->stats);
}

static int files(struct cli_lake *l, const struct table_options *o)
{
    return with_snapshot(l, o, list_files);
}

static int run_files(struct cli_context *c, const void *options)
{
    return with_table(c, options, files);
}

/* --- maintenance ------------------------------------------------------------------------------------------------- */

static int optimize(struct cli_lake *l, const struct table_options *o)
{
    return table_optimize(l, &o->work);
}

static int run_optimize(struct cli_context *c, const void *options)
{
    return with_table(c, options, optimize);
}

static int vacuum(struct cli_lake *l, const struct table_options *o)
{
    return table_vacuum(l, &o->work);
}

static int run_vacuum(struct cli_context *c, const void *options)
{
    return with_table(c, options, vacuum);
}

static int restore(struct cli_lake *l, const struct table_options *o)
{
    return table_restore(l, &o->work);
}

static int run_restore(struct cli_context *c, const void *options)
{
    return with_table(c, options, restore);
}

static int checkpoint(struct cli_lake *l, const struct table_options *o)
{
    return table_checkpoint(l, o->at);
}

static int run_checkpoint(struct cli_context *c, const void *options)
{
    return with_table(c, options, checkpoint);
}

/* --- the verb ---------------------------------------------------------------------------------------------------- */

static const struct cli_option plain_options[] = {MEMORY_OPTION};
static const struct cli_verb ls_verb = {
    .name = "table ls",
    .summary = "List tables: version, files, rows, size",
    .args = "[WHERE]",
    .max_args = 1,
    .details = "WHERE is a folder or a URL; every table below it is listed. Without it: the project's tables.\n\n"
               "  ingot table ls\n"
               "  ingot table ls /data/lake\n"
               "  ingot table ls s3://bucket/lake --json | jq -r .table",
    .options = plain_options,
    .n_options = IG_COUNT(plain_options),
    .options_size = sizeof(struct table_options),
    .run = run_ls,
};

static const struct cli_option at_options[] = {AT_OPTION, MEMORY_OPTION};
static const struct cli_verb show_verb = {
    .name = "table show",
    .summary = "Show what a table is: columns, protocol, properties, files, rows",
    .args = "TABLE",
    .min_args = 1,
    .max_args = 1,
    .details = "  ingot table show silver/orders\n"
               "  ingot table show /data/lake/events@12\n"
               "  ingot table show silver/orders --at -1d --json | jq .numRows",
    .options = at_options,
    .n_options = IG_COUNT(at_options),
    .options_size = sizeof(struct table_options),
    .run = run_show,
};

static const struct cli_option history_options[] = {
    {"limit", 'n', "N", "only the newest N commits", CLI_NUMBER, OPTION(limit)},
    MEMORY_OPTION,
};
static const struct cli_verb history_verb = {
    .name = "table history",
    .summary = "Show a table's commits, the newest first",
    .args = "TABLE",
    .min_args = 1,
    .max_args = 1,
    .details = "With --json all that DESCRIBE HISTORY shows: parameters, metrics, who and by what.\n\n"
               "  ingot table history silver/orders -n 20",
    .options = history_options,
    .n_options = IG_COUNT(history_options),
    .options_size = sizeof(struct table_options),
    .run = run_history,
};

static const struct cli_option files_options[] = {
    {"stats", 0, NULL, "JSON with the columns' statistics", CLI_FLAG, OPTION(stats)},
    AT_OPTION,
    MEMORY_OPTION,
};
static const struct cli_verb files_verb = {
    .name = "table files",
    .summary = "List a table's data files: rows, size, partition",
    .args = "TABLE",
    .min_args = 1,
    .max_args = 1,
    .details = "  ingot table files silver/orders\n"
               "  ingot table files silver/orders --json | jq -s 'map(.size_bytes) | add'",
    .options = files_options,
    .n_options = IG_COUNT(files_options),
    .options_size = sizeof(struct table_options),
    .run = run_files,
};

static const struct cli_option optimize_options[] = {
    {"where", 0, "SQL", "only these partitions: a predicate on partition columns", CLI_TEXT, OPTION(work.where)},
    {"zorder", 0, "COLUMN[,...]", "order rows so that like values of these lie together", CLI_LIST,
     OPTION(work.zorder)},
    {"target", 0, "SIZE", "of a file (default: delta.targetFileSize, else 256MB)", CLI_TEXT, OPTION(work.target)},
    {"full", 0, NULL, "also what is in order already", CLI_FLAG, OPTION(work.full)},
    {"purge", 0, NULL, "instead: rewrite every file that has deleted rows", CLI_FLAG, OPTION(work.purge)},
    {"dry-run", 'n', NULL, "say what would be done", CLI_FLAG, OPTION(work.dry_run)},
    MEMORY_OPTION,
};
static const struct cli_verb optimize_verb = {
    .name = "table optimize",
    .summary = "Join small files, order rows, drop deleted ones",
    .args = "TABLE",
    .min_args = 1,
    .max_args = 1,
    .details = "Joins small files of a partition, their rows in order, where that makes fewer files. A table with\n"
               "clustering columns is ordered by them: what came since the last time, with --full all. Others may\n"
               "write meanwhile.\n\n"
               "  ingot table optimize silver/orders --where \"order_date >= '2024-01-01'\"\n"
               "  ingot table optimize /data/lake/events --zorder user_id,event_time",
    .options = optimize_options,
    .n_options = IG_COUNT(optimize_options),
    .options_size = sizeof(struct table_options),
    .run = run_optimize,
};

static const struct cli_option vacuum_options[] = {
    {"retention", 0, "TIME", "keep what was needed since then, as 168h (default: the table's own, else 7d)", CLI_TEXT,
     OPTION(work.retention)},
    {"dry-run", 'n', NULL, "list the files, and remove none", CLI_FLAG, OPTION(work.dry_run)},
    {"lite", 0, NULL, "only files that the log names as removed: no listing of the folder", CLI_FLAG,
     OPTION(work.lite)},
    {"force", 0, NULL, "also with a retention under the table's own", CLI_FLAG, OPTION(work.force)},
    {"no-log", 0, NULL, "write no VACUUM START and END to the history", CLI_FLAG, OPTION(work.no_log)},
    MEMORY_OPTION,
};
static const struct cli_verb vacuum_verb = {
    .name = "table vacuum",
    .summary = "Remove files that no kept version needs",
    .args = "TABLE",
    .min_args = 1,
    .max_args = 1,
    .details = "Versions older than the retention can not be read afterwards.\n\n"
               "  ingot table vacuum silver/orders --dry-run\n"
               "  ingot table vacuum silver/orders --retention 30d",
    .options = vacuum_options,
    .n_options = IG_COUNT(vacuum_options),
    .options_size = sizeof(struct table_options),
    .run = run_vacuum,
};

static const struct cli_option restore_options[] = {
    {"to", 0, "VERSION", "a version, or a time: 2024-01-15T06:00:00Z, -1h", CLI_TEXT, OPTION(work.to)},
    {"ignore-missing", 0, NULL, "restore what is left of it, if files are gone", CLI_FLAG, OPTION(work.ignore_missing)},
    {"dry-run", 'n', NULL, "say what would be done", CLI_FLAG, OPTION(work.dry_run)},
    MEMORY_OPTION,
};
static const struct cli_verb restore_verb = {
    .name = "table restore",
    .summary = "Make an older version the newest",
    .args = "TABLE",
    .min_args = 1,
    .max_args = 1,
    .details = "A new version with the files, columns and properties of the older one; what was between stays in the\n"
               "history.\n\n"
               "  ingot table restore silver/orders --to 12\n"
               "  ingot table restore silver/orders --to 2024-01-15T06:00:00Z --dry-run",
    .options = restore_options,
    .n_options = IG_COUNT(restore_options),
    .options_size = sizeof(struct table_options),
    .run = run_restore,
};

static const struct cli_verb checkpoint_verb = {
    .name = "table checkpoint",
    .summary = "Write a checkpoint, so that the table opens quickly",
    .args = "TABLE",
    .min_args = 1,
    .max_args = 1,
    .details = "  ingot table checkpoint silver/orders",
    .options = at_options,
    .n_options = IG_COUNT(at_options),
    .options_size = sizeof(struct table_options),
    .run = run_checkpoint,
};

static const struct cli_verb *const actions[] = {&ls_verb,       &show_verb,   &history_verb, &files_verb,
                                                 &optimize_verb, &vacuum_verb, &restore_verb, &checkpoint_verb};

const struct cli_verb cli_verb_table = {
    .name = "table",
    .summary = "Show and maintain Delta tables",
    .details =
        "A TABLE is a name of the project (silver/orders, gold.daily_revenue), a folder, or a URL; TABLE@12 is its\n"
        "version 12. No project is needed. Rows are changed by `ingot query`.",
    .actions = actions,
    .n_actions = IG_COUNT(actions),
};
