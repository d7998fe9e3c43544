/* A batch from another one: some of its records, another codec, a delete horizon. */
#include "broker/batch.h"
#include "broker/codec.h"

#include <stdlib.h>

#define CRC_FROM 21
#define HEADER_BYTES 61
#define PLAIN_MAX ((size_t)256 << 20)

/* The record with its time counted from another base. */
static void put_rebased(struct buf *out, const struct batch_record *r, int64_t base_ms)
{
    uint8_t room[16];
    struct buf delta = {.p = (char *)room, .cap = sizeof(room), .max = sizeof(room)};

    wire_put_varint(&delta, (int64_t)((uint64_t)r->timestamp_ms - (uint64_t)base_ms));
    wire_put_varint(out, (int64_t)(1 + delta.n + r->tail.n));
    buf_putc(out, (char)r->attributes);
    buf_add(out, delta.p, delta.n);
    buf_add_str(out, r->tail);
}

static void write_header(const struct batch *b, int32_t records, int64_t max_ms, uint8_t *p, size_t body)
{
    wire_store(p, b->base_offset, 8);
    wire_store(p + 8, (int64_t)(HEADER_BYTES + body) - BATCH_PREFIX_BYTES, 4);
    wire_store(p + 12, b->leader_epoch, 4);
    p[16] = 2;
    wire_store(p + 21, b->attributes, 2);
    wire_store(p + 23, b->last_offset_delta, 4);
    wire_store(p + 27, b->base_timestamp_ms, 8);
    wire_store(p + 35, max_ms, 8);
    wire_store(p + 43, b->producer_id, 8);
    wire_store(p + 51, b->producer_epoch, 2);
    wire_store(p + 53, b->base_sequence, 4);
    wire_store(p + 57, records, 4);
    wire_store(p + 17, (int64_t)hash_crc32c(0, p + CRC_FROM, HEADER_BYTES + body - CRC_FROM), 4);
}

struct kept {
    struct buf plain;
    int32_t n;
    int64_t max_ms;
};

static enum ig_code collect(struct batch_reader *r, const struct batch_rewrite *how, struct kept *kept,
                            struct error *err)
{
    struct batch_record record;

    while (batch_reader_next(r, &record)) {
        if (how->keep && !how->keep(how->ctx, &record))
            continue;
        if (how->horizon_ms >= 0)
            put_rebased(&kept->plain, &record, how->horizon_ms);
        else
            buf_add_str(&kept->plain, record.raw);
        kept->n++;
        if (record.timestamp_ms > kept->max_ms)
            kept->max_ms = record.timestamp_ms;
    }
    if (r->in.bad)
        return error_set(err, IG_CORRUPT, "record %d of the batch at offset %lld cannot be read", r->next,
                         (long long)r->batch.base_offset);
    return buf_check(&kept->plain, err, "records");
}

enum ig_code batch_rewrite(const void *p, size_t n, const struct batch_rewrite *how, struct buf *out, int32_t *n_kept,
                           struct error *err)
{
    struct kept kept = {.max_ms = -1};
    const size_t at = out->n;
    struct batch_reader r;
    struct batch b;
    enum codec codec;
    enum ig_code rc;

    IG_TRY(batch_reader_open(&r, p, n, err));
    b = r.batch;
    buf_init(&kept.plain, PLAIN_MAX);
    rc = collect(&r, how, &kept, err);
    batch_reader_close(&r);
    codec = kept.n == 0      ? CODEC_NONE
            : how->codec < 0 ? (enum codec)(b.attributes & BATCH_CODEC_MASK)
                             : (enum codec)how->codec;
    b.attributes = (int16_t)((b.attributes & ~BATCH_CODEC_MASK) | (int)codec);
    if (how->horizon_ms >= 0) {
        b.attributes |= BATCH_HAS_HORIZON;
        b.base_timestamp_ms = how->horizon_ms;
    }
    if (!rc && !buf_reserve(out, HEADER_BYTES))
        rc = buf_check(out, err, "records");
    if (!rc) {
        out->n += HEADER_BYTES;
        rc = codec_pack(codec, buf_str(&kept.plain), out, err);
    }
    if (!rc)
        rc = buf_check(out, err, "records");
    if (!rc)
        write_header(&b, kept.n, b.attributes & BATCH_LOG_APPEND_TIME && kept.n > 0 ? b.max_timestamp_ms : kept.max_ms,
                     (uint8_t *)out->p + at, out->n - at - HEADER_BYTES);
    else
        out->n = at;
    *n_kept = kept.n;
    buf_release(&kept.plain);
    return rc;
}
