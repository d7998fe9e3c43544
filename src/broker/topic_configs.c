/* What can be set for a topic, what that means, and what it asks of batches that come in. */
#include "broker/topic_configs.h"

#include "broker/codec.h"

#include <stdio.h>
#include <stdlib.h>

enum config_type { TYPE_BOOLEAN = 1, TYPE_STRING = 2, TYPE_INT = 3, TYPE_LONG = 5, TYPE_DOUBLE = 6, TYPE_LIST = 7 };

#define MIN_DIRTY_DEFAULT 0.5

const struct topic_config_type topic_config_types[] = {
    {"cleanup.policy", TYPE_LIST, "delete", "delete|compact|compact,delete|delete,compact", 0, 0,
     "What becomes of old segments: removed as a whole, or compacted so that the newest record of each key stays."},
    {"compression.gzip.level", TYPE_INT, "-1", NULL, -1, 9, "Kept for clients; zlib's default level is used."},
    {"compression.lz4.level", TYPE_INT, "9", NULL, 1, 17, "Kept for clients; the fast level is used."},
    {"compression.type", TYPE_STRING, "producer", "producer|uncompressed|gzip|snappy|lz4|zstd", 0, 0,
     "The codec in which batches are stored: the producer's, or this one."},
    {"compression.zstd.level", TYPE_INT, "3", NULL, -131072, 22, "Kept for clients; level 3 is used."},
    {"delete.retention.ms", TYPE_LONG, "86400000", NULL, 0, INT64_MAX,
     "How long compaction keeps tombstones and markers of transactions after it has first seen them."},
    {"file.delete.delay.ms", TYPE_LONG, "0", NULL, 0, INT64_MAX, "Kept for clients; files go at once."},
    {"flush.messages", TYPE_LONG, "1", NULL, 1, INT64_MAX, "Kept for clients; the broker's fsync mode holds."},
    {"flush.ms", TYPE_LONG, "0", NULL, 0, INT64_MAX, "Kept for clients; the broker's fsync mode holds."},
    {"index.interval.bytes", TYPE_INT, "65536", NULL, 0, INT32_MAX, "Kept for clients; it is always 64 KiB."},
    {"max.compaction.lag.ms", TYPE_LONG, "9223372036854775807", NULL, 1, INT64_MAX,
     "So old may a record be before it is looked at by compaction, however few there are."},
    {"max.message.bytes", TYPE_INT, NULL, NULL, 0, INT32_MAX, "The largest batch that is taken."},
    {"message.downconversion.enable", TYPE_BOOLEAN, "false", "true|false", 0, 0, "Kept; there is one format."},
    {"message.timestamp.after.max.ms", TYPE_LONG, "9223372036854775807", NULL, 0, INT64_MAX,
     "How far ahead of the broker's clock a record's time may be."},
    {"message.timestamp.before.max.ms", TYPE_LONG, "9223372036854775807", NULL, 0, INT64_MAX,
     "How far behind the broker's clock a record's time may be."},
    {"message.timestamp.type", TYPE_STRING, "CreateTime", "CreateTime|LogAppendTime", 0, 0,
     "Whose time records have: the producer's, or that of their arrival."},
    {"min.cleanable.dirty.ratio", TYPE_DOUBLE, "0.5", NULL, 0, 1,
     "Compaction begins when so large a part of the partition has not been compacted."},
    {"min.compaction.lag.ms", TYPE_LONG, "0", NULL, 0, INT64_MAX, "So long is a record left alone by compaction."},
    {"min.insync.replicas", TYPE_INT, "1", NULL, 1, INT32_MAX,
     "With more than the one replica that there is, acks=all is refused."},
    {"preallocate", TYPE_BOOLEAN, "false", "true|false", 0, 0, "Kept for clients; without effect."},
    {"retention.bytes", TYPE_LONG, "-1", NULL, -1, INT64_MAX, "Larger partitions lose segments; -1: never."},
    {"retention.ms", TYPE_LONG, "604800000", NULL, -1, INT64_MAX, "Older segments are removed; -1: never."},
    {"segment.bytes", TYPE_INT, NULL, NULL, 14, INT32_MAX, "The size at which a new segment begins."},
    {"segment.index.bytes", TYPE_INT, "10485760", NULL, 4, INT32_MAX, "Kept for clients; indexes have no limit."},
    {"segment.jitter.ms", TYPE_LONG, "0", NULL, 0, INT64_MAX, "Kept for clients; without effect."},
    {"segment.ms", TYPE_LONG, "604800000", NULL, 1, INT64_MAX, "The age at which a new segment begins."},
    {"unclean.leader.election.enable", TYPE_BOOLEAN, "false", "true|false", 0, 0, "Kept; there is one replica."},
};
const size_t topic_config_types_n = IG_COUNT(topic_config_types);

