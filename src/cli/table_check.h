/* `ingot table check` and `diff`; each gives the exit status. */
#ifndef CLI_TABLE_CHECK_H
#define CLI_TABLE_CHECK_H

#include "cli/table_open.h"

int table_check(struct cli_lake *l, const char *at, bool data, bool repair, bool dry_run);
/* `rows`: also the rows that differ, at most `limit` of them (0: all). */
int table_diff(struct cli_lake *l, const char *from, const char *to, bool rows, int64_t limit);

#endif
