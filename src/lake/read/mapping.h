/*
 * How a table's columns are found in its files, and made into what the table says they are: column mapping (by name, by
 * field id), structs that have grown, variants.
 */
#ifndef LAKE_MAPPING_H
#define LAKE_MAPPING_H

#include "lake/lake_internal.h"

enum lake_mapping { LAKE_MAPPING_NONE, LAKE_MAPPING_NAME, LAKE_MAPPING_ID };

/* The mapping that the protocol and the properties ask for. */
enum lake_mapping lake_mapping_of(const struct lake_snapshot *s);

/* Once protocol, properties and schema are read: gives every field its physical name. With a mapping, every field must
 * have one and an id, each used once in its place: IG_CORRUPT. Without, what a schema says of physical names is of no
 * meaning. */
IG_MUST_CHECK enum ig_code lake_mapping_apply(struct lake_snapshot *s, struct error *err);

/* The columns as one file has them. */
struct lake_layout {
    const struct schema_type *schema; /* the table's, with the physical names of this file, and how it stores them */
    bool native_variants;             /* the file says itself that its variants are variants */
};

struct lake_file_layout {
    const struct lake_layout *layout;
    int64_t n_rows; /* with those that a deletion vector deletes */
};

/* The layouts of n files (paths of this process) by their footers, in the arena; files that are alike have the same
 * one. A file that cannot be one of the table is IG_CORRUPT; errors name it. */
IG_MUST_CHECK enum ig_code lake_layouts(const struct lake_snapshot *s, const char *const *paths, size_t n,
                                        struct arena *a, struct lake_file_layout *out, struct error *err);

/* Is there a column, at any depth, whose bytes must stay what they are? */
bool lake_has_binary(const struct schema_type *type);

/* Appends read_parquet's schema option for the columns that files hold, and with `row_ids` those of row tracking. */
void lake_add_read_schema(const struct lake_snapshot *s, const struct lake_layout *layout, bool row_ids,
                          struct buf *sql);
/* Appends the expression that makes column i of the schema out of what was read so. */
void lake_add_read_column(const struct lake_layout *layout, size_t i, struct buf *sql);

#endif