const char *topic_config_value(const struct topic *t, const char *name)
{
    for (size_t i = 0; i < t->configs.n; i++) {
        if (strcmp(t->configs.p[i].name, name) == 0)
            return t->configs.p[i].value;
    }
    return NULL;
}

static bool is_one_of(struct str value, const char *choices)
{
    for (const char *p = choices; *p;) {
        const size_t n = strcspn(p, "|");

        if (str_eq(value, (struct str){p, n}))
            return true;
        p += n + (p[n] == '|');
    }
    return false;
}

static bool in_range(const struct topic_config_type *type, struct str value)
{
    int64_t number;
    double real;

    if (type->type == TYPE_DOUBLE)
        return str_to_double(value, &real) && real >= (double)type->min && real <= (double)type->max;
    return str_to_int64(value, type->min, type->max, &number);
}

enum kafka_error topic_config_check(struct str name, struct str value, struct error *err)
{
    for (size_t i = 0; i < topic_config_types_n; i++) {
        const struct topic_config_type *type = &topic_config_types[i];

        if (!str_is(name, type->name))
            continue;
        if (type->values ? is_one_of(value, type->values) : in_range(type, value))
            return KAFKA_OK;
        if (type->values)
            error_set(err, IG_INVALID, "%s can be %s, not " STR_FMT, type->name, type->values, STR_ARG(value));
        else
            error_set(err, IG_INVALID, "%s can be %lld to %lld, not " STR_FMT, type->name, (long long)type->min,
                      (long long)type->max, STR_ARG(value));
        return KAFKA_INVALID_CONFIG;
    }
    error_set(err, IG_INVALID, "there is no topic configuration " STR_FMT, STR_ARG(name));
    return KAFKA_INVALID_CONFIG;
}

void topic_config_set(struct topic *t, struct str name, struct str value)
{
    struct topic_config c;

    for (size_t i = 0; i < t->configs.n; i++) {
        if (!str_is(name, t->configs.p[i].name))
            continue;
        free(t->configs.p[i].name);
        free(t->configs.p[i].value);
        t->configs.p[i] = t->configs.p[--t->configs.n];
        break;
    }
    if (!value.p)
        return;
    c.name = check_calloc(1, name.n + 1);
    memcpy(c.name, name.p, name.n);
    c.value = check_calloc(1, value.n + 1);
    memcpy(c.value, value.p, value.n);
    vec_push(&t->configs, c);
}

void topic_configs_clear(struct topic *t)
{
    while (t->configs.n > 0) {
        struct topic_config *last = &t->configs.p[--t->configs.n];

        free(last->name);
        free(last->value);
    }
    vec_free(&t->configs);
}

static const char *config_text(const struct topic *t, const char *name, const char *fallback)
{
    const char *value = topic_config_value(t, name);

    return value ? value : fallback;
}

static int64_t config_number(const struct topic *t, const char *name, int64_t fallback)
{
    const char *value = topic_config_value(t, name);
    int64_t v;

    return value && str_to_int64(str_of(value), INT64_MIN, INT64_MAX, &v) ? v : fallback;
}

/* -1: as it comes. */
static int codec_of(const char *name)
{
    static const char *const names[] = {"uncompressed", "gzip", "snappy", "lz4", "zstd"};

    for (int i = 0; i < (int)IG_COUNT(names); i++) {
        if (strcmp(name, names[i]) == 0)
            return i;
    }
    return -1;
}

void topic_configs_apply(const struct broker *b, struct topic *t)
{
    const char *policy = config_text(t, "cleanup.policy", "delete");
    const int64_t never = INT64_MAX;

    t->retention_ms = config_number(t, "retention.ms", INT64_C(604800000));
    t->retention_bytes = config_number(t, "retention.bytes", -1);
    t->segment_bytes = config_number(t, "segment.bytes", b->options.segment_bytes);
    t->segment_ms = config_number(t, "segment.ms", INT64_C(604800000));
    t->max_message_bytes = config_number(t, "max.message.bytes", b->options.max_message_bytes);
    t->compact = strstr(policy, "compact") != NULL;
    t->compact_only = t->compact && !strstr(policy, "delete");
    t->delete_retention_ms = config_number(t, "delete.retention.ms", INT64_C(86400000));
    t->min_compaction_lag_ms = config_number(t, "min.compaction.lag.ms", 0);
    t->max_compaction_lag_ms = config_number(t, "max.compaction.lag.ms", never);
    if (!str_to_double(str_of(config_text(t, "min.cleanable.dirty.ratio", "")), &t->min_dirty))
        t->min_dirty = MIN_DIRTY_DEFAULT;
    t->append_time = strcmp(config_text(t, "message.timestamp.type", ""), "LogAppendTime") == 0;
    t->before_max_ms = config_number(t, "message.timestamp.before.max.ms", never);
    t->after_max_ms = config_number(t, "message.timestamp.after.max.ms", never);
    t->codec = codec_of(config_text(t, "compression.type", "producer"));
    t->min_insync = config_number(t, "min.insync.replicas", 1);
    for (size_t i = 0; i < t->partitions.n; i++)
        topic_configs_apply_partition(t, t->partitions.p[i]);
}

