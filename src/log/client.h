/*
 * Inside log/: what its files share. One handle of librdkafka is a struct log_handle, the first member of whatever owns
 * it, and the opaque pointer that librdkafka hands back to callbacks.
 */
#ifndef LOG_CLIENT_H
#define LOG_CLIENT_H

#include "log/log.h"

#include <librdkafka/rdkafka.h>
#include <pthread.h>

#define LOG_MESSAGE_MAX_BYTES "33554432" /* 10 MB records pass, with room for what wraps them */
#define LOG_CALL_MS 30000                /* how long one question to the cluster may take */

struct log_handle {
    struct env *env;
    rd_kafka_t *rk;
    _Atomic rd_kafka_resp_err_t refused; /* by the cluster, at the door; of the connections made since it was cleared */
};

struct log_property {
    char *name, *value;
};

struct log_client {
    struct log_handle admin; /* made when first needed; guarded by `lock` */
    struct env *env;
    char *bootstrap;
    int64_t patience_ms; /* with a cluster that does not answer */
    VEC(struct log_property) properties;
    pthread_mutex_t lock;
    struct log_handle offsets; /* a consumer handle that reads committed offsets of `offsets_group`; under `lock` */
    char *offsets_group;
};

/* A configuration: where to connect, logging and limits, then `settings` of the kind of handle, then the user's
 * properties, which may change what is not among our promises. */
IG_MUST_CHECK enum ig_code log_conf_new(struct log_client *c, const struct log_setting *settings, size_t n,
                                        rd_kafka_conf_t **out, struct error *err);
/* Takes `conf`; fills h->rk, with h as the opaque pointer. */
IG_MUST_CHECK enum ig_code log_handle_new(struct log_handle *h, struct env *env, rd_kafka_type_t type,
                                          rd_kafka_conf_t *conf, struct error *err);
void log_handle_free(struct log_handle *h); /* one that was never made is fine */

/* The handle for questions that need neither a producer nor a consumer; several threads may use it at once. */
IG_MUST_CHECK enum ig_code log_admin_handle(struct log_client *c, rd_kafka_t **out, struct error *err);

/* All topics. librdkafka goes on trying when the cluster refuses our password; then there is nothing to wait for. */
rd_kafka_resp_err_t log_ask_metadata(struct log_client *c, rd_kafka_t *rk, const struct rd_kafka_metadata **out);

/* One question of librdkafka's admin API: begin, ask on q.rk with q.options and q.queue, wait, look at q.event, end. */
struct log_question {
    rd_kafka_t *rk;
    rd_kafka_AdminOptions_t *options;
    rd_kafka_queue_t *queue;
    rd_kafka_event_t *event;
};
IG_MUST_CHECK enum ig_code log_question_begin(struct log_client *c, rd_kafka_admin_op_t op, struct log_question *q,
                                              struct error *err);
/* The answer, or why there is none: "WHAT: ...". */
IG_MUST_CHECK enum ig_code log_question_wait(struct log_question *q, const char *what, struct error *err);
void log_question_end(struct log_question *q);

enum ig_code log_code(rd_kafka_resp_err_t e);
/* Records librdkafka's error as ours: "WHAT: its text". */
enum ig_code log_fail(struct error *err, rd_kafka_resp_err_t e, const char *fmt, ...) IG_PRINTF(3, 4);

#endif
