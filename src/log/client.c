/*
 * Where the log is and how to get in: the URL, librdkafka's configuration, its log lines and its errors in our terms.
 */
#include "log/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

/* --- errors ------------------------------------------------------------------------------------------- */

#define E(name) RD_KAFKA_RESP_ERR_##name

static const struct code_of {
    rd_kafka_resp_err_t error;
    enum ig_code code;
} CODES[] = {
    {E(NO_ERROR), IG_OK},
    {E(_TRANSPORT), IG_UNAVAILABLE},
    {E(_RESOLVE), IG_UNAVAILABLE},
    {E(_ALL_BROKERS_DOWN), IG_UNAVAILABLE},
    {E(_TIMED_OUT), IG_UNAVAILABLE},
    {E(_TIMED_OUT_QUEUE), IG_UNAVAILABLE},
    {E(_MSG_TIMED_OUT), IG_UNAVAILABLE},
    {E(_QUEUE_FULL), IG_UNAVAILABLE},
    {E(_WAIT_COORD), IG_UNAVAILABLE},
    {E(_WAIT_CACHE), IG_UNAVAILABLE},
    {E(_IN_PROGRESS), IG_UNAVAILABLE},
    {E(_NODE_UPDATE), IG_UNAVAILABLE},
    {E(_SSL), IG_UNAVAILABLE},
    {E(LEADER_NOT_AVAILABLE), IG_UNAVAILABLE},
    {E(NOT_LEADER_FOR_PARTITION), IG_UNAVAILABLE},
    {E(REQUEST_TIMED_OUT), IG_UNAVAILABLE},
    {E(BROKER_NOT_AVAILABLE), IG_UNAVAILABLE},
    {E(REPLICA_NOT_AVAILABLE), IG_UNAVAILABLE},
    {E(NETWORK_EXCEPTION), IG_UNAVAILABLE},
    {E(COORDINATOR_LOAD_IN_PROGRESS), IG_UNAVAILABLE},
    {E(COORDINATOR_NOT_AVAILABLE), IG_UNAVAILABLE},
    {E(NOT_COORDINATOR), IG_UNAVAILABLE},
    {E(NOT_CONTROLLER), IG_UNAVAILABLE},
    {E(NOT_ENOUGH_REPLICAS), IG_UNAVAILABLE},
    {E(KAFKA_STORAGE_ERROR), IG_UNAVAILABLE},
    {E(NOT_ENOUGH_REPLICAS_AFTER_APPEND), IG_UNKNOWN_OUTCOME},
    {E(MSG_SIZE_TOO_LARGE), IG_LIMIT},
    {E(RECORD_LIST_TOO_LARGE), IG_LIMIT},
    {E(OFFSET_METADATA_TOO_LARGE), IG_LIMIT},
    {E(UNKNOWN_TOPIC_OR_PART), IG_NOT_FOUND},
    {E(_UNKNOWN_TOPIC), IG_NOT_FOUND},
    {E(_UNKNOWN_PARTITION), IG_NOT_FOUND},
    {E(OFFSET_OUT_OF_RANGE), IG_NOT_FOUND},
    {E(TOPIC_ALREADY_EXISTS), IG_EXISTS},
    {E(ILLEGAL_GENERATION), IG_CONFLICT},
    {E(UNKNOWN_MEMBER_ID), IG_CONFLICT},
    {E(REBALANCE_IN_PROGRESS), IG_CONFLICT},
    {E(FENCED_INSTANCE_ID), IG_CONFLICT},
    {E(_ASSIGNMENT_LOST), IG_CONFLICT},
    {E(_FENCED), IG_CONFLICT},
    {E(_STATE), IG_CONFLICT},
    {E(_AUTHENTICATION), IG_INVALID},
    {E(SASL_AUTHENTICATION_FAILED), IG_INVALID},
    {E(UNSUPPORTED_SASL_MECHANISM), IG_INVALID},
    {E(TOPIC_AUTHORIZATION_FAILED), IG_INVALID},
    {E(GROUP_AUTHORIZATION_FAILED), IG_INVALID},
    {E(CLUSTER_AUTHORIZATION_FAILED), IG_INVALID},
    {E(TOPIC_EXCEPTION), IG_INVALID},
    {E(INVALID_CONFIG), IG_INVALID},
    {E(INVALID_PARTITIONS), IG_INVALID},
    {E(INVALID_REPLICATION_FACTOR), IG_INVALID},
    {E(INVALID_RECORD), IG_INVALID},
    {E(_INVALID_ARG), IG_INVALID},
    {E(_BAD_MSG), IG_CORRUPT},
    {E(_BAD_COMPRESSION), IG_CORRUPT},
    {E(INVALID_MSG), IG_CORRUPT},
    {E(UNSUPPORTED_VERSION), IG_UNSUPPORTED},
    {E(_UNSUPPORTED_FEATURE), IG_UNSUPPORTED},
    {E(_DESTROY), IG_CANCELLED},
    {E(_PURGE_QUEUE), IG_CANCELLED},
    {E(_PURGE_INFLIGHT), IG_UNKNOWN_OUTCOME},
};
#undef E

