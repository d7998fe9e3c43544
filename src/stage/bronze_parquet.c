/*
 * The Parquet file around bronze rows: pages, column chunks, the footer in Thrift's compact protocol. What may be in
 * such a file is said by the Parquet format's parquet.thrift; the field numbers below are its own.
 */
#include "stage/bronze_parquet.h"

#include <snappy-c.h>
#include <stdlib.h>

#define ROWS_PER_PAGE 131072 /* of columns of fixed width */

/* --- Thrift's compact protocol -------------------------------------------------------------------------------- */

enum thrift_type { T_TRUE = 1, T_FALSE = 2, T_I16 = 4, T_I32 = 5, T_I64 = 6, T_BINARY = 8, T_LIST = 9, T_STRUCT = 12 };

#define THRIFT_DEPTH 8

struct thrift {
    struct buf *out;
    int last[THRIFT_DEPTH]; /* the last field number written, a level of struct */
    int depth;
};

static void put_varint(struct buf *out, uint64_t v)
{
    while (v >= 0x80) {
        buf_putc(out, (char)(uint8_t)(v | 0x80));
        v >>= 7;
    }
    buf_putc(out, (char)(uint8_t)v);
}

static void put_zigzag(struct buf *out, int64_t v)
{
    put_varint(out, ((uint64_t)v << 1) ^ (uint64_t)(v >> 63));
}

static void put_field(struct thrift *t, int number, enum thrift_type type)
{
    const int delta = number - t->last[t->depth];

    IG_ASSERT(delta > 0 && delta <= 15);
    buf_putc(t->out, (char)(uint8_t)(delta << 4 | (int)type));
    t->last[t->depth] = number;
}

static void put_i32(struct thrift *t, int number, int32_t v)
{
    put_field(t, number, T_I32);
    put_zigzag(t->out, v);
}

static void put_i64(struct thrift *t, int number, int64_t v)
{
    put_field(t, number, T_I64);
    put_zigzag(t->out, v);
}

static void put_bool(struct thrift *t, int number, bool v)
{
    put_field(t, number, v ? T_TRUE : T_FALSE);
}

static void put_bytes(struct buf *out, struct str s)
{
    put_varint(out, s.n);
    buf_add_str(out, s);
}

static void put_binary(struct thrift *t, int number, struct str s)
{
    put_field(t, number, T_BINARY);
    put_bytes(t->out, s);
}

static void enter(struct thrift *t)
{
    t->depth++;
    IG_ASSERT(t->depth < THRIFT_DEPTH);
    t->last[t->depth] = 0;
}

static void begin_struct(struct thrift *t, int number)
{
    put_field(t, number, T_STRUCT);
    enter(t);
}

static void end_struct(struct thrift *t)
{
    buf_putc(t->out, 0);
    t->depth--;
}

static void empty_struct(struct thrift *t, int number)
{
    begin_struct(t, number);
    end_struct(t);
}

static void begin_list(struct thrift *t, int number, enum thrift_type of, size_t n)
{
    put_field(t, number, T_LIST);
    if (n < 15) {
        buf_putc(t->out, (char)(uint8_t)(n << 4 | (size_t)of));
    } else {
        buf_putc(t->out, (char)(uint8_t)(0xf0 | (int)of));
        put_varint(t->out, n);
    }
}

/* --- the schema ---------------------------------------------------------------------------------------------- */

enum { PHYSICAL_INT32 = 1, PHYSICAL_INT64 = 2, PHYSICAL_BYTES = 6 };
enum { ENCODING_PLAIN = 0, ENCODING_RLE = 3, ENCODING_DICTIONARY = 8 };
enum { PAGE_DATA = 0, PAGE_DICTIONARY = 2 };
enum { REQUIRED = 0, OPTIONAL = 1 };
enum { CODEC_SNAPPY = 1 };
enum { CONVERTED_UTF8 = 0, CONVERTED_TIMESTAMP_MICROS = 10 };
enum { LOGICAL_STRING = 1, LOGICAL_TIMESTAMP = 8 };
enum { UNIT_MICROS = 2 };

enum meaning { PLAIN_NUMBER, TEXT, TIME };

enum column_id { VALUE, KEY, TOPIC, PARTITION, OFFSET, TIMESTAMP, INGESTED_AT, HEADERS, N_COLUMNS };

