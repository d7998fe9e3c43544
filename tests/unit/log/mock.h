/*
 * librdkafka's mock cluster, listening on loopback: enough of Kafka to test its clients.
 */
#ifndef UNIT_LOG_MOCK_H
#define UNIT_LOG_MOCK_H

#include "log/log.h"
#include "test.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

struct mock {
    rd_kafka_t *rk;
    rd_kafka_mock_cluster_t *cluster;
    char url[256];
};

static inline void mock_quiet(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk;
    (void)level;
    (void)facility;
    (void)text;
}

static inline void mock_start(struct mock *m)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char text[256];

    rd_kafka_conf_set_log_cb(conf, mock_quiet);
    /* Or each of its answers waits 40 ms for a delayed acknowledgement. */
    rd_kafka_conf_set(conf, "socket.nagle.disable", "true", NULL, 0);
    m->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
    assert_non_null(m->rk);
    m->cluster = rd_kafka_mock_cluster_new(m->rk, 1);
    assert_non_null(m->cluster);
    snprintf(m->url, sizeof(m->url), "kafka://%s", rd_kafka_mock_cluster_bootstraps(m->cluster));
}

static inline void mock_topic(struct mock *m, const char *name, int partitions)
{
    assert_int_equal(rd_kafka_mock_topic_create(m->cluster, name, partitions, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
}

static inline void mock_stop(struct mock *m)
{
    rd_kafka_mock_cluster_destroy(m->cluster);
    rd_kafka_destroy(m->rk);
}

/* Fails the test with the error's text. */
static inline void ok(enum ig_code rc, const struct error *err)
{
    if (rc != IG_OK)
        fail_msg("%s: %s", error_code_name(rc), err->msg);
}

#endif
