#include "broker/tls.h"

#include <ctype.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <regex.h>
#include <stdlib.h>
#include <time.h>

#define FILE_MAX ((size_t)1 << 20)
#define RECORD_BYTES ((size_t)16 << 10)
#define SOON_MS (INT64_C(14) * 86400000)

struct tls_context {
    struct env *env;
    const struct conf_tls *conf;
    SSL_CTX *ssl;
    uint64_t seen; /* of the files, when they were last read */
    int64_t ends_ms;
};

/* --- reading files --------------------------------------------------------------------------------------------------
 */

/* The oldest entry of OpenSSL's queue is the cause. */
static enum ig_code ssl_error(struct error *err, const char *what)
{
    const unsigned long e = ERR_get_error();
    const char *reason = e ? ERR_reason_error_string(e) : NULL;

    ERR_clear_error();
    return error_set(err, IG_INVALID, "%s: %s", what, reason ? reason : "refused");
}

static enum ig_code open_pem(struct env *env, const char *path, BIO **out, struct buf *text, struct error *err)
{
    buf_init(text, FILE_MAX);
    IG_TRY(env_read_file(env, path, text, err));
    *out = BIO_new_mem_buf(text->p ? text->p : "", (int)text->n);
    IG_ASSERT(*out);
    return IG_OK;
}

static void close_pem(BIO *bio, struct buf *text)
{
    BIO_free(bio);
    if (text->p)
        OPENSSL_cleanse(text->p, text->n);
    buf_release(text);
}

static int64_t time_ms(const ASN1_TIME *t)
{
    struct tm tm = {0};

    return ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) * 1000 : 0;
}

/* The certificate, and behind it those that lead to its issuer. */
static enum ig_code use_certificate(struct tls_context *c, SSL_CTX *ssl, BIO *bio, int64_t *ends_ms, struct error *err)
{
    X509 *cert = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
    enum ig_code rc = IG_OK;

    if (!cert || SSL_CTX_use_certificate(ssl, cert) != 1)
        rc = ssl_error(err, c->conf->certificate);
    else
        *ends_ms = time_ms(X509_get0_notAfter(cert));
    X509_free(cert);
    while (!rc && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        if (SSL_CTX_add0_chain_cert(ssl, cert) != 1) {
            X509_free(cert);
            rc = ssl_error(err, c->conf->certificate);
        }
    }
    ERR_clear_error();
    return rc;
}

static int key_password(char *buf, int size, int writing, void *ctx)
{
    const char *password = ctx;
    const size_t n = password ? strlen(password) : 0;

    (void)writing;
    if (n == 0 || n > (size_t)size)
        return -1;
    memcpy(buf, password, n);
    return (int)n;
}

static enum ig_code use_key(struct tls_context *c, SSL_CTX *ssl, BIO *bio, struct error *err)
{
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, key_password, (void *)(uintptr_t)c->conf->key_password);
    enum ig_code rc = IG_OK;

    if (!key)
        rc = ssl_error(err, c->conf->key);
    else if (SSL_CTX_use_PrivateKey(ssl, key) != 1 || SSL_CTX_check_private_key(ssl) != 1) {
        ERR_clear_error();
        rc = error_set(err, IG_INVALID, "%s is not the key of %s", c->conf->key, c->conf->certificate);
    }
    EVP_PKEY_free(key);
    return rc;
}

static enum ig_code use_client_ca(struct tls_context *c, SSL_CTX *ssl, BIO *bio, struct error *err)
{
    X509_STORE *store = SSL_CTX_get_cert_store(ssl);
    size_t n = 0;
    X509 *cert;

    while ((cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        const bool ok = X509_STORE_add_cert(store, cert) == 1 && SSL_CTX_add_client_CA(ssl, cert) == 1;

        X509_free(cert);
        if (!ok)
            return ssl_error(err, c->conf->client_ca);
        n++;
    }
    ERR_clear_error();
    return n ? IG_OK : error_set(err, IG_INVALID, "%s holds no certificate", c->conf->client_ca);
}

static enum ig_code read_files(struct tls_context *c, SSL_CTX *ssl, int64_t *ends_ms, struct error *err)
{
    BIO *bio = NULL;
    struct buf text;
    enum ig_code rc = open_pem(c->env, c->conf->certificate, &bio, &text, err);

