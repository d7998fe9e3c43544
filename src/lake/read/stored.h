/*
 * Which of a Parquet file's types may be which of a table's: those that Delta writers write, and those that type
 * widening allows. All else is an error of the file, whatever the engine would cast.
 */
#ifndef LAKE_STORED_H
#define LAKE_STORED_H

#include "lake/lake_internal.h"
#include "lake/parquet/footer.h"

/* May a column of that type (one without members) be stored so? `text_option`: unmarked bytes are read as text. */
bool lake_may_be_stored(const struct schema_type *type, const struct footer_node *node, bool text_option,
                        enum schema_stored *stored);

#endif
