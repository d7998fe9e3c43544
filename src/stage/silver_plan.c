#include "stage/silver.h"

#include <stdio.h>
#include <stdlib.h>

/* --- bronze -------------------------------------------------------------------------------------------- */

static enum ig_code add_local_path(struct silver_run *s, const char *name, struct buf *sql, struct error *err)
{
    struct buf path;
    enum ig_code rc;

    buf_init(&path, 0);
    rc = store_local_path(s->x->store, name, &path, err);
    if (!rc)
        engine_add_literal(sql, buf_str(&path));
    buf_release(&path);
    return rc;
}

static enum ig_code add_files(struct silver_run *s, const char *const *files, size_t n, struct buf *sql,
                              struct error *err)
{
    IG_TRY(store_fetch(s->x->store, files, n, err));
    buf_puts(sql, "read_parquet([");
    for (size_t i = 0; i < n; i++) {
        buf_puts(sql, i ? ", " : "");
        IG_TRY(add_local_path(s, files[i], sql, err));
    }
    buf_puts(sql, "], hive_partitioning = false)");
    return buf_check(sql, err, "the list of bronze files");
}

enum ig_code silver_bronze(struct silver_run *s, const char *const *files, size_t n, struct error *err)
{
    if (n == 0) {
        buf_puts(&s->bronze,
                 "(SELECT 0::BIGINT AS rid, ''::VARCHAR AS _value, ''::VARCHAR AS _key, ''::VARCHAR AS _topic, "
                 "0::INTEGER AS _partition, 0::BIGINT AS _offset, TIMESTAMPTZ 'epoch' AS _timestamp, "
                 "TIMESTAMPTZ 'epoch' AS _ingested_at, NULL::VARCHAR AS _headers WHERE false)");
        return IG_OK;
    }
    buf_puts(&s->bronze,
             "(SELECT (file_index::BIGINT << 32) + file_row_number AS rid, _value, _key, _topic, _partition, "
             "_offset, _timestamp, _ingested_at, _headers FROM ");
    IG_TRY(add_files(s, files, n, &s->bronze, err));
    buf_putc(&s->bronze, ')');
    return IG_OK;
}

enum ig_code silver_blame(struct silver_run *s, const char *const *files, size_t n, enum ig_code rc, struct error *err)
{
    struct error found = {0};
    struct buf sql;

    if (rc == IG_CANCELLED || rc == IG_NO_SPACE || rc == IG_LIMIT || rc == IG_UNAVAILABLE || rc == IG_CONFLICT)
        return rc;
    buf_init(&sql, 0);
    for (size_t i = 0; i < n; i++) {
        int64_t ignored;

        buf_clear(&sql);
        buf_puts(&sql,
                 "SELECT max(strlen(_value) + coalesce(strlen(_key), 0) + strlen(_topic) + _partition + _offset + "
                 "epoch_us(_timestamp) % 2 + epoch_us(_ingested_at) % 2)::BIGINT FROM ");
        if (add_files(s, &files[i], 1, &sql, &found))
            break;
        if (engine_query_int64(s->c, buf_cstr(&sql), &ignored, &found) == IG_OK)
            continue;
        rc = error_set(err, IG_CORRUPT, "bronze file %s can not be read: %s", files[i], found.msg);
        break;
    }
    buf_release(&sql);
    return rc;
}

/* --- first pass ----------------------------------------------------------------------------------------- */

/* "k0, k1": the key's columns in ingot_seen; a record without a key is its coordinates. */
static void add_key(const struct silver_run *s, struct buf *sql)
{
    if (s->d->contract.n_key == 0)
        buf_puts(sql, "t, p, o");
    for (size_t i = 0; i < s->d->contract.n_key; i++)
        buf_printf(sql, "%sk%zu", i ? ", " : "", i);
}

static void add_member(const char *name, struct buf *sql)
{
    buf_puts(sql, "s.");
    engine_add_name(sql, str_of(name));
}

