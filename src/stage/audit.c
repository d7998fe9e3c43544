/*
 * The ledger: opening, the order of looking, and what its parts share.
 */
#include "stage/audit.h"

#include <stdio.h>
#include <stdlib.h>

#define TRIES 3 /* a partition that is being processed changes while we look */

/* --- for the parts --------------------------------------------------------------------------------------------- */

IG_PRINTF(1, 0) static char *format(const char *fmt, va_list ap)
{
    char *text = NULL;
    const int n = vasprintf(&text, fmt, ap);

    IG_ASSERT(n >= 0);
    return text;
}

enum ig_code audit_execf(struct stage_ledger *l, struct error *err, const char *fmt, ...)
{
    va_list ap;
    char *sql;
    enum ig_code rc;

    va_start(ap, fmt);
    sql = format(fmt, ap);
    va_end(ap);
    rc = engine_exec(l->c, err, sql);
    free(sql);
    return rc;
}

enum ig_code audit_int64(struct stage_ledger *l, int64_t *out, struct error *err, const char *fmt, ...)
{
    va_list ap;
    char *sql;
    enum ig_code rc;

    va_start(ap, fmt);
    sql = format(fmt, ap);
    va_end(ap);
    rc = engine_query_int64(l->c, sql, out, err);
    free(sql);
    return rc;
}

enum ig_code audit_count(struct stage_ledger *l, struct stage_audit *a, const char *hop, const char *table,
                         struct error *err)
{
    struct stage_count *count = &a->counts[a->n_counts];
    struct engine_rows rows = {0};
    struct buf sql;
    enum ig_code rc;

    IG_ASSERT(a->n_counts < STAGE_COUNTS_MAX);
    *count = (struct stage_count){.hop = hop};
    buf_init(&sql, 0);
    buf_printf(&sql,
               "SELECT count(*), (coalesce(sum(lo), 0) %% 18446744073709551616)::UBIGINT, (coalesce(sum(hi), 0) %% "
               "18446744073709551616)::UBIGINT FROM %s",
               table);
    rc = engine_query(l->c, buf_cstr(&sql), &rows, err);
    if (!rc && engine_next(&rows)) {
        count->f.count = (uint64_t)engine_int64(&rows, 0);
        count->f.low = (uint64_t)engine_int64(&rows, 1);
        count->f.high = (uint64_t)engine_int64(&rows, 2);
        a->n_counts++;
    }
    engine_rows_free(&rows);
    buf_release(&sql);
    return rc;
}

const struct fingerprint *audit_fingerprint(const struct stage_audit *a, const char *hop)
{
    static const struct fingerprint none = {0};

    for (size_t i = 0; i < a->n_counts; i++)
        if (strcmp(a->counts[i].hop, hop) == 0)
            return &a->counts[i].f;
    return &none;
}

/* Appends "SENTENCE: topic/0/1, topic/0/2, ..." if `from` has rows. */
static enum ig_code add_finding(struct stage_ledger *l, struct buf *to, const char *sentence, const char *from,
                                bool *found, struct error *err)
{
    const char *number = strstr(sentence, "%lld");
    struct buf samples;
    int64_t n = 0;
    enum ig_code rc;

    IG_ASSERT(number);
    *found = false;
    IG_TRY(audit_int64(l, &n, err, "SELECT count(*) FROM %s", from));
    if (n == 0)
        return IG_OK;
    buf_init(&samples, 0);
    buf_printf(&samples,
               "SELECT string_agg(concat(topic, '/', part, '/', off), ', ') FROM (SELECT topic, part, off FROM %s "
               "ORDER BY topic, part, off LIMIT %d)",
               from, AUDIT_SAMPLES);
    buf_add(to, sentence, (size_t)(number - sentence));
    buf_printf(to, "%lld%s: ", (long long)n, number + strlen("%lld"));
    rc = engine_query_str(l->c, buf_cstr(&samples), to, err);
    buf_puts(to, n > AUDIT_SAMPLES ? ", ...\n" : "\n");
    buf_release(&samples);
    *found = true;
    return rc;
}

static void raise_to(struct stage_audit *a, enum stage_verdict verdict)
{
    if (verdict > a->verdict)
        a->verdict = verdict;
}

