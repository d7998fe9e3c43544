// links: broker
/*
 * A partition's folder that something has damaged: a good log is written into a simulated disk, then the input says
 * what happens to its files (bytes changed, cut, or made of the input itself, checksums put right or not), and how far
 * the log is said to be durable. However that is, the log opens or says why not, what it serves can be read, and it
 * goes on.
 */
#include "base/env_sim.h"
#include "broker/plog.h"
#include "fuzz.h"

#include <stdio.h>

#define DIR_ "p"
#define SEGMENT_BYTES 600
#define BATCHES 12
#define FILE_MAX 65536

struct input {
    const uint8_t *p, *end;
};

static int64_t take(struct input *in, size_t bytes)
{
    int64_t v = 0;

    for (size_t i = 0; i < bytes; i++)
        v = v << 8 | (in->p < in->end ? *in->p++ : 0);
    return v;
}

static void append(struct plog *log, int32_t i)
{
    struct batch_builder builder;
    struct error err;
    struct batch b;
    struct str bytes;
    char *at;

    batch_builder_init(&builder, 1000 + i);
    for (int32_t k = 0; k <= i % 3; k++)
        batch_builder_add(&builder, STR("key"), STR("value"));
    bytes = batch_builder_finish(&builder);
    at = builder.buf.p;
    wire_store(at + 21, i % 4 == 3 ? BATCH_TRANSACTIONAL : 0, 2);
    wire_store(at + 43, i % 4 == 3 ? 8 : 7, 8);
    wire_store(at + 51, 0, 2);
    wire_store(at + 53, i * 10, 4);
    wire_store(at + 17, (int64_t)hash_crc32c(0, at + 21, bytes.n - 21), 4);
    IG_ASSERT(batch_parse(bytes.p, bytes.n, &b));
    if (plog_append(log, &b, bytes.p, &err)) /* it may be one that has failed */
        IG_ASSERT(log->failed);
    batch_builder_release(&builder);
}

static void sync_log(struct env *env, struct plog *log)
{
    struct plog_sync s;
    struct error err = {0};
    enum ig_code rc;

    if (!plog_is_dirty(log))
        return;
    plog_sync_begin(log, &s);
    rc = plog_sync_run(env, log->dir, &s, &err);
    plog_sync_end(log, &s, rc, &err);
}

static struct plog_mark write_log(struct env *env, struct files *files)
{
    struct plog_mark mark = {-1, 0, 0};
    struct plog *log;

    if (plog_open(env, files, DIR_, SEGMENT_BYTES, mark, &log, NULL))
        check_panic(__FILE__, __LINE__, __func__, "an empty folder does not open");
    for (int32_t i = 0; i < BATCHES; i++) {
        append(log, i);
        if (i % 3 == 0)
            sync_log(env, log);
    }
    sync_log(env, log);
    mark = log->durable;
    plog_close(log);
    return mark;
}

/* --- damage --------------------------------------------------------------------------------------------------- */

struct names {
    VEC(char *) list;
};

static enum ig_code add_name(void *ctx, const char *name, const struct env_stat *st, struct error *err)
{
    struct names *names = ctx;

    (void)err;
    if (!st->is_dir)
        vec_push(&names->list, check_strdup(name));
    return IG_OK;
}

/* A checksum that fits, so that what is behind it is looked at: of the batch there, or of a whole state. */
static void fit_checksum(struct buf *b, size_t at, bool state)
{
    if (state && b->n > 4) {
        wire_store(b->p + b->n - 4, (int64_t)hash_crc32c(0, b->p, b->n - 4), 4);
    } else if (!state && at + BATCH_HEADER_BYTES <= b->n) {
        const int64_t n = wire_load(b->p + at + 8, 4) + BATCH_PREFIX_BYTES;

        if (n >= BATCH_HEADER_BYTES && n <= (int64_t)(b->n - at))
            wire_store(b->p + at + 17, (int64_t)hash_crc32c(0, b->p + at + 21, (size_t)n - 21), 4);
    }
}

