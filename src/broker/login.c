/*
 * Who is at the other end: TLS certificates, and SASL in Kafka's requests (SaslHandshake, SaslAuthenticate) or in bare
 * frames behind a handshake of version 0.
 *
 * Until it has authenticated, a connection may ask for nothing but that. A failure is answered after a pause, and the
 * connection ends with it.
 */
#include "broker/conn.h"

#include <stdlib.h>

enum { KEY_SASL_HANDSHAKE = 17, KEY_API_VERSIONS = 18, KEY_SASL_AUTHENTICATE = 36 };

static bool has_sasl(const struct listener *l)
{
    return l->conf->protocol == CONF_SASL_PLAINTEXT || l->conf->protocol == CONF_SASL_SSL;
}

enum conn_state conn_first_state(const struct listener *l)
{
    return l->tls ? CONN_TLS : has_sasl(l) ? CONN_HANDSHAKE : CONN_READY;
}

void conn_login_release(struct conn *c)
{
    if (c->sasl)
        sasl_release(c->sasl);
    free(c->sasl);
    free(c->principal);
}

bool conn_shook_hands(struct conn *c)
{
    struct buf subject, principal;
    bool ok = true;

    c->state = has_sasl(c->listener) ? CONN_HANDSHAKE : CONN_READY;
    if (c->state != CONN_READY)
        return true;
    buf_init(&subject, 0);
    buf_init(&principal, 0);
    if (tls_subject(c->tls, &subject)) {
        buf_puts(&principal, "User:");
        ok = tls_principal(&c->listener->conf->tls, buf_cstr(&subject), &principal);
        if (!ok)
            conn_warn(c, "closed: no rule makes a principal of %s", buf_cstr(&subject));
        c->principal = buf_take(&principal);
    }
    buf_release(&subject);
    buf_release(&principal);
    return ok;
}

bool conn_may_ask(struct conn *c, int16_t key)
{
    const bool login = key == KEY_SASL_HANDSHAKE || key == KEY_API_VERSIONS || key == KEY_SASL_AUTHENTICATE;

    if (c->state == CONN_READY && (c->session_until_ms == 0 || login))
        return true;
    if (c->state == CONN_READY || c->again) {
        if (login || env_monotonic_ms(c->b->env) < c->session_until_ms)
            return true;
        conn_warn(c, "closed: the session of %s is over, and it did not authenticate again", c->principal);
        return false;
    }
    if (!login)
        conn_warn(c, "closed: request %d before it has authenticated", key);
    return login;
}

/* --- the outcome -------------------------------------------------------------------------------------------------- */

/* The user is proven. False, with a sentence: it is not the one that it was. */
static bool let_in(struct conn *c, struct error *err)
{
    const int64_t session_ms = c->b->options.reauthentication_ms;
    struct buf principal;

    buf_init(&principal, 0);
    buf_puts(&principal, "User:");
    buf_add_str(&principal, buf_str(&c->sasl->user));
    if (c->principal && strcmp(c->principal, buf_cstr(&principal)) != 0) {
        error_set(err, IG_INVALID, "Cannot change principals during re-authentication from %s: %s", c->principal,
                  buf_cstr(&principal));
        buf_release(&principal);
        return false;
    }
    free(c->principal);
    c->principal = buf_take(&principal);
    c->session_until_ms = session_ms > 0 ? env_monotonic_ms(c->b->env) + session_ms : 0;
    c->state = CONN_READY;
    c->again = false;
    return true;
}

/* One message of SASL. IG_INVALID: refused, and `err` may be shown. */
static enum ig_code step(struct conn *c, struct str message, struct buf *out, struct error *err)
{
    const enum ig_code rc = sasl_step(c->sasl, message, out, err);

    if (rc)
        return rc;
    if (c->sasl->done && !let_in(c, err))
        return IG_INVALID;
    return IG_OK;
}

struct refusal {
    struct request *r;
    struct wire_sasl_authenticate_response *response;
};

static void refuse_now(void *arg)
{
    struct refusal *f = arg;
    struct conn *c = f->r->conn;

    c->timer = NULL;
    f->r->gone = NULL;
    request_answer(f->r, f->response);
    conn_end(c);
}

/* The client is gone, or we are: it makes no difference any more. */
static void refusal_gone(struct request *r)
{
    if (r->conn)
        conn_stop_timer(r->conn);
    request_drop(r);
}

/* After a pause: guessing is to take its time. */
static void refuse(struct request *r, struct wire_sasl_authenticate_response *response, const struct error *err)
{
    struct refusal *f = ARENA_NEW(&r->arena, struct refusal);
    struct conn *c = r->conn;

    conn_warn(c, "it is not let in: %s", err->msg);
    *f = (struct refusal){r, response};
    response->error_code = KAFKA_SASL_AUTHENTICATION_FAILED;
    response->error_message = str_of(arena_strdup(&r->arena, err->msg));
    r->gone = refusal_gone;
    conn_stop_timer(c);
    c->muted = true;
    if (c->b->loop->ops->timer(c->b->loop, c->b->options.authentication_delay_ms, refuse_now, f, &c->timer))
        refuse_now(f);
}

static void close_now(void *arg)
{
    struct conn *c = arg;

    c->timer = NULL;
    c->io->loop->ops->close(c->io);
}

