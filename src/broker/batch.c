#include "broker/batch.h"

#include "broker/codec.h"

#include <stdlib.h>

#define CRC_FROM 21 /* the checksum covers everything from the attributes on */

bool batch_parse(const void *bytes, size_t n, struct batch *out)
{
    const uint8_t *p = bytes;

    if (n < BATCH_HEADER_BYTES)
        return false;
    *out = (struct batch){
        .base_offset = wire_load(p, 8),
        .bytes = wire_load(p + 8, 4) + BATCH_PREFIX_BYTES,
        .leader_epoch = (int32_t)wire_load(p + 12, 4),
        .magic = (int8_t)p[16],
        .crc = (uint32_t)wire_load(p + 17, 4),
        .attributes = (int16_t)wire_load(p + 21, 2),
        .last_offset_delta = (int32_t)wire_load(p + 23, 4),
        .base_timestamp_ms = wire_load(p + 27, 8),
        .max_timestamp_ms = wire_load(p + 35, 8),
        .producer_id = wire_load(p + 43, 8),
        .producer_epoch = (int16_t)wire_load(p + 51, 2),
        .base_sequence = (int32_t)wire_load(p + 53, 4),
        .records = (int32_t)wire_load(p + 57, 4),
        .marker = BATCH_MARKER_NONE,
    };
    return out->magic == 2 && out->bytes >= BATCH_HEADER_BYTES && out->base_offset >= 0 &&
           out->last_offset_delta >= 0 && out->base_offset <= INT64_MAX - out->last_offset_delta - 1;
}

bool batch_crc_ok(const void *p, size_t n, const struct batch *b)
{
    if ((uint64_t)b->bytes > n)
        return false;
    return hash_crc32c(0, (const char *)p + CRC_FROM, (size_t)b->bytes - CRC_FROM) == b->crc;
}

void batch_read_marker(const void *p, size_t n, struct batch *b)
{
    struct batch_reader r;
    struct batch_record record;

    if (!(b->attributes & BATCH_CONTROL) || batch_reader_open(&r, p, n, NULL))
        return;
    if (batch_reader_next(&r, &record) && record.key.n >= 4) {
        const int64_t type = wire_load(record.key.p + 2, 2);

        if (type == BATCH_MARKER_ABORT || type == BATCH_MARKER_COMMIT)
            b->marker = (enum batch_marker)type;
        if (record.value.n >= 6)
            b->coordinator_epoch = (int32_t)wire_load(record.value.p + 2, 4);
    }
    batch_reader_close(&r);
}

void batch_stamp(void *header, int64_t base_offset, int32_t leader_epoch)
{
    wire_store(header, base_offset, 8);
    wire_store((char *)header + 12, leader_epoch, 4);
}

void batch_set_append_time(struct batch *b, const void *bytes, int64_t now_ms)
{
    uint8_t head[BATCH_HEADER_BYTES];

    b->attributes = (int16_t)(b->attributes | BATCH_LOG_APPEND_TIME);
    b->max_timestamp_ms = now_ms;
    memcpy(head, bytes, sizeof(head));
    wire_store(head + CRC_FROM, b->attributes, 2);
    wire_store(head + 35, now_ms, 8);
    b->crc = hash_crc32c(0, head + CRC_FROM, sizeof(head) - CRC_FROM);
    b->crc = hash_crc32c(b->crc, (const char *)bytes + sizeof(head), (size_t)b->bytes - sizeof(head));
}

enum ig_code batch_check(const void *p, size_t n, struct batch *out, struct error *err)
{
    return batch_check_rules(p, n, NULL, out, NULL, err);
}

static enum batch_fault fault_of(const struct batch_rules *rules, const struct batch_record *record)
{
    if (rules->keys && !record->key.p)
        return BATCH_NO_KEY;
    return record->timestamp_ms < rules->from_ms || record->timestamp_ms > rules->upto_ms ? BATCH_TIME_OUT_OF_RANGE
                                                                                          : BATCH_NO_FAULT;
}

static void note_fault(struct batch_faults *faults, enum batch_fault fault, int32_t record)
{
    if (fault == BATCH_NO_FAULT)
        return;
    if (faults->fault == BATCH_NO_FAULT)
        faults->fault = fault;
    if (faults->records.n < BATCH_FAULTS_MAX)
        vec_push(&faults->records, record);
}

