/* The maintenance that `ingot table` does; each gives the exit status. */
#ifndef CLI_TABLE_WORK_H
#define CLI_TABLE_WORK_H

#include "cli/table_open.h"

struct table_work {
    struct cli_list zorder;
    const char *where, *target, *retention, *to;
    bool full, purge, dry_run, force, lite, no_log, ignore_missing, yes, automatic;
};

int table_optimize(struct cli_lake *l, const struct table_work *w);
int table_vacuum(struct cli_lake *l, const struct table_work *w);
int table_restore(struct cli_lake *l, const struct table_work *w);
int table_checkpoint(struct cli_lake *l, const char *at);
int table_clean_log(struct cli_lake *l, const struct table_work *w);

/* What a long work shows while it runs. */
struct table_progress {
    struct cli_progress line;
    const char *table;
    int64_t began_us;
};
void table_progress_begin(struct cli_lake *l, struct table_progress *p);
/* A lake_progress_fn. */
void table_progress(void *progress, const char *what, int64_t done, int64_t total);

/* {"a":1,...}: figures for programs, one object. */
struct table_figure {
    const char *name;
    int64_t value;
};
void table_figures_json(struct cli_context *c, const struct table_figure *figures, size_t n);

#endif
