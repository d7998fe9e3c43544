/*
 * The ledger between log and silver: log = bronze = silver + duplicates + rejected, record by record.
 *
 * A duplicate is not what is left over: each must name its witness, a row in silver with the same key. What has neither
 * a row, nor a witness, nor a rejection is lost.
 */
#include "stage/audit.h"
#include "stage/tables.h"

#include <stdlib.h>

/* The shape of every hop's table, from rows of (topic, part, off, n). */
#define SHAPE "topic, part, off, (n & 18446744073709551615::UHUGEINT)::UBIGINT AS lo, (n >> 64)::UBIGINT AS hi"
#define EMPTY_SHAPE                                                                                          \
    "SELECT ''::VARCHAR AS topic, 0::INTEGER AS part, 0::BIGINT AS off, 0::UBIGINT AS lo, 0::UBIGINT AS hi " \
    "WHERE false"
#define FINGERPRINT(hash) "md5_number(concat(_topic, '/', _partition, '/', _offset, '/', " hash "))"
#define SAME_RECORD "(topic, part, off)"

struct hops {
    struct stage_ledger *l;
    struct stage_audit *a;
    int32_t date;
    bool processed;   /* silver and quarantine are of exactly the bronze files that are there */
    struct buf files; /* bronze: ['PATH', ...] */
    struct buf names; /* bronze: names, one a line */
    size_t n_files;
    struct buf silver;     /* FROM item of the partition, "" if there is no table */
    struct buf all_silver; /* of the table */
};

/* --- the tables ------------------------------------------------------------------------------------------------ */

static enum ig_code make_bronze(struct hops *h, struct error *err)
{
    if (h->n_files == 0)
        return audit_execf(h->l, err, "CREATE OR REPLACE TEMP TABLE audit_bronze AS " EMPTY_SHAPE);
    return audit_execf(h->l, err,
                       "CREATE OR REPLACE TEMP TABLE audit_bronze AS SELECT DISTINCT " SHAPE
                       " FROM (SELECT _topic AS topic, _partition AS part, _offset AS off, " FINGERPRINT(
                           "sha256(coalesce(_value, ''))") " AS n FROM read_parquet(%s, union_by_name = true))",
                       buf_cstr(&h->files));
}

/* A Delta table of the partition as a hop's table; `hash` is the SQL of the value's SHA-256. */
static enum ig_code make_table(struct hops *h, const char *table, const char *path, const char *fingerprint,
                               struct buf *from, struct error *err)
{
    bool there = false;

    IG_TRY(audit_scan(h->l, path, h->date, from, &there, NULL, err));
    if (!there)
        return audit_execf(h->l, err, "CREATE OR REPLACE TEMP TABLE %s AS " EMPTY_SHAPE, table);
    return audit_execf(h->l, err,
                       "CREATE OR REPLACE TEMP TABLE %s AS SELECT " SHAPE
                       " FROM (SELECT _topic AS topic, _partition AS part, _offset AS off, %s AS n FROM %s)",
                       table, fingerprint, buf_cstr(from));
}

static enum ig_code make_silver_and_quarantine(struct hops *h, struct error *err)
{
    struct buf path, quarantine;
    bool there;
    enum ig_code rc;

    buf_init(&path, 0);
    buf_init(&quarantine, 0);
    stage_silver_path(h->l->d, &path);
    rc = make_table(h, "audit_silver", buf_cstr(&path), FINGERPRINT("record_hash"), &h->silver, err);
    if (!rc)
        rc = audit_scan(h->l, buf_cstr(&path), DATE_NONE, &h->all_silver, &there, NULL, err);
    buf_clear(&path);
    stage_quarantine_path(h->l->d, &path);
    if (!rc)
        rc = make_table(h, "audit_quarantine", buf_cstr(&path), FINGERPRINT("sha256(coalesce(_value, ''))"),
                        &quarantine, err);
    buf_release(&quarantine);
    buf_release(&path);
    return rc;
}

/* --- log and bronze -------------------------------------------------------------------------------------------- */

/* What the log has of this date, without the records that the sink gave to the DLQ instead. */
static enum ig_code make_log(struct hops *h, struct error *err)
{
    char date[16];

