/*
 * Processes as stacks of their own in one thread: who is to go on next is who wakes first.
 */
#include "sim.h"

#include <stdint.h>
#include <stdlib.h>

/* --- a process' view of the world ---------------------------------------------------------------------------- */

static struct process *process_of(struct env *env)
{
    return (struct process *)((char *)env - offsetof(struct process, env));
}

static int64_t sim_now_us(struct env *env)
{
    const struct process *p = process_of(env);

    return INT64_C(1700000000) * US_PER_S + p->w->now_us + p->skew_us + p->dead_us;
}

static int64_t sim_monotonic_us(struct env *env)
{
    return process_of(env)->w->now_us + process_of(env)->dead_us;
}

static void sim_sleep_ms(struct env *env, int64_t ms)
{
    process_wait(process_of(env), ms * US_PER_MS);
}

static void sim_random(struct env *env, void *bytes, size_t n)
{
    struct world *w = process_of(env)->w;

    for (size_t i = 0; i < n; i++)
        ((unsigned char *)bytes)[i] = (unsigned char)draw(w, 256);
}

static enum ig_code sim_spawn(struct env *env, const char *name, env_thread_fn *fn, void *arg, struct env_thread **out,
                              struct error *err)
{
    (void)env;
    (void)fn;
    (void)arg;
    (void)out;
    return error_set(err, IG_UNSUPPORTED, "no thread %s in this world", name);
}

static void sim_log(struct env *env, enum env_log_level level, const char *component, const char *line)
{
    (void)level;
    say(process_of(env)->w, "%d: log: %s: %s", process_of(env)->number, component, line);
}

static const struct env_ops env_ops = {
    .now_us = sim_now_us,
    .monotonic_us = sim_monotonic_us,
    .sleep_ms = sim_sleep_ms,
    .random = sim_random,
    .spawn = sim_spawn,
    .log = sim_log,
};

/* --- life ------------------------------------------------------------------------------------------------------ */

/* makecontext hands over ints only. */
static void enter(unsigned high, unsigned low)
{
    struct process *p = (struct process *)(((uintptr_t)high << 32) | (uintptr_t)low);

    for (;;) {
        p->lives++;
        p->crash_in = p->w->crashes && !p->w->healing && chance(p->w, 40) ? 1 + (int64_t)draw(p->w, 120) : 0;
        p->run(p);
        if (!p->dead || p->w->failed || p->work <= 0)
            break;
        say(p->w, "%d: is started again", p->number);
        p->dead = false;
        p->dead_us = 0;
        process_wait(p, (int64_t)draw(p->w, 5 * US_PER_S));
    }
    p->done = true;
    swapcontext(&p->context, &p->w->scheduler);
}

struct process *process_add(struct world *w, const char *kind, void (*run)(struct process *p), int work)
{
    struct process *p = check_calloc(1, sizeof(*p));
    static const int64_t skew_max = INT64_C(2) * US_PER_S;

    p->w = w;
    p->kind = kind;
    p->run = run;
    p->work = work;
    p->number = w->processes ? w->processes->number + 1 : 1;
    p->skew_us = (int64_t)draw(w, 2 * (uint64_t)skew_max) - skew_max;
    p->env = (struct env){.ops = &env_ops, .log_level = ENV_LOG_WARN};
    p->wake_us = (int64_t)draw(w, 2 * US_PER_S);
    store_sim_init(p);
    p->stack = w->stacks.n ? w->stacks.p[--w->stacks.n] : check_malloc(STACK_BYTES);
    getcontext(&p->context);
    p->context.uc_stack.ss_sp = p->stack;
    p->context.uc_stack.ss_size = STACK_BYTES;
    p->context.uc_link = NULL;
    makecontext(&p->context, (void (*)(void))enter, 2, (unsigned)((uintptr_t)p >> 32), (unsigned)(uintptr_t)p);
    p->next = w->processes;
    w->processes = p;
    return p;
}

void process_wait(struct process *p, int64_t us)
{
    if (p->dead) {
        p->dead_us += us;
        return;
    }
    p->wake_us = p->w->now_us + us;
    swapcontext(&p->context, &p->w->scheduler);
}

bool process_call(struct process *p)
{
    p->w->calls++;
    if (p->dead) {
        p->dead_us += US_PER_MS;
        return false;
    }
    if (p->crash_in > 0 && --p->crash_in == 0 && !p->w->healing) {
        say(p->w, "%d: dies", p->number);
        p->dead = true;
        p->w->crashes_seen++;
        return false;
    }
    return true;
}

/* --- the scheduler --------------------------------------------------------------------------------------------- */

static void arrive(struct world *w, size_t i)
{
    struct late l = w->lates.p[i];

    w->lates.p[i] = w->lates.p[--w->lates.n];
    w->now_us = l.at_us > w->now_us ? l.at_us : w->now_us;
    say(w, "%d: late: put %s", l.process, l.name);
    (void)!store_apply(w, l.process, l.name, (struct str){l.body, l.n}, l.mode);
    free(l.name);
    free(l.body);
}

void processes_run(struct world *w)
{
    while (!w->failed) {
        struct process *first = NULL;
        size_t late = 0;

        for (struct process *p = w->processes; p; p = p->next)
            if (!p->done && (!first || p->wake_us < first->wake_us))
                first = p;
        for (size_t i = 1; i < w->lates.n; i++)
            late = w->lates.p[i].at_us < w->lates.p[late].at_us ? i : late;
        if (w->lates.n && (!first || w->lates.p[late].at_us < first->wake_us)) {
            arrive(w, late);
            continue;
        }
        if (!first)
            return;
        w->now_us = first->wake_us > w->now_us ? first->wake_us : w->now_us;
        w->running = first;
        swapcontext(&w->scheduler, &first->context);
    }
}

/* Those that are in the middle of something, after a violation: they die, so that what they own is released. */
void processes_free(struct world *w)
{
    while (w->processes) {
        struct process *p = w->processes;

        while (!p->done) {
            p->dead = true;
            p->work = 0;
            p->wake_us = w->now_us;
            w->running = p;
            swapcontext(&w->scheduler, &p->context);
        }
        vec_push(&w->stacks, p->stack);
        w->processes = p->next;
        free(p);
    }
}
