/* Rejected records and the DLQ, with the broker inside: each record has one letter, however often it is processed. */
#include "project.h"

#include "broker/broker.h"

#include <stdio.h>

#define DAY "2024-01-01"
#define DLQ "dlq-raw-t"

struct fixture {
    struct project p;
    struct broker *broker;
    char broker_dir[64];
};

static void ok(struct fixture *f, enum ig_code rc)
{
    if (rc)
        fail_msg("%s", f->p.err.msg);
}

static void begin(struct fixture *f)
{
    const struct log_topic_spec dlq = {.name = DLQ, .partitions = 1, .retention_ms = -1};
    struct broker_options options = {.host = "127.0.0.1"};
    char url[64];

    project_begin(&f->p);
    project_file(&f->p, "domains/t/domain.yml",
                 "topic: {name: raw-t}\n"
                 "contract:\n"
                 "  key: id\n"
                 "  event_time: at\n"
                 "  fields:\n"
                 "    id: {type: string, required: true}\n"
                 "    at: {type: timestamp, required: true}\n"
                 "bronze: {partition_by: day}\n");
    project_open(&f->p);
    test_scratch_dir(f->broker_dir, sizeof(f->broker_dir));
    options.dir = f->broker_dir;
    ok(f, broker_start(f->p.x.env, &options, &f->broker, &f->p.err));
    snprintf(url, sizeof(url), "kafka://127.0.0.1:%d", broker_port(f->broker));
    ok(f, log_client_new(f->p.x.env, url, &f->p.x.log, &f->p.err));
    ok(f, log_topic_ensure(f->p.x.log, &dlq, &f->p.err));
}

static void end(struct fixture *f)
{
    log_client_free(f->p.x.log);
    f->p.x.log = NULL;
    broker_stop(f->broker);
    ok(f, env_remove_tree(f->p.x.env, f->broker_dir, &f->p.err));
    project_end(&f->p);
}

static struct str header(const struct log_record *r, const char *name)
{
    for (size_t i = 0; i < r->n_headers; i++)
        if (strcmp(r->headers[i].name, name) == 0)
            return r->headers[i].value;
    return STR("(none)");
}

/* All letters, as "offset reason field stage key value;" each. */
static const char *letters(struct fixture *f)
{
    struct log_consumer *k;
    struct buf *out = &f->p.text;
    int64_t low, high, n = 0;

    buf_clear(out);
    ok(f, log_watermarks(f->p.x.log, DLQ, 0, &low, &high, &f->p.err));
    ok(f, log_consumer_new(f->p.x.log, NULL, &k, &f->p.err));
    ok(f, log_consumer_assign(k, DLQ, 0, 0, &f->p.err));
    while (n < high) {
        struct log_batch batch;

        ok(f, log_consume(k, 100, 1000, &batch, &f->p.err));
        for (size_t i = 0; i < batch.n; i++, n++) {
            const struct log_record *r = &batch.records[i];

            buf_printf(out,
                       STR_FMT "/" STR_FMT "/" STR_FMT "@" STR_FMT " " STR_FMT " " STR_FMT " " STR_FMT " " STR_FMT
                               " " STR_FMT ";",
                       STR_ARG(header(r, "ingot-topic")), STR_ARG(header(r, "ingot-partition")),
                       STR_ARG(header(r, "ingot-offset")), STR_ARG(header(r, "ingot-timestamp")),
                       STR_ARG(header(r, "ingot-reason")), STR_ARG(header(r, "ingot-field")),
                       STR_ARG(header(r, "ingot-stage")), STR_ARG(r->key), STR_ARG(r->value));
        }
        log_batch_free(&batch);
    }
    log_consumer_free(k);
    return buf_cstr(out);
}

static void each_rejected_record_has_one_letter(void **state)
{
    const char *first = "raw-t/2/7@1704067207000 missing_field id silver k {\"at\":\"" DAY "\"};";
    struct fixture f;
    struct buf both;

    (void)state;
    begin(&f);
    project_record(&f.p, 2, 6, "{\"id\":\"good\",\"at\":\"" DAY "\"}");
    project_record(&f.p, 2, 7, "{\"at\":\"" DAY "\"}");
    project_bronze(&f.p, "t", DAY);
    (void)project_silver(&f.p, "t", DAY);
    assert_string_equal(letters(&f), first);
    (void)project_silver(&f.p, "t", DAY);
    assert_string_equal(letters(&f), first);

    /* late: one more, and the first one once more in another file */
    project_record(&f.p, 2, 7, "{\"at\":\"" DAY "\"}");
    project_record(&f.p, 2, 9, "{\"id\":[1],\"at\":\"" DAY "\"}");
    project_bronze(&f.p, "t", DAY);
    (void)project_silver(&f.p, "t", DAY);
    buf_init(&both, 0);
    buf_printf(&both, "%sraw-t/2/9@1704067209000 wrong_type id silver k {\"id\":[1],\"at\":\"" DAY "\"};", first);
    assert_string_equal(letters(&f), buf_cstr(&both));
    buf_release(&both);
    end(&f);
}

/* The process died when the letter was acknowledged and the quarantine's commit was not. */
static void a_letter_of_an_attempt_that_died_is_not_sent_again(void **state)
{
    const char *first = "raw-t/2/7@1704067207000 missing_field id silver k {\"at\":\"" DAY "\"};";
    struct fixture f;
    char path[128];

    (void)state;
    begin(&f);
    project_record(&f.p, 2, 7, "{\"at\":\"" DAY "\"}");
    project_bronze(&f.p, "t", DAY);
    (void)project_silver(&f.p, "t", DAY);
    snprintf(path, sizeof(path), "%s/lake/quarantine", f.p.folder);
    ok(&f, env_remove_tree(f.p.x.env, path, &f.p.err));
    f.p.again = true;
    (void)project_silver(&f.p, "t", DAY);
    assert_string_equal(letters(&f), first);
    end(&f);
}

static void without_the_log_nothing_is_quarantined(void **state)
{
    struct stage_silver_result r;
    struct log_client *log;
    struct fixture f;

    (void)state;
    begin(&f);
    log = f.p.x.log;
    /* a log that is not there: the letters can not be sent, so the partition is not processed */
    ok(&f, log_client_new(f.p.x.env, "kafka://127.0.0.1:1?message.timeout.ms=1500", &f.p.x.log, &f.p.err));
    project_record(&f.p, 0, 0, "{\"at\":\"" DAY "\"}");
    project_bronze(&f.p, "t", DAY);
    assert_int_not_equal(project_try_silver(&f.p, "t", DAY, &r), IG_OK);
    assert_non_null(strstr(f.p.err.msg, "dead letters to " DLQ));
    log_client_free(f.p.x.log);
    f.p.x.log = log;
    assert_string_equal(letters(&f), "");
    (void)project_silver(&f.p, "t", DAY);
    assert_string_equal(letters(&f), "raw-t/0/0@1704067200000 missing_field id silver k {\"at\":\"" DAY "\"};");
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_rejected_record_has_one_letter),
        cmocka_unit_test(a_letter_of_an_attempt_that_died_is_not_sent_again),
        cmocka_unit_test(without_the_log_nothing_is_quarantined),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
