/*
 * ingot table: what a Delta table is, and its maintenance. What it shows is in table_show.c, how a table is found in
 * table_open.c.
 */
#include "cli/table_check.h"
#include "cli/table_make.h"
#include "cli/table_probe.h"
#include "cli/table_show.h"
#include "cli/table_work.h"

struct table_options {
    struct table_work work;
    struct table_make make;
    struct table_alter alter;
    const char *at, *memory;
    int64_t limit;
    bool stats, data, repair, rows;
};
#define OPTION(member) offsetof(struct table_options, member)
#define AT_OPTION {"at", 0, "VERSION", "as of a version, or a time: 2024-01-15T06:00:00Z, -1h", CLI_TEXT, OPTION(at)}
#define MEMORY_OPTION {"memory", 0, "SIZE", "what the engine may use, as 2GB", CLI_TEXT, OPTION(memory)}

/* Opens the table, does the one thing, closes it. */
static int with_opened(struct cli_context *c, const struct table_options *o, enum cli_lake_need need,
                       int (*act)(struct cli_lake *l, const struct table_options *o))
{
    struct cli_lake l;
    const int status = cli_lake_open(c, c->args[0], need, o->memory, &l);

    return cli_lake_close(&l, status ? status : act(&l, o));
}

static int with_table(struct cli_context *c, const struct table_options *o,
                      int (*act)(struct cli_lake *l, const struct table_options *o))
{
    return with_opened(c, o, CLI_LAKE_THERE, act);
}

/* What the log alone tells. */
static int with_log(struct cli_context *c, const struct table_options *o,
                    int (*act)(struct cli_lake *l, const struct table_options *o))
{
    return with_opened(c, o, CLI_LAKE_LOG, act);
}

/* The same for what is done to the table as it is now. */
static int with_newest(struct cli_context *c, const struct table_options *o,
                       int (*act)(struct cli_lake *l, const struct table_options *o))
{
    struct cli_lake l;
    int status = cli_lake_open(c, c->args[0], CLI_LAKE_THERE, o->memory, &l);

    if (!status && l.at)
        status = cli_usage(c, "'%s' works on the newest version: leave @%s away", c->verb->name, l.at);
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
    return with_log(c, options, show);
}

static int history(struct cli_lake *l, const struct table_options *o)
{
    return table_show_history(l, o->limit == CLI_NUMBER_NONE ? 0 : o->limit);
}

static int run_history(struct cli_context *c, const void *options)
{
    return with_newest(c, options, history);
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
    return with_log(c, options, files);
}

/* --- maintenance ------------------------------------------------------------------------------------------------- */

static int optimize(struct cli_lake *l, const struct table_options *o)
{
    return table_optimize(l, &o->work);
}

static int run_optimize(struct cli_context *c, const void *options)
{
    return with_newest(c, options, optimize);
}

static int vacuum(struct cli_lake *l, const struct table_options *o)
{
    return table_vacuum(l, &o->work);
}

static int run_vacuum(struct cli_context *c, const void *options)
{
    return with_newest(c, options, vacuum);
}

static int restore(struct cli_lake *l, const struct table_options *o)
{
    return table_restore(l, &o->work);
}

static int run_restore(struct cli_context *c, const void *options)
{
    return with_newest(c, options, restore);
}

static int checkpoint(struct cli_lake *l, const struct table_options *o)
{
    return table_checkpoint(l, o->at);
}

static int run_checkpoint(struct cli_context *c, const void *options)
{
    return with_table(c, options, checkpoint);
}

static int clean_log(struct cli_lake *l, const struct table_options *o)
{
    return table_clean_log(l, &o->work);
}

static int run_clean_log(struct cli_context *c, const void *options)
{
    return with_newest(c, options, clean_log);
}

static int check(struct cli_lake *l, const struct table_options *o)
{
    return table_check(l, o->at, o->data, o->repair, o->work.dry_run);
}

static int run_check(struct cli_context *c, const void *options)
{
    return with_table(c, options, check);
}

static int diff(struct cli_lake *l, const struct table_options *o)
{
    return table_diff(l, l->c->args[1], l->c->n_args > 2 ? l->c->args[2] : NULL, o->rows,
                      o->limit == CLI_NUMBER_NONE ? 100 : o->limit);
}

static int run_diff(struct cli_context *c, const void *options)
{
    return with_newest(c, options, diff);
}

