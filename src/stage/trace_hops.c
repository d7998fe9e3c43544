/*
 * What is known of one record, hop by hop: source, log, bronze, DLQ, quarantine, silver, partition, gold, warehouse.
 */
#include "stage/trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define META_PATH "metadata/partition_meta"
#define COMMITS_MAX 1000 /* how far back we look for the commit that added a file */
#define WAREHOUSE_WAIT_MS 3000
#define WAREHOUSE_PAUSE_MS 50

/* One record, and what the hops found out about it for those behind them. */
struct looking {
    struct trace *t;
    const struct trace_place *p;
    struct buf sql;
    int32_t date;    /* DATE_NONE: not known */
    const char *key; /* NULL: none, or not readable */
    bool in_bronze, in_silver, rejected;
    char status[24]; /* of the partition */
};

/* --- hops and fields ---------------------------------------------------------------------------------------------- */

static struct trace_hop *add_hop(struct looking *k, const char *name)
{
    const struct trace_hop hop = {.name = name};

    vec_push(&k->t->hops, hop);
    return &k->t->hops.p[k->t->hops.n - 1];
}

static void add_text(struct looking *k, struct trace_hop *hop, const char *name, struct str value)
{
    const struct trace_field field = {name, arena_strndup(&k->t->arena, value.p ? value.p : "", value.n), false};

    if (value.p)
        vec_push(&hop->fields, field);
}

static void add_raw(struct looking *k, struct trace_hop *hop, const char *name, struct str json)
{
    const struct trace_field field = {name, arena_strndup(&k->t->arena, json.p ? json.p : "null", json.p ? json.n : 4),
                                      true};

    vec_push(&hop->fields, field);
}

static void add_number(struct looking *k, struct trace_hop *hop, const char *name, int64_t value)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRId64, value);
    add_raw(k, hop, name, str_of(text));
}

static void add_time_us(struct looking *k, struct trace_hop *hop, const char *name, int64_t us)
{
    char text[40];

    add_text(k, hop, name, str_of(timestamp_format(us, text)));
}

/* --- Delta tables ------------------------------------------------------------------------------------------------- */

/* A table's latest snapshot; *out NULL if there is none. */
static enum ig_code open_snapshot(struct looking *k, const char *path, struct lake_table **table,
                                  struct lake_snapshot **out, struct error *err)
{
    enum ig_code rc = lake_open(k->t->x->store, k->t->c, path, table, err);

    *out = NULL;
    if (!rc)
        rc = lake_snapshot_open(*table, LAKE_LATEST, out, err);
    return rc == IG_NOT_FOUND ? IG_OK : rc;
}

static enum ig_code add_scan(struct looking *k, const struct lake_snapshot *s, bool of_date, struct error *err)
{
    char date[16];
    const struct lake_partition only = {k->p->domain->bronze.date_column,
                                        date_format(k->date == DATE_NONE ? 0 : k->date, date)};

    return lake_add_scan(s, &only, of_date && k->date != DATE_NONE ? 1 : 0, &k->sql, err);
}

static void add_version(struct looking *k, struct trace_hop *hop, const char *path, const struct lake_snapshot *s)
{
    add_text(k, hop, "table", str_of(path));
    add_number(k, hop, "version", lake_version(s));
    add_time_us(k, hop, "committed", lake_commit_time_ms(s) * 1000);
}

/* --- source, log, bronze ---------------------------------------------------------------------------------------------
 */

/* bronze/DOMAIN/COLUMN=DATE/FILE out of a path. */
static struct str object_name(struct looking *k, struct str path)
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

static void add_bronze_row(struct looking *k, struct engine_rows *rows)
{
    struct trace_hop *hop;

    if (!k->in_bronze) {
        if (engine_str(rows, BRONZE_SOURCE).p)
            add_text(k, add_hop(k, "source"), "position", engine_str(rows, BRONZE_SOURCE));
        hop = add_hop(k, "record");
        add_time_us(k, hop, "written_to_log", engine_int64(rows, BRONZE_TIME));
        add_text(k, hop, "key", engine_str(rows, BRONZE_KEY));
        add_number(k, hop, "bytes", engine_int64(rows, BRONZE_BYTES));
        add_text(k, hop, "record_hash", engine_str(rows, BRONZE_HASH));
        if (engine_str(rows, BRONZE_ID).n && k->p->domain->contract.n_key)
            k->key = arena_strndup(&k->t->arena, engine_str(rows, BRONZE_ID).p, engine_str(rows, BRONZE_ID).n);
        k->rejected = !engine_is_null(rows, BRONZE_REJECT);
    }
    k->in_bronze = true;
    hop = add_hop(k, "bronze");
    add_text(k, hop, "file", object_name(k, engine_str(rows, BRONZE_FILE)));
    add_time_us(k, hop, "ingested", engine_int64(rows, BRONZE_INGESTED));
}

