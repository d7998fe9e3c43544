#include "base/env_sim.h"
#include "batches.h"
#include "broker/marks.h"
#include "broker/plog.h"
#include "test.h"

#define DIR_ "log/topic/0"
static const struct wire_uuid topic_id = {{1, 2, 3}};

/* A partition as the broker runs it, in one thread. */
struct rig {
    struct env *env;
    struct files *files;
    struct marks *marks;
    struct plog *log;
    size_t slot;
    int64_t segment_bytes;
};

static enum ig_code rig_open(struct rig *r, struct error *err)
{
    struct plog_mark mark;

    r->files = files_new(r->env, 3);
    r->marks = NULL;
    r->log = NULL;
    IG_TRY(env_make_dirs(r->env, "log", err));
    IG_TRY(marks_open(r->env, "log/durable", &r->marks, err));
    mark = marks_claim(r->marks, &topic_id, 0, &r->slot);
    IG_TRY(plog_open(r->env, r->files, DIR_, r->segment_bytes, mark, &r->log, err));
    if (!r->log->failed)
        marks_set(r->marks, r->slot, &r->log->durable);
    return marks_begin(r->marks, err);
}

static void rig_close(struct rig *r, bool cleanly)
{
    if (r->log && cleanly)
        plog_close(r->log);
    else if (r->log)
        plog_abandon(r->log);
    marks_close(r->marks);
    files_free(r->files);
    r->log = NULL;
}

static struct rig rig_new(uint64_t seed, int64_t segment_bytes)
{
    struct rig r = {.env = env_sim_new(seed), .segment_bytes = segment_bytes};
    struct error err;

    assert_int_equal(rig_open(&r, &err), IG_OK);
    return r;
}

static void rig_reopen(struct rig *r, bool cleanly)
{
    struct error err;

    rig_close(r, cleanly);
    if (rig_open(r, &err))
        fail_msg("%s", err.msg);
}

static void rig_free(struct rig *r)
{
    rig_close(r, false);
    env_sim_free(r->env);
}

/* Batch number i is always the same: so what is read can be compared with what was written. */
static char *batch_number(int64_t i, size_t *n)
{
    const struct batch_wish wish = {.records = (int32_t)(1 + i % 5),
                                    .value_bytes = (size_t)(i * 37 % 900),
                                    .fill = (char)('a' + i % 26),
                                    .timestamp_ms = 1000000 + i * 10,
                                    .producer_id = 77,
                                    .sequence = (int32_t)i};

    return make_batch(&wish, n);
}

static enum ig_code append_number(struct rig *r, int64_t i, int64_t *base, struct error *err)
{
    struct batch b;
    enum ig_code rc;
    size_t n;
    char *p = batch_number(i, &n);

    assert_int_equal(batch_check(p, n, &b, err), IG_OK);
    rc = plog_append(r->log, &b, p, err);
    *base = b.base_offset;
    free(p);
    return rc;
}

static enum ig_code sync_log(struct rig *r, struct error *err)
{
    struct plog_sync s;
    enum ig_code rc;

    if (!plog_is_dirty(r->log))
        return IG_OK;
    plog_sync_begin(r->log, &s);
    rc = plog_sync_run(r->env, r->log->dir, &s, err);
    plog_sync_end(r->log, &s, rc, err);
    if (!rc)
        marks_set(r->marks, r->slot, &r->log->durable);
    return rc;
}

static void append_many(struct rig *r, int64_t from, int64_t to)
{
    struct error err;
    int64_t base;

    for (int64_t i = from; i < to; i++)
        assert_int_equal(append_number(r, i, &base, &err), IG_OK);
    assert_int_equal(sync_log(r, &err), IG_OK);
}

