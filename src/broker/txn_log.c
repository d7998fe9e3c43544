/* Transactions as records of an internal partition. */
#include "broker/replay.h"
#include "broker/txns.h"

#include <stdlib.h>

#define RECORD_VERSION 1
#define SNAPSHOT_BATCH_BYTES ((size_t)1 << 20)
#define COMPACT_MIN_BYTES ((int64_t)8 << 20)

/* --- one record -----------------------------------------------------------------------------------------------------
 */

static void put_text(struct buf *b, struct str s)
{
    wire_put_int(b, (int64_t)s.n, 4);
    buf_add_str(b, s);
}

static struct str get_text(struct wire_in *in)
{
    const int64_t n = wire_get_int(in, 4);

    if (n < 0)
        in->bad = true;
    return in->bad ? (struct str){NULL, 0} : wire_get_bytes(in, (size_t)n);
}

static void put_key(struct buf *b, const struct txn *t)
{
    wire_put_int(b, RECORD_VERSION, 2);
    put_text(b, str_of(t->id));
}

static bool has_ended(const struct txn_meta *m)
{
    return m->state != TXN_ONGOING && m->state != TXN_PREPARE_COMMIT && m->state != TXN_PREPARE_ABORT;
}

static void put_value(struct buf *b, const struct txn *t, const struct txn_meta *m)
{
    const size_t partitions = has_ended(m) ? 0 : t->partitions.n, groups = has_ended(m) ? 0 : t->groups.n;

    wire_put_int(b, m->producer_id, 8);
    wire_put_int(b, m->prev_producer_id, 8);
    wire_put_int(b, m->next_producer_id, 8);
    wire_put_int(b, m->epoch, 2);
    wire_put_int(b, m->last_epoch, 2);
    wire_put_int(b, m->state, 1);
    wire_put_int(b, m->timeout_ms, 4);
    wire_put_int(b, m->started_ms, 8);
    wire_put_int(b, m->updated_ms, 8);
    wire_put_int(b, (int64_t)partitions, 4);
    for (size_t i = 0; i < partitions; i++) {
        put_text(b, str_of(t->partitions.p[i].topic));
        wire_put_int(b, t->partitions.p[i].index, 4);
    }
    wire_put_int(b, (int64_t)groups, 4);
    for (size_t i = 0; i < groups; i++)
        put_text(b, str_of(t->groups.p[i]));
}

static char *text_copy(struct str s)
{
    char *p = check_malloc(s.n + 1);

    if (s.n > 0)
        memcpy(p, s.p, s.n);
    p[s.n] = 0;
    return p;
}

static void get_value(struct wire_in *in, struct txn *t)
{
    int64_t n;

    t->m.producer_id = wire_get_int(in, 8);
    t->m.prev_producer_id = wire_get_int(in, 8);
    t->m.next_producer_id = wire_get_int(in, 8);
    t->m.epoch = (int16_t)wire_get_int(in, 2);
    t->m.last_epoch = (int16_t)wire_get_int(in, 2);
    n = wire_get_int(in, 1);
    t->m.state = n >= 0 && n < TXN_STATES ? (enum txn_state)n : TXN_EMPTY;
    in->bad |= n != (int64_t)t->m.state;
    t->m.timeout_ms = (int32_t)wire_get_int(in, 4);
    t->m.started_ms = wire_get_int(in, 8);
    t->m.updated_ms = wire_get_int(in, 8);
    for (n = wire_get_int(in, 4); n > 0 && !in->bad; n--) {
        const struct str topic = get_text(in);
        const int32_t index = (int32_t)wire_get_int(in, 4);

        if (!in->bad)
            txn_push_partition(t, topic, index);
    }
    for (n = wire_get_int(in, 4); n > 0 && !in->bad; n--)
        vec_push(&t->groups, text_copy(get_text(in)));
}

static int64_t live_bytes(const struct txn *t)
{
    return 150 + (int64_t)strlen(t->id) + (int64_t)t->partitions.n * 32 + (int64_t)t->groups.n * 32;
}

/* --- reading --------------------------------------------------------------------------------------------------------
 */