static enum ig_code look_at_bronze(struct looking *k, struct error *err)
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
    struct looking *k = ctx;
    char hash[65];
    struct trace_hop *hop;

    (void)err;
    if (record->partition != k->p->partition || record->offset != k->p->offset)
        return IG_OK;
    if (topic_header(record, "ingot-source").p)
        add_text(k, add_hop(k, "source"), "position", topic_header(record, "ingot-source"));
    hop = add_hop(k, "record");
    hash_sha256_hex(record->value.p ? record->value.p : "", record->value.n, hash);
    add_time_us(k, hop, "written_to_log", record->timestamp_ms * 1000);
    if (str_is_utf8(record->key))
        add_text(k, hop, "key", record->key);
    add_number(k, hop, "bytes", (int64_t)record->value.n);
    add_text(k, hop, "record_hash", str_of(hash));
    return IG_OK;
}

/* Only the one partition's record at the place: everything else counts as read already. */
static enum ig_code read_from_log(struct looking *k, const struct topic_bounds *bounds, struct error *err)
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

static enum ig_code look_at_log(struct looking *k, struct error *err)
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
        hop = add_hop(k, "log");
        add_text(k, hop, "topic", str_of(k->p->topic));
        add_number(k, hop, "partition", k->p->partition);
        add_number(k, hop, "offset", k->p->offset);
        add_text(k, hop, "state", str_of(state));
        add_number(k, hop, "first_offset", b->low);
        add_number(k, hop, "end_offset", b->high);
    }
    vec_free(&bounds);
    return rc;
}

/* --- dead letters and quarantine
 * -------------------------------------------------------------------------------------- */

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

    (void)err;
    if (!str_to_int64(topic_header(record, "ingot-partition"), 0, INT32_MAX, &letter.partition) ||
        !str_to_int64(topic_header(record, "ingot-offset"), 0, INT64_MAX, &letter.offset))
        return IG_OK;
    letter.topic = header_text(t, record, "ingot-topic");
    letter.stage = header_text(t, record, "ingot-stage");
    letter.reason = header_text(t, record, "ingot-reason");
    letter.field = header_text(t, record, "ingot-field");
    letter.detail = header_text(t, record, "ingot-detail");
    vec_push(&t->letters, letter);
    return IG_OK;
}

static enum ig_code read_letters(struct looking *k, struct error *err)
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

static enum ig_code look_at_letters(struct looking *k, struct error *err)
{
    IG_TRY(read_letters(k, err));
    for (size_t i = 0; i < k->t->letters.n; i++) {
        const struct trace_letter *letter = &k->t->letters.p[i];
        struct trace_hop *hop;

        if (letter->partition != k->p->partition || letter->offset != k->p->offset ||
            strcmp(letter->topic, k->p->topic) != 0)
            continue;
        hop = add_hop(k, "dlq");
        add_text(k, hop, "topic", str_of(k->p->domain->topic.dlq_name));
        add_number(k, hop, "partition", letter->dlq_partition);
        add_number(k, hop, "offset", letter->dlq_offset);
        add_time_us(k, hop, "sent", letter->dlq_timestamp_ms * 1000);
        add_text(k, hop, "stage", str_of(letter->stage));
        add_text(k, hop, "reason", str_of(letter->reason));
        add_text(k, hop, "field", str_of(letter->field));
        add_text(k, hop, "detail", str_of(letter->detail));
        k->rejected = true;
    }
    return IG_OK;
}

static enum ig_code look_at_quarantine(struct looking *k, struct error *err)
{
    struct lake_table *table = NULL;
    struct lake_snapshot *s = NULL;
    struct engine_rows rows = {0};
    struct buf path;
    enum ig_code rc;

