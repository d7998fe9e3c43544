#include "base/env_sim.h"
#include "broker/key_map.h"
#include "broker/marks.h"
#include "broker/plog_clean.h"
#include "broker/segment.h"
#include "test.h"

#define DIR_ "log/topic/0"
#define KEYS 12
#define RECORDS_MAX 4000
static const struct wire_uuid topic_id = {{1, 2, 3}};

/* What was written at each offset. */
struct written {
    int key;   /* -1: nothing, or a marker */
    int value; /* -1: a tombstone */
};

struct rig {
    struct env *env;
    struct files *files;
    struct marks *marks;
    struct plog *log;
    size_t slot;
    struct written written[RECORDS_MAX];
    int64_t acked;
    struct plog_clean_rules rules;
    int codec;
};

static enum ig_code rig_open(struct rig *r, struct error *err)
{
    struct plog_mark mark;

    r->files = files_new(r->env, 4);
    r->marks = NULL;
    r->log = NULL;
    IG_TRY(env_make_dirs(r->env, "log", err));
    IG_TRY(marks_open(r->env, "log/durable", &r->marks, err));
    mark = marks_claim(r->marks, &topic_id, 0, &r->slot);
    IG_TRY(plog_open(r->env, r->files, DIR_, 2000, mark, &r->log, err));
    if (!r->log->failed)
        marks_set(r->marks, r->slot, &r->log->synced);
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

static enum ig_code sync_marks(void *ctx, struct error *err)
{
    const struct rig *r = ctx;

    return marks_sync(r->marks, err);
}

static struct rig *rig_new(uint64_t seed)
{
    struct rig *r = check_calloc(1, sizeof(*r));
    struct error err;

    r->env = env_sim_new(seed);
    r->rules = (struct plog_clean_rules){.delete_retention_ms = 1000,
                                         .max_lag_ms = INT64_MAX,
                                         .min_dirty = 0.01,
                                         .segment_bytes = 2000,
                                         .map_bytes = 1 << 20,
                                         .before_swap = sync_marks,
                                         .ctx = r};
    assert_int_equal(rig_open(r, &err), IG_OK);
    return r;
}

static void rig_reopen(struct rig *r, bool cleanly)
{
    struct error err;

    rig_close(r, cleanly);
    if (rig_open(r, &err))
        fail_msg("%s", err.msg);
    if (r->log->failed)
        fail_msg("%s", r->log->why);
}

static void rig_free(struct rig *r)
{
    rig_close(r, false);
    env_sim_free(r->env);
    free(r);
}

struct producer_wish {
    int64_t id; /* 0: none */
    int32_t sequence;
    bool in_txn;
};

/* A batch of n records; `value` counts up with each. */
static enum ig_code append(struct rig *r, const int *keys, const int *values, int n, const struct producer_wish *who,
                           struct error *err)
{
    const struct batch_rewrite pack = {.codec = r->codec, .horizon_ms = -1};
    struct batch_builder builder;
    struct buf out;
    struct batch b;
    enum ig_code rc;
    int32_t kept;
    char *p;

    batch_builder_init(&builder, env_now_ms(r->env));
    for (int i = 0; i < n; i++) {
        char key[16], value[64];

        snprintf(key, sizeof(key), "key-%d", keys[i]);
        snprintf(value, sizeof(value), "value-%d-%032d", values[i], values[i]);
        batch_builder_add(&builder, str_of(key), values[i] < 0 ? (struct str){NULL, 0} : str_of(value));
    }
    (void)batch_builder_finish(&builder);
    p = builder.buf.p;
    if (who && who->id) {
        wire_store(p + 21, who->in_txn ? BATCH_TRANSACTIONAL : 0, 2);
        wire_store(p + 43, who->id, 8);
        wire_store(p + 51, 0, 2);
        wire_store(p + 53, who->sequence, 4);
    }
    wire_store(p + 17, (int64_t)hash_crc32c(0, p + 21, builder.buf.n - 21), 4);
    buf_init(&out, 0);
    assert_int_equal(batch_rewrite(p, builder.buf.n, &pack, &out, &kept, err), IG_OK);
    assert_int_equal(batch_check(out.p, out.n, &b, err), IG_OK);
    rc = plog_append(r->log, &b, out.p, err);
    for (int i = 0; i < n && !rc; i++)
        r->written[b.base_offset + i] = (struct written){keys[i], values[i]};
    buf_release(&out);
    batch_builder_release(&builder);
    return rc;
}

static enum ig_code marker(struct rig *r, int64_t id, bool commit, struct error *err)
{
    struct batch_builder builder;
    struct batch b;
    struct str bytes;
    enum ig_code rc;