/* Reads everything from the start; gives how many batches there are, all as they were appended, from number `from`. */
static int64_t count_batches(struct rig *r, int64_t from)
{
    int64_t offset = r->log->start, number = from;

    for (;;) {
        struct plog_span span;
        struct error err;
        char *got;
        const enum ig_code rc = plog_read(r->log, offset, 3000, true, &span, &err);

        if (rc == IG_IO && r->log->failed) /* the place of the damage */
            break;
        assert_int_equal(rc, IG_OK);
        if (span.n == 0)
            break;
        got = check_malloc(span.n);
        assert_int_equal(env_read_full(r->env, span.open, span.at, got, span.n, &err), IG_OK);
        file_unpin(span.file);
        for (size_t at = 0; at < span.n; number++) {
            size_t n;
            char *want = batch_number(number, &n);
            struct batch b;

            assert_true(batch_parse(got + at, span.n - at, &b));
            assert_true(at + n <= span.n);
            assert_int_equal(b.base_offset, offset);
            assert_memory_equal(got + at + 16, want + 16, n - 16);
            offset = b.base_offset + b.last_offset_delta + 1;
            at += n;
            free(want);
        }
        free(got);
    }
    assert_int_equal(offset, r->log->durable.offset);
    return number - from;
}

static void what_is_appended_is_read_in_every_portion(void **state)
{
    struct rig r = rig_new(1, 20000);
    struct plog_span span;
    struct error err;

    (void)state;
    append_many(&r, 0, 300);
    assert_true(r.log->segments.n > 3);
    assert_int_equal(count_batches(&r, 0), 300);
    assert_int_equal(r.log->end, 900); /* 1 to 5 records each */
    for (int64_t offset = 0; offset < 900; offset += 7) {
        struct batch b;
        char head[BATCH_HEADER_BYTES];

        assert_int_equal(plog_read(r.log, offset, 1, true, &span, &err), IG_OK);
        assert_int_equal(env_read_full(r.env, span.open, span.at, head, sizeof(head), &err), IG_OK);
        file_unpin(span.file);
        assert_true(batch_parse(head, sizeof(head), &b));
        assert_int_equal(b.bytes, span.n); /* one batch, that holds the offset */
        assert_in_range(offset, b.base_offset, b.base_offset + b.last_offset_delta);
        assert_int_equal(plog_read(r.log, offset, 1, false, &span, &err), IG_OK);
        assert_int_equal(span.n, 0);
    }
    assert_int_equal(plog_read(r.log, 901, 1000, true, &span, &err), IG_NOT_FOUND);
    assert_int_equal(plog_read(r.log, 900, 1000, true, &span, &err), IG_OK);
    assert_int_equal(span.n, 0);
    rig_free(&r);
}

static void only_what_is_durable_is_read(void **state)
{
    struct rig r = rig_new(1, 20000);
    struct plog_span span;
    struct error err;
    int64_t base;

    (void)state;
    assert_int_equal(append_number(&r, 0, &base, &err), IG_OK);
    assert_int_equal(plog_read(r.log, 0, 1000, true, &span, &err), IG_OK);
    assert_int_equal(span.n, 0);
    assert_int_equal(plog_available(r.log, 0), 0);
    assert_int_equal(sync_log(&r, &err), IG_OK);
    assert_int_equal(plog_read(r.log, 0, 1000, true, &span, &err), IG_OK);
    assert_true(span.n > 0);
    file_unpin(span.file);
    rig_free(&r);
}

static void everything_is_there_after_a_stop_and_after_a_kill(void **state)
{
    struct rig r = rig_new(1, 20000);
    struct batch again = {.producer_id = 77, .base_sequence = 209, .last_offset_delta = 4, .records = 5};
    int64_t duplicate, reads;

    (void)state;
    append_many(&r, 0, 100);
    rig_reopen(&r, true);
    assert_int_equal(count_batches(&r, 0), 100);
    append_many(&r, 100, 210);
    rig_reopen(&r, false);
    assert_int_equal(count_batches(&r, 0), 210);
    assert_false(r.log->failed);
    again.last_offset_delta = 209 % 5;
    assert_int_equal(producers_check(&r.log->producers, &again, &duplicate), PRODUCER_DUPLICATE);
    rig_reopen(&r, true);
    reads = env_sim_count(r.env, ENV_SIM_READ);
    rig_reopen(&r, true);
    assert_true(env_sim_count(r.env, ENV_SIM_READ) - reads < 60); /* states and marks, no records */
    assert_int_equal(count_batches(&r, 0), 210);
    rig_free(&r);
}

