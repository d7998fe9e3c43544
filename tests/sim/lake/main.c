/*
 * Runs the simulation of the lake from many seeds.
 *
 *   sim_lake [--seeds FROM-TO | --fresh N] [--seconds N] [--verbose] [--twice]
 *
 * --fresh takes N seeds that nobody chose; --verbose tells what happens; --twice runs each seed twice and compares.
 * Exit code 1, and the seed, at the first promise that is broken.
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct wish {
    uint64_t from, to;
    long seconds;
    bool verbose, twice;
};

static int usage(void)
{
    fprintf(stderr, "usage: sim_lake [--seeds FROM-TO | --fresh N] [--seconds N] [--verbose] [--twice]\n");
    return 2;
}

static bool parse(int argc, char **argv, struct wish *w)
{
    for (int i = 1; i < argc; i++) {
        char *end;

        if (strcmp(argv[i], "--verbose") == 0) {
            w->verbose = true;
        } else if (strcmp(argv[i], "--twice") == 0) {
            w->twice = true;
        } else if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc) {
            w->from = w->to = strtoull(argv[++i], &end, 10);
            if (*end == '-')
                w->to = strtoull(end + 1, &end, 10);
            if (*end || w->to < w->from)
                return false;
        } else if (strcmp(argv[i], "--fresh") == 0 && i + 1 < argc) {
            w->from = (uint64_t)time(NULL) * 1000000;
            w->to = w->from + strtoull(argv[++i], &end, 10) - 1;
            if (*end || w->to < w->from)
                return false;
            printf("seeds from %llu\n", (unsigned long long)w->from);
        } else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc) {
            w->seconds = strtol(argv[++i], NULL, 10);
        } else {
            return false;
        }
    }
    return true;
}

static bool run_seed(const struct wish *w, uint64_t seed, struct world_result *sum, struct world *world)
{
    struct world_result r, again;

    if (!world_run(world, seed, w->verbose, &r)) {
        printf("seed %llu: %s\n", (unsigned long long)seed, r.why);
        return false;
    }
    if (w->twice &&
        (!world_run(world, seed, false, &again) || again.random != r.random || again.commits != r.commits)) {
        printf("seed %llu: the second run was another one\n", (unsigned long long)seed);
        return false;
    }
    sum->commits += r.commits;
    sum->unknown += r.unknown;
    sum->crashes += r.crashes;
    sum->vacuumed += r.vacuumed;
    return true;
}

int main(int argc, char **argv)
{
    struct wish w = {.from = 1, .to = 1000};
    struct world_result sum = {0};
    struct world *world = check_calloc(1, sizeof(*world));
    const time_t began = time(NULL);
    uint64_t seed;
    int status = 0;

    if (!parse(argc, argv, &w)) {
        free(world);
        return usage();
    }
    for (seed = w.from; seed <= w.to && !status && (w.seconds == 0 || time(NULL) - began < w.seconds); seed++)
        status = !run_seed(&w, seed, &sum, world);
    if (status)
        printf("again: sim_lake --seeds %llu --verbose\n", (unsigned long long)seed - 1);
    else
        printf("%llu seeds: %zu commits, %zu unknown, %lld crashes, %lld files vacuumed: every promise was kept\n",
               (unsigned long long)(seed - w.from), sum.commits, sum.unknown, (long long)sum.crashes,
               (long long)sum.vacuumed);
    for (size_t i = 0; i < world->stacks.n; i++)
        free(world->stacks.p[i]);
    vec_free(&world->stacks);
    free(world);
    return status;
}
