/*
 * The ledger behind silver: gold must be what its query gives on silver as it is now, and the warehouse what gold is.
 */
#include "stage/audit.h"
#include "stage/tables.h"

#include <stdlib.h>

#define WAREHOUSE_WAIT_MS 10000
#define WAREHOUSE_PAUSE_MS 100

/* Sums of floating point numbers depend on the order of adding; this much of a difference (relative) is none. */
#define FLOAT_TOLERANCE "1e-9"

struct column {
    char *name, *type;
};
struct columns {
    struct arena arena;
    VEC(struct column) list;
};

static enum ig_code read_columns(struct stage_ledger *l, const char *table, struct columns *out, struct error *err)
{
    struct engine_rows rows = {0};
    struct buf sql;
    enum ig_code rc;

    arena_init(&out->arena);
    buf_init(&sql, 0);
    buf_printf(&sql, "SELECT column_name, column_type FROM (DESCRIBE %s)", table);
    rc = engine_query(l->c, buf_cstr(&sql), &rows, err);
    while (!rc && engine_next(&rows)) {
        const struct str name = engine_str(&rows, 0), type = engine_str(&rows, 1);
        const struct column column = {arena_strndup(&out->arena, name.p, name.n),
                                      arena_strndup(&out->arena, type.p, type.n)};

        vec_push(&out->list, column);
    }
    engine_rows_free(&rows);
    buf_release(&sql);
    return rc;
}

static void columns_release(struct columns *c)
{
    vec_free(&c->list);
    arena_release(&c->arena);
}

static bool has_column(const struct columns *c, const char *name)
{
    for (size_t i = 0; i < c->list.n; i++)
        if (strcmp(c->list.p[i].name, name) == 0)
            return true;
    return false;
}

static bool is_float(const char *type)
{
    return strcmp(type, "DOUBLE") == 0 || strcmp(type, "FLOAT") == 0;
}

/* --- two tables, row by row ------------------------------------------------------------------------------------ */

/* The query that gives a row (a text of the key) for every row that differs between temporary tables a and b, which has
 * the types. A column that a lacks is NULL there: Delta keeps columns that a query does not give any more. */
static void add_difference(const struct conf_gold *t, const struct columns *a, const struct columns *b, struct buf *sql)
{
    buf_puts(sql, "SELECT to_json({");
    for (size_t i = 0; i < t->n_key; i++) {
        buf_puts(sql, i ? ", " : "");
        engine_add_literal(sql, str_of(t->key[i]));
        buf_puts(sql, ": coalesce(a.");
        engine_add_name(sql, str_of(t->key[i]));
        buf_puts(sql, "::VARCHAR, b.");
        engine_add_name(sql, str_of(t->key[i]));
        buf_puts(sql, "::VARCHAR)");
    }
    if (t->n_key == 0)
        buf_puts(sql, "'rows': 'without a key'");
    buf_puts(sql, "})::VARCHAR AS what FROM (SELECT true AS ingot_is_a");
    for (size_t i = 0; i < b->list.n; i++) {
        const struct column *column = &b->list.p[i];

        buf_puts(sql, ", CAST(");
        if (has_column(a, column->name))
            engine_add_name(sql, str_of(column->name));
        else
            buf_puts(sql, "NULL");
        buf_printf(sql, " AS %s) AS ", column->type);
        engine_add_name(sql, str_of(column->name));
    }
    buf_puts(sql, " FROM audit_a) AS a FULL OUTER JOIN (SELECT true AS ingot_is_b, * FROM audit_b) AS b ON ");
    for (size_t i = 0, n = 0; i < b->list.n; i++) {
        bool is_key = t->n_key == 0 && !is_float(b->list.p[i].type);

        for (size_t k = 0; k < t->n_key; k++)
            is_key = is_key || strcmp(t->key[k], b->list.p[i].name) == 0;
        if (!is_key)
            continue;
        buf_puts(sql, n++ ? " AND a." : "a.");
        engine_add_name(sql, str_of(b->list.p[i].name));
        buf_puts(sql, " IS NOT DISTINCT FROM b.");
        engine_add_name(sql, str_of(b->list.p[i].name));
    }
    buf_puts(sql, " WHERE a.ingot_is_a IS NULL OR b.ingot_is_b IS NULL");
    for (size_t i = 0; i < b->list.n; i++) {
        struct buf name;

        buf_init(&name, 0);
        engine_add_name(&name, str_of(b->list.p[i].name));
        buf_printf(sql, " OR (a.%s IS DISTINCT FROM b.%s", buf_cstr(&name), buf_cstr(&name));
        if (is_float(b->list.p[i].type))
            buf_printf(sql,
                       " AND NOT coalesce(abs(a.%s - b.%s) <= " FLOAT_TOLERANCE
                       " * greatest(abs(a.%s), abs(b.%s)), false)",
                       buf_cstr(&name), buf_cstr(&name), buf_cstr(&name), buf_cstr(&name));
        buf_putc(sql, ')');
        buf_release(&name);
    }
}

