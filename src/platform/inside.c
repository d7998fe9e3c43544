/*
 * The broker inside. Where the configuration protects it, our own clients come in by a door of their own.
 */
#include "platform/platform_internal.h"

#include <stdio.h>

static void say_where(struct platform *p, const struct broker_options *options)
{
    const struct conf_listener *first = p->door ? &broker_door_conf(p->door)->listeners[0] : NULL;
    const char *host = first ? first->host : options->host;
    int port = broker_port(p->broker);
    struct buf url;
    if (first && first->advertised_host)
        host = first->advertised_host;
    if (first && first->advertised_port)
        port = first->advertised_port;
    (void)snprintf(p->endpoint.bootstrap, sizeof(p->endpoint.bootstrap), strchr(host, ':') ? "[%s]:%d" : "%s:%d", host,
                   port);
    buf_init(&url, sizeof(p->endpoint.client) - 1);
    if (p->door)
        broker_door_url(p->door, p->broker, &url);
    (void)snprintf(p->endpoint.client, sizeof(p->endpoint.client), "%s", buf_cstr(&url));
    buf_release(&url);
}

enum ig_code platform_start_inside(struct platform *p, struct error *err)
{
    const struct conf *conf = p->conf;
    const bool serving = p->parts & PLATFORM_SERVING;
    struct broker_options options = {
        .dir = conf->log_url + strlen("file:"),
        .host = serving ? conf->listen_host : "127.0.0.1",
        .port = serving ? conf->listen_port : 0,
        .default_partitions = 6,
    };
    if (conf->broker.given) {
        p->door = broker_door_new(p->env, &conf->broker, serving ? conf->listen_host : NULL, conf->listen_port);
        broker_options_from(&options, broker_door_conf(p->door));
    }
    IG_TRY(broker_start(p->env, &options, &p->broker, err));
    say_where(p, &options);
    return IG_OK;
}
