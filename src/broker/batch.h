/*
 * Record batches, format 2: the unit that producers send, the log stores as it came, and consumers get. Older formats
 * are refused.
 */
#ifndef BROKER_BATCH_H
#define BROKER_BATCH_H

#include "broker/wire.h"

#define BATCH_HEADER_BYTES 61
#define BATCH_PREFIX_BYTES 12 /* base offset and length, which the length does not count */

enum batch_attributes {
    BATCH_CODEC_MASK = 7,
    BATCH_LOG_APPEND_TIME = 8,
    BATCH_TRANSACTIONAL = 16,
    BATCH_CONTROL = 32,
    BATCH_HAS_HORIZON = 64, /* base_timestamp_ms is when its tombstones or its marker may go (KIP-534) */
};

/* What a control batch says of its producer's transaction; the values are those of the record's key. */
enum batch_marker { BATCH_MARKER_NONE = -1, BATCH_MARKER_ABORT = 0, BATCH_MARKER_COMMIT = 1 };

struct batch {
    int64_t base_offset;
    int64_t bytes; /* all of it, header too */
    int32_t leader_epoch;
    int8_t magic;
    uint32_t crc;
    int16_t attributes;
    int32_t last_offset_delta;
    int64_t base_timestamp_ms, max_timestamp_ms;
    int64_t producer_id; /* -1: not idempotent */
    int16_t producer_epoch;
    int32_t base_sequence;
    int32_t records;
    enum batch_marker marker; /* these two only after batch_read_marker */
    int32_t coordinator_epoch;
};

/* The header alone; false if these bytes cannot begin a batch. `n` may end before the batch does. */
bool batch_parse(const void *p, size_t n, struct batch *out);
/* Is the batch whole within n bytes, and its checksum right? */
bool batch_crc_ok(const void *p, size_t n, const struct batch *b);
/* Looks into a whole batch if it is a control batch. */
void batch_read_marker(const void *p, size_t n, struct batch *b);
/* Everything about one whole batch from outside: one batch exactly, checksum, records that can be read, counts that
 * are true. IG_CORRUPT: the checksum; IG_UNSUPPORTED: an older format; IG_INVALID: anything else. */
IG_MUST_CHECK enum ig_code batch_check(const void *p, size_t n, struct batch *out, struct error *err);

/* What a topic asks of each record. */
struct batch_rules {
    bool keys;                /* each has one */
    int64_t from_ms, upto_ms; /* times, both included */
    size_t *may_unpack;       /* so much may batches unpack to together, less what they did; NULL: each as it is */
};
#define BATCH_UNPACKED_MAX ((size_t)256 << 20) /* of one batch */
enum batch_fault { BATCH_NO_FAULT, BATCH_NO_KEY, BATCH_TIME_OUT_OF_RANGE };
struct batch_faults {
    enum batch_fault fault; /* of the first that has one */
    VEC(int32_t) records;   /* which have one, at most BATCH_FAULTS_MAX of them; freed by the caller */
};
#define BATCH_FAULTS_MAX 1000
/* The same, and looks whether the records keep the rules (NULL: there are none). */
IG_MUST_CHECK enum ig_code batch_check_rules(const void *p, size_t n, const struct batch_rules *rules,
                                             struct batch *out, struct batch_faults *faults, struct error *err);

/* The offset and epoch that the log gives to a batch; neither is under the checksum. */
void batch_stamp(void *header, int64_t base_offset, int32_t leader_epoch);
/* Gives the batch the time of its arrival; what changes is in `b`, and plog_append writes it from there. */
void batch_set_append_time(struct batch *b, const void *bytes, int64_t now_ms);

/* --- the records in it */

struct batch_record {
    int64_t offset, timestamp_ms;
    struct str key, value; /* p NULL: null */
    struct str raw;        /* all of it, its length too */
    struct str tail;       /* from the offset on */
    uint8_t attributes;
};
struct batch_reader {
    struct batch batch;
    struct buf plain; /* what was compressed */
    struct wire_in in;
    int32_t next;
};
IG_MUST_CHECK enum ig_code batch_reader_open(struct batch_reader *r, const void *p, size_t n, struct error *err);
/* False behind the last one, or at bytes that are no record (then r->in.bad). */
bool batch_reader_next(struct batch_reader *r, struct batch_record *out);
void batch_reader_close(struct batch_reader *r);

/* --- making one from another */

struct batch_rewrite {
    int codec;          /* -1: as it is */
    int64_t horizon_ms; /* set the delete horizon; -1: leave it */
    bool (*keep)(void *ctx, const struct batch_record *r);
    void *ctx;
};
/* Appends the batch to `out` with the records that are to be kept (keep NULL: all), with its offsets, sequence numbers
 * and times; if none are kept, the header alone. `kept` is how many there are. */
IG_MUST_CHECK enum ig_code batch_rewrite(const void *p, size_t n, const struct batch_rewrite *how, struct buf *out,
                                         int32_t *kept, struct error *err);

/* --- making one, uncompressed */

struct batch_builder {
    struct buf buf;
    int32_t records;
    int64_t timestamp_ms;
};
void batch_builder_init(struct batch_builder *b, int64_t timestamp_ms);
void batch_builder_add(struct batch_builder *b, struct str key, struct str value); /* value p NULL: a tombstone */
/* The whole batch, its offset still 0; valid until the builder is released. */
struct str batch_builder_finish(struct batch_builder *b);
/* The same, of nothing but the marker that ends a producer's transaction. */
struct str batch_builder_marker(struct batch_builder *b, int64_t producer_id, int16_t epoch, enum batch_marker marker,
                                int32_t coordinator_epoch);
void batch_builder_release(struct batch_builder *b);

#endif
