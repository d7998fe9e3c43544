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
    const struct schema_type *schema; /* the table's, with the physical names of this file */
    bool native_variants;             /* the file says itself that its variants are variants */
};

/* The layouts of n files (paths of this process), in the arena; files that are alike have the same one. Footers are
 * read only where names do not suffice: with field ids and with variants. Errors name the file. */
IG_MUST_CHECK enum ig_code lake_layouts(const struct lake_snapshot *s, const char *const *paths, size_t n,
                                        struct arena *a, const struct lake_layout **out, struct error *err);

/* Appends read_parquet's schema option for the columns that files hold, and with `row_ids` those of row tracking. */
void lake_add_read_schema(const struct lake_snapshot *s, const struct lake_layout *layout, bool row_ids,
                          struct buf *sql);
/* Appends the expression that makes column i of the schema out of what was read so. */
void lake_add_read_column(const struct lake_layout *layout, size_t i, struct buf *sql);

#endif
