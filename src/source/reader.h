/*
 * What the pump sees of a source: records in an order of their own, each at an ordinal within a part.
 *
 * A part is something that is read from its first record to its last and never changes: one file, or one seeded
 * sequence of a generator. Its name and a record's ordinal (0, 1, 2 ...) are the record's position, and reading a part
 * again gives the same records at the same ordinals. Parts follow each other; a reader never goes back to an earlier
 * one.
 */
#ifndef SOURCE_READER_H
#define SOURCE_READER_H

#include "source/source.h"
#include "source/state.h"

struct source_item {
    struct str value; /* borrowed until the next call of `next` */
    int64_t ordinal;
    int64_t due_us;     /* wall clock before which the record does not exist; 0: at once */
    const char *reason; /* NULL, or why it is no record: it goes to the DLQ as it is, with `detail` */
    struct str detail;
};

/* Items of one part. */
struct source_batch {
    struct source_part *part;
    struct source_item *items;
    size_t n;
    bool part_done; /* nothing of the part follows these items */
    bool end;       /* n is 0: there is nothing more now; a reader of files may find more later */
};

struct source_reader;
struct source_reader_ops {
    /* The next items, from parts' `next` ordinals on. A part that cannot be read is not an error of `next`: the reader
     * passes it over and puts the reason into its `failure`. */
    enum ig_code (*next)(struct source_reader *r, size_t max, struct source_batch *out, struct error *err);
    void (*free)(struct source_reader *r);
};

/* The first member of every implementation's own struct. */
struct source_reader {
    const struct source_reader_ops *ops;
    int64_t total;        /* records that all parts known now have, -1: unknown or endless */
    struct error failure; /* of the first part that could not be read; code IG_OK: none */
    int64_t failures;
};

/* `state` outlives the reader, which reads positions from it and adds parts to it. */
IG_MUST_CHECK enum ig_code generate_reader_new(const struct source_options *options, struct source_state *state,
                                               struct source_reader **out, struct error *err);
IG_MUST_CHECK enum ig_code file_reader_new(const struct source_options *options, struct source_state *state,
                                           struct source_reader **out, struct error *err);

#endif