/* --- tables that are made, and altered --------------------------------------------------------------------------- */

/* The place may have no table yet. */
static int with_place(struct cli_context *c, const struct table_options *o, enum cli_lake_need need,
                      int (*make)(struct cli_lake *l, const struct table_make *m))
{
    struct cli_lake l;
    const int status = cli_lake_open(c, c->args[0], need, o->memory, &l);

    return cli_lake_close(&l, status ? status : make(&l, &o->make));
}

static int run_create(struct cli_context *c, const void *options)
{
    struct table_options *o = ARENA_NEW(&c->arena, struct table_options);

    *o = *(const struct table_options *)options;
    o->make.columns = c->n_args > 1 ? c->args[1] : NULL;
    return with_place(c, o, CLI_LAKE_ANYWHERE, table_create);
}

static int run_convert(struct cli_context *c, const void *options)
{
    return with_place(c, options, CLI_LAKE_THERE, table_convert);
}

static int clone(struct cli_lake *l, const struct table_options *o)
{
    return table_clone(l, o->at, l->c->args[1], &o->make);
}

static int run_clone(struct cli_context *c, const void *options)
{
    return with_table(c, options, clone);
}

static int alter(struct cli_lake *l, const struct table_options *o)
{
    return table_alter(l, &o->alter);
}

