/*
 * The ledger's first hop: what the log has. Of each record only its date, coordinates and fingerprint are kept.
 */
#include "stage/audit.h"

#include <stdio.h>

struct keeping {
    struct stage_ledger *l;
    duckdb_appender appender;
    int64_t now_ms;
};

/* --- rows into the temporary tables ---------------------------------------------------------------------------- */

static enum ig_code appender_failed(struct keeping *k, struct error *err)
{
    const char *why = duckdb_appender_error(k->appender);

    return error_set(err, IG_IO, "keep the log's records: %s", why ? why : "the engine gives no reason");
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

static enum ig_code end_row(struct keeping *k, const struct fingerprint *f, struct error *err)
{
    duckdb_append_uint64(k->appender, f->low);
    duckdb_append_uint64(k->appender, f->high);
    return duckdb_appender_end_row(k->appender) == DuckDBSuccess ? IG_OK : appender_failed(k, err);
}

static enum ig_code keep_record(void *ctx, const struct log_record *record, struct error *err)
{
    struct keeping *k = ctx;
    struct stage_ledger *l = k->l;
    struct contract_reject why;
    struct fingerprint f;
    int64_t event_us = 0;
    const bool dated =
        contract_event_time(l->contract, record->value, record->timestamp_ms, k->now_ms, &event_us, &why);
    const duckdb_date date = {timestamp_date(event_us)};

    if (l->o.only_date != DATE_NONE && (!dated || date.days != l->o.only_date))
        return IG_OK;
    f = fingerprint_of(str_of(record->topic), record->partition, record->offset, record->value);
    if (dated)
        duckdb_append_date(k->appender, date);
    else
        duckdb_append_null(k->appender);
    duckdb_append_int32(k->appender, record->partition);
    duckdb_append_int64(k->appender, record->offset);
    return end_row(k, &f, err);
}

/* A dead letter stands for the record whose coordinates are in its headers; what was refused before it got into the
 * log has none. */
static enum ig_code keep_letter(void *ctx, const struct log_record *record, struct error *err)
{
    struct keeping *k = ctx;
    struct fingerprint f = {0};
    struct topic_letter letter;
    const bool placed = topic_read_letter(record, &letter);

    duckdb_append_varchar_length(k->appender, letter.stage.p ? letter.stage.p : "", letter.stage.n);
    if (placed) {
        f = fingerprint_of(letter.topic, (int32_t)letter.partition, letter.offset, record->value);
        duckdb_append_varchar_length(k->appender, letter.topic.p, letter.topic.n);
        duckdb_append_int32(k->appender, (int32_t)letter.partition);
        duckdb_append_int64(k->appender, letter.offset);
    } else {
        duckdb_append_null(k->appender);
        duckdb_append_null(k->appender);
        duckdb_append_null(k->appender);
    }
    return end_row(k, &f, err);
}

/* --- reading --------------------------------------------------------------------------------------------------- */

static enum ig_code read_into(struct stage_ledger *l, const char *table, const char *topic,
                              const struct topic_bounds *bounds, topic_record_fn *on_record, struct error *err)
{
    struct keeping k = {.l = l, .now_ms = env_now_ms(l->x->env)};
    const struct topic_reading reading = {.x = l->x,
                                          .topic = topic,
                                          .bounds = bounds,
                                          .on_record = on_record,
                                          .ctx = &k,
                                          .stop = l->o.stop,
                                          .progress = l->o.progress,
                                          .progress_ctx = l->o.ctx,
                                          .domain = l->d->name};
    enum ig_code rc;

    if (duckdb_appender_create_ext(engine_handle(l->c), "temp", "main", table, &k.appender) != DuckDBSuccess)
        rc = appender_failed(&k, err);
    else
        rc = topic_read(&reading, err);
    if (!rc && duckdb_appender_flush(k.appender) != DuckDBSuccess)
        rc = appender_failed(&k, err);
    duckdb_appender_destroy(&k.appender);
    return rc;
}

static enum ig_code make_tables(struct stage_ledger *l, struct error *err)
{
    IG_TRY(engine_exec(l->c, err,
                       "CREATE TEMP TABLE audit_log(date DATE, part INTEGER, off BIGINT, lo UBIGINT, hi UBIGINT);"
                       "CREATE TEMP TABLE audit_dlq(stage VARCHAR, topic VARCHAR, part INTEGER, off BIGINT, "
                       "lo UBIGINT, hi UBIGINT);"
                       "CREATE TEMP TABLE audit_bounds(part INTEGER, low BIGINT, high BIGINT, committed BIGINT)"));
    for (size_t i = 0; i < l->bounds.n; i++) {
        const struct topic_bound *b = &l->bounds.p[i];

        IG_TRY(engine_execf(l->c, err, "INSERT INTO audit_bounds VALUES (%zu, %lld, %lld, %lld)", i, (long long)b->low,
                            (long long)b->high, (long long)b->committed));
    }
    return IG_OK;
}

enum ig_code audit_read_log(struct stage_ledger *l, struct error *err)
{
    struct topic_bounds dlq = {0};
    enum ig_code rc;

    IG_TRY(topic_bounds_read(l->x, l->d->topic.name, &l->bounds, err));
    IG_TRY(make_tables(l, err));
    IG_TRY(read_into(l, "audit_log", l->d->topic.name, &l->bounds, keep_record, err));
    rc = topic_bounds_read(l->x, l->d->topic.dlq_name, &dlq, err);
    if (rc == IG_NOT_FOUND) /* nothing was ever rejected */
        rc = IG_OK;
    for (size_t i = 0; i < dlq.n; i++)
        l->dlq_low += dlq.p[i].low;
    if (!rc)
        rc = read_into(l, "audit_dlq", l->d->topic.dlq_name, &dlq, keep_letter, err);
    l->has_log = rc == IG_OK;
    vec_free(&dlq);
    return rc;
}
