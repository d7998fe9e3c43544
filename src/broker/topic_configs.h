/* Settings of topics: how they are checked, kept and applied. */
#ifndef BROKER_TOPIC_CONFIGS_H
#define BROKER_TOPIC_CONFIGS_H

#include "broker/broker_internal.h"

enum kafka_error topic_config_check(struct str name, struct str value, struct error *err);
void topic_config_set(struct topic *t, struct str name, struct str value); /* value p NULL: takes it back */
void topic_configs_clear(struct topic *t);
/* What was set takes effect. */
void topic_configs_apply(const struct broker *b, struct topic *t);
void topic_configs_apply_partition(const struct topic *t, struct partition *p);

#endif
