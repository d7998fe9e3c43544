/*
 * The ledger's first hop: what the log has. Each topic is read once from its first record to where its end was when the
 * reading began; of a record only its date, coordinates and fingerprint are kept.
 */
#include "stage/audit.h"

#include <stdio.h>

#define BATCH_RECORDS 5000
#define SILENCE_MAX_MS 30000
#define SINK_GROUP "s3-sink-consumer"

struct reading;
typedef enum ig_code record_fn(struct reading *r, const struct log_record *record, struct error *err);

struct reading {
    struct stage_ledger *l;
    const char *topic;
    const struct log_bound *bounds;
    size_t n_bounds;
    record_fn *on_record;
    duckdb_appender appender;
    int64_t now_ms;
    int64_t began_us, n_read, n_total;
};

/* --- rows into the temporary tables -------------------------------------------------------------------------- */

static enum ig_code appender_failed(struct reading *r, struct error *err)
{
    const char *why = duckdb_appender_error(r->appender);

    return error_set(err, IG_IO, "keep the records of %s: %s", r->topic, why ? why : "the engine gives no reason");
}

/* The fingerprint's text is "topic/partition/offset/SHA-256 of the value". */
static struct fingerprint fingerprint_of(struct str topic, int64_t partition, int64_t offset, struct str value)
{
    struct fingerprint f = {0};
    char text[512], sha256[65];
    int n;

    hash_sha256_hex(value.p ? value.p : "", value.n, sha256);
    n = snprintf(text, sizeof(text), STR_FMT "/%lld/%lld/%s", STR_ARG(topic), (long long)partition, (long long)offset,
                 sha256);
    fingerprint_add(&f, text, n < (int)sizeof(text) ? (size_t)n : sizeof(text) - 1);
    return f;
}

static void append_fingerprint(struct reading *r, const struct fingerprint *f)
{
    duckdb_append_uint64(r->appender, f->low);
    duckdb_append_uint64(r->appender, f->high);
}

static enum ig_code keep_record(struct reading *r, const struct log_record *record, struct error *err)
{
    struct stage_ledger *l = r->l;
    struct contract_reject why;
    struct fingerprint f;
    int64_t event_us = 0;
    const bool dated =
        contract_event_time(l->contract, record->value, record->timestamp_ms, r->now_ms, &event_us, &why);
    const duckdb_date date = {timestamp_date(event_us)};

    if (l->o.only_date != DATE_NONE && (!dated || date.days != l->o.only_date))
        return IG_OK;
    f = fingerprint_of(str_of(r->topic), record->partition, record->offset, record->value);
    if (dated)
        duckdb_append_date(r->appender, date);
    else
        duckdb_append_null(r->appender);
    duckdb_append_int32(r->appender, record->partition);
    duckdb_append_int64(r->appender, record->offset);
    append_fingerprint(r, &f);
    return duckdb_appender_end_row(r->appender) == DuckDBSuccess ? IG_OK : appender_failed(r, err);
}

static struct str header(const struct log_record *record, const char *name)
{
    for (size_t i = 0; i < record->n_headers; i++)
        if (strcmp(record->headers[i].name, name) == 0)
            return record->headers[i].value;
    return (struct str){NULL, 0};
}

/* A dead letter stands for the record whose coordinates are in its headers; what was refused before it got into the
 * log has none. */
static enum ig_code keep_dead_letter(struct reading *r, const struct log_record *record, struct error *err)
{
    const struct str topic = header(record, "ingot-topic"), stage = header(record, "ingot-stage");
    struct fingerprint f = {0};
    int64_t partition = -1, offset = -1;
    const bool placed = topic.n > 0 && str_to_int64(header(record, "ingot-partition"), 0, INT32_MAX, &partition) &&
                        str_to_int64(header(record, "ingot-offset"), 0, INT64_MAX, &offset);

