/* The four compressions of record batches. */
#ifndef BROKER_CODEC_H
#define BROKER_CODEC_H

#include "base/base.h"

enum codec { CODEC_NONE, CODEC_GZIP, CODEC_SNAPPY, CODEC_LZ4, CODEC_ZSTD };

/* Appends what `packed` holds to `out`, whose max bounds it. IG_INVALID: not of that format; IG_LIMIT: it would be
 * too long; IG_UNSUPPORTED: no such codec. */
IG_MUST_CHECK enum ig_code codec_unpack(enum codec codec, struct str packed, struct buf *out, struct error *err);
/* Appends what is the packed form of `plain`, as every client can read it. */
IG_MUST_CHECK enum ig_code codec_pack(enum codec codec, struct str plain, struct buf *out, struct error *err);

#endif
