/*
 * The bronze sink against the broker inside, and a store that fails on request.
 *
 * Run as `unit_stage_bronze_sink crash URL DIR N` it is a sink that kills itself with SIGKILL when N objects are
 * durable, before their offsets can be committed.
 */
#include "broker/broker.h"
#include "stage/bronze_sink.h"
#include "test.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

/* --- a store that fails on request ---------------------------------------------------------------------------------
 */

struct flaky {
    struct store base;
    struct store *real;
    pthread_mutex_t lock;
    const char *fail_names_with; /* puts of names that hold this fail */
    enum ig_code fail_code;
    bool fail_after; /* the object is there, but the answer is fail_code */
    int n_failed, n_put;
    int kill_at; /* SIGKILL to ourselves behind this many puts; 0: never */
};

static enum ig_code flaky_put(struct store *st, const char *name, struct str body, enum store_put_mode mode,
                              struct error *err)
{
    struct flaky *f = (struct flaky *)st;
    enum ig_code rc, fail = IG_OK;
    bool after;

    pthread_mutex_lock(&f->lock);
    after = f->fail_after;
    if (f->fail_names_with && strstr(name, f->fail_names_with)) {
        fail = f->fail_code;
        f->n_failed++;
        if (after) /* once */
            f->fail_names_with = NULL;
    }
    pthread_mutex_unlock(&f->lock);
    if (fail != IG_OK && !after)
        return error_set(err, fail, "put %s: told to fail", name);
    rc = store_put(f->real, name, body, mode, err);
    pthread_mutex_lock(&f->lock);
    if (rc == IG_OK && ++f->n_put == f->kill_at) {
        usleep(300000); /* letters are acknowledged meanwhile */
        raise(SIGKILL);
    }
    pthread_mutex_unlock(&f->lock);
    return rc == IG_OK && fail != IG_OK ? error_set(err, fail, "put %s: told to fail", name) : rc;
}

static enum ig_code flaky_get(struct store *st, const char *name, struct buf *out, struct error *err)
{
    return store_get(((struct flaky *)st)->real, name, out, err);
}

static enum ig_code flaky_put_file(struct store *st, const char *name, const char *path, enum store_put_mode mode,
                                   struct error *err)
{
    return store_put_file(((struct flaky *)st)->real, name, path, mode, err);
}

static enum ig_code flaky_stat(struct store *st, const char *name, struct store_object *out, struct error *err)
{
    return store_stat(((struct flaky *)st)->real, name, out, err);
}

static enum ig_code flaky_list(struct store *st, const char *prefix, store_list_fn *each, void *ctx, struct error *err)
{
    return store_list(((struct flaky *)st)->real, prefix, each, ctx, err);
}

static enum ig_code flaky_remove(struct store *st, const char *name, struct error *err)
{
    return store_remove(((struct flaky *)st)->real, name, err);
}

static enum ig_code flaky_local_path(struct store *st, const char *name, struct buf *out, struct error *err)
{
    return store_local_path(((struct flaky *)st)->real, name, out, err);
}

static void flaky_free(struct store *st)
{
    (void)st;
}

static const struct store_ops FLAKY_OPS = {.scheme = "flaky",
                                           .get = flaky_get,
                                           .put = flaky_put,
                                           .put_file = flaky_put_file,
                                           .stat = flaky_stat,
                                           .list = flaky_list,
                                           .remove = flaky_remove,
                                           .local_path = flaky_local_path,
                                           .free = flaky_free};

/* --- a project of one domain ------------------------------------------------------------------------------------- */

static const struct conf_field FIELDS[] = {
    {.name = "id", .path = "id", .type = CONF_STRING, .required = true},
    {.name = "ts", .path = "ts", .type = CONF_TIMESTAMP, .required = true},
};

/* Fails the test with the error's text. */
static void ok(enum ig_code rc, const struct error *err)
{
    if (rc != IG_OK)
        fail_msg("%s: %s", error_code_name(rc), err->msg);
}

