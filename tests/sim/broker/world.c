/*
 * One run: a broker is started, clients work, things break; then nothing breaks any more, everybody comes to an end,
 * and all is read once more.
 */
#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define RUN_US_MIN 300000
#define RUN_US_MAX 2500000
#define HEAL_US INT64_C(120000000) /* all must have come to its end by then */

uint64_t draw(struct world *w, uint64_t below)
{
    uint64_t z = (w->random += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % below;
}

bool chance(struct world *w, unsigned percent)
{
    return draw(w, 100) < percent;
}

static void print(const struct world *w, const char *fmt, va_list args)
{
    fprintf(stderr, "%10.3f  ", (double)env_monotonic_us(w->env) / 1000);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
}

void say(const struct world *w, const char *fmt, ...)
{
    va_list args;

    if (!w->verbose)
        return;
    va_start(args, fmt);
    print(w, fmt, args);
    va_end(args);
}

void violation(struct world *w, const char *fmt, ...)
{
    va_list args;

    if (w->failed)
        return;
    w->failed = true;
    va_start(args, fmt);
    vsnprintf(w->why, sizeof(w->why), fmt, args);
    va_end(args);
    say(w, "VIOLATION: %s", w->why);
}

void actor_add(struct world *w, struct actor *a)
{
    a->next = w->actors;
    w->actors = a;
}

/* --- the broker's life -------------------------------------------------------------------------------------- */

static void start_later(void *ctx);

/* The program is dead; what is left of it is cleared away, and it is started again soon. */
static void bury(struct world *w)
{
    broker_stop(w->broker);
    w->broker = NULL;
    env_sim_power_on(w->env);
    for (int op = 0; op < ENV_SIM_OPS; op++)
        env_sim_fail(w->env, (enum env_sim_op)op, 0, IG_IO, false);
    w->faulty = false;
    w->crashes++;
    if (!w->starting) {
        w->starting = true;
        env_sim_after(w->env, (int64_t)draw(w, 20000), start_later, w);
    }
}

static void start(struct world *w)
{
    struct error err;

    w->options.port = w->port;
    if (broker_start(w->env, &w->options, &w->broker, &err) == IG_OK) {
        w->port = broker_port(w->broker);
        say(w, "the broker runs");
        return;
    }
    w->broker = NULL;
    if (env_sim_is_off(w->env) || w->faulty)
        bury(w);
    else
        violation(w, "the broker does not start: %s", err.msg);
}

static void start_later(void *ctx)
{
    struct world *w = ctx;

    w->starting = false;
    if (!w->broker)
        start(w);
}

static void restart(struct world *w)
{
    say(w, "the broker is stopped");
    broker_stop(w->broker);
    w->broker = NULL;
    w->restarts++;
    start(w);
}

/* --- what breaks ---------------------------------------------------------------------------------------------- */

static void cut_power(struct world *w)
{
    say(w, "the power will be cut");
    env_sim_power_cut_at(w->env, 1 + (int64_t)draw(w, 40));
}

static void kill_broker(struct world *w)
{
    say(w, "the broker is killed");
    env_sim_kill(w->env);
}

static void fail_sync(struct world *w)
{
    w->faulty = true;
    say(w, "a sync will fail");
    w->io_faults++;
    env_sim_fail(w->env, ENV_SIM_SYNC, 1 + (int64_t)draw(w, 5), IG_IO, false);
}

static void fail_write(struct world *w)
{
    w->faulty = true;
    say(w, "a write will fail");
    w->io_faults++;
    env_sim_fail(w->env, ENV_SIM_WRITE, 1 + (int64_t)draw(w, 8), IG_IO, false);
}

static void room_again(void *ctx)
{
    struct world *w = ctx;

    say(w, "there is room again");
    env_sim_fail(w->env, ENV_SIM_WRITE, 0, IG_NO_SPACE, false);
}

static void fill_disk(struct world *w)
{
    w->faulty = true;
    say(w, "the disk is full");
    env_sim_fail(w->env, ENV_SIM_WRITE, 1 + (int64_t)draw(w, 5), IG_NO_SPACE, true);
    env_sim_after(w->env, (int64_t)draw(w, 200000), room_again, w);
}

static void jump_clock(struct world *w)
{
    const int64_t us = ((int64_t)draw(w, 2 * 3600) - 3600) * 1000000;

    say(w, "the clock jumps by %lld s", (long long)us / 1000000);
    env_sim_jump(w->env, us);
}

static const struct {
    void (*happen)(struct world *w);
    unsigned weight;
} mishaps[] = {{cut_power, 6},  {kill_broker, 3}, {restart, 2},   {fail_sync, 2},
               {fail_write, 1}, {fill_disk, 2},   {jump_clock, 1}};

static void mishap(void *ctx)
{
    struct world *w = ctx;
    unsigned total = 0, pick;

    if (w->healing)
        return;
    w->mishap_due = true;
    for (size_t i = 0; i < IG_COUNT(mishaps); i++)
        total += mishaps[i].weight;
    pick = (unsigned)draw(w, total);
    for (w->mishap = 0; pick >= mishaps[w->mishap].weight; w->mishap++)
        pick -= mishaps[w->mishap].weight;
    env_sim_after(w->env, 20000 + (int64_t)draw(w, 800000), mishap, w);
}

/* --- a run ---------------------------------------------------------------------------------------------------- */

static void step(struct world *w)
{
    if (!env_sim_step(w->env)) {
        violation(w, "nothing happens any more");
        return;
    }
    if (w->mishap_due) { /* not from within a callback: some of them stop the broker */
        w->mishap_due = false;
        if (w->broker)
            mishaps[w->mishap].happen(w);
    }
    if (w->broker && env_sim_is_off(w->env)) {
        say(w, "the broker is dead");
        bury(w);
    }
}

static void run_until(struct world *w, int64_t end_us, bool (*enough)(const struct world *w))
{
    while (!w->failed && env_monotonic_us(w->env) < end_us && !(enough && enough(w)))
        step(w);
}

static const struct actor *unfinished(const struct world *w)
{
    for (const struct actor *a = w->actors; a; a = a->next) {
        if (!a->done(a))
            return a;
    }
    return NULL;
}

static bool all_done(const struct world *w)
{
    return w->broker && !unfinished(w);
}

/* Until everybody has come to an end. */
static void finish(struct world *w)
{
    run_until(w, env_monotonic_us(w->env) + HEAL_US, all_done);
    if (!w->failed && !all_done(w))
        violation(w, "the %s does not come to an end", unfinished(w) ? unfinished(w)->kind : "broker");
}

static void create_topic(struct world *w)
{
    topic_maker_add(w);
    run_until(w, env_monotonic_us(w->env) + HEAL_US, all_done);
}

static void add_clients(struct world *w)
{
    const int n = 1 + (int)draw(w, 3);

    for (int i = 0; i < n; i++)
        producer_add(w, chance(w, 70), 4 + (int)draw(w, 30));
    consumer_add(w, false, false);
    consumer_add(w, true, false);
    w->transactors = api_find(26) ? (int)draw(w, 3) : 0;
    for (int i = 0; i < w->transactors; i++)
        transactor_add(w, i);
    if (chance(w, 30))
        trimmer_add(w);
    w->members = chance(w, 30) ? 1 + (int)draw(w, 3) : 0;
    for (int i = 0; i < w->members; i++)
        member_add(w, i);
    for (int i = 0; i < 2 && chance(w, 50); i++)
        committer_add(w, i);
}

static void work(struct world *w)
{
    add_clients(w);
    env_sim_short_transfers(w->env, chance(w, 20));
    env_sim_after(w->env, (int64_t)draw(w, 600000), mishap, w);
    run_until(w,
              env_monotonic_us(w->env) + RUN_US_MIN + (int64_t)draw(w, RUN_US_MAX - RUN_US_MIN) * (w->members ? 6 : 1),
              NULL);
}

static void heal(struct world *w)
{
    say(w, "nothing breaks any more");
    w->healing = true;
    for (int op = 0; op < ENV_SIM_OPS; op++)
        env_sim_fail(w->env, (enum env_sim_op)op, 0, IG_IO, false);
    env_sim_power_cut_at(w->env, 0);
    if (w->broker && w->io_faults > 0)
        restart(w);
    finish(w);
}

static void check(struct world *w)
{
    say(w, "all is read once more");
    if (chance(w, 50)) {
        env_sim_power_cut(w->env);
        w->crashes++;
        if (w->broker) {
            broker_stop(w->broker);
            w->broker = NULL;
        }
        start(w);
    }
    w->checking = true;
    consumer_add(w, false, true);
    consumer_add(w, true, true);
    for (int i = 0; i < w->transactors; i++)
        offset_reader_add(w, i);
    finish(w);
    if (!w->failed)
        model_check(w);
}

static void set_up(struct world *w, uint64_t seed, bool verbose)
{
    *w = (struct world){.env = env_sim_new(seed), .seed = seed, .random = seed * 2 + 1, .verbose = verbose};
    env_sim_one_thread(w->env);
    env_sim_show_log(w->env, verbose);
    for (size_t i = 0; i < PARTS_MAX; i++)
        w->model.floor[i].offset = -1;
    w->parts = 1 + (int32_t)draw(w, PARTS_MAX);
    w->options = (struct broker_options){
        .dir = "log", .host = "127.0.0.1", .segment_bytes = 300 + (int64_t)draw(w, 6000), .default_partitions = 0};
    w->compacts = draw(w, 2) == 0;
    w->options.cleaner_backoff_ms = 1 + (int64_t)draw(w, 300);
}

static void tear_down(struct world *w)
{
    broker_stop(w->broker);
    while (w->actors) {
        struct actor *a = w->actors;

        w->actors = a->next;
        a->free(a);
    }
    model_free(&w->model);
    env_sim_free(w->env);
}

bool world_run(uint64_t seed, bool verbose, struct world_result *out)
{
    struct world w;

    set_up(&w, seed, verbose);
    start(&w);
    create_topic(&w);
    if (!w.failed)
        work(&w);
    if (!w.failed)
        heal(&w);
    if (!w.failed)
        check(&w);
    *out = (struct world_result){.records = w.model.records.n, .txns = w.model.txns.n, .crashes = w.crashes};
    out->random = w.random;
    snprintf(out->why, sizeof(out->why), "%s", w.why);
    tear_down(&w);
    return !w.failed;
}
