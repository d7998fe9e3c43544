/*
 * From a source to the log: each record once, whatever is forgotten, refused or stopped on the way.
 */
#include "log/mock.h"
#include "source/source.h"
#include "source/state.h"
#include "source/tail.h"

#include <unistd.h>

/* Stopping a mock cluster takes a second: all tests share one, and each has topics of its own. */
static struct mock shared;

struct world {
    struct env *env;
    struct mock *mock;
    char topic[32], dlq[32];
    struct log_client *client;
    char folder[64];
    struct conf conf;
    struct conf_domain domain;
    struct conf_field fields[1];
    struct source_options options;
    const char *paths[1];
    char path[128];
};

static void connect_client(struct world *w, const char *properties)
{
    struct error e;
    char url[400];

    log_client_free(w->client);
    snprintf(url, sizeof(url), "%s%s", w->mock->url, properties);
    ok(log_client_new(w->env, url, &w->client, &e), &e);
    w->options.log = w->client;
}

static void make_topics(struct world *w)
{
    mock_topic(w->mock, w->topic, 4);
    mock_topic(w->mock, w->dlq, 1);
}

static int start_shared(void **state)
{
    (void)state;
    mock_start(&shared);
    return 0;
}

static int stop_shared(void **state)
{
    (void)state;
    mock_stop(&shared);
    return 0;
}