struct fixture {
    struct env *env;
    struct broker *broker;
    int port;
    char url[300];
    char dir[256], broker_dir[256];
    struct conf_domain domain;
    struct conf conf;
    struct flaky flaky;
    struct stage_context x;
    struct engine *engine;
    struct engine_conn *conn;
    struct stage_sink *sink;
    char topic[64], dlq[64], domain_name[32];
    int n_domains;
};

static void open_project(struct fixture *f, const char *domain)
{
    struct error err = {0};
    struct buf store_url;

    snprintf(f->domain_name, sizeof(f->domain_name), "%s", domain);
    snprintf(f->topic, sizeof(f->topic), "raw-%s", domain);
    snprintf(f->dlq, sizeof(f->dlq), "dlq-raw-%s", domain);
    f->domain = (struct conf_domain){.name = f->domain_name};
    f->domain.topic.name = f->topic;
    f->domain.topic.dlq_name = f->dlq;
    f->domain.topic.partitions = 3;
    f->domain.topic.retention_ms = f->domain.topic.dlq_retention_ms = -1;
    f->domain.contract.fields = FIELDS;
    f->domain.contract.n_fields = 2;
    f->domain.contract.event_time = "ts";
    f->domain.bronze.date_column = "event_date";
    f->domain.bronze.flush_records = 10;
    f->domain.bronze.flush_ms = 60000;
    f->conf = (struct conf){.domains = &f->domain, .n_domains = 1, .memory_bytes = 64 << 20};
    buf_init(&store_url, 0);
    buf_printf(&store_url, "file:%s", f->dir);
    f->flaky = (struct flaky){.base = {.ops = &FLAKY_OPS, .env = f->env}};
    pthread_mutex_init(&f->flaky.lock, NULL);
    ok(store_open(f->env, buf_cstr(&store_url), &f->flaky.real, &err), &err);
    f->flaky.base.url = f->flaky.real->url;
    buf_release(&store_url);
    f->x = (struct stage_context){.env = f->env, .conf = &f->conf, .store = &f->flaky.base};
    ok(log_client_new(f->env, f->url, &f->x.log, &err), &err);
}

static int set_up_all(void **state)
{
    const struct engine_options options = {.threads = 1};
    struct fixture *f = check_calloc(1, sizeof(*f));
    struct error err = {0};

    f->env = env_real_new();
    f->env->log_level = ENV_LOG_ERROR + 1;
    ok(engine_open(&options, &f->engine, &err), &err);
    ok(engine_connect(f->engine, &f->conn, &err), &err);
    *state = f;
    return 0;
}

static int tear_down_all(void **state)
{
    struct fixture *f = *state;

    engine_disconnect(f->conn);
    engine_close(f->engine);
    env_real_free(f->env);
    free(f);
    return 0;
}

/* A project of one domain and an empty store. */
static void set_up_project(struct fixture *f)
{
    char domain[32];

    snprintf(domain, sizeof(domain), "d%d", f->n_domains++);
    test_scratch_dir(f->dir, sizeof(f->dir));
    open_project(f, domain);
    f->sink = NULL;
}

/* On the port that it had, if it had one. */
static void start_broker(struct fixture *f)
{
    const struct broker_options options = {.dir = f->broker_dir, .host = "127.0.0.1", .port = f->port};
    struct error err = {0};

    ok(broker_start(f->env, &options, &f->broker, &err), &err);
    f->port = broker_port(f->broker);
    snprintf(f->url, sizeof(f->url), "kafka://127.0.0.1:%d", broker_port(f->broker));
}

static int set_up(void **state)
{
    struct fixture *f = *state;
    struct log_topic_spec spec = {.partitions = 3, .retention_ms = -1};
    struct error err = {0};

    test_scratch_dir(f->broker_dir, sizeof(f->broker_dir));
    f->port = 0;
    start_broker(f);
    set_up_project(f);
    spec.name = f->topic;
    ok(log_topic_ensure(f->x.log, &spec, &err), &err);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};

    if (f->sink)
        ok(stage_sink_stop(f->sink, &err), &err);
    log_client_free(f->x.log);
    store_free(f->flaky.real);
    pthread_mutex_destroy(&f->flaky.lock);
    ok(env_remove_tree(f->env, f->dir, &err), &err);
    broker_stop(f->broker);
    ok(env_remove_tree(f->env, f->broker_dir, &err), &err);
    return 0;
}

