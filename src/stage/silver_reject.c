#include "stage/bronze_parquet.h"
#include "stage/silver.h"
#include "stage/topic.h"

#include <stdio.h>
#include <stdlib.h>

#define DLQ_LIMIT_MS 60000
#define LETTERS_LOOK_BACK 1000000 /* a partition of the DLQ */

/* --- dead letters ----------------------------------------------------------------------------------------- */

enum {
    BAD_TOPIC,
    BAD_PARTITION,
    BAD_OFFSET,
    BAD_TIME,
    BAD_VALUE,
    BAD_KEY,
    BAD_REASON,
    BAD_FIELD,
    BAD_DETAIL,
    BAD_HEADERS
};

static struct str decimal(char text[24], int64_t v)
{
    return (struct str){text, (size_t)snprintf(text, 24, "%lld", (long long)v)};
}

static enum ig_code send_row(const struct silver_run *s, struct log_producer *producer, struct engine_rows *row,
                             struct error *err)
{
    char partition[24], offset[24], timestamp[24];
    struct buf scratch;
    enum ig_code rc;
    const struct log_header ours[] = {
        {"ingot-reason", engine_str(row, BAD_REASON)},
        {"ingot-field", engine_str(row, BAD_FIELD)},
        {"ingot-detail", engine_str(row, BAD_DETAIL)},
        {"ingot-topic", engine_str(row, BAD_TOPIC)},
        {"ingot-partition", decimal(partition, engine_int64(row, BAD_PARTITION))},
        {"ingot-offset", decimal(offset, engine_int64(row, BAD_OFFSET))},
        {"ingot-timestamp", decimal(timestamp, engine_int64(row, BAD_TIME) / 1000)},
        {"ingot-stage", STR("silver")},
    };
    struct log_record letter = {.topic = s->d->topic.dlq_name, .partition = -1, .value = engine_str(row, BAD_VALUE)};
    struct bronze_headers headers;

    buf_init(&scratch, 0);
    bronze_headers_read(engine_str(row, BAD_HEADERS), &headers);
    for (size_t i = 0; i < IG_COUNT(ours); i++)
        vec_push(&headers.list, ours[i]);
    letter.headers = headers.list.p;
    letter.n_headers = headers.list.n;
    letter.key = bronze_key_bytes(engine_str(row, BAD_KEY), &scratch);
    rc = log_produce(producer, &letter, NULL, err);
    bronze_headers_release(&headers);
    buf_release(&scratch);
    return rc;
}

struct letters {
    const struct silver_run *s;
    struct topic_letters sent;
};

static enum ig_code keep_letter(void *ctx, const struct log_record *record, struct error *err)
{
    struct letters *k = ctx;

    (void)err;
    topic_letters_add(&k->sent, record, "silver", k->s->d->topic.name);
    return IG_OK;
}

/* The letters that are in the DLQ, as far back as an attempt that ended in the middle can have sent them. */
static enum ig_code read_letters(struct letters *k, struct error *err)
{
    struct topic_bounds bounds = {0};
    const struct stage_context *x = k->s->x;
    const char *dlq = k->s->d->topic.dlq_name;
    const struct topic_reading reading = {.x = x, .topic = dlq, .bounds = &bounds, .on_record = keep_letter, .ctx = k};
    enum ig_code rc = topic_bounds_read(x, dlq, &bounds, err);

    if (rc == IG_NOT_FOUND)
        return IG_OK;
    for (size_t i = 0; !rc && i < bounds.n; i++)
        if (bounds.p[i].low < bounds.p[i].high - LETTERS_LOOK_BACK)
            bounds.p[i].low = bounds.p[i].high - LETTERS_LOOK_BACK;
    if (!rc)
        rc = topic_read(&reading, err);
    topic_letters_sort(&k->sent);
    free(bounds.p);
    return rc;
}

/* The records of ingot_bad that the quarantine table (if there is one) does not have: those had their letter. */
static enum ig_code send_letters(const struct silver_run *s, const struct lake_snapshot *known, struct error *err)
{
    const struct lake_partition only = {s->d->bronze.date_column, s->date_text};
    struct log_producer *producer = NULL;
    struct engine_rows rows = {0};
    struct letters letters = {.s = s};
    struct buf sql;
    int64_t n = 0;
    enum ig_code rc = s->again ? read_letters(&letters, err) : IG_OK;