    return audit_execf(
        h->l, err,
        "CREATE OR REPLACE TEMP TABLE audit_dated AS SELECT %s AS topic, part, off, lo, hi FROM audit_log AS g WHERE "
        "date = DATE '%s' AND (EXISTS (FROM audit_bronze AS b WHERE b.topic = %s AND b.part = g.part AND b.off = "
        "g.off) OR NOT EXISTS (FROM audit_dlq AS q WHERE q.stage <> 'silver' AND q.topic = %s AND q.part = g.part "
        "AND q.off = g.off))",
        buf_cstr(&h->l->topic), date_format(h->date, date), buf_cstr(&h->l->topic), buf_cstr(&h->l->topic));
}

/* Bronze rows whose offsets the log should still have; what came in after the log was read is left out. */
static enum ig_code make_comparable_bronze(struct stage_ledger *l, struct error *err)
{
    return audit_execf(l, err,
                       "CREATE OR REPLACE TEMP TABLE audit_in_reach AS SELECT b.* FROM audit_bronze AS b JOIN "
                       "audit_bounds AS k ON b.part = k.part WHERE b.topic = %s AND b.off >= k.low AND b.off < k.high",
                       buf_cstr(&l->topic));
}

/* A log that has fewer records than bronze was cut off. */
static enum ig_code check_log_end(struct stage_ledger *l, struct stage_audit *a, struct error *err)
{
    for (size_t i = 0; i < l->bounds.n; i++) {
        int64_t beyond = 0, low = 0, high = 0;
        const int32_t partition = (int32_t)i;

        IG_TRY(audit_int64(l, &beyond, err,
                           "SELECT coalesce(max(off), -1) FROM audit_bronze WHERE topic = %s AND part = %d",
                           buf_cstr(&l->topic), partition));
        if (beyond < l->bounds.p[i].high)
            continue;
        IG_TRY(log_watermarks(l->x->log, l->d->topic.name, partition, &low, &high, err));
        if (beyond >= high) {
            buf_printf(&a->differences,
                       "the log ends before bronze does: %s/%d ends at offset %lld, bronze has offset %lld\n",
                       l->d->topic.name, partition, (long long)high, (long long)beyond);
            a->verdict = STAGE_DIFFERS;
        }
    }
    return IG_OK;
}

static enum ig_code note_retention(struct stage_ledger *l, struct stage_audit *a, struct error *err)
{
    int64_t gone = 0;

    IG_TRY(audit_int64(l, &gone, err,
                       "SELECT count(*) FROM audit_bronze AS b LEFT JOIN audit_bounds AS k ON b.part = k.part AND "
                       "b.topic = %s WHERE k.part IS NULL OR b.off < k.low",
                       buf_cstr(&l->topic)));
    if (gone)
        audit_note(a, STAGE_BALANCED,
                   "%lld records of bronze are older than what the log still has (retention): compared from there on",
                   (long long)gone);
    return IG_OK;
}

static enum ig_code compare_log(struct hops *h, struct error *err)
{
    struct stage_ledger *l = h->l;

    IG_TRY(make_log(h, err));
    IG_TRY(make_comparable_bronze(l, err));
    IG_TRY(audit_count(l, h->a, "log", "audit_dated", err));
    IG_TRY(check_log_end(l, h->a, err));
    IG_TRY(note_retention(l, h->a, err));
    IG_TRY(
        audit_differ(l, h->a, "%lld records of the log, consumed by the sink, are not in bronze",
                     "(SELECT g.topic, g.part, g.off FROM audit_dated AS g ANTI JOIN audit_in_reach USING " SAME_RECORD
                     " JOIN audit_bounds AS k ON g.part = k.part WHERE g.off < k.committed)",
                     err));
    IG_TRY(audit_open(l, h->a, "%lld records of the log are on the way: the sink has not written them to bronze yet",
                      "(SELECT g.topic, g.part, g.off FROM audit_dated AS g ANTI JOIN audit_in_reach USING " SAME_RECORD
                      " JOIN audit_bounds AS k ON g.part = k.part WHERE g.off >= k.committed)",
                      err));
    IG_TRY(audit_differ(l, h->a, "%lld records of bronze are not in the log under this date",
                        "(SELECT topic, part, off FROM audit_in_reach ANTI JOIN audit_dated USING " SAME_RECORD ")",
                        err));
    return audit_differ(
        l, h->a, "%lld records have other bytes in bronze than in the log",
        "(SELECT b.topic, b.part, b.off FROM audit_in_reach AS b JOIN audit_dated AS g USING " SAME_RECORD
        " WHERE (b.lo, b.hi) <> (g.lo, g.hi))",
        err);
}