enum ig_code log_code(rd_kafka_resp_err_t e)
{
    for (size_t i = 0; i < IG_COUNT(CODES); i++)
        if (CODES[i].error == e)
            return CODES[i].code;
    return IG_IO;
}

enum ig_code log_fail(struct error *err, rd_kafka_resp_err_t e, const char *fmt, ...)
{
    char what[512];
    va_list args;

    va_start(args, fmt);
    vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    return error_set(err, log_code(e), "%s: %s", what, rd_kafka_err2str(e));
}

/* --- librdkafka's log lines ---------------------------------------------------------------------------------- */

static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    const struct log_handle *h = rd_kafka_opaque(rk);
    const bool our_end = strstr(text, "Broker handle destroyed") != NULL; /* a login that we broke off ourselves */
    const enum env_log_level to = our_end                ? ENV_LOG_DEBUG
                                  : level <= LOG_CRIT    ? ENV_LOG_ERROR
                                  : level <= LOG_WARNING ? ENV_LOG_WARN
                                                         : ENV_LOG_DEBUG;

    if (h)
        env_log(h->env, to, "log", "%s: %s", facility, text);
}

/* Errors of the connection come as log lines, too; without a callback librdkafka would print them. */
static void on_error(rd_kafka_t *rk, int e, const char *reason, void *opaque)
{
    struct log_handle *h = opaque;

    (void)rk;
    (void)reason;
    if (e == RD_KAFKA_RESP_ERR__AUTHENTICATION && h)
        h->refused = e;
}

/* --- the URL ------------------------------------------------------------------------------------------------- */

/* Our promises stand on these. */
static const char *const OURS[] = {
    "bootstrap.servers",        "metadata.broker.list", "acks",          "request.required.acks",
    "enable.idempotence",       "enable.auto.commit",   "group.id",      "enable.auto.offset.store",
    "enable.partition.eof",     "auto.offset.reset",    "opaque",        "max.in.flight.requests.per.connection",
    "enable.gapless.guarantee", "partitioner",          "max.in.flight",
};

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* A copy of s with each %XX resolved; NULL if one is broken or makes a NUL. */
static char *percent_decode(struct str s)
{
    char *out = check_malloc(s.n + 1);
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (c == '%') {
            const int high = i + 2 < s.n ? hex_digit(s.p[i + 1]) : -1;
            const int low = i + 2 < s.n ? hex_digit(s.p[i + 2]) : -1;

            if (high < 0 || low < 0 || high + low == 0) {
                free(out);
                return NULL;
            }
            c = (char)(high * 16 + low);
            i += 2;
        }
        out[n++] = c;
    }
    out[n] = '\0';
    return out;
}

/* Properties of Java's clients, and what is said here in their place. */
static const struct log_setting JAVAS[] = {
    {"sasl.jaas.config", "sasl.username and sasl.password"},
    {"ssl.truststore.location", "ssl.ca.location"},
    {"ssl.truststore.certificates", "ssl.ca.pem"},
    {"ssl.truststore.password", "ssl.ca.location (a PEM file, without a password)"},
    {"ssl.truststore.type", "ssl.ca.location (a PEM file)"},
};

static const char *not_java(const char *name)
{
    for (size_t i = 0; i < IG_COUNT(JAVAS); i++) {
        if (strcmp(JAVAS[i].name, name) == 0)
            return JAVAS[i].value;
    }
    return NULL;
}

/* Names the nearest property that there is. */
static enum ig_code unknown_property(rd_kafka_conf_t *conf, const char *name, struct error *err)
{
    size_t n = 0, best = 5;
    const char **dump = rd_kafka_conf_dump(conf, &n);
    char near[64] = "";