static void start(struct fixture *f)
{
    struct error err = {0};

    ok(stage_sink_start(&f->x, &f->sink, &err), &err);
}

static void stop(struct fixture *f)
{
    struct error err = {0};

    ok(stage_sink_stop(f->sink, &err), &err);
    f->sink = NULL;
}

static void drain(struct fixture *f)
{
    struct error err = {0};

    ok(stage_sink_drain(f->sink, 120000, &err), &err);
}

static void produce_value(struct fixture *f, int i, const char *value)
{
    struct log_producer *p;
    struct log_record r = {.topic = f->topic, .partition = i % 3, .key = STR("k"), .value = str_of(value)};
    struct error err = {0};

    ok(log_producer_new(f->x.log, NULL, NULL, &p, &err), &err);
    ok(log_produce(p, &r, NULL, &err), &err);
    ok(log_producer_flush(p, 60000, &err), &err);
    log_producer_free(p);
}

/* Records i in [from, to), partition i % 3, of 1 + `days` dates in turn. */
static void produce(struct fixture *f, int from, int to, int days)
{
    struct log_producer *p;
    struct error err = {0};

    ok(log_producer_new(f->x.log, NULL, NULL, &p, &err), &err);
    for (int i = from; i < to; i++) {
        struct log_record r = {.topic = f->topic, .partition = i % 3};
        char value[96];

        r.value = (struct str){value, (size_t)snprintf(value, sizeof(value),
                                                       "{\"id\": \"%d\", \"ts\": \"2024-01-%02dT12:00:00Z\"}", i,
                                                       15 + i % (days + 1))};
        ok(log_produce(p, &r, NULL, &err), &err);
    }
    ok(log_producer_flush(p, 60000, &err), &err);
    log_producer_free(p);
}

/* A number out of all bronze files, which are `t` in the query. */
static int64_t bronze(struct fixture *f, const char *select)
{
    struct error err = {0};
    struct buf sql;
    int64_t n = 0;

    buf_init(&sql, 0);
    buf_printf(&sql, "SELECT %s FROM read_parquet('%s/bronze/*/*/*.parquet', filename = true) t", select, f->dir);
    ok(engine_query_int64(f->conn, buf_cstr(&sql), &n, &err), &err);
    buf_release(&sql);
    return n;
}

static enum ig_code count_one(void *ctx, const struct store_object *object, struct error *err)
{
    (void)object;
    (void)err;
    ++*(int *)ctx;
    return IG_OK;
}

static int n_files(struct fixture *f)
{
    struct error err = {0};
    int n = 0;

    ok(store_list(f->flaky.real, "bronze/", count_one, &n, &err), &err);
    return n;
}

static int64_t committed(struct fixture *f, int32_t partition)
{
    struct error err = {0};
    int64_t at;

    ok(log_committed(f->x.log, "s3-sink-consumer", f->topic, partition, &at, &err), &err);
    return at;
}

/* What is waited for comes within a second; a loaded machine may take much longer. */
#define WAIT_UNTIL(what)                                         \
    do {                                                         \
        for (int wait_i = 0; wait_i < 6000 && !(what); wait_i++) \
            usleep(10000);                                       \
    } while (0)

static void wait_for_files(struct fixture *f, int n)
{
    WAIT_UNTIL(n_files(f) >= n);
    assert_int_equal(n_files(f), n);
}

static struct stage_sink_progress progress(struct fixture *f)
{
    struct stage_sink_progress p;

    stage_sink_progress(f->sink, &p);
    return p;
}

/* Of all three partitions. */
static int64_t n_committed(struct fixture *f)
{
    int64_t n = 0;

    for (int i = 0; i < 3; i++)
        n += committed(f, i) > 0 ? committed(f, i) : 0;
    return n;
}

