/*
 * What the files of `ingot groups` share.
 */
#ifndef CLI_GROUPS_H
#define CLI_GROUPS_H

#include "cli/cli_log.h"

#include <stdlib.h>
#include <strings.h>

struct groups_options {
    struct cli_log_options log;
    struct cli_list topics;
    const char *state, *to_offset, *to_datetime, *by_duration, *shift_by, *from_file;
    bool all_topics, to_earliest, to_latest, to_current, dry_run, execute, export;
};

/* The group and what it has committed; 0, or the exit status if there is no such group. Free `out` in any case. */
int groups_read(struct cli_context *c, struct log_client *client, const char *name, struct log_groups *out,
                struct log_position **offsets, size_t *n);
/* The partitions that --topic and --all-topics mean, with what is committed (-1: nothing); 0, or the exit status. */
int groups_scope(struct cli_context *c, struct log_client *client, const char *group, const struct groups_options *o,
                 struct log_position **out, size_t *n);
/* If the group is at work: says so, with its members, and gives CLI_FAILED. */
int groups_refuse_active(struct cli_context *c, struct log_client *client, const char *group);

int groups_check_reset(struct cli_context *c, const struct groups_options *o);
int groups_reset(struct cli_context *c, struct cli_log *log, const struct groups_options *o);

#endif
