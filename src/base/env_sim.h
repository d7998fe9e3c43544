/*
 * The world of tests: a file system in memory that forgets what was not synced when its power is cut, fails what it is
 * told to fail, has a clock that stands still until it is moved, and draws all its randomness from one seed.
 *
 * What a power cut leaves: of each file the content at its last sync, where each 512-byte sector written since may be
 * there or not, and the length may be the old one, the new one, or between; of each folder the entries at its last
 * sync, and of the changes since (in the order in which they were made, over all folders) a beginning of random length.
 *
 * Threads are real, and loop_new gives the real event loop: a whole broker can run on the simulated disk. For a run
 * that is the same each time, use one thread.
 */
#ifndef BASE_ENV_SIM_H
#define BASE_ENV_SIM_H

#include "base/env.h"

enum env_sim_op {
    ENV_SIM_OPEN,
    ENV_SIM_READ,
    ENV_SIM_WRITE,
    ENV_SIM_TRUNCATE,
    ENV_SIM_SYNC,
    ENV_SIM_RENAME,
    ENV_SIM_LINK,
    ENV_SIM_UNLINK,
    ENV_SIM_MAKE_DIR,
    ENV_SIM_SYNC_DIR,
    ENV_SIM_OPS
};

struct env *env_sim_new(uint64_t seed);
void env_sim_free(struct env *env);

/* The n-th operation of this kind from now on (1: the next) fails with `code`, and so do all later ones if `for_good`;
 * n 0 takes it back. A write that fails may have written a part; a sync that fails has synced nothing, and what it
 * should have synced is lost for good: what is read is what was there at the last sync, with zeros behind it. */
void env_sim_fail(struct env *env, enum env_sim_op op, int64_t n, enum ig_code code, bool for_good);
/* How many there have been. */
int64_t env_sim_count(struct env *env, enum env_sim_op op);
/* Writes and reads often transfer less than they are asked to. */
void env_sim_short_transfers(struct env *env, bool on);

/* Cuts the power: what was not synced may vanish, open files fail from now on, locks are gone. */
void env_sim_power_cut(struct env *env);
/* Cuts it at the n-th operation of any kind that changes or syncs something. Operations fail until env_sim_power_on,
 * as they would for a program that is no more. */
void env_sim_power_cut_at(struct env *env, int64_t n);
bool env_sim_is_off(struct env *env);
void env_sim_power_on(struct env *env);

void env_sim_advance(struct env *env, int64_t us);
/* The real clock instead: for code that waits for real events. */
void env_sim_real_clock(struct env *env, bool on);
/* Log lines go to stderr; otherwise they are dropped. */
void env_sim_show_log(struct env *env, bool on);
uint64_t env_sim_random(struct env *env);

#endif