    buf_init(&path, 0);
    stage_quarantine_path(k->p->domain, &path);
    rc = open_snapshot(k, buf_cstr(&path), &table, &s, err);
    if (rc || !s)
        goto out;
    buf_clear(&k->sql);
    buf_puts(&k->sql, "SELECT reason, field, detail FROM ");
    rc = add_scan(k, s, true, err);
    trace_add_where(k->p, &k->sql);
    if (!rc)
        rc = engine_query(k->t->c, buf_cstr(&k->sql), &rows, err);
    while (!rc && engine_next(&rows)) {
        struct trace_hop *hop = add_hop(k, "quarantine");

        add_version(k, hop, buf_cstr(&path), s);
        add_text(k, hop, "reason", engine_str(&rows, 0));
        add_text(k, hop, "field", engine_str(&rows, 1));
        add_text(k, hop, "detail", engine_str(&rows, 2));
        k->rejected = true;
    }
    engine_rows_free(&rows);
out:
    lake_snapshot_free(s);
    lake_close(table);
    buf_release(&path);
    return rc;
}

/* --- silver
 * ----------------------------------------------------------------------------------------------------------- */

struct file_search {
    struct looking *k;
    const char *table;
    struct buf *list;
    const char *date;
    size_t n;
};

static enum ig_code add_data_file(void *ctx, const struct lake_file *f, struct error *err)
{
    struct file_search *s = ctx;
    struct buf path;
    enum ig_code rc;

    if (s->date && (!f->partition_values || !f->partition_values[0] || strcmp(f->partition_values[0], s->date) != 0))
        return IG_OK;
    buf_init(&path, 0);
    rc = store_local_path(s->k->t->x->store, arena_printf(&s->k->t->arena, "%s/%s", s->table, f->name), &path, err);
    buf_puts(s->list, s->n++ ? ", " : "");
    engine_add_literal(s->list, buf_str(&path));
    buf_release(&path);
    return rc;
}

/* A path becomes the name relative to the table's folder. */
static void cut_to_table(struct buf *path, const char *table)
{
    const size_t n = strlen(table);
    const char *found = NULL;

    for (const char *at = strstr(buf_cstr(path), table); at; at = strstr(at + 1, table))
        if (at[n] == '/')
            found = at + n + 1;
    if (found) {
        char *name = check_strdup(found);

        buf_clear(path);
        buf_puts(path, name);
        free(name);
    }
}

/* The data file of the table that has the record, "" if it can not be told. */
static enum ig_code find_data_file(struct looking *k, const char *table, const struct lake_snapshot *s, struct buf *out,
                                   struct error *err)
{
    struct buf list;
    char date[16];
    struct file_search search = {k, table, &list, k->date == DATE_NONE ? NULL : date_format(k->date, date), 0};
    enum ig_code rc;

    buf_init(&list, 0);
    rc = lake_files(s, add_data_file, &search, err);
    if (!rc && search.n) {
        buf_clear(&k->sql);
        buf_printf(&k->sql, "SELECT filename FROM read_parquet([%s], filename = true, union_by_name = true)",
                   buf_cstr(&list));
        trace_add_where(k->p, &k->sql);
        rc = engine_query_str(k->t->c, buf_cstr(&k->sql), out, err);
    }
    if (!rc)
        cut_to_table(out, table);
    buf_release(&list);
    return rc == IG_NOT_FOUND ? IG_OK : rc;
}

/* The version whose commit added the file, -1 if that commit is not there any more. */
static enum ig_code find_adding_version(struct looking *k, const char *table, const char *file, int64_t latest,
                                        int64_t *out, struct error *err)
{
    const char *base = strrchr(file, '/');
    const char *needle = arena_printf(&k->t->arena, "%s\"", base ? base + 1 : file);
    struct buf commit;
    enum ig_code rc = IG_OK;

    *out = -1;
    buf_init(&commit, 0);
    for (int64_t v = latest; v >= 0 && v > latest - COMMITS_MAX && *out < 0 && !rc; v--) {
        buf_clear(&commit);
        rc = store_get(k->t->x->store, arena_printf(&k->t->arena, "%s/_delta_log/%020" PRId64 ".json", table, v),
                       &commit, err);
        if (!rc && strstr(buf_cstr(&commit), needle))
            *out = v;
    }
    buf_release(&commit);
    return rc == IG_NOT_FOUND ? IG_OK : rc;
}

