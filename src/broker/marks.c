#include "broker/marks.h"

#include <stdio.h>
#include <stdlib.h>

#define SLOT_BYTES 64 /* divides a page, so that a slot is never on two of them */

struct slot {
    struct wire_uuid topic;
    int32_t partition;
    struct plog_mark mark;
    bool used;
};

struct marks {
    struct env *env;
    char *path;
    struct env_file *f; /* NULL until marks_begin */
    VEC(struct slot) old;
    VEC(struct slot) slots;
};

static void encode(const struct slot *s, uint8_t out[SLOT_BYTES])
{
    memset(out, 0, SLOT_BYTES);
    if (!s->used)
        return;
    memcpy(out, s->topic.b, 16);
    wire_store(out + 16, s->partition, 4);
    wire_store(out + 20, s->mark.base, 8);
    wire_store(out + 28, s->mark.pos, 8);
    wire_store(out + 36, s->mark.offset, 8);
    wire_store(out + 60, (int64_t)hash_crc32c(0, out, 60), 4);
}

static bool decode(const uint8_t *p, struct slot *s)
{
    if ((uint32_t)wire_load(p + 60, 4) != hash_crc32c(0, p, 60))
        return false;
    memcpy(s->topic.b, p, 16);
    s->partition = (int32_t)wire_load(p + 16, 4);
    s->mark.base = wire_load(p + 20, 8);
    s->mark.pos = wire_load(p + 28, 8);
    s->mark.offset = wire_load(p + 36, 8);
    s->used = true;
    return s->mark.base >= 0 && s->mark.pos >= 0 && s->mark.offset >= s->mark.base;
}

enum ig_code marks_open(struct env *env, const char *path, struct marks **out, struct error *err)
{
    struct marks *ms = check_calloc(1, sizeof(*ms));
    struct buf b;
    enum ig_code rc;

    ms->env = env;
    ms->path = check_strdup(path);
    buf_init(&b, 256u << 20);
    rc = env_read_file(env, path, &b, err);
    for (size_t at = 0; !rc && at + SLOT_BYTES <= b.n; at += SLOT_BYTES) {
        struct slot s;

        if (decode((const uint8_t *)b.p + at, &s))
            vec_push(&ms->old, s);
    }
    buf_release(&b);
    if (rc && rc != IG_NOT_FOUND) {
        marks_close(ms);
        return rc;
    }
    *out = ms;
    return IG_OK;
}

void marks_close(struct marks *ms)
{
    if (!ms)
        return;
    env_close(ms->env, ms->f);
    vec_free(&ms->old);
    vec_free(&ms->slots);
    free(ms->path);
    free(ms);
}

struct plog_mark marks_claim(struct marks *ms, const struct wire_uuid *topic, int32_t partition, size_t *slot)
{
    struct slot s = {.topic = *topic, .partition = partition, .mark = {-1, 0, 0}, .used = true};

    /* As written: in the order in which the partitions were opened, so the next one is nearly always the one. */
    for (size_t i = 0; i < ms->old.n; i++) {
        const struct slot *o = &ms->old.p[(i + ms->slots.n) % ms->old.n];

        if (o->partition == partition && memcmp(o->topic.b, topic->b, 16) == 0) {
            s.mark = o->mark;
            break;
        }
    }
    for (*slot = 0; ms->f && *slot < ms->slots.n && ms->slots.p[*slot].used; (*slot)++)
        ;
    if (!ms->f)
        *slot = ms->slots.n;
    if (*slot < ms->slots.n)
        ms->slots.p[*slot] = s;
    else
        vec_push(&ms->slots, s);
    return s.mark;
}

static void put(struct marks *ms, size_t slot)
{
    uint8_t raw[SLOT_BYTES];
    struct error err;

    encode(&ms->slots.p[slot], raw);
    if (ms->f && env_write(ms->env, ms->f, (int64_t)(slot * SLOT_BYTES), raw, SLOT_BYTES, &err))
        log_warn(ms->env, "broker", "cannot note how far the log is durable: %s", err.msg);
}

void marks_set(struct marks *ms, size_t slot, const struct plog_mark *mark)
{
    ms->slots.p[slot].mark = *mark;
    put(ms, slot);
}

void marks_drop(struct marks *ms, size_t slot)
{
    ms->slots.p[slot].used = false;
    put(ms, slot);
}

enum ig_code marks_begin(struct marks *ms, struct error *err)
{
    struct buf b;
    enum ig_code rc;

    buf_init(&b, 0);
    for (size_t i = 0; i < ms->slots.n; i++) {
        uint8_t raw[SLOT_BYTES];

        encode(&ms->slots.p[i], raw);
        buf_add(&b, raw, SLOT_BYTES);
    }
    rc = env_replace_file(ms->env, ms->path, buf_str(&b), err);
    buf_release(&b);
    vec_free(&ms->old);
    if (!rc)
        rc = env_open(ms->env, ms->path, ENV_OPEN_READ | ENV_OPEN_WRITE, &ms->f, err);
    return rc;
}
