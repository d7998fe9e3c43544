/* Where clients come in: addresses, certificates, and how many may come. */
#include "broker/conn.h"

#include <stdlib.h>

static bool is_any(const char *host)
{
    return !*host || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

static enum ig_code listener_open(struct broker *b, const struct conf_listener *conf, struct error *err)
{
    struct listener *l = check_calloc(1, sizeof(*l));
    struct env_server server = broker_server;

    l->b = b;
    l->conf = conf;
    vec_push(&b->listeners, l);
    if (conf->protocol == CONF_SSL || conf->protocol == CONF_SASL_SSL)
        IG_TRY(tls_context_new(b->env, &conf->tls, &l->tls, err));
    server.ctx = l;
    IG_TRY(b->loop->ops->listen(b->loop, conf->host, conf->port, &server, &l->io, &l->port, err));
    l->tokens_at_us = env_monotonic_us(b->env);
    l->tokens = conf->connections_per_second;
    return IG_OK;
}

enum ig_code listeners_open(struct broker *b, struct error *err)
{
    const struct conf_broker *conf = b->options.conf;

    if (!conf || conf->n_listeners == 0) {
        b->own_listener = (struct conf_listener){.name = "plain", .host = b->options.host, .port = b->options.port};
        return listener_open(b, &b->own_listener, err);
    }
    for (size_t i = 0; i < conf->n_listeners; i++) {
        enum ig_code rc = listener_open(b, &conf->listeners[i], err);

        if (rc)
            return error_context(err, rc, "listener %s", conf->listeners[i].name);
    }
    return IG_OK;
}

void listeners_close(struct broker *b)
{
    for (size_t i = 0; i < b->listeners.n; i++) {
        struct listener *l = b->listeners.p[i];

        if (l->io)
            b->loop->ops->unlisten(b->loop, l->io);
        l->io = NULL;
    }
}

void listeners_free(struct broker *b)
{
    for (size_t i = 0; i < b->listeners.n; i++) {
        tls_context_free(b->listeners.p[i]->tls);
        free(b->listeners.p[i]);
    }
    vec_free(&b->listeners);
}

void listeners_refresh(struct broker *b)
{
    for (size_t i = 0; i < b->listeners.n; i++) {
        if (b->listeners.p[i]->tls)
            tls_context_refresh(b->listeners.p[i]->tls);
    }
}

/* A bucket that holds a second's worth. */
static bool is_too_fast(struct listener *l)
{
    const double rate = l->conf->connections_per_second, full = rate > 1 ? rate : 1;
    const int64_t now_us = env_monotonic_us(l->b->env);

    if (rate <= 0)
        return false;
    l->tokens += rate * (double)(now_us - l->tokens_at_us) / 1e6;
    l->tokens_at_us = now_us;
    if (l->tokens > full)
        l->tokens = full;
    if (l->tokens < 1)
        return true;
    l->tokens -= 1;
    return false;
}

static int32_t count_from(const struct broker *b, const char *address)
{
    int32_t n = 0;

    for (const struct conn *c = b->conns; c; c = c->next)
        n += strcmp(c->address, address) == 0;
    return n;
}

const char *listener_refuses(struct listener *l, const char *address)
{
    struct broker *b = l->b;

    if (b->n_conns >= (size_t)b->options.connections)
        return "there are too many connections";
    if (l->conf->max_connections > 0 && l->n_conns >= (size_t)l->conf->max_connections)
        return "the listener has too many connections";
    if (b->options.connections_per_address > 0 && count_from(b, address) >= b->options.connections_per_address)
        return "there are too many connections from its address";
    if (is_too_fast(l))
        return "too many connections come at once";
    if (quotas_charge_address(b->security->quotas, str_of(address), env_monotonic_us(b->env)) > 0)
        return "its address makes connections faster than its quota";
    return NULL;
}

/* --- what clients are told ------------------------------------------------------------------------------------- */

static const struct listener *listener_of(const struct request *r)
{
    return r->conn ? r->conn->listener : r->b->listeners.p[0];
}

static struct str advertised_host(const struct request *r)
{
    const struct conf_listener *conf = listener_of(r)->conf;

    if (conf->advertised_host)
        return str_of(conf->advertised_host);
    if (!is_any(conf->host))
        return str_of(conf->host);
    return r->conn && r->conn->local_host[0] ? str_of(r->conn->local_host) : STR("127.0.0.1");
}

void request_address(const struct request *r, struct str *host, int32_t *port)
{
    const struct listener *l = listener_of(r);

    *host = advertised_host(r);
    *port = l->conf->advertised_port ? l->conf->advertised_port : l->port;
}

/* --- configuration -------------------------------------------------------------------------------------------------
 */

void broker_options_from(struct broker_options *o, const struct conf_broker *conf)
{
    o->conf = conf;
    o->default_partitions = conf->default_partitions;
    o->max_request_bytes = conf->limits.request_bytes;
    o->max_message_bytes = conf->limits.message_bytes;
    o->memory_bytes = conf->limits.memory_bytes;
    o->queued_bytes = conf->limits.queued_bytes;
    o->group_min_session_ms = conf->limits.group_min_session_ms;
    o->group_max_session_ms = conf->limits.group_max_session_ms;
    o->group_initial_delay_ms = conf->limits.group_initial_delay_ms;
    o->offsets_retention_ms = conf->limits.offsets_retention_ms;
    o->connections = conf->limits.connections;
    o->connections_per_address = conf->limits.connections_per_address;
    o->idle_ms = conf->limits.idle_ms;
    o->authentication_ms = conf->limits.authentication_ms;
    o->authentication_delay_ms = conf->limits.authentication_delay_ms;
    o->reauthentication_ms = conf->limits.reauthentication_ms;
    o->fsync = conf->fsync == CONF_FSYNC_OS         ? BROKER_FSYNC_OS
               : conf->fsync == CONF_FSYNC_INTERVAL ? BROKER_FSYNC_INTERVAL
                                                    : BROKER_FSYNC_GROUP;
    o->fsync_interval_ms = conf->fsync_interval_ms;
}

static enum ig_code check_verifier(const struct conf_user *u, enum scram_hash hash, const char *text, struct error *err)
{
    struct scram_verifier v;

    if (text && !scram_parse(hash, str_of(text), &v))
        return error_set(
            err, IG_INVALID,
            "users: %s: this is no verifier of %s: salt=...,stored_key=...,server_key=...,iterations=4096, "
            "all in base64 but the last",
            u->name, scram_name(hash));
    return IG_OK;
}

enum ig_code broker_check(struct env *env, const struct conf_broker *conf, struct error *err)
{
    for (size_t i = 0; i < conf->n_listeners; i++) {
        const struct conf_listener *l = &conf->listeners[i];
        struct tls_context *tls;

        if (l->protocol != CONF_SSL && l->protocol != CONF_SASL_SSL)
            continue;
        if (tls_context_new(env, &l->tls, &tls, err))
            return error_context(err, IG_INVALID, "listener %s", l->name);
        const int64_t ends_ms = tls_context_ends_ms(tls);

        tls_context_free(tls);
        if (ends_ms < env_now_ms(env))
            return error_set(err, IG_INVALID, "listener %s: the certificate in %s has expired", l->name,
                             l->tls.certificate);
    }
    for (size_t i = 0; i < conf->n_users; i++) {
        IG_TRY(check_verifier(&conf->users[i], SCRAM_SHA_256, conf->users[i].scram_sha_256, err));
        IG_TRY(check_verifier(&conf->users[i], SCRAM_SHA_512, conf->users[i].scram_sha_512, err));
    }
    return IG_OK;
}