/* How audit_a differs from audit_b: a number, and the keys of the first rows. */
static enum ig_code compare(struct stage_ledger *l, const struct conf_gold *t, int64_t *n, struct buf *samples,
                            struct error *err)
{
    struct columns a = {0}, b = {0};
    struct buf sql;
    enum ig_code rc;

    buf_init(&sql, 0);
    rc = read_columns(l, "audit_a", &a, err);
    if (!rc)
        rc = read_columns(l, "audit_b", &b, err);
    for (size_t i = 0; i < a.list.n && !rc; i++) {
        if (has_column(&b, a.list.p[i].name))
            continue;
        *n = -1;
        buf_printf(samples, "column %s is missing", a.list.p[i].name);
        goto out;
    }
    buf_puts(&sql, "CREATE OR REPLACE TEMP TABLE audit_different AS ");
    add_difference(t, &a, &b, &sql);
    if (!rc)
        rc = engine_exec(l->c, err, buf_cstr(&sql));
    if (!rc)
        rc = engine_query_int64(l->c, "SELECT count(*) FROM audit_different", n, err);
    buf_clear(&sql);
    buf_printf(&sql, "SELECT coalesce(string_agg(what, ' '), '') FROM (FROM audit_different ORDER BY what LIMIT %d)",
               AUDIT_SAMPLES);
    if (!rc)
        rc = engine_query_str(l->c, buf_cstr(&sql), samples, err);
out:
    columns_release(&a);
    columns_release(&b);
    buf_release(&sql);
    return rc;
}

/* --- gold against silver --------------------------------------------------------------------------------------- */

/* When another domain's silver changed behind this partition's run, gold is not wrong but older than that. */
static enum ig_code find_newer_source(struct stage_ledger *l, const struct conf_gold *t, int64_t gold_ms,
                                      const struct conf_domain **newer, struct error *err)
{
    *newer = NULL;
    for (size_t i = 0; i < l->x->conf->n_domains && !*newer; i++) {
        const struct conf_domain *other = &l->x->conf->domains[i];
        struct lake_table *table = NULL;
        struct lake_snapshot *snapshot = NULL;
        struct buf text;
        enum ig_code rc = IG_OK;

        buf_init(&text, 0);
        buf_printf(&text, "silver_%s", other->name);
        if (other != l->d && tables_mentions(t->sql, buf_cstr(&text))) {
            buf_clear(&text);
            stage_silver_path(other, &text);
            rc = lake_open(l->x->store, l->c, buf_cstr(&text), &table, err);
            if (!rc)
                rc = lake_snapshot_open(table, LAKE_LATEST, &snapshot, err);
            if (!rc && lake_commit_time_ms(snapshot) > gold_ms)
                *newer = other;
        }
        lake_snapshot_free(snapshot);
        lake_close(table);
        buf_release(&text);
        IG_TRY(rc);
    }
    return IG_OK;
}

/* How many partitions of the domain are being processed or wait for it. */
static enum ig_code count_unfinished(struct stage_ledger *l, int64_t *n, struct error *err)
{
    struct buf sql;
    bool there = false;
    enum ig_code rc;

    *n = 0;
    buf_init(&sql, 0);
    buf_puts(&sql, "SELECT count(*) FROM ");
    rc = audit_scan(l, AUDIT_META_PATH, DATE_NONE, &sql, &there, NULL, err);
    buf_puts(&sql, " WHERE status <> 'DONE' AND domain = ");
    engine_add_literal(&sql, str_of(l->d->name));
    if (!rc && there)
        rc = engine_query_int64(l->c, buf_cstr(&sql), n, err);
    buf_release(&sql);
    return rc;
}

/* Gold differs from what silver says now: is that because silver has moved on, and gold's turn is still to come? */
static enum ig_code explain(struct stage_ledger *l, const struct conf_gold *t, int32_t date, int64_t processed_ms,
                            struct stage_audit *a, bool *explained, struct error *err)
{
    const struct conf_domain *newer = NULL;
    int64_t unfinished = 0;
    char text[16];

