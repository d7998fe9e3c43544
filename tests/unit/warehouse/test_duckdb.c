/* Gold tables into a DuckDB file: each load a transaction that makes the warehouse's table what the snapshot is. */
#include "test.h"

#include "warehouse/warehouse.h"

#include <sys/wait.h>

struct house {
    char folder[64];
    struct env *env;
    struct store *store;
    struct engine *engine;
    struct engine_conn *c;
    struct warehouse *w;
    char file[96];
    struct buf text;
    struct error err;
};

static void must(struct house *h, enum ig_code rc)
{
    if (rc)
        fail_msg("%s", h->err.msg);
}

static void open_store(struct house *h, const char *name)
{
    char url[128];

    store_free(h->store);
    snprintf(url, sizeof(url), "%s/%s", h->folder, name);
    must(h, store_open(h->env, url, &h->store, &h->err));
}

static int begin(void **state)
{
    struct house *h = check_calloc(1, sizeof(*h));
    const struct engine_options options = {.threads = 2};
    char url[128];

    h->env = env_real_new();
    h->env->log_level = ENV_LOG_ERROR;
    test_scratch_dir(h->folder, sizeof(h->folder));
    buf_init(&h->text, 0);
    open_store(h, "lake");
    must(h, engine_open(&options, &h->engine, &h->err));
    must(h, engine_connect(h->engine, &h->c, &h->err));
    snprintf(h->file, sizeof(h->file), "%s/deep/er/house.duckdb", h->folder);
    snprintf(url, sizeof(url), "duckdb:%s", h->file);
    must(h, warehouse_open(h->env, url, &h->w, &h->err));
    *state = h;
    return 0;
}

static int end(void **state)
{
    struct house *h = *state;

    warehouse_free(h->w);
    engine_disconnect(h->c);
    engine_close(h->engine);
    store_free(h->store);
    must(h, env_remove_tree(h->env, h->folder, &h->err));
    env_real_free(h->env);
    buf_release(&h->text);
    free(h);
    return 0;
}

/* The partition `day` of the gold table becomes the select's rows; NULL: the whole, unpartitioned table. */
static void gold(struct house *h, const char *day, const char *select)
{
    const char *partition_by[] = {"day"};
    const struct lake_partition where = {"day", day};
    struct lake_result result;
    struct lake_table *table;

    must(h, lake_open(h->store, h->c, "gold/t", &table, &h->err));
    must(h, lake_create(table, select, partition_by, day ? 1 : 0, &h->err));
    must(h, lake_replace(table, select, &where, day ? 1 : 0, day ? 1 : 0, NULL, &result, &h->err));
    lake_close(table);
}

static enum ig_code try_load(struct house *h, struct warehouse_result *out)
{
    static const char *const key[] = {"day", "city"};
    struct warehouse_load load = {.domain = "trips", .table = "by_city", .key = key, .n_key = 2};
    struct lake_snapshot *snapshot;
    struct lake_table *table;
    enum ig_code rc;

    must(h, lake_open(h->store, h->c, "gold/t", &table, &h->err));
    must(h, lake_snapshot_open(table, LAKE_LATEST, &snapshot, &h->err));
    load.snapshot = snapshot;
    rc = warehouse_load(h->w, &load, out, &h->err);
    lake_snapshot_free(snapshot);
    lake_close(table);
    return rc;
}

static struct warehouse_result load(struct house *h)
{
    struct warehouse_result result;

    must(h, try_load(h, &result));
    return result;
}

/* What an analyst sees, with a DuckDB of their own. */
static const char *ask(struct house *h, const char *sql)
{
    const struct engine_options options = {.path = h->file};
    struct engine *e;
    struct engine_conn *c;

    buf_clear(&h->text);
    must(h, engine_open(&options, &e, &h->err));
    must(h, engine_connect(e, &c, &h->err));
    must(h, engine_query_str(c, sql, &h->text, &h->err));
    engine_disconnect(c);
    engine_close(e);
    return buf_cstr(&h->text);
}

