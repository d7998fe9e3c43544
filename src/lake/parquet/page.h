/*
 * A page of a column: its header, and its bytes unpacked.
 */
#ifndef LAKE_PAGE_H
#define LAKE_PAGE_H

#include "lake/parquet/parquet.h"

enum parquet_page_type {
    PARQUET_DATA_PAGE = 0,
    PARQUET_INDEX_PAGE = 1,
    PARQUET_DICTIONARY_PAGE = 2,
    PARQUET_DATA_PAGE_2 = 3
};

struct parquet_page {
    int64_t type, size_bytes, packed_bytes; /* unpacked; in the file, behind the header */
    int64_t n_values, encoding;
    int64_t def_encoding, rep_encoding;   /* of a data page */
    int64_t def_bytes, rep_bytes, n_rows; /* of the second kind: in front of the values, not packed */
    bool packed;
    bool has_crc;
    uint32_t crc;
    size_t header_bytes;
};

/* *more: the header goes on behind the bytes. */
IG_MUST_CHECK enum ig_code parquet_page_header(struct str bytes, struct parquet_page *out, bool *more,
                                               struct error *err);
/* The page's bytes as the writer had them; in `bytes` itself, or in `room`. */
IG_MUST_CHECK enum ig_code parquet_page_unpack(const struct parquet_page *page, int codec, struct str bytes,
                                               struct buf *room, struct str *out, struct error *err);

#endif