    batch_builder_init(&builder, env_now_ms(r->env));
    bytes = batch_builder_marker(&builder, id, 0, commit ? BATCH_MARKER_COMMIT : BATCH_MARKER_ABORT, 0);
    assert_true(batch_parse(bytes.p, bytes.n, &b));
    rc = plog_append(r->log, &b, bytes.p, err);
    if (!rc)
        r->written[b.base_offset] = (struct written){-1, -1};
    batch_builder_release(&builder);
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
    if (!rc) {
        marks_set(r->marks, r->slot, &r->log->synced);
        r->acked = r->log->durable.offset;
    }
    return rc;
}

static enum ig_code clean(struct rig *r, struct error *err)
{
    struct plog_clean *c;
    struct plog_gone gone = {0};
    enum ig_code rc;

    if (plog_clean_need(r->log, &r->rules, env_now_ms(r->env)) < 0)
        return IG_OK;
    c = plog_clean_begin(r->log, &r->rules, env_now_ms(r->env));
    do
        rc = plog_clean_run(c, err);
    while (!rc && !plog_clean_apply(r->log, c));
    plog_clean_end(r->log, c, &gone);
    plog_gone_remove(r->env, &gone);
    return rc;
}

struct seen {
    int64_t newest[KEYS]; /* offset; -1: none */
    int64_t records, batches, empty, markers;
};

static void see_batch(struct rig *r, const char *p, size_t n, int64_t *next, struct seen *seen)
{
    struct batch_reader reader;
    struct batch_record record;
    struct error err;

    assert_int_equal(batch_reader_open(&reader, p, n, &err), IG_OK);
    assert_true(reader.batch.base_offset >= *next);
    assert_true(batch_crc_ok(p, n, &reader.batch));
    seen->batches++;
    seen->empty += reader.batch.records == 0;
    seen->markers += (reader.batch.attributes & BATCH_CONTROL) != 0;
    while (!(reader.batch.attributes & BATCH_CONTROL) && batch_reader_next(&reader, &record)) {
        const struct written *w = &r->written[record.offset];
        char key[16], value[64];

        snprintf(key, sizeof(key), "key-%d", w->key);
        snprintf(value, sizeof(value), "value-%d-%032d", w->value, w->value);
        assert_true(str_is(record.key, key));
        assert_true(w->value < 0 ? !record.value.p : str_is(record.value, value));
        seen->newest[w->key] = record.offset;
        seen->records++;
    }
    assert_false(reader.in.bad);
    *next = reader.batch.base_offset + reader.batch.last_offset_delta + 1;
    batch_reader_close(&reader);
}

/* Reads all there is, as a consumer would, and compares it with what was written. */
static struct seen look(struct rig *r)
{
    int64_t next = r->log->start;
    struct seen seen = {.newest = {0}};