/* The last segment's file, changed by hand. */
static void damage(struct rig *r, int64_t base, int64_t at, int64_t cut_to)
{
    struct env_file *f;
    struct error err;
    char path[256], byte;

    snprintf(path, sizeof(path), DIR_ "/%020lld.log", (long long)base);
    assert_int_equal(env_open(r->env, path, ENV_OPEN_READ | ENV_OPEN_WRITE, &f, &err), IG_OK);
    env_sim_advance(r->env, 5000);
    if (at >= 0) {
        assert_int_equal(env_read_full(r->env, f, at, &byte, 1, &err), IG_OK);
        byte ^= 0x40;
        assert_int_equal(env_write(r->env, f, at, &byte, 1, &err), IG_OK);
    }
    if (cut_to >= 0)
        assert_int_equal(env_truncate(r->env, f, cut_to, &err), IG_OK);
    env_close(r->env, f);
}

/* Three durable batches and one that was not: torn at each of its bytes, it goes, and they stay. */
static void a_torn_tail_is_cut_at_every_byte(void **state)
{
    size_t last_n;

    (void)state;
    free(batch_number(3, &last_n));
    for (size_t torn = 0; torn < last_n; torn++) {
        struct rig r = rig_new(1, 20000);
        const struct plog_mark *mark = &r.log->durable;
        struct error err;
        int64_t base;

        append_many(&r, 0, 3);
        assert_int_equal(append_number(&r, 3, &base, &err), IG_OK);
        damage(&r, 0, torn % 2 ? mark->pos + (int64_t)torn : -1, torn % 2 ? -1 : mark->pos + (int64_t)torn);
        rig_reopen(&r, false);
        assert_false(r.log->failed);
        /* The leader epoch (bytes 12 to 15) is not under the checksum, and means nothing here. */
        assert_int_equal(count_batches(&r, 0), torn == 13 || torn == 15 ? 4 : 3);
        append_many(&r, count_batches(&r, 0), 10);
        rig_reopen(&r, false);
        assert_int_equal(count_batches(&r, 0), 10);
        rig_free(&r);
    }
}

static void damage_to_acknowledged_records_is_told_and_nothing_is_cut(void **state)
{
    (void)state;
    for (int how = 0; how < 4; how++) {
        struct rig r = rig_new(1, 20000);
        struct env_stat before, after;
        struct error err;
        int64_t base, last, in_front;

        append_many(&r, 0, 100);
        last = r.log->durable.base;
        in_front = r.log->durable.offset;
        if (how < 2) /* after a kill, or after a stop */
            rig_reopen(&r, how == 1);
        rig_close(&r, how == 1);
        if (how == 2)
            damage(&r, last, -1, 500); /* the durable end is missing */
        else if (how == 3)
            damage(&r, 0, 700, -1); /* in an old segment */
        else
            damage(&r, last, 700, -1);
        assert_int_equal(env_stat(r.env, DIR_, &before, &err), IG_OK);
        assert_int_equal(rig_open(&r, &err), IG_OK);
        assert_true(r.log->failed);
        assert_non_null(strstr(r.log->why, ".log"));
        assert_non_null(strstr(r.log->why, "byte"));
        assert_int_equal(append_number(&r, 100, &base, &err), IG_IO);
        assert_true(r.log->durable.offset < in_front);
        assert_in_range(count_batches(&r, 0), 0, 99);
        rig_reopen(&r, false); /* and it is found again */
        assert_true(r.log->failed);
        assert_int_equal(env_stat(r.env, DIR_, &after, &err), IG_OK);
        rig_free(&r);
    }
}

/* Where the second segment begins, found as a reader would: no read goes over a segment's end. */
static int64_t second_base(struct rig *r)
{
    struct plog_span span;
    struct batch b = {0};
    struct error err;
    char *got;

    assert_int_equal(plog_read(r->log, 0, 1 << 20, true, &span, &err), IG_OK);
    got = check_malloc(span.n);
    assert_int_equal(env_read_full(r->env, span.open, span.at, got, span.n, &err), IG_OK);
    for (size_t at = 0; at < span.n; at += (size_t)b.bytes)
        assert_true(batch_parse(got + at, span.n - at, &b));
    file_unpin(span.file);
    free(got);
    return b.base_offset + b.last_offset_delta + 1;
}

