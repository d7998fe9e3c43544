#include "stage/topic.h"

#include <stdlib.h>

#define BATCH_RECORDS 5000
#define BATCH_WAIT_MS 200
#define SILENCE_MAX_MS 30000

enum ig_code topic_bounds_read(const struct stage_context *x, const char *topic, struct topic_bounds *out,
                               struct error *err)
{
    int32_t partitions = 0;

    IG_TRY(log_topic_partitions(x->log, topic, &partitions, err));
    for (int32_t i = 0; i < partitions; i++) {
        struct topic_bound b = {0};

        /* What is committed is asked first: what the sink commits while we look then counts as on the way. */
        IG_TRY(log_committed(x->log, STAGE_SINK_GROUP, topic, i, &b.committed, err));
        IG_TRY(log_watermarks(x->log, topic, i, &b.low, &b.high, err));
        b.committed = b.committed < 0 ? 0 : b.committed;
        vec_push(out, b);
    }
    return IG_OK;
}

struct str topic_header(const struct log_record *record, const char *name)
{
    for (size_t i = 0; i < record->n_headers; i++)
        if (strcmp(record->headers[i].name, name) == 0)
            return record->headers[i].value;
    return (struct str){NULL, 0};
}

/* --- reading --------------------------------------------------------------------------------------------------- */

struct state {
    const struct topic_reading *r;
    bool *ended; /* a partition each */
    size_t n_open;
    int64_t began_us, n_read, n_total;
};

static int64_t first_offset(const struct topic_reading *r, size_t partition)
{
    const struct topic_bound *b = &r->bounds->p[partition];

    return r->tail && b->committed > b->low ? b->committed : b->low;
}

static void mark_ended(struct state *s, int32_t partition, int64_t next)
{
    if (!s->ended[partition] && next >= s->r->bounds->p[partition].high) {
        s->ended[partition] = true;
        s->n_open--;
    }
}

static bool is_ours(const struct state *s, int32_t partition)
{
    return partition >= 0 && (size_t)partition < s->r->bounds->n;
}

static enum ig_code take_batch(struct state *s, const struct log_batch *batch, struct error *err)
{
    const struct topic_reading *r = s->r;

    for (size_t i = 0; i < batch->n; i++) {
        const struct log_record *record = &batch->records[i];

        if (!is_ours(s, record->partition))
            return error_set(err, IG_CORRUPT, "%s gave a record of partition %d, which it did not have", r->topic,
                             record->partition);
        mark_ended(s, record->partition, record->offset + 1);
        if (record->offset >= r->bounds->p[record->partition].high)
            continue; /* came after the reading began */
        IG_TRY(r->on_record(r->ctx, record, err));
        s->n_read++;
    }
    for (size_t i = 0; i < batch->n_ends; i++)
        if (is_ours(s, batch->ends[i].partition))
            mark_ended(s, batch->ends[i].partition, batch->ends[i].offset);
    if (r->progress)
        r->progress(r->progress_ctx, r->topic, r->domain, s->n_read, s->n_total,
                    env_monotonic_us(r->x->env) - s->began_us);
    return IG_OK;
}

static enum ig_code consume(struct state *s, struct log_consumer *k, struct error *err)
{
    const struct topic_reading *r = s->r;
    int64_t heard_ms = env_monotonic_ms(r->x->env);

    while (s->n_open > 0) {
        struct log_batch batch = {0};
        enum ig_code rc;

        if (r->stop && *r->stop)
            return error_set(err, IG_CANCELLED, "interrupted");
        IG_TRY(log_consume(k, BATCH_RECORDS, BATCH_WAIT_MS, &batch, err));
        if (batch.n || batch.n_ends)
            heard_ms = env_monotonic_ms(r->x->env);
        rc = take_batch(s, &batch, err);
        log_batch_free(&batch);
        IG_TRY(rc);
        if (env_monotonic_ms(r->x->env) - heard_ms > SILENCE_MAX_MS)
            return error_set(err, IG_UNAVAILABLE, "%s: the log gave nothing for %d s, and %zu partitions are unread",
                             r->topic, SILENCE_MAX_MS / 1000, s->n_open);
    }
    return IG_OK;
}

enum ig_code topic_read(const struct topic_reading *r, struct error *err)
{
    struct state s = {.r = r, .began_us = env_monotonic_us(r->x->env)};
    struct log_consumer *k = NULL;
    enum ig_code rc = IG_OK;

    s.ended = check_calloc(r->bounds->n ? r->bounds->n : 1, sizeof(*s.ended));
    for (size_t i = 0; i < r->bounds->n; i++) {
        const int64_t left = r->bounds->p[i].high - first_offset(r, i);

        s.ended[i] = left <= 0;
        s.n_open += left > 0;
        s.n_total += left > 0 ? left : 0;
    }
    if (s.n_open > 0)
        rc = log_consumer_new(r->x->log, NULL, &k, err);
    for (size_t i = 0; i < r->bounds->n && k && !rc; i++)
        if (!s.ended[i])
            rc = log_consumer_assign(k, r->topic, (int32_t)i, first_offset(r, i), err);
    if (!rc && k)
        rc = consume(&s, k, err);
    log_consumer_free(k);
    free(s.ended);
    return rc;
}

bool topic_read_letter(const struct log_record *record, struct topic_letter *out)
{
    *out = (struct topic_letter){.topic = topic_header(record, "ingot-topic"),
                                 .stage = topic_header(record, "ingot-stage"),
                                 .partition = -1,
                                 .offset = -1};
    return out->topic.n > 0 && str_to_int64(topic_header(record, "ingot-partition"), 0, INT32_MAX, &out->partition) &&
           str_to_int64(topic_header(record, "ingot-offset"), 0, INT64_MAX, &out->offset);
}

void topic_letters_add(struct topic_letters *l, const struct log_record *record, const char *stage, const char *topic)
{
    struct topic_letter letter;

    if (topic_read_letter(record, &letter) && str_is(letter.stage, stage) && str_is(letter.topic, topic))
        vec_push(&l->list, ((struct topic_coordinates){letter.partition, letter.offset}));
}

static int compare_coordinates(const void *a, const void *b)
{
    const struct topic_coordinates *x = a, *y = b;

    if (x->partition != y->partition)
        return x->partition < y->partition ? -1 : 1;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

void topic_letters_sort(struct topic_letters *l)
{
    if (l->list.n > 0)
        qsort(l->list.p, l->list.n, sizeof(*l->list.p), compare_coordinates);
}

bool topic_letters_have(const struct topic_letters *l, int64_t partition, int64_t offset)
{
    const struct topic_coordinates c = {partition, offset};

    return l->list.n > 0 && bsearch(&c, l->list.p, l->list.n, sizeof(c), compare_coordinates);
}
