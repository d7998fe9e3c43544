/* One simulated run. */
#ifndef SIM_BROKER_WORLD_H
#define SIM_BROKER_WORLD_H

#include "sim.h"

struct world_result {
    size_t records, txns;
    int crashes;
    uint64_t random; /* where the run's randomness ended: the same for the same run */
    char why[1024];
};

/* False: a promise was broken, and `why` says which. */
bool world_run(uint64_t seed, bool verbose, struct world_result *out);

#endif