static const struct column {
    const char *name;
    int physical;
    int repetition;
    enum meaning meaning;
    bool constant; /* the same in all rows: a dictionary of one value */
} COLUMNS[N_COLUMNS] = {
    [VALUE] = {"_value", PHYSICAL_BYTES, REQUIRED, TEXT, false},
    [KEY] = {"_key", PHYSICAL_BYTES, OPTIONAL, TEXT, false},
    [TOPIC] = {"_topic", PHYSICAL_BYTES, REQUIRED, TEXT, true},
    [PARTITION] = {"_partition", PHYSICAL_INT32, REQUIRED, PLAIN_NUMBER, false},
    [OFFSET] = {"_offset", PHYSICAL_INT64, REQUIRED, PLAIN_NUMBER, false},
    [TIMESTAMP] = {"_timestamp", PHYSICAL_INT64, REQUIRED, TIME, false},
    [INGESTED_AT] = {"_ingested_at", PHYSICAL_INT64, REQUIRED, TIME, true},
    [HEADERS] = {"_headers", PHYSICAL_BYTES, OPTIONAL, TEXT, false},
};

static void put_schema_column(struct thrift *t, const struct column *c)
{
    enter(t);
    put_i32(t, 1, c->physical);
    put_i32(t, 3, c->repetition);
    put_binary(t, 4, str_of(c->name));
    if (c->meaning == TEXT) {
        put_i32(t, 6, CONVERTED_UTF8);
        begin_struct(t, 10);
        empty_struct(t, LOGICAL_STRING);
        end_struct(t);
    } else if (c->meaning == TIME) {
        put_i32(t, 6, CONVERTED_TIMESTAMP_MICROS);
        begin_struct(t, 10);
        begin_struct(t, LOGICAL_TIMESTAMP);
        put_bool(t, 1, true); /* in UTC */
        begin_struct(t, 2);
        empty_struct(t, UNIT_MICROS);
        end_struct(t);
        end_struct(t);
        end_struct(t);
    }
    end_struct(t);
}

static void put_schema(struct thrift *t, int number)
{
    begin_list(t, number, T_STRUCT, N_COLUMNS + 1);
    enter(t);
    put_binary(t, 4, STR("bronze"));
    put_i32(t, 5, N_COLUMNS);
    end_struct(t);
    for (size_t i = 0; i < N_COLUMNS; i++)
        put_schema_column(t, &COLUMNS[i]);
}

/* --- pages --------------------------------------------------------------------------------------------------- */

/* What the footer says about a column. */
struct chunk {
    int64_t dictionary_at, data_at; /* in the file; dictionary_at 0: none */
    int64_t raw_bytes, stored_bytes;
    int64_t n_nulls;
    bool has_range;
    char min[8], max[8]; /* little-endian */
    size_t n_range;
    struct str text_range; /* of a text: min and max are the same */
};

struct writer {
    const struct bronze_rows *rows;
    struct buf *out;
    struct buf page; /* scratch: a page that must be put together before it is compressed */
    struct chunk chunks[N_COLUMNS];
    bool failed; /* snappy refused */
};

/* A page: header, then `raw` compressed. */
static void put_page(struct writer *w, struct chunk *c, int type, size_t n_values, int encoding, struct str raw)
{
    size_t n_packed = snappy_max_compressed_length(raw.n);
    char *packed = check_malloc(n_packed);
    const size_t at = w->out->n;
    struct thrift t = {.out = w->out};

    if (snappy_compress(raw.p ? raw.p : "", raw.n, packed, &n_packed) != SNAPPY_OK)
        w->failed = true;
    put_i32(&t, 1, type);
    put_i32(&t, 2, (int32_t)raw.n);
    put_i32(&t, 3, (int32_t)n_packed);
    if (type == PAGE_DATA) {
        begin_struct(&t, 5);
        put_i32(&t, 1, (int32_t)n_values);
        put_i32(&t, 2, encoding);
        put_i32(&t, 3, ENCODING_RLE);
        put_i32(&t, 4, ENCODING_RLE);
    } else {
        begin_struct(&t, 7);
        put_i32(&t, 1, (int32_t)n_values);
        put_i32(&t, 2, encoding);
    }
    end_struct(&t);
    buf_putc(w->out, 0);
    c->raw_bytes += (int64_t)(w->out->n - at) + (int64_t)raw.n;
    buf_add(w->out, packed, n_packed);
    c->stored_bytes += (int64_t)(w->out->n - at);
    free(packed);
}