#define ROWS                                                                                                      \
    "SELECT coalesce(string_agg(concat_ws(' ', day, coalesce(city, '?'), n), ', ' ORDER BY day, city), '') FROM " \
    "gold.by_city"
#define DAY1 "DATE '2024-01-01' AS day, "
#define DAY2 "DATE '2024-01-02' AS day, "

static void the_first_load_makes_the_table_and_records_the_version(void **state)
{
    struct house *h = *state;
    struct warehouse_result r;
    int64_t version;

    must(h, warehouse_loaded_version(h->w, "trips", "by_city", &version, &h->err));
    assert_int_equal(version, -1);
    gold(h, "2024-01-01", "SELECT " DAY1 "* FROM (VALUES ('Bonn', 1), ('Lyon', 2)) v(city, n)");
    r = load(h);
    assert_false(r.already_loaded);
    assert_int_equal(r.rows, 2);
    assert_string_equal(ask(h, ROWS), "2024-01-01 Bonn 1, 2024-01-01 Lyon 2");
    must(h, warehouse_loaded_version(h->w, "trips", "by_city", &version, &h->err));
    assert_int_equal(version, r.delta_version);
    assert_string_equal(ask(h, "SELECT concat_ws(' ', domain, table_name, rows) FROM gold._ingot_loads"),
                        "trips by_city 2");
}

static void a_version_is_loaded_once(void **state)
{
    struct house *h = *state;

    gold(h, "2024-01-01", "SELECT " DAY1 "'Bonn' AS city, 1 AS n");
    load(h);
    assert_true(load(h).already_loaded);
    assert_string_equal(ask(h, ROWS), "2024-01-01 Bonn 1");
}

static void rows_are_updated_added_and_deleted(void **state)
{
    struct house *h = *state;

    gold(h, "2024-01-01", "SELECT " DAY1 "* FROM (VALUES ('Bonn', 1), ('Lyon', 2)) v(city, n)");
    load(h);
    gold(h, "2024-01-01", "SELECT " DAY1 "* FROM (VALUES ('Bonn', 7), ('Oslo', 3)) v(city, n)");
    assert_int_equal(load(h).rows, 2);
    assert_string_equal(ask(h, ROWS), "2024-01-01 Bonn 7, 2024-01-01 Oslo 3");
}

static void only_partitions_that_changed_are_touched(void **state)
{
    struct house *h = *state;

    gold(h, "2024-01-01", "SELECT " DAY1 "'Bonn' AS city, 1 AS n");
    gold(h, "2024-01-02", "SELECT " DAY2 "'Bonn' AS city, 2 AS n");
    load(h);
    ask(h, "UPDATE gold.by_city SET n = 99 WHERE day = '2024-01-01' RETURNING 'a mark that a full load would wipe'");
    gold(h, "2024-01-02", "SELECT " DAY2 "'Lyon' AS city, 3 AS n");
    load(h);
    assert_string_equal(ask(h, ROWS), "2024-01-01 Bonn 99, 2024-01-02 Lyon 3");
}

static void versions_that_were_never_loaded_are_not_missed(void **state)
{
    struct house *h = *state;

    gold(h, "2024-01-01", "SELECT " DAY1 "'Bonn' AS city, 1 AS n");
    gold(h, "2024-01-02", "SELECT " DAY2 "'Bonn' AS city, 2 AS n");
    load(h);
    gold(h, "2024-01-01", "SELECT " DAY1 "'Bonn' AS city, 5 AS n");
    gold(h, "2024-01-02", "SELECT " DAY2 "'Bonn' AS city, 6 AS n");
    load(h);
    assert_string_equal(ask(h, ROWS), "2024-01-01 Bonn 5, 2024-01-02 Bonn 6");
}