static void a_segment_that_vanished_is_missed(void **state)
{
    (void)state;
    for (size_t which = 0; which < 3; which++) {
        struct rig r = rig_new(1, 4000);
        int64_t bases[3] = {0};
        struct error err;
        char path[256];

        append_many(&r, 0, 60);
        bases[1] = second_base(&r);
        bases[2] = r.log->durable.base;
        snprintf(path, sizeof(path), DIR_ "/%020lld.log", (long long)bases[which]);
        rig_close(&r, true);
        assert_int_equal(env_unlink(r.env, path, &err), IG_OK);
        assert_int_equal(rig_open(&r, &err), IG_OK);
        /* The oldest may go (as by hand, to free the disk), no other. */
        assert_int_equal(r.log->failed, which != 0);
        rig_free(&r);
    }
}

/* The disk is full just when a new segment is to begin: what is in the old one becomes durable all the same. */
static void a_segment_that_cannot_begin_holds_up_nothing(void **state)
{
    struct rig r = rig_new(1, 4000);
    struct error err;
    int64_t base, i = 0;
    enum ig_code rc;

    (void)state;
    env_sim_fail(r.env, ENV_SIM_OPEN, 4, IG_NO_SPACE, true); /* the segment, its state twice, the next segment */
    while ((rc = append_number(&r, i, &base, &err)) == IG_OK)
        i++;
    assert_int_equal(rc, IG_NO_SPACE);
    assert_true(i > 3);
    env_sim_fail(r.env, ENV_SIM_OPEN, 0, IG_OK, false);
    assert_true(plog_is_dirty(r.log));
    assert_int_equal(sync_log(&r, &err), IG_OK);
    assert_int_equal(count_batches(&r, 0), i);
    rig_reopen(&r, false);
    assert_false(r.log->failed);
    assert_int_equal(count_batches(&r, 0), i);
    append_many(&r, i, i + 20);
    rig_reopen(&r, true);
    assert_int_equal(count_batches(&r, 0), i + 20);
    rig_free(&r);
}

static void a_failed_sync_ends_the_log_and_recovery_begins_it_again(void **state)
{
    struct rig r = rig_new(1, 20000);
    struct error err;
    int64_t base;

    (void)state;
    append_many(&r, 0, 10);
    assert_int_equal(append_number(&r, 10, &base, &err), IG_OK);
    env_sim_fail(r.env, ENV_SIM_SYNC, 1, IG_IO, false);
    assert_int_equal(sync_log(&r, &err), IG_IO);
    assert_true(r.log->failed);
    assert_int_equal(append_number(&r, 11, &base, &err), IG_IO);
    assert_int_equal(count_batches(&r, 0), 10);
    rig_reopen(&r, false);
    assert_false(r.log->failed);
    assert_int_equal(count_batches(&r, 0), 10);
    rig_free(&r);
}

static void a_full_disk_refuses_and_then_goes_on(void **state)
{
    struct rig r = rig_new(1, 20000);
    struct error err;
    int64_t base;

    (void)state;
    append_many(&r, 0, 10);
    env_sim_fail(r.env, ENV_SIM_WRITE, 1, IG_NO_SPACE, false);
    assert_int_equal(append_number(&r, 10, &base, &err), IG_NO_SPACE);
    assert_false(r.log->failed);
    append_many(&r, 10, 20);
    rig_reopen(&r, false);
    assert_int_equal(count_batches(&r, 0), 20);
    env_sim_fail(r.env, ENV_SIM_WRITE, 1, IG_IO, false);
    assert_int_equal(append_number(&r, 20, &base, &err), IG_IO);
    assert_true(r.log->failed);
    rig_free(&r);
}

/* The model: what was acknowledged is there after any power cut, in its order, once, and behind it at most what had
 * been appended, as a beginning of it. */