/* Other records with the same key: the row in silver stands for them. */
static enum ig_code add_stands_for(struct looking *k, struct trace_hop *hop, struct error *err)
{
    struct trace other = {.x = k->t->x, .c = k->t->c};
    struct buf list;
    enum ig_code rc = IG_OK;

    arena_init(&other.arena);
    buf_init(&other.looked, 0);
    buf_init(&list, 0);
    if (k->key)
        rc = trace_find_key(&other, k->p->domain, str_of(k->key), err);
    for (size_t i = 0; i < other.places.n && !rc; i++) {
        const struct trace_place *q = &other.places.p[i];

        if (q->partition == k->p->partition && q->offset == k->p->offset && strcmp(q->topic, k->p->topic) == 0)
            continue;
        buf_printf(&list, "%s%s/%" PRId64 "/%" PRId64, list.n ? ", " : "", q->topic, q->partition, q->offset);
    }
    if (list.n)
        add_text(k, hop, "stands_for", buf_str(&list));
    buf_release(&list);
    buf_release(&other.looked);
    vec_free(&other.places);
    arena_release(&other.arena);
    return rc;
}

static enum ig_code add_silver_row(struct looking *k, const char *path, const struct lake_snapshot *s, struct str row,
                                   struct error *err)
{
    struct trace_hop hop = {.name = "silver"};
    struct buf file;
    int64_t added = -1;
    enum ig_code rc;

    k->in_silver = true;
    buf_init(&file, 0);
    add_version(k, &hop, path, s);
    add_raw(k, &hop, "row", row);
    rc = find_data_file(k, path, s, &file, err);
    if (!rc && file.n)
        rc = find_adding_version(k, path, buf_cstr(&file), lake_version(s), &added, err);
    if (!rc && file.n)
        add_text(k, &hop, "file", buf_str(&file));
    if (!rc && added >= 0)
        add_number(k, &hop, "file_added_in_version", added);
    if (!rc)
        rc = add_stands_for(k, &hop, err);
    vec_push(&k->t->hops, hop);
    buf_release(&file);
    return rc;
}

/* Not in silver, and not rejected: which row has its key? */
static enum ig_code look_for_winner(struct looking *k, const char *path, const struct lake_snapshot *s,
                                    struct error *err)
{
    const bool table_wide = k->p->domain->contract.unique == CONF_UNIQUE_TABLE;
    struct engine_rows rows = {0};
    struct trace_hop *hop;

    buf_clear(&k->sql);
    buf_puts(&k->sql, "SELECT concat(_topic, '/', _partition, '/', _offset) FROM ");
    IG_TRY(add_scan(k, s, !table_wide, err));
    buf_puts(&k->sql, " WHERE ");
    trace_add_key(&k->p->domain->contract, "", &k->sql);
    buf_puts(&k->sql, " = ");
    engine_add_literal(&k->sql, str_of(k->key));
    /* a silver.sql may have renamed the key: then there is nothing to say */
    if (engine_query(k->t->c, buf_cstr(&k->sql), &rows, NULL) != IG_OK)
        return IG_OK;
    while (engine_next(&rows)) {
        hop = add_hop(k, "silver");
        add_version(k, hop, path, s);
        add_text(k, hop, "duplicate_of", engine_str(&rows, 0));
    }
    engine_rows_free(&rows);
    return IG_OK;
}

static enum ig_code look_at_silver(struct looking *k, struct error *err)
{
    struct lake_table *table = NULL;
    struct lake_snapshot *s = NULL;
    struct engine_rows rows = {0};
    struct buf path, row;
    enum ig_code rc;