static int run_alter(struct cli_context *c, const void *options)
{
    return with_newest(c, options, alter);
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

static const struct cli_option clean_log_options[] = {
    {"dry-run", 'n', NULL, "say what would be removed", CLI_FLAG, OPTION(work.dry_run)},
    MEMORY_OPTION,
};
static const struct cli_verb clean_log_verb = {
    .name = "table clean-log",
    .summary = "Remove commits that are older than the log's retention",
    .args = "TABLE",
    .min_args = 1,
    .max_args = 1,
    .details =
        "Commits, checkpoints and checksums older than delta.logRetentionDuration (30 days) that a whole checkpoint\n"
        "stands for. Commits do it by themselves, unless delta.enableExpiredLogCleanup is false. Data files stay: see\n"
        "`ingot table vacuum`.\n\n"
        "  ingot table clean-log silver/orders --dry-run\n"
        "  ingot table alter silver/orders --set delta.logRetentionDuration='interval 7 days'",
    .options = clean_log_options,
    .n_options = IG_COUNT(clean_log_options),
    .options_size = sizeof(struct table_options),
    .run = run_clean_log,
};

static const struct cli_option check_options[] = {
    {"data", 0, NULL, "read all rows, and hold the statistics against them", CLI_FLAG, OPTION(data)},
    {"repair", 0, NULL, "take files that are missing out of the table", CLI_FLAG, OPTION(repair)},
    {"dry-run", 'n', NULL, "with --repair: change nothing", CLI_FLAG, OPTION(work.dry_run)},
    AT_OPTION,
    MEMORY_OPTION,
};
static const struct cli_verb check_verb = {
    .name = "table check",
    .summary = "Look whether a table is whole: log, files, deletion vectors, statistics",
    .args = "TABLE",
    .min_args = 1,
    .max_args = 1,
    .details = "Checkpoints and checksums are held against the commits, every file must be there with its size, every\n"
               "deletion vector be readable. The exit status is 1 if something is wrong.\n\n"
               "  ingot table check silver/orders\n"
               "  ingot table check /data/lake/events --data",
    .options = check_options,
    .n_options = IG_COUNT(check_options),
    .options_size = sizeof(struct table_options),
    .run = run_check,
};

static const struct cli_option diff_options[] = {
    {"rows", 0, NULL, "the rows that differ, instead", CLI_FLAG, OPTION(rows)},
    {"limit", 0, "N", "with --rows: at most N of a table (default 100; 0: all)", CLI_NUMBER, OPTION(limit)},
    MEMORY_OPTION,
};
static const struct cli_verb diff_verb = {
    .name = "table diff",
    .summary = "Show what differs between two versions: schema, properties, files, rows",
    .args = "TABLE FROM [TO]",
    .min_args = 2,
    .max_args = 3,
    .details =
        "FROM and TO are versions or times; without TO the newest. --rows reads the files that only one of them\n"
        "has; no change data feed is needed.\n\n"
        "  ingot table diff silver/orders 12 14\n"
        "  ingot table diff silver/orders -1d --rows",
    .options = diff_options,
    .n_options = IG_COUNT(diff_options),
    .options_size = sizeof(struct table_options),
    .run = run_diff,
};

static const struct cli_option convert_options[] = {
    {"partition-by", 0, "'NAME TYPE'", "the type of a partition column (default: DATE, BIGINT or VARCHAR, as fits)",
     CLI_LIST, OPTION(make.partition_by)},
    {"no-stats", 0, NULL, "without statistics of the columns", CLI_FLAG, OPTION(make.no_stats)},
    {"utc", 0, NULL, "times without a zone are UTC", CLI_FLAG, OPTION(make.utc)},
    {"dry-run", 'n', NULL, "only look whether it can be done", CLI_FLAG, OPTION(make.dry_run)},
    MEMORY_OPTION,
};
static const struct cli_verb convert_verb = {
    .name = "table convert",
    .summary = "Make a table of a folder of Parquet files, in place",
    .args = "FOLDER",
    .min_args = 1,
    .max_args = 1,
    .details =
        "Writes a log beside the files; nothing is copied or moved. Folders named column=value are partitions.\n\n"
        "  ingot table convert /data/events\n"
        "  ingot table convert /data/events --partition-by 'day DATE'",
    .options = convert_options,
    .n_options = IG_COUNT(convert_options),
    .options_size = sizeof(struct table_options),
    .run = run_convert,
};

static const struct cli_option clone_options[] = {
    {"deep", 0, NULL, "copy the files, too: the new table stands alone", CLI_FLAG, OPTION(make.deep)},
    AT_OPTION,
    MEMORY_OPTION,
};
static const struct cli_verb clone_verb = {
    .name = "table clone",
    .summary = "Make a new table that begins as a version of another one",
    .args = "TABLE NEW",
    .min_args = 2,
    .max_args = 2,
    .details =
        "Without --deep the new table uses the other one's files where they are; a vacuum there takes them away.\n\n"
        "  ingot table clone silver/orders /tmp/try\n"
        "  ingot table clone silver/orders@12 /backup/orders --deep",
    .options = clone_options,
    .n_options = IG_COUNT(clone_options),
    .options_size = sizeof(struct table_options),
    .run = run_clone,
};

static const struct cli_option create_options[] = {
    {"as", 0, "SELECT", "with the columns and rows of a query", CLI_TEXT, OPTION(make.select)},
    {"partition-by", 0, "COLUMN[,...]", "partition columns", CLI_LIST, OPTION(make.partition_by)},
    {"cluster-by", 0, "COLUMN[,...]", "clustering columns", CLI_LIST, OPTION(make.cluster_by)},
    {"property", 'p', "NAME=VALUE", "as delta.appendOnly=true; may be repeated", CLI_WORDS, OPTION(make.properties)},
    {"comment", 0, "TEXT", "what the table is", CLI_TEXT, OPTION(make.comment)},
    {"if-not-exists", 0, NULL, "succeed if it is there", CLI_FLAG, OPTION(make.if_not_exists)},
    MEMORY_OPTION,
};
static const struct cli_verb create_verb = {
    .name = "table create",
    .summary = "Create a table",
    .args = "TABLE ['COLUMN TYPE, ...']",
    .min_args = 1,
    .max_args = 2,
    .details =
        "A column is a name and a type, then NOT NULL, DEFAULT x, GENERATED ALWAYS AS (x), GENERATED ALWAYS (or BY\n"
        "DEFAULT) AS IDENTITY, COMMENT 'text' as needed. The protocol is the lowest that has what is used.\n\n"
        "  ingot table create /data/events 'id BIGINT NOT NULL, at TIMESTAMP, kind STRING' --partition-by kind\n"
        "  ingot table create /data/orders --as \"FROM 'orders.csv'\" -p delta.enableChangeDataFeed=true",
    .options = create_options,
    .n_options = IG_COUNT(create_options),
    .options_size = sizeof(struct table_options),
    .run = run_create,
};

static const struct cli_option alter_options[] = {
    {"set", 0, "NAME=VALUE", "set a property; may be repeated, as all of these", CLI_WORDS, OPTION(alter.set)},
    {"unset", 0, "NAME", "remove a property", CLI_WORDS, OPTION(alter.unset)},
    {"add", 0, "'NAME TYPE ...'", "add columns, written as in create", CLI_WORDS, OPTION(alter.add)},
    {"drop", 0, "COLUMN", "drop a column (needs column mapping)", CLI_WORDS, OPTION(alter.drop)},
    {"rename", 0, "OLD=NEW", "rename a column (needs column mapping)", CLI_WORDS, OPTION(alter.rename)},
    {"type", 0, "'NAME TYPE'", "a wider type (needs type widening)", CLI_WORDS, OPTION(alter.type)},
    {"not-null", 0, "COLUMN", "no row may be null there", CLI_WORDS, OPTION(alter.not_null)},
    {"nullable", 0, "COLUMN", "rows may be null there", CLI_WORDS, OPTION(alter.nullable)},
    {"default", 0, "COLUMN=EXPRESSION", "what it is if a writer does not say", CLI_WORDS, OPTION(alter.defaults)},
    {"drop-default", 0, "COLUMN", "no default any more", CLI_WORDS, OPTION(alter.no_default)},
    {"column-comment", 0, "COLUMN=TEXT", "what a column is", CLI_WORDS, OPTION(alter.comment)},
    {"comment", 0, "TEXT", "what the table is", CLI_TEXT, OPTION(alter.table_comment)},
    {"constraint", 0, "NAME=EXPRESSION", "what must be true of every row (CHECK)", CLI_WORDS, OPTION(alter.constraint)},
    {"drop-constraint", 0, "NAME", "no such constraint any more", CLI_WORDS, OPTION(alter.no_constraint)},
    {"feature", 0, "NAME", "add a table feature", CLI_WORDS, OPTION(alter.feature)},
    {"drop-feature", 0, "NAME", "drop one that nothing uses any more", CLI_WORDS, OPTION(alter.no_feature)},
    {"cluster-by", 0, "COLUMN[,...]", "other clustering columns", CLI_LIST, OPTION(alter.cluster_by)},
    {"no-cluster-by", 0, NULL, "no clustering columns any more", CLI_FLAG, OPTION(alter.no_cluster)},
    {"if-exists", 0, NULL, "what is dropped may be gone already", CLI_FLAG, OPTION(alter.if_exists)},
    MEMORY_OPTION,
};
static const struct cli_verb alter_verb = {
    .name = "table alter",
    .summary = "Change a table's properties, columns, constraints",
    .args = "TABLE",
    .min_args = 1,
    .max_args = 1,
    .details =
        "Each change is a commit of its own, in the order of this list: features, properties, what is dropped, what\n"
        "is new.\n\n"
        "  ingot table alter silver/orders --set delta.deletedFileRetentionDuration='interval 30 days'\n"
        "  ingot table alter /data/events --add 'country STRING COMMENT \"ISO code\"' --constraint 'ok=id > 0'",
    .options = alter_options,
    .n_options = IG_COUNT(alter_options),
    .options_size = sizeof(struct table_options),
    .run = run_alter,
};

static int run_probe(struct cli_context *c, const void *options)
{
    (void)options;
    return table_probe(c, c->n_args ? c->args[0] : NULL);
}

static const struct cli_verb probe_verb = {
    .name = "table probe",
    .summary = "Try whether a store can hold tables: access, and put-if-absent",
    .args = "[STORE]",
    .max_args = 1,
    .details = "Lists, then races eight writers for a scratch object, which exactly one must win; removes it. Without\n"
               "STORE: that of the project. docs/stores.md says which stores are safe.\n\n"
               "  ingot table probe 's3://bucket/lake?region=eu-central-1'",
    .options_size = sizeof(struct table_options),
    .run = run_probe,
};

static const struct cli_verb *const actions[] = {&ls_verb,    &show_verb,       &history_verb,   &files_verb,
                                                 &diff_verb,  &create_verb,     &alter_verb,     &convert_verb,
                                                 &clone_verb, &optimize_verb,   &vacuum_verb,    &restore_verb,
                                                 &check_verb, &checkpoint_verb, &clean_log_verb, &probe_verb};

const struct cli_verb cli_verb_table = {
    .name = "table",
    .summary = "Show and maintain Delta tables",
    .details =
        "A TABLE is a name of the project (silver/orders, gold.daily_revenue), a folder, or a URL; TABLE@12 is its\n"
        "version 12. No project is needed. Rows are changed by `ingot query`.",
    .actions = actions,
    .n_actions = IG_COUNT(actions),
};
