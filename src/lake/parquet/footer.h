/*
 * What a Parquet file's footer says of its columns, its rows and its writer. Only what a reader has to know before the
 * engine opens the file is looked at; nothing in it is trusted.
 */
#ifndef LAKE_FOOTER_H
#define LAKE_FOOTER_H

#include "base/base.h"

#define FOOTER_NO_ID INT64_MIN

enum footer_physical {
    FOOTER_BOOLEAN,
    FOOTER_INT32,
    FOOTER_INT64,
    FOOTER_INT96,
    FOOTER_FLOAT,
    FOOTER_DOUBLE,
    FOOTER_BYTES,
    FOOTER_FIXED_BYTES,
    FOOTER_GROUP /* it has no values of its own */
};

/* What the values mean. */
enum footer_meaning {
    FOOTER_PLAIN,
    FOOTER_TEXT,
    FOOTER_DECIMAL,
    FOOTER_DATE,
    FOOTER_TIME,
    FOOTER_TIMESTAMP_UTC,
    FOOTER_TIMESTAMP, /* the engine takes it for one without a zone */
    FOOTER_INTEGER,
    FOOTER_UNSIGNED,
    FOOTER_VARIANT,
    FOOTER_OTHER
};

struct footer_node {
    const char *name;
    int64_t id; /* FOOTER_NO_ID: none */
    int32_t n_children;
    enum footer_physical physical;
    enum footer_meaning meaning;
    bool repeated;
    int precision, scale;               /* of a decimal */
    const struct footer_node *children; /* the first; the others follow, each behind all of the one before */
    const struct footer_node *end;      /* behind the last of what is below */
};

struct footer {
    struct footer_node *root;
    size_t n_nodes;
    int64_t n_rows;
    const char *writer; /* "" if it does not say */
};

/* Everything is in the arena. IG_CORRUPT says what is wrong, without the file's name. */
IG_MUST_CHECK enum ig_code lake_footer_read(struct env *env, const char *path, struct arena *a, struct footer *out,
                                            struct error *err);
IG_MUST_CHECK enum ig_code lake_footer_parse(struct str text, struct arena *a, struct footer *out, struct error *err);

#endif
