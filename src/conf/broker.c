/*
 * Section `broker:` of ingot.yml, or a file that holds nothing else: listeners, users, access rules, quotas, limits.
 */
#include "conf/keys.h"

#include "conf/problems.h"

#include <ctype.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>

#define SECRET_MAX ((size_t)64 << 10)
#define DAY_MS INT64_C(86400000)
#define GB (INT64_C(1) << 30)

const char *const conf_protocols[] = {"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL", NULL};
const char *const conf_client_auths[] = {"none", "requested", "required", NULL};
const char *const conf_tls_versions[] = {"TLSv1.2", "TLSv1.3", NULL};
const char *const conf_fsyncs[] = {"group", "interval", "os", NULL};
/* As the protocol numbers them, from 2 on; resources in the same way. */
const char *const conf_operations[] = {
    "All",      "Read",          "Write",           "Create",       "Delete",          "Alter",
    "Describe", "ClusterAction", "DescribeConfigs", "AlterConfigs", "IdempotentWrite", NULL};
const char *const conf_resources[] = {"topic", "group", "cluster", "transactional_id", NULL};
static const char *const mechanisms[] = {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", NULL};

#define FIRST_NUMBER 2
enum { RESOURCE_CLUSTER = 2 }; /* in conf_resources */

#define AT(type, member) offsetof(struct conf_##type, member)
#define TEXT(type, name_, member) {.name = name_, .kind = KEY_TEXT, .at = AT(type, member)}
#define WORD(type, name_, member, list, fallback) \
    {.name = name_, .kind = KEY_WORD, .at = AT(type, member), .words = list, .default_text = fallback}
#define NUMBER(type, name_, member, low, high, fallback) \
    {.name = name_, .kind = KEY_INT32, .at = AT(type, member), .min = low, .max = high, .default_text = fallback}
#define TIME(type, name_, member, low, high, fallback) \
    {.name = name_, .kind = KEY_DURATION, .at = AT(type, member), .min = low, .max = high, .default_text = fallback}
#define SIZE(type, name_, member, low, high, fallback) \
    {.name = name_, .kind = KEY_BYTES, .at = AT(type, member), .min = low, .max = high, .default_text = fallback}

static const struct key broker_keys[] = {
    {.name = "data"},
    {.name = "listeners"},
    {.name = "tls"},
    {.name = "users"},
    {.name = "super_users", .kind = KEY_TEXTS, .at = AT(broker, super_users), .at_n = AT(broker, n_super_users)},
    {.name = "acls"},
    {.name = "allow_everyone_if_no_acl_found", .kind = KEY_BOOL, .at = AT(broker, allow_without_acl)},
    {.name = "quotas"},
    {.name = "limits"},
    WORD(broker, "fsync", fsync, conf_fsyncs, "group"),
    TIME(broker, "fsync_interval", fsync_interval_ms, 1, DAY_MS, "1s"),
    NUMBER(broker, "partitions", default_partitions, 0, 10000, NULL),
};
const struct key_table conf_broker_table = {broker_keys, IG_COUNT(broker_keys)};

static const struct key listener_keys[] = {
    {.name = "address"},
    {.name = "advertised"},
    TEXT(listener, "name", name),
    WORD(listener, "protocol", protocol, conf_protocols, "PLAINTEXT"),
    {.name = "mechanisms", .kind = KEY_TEXTS, .at = AT(listener, mechanisms), .at_n = AT(listener, n_mechanisms)},
    {.name = "tls"},
    NUMBER(listener, "connections", max_connections, 0, 1000000, "0"),
    {.name = "connection_rate", .kind = KEY_RATE, .at = AT(listener, connections_per_second), .default_text = "max"},
};
const struct key_table conf_listener_table = {listener_keys, IG_COUNT(listener_keys)};

static const struct key tls_keys[] = {
    TEXT(tls, "certificate", certificate),
    TEXT(tls, "key", key),
    {.name = "key_password"},
    TEXT(tls, "client_ca", client_ca),
    WORD(tls, "client_auth", client_auth, conf_client_auths, "none"),
    WORD(tls, "min_version", min_version, conf_tls_versions, "TLSv1.2"),
    TEXT(tls, "ciphers", ciphers),
    {.name = "principal_mapping",
     .kind = KEY_TEXTS,
     .at = AT(tls, principal_rules),
     .at_n = AT(tls, n_principal_rules)},
};
const struct key_table conf_tls_table = {tls_keys, IG_COUNT(tls_keys)};

static const struct key user_keys[] = {
    {.name = "password"},
    {.name = "password_file"},
    {.name = "scram_sha_256"},
    {.name = "scram_sha_512"},
};

static const struct key acl_keys[] = {
    TEXT(acl, "principal", principal),
    {.name = "host", .kind = KEY_TEXT, .at = AT(acl, host), .default_text = "*"},
    {.name = "operations"},
    {.name = "topic"},
    {.name = "group"},
    {.name = "cluster"},
    {.name = "transactional_id"},
    {.name = "prefixed", .kind = KEY_BOOL, .at = AT(acl, prefixed), .default_text = "false"},
    {.name = "deny", .kind = KEY_BOOL, .at = AT(acl, deny), .default_text = "false"},
};

static const struct key quota_keys[] = {
    TEXT(quota, "user", user),
    TEXT(quota, "client_id", client_id),
    TEXT(quota, "address", address),
    SIZE(quota, "producer_byte_rate", producer_byte_rate, 1, 1024 * GB, NULL),
    SIZE(quota, "consumer_byte_rate", consumer_byte_rate, 1, 1024 * GB, NULL),
    {.name = "request_percentage", .kind = KEY_DOUBLE, .at = AT(quota, request_percentage)},
    {.name = "connection_rate", .kind = KEY_RATE, .at = AT(quota, connection_creation_rate)},
};
const struct key_table conf_quota_table = {quota_keys, IG_COUNT(quota_keys)};

static const struct key limits_keys[] = {
    NUMBER(broker, "connections", limits.connections, 1, 1000000, "4096"),
    NUMBER(broker, "connections_per_address", limits.connections_per_address, 0, 1000000, "0"),
    SIZE(broker, "request_bytes", limits.request_bytes, 1 << 20, GB, "100MB"),
    SIZE(broker, "message_bytes", limits.message_bytes, 1 << 10, GB, "32MB"),
    SIZE(broker, "queued_bytes", limits.queued_bytes, 1 << 20, 64 * GB, "64MB"),
    SIZE(broker, "memory_bytes", limits.memory_bytes, 1 << 20, 64 * GB, "256MB"),
    TIME(broker, "group_min_session", limits.group_min_session_ms, 1, DAY_MS, "6s"),
    TIME(broker, "group_max_session", limits.group_max_session_ms, 1, 365 * DAY_MS, "30m"),
    TIME(broker, "group_initial_rebalance_delay", limits.group_initial_delay_ms, 0, DAY_MS, "100ms"),
    TIME(broker, "offsets_retention", limits.offsets_retention_ms, 60000, 36500 * DAY_MS, "7d"),
    TIME(broker, "idle", limits.idle_ms, 1000, 365 * DAY_MS, "10m"),
    TIME(broker, "authentication_timeout", limits.authentication_ms, 100, DAY_MS, "10s"),
    TIME(broker, "authentication_delay", limits.authentication_delay_ms, 1, 60000, "100ms"),
    TIME(broker, "reauthentication", limits.reauthentication_ms, 0, 365 * DAY_MS, "0s"),
};
const struct key_table conf_limits_table = {limits_keys, IG_COUNT(limits_keys)};

/* --- addresses, files ----------------------------------------------------------------------------------------------
 */

bool load_address(struct load *l, const char *text, int min_port, const char **host, int *port)
{
    const char *colon = strrchr(text, ':');
    struct str name = {text, colon ? (size_t)(colon - text) : 0};
    int64_t number;

    if (!colon || !str_to_int64(str_of(colon + 1), min_port, 65535, &number))
        return false;
    if (name.n > 2 && name.p[0] == '[' && name.p[name.n - 1] == ']')
        name = (struct str){name.p + 1, name.n - 2};
    else if (memchr(text, ':', name.n))
        return false;
    if (name.n == 0 || memchr(name.p, ' ', name.n) || memchr(name.p, '/', name.n))
        return false;
    *host = arena_strndup(l->arena, name.p, name.n);
    *port = (int)number;
    return true;
}

static void make_absolute(struct load *l, const char **path)
{
    if (*path && **path && **path != '/')
        *path = arena_printf(l->arena, "%s/%s", l->conf->root, *path);
}

/* A file that must be there. */
static void check_file(struct load *l, const struct node *map, const char *key, const char **path)
{
    const struct node *at = node_get(map, key);
    struct env_stat st;
    struct error err;

    if (!*path || !at)
        return;
    make_absolute(l, path);
    if (env_stat(l->env, *path, &st, &err))
        load_problem(l, at, "%s: %s", key, err.msg);
    else if (st.is_dir)
        load_problem(l, at, "%s: %s is a folder", key, *path);
}

/* What is in a file, without the line's end; NULL after reporting. */
static const char *read_secret(struct load *l, const struct node *at, const char *key)
{
    const char *path = NULL, *text = NULL;
    struct error err;
    struct buf b;

    if (!keys_text(l, key, at, &path))
        return NULL;
    make_absolute(l, &path);
    buf_init(&b, SECRET_MAX);
    if (env_read_file(l->env, path, &b, &err)) {
        load_problem(l, at, "%s: %s", key, err.msg);
    } else {
        while (b.n > 0 && (b.p[b.n - 1] == '\n' || b.p[b.n - 1] == '\r'))
            b.n--;
        text = arena_strndup(l->arena, buf_cstr(&b), b.n);
        if (b.n == 0 || strlen(text) != b.n)
            load_problem(l, at, "%s: %s holds no password", key, path);
    }
    buf_release(&b);
    return text;
}

/* --- TLS
 * -------------------------------------------------------------------------------------------------------------- */

static void check_rule(struct load *l, const struct node *at, const char *rule)
{
    const char *pattern = rule + strlen("RULE:");
    char text[1024];
    size_t n = 0, slashes = 0;
    regex_t re;

    if (strcmp(rule, "DEFAULT") == 0)
        return;
    for (const char *p = rule; *p; p++)
        slashes += *p == '/' && p[-1] != '\\';
    if (strncmp(rule, "RULE:", 5) != 0 || slashes != 2) {
        load_problem(l, at, "principal_mapping: %s is not DEFAULT or RULE:pattern/replacement/ with L or U behind it",
                     node_shown(l->arena, at));
        return;
    }
    for (const char *p = pattern; *p && *p != '/' && n + 1 < sizeof(text); p++) {
        if (p[0] == '\\' && p[1] == '/')
            p++;
        text[n++] = *p;
    }
    text[n] = '\0';
    if (strstr(text, "*?") || strstr(text, "+?"))
        load_problem(l, at, "principal_mapping: patterns are POSIX extended ones; write [^,]* in place of .*?");
    else if (conf_pattern_length(text) > 10000 || regcomp(&re, text, REG_EXTENDED))
        load_problem(l, at, "principal_mapping: %s has no good pattern", node_shown(l->arena, at));
    else
        regfree(&re);
}

static void read_tls(struct load *l, const struct node *map, const char *what, struct conf_tls *tls)
{
    const struct node *password = node_get(map, "key_password"), *rules = node_get(map, "principal_mapping");

    if (!keys_read(l, map, what, tls_keys, IG_COUNT(tls_keys), tls))
        return;
    check_file(l, map, "certificate", &tls->certificate);
    check_file(l, map, "key", &tls->key);
    check_file(l, map, "client_ca", &tls->client_ca);
    if (password && keys_text(l, "key_password", password, &tls->key_password) && password->written)
        load_origin(l, &tls->key_password, password->written);
    if (tls->client_auth != CONF_CLIENT_AUTH_NONE && !tls->client_ca)
        load_problem(l, map,
                     "%s: client_auth needs client_ca: the certificates of those who sign clients' certificates", what);
    for (size_t i = 0; i < tls->n_principal_rules; i++)
        check_rule(l, rules->kind == NODE_LIST ? rules->items[i].value : rules, tls->principal_rules[i]);
}

/* --- listeners
 * ---------------------------------------------------------------------------------------------------------- */

static void read_addresses(struct load *l, const struct node *map, struct conf_listener *out)
{
    const struct node *address = node_get(map, "address"), *advertised = node_get(map, "advertised");
    const char *text;

    if (!address)
        load_problem(l, map, "a listener has an address, like 0.0.0.0:9092");
    else if (keys_text(l, "address", address, &text) && !load_address(l, text, 0, &out->host, &out->port))
        load_problem(l, address, "address: %s is not an address like 0.0.0.0:9092 or [::]:9092",
                     node_shown(l->arena, address));
    else if (address->written)
        load_origin(l, &out->host, address->written);
    if (!advertised || !keys_text(l, "advertised", advertised, &text))
        return;
    if (!load_address(l, text, 1, &out->advertised_host, &out->advertised_port)) {
        if (strchr(text, ':') || strchr(text, ' ') || strchr(text, '/') || !*text)
            load_problem(l, advertised, "advertised: %s is not like kafka.example.com:9092 or kafka.example.com",
                         node_shown(l->arena, advertised));
        out->advertised_host = text;
    }
    if (advertised->written)
        load_origin(l, &out->advertised_host, advertised->written);
}

static void check_mechanisms(struct load *l, const struct node *map, const struct conf_listener *out)
{
    const struct node *list = node_get(map, "mechanisms");
    const bool sasl = out->protocol == CONF_SASL_PLAINTEXT || out->protocol == CONF_SASL_SSL;
    int word;

    if (list && !sasl)
        load_problem(l, list, "mechanisms: this listener's protocol has no SASL; write SASL_SSL or SASL_PLAINTEXT");
    for (size_t i = 0; list && i < out->n_mechanisms; i++)
        (void)keys_word(l, "mechanisms", list->kind == NODE_LIST ? list->items[i].value : list, mechanisms, &word);
}

static void read_listener(struct load *l, const struct node *map, const struct node *all_tls, size_t i,
                          struct conf_listener *out)
{
    const struct node *tls = node_get(map, "tls");
    const bool given = tls != NULL;
    bool needs_tls;

    if (!keys_read(l, map, "a listener", listener_keys, IG_COUNT(listener_keys), out))
        return;
    read_addresses(l, map, out);
    if (!out->name)
        out->name = arena_printf(l->arena, "%zu", i + 1);
    check_mechanisms(l, map, out);
    needs_tls = out->protocol == CONF_SSL || out->protocol == CONF_SASL_SSL;
    if (given && !needs_tls) {
        load_problem(l, tls, "tls: this listener's protocol has no TLS; write SSL or SASL_SSL");
        return;
    }
    if (!needs_tls)
        return;
    read_tls(l, given ? tls : all_tls, "tls", &out->tls);
    if (!out->tls.certificate || !out->tls.key)
        load_problem(l, given ? tls : map, "a listener with TLS needs tls: {certificate: FILE, key: FILE}");
}

static void read_listeners(struct load *l, const struct node *section, struct conf_broker *b)
{
    const struct node *list = node_get(section, "listeners"), *tls = node_get(section, "tls");

    if (!list) {
        if (tls)
            load_problem(l, tls, "tls: there are no listeners that could use it");
        return;
    }
    if (list->kind != NODE_LIST || list->n == 0) {
        load_problem(l, list, "listeners: %s is not a list like [{address: \"0.0.0.0:9092\"}]",
                     node_shown(l->arena, list));
        return;
    }
    b->listeners = ARENA_ARRAY(l->arena, struct conf_listener, list->n);
    b->n_listeners = list->n;
    for (size_t i = 0; i < list->n; i++) {
        read_listener(l, list->items[i].value, tls, i, &b->listeners[i]);
        for (size_t k = 0; k < i; k++) {
            if (b->listeners[k].name && b->listeners[i].name && strcmp(b->listeners[k].name, b->listeners[i].name) == 0)
                load_problem(l, list->items[i].value, "name: there are two listeners of the name '%s'",
                             b->listeners[i].name);
        }
    }
}

/* --- users
 * ----------------------------------------------------------------------------------------------------------------- */

static void secret_text(struct load *l, const struct node *map, const char *key, const char **out)
{
    const struct node *at = node_get(map, key);

    if (!at || !keys_text(l, key, at, out))
        return;
    if (!**out)
        load_problem(l, at, "%s: it is empty", key);
    if (at->written)
        load_origin(l, out, at->written);
}

static void read_user(struct load *l, const struct node_entry *entry, struct conf_user *u)
{
    const struct node *value = entry->value, *file;

    u->name = entry->key->text;
    if (!*u->name)
        load_problem(l, entry->key, "users: a user has a name");
    if (value->kind == NODE_SCALAR) {
        u->password = value->text;
        if (!*u->password)
            load_problem(l, value, "users: %s: an empty password is none", u->name);
        if (value->written)
            load_origin(l, &u->password, value->written);
        return;
    }
    if (!keys_read(l, value, "a user", user_keys, IG_COUNT(user_keys), u))
        return;
    secret_text(l, value, "password", &u->password);
    secret_text(l, value, "scram_sha_256", &u->scram_sha_256);
    secret_text(l, value, "scram_sha_512", &u->scram_sha_512);
    file = node_get(value, "password_file");
    if (file && u->password)
        load_problem(l, file, "password_file: there is a password, too; one of them is enough");
    else if (file)
        u->password = read_secret(l, file, "password_file");
    if (!file && !u->password && !u->scram_sha_256 && !u->scram_sha_512)
        load_problem(l, value, "users: %s needs password, password_file, scram_sha_256 or scram_sha_512", u->name);
}

static void read_users(struct load *l, const struct node *map, struct conf_broker *b)
{
    if (!map)
        return;
    if (map->kind != NODE_MAP) {
        load_problem(l, map, "users: this is not a mapping of names to passwords, like alice: ${ALICE_PASSWORD}");
        return;
    }
    b->users = ARENA_ARRAY(l->arena, struct conf_user, map->n + 1);
    b->n_users = map->n;
    for (size_t i = 0; i < map->n; i++)
        read_user(l, &map->items[i], &b->users[i]);
}

static const char *principal_of(struct load *l, const char *text)
{
    return strncmp(text, "User:", 5) == 0 ? text : arena_printf(l->arena, "User:%s", text);
}

/* --- rules
 * ---------------------------------------------------------------------------------------------------------------------
 */

/* The one resource that a rule names. False after reporting. */
static bool read_resource(struct load *l, const struct node *map, struct conf_acl *a)
{
    size_t n = 0;
    bool yes = false;

    for (int i = 0; conf_resources[i]; i++) {
        const struct node *at = node_get(map, conf_resources[i]);

        if (!at)
            continue;
        n++;
        a->type = i + FIRST_NUMBER;
        if (i == RESOURCE_CLUSTER) {
            if (keys_bool(l, conf_resources[i], at, &yes) && !yes)
                load_problem(l, at, "cluster: it can only be true");
            a->name = "kafka-cluster";
        } else if (keys_text(l, conf_resources[i], at, &a->name) && !*a->name) {
            load_problem(l, at, "%s: an empty name names nothing; '*' is all of them", conf_resources[i]);
        }
        if (at->written)
            load_origin(l, &a->name, at->written);
    }
    if (n != 1)
        load_problem(l, map, "an ACL speaks of one thing: topic, group, transactional_id or cluster: true");
    return n == 1;
}

static void read_acl(struct load *l, const struct node *map, struct conf_broker *b)
{
    const struct node *operations = node_get(map, "operations");
    struct conf_acl a = {0};
    size_t n;

    if (!keys_read(l, map, "an ACL", acl_keys, IG_COUNT(acl_keys), &a) || !read_resource(l, map, &a))
        return;
    if (!a.principal || !*a.principal) {
        load_problem(l, map, "an ACL has a principal, like User:alice or User:*");
        return;
    }
    if (!operations || operations->kind == NODE_MAP || operations->kind == NODE_NULL) {
        load_problem(l, operations ? operations : map, "an ACL has operations, like [Read, Describe]");
        return;
    }
    a.principal = principal_of(l, a.principal);
    n = operations->kind == NODE_LIST ? operations->n : 1;
    for (size_t i = 0; i < n; i++) {
        int word = 0;

        if (!keys_word(l, "operations", operations->kind == NODE_LIST ? operations->items[i].value : operations,
                       conf_operations, &word))
            continue;
        a.operation = word + FIRST_NUMBER;
        b->acls[b->n_acls++] = a;
    }
}

static void read_acls(struct load *l, const struct node *list, struct conf_broker *b)
{
    size_t n = 0;

    if (!list)
        return;
    if (list->kind != NODE_LIST) {
        load_problem(l, list, "acls: this is not a list like [{principal: User:alice, operations: [Read], topic: t}]");
        return;
    }
    for (size_t i = 0; i < list->n; i++) {
        const struct node *operations = node_get(list->items[i].value, "operations");

        n += operations && operations->kind == NODE_LIST ? operations->n : 1;
    }
    b->acls = ARENA_ARRAY(l->arena, struct conf_acl, n + 1);
    for (size_t i = 0; i < list->n; i++)
        read_acl(l, list->items[i].value, b);
}

/* --- quotas
 * ----------------------------------------------------------------------------------------------------------------------
 */

static void read_quota(struct load *l, const struct node *map, struct conf_quota *q)
{
    if (!keys_read(l, map, "a quota", quota_keys, IG_COUNT(quota_keys), q))
        return;
    if (!q->user && !q->client_id && !q->address)
        load_problem(l, map, "a quota is for a user, a client_id, both, or an address; \"<default>\" is all others");
    if (q->address && (q->user || q->client_id))
        load_problem(l, map, "a quota of an address has no user or client_id");
    if (q->address && (q->producer_byte_rate || q->consumer_byte_rate || q->request_percentage > 0))
        load_problem(l, map, "an address has a connection_rate and nothing else");
    if (!q->address && q->connection_creation_rate > 0)
        load_problem(l, map, "connection_rate is for an address");
    if (q->request_percentage < 0)
        load_problem(l, map, "request_percentage is above 0");
}

static void read_quotas(struct load *l, const struct node *list, struct conf_broker *b)
{
    if (!list)
        return;
    if (list->kind != NODE_LIST) {
        load_problem(l, list, "quotas: this is not a list like [{user: alice, producer_byte_rate: 10MB}]");
        return;
    }
    b->quotas = ARENA_ARRAY(l->arena, struct conf_quota, list->n + 1);
    b->n_quotas = list->n;
    for (size_t i = 0; i < list->n; i++)
        read_quota(l, list->items[i].value, &b->quotas[i]);
}

/* --- all of it
 * --------------------------------------------------------------------------------------------------------------------
 */

static void read_data_dir(struct load *l, const struct node *at, bool own_file, struct conf_broker *b)
{
    if (!at)
        return;
    if (!own_file)
        load_problem(l, at, "data: the folder of the log is said by the project's `log:`");
    else if (keys_text(l, "data", at, &b->data_dir))
        make_absolute(l, &b->data_dir);
}

void load_broker(struct load *l, const struct node *section, bool own_file, struct conf_broker *b)
{
    b->default_partitions = own_file ? 1 : 6;
    b->given = section && section->kind != NODE_NULL;
    keys_read(l, b->given ? section : NULL, own_file ? "the broker's file" : "broker", broker_keys,
              IG_COUNT(broker_keys), b);
    keys_read(l, b->given ? node_get(section, "limits") : NULL, "limits", limits_keys, IG_COUNT(limits_keys), b);
    b->allow_without_acl = b->n_super_users == 0;
    if (!b->given || section->kind != NODE_MAP)
        return;
    const struct node *allow = node_get(section, "allow_everyone_if_no_acl_found");

    if (allow)
        (void)keys_value(l, &broker_keys[6], allow, b);
    for (size_t i = 0; i < b->n_super_users; i++)
        b->super_users[i] = principal_of(l, b->super_users[i]);
    read_data_dir(l, node_get(section, "data"), own_file, b);
    read_listeners(l, section, b);
    read_users(l, node_get(section, "users"), b);
    read_acls(l, node_get(section, "acls"), b);
    read_quotas(l, node_get(section, "quotas"), b);
}
