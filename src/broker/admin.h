/* What the APIs of administrators share. */
#ifndef BROKER_ADMIN_H
#define BROKER_ADMIN_H

#include "broker/broker_internal.h"

/* A topic configuration as it holds for a topic, or for all that do not set it (t NULL), in the request's arena. */
struct str config_value(struct request *r, const struct topic *t, const struct topic_config_type *type, bool *is_set);
/* An error's sentence, in the request's arena. */
struct str request_sentence(struct request *r, const struct error *err);

enum config_source { SOURCE_TOPIC = 1, SOURCE_STATIC_BROKER = 4, SOURCE_DEFAULT = 5 };

#endif