    *explained = true;
    if (t->whole_table || l->d->contract.unique == CONF_UNIQUE_TABLE)
        IG_TRY(count_unfinished(l, &unfinished, err));
    if (unfinished) {
        audit_note(a, STAGE_OPEN,
                   "gold.%s depends on other dates, too, and %lld of the domain's partitions are not processed yet",
                   t->name, (long long)unfinished);
        return IG_OK;
    }
    IG_TRY(find_newer_source(l, t, processed_ms, &newer, err));
    *explained = newer != NULL;
    if (newer)
        audit_note(a, STAGE_OPEN,
                   "gold.%s was computed before silver.%s changed: `ingot run --select %s --date %s` computes it anew",
                   t->name, newer->name, l->d->name, date_format(date, text));
    return IG_OK;
}

static enum ig_code compare_with_silver(struct stage_ledger *l, const struct conf_gold *t, int32_t date,
                                        int64_t processed_ms, struct stage_gold_audit *g, struct stage_audit *a,
                                        struct error *err)
{
    bool explained = true;
    struct buf samples;
    int64_t n = 0;
    enum ig_code rc;

    buf_init(&samples, 0);
    rc = gold_fresh(l->x, l->c, l->d, t, date, err);
    if (!rc)
        rc = audit_execf(l, err, "CREATE OR REPLACE TEMP TABLE audit_a AS FROM " GOLD_FRESH);
    if (!rc)
        rc = compare(l, t, &n, &samples, err);
    g->matches_silver = !rc && n == 0;
    if (!rc && n != 0)
        rc = explain(l, t, date, processed_ms, a, &explained, err);
    if (!rc && !explained) {
        buf_printf(&a->differences, "gold.%s: %lld rows differ from a fresh computation from silver: %s\n", t->name,
                   (long long)n, buf_cstr(&samples));
        a->verdict = STAGE_DIFFERS;
    }
    buf_release(&samples);
    return rc;
}

/* --- the warehouse against gold -------------------------------------------------------------------------------- */

/* The file is attached for the time of one copy, so that loads get their turn. */
static enum ig_code attach(struct stage_ledger *l, const char *path, struct error *err)
{
    const int64_t until_ms = env_monotonic_ms(l->x->env) + WAREHOUSE_WAIT_MS;
    struct buf sql;
    enum ig_code rc;

    buf_init(&sql, 0);
    buf_puts(&sql, "ATTACH ");
    engine_add_literal(&sql, str_of(path));
    buf_puts(&sql, " AS ingot_audited (READ_ONLY)");
    do {
        rc = engine_exec(l->c, err, buf_cstr(&sql));
        if (rc == IG_UNAVAILABLE)
            env_sleep_ms(l->x->env, WAREHOUSE_PAUSE_MS);
    } while (rc == IG_UNAVAILABLE && env_monotonic_ms(l->x->env) < until_ms);
    buf_release(&sql);
    return rc;
}

/* Copies the warehouse's rows of the partition into audit_a; IG_NOT_FOUND if there is no such table. */
static enum ig_code copy_warehouse(struct stage_ledger *l, const struct conf_gold *t, int32_t date, const char *path,
                                   struct error *err)
{
    char date_text[16];
    struct buf sql;
    int64_t there = 0;
    enum ig_code rc;

    IG_TRY(attach(l, path, err));
    buf_init(&sql, 0);
    buf_puts(&sql,
             "SELECT count(*) FROM duckdb_tables() WHERE database_name = 'ingot_audited' AND schema_name = 'gold' "
             "AND table_name = ");
    engine_add_literal(&sql, str_of(t->name));
    rc = engine_query_int64(l->c, buf_cstr(&sql), &there, err);
    if (!rc && !there)
        rc = error_set(err, IG_NOT_FOUND, "gold.%s is not in the warehouse", t->name);
    buf_clear(&sql);
    buf_puts(&sql, "CREATE OR REPLACE TEMP TABLE audit_a AS FROM ingot_audited.gold.");
    engine_add_name(&sql, str_of(t->name));
    if (!t->whole_table) {
        buf_puts(&sql, " WHERE ");
        engine_add_name(&sql, str_of(l->d->bronze.date_column));
        buf_printf(&sql, " = DATE '%s'", date_format(date, date_text));
    }
    if (!rc)
        rc = engine_exec(l->c, err, buf_cstr(&sql));
    buf_release(&sql);
    if (engine_exec(l->c, NULL, "DETACH ingot_audited"))
        log_warn(l->x->env, "audit", "the warehouse %s stays attached", path);
    return rc;
}

static enum ig_code compare_with_warehouse(struct stage_ledger *l, const struct conf_gold *t, int32_t date,
                                           struct stage_gold_audit *g, struct stage_audit *a, struct error *err)
{
    const char *path = l->x->conf->warehouse_url + strlen("duckdb:");
    struct env_stat st;
    struct error why = {0};
    struct buf samples;
    int64_t n = 0;
    enum ig_code rc = env_stat(l->x->env, path, &st, &why);