/* --- bronze and silver ----------------------------------------------------------------------------------------- */

/* "[f.a::VARCHAR, f.b::VARCHAR]::VARCHAR", the text by which two rows are of one key. */
static void add_key(const struct hops *h, const char *prefix, struct buf *sql)
{
    const struct conf_contract *contract = &h->l->d->contract;

    buf_putc(sql, '[');
    for (size_t i = 0; i < contract->n_key; i++) {
        buf_puts(sql, i ? ", " : "");
        buf_puts(sql, prefix);
        engine_add_name(sql, str_of(contract->key[i]));
        buf_puts(sql, "::VARCHAR");
    }
    buf_puts(sql, "]::VARCHAR");
}

static bool silver_has_key(struct hops *h)
{
    struct buf sql;
    bool has;

    if (h->silver.n == 0 || h->l->d->contract.n_key == 0)
        return false;
    buf_init(&sql, 0);
    buf_puts(&sql, "SELECT ");
    add_key(h, "", &sql);
    buf_printf(&sql, " FROM %s LIMIT 0", buf_cstr(&h->silver));
    has = engine_exec(h->l->c, NULL, buf_cstr(&sql)) == IG_OK;
    buf_release(&sql);
    return has;
}

/* audit_keys(topic, part, off, reject, key) of the records of `files` that `which` (a join clause) leaves. */
static enum ig_code make_keys(struct hops *h, const char *table, const char *files, const char *which,
                              struct error *err)
{
    struct buf key;
    enum ig_code rc;

    buf_init(&key, 0);
    if (h->l->d->contract.n_key)
        add_key(h, "f.", &key);
    else
        buf_puts(&key, "NULL");
    rc = audit_execf(h->l, err,
                     "CREATE OR REPLACE TEMP TABLE %s AS SELECT DISTINCT ON (topic, part, off) topic, part, off, "
                     "f._reject AS reject, %s AS key FROM (SELECT topic, part, off, audit_identity_%s(_value, "
                     "_timestamp) AS f FROM (SELECT _topic AS topic, _partition AS part, _offset AS off, _value, "
                     "_timestamp FROM read_parquet(%s, union_by_name = true)) %s)",
                     table, buf_cstr(&key), h->l->d->name, files, which);
    buf_release(&key);
    return rc;
}

/* Witnesses by silver's own key columns. */
static enum ig_code prove_by_silver(struct hops *h, struct error *err)
{
    const bool table_wide = h->l->d->contract.unique == CONF_UNIQUE_TABLE;
    struct buf key;
    enum ig_code rc;

    buf_init(&key, 0);
    add_key(h, "", &key);
    rc = audit_execf(h->l, err,
                     "INSERT INTO audit_proven SELECT topic, part, off FROM audit_keys WHERE reject IS NULL AND key IN "
                     "(SELECT %s FROM %s)",
                     buf_cstr(&key), buf_cstr(table_wide ? &h->all_silver : &h->silver));
    buf_release(&key);
    return rc;
}

/* Witnesses by the keys of the bronze records that silver's rows came from: for a silver.sql that renames the key. */
static enum ig_code prove_by_bronze(struct hops *h, struct error *err)
{
    struct buf files, which;
    size_t n = 0;
    int32_t date = h->l->d->contract.unique == CONF_UNIQUE_TABLE ? DATE_NONE : h->date;
    enum ig_code rc;

    buf_init(&files, 0);
    buf_init(&which, 0);
    buf_printf(&which,
               "SEMI JOIN (SELECT _topic AS topic, _partition AS part, _offset AS off FROM %s) USING " SAME_RECORD,
               buf_cstr(&h->all_silver));
    rc = tables_add_bronze_files(h->l->x, h->l->d, date, &files, NULL, &n, err);
    if (!rc && n)
        rc = make_keys(h, "audit_kept_keys", buf_cstr(&files), buf_cstr(&which), err);
    if (!rc && n)
        rc = audit_execf(h->l, err,
                         "INSERT INTO audit_proven SELECT topic, part, off FROM audit_keys ANTI JOIN audit_proven "
                         "USING " SAME_RECORD " WHERE reject IS NULL AND key IN (SELECT key FROM audit_kept_keys)");
    buf_release(&which);
    buf_release(&files);
    return rc;
}

