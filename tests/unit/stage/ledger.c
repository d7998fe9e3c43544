#include "ledger.h"

static void must(struct project *p, enum ig_code rc)
{
    if (rc)
        fail_msg("%s", p->err.msg);
}

void ledger_begin(struct project *p, const char *more_contract)
{
    struct buf text;

    project_begin(p);
    buf_init(&text, 0);
    project_file(p, "ingot.yml", "name: t\nwarehouse: duckdb:./w.duckdb\n");
    buf_printf(&text,
               "topic: {name: raw-t}\n"
               "contract:\n"
               "  key: id\n"
               "  order_by: v\n"
               "  event_time: at\n"
               "%s"
               "  fields:\n"
               "    id: {type: string, required: true}\n"
               "    at: {type: timestamp, required: true}\n"
               "    city: string\n"
               "    v: {type: int, required: true}\n"
               "bronze: {partition_by: day}\n"
               "gold:\n"
               "  by_city: {key: [day, city]}\n"
               "  totals: {key: city, scope: table}\n",
               more_contract);
    project_file(p, "domains/t/domain.yml", buf_cstr(&text));
    project_file(p, "domains/t/gold/by_city.sql",
                 "SELECT day, city, count(*) AS n, avg(v) AS mean FROM silver GROUP BY ALL");
    project_file(p, "domains/t/gold/totals.sql", "SELECT city, sum(v)::BIGINT AS total FROM silver GROUP BY ALL");
    buf_release(&text);
    project_open(p);
    must(p, warehouse_open(p->x.env, p->conf->warehouse_url, &p->x.warehouse, &p->err));
}

void ledger_end(struct project *p)
{
    warehouse_free(p->x.warehouse);
    project_end(p);
}

void ledger_record(struct project *p, int64_t offset, const char *day, const char *id, const char *city, int v)
{
    char text[256];

    snprintf(text, sizeof(text), "{\"id\":\"%s\",\"at\":\"%sT00:00:00Z\",\"city\":\"%s\",\"v\":%d}", id, day, city, v);
    project_record(p, 0, offset, text);
}

void ledger_load(struct project *p)
{
    int64_t rows;

    must(p, stage_load(&p->x, project_domain(p, "t"), &rows, &p->err));
}

void ledger_process(struct project *p, const char *day)
{
    struct stage_silver_result silver = project_silver(p, "t", day);
    struct gold_result gold;

    free(silver.touched_dates);
    must(p, project_try_gold(p, "t", day, &gold));
    ledger_load(p);
    ledger_state(p, day, "DONE");
}

void ledger_state(struct project *p, const char *day, const char *status)
{
    const char *const key[] = {"domain", "partition_date"};
    struct lake_merge merge = {.key = key, .n_key = 2};
    struct lake_table *table;
    struct lake_result result;
    struct buf sql;

    buf_init(&sql, 0);
    buf_printf(&sql,
               "SELECT 't' AS domain, DATE '%s' AS partition_date, '%s' AS status, 'run' AS run_id, 0::BIGINT AS "
               "record_count, [",
               day, status);
    for (size_t i = 0; i < p->n_files; i++)
        buf_printf(&sql, "%s'%s'", i ? ", " : "", p->files[i]);
    buf_puts(&sql, "]::VARCHAR[] AS source_files, '' AS file_hash, 0::BIGINT AS silver_records, 0::BIGINT AS "
                   "gold_records, 0 AS retry_count, NULL::VARCHAR AS error_message, now() AS created_at, now() AS "
                   "updated_at, now() AS processed_at, '' AS silver_path, '' AS gold_path");
    merge.select = buf_cstr(&sql);
    must(p, lake_open(p->x.store, p->conn, "metadata/partition_meta", &table, &p->err));
    must(p, lake_create(table, merge.select, NULL, 0, &p->err));
    must(p, lake_merge(table, &merge, NULL, &result, &p->err));
    lake_close(table);
    buf_release(&sql);
}
