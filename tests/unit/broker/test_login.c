/* Listeners, logins, rights, quotas and limits of a whole broker. */
#include "base/env_sim.h"
#include "batches.h"
#include "broker/security.h"
#include "client.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/socket.h>

#include "test.h"

enum { HANDSHAKE = 17, API_VERSIONS = 18, AUTHENTICATE = 36, METADATA = 3, CREATE_TOPICS = 19 };

struct rig {
    struct env *env;
    struct conf_listener listeners[2];
    struct conf_user users[2];
    const char *super_users[1];
    struct conf_broker conf;
    struct broker_options options;
    struct broker *broker;
};

static void rig_start(struct rig *r)
{
    struct error err;

    if (broker_start(r->env, &r->options, &r->broker, &err))
        fail_msg("%s", err.msg);
}

/* A plain listener, and one with SASL; alice is a super user, bob is not. */
static void rig_new(struct rig *r)
{
    *r = (struct rig){
        .env = env_sim_new(1),
        .listeners = {{.name = "plain", .host = "127.0.0.1"},
                      {.name = "sasl", .host = "127.0.0.1", .protocol = CONF_SASL_PLAINTEXT}},
        .users = {{.name = "alice", .password = "geheim"}, {.name = "bob", .password = "auch geheim"}},
        .super_users = {"User:alice"},
    };
    env_sim_real_clock(r->env, true);
    r->env->log_level = ENV_LOG_ERROR + 1;
    r->conf = (struct conf_broker){.given = true,
                                   .listeners = r->listeners,
                                   .n_listeners = 2,
                                   .users = r->users,
                                   .n_users = 2,
                                   .super_users = r->super_users,
                                   .n_super_users = 1,
                                   .allow_without_acl = true};
    r->options = (struct broker_options){
        .dir = "log", .conf = &r->conf, .authentication_ms = 600, .authentication_delay_ms = 150};
}

static void rig_free(struct rig *r)
{
    broker_stop(r->broker);
    env_sim_free(r->env);
}

static struct client dial(const struct rig *r, size_t listener)
{
    struct client c;

    assert_true(client_open(&c, broker_listener_port(r->broker, listener)));
    return c;
}

static int64_t now_ms(const struct rig *r)
{
    return env_monotonic_ms(r->env);
}

/* --- logging in
 * ------------------------------------------------------------------------------------------------------- */

static int16_t handshake(struct client *c, const char *mechanism)
{
    const struct wire_sasl_handshake_request q = {.mechanism = str_of(mechanism)};
    const struct wire_sasl_handshake_response *a = client_call(c, HANDSHAKE, 1, &q);

    return a ? a->error_code : -100;
}

static const struct wire_sasl_authenticate_response *authenticate(struct client *c, struct str bytes)
{
    const struct wire_sasl_authenticate_request q = {.auth_bytes = bytes};

    return client_call(c, AUTHENTICATE, 2, &q);
}

static bool log_in(struct client *c, struct str plain)
{
    const struct wire_sasl_authenticate_response *a;

    assert_int_equal(handshake(c, "PLAIN"), 0);
    a = authenticate(c, plain);
    return a && a->error_code == 0;
}

#define ALICE STR("\0alice\0geheim")
#define BOB STR("\0bob\0auch geheim")

static bool is_served(struct client *c)
{
    const struct wire_metadata_request q = {.topics = {NULL, -1}};

    return client_call(c, METADATA, 1, &q) != NULL;
}