static enum ig_code unproven(struct hops *h, int64_t *n, struct error *err)
{
    return audit_int64(h->l, n, err, "SELECT count(*) FROM audit_rest ANTI JOIN audit_proven USING " SAME_RECORD);
}

/* Splits what is neither in silver nor in quarantine into proven duplicates and the rest. */
static enum ig_code prove_duplicates(struct hops *h, struct error *err)
{
    int64_t left = 0;

    IG_TRY(audit_execf(h->l, err,
                       "CREATE OR REPLACE TEMP TABLE audit_rest AS SELECT * FROM audit_bronze ANTI JOIN audit_silver "
                       "USING " SAME_RECORD " ANTI JOIN audit_quarantine USING " SAME_RECORD ";"
                       "CREATE OR REPLACE TEMP TABLE audit_proven AS SELECT topic, part, off FROM audit_rest LIMIT 0;"
                       "CREATE OR REPLACE TEMP TABLE audit_keys AS SELECT topic, part, off, NULL::VARCHAR AS reject, "
                       "NULL::VARCHAR AS key FROM audit_rest LIMIT 0"));
    IG_TRY(unproven(h, &left, err));
    if (left == 0)
        return IG_OK;
    IG_TRY(make_keys(h, "audit_keys", buf_cstr(&h->files), "SEMI JOIN audit_rest USING " SAME_RECORD, err));
    if (h->l->d->contract.n_key == 0)
        return IG_OK;
    if (silver_has_key(h))
        IG_TRY(prove_by_silver(h, err));
    IG_TRY(unproven(h, &left, err));
    return left && h->silver.n ? prove_by_bronze(h, err) : IG_OK;
}

static enum ig_code count_rest(struct hops *h, struct error *err)
{
    struct stage_ledger *l = h->l;

    IG_TRY(audit_count(l, h->a, "duplicates", "(SELECT * FROM audit_rest SEMI JOIN audit_proven USING " SAME_RECORD ")",
                       err));
    IG_TRY(audit_differ(l, h->a, "%lld records break the contract and are not in quarantine",
                        "(SELECT topic, part, off FROM audit_keys WHERE reject IS NOT NULL)", err));
    return audit_differ(l, h->a, "%lld records of bronze are not in silver, and no row there has their key",
                        "(SELECT topic, part, off FROM audit_keys ANTI JOIN audit_proven USING " SAME_RECORD
                        " WHERE reject IS NULL)",
                        err);
}

/* Whatever the state: what silver and quarantine have must come from bronze, each record once. */
static enum ig_code check_silver(struct hops *h, struct error *err)
{
    struct stage_ledger *l = h->l;

    IG_TRY(audit_differ(l, h->a, "%lld rows of silver are of records that bronze does not have",
                        "(SELECT topic, part, off FROM audit_silver ANTI JOIN audit_bronze USING " SAME_RECORD ")",
                        err));
    IG_TRY(
        audit_differ(l, h->a, "%lld rows of silver have another record_hash than the record's bytes in bronze",
                     "(SELECT s.topic, s.part, s.off FROM audit_silver AS s JOIN audit_bronze AS b USING " SAME_RECORD
                     " WHERE (s.lo, s.hi) <> (b.lo, b.hi))",
                     err));
    IG_TRY(audit_differ(l, h->a, "%lld records are in silver more than once",
                        "(SELECT topic, part, off FROM audit_silver GROUP BY ALL HAVING count(*) > 1)", err));
    IG_TRY(audit_differ(l, h->a, "%lld records are in quarantine more than once",
                        "(SELECT topic, part, off FROM audit_quarantine GROUP BY ALL HAVING count(*) > 1)", err));
    IG_TRY(audit_differ(l, h->a, "%lld records are in silver and in quarantine",
                        "(SELECT topic, part, off FROM audit_silver SEMI JOIN audit_quarantine USING " SAME_RECORD ")",
                        err));
    return audit_differ(l, h->a, "%lld records of quarantine are not in bronze",
                        "(SELECT topic, part, off FROM audit_quarantine ANTI JOIN audit_bronze USING " SAME_RECORD ")",
                        err);
}

