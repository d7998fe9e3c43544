/*
 * ingot table: what a Delta table is, and its maintenance. What it shows is in table_show.c, how a table is found in
 * table_open.c.
 */
#include "cli/table_show.h"

struct table_options {
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

static const struct cli_verb *const actions[] = {&ls_verb, &show_verb, &history_verb, &files_verb};

const struct cli_verb cli_verb_table = {
    .name = "table",
    .summary = "Show and maintain Delta tables",
    .details =
        "A TABLE is a name of the project (silver/orders, gold.daily_revenue), a folder, or a URL; TABLE@12 is its\n"
        "version 12. No project is needed. Rows are changed by `ingot query`.",
    .actions = actions,
    .n_actions = IG_COUNT(actions),
};
