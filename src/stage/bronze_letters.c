/*
 * The sink's letters to the DLQ: records that have no date, with their bytes and the reason.
 *
 * A letter is acknowledged before the offset of its record is committed, so a crash in between sends the record through
 * again. To have each letter once, the sink reads the end of the DLQ whenever it begins at committed offsets, and does
 * not send again what is there.
 */
#include "stage/bronze_sink.h"

#include <stdio.h>
#include <stdlib.h>

/* How far back letters are looked for, a partition. More than this are not sent between two commits, unless flushes are
 * bigger still; then a crash may repeat one, with the same coordinates in its headers. */
#define LOOK_BACK 100000
#define LOAD_MS 20000

static enum ig_code assign_ends(struct stage_sink *s, struct sink_domain *d, struct log_consumer *k, bool *any,
                                struct error *err)
{
    int32_t n;

    *any = false;
    IG_TRY(log_topic_partitions(s->x->log, d->conf->topic.dlq_name, &n, err));
    for (int32_t p = 0; p < n; p++) {
        int64_t low, high;

        IG_TRY(log_watermarks(s->x->log, d->conf->topic.dlq_name, p, &low, &high, err));
        if (low == high)
            continue;
        if (low < high - LOOK_BACK)
            low = high - LOOK_BACK;
        IG_TRY(log_consumer_assign(k, d->conf->topic.dlq_name, p, low, err));
        *any = true;
    }
    return IG_OK;
}

static enum ig_code read_letters(struct stage_sink *s, struct sink_domain *d, struct log_consumer *k, struct error *err)
{
    const int64_t until = env_monotonic_ms(s->env) + LOAD_MS;
    struct log_batch batch;
    bool at_end = false;

    while (!at_end) {
        IG_TRY(log_consume(k, BRONZE_BATCH, 20, &batch, err));
        for (size_t i = 0; i < batch.n; i++)
            topic_letters_add(&d->letters, &batch.records[i], "bronze", d->conf->topic.name);
        at_end = batch.n == 0;
        log_batch_free(&batch);
        if (at_end)
            IG_TRY(log_consumer_at_end(k, &at_end, err));
        if (!at_end && env_monotonic_ms(s->env) > until)
            return error_set(err, IG_UNAVAILABLE, "%s: not read within %d s", d->conf->topic.dlq_name, LOAD_MS / 1000);
    }
    topic_letters_sort(&d->letters);
    return IG_OK;
}

void sink_load_letters(struct stage_sink *s)
{
    const int64_t until = env_monotonic_ms(s->env) + LOAD_MS;
    struct log_consumer *k = NULL;
    struct error err = {0};
    enum ig_code rc = IG_OK;

    sink_lock(s);
    while (s->n_letters > 0 && sink_wait(s, until)) /* those that are under way will be there, too */
        ;
    sink_unlock(s);
    for (size_t i = 0; i < s->n_domains && rc == IG_OK; i++) {
        struct sink_domain *d = &s->domains[i];
        bool any;

        d->letters.list.n = 0;
        rc = log_consumer_new(s->x->log, NULL, &k, &err);
        if (rc != IG_OK)
            break;
        rc = assign_ends(s, d, k, &any, &err);
        if (rc == IG_OK && any)
            rc = read_letters(s, d, k, &err);
        log_consumer_free(k);
    }
    if (rc != IG_OK)
        log_warn(s->env, "bronze", "%s: letters may be repeated, with the same coordinates in their headers", err.msg);
}

void sink_letter_delivered(void *sink, void *flush, int32_t partition, int64_t offset, const struct error *err)
{
    struct stage_sink *s = sink;

    (void)partition;
    (void)offset;
    sink_lock(s);
    s->n_letters--;
    if (!err) {
        s->progress.dead_letters++;
    } else if (!((struct bronze_flush *)flush)->dropped) {
        ((struct bronze_flush *)flush)->failed = true;
        s->progress.error = *err;
        s->letters_lost = true;
    }
    sink_done_one(s, flush);
    pthread_cond_broadcast(&s->changed);
    sink_unlock(s);
}

void sink_send_letter(struct stage_sink *s, struct sink_domain *d, const struct log_record *r,
                      const struct contract_reject *why)
{
    char partition[16], offset[24], timestamp[24];
    const struct log_header ours[] = {
        {"ingot-reason", str_of(why->reason)},
        {"ingot-field", str_of(why->field)},
        {"ingot-detail", str_of(why->detail)},
        {"ingot-topic", str_of(r->topic)},
        {"ingot-partition", {partition, (size_t)snprintf(partition, sizeof(partition), "%d", r->partition)}},
        {"ingot-offset", {offset, (size_t)snprintf(offset, sizeof(offset), "%lld", (long long)r->offset)}},
        {"ingot-timestamp",
         {timestamp, (size_t)snprintf(timestamp, sizeof(timestamp), "%lld", (long long)r->timestamp_ms)}},
        {"ingot-stage", STR("bronze")},
    };
    struct log_record letter = {.topic = d->conf->topic.dlq_name, .partition = -1, .key = r->key, .value = r->value};
    struct log_header *headers = check_calloc(r->n_headers + IG_COUNT(ours), sizeof(*headers));
    struct bronze_flush *f = sink_open_flush(s, d);
    struct error err = {0};

    if (topic_letters_have(&d->letters, r->partition, r->offset)) {
        free(headers);
        return; /* sent before a crash or a rebalance */
    }
    if (r->n_headers)
        memcpy(headers, r->headers, r->n_headers * sizeof(*headers));
    memcpy(headers + r->n_headers, ours, sizeof(ours));
    letter.headers = headers;
    letter.n_headers = r->n_headers + IG_COUNT(ours);
    sink_lock(s);
    f->n_open++;
    s->n_letters++;
    pthread_cond_broadcast(&s->changed);
    sink_unlock(s);
    if (log_produce(s->letters, &letter, f, &err) != IG_OK)
        sink_letter_delivered(s, f, -1, -1, &err);
    free(headers);
}