static void add_seen(const struct silver_run *s, struct buf *sql)
{
    const struct conf_contract *k = &s->d->contract;

    buf_puts(sql, "CREATE OR REPLACE TEMP TABLE ingot_seen AS SELECT *, hash(");
    add_key(s, sql);
    buf_puts(sql, ") AS h FROM (SELECT rid, t, p, o, ts");
    for (size_t i = 0; i < k->n_key; i++) {
        buf_puts(sql, ", ");
        add_member(k->key[i], sql);
        buf_printf(sql, " AS k%zu", i);
    }
    if (k->order_by) {
        buf_puts(sql, ", ");
        add_member(k->order_by, sql);
        buf_puts(sql, " AS ord");
    }
    /* what quarantine keeps of a rejected record is taken along; there are few */
    buf_printf(
        sql,
        ", s._reject AS reason, s._reject_field AS field, s._reject_detail AS detail,"
        " CASE WHEN s._reject IS NOT NULL THEN v END AS value, CASE WHEN s._reject IS NOT NULL THEN key END AS key"
        " FROM (SELECT rid, _topic AS t, _partition AS p, _offset AS o, _timestamp AS ts, _value AS v, _key AS key,"
        " %s(_value, _timestamp) AS s FROM %s))",
        s->whoami_name, buf_cstr(&s->bronze));
}

/* Which of the records of a key stays: the total order that makes every run choose the same. */
static const char *best_first(const struct silver_run *s)
{
    return s->d->contract.order_by ? "ord DESC NULLS LAST, p DESC, o DESC, t, rid" : "ts, p, o, t, rid";
}

/*
 * Among good records, those whose key comes more than once (found by its hash, which is cheaper than the key itself)
 * are ranked; all others stay without having been compared.
 */
static void add_ranking(const struct silver_run *s, struct buf *sql)
{
    buf_puts(sql, "CREATE OR REPLACE TEMP TABLE ingot_rank AS SELECT rid, row_number() OVER (PARTITION BY ");
    add_key(s, sql);
    buf_printf(sql,
               " ORDER BY %s) AS place, row_number() OVER (PARTITION BY t, p, o ORDER BY rid) AS copy FROM ingot_seen"
               " WHERE reason IS NULL AND h IN (SELECT h FROM ingot_seen WHERE reason IS NULL GROUP BY h"
               " HAVING count(*) > 1);",
               best_first(s));
    buf_puts(sql,
             "CREATE OR REPLACE TEMP TABLE ingot_bad AS SELECT * FROM ingot_seen WHERE reason IS NOT NULL AND rid IN"
             " (SELECT min(rid) FROM ingot_seen WHERE reason IS NOT NULL GROUP BY t, p, o);"
             "CREATE OR REPLACE TEMP TABLE ingot_out AS SELECT rid FROM ingot_rank WHERE place > 1"
             " UNION ALL SELECT rid FROM ingot_seen WHERE reason IS NOT NULL;");
}

static enum ig_code count(struct silver_run *s, struct error *err)
{
    struct stage_silver_result *r = s->result;
    int64_t good, copies, bad;

    IG_TRY(engine_query_int64(s->c, "SELECT count(*) FROM ingot_seen", &r->bronze_rows, err));
    IG_TRY(engine_query_int64(s->c, "SELECT count(*) FROM ingot_seen WHERE reason IS NOT NULL", &bad, err));
    IG_TRY(engine_query_int64(s->c, "SELECT count(*) FROM ingot_rank WHERE copy > 1", &copies, err));
    IG_TRY(engine_query_int64(s->c, "SELECT count(*) FROM ingot_bad", &r->quarantined, err));
    good = r->bronze_rows - bad - copies;
    r->bronze_distinct = good + r->quarantined;
    IG_TRY(engine_query_int64(s->c, "SELECT count(*) FROM ingot_out", &s->n_winners, err));
    s->n_winners = r->bronze_rows - s->n_winners;
    r->silver_rows = s->n_winners;
    r->duplicates = good - s->n_winners;
    return IG_OK;
}

enum ig_code silver_judge(struct silver_run *s, struct error *err)
{
    struct buf sql;
    enum ig_code rc;

    buf_init(&sql, 0);
    add_seen(s, &sql);
    rc = buf_check(&sql, err, "the query");
    if (!rc)
        rc = engine_exec(s->c, err, buf_cstr(&sql));
    buf_clear(&sql);
    add_ranking(s, &sql);
    if (!rc)
        rc = engine_exec(s->c, err, buf_cstr(&sql));
    if (!rc)
        rc = count(s, err);
    buf_release(&sql);
    return rc;
}

/* --- second pass ---------------------------------------------------------------------------------------- */

static const char *const coordinates[] = {"record_hash", "_topic",     "_partition",
                                          "_offset",     "_timestamp", "_ingested_at"};

static enum ig_code make_input(struct silver_run *s, struct error *err)
{
    const struct conf_contract *k = &s->d->contract;
    struct buf sql;
    enum ig_code rc;

