/* A project without mistakes: what is in the structs, and what the defaults are. */
#include "conf/project.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char events_yml[] =
    "description: Clickstream of the food delivery app\n"
    "source:\n"
    "  type: generate\n"
    "  generator: clickstream\n"
    "  rate: 600/min\n"
    "  count: 20000\n"
    "  seed: 7\n"
    "  users: 5\n"
    "  start: 2024-01-15T00:00:00Z\n"
    "  late: 1%\n"
    "  duplicates: 0.5\n"
    "  malformed: 0.1%\n"
    "topic: {name: raw-events, partitions: 3, retention: 1d, dlq: dlq-raw-events, dlq_retention: 2d, key: user_id}\n"
    "contract:\n"
    "  key: event_id\n"
    "  event_time: event_timestamp\n"
    "  order_by: updated_at\n"
    "  unique: table\n"
    "  not_before: 2020-01-01\n"
    "  max_future: 1d\n"
    "  fields:\n"
    "    event_id: {type: string, required: true, min: 3, max: 64, pattern: '^[a-z0-9-]+$'}\n"
    "    user_id: string\n"
    "    event_type: {type: string, required: true, enum: [app_open, purchase]}\n"
    "    event_timestamp: {type: timestamp, required: true}\n"
    "    updated_at: {type: timestamp, unit: ms}\n"
    "    price: {type: \"decimal(10,2)\", min: 0, path: properties.price, required_when: {event_type: [purchase]}}\n"
    "    items: {type: list, items: {type: struct, fields: {sku: string, quantity: {type: int, min: 1}}}}\n"
    "    tags: list<string>\n"
    "    raw_props: {type: json, path: properties}\n"
    "bronze: {partition_by: day, flush_records: 10, flush_interval: 5s}\n"
    "gold:\n"
    "  hourly: {key: [day, hour]}\n"
    "  totals: {sql: other.sql, key: event_type, scope: table}\n"
    "depends_on: [zones]\n"
    "retries: 5\n";

static const char zones_yml[] = "source: {type: file, path: [data/zones.csv, /srv/more.csv], 'null': NA, rate: max}\n"
                                "contract: {fields: {LocationID: int, Borough: {type: string, lenient: false}}}\n";

static void write_project(struct project *p)
{
    project_begin(p);
    project_write(p, "ingot.yml",
                  "name: food\nlisten: 127.0.0.1:0\nresources: {memory: 256MB, threads: 2}\n"
                  "process: {every: 5m}\nlogging: json\nwarehouse: none\n");
    project_write(p, "domains/events/domain.yml", events_yml);
    project_write(p, "domains/events/silver.sql", "SELECT * FROM input; -- all\n");
    project_write(p, "domains/events/gold/hourly.sql", "SELECT day, 1 AS hour FROM silver");
    project_write(p, "domains/events/other.sql", "SELECT event_type FROM silver\n;;\n");
    project_write(p, "domains/events/tests/no_gap.sql", "SELECT 1 WHERE false");
    project_write(p, "domains/zones/domain.yml", zones_yml);
    project_expect(p, "");
}

static void every_key_of_ingot_yml_is_loaded(void **state)
{
    struct project p;
    char text[128];

    (void)state;
    write_project(&p);
    assert_string_equal(p.conf->name, "food");
    assert_string_equal(p.conf->root, p.root);
    snprintf(text, sizeof(text), "file:%s/data/log", p.root);
    assert_string_equal(p.conf->log_url, text);
    snprintf(text, sizeof(text), "file:%s/data/lake", p.root);
    assert_string_equal(p.conf->store_url, text);
    snprintf(text, sizeof(text), "%s/data", p.root);
    assert_string_equal(p.conf->data_dir, text);
    assert_string_equal(p.conf->warehouse_url, "");
    assert_string_equal(p.conf->listen_host, "127.0.0.1");
    assert_int_equal(p.conf->listen_port, 0);
    assert_int_equal(p.conf->memory_bytes, 256 << 20);
    assert_int_equal(p.conf->threads, 2);
    assert_int_equal(p.conf->process_interval_ms, 300000);
    assert_true(p.conf->log_json);
    project_end(&p);
}