    duckdb_append_varchar_length(r->appender, stage.p ? stage.p : "", stage.n);
    if (placed) {
        f = fingerprint_of(topic, partition, offset, record->value);
        duckdb_append_varchar_length(r->appender, topic.p, topic.n);
        duckdb_append_int32(r->appender, (int32_t)partition);
        duckdb_append_int64(r->appender, offset);
    } else {
        duckdb_append_null(r->appender);
        duckdb_append_null(r->appender);
        duckdb_append_null(r->appender);
    }
    append_fingerprint(r, &f);
    return duckdb_appender_end_row(r->appender) == DuckDBSuccess ? IG_OK : appender_failed(r, err);
}

/* --- reading a topic ------------------------------------------------------------------------------------------ */

/* How many partitions are not at their end yet. */
static size_t mark_ended(const struct reading *r, bool *ended, const struct log_batch *batch)
{
    size_t n = 0;

    for (size_t i = 0; i < batch->n; i++)
        if (batch->records[i].offset + 1 >= r->bounds[batch->records[i].partition].high)
            ended[batch->records[i].partition] = true;
    for (size_t i = 0; i < batch->n_ends; i++)
        if (batch->ends[i].offset >= r->bounds[batch->ends[i].partition].high)
            ended[batch->ends[i].partition] = true;
    for (size_t i = 0; i < r->n_bounds; i++)
        n += !ended[i];
    return n;
}

static enum ig_code take_batch(struct reading *r, const struct log_batch *batch, struct error *err)
{
    for (size_t i = 0; i < batch->n; i++) {
        const struct log_record *record = &batch->records[i];

        if (record->partition < 0 || (size_t)record->partition >= r->n_bounds)
            return error_set(err, IG_CORRUPT, "%s gave a record of partition %d, which it does not have", r->topic,
                             record->partition);
        if (record->offset >= r->bounds[record->partition].high)
            continue; /* came after the reading began */
        IG_TRY(r->on_record(r, record, err));
        r->n_read++;
    }
    for (size_t i = 0; i < batch->n_ends; i++)
        if (batch->ends[i].partition < 0 || (size_t)batch->ends[i].partition >= r->n_bounds)
            return error_set(err, IG_CORRUPT, "%s gave the end of a partition that it does not have", r->topic);
    if (r->l->o.progress)
        r->l->o.progress(r->l->o.ctx, r->topic, r->l->d->name, r->n_read, r->n_total,
                         env_monotonic_us(r->l->x->env) - r->began_us);
    return IG_OK;
}

static enum ig_code consume(struct reading *r, struct log_consumer *k, bool *ended, struct error *err)
{
    struct env *env = r->l->x->env;
    int64_t heard_ms = env_monotonic_ms(env);
    const struct log_batch none = {0};
    size_t left = mark_ended(r, ended, &none);

    while (left > 0) {
        struct log_batch batch = {0};
        enum ig_code rc;

        if (r->l->o.stop && *r->l->o.stop)
            return error_set(err, IG_CANCELLED, "interrupted");
        IG_TRY(log_consume(k, BATCH_RECORDS, 200, &batch, err));
        rc = take_batch(r, &batch, err);
        if (!rc)
            left = mark_ended(r, ended, &batch);
        if (batch.n || batch.n_ends)
            heard_ms = env_monotonic_ms(env);
        log_batch_free(&batch);
        IG_TRY(rc);
        if (env_monotonic_ms(env) - heard_ms > SILENCE_MAX_MS)
            return error_set(err, IG_UNAVAILABLE, "%s: the log gave nothing for %d s, and %zu partitions are unread",
                             r->topic, SILENCE_MAX_MS / 1000, left);
    }
    return IG_OK;
}

static enum ig_code read_topic(struct reading *r, struct error *err)
{
    struct log_consumer *k = NULL;
    bool *ended = check_calloc(r->n_bounds ? r->n_bounds : 1, sizeof(*ended));
    enum ig_code rc = IG_OK;

    r->began_us = env_monotonic_us(r->l->x->env);
    for (size_t i = 0; i < r->n_bounds; i++) {
        ended[i] = r->bounds[i].low >= r->bounds[i].high;
        r->n_total += r->bounds[i].high - r->bounds[i].low;
    }
    if (r->n_total > 0)
        rc = log_consumer_new(r->l->x->log, NULL, &k, err);
    for (size_t i = 0; i < r->n_bounds && k && !rc; i++)
        if (!ended[i])
            rc = log_consumer_assign(k, r->topic, (int32_t)i, r->bounds[i].low, err);
    if (!rc && k)
        rc = consume(r, k, ended, err);
    log_consumer_free(k);
    free(ended);
    return rc;
}