/* --- what it promises ----------------------------------------------------------------------------------------------
 */

static void a_file_has_as_many_records_as_configured(void **state)
{
    struct fixture *f = *state;

    produce(f, 0, 35, 0);
    start(f);
    wait_for_files(f, 3);
    assert_int_equal(bronze(f, "count(*)"), 30);
    drain(f); /* the rest, early */
    assert_int_equal(n_files(f), 4);
    assert_int_equal(bronze(f, "count(DISTINCT (_partition, _offset))"), 35);
    assert_int_equal(bronze(f, "count(*) FILTER (_value->>'id' = (_offset * 3 + _partition)::VARCHAR)"), 35);
}

static void a_file_has_one_date_and_is_named_so(void **state)
{
    struct fixture *f = *state;
    struct stage_sink_progress p;

    f->domain.bronze.flush_records = 100;
    produce(f, 0, 30, 2);
    start(f);
    drain(f);
    assert_int_equal(n_files(f), 3);
    assert_int_equal(bronze(f, "count(DISTINCT filename)"), 3);
    assert_int_equal(bronze(f, "count(*) FILTER (contains(filename, 'event_date=' || left(_value->>'ts', 10)))"), 30);
    assert_int_equal(bronze(f, "count(*) FILTER (regexp_matches(filename, "
                               "'/part-[0-9]{8}T[0-9]{9}Z-[0-9a-f]{8}[.]parquet$'))"),
                     30);
    stage_sink_progress(f->sink, &p);
    assert_int_equal(p.files, 3);
    assert_int_equal(p.records, 30);
    assert_false(p.failed);
}

static void the_oldest_record_does_not_wait_longer_than_configured(void **state)
{
    struct fixture *f = *state;

    f->domain.bronze.flush_records = 1000000;
    f->domain.bronze.flush_ms = 300;
    produce(f, 0, 5, 0);
    start(f);
    wait_for_files(f, 1);
    assert_int_equal(bronze(f, "count(*)"), 5);
    WAIT_UNTIL(n_committed(f) == 5);
    assert_int_equal(committed(f, 0), 2);
    assert_int_equal(committed(f, 1), 2);
    assert_int_equal(committed(f, 2), 1);
}

static void a_stop_flushes_and_commits(void **state)
{
    struct fixture *f = *state;

    f->domain.bronze.flush_records = 20;
    produce(f, 0, 25, 0);
    start(f);
    WAIT_UNTIL(progress(f).records >= 20);
    usleep(200000);
    stop(f);
    assert_int_equal(bronze(f, "count(*)"), 25);
    assert_int_equal(committed(f, 0) + committed(f, 1) + committed(f, 2), 25);
}

/* --- letters -------------------------------------------------------------------------------------------------------
 */

struct letters {
    int n;
    char reason[8][64], offset[8][32], value[8][64], key[8][64];
    bool tombstone[8];
};

static void read_letters(struct fixture *f, struct letters *out, int n)
{
    struct log_consumer *k;
    struct log_batch b;
    struct error err = {0};

    *out = (struct letters){0};
    ok(log_consumer_new(f->x.log, NULL, &k, &err), &err);
    ok(log_consumer_assign(k, f->dlq, 0, 0, &err), &err);
    for (int tries = 0; out->n < n && tries < 600; tries++) {
        ok(log_consume(k, 8, 100, &b, &err), &err);
        for (size_t i = 0; i < b.n && out->n < 8; i++, out->n++) {
            const struct log_record *r = &b.records[i];

            snprintf(out->key[out->n], 64, STR_FMT, STR_ARG(r->key));
            snprintf(out->value[out->n], 64, STR_FMT, STR_ARG(r->value));
            out->tombstone[out->n] = r->value.p == NULL;
            for (size_t h = 0; h < r->n_headers; h++) {
                if (strcmp(r->headers[h].name, "ingot-reason") == 0)
                    snprintf(out->reason[out->n], 64, STR_FMT, STR_ARG(r->headers[h].value));
                if (strcmp(r->headers[h].name, "ingot-offset") == 0)
                    snprintf(out->offset[out->n], 32, STR_FMT, STR_ARG(r->headers[h].value));
            }
        }
        log_batch_free(&b);
    }
    log_consumer_free(k);
    assert_int_equal(out->n, n);
}

