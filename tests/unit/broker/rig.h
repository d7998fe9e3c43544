/* A whole broker on a simulated disk, with real sockets and the real clock, and one client. */
#ifndef UNIT_BROKER_RIG_H
#define UNIT_BROKER_RIG_H

#include "base/env_sim.h"
#include "batches.h"
#include "client.h"
#include "test.h"

struct rig {
    struct env *env;
    struct broker *broker;
    struct broker_options options;
    struct client c;
};

/* With these options, of which `dir` and `host` are set; NULL: none. */
struct rig rig_new(const struct broker_options *options);
void rig_restart(struct rig *r);
void rig_free(struct rig *r);
struct client rig_dial(const struct rig *r);

/* Produces one record; it must be taken. */
void rig_produce(struct rig *r, const char *topic, int32_t partition);
struct wire_uuid rig_topic_id(struct rig *r, const char *topic);

#endif
