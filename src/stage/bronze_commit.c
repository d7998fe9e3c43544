/*
 * The sink's committer: offsets follow what is durable, never the other way round.
 */
#include "stage/bronze_sink.h"

#include <stdlib.h>

/* Takes the flushes in front that are done, and notes their positions; lock held. */
static void take_done(struct sink_domain *d, int64_t **positions, size_t *n)
{
    while (d->first && d->first->n_open == 0 && !d->first->failed) {
        struct bronze_flush *f = d->first;

        d->first = f->next;
        if (!d->first)
            d->last = NULL;
        free(*positions);
        *positions = f->positions; /* a later flush knows all that an earlier one did */
        *n = f->n_positions;
        free(f);
    }
}

struct pending {
    VEC(struct log_position) positions;
    VEC(struct sink_domain *) domains; /* of each position */
};

/* Everything that can be committed now. */
static void collect(struct stage_sink *s, struct pending *out)
{
    for (size_t i = 0; i < s->n_domains; i++) {
        struct sink_domain *d = &s->domains[i];
        int64_t *positions = NULL;
        size_t n = 0;

        take_done(d, &positions, &n);
        for (size_t p = 0; p < n; p++) {
            const struct log_position at = {d->conf->topic.name, (int32_t)p, positions[p]};

            if (positions[p] < 0 || positions[p] <= d->partitions.p[p].committed)
                continue;
            vec_push(&out->positions, at);
            vec_push(&out->domains, d);
        }
        free(positions);
    }
}

/* Waits for something to commit, sees to the letters meanwhile. False at the end. */
static bool next_commit(struct stage_sink *s, struct pending *out)
{
    bool end = false;

    out->positions.n = out->domains.n = 0;
    sink_lock(s);
    s->committing = false;
    pthread_cond_broadcast(&s->changed);
    for (;;) {
        collect(s, out);
        end = s->writers_end;
        if (out->positions.n > 0 || end)
            break;
        if (s->n_letters > 0) {
            sink_unlock(s);
            log_producer_poll(s->letters, 5);
            sink_lock(s);
        } else {
            (void)sink_wait(s, env_monotonic_ms(s->env) + 60000);
        }
    }
    s->committing = out->positions.n > 0;
    sink_unlock(s);
    return !end || out->positions.n > 0;
}

static void note_committed(struct stage_sink *s, const struct pending *done)
{
    sink_lock(s);
    for (size_t i = 0; i < done->positions.n; i++)
        done->domains.p[i]->partitions.p[done->positions.p[i].partition].committed = done->positions.p[i].offset;
    pthread_cond_broadcast(&s->changed);
    sink_unlock(s);
}

/* What is not committed is only read again, so trying may end at any time. */
static void commit(struct stage_sink *s, const struct pending *what)
{
    bool failing = false, ended;
    struct error err;
    enum ig_code rc;

    while ((rc = log_consumer_commit(s->consumer, what->positions.p, what->positions.n, &err)) != IG_OK) {
        if (rc == IG_CONFLICT) {
            log_warn(s->env, "bronze", "%s: the group has changed; what was stored will be stored again", err.msg);
            break;
        }
        if (!failing) {
            log_error(s->env, "bronze", "%s", err.msg);
            sink_trouble(s, true, &err);
        }
        failing = true;
        sink_lock(s);
        ended = s->dropping || s->abandoning;
        if (!ended)
            (void)sink_wait(s, env_monotonic_ms(s->env) + 200);
        sink_unlock(s);
        if (ended)
            break;
    }
    if (failing)
        sink_trouble_over(s);
    if (rc == IG_OK)
        note_committed(s, what);
}

void sink_committer_run(void *sink)
{
    struct stage_sink *s = sink;
    struct pending what = {0};

    while (next_commit(s, &what))
        if (what.positions.n > 0)
            commit(s, &what);
    vec_free(&what.positions);
    vec_free(&what.domains);
}
