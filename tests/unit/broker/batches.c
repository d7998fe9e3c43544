#include "batches.h"

#include "broker/codec.h"

#include <lz4frame.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

static size_t pack(int codec, const char *in, size_t n, char *out, size_t cap)
{
    z_stream z = {0};
    union {
        const char *in;
        Bytef *out;
    } from = {.in = in};

    switch (codec) {
    case CODEC_GZIP:
        deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
        z.next_in = from.out;
        z.avail_in = (uInt)n;
        z.next_out = (Bytef *)out;
        z.avail_out = (uInt)cap;
        deflate(&z, Z_FINISH);
        deflateEnd(&z);
        return z.total_out;
    case CODEC_SNAPPY:
        snappy_compress(in, n, out, &cap);
        return cap;
    case CODEC_LZ4:
        return LZ4F_compressFrame(out, cap, in, n, NULL);
    case CODEC_ZSTD:
        return ZSTD_compress(out, cap, in, n, 1);
    default:
        memcpy(out, in, n);
        return n;
    }
}

char *make_batch(const struct batch_wish *w, size_t *n)
{
    char *value = check_malloc(w->value_bytes + 1), *out;
    struct batch_builder b;
    struct str plain;
    size_t cap;

    memset(value, w->fill ? w->fill : 'x', w->value_bytes);
    batch_builder_init(&b, w->timestamp_ms);
    for (int32_t i = 0; i < w->records; i++)
        batch_builder_add(&b, STR("key"), (struct str){value, w->value_bytes});
    plain = batch_builder_finish(&b);
    cap = plain.n * 2 + 1024;
    out = check_malloc(cap);
    memcpy(out, plain.p, BATCH_HEADER_BYTES);
    *n = BATCH_HEADER_BYTES + pack(w->codec, plain.p + BATCH_HEADER_BYTES, plain.n - BATCH_HEADER_BYTES,
                                   out + BATCH_HEADER_BYTES, cap - BATCH_HEADER_BYTES);
    wire_store(out + 8, (int64_t)*n - BATCH_PREFIX_BYTES, 4);
    wire_store(out + 21, w->codec, 2);
    if (w->producer_id > 0) {
        wire_store(out + 43, w->producer_id, 8);
        wire_store(out + 51, w->epoch, 2);
        wire_store(out + 53, w->sequence, 4);
    }
    wire_store(out + 17, (int64_t)hash_crc32c(0, out + 21, *n - 21), 4);
    batch_builder_release(&b);
    free(value);
    return out;
}