    if (!rc)
        rc = use_certificate(c, ssl, bio, ends_ms, err);
    close_pem(bio, &text);
    if (rc)
        return rc;
    bio = NULL;
    rc = open_pem(c->env, c->conf->key, &bio, &text, err);
    if (!rc)
        rc = use_key(c, ssl, bio, err);
    close_pem(bio, &text);
    if (rc || !c->conf->client_ca)
        return rc;
    bio = NULL;
    rc = open_pem(c->env, c->conf->client_ca, &bio, &text, err);
    if (!rc)
        rc = use_client_ca(c, ssl, bio, err);
    close_pem(bio, &text);
    return rc;
}

static void set_rules(const struct conf_tls *conf, SSL_CTX *ssl)
{
    static const uint8_t id[] = "ingot";
    const int verify = conf->client_auth == CONF_CLIENT_AUTH_NONE ? SSL_VERIFY_NONE
                       : conf->client_auth == CONF_CLIENT_AUTH_REQUESTED
                           ? SSL_VERIFY_PEER
                           : SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;

    SSL_CTX_set_min_proto_version(ssl, conf->min_version == CONF_TLS_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(ssl,
                     SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(ssl, verify, NULL);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_session_id_context(ssl, id, sizeof(id) - 1);
    if (verify != SSL_VERIFY_NONE) { /* a resumed session would skip the check of the certificate */
        SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(ssl, 0);
    }
}

static enum ig_code make(struct tls_context *c, SSL_CTX **out, int64_t *ends_ms, struct error *err)
{
    SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());
    enum ig_code rc = IG_OK;

    IG_ASSERT(ssl);
    set_rules(c->conf, ssl);
    if (c->conf->ciphers && SSL_CTX_set_cipher_list(ssl, c->conf->ciphers) != 1)
        rc = ssl_error(err, "ciphers");
    if (!rc)
        rc = read_files(c, ssl, ends_ms, err);
    if (rc)
        SSL_CTX_free(ssl);
    else
        *out = ssl;
    return rc;
}

static uint64_t look_at_files(const struct tls_context *c)
{
    const char *const paths[] = {c->conf->certificate, c->conf->key, c->conf->client_ca};
    uint64_t hash = 0;

    for (size_t i = 0; i < IG_COUNT(paths); i++) {
        struct env_stat st = {0};

        if (paths[i] && env_stat(c->env, paths[i], &st, NULL))
            st.size_bytes = -1;
        const int64_t what[] = {(int64_t)hash, st.size_bytes, st.mtime_ms};

        hash = hash_fnv1a(what, sizeof(what));
    }
    return hash;
}

static void warn_of_end(const struct tls_context *c)
{
    const int64_t left_ms = c->ends_ms - env_now_ms(c->env);

    if (left_ms < 0)
        log_error(c->env, "broker", "the certificate in %s has expired: clients will refuse it", c->conf->certificate);
    else if (left_ms < SOON_MS)
        log_warn(c->env, "broker", "the certificate in %s ends in %lld days", c->conf->certificate,
                 (long long)(left_ms / 86400000));
}

enum ig_code tls_context_new(struct env *env, const struct conf_tls *conf, struct tls_context **out, struct error *err)
{
    struct tls_context *c = check_calloc(1, sizeof(*c));
    enum ig_code rc;

    c->env = env;
    c->conf = conf;
    c->seen = look_at_files(c);
    rc = make(c, &c->ssl, &c->ends_ms, err);
    if (rc) {
        free(c);
        return rc;
    }
    warn_of_end(c);
    *out = c;
    return IG_OK;
}

void tls_context_refresh(struct tls_context *c)
{
    const uint64_t seen = look_at_files(c);
    SSL_CTX *fresh;
    int64_t ends_ms = 0;
    struct error err;

    if (seen == c->seen)
        return;
    c->seen = seen; /* half of a pair may be there now: the other half changes it again */
    if (make(c, &fresh, &ends_ms, &err)) {
        log_error(c->env, "broker", "the changed certificate is not used: %s", err.msg);
        return;
    }
    SSL_CTX_free(c->ssl);
    c->ssl = fresh;
    c->ends_ms = ends_ms;
    log_info(c->env, "broker", "new connections get the changed certificate of %s", c->conf->certificate);
    warn_of_end(c);
}

int64_t tls_context_ends_ms(const struct tls_context *c)
{
    return c->ends_ms;
}

void tls_context_free(struct tls_context *c)
{
    if (!c)
        return;
    SSL_CTX_free(c->ssl);
    free(c);
}

/* --- a session
 * -------------------------------------------------------------------------------------------------------- */

struct tls {
    SSL *ssl;
    BIO *in, *out; /* the SSL's */
    struct tls_sink sink;
};

struct tls *tls_new(struct tls_context *c, const struct tls_sink *sink)
{
    struct tls *t = check_calloc(1, sizeof(*t));

    t->sink = *sink;
    t->ssl = SSL_new(c->ssl);
    t->in = BIO_new(BIO_s_mem());
    t->out = BIO_new(BIO_s_mem());
    IG_ASSERT(t->ssl && t->in && t->out);
    BIO_set_mem_eof_return(t->in, -1);
    SSL_set_bio(t->ssl, t->in, t->out);
    SSL_set_accept_state(t->ssl);
    return t;
}

void tls_free(struct tls *t)
{
    if (!t)
        return;
    SSL_free(t->ssl);
    free(t);
}

bool tls_is_ready(const struct tls *t)
{
    return SSL_is_init_finished(t->ssl) == 1;
}

static void drain(struct tls *t)
{
    const size_t n = BIO_ctrl_pending(t->out);
    char *bytes;

    if (n == 0)
        return;
    bytes = check_malloc(n);
    IG_ASSERT(BIO_read(t->out, bytes, (int)n) == (int)n);
    t->sink.encrypted(t->sink.ctx, bytes, n);
}

/* Why it was that the other side's certificate, or something else, was not taken. */
static enum ig_code broken(struct tls *t, struct error *err)
{
    const long verdict = SSL_get_verify_result(t->ssl);

    drain(t);
    if (verdict != X509_V_OK) {
        ERR_clear_error();
        return error_set(err, IG_INVALID, "TLS: the client's certificate: %s", X509_verify_cert_error_string(verdict));
    }
    return ssl_error(err, "TLS");
}

static enum ig_code take_plain(struct tls *t, struct error *err)
{
    char plain[RECORD_BYTES];

    for (;;) {
        size_t n = 0;
        int e;

        ERR_clear_error();
        if (SSL_read_ex(t->ssl, plain, sizeof(plain), &n) == 1) {
            if (!t->sink.plain(t->sink.ctx, plain, n))
                return error_set(err, IG_CANCELLED, "the connection is not wanted");
            continue;
        }
        e = SSL_get_error(t->ssl, 0);
        if (e == SSL_ERROR_ZERO_RETURN)
            return error_set(err, IG_CANCELLED, "the client says goodbye");
        if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE)
            return broken(t, err);
        drain(t);
        return IG_OK;
    }
}

enum ig_code tls_received(struct tls *t, const void *bytes, size_t n, struct error *err)
{
    const char *p = bytes;