static void damage_file(struct env *env, const char *path, struct input *in)
{
    const bool state = str_has_suffix(str_of(path), ".state");
    const int64_t how = take(in, 1);
    struct buf b;
    size_t at;

    buf_init(&b, FILE_MAX);
    (void)!env_read_file(env, path, &b, NULL);
    at = b.n ? (size_t)take(in, 2) % b.n : 0;
    switch (how % 5) {
    case 0: /* bytes change */
        for (int64_t n = take(in, 1) % 16; n >= 0 && at < b.n; n--)
            b.p[at++] = (char)take(in, 1);
        break;
    case 1: /* the end is missing */
        b.n = at;
        break;
    case 2: /* something else is there */
        buf_clear(&b);
        for (int64_t n = take(in, 1); n > 0; n--)
            buf_putc(&b, (char)take(in, 1));
        break;
    case 3: /* something is behind it */
        for (int64_t n = take(in, 1); n > 0; n--)
            buf_putc(&b, (char)take(in, 1));
        break;
    default: /* a part of it, twice */
        if (b.n > at && b.n * 2 - at <= FILE_MAX) {
            char *copy = check_malloc(b.n - at + 1);
            const size_t n = b.n - at;

            memcpy(copy, b.p + at, n);
            buf_add(&b, copy, n);
            free(copy);
        }
        break;
    }
    if (how & 0x80)
        fit_checksum(&b, how & 0x40 ? at : 0, state);
    (void)!env_replace_file(env, path, buf_str(&b), NULL);
    buf_release(&b);
}

static void damage(struct env *env, struct input *in)
{
    static const char *const more[] = {"start", "00000000000000000005.log", "00000000000000000030.state",
                                       "00000000000000000000.cleaned",
                                       "00000000000000000000-00000000000000000009.swap"};
    struct names names = {0};
    char path[512];

    (void)!env_list(env, DIR_, add_name, &names, NULL);
    for (int64_t n = take(in, 1) % 8; n >= 0; n--) {
        const size_t i = (size_t)take(in, 1) % (names.list.n + IG_COUNT(more));

        snprintf(path, sizeof(path), "%s/%s", DIR_, i < names.list.n ? names.list.p[i] : more[i - names.list.n]);
        if (take(in, 1) % 8 == 0)
            (void)!env_unlink(env, path, NULL);
        else
            damage_file(env, path, in);
    }
    for (size_t i = 0; i < names.list.n; i++)
        free(names.list.p[i]);
    vec_free(&names.list);
}

/* --- what must be possible all the same ----------------------------------------------------------------------- */

static void read_all(struct plog *log)
{
    int64_t offset = log->start, found, time;
    struct plog_span span;

    while (offset < log->durable.offset) {
        if (plog_read(log, offset, 300, true, &span, NULL) || span.n == 0)
            break;
        file_unpin(span.file);
        if (span.end_offset <= offset) /* a state whose checksum was put right can say anything */
            break;
        offset = span.end_offset;
    }
    (void)!plog_find_time(log, 1005, &found, &time, NULL);
    (void)!plog_find_max_time(log, &found, &time, NULL);
    IG_ASSERT(plog_stable(log) <= log->durable.offset);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, data + size};
    struct env *env = env_sim_new(1);
    struct files *files = files_new(env, 3);
    struct plog_mark mark;
    struct plog *log;

    env->log_level = ENV_LOG_ERROR;
    mark = write_log(env, files);
    if (take(&in, 1) % 4 == 0)
        mark = (struct plog_mark){take(&in, 1) % 32 - 1, take(&in, 2), take(&in, 1) % 64};
    damage(env, &in);
    for (int round = 0; round < 2; round++) {
        if (plog_open(env, files, DIR_, SEGMENT_BYTES, mark, &log, NULL))
            break;
        read_all(log);
        for (int32_t i = 0; i < 4; i++)
            append(log, 100 + i);
        sync_log(env, log);
        read_all(log);
        if (!log->failed)
            mark = log->durable;
        plog_close(log);
    }
    files_free(files);
    env_sim_free(env);
    return 0;
}