bool conn_raw_sasl(struct conn *c, struct str message)
{
    struct error err;
    struct buf out;
    size_t n;

    buf_init(&out, 0);
    wire_put_int(&out, 0, 4);
    if (step(c, message, &out, &err)) { /* there is no word for "no" here: the end of the connection says it */
        conn_warn(c, "it is not let in: %s", err.msg);
        buf_release(&out);
        conn_stop_timer(c);
        c->state = CONN_ENDING;
        return c->b->loop->ops->timer(c->b->loop, c->b->options.authentication_delay_ms, close_now, c, &c->timer) ==
               IG_OK;
    }
    n = out.n;
    wire_store(out.p, (int64_t)n - 4, 4);
    conn_io_send(c, buf_take(&out), n);
    return true;
}

/* --- the requests ----------------------------------------------------------------------------------------------------
 */

static bool is_offered(const struct listener *l, const char *mechanism)
{
    for (size_t i = 0; i < l->conf->n_mechanisms; i++) {
        if (strcmp(l->conf->mechanisms[i], mechanism) == 0)
            return true;
    }
    return l->conf->n_mechanisms == 0;
}

static void list_mechanisms(struct request *r, struct wire_sasl_handshake_response *response)
{
    response->mechanisms.p = ARENA_ARRAY(&r->arena, struct str, SASL_MECHANISMS);
    for (size_t i = 0; i < SASL_MECHANISMS; i++) {
        if (is_offered(r->conn->listener, sasl_names[i]))
            response->mechanisms.p[response->mechanisms.n++] = str_of(sasl_names[i]);
    }
}

static void begin(struct conn *c, enum sasl_mechanism mechanism, int16_t version)
{
    uint8_t random[SCRAM_NONCE_BYTES];

    c->again = c->state == CONN_READY;
    if (c->sasl)
        sasl_release(c->sasl);
    else
        c->sasl = check_calloc(1, sizeof(*c->sasl));
    env_random(c->b->env, random, sizeof(random));
    sasl_init(c->sasl, mechanism, &c->b->security->users, random);
    c->state = version == 0 ? CONN_SASL_RAW : CONN_SASL;
}

void api_sasl_handshake(struct request *r)
{
    const struct wire_sasl_handshake_request *in = r->body;
    struct wire_sasl_handshake_response *response = RESPONSE_NEW(r, sasl_handshake_response);
    struct conn *c = r->conn;
    const bool again = c->state == CONN_READY && c->session_until_ms > 0 && r->version > 0;
    enum sasl_mechanism mechanism;

    if (!has_sasl(c->listener) || (c->state != CONN_HANDSHAKE && !again)) {
        response->error_code = KAFKA_ILLEGAL_SASL_STATE;
        request_answer(r, response);
        return;
    }
    list_mechanisms(r, response);
    if (!sasl_mechanism_named(in->mechanism, &mechanism) || !is_offered(c->listener, sasl_names[mechanism])) {
        conn_warn(c, "it wants a SASL mechanism that is not offered");
        response->error_code = KAFKA_UNSUPPORTED_SASL_MECHANISM;
        request_answer(r, response);
        conn_end(c);
        return;
    }
    begin(c, mechanism, r->version);
    request_answer(r, response);
}

void api_sasl_authenticate(struct request *r)
{
    const struct wire_sasl_authenticate_request *in = r->body;
    struct wire_sasl_authenticate_response *response = RESPONSE_NEW(r, sasl_authenticate_response);
    struct conn *c = r->conn;
    struct error err;
    struct buf out;

    if (c->state != CONN_SASL) {
        response->error_code = KAFKA_ILLEGAL_SASL_STATE;
        response->error_message = c->state == CONN_READY
                                      ? STR("SaslAuthenticate request received after successful authentication")
                                      : STR("SaslAuthenticate request received before SaslHandshake");
        request_answer(r, response);
        return;
    }
    buf_init(&out, 0);
    if (step(c, in->auth_bytes, &out, &err)) {
        refuse(r, response, &err);
    } else {
        response->auth_bytes = arena_str(&r->arena, buf_str(&out));
        response->session_lifetime_ms =
            c->state == CONN_READY && c->session_until_ms > 0 ? c->b->options.reauthentication_ms : 0;
        request_answer(r, response);
    }
    buf_release(&out);
}

/* --- what requests may do
 * ------------------------------------------------------------------------------------------------ */

static struct acl_subject subject_of(const struct request *r)
{
    const char *principal = r->conn->principal;

    return (struct acl_subject){principal ? str_of(principal) : STR(ANONYMOUS), str_of(r->conn->address)};
}

bool request_may(const struct request *r, enum acl_operation operation, enum acl_resource type, struct str name)
{
    if (!r->conn)
        return false; /* nobody is there who could */
    const struct acl_subject who = subject_of(r);

    return security_may(r->b->security, &who, operation, type, name);
}

bool request_may_any(const struct request *r, enum acl_operation operation, enum acl_resource type)
{
    if (!r->conn)
        return false;
    const struct acl_subject who = subject_of(r);

    return security_may_any(r->b->security, &who, operation, type);
}

bool request_may_cluster(const struct request *r, enum acl_operation operation)
{
    return request_may(r, operation, ACL_CLUSTER, STR(ACL_CLUSTER_NAME));
}

int32_t request_operations(const struct request *r, enum acl_resource type, struct str name)
{
    const uint32_t known = acl_operations_of(type);
    uint32_t may = 0;

    for (int op = ACL_READ; op < ACL_OPERATIONS; op++) {
        if (known & 1u << op && request_may(r, (enum acl_operation)op, type, name))
            may |= 1u << op;
    }
    return (int32_t)may;
}

struct str request_user(const struct request *r)
{
    const char *principal = r->conn && r->conn->principal ? r->conn->principal : ANONYMOUS;

    return str_of(principal + strlen("User:"));
}