enum ig_code audit_differ(struct stage_ledger *l, struct stage_audit *a, const char *sentence, const char *from,
                          struct error *err)
{
    bool found = false;

    IG_TRY(add_finding(l, &a->differences, sentence, from, &found, err));
    if (found)
        raise_to(a, STAGE_DIFFERS);
    return IG_OK;
}

enum ig_code audit_open(struct stage_ledger *l, struct stage_audit *a, const char *sentence, const char *from,
                        struct error *err)
{
    bool found = false;

    IG_TRY(add_finding(l, &a->notes, sentence, from, &found, err));
    if (found)
        raise_to(a, STAGE_OPEN);
    return IG_OK;
}

void audit_note(struct stage_audit *a, enum stage_verdict at_least, const char *fmt, ...)
{
    va_list ap;
    char *text;

    va_start(ap, fmt);
    text = format(fmt, ap);
    va_end(ap);
    buf_puts(&a->notes, text);
    buf_putc(&a->notes, '\n');
    free(text);
    raise_to(a, at_least);
}

enum ig_code audit_scan(struct stage_ledger *l, const char *path, int32_t date, struct buf *from, bool *there,
                        int64_t *version, struct error *err)
{
    char date_text[16];
    const struct lake_partition only = {l->d->bronze.date_column, date_format(date == DATE_NONE ? 0 : date, date_text)};
    struct lake_table *table = NULL;
    struct lake_snapshot *snapshot = NULL;
    enum ig_code rc = lake_open(l->x->store, l->c, path, &table, err);

    *there = false;
    if (!rc)
        rc = lake_snapshot_open(table, LAKE_LATEST, &snapshot, err);
    if (rc == IG_NOT_FOUND) {
        rc = IG_OK;
    } else if (!rc) {
        *there = true;
        if (version)
            *version = lake_version(snapshot);
        rc =
            lake_add_scan(snapshot, &(struct lake_scan){.only = &only, .n_only = date == DATE_NONE ? 0 : 1}, from, err);
    }
    lake_snapshot_free(snapshot);
    lake_close(table);
    return rc;
}

/* --- the partition's state ------------------------------------------------------------------------------------- */

static void meta_init(struct audit_meta *m)
{
    *m = (struct audit_meta){.status = "UNDISCOVERED"};
    buf_init(&m->files, 0);
    buf_init(&m->error, 0);
}

static void meta_release(struct audit_meta *m)
{
    buf_release(&m->files);
    buf_release(&m->error);
}

static enum ig_code read_meta(struct stage_ledger *l, int32_t date, struct audit_meta *m, struct error *err)
{
    struct engine_rows rows = {0};
    struct buf sql;
    char date_text[16];
    bool there = false;
    enum ig_code rc;

    buf_init(&sql, 0);
    buf_puts(&sql, "SELECT coalesce(status, ''), concat(status, ' ', run_id, ' ', updated_at), "
                   "coalesce(array_to_string(list_sort(source_files), chr(10)), ''), coalesce(error_message, ''), "
                   "coalesce(epoch_ms(processed_at), 0) FROM ");
    rc = audit_scan(l, AUDIT_META_PATH, DATE_NONE, &sql, &there, NULL, err);
    if (rc || !there)
        goto out;
    buf_puts(&sql, " WHERE domain = ");
    engine_add_literal(&sql, str_of(l->d->name));
    buf_printf(&sql, " AND partition_date = DATE '%s'", date_format(date, date_text));
    rc = engine_query(l->c, buf_cstr(&sql), &rows, err);
    if (!rc && engine_next(&rows)) {
        snprintf(m->status, sizeof(m->status), STR_FMT, STR_ARG(engine_str(&rows, 0)));
        snprintf(m->mark, sizeof(m->mark), STR_FMT, STR_ARG(engine_str(&rows, 1)));
        buf_add_str(&m->files, engine_str(&rows, 2));
        buf_add_str(&m->error, engine_str(&rows, 3));
        m->processed_ms = engine_int64(&rows, 4);
    }
    engine_rows_free(&rows);
out:
    buf_release(&sql);
    return rc;
}