    buf_init(&sql, 0);
    buf_puts(&sql, "CREATE OR REPLACE TEMP VIEW input AS SELECT ");
    for (size_t i = 0; i < k->n_fields; i++) {
        if (strcmp(k->fields[i].name, s->d->bronze.date_column) == 0)
            continue; /* the partition's date is the one */
        add_member(k->fields[i].name, &sql);
        buf_puts(&sql, " AS ");
        engine_add_name(&sql, str_of(k->fields[i].name));
        buf_puts(&sql, ", ");
    }
    buf_printf(&sql,
               "s.record_hash AS record_hash, _topic, _partition, _offset, _timestamp, _ingested_at, DATE '%s' AS ",
               s->date_text);
    engine_add_name(&sql, str_of(s->d->bronze.date_column));
    buf_printf(&sql,
               " FROM (SELECT * EXCLUDE (_value, _key, rid), %s(_value, _timestamp) AS s FROM %s b ANTI JOIN ingot_out"
               " USING (rid))",
               s->read_name, buf_cstr(&s->bronze));
    rc = buf_check(&sql, err, "the query");
    if (!rc)
        rc = engine_exec(s->c, err, buf_cstr(&sql));
    buf_release(&sql);
    return rc;
}

/* silver.sql must give every row once, with the columns that say where it comes from. */
static enum ig_code check_own_sql(struct silver_run *s, struct error *err)
{
    const char *path = s->d->silver.sql_path ? s->d->silver.sql_path : "silver.sql";
    const struct conf_contract *k = &s->d->contract;
    const size_t n_key = k->unique == CONF_UNIQUE_TABLE ? k->n_key : 0;
    const char **needed = check_calloc(IG_COUNT(coordinates) + n_key + 2, sizeof(*needed));
    size_t n = 0;
    int64_t rows = 0, kept = 0;
    enum ig_code rc;

    for (size_t i = 0; i < IG_COUNT(coordinates); i++)
        needed[n++] = coordinates[i];
    needed[n++] = s->d->bronze.date_column;
    for (size_t i = 0; i < n_key; i++)
        needed[n++] = k->key[i];
    if (n_key && k->order_by)
        needed[n++] = k->order_by;
    rc = tables_need_columns(s->c, "SELECT * FROM ingot_silver", needed, n, path,
                             "rows keep where they come from; select it too (SELECT *, ... FROM input)", err);
    free(needed);
    if (!rc)
        rc = engine_query_int64(s->c, "SELECT count(*) FROM ingot_silver", &rows, err);
    if (!rc)
        rc = engine_query_int64(
            s->c,
            "SELECT count(*) FROM ingot_seen w ANTI JOIN ingot_out USING (rid) SEMI JOIN ingot_silver"
            " r ON w.t = r._topic AND w.p = r._partition AND w.o = r._offset",
            &kept, err);
    if (!rc && (rows != s->n_winners || kept != s->n_winners))
        rc = error_set(
            err, IG_INVALID,
            "%s gives %lld rows, %lld of the %lld rows of input: it must give each of them once (the contract "
            "is where records are refused, gold is where they are joined and filtered)",
            path, (long long)rows, (long long)kept, (long long)s->n_winners);
    return rc;
}

static enum ig_code run_own_sql(struct silver_run *s, struct error *err)
{
    const struct str text = tables_trim_sql(s->d->silver.sql);
    struct buf sql;
    enum ig_code rc;

    buf_init(&sql, 0);
    buf_printf(&sql, "CREATE OR REPLACE TEMP TABLE ingot_silver AS SELECT * FROM (\n" STR_FMT "\n)", STR_ARG(text));
    rc = buf_check(&sql, err, "silver.sql");
    if (!rc) {
        rc = engine_exec(s->c, err, buf_cstr(&sql));
        if (rc)
            rc = error_context(err, rc, "%s", s->d->silver.sql_path ? s->d->silver.sql_path : "silver.sql");
    }
    buf_release(&sql);
    return rc ? rc : check_own_sql(s, err);
}

enum ig_code silver_rows(struct silver_run *s, struct buf *select, struct error *err)
{
    IG_TRY(make_input(s, err));
    if (s->d->silver.sql)
        IG_TRY(run_own_sql(s, err));
    buf_printf(select, "SELECT * FROM %s", s->d->silver.sql ? "ingot_silver" : "input");
    return IG_OK;
}
