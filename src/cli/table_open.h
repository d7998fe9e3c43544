/*
 * What the actions of `ingot table` share: finding a table, by its name in the project, by folder or by URL, and
 * opening it; versions as people write them.
 */
#ifndef CLI_TABLE_OPEN_H
#define CLI_TABLE_OPEN_H

#include "cli/cli.h"
#include "lake/lake.h"

struct cli_table_options {
    const char *at;     /* a version or a time; NULL: the newest */
    const char *memory; /* for the engine */
};

/* A store that holds tables, and an engine beside it. */
struct cli_lake {
    struct cli_context *c;
    struct conf *conf;   /* NULL: outside of a project */
    struct store *store; /* of the table */
    struct engine *engine;
    struct engine_conn *conn;
    struct lake_table *table;
    const char *memory;   /* --memory */
    const char *shown;    /* the table as it was named */
    const char *path;     /* within the store, "" for its root */
    const char *at;       /* NAME@VERSION: what stood behind the @ */
    const char *location; /* URL or folder */
};

enum cli_lake_need {
    CLI_LAKE_THERE,   /* a table must be there */
    CLI_LAKE_LOG,     /* so it must, and its log is all that is read: no engine, unless a snapshot needs one */
    CLI_LAKE_ANYWHERE /* also a folder that has no table yet, or is not there yet */
};

/*
 * Opens the table that a word names: silver/orders, silver.orders, orders, gold/orders/daily (of the project, if one is
 * there and knows it); a folder; file:, s3:// or gs:// URL; each with @VERSION behind it where `need` is
 * CLI_LAKE_THERE or CLI_LAKE_LOG. 0, or the exit status after saying why; cli_lake_close is fine after a failure.
 */
int cli_lake_open(struct cli_context *c, const char *word, enum cli_lake_need need, const char *memory,
                  struct cli_lake *out);
/* Gives `status`. */
int cli_lake_close(struct cli_lake *l, int status);

/* The project alone, if there is one, and its store. */
int cli_lake_open_project(struct cli_lake *l);
/* The engine alone. */
int cli_lake_open_engine(struct cli_lake *l, const char *memory);

/* "12", a time like 2024-01-15T06:00:00Z or 2024-01-15, @MILLISECONDS, or -1h: the version that it means.  */
IG_MUST_CHECK enum ig_code cli_lake_version(struct cli_lake *l, const char *text, int64_t *out, struct error *err);
/* The snapshot that --at (or the @ of the name) asks for. 0, or the exit status. */
int cli_lake_snapshot(struct cli_lake *l, const char *at, struct lake_snapshot **out);

/* Runs `work` on the opened table while Ctrl-C interrupts the engine. */
int cli_lake_interruptible(struct cli_lake *l, int (*work)(struct cli_lake *l, void *ctx), void *ctx);

#endif