    buf_init(&sql, 0);
    buf_printf(&sql,
               "SELECT t, p, o, ts, value, key, reason, field, detail, _headers FROM ingot_bad b LEFT JOIN "
               "(SELECT rid, _headers FROM %s) USING (rid)",
               buf_cstr(&s->bronze));
    if (!rc && known) {
        buf_puts(&sql, " WHERE NOT EXISTS (FROM (SELECT _topic, _partition, _offset FROM ");
        rc = lake_add_scan(known, &(struct lake_scan){.only = &only, .n_only = 1}, &sql, err);
        buf_puts(&sql, ") q WHERE q._topic = b.t AND q._partition = b.p AND q._offset = b.o)");
    }
    buf_puts(&sql, " ORDER BY t, p, o");
    if (!rc)
        rc = engine_query_streaming(s->c, buf_cstr(&sql), &rows, err);
    while (!rc && engine_next(&rows)) {
        if (topic_letters_have(&letters.sent, engine_int64(&rows, BAD_PARTITION), engine_int64(&rows, BAD_OFFSET)))
            continue;
        n++;
        if (!producer)
            rc = log_producer_new(s->x->log, NULL, NULL, &producer, err);
        if (!rc)
            rc = send_row(s, producer, &rows, err);
    }
    if (!rc)
        rc = engine_rows_check(&rows, err);
    engine_rows_free(&rows);
    if (!rc && n > 0)
        rc = log_producer_flush(producer, DLQ_LIMIT_MS, err);
    log_producer_free(producer);
    vec_free(&letters.sent.list);
    buf_release(&sql);
    if (rc)
        return error_context(err, rc, "dead letters to %s", s->d->topic.dlq_name);
    if (n > 0)
        log_info(s->x->env, "silver", "%s %s: %lld records do not meet the contract: they are in %s", s->d->name,
                 s->date_text, (long long)n, s->d->topic.dlq_name);
    return IG_OK;
}

/* --- the quarantine table --------------------------------------------------------------------------------- */

/* Does the table have rows of the partition? */
static enum ig_code has_rows(const struct silver_run *s, const struct lake_snapshot *known, bool *out,
                             struct error *err)
{
    const struct lake_partition only = {s->d->bronze.date_column, s->date_text};
    struct buf sql;
    int64_t n = 0;
    enum ig_code rc;

    buf_init(&sql, 0);
    buf_puts(&sql, "SELECT count(*) FROM ");
    rc = lake_add_scan(known, &(struct lake_scan){.only = &only, .n_only = 1}, &sql, err);
    if (!rc)
        rc = engine_query_int64(s->c, buf_cstr(&sql), &n, err);
    buf_release(&sql);
    *out = n > 0;
    return rc;
}

static enum ig_code replace_partition(const struct silver_run *s, struct lake_table *table, struct error *err)
{
    const char *partition_by[] = {s->d->bronze.date_column};
    const struct lake_partition where = {partition_by[0], s->date_text};
    struct lake_result result;
    struct buf sql;
    enum ig_code rc;

    buf_init(&sql, 0);
    buf_printf(
        &sql,
        "SELECT t AS _topic, p AS _partition, o AS _offset, ts AS _timestamp, value AS _value, key AS _key, reason,"
        " field, detail, DATE '%s' AS ",
        s->date_text);
    engine_add_name(&sql, str_of(s->d->bronze.date_column));
    buf_puts(&sql, " FROM ingot_bad");
    rc = lake_create(table, buf_cstr(&sql), partition_by, 1, err);
    if (!rc)
        rc = lake_replace(table, buf_cstr(&sql), &where, 1, 1, NULL, &result, err);
    buf_release(&sql);
    return rc;
}

enum ig_code silver_quarantine(struct silver_run *s, struct error *err)
{
    struct lake_table *table = NULL;
    struct lake_snapshot *known = NULL;
    bool needed = s->result->quarantined > 0;
    struct buf path;
    enum ig_code rc;

    buf_init(&path, 0);
    stage_quarantine_path(s->d, &path);
    rc = lake_open(s->x->store, s->c, buf_cstr(&path), &table, err);
    if (!rc)
        rc = lake_snapshot_open(table, LAKE_LATEST, &known, err);
    if (rc == IG_NOT_FOUND)
        rc = IG_OK;
    if (!rc && !needed && known)
        rc = has_rows(s, known, &needed, err);
    /* letters first: a crash in between repeats letters, which carry their coordinates, and loses none */
    if (!rc && s->result->quarantined > 0 && s->x->log)
        rc = send_letters(s, known, err);
    if (!rc && needed)
        rc = replace_partition(s, table, err);
    lake_snapshot_free(known);
    lake_close(table);
    buf_release(&path);
    return rc;
}