/* Takes from may_unpack what the batch unpacks to, also if it turns out to be no good. */
static enum ig_code reader_open(struct batch_reader *r, const void *p, size_t n, size_t *may_unpack, struct error *err)
{
    struct str body = {(const char *)p + BATCH_HEADER_BYTES, n - BATCH_HEADER_BYTES};
    enum codec codec;

    *r = (struct batch_reader){0};
    if (!batch_parse(p, n, &r->batch) || (uint64_t)r->batch.bytes > n)
        return error_set(err, IG_INVALID, "this is no whole record batch");
    body.n = (size_t)r->batch.bytes - BATCH_HEADER_BYTES;
    codec = r->batch.attributes & BATCH_CODEC_MASK;
    if (codec != CODEC_NONE) {
        enum ig_code rc;

        if (*may_unpack == 0)
            return error_set(err, IG_LIMIT, "the batches of this request unpack to too much: send fewer in one");
        buf_init(&r->plain, *may_unpack < BATCH_UNPACKED_MAX ? *may_unpack : BATCH_UNPACKED_MAX);
        rc = codec_unpack(codec, body, &r->plain, err);
        *may_unpack -= r->plain.n;
        if (rc) {
            buf_release(&r->plain);
            return rc;
        }
        body = buf_str(&r->plain);
    }
    r->in = (struct wire_in){(const uint8_t *)body.p, (const uint8_t *)body.p + body.n, false};
    return IG_OK;
}

enum ig_code batch_check_rules(const void *p, size_t n, const struct batch_rules *rules, struct batch *out,
                               struct batch_faults *faults, struct error *err)
{
    struct batch_reader r;
    struct batch_record record;
    size_t one = BATCH_UNPACKED_MAX;
    enum ig_code rc;
    bool bad;

    if (faults)
        *faults = (struct batch_faults){0};

    if (n >= 17 && ((const uint8_t *)p)[16] < 2)
        return error_set(err, IG_UNSUPPORTED, "message format %d is too old", ((const uint8_t *)p)[16]);
    if (!batch_parse(p, n, out))
        return error_set(err, IG_INVALID, "this is no record batch");
    if ((uint64_t)out->bytes > n)
        return error_set(err, IG_CORRUPT, "the record batch is cut off: %lld bytes of %zu", (long long)out->bytes, n);
    if ((uint64_t)out->bytes < n)
        return error_set(err, IG_INVALID, "a partition's records must be exactly one batch");
    if (!batch_crc_ok(p, n, out))
        return error_set(err, IG_CORRUPT, "the record batch's checksum is wrong");
    if (out->records < 1 || out->last_offset_delta != out->records - 1)
        return error_set(err, IG_INVALID, "a batch of %d records cannot end at offset +%d", out->records,
                         out->last_offset_delta);
    if (out->producer_id >= 0 && (out->producer_epoch < 0 || out->base_sequence < 0))
        return error_set(err, IG_INVALID, "an idempotent batch without epoch or sequence");
    IG_TRY(reader_open(&r, p, n, rules && rules->may_unpack ? rules->may_unpack : &one, err));
    while (batch_reader_next(&r, &record)) {
        if (rules)
            note_fault(faults, fault_of(rules, &record), r.next - 1);
    }
    bad = r.in.bad || r.next != out->records || r.in.p != r.in.end;
    rc = bad ? error_set(err, IG_INVALID, "record %d of the batch cannot be read", r.next) : IG_OK;
    batch_reader_close(&r);
    return rc;
}

enum ig_code batch_reader_open(struct batch_reader *r, const void *p, size_t n, struct error *err)
{
    size_t may_unpack = BATCH_UNPACKED_MAX;

    return reader_open(r, p, n, &may_unpack, err);
}

static struct str get_nullable(struct wire_in *in)
{
    const int64_t n = wire_get_varint(in);

    if (n == -1)
        return (struct str){NULL, 0};
    if (n < 0 || n > in->end - in->p) {
        in->bad = true;
        return (struct str){NULL, 0};
    }
    return wire_get_bytes(in, (size_t)n);
}

