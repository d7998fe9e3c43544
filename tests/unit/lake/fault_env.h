/*
 * A struct env over the real one whose nth changing operation (write, sync, rename, link, unlink, folder sync) goes
 * wrong: before it happens, after it has happened, or with everything behind it (the process died there).
 */
#ifndef TEST_LAKE_FAULT_ENV_H
#define TEST_LAKE_FAULT_ENV_H

#include "base/base.h"

enum fault_mode { FAULT_BEFORE, FAULT_AFTER, FAULT_DEATH };

struct fault_env {
    struct env env;
    struct env_ops ops;
    struct env *real;
    enum fault_mode mode;
    int countdown; /* to the fault; negative: none will come */
    bool dead, happened;
};

void fault_env_init(struct fault_env *f, struct env *real);
void fault_env_arm(struct fault_env *f, enum fault_mode mode, int after);

#endif