/* Definition levels: runs of equal bytes. */
static void add_levels(struct buf *page, const char *set, size_t n)
{
    const size_t at = page->n;
    size_t length;

    buf_add(page, "\0\0\0\0", 4);
    for (size_t i = 0; i < n;) {
        size_t run = 1;

        while (i + run < n && set[i + run] == set[i])
            run++;
        put_varint(page, (uint64_t)run << 1);
        buf_putc(page, set[i]);
        i += run;
    }
    length = page->n - at - 4;
    for (size_t i = 0; i < 4 && page->p; i++)
        page->p[at + i] = (char)(uint8_t)(length >> (8 * i));
}

/* One page of a column of texts: rows [from, to), their bytes; `set` NULL if every row has one. */
static void put_text_page(struct writer *w, struct chunk *c, const char *set, size_t from, size_t to, struct str bytes)
{
    if (!set) {
        put_page(w, c, PAGE_DATA, to - from, ENCODING_PLAIN, bytes);
        return;
    }
    buf_clear(&w->page);
    add_levels(&w->page, set + from, to - from);
    buf_add_str(&w->page, bytes);
    put_page(w, c, PAGE_DATA, to - from, ENCODING_PLAIN, buf_str(&w->page));
}

static void put_texts(struct writer *w, struct chunk *c, const struct bronze_texts *texts, const struct buf *set)
{
    const char *flags = set ? set->p : NULL;
    size_t row = 0, at = 0;

    c->data_at = (int64_t)w->out->n;
    for (size_t i = 0; set && i < set->n; i++)
        c->n_nulls += set->p[i] == 0;
    for (size_t i = 0; i < texts->pages.n; i++) {
        const struct bronze_page *p = &texts->pages.p[i];

        put_text_page(w, c, flags, row, p->n_rows, (struct str){texts->bytes.p + at, p->n_bytes - at});
        row = p->n_rows;
        at = p->n_bytes;
    }
    put_text_page(w, c, flags, row, w->rows->n, (struct str){buf_str(&texts->bytes).p + at, texts->bytes.n - at});
}

static void put_numbers(struct writer *w, struct chunk *c, const struct buf *numbers, size_t width)
{
    c->data_at = (int64_t)w->out->n;
    for (size_t row = 0; row < w->rows->n; row += ROWS_PER_PAGE) {
        const size_t left = w->rows->n - row, n = left < ROWS_PER_PAGE ? left : ROWS_PER_PAGE;

        put_page(w, c, PAGE_DATA, n, ENCODING_PLAIN, (struct str){numbers->p + row * width, n * width});
    }
}

/* The same value in all rows: a dictionary that holds it, and one run of its index. */
static void put_constant(struct writer *w, struct chunk *c, struct str plain)
{
    c->dictionary_at = (int64_t)w->out->n;
    put_page(w, c, PAGE_DICTIONARY, 1, ENCODING_PLAIN, plain);
    c->data_at = (int64_t)w->out->n;
    buf_clear(&w->page);
    buf_putc(&w->page, 1); /* bits of an index */
    put_varint(&w->page, (uint64_t)w->rows->n << 1);
    buf_putc(&w->page, 0);
    put_page(w, c, PAGE_DATA, w->rows->n, ENCODING_DICTIONARY, buf_str(&w->page));
}

static void little_endian(uint64_t v, size_t n, char *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (char)(uint8_t)(v >> (8 * i));
}

static void set_range(struct chunk *c, int64_t min, int64_t max, size_t width)
{
    c->has_range = true;
    c->n_range = width;
    little_endian((uint64_t)min, width, c->min);
    little_endian((uint64_t)max, width, c->max);
}

static void put_columns(struct writer *w, int64_t ingested_at_us)
{
    const struct bronze_rows *r = w->rows;
    struct chunk *c = w->chunks;
    char number[8];
    struct buf topic;

    put_texts(w, &c[VALUE], &r->values, NULL);
    put_texts(w, &c[KEY], &r->keys, &r->key_set);

    buf_init(&topic, 0);
    little_endian(strlen(r->topic), 4, number);
    buf_add(&topic, number, 4);
    buf_puts(&topic, r->topic);
    put_constant(w, &c[TOPIC], buf_str(&topic));
    buf_release(&topic);
    c[TOPIC].has_range = true;
    c[TOPIC].text_range = str_of(r->topic);

    put_numbers(w, &c[PARTITION], &r->partitions, 4);
    set_range(&c[PARTITION], r->min_partition, r->max_partition, 4);
    put_numbers(w, &c[OFFSET], &r->offsets, 8);
    set_range(&c[OFFSET], r->min_offset, r->max_offset, 8);
    put_numbers(w, &c[TIMESTAMP], &r->timestamps, 8);
    set_range(&c[TIMESTAMP], r->min_timestamp, r->max_timestamp, 8);

    little_endian((uint64_t)ingested_at_us, 8, number);
    put_constant(w, &c[INGESTED_AT], (struct str){number, 8});
    set_range(&c[INGESTED_AT], ingested_at_us, ingested_at_us, 8);
    put_texts(w, &c[HEADERS], &r->headers, &r->headers_set);
}