    for (size_t i = 0; i + 1 < n; i += 2) {
        const size_t distance = str_distance(str_of(name), str_of(dump[i]));

        if (distance < best) {
            best = distance;
            snprintf(near, sizeof(near), "%s", dump[i]);
        }
    }
    rd_kafka_conf_dump_free(dump, n);
    if (not_java(name))
        snprintf(near, sizeof(near), "%s", not_java(name));
    return error_set(err, IG_INVALID, "kafka URL: property %s: librdkafka does not know it%s%s%s", name,
                     near[0] ? "; did you mean " : "", near, near[0] ? "?" : "");
}

static enum ig_code add_property(struct log_client *c, rd_kafka_conf_t *scratch, struct str name, struct str value,
                                 struct error *err)
{
    struct log_property p = {percent_decode(name), percent_decode(value)};
    enum ig_code rc = IG_OK;
    char ignored[512];

    if (!p.name || !p.value)
        rc = error_set(err, IG_INVALID, "kafka URL: property " STR_FMT ": a %% must be followed by two hex digits",
                       STR_ARG(name));
    for (size_t i = 0; rc == IG_OK && i < IG_COUNT(OURS); i++)
        if (str_is(str_of(p.name), OURS[i]))
            rc = error_set(err, IG_INVALID, "kafka URL: property %s is set by ingot and can not be changed", p.name);
    /* The text that librdkafka would give may hold the value, which may be a password. */
    if (rc == IG_OK) {
        const rd_kafka_conf_res_t res = rd_kafka_conf_set(scratch, p.name, p.value, ignored, sizeof(ignored));

        if (res == RD_KAFKA_CONF_UNKNOWN || (res != RD_KAFKA_CONF_OK && not_java(p.name)))
            rc = unknown_property(scratch, p.name, err);
        else if (res != RD_KAFKA_CONF_OK)
            rc = error_set(err, IG_INVALID, "kafka URL: property %s: librdkafka does not take this value", p.name);
    }
    if (rc == IG_OK) {
        vec_push(&c->properties, p);
    } else {
        free(p.name);
        free(p.value);
    }
    return rc;
}

static enum ig_code add_properties(struct log_client *c, struct str query, struct error *err)
{
    rd_kafka_conf_t *scratch = rd_kafka_conf_new();
    enum ig_code rc = IG_OK;

    while (query.n > 0 && rc == IG_OK) {
        const char *end = memchr(query.p, '&', query.n);
        const size_t n = end ? (size_t)(end - query.p) : query.n;
        const char *eq = memchr(query.p, '=', n);

        if (!eq) {
            rc = error_set(err, IG_INVALID, "kafka URL: behind '?' comes property=value&property=value...");
        } else {
            const size_t n_name = (size_t)(eq - query.p);

            rc = add_property(c, scratch, (struct str){query.p, n_name}, (struct str){eq + 1, n - n_name - 1}, err);
        }
        query.p += end ? n + 1 : n;
        query.n -= end ? n + 1 : n;
    }
    rd_kafka_conf_destroy(scratch);
    return rc;
}

static bool servers_ok(struct str s)
{
    if (s.n == 0)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        const char c = s.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr(".-_:,[]", c)))
            return false;
    }
    return true;
}

enum ig_code log_client_new(struct env *env, const char *url, struct log_client **out, struct error *err)
{
    struct str servers, query = {0};
    struct log_client *c;
    const char *mark;
    enum ig_code rc;

    *out = NULL;
    if (strncmp(url, "kafka://", 8) != 0)
        return error_set(err, IG_INVALID, "a log's URL begins with kafka://");
    servers = str_of(url + 8);
    mark = strchr(servers.p, '?');
    if (mark) {
        const size_t n = (size_t)(mark - servers.p);

        query = (struct str){mark + 1, servers.n - n - 1};
        servers.n = n;
    }
    if (servers.n > 0 && servers.p[servers.n - 1] == '/')
        servers.n--;
    if (!servers_ok(servers))
        return error_set(err, IG_INVALID,
                         "kafka URL: want kafka://HOST:PORT[,HOST:PORT...][?property=value&...]; a user and password "
                         "go in as properties sasl.username and sasl.password");
    c = check_calloc(1, sizeof(*c));
    c->env = env;
    c->patience_ms = LOG_CALL_MS;
    c->bootstrap = check_calloc(1, servers.n + 1);
    memcpy(c->bootstrap, servers.p, servers.n);
    pthread_mutex_init(&c->lock, NULL);
    rc = add_properties(c, query, err);
    if (rc != IG_OK) {
        log_client_free(c);
        return rc;
    }
    *out = c;
    return IG_OK;
}

