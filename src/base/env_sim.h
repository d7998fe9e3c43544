/*
 * The world of tests: a file system in memory that forgets what was not synced when its power is cut, fails what it is
 * told to fail, has a clock that stands still until it is moved, and draws all its randomness from one seed.
 *
 * What a power cut leaves: of each file the content at its last sync, where each 512-byte sector written since may be
 * there or not, and the length may be the old one, the new one, or between; of each folder the entries at its last
 * sync, and of the changes since (in the order in which they were made, over all folders) a beginning of random length.
 *
 * Threads are real, and loop_new gives the real event loop: a whole broker can run on the simulated disk. After
 * env_sim_one_thread all is one thread, sockets too are simulated, and a run is the same each time.
 */
#ifndef BASE_ENV_SIM_H
#define BASE_ENV_SIM_H

#include "base/env_loop.h"

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

/* --- one thread: to be said before anything is started in this world. Loops then go on only by env_sim_step, and the
 * clock with them; what env_spawn starts must be something that runs a loop. */
void env_sim_one_thread(struct env *env);
/* The next event, whatever it is; false if there is none. Joining a thread steps, too. */
bool env_sim_step(struct env *env);
/* An event of the test's own. */
void env_sim_after(struct env *env, int64_t us, env_post_fn *fn, void *arg);
/* The program dies as by kill -9: open files fail until env_sim_power_on, as after a power cut, but what was written
 * is there. */
void env_sim_kill(struct env *env);
/* The wall clock jumps; time limits do not notice. */
void env_sim_jump(struct env *env, int64_t us);

/* The client's side of a connection to a listener of this world. It is freed with the world. */
struct sim_conn;
struct env_sim_client {
    void (*received)(void *ctx, const void *p, size_t n);
    void (*closed)(void *ctx); /* by the server; the last call */
};
IG_MUST_CHECK enum ig_code env_sim_connect(struct env *env, int port, const struct env_sim_client *client, void *ctx,
                                           struct sim_conn **out, struct error *err);
void env_sim_conn_send(struct sim_conn *c, const void *p, size_t n);
/* There will be no callback any more; what was sent may not arrive. */
void env_sim_conn_close(struct sim_conn *c);

#endif
