/*
 * A door of our own: where the configuration protects the broker, clients of the same process come in by a listener on
 * the loopback address, as a user who lives as long as the process and has a random password.
 */
#include "broker/broker.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>

#define OWN_USER "ingot-inside"
#define PASSWORD_BYTES 24

struct broker_door {
    struct conf_broker conf;
    struct conf_listener *listeners;
    struct conf_user *users;
    const char **super_users;
    const char *mechanism;
    char password[2 * PASSWORD_BYTES + 1];
};

static void make_password(struct env *env, char *out)
{
    uint8_t bytes[PASSWORD_BYTES];

    env_random(env, bytes, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++)
        (void)snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static void add_user(struct broker_door *d, const struct conf_broker *given)
{
    d->users = check_calloc(given->n_users + 1, sizeof(*d->users));
    for (size_t i = 0; i < given->n_users; i++)
        d->users[i] = given->users[i];
    d->users[given->n_users] = (struct conf_user){.name = OWN_USER, .password = d->password};
    d->super_users = check_calloc(given->n_super_users + 1, sizeof(*d->super_users));
    for (size_t i = 0; i < given->n_super_users; i++)
        d->super_users[i] = given->super_users[i];
    d->super_users[given->n_super_users] = "User:" OWN_USER;
    d->conf.users = d->users;
    d->conf.n_users = given->n_users + 1;
    d->conf.super_users = d->super_users;
    d->conf.n_super_users = given->n_super_users + 1;
}

struct broker_door *broker_door_new(struct env *env, const struct conf_broker *given, const char *host, int port)
{
    struct broker_door *d = check_calloc(1, sizeof(*d));
    size_t n = 0;

    make_password(env, d->password);
    d->mechanism = "PLAIN";
    d->conf = *given;
    d->listeners = check_calloc(given->n_listeners + 2, sizeof(*d->listeners));
    if (host && given->n_listeners == 0)
        d->listeners[n++] = (struct conf_listener){.name = "listen", .host = host, .port = port};
    for (size_t i = 0; host && i < given->n_listeners; i++)
        d->listeners[n++] = given->listeners[i];
    d->listeners[n++] = (struct conf_listener){.name = OWN_USER,
                                               .host = "127.0.0.1",
                                               .protocol = CONF_SASL_PLAINTEXT,
                                               .mechanisms = &d->mechanism,
                                               .n_mechanisms = 1};
    d->conf.listeners = d->listeners;
    d->conf.n_listeners = n;
    add_user(d, given);
    return d;
}

const struct conf_broker *broker_door_conf(const struct broker_door *d)
{
    return &d->conf;
}

void broker_door_url(const struct broker_door *d, const struct broker *b, struct buf *out)
{
    buf_printf(out,
               "kafka://127.0.0.1:%d?security.protocol=SASL_PLAINTEXT&sasl.mechanism=PLAIN&sasl.username=" OWN_USER
               "&sasl.password=%s",
               broker_listener_port(b, d->conf.n_listeners - 1), d->password);
}

void broker_door_free(struct broker_door *d)
{
    if (!d)
        return;
    OPENSSL_cleanse(d->password, sizeof(d->password));
    free(d->listeners);
    free(d->users);
    free(d->super_users);
    free(d);
}
