#include "source/pump.h"

#include <stdlib.h>

#define CATCH_UP_MAX_US 60000000   /* behind the rate by more than this: do not try to make it up */
#define COPY_FROM_BYTES (64 << 10) /* bigger ones may be refused: keep them until they have landed */

/* --- one item ----------------------------------------------------------------------------------------------- */

/* The text at the path of the topic's key; {NULL, 0} if there is none. */
static struct str key_of(struct source_pump *p, struct str record)
{
    const char *path = buf_cstr(&p->key_path);
    struct json_value v = {.type = JSON_OBJECT, .raw = record};
    char name[256];

    if (!*path)
        return (struct str){NULL, 0};
    for (const char *dot; path; path = dot ? dot + 1 : NULL) {
        size_t n;

        dot = strchr(path, '.');
        n = dot ? (size_t)(dot - path) : strlen(path);
        if (n >= sizeof(name))
            return (struct str){NULL, 0};
        memcpy(name, path, n);
        name[n] = 0;
        if (v.type != JSON_OBJECT || !json_member(v.raw, name, &v))
            return (struct str){NULL, 0};
    }
    switch (v.type) {
    case JSON_STRING:
        if (!v.escaped)
            return v.raw;
        buf_clear(&p->key);
        json_unescape(&v, &p->key);
        return buf_str(&p->key);
    case JSON_NUMBER:
    case JSON_TRUE:
    case JSON_FALSE:
        return v.raw;
    default:
        return (struct str){NULL, 0};
    }
}

static int64_t turn_us(const struct source_pump *p)
{
    return p->rate_start_us + (int64_t)((double)p->rate_n * 1e6 / p->domain->source.rate_per_s);
}

/* Waits until the rate and the item's own time allow it. */
static enum ig_code wait_for_turn(struct source_pump *p, const struct source_item *item, struct error *err)
{
    struct env *env = p->options.env;

    if (p->options.to_end)
        return IG_OK;
    while (!p->stop) {
        int64_t wait_us = item->due_us > 0 ? item->due_us - env_now_us(env) : 0;

        if (p->domain->source.rate_per_s > 0 && item->due_us == 0) {
            const int64_t now = env_monotonic_us(env);

            if (p->rate_n == 0 || now - turn_us(p) > CATCH_UP_MAX_US) {
                p->rate_start_us = now;
                p->rate_n = 0;
            }
            wait_us = turn_us(p) - now;
        }
        if (wait_us <= 0)
            break;
        IG_TRY(pump_tick(p, wait_us < 50000 ? (wait_us + 999) / 1000 : 50, err));
    }
    p->rate_n++;
    return IG_OK;
}

static enum ig_code send_record(struct source_pump *p, uint64_t i, const struct source_item *item, struct error *err)
{
    struct flight *f = pump_flight(p, i);
    struct log_header header = {TAIL_HEADER, {NULL, 0}};
    struct log_record r = {.topic = p->domain->topic.name, .headers = &header, .n_headers = 1, .value = item->value};
    enum ig_code rc;

    pump_set_position(p, f->part, f->ordinal);
    header.value = buf_str(&p->position);
    r.key = key_of(p, item->value);
    r.partition = r.key.p ? hash_partition_of_key(r.key, p->partitions)
                          : (int32_t)((p->part_hash + (uint64_t)f->ordinal) % (uint64_t)p->partitions);
    f->is_record = true;
    if (item->value.n >= COPY_FROM_BYTES) {
        f->copy = check_malloc(item->value.n);
        memcpy(f->copy, item->value.p, item->value.n);
        f->copy_n = item->value.n;
    }
    rc = log_produce(p->producer, &r, (void *)(uintptr_t)i, err);
    if (rc == IG_LIMIT) {
        f->is_record = false;
        return pump_bury_refused(p, i, item->value, err);
    }
    p->produced++;
    p->bytes += (int64_t)item->value.n;
    return rc;
}

enum ig_code pump_item(struct source_pump *p, struct source_part *part, const struct source_item *item,
                       struct error *err)
{
    uint64_t i;

    if (p->hashed != part) {
        p->part_hash = tail_part_hash(str_of(part->name));
        p->hashed = part;
    }
    if (tail_has(&p->tail, p->part_hash, item->ordinal)) {
        IG_TRY(pump_take_off(p, part, item->ordinal, &i, err));
        pump_flight(p, i)->state = LANDED;
        return IG_OK;
    }
    IG_TRY(wait_for_turn(p, item, err));
    if (p->stop)
        return IG_OK;
    IG_TRY(pump_take_off(p, part, item->ordinal, &i, err));
    if (item->reason)
        return pump_bury(p, i, item->value, item->reason, item->detail, err);
    return send_record(p, i, item, err);
}
