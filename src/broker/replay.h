/* Reading an internal partition from its beginning to its end, when the broker starts. */
#ifndef BROKER_REPLAY_H
#define BROKER_REPLAY_H

#include "broker/plog.h"

typedef enum ig_code log_replay_fn(void *ctx, const struct batch_record *r, struct error *err);
/* Every record in order; stops at the first error. */
IG_MUST_CHECK enum ig_code log_replay(struct plog *log, log_replay_fn *each, void *ctx, struct error *err);

#endif
