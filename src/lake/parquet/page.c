#include "lake/parquet/page.h"

#include "lake/parquet/thrift.h"

#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

#define PAGE_MAX_BYTES ((int64_t)512 << 20)

enum { CODEC_NONE = 0, CODEC_SNAPPY = 1, CODEC_GZIP = 2, CODEC_ZSTD = 6 };

/* --- the header -------------------------------------------------------------------------------------------- */

/* The members that we need of the three kinds of headers, by field number. */
static int64_t *member_of(struct parquet_page *page, int kind, int number)
{
    int64_t *const data[] = {&page->n_values, &page->encoding, &page->def_encoding, &page->rep_encoding};
    int64_t *const dictionary[] = {&page->n_values, &page->encoding};
    int64_t *const data_2[] = {&page->n_values, NULL, &page->n_rows, &page->encoding, &page->def_bytes,
                               &page->rep_bytes};

    if (number < 1)
        return NULL;
    if (kind == 5)
        return (size_t)number <= IG_COUNT(data) ? data[number - 1] : NULL;
    if (kind == 7)
        return (size_t)number <= IG_COUNT(dictionary) ? dictionary[number - 1] : NULL;
    return (size_t)number <= IG_COUNT(data_2) ? data_2[number - 1] : NULL;
}

static void read_kind(struct thrift *t, int type, int kind, struct parquet_page *page)
{
    struct thrift_field f = {0};

    if (thrift_enter(t, type))
        while (thrift_next(t, &f)) {
            int64_t *member = member_of(page, kind, f.number);

            if (member)
                *member = thrift_integer(t, f.type);
            else if (kind == 8 && f.number == 7)
                page->packed = thrift_bool(t, f.type);
            else
                thrift_skip(t, f.type);
        }
    thrift_leave(t);
}

static bool is_good(const struct parquet_page *p)
{
    if (p->size_bytes < 0 || p->packed_bytes < 0)
        return false;
    if (p->type == PARQUET_INDEX_PAGE)
        return true;
    if (p->n_values < 0 || p->encoding < 0)
        return false;
    if (p->type != PARQUET_DATA_PAGE_2)
        return true;
    return p->def_bytes >= 0 && p->rep_bytes >= 0 && p->def_bytes <= p->packed_bytes &&
           p->rep_bytes <= p->packed_bytes - p->def_bytes && p->def_bytes + p->rep_bytes <= p->size_bytes;
}

enum ig_code parquet_page_header(struct str bytes, struct parquet_page *out, bool *more, struct error *err)
{
    struct thrift_field f = {0};
    struct thrift t;

    *out = (struct parquet_page){.type = -1, .size_bytes = -1, .packed_bytes = -1, .n_values = -1, .encoding = -1};
    out->def_encoding = out->rep_encoding = out->n_rows = -1;
    out->packed = true;
    thrift_init(&t, bytes);
    if (thrift_enter(&t, THRIFT_STRUCT))
        while (thrift_next(&t, &f)) {
            if (f.number == 1)
                out->type = thrift_integer(&t, f.type);
            else if (f.number == 2)
                out->size_bytes = thrift_integer(&t, f.type);
            else if (f.number == 3)
                out->packed_bytes = thrift_integer(&t, f.type);
            else if (f.number == 4)
                out->crc = (uint32_t)thrift_integer(&t, f.type);
            else if (f.number == 5 || f.number == 7 || f.number == 8)
                read_kind(&t, f.type, f.number, out);
            else
                thrift_skip(&t, f.type);
            out->has_crc = out->has_crc || f.number == 4;
        }
    *more = t.bad && t.ended;
    out->header_bytes = (size_t)((const char *)t.p - bytes.p);
    if (*more)
        return IG_OK;
    if (t.bad || !is_good(out))
        return error_set(err, IG_CORRUPT, "a page's header is damaged");
    if (out->type < PARQUET_DATA_PAGE || out->type > PARQUET_DATA_PAGE_2)
        return error_set(err, IG_UNSUPPORTED, "a page of type %lld", (long long)out->type);
    if (out->size_bytes > PAGE_MAX_BYTES || out->packed_bytes > PAGE_MAX_BYTES)
        return error_set(err, IG_UNSUPPORTED, "a page of %lld bytes", (long long)out->size_bytes);
    return IG_OK;
}

