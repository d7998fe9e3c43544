#include "broker/codec.h"

#include <lz4frame.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#define CHUNK ((size_t)64 << 10)
#define ZSTD_WINDOW_LOG_MAX 27

static enum ig_code not_of(struct error *err, const char *codec)
{
    return error_set(err, IG_INVALID, "the records are not valid %s", codec);
}

/* Room for the next piece: CHUNK bytes, or what is left up to the limit. */
static void *room(struct buf *out, size_t *n, struct error *err)
{
    const size_t left = out->max - out->n;

    *n = left < CHUNK ? left : CHUNK;
    if (*n == 0) {
        error_set(err, IG_LIMIT, "the records unpack to more than %zu bytes", out->max);
        return NULL;
    }
    return buf_reserve(out, *n);
}

static enum ig_code unpack_gzip(struct str packed, struct buf *out, struct error *err)
{
    z_stream z = {.avail_in = (uInt)packed.n};
    enum ig_code rc = IG_OK;
    int r = Z_OK;
    union {
        const char *in;
        Bytef *out;
    } from = {.in = packed.p}; /* zlib's next_in has no const unless asked for */

    if (packed.n > UINT32_MAX)
        return not_of(err, "gzip");
    z.next_in = from.out;
    if (inflateInit2(&z, 15 + 16) != Z_OK)
        return not_of(err, "gzip");
    while (r != Z_STREAM_END) {
        size_t n;
        void *p = room(out, &n, err);

        if (!p) {
            rc = IG_LIMIT;
            break;
        }
        z.next_out = p;
        z.avail_out = (uInt)n;
        r = inflate(&z, Z_NO_FLUSH);
        out->n += n - z.avail_out;
        if ((r != Z_OK && r != Z_STREAM_END) || (r == Z_OK && z.avail_in == 0 && z.avail_out > 0)) {
            rc = not_of(err, "gzip");
            break;
        }
    }
    inflateEnd(&z);
    return rc;
}

static enum ig_code unpack_snappy_block(struct str packed, struct buf *out, struct error *err)
{
    size_t n;
    char *p;

    if (snappy_uncompressed_length(packed.p, packed.n, &n) != SNAPPY_OK)
        return not_of(err, "snappy");
    if (n > out->max - out->n)
        return error_set(err, IG_LIMIT, "the records unpack to more than %zu bytes", out->max);
    if (n / 256 > packed.n + 64) /* no snappy text is packed that tightly: do not even make room */
        return not_of(err, "snappy");
    p = buf_reserve(out, n);
    if (!p || snappy_uncompress(packed.p, packed.n, p, &n) != SNAPPY_OK)
        return not_of(err, "snappy");
    out->n += n;
    return IG_OK;
}

/* Java's framing: a magic, two versions, then blocks with a big-endian length each. Others send one bare block. */
static enum ig_code unpack_snappy(struct str packed, struct buf *out, struct error *err)
{
    static const char magic[8] = "\x82SNAPPY";
    const uint8_t *p = (const uint8_t *)packed.p;
    size_t at = 16;

    if (packed.n < 16 || memcmp(packed.p, magic, 8) != 0)
        return unpack_snappy_block(packed, out, err);
    while (at < packed.n) {
        size_t n;

        if (packed.n - at < 4)
            return not_of(err, "snappy");
        n = (size_t)p[at] << 24 | (size_t)p[at + 1] << 16 | (size_t)p[at + 2] << 8 | p[at + 3];
        at += 4;
        if (n > packed.n - at)
            return not_of(err, "snappy");
        IG_TRY(unpack_snappy_block((struct str){packed.p + at, n}, out, err));
        at += n;
    }
    return IG_OK;
}

static enum ig_code unpack_lz4(struct str packed, struct buf *out, struct error *err)
{
    LZ4F_dctx *ctx;
    enum ig_code rc = IG_OK;
    size_t at = 0, hint = 1;

    if (LZ4F_isError(LZ4F_createDecompressionContext(&ctx, LZ4F_VERSION)))
        return not_of(err, "lz4");
    while (hint != 0) {
        size_t n, in = packed.n - at;
        void *p = room(out, &n, err);

        if (!p) {
            rc = IG_LIMIT;
            break;
        }
        hint = LZ4F_decompress(ctx, p, &n, packed.p + at, &in, NULL);
        if (LZ4F_isError(hint) || (n == 0 && in == 0 && hint != 0)) {
            rc = not_of(err, "lz4");
            break;
        }
        at += in;
        out->n += n;
    }
    LZ4F_freeDecompressionContext(ctx);
    return rc;
}

static enum ig_code unpack_zstd(struct str packed, struct buf *out, struct error *err)
{
    ZSTD_DCtx *ctx = ZSTD_createDCtx();
    ZSTD_inBuffer in = {packed.p, packed.n, 0};
    enum ig_code rc = IG_OK;
    size_t hint = 1;

    if (!ctx)
        return not_of(err, "zstd");
    ZSTD_DCtx_setParameter(ctx, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);
    while (hint != 0) {
        const size_t before = in.pos;
        ZSTD_outBuffer o = {0};

        o.dst = room(out, &o.size, err);
        if (!o.dst) {
            rc = IG_LIMIT;
            break;
        }
        hint = ZSTD_decompressStream(ctx, &o, &in);
        if (ZSTD_isError(hint) || (hint != 0 && o.pos == 0 && in.pos == before)) {
            rc = not_of(err, "zstd");
            break;
        }
        out->n += o.pos;
    }
    ZSTD_freeDCtx(ctx);
    return rc;
}

enum ig_code codec_unpack(enum codec codec, struct str packed, struct buf *out, struct error *err)
{
    switch (codec) {
    case CODEC_NONE:
        buf_add_str(out, packed);
        return buf_check(out, err, "records");
    case CODEC_GZIP:
        return unpack_gzip(packed, out, err);
    case CODEC_SNAPPY:
        return unpack_snappy(packed, out, err);
    case CODEC_LZ4:
        return unpack_lz4(packed, out, err);
    case CODEC_ZSTD:
        return unpack_zstd(packed, out, err);
    }
    return error_set(err, IG_UNSUPPORTED, "compression %d", (int)codec);
}