static void what_can_not_be_dated_goes_to_the_dlq(void **state)
{
    struct fixture *f = *state;
    struct stage_sink_progress p;
    struct letters got;

    produce_value(f, 0, "{\"id\": \"1\", ");
    produce_value(f, 0, "{\"id\": \"1\", \"ts\": \"yesterday\"}");
    produce_value(f, 0, NULL);
    produce_value(f, 0, "{\"id\": \"\xff\", \"ts\": \"2024-01-15T12:00:00Z\"}");
    produce_value(f, 0, "{\"id\": \"good\", \"ts\": \"2024-01-15T12:00:00Z\"}");
    start(f);
    drain(f);
    assert_int_equal(bronze(f, "count(*)"), 1);
    assert_int_equal(bronze(f, "max(_offset)"), 4);
    assert_int_equal(committed(f, 0), 5);
    stage_sink_progress(f->sink, &p);
    assert_int_equal(p.dead_letters, 4);
    read_letters(f, &got, 4);
    assert_string_equal(got.reason[0], "malformed_json");
    assert_string_equal(got.value[0], "{\"id\": \"1\", ");
    assert_string_equal(got.key[0], "k");
    assert_string_equal(got.reason[1], "bad_timestamp");
    assert_string_equal(got.reason[2], "tombstone");
    assert_true(got.tombstone[2]);
    assert_string_equal(got.reason[3], "invalid_utf8");
    assert_string_equal(got.value[3], "{\"id\": \"\xff\", \"ts\": \"2024-01-15T12:00:00Z\"}");
    assert_string_equal(got.offset[3], "3");
}

static void let_dlq_take(struct fixture *f, const char *max_bytes)
{
    const struct log_topic_spec spec = {.name = f->dlq, .partitions = 1, .retention_ms = -1};
    const struct log_setting limit = {"max.message.bytes", max_bytes};
    struct error err = {0};

    ok(log_topic_ensure(f->x.log, &spec, &err), &err);
    ok(log_configs_alter(f->x.log, f->dlq, &limit, 1, &err), &err);
}