static enum ig_code read_into(struct reading *r, const char *table, struct error *err)
{
    enum ig_code rc;

    if (duckdb_appender_create_ext(engine_handle(r->l->c), "temp", "main", table, &r->appender) != DuckDBSuccess) {
        rc = appender_failed(r, err);
        duckdb_appender_destroy(&r->appender);
        return rc;
    }
    rc = read_topic(r, err);
    if (!rc && duckdb_appender_flush(r->appender) != DuckDBSuccess)
        rc = appender_failed(r, err);
    duckdb_appender_destroy(&r->appender);
    return rc;
}

/* --- bounds ---------------------------------------------------------------------------------------------------- */

struct bounds {
    struct log_bound *p;
    size_t n, cap;
};

static enum ig_code read_bounds(struct stage_ledger *l, const char *topic, bool with_commits, struct bounds *out,
                                struct error *err)
{
    int32_t partitions = 0;

    IG_TRY(log_topic_partitions(l->x->log, topic, &partitions, err));
    for (int32_t i = 0; i < partitions; i++) {
        struct log_bound b = {.partition = i};

        /* What is committed is asked first: what the sink commits while we look is then counted as on the way. */
        if (with_commits)
            IG_TRY(log_committed(l->x->log, SINK_GROUP, topic, i, &b.committed, err));
        IG_TRY(log_watermarks(l->x->log, topic, i, &b.low, &b.high, err));
        b.committed = b.committed < 0 ? 0 : b.committed;
        vec_push(out, b);
    }
    return IG_OK;
}

static enum ig_code make_tables(struct stage_ledger *l, struct error *err)
{
    IG_TRY(engine_exec(l->c, err,
                       "CREATE TEMP TABLE audit_log(date DATE, part INTEGER, off BIGINT, lo UBIGINT, hi UBIGINT);"
                       "CREATE TEMP TABLE audit_dlq(stage VARCHAR, topic VARCHAR, part INTEGER, off BIGINT, "
                       "lo UBIGINT, hi UBIGINT);"
                       "CREATE TEMP TABLE audit_bounds(part INTEGER, low BIGINT, high BIGINT, committed BIGINT)"));
    for (size_t i = 0; i < l->bounds.n; i++) {
        const struct log_bound *b = &l->bounds.p[i];

        IG_TRY(engine_execf(l->c, err, "INSERT INTO audit_bounds VALUES (%d, %lld, %lld, %lld)", b->partition,
                            (long long)b->low, (long long)b->high, (long long)b->committed));
    }
    return IG_OK;
}

enum ig_code audit_read_log(struct stage_ledger *l, struct error *err)
{
    struct bounds raw = {0}, dlq = {0};
    struct reading r = {.l = l, .topic = l->d->topic.name, .on_record = keep_record};
    enum ig_code rc;

    rc = read_bounds(l, l->d->topic.name, true, &raw, err);
    for (size_t i = 0; i < raw.n; i++)
        vec_push(&l->bounds, raw.p[i]);
    if (!rc)
        rc = make_tables(l, err);
    r.bounds = raw.p;
    r.n_bounds = raw.n;
    r.now_ms = env_now_ms(l->x->env);
    if (!rc)
        rc = read_into(&r, "audit_log", err);
    if (rc)
        goto out;
    rc = read_bounds(l, l->d->topic.dlq_name, false, &dlq, err);
    if (rc == IG_NOT_FOUND) /* nothing was ever rejected */
        rc = IG_OK;
    for (size_t i = 0; i < dlq.n; i++)
        l->dlq_low += dlq.p[i].low;
    r = (struct reading){
        .l = l, .topic = l->d->topic.dlq_name, .bounds = dlq.p, .n_bounds = dlq.n, .on_record = keep_dead_letter};
    if (!rc)
        rc = read_into(&r, "audit_dlq", err);
    l->has_log = rc == IG_OK;
out:
    vec_free(&raw);
    vec_free(&dlq);
    return rc;
}