    for (int i = 0; i < KEYS; i++)
        seen.newest[i] = -1;
    for (;;) {
        struct plog_span span;
        struct error err;
        struct batch b;
        char *got;

        assert_int_equal(plog_read(r->log, next, 1500, true, &span, &err), IG_OK);
        if (span.n == 0)
            break;
        got = check_malloc(span.n);
        assert_int_equal(env_read_full(r->env, span.open, span.at, got, span.n, &err), IG_OK);
        file_unpin(span.file);
        for (size_t at = 0; at < span.n; at += (size_t)b.bytes) {
            assert_true(batch_parse(got + at, span.n - at, &b));
            see_batch(r, got + at, span.n - at, &next, &seen);
        }
        free(got);
    }
    return seen;
}

/* Of each key the newest acknowledged record is there, or a newer one. */
static void check_newest(struct rig *r, uint64_t seed)
{
    const struct seen seen = look(r);
    int64_t newest[KEYS];

    for (int i = 0; i < KEYS; i++)
        newest[i] = -1;
    for (int64_t i = 0; i < r->acked; i++) {
        if (r->written[i].key >= 0)
            newest[r->written[i].key] = i;
    }
    for (int i = 0; i < KEYS; i++) {
        if (newest[i] >= 0 && r->written[newest[i]].value >= 0 && seen.newest[i] < newest[i])
            fail_msg("seed %llu: the record of key %d at offset %lld is gone", (unsigned long long)seed, i,
                     (long long)newest[i]);
    }
}

static void fill(struct rig *r, struct test_random *random, int batches, int from)
{
    struct error err;

    for (int i = 0; i < batches; i++) {
        int keys[4], values[4];
        const int n = 1 + (int)test_random_below(random, 4);

        for (int k = 0; k < n; k++) {
            keys[k] = (int)test_random_below(random, KEYS);
            values[k] = from + i;
        }
        assert_int_equal(append(r, keys, values, n, NULL, &err), IG_OK);
    }
    assert_int_equal(sync_log(r, &err), IG_OK);
}

static void of_each_key_the_newest_stays(void **state)
{
    (void)state;
    for (int codec = 0; codec <= 4; codec++) {
        struct rig *r = rig_new((uint64_t)codec + 1);
        struct test_random random = {(uint64_t)codec + 1};
        struct seen seen;
        struct error err;
        int64_t end, size;

        r->codec = codec;
        fill(r, &random, 200, 0);
        end = r->log->end;
        size = plog_size(r->log);
        assert_int_equal(clean(r, &err), IG_OK);
        check_newest(r, 0);
        seen = look(r);
        assert_true(plog_size(r->log) < size / 2);
        assert_in_range(seen.records, KEYS, 3 * KEYS + 40); /* the last segment is not touched */
        assert_int_equal(r->log->end, end);
        assert_true(r->log->cleaned > 0);
        for (int life = 0; life < 3; life++) {
            rig_reopen(r, life != 1);
            assert_int_equal(look(r).records, seen.records);
            assert_int_equal(r->log->end, end);
        }
        fill(r, &random, 200, 1000);
        assert_int_equal(clean(r, &err), IG_OK);
        check_newest(r, 0);
        assert_in_range(look(r).records, KEYS, 3 * KEYS + 40);
        assert_true(plog_clean_need(r->log, &r->rules, env_now_ms(r->env)) < 0);
        rig_free(r);
    }
}

static void a_small_map_needs_more_rounds(void **state)
{
    struct rig *r = rig_new(1);
    struct test_random random = {7};
    struct error err;

    (void)state;
    r->rules.map_bytes = 1; /* the least there is */
    fill(r, &random, 300, 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(clean(r, &err), IG_OK);
    check_newest(r, 0);
    assert_in_range(look(r).records, KEYS, 3 * KEYS + 40);
    rig_free(r);
}

static void a_tombstone_goes_some_time_after_it_was_seen(void **state)
{
    struct rig *r = rig_new(1);
    struct test_random random = {3};
    const int key = 5, none = -1;
    struct error err;

    (void)state;
    fill(r, &random, 100, 0);
    assert_int_equal(append(r, &key, &none, 1, NULL, &err), IG_OK);
    for (int i = 0; i < 60; i++) {
        const int other = 6, value = i;

        assert_int_equal(append(r, &other, &value, 1, NULL, &err), IG_OK);
    }
    assert_int_equal(sync_log(r, &err), IG_OK);
    assert_int_equal(clean(r, &err), IG_OK);
    assert_true(look(r).newest[key] >= 0); /* readers can still learn of it */
    assert_int_equal(r->written[look(r).newest[key]].value, -1);
    env_sim_advance(r->env, 2000000);
    rig_reopen(r, true);
    for (int i = 0; i < 60; i++) {
        const int other = 6, value = i + 100;

        assert_int_equal(append(r, &other, &value, 1, NULL, &err), IG_OK);
    }
    assert_int_equal(sync_log(r, &err), IG_OK);
    assert_int_equal(clean(r, &err), IG_OK);
    assert_int_equal(look(r).newest[key], -1);
    rig_reopen(r, false);
    assert_int_equal(look(r).newest[key], -1);
    rig_free(r);
}

static void the_last_batch_of_a_producer_stays_if_need_be_empty(void **state)
{
    struct rig *r = rig_new(1);
    const int key = 1;
    struct producer_wish who = {.id = 7};
    struct batch again = {.producer_id = 7, .base_sequence = 9, .records = 1};
    int64_t duplicate;
    struct error err;

    (void)state;
    for (int i = 0; i < 10; i++, who.sequence++)
        assert_int_equal(append(r, &key, &i, 1, &who, &err), IG_OK);
    for (int i = 0; i < 100; i++)
        assert_int_equal(append(r, &key, &i, 1, NULL, &err), IG_OK);
    assert_int_equal(sync_log(r, &err), IG_OK);
    assert_int_equal(clean(r, &err), IG_OK);
    assert_int_equal(look(r).empty, 1);
    rig_close(r, false);
    for (int64_t base = 0; base < r->acked; base++) { /* without any state, all there is is in the records */
        char path[200];

        snprintf(path, sizeof(path), DIR_ "/%020lld.state", (long long)base);
        (void)!env_unlink(r->env, path, NULL);
    }
    assert_int_equal(rig_open(r, &err), IG_OK);
    assert_false(r->log->failed);
    assert_int_equal(producers_check(&r->log->producers, &again, &duplicate), PRODUCER_DUPLICATE);
    assert_int_equal(duplicate, 9);
    rig_free(r);
}

static void what_was_aborted_goes_and_its_marker_later(void **state)
{
    struct rig *r = rig_new(1);
    struct producer_wish aborts = {.id = 8, .in_txn = true}, commits = {.id = 9, .in_txn = true};
    const int a = 1, b = 2, c = 3;
    struct error err;
    int value = 77;

    (void)state;
    assert_int_equal(append(r, &a, &value, 1, NULL, &err), IG_OK);
    value++;
    assert_int_equal(append(r, &a, &value, 1, &aborts, &err), IG_OK); /* must not hide the one in front */
    assert_int_equal(append(r, &b, &value, 1, &commits, &err), IG_OK);
    assert_int_equal(marker(r, 8, false, &err), IG_OK);
    assert_int_equal(marker(r, 9, true, &err), IG_OK);
    aborts.sequence = commits.sequence = 1;
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 60; i++)
            assert_int_equal(append(r, &c, &i, 1, NULL, &err), IG_OK);
        assert_int_equal(sync_log(r, &err), IG_OK);
        if (round == 0) { /* of the producers something newer is there, so that nothing of this needs to stay */
            aborts.in_txn = commits.in_txn = false;
            assert_int_equal(append(r, &c, &value, 1, &aborts, &err), IG_OK);
            assert_int_equal(append(r, &c, &value, 1, &commits, &err), IG_OK);
            assert_int_equal(sync_log(r, &err), IG_OK);
        }
        assert_int_equal(clean(r, &err), IG_OK);
        assert_int_equal(look(r).newest[a], 0);
        assert_int_equal(look(r).newest[b], 2);
        assert_int_equal(r->log->producers.spans.aborted.n, look(r).markers == 2 ? 1 : 0);
        assert_int_equal(plog_stable(r->log), r->log->end);
        env_sim_advance(r->env, 5000000);
        rig_reopen(r, round % 2);
        assert_int_equal(r->log->producers.spans.aborted.n, look(r).markers == 2 ? 1 : 0);
    }
    assert_int_equal(look(r).markers, 1); /* that of the committed one, whose record is there */
    rig_free(r);
}

