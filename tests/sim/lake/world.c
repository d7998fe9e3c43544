/*
 * One run: processes work while things break; then nothing breaks any more, all come to an end, what is on its way
 * arrives, and the table is read once more.
 */
#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

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

void say(const struct world *w, const char *fmt, ...)
{
    va_list args;

    if (!w->verbose)
        return;
    va_start(args, fmt);
    fprintf(stderr, "%10.3f  ", (double)w->now_us / US_PER_S);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
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

/* What this seed is like. */
static void choose(struct world *w)
{
    static const unsigned faults[] = {0, 2, 5, 10, 25}, slow[] = {0, 1, 5, 20}, pages[] = {3, 10, 1000};
    const int writers = 2 + (int)draw(w, 4), readers = 1 + (int)draw(w, 2);

    w->fault_percent = faults[draw(w, IG_COUNT(faults))];
    w->slow_percent = slow[draw(w, IG_COUNT(slow))];
    w->page = pages[draw(w, IG_COUNT(pages))];
    w->partitions = chance(w, 40) ? 1 : PARTITIONS;
    w->crashes = chance(w, 40);
    w->row_tracking = chance(w, 30);
    w->in_commit_timestamps = chance(w, 30);
    w->write_serializable = chance(w, 25);
    w->sleepers = chance(w, 30);
    w->slow_paced = chance(w, 30);
    for (int i = 0; i < writers; i++)
        process_add(w, "writer", writer_run, 3 + (int)draw(w, 8));
    for (int i = 0; i < readers; i++)
        process_add(w, "reader", reader_run, 2 + (int)draw(w, 6));
    if (chance(w, 60))
        process_add(w, "cleaner", cleaner_run, 1 + (int)draw(w, w->slow_paced ? 12 : 5));
    for (int i = chance(w, 20) ? 2 : 0; i > 0; i--)
        process_add(w, "cloner", cloner_run, 2 + (int)draw(w, 3));
}

static void sum_up(const struct world *w, struct world_result *out)
{
    *out = (struct world_result){
        .commits = w->model.versions.n, .crashes = w->crashes_seen, .vacuumed = w->vacuumed, .random = w->random};
    for (size_t i = 0; i < w->model.ops.n; i++)
        out->unknown += w->model.ops.p[i].state == OP_UNKNOWN;
    memcpy(out->why, w->why, sizeof(out->why));
}

bool world_run(struct world *w, uint64_t seed, bool verbose, struct world_result *out)
{
    w->seed = w->random = seed;
    w->verbose = verbose;
    w->now_us = w->calls = w->crashes_seen = w->vacuumed = 0;
    w->failed = w->healing = false;
    memset(w->clones, 0, sizeof(w->clones));
    w->why[0] = '\0';
    w->model = (struct model){.acked = -1, .row_high = -1};
    choose(w);
    processes_run(w);
    w->healing = true;
    if (!w->failed && w->model.versions.n) {
        say(w, "the end");
        process_add(w, "last reader", reader_run, 2);
        processes_run(w);
    }
    if (!w->failed)
        model_check_end(w);
    sum_up(w, out);
    processes_free(w);
    store_sim_free(w);
    model_free(w);
    return !*out->why;
}