static void an_empty_ingot_yml_gives_the_defaults(void **state)
{
    struct project p;
    char text[128];

    (void)state;
    project_begin(&p);
    project_write(&p, "ingot.yml", "# nothing\n");
    project_expect(&p, "");
    assert_string_equal(p.conf->name, strrchr(p.root, '/') + 1);
    snprintf(text, sizeof(text), "duckdb:%s/data/warehouse.duckdb", p.root);
    assert_string_equal(p.conf->warehouse_url, text);
    assert_string_equal(p.conf->listen_host, "127.0.0.1");
    assert_int_equal(p.conf->listen_port, 9092);
    assert_int_equal(p.conf->memory_bytes, 512 << 20);
    assert_int_equal(p.conf->threads, 0);
    assert_int_equal(p.conf->process_interval_ms, 60000);
    assert_false(p.conf->log_json);
    assert_int_equal(p.conf->n_domains, 0);
    project_end(&p);
}

static void a_domain_is_loaded(void **state)
{
    const struct conf_domain *d;
    struct project p;

    (void)state;
    write_project(&p);
    assert_int_equal(p.conf->n_domains, 2);
    assert_string_equal(p.conf->domains[0].name, "zones"); /* events depends on it */
    d = conf_domain(p.conf, STR("events"));
    assert_ptr_equal(d, &p.conf->domains[1]);
    assert_null(conf_domain(p.conf, STR("event")));
    assert_string_equal(d->description, "Clickstream of the food delivery app");
    assert_int_equal(d->source.type, CONF_SOURCE_GENERATE);
    assert_string_equal(d->source.generator, "clickstream");
    assert_true(d->source.rate_per_s > 9.999 && d->source.rate_per_s < 10.001);
    assert_int_equal(d->source.count, 20000);
    assert_int_equal(d->source.seed, 7);
    assert_int_equal(d->source.users, 5);
    assert_string_equal(d->source.start, "2024-01-15T00:00:00Z");
    assert_true(d->source.late_ratio > 0.0099 && d->source.late_ratio < 0.0101);
    assert_true(d->source.duplicate_ratio > 0.49 && d->source.duplicate_ratio < 0.51);
    assert_string_equal(d->topic.name, "raw-events");
    assert_string_equal(d->topic.key, "user_id");
    assert_int_equal(d->topic.partitions, 3);
    assert_int_equal(d->topic.retention_ms, 86400000);
    assert_int_equal(d->topic.dlq_retention_ms, 2 * 86400000);
    assert_string_equal(d->bronze.date_column, "day");
    assert_int_equal(d->bronze.flush_records, 10);
    assert_int_equal(d->bronze.flush_ms, 5000);
    assert_int_equal(d->max_retries, 5);
    assert_int_equal(d->n_depends_on, 1);
    project_end(&p);
}

static void a_contract_is_loaded(void **state)
{
    const struct conf_contract *k;
    const struct conf_field *f;
    struct project p;

    (void)state;
    write_project(&p);
    k = &conf_domain(p.conf, STR("events"))->contract;
    assert_int_equal(k->n_key, 1);
    assert_string_equal(k->key[0], "event_id");
    assert_string_equal(k->event_time, "event_timestamp");
    assert_string_equal(k->order_by, "updated_at");
    assert_int_equal(k->unique, CONF_UNIQUE_TABLE);
    assert_true(k->has_not_before);
    assert_int_equal(k->not_before_days, date_of_civil(2020, 1, 1));
    assert_int_equal(k->max_future_ms, 86400000);
    assert_int_equal(k->n_fields, 9);
    f = &k->fields[0];
    assert_int_equal(f->type, CONF_STRING);
    assert_true(f->required && f->has_min && f->has_max && !f->lenient);
    assert_true(f->min > 2.9 && f->min < 3.1 && f->max > 63.9 && f->max < 64.1);
    assert_string_equal(f->pattern, "^[a-z0-9-]+$");
    assert_string_equal(f->path, "event_id");
    assert_int_equal(k->fields[2].n_one_of, 2);
    assert_string_equal(k->fields[2].one_of[1], "purchase");
    assert_int_equal(k->fields[4].time_unit, CONF_TIME_MS);
    f = &k->fields[5];
    assert_int_equal(f->type, CONF_DECIMAL);
    assert_int_equal(f->precision, 10);
    assert_int_equal(f->scale, 2);
    assert_string_equal(f->path, "properties.price");
    assert_string_equal(f->when_field, "event_type");
    assert_string_equal(f->when_values[0], "purchase");
    f = &k->fields[6];
    assert_int_equal(f->type, CONF_LIST);
    assert_int_equal(f->fields[0].type, CONF_STRUCT);
    assert_string_equal(f->fields[0].fields[1].name, "quantity");
    assert_int_equal(k->fields[7].fields[0].type, CONF_STRING);
    assert_int_equal(conf_column(k, STR("tags")), 7);
    assert_int_equal(conf_column(k, STR("nothing")), -1);
    project_end(&p);
}

