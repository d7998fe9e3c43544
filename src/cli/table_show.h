/*
 * What `ingot table` shows: which tables there are, what one is made of, its history, its files.
 */
#ifndef CLI_TABLE_SHOW_H
#define CLI_TABLE_SHOW_H

#include "cli/table_open.h"

/* Each gives the exit status. */
int table_show_list(struct cli_context *c, const char *where, const char *memory);
int table_show_detail(struct cli_lake *l, const struct lake_snapshot *s);
/* The newest commits, 0: all. */
int table_show_history(struct cli_lake *l, int64_t limit);
/* `stats`: JSON, with what the log knows of the columns. */
int table_show_files(struct cli_lake *l, const struct lake_snapshot *s, bool stats);

/* "2024-01-15 06:00:00Z" for a table, "" below 0. */
const char *table_time(struct cli_context *c, int64_t ms);
/* a, b, c */
const char *table_names(struct cli_context *c, const char *const *names, size_t n);
const char *table_bytes(struct cli_context *c, int64_t bytes); /* with --json the number alone; "" below 0 */
const char *table_count(struct cli_context *c, int64_t n);     /* "" below 0 */

#endif
