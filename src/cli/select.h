/*
 * `--select`: which domains a command is about. "orders" is that one, "+orders" also those that it depends on,
 * "orders+" also those that depend on it, "order*" every domain that matches.
 */
#ifndef CLI_SELECT_H
#define CLI_SELECT_H

#include "cli/cli.h"

/* Names in the configuration's order, in c->arena; an empty list of words selects nothing (n 0: everything). 0, or
 * CLI_USAGE after saying which word matches no domain. */
int cli_select_domains(struct cli_context *c, const struct conf *conf, const struct cli_list *words,
                       struct cli_list *out);

#endif