/* Handles of both kinds are made, without a server to connect to. */
static enum ig_code try_handles(struct log_client *c, struct error *err)
{
    static const rd_kafka_type_t types[] = {RD_KAFKA_PRODUCER, RD_KAFKA_CONSUMER};
    enum ig_code rc = IG_OK;
    char text[512];

    for (size_t i = 0; rc == IG_OK && i < IG_COUNT(types); i++) {
        struct log_handle h = {.env = c->env};
        rd_kafka_conf_t *conf = rd_kafka_conf_new();

        rd_kafka_conf_set_log_cb(conf, on_log);
        rd_kafka_conf_set_error_cb(conf, on_error);
        for (size_t k = 0; k < c->properties.n; k++)
            (void)rd_kafka_conf_set(conf, c->properties.p[k].name, c->properties.p[k].value, text, sizeof(text));
        rc = log_handle_new(&h, c->env, types[i], conf, err);
        log_handle_free(&h);
    }
    return rc;
}

enum ig_code log_url_check(struct env *env, const char *url, struct error *err)
{
    struct log_client *c;
    enum ig_code rc;

    IG_TRY(log_client_new(env, url, &c, err));
    rc = try_handles(c, err);
    log_client_free(c);
    return rc;
}

void log_client_free(struct log_client *c)
{
    if (!c)
        return;
    log_handle_free(&c->admin);
    log_handle_free(&c->offsets);
    free(c->offsets_group);
    for (size_t i = 0; i < c->properties.n; i++) {
        free(c->properties.p[i].name);
        free(c->properties.p[i].value);
    }
    vec_free(&c->properties);
    pthread_mutex_destroy(&c->lock);
    free(c->bootstrap);
    free(c);
}

void log_client_set_patience(struct log_client *c, int64_t ms)
{
    c->patience_ms = ms;
}

const char *log_client_bootstrap(const struct log_client *c)
{
    return c->bootstrap;
}

/* --- configurations and handles ------------------------------------------------------------------------------ */

/* A property of ours: that librdkafka takes it is our own business, not the user's. */
static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char text[512];
    const rd_kafka_conf_res_t res = rd_kafka_conf_set(conf, name, value, text, sizeof(text));

    IG_ASSERT(res == RD_KAFKA_CONF_OK);
}

enum ig_code log_conf_new(struct log_client *c, const struct log_setting *settings, size_t n, rd_kafka_conf_t **out,
                          struct error *err)
{
    static const struct log_setting ALWAYS[] = {
        {"client.id", "ingot"},
        {"message.max.bytes", LOG_MESSAGE_MAX_BYTES},
        {"log.connection.close", "false"},
        {"reconnect.backoff.ms", "50"},
        {"reconnect.backoff.max.ms", "2000"},
        {"topic.metadata.refresh.fast.interval.ms", "50"},
        {"socket.keepalive.enable", "true"},
        {"socket.nagle.disable", "true"},
    };
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char text[512];

    set(conf, "bootstrap.servers", c->bootstrap);
    for (size_t i = 0; i < IG_COUNT(ALWAYS); i++)
        set(conf, ALWAYS[i].name, ALWAYS[i].value);
    for (size_t i = 0; i < n; i++)
        set(conf, settings[i].name, settings[i].value);
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set_error_cb(conf, on_error);
    for (size_t i = 0; i < c->properties.n; i++) {
        const struct log_property *p = &c->properties.p[i];

        if (rd_kafka_conf_set(conf, p->name, p->value, text, sizeof(text)) != RD_KAFKA_CONF_OK) {
            rd_kafka_conf_destroy(conf);
            return error_set(err, IG_INVALID, "kafka URL: librdkafka refuses property %s", p->name);
        }
    }
    *out = conf;
    return IG_OK;
}

enum ig_code log_handle_new(struct log_handle *h, struct env *env, rd_kafka_type_t type, rd_kafka_conf_t *conf,
                            struct error *err)
{
    char text[512];

    h->env = env;
    rd_kafka_conf_set_opaque(conf, h);
    h->rk = rd_kafka_new(type, conf, text, sizeof(text));
    if (!h->rk) {
        rd_kafka_conf_destroy(conf);
        return error_set(err, IG_INVALID, "kafka client: %s", text);
    }
    return IG_OK;
}

void log_handle_free(struct log_handle *h)
{
    if (h->rk)
        rd_kafka_destroy(h->rk);
    h->rk = NULL;
}
