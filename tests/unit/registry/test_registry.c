/* The registry over a log: what it does to its topic, several at once, and clients. */
#include "broker/broker.h"
#include "registry/registry.h"
#include "test.h"

#include <pthread.h>

struct world {
    struct env *env;
    struct broker *broker;
    struct log_client *log;
    char folder[64];
};

static void ok(enum ig_code rc, const struct error *err)
{
    if (rc != IG_OK)
        fail_msg("%s: %s", error_code_name(rc), err->msg);
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    struct broker_options options = {.host = "127.0.0.1"};
    struct error err;
    char url[64];

    w->env = env_real_new();
    w->env->log_level = ENV_LOG_ERROR;
    snprintf(w->folder, sizeof(w->folder), "/tmp/ingot-registry-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    options.dir = w->folder;
    ok(broker_start(w->env, &options, &w->broker, &err), &err);
    snprintf(url, sizeof(url), "kafka://127.0.0.1:%d", broker_port(w->broker));
    ok(log_client_new(w->env, url, &w->log, &err), &err);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    struct error err;

    log_client_free(w->log);
    broker_stop(w->broker);
    ok(env_remove_tree(w->env, w->folder, &err), &err);
    env_real_free(w->env);
    free(w);
    return 0;
}

static struct registry *open_registry(struct world *w)
{
    struct registry *r;
    struct error err;

    ok(registry_open(w->env, w->log, 20000, &r, &err), &err);
    return r;
}

/* Asks by REST; returns the status, the answer in `out`. */
static int ask(struct registry *r, const char *method, const char *target, const char *body, char *out, size_t n)
{
    const struct registry_request request = {str_of(method), str_of(target), str_of(body)};
    struct registry_response response = {0};

    buf_init(&response.body, 0);
    registry_serve(r, &request, &response);
    snprintf(out, n, "%s", buf_cstr(&response.body));
    buf_release(&response.body);
    return response.status;
}

static void clients_register_check_and_read(void **state)
{
    struct registry *r = open_registry(*state);
    struct registry_candidate c = {.subject = "a/b", .type = SCHEMA_JSON, .text = STR("{\"type\":\"string\"}")};
    const struct schema *schema, *again;
    struct buf reasons, texts;
    int32_t id, version;
    struct error err;

    buf_init(&reasons, 0);
    buf_init(&texts, 0);
    assert_int_equal(registry_schema_by_id(r, 1, &schema, &err), IG_NOT_FOUND);
    ok(registry_check(r, &c, &reasons, &err), &err);
    ok(registry_register(r, &c, &id, &version, &reasons, &err), &err);
    assert_int_equal(id, 1);
    assert_int_equal(version, 1);
    ok(registry_register(r, &c, &id, &version, &reasons, &err), &err);
    assert_int_equal(version, 1);
    ok(registry_schema_by_id(r, 1, &schema, &err), &err);
    ok(registry_schema_by_id(r, 1, &again, &err), &err);
    assert_ptr_equal(schema, again);
    c.text = STR("{\"type\":\"integer\"}");
    assert_int_equal(registry_check(r, &c, &reasons, &err), IG_CONFLICT);
    assert_non_null(strstr(buf_cstr(&reasons), "TYPE_CHANGED"));
    assert_int_equal(registry_register(r, &c, &id, &version, &reasons, &err), IG_CONFLICT);
    c.compatibility = "NONE";
    ok(registry_register(r, &c, &id, &version, &reasons, &err), &err);
    assert_int_equal(version, 2);
    c.text = STR("{");
    assert_int_equal(registry_register(r, &c, &id, &version, &reasons, &err), IG_INVALID);
    ok(registry_versions(r, "a/b", &texts, &err), &err);
    assert_int_equal(texts.n, strlen("{\"type\":\"string\"}") + strlen("{\"type\":\"integer\"}") + 2);
    buf_release(&texts);
    buf_release(&reasons);
    registry_close(r);
}

static void what_was_registered_is_there_after_opening_again(void **state)
{
    struct registry *r = open_registry(*state);
    char before[4000], after[4000], one[400];

    assert_int_equal(
        ask(r, "POST", "/subjects/s/versions", "{\"schema\":\"{}\",\"schemaType\":\"JSON\"}", one, sizeof(one)), 200);
    assert_int_equal(ask(r, "PUT", "/config/s", "{\"compatibility\":\"none\"}", one, sizeof(one)), 200);
    assert_int_equal(ask(r, "PUT", "/mode/t", "{\"mode\":\"READONLY\"}", one, sizeof(one)), 200);
    assert_int_equal(
        ask(r, "POST", "/subjects/s/versions", "{\"schema\":\"true\",\"schemaType\":\"JSON\"}", one, sizeof(one)), 200);
    assert_int_equal(ask(r, "DELETE", "/subjects/s/versions/1", "", one, sizeof(one)), 200);
    assert_int_equal(ask(r, "GET", "/schemas?deleted=true", "", before, sizeof(before)), 200);
    registry_close(r);
    r = open_registry(*state);
    assert_int_equal(ask(r, "GET", "/schemas?deleted=true", "", after, sizeof(after)), 200);
    assert_string_equal(before, after);
    assert_int_equal(ask(r, "GET", "/config/s", "", one, sizeof(one)), 200);
    assert_string_equal(one, "{\"compatibilityLevel\":\"NONE\"}");
    assert_int_equal(
        ask(r, "POST", "/subjects/t/versions", "{\"schema\":\"{}\",\"schemaType\":\"JSON\"}", one, sizeof(one)), 422);
    registry_close(r);
}

/* Eight registries over one log, each with a thread that registers the same schemas, in another order, under subjects
 * of which two write to one. */
#define REGISTRIES 8
#define SCHEMAS 12

struct racer {
    struct registry *r;
    int number;
    int32_t ids[SCHEMAS];
};

static void *race(void *arg)
{
    struct racer *x = arg;
    char subject[32], text[64];
    struct error err;

    for (int i = 0; i < SCHEMAS; i++) {
        const int which = (i + x->number * 5) % SCHEMAS;
        struct registry_candidate c = {.subject = subject, .type = SCHEMA_JSON, .compatibility = "NONE"};
        int32_t version;

        snprintf(subject, sizeof(subject), "s%d", x->number / 2);
        snprintf(text, sizeof(text), "{\"title\":\"%d\"}", which);
        c.text = str_of(text);
        ok(registry_register(x->r, &c, &x->ids[which], &version, NULL, &err), &err);
    }
    return NULL;
}

static void registries_over_one_log_agree(void **state)
{
    struct racer racers[REGISTRIES] = {0};
    pthread_t threads[REGISTRIES];
    static char first[64000], other[64000];
    struct registry *late;

    for (int i = 0; i < REGISTRIES; i++) {
        racers[i].r = open_registry(*state);
        racers[i].number = i;
    }
    for (int i = 0; i < REGISTRIES; i++)
        pthread_create(&threads[i], NULL, race, &racers[i]);
    for (int i = 0; i < REGISTRIES; i++)
        pthread_join(threads[i], NULL);
    for (int i = 1; i < REGISTRIES; i++) /* one id a schema, whoever registered it */
        for (int k = 0; k < SCHEMAS; k++)
            assert_int_equal(racers[i].ids[k], racers[0].ids[k]);
    for (int k = 0; k < SCHEMAS; k++) /* and one schema an id */
        for (int j = 0; j < k; j++)
            assert_int_not_equal(racers[0].ids[k], racers[0].ids[j]);
    late = open_registry(*state);
    ask(late, "GET", "/schemas", "", first, sizeof(first));
    for (int i = 0; i < REGISTRIES; i++) {
        char sync[256];

        ask(racers[i].r, "PUT", "/config/sync", "{\"compatibility\":\"NONE\"}", sync,
            sizeof(sync)); /* reads to the end */
        ask(racers[i].r, "GET", "/schemas", "", other, sizeof(other));
        assert_string_equal(first, other);
        registry_close(racers[i].r);
    }
    assert_int_equal(ask(late, "GET", "/subjects/s0/versions", "", other, sizeof(other)), 200);
    assert_string_equal(other, "[1,2,3,4,5,6,7,8,9,10,11,12]");
    registry_close(late);
}

static void foreign_records_do_no_harm(void **state)
{
    struct world *w = *state;
    struct registry *r = open_registry(w);
    static const struct {
        const char *key, *value;
    } RECORDS[] = {
        {"", ""},
        {"", ""},
        {"{", "{}"},
        {"[]", "{}"},
        {"{\"keytype\":1}", "{}"},
        {"{\"keytype\":\"SCHEMA\"}", "{}"},
        {"{\"keytype\":\"SCHEMA\",\"subject\":\"s\",\"version\":-5,\"magic\":1}", "{\"id\":1,\"schema\":\"{}\"}"},
        {"{\"keytype\":\"SCHEMA\",\"subject\":\"s\",\"version\":99999999999,\"magic\":1}",
         "{\"id\":1,\"schema\":\"{}\"}"},
        {"{\"keytype\":\"SCHEMA\",\"subject\":\"s\",\"version\":1,\"magic\":1}", "{\"id\":-1,\"schema\":\"{}\"}"},
        {"{\"keytype\":\"SCHEMA\",\"subject\":\"s\",\"version\":1,\"magic\":1}", "{\"id\":3}"},
        {"{\"keytype\":\"SCHEMA\",\"subject\":\"s\",\"version\":1,\"magic\":1}",
         "{\"id\":3,\"schema\":7,\"references\":5}"},
        {"{\"keytype\":\"SCHEMA\",\"subject\":\"s\",\"version\":2,\"magic\":1}", NULL},
        {"{\"keytype\":\"DELETE_SUBJECT\",\"subject\":\"s\"}", "{\"version\":\"x\"}"},
        {"{\"keytype\":\"CONFIG\",\"subject\":\"s\"}", "{\"compatibilityLevel\":5}"},
        {"{\"keytype\":\"MODE\",\"subject\":\"s\"}", "[]"},
        {"{\"keytype\":\"NOOP\"}", "{\"maxId\":1e99}"},
        {"{\"keytype\":\"SCHEMA\",\"subject\":\"broken\",\"version\":1,\"magic\":1}",
         "{\"id\":8,\"schemaType\":\"JSON\",\"schema\":\"{not JSON\"}"},
    };
    struct log_producer *p;
    struct error err;
    char out[600];

    ok(log_producer_new(w->log, NULL, NULL, &p, &err), &err);
    for (size_t i = 0; i < IG_COUNT(RECORDS); i++) {
        const struct log_record record = {
            .topic = REGISTRY_TOPIC, .partition = 0, .key = str_of(RECORDS[i].key), .value = str_of(RECORDS[i].value)};

        ok(log_produce(p, &record, NULL, &err), &err);
    }
    ok(log_producer_flush(p, 10000, &err), &err);
    log_producer_free(p);
    assert_int_equal(
        ask(r, "POST", "/subjects/s/versions", "{\"schema\":\"{}\",\"schemaType\":\"JSON\"}", out, sizeof(out)), 200);
    assert_non_null(strstr(out, "\"id\":9,\"version\":1"));
    assert_int_equal(ask(r, "GET", "/subjects", "", out, sizeof(out)), 200);
    assert_string_equal(out, "[\"broken\",\"s\"]");
    assert_int_equal(
        ask(r, "POST", "/subjects/broken/versions", "{\"schema\":\"{}\",\"schemaType\":\"JSON\"}", out, sizeof(out)),
        422);
    registry_close(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(clients_register_check_and_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_registered_is_there_after_opening_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(registries_over_one_log_agree, set_up, tear_down),
        cmocka_unit_test_setup_teardown(foreign_records_do_no_harm, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