    while (n > 0) { /* a part at a time: the memory of a BIO grows to what is put into it, and stays */
        const size_t part = n < RECORD_BYTES ? n : RECORD_BYTES;

        IG_ASSERT(BIO_write(t->in, p, (int)part) == (int)part);
        IG_TRY(take_plain(t, err));
        p += part;
        n -= part;
    }
    return IG_OK;
}

enum ig_code tls_write(struct tls *t, const void *bytes, size_t n, struct error *err)
{
    const char *p = bytes;

    while (n > 0) {
        size_t done = 0;

        ERR_clear_error();
        if (SSL_write_ex(t->ssl, p, n < TLS_CHUNK_BYTES ? n : TLS_CHUNK_BYTES, &done) != 1)
            return broken(t, err);
        p += done;
        n -= done;
        drain(t);
    }
    return IG_OK;
}

/* --- who the client is
 * ------------------------------------------------------------------------------------------------- */

bool tls_subject(const struct tls *t, struct buf *out)
{
    X509 *cert = SSL_get1_peer_certificate(t->ssl);
    BIO *text = BIO_new(BIO_s_mem());
    char *p = NULL;
    long n;

    IG_ASSERT(text);
    if (cert)
        X509_NAME_print_ex(text, X509_get_subject_name(cert), 0,
                           XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB);
    n = BIO_get_mem_data(text, &p);
    if (cert)
        buf_add(out, p, (size_t)n);
    BIO_free(text);
    X509_free(cert);
    return cert != NULL && out->n > 0;
}

/* RULE:pattern/replacement/[LU]: the parts, unescaped slashes between them. */
static bool split_rule(const char *rule, struct buf *pattern, struct buf *replacement, char *letter)
{
    struct buf *const parts[] = {pattern, replacement};
    const char *p = rule + strlen("RULE:");

    for (size_t i = 0; i < 2; i++, p++) {
        for (; *p && *p != '/'; p++) {
            if (*p == '\\' && p[1] == '/')
                p++;
            buf_putc(parts[i], *p);
        }
        if (!*p)
            return false;
    }
    *letter = *p;
    return true;
}

/* $1 to $9 are what the groups matched. */
static void replace(const char *subject, const char *replacement, const regmatch_t *groups, char letter,
                    struct buf *out)
{
    const size_t from = out->n;

