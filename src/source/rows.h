/*
 * The rows of one file, as records.
 */
#ifndef SOURCE_ROWS_H
#define SOURCE_ROWS_H

#include "source/reader.h"

struct rows;
struct rows_ops {
    /* At most `max` items from the file's row `first` on (asked for in order; what is before it is passed over), valid
     * until the next call; none: the end. */
    enum ig_code (*next)(struct rows *r, int64_t first, size_t max, struct source_item **items, size_t *n,
                         struct error *err);
    void (*free)(struct rows *r);
};

/* The first member of every implementation's own struct. */
struct rows {
    const struct rows_ops *ops;
};

/* Newline-delimited JSON, plain or gzip: each line's bytes as they are. Ordinals are line numbers from 0; blank lines
 * have none. */
IG_MUST_CHECK enum ig_code rows_open_lines(struct env *env, const char *path, struct rows **out, struct error *err);

/* CSV with a header, plain or gzip: each row a JSON object of strings, `null_text` as null. Ordinals are line numbers
 * from 0. Lines that are no rows are items with a reason, as they are. */
IG_MUST_CHECK enum ig_code rows_open_csv(struct env *env, const char *path, const char *null_text, struct rows **out,
                                         struct error *err);

/* Parquet, or CSV through the source's `sql`, by the SQL engine: each row a JSON object, NULL as null, numbers and
 * times exact. Ordinals are row numbers from 0; lines of a CSV file that are no rows come behind all rows. */
IG_MUST_CHECK enum ig_code rows_open_sql(const struct source_options *options, const char *path,
                                         enum conf_file_format format, struct rows **out, struct error *err);

#endif