static int setup(void **state)
{
    struct world *w = check_calloc(1, sizeof(*w));
    static int number;

    w->mock = &shared;
    snprintf(w->topic, sizeof(w->topic), "raw-%d", ++number);
    snprintf(w->dlq, sizeof(w->dlq), "dlq-raw-%d", number);
    w->env = env_real_new();
    w->env->log_level = ENV_LOG_ERROR + 1;
    snprintf(w->folder, sizeof(w->folder), "/tmp/ingot-pump-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    w->conf.data_dir = w->conf.root = w->folder;
    w->fields[0] = (struct conf_field){.name = "user_id", .path = "user_id", .type = CONF_STRING};
    w->domain = (struct conf_domain){
        .name = "events",
        .topic = {.name = w->topic, .dlq_name = w->dlq, .partitions = 4, .key = "user_id"},
        .contract = {.fields = w->fields, .n_fields = 1},
        .source = {.type = CONF_SOURCE_GENERATE,
                   .generator = "clickstream",
                   .seed = 42,
                   .users = 50,
                   .rate_per_s = 10,
                   .count = 3000,
                   .start = "2024-01-15T00:00:00Z"},
    };
    w->options = (struct source_options){.env = w->env, .conf = &w->conf, .domain = &w->domain, .to_end = true};
    make_topics(w);
    connect_client(w, "");
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    log_client_free(w->client);
    assert_int_equal(env_remove_tree(w->env, w->folder, NULL), IG_OK);
    env_real_free(w->env);
    free(w);
    return 0;
}

static void put_file(struct world *w, const char *name, const char *text)
{
    struct error e;

    snprintf(w->path, sizeof(w->path), "%s/%s", w->folder, name);
    ok(env_replace_file(w->env, w->path, str_of(text), &e), &e);
    w->paths[0] = w->path;
    w->domain.source = (struct conf_source){.type = CONF_SOURCE_FILE, .paths = w->paths, .n_paths = 1};
}

/* Pumps until the source's end. */
static struct source_progress pump_to_end(struct world *w)
{
    struct source_progress progress;
    struct source_pump *p;
    struct error e;

    ok(source_start(&w->options, &p, &e), &e);
    do {
        env_sleep_ms(w->env, 5);
        source_progress(p, &progress);
    } while (!progress.finished && !progress.failed);
    source_progress(p, &progress);
    if (source_stop(p, &e) != IG_OK)
        assert_true(progress.failed);
    return progress;
}

/* --- what is in the log ------------------------------------------------------------------------------------------ */

struct seen {
    int64_t n, twice, wrong_partition, keyless;
    uint8_t times[20000]; /* by ordinal */
    int64_t max_ordinal;
    struct buf first_value, first_headers;
};

static void see(struct seen *s, const struct log_record *r)
{
    struct str position = {0};

    if (s->n++ == 0)
        buf_add_str(&s->first_value, r->value);
    for (size_t i = 0; i < r->n_headers; i++) {
        if (strcmp(r->headers[i].name, TAIL_HEADER) == 0)
            position = r->headers[i].value;
        if (s->n == 1)
            buf_printf(&s->first_headers, "%s=" STR_FMT "\n", r->headers[i].name, STR_ARG(r->headers[i].value));
    }
    if (position.n > 0) {
        const char *colon = memrchr(position.p, ':', position.n);
        int64_t ordinal;

        assert_non_null(colon);
        assert_true(
            str_to_int64((struct str){colon + 1, (size_t)(position.p + position.n - colon - 1)}, 0, 19999, &ordinal));
        s->twice += s->times[ordinal]++ > 0;
        s->max_ordinal = ordinal > s->max_ordinal ? ordinal : s->max_ordinal;
    }
    if (!r->key.p)
        s->keyless++;
    else
        s->wrong_partition += r->partition != hash_partition_of_key(r->key, 4);
}

static struct seen *look(struct world *w, const char *topic, int32_t partitions)
{
    struct seen *s = check_calloc(1, sizeof(*s));
    struct log_consumer *k;
    struct error e;
    int64_t expected = 0;

    s->max_ordinal = -1;
    buf_init(&s->first_value, 0);
    buf_init(&s->first_headers, 0);
    ok(log_consumer_new(w->client, NULL, &k, &e), &e);
    for (int32_t i = 0; i < partitions; i++) {
        int64_t low, high;

        ok(log_watermarks(w->client, topic, i, &low, &high, &e), &e);
        expected += high - low;
        ok(log_consumer_assign(k, topic, i, low, &e), &e);
    }
    while (s->n < expected) {
        struct log_batch batch;

        ok(log_consume(k, 1000, 1000, &batch, &e), &e);
        for (size_t i = 0; i < batch.n; i++)
            see(s, &batch.records[i]);
        log_batch_free(&batch);
    }
    log_consumer_free(k);
    return s;
}

static void seen_free(struct seen *s)
{
    buf_release(&s->first_value);
    buf_release(&s->first_headers);
    free(s);
}

static void assert_each_once(struct world *w, int64_t n)
{
    struct seen *s = look(w, w->topic, 4);

    assert_int_equal(s->n, n);
    assert_int_equal(s->twice, 0);
    assert_int_equal(s->max_ordinal, n - 1);
    assert_int_equal(s->wrong_partition, 0);
    seen_free(s);
}

static void remove_state(struct world *w)
{
    static const char *const names[] = {"state.db", "state.db-wal", "state.db-shm"};

    for (size_t i = 0; i < IG_COUNT(names); i++) {
        char path[128];

        snprintf(path, sizeof(path), "%s/%s", w->folder, names[i]);
        unlink(path);
    }
}

/* --- each record once ------------------------------------------------------------------------------------------- */

static void every_record_is_in_the_log_once_by_its_key(void **state)
{
    struct world *w = *state;
    struct source_progress p = pump_to_end(w);
    struct seen *s;

    assert_true(p.finished);
    assert_false(p.failed);
    assert_int_equal(p.produced, 3000);
    assert_int_equal(p.acknowledged, 3000);
    assert_int_equal(p.total, 3000);
    assert_int_equal(p.refused, 0);
    assert_each_once(w, 3000);
    s = look(w, w->topic, 4);
    assert_int_equal(s->keyless, 0);
    seen_free(s);
}

static void a_second_run_adds_nothing(void **state)
{
    struct world *w = *state;
    struct source_progress p;

    pump_to_end(w);
    p = pump_to_end(w);
    assert_true(p.finished);
    assert_int_equal(p.produced, 0);
    assert_each_once(w, 3000);
}

static void a_position_that_was_not_stored_in_time_repeats_nothing(void **state)
{
    struct world *w = *state;
    struct source_state *positions;
    struct source_part *part;
    struct error e;

    pump_to_end(w);
    ok(state_open(w->env, w->folder, "events", &positions, &e), &e);
    part = state_last_part(positions, "");
    assert_int_equal(part->next, 3000);
    part->next = 1234; /* as if killed before the last stores */
    part->dirty = true;
    for (int32_t i = 0; i < 4; i++) {
        struct source_bound *b = state_bound(positions, w->topic, i);

        assert_true(b->offset > 0);
        b->offset = 10;
        b->dirty = true;
    }
    ok(state_store(positions, &e), &e);
    state_close(positions);
    w->domain.source.count = 3100;
    assert_int_equal(pump_to_end(w).produced, 100);
    assert_each_once(w, 3100);
}

static void without_its_state_a_source_finds_everything_in_the_log(void **state)
{
    struct world *w = *state;

    pump_to_end(w);
    remove_state(w);
    w->domain.source.count = 3050;
    assert_int_equal(pump_to_end(w).produced, 50);
    assert_each_once(w, 3050);
}

static void stopping_and_going_on_leaves_no_gap(void **state)
{
    struct world *w = *state;
    int64_t produced = 0;

    w->options.to_end = false;
    w->domain.source.rate_per_s = 0;
    w->domain.source.count = 15000;
    for (int round = 0; round < 200 && produced < 15000; round++) {
        struct source_progress progress;
        struct source_pump *p;
        struct error e;

        ok(source_start(&w->options, &p, &e), &e);
        do {
            env_sleep_ms(w->env, 1);
            source_progress(p, &progress);
        } while (progress.produced < 1000 && !progress.finished);
        source_progress(p, &progress);
        ok(source_stop(p, &e), &e);
        {
            struct seen *s = look(w, w->topic, 4);

            assert_int_equal(s->twice, 0);
            assert_int_equal(s->max_ordinal, s->n - 1);
            produced = s->n;
            seen_free(s);
        }
    }
    assert_each_once(w, 15000);
}

static void errors_of_the_broker_that_pass_cost_nothing(void **state)
{
    struct world *w = *state;

    rd_kafka_mock_push_request_errors(w->mock->cluster, 0 /* Produce */, 2, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
                                      RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS);
    assert_true(pump_to_end(w).finished);
    assert_each_once(w, 3000);
}

static void a_log_that_has_lost_records_is_not_written_to(void **state)
{
    struct world *w = *state;
    struct source_progress p;
    struct mock other;

    pump_to_end(w);
    mock_start(&other);
    w->mock = &other;
    make_topics(w);
    connect_client(w, "");
    p = pump_to_end(w);
    log_client_free(w->client);
    w->client = NULL;
    mock_stop(&other);
    assert_true(p.failed);
    assert_int_equal(p.error.code, IG_CORRUPT);
    assert_non_null(strstr(p.error.msg, w->topic));
}

/* --- rate --------------------------------------------------------------------------------------------------- */

static void the_rate_is_kept(void **state)
{
    struct world *w = *state;
    struct source_progress progress;
    struct source_pump *p;
    struct error e;
    int64_t began_ms = 0, produced_before = 0;

    w->options.to_end = false;
    w->domain.source.rate_per_s = 500;
    w->domain.source.count = 0;
    ok(source_start(&w->options, &p, &e), &e);
    do {
        env_sleep_ms(w->env, 1);
        source_progress(p, &progress);
    } while (progress.produced == 0);
    began_ms = env_monotonic_ms(w->env);
    produced_before = progress.produced;
    env_sleep_ms(w->env, 1000);
    source_progress(p, &progress);
    {
        const double wanted = 0.5 * (double)(env_monotonic_ms(w->env) - began_ms);
        const double got = (double)(progress.produced - produced_before);

        if (got < wanted - 60 || got > wanted + 60)
            fail_msg("%g records where there should be %g", got, wanted);
    }
    ok(source_stop(p, &e), &e);
}

static void pump_for(struct world *w, int64_t ms)
{
    struct source_pump *p;
    struct error e;

    ok(source_start(&w->options, &p, &e), &e);
    env_sleep_ms(w->env, ms);
    ok(source_stop(p, &e), &e);
}

static void without_a_start_events_are_of_now_and_go_on_after_a_stop(void **state)
{
    const int64_t began_us = env_now_us(((struct world *)*state)->env);
    struct world *w = *state;
    struct seen *s;
    struct buf text;
    int64_t us;

    w->options.to_end = false;
    w->domain.source.start = NULL;
    w->domain.source.count = 0;
    w->domain.source.rate_per_s = 300;
    pump_for(w, 600);
    pump_for(w, 600);
    s = look(w, w->topic, 4);
    assert_true(s->n > 50);
    assert_int_equal(s->twice, 0);
    assert_int_equal(s->max_ordinal, s->n - 1);
    buf_init(&text, 0);
    assert_true(json_member_string(buf_str(&s->first_value), "event_timestamp", &text));
    assert_true(timestamp_parse(buf_str(&text), &us));
    assert_in_range(us, began_us - 1000000, env_now_us(w->env));
    buf_release(&text);
    seen_free(s);
}

static void a_snapshot_of_the_next_hour_waits_for_it(void **state)
{
    struct world *w = *state;
    struct seen *s;

    w->options.to_end = false;
    w->domain.source = (struct conf_source){
        .type = CONF_SOURCE_GENERATE, .generator = "restaurants", .seed = 1, .users = 50, .rate_per_s = 10};
    pump_for(w, 700);
    s = look(w, w->topic, 4);
    /* the hour may turn just now */
    assert_true(s->n == 40 || s->n == 80);
    assert_int_equal(s->twice, 0);
    seen_free(s);
}

/* --- what is no record ----------------------------------------------------------------------------------------- */

static void malformed_lines_reach_the_log_as_they_are(void **state)
{
    struct world *w = *state;
    struct seen *s;

    put_file(w, "a.ndjson", "{\"user_id\": \"u1\", broken\xff\n{\"user_id\":\"u2\"}\n{\"user_id\":7}\n[]\n");
    assert_true(pump_to_end(w).finished);
    s = look(w, w->topic, 4);
    assert_int_equal(s->n, 4);
    assert_int_equal(s->twice, 0);
    assert_int_equal(s->keyless, 2);
    assert_int_equal(s->wrong_partition, 0);
    seen_free(s);
}

static void csv_lines_that_are_no_rows_are_dead_letters(void **state)
{
    struct world *w = *state;
    struct source_progress p;
    struct seen *s;

    put_file(w, "a.csv", "user_id,n\nu1,1\nu2\nu3,3\n");
    p = pump_to_end(w);
    assert_true(p.finished);
    assert_false(p.failed);
    assert_int_equal(p.produced, 2);
    assert_int_equal(p.refused, 1);
    s = look(w, w->dlq, 1);
    assert_int_equal(s->n, 1);
    assert_string_equal(buf_cstr(&s->first_value), "u2");
    assert_non_null(strstr(buf_cstr(&s->first_headers), "ingot-reason=malformed_csv\n"));
    assert_non_null(strstr(buf_cstr(&s->first_headers), "ingot-detail=line 3: 1 fields where the header has 2\n"));
    assert_non_null(strstr(buf_cstr(&s->first_headers), "ingot-source=events@a.csv:2\n"));
    assert_non_null(strstr(buf_cstr(&s->first_headers), "ingot-topic=raw-"));
    assert_non_null(strstr(buf_cstr(&s->first_headers), "ingot-stage=source\n"));
    seen_free(s);
    pump_to_end(w);
    s = look(w, w->dlq, 1);
    assert_int_equal(s->n, 1);
    seen_free(s);
    remove_state(w); /* nor when the position is lost */
    pump_to_end(w);
    s = look(w, w->dlq, 1);
    assert_int_equal(s->n, 1);
    seen_free(s);
}

static void a_record_that_the_log_refuses_is_a_dead_letter_and_the_others_go_on(void **state)
{
    struct world *w = *state;
    struct source_progress p;
    struct buf text;
    struct seen *s;

    buf_init(&text, 0);
    buf_puts(&text, "{\"user_id\":\"a\"}\n{\"user_id\":\"b\",\"x\":\"");
    for (int i = 0; i < 700000; i++)
        buf_putc(&text, 'x');
    buf_puts(&text, "\"}\n{\"user_id\":\"c\"}\n");
    put_file(w, "a.ndjson", buf_cstr(&text));
    buf_release(&text);
    connect_client(w, "?message.max.bytes=400000");
    p = pump_to_end(w);
    if (!p.finished)
        fail_msg("%s", p.error.msg);
    assert_int_equal(p.refused, 1);
    assert_int_equal(p.acknowledged, 2);
    s = look(w, w->topic, 4);
    assert_int_equal(s->n, 2);
    seen_free(s);
    s = look(w, w->dlq, 1);
    assert_int_equal(s->n, 1);
    assert_int_equal(s->first_value.n, 256 << 10);
    assert_non_null(strstr(buf_cstr(&s->first_headers), "ingot-reason=record_too_large\n"));
    seen_free(s);
}

static void a_file_that_cannot_be_read_fails_the_source_but_not_the_other_files(void **state)
{
    struct world *w = *state;
    struct source_progress p;

    put_file(w, "a.csv", "");
    put_file(w, "b.csv", "user_id\nu1\n");
    snprintf(w->path, sizeof(w->path), "%s/*.csv", w->folder);
    p = pump_to_end(w);
    assert_true(p.failed);
    assert_true(p.finished);
    assert_int_equal(p.failures, 1);
    assert_non_null(strstr(p.error.msg, "a.csv: the file is empty"));
    assert_int_equal(p.acknowledged, 1);
    assert_int_equal(p.produced, 1);
}

static void a_damaged_state_is_named(void **state)
{
    struct world *w = *state;
    struct source_pump *p;
    struct error e;
    char path[128];

    snprintf(path, sizeof(path), "%s/state.db", w->folder);
    ok(env_replace_file(w->env, path, STR("this is no database, and never was one; it is only long enough"), &e), &e);
    assert_int_equal(source_start(&w->options, &p, &e), IG_CORRUPT);
    assert_non_null(strstr(e.msg, path));
}

static void a_domain_without_a_source_is_refused(void **state)
{
    struct world *w = *state;
    struct source_pump *p;
    struct error e;

    w->domain.source.type = CONF_SOURCE_NONE;
    assert_int_equal(source_start(&w->options, &p, &e), IG_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        TEST(every_record_is_in_the_log_once_by_its_key),
        TEST(a_second_run_adds_nothing),
        TEST(a_position_that_was_not_stored_in_time_repeats_nothing),
        TEST(without_its_state_a_source_finds_everything_in_the_log),
        TEST(stopping_and_going_on_leaves_no_gap),
        TEST(errors_of_the_broker_that_pass_cost_nothing),
        TEST(a_log_that_has_lost_records_is_not_written_to),
        TEST(the_rate_is_kept),
        TEST(without_a_start_events_are_of_now_and_go_on_after_a_stop),
        TEST(a_snapshot_of_the_next_hour_waits_for_it),
        TEST(malformed_lines_reach_the_log_as_they_are),
        TEST(csv_lines_that_are_no_rows_are_dead_letters),
        TEST(a_record_that_the_log_refuses_is_a_dead_letter_and_the_others_go_on),
        TEST(a_file_that_cannot_be_read_fails_the_source_but_not_the_other_files),
        TEST(a_damaged_state_is_named),
        TEST(a_domain_without_a_source_is_refused),
    };

    return cmocka_run_group_tests(tests, start_shared, stop_shared);
}
