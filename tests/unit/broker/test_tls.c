/* TLS over memory, against OpenSSL's own client. */
#include "broker/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "test.h"

/* --- certificates ------------------------------------------------------------------------------------------------ */

struct pair {
    EVP_PKEY *key;
    X509 *cert;
};

static struct pair make_pair(const char *name, const struct pair *signer, long from_s, long to_s)
{
    struct pair p = {EVP_EC_gen("P-256"), X509_new()};
    X509_NAME *subject = X509_get_subject_name(p.cert);

    ASN1_INTEGER_set(X509_get_serialNumber(p.cert), (long)(size_t)name % 100000 + 1);
    X509_set_version(p.cert, 2);
    X509_gmtime_adj(X509_getm_notBefore(p.cert), from_s);
    X509_gmtime_adj(X509_getm_notAfter(p.cert), to_s);
    X509_set_pubkey(p.cert, p.key);
    X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_UTF8, (const uint8_t *)"Example, Inc", -1, -1, 0);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const uint8_t *)name, -1, -1, 0);
    X509_set_issuer_name(p.cert, signer ? X509_get_subject_name(signer->cert) : subject);
    if (!signer) {
        X509_EXTENSION *ca = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");

        X509_add_ext(p.cert, ca, -1);
        X509_EXTENSION_free(ca);
    }
    assert_true(X509_sign(p.cert, signer ? signer->key : p.key, EVP_sha256()) > 0);
    return p;
}

static void pair_free(struct pair *p)
{
    EVP_PKEY_free(p->key);
    X509_free(p->cert);
}

static void write_pem(struct env *env, const char *path, const struct pair *p, bool key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    struct error err;
    char *text;
    long n;

    if (key)
        PEM_write_bio_PrivateKey(bio, p->key, NULL, NULL, 0, NULL, NULL);
    else
        PEM_write_bio_X509(bio, p->cert);
    n = BIO_get_mem_data(bio, &text);
    if (env_replace_file(env, path, (struct str){text, (size_t)n}, &err))
        fail_msg("%s", err.msg);
    BIO_free(bio);
}

/* --- the rig: a server's session and a client, bytes carried by hand
 * --------------------------------------------------- */

struct rig {
    struct env *env;
    char folder[200], certificate[220], key[220], ca[220];
    struct pair authority, server;
    struct conf_tls conf;
    struct tls_context *context;
    struct tls *tls;
    SSL_CTX *client_ctx;
    SSL *client;
    struct buf got; /* by the server, in plain text */
    bool echo;
};

static void on_encrypted(void *ctx, char *bytes, size_t n)
{
    struct rig *r = ctx;

    assert_int_equal(BIO_write(SSL_get_rbio(r->client), bytes, (int)n), (int)n);
    free(bytes);
}

static bool on_plain(void *ctx, const char *bytes, size_t n)
{
    struct rig *r = ctx;
    struct error err;

    buf_add(&r->got, bytes, n);
    if (r->echo)
        assert_int_equal(tls_write(r->tls, bytes, n, &err), IG_OK);
    return n != 4 || memcmp(bytes, "stop", 4) != 0;
}

static void rig_setup(struct rig *r)
{
    *r = (struct rig){.env = env_real_new()};
    r->env->log_level = ENV_LOG_ERROR + 1;
    test_scratch_dir(r->folder, sizeof(r->folder));
    snprintf(r->certificate, sizeof(r->certificate), "%s/server.pem", r->folder);
    snprintf(r->key, sizeof(r->key), "%s/server.key", r->folder);
    snprintf(r->ca, sizeof(r->ca), "%s/ca.pem", r->folder);
    r->authority = make_pair("authority", NULL, -10, 1000);
    r->server = make_pair("server", &r->authority, -10, 1000);
    write_pem(r->env, r->certificate, &r->server, false);
    write_pem(r->env, r->key, &r->server, true);
    write_pem(r->env, r->ca, &r->authority, false);
    r->conf = (struct conf_tls){.certificate = r->certificate, .key = r->key};
    buf_init(&r->got, 0);
}

static void rig_open(struct rig *r)
{
    struct error err;

    if (tls_context_new(r->env, &r->conf, &r->context, &err))
        fail_msg("%s", err.msg);
}