static void who_does_not_log_in_gets_nothing(void **state)
{
    const struct wire_api_versions_request versions = {.client_software_name = STR("unit"),
                                                       .client_software_version = STR("1")};
    const struct wire_sasl_authenticate_response *a;
    struct client c;
    struct rig r;

    (void)state;
    rig_new(&r);
    rig_start(&r);
    c = dial(&r, 0);
    assert_true(is_served(&c));
    assert_int_equal(handshake(&c, "PLAIN"), KAFKA_ILLEGAL_SASL_STATE); /* not here */
    assert_true(is_served(&c));
    client_close(&c);
    c = dial(&r, 1);
    assert_non_null(client_call(&c, API_VERSIONS, 3, &versions));
    assert_false(is_served(&c));
    client_close(&c);
    c = dial(&r, 1);
    a = authenticate(&c, ALICE);
    assert_non_null(a);
    assert_int_equal(a->error_code, KAFKA_ILLEGAL_SASL_STATE); /* the handshake is missing */
    assert_int_equal(handshake(&c, "PLAIN"), 0);
    assert_false(is_served(&c));
    client_close(&c);
    c = dial(&r, 1);
    assert_int_equal(handshake(&c, "GSSAPI"), KAFKA_UNSUPPORTED_SASL_MECHANISM);
    assert_int_equal(handshake(&c, "PLAIN"), -100);
    client_close(&c);
    c = dial(&r, 1);
    assert_true(log_in(&c, ALICE));
    assert_true(is_served(&c));
    assert_int_equal(handshake(&c, "PLAIN"), KAFKA_ILLEGAL_SASL_STATE);
    a = authenticate(&c, ALICE);
    assert_int_equal(a->error_code, KAFKA_ILLEGAL_SASL_STATE);
    assert_true(is_served(&c));
    client_close(&c);
    rig_free(&r);
}

static void a_wrong_password_is_answered_late_and_ends_it(void **state)
{
    const struct wire_sasl_authenticate_response *a;
    struct client c;
    struct rig r;
    int64_t began_ms;

    (void)state;
    rig_new(&r);
    rig_start(&r);
    c = dial(&r, 1);
    assert_int_equal(handshake(&c, "PLAIN"), 0);
    began_ms = now_ms(&r);
    a = authenticate(&c, STR("\0alice\0falsch"));
    assert_non_null(a);
    assert_true(now_ms(&r) - began_ms >= 140);
    assert_int_equal(a->error_code, KAFKA_SASL_AUTHENTICATION_FAILED);
    assert_true(str_is(a->error_message, "Authentication failed: Invalid username or password"));
    assert_false(is_served(&c));
    client_close(&c);
    c = dial(&r, 1); /* a client that does not wait for it, and a broker that stops meanwhile */
    assert_int_equal(handshake(&c, "PLAIN"), 0);
    client_send(&c, AUTHENTICATE, 2, &(struct wire_sasl_authenticate_request){STR("\0x\0y")});
    client_close(&c);
    c = dial(&r, 1);
    assert_int_equal(handshake(&c, "PLAIN"), 0);
    client_send(&c, AUTHENTICATE, 2, &(struct wire_sasl_authenticate_request){STR("\0x\0y")});
    rig_free(&r);
    client_close(&c);
}

/* Frames of a handshake of version 0 are bare. */
static void bare_frames(void **state)
{
    const struct wire_sasl_handshake_request q = {.mechanism = STR("PLAIN")};
    static const char good[] = "\0\0\0\x0d\0alice\0geheim", bad[] = "\0\0\0\x0d\0alice\0falsch";
    const struct wire_sasl_handshake_response *a;
    struct client c;
    char answer[4];
    struct rig r;

    (void)state;
    rig_new(&r);
    rig_start(&r);
    c = dial(&r, 1);
    a = client_call(&c, HANDSHAKE, 0, &q);
    assert_int_equal(a->error_code, 0);
    assert_int_equal(a->mechanisms.n, 3);
    assert_int_equal(send(c.fd, good, sizeof(good) - 1, 0), sizeof(good) - 1);
    assert_int_equal(recv(c.fd, answer, 4, MSG_WAITALL), 4);
    assert_memory_equal(answer, "\0\0\0\0", 4);
    assert_true(is_served(&c));
    client_close(&c);
    c = dial(&r, 1);
    assert_non_null(client_call(&c, HANDSHAKE, 0, &q));
    assert_int_equal(send(c.fd, bad, sizeof(bad) - 1, 0), sizeof(bad) - 1);
    assert_int_equal(recv(c.fd, answer, 4, 0), 0);
    client_close(&c);
    rig_free(&r);
}

