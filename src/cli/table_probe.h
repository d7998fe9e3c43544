/* Whether a store can hold tables: reached, read, and written by many without losing a commit. */
#ifndef CLI_TABLE_PROBE_H
#define CLI_TABLE_PROBE_H

#include "cli/cli.h"

/* `url` NULL: the project's store. The exit status. */
int table_probe(struct cli_context *c, const char *url);

#endif
