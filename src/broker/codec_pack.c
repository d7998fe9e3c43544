/* Packing records anew: for topics with a codec of their own, and for compaction. */
#include "broker/codec.h"

#include <lz4frame.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#define SNAPPY_BLOCK_BYTES ((size_t)32 << 10)
#define ZSTD_LEVEL 3

static enum ig_code cannot(struct error *err, const char *codec)
{
    return error_set(err, IG_LIMIT, "the records cannot be packed with %s", codec);
}

static enum ig_code pack_gzip(struct str plain, struct buf *out, struct error *err)
{
    z_stream z = {0};
    enum ig_code rc = IG_OK;
    size_t bound;
    char *p;
    union {
        const char *in;
        Bytef *out;
    } from = {.in = plain.p}; /* zlib's next_in has no const unless asked for */

    if (plain.n > UINT32_MAX || deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY))
        return cannot(err, "gzip");
    bound = deflateBound(&z, plain.n) + 64;
    p = buf_reserve(out, bound);
    z.next_in = from.out;
    z.avail_in = (uInt)plain.n;
    z.next_out = (Bytef *)p;
    z.avail_out = (uInt)bound;
    if (!p || deflate(&z, Z_FINISH) != Z_STREAM_END)
        rc = cannot(err, "gzip");
    else
        out->n += bound - z.avail_out;
    deflateEnd(&z);
    return rc;
}

/* With Java's framing, which all clients know. */
static enum ig_code pack_snappy(struct str plain, struct buf *out, struct error *err)
{
    static const char head[16] = "\x82SNAPPY\0\0\0\0\1\0\0\0\1";

    buf_add(out, head, sizeof(head));
    for (size_t at = 0; at < plain.n; at += SNAPPY_BLOCK_BYTES) {
        const size_t n = plain.n - at < SNAPPY_BLOCK_BYTES ? plain.n - at : SNAPPY_BLOCK_BYTES;
        size_t packed = snappy_max_compressed_length(n);
        char *p = buf_reserve(out, packed + 4);

        if (!p || snappy_compress(plain.p + at, n, p + 4, &packed) != SNAPPY_OK)
            return cannot(err, "snappy");
        for (int i = 0; i < 4; i++)
            p[i] = (char)(packed >> (24 - 8 * i));
        out->n += packed + 4;
    }
    return IG_OK;
}

static enum ig_code pack_lz4(struct str plain, struct buf *out, struct error *err)
{
    const LZ4F_preferences_t how = {.frameInfo = {.blockSizeID = LZ4F_max64KB, .blockMode = LZ4F_blockIndependent}};
    const size_t bound = LZ4F_compressFrameBound(plain.n, &how);
    char *p = buf_reserve(out, bound);
    size_t n;

    if (!p)
        return cannot(err, "lz4");
    n = LZ4F_compressFrame(p, bound, plain.p, plain.n, &how);
    if (LZ4F_isError(n))
        return cannot(err, "lz4");
    out->n += n;
    return IG_OK;
}

static enum ig_code pack_zstd(struct str plain, struct buf *out, struct error *err)
{
    const size_t bound = ZSTD_compressBound(plain.n);
    char *p = buf_reserve(out, bound);
    size_t n;

    if (!p)
        return cannot(err, "zstd");
    n = ZSTD_compress(p, bound, plain.p, plain.n, ZSTD_LEVEL);
    if (ZSTD_isError(n))
        return cannot(err, "zstd");
    out->n += n;
    return IG_OK;
}

enum ig_code codec_pack(enum codec codec, struct str plain, struct buf *out, struct error *err)
{
    switch (codec) {
    case CODEC_NONE:
        buf_add_str(out, plain);
        return buf_check(out, err, "records");
    case CODEC_GZIP:
        return pack_gzip(plain, out, err);
    case CODEC_SNAPPY:
        return pack_snappy(plain, out, err);
    case CODEC_LZ4:
        return pack_lz4(plain, out, err);
    case CODEC_ZSTD:
        return pack_zstd(plain, out, err);
    }
    return error_set(err, IG_UNSUPPORTED, "compression %d", (int)codec);
}