static enum ig_code apply(void *ctx, const struct batch_record *r, struct error *err)
{
    struct wire_in key = {(const uint8_t *)r->key.p, (const uint8_t *)r->key.p + r->key.n, r->key.p == NULL};
    struct wire_in value = {(const uint8_t *)r->value.p, (const uint8_t *)r->value.p + r->value.n, false};
    struct txns *ts = ctx;
    struct txn *t;
    struct str id;

    if (wire_get_int(&key, 2) != RECORD_VERSION)
        return IG_OK; /* of a later version */
    id = get_text(&key);
    if (key.bad)
        return error_set(err, IG_CORRUPT, "the transactions: the record at offset %lld has no id",
                         (long long)r->offset);
    t = txns_make(ts, id);
    if (t->m.epoch >= 0)
        ts->live_bytes -= live_bytes(t);
    txn_forget_parts(t, 0, 0);
    if (!r->value.p) {
        txns_remove(t);
        return IG_OK;
    }
    get_value(&value, t);
    t->again = true;
    ts->live_bytes += live_bytes(t);
    return value.bad ? error_set(err, IG_CORRUPT, "the transactions: the record at offset %lld cannot be read",
                                 (long long)r->offset)
                     : IG_OK;
}

enum ig_code txns_load(struct txns *ts, struct error *err)
{
    ts->written_to = ts->log->log;
    return log_replay(ts->log->log, apply, ts, err);
}

/* --- writing --------------------------------------------------------------------------------------------------------
 */

static enum ig_code append(struct txns *ts, struct batch_builder *builder, int64_t *end, struct error *err)
{
    const struct str bytes = batch_builder_finish(builder);
    struct batch b;

    IG_ASSERT(batch_parse(bytes.p, bytes.n, &b));
    IG_TRY(partition_append(ts->log, &b, bytes.p, err));
    *end = b.base_offset + b.last_offset_delta + 1;
    return IG_OK;
}

static void add_record(struct batch_builder *builder, const struct txn *t, const struct txn_meta *m)
{
    struct buf key, value;

    buf_init(&key, 0);
    buf_init(&value, 0);
    put_key(&key, t);
    if (m)
        put_value(&value, t, m);
    batch_builder_add(builder, buf_str(&key), m ? buf_str(&value) : (struct str){NULL, 0});
    buf_release(&key);
    buf_release(&value);
}

/* m NULL: its tombstone. */
static bool append_record(struct txn *t, const struct txn_meta *m)
{
    struct batch_builder builder;
    struct error err;
    enum ig_code rc;

    batch_builder_init(&builder, env_now_ms(t->ts->b->env));
    add_record(&builder, t, m);
    rc = append(t->ts, &builder, &t->log_end, &err);
    batch_builder_release(&builder);
    if (rc)
        log_error(t->ts->b->env, "broker", "store transaction %s: %s", t->id, err.msg);
    return !rc;
}

/* A log that was repaired after a failed sync has lost what was on its way: all is written to it once more. */
bool txns_are_written(struct txns *ts)
{
    if (ts->written_to == ts->log->log)
        return true;
    if (ts->log->log->failed)
        return false;
    for (size_t i = 0; i < TXN_BUCKETS; i++) {
        for (struct txn *t = ts->buckets[i]; t; t = t->next) {
            if (t->m.epoch >= 0 && !append_record(t, &t->m))
                return false;
        }
    }
    ts->written_to = ts->log->log;
    return true;
}

bool txn_write(struct txn *t, const struct txn_meta *m)
{
    const int64_t before = t->m.epoch >= 0 ? live_bytes(t) : 0;
    struct txn_meta changed = *m;

    changed.updated_ms = env_now_ms(t->ts->b->env);
    if (!txns_are_written(t->ts) || !append_record(t, &changed))
        return false;
    t->m = changed;
    if (has_ended(&changed))
        txn_forget_parts(t, 0, 0);
    t->ts->live_bytes += live_bytes(t) - before;
    return true;
}

static enum kafka_error write_added(struct txn *t, size_t partitions, size_t groups)
{
    struct txn_meta m = t->m;