/* A key stands for one entity: once in the partition, or (unique: table) in the table. */
static enum ig_code check_keys(struct hops *h, struct error *err)
{
    const bool table_wide = h->l->d->contract.unique == CONF_UNIQUE_TABLE;
    struct buf key, from;
    enum ig_code rc;

    if (!silver_has_key(h))
        return IG_OK;
    buf_init(&key, 0);
    buf_init(&from, 0);
    add_key(h, "", &key);
    buf_printf(&from,
               "(SELECT arg_min(_topic, _offset) AS topic, arg_min(_partition, _offset) AS part, min(_offset) AS off "
               "FROM %s WHERE %s IN (SELECT %s FROM %s) GROUP BY %s HAVING count(*) > 1)",
               buf_cstr(table_wide ? &h->all_silver : &h->silver), buf_cstr(&key), buf_cstr(&key), buf_cstr(&h->silver),
               buf_cstr(&key));
    rc = audit_differ(h->l, h->a, "%lld keys are in silver more than once; the first record of each", buf_cstr(&from),
                      err);
    buf_release(&from);
    buf_release(&key);
    return rc;
}

static enum ig_code check_dlq(struct hops *h, struct error *err)
{
    struct stage_ledger *l = h->l;

    if (!l->has_log)
        return IG_OK;
    IG_TRY(audit_count(
        l, h->a, "dlq",
        "(SELECT * FROM audit_quarantine AS q SEMI JOIN (FROM audit_dlq WHERE stage = 'silver') USING " SAME_RECORD ")",
        err));
    if (l->dlq_low > 0) {
        audit_note(h->a, STAGE_BALANCED, "retention has removed dead letters: the DLQ is counted, not compared");
        return IG_OK;
    }
    return audit_differ(l, h->a, "%lld records of quarantine are not in the DLQ",
                        "(SELECT topic, part, off FROM audit_quarantine ANTI JOIN (FROM audit_dlq WHERE stage = "
                        "'silver') USING " SAME_RECORD ")",
                        err);
}

/* --- the whole ------------------------------------------------------------------------------------------------- */

/* Are the files that the last run processed exactly those that are there? Both are sorted names, one a line. */
static bool is_processed(const struct hops *h, const struct audit_meta *meta)
{
    return strcmp(meta->status, "DONE") == 0 && str_eq(buf_str(&meta->files), buf_str(&h->names));
}

static void note_state(struct hops *h, const struct audit_meta *meta)
{
    const struct fingerprint *bronze = audit_fingerprint(h->a, "bronze");

    if (h->processed)
        return;
    if (h->n_files == 0 && strcmp(meta->status, "UNDISCOVERED") == 0)
        return;
    audit_note(h->a, STAGE_OPEN, "not processed yet: the partition is %s, bronze has %lld records in %zu files%s%s%s",
               strcmp(meta->status, "DONE") == 0 ? "DONE with other files" : meta->status, (long long)bronze->count,
               h->n_files, meta->error.n ? " (" : "", buf_cstr(&meta->error), meta->error.n ? ")" : "");
}

static enum ig_code compare_all(struct hops *h, const struct audit_meta *meta, struct error *err)
{
    struct stage_ledger *l = h->l;

    /* silver first: bronze only grows, so whatever is in silver must then be found in bronze */
    IG_TRY(make_silver_and_quarantine(h, err));
    IG_TRY(tables_add_bronze_files(l->x, l->d, h->date, &h->files, &h->names, &h->n_files, err));
    IG_TRY(make_bronze(h, err));
    if (l->has_log)
        IG_TRY(compare_log(h, err));
    IG_TRY(audit_count(l, h->a, "bronze", "audit_bronze", err));
    IG_TRY(audit_count(l, h->a, "silver", "audit_silver", err));
    h->processed = is_processed(h, meta);
    note_state(h, meta);
    if (h->processed) {
        IG_TRY(prove_duplicates(h, err));
        IG_TRY(count_rest(h, err));
    }
    IG_TRY(audit_count(l, h->a, "quarantine", "audit_quarantine", err));
    IG_TRY(check_silver(h, err));
    IG_TRY(check_keys(h, err));
    return check_dlq(h, err);
}

