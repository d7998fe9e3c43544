/* Consumers: they read every partition from its start, as fast as they are let. */
#include "sim.h"

#include <stdlib.h>

struct aborted {
    int64_t producer_id, first_offset;
};

struct position {
    int64_t offset, end;   /* end: where the last reading ends; -1: not known */
    VEC(int64_t) skipping; /* producers whose aborted transaction we are in */
};

struct consumer {
    struct actor actor;
    struct world *w;
    struct peer peer;
    bool committed_only, once, waiting;
    struct position at[PARTS_MAX];
    struct watermarks asked[PARTS_MAX]; /* what was known when the request was sent */
};

static void go(struct consumer *c);

static void go_later(void *ctx)
{
    struct consumer *c = ctx;

    c->waiting = false;
    go(c);
}

static void wait_a_bit(struct consumer *c)
{
    if (c->waiting)
        return;
    c->waiting = true;
    env_sim_after(c->w->env, RETRY(c->w), go_later, c);
}

static void broken(void *ctx)
{
    wait_a_bit(ctx);
}

static bool is_skipped(const struct position *at, int64_t producer_id)
{
    for (size_t i = 0; i < at->skipping.n; i++) {
        if (at->skipping.p[i] == producer_id)
            return true;
    }
    return false;
}

static void skip(struct position *at, int64_t producer_id, bool on)
{
    for (size_t i = at->skipping.n; i-- > 0;) {
        if (at->skipping.p[i] == producer_id)
            vec_remove_at(&at->skipping, i);
    }
    if (on)
        vec_push(&at->skipping, producer_id);
}

/* What a client does with the list: a producer's batches from its transaction's first offset to the marker are not for
 * it. */
static void note_aborted(struct position *at, const struct wire_fetch_partition_result *r, bool *used,
                         const struct batch *b)
{
    for (int32_t i = 0; i < r->aborted.n; i++) {
        if (!used[i] && r->aborted.p[i].first_offset <= b->base_offset + b->last_offset_delta) {
            used[i] = true;
            skip(at, r->aborted.p[i].producer_id, true);
        }
    }
}

static void take_records(struct consumer *c, int32_t part, const char *p, const struct batch *b)
{
    struct position *at = &c->at[part];
    struct batch_reader reader;
    struct batch_record record;
    struct error err;
    bool marker = false;

    if (batch_reader_open(&reader, p, (size_t)b->bytes, &err)) {
        violation(c->w, "partition %d offset %lld: %s", part, (long long)b->base_offset, err.msg);
        return;
    }
    while (batch_reader_next(&reader, &record)) {
        if (b->attributes & BATCH_CONTROL) {
            marker = record.key.n >= 4 && wire_load(record.key.p + 2, 2) == 0;
        } else if (record.offset >= at->offset &&
                   !(c->committed_only && (b->attributes & BATCH_TRANSACTIONAL) && is_skipped(at, b->producer_id))) {
            model_saw(c->w, part, record.offset, record_of_value(record.value), c->committed_only, c->once);
        }
    }
    batch_reader_close(&reader);
    if (marker)
        skip(at, b->producer_id, false);
}

static void take_batches(struct consumer *c, const struct wire_fetch_partition_result *r)
{
    struct position *at = &c->at[r->partition];
    bool *used = check_calloc((size_t)(r->aborted.n > 0 ? r->aborted.n : 0) + 1, 1);
    const char *p = r->records.p;
    int64_t left = r->records.n;
    struct batch b;

    while (left > 0 && !c->w->failed && batch_parse(p, (size_t)left, &b) && b.bytes <= left) {
        const int64_t end = b.base_offset + b.last_offset_delta + 1;

        if (!batch_crc_ok(p, (size_t)left, &b)) {
            violation(c->w, "partition %d offset %lld was sent with a wrong checksum", r->partition,
                      (long long)b.base_offset);
        } else if (end > at->offset) {
            if (end > r->high_watermark || (c->committed_only && end > r->last_stable_offset))
                violation(c->w, "partition %d was read to %lld; its watermarks are %lld and %lld", r->partition,
                          (long long)end, (long long)r->high_watermark, (long long)r->last_stable_offset);
            if (c->committed_only)
                note_aborted(at, r, used, &b);
            take_records(c, r->partition, p, &b);
            at->offset = end;
        }
        p += b.bytes;
        left -= b.bytes;
    }
    free(used);
}