static void a_session_ends_without_a_new_login(void **state)
{
    const struct wire_sasl_authenticate_response *a;
    struct client c, d;
    struct rig r;

    (void)state;
    rig_new(&r);
    r.options.reauthentication_ms = 400;
    rig_start(&r);
    c = dial(&r, 1);
    d = dial(&r, 1);
    assert_int_equal(handshake(&c, "PLAIN"), 0);
    a = authenticate(&c, ALICE);
    assert_int_equal(a->session_lifetime_ms, 400);
    assert_true(log_in(&d, BOB));
    env_sleep_ms(r.env, 250);
    assert_true(log_in(&c, ALICE)); /* once more */
    assert_true(is_served(&c));
    assert_true(is_served(&d));
    env_sleep_ms(r.env, 250);
    assert_true(is_served(&c));
    assert_false(is_served(&d));   /* it did not */
    assert_false(log_in(&c, BOB)); /* somebody else */
    client_close(&c);
    client_close(&d);
    rig_free(&r);
}

static void slow_and_silent_clients_are_closed(void **state)
{
    struct client silent, slow, raw, big;
    char byte;
    struct rig r;

    (void)state;
    rig_new(&r);
    r.options.idle_ms = 700;
    rig_start(&r);
    silent = dial(&r, 1);
    slow = dial(&r, 1);
    raw = dial(&r, 0);
    big = dial(&r, 1);
    assert_int_equal(send(big.fd, "\0\x02\0\0\0\x24\0\0", 8, 0), 8); /* 128 KB before it has logged in */
    assert_int_equal(recv(big.fd, &byte, 1, 0), 0);
    for (int i = 0; i < 8; i++) { /* a byte now and then keeps nobody in */
        (void)!send(slow.fd, "\0\0\0\x30\0\x24\0\0" + i, 1, MSG_NOSIGNAL);
        env_sleep_ms(r.env, 150);
    }
    assert_true(recv(slow.fd, &byte, 1, 0) <= 0);
    assert_int_equal(recv(silent.fd, &byte, 1, 0), 0);
    assert_int_equal(recv(raw.fd, &byte, 1, 0), 0); /* idle */
    client_close(&silent);
    client_close(&slow);
    client_close(&raw);
    client_close(&big);
    rig_free(&r);
}

static void connections_have_limits(void **state)
{
    struct client c[4];
    struct rig r;

    (void)state;
    rig_new(&r);
    r.listeners[0].max_connections = 2;
    r.options.connections_per_address = 3;
    rig_start(&r);
    for (size_t i = 0; i < 3; i++) {
        c[i] = dial(&r, 0);
        assert_int_equal(is_served(&c[i]), i < 2);
    }
    c[3] = dial(&r, 1);
    assert_true(log_in(&c[3], ALICE));
    client_close(&c[2]);
    c[2] = dial(&r, 1);
    assert_false(is_served(&c[2])); /* the fourth from this address */
    client_close(&c[0]);
    env_sleep_ms(r.env, 50);
    client_close(&c[2]);
    c[2] = dial(&r, 1);
    assert_true(log_in(&c[2], ALICE));
    for (size_t i = 1; i < 4; i++)
        client_close(&c[i]);
    rig_free(&r);
}

/* --- users made through the protocol
 * ------------------------------------------------------------------------------------ */

static struct str salted(const char *password, uint8_t out[32])
{
    PKCS5_PBKDF2_HMAC(password, -1, (const uint8_t *)"salt of dave", 12, 4096, EVP_sha256(), 32, out);
    return (struct str){(const char *)out, 32};
}

static int16_t upsert(struct client *c, const char *name, int8_t mechanism, int32_t iterations, struct str password)
{
    struct wire_scram_upsertion u = {str_of(name), mechanism, iterations, STR("salt of dave"), password};
    const struct wire_alter_scram_request q = {.upsertions = {&u, 1}};
    const struct wire_alter_scram_response *a = client_call(c, 51, 0, &q);

    assert_non_null(a);
    assert_int_equal(a->results.n, 1);
    return a->results.p[0].error_code;
}

