#include "stage/silver.h"

#include <stdlib.h>

/* ROW(...) by which two rows of a key are compared; the greater one is better with order_by, the smaller one without.
 */
static void add_rank(const struct conf_contract *k, struct buf *sql)
{
    if (k->order_by) {
        buf_puts(sql, "ROW(r.");
        engine_add_name(sql, str_of(k->order_by));
        buf_puts(sql, " IS NOT NULL, r.");
        engine_add_name(sql, str_of(k->order_by));
        buf_puts(sql, ", r._partition, r._offset) > ROW(w.ord IS NOT NULL, w.ord, w.p, w.o)");
        return;
    }
    buf_puts(sql, "ROW(r._timestamp, r._partition, r._offset, r._topic) < ROW(w.ts, w.p, w.o, w.t)");
}

/* Pairs of a row of another partition and the one of ours that has its key. */
static enum ig_code find_rivals(struct silver_run *s, const struct lake_snapshot *snapshot, struct error *err)
{
    const struct conf_contract *k = &s->d->contract;
    struct buf sql;
    enum ig_code rc;

    buf_init(&sql, 0);
    buf_puts(&sql, "CREATE OR REPLACE TEMP TABLE ingot_rival AS SELECT w.rid, r._topic, r._partition, r._offset, r.");
    engine_add_name(&sql, str_of(s->d->bronze.date_column));
    buf_puts(&sql, " AS date, ");
    add_rank(k, &sql);
    buf_puts(&sql, " AS wins FROM ");
    rc = lake_add_scan(snapshot, NULL, &sql, err);
    buf_puts(&sql, " r JOIN (FROM ingot_seen ANTI JOIN ingot_out USING (rid)) w ON ");
    for (size_t i = 0; i < k->n_key; i++) {
        buf_puts(&sql, i ? " AND r." : "r.");
        engine_add_name(&sql, str_of(k->key[i]));
        buf_printf(&sql, " = w.k%zu", i);
    }
    buf_puts(&sql, " WHERE r.");
    engine_add_name(&sql, str_of(s->d->bronze.date_column));
    buf_printf(&sql, " <> DATE '%s'", s->date_text);
    if (!rc)
        rc = buf_check(&sql, err, "the query");
    if (!rc)
        rc = engine_exec(s->c, err, buf_cstr(&sql));
    buf_release(&sql);
    return rc;
}

static enum ig_code read_touched(struct silver_run *s, struct error *err)
{
    struct stage_silver_result *r = s->result;
    struct engine_rows rows = {0};
    enum ig_code rc;

    rc = engine_query(s->c, "SELECT DISTINCT date FROM ingot_rival WHERE NOT wins ORDER BY date", &rows, err);
    while (!rc && engine_next(&rows)) {
        r->touched_dates = check_realloc(r->touched_dates, (r->n_touched_dates + 1) * sizeof(*r->touched_dates));
        r->touched_dates[r->n_touched_dates++] = (int32_t)engine_int64(&rows, 0);
    }
    engine_rows_free(&rows);
    return rc;
}

/* Rows that silver has of our partition, and whose records the contract does not take (any more). */
static enum ig_code count_withdrawn(struct silver_run *s, const struct lake_snapshot *snapshot, struct error *err)
{
    const struct lake_partition ours = {s->d->bronze.date_column, s->date_text};
    struct buf sql;
    enum ig_code rc;

    buf_init(&sql, 0);
    buf_puts(&sql, "SELECT count(*) FROM ");
    rc = lake_add_scan(snapshot, &(struct lake_scan){.only = &ours, .n_only = 1}, &sql, err);
    buf_puts(&sql, " r ANTI JOIN (FROM ingot_seen WHERE reason IS NULL) w ON r._topic = w.t AND r._partition = w.p AND"
                   " r._offset = w.o");
    if (!rc)
        rc = buf_check(&sql, err, "the query");
    if (!rc)
        rc = engine_query_int64(s->c, buf_cstr(&sql), &s->result->withdrawn, err);
    buf_release(&sql);
    return rc;
}

enum ig_code silver_compare(struct silver_run *s, int64_t *version, struct error *err)
{
    struct lake_table *table = NULL;
    struct lake_snapshot *snapshot = NULL;
    int64_t lost = 0;
    enum ig_code rc;

    *version = -1;
    rc = lake_open(s->x->store, s->c, buf_cstr(&s->path), &table, err);
    if (!rc)
        rc = lake_snapshot_open(table, LAKE_LATEST, &snapshot, err);
    if (rc == IG_NOT_FOUND) {
        rc = IG_OK;
        goto out;
    }
    if (!rc)
        rc = find_rivals(s, snapshot, err);
    if (!rc)
        rc = engine_query_int64(s->c, "SELECT count(DISTINCT rid) FROM ingot_rival WHERE wins", &lost, err);
    if (!rc)
        rc = engine_exec(s->c, err, "INSERT INTO ingot_out SELECT DISTINCT rid FROM ingot_rival WHERE wins");
    if (!rc)
        rc = read_touched(s, err);
    if (!rc)
        rc = count_withdrawn(s, snapshot, err);
    if (rc)
        goto out;
    *version = lake_version(snapshot);
    s->n_winners -= lost;
    s->result->silver_rows -= lost;
    s->result->duplicates += lost;
out:
    lake_snapshot_free(snapshot);
    lake_close(table);
    return rc;
}

enum ig_code silver_add_touched(struct silver_run *s, int64_t version, struct buf *select, struct error *err)
{
    struct lake_table *table = NULL;
    struct lake_snapshot *snapshot = NULL;
    enum ig_code rc;

    if (s->result->n_touched_dates == 0)
        return IG_OK;
    rc = lake_open(s->x->store, s->c, buf_cstr(&s->path), &table, err);
    if (!rc)
        rc = lake_snapshot_open(table, version, &snapshot, err);
    for (size_t i = 0; i < s->result->n_touched_dates && !rc; i++) {
        char date[16];
        const struct lake_partition only = {s->d->bronze.date_column, date_format(s->result->touched_dates[i], date)};

        buf_puts(select, " UNION ALL BY NAME SELECT * FROM ");
        rc = lake_add_scan(snapshot, &(struct lake_scan){.only = &only, .n_only = 1}, select, err);
        buf_puts(select, " r ANTI JOIN (FROM ingot_rival WHERE NOT wins) b ON r._topic = b._topic AND r._partition ="
                         " b._partition AND r._offset = b._offset");
    }
    lake_snapshot_free(snapshot);
    lake_close(table);
    return rc;
}