static void a_letter_is_in_the_dlq_before_its_offset_is_committed(void **state)
{
    struct fixture *f = *state;
    struct stage_sink_progress p = {0};
    struct letters got;
    char value[201];

    let_dlq_take(f, "300"); /* the record, but not with a letter's headers */
    f->domain.bronze.flush_ms = 100;
    memset(value, 'x', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    produce_value(f, 0, value);
    for (int i = 1; i < 5; i++)
        produce(f, i, i + 1, 0);
    start(f);
    WAIT_UNTIL(progress(f).failed);
    p = progress(f);
    assert_true(p.failed);
    assert_int_equal(p.error.code, IG_LIMIT);
    usleep(300000);
    assert_int_equal(committed(f, 0), -1);
    let_dlq_take(f, "1000000");
    drain(f);
    assert_int_equal(committed(f, 0), 2);
    read_letters(f, &got, 1);
    assert_memory_equal(got.value[0], value, 63);
    assert_int_equal(bronze(f, "count(DISTINCT (_partition, _offset))"), 4);
}

/* --- failing stores ------------------------------------------------------------------------------------------------
 */

static void nothing_is_committed_above_what_is_durable(void **state)
{
    struct fixture *f = *state;
    struct stage_sink_progress p = {0};

    f->flaky.fail_names_with = "event_date=2024-01-16";
    f->flaky.fail_code = IG_NO_SPACE;
    produce(f, 0, 30, 1);
    start(f);
    wait_for_files(f, 3); /* those of the 15th, out of each of three flushes */
    WAIT_UNTIL(progress(f).failed);
    usleep(500000); /* what would be committed wrongly has time to be */
    p = progress(f);
    assert_true(p.failed);
    assert_int_equal(p.error.code, IG_NO_SPACE);
    for (int i = 0; i < 3; i++)
        assert_true(committed(f, i) <= 0);
    pthread_mutex_lock(&f->flaky.lock);
    f->flaky.fail_names_with = NULL;
    pthread_mutex_unlock(&f->flaky.lock);
    drain(f);
    stage_sink_progress(f->sink, &p);
    assert_false(p.failed);
    assert_int_equal(bronze(f, "count(*)"), 30);
    assert_int_equal(bronze(f, "count(DISTINCT (_partition, _offset))"), 30);
    for (int i = 0; i < 3; i++)
        assert_int_equal(committed(f, i), 10);
}

static void an_object_that_may_be_there_is_put_over_itself(void **state)
{
    struct fixture *f = *state;

    f->flaky.fail_names_with = "part-";
    f->flaky.fail_code = IG_UNKNOWN_OUTCOME;
    f->flaky.fail_after = true;
    produce(f, 0, 10, 0);
    start(f);
    drain(f);
    assert_int_equal(f->flaky.n_failed, 1);
    assert_int_equal(f->flaky.n_put, 2);
    assert_int_equal(n_files(f), 1);
    assert_int_equal(bronze(f, "count(*)"), 10);
}

static void a_stop_gives_up_on_a_store_that_refuses(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};

    f->flaky.fail_names_with = "part-";
    f->flaky.fail_code = IG_NO_SPACE;
    produce(f, 0, 25, 0);
    start(f);
    f->sink->settle_ms = 300;
    WAIT_UNTIL(progress(f).failed);
    assert_int_equal(stage_sink_stop(f->sink, &err), IG_UNAVAILABLE);
    f->sink = NULL;
    assert_non_null(strstr(err.msg, "told to fail"));
    assert_int_equal(n_files(f), 0);
    f->flaky.fail_names_with = NULL;
    start(f);
    drain(f);
    assert_int_equal(bronze(f, "count(*)"), 25);
}

static void a_stop_does_not_wait_for_a_log_that_is_gone(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};
    int64_t begun_ms;

    /* librdkafka gives up on a commit after the session's length. */
    log_client_free(f->x.log);
    snprintf(f->url, sizeof(f->url), "kafka://127.0.0.1:%d?session.timeout.ms=6000&heartbeat.interval.ms=500", f->port);
    ok(log_client_new(f->env, f->url, &f->x.log, &err), &err);
    f->domain.bronze.flush_records = 10000;
    produce(f, 0, 25, 0);
    start(f);
    f->sink->settle_ms = 1000;
    drain(f);
    produce(f, 25, 50, 0);
    usleep(200000);
    broker_stop(f->broker);
    f->broker = NULL;
    begun_ms = env_monotonic_ms(f->env);
    assert_int_equal(stage_sink_stop(f->sink, &err), IG_UNAVAILABLE);
    f->sink = NULL;
    assert_true(env_monotonic_ms(f->env) - begun_ms < 60000);
}

static void produce_megabytes(struct fixture *f, int n)
{
    static const char HEAD[] = "{\"id\": \"1\", \"ts\": \"2024-01-15T12:00:00Z\"";
    const size_t size = 1 << 20;
    char *value = check_malloc(size);
    struct log_producer *p;
    struct error err = {0};

    memset(value, ' ', size);
    memcpy(value, HEAD, strlen(HEAD));
    value[size - 1] = '}';
    ok(log_producer_new(f->x.log, NULL, NULL, &p, &err), &err);
    for (int i = 0; i < n; i++) {
        const struct log_record r = {.topic = f->topic, .partition = i % 3, .value = {value, size}};

        ok(log_produce(p, &r, NULL, &err), &err);
    }
    ok(log_producer_flush(p, 60000, &err), &err);
    log_producer_free(p);
    free(value);
}

