/*
 * A record before the tables: source, log, bronze, dead letters.
 */
#include "stage/trace.h"

#include <stdio.h>
#include <stdlib.h>

/* --- source, log, bronze --------------------------------------------------------------------------------------- */

/* bronze/DOMAIN/COLUMN=DATE/FILE out of a path. */
static struct str object_name(struct trace_looking *k, struct str path)
{
    const char *prefix = arena_printf(&k->t->arena, "bronze/%s/", k->p->domain->name);
    const char *text = arena_strndup(&k->t->arena, path.p, path.n), *found = NULL, *equals;

    for (const char *at = strstr(text, prefix); at; at = strstr(at + 1, prefix))
        found = at;
    if (!found)
        return path;
    equals = strchr(found, '=');
    if (equals && strlen(equals) > 10)
        (void)date_parse((struct str){equals + 1, 10}, &k->date);
    return str_of(found);
}

enum {
    BRONZE_FILE,
    BRONZE_TIME,
    BRONZE_INGESTED,
    BRONZE_SOURCE,
    BRONZE_KEY,
    BRONZE_BYTES,
    BRONZE_HASH,
    BRONZE_ID,
    BRONZE_REJECT
};

static void add_bronze_row(struct trace_looking *k, struct engine_rows *rows)
{
    struct trace_hop *hop;

    if (!k->in_bronze) {
        if (engine_str(rows, BRONZE_SOURCE).p)
            trace_text(k, trace_hop_add(k, "source"), "position", engine_str(rows, BRONZE_SOURCE));
        hop = trace_hop_add(k, "record");
        trace_time_us(k, hop, "written_to_log", engine_int64(rows, BRONZE_TIME));
        trace_text(k, hop, "key", engine_str(rows, BRONZE_KEY));
        trace_number(k, hop, "bytes", engine_int64(rows, BRONZE_BYTES));
        trace_text(k, hop, "record_hash", engine_str(rows, BRONZE_HASH));
        if (engine_str(rows, BRONZE_ID).n && k->p->domain->contract.n_key)
            k->key = arena_strndup(&k->t->arena, engine_str(rows, BRONZE_ID).p, engine_str(rows, BRONZE_ID).n);
        k->rejected = !engine_is_null(rows, BRONZE_REJECT);
    }
    k->in_bronze = true;
    hop = trace_hop_add(k, "bronze");
    trace_text(k, hop, "file", object_name(k, engine_str(rows, BRONZE_FILE)));
    trace_time_us(k, hop, "ingested", engine_int64(rows, BRONZE_INGESTED));
}

enum ig_code trace_look_bronze(struct trace_looking *k, struct error *err)
{
    struct engine_rows rows = {0};
    struct buf from, key;
    size_t n = 0;
    enum ig_code rc;

    buf_init(&from, 0);
    buf_init(&key, 0);
    rc = trace_add_bronze(k->t, k->p->domain, &from, &n, err);
    if (rc || n == 0)
        goto out;
    trace_add_key(&k->p->domain->contract, "k.", &key);
    buf_printf(
        &k->sql,
        "SELECT filename, _timestamp, _ingested_at, (list_filter(from_json(_headers, "
        "'[{\"key\":\"VARCHAR\",\"value\":\"VARCHAR\"}]'), lambda h: h.key = 'ingot-source')[1]).value, _key, "
        "strlen(_value)::BIGINT, sha256(_value), %s, k._reject FROM (SELECT *, ingot_trace_%s(_value, _timestamp) "
        "AS k FROM %s",
        k->p->domain->contract.n_key ? buf_cstr(&key) : "NULL::VARCHAR", k->p->domain->name, buf_cstr(&from));
    trace_add_where(k->p, &k->sql);
    buf_puts(&k->sql, ") ORDER BY filename");
    rc = engine_query(k->t->c, buf_cstr(&k->sql), &rows, err);
    while (!rc && engine_next(&rows))
        add_bronze_row(k, &rows);
    engine_rows_free(&rows);
out:
    buf_release(&key);
    buf_release(&from);
    return rc;
}

static enum ig_code take_one(void *ctx, const struct log_record *record, struct error *err)
{
    struct trace_looking *k = ctx;
    char hash[65];
    struct trace_hop *hop;

    (void)err;
    if (record->partition != k->p->partition || record->offset != k->p->offset)
        return IG_OK;
    if (topic_header(record, "ingot-source").p)
        trace_text(k, trace_hop_add(k, "source"), "position", topic_header(record, "ingot-source"));
    hop = trace_hop_add(k, "record");
    hash_sha256_hex(record->value.p ? record->value.p : "", record->value.n, hash);
    trace_time_us(k, hop, "written_to_log", record->timestamp_ms * 1000);
    if (str_is_utf8(record->key))
        trace_text(k, hop, "key", record->key);
    trace_number(k, hop, "bytes", (int64_t)record->value.n);
    trace_text(k, hop, "record_hash", str_of(hash));
    return IG_OK;
}

