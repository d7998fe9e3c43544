#include "source/pump.h"

#include <stdio.h>
#include <stdlib.h>

#define STORE_EVERY_MS 1000
#define LANDING_LIMIT_MS 60000         /* at the end, for what is in flight */
#define REFUSED_KEPT_BYTES (256 << 10) /* what the DLQ gets of a record that is too big; any broker takes that */

/* --- landing -------------------------------------------------------------------------------------------------- */

static struct source_bound *bound_of(struct source_pump *p, const struct flight *f, int32_t partition)
{
    if (f->is_dead)
        return partition < p->dlq_partitions ? p->dlq_bounds[partition] : NULL;
    return partition < p->partitions ? p->bounds[partition] : NULL;
}

void pump_on_delivered(void *ctx, void *tag, int32_t partition, int64_t offset, const struct error *err)
{
    struct source_pump *p = ctx;
    struct flight *f = pump_flight(p, (uint64_t)(uintptr_t)tag);

    if (!err) {
        f->bound = bound_of(p, f, partition);
        f->offset = offset;
        f->state = LANDED;
    } else if (err->code == IG_LIMIT) {
        f->state = REFUSED;
    } else if (p->lost.code == IG_OK) {
        p->lost = *err;
    }
}

static void add_header(struct log_header *headers, size_t *n, const char *name, struct str value)
{
    headers[(*n)++] = (struct log_header){name, value};
}

void pump_set_position(struct source_pump *p, const struct source_part *part, int64_t ordinal)
{
    buf_clear(&p->position);
    buf_printf(&p->position, "%s@%s:%lld", p->domain->name, part->name, (long long)ordinal);
}

/* Produces to the DLQ what is no record, as flight number `i`. */
enum ig_code pump_bury(struct source_pump *p, uint64_t i, struct str value, const char *reason, struct str detail,
                       struct error *err)
{
    struct flight *f = pump_flight(p, i);
    struct log_header headers[8];
    char now[32];
    size_t n = 0;
    struct log_record r = {.topic = p->domain->topic.dlq_name, .partition = -1, .value = value, .headers = headers};

    pump_set_position(p, f->part, f->ordinal);
    snprintf(now, sizeof(now), "%lld", (long long)env_now_ms(p->options.env));
    r.partition = (int32_t)((p->part_hash + (uint64_t)f->ordinal) % (uint64_t)p->dlq_partitions);
    add_header(headers, &n, TAIL_HEADER, buf_str(&p->position));
    add_header(headers, &n, "ingot-reason", str_of(reason));
    add_header(headers, &n, "ingot-detail", detail);
    add_header(headers, &n, "ingot-topic", str_of(p->domain->topic.name));
    add_header(headers, &n, "ingot-timestamp", str_of(now));
    add_header(headers, &n, "ingot-stage", STR("source"));
    r.n_headers = n;
    f->is_dead = true;
    f->state = FLYING;
    p->refused++;
    log_warn(p->options.env, "source", "%s: %s at %s: " STR_FMT, p->domain->name, reason, buf_cstr(&p->position),
             STR_ARG(detail));
    return log_produce(p->producer, &r, (void *)(uintptr_t)i, err);
}

/* The log would not take it: its beginning goes to the DLQ. */
enum ig_code pump_bury_refused(struct source_pump *p, uint64_t i, struct str value, struct error *err)
{
    const size_t kept = value.n < REFUSED_KEPT_BYTES ? value.n : REFUSED_KEPT_BYTES;
    char detail[128];

    snprintf(detail, sizeof(detail), "%zu bytes are more than the log takes; the first %zu are here", value.n, kept);
    return pump_bury(p, i, (struct str){value.p, kept}, "record_too_large", str_of(detail), err);
}

static void land_front(struct source_pump *p)
{
    struct flight *f = pump_flight(p, p->first);

    if (f->ordinal < 0)
        f->part->finished = true;
    else
        f->part->next = f->ordinal + 1;
    f->part->dirty = true;
    if (f->bound && f->bound->offset < f->offset + 1) {
        f->bound->offset = f->offset + 1;
        f->bound->dirty = true;
    }
    if (f->is_record)
        p->landed++;
    free(f->copy);
    f->copy = NULL;
    p->first++;
}

/* Moves the front as far as flights have landed. */
static enum ig_code settle(struct source_pump *p, struct error *err)
{
    if (p->lost.code)
        return error_set(err, p->lost.code, "%s", p->lost.msg);
    while (p->first < p->next && pump_flight(p, p->first)->state != FLYING) {
        struct flight *f = pump_flight(p, p->first);

        if (f->state == REFUSED) {
            if (f->is_dead)
                return error_set(err, IG_LIMIT, "topic %s does not take %s:%lld", p->domain->topic.dlq_name,
                                 f->part->name, (long long)f->ordinal);
            f->is_record = false;
            IG_TRY(pump_bury_refused(p, p->first, (struct str){f->copy, f->copy_n}, err));
            break;
        }
        land_front(p);
    }
    return IG_OK;
}

void pump_publish(struct source_pump *p)
{
    pthread_mutex_lock(&p->lock);
    p->progress.produced = p->produced;
    p->progress.acknowledged = p->landed;
    p->progress.bytes = p->bytes;
    p->progress.refused = p->refused;
    if (p->reader) {
        p->progress.total = p->reader->total;
        p->progress.failures = p->reader->failures;
        if (p->reader->failures > 0)
            p->progress.error = p->reader->failure;
    }
    pthread_mutex_unlock(&p->lock);
}

/* Everything that goes on beside producing; waits at most `wait_ms` for acknowledgements. */
enum ig_code pump_tick(struct source_pump *p, int64_t wait_ms, struct error *err)
{
    const int64_t now_ms = env_monotonic_ms(p->options.env);

    log_producer_poll(p->producer, wait_ms);
    IG_TRY(settle(p, err));
    pump_publish(p);
    if (now_ms - p->stored_ms >= STORE_EVERY_MS) {
        p->stored_ms = now_ms;
        IG_TRY(state_store(p->state, err));
    }
    return IG_OK;
}

enum ig_code pump_take_off(struct source_pump *p, struct source_part *part, int64_t ordinal, uint64_t *out,
                           struct error *err)
{
    while (p->next - p->first == PUMP_FLIGHTS)
        IG_TRY(pump_tick(p, 10, err));
    *pump_flight(p, p->next) = (struct flight){.part = part, .ordinal = ordinal};
    *out = p->next++;
    return IG_OK;
}

/* Waits for what is in flight, and stores. */
enum ig_code pump_land(struct source_pump *p, struct error *err)
{
    const int64_t until = env_monotonic_ms(p->options.env) + LANDING_LIMIT_MS;

    while (p->first < p->next) {
        struct error e;

        if (env_monotonic_ms(p->options.env) > until)
            return error_set(err, IG_UNAVAILABLE, "%llu records are not acknowledged after %d s",
                             (unsigned long long)(p->next - p->first), LANDING_LIMIT_MS / 1000);
        if (log_producer_flush(p->producer, 100, &e) && error_code_retry(e.code) == IG_RETRY_NEVER &&
            p->lost.code == IG_OK && e.code != IG_LIMIT)
            return error_set(err, e.code, "%s", e.msg);
        IG_TRY(pump_tick(p, 0, err));
    }
    IG_TRY(state_store(p->state, err));
    pump_publish(p);
    return IG_OK;
}