/* The store refuses everything for three seconds, long enough for the sink to pause its partitions. */
static void buffers_stay_below_the_ceiling(void **state)
{
    struct fixture *f = *state;
    int64_t most = 0;

    f->domain.bronze.flush_records = 2;
    f->conf.memory_bytes = 0; /* the least: 16 MiB of buffers */
    f->flaky.fail_names_with = "part-";
    f->flaky.fail_code = IG_UNAVAILABLE;
    produce_megabytes(f, 40);
    start(f);
    for (int i = 0, full = 0; i < 6000 && full < 100; i++) {
        int64_t now;

        usleep(10000);
        sink_lock(f->sink);
        now = f->sink->in_flight_bytes;
        sink_unlock(f->sink);
        most = now > most ? now : most;
        full += most > 12 << 20; /* it stays so for a second */
    }
    assert_true(most > 12 << 20);
    assert_true(most <= 17 << 20);
    pthread_mutex_lock(&f->flaky.lock);
    f->flaky.fail_names_with = NULL;
    pthread_mutex_unlock(&f->flaky.lock);
    drain(f);
    assert_int_equal(bronze(f, "count(*)"), 40);
    assert_int_equal(bronze(f, "count(DISTINCT (_partition, _offset))"), 40);
}

static void a_flush_that_would_not_fit_is_made_early(void **state)
{
    struct fixture *f = *state;

    f->domain.bronze.flush_records = 1000000;
    f->domain.bronze.flush_ms = 3600000;
    f->conf.memory_bytes = 0;
    produce_megabytes(f, 40);
    start(f);
    WAIT_UNTIL(n_files(f) >= 2);
    assert_true(n_files(f) >= 2);
    drain(f);
    assert_int_equal(bronze(f, "count(*)"), 40);
}

/* Silver reads a file whole: what is wide must not come in hundreds. */
static void a_file_has_not_too_many_wide_records(void **state)
{
    struct fixture *f = *state;

    f->domain.bronze.flush_records = 1000000;
    f->domain.bronze.flush_ms = 3600000;
    f->conf.memory_bytes = (int64_t)4 << 30; /* 512 MiB of buffers: they are not what ends the file */
    produce_megabytes(f, 40);
    start(f);
    wait_for_files(f, 1);
    assert_int_equal(bronze(f, "count(*)"), 32);
    drain(f);
    assert_int_equal(bronze(f, "count(*)"), 40);
}

/* --- crashes and companions ----------------------------------------------------------------------------------------
 */

static const char *self_path;

static int run_crashing_sink(char **argv)
{
    struct fixture f = {.env = env_real_new()};
    struct error err = {0};

    f.env->log_level = ENV_LOG_ERROR + 1;
    snprintf(f.url, sizeof(f.url), "%s", argv[2]);
    snprintf(f.dir, sizeof(f.dir), "%s", argv[3]);
    open_project(&f, argv[4]);
    f.flaky.kill_at = atoi(argv[5]);
    start(&f);
    ok(stage_sink_drain(f.sink, 120000, &err), &err);
    return 1; /* it should not have lived so long */
}