static void an_emptied_partition_is_emptied(void **state)
{
    struct house *h = *state;

    gold(h, "2024-01-01", "SELECT " DAY1 "'Bonn' AS city, 1 AS n");
    gold(h, "2024-01-02", "SELECT " DAY2 "'Bonn' AS city, 2 AS n");
    load(h);
    gold(h, "2024-01-01", "SELECT " DAY1 "'Bonn' AS city, 1 AS n WHERE false");
    load(h);
    assert_string_equal(ask(h, ROWS), "2024-01-02 Bonn 2");
}

static void null_is_a_key_like_others(void **state)
{
    struct house *h = *state;

    gold(h, "2024-01-01", "SELECT " DAY1 "* FROM (VALUES (NULL, 1), ('Lyon', 2)) v(city, n)");
    load(h);
    gold(h, "2024-01-01", "SELECT " DAY1 "* FROM (VALUES (NULL, 4), ('Lyon', 2)) v(city, n)");
    load(h);
    assert_string_equal(ask(h, ROWS), "2024-01-01 Lyon 2, 2024-01-01 ? 4");
}

static void an_added_column_is_added(void **state)
{
    struct house *h = *state;

    gold(h, "2024-01-01", "SELECT " DAY1 "'Bonn' AS city, 1 AS n");
    load(h);
    gold(h, "2024-01-02", "SELECT " DAY2 "'Bonn' AS city, 2 AS n, 'new' AS note");
    load(h);
    assert_string_equal(ask(h, "SELECT string_agg(coalesce(note, 'null'), ' ' ORDER BY day) FROM gold.by_city"),
                        "null new");
}

static void a_table_made_anew_with_other_types_is_loaded_whole(void **state)
{
    struct house *h = *state;

    gold(h, "2024-01-01", "SELECT " DAY1 "'Bonn' AS city, 1 AS n");
    gold(h, "2024-01-02", "SELECT " DAY2 "'Bonn' AS city, 2 AS n");
    load(h);
    open_store(h, "another-lake");
    gold(h, "2024-01-01", "SELECT " DAY1 "'Bonn' AS city, 'many' AS n");
    load(h);
    assert_string_equal(ask(h, ROWS), "2024-01-01 Bonn many");
    assert_string_equal(ask(h, "SELECT column_type FROM (DESCRIBE gold.by_city) WHERE column_name = 'n'"), "VARCHAR");
}

/* The same version number of another table: told by its files. */
static void a_table_made_anew_at_the_same_version_is_loaded(void **state)
{
    struct house *h = *state;
    int64_t version;

    gold(h, "2024-01-01", "SELECT " DAY1 "'Bonn' AS city, 1 AS n");
    version = load(h).delta_version;
    open_store(h, "another-lake");
    gold(h, "2024-01-01", "SELECT " DAY1 "'Oslo' AS city, 1 AS n");
    assert_int_equal(load(h).delta_version, version);
    assert_string_equal(ask(h, ROWS), "2024-01-01 Oslo 1");
}

static void a_table_without_partitions_is_loaded_whole(void **state)
{
    struct house *h = *state;

    gold(h, NULL, "SELECT " DAY1 "* FROM (VALUES ('Bonn', 1), ('Lyon', 2)) v(city, n)");
    load(h);
    gold(h, NULL, "SELECT " DAY1 "* FROM (VALUES ('Bonn', 1), ('Oslo', 3)) v(city, n)");
    load(h);
    assert_string_equal(ask(h, ROWS), "2024-01-01 Bonn 1, 2024-01-01 Oslo 3");
}

static void a_load_that_fails_changes_nothing(void **state)
{
    struct house *h = *state;
    struct warehouse_result r;
    int64_t before, after;

    gold(h, "2024-01-01", "SELECT " DAY1 "'Bonn' AS city, 1 AS n");
    before = load(h).delta_version;
    gold(h, "2024-01-01", "SELECT " DAY1 "* FROM (VALUES ('Lyon', 1), ('Lyon', 2)) v(city, n)");
    assert_int_equal(try_load(h, &r), IG_CORRUPT);
    assert_non_null(strstr(h->err.msg, "more than once"));
    assert_string_equal(ask(h, ROWS), "2024-01-01 Bonn 1");
    must(h, warehouse_loaded_version(h->w, "trips", "by_city", &after, &h->err));
    assert_int_equal(after, before);
}

