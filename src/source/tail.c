#include "source/tail.h"

#include <stdlib.h>

#define BATCH 2000
#define WAIT_MS 200
#define SILENCE_LIMIT_MS 30000 /* the log gives nothing, yet says that there is something */

struct stretch { /* of one partition */
    const char *topic;
    int32_t partition;
    int64_t at, end;
    struct source_bound *bound;
    bool has_marks;
};

struct loading {
    struct source_state *state;
    const char *source;
    struct tail *tail;
    VEC(struct stretch) stretches;
};

uint64_t tail_part_hash(struct str name)
{
    return hash_fnv1a(name.p, name.n);
}

/* NAME@PART:ORDINAL; parts may hold any character. */
static bool parse_position(struct str text, const char *source, struct str *part, int64_t *ordinal)
{
    const size_t n = strlen(source);
    size_t colon = text.n;

    if (text.n <= n || memcmp(text.p, source, n) != 0 || text.p[n] != '@')
        return false;
    while (colon > n && text.p[colon - 1] != ':')
        colon--;
    if (colon <= n + 1)
        return false;
    *part = (struct str){text.p + n + 1, colon - 1 - (n + 1)};
    return str_to_int64((struct str){text.p + colon, text.n - colon}, 0, INT64_MAX, ordinal);
}

static void take_record(struct loading *l, struct stretch *s, const struct log_record *r)
{
    for (size_t i = 0; i < r->n_headers; i++) {
        struct str part;
        int64_t ordinal;
        const struct source_part *known;

        if (strcmp(r->headers[i].name, TAIL_HEADER) != 0 ||
            !parse_position(r->headers[i].value, l->source, &part, &ordinal))
            continue;
        known = state_part(l->state, part);
        if (!known || (ordinal >= known->next && !known->finished)) {
            const struct tail_mark mark = {tail_part_hash(part), ordinal};

            vec_push(l->tail, mark);
            s->has_marks = true;
        }
    }
}

static struct stretch *stretch_of(struct loading *l, const char *topic, int32_t partition)
{
    for (size_t i = 0; i < l->stretches.n; i++)
        if (l->stretches.p[i].partition == partition && strcmp(l->stretches.p[i].topic, topic) == 0)
            return &l->stretches.p[i];
    return NULL;
}

static bool is_read(const struct loading *l)
{
    for (size_t i = 0; i < l->stretches.n; i++)
        if (l->stretches.p[i].at < l->stretches.p[i].end)
            return false;
    return true;
}

/* Where each partition of a topic has to be read from. */
static enum ig_code measure(struct loading *l, struct log_client *log, const char *topic, struct error *err)
{
    int32_t partitions;
    const enum ig_code rc = log_topic_partitions(log, topic, &partitions, err);

    if (rc == IG_NOT_FOUND)
        return IG_OK;
    if (rc)
        return rc;
    for (int32_t i = 0; i < partitions; i++) {
        struct stretch s = {topic, i, 0, 0, state_bound(l->state, topic, i), false};
        int64_t low;

        IG_TRY(log_watermarks(log, topic, i, &low, &s.end, err));
        if (s.bound->offset > s.end)
            return error_set(err, IG_CORRUPT,
                             "topic %s, partition %d ends at %lld, but %lld records were acknowledged: the log is not "
                             "the one that this project's data/state.db was written with",
                             topic, i, (long long)s.end, (long long)s.bound->offset);
        s.at = s.bound->offset > low ? s.bound->offset : low;
        vec_push(&l->stretches, s);
    }
    return IG_OK;
}

static void take_batch(struct loading *l, const struct log_batch *batch)
{
    for (size_t i = 0; i < batch->n; i++) {
        const struct log_record *r = &batch->records[i];
        struct stretch *s = stretch_of(l, r->topic, r->partition);

        if (!s)
            continue;
        s->at = r->offset + 1;
        take_record(l, s, r);
    }
    for (size_t i = 0; i < batch->n_ends; i++) {
        struct stretch *s = stretch_of(l, batch->ends[i].topic, batch->ends[i].partition);

        if (s && s->at < batch->ends[i].offset)
            s->at = batch->ends[i].offset;
    }
}

static enum ig_code read_stretches(struct loading *l, struct env *env, struct log_client *log, const _Atomic bool *stop,
                                   struct error *err)
{
    int64_t heard_ms = env_monotonic_ms(env);
    struct log_consumer *k = NULL;
    enum ig_code rc;

    if (is_read(l))
        return IG_OK;
    rc = log_consumer_new(log, NULL, &k, err);
    for (size_t i = 0; i < l->stretches.n && !rc; i++) {
        const struct stretch *s = &l->stretches.p[i];

        if (s->at < s->end)
            rc = log_consumer_assign(k, s->topic, s->partition, s->at, err);
    }
    while (!rc && !is_read(l)) {
        struct log_batch batch;

        if (*stop) {
            rc = error_set(err, IG_CANCELLED, "stopped");
            break;
        }
        rc = log_consume(k, BATCH, WAIT_MS, &batch, err);
        if (rc)
            break;
        if (batch.n > 0 || batch.n_ends > 0)
            heard_ms = env_monotonic_ms(env);
        else if (env_monotonic_ms(env) - heard_ms > SILENCE_LIMIT_MS)
            rc = error_set(err, IG_UNAVAILABLE, "the log has not answered for %d s", SILENCE_LIMIT_MS / 1000);
        take_batch(l, &batch);
        log_batch_free(&batch);
    }
    log_consumer_free(k);
    return rc;
}

static int by_mark(const void *a, const void *b)
{
    const struct tail_mark *x = a, *y = b;

    if (x->part != y->part)
        return x->part < y->part ? -1 : 1;
    return (x->ordinal > y->ordinal) - (x->ordinal < y->ordinal);
}

enum ig_code tail_load(struct env *env, struct log_client *log, struct source_state *state, const char *source,
                       const char *const *topics, size_t n_topics, const _Atomic bool *stop, struct tail *out,
                       struct error *err)
{
    struct loading l = {.state = state, .source = source, .tail = out};
    enum ig_code rc = IG_OK;

    for (size_t i = 0; i < n_topics && !rc; i++)
        rc = measure(&l, log, topics[i], err);
    if (!rc)
        rc = read_stretches(&l, env, log, stop, err);
    for (size_t i = 0; i < l.stretches.n && !rc; i++) {
        struct stretch *s = &l.stretches.p[i];

        if (!s->has_marks && s->bound->offset < s->end) {
            s->bound->offset = s->end;
            s->bound->dirty = true;
        }
    }
    if (out->n > 0)
        qsort(out->p, out->n, sizeof(out->p[0]), by_mark);
    vec_free(&l.stretches);
    if (rc)
        tail_free(out);
    return rc ? error_context(err, rc, "look for records that are in the log already") : IG_OK;
}

bool tail_has(const struct tail *t, uint64_t part, int64_t ordinal)
{
    const struct tail_mark mark = {part, ordinal};

    return t->n > 0 && bsearch(&mark, t->p, t->n, sizeof(t->p[0]), by_mark) != NULL;
}

void tail_free(struct tail *t)
{
    vec_free(t);
}
