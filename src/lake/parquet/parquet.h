/*
 * Parquet, read without the engine: what checkpoints are made of, for which starting the engine would take longer than
 * reading them. Columns of integers, booleans and texts in the encodings that writers of checkpoints use. What is not
 * among that is IG_UNSUPPORTED, and the engine may know it; what breaks the format is IG_CORRUPT. All bytes are
 * foreign: each length is checked, and page checksums are, where the file has them.
 */
#ifndef LAKE_PARQUET_H
#define LAKE_PARQUET_H

#include "base/base.h"

/* Where the bytes come from: exactly n of them, or an error. */
struct parquet_input {
    enum ig_code (*read)(void *ctx, int64_t at, void *p, size_t n, struct error *err);
    void *ctx;
    int64_t size_bytes;
};

enum parquet_repetition { PARQUET_REQUIRED, PARQUET_OPTIONAL, PARQUET_REPEATED };

/* What a column's values are here. */
enum parquet_kind { PARQUET_GROUP, PARQUET_INTEGER, PARQUET_BOOLEAN, PARQUET_TEXT, PARQUET_OTHER };

/* Of groups: what they stand for. */
enum parquet_shape { PARQUET_STRUCT, PARQUET_MAP, PARQUET_LIST, PARQUET_ODD };

/* A group or a column of the schema. They stand in an array, each before what is in it; the first is the root. */
struct parquet_node {
    struct str name;
    enum parquet_repetition repetition;
    enum parquet_kind kind;
    enum parquet_shape shape;
    int type;          /* Parquet's, of a column */
    size_t next;       /* behind the last node that is in this one */
    size_t column;     /* the number of the column, or of the first one in it */
    unsigned def, rep; /* the levels at which it is there */
};

struct parquet_chunk {
    int64_t at, size_bytes, n_values;
    int type, codec;
    bool elsewhere; /* in another file, or encrypted */
};

struct parquet_group {
    int64_t n_rows;
    const struct parquet_chunk *chunks; /* one a column */
};

struct parquet_file {
    struct parquet_input in;
    struct arena arena;
    VEC(struct parquet_node) nodes;
    size_t n_columns;
    VEC(struct parquet_group) groups;
    int64_t n_rows;
    struct buf footer; /* the names are in it */
};

/* Reads the footer. parquet_close is fine after a failure. */
IG_MUST_CHECK enum ig_code parquet_open(struct parquet_file *f, const struct parquet_input *in, struct error *err);
void parquet_close(struct parquet_file *f);
/* The node of this name in a group, SIZE_MAX if there is none. */
size_t parquet_find(const struct parquet_file *f, size_t group, const char *name);

/* --- the values of a column, of one row group (column.c) --------------------------------------------------- */

struct parquet_value {
    unsigned rep, def; /* it is there if `def` is the column's */
    int64_t number;    /* of integers and booleans */
    struct str text;   /* valid until the column is read on */
};

struct parquet_levels {
    const uint8_t *p, *end;
    unsigned width;
    uint32_t left; /* of the run */
    bool same;     /* the run is of one value; else packed at `bits` */
    uint32_t value;
    const uint8_t *bits;
    uint64_t bit; /* the next one in it */
};

struct parquet_column {
    const struct parquet_file *f;
    const struct parquet_node *node;
    const struct parquet_chunk *chunk;
    int64_t at;        /* in the file: the next page */
    int64_t left;      /* values in pages that are not read yet */
    int64_t page_left; /* in this one */
    struct parquet_levels reps, defs, indexes;
    bool dictionary;        /* the page's values are indexes */
    bool bits_packed;       /* of booleans: not runs */
    const uint8_t *p, *end; /* plain values */
    unsigned bit;
    struct buf window, unpacked, texts; /* of the file; a page; the dictionary's */
    int64_t window_at;
    VEC(struct parquet_value) entries; /* of the dictionary */
};

/* A zeroed column, or one that was used before. */
IG_MUST_CHECK enum ig_code parquet_column_open(struct parquet_column *c, const struct parquet_file *f, size_t node,
                                               size_t group, struct error *err);
void parquet_column_close(struct parquet_column *c);
/* IG_CORRUPT behind the last one. */
IG_MUST_CHECK enum ig_code parquet_next_value(struct parquet_column *c, struct parquet_value *v, struct error *err);
/* Is the next value of the same row as the one before? */
IG_MUST_CHECK enum ig_code parquet_more(struct parquet_column *c, bool *more, struct error *err);
/* How many of the next rows have no value, as far as that is seen at once; *def: how much of them is there. */
int64_t parquet_nulls(const struct parquet_column *c, unsigned *def);
IG_MUST_CHECK enum ig_code parquet_skip_rows(struct parquet_column *c, int64_t n, struct error *err);
/* IG_CORRUPT if there is more than was read. */
IG_MUST_CHECK enum ig_code parquet_column_end(const struct parquet_column *c, struct error *err);

#endif
