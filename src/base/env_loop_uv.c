/*
 * The real event loop: libuv.
 */
#include "base/env_internal.h"

enum ig_code env_loop_uv_new(struct env *env, struct env_loop **out, struct error *err)
{
    (void)env;
    (void)out;
    return error_set(err, IG_UNSUPPORTED, "not yet");
}