    buf_init(&path, 0);
    buf_init(&row, 0);
    stage_silver_path(k->p->domain, &path);
    rc = open_snapshot(k, buf_cstr(&path), &table, &s, err);
    if (rc || !s)
        goto out;
    buf_clear(&k->sql);
    buf_puts(&k->sql, "SELECT to_json(\"the row\")::VARCHAR FROM (SELECT * FROM ");
    rc = add_scan(k, s, true, err);
    trace_add_where(k->p, &k->sql);
    buf_puts(&k->sql, ") AS \"the row\"");
    if (!rc)
        rc = engine_query(k->t->c, buf_cstr(&k->sql), &rows, err);
    while (!rc && engine_next(&rows)) {
        buf_clear(&row);
        buf_add_str(&row, engine_str(&rows, 0));
        rc = add_silver_row(k, buf_cstr(&path), s, buf_str(&row), err);
    }
    engine_rows_free(&rows);
    if (!rc && !k->in_silver && !k->rejected && k->key)
        rc = look_for_winner(k, buf_cstr(&path), s, err);
out:
    lake_snapshot_free(s);
    lake_close(table);
    buf_release(&row);
    buf_release(&path);
    return rc;
}

/* --- partition, gold, warehouse
 * --------------------------------------------------------------------------------------- */

static enum ig_code look_at_partition(struct looking *k, struct error *err)
{
    struct lake_table *table = NULL;
    struct lake_snapshot *s = NULL;
    struct engine_rows rows = {0};
    struct trace_hop *hop;
    char date[16];
    enum ig_code rc = open_snapshot(k, META_PATH, &table, &s, err);

    if (rc)
        goto out;
    hop = add_hop(k, "partition");
    add_text(k, hop, "date", str_of(date_format(k->date, date)));
    if (!s) {
        add_text(k, hop, "status", STR("UNDISCOVERED"));
        goto out;
    }
    buf_clear(&k->sql);
    buf_puts(&k->sql, "SELECT status, run_id, updated_at, processed_at, error_message FROM ");
    rc = lake_add_scan(s, NULL, 0, &k->sql, err);
    buf_puts(&k->sql, " WHERE domain = ");
    engine_add_literal(&k->sql, str_of(k->p->domain->name));
    buf_printf(&k->sql, " AND partition_date = DATE '%s'", date);
    if (!rc)
        rc = engine_query(k->t->c, buf_cstr(&k->sql), &rows, err);
    if (!rc && engine_next(&rows)) {
        snprintf(k->status, sizeof(k->status), STR_FMT, STR_ARG(engine_str(&rows, 0)));
        add_text(k, hop, "status", engine_str(&rows, 0));
        add_text(k, hop, "run_id", engine_str(&rows, 1));
        if (!engine_is_null(&rows, 2))
            add_time_us(k, hop, "updated", engine_int64(&rows, 2));
        if (!engine_is_null(&rows, 3))
            add_time_us(k, hop, "processed", engine_int64(&rows, 3));
        add_text(k, hop, "error", engine_str(&rows, 4));
    } else if (!rc) {
        add_text(k, hop, "status", STR("UNDISCOVERED"));
    }
    engine_rows_free(&rows);
out:
    lake_snapshot_free(s);
    lake_close(table);
    return rc;
}

static enum ig_code look_at_gold_table(struct looking *k, const struct conf_gold *g, struct error *err)
{
    struct lake_table *table = NULL;
    struct lake_snapshot *s = NULL;
    struct trace_hop *hop;
    struct buf path;
    char date[16];
    int64_t n = 0;
    enum ig_code rc;

    buf_init(&path, 0);
    stage_gold_path(k->p->domain, g, &path);
    rc = open_snapshot(k, buf_cstr(&path), &table, &s, err);
    if (rc || !s)
        goto out;
    buf_clear(&k->sql);
    buf_puts(&k->sql, "SELECT count(*) FROM ");
    rc = add_scan(k, s, !g->whole_table, err);
    if (!rc)
        rc = engine_query_int64(k->t->c, buf_cstr(&k->sql), &n, err);
    if (rc)
        goto out;
    hop = add_hop(k, "gold");
    add_version(k, hop, buf_cstr(&path), s);
    add_text(k, hop, "computed_over", g->whole_table ? STR("all dates") : str_of(date_format(k->date, date)));
    add_number(k, hop, "rows", n);
out:
    lake_snapshot_free(s);
    lake_close(table);
    buf_release(&path);
    return rc;
}

static enum ig_code read_loads(struct looking *k, struct error *err)
{
    struct engine_rows rows = {0};
    enum ig_code rc;