static void hmac256(const uint8_t *key, const char *text, uint8_t out[32])
{
    unsigned n;

    HMAC(EVP_sha256(), key, 32, (const uint8_t *)text, strlen(text), out, &n);
}

/* The client's side of SCRAM-SHA-256. */
static bool log_in_scram(struct client *c, const char *name, const uint8_t *salted_password)
{
    const struct wire_sasl_authenticate_response *a;
    uint8_t client_key[32], stored[32], proof[32];
    char first[200], final[400], auth[800];
    struct buf b;
    int nonce;

    assert_int_equal(handshake(c, "SCRAM-SHA-256"), 0);
    snprintf(first, sizeof(first), "n,,n=%s,r=clientnonce", name);
    a = authenticate(c, str_of(first));
    if (!a || a->error_code)
        return false;
    nonce = (int)(strcspn(a->auth_bytes.p, ",") - 2);
    snprintf(final, sizeof(final), "c=biws,r=%.*s", nonce, a->auth_bytes.p + 2);
    snprintf(auth, sizeof(auth), "%s," STR_FMT ",%s", first + 3, STR_ARG(a->auth_bytes), final);
    hmac256(salted_password, "Client Key", client_key);
    EVP_Digest(client_key, 32, stored, NULL, EVP_sha256(), NULL);
    hmac256(stored, auth, proof);
    for (size_t i = 0; i < 32; i++)
        proof[i] ^= client_key[i];
    buf_init(&b, 0);
    buf_printf(&b, "%s,p=", final);
    base64_encode(proof, 32, &b);
    a = authenticate(c, buf_str(&b));
    buf_release(&b);
    return a && a->error_code == 0 && str_has_prefix(a->auth_bytes, "v=");
}

static void users_are_kept(void **state)
{
    const struct wire_describe_scram_request all = {.users = {NULL, -1}};
    struct wire_scram_deletion gone = {STR("dave"), SCRAM_SHA_256};
    const struct wire_alter_scram_request removal = {.deletions = {&gone, 1}};
    const struct wire_describe_scram_response *described;
    struct client admin, c;
    uint8_t password[32], wrong[32];
    struct rig r;

    (void)state;
    rig_new(&r);
    rig_start(&r);
    (void)salted("falsch", wrong);
    admin = dial(&r, 1);
    assert_true(log_in(&admin, ALICE));
    assert_int_equal(upsert(&admin, "dave", SCRAM_SHA_256, 4096, salted("d", password)), 0);
    assert_int_equal(upsert(&admin, "dave", 9, 4096, salted("d", password)), KAFKA_UNSUPPORTED_SASL_MECHANISM);
    assert_int_equal(upsert(&admin, "", SCRAM_SHA_256, 4096, salted("d", password)), KAFKA_UNACCEPTABLE_CREDENTIAL);
    assert_int_equal(upsert(&admin, "e", SCRAM_SHA_256, 100, salted("d", password)), KAFKA_UNACCEPTABLE_CREDENTIAL);
    assert_int_equal(upsert(&admin, "e", SCRAM_SHA_256, 99999, salted("d", password)), KAFKA_UNACCEPTABLE_CREDENTIAL);
    assert_int_equal(upsert(&admin, "e", SCRAM_SHA_256, 4096, STR("short")), KAFKA_UNACCEPTABLE_CREDENTIAL);
    assert_int_equal(upsert(&admin, "alice", SCRAM_SHA_256, 4096, salted("d", password)),
                     KAFKA_UNACCEPTABLE_CREDENTIAL); /* she is in the configuration */
    client_close(&admin);
    for (int round = 0; round < 2; round++) {
        c = dial(&r, 1);
        assert_true(log_in_scram(&c, "dave", password));
        assert_true(is_served(&c));
        client_close(&c);
        c = dial(&r, 1);
        assert_false(log_in_scram(&c, "dave", wrong));
        client_close(&c);
        c = dial(&r, 1);
        assert_false(log_in_scram(&c, "nobody", password));
        client_close(&c);
        broker_stop(r.broker);
        rig_start(&r);
    }
    admin = dial(&r, 1);
    assert_true(log_in(&admin, ALICE));
    described = client_call(&admin, 50, 0, &all);
    assert_int_equal(described->results.n, 3);
    assert_true(str_is(described->results.p[2].user, "dave"));
    assert_int_equal(described->results.p[2].credentials.n, 1);
    assert_non_null(client_call(&admin, 51, 0, &removal));
    c = dial(&r, 1);
    assert_false(log_in_scram(&c, "dave", password));
    client_close(&c);
    client_close(&admin);
    rig_free(&r);
}

