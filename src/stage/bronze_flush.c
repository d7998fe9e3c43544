/*
 * Flushes: the unit in which buffered records become files, and offsets are committed.
 */
#include "stage/bronze_sink.h"

#include <stdlib.h>

void bronze_file_free(struct bronze_file *f)
{
    bronze_rows_release(&f->rows);
    free(f);
}

static void flush_free(struct bronze_flush *f)
{
    free(f->positions);
    free(f);
}

struct bronze_flush *sink_open_flush(struct stage_sink *s, struct sink_domain *d)
{
    if (!d->open) {
        d->open = check_calloc(1, sizeof(*d->open));
        d->open->domain = d;
        d->open->n_open = 1;
        d->oldest_ms = env_monotonic_ms(s->env);
    }
    return d->open;
}

void sink_done_one(struct stage_sink *s, struct bronze_flush *f)
{
    IG_ASSERT(f->n_open > 0);
    f->n_open--;
    if (f->n_open > 0)
        return;
    if (f->dropped)
        flush_free(f);
    else
        pthread_cond_broadcast(&s->changed);
}

/* Hands the buffered files to the writers; lock held. */
static void seal_files(struct stage_sink *s, struct sink_domain *d, struct bronze_flush *f)
{
    for (size_t i = 0; i < d->files.n; i++) {
        struct bronze_file *file = d->files.p[i];

        file->flush = f;
        file->next = NULL;
        if (s->last_file)
            s->last_file->next = file;
        else
            s->first_file = file;
        s->last_file = file;
        f->n_open++;
        s->in_flight_bytes += (int64_t)file->rows.n_bytes;
    }
    d->files.n = 0;
}

void sink_flush(struct stage_sink *s, struct sink_domain *d)
{
    struct bronze_flush *f = d->open;

    if (!f)
        return;
    d->open = NULL;
    sink_lock(s);
    seal_files(s, d, f);
    f->n_positions = d->partitions.n;
    f->positions = check_calloc(f->n_positions, sizeof(*f->positions));
    for (size_t i = 0; i < f->n_positions; i++)
        f->positions[i] = d->partitions.p[i].next;
    if (d->last)
        d->last->next = f;
    else
        d->first = f;
    d->last = f;
    sink_done_one(s, f); /* it takes no more records */
    pthread_cond_broadcast(&s->changed);
    sink_unlock(s);
    s->open_bytes -= d->n_bytes;
    s->room_bytes -= d->n_bytes; /* until make_room() has a look, none of it counts as stored */
    d->n_rows = d->n_bytes = d->wide_bytes = 0;
    d->hot = 0;
}

void sink_flush_all(struct stage_sink *s)
{
    for (size_t i = 0; i < s->n_domains; i++)
        sink_flush(s, &s->domains[i]);
}

static bool settled(const struct stage_sink *s)
{
    for (size_t i = 0; i < s->n_domains; i++)
        if (s->domains[i].first)
            return false;
    return !s->committing;
}

bool sink_settle(struct stage_sink *s, int64_t limit_ms)
{
    const int64_t until = env_monotonic_ms(s->env) + limit_ms;
    bool ok;

    sink_lock(s);
    while (!(ok = settled(s)) && !s->letters_lost)
        if (!sink_wait(s, until))
            break;
    sink_unlock(s);
    return ok;
}

/* Lock held. */
static void drop_flush(struct bronze_flush *f)
{
    f->dropped = true;
    if (f->n_open == 0)
        flush_free(f);
}

static void drop_domain(struct stage_sink *s, struct sink_domain *d)
{
    for (size_t i = 0; i < d->files.n; i++)
        bronze_file_free(d->files.p[i]);
    d->files.n = 0;
    s->open_bytes -= d->n_bytes;
    d->n_rows = d->n_bytes = d->wide_bytes = 0;
    d->hot = 0;
    if (d->open) {
        d->open->n_open--; /* it takes no more records */
        drop_flush(d->open);
        d->open = NULL;
    }
    while (d->first) {
        struct bronze_flush *f = d->first;

        d->first = f->next;
        drop_flush(f);
    }
    d->last = NULL;
    for (size_t p = 0; p < d->partitions.n; p++)
        d->partitions.p[p].next = d->partitions.p[p].committed = -1;
}

void sink_drop_all(struct stage_sink *s)
{
    sink_lock(s);
    while (s->first_file) {
        struct bronze_file *file = s->first_file;

        s->first_file = file->next;
        s->in_flight_bytes -= (int64_t)file->rows.n_bytes;
        sink_done_one(s, file->flush);
        bronze_file_free(file);
    }
    s->last_file = NULL;
    for (size_t i = 0; i < s->n_domains; i++)
        drop_domain(s, &s->domains[i]);
    /* What is being committed is durable: it may be, but not after we have begun again at the committed offsets. */
    s->dropping = true;
    while (s->committing)
        (void)sink_wait(s, env_monotonic_ms(s->env) + 1000);
    s->dropping = false;
    sink_unlock(s);
    s->epoch++;
}