enum ig_code audit_hops(struct stage_ledger *l, int32_t date, const struct audit_meta *meta, struct stage_audit *a,
                        struct error *err)
{
    struct hops h = {.l = l, .a = a, .date = date};
    enum ig_code rc;

    buf_init(&h.files, 0);
    buf_init(&h.names, 0);
    buf_init(&h.silver, 0);
    buf_init(&h.all_silver, 0);
    rc = compare_all(&h, meta, err);
    buf_release(&h.all_silver);
    buf_release(&h.silver);
    buf_release(&h.names);
    buf_release(&h.files);
    return rc;
}

/* --- what belongs to no date ----------------------------------------------------------------------------------- */

enum ig_code audit_topic(struct stage_ledger *l, struct stage_audit *a, struct error *err)
{
    struct buf files;
    size_t n = 0;
    int64_t outside = 0;
    enum ig_code rc;

    buf_init(&files, 0);
    rc = tables_add_bronze_files(l->x, l->d, DATE_NONE, &files, NULL, &n, err);
    if (!rc && n)
        rc = audit_execf(l, err,
                         "CREATE OR REPLACE TEMP TABLE audit_coordinates AS SELECT DISTINCT _topic AS topic, "
                         "_partition AS part, _offset AS off FROM read_parquet(%s, union_by_name = true)",
                         buf_cstr(&files));
    else if (!rc)
        rc = audit_execf(
            l, err, "CREATE OR REPLACE TEMP TABLE audit_coordinates AS SELECT topic, part, off FROM (" EMPTY_SHAPE ")");
    buf_release(&files);
    IG_TRY(rc);
    IG_TRY(audit_execf(l, err,
                       "CREATE OR REPLACE TEMP TABLE audit_undated AS SELECT DISTINCT topic, part, off, lo, hi FROM "
                       "audit_dlq WHERE stage <> 'silver' AND topic = %s",
                       buf_cstr(&l->topic)));
    IG_TRY(audit_count(l, a, "log", "(SELECT '' AS topic, * FROM audit_log)", err));
    IG_TRY(audit_count(l, a, "bronze",
                       "(SELECT '' AS topic, g.* FROM audit_log AS g SEMI JOIN audit_coordinates AS b ON g.part = "
                       "b.part AND g.off = b.off)",
                       err));
    IG_TRY(audit_count(l, a, "dlq", "audit_undated", err));
    IG_TRY(audit_int64(l, &outside, err, "SELECT count(*) FROM audit_dlq WHERE topic IS NULL"));
    if (outside)
        audit_note(a, STAGE_BALANCED, "%lld dead letters were refused before they came into the log",
                   (long long)outside);
    IG_TRY(audit_execf(
        l, err,
        "CREATE OR REPLACE TEMP TABLE audit_nowhere AS SELECT %s AS topic, g.part, g.off, "
        "g.off < k.committed AS consumed, g.date IS NULL AS undated FROM audit_log AS g JOIN audit_bounds AS k ON "
        "g.part = k.part WHERE NOT EXISTS (FROM audit_coordinates AS b WHERE b.topic = %s AND b.part = "
        "g.part AND b.off = g.off) AND NOT EXISTS (FROM audit_undated AS u WHERE u.part = g.part AND "
        "u.off = g.off)",
        buf_cstr(&l->topic), buf_cstr(&l->topic)));
    if (l->dlq_low > 0)
        audit_note(a, STAGE_BALANCED, "retention has removed dead letters: undated records may be among them");
    IG_TRY(audit_differ(l, a, "%lld records of the log, consumed by the sink, are neither in bronze nor in the DLQ",
                        l->dlq_low > 0 ? "(SELECT topic, part, off FROM audit_nowhere WHERE consumed AND NOT undated)"
                                       : "(SELECT topic, part, off FROM audit_nowhere WHERE consumed)",
                        err));
    IG_TRY(audit_open(l, a, "%lld records of the log are on the way: the sink has not consumed them yet",
                      "(SELECT topic, part, off FROM audit_nowhere WHERE NOT consumed)", err));
    return audit_differ(l, a, "%lld dead letters have other bytes than the log's record",
                        "(SELECT u.topic, u.part, u.off FROM audit_undated AS u JOIN audit_log AS g USING (part, off) "
                        "WHERE (u.lo, u.hi) <> (g.lo, g.hi))",
                        err);
}
