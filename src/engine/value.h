/* One value of a DuckDB vector as text: for people (TEXT), or as JSON. Of every type. */
#ifndef ENGINE_VALUE_H
#define ENGINE_VALUE_H

#include "engine/engine.h"

enum value_form { VALUE_TEXT, VALUE_JSON };

/* `type` is the vector's. NULL is "NULL" or null. */
void value_add(struct buf *out, duckdb_vector vector, duckdb_logical_type type, idx_t row, enum value_form form);
/* Is a text form of this type set to the right in a table? */
bool value_is_number(duckdb_type type);

#endif