static void nothing_above_an_open_transaction_is_compacted(void **state)
{
    struct rig *r = rig_new(1);
    const struct producer_wish who = {.id = 8, .in_txn = true};
    const int a = 1;
    struct error err;

    (void)state;
    for (int i = 0; i < 200; i++)
        assert_int_equal(append(r, &a, &i, 1, i == 100 ? &who : NULL, &err), IG_OK);
    assert_int_equal(sync_log(r, &err), IG_OK);
    assert_int_equal(clean(r, &err), IG_OK);
    assert_true(r->log->cleaned > 0 && r->log->cleaned <= 100);
    assert_true(look(r).records > 100);
    rig_free(r);
}

/* The power is cut at every step of a compaction: either what was there before or what is there afterwards is found. */
static void a_power_cut_at_any_step_loses_nothing(void **state)
{
    int64_t steps = 0;

    (void)state;
    for (int64_t at = 1;; at++) {
        struct rig *r = rig_new((uint64_t)at);
        struct test_random random = {(uint64_t)at};
        struct error err;
        bool was_cut;

        fill(r, &random, 60, 0);
        env_sim_power_cut_at(r->env, at);
        (void)!clean(r, &err);
        was_cut = env_sim_is_off(r->env);
        rig_close(r, false);
        if (!was_cut)
            env_sim_power_cut(r->env);
        env_sim_power_on(r->env);
        for (int life = 0; life < 2; life++) {
            assert_int_equal(rig_open(r, &err), IG_OK);
            if (r->log->failed)
                fail_msg("cut at %lld: %s", (long long)at, r->log->why);
            check_newest(r, (uint64_t)at);
            if (life == 0) {
                fill(r, &random, 30, 500);
                assert_int_equal(clean(r, &err), IG_OK);
                check_newest(r, (uint64_t)at);
                rig_close(r, at % 2);
            }
        }
        assert_in_range(look(r).records, 1, 3 * KEYS + 60);
        rig_free(r);
        steps = at;
        if (!was_cut)
            break;
    }
    assert_true(steps > 30);
}

