/*
 * The bronze files that we write ourselves, read back by DuckDB.
 */
#include "engine/engine.h"
#include "stage/bronze_parquet.h"
#include "test.h"

struct fixture {
    struct env *env;
    struct engine *engine;
    struct engine_conn *conn;
    char dir[256], path[320];
};

static int set_up(void **state)
{
    const struct engine_options options = {.threads = 1};
    struct fixture *f = check_calloc(1, sizeof(*f));
    struct error err;

    f->env = env_real_new();
    assert_int_equal(engine_open(&options, &f->engine, &err), IG_OK);
    assert_int_equal(engine_connect(f->engine, &f->conn, &err), IG_OK);
    test_scratch_dir(f->dir, sizeof(f->dir));
    snprintf(f->path, sizeof(f->path), "%s/part.parquet", f->dir);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    struct error err;

    engine_disconnect(f->conn);
    engine_close(f->engine);
    assert_int_equal(env_remove_tree(f->env, f->dir, &err), IG_OK);
    env_real_free(f->env);
    free(f);
    return 0;
}

static void write_rows(struct fixture *f, struct bronze_rows *rows)
{
    struct error err = {0};
    struct buf file;

    buf_init(&file, 0);
    if (bronze_parquet_write(rows, INT64_C(1700000000123456), &file, &err) != IG_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(env_replace_file(f->env, f->path, buf_str(&file), &err), IG_OK);
    buf_release(&file);
    bronze_rows_release(rows);
}

/* The first column of the first row of a query in which FILE stands for the file. */
static void expect(struct fixture *f, const char *select, const char *want)
{
    struct error err = {0};
    struct buf sql, got;

    buf_init(&sql, 0);
    buf_init(&got, 0);
    buf_printf(&sql, "SELECT (%s)::VARCHAR FROM read_parquet('%s')", select, f->path);
    if (engine_query_str(f->conn, buf_cstr(&sql), &got, &err) != IG_OK)
        fail_msg("%s", err.msg);
    assert_string_equal(buf_cstr(&got), want);
    buf_release(&sql);
    buf_release(&got);
}

static struct log_record record(int32_t partition, int64_t offset, const char *key, const char *value)
{
    return (struct log_record){.topic = "raw-orders",
                               .partition = partition,
                               .offset = offset,
                               .timestamp_ms = INT64_C(1705298400123) + offset,
                               .key = str_of(key),
                               .value = str_of(value)};
}

static void a_row_comes_back_as_it_was(void **state)
{
    struct fixture *f = *state;
    const struct log_header headers[] = {{"trace", STR("a\"b")}, {"bytes", {"\xff\x00\x01", 3}}, {"none", {NULL, 0}}};
    struct log_record r = record(3, 41, "k1", "{\"id\": 1, \"text\": \"\xc3\xa4\"}");
    struct bronze_rows rows;

    r.headers = headers;
    r.n_headers = 3;
    bronze_rows_init(&rows, "raw-orders");
    bronze_rows_add(&rows, &r);
    write_rows(f, &rows);
    expect(f, "count(*)", "1");
    expect(f, "first(_value)", "{\"id\": 1, \"text\": \"\xc3\xa4\"}");
    expect(f, "first(_key)", "k1");
    expect(f, "first(_topic)", "raw-orders");
    expect(f, "first(_partition)", "3");
    expect(f, "first(_offset)", "41");
    expect(f, "epoch_us(first(_timestamp))", "1705298400164000");
    expect(f, "epoch_us(first(_ingested_at))", "1700000000123456");
    expect(f, "first(_headers)",
           "[{\"key\": \"trace\", \"value\": \"a\\\"b\"}, {\"key\": \"bytes\", \"base64\": \"/wAB\"}, "
           "{\"key\": \"none\", \"value\": null}]");
    expect(f, "first(json_extract_string(_headers, '$[0].value'))", "a\"b");
}

static void the_columns_have_the_types_of_the_schema(void **state)
{
    struct fixture *f = *state;
    struct log_record r = record(0, 0, NULL, "{}");
    struct error err = {0};
    struct bronze_rows rows;
    struct buf got, sql;

    bronze_rows_init(&rows, "raw-orders");
    bronze_rows_add(&rows, &r);
    write_rows(f, &rows);
    buf_init(&got, 0);
    buf_init(&sql, 0);
    buf_printf(&sql,
               "SELECT string_agg(column_name || ' ' || column_type, ', ') FROM (DESCRIBE FROM read_parquet('%s'))",
               f->path);
    assert_int_equal(engine_query_str(f->conn, buf_cstr(&sql), &got, &err), IG_OK);
    assert_string_equal(buf_cstr(&got),
                        "_value VARCHAR, _key VARCHAR, _topic VARCHAR, _partition INTEGER, _offset BIGINT, "
                        "_timestamp TIMESTAMP WITH TIME ZONE, _ingested_at TIMESTAMP WITH TIME ZONE, "
                        "_headers VARCHAR");
    buf_release(&got);
    buf_release(&sql);
}

static void missing_keys_and_headers_are_null(void **state)
{
    struct fixture *f = *state;
    struct bronze_rows rows;

    bronze_rows_init(&rows, "raw-orders");
    for (int i = 0; i < 1000; i++) {
        char key[16];
        struct log_record r;

        snprintf(key, sizeof(key), "k%d", i);
        r = record(i % 5, i, i % 3 ? key : NULL, "{}");
        bronze_rows_add(&rows, &r);
    }
    write_rows(f, &rows);
    expect(f, "count(*)", "1000");
    expect(f, "count(_key)", "666");
    expect(f, "count(*) FILTER (_key IS NULL AND _offset % 3 = 0)", "334");
    expect(f, "count(*) FILTER (_key = 'k' || _offset)", "666");
    expect(f, "count(_headers)", "0");
}

static void a_key_that_is_no_text_is_kept_in_hex(void **state)
{
    struct fixture *f = *state;
    struct log_record r = record(0, 0, NULL, "{}");
    struct bronze_rows rows;

    r.key = (struct str){"\xff\x00z", 3};
    bronze_rows_init(&rows, "raw-orders");
    bronze_rows_add(&rows, &r);
    r.key = (struct str){"", 0};
    bronze_rows_add(&rows, &r);
    r.key = STR("\\x41");
    bronze_rows_add(&rows, &r);
    write_rows(f, &rows);
    expect(f, "string_agg(_key, '|' ORDER BY _key)", "|\\x5c783431|\\xff007a");
}

static void a_key_is_found_again_in_its_text(void **state)
{
    static const struct str KEYS[] = {{"", 0}, {"k", 1}, {"\xff\x00z", 3}, {"\\x", 2}, {"\\x41", 4}, {"\xc3\xa4", 2}};
    struct buf scratch;

    (void)state;
    for (size_t i = 0; i < IG_COUNT(KEYS); i++) {
        const struct log_record r = {.topic = "t", .key = KEYS[i], .value = STR("{}")};
        struct bronze_rows rows;
        struct str text;

        buf_init(&scratch, 0);
        bronze_rows_init(&rows, "t");
        bronze_rows_add(&rows, &r);
        text = (struct str){rows.keys.bytes.p + 4, rows.keys.bytes.n - 4};
        assert_true(str_is_utf8(text));
        assert_true(str_eq(bronze_key_bytes(text, &scratch), KEYS[i]));
        bronze_rows_release(&rows);
        buf_release(&scratch);
    }
}

static void many_rows_span_many_pages(void **state)
{
    struct fixture *f = *state;
    struct test_random random = test_random_new();
    enum { N = 300000 };
    struct bronze_rows rows;
    uint64_t sum = 0;
    char value[160], want[64];

    bronze_rows_init(&rows, "raw-orders");
    for (int i = 0; i < N; i++) {
        const size_t pad = test_random_below(&random, 60);
        struct log_record r;

        snprintf(value, sizeof(value), "{\"i\": %d, \"pad\": \"%.*s\"}", i, (int)pad,
                 "..............................................................");
        r = record(i % 7, i, i % 2 ? value : NULL, value);
        sum += strlen(value);
        bronze_rows_add(&rows, &r);
    }
    assert_true(rows.values.pages.n > 5);
    write_rows(f, &rows);
    snprintf(want, sizeof(want), "%d", N);
    expect(f, "count(DISTINCT _offset)", want);
    expect(f, "count(*) FILTER ((_value->>'i')::BIGINT = _offset AND _partition = _offset % 7)", want);
    expect(f, "count(*) FILTER (_key = _value)", "150000");
    snprintf(want, sizeof(want), "%llu", (unsigned long long)sum);
    expect(f, "sum(length(_value))", want);
}

static void a_value_of_ten_megabytes_fits(void **state)
{
    struct fixture *f = *state;
    const size_t n = 10 << 20;
    char *value = check_malloc(n + 1);
    struct bronze_rows rows;
    struct log_record r;

    memset(value, 'x', n);
    value[0] = value[n - 1] = '"';
    value[n] = '\0';
    r = record(0, 0, "k", value);
    bronze_rows_init(&rows, "raw-orders");
    bronze_rows_add(&rows, &r);
    r.offset = 1;
    bronze_rows_add(&rows, &r);
    write_rows(f, &rows);
    expect(f, "count(*) FILTER (length(_value) = 10 * 1024 * 1024)", "2");
    free(value);
}

static void the_footer_says_what_is_in_the_columns(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};
    struct bronze_rows rows;
    struct buf got, sql;
    struct log_record r;

    bronze_rows_init(&rows, "raw-orders");
    for (int i = 5; i < 15; i++) {
        r = record(i % 3, i, i == 7 ? "k" : NULL, "{}");
        bronze_rows_add(&rows, &r);
    }
    write_rows(f, &rows);
    buf_init(&got, 0);
    buf_init(&sql, 0);
    buf_printf(&sql,
               "SELECT string_agg(path_in_schema || ' ' || coalesce(stats_min_value, '-') || ' ' || "
               "coalesce(stats_max_value, '-') || ' ' || stats_null_count, ', ' ORDER BY column_id) "
               "FROM parquet_metadata('%s') WHERE column_id IN (1, 2, 3, 4)",
               f->path);
    if (engine_query_str(f->conn, buf_cstr(&sql), &got, &err) != IG_OK)
        fail_msg("%s", err.msg);
    assert_string_equal(buf_cstr(&got), "_key - - 9, _topic raw-orders raw-orders 0, _partition 0 2 0, _offset 5 14 0");
    buf_release(&got);
    buf_release(&sql);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_comes_back_as_it_was),        cmocka_unit_test(the_columns_have_the_types_of_the_schema),
        cmocka_unit_test(missing_keys_and_headers_are_null), cmocka_unit_test(a_key_that_is_no_text_is_kept_in_hex),
        cmocka_unit_test(a_key_is_found_again_in_its_text),  cmocka_unit_test(many_rows_span_many_pages),
        cmocka_unit_test(a_value_of_ten_megabytes_fits),     cmocka_unit_test(the_footer_says_what_is_in_the_columns),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