    for (const char *p = replacement; *p; p++) {
        const regmatch_t *g = p[0] == '$' && p[1] >= '0' && p[1] <= '9' ? &groups[p[1] - '0'] : NULL;

        if (!g) {
            buf_putc(out, *p);
            continue;
        }
        if (g->rm_so >= 0)
            buf_add(out, subject + g->rm_so, (size_t)(g->rm_eo - g->rm_so));
        p++;
    }
    for (size_t i = from; i < out->n; i++) {
        if (letter == 'L')
            out->p[i] = (char)tolower((unsigned char)out->p[i]);
        else if (letter == 'U')
            out->p[i] = (char)toupper((unsigned char)out->p[i]);
    }
}

static bool apply_rule(const char *rule, const char *subject, struct buf *out)
{
    regmatch_t groups[10];
    struct buf pattern, replacement;
    bool fits = false;
    char letter = 0;
    regex_t re;

    buf_init(&pattern, 0);
    buf_init(&replacement, 0);
    if (split_rule(rule, &pattern, &replacement, &letter) && regcomp(&re, buf_cstr(&pattern), REG_EXTENDED) == 0) {
        fits = regexec(&re, subject, IG_COUNT(groups), groups, 0) == 0 && groups[0].rm_so == 0 &&
               subject[groups[0].rm_eo] == '\0';
        if (fits)
            replace(subject, buf_cstr(&replacement), groups, letter, out);
        regfree(&re);
    }
    buf_release(&pattern);
    buf_release(&replacement);
    return fits;
}

bool tls_principal(const struct conf_tls *conf, const char *subject, struct buf *out)
{
    for (size_t i = 0; i < conf->n_principal_rules; i++) {
        if (strcmp(conf->principal_rules[i], "DEFAULT") == 0)
            break;
        if (apply_rule(conf->principal_rules[i], subject, out))
            return true;
        if (i + 1 == conf->n_principal_rules)
            return false;
    }
    buf_puts(out, subject);
    return true;
}
