/* What the two halves of CONVERT share: the files, and the columns that they have together. */
#ifndef LAKE_CONVERT_H
#define LAKE_CONVERT_H

#include "lake/lake_internal.h"

#define CONVERT_PARTITIONS_MAX 16

struct convert_file {
    const char *name, *path; /* in the table; where the engine reads it, or its footer */
    const char *values[CONVERT_PARTITIONS_MAX];
    int64_t size_bytes, modified_ms, rows;
    struct buf statistics; /* as COPY gives them */
};

struct converter {
    struct lake_table *t;
    const struct lake_convert *o;
    struct lake_converted *out;
    struct arena arena;
    size_t skip;
    VEC(struct convert_file) files;
    struct convert_file **by_path;
    VEC(const char *) partition_by;
    const struct schema_type *schema; /* partition columns last */
    bool uses_ntz;
    struct lake_snapshot *shape;
};

/* Finds c->schema. IG_INVALID, naming file and column, if the files do not fit together or into Delta. */
IG_MUST_CHECK enum ig_code convert_schema_make(struct converter *c, struct error *err);
/* ['...', ...] of all files. */
void convert_add_paths(const struct converter *c, struct buf *sql);
/* The file at this path, NULL if it is none of them. */
struct convert_file *convert_find(struct converter *c, struct str path);

/* Of a remote store only the footers are brought here: small files, each of nothing else, which convert_drop_footers()
 * removes. */
IG_MUST_CHECK enum ig_code convert_fetch_footers(struct converter *c, struct error *err);
void convert_drop_footers(const struct converter *c);

#endif