static void random_lives(void **state)
{
    struct test_random random = test_random_new();

    (void)state;
    for (int round = 0; round < 150; round++) {
        const uint64_t seed = test_random_next(&random);
        struct rig *r = rig_new(seed);
        struct error err;

        r->codec = (int)test_random_below(&random, 5);
        r->rules.map_bytes = test_random_below(&random, 2) ? 1 : 1 << 20;
        for (int life = 0; life < 3; life++) {
            env_sim_power_cut_at(r->env, 1 + (int64_t)test_random_below(&random, 150));
            for (int i = 0; !env_sim_is_off(r->env) && i < 200; i++) {
                const int key = (int)test_random_below(&random, KEYS),
                          value = test_random_below(&random, 10) ? round * 1000 + i : -1;

                if (test_random_below(&random, 40) == 0)
                    (void)!clean(r, &err);
                else if (test_random_below(&random, 4) == 0)
                    (void)!sync_log(r, &err);
                else if (append(r, &key, &value, 1, NULL, &err))
                    break;
                env_sim_advance(r->env, 50000);
            }
            rig_close(r, false);
            if (!env_sim_is_off(r->env))
                env_sim_power_cut(r->env);
            env_sim_power_on(r->env);
            if (rig_open(r, &err))
                fail_msg("seed %llu: %s", (unsigned long long)seed, err.msg);
            if (r->log->failed)
                fail_msg("seed %llu: %s", (unsigned long long)seed, r->log->why);
            assert_true(r->log->end >= r->acked);
            check_newest(r, seed);
            r->acked = r->log->end; /* opening made durable what it found */
        }
        rig_free(r);
    }
}

/* --- repair ------------------------------------------------------------------------------------------------------- */

