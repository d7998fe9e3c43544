#include "rig.h"

#include <stdlib.h>

static void start(struct rig *r)
{
    struct error err;

    if (broker_start(r->env, &r->options, &r->broker, &err))
        fail_msg("%s", err.msg);
    r->c = rig_dial(r);
}

struct rig rig_new(const struct broker_options *options)
{
    struct rig r = {.env = env_sim_new(1)};

    if (options)
        r.options = *options;
    r.options.dir = "log";
    r.options.host = "127.0.0.1";
    env_sim_real_clock(r.env, true);
    start(&r);
    return r;
}

void rig_restart(struct rig *r)
{
    client_close(&r->c);
    broker_stop(r->broker);
    start(r);
}

void rig_free(struct rig *r)
{
    client_close(&r->c);
    broker_stop(r->broker);
    env_sim_free(r->env);
}

struct client rig_dial(const struct rig *r)
{
    struct client c;

    assert_true(client_open(&c, broker_port(r->broker)));
    return c;
}

void rig_produce(struct rig *r, const char *topic, int32_t partition)
{
    const struct batch_wish wish = {.records = 1, .value_bytes = 100, .fill = 'x', .timestamp_ms = env_now_ms(r->env)};
    int64_t base;
    size_t n;
    char *p = make_batch(&wish, &n);

    assert_int_equal(client_produce(&r->c, topic, partition, p, n, &base), 0);
    free(p);
}

struct wire_uuid rig_topic_id(struct rig *r, const char *topic)
{
    struct wire_metadata_topic t = {.name = str_of(topic)};
    struct wire_metadata_request request = {.topics = {&t, 1}};
    const struct wire_metadata_response *response = client_call(&r->c, 3, 12, &request);

    assert_non_null(response);
    assert_int_equal(response->topics.p[0].error_code, 0);
    return response->topics.p[0].topic_id;
}