static void rig_connect(struct rig *r, const struct pair *certificate)
{
    const struct tls_sink sink = {r, on_encrypted, on_plain};

    r->tls = tls_new(r->context, &sink);
    r->client_ctx = SSL_CTX_new(TLS_client_method());
    X509_STORE_add_cert(SSL_CTX_get_cert_store(r->client_ctx), r->authority.cert);
    SSL_CTX_set_verify(r->client_ctx, SSL_VERIFY_PEER, NULL);
    if (certificate) {
        SSL_CTX_use_certificate(r->client_ctx, certificate->cert);
        SSL_CTX_use_PrivateKey(r->client_ctx, certificate->key);
    }
    r->client = SSL_new(r->client_ctx);
    SSL_set_bio(r->client, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    BIO_set_mem_eof_return(SSL_get_rbio(r->client), -1);
    SSL_set_connect_state(r->client);
}

static void rig_disconnect(struct rig *r)
{
    SSL_free(r->client);
    SSL_CTX_free(r->client_ctx);
    tls_free(r->tls);
    r->tls = NULL;
}

static void rig_free(struct rig *r)
{
    struct error err;

    tls_context_free(r->context);
    pair_free(&r->authority);
    pair_free(&r->server);
    buf_release(&r->got);
    assert_int_equal(env_remove_tree(r->env, r->folder, &err), IG_OK);
    env_real_free(r->env);
}

/* Carries what the client has to say, `step` bytes at a time. */
static enum ig_code carry(struct rig *r, size_t step, struct error *err)
{
    char bytes[64 << 10];
    enum ig_code rc = IG_OK;
    int n;

    while (!rc &&
           (n = BIO_read(SSL_get_wbio(r->client), bytes, (int)(step < sizeof(bytes) ? step : sizeof(bytes)))) > 0)
        rc = tls_received(r->tls, bytes, (size_t)n, err);
    return rc;
}

static enum ig_code shake(struct rig *r, size_t step, struct error *err)
{
    enum ig_code rc = IG_OK;

    for (int i = 0; i < 10 && !rc; i++) {
        (void)SSL_do_handshake(r->client);
        rc = carry(r, step, err);
    }
    ERR_clear_error();
    return rc;
}

/* --- tests
 * --------------------------------------------------------------------------------------------------------------- */

static void bytes_go_both_ways_in_any_pieces(void **state)
{
    static const size_t steps[] = {1, 7, 1000, 60000};
    const size_t big = 300000;
    char *sent = malloc(big), *back = malloc(big);
    struct rig r;

    (void)state;
    rig_setup(&r);
    rig_open(&r);
    r.echo = true;
    for (size_t i = 0; i < big; i++)
        sent[i] = (char)(i * 31 + i / 255);
    for (size_t i = 0; i < IG_COUNT(steps); i++) {
        struct error err;
        size_t n = 0;

        buf_clear(&r.got);
        rig_connect(&r, NULL);
        assert_false(tls_is_ready(r.tls));
        assert_int_equal(shake(&r, steps[i], &err), IG_OK);
        assert_true(tls_is_ready(r.tls));
        assert_int_equal(SSL_write(r.client, sent, (int)big), (int)big);
        assert_int_equal(carry(&r, steps[i], &err), IG_OK);
        assert_int_equal(r.got.n, big);
        assert_memory_equal(r.got.p, sent, big);
        while (n < big) {
            const int got = SSL_read(r.client, back + n, (int)(big - n));

            assert_true(got > 0);
            n += (size_t)got;
        }
        assert_memory_equal(back, sent, big);
        rig_disconnect(&r);
    }
    free(sent);
    free(back);
    rig_free(&r);
}

static void what_is_no_tls_is_refused(void **state)
{
    static const struct str foreign[] = {STR("GET / HTTP/1.1\r\n\r\n"), STR("\0\0\0\x10\0\x12\0\0\0\0\0\x01\0\0\0\0"),
                                         STR("\x16\x03\x01\xff\xff\xff\xff\xff\xff\xff\xff")};
    struct error err;
    struct rig r;

    (void)state;
    rig_setup(&r);
    rig_open(&r);
    for (size_t i = 0; i < IG_COUNT(foreign); i++) {
        enum ig_code rc;

        rig_connect(&r, NULL);
        rc = tls_received(r.tls, foreign[i].p, foreign[i].n, &err);
        assert_int_equal(rc, IG_INVALID);
        assert_int_equal(r.got.n, 0);
        rig_disconnect(&r);
    }
    rig_connect(&r, NULL); /* and a session whose bytes are changed on their way */
    assert_int_equal(shake(&r, 1000, &err), IG_OK);
    assert_int_equal(tls_received(r.tls, "\x17\x03\x03\0\x13garbage garbage gar", 24, &err), IG_INVALID);
    rig_disconnect(&r);
    rig_free(&r);
}

static void the_reader_may_end_it(void **state)
{
    struct error err;
    struct rig r;

    (void)state;
    rig_setup(&r);
    rig_open(&r);
    rig_connect(&r, NULL);
    assert_int_equal(shake(&r, 1000, &err), IG_OK);
    assert_int_equal(SSL_write(r.client, "stop", 4), 4);
    assert_int_equal(carry(&r, 1000, &err), IG_CANCELLED);
    rig_disconnect(&r);
    rig_connect(&r, NULL);
    assert_int_equal(shake(&r, 1000, &err), IG_OK);
    (void)SSL_shutdown(r.client); /* goodbye */
    assert_int_equal(carry(&r, 1000, &err), IG_CANCELLED);
    rig_disconnect(&r);
    rig_free(&r);
}

static void clients_show_certificates(void **state)
{
    struct rig r;
    struct pair good, stranger, expired, other;
    struct buf subject;
    struct error err;

    (void)state;
    rig_setup(&r);
    r.conf.client_ca = r.ca;
    r.conf.client_auth = CONF_CLIENT_AUTH_REQUIRED;
    rig_open(&r);
    other = make_pair("authority", NULL, -10, 1000); /* has the same name */
    good = make_pair("alice", &r.authority, -10, 1000);
    stranger = make_pair("alice", &other, -10, 1000);
    expired = make_pair("alice", &r.authority, -1000, -10);
    buf_init(&subject, 0);

    rig_connect(&r, &good);
    assert_int_equal(shake(&r, 1000, &err), IG_OK);
    assert_true(tls_is_ready(r.tls));
    assert_true(tls_subject(r.tls, &subject));
    assert_string_equal(buf_cstr(&subject), "CN=alice,O=Example\\, Inc");
    rig_disconnect(&r);

    const struct pair *const bad[] = {&stranger, &expired, NULL};
    for (size_t i = 0; i < IG_COUNT(bad); i++) {
        rig_connect(&r, bad[i]);
        if (shake(&r, 1000, &err) != IG_INVALID)
            fail_msg("certificate %zu was taken", i);
        rig_disconnect(&r);
    }
    assert_non_null(strstr(err.msg, "certificate"));

    tls_context_free(r.context);
    r.conf.client_auth = CONF_CLIENT_AUTH_REQUESTED;
    rig_open(&r);
    rig_connect(&r, NULL);
    buf_clear(&subject);
    assert_int_equal(shake(&r, 1000, &err), IG_OK);
    assert_false(tls_subject(r.tls, &subject));
    rig_disconnect(&r);
    rig_connect(&r, &expired);
    assert_int_equal(shake(&r, 1000, &err), IG_INVALID);
    rig_disconnect(&r);
    buf_release(&subject);
    pair_free(&good);
    pair_free(&stranger);
    pair_free(&expired);
    pair_free(&other);
    rig_free(&r);
}

static void old_versions_are_refused(void **state)
{
    struct error err;
    struct rig r;

    (void)state;
    rig_setup(&r);
    rig_open(&r);
    rig_connect(&r, NULL);
    SSL_set_security_level(r.client, 0);
    SSL_set_min_proto_version(r.client, TLS1_1_VERSION);
    SSL_set_max_proto_version(r.client, TLS1_1_VERSION);
    assert_int_equal(shake(&r, 1000, &err), IG_INVALID);
    rig_disconnect(&r);
    tls_context_free(r.context);
    r.conf.min_version = CONF_TLS_1_3;
    rig_open(&r);
    rig_connect(&r, NULL);
    SSL_set_max_proto_version(r.client, TLS1_2_VERSION);
    assert_int_equal(shake(&r, 1000, &err), IG_INVALID);
    rig_disconnect(&r);
    rig_free(&r);
}

static long serial_seen(struct rig *r)
{
    struct error err;
    X509 *cert;
    long serial;

    rig_connect(r, NULL);
    assert_int_equal(shake(r, 1000, &err), IG_OK);
    cert = SSL_get1_peer_certificate(r->client);
    serial = ASN1_INTEGER_get(X509_get0_serialNumber(cert));
    X509_free(cert);
    rig_disconnect(r);
    return serial;
}

static void a_renewed_certificate_is_used(void **state)
{
    struct pair renewed;
    struct rig r;

    (void)state;
    rig_setup(&r);
    rig_open(&r);
    renewed = make_pair("renewed", &r.authority, -10, 2000);
    ASN1_INTEGER_set(X509_get_serialNumber(renewed.cert), 777);
    X509_sign(renewed.cert, r.authority.key, EVP_sha256());
    assert_int_not_equal(serial_seen(&r), 777);
    write_pem(r.env, r.certificate, &renewed, false); /* the key is not there yet */
    tls_context_refresh(r.context);
    assert_int_not_equal(serial_seen(&r), 777);
    write_pem(r.env, r.key, &renewed, true);
    tls_context_refresh(r.context);
    assert_int_equal(serial_seen(&r), 777);
    assert_int_equal(env_replace_file(r.env, r.certificate, STR("no certificate"), NULL), IG_OK);
    tls_context_refresh(r.context);
    assert_int_equal(serial_seen(&r), 777);
    pair_free(&renewed);
    rig_free(&r);
}

static void files_that_do_not_fit_are_named(void **state)
{
    struct tls_context *context;
    struct error err;
    struct pair other;
    struct rig r;

    (void)state;
    rig_setup(&r);
    other = make_pair("other", &r.authority, -10, 1000);
    write_pem(r.env, r.key, &other, true);
    assert_int_equal(tls_context_new(r.env, &r.conf, &context, &err), IG_INVALID);
    assert_non_null(strstr(err.msg, "is not the key of"));
    assert_int_equal(env_replace_file(r.env, r.key, STR("hello"), NULL), IG_OK);
    assert_int_equal(tls_context_new(r.env, &r.conf, &context, &err), IG_INVALID);
    assert_non_null(strstr(err.msg, r.key));
    r.conf.certificate = "/nowhere/at.all";
    assert_int_equal(tls_context_new(r.env, &r.conf, &context, &err), IG_NOT_FOUND);
    assert_non_null(strstr(err.msg, "/nowhere/at.all"));
    pair_free(&other);
    rig_free(&r);
}

static void subjects_become_principals(void **state)
{
    static const struct {
        const char *rules[3];
        const char *subject, *principal; /* NULL: none */
    } cases[] = {
        {{NULL}, "CN=a,O=b", "CN=a,O=b"},
        {{"DEFAULT"}, "CN=a,O=b", "CN=a,O=b"},
        {{"RULE:^CN=([^,]*),.*$/$1/"}, "CN=Alice,O=b", "Alice"},
        {{"RULE:^CN=([^,]*),.*$/$1/L"}, "CN=Alice,O=b", "alice"},
        {{"RULE:^CN=([^,]*),.*$/$1/U"}, "CN=Alice,O=b", "ALICE"},
        {{"RULE:^CN=([^,]*),O=([^,]*)$/$2@$1/"}, "CN=Alice,O=b", "b@Alice"},
        {{"RULE:^OU=(.*)$/$1/"}, "CN=Alice,O=b", NULL},
        {{"RULE:^OU=(.*)$/$1/", "DEFAULT"}, "CN=Alice,O=b", "CN=Alice,O=b"},
        {{"RULE:CN=Alice/x/", "DEFAULT"}, "CN=Alice,O=b", "CN=Alice,O=b"}, /* all of it must fit */
        {{"RULE:^CN=a\\/b,.*$/slash/"}, "CN=a/b,O=c", "slash"},
    };

    (void)state;
    for (size_t i = 0; i < IG_COUNT(cases); i++) {
        const char *rules[3] = {cases[i].rules[0], cases[i].rules[1], cases[i].rules[2]};
        struct conf_tls conf = {.principal_rules = rules};
        struct buf out;
        bool ok;

        while (conf.n_principal_rules < 3 && rules[conf.n_principal_rules])
            conf.n_principal_rules++;
        buf_init(&out, 0);
        ok = tls_principal(&conf, cases[i].subject, &out);
        assert_int_equal(ok, cases[i].principal != NULL);
        if (ok)
            assert_string_equal(buf_cstr(&out), cases[i].principal);
        buf_release(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_both_ways_in_any_pieces),
        cmocka_unit_test(what_is_no_tls_is_refused),
        cmocka_unit_test(the_reader_may_end_it),
        cmocka_unit_test(clients_show_certificates),
        cmocka_unit_test(old_versions_are_refused),
        cmocka_unit_test(a_renewed_certificate_is_used),
        cmocka_unit_test(files_that_do_not_fit_are_named),
        cmocka_unit_test(subjects_become_principals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