static void a_crash_repeats_rows_and_loses_none(void **state)
{
    struct fixture *f = *state;
    int status, n;
    pid_t child;

    produce(f, 0, 60, 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        execl(self_path, self_path, "crash", f->url, f->dir, f->domain_name, "3", (char *)NULL);
        _exit(99);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
    n = n_files(f);
    assert_true(n >= 3);
    assert_true(n_committed(f) <= 20); /* the third put was not answered, and no later one */
    broker_stop(f->broker);            /* it goes down with the process, and forgets the member that is dead */
    start_broker(f);
    start(f);
    drain(f);
    assert_int_equal(bronze(f, "count(DISTINCT (_partition, _offset))"), 60);
    assert_int_equal(bronze(f, "count(DISTINCT (_partition, _offset, _value))"), 60);
    assert_true(bronze(f, "count(*)") <= 60 + 10 * n);
}

static void a_crash_repeats_no_letter(void **state)
{
    struct fixture *f = *state;
    struct letters got;
    int status;
    pid_t child;

    f->domain.bronze.flush_records = 1000000;
    produce_value(f, 0, "not JSON");
    produce(f, 1, 12, 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        execl(self_path, self_path, "crash", f->url, f->dir, f->domain_name, "1", (char *)NULL);
        _exit(99);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    read_letters(f, &got, 1);
    assert_true(committed(f, 0) < 1);
    broker_stop(f->broker); /* it goes down with the process, and forgets the member that is dead */
    start_broker(f);
    start(f);
    drain(f);
    produce_value(f, 0, "not JSON either");
    drain(f);
    read_letters(f, &got, 2);
    assert_string_equal(got.value[0], "not JSON");
    assert_string_equal(got.value[1], "not JSON either");
    assert_int_equal(bronze(f, "count(DISTINCT (_partition, _offset))"), 11);
}

static void records_of_ten_megabytes_pass(void **state)
{
    static const char HEAD[] = "{\"id\": \"1\", \"ts\": \"2024-01-15T12:00:00Z\"";
    struct fixture *f = *state;
    const size_t n = 10 << 20;
    char *value = check_malloc(n + 1);

    memset(value, ' ', n);
    memcpy(value, HEAD, strlen(HEAD));
    value[n - 1] = '}';
    value[n] = '\0';
    produce_value(f, 0, value);
    value[n - 1] = ']'; /* and one that is no JSON */
    produce_value(f, 0, value);
    start(f);
    drain(f);
    assert_int_equal(bronze(f, "count(*)"), 1);
    assert_int_equal(bronze(f, "max(length(_value))"), (int64_t)n);
    assert_int_equal(committed(f, 0), 2);
    free(value);
}

static void two_sinks_share_the_partitions(void **state)
{
    struct fixture *f = *state;
    struct stage_sink *second;
    struct error err = {0};

    f->domain.bronze.flush_ms = 200;
    produce(f, 0, 60, 0);
    start(f);
    wait_for_files(f, 6);
    ok(stage_sink_start(&f->x, &second, &err), &err);
    for (int round = 1; round <= 6; round++) {
        produce(f, round * 60, round * 60 + 60, 0);
        usleep(100000);
    }
    drain(f);
    ok(stage_sink_drain(second, 120000, &err), &err);
    assert_int_equal(bronze(f, "count(DISTINCT (_partition, _offset))"), 420);
    assert_int_equal(bronze(f, "count(DISTINCT (_partition, _offset, _value))"), 420);
    for (int i = 0; i < 3; i++)
        assert_int_equal(committed(f, i), 140);
    ok(stage_sink_stop(second, &err), &err);
}

#define SINK_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        SINK_TEST(a_file_has_as_many_records_as_configured),
        SINK_TEST(a_file_has_one_date_and_is_named_so),
        SINK_TEST(the_oldest_record_does_not_wait_longer_than_configured),
        SINK_TEST(a_stop_flushes_and_commits),
        SINK_TEST(what_can_not_be_dated_goes_to_the_dlq),
        SINK_TEST(a_letter_is_in_the_dlq_before_its_offset_is_committed),
        SINK_TEST(nothing_is_committed_above_what_is_durable),
        SINK_TEST(an_object_that_may_be_there_is_put_over_itself),
        SINK_TEST(a_stop_gives_up_on_a_store_that_refuses),
        SINK_TEST(a_stop_does_not_wait_for_a_log_that_is_gone),
        SINK_TEST(buffers_stay_below_the_ceiling),
        SINK_TEST(a_flush_that_would_not_fit_is_made_early),
        SINK_TEST(a_file_has_not_too_many_wide_records),
        SINK_TEST(a_crash_repeats_rows_and_loses_none),
        SINK_TEST(a_crash_repeats_no_letter),
        SINK_TEST(records_of_ten_megabytes_pass),
        SINK_TEST(two_sinks_share_the_partitions),
    };

    if (argc == 6 && strcmp(argv[1], "crash") == 0)
        return run_crashing_sink(argv);
    self_path = argv[0];
    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
