/*
 * Delta's types: read from a table's schemaString, made from a query's columns, written as DuckDB SQL. Everything lives
 * in the arena that it was made in.
 */
#ifndef LAKE_SCHEMA_H
#define LAKE_SCHEMA_H

#include "base/base.h"
#include "engine/engine.h"

/* name in the schemaString, type in DuckDB; the nested ones have neither. */
#define SCHEMA_PRIMITIVES(X)                       \
    X(BYTE, "byte", "TINYINT")                     \
    X(SHORT, "short", "SMALLINT")                  \
    X(INTEGER, "integer", "INTEGER")               \
    X(LONG, "long", "BIGINT")                      \
    X(FLOAT, "float", "FLOAT")                     \
    X(DOUBLE, "double", "DOUBLE")                  \
    X(STRING, "string", "VARCHAR")                 \
    X(BINARY, "binary", "BLOB")                    \
    X(BOOLEAN, "boolean", "BOOLEAN")               \
    X(DATE, "date", "DATE")                        \
    X(TIMESTAMP, "timestamp", "TIMESTAMPTZ")       \
    X(TIMESTAMP_NTZ, "timestamp_ntz", "TIMESTAMP") \
    X(VARIANT, "variant", "VARIANT")               \
    X(VOID, "void", "\"NULL\"")

enum schema_kind {
#define X(kind, name, sql) SCHEMA_##kind,
    SCHEMA_PRIMITIVES(X)
#undef X
        SCHEMA_DECIMAL,
    SCHEMA_STRUCT,
    SCHEMA_ARRAY,
    SCHEMA_MAP
};

/* How a file has the values of a column, where it is not what the engine expects for the type. */
enum schema_stored {
    SCHEMA_AS_IS,
    SCHEMA_OTHER_TIME, /* times with a zone as such without one, or the other way round: both mean UTC */
    SCHEMA_OTHER_TEXT, /* texts as unmarked bytes, or bytes that are marked as text */
    SCHEMA_LOOSE_NAN   /* the bounds within the file leave NaN out */
};

struct schema_type;

struct schema_field {
    const char *name;
    const struct schema_type *type;
    bool nullable;
    const char *metadata; /* a JSON object */
    const char *physical; /* the column's name in the data files: column mapping gives it another one */
};

struct schema_type {
    enum schema_kind kind;
    int precision, scale;        /* of a decimal */
    struct schema_field *fields; /* of a struct */
    size_t n_fields;
    const struct schema_type *key;     /* of a map */
    const struct schema_type *element; /* of an array; a map's value */
    bool element_nullable;
    bool untyped;              /* of a query's bare NULL: fits everywhere */
    enum schema_stored stored; /* in a file's layout */
    int limit;                 /* of a char(n) or varchar(n), which schema_of_text makes; 0: none */
    bool padded;               /* char(n) */
};

/* The struct that a schemaString describes. IG_UNSUPPORTED names a type that we do not know. */
IG_MUST_CHECK enum ig_code schema_of_json(struct arena *a, struct str json, const struct schema_type **out,
                                          struct error *err);
void schema_add_json(struct buf *out, const struct schema_type *type);
void schema_add_sql(struct buf *out, const struct schema_type *type);

/* The nearest type of Delta for a column of a query: unsigned integers the next larger signed one, HUGEINT (what sums
 * of integers are) long, UBIGINT decimal(20,0), TIMESTAMP timestamp, what only prints (UUID, TIME, ENUM) string. */
IG_MUST_CHECK enum ig_code schema_of_engine(struct arena *a, duckdb_logical_type type, const struct schema_type **out,
                                            struct error *err);
/* The columns of a query as a struct, in its order. */
IG_MUST_CHECK enum ig_code schema_of_query(struct arena *a, struct engine_conn *c, const char *select,
                                           const struct schema_type **out, struct error *err);

/* The engine gives a query's bare NULL the type INTEGER. Finds those among the columns that are integers but not in the
 * table (NULL: no column is), and makes them untyped strings. */
void schema_find_nulls(struct arena *a, struct engine_conn *c, const char *select, const struct schema_type *have,
                       const struct schema_type *table);

/* Does every value of `from` fit into `to` unchanged? */
bool schema_can_hold(const struct schema_type *to, const struct schema_type *from);

/* `to` with the columns (and the members of structs) that only `from` has behind its own; NULL, naming the column in
 * `err`, if one of `from` does not fit. The same pointer if there is nothing new. (evolve.c) */
const struct schema_type *schema_merge(struct arena *a, const struct schema_type *to, const struct schema_type *from,
                                       struct error *err);

/* By its exact name, else without regard to case; NULL if there is none. */
const struct schema_field *schema_find(const struct schema_type *type, struct str name);

#endif