/* Only the one partition's record at the place: everything else counts as read already. */
static enum ig_code read_from_log(struct trace_looking *k, const struct topic_bounds *bounds, struct error *err)
{
    struct topic_bounds one = {0};
    const struct topic_reading reading = {
        .x = k->t->x, .topic = k->p->topic, .bounds = &one, .on_record = take_one, .ctx = k};
    enum ig_code rc;

    for (size_t i = 0; i < bounds->n; i++) {
        struct topic_bound b = {0};

        if ((int64_t)i == k->p->partition)
            b = (struct topic_bound){.low = k->p->offset, .high = k->p->offset + 1};
        vec_push(&one, b);
    }
    rc = topic_read(&reading, err);
    vec_free(&one);
    return rc;
}

enum ig_code trace_look_log(struct trace_looking *k, struct error *err)
{
    struct topic_bounds bounds = {0};
    struct trace_hop *hop;
    enum ig_code rc;

    if (!k->t->x->log)
        return IG_OK;
    rc = topic_bounds_read(k->t->x, k->p->topic, &bounds, err);
    if (rc || (size_t)k->p->partition >= bounds.n) {
        vec_free(&bounds);
        return rc == IG_NOT_FOUND ? IG_OK : rc;
    }
    {
        const struct topic_bound *b = &bounds.p[k->p->partition];
        const char *state = k->p->offset < b->low          ? "removed by retention"
                            : k->p->offset >= b->high      ? "not in the log: it ends before that"
                            : k->in_bronze                 ? "in the log"
                            : k->p->offset >= b->committed ? "in the log; on the way to bronze"
                                                           : "in the log; consumed by the sink";

        if (!k->in_bronze && k->p->offset >= b->low && k->p->offset < b->high)
            rc = read_from_log(k, &bounds, err);
        hop = trace_hop_add(k, "log");
        trace_text(k, hop, "topic", str_of(k->p->topic));
        trace_number(k, hop, "partition", k->p->partition);
        trace_number(k, hop, "offset", k->p->offset);
        trace_text(k, hop, "state", str_of(state));
        trace_number(k, hop, "first_offset", b->low);
        trace_number(k, hop, "end_offset", b->high);
    }
    vec_free(&bounds);
    return rc;
}

/* --- dead letters -------------- ------------------------------------------------------------------------------- */

static const char *header_text(struct trace *t, const struct log_record *record, const char *name)
{
    const struct str s = topic_header(record, name);

    return arena_strndup(&t->arena, s.p ? s.p : "", s.n);
}

static enum ig_code take_letter(void *ctx, const struct log_record *record, struct error *err)
{
    struct trace *t = ctx;
    struct trace_letter letter = {
        .dlq_partition = record->partition, .dlq_offset = record->offset, .dlq_timestamp_ms = record->timestamp_ms};

    struct topic_letter said;

    (void)err;
    if (!topic_read_letter(record, &said))
        return IG_OK;
    letter.partition = said.partition;
    letter.offset = said.offset;
    letter.topic = header_text(t, record, "ingot-topic");
    letter.stage = header_text(t, record, "ingot-stage");
    letter.reason = header_text(t, record, "ingot-reason");
    letter.field = header_text(t, record, "ingot-field");
    letter.detail = header_text(t, record, "ingot-detail");
    vec_push(&t->letters, letter);
    return IG_OK;
}

static enum ig_code read_letters(struct trace_looking *k, struct error *err)
{
    struct trace *t = k->t;
    struct topic_bounds bounds = {0};
    const struct topic_reading reading = {
        .x = t->x, .topic = k->p->domain->topic.dlq_name, .bounds = &bounds, .on_record = take_letter, .ctx = t};
    enum ig_code rc;

    if (!t->x->log || t->letters_of == k->p->domain)
        return IG_OK;
    t->letters.n = 0;
    t->letters_of = k->p->domain;
    rc = topic_bounds_read(t->x, reading.topic, &bounds, err);
    if (!rc)
        rc = topic_read(&reading, err);
    vec_free(&bounds);
    return rc == IG_NOT_FOUND ? IG_OK : rc;
}

enum ig_code trace_look_letters(struct trace_looking *k, struct error *err)
{
    IG_TRY(read_letters(k, err));
    for (size_t i = 0; i < k->t->letters.n; i++) {
        const struct trace_letter *letter = &k->t->letters.p[i];
        struct trace_hop *hop;

        if (letter->partition != k->p->partition || letter->offset != k->p->offset ||
            strcmp(letter->topic, k->p->topic) != 0)
            continue;
        hop = trace_hop_add(k, "dlq");
        trace_text(k, hop, "topic", str_of(k->p->domain->topic.dlq_name));
        trace_number(k, hop, "partition", letter->dlq_partition);
        trace_number(k, hop, "offset", letter->dlq_offset);
        trace_time_us(k, hop, "sent", letter->dlq_timestamp_ms * 1000);
        trace_text(k, hop, "stage", str_of(letter->stage));
        trace_text(k, hop, "reason", str_of(letter->reason));
        trace_text(k, hop, "field", str_of(letter->field));
        trace_text(k, hop, "detail", str_of(letter->detail));
        k->rejected = true;
    }
    return IG_OK;
}