static void sql_is_read_without_its_semicolon(void **state)
{
    const struct conf_domain *d;
    struct project p;

    (void)state;
    write_project(&p);
    d = conf_domain(p.conf, STR("events"));
    assert_string_equal(d->silver.sql, "SELECT * FROM input\n");
    assert_string_equal(d->silver.sql_path, "domains/events/silver.sql");
    assert_int_equal(d->n_gold, 2);
    assert_string_equal(d->gold[0].sql, "SELECT day, 1 AS hour FROM silver\n");
    assert_string_equal(d->gold[1].sql, "SELECT event_type FROM silver\n\n");
    assert_true(d->gold[1].whole_table && !d->gold[0].whole_table);
    assert_int_equal(d->n_checks, 1);
    assert_string_equal(d->checks[0].name, "no_gap");
    project_end(&p);
}

static void a_file_source_is_loaded(void **state)
{
    const struct conf_domain *d;
    struct project p;
    char text[128];

    (void)state;
    write_project(&p);
    d = conf_domain(p.conf, STR("zones"));
    assert_int_equal(d->source.type, CONF_SOURCE_FILE);
    assert_int_equal(d->source.n_paths, 2);
    snprintf(text, sizeof(text), "%s/data/zones.csv", p.root);
    assert_string_equal(d->source.paths[0], text);
    assert_string_equal(d->source.paths[1], "/srv/more.csv");
    assert_string_equal(d->source.null_text, "NA");
    assert_true(d->source.rate_per_s >= 0 && d->source.rate_per_s <= 0);
    assert_true(d->contract.fields[0].lenient); /* CSV has texts only */
    assert_false(d->contract.fields[1].lenient);
    assert_string_equal(d->topic.name, "raw-zones");
    assert_string_equal(d->topic.dlq_name, "dlq-raw-zones");
    assert_int_equal(d->topic.partitions, 6);
    assert_string_equal(d->bronze.date_column, "event_date");
    assert_int_equal(d->bronze.flush_records, 1000);
    assert_int_equal(d->max_retries, 3);
    project_end(&p);
}

static void a_byte_order_mark_is_no_text(void **state)
{
    struct project p;

    (void)state;
    unsetenv("TEST_BOM");
    project_begin(&p);
    project_write(&p, ".env", "\xef\xbb\xbfTEST_BOM=x\n");
    project_write(&p, "ingot.yml", "\xef\xbb\xbfname: ${TEST_BOM}\n");
    project_write(&p, "domains/a/domain.yml", "contract: {fields: {id: string}}\n");
    project_write(&p, "domains/a/silver.sql", "\xef\xbb\xbfSELECT * FROM input");
    project_expect(&p, "");
    assert_string_equal(p.conf->name, "x");
    assert_string_equal(p.conf->domains[0].silver.sql, "SELECT * FROM input\n");
    project_end(&p);
}

static void the_root_is_found_from_below(void **state)
{
    struct project p;
    struct buf found;
    char below[128];

    (void)state;
    write_project(&p);
    buf_init(&found, 0);
    snprintf(below, sizeof(below), "%s/domains/events/gold", p.root);
    assert_int_equal(conf_find_root(p.env, below, &found, &p.err), IG_OK);
    assert_string_equal(buf_cstr(&found), p.root);
    buf_clear(&found);
    assert_int_equal(conf_find_root(p.env, "/", &found, &p.err), IG_NOT_FOUND);
    assert_non_null(strstr(p.err.msg, "ingot init"));
    buf_release(&found);
    project_end(&p);
}

static void a_folder_without_ingot_yml_is_no_project(void **state)
{
    struct project p;

    (void)state;
    project_begin(&p);
    assert_int_equal(project_load(&p), IG_NOT_FOUND);
    assert_non_null(strstr(p.err.msg, "there is no ingot.yml in "));
    assert_int_equal(p.problems.n, 0);
    project_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_of_ingot_yml_is_loaded),
        cmocka_unit_test(an_empty_ingot_yml_gives_the_defaults),
        cmocka_unit_test(a_domain_is_loaded),
        cmocka_unit_test(a_contract_is_loaded),
        cmocka_unit_test(sql_is_read_without_its_semicolon),
        cmocka_unit_test(a_file_source_is_loaded),
        cmocka_unit_test(a_byte_order_mark_is_no_text),
        cmocka_unit_test(the_root_is_found_from_below),
        cmocka_unit_test(a_folder_without_ingot_yml_is_no_project),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