    if (!rc)
        rc = copy_warehouse(l, t, date, path, &why);
    if (rc == IG_NOT_FOUND) {
        char text[16];

        buf_printf(&a->differences, "gold.%s is not in the warehouse: `ingot run --select %s --date %s` loads it\n",
                   t->name, l->d->name, date_format(date, text));
        a->verdict = STAGE_DIFFERS;
        return IG_OK;
    }
    if (rc == IG_UNAVAILABLE) {
        audit_note(a, STAGE_OPEN, "gold.%s: the warehouse could not be looked at: another program has it open",
                   t->name);
        return IG_OK;
    }
    if (rc)
        return error_context(err, error_set(err, why.code, "%s", why.msg), "the warehouse");
    IG_TRY(engine_query_int64(l->c, "SELECT count(*) FROM audit_a", &g->warehouse_rows, err));
    buf_init(&samples, 0);
    rc = compare(l, t, &n, &samples, err);
    g->matches_warehouse = !rc && n == 0;
    if (!rc && n != 0) {
        buf_printf(&a->differences, "gold.%s: %lld rows differ between the lake and the warehouse: %s\n", t->name,
                   (long long)n, buf_cstr(&samples));
        a->verdict = STAGE_DIFFERS;
    }
    buf_release(&samples);
    return rc;
}

/* --- one table, all tables ------------------------------------------------------------------------------------- */

static enum ig_code audit_table(struct stage_ledger *l, const struct conf_gold *t, int32_t date, int64_t processed_ms,
                                struct stage_gold_audit *g, struct stage_audit *a, struct error *err)
{
    struct buf path, from;
    bool there = false;
    enum ig_code rc;

    *g = (struct stage_gold_audit){.table = t->name, .rows = -1, .warehouse_rows = -1};
    buf_init(&path, 0);
    buf_init(&from, 0);
    stage_gold_path(l->d, t, &path);
    rc = audit_scan(l, buf_cstr(&path), t->whole_table ? DATE_NONE : date, &from, &there, NULL, err);
    if (!rc && !there) {
        buf_printf(&a->differences, "gold.%s is not there, and the partition is done\n", t->name);
        a->verdict = STAGE_DIFFERS;
        goto out;
    }
    if (!rc)
        rc = audit_execf(l, err, "CREATE OR REPLACE TEMP TABLE audit_b AS SELECT * FROM %s", buf_cstr(&from));
    if (!rc)
        rc = engine_query_int64(l->c, "SELECT count(*) FROM audit_b", &g->rows, err);
    if (!rc)
        rc = compare_with_silver(l, t, date, processed_ms, g, a, err);
    if (!rc && str_has_prefix(str_of(l->x->conf->warehouse_url), "duckdb:"))
        rc = compare_with_warehouse(l, t, date, g, a, err);
out:
    buf_release(&from);
    buf_release(&path);
    return rc ? error_context(err, rc, "gold.%s", t->name) : IG_OK;
}

/* A table over all dates is the same for each of them: it is computed and compared once. */
static enum ig_code audit_whole_table(struct stage_ledger *l, size_t i, int32_t date, int64_t processed_ms,
                                      struct stage_audit *a, struct error *err)
{
    const struct conf_gold *t = &l->d->gold[i];
    struct audited_table *known = &l->whole[i];
    const enum stage_verdict before = a->verdict;

    if (known->done) {
        a->gold[i] = known->result;
        if (known->verdict == STAGE_DIFFERS)
            buf_printf(&a->differences, "gold.%s, over all dates, is not what it should be (see above)\n", t->name);
        a->verdict = known->verdict > a->verdict ? known->verdict : a->verdict;
        return IG_OK;
    }
    a->verdict = STAGE_BALANCED;
    IG_TRY(audit_table(l, t, date, processed_ms, &a->gold[i], a, err));
    *known = (struct audited_table){true, a->gold[i], a->verdict};
    a->verdict = before > a->verdict ? before : a->verdict;
    return IG_OK;
}

enum ig_code audit_gold(struct stage_ledger *l, int32_t date, const struct audit_meta *meta, struct stage_audit *a,
                        struct error *err)
{
    a->gold = check_calloc(l->d->n_gold ? l->d->n_gold : 1, sizeof(*a->gold));
    for (size_t i = 0; i < l->d->n_gold; i++) {
        const struct conf_gold *t = &l->d->gold[i];

        a->n_gold++;
        IG_TRY(t->whole_table ? audit_whole_table(l, i, date, meta->processed_ms, a, err)
                              : audit_table(l, t, date, meta->processed_ms, &a->gold[i], a, err));
    }
    return IG_OK;
}