    if (t->partitions.n == partitions && t->groups.n == groups && m.state == TXN_ONGOING)
        return KAFKA_OK; /* had all of it */
    if (m.state != TXN_ONGOING)
        m.started_ms = env_now_ms(t->ts->b->env);
    m.state = txn_next(m.state, TXN_ADD).to;
    if (txn_write(t, &m))
        return KAFKA_OK;
    txn_forget_parts(t, partitions, groups);
    return KAFKA_COORDINATOR_NOT_AVAILABLE;
}

enum kafka_error txn_add_partition(struct txn *t, struct str topic, int32_t index)
{
    const size_t partitions = t->partitions.n;

    txn_push_partition(t, topic, index);
    return write_added(t, partitions, t->groups.n);
}

enum kafka_error txn_add_partitions(struct txn *t, const struct wire_add_partitions_topic *topics, int32_t n)
{
    const size_t partitions = t->partitions.n;

    for (int32_t i = 0; i < n; i++) {
        for (int32_t k = 0; k < topics[i].partitions.n; k++)
            txn_push_partition(t, topics[i].name, topics[i].partitions.p[k]);
    }
    return write_added(t, partitions, t->groups.n);
}

enum kafka_error txn_add_group(struct txn *t, struct str group)
{
    const size_t groups = t->groups.n;

    if (!txn_has_group(t, group))
        vec_push(&t->groups, text_copy(group));
    return write_added(t, t->partitions.n, groups);
}

void txn_wait(struct txn *t, struct partition_wait *w)
{
    if (!txns_are_written(t->ts)) {
        w->done(w->ctx, false);
        return;
    }
    w->offset = t->log_end;
    partition_wait(t->ts->log, w);
}

bool txns_expire(struct txn *t)
{
    if (!append_record(t, NULL))
        return false;
    t->ts->live_bytes -= live_bytes(t);
    return true;
}

/* --- compaction: what holds is written again behind a new segment, then all in front of it is trimmed ----------------
 */

struct compaction {
    struct txns *ts;
    struct partition_wait wait;
    int64_t start;
};

static void compacted(void *ctx, bool ok)
{
    struct compaction *c = ctx;
    struct error err;

    if (ok && partition_trim(c->ts->log, c->start, NULL, NULL, &err))
        log_warn(c->ts->b->env, "broker", "trim the transactions: %s", err.msg);
    c->ts->compacting = false;
    free(c);
}

static enum ig_code write_snapshot(struct txns *ts, int64_t *end, struct error *err)
{
    struct batch_builder builder;
    enum ig_code rc = IG_OK;

    batch_builder_init(&builder, env_now_ms(ts->b->env));
    for (size_t i = 0; i < TXN_BUCKETS && !rc; i++) {
        for (const struct txn *t = ts->buckets[i]; t && !rc; t = t->next) {
            if (t->m.epoch < 0)
                continue;
            add_record(&builder, t, &t->m);
            if (builder.buf.n < SNAPSHOT_BATCH_BYTES)
                continue;
            rc = append(ts, &builder, end, err);
            batch_builder_release(&builder);
            batch_builder_init(&builder, env_now_ms(ts->b->env));
        }
    }
    if (!rc && builder.records > 0)
        rc = append(ts, &builder, end, err);
    batch_builder_release(&builder);
    return rc;
}

void txns_compact(struct txns *ts)
{
    struct plog *log = ts->log->log;
    struct compaction *c;
    struct error err;
    enum ig_code rc;

    if (ts->compacting || log->failed || plog_size(log) < COMPACT_MIN_BYTES + 4 * ts->live_bytes)
        return;
    c = check_calloc(1, sizeof(*c));
    c->ts = ts;
    rc = plog_roll(log, &err);
    c->start = c->wait.offset = log->end;
    if (!rc)
        rc = write_snapshot(ts, &c->wait.offset, &err);
    if (rc) {
        log_warn(ts->b->env, "broker", "rewrite the transactions: %s", err.msg);
        free(c);
        return;
    }
    ts->compacting = true;
    c->wait.done = compacted;
    c->wait.ctx = c;
    partition_wait(ts->log, &c->wait);
}