static void a_power_cut_never_takes_what_was_acknowledged(void **state)
{
    struct test_random random = test_random_new();

    (void)state;
    for (int round = 0; round < 250; round++) {
        const uint64_t seed = test_random_next(&random);
        struct rig r = rig_new(seed, 4000);
        int64_t appended = 0, acked = 0, base;
        struct error err;

        for (int life = 0; life < 3; life++) {
            int64_t found;

            env_sim_power_cut_at(r.env, 1 + (int64_t)test_random_below(&random, 60));
            while (!env_sim_is_off(r.env)) {
                enum ig_code rc;

                if (test_random_below(&random, 3) == 0) {
                    rc = sync_log(&r, &err);
                    if (!rc)
                        acked = appended;
                } else {
                    rc = append_number(&r, appended, &base, &err);
                    appended += rc == IG_OK || rc == IG_IO; /* a failed one may be there */
                }
                if (rc)
                    break;
            }
            rig_close(&r, false);
            if (!env_sim_is_off(r.env))
                env_sim_power_cut(r.env);
            env_sim_power_on(r.env);
            env_sim_advance(r.env, 1000000);
            if (rig_open(&r, &err))
                fail_msg("seed %llu: %s", (unsigned long long)seed, err.msg);
            if (r.log->failed)
                fail_msg("seed %llu: %s", (unsigned long long)seed, r.log->why);
            found = count_batches(&r, 0);
            if (found < acked || found > appended)
                fail_msg("seed %llu: %lld acknowledged, %lld appended, %lld found", (unsigned long long)seed,
                         (long long)acked, (long long)appended, (long long)found);
            appended = acked = found; /* opening made durable what it found */
        }
        rig_free(&r);
    }
}

/* Segments that recovery removed must not come back with the next power cut, behind a record that fills the gap. */
static void what_recovery_has_cut_stays_cut(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        const int64_t acked = 1 + (int64_t)seed % 12; /* so that the segment which is cut has room or not */
        struct rig r = rig_new(seed, 4000);
        struct error err;
        int64_t base, found;

        append_many(&r, 0, acked);
        assert_int_equal(sync_log(&r, &err), IG_OK);
        for (int64_t i = acked; i < acked + 12; i++) /* several segments, never synced */
            assert_int_equal(append_number(&r, i, &base, &err), IG_OK);
        for (int life = 0; life < 2; life++) {
            rig_close(&r, false);
            env_sim_power_cut(r.env);
            env_sim_power_on(r.env);
            assert_int_equal(rig_open(&r, &err), IG_OK);
            assert_false(r.log->failed);
            if (life == 0) {
                found = count_batches(&r, 0);
                assert_int_equal(append_number(&r, found, &base, &err), IG_OK);
                assert_int_equal(sync_log(&r, &err), IG_OK);
            }
        }
        if (count_batches(&r, 0) != found + 1)
            fail_msg("seed %llu: what was cut is there again", (unsigned long long)seed);
        rig_free(&r);
    }
}

/* The same with the power cut while the log is being opened. */
static void a_power_cut_during_recovery_is_survived(void **state)
{
    (void)state;
    for (int64_t at = 1; at < 30; at++) {
        struct rig r = rig_new((uint64_t)at, 4000);
        struct error err;
        int64_t base;

        append_many(&r, 0, 20);
        assert_int_equal(append_number(&r, 20, &base, &err), IG_OK);
        env_sim_power_cut(r.env);
        rig_close(&r, false);
        env_sim_power_cut_at(r.env, at);
        (void)!rig_open(&r, &err);
        rig_close(&r, false);
        env_sim_power_on(r.env);
        if (rig_open(&r, &err))
            fail_msg("cut at %lld: %s", (long long)at, err.msg);
        assert_false(r.log->failed);
        assert_in_range(count_batches(&r, 0), 20, 21);
        rig_free(&r);
    }
}

static void records_are_found_by_time(void **state)
{
    struct rig r = rig_new(1, 20000);
    struct error err;
    int64_t offset, found;

    (void)state;
    append_many(&r, 0, 200); /* batch i has time 1000000 + 10 i and begins at offset 15 * (i / 5) + ... */
    assert_int_equal(plog_find_time(r.log, 0, &offset, &found, &err), IG_OK);
    assert_int_equal(offset, 0);
    for (int64_t i = 0; i < 200; i += 3) {
        const int64_t begins = i / 5 * 15 + (i % 5) * (i % 5 + 1) / 2;

        assert_int_equal(plog_find_time(r.log, 1000000 + i * 10 - 5, &offset, &found, &err), IG_OK);
        assert_int_equal(offset, begins);
        assert_int_equal(found, 1000000 + i * 10);
    }
    assert_int_equal(plog_find_time(r.log, 1000000 + 199 * 10 + 1, &offset, &found, &err), IG_OK);
    assert_int_equal(offset, -1);
    assert_int_equal(plog_find_max_time(r.log, &offset, &found, &err), IG_OK);
    assert_int_equal(found, 1000000 + 199 * 10);
    rig_reopen(&r, true); /* now from states */
    assert_int_equal(plog_find_time(r.log, 1000000 + 50 * 10, &offset, &found, &err), IG_OK);
    assert_int_equal(offset, 150);
    rig_free(&r);
}