static void no_password_is_on_the_disk(void **state)
{
    struct client admin;
    uint8_t password[32];
    struct error err;
    struct buf text;
    struct rig r;

    (void)state;
    rig_new(&r);
    rig_start(&r);
    admin = dial(&r, 1);
    assert_true(log_in(&admin, ALICE));
    assert_int_equal(upsert(&admin, "dave", SCRAM_SHA_256, 4096, salted("d", password)), 0);
    client_close(&admin);
    buf_init(&text, 0);
    assert_int_equal(env_read_file(r.env, "log/security.json", &text, &err), IG_OK);
    assert_null(strstr(buf_cstr(&text), "geheim"));
    assert_null(strstr(buf_cstr(&text), "alice")); /* only who was made through the protocol */
    assert_non_null(strstr(buf_cstr(&text), "dave"));
    assert_null(memmem(text.p, text.n, password, sizeof(password)));
    buf_release(&text);
    rig_free(&r);
}

static void a_change_that_can_not_be_written_did_not_happen(void **state)
{
    struct wire_acl_creation a = {ACL_TOPIC, STR("t"), ACL_LITERAL, STR("User:x"), STR("*"), ACL_READ, ACL_ALLOW};
    const struct wire_create_acls_request q = {.creations = {&a, 1}};
    const struct wire_describe_acls_request all = {ACL_RESOURCE_ANY, {NULL, 0},         ACL_PATTERN_ANY,   {NULL, 0},
                                                   {NULL, 0},        ACL_OPERATION_ANY, ACL_PERMISSION_ANY};
    const struct wire_create_acls_response *created;
    const struct wire_describe_acls_response *described;
    struct client admin;
    uint8_t password[32];
    struct rig r;

    (void)state;
    rig_new(&r);
    rig_start(&r);
    admin = dial(&r, 1);
    assert_true(log_in(&admin, ALICE));
    env_sim_fail(r.env, ENV_SIM_RENAME, 1, IG_IO, true);
    created = client_call(&admin, 30, 3, &q);
    assert_int_equal(created->results.p[0].error_code, KAFKA_STORAGE_ERROR);
    assert_int_equal(upsert(&admin, "dave", SCRAM_SHA_256, 4096, salted("d", password)), KAFKA_STORAGE_ERROR);
    described = client_call(&admin, 29, 3, &all);
    assert_int_equal(described->resources.n, 0);
    client_close(&admin);
    rig_free(&r);
}

/* --- rights, quotas
 * -------------------------------------------------------------------------------------------------------- */