static void a_dropped_table_comes_back(void **state)
{
    struct house *h = *state;

    gold(h, "2024-01-01", "SELECT " DAY1 "'Bonn' AS city, 1 AS n");
    load(h);
    ask(h, "DROP TABLE gold.by_city; SELECT 'dropped'");
    assert_false(load(h).already_loaded);
    assert_string_equal(ask(h, ROWS), "2024-01-01 Bonn 1");
}

/* Another process has the file open for a while; `ready` is written to when it has. */
static pid_t hold_open(struct house *h, int ms)
{
    int ready[2];
    char byte = 0;
    pid_t child;

    assert_int_equal(pipe(ready), 0);
    child = fork();
    if (child == 0) {
        const struct engine_options options = {.path = h->file};
        struct engine *e = NULL;

        if (engine_open(&options, &e, NULL) || write(ready[1], &byte, 1) != 1)
            _exit(1);
        usleep((useconds_t)ms * 1000);
        _exit(0);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return child;
}

static void a_load_waits_for_its_turn(void **state)
{
    struct house *h = *state;
    int status;
    pid_t child;

    gold(h, "2024-01-01", "SELECT " DAY1 "'Bonn' AS city, 1 AS n");
    load(h);
    gold(h, "2024-01-01", "SELECT " DAY1 "'Bonn' AS city, 2 AS n");
    child = hold_open(h, 400);
    assert_int_equal(load(h).rows, 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_string_equal(ask(h, ROWS), "2024-01-01 Bonn 2");
}

/* What a death in the middle of making the first file leaves behind. */
static void a_half_made_file_is_made_again(void **state)
{
    struct house *h = *state;
    struct env_stat st;
    char path[128];

    gold(h, "2024-01-01", "SELECT " DAY1 "'Bonn' AS city, 1 AS n");
    snprintf(path, sizeof(path), "%s/deep/er", h->folder);
    must(h, env_make_dirs(h->env, path, &h->err));
    snprintf(path, sizeof(path), "%s.new", h->file);
    must(h, env_replace_file(h->env, path, STR("half a database"), &h->err));
    load(h);
    assert_string_equal(ask(h, ROWS), "2024-01-01 Bonn 1");
    assert_int_equal(env_stat(h->env, path, &st, NULL), IG_NOT_FOUND);
}

static void other_warehouses_are_refused(void **state)
{
    struct house *h = *state;
    struct warehouse *w = NULL;

    assert_int_equal(warehouse_open(h->env, "postgres://x/y", &w, &h->err), IG_UNSUPPORTED);
    assert_non_null(strstr(h->err.msg, "postgres://x/y"));
    assert_int_equal(warehouse_open(h->env, "duckdb:", &w, &h->err), IG_INVALID);
    assert_null(w);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_load_makes_the_table_and_records_the_version),
        TEST(a_version_is_loaded_once),
        TEST(rows_are_updated_added_and_deleted),
        TEST(only_partitions_that_changed_are_touched),
        TEST(versions_that_were_never_loaded_are_not_missed),
        TEST(an_emptied_partition_is_emptied),
        TEST(null_is_a_key_like_others),
        TEST(an_added_column_is_added),
        TEST(a_table_made_anew_with_other_types_is_loaded_whole),
        TEST(a_table_made_anew_at_the_same_version_is_loaded),
        TEST(a_table_without_partitions_is_loaded_whole),
        TEST(a_load_that_fails_changes_nothing),
        TEST(a_dropped_table_comes_back),
        TEST(a_load_waits_for_its_turn),
        TEST(a_half_made_file_is_made_again),
        TEST(other_warehouses_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