static void take_partition(struct consumer *c, const struct wire_fetch_partition_result *r)
{
    struct position *at = &c->at[r->partition];

    if (r->error_code == KAFKA_OFFSET_OUT_OF_RANGE) {
        if (at->offset >= r->log_start_offset)
            violation(c->w, "offset %lld of partition %d was there once: now it is %lld to %lld", (long long)at->offset,
                      r->partition, (long long)r->log_start_offset, (long long)r->high_watermark);
        else if (r->log_start_offset > c->w->model.start_asked[r->partition])
            violation(c->w, "partition %d begins at %lld, but only records below %lld were to be deleted", r->partition,
                      (long long)r->log_start_offset, (long long)c->w->model.start_asked[r->partition]);
        at->offset = r->log_start_offset;
        at->skipping.n = 0;
        return;
    }
    if (r->error_code)
        return;
    model_watermarks(c->w, r->partition, (struct watermarks){r->high_watermark, r->last_stable_offset},
                     c->asked[r->partition]);
    take_batches(c, r);
    if (c->once && r->last_stable_offset == r->high_watermark) /* the last transactions may still be ending */
        at->end = r->high_watermark;
}

static void fetched(void *ctx, const void *response)
{
    const struct wire_fetch_response *r = response;
    struct consumer *c = ctx;

    for (int32_t i = 0; i < r->topics.n; i++) {
        for (int32_t k = 0; k < r->topics.p[i].partitions.n && !c->w->failed; k++)
            take_partition(c, &r->topics.p[i].partitions.p[k]);
    }
    if (chance(c->w, 5) && !c->w->checking) {
        peer_drop(&c->peer);
        wait_a_bit(c);
    } else if (chance(c->w, 30)) {
        wait_a_bit(c);
    } else {
        go(c);
    }
}

static bool done(const struct actor *a)
{
    const struct consumer *c = (const struct consumer *)a;

    for (int32_t i = 0; i < c->w->parts && c->once; i++) {
        if (c->at[i].end < 0 || c->at[i].offset < c->at[i].end)
            return false;
    }
    return true;
}

static void go(struct consumer *c)
{
    struct wire_fetch_partition parts[PARTS_MAX];
    struct wire_fetch_topic topic = {.topic = STR(TOPIC), .partitions = {parts, c->w->parts}};
    const struct wire_fetch_request request = {.replica_id = -1,
                                               .max_wait_ms = (int32_t)draw(c->w, 300),
                                               .min_bytes = 1,
                                               .max_bytes = (int32_t)(1 + draw(c->w, 20000)),
                                               .isolation_level = c->committed_only,
                                               .session_epoch = -1,
                                               .topics = {&topic, 1}};

    if (c->waiting || (c->once && done(&c->actor)))
        return;
    if (!c->peer.conn && !peer_connect(&c->peer)) {
        wait_a_bit(c);
        return;
    }
    for (int32_t i = 0; i < c->w->parts; i++) {
        parts[i] = (struct wire_fetch_partition){.partition = i,
                                                 .current_leader_epoch = -1,
                                                 .fetch_offset = c->at[i].offset,
                                                 .last_fetched_epoch = -1,
                                                 .log_start_offset = -1,
                                                 .partition_max_bytes = (int32_t)(1 + draw(c->w, 5000))};
    }
    memcpy(c->asked, c->w->model.marks, sizeof(c->asked));
    peer_call(&c->peer, 1, 12, &request, fetched, c);
}

static void free_consumer(struct actor *a)
{
    struct consumer *c = (struct consumer *)a;

    for (size_t i = 0; i < PARTS_MAX; i++)
        vec_free(&c->at[i].skipping);
    peer_release(&c->peer);
    free(c);
}

void consumer_add(struct world *w, bool committed_only, bool once)
{
    struct consumer *c = check_calloc(1, sizeof(*c));

    c->actor = (struct actor){.kind = "consumer", .done = done, .free = free_consumer};
    c->w = w;
    c->committed_only = committed_only;
    c->once = once;
    for (size_t i = 0; i < PARTS_MAX; i++)
        c->at[i].end = -1;
    peer_init(&c->peer, w, broken, c);
    actor_add(w, &c->actor);
    wait_a_bit(c);
}