    buf_clear(&k->sql);
    buf_puts(&k->sql,
             "SELECT table_name, delta_version, rows, loaded_at FROM ingot_traced.gold._ingot_loads WHERE domain "
             "= ");
    engine_add_literal(&k->sql, str_of(k->p->domain->name));
    buf_puts(&k->sql, " ORDER BY table_name");
    rc = engine_query(k->t->c, buf_cstr(&k->sql), &rows, err);
    while (!rc && engine_next(&rows)) {
        struct trace_hop *hop = add_hop(k, "warehouse");

        add_text(k, hop, "table", str_of(arena_printf(&k->t->arena, "gold." STR_FMT, STR_ARG(engine_str(&rows, 0)))));
        add_number(k, hop, "version", engine_int64(&rows, 1));
        add_number(k, hop, "rows", engine_int64(&rows, 2));
        add_time_us(k, hop, "loaded", engine_int64(&rows, 3));
    }
    engine_rows_free(&rows);
    return rc;
}

/* What is wrong with the warehouse is said, and does not end the trace. */
static void look_at_warehouse(struct looking *k)
{
    const char *url = k->t->x->conf->warehouse_url ? k->t->x->conf->warehouse_url : "";
    const int64_t until_ms = env_monotonic_ms(k->t->x->env) + WAREHOUSE_WAIT_MS;
    struct error err = {0};
    struct env_stat st;
    enum ig_code rc;

    if (!str_has_prefix(str_of(url), "duckdb:") || k->p->domain->n_gold == 0)
        return;
    rc = env_stat(k->t->x->env, url + strlen("duckdb:"), &st, &err);
    if (rc == IG_NOT_FOUND)
        return;
    buf_clear(&k->sql);
    buf_puts(&k->sql, "ATTACH ");
    engine_add_literal(&k->sql, str_of(url + strlen("duckdb:")));
    buf_puts(&k->sql, " AS ingot_traced (READ_ONLY)");
    while (!rc && (rc = engine_exec(k->t->c, &err, buf_cstr(&k->sql))) == IG_UNAVAILABLE &&
           env_monotonic_ms(k->t->x->env) < until_ms) {
        env_sleep_ms(k->t->x->env, WAREHOUSE_PAUSE_MS);
        rc = IG_OK;
    }
    if (!rc) {
        rc = read_loads(k, &err);
        (void)!engine_exec(k->t->c, NULL, "DETACH ingot_traced");
    }
    if (rc)
        add_text(k, add_hop(k, "warehouse"), "problem", str_of(err.msg));
}

/* --- all
 * ------------------------------------------------------------------------------------------------------------------ */

/* The order of a record's way, which is not the order of looking. */
static int rank_of(const char *hop)
{
    static const char *const order[] = {"source",     "record", "log",       "bronze", "dlq",
                                        "quarantine", "silver", "partition", "gold",   "warehouse"};
    int i = 0;

    while (i < (int)IG_COUNT(order) && strcmp(order[i], hop) != 0)
        i++;
    return i;
}

static void sort_hops(struct trace *t)
{
    for (size_t i = 1; i < t->hops.n; i++) {
        const struct trace_hop hop = t->hops.p[i];
        size_t k = i;

        for (; k > 0 && rank_of(t->hops.p[k - 1].name) > rank_of(hop.name); k--)
            t->hops.p[k] = t->hops.p[k - 1];
        t->hops.p[k] = hop;
    }
}

static enum ig_code look(struct looking *k, struct error *err)
{
    const struct conf_domain *d = k->p->domain;

    IG_TRY(look_at_bronze(k, err));
    IG_TRY(look_at_log(k, err));
    IG_TRY(look_at_letters(k, err));
    if (!k->in_bronze)
        return IG_OK;
    IG_TRY(look_at_quarantine(k, err));
    IG_TRY(look_at_silver(k, err));
    if (k->date == DATE_NONE)
        return IG_OK;
    IG_TRY(look_at_partition(k, err));
    if (!k->in_silver)
        return IG_OK;
    for (size_t i = 0; i < d->n_gold; i++)
        IG_TRY(look_at_gold_table(k, &d->gold[i], err));
    look_at_warehouse(k);
    return IG_OK;
}

enum ig_code trace_hops(struct trace *t, const struct trace_place *p, struct error *err)
{
    struct looking k = {.t = t, .p = p, .date = DATE_NONE};
    enum ig_code rc;

    buf_init(&k.sql, 0);
    rc = look(&k, err);
    sort_hops(t);
    buf_release(&k.sql);
    return rc;
}
