/*
 * Bronze rows as Parquet: one fixed, flat schema, written by a few hundred lines of our own because DuckDB's COPY costs
 * milliseconds a file, and the sink writes a file for every thousand records.
 *
 * Rows are kept as Parquet will have them (PLAIN encoding, column by column), so that adding one copies its bytes once,
 * and writing a file is compressing pages and adding headers. A file has one row group; pages are about 1 MiB.
 */
#ifndef STAGE_BRONZE_PARQUET_H
#define STAGE_BRONZE_PARQUET_H

#include "base/base.h"
#include "log/log.h"

/* Where a page of a column of texts ends. */
struct bronze_page {
    size_t n_rows;  /* rows up to here, from the beginning */
    size_t n_bytes; /* bytes up to here */
};

/* A column of texts: for each value its length and bytes. */
struct bronze_texts {
    struct buf bytes;
    VEC(struct bronze_page) pages; /* all but the last, open one */
};

struct bronze_rows {
    const char *topic; /* all rows are of one topic; borrowed */
    size_t n;
    size_t n_bytes; /* what is buffered, about */
    struct bronze_texts values, keys, headers;
    struct buf key_set, headers_set; /* a byte a row: 1 if there is one, 0 for NULL */
    struct buf partitions;           /* int32 */
    struct buf offsets, timestamps;  /* int64; timestamps in microseconds */
    int32_t min_partition, max_partition;
    int64_t min_offset, max_offset, min_timestamp, max_timestamp;
};

/* More than this in one file is not written: sizes in Parquet are 32 bits wide. */
#define BRONZE_ROWS_MAX_BYTES ((size_t)1 << 30)

void bronze_rows_init(struct bronze_rows *rows, const char *topic);
void bronze_rows_release(struct bronze_rows *rows);

/*
 * Adds a record, whose value is UTF-8. A key that is not UTF-8, or that begins with \x, is kept as \x and its bytes in
 * hex. Headers become the JSON
 * text [{"key": "name", "value": "text"}, ...], with "base64" in place of "value" where it is not UTF-8.
 */
void bronze_rows_add(struct bronze_rows *rows, const struct log_record *record);

/* The bytes of a key out of its text in a bronze file: `text` itself, or what is appended to `scratch`. */
struct str bronze_key_bytes(struct str text, struct buf *scratch);

/* Headers out of their text in a bronze file; "" has none, and so has text that bronze_rows_add does not write. */
struct bronze_headers {
    VEC(struct log_header) list;
    struct buf bytes;
};
void bronze_headers_read(struct str text, struct bronze_headers *out);
void bronze_headers_release(struct bronze_headers *h);

/* Appends the whole file. There is at least one row. */
IG_MUST_CHECK enum ig_code bronze_parquet_write(const struct bronze_rows *rows, int64_t ingested_at_us, struct buf *out,
                                                struct error *err);

#endif
