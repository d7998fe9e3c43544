#include "broker/marks.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define SLOT_BYTES 64 /* divides a page, so that a slot is never on two of them */

struct slot {
    struct wire_uuid topic;
    int32_t partition;
    struct plog_mark mark;
    bool used;
    bool unwritten; /* the file has an older one */
};

struct marks {
    struct env *env;
    char *path;
    struct env_file *f; /* NULL until marks_begin */
    VEC(struct slot) slots;
    size_t *by_name; /* until marks_begin: number + 1 of the slots found, a hash table */
    size_t by_name_cap;
    VEC(size_t) vacant;
    atomic_size_t unwritten; /* slots */
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
    return s->mark.base >= 0 && s->mark.pos >= 0 && s->mark.offset >= s->mark.base;
}

static size_t *name_slot(const struct marks *ms, const struct wire_uuid *topic, int32_t partition)
{
    size_t i = (size_t)(hash_fnv1a(topic->b, sizeof(topic->b)) + (uint64_t)(uint32_t)partition * 0x9e3779b97f4a7c15u) &
               (ms->by_name_cap - 1);

    for (; ms->by_name[i] != 0; i = (i + 1) & (ms->by_name_cap - 1)) {
        const struct slot *s = &ms->slots.p[ms->by_name[i] - 1];

        if (s->partition == partition && memcmp(s->topic.b, topic->b, 16) == 0)
            break;
    }
    return &ms->by_name[i];
}

static void read_slots(struct marks *ms, const struct buf *b)
{
    for (size_t at = 0; at + SLOT_BYTES <= b->n; at += SLOT_BYTES) {
        struct slot s = {.partition = -1};

        if (!decode((const uint8_t *)b->p + at, &s))
            s.partition = -1;
        vec_push(&ms->slots, s);
    }
    for (ms->by_name_cap = 16; ms->by_name_cap < ms->slots.n * 2; ms->by_name_cap *= 2)
        ;
    ms->by_name = check_calloc(ms->by_name_cap, sizeof(*ms->by_name));
    for (size_t i = 0; i < ms->slots.n; i++) {
        if (ms->slots.p[i].partition >= 0)
            *name_slot(ms, &ms->slots.p[i].topic, ms->slots.p[i].partition) = i + 1;
    }
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
    if (rc == IG_NOT_FOUND)
        rc = IG_OK;
    if (!rc)
        read_slots(ms, &b);
    buf_release(&b);
    if (rc) {
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
    vec_free(&ms->slots);
    vec_free(&ms->vacant);
    free(ms->by_name);
    free(ms->path);
    free(ms);
}

struct plog_mark marks_claim(struct marks *ms, const struct wire_uuid *topic, int32_t partition, size_t *slot)
{
    const struct slot s = {.topic = *topic, .partition = partition, .mark = {-1, 0, 0}, .used = true};
    const size_t found = ms->by_name ? *name_slot(ms, topic, partition) : 0;

    if (found) {
        *slot = found - 1;
        ms->slots.p[*slot].used = true;
        return ms->slots.p[*slot].mark;
    }
    if (ms->f && ms->vacant.n > 0) {
        *slot = ms->vacant.p[--ms->vacant.n];
        ms->slots.p[*slot] = s;
    } else {
        *slot = ms->slots.n;
        vec_push(&ms->slots, s);
    }
    return s.mark;
}

static void put(struct marks *ms, size_t slot)
{
    uint8_t raw[SLOT_BYTES];
    struct error err;

    bool failed;

    if (!ms->f)
        return;
    encode(&ms->slots.p[slot], raw);
    failed = env_write(ms->env, ms->f, (int64_t)(slot * SLOT_BYTES), raw, SLOT_BYTES, &err) != IG_OK;
    if (failed && !ms->slots.p[slot].unwritten)
        log_warn(ms->env, "broker", "cannot note how far the log is durable: %s", err.msg);
    if (failed != ms->slots.p[slot].unwritten) {
        ms->slots.p[slot].unwritten = failed;
        atomic_fetch_add(&ms->unwritten, failed ? 1 : (size_t)-1);
    }
}

void marks_retry(struct marks *ms)
{
    for (size_t i = 0; atomic_load(&ms->unwritten) > 0 && i < ms->slots.n; i++) {
        if (ms->slots.p[i].unwritten)
            put(ms, i);
    }
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
    vec_push(&ms->vacant, slot);
}

enum ig_code marks_sync(struct marks *ms, struct error *err)
{
    if (atomic_load(&ms->unwritten) > 0)
        return error_set(err, IG_UNAVAILABLE, "%s could not be written lately", ms->path);
    return ms->f ? env_sync(ms->env, ms->f, err) : IG_OK;
}

enum ig_code marks_begin(struct marks *ms, struct error *err)
{
    struct buf b;
    enum ig_code rc;

    free(ms->by_name);
    ms->by_name = NULL;
    buf_init(&b, 0);
    for (size_t i = 0; i < ms->slots.n; i++) {
        uint8_t raw[SLOT_BYTES];

        encode(&ms->slots.p[i], raw);
        buf_add(&b, raw, SLOT_BYTES);
        if (!ms->slots.p[i].used)
            vec_push(&ms->vacant, i);
    }
    rc = env_replace_file(ms->env, ms->path, buf_str(&b), err);
    buf_release(&b);
    if (rc == IG_NO_SPACE) { /* the old file has the same slots, and old marks are still true */
        log_warn(ms->env, "broker", "the disk is full: %s", err->msg);
        rc = IG_OK;
    }
    if (!rc)
        rc = env_open(ms->env, ms->path, ENV_OPEN_READ | ENV_OPEN_WRITE | ENV_OPEN_CREATE, &ms->f, err);
    return rc;
}