void topic_configs_apply_partition(const struct topic *t, struct partition *p)
{
    p->log->segment_bytes = t->segment_bytes;
    p->log->segment_ms = t->segment_ms;
}

/* --- batches that come in ------------------------------------------------------------------------------------- */

static enum kafka_error check_error(enum ig_code rc)
{
    switch (rc) {
    case IG_OK:
        return KAFKA_OK;
    case IG_CORRUPT:
        return KAFKA_CORRUPT_MESSAGE;
    case IG_UNSUPPORTED:
        return KAFKA_UNSUPPORTED_FOR_MESSAGE_FORMAT;
    case IG_LIMIT:
        return KAFKA_MESSAGE_TOO_LARGE; /* clients that can will send it in pieces */
    default:
        return KAFKA_INVALID_RECORD;
    }
}

static enum kafka_error too_large(const struct topic *t, size_t n, struct error *err)
{
    error_set(err, IG_LIMIT, "a batch of %zu bytes: the topic takes %lld", n, (long long)t->max_message_bytes);
    return KAFKA_MESSAGE_TOO_LARGE;
}

static struct batch_rules rules_of(const struct topic *t, int64_t now_ms, size_t *may_unpack)
{
    struct batch_rules rules = {t->compact, INT64_MIN, INT64_MAX, may_unpack};

    if (t->append_time)
        return rules;
    if (t->before_max_ms < now_ms)
        rules.from_ms = now_ms - t->before_max_ms;
    if (t->after_max_ms < INT64_MAX - now_ms)
        rules.upto_ms = now_ms + t->after_max_ms;
    return rules;
}

static enum kafka_error fault_error(const struct batch_faults *faults, struct error *err)
{
    if (faults->fault == BATCH_NO_KEY) {
        error_set(err, IG_INVALID, "record %d of the batch has no key, and the topic is compacted",
                  faults->records.p[0]);
        return KAFKA_INVALID_RECORD;
    }
    error_set(err, IG_INVALID, "the time of record %d of the batch is out of the range that the topic takes",
              faults->records.p[0]);
    return KAFKA_INVALID_TIMESTAMP;
}

static enum kafka_error repack(const struct topic *t, struct incoming *in, struct error *err)
{
    const struct batch_rewrite how = {.codec = t->codec, .horizon_ms = -1};
    int32_t kept;

    buf_init(&in->repacked, 0);
    if (batch_rewrite(in->bytes, (size_t)in->batch.bytes, &how, &in->repacked, &kept, err))
        return KAFKA_INVALID_RECORD;
    in->bytes = in->repacked.p;
    IG_ASSERT(batch_parse(in->bytes, in->repacked.n, &in->batch));
    return in->repacked.n > (size_t)t->max_message_bytes ? too_large(t, in->repacked.n, err) : KAFKA_OK;
}

enum kafka_error topic_take(const struct topic *t, int64_t now_ms, struct str bytes, size_t *may_unpack,
                            struct incoming *in, struct error *err)
{
    const struct batch_rules rules = rules_of(t, now_ms, may_unpack);
    enum kafka_error e;

    *in = (struct incoming){.bytes = bytes.p};
    if (bytes.n > (size_t)t->max_message_bytes)
        return too_large(t, bytes.n, err);
    e = check_error(batch_check_rules(bytes.p, bytes.n, &rules, &in->batch, &in->faults, err));
    if (!e && in->faults.fault)
        e = fault_error(&in->faults, err);
    if (!e && (in->batch.attributes & BATCH_LOG_APPEND_TIME)) {
        error_set(err, IG_INVALID, "the time of arrival is set by the log, not by a producer");
        e = KAFKA_INVALID_TIMESTAMP;
    }
    if (!e && t->codec >= 0 && (in->batch.attributes & BATCH_CODEC_MASK) != t->codec)
        e = repack(t, in, err);
    if (!e && t->append_time)
        batch_set_append_time(&in->batch, in->bytes, now_ms);
    return e;
}

void incoming_release(struct incoming *in)
{
    buf_release(&in->repacked);
    vec_free(&in->faults.records);
}
