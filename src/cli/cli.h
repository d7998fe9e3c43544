/*
 * The command line: `ingot [OPTIONS] VERB [OPTIONS] [ARGUMENTS]`. The only folder that prints and decides exit codes.
 *
 * One verb is one file, src/cli/verb_NAME.c, that gives one `const struct cli_verb cli_verb_NAME`. To add a verb: write
 * the file, then add its two lines to the list in verbs.h. Nothing else changes: help, suggestions for mistyped words
 * and option parsing come from the struct.
 *
 *     struct status_options {
 *         const char *domain;
 *         bool all;
 *     };
 *     static const struct cli_option options[] = {
 *         {"domain", 'd', "NAME", "only this domain", CLI_TEXT, offsetof(struct status_options, domain)},
 *         {"all", 0, NULL, "also partitions that are done", CLI_FLAG, offsetof(struct status_options, all)},
 *     };
 *     static int run(struct cli_context *c, const void *parsed)
 *     {
 *         const struct status_options *o = parsed;
 *         struct conf *conf;
 *         int status = cli_load_project(c, &conf);
 *
 *         if (status)
 *             return status;
 *         ...
 *     }
 *     const struct cli_verb cli_verb_status = {
 *         .name = "status", .summary = "Show the state of every partition", .args = "[DOMAIN]", .max_args = 1,
 *         .options = options, .n_options = IG_COUNT(options), .options_size = sizeof(struct status_options),
 *         .run = run,
 *     };
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "base/base.h"
#include "conf/conf.h"

#include <stdio.h>

enum cli_status {
    CLI_OK = 0,
    CLI_FAILED = 1,  /* what was asked for could not be done, or a check found something */
    CLI_USAGE = 2,   /* the command line is wrong */
    CLI_CONFIG = 78, /* the project's configuration is wrong (EX_CONFIG) */
};

/* --- options --------------------------------------------------------------------------------------------- */

enum cli_kind {
    CLI_FLAG,   /* bool */
    CLI_TEXT,   /* const char *, NULL if not given */
    CLI_LIST,   /* struct cli_list: may be repeated, and each value is split at commas */
    CLI_WORDS,  /* struct cli_list: may be repeated, each value as it is */
    CLI_NUMBER, /* int64_t >= 0, CLI_NUMBER_NONE if not given */
    CLI_DATE,   /* int32_t days since 1970 ("2024-01-15"), DATE_NONE if not given */
};
#define CLI_NUMBER_NONE INT64_C(-1)

struct cli_list {
    const char **p;
    size_t n;
};

struct cli_option {
    const char *name; /* "select": --select VALUE or --select=VALUE */
    char letter;      /* 's': -s VALUE; 0: none */
    const char *arg;  /* what the value is called in help: "NAME"; NULL: takes no value */
    const char *help;
    enum cli_kind kind;
    size_t at; /* offsetof() its member in the verb's struct of options */
};

/* Options that every verb takes, before or behind its name. */
struct cli_global {
    const char *project; /* --project DIR, -C DIR; NULL: the nearest folder upwards that has an ingot.yml */
    bool json;           /* --json: data as JSON, one object a line; errors too, on stderr */
    bool quiet;          /* -q: no progress, no notes, only data and errors */
    bool verbose;        /* -v: log debug lines */
    const char *log_level;
    bool help, version;
};

/* --- verbs ------------------------------------------------------------------------------------------------ */

struct cli_context;

struct cli_verb {
    const char *name;
    const char *summary;       /* one line, no full stop */
    const char *args;          /* "DOMAIN DATE", "[DOMAIN...]"; NULL: none */
    size_t min_args, max_args; /* max_args SIZE_MAX: any number */
    const char *details;       /* paragraphs for `help VERB`, examples; NULL: none */
    const struct cli_option *options;
    size_t n_options, options_size;
    /* `topic create`: a verb of actions, each a verb of its own whose name is both words; `run` is then NULL. */
    const struct cli_verb *const *actions;
    size_t n_actions;
    bool serves; /* runs until it is stopped: log lines from info upwards, otherwise from warn upwards */
    /* Gives the exit status. `options` is the verb's own struct, filled. */
    int (*run)(struct cli_context *c, const void *options);
};

struct cli_context {
    struct env *env;
    struct arena arena; /* lives as long as the command */
    struct cli_global global;
    const char *program; /* argv[0] */
    const struct cli_verb *verb;
    const char **args; /* what is neither verb nor option */
    size_t n_args;
    FILE *out, *err;
    const volatile bool *stop; /* set by SIGINT and SIGTERM after cli_catch_signals */
};