/* --- the footer ---------------------------------------------------------------------------------------------- */

static void put_statistics(struct thrift *t, const struct chunk *c)
{
    begin_struct(t, 12);
    put_i64(t, 3, c->n_nulls);
    if (c->has_range) {
        put_binary(t, 5, c->n_range ? (struct str){c->max, c->n_range} : c->text_range);
        put_binary(t, 6, c->n_range ? (struct str){c->min, c->n_range} : c->text_range);
    }
    end_struct(t);
}

static void put_chunk(struct thrift *t, const struct column *column, const struct chunk *c, size_t n_rows)
{
    enter(t);
    put_i64(t, 2, 0); /* file_offset: nobody keeps the metadata a second time any more */
    begin_struct(t, 3);
    put_i32(t, 1, column->physical);
    begin_list(t, 2, T_I32, column->constant ? 3 : 2);
    put_zigzag(t->out, ENCODING_PLAIN);
    put_zigzag(t->out, ENCODING_RLE);
    if (column->constant)
        put_zigzag(t->out, ENCODING_DICTIONARY);
    begin_list(t, 3, T_BINARY, 1);
    put_bytes(t->out, str_of(column->name));
    put_i32(t, 4, CODEC_SNAPPY);
    put_i64(t, 5, (int64_t)n_rows);
    put_i64(t, 6, c->raw_bytes);
    put_i64(t, 7, c->stored_bytes);
    put_i64(t, 9, c->data_at);
    if (c->dictionary_at)
        put_i64(t, 11, c->dictionary_at);
    put_statistics(t, c);
    end_struct(t);
    end_struct(t);
}

static void put_row_group(struct thrift *t, const struct writer *w)
{
    int64_t raw = 0, stored = 0;

    for (size_t i = 0; i < N_COLUMNS; i++) {
        raw += w->chunks[i].raw_bytes;
        stored += w->chunks[i].stored_bytes;
    }
    enter(t);
    begin_list(t, 1, T_STRUCT, N_COLUMNS);
    for (size_t i = 0; i < N_COLUMNS; i++)
        put_chunk(t, &COLUMNS[i], &w->chunks[i], w->rows->n);
    put_i64(t, 2, raw);
    put_i64(t, 3, (int64_t)w->rows->n);
    put_i64(t, 5, w->chunks[0].data_at);
    put_i64(t, 6, stored);
    end_struct(t);
}

static void put_footer(const struct writer *w)
{
    struct thrift t = {.out = w->out};
    const size_t at = w->out->n;
    char length[4];

    put_i32(&t, 1, 2); /* the version of the format that has logical types */
    put_schema(&t, 2);
    put_i64(&t, 3, (int64_t)w->rows->n);
    begin_list(&t, 4, T_STRUCT, 1);
    put_row_group(&t, w);
    put_binary(&t, 6, STR("ingot version " INGOT_VERSION));
    begin_list(&t, 7, T_STRUCT, N_COLUMNS); /* min and max are ordered as the types say */
    for (size_t i = 0; i < N_COLUMNS; i++) {
        enter(&t);
        empty_struct(&t, 1);
        end_struct(&t);
    }
    buf_putc(w->out, 0);
    little_endian(w->out->n - at, 4, length);
    buf_add(w->out, length, 4);
    buf_puts(w->out, "PAR1");
}

enum ig_code bronze_parquet_write(const struct bronze_rows *rows, int64_t ingested_at_us, struct buf *out,
                                  struct error *err)
{
    struct writer w = {.rows = rows, .out = out};
    enum ig_code rc;

    IG_ASSERT(rows->n > 0 && out->n == 0);
    buf_init(&w.page, 2 * BRONZE_ROWS_MAX_BYTES);
    buf_puts(out, "PAR1");
    put_columns(&w, ingested_at_us);
    put_footer(&w);
    rc = buf_check(&w.page, err, "a bronze page");
    if (rc == IG_OK)
        rc = buf_check(out, err, "a bronze file");
    if (rc == IG_OK && w.failed)
        rc = error_set(err, IG_IO, "snappy can not compress a page");
    buf_release(&w.page);
    return rc;
}
