/* Tables that `ingot table` makes and alters; each gives the exit status. */
#ifndef CLI_TABLE_MAKE_H
#define CLI_TABLE_MAKE_H

#include "cli/table_open.h"

struct table_make {
    const char *columns, *select, *comment;
    struct cli_list partition_by, cluster_by, properties;
    bool deep, no_stats, utc, dry_run, if_not_exists;
};
int table_create(struct cli_lake *l, const struct table_make *m);
int table_convert(struct cli_lake *l, const struct table_make *m);
/* `to`: the new table's place. */
int table_clone(struct cli_lake *from, const char *at, const char *to, const struct table_make *m);

struct table_alter {
    struct cli_list set, unset, add, drop, rename, type, not_null, nullable, defaults, no_default, comment, constraint,
        no_constraint, feature, no_feature;
    struct cli_list cluster_by;
    const char *table_comment;
    bool no_cluster, if_exists;
};
int table_alter(struct cli_lake *l, const struct table_alter *a);

#endif