/* --- one partition --------------------------------------------------------------------------------------------- */

void stage_audit_free(struct stage_audit *a)
{
    free(a->gold);
    buf_release(&a->differences);
    buf_release(&a->notes);
    *a = (struct stage_audit){0};
}

static void audit_init(struct stage_audit *a, int32_t date)
{
    *a = (struct stage_audit){.date = date};
    buf_init(&a->differences, 0);
    buf_init(&a->notes, 0);
}

static enum ig_code look(struct stage_ledger *l, int32_t date, struct stage_audit *a, bool *moved, struct error *err)
{
    struct audit_meta before, after;
    enum ig_code rc;

    *moved = false;
    meta_init(&before);
    meta_init(&after);
    rc = read_meta(l, date, &before, err);
    snprintf(a->status, sizeof(a->status), "%s", before.status);
    if (!rc)
        rc = audit_hops(l, date, &before, a, err);
    if (!rc && strcmp(before.status, "DONE") == 0)
        rc = audit_gold(l, date, &before, a, err);
    if (!rc)
        rc = read_meta(l, date, &after, err);
    if (!rc)
        *moved = strcmp(before.mark, after.mark) != 0;
    for (size_t i = 0; i < l->d->n_gold && (rc || *moved); i++)
        l->whole[i].done = false;
    meta_release(&before);
    meta_release(&after);
    return rc;
}

static bool is_empty(const struct stage_audit *a)
{
    uint64_t n = 0;

    for (size_t i = 0; i < a->n_counts; i++)
        n += a->counts[i].f.count;
    return n == 0;
}

enum ig_code stage_ledger_partition(struct stage_ledger *l, int32_t date, struct stage_audit *out, struct error *err)
{
    char text[16];
    bool moved = true;
    enum ig_code rc = IG_OK;

    audit_init(out, date);
    if (l->o.only_date != DATE_NONE && l->o.only_date != date)
        return error_set(err, IG_INVALID, "the ledger was opened for another date");
    for (int i = 0; i < TRIES && moved && !rc; i++) {
        stage_audit_free(out);
        audit_init(out, date);
        rc = look(l, date, out, &moved, err);
    }
    if (!l->has_log)
        audit_note(out, STAGE_BALANCED, "the log was not looked at");
    if (!rc && is_empty(out))
        audit_note(out, STAGE_BALANCED, "no hop has a record of this date");
    if (!rc && moved) {
        buf_clear(&out->differences);
        out->verdict = STAGE_OPEN;
        audit_note(out, STAGE_OPEN, "a run is working on the partition just now: look again when it is done");
    }
    return rc ? error_context(err, rc, "%s %s", l->d->name, date_format(date, text)) : IG_OK;
}

enum ig_code stage_ledger_topic(struct stage_ledger *l, struct stage_audit *out, struct error *err)
{
    audit_init(out, DATE_NONE);
    if (!l->has_log || l->o.only_date != DATE_NONE) {
        audit_note(out, STAGE_BALANCED, "the log was not looked at");
        return IG_OK;
    }
    return audit_topic(l, out, err);
}

/* --- dates ----------------------------------------------------------------------------------------------------- */

struct date_list {
    struct stage_ledger *l;
    size_t prefix_length;
    struct buf *sql;
};

/* bronze/DOMAIN/COLUMN=YYYY-MM-DD/... */
static enum ig_code add_bronze_date(void *ctx, const struct store_object *object, struct error *err)
{
    struct date_list *list = ctx;
    int32_t days;

    (void)err;
    if (object->name.n >= list->prefix_length + 10 &&
        date_parse((struct str){object->name.p + list->prefix_length, 10}, &days))
        buf_printf(list->sql, " UNION SELECT DATE '%.10s'", object->name.p + list->prefix_length);
    return IG_OK;
}

static enum ig_code add_table_dates(struct stage_ledger *l, const char *path, struct buf *sql, struct error *err)
{
    struct buf from;
    bool there = false;
    enum ig_code rc;

