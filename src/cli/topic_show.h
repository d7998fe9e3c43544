/*
 * What `ingot topic` prints.
 */
#ifndef CLI_TOPIC_SHOW_H
#define CLI_TOPIC_SHOW_H

#include "cli/cli.h"
#include "log/log.h"

/* All give the exit status. */
int topic_show_list(struct cli_context *c, struct log_client *client, bool internal);
int topic_show_one(struct cli_context *c, struct log_client *client, const char *name);
/* `all`: also what is default. */
int topic_show_config(struct cli_context *c, struct log_client *client, const char *name, bool all);
/* `positions`: the first offsets now, `first`: those before. */
int topic_show_trimmed(struct cli_context *c, const struct log_position *positions, const int64_t *first, size_t n);

#endif