/* Runs a command line and gives its exit status. */
int cli_run(struct env *env, int argc, char **argv, FILE *out, FILE *err);

/* The verbs, in the order of help. */
const struct cli_verb *const *cli_verbs(size_t *n);
const struct cli_verb *cli_find_verb(const char *name); /* NULL if there is none */
void cli_print_help(struct cli_context *c, FILE *to);
void cli_print_verb_help(struct cli_context *c, const struct cli_verb *verb, FILE *to);

/* Of a verb with actions: the one that the words ask for, taken out of argv; NULL if there is none among them. *word is
 * then the first that is no option, NULL if all are. */
const struct cli_verb *cli_find_action(const struct cli_verb *verb, int *argc, char **argv, const char **word);

/* Fills `into` (the verb's struct) and c->args from argv; 0, or CLI_USAGE after saying why. */
int cli_parse_options(struct cli_context *c, const struct cli_verb *verb, int argc, char **argv, void *into);

/* --- what verbs use ----------------------------------------------------------------------------------------- */

/* Loads the project (--project, or the nearest ingot.yml upwards). 0 and *out, to be conf_free()d; or the exit status,
 * after everything that is wrong has been printed. */
int cli_load_project(struct cli_context *c, struct conf **out);
/* Prints mistakes of the configuration, one a line; gives CLI_CONFIG. */
int cli_problems(struct cli_context *c, const struct conf_problems *problems);
/* The project's folder alone, as --project or the working folder says. */
enum ig_code cli_find_project(struct cli_context *c, struct buf *folder, struct error *err);

/* "ingot: MESSAGE" on stderr, or {"error": ...} with --json. Both give CLI_FAILED: `return cli_error(c, &err);` */
int cli_error(struct cli_context *c, const struct error *err);
int cli_errorf(struct cli_context *c, const char *fmt, ...) IG_PRINTF(2, 3);
/* The same for a wrong command line, with a hint at `ingot help VERB`; gives CLI_USAGE. */
int cli_usage(struct cli_context *c, const char *fmt, ...) IG_PRINTF(2, 3);
/* A line for people, on stderr; nothing with --quiet or --json. */
void cli_note(struct cli_context *c, const char *fmt, ...) IG_PRINTF(2, 3);

/* The one of `names` that `word` was probably meant to be, NULL if none is near. */
const char *cli_nearest(const char *word, const char *const *names, size_t n);

/* From here on SIGINT and SIGTERM set *c->stop; a second one ends the process at once. */
void cli_catch_signals(struct cli_context *c);

/* --- tables: aligned columns for people, with --json one object a line ----------------------------------------- */

enum cli_align { CLI_LEFT, CLI_RIGHT, CLI_NUMERIC /* right, and a number in JSON; "" is null */ };
struct cli_column {
    const char *title; /* also the JSON member's name, lower case with _ for spaces */
    enum cli_align align;
};
struct cli_table {
    const struct cli_column *columns;
    size_t n_columns;
    VEC(char *) cells; /* row by row */
};
void cli_table_init(struct cli_table *t, const struct cli_column *columns, size_t n_columns);
/* One cell of the current row, left to right. */
void cli_table_cell(struct cli_table *t, const char *fmt, ...) IG_PRINTF(2, 3);
/* Prints all rows to c->out and frees them. */
void cli_table_print(struct cli_context *c, struct cli_table *t);

/* --- progress: what, how far, how fast, how long still; one line on a terminal, nothing elsewhere ---------------- */

struct cli_progress {
    struct cli_context *c;
    bool shown, on_terminal;
    int64_t drawn_ms; /* when last */
    size_t width;     /* of what is on the line now */
};
void cli_progress_begin(struct cli_context *c, struct cli_progress *p);
/* total < 0: unknown. Redraws at most ten times a second, so call it as often as you like. Its signature, with the
 * struct cli_progress as `progress`, is platform_progress_fn. */
void cli_progress_hop(void *progress, const char *hop, const char *domain, int64_t done, int64_t total,
                      int64_t elapsed_us);
void cli_progress_end(struct cli_progress *p); /* wipes the line */

/* For people: "1,234,567", "12.3 MB", "1.2 s" or "3 min 04 s". They return `out`. */
char *cli_format_count(int64_t n, char out[32]);
char *cli_format_bytes(int64_t n, char out[32]);
char *cli_format_duration(int64_t us, char out[32]);

#endif