static void old_segments_go_by_time_and_by_size(void **state)
{
    struct rig r = rig_new(1, 4000);
    struct error err;
    struct plog_span span;
    size_t segments;
    int64_t now_ms;

    (void)state;
    append_many(&r, 0, 100);
    env_sim_advance(r.env, 10 * 1000000);
    append_many(&r, 100, 200);
    segments = r.log->segments.n;
    assert_true(segments > 10);
    now_ms = env_now_ms(r.env); /* the records' own time is years before */
    assert_int_equal(plog_retain(r.log, now_ms, 11000, -1, &err), IG_OK);
    assert_int_equal(r.log->segments.n, segments);
    assert_int_equal(plog_retain(r.log, now_ms, 1000, -1, &err), IG_OK);
    assert_in_range(r.log->segments.n, segments / 4, segments * 3 / 4);
    assert_true(r.log->start > 0);
    assert_int_equal(plog_read(r.log, r.log->start - 1, 1, true, &span, &err), IG_NOT_FOUND);
    assert_int_equal(plog_retain(r.log, 0, -1, 9000, &err), IG_OK);
    assert_in_range(plog_size(r.log), 4000, 13000);
    rig_reopen(&r, false);
    assert_false(r.log->failed);
    assert_int_equal(plog_retain(r.log, INT64_C(4000000000000), 1000, -1, &err), IG_OK); /* everything is old now */
    assert_int_equal(r.log->start, r.log->end);
    append_many(&r, 200, 210);
    rig_reopen(&r, false);
    assert_false(r.log->failed);
    assert_int_equal(count_batches(&r, 200), 10);
    rig_free(&r);
}

static void trimming_survives_a_power_cut_at_any_point(void **state)
{
    (void)state;
    for (int64_t at = 1; at < 40; at++) {
        struct rig r = rig_new((uint64_t)at * 77, 4000);
        struct error err;
        int64_t start;

        append_many(&r, 0, 60);
        env_sim_power_cut_at(r.env, at);
        (void)!plog_trim(r.log, 90, &err);
        rig_close(&r, false);
        if (!env_sim_is_off(r.env))
            env_sim_power_cut(r.env);
        env_sim_power_on(r.env);
        if (rig_open(&r, &err))
            fail_msg("cut at %lld: %s", (long long)at, err.msg);
        assert_false(r.log->failed);
        start = r.log->start;
        assert_true(start == 0 || start == 90);
        assert_int_equal(count_batches(&r, start == 0 ? 0 : 30), start == 0 ? 60 : 30);
        rig_free(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_appended_is_read_in_every_portion),
        cmocka_unit_test(only_what_is_durable_is_read),
        cmocka_unit_test(everything_is_there_after_a_stop_and_after_a_kill),
        cmocka_unit_test(a_torn_tail_is_cut_at_every_byte),
        cmocka_unit_test(damage_to_acknowledged_records_is_told_and_nothing_is_cut),
        cmocka_unit_test(a_segment_that_vanished_is_missed),
        cmocka_unit_test(a_segment_that_cannot_begin_holds_up_nothing),
        cmocka_unit_test(a_failed_sync_ends_the_log_and_recovery_begins_it_again),
        cmocka_unit_test(a_full_disk_refuses_and_then_goes_on),
        cmocka_unit_test(a_power_cut_never_takes_what_was_acknowledged),
        cmocka_unit_test(what_recovery_has_cut_stays_cut),
        cmocka_unit_test(a_power_cut_during_recovery_is_survived),
        cmocka_unit_test(records_are_found_by_time),
        cmocka_unit_test(old_segments_go_by_time_and_by_size),
        cmocka_unit_test(trimming_survives_a_power_cut_at_any_point),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