static void rights_are_asked_for_and_kept(void **state)
{
    struct wire_acl_creation rules[] = {
        {ACL_TOPIC, STR("open"), ACL_LITERAL, STR("User:bob"), STR("*"), ACL_WRITE, ACL_ALLOW},
        {ACL_TOPIC, STR("secret"), ACL_LITERAL, STR("User:carol"), STR("*"), ACL_READ, ACL_ALLOW},
        {ACL_TOPIC, STR(""), ACL_LITERAL, STR("User:carol"), STR("*"), ACL_READ, ACL_ALLOW},
    };
    const struct wire_create_acls_request q = {.creations = {rules, 3}};
    const struct wire_create_acls_response *created;
    const struct batch_wish wish = {.records = 1, .value_bytes = 10, .fill = 'x', .timestamp_ms = 1, .producer_id = -1};
    struct client admin, c;
    struct rig r;
    size_t n;
    char *batch = make_batch(&wish, &n);
    int64_t base;

    (void)state;
    rig_new(&r);
    r.conf.allow_without_acl = false;
    rig_start(&r);
    admin = dial(&r, 1);
    assert_true(log_in(&admin, ALICE));
    assert_int_equal(client_create_topic(&admin, "open", 1), 0);
    assert_int_equal(client_create_topic(&admin, "secret", 1), 0);
    created = client_call(&admin, 30, 3, &q);
    assert_int_equal(created->results.p[0].error_code, 0);
    assert_int_equal(created->results.p[1].error_code, 0);
    assert_int_equal(created->results.p[2].error_code, KAFKA_INVALID_REQUEST);
    client_close(&admin);
    for (int round = 0; round < 2; round++) {
        c = dial(&r, 1);
        assert_true(log_in(&c, BOB));
        assert_int_equal(client_produce(&c, "open", 0, batch, n, &base), 0);
        assert_int_equal(client_produce(&c, "secret", 0, batch, n, &base), KAFKA_TOPIC_AUTHORIZATION_FAILED);
        assert_int_equal(client_create_topic(&c, "new", 1), KAFKA_TOPIC_AUTHORIZATION_FAILED);
        created = client_call(&c, 30, 3, &q);
        assert_int_equal(created->results.p[0].error_code, KAFKA_CLUSTER_AUTHORIZATION_FAILED);
        client_close(&c);
        broker_stop(r.broker);
        rig_start(&r);
    }
    free(batch);
    rig_free(&r);
}

static void who_produces_too_much_waits(void **state)
{
    double limit = 10000;
    struct wire_quota_operation op = {STR("producer_byte_rate"), 0, false};
    struct wire_quota_entity who = {STR("user"), STR("alice")};
    struct wire_quota_alteration change = {.entity = {&who, 1}, .ops = {&op, 1}};
    const struct wire_alter_quotas_request q = {.entries = {&change, 1}};
    const struct wire_alter_quotas_response *altered;
    const struct batch_wish wish = {
        .records = 1, .value_bytes = 15000, .fill = 'x', .timestamp_ms = 1, .producer_id = -1};
    struct client admin, c;
    int64_t base, began_ms;
    struct rig r;
    size_t n;
    char *batch = make_batch(&wish, &n);

    (void)state;
    rig_new(&r);
    rig_start(&r);
    admin = dial(&r, 1);
    assert_true(log_in(&admin, BOB));
    memcpy(&op.value_bits, &limit, sizeof(limit));
    altered = client_call(&admin, 49, 1, &q);
    assert_int_equal(altered->entries.p[0].error_code, 0);
    assert_int_equal(client_create_topic(&admin, "t", 1), 0);
    c = dial(&r, 1);
    assert_true(log_in(&c, ALICE));
    began_ms = now_ms(&r);
    assert_int_equal(client_produce(&c, "t", 0, batch, n, &base), 0); /* 15 KB of 10 KB a second */
    assert_true(now_ms(&r) - began_ms < 300);
    assert_true(is_served(&c)); /* is heard late */
    assert_in_range(now_ms(&r) - began_ms, 450, 3000);
    began_ms = now_ms(&r);
    assert_int_equal(client_produce(&admin, "t", 0, batch, n, &base), 0);
    assert_true(is_served(&admin));
    assert_true(now_ms(&r) - began_ms < 300); /* others go on */
    client_close(&admin);
    client_close(&c);
    free(batch);
    rig_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_does_not_log_in_gets_nothing),
        cmocka_unit_test(a_wrong_password_is_answered_late_and_ends_it),
        cmocka_unit_test(bare_frames),
        cmocka_unit_test(a_session_ends_without_a_new_login),
        cmocka_unit_test(slow_and_silent_clients_are_closed),
        cmocka_unit_test(connections_have_limits),
        cmocka_unit_test(users_are_kept),
        cmocka_unit_test(no_password_is_on_the_disk),
        cmocka_unit_test(a_change_that_can_not_be_written_did_not_happen),
        cmocka_unit_test(rights_are_asked_for_and_kept),
        cmocka_unit_test(who_produces_too_much_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