static enum ig_code repair(struct rig *r, struct error *err)
{
    struct plog *fresh = NULL;
    const enum ig_code rc = plog_repair(r->env, r->files, DIR_, 2000, r->log->synced, &fresh, err);

    if (rc)
        return rc;
    plog_abandon(r->log);
    r->log = fresh;
    marks_set(r->marks, r->slot, &r->log->synced);
    return IG_OK;
}

static void after_a_failed_sync_the_log_goes_on(void **state)
{
    (void)state;
    for (int how = 0; how < 60; how++) {
        struct rig *r = rig_new((uint64_t)how + 1);
        struct test_random random = {(uint64_t)how + 1};
        const int key = 3, value = 999;
        struct error err;
        int64_t acked;

        fill(r, &random, how, 0);
        acked = r->log->durable.offset;
        for (int i = 0; i <= how % 40; i++)
            assert_int_equal(append(r, &key, &value, 1, NULL, &err), IG_OK);
        env_sim_fail(r->env, ENV_SIM_SYNC, 1, IG_IO, false);
        assert_int_equal(sync_log(r, &err), IG_IO);
        assert_true(r->log->failed);
        assert_false(r->log->damaged);
        env_sim_fail(r->env, ENV_SIM_SYNC, 1, IG_IO, true);
        assert_int_not_equal(repair(r, &err), IG_OK); /* the disk is still broken */
        env_sim_fail(r->env, ENV_SIM_SYNC, 0, IG_OK, false);
        if (repair(r, &err))
            fail_msg("%d: %s", how, err.msg);
        assert_false(r->log->failed);
        assert_true(r->log->durable.offset >= acked);
        r->acked = r->log->durable.offset;
        check_newest(r, (uint64_t)how);
        fill(r, &random, 20, 500);
        rig_close(r, false);
        env_sim_power_cut(r->env);
        env_sim_power_on(r->env);
        assert_int_equal(rig_open(r, &err), IG_OK);
        if (r->log->failed)
            fail_msg("%d: %s", how, r->log->why);
        check_newest(r, (uint64_t)how);
        rig_free(r);
    }
}

static void a_power_cut_during_repair_is_survived(void **state)
{
    (void)state;
    for (int64_t at = 1; at < 40; at++) {
        struct rig *r = rig_new((uint64_t)at);
        struct test_random random = {(uint64_t)at};
        const int key = 3, value = 999;
        struct error err;

        fill(r, &random, 20, 0);
        for (int i = 0; i < 30; i++)
            assert_int_equal(append(r, &key, &value, 1, NULL, &err), IG_OK);
        env_sim_fail(r->env, ENV_SIM_SYNC, 1, IG_IO, false);
        assert_int_equal(sync_log(r, &err), IG_IO);
        env_sim_power_cut_at(r->env, at);
        (void)!repair(r, &err);
        rig_close(r, false);
        if (!env_sim_is_off(r->env))
            env_sim_power_cut(r->env);
        env_sim_power_on(r->env);
        assert_int_equal(rig_open(r, &err), IG_OK);
        if (r->log->failed)
            fail_msg("cut at %lld: %s", (long long)at, r->log->why);
        assert_true(r->log->end >= r->acked);
        check_newest(r, (uint64_t)at);
        rig_free(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_each_key_the_newest_stays),
        cmocka_unit_test(a_small_map_needs_more_rounds),
        cmocka_unit_test(a_tombstone_goes_some_time_after_it_was_seen),
        cmocka_unit_test(the_last_batch_of_a_producer_stays_if_need_be_empty),
        cmocka_unit_test(what_was_aborted_goes_and_its_marker_later),
        cmocka_unit_test(nothing_above_an_open_transaction_is_compacted),
        cmocka_unit_test(a_power_cut_at_any_step_loses_nothing),
        cmocka_unit_test(random_lives),
        cmocka_unit_test(after_a_failed_sync_the_log_goes_on),
        cmocka_unit_test(a_power_cut_during_repair_is_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
