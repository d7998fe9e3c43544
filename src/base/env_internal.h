/* What the files of the real env share. */
#ifndef BASE_ENV_INTERNAL_H
#define BASE_ENV_INTERNAL_H

#include "base/env.h"

enum ig_code env_loop_uv_new(struct env *env, struct env_loop **out, struct error *err);

#endif