    buf_init(&from, 0);
    rc = audit_scan(l, path, DATE_NONE, &from, &there, NULL, err);
    if (!rc && there) {
        buf_puts(sql, " UNION SELECT DISTINCT CAST(");
        engine_add_name(sql, str_of(l->d->bronze.date_column));
        buf_printf(sql, " AS DATE) FROM %s", buf_cstr(&from));
    }
    buf_release(&from);
    return rc;
}

static enum ig_code add_dates(struct stage_ledger *l, struct buf *sql, struct error *err)
{
    struct date_list list = {l, 0, sql};
    struct buf text;
    bool there = false;
    enum ig_code rc;

    buf_init(&text, 0);
    buf_puts(sql, "SELECT date FROM (SELECT NULL::DATE AS date");
    if (l->has_log)
        buf_puts(sql, " UNION SELECT DISTINCT date FROM audit_log");
    buf_printf(&text, "bronze/%s/%s=", l->d->name, l->d->bronze.date_column);
    list.prefix_length = text.n;
    rc = store_list(l->x->store, buf_cstr(&text), add_bronze_date, &list, err);
    buf_clear(&text);
    stage_silver_path(l->d, &text);
    if (!rc)
        rc = add_table_dates(l, buf_cstr(&text), sql, err);
    buf_clear(&text);
    stage_quarantine_path(l->d, &text);
    if (!rc)
        rc = add_table_dates(l, buf_cstr(&text), sql, err);
    buf_clear(&text);
    if (!rc)
        rc = audit_scan(l, AUDIT_META_PATH, DATE_NONE, &text, &there, NULL, err);
    if (!rc && there) {
        buf_printf(sql, " UNION SELECT partition_date FROM %s WHERE domain = ", buf_cstr(&text));
        engine_add_literal(sql, str_of(l->d->name));
    }
    buf_puts(sql, ") WHERE date IS NOT NULL ORDER BY date");
    buf_release(&text);
    return rc;
}

enum ig_code stage_ledger_dates(struct stage_ledger *l, int32_t **dates, size_t *n, struct error *err)
{
    VEC(int32_t) found = {0};
    struct engine_rows rows = {0};
    struct buf sql;
    enum ig_code rc;

    buf_init(&sql, 0);
    rc = add_dates(l, &sql, err);
    if (!rc)
        rc = engine_query(l->c, buf_cstr(&sql), &rows, err);
    while (!rc && engine_next(&rows))
        vec_push(&found, (int32_t)engine_int64(&rows, 0));
    engine_rows_free(&rows);
    buf_release(&sql);
    *dates = found.p;
    *n = found.n;
    return rc;
}

/* --- opening --------------------------------------------------------------------------------------------------- */

static enum ig_code open_parts(struct stage_ledger *l, struct error *err)
{
    char name[96];
    enum ig_code rc;

    IG_TRY(engine_connect(l->x->engine, &l->c, err));
    IG_TRY(contract_new(l->d, &l->contract, err));
    snprintf(name, sizeof(name), "audit_identity_%s", l->d->name);
    IG_TRY(contract_register_identity(l->contract, l->c, name, err));
    if (!l->x->log)
        return IG_OK;
    rc = audit_read_log(l, err);
    return rc ? error_context(err, rc, "the log's part of the ledger") : IG_OK;
}

enum ig_code stage_ledger_open(const struct stage_context *x, const struct conf_domain *d,
                               const struct stage_ledger_options *o, struct stage_ledger **out, struct error *err)
{
    static const struct stage_ledger_options defaults = {.only_date = DATE_NONE};
    struct stage_ledger *l = check_calloc(1, sizeof(*l));
    enum ig_code rc;

    l->x = x;
    l->d = d;
    l->o = o ? *o : defaults;
    l->whole = check_calloc(d->n_gold ? d->n_gold : 1, sizeof(*l->whole));
    buf_init(&l->topic, 0);
    engine_add_literal(&l->topic, str_of(d->topic.name));
    rc = open_parts(l, err);
    if (rc) {
        stage_ledger_close(l);
        return rc;
    }
    *out = l;
    return IG_OK;
}

void stage_ledger_close(struct stage_ledger *l)
{
    if (!l)
        return;
    contract_free(l->contract);
    engine_disconnect(l->c);
    vec_free(&l->bounds);
    buf_release(&l->topic);
    free(l->whole);
    free(l);
}