bool batch_reader_next(struct batch_reader *r, struct batch_record *out)
{
    const uint8_t *end, *begin = r->in.p;
    int64_t length, headers, time_delta, offset_delta;

    if (r->in.bad || r->next >= r->batch.records)
        return false;
    length = wire_get_varint(&r->in);
    if (r->in.bad || length < 0 || length > r->in.end - r->in.p) {
        r->in.bad = true;
        return false;
    }
    end = r->in.p + length;
    out->attributes = (uint8_t)wire_get_int(&r->in, 1);
    time_delta = wire_get_varint(&r->in);
    out->tail = (struct str){(const char *)r->in.p, (size_t)(end - r->in.p)};
    offset_delta = wire_get_varint(&r->in);
    out->key = get_nullable(&r->in);
    out->value = get_nullable(&r->in);
    headers = wire_get_varint(&r->in);
    if (headers < 0 || headers > r->in.end - r->in.p)
        r->in.bad = true;
    for (int64_t i = 0; i < headers && !r->in.bad; i++) {
        if (!get_nullable(&r->in).p)
            r->in.bad = true;
        (void)get_nullable(&r->in);
    }
    if (r->in.bad || r->in.p != end || offset_delta < 0 || offset_delta > r->batch.last_offset_delta) {
        r->in.bad = true;
        return false;
    }
    out->raw = (struct str){(const char *)begin, (size_t)(end - begin)};
    out->offset = r->batch.base_offset + offset_delta;
    out->timestamp_ms = r->batch.attributes & BATCH_LOG_APPEND_TIME
                            ? r->batch.max_timestamp_ms
                            : (int64_t)((uint64_t)r->batch.base_timestamp_ms + (uint64_t)time_delta);
    r->next++;
    return true;
}

void batch_reader_close(struct batch_reader *r)
{
    buf_release(&r->plain);
}

void batch_builder_init(struct batch_builder *b, int64_t timestamp_ms)
{
    *b = (struct batch_builder){.timestamp_ms = timestamp_ms};
    buf_init(&b->buf, 0);
    IG_ASSERT(buf_reserve(&b->buf, BATCH_HEADER_BYTES));
    memset(b->buf.p, 0, BATCH_HEADER_BYTES);
    b->buf.n = BATCH_HEADER_BYTES;
}

static void put_nullable(struct buf *b, struct str s)
{
    wire_put_varint(b, s.p ? (int64_t)s.n : -1);
    buf_add_str(b, s);
}

void batch_builder_add(struct batch_builder *b, struct str key, struct str value)
{
    struct buf one;

    buf_init(&one, 0);
    buf_putc(&one, 0);
    wire_put_varint(&one, 0);
    wire_put_varint(&one, b->records++);
    put_nullable(&one, key);
    put_nullable(&one, value);
    wire_put_varint(&one, 0);
    wire_put_varint(&b->buf, (int64_t)one.n);
    buf_add_str(&b->buf, buf_str(&one));
    buf_release(&one);
}

struct str batch_builder_finish(struct batch_builder *b)
{
    char *p = b->buf.p;

    wire_store(p + 8, (int64_t)b->buf.n - BATCH_PREFIX_BYTES, 4);
    p[16] = 2;
    wire_store(p + 23, b->records - 1, 4);
    wire_store(p + 27, b->timestamp_ms, 8);
    wire_store(p + 35, b->timestamp_ms, 8);
    wire_store(p + 43, -1, 8);
    wire_store(p + 51, -1, 2);
    wire_store(p + 53, -1, 4);
    wire_store(p + 57, b->records, 4);
    wire_store(p + 17, (int64_t)hash_crc32c(0, p + CRC_FROM, b->buf.n - CRC_FROM), 4);
    return buf_str(&b->buf);
}

struct str batch_builder_marker(struct batch_builder *b, int64_t producer_id, int16_t epoch, enum batch_marker marker,
                                int32_t coordinator_epoch)
{
    char key[4] = {0}, value[6] = {0}, *p;

    wire_store(key + 2, marker, 2);
    wire_store(value + 2, coordinator_epoch, 4);
    batch_builder_add(b, (struct str){key, sizeof(key)}, (struct str){value, sizeof(value)});
    (void)batch_builder_finish(b);
    p = b->buf.p;
    wire_store(p + 21, BATCH_TRANSACTIONAL | BATCH_CONTROL, 2);
    wire_store(p + 43, producer_id, 8);
    wire_store(p + 51, epoch, 2);
    wire_store(p + 17, (int64_t)hash_crc32c(0, p + CRC_FROM, b->buf.n - CRC_FROM), 4);
    return buf_str(&b->buf);
}

void batch_builder_release(struct batch_builder *b)
{
    buf_release(&b->buf);
}
