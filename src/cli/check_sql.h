/*
 * The SQL of a project, bound against the columns that it will see: input is the contract's, silver is silver.sql's,
 * and so on down to gold and its checks. Nothing of the lake is opened.
 */
#ifndef CLI_CHECK_SQL_H
#define CLI_CHECK_SQL_H

#include "cli/cli.h"

/* Appends what is wrong, at its place in the SQL files. Fails only if the engine does. */
IG_MUST_CHECK enum ig_code check_sql(const struct conf *conf, struct conf_problems *problems, struct error *err);

/* The same for a verb that is about to run the SQL: prints what is wrong; CLI_OK, CLI_CONFIG or CLI_FAILED. */
int check_sql_or_say(struct cli_context *c, const struct conf *conf);

#endif