/* --- the bytes --------------------------------------------------------------------------------------------- */

static bool unpack_gzip(struct str in, char *out, size_t n)
{
    union {
        const char *in;
        Bytef *out;
    } from = {.in = in.p}; /* zlib's next_in has no const unless asked for */
    z_stream z = {.avail_in = (uInt)in.n, .avail_out = (uInt)n};
    int r;

    z.next_in = from.out;
    z.next_out = (Bytef *)out;
    if (in.n / 4 > UINT32_MAX / 4 || inflateInit2(&z, 15 + 32) != Z_OK)
        return false;
    r = inflate(&z, Z_FINISH);
    inflateEnd(&z);
    return r == Z_STREAM_END && z.avail_out == 0 && z.avail_in == 0;
}

/* Could so few bytes be so many unpacked? Room is not made for what a damaged header says. */
static bool is_plausible(int codec, struct str in, size_t n)
{
    unsigned long long said;
    size_t length;

    switch (codec) {
    case CODEC_SNAPPY:
        return snappy_uncompressed_length(in.p, in.n, &length) == SNAPPY_OK && length == n && n / 64 <= in.n;
    case CODEC_GZIP:
        return n / 1100 <= in.n;
    default:
        said = ZSTD_getFrameContentSize(in.p, in.n);
        return said != ZSTD_CONTENTSIZE_ERROR && (said == ZSTD_CONTENTSIZE_UNKNOWN || said <= n);
    }
}

static bool unpack(int codec, struct str in, char *out, size_t n)
{
    size_t length = n;

    switch (codec) {
    case CODEC_SNAPPY:
        return snappy_uncompress(in.p, in.n, out, &length) == SNAPPY_OK && length == n;
    case CODEC_GZIP:
        return unpack_gzip(in, out, n);
    default:
        return ZSTD_decompress(out, n, in.p, in.n) == n;
    }
}

enum ig_code parquet_page_unpack(const struct parquet_page *page, int codec, struct str bytes, struct buf *room,
                                 struct str *out, struct error *err)
{
    const size_t plain = page->type == PARQUET_DATA_PAGE_2 ? (size_t)(page->def_bytes + page->rep_bytes) : 0;
    const size_t n = (size_t)page->size_bytes - plain;
    const struct str in = {bytes.p + plain, bytes.n - plain};

    if (page->has_crc && page->crc != (uint32_t)crc32_z(0, (const Bytef *)bytes.p, bytes.n))
        return error_set(err, IG_CORRUPT, "a page does not match its checksum");
    *out = bytes;
    if (codec == CODEC_NONE || (page->type == PARQUET_DATA_PAGE_2 && !page->packed))
        return page->size_bytes == page->packed_bytes
                   ? IG_OK
                   : error_set(err, IG_CORRUPT, "a page has another size than it says");
    if (codec != CODEC_SNAPPY && codec != CODEC_GZIP && codec != CODEC_ZSTD)
        return error_set(err, IG_UNSUPPORTED, "compression %d", codec);
    buf_clear(room);
    if (n == 0 && in.n == 0) { /* nothing but levels */
        *out = (struct str){bytes.p, plain};
        return IG_OK;
    }
    if (!is_plausible(codec, in, n) || !buf_reserve(room, plain + n))
        return error_set(err, IG_CORRUPT, "a page that can not be unpacked");
    if (plain)
        memcpy(room->p, bytes.p, plain);
    if (!unpack(codec, in, room->p + plain, n))
        return error_set(err, IG_CORRUPT, "a page that can not be unpacked");
    room->n = plain + n;
    *out = buf_str(room);
    return IG_OK;
}
